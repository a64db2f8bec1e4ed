"""The graph in the language of Graphviz, and drawn by it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from treadle.aio import AbstractJob, PureScheduler, Scheduler
from treadle.errors import TreadleError

if TYPE_CHECKING:
    from pathlib import Path

needs_dot = [pytest.mark.system("dot"), pytest.mark.skipif(shutil.which("dot") is None, reason="dot is not there")]


class Drawn(AbstractJob):
    """A job that may have a label for graphs."""

    drawn: str | None = None

    async def co_run(self) -> None:
        return None

    def graph_label(self) -> str | None:
        return self.drawn


def nested() -> Scheduler:
    """Return a scheduler with a scheduler in it, and edges to and from it."""
    first = Drawn(label="first")
    a = Drawn(label="a")
    inner = Scheduler(a, Drawn(label="b", required=a), label="inner", required=first, critical=False, forever=True)
    empty = Scheduler(label="empty", required=inner)
    return Scheduler(first, inner, Drawn(label="last", required=inner), empty, Drawn(label="far", required=empty))


def test_critical_jobs_are_red_and_thick_and_those_for_ever_dashed() -> None:
    a = Drawn(label="a")
    text = PureScheduler(a, Drawn(label="b", critical=False, forever=True, required=a)).dot_format()
    assert text.splitlines() == [
        "digraph treadle {",
        "compound=true;",
        '1 [style="rounded",label="1: a",shape="box",color="red",penwidth="2"];',
        '2 [style="rounded,dashed",label="2: b",shape="box",penwidth="0.5"];',
        "1 -> 2;",
        "}",
    ]


def test_an_inner_scheduler_is_a_cluster_at_whose_border_edges_end() -> None:
    text = nested().dot_format()
    assert 'subgraph cluster_2 {\ngraph [style="dashed",label="2: inner",shape="box",penwidth="0.5"];\n3 [' in text
    assert re.findall(r"^\d+ -> .*;$", text, re.MULTILINE) == [
        "1 -> 3 [lhead=cluster_2];",
        "3 -> 4;",
        "4 -> 5 [ltail=cluster_2];",
        "4 -> 6 [lhead=cluster_6 ltail=cluster_2];",
        "6 -> 7 [ltail=cluster_6];",
    ]
    (inner,) = (job for job in nested() if job.label == "inner")
    assert isinstance(inner, Scheduler)
    assert inner.dot_cluster_name() == "cluster_??"


def test_a_label_for_graphs_replaces_number_and_name_and_may_hold_anything() -> None:
    job = Drawn(label="x")
    job.drawn = 'two\nlines "and" \\ more'
    assert r'label="two\nlines \"and\" \\ more"' in PureScheduler(job).dot_format()
    assert r'label="two\nlines \"and\" \\ more"' in job.dot_style()


def test_the_text_goes_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "graph.dot"
    scheduler = nested()
    assert scheduler.export_as_dotfile(str(file)) == f"(Over)wrote {file}"
    assert file.read_text("utf-8") == scheduler.dot_format()


@pytest.mark.parametrize("scheduler", [nested(), PureScheduler()])
@pytest.mark.parametrize("kind", [pytest.param("png", marks=needs_dot), pytest.param("svg", marks=needs_dot)])
def test_dot_draws_it(tmp_path: Path, scheduler: PureScheduler, kind: str) -> None:
    name = str(tmp_path / "graph")
    export = {"png": scheduler.export_as_pngfile, "svg": scheduler.export_as_svgfile}[kind]
    assert export(name) == f"{name}.{kind}"
    head = (tmp_path / f"graph.{kind}").read_bytes()[:400]
    assert b"PNG" in head or b"<svg" in head


def test_any_format_of_dot_will_do_and_its_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dot(command: list[str], **options: str) -> subprocess.CompletedProcess[str]:
        assert command == ["dot", "-Tnonsense", "-o", "x.nonsense"]
        return subprocess.CompletedProcess(command, 1, "", "no such format")

    monkeypatch.setattr(subprocess, "run", dot)
    with pytest.raises(TreadleError, match=r"dot could not draw x\.nonsense\n  no such format"):
        nested().export_as_graphic("x", "nonsense")


def test_without_dot_there_is_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TreadleError, match="the program `dot` was not found\n  hint: it is part of Graphviz"):
        nested().export_as_pngfile(str(tmp_path / "x"))


def test_graph_is_an_object_of_the_package_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("graphviz")
    module.Source = lambda text: ("source", text)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "graphviz", module)
    scheduler = nested()
    assert scheduler.graph() == ("source", scheduler.dot_format())


def test_without_the_package_graph_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ModuleNotFoundError, match="pip install graphviz"):
        nested().graph()
