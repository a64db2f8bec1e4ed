"""How a line of a file of events is written: data of decisions, places and errors, and the line itself.

A run with one edit records itself by it, so it does without `json` and `re`: the encoder is the one that `json` has
in C, which is called as `json` calls it.
"""

from __future__ import annotations

import os

from treadle.core import wording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from treadle.core.decision import Reason
    from treadle.errors import Place, TreadleError

    Event = dict[str, Any]

SCHEMA = 1
"""Incremented when a field changes its meaning or is removed, not for new kinds and new fields."""


def _encoder(texts: str) -> Callable[[object, int], Iterable[str]]:
    """Return what encodes a value in pieces.

    :param texts: the function of `_json` that encodes a text
    """
    try:
        import _json

        encode = getattr(_json, texts)
        # for circles, for other types, indent, separators, sorted keys, skipped keys, NaN
        made: Callable[[object, int], Iterable[str]] = _json.make_encoder(
            None, _refuse, encode, None, ":", ",", False, False, True
        )
        if "".join(made({"a": ["b", 1, 0.5, None, True]}, 0)) == '{"a":["b",1,0.5,null,true]}':
            return made
    except (ImportError, AttributeError, TypeError):
        # an interpreter that has it otherwise
        pass
    import json

    plain = json.JSONEncoder(ensure_ascii=texts.endswith("ascii"), separators=(",", ":"))
    return lambda value, _: (plain.encode(value),)


def _refuse(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is no data of an event")


_encode = _encoder("encode_basestring")


def encoded(event: Event) -> bytes:
    """Return an event as a line of the file: UTF-8, with escapes where a name is no text."""
    try:
        return "".join(_encode(event, 0)).encode() + b"\n"
    except UnicodeEncodeError:
        return "".join(_encoder("encode_basestring_ascii")(event, 0)).encode() + b"\n"


def reason_data(why: Reason) -> dict[str, Any]:
    """Return a reason as data.

    Only here do values of a plan become text that leaves the process. The values of elements are those of
    fingerprints, which hold secrets as digests.
    """
    data: dict[str, Any] = {"kind": why.kind, "text": wording.reason(why)}
    values = {"element": why.name, "old": why.old, "new": why.new}
    return data | {key: value for key, value in values.items() if value}


def place_data(place: Place, root: str) -> dict[str, Any]:
    """Return a place, with the file relative to the root if it is in it."""
    return {"file": inside(root, place.file), "line": place.line, "column": place.column}


def problem_data(error: TreadleError, root: str) -> dict[str, Any]:
    """Return an error as data."""
    data: dict[str, Any] = {"text": without_root(error.what, root)}
    if error.facts:
        data["facts"] = [without_root(str(fact), root) for fact in error.facts]
    if error.hint:
        data["hint"] = without_root(error.hint, root)
    if error.place is not None:
        data["place"] = place_data(error.place, root)
    return data


def inside(root: str, path: str) -> str:
    """Return a path relative to the root if it is in it, else as an absolute one."""
    rest = path[len(root) + 1 :]
    if rest and rest[-1] not in "./" and path.startswith(f"{root}/") and "//" not in path and "./" not in rest:
        # most are: nothing in it leads elsewhere
        return rest
    full = os.path.abspath(path)
    return full.removeprefix(os.path.join(root, "")) if full != root else "."


def without_root(text: str, root: str) -> str:
    """Return a text in which paths below the root are relative to it."""
    if root not in text or root == os.sep:
        return text
    text = text.replace(os.path.join(root, ""), "")
    if root not in text:
        return text
    import re

    return re.sub(re.escape(root) + r"(?![\w./-])", ".", text)
