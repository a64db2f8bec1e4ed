"""Text to nodes that know their places."""
