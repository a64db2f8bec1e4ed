"""What goes wrong in a hook names the hook and the action; what it works on fails that action alone."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest

from jobs import graph
from treadle import (
    DAG,
    Command,
    CommandWalk,
    CoroutineJob,
    DAGError,
    Demand,
    EmptyJob,
    Fingerprint,
    Job,
    ProcessJob,
    ReturnValue,
    Scheduler,
    StateError,
    TreadleError,
    UsageError,
    Walk,
    e3,
)
from treadle.core import decision
from treadle.core.decision import Reason
from treadle.testing import CallJob, MemoryWalk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobs import Notify
    from treadle.core.outcomes import Report

SUCCESS, FAILURE, SKIP, NOTREADY = (
    ReturnValue.success,
    ReturnValue.failure,
    ReturnValue.skip,
    ReturnValue.notready,
)


class Base(MemoryWalk):
    """Has an action for each hook: one fails, one is blocked, one is never ready, one goes well, one is skipped."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        return Fingerprint()

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        answers = {"fails": FAILURE, "unready": NOTREADY}
        return CallJob(uid, data, notify_end, lambda: answers.get(uid))


ACTIONS = graph(("fails",), ("blocked", "fails"), ("unready",), ("well",), ("old",), ("last",))


def walk_of(kind: type[Walk]) -> Any:
    """Return a walk in which `old` is up to date."""
    return kind(ACTIONS, {"old": Fingerprint()})  # type: ignore[call-arg, arg-type]


def breaking(hook: str, uid: str | None, does: Callable[[], Any], **match: Any) -> type[Base]:
    """Return a walk whose hook does something else for one action.

    :param uid: that action; None for a hook that is not about one
    :param match: values that arguments of the hook must have too
    """

    def hooked(self: Walk, *arguments: Any, **options: Any) -> Any:
        first = arguments[0] if arguments else None
        named = first[0].uid if isinstance(first, list) else getattr(first, "uid", first)
        is_prediction = options.get("is_prediction", False)
        is_drop = len(arguments) > 1 and arguments[1] is None
        facts = {"is_prediction": is_prediction, "is_drop": is_drop}
        if (uid is None or named == uid) and all(facts[name] == value for name, value in match.items()):
            return does()
        return getattr(super(broken, self), hook)(*arguments, **options)

    broken = type("Broken", (Base,), {hook: hooked})
    # a function that is put into a class has its own name
    hooked.__name__ = hook
    return broken


def raises(error: BaseException) -> Callable[[], Any]:
    def does() -> Any:
        raise error

    return does


PER_ACTION: dict[str, tuple[str, str, dict[str, Any]]] = {
    "load_previous_fingerprint": ("load_previous_fingerprint", "well", {}),
    "the prediction": ("compute_fingerprint", "well", {"is_prediction": True}),
    "the fingerprint after": ("compute_fingerprint", "well", {"is_prediction": False}),
    "should_execute_action": ("should_execute_action", "well", {}),
    "decide": ("decide", "well", {}),
    "demands": ("demands", "well", {}),
    "create_job": ("create_job", "well", {}),
    "the job of a skipped one": ("create_skipped_job", "old", {}),
    "the job of a blocked one": ("create_skipped_job", "blocked", {}),
    "about_to_start": ("about_to_start", "well", {}),
    "the end of a record": ("save_fingerprint", "well", {"is_drop": True}),
    "a new record": ("save_fingerprint", "well", {"is_drop": False}),
    "inputs_moved": ("inputs_moved", "well", {}),
    "request_requeue": ("request_requeue", "unready", {}),
    "get_job": ("get_job", "well", {}),
    "collect": ("collect", "well", {}),
}
FAILS_ALONE = {
    *("the prediction", "the fingerprint after", "should_execute_action", "decide", "demands", "create_job"),
    *("the job of a skipped one", "the job of a blocked one"),
}
"""What is asked about what one action works on: an OSError or a TreadleError there fails that action."""


