"""Conditions: comparisons of values with `and`, `or`, `not`, `in` and brackets.

The values of all names are passed in; it reads no environment.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from treadle.errors import TreadleError, nearest
from treadle.plan.yaml.nodes import Scalar, Source

JOIN = "a condition is NAME == VALUE, joined by and, or, not"
MAX_DEPTH = 50

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<text>"[^"]*"|'[^']*')
    |(?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)
    )""",
    re.VERBOSE | re.ASCII,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
KEYWORDS = frozenset(("and", "or", "not", "in", "true", "false"))


_MEANT_AS_BOOLEANS = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n"))
"""Texts, in lower case, that are booleans in some formats; a plan has only `true` and `false`."""


class Number:
    """A number with the text it was written as.

    :param value: the number if `float` cannot parse the text, such as `0x1F`
    """

    __slots__ = ("number", "text")

    def __init__(self, text: str, value: float | None = None) -> None:
        self.text = text
        self.number = float(text) if value is None else value


Operand = bool | str | Number | tuple[str, ...]
Tree = Operand | list["Tree"] | dict[str, "Tree"] | None
"""The content of a file of values in any format; numbers keep the text they were written as."""


@dataclass(slots=True, frozen=True, eq=False)
class Token:
    """One token of a condition, and where it is."""

    kind: str
    text: str
    offset: int


class Condition:
    """A condition in tokens; `evaluate` parses and evaluates it at once.

    :param pattern: what its tokens are
    """

    __slots__ = ("node", "source", "tokens")

    def __init__(self, source: Source, node: Scalar, pattern: re.Pattern[str] = _TOKEN) -> None:
        self.source = source
        self.node = node
        self.tokens = _tokens(source, node, pattern)

    def evaluate(
        self, names: Mapping[str, Operand], unknown: Mapping[str, str], secret: Collection[str] = ()
    ) -> tuple[bool, str]:
        """Return whether it is true, and the values of the names in it as text.

        :param names: the value of each name
        :param unknown: a name, or the first part of one -> the error if it is used
        :param secret: names whose values must not be shown
        """
        return self.evaluated(Evaluator(self, names, unknown, secret))

    def evaluated(self, evaluator: Evaluator) -> tuple[bool, str]:
        """Return the same by an evaluator of this condition, which has not begun."""
        names, secret = evaluator.names, evaluator.secret
        found = evaluator.either(0)
        if evaluator.at < len(self.tokens):
            raise evaluator.error(f"{evaluator.token.text} is not expected here", evaluator.token, JOIN)
        found = evaluator.truth(found, self.tokens[0])
        used = [f"{name} is {'secret' if name in secret else _show(names[name])}" for name in evaluator.used]
        return found, ", ".join(used)


def _tokens(source: Source, node: Scalar, pattern: re.Pattern[str]) -> list[Token]:
    text, at, found = node.text, 0, []
    while text[at:].strip():
        match = pattern.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            char = text[at]
            hint = "use names, texts in quotes, numbers, lists, == != < <= > >= in not and or ( )"
            if text.startswith("${", at):
                hint = "write names without ${} in a condition: mode, not ${mode}"
            raise source.error(f"unexpected {char} in a condition", source.inside(node, at, char), hint=hint)
        kind = match.lastgroup or ""
        word = match.group(kind)
        found.append(Token(kind, word, match.start(kind)))
        at = match.end()
    if not found:
        raise source.error("an empty condition", node, hint="write one, or take when: out")
    return found


