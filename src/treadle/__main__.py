"""Calls the command line: `treadle` and `python -m treadle`."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run the command with the arguments of this process; return its exit code."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        # until we hear signals ourselves, an interrupt ends us without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli.main import main as command

    return command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
