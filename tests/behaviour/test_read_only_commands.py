"""A question starts nothing: no action, and no command by which a tool says its version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import plan, run_treadle
from treadle import DAG, Command, CommandWalk, Tool
from treadle.core import decision

PLAN = """
actions:
  prog: {sh: 'echo prog >> log; cat ${in} > ${out}', in: i, out: o/prog, tools: [{tool: ./cc, version: ./cc --version}]}
  after: {sh: 'echo after >> log; cat ${in} > ${out}', in: o/prog, out: o/after}
  both:
    sh: 'echo both >> log; cat ${in} > ${out}'
    in: [o/after, i]
    out: o/both
    tools: [{tool: ./cc, version: ./cc --version}]
  alone: {sh: 'echo alone >> log; cat ${in} > ${out}', in: i, out: o/alone}
"""
QUESTIONS = (
    ("status",),
    ("why", "prog"),
    ("why", "-v"),
    ("why", "--json", "prog"),
    ("run", "-n"),
    ("list",),
    ("list", "--files"),
    ("graph", "--format", "dot"),
    ("check",),
    ("log", "prog"),
    ("clean", "-n"),
    ("schema",),
    ("__complete", "--", "run", "o/"),
)


@pytest.fixture
def settled(tmp_path: Path) -> Path:
    """A plan that has run, with a tool that writes down each time that it is started."""
    (tmp_path / "cc").write_text("#!/bin/sh\necho asked >> asked\ncat version\n")
    (tmp_path / "cc").chmod(0o755)
    (tmp_path / "version").write_text("1\n")
    (tmp_path / "i").write_text("1\n")
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "*", check=0)
    return tmp_path


def started(folder: Path) -> tuple[str, str]:
    """Return what has been started since the project was made."""
    return (folder / "asked").read_text(), (folder / "log").read_text()


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_no_question_starts_anything(settled: Path, question: tuple[str, ...]) -> None:
    before = started(settled)
    assert run_treadle(settled, *question).code in (0, 1)
    assert started(settled) == before


def test_what_would_be_skipped_but_for_a_version_may_run(settled: Path) -> None:
    result = run_treadle(settled, "status", "*", check=1)
    assert result.lines == [
        "may run prog: the version of ./cc is only known by running it",
        "may run after: depends on prog",
        "may run both: depends on after",
        "3 may run, 1 up to date",
    ]
    data = json.loads(run_treadle(settled, "status", "--json", "prog", check=1).out)
    assert data["actions"][0]["decision"] == "may run"
    assert data["actions"][0]["reasons"][0]["kind"] == "version not asked"


def test_a_version_that_was_not_asked_is_not_told_as_equal(settled: Path) -> None:
    out = run_treadle(settled, "why", "prog", check=0).out
    assert out.startswith("prog may run:\n  the version of ./cc is only known by running it\n  equal: command")
    assert "tool" not in out.partition("equal: ")[2].partition("\n")[0]


def test_what_runs_for_another_reason_runs(settled: Path) -> None:
    (settled / "i").write_text("2\n")
    lines = run_treadle(settled, "status", "*", check=1).lines
    assert lines[0] == "run prog: input i changed"
    assert lines[1] == "may run after: depends on prog"


def test_a_run_asks(settled: Path) -> None:
    assert "nothing to do" in run_treadle(settled, "run", "*", check=0).out
    (settled / "version").write_text("2\n")
    out = run_treadle(settled, "run", "*", check=0).out
    assert "2 run" in out
    assert started(settled)[1].split()[-2:] == ["prog", "both"]


@pytest.mark.parametrize("question", [("status",), ("list",), ("why",), ("run", "-n")], ids=" ".join)
def test_the_plan_of_a_maker_with_such_a_tool_is_known_to_questions(
    settled: Path, question: tuple[str, ...]
) -> None:
    made = "treadle: 1\nactions: {inner: {sh: 'echo > ${out}', out: o/inner}}\n"
    (settled / "source").write_text(made)
    plan(
        settled,
        "actions:\n  gen:\n    sh: 'echo gen >> log; cp ${in} ${out}'\n    in: source\n    out: o/plan.yaml\n"
        "    expand: o/plan.yaml\n    tools: [{tool: ./cc, version: ./cc --version}]\n",
    )
    run_treadle(settled, "run", check=0)
    assert (settled / "o/inner").exists()
    before = started(settled)
    result = run_treadle(settled, *question)
    if question == ("list",):
        assert "gen:inner" in result.out
    assert "not generated yet" not in result.out + result.err
    assert started(settled) == before


def test_the_look_of_a_walk_starts_nothing(settled: Path) -> None:
    def walk() -> CommandWalk:
        dag = DAG()
        dag.add_vertex(
            "p",
            Command(
                steps=["cp", "i", "copy"],
                inputs=["i"],
                outputs=["copy"],
                tools=[Tool("./cc", ["./cc", "--version"])],
            ),
        )
        return CommandWalk(dag, str(settled))

    assert walk().run().ok
    before = started(settled)
    verdict = walk().look()["p"]
    assert verdict.decision == decision.MAY_RUN, verdict
    assert [why.kind for why in verdict.reasons] == [decision.NOT_ASKED]
    assert started(settled) == before
