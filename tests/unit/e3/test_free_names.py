"""What the old classes leave free is a subclass's own: no name of Treadle's is read or called on it.

The old names are given; those that Treadle adds are found by looking at its objects.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import treadle
from treadle import e3
from treadle.e3 import ReturnValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WALK = {
    *("actions", "prev_fingerprints", "new_fingerprints", "job_status", "queues", "tokens", "job_timeout"),
    *("failure_source", "scheduler", "set_scheduling_params", "compute_fingerprint", "save_fingerprint"),
    *("load_previous_fingerprint", "should_execute_action", "create_skipped_job", "create_job"),
    *("request_requeue", "get_job", "collect"),
}
JOB = {
    *("uid", "data", "notify_end", "index", "index_counter", "lock", "slot", "interrupted", "queue_name", "tokens"),
    *("should_skip", "priority", "status", "timing_info", "record_start_time", "record_stop_time", "start", "run"),
    *("interrupt", "on_start", "on_finish"),
}
PROCESS_JOB = {*JOB, "proc_handle", "cmdline", "cmd_options"}
SCHEDULER = {
    *("job_provider", "collect", "queues", "tokens", "slots", "job_timeout", "active_jobs", "queued_jobs"),
    *("max_active_jobs", "start_time", "stop_time", "simple_provider", "safe_collect", "safe_job_provider"),
    *("init_state", "is_finished", "log_state", "run", "push", "enqueue", "launch", "wait"),
}
DAG = {
    *("vertex_data", "tags", "vertex_predecessors", "vertex_predecessors_items", "add_vertex", "update_vertex"),
    *("set_predecessors", "check", "get_predecessors", "get_successors", "get_closure", "shortest_path"),
    *("reverse_graph", "prune", "add_tag", "get_tag", "get_context", "as_dot", "as_tree"),
}
FINGERPRINT = {
    *("elements", "add", "add_file", "add_dir", "checksum", "compare_to", "save_to_file", "load_from_file"),
}

SUCCESS, FAILURE, SKIP = ReturnValue.success, ReturnValue.failure, ReturnValue.skip


def ignore(_: object) -> None:
    """Stand in for `notify_end`."""


def provider(job_class: type[e3.Job]) -> Callable[..., e3.Job]:
    return e3.Scheduler.simple_provider(job_class)


class Counted(e3.Job):
    """Is not ready the first time, and fails where its data says so."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.runs = 0
        self.told = threading.Event()

    def run(self) -> None:
        self.runs += 1
        if self.data == "wait":
            self.told.wait(60)

    def interrupt(self) -> bool:
        self.told.set()
        return super().interrupt()

    @property
    def status(self) -> ReturnValue:
        if self.data == "bad":
            return FAILURE
        return SUCCESS if self.runs > 1 else ReturnValue.notready


class Program(e3.ProcessJob):
    """A script of the shell."""

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", self.data]


class Nothing(e3.EmptyJob):
    """A job that is never started."""


class Kept(e3.Walk):
    """Keeps fingerprints as files, in the current folder."""

    job_class: type[e3.Job] = Counted
    empty_class: type[e3.EmptyJob] = Nothing
    fingerprint_class: type[e3.Fingerprint] = e3.Fingerprint

    def set_scheduling_params(self) -> None:
        self.tokens = 2

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        fingerprint = self.fingerprint_class()
        fingerprint.add("data", data)
        fingerprint.add_file(filename="source")
        return fingerprint

    def load_previous_fingerprint(self, uid: Any) -> Any:
        return self.fingerprint_class.load_from_file(filename=f"{uid}.json")

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        path = Path(f"{uid}.json")
        if fingerprint is None:
            path.unlink(missing_ok=True)
        else:
            fingerprint.save_to_file(filename=str(path))

    def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> e3.Job:
        return self.job_class(uid, data, notify_end)

    def create_skipped_job(
        self, uid: Any, data: Any, predecessors: Any, reason: str, notify_end: Any, status: Any = FAILURE
    ) -> e3.Job:
        return self.empty_class(uid, data, notify_end, status)

    def request_requeue(self, job: Any) -> bool:
        return True


