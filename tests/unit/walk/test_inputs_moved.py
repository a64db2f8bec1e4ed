"""What a plain Walk may not record: a success whose inputs changed while its job ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs import graph, nothing
from treadle import DAG, Command, CommandWalk, EmptyJob, Fingerprint, Job, ReturnValue
from treadle.core import decision
from treadle.core.decision import Reason
from treadle.testing import CallJob, MemoryWalk

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from jobs import Notify
    from treadle.core.outcomes import Report

SUCCESS, NOTREADY, SKIP = ReturnValue.success, ReturnValue.notready, ReturnValue.skip


class World(MemoryWalk):
    """A walk over values that jobs and tests change: `in` of an action is its input, `out` its result."""

    def __init__(self, actions: DAG, values: dict[str, Any], records: dict[Hashable, Any], **does: Any) -> None:
        super().__init__(actions, records)
        self.values = values
        self.does = does
        self.ran: list[Hashable] = []

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        fingerprint = Fingerprint()
        fingerprint.add("in", str(self.values.get(f"{uid} in", "")))
        fingerprint.add("out", str(self.values.get(f"{uid} out", "")), result=True)
        return fingerprint

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        does = self.does.get(uid, nothing)

        def work() -> object:
            self.ran.append(uid)
            return does()

        return CallJob(uid, data, notify_end, work)

    def request_requeue(self, job: Any) -> bool:
        return bool(job.attempt < 3)


class Plain(World):
    """Marks no results: a consumer sees the fingerprints before it, as in e3."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        fingerprint = Fingerprint()
        fingerprint.add("in", str(self.values.get(f"{uid} in", "")))
        for predecessor in self.actions.get_predecessors(uid):
            fingerprint.add(str(predecessor), self.new_fingerprints[predecessor].checksum())
        return fingerprint


