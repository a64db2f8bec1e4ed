"""The thread of a recorded run: what it calls when, what of it fails, and how it ends."""

from __future__ import annotations

import os
import threading
from _thread import get_ident
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

import pytest

from treadle.events.background import Background
from waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Beside:
    """A thread, the clock that it lives by, and what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.clock = Clock()
        self.thread = Background(self.said.append, clock=self.clock)

    def move(self, seconds: float) -> None:
        """Let so much time pass."""
        self.clock.now += seconds
        self.thread.wake()


@pytest.fixture
def beside() -> Iterator[Beside]:
    made = Beside()
    yield made
    made.thread.close()


def _has(calls: list[float], count: int) -> bool:
    return len(calls) == count


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "treadle-background"]


def test_what_is_added_waits_for_the_begin(beside: Beside) -> None:
    called: list[int] = []
    beside.thread.every(1, lambda: called.append(1))
    beside.thread.at_end(lambda: called.append(2))
    beside.thread.round()
    assert not beside.thread.has_begun
    assert beside.thread.close()
    assert (threads(), called) == ([], [])


def test_a_function_is_called_every_so_often_and_never_made_up_for(beside: Beside) -> None:
    calls: list[float] = []
    beside.thread.every(10, lambda: calls.append(beside.clock.now))
    beside.thread.begin()
    until(lambda: calls == [100], "the first call")
    beside.move(35)
    until(lambda: calls == [100, 135], "the second call")
    beside.move(9)
    beside.move(1)
    until(lambda: calls == [100, 135, 145], "the third call")


def test_a_descriptor_with_something_to_read_has_its_function_called(beside: Beside) -> None:
    ours, theirs = os.pipe()
    heard: list[bytes] = []
    beside.thread.begin()
    beside.thread.watch(ours, lambda: heard.append(os.read(ours, 10)))
    os.write(theirs, b"one")
    until(lambda: heard == [b"one"], "what was written")
    os.write(theirs, b"two")
    until(lambda: heard == [b"one", b"two"], "what was written after it")
    assert beside.thread.close()
    os.close(ours)
    os.close(theirs)


def test_what_raises_is_told_once_and_not_called_any_more(beside: Beside) -> None:
    calls: list[float] = []

    def fails() -> None:
        raise ValueError("no")

    beside.thread.every(1, fails)
    beside.thread.every(1, lambda: calls.append(beside.clock.now))
    beside.thread.begin()
    for count in (1, 2, 3):
        until(partial(_has, calls, count), "the other function")
        beside.move(1)
    assert beside.said == []
    beside.thread.close()
    (text,) = beside.said
    assert text.endswith("fails failed, and is not called any more: ValueError: no")


def test_what_is_handed_over_is_called_in_the_thread_of_the_loop(beside: Beside) -> None:
    at: list[int] = []
    woken = Event()
    beside.thread.wake_loop = woken.set
    beside.thread.every(10, lambda: beside.thread.hand(lambda: at.append(get_ident())))
    beside.thread.begin()
    assert woken.wait(DEADLINE)
    assert at == []
    beside.thread.round()
    assert at == [get_ident()]


def test_what_is_to_be_done_last_is_done_in_the_thread(beside: Beside) -> None:
    at: list[int] = []
    beside.thread.at_end(lambda: at.append(get_ident()))
    beside.thread.begin()
    assert beside.thread.close()
    assert len(at) == 1
    assert at != [get_ident()]
    assert threads() == []


def test_what_does_not_end_is_left_alone_after_a_bound(beside: Beside) -> None:
    entered, leave = Event(), Event()

    def hangs() -> None:
        entered.set()
        leave.wait(DEADLINE)

    beside.thread.every(1, hangs)
    beside.thread.begin()
    assert entered.wait(DEADLINE)
    assert not beside.thread.close(within=0.01)
    leave.set()
    assert beside.thread.close()
    assert threads() == []


def test_without_descriptors_one_line_says_that_there_is_no_thread(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pipe", refuses)
    assert not beside.thread.begin()
    assert not beside.thread.begin()
    assert len(beside.said) == 1
    assert "Too many open files" in beside.said[0]


def test_a_signal_is_for_the_loop(beside: Beside) -> None:
    from signal import SIG_BLOCK, SIGTERM, pthread_sigmask

    blocked: list[bool] = []
    beside.thread.every(10, lambda: blocked.append(SIGTERM in pthread_sigmask(SIG_BLOCK, ())))
    beside.thread.begin()
    until(lambda: blocked == [True], "the call")
