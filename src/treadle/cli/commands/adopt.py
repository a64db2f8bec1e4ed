"""`adopt`: records existing outputs as current, as if these actions had just made them.

It runs no action. It starts tools to print their versions.
"""

from __future__ import annotations

import os
from time import time_ns
from typing import TYPE_CHECKING

from treadle._startup.interpreter import inherited
from treadle.command import outputs
from treadle.command.discovered import look_at_discovered, owner_of, stand_ins
from treadle.command.fingerprinting import Fingerprinter
from treadle.command.outputs import Room
from treadle.content.files import Files
from treadle.content.links import Links
from treadle.core import wording
from treadle.core.text import safe
from treadle.errors import TreadleError
from treadle.state.ownership import Ownership
from treadle.state.records import ADOPTED, Record, Run
from treadle.ui.text import line

from .locked import locked, say_unless_quiet

if TYPE_CHECKING:
    from treadle.command.command import Command
    from treadle.command.fingerprinting import ActionInputs
    from treadle.frontends.base import Project
    from treadle.session.call import Call

_MOST = 10
_WORDS = "taken as current by `treadle adopt`, which ran nothing"


def adopt_command(call: Call) -> int:
    """Write records for actions from their inputs, tools and outputs as they are now.

    :raises TreadleError: an input or an output is missing; nothing is recorded then
    """
    plan = call.load()
    uids = _with_outputs(call, plan, call.select_known(plan))
    with locked(call, plan) as store:
        files = Files(plan.root, store.stamps, clocks=store.lock.clocks)
        files.stand_ins = stand_ins(action.command for action in plan.actions.values())
        for uid in uids:
            if (command := plan.actions[uid].command).presence:
                # before the readers of it are looked at
                store.note_runs(command.presence, ())
        fingerprinter = Fingerprinter(files, inherited())
        adopted = _inputs_of(plan, uids, fingerprinter)
        ownership = Ownership(store, files)
        run_id, ended_at = os.urandom(8).hex(), time_ns() // 1_000_000
        for uid, inputs in adopted.items():
            fingerprint = inputs.fingerprint
            command = plan.actions[uid].command
            owner = owner_of(uid, command)
            discovery = "" if command.discovery is None else files.see(command.discovery.path).value
            room = Room(command, ownership, owner.key)
            room.look_for_adoption()
            made, manifest = room.made(inputs.results, discovery)
            if manifest:
                store.manifests.write(owner.key, manifest)
            run = Run(run_id, ADOPTED, ended_at, 0.0, (), _WORDS, made=made)
            store.save(Record(owner, run, fingerprint.elements, fingerprint.results))
        store.remember(files.learned)
    if call.options.verbose:
        call.console.say(line("adopted ", (safe(uid), "name")) for uid in adopted)
    say_unless_quiet(call, line(f"{wording.count(len(adopted), 'action')} taken as current"))
    return 0


def _with_outputs(call: Call, plan: Project, uids: list[str]) -> list[str]:
    """Return the actions with outputs or edits, and warn of the others.

    :raises TreadleError: there are none
    """
    found = []
    for uid in uids:
        command = plan.actions[uid].command
        if command.outputs or command.edits:
            found.append(uid)
        else:
            # a record of a check would say that it succeeded, and no run has seen that
            call.console.warn(f"{uid} cannot be adopted: it has no outputs")
    if not found:
        raise TreadleError("there is nothing to adopt", hint="name actions with outputs")
    return found


def _inputs_of(plan: Project, uids: list[str], fingerprinter: Fingerprinter) -> dict[str, ActionInputs]:
    found: dict[str, ActionInputs] = {}
    problems = []
    for uid in uids:
        command = plan.actions[uid].command
        try:
            found[uid] = _compute(plan.root, uid, command, fingerprinter)
        except TreadleError as error:
            problems.append(f"{uid}: {error.what}")
    if problems:
        more = [f"and {len(problems) - _MOST} more"] if len(problems) > _MOST else []
        raise TreadleError(
            "nothing was recorded: inputs or outputs of these actions are missing",
            facts=[*problems[:_MOST], *more],
            hint="`treadle run` makes missing outputs",
        )
    return found


def _compute(root: str, uid: str, command: Command, fingerprinter: Fingerprinter) -> ActionInputs:
    """Return key and result of a command as they are now.

    :raises TreadleError: an input, a tool, an output or the data of its discovery is missing
    """
    inputs = fingerprinter.compute_once(command) if command.once else fingerprinter.compute(command)
    absent = fingerprinter.absent(inputs, command)
    if absent:
        raise TreadleError(f"the input {absent[0]} is missing")
    if command.once:
        gone = [path for path in command.outputs if not os.path.exists(os.path.join(root, path))]
    else:
        fingerprinter.add_outputs(inputs, command)
        values = {path: inputs.results[path].value for path in command.outputs}
        gone = outputs.missing(values)
    if gone:
        raise TreadleError(f"the output {gone[0]} is missing")
    if command.baseline:
        from treadle.command.baseline import differing

        if differs := differing(command.baseline, command.outputs, root, root):
            raise TreadleError(differs)
    if command.discovery is not None and not command.once:
        data = command.discovery
        if not os.path.isfile(os.path.join(root, data.path)):
            raise TreadleError(f"the {data.kind} {data.path} is missing, so its discovered inputs are not known")
        for path, seen, _ in look_at_discovered(fingerprinter.files, uid, command, Links(fingerprinter.files.root)):
            inputs.add_discovered(path, seen)
    return inputs
