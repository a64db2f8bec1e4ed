"""Who is compared, each in a folder of its own; it does not know what is measured.

A folder is set up once: its sources and plan are written, and whether it is built shows by what stands there. With
`--keep` it serves later runs of the benchmark too.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import workload

JOBS = "2"
HERE = Path(__file__).parent
RIVALS = "ninja", "make", "doit"
MADE = ".treadle", "out", ".ninja_log", ".ninja_deps", ".doit.db", ".doit.db.db"
PREPARED = ".prepared"
"""What a folder was set up for, by digest."""

Stamp = tuple[int, int] | None


class Contestant(NamedTuple):
    """One of those that are compared."""

    name: str
    argv: list[str]
    folder: Path
    file: str
    text: Callable[[workload.Shape, workload.Edit | None], str]
    by_content: bool = False
    """Whether a file with a new date and its old content runs nothing."""
    reads_commands: int = -1
    """How many actions run when the command of an object has changed; -1: it looks at no commands."""

    @property
    def is_floor(self) -> bool:
        return self.name.startswith("floor")

    def write_plan(self, shape: workload.Shape, edit: workload.Edit | None = None) -> None:
        """Write what it reads, unless it stands there."""
        file, text = self.folder / self.file, self.text(shape, edit)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)

    def set_up(self, shape: workload.Shape) -> None:
        """Write the sources and the plan into an empty folder, unless that has been done before."""
        prepared = self.folder / PREPARED
        version = hashlib.sha256(self.text(shape, None).encode()).hexdigest()
        if not prepared.exists() or prepared.read_text() != version:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            workload.write_sources(self.folder, shape)
            prepared.write_text(version)
        self.write_plan(shape)

    def is_built(self, shape: workload.Shape) -> bool:
        return None not in stamps(self, shape)

    def built_by_hand(self, shape: workload.Shape) -> bool:
        """Put the outputs there without the tool, where it takes such a tree for its own; False: it does not."""
        if self.name not in {"make", "doit"}:
            return False
        workload.write_outputs(self.folder, shape)
        if self.name == "doit":
            command = [self.argv[0], "reset-dep"]
            subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, env=environment())
        return True

    def forget(self) -> None:
        """Put all that it has made and knows away; the folders of outputs stay.

        It is not deleted: some file systems (ext4 without a journal) take ten times as long to make a file for
        minutes after others were deleted, which would be measured.
        """
        for name in MADE:
            path = self.folder / name
            if path.exists():
                path.rename(away(self.folder.parent) / f"{self.folder.name}-{name}-{time.monotonic_ns()}")
        for part in (self.folder / "src").iterdir():
            (self.folder / "out" / part.name).mkdir(parents=True)
        (self.folder / "out/lib").mkdir()


def away(folder: Path) -> Path:
    """Return a folder for what is put away; it is deleted when the benchmark ends."""
    made = folder / ".away"
    if not made.exists():
        made.mkdir()
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def environment() -> dict[str, str]:
    """Return the environment of all that is measured: nothing of ours may change how a Python starts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def stamps(tool: Contestant, shape: workload.Shape) -> list[Stamp]:
    """Return date and inode of every output; one that an action has written has others than before."""
    found: list[Stamp] = []
    for name in shape.outputs():
        try:
            status = os.stat(f"{tool.folder}/{name}")
            found.append((status.st_mtime_ns, status.st_ino))
        except FileNotFoundError:
            found.append(None)
    return found


def written(before: list[Stamp], after: list[Stamp]) -> int:
    """Return how many outputs are others than before."""
    return sum(old != new and new is not None for old, new in zip(before, after, strict=True))


def program(name: str, beside: Path) -> str | None:
    """Return the path of a program: next to Treadle, next to this Python, or on PATH."""
    return shutil.which(
        name, path=os.pathsep.join([str(beside), str(Path(sys.executable).parent), os.environ["PATH"]])
    )


def contestants(folder: Path, treadle: str, rivals: list[str]) -> list[Contestant]:
    """Return Treadle, the rivals that are here, Treadle with other plans, and the two floors."""
    beside = Path(treadle).parent
    run = [treadle, "run", "-j", JOBS]
    found = [Contestant("treadle", run, folder / "treadle", "treadle.yaml", workload.plan_of_words, True, 1)]
    for name, arguments, file, text, by_content, reads_commands in (
        ("ninja", [], "build.ninja", workload.ninja_file, False, 2),
        ("make", ["-rR"], "Makefile", workload.makefile, False, -1),
        ("doit", ["-P", "thread", "-n"], "dodo.py", workload.dodo_file, True, -1),
    ):
        path = program(name, beside) if name in rivals else None
        if path:
            argv = [path, *arguments, JOBS] if name == "doit" else [path, *arguments, "-j", JOBS]
            found.append(Contestant(name, argv, folder / name, file, text, by_content, reads_commands))
    floor = [sys.executable, "-I", "-S", str(HERE / "floor.py"), "commands", JOBS]
    return [
        *found,
        Contestant("treadle, shell", run, folder / "treadle-shell", "treadle.yaml", workload.plan_with_shell),
        Contestant(
            "treadle, resources", run, folder / "treadle-resources", "treadle.yaml", workload.plan_with_resources
        ),
        Contestant("treadle, no shell", run, folder / "treadle-run", "treadle.yaml", workload.plan_without_shell),
        Contestant("floor", floor, folder / "floor", "commands", workload.commands_with_shell),
        Contestant("floor, no shell", floor, folder / "floor-run", "commands", workload.commands_without_shell),
    ]
