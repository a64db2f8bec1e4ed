"""`needs` with an outcome and a number of matches, and `finally`: what is read, and what is an error with its place."""

from __future__ import annotations

import pytest

from plan_folder import Folder

HEAD = (
    "treadle: 1\nparams: {mode: {default: x}}\nvars: {v: a}\n{TOP}actions:\n"
    "  test: {run: x, out: o}\n  fit: {foreach: {n: [1, 2]}, run: x}\n  off: {run: x, when: 'false'}\n"
)


def with_action(rest: str, top: str = "") -> str:
    return HEAD.replace("{TOP}", top) + rest


GOOD = [
    ("needs: [test]", {"test": ""}),
    ("needs: [{action: test}]", {"test": ""}),
    ("needs: [{action: test, when: on_failure}]", {"test": "on_failure"}),
    ("needs: {action: test, when: on_failure}", {"test": "on_failure"}),
    ("needs: [fit, {action: test, when: always}]", {"fit@1": "", "fit@2": "", "test": "always"}),
    ("needs: [{action: fit, when: always, expects: 2}]", {"fit@1": "always", "fit@2": "always"}),
    ("needs: [{action: 'fit@*', when: always, expects: +}]", {"fit@1": "always", "fit@2": "always"}),
    ("needs: [{action: 'fit@1', expects: '?'}]", {"fit@1": ""}),
    ("needs: [{action: 'no*', expects: '*'}]", {}),
    ("needs: [{action: 'no*', expects: '?'}]", {}),
    ("needs: [{action: nothing, expects: '?'}]", {}),
    ("needs: [{action: g, when: ALWAYS}]", {"test": "always", "fit@1": "always"}),
    ("needs: [{action: test, when: 'timeout or (failed and not diffed)'}]",
     {"test": "timeout or ( failed and not diffed )"}),
    ("needs: [{action: test, when: on_success}, test]", {"test": ""}),
    ("needs: [{action: test, when: always}, {action: test, when: not success or success}]", {"test": "always"}),
    ("needs: [{action: off, when: always}, test]", {"test": ""}),
    ("foreach: {n: [1]}, needs: [{action: 'fit@${n}', when: on_failure}]", {"fit@1": "on_failure"}),
    ("use: [m]", {"test": "on_failure"}),
    ("needs: {select: '${mode}', x: [{action: test, when: always}], else: []}", {"test": "always"}),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "expected"), GOOD)
def test_needs_say_which_outcome_of_which_action(entry: str, expected: dict[str, str], folder: Folder) -> None:
    top = "groups: {g: [test, 'fit@1']}\nmixins: {m: {needs: [{action: test, when: on_failure}]}}\n"
    plan = folder.load(with_action(f"  a: {{run: y, {entry}}}\n", top))
    action = next(one for one in plan.actions.values() if one.family == "a")
    found = {uid: action.conditions.get(uid, "") for uid in action.predecessors}
    assert {uid: text.replace("( ", "(").replace(" )", ")") for uid, text in found.items()} == {
        uid: text.replace("( ", "(").replace(" )", ")") for uid, text in expected.items()
    }


BAD = [
    ("needs: [{action: test, when: ^faild}]", "there is no outcome 'faild'", "failed"),
    ("needs: [{action: test, when: ^failed and success}]", "no outcome can meet it", ""),
    ("needs: [{action: test, when: ^(failed}]", "bracket", ""),
    ("needs: [{action: test, when: ^mode}]", "mode is a value of the plan", "names outcomes"),
    ("needs: [{action: test, when: failed and ^mode}]", "mode is a value of the plan", "names outcomes"),
    ("needs: [{action: test, when: ^v == 'a'}]", "v is a value of the plan", "next to needs"),
    ("foreach: {k: [1]}, needs: [{action: test, when: ^k}]", "k is a value of the plan", "next to needs"),
    ("when: ^on_failure", "on_failure is an outcome", "needs: [{action: NAME, when: on_failure}]"),
    ("when: mode == ^failed", "failed is an outcome", "needs: "),
    ("when: ^TIMEOUT", "TIMEOUT is an outcome", "needs: "),
    ("needs: [{action: test, expects: ^0}]", "expects must be", ""),
    ("needs: [{action: test, expects: ^many}]", "expects must be", ""),
    ("needs: [^{when: always}]", "names no action", "{action: test"),
    ("needs: [{^acton: test}]", "no key 'acton'", "did you mean action?"),
    ("needs: [{^name: test}]", "no key 'name'", "did you mean action?"),
    ("needs: [{action: test, when: ^}]", "when must be a text", ""),
    ("needs: [{action: ^tst, when: always}]", "there is no action, family or group 'tst'", "test"),
    ("needs: [{action: ^'x*'}]", "nothing matches 'x*'", ""),
    ("needs: [^{action: fit, expects: '?'}]", "'fit' selects 2 actions, at most one", "fit@1, fit@2"),
    ("needs: [^{action: fit, expects: 3}]", "'fit' selects 2 actions, expected are 3", 'expects: "*"'),
    ("needs: [^{action: fit, expects: 1}]", "'fit' selects 2 actions, expected are 1", ""),
    ("needs: [{action: ^nothing, expects: 2}]", "there is no action", ""),
    ("needs: [test, ^{action: test, when: always}]", "under two conditions: on_success and always", "8:23"),
    ("needs: [{action: 'fit@*', when: always}, ^{action: 'fit@1', when: failed}]", "under two", "8:23"),
]


