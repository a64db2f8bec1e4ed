"""A plan means the same in each locale, and what it says can be shown in each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from project import Project

PLAN = """\
treadle: 1
defaults: {pass: [LOG]}
actions:
  ä日: {sh: "echo $LOG >> $LOG; echo grün; cat ${in} > ${out}", in: "größe/*", out: "aus/ü日"}
  fail: {sh: "echo ß; exit 1"}
"""
LOCALES = [
    {"PYTHONUTF8": "0", "LC_ALL": "C"},
    {"PYTHONUTF8": "0", "LC_ALL": "POSIX"},
    {"PYTHONUTF8": "0", "LC_ALL": "", "LC_CTYPE": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONUTF8": "0", "LC_ALL": "", "LANG": "", "LC_CTYPE": "", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONIOENCODING": "latin-1"},
    {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    {"PYTHONUTF8": "1", "LC_ALL": "C"},
    {"LC_ALL": "C"},
    {"LC_ALL": "nonsense.ISO-8859-1"},
]
QUESTIONS = (
    *(("status",), ("why", "ä日"), ("list",), ("list", "--json"), ("graph",), ("log", "fail"), ("log", "ä日")),
    *(("run", "nöpe"), ("clean", "-n"), ("check",), ("graph", "--format", "dot"), ("run", "-v")),
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "prüf")
    project.write("plan", PLAN)
    project.write("größe/é.txt", "x\n")
    return project


@pytest.mark.parametrize("locale", LOCALES, ids=str)
def test_names_that_are_not_ascii_work_and_are_shown_in_each_locale(
    project: Project, locale: dict[str, str]
) -> None:
    reports = (
        "--events",
        "e.jsonl",
        "--html",
        "h.html",
        "--junit",
        "j.xml",
        "--trace",
        "t.json",
        "--markdown",
        "m.md",
    )
    done = project.treadle("run", "-v", "fail", "ä日", "-k", *reports, **locale)
    assert done.code == 1
    assert os.listdir(os.fsencode(project.folder / "aus")) == ["ü日".encode()]
    assert (project.folder / "aus/ü日").read_text() == "x\n"
    assert "grün".encode() in (project.folder / ".treadle/logs/ä日.log").read_bytes()
    for line in (project.folder / "e.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line)
    for words in QUESTIONS:
        project.treadle(*words, **locale)
    # a record that was made in one locale counts in each
    assert project.treadle("run", **locale).out.startswith("nothing to do")
    assert project.treadle("run").out.startswith("nothing to do")


def test_what_the_encoding_of_stdout_does_not_know_is_shown_escaped(project: Project) -> None:
    done = project.treadle("run", PYTHONUTF8="0", LC_ALL="C")
    assert "ran \\xe4\\u65e5" in done.out
    done = project.treadle("run", "nöpe", PYTHONUTF8="0", LC_ALL="C")
    assert "'n\\xf6pe'" in done.err


SAYS = """\
treadle: 1
actions:
  a: {sh: 'echo "${LC_CTYPE-none}"; echo "${LC_CTYPE-none}" > ${out}', in: x, out: o, OPTIONS}
""".replace("${LC_CTYPE-none}", "$${LC_CTYPE-none}")


@pytest.mark.parametrize("options", ["pass: [LC_CTYPE]", "track: [LC_CTYPE]", "shell: [sh, -c]"])
@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({}, "none"),
        ({"LC_CTYPE": "C"}, "C"),
        ({"LC_CTYPE": "POSIX"}, "POSIX"),
        ({"LC_CTYPE": "C.UTF-8"}, "C.UTF-8"),
        ({"LC_CTYPE": ""}, ""),
        ({"LANG": "C.UTF-8"}, "none"),
        ({"LC_ALL": "C"}, "none"),
        ({"LC_ALL": "C", "LC_CTYPE": "C.UTF-8"}, "C.UTF-8"),
    ],
    ids=str,
)
def test_actions_get_the_locale_that_was_given_and_not_the_one_of_python(
    tmp_path: Path, given: dict[str, str], seen: str, options: str
) -> None:
    project = Project(tmp_path / "p")
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        project.environ.pop(name, None)
    project.write("plan", SAYS.replace("OPTIONS", options))
    project.write("x", "")
    assert project.treadle("run", **given).code == 0
    assert project.read("o") == f"{seen}\n"
    assert project.treadle("run", **given).out.startswith("nothing to do")


def test_a_locale_that_is_tracked_is_asked_for_as_it_was_given(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        project.environ.pop(name, None)
    project.write("plan", SAYS.replace("OPTIONS", "track: [LC_CTYPE]"))
    project.write("x", "")
    assert project.treadle("run").code == 0
    assert project.treadle("run").out.startswith("nothing to do")
    assert "1 run" in project.treadle("run", LC_CTYPE="C.UTF-8").out
    assert project.read("o") == "C.UTF-8\n"


@pytest.mark.parametrize(
    "program",
    [
        "from treadle._startup.interpreter import inherited; print(inherited().get('LC_CTYPE'))",
        "from treadle.command.walk import Settings; print(Settings().environ.get('LC_CTYPE'))",
    ],
)
def test_the_library_hands_on_the_same(program: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in ("LANG", "LC_ALL", "LC_CTYPE")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "None\n"
