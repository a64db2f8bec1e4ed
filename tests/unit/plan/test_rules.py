"""Edges, conditions, parameters and settings, rule by rule."""

from __future__ import annotations

import pytest

from plan_folder import Folder, argv

# Edges.


def test_a_file_below_an_output_folder_waits_for_its_maker(folder: Folder) -> None:
    plan = folder.load("  a: {run: x, out: site/}\n  b: {run: y, in: site/sub/x}\n  c: {run: z, in: site/sub/}\n")
    assert plan.actions["b"].predecessors == ("a",)
    assert plan.actions["c"].predecessors == ("a",)


def test_a_tree_waits_for_the_makers_of_files_below_it(folder: Folder) -> None:
    plan = folder.load(
        "  a: {run: x, out: d/x}\n  b: {run: y, out: d/e/f/}\n  c: {run: z, in: d/}\n  d: {run: z, out: dx}\n"
    )
    assert set(plan.actions["c"].predecessors) == {"a", "b"}


def test_files_below_an_actions_own_folder_may_be_named(folder: Folder) -> None:
    plan = folder.load(
        "  a:\n    run: x ${out.site}\n    out: {site: s/, index: s/index.html}\n  b: {run: y, in: {from: a.index}}\n"
    )
    assert plan.actions["b"].command.inputs == ("s/index.html",)


def test_needs_and_after_know_actions_families_instances_and_groups(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\ngroups: {g: [a, f]}\nactions:\n  a: {run: x}\n  f: {run: x, foreach: {p: [1, 2]}}\n"
        "  b: {run: x, needs: [g], after: [a]}\n  c: {run: x, after: [f, a], needs: f@2}\n"
        "  d: {run: x, foreach: {q: [1, 2]}, needs: 'f@${q}'}\n"
    )
    assert plan.actions["b"].predecessors == ("a", "f@1", "f@2")
    assert plan.actions["b"].after == ()
    assert plan.actions["c"].predecessors == ("f@2",)
    assert plan.actions["c"].after == ("f@1", "a")
    assert plan.actions["d@2"].predecessors == ("f@2",)


def test_after_pulls_nothing_in_and_needs_does(folder: Folder) -> None:
    plan = folder.load("  a: {run: x}\n  b: {run: x, after: a}\n  c: {run: x, needs: a}\n")
    assert list(plan.dag(["b"]).vertex_data) == ["b"]
    assert list(plan.dag(["c"]).vertex_data) == ["a", "c"]
    assert plan.dag(["b", "c"]).get_after("b") == {"a"}


def test_stdout_is_an_output(folder: Folder) -> None:
    plan = folder.load("  a: {run: x, stdout: o}\n  b: {run: y, in: o}\n  c: {run: y, stdout: p, out: [q, p]}\n")
    assert plan.actions["a"].command.stdout == "o"
    assert plan.actions["a"].command.outputs == ("o",)
    assert plan.actions["b"].predecessors == ("a",)
    assert plan.actions["c"].command.outputs == ("q", "p")


# When.

WHEN = """\
treadle: 1
params:
  mode: {default: debug}
  parts: {type: list, default: [a, b]}
  n: {type: int, default: 10}
  x: {type: float, default: 1.50}
  ver: {default: 3.10}
  fast: {type: bool, default: false}
vars: {v: w}
actions:
  z: {run: z}
  a:
    run: x
    track: [CI]
    when: COND
"""


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('mode == "debug"', True),
        ("mode != 'debug'", False),
        ('"a" in parts', True),
        ('"c" not in parts', True),
        ('mode in ["release", "debug"]', True),
        ("n > 9", True),
        ("n == 10.0 and n >= 10 and n <= 10", True),
        ("n < 9 or x == 1.5", True),
        ("ver == 3.10", True),
        ("ver == 3.1", False),
        ('ver == "3.10"', True),
        ("fast", False),
        ("not fast", True),
        ("not not fast", False),
        ("fast == false", True),
        ('not (fast or mode == "debug")', False),
        ('v == "w"', True),
        ('env.CI == "yes"', True),
        ('platform.os == "linux" or platform.os == "macos"', True),
        ('platform.arch != ""', True),
        ('fast or mode == "debug" and "b" in parts', True),
        ("true", True),
        ("false", False),
        ("1 == 1", True),
        ('"b" > "a"', True),
    ],
)
def test_conditions_compare_values(condition: str, holds: bool, folder: Folder) -> None:
    text = WHEN.replace("COND", ">-\n      " + condition)
    plan = folder.load(text, environ={"CI": "yes"})
    assert ("a" in plan.actions) is holds


