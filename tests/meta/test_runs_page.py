"""The page on long runs: each command of it is run, in the order of the page, and prints what it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import DEADLINE, Fifo, environment, start_treadle
from meta.test_command_page import settled
from treadle import RunControl

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs/howto/runs.md").read_text("utf-8")
FIT = """#!/bin/sh
test -e {free} || {{ echo up > {up}; read -r line < {go}$1; }}
echo "$1 $2" > "$3"
"""


VARYING_HERE = (
    (r"\(parameters \w+\)", "(parameters DIGEST)"),
    (r"^on \S+, as \S+, process \d+, since \S+$", "on HOST"),
)


class Place:
    """The folder of the page, with its programs: a fit waits until it is let go, unless all are free."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "project"
        commands = tmp_path / "commands"
        self.folder.mkdir()
        commands.mkdir()
        self.up, self.free, self.go = Fifo(tmp_path / "up"), tmp_path / "free", tmp_path / "go"
        self._gates = [Fifo(tmp_path / f"go{fold}") for fold in range(1, 5)]
        for path, text in (
            (self.folder / "stage", "#!/bin/sh\necho staged >> staged\n"),
            (self.folder / "fit", FIT.format(free=self.free, up=self.up, go=self.go)),
            (self.folder / "upload", '#!/bin/sh\ncat "$1" >> uploads\n'),
            (commands / "treadle", f'#!/bin/sh\nexec "{sys.executable}" -m treadle "$@"\n'),
        ):
            path.write_text(text)
            path.chmod(0o755)
        self.env = environment({"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"})
        self.child: subprocess.Popen[str] | None = None

    def start(self, words: list[str]) -> None:
        """Start the run of a terminal, and wait until it has two fits under way and takes requests."""
        self.free.unlink(missing_ok=True)
        self.child = start_treadle(self.folder, *words)
        self.wait_up(2)

    def wait_up(self, count: int) -> None:
        seen = 0
        while seen < count:
            seen += len(self.up.wait().split())

    def listens(self) -> None:
        RunControl(root=self.folder).state()

    def let_go(self, fold: int) -> None:
        self._gates[fold - 1].open()

    def end(self) -> None:
        assert self.child is not None
        self.child.communicate(timeout=DEADLINE)
        self.child = None
        self.free.touch()

    def run(self, line: str) -> list[str]:
        if self.child is not None:
            self.listens()
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=DEADLINE
        )
        return (done.stdout + re.sub(r"treadle: resuming .*\n", "", done.stderr)).splitlines()


def commands_of(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a block with the lines that it prints."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, *told = part.rstrip("\n").split("\n")
        yield line, told


def alike(lines: list[str]) -> list[str]:
    """Return lines without what differs from run to run, and without the widths of columns."""
    shown = [re.sub(r" +", " ", line.strip()) for line in settled(lines)]
    for pattern, word in VARYING_HERE:
        shown = [re.sub(pattern, word, line) for line in shown]
    # which fold is first, and which takes longest, follows from how long each took
    if "longest:" not in shown:
        return shown
    shown = [re.sub(r"@\d", "@N", line) for line in shown]
    return sorted(re.sub(r"^TIME (stage|fit@N|upload@N)$", "TIME NAME", line) for line in shown)


def test_each_command_of_the_page_prints_what_it_says(tmp_path: Path) -> None:
    place = Place(tmp_path)
    ran = 0
    for kind, block in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if kind == "yaml":
            (place.folder / "treadle.yaml").write_text(block)
        elif kind == "sh" and block.startswith("treadle run"):
            place.start(block.split()[1:])
            if "seed=2" not in block:
                # the first one is through with its upload, and the next one has begun
                place.let_go(1)
                place.wait_up(1)
        elif kind == "sh":
            assert block.startswith("kill -KILL")
            assert place.child is not None
            place.child.send_signal(signal.SIGKILL)
            place.end()
        else:
            for line, told in commands_of(block):
                printed = place.run(line)
                assert alike(printed) == alike(told), (line, printed)
                ran += 1
                if line == "treadle stop":
                    place.end()
    assert ran > 10
    # nothing was done twice, but for what was under way when the run was killed
    assert (place.folder / "staged").read_text() == "staged\n" * 2
    assert sorted((place.folder / "uploads").read_text().split("\n")) == sorted(
        # the last one was marked as done
        ["", *(f"{fold} {seed}" for seed in (1, 2) for fold in (1, 2, 3, 4) if (fold, seed) != (4, 2))]
    )
