"""Graphs as text, and what is asked of networkx."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import networkx as nx
import pytest

from treadle import CommandWalk, Job, Scheduler, Walk
from treadle.core.graph.dag import DAG, DAGIterator
from treadle.errors import DAGError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def graph(**before: Iterable[str]) -> DAG:
    dag = DAG()
    for vertex_id, predecessors in before.items():
        dag.update_vertex(vertex_id, predecessors=predecessors, enable_checks=False)
    return dag


def ladder(rungs: int) -> DAG:
    """Return a graph with two ways at each rung: it unfolds to 2 to the power of `rungs`."""
    dag = DAG()
    dag.add_vertex("0")
    for rung in range(rungs):
        for side in "lr":
            dag.add_vertex(f"{rung}{side}", predecessors=[str(rung)])
        dag.add_vertex(str(rung + 1), predecessors=[f"{rung}l", f"{rung}r"])
    return dag


def test_a_graph_reads_as_a_line_for_each_vertex() -> None:
    dag = graph(a=[], b=["a"], c=["a", "b"])
    dag.update_vertex("b", after=["a"])
    assert str(dag) == "a -> (none)\nb -> a (after a)\nc -> a, b"
    assert str(DAG()) == ""


def test_a_vertex_takes_one_line_whatever_its_id_holds() -> None:
    assert str(graph(**{"a\nb\x00\udc80": []})) == "a\\nb\\x00\\udc80 -> (none)"


def test_dot_draws_edges_to_predecessors_and_dashes_those_for_order() -> None:
    dag = graph(a=[], b=["a"], c=[])
    dag.update_vertex("c", after=["b"])
    lines = dag.as_dot().splitlines()
    assert 'rankdir="LR";' in lines
    assert '"a";' in lines
    assert '"b" -> "a";' in lines
    assert '"c" -> "b" [style=dashed];' in lines


NASTY = ['say "hi"', "back\\", '\\"', "two\nlines", "", "[label=x]; evil", "é→", "tab\t", "a -> b"]


def test_no_id_breaks_out_of_its_quotes() -> None:
    dag = DAG()
    for number, name in enumerate(NASTY):
        dag.add_vertex(name, predecessors=NASTY[:number])
    for line in dag.as_dot().splitlines()[2:-1]:
        parts = line.replace("\\\\", "").replace('\\"', "").split('"')
        assert len(parts) in {3, 5}
        assert parts[0] == ""
        assert parts[-1] == ";"
        assert parts[2:-2] in ([], [" -> "])


@pytest.mark.system("dot")
@pytest.mark.skipif(shutil.which("dot") is None, reason="needs dot of Graphviz")
def test_graphviz_reads_it() -> None:
    dag = DAG()
    for name in NASTY:
        dag.add_vertex(name)
    dot = subprocess.run(["dot", "-Tplain"], input=dag.as_dot(), capture_output=True, text=True, check=True)
    assert sum(line.startswith("node ") for line in dot.stdout.splitlines()) == len(NASTY)


def test_a_tree_follows_successors_from_the_first_vertex_sorted() -> None:
    dag = graph(a=[], c=["a"], b=["a"], d=["b", "c"], other=[])
    assert dag.as_tree().splitlines() == [
        "a",
        "├── b",
        "│   └── d",
        "└── c",
        "    └── d",
    ]
    assert DAG().as_tree() == ""


def test_a_tree_takes_names_from_the_data() -> None:
    dag = DAG()
    dag.add_vertex(1, {"name": "root"})
    dag.add_vertex(2, {"name": "z"}, predecessors=[1])
    dag.add_vertex(3, {"name": "y"}, predecessors=[1])
    assert dag.as_tree(name_key="name").splitlines() == ["root", "├── y", "└── z"]


def test_a_tree_that_unfolds_without_bound_shows_each_branch_once() -> None:
    lines = ladder(64).as_tree().splitlines()
    assert len(lines) == 1 + 64 * 4
    assert lines[0] == "0"
    assert sum(line.endswith(" (see above)") for line in lines) == 63
    assert ladder(3).as_tree().count("see above") == 0


def test_a_cycle_does_not_keep_a_tree_from_ending() -> None:
    assert graph(a=["b"], b=["a"]).as_tree().splitlines() == ["a", "└── b", "    └── a (see above)"]


def test_a_very_deep_tree_ends() -> None:
    dag = DAG()
    for number in range(3000):
        dag.add_vertex(number, predecessors=[number - 1] if number else None)
    assert len(dag.as_tree().splitlines()) == 3000


def test_networkx_gets_vertices_data_and_both_kinds_of_edges() -> None:
    dag = graph(a=[], b=["a"], c=["b"])
    dag.update_vertex("a", data=1)
    dag.update_vertex("c", after=["a", "b"])
    found = dag.to_networkx()
    assert {vertex_id: found.nodes[vertex_id]["data"] for vertex_id in found} == {"a": 1, "b": None, "c": None}
    assert set(found.edges(data="order")) == {("a", "b", False), ("b", "c", False), ("a", "c", True)}


def same(left: DAG, right: DAG) -> bool:
    """Return whether two graphs have the same vertices in the same order, data and edges."""
    return str(left) == str(right) and list(left.vertex_data.items()) == list(right.vertex_data.items())


def test_a_graph_comes_back_from_networkx_as_it_was() -> None:
    dag = graph(c=[], a=["c"], b=["c", "a"])
    dag.update_vertex("a", {"some": "data"})
    dag.update_vertex("b", after=["c"])
    dag.update_vertex("d", after=["b"])
    dag.set_predecessors("b", ["a"])
    assert same(DAG.from_networkx(dag.to_networkx()), dag)
    assert same(DAG.from_networkx(nx.DiGraph()), DAG())


def edges(graph: nx.Graph[Any], *pairs: tuple[object, object]) -> nx.Graph[Any]:
    """`graph` with these edges: the constructor of an old networkx warns of a missing pandas when it is given them."""
    graph.add_edges_from(pairs)
    return graph


def test_a_graph_of_networkx_alone_needs_no_attributes() -> None:
    dag = DAG.from_networkx(edges(nx.DiGraph(), ("b", "a"), (1, "a")))
    assert list(dag.vertex_data) == ["b", "a", 1]
    assert dag.get_predecessors("a") == {"b", 1}
    assert dag["a"] is None
    several: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    edges(several, ("b", "a"), ("b", "a"))
    several.add_edge("b", "a", order=True)
    dag = DAG.from_networkx(several)
    assert dag.get_predecessors("a") == dag.get_after("a") == {"b"}


def test_what_is_made_from_networkx_is_of_the_class_that_was_asked() -> None:
    class Own(DAG):
        pass

    assert type(Own.from_networkx(nx.DiGraph())) is Own


def test_a_graph_of_networkx_that_cannot_be_walked_is_refused() -> None:
    with pytest.raises(DAGError, match="cycle of 2 vertices"):
        DAG.from_networkx(edges(nx.DiGraph(), ("a", "b"), ("b", "a")))
    with pytest.raises(DAGError, match="not directed"):
        DAG.from_networkx(edges(nx.Graph(), ("a", "b")))


class Foreign:
    """No graph at all."""


@pytest.mark.parametrize(
    "door",
    [
        DAGIterator,
        lambda value: DAG() | value,
        Walk,
        lambda value: CommandWalk(value, "."),
        lambda value: Scheduler(Scheduler.simple_provider(Job)).run(value),
    ],
    ids=["DAGIterator", "|", "Walk", "CommandWalk", "Scheduler"],
)
@pytest.mark.parametrize("value", [nx.DiGraph(), {"a": []}, None, Foreign()])
def test_what_is_no_dag_is_refused_and_networkx_is_told_the_way(door: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(DAGError) as caught:
        door(value)
    kind = type(value)
    assert caught.value.what == f"expected a treadle.DAG, not {kind.__module__}.{kind.__qualname__}"
    assert ("DAG.from_networkx" in str(caught.value)) == isinstance(value, nx.DiGraph)


def test_the_longest_path_weighs_most() -> None:
    dag = graph(a=[], b=["a"], c=["b"], d=["a"], e=["c", "d"])
    assert dag.longest_path() == ["a", "b", "c", "e"]
    assert dag.longest_path({"a": 1, "d": 9.5, "e": 1}) == ["a", "d", "e"]
    assert DAG().longest_path() == []
    alone = graph(a=[], b=[])
    assert alone.longest_path({"b": 2, "a": 1}) == ["b"]
    alone.update_vertex("a", after=["b"])
    assert alone.longest_path() == ["b", "a"]


def test_a_cyclic_graph_has_no_longest_path_and_no_reduction() -> None:
    dag = graph(a=["b"], b=["a"])
    for ask in (dag.longest_path, dag.transitive_reduction):
        with pytest.raises(DAGError, match="a -> b -> a"):
            ask()


def test_the_reduction_loses_what_longer_paths_imply_and_nothing_else() -> None:
    dag = graph(a=[], b=["a"], c=["a", "b"], d=["a", "c"])
    dag.update_vertex("d", data=4, after=["a"])
    dag.add_tag("a", "tag")
    small = dag.transitive_reduction()
    assert small.vertex_predecessors == {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}}
    assert small["d"] == 4
    assert small.get_after("d") == frozenset({"a"})
    assert small.get_tag("a") == "tag"


@pytest.mark.parametrize("seed", range(30))
def test_a_reduced_graph_has_the_same_closures(seed: int) -> None:
    chance = random.Random(seed)
    dag = DAG()
    for number in range(12):
        dag.add_vertex(number, predecessors=[n for n in range(number) if chance.random() < 0.4])
    small = dag.transitive_reduction()
    for number in range(12):
        assert small.get_closure(number) == dag.get_closure(number)
        for start in small.get_predecessors(number):
            others = small.get_predecessors(number) - {start}
            assert all(start not in small.get_closure(other) for other in others)


def test_networkx_is_loaded_only_when_it_is_asked() -> None:
    program = (
        "import sys; from treadle.core.graph.dag import DAG; dag = DAG(); dag.add_vertex(1); list(dag); str(dag);"
        "dag.as_dot(); dag.as_tree(); dag.prune(lambda *_: False); dag.get_context(1);"
        "print('networkx' in sys.modules); dag.to_networkx(); print('networkx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
