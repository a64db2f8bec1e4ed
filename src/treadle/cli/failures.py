"""Prints errors on stderr, and returns their exit codes. A traceback is for bugs in Treadle."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.errors import BusyError, DAGError, PlanError, StateError, TreadleError, UsageError

from .exit_codes import BUSY, FAILED, MASK, OTHER, OUR_BUG, WRONG

if TYPE_CHECKING:
    from treadle.session.call import Call


def print_error(error: BaseException, call: Call) -> int:
    """Print what went wrong; return the exit code."""
    if isinstance(error, TreadleError):
        from treadle.ui.error_text import print_error

        print_error(error, call.console)
    elif isinstance(error, OSError):
        call.console.warn(f"the system refused: {error}")
    else:
        _print_bug(error, call)
    return exit_code_of(error, call)


def exit_code_of(error: BaseException, call: Call) -> int:
    """Return the exit code of whatever has ended a command."""
    if call.options.exit_code == MASK:
        return OTHER
    if isinstance(error, TreadleError):
        return code_of(error, under_way=call.under_way)
    if isinstance(error, OSError):
        return FAILED if call.under_way else WRONG
    return OUR_BUG


def code_of(error: TreadleError, *, under_way: bool) -> int:
    """Return the exit code of an error.

    :param under_way: whether actions may have run before it
    """
    if isinstance(error, BusyError):
        return BUSY
    if isinstance(error, (PlanError, UsageError, DAGError)):
        return WRONG
    if isinstance(error, StateError) or under_way:
        return FAILED if under_way else WRONG
    return WRONG


def _print_bug(error: BaseException, call: Call) -> None:
    from traceback import format_exception

    from treadle import __version__
    from treadle.core.text import safe
    from treadle.ui.text import line

    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    system = " ".join(os.uname()[:3:2])
    texts = "".join(format_exception(error)).rstrip().split("\n")
    lines = [
        line(("treadle: ", "dim"), (f"this is a bug in Treadle, not in your plan: {safe(what)}", "bad")),
        *(line(safe(text)) for text in texts),
        line(f"Treadle {__version__}, Python {'.'.join(map(str, _python()))}, {system}"),
        line("Please report it with this text and, if possible, the plan."),
    ]
    call.console.errors.write(lines)


def _python() -> tuple[int, int, int]:
    import sys

    return sys.version_info[:3]
