"""Digests of elements, and what tells two sets of them apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core import elements
from treadle.core.elements import Difference, difference, digest

SHORT = st.text(st.sampled_from("ab\x00q=\udc80é"), max_size=4)
ELEMENTS = st.dictionaries(SHORT, SHORT, max_size=4)


@given(ELEMENTS, ELEMENTS, st.sets(SHORT), st.sets(SHORT))
def test_different_elements_have_different_digests(
    one: dict[str, str], other: dict[str, str], results: set[str], other_results: set[str]
) -> None:
    is_same = one == other and results & one.keys() == other_results & other.keys()
    assert (digest(one, results) == digest(other, other_results)) is is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"ab": "c"}, {"a": "bc"}),
        ({"a": "b", "c": "d"}, {"a": "bcd"}),
        ({"a": ""}, {"": "a"}),
        ({}, {"": ""}),
        ({"a": "\udc80"}, {"a": "\\udc80"}),
        ({"é": "x"}, {"e\u0301": "x"}),
    ],
)
def test_text_does_not_run_together(one: dict[str, str], other: dict[str, str]) -> None:
    assert digest(one) != digest(other)


def test_an_answer_is_not_a_question() -> None:
    assert digest({"a": "b"}, ["a"]) != digest({"a": "b"})


def test_names_that_are_no_elements_do_not_count_as_results() -> None:
    assert digest({"a": "b"}, ["x"]) == digest({"a": "b"})


@given(st.permutations([("a", "1"), ("b", "2"), ("c", "3"), ("\U0001f600", "4"), ("\uffff", "5")]))
def test_the_order_of_elements_does_not_matter(items: list[tuple[str, str]]) -> None:
    assert digest(dict(items), ["a", "c"]) == digest(dict(sorted(items)), {"c", "a"})


def test_a_digest_is_32_hex_digits() -> None:
    assert len(digest({})) == 32
    assert int(digest({"a": "b"}), 16) >= 0


@given(ELEMENTS, ELEMENTS)
def test_a_difference_turns_the_old_into_the_new(old: dict[str, str], new: dict[str, str]) -> None:
    found = difference(old, new)
    rebuilt = {name: value for name, value in old.items() if name not in found.removed}
    rebuilt |= found.added | {name: value for name, (_, value) in found.changed.items()}
    assert rebuilt == new
    assert bool(found) is (old != new)
    for part in (found.changed, found.added, found.removed):
        assert list(part) == sorted(part)


def test_a_difference_holds_old_and_new_values() -> None:
    found = difference({"a": "1", "b": "2", "same": "x"}, {"same": "x", "b": "3", "c": "4"})
    assert found.changed == {"b": ("2", "3")}
    assert found.added == {"c": "4"}
    assert found.removed == {"a": "1"}
    assert found == Difference({"b": ("2", "3")}, {"c": "4"}, {"a": "1"})
    assert found != difference({}, {})
    assert "'b': ('2', '3')" in repr(found)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("input a b", "a b"),
        ("found /x", "/x"),
        ("edited e", "e"),
        ("output o/", "o/"),
        ("env input", None),
        ("inputs", None),
        ("command", None),
    ],
)
def test_the_path_of_an_element_is_known_by_its_name(name: str, path: str | None) -> None:
    assert elements.path_of(name) == path
    assert elements.paths_of([name]) == []
    assert elements.paths_of([name], *elements.FILES) == ([] if path is None else [path])


def test_the_value_of_a_file_in_key_and_result_is_that_of_the_result() -> None:
    assert elements.value_of("a", {"input a": "before", "edited a": "after"}) == "after"
    assert elements.value_of("a", {"input a": "before", "output b": "x"}) == "before"
    assert elements.value_of("c", {"input a": "before"}) is None
