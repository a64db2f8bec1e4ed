"""Depfiles: what a command says that it read, in make's syntax. They know nothing of fingerprints."""

from __future__ import annotations

import os

from .errors import TreadleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .command import Command


def read_depfile(root: str, command: Command) -> list[str]:
    """Return what a command says that it read, relative to the root where it lies in it.

    :raises TreadleError: the depfile is missing or is none
    """
    name = command.depfile or ""
    try:
        with open(os.path.join(root, name), encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError as error:
        raise TreadleError(f"it ended well but its depfile {name} cannot be read: {error.strerror}") from error
    found: dict[str, None] = {}
    inner = os.path.join(root, "")
    for path in parse_depfile(text, name):
        full = os.path.normpath(os.path.join(root, command.cwd, path))
        found["." if full == root else full.removeprefix(inner)] = None
    return list(found)


def parse_depfile(text: str, name: str) -> list[str]:
    r"""Return the prerequisites of all entries of a depfile, each once, in order.

    Understood are the lines that compilers write: `out: in in`, continued by a backslash at the end of a line,
    with `\ ` for a blank, `\#` for `#` and `$$` for `$` in names.

    :param name: what to call the depfile in an error
    :raises TreadleError: a line has no colon
    """
    found: dict[str, None] = {}
    joined = text.replace("\r\n", "\n").replace("\\\n", " ")
    for number, line in enumerate(joined.split("\n"), 1):
        words = _words(line)
        if not words:
            continue
        colon = next((at for at, word in enumerate(words) if word == ":" or word.endswith(":")), None)
        if colon is None:
            raise TreadleError(
                f"{name} is not a depfile: entry {number} has no colon",
                facts=(f"it says: {line.strip()[:80]}",),
                hint="a depfile looks like `out.o: in.c header.h`",
            )
        found.update(dict.fromkeys(words[colon + 1 :]))
    return list(found)


def _words(line: str) -> list[str]:
    words: list[str] = []
    word, at = "", 0
    while at < len(line):
        char, after = line[at], line[at + 1 : at + 2]
        if char == "\\" and after in (" ", "#", "\\"):
            word, at = word + after, at + 1
        elif char == "$" and after == "$":
            word, at = word + "$", at + 1
        elif char.isspace():
            words += [word] if word else []
            word = ""
        else:
            word += char
        at += 1
    return [*words, word] if word else words
