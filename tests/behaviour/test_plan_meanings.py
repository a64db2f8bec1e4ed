"""What two people would read differently: each rule of docs/reference/ on when, always, records, names and spellings."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import plan, run_treadle
from plan_folder import Folder


def runs(folder: Path) -> list[str]:
    """Return which actions ran since the last call: each writes its name when it runs."""
    log = folder / "log"
    found = log.read_text().split() if log.exists() else []
    log.write_text("")
    return sorted(found)


def run(folder: Path, *words: str, code: int = 0) -> list[str]:
    """Run the plan and return which actions ran."""
    run_treadle(folder, "run", *words, check=code)
    return runs(folder)


# When.

LEFT_OUT = """\
  off: {run: x, out: [o, d/x], when: 'false or mode == "x"'}
  reads: {run: x, in: o, out: p}
  deeper: {run: x, in: p}
  needs: {run: x, needs: off}
  started: {run: 'd/x', out: s}
  chosen: {run: x, in: [{from: off}]}
  after: {run: x, after: off}
  tree: {run: x, in: d/}
  glob: {run: x, in: {glob: 'd/*', empty: ok}}
  some: {run: x, in: {from: both}}
  none: {run: x, in: {from: [off], empty: ok}}
  group: {run: x, needs: g}
  both: {foreach: {m: [x, y]}, run: x, out: 'b.${m}', when: m == "x"}
"""


def test_what_is_left_out_takes_with_it_what_cannot_do_without(folder: Folder) -> None:
    folder.write("d/")
    text = "treadle: 1\nparams: {mode: {default: y}}\ngroups: {g: [off, both]}\nactions:\n" + LEFT_OUT
    loaded = folder.load(text)
    assert set(loaded.left_out) == {"off", "reads", "deeper", "needs", "started", "chosen", "both@y"}
    assert loaded.left_out["deeper"] == "needs p of reads, which is disabled"
    assert loaded.actions["some"].command.inputs == ("b.x",)
    assert loaded.actions["group"].predecessors == ("both@x",)
    assert loaded.actions["after"].after == ()


def test_left_out_is_not_failed_and_its_outputs_are_not_stale(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "params: {m: {default: 'yes'}}\nactions:\n  a: {sh: 'echo a >> log; echo > ${out}', out: o, when: m == 'yes'}\n"
        "  b: {sh: 'echo b >> log; cat ${in} > ${out}', in: o, out: p}\n  c: {sh: 'echo c >> log; echo > ${out}', out: q}\n",
    )
    assert run(tmp_path) == ["a", "b", "c"]
    assert run(tmp_path, "-p", "m=no") == []
    assert (tmp_path / "o").exists()
    assert (tmp_path / "p").exists()
    told = run_treadle(tmp_path, "run", "a", "-p", "m=no", check=2).err
    assert "a is disabled" in told
    assert "hint: `treadle list --all` shows all names, also of disabled actions" in told
    assert run(tmp_path) == []


@pytest.mark.parametrize(
    ("default", "out"), [("default: [a]\n", ", out: o"), ("", ", out: o"), ("groups: {g: [a]}\ndefault: g\n", "")]
)
def test_a_bare_run_of_which_all_is_left_out_has_nothing_to_do(default: str, out: str, tmp_path: Path) -> None:
    plan(
        tmp_path,
        f"params: {{m: {{default: 'yes'}}}}\n{default}actions:\n  a: {{sh: 'echo a >> log; touch o'{out}, when: m == 'yes'}}\n"
        "  b: {sh: 'echo b >> log'}\n",
    )
    assert run(tmp_path) == ["a"]
    done = run_treadle(tmp_path, "run", "-p", "m=no", check=0)
    assert done.out.startswith("disabled a: when m == 'yes' is false")
    assert done.lines[-1].startswith("nothing to do in ")
    assert run_treadle(tmp_path, "status", "-p", "m=no", check=0).out == "nothing to do: 0 actions up to date\n"


# Always.


def test_readers_of_what_always_runs_are_judged_by_what_came_out(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  now: {sh: 'echo now >> log; cat source > ${out}', out: o, always: true}\n"
        "  reads: {sh: 'echo reads >> log; cat ${in} > ${out}', in: o, out: p}\n"
        "  needs: {sh: 'echo needs >> log; echo > ${out}', out: q, needs: now}\n",
    )
    (tmp_path / "source").write_text("a")
    assert run(tmp_path) == ["needs", "now", "reads"]
    assert run(tmp_path) == ["now"]
    status = run_treadle(tmp_path, "status", check=1).out
    assert "may run reads: depends on now" in status
    assert "needs" not in status
    assert "needs is up to date" in run_treadle(tmp_path, "why", "needs").out
    (tmp_path / "source").write_text("b")
    assert run(tmp_path) == ["now", "reads"]
    assert (tmp_path / "p").read_text() == "b"


def test_a_check_whose_glob_matches_nothing_runs_once_and_again_when_a_file_comes_or_goes(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {lint: {sh: 'echo lint >> log', in: {glob: '*.c', empty: ok}}}\ndefault: [lint]\n")
    assert [run(tmp_path), run(tmp_path), run(tmp_path)] == [["lint"], [], []]
    (tmp_path / "a.c").touch()
    assert [run(tmp_path), run(tmp_path), run(tmp_path)] == [["lint"], [], []]
    (tmp_path / "a.c").unlink()
    assert [run(tmp_path), run(tmp_path)] == [["lint"], []]


def test_needs_alone_foretells_no_run_and_files_do_whichever_way_they_are_read(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  now: {sh: 'cp source ${out}', out: o, always: true}\n"
        "  folder: {sh: 'mkdir -p ${out}; cp source ${out}/x', out: d/, in: source}\n"
        "  prog: {sh: \"printf '#!/bin/sh\\n' > ${out}; chmod +x ${out}\", out: bin/p, in: source}\n"
        "  nothing: {sh: 'echo > ${out}', out: q1, in: own, needs: [now, folder, prog]}\n"
        "  linked: {sh: 'cat ${in} > ${out}', in: link, out: q2, needs: [now, folder, prog]}\n"
        "  below: {sh: 'cat ${in} > ${out}', in: d/x, out: q3, needs: [now, prog]}\n"
        "  tool: {sh: 'echo > ${out}', tools: [{tool: bin/p, version: bin/p}], out: q4, needs: [now, folder]}\n"
        "  tree: {sh: 'ls ${in} > ${out}', in: bin/, out: q5, needs: [now, folder]}\n",
    )
    (tmp_path / "source").write_text("a")
    (tmp_path / "own").write_text("a")
    (tmp_path / "o").touch()
    (tmp_path / "link").symlink_to("o")
    run_treadle(tmp_path, "run")
    (tmp_path / "source").write_text("b")
    status = run_treadle(tmp_path, "status", check=1).out
    assert [line for line in status.splitlines() if line.startswith("may run")] == [
        "may run linked: depends on now",
        "may run below: depends on folder",
        "may run tool: depends on prog",
        "may run tree: depends on prog",
    ]
    assert "3 to run, 4 may run, 1 up to date" in status


# Records.

FAMILY = """\
params: {parts: {type: list, default: [a, b]}, mode: {default: x}}
actions:
  fit: {foreach: {part: "${parts}"}, sh: 'echo fit@${part} >> log; echo ${mode} > ${out}', out: 'o/${mode}/${part}'}
  same: {sh: 'echo same >> log; echo ${mode} > ${out}', out: same}
  none: {sh: 'echo none >> log; true ${mode}', in: in}
