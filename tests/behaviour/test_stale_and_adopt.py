from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

FIRST = """
actions:
  a: {run: "cp ${in} ${out}", in: x, out: out/a}
  old: {run: "cp ${in} ${out}", in: x, out: out/old}
  site: {sh: "mkdir -p ${out}; echo x > ${out}/x", out: site/}
"""
SECOND = """
actions:
  a: {run: "cp ${in} ${out}", in: x, out: out/a}
"""


def ready(folder: Path) -> Path:
    plan(folder, FIRST)
    (folder / "x").write_text("one\n")
    run_treadle(folder, "run", check=0)
    plan(folder, SECOND)
    return folder


def test_stale_outputs_are_those_of_actions_that_are_no_longer_in_the_plan(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "out/mine").touch()
    shown = run_treadle(tmp_path, "clean", "--stale", "-n", check=1).lines
    assert shown == ["would remove out/old", "would remove site/"]
    assert run_treadle(tmp_path, "clean", "--stale", "-v", check=0).lines == [
        "removed out/old",
        "removed site/",
        "2 stale outputs removed",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "mine"]
    assert run_treadle(tmp_path, "clean", "--stale", check=0).lines == ["0 stale outputs removed"]
    assert run_treadle(tmp_path, "run", check=0).lines[0].startswith("nothing to do")


