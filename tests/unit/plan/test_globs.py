"""What globs and foreach take, and what they make of it."""

from __future__ import annotations

import os

import pytest

from plan_folder import Folder, argv

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
    assert 'a value is never a pattern: give the var {glob: "s/*.c"}' in problems[0].hint


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
    assert "match its own outputs, so its instances never settle" in problems[0].what


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
    assert "selects no outputs" in folder.problems(text.replace("IN", "{from: a}"))[0].what