@dataclass(slots=True, eq=False)
class Evaluator:
    """Parses and evaluates; all parts are parsed, so an error is found whatever the values are."""

    condition: Condition
    names: Mapping[str, Operand]
    unknown: Mapping[str, str]
    secret: Collection[str]
    at: int = 0
    used: dict[str, None] = field(default_factory=dict)

    @property
    def token(self) -> Token:
        """The next token; the last one at the end."""
        tokens = self.condition.tokens
        return tokens[min(self.at, len(tokens) - 1)]

    def error(self, what: str, token: Token, hint: str = "", *facts: str) -> TreadleError:
        """Return an error at a token."""
        source, node = self.condition.source, self.condition.node
        return source.error(what, source.inside(node, token.offset, token.text), facts=facts, hint=hint)

    def next_is(self, *texts: str) -> bool:
        """Return whether the next token is one of these words or signs."""
        if self.at >= len(self.condition.tokens):
            return False
        token = self.token
        return token.kind != "text" and token.text in texts

    def truth(self, value: Operand, token: Token) -> bool:
        """Return a value that has to be true or false."""
        if isinstance(value, bool):
            return value
        name = next(reversed(self.used), "NAME") if token.kind != "text" else token.text
        hint = f"compare it: {name} == VALUE"
        if self.used.keys() & set(self.secret):
            raise self.error("this is a value, not a condition", token, hint)
        if isinstance(value, str) and value.lower() in _MEANT_AS_BOOLEANS:
            what = f"{value} is a text here, not a condition: only true and false are booleans"
            raise self.error(
                what, token, f"write true or false where it is set, or compare it: {name} == {value!r}"
            )
        kind = {Number: "number", str: "text"}.get(type(value), "list")
        raise self.error("this is a value, not a condition", token, hint, f"it is the {kind} {_show(value)}")

    def either(self, depth: int) -> Operand:
        """Parse what `or` joins."""
        return self._joined("or", operator.or_, self.both, depth)

    def both(self, depth: int) -> Operand:
        """Parse what `and` joins."""
        return self._joined("and", operator.and_, self.negated, depth)

    def _joined(
        self, word: str, join: Callable[[bool, bool], bool], part: Callable[[int], Operand], depth: int
    ) -> Operand:
        """Parse parts that are joined by a word; all are evaluated, so that errors in any of them are found."""
        start = self.token
        value = part(depth)
        while self.next_is(word):
            self.at += 1
            second = self.token
            other = part(depth)
            value = join(self.truth(value, start), self.truth(other, second))
        return value

    def negated(self, depth: int) -> Operand:
        """Parse a comparison after any number of `not`."""
        count, start = 0, self.token
        while self.next_is("not"):
            self.at += 1
            count += 1
        value = self.comparison(depth)
        if not count:
            return value
        return self.truth(value, start) ^ (count % 2 == 1)

    def comparison(self, depth: int) -> Operand:
        """Parse a value, or two that are compared."""
        left = self.operand(depth)
        sign = self.token
        if self.next_is("not"):
            self.at += 1
            if not self.next_is("in"):
                raise self.error("not must be followed by in here", sign, "write not in, or != for two values")
            self.at += 1
            return not self.contains(left, self.operand(depth), sign)
        if not self.next_is("==", "!=", "<", "<=", ">", ">=", "in"):
            return left
        self.at += 1
        right = self.operand(depth)
        if self.next_is("==", "!=", "<", "<=", ">", ">=", "in"):
            raise self.error("comparisons cannot be chained", self.token, "join them with and")
        if sign.text == "in":
            return self.contains(left, right, sign)
        if sign.text in ("==", "!="):
            return self.equal(left, right, sign) == (sign.text == "==")
        return self.ordered(left, right, sign)

    def contains(self, left: Operand, right: Operand, sign: Token) -> bool:
        """Return whether a value is in a list."""
        if not isinstance(right, tuple):
            raise self.error("the right side of in must be a list", sign, 'such as mode in ["debug", "release"]')
        if isinstance(left, tuple):
            raise self.error("the left side of in cannot be a list", sign, "compare one value after the other")
        return any(self.equal(left, one, sign) for one in right)

    def equal(self, left: Operand, right: Operand, sign: Token) -> bool:
        """Return whether two values are the same; numbers are by what they are, all else by its text."""
        del sign
        if isinstance(left, Number) and isinstance(right, Number):
            return left.number == right.number
        if isinstance(left, tuple) or isinstance(right, tuple):
            return left == right
        return text_of(left) == text_of(right)

    def ordered(self, left: Operand, right: Operand, sign: Token) -> bool:
        """Return whether two values are in the order that a sign says."""
        if isinstance(left, Number) and isinstance(right, Number):
            return _COMPARE[sign.text](left.number, right.number)
        if isinstance(left, str) and isinstance(right, str):
            return _COMPARE[sign.text](left, right)
        raise self.error(
            f"{sign.text} compares two numbers or two texts", sign, "give the parameter type: int or float"
        )

    def operand(self, depth: int) -> Operand:
        """Parse a value, or a condition in brackets."""
        if self.at >= len(self.condition.tokens):
            raise self.error("the condition ends too early", self.token, "a value must follow")
        token = self.token
        self.at += 1
        if token.kind == "number":
            return Number(token.text)
        if token.kind == "text":
            return token.text[1:-1]
        if token.kind == "name" and token.text not in ("and", "or", "in", "not"):
            return self.name(token)
        if token.text in ("(", "["):
            if depth >= MAX_DEPTH:
                raise self.error(f"more than {MAX_DEPTH} brackets inside each other", token, "take some out")
            return self.bracketed(depth + 1) if token.text == "(" else self.listed()
        raise self.error(f"{token.text} is not expected here", token, JOIN)

    def bracketed(self, depth: int) -> Operand:
        """Parse the rest of a condition in brackets."""
        opened = self.condition.tokens[self.at - 1]
        value = self.either(depth)
        if not self.next_is(")"):
            raise self.error("a bracket that is not closed", opened, "write ) where it ends")
        self.at += 1
        return value

    def listed(self) -> Operand:
        """Parse the rest of a list."""
        opened = self.condition.tokens[self.at - 1]
        found: list[str] = []
        while not self.next_is("]"):
            if self.at >= len(self.condition.tokens):
                raise self.error("a list that is not closed", opened, "write ] where it ends")
            value = self.operand(MAX_DEPTH)
            found.extend(value if isinstance(value, tuple) else (text_of(value),))
            if self.next_is(","):
                self.at += 1
            elif not self.next_is("]"):
                raise self.error(
                    "a list needs commas between its values and ] at its end", opened, 'such as ["a", "b"]'
                )
        self.at += 1
        return tuple(found)

    def name(self, token: Token) -> Operand:
        """Return the value of a name."""
        if token.text in ("true", "false"):
            return token.text == "true"
        if token.text not in self.names:
            first = token.text.split(".")[0]
            said = self.unknown.get(token.text) or self.unknown.get(first)
            if said:
                what, *rest = said.replace("[NAME]", f"[{token.text[len(first) + 1 :] or 'NAME'}]").split("\n")
                raise self.error(what, token, *rest)
            close = nearest(token.text, self.names)
            hint = (
                f"did you mean {close}?"
                if close
                else "texts need quotes; names are params, vars and foreach values"
            )
            raise self.error(f"{token.text} is not defined", token, hint)
        self.used[token.text] = None
        return self.names[token.text]


def text_of(value: Operand) -> str:
    """Return the text that a value was written as."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    return " ".join(value) if isinstance(value, tuple) else value


def _show(value: Operand) -> str:
    if isinstance(value, tuple):
        # unprintable characters are escaped, so that a reason stays one line
        return f"[{', '.join(repr(one)[1:-1] if not one.isprintable() else one for one in value)}]"
    return repr(text_of(value))
