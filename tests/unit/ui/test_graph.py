from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treadle.ui.graph.formats import dot_lines, graph_data, mermaid_lines
from treadle.ui.graph.model import (
    AFTER,
    DATA,
    FAILED,
    NEEDS,
    RUN,
    UP_TO_DATE,
    Graph,
    Vertex,
    around,
    fold,
    without_shortcuts,
)
from treadle.ui.graph.tree import DEEPEST, tree_lines
from treadle.ui.text import plain


def graph(*edges: str) -> Graph:
    """Return a graph from texts such as `a b`, `a b needs` or a lonely `a`; the family is what stands before @."""
    made = Graph()
    for words in map(str.split, edges):
        for name in words[:2]:
            made.vertices.setdefault(name, Vertex(name, name.partition("@")[0]))
        if len(words) > 1:
            made.connect(words[0], words[1], words[2] if len(words) > 2 else DATA)
    return made


def tree(made: Graph, room: int = 0) -> list[str]:
    return [plain(one) for one in tree_lines(made, room=room)]


def fan(number: int) -> Graph:
    return graph(*(f"src fit@{n}" for n in range(number)), *(f"fit@{n} all" for n in range(number)))


def test_the_tree_shows_what_each_action_needs_once() -> None:
    assert tree(graph("src a", "src b", "a all", "b all", "alone")) == [
        "all",
        "  a",
        "    src",
        "  b",
        "    src",
        "alone",
    ]
    assert tree(graph("x src", "src a", "src b", "a all", "b all"))[-2:] == ["  b", "    src ..."]


def test_a_deep_chain_goes_on_from_the_margin_and_nothing_is_lost() -> None:
    lines = tree(graph(*(f"n{n} n{n + 1}" for n in range(100))))
    assert max(len(line) - len(line.lstrip()) for line in lines) == 2 * DEEPEST
    assert {line.strip().removesuffix(" ...") for line in lines} == {f"n{n}" for n in range(101)}


def test_states_and_reasons_stand_behind_names_and_fit_the_room() -> None:
    made = graph("a b")
    made.vertices["b"].states, made.vertices["b"].note = {RUN: 1}, "input a changed"
    made.vertices["a"].states = {UP_TO_DATE: 1}
    assert tree(made) == ["b: would run (input a changed)", "  a: up to date"]
    assert tree(made, room=20) == ["b: would run (inp...", "  a: up to date"]


def test_a_family_above_the_bound_is_one_vertex_with_the_states_of_all() -> None:
    made = fan(9)
    for n in range(9):
        made.vertices[f"fit@{n}"].states = {FAILED if n == 3 else UP_TO_DATE: 1}
    folded = fold(made, 8)
    assert list(folded.vertices) == ["src", "fit@...", "all"]
    assert folded.edges == {("src", "fit@..."): DATA, ("fit@...", "all"): DATA}
    assert folded.vertices["fit@..."].state == FAILED
    assert tree(folded) == ["all", "  fit@... (9): 1 failed, 8 up to date", "    src"]
    assert folded.counts() == {FAILED: 1, UP_TO_DATE: 8}
    assert list(fold(made, 9).vertices) == list(made.vertices)
    assert list(fold(made, 0).vertices) == list(made.vertices)


def test_what_is_kept_stands_beside_its_folded_family() -> None:
    folded = fold(fan(9), 2, keep=["fit@4"])
    assert set(folded.vertices) == {"src", "fit@...", "fit@4", "all"}
    assert len(folded.vertices["fit@..."].members) == 8


def test_a_family_that_would_make_a_circle_is_not_folded() -> None:
    made = graph(
        "fit@0 mid", "mid fit@1", *(f"fit@{n} all" for n in range(4)), *(f"other@{n} all" for n in range(4))
    )
    folded = fold(made, 2)
    assert "fit@..." not in folded.vertices
    assert "other@..." in folded.vertices
    assert ("mid", "fit@1") in folded.edges


def test_around_a_name_is_what_it_needs_and_what_follows_it() -> None:
    made = graph("a b", "b c", "c d", "b x", "y d", "z b after", "d e")
    assert set(around(made, ["c"]).vertices) == {"a", "b", "c", "d", "e"}
    assert set(around(made, ["c"], depth=1).vertices) == {"b", "c", "d"}
    assert set(around(made, ["c"], depth=0).vertices) == {"c"}
    assert around(made, ["a"], depth=1).edges == {("a", "b"): DATA}


def test_an_edge_that_a_longer_way_says_is_left_out_unless_that_way_is_order_alone() -> None:
    assert set(without_shortcuts(graph("a b", "b c", "a c")).edges) == {("a", "b"), ("b", "c")}
    assert set(without_shortcuts(graph("a b", "b c after", "a c")).edges) == {("a", "b"), ("b", "c"), ("a", "c")}
    diamond = graph("a b", "a c", "b d", "c d")
    assert without_shortcuts(diamond).edges == diamond.edges


