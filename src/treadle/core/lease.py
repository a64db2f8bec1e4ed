"""The lease of a run: what it says of itself to the workers that run its attempts, and when that counts as silence.

The run writes it again and again, with a higher counter each time. Sides compare counters alone, each by a clock of
its own that never goes back: clocks of two machines differ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

LEASE = 60.0
"""Seconds of silence after which the run, or a worker, counts as gone."""
RENEWALS = 6
"""How often a lease is renewed in its time."""
LOOKS = 12
"""How often a worker looks for a new counter in the time of a lease."""
LONGEST_RENEWAL = 10.0
"""Seconds between two signs of life at most: what the file says comes with them."""
LONGEST_LOOK = 5.0
"""Seconds between two looks at most."""
FILE = "lease"
"""The name of the file, in the folder of the run."""
MOST_BYTES = 16 << 20
"""A larger file is none of ours."""


def renewal(seconds: float) -> float:
    """Return the seconds between two signs of life for a lease of that length."""
    return min(seconds / RENEWALS, LONGEST_RENEWAL)


def look(seconds: float) -> float:
    """Return the seconds between two looks for one."""
    return min(seconds / LOOKS, LONGEST_LOOK)


@dataclass(frozen=True, slots=True)
class Lease:
    """What the file says.

    :param counter: higher than the one before whenever the run shows that it lives
    :param seconds: the silence after which workers end what they run of it
    :param stops: the tokens of attempts that are to end
    :param stops_all: whether all attempts are to end: the run is over, or was taken over
    """

    counter: int
    seconds: float = LEASE
    stops: tuple[str, ...] = ()
    stops_all: bool = False

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ValueError(f"a lease of {self.seconds} s")

    def text(self) -> str:
        """Return it as the file has it."""
        return json.dumps(
            {
                "version": 1,
                "counter": self.counter,
                "seconds": self.seconds,
                "stop": "all" if self.stops_all else list(self.stops),
            }
        )

    def has_to_end(self, token: str) -> bool:
        """Return whether an attempt is to end."""
        return self.stops_all or token in self.stops

    def stopped(self) -> Lease:
        """Return the lease by which the run that comes next ends all that this one has left."""
        return Lease(self.counter + 1, self.seconds, stops_all=True)


def parse(text: str | bytes) -> Lease | None:
    """Return what a file says; None if it is none, or was written by a version that means something else by it."""
    try:
        data = json.loads(text)
        counter, seconds, stop = data["counter"], data["seconds"], data["stop"]
    except (ValueError, TypeError, KeyError):
        return None
    are_numbers = type(counter) is int and type(seconds) in (int, float) and 0 < seconds < float("inf")
    are_tokens = stop == "all" or (isinstance(stop, list) and all(isinstance(one, str) for one in stop))
    if data.get("version") != 1 or not (are_numbers and are_tokens):
        return None
    return Lease(counter, float(seconds), () if stop == "all" else tuple(stop), stop == "all")


class Silence:
    """How long another side has shown no new counter, by a clock of the side that looks.

    :param now: when the look begins: until a first counter is seen, silence counts from here
    """

    __slots__ = ("counter", "since")

    def __init__(self, now: float) -> None:
        self.counter: int | None = None
        """The last counter that was seen; None before the first."""
        self.since = now
        """When a new counter was seen last."""

    def see(self, counter: int | None, now: float) -> None:
        """Take in a look: the counter, or None if none could be read."""
        if counter is not None and counter != self.counter:
            self.counter, self.since = counter, now

    def seconds(self, now: float) -> float:
        """Return how long it lasts."""
        return now - self.since