default: ['*']
"""


def test_an_instance_that_is_gone_leaves_its_record_and_its_outputs(tmp_path: Path) -> None:
    plan(tmp_path, FAMILY)
    (tmp_path / "in").touch()
    assert run(tmp_path) == ["fit@a", "fit@b", "none", "same"]
    assert run(tmp_path, "-p", "parts=b,c") == ["fit@c"]
    assert (tmp_path / "o/x/a").exists()
    assert run(tmp_path, "-p", "parts=a,b,c") == []


def test_values_that_lead_to_other_outputs_do_not_throw_each_other_out(tmp_path: Path) -> None:
    plan(tmp_path, FAMILY)
    (tmp_path / "in").touch()
    run(tmp_path)
    assert run(tmp_path, "-p", "mode=y") == ["fit@a", "fit@b", "none", "same"]
    # without outputs the command is part of what a record belongs to; one output holds one value only
    assert run(tmp_path) == ["same"]
    assert run(tmp_path, "-p", "mode=y") == ["same"]


def test_an_action_or_a_plan_with_another_name_takes_its_outputs_over(tmp_path: Path) -> None:
    file = plan(tmp_path, FAMILY)
    (tmp_path / "in").touch()
    run(tmp_path)
    plan(tmp_path, FAMILY.replace("  same:", "  other:"))
    assert run(tmp_path) == []
    file.rename(tmp_path / "new.yaml")
    assert run(tmp_path, "new.yaml") == ["none"]


def test_what_was_taken_out_of_a_plan_and_put_back_need_not_run(tmp_path: Path) -> None:
    file = plan(tmp_path, FAMILY)
    (tmp_path / "in").touch()
    run(tmp_path)
    plan(tmp_path, "actions: {z: {run: 'true'}}\n")
    run(tmp_path, "z")
    file.unlink()
    assert "there is no treadle.yaml" in run_treadle(tmp_path, "run", check=2).err
    plan(tmp_path, FAMILY)
    assert run(tmp_path) == []


def test_an_output_that_an_action_no_more_makes_is_left_and_no_glob_takes_it(tmp_path: Path) -> None:
    plan(tmp_path, FAMILY)
    (tmp_path / "in").touch()
    run(tmp_path)
    plan(tmp_path, "actions:\n  list: {sh: 'echo ${in} > ${out}', in: {glob: 'o/x/*', empty: ok}, out: list}\n")
    run(tmp_path, "list")
    assert (tmp_path / "list").read_text() == "\n"
    # once somebody has written to it, it is a file like any other
    (tmp_path / "o/x/a").write_text("mine")
    run(tmp_path, "list")
    assert (tmp_path / "list").read_text() == "o/x/a\n"


def test_an_action_with_other_outputs_is_another_one(tmp_path: Path) -> None:
    text = "actions:\n  a: {sh: 'echo a >> log; echo > o; echo > p', out: [o, p]}\n"
    plan(tmp_path, text)
    assert run(tmp_path) == ["a"]
    plan(tmp_path, text.replace("[o, p]", "[o]"))
    assert run(tmp_path) == ["a"]
    assert run(tmp_path) == []
    assert (tmp_path / "p").exists()


# Names.

NAMES = """\
treadle: 1
groups:
  all: [fit, prep*, out/x]
  fits: [fit@a, all]
