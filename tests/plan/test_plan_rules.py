"""The rules of the language, one by one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plan_folder import Folder
from treadle.errors import PlanError, UsageError
from treadle.plan import Plan, is_plan, load_plan


def argv(plan: Plan, uid: str = "a") -> tuple[str, ...]:
    return plan.actions[uid].command.steps[0]


# Texts stay what was written.


@pytest.mark.parametrize(
    "text", ["no", "on", "3.10", "010", "22:22", "1e-5", "0x1F", "2001-01-01", "true", "1_000"]
)
def test_a_scalar_keeps_its_source_text_where_text_is_asked_for(text: str, folder: Folder) -> None:
    plan = folder.load(
        f"treadle: 1\nparams: {{p: {{default: {text}}}}}\nvars: {{v: {text}}}\n"
        f"actions:\n  a: {{argv: [x, {text}, '${{p}}', '${{v}}'], env: {{E: {text}}}}}\n"
    )
    assert argv(plan) == ("x", text, text, text)
    assert plan.actions["a"].command.env.set == {"E": text}


def test_crlf_and_a_byte_order_mark_are_fine(folder: Folder) -> None:
    text = "\ufefftreadle: 1\r\nactions:\r\n  a:\r\n    sh: |\r\n      echo x\r\n      echo y\r\n"
    plan = folder.load(text.encode())
    script = plan.actions["a"].command.script
    assert script is not None
    assert script.text == "echo x\necho y\n"


def test_aliases_stand_for_whole_values(folder: Folder) -> None:
    plan = folder.load("  a: {run: x, env: &e {A: b}}\n  b: {run: y, env: *e}\n")
    assert plan.actions["b"].command.env.set == {"A": "b"}


# Interpolation.


@pytest.mark.parametrize(
    "value", ["two words", "", "a'b\"c", "$(touch x)", "; rm", "-rf", "*", "\\", "${v}", "$${v}", "a\nb", "é\t"]
)
def test_a_value_is_one_argument_whatever_it_holds(value: str, folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nparams: {p: {default: x}}\nvars: {w: 'w${p}'}\nactions:\n  a:\n    run: x ${p} pre-${p}'s e'${w} \"${p} ${p}\"\n",
        params={"p": value},
    )
    assert argv(plan) == ("x", value, f"pre-{value}s ew{value}", f"{value} {value}")


def test_two_dollars_are_a_literal_mark_everywhere(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nvars: {v: 'x$${y}'}\nactions:\n  a:\n    run: x $${v} ${v} '$${v}' '$c' b$\n    out: o/$${v}\n"
    )
    assert argv(plan) == ("x", "${v}", "x${y}", "${v}", "$c", "b$")
    assert plan.actions["a"].command.outputs == ("o/${v}",)


def test_lists_are_flattened_and_become_words(folder: Folder) -> None:
    plan = folder.load(
        'treadle: 1\nvars:\n  a: [x, [y, ["${b}"]]]\n  b: [1, "2 3"]\n  c: "${a}"\n  e: []\nactions:\n  a:\n    run: p ${c} ${e} q\n'
    )
    assert argv(plan) == ("p", "x", "y", "1", "2 3", "q")


def test_vars_may_be_written_in_any_order(folder: Folder) -> None:
    plan = folder.load("treadle: 1\nvars: {a: '${b}/a', b: '${c}/b', c: c}\nactions: {a: {run: 'x ${a}'}}\n")
    assert argv(plan) == ("x", "c/b/a")


def test_one_path_may_stand_inside_a_word_and_a_list_may_not(folder: Folder) -> None:
    folder.write("i", "j")
    plan = folder.load("  a:\n    run: x --in=${in} --out=${out.o}\n    in: i\n    out: {o: p}\n")
    assert argv(plan) == ("x", "--in=i", "--out=p")
    problems = folder.problems("  a:\n    run: x --in=${in}\n    in: [i]\n")
    assert "is a list" in problems[0].what


def test_named_inputs_are_all_inputs_in_order(folder: Folder) -> None:
    folder.write("i", "j", "k")
    plan = folder.load('  a:\n    argv: [x, "${in}", "${in.b}"]\n    in: {b: [j, k], a: i}\n')
    assert argv(plan) == ("x", "j", "k", "i", "j", "k")


def test_paths_in_commands_are_relative_to_cwd(folder: Folder) -> None:
    folder.write("sub/dir/", "sub/i", "other/j")
    plan = folder.load(
        "  a:\n    run: x ${in} ${out} ${depfile}\n    cwd: sub/dir\n    in: [sub/i, other/j, /etc/passwd]\n    out: sub/dir/o\n    depfile: d\n"
    )
    assert argv(plan) == ("x", "../i", "../../other/j", "/etc/passwd", "o", "../../d")
    command = plan.actions["a"].command
    assert command.cwd == "sub/dir"
    assert command.inputs == ("sub/i", "other/j", "/etc/passwd")


def test_a_path_that_begins_with_a_dash_is_no_option(folder: Folder) -> None:
    folder.write("-rf")
    plan = folder.load("  a:\n    run: x ${in} ${out}\n    in: -rf\n    out: -o/\n")
    assert argv(plan) == ("x", "./-rf", "./-o")
    assert plan.actions["a"].command.inputs == ("-rf",)


# Words.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a 'b c' \"d e\" f\\ g", ["a", "b c", "d e", "f g"]),
        ("a '' \"\"", ["a", "", ""]),
        ("a'b'\"c\"d", ["abcd"]),
        ('awk \'{print $1; x > 2}\' "\\$x" "\\\\" "\\n"', ["awk", "{print $1; x > 2}", "$x", "\\", "\\n"]),
        ("a\tb   c", ["a", "b", "c"]),
        ("x a#b a~ {} [y] = !", ["x", "a#b", "a~", "{}", "[y]", "=", "!"]),
        ("x \\* \\| '\"' \"'\"", ["x", "*", "|", '"', "'"]),
    ],
)
def test_run_is_split_as_a_shell_would(text: str, words: list[str], folder: Folder) -> None:
    plan = folder.load("  a:\n    run: |\n      " + text + "\n")
    assert list(argv(plan)) == words


def test_a_backslash_joins_lines(folder: Folder) -> None:
    plan = folder.load("  a:\n    run: |\n      x a \\\n        b\n")
    assert argv(plan) == ("x", "a", "b")


# Paths.


@pytest.mark.parametrize("spelled", ["d/x", "./d/x", "d//x", "d/./x", "d/../d/x", "ABS/d/x"])
def test_spellings_of_one_file_are_one_path(spelled: str, folder: Folder) -> None:
    folder.write("d/x")
    plan = folder.load(f"  a: {{run: x, in: {spelled.replace('ABS', str(folder.root))}}}\n")
    assert plan.actions["a"].command.inputs == ("d/x",)


def test_an_input_outside_the_root_is_absolute(folder: Folder) -> None:
    folder.write("proj/", "x")
    plan = folder.load("  a: {run: x, in: ../x}\n", name="proj/treadle.yaml")
    assert plan.actions["a"].command.inputs == (str(folder.root / "x"),)


def test_root_may_be_above_the_plan(folder: Folder) -> None:
    folder.write("x", "sub/")
    plan = folder.load("treadle: 1\nroot: ..\nactions: {a: {run: x, in: x, out: sub/o}}\n", name="sub/p.yaml")
    assert plan.root == str(folder.root)
    assert plan.name == "sub/p.yaml"
    assert plan.file == str(folder.root / "sub/p.yaml")


@pytest.mark.parametrize(
    "name", ["a b", "tab\there", 'q"q', "back\\slash", "%41", "café", "cafe\u0301", "😀", "line\nbreak"]
)
def test_odd_file_names_work(name: str, folder: Folder) -> None:
    folder.write(f"src/{name}.c")
    plan = folder.load('  a:\n    foreach: {s: "src/*.c"}\n    run: x ${in}\n    in: ${s}\n    out: o/${s.stem}\n')
    (action,) = plan.actions.values()
    assert action.command.steps == (("x", f"src/{name}.c"),)
    assert action.command.outputs == (f"o/{name}",)
    assert action.uid.isprintable()
    assert plan.select([action.uid]) == [action.uid]
    assert plan.select([f"o/{name}"]) == [action.uid]


def test_names_that_are_no_utf_8_work(folder: Folder) -> None:
    name = os.fsdecode(b"\xff.c")
    folder.write("src/")
    (folder.root / "src" / name).touch()
    plan = folder.load('  a:\n    foreach: {s: "src/*.c"}\n    run: x ${in}\n    in: ${s}\n')
    assert list(plan.actions) == ["a@src/%FF.c"]
    assert plan.actions["a@src/%FF.c"].command.steps[0][1] == f"src/{name}"


# Globs.


def test_globs_know_stars_and_skip_hidden_names_and_links(folder: Folder) -> None:
    folder.write("s/a.c", "s/b.h", "s/d/c.c", "s/d/e/f.c", "s/.h.c", "s/.hid/g.c", "s/[x].c", "other/z.c")
    (folder.root / "s/link").symlink_to(folder.root / "other")
    (folder.root / "s/gone.c").symlink_to("nowhere")

    def inputs(pattern: str) -> tuple[str, ...]:
        return folder.load(f"  a: {{run: x, in: {{glob: '{pattern}', empty: ok}}}}\n").actions["a"].command.inputs

    assert inputs("s/*.c") == ("s/[x].c", "s/a.c")
    assert inputs("s/**/*.c") == ("s/[x].c", "s/a.c", "s/d/c.c", "s/d/e/f.c")
    assert inputs("s/**") == ("s/[x].c", "s/a.c", "s/b.h", "s/d/c.c", "s/d/e/f.c")
    assert inputs("**/f.c") == ("s/d/e/f.c",)
    assert inputs("s/*/*.c") == ("s/d/c.c", "s/link/z.c")
    assert inputs("s/.*.c") == ("s/.h.c",)
    assert inputs("s/.hid/*") == ("s/.hid/g.c",)
    assert inputs("s/[ab].?") == ("s/a.c", "s/b.h")
    assert inputs("s/[!a].?") == ("s/b.h",)
    assert inputs("s/[[]x].c") == ("s/[x].c",)
    assert inputs("./s//*.h") == ("s/b.h",)
    assert inputs("S/*.c") == ()


def test_globs_are_in_the_order_of_bytes(folder: Folder) -> None:
    folder.write("s/b", "s/B", "s/a", "s/é", "s/z", "s/10", "s/9", "s/😀", "s/\uffee")
    found = folder.load('  a: {run: x, in: "s/*"}\n').actions["a"].command.inputs
    assert list(found) == sorted(found, key=os.fsencode)


def test_a_glob_excludes(folder: Folder) -> None:
    folder.write("s/a.c", "s/a_test.c", "s/d/b_test.c")
    plan = folder.load('  a: {run: x, in: {glob: ["s/*.c", "s/**/*.c"], exclude: "s/**/*_test.c"}}\n')
    assert plan.actions["a"].command.inputs == ("s/a.c",)


def test_a_value_is_never_a_pattern(folder: Folder) -> None:
    folder.write("s/a*.c", "s/ab.c")
    plan = folder.load(
        '  a:\n    foreach: {n: ["${l}"]}\n    run: x\n    in: s/${n}.c\n'.replace(
            '["${l}"]', '"s/a[*].c"'
        ).replace("s/${n}.c", "${n}")
    )
    assert list(plan.actions) == ["a@s/a%2A.c"]
    assert plan.actions["a@s/a%2A.c"].command.inputs == ("s/a*.c",)
    problems = folder.problems("treadle: 1\nvars: {v: 's/*.c'}\nactions: {a: {run: x, in: '${v}'}}\n")
    assert "a value that comes in through ${} is never a pattern" in problems[0].hint


GENERATED = """\
  gen: {run: g, out: [src/gen.c, site/]}
  all:
    sh: cat ${in}
    in: "src/*.c"
  each:
    foreach: {s: "src/*.c"}
    run: cc ${in} ${out}
    in: ${s}
    out: src/${s.stem}.i.c
    depfile: src/${s.stem}.d.c
