"""The longest path that begins with each vertex, by hand and against all paths of random graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from treadle import DAG
from treadle.core.graph.longest_path import UNKNOWN, longest_paths

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping


def graph(edges: Mapping[str, str], after: Mapping[str, str] | None = None) -> DAG:
    dag = DAG()
    for uid, before in edges.items():
        dag.update_vertex(uid, None, before.split(), after=(after or {}).get(uid, "").split())
    return dag


def test_a_vertex_counts_itself_and_the_longer_of_what_comes_after() -> None:
    """A2."""
    dag = graph({"a": "", "short": "a", "long": "a", "end": "short long"})
    seconds: dict[Hashable, float] = {"a": 1.0, "short": 2.0, "long": 30.0, "end": 4.0}
    assert longest_paths(dag, seconds.__getitem__) == {"a": 35.0, "short": 6.0, "long": 34.0, "end": 4.0}


def test_what_is_not_known_takes_a_second() -> None:
    """A2."""
    dag = graph({"a": "", "b": "a", "c": "b"})
    assert longest_paths(dag, lambda uid: 5.0 if uid == "b" else None) == {
        "a": 2 * UNKNOWN + 5,
        "b": UNKNOWN + 5,
        "c": UNKNOWN,
    }
    assert longest_paths(dag) == {"a": 3.0, "b": 2.0, "c": 1.0}


def test_what_only_comes_after_counts_too() -> None:
    """A2: it waits as long."""
    assert longest_paths(graph({"a": "", "b": ""}, {"b": "a"})) == {"a": 2.0, "b": 1.0}


def test_equal_terms_in_another_order_are_equal_sums() -> None:
    """A2: else chance would come before insertion."""
    seconds: dict[Hashable, float] = {"a": 0.1, "b": 0.2, "c": 0.3, "x": 0.3, "y": 0.2, "z": 0.1}
    paths = longest_paths(graph({"a": "", "b": "a", "c": "b", "x": "", "y": "x", "z": "y"}), seconds.__getitem__)
    assert paths["a"] == paths["x"] == 0.6


def test_a_graph_without_vertices_has_no_paths() -> None:
    assert longest_paths(DAG()) == {}


def by_all_paths(uid: Hashable, dag: DAG, seconds: Mapping[Hashable, float | None]) -> float:
    after = dag.get_successors(uid)
    own = seconds[uid]
    return (1.0 if own is None else own) + max((by_all_paths(one, dag, seconds) for one in after), default=0.0)


@settings(max_examples=200)
@given(st.data(), st.integers(1, 9))
def test_it_is_the_longest_of_all_paths(data: st.DataObject, size: int) -> None:
    """A2, on random graphs: the order of insertion is not that of the edges."""
    inserted = data.draw(st.permutations(range(size)))
    seconds: dict[Hashable, float | None] = {
        n: data.draw(st.none() | st.integers(0, 40).map(lambda n: n / 8)) for n in range(size)
    }
    dag = DAG()
    for number in inserted:
        dag.add_vertex(number)
    for number in range(1, size):
        dag.update_vertex(number, predecessors=data.draw(st.sets(st.integers(0, number - 1))))
    assert longest_paths(dag, seconds.__getitem__) == {n: by_all_paths(n, dag, seconds) for n in inserted}
