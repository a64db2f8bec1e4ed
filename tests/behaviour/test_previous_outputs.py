"""Outputs of former runs: globs leave them alone, with records and without, and there is a way to keep them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

GEN = "  gen: {sh: 'echo ${in} > ${out}; echo \"${out}: ${in}\" > ${depfile}', in: x, out: src/gen.c, depfile: src/gen.d.c}\n"
READ = "  read: {sh: 'echo ${in} > ${out}', in: 'src/*.c', out: out/list}\n"


def project(folder: Path, *actions: str) -> Path:
    (folder / "src").mkdir(exist_ok=True)
    for name in ("x", "src/a.c"):
        (folder / name).write_text(name)
    plan(folder, "actions:\n" + "".join(actions))
    return folder


def listed(folder: Path) -> list[str]:
    return (folder / "out/list").read_text().split()


def test_globs_take_neither_outputs_nor_depfiles_of_former_runs(tmp_path: Path) -> None:
    project(tmp_path, GEN, READ)
    run_treadle(tmp_path, "run", check=0)
    assert listed(tmp_path) == ["src/a.c", "src/gen.c"]
    project(tmp_path, READ)
    run_treadle(tmp_path, "run", check=0)
    assert listed(tmp_path) == ["src/a.c"]


def test_the_globs_of_a_generated_plan_take_no_outputs_of_former_runs(tmp_path: Path) -> None:
    (tmp_path / "made").write_text(
        "treadle: 1\nactions:\n  read: {sh: 'echo ${in} > ${out}', in: 'src/*.c', out: out/list}\n"
    )
    maker = "  plan: {run: 'cp ${in} ${out}', in: made, out: made.yaml, expand: made.yaml}\n"
    project(tmp_path, GEN, maker)
    run_treadle(tmp_path, "run", check=0)
    assert listed(tmp_path) == ["src/a.c", "src/gen.c"]
    project(tmp_path, maker)
    run_treadle(tmp_path, "run", check=0)
    assert listed(tmp_path) == ["src/a.c"]


@pytest.mark.parametrize(
    "action",
    [
        "  a: {sh: 'echo > ${out}', out: src/gen.c}\n",
        "  a: {sh: 'echo > ${out}', out: src/gen.c, when: '\"x\" == \"y\"'}\n",
        "  a: {foreach: {n: [gen, more]}, sh: 'echo > ${out}', out: 'src/${n}.c'}\n",
        "  a: {foreach: {n: 'gen*'}, sh: 'echo > ${out}', out: 'src/${n}.c'}\n",
        "  a: {sh: 'echo > ${out}; echo > ${depfile}', out: o, depfile: src/gen.c}\n",
        "  a: {run: echo x, stdout: src/gen.c}\n",
        "  a: {sh: 'true', out: o, when: '\"x\" == \"y\"', depfile: src/gen.c}\n",
    ],
)
def test_without_records_globs_take_nothing_that_the_plan_can_make(tmp_path: Path, action: str) -> None:
    read = "  read: {sh: 'echo ${in} > ${out}', in: {glob: 'src/*.c'}, out: out/list}\n"
    (tmp_path / "gen").write_text("gen")
    project(tmp_path, action, read)
    (tmp_path / "src/gen.c").write_text("left by a run that is on no record")
    shown = run_treadle(tmp_path, "list", "--files", "read").out
    makes = "when" not in action and "depfile" not in action
    assert ("src/gen.c" in shown) == makes
    assert "src/a.c" in shown


def test_a_run_without_records_says_what_that_means(tmp_path: Path) -> None:
    project(tmp_path, GEN, READ)
    assert run_treadle(tmp_path, "run", check=0).err == ""
    shutil.rmtree(tmp_path / ".treadle")
    done = run_treadle(tmp_path, "run", check=0)
    assert "no record" in done.err
    assert "globs" in done.err


def test_what_a_former_action_made_can_be_kept_as_a_source(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    text = "  read: {sh: 'echo ${in} > ${out}', in: 'src/gen*.c', out: out/list}\n"
    project(tmp_path, GEN, text)
    run_treadle(tmp_path, "run", check=0)
    project(tmp_path, text)
    done = run_treadle(tmp_path, "run", check=2)
    assert "matches nothing" in done.err
    assert "the action gen made it" in done.err
    assert "treadle forget src/gen.c src/gen.d.c" in done.err
    assert run_treadle(tmp_path, "forget", "src/gen.c", check=0).lines == ["src/gen.c is an ordinary file now"]
    run_treadle(tmp_path, "run", check=0)
    assert listed(tmp_path) == ["src/gen.c"]
    for how in ("--stale", "--all"):
        run_treadle(tmp_path, "clean", how, check=0)
        assert (tmp_path / "src/gen.c").exists()
    assert not (tmp_path / "src/gen.d.c").exists()


def test_forget_of_what_no_run_has_made_is_an_error(tmp_path: Path) -> None:
    project(tmp_path, READ)
    run_treadle(tmp_path, "run", check=0)
    assert "src/a.c" in run_treadle(tmp_path, "forget", "src/a.c", check=2).err


def test_clean_stale_keeps_the_record_of_what_it_leaves(tmp_path: Path) -> None:
    both = "  gen: {sh: 'echo x > ${out.a}; echo y > ${out.b}', in: x, out: {a: src/gen.c, b: src/b.c}}\n"
    project(tmp_path, both)
    run_treadle(tmp_path, "run", check=0)
    project(tmp_path, READ.replace("src/*.c", "src/gen.c"))
    assert (
        "src/gen.c is left alone: an action of the plan reads it" in run_treadle(tmp_path, "clean", "--stale").err
    )
    assert not (tmp_path / "src/b.c").exists()
    project(tmp_path, READ)
    run_treadle(tmp_path, "run", check=0)
    assert listed(tmp_path) == ["src/a.c"]
    project(tmp_path, both)
    assert run_treadle(tmp_path, "run", check=0).err == ""
