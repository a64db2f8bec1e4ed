"""`rest: true`: the words behind `--`."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import plan as write_plan
from helpers import run_treadle
from plan_folder import Folder, argv
from treadle.errors import PlanError
from treadle.plan.load import load_plan

PLAN = "treadle: 1\nparams: {args: {rest: true}, n: {default: x}}\nactions: {a: {run: 'x ${args} y'}}\n"


@pytest.mark.parametrize("words", [(), ("-x", "a,b", "", "c d"), ("--", "-p")])
def test_the_words_behind_the_dashes_stay_as_they_are(words: tuple[str, ...], folder: Folder) -> None:
    assert argv(folder.load(PLAN)) == ("x", "y")
    plan = load_plan(str(folder.root / "treadle.yaml"), environ={}, rest=words)
    assert argv(plan) == ("x", *words, "y")


def test_without_dashes_the_default_counts_or_what_is_given(folder: Folder) -> None:
    text = PLAN.replace("rest: true}", "rest: true, type: list, default: [-q], choices: [-q, -v]}")
    assert argv(folder.load(text)) == ("x", "-q", "y")
    assert argv(folder.load(text, params={"args": "-v,-q"})) == ("x", "-v", "-q", "y")
    file = str(folder.root / "treadle.yaml")
    assert argv(load_plan(file, rest=[])) == ("x", "y")
    with pytest.raises(PlanError, match="'-w' is not a choice of args"):
        load_plan(file, rest=["-w"])
    with pytest.raises(PlanError, match="args is given by -p and by --"):
        load_plan(file, params={"args": "-q"}, rest=["-q"])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("{a: {rest: true, type: str}}", "the arguments after -- are a list, but a is of type str"),
        ("{a: {rest: true, default: b}}", "the default of a list must be a list"),
        ("{a: {rest: true}, b: {rest: true}}", "b has rest: true"),
        ("{a: {rest: yes}}", "rest must be true"),
    ],
)
def test_a_mistake_in_a_parameter_for_the_rest_is_told(params: str, said: str, folder: Folder) -> None:
    problem = folder.problems(f"treadle: 1\nparams: {params}\nactions: {{a: {{run: x}}}}\n")[0]
    assert said in problem.what
    assert problem.place is not None
    assert problem.hint


def test_words_that_nobody_takes_are_told(tmp_path: Path) -> None:
    write_plan(tmp_path, "actions: {a: {run: echo hello, out: o}}\n")
    told = run_treadle(tmp_path, "run", "--", "-x", check=2).err
    assert "no parameter takes the arguments after --" in told
    assert "rest: true" in told
    assert "takes no words after --" in run_treadle(tmp_path, "schema", "--", "x", check=2).err


def test_other_words_are_another_call(tmp_path: Path) -> None:
    write_plan(
        tmp_path,
        "params: {args: {rest: true}}\nactions: {a: {sh: 'echo ${args} | tee ${out}', out: o}, b: {run: 'false ${args}'}}\n",
    )
    for words, made in ((("--", "-x", "1"), "-x 1\n"), ((), "\n"), (("--", "-x", "1"), "-x 1\n"), (("--",), "\n")):
        run_treadle(tmp_path, "run", "a", *words, check=0)
        assert (tmp_path / "o").read_text() == made
        assert "nothing to do" in run_treadle(tmp_path, "run", "a", *words, check=0).out
        assert "nothing to do" in run_treadle(tmp_path, "status", "a", *words, check=0).out
    failed = run_treadle(tmp_path, "run", "b", "--", "x y", check=1)
    assert "treadle run b -- 'x y'" in failed.out
