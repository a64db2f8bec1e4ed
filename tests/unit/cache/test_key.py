"""Keys of entries and path sets: all that counts is in them, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from treadle.cache import key as keys
from treadle.cache.key import (
    decode_path_sets,
    encode_path_sets,
    is_usable_path,
    key_of,
    locale_of,
    paths_key,
    strong_key,
    tied_key,
)

GIVEN: dict[str, Any] = {
    "elements": {"command": "cc", "input a": "file 1 ab"},
    "outputs": ["o", "d/"],
    "programs": ["exec 1 aa", "exec 1 bb"],
    "locale": {"LANG": "C"},
    "namespace": "main",
}
OTHERS: dict[str, Any] = {
    "another value": {"elements": {"command": "cc", "input a": "file 1 ac"}},
    "another element": {"elements": {"command": "cc", "input b": "file 1 ab"}},
    "one more element": {"elements": {"command": "cc", "input a": "file 1 ab", "env X": ""}},
    "name and value moved": {"elements": {"command": "cc", "input afile": " 1 ab"}},
    "one more output": {"outputs": ["o", "d/", "p"]},
    "one output less": {"outputs": ["o"]},
    "an output of another kind": {"outputs": ["o", "d"]},
    "an output for an element": {"outputs": ["o"], "elements": {**GIVEN["elements"], "d/": "tree"}},
    "another program": {"programs": ["exec 1 aa", "exec 1 cc"]},
    "programs in another order": {"programs": ["exec 1 bb", "exec 1 aa"]},
    "another locale": {"locale": {"LANG": "de_DE.UTF-8"}},
    "no locale": {"locale": {}},
    "another namespace": {"namespace": "pr-7"},
}


def test_a_key_is_64_hex_digits_and_no_order_counts() -> None:
    """K1."""
    one = key_of(**GIVEN)
    turned = {**GIVEN, "elements": dict(reversed(GIVEN["elements"].items())), "outputs": ["d/", "o"]}
    assert key_of(**turned) == one
    assert len(one) == 64
    assert one == one.lower()


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_differs_is_another_key(name: str) -> None:
    """K1, K2, K3, K4."""
    assert key_of(**{**GIVEN, **OTHERS[name]}) != key_of(**GIVEN)


def test_no_two_kinds_of_keys_are_the_same() -> None:
    """K6, D1."""
    one = key_of(**GIVEN)
    others = [
        tied_key(one, "/r"),
        tied_key(one, "/s"),
        paths_key(one),
        strong_key(one, {}),
        strong_key(one, {"/r": ""}),
    ]
    assert len({one, *others}) == 6


def test_names_that_are_no_text_have_keys_of_their_own() -> None:
    assert key_of({"input \udcff": ""}, [], [], {}) != key_of({"input \udcfe": ""}, [], [], {})


@pytest.mark.parametrize(
    ("environ", "counts"),
    [
        ({}, {}),
        ({"LANG": "C", "HOME": "/h", "PATH": "/bin", "USER": "me", "TERM": "dumb"}, {"LANG": "C"}),
        (
            {"LANG": "C", "LC_ALL": "C.UTF-8", "LC_TIME": "de", "TZ": "UTC"},
            {"LC_ALL": "C.UTF-8", "TZ": "UTC"},
        ),
        (
            # gettext asks LANGUAGE first
            {"LANG": "C", "LC_ALL": "de_DE.UTF-8", "LC_TIME": "de", "LANGUAGE": "fr"},
            {"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "fr"},
        ),
        ({"LC_ALL": "", "LC_TIME": "de", "LANGUAGE": "de"}, {"LC_ALL": "", "LC_TIME": "de", "LANGUAGE": "de"}),
        ({"TZ": "UTC", "HOME": "/h"}, {"TZ": "UTC"}),
    ],
)
def test_only_language_and_time_zone_of_the_environment_count(
    environ: dict[str, str], counts: dict[str, str]
) -> None:
    """K4."""
    assert locale_of(environ) == counts


@pytest.mark.parametrize(
    "path", ["a", "src/a.h", "/usr/include/x.h", "/opt/y", "/nix/store/z", "/sdk/h", "a b/é", "..a/b"]
)
def test_paths_of_the_root_and_of_the_system_may_be_in_a_set(path: str) -> None:
    """D3."""
    assert is_usable_path(path, ["/sdk/"])


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "./a",
            "a/",
            "a//b",
            "/etc/passwd",
            "/home/me/.ssh/id",
            "/usr",
        ),
        *("/usr/../etc/passwd", ".treadle/log", "a/.treadle/b", "a\0b", "a\udcff", "/usrlocal/x", "/usr/"),
    ],
)
def test_other_paths_may_not(path: str) -> None:
    """D3, T7."""
    assert not is_usable_path(path)


def test_path_sets_are_what_they_were_after_they_were_read_again() -> None:
    """D1."""
    assert decode_path_sets(encode_path_sets([["b", "a"], ["c"], ["a", "b"]])) == [["a", "b"], ["c"]]
    assert decode_path_sets(encode_path_sets([])) == []


def test_what_is_over_the_bounds_of_path_sets_is_dropped_from_the_old_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """D2."""
    sets = [[f"a{number}"] for number in range(20)]
    assert decode_path_sets(encode_path_sets(sets)) == sets[:8]
    monkeypatch.setattr(keys, "MOST_BYTES", 40)
    assert decode_path_sets(encode_path_sets(sets)) == sets[:5]


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"x",
            b"{}",
            b"5",
            b"null",
            b"[" * 100_000,
            b'["a"]',
            b"[[5]]",
            b'[["../x"]]',
            b'[["a", 1]]',
            b'[["a", "b", "a"]]',
        ),
        json.dumps([["a"] * 20_001]).encode(),
        b" " * (1 << 20) + b'[["a"]]',
    ],
)
def test_path_sets_that_cannot_be_used_are_none(data: bytes) -> None:
    """D2, D3."""
    assert decode_path_sets(data) == []


def test_an_action_that_has_discovered_nothing_has_an_empty_path_set() -> None:
    """D1."""
    assert decode_path_sets(encode_path_sets([[]])) == [[]]
