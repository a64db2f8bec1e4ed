"""A cache elsewhere is asked in threads: no server holds a walk up, and what is found holds only as long as it does."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from treadle import DAG, Command, CommandWalk, Digest, FolderCache, Report, Script, Settings, Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.events.bus import Ended

TIMEOUT = 20.0


class Elsewhere(FolderCache):
    """A store that others may write to; it calls a function when it is asked for an entry, and after that."""

    name = "shared"
    is_own = False

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), least_free=0)
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None
        self.asked = 0

    def get_entry(self, key: str, limit: int) -> bytes | None:
        self.asked += 1
        self.before()
        found = super().get_entry(key, limit)
        if found is not None:
            self.after()
        return found


class Notes(Subscriber):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def graph(*names: str, **given: Any) -> DAG:
    """Return actions that copy `in`."""
    actions = DAG()
    for name in names:
        keys = {"cache": True, **given}
        actions.add_vertex(name, Command(["cp", "in", name], inputs=["in"], outputs=[name], **keys))
    return actions


def run(root: Path, store: FolderCache, actions: DAG, *others: Subscriber, **given: Any) -> Report:
    root.mkdir(exist_ok=True)
    if not (root / "in").exists():
        (root / "in").write_text("1\n")
    walk = CommandWalk(actions, str(root), Settings(jobs=given.pop("jobs", 2)), caches=[store], **given)
    for one in others:
        walk.bus.add(one)
    return walk.run()


def kinds(report: Report) -> dict[str, str]:
    return {str(uid): one.outcome.kind for uid, one in report.actions.items()}


@pytest.fixture
def store(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path / "store")


def test_other_actions_run_while_a_server_is_waited_for(tmp_path: Path, store: Elsewhere) -> None:
    """T1, R1: the walk waits for nothing of it."""
    other_has_ended = threading.Event()
    met: list[bool] = []
    store.before = lambda: met.append(other_has_ended.wait(TIMEOUT))

    class Ends(Subscriber):
        def ended(self, event: Ended) -> None:
            if event.name == "other":
                other_has_ended.set()

    actions = graph("cached") | graph("other", cache=False)
    report = run(tmp_path / "root", store, actions, Ends(), jobs=1)
    assert kinds(report) == {"cached": "success", "other": "success"}
    assert all(met)


def test_look_ups_take_no_room_from_what_runs(tmp_path: Path, store: Elsewhere) -> None:
    """R1: eight at a time, also where one action may run at a time."""
    names = [f"a{number}" for number in range(8)]
    run(tmp_path / "first", store, graph(*names))
    barrier = threading.Barrier(8)
    store.before = lambda: barrier.wait(TIMEOUT)
    report = run(tmp_path / "second", store, graph(*names), jobs=1)
    assert set(kinds(report).values()) == {"restored"}


def test_what_was_found_for_an_input_that_changed_since_is_not_placed(tmp_path: Path, store: Elsewhere) -> None:
    """R1 (2): a look-up ends long before there is room for the action."""
    run(tmp_path / "first", store, graph("a"))
    root = tmp_path / "second"
    store.after = lambda: (root / "in").write_text("2\n")
    assert kinds(run(root, store, graph("a"))) == {"a": "success"}
    assert (root / "a").read_text() == "2\n"


def test_what_was_found_by_a_path_set_that_changed_since_is_not_placed(tmp_path: Path, store: Elsewhere) -> None:
    """D1, R1 (2)."""

    def found() -> DAG:
        actions = DAG()
        script = Script('cat in hdr > out; echo "out: hdr" > out.d')
        command = Command(script=script, inputs=["in"], outputs=["out"], depfile="out.d", cache=True)
        actions.add_vertex("a", command)
        return actions

    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        root.mkdir()
        (root / "hdr").write_text("h\n")
    # a header that was written a moment before may have changed while the first run went on
    while run(first, store, found()).actions["a"].outcome.kind != "skip":
        pass
    store.after = lambda: (second / "hdr").write_text("other\n")
    assert kinds(run(second, store, found())) == {"a": "success"}
    assert (second / "out").read_text() == "1\nother\n"


def test_what_is_short_is_not_looked_up(tmp_path: Path, store: Elsewhere) -> None:
    """C4: an action that says `cache: true` is."""

    class Short(CommandWalk):
        def expected_duration(self, uid: Any) -> float | None:
            del uid
            return 0.049

    root = tmp_path / "root"
    root.mkdir()
    (root / "in").write_text("1\n")
    Short(graph("a", "b", cache=None), str(root), caches=[store]).run()
    assert store.asked == 0
    (root / "in").write_text("2\n")
    Short(graph("a", "b"), str(root), caches=[store]).run()
    assert store.asked


def test_a_store_that_takes_longer_than_the_actions_is_not_asked_any_more(tmp_path: Path, store: Elsewhere) -> None:
    """T1: three times in a row, by a clock that each question moves on; actions that last longer ask on."""
    run(tmp_path / "first", store, graph("a"))
    store.writable = False
    for duration, is_asked in ((0.1, False), (60.0, True)):

        class Known(CommandWalk):
            took = duration

            def expected_duration(self, uid: Any) -> float | None:
                del uid
                return self.took

        notes = Notes()
        walk = Known(graph(*[f"a{number}" for number in range(20)]), str(tmp_path / "first"), caches=[store])
        walk.bus.add(notes)
        now = itertools.count()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("treadle.command.caching.monotonic", lambda: 2.0 * next(now))  # noqa: B023
            store.asked = 0
            assert walk.run().ok
        # those that were on their way end as they would
        assert (store.asked >= 20) == is_asked
        assert len([text for text in notes.texts if "takes longer than to run does" in text]) == (not is_asked)
        for number in range(20):
            (tmp_path / f"first/a{number}").unlink()


def test_a_store_that_is_slow_to_have_nothing_is_not_asked_any_more(tmp_path: Path, store: Elsewhere) -> None:
    """T1: of actions of which no duration is known, too; each reply comes just in time."""
    notes, now = Notes(), itertools.count()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/in").write_text("1\n")
    store.writable = False
    walk = CommandWalk(graph(*[f"a{number}" for number in range(20)]), str(tmp_path / "root"), caches=[store])
    walk.bus.add(notes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("treadle.command.caching.monotonic", lambda: 4.0 * next(now))
        assert walk.run().ok
    assert store.asked < 20
    assert len([text for text in notes.texts if "takes longer than to run does" in text]) == 1


@pytest.mark.parametrize(("most", "kind"), [(2, "restored"), (1, "success")])
def test_a_path_set_of_large_files_is_not_hashed(tmp_path: Path, store: Elsewhere, most: int, kind: str) -> None:
    """D3, T7: others write path sets, and could name all that there is."""
    actions = DAG()
    script = Script('cat in hdr > out; echo "out: hdr" > out.d')
    actions.add_vertex("a", Command(script=script, inputs=["in"], outputs=["out"], depfile="out.d", cache=True))
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        root.mkdir()
        (root / "hdr").write_text("h\n")
    while run(first, store, actions).actions["a"].outcome.kind != "skip":
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("treadle.command.caching._MOST_FOUND", most)
        assert run(second, store, actions).actions["a"].outcome.kind == kind


def test_a_read_only_store_that_is_nearer_is_not_filled(tmp_path: Path, store: Elsewhere) -> None:
    """F7, T9."""
    run(tmp_path / "first", store, graph("a"))
    near = FolderCache(str(tmp_path / "near"), writable=False, least_free=0)
    root = tmp_path / "second"
    root.mkdir()
    (root / "in").write_text("1\n")
    walk = CommandWalk(graph("a"), str(root), caches=[near, store])
    assert kinds(walk.run()) == {"a": "restored"}
    assert not (tmp_path / "near").exists()


def test_namespaces_keep_results_apart(tmp_path: Path, store: Elsewhere) -> None:
    """T10."""
    assert kinds(run(tmp_path / "a", store, graph("a"), cache_namespaces=["pr-7", "main"])) == {"a": "success"}
    assert kinds(run(tmp_path / "b", store, graph("a"), cache_namespaces=["main"])) == {"a": "success"}
    assert kinds(run(tmp_path / "c", store, graph("a"))) == {"a": "success"}
    assert kinds(run(tmp_path / "d", store, graph("a"), cache_namespaces=["pr-8", "main"])) == {"a": "restored"}
    assert kinds(run(tmp_path / "e", store, graph("a"), cache_namespaces=["pr-7"])) == {"a": "restored"}


def test_a_store_that_loses_a_blob_while_it_is_asked_is_a_miss(tmp_path: Path, store: Elsewhere) -> None:
    """Case 39, L7: between the entry and the blob."""
    run(tmp_path / "first", store, graph("a"))

    def lose() -> None:
        for path in (tmp_path / "store/cas").glob("*/*"):
            store.discard(Digest(path.name, 0))

    store.after = lose
    assert kinds(run(tmp_path / "second", store, graph("a"))) == {"a": "success"}
    assert (tmp_path / "second/a").read_text() == "1\n"
