"""The rounds of `--watch`."""
