"""What is printed about jobs: badges, lists, the debriefing, and each transition."""

from __future__ import annotations

import io
import re
import sys

import pytest

from aio_jobs import Letters, endless, raising, turn, value
from treadle.aio import AbstractJob, Job, PureScheduler, Scheduler, Watch
from treadle.errors import DAGError

Capture = pytest.CaptureFixture[str]


class Detailed(AbstractJob):
    """A job with details."""

    async def co_run(self) -> str:
        return "fine"

    def details(self) -> str:
        return "one line\nanother"


def mixed() -> PureScheduler:
    """Return a scheduler that has run: done, failed, cancelled, never started."""
    done = Job(value(3), label="done")
    lenient = Job(raising(KeyError("k")), label="lenient", critical=False)
    service = Job(endless(), label="service", forever=True)

    async def waits() -> None:
        await turn()
        await raising(ValueError("v"))

    bad = Job(waits(), label="bad", required=done)
    scheduler = PureScheduler(done, lenient, service, bad, Job(value(), label="never", required=bad))
    scheduler.run()
    return scheduler


def test_the_badge_shows_critical_outcome_phase_and_forever(capsys: Capture) -> None:
    scheduler = mixed()
    badges = {job.label: job.repr_short() for job in scheduler}
    assert badges == {
        "done": "⚠ ☉ ☓  ",
        "lenient": "  ★ ☓  ",
        "service": "⚠ ☉ ↺ ∞",
        "bad": "⚠ ★ ☓  ",
        "never": "⚠   ⚐  ",
    }
    assert {len(text) for text in badges.values()} == {7}