def actions(dag: e3.DAG) -> e3.DAG:
    dag.add_tag("a", "tag")
    dag.add_vertex("a", "exit 0")
    dag.add_vertex("b", "exit 0", ["a"])
    dag.add_vertex("bad", "bad")
    dag.add_vertex("blocked", "exit 0", ["a", "bad"])
    return dag


FIRST = {"a": SUCCESS, "b": SUCCESS, "bad": FAILURE, "blocked": ReturnValue.force_fail}
SECOND = {**FIRST, "a": SKIP, "b": SKIP}


def two_walks(walk_class: type[Kept], dag_class: type[e3.DAG] = e3.DAG) -> None:
    for expected in (FIRST, SECOND):
        walk = walk_class(actions(dag_class()))
        assert walk.job_status == expected
        assert walk.failure_source == {"blocked": {"bad"}}


def as_walk(own: Callable[[type], type]) -> None:
    two_walks(own(Kept))


def as_job(own: Callable[[type], type]) -> None:
    job_class = own(Counted)
    two_walks(type("Walked", (Kept,), {"job_class": job_class}))
    until_its_limit(job_class, "wait")
    by_hand(job_class("uid", "exit 0", ignore))


def as_process_job(own: Callable[[type], type]) -> None:
    job_class = own(Program)
    two_walks(type("Walked", (Kept,), {"job_class": job_class}))
    until_its_limit(job_class, "sleep 300")
    by_hand(job_class("uid", "exit 0", ignore))


def until_its_limit(job_class: type[e3.Job], data: str) -> None:
    dag = e3.DAG()
    dag.add_vertex("endless", data)
    ended: list[e3.Job] = []
    e3.Scheduler(provider(job_class), ended.append, job_timeout=0.01).run(dag)
    assert [(job.uid, job.interrupted) for job in ended] == [("endless", True)]


def by_hand(job: e3.Job) -> None:
    told = threading.Event()
    job.notify_end = lambda _: told.set()
    job.start(slot=3)
    assert told.wait(60)
    assert job.slot == 3
    assert job.timing_info.stop_time is not None


def as_empty_job(own: Callable[[type], type]) -> None:
    two_walks(type("Walked", (Kept,), {"empty_class": own(Nothing)}))


def as_fingerprint(own: Callable[[type], type]) -> None:
    made = own(e3.Fingerprint)
    two_walks(type("Walked", (Kept,), {"fingerprint_class": made}))
    one, other = made(), made()
    other.add("x", "y")
    other.add_dir(".")
    difference = one.compare_to(other)
    assert difference is not None
    assert difference["new"] >= {"x"}
    assert (one == other, one != other, one == made(), str(one) == str(other)) == (False, True, True, False)
    assert one.checksum() != other.checksum()


class Plain(e3.Scheduler):
    """A scheduler as it is."""


def as_scheduler(own: Callable[[type], type]) -> None:
    ended: list[Any] = []

    def collect(job: Any) -> bool:
        ended.append(job.uid)
        return bool(job.status == ReturnValue.notready)

    dag = e3.DAG()
    dag.add_vertex("a", "exit 0")
    dag.add_vertex("b", "exit 0", ["a"])
    made = own(Plain)
    scheduler = made(provider(Counted), collect, {"default": 2})
    for _ in range(2):
        ended.clear()
        scheduler.run(dag)
        assert ended == ["a", "a", "b", "b"]
    assert (scheduler.tokens, scheduler.slots, scheduler.active_jobs) == ({"default": 2}, [0, 1], [])

    def stop() -> None:
        raise KeyboardInterrupt

    stopped = made(provider(Program), ended.append)
    stopped.log_state = stop
    sleepers = e3.DAG()
    sleepers.add_vertex("sleeper", "sleep 300")
    with pytest.raises(KeyboardInterrupt):
        stopped.run(sleepers)
    assert ended[-1].interrupted


def as_dag(own: Callable[[type], type]) -> None:
    made = own(e3.DAG)
    two_walks(Kept, made)
    dag = actions(made())
    dag.update_vertex("b", predecessors=["bad"])
    assert dag.get_context("b") == [(1, "a", "tag")]
    assert dag.get_closure("b") == {"a", "bad"}
    assert dag.shortest_path("a", "blocked") == ["a", "blocked"]
    assert [uid for uid, _ in dag.reverse_graph()] == ["b", "blocked", "a", "bad"]
    assert len(dag | made()) == len(dag.prune(lambda *_: False)) == 4
    assert dag.as_tree().splitlines()[0] == str(dag).split()[0] == "a"
    assert "digraph" in dag.as_dot()


