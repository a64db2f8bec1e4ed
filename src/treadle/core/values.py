"""Values: what an attempt says of its own work: measurements, attributes, artifacts. They change no outcome.

A program says them in a report, as lines or as JSON; this module takes the text apart and knows no files.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

from treadle.errors import UsageError

from .text import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ARTIFACT, ATTRIBUTE = "artifact", "attribute"
_WHOLE = 1 << 53
"""Whole numbers below this are kept as such by all that reads JSON."""
_SHOWN = 60
"""Characters of a wrong line that are shown."""


class Values:
    """What one attempt has said of its work.

    :ivar measurements: name -> number
    :ivar attributes: name -> text
    :ivar artifacts: paths of files that are worth a look, each once
    """

    __slots__ = ("artifacts", "attributes", "measurements")

    def __init__(self) -> None:
        self.measurements: dict[str, float] = {}
        self.attributes: dict[str, str] = {}
        self.artifacts: list[str] = []

    def measure(self, name: object, value: Any) -> None:
        """Keep a measurement; of one name the last value counts.

        :raises UsageError: the name is no text without blanks, or the value no finite number
        """
        if not isinstance(name, str) or not name or name.split() != [name]:
            raise UsageError(f"the name of a measurement is {name!r}", facts=("expected a text without blanks",))
        # the numbers of other libraries can say themselves as one of Python
        has_one = hasattr(value, "__float__") and not isinstance(value, bool | int | float)
        number = _number(float(value) if has_one else value)
        if number is None:
            raise UsageError(f"the measurement {name} is {value!r}", facts=("expected a finite number",))
        self.measurements[name] = number

    def as_data(self) -> dict[str, Any]:
        """Return what there is of it, as data that JSON can hold."""
        data = {
            "measurements": dict(self.measurements),
            "attributes": {str(name): str(value) for name, value in self.attributes.items()},
            "artifacts": list(self.artifacts),
        }
        return {name: value for name, value in data.items() if value}

    def take(self, text: str) -> list[str]:
        """Add what a report says: lines, or a JSON object; return what is wrong with it, in words."""
        what = self._take_json(text) if text.lstrip().startswith("{") else self._take_lines(text)
        # once for all of them: a report may name a hundred thousand
        self.artifacts = list(dict.fromkeys(self.artifacts))
        return what

    def _take_lines(self, text: str) -> list[str]:
        wrong = [(number, line) for number, line in enumerate(text.split("\n"), 1) if not self._take_line(line)]
        shown = [f"line {number}: {_shown(line)}" for number, line in wrong[:_MOST_WRONG]]
        if len(wrong) > _MOST_WRONG:
            shown.append(f"and {len(wrong) - _MOST_WRONG} more")
        return [*shown, "expected NAME NUMBER, attribute NAME TEXT or artifact PATH"] if wrong else []

    def _take_line(self, line: str) -> bool:
        """Add what a line says; return whether it is right. Empty lines and those that begin with # say nothing."""
        name, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not name or name.startswith("#"):
            return True
        if name == ARTIFACT:
            return self._add_artifact(rest)
        if name == ATTRIBUTE:
            name, _, rest = rest.partition(" ")
            if name and rest:
                self.attributes[name] = rest.strip()
            return bool(name and rest)
        number = _number_in(rest)
        if number is not None:
            self.measurements[name] = number
        return number is not None

    def _take_json(self, text: str) -> list[str]:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            return [f"it begins as a JSON object and is none: {error}"]
        wrong = [what for name, value in data.items() for what in self._take_member(name, value)]
        more = [f"and {len(wrong) - _MOST_WRONG} more"] if len(wrong) > _MOST_WRONG else []
        return [*wrong[:_MOST_WRONG], *more]

    def _take_member(self, name: str, value: object) -> Iterator[str]:
        if name == ARTIFACT:
            for path in value if isinstance(value, list) else [value]:
                if not isinstance(path, str) or not self._add_artifact(path):
                    yield f"artifact: {_shown(repr(path))} is no path"
        elif name == ATTRIBUTE:
            texts: Mapping[str, object] = value if isinstance(value, dict) else {}
            if not isinstance(value, dict):
                yield f"attribute: {_shown(repr(value))} is no object of names and texts"
            for key, text in texts.items():
                if isinstance(text, str | int | float) and key:
                    self.attributes[key] = text if isinstance(text, str) else json.dumps(text)
                else:
                    yield f"attribute {_shown(key)}: {_shown(repr(text))} is no text"
        else:
            try:
                self.measure(name, value)
            except UsageError:
                yield f"{_shown(name)}: {_shown(repr(value))} is no finite number"

    def _add_artifact(self, path: str) -> bool:
        is_path = bool(path) and "\0" not in path
        if is_path:
            self.artifacts.append(path)
        return is_path


_MOST_WRONG = 3


def _shown(text: str) -> str:
    return safe(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _number_in(text: str) -> float | None:
    """Return the number that a text is, None if it is none."""
    if "_" in text:
        # Python would take it
        return None
    try:
        return _number(int(text) if len(text) < 20 else float(text))
    except ValueError:
        pass
    try:
        return _number(float(text))
    except ValueError:
        return None


def _number(value: object) -> float | None:
    """Return a finite number, as a whole one if it is one that every reader of JSON keeps."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and -_WHOLE <= value <= _WHOLE:
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None
