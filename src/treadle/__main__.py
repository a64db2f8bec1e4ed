"""Calls the command line: `treadle` and `python -m treadle`."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command with the arguments of this process; return its exit code."""
    from .cli.at_once import look, tell_nothing_to_do

    argv = sys.argv[1:]
    found = None
    try:
        found = look(argv)
        if (
            found is not None
            and found.answer is not None
            and found.answer.is_nothing_to_do
            and sys.stdout is not None
        ):
            return tell_nothing_to_do(found, found.answer)
    except KeyboardInterrupt:
        return 130
    from .cli.main import main as command

    return command(argv, found)


def program() -> None:
    """Run the command as a program of its own, and end.

    It ends without taking the interpreter apart, which costs a tenth of a run with nothing to do: files are closed
    and written by who opened them, and no exit handler is ours. A debugger or profiler has handlers, and gets them.
    """
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
            # whose end is gone; `main` has seen to the exit code
            continue


if __name__ == "__main__":
    sys.exit(main())
