"""Conditions of edges in a DAG: they are kept beside the edges, and what is made of a graph keeps them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import pytest

from treadle import DAG
from treadle.core.conditions import ALWAYS, ON_FAILURE, parse
from treadle.errors import DAGError


def graph() -> DAG:
    """Return build -> test, with a mail after its failure and a report after any end of both."""
    dag = DAG()
    dag.add_vertex("build")
    dag.add_vertex("test", None, ["build"])
    dag.add_vertex("mail", None, {"test": "on_failure", "build": "on_success"})
    dag.add_vertex("report", None, {"test": "always", "mail": ALWAYS})
    return dag


def conditions(dag: DAG) -> dict[tuple[Any, Any], str]:
    return {(start, end): condition.text for end, start, condition in dag.conditions()}


ALL = {("test", "mail"): "on_failure", ("test", "report"): "always", ("mail", "report"): "always"}


def test_a_mapping_in_place_of_a_list_gives_edges_their_conditions() -> None:
    dag = graph()
    assert dag.get_predecessors("mail") == {"test", "build"}
    assert conditions(dag) == ALL
    assert dag.has_conditions
    assert dag.get_condition("test", "mail") == ON_FAILURE
    assert dag.get_condition("build", "mail") is None
    assert dag.get_conditions("mail") == {"test": ON_FAILURE}
    assert dag.get_conditions("test") == {}


def test_a_condition_that_says_what_is_so_without_it_is_not_kept() -> None:
    dag = DAG()
    dag.add_vertex("a")
    dag.add_vertex("b", None, {"a": "on_success"})
    dag.add_vertex("c", None, {"a": "pass or skip"})
    dag.add_vertex("d", None, {"a": None})
    assert not dag.has_conditions
    assert dag.get_predecessors("d") == {"a"}


def test_a_later_mapping_replaces_the_conditions_that_it_names_and_a_list_none() -> None:
    dag = graph()
    dag.update_vertex("mail", None, ["test"])
    assert conditions(dag) == ALL
    dag.update_vertex("mail", None, {"test": "timeout"})
    assert conditions(dag) == {**ALL, ("test", "mail"): "timeout"}
    dag.update_vertex("report", None, {"test": "on_success"})
    assert conditions(dag) == {("test", "mail"): "timeout", ("mail", "report"): "always"}
    dag.set_predecessors("report", {"build": "always"})
    dag.set_predecessors("mail", ["test"])
    assert conditions(dag) == {("build", "report"): "always"}


@pytest.mark.parametrize("condition", ["on_failur", "failed and lost", "", 3, ["x"]])
def test_a_wrong_condition_is_refused_and_nothing_has_changed(condition: Any) -> None:
    dag = graph()
    with pytest.raises(DAGError, match="predecessor 'build' of the vertex 'late'"):
        dag.update_vertex("late", None, {"build": condition})
    assert "late" not in dag
    with pytest.raises(DAGError):
        dag.update_vertex("report", None, {"build": condition})
    assert dag.get_predecessors("report") == {"test", "mail"}
    assert conditions(dag) == ALL


def test_a_refused_edge_leaves_no_condition() -> None:
    dag = graph()
    for starts in ({"report": "always"}, {"nowhere": "always"}):
        with pytest.raises(DAGError):
            dag.update_vertex("test", None, starts)
    assert conditions(dag) == ALL


def test_what_is_made_of_a_graph_keeps_its_conditions() -> None:
    dag = graph()
    for again in (
        copy.deepcopy(dag),
        pickle.loads(pickle.dumps(dag)),
        dag.reverse_graph().reverse_graph(),
        dag | DAG(),
        DAG() | dag,
        dag.prune(lambda _dag, _uid: False),
        DAG.from_networkx(dag.to_networkx()),
    ):
        assert conditions(again) == ALL
        assert again.vertex_predecessors == dag.vertex_predecessors


def test_the_conditions_of_the_right_one_win() -> None:
    right = DAG()
    right.add_vertex("test")
    right.add_vertex("mail", None, {"test": "lost"})
    right.add_vertex("report", None, ["test"])
    assert conditions(graph() | right) == {("test", "mail"): "lost", ("mail", "report"): "always"}


def test_pruning_keeps_conditions_and_bridges_over_none() -> None:
    dag = graph()
    dag.add_vertex("last", None, ["report"])
    assert conditions(dag.prune(lambda _, uid: uid == "last")) == ALL
    kept = dag.prune(lambda _, uid: uid == "build")
    assert conditions(kept) == ALL
    with pytest.raises(DAGError, match="'mail' cannot be pruned: it cannot be bridged over") as caught:
        dag.prune(lambda _, uid: uid == "mail")
    assert "has the condition 'on_failure'" in str(caught.value)
    with pytest.raises(DAGError, match="cannot be bridged over"):
        dag.prune(lambda _, uid: uid == "test")


def test_a_reduction_keeps_edges_with_a_condition_and_takes_none_for_a_path() -> None:
    dag = graph()
    dag.update_vertex("report", None, ["build"])
    reduced = dag.transitive_reduction()
    assert conditions(reduced) == ALL
    assert reduced.get_predecessors("report") == {"test", "mail", "build"}
    assert reduced.get_predecessors("mail") == {"test", "build"}
    plain = DAG()
    plain.add_vertex("a")
    plain.add_vertex("b", None, ["a"])
    plain.add_vertex("c", None, ["a", "b"])
    assert plain.transitive_reduction().get_predecessors("c") == {"b"}


def test_conditions_are_shown() -> None:
    dag = graph()
    assert str(dag).splitlines()[2:] == [
        "mail -> test (on_failure), build",
        "report -> test (always), mail (always)",
    ]
    assert '"mail" -> "test" [label="on_failure"];' in dag.as_dot()
    assert '"mail" -> "build";' in dag.as_dot()
    assert dag.to_networkx().edges["test", "mail"] == {"order": False, "when": "on_failure"}


def test_a_wrong_condition_in_a_networkx_graph_is_refused() -> None:
    given = graph().to_networkx()
    given.edges["test", "mail"]["when"] = "on_failur"
    with pytest.raises(DAGError, match="there is no outcome 'on_failur'"):
        DAG.from_networkx(given)


def test_an_edge_for_order_has_no_condition() -> None:
    dag = graph()
    dag.add_vertex("z", None, None, after={"build": "always"})
    assert dag.get_after("z") == {"build"}
    assert conditions(dag) == ALL


def test_a_graph_without_conditions_does_not_load_their_module() -> None:
    code = (
        "import sys; from treadle import DAG; d = DAG(); d.add_vertex('a'); d.add_vertex('b', None, ['a']);"
        "d | d; d.reverse_graph(); d.check(); assert 'treadle.core.conditions' not in sys.modules;"
        "d.update_vertex('b', None, {'a': 'always'});"
        "assert 'treadle.core.conditions' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_equal_conditions_are_the_same_however_they_are_written() -> None:
    dag = graph()
    dag.update_vertex("mail", None, {"test": parse("fail")})
    assert dag.get_condition("test", "mail") == ON_FAILURE
