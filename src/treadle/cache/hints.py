"""Hints: what the last entries of an action were stored for, so that a miss can be explained. They restore nothing.

A hint has the names of the elements of a key and digests of their values, never a value. This module opens no file.
"""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from treadle.core.elements import DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 8
"""Hints of one action that are kept."""
MOST_BYTES = 1 << 18
"""Bytes of one; what would be longer is not kept."""
OUTPUT, PROGRAM, LOCALE = "output ", "program ", "locale "
"""How the names of parts begin that are no elements of the fingerprint."""
_DIGITS = 16
_JSON = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
"""`json.dumps` would make an encoder for each call."""


class Hint(NamedTuple):
    """What one entry was stored for.

    :ivar key: what the entry is found by
    :ivar run: the run that stored it
    :ivar at: when, in seconds since the epoch
    :ivar digests: the name of each part of the key -> a digest of its value
    """

    key: str
    run: str
    at: int
    digests: Mapping[str, str]


def owner_key(label: str, uid: str) -> str:
    """Return what the hints of an action are found by.

    :param label: its plan
    """
    return sha256(f"treadle-hints-1\0{label}\0{uid}".encode("utf-8", "surrogatepass")).hexdigest()


def parts_of(
    elements: Mapping[str, str],
    outputs: Iterable[str],
    programs: Mapping[str, str],
    locale: Mapping[str, str],
    found: Mapping[str, str] | None = None,
    namespace: str = "",
) -> dict[str, str]:
    """Return name -> value of all that the key of an entry is made of.

    :param elements: the key elements of the fingerprint
    :param programs: path -> content, of what is started directly
    :param found: path -> value, of what the action was found to read
    """
    parts = dict(elements)
    parts.update((OUTPUT + path, "tree" if path.endswith("/") else "file") for path in outputs)
    # their content counts, and not where they are
    parts.update(
        (f"{PROGRAM}{at} {path.rpartition('/')[2]}", v) for at, (path, v) in enumerate(programs.items(), 1)
    )
    parts.update((LOCALE + name, value) for name, value in locale.items())
    if namespace:
        parts["namespace"] = namespace
    parts.update((DISCOVERED + path, value) for path, value in (found or {}).items())
    return parts


def digests_of(parts: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each part -> a digest of its value."""
    return {name: _digest(name, value) for name, value in parts.items()}


@lru_cache(maxsize=4096)
def _digest(name: str, value: str) -> str:
    # programs, tools and variables are those of many actions
    return sha256(f"{name}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def encode(hint: Hint) -> bytes:
    """Return a hint as one line, nothing if that is too long."""
    data = {"key": hint.key, "run": hint.run, "at": hint.at, "digests": dict(hint.digests)}
    line = _JSON(data).encode() + b"\n"
    return line if len(line) <= MOST_BYTES else b""


def decode(data: bytes) -> list[Hint]:
    """Return the last hints in a file, each key once and the newest first; what is no hint is left out."""
    found: dict[str, Hint] = {}
    for line in reversed(data.splitlines()):
        hint = _decoded(line)
        if hint is not None:
            found.setdefault(hint.key, hint)
        if len(found) == MOST:
            break
    return list(found.values())


def _decoded(line: bytes) -> Hint | None:
    try:
        data = json.loads(line)
        hint = Hint(data["key"], data["run"], data["at"], data["digests"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    is_right = isinstance(hint.digests, dict) and type(hint.at) is int
    return hint if is_right and all(isinstance(one, str) for one in (*hint[:2], *hint.digests.values())) else None


def differences(parts: Mapping[str, str], hint: Hint) -> list[str]:
    """Return in words how the parts of a key differ from those of a hint, one line for each."""
    now, then = digests_of(parts), hint.digests
    names = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    return [_said(name, is_now=name in now, was_then=name in then) for name in names]


def _said(name: str, *, is_now: bool, was_then: bool) -> str:
    if is_now and was_then:
        return f"{name} differs"
    return f"{name} is new" if is_now else f"{name} is gone"


def nearest(parts: Mapping[str, str], hints: Iterable[Hint]) -> tuple[Hint, list[str]] | None:
    """Return the hint that differs in the fewest parts, of equal ones the newest, and how; None without hints."""
    found = [(hint, differences(parts, hint)) for hint in hints]
    return min(found, key=lambda one: len(one[1])) if found else None
