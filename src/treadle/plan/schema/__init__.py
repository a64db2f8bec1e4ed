"""The keys of the language, and what may stand at each."""
