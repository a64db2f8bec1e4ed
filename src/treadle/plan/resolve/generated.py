"""Plans that actions make: each is read as a part of the plan once its maker is up to date, which others decide."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from treadle.errors import TreadleError
from treadle.plan.language.globs import Disk, Globs
from treadle.plan.read.file import Part
from treadle.plan.read.includes import with_included
from treadle.plan.yaml import parser as loader
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import move

from .declared_outputs import Instance


def with_made(
    parts: Sequence[Part], instances: Iterable[Instance], wanted: Collection[str], disk: Disk
) -> list[Part]:
    """Return the parts of a plan, and those of plans that have been made.

    :param instances: those of the parts
    :param wanted: uids of the makers whose plans are to be read
    """
    found = list(parts)
    by_prefix = {part.prefix: part for part in parts}
    for one in instances:
        if one.expand is not None and not one.left_out and one.uid in wanted and f"{one.uid}:" not in by_prefix:
            home = by_prefix[one.spec.home.prefix]
            with home.problems.kept():
                made = _read(home, one, disk)
                if made is not None:
                    home.made.append(made.prefix)
                    inside = with_included(made, disk)
                    for part in inside:
                        part.home.maker = one.uid
                    found += inside
    return found


def check_names(instances: Iterable[Instance], problems: Problems) -> None:
    """Keep an error for an action in a plan that was made, if another action has its name."""
    seen: dict[str, Instance] = {}
    for one in instances:
        other = seen.setdefault(one.uid, one)
        if other is not one:
            source = one.spec.home.places.source
            problems.add(
                source.error(
                    f"two actions have the name {one.uid}",
                    one.spec.key,
                    facts=(f"the other at {source.place(other.spec.key.start)}",),
                    hint="give one of them another name",
                )
            )


def _read(part: Part, maker: Instance, disk: Disk) -> Part | None:
    """Return a plan that was made; None if it cannot be read on.

    :raises TreadleError: it cannot be read at all
    """
    reader, path = part.reader, maker.expand
    assert path is not None
    assert maker.spec.expand is not None
    node = maker.spec.expand.node
    shown = path
    if not os.path.samefile(disk.root, os.getcwd()):
        shown = os.path.join(disk.root, path)
    child = Part(reader, part.environ, shown, f"{maker.uid}:")
    child.start = node.start
    child.files = part.files
    disk.note(child.file)
    try:
        source = loader.read_source(os.path.join(disk.root, path), shared=True)
    except TreadleError as error:
        if error.place is not None:
            raise
        hint = error.hint or f"treadle run {maker.uid} makes it"
        raise reader.error(error.what, node, facts=tuple(error.facts), hint=hint) from None
    source.file = shown
    top = loader.parse(source)
    move(top, reader.source.add(source))
    if not child.read_top(top):
        return None
    if "root" in child.entries:
        raise reader.error(
            "a plan that is made has no root of its own",
            child.entries["root"],
            hint=f"its paths are relative to what those of {maker.uid} are relative to: take it out",
        )
    child.root = part.root
    child.read_values({})
    places = part.home.places
    child.settle(disk.root, places.plan, Globs(disk, places.folder))
    return child
