"""`list`: the actions, groups and parameters of a plan, and the producers and consumers of files."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING

from treadle.cli.deselected import disabled_among, say_deselected, selects
from treadle.cli.last_runs import in_order, last_data, last_words, slowest
from treadle.content.digests import LITTER
from treadle.core import wording
from treadle.core.elements import VALUE, path_of
from treadle.core.text import safe
from treadle.session.lookup import PathUse
from treadle.ui.console import FORMAT
from treadle.ui.text import columns, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from treadle.frontends.base import Action, Param, Project
    from treadle.frontends.names import Group
    from treadle.session.call import Call
    from treadle.session.last_outcomes import LastOutcome
    from treadle.session.options import Options
    from treadle.state.store import Store

    Row = tuple[str, str]

DECLARED, PROGRAM, DISCOVERED = "declared", "program", "discovered"
"""How a file is an input: declared by the plan, started as a program, or discovered in the last run."""
_HOW = {PROGRAM: "the program that it starts", DISCOVERED: "discovered in the last run"}
_READ_BY = 4
"""The most names that a line shows."""


def list_command(call: Call) -> int:
    """List actions, groups and parameters: one line for each family, with --all for each action."""
    options = call.options
    plan = call.load()
    uids = call.narrowed(plan, call.select(plan, options.names) if options.names else call.all_actions(plan))
    lasts: dict[str, LastOutcome | None] = {}
    if options.json or _shows_ends(options):
        judge = call.judge_by(plan.root)
        lasts = judge.last_of(plan, uids)
        for note in judge.notes if _shows_ends(options) else ():
            call.note(note)
        uids = in_order(options.sort, uids, lasts) if options.sort else uids
        uids = slowest(options.durations, lasts) if options.durations else uids
    actions = [plan.actions[uid] for uid in uids]
    files = Origins(plan) if options.files else None
    if options.json:
        data = _as_data(plan, actions, files, lasts)
        call.console.say_data({**data, "deselected": call.deselected})
    elif files is not None:
        call.console.say(made for action in actions for made in _files_of(call, action, files))
        if any(path.endswith("/") for action in actions for path in action.command.inputs):
            call.console.say([line((f"in folders that are read these do not count: {' '.join(LITTER)}", "dim"))])
    else:
        _list(call, plan, actions, lasts, everything=options.everything or options.verbose)
        say_deselected(call)
    return 0


def _shows_ends(options: Options) -> bool:
    """Return whether each action is shown with how it ended, in place of its help."""
    return bool(options.only or options.where or options.sort or options.durations)


def _list(
    call: Call,
    plan: Project,
    actions: Sequence[Action],
    lasts: Mapping[str, LastOutcome | None],
    *,
    everything: bool,
) -> None:
    named = bool(call.options.names or selects(call) or _shows_ends(call.options))
    listed = [action for action in actions if action.listed or everything]
    if _shows_ends(call.options):
        # also what a plan hides: it may be what has failed
        now = time() * 1000
        _section(call, "actions", [(action.uid, last_words(lasts[action.uid], now)) for action in actions])
    else:
        _section(call, "actions", _each(listed) if everything else _families(listed, named=named))
    if not listed and not named and plan.left_out:
        count = wording.count(len(plan.left_out), "action")
        call.console.say([line(("no action is enabled: ", "dim"), f"{count} disabled, --all shows why")])
    if not named:
        member = call.member
        groups = plan.groups if member is None else member.groups(plan)
        _section(call, "groups", [_group(plan.groups[name]) for name in groups])
        _section(call, "parameters", [_param(param) for param in plan.params.values()])
        _section(call, "plans that are not generated yet", [(uid, plan.plan_producers[uid]) for uid in plan.unread])
    if everything:
        _section(call, "disabled", disabled_among(call, plan).items())


def _families(actions: Iterable[Action], *, named: bool) -> list[Row]:
    """Return a row for each family, and for each instance that was named by itself."""
    families: dict[str, list[Action]] = {}
    for action in actions:
        families.setdefault(action.family, []).append(action)
    rows = []
    for family, members in families.items():
        if len(members) == 1 and (named or members[0].uid == family):
            rows.append((members[0].uid, _help(members[0])))
        else:
            first = members[0]
            help_ = _help(first) if all(one.conditions == first.conditions for one in members) else first.help
            rows.append((f"{family}@...", f"{help_} ({wording.count(len(members), 'action')})".lstrip()))
    return rows


def _each(actions: Iterable[Action]) -> list[Row]:
    return [(action.uid, _help(action)) for action in actions]


def _help(action: Action) -> str:
    """Return the help of an action, with when it runs if that is not always."""
    said = [*(("at the end",) if action.is_last else ()), *wording.conditions(action.conditions)]
    return f"{action.help} ({'; '.join(said)})".lstrip() if said else action.help


def _group(group: Group) -> Row:
    members = ", ".join(group.members)
    return group.name, f"{group.help} ({members})" if group.help else members


def _param(param: Param) -> Row:
    value = param.value if isinstance(param.value, str) else _joined(param.value, param.split)
    choices = f"one of {', '.join(param.choices)}" if param.choices else ""
    kinds = [
        "" if param.type == "str" else param.type,
        f"each {choices}" if param.type == "list" and choices else choices,
        "takes the words after --" if param.rest else "",
        f"from ${param.env} if set" if param.env else "",
    ]
    parts = (param.help, ", ".join(kind for kind in kinds if kind))
    return f"{param.name}={value}", "; ".join(part for part in parts if part)


def _joined(texts: Sequence[str], split: str) -> str:
    """Return a list as the text that -p takes."""
    if split == "commas":
        return ",".join(texts)
    import shlex

    return shlex.join(texts)


def _section(call: Call, title: str, rows: Iterable[Row]) -> None:
    made = columns([(safe(first), safe(second)) for first, second in rows], room=call.console.room)
    if made:
        call.console.say([line((f"{title}:", "name")), *(line(text) for text in made)])


class Origins:
    """Finds where each input comes from, and which actions read each output.

    :param plan: the plan, with all its actions
    """

    def __init__(self, plan: Project) -> None:
        self.plan = plan
        self.use = PathUse(plan)
        self._store: Store | None = None

    def inputs(self, action: Action) -> list[dict[str, object]]:
        """Return the declared inputs, the programs of the project that it starts, and the discovered inputs."""
        read = dict.fromkeys(action.command.inputs, DECLARED)
        for paths, how in ((self._programs(action), PROGRAM), (self._discovered(action), DISCOVERED)):
            for path in paths:
                read.setdefault(path, how)
        return [self._input(path, how, action) for path, how in read.items()]

    def _input(self, path: str, how: str, action: Action) -> dict[str, object]:
        exclude = action.command.exclude.get(path, ())
        producers = [uid for uid in self.use.producers(path, exclude) if uid != action.uid]
        there = os.path.lexists(os.path.join(self.plan.root, path))
        found: dict[str, object] = {"path": path, "how": how, "made_by": producers, "exists": there}
        if path.startswith(tuple(action.command.installed)):
            found["check"] = "presence"
        return {**found, "exclude": list(exclude)} if exclude else found

    def _programs(self, action: Action) -> list[str]:
        """Return the programs in the root that an action starts by a path: they are inputs too."""
        started = (os.path.join(action.command.cwd, argv[0]) for argv in action.command.argvs() if "/" in argv[0])
        paths = (os.path.relpath(os.path.join(self.plan.root, path), self.plan.root) for path in started)
        return [path for path in paths if not path.startswith("../") and action.uid not in self.use.producers(path)]

    def outputs(self, action: Action) -> list[dict[str, object]]:
        """Return the outputs of an action."""
        exclude = action.command.exclude
        return [
            {
                "path": path,
                "read_by": self.use.consumers(path),
                "exists": os.path.lexists(os.path.join(self.plan.root, path)),
                **({"exclude": list(exclude[path])} if path in exclude else {}),
                **({"check": "presence"} if path in action.command.presence else {}),
            }
            for path in action.command.outputs
        ]

    def _discovered(self, action: Action) -> list[str]:
        if action.command.discovery is None:
            return []
        from treadle.command.discovered import owner_of
        from treadle.core.elements import DISCOVERED as DISCOVERED_INPUT
        from treadle.core.elements import paths_of
        from treadle.state.store import Store

        if self._store is None:
            self._store = Store(self.plan.root)
            self._store.load()
        entry = self._store.entries.get(owner_of(action.uid, action.command).key)
        record = entry.record if entry is not None else None
        return paths_of(record.elements, DISCOVERED_INPUT) if record is not None else []


def _files_of(call: Call, action: Action, files: Origins) -> Iterable[tuple[tuple[str, str], ...]]:
    yield line((safe(action.uid), "name"))
    read = [(str(one["path"]), _whence(one)) for one in files.inputs(action)]
    made = [(str(one["path"]), _whither(one)) for one in files.outputs(action)]
    edited = [(path, _whither({"read_by": files.use.consumers(path)})) for path in action.command.edits]
    for title, rows in (("reads", read), ("edits", edited), ("makes", made)):
        if rows:
            yield line(f"  {title}")
            for text in columns([(safe(path), said) for path, said in rows], "    ", room=call.console.room):
                yield line(text)
    if not read and not made and not edited:
        yield line("  no inputs and no outputs")


def _whence(one: dict[str, object]) -> str:
    producers = one["made_by"]
    assert isinstance(producers, list)
    if producers:
        text = f"made by {_some(producers)}"
    elif one["exists"]:
        text = "no action makes it"
    else:
        text = "missing, and no action makes it"
    return _without(f"{text} ({_HOW[str(one['how'])]})" if one["how"] in _HOW else text, one)


def _without(text: str, one: dict[str, object]) -> str:
    """Return what is said of a path, with what its exclude leaves out."""
    said = [text] if text else []
    if one.get("check"):
        said.append("by presence")
    exclude = one.get("exclude")
    if isinstance(exclude, list) and exclude:
        said.append(f"without {' '.join(safe(pattern) for pattern in exclude)}")
    return ", ".join(said)


def _whither(one: dict[str, object]) -> str:
    readers = one["read_by"]
    assert isinstance(readers, list)
    return _without(f"read by {_some(readers)}" if readers else "", one)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(safe(name) for name in names[:_READ_BY])
    return f"{shown} (+{len(names) - _READ_BY})" if len(names) > _READ_BY else shown


def _as_data(
    plan: Project, actions: Iterable[Action], files: Origins | None, lasts: Mapping[str, LastOutcome | None]
) -> dict[str, object]:
    return {
        "format": FORMAT,
        "plan": plan.file,
        "root": plan.root,
        "default": list(plan.default),
        "actions": [_action_as_data(action, files) | last_data(lasts[action.uid]) for action in actions],
        "groups": [
            {"name": group.name, "help": group.help, "members": list(group.members)}
            for group in plan.groups.values()
        ],
        "params": [
            {
                "name": p.name,
                "type": p.type,
                "value": p.value,
                "default": p.default,
                "choices": list(p.choices),
                "help": p.help,
                "rest": p.rest,
                "env": p.env,
            }
            for p in plan.params.values()
        ],
        "left_out": plan.left_out,
        "litter": list(LITTER),
    }


def _action_as_data(action: Action, files: Origins | None) -> dict[str, object]:
    command = action.command
    data: dict[str, object] = {
        "name": action.uid,
        "family": action.family,
        "help": action.help,
        "listed": action.listed,
        "command": command.shown,
        "cwd": command.cwd,
        "queue": command.limits.queue,
        "resources": {kind: amount for kind, amount in command.limits.resources.items() if amount},
        "fallbacks": [dict(one) for one in command.limits.fallbacks],
        "mutex": list(command.limits.mutex),
        "limit": command.limits.limit,
        "exclusive": command.limits.exclusive,
        "engine": command.limits.engine or None,
        "codes": command.codes.said if command.codes is not None else None,
        "expect": command.expect.text if command.expect is not None else None,
        "workdir": command.workdir or None,
        "baseline": dict(command.baseline),
        "accept": [list(argv) for argv in command.accept],
        "artifacts": command.artifacts or None,
        "tools": [tool.name for tool in command.tools],
        "uses": {
            path_of(name, (VALUE,)): value for name, value in command.elements.items() if name.startswith(VALUE)
        },
        "inputs": list(command.inputs),
        "outputs": list(command.outputs),
        "edits": list(command.edits),
        "depfile": command.depfile,
        "tags": list(action.tags),
        "confirm": "" if command.guards is None else command.guards.confirm,
        "require": [] if command.guards is None else [one.failed or one.shown for one in command.guards.require],
        "needs": list(action.predecessors),
        "conditions": dict(action.conditions),
        "after": list(action.after),
        "finally": action.is_last,
        "file": action.place.file,
        "line": action.place.line,
    }
    if files is not None:
        data["files"] = {"inputs": files.inputs(action), "outputs": files.outputs(action)}
    return data
