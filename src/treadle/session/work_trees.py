"""What the last run has found of the work trees of repositories, for commands that only look."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.content.trust import STATE_FOLDER
from treadle.state import own_files

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "work-trees"
_VALUES = ("true", "false")


def work_trees_on_record(root: str) -> dict[str, str]:
    """Return top of a repository -> whether its work tree differed from its commit: `true` or `false`.

    :param root: the root of the plan
    """
    data = own_files.read(os.path.join(root, STATE_FOLDER, _NAME)) or b""
    pairs = (os.fsdecode(line).partition(" ")[::2] for line in data.split(b"\0"))
    here = os.path.realpath(root)
    return {os.path.normpath(os.path.join(here, top)): value for value, top in pairs if value in _VALUES}


def recorded_note(root: str, used: Mapping[str, str]) -> str:
    """Return the line that says which values a command that only looks has used.

    :param root: the root of the plan
    """
    values = ", ".join(dict.fromkeys(used.values()))
    since = "as the last run has found it" if used.keys() <= work_trees_on_record(root).keys() else "until a run"
    return f"git.dirty is taken as {values}, {since}: only a run looks at the work tree"


def keep_work_trees(folder: str, found: Mapping[str, str]) -> None:
    """Put down what a run has found; a failure changes nothing.

    :param folder: the state folder
    """
    here = os.path.realpath(os.path.dirname(folder))
    pieces = [f"{value} {os.path.relpath(top, here)}" for top, value in found.items()]
    try:
        own_files.replace(os.path.join(folder, _NAME), [os.fsencode("\0".join(pieces))])
    except OSError:
        return