@pytest.mark.parametrize(("entry", "what", "more"), BAD)
def test_what_cannot_be_is_an_error_with_its_place(entry: str, what: str, more: str, folder: Folder) -> None:
    line = f"  a: {{run: y, {entry}}}\n"
    errors = folder.problems(with_action(line.replace("^", "")))
    column = line.index("^") + 1
    if "when: ^}" in line:
        # nothing is there: the key says where
        column -= len("when: ")
    assert str(errors[0].place).endswith(f"yaml:8:{column}")
    assert what in errors[0].what
    assert more in str(errors[0])


READS = {
    "in": "in: o",
    "a glob": "in: '[o]'",
    "from": "in: {from: test}",
    "a program": "run: ./o",
    "a tool": "tools: [./o]",
    "a tree": "in: d/",
}


@pytest.mark.parametrize("way", READS)
def test_c1_an_action_reads_outputs_of_what_succeeded_alone(way: str, folder: Folder) -> None:
    """C1: a data edge and a condition on the same pair are an error that names both places."""
    folder.write("d/x")
    run = "" if way == "a program" else "run: y, "
    text = "treadle: 1\nactions:\n  test: {run: x, out: [o, d/y]}\n"
    text += f"  a: {{{run}{READS[way]}, needs: [{{action: test, when: on_failure}}]}}\n"
    errors = folder.problems(text)
    assert len(errors) == 1
    assert "a reads what test makes, and needs test on_failure" in errors[0].what
    column = text.splitlines()[-1].index("{action") + 1
    assert str(errors[0].place).endswith(f":4:{column}")
    assert any(f"reads it at {folder.root}/treadle.yaml:4:" in fact for fact in errors[0].facts)


def test_all_wrong_numbers_of_matches_are_listed(folder: Folder) -> None:
    text = with_action(
        "  a: {run: y, needs: [{action: fit, expects: '?'}]}\n  b: {run: y, needs: [{action: fit, expects: 7}]}\n"
    )
    assert [str(one.place).rpartition("yaml:")[2] for one in folder.problems(text)] == ["8:23", "9:23"]


def test_what_needs_a_failure_of_a_disabled_action_is_disabled_too(folder: Folder) -> None:
    plan = folder.load(
        with_action("  a: {run: y, needs: [{action: off, when: on_failure}]}\n  b: {run: y, needs: a}\n")
    )
    assert plan.left_out["a"] == "needs off, which is disabled"
    assert plan.left_out["b"] == "needs a, which is disabled"


def test_how_many_a_disabled_family_would_have_is_not_counted(folder: Folder) -> None:
    family = "  none: {foreach: {n: {glob: 'no*', empty: ok}}, when: 'false', run: x}\n"
    plan = folder.load(with_action(family + "  a: {run: y, needs: [{action: none, when: always, expects: 2}]}\n"))
    assert plan.actions["a"].predecessors == ()


def test_a_circle_through_a_condition_is_an_error(folder: Folder) -> None:
    text = with_action("  a: {run: y, needs: [{action: b, when: always}]}\n  b: {run: y, needs: [a]}\n")
    assert "2 actions wait for each other" in folder.problems(text)[0].what


