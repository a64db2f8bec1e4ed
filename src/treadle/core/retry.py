"""The retry rule: whether a failed attempt is followed by another one, and after how many seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codes import numbers_of
from .outcomes import FAIL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .outcomes import Outcome

LONGEST_BACKOFF = 600.0
"""Seconds that a pause grows to at most."""
_LAST_SIGNAL = 64
_NAMES = "HUP INT QUIT ILL TRAP ABRT - FPE KILL - SEGV - PIPE ALRM TERM - - - - - - - - XCPU XFSZ"
SIGNALS = {name: number for number, name in enumerate(_NAMES.split(), 1) if name != "-"}
"""Name -> number, of the signals that have one number on all systems."""
KINDS = ("timeout", "diffed", "not_ready")
"""Kinds of outcomes that are words of `retries.on` themselves."""
SAYS = "timeout, diffed, not_ready, signal, signal KILL, exit N, exit N-M (0 to 255), any"


def should_retry(
    attempt: int,
    most: int,
    on: Iterable[str],
    *,
    ended: Outcome,
    code: int | None = None,
    codes: Collection[int] = (),
) -> bool:
    """Return whether an attempt is followed by another one.

    Only what has failed is, or was not ready. What was not ready, and a code that asks for it, is tried again
    whatever `on` says.

    :param attempt: its number, 1 for the first
    :param most: further attempts that there are
    :param on: what is tried again, in words that `is_word` knows
    :param ended: how it ended
    :param code: the exit code, negative for a signal; None if no program of it ended by itself
    :param codes: exit codes that ask for another attempt
    """
    is_not_ready = ended.kind == "not_ready"
    if attempt > most or not (ended.category == FAIL or is_not_ready):
        return False
    if is_not_ready or (code is not None and _as_of_a_shell(code) in codes):
        return True
    return any(_meets(word, ended.kind, code) for word in on)


def is_word(word: str) -> bool:
    """Return whether a word of `retries.on` means something."""
    if word in ("any", "signal", *KINDS):
        return True
    try:
        return bool(_codes_of(word))
    except ValueError:
        return False


def _meets(word: str, kind: str, code: int | None) -> bool:
    if word == "any" or (word == kind and word in KINDS):
        return True
    if code is None or word in KINDS:
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
    """Return a number from 0 up to 1 that looks like one of chance, and is the same for the same seed."""
    from xxhash import xxh3_64_intdigest

    return xxh3_64_intdigest(seed.encode("utf-8", "surrogatepass")) / 2.0**64
