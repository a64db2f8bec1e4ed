"""Entries: what was not written for a key, or asks for what must not be, is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from treadle.cache.base import EMPTY, Digest
from treadle.cache.entry import (
    MOST_DEPTH,
    Entry,
    EntryError,
    check,
    decode_entry,
    encode_entry,
    expand,
    is_name,
    stays_inside,
)
from treadle.cache.messages import (
    ActionResult,
    Directory,
    File,
    Folder,
    Link,
    Tree,
    decode_result,
    encode_directory,
    encode_result,
    encode_tree,
)

KEY = "ab" * 32
SOME = Digest("cd" * 32, 7)
ENTRY = Entry(
    (File("out/a", SOME), File("out/b", EMPTY, True)),
    (Folder("tree", SOME),),
    (Link("out/l", "a"),),
    SOME,
    {"out/a": "file 7 aa", "out/b": "exec 0 bb", "tree/": "tree 1 cc", "out/l": "file 7 aa"},
    run="5f0c",
    action="fit",
    plan="treadle.yaml",
    duration=1.5,
    host="ci-4",
    began=5,
    ended=6_000_000_007,
)
OUTPUTS = ["out/a", "out/b", "tree/", "out/l"]


def test_an_entry_is_what_it_was_after_it_was_read_again() -> None:
    """W2."""
    assert decode_entry(encode_entry(ENTRY, KEY), KEY) == ENTRY
    check(ENTRY, OUTPUTS)


def test_an_entry_always_has_a_worker_and_no_exit_code() -> None:
    """W2."""
    result = decode_result(encode_entry(replace(ENTRY, host=""), KEY))
    assert result.worker
    assert result.exit_code == 0
    assert decode_entry(encode_entry(replace(ENTRY, host=""), KEY), KEY).host == "treadle"


def test_an_entry_may_be_encoded_anew() -> None:
    """W4: a server decodes, completes and encodes it."""
    body = b"\xaa\x06\x03new" + encode_entry(ENTRY, KEY)
    again = encode_result(decode_result(body))
    assert decode_entry(body, KEY) == decode_entry(again, KEY) == ENTRY


def test_each_cut_of_an_entry_is_refused() -> None:
    """W2, T2: a message that was cut off may be a valid shorter one."""
    body = encode_entry(ENTRY, KEY)
    for size in range(len(body)):
        with pytest.raises(EntryError):
            decode_entry(body[:size], KEY)


def test_each_flipped_bit_of_an_entry_is_refused() -> None:
    """T2."""
    body = encode_entry(ENTRY, KEY)
    for bit in range(8 * len(body)):
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            found = decode_entry(bytes(damaged), KEY)
        except EntryError:
            continue
        # a field that is none of ours
        assert found == ENTRY, bit


def test_the_entry_of_another_key_is_refused() -> None:
    """T3."""
    with pytest.raises(EntryError, match="do not fit its digest"):
        decode_entry(encode_entry(ENTRY, KEY), "cd" * 32)


CHANGED: dict[str, dict[str, Any]] = {
    "a file": {"files": (File("out/a", SOME),)},
    "a mode": {"files": (File("out/a", SOME, True), File("out/b", EMPTY, True))},
    "a folder": {"folders": ()},
    "a link": {"links": (Link("out/l", "b"),)},
    "the log": {"stdout": EMPTY},
    "no log": {"stdout": None},
    "the host": {"worker": "x"},
    "a time": {"began": 6},
    "the exit code": {"exit_code": 1},
    "a printed text": {"stdout_raw": b"x"},
    "the note": {"note": b"{}"},
    "no note": {"note": None},
    "a note that is no text": {"note": b"\xff"},
    "a note that is too deep": {"note": b"[" * 100_000},
    "a note that is a list": {"note": b"[]"},
}


@pytest.mark.parametrize("what", CHANGED)
def test_an_entry_of_which_anything_was_changed_is_refused(what: str) -> None:
    """T3, W2."""
    result = decode_result(encode_entry(ENTRY, KEY))
    with pytest.raises(EntryError):
        decode_entry(encode_result(replace(result, **CHANGED[what])), KEY)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("format", 2), ("duration", "1"), ("duration", -1), ("duration", 1e300), ("run", 5), ("plan", None)),
        *(("values", []), ("values", {"a": 5}), ("values", None), ("digest", None), ("more", "x")),
    ],
)
def test_a_note_of_which_anything_was_changed_is_refused(field: str, value: object) -> None:
    """T3."""
    result = decode_result(encode_entry(ENTRY, KEY))
    note = json.loads(result.note or b"")
    note[field] = value
    with pytest.raises(EntryError):
        decode_entry(encode_result(replace(result, note=json.dumps(note).encode())), KEY)


WRONG: dict[str, dict[str, Any]] = {
    "one that is not declared": {"files": (*ENTRY.files, File("evil", SOME))},
    "one that is missing": {"files": ENTRY.files[:1]},
    "one twice": {"files": (*ENTRY.files, ENTRY.files[0])},
    "a file twice, as a link too": {"links": (*ENTRY.links, Link("out/a", "b"))},
    "a file for a folder": {"folders": (), "files": (*ENTRY.files, File("tree", SOME))},
    "a file by the name of a folder": {"folders": (), "files": (*ENTRY.files, File("tree/", SOME))},
    "a folder for a file": {"files": ENTRY.files[1:], "folders": (*ENTRY.folders, Folder("out/a", SOME))},
    "no value": {"values": {}},
    "one more value": {"values": {**ENTRY.values, "x": "file 1 a"}},
    "a value of another kind": {"values": {**ENTRY.values, "out/a": "exec 7 aa"}},
    "a value of another size": {"values": {**ENTRY.values, "out/a": "file 77 aa"}},
    "no tree": {"values": {**ENTRY.values, "tree/": "file 1 a"}},
    "a link that leads out": {"links": (Link("out/l", "../../x"),)},
    "an absolute link": {"links": (Link("out/l", "/etc/passwd"),)},
}


@pytest.mark.parametrize("what", WRONG)
def test_an_entry_that_is_not_what_is_declared_is_refused(what: str) -> None:
    """T3."""
    with pytest.raises(EntryError):
        check(replace(ENTRY, **WRONG[what]), OUTPUTS)


def test_a_plan_that_declares_one_more_output_or_another_kind_has_no_entry() -> None:
    """T3."""
    for outputs in ([*OUTPUTS, "more"], OUTPUTS[1:], ["out/a", "out/b", "tree", "out/l"], [*OUTPUTS, "out/a"]):
        if outputs[-1] == "out/a":
            check(ENTRY, outputs)
            continue
        with pytest.raises(EntryError):
            check(ENTRY, outputs)


@pytest.mark.parametrize(
    ("path", "target"),
    [("l", "a"), ("d/l", "../a"), ("d/e/l", "../../a"), ("l", "a/b"), ("l", "./a"), ("d/l", ".."), ("l", "a//b/")],
)
def test_links_to_places_in_the_root_stay(path: str, target: str) -> None:
    """T4, C1."""
    assert stays_inside(path, target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        *(
            ("l", ""),
            ("l", "/a"),
            ("l", ".."),
            ("d/l", "../.."),
            ("d/l", "../../a"),
            ("d/l", "a/../b"),
            ("l", "a\0b"),
        ),
        *(
            ("d/l", "x/../../../a"),
            ("l", ".git/hooks/x"),
            ("d/l", "../.treadle/log"),
            ("l", "./.."),
            ("l", ".GIT/x"),
        ),
    ],
)
def test_links_that_lead_out_or_may_do_so_are_refused(path: str, target: str) -> None:
    """T4, C1."""
    assert not stays_inside(path, target)


BAD_NAMES = ["", ".", "..", "a/b", "/a", "a\0", ".git", ".treadle", ".GIT", "../../x"]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_names_in_trees_that_lead_elsewhere_are_refused(name: str, kind: str) -> None:
    """T4."""
    assert not is_name(name)
    root = {
        "file": Directory(files=(File(name, SOME),)),
        "folder": Directory(folders=(Folder(name, EMPTY),)),
        "link": Directory(links=(Link(name, "a"),)),
    }[kind]
    with pytest.raises(EntryError, match="has the name"):
        expand(encode_tree(Tree(root, (Directory(),))), "top")


def tree_of(*above: Directory) -> bytes:
    """Return a Tree in which each directory has the one before it as its folders `a`."""
    return encode_tree(Tree(above[-1], tuple(above[:-1])))


def digest_of(directory: Directory) -> Digest:
    raw = encode_directory(directory)
    return Digest(sha256(raw).hexdigest(), len(raw))


def test_a_tree_is_expanded_with_each_folder_before_what_is_in_it() -> None:
    """W2."""
    inner = Directory((File("x", SOME, True),), links=(Link("l", "x"),))
    root = Directory((File("f", EMPTY),), (Folder("d", digest_of(inner)), Folder("e", EMPTY)))
    nodes = expand(tree_of(Directory(), inner, root), "top")
    paths = [node.path for node in nodes]
    assert sorted(paths) == ["d", "d/l", "d/x", "e", "f"]
    assert paths.index("d") < paths.index("d/x")
    assert next(node for node in nodes if node.path == "d/x").file == File("x", SOME, True)
    assert next(node for node in nodes if node.path == "d/l").target == "x"


@pytest.mark.parametrize(
    "root",
    [
        Directory(files=(File("a", SOME), File("a", SOME))),
        Directory(files=(File("a", SOME),), links=(Link("a", "b"),)),
        Directory(files=(File("a", SOME),), folders=(Folder("a", EMPTY),)),
    ],
)
def test_a_name_that_comes_twice_is_refused(root: Directory) -> None:
    """T4."""
    with pytest.raises(EntryError, match="has the name 'a'"):
        expand(encode_tree(Tree(root, (Directory(),))), "top")


def test_a_child_that_is_not_there_is_refused() -> None:
    """T4."""
    with pytest.raises(EntryError, match="not complete"):
        expand(encode_tree(Tree(Directory(folders=(Folder("a", SOME),)))), "top")


def test_shared_children_many_levels_deep_are_counted_while_they_are_expanded() -> None:
    """T4: 2^40 files out of a few kilobytes."""
    levels = [Directory(files=(File("a", SOME), File("b", SOME)))]
    for _ in range(40):
        below = digest_of(levels[-1])
        levels.append(Directory(folders=(Folder("a", below), Folder("b", below))))
    data = tree_of(*levels)
    assert len(data) < 10_000
    with pytest.raises(EntryError, match="more than 100,000 names"):
        expand(data, "top")


@pytest.mark.parametrize(("depth", "is_right"), [(MOST_DEPTH, True), (MOST_DEPTH + 1, False)])
def test_a_tree_may_be_a_hundred_levels_deep(depth: int, is_right: bool) -> None:
    """T4."""
    levels = [Directory(files=(File("x", SOME),))]
    for _ in range(depth - 1):
        levels.append(Directory(folders=(Folder("a", digest_of(levels[-1])),)))
    if is_right:
        assert len(expand(tree_of(*levels), "top")) == depth
    else:
        with pytest.raises(EntryError, match="too deep"):
            expand(tree_of(*levels), "top")


def test_a_link_in_a_tree_counts_from_where_it_is() -> None:
    """T4."""
    inner = Directory(links=(Link("l", "../../x"),))
    data = tree_of(inner, Directory(folders=(Folder("d", digest_of(inner)),)))
    assert expand(data, "top")
    with pytest.raises(EntryError, match="leads out"):
        expand(tree_of(Directory(links=(Link("l", "../../x"),))), "top")


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x0a\x05abc", encode_result(ActionResult(exit_code=1))])
def test_what_is_no_tree_is_refused(data: bytes) -> None:
    """T2."""
    with pytest.raises(EntryError, match="is not valid"):
        expand(data, "top")


@pytest.mark.parametrize("field", ["run", "action", "plan", "host"])
@pytest.mark.parametrize("text", ["\x1b[31mred", "two\nlines", "\u202eright to left", "x" * 5000])
def test_an_entry_that_says_what_cannot_be_shown_is_refused(field: str, text: str) -> None:
    """T3: `why` and notes show where outputs came from."""
    body = encode_entry(replace(ENTRY, **{field: text}), KEY)  # type: ignore[arg-type]
    with pytest.raises(EntryError, match="what cannot be shown"):
        decode_entry(body, KEY)
