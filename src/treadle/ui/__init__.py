"""Display on a terminal: pure rendering of state, and a thin writer."""
