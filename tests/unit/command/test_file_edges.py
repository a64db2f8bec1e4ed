"""A graph of Commands in which a reader may run before its maker is refused, and edges come from files."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from treadle import DAG, Command, CommandWalk, DAGError, Script, Settings, Tool, TreadleError, connect_by_files
from treadle.command.graph_checks import check_edges
from treadle.content.links import Links

READERS = {
    # what the maker makes or edits, and how the other one reads it
    "an output": ({"outputs": ["o/x"]}, {"inputs": ["o/x"]}),
    "in an output folder": ({"outputs": ["o/"]}, {"inputs": ["o/deep/x"]}),
    "an output folder": ({"outputs": ["o/"]}, {"inputs": ["o/"]}),
    "a folder in an output folder": ({"outputs": ["o/"]}, {"inputs": ["o/deep/"]}),
    "a folder with an output": ({"outputs": ["o/deep/x"]}, {"inputs": ["o/"]}),
    "a folder with an output folder": ({"outputs": ["o/deep/"]}, {"inputs": ["o/"]}),
    "the root": ({"outputs": ["o/deep/x"]}, {"inputs": ["./"]}),
    "what is edited": ({"edits": ["o/x"]}, {"inputs": ["o/x"]}),
    "what is edited in a folder": ({"edits": ["o/x"]}, {"inputs": ["o/"]}),
    "an edit of an output": ({"outputs": ["o/x"]}, {"edits": ["o/x"]}),
    "a program": ({"outputs": ["o/x"]}, {"steps": ["o/x", "a"]}),
    "a program of the second step": ({"outputs": ["o/x"]}, {"steps": [["true"], ["./o/x"]]}),
    "a program from its folder": ({"outputs": ["o/x"]}, {"steps": ["../o/x"], "cwd": "sub"}),
    "a shell": ({"outputs": ["o/x"]}, {"script": Script("true", shell=("o/x", "-c"))}),
    "a tool": ({"outputs": ["o/x"]}, {"tools": [Tool("./o/x")]}),
}


def graph(kind: str) -> DAG:
    made, read = READERS[kind]
    dag = DAG()
    dag.add_vertex("reader", Command(**{"steps": ["true"], "outputs": ["r"], **read}))  # type: ignore[arg-type, dict-item]
    dag.add_vertex("middle", Command(["true"]))
    dag.add_vertex("maker", Command(["true"], **made))  # type: ignore[arg-type]
    return dag


@pytest.mark.parametrize("kind", READERS)
def test_a_reader_without_an_edge_to_its_maker_is_refused(tmp_path: Path, kind: str) -> None:
    for walk in ("run", "look"):
        with pytest.raises(TreadleError) as error:
            getattr(CommandWalk(graph(kind), str(tmp_path), Settings(jobs=1)), walk)()
        for part in ("reader", "maker", "connect_by_files"):
            assert part in str(error.value)
    assert not (tmp_path / ".treadle").exists()


@pytest.mark.parametrize("kind", READERS)
def test_edges_are_drawn_from_files(kind: str) -> None:
    dag = graph(kind)
    connect_by_files(dag)
    assert dag.get_predecessors("reader") == frozenset({"maker"})
    assert dag.get_predecessors("maker") == frozenset()
    check_edges(dag)


@pytest.mark.parametrize("edges", [("p", "p"), ("a", "p"), ("p", "a"), ("a", "a"), ("a", ""), ("p", "")])
def test_a_path_of_edges_is_enough(edges: tuple[str, str]) -> None:
    dag = graph("an output")
    path = ["reader", "middle", "maker"] if edges[1] else ["reader", "maker"]
    for kind, end, start in zip(edges, path, path[1:], strict=False):
        dag.update_vertex(end, predecessors=[start] if kind == "p" else (), after=[start] if kind == "a" else ())
    check_edges(dag)


def test_an_edge_that_leads_the_other_way_is_none() -> None:
    dag = graph("an output")
    dag.update_vertex("maker", after=["reader"])
    with pytest.raises(TreadleError, match="reader reads o/x, an output of maker"):
        check_edges(dag)
    with pytest.raises(DAGError, match="a cycle of 2"):
        connect_by_files(dag)


def test_what_an_action_makes_and_reads_itself_needs_no_edge() -> None:
    dag = DAG()
    dag.add_vertex("a", Command(["o/x"], inputs=["o/"], outputs=["o/x"]))
    check_edges(dag)


def test_names_that_look_alike_are_no_edges() -> None:
    dag = DAG()
    dag.add_vertex("a", Command(["true"], inputs=["out.c", "outer/", "o"], outputs=["x"]))
    dag.add_vertex("b", Command(["true"], outputs=["out/", "o.c", "oo", "outer2/x"]))
    check_edges(dag)
    connect_by_files(dag)
    assert dag.get_predecessors("a") == frozenset()


def test_the_check_takes_linear_time() -> None:
    def seconds(count: int) -> float:
        dag = DAG()
        for n in range(count):
            inputs = [f"o/{n - 1}", "tree/", f"src/{n}"] if n else []
            dag.update_vertex(
                n, Command(["true"], inputs=inputs, outputs=[f"o/{n}", f"d/{n}/"]), [n - 1] if n else ()
            )
        best = 9.9
        for _ in range(3):
            began = process_time()
            check_edges(dag)
            best = min(best, process_time() - began)
        return best

    # in quadratic time it would be four hundred times as much
    assert seconds(20_000) < 150 * seconds(1_000) + 0.1


def test_a_stale_output_is_not_called_ok(tmp_path: Path) -> None:
    def walk(*, connected: bool) -> None:
        dag = DAG()
        dag.add_vertex("use", Command(["cp", "gen", "out"], inputs=["gen"], outputs=["out"]))
        dag.add_vertex("gen", Command(["cp", "src", "gen"], inputs=["src"], outputs=["gen"]))
        if connected:
            connect_by_files(dag)
        assert CommandWalk(dag, str(tmp_path), Settings(jobs=1)).run().ok

    for text in ("1", "2"):
        (tmp_path / "src").write_text(text)
        with pytest.raises(TreadleError):
            walk(connected=False)
        walk(connected=True)
        assert (tmp_path / "out").read_text() == text


SPELLINGS = {
    "a dot before": ("o/x", "./o/x"),
    "a dot between": ("o/x", "o/./x"),
    "two slashes": ("o/x", "o//x"),
    "up and down": ("o/x", "o/../o/x"),
    "a dot before an output": ("./o/x", "o/x"),
    "a folder": ("o/x", "./o/"),
    "an output folder": ("./o/", "o/x"),
    "the root in other words": ("o/x", "o/../"),
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_a_path_is_the_same_however_it_is_spelled(case: str) -> None:
    made, read = SPELLINGS[case]
    dag = DAG()
    dag.add_vertex("reader", Command(["true"], inputs=[read], outputs=["r"]))
    dag.add_vertex("maker", Command(["true"], outputs=[made]))
    with pytest.raises(TreadleError, match="reader reads"):
        check_edges(dag)
    connect_by_files(dag)
    assert dag.get_predecessors("reader") == {"maker"}


@pytest.mark.parametrize("name", ["inputs", "outputs", "edits"])
@pytest.mark.parametrize("one", [Path("a"), b"a", None, 3])
def test_a_path_that_is_no_text_is_refused_in_words(name: str, one: object) -> None:
    with pytest.raises(TreadleError, match=f"the {name} of a Command contain .*\n  expected a text"):
        Command(["true"], **{name: ["x", one]})  # type: ignore[arg-type]


def test_a_program_may_be_given_as_a_path() -> None:
    assert Command([Path("/bin/cp"), Path("a"), "b"]).steps == (("/bin/cp", "a", "b"),)  # type: ignore[list-item]


@pytest.mark.parametrize("spelling", ["{}/made", "{}/./made", "{}/sub/../made", "{}//made"])
def test_an_absolute_path_below_the_root_is_one_of_the_root(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "sub").mkdir()
    dag = DAG()
    dag.add_vertex("maker", Command(["sh", "-c", "echo > made"], outputs=["made"]))
    dag.add_vertex("reader", Command(["cat", "made"], inputs=[spelling.format(tmp_path)]))
    with pytest.raises(TreadleError, match="an output of maker"):
        CommandWalk(dag, str(tmp_path)).run()
    connect_by_files(dag, str(tmp_path))
    assert dag.get_predecessors("reader") == {"maker"}
    assert CommandWalk(dag, str(tmp_path)).run().ok


LINKED = {
    # what the maker makes or edits, and how the other one reads it
    "a folder link": ({"outputs": ["l/x"]}, {"inputs": ["o/x"]}),
    "the other way": ({"outputs": ["o/x"]}, {"inputs": ["l/x"]}),
    "two links": ({"outputs": ["chain/x"]}, {"inputs": ["l/x"]}),
    "a link to the file": ({"outputs": ["l/x"]}, {"inputs": ["deep/file"]}),
    "an absolute link": ({"outputs": ["absolute/x"]}, {"inputs": ["o/x"]}),
    "a folder with an output": ({"outputs": ["l/x"]}, {"inputs": ["o/"]}),
    "the same through a link": ({"outputs": ["o/deep/x"]}, {"inputs": ["chain/"]}),
    "an output folder": ({"outputs": ["l/d/"]}, {"inputs": ["o/d/x"]}),
    "what is edited": ({"edits": ["l/x"]}, {"inputs": ["o/x"]}),
    "an edit of an output": ({"outputs": ["o/x"]}, {"edits": ["chain/x"]}),
    "a program": ({"outputs": ["l/x"]}, {"steps": ["o/x"]}),
    "a program that is a link": ({"outputs": ["o/x"]}, {"steps": ["deep/file"]}),
    "a tool": ({"outputs": ["o/x"]}, {"tools": [Tool("./l/x")]}),
}


def linked(root: Path, case: str) -> DAG:
    for folder in ("o", "deep"):
        (root / folder).mkdir()
    for name, target in {"l": "o", "chain": "l", "absolute": str(root / "o"), "deep/file": "../o/x"}.items():
        (root / name).symlink_to(target)
    made, read = LINKED[case]
    dag = DAG()
    dag.add_vertex("reader", Command(**{"steps": ["true"], **read}))  # type: ignore[arg-type, dict-item]
    dag.add_vertex("maker", Command(["true"], **made))  # type: ignore[arg-type]
    return dag


@pytest.mark.parametrize("case", LINKED)
def test_a_file_is_the_same_by_any_name_that_links_give_it(tmp_path: Path, case: str) -> None:
    dag = linked(tmp_path, case)
    for walk in ("run", "look"):
        with pytest.raises(TreadleError, match=r"reader reads .*, an output of maker, but does not come after it"):
            getattr(CommandWalk(dag, str(tmp_path), Settings(jobs=1)), walk)()
    connect_by_files(dag)
    assert dag.get_predecessors("reader") == frozenset()
    connect_by_files(dag, str(tmp_path))
    assert dag.get_predecessors("reader") == {"maker"}
    CommandWalk(dag, str(tmp_path), Settings(jobs=1)).look()


def test_one_file_has_one_maker_by_any_name_that_links_give_it(tmp_path: Path) -> None:
    linked(tmp_path, "a folder link")
    dag = DAG()
    dag.add_vertex("a", Command(["true"], outputs=["o/x"]))
    dag.add_vertex("b", Command(["true"], outputs=["chain/x"]), ["a"])
    with pytest.raises(TreadleError, match="o/x of a and chain/x of b are one file through links: o/x"):
        CommandWalk(dag, str(tmp_path)).run()


def test_a_link_that_an_action_makes_is_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "o/cur").symlink_to("../src")
    dag = DAG()
    dag.add_vertex("a", Command(["true"], inputs=["src/"], outputs=["o/x"]))
    dag.add_vertex("b", Command(["true"], inputs=["o/x"], outputs=["o/cur/"]), ["a"])
    check_edges(dag, [str(tmp_path)], Links(str(tmp_path)))
