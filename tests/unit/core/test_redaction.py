"""Secret values in the words of a command line."""

from __future__ import annotations

import pytest

from treadle.core.redaction import without_any_values, without_values


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ("run", ["hunter22"], "run"),
        ("hunter22", ["hunter22"], "***"),
        ("token=hunter22", ["hunter22"], "token=***"),
        ("https://u:hunter22@host/hunter22", ["hunter22"], "https://u:***@host/***"),
        ("hunter22-long", ["hunter22", "hunter22-long"], "***"),
        ("level=ab", ["ab"], "level=***"),
        ("ab", ["ab"], "***"),
        ("label=abc", ["ab"], "label=abc"),
        ("anything", ["", ""], "anything"),
    ],
)
def test_a_secret_value_is_replaced_wherever_it_is_long_enough_or_all_of_a_value(
    text: str, values: list[str], shown: str
) -> None:
    assert without_values(text, values) == shown


def test_without_a_plan_no_value_of_a_call_is_shown() -> None:
    words = ["treadle", "run", "-p", "a=b", "-pc=d", "name", "--", "x", "y=z"]
    shown = ["treadle", "run", "-p", "a=***", "-pc=***", "name", "--", "***", "***"]
    assert without_any_values(words) == shown
