"""Programs of ours load nothing of the folder that they are called in: it may be a checkout of others.

Python itself looks there before any of ours runs, but for `-P`, which the docs name where that matters.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (
    "argparse",
    "dask",
    "distributed",
    "json",
    "platform",
    "psutil",
    "select",
    "subprocess",
    "threading",
    "tomllib",
)
"""What they load of Python and of others, each in its turn, and the two below."""
PROGRAMS = {
    "treadle": ["run"],
    "treadle.engines.check": ["--engine", "process"],
    "treadle.engines.worker": [],
    "treadle.engines.guard": ["mark"],
    "treadle.engines.dask_cluster": ["--workers", "1", "--threads", "1", "--folder", "."],
}


@pytest.mark.parametrize("program", list(PROGRAMS))
def test_a_program_loads_nothing_of_the_folder_that_it_is_called_in(tmp_path: Path, program: str) -> None:
    if program.endswith("dask_cluster"):
        pytest.importorskip("distributed")
    (tmp_path / "treadle.yaml").write_text("treadle: 1\nactions: {a: {sh: 'echo > ${out}', out: o}}\n")
    for name in (*NAMES, "yaml", "xxhash"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path)!r} + '/loaded', 'a').write('{name} ')\n")
    # without a name of UTF-8 it would start itself anew
    environ = {**os.environ, "PYTHONUTF8": "1"}
    environ.pop("PYTHONPATH", None)
    environ.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(
        [sys.executable, "-m", program, *PROGRAMS[program]],
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert not (tmp_path / "loaded").exists(), (tmp_path / "loaded").read_text()
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_runs_in_a_folder_that_was_removed(tmp_path: Path) -> None:
    text = f"import os; os.rmdir(os.getcwd()); os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'treadle', '--version'])"
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path / "gone", capture_output=True, check=False, timeout=DEADLINE
    )
    assert done.returncode == 0, done.stderr
