"""Calls the command line: `treadle` and `python -m treadle`."""

from __future__ import annotations

import gc
import os
import sys
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .fastpath.probe import ProbeResult
    from .session.fast_start import FastStart
    from .ui.text import Line

ENCODING = "treadle_encoding"
"""The option of the interpreter that keeps the encoding of the terminal, see `with_names_in_utf8`."""


def main() -> int:
    """Run the command with the arguments of this process; return its exit code."""
    from .session.fast_start import look

    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        # before anything is opened, which would get the number of a closed stream
        from .cli.main import fill_closed_streams

        fill_closed_streams()
    argv = sys.argv[1:]
    found = None
    try:
        found = look(argv)
        if (
            found is not None
            and found.probed is not None
            and found.probed.is_nothing_to_do
            # its value is checked by the longer way
            and not os.environ.get("TREADLE_OUTPUT")
            and sys.stdout is not None
        ):
            return print_nothing_to_do(found, found.probed)
    except KeyboardInterrupt:
        return 130
    from .cli.main import main as command

    return command(argv, found)


def print_nothing_to_do(found: FastStart, result: ProbeResult) -> int:
    """Print that there is nothing to do, unless the call is a quiet one; return the exit code."""
    if found.call.quiet:
        return 0
    from .ui.durations import nothing_to_do

    took = monotonic() - found.began
    line = nothing_to_do(result.total - result.unneeded, took, result.facts.saved, result.unneeded)
    if found.member_note:
        from .ui.console import Console

        Console().warn(found.member_note)
    try:
        _print(line)
    except OSError as error:
        from contextlib import suppress

        from .cli.exit_codes import code_of_lost, lost_note

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        failure = "" if isinstance(error, BrokenPipeError) else error.strerror or str(error)
        if failure and sys.stderr is not None:
            with suppress(OSError):
                print(f"treadle: {lost_note(failure)}", file=sys.stderr, flush=True)
        return code_of_lost(0, failure)
    return 0


def _print(line: Line) -> None:
    """Print a line on stdout.

    :raises OSError: it cannot be written
    """
    if sys.stdout.isatty() or os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        from .ui.screen import Screen, wants_colours

        screen = Screen(sys.stdout, colours=wants_colours(sys.stdout, "auto", os.environ))
        screen.write([line])
        if screen.lost is not None:
            raise screen.lost
    else:
        print("".join(text for text, _ in line), flush=True)


def with_names_in_utf8() -> None:
    """Start this program anew in the UTF-8 mode of Python, where the names of files have another encoding.

    A plan is UTF-8, and a name in it means these bytes, whatever the locale says: so one plan has the same
    outputs and records in each locale. Nothing of the environment is changed, as actions inherit it.
    """
    if sys.getfilesystemencoding() == "utf-8" or sys.flags.utf8_mode or not sys.executable:
        return
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    words = ["-X", "utf8", "-X", f"{ENCODING}={encoding}", *sys.orig_argv[1:]]
    os.execv(sys.executable, [sys.executable, *words])


def program() -> None:
    """Run the command as a program of its own, and end.

    It ends without taking the interpreter apart, which costs a tenth of a run with nothing to do: files are
    written and closed where they were opened, and no exit handler is ours. A debugger or profiler has handlers, and
    gets them.
    """
    with_names_in_utf8()
    # nearly all that a run makes stays; the watch loop collects between two rounds
    gc.disable()
    code = main()
    if sys.gettrace() is None and sys.getprofile() is None and "coverage" not in sys.modules:
        _flush()
        os._exit(code)
    sys.exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            # its reader is gone; `main` has set the exit code
            continue


if __name__ == "__main__":
    from ._startup.search_path import leave_current_folder

    leave_current_folder()
    with_names_in_utf8()
    sys.exit(main())
