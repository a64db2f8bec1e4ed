"""The plans that the project ships, run in a copy: which actions each run has started."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import run_treadle

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
_MADE = shutil.ignore_patterns("__pycache__", "*.egg-info", "out", ".venv", ".treadle")
"""What is no part of a project: what runs in its own folder have made."""
_RAN = re.compile(r"^\[\d+/\d+\] ran (\S+) ", re.MULTILINE)


class Copy:
    """A plan of `plans/` with what it reads, in a folder of its own, to be edited and run.

    :param folder: where the copy goes
    :param plan: the plan, relative to the folder
    :param options: what each run is called with
    """

    def __init__(self, folder: Path, plan: str, *options: str) -> None:
        self.folder = folder
        self.plan = plan
        self.options = options

    def take(self, *names: str) -> None:
        """Copy files and folders of the project."""
        for name in names:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=_MADE)
            else:
                shutil.copy(ROOT / name, target)

    def moved(self, folder: Path) -> Copy:
        """Return a copy of this copy, with its outputs and what is known of them."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Copy(folder, self.plan, *self.options)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the first `old` in a file, which must be there."""
        path = self.folder / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")

    def read(self, name: str) -> str:
        """Return what a file holds."""
        return (self.folder / name).read_text("utf-8")

    def run(self, *names: str, env: Mapping[str, str] | None = None) -> list[str]:
        """Run the plan; return the actions that ran, sorted."""
        paths = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", **(env or {})}
        done = run_treadle(self.folder, "run", "-f", self.plan, *self.options, *names, env=paths, check=0)
        return sorted(_RAN.findall(done.out))

    def why(self, name: str) -> str:
        """Return what `treadle why` says of an action."""
        return run_treadle(self.folder, "why", "-f", self.plan, *self.options, name).out
