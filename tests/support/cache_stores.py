"""Outputs that are stored in one folder and restored in another, for tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.cache.base import ENTRY_LIMIT
from treadle.cache.entry import Entry, decode_entry
from treadle.cache.folder import FolderCache
from treadle.cache.restore import Placement, Staged, stage
from treadle.cache.storing import Made, Stored, store
from treadle.content.digests import describe, describe_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from treadle.cache.base import OutputCache

KEY = "ab" * 32


def put(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, links (`-> target`), executables (`! text`) and empty folders (names with a `/` at the end)."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text.removeprefix("! "))
            path.chmod(0o755 if text.startswith("! ") else 0o644)


def tree(folder: Path) -> dict[str, str]:
    """Return what is in a folder, as `put` takes it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[f"{name}/"] = ""
        else:
            found[name] = ("! " if path.stat().st_mode & 0o100 else "") + path.read_text()
    return found


def value(root: Path, output: str) -> str:
    """Return the value of an output, as it is recorded."""
    full = root / output
    return describe_tree(str(full).rstrip("/")) if output.endswith("/") else describe(str(full))[0]


def stored(
    cache: FolderCache,
    root: Path,
    *outputs: str,
    key: str = KEY,
    log: str = "",
    exclude: Mapping[str, Callable[[str, bool], bool]] | None = None,
    values: Mapping[str, str] | None = None,
) -> Stored:
    """Store outputs of a folder."""
    about = Entry(run="5f0c", action="a", plan="treadle.yaml", duration=1.5, host="here", began=1, ended=2)
    found = dict(values or {output: value(root, output) for output in outputs})
    return store(cache, Made(key, found, exclude or {}, about, log), str(root), cache.scratch)


def staged(cache: OutputCache, folder: Path, *outputs: str, key: str = KEY) -> Staged | None:
    """Fetch outputs into a new folder."""
    body = cache.get_entry(key, ENTRY_LIMIT)
    if body is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return stage(cache, decode_entry(body, key), outputs, str(folder))


def placed(cache: OutputCache, root: Path, *outputs: str, key: str = KEY) -> bool:
    """Restore outputs, with room made for them as a walk does; return whether they were there."""
    found = staged(cache, root / f".staging{len(os.listdir(root))}", *outputs, key=key)
    if found is None:
        return False
    for output in outputs:
        (root / output if output.endswith("/") else (root / output).parent).mkdir(parents=True, exist_ok=True)
    Placement(str(root)).place(found)
    return True
