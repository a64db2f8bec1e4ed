"""Links a plan of which some generated plans are not loaded yet.

An action that reads, needs or names something unknown is disabled with that reason, and so are all actions that
depend on it. At least one producer of a plan must stay enabled: then the run can go on with that one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

from treadle.core.graph.algorithms import reached
from treadle.errors import TreadleError
from treadle.frontends.names import Names
from treadle.plan.read.file_scope import PathResolver
from treadle.plan.yaml.diagnostics import Problems, UnloadedNameError

from .declared_outputs import DeclaredOutputs, Instance, OutputCheck
from .edges import Linker

MAX_ROUNDS = 20


def link(
    resolver: PathResolver,
    instances: Sequence[Instance],
    declared: DeclaredOutputs,
    names: Names,
    problems: Problems,
) -> Linker:
    """Return the linker of the known part; errors are kept if they disable all producers of plans.

    Producers that the plan disables are not waited for: they move from `open` to `closed`.
    """
    OutputCheck(declared, resolver.source, problems).check(instances)
    errors: list[TreadleError] = []
    disabled: set[str] = set()
    for number in count():
        noted = Problems()
        linker = Linker(resolver, instances, declared, names, noted)
        linker.link()
        if number == 0 and names.has_open_pattern:
            linker = _knowing_what_is_early(linker, resolver)
            noted = linker.problems
        if number == 0:
            names.close([uid for uid in names.open if linker.by_uid[uid].disabled])
            disabled = {one.uid for one in instances if one.disabled}
        broken = [one for one in linker.broken if not one.disabled]
        if not broken:
            break
        errors += noted.errors()
        if number == MAX_ROUNDS:
            # a long chain of globs, each of which matches outputs of the one before it
            needed = _needed(linker, names)
            broken = [one for one in instances if one.uid not in needed and not one.disabled]
        reason = _reason(linker, names, broken)
        for one in broken:
            one.disabled = reason
            one.is_unclear = True
            # what globs match depends on which actions are enabled
            one.spec.file_scope.resolver.glob_matches.clear()
    if all(linker.by_uid[uid].disabled for uid in names.open):
        # that producers wait for each other's plans is reported only if there are no other errors
        for error in [one for one in errors if not isinstance(one, UnloadedNameError)] or errors:
            problems.add(error)
    names.set_unclear([one.uid for one in instances if one.disabled and one.uid not in disabled])
    linker.problems = problems
    return linker


def _knowing_what_is_early(linker: Linker, resolver: PathResolver) -> Linker:
    """Return a linker that knows what comes before the producers: patterns there match nothing in their plans."""
    names = linker.names
    for early in (None, ()):
        names.set_early(early if early is None else _needed(linker, names))
        linker = Linker(resolver, linker.instances, linker.declared, names, Problems())
        linker.link()
    return linker


def _reason(linker: Linker, names: Names, broken: Collection[Instance]) -> str:
    """Return why actions with errors are disabled."""
    producers = [linker.by_uid[uid] for uid in names.open]
    ready = [one.uid for one in producers if not one.disabled and one not in broken]
    return f"it is not known before {' and '.join(ready[:3] or names.open[:3])} has run"


def _needed(linker: Linker, names: Names) -> set[str]:
    """Return the uids of the producers of unloaded plans, and of all that comes before them."""
    return set(reached(names.open, lambda uid: linker.dependencies[uid].waits_for))
