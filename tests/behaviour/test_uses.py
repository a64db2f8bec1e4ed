"""`uses`: values that count though the command does not show them."""

from __future__ import annotations

import json

import pytest

from project import Project

PLAN = """\
treadle: 1
params: {seed: {default: "1", type: int}, parts: {default: [a, b]}}
vars:
  cfg: {file: params.yaml}
  own: {file: own.json, optional: true, else: {train: {jobs: 4}}}
  flags: [-a, "${seed}"]
  name: x-${cfg.train.name}
  sets: "${cfg.sets}"
actions:
  a: {sh: "echo a >> $LOG; cat params.yaml > ${out}", uses: [USES], out: out/a, pass: [LOG]}
  other: {sh: "echo other >> $LOG; echo ${cfg.other} > ${out}", out: out/other, pass: [LOG]}
"""
VALUES = """\
train: {lr: 0.1, name: net, layers: [1, 2], on: true, none: null, odd-key: 1, mixed: [1, {a: b}]}
sets: [{name: one, rows: 1}, {name: two, rows: 2, note: long}]
other: 1
"""

# name in uses -> (what is edited, what it becomes, what `why` says)
COUNTS = {
    "cfg.train.lr": ("lr: 0.1", "lr: 0.2", "value cfg.train.lr changed from 0.1 to 0.2"),
    "cfg.train.name": ("net", "web", "value cfg.train.name changed from net to web"),
    "a number becomes a text": ("lr: 0.1", 'lr: "0.1"', 'value cfg.train.lr changed from 0.1 to "0.1"'),
    "cfg.train.layers": ("[1, 2]", "[1, 3]", "value cfg.train.layers changed from [1, 2] to [1, 3]"),
    "cfg.train.on": ("on: true", "on: false", "value cfg.train.on changed from true to false"),
    "cfg.train.none": ("null", "1", "value cfg.train.none changed from null to 1"),
    "cfg.train.mixed": ("{a: b}", "{a: c}", 'value cfg.train.mixed changed from [1, {"a": "b"}] to [1, {"a": "c"}]'),
    "cfg.train": ("lr: 0.1", "lr: 0.3", "value cfg.train.lr changed from 0.1 to 0.3"),
    "a map with another entry": ("lr: 0.1", "lr: 0.1, more: {x: 1}", "value cfg.train.more.x counts now, it is 1"),
    "a map without an entry": ("on: true, ", "", "value cfg.train.on does not count any more, it was true"),
    "a map with an odd name": ("odd-key: 1", "odd-key: 2", 'value cfg.train."odd-key" changed from 1 to 2'),
    "cfg.sets": ("rows: 2", "rows: 3", "value cfg.sets changed:"),
    "sets": ("rows: 2", "rows: 3", "value sets changed:"),
    "name": ("net", "web", "value name changed from x-net to x-web"),
    "cfg": ("rows: 2", "rows: 3", "value cfg.sets changed:"),
}  # fmt: skip
NAMES = {
    "a number becomes a text": "cfg.train.lr",
    "a map with another entry": "cfg.train",
    "a map without an entry": "cfg.train",
    "a map with an odd name": "cfg.train",
}


@pytest.mark.parametrize("case", COUNTS)
def test_an_action_runs_for_the_value_that_it_names_and_for_no_other(project: Project, case: str) -> None:
    old, new, says = COUNTS[case]
    project.write("plan", PLAN.replace("USES", NAMES.get(case, case)))
    project.write("params.yaml", VALUES)
    assert project.run() == ["a", "other"]
    if case != "cfg":
        project.write("params.yaml", VALUES.replace("other: 1", "other: 2"))
        assert project.run() == ["other"]
    before = project.read("params.yaml")
    project.write("params.yaml", before.replace(old, new))
    assert says in project.treadle("why", "a").out
    assert project.run() == ["a"]
    assert project.run() == []
    project.write("params.yaml", f"# a comment\n{before.replace(old, new)}")
    assert project.run() == []


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("seed", ["-p", "seed=2"], "value seed changed from 1 to 2"),
        ("parts", ["-p", "parts=a,c"], 'value parts changed from ["a", "b"] to ["a", "c"]'),
        ("flags", ["-p", "seed=2"], 'value flags changed from ["-a", "1"] to ["-a", "2"]'),
    ],
)
def test_a_parameter_counts_by_the_value_it_has(
    project: Project, name: str, arguments: list[str], says: str
) -> None:
    project.write("plan", PLAN.replace("USES", name))
    project.write("params.yaml", VALUES)
    assert project.run() == ["a", "other"]
    assert says in project.treadle("why", "a", *arguments).out
    assert project.run(*arguments) == ["a"]
    assert project.run(*arguments) == []
    assert project.run() == ["a"]


