"""Errors cross processes and are kept for later: each can be pickled and copied with all that it says."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from treadle import errors
from treadle.errors import (
    DAGError,
    HookError,
    InternalError,
    Place,
    PlanError,
    ProgramError,
    RunError,
    TreadleError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class OwnError(TreadleError):
    """An error of a subclasser, with a constructor of its own."""

    def __init__(self, number: int, *, colour: str) -> None:
        super().__init__(f"number {number}", origin="here", facts=["a fact"], hint="do it")
        self.number = number
        self.colour = colour


HERE = Place("plan.yaml", 3, 4, "the line")
EXAMPLES: list[BaseException] = [
    TreadleError("what", "origin", facts=["one", "two"], hint="do it", place=HERE),
    TreadleError(["what", "more"]),
    PlanError([TreadleError("first", place=HERE), UsageError("second", hint="mend it")], more=3),
    ProgramError("it failed", code=3),
    RunError("not again", hint="make another one"),
    DAGError("a cycle"),
    HookError("it returned None"),
    InternalError("a bug"),
    OwnError(5, colour="red"),
]
PLAIN = [
    kind("what", facts=["a fact"], hint="do it")
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TreadleError) and kind.__init__ is TreadleError.__init__
]


def pickled(protocol: int, error: Any) -> Any:
    """Return what comes out of a pickle of an error."""
    return pickle.loads(pickle.dumps(error, protocol))


WAYS: dict[str, Callable[[Any], Any]] = {
    **{f"pickle {n}": partial(pickled, n) for n in range(2, pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [*EXAMPLES, *PLAIN], ids=lambda error: type(error).__name__)
def test_each_error_can_be_pickled_and_copied(error: BaseException, way: str) -> None:
    again: Any = WAYS[way](error)
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
    assert vars(again).keys() == vars(error).keys()
    if isinstance(error, TreadleError):
        assert (again.what, again.facts, again.hint) == (error.what, error.facts, error.hint)
        assert again.place == error.place
    if isinstance(error, PlanError):
        assert [str(one) for one in again.problems] == [str(one) for one in error.problems]


def test_notes_go_along() -> None:
    error = PlanError([TreadleError("first")])
    error.add_note("raised by X.create_job() for the action 'a'")
    assert pickle.loads(pickle.dumps(error)).__notes__ == error.__notes__
