"""A walk over Commands: programs with declared inputs and outputs."""
