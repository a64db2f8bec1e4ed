"""Patterns and groups in `from`, `needs` and `after`: what they take, in which order, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import plan as write_plan
from helpers import run_treadle
from plan_folder import Folder

INCLUDED = """\
treadle: 1
actions:
  gen: {run: x, out: [x, y]}
  fit: {foreach: {p: [a, b]}, run: x, out: 'fit-${p}'}
  lint: {run: x}
  _own: {run: x, out: hidden}
  all: {run: x, in: {from: '*'}, needs: 'f*@a'}
"""
PLAN = """\
treadle: 1
include: [lib/plan.yaml]
groups: {ci: [lint, split, "fit@a*"], none: lint}
actions:
  lint: {run: x}
  fit: {foreach: {p: [b, a1, a2]}, run: x, out: 'o/${p}'}
  split: {run: x, out: {a: o/sa, b: o/sb}}
  parts: {foreach: {p: [1, 2]}, run: x, out: {b: 'o/pb${p}', c: 'o/pc${p}'}}
  x.y: {run: x, out: {z: o/z}}
"""


@pytest.fixture
def with_lib(folder: Folder) -> Folder:
    folder.write("lib/plan.yaml", text=INCLUDED)
    return folder


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        ("lib:gen", "lib/x lib/y"),
        ("lib:fit", "lib/fit-a lib/fit-b"),
        ("lib:fit@b", "lib/fit-b"),
        ("lib:*", "lib/x lib/y lib/fit-a lib/fit-b"),
        ("lib:fit@*", "lib/fit-a lib/fit-b"),
        ("lib:_*", "lib/hidden"),
        ("lib", "lib/x lib/y lib/fit-a lib/fit-b lib/hidden"),
        ("fit@a*", "o/a1 o/a2"),
        ("fit@?", "o/b"),
        ("fit*", "o/b o/a1 o/a2"),
        ("?it", "o/b o/a1 o/a2"),
        ("[fit@a2, fit, 'f*']", "o/a2 o/b o/a1"),
        ("[split.b, split]", "o/sb o/sa"),
        ("ci", "o/a1 o/a2 o/sa o/sb"),
        ("ci.b", "o/sb"),
        ("'*s*.b'", "o/sb o/pb1 o/pb2"),
        ("parts@?.c", "o/pc1 o/pc2"),
        ("x.*", "o/z"),
        ("x.y.z", "o/z"),
        ("*i*", "o/b o/a1 o/a2 o/sa o/sb lib/x lib/y lib/fit-a lib/fit-b"),
    ],
)
def test_from_takes_what_a_name_stands_for(names: str, paths: str, with_lib: Folder) -> None:
    given = names if names.startswith(("[", "'")) else f"'{names}'"
    plan = with_lib.load(f"{PLAN}  me: {{run: 'x ${{in}}', in: {{from: {given}}}}}\n")
    me = plan.actions["me"]
    assert me.command.steps == (("x", *paths.split()),)
    assert set(me.predecessors) == {uid for path in paths.split() for uid in plan.names.outputs.exact(path)}


def test_a_pattern_of_an_included_plan_sees_its_own_names_and_not_itself(with_lib: Folder) -> None:
    plan = with_lib.load(PLAN)
    action = plan.actions["lib:all"]
    assert action.command.inputs == ("lib/x", "lib/y", "lib/fit-a", "lib/fit-b")
    assert set(action.predecessors) == {"lib:gen", "lib:fit@a", "lib:fit@b"}


@pytest.mark.parametrize("key", ["needs", "after"])
@pytest.mark.parametrize(
    ("names", "uids"),
    [
        ("fit@a*", "fit@a1 fit@a2"),
        ("lib:?i*", "lib:fit@a lib:fit@b lib:lint"),
        ("ci", "lint fit@a1 fit@a2 split"),
        ("m?", "my"),
        ("*:gen", "lib:gen"),
        ("'${q}*'", "fit@a1 fit@a2"),
    ],
)
def test_needs_and_after_take_the_same(key: str, names: str, uids: str, with_lib: Folder) -> None:
    given = names if names.startswith("'") else f"'{names}'"
    plan = with_lib.load(
        f"{PLAN}  my: {{run: x}}\n  me: {{foreach: {{q: ['fit@a']}}, run: x, {key}: {given}}}\n  mo: {{run: x}}\n"
        if names != "m?"
        else f"{PLAN}  my: {{run: x}}\n  me: {{run: x, {key}: '{names}'}}\n"
    )
    action = plan.actions["me" if names == "m?" else "me@fit@a"]
    assert sorted(action.predecessors if key == "needs" else action.after) == sorted(uids.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("in: {from: «'fot@*'}", "from: nothing matches 'fot@*'|did you mean fit@"),
        ("in: {from: «'lib:z*'}", "from: nothing matches 'lib:z*'"),
        ("in: {from: «'fit@a?.t'}", "from: no action of fit@a?.t has an output t"),
        ("in: {from: «'lint*'}", "from: no action of lint* has outputs"),
        ("in: {from: «none}", "from: no action of none has outputs"),
        ("in: {from: «lint}", "from: lint has no outputs|needs:"),
        ("in: {from: «me}, out: o/me", "me reads its own outputs"),
        ("in: {from: «'m*'}, out: o/me", "from: no action of m* has outputs"),
        ("needs: «'fot@*'", "needs: nothing matches 'fot@*'|did you mean fit@"),
        ("needs: «'m?'", "needs: nothing matches 'm?'"),
        ("after: [lint, «'o/*']", "after: nothing matches 'o/*'|treadle list"),
        ("after: «o/b", "after: there is no action, family or group 'o/b'|name a file in in:"),
        ("in: {from: «o/b}", "from: there is no action, family or group 'o/b'|name a file in in:"),
    ],
)
def test_a_pattern_that_gives_nothing_is_told(text: str, words: str, with_lib: Folder) -> None:
    plan = f"{PLAN}  me: {{run: x, {text}}}\n"
    problem = with_lib.problems(plan.replace("«", ""))[0]
    said = f"{problem.what}|{problem.hint}"
    assert all(word in said for word in words.split("|")), said
    line = next(line for line in plan.split("\n") if "«" in line)
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (plan.split("\n").index(line) + 1, line.index("«") + 1)


def test_a_pattern_may_give_nothing_where_it_says_so(with_lib: Folder) -> None:
    plan = with_lib.load(PLAN + "  me: {run: 'x ${in}', in: {from: ['z*', 'lint*', 'fit@z*.q'], empty: ok}}\n")
    assert plan.actions["me"].command.steps == (("x",),)


def test_what_is_left_out_is_not_taken_and_all_of_it_leaves_out(folder: Folder) -> None:
    head = "treadle: 1\nparams: {m: {default: a}}\nactions:\n"
    fits = "  fit: {foreach: {p: [a, b]}, run: x, out: 'o/${p}', when: m == p}\n"
    text = head + fits + "  me: {run: 'x ${in}', in: {from: 'fit@*'}}\n  you: {run: x, needs: 'f*'}\n"
    assert folder.load(text).actions["me"].command.inputs == ("o/a",)
    left_out = folder.load(text, {"m": "c"}).left_out
    assert left_out["me"] == "needs fit@*, which is disabled"
    assert left_out["you"] == "needs f*, which is disabled"


def test_a_new_instance_and_a_new_action_are_taken(tmp_path: Path) -> None:
    actions = (
        "actions:\n  fit: {foreach: {p: [a1, b]}, sh: 'echo ${p} > ${out}', out: '${p}'}\n"
        "  all: {sh: 'cat ${in} > ${out}', in: {from: 'f*@a*'}, out: all}\n"
    )
    write_plan(tmp_path, actions)
    run_treadle(tmp_path, "run", "all", check=0)
    assert (tmp_path / "all").read_text() == "a1\n"
    assert not (tmp_path / "b").exists()
    write_plan(
        tmp_path, actions.replace("[a1,", "[a2, a1,") + "  far: {foreach: {p: [ab]}, sh: 'echo x > ab', out: ab}\n"
    )
    assert "+ cat a2 a1 ab > all" in run_treadle(tmp_path, "why", "all", check=0).out
    run_treadle(tmp_path, "run", "all", check=0)
    assert (tmp_path / "all").read_text() == "a2\na1\nx\n"
    assert "nothing to do" in run_treadle(tmp_path, "run", "all", check=0).out


def test_what_comes_before_a_plan_that_is_made_may_give_patterns(folder: Folder) -> None:
    plan = folder.load(
        "  prep1: {run: x}\n  prep2: {run: x, after: '*1'}\n  gen: {run: x, expand: p, needs: '*prep?'}\n"
        "  all: {run: x, needs: '*p*'}\n  rep: {run: x, in: {from: 'gen:*'}}\n  other: {run: x, needs: 'prep*'}\n"
    )
    assert plan.unread == ["gen"]
    assert plan.actions["gen"].predecessors == ("prep1", "prep2")
    assert plan.actions["prep2"].after == ("prep1",)
    assert list(plan.left_out.items()) == [(uid, "it is not known before gen has run") for uid in ("all", "rep")]


@pytest.mark.parametrize("members", ["[a, 'gen:*']", "[a, gen:b]", "[h, a]", "['*a']"])
def test_what_a_group_gives_is_not_guessed_before_its_plan_is_made(members: str, folder: Folder) -> None:
    plan = folder.load(
        f"treadle: 1\ngroups: {{g: {members}, h: gen:c, ok: a}}\nactions:\n"
        "  gen: {run: x, expand: p}\n  a: {run: x, out: o}\n  rep: {run: x, in: {from: g}}\n"
        "  one: {run: x, in: {from: ok}}\n  two: {run: x, needs: g}\n"
    )
    assert list(plan.left_out) == ["rep"]
    assert plan.actions["one"].command.inputs == ("o",)


@pytest.mark.parametrize("key", ["needs: 'gen:*'", "after: gen:a", "in: {from: 'gen:*'}", "in: {from: gen:a}"])
def test_a_maker_that_waits_for_its_own_plan_is_told(key: str, folder: Folder) -> None:
    problems = folder.problems(f"  gen: {{run: x, expand: p, {key}}}\n  rep: {{run: x, in: {{from: 'gen:*'}}}}\n")
    assert len(problems) == 1
    assert "which is in the plan that it generates" in problems[0].what
    assert problems[0].place is not None
    assert problems[0].place.line == 3


def test_a_pattern_takes_what_a_plan_holds_that_is_made(tmp_path: Path) -> None:
    made = "treadle: 1\nactions:\n  a: {sh: 'echo a > ${out}', out: o/a}\n  b: {sh: 'echo b > ${out}', out: o/b}\n"
    write_plan(
        tmp_path,
        "actions:\n  gen: {run: cp made.yaml o/p.yaml, in: made.yaml, expand: o/p.yaml}\n"
        "  all: {sh: 'cat ${in} > ${out}', in: {from: 'gen:*'}, out: o/all}\n"
        "  some: {run: 'true', needs: 'g*', in: o/x}\n  x: {sh: 'echo > ${out}', out: o/x}\n",
    )
    (tmp_path / "made.yaml").write_text(made)
    known = run_treadle(tmp_path, "list", "--all", check=0).out
    assert known.count("not known before gen has run") == 2
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "o/all").read_text() == "a\nb\n"
    (tmp_path / "made.yaml").write_text(made + "  c: {sh: 'echo c > ${out}', out: o/c}\n")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "o/all").read_text() == "a\nb\nc\n"
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
