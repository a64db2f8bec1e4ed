"""A line of events is what `json` would write; paths are relative to the root where nothing leads out of it."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from treadle.events import encoding
from treadle.events.encoding import encoded, inside

EVENTS: list[dict[str, Any]] = [
    {},
    {"event": "a", "t": 0.1, "n": 10**20, "f": 1e300, "small": -3e-06, "none": None, "yes": True, "no": False},
    {"texts": ["", "é", 'a"b\\c', "\x00\x1f\x7f\u2028", "\n\t", "𝄞"], "map": {"a": {"b": [[], {}, ()]}}},
    {"name": "not text \udcff", "other": "é"},
]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("has_own", [True, False])
def test_a_line_is_what_json_writes(event: dict[str, Any], has_own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_own:
        # an interpreter without that part of `json` in C
        monkeypatch.setitem(sys.modules, "_json", None)
        monkeypatch.setattr(encoding, "_encode", encoding._encoder("encode_basestring"))
    is_text = "name" not in event
    line = json.dumps(event, ensure_ascii=not is_text, separators=(",", ":"))
    assert encoded(event) == line.encode() + b"\n"
    assert json.loads(encoded(event)) == json.loads(line)


def test_what_is_no_data_is_refused() -> None:
    with pytest.raises(TypeError):
        encoded({"event": object()})


@pytest.mark.parametrize("root", ["/a", "/", "/a/b.c"])
@pytest.mark.parametrize(
    "path",
    ["/a/b", "/a/../b", "/ab", "/a//b", "/a/b/.", "/a/x..y/z", "/a/.t/b", "/a/b../c", "/a/", "/a", "/a/b.c/d"],
)
def test_a_path_in_the_root_is_relative_to_it(root: str, path: str) -> None:
    full = os.path.normpath(path)
    expected = "." if full == root else full.removeprefix(os.path.join(root, ""))
    assert inside(root, path) == expected