class Whole(World):
    """Has fingerprints of a kind of its own."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        return {key: value for key, value in self.values.items() if key.startswith(uid)}


class Inputs(Whole):
    """Says of its own fingerprints what is an input."""

    def inputs_moved(self, uid: Any, before: Any, after: Any) -> list[str]:
        return [f"{uid} in"] if before[f"{uid} in"] != after[f"{uid} in"] else []


class Again:
    """Runs walks of one kind over the same values and records."""

    def __init__(self, kind: type[World] = World, dag: DAG | None = None, **values: Any) -> None:
        self.kind = kind
        self.dag = dag or graph(("a",))
        self.values: dict[str, Any] = {"a in": 1, **values}
        self.records: dict[Hashable, Any] = {}
        self.last: World | None = None

    def put(self, name: str, value: Any) -> None:
        """Change a value; None takes it away."""
        if value is None:
            del self.values[name]
        else:
            self.values[name] = value

    def puts(self, *changes: tuple[str, Any]) -> None:
        """Change values one after the other."""
        for name, value in changes:
            self.put(name, value)

    def run(self, **does: Callable[[], object]) -> Report:
        self.last = self.kind(self.dag, self.values, self.records, **does)
        return self.last.run()

    @property
    def ran(self) -> list[Hashable]:
        assert self.last is not None
        return self.last.ran


CHANGES: dict[str, tuple[Callable[[Again], object], str]] = {
    "an input that is edited": (lambda it: it.put("a in", 2), "changed while it ran: in"),
    "a result that comes": (lambda it: it.put("a out", 1), ""),
    "both": (lambda it: it.puts(("a in", 2), ("a out", 1)), "changed while it ran: in"),
    "nothing": (lambda it: None, ""),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_job_does_to_inputs_is_not_recorded_and_what_it_makes_is(name: str) -> None:
    change, text = CHANGES[name]
    it = Again()
    report = it.run(a=lambda: change(it))
    assert report.actions["a"].status == SUCCESS
    assert (report.actions["a"].unrecorded or "") == text
    assert bool(it.records) is not bool(text)
    it.run()
    assert it.ran == (["a"] if text else [])
    assert it.run().with_status(SKIP), "it settles as soon as nothing changes"


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "key to result"])
def test_elements_that_come_go_or_change_sides_while_a_job_runs_count_as_inputs(change: str) -> None:
    class Sets(World):
        def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
            fingerprint = Fingerprint()
            for name, (value, is_result) in self.values["a"].items():
                fingerprint.add(name, value, result=is_result)
            return fingerprint

    after = {
        "added": {"x": ("1", False), "y": ("2", False)},
        "removed": {},
        "renamed": {"y": ("1", False)},
        "key to result": {"x": ("1", True)},
    }[change]
    it = Again(Sets, a={"x": ("1", False)})
    report = it.run(a=lambda: it.put("a", after))
    assert report.actions["a"].unrecorded is not None
    assert it.records == {}


def test_the_log_names_the_action_and_the_inputs(caplog: pytest.LogCaptureFixture) -> None:
    it = Again()
    it.run(a=lambda: it.put("a in", 2))
    assert "a is not recorded, it will run again: changed while it ran: in" in caplog.text


def test_the_next_run_of_the_same_walk_says_it_as_its_reason() -> None:
    it = Again()
    walk = World(it.dag, it.values, it.records, a=lambda: it.put("a in", 2))
    walk.run()
    walk.run()
    reason = Reason(decision.INPUTS_MOVED, "", "changed while it ran: in")
    assert walk.verdicts["a"].reasons == (reason,)
    walk.run()
    assert walk.verdicts["a"].decision == decision.SKIP


def test_what_was_edited_and_edited_back_cannot_be_seen() -> None:
    it = Again()
    it.run(a=lambda: it.puts(("a in", 2), ("a in", 1)))
    assert it.records.keys() == {"a"}


def test_what_was_edited_while_an_action_waited_in_its_queue_is_what_it_reads() -> None:
    it = Again(dag=graph(("first",), ("a",)))
    report = it.run(first=lambda: it.put("a in", 2))
    assert it.ran == ["first", "a"]
    assert report.actions["a"].unrecorded is None
    assert it.run().with_status(SKIP) == list(it.last.reports.values()) if it.last else False


def test_what_was_edited_between_two_attempts_is_what_the_second_one_reads() -> None:
    it = Again()
    answers = iter([NOTREADY, SUCCESS])

    class Editing(World):
        def request_requeue(self, job: Any) -> bool:
            it.put("a in", 2)
            return True

    it.kind = Editing
    report = it.run(a=lambda: next(answers))
    assert (it.ran, report.actions["a"].unrecorded) == (["a", "a"], None)
    assert it.records.keys() == {"a"}


def test_what_was_edited_while_the_last_attempt_ran_is_not_recorded() -> None:
    it = Again()
    answers = iter([NOTREADY, SUCCESS])

    def work() -> ReturnValue:
        it.put("a in", it.values["a in"] + 1)
        return next(answers)

    report = it.run(a=work)
    assert report.actions["a"].unrecorded == "changed while it ran: in"


def test_where_the_second_look_fails_the_first_one_counts() -> None:
    class Hidden(World):
        def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
            if self.values.get(f"{uid} in") == "gone":
                raise FileNotFoundError(2, "No such file or directory", "a in")
            return super().compute_fingerprint(uid, data, is_prediction)

    it = Again(Hidden, graph(("first",), ("a",)))
    report = it.run(first=lambda: it.put("a in", "gone"), a=lambda: it.put("a in", 2))
    assert report.actions["a"].unrecorded == "changed while it ran: in"


def test_work_that_create_job_does_itself_is_held_to_the_same_rule_and_loses_an_old_record() -> None:
    class Inline(World):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
            super().create_job(uid, data, predecessors, notify_end).run()
            return EmptyJob(uid, data, notify_end, SUCCESS)

    it = Again(Inline)
    it.run()
    assert it.records.keys() == {"a"}
    it.put("a in", 2)
    report = it.run(a=lambda: it.put("a in", 1))
    assert report.actions["a"].unrecorded is not None
    assert it.records == {}, "the record fits the input again, but not what was made"


def test_without_a_prediction_there_is_nothing_to_compare() -> None:
    class Unpredicted(World):
        def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
            return None if is_prediction else super().compute_fingerprint(uid, data)

    it = Again(Unpredicted)
    it.run(a=lambda: it.put("a in", 2))
    assert it.records.keys() == {"a"}
    it.run()
    assert it.ran == ["a"]


def test_of_other_kinds_of_fingerprints_the_hook_alone_can_tell() -> None:
    it = Again(Whole)
    it.run(a=lambda: it.put("a in", 2))
    assert it.records.keys() == {"a"}
    it = Again(Inputs)
    report = it.run(a=lambda: it.puts(("a in", 2), ("a out", 2)))
    assert report.actions["a"].unrecorded == "changed while it ran: a in"
    it.run(a=lambda: it.put("a out", 3))
    assert it.records["a"] == {"a in": 2, "a out": 3}


def test_a_hook_that_compares_gets_a_fresh_look_too_where_its_action_has_waited() -> None:
    it = Again(Inputs, graph(("first",), ("a",)), **{"first in": 0})
    report = it.run(first=lambda: it.put("a in", 2))
    assert report.actions["a"].unrecorded is None


LINE = graph(("a",), ("b", "a"), ("c", "b"), ("z",))


def test_where_a_fingerprint_holds_no_results_what_is_behind_is_not_recorded_either() -> None:
    it = Again(Plain, LINE)
    report = it.run(a=lambda: it.put("a in", 2))
    texts = {uid: action.unrecorded for uid, action in report.actions.items()}
    assert texts == {
        "a": "changed while it ran: in",
        "b": "it depends on what is not recorded: a",
        "c": "it depends on what is not recorded: b",
        "z": None,
    }
    it.run()
    assert it.ran == ["a", "b", "c"]
    it.run()
    assert it.ran == []


def test_where_it_holds_results_they_tell_what_is_behind() -> None:
    it = Again(World, LINE)
    report = it.run(a=lambda: it.put("a in", 2))
    assert [uid for uid, action in report.actions.items() if action.unrecorded] == ["a"]
    it.run()
    assert it.ran == ["a"]


def test_a_command_walk_reports_it_in_the_same_place(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("1")
    dag = DAG()
    dag.add_vertex("a", Command(["sh", "-c", "echo 2 > in; echo > out"], inputs=["in"], outputs=["out"]))
    report = CommandWalk(dag, str(tmp_path)).run()
    assert report.ok
    assert report.actions["a"].unrecorded == "changed while it ran: in"