def test_what_is_left_out_says_the_condition_and_its_values(folder: Folder) -> None:
    plan = folder.load(WHEN.replace("COND", 'mode == "release" and n > 3'))
    assert plan.left_out == {"a": "when mode == \"release\" and n > 3 is false: mode is 'debug', n is '10'"}


def test_left_out_takes_its_readers_and_needers_with_it(folder: Folder) -> None:
    folder.write("i")
    plan = folder.load(
        "  a: {run: x, when: false, out: [o, d/]}\n  b: {run: x, in: o, out: p}\n  c: {run: x, in: p}\n  d: {run: x, needs: a}\n"
        "  e: {run: x, in: d/x}\n  f: {run: x, in: {from: a}}\n  g: {run: x, after: a, in: i}\n"
        "  h: {run: x, in: {from: a, empty: ok}}\n  i: {run: x, in: [i, {glob: 'o*', empty: ok}]}\n"
    )
    assert list(plan.actions) == ["g", "h", "i"]
    assert plan.left_out["b"] == "needs o of a, which is disabled"
    assert plan.left_out["c"] == "needs p of b, which is disabled"
    assert plan.left_out["d"] == "needs a, which is disabled"
    assert plan.left_out["f"] == "needs a, which is disabled"
    assert plan.actions["g"].after == ()


def test_from_takes_what_is_in(folder: Folder) -> None:
    plan = folder.load(
        "  a: {run: x, foreach: {p: [1, 2, 3]}, when: 'p != \"2\"', out: 'o/${p}'}\n  b: {run: x, in: {from: a}}\n  c: {run: x, needs: a}\n"
    )
    assert plan.actions["b"].command.inputs == ("o/1", "o/3")
    assert plan.actions["c"].predecessors == ("a@1", "a@3")
    assert list(plan.left_out) == ["a@2"]


def test_an_output_of_what_is_left_out_is_no_file_for_globs(folder: Folder) -> None:
    folder.write("o/x", "o/y")
    plan = folder.load("  a: {run: x, when: false, out: o/x}\n  b: {run: x, in: 'o/*'}\n")
    assert plan.actions["b"].command.inputs == ("o/y",)


# Parameters.


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"mod": "x"}, "did you mean mode?"),
        ({"mode": "relase"}, "did you mean release?"),
        ({"n": "many"}, "-p n=many: 'many' is not a whole number"),
        ({"x": "1,5"}, "'1,5' is not a number"),
        ({"fast": "yes"}, "'yes' is not true or false"),
        ({"parts": "a,z"}, "'z' is not a choice of parts"),
        ({"p": ""}, "is not a path"),
        ({"mode": "a\0"}, "NUL"),
    ],
)
def test_a_wrong_parameter_is_told(params: dict[str, str], words: str, folder: Folder) -> None:
    text = """\
treadle: 1
params:
  mode: {choices: [debug, release], default: debug}
  parts: {type: list, choices: [a, b], default: [a]}
  n: {type: int, default: 1}
  x: {type: float, default: 1}
  fast: {type: bool, default: false}
  p: {type: path, default: x}
actions: {a: {run: x}}
"""
    assert words in "\n".join(str(problem) for problem in folder.problems(text, params))


