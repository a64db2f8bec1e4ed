"""`resume`: goes on with a recorded run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.recorded import ledger_of
from treadle.core import wording
from treadle.errors import UsageError
from treadle.ledger.ledger import run_named
from treadle.ledger.queries import run_of
from treadle.session.recorded import resume

from .run import run_command

if TYPE_CHECKING:
    from treadle.session.call import Call


def resume_command(call: Call) -> int:
    """Run what a recorded run has not done: what it has done is not done again, if nothing of it has changed."""
    options = call.options
    if len(options.names) > 1:
        raise UsageError("`treadle resume` takes one run", hint="`treadle runs` lists them")
    # what it goes on with is in this folder, and so are its events
    with ledger_of(call, is_local=True) as ledger:
        try:
            run = run_named(ledger, options.names[0] if options.names else "last")
        except UsageError:
            _refuse_run_of_another_folder(call)
            raise
        done = resume(call, ledger, run)
    if not options.quiet:
        call.console.warn(f"resuming {run}, which has done {wording.count(done, 'action')}")
    return run_command(call)


def _refuse_run_of_another_folder(call: Call) -> None:
    """Tell where a run can be gone on with: its events and its records are there.

    :raises UsageError: a shared ledger knows it by another folder
    """
    if not call.options.names or not call.options.ledger_url:
        return
    with ledger_of(call) as ledger:
        run = run_of(ledger, run_named(ledger, call.options.names[0]))
    if run.root:
        raise UsageError(f"the run {run.id} is of {run.root}", hint="resume it there")
