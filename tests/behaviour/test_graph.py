from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from helpers import Terminal, plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  split: {sh: "echo a > ${out}", out: out/raw}
  fit:
    help: one part
    foreach: {part: [a, b]}
    sh: "cat ${in} > ${out}"
    in: out/raw
    out: out/${part}
  merge: {sh: "cat ${in} > ${out}", in: {from: fit}, out: out/all}
  tell: {run: 'true', needs: [merge]}
  other: {run: 'true', out: o, after: [merge]}
"""

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz (dot) is not there to draw")


def test_the_tree_shows_the_whole_plan_and_what_a_run_would_do(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "fit@a", check=0)
    assert run_treadle(tmp_path, "graph", check=0).lines == [
        "tell: would run (it runs each time)",
        "  merge: would run (new: it has not run here before)",
        "    fit@a: up to date",
        "      split: up to date",
        "    fit@b: would run (new: it has not run here before)",
        "      split: up to date",
        "other: would run (new: it has not run here before)",
        "  merge ...",
    ]


def test_without_states_nothing_is_looked_at(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    lines = run_treadle(tmp_path, "graph", "--no-state", "merge", "--depth", "1", check=0).lines
    assert lines == ["tell", "  merge", "    fit@a", "    fit@b"]


def test_a_depth_without_names_is_refused(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {run: x}}")
    said = run_treadle(tmp_path, "graph", "--depth", "1", check=2).err
    assert "--depth needs a name" in said


def test_the_state_of_a_failed_action_is_told(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'exit 3', out: o}\n  b: {run: cp o p, in: o, out: p}\n")
    run_treadle(tmp_path, "run", "-k", check=1)
    lines = run_treadle(tmp_path, "graph", check=0).lines
    assert lines[1] == "  a: failed (the last run failed (exit code 3))"


def test_families_are_folded_beyond_a_bound(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    lines = run_treadle(tmp_path, "graph", "--fold", "1", "merge", check=0).lines
    assert lines[2] == "    fit@... (2): 2 would run"
    kept = run_treadle(tmp_path, "graph", "--fold", "1", "--no-state", "fit@a", check=0).lines
    assert kept == ["tell", "  merge", "    fit@a", "      split"]


def test_programs_get_all_nodes_and_edges(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    data = json.loads(run_treadle(tmp_path, "graph", "--format", "json", check=0).out)
    assert data["format"] == 1
    assert data["root"] == str(tmp_path)
    assert {node["name"]: node["state"] for node in data["nodes"]} == dict.fromkeys(
        ("split", "fit@a", "fit@b", "merge", "tell", "other"), "would run"
    )
    assert {(edge["from"], edge["to"]): edge["kind"] for edge in data["edges"]} == {
        ("split", "fit@a"): "data",
        ("split", "fit@b"): "data",
        ("fit@a", "merge"): "data",
        ("fit@b", "merge"): "data",
        ("merge", "tell"): "needs",
        ("merge", "other"): "after",
    }


def test_a_name_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert "did you mean merge?" in run_treadle(tmp_path, "graph", "merg", check=2).err
    assert "invalid choice" in run_treadle(tmp_path, "graph", "--format", "png", check=2).err


def test_on_a_terminal_states_are_coloured_and_no_line_is_too_long(tmp_path: Path) -> None:
    plan(tmp_path, PLAN.replace("fit:", f"{'long' * 20}:").replace("from: fit", f"from: {'long' * 20}"))
    shown = Terminal(tmp_path, "graph", columns=80)
    assert shown.end() == 0
    assert "\x1b[33mwould run" in shown.text
    assert max(map(len, shown.seen())) <= 80


@pytest.mark.system("dot")
@needs_dot
def test_graphviz_draws_a_picture_with_every_name_and_its_state(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    picture = ET.fromstring(run_treadle(tmp_path, "graph", "--format", "svg", check=0).out)
    texts = {node.text for node in picture.iter() if node.text and node.tag.endswith("}text")}
    assert {"split", "fit@a", "fit@b", "merge", "tell", "other", "treadle.yaml", "6 would run"} <= texts


@pytest.mark.system("dot")
@needs_dot
def test_a_picture_of_five_hundred_actions_stays_readable(tmp_path: Path) -> None:
    actions = [
        f"  compile-{n}: {{run: 'true', in: [{f'o{n // 3}' if n >= 40 else ''}], out: o{n}}}\n" for n in range(500)
    ]
    plan(tmp_path, "actions:\n" + "".join(actions))
    picture = ET.fromstring(run_treadle(tmp_path, "graph", "--format", "svg", "--no-state", check=0).out)
    texts = [node for node in picture.iter() if node.tag.endswith("}text")]
    assert sum((node.text or "").startswith("compile-") for node in texts) == 500
    assert {node.get("font-size") for node in texts} == {"11.00"}
    assert picture.get("width", "").endswith("pt")
    _, _, width, height = map(float, picture.get("viewBox", "").split())
    # nothing is shrunk: the picture is as large as its box, and no long strip
    assert (round(width), round(height)) == (
        int(picture.get("width", "")[:-2]),
        int(picture.get("height", "")[:-2]),
    )
    assert max(width, height) < 10 * min(width, height)


@pytest.mark.system("dot")
@needs_dot
def test_no_name_can_bring_markup_into_the_picture(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  a:\n    help: '</title><script>alert(1)</script> & \\N \"'\n"
        "    foreach: {x: ['<b onload=x>&lt;\"', '\\n\\G']}\n    run: 'true'\n",
        "a<b>&.yaml",
    )
    picture = ET.fromstring(run_treadle(tmp_path, "graph", "-f", "a<b>&.yaml", "--format", "svg", check=0).out)
    assert {node.tag.rpartition("}")[2] for node in picture.iter()} <= {
        *("svg", "g", "title", "polygon", "path", "text", "a", "polyline"),
    }
    texts = {node.text for node in picture.iter() if node.tag.endswith("}text")}
    assert {"a<b>&.yaml", 'a@<b onload=x>&lt;"', "a@\\n\\G"} <= texts


def test_without_graphviz_the_error_says_what_can_be_had(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    done = run_treadle(tmp_path, "graph", "--format", "svg", env={"PATH": str(tmp_path)}, check=2)
    assert "Graphviz" in done.err
    assert "--format dot" in done.err


@pytest.mark.parametrize("entry", [".", "", "bin", "{root}", "{root}/bin"])
def test_no_program_of_the_project_draws_the_picture(tmp_path: Path, entry: str) -> None:
    plan(tmp_path, "actions: {a: {run: touch o, out: o}}\n")
    for folder in (tmp_path, tmp_path / "bin"):
        folder.mkdir(exist_ok=True)
        (folder / "dot").write_text("#!/bin/sh\necho started > started\n")
        (folder / "dot").chmod(0o755)
    path = entry.format(root=tmp_path)
    run_treadle(tmp_path, "graph", "--format", "svg", env={"PATH": f"{path}:{os.environ['PATH']}"})
    assert not (tmp_path / "started").exists()
