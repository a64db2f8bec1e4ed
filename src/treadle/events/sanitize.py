"""The output of programs as plain text: no colours, no escape sequences, no control characters."""

from __future__ import annotations

import os
import re

from treadle.core.text import safe

OTHER_SEQUENCES = (
    rb"\x1b\[[0-?]*[ -/]*[@-ln-~]"  # CSI but colours: cursor, erasing
    rb"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # strings up to their end: titles, links
    rb"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
)
"""Escape sequences of terminals other than colours."""
_SEQUENCES = re.compile(rb"\x1b\[[0-?]*[ -/]*m|" + OTHER_SEQUENCES)
LIVE_BYTES = 1 << 16
"""Bytes of an output that become events while it grows."""
LAST_BYTES = 1 << 16
"""Bytes of the end of a longer output that become an event."""


def clean(raw: bytes) -> str:
    """Return output as text: of an overwritten line its last state, and tabs unchanged."""
    text = _SEQUENCES.sub(b"", raw).decode("utf-8", "surrogateescape")
    return "\n".join(map(_line, text.split("\n")))


_MOST_OF_A_LINE = 200


def last_line(path: str) -> str:
    """Return the last line of a log that is not blank, "" if there is none: of a failure it mostly says why."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - (1 << 12)))
            end = file.read(1 << 12)
    except OSError:
        return ""
    lines = [text.strip() for text in clean(end).split("\n")]
    return next((text[:_MOST_OF_A_LINE] for text in reversed(lines) if text), "")


def _line(text: str) -> str:
    text = text.rstrip("\r")
    text = text[text.rfind("\r") + 1 :]
    if "\b" in text:
        kept: list[str] = []
        for char in text:
            if char != "\b":
                kept.append(char)
            elif kept:
                kept.pop()
        text = "".join(kept)
    return "\t".join(safe(part) for part in text.split("\t"))


class Tail:
    """Reads a log while it grows: whole lines as they come, up to a bound, and the end of what is longer.

    :param path: the log, which may not be there yet
    """

    __slots__ = ("_at", "_path", "_rest")

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    def new(self, *, last: bool = False) -> tuple[str, int]:
        """Return new output as text, and how many bytes before it are left out.

        :param last: whether the output is complete: then a line without an end counts too
        """
        try:
            with open(self._path, "rb") as file:
                left = os.fstat(file.fileno()).st_size - self._at
                file.seek(self._at)
                if not last:
                    return self._lines(file.read(max(0, LIVE_BYTES - self._at))), 0
                rest, self._rest = self._rest, b""
                self._at += left
                if left <= LAST_BYTES:
                    return clean(rest + file.read(left)), 0
                file.seek(self._at - LAST_BYTES)
                end = file.read(LAST_BYTES)
        except OSError:
            return "", 0
        # the line that the window has cut in two
        cut = end.find(b"\n", 0, -1) + 1
        return clean(end[cut:]), len(rest) + left - LAST_BYTES + cut

    def _lines(self, data: bytes) -> str:
        self._at += len(data)
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        return clean(data[:end])
