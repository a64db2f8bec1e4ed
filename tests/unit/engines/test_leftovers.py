"""What dead workers have left: programs whose worker and guard were killed together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from project import wait_until
from treadle.engines.leftovers import GUARD, end_leftovers
from treadle.engines.process_marks import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def begin() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return what starts a program that does nothing, with marks, or as the guard of a mark."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(marks: str = "", guard: str = "") -> subprocess.Popen[bytes]:
        words = [GUARD, guard] if guard else []
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", "print(flush=True); input()", *words],
            env={**os.environ, MARK: marks},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        begun.append(child)
        assert child.stdout is not None
        child.stdout.readline()
        return child

    yield start
    for child in begun:
        child.kill()
        child.communicate()


@pytest.mark.parametrize(
    ("marks", "guard", "is_ended"),
    [
        ("run/a host-1-aa.1/agent", "", True),
        ("run/a host-1-aa.1/agent run/b other-1-bb.1/agent", "other-1-bb.1", True),
        ("run/a host-1-aa.1/agent", "host-1-aa.1", False),
        ("run/a host-1-aa.1/agent", "host-1-aa.2", False),
        ("run/a host-1-aa.1/agent", "host-1-ab.1", True),
        ("run/a host-1-aa/agent", "", False),
        ("run/a", "", False),
        ("run/agent", "", False),
    ],
)
def test_what_has_an_agent_and_no_guard_is_ended(
    begin: Callable[..., subprocess.Popen[bytes]], marks: str, guard: str, *, is_ended: bool
) -> None:
    """E6: any guard of its worker takes care of all that this one has started."""
    child = begin(marks)
    if guard:
        begin(guard=guard)
    found = end_leftovers(lambda _seconds: None)
    assert ("host-1-aa.1" in found) is is_ended
    assert (child.poll() is not None or _ends(child)) if is_ended else child.poll() is None


def _ends(child: subprocess.Popen[bytes]) -> bool:
    wait_until(lambda: child.poll() is not None)
    return True


def test_a_worker_may_be_starting_another_guard(begin: Callable[..., subprocess.Popen[bytes]]) -> None:
    child = begin("run/a host-1-aa.1/agent")

    def start_another(_seconds: float) -> None:
        begin(guard="host-1-aa.2")

    assert end_leftovers(start_another) == []
    assert child.poll() is None


def test_nothing_is_waited_for_where_nothing_is_left() -> None:
    began = time.monotonic()
    assert end_leftovers(lambda _seconds: pytest.fail("nothing was left")) == []
    assert time.monotonic() - began < 60
