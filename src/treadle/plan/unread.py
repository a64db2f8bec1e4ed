"""What is known of a plan as long as it makes plans that nobody has read: what they will hold cannot be asked.

An action that cannot be understood without them (it reads, needs or names what is not there) is left out with that
reason, and so is all that depends on it. The makers themselves have to be understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from treadle.errors import TreadleError

from .declared import Declared, Instance
from .edges import Linker
from .makers import Makers
from .names import Names
from .places import Places
from .problems import Problems

MAX_ROUNDS = 20


def link(
    places: Places, instances: Sequence[Instance], declared: Declared, names: Names, problems: Problems
) -> Linker:
    """Return the linker of what is known; what is wrong with a maker, or with what it needs, is kept."""
    reason = f"it is not known before {' and '.join(names.open[:3])} has run"
    Makers(places.source, declared, problems).check(instances)
    hidden: list[TreadleError] = []
    for number in count():
        noted = Problems()
        linker = Linker(places, instances, declared, names, noted)
        linker.link()
        broken = [one for one in linker.broken if not one.left_out]
        if not broken:
            break
        hidden += noted.errors()
        if number == MAX_ROUNDS:
            # a long chain of globs, each of which takes what the one before it makes
            needed = _needed(linker, names)
            broken = [one for one in instances if one.uid not in needed and not one.left_out]
        for one in broken:
            one.left_out = reason
            # what globs take depends on who is left out
            one.spec.home.places.answers.clear()
    if any(linker.by_uid[uid].left_out for uid in names.open):
        for error in hidden:
            problems.add(error)
    linker.problems = problems
    return linker


def _needed(linker: Linker, names: Names) -> set[str]:
    """Return the uids of the makers that are not read, and of all that comes before them."""
    needed: set[str] = set()
    stack = list(names.open)
    while stack:
        uid = stack.pop()
        if uid not in needed:
            needed.add(uid)
            stack += linker.readings[uid].predecessors
    return needed