def test_a_file_hides_values_of_else_one_by_one(project: Project) -> None:
    project.write("plan", PLAN.replace("USES", "own.train"))
    project.write("params.yaml", VALUES)
    assert project.run() == ["a", "other"]
    project.write("own.json", '{"train": {"jobs": 4}}')
    assert project.run() == []
    project.write("own.json", '{"train": {"jobs": 5}}')
    assert "value own.train.jobs changed from 4 to 5" in project.treadle("why", "a").out
    assert project.run() == ["a"]


def test_each_instance_counts_its_own_values(project: Project) -> None:
    project.write(
        "plan",
        """\
treadle: 1
vars: {cfg: {file: params.yaml}}
actions:
  fit:
    foreach: {set: "${cfg.sets}"}
    sh: echo fit-${set.name} >> $LOG; echo ${set.name} > ${out}
    uses: [set.rows, "cfg.more.${set.name}"]
    out: out/${set.name}
    pass: [LOG]
  whole:
    foreach: {set: "${cfg.sets}"}
    sh: echo whole-${set.name} >> $LOG; echo ${set.name} > ${out}
    uses: set
    out: out/whole-${set.name}
    pass: [LOG]
""",
    )
    text = VALUES + "more: {one: {x: 1}, two: {x: 1}}\n"
    project.write("params.yaml", text)
    assert project.run() == ["fit-one", "fit-two", "whole-one", "whole-two"]
    project.write("params.yaml", text.replace("rows: 2", "rows: 3"))
    assert "value set.rows changed from 2 to 3" in project.treadle("why", "fit@two").out
    assert project.run() == ["fit-two", "whole-two"]
    project.write("params.yaml", text.replace("one: {x: 1}", "one: {x: 2}").replace("rows: 2", "rows: 3"))
    assert "value cfg.more.one.x changed from 1 to 2" in project.treadle("why", "fit@one").out
    assert project.run() == ["fit-one"]


def test_list_shows_the_values_that_count(project: Project) -> None:
    project.write("plan", PLAN.replace("USES", "cfg.train.lr, seed, cfg.train.layers"))
    project.write("params.yaml", VALUES)
    found = json.loads(project.treadle("list", "a", "--json").out)["actions"][0]["uses"]
    assert found == {"cfg.train.lr": "0.1", "seed": "1", "cfg.train.layers": "[1, 2]"}


def test_a_value_that_begins_or_ceases_to_count_makes_it_run(project: Project) -> None:
    project.write("plan", PLAN.replace("USES", "seed"))
    project.write("params.yaml", VALUES)
    project.run()
    project.write("plan", PLAN.replace("USES", "seed, cfg.train.lr"))
    assert "value cfg.train.lr counts now, it is 0.1" in project.treadle("why", "a").out
    assert project.run() == ["a"]
    project.write("plan", PLAN.replace("USES", "cfg.train.lr"))
    assert "value seed does not count any more, it was 1" in project.treadle("why", "a").out
    assert project.run() == ["a"]


