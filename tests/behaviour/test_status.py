from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from helpers import Waiting, ended, plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  first: {sh: "cp ${in} ${out}", in: a, out: out/b, track: [FLAVOUR]}
  second: {run: "cp ${in} ${out}", in: out/b, out: out/c}
"""


def ready(folder: Path) -> Path:
    plan(folder, PLAN)
    (folder / "a").write_text("one\n")
    run_treadle(folder, "run", env={"FLAVOUR": "mint"}, check=0)
    return folder


def everything(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return inode, size and time of change of all that is in a folder."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in (*folders, *files):
            status = os.lstat(os.path.join(top, name))
            found[os.path.join(top, name)] = (status.st_ino, status.st_size, status.st_ctime_ns)
    return found


def test_status_says_what_a_run_would_do_and_its_code_says_whether(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "a").write_text("one\n")
    assert run_treadle(tmp_path, "status", check=1).lines == [
        "run first: new: it has not run here before",
        "run second: new: it has not run here before",
        "2 to run",
    ]
    run_treadle(tmp_path, "run", check=0)
    assert run_treadle(tmp_path, "status", check=0).lines == ["nothing to do: 2 actions up to date"]
    (tmp_path / "a").write_text("two\n")
    changed = ["run first: input a changed", "may run second: depends on first", "1 to run, 1 may run"]
    assert run_treadle(tmp_path, "status", check=1).lines == changed
    assert run_treadle(tmp_path, "run", "-n", check=1).lines == changed
    assert run_treadle(tmp_path, "status", "-q", check=1).out == ""


def test_status_with_v_lists_what_would_be_skipped(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "out/c").unlink()
    assert run_treadle(tmp_path, "status", "-v", check=1, env={"FLAVOUR": "mint"}).lines == [
        "up to date: first",
        "run second: output out/c is missing",
        "1 to run, 1 up to date",
    ]


def test_status_of_a_name_looks_at_that_and_what_it_needs(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "out/c").unlink()
    assert run_treadle(tmp_path, "status", "first", check=0, env={"FLAVOUR": "mint"}).code == 0


def test_looking_writes_nothing_and_makes_no_state_folder(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "a").write_text("one\n")
    before = everything(tmp_path)
    for command in (["status"], ["why"], ["why", "first"], ["run", "-n"], ["list"], ["check"], ["clean", "-n"]):
        run_treadle(tmp_path, *command)
    assert everything(tmp_path) == before
    run_treadle(tmp_path, "run", check=0)
    before = everything(tmp_path)
    for command in (["status"], ["why"], ["why", "first"], ["run", "-n"], ["list"], ["check"], ["log", "first"]):
        run_treadle(tmp_path, *command)
    assert everything(tmp_path) == before


def test_why_shows_old_and_new_of_each_element(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "a").write_text("and more\n")
    plan(tmp_path, PLAN.replace('"cp ${in} ${out}", in: a', '"cp -p ${in} ${out}", in: a'))
    lines = run_treadle(tmp_path, "why", "first", env={"FLAVOUR": "vanilla"}, check=0).lines
    assert lines[:5] == [
        "first would run:",
        "  command changed:",
        "    - cp a out/b",
        "    + cp -p a out/b",
        "  env FLAVOUR changed from mint to vanilla",
    ]
    assert lines[5] == "  input a changed"
    assert lines[6].startswith("    4 bytes ")
    assert " -> 9 bytes " in lines[6]


def test_why_of_a_skip_says_what_is_equal_and_why_it_ran_last(tmp_path: Path) -> None:
    ready(tmp_path)
    lines = run_treadle(tmp_path, "why", "first", env={"FLAVOUR": "mint"}, check=0).lines
    assert lines[0] == "first is up to date: nothing has changed"
    assert "command, shell, folder, 1 input (a), 1 output (out/b), 1 variable (FLAVOUR)" in lines[1]
    assert lines[2:4] == ["  if what it makes comes out different, these follow:", "    second reads out/b"]
    assert lines[4].startswith("  it last ran ")
    assert lines[4].endswith("s, and succeeded")
    assert lines[5] == "    because of: new: it has not run here before"


def test_why_tells_how_the_last_run_failed(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'exit 5', out: o}\n")
    run_treadle(tmp_path, "run", check=1)
    out = run_treadle(tmp_path, "why", "a", check=0).out
    assert "the last run failed (exit code 5)" in out
    assert "and failed: exit code 5" in out


def test_bare_why_tells_of_all_that_would_run(tmp_path: Path) -> None:
    ready(tmp_path)
    mint = {"FLAVOUR": "mint"}
    assert run_treadle(tmp_path, "why", env=mint, check=0).lines == ["nothing would run: 2 actions up to date"]
    (tmp_path / "a").write_text("other\n")
    lines = run_treadle(tmp_path, "why", env=mint, check=0).lines
    assert lines[0] == "first would run:"
    assert lines[-2:] == ["second may run:", "  depends on first"]


def test_the_reason_that_why_gives_is_the_one_that_the_run_gives(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "out/c").write_text("edited by hand")
    mint = {"FLAVOUR": "mint"}
    assert "output out/c was altered" in run_treadle(tmp_path, "why", "second", env=mint, check=0).out
    assert "(output out/c was altered)" in run_treadle(tmp_path, "run", env=mint, check=0).out


def test_a_forced_action_is_seen_by_status(tmp_path: Path) -> None:
    ready(tmp_path)
    lines = run_treadle(tmp_path, "run", "-n", "--force=second", env={"FLAVOUR": "mint"}, check=1).lines
    assert lines == ["run second: forced", "1 to run, 1 up to date"]


@pytest.mark.parametrize("words", [["status"], ["why", "a"], ["run", "-n"]])
def test_a_question_while_a_run_is_at_work_says_so(tmp_path: Path, words: list[str]) -> None:
    waiting = Waiting(tmp_path)
    run = waiting.start("-j1")
    asked = run_treadle(waiting.folder, *words)
    assert asked.err == (
        f"treadle: process {run.pid} (treadle run -j1) is active in this folder: "
        "the actions that it is running are shown as interrupted\n"
    )
    assert "cut off" not in asked.out
    waiting.go.open()
    assert ended(run).code == 0
    assert run_treadle(waiting.folder, *words).err == ""


DISCOVERED = """
actions:
  use: {sh: 'cat gen.h > ${out}; echo "o: gen.h" > ${depfile}', out: use, depfile: use.d}
  gen: {sh: 'cat ${in} > ${out}', in: version, out: gen.h}
"""


@pytest.mark.parametrize("words", [["status"], ["run", "-n"]])
def test_what_a_name_was_found_to_read_is_asked_about_as_a_run_would(tmp_path: Path, words: list[str]) -> None:
    plan(tmp_path, DISCOVERED)
    (tmp_path / "version").write_text("1")
    run_treadle(tmp_path, "run", "gen", check=0)
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "version").write_text("2")
    told = ["run gen: input version changed", "may run use: depends on gen", "1 to run, 1 may run"]
    assert run_treadle(tmp_path, *words, "use", check=1).lines == told
