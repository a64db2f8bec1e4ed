"""First plans lose no guard: an action is live only if all that its source says of it was understood."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from first_plans import drafted, write
from helpers import run_treadle
from treadle.importers.detect import BUILD_TOOLS, drafts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from treadle.plan.model import Plan

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not there to compare with")


def live(plan: Plan) -> set[str]:
    """Return the actions and groups of a first plan, without the one of an empty plan."""
    return (plan.actions.keys() | plan.groups.keys()) - {"hello"}


def remarks(text: str) -> str:
    """Return what was left out, as one line."""
    return " ".join(re.sub(r"^#\s*", "", line) for line in text.partition("# Not taken over:")[2].splitlines())


TASKS = """\
version: '3'
{top}
tasks:
  build: {{cmds: [echo build]}}
  check:
    cmds: [echo check]
    {check}
  drop:
    deps: [check]
    cmds: [echo drop]
    {drop}
  all: {{deps: [build, drop]}}
"""
GUARDS = (
    "prompt: {text: sure}",
    "prompt: 'drop {{.NOWHERE}}?'",
    "preconditions: [{msg: no}]",
    "preconditions: [{sh: test -f ok, unheard: 1}]",
    "preconditions: ['test -f {{.NOWHERE}}']",
    "preconditions: [[test]]",
    "requires: {vars: [{name: ENV, enum: {ref: .X}}]}",
    "requires: {vars: [{name: ENV, unheard: 1}]}",
    "requires: {vars: [in]}",
    "requires: {vars: ['a b']}",
    "requires: {unheard: [ENV]}",
    "requires: ENV",
    "if: 'grep -q x y'",
    "if: '[ -f x ]'",
    'if: \'[ -n "$CI" ] && [ -z "$X" ] || true\'',
    "if: '[ $(date) = x ]'",
    "if: '{{.NOWHERE}}'",
    "if: '[ \"{{.NOWHERE}}\" = x ]'",
    "if: '[ \"{{.OS}}\" = x ]'",
    "platforms: [templeos]",
    "platforms: [linux/unheard]",
    "ignore_error: maybe",
    "status: [pg_isready]",
    "status: [test -f done, pg_isready]",
    "status: ['test -f {{.NOWHERE}}']",
    "run: sometimes",
    "method: '{{.METHOD}}'",
    "set: [unheard]",
    "shopt: [unheard]",
    "watch: true",
    "dotenv: [.env, other.env]",
    "dotenv: ['.env.{{.X}}']",
    "dotenv: [dollar.env]",
    "failfast: true",
    "interactive: maybe",
    "internal: maybe",
    "env: {X: {sh: date}}",
    "env: {X: '{{.NOWHERE}}'}",
    "dir: '{{.USER_WORKING_DIR}}'",
    "dir: /tmp",
    "sources: [{glob: '*.c'}]",
    "generates: [{exclude: x}]",
    "never_heard_of: 1",
    "Prompt: sure?",
)


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guarded_task_is_left_out_with_all_that_needs_it(tmp_path: Path, guard: str) -> None:
    write(tmp_path, dollar_dot_env="A=$HOME\n")
    write(tmp_path, Taskfile_dot_yml=TASKS.format(top="", check="desc: look", drop=guard))
    plan, text = drafted(tmp_path)
    assert live(plan) == {"build", "check"}
    assert "all: it contains drop, which is no action here" in remarks(text)
    write(tmp_path, Taskfile_dot_yml=TASKS.format(top="", check=guard, drop="desc: away"))
    plan, text = drafted(tmp_path)
    assert live(plan) == {"build"}
    assert "drop: it needs check, which is no action here" in remarks(text)
    assert text.count("\n# - ") == 3


@pytest.mark.parametrize(
    "top",
    [
        *("set: [unheard]", "shopt: [x]", "dotenv: [a.env, b.env]", "method: odd", "run: odd", "unheard: 1"),
        *("env: {X: {sh: date}}", "env: {X: '{{.NOWHERE}}'}"),
    ],
)
def test_what_a_taskfile_says_of_all_tasks_leaves_all_out(tmp_path: Path, top: str) -> None:
    write(tmp_path, Taskfile_dot_yml=TASKS.format(top=top, check="", drop=""))
    plan, text = drafted(tmp_path)
    assert live(plan) == set()
    assert text.count("\n# - ") >= 4


@pytest.mark.parametrize(
    "said",
    [
        *("prompt: ''", "ignore_error: false", "platforms: []", "watch: false", "requires: {}", "silent: true"),
        *("summary: more", "label: x", "run: once", "method: checksum", "interactive: true", "prefix: x"),
    ],
)
def test_what_a_task_says_without_restraining_it_is_taken(tmp_path: Path, said: str) -> None:
    write(tmp_path, Taskfile_dot_yml=TASKS.format(top="output: prefixed\nsilent: true", check=said, drop=said))
    plan, text = drafted(tmp_path)
    assert live(plan) == {"build", "check", "drop", "all"}
    assert "# Not taken over:" not in text


@pytest.mark.parametrize(
    "command",
    [
        *("{defer: echo x}", "{for: [a], cmd: echo x}", "{cmd: echo x, platforms: [windows]}", "{cmd: echo x, if: 'false'}"),
        *("{cmd: echo x, set: [e]}", "{cmd: echo x, shopt: [x]}", "{cmd: echo x, ignore_error: '{{.X}}'}", "{sh: echo x}"),
        *("{task: build, vars: {A: 1}}", "{task: docs:x}", "{task: build, unheard: 1}", "{cmd: echo x, unheard: 1}"),
        *("[echo x]", "'echo {{.NOWHERE}}'", "'echo {{if .CI}}x{{end}}'", "\"echo '{{.ROOT_DIR}}'\"", "'echo {{upper .TASK}}'"),
        *("'echo {{base .TASKFILE_DIR}}'", "'echo {{.USER_WORKING_DIR}}'", "'echo {{ .ROOT_DIR | quote }}'", "'echo {{.SHELLED}}'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("position", ["cmds: [{}]", "cmds: [echo first, {}]", "cmds: [{}, echo last]"])
def test_a_command_that_is_not_understood_leaves_its_task_out(tmp_path: Path, command: str, position: str) -> None:
    task = position.replace("{}", command)
    write(
        tmp_path,
        Taskfile_dot_yml="version: '3'\nvars: {SHELLED: {sh: date}}\ntasks:\n"
        f"  build: echo build\n  drop: {{{task}}}\n  after: {{deps: [drop], cmds: [echo after]}}\n",
    )
    plan, text = drafted(tmp_path)
    assert live(plan) == {"build"}
    assert "drop: " in remarks(text)
    assert "after: it needs drop" in remarks(text)


@pytest.mark.parametrize(
    "dep", ["{task: build, vars: {A: 1}}", "{for: [a], task: build}", "docs:x", "{task: x, y: 1}"]
)
def test_a_dep_that_is_not_understood_leaves_its_task_out(tmp_path: Path, dep: str) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml=f"version: '3'\ntasks:\n  build: echo\n  one: {{deps: [{dep}], cmds: [echo]}}\n"
        f"  two: {{deps: [{dep}]}}\n",
    )
    plan, text = drafted(tmp_path)
    assert live(plan) == {"build"}
    assert text.count("\n# - ") == 2


@pytest.mark.parametrize(
    ("task", "is_live"),
    [
        ("{cmds: [{task: check}, {task: drop}]}", False),
        ("{deps: [check], cmds: [{task: drop}]}", False),
        ("{deps: [check], cmds: [{task: drop}, echo end]}", False),
        ("{cmds: [echo first, {task: drop}]}", False),
        ("{cmds: [{task: check}, echo, {task: drop}]}", False),
        ("{cmds: [{task: check}, {task: ship}]}", True),
        ("{deps: [check], cmds: [{task: ship}, echo end]}", True),
        ("{deps: [check, drop]}", True),
        ("{cmds: [{task: check}, echo]}", True),
    ],
)
def test_an_order_of_calls_that_a_plan_does_not_have_leaves_the_task_out(
    tmp_path: Path, task: str, is_live: bool
) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml="version: '3'\ntasks:\n  check: echo check\n  drop: echo drop\n"
        f"  ship: {{deps: [check], cmds: [echo ship]}}\n  ci: {task}\n",
    )
    plan, text = drafted(tmp_path)
    assert ("ci" in live(plan)) == is_live
    assert ("ci: " in remarks(text)) != is_live


def test_what_only_other_tasks_call_is_not_listed_and_names_do_not_collide(tmp_path: Path) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml="version: '3'\ntasks:\n  one: {internal: true, cmds: [echo 1]}\n  a:b: echo ab\n"
        "  a-b: echo a-b\n  two: {deps: [one, 'a-b'], cmds: [echo 2]}\n",
    )
    plan, _ = drafted(tmp_path)
    assert live(plan) == {"_one", "a-b", "a-b-2", "two"}
    assert plan.actions["a-b-2"].command.shown == "echo a-b"
    assert set(plan.actions["two"].predecessors) == {"_one", "a-b-2"}


def test_tasks_run_each_time_where_task_has_nothing_to_judge_them_by(tmp_path: Path) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml="version: '3'\ntasks:\n  a: {generates: [x], cmds: [date > x]}\n"
        "  b: {sources: [s], generates: [y], method: none, cmds: [cp s y]}\n"
        "  c: {sources: [s], generates: [z], cmds: [cp s z]}\n  d: {sources: [gone], generates: [w], cmds: [date > w]}\n",
        s="1",
    )
    plan, _ = drafted(tmp_path)
    assert {uid: action.command.always for uid, action in plan.actions.items()} == {
        "a": True,
        "b": True,
        "c": False,
        "d": True,
    }


def test_an_output_of_what_was_left_out_is_not_read_as_it_lies_there(tmp_path: Path) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml="version: '3'\nvars: {O: out}\ntasks:\n"
        "  make: {status: [x], sources: [s], generates: ['{{.O}}/x'], cmds: [cp s out/x]}\n"
        "  name: {sources: ['{{.O}}/x'], generates: [n], cmds: [cp out/x n]}\n"
        "  glob: {sources: ['out/*'], generates: [g], cmds: [cp out/x g]}\n"
        "  tree: {sources: [out/], generates: [t], cmds: [cp out/x t]}\n"
        "  other: {sources: [s], generates: [o], cmds: [cp s o]}\n",
        s="1",
        out__x="old",
    )
    plan, _ = drafted(tmp_path)
    assert live(plan) == {"other"}


MAKE = """\
{top}
.PHONY: all check drop
all: build drop
build: in.txt
\tcp in.txt build
check:
\techo check
drop: check
\techo drop
{end}
"""


@pytest.mark.parametrize(
    "statement",
    [
        *(".ONESHELL:\ncheck:\n\techo 1\n\techo 2", ".IGNORE: check", "check: export X = 1", "chec%: X = 1"),
        *("check: $(shell ls)", "check: $(error no)", "NAME = $(shell ls)\ncheck: $(NAME)", "check: .WAIT build"),
        *("ifeq ($(shell uname),X)\ncheck: build\nendif", "ifdef HOME\ncheck:\n\techo other\nendif"),
        *("check::\n\techo 1\ncheck::\n\techo 2", "check: gone.txt", "check: lib.a(x.o)", ".SECONDEXPANSION:\ncheck: $$(X)"),
        *("check: SHELL = /bin/zsh", "check:\n\techo $(shell date)", "check:\n\techo '$(CURDIR)'", "check:\n\techo $(call f,1)"),
        *("check:\n\techo $(filter-out a,$(CFLAGS))", "check:\n\techo '$(CFLAGS)'", "check:\n\techo $(${X})", "check:\n\t@:"),
        *("check:\n\techo $(dir $(CURDIR))", "define X\nendef\ncheck:\n\techo $(X)", "V = $(shell x)\ncheck:\n\techo $(V)"),
        *("ifneq ($(shell x),)\nV = 1\nendif\ncheck:\n\techo $(V)", "check:\n\techo $(if $(V),$(error no),)"),
        *("check:\n\techo $(MAKECMDGOALS)", "check:\n\techo $(foreach a,b c,$(a))", "check:\n\techo $(origin CC)"),
        *("ifdef CI\ncheck: build\nendif", "ifndef CI\ncheck: build\nendif", "check:\nifdef FORCE\n\techo 1\nelse\n\texit 1\nendif"),
        *("check:\nifdef FORCE\n\techo 1\nendif", "ifeq ($(CI),1)\nelse ifeq ($(X),2)\ncheck:\n\techo 2\nendif"),
        *("check:\nifneq ($(FORCE),)\n\techo 1\nendif\n\techo 2", "ifdef CI\nifdef X\ncheck:\n\techo 1\nendif\nendif"),
    ],
)  # fmt: skip
def test_a_rule_that_only_make_can_tell_is_left_out_with_all_that_needs_it(tmp_path: Path, statement: str) -> None:
    write(tmp_path, Makefile=MAKE.format(top="", end=statement), in_dot_txt="1")
    plan, text = drafted(tmp_path)
    if statement.endswith("@:"):
        assert live(plan) == {"all", "build", "check", "drop"}
        return
    assert live(plan) <= {"build"}
    assert "drop: it needs check, which is no action here" in remarks(text)
    assert "all: it contains drop, which is no action here" in remarks(text)
    assert plan.default == ()


@pytest.mark.parametrize(
    "statement",
    [
        *(".IGNORE:", ".NOTPARALLEL:", ".DEFAULT:\n\techo", ".UNHEARD: check", "SHELL = /usr/bin/python3", "SHELL = $(shell x)"),
        *(".SHELLFLAGS = -c -v", ".RECIPEPREFIX = >", "MAKEFLAGS += -i", "MAKEFLAGS += -k", "$(error stop)", "GNUMAKEFLAGS = -n"),
        *("$(eval check: x)", "$(call rules,x)", "$(foreach x,a,$(eval $(x):))", "include gone.mk", "include $(shell x).mk"),
        *("X = $(shell x)\n$(X): build", "ifdef HOME\ninclude x.mk\nendif", "ifdef HOME\nSHELL = x\n.IGNORE:\nendif"),
        *("export X = $(shell x)", "PATH := $(CURDIR):$(PATH)", "load x.so", "ifdef HOME\nexport X\nendif"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["top", "end"])
def test_what_may_change_any_recipe_leaves_all_out(tmp_path: Path, statement: str, place: str) -> None:
    said = {"top": "", "end": "", place: statement}
    write(tmp_path, Makefile=MAKE.format(**said), in_dot_txt="1", x_dot_mk="")
    plan, text = drafted(tmp_path)
    assert live(plan) == set()
    assert {"build", "check", "drop", "all"} <= {one.partition(":")[0] for one in text.split("\n# - ")[1:]}


@pytest.mark.parametrize(
    "statement",
    [
        *(
            ".SUFFIXES:",
            ".SILENT:",
            ".DELETE_ON_ERROR:",
            ".SECONDARY:",
            ".PRECIOUS: build",
            ".POSIX:",
            "$(info hello)",
        ),
        *(
            "MAKEFLAGS += -rR --no-print-directory",
            "SHELL = /bin/bash",
            ".SHELLFLAGS = -eu -o pipefail -c",
            "unexport X",
        ),
        *(
            "-include gone.mk",
            "-include $(OBJ:.o=.d)",
            "ifneq ($(MAKECMDGOALS),clean)\n-include $(DEPS:.o=.d)\nendif",
        ),
        *("vpath %.c src", "undefine X", "define X\nendef", "V = $(shell x)", "dist-$(shell x).tar:\n\techo"),
    ],
)
def test_what_a_makefile_says_without_changing_its_recipes_leaves_them_live(tmp_path: Path, statement: str) -> None:
    write(tmp_path, Makefile=MAKE.format(top="", end=statement), in_dot_txt="1")
    assert live(drafted(tmp_path)[0]) == {"all", "build", "check", "drop"}


def told_by_make(folder: Path, environ: Mapping[str, str], *goals: str) -> list[str]:
    done = subprocess.run(
        ["make", "-n", "--no-print-directory", *goals],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return [" ".join(line.split()) for line in done.stdout.splitlines() if not line.startswith("mkdir -p")]


@pytest.mark.system("make")
@needs_make
@pytest.mark.parametrize(
    "environ", [{}, {"CFLAGS": "-env -g", "CC": "mycc", "DEBUG": "", "PREFIX": "/opt", "LIBS": "-la -lb"}]
)
@pytest.mark.parametrize(
    "makefile",
    [
        "prog: a.o b.o\n\t$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)\n",
        "prog: a.o b.o\n",
        "prog: a.o\n\t$(LINK.o) $^ $(LIBS) -o $@\n",
        ".POSIX:\nprog: a.o\n\t$(CC) $(CFLAGS) -o $@ $<\n",
        ".POSIX:\nCFLAGS = -O3\nCC = gcc\nprog: a.o\n\t$(CC) $(CFLAGS) -o $@ $<\n",
        "CFLAGS += -W\nprog: a.c\n\t$(CC) $(CFLAGS) -o $@ $<\n",
        "CFLAGS ?= -O2\nCFLAGS += -W\nprog: a.c\n\t$(CC) $(CFLAGS) -o $@ $<\n",
        "CFLAGS := $(CFLAGS) -W\nprog: a.c\n\t$(CC) $(CFLAGS) -o $@ $<\n",
        "ALL = $(CFLAGS) -W $(CPPFLAGS)\nprog: a.c\n\t$(CC) $(ALL) -o $@ $<\n",
        "ALL := -W $(CFLAGS)\nCFLAGS = -O1\nprog: a.c\n\t$(CC) $(ALL) $(CFLAGS) -o $@ $<\n",
        "CC ?= gcc\nprog: a.c\n\t$(CC) -o $@ $<\n",
        "PREFIX ?= /usr\nBIN = $(PREFIX)/bin\nprog: a.c\n\tcp $< $(DESTDIR)$(BIN)/prog; cp $< $@\n",
        "COMPILE = $(CC) -o $@ $<\nprog: a.c\n\t$(COMPILE) $(LIBS)\n",
        "OBJS = a.o b.o\n$(OBJS): %.o: %.c\n\t$(CC) -static -c $< -o $@\nprog: $(OBJS) c.o\n\tcat $^ > $@\n",
        "%.o: %.c\n\tfirst $< $@\n%.o: %.c\n\tsecond $< $@\nprog: a.o\n\tcp $< $@\n",
        "ifeq ($(A),1)\nX = 1\nelse ifeq ($(A),)\nX = 2\nelse ifeq ($(B),)\nX = 3\nelse\nX = 4\nendif\nprog: a.c\n\techo $(X) > $@\n",
        "Q = @\nprog: a.c\n\tcp $< $@\n\t$(RM) b\n",
        "X := 1\nX += $(Y)\nY = 2\nprog: a.c\n\techo $(X) > $@\n",
        "prog: a.c | b.c\n\tcp $< $@\n",
    ],
)
def test_the_commands_of_a_plan_are_those_of_make(tmp_path: Path, makefile: str, environ: dict[str, str]) -> None:
    write(tmp_path, Makefile=makefile, a_dot_c="", b_dot_c="", c_dot_c="")
    plan, text = drafted(tmp_path, environ)
    assert "prog" in live(plan), text
    commands = [
        line.replace("'", "") for action in plan.actions.values() for line in action.command.shown.splitlines()
    ]
    assert sorted(" ".join(one.split()) for one in commands) == sorted(told_by_make(tmp_path, environ, "prog"))


@pytest.mark.system("make")
@needs_make
@pytest.mark.parametrize(
    "recipe",
    [
        *("-false", "-false; echo a", "- false # said", "-exit 3", "-cd /nowhere && echo a", "-echo a; \\\n\tfalse", "@-false"),
        *("-@false", "+echo a", "$(IGN)false", "$(Q)echo a", "X=1; echo $$X\n\techo $$X", "cd / && pwd > /dev/null\n\tls Makefile"),
        *("for i in a b; do echo $$i; done\n\techo $$i", "set -- a\n\techo $$1", "read X < Makefile\n\techo $$X"),
        *("echo a # said \\\n\tmore\n\techo b", "f() { echo f; }\n\techo g", "unset PATH\n\tls Makefile"),
        *("false && echo a || echo b", "! false\n\techo a", "(exit 0)\n\techo a", "-test -z \"$(NOWHERE)\" && echo empty"),
    ],
)  # fmt: skip
def test_recipes_do_what_they_do_under_make(tmp_path: Path, recipe: str) -> None:
    write(tmp_path, Makefile=f"IGN = -\nQ = @\n.PHONY: run\nrun:\n\t{recipe}\n\techo end\n")
    plan, text = drafted(tmp_path)
    assert "run" in plan.actions, text
    env = {"PATH": "/usr/bin:/bin"}
    there = subprocess.run(["make", "-s", "run"], cwd=tmp_path, env=env, capture_output=True, text=True)
    argvs = plan.actions["run"].command.argvs()
    here = [subprocess.run(one, cwd=tmp_path, env=env, capture_output=True, text=True) for one in argvs]
    assert "".join(one.stdout for one in here) == there.stdout, argvs
    assert any(one.returncode for one in here) == bool(there.returncode)


@pytest.mark.parametrize("name", ["CONFIRM", "DRY_RUN", "dry_run", "AWS_PROFILE"])
@pytest.mark.parametrize("reading", ["$${0}", "$$$${{{0}}}", '"$${0}"', "$$$${{{0}:-x}}"])
def test_what_a_recipe_asks_its_caller_is_handed_on(tmp_path: Path, name: str, reading: str) -> None:
    asked = reading.replace("$$$$", "$$").format(name)
    write(tmp_path, Makefile=f".PHONY: drop\ndrop:\n\ttest -z {asked} || exit 1; X=1; echo $$X $$HOME drop\n")
    plan, _ = drafted(tmp_path)
    assert plan.actions["drop"].command.env.pass_ == (name,)


FILES = {
    "script": ("#!/bin/sh\necho mine\n", False),
    "empty": ("", True),
    "object": ("\x7fELF", True),
    "archive": ("!<arch>\n", True),
    "link": (None, False),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    ("file", "text", "path"),
    [
        ("Makefile", "all: a\n\ttouch all\n", "all"),
        ("Makefile", "all: a\n\tcp a all\n", "all"),
        ("Makefile", "D = d\nall: $(D)/x\n$(D)/x: a\n\tcp a $@\n", "d/x"),
        ("Makefile", "all: a.y\n%.y: %\n\tcp $< $@\n", "a.y"),
        ("Makefile", "all: one two\none two &: a\n\tcp a one; cp a two\n", "two"),
        ("Makefile", "install: a\n\tcp a /tmp\n", "install"),
        ("Taskfile.yml", "tasks: {all: {sources: [a], generates: [all], cmds: [cp a all]}}\n", "all"),
        ("Taskfile.yml", "vars: {D: d}\ntasks: {all: {sources: [a], generates: ['{{.D}}/x'], cmds: [cp a d/x]}}\n", "d/x"),
        ("dvc.yaml", "stages: {all: {cmd: cp a all.t, deps: [a], outs: [all.t]}}\n", "all.t"),
        ("dvc.yaml", "stages: {all: {foreach: [p, q], do: {cmd: 'cp a ${item}.t', deps: [a], outs: ['${item}.t']}}}\n", "q.t"),
    ],
)  # fmt: skip
def test_a_file_of_the_project_is_never_an_output(
    tmp_path: Path, file: str, text: str, path: str, kind: str
) -> None:
    content, is_product = FILES[kind]
    (tmp_path / file).write_text(text)
    write(tmp_path, a="1", other="x")
    (tmp_path / path).parent.mkdir(exist_ok=True)
    if content is None:
        (tmp_path / path).symlink_to(tmp_path / "other")
    else:
        (tmp_path / path).write_text(content)
    plan, said = drafted(tmp_path)
    outputs = {one for action in plan.actions.values() for one in action.command.outputs}
    assert (path in outputs) == is_product
    if not is_product:
        assert any(f"{path} {word}" in remarks(said) for word in ("is", "exists"))
    (tmp_path / ".gitignore").write_text("# made\n/all\nd/\n*.y\n*.t\none\ntwo\ninstall\n")
    outputs = {one for action in drafted(tmp_path)[0].actions.values() for one in action.command.outputs}
    assert path in outputs


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not there to make an index")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "init.defaultBranch=main", *words], cwd=folder, check=True, capture_output=True)


@needs_git
@pytest.mark.parametrize(
    "content", ["", "\x7fELF\x02", "x: y\n", None], ids=["empty", "program", "depfile", "not there"]
)
@pytest.mark.parametrize(
    ("file", "text", "path"),
    [
        ("Makefile", "all.stamp: a\n\ttouch all.stamp\n", "all.stamp"),
        ("Makefile", "all: d/x.d\nd/x.d: a\n\tcp a $@\n", "d/x.d"),
        ("Makefile", "all: a.y\n%.y: %\n\tcp $< $@\n", "a.y"),
        ("Taskfile.yml", "tasks: {all: {sources: [a], generates: [all], cmds: [cp a all]}}\n", "all"),
        ("dvc.yaml", "stages: {all: {cmd: cp a all.t, deps: [a], outs: [all.t]}}\n", "all.t"),
    ],
)  # fmt: skip
def test_a_file_that_git_tracks_is_never_an_output_whatever_it_holds(
    tmp_path: Path, file: str, text: str, path: str, content: str | None
) -> None:
    project = tmp_path / "below"
    write(project, a="1", _dot_gitignore="d/\nall*\n*.y\n*.t\n")
    (project / file).write_text(text)
    (project / path).parent.mkdir(exist_ok=True)
    (project / path).write_text(content or "")
    git(tmp_path, "init")
    outputs = {one for action in drafted(project)[0].actions.values() for one in action.command.outputs}
    assert path in outputs
    git(tmp_path, "add", "-f", f"below/{path}")
    if content is None:
        (project / path).unlink()
    plan, said = drafted(project)
    assert path not in {one for action in plan.actions.values() for one in action.command.outputs}
    assert f"{path} is a file that git tracks" in remarks(said)


@needs_git
def test_where_the_index_cannot_be_read_a_file_that_is_there_is_no_output(tmp_path: Path) -> None:
    write(tmp_path, a="1", all="", Makefile="all: a one\n\ttouch all\none: a\n\ttouch one\n")
    git(tmp_path, "init")
    (tmp_path / ".git/index").write_text("none")
    plan, said = drafted(tmp_path)
    assert {one for action in plan.actions.values() for one in action.command.outputs} == {"one"}
    assert "all is a file that git tracks" in remarks(said)


@needs_git
def test_what_dvc_has_on_record_is_an_output_though_git_tracks_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="1",
        m_dot_json="{}",
        dvc_dot_yaml="stages: {m: {cmd: cp a m.json, deps: [a], metrics: [m.json]}}\n",
        dvc_dot_lock="stages: {m: {cmd: cp a m.json, outs: [{path: m.json}]}}\n",
    )
    git(tmp_path, "init")
    git(tmp_path, "add", "m.json")
    assert drafted(tmp_path)[0].actions["m"].command.outputs == ("m.json",)


@pytest.mark.parametrize(
    ("ignore", "is_product"),
    [
        *(("x", True), ("/x", False), ("d/x", True), ("d/", True), ("*", True), ("x\n!x", False), ("x/", False)),
        *(
            ("!x", False),
            ("# x", False),
            ("**/x", True),
            ("d/**", True),
            ("/d", True),
            ("y", False),
            ("e/x", False),
        ),
        *(("d/*", True), ("*/x", True), ("x?", False), ("\\x", False), ("", False)),
    ],
)
def test_a_file_that_git_ignores_is_a_product(tmp_path: Path, ignore: str, is_product: bool) -> None:
    write(tmp_path, Makefile="d/x: a\n\tcp a $@\n", a="1", d__x="2", _dot_gitignore=f"{ignore}\n")
    assert ("d-x" in live(drafted(tmp_path)[0])) == is_product


def test_what_dvc_has_on_record_is_a_product(tmp_path: Path) -> None:
    write(
        tmp_path,
        dvc_dot_yaml="stages:\n  a: {cmd: cp s t, deps: [s], outs: [t.x]}\n  b: {cmd: cp s u, deps: [s], outs: [u.x]}\n",
        dvc_dot_lock="schema: '2.0'\nstages: {a: {cmd: x, outs: [{path: t.x}]}}\n",
        **{"s": "1", "t.x": "1", "u.x": "1"},
    )
    assert live(drafted(tmp_path)[0]) == {"a"}


def test_a_folder_with_files_in_it_is_no_output(tmp_path: Path) -> None:
    task = "version: '3'\ntasks: {a: {sources: [s], generates: ['site/**'], cmds: [cp s site/]}}\n"
    write(tmp_path, Taskfile_dot_yml=task, s="1", site__CNAME="mine")
    assert live(drafted(tmp_path)[0]) == set()


@pytest.mark.parametrize(
    "guard",
    [
        *(
            "frozen: true",
            "unheard: 1",
            "always_changed: maybe",
            "vars: [x.yaml]",
            "outs: [{o: {checkpoint: true}}]",
        ),
        *("deps: ['s3://b/k']", "deps: [{s: {git: x}}]", "outs: [/abs/x]", "outs: [{o: {persist: true}}, p]"),
        *("cmd: 'echo ${nowhere}'", "deps: [gone]", "frozen: 1"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "{{foreach: [p, q], do: {}}}"])
def test_a_stage_that_is_not_understood_is_left_out_with_what_reads_it(
    tmp_path: Path, guard: str, form: str
) -> None:
    body = {"cmd": "cp s o", "deps": "[s]", "outs": "[o]"}
    key, _, value = guard.partition(": ")
    said = ", ".join(f"{one}: {text}" for one, text in {**body, key: value}.items())
    stage = form.format(f"{{{said}}}")
    write(
        tmp_path,
        dvc_dot_yaml=f"stages:\n  free: {{cmd: cp s f, deps: [s], outs: [f]}}\n  one: {stage}\n"
        "  two: {cmd: cp o t, deps: [o], outs: [t]}\n",
        s="1",
    )
    plan, text = drafted(tmp_path)
    assert live(plan) == {"free"}
    assert "one: " in remarks(text)
    assert "two: it reads o" in remarks(text)


def test_what_a_frozen_stage_made_is_read_as_it_is(tmp_path: Path) -> None:
    stages = "stages:\n  one: {cmd: cp s o, deps: [s], outs: [o], frozen: true}\n  two: {cmd: cp o t, deps: [o], outs: [t]}\n"
    write(tmp_path, dvc_dot_yaml=stages, s="1", o="1")
    assert live(drafted(tmp_path)[0]) == {"two"}


def test_a_dvc_file_with_an_unknown_key_leaves_all_out(tmp_path: Path) -> None:
    write(tmp_path, dvc_dot_yaml="unheard: 1\nstages: {a: {cmd: cp s f, deps: [s], outs: [f]}}\n", s="1")
    assert live(drafted(tmp_path)[0]) == set()


@pytest.mark.parametrize("file", sorted(BUILD_TOOLS))
def test_a_project_of_another_build_tool_gets_no_plan_of_guesses(tmp_path: Path, file: str) -> None:
    write(tmp_path, **{file: "", "main.c": "int main(void) { return 0; }\n", "tools/x.py": "x = 1\n"})
    with pytest.raises(Exception, match=re.escape(file)):
        drafts_of(str(tmp_path))
    write(tmp_path, pyproject_dot_toml="[build-system]\nrequires = []\n")
    plan, text = drafted(tmp_path)
    assert "package" in plan.actions
    assert "objects" not in text
    assert f"{file} belongs to {BUILD_TOOLS[file]} and was not read" in remarks(text)


def test_the_summary_counts_what_was_left_out(tmp_path: Path) -> None:
    write(tmp_path, Taskfile_dot_yml=TASKS.format(top="", check="watch: true", drop=""), CMakeLists_dot_txt="")
    done = run_treadle(tmp_path, "init", check=0)
    assert done.out == (
        "wrote treadle.yaml from Taskfile.yml: 1 action; 3 actions left out: check, drop, all; 1 remark at its end\n"
    )
    (tmp_path / "treadle.yaml").unlink()
    (tmp_path / "Taskfile.yml").unlink()
    said = run_treadle(tmp_path, "init", check=2).err
    assert "this project belongs to CMake (CMakeLists.txt), which init does not translate" in said
    assert not (tmp_path / "treadle.yaml").exists()
    write(tmp_path, Makefile="# CMAKE generated file: DO NOT EDIT!\nall:\n\techo\n")
    assert "was written by another build tool" in run_treadle(tmp_path, "init", check=2).err


def test_a_stamp_over_a_script_keeps_the_script_through_the_first_run(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: a\n\ttouch all\na:\n\techo x > a\n", all="#!/bin/sh\n")
    run_treadle(tmp_path, "init", check=0)
    run_treadle(tmp_path, "run", "a", check=0)
    assert run_treadle(tmp_path, "run", check=2).err.startswith("treadle: no action was named")
    assert (tmp_path / "all").read_text() == "#!/bin/sh\n"


def test_a_variable_of_one_task_has_no_value_in_another_one(tmp_path: Path) -> None:
    text = "version: '3'\ntasks:\n  a: {vars: {X: one}, cmds: ['echo {{.X}}']}\n  b: {cmds: ['rm -rf {{.X}}']}\n"
    write(tmp_path, Taskfile_dot_yml=text)
    plan, text = drafted(tmp_path)
    assert live(plan) == {"a"}
    assert "b: only Task knows {{.X}}" in remarks(text)
