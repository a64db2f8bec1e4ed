"""What executes an attempt of a program."""
