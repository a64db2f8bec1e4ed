"""The retry rule: whether a failed attempt is followed by another one, and after how many seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

LONGEST_BACKOFF = 600.0
"""Seconds that a pause grows to at most."""
_LAST_SIGNAL = 64


def should_retry(
    attempt: int,
    most: int,
    on: Collection[str],
    *,
    code: int | None = None,
    is_not_ready: bool = False,
    is_out_of_time: bool = False,
) -> bool:
    """Return whether an attempt that did not end well, and was not ended from outside, is followed by another one.

    What was not ready (exit code 75) is tried again whatever `on` says.

    :param attempt: its number, 1 for the first
    :param most: further attempts that there are
    :param on: what is tried again: `any`, `timeout`, `signal`, `exit 3`
    :param code: the exit code, negative for a signal; None if no program of it ended by itself
    :param is_out_of_time: whether its time limit has ended it
    """
    if attempt > most:
        return False
    if is_not_ready or "any" in on:
        return True
    if is_out_of_time:
        return "timeout" in on
    return code is not None and not retry_words(code).isdisjoint(on)


def retry_words(code: int) -> set[str]:
    """Return the words of `retries.on` that meet an exit code, negative for a signal.

    A shell turns the signal that ended its program into 128 and its number, so the two mean the same here.
    """
    number = 128 - code if code < 0 else code
    words = {f"exit {number}"}
    if 128 < number <= 128 + _LAST_SIGNAL:
        words.add("signal")
    return words


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
