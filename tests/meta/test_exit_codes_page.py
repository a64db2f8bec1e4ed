"""The page of exit codes: the command ends with each code that it lists, and its example says what it should."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE, Fifo, ended, environment, plan, run_python, run_treadle, start_treadle

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[2] / "docs/reference/exit-codes.md").read_text("utf-8")
FINE = "actions:\n  a: {sh: 'echo x > ${out}', out: o}\n"
FAILS = "actions:\n  a: {sh: 'exit 7', out: o}\n"
LASTS = "actions:\n  a: {sh: 'echo up > up; sleep 300', out: o}\n"


def done(folder: Path) -> int:
    plan(folder, FINE)
    return run_treadle(folder, "run").code


def failed(folder: Path) -> int:
    plan(folder, FAILS)
    return run_treadle(folder, "run").code


def pending(folder: Path) -> int:
    plan(folder, FINE)
    codes = {run_treadle(folder, *args).code for args in (("status",), ("run", "-n"))}
    run_treadle(folder, "run", check=0)
    codes.add(run_treadle(folder, "clean", "-n").code)
    (code,) = codes
    return code


def left(folder: Path) -> int:
    plan(folder, "actions:\n  a: {sh: 'echo x > ${out}', out: o}\n  b: {sh: 'echo x > ${out}', out: p}\n")
    return run_treadle(folder, "run", "--stop-after", "1", "-j1").code


def wrong_plan(folder: Path) -> int:
    plan(folder, "actions:\n  a: {runn: x}\n")
    return run_treadle(folder, "run").code


def wrong_call(folder: Path) -> int:
    plan(folder, FINE)
    return run_treadle(folder, "run", "--nonsense").code


def full_disk(folder: Path) -> int:
    plan(folder, FINE)
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "treadle", "list"]
        return subprocess.run(
            command, cwd=folder, env=environment(), stdout=full, stderr=subprocess.DEVNULL, timeout=DEADLINE
        ).returncode


def active(folder: Path) -> int:
    up = Fifo(folder / "up")
    plan(folder, LASTS)
    child = start_treadle(folder, "run")
    up.wait()
    codes = {run_treadle(folder, "run", *args).code for args in (("--no-wait",), ("--run-timeout", "1s"))}
    child.terminate()
    ended(child)
    (code,) = codes
    return code


def bug(folder: Path) -> int:
    plan(folder, FINE)
    program = """
import sys
import treadle.session.run
from treadle.cli.main import main

def broken(*args):
    raise ValueError

treadle.session.run._walk_of = broken
sys.exit(main(["run"]))
"""
    return run_python(folder, program).code


def signalled(number: signal.Signals) -> Callable[[Path], int]:
    def ended_by_it(folder: Path) -> int:
        up = Fifo(folder / "up")
        plan(folder, LASTS)
        child = start_treadle(folder, "run")
        up.wait()
        child.send_signal(number)
        return ended(child).code

    ended_by_it.__name__ = number.name
    return ended_by_it


def closed_pipe(folder: Path) -> int:
    plan(folder, FINE)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "treadle", "list"]
    try:
        return subprocess.run(command, cwd=folder, env=environment(), stdout=writer, timeout=DEADLINE).returncode
    finally:
        os.close(writer)


PROVOKED: dict[int, tuple[Callable[[Path], int], ...]] = {
    0: (done,),
    1: (failed, pending, left),
    2: (wrong_plan, wrong_call, full_disk),
    3: (active,),
    70: (bug,),
    129: (signalled(signal.SIGHUP),),
    130: (signalled(signal.SIGINT),),
    143: (signalled(signal.SIGTERM),),
    141: (closed_pipe,),
}
"""What ends with each code: one call for each case that the table names."""


@pytest.mark.parametrize(
    ("code", "call"),
    [pytest.param(code, call, id=f"{code}-{call.__name__}") for code, calls in PROVOKED.items() for call in calls],
)
def test_the_command_ends_with_each_code_of_the_page(
    code: int, call: Callable[[Path], int], tmp_path: Path
) -> None:
    assert call(tmp_path) == code


def test_the_page_lists_these_codes_and_no_others() -> None:
    table = re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)
    assert [int(code) for row in table for code in row.split(",")] == list(PROVOKED)


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [(FINE, "all is well", 0), (FAILS, "an action failed", 0), ("nonsense: 1\n", "the call did not work", 1)],
)
def test_the_example_of_the_page_tells_the_codes_apart(text: str, said: str, code: int, tmp_path: Path) -> None:
    (script,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    plan(tmp_path, text)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=environment({"PATH": path}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said in (shell.stdout + shell.stderr).splitlines()
    assert shell.returncode == code
