"""What a job says of how it ended, and which jobs start after that: outcomes and conditions."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

import treadle
from aio_jobs import Log, endless, raising, turn, value
from treadle import DAG, AttemptEnd, Command, Limits, Outcome, Pool, Script
from treadle.aio import (
    AbstractJob,
    ActionJob,
    Diffed,
    Failed,
    Job,
    NotReady,
    ProcessJob,
    PureScheduler,
    Recording,
    Scheduler,
    Skipped,
    as_dag,
)
from treadle.core.codes import Codes
from treadle.core.outcomes import outcome
from treadle.errors import UsageError
from treadle.testing import MemoryWalk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOON = 0.001


def said(*jobs: AbstractJob) -> list[str]:
    return [str(job.outcome) for job in jobs]


def bad(error: BaseException | None = None, **options: Any) -> Job:
    return Job(raising(error or ValueError("no")), **options)


@pytest.mark.parametrize(
    ("error", "how", "category"),
    [
        (Diffed("3 lines"), "diffed: 3 lines", "FAIL"),
        (Failed("2 of 9"), "failed: 2 of 9", "FAIL"),
        (NotReady("later"), "not_ready: later", "NONE"),
        (KeyError("x"), "error: KeyError: 'x'", "FAIL"),
        (UsageError("wrong"), "error: wrong", "FAIL"),
    ],
)
def test_a_job_says_by_an_exception_how_it_has_ended(error: Exception, how: str, category: str) -> None:
    lenient, after = bad(error, critical=False), Job(value())
    assert Scheduler(lenient, after.requires(lenient)).run()
    assert (str(lenient.outcome), lenient.outcome and lenient.outcome.category) == (how, category)
    assert lenient.raised_exception() is error
    assert said(after) == ["success"]
    critical = bad(error)
    with pytest.raises(type(error)):
        Scheduler(critical).run()
    assert said(critical) == [how]


def test_what_skips_itself_has_not_failed_and_what_requires_it_is_not_needed() -> None:
    log = Log()
    skipped = bad(Skipped("no GPU"), label="skipped", coshutdown=log.shutdown("skipped"))
    needs = log.job("needs", required=skipped, coshutdown=log.shutdown("needs"))
    inner = Scheduler(log.job("inside"), required=needs, label="inner")
    either = log.job("either", required=[skipped, other := log.job("other")])
    scheduler = Scheduler(skipped, needs, inner, either, other, log.job("last", required=other))
    assert scheduler.run()
    assert log.starts() == ["other", "last"]
    assert said(skipped, needs, inner, either) == [
        "skipped: no GPU",
        "not_needed: after 'skipped'",
        "not_needed: after 'needs'",
        "not_needed: after 'skipped'",
    ]
    assert (skipped.result(), skipped.raised_exception(), needs.is_idle()) == (None, None, True)
    assert sorted(line for line in log if "shut down" in line) == ["needs is shut down", "skipped is shut down"]
    assert scheduler.why() == "FINE"


def test_the_outcome_of_a_job_that_has_not_ended() -> None:
    seen: list[Outcome | None] = []

    async def looks() -> None:
        seen.append(job.outcome)

    job = Job(looks())
    assert said(job) == ["not_started"]
    assert Scheduler(job).run()
    assert seen == [None]


def test_the_outcomes_of_what_a_run_ends() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    service, running, late = Job(endless(), forever=True), Job(endless()), Job(value())
    assert PureScheduler(service, running, late.requires(running), timeout=SOON).run() is False
    limit = "interrupted: its scheduler has reached its time limit"
    assert said(service, running, late) == [limit, limit, "not_started"]
    service, running = Job(endless(), forever=True), Job(endless())
    assert PureScheduler(service, running, bad()).run() is False
    assert said(service, running) == ["interrupted: a critical job has failed"] * 2
    service, gone = Job(endless(), forever=True), Job(gives_up(), critical=False)
    assert PureScheduler(service, gone).run() is True
    assert said(service, gone) == ["success", "cancelled: not by its scheduler"]


def test_the_outcome_of_a_scheduler_is_that_of_its_run() -> None:
    fine, empty = Scheduler(Job(value())), Scheduler()
    lenient = Scheduler(bad(), critical=False)
    late = Scheduler(Job(endless()), timeout=SOON, critical=False)
    assert Scheduler(fine, empty, lenient, late).run()
    assert said(fine, empty, lenient) == ["success", "success", "failed: a CRITICAL job has raised an exception"]
    assert said(late) == [f"timeout: TIMED OUT after {SOON}s"]
    critical, strict = Scheduler(bad(Diffed("x"))), Scheduler(Job(endless()), timeout=SOON)
    assert PureScheduler(critical).run() is False
    assert PureScheduler(strict).run() is False
    assert said(critical, strict) == ["diffed: x", f"timeout: TIMED OUT after {SOON}s"]


@pytest.mark.parametrize(
    ("script", "meaning", "how"),
    [
        ("exit 0", {}, "success"),
        ("exit 3", {}, "failed: exit 3: exit code 3"),
        ("exit 64", {}, "diffed: exit 64: exit code 64"),
        ("exit 75", {}, "not_ready: exit 75: exit code 75"),
        ("kill -9 $$", {}, "failed: kill -9 $$: killed by SIGKILL"),
        ("exit 3", {"codes": Codes(success=[0, 3])}, "success"),
        ("exit 4", {"codes": Codes(skipped=4)}, "skipped: exit code 4"),
        ("exit 3", {"expect": {"failure": 3}}, "expected_failure: exit code 3"),
        ("exit 64", {"expect": "diff"}, "expected_diff: exit code 64"),
        ("exit 0", {"expect": "failure"}, "failed: exit 0: expected failure, exit code 0"),
    ],
)
def test_the_exit_code_of_a_program_says_how_it_has_ended(script: str, meaning: Any, how: str) -> None:
    job = ProcessJob(Command(script=Script(script), **meaning), critical=False)
    after = Job(value()).requires(job, when="on_success")
    assert Scheduler(job, after).run()
    assert said(job) == [how]
    good, not_needed = how.startswith(("success", "expected")), how.startswith("skipped")
    assert after.outcome is not None
    assert after.outcome.kind == ("success" if good else "not_needed" if not_needed else "blocked")
    walk = treadle.Scheduler(
        lambda uid, data, before, end: ActionJob(uid, data, end, job), collect=collected.append
    )
    dag = DAG()
    dag.add_vertex("it")
    walk.run(dag)
    assert collected.pop().outcome.kind == (how.partition(":")[0] if not good else "success")


collected: list[Any] = []


def test_a_program_that_cannot_start_is_an_error_and_one_out_of_time_a_timeout() -> None:
    missing = ProcessJob(Command(["no-such-program"]), critical=False)
    late = ProcessJob(Command(["sleep", "1000"], limits=Limits(timeout=0.01)), critical=False)
    assert Scheduler(missing, late).run()
    assert [job.outcome and job.outcome.kind for job in (missing, late)] == ["error", "timeout"]


def test_a_program_of_the_user_may_have_an_attribute_of_that_name() -> None:
    class Own(AbstractJob):
        async def co_run(self) -> None:
            self.outcome = "mine"  # type: ignore[assignment]

    own = Own()
    assert Scheduler(own).run()
    assert own.outcome == "mine"


def test_lists_show_why_a_job_has_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = bad(Skipped("no GPU"), label="a")
    scheduler = Scheduler(skipped, Job(value(), required=skipped, label="b"))
    assert scheduler.run()
    scheduler.debrief()
    text = capsys.readouterr().out
    assert "[skipped: no GPU]" in text
    assert "[not_needed: after 'a']" in text
    assert "exception" not in text


def starts(log: Log) -> dict[str, Callable[[], list[Job]]]:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    def after(first: Job, **options: Any) -> list[Job]:
        last = log.job("between")
        last.requires(first, **options)
        return [first, last]

    return {
        "success": lambda: [log.job("start")],
        "failed": lambda: [bad(Failed("x"), critical=False)],
        "diffed": lambda: [bad(Diffed("x"), critical=False)],
        "cancelled": lambda: [Job(gives_up(), critical=False)],
        "skipped": lambda: [bad(Skipped("x"))],
        "not_needed": lambda: after(log.job("start"), when="on_failure"),
        "blocked": lambda: after(bad(Failed("x"), critical=False), when="on_success"),
    }


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (None, "RRRRnnb"),
        ("on_success", "Rbbsnnb"),
        ("on_failure", "nRRsnnb"),
        ("always", "RRRRRRR"),
        ("diffed", "nbRsnnb"),
        ("failed or skipped", "nRbsRnb"),
        ("not success", "nRRRRRR"),
    ],
)
def test_a_condition_decides_whether_a_job_starts(when: str | None, expected: str, number: int) -> None:
    """C2, C3, C4: R runs, b is blocked, n is not needed, s is not started."""
    log = Log()
    kind = list(starts(log))[number]
    before = starts(log)[kind]()
    job, after = log.job("it"), log.job("after")
    job.requires(before[-1], when=when)
    assert PureScheduler(*before, job, after.requires(job, when="on_success")).run() is True
    assert before[-1].outcome is not None
    assert before[-1].outcome.kind == kind
    kinds = {"R": "success", "b": "blocked", "n": "not_needed", "s": "not_started"}
    assert [one.outcome and one.outcome.kind for one in (job, after)] == [kinds[expected[number]]] * 2


def test_all_conditions_must_be_met_and_a_failure_blocks_before_anything_is_not_needed() -> None:
    """C2, C4."""
    good, lenient = Job(value(), label="good"), bad(critical=False, label="lenient")
    both, mixed = Job(value()), Job(value())
    both.requires(good).requires(lenient, when="on_failure")
    mixed.requires(good, when="on_failure").requires(lenient, when="on_success")
    assert Scheduler(good, lenient, both, mixed).run()
    assert said(both, mixed) == ["success", "blocked: by 'lenient'"]


def test_a_condition_can_be_changed_and_taken_back() -> None:
    lenient = bad(critical=False)
    job, gone = Job(value("ran")), Job(value("ran"))
    job.requires(lenient, when="on_success").requires(lenient)
    gone.requires(lenient, when="on_success").requires(lenient, remove=True)
    assert gone.required == set()
    assert Scheduler(lenient, job, gone).run()
    assert (job.result(), gone.result()) == ("ran", "ran")


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("on_faliure", "there is no outcome 'on_faliure'\n  the nearest name is 'on_failure'\n  of the job 'it'"),
        ("", "the condition is empty"),
        (3, "the condition is 3"),
        ("failed and", "it ends too early"),
    ],
)
def test_a_condition_that_is_none_is_refused_with_the_label(when: Any, words: str) -> None:
    before, job = Job(value()), Job(value(), label="it")
    with pytest.raises(UsageError, match=words):
        job.requires(before, when=when)
    assert job.required == set()
    before.close()
    job.close()


def test_after_a_critical_failure_what_its_condition_lets_in_still_runs() -> None:
    """C9."""
    log = Log()
    error = ValueError("no")
    test = bad(error, label="test")
    mail = log.job("mail").requires(test, when="on_failure")
    always = log.job("always").requires(test, when="always")
    never, deploy = log.job("never", required=test), log.job("deploy").requires(test, when="on_success")
    after, tidy = log.job("after", required=mail), log.job("tidy").requires(mail, when="always")
    running, late = Job(log.endless("running")), log.job("late")
    late.requires(running)
    scheduler = Scheduler(test, mail, always, never, deploy, after, tidy, running, late)
    with pytest.raises(ValueError, match="no") as caught:
        scheduler.run()
    assert caught.value is error
    assert log.starts() == ["running", "mail", "always", "tidy"]
    assert "running is cancelled" in log
    assert said(mail, always, tidy) == ["success"] * 3
    assert said(never, deploy) == ["blocked: by 'test'"] * 2
    assert said(after, late)[0] == "not_started: a critical job has failed"
    assert late.outcome is not None
    assert late.outcome.kind == "not_started"
    assert scheduler.failed_critical()


def test_what_is_let_in_has_what_it_needs_started_and_not_cancelled() -> None:
    """C9."""
    log = Log()
    ready = asyncio.Event()
    test = bad(label="test")
    opened = Job(log.value("open", ready), label="open")
    address = log.job("address")
    mail = log.job("mail", required=[opened, address.requires(opened)]).requires(test, when="on_failure")

    async def opens() -> None:
        await turn()
        await turn()
        await turn()
        ready.set()

    assert PureScheduler(test, opened, address, mail, Job(opens(), forever=True)).run() is False
    assert said(opened, address, mail) == ["success"] * 3


def test_what_is_always_to_run_waits_for_the_end_of_what_is_cancelled() -> None:
    """C3, C9."""
    log = Log()

    async def slow() -> None:
        try:
            await endless()
        finally:
            await turn()
            log.append("closed")

    running = Job(slow())
    tidy = log.job("tidy").requires(running, when="always")
    assert PureScheduler(running, tidy, bad()).run() is False
    assert log == ["closed", "tidy starts", "tidy ends"]


def test_a_condition_on_what_never_started_is_met_by_always_alone() -> None:
    """C3, C9."""
    log = Log()
    test, running = bad(), Job(endless())
    late = log.job("late", required=running)
    tidy, mail = log.job("tidy"), log.job("mail")
    tidy.requires(late, when="always")
    mail.requires(late, when="on_failure")
    assert PureScheduler(test, running, late, tidy, mail).run() is False
    assert log.starts() == ["tidy"]


def test_a_second_failure_lets_in_what_follows_it_and_the_first_is_raised() -> None:
    """C9."""
    log = Log()
    test = bad(KeyError("first"), label="test")
    handler = bad(ValueError("second"), label="handler")
    handler.requires(test, when="on_failure")
    last = log.job("last").requires(handler, when="on_failure")
    never = log.job("never").requires(handler, when="on_success")
    with pytest.raises(KeyError, match="first"):
        Scheduler(test, handler, last, never).run()
    assert log.starts() == ["last"]


def test_an_asked_end_lets_nothing_in() -> None:
    """C9."""
    log = Log()
    running = Job(endless())
    tidy = log.job("tidy").requires(running, when="always")
    assert PureScheduler(running, tidy, timeout=SOON).run() is False
    assert log == []
    assert said(tidy) == ["not_started"]


@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize("pool", [None, Pool({"gpus": 1})])
def test_what_waits_for_its_turn_is_given_up_but_for_what_is_let_in(window: int, pool: Pool | None) -> None:
    """C9."""
    log = Log()
    # these are first, as they are said to last longest
    lenient, test = bad(critical=False, expected_duration=90), bad(label="test", expected_duration=60)
    asks = {} if pool is None else {"resources": {"gpus": 1}}
    early = log.job("early", **asks).requires(lenient, when="on_failure")
    waiting = [log.job(f"w{number}", **asks) for number in range(6)]
    mail = log.job("mail", **asks).requires(test, when="on_failure")
    after = [log.job(f"a{number}", required=one) for number, one in enumerate(waiting)]
    scheduler = PureScheduler(lenient, test, *waiting, early, mail, *after, jobs_window=window, pool=pool)
    assert scheduler.run() is False
    assert {"mail"} <= set(log.starts()) <= {"mail", "early", "w0", "w1"}
    assert said(mail) == ["success"]
    assert all(one.outcome is not None for one in scheduler)


def test_a_failure_counts_more_than_that_what_it_lets_in_can_never_start(caplog: pytest.LogCaptureFixture) -> None:
    service, test = Job(endless(), forever=True, mutex="x"), bad(KeyError("no"))
    mail = Job(value(), mutex="x", label="mail").requires(test, when="on_failure")
    with pytest.raises(KeyError):
        Scheduler(service, test, mail).run()
    assert said(mail) == ["not_started"]
    assert "holds what 'mail' would need to start" in caplog.text


def test_a_nested_run_goes_on_for_what_its_own_failures_let_in() -> None:
    log = Log()
    test = bad(label="test")
    inner = Scheduler(test, log.job("mail").requires(test, when="on_failure"), critical=False)
    rescue = log.job("rescue").requires(inner, when="on_failure")
    fine = log.job("fine").requires(inner, when="on_success")
    assert Scheduler(inner, rescue, fine).run()
    assert log.starts() == ["mail", "rescue"]


def test_a_tasks_factory_of_the_loop_makes_no_difference() -> None:
    log = Log()

    async def main() -> None:
        def factory(loop: Any, work: Any, **options: Any) -> Any:
            return asyncio.Task(work, loop=loop, **options)

        asyncio.get_running_loop().set_task_factory(factory)

        async def fails() -> None:
            raise ValueError

        # it fails in its first turn, which the other one has not had then
        first, unseen = Job(fails()), Job(endless())
        mail = log.job("mail").requires(first, when="on_failure")
        assert await PureScheduler(first, unseen, mail, jobs_window=2).co_run() is False
        assert said(unseen) == ["interrupted: a critical job has failed"]

    asyncio.run(main())
    assert log.starts() == ["mail"]


def test_conditions_stay_where_a_job_between_is_taken_away() -> None:
    log = Log()
    test, between = bad(critical=False), log.job("between")
    between.requires(test, when="on_success")
    after = log.job("after").requires(between, when="always")
    scheduler = Scheduler(test, between, after)
    scheduler.bypass_and_remove(between)
    assert scheduler.run()
    assert said(after) == ["blocked: by 'Job[raising (...)]'"]
    between.close()


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    ("make", "how"),
    [
        (lambda: {"jobs": [bad(Diffed("x"))]}, "diffed|failed"),
        (lambda: {"jobs": [bad(KeyError("x"))]}, "error|failed"),
        (lambda: {"jobs": [Job(endless())], "timeout": SOON}, "timeout|timeout"),
        (lambda: {"jobs": [bad(TimeoutError("x"))], "timeout": 60}, "error|failed"),
        (lambda: {"jobs": [bad(Skipped("x"))]}, "success|success"),
    ],
)
def test_an_action_ends_as_its_scheduler_does(critical: bool, make: Any, how: str) -> None:
    options = make()
    inner = Scheduler(*options.pop("jobs"), critical=critical, label="inner", **options)
    dag = DAG()
    dag.add_vertex("it")
    ended: list[Any] = []
    treadle.Scheduler(lambda uid, data, before, end: ActionJob(uid, data, end, inner), collect=ended.append).run(
        dag
    )
    assert ended[0].outcome.kind == how.split("|")[not critical]


def test_graphs_say_the_conditions() -> None:
    test, inner = (
        Job(value(), label="test"),
        Scheduler(Job(value(), label="a"), Job(value(), label="b"), label="in"),
    )
    mail = Job(value(), label="mail").requires(test, when="on_failure")
    tidy = Job(value(), label="tidy").requires(inner, when="always").requires(test)
    scheduler = Scheduler(test, inner, mail, tidy)
    dag = as_dag(scheduler)
    assert {(end, start): str(condition) for end, start, condition in dag.conditions()} == {
        ("mail", "test"): "on_failure",
        ("tidy", "in/a"): "always",
        ("tidy", "in/b"): "always",
    }
    text = scheduler.dot_format()
    assert '1 -> 5 [label="on_failure"];' in text
    assert '4 -> 6 [ltail=cluster_2 label="always"];' in text
    assert "1 -> 6;" in text
    scheduler.close_all_jobs()


def test_what_follows_a_failure_alone_makes_no_path_longer() -> None:
    """A2."""
    log = Log()
    test, other = log.job("test"), log.job("other")
    handlers: list[AbstractJob] = []
    for number in range(5):
        before = handlers[-1] if handlers else test
        handlers.append(log.job(f"h{number}").requires(before, when=None if handlers else "on_failure"))
    after = log.job("after", required=other)
    assert Scheduler(test, other, *handlers, after, jobs_window=1).run()
    assert log.starts() == ["other", "test", "after"]


def test_a_program_that_was_killed_for_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killing:
        async def run(self, *_: Any) -> Any:
            return AttemptEnd(None, -9, cause="out_of_memory"), False

    monkeypatch.setattr("treadle.aio.process_job.PROGRAMS", Killing())
    job = ProcessJob(Command(["true"]), critical=False)
    assert Scheduler(job).run()
    assert said(job) == ["out_of_memory: true: killed by SIGKILL: memory ran out"]


def test_what_is_blocked_names_the_failures_where_it_began(tmp_path: Path) -> None:
    test, other = bad(critical=False, label="test"), bad(critical=False, label="other")
    first = Job(value(), label="first").requires(test, when="on_success")
    last = Job(value(), label="last").requires(first, other, when="on_success")
    scheduler = Scheduler(test, other, first, last)
    with Recording(scheduler, str(tmp_path / "events")):
        assert scheduler.run()
    assert said(first, last) == ["blocked: by 'test'", "blocked: by 'other', 'test'"]
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    told = {event["name"]: event["reasons"] for event in events if event.get("verdict") == "blocked"}
    texts = {name: sorted(reason["text"] for reason in reasons) for name, reasons in told.items()}
    assert texts == {"first": ["blocked by test"], "last": ["blocked by other", "blocked by test"]}


class Drawn(AbstractJob):
    """A job that takes some turns, and ends as it was drawn."""

    def __init__(self, number: int, chance: random.Random, critical: bool) -> None:
        self.turns = chance.randint(0, 3)
        self.end = chance.choice(["success"] * 4 + ["failed", "failed", "diffed", "skipped"])
        super().__init__(label=str(number), critical=critical)
        self.when: dict[Drawn, str | None] = {}

    async def co_run(self) -> None:
        for _ in range(self.turns):
            await turn()
        if self.end != "success":
            raise {"failed": Failed, "diffed": Diffed, "skipped": Skipped}[self.end](self.label or "")


def drawn(chance: random.Random, critical: float) -> list[Drawn]:
    jobs: list[Drawn] = []
    for number in range(chance.randint(2, 14)):
        job = Drawn(number, chance, chance.random() < critical)
        for before in jobs:
            if chance.random() < 2 / (number + 1):
                when = chance.choice([None, None, "on_success", "on_failure", "always", "diffed or skipped"])
                job.when[before] = when
                job.requires(before, when=when)
        jobs.append(job)
    return jobs


MEETS = {
    "on_success": {"success"},
    "on_failure": {"failed", "diffed"},
    "diffed or skipped": {"diffed", "skipped"},
    None: {"success", "failed", "diffed"},
    "always": {"success", "failed", "diffed", "skipped", "blocked", "not_needed", "not_started", "interrupted"},
}


def model(job: Drawn, kinds: dict[Drawn, str]) -> str:
    """Say how a job ends of which all that it requires has ended, where nothing is critical."""
    unmet = {kinds[before] for before, when in job.when.items() if kinds[before] not in MEETS[when]}
    if not unmet:
        return job.end
    return "blocked" if unmet & {"failed", "diffed", "blocked"} else "not_needed"


@pytest.mark.parametrize("seed", range(300))
def test_random_graphs_without_critical_jobs_end_as_the_model_says(seed: int) -> None:
    """C2, C3, C4."""
    chance = random.Random(seed)
    jobs = drawn(chance, 0)
    kinds: dict[Drawn, str] = {}
    for job in jobs:
        kinds[job] = model(job, kinds)
    order = list(jobs)
    chance.shuffle(order)
    assert PureScheduler(*order, jobs_window=chance.choice([None, 1, 3])).run() is True
    assert {job.label: job.outcome and job.outcome.kind for job in jobs} == {
        job.label: kind for job, kind in kinds.items()
    }


class Same(MemoryWalk):
    """Runs the jobs of a random graph as a walk does."""

    def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> ActionJob:
        return ActionJob(uid, data, notify_end, data)


@pytest.mark.parametrize("seed", range(100))
def test_a_walk_and_a_scheduler_decide_the_same_by_the_same_conditions(seed: int) -> None:
    """C2, C3, C4."""
    jobs = drawn(random.Random(seed), 0)
    dag = DAG()
    for job in jobs:
        job.when = {before: when or "on_success" for before, when in job.when.items()}
        for before, when in job.when.items():
            job.requires(before, when=when)
        dag.add_vertex(job.label, job, {before.label: when for before, when in job.when.items()})
    walked = {uid: action.outcome.kind for uid, action in Same(dag).run().actions.items()}
    assert Scheduler(*jobs).run()
    assert walked == {job.label: job.outcome and job.outcome.kind for job in jobs}


@pytest.mark.parametrize("seed", range(300))
def test_random_graphs_with_critical_jobs_come_to_an_end_by_their_conditions(seed: int) -> None:
    """C9: after a critical failure nothing starts but what a condition lets in, and what that needs."""
    chance = random.Random(seed)
    jobs = drawn(chance, 0.5)
    order = list(jobs)
    chance.shuffle(order)
    pool = chance.choice([None, Pool({"gpus": 1})])
    for job in jobs:
        if pool is not None and chance.random() < 0.5:
            job._aio_asks = ({"gpus": 1}, (), False, "", None)
    events: list[tuple[str, Any]] = []
    scheduler = PureScheduler(*order, jobs_window=chance.choice([None, 1, 3]), pool=pool)
    scheduler._aio_listen(lambda what, job: events.append((what, job)))
    result = scheduler.run()
    ended = {job: job.outcome and job.outcome.kind for job in jobs}
    fatal = [job for job in jobs if job.critical and ended[job] in ("failed", "diffed")]
    assert result is (not fatal)
    assert None not in ended.values()
    for job in jobs:
        if job.is_running():
            for before, when in job.when.items():
                assert ended[before] in MEETS[when]
                assert when is not None or before not in fatal
    if not fatal:
        return
    raised = [number for number, (what, job) in enumerate(events) if what == "RAISED" and job in fatal]
    late = {job for what, job in events[raised[0] :] if what == "STARTING"}
    odd = {
        job
        for job in jobs
        if any(
            when not in (None, "on_success") and (ended[before] != "success" or before in late)
            for before, when in job.when.items()
        )
    }
    needed = set(odd)
    for job in reversed(jobs):
        if job in needed:
            needed.update(before for before, when in job.when.items() if when != "always")
    assert late <= needed
    # what a condition lets in by this failure and nothing holds up has run
    for job in jobs:
        is_met = all(
            ended[before] in MEETS[when] and before not in (fatal if when is None else ())
            for before, when in job.when.items()
        )
        is_by = any(when is not None and ended[before] in ("failed", "diffed") for before, when in job.when.items())
        if is_met and is_by:
            assert ended[job] in ("success", "failed", "diffed", "skipped", "interrupted")
    assert all(outcome(kind) for kind in ended.values() if kind)
