"""The messages of entries as bytes: as protobuf writes them, and nothing damaged is taken for one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from treadle.cache import messages
from treadle.cache.base import EMPTY, Digest
from treadle.cache.entry import MOST_NODES
from treadle.cache.messages import (
    ActionResult,
    Directory,
    File,
    Folder,
    Link,
    MessageError,
    Tree,
    decode_directory,
    decode_result,
    decode_tree,
    encode_directory,
    encode_result,
    encode_tree,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SOME = Digest("ab" * 32, 1234567)
FULL = ActionResult(
    files=(File("out/a", SOME), File("out/ü b", EMPTY, True)),
    folders=(Folder("tree", Digest("01" * 32, 1 << 40)),),
    links=(Link("out/l", "../in"),),
    exit_code=3,
    stdout_raw=b"\0\xff",
    stdout=SOME,
    worker="host-1",
    began=1_700_000_000_123_456_789,
    ended=1_700_000_001_000_000_000,
    note=b'{"format": 1}',
)
RESULTS = {
    "nothing": ActionResult(),
    "a file": ActionResult(files=(File("a", SOME),)),
    "all of it": FULL,
    "a negative exit code": ActionResult(exit_code=-9),
    "an empty log": ActionResult(stdout=EMPTY),
    "an empty note": ActionResult(note=b""),
    "a long path": ActionResult(files=(File("p" * 300, SOME, True),)),
}
TREES = {
    "empty": Tree(Directory()),
    "an empty folder in it": Tree(Directory(folders=(Folder("e", EMPTY),)), (Directory(),)),
    "all kinds": Tree(
        Directory((File("a", SOME, True), File("b", EMPTY)), (Folder("d", SOME),), (Link("l", "d/x"),)),
        (Directory((File("x", SOME),)),),
    ),
}


def test_bytes_of_a_result_are_those_of_the_wire_format() -> None:
    """W3: written down by hand: tag, length, value."""
    digest = b"\x0a\x40" + b"ab" * 32 + b"\x10\x07"
    file = b"\x0a\x01f" + b"\x12" + bytes([len(digest)]) + digest + b"\x20\x01"
    given = ActionResult(files=(File("f", Digest("ab" * 32, 7), True),), exit_code=300, worker="w")
    assert encode_result(given) == b"\x12" + bytes([len(file)]) + file + b"\x20\xac\x02" + b"\x4a\x03\x0a\x01w"
    assert encode_tree(Tree(Directory())) == b"\x0a\x00"
    assert encode_directory(Directory(links=(Link("l", "t"),))) == b"\x1a\x06\x0a\x01l\x12\x01t"


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_what_it_was_after_it_was_read_again(name: str) -> None:
    assert decode_result(encode_result(RESULTS[name])) == RESULTS[name]


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_what_it_was_after_it_was_read_again(name: str) -> None:
    assert decode_tree(encode_tree(TREES[name])) == TREES[name]
    assert decode_directory(encode_directory(TREES[name].root)) == TREES[name].root


def test_fields_that_a_server_has_added_are_skipped() -> None:
    """W4."""
    added = b"\xaa\x06\x03new" + b"\xb0\x06\x05" + b"\xb9\x06" + b"12345678" + b"\xbd\x06" + b"1234"
    assert decode_result(added + encode_result(FULL) + added) == FULL


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x12", "within a number"),
        (b"\x12\x05abc", "within a field"),
        (b"\x20" + b"\xff" * 10, "64 bits"),
        (b"\x20" + b"\x80" * 9 + b"\x02", "64 bits"),
        (b"\x13\x14", "wire type 3"),
        (b"\x17", "wire type 7"),
        (b"\x02\x00", "field 0"),
        (b"\x10\x01", "field 2 of wire type 0"),
        (b"\x20\x01\x20\x01", "field 4 comes twice"),
        (b"\x12\x03\x0a\x01\xff", "not UTF-8"),
        (b"\x12\x03\x0a\x01f", "is no digest"),
        (b"\x12\x04\x20\x02\x12\x00", "2 for yes or no"),
        (b"\xbd\x06\x01", "within a field"),
    ],
)
def test_what_is_not_well_formed_is_refused(data: bytes, why: str) -> None:
    """T2."""
    with pytest.raises(MessageError, match=why):
        decode_result(data)


def nested(field: int, data: bytes) -> bytes:
    """Return a field that holds a message of at most 16 KB."""
    return bytes([field << 3 | 2, len(data) & 127 | 128, len(data) >> 7]) + data


_EMPTY_LINK, _UNKNOWN = b"\x1a\x00", b"\x78\x01"
MANY: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "links": (decode_result, b"\x62\x00" * 101),
    "what is skipped": (decode_result, _UNKNOWN * 101),
    "what is skipped in a file": (decode_result, nested(2, _UNKNOWN * 101)),
    "what is skipped in a digest": (decode_result, nested(6, b"\x0a\x40" + b"a" * 64 + _UNKNOWN * 101)),
    "what is skipped in metadata": (decode_result, nested(9, _UNKNOWN * 101)),
    "what is skipped in a note": (decode_result, nested(9, nested(11, _UNKNOWN * 101))),
    "folders": (decode_tree, nested(1, b"") + b"\x12\x00" * 101),
    "links in a folder": (decode_tree, nested(1, _EMPTY_LINK * 101)),
    "links in many folders": (decode_tree, nested(1, b"") + nested(2, _EMPTY_LINK * 10) * 10),
}


@pytest.mark.parametrize("name", MANY)
def test_a_message_of_very_many_fields_is_refused_before_it_fills_the_memory(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T2, T4: 64 MiB of empty messages were 3 GB, and held the run for ten minutes."""
    for most in ("MOST_IN_RESULT", "MOST_IN_TREE"):
        monkeypatch.setattr(messages, most, 100)
    decode, data = MANY[name]
    with pytest.raises(MessageError, match="too many fields"):
        decode(data)


