"""A run whose actions wait until the test lets them go on, one by one."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from helpers import DEADLINE, Fifo, plan, run_treadle, start_treadle
from treadle import RunControl
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path


class Held:
    """A folder with a family `f` of actions, each of which says that it has started and waits.

    :param more: further keys of the family, such as `queue: net`
    :param top: what else the plan says
    :param count: how many actions it has
    """

    def __init__(self, tmp_path: Path, more: str = "", top: str = "", count: int = 6) -> None:
        self.folder = tmp_path / "project"
        self.folder.mkdir()
        self.up, self.go = Fifo(tmp_path / "up"), Fifo(tmp_path / "go")
        self._fd = os.open(tmp_path / "go", os.O_WRONLY)
        numbers = ", ".join(str(number) for number in range(count))
        script = f"echo ${{n}} > {self.up}; read -r x < {self.go}"
        plan(
            self.folder,
            f"{top}\ndefault: [f]\nactions:\n  f: {{foreach: {{n: [{numbers}]}}, sh: '{script}'"
            f"{', ' + more if more else ''}}}\n",
        )
        self.child: subprocess.Popen[str] | None = None

    def start(self, *args: str, first: int) -> RunControl:
        """Start a run, and wait until so many actions are up."""
        self.child = start_treadle(self.folder, "run", "--record", *args)
        self.wait_up(first)
        return RunControl(root=self.folder)

    def wait_up(self, count: int) -> None:
        """Wait until so many more have started."""
        seen = 0
        while seen < count:
            seen += len(self.up.wait().split())
        assert seen == count

    def let_go(self, count: int = 1) -> None:
        """Let so many actions end."""
        for _ in range(count):
            # one byte: several wait at the same pipe, and each reads as much as it gets
            os.write(self._fd, b"\n")

    def running(self, run: RunControl, count: int) -> dict[str, Any]:
        """Wait until so many run, and return what the run says then."""
        until(lambda: len(run.state()["running"]) == count, f"{count} run")
        return run.state()

    def end(self) -> tuple[int, str, str]:
        """Wait for the end of the run; return its exit code and what it has printed."""
        assert self.child is not None
        out, err = self.child.communicate(timeout=DEADLINE)
        return self.child.returncode, out, err

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests that the last run has recorded."""
        runs = self.folder / ".treadle/runs"
        lines = (runs / max(os.listdir(runs)) / "events").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == "request"]

    def call(self, *args: str, check: int | None = 0) -> str:
        """Run the command in another terminal, and return all that it prints."""
        done = run_treadle(self.folder, *args, check=check)
        return done.out + done.err
