"""Programs in the style of e3's clients: a planner, a builder of packages, a runner of tests. Only the imports are ours.

Each of them leans on habits of its own: tags before vertices, `start(slot)` overridden, jobs that run themselves.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from treadle.e3 import (
    DAG,
    CollectCallback,
    DAGError,
    DAGIterator,
    E3Error,
    EmptyJob,
    Fingerprint,
    Job,
    JobProviderCallback,
    JobTimingInfo,
    ProcessJob,
    ReturnValue,
    Scheduler,
    Walk,
    logger,
    native,
)
from treadle.testing import CallJob

if TYPE_CHECKING:
    from collections.abc import Callable

SUCCESS, FAILURE, NOTREADY = ReturnValue.success, ReturnValue.failure, ReturnValue.notready


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# A planner


class PlanningError(E3Error):
    """Something in a plan that cannot be scheduled."""


class Planner:
    """Turns lines such as `build gcc` into a graph, tagged with the lines that asked for each action."""

    NEEDS: dict[str, list[str]] = {  # noqa: RUF012
        "install": ["build"],
        "build": ["source"],
        "source": [],
    }

    def __init__(self) -> None:
        self.tree = DAG()
        self.tree.add_vertex("root")

    def plan(self, number: int, line: str) -> None:
        kind, name = line.split()
        uid = f"{name}.{kind}"
        # the tag comes first: the vertex is made by what follows
        self.tree.add_tag(uid, f"plan:{number}")
        try:
            self.add(kind, name)
        except E3Error as error:
            error += f"in plan:{number}"
            raise
        self.tree.update_vertex("root", predecessors=[uid], enable_checks=False)

    def add(self, kind: str, name: str) -> None:
        uid = f"{name}.{kind}"
        if kind not in self.NEEDS:
            raise PlanningError(message=f"no action is called {kind}", origin="planner")
        needs = [f"{name}.{other}" for other in self.NEEDS[kind]]
        if set(needs) <= self.tree.get_predecessors(uid):
            self.tree.update_vertex(uid, {"name": uid}, enable_checks=False)
        for other in self.NEEDS[kind]:
            self.add(other, name)
        self.tree.update_vertex(uid, {"name": uid}, needs, enable_checks=False)


def test_a_planner_tags_first_and_finds_the_line_that_asked() -> None:
    planner = Planner()
    for number, line in enumerate(["build gcc", "install gdb", "source gcc"], 1):
        planner.plan(number, line)
    planner.tree.check()
    assert planner.tree.get_context("gcc.source", reverse_order=True) == [(0, "gcc.source", "plan:3")]
    assert planner.tree.get_context("gdb.source", reverse_order=True) == [(2, "gdb.install", "plan:2")]
    assert dict(planner.tree.vertex_predecessors_items())["gcc.build"] == {"gcc.source"}
    assert (
        planner.tree.prune(lambda _, uid: str(uid).startswith("gdb."), preserve_context=False).as_tree() == "root"
    )
    assert planner.tree.get_predecessors("llvm.build") == frozenset()


def test_a_planner_adds_the_line_to_an_error_on_its_way() -> None:
    with pytest.raises(PlanningError) as caught:
        Planner().plan(7, "paint gcc")
    assert caught.value.messages == ["no action is called paint", "in plan:7"]
    assert str(caught.value).splitlines()[0] == "planner: no action is called paint"


def test_a_planner_hears_of_a_cycle_when_it_asks_for_a_context() -> None:
    planner = Planner()
    planner.plan(1, "build gcc")
    planner.tree.update_vertex("gcc.source", predecessors=["gcc.build"], enable_checks=False)
    with pytest.raises(DAGError, match="cycle"):
        planner.tree.get_context("gcc.source")


# A builder of packages


class PackageJob(ProcessJob):
    """Builds one package in the folder of its slot, and tells what becomes of it."""

    events: list[tuple[Any, ...]]

    def __init__(self, uid: Any, data: Any, notify_end: Any, builder: Builder) -> None:
        super().__init__(uid, data, notify_end)
        self.builder = builder
        # names of its own, which Treadle has for other things
        self.attempt = "first"
        self.timeout = None
        self.failure: list[str] = []
        self.report = f"{uid}.log"

    def prepare(self) -> None:
        Path(self.folder).mkdir(exist_ok=True)

    def start(self, slot: int) -> None:
        self.folder = f"slot-{slot}"
        self.prepare()
        super().start(slot)

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", self.data["script"]]

    @property
    def cmd_options(self) -> dict[str, Any]:
        return {"cwd": self.folder, "output": self.report, "env": {"SLOT": str(self.slot)}, "ignore_environ": False}

    @property
    def priority(self) -> int:
        return int(self.data.get("priority", 0))

    def on_start(self, scheduler: Scheduler) -> None:
        assert self not in scheduler.active_jobs
        self.builder.events.append(("start", self.uid))

    def on_finish(self, scheduler: Scheduler) -> None:
        start, stop, duration = self.timing_info
        assert isinstance(self.timing_info, JobTimingInfo)
        assert None not in (start, stop)
        assert duration >= 0
        self.builder.events.append(("finish", self.uid, self.status.name))

    def interrupt(self) -> bool:
        self.builder.events.append(("interrupt", self.uid))
        return super().interrupt()


class Builder(Walk):
    """Builds what changed; it has methods that Treadle's own walk calls something else."""

    def __init__(self, actions: DAG, limit: float = 60.0) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.limit = limit
        self.report: dict[Any, str] = {}
        self.requeues = 0
        super().__init__(actions)
        self.run()

    def run(self) -> None:
        self.report = {uid: status.name for uid, status in self.job_status.items()}

    def decide(self) -> None:
        raise AssertionError("this is not for the walk")

    stop = demands = about_to_start = decide

    def set_scheduling_params(self) -> None:
        self.queues = {"default": 2, "slow": 1}
        self.job_timeout = self.limit

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint | None:
        if is_prediction and data.get("always"):
            return None
        fingerprint = Fingerprint()
        for predecessor in self.actions.get_predecessors(uid):
            before = self.new_fingerprints[predecessor]
            if before is None:
                return None
            fingerprint.add(predecessor, before.checksum())
        fingerprint.add("script", data["script"])
        return fingerprint

    def load_previous_fingerprint(self, uid: Any) -> Fingerprint | None:
        loaded: Fingerprint | None = Fingerprint.load_from_file(f"{uid}.json")
        return loaded

    def save_fingerprint(self, uid: Any, fingerprint: Fingerprint | None) -> None:
        if fingerprint is None:
            Path(f"{uid}.json").unlink(missing_ok=True)
        else:
            fingerprint.save_to_file(filename=f"{uid}.json")

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        job = PackageJob(uid, data, notify_end, self)
        job.queue_name = data.get("queue", "default")
        return job

    def request_requeue(self, job: Job) -> bool:
        self.requeues += 1
        return self.requeues < 3


