"""E3Error, as code written against e3 raises and catches it."""

from __future__ import annotations

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
