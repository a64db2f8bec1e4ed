"""What each walk tells its subscribers, whichever kind of walk it is, and what a subscriber may do to it: nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from treadle import DAG, Command, CommandWalk, Job, Script, Session, Subscriber, Walk
from treadle.aio import Job as CoroutineJob
from treadle.aio import Publishing, Scheduler, Sequence
from treadle.testing import CallJob

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = """
treadle: 1
actions:
  first: {sh: 'echo 1 > ${out}', out: o1}
  bad: {sh: 'exit 3', needs: first}
  behind: {sh: 'echo 2 > ${out}', out: o2, needs: bad}
"""


class Story(Subscriber):
    """Puts down what it is called with, in a few words."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.outcomes: dict[str, tuple[str, str]] = {}
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def walk_began(self, event: Any) -> None:
        self.told.append(f"began {' '.join(sorted(event.names))}")

    def action(self, event: Any) -> None:
        self.told.append(f"action {event.name} needs {' '.join(event.needs)}".rstrip())

    def decided(self, name: str, verdict: Any) -> None:
        self.told.append(f"decided {name} {verdict.decision}")

    def started(self, event: Any) -> None:
        self.told.append(f"started {event.name} {event.attempt}")

    def ended(self, event: Any) -> None:
        self.told.append(f"ended {event.name} {event.how}")
        self.outcomes[event.name] = (event.outcome.category, event.outcome.kind)
        assert event.how == event.outcome.end
        assert not event.failure or event.failure.startswith(event.outcome.reason)

    def walk_ended(self, event: Any) -> None:
        self.told.append(f"over {event.ok} {sorted(event.verdicts)}")


class Broken(Story):
    """Fails at the second call of a method."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.left = 1
        setattr(self, method, self.fail)

    def fail(self, *_: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError("on purpose")


class Plain(Walk):
    def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
        return CallJob(uid, data, notify_end, data)


def fail() -> None:
    raise ValueError("no")


def plain(root: Path, *subscribers: Subscriber) -> None:
    dag = DAG()
    dag.add_vertex("first", lambda: None)
    dag.add_vertex("bad", fail, ["first"])
    dag.add_vertex("behind", lambda: None, ["bad"])
    walk = Plain(dag)
    for one in subscribers:
        walk.bus.add(one)
    walk.run()


def commands(root: Path, *subscribers: Subscriber) -> None:
    dag = DAG()
    dag.add_vertex("first", Command(script=Script("echo 1 > o1"), outputs=["o1"]))
    dag.add_vertex("bad", Command([["false"]]), ["first"])
    dag.add_vertex("behind", Command(script=Script("echo 2 > o2"), outputs=["o2"]), ["bad"])
    walk = CommandWalk(dag, str(root))
    for one in subscribers:
        walk.bus.add(one)
    walk.run()


def session(root: Path, *subscribers: Subscriber) -> None:
    (root / "treadle.yaml").write_text(PLAN)
    made = Session(str(root / "treadle.yaml"))
    made.options.keep_going = 0
    made.options.names = ["first", "bad", "behind"]
    for one in subscribers:
        made.subscribe(one)
    made.run()


WALKS: dict[str, Callable[..., None]] = {"Walk": plain, "CommandWalk": commands, "Session": session}


@pytest.fixture(params=list(WALKS))
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    return lambda *subscribers: WALKS[request.param](tmp_path, *subscribers)


STORY = [
    "began bad behind first",
    *("action bad needs first", "action behind needs bad", "action first"),
    *("decided first run", "started first 1", "ended first ran"),
    *("decided bad run", "started bad 1", "ended bad failed"),
    *("decided behind blocked", "ended behind blocked"),
    "over False []",
]


def in_order(told: list[str]) -> list[str]:
    """Return a story with its actions in the order of their names: a graph may have any."""
    actions = sorted(one for one in told if one.startswith("action "))
    rest = [one for one in told if not one.startswith("action ")]
    return [rest[0], *(one.removesuffix(" needs") for one in actions), *rest[1:]]


def test_each_walk_tells_the_same_story(run: Callable[..., None]) -> None:
    story = Story()
    run(story)
    assert in_order(story.told) == STORY


def test_each_walk_tells_the_outcome_of_each_end(run: Callable[..., None]) -> None:
    story = Story()
    run(story)
    kind = story.outcomes.pop("bad")
    # an exception is an error, an exit code a failure
    assert kind in (("FAIL", "failed"), ("FAIL", "error"))
    assert story.outcomes == {"first": ("PASS", "success"), "behind": ("SKIP", "blocked")}


def test_two_subscribers_hear_the_same(run: Callable[..., None]) -> None:
    one, other = Story(), Story()
    run(one, other)
    assert one.told == other.told


METHODS = ["walk_began", "action", "decided", "started", "ended", "walk_ended", "round"]


@pytest.mark.parametrize("method", METHODS)
def test_one_that_raises_is_dropped_with_a_note_and_the_walk_goes_on(run: Callable[..., None], method: str) -> None:
    broken, story = Broken(method), Story()
    broken.left = 0
    run(broken, story)
    assert in_order(story.told) == STORY
    (note,) = story.notes
    assert note == f"Broken.{method} failed, and Broken is not called any more: ValueError: on purpose"


def test_an_interrupt_in_a_subscriber_is_no_failure_of_it(run: Callable[..., None]) -> None:
    class Interrupted(Subscriber):
        def started(self, event: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Interrupted())


def test_a_scheduler_of_coroutines_tells_its_subscribers_too() -> None:
    async def work() -> None:
        return None

    async def bad() -> None:
        raise ValueError("no")

    jobs = Sequence(CoroutineJob(work(), label="first"), CoroutineJob(bad(), label="bad", critical=False))
    scheduler = Scheduler(jobs)
    one, other, broken = Story(), Story(), Broken("started")
    broken.left = 0
    with Publishing(scheduler, one, broken, other):
        assert scheduler.run()
    assert one.told == other.told
    assert one.outcomes == other.outcomes == {"first": ("PASS", "success"), "bad": ("FAIL", "error")}
    assert one.told[0] == "began bad first"
    assert [told for told in one.told if told.startswith(("started", "ended"))] == [
        *("started first 1", "ended first ran", "started bad 1", "ended bad failed")
    ]
    assert one.told[-1] == "over True []"
    assert one.notes == ["Broken.started failed, and Broken is not called any more: ValueError: on purpose"]
