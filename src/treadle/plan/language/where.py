"""Expressions about actions and their last outcomes: the conditions of plans, with amounts and names of outcomes.

`memory > 2GiB and duration > 10m`, `timeout or (failed and age < 2d)`. What is not known of an action, as it
has not run, equals nothing and is neither more nor less than anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from treadle.core import conditions
from treadle.core.pool import MEMORY, amount_of
from treadle.errors import TreadleError, UsageError, nearest
from treadle.plan.schema.keys import DURATION, seconds
from treadle.plan.yaml.nodes import Scalar, Source

from .enabled_if import Condition, Evaluator, Number, Operand, Token

_PATTERN = re.compile(
    r"""\s*(?:
    (?P<amount>(?:\d+(?:\.\d+)?[A-Za-z]+)+(?![\w.]))
    |(?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<text>"[^"]*"|'[^']*')
    |(?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)
    )""",
    re.VERBOSE | re.ASCII,
)
_DURATION, _BYTES = "duration", "memory"
_SUCH_AS = {_DURATION: "such as 90s, 10m, 1h30m or 2d", _BYTES: "such as 500MB or 8GiB"}
_ABOUT = {_DURATION: "a duration", _BYTES: "an amount of memory", "": "a number"}


class Quantity(Number):
    """A number with a unit: seconds, or bytes."""

    __slots__ = ("unit",)

    def __init__(self, text: str, value: float, unit: str) -> None:
        super().__init__(text, value)
        self.unit = unit


class LastKind(str):
    """The kind of the last outcome of an action."""

    __slots__ = ()


class Kinds(str):
    """The name of outcomes, as conditions of plans have them."""

    __slots__ = ()

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of outcomes that it means."""
        return conditions.parse(str(self)).kinds


class Unknown(str):
    """What is not known of an action."""

    __slots__ = ()


UNKNOWN = Unknown("not known")
_OUTCOMES = {name: Kinds(name) for name in conditions.NAMES}
NAMES = ("outcome", "code", "duration", "cpu", "memory", "age", "tags", "name", "family")
"""The names that each action has; besides these `resources.TYPE` and the names of its `foreach`."""


def number(value: float | None) -> Operand:
    """Return a number as a value of an expression."""
    return UNKNOWN if value is None else Number(f"{value:g}", value)


def duration(value: float | None) -> Operand:
    """Return seconds as a value of an expression."""
    return UNKNOWN if value is None else Quantity(f"{value:.4g}s", value, _DURATION)


def memory(value: int | None) -> Operand:
    """Return bytes as a value of an expression."""
    return UNKNOWN if value is None else Quantity(f"{value / (1 << 20):.4g}MiB", value, _BYTES)


_SAMPLES: dict[str, Operand] = {
    "outcome": LastKind("success"),
    **dict.fromkeys(("duration", "cpu", "age"), duration(1.0)),
    "code": number(0),
    "memory": memory(1),
    "tags": (),
    **dict.fromkeys(("name", "family"), ""),
}


class Where(Condition):
    """An expression about actions.

    :param expression: as `--where` takes it
    :param more: names besides `NAMES` that an action may have
    :raises UsageError: it is not one
    """

    __slots__ = ("_unknown",)

    def __init__(self, expression: str, more: Iterable[str] = ()) -> None:
        if not expression.strip():
            raise UsageError("--where is empty", hint='for example --where "duration > 10m"')
        self._unknown: dict[str, Operand] = dict.fromkeys([*more, *NAMES], UNKNOWN)
        try:
            super().__init__(Source("--where", expression), Scalar(expression, None, 0, len(expression)), _PATTERN)
        except TreadleError as error:
            raise _usage(error) from None
        # what is wrong whatever is known is reported whether or not there is an action
        self.holds(_SAMPLES)

    def holds(self, values: Mapping[str, Operand]) -> tuple[bool, str]:
        """Return whether it holds for an action, and the values of the names in it as text.

        :param values: what is known of the action
        :raises UsageError: it compares what cannot be compared
        """
        names = {**self._unknown, **values, **_OUTCOMES}
        try:
            return self.evaluated(_Evaluator(self, names, {}, ()))
        except TreadleError as error:
            raise _usage(error) from None


