"""What treadle.e3 does otherwise than e3: each row of the table in docs/reference/e3.md has its test here."""

from __future__ import annotations

import logging
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import pytest

from treadle.e3 import (
    DAG,
    DAGError,
    DAGIterator,
    E3Error,
    Fingerprint,
    Job,
    ProcessJob,
    ReturnValue,
    Scheduler,
    Walk,
    logger,
    native,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[3] / "docs/reference/e3.md"
SUCCESS, FAILURE, SKIP, FORCE_FAIL = (
    *(ReturnValue.success, ReturnValue.failure),
    *(ReturnValue.skip, ReturnValue.force_fail),
)


def rows() -> list[str]:
    """Return the cases that the table on the page names."""
    lines = PAGE.read_text("utf-8").partition("## What differs")[2].splitlines()
    return [line.split("|")[1].strip() for line in lines if line.startswith("| ")][2:]


CHECKS: dict[str, Callable[[], None]] = {}


def row(case: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register the check of a row."""

    def register(check: Callable[[], None]) -> Callable[[], None]:
        assert case not in CHECKS
        CHECKS[case] = check
        return check

    return register


@pytest.mark.parametrize("case", rows())
def test_it_is_as_the_row_says(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    CHECKS[case]()


def test_each_check_has_its_row() -> None:
    assert sorted(CHECKS) == sorted(rows())


class Call(Job):
    """Calls its data."""

    def run(self) -> None:
        if self.data is not None:
            self.data()


class Shell(ProcessJob):
    """Runs its data as a script."""

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", self.data]


class Recorded(Walk):
    """Keeps records in a dict, of what a dict of values holds, and notes which hooks are called."""

    def __init__(self, actions: DAG, records: dict[Any, Any], values: dict[Any, str]) -> None:
        self.records = records
        self.values = values
        self.calls: list[tuple[Any, ...]] = []
        super().__init__(actions)

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        self.calls.append(("predict" if is_prediction else "compute", uid))
        fingerprint = Fingerprint()
        fingerprint.add("value", self.values.get(uid, ""))
        return fingerprint

    def load_previous_fingerprint(self, uid: Any) -> Any:
        return self.records.get(uid)

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        self.calls.append(("remove" if fingerprint is None else "save", uid))
        self.records.pop(uid, None)
        if fingerprint is not None:
            self.records[uid] = fingerprint

    def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
        return Call(uid, data, notify_end)


def boom() -> None:
    raise LookupError("boom")


def graph(*vertices: tuple[Any, ...]) -> DAG:
    """Return a graph: of each tuple the first is a vertex, the second its data, the others its predecessors."""
    dag = DAG()
    for uid, data, *predecessors in vertices:
        dag.update_vertex(uid, data, predecessors, enable_checks=False)
    return dag


def run(dag: DAG, job_class: Callable[..., Job] = Call, **options: Any) -> list[Any]:
    """Run jobs of a class; return them in the order in which they were collected."""
    ended: list[Any] = []
    Scheduler(lambda uid, data, _, notify_end: job_class(uid, data, notify_end), ended.append, **options).run(dag)
    return ended


@row("record of a blocked action")
def _() -> None:
    records: dict[Any, Any] = {}
    Recorded(graph(("a", None), ("b", None, "a")), records, {})
    before = records["b"]
    walk = Recorded(graph(("a", boom), ("b", None, "a")), records, {"a": "new"})
    assert walk.job_status == {"a": FAILURE, "b": FORCE_FAIL}
    assert records == {"b": before}


@row("record of a skipped action")
def _() -> None:
    records: dict[Any, Any] = {}
    Recorded(graph(("a", None)), records, {})
    walk = Recorded(graph(("a", None)), records, {})
    assert (walk.job_status, walk.calls) == ({"a": SKIP}, [("predict", "a")])


@row("when a record is removed")
def _() -> None:
    walk = Recorded(graph(("a", None)), {}, {})
    assert walk.calls == [("predict", "a"), ("remove", "a"), ("compute", "a"), ("save", "a")]


@row("how often it predicts")
def _() -> None:
    walk = Recorded(graph(("a", None), ("b", None)), {}, {})
    assert [call for call in walk.calls if call[0] == "predict"] == [
        ("predict", "a"),
        ("predict", "b"),
        ("predict", "b"),
    ]


class Marked(Recorded):
    """Says of its elements that they are answers."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        fingerprint = Fingerprint()
        fingerprint.add("value", self.values.get(uid, ""), result=True)
        return fingerprint


@row("elements that change while a job runs")
def _() -> None:
    for walk_class, is_saved in ((Recorded, False), (Marked, True)):
        records: dict[Any, Any] = {}
        values = {"a": "before"}
        edit = graph(("a", lambda values=values: values.update(a="after")))
        assert walk_class(edit, records, values).job_status == {"a": SUCCESS}
        assert (records.keys() == {"a"}) == is_saved
        assert walk_class(edit, records, values).job_status == {"a": SKIP if is_saved else SUCCESS}


class Both(Recorded):
    """Has a source, and a result of which a walk may know that it is one."""

    has_result = True

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        fingerprint = super().compute_fingerprint(uid, data, is_prediction)
        fingerprint.add("result", "made", result=self.has_result)
        return fingerprint


@pytest.mark.parametrize("has_result", [True, False])
def test_what_is_behind_an_unrecorded_action_is_recorded_if_results_tell_of_a_change(has_result: bool) -> None:
    records: dict[Any, Any] = {}
    values = {"a": "before"}
    walk_class = type("Own", (Both,), {"has_result": has_result, "answers": {"not ours"}})
    walk_class(graph(("a", lambda: values.update(a="after")), ("b", None, "a")), records, values)
    assert records.keys() == ({"b"} if has_result else set())


@row("a uid that is no text")
def _() -> None:
    records: dict[Any, Any] = {}
    dag = graph((1, None), (("b", 2), None, 1))
    assert set(Recorded(dag, records, {}).job_status.values()) == {SUCCESS}
    assert set(Recorded(dag, records, {}).job_status.values()) == {SKIP}


@row("a graph with a cycle")
def _() -> None:
    dag = graph(("a", None, "b"), ("b", None, "a"), ("c", boom))
    for start in (
        lambda: Recorded(dag, {}, {}),
        lambda: run(dag),
        lambda: DAGIterator(dag, enable_busy_state=True),
    ):
        with pytest.raises(DAGError, match="cycle of 2 vertices"):
            start()


@row("a predecessor that is not there")
def _() -> None:
    dag = graph(("a", None, "nowhere"))
    for start in (
        lambda: Recorded(dag, {}, {}),
        lambda: run(dag),
        lambda: DAGIterator(dag, enable_busy_state=True),
    ):
        with pytest.raises(DAGError, match="nowhere"):
            start()


@row("a graph that is no DAG")
def _() -> None:
    foreign: tuple[Any, ...] = (nx.DiGraph(), {}, None)
    for wrong in foreign:
        for start in (lambda wrong: Recorded(wrong, {}, {}), run):
            with pytest.raises(DAGError, match=r"expected a treadle\.DAG") as caught:
                start(wrong)
            assert ("DAG.from_networkx" in str(caught.value)) == isinstance(wrong, nx.DiGraph)


@row("order of ready jobs of one priority")
def _() -> None:
    names = [f"{number * 7919 % 101}" for number in range(50)]
    assert [job.uid for job in run(graph(*((name, None) for name in names)))] == names


@row("slots")
def _() -> None:
    slots: list[Any] = []

    class Slotted(Call):
        def start(self, slot: int) -> None:
            slots.append(slot)
            super().start(slot)

    run(graph(("a", None), ("b", None), ("c", None, "a", "b")), Slotted, tokens=2)
    assert slots == [0, 1, 0]


@row("`Scheduler.tokens` and `slots`")
def _() -> None:
    seen: list[Any] = []

    class Looking(Call):
        def on_start(self, scheduler: Any) -> None:
            seen.append((scheduler.tokens, scheduler.slots))
            scheduler.tokens.clear()
            scheduler.slots.clear()

    run(graph(("a", None), ("b", None, "a")), Looking, queues={"default": 2, "other": 1})
    assert seen == [({"default": 1, "other": 1}, [1, 2])] * 2


@row("a job without tokens")
def _() -> None:
    class Free(Call):
        tokens = 0

    barrier = threading.Barrier(5)
    jobs = run(graph(*((uid, lambda: barrier.wait(60)) for uid in "abcde")), Free)
    assert [job.status for job in jobs] == [SUCCESS] * 5


@row("more tokens than the queue has")
def _() -> None:
    class Greedy(Call):
        tokens = 3

    (job,) = run(graph(("a", None)), Greedy, tokens=2)
    assert (job.status, native(job).failure) == (FAILURE, "it asks for 3 tokens of queue 'default', which has 2")


@row("an unknown queue")
def _() -> None:
    class Lost(Call):
        queue_name = "nowhere"

    (job,) = run(graph(("a", None)), Lost)
    assert job.status == FAILURE
    assert "no queue 'nowhere'" in native(job).failure


@row("`job_timeout=None`")
def _() -> None:
    assert [job.status for job in run(graph(("a", None)), job_timeout=None)] == [SUCCESS]


class Waiting(Call):
    """Runs until it is interrupted."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told = threading.Event()

    def run(self) -> None:
        self.told.wait(60)

    def interrupt(self) -> bool:
        self.told.set()
        return super().interrupt()


@row("a time limit")
def _() -> None:
    jobs = run(graph(*((uid, None) for uid in "abc")), Waiting, tokens=3, job_timeout=0.01)
    assert [(job.interrupted, native(job).timed_out) for job in jobs] == [(True, True)] * 3


@row("a job that is queued again")
def _() -> None:
    seen: list[tuple[bool, bool]] = []

    class Again(Waiting):
        def run(self) -> None:
            seen.append((self.interrupted, self.timing_info.stop_time is None))
            if len(seen) == 1:
                super().run()

    def collect(job: Job) -> bool:
        return len(seen) == 1

    Scheduler(Scheduler.simple_provider(Again), collect, job_timeout=0.01).run(graph(("a", None)))
    assert seen == [(False, True)] * 2


@row("an exception in `run`")
def _() -> None:
    (job,) = run(graph(("a", boom)))
    assert (job.status, native(job).failure) == (FAILURE, "LookupError: boom")


@row("a job that has just ended when an interrupt comes")
def _() -> None:
    ended = threading.Event()
    calls: list[str] = []

    class Quick(Call):
        def run(self) -> None:
            ended.set()

        def interrupt(self) -> bool:
            calls.append("interrupt")
            return super().interrupt()

    class Interrupted(Scheduler):
        def safe_collect(self, job: Any) -> bool:
            calls.append(f"collect {job.interrupted}")
            return super().safe_collect(job)

        def wait(self) -> None:
            inside = native(self)
            assert ended.wait(60)
            inside._inbox.receive(inside.runner, 60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted(Scheduler.simple_provider(Quick)).run(graph(("a", None)))
    assert calls[-1] == "collect True"
    assert "interrupt" not in calls


@row("a job whose uid is not that of its vertex")
def _() -> None:
    with pytest.raises(E3Error, match="the job of vertex 'a' has another uid: 'b'"):
        run(graph(("a", None)), lambda _uid, data, notify_end: Call("b", data, notify_end))


@row("threads of jobs")
def _() -> None:
    names: list[str] = []
    run(graph(("a", lambda: names.append(threading.current_thread().name))))
    assert names == ["treadle-job"]


@row("an exception in a callback")
def _() -> None:
    ended: list[Any] = []

    def collect(job: Job) -> None:
        ended.append((job.uid, job.interrupted))
        if job.uid == "quick":
            raise LookupError("boom")

    def provide(uid: Any, data: Any, _: Any, notify_end: Any) -> Job:
        return (Call if uid == "quick" else Waiting)(uid, data, notify_end)

    with pytest.raises(LookupError, match="boom"):
        Scheduler(provide, collect, tokens=2).run(graph(("slow", None), ("quick", None)))
    assert ended == [("quick", False), ("slow", True)]


@row("status of an interrupted job in `job_status`")
def _() -> None:
    class Stubborn(Recorded):
        def set_scheduling_params(self) -> None:
            self.job_timeout = 0.01

        def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
            self.job = Waiting(uid, data, notify_end)
            return self.job

    walk = Stubborn(graph(("a", None)), {}, {})
    assert (walk.job.status, walk.job_status) == (SUCCESS, {"a": FAILURE})


@row("a thread that does not end when it is interrupted")
def _() -> None:
    for start_is_own in (False, True):
        release = threading.Event()

        class Deaf(Call):
            def start(self, slot: int, own: bool = start_is_own) -> None:
                if not own:
                    super().start(slot)

        ended: list[Any] = []
        scheduler = Scheduler(Scheduler.simple_provider(Deaf), ended.append, job_timeout=0.01)
        assert native(scheduler).grace == 5.0
        native(scheduler).grace = 0.01
        scheduler.run(graph(("a", lambda release=release: release.wait(60))))
        release.set()
        assert [(job.uid, job.status, job.interrupted) for job in ended] == [("a", FAILURE, True)]


@row("end of a program")
def _() -> None:
    script = "trap 'echo told > told; exit 3' TERM; echo > ready; while :; do sleep 0.01; done"

    class Ready(Scheduler):
        def log_state(self) -> None:
            if self.active_jobs and Path("ready").exists():
                raise KeyboardInterrupt

    scheduler = Ready(Scheduler.simple_provider(Shell))
    native(scheduler).tick = 0.01
    with pytest.raises(KeyboardInterrupt):
        scheduler.run(graph(("a", script)))
    assert Path("told").exists()


@row("`cmd_options`")
def _() -> None:
    class Optioned(Shell):
        @property
        def cmd_options(self) -> dict[str, Any]:
            return {"output": "out", "error": "err", "env": {"WORD": "x"}, "ignore_environ": False, **self.more}

        more: dict[str, Any] = {}  # noqa: RUF012

    class Wrong(Optioned):
        more = {"parse_shebang": True}  # noqa: RUF012

    (job,) = run(graph(("a", "echo $WORD; echo wrong >&2")), Optioned)
    assert (job.status, Path("out").read_text(), Path("err").read_text()) == (SUCCESS, "x\n", "wrong\n")
    (job,) = run(graph(("a", "exit 0")), Wrong)
    assert (job.status, native(job).failure) == (FAILURE, "unknown cmd_options: parse_shebang")


@row("`proc_handle`")
def _() -> None:
    (job,) = run(graph(("a", "exit 3")), Shell)
    handle = job.proc_handle
    assert (handle.status, handle.is_running(), handle.wait()) == (3, False, 3)
    assert handle.pid > 0
    assert callable(handle.kill)
    assert job.status == FAILURE


@row("`Fingerprint.add_file`")
def _() -> None:
    Path("file").write_text("text")
    one, other = Fingerprint(), Fingerprint()
    one.add_file("file")
    one.add_file(filename="nowhere")
    assert one.elements["nowhere"] == "absent"
    os.chmod("file", stat.S_IRWXU)
    other.add_file("file")
    assert one.compare_to(other) == {"updated": {"file"}, "new": set(), "obsolete": {"nowhere"}}


@row("`Fingerprint.add_dir`")
def _() -> None:
    found = []
    for text, time in (("text", 1), ("text", 2), ("TEXT", 2)):
        Path("folder").mkdir(exist_ok=True)
        Path("folder/file").write_text(text)
        os.utime("folder/file", (time, time))
        fingerprint = Fingerprint()
        fingerprint.add_dir("folder")
        found.append(fingerprint.checksum())
    assert found[0] == found[1] != found[2]


@row("`os_version` of a fingerprint")
def _() -> None:
    assert Fingerprint().elements["os_version"].endswith(os.uname().machine)


@row("checksums of fingerprints")
def _() -> None:
    one, other = Fingerprint(), Fingerprint()
    one.add("ab", "c")
    other.add("a", "bc")
    assert one.checksum() != other.checksum()
    assert len(one.checksum()) == 32


@row("files of fingerprints")
def _() -> None:
    fingerprint = Fingerprint()
    fingerprint.save_to_file(filename="kept")
    before = os.stat("kept").st_ino
    with open("kept", "rb") as reader:
        fingerprint.add("a", "b")
        fingerprint.save_to_file("kept")
        assert b'"a"' not in reader.read()
    assert os.stat("kept").st_ino != before
    assert Fingerprint.load_from_file(filename="kept") == fingerprint
    Path("old").write_text('{"fingerprint_version": "1.2", "elements": {"fingerprint_version": "1.2"}}')
    assert Fingerprint.load_from_file("old") is None


@row("reason of a blocked action")
def _() -> None:
    reasons: list[str] = []

    class Telling(Recorded):
        def create_skipped_job(self, uid: Any, data: Any, predecessors: Any, reason: str, *others: Any) -> Job:
            reasons.append(reason)
            return super().create_skipped_job(uid, data, predecessors, reason, *others)

    Telling(graph(("z", boom), ("a", boom), ("b", None, "a", "z")), {}, {})
    (reason,) = reasons
    assert reason.startswith("Blocked by the failure of:\n  z\n  a\n")
    assert reason.endswith("Origin(s) of failure:\n  z\n  a\n")


@row("an OSError in `compute_fingerprint`, `should_execute_action`, `create_job` or `create_skipped_job`")
def _() -> None:
    for broken in ("compute_fingerprint", "should_execute_action", "create_job", "create_skipped_job"):

        class Mine(Walk):
            hook = broken

            def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
                return Call(uid, None, notify_end)

            def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
                return self.hook != "create_skipped_job" or bool(uid != "bad")

        kept = getattr(Mine, broken)

        def fails(self: Walk, uid: Any, *rest: Any, kept: Any = kept, **options: Any) -> Any:
            if uid == "bad":
                raise FileNotFoundError(2, "No such file or directory", "gone")
            return kept(self, uid, *rest, **options)

        setattr(Mine, broken, fails)
        dag = DAG()
        for uid in ("bad", "good"):
            dag.add_vertex(uid)
        walk = Mine(dag)
        assert walk.job_status == {"bad": FAILURE, "good": SUCCESS}
        assert native(walk).report().actions["bad"].failure == "gone: No such file or directory"


@row("names of loggers")
def _() -> None:
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.name)  # type: ignore[method-assign]
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        Recorded(graph(("a", boom)), {}, {})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    assert heard == ["treadle.scheduling.job", "treadle.walk"]


@row("`as_tree` of a graph that unfolds to more than 1,000 lines")
def _() -> None:
    dag = graph(("0", None))
    for rung in range(1, 30):
        before = f"{rung - 1}"
        dag.update_vertex(f"{rung}l", predecessors=[before])
        dag.update_vertex(f"{rung}r", predecessors=[before])
        dag.update_vertex(f"{rung}", predecessors=[f"{rung}l", f"{rung}r"])
    assert len(dag.as_tree().splitlines()) < 1000
    assert "(see above)" in dag.as_tree()


@row("names of errors")
def _() -> None:
    with pytest.raises(E3Error) as caught:
        DAG().add_vertex("a", predecessors=["nowhere"])
    assert caught.value.what == caught.value.messages[0]
    assert (caught.value.hint, caught.value.place) == ("", None)


@row("unknown vertices")
def _() -> None:
    dag = graph(("a", None))
    for made in (dag, dag | dag, dag.reverse_graph(), dag.prune(lambda *_: False), dag.transitive_reduction()):
        assert isinstance(made, DAG)
        assert (made.get_predecessors("nowhere"), made.get_closure("nowhere")) == (frozenset(), set())
    for ask in (dag.get_successors, dag.get_context, lambda name: dag.shortest_path("a", name)):
        with pytest.raises(DAGError, match="no vertex 'nowhere'"):
            ask("nowhere")


@row("wrong calls of a DAG")
def _() -> None:
    dag = graph(("a", {}))
    iterator = DAGIterator(dag, enable_busy_state=True)
    for call in (lambda: iterator.leave("nowhere"), lambda: dag.as_tree(name_key="name")):
        for kind in (DAGError, AssertionError, E3Error):
            with pytest.raises(kind):
                call()
