"""Groups and the default of each file of a plan: what its names stand for, and whether they stand for anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from treadle.core.paths import below
from treadle.errors import UsageError, listed, shortened
from treadle.frontends.base import Action
from treadle.frontends.names import Group, Names, is_pattern
from treadle.plan.resolve.declared_outputs import Instance
from treadle.plan.schema.keys import ACTION_NAME, GROUP_KEYS
from treadle.plan.yaml.nodes import Node, Scalar, Table

from .file import PlanFile


def read(file: PlanFile, names: Names, making: Collection[str]) -> None:
    """Add the groups of a file to the names, and itself under its own name; those that it includes come before.

    :param making: the families that have outputs
    """
    found: dict[str, Group] = {}
    prefix, validator = file.prefix, file.validator
    node = file.entries.get("groups")
    table = validator.table(node, "groups", pattern=ACTION_NAME)
    own = {prefix + name for name in table.keys}
    for key, value in table.items():
        help_, members = "", value
        if isinstance(value, Table):
            entries = validator.entries(value, GROUP_KEYS, f"the group {key.text}")
            text = entries.get("help")
            help_ = text.text if isinstance(text, Scalar) else ""
            if "of" not in entries:
                if "of" not in value.nodes:
                    validator.add(
                        f"the group {key.text} needs of: with its members", key, hint="for example of: [lint, test]"
                    )
                continue
            members = entries["of"]
        name = prefix + key.text
        if name in names.families:
            validator.add(f"{key.text} names both a group and an action", key, hint="give one of them another name")
        texts = [one.text for one in validator.texts(members, f"a member of {key.text}")]
        spelled = tuple([_spelled(file, names, text, own) for text in texts])
        found[name] = Group(name, help_, spelled, validator.source.place(key.start))
    if prefix:
        _add_itself(file, names, own, making)
    names.groups = {**found, **names.groups}


def _add_itself(file: PlanFile, names: Names, own: Collection[str], making: Collection[str]) -> None:
    """Let the name of an included plan stand for what a bare run of it would do."""
    node = file.entries.get("default")
    if node is None:
        members = [spec.name for spec in file.specs if spec.name in making]
        members += [name for name in (*file.included, *file.generated) if name in names.groups]
    else:
        members = [_spelled(file, names, text.text, own) for text in file.validator.texts(node, "default")]
    # the name of a maker is that of an action already
    is_made = file.prefix == f"{file.file_scope.generated_by}:"
    if members or is_made:
        name = file.prefix if is_made else file.prefix[:-1]
        place = file.validator.source.place(file.include_offset)
        group = Group(name, f"what {below(file.path, names.root)} does by default", tuple(members), place)
        names.groups = {name: group, **names.groups}


def _spelled(file: PlanFile, names: Names, text: str, groups: Collection[str]) -> str:
    """Return a name that a file uses as the whole plan knows it: an action of its own, or what it makes.

    :param groups: the groups of the file
    """
    whole = file.prefix + text
    if not file.prefix or names.is_name(whole) or whole in groups or is_pattern(text):
        return whole
    folder = file.file_scope.resolver.folder
    path = f"{folder}/{text}" if folder and not text.startswith("/") else text
    return path if names.makes(path) else whole


def check(file: PlanFile, names: Names) -> None:
    """Keep an error for each name in a group or in default that stands for nothing, and for a plan that is made."""
    for included in file.included.values():
        path = below(included, names.root)
        if names.makes(path):
            file.validator.add(
                f"the included plan {path} is an output of {listed(names.find(path))}",
                file.entries["include"],
                facts=("included plans are read before any action runs",),
                hint="include a file that exists before the run, or use expand: on the action",
            )
    node = file.entries.get("groups")
    for key, value in node.items() if isinstance(node, Table) else ():
        members = value.nodes.get("of") if isinstance(value, Table) else value
        if file.prefix + key.text in names.groups and members is not None:
            _check_names(file, members, names, f"the group {key.text}")
            circle = _circle(file.prefix + key.text, names)
            if circle and _is_empty(circle[0], names):
                file.validator.add(
                    f"these groups contain only each other: {' -> '.join(shortened(circle))}",
                    key,
                    hint="add an action to one of them",
                )
    if "default" in file.entries:
        _check_names(file, file.entries["default"], names, "default")


def _circle(name: str, names: Names) -> list[str]:
    """Return a way from a group over groups in it back to itself, [] if there is none.

    A circle is told where its first name stands.
    """
    ways = {name: [name]}
    stack = [name]
    while stack:
        here = stack.pop()
        for member in names.groups[here].members:
            if member == name:
                return [*ways[here], name] if min(ways[here]) == name else []
            if member in names.groups and member not in names.families and member not in ways:
                ways[member] = [*ways[here], member]
                stack.append(member)
    return []


def _is_empty(group: str, names: Names) -> bool:
    """Return whether a group stands for no action: one with actions beside a circle is as good as without it."""
    try:
        return not names.open and not names.named(group)
    except UsageError:
        # a member that stands for nothing has an error of its own
        return False


def _check_names(file: PlanFile, node: Node, names: Names, what: str) -> None:
    for text in file.validator.texts(node, f"a name in {what}"):
        name = _spelled(file, names, text.text, names.groups)
        if name in names.groups:
            continue
        try:
            names.find(name)
        except UsageError as caught:
            error = names.unknown(text.text, names.known_below(file.prefix)) if file.prefix else caught
            hint = error.hint
            file.validator.add(f"{what}: {error.what}", text, hint=hint)


def default(file: PlanFile, names: Names, actions: Mapping[str, Action]) -> tuple[str, ...]:
    """Return what a bare run does: all that makes something, if the plan does not say."""
    node = file.entries.get("default")
    if node is None and not file.included and not file.generated:
        return tuple(uid for uid, action in actions.items() if action.command.outputs)
    if node is None:
        found = {uid for uid, action in actions.items() if ":" not in action.family and action.command.outputs}
        others = (*file.included, *file.generated)
        found |= {uid for name in others if name in names.groups for uid in names.find(name)}
    else:
        found = {uid for text in file.validator.texts(node, "default") for uid in names.find_known(text.text)}
    return tuple(uid for uid in actions if uid in found)


def unclear_default(file: PlanFile, names: Names, instances: Sequence[Instance]) -> tuple[str, ...]:
    """Return what a bare run would do beside, if all plans that actions make were read: as far as it has a name."""
    if not names.unclear:
        return ()
    node = file.entries.get("default")
    if node is None:
        found = {one.uid for one in instances if one.outputs}
    else:
        found = {uid for text in file.validator.texts(node, "default") for uid in names.find_known(text.text)}
    return tuple(uid for uid in names.unclear if uid in found)


def is_default_disabled(file: PlanFile, names: Names, instances: Sequence[Instance]) -> bool:
    """Return whether a bare run, for which nothing is in, would do something if all were in."""
    node = file.entries.get("default")
    if node is None:
        return any(one.disabled and one.outputs for one in instances)
    return any(names.find_known(text.text) for text in file.validator.texts(node, "default"))
