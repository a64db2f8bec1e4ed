"""Which actions are cached, and when storing pays."""

from __future__ import annotations

from typing import Any

import pytest

from treadle import Command, Environment
from treadle.cache.policy import ALWAYS, WITHOUT_LOG, is_worth_sharing, keeps_log, pays, why_not
from treadle.command.guards import Guards, Requirement

CACHED: dict[str, dict[str, Any]] = {
    "a file": {},
    "a folder": {"outputs": ["d/"]},
    "told to": {"cache": True},
    "without its log": {"cache": {"log": False}},
    "a depfile": {"depfile": "d"},
    "a passed variable": {"env": Environment(pass_=["X"])},
    "a requirement": {"guards": Guards([Requirement([["true"]])])},
}
NOT_CACHED: dict[str, dict[str, Any]] = {
    "told not to": {"cache": False},
    "no outputs": {"outputs": []},
    "always": {"always": True},
    "once": {"once": True},
    "edits": {"edits": ["e"]},
    "console": {"console": True},
    "keep": {"keep": True},
    "presence": {"outputs": ["d/"], "presence": ["d/"]},
    "secret": {"env": Environment({"X": "1"}, secret=["X"])},
    "no text": {"outputs": ["o\udcff"]},
    "expect": {"expect": "failure"},
    "baseline": {"baseline": {"o": "b"}},
    "confirm": {"guards": Guards(confirm="Deploy?")},
}


def command(**given: Any) -> Command:
    return Command(["cc"], **{"inputs": ["i"], "outputs": ["o"], **given})


@pytest.mark.parametrize("name", CACHED)
def test_an_action_is_cached(name: str) -> None:
    """C1."""
    assert why_not(command(**CACHED[name])) == ""


@pytest.mark.parametrize("name", NOT_CACHED)
def test_an_action_is_never_cached_and_a_line_says_why(name: str) -> None:
    """C1."""
    assert why_not(command(**NOT_CACHED[name]))


def test_a_log_is_not_stored_where_it_may_show_what_does_not_count() -> None:
    """R7."""
    assert keeps_log(command())
    assert not keeps_log(command(env=Environment(pass_=["X"])))
    assert not keeps_log(command(cache={"log": False}))


@pytest.mark.parametrize(
    ("duration", "size", "is_worth"),
    [(0.0008, 0, True), (0.00079, 0, False), (0.1, 10_000_000, True), (0.08, 10_000_000, False), (0.0, 0, False)],
)
def test_storing_pays_if_the_action_took_four_times_as_long(duration: float, size: int, is_worth: bool) -> None:
    """C4."""
    assert pays(duration, size) == is_worth
    assert pays(duration, size, "always")


@pytest.mark.parametrize("cache", ["yes", 1, {"logs": False}, {"log": "no"}, []])
def test_a_command_refuses_what_says_nothing_of_the_cache(cache: Any) -> None:
    with pytest.raises(Exception, match="cache of a Command"):
        command(cache=cache)


@pytest.mark.parametrize(
    ("duration", "said", "is_worth"),
    [
        (None, "", True),
        (0.049, "", False),
        (0.05, "", True),
        (0.0, ALWAYS, True),
        (0.01, WITHOUT_LOG, False),
    ],
)
def test_a_server_is_asked_for_what_takes_a_while(duration: float | None, said: str, is_worth: bool) -> None:
    """C4."""
    assert is_worth_sharing(duration, said) == is_worth
