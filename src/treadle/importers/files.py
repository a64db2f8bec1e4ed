"""Files of a project, read as far as importers need them."""

from __future__ import annotations

import os

_MOST = 1 << 20
"""Characters of a text that are read."""


def read_text(root: str, path: str) -> str:
    """Return the beginning of a text file, "" if it cannot be read."""
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            return file.read(_MOST)
    except OSError:
        return ""


def folders_in(path: str, left_out: tuple[str, ...]) -> list[os.DirEntry[str]]:
    """Return the folders in a folder that may hold sources, by name; none if it cannot be read."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:
        return []
    return [entry for entry in entries if entry.name[0] != "." and entry.name not in left_out and entry.is_dir()]
