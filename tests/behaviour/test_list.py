from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from helpers import Terminal, plan, run_treadle

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
        "  all  everything (fit, merge)",
        "parameters:",
        "  mode=debug  build flavour; one of debug, release",
    ]


@pytest.mark.parametrize("word", ["--all", "-v"])
def test_list_all_shows_each_action_and_what_is_left_out(tmp_path: Path, word: str) -> None:
    plan(tmp_path, PLAN)
    lines = run_treadle(tmp_path, "list", word, check=0).lines
    assert "  fit@b    one part" in lines
    assert "  _hidden" in lines
    assert lines[lines.index("disabled:") + 1].startswith("  never  ")


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
    assert (merge["cwd"], merge["queue"], merge["tools"], merge["depfile"]) == (".", "default", [], None)
    assert data["params"][0]["value"] == "debug"
    assert "never" in data["left_out"]


def test_list_of_one_instance_names_that_one(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert run_treadle(tmp_path, "list", "fit@b", check=0).lines == ["actions:", "  fit@b  one part"]


def test_parameters_are_listed_with_their_types_and_choices(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "params:\n  n: {type: int, default: 3, help: how many}\n  m: {type: int, default: 1, choices: [1, 2]}\n  parts: {default: [a, b], choices: [a, b, c]}\n"
        "  name: {default: x}\n  more: {type: list, rest: true}\n  cc: {env: MY_CC, default: cc}\nactions:\n  a: {run: 'true'}\n",
    )
    lines = run_treadle(tmp_path, "list", check=0).lines
    assert lines[lines.index("parameters:") + 1 :] == [
        "  n=3        how many; int",
        "  m=1        int, one of 1, 2",
        "  parts=a,b  list, each one of a, b, c",
        "  name=x",
        "  more=      list, takes the words after --",
        "  cc=cc      from $MY_CC if set",
    ]
    given = json.loads(run_treadle(tmp_path, "list", "--json", "-p", "n=5", check=0).out)["params"][0]
    assert (given["type"], given["value"], given["default"]) == ("int", "5", "3")


FILES = """
actions:
  gen: {sh: 'mkdir -p site && touch gen.h site/index.html', out: [gen.h, site/]}
  use: {sh: 'cat gen.h > ${out}; echo "o: gen.h own.h" > ${depfile}', in: src.c, out: use, depfile: use.d}
  last: {sh: 'cat ${in} > ${out}', in: [use, site/index.html], out: last}
  idle: {run: 'true'}
"""


def test_files_says_where_each_input_comes_from_and_who_reads_each_output(tmp_path: Path) -> None:
    plan(tmp_path, FILES)
    (tmp_path / "src.c").write_text("")
    assert run_treadle(tmp_path, "list", "--files", check=0).lines == [
        "gen",
        "  makes",
        "    gen.h",
        "    site/  read by last",
        "use",
        "  reads",
        "    src.c  no action makes it",
        "  makes",
        "    use  read by last",
        "last",
        "  reads",
        "    use              made by use",
        "    site/index.html  made by gen",
        "  makes",
        "    last",
        "idle",
        "  no inputs and no outputs",
    ]


def test_files_knows_what_an_action_was_found_to_read(tmp_path: Path) -> None:
    plan(tmp_path, FILES)
    (tmp_path / "src.c").write_text("")
    (tmp_path / "own.h").write_text("")
    run_treadle(tmp_path, "run", "gen", check=0)
    run_treadle(tmp_path, "run", "use", check=0)
    (tmp_path / "own.h").unlink()
    assert run_treadle(tmp_path, "list", "--files", "use", check=0).lines[2:5] == [
        "    src.c  no action makes it",
        "    gen.h  made by gen (discovered in the last run)",
        "    own.h  missing, and no action makes it (discovered in the last run)",
    ]
    (use,) = json.loads(run_treadle(tmp_path, "list", "--files", "--json", "use", check=0).out)["actions"]
    assert use["files"]["inputs"][1] == {"path": "gen.h", "how": "discovered", "made_by": ["gen"], "exists": True}
    assert use["files"]["outputs"] == [{"path": "use", "read_by": ["last"], "exists": True}]


def test_files_names_the_program_of_the_project_that_an_action_starts(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {run: ./tool x, cwd: bin, out: o}\n  b: {run: /bin/true, out: p}\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_text("#!/bin/sh\n")
    (tmp_path / "bin/tool").chmod(0o755)
    assert run_treadle(tmp_path, "list", "--files", check=0).lines == [
        "a",
        "  reads",
        "    bin/tool  no action makes it (the program that it starts)",
        "  makes",
        "    o",
        "b",
        "  makes",
        "    p",
    ]


def test_a_long_help_is_broken_on_a_terminal_and_nowhere_else(tmp_path: Path) -> None:
    told = " ".join(["many words that say what it is good for"] * 4)
    plan(tmp_path, f"actions:\n  fit: {{run: 'true', help: {told}}}\n")
    assert run_treadle(tmp_path, "list", check=0).lines[1] == f"  fit  {told}"
    shown = Terminal(tmp_path, "list", columns=60)
    assert shown.end() == 0
    lines = shown.seen()[1:]
    assert max(map(len, lines)) <= 60
    assert lines[0].startswith("  fit  many")
    assert all(line.startswith("       ") for line in lines[1:])
    assert " ".join(line.strip() for line in lines) == f"fit  {told}"


def test_check_says_that_all_is_well_or_all_that_is_not(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert (
        run_treadle(tmp_path, "check", check=0).out == "treadle.yaml: 5 actions, 1 group, 1 disabled, no problems\n"
    )
    plan(tmp_path, "actions:\n  a: {runn: x}\n  b: {run: 'x | y'}\n", "wrong.yaml")
    done = run_treadle(tmp_path, "check", "wrong.yaml", check=2)
    assert "wrong.yaml:3:" in done.err
    assert "wrong.yaml:4:" in done.err
    assert "did you mean run?" in done.err
    assert done.err.splitlines()[-1].endswith(" problems")


def test_check_tells_programs_each_problem_with_its_place(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {runn: x}\n")
    data = json.loads(run_treadle(tmp_path, "check", "--json", check=2).out)
    told = [(one["line"], one["column"], one["hint"]) for one in data["problems"]]
    assert (3, 7, "did you mean run?") in told
    plan(tmp_path, PLAN)
    assert json.loads(run_treadle(tmp_path, "check", "--json", check=0).out)["problems"] == []


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
    assert "selects 2 actions" in run_treadle(tmp_path, "log", "fit", check=2).err
    assert "has no log: with `console: true`" in run_treadle(tmp_path, "log", "shell", check=2).err
    assert "one action" in run_treadle(tmp_path, "log", check=2).err


def test_a_plan_of_which_all_is_left_out_is_not_listed_as_nothing(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {run: x, when: '1 == 2'}\n")
    assert run_treadle(tmp_path, "list", check=0).lines == [
        "no action is enabled: 1 action disabled, --all shows why"
    ]
    assert run_treadle(tmp_path, "list", "--all", check=0).lines[-2:] == [
        "disabled:",
        "  a  when 1 == 2 is false",
    ]
