"""Keys of entries: from the key of a fingerprint, and from the inputs that an action was found to read.

Each is the SHA-256 of framed, tagged and sorted elements, in 64 lower-case hex digits. This module opens no file.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FORMAT = "treadle-cache-1"
SYSTEM = ("/usr/", "/opt/", "/nix/store/")
"""Where inputs outside of the root may be that are looked up by name: the same on machines that share results."""
MOST_SETS = 8
MOST_PATHS = 20_000
MOST_BYTES = 1 << 20
"""Bounds of the path sets of one key: how many, how many names in one, and how many bytes all of them have."""
LOCALE = ("LANG", "LANGUAGE", "TZ")

_KEY, _OUTPUT, _PROGRAM, _LOCALE = b"key", b"output", b"program", b"locale"


def key_of(
    elements: Mapping[str, str],
    outputs: Iterable[str],
    programs: Sequence[str],
    locale: Mapping[str, str],
    namespace: str = "",
) -> str:
    """Return the key of what an action would make.

    :param elements: name -> value, the key elements of its fingerprint
    :param outputs: what it declares, folders with a `/` at the end
    :param programs: the content of each program that is started directly, in order
    :param locale: see `locale_of`
    """
    parts = [(_KEY, name, value) for name, value in elements.items()]
    parts += [(_OUTPUT, path, "tree" if path.endswith("/") else "file") for path in outputs]
    parts += [(_PROGRAM, str(number), value) for number, value in enumerate(programs)]
    parts += [(_LOCALE, name, value) for name, value in locale.items()]
    return _digest(("entry", namespace), parts)


def locale_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables about language and time zone that count: of LANG and LC_* LC_ALL alone, if it is set."""
    found = {name: value for name, value in environ.items() if name in LOCALE or name.startswith("LC_")}
    if found.get("LC_ALL"):
        # LANGUAGE goes before it: the messages of gettext are in the languages that it names
        found = {name: found[name] for name in ("LC_ALL", "LANGUAGE", "TZ") if name in found}
    return found


def tied_key(key: str, root: str) -> str:
    """Return the key of an entry that holds good in one folder only, as its outputs hold the path of it."""
    return _digest(("tied", key), [(b"", root, "")])


def sourced_key(key: str, source: str) -> str:
    """Return the key below which what comes from a server is kept that only the plan of one project names.

    :param source: the address of the server
    """
    return _digest(("source", key), [(b"", source, "")])


def paths_key(key: str) -> str:
    """Return the key below which the path sets are for a key."""
    return _digest(("paths", key), ())


def strong_key(key: str, values: Mapping[str, str]) -> str:
    """Return the key of an entry of an action that reads more than it declares.

    :param values: name -> value, of each file that it was found to read
    """
    return _digest(("found", key), [(b"", name, value) for name, value in values.items()])


def _digest(about: Sequence[str], parts: Iterable[tuple[bytes, str, str]]) -> str:
    framed = [_framed(text) for text in (FORMAT, *about)]
    for tag, name, value in sorted(parts):
        framed += (len(tag).to_bytes(1, "little"), tag, _framed(name), _framed(value))
    return sha256(b"".join(framed)).hexdigest()


def _framed(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(8, "little") + raw


def is_usable_path(path: str, system: Sequence[str] = ()) -> bool:
    """Return whether a path may be in a path set: one in the root, or one of a program or library of the system.

    :param system: further folders for these, each with a `/` at its end
    """
    names = path.split("/")
    if path.startswith("/"):
        if not path.startswith((*SYSTEM, *system)):
            return False
        del names[0]
    is_text = "\0" not in path and not any("\ud800" <= letter <= "\udfff" for letter in path)
    return is_text and not any(name in ("", ".", "..", ".treadle") for name in names)


def encode_path_sets(sets: Iterable[Sequence[str]]) -> bytes:
    """Return path sets as bytes, the newest first; what is over the bounds is dropped from the old end."""
    kept: list[str] = []
    size = 2
    for paths in sets:
        text = json.dumps(sorted(paths), separators=(",", ":"))
        size += len(text) + 1
        if len(kept) == MOST_SETS or size > MOST_BYTES:
            break
        if text not in kept:
            kept.append(text)
    return f"[{','.join(kept)}]".encode()


def decode_path_sets(data: bytes, system: Sequence[str] = ()) -> list[list[str]]:
    """Return the path sets that bytes hold, without those that cannot be used.

    :param system: see `is_usable_path`
    """
    try:
        sets = json.loads(data) if len(data) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return []
    if not isinstance(sets, list):
        return []
    return [paths for paths in sets[:MOST_SETS] if is_usable_set(paths, system)]


def is_usable_set(paths: object, system: Sequence[str] = ()) -> bool:
    """Return whether something is a list of paths each of which may be in a path set, once: each is hashed."""
    return (
        isinstance(paths, list)
        and len(paths) <= MOST_PATHS
        and all(isinstance(path, str) and is_usable_path(path, system) for path in paths)
        and len(set(paths)) == len(paths)
    )
