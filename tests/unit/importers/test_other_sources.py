"""Recipes of just, scripts of npm, environments of tox, sessions of nox, compilations of CMake as actions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from first_plans import drafted, write
from helpers import run_treadle
from treadle.errors import UsageError
from treadle.importers.detect import drafts_of
from treadle.importers.python_tools import tox_environments

if TYPE_CHECKING:
    from pathlib import Path


def just(folder: Path, text: str) -> tuple[set[str], str]:
    """Return the actions and groups of the plan of a justfile, and its text."""
    (folder / "justfile").write_text(text)
    plan, made = drafted(folder)
    return (plan.actions.keys() | plan.groups.keys()) - {"hello"}, made


@pytest.mark.parametrize(
    "recipe",
    [
        *("[confirm]\ndrop: free\n  echo", "[confirm('sure?')]\ndrop: free", "[confirm]\ndrop: && free\n  echo {{x}}"),
        *("[no-cd]\ndrop:\n  echo", "[unheard]\ndrop:\n  echo", "[script]\ndrop:\n  echo", "[confirm]\n[unheard]\ndrop:\n  echo"),
        *("drop: (free 'x')\n  echo", "drop:\n  echo {{`date`}}", "drop:\n  echo {{nowhere}}", "drop: gone\n  echo"),
        *("drop:\n  echo {{if 1 == 1 { 'a' } else { 'b' } }}", "x := `date`\ndrop:\n  echo {{x}}", "drop:\n  echo '{{x}}'\nx := env('X', '1')"),
        *("drop:\n  #!/usr/bin/env python3\n  print({{x}})\nx := '1'", "drop:\n  #!/usr/bin/tclsh\n  puts 1", "drop *a='1':\n  echo {{a}}"),
        *("drop:\n  echo 1\ndrop:\n  echo 2", "[linux]\ndrop:\n  echo 1\n[macos]\ndrop:\n  echo 2", "drop in:\n  echo {{in}}"),
        *("drop: && gone\n  echo", "drop: free && (free 'x')\n  echo", "drop:"),
    ],
)  # fmt: skip
def test_a_recipe_that_is_not_understood_is_left_out_with_all_that_needs_it(tmp_path: Path, recipe: str) -> None:
    names, text = just(tmp_path, f"free:\n  echo free\n\n{recipe}\n\nnext: drop\n  echo next\n\nall: free next\n")
    assert not any("drop" in one and "then" not in one and "itself" not in one for one in names), text
    assert "free" in names
    assert not {"next", "all"} & names


@pytest.mark.parametrize(
    "line",
    [
        *("set unheard := true", "set shell := ['python3', '-c']", "set dotenv-path := x", "import 'gone.just'"),
        *("set allow-duplicate-recipes", "set working-directory := 'x'", "what is this", "unexport X", "export X := `date`"),
        *("set dotenv-filename := 'dollar.env'", "set script-interpreter := ['sh']"),
    ],
)  # fmt: skip
def test_what_a_justfile_says_of_all_recipes_leaves_all_out(tmp_path: Path, line: str) -> None:
    write(tmp_path, dollar_dot_env="A=$HOME\n")
    assert just(tmp_path, f"{line}\n\nfree:\n  echo free\n")[0] == set()


def test_texts_of_several_lines_are_no_recipes(tmp_path: Path) -> None:
    text = 'x := """\nfoo:\n  rm -rf /\n"""\ny := \'one\nbar:\n  rm\'\n\nfree:\n  echo free\n'
    assert just(tmp_path, text)[0] == {"free"}


@pytest.mark.parametrize(
    "said", ["[confirm]", "[confirm('Drop it?')]", "[private, confirm]", "[linux, macos]\n[confirm]"]
)
def test_a_recipe_that_asks_is_asked_for_with_what_comes_after_it(tmp_path: Path, said: str) -> None:
    just(
        tmp_path,
        f"{said}\ndrop:\n  touch ran\n\nnext: drop\n  touch next\n\nall: drop free\n\nfree:\n  touch free\n",
    )
    for name in ("next", "all"):
        run_treadle(tmp_path, "run", name, check=1)
    assert not [one for one in ("ran", "next", "free") if (tmp_path / one).exists()]
    run_treadle(tmp_path, "run", "all", "next", "--yes", check=0)
    assert all((tmp_path / one).exists() for one in ("ran", "next", "free"))


def test_recipes_have_their_parameters_and_values(tmp_path: Path) -> None:
    just(
        tmp_path,
        'set export\nname := "a" + "-b"\ntag := env_var_or_default("TAG", "dev")\n\nalias s := show\n\n'
        "show target='t' *more:\n  @echo {{name}} {{tag}} {{target}} {{more}} > shown; echo $name >> shown\n\n"
        "other target='u':\n  echo {{target}} > other\n\nneeds who:\n  echo {{who}} > needs\n",
    )
    run_treadle(tmp_path, "run", "s", "other", "-p", "target=x", "--", "1", "2 3", env={"TAG": "v1"}, check=0)
    assert (tmp_path / "shown").read_text() == "a-b v1 x 1 2 3\na-b\n"
    assert (tmp_path / "other").read_text() == "u\n"
    run_treadle(tmp_path, "run", "needs", check=1)
    assert not (tmp_path / "needs").exists()


@pytest.mark.parametrize(
    ("scripts", "live"),
    [
        ({"a": "x", "prepare": "y", "postinstall": "z", "publish": "p"}, {"a"}),
        ({"a": "x", "prea": "y", "posta": "z"}, {"a"}),
        ({"a": "echo $npm_package_version", "b": "npm run a && x", "c": "npm run a"}, set()),
        ({"prea": "echo $npm_config_x", "a": "x", "b": "y"}, {"b"}),
        ({"a": 1, "b": ["x"], "c": "", "d": "x"}, {"d"}),
        ({"a:b": "x", "a-b": "y", "c": "npm run a:b && z"}, {"c"}),
        ({"a": "npm run b; npm run c", "b": "x", "c": "y"}, {"a", "b", "c"}),
    ],
)
def test_scripts_of_a_package_are_actions_or_left_out(
    tmp_path: Path, scripts: dict[str, object], live: set[str]
) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"scripts": scripts}))
    plan, _ = drafted(tmp_path)
    assert (plan.actions.keys() | plan.groups.keys()) - {"hello"} == live
    # where all are left out, the example of a first plan stands in
    assert plan.default == (() if live else ("hello",))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"scripts": 1}', "{}"])
def test_a_package_without_scripts_makes_no_plan(tmp_path: Path, text: str) -> None:
    (tmp_path / "package.json").write_text(text)
    with pytest.raises(UsageError, match=r"package\.json"):
        drafts_of(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "text", "default", "named"),
    [
        ("tox.ini", "[tox]\nenvlist = a, b\n", ["a", "b"], []),
        ("tox.ini", "[tox]\nenv_list =\n    py3{10-12}-{x,y}\n    lint  # said\n", [f"py3{n}-{f}" for n in (10, 11, 12) for f in "xy"] + ["lint"], []),
        ("tox.ini", "[testenv]\ncommands = x\n", ["py"], []),
        ("tox.ini", "[tox]\nenvlist = a\n[testenv:a]\n[testenv:{b,c}]\n[testenv:.pkg]\n", ["a"], ["b", "c"]),
        ("setup.cfg", "[tox:tox]\nenvlist = a\n", ["a"], []),
        ("tox.toml", 'env_list = ["a"]\n[env.b]\n', ["a"], ["b"]),
        ("pyproject.toml", '[tool.tox]\nenv_list = ["a"]\n[tool.tox.env.b]\n', ["a"], ["b"]),
        ("pyproject.toml", '[tool.tox]\nlegacy_tox_ini = """\n[tox]\nenvlist = a\n"""\n', ["a"], []),
        ("tox.ini", "[flake8]\nmax-line-length = 100\n", [], []),
        ("tox.ini", "no ini", [], []),
    ],
)  # fmt: skip
def test_environments_of_tox_are_found_where_tox_looks(
    tmp_path: Path, file: str, text: str, default: list[str], named: list[str]
) -> None:
    (tmp_path / file).write_text(text)
    assert tox_environments(str(tmp_path))[1:] == (default, named)


def test_sessions_of_nox_are_found_without_running_the_file(tmp_path: Path) -> None:
    text = "import nox\nraise SystemExit\n@nox.session\ndef a(s): ...\n@nox.session(name='b-c')\ndef b(s): ...\n"
    text += "@nox.session(name=NAME)\ndef d(s): ...\n@nox.session(default=False)\ndef e(s): ...\ndef f(s): ...\n"
    write(tmp_path, noxfile_dot_py=text, pyproject_dot_toml="", x_dot_py="")
    plan, said = drafted(tmp_path)
    assert {uid: one.command.shown for uid, one in plan.actions.items()} == {
        "a": "nox -s a",
        "b-c": "nox -s b-c",
        "e": "nox -s e",
    }
    assert plan.default == ("a", "b-c")
    assert "d: only nox knows the name of the session" in said


@pytest.mark.parametrize(
    "entry",
    [
        *("x", {}, {"file": 1}, {"file": "a.c"}, {"file": "a.c", "command": "nvcc -c a.c -o a.o"}),
        *({"file": "gone.c", "command": "cc -c gone.c -o gone.o"}, {"file": "a.c", "command": "cc a.c"}),
        *({"file": "a.c", "command": "cc -c a.c -o ../a.o"}, {"file": "a.c", "command": "cc -c 'a.c -o a.o"}),
    ],
)
def test_a_compilation_that_is_not_understood_is_left_out(tmp_path: Path, entry: object) -> None:
    write(tmp_path, CMakeLists_dot_txt="", a_dot_c="", b_dot_c="", build__x="")
    good = {
        "directory": str(tmp_path),
        "file": "b.c",
        "arguments": ["cc", "-MD", "-MT", "x", "-MF", "y", "-c", "b.c", "-o", "b.o"],
    }
    (tmp_path / "build/compile_commands.json").write_text(json.dumps([entry, good]))
    if isinstance(entry, dict):
        entry.setdefault("directory", str(tmp_path))
        (tmp_path / "build/compile_commands.json").write_text(json.dumps([entry, good]))
    plan, text = drafted(tmp_path)
    assert [one.command.outputs for one in plan.actions.values()] == [("b.o",)]
    assert next(iter(plan.actions.values())).command.depfile == "b.o.d"
    assert text.count("\n# - ") == 1


@pytest.mark.parametrize(
    ("settings", "command", "extra"),
    [
        ('[tool.mypy]\nfiles = ["lib", "other.txt"]\n', "mypy", "other.txt"),
        ("[tool.mypy]\nfiles = 'lib, data'\n", "mypy", "data/"),
        ('[tool.mypy]\npackages = ["lib"]\n', "mypy", None),
        ("[tool.mypy]\nstrict = true\n", "mypy lib/", None),
        ('[tool.ruff]\ninclude = ["lib/*.py"]\n', "ruff check", None),
        ("[tool.ruff]\nline-length = 100\n", "ruff check lib/", None),
        ('[tool.pytest.ini_options]\ntestpaths = ["data"]\n', "python3 -m pytest", "data/"),
    ],
)
def test_tools_look_at_the_paths_that_they_are_configured_with(
    tmp_path: Path, settings: str, command: str, extra: str | None
) -> None:
    write(tmp_path, pyproject_dot_toml=settings, lib__test_a_dot_py="", data__x="", other_dot_txt="")
    plan, _ = drafted(tmp_path)
    found = next(one.command for one in plan.actions.values() if one.command.shown.startswith(command.split()[0]))
    assert found.shown == command
    assert extra is None or extra in found.inputs


def test_litter_next_to_sources_runs_nothing_again(tmp_path: Path) -> None:
    write(tmp_path, pyproject_dot_toml="[build-system]\n[tool.mypy]\n", src__a_dot_py="")
    text = drafted(tmp_path)[1].replace("run: mypy ${sources}", "run: mkdir -p src/x.egg-info/y")
    (tmp_path / "treadle.yaml").write_text(text)
    run_treadle(tmp_path, "run", "types", check=0)
    write(tmp_path, **{"src/x.egg-info/z": ""})
    assert "nothing to do" in run_treadle(tmp_path, "run", "types", check=0).out


@pytest.mark.parametrize(
    ("recipe", "passed"),
    [
        ("ssh host ls", "SSH_AUTH_SOCK"),
        ("cd x && docker build .", "DOCKER_HOST"),
        ("FOO=1 kubectl apply", "KUBECONFIG"),
        ("sudo aws s3 ls", "AWS_PROFILE"),
        ('echo "$$AWS_PROFILE"', "AWS_PROFILE"),
        ("@-terraform plan", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_what_known_tools_read_is_passed_to_all(tmp_path: Path, recipe: str, passed: str) -> None:
    write(tmp_path, Makefile=f".PHONY: a b\na:\n\t{recipe}\nb:\n\techo b\n")
    plan, text = drafted(tmp_path)
    assert passed in plan.actions["b"].command.env.pass_
    assert "# an action sees only the variables that its plan names" in text


def test_a_variable_that_an_action_sets_is_not_passed_to_it(tmp_path: Path) -> None:
    text = "version: '3'\ntasks:\n  a: {env: {AWS_PROFILE: x}, cmds: ['aws s3 ls']}\n  b: {cmds: ['echo $AWS_PROFILE']}\n"
    write(tmp_path, Taskfile_dot_yml=text)
    plan, _ = drafted(tmp_path)
    assert plan.actions["a"].command.env.set == {"AWS_PROFILE": "x"}
    assert "AWS_PROFILE" in plan.actions["b"].command.env.pass_
