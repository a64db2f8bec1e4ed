"""Two plans in one root that make the same output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

ONE = "actions:\n  a: {sh: 'echo x > ${out}', out: o}\n  b: {sh: 'echo y > ${out}', out: p}\n"
TWO = "params: {x: {default: o}}\nactions:\n  c:\n    sh: 'echo x > ${out}'\n    out: ${x}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two plans, of which the first has run."""
    plan(tmp_path, ONE, "one.yaml")
    plan(tmp_path, TWO, "two.yaml")
    run_treadle(tmp_path, "run", "one.yaml", check=0)
    return tmp_path


@pytest.mark.parametrize("words", [["run"], ["run", "-n"], ["status"], ["why"]])
def test_is_an_error_that_names_both(folder: Path, words: list[str]) -> None:
    done = run_treadle(folder, *words, "-f", "two.yaml", check=2)
    assert done.err.splitlines() == [
        "treadle: two.yaml:4:3: two plans make o: c in two.yaml, and a in one.yaml",
        "      c:",
        "      ^",
        "  one.yaml:3:3: a",
        "  hint: give one of them another output, or delete the plan that is no longer needed",
    ]
    assert done.out == ""
    assert run_treadle(folder, "run", "one.yaml", check=0).out.startswith("nothing to do")


def test_a_folder_and_a_list_of_outputs_are_compared_one_by_one(folder: Path) -> None:
    plan(folder, "actions:\n  d: {sh: 'touch ${out}', out: [q, p, o]}\n", "two.yaml")
    done = run_treadle(folder, "run", "two.yaml", check=2)
    assert "two plans make p: d in two.yaml, and b in one.yaml" in done.err
    assert "two plans make o: d in two.yaml, and a in one.yaml" in done.err


def test_a_plan_that_is_gone_leaves_its_outputs_to_the_other(folder: Path) -> None:
    (folder / "one.yaml").unlink()
    assert run_treadle(folder, "run", "two.yaml", check=0).out.startswith("nothing to do: 1 up to date")


def test_a_plan_with_another_name_keeps_its_outputs(folder: Path) -> None:
    (folder / "one.yaml").rename(folder / "three.yaml")
    assert run_treadle(folder, "run", "three.yaml", check=0).out.startswith("nothing to do: 2 up to date")
    # a link to a plan is that plan
    (folder / "one.yaml").symlink_to("three.yaml")
    assert run_treadle(folder, "status", "-f", "three.yaml", check=0).err == ""


@pytest.mark.parametrize("text", [ONE.replace("out: o", "out: n"), "actions: [", "root: sub\n" + ONE])
def test_a_plan_that_does_not_make_it_any_more_is_no_hindrance(folder: Path, text: str) -> None:
    (folder / "sub").mkdir()
    plan(folder, text, "one.yaml")
    run_treadle(folder, "run", "two.yaml", check=0)


def test_only_what_is_to_be_walked_counts(folder: Path) -> None:
    plan(folder, TWO + "  other: {sh: 'echo z > ${out}', out: z}\n", "two.yaml")
    run_treadle(folder, "run", "-f", "two.yaml", "other", check=0)
    run_treadle(folder, "run", "two.yaml", "-p", "x=other", check=0)
    run_treadle(folder, "run", "-f", "two.yaml", "c", check=2)
