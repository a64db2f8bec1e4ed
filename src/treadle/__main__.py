"""Calls the command line: `treadle` and `python -m treadle`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command with the arguments of this process; return its exit code."""
    from .cli.main import main as command

    return command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
