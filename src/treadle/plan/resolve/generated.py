"""Plans that actions make: each is read as a part of the plan once its maker is up to date, which others decide."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from treadle.errors import TreadleError
from treadle.plan.language.globs import Disk, Globs
from treadle.plan.read.file import PlanFile
from treadle.plan.read.includes import with_included
from treadle.plan.yaml import parser
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import move

from .declared_outputs import Instance


def with_generated(
    files: Sequence[PlanFile], instances: Iterable[Instance], wanted: Collection[str], disk: Disk
) -> list[PlanFile]:
    """Return the parts of a plan, and those of plans that have been made.

    :param instances: those of the parts
    :param wanted: uids of the makers whose plans are to be read
    """
    found = list(files)
    by_prefix = {file.prefix: file for file in files}
    for one in instances:
        if one.expand is not None and not one.disabled and one.uid in wanted and f"{one.uid}:" not in by_prefix:
            file_scope = by_prefix[one.spec.file_scope.prefix]
            with file_scope.problems.collecting():
                made = _read(file_scope, one, disk)
                if made is not None:
                    file_scope.generated.append(made.prefix)
                    inside = with_included(made, disk)
                    for file in inside:
                        file.file_scope.generated_by = one.uid
                    found += inside
    return found


def check_names(instances: Iterable[Instance], problems: Problems) -> None:
    """Keep an error for an action in a plan that was made, if another action has its name."""
    seen: dict[str, Instance] = {}
    for one in instances:
        other = seen.setdefault(one.uid, one)
        if other is not one:
            source = one.spec.file_scope.resolver.source
            problems.add(
                source.error(
                    f"two actions have the name {one.uid}",
                    one.spec.key,
                    facts=(f"the other at {source.place(other.spec.key.start)}",),
                    hint="give one of them another name",
                )
            )


def _read(file: PlanFile, producer: Instance, disk: Disk) -> PlanFile | None:
    """Return a plan that was made; None if it cannot be read on.

    :raises TreadleError: it cannot be read at all
    """
    validator, path = file.validator, producer.expand
    assert path is not None
    assert producer.spec.expand is not None
    node = producer.spec.expand.node
    shown = path
    if not os.path.samefile(disk.root, os.getcwd()):
        shown = os.path.join(disk.root, path)
    child = PlanFile(validator, file.environ, shown, f"{producer.uid}:")
    child.include_offset = node.start
    child.value_files = file.value_files
    disk.note(child.path)
    try:
        source = parser.read_source(os.path.join(disk.root, path), shared=True)
    except TreadleError as error:
        if error.place is not None:
            raise
        hint = error.hint or f"treadle run {producer.uid} makes it"
        raise validator.error(error.what, node, facts=tuple(error.facts), hint=hint) from None
    source.file = shown
    top = parser.parse(source)
    move(top, validator.source.add(source))
    if not child.read_top(top):
        return None
    if "root" in child.entries:
        raise validator.error(
            "a generated plan cannot set root",
            child.entries["root"],
            hint=f"its paths are relative to what those of {producer.uid} are relative to: take it out",
        )
    child.root = file.root
    child.read_values({})
    resolver = file.file_scope.resolver
    child.settle(disk.root, resolver.plan, Globs(disk, resolver.folder))
    return child
