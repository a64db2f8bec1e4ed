"""Patterns of `exclude`: what each leaves out of a folder, and what is no pattern."""

from __future__ import annotations

import itertools
import re

import pytest

from treadle.core.patterns import Exclusion, check_exclude, exclusion, name_regex

TAKEN = {
    "*.o": ["a.o", "deep/a.o", ".hidden/a.o", "folder.o/", "folder.o/inside"],
    "*.egg-info/": ["a.egg-info/", "src/a.egg-info/", "src/a.egg-info/PKG-INFO"],
    "build": ["build", "build/", "build/x", "deep/build", "deep/build/x"],
    "/build": ["build", "build/", "build/x"],
    "./build": ["build", "build/x"],
    "/build/": ["build/", "build/x"],
    "doc/*.txt": ["doc/a.txt"],
    "**/__pycache__/": ["__pycache__/", "a/b/__pycache__/x.pyc", ".a/__pycache__/x"],
    "**/a/b": ["a/b", "x/a/b", "x/a/b/c"],
    "a/**/b": ["a/b", "a/x/b", "a/x/y/b"],
    "gen/**": ["gen/x", "gen/a/b"],
    "x?": ["xa", "deep/xa"],
    "[!a]x": ["bx"],
    ".*": [".hidden", ".hidden/x", "deep/.x"],
    "a b": ["a b"],
    "[*]": ["*"],
    "#x": ["#x"],
}
LEFT = {
    "*.o": ["a.c", ".o", ".a.o", "a.o.c"],
    "*.egg-info/": ["a.egg-info", ".egg-info/"],
    "build": ["builds", "a-build", "build.c"],
    "/build": ["deep/build"],
    "./build": ["deep/build"],
    "/build/": ["build", "deep/build/"],
    "doc/*.txt": ["a.txt", "x/doc/a.txt", "doc/deep/a.txt", "doc/.a.txt"],
    "**/__pycache__/": ["__pycache__", "x__pycache__/"],
    "**/a/b": ["a", "b"],
    "a/**/b": ["a/.x/b", "x/a/b"],
    "gen/**": ["gen/", "gen/.x", "gen"],
    "x?": ["x", "x/a"],
    "[!a]x": ["ax"],
    ".*": ["a", "a.b"],
    "a b": ["a", "b"],
    "[*]": ["a"],
    "#x": ["x"],
}


@pytest.mark.parametrize(("pattern", "path"), [(one, path) for one, paths in TAKEN.items() for path in paths])
def test_a_pattern_leaves_out_a_name_with_all_that_is_in_it(pattern: str, path: str) -> None:
    assert Exclusion([pattern]).covers(path)
    # beside one that takes nothing
    assert Exclusion(["nothing", pattern]).covers(path)


@pytest.mark.parametrize(("pattern", "path"), [(one, path) for one, paths in LEFT.items() for path in paths])
def test_a_pattern_leaves_all_else(pattern: str, path: str) -> None:
    assert not Exclusion([pattern]).covers(path)


@pytest.mark.parametrize("pattern", ["!x", "..", "a/../b", "**", "**/", "/", "", ".", "a**b", "[a", "[z-a]"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"(it|in it|its \]|two /).*"):
        check_exclude(pattern)


@pytest.mark.parametrize(
    ("pattern", "path", "is_named"),
    [
        ("gen/", "gen/x", True),
        ("**/gen/", "a/gen/x", True),
        ("gen/**", "gen/x", True),
        ("gen/x.c", "gen/x.c", True),
        ("gen*/", "gen/x", False),
        ("*.c", "gen/x.c", False),
        ("gen/*.c", "gen/x.c", False),
        ("gen/?", "gen/x", False),
        ("other", "gen/x", False),
    ],
)
def test_a_pattern_without_wildcards_names_what_it_leaves_out(pattern: str, path: str, is_named: bool) -> None:
    assert exclusion((pattern,)).names(path) == is_named
    assert exclusion((pattern, "*.c", "g*")).names(path) == is_named


def test_without_patterns_nothing_is_left_out() -> None:
    assert not exclusion(()).covers("a")
    assert not exclusion(())("a", True)


def test_a_set_holds_its_characters_and_ranges_whatever_they_mean_to_a_regex() -> None:
    characters = "-&~|^[\\ab!"
    for length in (1, 2, 3, 4):
        for inside in map("".join, itertools.product(characters, repeat=length)):
            members = inside[1:] if inside[0] in "!^" else inside
            if not members:
                continue
            # a range takes three characters, and what is left begins anew behind it
            pairs = [(one[0], one[-1]) for one in re.findall(r".-.|.", members)]
            if any(first > last for first, last in pairs):
                with pytest.raises(ValueError, match="a bad"):
                    check_exclude(f"[{inside}]x")
                continue
            found = {one for one in map(chr, range(33, 127)) if re.fullmatch(name_regex(f"[{inside}]"), one)}
            inside_it = {one for one in map(chr, range(33, 127)) if any(a <= one <= b for a, b in pairs)}
            # no set matches a dot at the start of a name
            wanted = inside_it ^ (set(map(chr, range(33, 127))) if inside[0] in "!^" else set())
            assert found == wanted - {"/", "."}, inside
