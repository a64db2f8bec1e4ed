from __future__ import annotations

import json
from typing import TYPE_CHECKING

from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
params:
  mode: {choices: [debug, release], default: debug, help: build flavour}
groups:
  all: {help: everything, of: [fit, merge]}
actions:
  fit:
    help: one part
    foreach: {part: [a, b]}
    sh: "echo ${part} > ${out}; printf 'said \\\\377\\\\0'"
    out: out/${part}
  merge:
    help: all parts
    sh: cat ${in} > ${out}
    in: {from: fit}
    out: out/all
  _hidden: {run: 'true', out: h}
  never: {run: 'true', out: n, when: mode == "release"}
  shell: {run: bash, console: true}
"""


def test_list_shows_families_groups_and_parameters(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert run_treadle(tmp_path, "list", check=0).lines == [
        "actions:",
        "  fit@...  one part (2 actions)",
        "  merge    all parts",
        "  shell",
        "groups:",
        "  all  everything",
        "parameters:",
        "  mode=debug  build flavour; one of debug, release",
    ]


def test_list_with_v_shows_each_action_and_what_is_left_out(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    lines = run_treadle(tmp_path, "list", "-v", check=0).lines
    assert "  fit@b    one part" in lines
    assert "  _hidden" in lines
    assert lines[lines.index("left out:") + 1].startswith("  never  ")


def test_list_of_names_shows_those(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert run_treadle(tmp_path, "list", "merge", check=0).lines == ["actions:", "  merge  all parts"]


def test_list_can_be_read_by_programs(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    data = json.loads(run_treadle(tmp_path, "list", "--json", check=0).out)
    assert [action["name"] for action in data["actions"]] == ["fit@a", "fit@b", "merge", "_hidden", "shell"]
    merge = data["actions"][2]
    assert merge["inputs"] == ["out/a", "out/b"]
    assert merge["outputs"] == ["out/all"]
    assert merge["needs"] == ["fit@a", "fit@b"]
    assert data["params"][0]["value"] == "debug"
    assert "never" in data["left_out"]


def test_check_says_that_all_is_well_or_all_that_is_not(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert (
        run_treadle(tmp_path, "check", check=0).out == "treadle.yaml: 5 actions, 1 group, 1 left out, no problems\n"
    )
    plan(tmp_path, "actions:\n  a: {runn: x}\n  b: {run: 'x | y'}\n", "wrong.yaml")
    done = run_treadle(tmp_path, "check", "wrong.yaml", check=2)
    assert "wrong.yaml:3:" in done.err
    assert "wrong.yaml:4:" in done.err
    assert "did you mean run?" in done.err
    assert done.err.splitlines()[-1].endswith(" problems")


def test_check_finds_demands_that_can_never_be_met(tmp_path: Path) -> None:
    plan(tmp_path, "queues: {net: 1}\nactions:\n  a: {run: 'true', queue: net, tokens: 2}\n")
    assert "net" in run_treadle(tmp_path, "check", check=2).err


def test_log_prints_byte_by_byte_what_the_action_printed(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "fit@a", check=0)
    done = run_treadle(tmp_path, "log", "fit@a", check=0)
    assert done.out.encode(errors="surrogateescape") == b"said \xff\0"


def test_log_says_why_there_is_none(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert "has no log yet" in run_treadle(tmp_path, "log", "merge", check=2).err
    assert "stands for 2 actions" in run_treadle(tmp_path, "log", "fit", check=2).err
    assert "not kept" in run_treadle(tmp_path, "log", "shell", check=2).err
    assert "one action" in run_treadle(tmp_path, "log", check=2).err