@pytest.mark.parametrize("case", PER_ACTION)
def test_a_bug_in_a_hook_ends_the_walk_and_names_hook_and_action(case: str) -> None:
    hook, uid, match = PER_ACTION[case]
    with pytest.raises(ZeroDivisionError) as caught:
        walk_of(breaking(hook, uid, raises(ZeroDivisionError("no")), **match)).run()
    assert caught.value.__notes__ == [f"raised by Broken.{hook}() for the action {uid!r}"]
    assert f"raised by Broken.{hook}()" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("hook", ["set_scheduling_params", "create_scheduler"])
def test_so_does_one_in_a_hook_that_is_about_no_action(hook: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        walk_of(breaking(hook, None, raises(lost()))).run()
    assert caught.value.__notes__ == [f"raised by Broken.{hook}()"]


def lost() -> OSError:
    return FileNotFoundError(2, "No such file or directory", "src/main.c")


ERRORS: dict[str, tuple[Callable[[], Exception], str]] = {
    "a file that is not there": (lost, "src/main.c: No such file or directory"),
    "a move": (
        lambda: OSError(18, "Invalid cross-device link", "a", None, "b"),
        "a -> b: Invalid cross-device link",
    ),
    "no path": (lambda: OSError("the disk has melted"), "the disk has melted"),
    "nothing at all": (OSError, "OSError"),
    "a TreadleError": (lambda: TreadleError("it is odd", facts=["a fact"]), "it is odd\n  a fact"),
}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("case", PER_ACTION)
def test_what_an_action_works_on_fails_it_alone(case: str, error: str) -> None:
    hook, uid, match = PER_ACTION[case]
    make, words = ERRORS[error]
    walk = walk_of(breaking(hook, uid, raises(make()), **match))
    before = dict(walk.records)
    if case == "load_previous_fingerprint" and error != "a TreadleError":
        assert walk.run().actions[uid].status == SUCCESS
        return
    if case not in FAILS_ALONE and case != "load_previous_fingerprint":
        with pytest.raises(type(make())) as caught:
            walk.run()
        assert caught.value.__notes__ == [f"raised by Broken.{hook}() for the action {uid!r}"]
        return
    actions = walk.run().actions
    assert actions[uid].status == FAILURE
    assert actions[uid].failure == words
    assert actions["last"].status == SUCCESS
    assert walk.records.get(uid) == before.get(uid)
    if uid == "blocked":
        assert actions[uid].origins == {"fails"}
        assert actions[uid].verdict.decision == decision.BLOCKED


@pytest.mark.parametrize("error", [lost(), StateError("it cannot be read")])
def test_a_record_that_cannot_be_read_is_none_and_is_told(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    walk = walk_of(breaking("load_previous_fingerprint", "old", raises(error)))
    report = walk.run()
    assert report.actions["old"].verdict.reasons == (Reason(decision.NEW),)
    assert report.actions["old"].status == SUCCESS
    assert "old: its record cannot be read, so it runs: " in caplog.text


@pytest.mark.parametrize("case", PER_ACTION)
def test_an_interrupt_in_a_hook_goes_on_its_way_as_it_is(case: str) -> None:
    hook, uid, match = PER_ACTION[case]
    with pytest.raises(KeyboardInterrupt) as caught:
        walk_of(breaking(hook, uid, raises(KeyboardInterrupt()), **match)).run()
    assert not hasattr(caught.value, "__notes__")


REFUSED: dict[str, tuple[str, str | None, Any, str]] = {
    # case: hook, action, what it returns, what was expected
    "create_job, nothing": ("create_job", "well", None, "a Job"),
    "create_job, a class": ("create_job", "well", Job, "a Job"),
    "create_job, a status": ("create_job", "well", SUCCESS, "a Job"),
    "create_skipped_job, skipped": ("create_skipped_job", "old", None, "a Job"),
    "create_skipped_job, blocked": ("create_skipped_job", "blocked", None, "a Job"),
    "get_job, nothing": ("get_job", "well", None, "a Job"),
    "demands, nothing": ("demands", "well", None, "a list of Reasons"),
    "demands, texts": ("demands", "well", ["forced"], "a list of Reasons"),
    "demands, a text": ("demands", "well", "forced", "a list of Reasons"),
    "decide, nothing": ("decide", "well", None, "a Verdict"),
    "decide, a bool": ("decide", "well", True, "a Verdict"),
    "inputs_moved, nothing": ("inputs_moved", "well", None, "a list of names, empty if nothing changed"),
    "inputs_moved, a bool": ("inputs_moved", "well", False, "a list of names, empty if nothing changed"),
    "inputs_moved, a text": ("inputs_moved", "well", "a.c", "a list of names, empty if nothing changed"),
    "create_scheduler, nothing": ("create_scheduler", None, None, "a Scheduler"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_hook_may_not_return_is_refused_in_words(case: str) -> None:
    hook, uid, value, expected = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        walk_of(breaking(hook, uid, lambda: value)).run()
    whose = "" if uid is None else f" for the action {uid!r}"
    shown = repr(value)
    assert str(caught.value) == f"Broken.{hook}() returned {shown}{whose}\n  expected {expected}"


FALSY = ["load_previous_fingerprint", "compute_fingerprint", "should_execute_action", "request_requeue"]


@pytest.mark.parametrize("hook", [*FALSY, "save_fingerprint", "about_to_start", "set_scheduling_params"])
def test_where_nothing_is_an_answer_it_is_taken_as_one(hook: str) -> None:
    uid = None if hook == "set_scheduling_params" else "unready" if hook == "request_requeue" else "last"
    report = walk_of(breaking(hook, uid, lambda: None)).run()
    assert report.actions["well"].status == SUCCESS


PARAMS: dict[str, tuple[dict[str, Any], str]] = {
    "a list of queues": ({"queues": ["a"]}, "the queues are ['a']"),
    "tokens as a text": ({"queues": {"a": "2"}}, "queue 'a' has '2' tokens"),
    "no tokens": ({"tokens": None}, "queue 'default' has None tokens"),
    "a limit as a text": ({"job_timeout": "60"}, "the job_timeout is '60'"),
    "a limit below 0": ({"job_timeout": -1}, "the job_timeout is -1"),
    "no time at all": ({"job_timeout": 0}, "the job_timeout is 0"),
    "a limit that is no number": ({"job_timeout": float("nan")}, "the job_timeout is nan"),
    "none at once": ({"max_running": 0}, "max_running is 0"),
    "fewer than none at once": ({"max_running": -1}, "max_running is -1"),
    "so many at once, as a text": ({"max_running": "2"}, "max_running is '2'"),
    "True at once": ({"max_running": True}, "max_running is True"),
    "failures as a text": ({"keep_going": "1"}, "keep_going is '1'"),
    "True failures": ({"keep_going": True}, "keep_going is True"),
    "fewer failures than none": ({"keep_going": -1}, "keep_going is -1"),
    "an end as a text": ({"stop_after": "2"}, "stop_after is '2'"),
    "an end before the begin": ({"stop_after": -1}, "stop_after is -1"),
    "a part of an action": ({"stop_after": 1.5}, "stop_after is 1.5"),
}


@pytest.mark.parametrize("case", PARAMS)
def test_scheduling_params_of_other_kinds_are_refused_in_words(case: str) -> None:
    values, words = PARAMS[case]

    class Odd(Base):
        def set_scheduling_params(self) -> None:
            vars(self).update(values)

    with pytest.raises(UsageError) as caught:
        walk_of(Odd).run()
    assert caught.value.what == words
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("deadline", ["x", float("nan"), True, [1]])
def test_a_deadline_of_another_kind_is_refused_in_words(deadline: Any) -> None:
    walk = walk_of(Base)
    walk.deadline = deadline
    with pytest.raises(UsageError, match="the deadline is ") as caught:
        walk.run()
    assert "expected a time on the clock of time.monotonic" in str(caught.value)


def test_a_pool_of_another_kind_is_refused_in_words_when_it_is_asked_for() -> None:
    class Odd(Base):
        def set_scheduling_params(self) -> None:
            self.pool = {"gpus": 1}  # type: ignore[assignment]

        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
            job = super().create_job(uid, data, predecessors, notify_end)
            job.demand = Demand({"gpus": 1})
            return job

    with pytest.raises(UsageError, match=r"the pool is \{'gpus': 1\}"):
        walk_of(Odd).run()


class Hooked(CallJob):
    """A job in a thread."""

    def __init__(self, uid: Any, data: Any, notify_end: Notify) -> None:
        super().__init__(uid, data, notify_end, lambda: None)


class Awaits(CoroutineJob):
    """A job in the event loop."""

    async def co_run(self) -> None:
        return None


class Runs(ProcessJob):
    """A job that is a program."""

    @property
    def cmdline(self) -> list[str]:
        return ["true"]


def report_of(job_class: type[Job]) -> Report:
    """Return the report of a walk over two actions, of which the first has a job of this class."""

    class Jobs(Base):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
            return (job_class if uid == "odd" else Hooked)(uid, data, notify_end)

    return Jobs(graph(("odd",), ("behind", "odd"), ("last",))).run()


KINDS = [Hooked, Awaits, Runs]


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), lost(), TreadleError("no")])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hook", ["on_start", "on_finish", "prepare", "start"])
def test_an_exception_in_a_hook_of_a_job_ends_the_run_and_names_both(
    hook: str, kind: type[Job], error: Exception
) -> None:
    error = type(error)(*error.args)

    def hooked(self: Job, *arguments: Any) -> None:
        if self.attempt < 2 or hook != "start":
            raise error

    hooked.__name__ = hook
    with pytest.raises(type(error)) as caught:
        report_of(type("Odd", (kind,), {hook: hooked}))
    assert f"raised by Odd.{hook}() for the action 'odd'" in caught.value.__notes__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["queue_name", "tokens", "priority", "timeout", "status"])
