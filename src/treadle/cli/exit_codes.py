"""The exit codes of the command, beside 0 and those of signals."""

FAILED = 1
"""An action failed, or work is pending."""
WRONG = 2
"""The plan or the call is wrong."""
BUSY = 3
"""Another run is at work, and we were told not to wait."""
OUR_BUG = 70
GONE = 141
"""The reader of the answer is gone: the code of a program which SIGPIPE has ended."""


def code_of_lost(code: int, failure: str) -> int:
    """Return the exit code where stdout could not be written to the end: the same for each command.

    Signals, a run that is at work elsewhere and bugs of our own say more, and stay.

    :param code: what it would be else
    :param failure: why it could not be written, "" if the reader went away
    """
    return (WRONG if failure else GONE) if code in (0, FAILED, WRONG, GONE) else code


def lost_note(failure: str) -> str:
    """Return what is told of stdout that cannot be written."""
    return f"what is printed cannot be written: {failure}"