@pytest.mark.parametrize("how", ["env: {T: '${cfg.token}'}", "track: [T]"])
def test_a_secret_value_counts_by_its_digest(project: Project, how: str) -> None:
    text = PLAN.replace("uses: [USES]", f"uses: [cfg], secret: [T], {how}").replace("${cfg.other}", "1")
    project.write("plan", text)
    project.write("params.yaml", VALUES + "token: hush-hush\n")
    assert project.run(T="hush-hush") == ["a", "other"]
    assert "hush" not in json.dumps(
        json.loads(project.treadle("list", "a", "--json", T="hush-hush").out)["actions"][0]["uses"]
    )
    project.write("params.yaml", VALUES + "token: hush-more\n")
    says = project.treadle("why", "a", T="hush-more").out
    assert "value cfg.token changed, its value is secret" in says
    assert "hush" not in says
    assert project.run(T="hush-more") == ["a"]
    assert project.run(T="hush-more") == []
    kept = b"".join(
        path.read_bytes()
        for path in (project.folder / ".treadle").rglob("*")
        if path.is_file() and path.name != "a.log"
    )
    assert b"hush" not in kept


@pytest.mark.parametrize(
    ("uses", "says", "hint"),
    [
        ("[cfg.train.lx]", "uses: cfg.train.lx is not defined", "did you mean cfg.train.lr?"),
        ("[cfg.trian]", "uses: cfg.trian is not defined", "did you mean cfg.train?"),
        ("[sed]", "uses: sed is not defined", "did you mean seed?"),
        ("[nonsense]", "uses: nonsense is not defined", "give it a value in vars or params"),
        (
            "['${cfg.train.lr}']",
            "uses takes names, and the value of ${cfg.train.lr} is none",
            "uses: [cfg.train.lr]",
        ),
        ("[env.CC]", "uses: env.CC is a variable of the environment", "track: [CC]"),
        ("[in]", "uses: in is a file, which counts by what it holds", "take it out"),
        ("[root]", "uses: root is the root", 'env: {ROOT: "${root}"}'),
        ("[src]", "uses: src is a glob: its files count where they are read", 'in: ["${src}"]'),
        ("{cfg: lr}", "uses must be a text or a list of texts, not a map", ""),
        ("[{cfg: lr}]", "a name in uses must be a text", ""),
        ("[null]", "a name in uses must be a text", ""),
        ("", "uses must be a text or a list of texts, not an empty value", "uses: [cfg.train.lr]"),
    ],
)
def test_what_is_no_name_of_a_value_is_refused(project: Project, uses: str, says: str, hint: str) -> None:
    plan = PLAN.replace("[USES]", uses).replace("vars:\n", "vars:\n  src: {glob: '*.yaml'}\n")
    project.write("plan", plan)
    project.write("params.yaml", VALUES)
    done = project.treadle("check")
    assert done.code == 2
    assert says in done.text
    assert hint in done.text
    assert "treadle.yaml:11:" in done.text


def test_a_plan_that_is_included_uses_its_own_values(project: Project) -> None:
    project.write("plan", "treadle: 1\ninclude: [{file: lib/treadle.yaml, params: {seed: '7'}}]\n")
    project.write("lib/treadle.yaml", PLAN.replace("USES", "seed, cfg.train.lr"))
    project.write("lib/params.yaml", VALUES)
    assert project.run() == ["a", "other"]
    project.write("lib/params.yaml", VALUES.replace("0.1", "0.2"))
    assert project.run() == ["a"]
    project.write("plan", "treadle: 1\ninclude: [{file: lib/treadle.yaml, params: {seed: '8'}}]\n")
    assert "value seed changed from 7 to 8" in project.treadle("why", "lib:a").out


def test_the_value_of_an_action_without_outputs_counts(project: Project) -> None:
    project.write(
        "plan",
        PLAN.replace("USES", "cfg.train.lr")
        .replace("cat params.yaml > ${out}", "true")
        .replace("out: out/a, ", "in: x, ")
        + "default: [a]\n",
    )
    project.write("params.yaml", VALUES)
    project.write("x", "")
    assert project.run() == ["a"]
    assert project.run() == []
    project.write("params.yaml", VALUES.replace("0.1", "0.2"))
    assert "value cfg.train.lr changed from 0.1 to 0.2" in project.treadle("why", "a").out
    assert project.run() == ["a"]
