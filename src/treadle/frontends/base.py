"""Project: a loaded plan, as calls use it. FrontEnd: loads plans of one format.

The YAML plans of `treadle.plan` are the first front end. Packages register others by the entry point group
`treadle.frontends`, see `session.front_ends`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from treadle.command.command import Command
from treadle.core.output_index import OutputIndex
from treadle.core.paths import normalise
from treadle.errors import Place, UsageError, shortened
from treadle.frontends.names import Group, Names, is_hidden

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from treadle.core.graph.dag import DAG


@dataclass(slots=True)
class Param:
    """A parameter of a plan, and its value.

    :param default: None if a value must be given
    :param value: the text, or the texts of a list
    :param rest: whether it takes the words after `--`
    :param env: the variable with its value if none is given, "" for none
    :param split: how a text is split into a list, one of `schema.SPLITS`
    """

    name: str
    type: str
    choices: tuple[str, ...] = ()
    default: str | tuple[str, ...] | None = None
    help: str = ""
    value: str | tuple[str, ...] = ""
    rest: bool = False
    env: str = ""
    split: str = "commas"


@dataclass(slots=True)
class Action:
    """An enabled action.

    :param family: its name in the plan; `fit` for `fit@a`
    :param predecessors: uids of the actions whose outputs it reads, and of those that it needs
    :param after: uids of the actions that come before it if they are part of the run
    :param report: whether reports show its outputs that are pictures or tables
    :param conditions: uid -> the condition on its outcome, of the predecessors of which not a success is needed
    :param is_last: whether it is walked after all others, see `Project.last`
    """

    uid: str
    family: str
    help: str
    command: Command
    predecessors: tuple[str, ...]
    after: tuple[str, ...]
    place: Place
    tags: tuple[str, ...] = ()
    report: bool = False
    conditions: Mapping[str, str] = field(default_factory=dict)
    is_last: bool = False

    @property
    def listed(self) -> bool:
        """Whether it is shown in lists: not if its name starts with `_`."""
        return not is_hidden(self.family)


@dataclass(slots=True)
class Looks:
    """The inputs of a plan apart from its own text: while they do not change, it loads as the same plan.

    :param environ: name -> value (None if not set) of each variable that was read
    :param listed: absolute folder -> its status and the time (nanoseconds), just before a glob listed it
    :param folders: paths that must be folders
    :param read: absolute path of another file that was read -> its status and the time, just before that
    :param links: path of each link on the way of a path -> its target
    :param work_trees: top of each repository whose work tree decides -> `true` if it differs from its commit, else
        `false`; if there is one, no stamps say that the plan is the same
    :param uses_git: whether values of repositories decide
    """

    environ: dict[str, str | None]
    listed: dict[str, tuple[os.stat_result | None, int]]
    folders: list[str]
    read: dict[str, tuple[os.stat_result | None, int]]
    links: dict[str, str]
    work_trees: dict[str, str] = field(default_factory=dict)
    uses_git: bool = False


@dataclass(slots=True)
class Outline:
    """The names in a plan.

    :param root: absolute path of the folder that all paths are relative to
    :param helps: uid -> help, without actions that their own `when` disables
    :param plan_producers: uid -> path of the plan that it generates
    :param included: see `Project`
    """

    root: str
    helps: dict[str, str]
    plan_producers: dict[str, str]
    names: Names = field(repr=False)
    included: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Project:
    """A checked plan: its actions and their names.

    :param file: absolute path
    :param name: its path relative to the root
    :param root: absolute path of the folder that all paths are relative to
    :param actions: uid -> action, in the order of the plan
    :param left_out: uid -> why it is disabled
    :param default: uids of a bare run
    :param queues: name -> tokens, without the queue `default`
    :param plan_producers: uid -> path of the plan that it generates
    :param looks: its inputs apart from its own text
    :param guessed: uids of actions whose globs may match outputs of unread plans -> the outputs of previous runs
        that they would match
    :param is_idle: whether the default actions are all disabled
    :param unclear: uids of default actions that are disabled as long as there are `unread` plans
    :param pool: what it says of resources: how many actions may run at the same time, a blank, and JSON with
        `resources` (type -> an amount or names) and `slots` (type -> number); "" where it says nothing
    :param cache: what it says of the cache for outputs, as JSON with `size` (bytes), `folder` (`user` or `project`)
        and `system` (folders); "" where it has none
    :param included: prefix of names (`docs:`) -> the file of an included plan, and the folder that its paths are
        relative to, itself relative to the root
    :param matching: returns the uids of actions whose globs match one of some paths, whether these exist or not,
        and the families of which an instance comes or goes with one; None if the front end does not know it
    :param values: uid -> the values that distinguish an instance from others of its family, numbers as numbers, if
        they were asked for
    """

    file: str
    name: str
    root: str
    actions: dict[str, Action]
    left_out: dict[str, str]
    groups: dict[str, Group]
    default: tuple[str, ...]
    queues: dict[str, int]
    params: dict[str, Param]
    plan_producers: dict[str, str]
    names: Names = field(repr=False)
    looks: Looks = field(repr=False)
    guessed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_idle: bool = False
    unclear: tuple[str, ...] = ()
    pool: str = ""
    included: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    matching: Callable[[Sequence[str]], tuple[set[str], set[str]]] | None = field(default=None, repr=False)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    cache: str = ""

    @classmethod
    def of(
        cls,
        file: str,
        actions: Mapping[str, Command],
        *,
        root: str = "",
        helps: Mapping[str, str] | None = None,
        default: Sequence[str] | None = None,
        queues: Mapping[str, int] | None = None,
    ) -> Self:
        """Return a project of Commands, whose edges follow from the files that they declare.

        :param file: the path of the plan
        :param actions: name -> Command, in the order of lists
        :param root: the folder that paths are relative to; by default the folder of the file
        :param helps: name -> help
        :param default: the names of a run without names; by default all
        :param queues: name -> tokens
        :raises DAGError: the edges between them form a cycle
        """
        from treadle.command.graph_checks import connect_by_files
        from treadle.core.graph.dag import DAG

        file = os.path.abspath(file)
        root = os.path.abspath(root or os.path.dirname(file))
        name = os.path.relpath(file, root)
        dag = DAG()
        for uid, command in actions.items():
            command.label = command.label or name
            dag.add_vertex(uid, command)
        connect_by_files(dag, root)
        dag.check()
        found = {
            uid: Action(
                uid,
                uid,
                (helps or {}).get(uid, ""),
                command,
                tuple(sorted(map(str, dag.get_predecessors(uid)))),
                tuple(sorted(map(str, dag.get_after(uid)))),
                command.place or Place(file, 1, 1, ""),
            )
            for uid, command in actions.items()
        }
        outputs = OutputIndex(
            (normalise(path, root), uid) for uid, command in actions.items() for path in command.outputs
        )
        names = Names({uid: [uid] for uid in actions}, {}, outputs, root)
        looks = Looks({}, {}, [], {}, {})
        bare = tuple(actions) if default is None else tuple(default)
        return cls(file, name, root, found, {}, {}, bare, dict(queues or {}), {}, {}, names, looks)

    def outline(self) -> Outline:
        """Return its names."""
        helps = {uid: action.help for uid, action in self.actions.items()}
        return Outline(self.root, helps, self.plan_producers, self.names, self.included)

    @property
    def unread(self) -> list[str]:
        """The producers of plans that are not read yet."""
        unread = set(self.names.open)
        return [uid for uid in self.plan_producers if uid in unread]

    def select(self, names: Iterable[str]) -> list[str]:
        """Return the uids that names select, in the order of the plan.

        :param names: actions, families, instances, groups, outputs, paths in an output folder, and patterns with
            `*` and `?`
        :raises UsageError: a name selects nothing, or only disabled actions
        """
        found: set[str] = set()
        for name in names:
            uids = self.names.find(name)
            there = [uid for uid in uids if uid in self.actions]
            if not there:
                self._left_out(name, uids)
            found.update(there)
        return [uid for uid in self.actions if uid in found]

    def _left_out(self, name: str, uids: list[str]) -> None:
        if not uids:
            raise UsageError(f"{name} selects no action")
        facts = shortened([f"{uid}: {self.left_out[uid]}" for uid in uids])
        raise UsageError(f"{name} is disabled", facts=facts)

    def without_secrets(self, text: str) -> str:
        """Return a text in which the secret values of the actions are replaced."""
        from treadle._startup.interpreter import inherited
        from treadle.core.redaction import without_values

        environ = inherited()
        envs = [action.command.env for action in self.actions.values() if action.command.env.secret]
        return without_values(
            text, {env.set.get(name, environ.get(name, "")) for env in envs for name in env.secret}
        )

    def successors(self) -> dict[str, list[str]]:
        """Return uid -> the actions that have it as a predecessor."""
        found: dict[str, list[str]] = {}
        for uid, action in self.actions.items():
            for before in action.predecessors:
                found.setdefault(before, []).append(uid)
        return found

    def dag(self, uids: Iterable[str] | None = None, done: Collection[str] = ()) -> DAG:
        """Return the graph of all actions but those at the end, or of some with all that they need.

        :param uids: the actions; `after` orders them, also through actions that are not in the graph, and adds none
        :param done: actions to leave out, because they have run
        """
        from treadle.core.graph.dag import DAG

        wanted = set(self.actions)
        if uids is not None:
            from treadle.core.graph.algorithms import reached

            wanted = set(reached(uids, lambda uid: self.actions[uid].predecessors))
        wanted.difference_update(done)
        wanted.difference_update(uid for uid, action in self.actions.items() if action.is_last)
        graph = DAG()
        known: dict[Any, tuple[Any, ...]] = {}
        for uid, action in self.actions.items():
            if uid in wanted:
                after: Sequence[Any] = action.after
                if after and not wanted.issuperset(after):
                    from treadle.core.graph.algorithms import through

                    after = through(after, self._before, wanted.__contains__, known)
                before: Any = action.predecessors
                if done:
                    before = [one for one in before if one in wanted]
                if action.conditions:
                    before = {one: action.conditions.get(one, "on_success") for one in before}
                graph.update_vertex(uid, action.command, before, enable_checks=False, after=after)
        graph.check()
        return graph

    def last(self, uids: Collection[str] | None = None) -> DAG | None:
        """Return the graph of the actions at the end of a run, one after the other; None without any.

        They come in the order of the plan, unless their `after` says otherwise.

        :param uids: the actions to take; all if left out
        """
        from treadle.core.graph.dag import DAG

        them = {uid: one for uid, one in self.actions.items() if one.is_last and (uids is None or uid in uids)}
        if not them:
            return None
        order, graph = DAG(), DAG()
        for uid, action in them.items():
            after = [one for one in action.after if one in them]
            order.update_vertex(uid, action.command, (), enable_checks=False, after=after)
        before: list[Any] = []
        for vertex, command in order:
            graph.add_vertex(vertex, command, after=before[-1:])
            before.append(vertex)
        return graph

    def _before(self, uid: Any) -> tuple[str, ...]:
        action = self.actions[uid]
        return action.predecessors + action.after


@runtime_checkable
class PreviousOutputs(Collection[str], Protocol):
    """The outputs of previous runs that are still there, relative to the root.

    `state.previous_outputs` has those of the records.
    """

    def producer_of(self, path: str) -> str:
        """Return the uid of the action that made a path, "" if none did."""

    def has_left_link(self, folder: str) -> bool:
        """Return whether the link in the place of an output folder is, or may be, from an action."""


class ListedOutputs(frozenset[str]):
    """The same as a set of paths, of which nothing else is known."""

    __slots__ = ()

    def producer_of(self, path: str) -> str:
        """Return "": it is not known."""
        del path
        return ""

    def has_left_link(self, folder: str) -> bool:
        """Return that the link may be from an action."""
        del folder
        return True


@dataclass(slots=True)
class Request:
    """What a front end is to load.

    :param file: the path of the plan
    :param params: parameters given from outside, as text
    :param rest: the words after `--`, None without `--`
    :param previous_outputs: given the root, returns the outputs of previous runs, relative to it: globs do not
        match them as sources
    :param made: uids of producers that are up to date: their plans are to be read too
    :param is_run: whether a run asks: it may look at the work trees of repositories, which runs their filters
    :param work_trees: given the root, returns what the last run has found of them, as `Looks` has it
    :param keeps_globs: whether the project has to say which of its globs match a path, see `Project.matching`
    :param keeps_values: whether it has to say what the values of instances are, see `Project.values`
    """

    file: str
    params: Mapping[str, str] = field(default_factory=dict)
    rest: Sequence[str] | None = None
    previous_outputs: Callable[[str], Collection[str]] | None = None
    made: Collection[str] = ()
    keeps_globs: bool = False
    keeps_values: bool = False
    is_run: bool = False
    work_trees: Callable[[str], Mapping[str, str]] | None = None


class FrontEnd:
    """Loads plans of one format. A subclass overrides `load` and `suffixes`."""

    suffixes: tuple[str, ...] = ()
    """The suffixes of its files, with the dot."""

    def load(self, request: Request) -> Project:
        """Load a plan.

        :raises PlanError: it has problems, each with its place
        """
        raise NotImplementedError(f"{type(self).__name__} has no load()")

    def outline(self, request: Request) -> Outline:
        """Read the names in a plan, for completion; by default it is loaded."""
        return self.load(request).outline()
