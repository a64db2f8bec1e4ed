"""One job: what it is made of, what it requires, and what can be asked about it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aio_jobs import Letters, Log, endless, names, raising, value
from treadle.aio import AbstractJob, Job, PrintJob, PureScheduler, Scheduler, Sequence
from treadle.errors import RunError


def test_a_job_returns_what_its_coroutine_returns() -> None:
    job = Job(value(12))
    assert Scheduler(job).run() is True
    assert job.result() == 12


def test_any_awaitable_will_do() -> None:
    async def main() -> Any:
        future = asyncio.get_running_loop().create_future()
        first, second = Job(future), Job(future)
        future.set_result(3)
        assert await Scheduler(first, second).co_run()
        return first.result(), second.result()

    assert asyncio.run(main()) == (3, 3)


def test_a_job_takes_coroutines_and_says_how_a_function_becomes_one() -> None:
    with pytest.raises(TypeError, match=r"takes a coroutine, not .*: call it, endless\(\.\.\.\)"):
        Job(endless)
    work = value()
    with pytest.raises(TypeError, match="coshutdown takes a coroutine, not 3"):
        Job(work, coshutdown=3)  # type: ignore[arg-type]
    work.close()


def test_a_class_of_ones_own_says_what_it_does() -> None:
    class Answer(AbstractJob):
        async def co_run(self) -> int:
            return 42

    job = Answer()
    assert Scheduler(job).run()
    assert job.result() == 42


def test_a_class_without_co_run_fails_by_name() -> None:
    with pytest.raises(NotImplementedError, match="AbstractJob has no co_run"):
        Scheduler(AbstractJob()).run()


def test_a_job_knows_how_it_was_made() -> None:
    before = Job(value())
    scheduler = Scheduler()
    job = Job(value(), forever=True, critical=False, label="me", required=before, scheduler=scheduler)
    assert (job.forever, job.critical, job.is_critical(), job.label) == (True, False, False, "me")
    assert job.required == {before}
    assert list(scheduler) == [job]
    job.close()
    before.close()


def test_jobs_and_schedulers_are_critical_unless_told_otherwise() -> None:
    job = Job(value())
    assert (job.is_critical(), job.forever) == (True, False)
    assert (Scheduler().is_critical(), Scheduler(critical=False).is_critical()) == (True, False)
    assert PrintJob("x").is_critical()
    job.close()


def test_a_printing_job_prints_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    first = PrintJob("one", 2, banner="=====")
    assert Scheduler(PrintJob("last", required=first), first).run()
    assert capsys.readouterr().out == "===== one 2\nlast\n"


def test_a_printing_job_may_sleep_and_has_details(capsys: pytest.CaptureFixture[str]) -> None:
    job = PrintJob("x", "y", sleep=0.001)
    assert job.details() == "[+ sleep 0.001s] msg= x..."
    assert PrintJob("x").details() == "msg= x"
    assert Scheduler(job).run()
    assert capsys.readouterr().out == "x y\nSleeping for 0.001s\n"


def test_a_printing_job_takes_label_requirements_and_scheduler() -> None:
    scheduler = Scheduler()
    first = PrintJob("a", scheduler=scheduler)
    second = PrintJob("b", label="B", required=first, scheduler=scheduler)
    assert (second.label, second.required, len(scheduler)) == ("B", {first}, 2)


def test_requirements_come_in_any_shape() -> None:
    letters = Letters("a b c d e f")
    job, *others = letters
    chain = Sequence(others[2], others[3])
    assert job.requires(others[0], [others[1], (None, {chain})], None, iter([others[4]])) is job
    assert names(job.required) == "bcef"
    letters.close()


def test_requiring_oneself_means_nothing() -> None:
    letters = Letters("a")
    assert letters["a"].requires(letters["a"]).required == set()
    letters.close()


def test_requirements_are_taken_away_and_what_is_not_there_is_a_key_error() -> None:
    letters = Letters("a b:a c:a,b")
    letters["c"].requires([letters["a"]], remove=True)
    assert names(letters["c"].required) == "b"
    with pytest.raises(KeyError):
        letters["c"].requires(letters["a"], remove=True)
    letters.close()


@pytest.mark.parametrize("wrong", [3, "abc", [3]])
def test_what_is_no_job_cannot_be_required(wrong: object) -> None:
    letters = Letters("a")
    with pytest.raises(TypeError, match="a requirement is a job, a sequence or a list of those"):
        letters["a"].requires(wrong)
    letters.close()


def test_a_sequence_chains_its_jobs() -> None:
    letters = Letters("a b c d e")
    sequence = Sequence(letters["a"], Sequence(letters["b"], letters["c"]), None, required=letters["e"])
    sequence.append(letters["d"])
    assert names(sequence.jobs) == "abcd"
    assert letters.edges() == {"a": "e", "b": "a", "c": "b", "d": "c", "e": ""}
    sequence.close_idle_jobs()
    letters["e"].close()


def test_an_empty_sequence_keeps_its_requirements_for_the_first_job() -> None:
    letters = Letters("a b c")
    sequence = Sequence(required=letters["a"])
    assert sequence.jobs == []
    sequence.requires(letters["b"]).append(letters["c"])
    assert names(letters["c"].required) == "ab"
    letters.close()


def test_requirements_of_a_sequence_go_to_its_first_job_and_those_on_it_to_its_last() -> None:
    letters = Letters("a b c d")
    sequence = Sequence(*letters.of("bc"))
    sequence.requires(letters["a"])
    letters["d"].requires(sequence)
    assert letters.edges() == {"a": "", "b": "a", "c": "b", "d": "c"}
    letters["d"].requires(Sequence())
    assert names(letters["d"].required) == "c"
    letters.close()


def test_a_sequence_runs_in_order_and_its_scheduler_holds_the_jobs_alone() -> None:
    log = Log()
    scheduler = Scheduler()
    sequence = Sequence(log.job("a"), log.job("b"), scheduler=scheduler)
    sequence.append(log.job("c"))
    assert len(scheduler) == 3
    assert all(isinstance(job, Job) for job in scheduler)
    assert scheduler.run()
    assert log == ["a starts", "a ends", "b starts", "b ends", "c starts", "c ends"]


def test_what_is_no_job_cannot_be_in_a_sequence() -> None:
    with pytest.raises(TypeError, match="a sequence holds jobs and sequences, not 3"):
        Sequence(3)  # type: ignore[arg-type]


def test_a_job_is_idle_then_scheduled_then_running_then_done() -> None:
    def state(job: AbstractJob) -> str:
        asked = {"i": job.is_idle(), "s": job.is_scheduled(), "r": job.is_running(), "d": job.is_done()}
        return "".join(letter for letter, is_so in asked.items() if is_so)

    async def main() -> None:
        gate, running = asyncio.Event(), asyncio.Event()

        async def gated() -> str:
            running.set()
            await gate.wait()
            return "x"

        first, second = Job(gated()), Job(value())
        third = Job(value(), required=first)
        run = asyncio.ensure_future(Scheduler(first, second, third, jobs_window=1).co_run())
        assert [state(job) for job in (first, second, third)] == ["i", "i", "i"]
        await running.wait()
        assert [state(job) for job in (first, second, third)] == ["sr", "s", "i"]
        gate.set()
        assert await run
        assert [state(job) for job in (first, second, third)] == ["srd", "srd", "srd"]

    asyncio.run(main())


def test_a_result_before_the_end_is_a_value_error_that_names_the_job() -> None:
    job = Job(value(1), label="early")
    with pytest.raises(ValueError, match="'early' is not done"):
        job.result()
    job.close()


def test_the_exception_of_a_job_is_false_before_and_none_after_success() -> None:
    error = ZeroDivisionError("no")
    good, bad = Job(value()), Job(raising(error), critical=False)
    assert (good.raised_exception(), bad.raised_exception()) == (False, False)
    assert Scheduler(good, bad).run()
    assert (good.raised_exception(), bad.raised_exception()) == (None, error)
    assert bad.is_done()
    assert bad.result() is None


def test_a_cancelled_job_is_not_done() -> None:
    job = Job(endless(), forever=True, label="cut")
    assert Scheduler(job, Job(value())).run()
    assert job.is_running()
    assert not job.is_done()
    assert job.raised_exception() is None
    with pytest.raises(ValueError, match="'cut' is not done"):
        job.result()


def test_a_job_can_run_alone_without_what_it_requires() -> None:
    never = Job(endless())
    assert Job(value(3), required=never).standalone_run() == 3
    with pytest.raises(ZeroDivisionError):
        Job(raising(ZeroDivisionError())).standalone_run()
    assert Scheduler(Job(value())).standalone_run() is True
    never.close()


def test_a_coroutine_runs_once_alone_too() -> None:
    job = Job(value(3), label="twice")
    job.standalone_run()
    with pytest.raises(RunError, match="the job 'twice' cannot run again"):
        job.standalone_run()


def test_labels_come_from_the_job_its_class_or_its_coroutine() -> None:
    class Named(AbstractJob):
        def text_label(self) -> str:
            return "by its class"

    plain = Job(value())
    texts = [job.repr_main() for job in (Named(), Named(label="given"), AbstractJob(), plain)]
    assert texts == [
        "<Named `by its class`>",
        "<Named `given`>",
        "<AbstractJob `NOLABEL`>",
        "<Job `Job[value (...)]`>",
    ]
    plain.close()


def test_a_pure_scheduler_is_no_job() -> None:
    assert not isinstance(PureScheduler(), AbstractJob)
    assert isinstance(Scheduler(), AbstractJob)
    with pytest.raises(TypeError, match="a scheduler holds jobs and sequences, not PureScheduler"):
        Scheduler(PureScheduler())