def packages() -> DAG:
    dag = DAG()
    dag.add_vertex("zlib", {"script": "echo zlib in $SLOT", "priority": 1})
    dag.add_vertex("gcc", {"script": "echo gcc", "queue": "slow"}, ["zlib"])
    dag.add_vertex("gdb", {"script": "test -e again || { touch again; exit 75; }"}, ["zlib"])
    return dag


def test_a_builder_builds_in_the_folders_of_its_slots_and_then_has_nothing_to_do() -> None:
    builder = Builder(packages())
    assert builder.report == {"zlib": "success", "gcc": "success", "gdb": "success"}
    assert Path("zlib.log").read_text() == "zlib in 0\n"
    assert builder.requeues == 1
    assert [event for event in builder.events if event[1] == "gdb"] == [
        *(("start", "gdb"), ("finish", "gdb", "notready")),
        *(("start", "gdb"), ("finish", "gdb", "success")),
    ]
    assert set(Builder(packages()).report.values()) == {"skip"}


def test_a_builder_is_asked_for_each_predecessor_s_last_fingerprint() -> None:
    dag = packages()
    dag.update_vertex("zlib", {"script": "echo zlib", "always": True})
    assert set(Builder(dag).report.values()) == {"success"}
    assert Builder(dag).report == {"zlib": "success", "gcc": "skip", "gdb": "skip"}


