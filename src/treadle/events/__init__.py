"""What happened in a run, as data, and where it is written."""
