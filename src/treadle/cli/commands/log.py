"""`log`: what an action printed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from treadle.command.job import earlier_logs, log_path
from treadle.core.text import safe
from treadle.errors import TreadleError, UsageError, listed
from treadle.ui.text import line, plain

if TYPE_CHECKING:
    from treadle.command.command import Command
    from treadle.session.call import Call


def log_command(call: Call) -> int:
    """Print what an action has printed: byte by byte or, on a terminal, without what a terminal obeys."""
    from treadle.state.store import Store

    plan = call.load()
    name, *_ = call.names_in(plan)
    # what a plan held that is made anew has its log still
    is_kept = plan.names.producer_of_plan(name) in plan.unread and plan.names.named(name) is None
    uids = [name] if is_kept else call.select(plan, call.options.names)
    if len(uids) != 1:
        raise UsageError(
            f"{call.options.names[0]} selects {len(uids)} actions: expected one",
            facts=[listed(uids)],
        )
    uid = uids[0]
    command = plan.actions[uid].command if uid in plan.actions else None
    if command is not None and command.console:
        raise UsageError(f"{uid} has no log: with `console: true` it prints to the terminal")
    path = _path_of(Store(plan.root).folder, plan.name, uid, call.options.attempt)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise UsageError(f"{uid} has no log yet", hint=f"run it: treadle run {uid}") from None
    except OSError as error:
        raise TreadleError(f"the log of {uid} cannot be read: {error.strerror}", facts=[path]) from error
    if sys.stdout.isatty() and command is not None:
        call.console.say(line((f"$ {safe(text)}", "dim")) for text in command.shown.split("\n"))
    try:
        if sys.stdout.isatty():
            from treadle.ui.log_tail import visible_lines

            for one in visible_lines(fd, colours=call.console.screen.colours):
                call.console.say([line(one)])
        else:
            _copy(fd, call)
    finally:
        os.close(fd)
    is_last = not call.options.attempt or path == log_path(Store(plan.root).folder, plan.name, uid)
    if sys.stdout.isatty() and command is not None and is_last:
        _say_end(call, plan.root, uid, command)
    return 0


def _path_of(state: str, label: str, uid: str, attempt: int) -> str:
    """Return the path of the log of an attempt of an action.

    :param attempt: 0 for the last one
    :raises UsageError: there is none of that attempt
    """
    last = log_path(state, label, uid)
    if not attempt and os.path.lexists(last):
        return last
    from treadle.command import attempt_logs

    logs = attempt_logs.found(state, earlier_logs(label, uid), last)
    if not logs:
        raise UsageError(f"{uid} has no log yet", hint=f"run it: treadle run {uid}")
    # a run that was killed may not have come to the log of the next attempt
    number = attempt or max(logs)
    if number not in logs:
        kept = f"the logs of the last {attempt_logs.MOST} attempts are kept"
        raise UsageError(
            f"{uid} has no log of attempt {number}",
            facts=[f"there are logs of: {listed([str(one) for one in logs], attempt_logs.MOST)}"],
            hint=kept if number < max(logs) else "",
        )
    return logs[number]


def _say_end(call: Call, root: str, uid: str, command: Command) -> None:
    """Print how what has printed this has ended, if that is on record; elsewhere than on a terminal it is a log."""
    from treadle.command.discovered import owner_of
    from treadle.state.store import Store

    from .why import lines_of

    store = Store(root)
    store.load()
    entry = store.entries.get(owner_of(uid, command).key)
    last = entry.last_run if entry is not None else None
    if last is not None:
        call.console.say([line((plain(lines_of(last)[0]).strip(), "dim"))])


def _copy(fd: int, call: Call) -> None:
    """Copy a log as it is, but for its colours where our own lines have none."""
    from treadle.ui.log_tail import without_colours

    out = sys.stdout.buffer
    piece = rest = b""
    is_over = False
    while not is_over:
        piece = os.read(fd, 1 << 16)
        is_over = not piece
        if not call.console.screen.colours:
            piece, rest = (rest, b"") if is_over else without_colours(rest + piece)
        try:
            out.write(piece)
            if is_over:
                out.flush()
        except OSError as error:
            call.console.screen.lose(error)
            return
