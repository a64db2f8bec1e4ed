"""What is loaded when: start-up is a feature, and one import at the wrong place undoes it for everybody."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

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
