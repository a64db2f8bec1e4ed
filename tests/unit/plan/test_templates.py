"""Texts, values, words and paths: what is written becomes what is run."""

from __future__ import annotations

import os

import pytest

from plan_folder import Folder, argv

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


def test_a_backslash_before_a_dollar_comes_first_in_run(folder: Folder) -> None:
    text = 'x "\\$${v}" \\$${v} "\\${v}" \\${v} "\\\\${v}"'
    plan = folder.load("treadle: 1\nvars: {v: a b}\nactions:\n  a:\n    run: |\n      " + text + "\n")
    assert argv(plan) == ("x", "$a b", "$a b", "${v}", "${v}", "\\a b")


def test_a_backslash_joins_lines(folder: Folder) -> None:
    plan = folder.load("  a:\n    run: |\n      x a \\\n        b\n")
    assert argv(plan) == ("x", "a", "b")


# Paths.


@pytest.mark.parametrize("spelled", ["d/x", "./d/x", "d//x", "d/./x", "d/../d/x", "ABS/d/x"])
def test_spellings_of_one_file_are_one_path(spelled: str, folder: Folder) -> None:
    folder.write("d/x")
    plan = folder.load(f"  a: {{run: x, in: {spelled.replace('ABS', str(folder.root))}}}\n")
    assert plan.actions["a"].command.inputs == ("d/x",)


def test_an_output_may_have_brackets_in_its_name(folder: Folder) -> None:
    plan = folder.load("  a: {run: x, out: 'o[1].txt'}\n  b: {run: y, in: {from: a}}\n")
    assert plan.actions["b"].command.inputs == ("o[1].txt",)


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