def test_a_job_that_waits_for_its_turn_has_a_badge_of_its_own() -> None:
    waiting = Job(value())
    scheduler = PureScheduler(Job(endless(), forever=True), waiting, jobs_window=1, timeout=0.001)
    scheduler.run()
    assert waiting.repr_short() == "⚠   ⚑  "


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_the_badge_has_a_form_in_ascii(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    scheduler = mixed()
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    scheduler.debrief()
    out.flush()
    text = out.buffer.getvalue().decode("ascii")
    badges = re.findall(r"^\d (.{8}) <Job", text, re.MULTILINE)
    assert badges == ["! :) x  ", "  :( x  ", "! :) o 8", "! :( x  ", "!    >  "]


def test_a_list_has_a_line_for_each_job(capsys: Capture) -> None:
    mixed().list()
    assert capsys.readouterr().out.splitlines() == [
        "1 ⚠ ☉ ☓   <Job `done`> [[ -> 3]] ",
        "2   ★ ☓   <Job `lenient`> !! exception => KeyError:'k'!! ",
        "3 ⚠ ☉ ↺ ∞ <Job `service`> [not done] ",
        "4 ⚠ ★ ☓   <Job `bad`> !! CRIT. EXC. => ValueError:v!! requires={1}",
        "5 ⚠   ⚐   <Job `never`> [not done] requires={4}",
    ]


def test_done_jobs_may_be_left_out(capsys: Capture) -> None:
    scheduler = mixed()
    scheduler.list(silence_done_jobs=True)
    assert capsys.readouterr().out.split("`")[1::2] == ["service", "never"]
    scheduler.list_safe(silence_done_jobs=True)
    assert capsys.readouterr().out.split("`")[1::2] == ["service", "never"]


def test_inner_jobs_are_indented_between_two_lines_of_their_scheduler(capsys: Capture) -> None:
    inner = Scheduler(Detailed(label="a"), Scheduler(Detailed(label="b"), label="deep"), label="inner")
    outer = Scheduler(inner, Detailed(label="c", required=inner))
    outer.list()
    assert capsys.readouterr().out.splitlines() == [
        "1 ⚠   ⚐   <Scheduler `inner`> [not done]  -> entries={2, 3}",
        "2 ⚠   ⚐   > <Detailed `a`> [not done] ",
        "3 ⚠   ⚐   > <Scheduler `deep`> [not done]  -> entries={4}",
        "4 ⚠   ⚐   > > <Detailed `b`> [not done] ",
        "3 --end-- < < <Scheduler `deep`> exits={4}",
        "1 --end-- < <Scheduler `inner`> exits={2, 3}",
        "5 ⚠   ⚐   <Detailed `c`> [not done] requires={1}",
    ]


def test_details_come_below_the_line_of_a_job(capsys: Capture) -> None:
    Scheduler(Detailed(), Detailed()).list(details=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == ["one line", "another"] == lines[4:]


def test_numbers_have_one_width(capsys: Capture) -> None:
    Scheduler(*(Detailed() for _ in range(10))).list()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()][::9] == ["01", "10"]


def test_a_safe_list_is_there_with_a_cycle_too(capsys: Capture) -> None:
    jobs = Letters("a b:a")
    jobs["a"].requires(jobs["b"])
    scheduler = Scheduler(Scheduler(*jobs, label="inner"))
    with pytest.raises(DAGError):
        scheduler.list()
    scheduler.list_safe()
    assert capsys.readouterr().out.splitlines() == [
        "⚠   ⚐   .1 <Scheduler `inner`> ",
        "⚠   ⚐   > .2 <Job `a`> requires={.3}",
        "⚠   ⚐   > .3 <Job `b`> requires={.2}",
        "--end-- .1",
    ]
    jobs.close()


def test_why_and_stats_and_repr_before_and_after(capsys: Capture) -> None:
    scheduler = Scheduler(Detailed(), Detailed())
    assert (scheduler.why(), scheduler.stats()) == ("FINE", "0D + 0R + 2I = 2")
    scheduler.run()
    assert (scheduler.why(), scheduler.stats()) == ("FINE", "2D + 0R + 0I = 2")
    assert repr(scheduler) == "Scheduler with 2 done + 0 ongoing + 0 idle = 2 job(s)"
    failed = mixed()
    assert (failed.why(), failed.stats()) == ("a CRITICAL job has raised an exception", "3D + 1R + 1I = 5")
    late = PureScheduler(Job(endless()), timeout=0.001)
    late.run()
    assert (late.why(), late.stats()) == ("TIMED OUT after 0.001s", "0D + 1R + 0I = 1")


def test_a_debriefing_of_a_good_run_is_why_and_the_list(capsys: Capture) -> None:
    scheduler = Scheduler(Detailed(label="a"))
    scheduler.run()
    scheduler.debrief(details=True)
    assert capsys.readouterr().out.splitlines() == [
        "----- FINE",
        "1 ⚠ ☉ ☓   <Detailed `a`> [[ -> fine]] ",
        "one line",
        "another",
    ]


def test_a_debriefing_counts_exceptions_and_shows_the_stacks_of_critical_ones_first(capsys: Capture) -> None:
    mixed().debrief(silence_done_jobs=True)
    text = capsys.readouterr().out
    assert text.startswith("----- a CRITICAL job has raised an exception\n3 ")
    assert "===== 2 job(s) with an exception, including 1 critical\n----- critical: 4 <Job `bad`>\n" in text
    assert text.index("in waits") < text.index("in raising") < text.index("    ValueError: v\n")
    assert "run.py" not in text
    assert text.endswith("non-critical: lenient: KeyError: 'k'\n")


def test_a_debriefing_tells_an_inner_exception_once(capsys: Capture) -> None:
    inner = Scheduler(Job(raising(ValueError("v")), label="bad"), label="inner")
    outer = PureScheduler(inner)
    assert outer.run() is False
    outer.debrief()
    assert "===== 1 job(s) with an exception, including 1 critical\n----- critical: 2" in capsys.readouterr().out


def test_a_debriefing_tells_of_a_scheduler_whose_time_was_up(capsys: Capture) -> None:
    outer = PureScheduler(Scheduler(Job(endless()), timeout=0.001, label="inner"))
    outer.run()
    outer.debrief()
    assert "----- critical: 1 <Scheduler `inner`>" in capsys.readouterr().out


def test_entries_and_exits_as_text() -> None:
    jobs = Letters("a b:a c")
    scheduler = PureScheduler(*jobs)
    assert (scheduler.repr_entries(), scheduler.repr_exits()) == ("entries={??, ??}", "exits={??, ??}")
    assert (PureScheduler().repr_entries(), PureScheduler().repr_exits()) == ("entries=", "exits=")
    jobs.close()


def test_a_verbose_scheduler_prints_each_transition(capsys: Capture) -> None:
    a = Detailed(label="a")
    bad = Job(raising(ValueError("v")), critical=False, label="bad", required=a)
    PureScheduler(a, bad, Job(endless(), forever=True, label="f"), verbose=True).run()
    lines = capsys.readouterr().out.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d\d\d \dD \+ \dR \+ \dI = 3 ", line) for line in lines)
    told = [re.sub(r".* = 3 |: .*`(\w+)`.*| with \d.*", r" \1", line).strip() for line in lines]
    assert told == [
        *("a PureScheduler without a label starts", "STARTING a", "STARTING f", "DONE a"),
        *("STARTING bad", "RAISED bad", "CANCELLING f", "a PureScheduler without a label shuts down"),
    ]


def test_a_watch_gives_verbose_lines_their_times(capsys: Capture) -> None:
    PureScheduler(Detailed(), verbose=True, watch=Watch()).run()
    assert all(line.startswith("000.") for line in capsys.readouterr().out.splitlines())


def test_a_watch_prints_what_it_is_told_to(capsys: Capture) -> None:
    Watch("go")
    Watch("go", show_elapsed=False, show_wall_clock=True)
    Watch("both", show_wall_clock=True)
    watch = Watch(show_elapsed=False)
    watch.print_elapsed("!\n")
    Watch.print_wall_clock("!\n")
    lines = capsys.readouterr().out.splitlines()
    shapes = [re.sub(r"\d\d:\d\d:\d\d\.\d{3}", "CLOCK", re.sub(r"^000\.\d{3}", "TIME", line)) for line in lines]
    assert shapes == ["TIME go", "CLOCK go", "TIME both", "CLOCK both", "TIME!", "CLOCK!"]


def test_a_watch_counts_from_its_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 12.5, 12.5, 20.0, 20.125])
    monkeypatch.setattr("treadle.aio.watch.monotonic", lambda: next(times))
    watch = Watch(show_elapsed=False)
    assert watch.seconds() == 2.5
    assert watch.elapsed() == "002.500"
    assert watch.reset() is None  # type: ignore[func-returns-value]
    assert watch.elapsed() == "000.125"
