"""Caches as code outside of the package would write them: asked in order, never trusted, and no harm if they fail."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from treadle import (
    DAG,
    CacheError,
    Command,
    CommandWalk,
    Digest,
    Environment,
    FolderCache,
    OutputCache,
    Report,
    Script,
    Settings,
    Subscriber,
)
from treadle.testing import LIES, LyingCache, OutputCacheContract

KEPT = {"one": "1\n", "tree/a/b": "1\n"}


class MemoryCache:
    """Keeps all in two dicts; it may be read-only."""

    is_own = False

    def __init__(self, name: str = "memory", *, writable: bool = True) -> None:
        self.name = name
        self.writable = writable
        self.entries: dict[str, bytes] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.puts = 0

    def get_entry(self, key: str, limit: int) -> bytes | None:
        body = self.entries.get(key)
        if body is not None and len(body) > limit:
            raise CacheError("holds an entry that is too long")
        return body

    def get_blob(self, digest: Digest, path: str) -> bool:
        if digest not in self.blobs:
            return False
        with open(path, "xb") as file:
            file.write(self.blobs[digest])
        return True

    def put_blob(self, digest: Digest, path: str) -> None:
        self.puts += 1
        self.blobs[digest] = Path(path).read_bytes()

    def put_entry(self, key: str, body: bytes) -> None:
        self.puts += 1
        self.entries[key] = body

    def discard(self, digest: Digest) -> None:
        self.blobs.pop(digest, None)

    def close(self, wait: float) -> int:
        return int(wait) * 0


class TestMemoryCache(OutputCacheContract):
    def make_cache(self, folder: str) -> MemoryCache:
        del folder
        return MemoryCache()


class TestTrueCache(OutputCacheContract):
    """What lies in no way that is asked for here."""

    def make_cache(self, folder: str) -> LyingCache:
        return LyingCache(MemoryCache(), "the truth")


class Notes(Subscriber):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.faults: list[tuple[str, str]] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def cache_fault(self, store: str, kind: str) -> None:
        self.faults.append((store, kind))


def graph() -> DAG:
    actions = DAG()
    one = Command(["cp", "in", "one"], inputs=["in"], outputs=["one"], cache=True)
    script = Script("echo said; mkdir tree/a; cp one tree/a/b")
    actions.add_vertex("one", one)
    actions.add_vertex("tree", Command(script=script, inputs=["one"], outputs=["tree/"], cache=True), ["one"])
    return actions


def run(root: Path, *caches: OutputCache, notes: Notes | None = None, text: str = "1\n", **given: Any) -> Report:
    root.mkdir(exist_ok=True)
    (root / "in").write_text(text)
    walk = CommandWalk(given.pop("actions", None) or graph(), str(root), Settings(jobs=2, **given), caches=caches)
    if notes is not None:
        walk.bus.add(notes)
    return walk.run()


def kinds(report: Report) -> list[str]:
    return [one.outcome.kind for one in report.actions.values()]


def made(root: Path) -> dict[str, str]:
    return {name: (root / name).read_text() for name in KEPT if (root / name).is_file()}


@pytest.mark.parametrize("lie", LIES)
def test_a_cache_that_lies_does_no_harm(tmp_path: Path, lie: str) -> None:
    """T1 to T4, case 37, case 38: the action runs, one line for each kind of fault, and the run is right."""
    store = MemoryCache()
    assert kinds(run(tmp_path / "first", store)) == ["success", "success"]
    notes, lying = Notes(), LyingCache(store, lie)
    report = run(tmp_path / "second", lying, notes=notes)
    assert report.ok
    assert kinds(report) == ["success", "success"]
    assert made(tmp_path / "second") == KEPT
    assert len(notes.notes) <= 2, notes.notes
    assert len({kind for _, kind in notes.faults}) == len(notes.faults)
    assert not (tmp_path / "second/.treadle/restore").exists()
    assert kinds(run(tmp_path / "second", lying)) == ["skip", "skip"]


def test_caches_are_asked_in_order_and_only_those_that_may_be_written_to_are(tmp_path: Path) -> None:
    """F7, T9, case 42: read-only means that nothing is put."""
    near, far = MemoryCache("near"), MemoryCache("far")
    run(tmp_path / "first", far)
    puts = far.puts
    far.writable = False
    assert kinds(run(tmp_path / "second", near, far)) == ["restored", "restored"]
    run(tmp_path / "second", near, far, text="2\n")
    assert far.puts == puts
    assert near.puts
    assert kinds(run(tmp_path / "third", near, far, text="2\n")) == ["restored", "restored"]


def test_a_cache_that_fails_is_passed_over_for_the_next_one(tmp_path: Path) -> None:
    """T1."""
    store = MemoryCache()
    run(tmp_path / "first", store)
    notes = Notes()
    report = run(tmp_path / "second", LyingCache(MemoryCache(), "faults"), store, notes=notes)
    assert kinds(report) == ["restored", "restored"]
    assert notes.faults == [("lying", "is not reachable")]


def test_what_is_restored_is_recorded_and_ours(tmp_path: Path) -> None:
    """R1: that end is recorded like a success."""
    store = MemoryCache()
    run(tmp_path / "first", store)
    root = tmp_path / "second"
    assert kinds(run(root, store)) == ["restored", "restored"]
    assert kinds(run(root)) == ["skip", "skip"]
    (root / "in").write_text("2\n")
    assert kinds(run(root, text="2\n")) == ["success", "success"]
    assert made(root) == {"one": "2\n", "tree/a/b": "2\n"}


def test_a_file_of_the_user_in_the_place_of_an_output_is_moved_aside(tmp_path: Path) -> None:
    """Invariant 10, R1: as for an attempt."""
    store = MemoryCache()
    run(tmp_path / "first", store)
    root = tmp_path / "second"
    root.mkdir()
    (root / "one").write_text("of the user")
    notes = Notes()
    assert kinds(run(root, store, notes=notes)) == ["restored", "restored"]
    assert any("moved files that Treadle did not create" in text for text in notes.notes)
    kept = [path for path in (root / ".treadle/replaced").rglob("*") if path.is_file()]
    assert [path.read_text() for path in kept] == ["of the user"]


def found_graph(**given: Any) -> DAG:
    """Return a graph in which `reads` finds out that it reads `made`, which `makes` makes, without an edge."""
    actions = DAG()
    script = Script('cat in made > out 2>/dev/null; echo "out: made" > out.d; true')
    actions.add_vertex("reads", Command(script=script, inputs=["in"], outputs=["out"], depfile="out.d", cache=True))
    slow = Script("cp src made")
    actions.add_vertex(
        "makes", Command(script=slow, inputs=["src"], outputs=["made"], cache=given.get("cache", True))
    )
    return actions


def test_a_path_that_an_action_has_yet_to_make_keeps_its_set_from_being_used(tmp_path: Path) -> None:
    """D4: what is there now is not what the action will find."""
    store = MemoryCache()
    root = tmp_path / "root"
    root.mkdir()
    for text in ("a", "b"):
        (root / "src").write_text(text)
        for _ in range(2):
            run(root, store, actions=found_graph())
        assert (root / "out").read_text() == f"1\n{text}"
    # `made` holds b, and there is an entry for that; but it will be a again
    (root / "src").write_text("a")
    shutil.rmtree(root / ".treadle")
    run(root, store, actions=found_graph())
    run(root, store, actions=found_graph())
    assert (root / "out").read_text() == "1\na"


def test_a_discovered_input_outside_of_the_usual_folders_is_not_stored(tmp_path: Path) -> None:
    """D3, T7: no list may make us read any file."""
    (tmp_path / "secret").write_text("x")
    actions = DAG()
    script = Script(f'cp in out; echo "out: {tmp_path}/secret" > out.d')
    actions.add_vertex("a", Command(script=script, inputs=["in"], outputs=["out"], depfile="out.d", cache=True))
    store = MemoryCache()
    run(tmp_path / "root", store, actions=actions)
    assert not store.entries


def test_a_change_of_a_variable_that_counts_is_another_entry(tmp_path: Path) -> None:
    """K1."""
    store = MemoryCache()

    def of(value: str) -> DAG:
        actions = DAG()
        env = Environment({"X": value})
        script = Script('echo "$X" > out')
        actions.add_vertex("a", Command(script=script, inputs=["in"], outputs=["out"], env=env, cache=True))
        return actions

    root = tmp_path / "root"
    assert kinds(run(root, store, actions=of("1"))) == ["success"]
    assert kinds(run(root, store, actions=of("2"))) == ["success"]
    assert kinds(run(root, store, actions=of("1"))) == ["restored"]
    assert (root / "out").read_text() == "1\n"


def test_what_a_failure_has_let_in_is_neither_restored_nor_stored(tmp_path: Path) -> None:
    """C1: what it makes may rest on what that failure left."""
    store = MemoryCache()
    actions = DAG()
    actions.add_vertex("fails", Command(["false"], inputs=["in"], outputs=["x"]))
    after = Command(["cp", "in", "out"], inputs=["in"], outputs=["out"], cache=True)
    actions.add_vertex("after", after, {"fails": "on_failure"})
    root = tmp_path / "root"
    for _ in range(2):
        report = run(root, store, actions=actions)
        assert report.actions["after"].outcome.kind == "success"
    assert not store.entries


def test_what_is_forced_runs_and_is_stored(tmp_path: Path) -> None:
    """C6."""
    store = MemoryCache()
    assert kinds(run(tmp_path / "r", store, force=["one", "tree"])) == ["success", "success"]
    assert len(store.entries) == 2
    assert kinds(run(tmp_path / "r", store, force=["one", "tree"])) == ["success", "success"]


def test_caches_may_be_opened_when_the_first_action_is_about_to_run(tmp_path: Path) -> None:
    """C6: with nothing to do, no store is opened."""
    opened: list[int] = []
    store = FolderCache(str(tmp_path / "store"))

    def open_them() -> list[OutputCache]:
        opened.append(1)
        return [store]

    for expected in (1, 1):
        # once for a run, whatever the number of actions
        root = tmp_path / "r"
        root.mkdir(exist_ok=True)
        (root / "in").write_text("1\n")
        CommandWalk(graph(), str(root), caches=open_them).run()
        assert len(opened) == expected


def test_a_store_elsewhere_that_is_opened_late_is_asked(tmp_path: Path) -> None:
    """F7: as one that is given at once, by what looks outputs up while other actions run."""
    elsewhere = MemoryCache()
    assert not elsewhere.is_own
    assert kinds(run(tmp_path / "first", elsewhere)) == ["success", "success"]
    root = tmp_path / "second"
    root.mkdir()
    (root / "in").write_text("1\n")
    report = CommandWalk(graph(), str(root), Settings(jobs=2), caches=lambda: [elsewhere]).run()
    assert kinds(report) == ["restored", "restored"]
    assert made(root) == KEPT