def test_an_included_plan_names_its_own_actions_in_conditions(folder: Folder) -> None:
    folder.write(
        "sub/plan.yaml",
        text="treadle: 1\nactions:\n  t: {run: x}\n  m: {run: y, needs: [{action: t, when: on_failure}]}\n",
    )
    plan = folder.load(
        "treadle: 1\ninclude: [sub/plan.yaml]\nactions:\n  a: {run: x, needs: [{action: 'sub:t', when: always}]}\n"
    )
    assert plan.actions["sub:m"].conditions == {"sub:t": "on_failure"}
    assert plan.actions["a"].conditions == {"sub:t": "always"}


def test_the_graph_has_the_conditions(folder: Folder) -> None:
    plan = folder.load(with_action("  a: {run: y, needs: [fit, {action: test, when: on_failure}]}\n"))
    assert list(plan.dag(["a"]).vertex_data) == ["test", "fit@1", "fit@2", "a"]


def test_the_log_of_an_action_that_is_needed_may_be_read_before_it_is_there(folder: Folder) -> None:
    entry = "in: .treadle/logs/test.log, needs: [{action: test, when: on_failure}]"
    plan = folder.load(with_action(f"  a: {{run: y, {entry}}}\n"))
    assert plan.actions["a"].command.inputs == (".treadle/logs/test.log",)
    other = with_action("  a: {run: y, in: .treadle/logs/test.log}\n")
    assert "is in the state folder" in folder.problems(other)[0].what


LAST = "  tidy: {run: x, out: t/u, finally: true}\n"
DEPENDS = [
    ("needs: [^tidy]", "a depends on tidy, which runs at the end"),
    ("needs: [^{action: tidy, when: always}]", "a depends on tidy"),
    ("after: ^tidy", "a depends on tidy"),
    ("in: ^t/u", "a depends on tidy"),
    ("in: ^t/", "a depends on tidy"),
    ("in: ^{from: tidy}", "a depends on tidy"),
    ("in: ^'t/*'", "a depends on tidy"),
    ("tools: [^./t/u]", "a depends on tidy"),
    ("finally: true, needs: ^[test]", "a runs at the end (finally), whatever the outcome of others"),
    ("finally: true, in: ^t/u", "a depends on tidy"),
    ("finally: true, expand: ^more.yaml", "a runs at the end (finally): it cannot generate a plan"),
]


@pytest.mark.parametrize(("entry", "what"), DEPENDS)
def test_c7_nothing_depends_on_what_runs_at_the_end(entry: str, what: str, folder: Folder) -> None:
    """C7: what depends on an action with `finally` is an error with its place."""
    folder.write("t/x")
    line = f"  a: {{run: y, {entry}}}\n"
    (error,) = folder.problems(with_action(LAST + line.replace("^", "")))
    assert what in error.what
    assert str(error.place).endswith(f"yaml:9:{line.index('^') + 1}")


def test_a_pattern_leaves_out_what_runs_at_the_end(folder: Folder) -> None:
    plan = folder.load(with_action(LAST + "  a: {run: y, needs: ['t*'], after: ['*']}\n"))
    assert plan.actions["a"].predecessors == ("test",)
    assert plan.actions["a"].after == ("fit@1", "fit@2")


def test_c7_what_runs_at_the_end_has_an_order_of_its_own(folder: Folder) -> None:
    """C7: the order is that of the plan, or what `after` says; the graph of a run has none of it."""
    plan = folder.load(
        with_action(
            "  c: {run: x, finally: true, after: b}\n  a: {foreach: {n: [1, 2]}, run: x, finally: true}\n"
            "  b: {run: x, finally: true}\n  off2: {run: x, finally: true, when: 'false'}\n"
        )
    )
    last = plan.last()
    assert last is not None
    assert [uid for uid, _ in last] == ["a@1", "a@2", "b", "c"]
    assert set(plan.dag().vertex_data) == {"test", "fit@1", "fit@2"}
    assert list(plan.dag(["c", "test"]).vertex_data) == ["test"]
    assert plan.default == ("test",)


def test_a_plan_without_actions_at_the_end_has_no_graph_of_them(folder: Folder) -> None:
    assert folder.load(with_action("  a: {run: x, finally: false}\n")).last() is None
