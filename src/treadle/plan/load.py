"""Loads a plan: reads the file, checks it from the outside in, and hands out a Plan or every mistake in it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from treadle.errors import PlanError, TreadleError, UsageError

from . import loader
from .declared import Declared, Instance
from .edges import Linker, find_circle
from .fill import Filler, circle_error
from .globs import Disk, Globs
from .instances import Expander
from .model import Action, AskedEnviron, Looks, Plan
from .names import Group, Names
from .nodes import Node, Scalar, Source, Table
from .places import Places
from .problems import Problems
from .reader import Reader
from .schema import ACTION_NAME, COUNT, DEFAULTS_KEYS, GROUP_KEYS, PLAN_KEYS, Key
from .spec import GlobItem, Spec
from .spec_reader import SpecReader
from .values import operands, read_params, read_vars
from .when import Operand


def load_plan(
    file: str,
    *,
    params: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    former_outputs: Callable[[str], Collection[str]] | None = None,
) -> Plan:
    """Read and check a plan.

    :param file: its path
    :param params: parameters given from outside, as text
    :param environ: the environment; the process's own if left out
    :param former_outputs: given the root, returns paths relative to it that actions made in former runs:
        globs never take them
    :raises PlanError: with the first ten mistakes by place
    """
    with _no_garbage_collector():
        return _load(
            file, dict(params or {}), AskedEnviron(os.environ if environ is None else environ), former_outputs
        )


@contextmanager
def _no_garbage_collector() -> Iterator[None]:
    """Keep the garbage collector away: all that is made stays, and looking through it is half of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _load(
    file: str,
    params: dict[str, str],
    environ: AskedEnviron,
    former_outputs: Callable[[str], Collection[str]] | None,
) -> Plan:
    problems = Problems()
    try:
        source = loader.read_source(file)
        root_node = loader.parse(source)
    except TreadleError as error:
        raise PlanError([error]) from None
    loading = _Loading(source, problems, environ)
    loading.read_top(root_node)
    loading.read_actions(params)
    return loading.build(former_outputs)


