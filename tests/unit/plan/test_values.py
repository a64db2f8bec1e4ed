"""Values beside plain texts and lists: select, files of values, records."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import plan as write_plan
from helpers import run_treadle
from plan_folder import Folder, argv
from treadle.errors import PlanError

# Select.

SELECT = """\
treadle: 1
params: {mode: {default: debug}, fast: {type: bool, default: false}}
vars:
  flags: {select: "${mode}", release: [-O2, [-s]], else: [-O0, -g]}
  o: {select: "${fast}", true: quick, false: "slow/${mode}"}
  deep: {select: "${mode}", debug: {select: "${o}", slow/debug: yes, else: no}, else: never}
actions:
  a: {run: "x ${flags} ${o} ${deep}"}
"""


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, ("x", "-O0", "-g", "slow/debug", "yes")),
        ({"mode": "release"}, ("x", "-O2", "-s", "slow/release", "never")),
        ({"fast": "true"}, ("x", "-O0", "-g", "quick", "no")),
    ],
)
def test_a_var_is_what_select_chooses(params: dict[str, str], words: tuple[str, ...], folder: Folder) -> None:
    assert argv(folder.load(SELECT, params=params)) == words


def test_select_stands_in_place_of_anything_in_an_action(folder: Folder) -> None:
    folder.write("i", "j", "k")
    text = (
        "treadle: 1\nparams: {m: {default: a}}\ndefaults: {timeout: {select: '${m}', a: 5s, else: 7s}}\nactions:\n"
        "  x:\n"
        "    run: {select: '${m}', a: [one 1, one 2], else: 'two ${in}'}\n"
        "    in: [i, {select: '${m}', a: [j], b: {glob: 'k*'}}]\n"
        "    out: {p: {select: '${m}', a: o, else: q}}\n"
        "    env: {E: {select: '${m}', a: '1', else: '2'}}\n"
        "  y: {select: '${m}', a: {run: y 1}, else: {sh: y 2}}\n"
        "default: x\n"
    )
    first, second = folder.load(text), folder.load(text, params={"m": "b"})
    x = first.actions["x"].command
    assert x.steps == (("one", "1"), ("one", "2"))
    assert (x.inputs, x.outputs, x.env.set, x.limits.timeout) == (("i", "j"), ("o",), {"E": "1"}, 5.0)
    x = second.actions["x"].command
    assert x.steps == (("two", "i", "k"),)
    assert (x.inputs, x.outputs, x.env.set, x.limits.timeout) == (("i", "k"), ("q",), {"E": "2"}, 7.0)
    assert argv(first, "y") == ("y", "1")
    assert second.actions["y"].command.script is not None


def test_select_knows_foreach_values_the_platform_and_tracked_variables(folder: Folder) -> None:
    text = (
        "  a:\n    foreach: {p: [u, v, w], q: {select: '${platform.os}', other: [1], else: [2]}}\n"
        "    run: x ${p} ${out}\n    track: [CI]\n    out: o/${p}\n"
        "    in: {select: '${p}', u: [], else: [{select: '${env.CI}', '1': i, else: j}]}\n"
        "    timeout: {select: '${p}', v: 3s, else: none}\n"
    )
    folder.write("i", "j")
    plan = folder.load(text, environ={"CI": "1"})
    assert list(plan.actions) == ["a@u,2", "a@v,2", "a@w,2"]
    assert [action.command.inputs for action in plan.actions.values()] == [(), ("i",), ("i",)]
    assert [action.command.limits.timeout for action in plan.actions.values()] == [None, 3.0, None]
    assert folder.load(text).actions["a@v,2"].command.inputs == ("j",)
    assert plan.looks.environ == {"CI": "1"}


def test_what_was_not_chosen_is_not_used(folder: Folder) -> None:
    plan = folder.load(
        "  a: {run: x, in: {select: 'b', a: gone, else: []}, out: {select: b, b: o, else: /etc/x}}\n"
    )
    assert plan.actions["a"].command.outputs == ("o",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vars: {v: {select: «'${m}', relase: x}}", "select has no value for 'release'|did you mean relase?"),
        ("vars: {v: {select: «[a], b: x}}", "select must be a text, not a list"),
        ("vars: {v: {«select: }}", "select must be a text, not an empty value"),
        ("vars: {v: «{select: '${m}'}}", "no values to choose from"),
        ("vars: {v: {select: '«${env.CI}', else: x}}", "a var cannot use variables of the environment"),
        ("vars: {v: {select: '«${n}', else: x}}", "${n} is not defined"),
        ("vars: {v: {select: '${m}', «release: }}", "the value of release is empty"),
        ("vars: {v: {select: '${m}', release: x, else: '«${'}}", "expected ${NAME}"),
        ("vars: {«v: {select: '${w}', else: x}, w: '${v}'}", "vars refer to each other"),
        ("vars: {v: [x, «{a: b}]}", "records and other values"),
    ],
)
def test_a_mistake_in_a_select_of_a_var_has_its_place(text: str, words: str, folder: Folder) -> None:
    told(folder, f"treadle: 1\nparams: {{m: {{default: release}}}}\n{text}\nactions: {{a: {{run: x}}}}\n", words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  a: {run: x, in: {select: '«${m}', b: x}}\n", "${m} is not defined"),
        ("  a: {run: x, in: {select: '«${env.CI}', b: x}}\n", "variables that its action tracks"),
        ("  a: {run: x, timeout: {select: y, y: «5}}\n", "must be a duration"),
        ("  a: {run: x, env: {A: {select: y, y: '«${', else: z}}}\n", "expected ${NAME}"),
        ("  a:\n    foreach: {p: [u, v]}\n    run: {select: «'${p}', u: x}\n", "no value for 'v'"),
        ("  a:\n    foreach: {p: [u, v]}\n    run: {select: '${p}', u: x, else: x «| y}\n", "a pipe"),
    ],
)
def test_a_mistake_in_a_select_of_an_action_has_its_place(text: str, words: str, folder: Folder) -> None:
    told(folder, text, words)


def told(folder: Folder, text: str, words: str, inside: str = "") -> None:
    """Check that the first mistake stands at the mark, which is in the plan or in a text that it reads."""
    marked = inside or text
    first = folder.problems(text.replace("«", ""))[0]
    before = marked[: marked.index("«")]
    head = 0 if inside or not text.startswith(" ") else 2
    place = (head + before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert first.place is not None
    assert (first.place.line, first.place.column) == place, first
    for word in words.split("|"):
        assert word in f"{first} {first.facts} {first.hint}"
    assert first.hint or "nested" in words or "twice" in words


# Files of values.

FILES = {
    "yaml": "train: {lr: 1e-5, on: true, layers: [3.10, [no, 'x y']], none: ~}\n'odd name': 1\nname: ${x}\n",
    "json": '{"train": {"lr": 1e-5, "on": true, "layers": [3.10, ["no", "x y"]], "none": null}, "name": "${x}"}',
    "toml": 'name = "${x}"\n[train]\nlr = 1e-5\non = true\nlayers = [3.10, ["no", "x y"]]\n',
}


@pytest.mark.parametrize("kind", FILES)
def test_names_with_dots_are_what_a_file_holds(kind: str, folder: Folder) -> None:
    folder.write(f"params.{kind}", text=FILES[kind])
    plan = folder.load(
        f"treadle: 1\nvars: {{c: {{file: params.{kind}}}}}\nactions:\n"
        "  a: {run: 'x ${c.train.lr} ${c.train.on} ${c.train.layers} ${c.name}', when: c.train.on and c.train.lr < 0.1}\n"
        "  b: {run: x, when: not c.train.on}\n"
    )
    assert argv(plan) == ("x", "1e-5", "true", "3.10", "no", "x y", "${x}")
    assert list(plan.left_out) == ["b"]


def test_a_file_of_text_is_one_value_without_its_last_line_end(folder: Folder) -> None:
    folder.write("VERSION", text="1.10\n")
    folder.write("Cargo.lock", text="version = 4\n")
    plan = folder.load(
        "treadle: 1\nparams: {n: {default: VERSION}}\n"
        "vars: {v: {file: '${n}'}, l: {file: Cargo.lock, format: toml}}\nactions: {a: {run: 'x ${v} ${l.version}'}}\n"
    )
    assert argv(plan) == ("x", "1.10", "4")


def test_a_file_that_may_be_missing_counts_as_an_empty_one(folder: Folder) -> None:
    text = (
        "treadle: 1\nvars:\n  t: {file: note, optional: true}\n"
        "  c: {file: own.yaml, optional: true, else: {jobs: 4, dir: {tmp: '${t}x'}}}\n"
        "actions: {a: {run: 'x ${t} ${c.jobs} ${c.dir.tmp}'}}\n"
    )
    assert argv(folder.load(text)) == ("x", "", "4", "x")
    folder.write("own.yaml", text="jobs: 8\n")
    assert argv(folder.load(text)) == ("x", "", "8", "x")


def test_a_select_in_defaults_without_a_choice_hides_no_other_mistake(folder: Folder) -> None:
    problems = folder.problems(
        "treadle: 1\nparams: {m: {default: b}}\ndefaults: {timeout: {select: '${m}', a: 2s}}\n"
        "actions: {a: {run: x, in: none}, b: {run: x, retries: many}}\n"
    )
    assert [one.what.split(" ")[0] for one in problems] == ["select", "retries"]


@pytest.mark.parametrize("name", ["in", "out", "edits", "depfile", "env", "platform", "in.a"])
def test_what_belongs_to_an_action_is_not_known_in_vars(name: str, folder: Folder) -> None:
    text = f"vars: {{v: '«${{{name}}}'}}\nactions: {{a: {{run: 'x ${{v}} ${{v.b}}'}}}}\n"
    told(folder, "treadle: 1\n" + text, "cannot be used in vars|write it where it is used")


@pytest.mark.parametrize(
    ("held", "words"),
    [("null", "is null"), ("[a, null]", "a list that holds null"), ("[{a: 1}]", "a list of records")],
)
def test_what_a_file_has_is_not_hidden_by_else(held: str, words: str, folder: Folder) -> None:
    folder.write("p.yaml", text=f"jobs: {held}\n")
    text = "treadle: 1\nvars: {c: {file: p.yaml, else: {jobs: [4]}}}\nactions:\n  a:\n    run: x «${c.jobs}\n"
    told(folder, text, words)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        ("${c}", "${c} is neither a text nor a list|it has c.list, c.n, c.train.lr"),
        ("${c.train}", "${c.train} is neither a text nor a list"),
        ("${c.train.rl}", "${c.train.rl} is not defined|did you mean ${c.train.lr}?"),
        ("${c.nothing}", "${c.nothing} is null"),
        ("${c.sets}", "is a list of records: only foreach can use it"),
        ("${c.mixed}", "is a list that mixes maps and other values"),
        ("-${c.list}", "is a list and cannot be part of a text"),
    ],
)
def test_what_is_no_value_is_told_where_it_is_used(use: str, words: str, folder: Folder) -> None:
    folder.write("p.yaml", text="train: {lr: 1}\nnothing:\nsets: [{a: 1}]\nmixed: [a, {b: 1}]\nlist: [a]\nn: 1\n")
    use = use.replace("$", "«$")
    told(folder, f"treadle: 1\nvars: {{c: {{file: p.yaml}}}}\nactions:\n  a:\n    run: x {use}\n", words)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.yaml", "a: b\nc: [«", "not valid YAML"),
        ("p.yaml", "a: 1\n«a: 2", "duplicate key"),
        ("p.json", '{"a": 1,\n "b": «}', "not valid JSON"),
        ("p.toml", "a = 1\nb = «\n", "not valid TOML"),
        ("p.txt", "x\n y«\0", "NUL"),
    ],
)
def test_a_mistake_in_a_file_has_its_place_in_it(name: str, text: str, words: str, folder: Folder) -> None:
    folder.write(name, text=text.replace("«", ""))
    told(folder, f"treadle: 1\nvars: {{c: {{file: {name}}}}}\nactions: {{a: {{run: x}}}}\n", words, text)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.json", b'{"a": 1, "a": 2}', "duplicate key 'a'"),
        ("p.json", b'{"a": "\\u0000"}', "NUL"),
        ("p.json", b'{"a": "\\ud800"}', "half a character"),
        ("p.json", b"[" * 200000, "nested too deep"),
        ("p.yaml", b"a: " + b"{b: " * 99 + b"c" + b"}" * 99, ""),
        ("d/", b"", "cannot read"),
    ],
)
def test_what_a_file_cannot_hold_is_told_where_it_is_named(
    name: str, text: bytes, words: str, folder: Folder
) -> None:
    folder.write(name)
    if text:
        (folder.root / name).write_bytes(text)
    plan = f"treadle: 1\nvars: {{c: {{file: «{name.rstrip('/')}}}}}\nactions: {{a: {{run: x}}}}\n"
    if words:
        told(folder, plan, words)
    else:
        assert list(folder.load(plan.replace("«", "").replace("»", "")).actions) == ["a"]


def test_a_file_that_is_no_utf_8_is_told(folder: Folder) -> None:
    (folder.root / "p.txt").write_bytes(b"ok\n\xff")
    told(folder, "treadle: 1\nvars: {c: {file: p.txt}}\nactions: {a: {run: x}}\n", "not UTF-8", "ok\n«")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{file: «gone.yaml}", "the file gone.yaml of the var c does not exist|optional: true"),
        ("{file: gone.yaml, optional: «false}", "must be true"),
        ("{file: gone.yaml, format: «ini}", "must be one of yaml, json, toml, text"),
        ("{file: gone.yaml, «wen: x}", "has no key 'wen'"),
        ("{file: «dir/}", "needs the path of a file"),
        ("{file: «made.yaml, optional: true}", "m makes this file, and it is read before any action runs"),
    ],
)
def test_a_mistake_in_what_names_a_file_has_its_place(value: str, words: str, folder: Folder) -> None:
    told(
        folder,
        f"treadle: 1\nvars: {{c: {value}}}\nactions: {{a: {{run: x}}, m: {{run: x, out: made.yaml}}}}\n",
        words,
    )


def test_only_the_values_that_are_used_count_and_a_change_is_never_missed(tmp_path: Path) -> None:
    write_plan(
        tmp_path,
        "vars: {c: {file: p.json}, n: {file: note, optional: true}}\nactions:\n"
        "  a: {sh: 'echo ${c.a} ${n} >> ${out}', out: a, keep: true}\n  b: {sh: 'echo ${c.b} > ${out}', out: b}\n",
    )
    file = tmp_path / "p.json"
    file.write_text('{"a": 1, "b": 1}')
    run_treadle(tmp_path, "run", check=0)
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    file.write_text('{"b": 2, "c": 3, "a": 1}')
    run_treadle(tmp_path, "run", check=0)
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("1 \n", "2\n")
    (tmp_path / "note").write_text("hello\n")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "a").read_text() == "1 \n1 hello\n"
    (tmp_path / "note").unlink()
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "a").read_text() == "1 \n1 hello\n1 \n"


@pytest.mark.parametrize("prefix", ["", "lib/"])
@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("run: 'x «${c.none}'", "${c.none} is null|give it a value|c is defined at|held by that file"),
        ("sh: 'x «${c.none}'", "${c.none} is null|give it a value|c is defined at"),
        ("run: x, env: {A: '«${c.none}'}", "${c.none} is null|give it a value"),
        ("run: 'x «${c.sets}'", "${c.sets} is a list of records: only foreach can use it|c is defined at"),
        ("run: 'x «${all}'", "${all} is a list of records: only foreach can use it|all is defined at"),
        ("run: x, when: '«all == 1'", "${all} is a list of records: only foreach can use it|all is defined at"),
        ("run: x, when: '«c.none == 1'", "${c.none} is null|give it a value"),
        ("run: 'x «${c.mixed}'", "${c.mixed} is a list that mixes maps and other values|c is defined at"),
        ("run: 'x «${c.gap}'", "${c.gap} is a list that holds null|c is defined at"),
        ("run: 'x «${c}'", "${c} is neither a text nor a list|it has c.deep.a"),
        ("foreach: {t: '${c.sets}'}, run: 'x «${t.b}'", "${t.b} is null|give it a value"),
        ("foreach: {t: '${c.sets}'}, run: x, in: '«${t.b}'", "${t.b} is null|give it a value"),
        ("run: 'x «${in}'", "this action has no in"),
    ],
)
def test_what_is_no_value_is_told_where_a_command_uses_it(
    action: str, words: str, prefix: str, folder: Folder
) -> None:
    held = '{"none": null, "sets": [{"a": "x", "b": null}], "mixed": [{}, 1], "gap": [null], "deep": {"a": "b"}}'
    folder.write(prefix + "p.json", text=held)
    text = f"treadle: 1\nvars: {{c: {{file: p.json}}, all: [{{a: b}}]}}\nactions: {{a: {{{action}}}}}\n"
    if prefix:
        folder.write("lib/plan.yaml", text=text.replace("«", ""))
        assert folder.problems("treadle: 1\ninclude: [lib/plan.yaml]\n")[0].place.file.endswith("lib/plan.yaml")  # type: ignore[union-attr]
    told(folder, "treadle: 1\ninclude: [lib/plan.yaml]\n" if prefix else text, words, text)


# Records.


def test_records_give_fields_and_names(folder: Folder) -> None:
    folder.write("src/a.c", "src/b.c")
    plan = folder.load(
        "treadle: 1\nvars:\n  v: w\n"
        "  all: [{src: src/a.c, n: 3, on: true, opt: {x: ['${v}', 2]}}, {n: 10, src: src/b.c, on: false}]\n"
        "actions:\n  a:\n    foreach: {t: '${all}', p: [1, 2]}\n    run: x ${t.src.stem} ${t.n} ${p}\n    in: ${t.src}\n"
        "    when: t.n > 5 or p == 1\n"
        "  b:\n    foreach: {t: [{size: big, name: 'x,y'}, {name: '${v}', size: small}]}\n    run: y ${t.size} ${t.name}\n"
        "  c: {foreach: {t: '${all}'}, run: x, when: t.on}\n"
    )
    assert list(plan.actions) == ["a@src/a.c,1", "a@10,1", "a@10,2", "b@x%2Cy", "b@w", "c@src/a.c"]
    assert list(plan.left_out) == ["a@src/a.c,2", "c@10"]
    assert argv(plan, "a@10,2") == ("x", "b", "10", "2")
    assert (argv(plan, "b@x%2Cy"), argv(plan, "b@w")) == (("y", "big", "x,y"), ("y", "small", "w"))


def test_records_of_a_file_are_those_of_foreach(folder: Folder) -> None:
    folder.write(
        "p.json", text='{"sets": [{"name": "s", "opt": {"lr": [1, 2]}}, {"name": "t", "opt": {"lr": []}}]}'
    )
    plan = folder.load(
        "treadle: 1\nvars: {c: {file: p.json}, sets: '${c.sets}'}\n"
        "actions: {a: {foreach: {t: '${sets}'}, run: 'x ${t.opt.lr}', tools: []}}\n"
    )
    assert (argv(plan, "a@s"), argv(plan, "a@t")) == (("x", "1", "2"), ("x",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foreach: {t: [{a: b}]}\n    run: x «${t}", "${t} is neither a text nor a list|it has t.a"),
        ("foreach: {t: [{a: b}]}\n    run: x «${t.b}", "${t.b} is not defined|did you mean ${t.a}?"),
        ("foreach: {t: «[{a: b}, c]}\n    run: x", "has records and other values"),
        ("foreach: {t: [«{a: [b]}]}\n    run: x", "a record has no text field that could name its action"),
        ("foreach: «{t: [{a: b, c: 1}, {a: b, c: 2}]}\n    run: x", "makes a@b twice|name: of its own"),
        ("foreach: {t: [{a: '«${nope}'}]}\n    run: x", "${nope} is not defined"),
        ("foreach: {t: [{a: «}]}\n    run: x", "must be a text, not an empty value"),
        ("foreach: {t: «{a: b}}\n    run: x", "foreach t cannot be a map with a"),
    ],
)
def test_a_mistake_in_a_record_has_its_place(text: str, words: str, folder: Folder) -> None:
    told(folder, f"  a:\n    {text}\n", words)


@pytest.mark.parametrize(
    "written",
    [
        *("1_000", "0x1F", "0xdead_beef", "0o17", "0b1_0", "+99", "-0", "1_0.5", "1e-5", "9" * 400, "1979-05-27"),
        *("1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "1979-05-27T00:32:00.999-07:00", "07:32:00"),
    ],
)
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("v = {}", "v"),
        ("v={}# = 7", "v"),
        ("[t]\n1_0 = {}\nv = {} # 0x1", "t.v"),
        ("[t.0x1F]\nv = 1\n[t.u]\nv = {}\n", "t.u.v"),
        ("t = {{1_0 = 7, v = {}, w = 2}}", "t.v"),
        ('s = """ = 1_0\n[ 5, """\nv = {}', "v"),
        ("s = ''' = 1_0 ['''\nq = '# 1_0 ='\nv = {}", "v"),
        ('s = "\\" = [5 # "\n[[t]]\nx = 1\n[u]\nv = {}', "u.v"),
        ("t = [ # 1_0\n [7],\n {}, ]\nv = {}", "v"),
    ],
)
def test_what_toml_has_stays_as_it_is_written(written: str, text: str, name: str, folder: Folder) -> None:
    folder.write("p.toml", text=text.format(written, written) + "\n")
    plan = folder.load(
        f"treadle: 1\nvars: {{c: {{file: p.toml}}}}\nactions: {{a: {{argv: [x, '${{c.{name}}}']}}}}\n"
    )
    assert argv(plan) == ("x", written)


@pytest.mark.parametrize(
    ("written", "condition", "holds"),
    [
        *(("1_000", "c.v == 1000", True), ("0x1F", "c.v == 31 and c.v < 32", True), ("0b11", "c.v > 3", False)),
        *(("+9", "c.v == 9.0", True), ("1_0.5", "c.v > 10", True), ("9" * 400, "c.v > 1", True)),
    ],
)
def test_numbers_of_toml_are_numbers_in_conditions(
    written: str, condition: str, holds: bool, folder: Folder
) -> None:
    folder.write("p.toml", text=f"v = {written}\n")
    text = f"treadle: 1\nvars: {{c: {{file: p.toml}}}}\nactions: {{a: {{run: x, when: '{condition}'}}}}\n"
    assert ("a" in folder.load(text).actions) == holds


@pytest.mark.parametrize("said", ["True", "TRUE", "False", "yes", "No", "on", "OFF", "y", "N"])
@pytest.mark.parametrize("condition", ["c.flag", "not c.flag", "c.flag and true", "(c.flag)", "true or c.flag"])
def test_a_text_that_looks_like_a_boolean_is_said_to_be_a_text(said: str, condition: str, folder: Folder) -> None:
    folder.write("p.yaml", text=f"flag: {said}\n")
    with pytest.raises(PlanError) as caught:
        folder.load(f"treadle: 1\nvars: {{c: {{file: p.yaml}}}}\nactions: {{a: {{run: x, when: {condition}}}}}\n")
    problem = caught.value.problems[0]
    assert f"{said} is a text here, not a condition: only true and false are booleans" in str(problem)
    assert f"compare it: c.flag == '{said}'" in problem.hint


@pytest.mark.parametrize(
    ("said", "told"), [("1", "number '1'"), ("some", "text 'some'"), ("[a, b]", "list [a, b]")]
)
def test_what_is_no_condition_is_shown_as_what_it_is(said: str, told: str, folder: Folder) -> None:
    folder.write("p.yaml", text=f"flag: {said}\n")
    with pytest.raises(PlanError) as caught:
        folder.load("treadle: 1\nvars: {c: {file: p.yaml}}\nactions: {a: {run: x, when: c.flag}}\n")
    assert f"it is the {told}" in caught.value.problems[0].facts


def test_a_secret_that_is_no_condition_is_not_shown(folder: Folder) -> None:
    text = "treadle: 1\nactions: {a: {run: x, track: [KEY], secret: [KEY], when: env.KEY}}\n"
    with pytest.raises(PlanError) as caught:
        folder.load(text, environ={"KEY": "True"})
    problem = caught.value.problems[0]
    assert "True" not in f"{problem} {problem.facts} {problem.hint}"


READERS = """\
treadle: 1
params: {m: {default: a}}
actions:
  fit: {foreach: {x: GLOB}, when: "WHEN", sh: "cp ${in} ${out}", in: "${x}", out: "o/${x}", needs: [other]}
  other: {run: x}
  from: {run: "x ${in}", in: {from: fit}}
  some: {run: "x ${in}", in: {from: fit, empty: ok}}
  needs: {run: x, needs: [fit]}
  pattern: {run: x, needs: ["fit@*"]}
  after: {run: x, after: [fit]}
groups: {g: [fit, other]}
"""


@pytest.mark.parametrize("glob", ['"none/*.c"', "['none/*', 'b*.c']", "{glob: ['a*.c', 'b*.c']}"])
@pytest.mark.parametrize("when", ["m == 'b'", "platform.os == 'none'", "not (m == 'a' or m == 'c')"])
def test_a_false_when_spares_a_family_its_empty_globs(glob: str, when: str, folder: Folder) -> None:
    plan = folder.load(READERS.replace("GLOB", glob).replace("WHEN", when))
    assert set(plan.actions) == {"other", "some", "after"}
    assert {"from", "needs", "pattern"} < plan.left_out.keys()


@pytest.mark.parametrize("when", ["m == 'a'", "x != ''", "x.stem == 'q'"])
def test_a_when_that_holds_or_asks_for_values_does_not(when: str, folder: Folder) -> None:
    with pytest.raises(PlanError, match="matches nothing"):
        folder.load(READERS.replace("GLOB", '"none/*.c"').replace("WHEN", when))
