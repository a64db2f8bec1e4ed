"""What exit codes mean: `codes` and `expect` of an action. It knows no processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.errors import UsageError, nearest

from .outcomes import Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Numbers = int | str | Iterable[int | str]
    """A code, a range of codes as text (`130-143`), or several of them."""

MOST = 255
_USUAL = {"success": (0,), "diffed": (64,), "skipped": (), "not_ready": (75,), "retry": ()}
"""Meaning -> the codes that have it where nothing else is said of them."""
MEANINGS = tuple(_USUAL)
FAILURE, DIFF = EXPECTED = ("failure", "diff")
_FIRST_SIGNAL, _LAST_SIGNAL = 129, 192
_NOT_STARTED = (126, 127)
"""How shells report a program that cannot be executed, and one that is not there."""


def numbers_of(text: str) -> range:
    """Return the codes that a text names: `3`, or a range such as `130-143`.

    :raises ValueError: it names none; the message says what was expected
    """
    first, is_range, last = text.partition("-")
    last = last if is_range else first
    is_plain = all(one.isascii() and one.isdigit() and len(one) <= len(str(MOST)) for one in (first, last))
    if not is_plain or max(int(first), int(last)) > MOST:
        raise ValueError(f"expected a number from 0 to {MOST}, or a range such as 130-143")
    if int(first) > int(last):
        raise ValueError("expected a range with its lower number first")
    return range(int(first), int(last) + 1)


def _codes_in(given: Numbers, what: str) -> list[int]:
    found: list[int] = []
    for one in [given] if isinstance(given, int | str) else given:
        if isinstance(one, bool) or not isinstance(one, int | str):
            raise UsageError(f"{what} has the exit code {one!r}", facts=("expected a number or a text",))
        try:
            found += numbers_of(str(one))
        except ValueError as error:
            raise UsageError(f"{what} has the exit code {one!r}", facts=(str(error),)) from error
    return found


def shown(codes: Iterable[int]) -> str:
    """Return codes as text, in order: `0,2,130-143`."""
    runs: list[list[int]] = []
    for code in sorted(codes):
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


class Codes:
    """What exit codes mean. All that are not named are failures.

    A meaning that is left out has its usual codes, as far as these are given no other meaning.

    :param success: usually 0
    :param diffed: the outputs differ from what was expected; usually 64
    :param skipped: the action says itself that it does not apply; usually none
    :param not_ready: it is tried again, as far as there are attempts; usually 75
    :param retry: a failure that asks for another attempt; usually none
    :raises UsageError: a code has two meanings or cannot be one, or none is a success
    """

    __slots__ = ("_kinds", *MEANINGS)

    def __init__(
        self,
        success: Numbers | None = None,
        diffed: Numbers | None = None,
        skipped: Numbers | None = None,
        not_ready: Numbers | None = None,
        retry: Numbers | None = None,
    ) -> None:
        given = dict(zip(MEANINGS, (success, diffed, skipped, not_ready, retry), strict=True))
        said: dict[int, str] = {}
        for meaning, numbers in given.items():
            for code in _codes_in(numbers, meaning) if numbers is not None else ():
                if said.setdefault(code, meaning) != meaning:
                    raise UsageError(f"the exit code {code} means both {said[code]} and {meaning}")
        for meaning, usual in _USUAL.items():
            if given[meaning] is None:
                for code in usual:
                    said.setdefault(code, meaning)
        self.success, self.diffed, self.skipped, self.not_ready, self.retry = (
            frozenset(code for code, of in said.items() if of == meaning) for meaning in MEANINGS
        )
        if not self.success:
            raise UsageError("no exit code means success", hint="name one in success")
        self._kinds = {code: meaning for code, meaning in said.items() if meaning != "retry"}

    def kind_of(self, code: int) -> str:
        """Return the kind of outcome that an exit code means."""
        return self._kinds.get(code, "failed")

    @property
    def said(self) -> dict[str, list[int]]:
        """Meaning -> its codes: what `Codes` can be made of again."""
        return {meaning: sorted(getattr(self, meaning)) for meaning in MEANINGS}

    @property
    def text(self) -> str:
        """What of it belongs to the key of a fingerprint, "" for what holds anyway.

        That a code asks for another attempt is not part of it: it changes no success.
        """
        known = [f"{meaning} {shown(self.said[meaning])}" for meaning in MEANINGS[:-1] if self.said[meaning]]
        usual = [f"{meaning} {shown(codes)}" for meaning, codes in _USUAL.items() if codes]
        return "; ".join(known) if known != usual else ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Codes) and self.said == other.said

    def __hash__(self) -> int:
        return hash((self.success, self.diffed, self.skipped, self.not_ready, self.retry))

    def __repr__(self) -> str:
        return f"Codes({', '.join(f'{meaning}={codes}' for meaning, codes in self.said.items())})"


USUAL = Codes()
"""What exit codes mean where nothing is said of them."""


class Expect:
    """The end that is expected in place of a success.

    :param kind: `failure` or `diff`
    :param codes: of a failure, the exit codes that are expected; none for any
    :raises UsageError: it is none of these, or the codes cannot be any
    """

    __slots__ = ("codes", "kind")

    def __init__(self, kind: str, codes: Numbers = ()) -> None:
        if kind not in EXPECTED:
            close = nearest(str(kind), EXPECTED)
            hint = f"did you mean {close}?" if close else ""
            raise UsageError(
                f"cannot expect {kind!r}", facts=(f"expected one of {', '.join(EXPECTED)}",), hint=hint
            )
        self.kind = kind
        self.codes = frozenset(_codes_in(codes, "expect"))
        if self.codes and kind == DIFF:
            raise UsageError("expect: diff has no exit codes", hint="codes: says which codes mean diffed")

    @property
    def text(self) -> str:
        """It as text: `failure`, `failure 3`, `diff`; so it is in the key of a fingerprint."""
        return f"{self.kind} {shown(self.codes)}" if self.codes else self.kind

    def is_met(self, code: int, codes: Codes) -> bool:
        """Return whether an exit code is what was expected.

        A failure of any code is not one that a shell reports where it could not start a program, or where a signal
        has ended one, nor a code that asks for another attempt.
        """
        if self.codes:
            return code in self.codes
        kind = codes.kind_of(code)
        if self.kind == DIFF:
            return kind == "diffed"
        return kind == "failed" and code not in codes.retry and not is_reserved(code)

    def conflicts(self, codes: Codes) -> Iterator[tuple[int, str]]:
        """Yield the codes that are expected and have another meaning, with that."""
        for code in sorted(self.codes):
            meaning = "retry" if code in codes.retry else codes.kind_of(code)
            if meaning in ("success", "skipped", "retry"):
                yield code, meaning

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expect) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expect({self.kind!r}, {sorted(self.codes)})" if self.codes else f"Expect({self.kind!r})"


def is_reserved(code: int) -> bool:
    """Return whether shells report something by this code: what they could not start, or a signal.

    Neither is the failure that a plan expects, unless it names the code: a crash would pass as a success.
    """
    return code in _NOT_STARTED or _FIRST_SIGNAL <= code <= _LAST_SIGNAL


def expect_of(given: Expect | str | Mapping[str, Numbers]) -> Expect:
    """Return what is expected: `failure`, `diff`, or a map such as `{"failure": 3}`.

    :raises UsageError: it is none of these
    """
    if isinstance(given, Expect):
        return given
    if isinstance(given, str):
        return Expect(given)
    if len(given) != 1:
        raise UsageError(f"cannot expect {dict(given)!r}", hint='one end is expected, such as {"failure": 3}')
    return Expect(*next(iter(given.items())))


def check(codes: Codes | None, expect: Expect | None) -> None:
    """Refuse an expectation that the meaning of its codes contradicts.

    :raises UsageError: there is one
    """
    for code, meaning in expect.conflicts(codes or USUAL) if expect is not None else ():
        raise UsageError(f"the exit code {code} is expected as a failure, and means {meaning}")


def outcome_of_code(
    code: int, why: str, codes: Codes | None = None, expect: Expect | None = None, differs: str = ""
) -> Outcome:
    """Return how a program has ended that came to its end with an exit code.

    :param code: 0 or more: a signal is none
    :param why: the code in words
    :param differs: which of its outputs differ from their baselines, in words: then a success has `diffed`
    """
    codes = codes or USUAL
    kind = codes.kind_of(code)
    has_differed = bool(differs) and kind == "success"
    if has_differed:
        kind, why = "diffed", differs
        if expect is not None and expect.kind == DIFF:
            return outcome("expected_diff", why)
    if expect is None or kind == "skipped":
        return outcome(kind, "" if kind == "success" else why)
    if not has_differed and expect.is_met(code, codes):
        return outcome("expected_diff" if expect.kind == DIFF else "expected_failure", why)
    if kind == "not_ready":
        return outcome(kind, why)
    return outcome("failed" if kind == "success" else kind, f"expected {expect.text}, {why}")
