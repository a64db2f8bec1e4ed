"""The lease of a run as text, and silence by counters alone."""

from __future__ import annotations

import json

import pytest

from treadle.core.lease import Lease, Silence, parse


@pytest.mark.parametrize(
    "lease",
    [Lease(1), Lease(7, 2.5), Lease(3, 60.0, ("a", "b")), Lease(4, 2.0, stops_all=True)],
)
def test_a_lease_is_read_as_it_was_written(lease: Lease) -> None:
    assert parse(lease.text()) == lease
    assert parse(lease.text().encode()) == lease


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"counter": "1"},
        {"counter": True},
        {"counter": None},
        {"seconds": 0},
        {"seconds": -1.0},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
        {"seconds": "60"},
        {"stop": None},
        {"stop": "some"},
        {"stop": [1]},
    ],
)
def test_what_is_no_lease_is_none(change: dict[str, object]) -> None:
    assert parse(json.dumps(json.loads(Lease(1).text()) | change)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"lease"', "{}", b"\xff\xfe", '{"counter": 1'])
def test_half_a_file_and_another_file_are_no_lease(text: str | bytes) -> None:
    assert parse(text) is None


def test_a_stop_names_attempts_or_all() -> None:
    assert Lease(1, 60.0, ("a",)).has_to_end("a")
    assert not Lease(1, 60.0, ("a",)).has_to_end("b")
    stopped = Lease(1, 2.0, ("a",)).stopped()
    assert stopped.has_to_end("b")
    assert (stopped.counter, stopped.seconds) == (2, 2.0)


def test_a_lease_of_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="a lease of 0 s"):
        Lease(1, 0)


def test_silence_ends_with_a_new_counter_alone() -> None:
    silence = Silence(10.0)
    assert silence.seconds(12.0) == 2.0
    silence.see(5, 12.0)
    silence.see(5, 14.0)
    silence.see(None, 15.0)
    assert silence.seconds(15.0) == 3.0
    # another side may have begun anew: a lower counter is a sign of life too
    silence.see(1, 16.0)
    assert silence.seconds(17.0) == 1.0
