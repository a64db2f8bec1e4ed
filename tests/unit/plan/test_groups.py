"""Groups that stand for each other and for no action: an error, told once, with the way round."""

from __future__ import annotations

import pytest

from plan_folder import Folder
from treadle.errors import PlanError

ACTIONS = "actions: {x: {run: 'true'}, y: {run: 'true'}}\n"


@pytest.mark.parametrize(
    ("groups", "way"),
    [
        ("{a: [a]}", "a -> a"),
        ("{a: [b], b: [a]}", "a -> b -> a"),
        ("{a: [b], b: [c], c: [a]}", "a -> b -> c -> a"),
        ("{c: [a], a: [b], b: [a]}", "a -> b -> a"),
        ("{a: {of: [b], help: h}, b: {of: [a]}}", "a -> b -> a"),
    ],
)
def test_groups_that_stand_for_each_other_alone_are_refused(folder: Folder, groups: str, way: str) -> None:
    with pytest.raises(PlanError) as caught:
        folder.load(f"treadle: 1\ngroups: {groups}\n{ACTIONS}")
    told = [one.what for one in caught.value.problems]
    assert told == [f"these groups contain only each other: {way}"]
    assert caught.value.problems[0].place is not None


@pytest.mark.parametrize(
    "groups", ["{a: [x, b], b: [a]}", "{a: [b], b: [x]}", "{a: [b, c], b: [x], c: [b, y]}", "{a: ['*']}"]
)
def test_groups_in_groups_are_none(folder: Folder, groups: str) -> None:
    assert folder.load(f"treadle: 1\ngroups: {groups}\n{ACTIONS}").groups


@pytest.mark.parametrize(
    "groups", ["{a: [a, lost]}", "{a: [b], b: [a, lost]}", "{a: [c], b: [a], c: [b, lost]}", "{a: [lost, x, a]}"]
)
def test_a_member_that_stands_for_nothing_is_the_only_error_of_a_circle(folder: Folder, groups: str) -> None:
    with pytest.raises(PlanError) as caught:
        folder.load(f"treadle: 1\ngroups: {groups}\n{ACTIONS}")
    assert len(caught.value.problems) == 1
    assert "there is no action, group or output 'lost'" in caught.value.problems[0].what
