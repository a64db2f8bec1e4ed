"""The graph, its checks and its iteration: each against a model of a few lines, where there is one."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from treadle.core.graph.dag import DAG, DAGIterator
from treadle.errors import DAGError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

MANY = 100_000


def graph(**before: Iterable[str]) -> DAG:
    """Return an unchecked graph: vertex -> its predecessors."""
    dag = DAG()
    for vertex_id, predecessors in before.items():
        dag.update_vertex(vertex_id, predecessors=predecessors, enable_checks=False)
    return dag


def chain(length: int) -> DAG:
    dag = DAG()
    for number in range(length):
        dag.add_vertex(number, predecessors=[number - 1] if number else None)
    return dag


def ids(dag: DAG, *, reversed_edges: bool = False) -> list[Hashable]:
    return [vertex_id for vertex_id, _ in DAGIterator(dag, reversed_edges=reversed_edges)]


def message(call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    with pytest.raises(DAGError) as caught:
        call(*arguments, **named)
    return str(caught.value)


def state(dag: DAG) -> list[object]:
    return [
        dag.vertex_data.copy(),
        dag.vertex_predecessors,
        {vertex_id: dag.get_after(vertex_id) for vertex_id in dag.vertex_data},
        {vertex_id: dag.get_successors(vertex_id) for vertex_id in dag.vertex_data},
    ]


# Vertices and edges


def test_a_vertex_is_added_once() -> None:
    dag = DAG()
    dag.add_vertex("a", data=1)
    assert "'a' exists already" in message(dag.add_vertex, "a")
    assert dag["a"] == 1
    assert len(dag) == 1
    assert "a" in dag
    assert "b" not in dag
    with pytest.raises(KeyError):
        dag["b"]


def test_a_vertex_is_added_after_its_predecessors() -> None:
    dag = DAG()
    assert "'a'" in message(dag.add_vertex, "b", predecessors=["a"])
    assert len(dag) == 0
    dag.add_vertex("a")
    dag.add_vertex("b", predecessors=["a"])
    assert dag.get_predecessors("b") == frozenset({"a"})
    assert dag.get_successors("a") == frozenset({"b"})
    assert dag.vertex_predecessors == {"a": frozenset(), "b": frozenset({"a"})}


def test_a_missing_predecessor_comes_with_the_nearest_name() -> None:
    dag = graph(compile=[], link=["compille"])
    text = message(dag.check)
    assert "'compille'" in text
    assert "'link'" in text
    assert "nearest name is 'compile'" in text


def test_a_missing_predecessor_that_looks_like_nothing_has_no_nearest_name() -> None:
    assert "nearest" not in message(graph(a=["zzzzzzzz"]).check)
    assert "nearest" not in message(DAG().add_vertex, 2, predecessors=[1])


def test_update_adds_predecessors_to_those_there_are() -> None:
    dag = graph(a=[], b=[], c=["a"])
    dag.update_vertex("c", predecessors=["b", "a", "b"])
    assert dag.get_predecessors("c") == frozenset({"a", "b"})
    assert dag.get_successors("b") == frozenset({"c"})


def test_update_creates_a_vertex_and_keeps_data_unless_it_is_given() -> None:
    dag = DAG()
    dag.update_vertex("a", data="first")
    dag.update_vertex("a")
    assert dag["a"] == "first"
    dag.update_vertex("a", data="second")
    assert dag["a"] == "second"


def test_predecessors_may_come_from_any_iterable() -> None:
    dag = graph(a=[], b=[])
    dag.update_vertex("c", predecessors=(name for name in ("b", "a")), after=iter("a"))
    assert dag.get_predecessors("c") == frozenset({"a", "b"})
    assert dag.get_after("c") == frozenset({"a"})


def test_set_predecessors_replaces_them_and_is_looked_at_by_the_next_check() -> None:
    dag = graph(a=[], b=["a"], c=["b"])
    assert dag.get_successors("a") == frozenset({"b"})
    dag.set_predecessors("c", ["a"])
    assert dag.get_predecessors("c") == frozenset({"a"})
    assert dag.get_successors("a") == frozenset({"b", "c"})
    assert dag.get_successors("b") == frozenset()
    dag.check()
    dag.set_predecessors("a", ["c"])
    assert "a -> c -> a" in message(dag.check)
    dag.set_predecessors("a", [])
    dag.check()
    assert "no vertex 'x'" in message(dag.set_predecessors, "x", [])


@pytest.mark.parametrize("ask", ["get_predecessors", "get_successors", "get_after", "get_closure", "get_context"])
def test_asking_about_an_unknown_vertex_names_the_nearest(ask: str) -> None:
    assert "'vertex'" in message(getattr(graph(vertex=[]), ask), "vertx")


def test_any_hashable_is_an_id() -> None:
    dag = DAG()
    dag.add_vertex(("a", 1))
    dag.add_vertex(2, predecessors=[("a", 1)])
    dag.add_vertex(frozenset({3}), predecessors=[2])
    assert ids(dag) == [("a", 1), 2, frozenset({3})]


# Cycles


def test_a_cycle_is_refused_with_its_path_and_nothing_has_changed() -> None:
    dag = DAG()
    dag.add_vertex("a", data=1)
    dag.add_vertex("b", predecessors=["a"])
    dag.add_vertex("c", predecessors=["b"])
    dag.add_vertex("d")
    before = state(dag)
    assert "a -> b -> c -> a" in message(dag.update_vertex, "a", data=2, predecessors=["d", "c"], after=["d"])
    assert state(dag) == before
    dag.check()
    assert ids(dag) == ["a", "b", "c", "d"]


def test_a_refused_update_of_an_unchecked_graph_changes_nothing() -> None:
    dag = graph(a=["b"], b=[], c=["nowhere"])
    before = dag.vertex_data.copy(), dag.vertex_predecessors
    assert "nowhere" in message(dag.update_vertex, "b", data=1, predecessors=["a"], after=["a"])
    assert "nowhere" in message(dag.add_vertex, "d", predecessors=["a"])
    assert (dag.vertex_data, dag.vertex_predecessors) == before
    assert dag.get_after("b") == frozenset()


def test_a_vertex_that_closes_a_cycle_over_an_edge_given_before_is_refused() -> None:
    dag = graph(a=["b"])
    assert "a -> b -> a" in message(dag.add_vertex, "b", predecessors=["a"])
    assert "b" not in dag
    dag.add_vertex("b")
    assert ids(dag) == ["b", "a"]


@pytest.mark.parametrize("is_there", [False, True])
def test_a_vertex_is_not_its_own_predecessor(is_there: bool) -> None:
    dag = graph(a=[]) if is_there else DAG()
    assert "a cycle of 1 vertex: a -> a" in message(dag.update_vertex, "a", predecessors=["a"])
    assert "a -> a" in message(graph(a=["a"]).check)
    assert ("a" in dag) is is_there


def test_the_shortest_cycle_is_named() -> None:
    dag = graph(a=["d"], b=["a"], c=["b"], d=["c", "e"], e=["d"])
    assert message(dag.check) == "a cycle of 2 vertices: d -> e -> d"
    assert "d -> e -> d" in message(lambda: ids(dag))
    assert "d -> e -> d" in message(DAGIterator, dag, enable_busy_state=True)


def test_a_cycle_is_named_without_what_hangs_on_it() -> None:
    dag = graph(source=[], a=["source", "b"], b=["a"], sink=["b"])
    assert "a -> b -> a" in message(dag.check)


@pytest.mark.parametrize(
    ("size", "middle"), [(2, None), (19, None), (20, "... 1 more ..."), (1000, "... 981 more ...")]
)
def test_a_cycle_is_named_whole_if_it_is_short_and_by_its_ends_if_it_is_long(size: int, middle: str | None) -> None:
    dag = chain(size)
    text = message(dag.update_vertex, 0, predecessors=[size - 1])
    names = [*map(str, range(size)), "0"]
    expected = names if middle is None else [*names[:10], middle, *names[-10:]]
    assert text.partition(": ")[2].split(" -> ") == expected
    dag.update_vertex(0, predecessors=[size - 1], enable_checks=False)
    assert message(dag.check) == text


def test_a_cycle_of_very_many_vertices_is_found() -> None:
    dag = chain(MANY)
    dag.update_vertex(0, predecessors=[MANY - 1], enable_checks=False)
    assert f"a cycle of {MANY} vertices" in message(dag.check)


def test_a_check_after_a_mended_graph_passes() -> None:
    dag = graph(a=["b"], b=["a"])
    message(dag.check)
    dag.set_predecessors("a", [])
    dag.check()
    assert ids(dag) == ["a", "b"]


def test_shortest_paths_lead_from_predecessor_to_successor() -> None:
    dag = graph(a=["d"], b=["a"], c=["b"], d=["c", "b"], e=["e"], f=[])
    assert dag.shortest_path("a", "c") == ["a", "b", "c"]
    assert dag.shortest_path("a", "d") == ["a", "b", "d"]
    assert dag.shortest_path("a", "a") == ["a", "b", "d", "a"]
    assert dag.shortest_path("e", "e") == ["e", "e"]
    assert dag.shortest_path("f", "f") is None
    assert dag.shortest_path("a", "f") is None
    assert "'x'" in message(dag.shortest_path, "a", "x")


def test_the_closure_is_all_that_comes_before_also_on_a_cycle() -> None:
    dag = graph(a=[], b=["a"], c=["b"], d=["c", "e"], e=["d"])
    assert dag.get_closure("a") == set()
    assert dag.get_closure("c") == {"a", "b"}
    assert dag.get_closure("d") == {"a", "b", "c", "d", "e"}


# Iteration


def test_iteration_is_topological_and_by_insertion_among_what_is_ready() -> None:
    dag = graph(d=["b", "a"], c=["b"], b=[], a=[], e=[])
    assert ids(dag) == ["b", "c", "a", "d", "e"]
    assert [data for _, data in dag] == [None] * 5


def test_reversed_iteration_visits_a_vertex_before_its_predecessors() -> None:
    dag = graph(a=[], b=["a"], c=["a"], d=["b"])
    assert ids(dag, reversed_edges=True) == ["c", "d", "b", "a"]
    iterator = DAGIterator(dag, reversed_edges=True)
    assert [iterator.next_element()[2] for _ in dag.vertex_data][-1] == frozenset({"b", "c"})


def test_an_empty_graph_has_nothing_to_visit() -> None:
    assert ids(DAG()) == []
    with pytest.raises(StopIteration):
        DAGIterator(DAG(), enable_busy_state=True).next_element()


def test_a_vertex_is_awaited_if_it_is_the_last_that_another_one_waits_for() -> None:
    iterator = DAGIterator(graph(a=[], b=[], c=["a", "b"]), enable_busy_state=True)
    assert not any(iterator.is_awaited(name) for name in "abc")
    iterator.next_element()
    iterator.next_element()
    iterator.leave("a")
    assert [iterator.is_awaited(name) for name in "bc"] == [True, False]


def test_a_vertex_is_ready_until_it_is_returned() -> None:
    iterator = DAGIterator(graph(a=[], b=["a"]), enable_busy_state=True)
    found = [iterator.has_ready]
    iterator.next_element()
    found.append(iterator.has_ready)
    iterator.leave("a")
    assert [*found, iterator.has_ready] == [True, False, True]


def test_a_busy_vertex_holds_back_what_comes_after_it_until_it_is_left() -> None:
    dag = graph(a=[], b=[], c=["a", "b"])
    dag.update_vertex("c", data="see")
    iterator = DAGIterator(dag, enable_busy_state=True)
    nothing: tuple[None, None, frozenset[str]] = (None, None, frozenset())
    assert iterator.next_element() == ("a", None, frozenset())
    assert iterator.next_element() == ("b", None, frozenset())
    assert iterator.next_element() == nothing
    iterator.leave("b")
    assert iterator.next_element() == nothing
    assert [iterator.state(name) for name in "abc"] == [
        DAGIterator.BUSY,
        DAGIterator.VISITED,
        DAGIterator.NOT_VISITED,
    ]
    iterator.leave("a")
    assert iterator.next_element() == ("c", "see", frozenset({"a", "b"}))
    assert iterator.next_element() == nothing
    assert next(iterator) == (None, None)
    iterator.leave("c")
    with pytest.raises(StopIteration):
        iterator.next_element()


def test_only_a_busy_vertex_can_be_left() -> None:
    iterator = DAGIterator(graph(a=[], b=["a"]), enable_busy_state=True)
    assert "'a' is not busy" in message(iterator.leave, "a")
    iterator.next_element()
    iterator.leave("a")
    for name in ("a", "b", "x"):
        assert "cannot be left" in message(iterator.leave, name)


def test_a_missing_predecessor_is_named_before_anything_is_visited() -> None:
    dag = graph(a=[], b=["nowhere"])
    assert "nowhere" in message(lambda: next(iter(dag)))
    assert "nowhere" in message(DAGIterator, dag, enable_busy_state=True)


# Edges for order alone


def test_order_alone_is_honoured_and_makes_no_predecessor() -> None:
    dag = DAG()
    dag.add_vertex("late")
    dag.add_vertex("early")
    dag.update_vertex("late", after=["early"])
    assert dag.get_predecessors("late") == frozenset()
    assert dag.get_after("late") == frozenset({"early"})
    assert dag.get_successors("early") == frozenset()
    assert dag.get_closure("late") == set()
    iterator = DAGIterator(dag, enable_busy_state=True)
    assert iterator.next_element()[0] == "early"
    assert iterator.next_element()[0] is None
    iterator.leave("early")
    assert iterator.next_element() == ("late", None, frozenset())


def test_cycles_over_order_alone_are_cycles() -> None:
    dag = graph(a=[], b=["a"])
    assert "a -> b -> a" in message(dag.update_vertex, "a", after=["b"])
    dag.update_vertex("a", after=["b"], enable_checks=False)
    assert "a -> b -> a" in message(dag.check)
    assert "'x'" in message(DAG().add_vertex, "a", after=["x"])


def test_edges_for_order_survive_reversal_and_merging() -> None:
    dag = graph(a=[], b=[], c=["a"])
    dag.update_vertex("c", after=["b"])
    assert dag.reverse_graph().get_after("b") == frozenset({"c"})
    assert dag.reverse_graph().get_after("c") == frozenset()
    merged = dag | graph(b=[], d=[])
    assert merged.get_after("c") == frozenset({"b"})
    assert merged.get_predecessors("c") == frozenset({"a"})


def test_edges_for_order_from_a_pruned_vertex_go_with_it() -> None:
    dag = graph(a=[], b=["a"], c=["b"], d=[])
    dag.update_vertex("d", after=["a", "b"])
    assert dag.prune(lambda _, name: name == "b").get_after("d") == frozenset({"a"})


@pytest.mark.parametrize(("first", "second"), [("after", "after"), ("after", "needs"), ("needs", "after")])
def test_order_holds_through_a_pruned_vertex(first: str, second: str) -> None:
    dag = graph(last=[], middle=[], start=[])
    for end, begin, kind in (("last", "middle", first), ("middle", "start", second)):
        dag.update_vertex(
            end, predecessors=[begin] if kind == "needs" else (), after=[begin] if kind == "after" else ()
        )
    pruned = dag.prune(lambda _, name: name == "middle")
    assert pruned.get_predecessors("last") == frozenset()
    assert pruned.get_after("last") == frozenset({"start"})
    assert ids(pruned) == ["start", "last"]


def test_order_holds_through_a_long_chain_of_pruned_vertices() -> None:
    dag = DAG()
    for number in range(3000):
        dag.update_vertex(number, after=[number - 1] if number else ())
    assert dag.prune(lambda _, number: number not in (0, 2999)).get_after(2999) == frozenset({0})


def test_an_edge_of_both_kinds_is_waited_for_once() -> None:
    dag = graph(a=[], b=["a"])
    dag.update_vertex("b", after=["a"])
    assert ids(dag) == ["a", "b"]


# Reversal, merging, pruning


def test_the_reverse_has_every_edge_turned_and_shares_the_tags() -> None:
    dag = graph(a=[], b=["a"], c=["a", "b"])
    dag.update_vertex("a", data=1)
    turned = dag.reverse_graph()
    assert turned.vertex_predecessors == {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert turned["a"] == 1
    assert ids(turned) == ["c", "b", "a"]
    dag.add_tag("c", "tag")
    assert turned.get_tag("c") == "tag"
    assert turned.reverse_graph().vertex_predecessors == dag.vertex_predecessors


def test_the_reverse_is_checked_unless_told_otherwise() -> None:
    dag = graph(a=["b"], b=["a"])
    assert "a -> b -> a" in message(dag.reverse_graph)
    assert dag.reverse_graph(enable_checks=False).get_predecessors("a") == frozenset({"b"})


def test_a_merge_has_all_of_both_and_the_data_of_the_right_one_wins() -> None:
    left, right = graph(a=[], b=["a"], c=[]), graph(b=[], c=["b"], d=["c"])
    for dag, name, data in ((left, "a", 1), (left, "b", 2), (left, "c", 3), (right, "c", 4)):
        dag.update_vertex(name, data=data)
    left.add_tag("a", "x")
    right.add_tag("d", "y")
    merged = left | right
    assert merged.vertex_data == {"a": 1, "b": 2, "c": 4, "d": None}
    assert merged.vertex_predecessors == {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}}
    assert (merged.get_tag("a"), merged.get_tag("d")) == ("x", "y")
    assert len(left) == 3


def test_a_merge_is_checked() -> None:
    assert "a -> b -> a" in message(lambda: graph(a=[], b=["a"]) | graph(b=[], a=["b"]))


def test_pruning_bridges_over_what_goes() -> None:
    dag = graph(a=[], b=["a"], c=["b", "a"], d=["c"], e=["d", "b"])
    dag.update_vertex("e", data=5)
    pruned = dag.prune(lambda graph, name: name in {"b", "c", "d"} and name in graph)
    assert pruned.vertex_predecessors == {"a": set(), "e": {"a"}}
    assert pruned["e"] == 5
    assert len(dag) == 5


def test_a_tagged_vertex_is_pruned_only_when_told_so() -> None:
    dag = graph(a=[], b=["a"], c=["b"])
    dag.add_tag("a", "kept")
    dag.add_tag("b", "gone")
    assert "'b'" in message(dag.prune, lambda _, name: name == "b")
    pruned = dag.prune(lambda _, name: name == "b", preserve_context=False)
    assert pruned.get_context("c") == [(1, "a", "kept")]
    assert "b" not in pruned.tags


def test_a_long_chain_of_pruned_vertices_is_bridged() -> None:
    dag = chain(MANY)
    pruned = dag.prune(lambda _, number: number not in {0, MANY - 1})
    assert pruned.vertex_predecessors == {0: frozenset(), MANY - 1: frozenset({0})}


# Tags


def test_the_context_is_the_nearest_tag_on_each_branch() -> None:
    dag = graph(root=[], a=["root"], b=["a"], c=["root"], d=["b", "c"], e=["d"])
    for name, tag in (("root", "r"), ("b", "t"), ("e", "own")):
        dag.add_tag(name, tag)
    assert dag.get_context("d") == [(1, "b", "t"), (2, "root", "r")]
    assert dag.get_context("d", max_distance=1) == [(1, "b", "t")]
    assert dag.get_context("d", max_element=1) == [(1, "b", "t")]
    assert dag.get_context("d", max_element=0) == []
    assert dag.get_context("e") == [(0, "e", "own")]
    assert dag.get_context("e", max_distance=0) == [(0, "e", "own")]
    assert dag.get_context("c", reverse_order=True) == [(2, "e", "own")]
    assert dag.get_context("root") == [(0, "root", "r")]


def test_a_tag_is_kept_replaced_and_taken_away() -> None:
    dag = graph(a=[])
    assert dag.get_tag("a") is None
    dag.add_tag("a", "x")
    assert dag.get_tag("a") == "x"
    dag.add_tag("a", None)
    assert dag.get_context("a") == []


def test_a_vertex_may_be_tagged_before_it_is_added() -> None:
    dag = DAG()
    dag.add_tag("b", "x")
    assert (len(dag), dag.get_tag("b"), list(dag)) == (0, "x", [])
    dag.add_vertex("a", predecessors=[])
    dag.add_vertex("b", predecessors=["a"])
    assert dag.get_context("a", reverse_order=True) == [(1, "b", "x")]
    for derived in (dag.reverse_graph(), dag | DAG(), DAG() | dag, dag.prune(lambda *_: False)):
        assert derived.get_tag("b") == "x"


def test_a_context_of_a_cyclic_graph_is_refused_before_anything_else() -> None:
    dag = graph(a=["b"], b=["a"])
    dag.add_tag("a", "x")
    for vertex_id in ("a", "nowhere"):
        assert "cycle" in message(dag.get_context, vertex_id)
    assert "no vertex 'nowhere'" in message(graph(a=[]).get_context, "nowhere")


def test_what_is_called_in_the_wrong_state_is_an_assertion_error_too() -> None:
    dag = graph(a=[])
    iterator = DAGIterator(dag, enable_busy_state=True)
    for call in (
        lambda: iterator.leave("a"),
        lambda: iterator.leave("nowhere"),
        lambda: dag.as_tree(name_key="name"),
    ):
        with pytest.raises(AssertionError) as caught:
            call()
        assert isinstance(caught.value, DAGError)


@pytest.mark.parametrize("data", [None, {}, {"other": 1}, [], 5, "text"])
def test_a_tree_without_its_names_says_which_vertex_has_none(data: Any) -> None:
    dag = DAG()
    dag.add_vertex("a", {"name": "root"})
    dag.add_vertex("b", data, ["a"])
    assert message(dag.as_tree, name_key="name") == "the data of the vertex 'b' has no 'name'"


# Very many


def in_order(edges: list[tuple[int, int]], order: str) -> list[tuple[int, int]]:
    if order == "backwards":
        return edges[::-1]
    if order == "shuffled":
        random.Random(order).shuffle(edges)
    return edges


SHAPES: dict[str, list[tuple[int, int]]] = {
    "chain": [(n, n + 1) for n in range(MANY - 1)],
    "chain against the insertion": [(n + 1, n) for n in range(MANY - 1)],
    "fan out": [(0, n) for n in range(1, MANY)],
    "fan in": [(n, 0) for n in range(1, MANY)],
    "fan out of the last": [(MANY - 1, n) for n in range(MANY - 1)],
}


@pytest.mark.parametrize("order", ["as given", "backwards", "shuffled"])
@pytest.mark.parametrize("shape", SHAPES)
def test_very_many_edges_are_checked_one_by_one_in_any_order(shape: str, order: str) -> None:
    dag = DAG()
    for number in range(MANY):
        dag.add_vertex(number)
    for start, end in in_order(SHAPES[shape].copy(), order):
        dag.update_vertex(end, predecessors=(start,))
    dag.check()
    places = {vertex_id: place for place, vertex_id in enumerate(ids(dag))}
    assert all(places[start] < places[end] for start, end in SHAPES[shape])


def test_a_graph_may_be_built_unchecked_with_its_edges_before_their_ends() -> None:
    dag = DAG()
    for number in range(MANY):
        before = [number + 1] if number + 1 < MANY else []
        dag.update_vertex(number, predecessors=before, enable_checks=False)
    dag.check()
    assert ids(dag) == list(range(MANY))[::-1]


# Random graphs against a model


Before = dict[int, set[int]]


def reach(before: Before, vertex_id: int) -> set[int]:
    seen: set[int] = set()
    todo = [vertex_id]
    while todo:
        new = before[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


def has_cycle(before: Before) -> bool:
    return any(vertex_id in reach(before, vertex_id) for vertex_id in before)


def shortest_cycle_length(before: Before) -> int:
    """Count the steps until the first vertex comes back to itself."""
    fronts = {vertex_id: {vertex_id} for vertex_id in before}
    length = 0
    while True:
        length += 1
        for vertex_id, front in fronts.items():
            fronts[vertex_id] = {start for here in front for start in before[here]}
            if vertex_id in fronts[vertex_id]:
                return length


def first_ready(before: Before) -> list[int]:
    """Return the vertices, the smallest of those that are ready first."""
    order: list[int] = []
    while len(order) < len(before):
        order.append(min(v for v in before if v not in order and before[v] <= set(order)))
    return order


@pytest.mark.parametrize("seed", range(100))
def test_a_random_graph_agrees_with_the_model_after_each_update(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.randint(1, 10)
    dag = DAG()
    edges: Before = {number: set() for number in range(size)}
    order_edges: Before = {number: set() for number in range(size)}
    for number in range(size):
        dag.add_vertex(number)
    for _ in range(chance.randint(0, 30)):
        end = chance.randrange(size)
        starts = {chance.randrange(size) for _ in range(chance.randint(0, 2))}
        kind = chance.choice((edges, order_edges))
        model = {v: edges[v] | order_edges[v] | (starts if v == end else set()) for v in edges}
        named = {"predecessors" if kind is edges else "after": starts}
        if has_cycle(model):
            assert "cycle" in message(dag.update_vertex, end, **named)
        else:
            dag.update_vertex(end, enable_checks=chance.random() < 0.8, **named)
            kind[end] |= starts
    dag.check()
    assert ids(dag) == first_ready({v: edges[v] | order_edges[v] for v in edges})
    assert dag.vertex_predecessors == edges
    assert {v: dag.get_after(v) for v in edges} == order_edges
    assert {v: dag.get_closure(v) for v in edges} == {v: reach(edges, v) for v in edges}


@pytest.mark.parametrize("seed", range(100))
def test_a_random_cycle_is_a_shortest_one(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.randint(1, 12)
    before: Before = {number: set() for number in range(size)}
    while not has_cycle(before):
        before[chance.randrange(size)].add(chance.randrange(size))
    for _ in range(chance.randint(0, size)):
        before[chance.randrange(size)].add(chance.randrange(size))
    dag = DAG()
    for vertex_id, starts in before.items():
        dag.update_vertex(vertex_id, predecessors=starts, enable_checks=False)
    cycle = [int(word) for word in message(dag.check).partition(": ")[2].split(" -> ")]
    assert cycle[0] == cycle[-1]
    assert all(start in before[end] for start, end in pairwise(cycle))
    assert len(cycle) - 1 == shortest_cycle_length(before)
