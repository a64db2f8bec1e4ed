"""What first plans are made from: files of other tools, or else programs that lie in the folder."""

from __future__ import annotations

import os

from treadle.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .draft import Draft

_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_TASKFILES = ("Taskfile.yml", "taskfile.yml", "Taskfile.yaml", "taskfile.yaml")
FILES = ("Taskfile.yml", "dvc.yaml", "Makefile")
"""Files of other tools that are understood, by the names that they mostly have."""


def drafts_of(root: str, names: Sequence[str] = ()) -> list[Draft]:
    """Return a draft for each thing that was found.

    :param names: the files to take; those that are there if left out, and only without any the programs
    :raises UsageError: a file is none that is understood
    """
    found = []
    there = _names(root)
    for name in names or [*_first(_TASKFILES, there), *_first(("dvc.yaml",), there), *_first(_MAKEFILES, there)]:
        draft = _draft_of_file(root, name)
        if draft is not None:
            found.append(draft)
    if names or found:
        return found
    from .c_program import c_draft
    from .python_project import python_draft

    return [draft for draft in (python_draft(root), c_draft(root)) if draft is not None]


def _names(root: str) -> set[str]:
    return {entry.name for entry in os.scandir(root) if entry.is_file()}


def _first(names: Sequence[str], there: set[str]) -> list[str]:
    return [name for name in names if name in there][:1]


def _draft_of_file(root: str, name: str) -> Draft | None:
    known = os.path.basename(name)
    if not os.path.isfile(os.path.join(root, name)):
        raise UsageError(f"there is no file {name}")
    if os.path.dirname(name):
        raise UsageError(f"{name}: the plan is for the folder that it lies in", hint="-C DIR goes there first")
    if known in _TASKFILES:
        from .taskfile import taskfile_draft

        return taskfile_draft(root, name)
    if known == "dvc.yaml":
        from .dvc import dvc_draft

        return dvc_draft(root, name)
    if known in _MAKEFILES or known.endswith(".mk"):
        from .makefile import makefile_draft

        return makefile_draft(root, name)
    close = nearest(known, [*_TASKFILES, "dvc.yaml", *_MAKEFILES])
    raise UsageError(
        f"{name} is nothing that a plan can be made from",
        facts=[f"understood are {', '.join(FILES)}"],
        hint=f"did you mean {close}?" if close else "",
    )
