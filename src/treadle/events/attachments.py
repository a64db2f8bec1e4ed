"""Attachments: what a report shows of the outputs of an action: pictures, and small tables as rows of texts.

What is read is bounded, one file and all of a run. Nothing is followed: an output that is a link is not shown.

They are in the events, bounded in number and size, so a page shows them wherever it is made or moved to. Events
hold no absolute paths.
"""

from __future__ import annotations

import base64
import csv
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

PICTURES: Mapping[str, tuple[str, bytes]] = {
    ".png": ("png", b"\x89PNG\r\n\x1a\n"),
    ".jpg": ("jpeg", b"\xff\xd8\xff"),
    ".jpeg": ("jpeg", b"\xff\xd8\xff"),
    ".gif": ("gif", b"GIF8"),
    ".webp": ("webp", b"RIFF"),
    ".svg": ("svg", b""),
}
"""Suffix -> the kind, and how such a file begins."""
TABLES = {".csv": ",", ".tsv": "\t"}
"""Suffix -> what is between two cells."""
LARGEST_PICTURE = 1 << 20
MOST_BYTES = 8 << 20
"""Of all pictures of a run."""
MOST_FILES = 50
"""Of a run; of a folder that is an output, all files in it are looked at."""
MOST_ROWS = 50
MOST_COLUMNS = 30
CELL = 200
"""Characters of a cell that are kept."""
_READ_OF_TABLE = 1 << 18


class Attachments:
    """Reads what is shown of a run, as far as there is room.

    :param root: the folder that outputs are relative to
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._files = 0
        self._bytes = 0

    def of(self, outputs: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield what is shown of some outputs: `path`, `type` and `data` or `rows`; `omitted` says why not all."""
        for path in outputs:
            for one in self._files_in(path) if path.endswith("/") else (path,):
                suffix = os.path.splitext(one)[1].lower()
                if suffix in PICTURES or suffix in TABLES:
                    if self._files >= MOST_FILES:
                        return
                    self._files += 1
                    yield {"path": one, **self._shown(one, suffix)}

    def _files_in(self, folder: str) -> Iterator[str]:
        for here, folders, names in os.walk(os.path.join(self._root, folder)):
            folders.sort()
            for name in sorted(names):
                yield os.path.relpath(os.path.join(here, name), self._root)

    def _shown(self, path: str, suffix: str) -> dict[str, Any]:
        try:
            return self._table(path, suffix) if suffix in TABLES else self._picture(path, suffix)
        except OSError as error:
            return {"type": "none", "omitted": f"it cannot be read: {error.strerror}"}
        except ValueError as error:
            return {"type": "none", "omitted": str(error)}

    def _picture(self, path: str, suffix: str) -> dict[str, Any]:
        kind, begin = PICTURES[suffix]
        content, size = self._read(path, LARGEST_PICTURE)
        if size > LARGEST_PICTURE:
            raise ValueError(f"it has {size:,} bytes, and pictures up to {LARGEST_PICTURE:,} are shown")
        if self._bytes + size > MOST_BYTES:
            raise ValueError(f"the pictures of this run have more than {MOST_BYTES:,} bytes")
        if not content.startswith(begin):
            raise ValueError(f"it is no {kind}, whatever its name says")
        self._bytes += size
        return {"type": kind, "data": base64.b64encode(content).decode()}

    def _table(self, path: str, suffix: str) -> dict[str, Any]:
        content, size = self._read(path, _READ_OF_TABLE)
        text = content.decode("utf-8", "replace").removeprefix("\ufeff")
        lines = text.splitlines(keepends=True)
        if size > len(content):
            # the last line is cut
            lines = lines[:-1]
        rows: list[list[str]] = []
        is_cut = size > len(content)
        try:
            for row in csv.reader(lines, delimiter=TABLES[suffix]):
                if len(rows) == MOST_ROWS:
                    is_cut = True
                    break
                is_cut = is_cut or len(row) > MOST_COLUMNS
                rows.append([cell if len(cell) <= CELL else f"{cell[:CELL]}…" for cell in row[:MOST_COLUMNS]])
        except csv.Error as error:
            raise ValueError(f"it is no table: {error}") from None
        found: dict[str, Any] = {"type": "table", "rows": rows}
        return found | {"omitted": "more rows or columns are not shown"} if is_cut else found

    def _read(self, path: str, most: int) -> tuple[bytes, int]:
        """Return the content of a file, up to a size, and its size."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(os.path.join(self._root, path), flags)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("it is not a file")
            return file.read(most), status.st_size
