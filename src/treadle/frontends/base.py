"""Project: what a call needs to know of a plan, and FrontEnd: what reads one, in whatever form it is written.

The YAML plans of `treadle.plan` are the first front end. Others come from outside: a package names theirs by the
entry point group `treadle.frontends`, see `session.front_ends`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
    """A parameter: what it may be and what it is now.

    :param default: None if it must be given
    :param value: the text, or the texts of a list
    :param rest: whether it takes what follows `--` on the command line
    :param env: the variable that it takes its value from where nothing else gives one, "" for none
    :param split: how a text becomes a list, one of `schema.SPLITS`
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
    """An action that is in.

    :param family: its name in the plan; `fit` for `fit@a`
    :param listed: whether it is shown in lists
    :param predecessors: uids of those whose outputs it reads, and of those it needs
    :param after: uids of those that come before it if they are part of the run
    """

    uid: str
    family: str
    help: str
    command: Command
    predecessors: tuple[str, ...]
    after: tuple[str, ...]
    place: Place
    tags: tuple[str, ...] = ()

    @property
    def listed(self) -> bool:
        """False for names that start with `_`."""
        return not is_hidden(self.family)


@dataclass(slots=True)
class Looks:
    """What the plan depends on beside its own text: as long as none of it moves, it loads as the same plan.

    :param environ: name -> value (None if it is not set) of each variable that was asked for
    :param listed: absolute folder -> how it was and when (nanoseconds), just before a glob looked into it
    :param folders: paths that have to be folders
    :param read: absolute path of a file that was read beside the plan -> how it was and when, just before
    :param links: path of a link that a path of the plan leads through -> where to
    """

    environ: dict[str, str | None]
    listed: dict[str, tuple[os.stat_result | None, int]]
    folders: list[str]
    read: dict[str, tuple[os.stat_result | None, int]]
    links: dict[str, str]


@dataclass(slots=True)
class Outline:
    """The names in a plan, of which nothing else is known.

    :param root: absolute path of the folder that all paths are relative to
    :param helps: uid -> help, without what its own `when` leaves out
    :param makers: uid -> path of the plan that it makes
    """

    root: str
    helps: dict[str, str]
    makers: dict[str, str]
    names: Names = field(repr=False)


@dataclass(slots=True)
class Project:
    """A checked plan: its actions, and what names stand for.

    :param file: absolute path
    :param name: its path relative to the root
    :param root: absolute path of the folder that all paths are relative to
    :param actions: uid -> action, in the order of the plan
    :param left_out: uid -> why it is not in
    :param default: uids of a bare run
    :param queues: name -> tokens, without the queue `default`
    :param makers: uid -> path of the plan that it makes
    :param looks: what it depends on beside its own text
    :param guessed: uids of actions whose globs may take what unread plans hold -> outputs of former
        runs that they would take, if these were made
    :param is_idle: whether all that a bare run would do is left out
    :param unclear: uids of what a bare run would do and is left out as long as there are `unread` plans
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
    makers: dict[str, str]
    names: Names = field(repr=False)
    looks: Looks = field(repr=False)
    guessed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_idle: bool = False
    unclear: tuple[str, ...] = ()

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

        :param file: the path of what they were read from
        :param actions: name -> Command, in the order in which they are listed
        :param root: the folder that paths are relative to; that of the file if it is left out
        :param helps: name -> help
        :param default: the names of a bare run, all if it is left out
        :param queues: name -> tokens
        :raises DAGError: what they read and make closes a circle
        """
        from treadle.command.validation import connect_by_files
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
        """Return its names alone."""
        helps = {uid: action.help for uid, action in self.actions.items()}
        return Outline(self.root, helps, self.makers, self.names)

    @property
    def unread(self) -> list[str]:
        """The uids of actions that make plans of which nothing is known yet."""
        unread = set(self.names.open)
        return [uid for uid in self.makers if uid in unread]

    def select(self, names: Iterable[str]) -> list[str]:
        """Return the uids that names stand for, in the order of the plan.

        :param names: actions, families, instances, groups, outputs, what lies below an output folder, and
            patterns with `*` and `?`
        :raises UsageError: for a name that stands for nothing, or only for what is left out
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
            raise UsageError(f"{name} stands for no action")
        facts = shortened([f"{uid}: {self.left_out[uid]}" for uid in uids])
        raise UsageError(f"{name} is left out", facts=facts)

    def dag(self, uids: Iterable[str] | None = None, done: Collection[str] = ()) -> DAG:
        """Return the graph of all actions, or of some with all that they need.

        :param uids: those to have; `after` orders them and pulls nothing in, and holds through those left away
        :param done: those that are left away, because they have run
        """
        from treadle.core.graph.dag import DAG

        wanted = set(self.actions)
        if uids is not None:
            from treadle.core.graph.algorithms import reached

            wanted = set(reached(uids, lambda uid: self.actions[uid].predecessors))
        if done:
            wanted.difference_update(done)
        graph = DAG()
        known: dict[Any, tuple[Any, ...]] = {}
        for uid, action in self.actions.items():
            if uid in wanted:
                after: Sequence[Any] = action.after
                if after and not wanted.issuperset(after):
                    from treadle.core.graph.algorithms import through

                    after = through(after, self._before, wanted.__contains__, known)
                before = [one for one in action.predecessors if one in wanted] if done else action.predecessors
                graph.update_vertex(uid, action.command, before, enable_checks=False, after=after)
        graph.check()
        return graph

    def _before(self, uid: Any) -> tuple[str, ...]:
        action = self.actions[uid]
        return action.predecessors + action.after


@dataclass(slots=True)
class Request:
    """What a front end is asked for.

    :param file: the path of the plan
    :param params: parameters given from outside, as text
    :param rest: the words behind `--`, None if there was no `--`
    :param former_outputs: given the root, returns paths relative to it that actions made in former runs: no
        pattern takes them for sources
    :param made: uids of actions that are up to date and make plans: these are to be read too
    """

    file: str
    params: Mapping[str, str] = field(default_factory=dict)
    rest: Sequence[str] | None = None
    former_outputs: Callable[[str], Collection[str]] | None = None
    made: Collection[str] = ()


class FrontEnd:
    """Reads plans of one form; a subclass overrides `load`, and says by `suffixes` which files are its own."""

    suffixes: tuple[str, ...] = ()
    """How the names of its files end."""

    def load(self, request: Request) -> Project:
        """Read a plan.

        :raises PlanError: it is not right; each problem has its place
        """
        raise NotImplementedError(f"{type(self).__name__} has no load()")

    def outline(self, request: Request) -> Outline:
        """Read the names in a plan, for completion; by default all of it is read."""
        return self.load(request).outline()
