"""`${name*}`: a text for each element of a list."""

from __future__ import annotations

import pytest

from plan_folder import Folder, argv

HEAD = """\
treadle: 1
params: {parts: {default: [p, q]}, none: {type: list, default: []}}
vars:
  o: out
  libs: [a, b/c.x]
  objs: "${o}/${libs*.stem}.o"
  more: [first, "-l${libs*}", last]
  twice: ["${libs*}/${libs*.name}"]
  one: text
  cfg: {file: params.yaml}
"""


def load(folder: Folder) -> Folder:
    folder.write("a", "b/c.x", "src/a/1.c", "src/b/2.c", "src/p.c", "src/q.c")
    folder.write("params.yaml", text="sets: [{name: s, n: {v: 1}}, {name: t, n: {v: 2}}]\nsrc: [a, b]\n")

    return folder


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-l${libs*}", ["-la", "-lb/c.x"]),
        ("${libs*}", ["a", "b/c.x"]),
        ("${o}/${libs*.stem}.o", ["out/a.o", "out/c.o"]),
        ("${libs*.noext}", ["a", "b/c"]),
        ("${libs*.name} ${libs*.ext}", ["a", "c.x", "", ".x"]),
        ("${libs*.dir}/ ${libs*.dir.name}", ["./", "b/", "", "b"]),
        ("${libs*}=${libs*}", ["a=a", "b/c.x=b/c.x"]),
        ("'-l ${libs*}'", ["-l a", "-l b/c.x"]),
        ("${objs}", ["out/a.o", "out/c.o"]),
        ("${more}", ["first", "-la", "-lb/c.x", "last"]),
        ("${twice}", ["a/a", "b/c.x/c.x"]),
        ("-x${none*}", []),
        ("${cfg.sets*.name} ${cfg.sets*.n.v}", ["s", "t", "1", "2"]),
        ("-I${cfg.src*}", ["-Ia", "-Ib"]),
        ("-p${parts*}", ["-pp", "-pq"]),
    ],
)
def test_a_word_becomes_one_for_each_element(words: str, expected: list[str], folder: Folder) -> None:
    plan = load(folder).load(f"{HEAD}actions:\n  a:\n    run: x {words}\n")
    assert list(argv(plan)[1:]) == expected
    quoted = words.replace("'", "")
    plan = folder.load(f'{HEAD}actions:\n  a:\n    argv: [x, "{quoted}"]\n') if " " not in words else plan
    assert list(argv(plan)[1:]) == expected


@pytest.mark.parametrize(
    ("entries", "inputs", "outputs"),
    [
        ('in: "${libs*}", out: "${o}/${libs*.stem}.o"', ["a", "b/c.x"], ["out/a.o", "out/c.o"]),
        ('in: [a, "src/${parts*}.c"], out: out/x', ["a", "src/p.c", "src/q.c"], ["out/x"]),
        ('in: "src/${cfg.src*}/*.c", out: out/x', ["src/a/1.c", "src/b/2.c"], ["out/x"]),
        ('in: {glob: "src/**/*.c", exclude: "src/${parts*}.c"}, out: out/x', ["src/a/1.c", "src/b/2.c"], ["out/x"]),
        (
            'out: {objs: "${o}/${libs*.stem}.o", deps: "${o}/${libs*.stem}.d"}',
            [],
            ["out/a.o", "out/c.o", "out/a.d", "out/c.d"],
        ),
        ('out: "${o}/${parts*}/"', [], ["out/p/", "out/q/"]),
    ],
)
def test_paths_become_one_for_each_element(
    entries: str, inputs: list[str], outputs: list[str], folder: Folder
) -> None:
    command = load(folder).load(f"{HEAD}actions:\n  a: {{run: x, {entries}}}\n").actions["a"].command
    assert (list(command.inputs), list(command.outputs)) == (inputs, outputs)


