"""The command: the only place that reads argv, installs signal handlers, prints, or exits."""