def test_so_does_one_in_what_a_job_says_of_itself(name: str, kind: type[Job]) -> None:
    odd = type("Odd", (kind,), {name: property(lambda self: 1 // 0)})
    with pytest.raises(ZeroDivisionError) as caught:
        report_of(odd)
    assert caught.value.__notes__[0] == f"raised by Odd.{name} for the action 'odd'"


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), lost(), TreadleError("no"), SystemExit(3)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_in_the_work_itself_fails_the_action_alone(kind: type[Job], error: BaseException) -> None:
    def work(self: Job) -> None:
        raise error

    async def awaited(self: Job) -> None:
        raise error

    odd = type("Odd", (kind,), {"co_run": awaited} if kind is Awaits else {"run": work})
    actions = report_of(odd).actions
    assert (actions["odd"].status, actions["last"].status) == (FAILURE, SUCCESS)
    assert str(error) in (actions["odd"].failure or "")
    assert actions["behind"].origins == {"odd"}


A_STATUS = "expected a ReturnValue such as ReturnValue.success"
ODD_VALUES: dict[str, tuple[type[Job], str, Any, str]] = {
    # case: class of the job, what of it, its value, why its action fails
    "status 0": (Hooked, "status", 0, f"its status is 0, {A_STATUS}"),
    "status 1": (Hooked, "status", 1, f"its status is 1, {A_STATUS}"),
    "status False": (Awaits, "status", False, f"its status is False, {A_STATUS}"),
    "status True": (Runs, "status", True, f"its status is True, {A_STATUS}"),
    "status None": (Hooked, "status", None, f"its status is None, {A_STATUS}"),
    "status text": (Awaits, "status", "success", f"its status is 'success', {A_STATUS}"),
    "tokens text": (Hooked, "tokens", "1", "its tokens are '1', expected a whole number"),
    "tokens part": (Hooked, "tokens", 0.5, "its tokens are 0.5, expected a whole number"),
    "tokens None": (Runs, "tokens", None, "its tokens are None, expected a whole number"),
    "priority": (Hooked, "priority", "high", "its priority is 'high', expected a number"),
    "queue": (Hooked, "queue_name", None, "its queue_name is None, expected a text"),
    "timeout": (Hooked, "timeout", "5", "its timeout is '5', expected seconds above 0, None for no limit"),
    "cmdline text": (Runs, "cmdline", "echo hello", "its cmdline is 'echo hello'\n  expected a list of texts"),
    "cmdline None": (Runs, "cmdline", None, "its cmdline is None\n  expected a list of texts"),
    "cmdline number": (Runs, "cmdline", ["sleep", 0], "its cmdline is ['sleep', 0]\n  expected a list of texts"),
    "cmdline path": (Runs, "cmdline", b"true", "its cmdline is b'true'\n  expected a list of texts"),
    "options None": (Runs, "cmd_options", None, "its cmd_options are None\n  expected a dict"),
    "options list": (Runs, "cmd_options", ["cwd"], "its cmd_options are ['cwd']\n  expected a dict"),
    "options unknown": (Runs, "cmd_options", {"shell": True}, "unknown cmd_options: shell"),
}


@pytest.mark.parametrize("case", ODD_VALUES)
def test_a_value_of_another_kind_fails_the_action_in_words(case: str) -> None:
    kind, name, value, words = ODD_VALUES[case]
    actions = report_of(type("Odd", (kind,), {name: property(lambda self: value)})).actions
    assert actions["odd"].status == FAILURE
    assert (actions["odd"].failure or "").startswith(words)
    assert actions["last"].status == SUCCESS


def test_a_status_that_is_known_beforehand_is_held_to_the_same() -> None:
    actions = report_of(lambda uid, data, end: EmptyJob(uid, data, end, 0)).actions  # type: ignore[arg-type]
    assert actions["odd"].status == FAILURE
    assert actions["odd"].failure == f"its status is 0, {A_STATUS}"


@pytest.mark.parametrize("returned", [None, 5, "a job", Job])
def test_a_provider_of_a_scheduler_is_held_to_the_same(returned: Any) -> None:
    def provide(*_: Any) -> Any:
        return returned

    with pytest.raises(UsageError, match=r"provide\(\) returned .* for the action 'a'\n  expected a Job"):
        Scheduler(provide).run(graph(("a",)))


def test_callbacks_of_a_scheduler_are_named_too() -> None:
    def collect(job: Job) -> bool:
        raise ValueError(job.uid)

    with pytest.raises(ValueError, match="a") as caught:
        Scheduler(Scheduler.simple_provider(Hooked), collect).run(graph(("a",)))
    assert "collect() for the action 'a'" in caught.value.__notes__[0]


class TestGraph:
    """What would be taken letter by letter, or for nothing at all."""

    @pytest.mark.parametrize("way", ["add_vertex", "update_vertex", "set_predecessors", "after"])
    @pytest.mark.parametrize(("given", "kind"), [("ab", "the text 'ab'"), (b"ab", "the text b'ab'"), (5, "5")])
    def test_what_is_no_list_of_ids_is_refused(self, way: str, given: Any, kind: str) -> None:
        dag = graph(("a",), ("b",), (97,), (98,))
        which = "after" if way == "after" else "predecessors"
        if way == "set_predecessors":
            dag.add_vertex("c")
        calls: dict[str, Callable[[], None]] = {
            "add_vertex": lambda: dag.add_vertex("c", None, given),
            "update_vertex": lambda: dag.update_vertex("c", None, given, enable_checks=False),
            "set_predecessors": lambda: dag.set_predecessors("c", given),
            "after": lambda: dag.add_vertex("c", after=given),
        }
        with pytest.raises(DAGError) as caught:
            calls[way]()
        assert caught.value.what == f"{which} of the vertex 'c' is {kind}"
        assert ("c" in dag) is (way == "set_predecessors")

    @pytest.mark.parametrize("given", [("a", "b"), {"a", "b"}, iter(["a", "b"]), dict.fromkeys("ab"), None, []])
    def test_all_that_holds_ids_is_taken(self, given: Any) -> None:
        dag = graph(("a",), ("b",))
        dag.add_vertex("c", None, given)
        assert dag.get_predecessors("c") == ({"a", "b"} if given else set())

    @pytest.mark.parametrize("way", ["add_vertex", "update_vertex"])
    def test_none_is_no_vertex(self, way: str) -> None:
        dag = DAG()
        with pytest.raises(DAGError, match="None is not a vertex"):
            getattr(dag, way)(None, 1)
        assert len(dag) == 0

    @pytest.mark.parametrize("name", ["steps", "inputs", "outputs", "edits"])
    def test_a_text_is_no_list_of_a_command(self, name: str) -> None:
        values: dict[str, Any] = {name: "a.c"}
        with pytest.raises(UsageError, match=f"the {name} of a Command are the text 'a.c'\n  expected a list"):
            Command(**values)


class TestCommandWalk:
    """The hooks of a walk over Commands are held to the same."""

    @pytest.mark.parametrize("error", [ZeroDivisionError("no"), lost(), TreadleError("no")])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_fingerprint_of_its_own(self, when: str, error: Exception, tmp_path: Path) -> None:
        class Own(CommandWalk):
            def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
                if uid == "a" and is_prediction is (when == "before"):
                    raise error
                return super().compute_fingerprint(uid, data, is_prediction)

        walk = Own(two(), str(tmp_path))
        if not isinstance(error, ZeroDivisionError):
            actions = walk.run().actions
            assert (actions["a"].status, actions["b"].status) == (FAILURE, SUCCESS)
            assert actions["a"].failure == ("no" if isinstance(error, TreadleError) else ERRORS_OF_LOST)
            return
        with pytest.raises(type(error)) as caught:
            walk.run()
        assert any("for the action 'a'" in note for note in caught.value.__notes__)

    @pytest.mark.parametrize("hook", ["create_job", "create_skipped_job"])
    def test_a_job_that_is_none(self, hook: str, tmp_path: Path) -> None:
        assert CommandWalk(two(), str(tmp_path)).run().ok
        own = type("Own", (CommandWalk,), {hook: lambda *_: None})
        dag = two("echo new > a" if hook == "create_job" else "echo > a")
        with pytest.raises(UsageError, match=r"returned None for the action 'a'\n  expected a Job"):
            own(dag, str(tmp_path)).run()


ERRORS_OF_LOST = "src/main.c: No such file or directory"


def two(script: str = "echo > a") -> DAG:
    """Return two actions of files that have nothing to do with each other."""
    dag = DAG()
    dag.add_vertex("a", Command(["sh", "-c", script], outputs=["a"]))
    dag.add_vertex("b", Command(["sh", "-c", "echo > b"], outputs=["b"]))
    return dag


async def _coroutine(self: object) -> None: ...


def _generator(self: object) -> Any:
    yield


async def _async_generator(self: object) -> Any:
    yield


class _NoCoroutine:
    def co_run(self) -> int:
        return 3


UNRUN: dict[str, tuple[type, str, Any, str]] = {
    "a coroutine": (Job, "run", _coroutine, "its run() returned a coroutine, of which nothing has run"),
    "a generator": (Job, "run", _generator, "its run() returned a generator, of which nothing has run"),
    "an async generator": (Job, "run", _async_generator, "its run() returned a async generator"),
    "a job of e3": (e3.Job, "run", _coroutine, "its run() returned a coroutine, of which nothing has run"),
    "a program of e3": (e3.ProcessJob, "run", _coroutine, "its run() returned a coroutine"),
    "no coroutine": (CoroutineJob, "co_run", _NoCoroutine.co_run, "Mine.co_run() returned 3 for the action 'a'"),
}


@pytest.mark.parametrize("case", UNRUN)
def test_work_that_nothing_has_done_is_no_success(case: str) -> None:
    kind, name, method, expected = UNRUN[case]
    cls = type("Mine", (kind,), {name: method})
    made: list[Any] = []

    def provider(uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Any:
        made.append(cls(uid, data, notify_end))
        return e3.native(made[-1])

    Scheduler(provider).run(graph(("a",)))
    job = e3.native(made[0])
    assert job.final_status == FAILURE
    assert expected in job.failure
