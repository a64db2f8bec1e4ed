"""Which actions make or edit a path: by its name, by a folder around it, and by what is in it."""

from __future__ import annotations

from itertools import product

import pytest

from treadle.core.output_index import OutputIndex
from treadle.core.paths import folders_around, holds, overlap

WRITTEN = [
    ("a", "one"),
    ("out/", "folder"),
    ("out/deep/x", "file"),
    ("out/deep/", "deep"),
    ("out-2", "next"),
    ("a", "editor"),
    ("/abs/tree/", "outside"),
]


@pytest.mark.parametrize(
    ("path", "actions"),
    [
        ("a", ("one", "editor")),
        ("b", ()),
        ("out", ()),
        ("out/", ("folder", "deep", "file")),
        ("out/y", ("folder",)),
        ("out/deep/x", ("file", "deep", "folder")),
        ("out/deep/x/y", ("deep", "folder")),
        ("out/deep/", ("deep", "folder", "file")),
        ("out/other/", ("folder",)),
        ("out-2", ("next",)),
        ("ou", ()),
        ("none/", ()),
        ("/abs/tree/x", ("outside",)),
        ("/abs/", ("outside",)),
        ("./", ("outside", "one", "editor", "next", "folder", "deep", "file")),
    ],
)
def test_a_path_is_found_by_name_around_and_in_the_nearest_first(path: str, actions: tuple[str, ...]) -> None:
    assert OutputIndex(WRITTEN).of(path) == actions


def test_it_answers_as_a_look_at_each_pair_does() -> None:
    names = ["a", "b/", "b/a", "b/c/", "b/c/d", "b-", "b0", "bc/", "c"]
    index = OutputIndex((name, name) for name in names)
    for path in [*names, "b", "b/c", "b/c/d/e", "b/c/d/", "x/", "b./"]:
        assert set(index.of(path)) == {name for name in names if overlap(name, path)}


def test_what_is_added_later_is_found() -> None:
    index = OutputIndex([("a/", 1)])
    assert index.of("a/b") == index.of("a/") == (1,)
    index.add("a/b", 2)
    assert index.of("a/b") == (2, 1)
    assert index.of("a/") == (1, 2)
    assert list(index.paths_in("a/")) == ["a/", "a/b"]


def test_an_empty_one_is_false() -> None:
    assert not OutputIndex()
    assert OutputIndex(WRITTEN)
    assert "a" in OutputIndex(WRITTEN)
    assert "b" not in OutputIndex(WRITTEN)


def test_a_tree_holds_itself_and_what_is_in_it_and_a_file_itself_alone() -> None:
    held = {(one, other) for one, other in product(["a", "a/", "a/b", "ab", "./"], repeat=2) if holds(one, other)}
    same = {(one, one) for one in ["a", "a/", "a/b", "ab", "./"]}
    assert held == same | {("a/", "a/b"), *(("./", one) for one in ["a", "a/", "a/b", "ab"])}


def test_folders_around_a_path_come_innermost_first() -> None:
    assert list(folders_around("a/b/c")) == ["a/b/", "a/"]
    assert list(folders_around("a/b/")) == ["a/"]
    assert list(folders_around("/a/b")) == ["/a/"]
    assert list(folders_around("a")) == []
