"""The exit codes of the command, beside 0 and those of signals."""

FAILED = 1
"""An action failed, or work is pending."""
WRONG = 2
"""The plan or the call is wrong."""
BUSY = 3
"""Another run is at work, and we were told not to wait."""
OUR_BUG = 70
GONE = 141
"""Nobody reads the answer: that of a program which SIGPIPE has ended."""
