"""What is loaded when: start-up is a feature, and one import at the wrong place undoes it for everybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from treadle._startup.hot_modules import NOTHING_TO_DO, ONE_EDIT

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
IDIOM = "\nTYPE_CHECKING = False\n"
"""What hot modules write in place of an import of typing."""
SOURCES = ROOT / "src" / "treadle"
RUFF: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
HEAVY: list[str] = RUFF["flake8-tidy-imports"]["banned-module-level-imports"]
"""What a hot module imports in functions only."""


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after a statement, without those it starts with.

    The interpreter runs without site-packages, as their own start-up files may load anything, and gets only
    the folder of the installed package: what needs another package at once fails here.
    """
    spec = find_spec("treadle")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(next(iter(spec.submodule_search_locations))).parent
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); before = set(sys.modules); {statement}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_treadle_loads_nothing_heavy() -> None:
    loaded = loaded_by("import treadle")
    assert "treadle" in loaded
    assert not loaded & set(HEAVY)


def test_import_treadle_loads_few_modules() -> None:
    loaded = loaded_by("import treadle")
    assert len(loaded) <= 5, sorted(loaded)


def test_the_list_of_heavy_modules_is_not_blind() -> None:
    assert set(HEAVY) & loaded_by("import argparse") >= {"argparse", "re"}


PLANS = {
    "two steps": """
  a:
    sh: cat ${in} > ${out}
    in: in.txt
    out: a.txt
  b:
    sh: cat ${in} > ${out}
    in: a.txt
    out: b.txt
""",
    "what was discovered": """
  a:
    sh: |
      cat in.txt > ${out}
      echo 'b.txt: in.txt folder/x' > b.d
    depfile: b.d
    out: b.txt
""",
    "folders, links and output": """
  a:
    sh: cat folder/in.txt > made/x; ln -sf x made/y; echo made
    in: folder/
    out: made/
  b:
    sh: cat in.txt made/x > ${out}
    in: [in.txt, made/]
    out: b.txt
""",
    "limits and variables": """
  a:
    run: cp in.txt b.txt
    in: in.txt
    out: b.txt
    env: {LANG: C}
    pass: [HOME]
    tools: [cp]
    retries: 2
    timeout: 1h
    queue: one
    priority: 3
    keep: true
""",
    "edits and once": """
  a:
    sh: cat in.txt > ${out}
    in: in.txt
    out: b.txt
  b:
    sh: echo >> edited.txt
    in: in.txt
    edits: edited.txt
  c:
    sh: echo > ${out}
    out: c.txt
    once: true
  d:
    sh: "true"
    always: true
""",
}
CONDITIONS = "conditions and an end"
PLANS_WITH_CONDITIONS = {
    CONDITIONS: """
  a: {sh: 'cat ${in} > ${out}', in: in.txt, out: b.txt}
  b: {sh: 'echo > ${out}', in: folder/, out: c.txt, needs: [{action: a, when: on_failure}]}
  c: {sh: 'cat ${in} > ${out}', in: folder/x, out: d.txt, needs: [{action: a, when: always}]}
  d: {run: 'true', finally: true}
"""
}
"""Actions of plans with one input, in.txt, and an output b.txt that says what it holds."""
RUN = "import sys; sys.argv = ['treadle', 'run']; from treadle.__main__ import main; assert main() == 0"
QUICK = {"gc", "itertools", "xxhash"}
"""What the quick answer needs of others."""
EDIT = {
    *(
        "__future__",
        "_bisect",
        "_heapq",
        "_json",
        "_queue",
        "_struct",
        "bisect",
        "fcntl",
        "pwd",
        "resource",
        "select",
    ),
    "struct",
}
"""What a walk over a part needs beside that, and beside what is built into the interpreter.

A part of `json` in C and the name of the user are for the record of the run. `os.wait4` loads `resource`, to say what a program has used; it is loaded while the first program runs.
"""


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A folder with a plan that has nothing to do, and a snapshot that says so."""
    monkeypatch.chdir(tmp_path)
    actions = {**PLANS, **PLANS_WITH_CONDITIONS}[getattr(request, "param", "two steps")]
    (tmp_path / "treadle.yaml").write_text(f"treadle: 1\nqueues: {{one: 1}}\nactions:{actions}")
    (tmp_path / "folder").mkdir()
    for name in ("in.txt", "edited.txt", "folder/in.txt", "folder/x"):
        (tmp_path / name).write_text("x")
    for _ in range(3):
        subprocess.run([sys.executable, "-m", "treadle", "run"], check=True, capture_output=True)
    return tmp_path


DISCOVERS = "what was discovered"
DISCOVERY = {"treadle.command.depfile", "treadle.command.discovery"}
"""What is loaded in that case alone."""


def loaded_in_a_run() -> set[str]:
    """Return what `treadle run` loads here, without what the interpreter starts with."""
    program = f"import sys; before = set(sys.modules); {RUN}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


def own(modules: Iterable[str]) -> set[str]:
    """Return the modules of ours among some."""
    return {name for name in modules if name.partition(".")[0] == "treadle"}


def with_packages(modules: Iterable[str]) -> set[str]:
    """Return modules and the packages that hold them."""
    return {
        ".".join(parts[:n]) for parts in (name.split(".") for name in modules) for n in range(1, len(parts) + 1)
    }


@pytest.mark.parametrize("settled", ["two steps", CONDITIONS], indirect=True)
@pytest.mark.usefixtures("settled")
def test_a_run_with_nothing_to_do_loads_the_hot_modules_declared_for_it_and_no_other() -> None:
    loaded = loaded_in_a_run()
    assert own(loaded) == with_packages(NOTHING_TO_DO)
    assert not loaded & set(HEAVY)
    assert {name.split(".")[0] for name in loaded - own(loaded)} <= QUICK | {"__future__"}


@pytest.mark.parametrize("settled", PLANS, indirect=True)
def test_a_run_after_one_edit_loads_the_hot_modules_and_no_other(
    settled: Path, request: pytest.FixtureRequest
) -> None:
    (settled / "in.txt").write_text("y")
    loaded = loaded_in_a_run()
    assert (settled / "b.txt").read_text().startswith("y")
    listed = {*NOTHING_TO_DO, *ONE_EDIT} - (set() if request.node.callspec.id == DISCOVERS else DISCOVERY)
    assert own(loaded) == with_packages(listed)
    assert {name.split(".")[0] for name in loaded - own(loaded)} <= QUICK | EDIT | set(sys.builtin_module_names)


def test_ruff_refuses_heavy_imports_at_the_top_of_the_hot_modules_and_of_no_other() -> None:
    keys = [key for key, rules in RUFF["per-file-ignores"].items() if "TID253" in rules]
    assert keys == [key_of_the_others()], f'pyproject.toml: write {key_of_the_others()!r} = ["TID253"]'


def key_of_the_others() -> str:
    """Return the pattern of ruff for all files but the hot modules."""
    names: dict[str, list[str]] = {}
    for module in sorted((*NOTHING_TO_DO, *ONE_EDIT)):
        package, _, name = module.partition(".")[2].rpartition(".")
        names.setdefault(package, []).append(name or "__init__")
    files = names.pop("")
    for package, inside in sorted(names.items()):
        files.append(
            f"{package.replace('.', '/')}/{inside[0] if inside[1:] == [] else '{' + ','.join(inside) + '}'}"
        )
    return f"!src/treadle/{{{','.join(files)}}}.py"


def test_only_hot_modules_go_without_typing() -> None:
    files = {
        path.relative_to(ROOT / "src").with_suffix("").as_posix(): path for path in (ROOT / "src").rglob("*.py")
    }
    names = {
        file.removesuffix("/__init__").replace("/", ".")
        for file, path in files.items()
        if IDIOM in path.read_text()
    }
    assert names <= {*NOTHING_TO_DO, *ONE_EDIT}


@pytest.mark.parametrize(
    "package", sorted(with_packages((*NOTHING_TO_DO, *ONE_EDIT)) - {"treadle", *NOTHING_TO_DO, *ONE_EDIT})
)
def test_the_init_of_a_package_that_a_run_loads_holds_its_first_line_only(package: str) -> None:
    lines = Path(SOURCES, *package.split(".")[1:], "__init__.py").read_text("utf-8").splitlines()
    assert len(lines) == 1
    assert lines[0].startswith('"""')


