"""The plans on the pages for newcomers run, and what docs/explanation/comparison.md says of lines and tests is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import run_treadle

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(page NONE)\n",
    "data/north.csv": "pears,3\napples,2\npears,3\n",
    "data/south.csv": "quinces,1\napples,4\n",
    "settings.yaml": "sample: {rows: 2}\n",
    "src/main.c": '#include "say.h"\nint main(void) { return say(); }\n',
    "src/say.c": '#include "say.h"\nint say(void) { return 0; }\n',
    "src/say.h": "int say(void);\n",
}
PROGRAMS = {"cc": "run: cc ", "cmake": "run: [cmake "}
"""Programs that a plan needs, and what tells it of its text."""


def blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text of each example on a page."""
    return BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))


def plans() -> list[object]:
    """Return the plans on the pages, those that compile with what they need."""
    found: list[object] = []
    tools = ("make", "go-task", "just", "dvc", "snakemake", "doit")
    pages = ["howto/faq.md", "howto/coming-from.md", *(f"howto/from-{tool}.md" for tool in tools)]
    for page in (*pages, "explanation/comparison.md"):
        texts = [text for kind, text in blocks(page) if kind == "yaml" and text.startswith("treadle: 1")]
        assert texts, page
        for number, text in enumerate(texts):
            programs = [name for name, words in PROGRAMS.items() if words in text]
            missing = [name for name in programs if shutil.which(name) is None]
            marks = [pytest.mark.system(name) for name in programs]
            marks += [pytest.mark.skipif(True, reason=f"{name} is needed") for name in missing]
            found.append(pytest.param(text, id=f"{page}-{number}", marks=marks))
    return found


def folder_with(folder: Path, files: dict[str, str]) -> Path:
    """Write files and return their folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("text", plans())
def test_each_plan_on_a_page_runs_and_then_has_no_more_to_make(text: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {**FILES, "treadle.yaml": text})
    run_treadle(folder, "run", "*", check=0)
    made = {path.relative_to(folder).as_posix() for path in folder.glob("out/**/*") if path.is_file()}
    assert made or "out:" not in text
    again = run_treadle(folder, "run", check=0 if "out:" in text else None)
    if "always: true" not in text and "out:" in text:
        assert "nothing to do" in again.out


COMPARED = blocks("explanation/comparison.md")
LANGUAGES = {
    "Make": ("make", ""),
    "ninja": ("ninja", ""),
    "Snakemake": ("snakemake", ""),
    "Treadle": ("yaml", "treadle: 1"),
    "doit": ("python", ""),
    "DVC": ("yaml", "stages:"),
    "Taskfile": ("yaml", "version:"),
}


def example(tool: str) -> str:
    """Return the example of a tool in docs/explanation/comparison.md."""
    language, begin = LANGUAGES[tool]
    (text,) = (text for kind, text in COMPARED if kind == language and text.startswith(begin))
    return text


def test_the_lines_of_the_examples_are_counted_right() -> None:
    page = (ROOT / "docs/explanation/comparison.md").read_text("utf-8")
    said = re.findall(r"^\| (\w+) \| (\d+) \|", page, re.MULTILINE)
    counted = [(tool, str(sum(1 for line in example(tool).splitlines() if line.strip()))) for tool in LANGUAGES]
    assert sorted(said) == sorted(counted)
    assert [int(number) for _, number in said] == sorted(int(number) for _, number in said)


@pytest.mark.parametrize(
    ("tool", "name", "command"),
    [
        ("Make", "Makefile", ["make"]),
        ("ninja", "build.ninja", ["ninja"]),
        ("doit", "dodo.py", [sys.executable, "-m", "doit"]),
        ("Treadle", "treadle.yaml", [sys.executable, "-m", "treadle", "run"]),
    ],
    ids=["make", "ninja", "doit", "treadle"],
)
def test_the_examples_do_the_same(tool: str, name: str, command: list[str], tmp_path: Path) -> None:
    if shutil.which(tool.lower(), path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin") is None:
        pytest.skip(f"{tool} is not there")
    folder = folder_with(tmp_path, {name: example(tool), **{k: v for k, v in FILES.items() if k.endswith(".csv")}})
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin") or command[0]
    done = subprocess.run([program, *command[1:]], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "out/all.csv").read_text() == "apples,2\napples,4\npears,3\nquinces,1\n"
    assert (folder / "out/count").read_text().strip() == "4"


def test_a_name_with_a_blank_is_one_name(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"treadle.yaml": example("Treadle"), "data/far; east.csv": "figs,1\n"})
    run_treadle(folder, "run", check=0)
    assert (folder / "out/far; east.sorted").read_text() == "figs,1\n"


def test_what_why_says_of_a_variable_is_what_the_page_shows(tmp_path: Path) -> None:
    plan = "treadle: 1\nactions:\n  out: {sh: 'printenv FLAVOUR > ${out}', out: out.txt, track: [FLAVOUR]}\n"
    folder = folder_with(tmp_path, {"treadle.yaml": plan})
    run_treadle(folder, "run", env={"FLAVOUR": "vanilla"}, check=0)
    (shown,) = (text for kind, text in COMPARED if kind == "console")
    command, _, lines = shown.partition("\n")
    assert command == "$ FLAVOUR=mint treadle why"
    assert run_treadle(folder, "why", env={"FLAVOUR": "mint"}).out.startswith(lines.rstrip("\n"))


def test_the_tests_behind_the_probes_are_there() -> None:
    page = (ROOT / "docs/explanation/comparison.md").read_text("utf-8").partition("\n## Probes\n")[2]
    named = set(re.findall(r"`(test_\d\w+)`", page))
    there = set(
        re.findall(r"^def (test_\w+)", (ROOT / "tests/behaviour/test_ten_probes.py").read_text(), re.MULTILINE)
    )
    assert len(named) == 9
    assert named <= there