def test_a_builder_s_interrupt_is_called_at_the_time_limit() -> None:
    dag = DAG()
    dag.add_vertex("endless", {"script": "sleep 300"})
    builder = Builder(dag, limit=0.05)
    assert builder.report == {"endless": "failure"}
    assert [event[0] for event in builder.events] == ["start", "interrupt", "finish"]


# A runner of tests


class Fragment(Job):
    """Runs one test in a thread, on the port of its slot."""

    def __init__(self, uid: Any, data: Any, notify_end: Any, runner: Runner) -> None:
        super().__init__(uid, data, notify_end)
        self.runner = runner
        self.outcome = "not run"  # Treadle's jobs have a property of that name
        self.told = threading.Event()

    @property
    def status(self) -> ReturnValue:
        return {"ok": SUCCESS, "later": NOTREADY}.get(self.outcome, FAILURE)

    def run(self) -> None:
        assert self.slot is not None
        with self.lock:
            self.runner.ports.append(8000 + self.slot)
        self.outcome = self.data(self)

    def interrupt(self) -> bool:
        self.told.set()
        return super().interrupt()


class Runner:
    """Runs fragments with callbacks of its own."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.results: list[tuple[Any, str, bool]] = []
        self.waited: dict[Any, frozenset[Any]] = {}

    def job_provider(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        self.waited[uid] = predecessors
        if data is None:
            return EmptyJob(uid, data, notify_end, ReturnValue.skip)
        job = Fragment(uid, data, notify_end, self)
        if str(uid).startswith("big"):
            job.queue_name, job.tokens = "wide", 2
        return job

    def collect_result(self, job: Any) -> bool:
        self.results.append((job.uid, getattr(job, "outcome", job.status.name), job.interrupted))
        return bool(job.status == NOTREADY)

    def scheduler(self, scheduler_class: type[Scheduler] = Scheduler) -> Scheduler:
        provide: JobProviderCallback = self.job_provider
        collect: CollectCallback = self.collect_result
        return scheduler_class(provide, collect, queues={"default": 2, "wide": 2}, job_timeout=60)


def fragments(**tests: Any) -> DAG:
    dag = DAG()
    for name, test in tests.items():
        dag.add_vertex(name, test)
    return dag


def test_a_runner_of_tests_has_queues_requeues_and_skips() -> None:
    runner = Runner()
    answers = iter(["later", "later", "ok"])
    dag = fragments(one=lambda _: "ok", flaky=lambda _: next(answers), big_one=lambda _: "bad", off=None)
    dag.add_vertex("last", lambda _: "ok", ["one", "flaky", "big_one", "off"])
    scheduler = runner.scheduler()
    scheduler.run(dag)
    assert [result[1] for result in runner.results if result[0] == "flaky"] == ["later", "later", "ok"]
    assert runner.results[-1] == ("last", "ok", False)
    assert ("big_one", "bad", False) in runner.results
    assert ("off", "skip", False) in runner.results
    assert runner.waited["last"] == {"one", "flaky", "big_one", "off"}
    assert set(runner.ports) <= {8000, 8001, 8002, 8003}
    assert (scheduler.tokens, scheduler.slots) == ({"default": 2, "wide": 2}, [0, 1, 2, 3])


def test_what_is_collected_after_an_interrupt_is_marked_also_if_it_has_just_ended() -> None:
    started = threading.Semaphore(0)

    class Interrupted(Scheduler):
        def log_state(self) -> None:
            for _ in range(2):
                assert started.acquire(timeout=60)
            raise KeyboardInterrupt

    def quick(job: Fragment) -> str:
        started.release()
        return "ok"

    def slow(job: Fragment) -> str:
        started.release()
        job.told.wait(60)
        return "bad"

    runner = Runner()
    dag = fragments(quick=quick, slow=slow, queued=quick)
    dag.add_vertex("behind", quick, ["quick"])
    with pytest.raises(KeyboardInterrupt):
        runner.scheduler(Interrupted).run(dag)
    assert sorted(runner.results) == [("quick", "ok", True), ("slow", "bad", True)]


def test_after_an_interrupt_the_next_run_marks_nothing() -> None:
    class Once(Scheduler):
        interrupts = 1

        def log_state(self) -> None:
            if self.interrupts:
                self.interrupts = 0
                raise KeyboardInterrupt

    runner = Runner()
    scheduler = runner.scheduler(Once)
    with pytest.raises(KeyboardInterrupt):
        scheduler.run(fragments(first=lambda _: "ok"))
    scheduler.run(fragments(second=lambda _: "ok"))
    assert runner.results == [("first", "ok", True), ("second", "ok", False)] or runner.results == [
        ("first", "not run", True),
        ("second", "ok", False),
    ]


def test_what_is_inside_has_the_name_of_the_class_outside() -> None:
    runner = Runner()
    job = Fragment("uid", None, lambda _: None, runner)
    package = Wrapped("uid", None, lambda _: None)
    names = [type(native(thing)).__name__ for thing in (job, package, runner.scheduler(), Builder(DAG()))]
    assert names == ["Fragment", "Wrapped", "Scheduler", "Builder"]


def test_callbacks_hold_the_lock_of_all_jobs() -> None:
    taken: list[bool] = []

    def collect(_: Job) -> None:
        thread = threading.Thread(target=lambda: taken.append(Job.lock.acquire(blocking=False)))
        thread.start()
        thread.join()

    runner = Runner()
    Scheduler(runner.job_provider, collect).run(fragments(one=lambda job: "ok" if job.lock is Job.lock else "bad"))
    assert taken == [False]


def test_a_job_may_be_started_by_hand_after_a_scheduler_had_it() -> None:
    jobs: list[Any] = []
    runner = Runner()
    Scheduler(runner.job_provider, jobs.append).run(fragments(one=lambda _: "ok"))
    told = threading.Event()
    (job,) = jobs
    job.notify_end = lambda _: told.set()
    job.start(slot=5)
    assert told.wait(60)
    assert runner.ports == [8000, 8005]


def test_jobs_of_treadle_itself_run_beside_others() -> None:
    jobs: list[Any] = []

    def provide(uid: Any, data: Any, _: Any, notify_end: Any) -> Any:
        return CallJob(uid, data, notify_end, lambda: NOTREADY if data else SUCCESS)

    Scheduler(provide, jobs.append).run(fragments(one=None, other=True))
    assert [(job.uid, job.status) for job in jobs] == [("one", SUCCESS), ("other", NOTREADY)]


class Remote(Job):
    """Runs itself: its end comes from outside, by `notify_end`."""

    ends: list[Callable[[], None]]

    def start(self, slot: int) -> None:
        self.slot = slot
        self.record_start_time()
        threading.Thread(target=self.work).start()

    def work(self) -> None:
        self.data()
        self.notify_end(self.uid)


def test_a_job_that_runs_itself_tells_its_end() -> None:
    ran: list[str] = []
    dag = DAG()
    dag.add_vertex("a", lambda: ran.append("a"))
    dag.add_vertex("b", lambda: ran.append("b"), ["a"])
    again = iter([True, False, False])
    scheduler = Scheduler(Scheduler.simple_provider(Remote), lambda _: next(again))
    scheduler.run(dag)
    assert ran == ["a", "a", "b"]
    assert scheduler.max_active_jobs == 1


class Wrapped(ProcessJob):
    """A program between two pieces of Python."""

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", "test -e before && exit 126"]

    def run(self) -> None:
        Path("before").touch()
        super().run()
        Path("after").write_text(str(self.proc_handle.status))


def test_a_program_may_have_something_before_and_after_it() -> None:
    jobs: list[Job] = []
    dag = DAG()
    dag.add_vertex("a")
    Scheduler(Scheduler.simple_provider(Wrapped), jobs.append).run(dag)
    assert [job.status for job in jobs] == [ReturnValue.unchanged]
    assert Path("after").read_text() == "126"


class Handle:
    """A program that something else has started."""

    status = 75


class Foreign(ProcessJob):
    """Starts its program in its own way."""

    def run(self) -> None:
        self.proc_handle = Handle()


def test_a_program_may_be_started_in_another_way() -> None:
    jobs: list[Job] = []
    dag = DAG()
    dag.add_vertex("a")
    Scheduler(Scheduler.simple_provider(Foreign), jobs.append).run(dag)
    assert [job.status for job in jobs] == [NOTREADY]


def test_a_loop_of_its_own_calls_the_steps_of_a_scheduler() -> None:
    steps: list[str] = []

    class Stepping(Scheduler):
        def enqueue(self) -> None:
            steps.append("enqueue")
            super().enqueue()

        def push(self, job: Any) -> None:
            steps.append(f"push {job.uid}")
            super().push(job)

        def launch(self) -> None:
            super().launch()
            steps.append(f"launch {[job.uid for job in self.active_jobs]} {self.tokens} {self.slots}")
            assert self.queued_jobs == 0

        def wait(self) -> None:
            steps.append("wait")
            super().wait()

        def safe_job_provider(self, uid: Any, data: Any, predecessors: Any) -> Any:
            steps.append(f"provide {uid}")
            return super().safe_job_provider(uid, data, predecessors)

        def safe_collect(self, job: Any) -> bool:
            steps.append(f"collect {job.uid} {type(job).__name__}")
            return super().safe_collect(job)

    class Nop(Job):
        def run(self) -> None:
            assert native(self) is not self

    dag = DAG()
    dag.add_vertex("a")
    Stepping(Stepping.simple_provider(Nop)).run(dag)
    assert steps == [
        *("enqueue", "provide a", "push a", "launch ['a'] {'default': 0} []", "wait", "collect a Nop"),
        *("enqueue", "launch [] {'default': 1} [0]", "wait"),
    ]


def test_an_iteration_by_hand_leaves_what_it_was_given() -> None:
    dag = DAG()
    dag.add_vertex("a", 1)
    dag.add_vertex("b", 2, ["a"])
    iterator = DAGIterator(dag, enable_busy_state=True)
    assert iterator.next_element() == ("a", 1, frozenset())
    assert iterator.next_element() == (None, None, frozenset())
    with pytest.raises(AssertionError):
        iterator.leave("b")
    iterator.leave("a")
    assert iterator.next_element() == ("b", 2, frozenset({"a"}))


def test_the_logger_of_the_scheduler_hears_all(caplog: pytest.LogCaptureFixture) -> None:
    assert logger.name == "treadle"
    with caplog.at_level(logging.INFO, logger=logger.name):
        Builder(packages())
    assert any("success" in message for message in caplog.messages)


class _Scheduler(Scheduler):
    def safe_job_provider(self, uid: Any, data: Any, predecessors: frozenset[Any]) -> Any:
        return self.job_provider(uid, data, predecessors, lambda _: None)


class _Provider:
    def provide(self, *_: Any) -> Any:
        return "no job"

    def fail(self, *_: Any) -> Any:
        raise ValueError("a bug")


WALK_HOOKS = ("get_job", "create_job", "collect")


@pytest.mark.parametrize("hook", WALK_HOOKS)
def test_an_exception_in_a_hook_is_told_with_the_name_of_the_class_that_has_it(hook: str) -> None:
    class Mine(Walk):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
            return EmptyJob(uid, data, notify_end, SUCCESS)

    def failing(self: Walk, *_: Any) -> Any:
        raise ValueError("a bug")

    failing.__name__ = hook
    setattr(Mine, hook, failing)
    dag = DAG()
    dag.add_vertex("a")
    with pytest.raises(ValueError, match="a bug") as caught:
        Mine(dag)
    assert caught.value.__notes__ == [f"raised by Mine.{hook}() for the action 'a'"]


@pytest.mark.parametrize(
    ("kind", "provider", "name"),
    [
        (Scheduler, _Provider().provide, "_Provider.provide()"),
        (_Scheduler, _Provider().provide, "_Scheduler.safe_job_provider()"),
        (Scheduler, _Provider().fail, "_Provider.fail()"),
    ],
)
def test_what_a_provider_may_not_return_names_the_provider(kind: Any, provider: Any, name: str) -> None:
    dag = DAG()
    dag.add_vertex("a")
    with pytest.raises((E3Error, ValueError)) as caught:
        kind(provider).run(dag)
    told = [str(caught.value), *getattr(caught.value, "__notes__", [])]
    assert any(name in text for text in told)
    assert not any("_provide()" in text.replace(name, "") for text in told)