class _Evaluator(Evaluator):
    __slots__ = ()

    def operand(self, depth: int) -> Operand:
        tokens = self.condition.tokens
        if self.at < len(tokens) and self.token.kind == "amount":
            token = self.token
            self.at += 1
            return self.amount(token)
        return super().operand(depth)

    def amount(self, token: Token) -> Operand:
        """Return a number with a unit."""
        if DURATION.fullmatch(token.text) is not None and len(token.text) <= 40:
            return Quantity(token.text, seconds(token.text), _DURATION)
        found = amount_of(MEMORY, token.text)
        if isinstance(found, str):
            expected = "; ".join(f"{_ABOUT[unit]}: {said}" for unit, said in _SUCH_AS.items())
            raise self.error(f"{token.text} is no number with a unit", token, expected)
        return Quantity(token.text, found, _BYTES)

    def name(self, token: Token) -> Operand:
        if token.text not in self.names and token.text not in ("true", "false"):
            close = nearest(token.text, self.names)
            known = f'there are {", ".join(NAMES)}, and names of outcomes; texts need quotes: "slow" in tags'
            hint = f"did you mean {close}?" if close else known
            raise self.error(f"{token.text} is not defined", token, hint)
        found = super().name(token)
        if isinstance(found, Kinds):
            del self.used[token.text]
            self.used["outcome"] = None
        return found

    def truth(self, value: Operand, token: Token) -> bool:
        if isinstance(value, Unknown):
            return False
        if isinstance(value, Kinds):
            return self.names["outcome"] in value.kinds
        if isinstance(value, Quantity):
            value = Number(value.text, value.number)
        return super().truth(str(value) if isinstance(value, LastKind) else value, token)

    def equal(self, left: Operand, right: Operand, sign: Token) -> bool:
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return False
        if isinstance(right, LastKind):
            left, right = right, left
        if isinstance(left, LastKind) and isinstance(right, str):
            known = right if isinstance(right, Kinds) else _OUTCOMES.get(str(right).lower())
            if known is None:
                close = nearest(str(right).lower(), conditions.NAMES)
                hint = f"did you mean {close}?" if close else f"there are {', '.join(conditions.NAMES)}"
                raise self.error(f"there is no outcome {str(right)!r}", sign, hint)
            return left in known.kinds
        if isinstance(left, Quantity) or isinstance(right, Quantity):
            self._check_units(left, right, sign)
        if isinstance(left, tuple) != isinstance(right, tuple):
            raise self.error("a list cannot be compared with one value", sign, 'such as "slow" in tags')
        return super().equal(left, right, sign)

    def ordered(self, left: Operand, right: Operand, sign: Token) -> bool:
        if isinstance(left, LastKind | Kinds) or isinstance(right, LastKind | Kinds):
            raise self.error("outcomes have no order", sign, "compare them with ==, != or in")
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return False
        self._check_units(left, right, sign)
        if isinstance(left, Number) != isinstance(right, Number) or isinstance(left, bool | tuple):
            raise self.error(f"{sign.text} compares two numbers or two texts", sign)
        return super().ordered(left, right, sign)

    def _check_units(self, left: Operand, right: Operand, sign: Token) -> None:
        """Refuse to compare numbers of two units; 0 is the same in each."""
        units = [one.unit if isinstance(one, Quantity) else "" for one in (left, right)]
        if units[0] == units[1] or any(isinstance(one, Number) and not one.number for one in (left, right)):
            return
        if isinstance(left, Number) and isinstance(right, Number):
            unit = units[0] or units[1]
            what = f"{_ABOUT[units[0]]} cannot be compared with {_ABOUT[units[1]]}"
            raise self.error(what, sign, _SUCH_AS[unit])
        raise self.error(f"{_ABOUT[units[0] or units[1]]} cannot be compared with a text", sign)


def _usage(error: TreadleError) -> UsageError:
    return UsageError(error.what, facts=error.facts, hint=error.hint, place=error.place)
