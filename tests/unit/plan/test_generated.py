"""A plan that an action has made is a part of the plan, and is checked like any."""

from __future__ import annotations

import os

import pytest

from plan_folder import Folder, argv
from treadle.errors import PlanError, UsageError
from treadle.plan.load import load_plan
from treadle.plan.model import Plan

TOP = """\
treadle: 1
vars: {o: top}
actions:
  gen: {run: "x ${out}", out: out/gen.yaml, expand: out/gen.yaml}
"""
MADE = """\
treadle: 1
vars: {o: out}
actions:
  a: {run: "cp ${in} ${out}", in: src/a.c, out: "${o}/a"}
  b: {run: "cp ${in} ${out}", in: {from: a}, out: "${o}/b"}
"""


@pytest.fixture
def made(folder: Folder) -> Folder:
    folder.write("src/a.c")
    folder.write("out/gen.yaml", text=MADE)
    return folder


def whole(folder: Folder, text: str = TOP, made: tuple[str, ...] = ("gen",)) -> Plan:
    (folder.root / "treadle.yaml").write_bytes(os.fsencode(text))
    return load_plan(str(folder.root / "treadle.yaml"), environ={}, generated=made)


def refused(folder: Folder, text: str = TOP, made: tuple[str, ...] = ("gen",)) -> list[str]:
    with pytest.raises(PlanError) as caught:
        whole(folder, text, made)
    return [str(problem).replace(f"{folder.root}/", "") for problem in caught.value.problems]


def test_its_actions_have_the_names_of_their_maker_and_wait_for_it(made: Folder) -> None:
    plan = whole(made)
    assert list(plan.actions) == ["gen", "gen:a", "gen:b"]
    assert plan.actions["gen:a"].predecessors == ("gen",)
    assert plan.actions["gen:b"].predecessors == ("gen:a", "gen")
    assert plan.plan_producers == {"gen": "out/gen.yaml"}
    assert plan.unread == []


def test_its_paths_are_those_of_the_plan_of_its_maker_and_its_vars_are_its_own(made: Folder) -> None:
    plan = whole(made)
    assert argv(plan, "gen:a") == ("cp", "src/a.c", "out/a")
    assert plan.actions["gen:a"].command.cwd == "."
    assert plan.actions["gen:a"].place.file == str(made.root / "out/gen.yaml")
    assert str(made.root / "out/gen.yaml") in plan.looks.read


def test_a_plan_made_in_an_included_plan_has_the_paths_of_that_plan(made: Folder) -> None:
    made.write("sub/src/a.c")
    made.write("sub/out/gen.yaml", text=MADE)
    made.write("sub/plan.yaml", text=TOP)
    plan = whole(made, "treadle: 1\ninclude: [sub/plan.yaml]\n", ("sub:gen",))
    assert plan.actions["sub:gen:a"].command.inputs == ("sub/src/a.c",)
    assert plan.actions["sub:gen:a"].command.cwd == "sub"
    assert set(plan.default) == {"sub:gen", "sub:gen:a", "sub:gen:b"}


def test_instances_make_plans_each_for_itself(made: Folder) -> None:
    made.write("out/x.yaml", text=MADE.replace("/a", "/x/a").replace("src/x/", "src/").replace("/b", "/x/b"))
    made.write("out/y.yaml", text=MADE)
    text = "treadle: 1\nactions:\n  gen: {foreach: {p: [x, y]}, run: 'x ${out}', out: 'out/${p}.yaml', "
    plan = whole(made, text + "expand: 'out/${p}.yaml'}\n", ("gen@x", "gen@y"))
    assert [uid for uid in plan.actions if ":" in uid] == ["gen@x:a", "gen@x:b", "gen@y:a", "gen@y:b"]
    assert plan.select(["gen@x:*"]) == ["gen@x:a", "gen@x:b"]


def test_the_output_need_not_be_named_twice(made: Folder) -> None:
    plan = whole(made, TOP.replace("out: out/gen.yaml, ", "").replace("x ${out}", "x"))
    assert plan.actions["gen"].command.outputs == ("out/gen.yaml",)


def test_what_a_bare_run_does_has_what_was_made_in_it(made: Folder) -> None:
    assert whole(made).default == ("gen", "gen:a", "gen:b")
    made.write("out/gen.yaml", text=MADE + "default: [a]\n")
    assert whole(made).default == ("gen", "gen:a")
    assert whole(made, TOP + "default: ['gen:']\n").default == ("gen:a",)
    assert whole(made, TOP + "default: ['gen:b']\n").default == ("gen:b",)


def test_what_it_includes_is_done_by_default_too(made: Folder) -> None:
    made.write("out/inc.yaml", text="treadle: 1\nactions: {i: {run: x, out: i}}\n")
    made.write("out/gen.yaml", text=MADE.replace("vars:", "include: [inc.yaml]\nvars:"))
    plan = whole(made)
    assert plan.default == ("gen", "gen:a", "gen:b", "gen:inc:i")
    assert plan.select(["gen:inc"]) == ["gen:inc:i"]
    assert whole(made, TOP + "default: ['gen:']\n").default == ("gen:a", "gen:b", "gen:inc:i")


