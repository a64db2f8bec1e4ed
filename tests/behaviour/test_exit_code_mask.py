"""`run --exit-code=mask`: the exit code is a sum of what there was among the outcomes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from project import Project, wait_until

PLAN = """\
treadle: 1
actions:
  good: {sh: 'true'}
  expected: {sh: 'exit 1', expect: failure}
  diffed: {sh: 'exit 64'}
  late: {sh: 'sleep 600', timeout: 10ms}
  failed: {sh: 'exit 1'}
  killed: {sh: 'kill -KILL $$'}
  nothing: {argv: [no-such-program-anywhere]}
  broken: {sh: 'true', out: never, in: here}
  skips: {sh: 'exit 80', codes: {skipped: 80}}
  needless: {sh: 'true', needs: [skips]}
  busy: {sh: 'exit 75'}
  blocked: {sh: 'true', needs: [failed]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write("here", "")
    made.write("plan", PLAN)
    return made


@pytest.mark.parametrize(
    ("names", "bits"),
    [
        ("good", 0),
        ("good expected skips needless", 0),
        ("diffed good", 2),
        ("late", 4),
        ("failed", 8),
        ("killed", 8),
        ("nothing", 8),
        ("broken", 8),
        ("busy", 64),
        ("blocked", 8),
        ("diffed late", 2 | 4),
        ("diffed late failed busy blocked", 2 | 4 | 8 | 64),
    ],
)
def test_each_outcome_has_its_bit_and_they_are_joined(names: str, bits: int, project: Project) -> None:
    words = names.split()
    assert project.treadle("run", "-k", "--exit-code=mask", *words).code == bits
    assert project.treadle("run", "-k", "--exit-code", "mask", *words).code == bits
    # without it all is as ever
    assert project.treadle("run", "-k", *words).code == (1 if bits else 0)


def test_what_was_not_started_has_a_bit(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {sh: 'exit 64', priority: 2}\n  b: {sh: 'true'}\n")
    assert project.treadle("run", "-j1", "--exit-code=mask", "a", "b").code == 2 | 32


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_has_a_bit(number: int, project: Project) -> None:
    project.write(
        "plan",
        "treadle: 1\nactions:\n  a: {sh: 'echo a >> $LOG; exec sleep 600', pass: [LOG]}\n  b: {sh: 'true', needs: [a]}\n",
    )
    child = project.start("run", "--exit-code=mask", "b")
    wait_until(project.starts)
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode == 16 | 32


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("treadle: 1\nactions:\n  a: {nonsense: x}\n", ()),
        ("treadle: 1\nactions:\n  a: {run: 'true'}\n", ("no-such-name",)),
        ("treadle: 1\nactions:\n  a: {run: 'true'}\n", ("a", "--events", "/proc/events")),
    ],
)
def test_a_wrong_plan_or_call_has_a_bit(plan: str, words: tuple[str, ...], project: Project) -> None:
    project.write("plan", plan)
    done = project.treadle("run", "--exit-code=mask", *words)
    assert done.code == 64, done.text
    assert project.treadle("run", *words).code == 2


def test_nothing_to_do_is_zero(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {sh: 'echo > o', out: o}\n")
    for _ in range(2):
        assert project.treadle("run", "--exit-code=mask").code == 0


@pytest.mark.parametrize("words", [("--exit-code=masks",), ("--exit-code",), ("--exit-code=mask", "--watch")])
def test_what_it_cannot_be_is_a_wrong_call(words: tuple[str, ...], project: Project) -> None:
    done = project.treadle("run", *words)
    assert done.code in (2, 64), done.text
    assert "exit-code" in done.err


def test_a_lost_stdout_has_a_bit(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {sh: 'exit 64'}\n")
    project.prefix = ("sh", "-c", 'exec "$@" > /dev/full', "sh")
    assert project.treadle("run", "--exit-code=mask", "a").code == 2 | 64