def names_of(thing: object, old: set[str], *, with_private: bool = True) -> Iterator[str]:
    """Yield the names that an object has and the old class has not."""
    for name in dir(thing):
        if name not in old and not name.startswith("__") and (with_private or not name.startswith("_")):
            yield name


def of_jobs(made: e3.Job, native_class: Callable[..., object], old: set[str]) -> set[str]:
    return {*names_of(e3.native(made), old), *names_of(native_class("uid", None, ignore), old)}


def cases() -> Iterator[Any]:
    walk = Kept(e3.DAG())
    scheduler = e3.Scheduler(provider(Counted))
    scheduler.run(e3.DAG())
    empty, counted = Nothing("uid", None, ignore), Counted("uid", None, ignore)
    program = Program("uid", "exit 0", ignore)
    families: list[tuple[str, Callable[..., None], set[str]]] = [
        ("Walk", as_walk, {*names_of(e3.native(walk), WALK), *names_of(treadle.Walk(e3.DAG()), WALK)}),
        ("Job", as_job, of_jobs(counted, treadle.Job, JOB)),
        ("EmptyJob", as_empty_job, of_jobs(empty, treadle.EmptyJob, JOB)),
        ("ProcessJob", as_process_job, of_jobs(program, treadle.ProcessJob, PROCESS_JOB)),
        ("Scheduler", as_scheduler, set(names_of(e3.native(scheduler), SCHEDULER))),
        ("Fingerprint", as_fingerprint, set(names_of(treadle.Fingerprint(), FINGERPRINT))),
        ("DAG", as_dag, {*names_of(e3.DAG(), DAG, with_private=False)}),
    ]
    for family, use, names in families:
        for name in sorted(names):
            yield pytest.param(use, name, id=f"{family}.{name}")


def raising(*_: Any, **__: Any) -> Any:
    raise LookupError("this is not for Treadle")


def with_value(name: str, base: type) -> type:
    return type("Own", (base,), {name: object()})


def with_method(name: str, base: type) -> type:
    return type("Own", (base,), {name: raising})


def with_property(name: str, base: type) -> type:
    return type("Own", (base,), {name: property(raising)})


def set_before(name: str, base: type) -> type:
    def construct(self: Any, *arguments: Any, **named: Any) -> None:
        setattr(self, name, 5)
        base.__init__(self, *arguments, **named)  # type: ignore[misc]

    return type("Own", (base,), {"__init__": construct})


def set_after(name: str, base: type) -> type:
    def construct(self: Any, *arguments: Any, **named: Any) -> None:
        base.__init__(self, *arguments, **named)  # type: ignore[misc]
        setattr(self, name, 5)

    return type("Own", (base,), {"__init__": construct})


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("source").write_text("text")


@pytest.mark.parametrize(("use", "name"), list(cases()))
def test_a_name_that_the_old_class_leaves_free_is_the_subclass_s_own(
    use: Callable[..., None], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for own in (with_value, with_method, with_property, set_before, set_after):
        folder = tmp_path / own.__name__
        folder.mkdir()
        monkeypatch.chdir(folder)
        Path("source").write_text("text")
        use(lambda base, own=own: own(name, base))


@pytest.mark.parametrize(
    ("thing", "old"),
    [
        (e3.Walk, WALK),
        (e3.Job, JOB),
        (e3.EmptyJob, JOB),
        (e3.ProcessJob, PROCESS_JOB),
        (e3.Scheduler, SCHEDULER),
        (e3.Fingerprint, FINGERPRINT),
    ],
)
def test_a_class_has_the_old_names_and_no_other(thing: type, old: set[str]) -> None:
    assert {name for name in dir(thing) if not name.startswith("_")} <= old


@pytest.mark.parametrize("name", ["run", "report", "decide", "prepare", "attempt", "timeout", "_status"])
def test_the_search_for_names_finds_these(name: str) -> None:
    assert any(str(case.id).endswith(f".{name}") for case in cases())


def test_an_unset_name_is_not_there() -> None:
    job = Counted("uid", None, ignore)
    assert [getattr(job, name, "mine") for name in ("timeout", "attempt", "failure")] == ["mine"] * 3
