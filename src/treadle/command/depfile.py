"""Depfile: the discovery of a command that says in make's syntax what it has read. It knows no fingerprints."""

from __future__ import annotations

import os

from treadle.errors import TreadleError

from .discovery import Discovery


class Depfile(Discovery):
    """The discovery of a command that writes a file in make's syntax, as compilers do."""

    kind = "depfile"
    element = "depfile"

    def read(self, root: str) -> list[str]:
        """Return the prerequisites of all entries."""
        path = os.path.join(root, self.path)
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return parse_depfile(file.read(), self.path)


def parse_depfile(text: str, name: str) -> list[str]:
    r"""Return the prerequisites of all entries of a depfile, each once, in order.

    Understood are the lines that compilers write: `out: in in` or `out:in`, continued by a backslash at the end of
    a line, with `\ ` for a blank, `\#` for `#` and `$$` for `$` in names. A line that begins with `#` is a comment,
    `out: | in` has a bar for inputs that only order, and they count as all others. A colon within a word is part of
    a name, unless no other colon of the line can end its targets.

    :param name: what to call the depfile in an error
    :raises TreadleError: a line has no colon, or a byte 0
    """
    found: dict[str, None] = {}
    for number, line in _entries(text.replace("\r\n", "\n")):
        if "\0" in line:
            raise TreadleError(f"{name} is not a depfile: line {number} has a byte 0", hint=_HINT)
        words = _words(line)
        if not words:
            continue
        inputs = _inputs(words)
        if inputs is None:
            raise TreadleError(
                f"{name} is not a depfile: line {number} has no colon",
                facts=(f"it says: {line.strip()[:80]}",),
                hint=_HINT,
            )
        found.update(dict.fromkeys(inputs))
    return list(found)


_HINT = "a depfile looks like `out.o: in.c header.h`"


def _entries(text: str) -> list[tuple[int, str]]:
    """Return the entries, each with the number of its first line and its lines joined."""
    entries: list[tuple[int, str]] = []
    held: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not held:
            first = number
            if line.lstrip(" \t").startswith("#"):
                continue
        # an even number of backslashes means half as many, and for no end of a line
        if (len(line) - len(line.rstrip("\\"))) % 2:
            held.append(line[:-1])
            continue
        entries.append((first, " ".join([*held, line])))
        held = []
    if held:
        entries.append((first, " ".join(held)))
    return entries


def _inputs(words: list[str]) -> list[str] | None:
    """Return what follows the targets; None without a colon."""
    at = next((at for at, word in enumerate(words) if word.endswith(":")), None)
    if at is not None:
        return [word for word in words[at + 1 :] if word != "|"]
    at = next((at for at, word in enumerate(words) if ":" in word), None)
    if at is None:
        return None
    return [word for word in (words[at].partition(":")[2], *words[at + 1 :]) if word not in ("", "|")]


def _words(line: str) -> list[str]:
    """Return the words of an entry, without the marks that make blanks and the like a part of a name."""
    words: list[str] = []
    word, at = "", 0
    while at < len(line):
        char, after = line[at], line[at + 1 : at + 2]
        if char == "\\":
            count = len(line) - at - len(line[at:].lstrip("\\"))
            after = line[at + count : at + count + 1]
            # only before these a backslash means something; one that means itself is doubled before a blank
            if after and after in " \t" and count % 2:
                word, at = word + "\\" * (count // 2) + after, at + count
            elif after and after in "#:":
                word, at = word + "\\" * (count - 1) + after, at + count
            else:
                word, at = word + "\\" * count, at + count - 1
        elif char == "$" and after == "$":
            word, at = word + "$", at + 1
        elif char in " \t\r\v\f":
            words += [word] if word else []
            word = ""
        else:
            word += char
        at += 1
    return [*words, word] if word else words
