"""What requests may say, and what they do: a function of the request and of what the run does."""

from __future__ import annotations

from typing import Any

import pytest

from treadle.control.apply import DRAINING, ENDING, KILLING, RUNNING, STOPPING, apply
from treadle.control.requests import LONGEST_ID, LONGEST_NAME, MOST, MOST_NAMES, request_of
from treadle.errors import UsageError


def state(**more: Any) -> dict[str, Any]:
    return {
        "state": RUNNING,
        "paused": False,
        "workflow": "",
        "running": [{"name": "a"}],
        "queues": {"net": {"size": 4, "free": 1}},
        "resources": {
            "gpus": {"size": 2, "free": 0, "most": 2},
            "memory": {"size": 8 << 30, "free": 5 << 30, "most": 8 << 30},
        },
        "limits": {"fit": {"size": 5, "free": 5}},
        "max_running": None,
        "actions": {"fit@a": None, "fit@b": None},
        **more,
    }


DEEP: Any = "x"
for _ in range(100_000):
    DEEP = [DEEP]

NO_REQUESTS: dict[str, tuple[Any, str]] = {
    "no object": ([], "a request is an object"),
    "nothing": (None, "a request is an object"),
    "a text": ("pause", "a request is an object"),
    "no verb": ({}, "there is no request None"),
    "an unknown verb": ({"verb": "paus", "id": "1"}, "did you mean pause"),
    "a verb that is no text": ({"verb": ["pause"]}, "there is no request"),
    "a deep verb": ({"verb": DEEP}, "there is no request deeply nested"),
    "a command": ({"verb": "pause", "id": "1", "run": "rm -rf /"}, "no field 'run'"),
    "a path": ({"verb": "set", "id": "1", "queues": {"q": 1}, "plan": "/etc"}, "no field 'plan'"),
    "an environment": ({"verb": "set", "id": "1", "env": {"A": "b"}}, "no field 'env'"),
    "the field of another verb": ({"verb": "pause", "id": "1", "now": True}, "no field 'now'"),
    "no id": ({"verb": "pause"}, "needs an id"),
    "an empty id": ({"verb": "pause", "id": ""}, "needs an id"),
    "a long id": ({"verb": "pause", "id": "x" * (LONGEST_ID + 1)}, "the id of a request"),
    "an id with an escape": ({"verb": "pause", "id": "\x1b[2J"}, "the id of a request"),
    "an id that is no text": ({"verb": "pause", "id": 7}, "the id of a request"),
    "now as a text": ({"verb": "stop", "id": "1", "now": "no"}, "true or false"),
    "queues as a list": ({"verb": "set", "id": "1", "queues": ["net"]}, "the queues of a request"),
    "a negative number": ({"verb": "set", "id": "1", "queues": {"net": -1}}, "net is -1"),
    "a fraction": ({"verb": "set", "id": "1", "limits": {"fit": 1.5}}, "fit is 1.5"),
    "a number as text": ({"verb": "set", "id": "1", "resources": {"gpus": "1"}}, "gpus is '1'"),
    "true for a number": ({"verb": "set", "id": "1", "queues": {"net": True}}, "net is True"),
    "a huge number": ({"verb": "set", "id": "1", "queues": {"net": 10**4000}}, "net is a large number"),
    "an empty name": ({"verb": "set", "id": "1", "queues": {"": 1}}, "'' is no name"),
    "a long name": ({"verb": "set", "id": "1", "queues": {"q" * (LONGEST_NAME + 1): 1}}, "is no name"),
    "nothing to set": ({"verb": "set", "id": "1"}, "says a queue"),
    "none at all": ({"verb": "set", "id": "1", "max_running": 0}, "max_running is 0"),
    "infinitely many": ({"verb": "set", "id": "1", "max_running": float("inf")}, "max_running is inf"),
    "too many": ({"verb": "set", "id": "1", "max_running": MOST + 1}, "a large number"),
    "no names": ({"verb": "mark", "id": "1", "names": [], "as": "todo"}, "names actions"),
    "names as a text": ({"verb": "mark", "id": "1", "names": "fit", "as": "todo"}, "names actions"),
    "names that are no texts": ({"verb": "mark", "id": "1", "names": [1], "as": "todo"}, "names actions"),
    "many names": ({"verb": "mark", "id": "1", "names": ["a"] * (MOST_NAMES + 1), "as": "todo"}, "at most 10000"),
    "another mark": ({"verb": "mark", "id": "1", "names": ["a"], "as": "failed"}, "not 'failed'"),
}


@pytest.mark.parametrize("kind", NO_REQUESTS)
def test_what_no_request_may_say_is_refused_with_the_reason(kind: str) -> None:
    """K1."""
    data, text = NO_REQUESTS[kind]
    with pytest.raises(UsageError) as error:
        request_of(data)
    assert text in f"{error.value.what} {error.value.hint}"
    assert len(error.value.what) < 300


def answer(said: dict[str, Any], now: dict[str, Any] | None = None) -> tuple[bool, str, tuple[Any, ...]]:
    request = request_of(said if said["verb"] == "state" else {"id": "1", **said})
    assert request_of(request.as_data()) == request
    given = state() if now is None else now
    before = repr(given)
    found = apply(request, given)
    assert repr(given) == before
    assert apply(request, given) == found
    return found.ok, f"{found.text} {found.hint}".strip(), found.changes


LIMITS: dict[str, Any] = {"queues": {}, "resources": {}, "limits": {}, "max_running": None}


