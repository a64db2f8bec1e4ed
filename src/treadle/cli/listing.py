"""`list`, `check` and `log`: what is in a plan, whether it is right, and what an action printed."""

from __future__ import annotations

import os
import sys

from treadle.command_check import check_commands
from treadle.command_job import CONSOLE_QUEUE, log_path
from treadle.command_walk import Settings
from treadle.errors import TreadleError, UsageError
from treadle.ui import words
from treadle.ui.text import columns, line, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from treadle.plan import Action, Param, Plan

    from .context import Context


def list_command(context: Context) -> int:
    """List actions, groups and parameters: one line for each family, with -v for each action."""
    plan = context.load()
    uids = context.select(plan, context.options.names) if context.options.names else list(plan.actions)
    actions = [plan.actions[uid] for uid in uids]
    if context.options.json:
        import json

        context.say([line(text) for text in json.dumps(_as_data(plan, actions), indent=2).split("\n")])
        return context.ended(0)
    verbose = context.options.verbose
    listed = [action for action in actions if action.listed or verbose]
    _section(context, "actions", _each(listed) if verbose else _families(listed))
    if not context.options.names:
        _section(context, "groups", [(group.name, group.help) for group in plan.groups.values()])
        _section(context, "parameters", [_param(param) for param in plan.params.values()])
        if verbose:
            _section(context, "left out", plan.left_out.items())
    return context.ended(0)


def check_command(context: Context) -> int:
    """Check the plan: that it can be read, and that its graph and its commands can be right."""
    plan = context.load()
    dag = plan.dag()
    settings = Settings(context.options.jobs, plan.queues)
    check_commands(dag, {"default": settings.jobs, CONSOLE_QUEUE: 1, **settings.queues})
    if not context.options.quiet:
        parts = [words.count(len(plan.actions), "action")]
        parts += [words.count(len(plan.groups), "group")] if plan.groups else []
        parts += [f"{len(plan.left_out)} left out"] if plan.left_out else []
        context.say([line(f"{safe(context.shown(plan.file))}: {', '.join(parts)}, ", ("no problems", "good"))])
    return context.ended(0)


def log_command(context: Context) -> int:
    """Print what an action has printed, byte by byte."""
    from treadle.store import Store

    plan = context.load()
    uids = context.select(plan, context.options.names)
    if len(uids) != 1:
        raise UsageError(
            f"{context.options.names[0]} stands for {len(uids)} actions, a log belongs to one",
            facts=[", ".join(uids[:8])],
        )
    uid = uids[0]
    command = plan.actions[uid].command
    if command.console:
        raise UsageError(f"{uid} keeps the terminal: what it prints is not kept")
    path = log_path(Store(plan.root).folder, plan.name, uid)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise UsageError(f"{uid} has no log yet", hint=f"it is written when it runs: treadle run {uid}") from None
    except OSError as error:
        raise TreadleError(f"the log of {uid} cannot be read: {error.strerror}", facts=[path]) from error
    if sys.stdout.isatty():
        context.say(line((f"$ {safe(text)}", "dim")) for text in command.shown.split("\n"))
    try:
        _copy(fd, context)
    finally:
        os.close(fd)
    return context.ended(0)


def _copy(fd: int, context: Context) -> None:
    out = sys.stdout.buffer
    try:
        while piece := os.read(fd, 1 << 16):
            out.write(piece)
        out.flush()
    except BrokenPipeError:
        context.screen.lose()


def _families(actions: Iterable[Action]) -> list[tuple[str, str]]:
    families: dict[str, list[Action]] = {}
    for action in actions:
        families.setdefault(action.family, []).append(action)
    rows = []
    for family, members in families.items():
        if len(members) == 1 and members[0].uid == family:
            rows.append((family, members[0].help))
        else:
            rows.append((f"{family}@...", f"{members[0].help} ({words.count(len(members), 'action')})".lstrip()))
    return rows


def _each(actions: Iterable[Action]) -> list[tuple[str, str]]:
    return [(action.uid, action.help) for action in actions]


def _param(param: Param) -> tuple[str, str]:
    value = ",".join(param.value) if isinstance(param.value, tuple) else param.value
    choices = f"one of {', '.join(param.choices)}" if param.choices else ""
    return f"{param.name}={value}", "; ".join(text for text in (param.help, choices) if text)


def _section(context: Context, title: str, rows: Iterable[tuple[str, str]]) -> None:
    made = columns([(safe(first), safe(second)) for first, second in rows])
    if made:
        context.say([line((f"{title}:", "name")), *(line(text) for text in made)])


def _as_data(plan: Plan, actions: Iterable[Action]) -> dict[str, object]:
    return {
        "plan": plan.file,
        "root": plan.root,
        "default": list(plan.default),
        "actions": [_action_as_data(action) for action in actions],
        "groups": [
            {"name": group.name, "help": group.help, "members": list(group.members)}
            for group in plan.groups.values()
        ],
        "params": [
            {"name": p.name, "type": p.type, "value": p.value, "choices": list(p.choices), "help": p.help}
            for p in plan.params.values()
        ],
        "left_out": plan.left_out,
    }


def _action_as_data(action: Action) -> dict[str, object]:
    command = action.command
    return {
        "name": action.uid,
        "family": action.family,
        "help": action.help,
        "listed": action.listed,
        "command": command.shown,
        "inputs": list(command.inputs),
        "outputs": list(command.outputs),
        "needs": list(action.predecessors),
        "after": list(action.after),
        "file": action.place.file,
        "line": action.place.line,
    }
