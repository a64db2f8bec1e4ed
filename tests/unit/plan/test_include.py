"""Plans in plans: a plan means the same whether it is run itself or included by another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plan_folder import Folder, argv
from treadle.errors import UsageError
from treadle.plan.model import Plan

DOCS = """\
treadle: 1
params: {draft: {default: "no"}}
vars: {o: out}
defaults: {env: {LC_ALL: C}, timeout: 5m}
groups: {all: [build, "page"], files: [out/index.html]}
actions:
  build: {run: "make ${draft} ${in} ${out}", in: [index.md, {from: page}], out: "${o}/index.html"}
  page:
    foreach: {p: "pages/*.md"}
    run: convert ${in} ${out}
    in: ${p}
    out: ${o}/${p.noext}.html
  lint: {run: lint, in: "**/*.md", after: [build]}
"""


@pytest.fixture
def docs(folder: Folder) -> Folder:
    folder.write("docs/index.md", "docs/pages/a.md", "docs/pages/b.md")
    folder.write("docs/plan.yaml", text=DOCS)
    return folder


def including(folder: Folder, include: str = "[docs/plan.yaml]", more: str = "", actions: str = "") -> Plan:
    return folder.load(f"treadle: 1\ninclude: {include}\n{more}actions:\n  own: {{run: x, out: own}}\n{actions}")


def refused(folder: Folder, include: str, more: str = "", actions: str = "") -> list[str]:
    text = f"treadle: 1\ninclude: {include}\n{more}actions:\n  own: {{run: x, out: own}}\n{actions}"
    return [str(problem).replace(f"{folder.root}/", "") for problem in folder.problems(text)]


def test_an_included_action_does_what_it_does_in_its_own_plan(docs: Folder) -> None:
    whole = including(docs)
    alone = docs.load(DOCS, name="docs/plan.yaml")
    for uid, action in alone.actions.items():
        other = whole.actions["docs:" + uid]
        assert other.command.steps == action.command.steps
        assert other.command.inputs == tuple(f"docs/{path}" for path in action.command.inputs)
        assert other.command.outputs == tuple(f"docs/{path}" for path in action.command.outputs)
        assert (other.command.cwd, action.command.cwd) == ("docs", ".")
        assert other.command.env.set == {"LC_ALL": "C"}
        assert other.command.limits.timeout == 300.0
        assert other.predecessors == tuple(f"docs:{name}" for name in action.predecessors)
        assert other.after == tuple(f"docs:{name}" for name in action.after)
    assert len(whole.actions) == len(alone.actions) + 1


def test_what_the_including_plan_says_is_not_heard_in_it(docs: Folder) -> None:
    whole = including(docs, more="vars: {o: other}\ndefaults: {env: {A: b}, timeout: 1s}\nshell: [sh, -c]\n")
    command = whole.actions["docs:build"].command
    assert command.outputs == ("docs/out/index.html",)
    assert command.env.set == {"LC_ALL": "C"}
    assert whole.actions["own"].command.limits.timeout == 1.0


def test_a_file_of_another_plan_is_waited_for_whoever_names_it(docs: Folder) -> None:
    docs.write("docs/more.yaml", text="treadle: 1\nactions: {x: {run: x, in: ../own, out: x}}\n")
    whole = including(
        docs, "[docs/plan.yaml, docs/more.yaml]", actions="  pack: {run: x, in: docs/out/, out: pack}\n"
    )
    assert whole.actions["more:x"].predecessors == ("own",)
    assert whole.actions["more:x"].command.inputs == ("own",)
    assert argv(including(docs, actions="  c: {run: 'x ${in}', in: {from: 'docs:page'}}\n"), "c") == (
        *("x", "docs/out/pages/a.html", "docs/out/pages/b.html"),
    )


def test_the_including_plan_names_what_is_in_it(docs: Folder) -> None:
    whole = including(
        docs,
        more="groups: {both: [own, 'docs:lint']}\ndefault: [both, docs]\n",
        actions="  late: {run: x, needs: ['docs:all'], after: ['docs:page@pages/a.md']}\n",
    )
    assert set(whole.default) == {"own", "docs:lint", "docs:build", "docs:page@pages/a.md", "docs:page@pages/b.md"}
    assert set(whole.actions["late"].predecessors) == {"docs:build", "docs:page@pages/a.md", "docs:page@pages/b.md"}


@pytest.mark.parametrize(
    ("name", "uids"),
    [
        ("docs:build", ["docs:build"]),
        ("docs:page@pages/a.md", ["docs:page@pages/a.md"]),
        ("docs:page", ["docs:page@pages/a.md", "docs:page@pages/b.md"]),
        ("docs:*i*", ["docs:build", "docs:lint"]),
        ("docs:files", ["docs:build"]),
        ("docs", ["docs:build", "docs:page@pages/a.md", "docs:page@pages/b.md"]),
        ("docs/out/index.html", ["docs:build"]),
    ],
)
def test_a_name_on_the_command_line_may_stand_in_an_included_plan(name: str, uids: list[str], docs: Folder) -> None:
    assert including(docs).select([name]) == uids


def test_its_own_names_are_unknown_outside(docs: Folder) -> None:
    with pytest.raises(UsageError, match="'build'") as caught:
        including(docs).select(["build"])
    assert "docs:build" in caught.value.hint


def test_a_bare_run_does_what_has_outputs_and_what_each_plan_does_by_default(docs: Folder) -> None:
    docs.write("docs/plan.yaml", text=DOCS + "default: [lint]\n")
    assert including(docs).default == ("own", "docs:lint")


def test_hidden_names_stay_hidden(folder: Folder) -> None:
    folder.write("a/plan.yaml", text="treadle: 1\nactions: {_x: {run: x}, y: {run: x}}\n")
    folder.write("b/plan.yaml", text="treadle: 1\nactions: {z: {run: x}}\n")
    plan = including(folder, "[a/plan.yaml, {file: b/plan.yaml, as: _b}]")
    assert [uid for uid, action in plan.actions.items() if action.listed] == ["own", "a:y"]
    assert plan.select(["*"]) == ["own", "a:y"]
    assert plan.select(["*:_*"]) == ["a:_x"]


def test_parameters_come_from_the_include(docs: Folder) -> None:
    include = "[{file: docs/plan.yaml, params: {draft: '${d}'}}, {file: docs/plan.yaml, as: second}]"
    text = DOCS.replace("{o: out}", "{o: 'out-${draft}'}").replace("out/index", "out-${draft}/index")
    docs.write("docs/plan.yaml", text=text.replace("files: [out-${draft}/index.html]", "none: []"))
    whole = including(docs, include, more="vars: {d: really}\n")
    assert argv(whole, "docs:build")[1] == "really"
    assert argv(whole, "second:build")[1] == "no"
    assert "draft" not in whole.params


@pytest.mark.parametrize("kind", ["str", "path", "int", "bool", "list"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("null", "the parameter o must be a text, not an empty value"),
        ("'${none}'", "${none} is not defined"),
        ("[{a: b}]", "an element of o must be a text, not a map"),
    ],
)
def test_a_value_that_is_none_is_told_of_once(kind: str, value: str, said: str, folder: Folder) -> None:
    use = "{run: 'x ${o}', when: 'o == 1'}"
    folder.write("l.yaml", text=f"treadle: 1\nparams: {{o: {{type: {kind}}}}}\nactions: {{x: {use}}}\n")
    (problem,) = refused(folder, f"[{{file: l.yaml, params: {{o: {value}}}}}]")
    assert f"treadle.yaml:2:38: {said}" in problem.replace("2:39:", "2:38:")


def test_a_list_stays_a_list_and_a_path_is_where_it_was_meant(folder: Folder) -> None:
    folder.write("data/x.csv", "sub/y.csv")
    folder.write(
        "sub/plan.yaml",
        text="treadle: 1\nparams: {parts: {type: list, default: []}, file: {type: path, default: y.csv}}\n"
        "actions: {a: {run: 'x ${parts} ${file} ${in}', in: '${file}'}}\n",
    )
    given = "{parts: ['a,b', c], file: data/x.csv}"
    plan = including(folder, f"[{{file: sub/plan.yaml, params: {given}}}, {{file: sub/plan.yaml, as: other}}]")
    assert argv(plan, "sub:a") == ("x", "a,b", "c", "../data/x.csv", "../data/x.csv")
    assert plan.actions["sub:a"].command.inputs == ("data/x.csv",)
    assert argv(plan, "other:a") == ("x", "y.csv", "y.csv")


def test_plans_nest_and_a_plan_may_have_nothing_but_others(folder: Folder) -> None:
    folder.write("a/b/plan.yaml", text="treadle: 1\nactions: {x: {run: x, out: x}}\n")
    folder.write(
        "a/plan.yaml", text="treadle: 1\ninclude: [b/plan.yaml]\nactions: {y: {run: y, needs: ['b:x'], in: b/x}}\n"
    )
    plan = folder.load("treadle: 1\ninclude: [a/plan.yaml]\n")
    assert list(plan.actions) == ["a:y", "a:b:x"]
    assert plan.actions["a:y"].predecessors == ("a:b:x",)
    assert plan.actions["a:b:x"].command.outputs == ("a/b/x",)
    assert plan.default == ("a:b:x",)


def test_the_root_of_an_included_plan_is_where_its_paths_are(folder: Folder) -> None:
    folder.write("src/a.c")
    folder.write(
        "plans/c.yaml", text="treadle: 1\nroot: ..\nactions: {a: {run: 'cc ${in}', in: src/a.c, out: o}}\n"
    )
    plan = including(folder, "[plans/c.yaml]")
    assert plan.actions["c:a"].command.inputs == ("src/a.c",)
    assert plan.actions["c:a"].command.cwd == "."


def test_programs_tools_and_folders_of_an_included_action_are_found_in_its_folder(folder: Folder) -> None:
    folder.write(
        "sub/plan.yaml",
        text="treadle: 1\nactions:\n  gen: {run: x, out: [bin/gen, work/]}\n"
        "  a: {run: bin/gen, tools: [{tool: bin/gen, version: bin/gen -V}]}\n  b: {run: ../bin/gen, cwd: work}\n",
    )
    plan = including(folder, "[sub/plan.yaml]")
    assert plan.actions["sub:a"].predecessors == ("sub:gen",)
    assert plan.actions["sub:b"].predecessors == ("sub:gen",)
    (tool,) = plan.actions["sub:a"].command.tools
    assert (tool.name, tool.version) == ("sub/bin/gen", ("sub/bin/gen", "-V"))
    assert plan.actions["sub:b"].command.cwd == "sub/work"


def test_each_key_with_a_path_means_the_folder_of_its_file(folder: Folder) -> None:
    text = (
        "treadle: 1\nvars: {cfg: {file: cfg.json}}\nactions:\n"
        "  fmt: {run: 'fmt src', edits: 'src/*.py'}\n"
        "  a: {run: 'x ${cfg.x}', dotenv: .env, in: {select: '${cfg.x}', '1': src/x.py, else: src/y.py}, stdout: log}\n"
        "  env: {run: 'mk v', out: v/, once: true}\n"
    )
    folder.write("sub/src/x.py", "sub/src/y.py")
    folder.write("sub/cfg.json", text='{"x": "1"}')
    folder.write("sub/.env", text="A=b\n")
    folder.write("sub/plan.yaml", text=text)
    plan = including(folder, "[sub/plan.yaml]")
    assert plan.actions["sub:a"].command.inputs == ("sub/src/x.py",)
    assert plan.actions["sub:a"].command.stdout == "sub/log"
    assert plan.actions["sub:a"].command.env.set == {"A": "b"}
    assert plan.actions["sub:a"].predecessors == ("sub:fmt",)
    assert plan.actions["sub:env"].command.outputs == ("sub/v/",)
    assert {os.path.relpath(path, folder.root) for path in plan.looks.read} == {
        *("sub/plan.yaml", "sub/cfg.json", "sub/.env"),
    }


def test_a_folder_with_special_characters_is_no_pattern(folder: Folder) -> None:
    folder.write("a[b]*/x.c", "ab/y.c")
    folder.write("a[b]*/p.yaml", text='treadle: 1\nactions: {a: {run: "x ${in}", in: "*.c"}}\n')
    assert argv(including(folder, "['a[b]*/p.yaml']"), "p:a") == ("x", "x.c")


def test_queues_are_the_same_for_all_and_the_including_plan_says_how_large(folder: Folder) -> None:
    for name, size in (("a", 2), ("b", 3)):
        text = (
            f"treadle: 1\nqueues: {{net: {size}, {name}: 1}}\nactions: {{x: {{run: x, queue: net, tokens: 2}}}}\n"
        )
        folder.write(f"{name}.yaml", text=text)
    plan = including(folder, "[a.yaml, b.yaml]", more="queues: {net: 4}\n")
    assert plan.queues == {"net": 4, "a": 1, "b": 1}
    (problem,) = refused(folder, "[a.yaml, b.yaml]")
    assert "b.yaml:2:10: the queue net has 3 tokens here and 2 in another plan" in problem
    assert "a.yaml:2:10" in problem


def test_a_plan_that_is_not_there_may_be_optional(folder: Folder) -> None:
    plan = including(folder, "[{file: local.yaml, optional: true}]")
    assert list(plan.actions) == ["own"]
    assert str(folder.root / "local.yaml") in plan.looks.read


def test_a_link_that_leads_nowhere_is_no_plan(folder: Folder) -> None:
    (folder.root / "local.yaml").symlink_to("none.yaml")
    assert list(including(folder, "[{file: local.yaml, optional: true}]").actions) == ["own"]
    (problem,) = refused(folder, "[local.yaml]")
    assert "the included plan local.yaml does not exist" in problem


def test_each_file_that_was_read_is_known(docs: Folder) -> None:
    assert list(including(docs).looks.read) == [str(docs.root / "docs/plan.yaml")]


def test_a_circle_of_includes_is_shown_with_its_way(folder: Folder) -> None:
    folder.write("a/plan.yaml", text="treadle: 1\ninclude: [../b.yaml]\n")
    folder.write("b.yaml", text="treadle: 1\ninclude: [a/plan.yaml]\n")
    (problem,) = refused(folder, "[a/plan.yaml]")
    assert problem.startswith("b.yaml:2:11: these plans include each other")
    assert "plan.yaml -> ../b.yaml -> plan.yaml" in problem
    (problem,) = refused(folder, "[treadle.yaml]")
    assert "treadle.yaml -> treadle.yaml" in problem


def test_many_plans_in_each_other_are_bounded(folder: Folder) -> None:
    for number in range(12):
        inside = ", ".join(f"{{file: p{number + 1}.yaml, as: {name}}}" for name in "abc")
        text = f"treadle: 1\ninclude: [{inside}]\n" if number < 11 else "treadle: 1\nactions: {a: {run: x}}\n"
        folder.write(f"p{number}.yaml", text=text)
    assert any("more than 1,000 included plans" in problem for problem in refused(folder, "[p0.yaml]"))


CASES: dict[str, tuple[str, str, str, list[str]]] = {
    # name: (the included plan, `include`, place of the first mistake, words)
    "missing": ("", "[b.yaml]", "treadle.yaml:2:11", ["b.yaml does not exist", "did you mean a.yaml?"]),
    "missing far": ("", "[c/d/none.yml]", "treadle.yaml:2:11", ["does not exist", "optional: true"]),
    "folder": ("", "[{file: sub/, as: x}]", "treadle.yaml:2:18", ["cannot read the plan sub", "Is a directory"]),
    "value in file": ("", "['${x}.yaml']", "treadle.yaml:2:11", ["must not contain ${}"]),
    "a text": ("", "a.yaml", "treadle.yaml:2:10", ["include must be a list of files", "'a.yaml'"]),
    "a map": ("", "{file: a.yaml}", "treadle.yaml:2:10", ["include must be a list of files", "a map"]),
    "no file": ("", "[{as: x}]", "treadle.yaml:2:11", ["an include needs file:"]),
    "near key": (
        "",
        "[{file: a.yaml, name: x}]",
        "treadle.yaml:2:26",
        ["an include has no key 'name'", "known: as"],
    ),
    "no name": (
        "",
        "['a.yaml', {file: ../x/my plan.yaml}]",
        "treadle.yaml:2:21",
        ["not a valid name for its actions", "as: NAME"],
    ),
    "bad name": ("", "[{file: a.yaml, as: 'a:b'}]", "treadle.yaml:2:11", ["as: NAME"]),
    "same name": (
        "",
        "[a.yaml, a.yaml]",
        "treadle.yaml:2:19",
        ["the name a is already used by an included plan", "ANOTHER"],
    ),
    "name of an action": (
        "",
        "[{file: a.yaml, as: own}]",
        "treadle.yaml:2:11",
        ["the name own is already used by an action"],
    ),
    "empty": ("\n", "[a.yaml]", "a.yaml:1:1", ["the plan is empty"]),
    "no version": ("actions: {a: {run: x}}\n", "[a.yaml]", "a.yaml:1:1", ["treadle: 1"]),
    "not YAML": ("treadle: 1\nvars: [\n", "[a.yaml]", "a.yaml:3:1", ["not valid YAML"]),
    "not UTF-8": ("treadle: 1\n# \udcff\n", "[a.yaml]", "a.yaml:2:3", ["not UTF-8"]),
    "unknown key": (
        "treadle: 1\nactions: {a: {run: x, inputs: y}}\n",
        "[a.yaml]",
        "a.yaml:2:23",
        ["did you mean in?"],
    ),
    "a missing file": ("treadle: 1\nactions: {a: {run: x, in: y}}\n", "[a.yaml]", "a.yaml:2:27", ["a:a reads it"]),
    "a pipe": ("treadle: 1\nactions:\n  a:\n    run: a | b\n", "[a.yaml]", "a.yaml:4:12", ["| is a pipe"]),
    "a name outside": (
        "treadle: 1\nactions: {a: {run: x, needs: [own]}}\n",
        "[a.yaml]",
        "a.yaml:2:31",
        ["needs: there is no action, family or group 'own'"],
    ),
    "from outside": (
        "treadle: 1\nactions: {ow: {run: x, out: o}, a: {run: x, in: {from: own}}}\n",
        "[a.yaml]",
        "a.yaml:2:56",
        ["from: there is no action, family or group 'own'", "did you mean ow?"],
    ),
    "a value outside": ("treadle: 1\nactions: {a: {run: 'x ${v}'}}\n", "[a.yaml]", "a.yaml:2:23", ["not defined"]),
    "a group": (
        "treadle: 1\ngroups: {g: [lnit]}\nactions: {lint: {run: x}}\n",
        "[a.yaml]",
        "a.yaml:2:14",
        ["the group g: there is no action, group or output 'lnit'", "did you mean lint?"],
    ),
    "its default": ("treadle: 1\ndefault: [b]\nactions: {a: {run: x}}\n", "[a.yaml]", "a.yaml:2:11", ["default:"]),
    "an output above": ("treadle: 1\nactions: {a: {run: x, out: ../o}}\n", "[a.yaml]", "a.yaml:2:28", ["outside"]),
    "the same output": (
        "treadle: 1\nactions: {a: {run: x, out: own}}\n",
        "[a.yaml]",
        "a.yaml:2:28",
        ["two actions make own: own and a:a", "treadle.yaml:4:22"],
    ),
    "a circle": (
        "treadle: 1\nactions: {a: {run: x, in: b, out: c}, d: {run: x, in: c, out: b}}\n",
        "[a.yaml]",
        "a.yaml:2:11",
        ["2 actions wait for each other", "a:a waits for a:d"],
    ),
    "no such parameter": (
        "treadle: 1\nparams: {mode: {default: x}}\nactions: {a: {run: x}}\n",
        "[{file: a.yaml, params: {mod: y}}]",
        "treadle.yaml:2:35",
        ["a.yaml has no parameter 'mod'", "did you mean mode?"],
    ),
    "no value": (
        "treadle: 1\nparams: {mode: {type: int}}\nactions: {a: {run: x}}\n",
        "[a.yaml]",
        "a.yaml:2:10",
        ["the parameter mode has no value", "params: {mode: VALUE}"],
    ),
    "no number": (
        "treadle: 1\nparams: {mode: {type: int}}\nactions: {a: {run: x}}\n",
        "[{file: a.yaml, params: {mode: y}}]",
        "treadle.yaml:2:41",
        ["'y' is not a whole number"],
    ),
    "a list for a text": (
        "treadle: 1\nparams: {mode: {default: x}}\nactions: {a: {run: x}}\n",
        "[{file: a.yaml, params: {mode: [y]}}]",
        "treadle.yaml:2:41",
        ["the parameter mode is of type str, not a list"],
    ),
    "an undefined value": (
        "treadle: 1\nparams: {mode: {default: x}}\nactions: {a: {run: x}}\n",
        "[{file: a.yaml, params: {mode: '${y}'}}]",
        "treadle.yaml:2:42",
        ["${y} is not defined"],
    ),
    "a file that is made": (
        "treadle: 1\nactions: {a: {run: x, out: a.yaml}}\n",
        "[a.yaml]",
        "treadle.yaml:2:10",
        ["the included plan a.yaml is an output of a:a"],
    ),
    "a root elsewhere": (
        "treadle: 1\nroot: ..\nactions: {a: {run: x}}\n",
        "[a.yaml]",
        "treadle.yaml:2:11",
        ["relative to a folder outside the root", "write root:"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_shown_where_it_stands(name: str, folder: Folder) -> None:
    text, include, place, words = CASES[name]
    folder.write("sub/")
    (folder.root / "a.yaml").write_bytes(os.fsencode(text or "treadle: 1\nactions: {a: {run: x}}\n"))
    problems = refused(folder, include)
    assert problems[0].startswith(f"{place}: ")
    for word in words:
        assert word in problems[0]
    assert all("  hint: " in problem for problem in problems), problems


def test_what_to_write_is_said_as_that_file_would_write_it(docs: Folder) -> None:
    for wrong, hint in (
        ("indx.md", "did you mean index.md?"),
        ("pages", "write pages/ for the whole tree"),
        ("index.md/", "write index.md"),
        ("../own/", "write ../own"),
    ):
        docs.write("docs/plan.yaml", text=f"treadle: 1\nactions: {{a: {{run: x, in: {wrong}}}}}\n")
        (problem,) = refused(docs, "[docs/plan.yaml]")
        assert f"hint: {hint}" in problem


def test_the_state_of_its_own_runs_is_no_output(docs: Folder) -> None:
    docs.write("docs/plan.yaml", text="treadle: 1\nactions: {a: {run: x, out: .treadle/x}}\n")
    (problem,) = refused(docs, "[docs/plan.yaml]")
    assert "an output is in the state folder" in problem


def test_mistakes_of_all_files_are_told_at_once(folder: Folder) -> None:
    folder.write("a.yaml", text="treadle: 1\nactions: {a: {run: x | y}}\n")
    problems = refused(folder, "[a.yaml]", actions="  b: {run: x | y}\n")
    assert [problem.split(": ")[0] for problem in problems] == ["a.yaml:2:22", "treadle.yaml:5:14"]


def test_the_line_that_is_shown_is_that_of_the_included_file(folder: Folder) -> None:
    folder.write("a.yaml", text="treadle: 1\nactions: {a: {run: x | y}}")
    (problem,) = folder.problems("treadle: 1\ninclude: [a.yaml]\n")
    assert problem.place is not None
    assert problem.place.text == "actions: {a: {run: x | y}}"


def test_a_plan_named_from_elsewhere_finds_what_it_includes(docs: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (docs.root / "elsewhere").mkdir()
    monkeypatch.chdir(docs.root / "elsewhere")
    (docs.root / "treadle.yaml").write_text("treadle: 1\ninclude: [docs/plan.yaml]\n")
    from treadle.plan.load import load_plan

    plan = load_plan("../treadle.yaml", environ={})
    assert plan.actions["docs:build"].place.file == "../docs/plan.yaml"
    assert plan.root == str(Path.cwd().parent)
