"""The plan of the reference, with each kind of key in it."""

from __future__ import annotations

import pytest

from plan_folder import Folder
from treadle.plan.model import Plan

EXAMPLE = """\
treadle: 1                                   # format version; an unknown one is refused

params:                                      # the only things settable from outside: -p mode=release
  mode:  {type: str, choices: [debug, release], default: debug, help: build flavour}
  parts: {type: list, default: [a, b]}       # -p parts=a,b
  ver:   {type: str, default: 3.10}          # a str stays "3.10"
  cc:    {env: CC, default: cc}              # may come from the environment

vars:                                        # constants; no code
  o: out/${mode}
  flags: [-O0, -g]
  common: [metadata.yml, images/]            # a list of inputs may be a var; nested lists are flattened

queues: {net: 2}                             # tokens per queue
defaults: {timeout: 30m, pass: [SSH_AUTH_SOCK]}
default: [merge]
groups:
  ci: [lint, merge]
  all: {help: everything, of: [ci, site]}

actions:
  fetch:
    help: the raw table
    run: cp ${in} ${out}                     # one command, no shell
    in: data/raw.csv
    out: ${o}/raw.csv

  split:
    run:                                     # several commands, in order, the first failure ends it
      - python3 ${in.script} ${in.raw} ${out.a} ${out.b}
      - python3 check.py ${out.a}
    in:  {raw: "${o}/raw.csv", script: src/split.py}
    out: {a: "${o}/a.txt", b: "${o}/b.txt"}
    env: {LC_ALL: C}                         # set, and fingerprinted
    track: [CFLAGS]                          # passed from outside, and fingerprinted
    pass: [DISPLAY]                          # passed, not fingerprinted
    tools: [python3, {tool: cc, version: cc --version}]

  fit:
    foreach: {part: "${parts}"}              # fit@a, fit@b
    sh: wc -c < ${in} > ${out}               # a shell, said plainly
    in: ${o}/${part}.txt
    out: ${o}/${part}.n
    queue: net
    timeout: 5m
    retries: {max: 2, on: [timeout, exit 75], backoff: 5s}

  merge:
    sh: cat ${in} > ${out}
    in: {from: fit}                          # all outputs of fit, in order
    out: ${o}/all
    when: mode == "release" or "a" in parts

  objects:
    foreach: {src: "src/**/*.c"}             # a string with * is a glob: a new file is a new action
    run: ${cc} ${flags} -MD -MF ${depfile} -c ${in} -o ${out}
    in: ${src}
    out: ${o}/${src.noext}.o
    depfile: ${o}/${src.noext}.d

  site:
    run: mkdocs build -d ${out}
    in: [docs/, mkdocs.yml, "${common}"]     # a trailing / is the whole tree
    out: site/

  lint:   {run: ruff check src, in: "src/**/*.py"}       # no outputs
  test:   {run: pytest, in: [src/, tests/], after: [lint]}
  deploy: {run: ./deploy}
"""
FILES = ("data/raw.csv", "src/split.py", "src/a/x.c", "src/y.c", "docs/index.md", "mkdocs.yml", "metadata.yml")


@pytest.fixture
def plan(folder: Folder) -> Plan:
    folder.write(*FILES, "images/", "tests/")
    return folder.load(EXAMPLE)


def test_the_example_has_its_actions_in_the_order_of_the_plan(plan: Plan) -> None:
    assert list(plan.actions) == [
        *("fetch", "split", "fit@a", "fit@b", "merge", "objects@src/a/x.c", "objects@src/y.c"),
        *("site", "lint", "test", "deploy"),
    ]
    assert plan.left_out == {}
    assert plan.default == ("merge",)
    assert plan.queues == {"net": 2}


def test_order_comes_from_files(plan: Plan) -> None:
    before = {uid: action.predecessors for uid, action in plan.actions.items() if action.predecessors}
    assert before == {
        "split": ("fetch",),
        "fit@a": ("split",),
        "fit@b": ("split",),
        "merge": ("fit@a", "fit@b"),
    }
    assert plan.actions["test"].after == ("lint",)


def test_commands_have_their_values(plan: Plan) -> None:
    shown = {uid: action.command.shown for uid, action in plan.actions.items()}
    assert shown["split"] == (
        "python3 src/split.py out/debug/raw.csv out/debug/a.txt out/debug/b.txt\npython3 check.py out/debug/a.txt"
    )
    assert shown["fit@b"] == "wc -c < out/debug/b.txt > out/debug/b.n"
    assert shown["merge"] == "cat out/debug/a.n out/debug/b.n > out/debug/all"
    assert shown["objects@src/a/x.c"] == (
        "cc -O0 -g -MD -MF out/debug/src/a/x.d -c src/a/x.c -o out/debug/src/a/x.o"
    )
    assert shown["site"] == "mkdocs build -d site"


def test_commands_know_what_they_read_and_make(plan: Plan) -> None:
    site = plan.actions["site"].command
    assert site.inputs == ("docs/", "mkdocs.yml", "metadata.yml", "images/")
    assert site.outputs == ("site/",)
    objects = plan.actions["objects@src/a/x.c"].command
    assert objects.depfile == "out/debug/src/a/x.d"
    assert objects.outputs == ("out/debug/src/a/x.o",)
    assert plan.actions["lint"].command.inputs == ("src/split.py",)


def test_settings_reach_the_command(plan: Plan) -> None:
    split = plan.actions["split"].command
    assert split.env.set == {"LC_ALL": "C"}
    assert split.env.track == ("CFLAGS",)
    assert split.env.pass_ == ("SSH_AUTH_SOCK", "DISPLAY")
    assert [(tool.name, tool.version) for tool in split.tools] == [("python3", ()), ("cc", ("cc", "--version"))]
    assert split.limits.timeout == 1800
    fit = plan.actions["fit@a"].command.limits
    assert (fit.queue, fit.timeout, fit.tokens) == ("net", 300, 1)
    assert (fit.retries.max, fit.retries.on, fit.retries.backoff) == (2, ("timeout", "exit 75"), 5)


def test_labels_places_and_help_are_there(plan: Plan) -> None:
    fetch = plan.actions["fetch"]
    assert (fetch.family, fetch.help, fetch.listed) == ("fetch", "the raw table", True)
    assert fetch.command.label == plan.name == "treadle.yaml"
    assert fetch.place == fetch.command.place
    assert fetch.place.text == "  fetch:"
    assert plan.groups["all"].help == "everything"
    assert plan.groups["all"].members == ("ci", "site")


def test_params_change_what_is_made(folder: Folder) -> None:
    folder.write(*FILES, "images/", "tests/")
    plan = folder.load(EXAMPLE, params={"mode": "release", "parts": "b"}, environ={"CC": "clang"})
    assert plan.params["mode"].value == "release"
    assert plan.params["parts"].value == ("b",)
    assert plan.params["ver"].value == "3.10"
    assert "merge" in plan.actions
    assert "fit@a" not in plan.actions
    assert plan.actions["objects@src/y.c"].command.steps[0][0] == "clang"


def test_the_graph_has_commands_and_edges(plan: Plan) -> None:
    graph = plan.dag(["merge", "test"])
    assert list(graph.vertex_data) == ["fetch", "split", "fit@a", "fit@b", "merge", "test"]
    assert graph["merge"] is plan.actions["merge"].command
    assert graph.get_predecessors("merge") == {"fit@a", "fit@b"}
    assert graph.get_after("test") == frozenset()
    whole = plan.dag()
    assert list(whole.vertex_data) == list(plan.actions)
    assert whole.get_after("test") == {"lint"}
