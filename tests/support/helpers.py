"""A folder with a plan, and the real command run in it: to its end, in the background, or on a terminal.

Nothing here sleeps: tests wait for a fifo, a descriptor or the end of a process.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMAND = (sys.executable, "-m", "treadle")
_STARTED: WeakSet[subprocess.Popen[str]] = WeakSet()
"""The commands of `start_treadle` that something still holds."""
DEADLINE = 60.0
"""Seconds after which a test gives up waiting."""
_OURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "TERM", "GITHUB_ACTIONS", "CI", "TREADLE_OUTPUT")


class Result(NamedTuple):
    """How a call of the command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of its stdout."""
        return self.out.splitlines()


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment without what says how to draw, and with `env`."""
    return {**{name: value for name, value in os.environ.items() if name not in _OURS}, **(env or {})}


def run_treadle(
    folder: Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    check: int | None = None,
    prefix: tuple[str, ...] = (),
) -> Result:
    """Run the command to its end.

    :param env: variables beside those of our own environment
    :param check: the exit code that it must have
    :param prefix: a program that starts the command
    """
    child = start_treadle(folder, *args, env=env, prefix=prefix)
    out, err = child.communicate(timeout=DEADLINE)
    result = Result(child.returncode, out, err)
    assert check is None or result.code == check, result
    assert "Traceback" not in result.err, result.err
    return result


def run_python(folder: Path, program: str) -> Result:
    """Run a program of Python, which may change parts of Treadle before it calls them."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def start_treadle(
    folder: Path, *args: str, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """Start the command and go on."""
    child = subprocess.Popen(
        [*prefix, *COMMAND, *args],
        cwd=folder,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        start_new_session=True,
        preexec_fn=_hear_signals,  # noqa: PLW1509 - no thread runs beside it
    )
    _STARTED.add(child)
    return child


def end_started() -> None:
    """End the commands that a failed test has left, and close their pipes: a later test would be blamed for both."""
    for child in list(_STARTED):
        child.kill()
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        _STARTED.discard(child)


def _hear_signals() -> None:
    """Undo what a shell does to those that it starts in the background."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def ended(child: subprocess.Popen[str]) -> Result:
    """Return how a started command ended."""
    out, err = child.communicate(timeout=DEADLINE)
    assert "Traceback" not in err, err
    return Result(child.returncode, out, err)


def plan(folder: Path, text: str, name: str = "treadle.yaml") -> Path:
    """Write a plan; `text` holds its actions and what else stands at the top."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("treadle: 1\n" + text)
    return path


class Fifo:
    """A named pipe between a test and an action, so that each can wait for the other.

    In a script `echo up > FIFO` tells the test, and `read -r line < FIFO` waits for it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # open for both, so that neither side ever waits for somebody to open the other end
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def __str__(self) -> str:
        return str(self.path)

    def wait(self) -> str:
        """Wait until something is written into it; return that."""
        assert select.select([self._fd], [], [], DEADLINE)[0], f"nobody wrote into {self.path}"
        return os.read(self._fd, 65536).decode()

    def open(self) -> None:
        """Let one waiting action go on."""
        os.write(self._fd, b"go\n")


class Waiting:
    """A folder whose actions tell that they are up, and then wait to be let go on."""

    def __init__(self, tmp_path: Path, before: str = "") -> None:
        self.up, self.go = Fifo(tmp_path / "up"), Fifo(tmp_path / "go")
        self.folder = tmp_path / "project"
        self.folder.mkdir()
        script = f"{before}echo up > {self.up}; read -r x < {self.go}; echo x > ${{out}}"
        plan(
            self.folder,
            f"actions:\n  a: {{sh: \"{script}\", out: o}}\n  b: {{sh: 'cat ${{in}} > ${{out}}', in: o, out: p}}\n",
        )

    def start(self, *args: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start a run; return when its action is up."""
        run = start_treadle(self.folder, "run", *args, prefix=prefix)
        self.up.wait()
        return run


def alive(folder: Path) -> list[int]:
    """Return the processes that are at work in a folder; a zombie is in none."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                cwd = os.readlink(f"/proc/{name}/cwd")
            except OSError:
                continue
            if Path(cwd.removesuffix(" (deleted)")).is_relative_to(folder):
                found.append(int(name))
    return found


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, folder: Path, *args: str, env: Mapping[str, str] | None = None, columns: int = 80) -> None:
        self.shown = b""
        self._fd, inner = os.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def take_terminal() -> None:
            _hear_signals()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.child = subprocess.Popen(
            [*COMMAND, *args],
            cwd=folder,
            env=environment({"TERM": "xterm-256color", **(env or {})}),
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=take_terminal,  # noqa: PLW1509 - no thread runs beside it
        )
        os.close(inner)

    @property
    def text(self) -> str:
        """All that was written to it, with its escape sequences."""
        return self.shown.decode(errors="replace")

    def wait_for(self, wanted: str | Callable[[str], object]) -> None:
        """Read until a text was written, or until a call with all that was written is true."""
        end = monotonic() + DEADLINE
        while not (wanted in self.text if isinstance(wanted, str) else wanted(self.text)):
            assert self._read(end), f"it ended before {wanted} came: {self.text!r}"

    def type(self, keys: bytes) -> None:
        """Type keys; b"\\x03" is Ctrl-C."""
        os.write(self._fd, keys)

    def end(self) -> int:
        """Read to the end; return the exit code."""
        end = monotonic() + DEADLINE
        while self._read(end):
            pass
        os.close(self._fd)
        code = self.child.wait(timeout=DEADLINE)
        assert "Traceback" not in self.text, self.text
        return code

    def seen(self) -> list[str]:
        """Return the lines that a person sees at the end, without colours and blank lines."""
        return [line for line in screen_of(self.text) if line]

    def _read(self, end: float) -> bool:
        """Read what is there; return whether there is more to come."""
        assert select.select([self._fd], [], [], max(0.0, end - monotonic()))[0], f"nothing more: {self.text!r}"
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            # that is how the end of all that held the other side is told
            return False
        self.shown += data
        return bool(data)


_ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(.)", re.DOTALL)


def screen_of(text: str) -> list[str]:
    """Return the lines that a terminal shows after it was sent a text: it knows carriage returns and erasing."""
    lines, column = [""], 0
    for number, letter, char in _ESCAPE.findall(text):
        now = lines[-1]
        if letter == "K":
            lines[-1] = "" if number == "2" else now[:column]
        elif char == "\r":
            column = 0
        elif char == "\n":
            lines.append("")
        elif char:
            lines[-1] = now[:column].ljust(column) + char + now[column + 1 :]
            column += 1
        else:
            assert letter == "m", f"an escape sequence that nobody expects: {number}{letter}"
    return [line.rstrip() for line in lines]
