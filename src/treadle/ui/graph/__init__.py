"""The graph as a terminal shows it."""
