"""Workers, guards and runs that are killed or frozen at any moment: five of each; the script does more (J4)."""

from __future__ import annotations

import pytest

from engine_kills import KINDS, trials

TIMES = 5


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_killed_or_frozen_the_bytes_are_right_and_nothing_runs_twice_or_is_left(kind: str) -> None:
    ended = list(trials(kind, TIMES, at_once=TIMES))
    assert [one.wrong for one in ended if one.wrong] == []
    assert any(one.was_hit for one in ended)
