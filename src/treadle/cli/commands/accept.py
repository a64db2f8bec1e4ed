"""`accept`: puts what actions have made into the places of their baselines. It runs no action.

It writes no record, so the action runs once more: an attempt without a record keeps no fingerprint, and nothing
says that the other inputs are still those of that attempt.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from treadle._startup.interpreter import inherited
from treadle.command.baseline import replace
from treadle.command.discovered import owner_of
from treadle.command.fingerprinting import Fingerprinter
from treadle.command.fresh_room import folder_of
from treadle.command.job import own_name
from treadle.command.outputs import remove_tree
from treadle.content.digests import describe_file
from treadle.content.files import Files
from treadle.core import wording
from treadle.core.elements import OUTPUT
from treadle.core.outcomes import told
from treadle.core.text import safe, shell_join
from treadle.errors import TreadleError
from treadle.state.records import ADOPTED, FAILED, STARTED, SUCCEEDED
from treadle.ui.text import line

from .locked import locked, say_unless_quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.command.command import Command
    from treadle.frontends.base import Project
    from treadle.session.call import Call
    from treadle.state.records import Entry
    from treadle.state.store import Store

OUTPUTS = "TREADLE_OUTPUTS"
"""The variable of commands that accept: the folder in which the outputs lie at their relative paths."""


def accept_command(call: Call) -> int:
    """Copy the outputs of actions over their baselines, or run the commands that do so.

    :raises TreadleError: no action that was named has a baseline
    """
    plan = call.load()
    uids = [uid for uid in call.select_known(plan) if _has_baseline(plan.actions[uid].command)]
    if not uids:
        raise TreadleError("there is nothing to accept", hint="name actions with baseline:")
    count, refused = 0, 0
    with locked(call, plan) as store:
        for uid in uids:
            try:
                changed = list(_accept(plan, store, uid))
            except TreadleError as error:
                refused += 1
                call.console.warn(f"{uid}: not accepted: {'; '.join((error.what, *error.facts))}")
                continue
            count += bool(changed)
            for text in changed or ["nothing differs"]:
                if changed or call.options.verbose:
                    say_unless_quiet(call, line((safe(uid), "name"), f": {safe(text)}"))
    say_unless_quiet(call, line(f"{wording.count(count, 'action')} accepted"))
    return 1 if refused else 0


def _has_baseline(command: Command) -> bool:
    return bool(command.baseline or command.accept)


def _accept(plan: Project, store: Store, uid: str) -> Iterator[str]:
    """Accept what one action has made last; yield in words what was done.

    :raises TreadleError: there is nothing that could be accepted, or it failed
    """
    command = plan.actions[uid].command
    owner = owner_of(uid, command)
    entry = store.entries.get(owner.key)
    if why := _refusal(entry):
        raise TreadleError(why)
    assert entry is not None
    has_failed = entry.state == FAILED
    folder = _folder(plan.root, store, uid, command) if has_failed else plan.root
    if command.accept:
        yield from _run(plan.root, command, folder)
        return
    known = None if has_failed else _known(store, entry)
    for output, path in command.baseline.items():
        _check(output, folder, plan.root, known, entry.last_run.ended_at if entry.last_run else 0)
        _check_place(path, plan, store)
    fresh = os.path.join(store.folder, "accepting")
    if os.path.isdir(fresh):
        # no run makes a folder of this name; of one that a link leads to the link is removed
        remove_tree(fresh)
    for output, path in command.baseline.items():
        try:
            if replace(_source(output, folder, plan.root), os.path.join(plan.root, path), fresh):
                yield f"{output} -> {path}"
        except OSError as error:
            raise TreadleError(f"{path} cannot be written: {error.strerror or error}") from error


def _refusal(entry: Entry | None) -> str:
    """Return why what an action has made last cannot be accepted, "" if it can."""
    if entry is None:
        return "it has not run here"
    if entry.state == STARTED:
        return "its last run did not come to its end"
    last = entry.last_run
    if last is None or last.state == ADOPTED:
        return "no run has made its outputs"
    if last.state == SUCCEEDED or (last.state == FAILED and last.outcome == "diffed"):
        return ""
    return f"its last run ended otherwise: {told(last.outcome or last.state, last.text)}"


def _folder(root: str, store: Store, uid: str, command: Command) -> str:
    """Return the folder that holds the outputs of an attempt that differed."""
    if command.workdir:
        return folder_of(root, command.label, uid)
    if command.keep:
        return root
    return os.path.join(store.folder, "failed", own_name(command.label, uid))


def _known(store: Store, entry: Entry) -> dict[str, str]:
    """Return path -> value of what the last success has left of outputs."""
    record = entry.record
    if record is None:
        return {}
    elements = {name[len(OUTPUT) :]: value for name, value in record.elements.items() if name.startswith(OUTPUT)}
    return {**store.manifests.read(record.owner.key), **elements}


def _check(output: str, folder: str, root: str, known: dict[str, str] | None, ended_at: int) -> None:
    """Refuse an output that is gone, or not as its last run has left it.

    :param known: what the last success has left; None after an attempt that differed, of which no content is known
    :param ended_at: when the last run ended, in milliseconds since the epoch
    """
    full = _source(output, folder, root)
    where = "" if folder == root else f" in {os.path.relpath(folder, root)}"
    if not os.path.isfile(full):
        raise TreadleError(f"its output {output} is not there any more{where}; run it again")
    if known is None:
        # whatever its bytes are now, nothing may have touched it since
        stamps = (os.lstat(os.path.join(folder, output)), os.lstat(full), os.stat(full))
        is_altered = max(status.st_ctime_ns for status in stamps) // 1_000_000 > ended_at
    else:
        is_altered = not os.path.islink(full) and known.get(output) != describe_file(full)
    if is_altered:
        raise TreadleError(f"its output {output} was altered since it ran; run it again")


def _source(output: str, folder: str, root: str) -> str:
    """Return where the content of an output is: what a relative link leads to may be where it is from its place."""
    full = os.path.join(folder, output)
    if not os.path.islink(full) or os.path.exists(full):
        return full
    return os.path.join(root, os.path.dirname(output), os.readlink(full))


def _check_place(path: str, plan: Project, store: Store) -> None:
    """Refuse a baseline that leads to the plan or into the state through a link: the plan names neither."""
    full = os.path.realpath(os.path.join(plan.root, path))
    read = (plan.file, *(file for file, _ in plan.included.values()), *plan.looks.read)
    files = {os.path.realpath(os.path.join(plan.root, one)) for one in read}
    if full in files or full.startswith(f"{os.path.realpath(store.folder)}/"):
        raise TreadleError(f"its baseline {path} leads to {full}, which is no baseline")


def _run(root: str, command: Command, folder: str) -> Iterator[str]:
    fingerprinter = Fingerprinter(Files(root), inherited())
    environ = fingerprinter.environment(command) | {OUTPUTS: folder}
    cwd = os.path.normpath(os.path.join(root, command.cwd))
    for argv in command.accept:
        shown = shell_join(argv)
        program = argv[0] if "/" in argv[0] else fingerprinter.program(argv[0], environ) or argv[0]
        try:
            code = subprocess.run([program, *argv[1:]], cwd=cwd, env=environ, check=False).returncode
        except OSError as error:
            raise TreadleError(f"{shown} cannot be started: {error.strerror}") from error
        if code:
            ended = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise TreadleError(f"{shown}: {ended}")
        yield f"ran {shown}"
