"""What a call knows of recorded runs: where they are, how one of them is gone on with, what came before."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from treadle.content.trust import STATE_FOLDER
from treadle.errors import PlanError
from treadle.ledger.filling import fill
from treadle.ledger.run_files import events_of, is_of_here

from .recording import folder_of_plan, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.events.run_model import Run
    from treadle.ledger.database import Database
    from treadle.report.html import History

    from .call import Call


def root_of(call: Call) -> str:
    """Return the root of the plan of a call: the folder that it is in, if it says nothing else.

    :raises UsageError: there is no plan
    """
    folder, path = folder_of_plan(call), call.plan_file()
    try:
        with open(path, "rb") as file:
            if path.endswith((".yaml", ".yml")) and b"root" not in file.read():
                return folder
        return call.load().root
    except (PlanError, OSError):
        # of a plan that is wrong the records are still looked at
        return folder


def resume(call: Call, ledger: Database, run: str) -> int:
    """Make the run of a call go on with a recorded one; return how many actions that has done.

    It has the names and the parameters of that run, and what runs each time does not where that run has done it.

    :raises UsageError: that run is under way, is of another plan, or was called with what is not on record
    """
    from treadle.ledger.resuming import call_of, refuse_unsaid, resumed

    from .resuming import LONGEST_WAIT, Resuming, is_of_another_host, marks_of

    root = root_of(call)
    options, state = call.options, os.path.join(root, STATE_FOLDER)
    counts = partial(is_of_here, state)
    found = resumed(ledger, run, marks_of=marks_of(state), counts=counts)
    here = [one for one in found.living if not is_of_another_host(state, one)]
    if here and options.wait_for is not None:
        from .resuming import end_living

        end_living(state, here, options.wait_for)
        fill(ledger, state)
        found = resumed(ledger, run, marks_of=marks_of(state), counts=counts)
    elif found.living and options.wait and any(is_of_another_host(state, one) for one in found.living):
        from .reaping import reap

        # only their signs of life say anything of these
        patience = LONGEST_WAIT if options.wait_for is None else options.wait_for
        reap(root, ledger, say=call.note, patience=patience, ends_left=not options.hot)
        found = resumed(ledger, run, marks_of=marks_of(state), counts=counts)
    found.refuse_living()
    names = [*found.run.names, *found.run.selection.get("force", ())]
    said = call_of(found.run, options.params, options.rest, place(call, root, names))
    refuse_unsaid(found.run, events_of(state, run))
    options.names = list(found.run.names)
    options.params = said.params
    if options.rest is None and said.rest is not None:
        # so that the next one that goes on has them too
        options.rest, options.argv = said.rest, [*options.argv, "--", *said.rest]
    for name, value in said.selection.items():
        setattr(options, name, value)
    options.record = True
    options.resumes = run
    options.workflow = options.workflow or found.run.workflow
    call.resuming = Resuming(
        *(state, run, call.note, found),
        patience=options.wait_for,
        keeps_resources=options.keep_resources,
        takes_over=options.hot,
    )
    return len(found.done_since)


def resume_named(call: Call, name: str, warn: Callable[[str], None]) -> tuple[str, int]:
    """Make the run of a call go on with a recorded one; return which one that is, and how many actions it has done.

    :param name: an identifier, the beginning of one, `last`, `last-1` and so on
    :param warn: prints a remark
    :raises UsageError: there is no such run, or it cannot be gone on with
    """
    from treadle.ledger.ledger import open_ledger, run_named
    from treadle.state.store import Store

    root = root_of(call)
    # refuses a folder that is not ours
    Store(root).load()
    with open_ledger(os.path.join(root, STATE_FOLDER), warn) as ledger:
        run = run_named(ledger, name)
        return run, resume(call, ledger, run)


def history_of(state: str, run: Run) -> History:
    """Return the earlier runs of the actions of a run that were recorded, for its page; nothing without a ledger.

    :param state: the state folder
    """
    from treadle.ledger.database import LedgerError
    from treadle.ledger.ledger import open_ledger
    from treadle.ledger.queries import histories
    from treadle.report.html import MOST_PAST

    if not run.plan or not run.began:
        return {}
    try:
        with open_ledger(state, lambda _: None) as ledger:
            return histories(ledger, run.plan, run.began, MOST_PAST)
    except (LedgerError, OSError):
        # a page is whole without it
        return {}
