"""`split`: how the one text that -p or the environment gives becomes a list."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from helpers import plan as write_plan
from helpers import run_treadle
from plan_folder import Folder, argv

PLAN = "treadle: 1\nparams: {fl: {split: words, env: FLAGS, default: [-g]}}\nactions: {a: {run: 'x ${fl} y'}}\n"
TEXTS = {
    "-O2 -g": ("-O2", "-g"),
    "  -O2\t-g\n": ("-O2", "-g"),
    "-DX='a b' -DY=\"c 'd'\" e\\ f": ("-DX=a b", "-DY=c 'd'", "e f"),
    "-Wl,-z,now": ("-Wl,-z,now",),
    "'' #x $HOME *": ("", "#x", "$HOME", "*"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_split_as_a_shell_does(text: str, folder: Folder) -> None:
    expected = ("x", *TEXTS[text], "y")
    assert argv(folder.load(PLAN, params={"fl": text})) == expected
    assert argv(folder.load(PLAN, environ={"FLAGS": text})) == expected


def test_nothing_given_is_no_word_and_not_set_is_the_default(folder: Folder) -> None:
    assert argv(folder.load(PLAN, params={"fl": ""})) == ("x", "y")
    assert argv(folder.load(PLAN, environ={"FLAGS": "  "})) == ("x", "y")
    assert argv(folder.load(PLAN, environ={"FLAGS": ""})) == ("x", "-g", "y")
    assert argv(folder.load(PLAN)) == ("x", "-g", "y")


def test_commas_are_what_splits_if_nothing_is_said(folder: Folder) -> None:
    for text in (PLAN.replace("split: words", "split: commas"), PLAN.replace("split: words", "type: list")):
        assert argv(folder.load(text, params={"fl": "-a b,c"})) == ("x", "-a b", "c", "y")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"params": {"fl": "-D'x"}}, "-p fl=-D'x: a quote is not closed"),
        ({"environ": {"FLAGS": '-g "x'}}, 'FLAGS=-g "x: a quote is not closed'),
        ({"environ": {"FLAGS": "-g \\"}}, "FLAGS=-g \\: the last \\ has nothing after it"),
    ],
)
def test_a_quote_that_is_not_closed_is_told_with_its_variable(
    given: dict[str, dict[str, str]], said: str, folder: Folder
) -> None:
    problem = folder.problems(PLAN, **given)[0]
    assert problem.what == said
    assert problem.facts == ("the parameter fl is split into words",)
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (2, 10)
    assert "quotes group words" in problem.hint


@pytest.mark.parametrize(
    ("param", "said", "hint"),
    [
        ("{split: blanks}", "split must be one of commas, words", "split: words"),
        ("{split: words, type: str}", "split applies to lists, but fl is of type str", "type: list"),
        ("{split: words, default: -O2 -g}", "the default of a list must be a list", "[-O2, -g]"),
        ("{split: words, choices: [-g]}", "-p fl=-g -h: '-h' is not a choice of fl", "take one of these"),
    ],
)
def test_a_mistake_in_split_is_told(param: str, said: str, hint: str, folder: Folder) -> None:
    text = f"treadle: 1\nparams: {{fl: {param}}}\nactions: {{a: {{run: x}}}}\n"
    problem = folder.problems(text, params={"fl": "-g -h"})[0]
    assert said in problem.what
    assert hint in problem.hint


def test_a_list_of_words_is_shown_as_it_may_be_given(tmp_path: Path) -> None:
    write_plan(
        tmp_path,
        "params: {fl: {split: words, env: FLAGS, default: [-g], help: for cc}}\n"
        "actions: {a: {sh: 'printf \"<%s>\" ${fl} > ${out}', out: o}}\n",
    )
    flags = {"FLAGS": "-a 'b c'"}
    shown = run_treadle(tmp_path, "list", env=flags, check=0).out
    assert "fl=-a 'b c'" in shown
    given = shlex.split("fl=\"-a 'b c'\"")
    assert run_treadle(tmp_path, "run", env=flags, check=0).code == 0
    assert (tmp_path / "o").read_text() == "<-a><b c>"
    assert "nothing to do" in run_treadle(tmp_path, "run", "-p", *given, check=0).out
    assert "nothing to do" in run_treadle(tmp_path, "run", env={"FLAGS": "-a  b\\ c"}, check=0).out
    assert "command changed" in run_treadle(tmp_path, "status", env={"FLAGS": "-a b c"}, check=1).out