def test_it_may_have_nothing_to_do(made: Folder) -> None:
    made.write("out/gen.yaml", text="treadle: 1\nactions: {}\n")
    assert whole(made, TOP + "default: ['gen:']\ngroups: {g: ['gen:', gen]}\n").default == ()
    assert whole(made).default == ("gen",)


def test_as_long_as_it_is_not_read_names_in_it_stand_for_its_maker(made: Folder) -> None:
    text = TOP + "  late: {run: x, in: out/b, out: c}\n  later: {run: x, in: c}\n  lone: {run: x}\n"
    plan = whole(made, text + "default: ['gen:b', late]\ngroups: {g: ['gen:a', lone]}\n", ())
    assert list(plan.actions) == ["gen", "lone"]
    assert plan.unread == ["gen"]
    assert plan.default == ("gen",)
    assert plan.select(["gen:b"]) == ["gen"]
    assert plan.select(["g"]) == ["gen", "lone"]
    assert plan.left_out == {
        "late": "it is not known before gen has run",
        "later": "needs c of late, which is disabled",
    }
    with pytest.raises(UsageError, match="late is disabled"):
        plan.select(["late"])


@pytest.mark.parametrize(
    "action",
    [
        "{run: x, in: {from: 'gen:a'}}",
        "{run: x, needs: ['gen:a']}",
        "{run: x, after: ['gen:a']}",
        "{run: x, in: 'made/*.o'}",
        "{run: x, in: [src/a.c, out/b]}",
    ],
)
def test_what_cannot_be_understood_without_it_is_left_out(action: str, made: Folder) -> None:
    assert list(whole(made, TOP + f"  z: {action}\n", ()).left_out) == ["z"]


def test_a_mistake_that_has_nothing_to_do_with_it_is_told_at_once(made: Folder) -> None:
    (problem,) = refused(made, TOP + "  z: {run: x | y}\n", ())
    assert "| is a pipe" in problem
    (problem,) = refused(made, TOP + "  z: {run: x, out: o}\n  y: {run: x, out: o}\n", ())
    assert "two actions make o" in problem


LEFT_OUT: dict[str, str] = {
    "from": "{run: x, in: {from: 'gen:a'}}",
    "needs": "{run: x, needs: ['gen:a']}",
    "a group": "{run: x, needs: g}",
}
WHEN = TOP.replace("expand", "when: o == 'in', expand")


@pytest.mark.parametrize("kind", LEFT_OUT)
@pytest.mark.parametrize(
    "top", [WHEN, TOP.replace("expand", "in: pre, expand") + "  p: {run: x, out: pre, when: o == ''}\n"]
)
def test_a_maker_that_is_left_out_takes_what_needs_its_plan_along(kind: str, top: str, made: Folder) -> None:
    plan = whole(made, f"{top}  z: {LEFT_OUT[kind]}\n  zz: {{run: x}}\ngroups: {{g: ['gen:b']}}\n", ())
    assert list(plan.actions) == ["zz"]
    assert plan.left_out["z"].startswith("needs ")
    assert plan.left_out["z"].endswith(", which is disabled")
    assert (plan.plan_producers, plan.unread) == ({}, [])
    with pytest.raises(UsageError, match="gen:a is disabled"):
        plan.select(["gen:a"])


def test_who_can_do_without_a_plan_whose_maker_is_left_out_stays(made: Folder) -> None:
    text = WHEN + "  y: {run: x, in: {from: 'gen:a', empty: ok}}\n  z: {run: x, after: ['gen:a']}\n"
    assert list(whole(made, text + "default: ['gen:a', y]\n", ()).actions) == ["y", "z"]


def test_with_a_maker_that_is_left_out_all_mistakes_are_told(made: Folder) -> None:
    for top in (WHEN, TOP.replace("expand", "in: pre, expand") + "  p: {run: x, out: pre, when: o == ''}\n"):
        (problem,) = refused(made, top + "  z: {run: x, in: none}\n  y: {run: x, needs: ['gen:a']}\n", ())
        assert "the input none does not exist" in problem


@pytest.mark.parametrize("needed", ["in: {from: 'gen:a'}", "in: out/a", "in: 'out/a*'", "needs: ['gen:a']"])
def test_a_maker_that_needs_what_another_makes_waits_until_that_is_read(needed: str, made: Folder) -> None:
    text = TOP + f"  next: {{run: x, {needed}, out: next.yaml, expand: next.yaml}}\n"
    plan = whole(made, text, ())
    assert (plan.unread, plan.left_out) == (["gen"], {"next": "it is not known before gen has run"})
    plan = whole(made, text)
    assert (plan.unread, plan.left_out) == (["next"], {})
    assert "gen:a" in plan.actions["next"].predecessors