def test_an_instance_whose_file_is_gone_leaves_a_stale_output(tmp_path: Path) -> None:
    plan(tmp_path, 'actions: {c: {foreach: {s: "*.c"}, run: "cp ${in} ${out}", in: "${s}", out: "out/${s}"}}\n')
    for name in ("a.c", "b.c"):
        (tmp_path / name).touch()
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "a.c").unlink()
    run_treadle(tmp_path, "clean", "--stale", check=0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.c"]


def test_what_somebody_has_written_over_a_stale_output_stays(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "out/old").write_text("mine\n")
    (tmp_path / "site/mine").write_text("mine\n")
    done = run_treadle(tmp_path, "clean", "--stale", check=0)
    assert done.lines == ["1 stale output removed"]
    assert "out/old is left alone: it holds something else" in done.err
    assert "site/ keeps files that no run of Treadle has made: mine" in done.err
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["mine"]


def test_a_stale_output_behind_a_link_stays(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    ready(folder)
    (folder / "out").rename(tmp_path / "elsewhere")
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    assert (
        "out/old is left alone: a folder on its path is a link"
        in run_treadle(folder, "clean", "--stale", check=0).err
    )
    assert (tmp_path / "elsewhere/old").exists()


def test_a_stale_output_that_the_plan_reads_now_stays(tmp_path: Path) -> None:
    ready(tmp_path)
    plan(tmp_path, 'actions: {a: {run: "cp ${in} ${out}", in: out/old, out: out/a}}\n')
    assert "out/old is left alone: an action of the plan reads it" in run_treadle(tmp_path, "clean", "--stale").err


SCRIPT = "printf '#!/bin/sh\\necho 1\\n' > ${out}; chmod +x ${out}"
SOURCES = {
    "an input": ("src", "sh: 'echo 1 > ${out}'", "actions: {a: {sh: 'cp ${in} ${out}', in: src, out: o}}", "src"),
    "an input in a former output folder": (
        *("gen/", "sh: 'echo 1 > ${out}/x'"),
        *("actions: {a: {sh: 'cp ${in} ${out}', in: gen/x, out: o}}", "gen/x"),
    ),
    "a file that an action edits": ("ed", "sh: 'echo 1 > ${out}'", "actions: {a: {sh: 'true', edits: ed}}", "ed"),
    "a file of values": (
        *("v.yaml", "sh: 'echo \"k: 1\" > ${out}'"),
        *("vars: {v: {file: v.yaml}}\nactions: {a: {sh: 'echo ${v.k} > ${out}', out: o}}", "v.yaml"),
    ),
    "a file of variables": (
        *("my.env", "sh: 'echo A=1 > ${out}'"),
        *("actions: {a: {sh: 'echo $A > ${out}', out: o, dotenv: my.env}}", "my.env"),
    ),
    "a plan that is included": (
        *("sub/", "sh: 'printf \"treadle: 1\\nactions: {x: {run: pwd}}\" > ${out}/inc.yaml'"),
        *("include: [sub/inc.yaml]\nactions: {a: {sh: 'true > ${out}', out: o}}", "sub/inc.yaml"),
    ),
    "a program": ("t", f'sh: "{SCRIPT}"', "actions: {a: {run: ./t, stdout: o}}", "t"),
    "a program below the folder it runs in": (
        *("d/t", f'sh: "{SCRIPT}"'),
        *("actions: {a: {run: ./t, cwd: d, stdout: o}}", "d/t"),
    ),
    "a tool": ("t", f'sh: "{SCRIPT}"', "actions: {a: {sh: 'true > ${out}', out: o, tools: [./t]}}", "t"),
    "a shell": ("t", f'sh: "{SCRIPT}"', "actions: {a: {sh: ls, shell: [./t], stdout: o}}", "t"),
}


@pytest.mark.parametrize("option", ["--stale", "--all"])
@pytest.mark.parametrize("kind", SOURCES)
def test_a_former_output_that_is_a_source_of_the_plan_stays(tmp_path: Path, kind: str, option: str) -> None:
    output, command, text, source = SOURCES[kind]
    plan(tmp_path, f"actions:\n  g:\n    {command}\n    out: {output}\n")
    run_treadle(tmp_path, "run", check=0)
    plan(tmp_path, text + "\n")
    run_treadle(tmp_path, "run", "a", check=0)
    answer = run_treadle(tmp_path, "clean", option, check=0)
    assert (tmp_path / source).exists()
    assert f"{output} is left alone: " in answer.err


def test_outputs_of_another_plan_are_stale_when_that_plan_is_gone(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    plan(tmp_path, SECOND)
    plan(tmp_path, 'actions: {b: {run: "cp ${in} ${out}", in: x, out: out/b}}\n', "other.yaml")
    run_treadle(tmp_path, "run", check=0)
    run_treadle(tmp_path, "run", "other.yaml", check=0)
    assert run_treadle(tmp_path, "clean", "--stale", check=0).lines == ["0 stale outputs removed"]
    (tmp_path / "other.yaml").unlink()
    assert run_treadle(tmp_path, "clean", "--stale", check=0).lines == ["1 stale output removed"]


def test_left_out_actions_and_other_values_of_a_parameter_are_not_stale(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "params: {mode: {choices: [debug, release], default: debug}}\n"
        "actions:\n"
        "  a: {sh: 'echo ${mode} > ${out}', out: 'out/${mode}'}\n"
        "  b: {sh: 'echo b > ${out}', out: out/b, when: 'mode == \"debug\"'}\n",
    )
    run_treadle(tmp_path, "run", check=0)
    done = run_treadle(tmp_path, "clean", "--stale", "-p", "mode=release", check=0)
    assert done.lines == ["0 stale outputs removed"]


def test_stale_takes_no_names(tmp_path: Path) -> None:
    ready(tmp_path)
    assert "--stale takes no names" in run_treadle(tmp_path, "clean", "--stale", "a", check=2).err


def test_what_is_adopted_is_skipped_until_something_changes(tmp_path: Path) -> None:
    plan(tmp_path, FIRST)
    (tmp_path / "x").write_text("one\n")
    (tmp_path / "out").mkdir()
    for name in ("a", "old"):
        (tmp_path / "out" / name).write_text("from elsewhere\n")
    (tmp_path / "site").mkdir()
    assert run_treadle(tmp_path, "adopt", "-v", "a", "site", check=0).lines == [
        "adopted a",
        "adopted site",
        "2 actions taken as current",
    ]
    assert "taken as current by `treadle adopt`" in run_treadle(tmp_path, "why", "a").out
    done = run_treadle(tmp_path, "run", check=0)
    assert done.lines[-1].startswith("1 run, 2 up to date")
    assert (tmp_path / "out/a").read_text() == "from elsewhere\n"
    (tmp_path / "x").write_text("two\n")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "out/a").read_text() == "two\n"


def test_an_action_that_failed_can_be_adopted(tmp_path: Path) -> None:
    plan(tmp_path, 'actions: {a: {sh: "cat ${in} > ${out}; false", in: x, out: o}}\n')
    (tmp_path / "x").touch()
    run_treadle(tmp_path, "run", check=1)
    (tmp_path / "o").write_text("by hand\n")
    run_treadle(tmp_path, "adopt", "a", check=0)
    assert run_treadle(tmp_path, "run", check=0).lines[0].startswith("nothing to do")


def test_nothing_is_adopted_where_an_input_or_an_output_is_missing(tmp_path: Path) -> None:
    plan(tmp_path, FIRST + '  late: {run: "cp ${in} ${out}", in: out/old, out: out/late}\n')
    (tmp_path / "x").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").touch()
    (tmp_path / "out/late").touch()
    done = run_treadle(tmp_path, "adopt", "a", "old", "late")
    assert done.code == 2
    assert "old: the output out/old is missing" in done.err
    assert "late: the input out/old is missing" in done.err
    assert "run a: new" in run_treadle(tmp_path, "status", "a", check=1).out


def test_an_action_without_outputs_is_never_adopted(tmp_path: Path) -> None:
    plan(tmp_path, SECOND + '  lint: {run: "cat ${in}", in: x}\n')
    (tmp_path / "x").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").touch()
    assert "nothing to adopt" in run_treadle(tmp_path, "adopt", "lint", check=2).err
    done = run_treadle(tmp_path, "adopt", "*", check=0)
    assert "lint cannot be adopted: it has no outputs" in done.err
    assert done.lines == ["1 action taken as current"]
    assert "run lint" in run_treadle(tmp_path, "status", "lint", "a", check=1).out


def test_adopt_takes_in_what_a_depfile_names(tmp_path: Path) -> None:
    plan(
        tmp_path,
        'actions: {a: {sh: "cat ${in} h > ${out}; echo ${out}: x h > o.d", in: x, out: o, depfile: o.d}}\n',
    )
    for name in ("x", "h", "o"):
        (tmp_path / name).touch()
    assert "depfile o.d is missing" in run_treadle(tmp_path, "adopt", "a", check=2).err
    (tmp_path / "o.d").write_text("o: x h\n")
    run_treadle(tmp_path, "adopt", "a", check=0)
    assert run_treadle(tmp_path, "status").code == 0
    (tmp_path / "h").write_text("more\n")
    assert "discovered input h" in run_treadle(tmp_path, "status", check=1).out


def test_adopt_wants_a_name(tmp_path: Path) -> None:
    assert "no action was named" in run_treadle(tmp_path, "adopt", check=2).err


def test_what_is_stale_and_in_the_way_of_a_folder_or_a_file_makes_room(tmp_path: Path) -> None:
    one = 'actions: {c: {run: "cp x ${out}", in: x, out: out/c}}\n'
    many = 'actions: {c: {foreach: {n: [1, 2]}, run: "cp x ${out}", in: x, out: "out/c/${n}"}}\n'
    (tmp_path / "x").touch()
    plan(tmp_path, one)
    run_treadle(tmp_path, "run", check=0)
    for text, made in ((many, ["out/c/1", "out/c/2"]), (one, ["out/c"])):
        plan(tmp_path, text)
        assert run_treadle(tmp_path, "run", check=0).err == ""
        assert all((tmp_path / path).is_file() for path in made)


def test_a_plan_with_another_name_keeps_what_other_values_of_its_parameters_have_made(tmp_path: Path) -> None:
    text = "params: {m: {default: a}}\nactions:\n  c: {run: 'touch ${out}', out: '${m}'}\n"
    plan(tmp_path, text + "  old: {run: 'touch ${out}', out: old}\n")
    run_treadle(tmp_path, "run", check=0)
    run_treadle(tmp_path, "run", "-p", "m=b", check=0)
    plan(tmp_path, text)
    (tmp_path / "treadle.yaml").rename(tmp_path / "other.yaml")
    shown = run_treadle(tmp_path, "clean", "--stale", "-n", "-f", "other.yaml", check=1).lines
    assert shown == ["would remove old"]
