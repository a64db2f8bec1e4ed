"""Vars that hold globs: `${sources}` means what the glob would mean where it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers import plan as write_plan
from helpers import run_treadle
from plan_folder import Folder

if TYPE_CHECKING:
    from treadle.plan.model import Plan

GLOB = '{glob: ["s/**/*.c", "${o}/*.c"], exclude: "s/old*"}'
FILES = ("s/a.c", "s/d/b.c", "s/old.c", "s/x.h", "gone.c")
FORMS = {
    "as a text": "run: 'x ${in}', in: @",
    "in a list": "run: 'x ${in}', in: [s/x.h, [@], gone.c]",
    "under a name": "run: 'x ${in.src} ${in}', in: {src: @, h: [s/x.h, @]}",
    "as one word of a script": "sh: 'x \"${in}\"', in: @",
    "in foreach": "foreach: {s: @}, run: 'x ${s.stem} ${in}', in: '${s}', out: 'o/${s.noext}.o'",
    "in a list of foreach": "foreach: {s: [s/x.h, @]}, run: 'x ${s.stem}', in: '${s}'",
    "in edits": "run: 'x ${edits}', edits: @",
    "in a select": "foreach: {p: [a, b]}, run: 'x ${in}', in: {select: '${p}', a: @, b: []}",
}
EMPTY = '{glob: "no/*.c", empty: ok}'


def whole(form: str, glob: str, made: str) -> str:
    """Return a plan whose action a takes a glob in one of the ways, beside one that makes what fits it.

    :param glob: what stands in the place of the glob
    """
    hold = f"sources: {GLOB}, other: '${{sources}}', none: {EMPTY}, chosen: {{select: '${{o}}', gen: {GLOB}}}"
    text = form.replace("@", glob)
    return f"treadle: 1\nvars: {{o: gen, {hold}}}\nactions:\n  g: {{run: x, out: {made}}}\n  a: {{{text}}}\n"


def told(plan: Plan) -> list[tuple[object, ...]]:
    """Return all that actions are, without the places."""
    found: list[tuple[object, ...]] = []
    for one in plan.actions.values():
        script = one.command.script
        said = (script.shown, script.variables) if script is not None else one.command.steps
        found.append((one.uid, one.predecessors, said, one.command.inputs, one.command.edits))
    return found


@pytest.mark.parametrize("name", ["sources", "other", "chosen"])
@pytest.mark.parametrize("form", FORMS)
def test_a_var_means_what_the_glob_would_mean_in_its_place(form: str, name: str, folder: Folder) -> None:
    folder.write(*FILES)
    # what is edited must not be made
    made = "gen/m.h" if "edits" in form else "gen/m.c"
    text = FORMS[form]
    plan = folder.load(whole(text, GLOB, made))
    reads = {path for one in plan.actions.values() for path in (*one.command.inputs, *one.command.edits)}
    assert {"s/a.c", "s/d/b.c"} <= reads
    assert "s/old.c" not in reads
    assert ("gen/m.c" in reads) == (made == "gen/m.c")
    assert told(folder.load(whole(text, f"'${{{name}}}'", made))) == told(plan)


@pytest.mark.parametrize("form", ["as a text", "in foreach", "in edits"])
def test_a_var_may_match_nothing_where_its_glob_says_so(form: str, folder: Folder) -> None:
    folder.write(*FILES)
    text = FORMS[form]
    assert told(folder.load(whole(text, "'${none}'", "m"))) == told(folder.load(whole(text, EMPTY, "m")))


def test_a_var_of_an_included_plan_is_relative_to_its_folder(folder: Folder) -> None:
    folder.write("lib/src/a.c", "src/b.c")
    text = (
        "treadle: 1\nvars: {sources: {glob: 'src/*.c'}}\nactions:\n  all: {run: 'x ${in}', in: '${sources}'}\n"
        "  one: {foreach: {s: '${sources}'}, run: 'x ${in}', in: '${s}'}\n"
    )
    folder.write("lib/plan.yaml", text=text)
    plan = folder.load(text.replace("treadle: 1\n", "treadle: 1\ninclude: [lib/plan.yaml]\n"))
    read = {uid: (action.command.inputs, action.command.steps[0]) for uid, action in plan.actions.items()}
    assert read == {
        "all": (("src/b.c",), ("x", "src/b.c")),
        "one@src/b.c": (("src/b.c",), ("x", "src/b.c")),
        "lib:all": (("lib/src/a.c",), ("x", "src/a.c")),
        "lib:one@src/a.c": (("lib/src/a.c",), ("x", "src/a.c")),
    }


HEAD = (
    "treadle: 1\nvars: {o: 's/*.c', g: {glob: 's/*.c'}, none: «2{glob: 'no/*.c'}, e: «3{glob: '${o}'}}\nactions:\n"
)
IS_GLOB = ("${g} is a glob: it can only be a whole value of in, edits or foreach", "in a command ${in} is what")


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("  a: {run: 'x «1${g}', in: '${g}'}\n", *IS_GLOB),
        ("  a: {sh: 'x \"«1${g}\"', in: '${g}'}\n", *IS_GLOB),
        ("  a: {argv: [x, '«1${g}']}\n", *IS_GLOB),
        ("  a: {run: x, out: '«1${g}'}\n", *IS_GLOB),
        ("  a: {run: x, in: 's/«1${g}'}\n", *IS_GLOB),
        ("  a: {run: x, env: {A: '«1${g}'}}\n", *IS_GLOB),
        ("  a: {run: x, when: '«1g == \"x\"'}\n", *IS_GLOB),
        ("  «2a: {run: x, in: '${none}'}\n", "the glob no/*.c matches nothing", "empty: ok"),
        ("  «3a: {run: x, in: '${e}'}\n", "matches nothing", "a value is never a pattern"),
        ("  a: {run: x, in: «1'${o}'}\n", "the input s/*.c does not exist", 'give the var {glob: "s/*.c"}'),
        ("  a: {foreach: {s: '«1${o}'}, run: x}\n", "${o} is one text", 'give the var {glob: "s/*.c"}'),
    ],
)
def test_a_glob_in_the_wrong_place_is_told(text: str, said: str, hint: str, folder: Folder) -> None:
    folder.write("s/a.c")
    number = re.findall("«(.)", text)[0]
    plain = re.sub("«.", "", HEAD + text)
    before = re.sub("«.", "", (HEAD + text)[: (HEAD + text).index(f"«{number}")])
    problem = folder.problems(plain)[0]
    assert said in problem.what
    assert hint in problem.hint
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (before.count("\n") + 1, len(before.split("\n")[-1]) + 1)
    if "is a glob" in said:
        assert "g is defined at" in problem.facts[0]


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("{g: {globs: 's/*.c'}}", "the var g must be a text or a list, not a map", "glob:"),
        ("{g: {glob: 's/*.c', exlude: x}}", "a glob has no key 'exlude'", "exclude"),
        ("{g: [{glob: 's/*.c'}, x.c]}", "the var g is a list that holds a glob", "a var of its own"),
        ("{g: [{glob: 's/*.c', exclude: x}]}", "the var g is a list that holds a glob", "a var of its own"),
        ("{g: {glob: '${s}/*.c'}}", "${s} is not defined", "vars or params"),
        ("{g: {glob: '${h}/*.c'}, h: {glob: '${g}'}}", "vars refer to each other in a circle", "write one"),
        ("{g: {glob: 's/*.c'}, h: ['${g}', x]}", "${g} is a glob: it can only be a whole value", "${in}"),
    ],
)
def test_a_mistake_in_the_glob_of_a_var_is_told(text: str, said: str, hint: str, folder: Folder) -> None:
    problem = folder.problems(f"treadle: 1\nvars: {text}\nactions: {{a: {{run: x}}}}\n")[0]
    assert said in problem.what
    assert hint in problem.hint


def test_a_var_that_holds_the_name_of_a_file_with_a_star_is_that_file(folder: Folder) -> None:
    folder.write("s/*.c", "s/a.c")
    assert folder.load(re.sub("«.", "", HEAD) + "  a: {run: x, in: '${o}'}\n").actions["a"].command.inputs == (
        "s/*.c",
    )
    assert folder.load(re.sub("«.", "", HEAD) + "  a: {run: x, in: '${e}'}\n").actions["a"].command.inputs == (
        "s/*.c",
    )


def test_a_glob_of_a_record_list_keeps_its_exclude(folder: Folder) -> None:
    folder.write("s/a.c", "s/b.c")
    plan = folder.load("  a: {foreach: {s: [{glob: 's/*.c', exclude: s/b.c}, z]}, run: x}\n")
    assert list(plan.actions) == ["a@s/a.c", "a@z"]


def test_a_glob_of_edits_takes_no_former_output(folder: Folder) -> None:
    folder.write("s/a.c", "s/made.c")
    plan = folder.load("  a: {run: x, edits: 's/*.c'}\n", former=["s/made.c"])
    assert plan.actions["a"].command.edits == ("s/a.c",)


def test_a_new_file_is_seen_and_told_of(tmp_path: Path) -> None:
    write_plan(
        tmp_path,
        "vars: {sources: {glob: 's/*.c', exclude: s/old.c}}\n"
        "actions:\n  all: {sh: 'cat ${in} > ${out}', in: '${sources}', out: all}\n"
        "  one: {foreach: {s: '${sources}'}, run: 'cp ${in} ${out}', in: '${s}', out: '${s.stem}.o'}\n",
    )
    (tmp_path / "s").mkdir()
    (tmp_path / "s/a.c").write_text("a")
    run_treadle(tmp_path, "run", check=0)
    for _ in range(2):
        assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    (tmp_path / "s/b.c").write_text("b")
    (tmp_path / "s/old.c").write_text("old")
    assert "input s/b.c added" in run_treadle(tmp_path, "status", check=1).out
    assert "input s/b.c added" in run_treadle(tmp_path, "why", "all", check=0).out
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "all").read_text() == "ab"
    assert (tmp_path / "b.o").read_text() == "b"
    assert "s/b.c" in run_treadle(tmp_path, "list", "--files", "all", check=0).out
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    (tmp_path / "s/a.c").unlink()
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "all").read_text() == "b"
