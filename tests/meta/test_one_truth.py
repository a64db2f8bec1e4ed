"""What stands in one place can be changed there: the name of the state folder, the letters of the log."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import treadle
from helpers import environment

PLAN = """
treadle: 1
actions:
  each:
    foreach: {x: "in/*.txt"}
    sh: cat ${in} > ${out}
    in: ${x}
    out: out/${x.stem}
  all: {sh: 'cat ${in} > ${out}', in: {from: each}, out: all}
  tree: {sh: 'cp ${in} ${out}/', in: all, out: tree/}
  found: {sh: 'cat in/a.txt > ${out}; echo "o: in/a.txt" > ${depfile}', out: o, depfile: o.d}
"""

CHANGES = {
    "the name of the state folder": ("content/trust.py", 'STATE_FOLDER = ".treadle"', 'STATE_FOLDER = ".other"'),
    "the letters of the log": (
        "state/log.py",
        'b"B", b"E", b"S", b"R", b"F", b"D", b"P"',
        'b"x", b"F", b"B", b"y", b"S", b"z", b"R"',
    ),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_change_in_one_file_is_a_change_everywhere(change: str, tmp_path: Path) -> None:
    """Random edits, each followed by a run whose outputs must be those of a run from nothing."""
    file, before, after = CHANGES[change]
    site = tmp_path / "site"
    shutil.copytree(Path(treadle.__file__).parent, site / "treadle", ignore=shutil.ignore_patterns("__pycache__"))
    text = (site / "treadle" / file).read_text()
    assert text.count(before) == 1
    (site / "treadle" / file).write_text(text.replace(before, after))
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "treadle.yaml").write_text(PLAN)
    chance = random.Random(change)
    for name in "abc":
        (root / "in" / f"{name}.txt").write_text(name)
    for _ in range(8):
        name = chance.choice("abcd")
        (root / "in" / f"{name}.txt").write_text(f"{name}{chance.random()}\n")
        run(site, root)
        want = "".join(path.read_text() for path in sorted((root / "in").iterdir()))
        assert (root / "all").read_text() == (root / "tree/all").read_text() == want
        assert (root / "o").read_text() == (root / "in/a.txt").read_text()
        assert "nothing to do" in run(site, root)
        assert "nothing to do" in run(site, root, "status")
    assert (root / ".other").exists() == (".other" in after)
    assert (root / ".treadle").exists() != (".other" in after)


def run(site: Path, root: Path, command: str = "run") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "treadle", command],
        cwd=root,
        env={**environment(), "PYTHONPATH": os.pathsep.join([str(site)])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
