"""`Walk.restore`: what an action would make may come from elsewhere, also in a walk that knows no files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs import graph
from treadle import EmptyJob, Fingerprint, Report, ReturnValue, Subscriber, TreadleError
from treadle.core.decision import ALWAYS, FORCED, UNANSWERED, Reason
from treadle.errors import HookError
from treadle.testing import CallJob, MemoryWalk

if TYPE_CHECKING:
    from jobs import Notify

ACTIONS = graph(("a",), ("b", "a"))


class Kept(MemoryWalk):
    """Keeps what each action has made by the checksum of what it depends on."""

    def __init__(self, sources: dict[str, str], store: dict[str, str], records: dict[Any, Any]) -> None:
        super().__init__(ACTIONS, records)
        self.sources = sources
        self.store = store
        self.made: dict[str, str] = {}
        self.ran: list[str] = []
        self.asked: list[str] = []

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        fingerprint = Fingerprint()
        fingerprint.add("source", self.sources[uid])
        for before in self.actions.get_predecessors(uid):
            fingerprint.add(f"made by {before}", self.made.get(str(before), ""))
        return fingerprint

    def restore(self, uid: Any, data: Any, fingerprint: Fingerprint) -> str | None:
        assert self.records.get(uid) is None
        self.asked.append(uid)
        kept = self.store.get(fingerprint.checksum())
        if kept is None:
            return None
        self.made[uid] = kept
        return "the store"

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> CallJob:
        def work() -> None:
            self.ran.append(uid)
            self.made[uid] = self.store[self.new_fingerprints[uid].checksum()] = f"of {self.sources[uid]}"

        return CallJob(uid, data, notify_end, work)


def test_what_was_made_once_comes_back_and_is_on_record() -> None:
    """F7."""
    store: dict[str, str] = {}
    records: dict[Any, Any] = {}
    for text, ran in (("1", ["a", "b"]), ("2", ["a", "b"]), ("1", [])):
        walk = Kept({"a": text, "b": "x"}, store, records)
        assert walk.run().ok
        assert walk.ran == ran
    assert walk.made == {"a": "of 1", "b": "of x"}
    again = Kept({"a": "1", "b": "x"}, store, records)
    again.made = dict(walk.made)
    assert {one.status for one in again.run().actions.values()} == {ReturnValue.skip}
    assert again.asked == []


def test_its_end_says_where_it_came_from() -> None:
    """F7, F4."""
    ends: dict[str, tuple[str, str]] = {}

    class Ends(Subscriber):
        def ended(self, event: Any) -> None:
            ends[event.name] = (event.outcome.kind, event.restored)

    store: dict[str, str] = {}
    Kept({"a": "1", "b": "x"}, store, {}).run()
    walk = Kept({"a": "1", "b": "y"}, store, {})
    walk.bus.add(Ends())
    report = walk.run()
    assert ends == {"a": ("restored", "the store"), "b": ("success", "")}
    assert (report.actions["a"].status, report.actions["a"].attempt) == (ReturnValue.success, 0)
    assert walk.runs_ended == 1


@pytest.mark.parametrize("kind", [FORCED, ALWAYS])
def test_what_is_forced_is_not_asked_for(kind: str) -> None:
    """C6."""

    class Forced(Kept):
        def demands(self, uid: Any) -> list[Reason]:
            return [Reason(kind)]

    store: dict[str, str] = {}
    Kept({"a": "1", "b": "x"}, store, {}).run()
    walk = Forced({"a": "1", "b": "x"}, store, {})
    walk.run()
    assert (walk.ran, walk.asked) == (["a", "b"], [])


def test_what_has_no_prediction_is_not_asked_for() -> None:
    class Unpredicted(Kept):
        def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
            return None if is_prediction else super().compute_fingerprint(uid, data)

        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Any:
            return EmptyJob(uid, data, notify_end, ReturnValue.success)

    walk = Unpredicted({"a": "1", "b": "x"}, {}, {})
    walk.run()
    assert walk.asked == []


def report_of(found: object) -> Report:
    class Given(Kept):
        def restore(self, uid: Any, data: Any, fingerprint: Fingerprint) -> Any:
            if isinstance(found, Exception):
                raise found
            return found

    return Given({"a": "1", "b": "x"}, {}, {}).run()


@pytest.mark.parametrize("error", [OSError("full"), TreadleError("full")])
def test_an_error_of_it_fails_the_action_with_its_words(error: Exception) -> None:
    report = report_of(error)
    assert "full" in (report.actions["a"].failure or "")
    verdict = report.actions["a"].verdict
    assert verdict is not None
    assert [why.kind for why in verdict.reasons] == [UNANSWERED]
    assert report.actions["b"].status == ReturnValue.force_fail


@pytest.mark.parametrize("found", ["", True, 3])
def test_what_does_not_say_where_it_came_from_is_refused(found: object) -> None:
    with pytest.raises(HookError, match="restore"):
        report_of(found)


def test_what_moved_meanwhile_is_not_recorded() -> None:
    """R1, invariant 1."""

    class Edited(Kept):
        def restore(self, uid: Any, data: Any, fingerprint: Fingerprint) -> str | None:
            self.sources[uid] = "edited"
            self.made[uid] = "old"
            return "the store"

    records: dict[Any, Any] = {}
    report = Edited({"a": "1", "b": "x"}, {}, records).run()
    assert "changed while it ran" in (report.actions["a"].unrecorded or "")
    assert records.get("a") is None
