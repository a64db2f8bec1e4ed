"""ReturnValue is made by hand, to be loaded quickly: whatever an IntEnum can be asked, it answers alike."""

from __future__ import annotations

import copy
import pickle
from enum import IntEnum
from typing import Any

import pytest

from treadle import ReturnValue

Model = IntEnum("Model", {value.name: value.value for value in ReturnValue})  # type: ignore[misc]


def test_it_has_the_numbers_of_e3() -> None:
    assert {value.name: value.value for value in ReturnValue} == {
        "success": 0,
        "failure": 1,
        "notready": 75,
        "force_fail": 123,
        "unknown": 124,
        "skip": 125,
        "unchanged": 126,
    }


def test_it_has_an_order_a_length_and_members_by_name_and_number() -> None:
    assert [value.name for value in ReturnValue] == [value.name for value in Model]
    assert (len(ReturnValue), list(ReturnValue.__members__)) == (len(Model), list(Model.__members__))
    for value in ReturnValue:
        assert ReturnValue(int(value)) is ReturnValue[value.name] is ReturnValue(value) is value
        assert value in ReturnValue
        assert isinstance(value, ReturnValue)


@pytest.mark.parametrize("value", ReturnValue, ids=lambda value: value.name)
def test_a_value_is_a_number_in_every_respect(value: ReturnValue) -> None:
    model = Model(int(value))
    assert (hash(value), str(value), f"{value}", f"{value:>5}", f"{value:d}") == (
        *(hash(model), str(model), f"{model}", f"{model:>5}", f"{model:d}"),
    )
    assert repr(value) == repr(model).replace("Model", "ReturnValue")
    assert value == int(model)
    assert (value + 1, value < 100) == (model + 1, model < 100)
    assert bool(value) == bool(model)


@pytest.mark.parametrize("value", ReturnValue, ids=lambda value: value.name)
def test_a_copy_is_the_same_object(value: ReturnValue) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) is value
    assert copy.copy(value) is copy.deepcopy(value) is value


@pytest.mark.parametrize("wrong", [2, -1, "success", None, [], 0.5])
def test_what_is_no_status_is_refused_in_the_words_of_an_enum(wrong: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid Model") as caught:
        Model(wrong)
    with pytest.raises(ValueError, match="is not a valid ReturnValue") as ours:
        ReturnValue(wrong)
    assert str(ours.value) == str(caught.value).replace("Model", "ReturnValue")
    with pytest.raises(KeyError):
        ReturnValue["nothing"]


def test_members_stay_what_they_are() -> None:
    with pytest.raises(AttributeError, match="cannot reassign member 'skip'"):
        ReturnValue.skip = 3  # type: ignore[misc]
    with pytest.raises(TypeError):

        class More(ReturnValue):  # type: ignore[misc]
            other = 200


def test_it_can_be_matched() -> None:
    match ReturnValue(125):
        case ReturnValue.skip:
            found = "skip"
        case _:
            found = ""
    assert found == "skip"
