"""The plan language: YAML text to a checked plan, and that to Commands; unaware of walks and of the store."""
