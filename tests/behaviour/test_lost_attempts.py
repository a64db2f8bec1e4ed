"""What happens when an engine says that the worker of an attempt went away: a fake engine that loses attempts."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest

from elsewhere import Elsewhere
from treadle import DAG, Attempt, BaseRunner, Command, CommandWalk, Limits, Report, Retries, Settings
from treadle.errors import TreadleError

if TYPE_CHECKING:
    from pathlib import Path

LOST, KILLED = "lost", "killed with its node"


class Losing(BaseRunner):
    """Runs nothing: attempts end as the test says, one after the other, on hosts a, b, c, ..."""

    def __init__(self, *ends: int | str) -> None:
        super().__init__()
        self.ends = deque(ends)
        self.submitted = 0

    def submit(self, key: object, attempt: Attempt) -> None:
        del attempt
        self.submitted += 1
        host = "abcdefgh"[self.submitted - 1]
        end = self.ends.popleft()
        if isinstance(end, int):
            self.report(key, end, host=host)
        elif end in (LOST, KILLED):
            self.report(key, None if end == LOST else -9, cause="lost", host=host)
        else:
            self.report(key, -9, cause=end, host=host)

    def cancel(self, key: object, *, at_once: bool) -> None:
        raise AssertionError((key, at_once))


def run(root: Path, engine: BaseRunner, limits: Limits | None = None, settings: Settings | None = None) -> Report:
    dag = DAG()
    dag.add_vertex("a", Command(["true"], limits=limits))
    walk = Elsewhere(dag, str(root), settings or Settings(jobs=1))
    walk.engines["far"] = engine
    return walk.run()


def test_what_is_lost_is_tried_again_without_any_retries(tmp_path: Path) -> None:
    """R1: a loss is no fault of the action."""
    engine = Losing(LOST, LOST, LOST, 0)
    report = run(tmp_path, engine)
    assert report.ok
    assert report.actions["a"].attempt == 4


def test_the_fourth_loss_ends_it_as_lost_with_the_hosts(tmp_path: Path) -> None:
    """R1: the bound of losses."""
    engine = Losing(LOST, LOST, LOST, LOST, 0)
    action = run(tmp_path, engine).actions["a"]
    assert engine.submitted == 4
    assert action.outcome.kind == "lost"
    assert [one.host for one in action.attempts] == ["a", "b", "c", "d"]
    assert [one.outcome.kind for one in action.attempts] == ["lost"] * 4
    assert action.failure == "its worker went away while it ran (on d); lost 4 times, on a, b, c, d"


@pytest.mark.parametrize(
    ("retries", "ends", "attempts", "kind"),
    [
        (Retries(2), (LOST, 1, LOST, 1, LOST, 1, 0), 6, "failed"),
        (Retries(1), (LOST, LOST, LOST, 1, 0), 5, "success"),
        (Retries(1), (1, LOST, LOST, LOST, LOST, 0), 5, "lost"),
        (Retries(2, on=["timeout"]), (LOST, 0), 1, "lost"),
        (Retries(0, on=["lost"]), (LOST, 0), 2, "success"),
        (Retries(0, on=["lost"], passes=2), (LOST, 0, LOST, 0), 4, "success"),
        (Retries(0, on=["lost"], passes=2), (0, LOST, 1, 0), 3, "failed"),
        (Retries(3, on=["lost"]), (LOST, 1, 0), 2, "failed"),
        (Retries(2, on=["memory"]), ("out_of_memory", "out_of_memory", 0), 3, "success"),
        (Retries(2, on=["memory"]), (1, 0), 1, "failed"),
        (Retries(2, on=["memory"]), (-9, 0), 1, "failed"),
        (Retries(2, on=["signal KILL"]), ("out_of_memory", 0), 2, "success"),
        (Retries(2), ("out_of_memory", 0), 2, "success"),
    ],
)
def test_losses_count_nothing_of_max(
    tmp_path: Path, retries: Retries, ends: tuple[int | str, ...], attempts: int, kind: str
) -> None:
    """R1: losses have a bound of their own, and words say what is tried again."""
    action = run(tmp_path, Losing(*ends), Limits(retries=retries)).actions["a"]
    assert (action.attempt, action.outcome.kind) == (attempts, kind)


def test_an_attempt_that_was_lost_leaves_no_record(tmp_path: Path) -> None:
    """R1: the next run begins anew, with no losses."""
    assert not run(tmp_path, Losing(LOST, LOST, LOST, LOST)).ok
    engine = Losing(LOST, LOST, LOST, 0)
    assert run(tmp_path, engine).ok
    assert engine.submitted == 4


def test_an_engine_may_say_that_something_was_lost_and_give_the_code(tmp_path: Path) -> None:
    """R1: the code of what was killed with its node is no failure of the action."""
    assert run(tmp_path, Losing(KILLED, 0)).ok


class Breaking(Losing):
    def submit(self, key: object, attempt: Attempt) -> None:
        if not self.submitted:
            self.submitted += 1
            raise TreadleError("the queue is closed")
        super().submit(key, attempt)


def test_what_an_engine_did_not_take_is_tried_again(tmp_path: Path) -> None:
    engine = Breaking(0)
    assert run(tmp_path, engine, Limits(retries=Retries(1))).ok


def test_what_cannot_be_started_here_is_not_tried_again(tmp_path: Path) -> None:
    """R1: `any` is no error of our own description."""
    dag = DAG()
    (tmp_path / "text").write_text("no program")
    dag.add_vertex("a", Command(["./text"], limits=Limits(retries=Retries(3))))
    action = CommandWalk(dag, str(tmp_path)).run().actions["a"]
    assert (action.attempt, action.outcome.kind) == (1, "error")
