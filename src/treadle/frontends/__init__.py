"""What a call needs to know of a project, whatever its plan is written in."""
