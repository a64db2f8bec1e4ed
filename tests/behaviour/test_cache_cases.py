"""Cases of a hostile, full or changing local store, by walks and by the real command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from project import Project
from treadle import DAG, Command, CommandWalk, FolderCache, Script, Subscriber
from treadle.cache.base import Digest
from treadle.cache.entry import Entry, decode_entry, encode_entry
from treadle.cache.messages import Directory, File, Folder, Link, Tree, encode_tree

LONG = "n" * 5000
PAYLOADS = [
    *("../x", "../../x", "a/../../x", "/x", "//x", "./../x", "a/./../../x", "..", ".", "", "/", "x/", "a//x"),
    *(".treadle/log", ".treadle/state", ".git/hooks/pre-commit", ".GIT/config", ".Treadle/log", "a/.git/x"),
    *(
        "x\0y",
        LONG,
        "CON",
        "a\\..\\..\\x",
        "%2e%2e/x",
        "%252e%252e%252fx",
        "..%2fx",
        "~/x",
        "$HOME/x",
        "-rf",
        "x\ny",
    ),
]
"""Paths that a store may name: outside of the root, of state and repository, or just odd."""


class Notes(Subscriber):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def walk(root: Path, store: Path, outputs: tuple[str, ...] = ("o", "t/")) -> tuple[str, list[str]]:
    """Run one action; return the kind of its end and the notes."""
    graph = DAG()
    script = Script("echo file > o; mkdir -p t/x; echo tree > t/x/y; chmod +x t/x/y")
    graph.add_vertex("a", Command(script=script, inputs=["in"], outputs=list(outputs), cache=True))
    root.mkdir(exist_ok=True)
    (root / "in").write_text("1\n")
    notes = Notes()
    found = CommandWalk(graph, str(root), caches=[FolderCache(str(store), least_free=0)])
    found.bus.add(notes)
    report = found.run()
    assert (root / "o").read_text() == "file\n"
    assert (root / "t/x/y").read_text() == "tree\n"
    return report.actions["a"].outcome.kind, notes.notes


def stored(store: Path) -> tuple[str, Entry]:
    """Return the key of the one entry, and the entry."""
    (path,) = store.glob("ac/*/*")
    return path.name, decode_entry(path.read_bytes(), path.name)


def put(store: Path, kind: str, name: str, data: bytes) -> None:
    path = store / kind / name[:2] / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def replaced(entry: Entry, **given: Any) -> Entry:
    fields = {name: getattr(entry, name) for name in Entry.__slots__}
    return Entry(**{**fields, **given})


def outside(folder: Path) -> dict[str, bytes]:
    """Return all files but those of the two roots and of the store."""
    kept = ("store", "one", "two")
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in kept
    }


@pytest.mark.parametrize("where", ["a file", "a link", "a folder", "in a tree", "a link in a tree", "a target"])
def test_no_path_that_a_store_names_leads_anywhere(tmp_path: Path, where: str) -> None:
    """Case 44, T3, T4: the entry is a miss with one line, and the action runs."""
    store = tmp_path / "store"
    assert walk(tmp_path / "one", store)[0] == "success"
    key, entry = stored(store)
    (tmp_path / "x").write_text("of the user")
    before = outside(tmp_path)
    (file,) = entry.files
    for payload in PAYLOADS:
        if where == "a file":
            crafted = replaced(entry, files=(File(payload, file.digest, False),))
        elif where == "a link":
            crafted = replaced(entry, files=(), links=(Link(payload, "in"),))
        elif where == "a folder":
            crafted = replaced(entry, folders=(Folder(payload, entry.folders[0].digest),))
        else:
            inside = Directory((File(payload, file.digest, False),))
            if where == "a link in a tree":
                inside = Directory(links=(Link(payload, "y"),))
            elif where == "a target":
                inside = Directory(links=(Link("l", f"../{payload}"),))
            data = encode_tree(Tree(inside, ()))
            digest = Digest(sha256(data).hexdigest(), len(data))
            put(store, "cas", digest.hash, data)
            crafted = replaced(entry, folders=(Folder("t", digest),))
        put(store, "ac", key, encode_entry(crafted, key))
        kind, notes = walk(tmp_path / "two", store)
        assert kind == "success", payload
        assert sum("the local cache" in one for one in notes) == 1, (payload, notes)
        shutil.rmtree(tmp_path / "two")
        assert outside(tmp_path) == before, payload
        assert sorted(os.listdir(tmp_path)) == ["one", "store", "x"], payload


def test_a_blob_that_goes_while_the_run_goes_on_is_a_miss(tmp_path: Path) -> None:
    """Case 39, L7: between the entry and its blobs too."""
    store = tmp_path / "store"
    gone: list[Digest] = []
    walk(tmp_path / "one", store)
    real = FolderCache.get_blob

    def get_blob(self: FolderCache, digest: Digest, path: str) -> bool:
        if not gone:
            for blob in store.glob("cas/*/*"):
                blob.unlink()
            gone.append(digest)
        return real(self, digest, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FolderCache, "get_blob", get_blob)
        assert walk(tmp_path / "two", store)[0] == "success"
    assert gone
    assert walk(tmp_path / "three", store)[0] == "restored"


def test_modes_that_a_store_has_are_none_but_plain_and_executable(tmp_path: Path) -> None:
    """Case 47, R5: whatever modes and kinds the files of a store have."""
    store = tmp_path / "store"
    walk(tmp_path / "one", store)
    for path in store.glob("cas/*/*"):
        path.chmod(0o6755)
    mask = os.umask(0o022)
    try:
        assert walk(tmp_path / "two", store)[0] == "restored"
    finally:
        os.umask(mask)
    modes = {name: (tmp_path / "two" / name).stat().st_mode for name in ("o", "t/x/y", "t/x")}
    assert modes == {"o": 0o100644, "t/x/y": 0o100755, "t/x": 0o40755}


@pytest.mark.parametrize("kind", ["a pipe", "a link", "a folder", "a socket"])
def test_what_is_no_file_in_a_store_is_a_miss(tmp_path: Path, kind: str) -> None:
    """Case 47: nothing of it is opened that may block, and no link is followed."""
    store = tmp_path / "store"
    walk(tmp_path / "one", store)
    key, entry = stored(store)
    path = store / "cas" / entry.files[0].digest.hash[:2] / entry.files[0].digest.hash
    other = tmp_path / "other"
    path.rename(other)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a link":
        path.symlink_to(other)
    elif kind == "a folder":
        path.mkdir()
    else:
        import socket

        with socket.socket(socket.AF_UNIX) as one:
            here = os.getcwd()
            os.chdir(path.parent)
            try:
                one.bind(path.name)
            finally:
                os.chdir(here)
    assert walk(tmp_path / "two", store)[0] == "success"
    assert other.read_text() == "file\n"
    assert key


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=64", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("a tmpfs can only be mounted by root, where mounts are allowed")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_of_the_store_is_one_line_and_the_run_goes_on(tmp_path: Path, small_disk: Path) -> None:
    """Case 11: the workspace has room, the cache has none."""
    graph = DAG()
    for number in range(12):
        script = Script(f"cat in > o{number}; head -c 50000 /dev/urandom >> o{number}")
        graph.add_vertex(f"a{number}", Command(script=script, inputs=["in"], outputs=[f"o{number}"], cache=True))
    root = tmp_path / "root"
    root.mkdir()
    (root / "in").write_text("1\n")

    def run() -> tuple[Any, list[str]]:
        notes = Notes()
        found = CommandWalk(graph, str(root), caches=[FolderCache(str(small_disk / "store"), least_free=0)])
        found.bus.add(notes)
        return found.run(), notes.notes

    report, notes = run()
    assert report.ok
    assert {one.outcome.kind for one in report.actions.values()} == {"success"}
    assert 1 <= sum("the local cache" in one for one in notes) <= 2, notes
    # what did not fit is none: a torn file would be found
    shutil.rmtree(root / ".treadle")
    for number in range(12):
        (root / f"o{number}").unlink()
    report, _ = run()
    assert report.ok
    assert (root / "o0").read_bytes().startswith(b"1\n")


def test_a_linked_output_folder_of_the_user_stays(tmp_path: Path) -> None:
    """Case 46, R6: it is neither removed nor replaced, and filled where it leads to."""
    project = Project(tmp_path / "project")
    project.environ["TREADLE_CACHE_DIR"] = str(tmp_path / "store")
    project.environ.pop("TREADLE_CACHE", None)
    project.write("in", "1\n")
    plan = (
        "treadle: 1\ncache: local\nactions:\n  a: {sh: 'mkdir -p t/x; cp in t/x/y', in: in, out: t/, cache: true}\n"
    )
    project.write("plan", plan)
    (project.folder / "real").mkdir()
    (project.folder / "t").symlink_to("real")
    assert project.treadle("run").code == 0
    project.write("in", "2\n")
    assert project.treadle("run").code == 0
    project.write("in", "1\n")
    assert project.treadle("run").code == 0
    assert (project.folder / "t").is_symlink()
    assert project.read("real/x/y") == "1\n"
    # one that leads out of the root
    away = tmp_path / "away"
    away.mkdir()
    (away / "mine").write_text("mine")
    (project.folder / "t").unlink()
    (project.folder / "t").symlink_to(away)
    project.treadle("run")
    assert (project.folder / "t").is_symlink()
    assert (away / "mine").read_text() == "mine"


def test_a_file_removed_from_the_inputs_of_a_tree_is_not_restored(tmp_path: Path) -> None:
    """C3: a folder holds what this state of the inputs makes, and nothing of another one."""
    project = Project(tmp_path / "project")
    project.environ["TREADLE_CACHE_DIR"] = str(tmp_path / "store")
    project.environ.pop("TREADLE_CACHE", None)
    script = "mkdir -p t; for one in src/*; do cp $one t/; done"
    plan = f"treadle: 1\ncache: local\nactions:\n  a: {{sh: '{script}', in: src/, out: t/, cache: true}}\n"
    project.write("plan", plan)

    def made() -> tuple[list[str], str]:
        done = project.treadle("run", "-v", "--events", "events.jsonl")
        assert done.code == 0, done.text
        lines = [json.loads(line) for line in project.read("events.jsonl").splitlines()]
        (project.folder / "events.jsonl").unlink()
        ends = [one["status"] for one in lines if one["event"] == "ended"]
        return sorted(os.listdir(project.folder / "t")), ends[0]

    project.write("src/one", "1")
    project.write("src/two", "2")
    assert made() == (["one", "two"], "ran")
    (project.folder / "src/two").unlink()
    assert made() == (["one"], "ran")
    project.write("src/two", "2")
    assert made() == (["one", "two"], "restored")
    (project.folder / "src/two").unlink()
    assert made() == (["one"], "restored")
