"""Loads plans that actions have generated, once their producers are up to date; the caller decides which are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from treadle.plan.read.file import PlanFile
from treadle.plan.read.includes import read_generated
from treadle.plan.yaml.diagnostics import Problems

from .declared_outputs import Instance


def with_generated(
    files: Sequence[PlanFile], instances: Iterable[Instance], wanted: Collection[str]
) -> list[PlanFile]:
    """Return the files of a plan, and those of plans that its actions have generated.

    :param instances: those of the files
    :param wanted: uids of the producers whose plans are loaded
    """
    found = list(files)
    by_prefix = {file.prefix: file for file in files}
    for one in instances:
        if one.expand is None or one.disabled or one.uid not in wanted or f"{one.uid}:" in by_prefix:
            continue
        file = by_prefix[one.spec.file_scope.prefix]
        with file.validator.problems.collecting():
            found += read_generated(file, one.uid, one.expand, one.spec.files["expand"].node)
    return found


def check_names(instances: Iterable[Instance], problems: Problems) -> None:
    """Keep an error for an action of a generated plan that has the name of another action."""
    seen: dict[str, Instance] = {}
    for one in instances:
        other = seen.setdefault(one.uid, one)
        if other is not one:
            source = one.spec.file_scope.resolver.source
            what = f"two actions have the name {one.uid}"
            facts = (f"the other at {source.place(other.spec.key.start)}",)
            problems.add(source.error(what, one.spec.key, facts=facts, hint="give one of them another name"))
