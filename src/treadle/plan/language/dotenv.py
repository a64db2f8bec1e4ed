"""Parses files of variables (`.env`): lines of NAME=value, in the common form.

It expands nothing in the values, and its errors show no value: such files hold secrets.
"""

from __future__ import annotations

import re

from treadle.plan.schema.keys import NAME
from treadle.plan.yaml.nodes import Source

_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?([^=\s#]*)[ \t]*(=?)[ \t]*")
_BARE = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_END = re.compile(r"[ \t]*(?:#[^\n]*)?")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LONGEST_NAME = 40
"""Characters of a wrong name that are shown."""
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}


def variables(source: Source) -> dict[str, str]:
    """Return the variables that a file sets.

    :raises TreadleError: a line is not NAME=value
    """
    text, at = source.text, 0
    found: dict[str, str] = {}
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if text[at:end].strip() and not text[at:end].lstrip().startswith("#"):
            name, value, end = _variable(source, at)
            if name in found:
                raise source.error(f"{name} is set twice", at, hint="take one of them out")
            found[name] = value
        at = end + 1
    return found


def _variable(source: Source, at: int) -> tuple[str, str, int]:
    """Return the variable at an offset, its value, and the end of its line."""
    text = source.text
    line = _LINE.match(text, at)
    assert line is not None
    name = line.group(1)
    if not line.group(2) or not NAME.fullmatch(name):
        said = "no = after the name"
        if line.group(2):
            # a long one may be part of a secret whose quotes are missing
            shown = repr(name) if len(name) <= _LONGEST_NAME else "the text before ="
            said = f"{shown} is not a valid variable name"
        raise source.error(said, line.start(1), hint="each line is NAME=value; a comment begins with #")
    if name.startswith("TREADLE"):
        raise source.error(f"{name}: names that begin with TREADLE are reserved", line.start(1), hint="rename it")
    start = line.end()
    quote = text[start : start + 1]
    if quote not in ("'", '"'):
        bare = _BARE.match(text, start)
        assert bare is not None
        return name, _COMMENT.sub("", bare.group()).strip(), bare.end()
    close = _close(source, start, quote)
    value = text[start + 1 : close]
    if quote == '"':
        value = _ESCAPE.sub(
            lambda found: _ESCAPES.get(found[1], found[1] if found[1] in '"\\$`' else found[0]), value
        )
    rest = _END.match(text, close + 1)
    assert rest is not None
    if text[rest.end() : rest.end() + 1] not in ("", "\n"):
        raise source.error("text after the closing quote", rest.end(), hint="put all of the value in the quotes")
    return name, value, rest.end()


def _close(source: Source, start: int, quote: str) -> int:
    """Return the end of the quote that begins at an offset."""
    at = start + 1
    while at < len(source.text):
        if source.text[at] == quote:
            return at
        at += 2 if quote == '"' and source.text[at] == "\\" else 1
    raise source.error("the quote that begins here is not closed", start, hint="close it")
