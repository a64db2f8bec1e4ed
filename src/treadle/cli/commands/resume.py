"""`resume`: goes on with a recorded run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.cli.recorded import ledger_of
from treadle.content.trust import STATE_FOLDER
from treadle.core import wording
from treadle.errors import UsageError
from treadle.ledger.address import root_name
from treadle.ledger.database import Database
from treadle.ledger.ledger import run_named
from treadle.ledger.queries import run_of
from treadle.ledger.run_files import events_of
from treadle.session.fast_start import DEFAULT_PLAN
from treadle.session.recorded import resume
from treadle.state import own_files

from .run import run_command

if TYPE_CHECKING:
    from treadle.session.call import Call


def resume_command(call: Call) -> int:
    """Run what a recorded run has not done: what it has done is not done again, if nothing of it has changed."""
    options = call.options
    if len(options.names) > 1:
        raise UsageError("`treadle resume` takes one run", hint="`treadle runs` lists them")
    try:
        run, done = _take(call)
    except UsageError:
        if not _has_gone_to_its_folder(call):
            raise
        run, done = _take(call)
    if not options.quiet:
        call.console.warn(f"resuming {run}, which has done {wording.count(done, 'action')}")
    return run_command(call)


def _take(call: Call) -> tuple[str, int]:
    """Make the call go on with a run of this folder: its events and its records are here."""
    names = call.options.names
    with ledger_of(call, is_local=True) as ledger:
        run = run_named(ledger, names[0] if names else "last")
        return run, resume(call, ledger, run)


def _has_gone_to_its_folder(call: Call) -> bool:
    """Go to the folder of a run that a shared ledger knows; return False if this is it, or none knows the run.

    It may be the folder of another machine that both see by one path: the events of the run in it show which.

    :raises UsageError: its folder or its plan cannot be reached from here
    """
    options = call.options
    if not options.names or not options.ledger_url:
        return False
    with Database(options.ledger_url, root=root_name(os.getcwd())) as ledger:
        ledger.is_asked_for_all = True
        try:
            run = run_of(ledger, run_named(ledger, options.names[0]))
        except UsageError:
            return False
    _, _, root = run.root.partition(":")
    events = events_of(os.path.join(root, STATE_FOLDER), run.id)
    if not root or own_files.is_foreign(events) or not os.path.isfile(events):
        raise UsageError(
            f"the run {run.id} is of {run.root}, which cannot be reached from here", hint="resume it there"
        )
    plan, folder = os.path.join(root, run.plan), os.path.join(root, str(run.selection.get("folder", ".")))
    if not run.plan or not os.path.isfile(plan) or not os.path.isdir(folder):
        raise UsageError(
            f"the plan {run.plan} of the run {run.id} is not in {root} any more",
            hint="without it nothing shows what is left to do",
        )
    if os.path.realpath(folder) == os.path.realpath(os.getcwd()):
        return False
    call.go_to(folder, "" if os.path.basename(plan) == DEFAULT_PLAN else plan)
    return True
