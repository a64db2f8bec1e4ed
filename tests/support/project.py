"""A folder with a plan, and the real command run in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

COMMAND = (sys.executable, "-m", "treadle")
DEADLINE = 60.0


class Done(NamedTuple):
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.out + self.err


class Project:
    """A folder in which plans are written and run.

    Actions that print their name into `$LOG` are counted by `starts`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.starts"
        self.prefix: tuple[str, ...] = ()
        self.environ = {**os.environ, "LOG": str(self.log), "NO_COLOR": "1"}
        for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "CI", "TREADLE_OUTPUT"):
            self.environ.pop(name, None)
        folder.mkdir(exist_ok=True)

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file; `plan` stands for treadle.yaml."""
        path = self.folder / ("treadle.yaml" if name == "plan" else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def read(self, name: str) -> str:
        """Return what a file holds."""
        return (self.folder / name).read_text()

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start the command and go on."""
        return subprocess.Popen(
            [*self.prefix, *COMMAND, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
            start_new_session=True,
        )

    def treadle(self, *arguments: str, **environ: str) -> Done:
        """Run the command to its end."""
        child = self.start(*arguments, **environ)
        out, err = child.communicate(timeout=DEADLINE)
        done = Done(child.returncode, out, err)
        assert "Traceback" not in done.text, done.text
        return done

    def run(self, *arguments: str, code: int = 0, **environ: str) -> list[str]:
        """Run the plan; return the names that started, sorted."""
        before = len(self.starts())
        done = self.treadle("run", *arguments, **environ)
        assert done.code == code, done.text
        return sorted(self.starts()[before:])

    def run_shell(self, script: str) -> None:
        """Run a script of a shell in the folder."""
        subprocess.run(["bash", "-euc", script], cwd=self.folder, env=self.environ, check=True)

    def starts(self) -> list[str]:
        """Return the names that have started since the project was made, in order."""
        return self.log.read_text().split() if self.log.exists() else []


def wait_until(what: object, *, message: str = "") -> None:
    """Call `what` until it is true, at most until the deadline."""
    assert callable(what)
    end = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < end, message or "it did not come to pass"
        time.sleep(0.003)


def alive(mark: str) -> list[int]:
    """Return the processes whose environment holds `mark`; a zombie holds none."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environ = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:
                continue
            if mark.encode() in environ:
                found.append(int(name))
    return found
