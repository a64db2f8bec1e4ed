"""Jobs that ask for resources: what they get, what they wait for, and what is refused before anything starts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import treadle
from aio_jobs import NODES, POOLS, Log, endless, raising, some_asks, turn, value
from treadle import DAG, Command, Environment, Limits, Pool, Script
from treadle.aio import AbstractJob, ActionJob, Job, ProcessJob, PureScheduler, Scheduler
from treadle.errors import RunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOON = 0.001
POOL = Pool({"gpus": ["0", "1"], "memory": 16 << 30, "licences": 1})


class Asking(AbstractJob):
    """A job that takes some turns, and notes with whom it runs side by side."""

    def __init__(self, running: list[Asking], label: str, turns: int = 3, **options: Any) -> None:
        self.running = running
        self.turns = turns
        self.most = 0
        self.beside: set[str] = set()
        super().__init__(label=label, **options)

    async def co_run(self) -> Any:
        self.running.append(self)
        for _ in range(self.turns):
            self.beside.update(str(job.label) for job in self.running if job is not self)
            await turn()
        self.running.remove(self)
        return self.resources


def test_a_job_is_given_all_that_it_asks_for_and_learns_what_it_got() -> None:
    """A1."""
    running: list[Asking] = []
    a, b, c = (Asking(running, name, resources={"gpus": 1, "memory": "6GiB"}) for name in "abc")
    plain = Asking(running, "plain")
    assert Scheduler(a, b, c, plain, pool=POOL).run()
    assert [job.result().instances for job in (a, b, c)] == [{"gpus": ("0",)}, {"gpus": ("1",)}, {"gpus": ("0",)}]
    assert a.result().amounts == {"gpus": 1, "memory": 6 << 30}
    assert a.resources is a.result()
    assert plain.result() is None
    assert (a.beside, plain.beside) == ({"b", "plain"}, {"a", "b"})


def test_small_demands_pass_a_large_one_but_no_more_than_so_often() -> None:
    """A6: after eight starts that took of what it asks for, room is kept for it."""
    log = Log()
    first = log.job("first", resources={"gpus": 1})
    wide = log.job("wide", resources={"gpus": 2})
    small = [log.job(f"s{number}", resources={"gpus": 1}) for number in range(20)]
    assert Scheduler(first, wide, *small, pool=POOL).run()
    assert log.starts().index("wide") == 9


def test_jobs_that_share_a_mutex_never_run_side_by_side() -> None:
    running: list[Asking] = []
    a = Asking(running, "a", mutex=["db", "net"])
    b = Asking(running, "b", mutex="net")
    c = Asking(running, "c", mutex=["db"])
    assert Scheduler(a, b, c).run()
    assert (a.beside, b.beside, c.beside) == (set(), {"c"}, {"b"})


@pytest.mark.parametrize("is_nested", [False, True])
def test_an_exclusive_job_runs_alone_in_all_schedulers(is_nested: bool) -> None:
    """A8."""
    running: list[Asking] = []
    alone = Asking(running, "alone", exclusive=True)
    others = [Asking(running, name) for name in "abcd"]
    inner = Scheduler(*others[:2], *([alone] if is_nested else []), jobs_window=2)
    outer = Scheduler(inner, *others[2:], *([] if is_nested else [alone]))
    assert outer.run()
    assert alone.is_done()
    assert (alone.beside, others[2].beside >= {"d"}) == (set(), True)


def test_at_most_so_many_jobs_run_in_all_schedulers() -> None:
    """A9: the limit of the run is one more type of the pool."""
    running: list[Asking] = []
    jobs = [Asking(running, str(number)) for number in range(12)]
    deep = Scheduler(Scheduler(*jobs[:6]), *jobs[6:9])
    most = 0

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, len(running))
            await turn()

    run = Job(PureScheduler(deep, *jobs[9:], max_running=3).co_run())
    assert Scheduler(run, Job(look(), forever=True)).run()
    assert (run.result(), most) == (True, 3)


def test_nested_schedulers_share_the_pool_of_the_outermost_one() -> None:
    running: list[Asking] = []
    jobs = [Asking(running, name, resources={"gpus": 1}) for name in "abcdef"]
    inner = Scheduler(*jobs[:2], Scheduler(*jobs[2:4], label="deep"), label="inner", jobs_window=2)
    assert Scheduler(inner, *jobs[4:], pool=POOL).run()
    by_gpu = Counter(job.result().instances["gpus"] for job in jobs)
    assert by_gpu == {("0",): 3, ("1",): 3}
    assert all(len(job.beside) <= 2 for job in jobs)


def test_a_window_and_resources_are_had_at_once() -> None:
    """A1, A4: a job that waits for a GPU takes no place of the window."""
    running: list[Asking] = []
    a, b = (Asking(running, name, resources={"gpus": 2}) for name in "ab")
    plain = [Asking(running, str(number)) for number in range(3)]
    assert Scheduler(a, b, *plain, jobs_window=2, pool=POOL).run()
    # b waits for GPUs and takes no place of the window meanwhile
    assert a.beside == {"0"}
    assert b.beside == {"1"}


def test_what_a_nested_scheduler_asks_for_is_held_while_it_runs() -> None:
    running: list[Asking] = []
    inner = Scheduler(Asking(running, "in", 9), resources={"licences": 1}, mutex=["db"], label="inner")
    licence = Asking(running, "licence", resources={"licences": 1})
    database = Asking(running, "db", mutex=["db"])
    free = Asking(running, "free", 9)
    assert Scheduler(inner, licence, database, free, pool=POOL).run()
    assert inner.resources is not None
    assert inner.resources.amounts == {"licences": 1}
    assert (licence.beside & {"in"}, database.beside & {"in"}, free.beside & {"in"}) == (set(), set(), {"in"})


def test_nested_schedulers_that_could_wait_for_each_other_run_one_after_the_other() -> None:
    """Each holds one of two GPUs, and its job asks for another one."""
    running: list[Asking] = []
    jobs = [Asking(running, name, resources={"gpus": 1}) for name in "abc"]
    inner = [Scheduler(job, Asking(running, f"{job.label}2"), resources={"gpus": 1}) for job in jobs]
    other = Scheduler(Asking(running, "x", 20), mutex=["db"])
    assert Scheduler(*inner, other, pool=POOL).run()
    assert jobs[0].beside == {"a2", "x"}
    assert jobs[1].beside == {"b2", "x"}


def test_nested_schedulers_that_hold_other_things_run_side_by_side() -> None:
    running: list[Asking] = []
    jobs = [Asking(running, name, resources={"gpus": 1}) for name in "ab"]
    assert Scheduler(*(Scheduler(job, mutex=[str(job.label)]) for job in jobs), pool=POOL).run()
    assert jobs[0].beside == {"b"}


def test_a_scheduler_that_ends_early_gives_back_what_its_jobs_hold_and_lets_go_what_waits() -> None:
    running: list[Asking] = []
    holds = Job(endless(), resources={"gpus": 2}, label="holds")
    waits = [Job(value(), resources={"gpus": 1 + number % 2}) for number in range(20)]
    inner = Scheduler(holds, *waits, timeout=SOON, critical=False, label="inner")
    after = Asking(running, "after", resources={"gpus": 2})
    assert Scheduler(inner, after, pool=POOL).run()
    assert inner.result() is False
    assert after.is_done()
    assert all(job.is_scheduled() and not job.is_running() for job in waits)


def test_a_job_that_fails_or_is_cancelled_gives_back_what_it_held() -> None:
    async def leaves() -> None:
        raise asyncio.CancelledError

    jobs = [Job(raising(ValueError()), critical=False, resources={"gpus": 2}) for _ in range(3)]
    jobs += [Job(leaves(), critical=False, resources={"gpus": 2}) for _ in range(3)]
    last = Job(value("last"), resources={"gpus": 2})
    assert Scheduler(*jobs, last, pool=POOL).run()
    assert last.result() == "last"


def test_a_run_can_be_repeated_and_a_new_one_begins_with_all_of_the_pool() -> None:
    scheduler = Scheduler(Asking([], "a", resources={"gpus": 2}), pool=POOL)
    assert scheduler.run()
    assert scheduler.run()
    assert scheduler._aio_shared is None


def test_what_is_exclusive_waits_for_no_scheduler_around_it() -> None:
    """A8: a scheduler is no job that runs."""
    running: list[Asking] = []
    alone = Asking(running, "alone", exclusive=True)
    inner = Scheduler(Scheduler(alone, Asking(running, "beside")), resources={"gpus": 1})
    assert Scheduler(inner, Asking(running, "out"), pool=POOL).run()
    assert alone.beside == set()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"resources": {"gpus": 3}},
            "'it' can never start: it asks for 3 of 'gpus', of which the pool has at most 2",
        ),
        ({"resources": {"tape": 1}}, "'it' can never start: it asks for 1 of 'tape', which the pool does not have"),
        ({"resources": {"memory": "17GiB"}}, "'it' can never start: it asks for .* of 'memory'"),
        ({"resources": {"memory": "8"}}, "'it' asks for '8' of 'memory', which needs a unit, such as 8GiB"),
        ({"resources": {"gpus": "many"}}, "'it' asks for 'many' of 'gpus', which must be a whole number"),
        ({"resources": {"gpus": -1}}, "'it': the demand for 'gpus' is -1"),
        ({"resources": {"gpus": 0.5}}, "'it': the demand for 'gpus' is 0.5"),
        ({"resources": {"_run": 1}}, "'it': '_run' is no type of a resource"),
        ({"resources": {3: "1"}}, "'it': 3 is no type of a resource"),
        ({"resources": ["gpus"]}, r"'it' asks for the resources \['gpus'\]\n  expected a dict: type -> amount"),
        ({"mutex": 3}, "'it' has the mutex 3\n  expected a name, or a list of names"),
        ({"mutex": [""]}, r"'it' has the mutex \[''\]"),
        ({"exclusive": "yes"}, "'it' has exclusive='yes'"),
    ],
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_what_could_never_be_met_is_refused_by_name_before_anything_starts(
    options: dict[str, Any], words: str, is_nested: bool
) -> None:
    """A7."""
    log = Log()
    job = log.job("it", **options)
    scheduler = Scheduler(log.job("first"), Scheduler(job) if is_nested else job, pool=POOL)
    with pytest.raises(UsageError, match=words):
        scheduler.run()
    assert log == []
    scheduler.close_all_jobs()


def nest(job: Job, *around: dict[str, Any], **options: Any) -> Scheduler:
    """Put a job into schedulers, the first of which is the innermost, and these into one with options."""
    inner: Any = job
    for number, asked in enumerate(around):
        inner = Scheduler(inner, label=f"around {number}", **asked)
    return Scheduler(inner, **options)


SHARED = Pool({"gpus": ["0", "1"]}, slots={"gpus": 2})


@pytest.mark.parametrize(
    ("asked", "around", "pool", "words"),
    [
        (
            {"resources": {"gpus": 2}},
            [{"resources": {"gpus": 1}}],
            POOL,
            "'it' can never start: the schedulers around",
        ),
        ({"resources": {"gpus": 1}}, [{"resources": {"gpus": 1}}], POOL, None),
        ({"resources": {"gpus": 1}}, [{"resources": {"gpus": 1}}] * 2, POOL, "the scheduler 'around 0'|'it'"),
        ({"resources": {"memory": "8GiB"}}, [{"resources": {"memory": "8GiB"}}], POOL, None),
        ({"resources": {"memory": "8GiB"}}, [{"resources": {"memory": "9GiB"}}], POOL, "'it' can never start"),
        ({"resources": {"cpus": 4}}, [{"resources": {"cpus": 4}}], NODES, None),
        ({"resources": {"cpus": 4}}, [{"resources": {"cpus": 4}}] * 2, NODES, "'it' can never start"),
        ({"resources": {"gpus": 1}}, [{"resources": {"cpus": 4}}] * 2, NODES, None),
        ({"resources": {"gpus": 1, "cpus": 1}}, [{"resources": {"cpus": 4}}], NODES, "'it' can never start"),
        ({"resources": {"gpus": 2}}, [{"resources": {"gpus": 1}}], SHARED, None),
        ({"resources": {"gpus": 2}}, [{"resources": {"gpus": 1}}] * 2, SHARED, "'it' can never start"),
        ({"mutex": ["db"]}, [{"mutex": ["db"]}], POOL, "a scheduler around it holds the mutex 'db'"),
        ({"mutex": ["db"]}, [{}, {"mutex": ["db"]}], POOL, "a scheduler around it holds the mutex 'db'"),
        ({"mutex": ["db"]}, [{"mutex": ["net"]}], POOL, None),
        ({}, [{"exclusive": True}], POOL, "'around 0' is exclusive, so that no job in it could ever start"),
        ({}, [{"resources": {"gpus": 3}}], POOL, "the scheduler 'around 0' can never start: it asks for 3"),
    ],
)
def test_what_the_schedulers_around_a_job_hold_is_counted_before_anything_starts(
    asked: dict[str, Any], around: list[dict[str, Any]], pool: Pool, words: str | None
) -> None:
    """A7."""
    log = Log()
    scheduler = nest(log.job("it", **asked), *around, pool=pool)
    if words is None:
        assert scheduler.run()
        assert log.starts() == ["it"]
        return
    with pytest.raises(UsageError, match=words):
        scheduler.run()
    assert log == []
    scheduler.close_all_jobs()


@pytest.mark.parametrize(
    ("outer", "inner", "words"),
    [
        ({}, {"pool": POOL}, "the scheduler 'inner' has a pool, and is in another scheduler"),
        ({"pool": Pool({"gpus": 2})}, {"pool": POOL}, "the scheduler 'inner' has a pool"),
        ({}, {"max_running": 3}, "'inner' has a max_running, .*\n.*\n.*or jobs_window to this one"),
        ({"pool": {"gpus": 2}}, {}, "the pool of a Scheduler without a label is {'gpus': 2}\n  expected a Pool"),
        ({"max_running": 0}, {}, "the max_running of a Scheduler without a label is 0"),
        ({"max_running": True}, {}, "the max_running of .* is True"),
        ({"pool": POOL}, {"pool": POOL}, None),
    ],
)
def test_a_pool_is_given_to_the_outermost_scheduler(outer: Any, inner: Any, words: str | None) -> None:
    scheduler = Scheduler(Scheduler(Job(value()), label="inner", **inner), **outer)
    if words is None:
        assert scheduler.run()
        return
    with pytest.raises(UsageError, match=words):
        scheduler.run()
    scheduler.close_all_jobs()


@pytest.mark.parametrize(
    ("endless_asks", "asks"),
    [
        ({"resources": {"gpus": 1}}, {"resources": {"gpus": 2}}),
        ({"mutex": "x"}, {"mutex": "x"}),
        ({}, {"exclusive": True}),
    ],
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_what_waits_for_jobs_for_ever_ends_the_run_by_name(endless_asks: Any, asks: Any, is_nested: bool) -> None:
    service = Job(endless(), forever=True, label="service", **endless_asks)
    job: Any = Job(value(), label="it", **asks)
    scheduler = Scheduler(service, Job(value()), Scheduler(job) if is_nested else job, pool=POOL)
    with pytest.raises(RunError, match="holds what 'it' would need to start\n  for ever run 'service'"):
        scheduler.run()


def test_with_a_time_limit_it_is_only_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    service = Job(endless(), forever=True, label="service", mutex="x")
    scheduler = PureScheduler(service, Job(value(), mutex="x", label="it"), timeout=SOON)
    assert scheduler.run() is False
    assert "holds what 'it' would need to start" in caplog.text


def test_jobs_for_ever_that_fill_a_window_are_named_also_with_resources() -> None:
    service = Job(endless(), forever=True, label="service", mutex="x")
    with pytest.raises(RunError, match="fill the window of 1, and 1 more wait"):
        Scheduler(service, Job(value()), jobs_window=1).run()


def test_cancelling_a_run_leaves_nothing_that_waits_or_runs() -> None:
    log = Log()

    async def main() -> None:
        jobs = [Job(log.endless(str(number)), resources={"gpus": 1}) for number in range(5)]
        run = asyncio.ensure_future(Scheduler(Scheduler(*jobs[:3]), *jobs[3:], pool=POOL).co_run())
        while len(log) < 2:
            await turn()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert sorted(line.partition(" ")[2] for line in log) == ["is cancelled"] * 2 + ["starts"] * 2


def test_without_a_pool_it_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,9")
    jobs = [Asking([], name, resources={"gpus": 1, "cpus": 1}) for name in "ab"]
    assert Scheduler(*jobs).run()
    assert {job.result().instances["gpus"] for job in jobs} <= {("7",), ("9",)}


SAYS = 'echo "${TREADLE_GPU_IDS-unset} ${CUDA_VISIBLE_DEVICES-unset} ${TREADLE_MEMORY-unset}" > said'


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"resources": {"gpus": 1, "memory": "1kB"}}, "0 0 1000"),
        ({"resources": {"gpus": 2}}, "0,1 0,1 unset"),
        ({"resources": {"licences": 1}}, "unset  unset"),
        ({"resources": {"gpus": 0}}, "unset  unset"),
        ({"mutex": "x"}, "unset unset unset"),
        ({}, "unset unset unset"),
    ],
)
def test_a_program_finds_in_variables_what_its_job_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], said: str
) -> None:
    for name in ("TREADLE_GPU_IDS", "CUDA_VISIBLE_DEVICES", "TREADLE_MEMORY"):
        monkeypatch.delenv(name, raising=False)
    job = ProcessJob(Command(script=Script(SAYS)), root=str(tmp_path), **asked)
    assert Scheduler(job, pool=POOL).run()
    assert (tmp_path / "said").read_text() == f"{said}\n"


def test_what_a_command_asks_for_itself_counts_too(tmp_path: Path) -> None:
    limits = Limits(resources={"gpus": 1}, mutex=("db",), queue="net", tokens=9)
    environment = Environment(set={"CUDA_VISIBLE_DEVICES": "mine"})
    job = ProcessJob(Command(script=Script(SAYS), limits=limits, env=environment), root=str(tmp_path))
    assert Scheduler(job, pool=POOL).run()
    assert (tmp_path / "said").read_text() == "0 mine unset\n"
    with pytest.raises(UsageError, match="'true' can never start: it asks for 1 of 'gpus'"):
        Scheduler(ProcessJob(Command(["true"], limits=limits)), pool=Pool({"memory": 1})).run()


def test_limits_of_a_group_count_in_all_schedulers_and_must_agree() -> None:
    limits = [Limits(group="fit", limit=number) for number in (1, 1, 2)]
    jobs = [ProcessJob(Command(["true"], limits=one), label=f"j{number}") for number, one in enumerate(limits)]
    with pytest.raises(UsageError, match="'j0' and 'j2' have different limits for their group 'fit'"):
        Scheduler(*jobs).run()
    pair = [ProcessJob(Command(["true"], limits=one)) for one in limits[:2]]
    assert Scheduler(pair[0], Scheduler(pair[1])).run()


def test_what_a_job_of_an_action_asks_for_is_the_demand_of_the_action() -> None:
    jobs = {name: Asking([], name, resources={"gpus": 1}) for name in "ab"}
    inner = Scheduler(Job(value(), resources={"gpus": 1}), mutex=["x"], pool=POOL)
    given: dict[str, Any] = {**jobs, "inner": inner}

    def make(uid: Any, data: Any, predecessors: Any, notify_end: Any) -> ActionJob:
        return ActionJob(uid, data, notify_end, given[uid])

    dag = DAG()
    for uid in given:
        dag.add_vertex(uid)
    treadle.Scheduler(make, tokens=3, pool=Pool({"gpus": ["5"], "cpus": 3})).run(dag)
    assert [job.resources and job.resources.instances for job in jobs.values()] == [{"gpus": ("5",)}] * 2
    assert inner.why() == "FINE"


def test_a_program_of_the_user_may_have_attributes_of_these_names() -> None:
    class Own(AbstractJob):
        resources = "mine"  # type: ignore[assignment]

        async def co_run(self) -> Any:
            return self.resources

    own = Own()
    assert Scheduler(own, Job(value(), mutex="x")).run()
    assert own.result() == "mine"


class Member(AbstractJob):
    """A job of a random tree, that counts what runs."""

    def __init__(self, world: World, chance: random.Random, **options: Any) -> None:
        self.world = world
        self.turns = chance.randint(0, 4)
        self.fails = chance.random() < 0.1
        super().__init__(critical=False, **options)

    async def co_run(self) -> None:
        world = self.world
        world.add(self, 1)
        try:
            world.check()
            for _ in range(self.turns):
                await turn()
        finally:
            world.add(self, -1)
        if self.fails:
            raise ValueError


class World:
    """What runs in a random tree, counted anew by what the jobs say they got."""

    def __init__(self, pool: Pool, most: int | None) -> None:
        self.pool = pool
        self.most = most
        self.used: Counter[Any] = Counter()
        self.running = 0
        self.alone = 0
        self.wrong: list[str] = []
        self.top: Any = None
        self.empty: Any = None

    def add(self, job: AbstractJob, sign: int) -> None:
        asks = job._aio_asks
        self.running += sign
        if asks is None:
            return
        self.alone += sign * asks[2]
        for name in asks[1]:
            self.used["mutex", name] += sign
        if job.resources is not None:
            for kind, amount in job.resources.amounts.items():
                if kind not in job.resources.instances:
                    self.used[job.resources.node, kind] += sign * amount
            for kind, names in job.resources.instances.items():
                for name in names:
                    self.used[job.resources.node, kind, name] += sign

    def check(self) -> None:
        # what schedulers hold is counted by the admission alone: free + held = size
        if self.top._aio_shared is None:
            # none of its jobs asks for anything
            return
        admission = self.top._aio_shared.admission
        for room in admission._rooms:
            held = Counter[str]()
            for one in admission._taken.values():
                if one.room is room:
                    held.update(one.line.need)
            for kind, size in room.size.items():
                if kind not in room.ids and room.available[kind] + held[kind] != size:
                    self.wrong.append(f"free + held != size of {kind}")
                if kind in room.ids and sum(room.left[kind]) + held[kind] != size * room.slots[kind]:
                    self.wrong.append(f"free + held != size of {kind}")
        if self.alone and self.running > 1:
            self.wrong.append("an exclusive one is not alone")
        if self.most is not None and self.running > self.most:
            self.wrong.append("more than max_running")
        for key, number in self.used.items():
            if key[0] == "mutex":
                size = 1
            else:
                node = next(node for node in self.pool.nodes if node.name == key[0])
                what = node.resources[key[1]]
                size = what if isinstance(what, int) else node.slots.get(key[1], 1)
            if number > size:
                self.wrong.append(f"more of {key} than there is")


def some_tree(chance: random.Random, world: World, depth: int) -> Iterator[AbstractJob]:
    before: list[AbstractJob] = []
    for _ in range(chance.randint(1, 6)):
        required = [job for job in before if chance.random() < 0.15]
        job: AbstractJob
        if depth and chance.random() < 0.4:
            asks = some_asks(chance, world.pool, 0.3)
            window = chance.choice([None, None, 1, 2])
            timeout = None if chance.random() < 0.9 else 0.0
            jobs = list(some_tree(chance, world, depth - 1))
            job = Scheduler(*jobs, jobs_window=window, timeout=timeout, critical=False, required=required, **asks)
        else:
            asks = some_asks(chance, world.pool, 0.5)
            job = Member(world, chance, required=required, exclusive=chance.random() < 0.05, **asks)
        before.append(job)
        yield job


@pytest.mark.parametrize("seed", range(200))
def test_random_trees_come_to_their_end_and_give_all_back(seed: int) -> None:
    """A1, A8, A10: for any history free + held = size, and no nested schedulers wait for each other for ever."""
    chance = random.Random(seed)
    while True:
        pool = chance.choice(POOLS)
        world = World(pool, most := chance.choice([None, None, 3]))
        jobs = list(some_tree(chance, world, 3))
        top = world.top = PureScheduler(*jobs, pool=pool, max_running=most, jobs_window=chance.choice([None, 3]))
        shared: list[Any] = []

        async def main(top: PureScheduler = top, shared: list[Any] = shared) -> bool:
            run = asyncio.ensure_future(top.co_run())
            while not run.done():
                if top._aio_shared is not None and not shared:
                    shared.append(top._aio_shared)
                await turn()
            return await run

        try:
            assert asyncio.run(main()) is True
            break
        except UsageError as error:
            assert "can never start" in str(error)  # noqa: PT017 - else another tree is drawn
    assert world.wrong == []
    assert (world.running, sum(world.used.values())) == (0, 0)
    late = [
        one for one in top.iterate_jobs(scan_schedulers=True) if isinstance(one, Scheduler) and one.timeout == 0.0
    ]
    hidden = {job for one in late for job in one.iterate_jobs(scan_schedulers=True)}
    assert all(job.is_done() for job in top.iterate_jobs() if job not in hidden)
    for one in shared:
        admission = one.admission
        assert (admission._taken, admission.waiting, one.open, one.going) == ({}, 0, [], {-1})
        assert all(room.available == room.size for room in admission._rooms)
        assert admission._shared.available == admission._shared.size