"""


def test_globs_answer_the_same_before_and_after_a_run(folder: Folder) -> None:
    folder.write("src/main.c")
    before = folder.load(GENERATED)
    assert list(before.actions) == ["gen", "all", "each@src/gen.c", "each@src/main.c"]
    assert before.actions["all"].command.inputs == ("src/gen.c", "src/gen.i.c", "src/main.c", "src/main.i.c")
    assert before.actions["all"].predecessors == ("gen", "each@src/gen.c", "each@src/main.c")
    made = ["src/gen.c", "src/gen.i.c", "src/main.i.c", "src/gen.d.c", "src/main.d.c", "site/x.c"]
    folder.write(*made)
    for former in ((), made):
        after = folder.load(GENERATED, former=former)
        assert list(after.actions) == list(before.actions)
        assert after.actions["all"].command.inputs == before.actions["all"].command.inputs


def test_globs_never_take_former_outputs_folders_or_the_state(folder: Folder) -> None:
    folder.write("src/a.c", "src/old.c", "src/site/x.c", "src/former/x.c", ".treadle/x.c")
    plan = folder.load(
        '  s: {run: x, out: src/site/}\n  a: {run: x, in: ["src/**/*.c", {glob: ".treadle/*", empty: ok}]}\n',
        former=["src/old.c", "src/former/"],
    )
    assert plan.actions["a"].command.inputs == ("src/a.c",)


def test_actions_may_be_made_of_outputs_of_actions_made_of_globs(folder: Folder) -> None:
    folder.write("s/a.x", "s/b.x")
    plan = folder.load(
        '  three:\n    foreach: {p: "t/*.z"}\n    run: x\n    in: ${p}\n    out: u/${p.stem}\n'
        '  two:\n    foreach: {p: "t/*.y"}\n    run: x\n    in: ${p}\n    out: t/${p.stem}.z\n'
        '  one:\n    foreach: {p: "s/*.x"}\n    run: x\n    in: ${p}\n    out: t/${p.stem}.y\n'
    )
    assert plan.actions["three@t/b.z"].predecessors == ("two@t/b.y",)
    assert plan.actions["two@t/b.y"].predecessors == ("one@s/b.x",)


def test_globs_that_feed_each_other_without_end_are_refused(folder: Folder) -> None:
    folder.write("s/a")
    problems = folder.problems(
        '  a:\n    foreach: {p: "s/*"}\n    run: x\n    out: t/${p.name}x\n  b:\n    foreach: {p: {glob: "t/*", empty: ok}}\n    run: x\n    out: s/${p.name}x\n'
    )
    assert "take what comes of themselves" in problems[0].what


# Foreach.


def test_several_keys_multiply_the_first_slowest(folder: Folder) -> None:
    plan = folder.load("  x:\n    foreach: {a: [1, 2], b: [p, q]}\n    run: echo ${a} ${b}\n")
    assert list(plan.actions) == ["x@1,p", "x@1,q", "x@2,p", "x@2,q"]


def test_uids_stay_apart_whatever_the_values_are(folder: Folder) -> None:
    plan = folder.load(
        '  x:\n    foreach: {a: ["p,q", p], b: [r, "q,r", "a b", "%2C", "", "n\\nn", "*"]}\n    run: echo\n'
    )
    assert len(plan.actions) == 14
    assert "x@p%2Cq,r" in plan.actions
    assert "x@p,q%2Cr" in plan.actions
    assert "x@p,a b" in plan.actions
    assert "x@p,n%0An" in plan.actions


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("src/a/x.c", ("src/a", "x.c", "x", ".c", "src/a/x")),
        ("x.tar.gz", (".", "x.tar.gz", "x.tar", ".gz", "x.tar")),
        ("d/Makefile", ("d", "Makefile", "Makefile", "", "d/Makefile")),
        ("d/.hidden", ("d", ".hidden", ".hidden", "", "d/.hidden")),
    ],
)
def test_the_parts_of_a_path(path: str, parts: tuple[str, ...], folder: Folder) -> None:
    plan = folder.load(
        f"  a:\n    foreach: {{s: [{path}]}}\n    argv: ['${{s.dir}}', '${{s.name}}', '${{s.stem}}', '${{s.ext}}', '${{s.noext}}']\n"
    )
    assert argv(plan, f"a@{path}") == parts


def test_an_empty_list_makes_no_actions_and_from_says_so(folder: Folder) -> None:
    text = "treadle: 1\nparams: {l: {type: list, default: []}}\nactions:\n  a: {foreach: {p: '${l}'}, run: x, out: 'o/${p}'}\n  b: {run: y, in: IN}\n"
    assert list(folder.load(text.replace("IN", "{from: a, empty: ok}")).actions) == ["b"]
    assert "gives nothing" in folder.problems(text.replace("IN", "{from: a}"))[0].what


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
    assert plan.left_out["b"] == "needs o of a, which is left out"
    assert plan.left_out["c"] == "needs p of b, which is left out"
    assert plan.left_out["d"] == "needs a, which is left out"
    assert plan.left_out["f"] == "needs a, which is left out"
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


# What names stand for.

NAMES = """\
treadle: 1
groups: {ci: [lint, "fit@*"], all: [ci, out/all], off: [gone]}
actions:
  fit: {run: x, foreach: {p: [a, b]}, out: "out/${p}.n"}
  merge: {run: x, in: {from: fit}, out: [out/all, site/]}
  lint: {run: x}
  gone: {run: x, when: false, out: out/gone}
