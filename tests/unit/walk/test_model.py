"""Thousands of walks over random graphs, in memory, against a model of a few lines.

A world holds sources, outputs and records, and changes from walk to walk. Its actions succeed, fail, are not
ready, hang until their time limit, cannot be started, ask for too much, or have fingerprints that nobody can
predict, and some run only after failures, or after any end, of what they need. What runs, how often, how it ends, where failures began and what is on record must be as the model says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import Any

import pytest

from jobs import Notify
from treadle import DAG, Job, ProcessJob, ReturnValue
from treadle.core import decision
from treadle.core.outcomes import KINDS
from treadle.scheduling.scheduler import DRAINING, Scheduler
from treadle.testing import FakeClock, ManualRunner, MemoryWalk

GRAPHS_OF_A_SEED = 60
WALKS_OF_A_GRAPH = 4
QUEUES = {"default": 3, "narrow": 1, "none": 0}
CODES = {"ok": 0, "unchanged": 126, "skip": 125, "fail": 1, "odd": 7, "notready": 75, "hang": -15}
CONDITIONS: dict[str, Callable[[str], bool]] = {
    "on_success": lambda kind: KINDS[kind][0] == "PASS" or kind == "skip",
    "on_failure": lambda kind: KINDS[kind][0] == "FAIL",
    "always": lambda kind: True,
    "timeout or (not_ready and not failed)": lambda kind: kind in ("timeout", "not_ready"),
    "not on_success": lambda kind: not (KINDS[kind][0] == "PASS" or kind == "skip"),
}
ENDS = {
    "ok": "success",
    "unchanged": "unchanged",
    "skip": "skip",
    "fail": "failed",
    "odd": "failed",
    "notready": "not_ready",
    "hang": "timeout",
    "missing": "error",
}
GOOD = ("ok", "unchanged", "skip")
MOST_ATTEMPTS = 3


class Action:
    """How one action behaves in one walk; `does` says it for each attempt, the last for all that follow."""

    def __init__(self, random: Random, predecessors: list[Hashable], conditions: dict[Hashable, str]) -> None:
        self.predecessors = predecessors
        self.conditions = conditions
        self.queue, self.tokens, self.priority = "default", 1, 0
        self.source = 0
        self.does = ["ok"]
        self.unpredictable = random.random() < 0.1
        self.untracked = random.random() < 0.1
        self.change(random)

    def change(self, random: Random) -> None:
        """Live on until the next walk."""
        if random.random() < 0.3:
            self.source = random.randrange(4)
        self.does = ["ok"]
        if random.random() < 0.35:
            self.does = random.choices([*CODES, "missing"], k=random.randint(1, 3))
        self.queue = random.choice(["default"] * 8 + ["narrow"] * 3 + ["none", "unknown"])
        self.tokens = random.choice([1, 1, 1, 1, 2, 3, 0, 4])
        self.priority = random.randint(-1, 1)
        self.delay = random.choice([0.0, 0.0, 3.0])

    @property
    def is_impossible(self) -> bool:
        """Whether it could never start."""
        return self.tokens > QUEUES.get(self.queue, -1)

    def outcome(self, attempt: int) -> str:
        """Return how an attempt ends, counted from 1."""
        return self.does[min(attempt, len(self.does)) - 1]


class World:
    """What outlives a walk.

    :param conditional: how many of its edges have a condition
    """

    def __init__(self, random: Random, conditional: float = 0.0) -> None:
        self.actions: dict[Hashable, Action] = {}
        self.outputs: dict[Hashable, int] = {}
        self.records: dict[Hashable, Any] = {}
        names: list[Hashable] = [random.choice([n, f"n{n}", (n, "t")]) for n in range(random.randint(1, 12))]
        for number, name in enumerate(names):
            few = random.sample(names[:number], min(number, random.choice([0, 1, 1, 2, 3])))
            some = [p for p in few if random.random() < conditional]
            self.actions[name] = Action(random, few, {p: random.choice(list(CONDITIONS)) for p in some})

    def graph(self, random: Random) -> DAG:
        """Return the graph, its vertices inserted in any order."""
        dag = DAG()
        for uid in random.sample(list(self.actions), len(self.actions)):
            action = self.actions[uid]
            starts: Any = action.predecessors
            if action.conditions:
                starts = {p: action.conditions.get(p, "on_success") for p in starts}
            dag.update_vertex(uid, predecessors=starts, enable_checks=False)
        return dag

    def fingerprint(self, uid: Hashable, is_prediction: bool) -> Any:
        """Return the source of an action and what came of those before it."""
        action = self.actions[uid]
        if action.untracked or (is_prediction and action.unpredictable):
            return None
        return (action.source, self.read_by(uid))

    def read_by(self, uid: Hashable) -> tuple[tuple[Hashable, int], ...]:
        """Return what came of all that an action reads."""
        return tuple((p, self.outputs[p]) for p in self.read(self.actions[uid]))

    def read(self, action: Action) -> list[Hashable]:
        """Return those that have to succeed before an action: it reads what they make."""
        return [p for p in action.predecessors if p not in action.conditions]

    def make(self, uid: Hashable) -> None:
        """Let an action do its work; different sources may make equal outputs."""
        self.outputs[uid] = self.actions[uid].source % 2 + sum(made for _, made in self.read_by(uid))


class Program(ProcessJob):
    """The job of an action of a world."""

    def __init__(self, uid: Any, world: World, notify_end: Notify) -> None:
        super().__init__(uid, None, notify_end)
        self.action = world.actions[uid]
        self.queue_name, self.tokens = self.action.queue, self.action.tokens
        self.retry_delay = self.action.delay

    @property
    def priority(self) -> int:
        return self.action.priority

    @property
    def cmdline(self) -> list[str]:
        return ["missing" if self.action.outcome(self.attempt) == "missing" else "there"]


class WorldWalk(MemoryWalk):
    """Walks a world with a fake runner that ends programs in any order."""

    def __init__(self, world: World, random: Random, drain_after: int | None) -> None:
        super().__init__(world.graph(random), world.records)
        self.world = world
        self.random = random
        self.drain_after = drain_after
        self.attempts: dict[Hashable, int] = {}
        self.clock = FakeClock()

    def set_scheduling_params(self) -> None:
        self.queues = QUEUES
        self.job_timeout = 50.0

    def create_scheduler(self) -> Scheduler:
        scheduler = super().create_scheduler()
        scheduler.clock, scheduler.tick = self.clock, 0.0
        scheduler.runner = runner = ManualRunner(self.clock, self.play)
        runner.unstartable["missing"] = "missing: the program was not found"
        scheduler.log_state = self.look  # type: ignore[method-assign]
        return scheduler

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        return self.world.fingerprint(uid, is_prediction)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        assert predecessors == set(self.world.actions[uid].predecessors)
        return Program(uid, self.world, notify_end)

    def about_to_start(self, jobs: list[Job]) -> None:
        super().about_to_start(jobs)
        for job in jobs:
            self.attempts[job.uid] = self.attempts.get(job.uid, 0) + 1
            action = self.world.actions[job.uid]
            for p in action.predecessors:
                assert CONDITIONS[action.conditions.get(p, "on_success")](self.outcomes[p].kind)

    def request_requeue(self, job: Job) -> bool:
        return job.attempt < MOST_ATTEMPTS

    def look(self) -> None:
        """Check what runs side by side, and let time pass."""
        assert self.scheduler is not None
        jobs = self.scheduler.active_jobs
        for queue, most in QUEUES.items():
            assert sum(job.tokens for job in jobs if job.queue_name == queue) <= most
        assert len({job.slot for job in jobs}) == len(jobs)
        self.clock.advance(1.0)
        if self.drain_after is not None and sum(self.attempts.values()) >= self.drain_after:
            self.stop(DRAINING)
            self.drain_after = None

    def play(self, runner: ManualRunner) -> None:
        """End some of what runs; what hangs ends when it is asked to."""
        for job in self.random.sample(list(runner.running), self.random.randint(0, len(runner.running))):
            assert isinstance(job, Program)
            outcome = job.action.outcome(job.attempt)
            if outcome != "hang" or job in runner.stopped:
                if outcome in GOOD:
                    self.world.make(job.uid)
                if outcome == "hang":
                    runner.stopped.remove(job)
                runner.end(job, CODES[outcome])


class Expected:
    """The model: what one walk does to a world, told action by action.

    :param reached: the actions that the walk came to; None for all
    """

    def __init__(self, world: World, reached: dict[Hashable, ReturnValue], drained: bool) -> None:
        self.status: dict[Hashable, ReturnValue] = {}
        self.kinds: dict[Hashable, str] = {}
        self.met_by: dict[Hashable, list[Hashable]] = {}
        self.attempts: dict[Hashable, int] = {}
        self.origins: dict[Hashable, set[Hashable]] = {}
        self.records = dict(world.records)
        self.outputs = dict(world.outputs)
        self.fingerprints: dict[Hashable, Any] = {}
        self.world = world
        for uid, action in world.actions.items():
            if uid in reached:
                self.walk(uid, action, drained and reached[uid] == ReturnValue.notready)

    def walk(self, uid: Hashable, action: Action, no_requeue: bool) -> None:
        """Walk one action, those before it are done."""
        ends = {p: self.kinds[p] for p in action.predecessors}
        unmet = [p for p, kind in ends.items() if not CONDITIONS[action.conditions.get(p, "on_success")](kind)]
        failed = [p for p in unmet if KINDS[ends[p]][0] == "FAIL" or ends[p] in ("blocked", "not_ready")]
        if failed:
            self.end(uid, "blocked")
            self.origins[uid] = {o for p in failed for o in self.origins.get(p, {p})}
            return
        if unmet:
            self.end(uid, "not_needed")
            return
        self.met_by[uid] = [
            p for p, kind in ends.items() if kind != "not_needed" and not CONDITIONS["on_success"](kind)
        ]
        question = None
        if not action.untracked:
            question = (action.source, tuple((p, self.outputs[p]) for p in self.world.read(action)))
        tracked = all(self.fingerprints.get(p) is not None for p, kind in ends.items() if kind != "not_needed")
        known = tracked and not action.unpredictable and question is not None and not self.met_by[uid]
        self.fingerprints[uid] = question
        if known and self.records.get(uid) == question:
            self.end(uid, "skip")
        elif action.is_impossible:
            self.end(uid, "invalid")
        else:
            self.run(uid, action, question, no_requeue)

    def run(self, uid: Hashable, action: Action, question: Any, no_requeue: bool) -> None:
        """Run one action until it is ready, or often enough."""
        self.records.pop(uid, None)
        outcomes = [action.outcome(attempt) for attempt in range(1, MOST_ATTEMPTS + 1)]
        attempts = next((n for n, o in enumerate(outcomes, 1) if o != "notready"), MOST_ATTEMPTS)
        last = outcomes[attempts - 1]
        if no_requeue:
            attempts, last = 0, "notready"
        self.attempts[uid] = attempts
        self.end(uid, ENDS[last])
        if last in GOOD:
            made = sum(self.outputs[p] for p in self.world.read(action))
            self.outputs[uid] = action.source % 2 + made
            if question is not None:
                self.records[uid] = question

    def end(self, uid: Hashable, kind: str) -> None:
        """Note how an action ends."""
        self.kinds[uid], self.status[uid] = kind, KINDS[kind][2]


def check(walk: WorldWalk, world: World, expected: Expected, drained: bool) -> None:
    """Compare what a walk has done with what the model says."""
    assert walk.job_status == expected.status
    assert {uid: ended.kind for uid, ended in walk.outcomes.items()} == expected.kinds
    assert world.records == expected.records
    assert world.outputs == expected.outputs
    assert walk.failure_source == expected.origins
    for uid, attempts in expected.attempts.items():
        # 0: the walk was told to end before the action was ready
        assert walk.attempts[uid] == attempts or (attempts == 0 and drained)
    assert walk.attempts.keys() == expected.attempts.keys()
    for uid, kind in expected.kinds.items():
        verdict = walk.verdicts[uid]
        outcome = {"skip": decision.SKIP, "blocked": decision.BLOCKED, "not_needed": decision.NOT_NEEDED}.get(
            kind, decision.RUN
        )
        met_by = [why.name for why in verdict.reasons if why.kind == decision.MET_BY]
        assert sorted(met_by) == sorted(map(str, expected.met_by.get(uid, ())))
        assert verdict.decision == (decision.RUN if uid in expected.attempts else outcome)
        assert bool(verdict.reasons) is (verdict.decision != decision.SKIP)


@pytest.mark.parametrize("conditional", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(20))
def test_walks_do_what_the_model_says(seed: int, conditional: float) -> None:
    """C2 to C6, where edges have conditions."""
    random = Random(seed)
    for _ in range(GRAPHS_OF_A_SEED):
        world = World(random, conditional)
        for _ in range(WALKS_OF_A_GRAPH):
            drain_after = random.choice([None, None, None, random.randint(0, 8)])
            before = World(random, conditional)
            before.actions, before.outputs, before.records = world.actions, dict(world.outputs), dict(world.records)
            walk = WorldWalk(world, random, drain_after)
            report = walk.run()
            drained = report.interrupted
            assert drained or walk.job_status.keys() == world.actions.keys()
            check(walk, world, Expected(before, walk.job_status, drained), drained)
            for action in world.actions.values():
                action.change(random)


def test_the_walks_of_the_model_see_all_there_is() -> None:
    random = Random(0)
    statuses: set[ReturnValue | None] = set()
    kinds: set[str] = set()
    attempts: set[int] = set()
    for number in range(GRAPHS_OF_A_SEED):
        world = World(random, 0.5 * (number % 2))
        for _ in range(WALKS_OF_A_GRAPH):
            report = WorldWalk(world, random, random.choice([None, 2])).run()
            statuses.update(action.status for action in report.actions.values())
            attempts.update(action.attempt for action in report.actions.values())
            kinds.update(
                r.kind for a in report.actions.values() if a.verdict is not None for r in a.verdict.reasons
            )
            for action in world.actions.values():
                action.change(random)
    assert statuses == {None, *ReturnValue} - {ReturnValue.unknown}
    assert attempts == {0, 1, 2, 3}
    assert kinds == {
        *(decision.NEW, decision.CHANGED, decision.NO_PREDICTION, decision.UNTRACKED, decision.BLOCKED_BY),
        *(decision.MET_BY, decision.ONLY_IF),
    }
