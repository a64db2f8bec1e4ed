"""What a killed run has left with an engine is told to stop, and waited for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from treadle.command.left_elsewhere import MARGIN, end_elsewhere
from treadle.core.lease import Lease, parse
from treadle.engines.agent import new_name
from treadle.engines.spec import RunFolder
from treadle.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LEASE = 60.0
RUN = "0123456789abcdef"
ELSEWHERE = "farm9-12-abcd"


class Clock:
    """A clock that goes on when something waits, and does something then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile: Callable[[float], object] = lambda _: None

    def __call__(self) -> float:
        return self.now

    def nap(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile(self.now)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(str(tmp_path / "runs" / RUN))
    made.make()
    write(made.lease, Lease(7, LEASE).text())
    return made


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def end(folder: RunFolder, clock: Clock, **more: Any) -> list[str]:
    said: list[str] = []
    state = os.path.dirname(os.path.dirname(folder.path))
    end_elsewhere(state, RUN, "farm", LEASE, say=said.append, clock=clock, nap=clock.nap, **more)
    return said


def begin(folder: RunFolder, token: str = "a", worker: str = ELSEWHERE) -> None:
    write(folder.spec(token), "{}")
    assert folder.claim(token)
    if worker:
        write(folder.owner(token), f"{worker}\n")


@pytest.mark.parametrize(
    ("left", "was_here", "waits"),
    [
        ("nothing", False, 0.0),
        ("not begun", False, 0.0),
        ("reported", False, 0.0),
        ("its worker gone", False, 0.0),
        # what carries the mark of a run of this machine was ended
        ("on this host", True, 0.0),
        ("on this host", False, LEASE + MARGIN),
        ("begun", False, LEASE + MARGIN),
        ("begun", True, LEASE + MARGIN),
        ("begun, its worker not known", True, LEASE + MARGIN),
        ("reports later", False, 30.0),
    ],
)
def test_what_was_begun_elsewhere_is_waited_for(folder: RunFolder, left: str, was_here: bool, waits: float) -> None:
    clock = Clock()
    if left == "not begun":
        write(folder.spec("a"), "{}")
    elif left != "nothing":
        worker = new_name() if left == "on this host" else "" if "not known" in left else ELSEWHERE
        begin(folder, worker=worker)
    if left == "reported":
        write(folder.report("a"), "{}")
    elif left == "its worker gone":
        write(folder.gone(ELSEWHERE), "")
    elif left == "reports later":
        clock.meanwhile = lambda now: write(folder.report("a"), "{}") if now >= 30.0 else None
    said = end(folder, clock, was_here=was_here)
    assert waits <= clock.now <= waits + 1.5
    assert bool(said) is bool(waits)
    assert not os.path.exists(folder.path)


def test_workers_are_told_to_stop_and_begin_nothing_more(folder: RunFolder) -> None:
    begin(folder)
    write(folder.spec("b"), "{}")
    clock, seen = Clock(), list[Lease | None]()

    def look(_: float) -> None:
        with open(folder.lease, encoding="utf-8") as file:
            seen.append(parse(file.read()))
        # what we have made no worker can begin
        assert not folder.claim("b")

    clock.meanwhile = look
    end(folder, clock)
    assert set(seen) == {Lease(8, LEASE, stops_all=True)}


def test_without_its_folder_a_run_is_waited_for_by_the_lease_on_record(tmp_path: Path) -> None:
    clock = Clock()
    said = end(RunFolder(str(tmp_path / "runs" / RUN)), clock)
    assert LEASE + MARGIN < clock.now < LEASE + MARGIN + 1.5
    assert "may have left something with farm: waiting up to 75 s" in said[0]


@pytest.mark.parametrize("shows_life", [True, False])
def test_what_may_outlive_its_run_is_waited_for_as_long_as_its_worker_lives(
    folder: RunFolder, *, shows_life: bool
) -> None:
    """H3: a silent worker has ended what it ran before it can be silent for a lease and its grace."""
    begin(folder)
    write(folder.lease, Lease(7, 7200.0).text())
    clock = Clock()

    def show_life(now: float) -> None:
        # it does not see that it is told to stop
        write(folder.pulse(ELSEWHERE), str(int(now)))

    if shows_life:
        clock.meanwhile = show_life
    end(folder, clock)
    assert clock.now > 7200.0 if shows_life else LEASE < clock.now < LEASE + MARGIN + 2


def test_what_lives_is_named_where_nothing_is_waited_for(folder: RunFolder) -> None:
    begin(folder)
    with pytest.raises(BusyError, match="may still be running with farm: a") as caught:
        end(folder, Clock(), wait=False)
    assert "within 75 s" in caught.value.hint
    # the next one goes on with that
    assert os.path.exists(folder.lease)
    clock = Clock()
    end(folder, clock)
    assert clock.now > LEASE + MARGIN


class Queue:
    """An engine that is not open: handle -> what it says of it.

    :param stops: how often it has to be told to end what waits; 0 for one that fails
    """

    def __init__(self, stops: int, **states: str) -> None:
        self.states = states
        self.stops = stops
        self.told: list[list[str]] = []

    def find(self, handles: Sequence[str]) -> dict[str, str]:
        return {handle: self.states.get(handle, "gone") for handle in handles}

    def stop(self, handles: Sequence[str], *, kill: bool) -> None:
        assert not kill
        self.told.append([*handles])
        if self.stops == 0:
            raise OSError("no connection")
        if len(self.told) >= self.stops:
            self.states = {handle: what for handle, what in self.states.items() if what != "waiting"}


@pytest.mark.parametrize(
    ("stops", "told", "remains"),
    [
        (1, [["w", "r"]], False),
        # what runs is told once: a second time is the end of its grace
        (2, [["w", "r"], ["w"]], False),
        (9, [["w", "r"], ["w"], ["w"]], True),
        (0, [["w", "r"]], False),
    ],
)
def test_what_waits_with_the_engine_is_taken_out_of_its_queue(
    folder: RunFolder, stops: int, told: list[list[str]], remains: bool
) -> None:
    """H8: it would start later, for a run that is over."""
    write(folder.handles, '{"a": "w", "b": "r"}\n{"c": "g"}\n{"cut')
    engine = Queue(stops, w="waiting", r="running")
    said = end(folder, Clock(), made=engine)
    assert engine.told == told
    assert [text for text in said if "wait with farm" in text] == [
        "1 of a killed run wait with farm yet: if they start, they find no run and end"
    ] * remains