"""


@pytest.mark.parametrize(
    ("names", "uids"),
    [
        (["merge"], ["merge"]),
        (["lint", "fit"], ["fit@a", "fit@b", "lint"]),
        (["fit@b"], ["fit@b"]),
        (["out/all"], ["merge"]),
        (["./out//a.n"], ["fit@a"]),
        (["site/"], ["merge"]),
        (["site"], ["merge"]),
        (["site/sub/index.html"], ["merge"]),
        (["ci"], ["fit@a", "fit@b", "lint"]),
        (["all"], ["fit@a", "fit@b", "merge", "lint"]),
        (["fit@?"], ["fit@a", "fit@b"]),
        (["*i*"], ["fit@a", "fit@b", "merge", "lint"]),
        (["out/*.n"], ["fit@a", "fit@b"]),
        (["*"], ["fit@a", "fit@b", "merge", "lint"]),
    ],
)
def test_select_knows_names_outputs_groups_and_patterns(names: list[str], uids: list[str], folder: Folder) -> None:
    assert folder.load(NAMES).select(names) == uids


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mrge", "did you mean merge?"),
        ("fit@c", "did you mean fit@"),
        ("out/al", "did you mean out/all?"),
        ("x*x", "nothing matches"),
        ("", "there is no action"),
        ("gone", "gone: when false is false"),
        ("out/gone", "out/gone is left out"),
        ("off", "off is left out"),
    ],
)
def test_select_says_what_is_unknown_or_left_out(name: str, words: str, folder: Folder) -> None:
    with pytest.raises(UsageError) as caught:
        folder.load(NAMES).select([name])
    assert words in str(caught.value)


def test_a_bare_run_does_all_that_has_outputs_or_else_all(folder: Folder) -> None:
    assert folder.load("  a: {run: x, out: o}\n  b: {run: x}\n").default == ("a",)
    assert folder.load("  a: {run: x}\n  b: {run: x}\n").default == ("a", "b")
    assert folder.load("treadle: 1\ndefault: b\nactions: {a: {run: x, out: o}, b: {run: x}}\n").default == ("b",)


def test_groups_in_a_circle_end(folder: Folder) -> None:
    plan = folder.load('treadle: 1\ngroups: {g: [h, a], h: [g, "*"]}\nactions: {a: {run: x}, b: {run: x}}\n')
    assert plan.select(["g"]) == ["a", "b"]


# Files.


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("p.yaml", "treadle: 1\n", True),
        ("p.yml", "# x\n---\nactions: {}\ntreadle: 1\n", True),
        ("p.yaml", '{"treadle": 1}', True),
        ("p.yaml", "\ufefftreadle: 1", True),
        ("p.txt", "treadle: 1\n", False),
        ("p.yaml", "a: {treadle: 1}\n", False),
        ("p.yaml", "treadle\n", False),
        ("p.yaml", "\x00\x01", False),
    ],
)
def test_is_plan_looks_for_the_key_at_the_top(name: str, text: str, answer: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert is_plan(str(tmp_path / name)) is answer


def test_is_plan_never_raises(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").mkdir()
    os.mkfifo(tmp_path / "f.yaml")
    for name in ("none.yaml", "d.yaml", "f.yaml", "a\0b.yaml", "x" * 5000 + ".yaml"):
        assert not is_plan(str(tmp_path / name))


def test_the_place_of_an_error_is_the_file_as_it_was_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("treadle.yaml", text="treadle: 1\nactions: {a: {run: x | y}}\n")
    monkeypatch.chdir(folder.root)
    with pytest.raises(PlanError) as caught:
        load_plan("treadle.yaml")
    assert str(caught.value.place) == "treadle.yaml:2:22"


def test_ten_thousand_actions_load_in_seconds(folder: Folder) -> None:
    text = "".join(
        f"  a{i}:\n    run: cc -c ${{in}} -o ${{out}}\n    in: o/{i}\n    out: o/{i + 1}\n" for i in range(10_000)
    )
    folder.write("o/0")
    plan = folder.load(text)
    assert plan.actions["a9999"].predecessors == ("a9998",)
    assert len(plan.dag(["a9999"]).vertex_data) == 10_000
