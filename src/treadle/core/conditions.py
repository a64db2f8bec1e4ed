"""Conditions of edges: which outcomes of its start let the end of an edge run, and what follows where one does not.

A condition depends on one outcome alone, so it is kept as the set of the kinds that meet it. It knows no graph and
no walk, and a run without conditions does not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.errors import UsageError, nearest

from .outcomes import CANCEL, FAIL, KINDS, NONE, PASS, SKIP

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from .outcomes import Outcome

UP_TO_DATE = "skip"
"""The kind of what is skipped because nothing has changed."""
NOT_NEEDED = "not_needed"
_BLOCKED, _NOT_READY, _NOT_STARTED = "blocked", "not_ready", "not_started"

_CATEGORIES = (PASS, FAIL, CANCEL, SKIP, NONE)
_SAME = {"xdiff": "expected_diff", "xfail": "expected_failure"}
_WORDS = ("and", "or", "not")
_MOST = 1000
"""The most characters of an expression."""
_DEEPEST = 50
"""How deep brackets and `not` may be nested."""


def _of_category(*categories: str) -> frozenset[str]:
    return frozenset(kind for kind, (category, *_) in KINDS.items() if category in categories)


_SUCCESS = _of_category(PASS) | {UP_TO_DATE}
_SETS: dict[str, frozenset[str]] = {
    "on_success": _SUCCESS,
    "on_failure": _of_category(FAIL),
    "always": frozenset(KINDS),
    **{category.lower(): _of_category(category) for category in _CATEGORIES},
    # after the categories: the word `skip` is the kind
    **{kind: frozenset((kind,)) for kind in KINDS},
    **{word: frozenset((kind,)) for word, kind in _SAME.items()},
}
NAMES = tuple(_SETS)
"""All names that an expression may have, in lower case."""

_CALM = _SUCCESS | {NOT_NEEDED, "disabled"}
"""The kinds of a start after which the fingerprint of the end decides: nothing of it has failed or was given up."""


class Condition:
    """Which outcomes of its start let the end of an edge run; never changed, equal if the same outcomes meet it.

    :param text: the condition in words, as it is shown
    :param kinds: the kinds of outcomes that meet it
    """

    __slots__ = ("kinds", "text")

    def __init__(self, text: str, kinds: Iterable[str]) -> None:
        self.text = text
        self.kinds = frozenset(kinds)

    def is_met(self, outcome: Outcome) -> bool:
        """Return whether an outcome meets it."""
        return outcome.kind in self.kinds

    @property
    def is_default(self) -> bool:
        """Whether it is `on_success`, which an edge without a condition has."""
        return self.kinds == _SUCCESS

    @property
    def may_follow_success(self) -> bool:
        """Whether a start that succeeds or is up to date can meet it; if not, a failure has to (or the like)."""
        return not self.kinds.isdisjoint(_SUCCESS)

    @property
    def may_follow_skip(self) -> bool:
        """Whether a start that is up to date meets it."""
        return UP_TO_DATE in self.kinds

    @property
    def may_follow_no_start(self) -> bool:
        """Whether a start that was not started, because the run ended before its turn, meets it."""
        return _NOT_STARTED in self.kinds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.kinds == other.kinds

    def __hash__(self) -> int:
        return hash(self.kinds)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Condition({self.text!r})"

    def __reduce__(self) -> tuple[type[Condition], tuple[str, frozenset[str]]]:
        return Condition, (self.text, self.kinds)


ON_SUCCESS = Condition("on_success", _SETS["on_success"])
ON_FAILURE = Condition("on_failure", _SETS["on_failure"])
ALWAYS = Condition("always", _SETS["always"])


def parse(text: object) -> Condition:
    """Return the condition that a text says: `on_success`, `on_failure`, `always` or an expression.

    An expression has names of outcomes and categories, `and`, `or`, `not` and brackets, in lower or upper case.
    `skip` is the kind (up to date), not the category.

    :raises UsageError: it is no text, a name is unknown, it is not well-formed, or no outcome can meet it
    """
    if isinstance(text, Condition):
        return text
    if not isinstance(text, str) or not text.strip():
        shown = "empty" if isinstance(text, str) else repr(text)
        raise UsageError(f"the condition is {shown}", facts=(_EXPECTED,))
    return _Parser(text).condition()


_EXPECTED = (
    "expected on_success, on_failure, always, or names of outcomes joined by and, or, not:"
    " `timeout or (failed and not diffed)`"
)


class _Parser:
    """Reads one expression: `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        if len(self.text) > _MOST:
            raise UsageError(f"the condition has {len(self.text)} characters", facts=(f"expected at most {_MOST}",))
        self.tokens = self.text.replace("(", " ( ").replace(")", " ) ").split()
        self.at = 0
        self.depth = 0

    def condition(self) -> Condition:
        kinds = self.either()
        if self.at < len(self.tokens):
            raise self.wrong(f"{self.tokens[self.at]!r} is unexpected", "expected `and`, `or` or the end")
        if not kinds:
            raise self.wrong("no outcome can meet it", "it contradicts itself: an action has one outcome")
        return Condition(self.text if len(self.tokens) > 1 else self.text.lower(), kinds)

    def either(self) -> frozenset[str]:
        kinds = self.both()
        while self.take("or"):
            kinds |= self.both()
        return kinds

    def both(self) -> frozenset[str]:
        kinds = self.one()
        while self.take("and"):
            kinds &= self.one()
        return kinds

    def one(self) -> frozenset[str]:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong("it is nested too deep", f"expected at most {_DEEPEST} levels")
        try:
            if self.take("not"):
                return _SETS["always"] - self.one()
            if self.take("("):
                kinds = self.either()
                if not self.take(")"):
                    raise self.wrong("a bracket is not closed", "expected `)`")
                return kinds
            return self.named()
        finally:
            self.depth -= 1

    def named(self) -> frozenset[str]:
        if self.at == len(self.tokens):
            raise self.wrong("it ends too early", "expected the name of an outcome")
        name = self.tokens[self.at]
        self.at += 1
        found = _SETS.get(name.lower())
        if found is not None:
            return found
        if name.lower() in _WORDS or name in "()":
            raise self.wrong(f"{name!r} is unexpected", "expected the name of an outcome")
        near = nearest(name.lower(), NAMES)
        listed = f"the nearest name is {near!r}" if near else f"expected one of {', '.join(NAMES)}"
        raise self.wrong(f"there is no outcome {name!r}", listed)

    def take(self, token: str) -> bool:
        found = self.at < len(self.tokens) and self.tokens[self.at].lower() == token
        self.at += found
        return found

    def wrong(self, what: str, expected: str) -> UsageError:
        return UsageError(f"the condition {self.text!r}: {what}", facts=(expected,))


class Start:
    """How the start of an edge has ended, seen from the end of that edge.

    :param uid: the start
    :param outcome: how it ended
    :param is_met: whether that meets the condition of the edge
    :param origins: the failures that blocked the start, where one did
    :param condition: the condition as text
    """

    __slots__ = ("condition", "is_met", "origins", "outcome", "uid")

    def __init__(
        self,
        uid: Hashable,
        outcome: Outcome,
        is_met: bool,
        origins: Iterable[Hashable] = (),
        condition: str = "on_success",
    ) -> None:
        self.uid = uid
        self.outcome = outcome
        self.condition = condition
        self.is_met = is_met
        self.origins = tuple(origins)


RUN, BLOCKED, NEEDLESS, NOT_STARTED = "run", "blocked", "not needed", "not started"


class Judgement:
    """What the conditions of an action say once all that it needs has ended.

    :param kind: RUN (its fingerprint decides, unless `met_by`), BLOCKED, NEEDLESS or NOT_STARTED
    :param by: the starts that say so: those that are not met; for RUN those that demand a run
    :param origins: where the failures began that block it
    """

    __slots__ = ("by", "kind", "origins")

    def __init__(self, kind: str, by: Sequence[Start] = (), origins: Sequence[Hashable] = ()) -> None:
        self.kind = kind
        self.by = tuple(by)
        self.origins = tuple(origins)


def judge(starts: Iterable[Start]) -> Judgement:
    """Return what becomes of an action, by the ends of all that it needs.

    If all conditions are met it may run, and has to where one was met by something else than a success: a failure
    has no fingerprint, so what follows from it is never up to date. What is not needed or disabled has neither
    failed nor run, so it demands nothing. If one is not met because something failed, it is blocked; else if one is
    not met because the run ended before, it is not started; else nothing failed, and it is not needed. A failure
    wins over the last two, as the run fails anyway. An action that was not needed makes nothing run, as a run
    with one would never have nothing to do.
    """
    unmet, demanding = [], []
    for start in starts:
        if not start.is_met:
            unmet.append(start)
        elif not is_calm(start.outcome):
            demanding.append(start)
    if not unmet:
        return Judgement(RUN, demanding)
    failed = [start for start in unmet if has_failed(start.outcome)]
    if failed:
        origins: dict[Hashable, None] = {}
        for start in failed:
            origins.update(dict.fromkeys(start.origins or (start.uid,)))
        return Judgement(BLOCKED, failed, tuple(origins))
    cut = [start for start in unmet if start.outcome.category in (CANCEL, NONE)]
    return Judgement(NOT_STARTED, cut) if cut else Judgement(NEEDLESS, unmet)


def is_calm(outcome: Outcome) -> bool:
    """Return whether the fingerprint of what comes after an end decides: it succeeded, or had nothing to do."""
    return outcome.kind in _CALM


def has_failed(outcome: Outcome) -> bool:
    """Return whether an end follows from a failure, its own or one before it."""
    return outcome.category == FAIL or outcome.kind in (_BLOCKED, _NOT_READY)
