"""Subscribers of a Walk, of a CommandWalk and of a Session hear the same story; one that is wrong changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from treadle import (
    DAG,
    Command,
    CommandWalk,
    Job,
    Limits,
    ProcessJob,
    Report,
    Session,
    Subscriber,
    UsageError,
    Walk,
)
from treadle.command.command import Retries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from treadle.events.bus import Ended

COMMANDS = {"a": "true", "b": "exit 75", "c": "true"}
PLAN = """treadle: 1
default: [c]
actions:
  a: {sh: "true"}
  b: {sh: "exit 75", needs: a, retries: {max: 1, backoff: BACKOFF}}
  c: {sh: "true", needs: b}
"""
METHODS = [name for name, one in vars(Subscriber).items() if callable(one) and not name.startswith("_")]


class Program(ProcessJob):
    """A command of a shell."""

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", self.data]


class Programs(Walk):
    """A walk of commands of a shell; what is not ready is tried once more."""

    delay = 0.0

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        return Program(uid, data, notify_end)

    def request_requeue(self, job: Any) -> bool:
        job.retry_delay = self.delay
        return bool(job.attempt < 2)


def graph(make: Callable[[str], Any]) -> DAG:
    dag = DAG()
    last: tuple[str, ...] = ()
    for name, text in COMMANDS.items():
        dag.add_vertex(name, make(text), predecessors=last)
        last = (name,)
    return dag


def walk(backoff: float) -> tuple[Callable[[], Report], Callable[[Subscriber], None], Callable[[], None]]:
    made = Programs(graph(str))
    made.delay = backoff
    return made.run, made.bus.add, made.stop


def command_walk(backoff: float) -> tuple[Callable[[], Report], Callable[[Subscriber], None], Callable[[], None]]:
    limits = Limits(retries=Retries(1, backoff=backoff))
    made = CommandWalk(graph(lambda text: Command(["sh", "-c", text], limits=limits)), ".")
    return made.run, made.bus.add, made.stop


def session(backoff: float) -> tuple[Callable[[], Report], Callable[[Subscriber], None], Callable[[], None]]:
    with open("treadle.yaml", "w") as file:
        file.write(PLAN.replace("BACKOFF", f"{round(backoff * 1000) or 1}ms"))
    made = Session("treadle.yaml")
    return made.run, made.subscribe, made.stop


KINDS = pytest.mark.parametrize("kind", [walk, command_walk, session])


class Keeper(Subscriber):
    """Keeps what it is told, and calls what is given for one of the methods."""

    def __init__(self, **calls: Callable[[], None]) -> None:
        self.said: list[tuple[str, ...]] = []
        self.ends: list[Ended] = []
        self.calls = calls

    def _take(self, method: str, given: tuple[Any, ...]) -> None:
        about = getattr(given[0], "name", given[0]) if given else ""
        self.said.append((method, about if isinstance(about, str) else ""))
        if method == "ended":
            self.ends.append(given[0])
        if method in self.calls:
            self.calls[method]()

    def of(self, *methods: str) -> list[tuple[str, ...]]:
        return [one for one in self.said if one[0] in methods]


for _name in METHODS:
    setattr(Keeper, _name, lambda self, *given, _name=_name: self._take(_name, given))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@KINDS
def test_the_story_is_the_same(kind: Any) -> None:
    run, add, _ = kind(0)
    keeper = Keeper()
    add(keeper)
    run()
    story = keeper.of("walk_began", "decided", "started", "attempt_ended", "ended", "walk_ended")
    tries = [("decided", "b"), ("started", "b"), ("attempt_ended", "b"), ("started", "b"), ("ended", "b")]
    first = [("walk_began", ""), ("decided", "a"), ("started", "a"), ("ended", "a"), *tries]
    # the command ends a run at its first failure
    rest = [("decided", "c"), ("ended", "c")] if kind is not session else []
    assert story == [*first, *rest, ("walk_ended", "")]
    assert [end.exit_code for end in keeper.ends[:2]] == [0, 75]
    assert keeper.of("round")


@KINDS
def test_what_was_to_be_tried_again_and_is_not_has_an_end(kind: Any) -> None:
    run, add, stop = kind(300.0)
    keeper = Keeper(attempt_ended=stop)
    add(keeper)
    assert run().interrupted
    assert keeper.of("attempt_ended", "ended", "walk_ended") == [
        ("ended", "a"),
        ("attempt_ended", "b"),
        ("ended", "b"),
        ("walk_ended", ""),
    ]
    assert (keeper.ends[-1].how, keeper.ends[-1].delay) == ("failed", None)


class MuteError(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def failing(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("error", [ValueError("on purpose"), MuteError()])
@KINDS
def test_one_that_raises_is_dropped_and_the_run_is_the_same(kind: Any, error: Exception, method: str) -> None:
    run, add, _ = kind(0)
    bad, other = Keeper(**{method: failing(error)}), Keeper()
    add(bad)
    add(other)
    found = {uid: one.attempt for uid, one in run().actions.items()}
    assert found == {"a": 1, "b": 2, "c": 0}
    assert len(bad.of(method)) <= 1
    notes = [about for what, about in other.said if what == "note"]
    assert len(notes) == len(bad.of(method))
    assert all(note.startswith(f"Keeper.{method} failed, and Keeper is not called any more: ") for note in notes)


def test_one_that_fails_within_its_own_failure_is_dropped_once() -> None:
    made = Programs(graph(str))

    def fail() -> None:
        made.bus.publish("note", "again")
        raise ValueError("outer")

    made.bus.add(Keeper(started=fail, note=failing(ValueError("inner"))))
    assert made.run().actions["b"].attempt == 2


@pytest.mark.parametrize("given", [Subscriber, None, print, "a"])
@KINDS
def test_what_is_no_subscriber_is_refused(kind: Any, given: Any) -> None:
    _, add, _ = kind(0)
    with pytest.raises(
        UsageError, match=r"cannot subscribe: expected an object of a subclass of treadle\.Subscriber"
    ):
        add(given)


def test_what_is_not_recorded_is_said_by_each_walk() -> None:
    class Moving(Programs):
        def inputs_moved(self, uid: Any, before: Any, after: Any) -> list[str]:
            return ["x"] if uid == "a" else []

    made, keeper = Moving(graph(str)), Keeper()
    made.bus.add(keeper)
    made.run()
    assert keeper.of("note") == [("note", "a is not recorded, it will run again: changed while it ran: x")]