actions:
  fit: {foreach: {p: [a, b]}, run: x, out: 'out/${p}'}
  prepare: {run: x, out: out/prepared}
  prepare2: {run: x, needs: fit}
  maker: {run: x, out: [out/x, out/tree/]}
  out: {run: x}
  _hidden: {run: x}
"""


@pytest.mark.parametrize(
    ("name", "uids"),
    [
        ("fit", "fit@a fit@b"),
        ("fit@b", "fit@b"),
        ("fit@*", "fit@a fit@b"),
        ("all", "fit@a fit@b prepare prepare2 maker"),
        ("fits", "fit@a fit@b prepare prepare2 maker"),
        ("prepare?", "prepare2"),
        ("out", "out"),
        ("out/a", "fit@a"),
        ("out/*", "fit@a fit@b prepare maker"),
        ("out/tree/deep/file", "maker"),
        ("out/tree", "maker"),
        ("*", "fit@a fit@b prepare prepare2 maker out"),
        ("_*", "_hidden"),
        ("_hidden", "_hidden"),
    ],
)
def test_a_name_stands_for(name: str, uids: str, folder: Folder) -> None:
    assert folder.load(NAMES).select([name]) == uids.split()


def test_a_pattern_in_a_group_takes_no_groups(folder: Folder) -> None:
    text = NAMES.replace("fits: [fit@a, all]", "every: ['a*', 'fit@*']")
    assert folder.load(text).select(["every"]) == ["fit@a", "fit@b"]


# Spellings.


@pytest.mark.parametrize(
    "spelling", ["o/f", "./o/f", "o//f", "o/./f", "x/../o/f", "o/x/../f", "ROOT/o/f", "ROOT/./o//f"]
)
def test_spellings_of_one_file(spelling: str, folder: Folder) -> None:
    spelled = spelling.replace("ROOT", str(folder.root))
    loaded = folder.load(f"  a: {{run: x, out: o/f}}\n  b: {{run: y, in: '{spelled}'}}\n")
    assert loaded.actions["b"].predecessors == ("a",)
    assert loaded.actions["b"].command.inputs == ("o/f",)
    assert loaded.select([spelled]) == ["a"]


@pytest.mark.parametrize("other", ["o/F", "o/f\u0301", "O/f", "o/f ", "o/f.x"])
def test_spellings_of_other_files(other: str, folder: Folder) -> None:
    folder.write(other)
    loaded = folder.load(f"  a: {{run: x, out: o/f}}\n  b: {{run: y, in: '{other}'}}\n")
    assert loaded.actions["b"].predecessors == ()


def test_links_are_not_looked_at_where_a_path_is_spelled(folder: Folder) -> None:
    folder.write("real/sub/f", "g")
    (folder.root / "link").symlink_to("real/sub")
    loaded = folder.load(
        "  a: {run: x, in: link/../g}\n  b: {run: x, in: link/f, out: o}\n  c: {run: y, in: real/sub/f}\n"
    )
    assert [loaded.actions[uid].command.inputs for uid in "abc"] == [("g",), ("link/f",), ("real/sub/f",)]
