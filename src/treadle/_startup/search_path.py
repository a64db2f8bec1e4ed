"""Where a program of ours looks for modules: not in the folder that it was started in, whatever that holds."""

from __future__ import annotations

import os
import sys


def leave_current_folder() -> None:
    """Take the folder that `python -m` was called in out of the search path, where that puts it first.

    It is to be the first thing that a program does. What Python itself loads before (`runpy`, `warnings`) is looked
    for there all the same: only `python -P -m` is safe in a folder with files of others.
    """
    try:
        here = os.getcwd()
    except OSError:
        # it was removed
        here = ""
    if not sys.flags.safe_path and sys.path[:1] in ([""], [here]):
        del sys.path[0]
