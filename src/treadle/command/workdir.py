"""`workdir`: what it may be, what cannot go with it, and what paths in such a folder mean in the root.

It knows no Commands and no files; `fresh_room` has the folders themselves.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.core.paths import holds
from treadle.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FRESH, COPY = "fresh", "copy"
"""What `workdir` may be: a new folder with links to the inputs, or with copies of them."""
NAME = "work"
"""The folder in the state that these folders are in."""
WHY_NOT = {
    "edits": "files that it edits are changed in their places",
    "keep": "a new folder holds none of the outputs that are to be kept",
    "once": "it would not look at the inputs that it is given",
    "console": "what is typed at the terminal is about the real folder",
}
"""Key -> why it cannot go with `workdir`."""


def check(workdir: object, given: Mapping[str, object], paths: Iterable[str]) -> None:
    """Refuse what cannot go with a folder of its own.

    :param given: values of a Command, by the names of WHY_NOT
    :param paths: all paths that it names below the root
    :raises UsageError: it is no known kind, or something else of the Command contradicts it
    """
    if workdir not in (FRESH, COPY):
        close = nearest(str(workdir), (FRESH, COPY))
        raise UsageError(
            f"the workdir of a Command is {workdir!r}",
            facts=(f"expected {FRESH!r} or {COPY!r}",),
            hint=f"did you mean {close!r}?" if close else "",
        )
    for name, value in given.items():
        if value:
            what = f"a Command has workdir and {name}"
            raise UsageError(what, facts=(WHY_NOT[name],), hint="take one of them out")
    for path in paths:
        if ".." in path.split("/"):
            raise UsageError(
                f"a Command with workdir names {path!r}",
                facts=("a path with .. may lead out of its folder",),
                hint="name it relative to the root, without ..",
            )


def mapped(path: str, folder: str, cwd: str) -> str:
    """Return the path in the root that a program in a folder of its own means by a path.

    :param folder: that folder
    :param cwd: where in it the program ran
    """
    full = os.path.normpath(os.path.join(folder, cwd, path))
    for top in (folder, os.path.realpath(folder)):
        if full == top:
            return "."
        if full.startswith(f"{top}/"):
            inside = full[len(top) + 1 :]
            return f"{inside}/" if path.endswith("/") else inside
    return full


def artifacts(paths: Sequence[str], outputs: Sequence[str], root: str, folder: str) -> list[str]:
    """Return where artifacts are after the attempt: outputs in their places, all else in its folder.

    :param paths: relative to its folder, or absolute
    """
    inside = os.path.relpath(folder, root)
    return [
        path if path.startswith("/") or any(holds(one, path) for one in outputs) else f"{inside}/{path}"
        for path in paths
    ]
