"""The retry rule: whether a failed attempt is followed by another one, when, and with how much of what it asks for.

It knows no jobs, no pools and no clock: `Tries` is asked after each attempt by walks and by coroutines alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from treadle.errors import UsageError, listed

from .codes import numbers_of
from .outcomes import FAIL, NO_OUTCOME
from .text import size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from .outcomes import Outcome

    Growth = float | Sequence[float] | Callable[[Any, int, Outcome], float]

    class Policy(Protocol):
        """What the rule reads of a `Retries`."""

        max: int
        on: Sequence[str]
        backoff: float
        jitter: float
        grow: Mapping[str, Growth]


LONGEST_BACKOFF = 600.0
"""Seconds that a pause grows to at most."""
MOST_LOSSES = 3
"""How many further attempts follow losses; they count nothing of the others."""
TIMEOUT = "timeout"
"""The time limit among what grows; all else is a type of resources."""
_LAST_SIGNAL = 64
_NAMES = "HUP INT QUIT ILL TRAP ABRT - FPE KILL - SEGV - PIPE ALRM TERM - - - - - - - - XCPU XFSZ"
SIGNALS = {name: number for number, name in enumerate(_NAMES.split(), 1) if name != "-"}
"""Name -> number, of the signals that have one number on all systems."""
KINDS = {kind: kind for kind in ("timeout", "lost", "diffed", "not_ready")} | {"memory": "out_of_memory"}
"""Words of `retries.on` that are kinds of outcomes -> these kinds."""
SAYS = "timeout, memory, lost, diffed, not_ready, signal, signal KILL, exit N, exit N-M (0 to 255), any"
_LACKS = {"memory": "out_of_memory", TIMEOUT: "timeout"}
"""What grows after one kind of outcome alone -> that kind; all else grows after what a word of `on` names."""


def should_retry(
    attempt: int,
    most: int,
    on: Iterable[str],
    *,
    ended: Outcome,
    code: int | None = None,
    codes: Collection[int] = (),
    losses: int = 0,
) -> bool:
    """Return whether an attempt is followed by another one.

    Only what has failed is, or was not ready. What was not ready, and a code that asks for it, is tried again
    whatever `on` says. What was lost is as often as MOST_LOSSES, and that counts nothing of `most`.

    :param attempt: its number, 1 for the first
    :param most: further attempts that there are
    :param on: what is tried again, in words that `is_word` knows
    :param ended: how it ended
    :param code: the exit code, negative for a signal; None if no program of it ended by itself
    :param codes: exit codes that ask for another attempt
    :param losses: how many attempts were lost, this one too
    """
    if ended.kind == "lost":
        return losses <= MOST_LOSSES and is_met(on, ended, code)
    is_not_ready = ended.kind == "not_ready"
    if attempt - losses > most or not (ended.category == FAIL or is_not_ready):
        return False
    return is_not_ready or is_asked_for(code, codes) or is_met(on, ended, code)


def is_asked_for(code: int | None, codes: Collection[int]) -> bool:
    """Return whether an exit code is among those that ask for another attempt."""
    return code is not None and _as_of_a_shell(code) in codes


def is_met(on: Iterable[str], ended: Outcome, code: int | None = None) -> bool:
    """Return whether a word of `retries.on` means such an end."""
    return any(_meets(word, ended.kind, code) for word in on)


def is_word(word: str) -> bool:
    """Return whether a word of `retries.on` means something."""
    if word in ("any", "signal") or word in KINDS:
        return True
    try:
        return bool(_codes_of(word))
    except ValueError:
        return False


def _meets(word: str, kind: str, code: int | None) -> bool:
    if word == "any":
        # what asks for what cannot be given gets it the next time no more than now
        return kind != "invalid"
    if word in KINDS:
        return kind == KINDS[word]
    if code is None:
        return False
    try:
        return _as_of_a_shell(code) in _codes_of(word)
    except ValueError:
        return False


def _as_of_a_shell(code: int) -> int:
    """Return the code by which a shell reports a signal: 128 and its number, so the two mean the same here."""
    return 128 - code if code < 0 else code


def _codes_of(word: str) -> range:
    """Return the exit codes that a word names.

    :raises ValueError: it names none
    """
    if word == "signal":
        return range(129, 129 + _LAST_SIGNAL)
    kind, _, name = word.partition(" ")
    if kind == "exit":
        return numbers_of(name)
    number = SIGNALS.get(name.upper().removeprefix("SIG"))
    if number is None and name.isascii() and name.isdigit() and len(name) <= 2:
        number = int(name)
    if kind != "signal" or number is None or not 1 <= number <= _LAST_SIGNAL:
        raise ValueError(f"expected one of {SAYS}")
    return range(128 + number, 129 + number)


def pause_before(attempt: int, backoff: float, jitter: float = 0.0, seed: str = "") -> float:
    """Return how many seconds pass before an attempt, the second one or a later one.

    It doubles up to ten minutes, or stays where it begins if that is more.

    :param jitter: the share by which it is shorter at most; how much of that is drawn
    :param seed: what the draw depends on, with the number of the attempt
    """
    pause = min(backoff * 2.0 ** min(attempt - 2, 64), max(backoff, LONGEST_BACKOFF))
    return pause * (1.0 - jitter * _drawn(f"{seed} {attempt}")) if jitter else pause


def _drawn(seed: str) -> float:
    """Return a number from 0 up to 1 that looks like one of chance, and is the same for the same seed.

    A generator with state would make each pause depend on the other retries.
    """
    from xxhash import xxh3_64_intdigest

    return xxh3_64_intdigest(seed.encode("utf-8", "surrogatepass")) / 2.0**64


def ahead(priority: float) -> float:
    """Return the priority of what goes before all of a priority, and after all of a higher one."""
    return priority + (abs(priority) * 2.0**-52 or 5e-324)


class Next:
    """What follows an attempt that did not end well.

    :ivar again: whether another attempt does
    :ivar delay: the seconds before it
    :ivar grown: type of resources, or `timeout` -> the amount of the next attempt, of what has grown
    :ivar capped: type -> the amount that it would have grown to, of what was not given that much
    :ivar remark: what it adds to the reason of the outcome, "" for nothing
    """

    __slots__ = ("again", "capped", "delay", "grown", "remark")

    def __init__(self) -> None:
        self.again = False
        self.delay = 0.0
        self.grown: dict[str, float] = {}
        self.capped: dict[str, float] = {}
        self.remark = ""


class Tries:
    """The attempts of one job: it is asked after each one that did not end well.

    :param retries: how often and after what it is tried again
    :param amounts: type of resources, and `timeout` -> what the first attempt asks for
    :param seed: what jitter depends on, besides the number of the attempt
    """

    __slots__ = (
        "_grown_times",
        "amounts",
        "delay",
        "ended",
        "grown",
        "has_grown",
        "hosts",
        "losses",
        "retries",
        "seed",
    )

    def __init__(self, retries: Policy, amounts: Mapping[str, float], seed: str = "") -> None:
        self.retries = retries
        self.amounts = dict(amounts)
        """What the next attempt asks for."""
        self.seed = seed
        self.losses = 0
        self.hosts: list[str] = []
        """Where attempts were lost, as far as that is known."""
        self.grown: Mapping[str, float] = {}
        """What the next attempt gets more of than the one before."""
        self.ended: Outcome = NO_OUTCOME
        """How the last attempt has ended."""
        self.delay = 0.0
        """The seconds between the last attempt and the next one."""
        self.has_grown = False
        """Whether the next attempt asks for another amount than the first."""
        self._grown_times: dict[str, int] = {}

    @property
    def uncounted(self) -> int:
        """How many further attempts followed losses."""
        return min(self.losses, MOST_LOSSES)

    def priority(self, usual: float) -> float:
        """Return the priority of the next attempt: one that has grown goes before all of its usual priority."""
        return ahead(usual) if self.has_grown else usual

    def after(
        self,
        attempt: int,
        ended: Outcome,
        *,
        code: int | None = None,
        codes: Collection[int] = (),
        host: str = "",
        cap: Callable[[str, Mapping[str, float]], float | None] | None = None,
    ) -> Next:
        """Return what follows an attempt.

        :param attempt: its number, 1 for the first
        :param ended: how it ended
        :param code: the exit code, negative for a signal; None if no program of it ended by itself
        :param codes: exit codes that ask for another attempt
        :param host: where it ran, "" if that is not known
        :param cap: returns how much of a type there is at most, besides all else that is asked for; None for any
            amount
        :raises UsageError: a function has grown something to what is no amount
        """
        found, retries = Next(), self.retries
        self.grown, self.ended = found.grown, ended
        if ended.kind == "lost":
            self.losses += 1
            self.hosts += [host] if host and host not in self.hosts else []
            if self.losses > 1:
                found.remark = f"lost {self.losses} times" + (f", on {listed(self.hosts)}" if self.hosts else "")
        if not should_retry(
            attempt, retries.max, retries.on, ended=ended, code=code, codes=codes, losses=self.losses
        ):
            return found
        stuck = self._grow(found, attempt, ended, code, codes, cap)
        found.again = not stuck
        found.delay = self.delay = pause_before(attempt + 1, retries.backoff, retries.jitter, self.seed)
        return found

    def begin_after(
        self,
        ends: Sequence[tuple[Outcome, int | None]],
        *,
        codes: Collection[int] = (),
        cap: Callable[[str, Mapping[str, float]], float | None] | None = None,
    ) -> dict[str, float]:
        """Begin with what the next attempt after some others would get, which were those of another run.

        :param ends: how these have ended, and their exit codes
        :return: type -> amount, of what has grown
        """
        before = dict(self.amounts)
        for attempt, (ended, code) in enumerate(ends, 1):
            self._grow(Next(), attempt, ended, code, codes, cap)
        return {kind: amount for kind, amount in self.amounts.items() if amount != before[kind]}

    def _grow(
        self,
        found: Next,
        attempt: int,
        ended: Outcome,
        code: int | None,
        codes: Collection[int],
        cap: Callable[[str, Mapping[str, float]], float | None] | None,
    ) -> bool:
        """Let the amounts grow after an attempt; return whether what it lacked cannot."""
        retries, stuck = self.retries, False
        grows = is_asked_for(code, codes) or is_met(retries.on, ended, code)
        # what it lacked comes first: more of others may leave no place that has more of that
        for kind, growth in sorted(retries.grow.items(), key=lambda one: one[0] not in _LACKS):
            lack = _LACKS.get(kind)
            if kind not in self.amounts or ended.kind == "lost" or not (ended.kind == lack if lack else grows):
                continue
            before = self.amounts[kind]
            wanted = self._next_amount(kind, growth, before, attempt, ended)
            most = None if cap is None else cap(kind, self.amounts)
            amount = wanted if most is None else max(min(wanted, most), min(before, wanted))
            if lack and amount <= before:
                stuck = True
                found.remark = f"not tried again: its {words_of(kind, amount)} cannot grow"
            if amount < wanted:
                found.capped[kind] = wanted
            if amount != before:
                self.amounts[kind] = found.grown[kind] = amount
                self.has_grown = True
        return stuck

    def _next_amount(self, kind: str, growth: Growth, amount: float, attempt: int, ended: Outcome) -> float:
        times = self._grown_times[kind] = self._grown_times.get(kind, 0) + 1
        if isinstance(growth, int | float):
            grown: Any = amount * growth
        elif callable(growth):
            grown = growth(amount, attempt, ended)
            if isinstance(grown, bool) or not isinstance(grown, int | float) or not 0 <= grown < _INFINITE:
                raise UsageError(
                    f"{kind} has grown to {grown!r}", facts=("expected that its function returns an amount",)
                )
        else:
            grown = growth[min(times, len(growth)) - 1]
        return grown if kind == TIMEOUT else -int(-grown // 1)


_INFINITE = float("inf")


def words_of(kind: str, amount: float) -> str:
    """Return an amount with what it is of, in words."""
    return f"time limit of {amount:g} s" if kind == TIMEOUT else f"{amount_text(kind, amount)} of {kind}"


def amount_text(kind: str, amount: float) -> str:
    """Return in words how much of something an attempt has."""
    if kind == TIMEOUT:
        return f"{amount:g} s"
    return size_text(amount) if kind == "memory" else f"{amount:g}"