def test_inputs_and_outputs_are_lists_in_commands(folder: Folder) -> None:
    text = f"""{HEAD}actions:
  obj:
    foreach: {{part: "${{parts}}"}}
    run: cc ${{out}}
    out: {{o: "out/${{part}}.o", d: "out/${{part}}.d"}}
  all:
    run: ld --obj=${{in.o*.stem}} -o ${{out}}
    in: {{o: {{from: obj.o}}, d: {{from: obj.d}}}}
    out: out/all
  script:
    sh: echo ${{in*.name}} "${{in*.stem}}" > ${{out}}
    in: {{from: obj.o}}
    out: out/script
    needs: ["obj@${{parts*}}"]
  each:
    foreach: {{flag: "--${{parts*}}"}}
    run: x ${{flag}} ${{out}}
    out: out/${{flag}}
"""
    plan = load(folder).load(text)
    assert argv(plan, "all") == ("ld", "--obj=p", "--obj=q", "-o", "out/all")
    assert plan.actions["script"].command.shown == 'echo p.o q.o "p q" > out/script'
    assert plan.actions["script"].predecessors == ("obj@p", "obj@q")
    assert argv(plan, "each@--p")[1] == "--p"


@pytest.mark.parametrize(
    ("action", "words", "hint"),
    [
        (
            "{run: x, out: '${o}/${libs}.o'}",
            "${libs} is a list and cannot be part of a text",
            '"${o}/${libs*}.o" makes one text for each',
        ),
        (
            "{run: 'x -l${libs}'}",
            "${libs} is a list and cannot be part of a text",
            '"x -l${libs*}" makes one text for each',
        ),
        (
            "{sh: 'x -l${libs*}'}",
            "${libs*} is a list and cannot be part of a word",
            'vars: {words: ["-x${libs*}"]}',
        ),
        ("{sh: 'x -l${libs}'}", "${libs} is a list and cannot be part of a word", 'vars: {words: ["-x${libs*}"]}'),
        ("{run: 'x ${one*}'}", "${one*} needs a list, but ${one} is one text", "write ${one}"),
        ("{run: 'x ${one*.stem}'}", "${one*.stem} needs a list, but ${one} is one text", "write ${one.stem}"),
        ("{run: 'x ${libs*.steam}'}", "${libs*.steam}: a text has no steam", "did you mean stem?"),
        ("{run: 'x ${libs*}${parts*}'}", "${libs*} and ${parts*} are two lists in one text", "in a var"),
        ("{run: x, in: 'src/${libs*}/${parts*}*'}", "${libs*} and ${parts*} are two lists in one text", "in a var"),
        ("{run: 'x ${lib*}'}", "${lib} is not defined", "did you mean ${libs}?"),
        (
            "{run: x, env: {X: '${libs*}'}}",
            "${libs*} makes one text for each element, but one text is needed here",
            "",
        ),
        ("{run: x, stdout: 'out/${libs*}'}", "${libs*} makes one text for each element, but one text", ""),
        ("{run: 'x ${cfg.sets*}'}", "${cfg.sets*}: its elements are maps", "write ${cfg.sets*.NAME}"),
        ("{run: 'x ${cfg.sets*.q}'}", "${cfg.sets*.q}: an element has no text q", "one that each element has"),
        ("{run: 'x ${cfg.sets*.n}'}", "${cfg.sets*.n}: an element has no text n", "one that each element has"),
        ("{run: 'x ${libs**}'}", "invalid reference", ""),
        ("{run: 'x ${libs.*}'}", "invalid reference", ""),
        ("{run: x, when: libs* == 1}", "unexpected *", ""),
        ("{run: x, uses: ['${libs*}']}", "uses: a is not defined", ""),
    ],
)
def test_what_is_no_list_of_texts_has_its_place(action: str, words: str, hint: str, folder: Folder) -> None:
    error = load(folder).problems(f"{HEAD}actions:\n  a: {action}\n")[0]
    assert words in error.what
    assert hint in (error.hint or "")
    assert error.place is not None
    assert error.place.line == HEAD.count("\n") + 2


def test_a_var_that_uses_another_list_may_stand_anywhere(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nvars: {b: ['-${a*}'], c: ['${b*}${b*}'], a: [x, y]}\nactions: {a: {run: \"x ${c}\"}}\n"
    )
    assert argv(plan)[1:] == ("-x-x", "-y-y")


def test_the_root_is_part_of_each_text(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nvars: {dirs: ['${root}/a', '${root}/b'], i: ['-I${dirs*}']}\nactions: {a: {run: \"x ${i} ${dirs*.name}\"}}\n"
    )
    assert argv(plan)[1:] == (f"-I{folder.root}/a", f"-I{folder.root}/b", "a", "b")
    assert plan.actions["a"].command.elements["command"] == "x '-I${root}/a' '-I${root}/b' a b"
