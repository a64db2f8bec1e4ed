"""Admission with a pool: each rule, then random histories: all is given back, and no demand waits for ever."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from treadle.core.admission import Admission
from treadle.core.pool import Allocation, Demand, Node, Pool
from treadle.core.pool_admission import LOOKED_PAST, MOST_PASSED, PoolAdmission
from treadle.core.ranked_admission import ranked
from treadle.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterable

GPU = Demand({"gpus": 1, "cpus": 0})


class Play:
    """An admission, and what runs of it by name."""

    def __init__(self, pool: Pool, most: int | None = None, **queues: int) -> None:
        self.admission = PoolAdmission(queues or {"default": 10_000}, pool, most)
        self.slots: dict[Any, int] = {}

    def push(
        self,
        uid: Any,
        demand: Demand = Demand(),  # noqa: B008
        priority: int = 0,
        **place: Any,
    ) -> None:
        assert self.admission.refusal(demand.queue, demand.tokens, demand) is None
        self.admission.push(uid, demand.queue, demand.tokens, priority, demand, **place)

    def start(self) -> list[Any]:
        started = list(self.admission.admit())
        self.slots.update(started)
        return [uid for uid, _ in started]

    def end(self, *uids: Any) -> None:
        for uid in uids:
            self.admission.release(self.slots.pop(uid))

    def held(self, uid: Any) -> Allocation:
        return self.admission.allocation(self.slots[uid])


def pushed(play: Play, demands: Iterable[tuple[Any, Demand]]) -> Play:
    for uid, demand in demands:
        play.push(uid, demand)
    return play


def reserved(play: Play) -> Any:
    return play.admission._reservation


def test_all_of_a_demand_is_given_at_once_or_nothing_of_it() -> None:
    """A1."""
    play = pushed(Play(Pool({"cpus": 4, "gpus": ["0"]})), [("a", Demand({"gpus": 1, "cpus": 1}))])
    assert play.start() == ["a"]
    play.push("both", Demand({"gpus": 1, "cpus": 3}))
    play.push("rest", Demand({"cpus": 3}))
    assert play.start() == ["rest"]
    play.end("a", "rest")
    assert play.start() == ["both"]


@pytest.mark.parametrize("ranked_after", [0, 3, 6])
def test_the_order_is_priority_then_rank_then_what_came_first(ranked_after: int) -> None:
    """A2: also where ranks become known when some wait already."""
    play = Play(Pool({"cpus": 9}))
    came = (("a", 0, 1), ("b", 0, 5), ("c", 3, 0), ("d", 0, 5), ("e", -1, 99), ("f", 3, 0.5))
    ranks = {uid: rank for uid, _, rank in came}
    for number, (uid, priority, _) in enumerate(came):
        if number == ranked_after:
            play.admission.rank_by(lambda name: ranks[name[0]])
        play.push(uid, Demand({"cpus": 1}), priority)
        play.push(uid + "2", Demand({"cpus": 0}), priority)
    if ranked_after == len(came):
        play.admission.rank_by(lambda name: ranks[name[0]])
    assert play.start() == [uid for name in "fcbdae" for uid in (name, name + "2")]


def test_ranks_are_kept_when_the_first_demand_comes() -> None:
    """A2."""
    before = Admission({"default": 9})
    for uid in "abc":
        before.push(uid, "default", 1, 0)
    before = ranked(before, "bca".index)
    play = Play(Pool({"cpus": 9}))
    play.admission = PoolAdmission.continuing(before, Pool({"cpus": 9}))
    assert play.start() == ["a", "c", "b"]


ONE_CPU = Demand({"cpus": 1})


@pytest.mark.parametrize(
    ("demands", "lacks"),
    [
        ([ONE_CPU] * 4, False),
        ([ONE_CPU] * 5, True),
        ([Demand({"cpus": 4})], False),
        ([Demand({"cpus": 3}), Demand({"cpus": 2})], True),
        ([Demand({"gpus": 1, "cpus": 0})] * 2, False),
        ([Demand({"gpus": 1, "cpus": 0})] * 3, True),
        ([Demand({"cpus": 0}, tokens=3), Demand({"cpus": 0}, tokens=4)], True),
        ([Demand({"cpus": 0}, mutex=("one",)), Demand({"cpus": 0}, mutex=("two",))], False),
        ([Demand({"cpus": 0}, mutex=("one",)), Demand({"cpus": 1}, mutex=("one",))], True),
        ([Demand({"cpus": 0}, exclusive=True), Demand({"cpus": 0})], True),
    ],
)
def test_ranks_are_needed_when_more_waits_than_may_start(demands: list[Demand], *, lacks: bool) -> None:
    """A2: of each type, in the queues, and of what is counted over all nodes."""
    play = pushed(Play(Pool({"cpus": 4, "gpus": ["0", "1"]}), default=6), enumerate(demands))
    assert play.admission.is_short is lacks
    assert (len(play.start()) < len(demands)) is lacks


def test_only_the_first_of_equal_demands_is_looked_at_and_no_more_than_so_many_lines() -> None:
    """A3."""
    play = Play(Pool({"cpus": 100, "gpus": ["0"]}))
    play.push("holder", GPU)
    assert play.start() == ["holder"]
    for number in range(LOOKED_PAST):
        for one in range(3):
            play.push((number, one), Demand({"gpus": 1, "cpus": number}))
    play.push("next", Demand({"cpus": 1}))
    assert play.start() == ["next"]
    play.push("one line more", Demand({"gpus": 1, "cpus": 99}))
    play.push("after it", Demand({"cpus": 2}))
    assert play.start() == []


def test_what_lacks_tokens_closes_its_queue_and_what_lacks_resources_closes_nothing() -> None:
    """A4."""
    play = Play(Pool({"gpus": ["0"], "cpus": 9}), q=2, r=1)
    pushed(play, [("a", Demand({"gpus": 1}, queue="q"))])
    assert play.start() == ["a"]
    pushed(
        play,
        [
            ("gpu", Demand({"gpus": 1}, queue="q")),
            ("two", Demand({"cpus": 1}, queue="q", tokens=2)),
            ("one", Demand({"cpus": 1}, queue="q")),
            ("other", Demand({"cpus": 1}, queue="r")),
        ],
    )
    assert play.start() == ["other"]
    play.end("a")
    assert play.start() == ["gpu"]
    play.end("gpu")
    assert play.start() == ["two"]


def test_the_node_with_least_left_and_the_fullest_instance_are_taken() -> None:
    """A5."""
    nodes = [
        Node("large", {"cpus": 16, "gpus": ["0", "1"]}, {"gpus": 2}),
        Node("small", {"cpus": 4, "gpus": ["7", "8"]}, {"gpus": 2}),
    ]
    play = pushed(Play(Pool(nodes=nodes)), [(name, Demand({"cpus": 1, "gpus": 1})) for name in "abcde"])
    assert play.start() == list("abcde")
    assert [(play.held(name).node, play.held(name).instances["gpus"]) for name in "abcde"] == [
        ("small", ("7",)),
        ("small", ("7",)),
        ("small", ("8",)),
        ("small", ("8",)),
        ("large", ("0",)),
    ]
    play.end("b", "c")
    pushed(play, [("two", Demand({"gpus": 2, "cpus": 1}))])
    assert play.start() == ["two"]
    assert play.held("two").instances["gpus"] == ("7", "8")


def test_one_that_was_passed_over_too_often_gets_the_reservation() -> None:
    """A6."""
    play = Play(Pool({"cpus": 2}))
    pushed(play, [("first", Demand({"cpus": 1})), ("wide", Demand({"cpus": 2}))])
    pushed(play, [(number, Demand({"cpus": 1})) for number in range(50)])
    running = play.start()
    assert running == ["first", 0]
    order: list[Any] = []
    while "wide" not in order:
        play.end(running.pop(0))
        new = play.start()
        order += new
        running += new
    # the start in the first round counted too
    assert order == [*range(1, MOST_PASSED), "wide"]


def test_on_the_node_of_a_reservation_others_get_what_it_does_not_need() -> None:
    """A6."""
    play = Play(Pool({"cpus": 8, "gpus": ["0", "1"]}))
    pushed(play, [("a", GPU), ("b", GPU), ("wide", Demand({"gpus": 2, "cpus": 4}))])
    assert play.start() == ["a", "b"]
    running = ["a", "b"]
    for number in range(MOST_PASSED):
        play.push(number, GPU)
        play.end(running.pop(0))
        running += play.start()
    assert len(running) == 2
    pushed(play, [("gpu", GPU), ("cpus", Demand({"cpus": 4})), ("too many", Demand({"cpus": 1}))])
    play.end(running.pop(0))
    assert play.start() == ["cpus"]
    play.end(running.pop(0))
    assert play.start() == ["wide"]
    play.end("cpus")
    assert play.start() == ["too many"]


def test_a_demand_without_tokens_in_its_queue_is_not_counted() -> None:
    """A6."""
    play = Play(Pool({"cpus": 2}), q=1, r=10)
    pushed(play, [("holder", Demand({"cpus": 1}, queue="q")), ("wide", Demand({"cpus": 2}, queue="q"))])
    assert play.start() == ["holder"]
    for number in range(3 * MOST_PASSED):
        play.push(number, Demand({"cpus": 1}, queue="r"))
        assert play.start() == [number]
        play.end(number)


def test_an_exclusive_one_runs_alone_in_all_queues() -> None:
    """A8."""
    play = Play(Pool({"cpus": 9}), q=3, r=3)
    pushed(play, [("a", Demand(queue="q")), ("alone", Demand(queue="q", exclusive=True)), ("b", Demand(queue="r"))])
    assert play.start() == ["a", "b"]
    play.end("a")
    assert play.start() == []
    play.end("b")
    assert play.start() == ["alone"]
    pushed(play, [("c", Demand(queue="r"))])
    assert play.start() == []
    play.end("alone")
    assert play.start() == ["c"]


def test_exclusive_ones_go_one_after_the_other() -> None:
    """A8."""
    play = Play(Pool({"cpus": 9}))
    pushed(play, [("a", Demand()), *((name, Demand(exclusive=True)) for name in ("x", "y")), ("b", Demand())])
    assert play.start() == ["a", "b"]
    play.push("high", Demand(), 5)
    assert play.start() == ["high"]
    play.end("a", "b", "high")
    assert play.start() == ["x"]
    play.push("higher", Demand(), 9)
    play.end("x")
    assert play.start() == ["y"]
    play.end("y")
    assert play.start() == ["higher"]


def test_an_exclusive_one_is_passed_over_no_more_often_than_others() -> None:
    """A8."""
    play = Play(Pool({"cpus": 9}))
    pushed(play, [("a", Demand()), ("alone", Demand(exclusive=True))])
    started = play.start()
    for number in range(MOST_PASSED):
        play.push(number)
        started += play.start()
    play.push("late")
    assert play.start() == []
    play.end(*(uid for uid in started))
    assert play.start() == ["alone"]


def test_lowering_a_limit_ends_nothing_and_counts_until_enough_has_ended() -> None:
    """A9."""
    play = pushed(Play(Pool({"cpus": 4})), [(name, Demand({"cpus": 1})) for name in "abcdef"])
    assert play.start() == list("abcd")
    play.admission.resize("cpus", 2)
    play.end("a", "b")
    assert play.start() == []
    play.end("c")
    assert play.start() == ["e"]
    play.admission.resize("cpus", 3)
    assert play.start() == ["f"]


def test_a_reservation_that_can_no_longer_be_met_is_given_up() -> None:
    """A9."""
    play = pushed(Play(Pool({"cpus": 2})), [("a", Demand({"cpus": 1})), ("wide", Demand({"cpus": 2}))])
    assert play.start() == ["a"]
    last = "a"
    for number in range(MOST_PASSED):
        play.push(number, Demand({"cpus": 1}))
        assert play.start() == [number]
        play.end(last)
        last = number  # type: ignore[assignment]
    play.push("late", Demand({"cpus": 1}))
    assert play.start() == []
    play.admission.resize("cpus", 1)
    play.end(last)
    assert play.start() == ["late"]


def test_a_slot_that_nothing_has_cannot_be_given_back() -> None:
    """A10."""
    play = pushed(Play(Pool({"cpus": 1})), [("a", Demand())])
    play.start()
    slot = play.slots["a"]
    play.end("a")
    with pytest.raises(InternalError, match=f"slot {slot} is given back, and nothing has it"):
        play.admission.release(slot)
    assert play.admission._rooms[0].available == {"cpus": 1}


def test_one_that_says_nothing_takes_one_processor_in_the_default_queue_alone() -> None:
    """A11."""
    play = Play(Pool({"cpus": 2}), default=9, net=9)
    for number in range(3):
        play.push(number)
        play.push(f"net{number}", Demand(queue="net"))
        play.push(f"none{number}", Demand({"cpus": 0}))
    assert play.start() == [0, "net0", "none0", 1, "net1", "none1", "net2", "none2"]
    play.end(0)
    assert play.start() == [2]


def test_limits_of_groups_and_of_the_run_and_mutexes_are_counted_like_resources() -> None:
    play = Play(Pool(), most=4)
    fit = Demand(group="fit", limit=2)
    pushed(play, [(f"fit{number}", fit) for number in range(3)])
    pushed(play, [(f"db{number}", Demand(mutex=("db", f"own{number}"))) for number in range(2)])
    pushed(play, [(number, Demand()) for number in range(3)])
    assert play.start() == ["fit0", "fit1", "db0", 0]
    play.end("fit1")
    assert play.start() == ["fit2"]
    play.end("db0")
    assert play.start() == ["db1"]
    assert play.admission.refusal("default", 1, Demand(group="fit", limit=3)) == (
        "its group 'fit' has the limit 2, and it says 3"
    )


def test_it_goes_on_from_an_admission_by_tokens_alone() -> None:
    """A11."""
    before = Admission({"default": 3, "net": 1})
    for uid, queue, priority in (("a", "default", 0), ("n", "net", 0), ("b", "default", 0)):
        before.push(uid, queue, 1, priority)
    slots = dict(before.admit())
    before.push("low", "default", 1, -1)
    before.push("m", "net", 1, 0)
    before.push("high", "default", 1, 1)
    before.push("high2", "default", 1, 1)
    play = Play(Pool({"cpus": 3}))
    play.admission = PoolAdmission.continuing(before, Pool({"cpus": 3}))
    play.slots = slots
    assert play.admission.waiting == 4
    assert play.start() == ["high"]
    play.end("n", "a", "b")
    assert play.start() == ["high2", "m", "low"]
    assert sorted(play.slots.values()) == [0, 1, 2, 3]


def test_what_encloses_others_does_not_count_as_running() -> None:
    """A8."""
    play = Play(Pool({"cpus": 9, "gpus": ["0"]}), 1)
    play.push("around", Demand({"gpus": 1, "cpus": 0}), encloses=True)
    assert play.start() == ["around"]
    within = (play.slots["around"],)
    play.push("alone", Demand(exclusive=True), within=within)
    play.push("beside", within=within)
    assert play.start() == ["alone"]
    play.end("alone")
    assert play.start() == ["beside"]
    play.push("alone", Demand(exclusive=True))
    assert play.start() == []
    play.end("beside")
    assert play.start() == ["alone"]


def test_what_is_within_one_that_holds_something_goes_first_and_is_always_looked_at() -> None:
    """A3."""
    play = Play(Pool({"cpus": 99, "tape": 1, "net": 1}))
    play.push("around", Demand({"tape": 1, "cpus": 0}), encloses=True)
    play.push("holder", Demand({"net": 1, "cpus": 0}))
    assert play.start() == ["around", "holder"]
    for number in range(LOOKED_PAST + 1):
        play.push(number, Demand({"tape": 1, "cpus": number}), 5)
        play.push(f"in {number}", Demand({"net": 1, "cpus": number}), within=(play.slots["around"],))
    for name in ("in", "again"):
        play.push(name, Demand({"cpus": 1}), within=(play.slots["around"],))
        assert play.start() == [name]


def test_a_reservation_does_not_bind_what_the_end_of_one_that_ran_before_waits_for() -> None:
    """A6."""
    play = Play(Pool({"cpus": 9, "tape": 2, "gpus": ["0", "1"]}))
    play.push("around", Demand({"tape": 1, "cpus": 0}), encloses=True)
    pushed(play, [("wide", Demand({"tape": 2, "gpus": 2, "cpus": 0}))])
    started = play.start()
    assert started == ["around"]
    for number in range(MOST_PASSED):
        play.push(number, Demand({"tape": 1, "cpus": 0}))
        assert play.start() == [number]
        play.end(number)
    play.push("late", Demand({"tape": 1, "cpus": 0}))
    play.push("gpu", GPU)
    assert play.start() == []
    within = (play.slots["around"],)
    play.push("in", Demand({"gpus": 2, "cpus": 0}), within=within)
    assert play.start() == ["in"]
    play.end("in", "around")
    assert play.start() == ["wide"]
    play.end("wide")
    assert play.start() == ["late", "gpu"]


def test_the_reservation_of_what_is_within_leaves_out_what_encloses_it() -> None:
    """A5, A6."""
    play = Play(Pool(nodes=[Node("a", {"tape": 4}), Node("b", {"tape": 3})]))
    play.push("around", Demand({"tape": 2}), encloses=True)
    assert play.start() == ["around"]
    assert play.held("around").node == "b"
    pushed(play, [(number, Demand({"tape": 2})) for number in range(2)])
    assert play.start() == [0, 1]
    play.push("in", Demand({"tape": 3}), within=(play.slots["around"],))
    for number in range(2, 2 + MOST_PASSED):
        play.push(number, Demand({"tape": 2}))
        play.end(number - 2)
        assert play.start() == [number]
    # the node of the one around it lacks less now, and will never have enough
    play.push("late", Demand({"tape": 2}))
    play.end(MOST_PASSED)
    assert play.start() == []
    play.end(MOST_PASSED + 1)
    assert play.start() == ["in"]
    assert play.held("in").node == "a"


def test_the_reservation_of_what_is_within_is_for_instances_that_will_be_free() -> None:
    """A5, A6."""
    play = Play(Pool({"gpus": ["0", "1"]}))
    play.push("around", GPU, encloses=True)
    play.start()
    within = (play.slots["around"],)
    play.push("first", GPU, within=within)
    assert play.start() == ["first"]
    play.push("wide", Demand({"gpus": 1}, exclusive=True), within=within)
    for number in range(MOST_PASSED):
        play.push(number, Demand(), within=within)
        assert play.start() == [number]
    play.push("late", GPU, within=within)
    play.start()
    play.end("first", *range(MOST_PASSED))
    assert play.start() == ["wide"]
    assert play.held("wide").instances == {"gpus": ("1",)}


def test_what_is_withdrawn_never_starts() -> None:
    play = Play(Pool({"cpus": 2}), default=9, q=9)
    play.push("a", Demand({"cpus": 1}))
    assert play.start() == ["a"]
    play.push("wide", Demand({"cpus": 2}))
    for number in range(MOST_PASSED + 1):
        play.push(number, Demand({"cpus": 1}))
        play.push((number, "q"), Demand({"cpus": 1}, queue="q"))
        for uid in play.start():
            play.end(uid)
    assert reserved(play) is not None
    play.push("b", Demand({"cpus": 1}))
    play.admission.withdraw(lambda item: item == "wide" or isinstance(item, tuple))
    assert reserved(play) is None
    play.push("c", Demand({"cpus": 1}))
    left = []
    while started := play.start():
        left += started
        play.end(*started)
    assert left == [*range(4, MOST_PASSED + 1), "b", "c"]
    assert play.admission.waiting == 0


def test_queues_come_and_go() -> None:
    play = Play(Pool({"cpus": 2}))
    play.admission.add_queue("inner", 1)
    pushed(play, [(number, Demand(queue="inner")) for number in range(2)])
    assert play.start() == [0]
    play.end(0)
    assert play.start() == [1]
    play.end(1)
    play.admission.remove_queue("inner")
    assert play.admission.refusal("inner", 1) is not None


POOLS = [
    Pool({"cpus": 4, "gpus": ["0", "1", "2"], "memory": 10}, slots={"gpus": 2}),
    Pool(
        nodes=[
            Node("a", {"cpus": 4, "gpus": ["0"], "memory": 6}),
            Node("b", {"cpus": 2, "gpus": ["0", "1"], "memory": 10}, {"gpus": 3}),
            Node("c", {"cpus": 8}),
        ]
    ),
]


def some_demand(chance: random.Random, pool: Pool) -> Demand:
    while True:
        resources = {
            kind: chance.randint(0, most)
            for kind, most in (("cpus", 4), ("gpus", 3), ("memory", 10))
            if chance.random() < 0.4
        }
        demand = Demand(
            resources,
            queue=chance.choice(["default", "q"]),
            tokens=chance.choice([0, 1, 1, 1, 2]),
            mutex=tuple(name for name in ("m", "n") if chance.random() < 0.1),
            exclusive=chance.random() < 0.05,
            group=(group := chance.choice(["", "", "f"])),
            limit=2 if group else None,
        )
        if pool.refusal(demand) is None:
            return demand


def free_of(admission: PoolAdmission) -> Any:
    rooms = [
        (dict(room.available), {kind: list(left) for kind, left in room.left.items()}) for room in admission._rooms
    ]
    return rooms, dict(admission._shared.available), dict(admission.free)


@pytest.mark.parametrize("seed", range(150))
def test_random_histories_give_all_back_and_nothing_waits_beyond_the_bound(seed: int) -> None:
    """A1, A2, A6, A8, A10: a reservation starts at the latest when all has ended that ran when it was made.

    Ranks may become known at any time, also while there is a reservation.
    """
    chance = random.Random(seed)
    pool = chance.choice(POOLS)
    most = chance.choice([None, 7])
    play = Play(pool, most, default=chance.choice([2, 6]), q=3)
    # the limits and mutexes are made when the first demand names them
    play.admission._shared.resize("_family:f", 2)
    play.admission._shared.resize("_mutex:m", 1)
    play.admission._shared.resize("_mutex:n", 1)
    empty = free_of(play.admission)
    demands = {number: some_demand(chance, pool) for number in range(60)}
    todo, started = list(demands), list[int]()
    kept: tuple[int, set[Any]] | None = None
    ranks = {number: float(chance.randint(0, 9)) for number in demands}
    ranked_at = chance.choice([0, 10, 30, 99])
    while todo or play.slots or play.admission.waiting:
        if len(started) >= ranked_at:
            play.admission.rank_by(ranks.__getitem__)
            ranked_at = len(ranks) + 1
        for _ in range(chance.randint(0, 6)):
            if todo:
                number = todo.pop(0)
                play.push(number, demands[number], chance.choice([0, 0, 1]))
        started += play.start()
        check(play, demands, pool)
        reserved = play.admission._reservation
        if reserved is None:
            kept = None
        elif kept is None or kept[0] != reserved.entry.item:
            kept = (reserved.entry.item, set(play.slots))
        else:
            still = kept[1] & set(play.slots)
            lacks_tokens = reserved.line.tokens > play.admission.free[reserved.line.queue]
            assert still or lacks_tokens, "all has ended that ran when the reservation was made, and it waits"
            kept = (kept[0], still)
        if play.slots:
            play.end(chance.choice(list(play.slots)))
        else:
            assert not play.admission.waiting, "nothing runs, and something waits"
    assert sorted(started) == list(demands)
    assert free_of(play.admission) == empty


@pytest.mark.parametrize("seed", range(100))
def test_random_histories_with_what_encloses_others_come_to_their_end(seed: int) -> None:
    """A1, A10: of those that hold something and enclose others one runs at a time; what waits within it can start."""
    chance = random.Random(seed)
    pool = chance.choice(POOLS)
    play = Play(pool, chance.choice([None, 5]), default=100, q=3)
    empty = free_of(play.admission)
    demands: dict[Any, Demand] = {number: some_demand(chance, pool) for number in range(30)}
    inside: dict[Any, list[Any]] = {}
    for number in range(4):
        around = Demand({kind: chance.randint(0, 1) for kind in ("cpus", "gpus", "memory")}, mutex=("around",))
        inside[f"around {number}"] = within = [f"{number} {one}" for one in range(chance.randint(1, 6))]
        for uid in within:
            while True:
                demand = some_demand(chance, pool)
                # one of the places has room for both, whatever else that one holds
                both = Demand({k: demand.resources.get(k, 0) + around.resources[k] for k in around.resources})
                if pool.refusal(both) is None:
                    break
            demands[uid] = demand
        demands[f"around {number}"] = around
    todo = [*range(30), *inside]
    chance.shuffle(todo)
    started: list[Any] = []
    while todo or play.slots or play.admission.waiting:
        for _ in range(chance.randint(0, 6)):
            if todo:
                uid = todo.pop(0)
                play.push(uid, demands[uid], encloses=uid in inside)
        while new := play.start():
            started += new
            for around in new:
                for one in inside.get(around, ()):
                    play.push(one, demands[one], within=(play.slots[around],))
        may_end = [uid for uid in play.slots if uid not in inside]
        over = [
            uid for uid in play.slots if uid in inside and not set(inside[uid]) - (set(started) - set(play.slots))
        ]
        if over or may_end:
            play.end(chance.choice([*over, *may_end]))
        else:
            assert not play.admission.waiting, "nothing that runs can end, and something waits"
    assert sorted(map(str, started)) == sorted(map(str, demands))
    assert free_of(play.admission)[0] == empty[0]


def check(play: Play, demands: dict[int, Demand], pool: Pool) -> None:
    """Count anew what runs: no node gives more than it has, nothing shares what it must not share."""
    used: Counter[Any] = Counter()
    running = [(demands[uid], play.held(uid)) for uid in play.slots]
    for demand, held in running:
        for kind, amount in demand.resources.items():
            assert held.amounts.get(kind, 0) == amount
            if kind in held.instances:
                assert len(set(held.instances[kind])) == amount
        used.update(
            {(held.node, kind): amount for kind, amount in held.amounts.items() if kind not in held.instances}
        )
        used.update((held.node, kind, name) for kind, names in held.instances.items() for name in names)
        used.update(("mutex", name) for name in demand.mutex)
        used.update([("group", demand.group)] if demand.group else [])
        assert not demand.exclusive or len(running) == 1
    assert len(running) <= (play.admission.most or len(running))
    assert all(number == 1 for key, number in used.items() if key[0] == "mutex")
    assert used["group", "f"] <= 2
    for node in pool.nodes:
        for kind, what in node.resources.items():
            if isinstance(what, int):
                assert used[node.name, kind] <= what
            else:
                assert all(used[node.name, kind, name] <= node.slots.get(kind, 1) for name in what)


def change(admission: PoolAdmission, chance: random.Random, pool: Pool) -> None:
    """Change one limit, as a request does."""
    kind = chance.choice(["cpus", "gpus", "memory", "group", "most", "queue"])
    if kind == "group":
        admission.set_limit("f", chance.randint(0, 3))
    elif kind == "most":
        admission.set_most(chance.randint(1, 7))
    elif kind == "queue":
        admission.set_tokens("q", chance.randint(0, 4))
    elif pool.most(kind):
        admission.set_amount(kind, chance.randint(0, pool.most(kind) or 0))


def in_use(play: Play, demands: dict[int, Demand], kind: str) -> dict[str, int]:
    """Return node -> how much of a type is held there: of instances how many."""
    found: dict[str, set[Any]] = {}
    amounts: dict[str, int] = {}
    for number in play.slots:
        held = play.held(number)
        found.setdefault(held.node, set()).update(held.instances.get(kind, ()))
        if kind not in held.instances:
            amounts[held.node] = amounts.get(held.node, 0) + held.amounts.get(kind, 0)
    return {node: len(ids) + amounts.get(node, 0) for node, ids in found.items()}


@pytest.mark.parametrize("seed", range(150))
def test_limits_that_change_at_any_time_end_nothing_and_hold_from_then_on(seed: int) -> None:
    """A9, A10: what starts after a change is within it, and once all is as it was, all starts and is given back."""
    chance = random.Random(seed)
    pool = chance.choice(POOLS)
    play = Play(pool, chance.choice([None, 7]), default=chance.choice([2, 6]), q=3)
    admission = play.admission
    demands = {number: some_demand(chance, pool) for number in range(60)}
    todo, started = list(demands), list[int]()
    for _ in range(200):
        for _ in range(chance.randint(0, 4)):
            if todo:
                number = todo.pop(0)
                play.push(number, demands[number], chance.choice([0, 0, 1]))
        if chance.random() < 0.4:
            before = set(play.slots)
            change(admission, chance, pool)
            assert set(play.slots) == before
        fresh = play.start()
        started += fresh
        for kind in ("cpus", "gpus", "memory"):
            used = in_use(play, demands, kind)
            for room in admission._rooms:
                takes = [
                    one for one in fresh if play.held(one).node == room.name and play.held(one).amounts.get(kind)
                ]
                # what has started leaves no more in use than there may be
                assert not takes or used[room.name] <= room.size[kind]
        if fresh and admission.most is not None:
            assert len(play.slots) <= admission.most
        if any(demands[one].group for one in fresh):
            assert sum(bool(demands[one].group) for one in play.slots) <= admission._shared.size["_family:f"]
        if play.slots and chance.random() < 0.7:
            play.end(chance.choice(list(play.slots)))
    for kind in ("cpus", "gpus", "memory"):
        admission.set_amount(kind, pool.most(kind) or 0)
    admission.set_limit("f", 2)
    admission.set_most(100)
    admission.set_tokens("q", 3)
    for number in todo:
        play.push(number, demands[number])
    while admission.waiting or play.slots:
        started += play.start()
        assert play.slots, "nothing runs, and something waits"
        play.end(chance.choice(list(play.slots)))
    assert sorted(started) == list(demands)
    assert all(room.available == room.size for room in admission._rooms)
    assert admission.free == {"default": admission.queues["default"], "q": 3}


def test_a_queue_that_was_lowered_gives_a_reservation_back() -> None:
    """A9."""
    play = Play(Pool({"tape": 3}), default=99, net=1)
    play.push("holder", Demand({"tape": 2}))
    assert play.start() == ["holder"]
    play.push("wide", Demand({"tape": 3}, queue="net"))
    for number in range(MOST_PASSED):
        play.push(number, Demand({"tape": 1}))
        assert play.start() == [number]
        play.end(number)
    play.start()
    assert reserved(play).entry.item == "wide"
    play.admission.set_tokens("net", 0)
    play.end("holder")
    play.push("other", Demand({"tape": 1}))
    assert play.start() == ["other"]
    play.end("other")
    play.admission.set_tokens("net", 1)
    assert play.start() == ["wide"]
