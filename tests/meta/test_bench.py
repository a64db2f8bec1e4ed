"""The benchmark measures what it says, at a size where that takes no time; no figure is judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ACTIONS = 20
BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """Return a command that starts the Treadle of this Python."""
    return executable(tmp_path / "treadle", "import sys\nfrom treadle.__main__ import main\nsys.exit(main())\n")


def executable(file: Path, text: str) -> Path:
    """Write a Python program."""
    file.write_text(f"#!{sys.executable}\n{text}")
    file.chmod(0o755)
    return file


def compare(treadle: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark without rivals, once each."""
    program = [sys.executable, str(BENCH / "compare.py"), str(ACTIONS), "--runs", "1", "--rivals", ""]
    return subprocess.run([*program, "--treadle", str(treadle), *arguments], capture_output=True, text=True)


def test_the_benchmark_prints_its_tables_and_every_run_did_what_it_had_to(launcher: Path, tmp_path: Path) -> None:
    ended = compare(launcher, "--json", str(tmp_path / "samples.json"))

    assert ended.returncode == 0, ended.stderr
    for title in ("a cold run", "nothing to do", "one source edited", "a shared header touched", "What we aim at"):
        assert f"### {title}, {ACTIONS} actions" in ended.stdout
    samples = json.loads((tmp_path / "samples.json").read_text())["samples"][str(ACTIONS)]
    ran = {phase: samples[phase]["treadle"][0]["ran"] for phase in samples}
    assert ran == {"cold": ACTIONS, "after": 0, "null": 0, "edit": 2, "touch": 0, "header": 4, "command": 1}


def test_the_floor_runs_the_same_commands(launcher: Path, tmp_path: Path) -> None:
    assert compare(launcher, "--phases", "cold", "--keep", str(tmp_path)).returncode == 0

    trees = [tmp_path / str(ACTIONS) / name for name in ("treadle", "treadle-run", "floor", "floor-run")]
    made = [{file.relative_to(tree): file.read_text() for file in tree.rglob("out/**/*.[oa]")} for tree in trees]
    assert len(made[0]) == ACTIONS
    assert made[1:] == [made[0]] * 3


def test_a_tree_that_is_kept_is_not_built_again(launcher: Path, tmp_path: Path) -> None:
    arguments = "--phases", "null", "--keep", str(tmp_path)
    compare(launcher, *arguments)
    outputs = sorted(tmp_path.rglob("out/**/*.[oa]"))
    before = [file.stat().st_ino for file in outputs]

    assert compare(launcher, *arguments).returncode == 0
    assert [file.stat().st_ino for file in outputs] == before


def test_a_program_that_is_fast_since_it_does_nothing_is_noticed(tmp_path: Path) -> None:
    idle = executable(tmp_path / "treadle", "")

    ended = compare(idle, "--phases", "edit")

    assert ended.returncode == 1
    assert f"{ACTIONS} actions, one source edited: treadle ran 0 of them, not 2" in ended.stderr


def test_an_unknown_phase_is_refused(launcher: Path) -> None:
    ended = compare(launcher, "--phases", "null,warm")

    assert ended.returncode == 2
    assert "no such phase: warm" in ended.stderr


def test_the_order_by_longest_paths_is_measured_against_that_of_insertion() -> None:
    program = [sys.executable, str(BENCH / "order.py"), "--tokens", "4", "--vertices", "100"]
    ended = subprocess.run(program, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    rows = [line.strip("| ").split(" | ") for line in ended.stdout.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["one long chain", "project", "pipeline"]
    for _, _, inserted, ordered, _, least in rows:
        assert float(inserted) > float(ordered) >= float(least)
    assert f"| {' | '.join(rows[0])} |" in (BENCH.parent / "docs/explanation/performance.md").read_text()


def test_the_bench_of_the_ledger_asks_all_that_the_commands_ask() -> None:
    words = [sys.executable, str(BENCH / "ledger.py"), "--runs", "2", "--actions", "60"]
    ended = subprocess.run(words, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "120 attempts, filled in" in ended.stdout
    assert "stats FAMILY" in ended.stdout
