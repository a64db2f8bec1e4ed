"""The graph of actions, and what is computed on it."""
