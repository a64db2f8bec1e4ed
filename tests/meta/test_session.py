"""What `conftest.py` promises of each session of tests, seen in a session inside of this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from helpers import DEADLINE
from treadle.engines.process_marks import marked

TESTS = Path(__file__).parents[1]


def session(folder: Path, text: str, *, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run tests with our conftest, in a session of their own.

    :param before: commands for the shell that starts it
    """
    (folder / "test_inner.py").write_text("import os, signal, subprocess\nfrom pathlib import Path\n" + text)
    words = [
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        ".",
        "-o",
        f"pythonpath={TESTS} {TESTS / 'support'}",
    ]
    program = [sys.executable, "-m", "pytest", "-q", *words, "test_inner.py"]
    return subprocess.run(
        ["sh", "-c", f'{before}\nexec "$@"', "sh", *program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_a_signal_that_was_ignored_outside_ends_what_tests_start(tmp_path: Path, name: str) -> None:
    text = f"""
def test_it():
    done = subprocess.run(["sh", "-c", "kill -{name} $$; echo still here"], capture_output=True)
    assert (done.returncode, done.stdout) == (-signal.SIG{name}, b"")
"""
    done = session(tmp_path, text, before="trap '' INT TERM HUP")
    assert done.returncode == 0, done.stdout


START = """
def start(mark):
    environ = {**os.environ, "TREADLE_RUN": os.environ["TREADLE_RUN"] + " " + mark}
    subprocess.Popen(["sleep", "300"], start_new_session=True, env=environ)
"""


def test_what_outlives_its_session_is_ended_and_named(tmp_path: Path) -> None:
    mark = f"inner-{uuid4().hex}/x"
    done = session(tmp_path, START + f"def test_it():\n    start({mark!r})\n")
    assert done.returncode == 1
    assert "tests have left these running:" in done.stdout
    assert "sleep 300" in done.stdout
    assert not list(marked(mark))


def test_what_a_failed_test_has_started_is_ended_before_the_next(tmp_path: Path) -> None:
    mark = f"inner-{uuid4().hex}/x"
    text = f"""
def test_one():
    start({mark!r})
    raise ValueError("on purpose")

def test_two():
    from treadle.engines.process_marks import marked
    assert not list(marked({mark!r}))
"""
    done = session(tmp_path, START + text)
    assert "1 failed, 1 passed" in done.stdout
    assert "tests have left" not in done.stdout


def test_term_ends_a_session_with_all_that_its_tests_have_started(tmp_path: Path) -> None:
    mark = f"inner-{uuid4().hex}/x"
    text = f"def test_it():\n    start({mark!r})\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    done = session(tmp_path, START + text)
    assert "KeyboardInterrupt" in done.stdout
    assert not list(marked(mark))
