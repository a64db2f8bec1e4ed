from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from helpers import Terminal, plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  first: {sh: "cat ${in} > ${out}", in: src/text, out: out/b}
  second: {run: "cp ${in} ${out}", in: out/b, out: out/c}
  third: {run: "cp ${in} ${out}", in: out/c, out: out/d}
  tell: {run: 'true', needs: [first]}
"""

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not there to keep old contents")


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def settled(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src/text").write_text("one\ntwo\nthree\n")
    plan(folder, PLAN)
    run_treadle(folder, "run", check=0)


def told(folder: Path, *words: str) -> list[str]:
    lines = run_treadle(folder, "why", *words, check=0).lines
    return [line for line in lines if not line.startswith(("  it last ran", "    because of"))]


def test_a_skip_names_what_is_equal_and_what_would_follow(tmp_path: Path) -> None:
    settled(tmp_path)
    assert told(tmp_path, "first") == [
        "first is up to date: nothing has changed",
        ("  equal to the last success: command, shell, folder, 1 input (src/text), 1 output (out/b), system"),
        "  if what it makes comes out different, these follow:",
        "    second reads out/b",
        "    then third",
        "  needed by tell: that waits for it, and does not run again because of it",
    ]
    assert "  no action reads what it makes" in told(tmp_path, "third")
    assert any(line.startswith("    input src/text: 14 bytes") for line in told(tmp_path, "-v", "first"))


def test_what_changed_is_told_beside_what_is_equal(tmp_path: Path) -> None:
    settled(tmp_path)
    plan(tmp_path, PLAN.replace("cat ${in}", "cat -n ${in}"))
    assert told(tmp_path, "first")[:5] == [
        "first would run:",
        "  command changed:",
        "    - cat src/text > out/b",
        "    + cat -n src/text > out/b",
        "  equal: shell, folder, 1 input (src/text), 1 output (out/b), system",
    ]


@pytest.mark.system("git")
@needs_git
@pytest.mark.parametrize("where", ["index", "latest commit", "older commit"])
def test_the_old_text_is_taken_from_git_wherever_it_is(tmp_path: Path, where: str) -> None:
    settled(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "src/text")
    if where != "index":
        git(tmp_path, "commit", "-qm", "one")
    if where == "older commit":
        (tmp_path / "src/text").write_text("another\nthing\nlies\nhere\n")
        git(tmp_path, "commit", "-qam", "two")
    (tmp_path / "src/text").write_text("one\nTWO\nthree\n")
    lines = told(tmp_path, "first")
    assert lines[1] == "  input src/text changed"
    assert lines[2].startswith("    14 bytes ")
    assert lines[3:7] == ["      one", "    - two", "    + TWO", "      three"]


@pytest.mark.system("git")
@needs_git
def test_what_is_no_small_text_does_not_keep_the_text_of_others_away(tmp_path: Path) -> None:
    names = [*(f"{number:02}.bin" for number in range(40)), "text"]
    plan(tmp_path, f"actions: {{a: {{sh: 'cat ${{in}} > ${{out}}', in: [{', '.join(names)}], out: o}}}}\n")
    for name in names:
        (tmp_path / name).write_text("old\n" if name == "text" else "x" * 70_000)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", *names)
    run_treadle(tmp_path, "run", check=0)
    for name in names:
        (tmp_path / name).write_text("new\n" if name == "text" else "y" * 70_000)
    lines = told(tmp_path, "a")
    assert "    - old" in lines
    assert "    + new" in lines


@pytest.mark.system("git")
@needs_git
def test_a_text_in_git_that_is_not_the_one_on_record_is_not_shown(tmp_path: Path) -> None:
    settled(tmp_path)
    git(tmp_path, "init", "-q")
    (tmp_path / "src/text").write_text("one\ntwo\nthrae\n")
    git(tmp_path, "add", "src/text")
    (tmp_path / "src/text").write_text("one\nTWO\nthree\n")
    lines = told(tmp_path, "first")
    assert lines[2].startswith("    14 bytes ")
    assert lines[3].startswith("  equal: ")


@pytest.mark.system("git")
@needs_git
@pytest.mark.parametrize(
    ("old", "new"),
    [("a\0b\n", "text\n"), ("text\n", "a\0b\n"), ("text\n", "x" * 70_000), ("x" * 70_000, "text\n")],
    ids=["was no text", "is no text", "is large", "was large"],
)
def test_of_what_is_no_small_text_sizes_and_digests_are_told(tmp_path: Path, old: str, new: str) -> None:
    settled(tmp_path)
    (tmp_path / "src/text").write_text(old)
    run_treadle(tmp_path, "run", check=0)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "src/text")
    (tmp_path / "src/text").write_text(new)
    lines = told(tmp_path, "first")
    assert " bytes " in lines[2]
    assert " -> " in lines[2]
    assert lines[3].startswith("  equal: ")


def test_without_version_control_sizes_and_digests_are_told(tmp_path: Path) -> None:
    settled(tmp_path)
    (tmp_path / "src/text").write_text("other")
    lines = run_treadle(tmp_path, "why", "first", env={"GIT_CEILING_DIRECTORIES": str(tmp_path)}, check=0).lines
    assert lines[2].startswith("    14 bytes ")
    assert lines[3].startswith("  equal: ")


def test_of_a_tree_that_changed_what_was_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs/more").mkdir(parents=True)
    for name in ("a", "b", "more/c"):
        (tmp_path / "docs" / name).write_text("x")
    plan(tmp_path, "actions:\n  a: {sh: 'cat docs/a > ${out}', in: docs/, out: o}\n")
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "docs/b").write_text("y")
    assert told(tmp_path, "a")[3] == "    written since its last success: docs/b"
    (tmp_path / "docs/more/d").write_text("new")
    assert told(tmp_path, "a")[3] == "    written since its last success: docs/b, docs/more/, docs/more/d"


def test_programs_get_reasons_and_both_directions(tmp_path: Path) -> None:
    settled(tmp_path)
    (tmp_path / "src/text").write_text("other")
    (first,) = json.loads(run_treadle(tmp_path, "why", "--json", "first", check=0).out)["actions"]
    assert first["decision"] == "run"
    (reason,) = first["reasons"]
    assert (reason["kind"], reason["name"], reason["text"]) == (
        "changed",
        "input src/text",
        "input src/text changed",
    )
    assert reason["old"].startswith("file 14 ")
    assert first["read_by"] == {"second": ["out/b"]}
    assert first["after_them"] == ["third"]
    assert first["needed_by"] == ["tell"]
    assert "command" in first["equal"]
    assert first["last_run"]["state"] == "succeeded"


def test_status_can_be_read_by_programs(tmp_path: Path) -> None:
    settled(tmp_path)
    (tmp_path / "src/text").write_text("other")
    data = json.loads(run_treadle(tmp_path, "status", "--json", check=1).out)
    assert data["counts"] == {"run": 1, "restore": 0, "may run": 2, "skip": 0, "not needed": 0}
    assert [action["name"] for action in data["actions"]] == ["first", "second", "third"]
    assert data["actions"][0]["reasons"][0]["text"] == "input src/text changed"


def test_the_actions_of_a_plan_that_an_action_makes_are_told_as_its_own(tmp_path: Path) -> None:
    inner = "treadle: 1\\nactions: {a: {run: touch a, out: a}}\\n"
    plan(tmp_path, f"actions:\n  gen: {{sh: \"printf '{inner}' > ${{out}}\", out: p.yaml, expand: p.yaml}}\n")
    run_treadle(tmp_path, "run", check=0)
    assert "  it makes a plan: gen:a" in told(tmp_path, "gen")


def test_on_a_terminal_long_lines_are_broken(tmp_path: Path) -> None:
    settled(tmp_path)
    shown = Terminal(tmp_path, "why", "first", columns=60)
    assert shown.end() == 0
    assert max(map(len, shown.seen())) <= 60
    assert "1 input (src/text)" in " ".join(line.strip() for line in shown.seen())


def test_a_check_with_another_command_is_compared_with_its_last_success(tmp_path: Path) -> None:
    check = "default: [lint]\nactions:\n  lint: {run: 'grep -q one ${in}', in: 'src/*'}\n"
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("one\n")
    for text in (check, check.replace("-q", "-c")):
        plan(tmp_path, text)
        run_treadle(tmp_path, "run", "lint", check=0)
    plan(tmp_path, check)
    assert told(tmp_path, "lint")[0] == "lint is up to date: nothing has changed"
    (tmp_path / "src/b").write_text("one\n")
    for words in ((), ("lint",)):
        assert told(tmp_path, *words)[:7] == [
            "lint would run:",
            "  new: it has not run here before",
            "  unlike its last success, which had another command:",
            "    input src/b added",
            "    command changed:",
            "      - grep -c one src/a",
            "      + grep -q one src/a src/b",
        ]


@pytest.mark.parametrize(
    "use",
    [
        "run: out/tool",
        "run: ./out/../out/tool",
        "run: ['true', out/tool]",
        "argv: [out/tool]",
        "{run: ../out/tool, cwd: src}",
        "{sh: 'true', shell: [out/tool]}",
        "{run: 'true', tools: [out/tool]}",
    ],
)
def test_what_starts_a_program_follows_the_action_that_makes_it(tmp_path: Path, use: str) -> None:
    (tmp_path / "src").mkdir()
    action = use if use.startswith("{") else f"{{{use}}}"
    plan(
        tmp_path,
        "actions:\n"
        "  tool: {sh: \"printf '#!/bin/sh\\\\n' > ${out}; chmod +x ${out}\", out: out/tool}\n"
        f"  use: {{stdout: out/used, {action[1:-1]}}}\n",
    )
    run_treadle(tmp_path, "run", check=0)
    assert "    use reads out/tool" in told(tmp_path, "tool")
    assert not any("needed by" in line for line in told(tmp_path, "tool"))
    assert "read by use" in run_treadle(tmp_path, "list", "--files", "tool", check=0).out
    graph = json.loads(run_treadle(tmp_path, "graph", "--format", "json", check=0).out)
    assert [(edge["from"], edge["to"], edge["kind"]) for edge in graph["edges"]] == [("tool", "use", "data")]


def test_a_program_that_an_action_makes_and_starts_itself_is_nothing_that_it_reads(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  tool: {run: [python3 make.py, out/tool], out: out/tool}\n")
    listed = run_treadle(tmp_path, "list", "--files", "tool", check=0).lines
    assert listed == ["tool", "  makes", "    out/tool"]