@pytest.mark.parametrize("settled", [CONDITIONS], indirect=True)
def test_a_plan_with_conditions_and_an_end_keeps_its_fast_path(settled: Path) -> None:
    """C7 and C8: one edit is walked without the plan; of ours nothing is loaded but what these two need."""
    (settled / "in.txt").write_text("y")
    loaded = loaded_in_a_run()
    assert (settled / "b.txt").read_text() == "y"
    own_ones = {"treadle.core.conditions", "treadle.core.unneeded", "treadle.command.last"}
    assert own(loaded) - with_packages({*NOTHING_TO_DO, *ONE_EDIT}) <= own_ones
    assert not [name for name in loaded if name.startswith("treadle.plan")]


@pytest.mark.system("strace")
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there to count opened files")
def test_a_run_with_nothing_to_do_opens_two_files_of_its_own_and_looks_at_each_file_once(settled: Path) -> None:
    trace = settled.parent / "trace"
    command = [str(Path(sys.executable).parent / "treadle"), "run"]
    subprocess.run(["strace", "-f", "-o", str(trace), *command], check=True, capture_output=True)
    calls = trace.read_text().splitlines()
    opened = [line for line in calls if "openat(" in line and f'"{settled}/' in line]
    assert len(opened) == 2, opened
    for name in ("in.txt", "a.txt", "b.txt", "treadle.yaml"):
        looks = [line for line in calls if f'"{name}"' in line]
        assert len(looks) == 1, looks
    # whose they are: the plan that is nearest, its folder, the state, the snapshot, and the mark of the records; and
    # whether the folder is the top of a repository, beyond which no plan is looked for that includes this one
    checks = [line for line in calls if "stat" in line.partition("(")[0] and f'"{settled}/' in line]
    assert len(checks) <= 5, checks
    marks = [line for line in calls if f'"{os.environ["XDG_STATE_HOME"]}/' in line]
    # the mark, and the folder that it is in
    assert len(marks) == 2, marks
    assert not any("O_WRONLY" in line or "O_CREAT" in line or "flock" in line for line in calls)
