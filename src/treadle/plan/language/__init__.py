"""The small languages inside of a plan: templates, conditions, shell, globs, paths."""
