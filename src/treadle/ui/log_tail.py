"""The output of actions, read from their log files: the end of a log, or what is new in it.

To show the end of a log, not all of it is read. Logs hold any bytes of any length: lines are cut, and no byte
reaches a terminal as a control character.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from treadle.core.text import MORE, safe
from treadle.events.sanitize import OTHER_SEQUENCES

LONGEST_LINE = 500
"""Characters of one line that are shown."""
_END_BYTES = 1 << 16
"""Bytes at the end of a log in which the last lines are searched."""
_PIECE = 1 << 18
"""Bytes of a log that are read at a time when it is followed."""

_OTHER = re.compile(OTHER_SEQUENCES)
_COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")
_RAW_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
_LONGEST_COLOUR = 64


def visible(raw: bytes, *, colours: bool = False, longest: int = LONGEST_LINE) -> str:
    """Return one line of output as text that is safe to print.

    Control characters become escapes, escape sequences are dropped. Of a line that was overwritten after carriage
    returns the last state is shown. Colours are kept if `colours` is set.

    :param longest: characters that are shown
    """
    cut = len(raw) > 8 * longest
    raw = _OTHER.sub(b"", raw[: 8 * longest]).rstrip(b"\r")
    text = raw[raw.rfind(b"\r") + 1 :].decode("utf-8", "surrogateescape")
    parts: list[str] = []
    room, coloured = longest, False
    for number, part in enumerate(_COLOUR.split(text)):
        if number % 2:
            if colours:
                parts.append(part)
                coloured = True
            continue
        shown = "\t".join(safe(one) for one in part.split("\t"))
        parts.append(shown[:room])
        cut = cut or len(shown) > room
        room -= min(room, len(shown))
    return "".join(parts) + (MORE if cut else "") + ("\x1b[0m" if coloured else "")


def without_colours(raw: bytes) -> tuple[bytes, bytes]:
    """Return a piece of output without colours, and the part of its end that may be the beginning of one."""
    raw = _RAW_COLOUR.sub(b"", raw)
    at = raw.rfind(b"\x1b", -_LONGEST_COLOUR)
    return (raw[:at], raw[at:]) if at >= 0 else (raw, b"")


def visible_lines(fd: int, *, colours: bool = False) -> Iterator[str]:
    """Yield all lines of a file, made visible; one that is very long comes in several.

    :param fd: where it is read from
    """
    rest = b""
    while data := os.read(fd, _PIECE):
        *whole, rest = (rest + data).split(b"\n")
        if len(rest) > _PIECE:
            whole, rest = [*whole, rest], b""
        for one in whole:
            yield visible(one, colours=colours, longest=2 * _PIECE)
    if rest:
        yield visible(rest, colours=colours, longest=2 * _PIECE)


def last_lines(path: str, most: int, *, colours: bool = False) -> tuple[list[str], bool]:
    """Return the last lines of a file, made visible, and whether that is all of it.

    There are fewer if they are long, and none if there is no such file.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _END_BYTES))
            data = file.read(_END_BYTES)
    except OSError:
        return [], True
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    if size > len(data) and lines:
        # a line that the window has cut: shown only if there is no other
        lines = lines[1:] if len(lines) > 1 else [lines[0][-4 * LONGEST_LINE :]]
    is_all = size == len(data) and len(lines) <= most
    return [visible(one, colours=colours) for one in lines[-most:]], is_all


class Follower:
    """Reads what is new in the log of a running action, line by line.

    :param path: the log, which may not be there yet
    """

    def __init__(self, path: str, *, colours: bool = False) -> None:
        self.path = path
        self.colours = colours
        self._at = 0
        self._rest = b""

    def new_lines(self, *, all_of_it: bool = False) -> Iterator[str]:
        """Yield the whole lines that were added; with `all_of_it` also a last one without an end.

        Without it one call reads a bounded piece, so that an action with much output does not delay the others.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(self._at)
                while data := file.read(_PIECE):
                    self._at += len(data)
                    yield from self._split(data)
                    if not all_of_it:
                        break
        except OSError:
            return
        if all_of_it and self._rest:
            yield visible(self._rest, colours=self.colours)
            self._rest = b""

    def _split(self, data: bytes) -> Iterator[str]:
        *whole, rest = data.split(b"\n")
        for one in whole:
            yield visible(self._rest + one, colours=self.colours)
            self._rest = b""
        # the part that is cut for display need not be kept
        self._rest = (self._rest + rest)[: 16 * LONGEST_LINE]
