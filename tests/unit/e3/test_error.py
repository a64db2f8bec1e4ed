"""E3Error, as code written against e3 raises and catches it."""

from __future__ import annotations

from typing import Any

import pytest

from treadle.e3 import DAG, DAGError, E3Error


def test_an_e3_error_has_a_message_and_its_origin() -> None:
    error = E3Error("no such spec", "anod.loader")
    assert (str(error), error.messages, error.origin) == (
        "anod.loader: no such spec",
        ["no such spec"],
        "anod.loader",
    )


def test_without_an_origin_it_is_the_message() -> None:
    error = E3Error("no such spec")
    assert (str(error), error.messages, error.origin) == ("no such spec", ["no such spec"], None)


def test_a_list_of_messages() -> None:
    error = E3Error(["first", "second"], origin="here")
    assert error.messages == ["first", "second"]
    assert str(error).splitlines() == ["here: first", "  second"]


def test_no_message_at_all() -> None:
    assert (str(E3Error([])), E3Error([]).messages) == ("", [])


def test_the_message_may_be_named() -> None:
    assert str(E3Error(message="no such spec", origin="anod")) == "anod: no such spec"
    assert E3Error(message=["first", "second"]).messages == ["first", "second"]


@pytest.mark.parametrize(
    ("before", "added", "after"),
    [
        ("first", ["second"], ["first", "second"]),
        ("first", ["second", "third"], ["first", "second", "third"]),
        ("first", [["second", "third"]], ["first", "second", "third"]),
        ("first", [()], ["first"]),
        ([], ["first", "second"], ["first", "second"]),
        ([], [["first", "second"]], ["first", "second"]),
        ("", ["first"], ["first"]),
    ],
)
def test_messages_are_added_to_an_error(before: Any, added: list[Any], after: list[str]) -> None:
    error = same = E3Error(before, "here")
    for more in added:
        error += more
    assert error is same
    assert error.messages == after
    assert str(error).splitlines() == [f"here: {after[0]}", *(f"  {text}" for text in after[1:])]


def test_an_error_that_treadle_raised_takes_messages_too() -> None:
    def load() -> None:
        try:
            DAG().add_vertex("a", predecessors=["missing"])
        except E3Error as error:
            error += "seen from here"
            raise

    with pytest.raises(DAGError, match="seen from here"):
        load()


def test_subclasses_are_made_in_the_same_way() -> None:
    class OwnError(E3Error):
        pass

    with pytest.raises(E3Error, match=r"^here: own$"):
        raise OwnError("own", "here")


def test_it_catches_what_treadle_raises() -> None:
    with pytest.raises(E3Error) as caught:
        DAG().add_vertex("a", predecessors=["missing"])
    assert isinstance(caught.value, DAGError)
    assert caught.value.messages[0] == caught.value.what
