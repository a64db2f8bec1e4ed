"""What is loaded when: start-up is a feature, and one import at the wrong place undoes it for everybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HEAVY = (
    *("argparse", "asyncio", "dataclasses", "inspect", "json", "logging", "pathlib", "re", "shutil"),
    *("subprocess", "tempfile", "threading", "typing", "networkx", "psutil", "rich", "yaml"),
)


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


PLAN = """
treadle: 1
actions:
  a:
    sh: cat ${in} > ${out}
    in: in.txt
    out: a.txt
  b:
    sh: cat ${in} > ${out}
    in: a.txt
    out: b.txt
"""
RUN = "import sys; sys.argv = ['treadle', 'run']; from treadle.__main__ import main; assert main() == 0"
QUICK = {"gc", "itertools", "xxhash"}
"""What the quick answer needs of others."""
EDIT = {"__future__", "_bisect", "_heapq", "_queue", "_struct", "bisect", "fcntl", "select", "struct"}
"""What a walk over a part needs beside that, and beside what is built into the interpreter."""


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan that has nothing to do, and a snapshot that says so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "treadle.yaml").write_text(PLAN)
    (tmp_path / "in.txt").write_text("x")
    for _ in range(3):
        subprocess.run([sys.executable, "-m", "treadle", "run"], check=True, capture_output=True)
    return tmp_path


def loaded_in_a_run() -> set[str]:
    """Return what `treadle run` loads here, without what the interpreter starts with."""
    program = f"import sys; before = set(sys.modules); {RUN}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.usefixtures("settled")
def test_a_run_with_nothing_to_do_loads_only_what_answers() -> None:
    loaded = loaded_in_a_run()
    own = {name for name in loaded if name.split(".")[0] == "treadle"}
    assert own == {
        *("treadle", "treadle.__main__", "treadle._version", "treadle.content", "treadle.content.trust"),
        "treadle.content.timestamps",
        *("treadle.fastpath", "treadle.fastpath.probe", "treadle.fastpath.snapshot_file"),
        *("treadle.session", "treadle.session.fast_start", "treadle.ui", "treadle.ui.durations"),
    }
    assert not loaded & set(HEAVY)
    assert {name.split(".")[0] for name in loaded - own} <= QUICK | {"__future__"}


def test_one_edit_is_run_without_the_plan_being_read(settled: Path) -> None:
    (settled / "in.txt").write_text("y")
    loaded = loaded_in_a_run()
    assert (settled / "b.txt").read_text() == "y"
    assert "treadle.command.walk" in loaded
    own = {name for name in loaded if name.split(".")[0] == "treadle"}
    assert "treadle.plan" not in own
    assert {name.split(".")[0] for name in loaded - own} <= QUICK | EDIT | set(sys.builtin_module_names)


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
    # whose they are: the plan that is nearest, its folder, the state, the snapshot, and the mark of the records
    checks = [line for line in calls if "stat" in line.partition("(")[0] and f'"{settled}/' in line]
    assert len(checks) <= 4, checks
    marks = [line for line in calls if f'"{os.environ["XDG_STATE_HOME"]}/' in line]
    # the mark, and the folder that it is in
    assert len(marks) == 2, marks
    assert not any("O_WRONLY" in line or "O_CREAT" in line or "flock" in line for line in calls)
