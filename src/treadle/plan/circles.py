"""Circles in a graph of names: finds them, and orders the names. Unaware of what the names are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Edges = Mapping[str, Iterable[str]]
"""Name -> the names that come before it."""


def depth_first(edges: Edges) -> tuple[list[str], list[list[str]]]:
    """Return the names, each after those before it, and the circles, each with its first name at the end again."""
    done: dict[str, bool] = {}
    order: list[str] = []
    circles: list[list[str]] = []
    for first in edges:
        path = [] if first in done else [(first, iter(edges[first]))]
        done.setdefault(first, False)
        while path:
            name, rest = path[-1]
            other = next((one for one in rest if not done.get(one, False)), None)
            if other is None:
                path.pop()
                done[name] = True
                order.append(name)
            elif other in done:
                names = [one for one, _ in path]
                circles.append([*names[names.index(other) :], other])
            else:
                done[other] = False
                path.append((other, iter(edges[other])))
    return order, circles


def find_circle(edges: Edges) -> list[str]:
    """Return the names of the first circle, [] if there is none."""
    return [] if _is_in_order(edges) else next(iter(depth_first(edges)[1]), [])


def circle_numbers(edges: Edges) -> dict[str, int]:
    """Return a number for each name that is in a circle: the same for names that lead to each other."""
    if _is_in_order(edges):
        return {}
    order, circles = depth_first(edges)
    if not circles:
        return {}
    back: dict[str, list[str]] = {name: [] for name in edges}
    for name, before in edges.items():
        for one in before:
            back[one].append(name)
    numbers: dict[str, int] = {}
    left = dict.fromkeys(reversed(order))
    for number, name in enumerate(reversed(order)):
        members = []
        stack = [name]
        while stack:
            here = stack.pop()
            if here in left:
                del left[here]
                members.append(here)
                stack += back[here]
        if len(members) > 1:
            numbers.update(dict.fromkeys(members, number))
    return numbers


def _is_in_order(edges: Edges) -> bool:
    """Whether each edge leads to an earlier name, so that there is no circle."""
    seen: set[str] = set()
    for name, before in edges.items():
        if not seen.issuperset(before):
            return False
        seen.add(name)
    return True
