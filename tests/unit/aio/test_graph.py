"""The graph of the jobs: set operations, questions, cycles, and what cuts it to size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aio_jobs import Letters, names, value
from treadle.aio import Job, PureScheduler, Scheduler, Sequence
from treadle.errors import DAGError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIAMOND = "a b:a c:a d:b,c e:d f*:d"


@pytest.fixture
def letters() -> Iterator[Callable[[str], tuple[Letters, PureScheduler]]]:
    """Make a scheduler of jobs that are written as text; their coroutines are closed at the end."""
    made = []

    def make(text: str) -> tuple[Letters, PureScheduler]:
        jobs = Letters(text)
        made.append(jobs)
        return jobs, PureScheduler(*jobs)

    yield make
    for jobs in made:
        jobs.close()


Make = Any


def test_jobs_are_added_and_taken_out(letters: Make) -> None:
    jobs, scheduler = letters("a b c d")
    empty = PureScheduler()
    assert empty.add(jobs["a"]) is jobs["a"]
    assert empty.add(jobs["a"]) is jobs["a"]
    assert empty.update([jobs["b"], Sequence(jobs["c"], jobs["d"])]) is empty
    assert len(empty) == 4
    assert names(empty) == "abcd"
    assert names(PureScheduler().update(Sequence(jobs["a"]))) == "a"
    assert empty.remove(jobs["a"]) is empty
    assert jobs["a"] not in empty.jobs
    assert jobs["b"] in empty.jobs
    with pytest.raises(KeyError):
        empty.remove(jobs["a"])
    assert len(scheduler) == 4


def test_jobs_may_be_treated_as_a_set(letters: Make) -> None:
    jobs, scheduler = letters("a b c")
    scheduler.jobs.discard(jobs["a"])
    scheduler.jobs.discard(jobs["a"])
    assert scheduler.jobs == set(jobs.of("bc"))
    assert scheduler.jobs | {jobs["a"]} == set(jobs)
    assert repr(scheduler.jobs) == repr(set(scheduler.jobs))


@pytest.mark.parametrize("shape", [list, tuple, set, lambda jobs: Sequence(*jobs)])
def test_a_scheduler_takes_lists_of_jobs(letters: Make, shape: Any) -> None:
    jobs, _ = letters("a b")
    assert names(PureScheduler(shape(list(jobs)), None)) == "ab"


def test_what_is_no_job_is_refused() -> None:
    with pytest.raises(TypeError, match="a scheduler holds jobs and sequences, not 1"):
        PureScheduler(1)


def test_topological_order_honours_requirements_and_keeps_the_order_of_adding(letters: Make) -> None:
    jobs, scheduler = letters(DIAMOND)
    assert "".join(job.label for job in scheduler.topological_order()) == "abcdef"
    backwards = PureScheduler(*reversed(list(jobs)))
    order = "".join(job.label or "" for job in backwards.topological_order())
    assert sorted(order) == list("abcdef")
    assert all(order.index(one) < order.index(other) for one, other in ("ab", "ac", "bd", "cd", "de", "df"))


def test_entries_require_nothing_and_exits_are_required_by_nothing(letters: Make) -> None:
    _, scheduler = letters(DIAMOND)
    assert names(scheduler.entry_jobs()) == "a"
    assert names(scheduler.exit_jobs()) == "e"
    assert names(scheduler.exit_jobs(discard_forever=False)) == "ef"
    assert names(scheduler.exit_jobs(compute_backlinks=False)) == "e"


@pytest.mark.parametrize(
    ("of", "before", "after", "upstream", "downstream"),
    [
        ("a", "", "bc", "", "bcdef"),
        ("b", "a", "d", "a", "def"),
        ("d", "bc", "ef", "abc", "ef"),
        ("e", "d", "", "abcd", ""),
        ("be", "ad", "d", "abcd", "def"),
        ("bd", "abc", "def", "abc", "def"),
        ("", "", "", "", ""),
    ],
)
def test_neighbours_and_closures(
    letters: Make, of: str, before: str, after: str, upstream: str, downstream: str
) -> None:
    jobs, scheduler = letters(DIAMOND)
    starts = jobs.of(of)
    assert names(scheduler.predecessors(*starts)) == before
    assert names(scheduler.successors(*starts)) == after
    assert names(scheduler.predecessors_upstream(*starts)) == upstream
    assert names(scheduler.successors_downstream(*starts)) == downstream


def test_what_lies_outside_is_no_neighbour(letters: Make) -> None:
    jobs, scheduler = letters("a b:a")
    scheduler.remove(jobs["a"])
    assert scheduler.predecessors(jobs["b"]) == set()
    assert scheduler.predecessors_upstream(jobs["b"]) == set()
    assert scheduler.successors_downstream(jobs["a"]) == set()


def test_a_cycle_is_found_and_named(letters: Make) -> None:
    jobs, scheduler = letters("a b:a c:b d:c")
    assert scheduler.check_cycles() is True
    jobs["a"].requires(jobs["c"])
    assert scheduler.check_cycles() is False
    for call in (scheduler.run, scheduler.list, scheduler.dot_format, lambda: list(scheduler.topological_order())):
        with pytest.raises(DAGError, match="a cycle of 3 jobs: a -> b -> c -> a"):
            call()


@pytest.mark.parametrize("kind", [Scheduler, PureScheduler])
def test_a_cycle_within_an_inner_scheduler_is_found_and_named(kind: type[PureScheduler]) -> None:
    jobs = Letters("a b:a")
    jobs["a"].requires(jobs["b"])
    outer = kind(Scheduler(*jobs))
    assert outer.check_cycles() is False
    with pytest.raises(DAGError, match="a cycle of 2 jobs: a -> b -> a"):
        outer.run()
    jobs.close()


def test_a_run_that_was_refused_may_be_mended() -> None:
    a, b = Job(value(), label="a"), Job(value(), label="b")
    a.requires(b.requires(a))
    scheduler = Scheduler(a, b)
    with pytest.raises(DAGError):
        scheduler.run()
    a.requires(b, remove=True)
    assert scheduler.run() is True


def test_sanitize_takes_away_what_cannot_be_met_at_all_depths(letters: Make) -> None:
    jobs, _ = letters("a b:a c:b d:a,c")
    scheduler = PureScheduler(jobs["c"], Scheduler(jobs["b"], label="inner"), jobs["d"])
    assert scheduler.check_cycles() is False
    assert scheduler.sanitize() is False
    assert jobs.edges() == {"a": "", "b": "", "c": "", "d": "c"}
    assert scheduler.sanitize() is True
    assert scheduler.check_cycles() is True


@pytest.mark.parametrize(
    ("verbose", "asked", "tells"), [(True, None, True), (False, None, False), (False, True, True)]
)
def test_sanitize_says_what_it_takes_away_if_it_is_asked(
    letters: Make, capsys: pytest.CaptureFixture[str], verbose: bool, asked: bool | None, tells: bool
) -> None:
    jobs, _ = letters("a b:a")
    PureScheduler(jobs["b"], verbose=verbose).sanitize(verbose=asked)
    assert ("'a'" in capsys.readouterr().out) == tells


def test_a_job_can_be_bypassed(letters: Make) -> None:
    jobs, scheduler = letters(DIAMOND)
    scheduler.bypass_and_remove(jobs["d"])
    assert names(scheduler) == "abcef"
    assert jobs.edges() | {"d": ""} == {"a": "", "b": "a", "c": "a", "d": "", "e": "bc", "f": "bc"}
    scheduler.bypass_and_remove(jobs["a"])
    assert names(jobs["b"].required) == ""
    with pytest.raises(ValueError, match="the job 'd' is not in"):
        scheduler.bypass_and_remove(jobs["d"])


def test_a_job_of_a_sequence_can_be_bypassed(letters: Make) -> None:
    jobs, scheduler = letters("a b c")
    Sequence(*jobs)
    scheduler.bypass_and_remove(jobs["b"])
    assert names(jobs["c"].required) == "a"


@pytest.mark.parametrize(
    ("kept", "left", "edges"),
    [("adf", "adf", {"d": "", "f": "d"}), ("", "", {}), ("abd", "abd", {"b": "a", "d": "b"})],
)
def test_only_some_jobs_are_kept(letters: Make, kept: str, left: str, edges: dict[str, str]) -> None:
    jobs, scheduler = letters(DIAMOND)
    scheduler.keep_only(jobs.of(kept))
    assert names(scheduler) == left
    assert jobs.edges().items() >= edges.items()


def test_sequences_and_strangers_may_be_among_what_is_kept(letters: Make) -> None:
    jobs, scheduler = letters("a b c d")
    stranger, _ = letters("x")
    scheduler.keep_only([Sequence(jobs["a"], jobs["b"]), stranger["x"], [jobs["d"]]])
    assert names(scheduler) == "abd"


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ({}, "abcdef"),
        ({"starts": "b"}, "bdef"),
        ({"ends": "d"}, "abcd"),
        ({"starts": "b", "ends": "d"}, "bd"),
        ({"starts": "b", "keep_starts": False}, "def"),
        ({"ends": "d", "keep_ends": False}, "abc"),
        ({"starts": "b", "ends": "e", "keep_starts": False, "keep_ends": False}, "d"),
        ({"starts": "bc", "ends": "d"}, "bcd"),
        ({"starts": "e", "ends": "a"}, "ae"),
        ({"starts": "ad", "keep_starts": False}, "bcdef"),
        ({"starts": "a", "ends": "bd", "keep_ends": False}, "abc"),
    ],
)
def test_what_lies_between_is_kept(letters: Make, arguments: dict[str, Any], left: str) -> None:
    jobs, scheduler = letters(DIAMOND)
    given = {key: jobs.of(value) if isinstance(value, str) else value for key, value in arguments.items()}
    scheduler.keep_only_between(**given)
    assert names(scheduler) == left
    assert scheduler.sanitize() is True


def test_a_scheduler_that_was_cut_to_size_runs() -> None:
    jobs = Letters(DIAMOND)
    scheduler = Scheduler(*jobs)
    scheduler.keep_only_between(starts=[Sequence(jobs["b"])], ends=[jobs["e"]])
    assert scheduler.run()
    assert names(job for job in jobs if job.is_done()) == "bde"
    jobs.close()


def test_a_scheduler_that_holds_itself_is_refused() -> None:
    scheduler = Scheduler(label="me")
    scheduler.add(scheduler)
    assert scheduler.check_cycles() is False
