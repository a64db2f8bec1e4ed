"""What an attempt says of its work: the lines and the JSON of a report, and `measure` (rule M3)."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.values import Values
from treadle.errors import UsageError

HINT = "expected NAME NUMBER, attribute NAME TEXT or artifact PATH"


def taken(text: str) -> tuple[dict[str, float], dict[str, str], list[str], list[str]]:
    values = Values()
    wrong = values.take(text)
    return values.measurements, values.attributes, values.artifacts, wrong


@pytest.mark.parametrize(
    ("text", "measurements", "attributes", "artifacts"),
    [
        ("", {}, {}, []),
        ("loss 0.25", {"loss": 0.25}, {}, []),
        ("  loss\t\n", None, {}, []),
        ("loss   -1e-3  \n\n# a remark\n", {"loss": -0.001}, {}, []),
        ("n 3", {"n": 3}, {}, []),
        ("n 123456789012345678901234567890", {"n": 1.2345678901234568e29}, {}, []),
        ("n 1\nn 2", {"n": 2}, {}, []),
        ("attribute model  small one \nattribute model large", {}, {"model": "large"}, []),
        ("artifact plot of it.png\nartifact b\nartifact b", {}, {}, ["plot of it.png", "b"]),
        ("{}", {}, {}, []),
        ('\n {"loss": 1, "acc": 0.5}', {"loss": 1, "acc": 0.5}, {}, []),
        ('{"artifact": "a", "attribute": {"k": "v", "n": 3, "yes": true}}', {}, {"k": "v", "n": "3", "yes": "true"}, ["a"]),
        ('{"artifact": ["a", "b"]}', {}, {}, ["a", "b"]),
    ],
)  # fmt: skip
def test_a_report_is_taken_apart(
    text: str, measurements: dict[str, float] | None, attributes: dict[str, str], artifacts: list[str]
) -> None:
    """M3: lines `NAME NUMBER`, or a JSON object; of one name the last one counts."""
    if measurements is None:
        assert taken(text)[3]
        return
    assert taken(text) == (measurements, attributes, artifacts, [])


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("loss", ["line 1: loss", HINT]),
        ("a 1\nloss many", ["line 2: loss many", HINT]),
        ("a nan", ["line 1: a nan", HINT]),
        ("a inf", ["line 1: a inf", HINT]),
        ("a 1e999", ["line 1: a 1e999", HINT]),
        ("a 1_000", ["line 1: a 1_000", HINT]),
        ("a 1 s", ["line 1: a 1 s", HINT]),
        ("artifact", ["line 1: artifact", HINT]),
        ("artifact a\0b", ["line 1: artifact a\\x00b", HINT]),
        ("attribute", ["line 1: attribute", HINT]),
        ("attribute model", ["line 1: attribute model", HINT]),
        ("x\ny\nz\nu\nv", ["line 1: x", "line 2: y", "line 3: z", "and 2 more", HINT]),
        ("w" * 100, [f"line 1: {'w' * 60}...", HINT]),
        ('{"a": "1"}', ["a: '1' is no finite number"]),
        ('{"a": true}', ["a: True is no finite number"]),
        ('{"a": null}', ["a: None is no finite number"]),
        ('{"a": NaN}', ["a: nan is no finite number"]),
        ('{"a": 1e999}', ["a: inf is no finite number"]),
        ('{"a b": 1}', ["a b: 1 is no finite number"]),
        ('{"artifact": 3}', ["artifact: 3 is no path"]),
        ('{"artifact": ["", null]}', ["artifact: '' is no path", "artifact: None is no path"]),
        ('{"attribute": "x"}', ["attribute: 'x' is no object of names and texts"]),
        ('{"attribute": {"x": [1]}}', ["attribute x: [1] is no text"]),
    ],
)
def test_what_is_wrong_is_told_and_does_not_count(text: str, wrong: list[str]) -> None:
    """M3."""
    measurements, attributes, artifacts, told = taken(text)
    assert told == wrong
    assert (attributes, artifacts) == ({}, [])
    assert measurements in ({}, {"a": 1})


def test_json_that_is_none_is_told() -> None:
    """M3."""
    (wrong,) = taken('{"a": 1')[3]
    assert wrong.startswith("it begins as a JSON object and is none: ")
    (wrong,) = taken('{"a":' * 100_000)[3]
    assert wrong.startswith("it begins as a JSON object and is none: ")


@given(st.text() | st.builds("{{{}}}".format, st.text()) | st.dictionaries(st.text(), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5
)).map(json.dumps))  # fmt: skip
def test_no_report_raises_and_what_is_taken_is_data(text: str) -> None:
    """M3: it cannot change the outcome of its action."""
    values = Values()
    assert not {"\n", "\r", "\x1b"} & set("".join(values.take(text)))
    assert all(math.isfinite(one) for one in values.measurements.values())
    assert json.loads(json.dumps(values.as_data())) == values.as_data()


def test_a_job_says_measurements() -> None:
    """M3: the numbers of other libraries are taken as well."""
    values = Values()
    for number, value in enumerate((1, 2.5, Fraction(1, 4), Decimal("0.5"))):
        values.measure(f"n{number}", value)
    assert values.measurements == {"n0": 1, "n1": 2.5, "n2": 0.25, "n3": 0.5}


@pytest.mark.parametrize("value", [None, "1", True, math.nan, math.inf, 10**400, [1]])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    """M3."""
    with pytest.raises(UsageError, match="the measurement loss is") as raised:
        Values().measure("loss", value)
    assert "expected a finite number" in str(raised.value)


@pytest.mark.parametrize("name", ["", "a b", " a", 3, None])
def test_a_name_with_blanks_is_refused(name: object) -> None:
    """M3."""
    with pytest.raises(UsageError, match="the name of a measurement is"):
        Values().measure(name, 1)