def test_a_name_in_a_plan_is_no_mistake_beside_that_of_its_maker(made: Folder) -> None:
    top = TOP.replace("expand", "in: none, expand")
    for action in LEFT_OUT.values():
        (problem,) = refused(made, f"{top}  z: {action}\ngroups: {{g: ['gen:b']}}\n", ())
        assert "the input none does not exist" in problem


def test_makers_that_wait_for_each_others_plans_are_a_mistake(made: Folder) -> None:
    top = TOP.replace("expand", "in: {from: 'other:x'}, expand")
    text = top + "  other: {run: x, needs: 'gen:a', out: o.yaml, expand: o.yaml}\n"
    assert ["'gen:a'" in problem or "'other:x'" in problem for problem in refused(made, text, ())] == [True, True]


def test_a_maker_and_what_it_needs_have_to_be_understood(made: Folder) -> None:
    (problem,) = refused(made, TOP.replace("expand", "in: none, expand"), ())
    assert "the input none does not exist" in problem
    text = TOP.replace("expand", "in: prepared, expand") + "  prep: {run: x, in: none, out: prepared}\n"
    (problem,) = refused(made, text, ())
    assert "the input none does not exist" in problem


CASES: dict[str, tuple[str, str, list[str]]] = {
    # name: (what is made, place of the first mistake, words)
    "empty": ("", "out/gen.yaml:1:1", ["the plan is empty"]),
    "no version": ("actions: {a: {run: x}}\n", "out/gen.yaml:1:1", ["there is no treadle: 1"]),
    "not YAML": ("treadle: 1\nactions: [\n", "out/gen.yaml:3:1", ["not valid YAML"]),
    "not UTF-8": ("\udcff", "out/gen.yaml:1:1", ["not UTF-8"]),
    "root": (
        "treadle: 1\nroot: ..\nactions: {a: {run: x}}\n",
        "out/gen.yaml:2:7",
        ["a generated plan cannot set root"],
    ),
    "an unknown key": ("treadle: 1\nactions: {a: {runn: x}}\n", "out/gen.yaml:2:15", ["did you mean run?"]),
    "a missing file": ("treadle: 1\nactions: {a: {run: x, in: y}}\n", "out/gen.yaml:2:27", ["gen:a reads it"]),
    "an output elsewhere": ("treadle: 1\nactions: {a: {run: x, out: ../y}}\n", "out/gen.yaml:2:28", ["outside"]),
    "the same output": (
        "treadle: 1\nactions: {a: {run: x, out: out/gen.yaml}}\n",
        "out/gen.yaml:2:28",
        ["two actions make out/gen.yaml: gen and gen:a"],
    ),
    "a name outside": (
        "treadle: 1\nactions: {a: {run: x, needs: [gen]}}\n",
        "out/gen.yaml:2:31",
        ["needs: there is no action, family or group 'gen'"],
    ),
    "a parameter without a value": (
        "treadle: 1\nparams: {p: {type: int}}\nactions: {a: {run: x}}\n",
        "out/gen.yaml:2:10",
        ["the parameter p has no value"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_in_it_is_shown_where_it_stands(name: str, folder: Folder) -> None:
    text, place, words = CASES[name]
    folder.write("out/")
    (folder.root / "out/gen.yaml").write_bytes(os.fsencode(text))
    problems = refused(folder)
    assert problems[0].startswith(f"{place}: ")
    for word in words:
        assert word in problems[0]
    assert all("  hint: " in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("expand", "words"),
    [
        ("out/", ["expand must be a file, but out/ is a folder"]),
        ("../x.yaml", ["expand is outside the root"]),
        ("treadle.yaml", ["expand is the plan itself"]),
        ("[a, b]", ["expand must be a text, not a list", "for example expand: out/more.yaml"]),
        ('""', ["expand is an empty path"]),
        ("${in}.yaml", ["can only be used in commands and env"]),
    ],
)
def test_a_mistake_in_the_key_is_told(expand: str, words: list[str], folder: Folder) -> None:
    (problem,) = refused(folder, f"treadle: 1\nactions:\n  gen:\n    run: x\n    expand: {expand}\n", ())
    for word in words:
        assert word in problem


def test_a_made_plan_that_is_gone_is_told_where_it_is_asked_for(folder: Folder) -> None:
    (problem,) = refused(folder)
    assert problem.startswith("treadle.yaml:4:53: cannot read the plan out/gen.yaml")
    assert "treadle run gen makes it" in problem


def test_two_actions_that_come_to_one_name_are_refused(folder: Folder) -> None:
    folder.write("out/a", text="treadle: 1\nactions: {b: {run: x}}\n")
    text = "treadle: 1\nactions:\n  gen: {foreach: {p: [a, 'a:b']}, run: x, expand: 'out/${p}'}\n"
    (problem,) = refused(folder, text, ("gen@a",))
    assert problem.startswith("out/a:2:11: two actions have the name gen@a:b")