def test_a_tree_may_have_as_many_files_as_entries_may() -> None:
    """A file of a tree has six fields, and a folder of its own one more."""
    assert messages.MOST_IN_TREE >= 7 * MOST_NODES


@pytest.mark.parametrize(
    "text", ["AB" * 32, "ab" * 31, "ab" * 33, "", "../" + "a" * 61, "ag" * 32, "ab" * 31 + "a\n"]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    """T3."""
    with pytest.raises(MessageError, match="is no digest"):
        decode_result(encode_result(ActionResult(files=(File("a", Digest(text, 1)),))))


def test_a_tree_without_a_root_is_refused() -> None:
    with pytest.raises(MessageError, match="without a root"):
        decode_tree(b"")


def test_two_notes_are_refused() -> None:
    one = encode_result(ActionResult(note=b"x"))
    metadata = one[2:]
    both = b"\x4a" + bytes([2 * len(metadata)]) + metadata * 2
    with pytest.raises(MessageError, match="more than one note"):
        decode_result(both)


def test_damaged_messages_are_refused_or_read_and_nothing_else_happens() -> None:
    """W3: 20,000 of them."""
    chance = random.Random(16)
    whole = [encode_result(one) for one in RESULTS.values()], [encode_tree(one) for one in TREES.values()]
    refused = 0
    for number in range(20_000):
        kind = number % 2
        data = bytearray(chance.choice(whole[kind]))
        for _ in range(chance.randint(1, 3)):
            how = chance.randint(0, 3)
            at = chance.randrange(len(data) + 1)
            if how == 0 and at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            elif how == 1:
                del data[at:]
            elif how == 2:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
            elif at < len(data):
                del data[at : at + chance.randint(1, 8)]
        try:
            decode_tree(bytes(data)) if kind else decode_result(bytes(data))
        except MessageError:
            refused += 1
    assert 5_000 < refused < 20_000


TYPES = {"string": 9, "bytes": 12, "bool": 8, "int64": 3, "int32": 5}
MESSAGES = {
    "Digest": {1: ("hash", "string"), 2: ("size_bytes", "int64")},
    "FileNode": {1: ("path", "string"), 2: ("digest", "Digest"), 4: ("is_executable", "bool")},
    "DirectoryNode": {1: ("name", "string"), 2: ("digest", "Digest")},
    "Symlink": {1: ("path", "string"), 2: ("target", "string")},
    "Directory": {
        1: ("files", "*FileNode"),
        2: ("directories", "*DirectoryNode"),
        3: ("symlinks", "*Symlink"),
    },
    "Tree": {1: ("root", "Directory"), 2: ("children", "*Directory")},
    "OutputDirectory": {1: ("path", "string"), 3: ("tree_digest", "Digest")},
    "Timestamp": {1: ("seconds", "int64"), 2: ("nanos", "int32")},
    "Any": {1: ("type_url", "string"), 2: ("value", "bytes")},
    "BytesValue": {1: ("value", "bytes")},
    "Metadata": {
        1: ("worker", "string"),
        7: ("began", "Timestamp"),
        8: ("ended", "Timestamp"),
        11: ("auxiliary", "*Any"),
    },
    "ActionResult": {
        2: ("output_files", "*FileNode"),
        3: ("output_directories", "*OutputDirectory"),
        4: ("exit_code", "int32"),
        5: ("stdout_raw", "bytes"),
        6: ("stdout_digest", "Digest"),
        9: ("metadata", "Metadata"),
        12: ("output_symlinks", "*Symlink"),
    },
}


class Protobuf:
    """The same messages, made by the protobuf package from a description of them."""

    def __init__(self) -> None:
        pb = pytest.importorskip("google.protobuf.descriptor_pb2", reason="needs the protobuf package")
        pool = pytest.importorskip("google.protobuf.descriptor_pool").DescriptorPool()
        factory = pytest.importorskip("google.protobuf.message_factory")
        file: Any = pb.FileDescriptorProto(name="re.proto", package="re", syntax="proto3")
        for name, fields in MESSAGES.items():
            message = file.message_type.add(name=name)
            for number, (field, kind) in fields.items():
                label = 3 if kind.startswith("*") else 1
                kind = kind.removeprefix("*")
                one = message.field.add(name=field, number=number, label=label)
                if kind in TYPES:
                    one.type = TYPES[kind]
                else:
                    one.type, one.type_name = 11, f".re.{kind}"
        pool.Add(file)
        for name in MESSAGES:
            setattr(self, name, factory.GetMessageClass(pool.FindMessageTypeByName(f"re.{name}")))

    def digest(self, digest: Digest) -> Any:
        return self.Digest(hash=digest.hash, size_bytes=digest.size)  # type: ignore[attr-defined]

    def result(self, given: ActionResult) -> bytes:
        made: Any = self.ActionResult(exit_code=given.exit_code, stdout_raw=given.stdout_raw)  # type: ignore[attr-defined]
        for file in given.files:
            made.output_files.add(path=file.path, digest=self.digest(file.digest), is_executable=file.is_executable)
        for folder in given.folders:
            made.output_directories.add(path=folder.path, tree_digest=self.digest(folder.digest))
        for link in given.links:
            made.output_symlinks.add(path=link.path, target=link.target)
        if given.stdout is not None:
            made.stdout_digest.CopyFrom(self.digest(given.stdout))
        if given.worker:
            made.metadata.worker = given.worker
        for name, time in (("began", given.began), ("ended", given.ended)):
            if time:
                stamp = getattr(made.metadata, name)
                stamp.seconds, stamp.nanos = divmod(time, 1_000_000_000)
        if given.note is not None:
            value = self.BytesValue(value=given.note).SerializeToString()  # type: ignore[attr-defined]
            made.metadata.auxiliary.add(type_url="type.googleapis.com/google.protobuf.BytesValue", value=value)
        data: bytes = made.SerializeToString(deterministic=True)
        return data

    def fill(self, made: Any, given: Directory) -> None:
        made.SetInParent()
        for file in given.files:
            made.files.add(path=file.path, digest=self.digest(file.digest), is_executable=file.is_executable)
        for folder in given.folders:
            made.directories.add(name=folder.path, digest=self.digest(folder.digest))
        for link in given.links:
            made.symlinks.add(path=link.path, target=link.target)

    def tree(self, given: Tree) -> bytes:
        made: Any = self.Tree()  # type: ignore[attr-defined]
        self.fill(made.root, given.root)
        for one in given.children:
            self.fill(made.children.add(), one)
        data: bytes = made.SerializeToString(deterministic=True)
        return data


@pytest.fixture(scope="module")
def protobuf() -> Protobuf:
    return Protobuf()


@pytest.mark.parametrize("name", RESULTS)
def test_bytes_of_results_are_those_of_protobuf(protobuf: Protobuf, name: str) -> None:
    """W3."""
    assert encode_result(RESULTS[name]) == protobuf.result(RESULTS[name])


@pytest.mark.parametrize("name", TREES)
def test_bytes_of_trees_are_those_of_protobuf(protobuf: Protobuf, name: str) -> None:
    """W3."""
    assert encode_tree(TREES[name]) == protobuf.tree(TREES[name])


def test_bytes_of_random_messages_are_those_of_protobuf(protobuf: Protobuf) -> None:
    """W3."""
    chance = random.Random(3)

    def name() -> str:
        return "".join(chance.choice("aé€😀/. -") for _ in range(chance.randint(1, 40)))

    def digest() -> Digest:
        return Digest(chance.randbytes(32).hex(), chance.choice([0, 1, 127, 128, 1 << 14, 1 << 35, (1 << 63) - 1]))

    for _ in range(300):
        files = tuple(File(name(), digest(), chance.random() < 0.5) for _ in range(chance.randint(0, 3)))
        folders = tuple(Folder(name(), digest()) for _ in range(chance.randint(0, 2)))
        links = tuple(Link(name(), name()) for _ in range(chance.randint(0, 2)))
        result = ActionResult(
            files, folders, links, chance.randint(-3, 300), chance.randbytes(chance.randint(0, 200))
        )
        assert encode_result(result) == protobuf.result(result)
        tree = Tree(Directory(files, folders, links), (Directory(files), Directory(links=links)))
        assert encode_tree(tree) == protobuf.tree(tree)
        assert decode_result(encode_result(result)) == result
        assert decode_tree(encode_tree(tree)) == tree