@pytest.mark.parametrize(
    ("said", "text", "limits"),
    [
        ({"queues": {"net": 8}}, "queue net: 4 -> 8", {"queues": {"net": 8}}),
        ({"queues": {"net": 2}}, "queue net: 4 -> 2 (3 in use until enough has ended)", {"queues": {"net": 2}}),
        ({"queues": {"net": 0}}, "queue net: 4 -> 0 (3 in use until enough has ended)", {"queues": {"net": 0}}),
        ({"resources": {"gpus": 2}}, "gpus: 2 -> 2", {"resources": {"gpus": 2}}),
        ({"limits": {"fit": 1}}, "fit: 5 -> 1", {"limits": {"fit": 1}}),
        (
            {"resources": {"memory": 2 << 30}},
            "memory: 8.0 GiB -> 2.0 GiB (3.0 GiB in use until enough has ended)",
            {"resources": {"memory": 2 << 30}},
        ),
        ({"max_running": 9}, "max_running: 9", {"max_running": 9}),
        (
            {"queues": {"net": 4}, "limits": {"fit": 6}},
            "queue net: 4 -> 4; fit: 5 -> 6",
            {"queues": {"net": 4}, "limits": {"fit": 6}},
        ),
    ],
)
def test_limits_are_set_within_what_there_is(said: dict[str, Any], text: str, limits: dict[str, Any]) -> None:
    assert answer({"verb": "set", **said}) == (True, text, (("limits", {**LIMITS, **limits}),))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"queues": {"nett": 1}}, "there is no queue nett did you mean net?"),
        ({"queues": {"net": 1, "x": 1}}, "there is no queue x known: net"),
        ({"resources": {"gpu": 1}}, "there is no type of resources gpu did you mean gpus?"),
        ({"resources": {"gpus": 3}}, "the pool has at most 2 of gpus, and not 3"),
        ({"queues": {"net": 1}, "resources": {"gpus": 3}}, "the pool has at most 2 of gpus, and not 3"),
        ({"resources": {"memory": 9 << 30}}, "the pool has at most 8.0 GiB of memory, and not 9.0 GiB"),
        ({"limits": {"fits": 1}}, "there is no limit of a family fits did you mean fit?"),
        ({"limits": {"y" * 1000: 1}}, f"there is no limit of a family {'y' * 1000} known: fit"),
    ],
)
def test_what_is_not_known_is_refused_with_the_nearest_and_nothing_changes(said: dict[str, Any], text: str) -> None:
    """K1."""
    assert answer({"verb": "set", **said}) == (False, text, ())


def test_a_run_without_any_says_so() -> None:
    assert answer({"verb": "set", "limits": {"f": 1}}, state(limits={}))[1].endswith("this run has none")


@pytest.mark.parametrize("ending", ENDING)
def test_what_ends_is_not_paused_and_does_not_go_on(ending: str) -> None:
    for verb in ("pause", "continue"):
        ok, text, changes = answer({"verb": verb}, state(state=ending))
        assert (ok, changes) == (False, ())
        assert text.startswith(f"the run is ending: {ENDING[ending]}")


def test_a_run_is_paused_once_and_goes_on_once() -> None:
    assert answer({"verb": "pause"})[2] == (("pause",),)
    assert answer({"verb": "pause"}, state(paused=True)) == (True, "it is paused already", ())
    assert answer({"verb": "continue"}, state(paused=True))[2] == (("continue",),)
    assert answer({"verb": "continue"}) == (True, "it is not paused", ())


@pytest.mark.parametrize(
    ("now", "ending", "changes"),
    [
        (False, RUNNING, (("stop", 1),)),
        (False, DRAINING, (("stop", 1),)),
        (False, STOPPING, ()),
        (False, KILLING, ()),
        (True, RUNNING, (("stop", 2),)),
        (True, DRAINING, (("stop", 2),)),
        (True, STOPPING, (("stop", 2),)),
        (True, KILLING, ()),
    ],
)
def test_a_second_request_to_stop_kills_only_if_it_says_so(now: bool, ending: str, changes: Any) -> None:
    ok, _, found = answer({"verb": "stop", "now": now}, state(state=ending))
    assert (ok, found) == (True, changes)


@pytest.mark.parametrize(
    ("mark", "workflow", "known", "ok"),
    [
        ("todo", "", True, True),
        ("done", "", True, False),
        ("done", "nightly", True, True),
        ("todo", "", False, True),
        ("done", "nightly", False, True),
    ],
)
def test_only_what_has_an_identity_takes_actions_for_done(mark: str, workflow: str, known: bool, ok: bool) -> None:
    """K5."""
    now = state(workflow=workflow, **({} if known else {"actions": None}))
    found = answer({"verb": "mark", "names": ["fit@a"], "as": mark}, now)
    assert found[0] is ok
    assert found[2] == ((("mark", ("fit@a",), mark),) if ok else ())


def test_an_unknown_action_is_not_marked() -> None:
    ok, text, _ = answer({"verb": "mark", "names": ["fit@a", "fit@c"], "as": "todo"})
    assert (ok, text[:26]) == (False, "there is no action fit@c d")


def test_a_look_has_all_but_the_names_of_all_actions() -> None:
    found = apply(request_of({"verb": "state"}), state())
    assert found.data == {name: value for name, value in state().items() if name != "actions"}
    assert not request_of({"verb": "state"}).changes
