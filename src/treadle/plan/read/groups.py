"""Reads and checks the groups of each file of a plan, and resolves its default."""

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


def read(file: PlanFile, names: Names, producing: Collection[str]) -> None:
    """Add the groups of a file to the names, and the file under its own name; included files come first.

    :param producing: the families that have outputs
    """
    found: dict[str, Group] = {}
    prefix, validator = file.prefix, file.validator
    table = validator.table(file.entries.get("groups"), "groups", pattern=ACTION_NAME)
    own = {prefix + name for name in table.keys}
    for key, value in table.items():
        help_, members = "", value
        if isinstance(value, Table):
            entries = validator.entries(value, GROUP_KEYS, f"the group {key.text}")
            text = entries.get("help")
            help_ = text.text if isinstance(text, Scalar) else ""
            if "of" not in entries:
                if "of" not in value.nodes:
                    what = f"the group {key.text} needs of: with its members"
                    validator.add(what, key, hint="for example of: [lint, test]")
                continue
            members = entries["of"]
        name = prefix + key.text
        if name in names.families:
            what = f"{key.text} names both a group and an action"
            validator.add(what, key, hint="give one of them another name")
        texts = [one.text for one in validator.texts(members, f"a member of {key.text}")]
        whole = tuple([_whole_name(file, names, text, own) for text in texts])
        found[name] = Group(name, help_, whole, validator.source.place(key.start))
    if prefix:
        _add_itself(file, names, own, producing)
    names.add_groups(found)


def _add_itself(file: PlanFile, names: Names, own: Collection[str], producing: Collection[str]) -> None:
    """Add a group with the name of an included plan: what a run of it without names would run."""
    node = file.entries.get("default")
    if node is None:
        members = [spec.name for spec in file.specs if spec.name in producing]
        members += [name for name in (*file.included, *file.generated) if name in names.groups]
    else:
        members = [_whole_name(file, names, text.text, own) for text in file.validator.texts(node, "default")]
    # the name of a producer is already that of an action
    is_generated = file.prefix == f"{file.file_scope.generated_by}:"
    if members or is_generated:
        name = file.prefix if is_generated else file.prefix[:-1]
        place = file.validator.source.place(file.include_offset)
        group = Group(name, f"what {below(file.path, names.root)} does by default", tuple(members), place)
        names.add_groups({name: group})


def _whole_name(file: PlanFile, names: Names, text: str, groups: Collection[str]) -> str:
    """Return the name in the whole plan of a name in a file: of an action of the file, or of its outputs.

    :param groups: the groups of the file
    """
    whole = file.prefix + text
    if not file.prefix or names.is_name(whole) or whole in groups or is_pattern(text):
        return whole
    path = file.file_scope.resolver.below_root(text)
    return path if names.makes(path) else whole


def check(file: PlanFile, names: Names) -> None:
    """Keep an error for each unknown name in groups and default, and for each included plan that is an output."""
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
                what = f"these groups contain only each other: {' -> '.join(shortened(circle))}"
                file.validator.add(what, key, hint="add an action to one of them")
    if "default" in file.entries:
        _check_names(file, file.entries["default"], names, "default")


def _circle(name: str, names: Names) -> list[str]:
    """Return a path from a group over its member groups back to itself, [] if there is none.

    A circle is returned only for its first name, by the alphabet, so that it is reported once.
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
    """Whether a group has no action: a circle of groups that have other members does no harm."""
    try:
        return not names.open and not names.named(group)
    except UsageError:
        # an unknown member has an error of its own
        return False


def _check_names(file: PlanFile, node: Node, names: Names, what: str) -> None:
    for text in file.validator.texts(node, f"a name in {what}"):
        name = _whole_name(file, names, text.text, names.groups)
        if name in names.groups:
            continue
        try:
            names.find(name)
        except UsageError as caught:
            error = names.unknown(text.text, names.known_below(file.prefix)) if file.prefix else caught
            hint = error.hint
            file.validator.add(f"{what}: {error.what}", text, hint=hint)


def default(file: PlanFile, names: Names, actions: Mapping[str, Action]) -> tuple[str, ...]:
    """Return the uids that a run without names runs: by default, all actions with outputs."""
    others = (*file.included, *file.generated)
    if "default" in file.entries:
        found = _named_by_default(file, names)
    elif not others:
        return tuple(uid for uid, action in actions.items() if action.command.outputs and not action.is_last)
    else:
        found = {uid for uid, action in actions.items() if ":" not in action.family and action.command.outputs}
        found |= {uid for name in others if name in names.groups for uid in names.find(name)}
    return tuple(uid for uid, action in actions.items() if uid in found and not action.is_last)


def unclear_default(file: PlanFile, names: Names, instances: Sequence[Instance]) -> tuple[str, ...]:
    """Return the uids that a run without names would run too if all generated plans were loaded."""
    if not names.unclear:
        return ()
    with_outputs = {one.uid for one in instances if one.outputs}
    found = _named_by_default(file, names) if "default" in file.entries else with_outputs
    return tuple(uid for uid in names.unclear if uid in found)


def is_default_disabled(file: PlanFile, names: Names, instances: Sequence[Instance]) -> bool:
    """Whether a run without names would run something if all actions were enabled."""
    if "default" in file.entries:
        return bool(_named_by_default(file, names))
    return any(one.disabled and one.outputs for one in instances)


def _named_by_default(file: PlanFile, names: Names) -> set[str]:
    texts = file.validator.texts(file.entries["default"], "default")
    return {uid for text in texts for uid in names.find_known(text.text)}