class _Loading:
    """One plan on its way."""

    __slots__ = (
        *("entries", "environ", "problems", "queues", "reader", "root", "source", "specs"),
        *("file", "operands", "params", "scope"),
    )

    def __init__(self, source: Source, problems: Problems, environ: AskedEnviron) -> None:
        self.source = source
        self.problems = problems
        self.environ = environ
        self.reader = Reader(source, problems)
        self.file = os.path.abspath(source.file)

    def read_top(self, node: Node) -> None:
        """Read the keys at the top, and find the root."""
        hint = "a plan begins with treadle: 1 and has actions:"
        if isinstance(node, Scalar) and node.is_null:
            raise PlanError([self.reader.error("the plan is empty", 0, hint=hint)])
        if not isinstance(node, Table):
            raise PlanError([self.reader.error("a plan must be a map", node, hint=hint)])
        self.entries = self.reader.entries(node, PLAN_KEYS, "a plan")
        if "treadle" not in node.nodes:
            self.reader.add("there is no treadle: 1 in the plan", node, hint="write treadle: 1 as its first line")
        if "actions" not in node.nodes:
            self.reader.add("the plan has no actions", node, hint="actions: with a name and run: for each")
        self.root = self._root()
        self.problems.check()

    def _root(self) -> str:
        folder = os.path.dirname(self.file)
        node = self.entries.get("root")
        if not isinstance(node, Scalar):
            return folder
        root = os.path.normpath(os.path.join(folder, node.text))
        root = root[1:] if root.startswith("//") else root
        if "${" in node.text:
            self.reader.add("root takes no ${}", node)
        elif not os.path.isdir(root):
            self.reader.add(f"the root {node.text} is no folder", node, facts=(f"looked for {root}",))
        return root

    def read_actions(self, given: dict[str, str]) -> None:
        """Read parameters, vars, queues, defaults and actions."""
        reader, entries = self.reader, self.entries
        self.params = read_params(reader, entries.get("params"), given, self.environ, self.root)
        self.scope = read_vars(reader, entries.get("vars"), self.params)
        self.operands: dict[str, Operand] = operands(self.params, self.scope)
        self.operands["platform.os"] = {"darwin": "macos"}.get(sys.platform, sys.platform)
        self.operands["platform.arch"] = os.uname().machine
        self.queues = self._queues()
        node = entries.get("defaults")
        defaults = reader.entries(node, DEFAULTS_KEYS, "defaults") if node is not None else {}
        if "shell" in entries:
            if "shell" in defaults:
                reader.add("shell stands at the top and in defaults", defaults["shell"])
            defaults["shell"] = entries["shell"]
        actions = reader.table(entries["actions"], "actions", pattern=ACTION_NAME)
        if isinstance(entries["actions"], Table) and not entries["actions"].keys:
            reader.add("the plan has no actions", entries["actions"])
        spec_reader = SpecReader(reader, defaults, {**dict.fromkeys(self.params), **self.operands}, self.queues)
        self.specs = [spec_reader.read(key, value) for key, value in actions.items()]
        self.problems.check()

    def _queues(self) -> dict[str, int]:
        found: dict[str, int] = {}
        node = self.entries.get("queues")
        size = Key("the size of a queue", COUNT, "")
        for name, value in self.reader.table(node, "queues").items() if node is not None else ():
            if name.text == "default":
                self.reader.add("the size of the queue default is -j", name)
            elif self.reader.fits(size, value, name) and isinstance(value, Scalar):
                found[name.text] = int(value.text)
        return found

    def build(self, former_outputs: Callable[[str], Collection[str]] | None) -> Plan:
        """Return the plan."""
        name = os.path.relpath(self.file, self.root)
        places = Places(self.source, self.root, name, Globs(Disk(self.root)))
        former: Collection[str] = ()
        if former_outputs is not None and any(_has_globs(spec) for spec in self.specs):
            former = former_outputs(self.root)
        expander = Expander(places, self.scope, self.operands, self.environ, former)
        instances = expander.expand(self.specs, self.problems)
        self.problems.check()
        names = self._names(instances)
        linker = Linker(places, instances, Declared(instances, former), names, self.problems)
        linker.link()
        self._check_groups(names)
        actions = self._actions(linker, Filler(linker, name, self.scope))
        self.problems.check()
        circle = find_circle({uid: (*one.predecessors, *one.after) for uid, one in actions.items()})
        if circle:
            where = {uid: str(actions[uid].place) for uid in circle}
            raise PlanError([circle_error(linker, circle, where)])
        left_out = {one.uid: one.left_out for one in instances if one.left_out}
        default = self._default(names, actions)
        return Plan(
            self.file,
            name,
            self.root,
            actions,
            left_out,
            dict(names.groups),
            default,
            self.queues,
            self.params,
            names,
            Looks(self.environ.asked, places.globs.disk.listed, places.globs.disk.folders()),
        )

    def _names(self, instances: list[Instance]) -> Names:
        families: dict[str, list[str]] = {spec.name: [] for spec in self.specs}
        outputs: dict[str, str] = {}
        for instance in instances:
            families[instance.spec.name].append(instance.uid)
            for output in instance.outputs:
                outputs.setdefault(output.path, instance.uid)
        return Names(families, self._groups(families), outputs, self.root)

    def _groups(self, families: Mapping[str, object]) -> dict[str, Group]:
        found: dict[str, Group] = {}
        node = self.entries.get("groups")
        if node is None:
            return found
        for key, value in self.reader.table(node, "groups", pattern=ACTION_NAME).items():
            help_, members = "", value
            if isinstance(value, Table):
                entries = self.reader.entries(value, GROUP_KEYS, f"the group {key.text}")
                text = entries.get("help")
                help_ = text.text if isinstance(text, Scalar) else ""
                if "of" not in entries:
                    if "of" not in value.nodes:
                        self.reader.add(f"the group {key.text} needs of: with its members", key)
                    continue
                members = entries["of"]
            if key.text in families:
                self.reader.add(f"{key.text} is a group and an action", key)
            texts = tuple(one.text for one in self.reader.texts(members, f"a member of {key.text}"))
            found[key.text] = Group(key.text, help_, texts, self.source.place(key.start))
        return found

    def _check_groups(self, names: Names) -> None:
        node = self.entries.get("groups")
        for key, value in node.items() if isinstance(node, Table) else ():
            members = value.nodes.get("of") if isinstance(value, Table) else value
            if key.text in names.groups and members is not None:
                self._check_names(members, names, f"the group {key.text}")
        if "default" in self.entries:
            self._check_names(self.entries["default"], names, "default")

    def _check_names(self, node: Node, names: Names, what: str) -> None:
        for text in self.reader.texts(node, f"a name in {what}"):
            if text.text in names.groups:
                continue
            try:
                names.find(text.text)
            except UsageError as error:
                self.reader.add(
                    f"{what}: {error.what}", text, hint=error.hint.replace("treadle list shows the names", "")
                )

    def _default(self, names: Names, actions: Mapping[str, Action]) -> tuple[str, ...]:
        if "default" not in self.entries:
            return tuple(uid for uid, action in actions.items() if action.command.outputs)
        found = {
            uid for text in self.reader.texts(self.entries["default"], "default") for uid in names.find(text.text)
        }
        return tuple(uid for uid in actions if uid in found)

    def _actions(self, linker: Linker, filler: Filler) -> dict[str, Action]:
        found: dict[str, Action] = {}
        broken = {error.place for error in self.problems.errors()}
        for instance in linker.instances:
            reading = linker.readings[instance.uid]
            if instance.left_out or not reading.is_whole:
                continue
            try:
                command = filler.command(instance, reading)
            except TreadleError as error:
                self.problems.keep(error)
            else:
                after = [one.uid for one in reading.after if not one.left_out]
                found[instance.uid] = Action(
                    instance.uid,
                    instance.spec.name,
                    instance.spec.help,
                    command,
                    tuple(reading.predecessors),
                    tuple([uid for uid in dict.fromkeys(after) if uid not in reading.predecessors]),
                    command.place or self.source.place(instance.spec.key.start),
                )
            if broken and len(self.problems) > len(broken) + 100:
                break
        return found


def _has_globs(spec: Spec) -> bool:
    inputs = any(isinstance(item, GlobItem) for slot in spec.inputs for item in slot.items)
    return spec.has_globs or inputs
