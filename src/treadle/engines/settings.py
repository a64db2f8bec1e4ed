"""What the settings of the engines of Treadle have in common: their keys, and how many workers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.errors import UsageError, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MOST_WORKERS = 10_000
"""A pool has a node for each; a number without a bound would take all memory before anything starts."""


def check_keys(name: str, settings: Mapping[str, Any], known: Collection[str], hidden: Collection[str]) -> None:
    """Refuse settings that mean nothing.

    :param name: the engine
    :param known: keys that are named if another one is refused
    :param hidden: keys that are taken too
    :raises UsageError: there is another one
    """
    if unknown := settings.keys() - {*known, *hidden}:
        raise UsageError(
            f"engine: {name} takes no {min(unknown, key=str)!r}", facts=(f"expected {listed(known, 20)}",)
        )


def workers_said(said: object, usual: int) -> tuple[int, dict[str, Any]]:
    """Return how many workers there are, and what each has as far as that is said.

    :param said: `workers` of the settings: a number, or a map of `max` and `resources`
    :param usual: how many there are if that is not said
    :raises UsageError: it is something else
    """
    given: dict[str, Any] = said if isinstance(said, dict) else {} if said is None else {"max": said}
    if unknown := given.keys() - {"max", "resources"}:
        raise UsageError(f"engine: workers has no key {min(unknown)!r}", facts=("expected max, resources",))
    number, resources = given.get("max", usual), given.get("resources", {})
    if type(number) is not int or not 0 < number <= MOST_WORKERS:
        raise UsageError(
            f"engine: {number!r} workers", facts=(f"expected a whole number, 1 or more, at most {MOST_WORKERS}",)
        )
    if not isinstance(resources, dict):
        raise UsageError(f"engine: resources of workers are {resources!r}", facts=("expected a map",))
    return number, resources
