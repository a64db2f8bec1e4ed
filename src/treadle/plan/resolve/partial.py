"""What is known of a plan as long as it makes plans that have not been read: what they will hold cannot be asked.

An action that cannot be understood without them (it reads, needs or names what is not there) is left out with that
reason, and so is all that depends on it. One of the makers has to be understood: then it can go on with that one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

from treadle.core.graph.algorithms import reached
from treadle.errors import TreadleError
from treadle.frontends.names import Names
from treadle.plan.read.file_scope import PathResolver
from treadle.plan.yaml.diagnostics import Problems, UnloadedNameError

from .declared_outputs import DeclaredOutputs, Instance, Producers
from .edges import Linker

MAX_ROUNDS = 20


def link(
    resolver: PathResolver,
    instances: Sequence[Instance],
    declared: DeclaredOutputs,
    names: Names,
    problems: Problems,
) -> Linker:
    """Return the linker of what is known; what is wrong is kept if no maker is in because of it.

    Makers that are left out with what they need are not waited for: they are no longer `open`, but `closed`.
    """
    Producers(resolver, declared, problems).check(instances)
    hidden: list[TreadleError] = []
    disabled: set[str] = set()
    for number in count():
        noted = Problems()
        linker = Linker(resolver, instances, declared, names, noted)
        linker.link()
        if number == 0 and names.doubted:
            linker = _knowing_what_is_early(linker, resolver)
            noted = linker.problems
        if number == 0:
            gone = [uid for uid in names.open if linker.by_uid[uid].disabled]
            names.closed = [*names.closed, *gone]
            names.open = [uid for uid in names.open if uid not in gone]
            disabled = {one.uid for one in instances if one.disabled}
        broken = [one for one in linker.broken if not one.disabled]
        if not broken:
            break
        hidden += noted.errors()
        if number == MAX_ROUNDS:
            # a long chain of globs, each of which takes what the one before it makes
            needed = _needed(linker, names)
            broken = [one for one in instances if one.uid not in needed and not one.disabled]
        reason = _reason(linker, names, broken)
        for one in broken:
            one.disabled = reason
            # what globs take depends on what is left out
            one.spec.file_scope.resolver.glob_matches.clear()
    if all(linker.by_uid[uid].disabled for uid in names.open):
        # that makers wait for each other's plans is only said if nothing else is wrong
        for error in [one for one in hidden if not isinstance(one, UnloadedNameError)] or hidden:
            problems.add(error)
    names.unclear = [one.uid for one in instances if one.disabled and one.uid not in disabled]
    linker.problems = problems
    return linker


def _knowing_what_is_early(linker: Linker, resolver: PathResolver) -> Linker:
    """Return a linker that knows what comes before the makers: patterns there do not wait for what these make."""
    names = linker.names
    for early in (None, ()):
        names.early = early if early is None else _needed(linker, names)
        linker = Linker(resolver, linker.instances, linker.declared, names, Problems())
        linker.link()
    return linker


def _reason(linker: Linker, names: Names, broken: Collection[Instance]) -> str:
    """Return why actions are left out that something is wrong with."""
    producers = [linker.by_uid[uid] for uid in names.open]
    ready = [one.uid for one in producers if not one.disabled and one not in broken]
    return f"it is not known before {' and '.join(ready[:3] or names.open[:3])} has run"


def _needed(linker: Linker, names: Names) -> set[str]:
    """Return the uids of the makers that are not read, and of all that comes before them."""
    return set(reached(names.open, lambda uid: linker.dependencies[uid].predecessors))
