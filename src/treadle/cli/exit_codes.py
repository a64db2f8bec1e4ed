"""The exit codes of the command, other than 0 and those of signals."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
"""An action failed, or work is pending."""
WRONG = 2
"""The plan or the call is wrong."""
BUSY = 3
"""Another run is active, and --no-wait was given."""
OUR_BUG = 70
MASK = "mask"
"""The value of `--exit-code` with which a run says by bits what there was in it, see `mask`."""
OTHER = 64
"""The bit of `mask` for all that is no outcome of an action."""
GONE = 141
"""The output pipe was closed: the exit code of a program that SIGPIPE has ended."""


def is_masked(argv: Sequence[str]) -> bool:
    """Return whether a command line asks for an exit code of bits."""
    return "run" in argv and (f"--exit-code={MASK}" in argv or ("--exit-code" in argv and MASK in argv))


def code_of_lost(code: int, failure: str, argv: Sequence[str] = ()) -> int:
    """Return the exit code of a command whose stdout could not be written completely.

    The codes of signals, of an active run and of bugs stay, as they say more.

    :param code: the exit code otherwise
    :param failure: why it could not be written, "" if the pipe was closed
    :param argv: the command line
    """
    if is_masked(argv):
        return code | OTHER
    return (WRONG if failure else GONE) if code in (0, FAILED, WRONG, GONE) else code


def lost_note(failure: str) -> str:
    """Return the warning for a stdout that cannot be written."""
    return f"stdout cannot be written: {failure}"
