"""First plans: what is in a folder becomes a plan that passes its checks, the rest remarks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from first_plans import first_plan, lines, write
from helpers import run_treadle
from treadle.plan.load import load_plan

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="cc is not there to compile")


MAIN = '#include "app.h"\nint main(void) { return f(); }\n'


def c_program(folder: Path) -> None:
    write(
        folder,
        src__main_dot_c=MAIN,
        src__f_dot_c='#include "app.h"\nint f(void) { return 0; }\n',
        src__app_dot_h="int f(void);\n",
    )


def test_the_plan_names_its_schema_which_is_beside_it(tmp_path: Path) -> None:
    write(tmp_path, a_dot_py="x = 1\n")
    done = run_treadle(tmp_path, "init", check=0)
    assert done.out == "wrote treadle.yaml from Python scripts: 1 action\n"
    assert lines(tmp_path)[0] == "# yaml-language-server: $schema=.treadle/schema.json"
    assert (tmp_path / ".treadle/schema.json").read_text().startswith("{")


def test_a_plan_that_is_there_is_left_alone_and_n_only_prints(tmp_path: Path) -> None:
    write(tmp_path, a_dot_py="x = 1\n", treadle_dot_yaml="mine")
    assert "exists already" in run_treadle(tmp_path, "init", check=2).err
    printed = run_treadle(tmp_path, "init", "-n", check=0).out
    assert printed.startswith("# yaml-language-server:")
    assert (tmp_path / "treadle.yaml").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["a.py", "treadle.yaml"]
    run_treadle(tmp_path, "init", "-f", "other.yaml", check=0)
    assert (tmp_path / "other.yaml").read_text() == printed


def test_where_nothing_is_known_the_error_says_what_was_looked_for(tmp_path: Path) -> None:
    write(tmp_path, notes_dot_txt="x")
    assert "Makefile, Python and C" in run_treadle(tmp_path, "init", check=2).err
    assert "init cannot make a plan from notes.txt" in run_treadle(tmp_path, "init", "notes.txt", check=2).err
    assert "there is no file Makefile" in run_treadle(tmp_path, "init", "Makefile", check=2).err
    write(tmp_path, dvc_dot_yaml="a: [")
    assert "dvc.yaml cannot be read" in run_treadle(tmp_path, "init", check=2).err
    write(tmp_path, dvc_dot_yaml="- a")
    assert "is not a map" in run_treadle(tmp_path, "init", check=2).err


def test_a_python_project_gets_its_checks_and_its_tests(tmp_path: Path) -> None:
    write(
        tmp_path,
        pyproject_dot_toml="[build-system]\nrequires = []\n[tool.ruff]\n[tool.mypy]\n[tool.pytest.ini_options]\n",
        src__pkg__a_dot_py="x = 1\n",
        tests__test_a_dot_py="def test_a(): pass\n",
        build__lib__a_dot_py="",
    )
    plan = first_plan(tmp_path)
    assert {uid: action.command.shown for uid, action in plan.actions.items()} == {
        "lint": "ruff check src/ tests/",
        "types": "mypy src/ tests/",
        "test": "python3 -m pytest",
        "package": "python3 -m build --outdir dist",
    }
    assert plan.default == ("lint", "types", "test")
    assert plan.actions["package"].command.inputs == ("pyproject.toml", "src/")
    write(
        tmp_path,
        flat__pyproject_dot_toml="[build-system]\n",
        flat__tools__x_dot_py="",
    )
    (tmp_path / "flat/pkg").mkdir()
    (tmp_path / "flat/pkg/__init__.py").write_text("")
    package = first_plan(tmp_path / "flat").actions["package"]
    assert package.command.inputs == ("pyproject.toml", "pkg/")


def test_a_project_without_python_is_nothing_to_make_a_plan_from(tmp_path: Path) -> None:
    write(tmp_path, pyproject_dot_toml='[project]\nname = "x"\n[tool.ruff]\n')
    assert "nothing here" in run_treadle(tmp_path, "init", check=2).err


def test_python_without_a_project_is_compiled_or_tested(tmp_path: Path) -> None:
    write(tmp_path, one__a_dot_py="x = 1\n", one__b_dot_py="y = 1\n")
    assert first_plan(tmp_path / "one").actions["compile"].command.inputs == ("a.py", "b.py")
    write(tmp_path, two__a_dot_py="", two__test_a_dot_py="import unittest\n")
    assert first_plan(tmp_path / "two").actions["test"].command.shown == "python3 -m unittest discover"


FAILING = "import unittest\nclass T(unittest.TestCase):\n    def test_it(self): self.fail('it was run')\n"
DISCOVER = "python3 -m unittest discover"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (["test_a.py"], DISCOVER),
        (["tests/test_a.py"], f"{DISCOVER} tests"),
        (["tests/__init__.py", "tests/test_a.py"], DISCOVER),
        (["tests/unit/test_a.py"], f"{DISCOVER} tests/unit"),
        (["tests/__init__.py", "tests/unit/test_a.py"], f"{DISCOVER} tests/unit"),
        (["tests/__init__.py", "tests/unit/__init__.py", "tests/unit/test_a.py"], DISCOVER),
        (["src/pkg/__init__.py", "src/pkg/tests/__init__.py", "src/pkg/tests/test_a.py"], f"{DISCOVER} src"),
        (["pkg/__init__.py", "pkg/test_a.py"], DISCOVER),
        (["two words/test_a.py"], f"{DISCOVER} 'two words'"),
    ],
)
def test_tests_of_unittest_are_found_wherever_they_lie(tmp_path: Path, files: list[str], command: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("" if name.endswith("__init__.py") else FAILING)
    assert first_plan(tmp_path).actions["test"].command.shown == command
    assert "it was run" in run_treadle(tmp_path, "run", "test", check=1).out


def test_tests_in_several_folders_are_all_run_and_see_a_package_below_src(tmp_path: Path) -> None:
    for name in ("test_a.py", "tests/test_b.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"import pkg\n{FAILING.replace('self.fail', 'print')}")
    write(tmp_path, src__pkg_dot_py="")
    first_plan(tmp_path)
    assert run_treadle(tmp_path, "run", "test", check=0).out.count("it was run") == 2


@pytest.mark.parametrize(
    "files",
    [
        {"tests/test_a.py": "def test_it(): pass\n"},
        {"tests/a_test.py": FAILING},
        {"tests/a.py": ""},
        {"tests/test_a.py": FAILING, "test_b.py": "def test_it(): pass\n"},
    ],
)
def test_what_unittest_would_not_find_is_left_to_pytest_which_fails_if_it_finds_nothing(
    tmp_path: Path, files: dict[str, str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert first_plan(tmp_path).actions["test"].command.shown == "python3 -m pytest"


@pytest.mark.system("cc")
@needs_cc
def test_a_c_program_is_built_and_its_headers_count(tmp_path: Path) -> None:
    c_program(tmp_path)
    plan = first_plan(tmp_path)
    assert list(plan.actions) == ["objects@src/f.c", "objects@src/main.c", "program"]
    run_treadle(tmp_path, "run", check=0)
    assert os.access(tmp_path / "build" / tmp_path.name, os.X_OK)
    (tmp_path / "src/app.h").write_text("int f(void); /* changed */\n")
    assert "to run" in run_treadle(tmp_path, "status", check=1).lines[-1]


@pytest.mark.system("cc")
@needs_cc
def test_one_c_file_becomes_a_program_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, hello_dot_c="#include <math.h>\nint main(int n, char **v) { return (int) sqrt(n - 1.0); }\n")
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    assert subprocess.run([tmp_path / "build/hello"]).returncode == 0


@pytest.mark.system("cc")
@needs_cc
def test_several_programs_share_their_objects_and_a_library_needs_no_main(tmp_path: Path) -> None:
    write(
        tmp_path,
        two__a_dot_c="int f(void);\nint main(void) { return f(); }\n",
        two__b_dot_c="int f(void);\nint main(void) { return f(); }\n",
        two__f_dot_c="int f(void) { return 0; }\n",
        lib__f_dot_c="int f(void) { return 0; }\n",
        lib__g_dot_c="int g(void) { return 0; }\n",
    )
    first_plan(tmp_path / "two")
    run_treadle(tmp_path / "two", "run", check=0)
    assert os.access(tmp_path / "two/build/a", os.X_OK)
    assert os.access(tmp_path / "two/build/b", os.X_OK)
    assert "library" in first_plan(tmp_path / "lib").actions


def test_a_variable_of_all_objects_is_what_the_link_reads(tmp_path: Path) -> None:
    makefile = (
        "SRC = $(wildcard *.c)\nOBJ = $(SRC:.c=.o)\n"
        "all: prog list\nprog: $(OBJ)\n\tcat $(OBJ) > $@\n%.o: %.c\n\tcp $< $@\n"
        "list: $(SRC) Makefile\n\techo $(SRC) > $@\n"
    )
    write(tmp_path, Makefile=makefile, a_dot_c="a\n", b_dot_c="b\n")
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "c.c").write_text("c\n")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "prog").read_text() == "a\nb\nc\n"
    text = (tmp_path / "treadle.yaml").read_text()
    assert "OBJ" not in text
    assert "# - SRC lists the files of now; `in` with a glob would also read new ones\n" in text


def test_flags_that_the_environment_may_set_are_words_in_a_plan_too(tmp_path: Path) -> None:
    makefile = (
        "FLAGS ?= -a\nNAME ?= x\nMORE_FLAGS ?= -a\nMORE_FLAGS += -b\n"
        "out: in\n\techo $(FLAGS) $(MORE_FLAGS) $(NAME) > $@\n"
    )
    write(tmp_path, Makefile=makefile, **{"in": "x\n"})
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "out").read_text() == "-a -a -b x\n"
    run_treadle(tmp_path, "run", check=0, env={"FLAGS": "-c  '-d'", "NAME": "two  words", "MORE_FLAGS": "-z"})
    assert (tmp_path / "out").read_text() == "-c -d -z -b two  words\n"


MAKEFILE = """\
CC ?= cc
CFLAGS := -O2 -Wall
BUILD = build
OBJ := $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/*.c))
VERSION := $(shell git describe)
ifeq ($(DEBUG),1)
CFLAGS += -g
endif
.PHONY: all clean test
all: $(BUILD)/app upper ## build everything
$(BUILD)/app: $(OBJ) | $(BUILD)
\t$(CC) $(LDFLAGS) -o $@ $^ -lm
$(BUILD)/%.o: src/%.c | $(BUILD)
\t@$(CC) $(CFLAGS) -MMD -c -o $@ $<
$(BUILD):
\tmkdir -p $@
upper: upper.txt
upper.txt: README
\tcd . && tr a-z A-Z < $< > $@
\t@echo "made $@ for $$HOME $${USER} '$@'"
\t-false
test: all ## run the tests
\tfor i in 1 2; do ./$(BUILD)/app $$i; done
version:
\techo $(VERSION)
clean:
\trm -rf $(BUILD)
-include $(OBJ:.o=.d)
"""


@pytest.mark.system("cc")
@needs_cc
def test_a_makefile_becomes_a_plan_that_builds_the_same(tmp_path: Path) -> None:
    c_program(tmp_path)
    write(tmp_path, Makefile=MAKEFILE, README="hello\n")
    plan = first_plan(tmp_path)
    text = (tmp_path / "treadle.yaml").read_text()
    assert "    foreach: {src: src/*.c}\n    run: ${CC} ${CFLAGS} -MMD -c -o ${out} ${src}\n" in text
    assert "    in: {from: objects}\n    out: build/app\n" in text
    assert "    depfile: build/${src.stem}.d\n" in text
    assert "  CC: {env: CC, default: cc}\n" in text
    assert "  all: {help: build everything, of: [build-app, upper]}\n" in text
    assert plan.actions["test"].help == "run the tests"
    assert "# - version: line 24: only make knows $(shell ...)\n#     version:\n#         echo $(VERSION)\n" in text
    assert "  LDFLAGS: {split: words, env: LDFLAGS, default: [], help: not set in the makefile}\n" in text
    assert "clean: `treadle clean`" in text
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "upper.txt").read_text() == "HELLO\n"
    assert run_treadle(tmp_path, "log", "upper.txt", check=0).out == (
        f"made upper.txt for {os.environ['HOME']} {os.environ.get('USER', '')} 'upper.txt'\n"
    )
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    assert "ran test" in run_treadle(tmp_path, "run", "test", check=0).out


@pytest.mark.parametrize(
    ("makefile", "uid", "shown"),
    [
        ("a.txt:\n\techo '$@' > $@\n", "a.txt", "echo 'a.txt' > a.txt"),
        ("X = a b\na.txt:\n\techo $(X) \"$(X)\" x$(X) > $@\n", "a.txt", 'echo a b "a b" xa b > a.txt'),
        ("X = a; b\na.txt:\n\techo $(X) > $@\n", "a.txt", "echo a; b > a.txt"),
        ("a.txt b.txt:\n\ttouch $@\n", "b.txt", "touch b.txt"),
        ("a.txt: ; touch $@\n", "a.txt", "touch a.txt"),
        ("X = 1\nX += 2\na.txt:\n\techo $(words $(X)) $(firstword $(X)) $(X:%=n%) > $@\n", "a.txt", "echo 2 1 n1 n2 > a.txt"),
        ("ifdef X\nY = 1\nelse\nY = 2\nendif\na.txt:\n\techo $(Y) > $@\n", "a.txt", "echo 2 > a.txt"),
        ("a.txt:\n\techo one \\\n\t  two > $@\n", "a.txt", "echo one \\\n  two > a.txt"),
        ("d/a.txt:\n\techo $(@D) $(@F) $* > $@\n", "d-a.txt", "echo d a.txt d/a > d/a.txt"),
        ("d/a.txt:\n\techo $(notdir $@) $(@:.txt=.o) > $@\n", "d-a.txt", "echo a.txt d/a.o > d/a.txt"),
        ("X = v\na.txt:\n\techo `echo $(X)` $$((1 + 1)) $(X) > $@\n", "a.txt", "echo `echo v` $((1 + 1)) v > a.txt"),
        ("export V = 3\na.txt:\n\techo $$V > $@\n", "a.txt", "echo $V > a.txt"),
        ("d/a.txt:\n\t@mkdir -p $(@D)\n\ttouch $@\n", "d-a.txt", "touch d/a.txt"),
        ("a.txt: X = 1\na.txt: X += 2\nX = 3\na.txt:\n\techo $(X) > $@\n", "a.txt", "echo 1 2 > a.txt"),
        ("a.txt::\n\techo 2 > $@\n", "a.txt", "echo 2 > a.txt"),
        (".stamp:\n\ttouch $@\n", "a.stamp", "touch .stamp"),
        (".SUFFIXES: .a .b\n.a.b:\n\tcp $< $@\nall: Makefile.b\nMakefile.a:\n\ttouch $@\n", "b@Makefile", "cp Makefile.a Makefile.b"),
    ],
)  # fmt: skip
def test_what_make_would_run_is_what_the_plan_runs(tmp_path: Path, makefile: str, uid: str, shown: str) -> None:
    write(tmp_path, Makefile=makefile)
    assert first_plan(tmp_path).actions[uid].command.shown.rstrip("\n") == shown


def test_a_target_that_its_recipe_does_not_make_is_no_output(tmp_path: Path) -> None:
    write(
        tmp_path,
        Makefile="all: prog\n\t@echo built $@\nprog: a.c\n\tcc -o prog a.c\nbench:\n\t./prog\nlog.txt:\n\tdate\n",
        a_dot_c="",
    )
    plan = first_plan(tmp_path)
    assert {uid: action.command.outputs for uid, action in plan.actions.items()} == {
        "all": (),
        "prog": ("prog",),
        "bench": (),
        "log.txt": ("log.txt",),
    }


def test_a_target_named_like_its_program_is_no_output(tmp_path: Path) -> None:
    write(
        tmp_path,
        Makefile="mypy:\n\tmypy src\ntar:\n\t@A=1 tar c x | tar t\nruff: ; uv run ruff check\n"
        "prog:\n\tcc -o prog x\nold: prog\n\tcp prog old\n",
    )
    made = {uid: action.command.outputs for uid, action in first_plan(tmp_path).actions.items()}
    assert made == {"mypy": (), "tar": (), "ruff": (), "prog": ("prog",), "old": ("old",)}


def test_what_is_forced_runs_each_time(tmp_path: Path) -> None:
    write(tmp_path, Makefile="a.txt: FORCE x\n\tcp x $@\nb.txt: f\n\ttouch $@\nf:\n.PHONY: FORCE\n", x="1")
    plan = first_plan(tmp_path)
    assert [plan.actions[uid].command.always for uid in ("a.txt", "b.txt")] == [True, True]
    assert plan.actions["a.txt"].command.inputs == ("x",)
    assert not [line for line in lines(tmp_path)[2:] if "#" in line]


def test_what_one_recipe_makes_is_the_outputs_of_one_action(tmp_path: Path) -> None:
    write(
        tmp_path,
        Makefile="all: p.tab.c p.tab.h two.txt\n%.tab.c %.tab.h: %.y\n\tcp $< $@; cp $< $*.tab.h\n"
        "one.txt two.txt &: p.y\n\tcp p.y one.txt; cp p.y two.txt\n",
        p_dot_y="1\n",
    )
    plan = first_plan(tmp_path)
    made = {uid: action.command.outputs for uid, action in plan.actions.items()}
    assert made == {"c@p.y": ("p.tab.c", "p.tab.h"), "one.txt": ("one.txt", "two.txt")}
    run_treadle(tmp_path, "run", check=0)
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out


def test_a_target_without_a_recipe_is_waited_for_through_its_group(tmp_path: Path) -> None:
    write(tmp_path, Makefile="test: install\n\techo\ninstall: x\nx:\n\ttouch x\n")
    assert first_plan(tmp_path).actions["test"].predecessors == ("x",)


def test_a_folder_that_programs_write_into_is_no_output(tmp_path: Path) -> None:
    write(tmp_path, Makefile=".venv: list\n\tpython3 -m venv .venv\ntest: .venv\n\t.venv/bin/x\n", list="")
    plan = first_plan(tmp_path)
    assert (plan.actions["a.venv"].command.inputs, plan.actions["a.venv"].command.outputs) == (("list",), ())
    assert plan.actions["test"].predecessors == ("a.venv",)
    assert list(plan.default) == ["test"]


def test_makefiles_that_are_included_are_read_and_depfiles_are_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        Makefile="include common.mk\n-include a.d none.mk\nall: a\n",
        common_dot_mk="X = 1\na:\n\techo $(X) > a\n",
        a_dot_d="a: /usr/include/x.h\n",
    )
    plan = first_plan(tmp_path)
    assert plan.actions["a"].command.shown == "echo 1 > a"
    assert plan.actions["a"].command.inputs == ()


def test_headers_that_rules_without_a_recipe_name_are_read_by_the_family(tmp_path: Path) -> None:
    write(
        tmp_path,
        Makefile="OBJ = a.o b.o\nprog: $(OBJ)\n\tcc -o $@ $(OBJ)\na.o: a.c a.h\nb.o: b.c a.h b.h\n"
        "%.o: %.c\n\tcc -c $^\n",
        a_dot_c="",
        b_dot_c="",
        a_dot_h="",
        b_dot_h="",
    )
    plan = first_plan(tmp_path)
    assert plan.actions["objects@a.c"].command.inputs == ("a.c", "a.h", "b.h")
    assert plan.actions["objects@a.c"].command.shown == "cc -c a.c"
    assert plan.actions["prog"].command.inputs == ("a.o", "b.o")


def test_the_shell_of_a_makefile_is_the_shell_of_the_plan(tmp_path: Path) -> None:
    write(tmp_path, Makefile="SHELL := /usr/bin/env bash\na:\n\techo one && echo two\n")
    assert first_plan(tmp_path).actions["a"].command.argvs()[0][0] == "bash"


@pytest.mark.parametrize(
    ("makefile", "remark"),
    [
        ("include other.mk\na:\n\techo\n", "line 1: include other.mk"),
        ("define X\na:\nendef\na:\n\techo $(X)\n", "line 1: define X ... endef"),
        ("a.txt::\n\techo 1\na.txt::\n\techo 2 > $@\n", "make runs each of its rules (::) for itself"),
        ("a: export X = 1\na:\n\techo\n", "line 1: a: export X = 1 (a variable of one target)"),
        ("a: X = 1\na: b\n\techo\nb:\n\techo $(X)\n", "a: X of its own: make also sets it for what it needs"),
        ("a:\n\techo '$(ARGS)'\n", "${ARGS} is in a place where a plan puts no value"),
        ("a:\n\techo\nb-%: c-%\n\tcp $< $@\n", "b-%: c-% (line 3): no target needs it"),
        ("all: a gone\na:\n\techo\n", "all: it contains gone, which is no action here"),
        ("a:\n\techo $(call f,1)\n", "only make knows $(call ...)"),
        ("X = $(X) y\na:\n\techo $(X)\n", "a variable that refers to itself"),
        (
            "ifeq ($(shell uname),Linux)\nX = 1\nendif\na:\n\techo $(X)\n",
            "only make knows whether it holds",
        ),
        ("a.txt: gone.txt\n\ttouch $@\n", "a.txt: it reads gone.txt, which does not exist"),
        ("a.txt: gone.txt\n\tcat $^ > $@\n", "a.txt: it reads gone.txt, which does not exist"),
        ("../a.txt:\n\ttouch $@\n", "../a.txt"),
    ],
)
def test_what_only_make_can_tell_is_a_remark(tmp_path: Path, makefile: str, remark: str) -> None:
    write(tmp_path, Makefile=makefile)
    first_plan(tmp_path)
    remarks = [line.strip() for line in lines(tmp_path) if line.strip().startswith("#")]
    assert any(remark in line for line in remarks), remarks


TASKFILE = """\
version: '3'
vars:
  FLAGS: -a -b
  TITLE: "Hello; there"
  OUT: build
  COMMIT: {sh: git rev-parse HEAD}
env: {LC_ALL: C}
tasks:
  default: {desc: all of it, cmds: [{task: build}]}
  build:
    desc: Build it
    aliases: [b]
    deps: [gen]
    cmds:
      - mkdir -p {{.OUT}}
      - cat src/*.txt > {{.OUT}}/all.txt
      - echo {{.FLAGS}} "{{.FLAGS}}" '{{.TITLE}}' ${USER}
    sources: ["src/*.txt", {exclude: src/skip.txt}]
    generates: ["{{.OUT}}/all.txt"]
  gen: echo {{.OUT}} > src/gen.txt
  all: {deps: [b]}
  stamp: {cmds: ["echo {{.COMMIT}}"]}
  docs:
    dir: src
    watch: true
    cmds: [cd .. && ls, pwd]
    sources: ["*.txt"]
"""


def test_a_taskfile_becomes_a_plan_that_runs(tmp_path: Path) -> None:
    write(tmp_path, Taskfile_dot_yml=TASKFILE, src__a_dot_txt="a\n", src__skip_dot_txt="s\n")
    plan = first_plan(tmp_path)
    build = plan.actions["build"]
    assert build.command.shown.splitlines()[2] == "echo -a -b \"-a -b\" 'Hello; there' ${USER}"
    assert build.command.inputs == ("src/a.txt",)
    assert build.command.outputs == ("build/all.txt",)
    assert build.command.env.set == {"LC_ALL": "C"}
    assert build.predecessors == ("gen",)
    assert plan.groups["default"].members == ("build",)
    assert plan.groups["default"].help == "all of it"
    assert plan.groups["all"].members == ("build",)
    assert set(plan.actions) == {"build", "gen"}
    text = (tmp_path / "treadle.yaml").read_text()
    assert "# - the variable COMMIT: {'sh': 'git rev-parse HEAD'}" in text
    assert (
        "# - stamp: the variable COMMIT: {'sh': 'git rev-parse HEAD'}\n#       cmds: ['echo {{.COMMIT}}']" in text
    )
    assert "# - docs: it has watch: True" in text
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "build/all.txt").exists()


def test_what_task_alone_knows_is_told_and_the_rest_is_taken(tmp_path: Path) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml="""\
version: '3'
includes: {docs: ./docs}
vars: {BIN: '{{.USER_WORKING_DIR}}/bin'}
tasks:
  default: task --list
  lint: {cmds: ['echo {{.BIN}} {{.CLI_ARGS}}']}
  each: {cmds: [{for: [a, b], cmd: 'echo {{.ITEM}}'}]}
  clean: {cmds: [{defer: 'rm x'}, 'touch x']}
  ci: {deps: [each], cmds: ['echo done']}
  save: {cmds: [{cmd: 'echo done', ignore_error: true}]}
""",
    )
    plan = first_plan(tmp_path)
    assert list(plan.actions) == ["save"]
    assert plan.actions["save"].command.shown == "echo done || true"
    remarks = [line for line in lines(tmp_path) if line.startswith("# - ")]
    assert [line[4:].partition(":")[0] for line in remarks] == [
        *("includes", "the variable BIN", "default", "lint", "each", "clean", "ci")
    ]


def test_what_stands_behind_dashes_is_passed_on(tmp_path: Path) -> None:
    write(tmp_path, Taskfile_dot_yml="version: '3'\ntasks: {test: {cmds: ['echo x {{.CLI_ARGS}} | cat']}}\n")
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", "test", "--", "one two", "three", check=0)
    assert run_treadle(tmp_path, "log", "test", check=0).out == "x one two three\n"


def test_a_taskfile_of_the_first_form_has_its_tasks_at_the_top(tmp_path: Path) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml="lint:\n  desc: style\n  cmds: [golint x]\ntest: {deps: [lint], cmds: [go test x]}\n",
    )
    plan = first_plan(tmp_path)
    assert list(plan.actions) == ["lint", "test"]
    assert plan.actions["test"].predecessors == ("lint",)


def test_several_files_make_one_plan_and_names_stay_apart(tmp_path: Path) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml="version: '3'\ntasks:\n  test: {cmds: ['echo task && true']}\n",
        Makefile="test: prepare\n\techo make && true\nprepare:\n\techo first\n",
    )
    plan = first_plan(tmp_path)
    assert plan.actions["test"].command.argvs()[0][0] == "bash"
    make = plan.actions["makefile-test"]
    assert make.command.argvs()[0][0] == "sh"
    assert make.predecessors == ("prepare",)
    assert list(load_plan(str(tmp_path / "treadle.yaml")).default) == ["makefile-test"]
    (tmp_path / "treadle.yaml").unlink()
    assert list(first_plan(tmp_path, "Makefile").actions) == ["test", "prepare"]


def test_a_bare_run_does_what_each_part_would_do_alone(tmp_path: Path) -> None:
    write(tmp_path, tool_dot_py="x = 1\n", main_dot_c="int main(void) { return 0; }\n")
    assert list(first_plan(tmp_path).default) == ["compile", "objects@main.c", "program"]


def test_nothing_but_remarks_is_still_a_plan(tmp_path: Path) -> None:
    write(tmp_path, Makefile="a:\n\techo $(shell x)\n")
    assert list(first_plan(tmp_path).actions) == ["hello"]


@pytest.mark.parametrize("file", ["CMakeLists.txt", "meson.build", "Cargo.toml"])
def test_a_project_of_another_tool_with_an_empty_setup_file_is_named(tmp_path: Path, file: str) -> None:
    for name in (file, "setup.py", "x.c"):
        (tmp_path / name).touch()
    done = run_treadle(tmp_path, "init", check=2)
    assert f"({file}), which init does not translate" in done.err


@pytest.mark.parametrize("name", ["root", "in", "out", "platform"])
def test_a_variable_of_a_taskfile_whose_name_is_taken_keeps_its_value(tmp_path: Path, name: str) -> None:
    text = f"version: '3'\nvars: {{{name}: src}}\ntasks: {{a: {{cmds: ['cat {{{{.{name}}}}}/a']}}}}\n"
    write(tmp_path, Taskfile_dot_yml=text, src__a="1")
    assert first_plan(tmp_path).actions["a"].command.shown == "cat src/a"