def test_of_two_edges_between_two_actions_the_stronger_one_is_shown() -> None:
    made = graph("a b after", "a b needs", "a b after")
    assert made.edges == {("a", "b"): NEEDS}


NASTY = 'x"\\N</text><script>&lt;]\n#35;'


def test_no_name_can_leave_its_string_in_dot() -> None:
    made = Graph()
    made.vertices[NASTY] = Vertex(NASTY, NASTY, help=NASTY)
    (line,) = (line for line in dot_lines(made) if line.startswith("  n0 "))
    assert 'label="x\\"\\\\N</text><script>&amp;lt;]\\\\n#35;"' in line
    assert "\n" not in line


def test_no_name_can_leave_its_label_in_mermaid() -> None:
    made = Graph()
    made.vertices[NASTY] = Vertex(NASTY, NASTY)
    (line,) = (line for line in mermaid_lines(made) if line.startswith("  n0"))
    label = line.removeprefix('  n0["').removesuffix('"]')
    assert not set(label) & set('"<>[]\\&')
    assert "#34;" in label
    assert "#35;35#59;" in label


def test_mermaid_says_kinds_of_edges_and_states() -> None:
    made = graph("a b", "b c needs")
    made.vertices["b"].states = {FAILED: 1}
    lines = list(mermaid_lines(made))
    assert lines[:4] == ["flowchart LR", '  n0["a"]', '  n1["b"]', '  n2["c"]']
    assert "  n0 --> n1" in lines
    assert "  n1 -.-> n2" in lines
    assert lines[-1] == "  class n1 failed"


def test_dot_tells_folded_families_and_orders_many_neighbours_in_columns() -> None:
    lines = list(dot_lines(fold(fan(60), 8)))
    assert any('label="fit@... (60)"' in line and "peripheries=2" in line for line in lines)
    wide = graph(*(f"leaf{n} all" for n in range(60)))
    edges = [line for line in dot_lines(wide) if "->" in line]
    assert sum("minlen=1" in line for line in edges) == 20
    assert sum("minlen=3" in line for line in edges) == 20


def test_lonely_actions_stand_in_rows_in_dot() -> None:
    lines = list(dot_lines(graph(*(f"a{n}" for n in range(100)))))
    rows = [line for line in lines if "style=invis" in line]
    assert len(rows) == 20
    assert rows[0].count("n") - rows[0].count("invis") >= 5


def test_data_for_programs_tells_members_and_kinds() -> None:
    data = graph_data(fold(graph("f@1 x", "f@2 x", "x y after"), 1))
    assert data["format"] == 1
    nodes = data["nodes"]
    assert isinstance(nodes, list)
    assert nodes[0]["name"] == "f@..."
    assert nodes[0]["actions"] == ["f@1", "f@2"]
    assert data["edges"] == [
        {"from": "f@...", "to": "x", "kind": DATA},
        {"from": "x", "to": "y", "kind": AFTER},
    ]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Return a graph without circles, in which some actions are of one family."""
    number = draw(st.integers(1, 14))
    names = [f"{draw(st.sampled_from('abc'))}@{n}" for n in range(number)]
    made = graph(*names)
    for after in range(number):
        for before in draw(st.sets(st.integers(0, max(0, after - 1)), max_size=3)) if after else ():
            made.connect(names[before], names[after], draw(st.sampled_from((DATA, NEEDS, AFTER))))
    return made


def reached(made: Graph) -> set[tuple[str, str]]:
    """Return who comes before whom, near or far, by edges that are more than order."""
    after = made.successors(DATA, NEEDS)
    found = set()
    for name in made.vertices:
        todo = [name]
        while todo:
            for one in after[todo.pop()]:
                if (name, one) not in found:
                    found.add((name, one))
                    todo.append(one)
    return found


@given(graphs(), st.integers(1, 4))
def test_folding_loses_no_action_and_makes_no_circle(made: Graph, bound: int) -> None:
    folded = fold(made, bound)
    members = [uid for vertex in folded.vertices.values() for uid in vertex.members]
    assert sorted(members) == sorted(made.vertices)
    assert not any((name, name) in reached(folded) for name in folded.vertices)
    shown = {line.strip().removesuffix(" ...").partition(" (")[0] for line in tree(folded)}
    assert shown == set(folded.vertices)


@given(graphs())
def test_without_shortcuts_the_order_is_the_same(made: Graph) -> None:
    assert reached(without_shortcuts(made)) == reached(made)


@given(graphs(), st.data())
def test_around_is_closed_in_both_directions(made: Graph, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(made.vertices)))
    pairs = reached(made)
    near = {one for pair in pairs if name in pair for one in pair} | {name}
    assert set(around(made, [name]).vertices) == near