def test_a_parameter_is_given_before_the_environment_before_the_default(folder: Folder) -> None:
    text = "treadle: 1\nparams: {cc: {env: CC, default: cc}}\nactions: {a: {run: '${cc}'}}\n"
    assert argv(folder.load(text)) == ("cc",)
    assert argv(folder.load(text, environ={"CC": ""})) == ("cc",)
    assert argv(folder.load(text, environ={"CC": "clang"})) == ("clang",)
    assert argv(folder.load(text, {"cc": "gcc"}, {"CC": "clang"})) == ("gcc",)


def test_a_list_is_split_at_commas_and_a_path_gets_one_spelling(folder: Folder) -> None:
    text = "treadle: 1\nparams: {l: {type: list, default: [x]}, p: {type: path, default: x}}\nactions:\n  a: {run: 'x ${l} ${p}'}\n"
    assert argv(folder.load(text, {"l": "a,b c,", "p": "./d//e"})) == ("x", "a", "b c", "", "d/e")
    assert argv(folder.load(text, {"l": ""})) == ("x", "x")


# Settings.


def test_an_action_speaks_before_defaults(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nqueues: {q: 2}\ndefaults: {env: {A: 1, B: 1}, track: [C], pass: [D, E], timeout: 1h30m, retries: 3, queue: q, priority: 5}\n"
        "actions:\n  a: {run: x}\n  b: {run: x, env: {A: 2, C: 3}, track: [D, B], timeout: none, retries: {max: 1}, queue: default, tokens: 4}\n"
        "  c: {run: x, console: true}\n"
    )
    a, b = plan.actions["a"].command, plan.actions["b"].command
    assert (a.env.set, a.env.track, a.env.pass_) == ({"A": "1", "B": "1"}, ("C",), ("D", "E"))
    assert (b.env.set, b.env.track, b.env.pass_) == ({"A": "2", "C": "3"}, ("D", "B"), ("E",))
    assert (a.limits.timeout, a.limits.retries.max, a.limits.queue, a.limits.priority) == (5400, 3, "q", 5)
    assert (b.limits.timeout, b.limits.retries.max, b.limits.queue, b.limits.tokens) == (None, 1, "default", 4)
    assert plan.actions["c"].command.limits.queue == "default"


def test_the_shell_is_the_actions_or_the_plans(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nshell: [sh, -euc]\nactions:\n  a: {sh: x}\n  b: {sh: x, shell: [zsh, -c]}\n  c: {run: x}\n"
    )
    assert plan.actions["a"].command.argvs() == (("sh", "-euc", "x"),)
    assert plan.actions["b"].command.argvs() == (("zsh", "-c", "x"),)
    assert folder.load("  a: {sh: x}\n").actions["a"].command.argvs() == (("bash", "-euo", "pipefail", "-c", "x"),)


def test_flags_env_and_tools_take_values(folder: Folder) -> None:
    folder.write("i")
    plan = folder.load(
        "treadle: 1\nvars: {cc: clang, t: ./bin/tool}\nactions:\n  a:\n    run: x\n    in: i\n    env: {F: 'f:${in}', G: '$${G}'}\n"
        "    tools: ['${cc}', '${t}', {tool: '${cc}', version: '${cc} --version'}]\n    keep: true\n    always: true\n"
    )
    command = plan.actions["a"].command
    assert command.env.set == {"F": "f:i", "G": "${G}"}
    assert [(tool.name, tool.version) for tool in command.tools] == [
        *(("clang", ()), ("bin/tool", ()), ("clang", ("clang", "--version")))
    ]
    assert (command.keep, command.always, command.console) == (True, True, False)


def test_underscore_names_are_not_listed(folder: Folder) -> None:
    plan = folder.load("  _a: {run: x}\n  b: {run: x}\n")
    assert [action.listed for action in plan.actions.values()] == [False, True]
    assert plan.select(["*"]) == ["b"]
    assert plan.select(["_*"]) == ["_a"]
