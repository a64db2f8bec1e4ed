"""Calls the command line: `treadle` and `python -m treadle`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command with the arguments of this process; return its exit code."""
    from .cli.at_once import look, tell_nothing_to_do

    argv = sys.argv[1:]
    found = None
    try:
        found = look(argv)
        if found is not None and found.answer is not None and not found.answer.items and sys.stdout is not None:
            return tell_nothing_to_do(found, found.answer)
    except KeyboardInterrupt:
        return 130
    from .cli.main import main as command

    return command(argv, found)


if __name__ == "__main__":
    sys.exit(main())
