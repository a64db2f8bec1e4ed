"""`mark`: takes actions for done or to do in the run that resumes a recorded one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from treadle.cli.recorded import ledger_of, state_of
from treadle.control import requests
from treadle.control.apply import apply
from treadle.control.client import new_id
from treadle.core.text import safe, shell_join
from treadle.errors import TreadleError, UsageError
from treadle.ledger.ledger import run_named
from treadle.ledger.marks import DONE, TODO, keep_mark
from treadle.ledger.queries import run_of
from treadle.ledger.run_files import events_of, is_alive
from treadle.session.controls import user_name
from treadle.session.generated_plans import with_all_after
from treadle.session.recording import place
from treadle.session.remote import RunControl

if TYPE_CHECKING:
    from treadle.session.call import Call


def mark_command(call: Call) -> int:
    """Mark actions of a run."""
    options = call.options
    if len(options.names) < 2 or options.names[-1] not in (DONE, TODO):
        raise UsageError(
            f"expected names of actions, and then {DONE} or {TODO}", hint=f"for example `treadle mark fit@a {TODO}`"
        )
    *names, mark = options.names
    plan = call.load()
    uids = call.select(plan, names)
    if options.downstream:
        after = with_all_after(plan, uids)
        uids = [uid for uid in plan.actions if uid in after]
    state = state_of(call)
    with ledger_of(call) as ledger:
        run = run_of(ledger, run_named(ledger, options.of_run or "last"))
    of_plan, _ = place(call, plan.root, ())
    if run.plan not in ("", of_plan):
        raise UsageError(
            f"the run {run.id} is of the plan {run.plan}, and not of {of_plan}",
            hint=f"-f {shell_join([run.plan])} marks its actions; --run names another run",
        )
    events = events_of(state, run.id)
    if is_alive(events):
        text = RunControl(run.id, os.path.dirname(state)).mark(uids, mark)
    else:
        text = _kept(os.path.dirname(events), uids, mark, {"workflow": run.workflow})
    if not options.quiet:
        call.console.say([((safe(text), ""),)])
    return 0


def _kept(folder: str, uids: list[str], mark: str, state: dict[str, Any]) -> str:
    """Mark actions of a run that has ended, by the same rules as one under way does, and return that in words."""
    request = requests.request_of({"verb": requests.MARK, "id": new_id(), "names": uids, "as": mark})
    answer = apply(request, state)
    if not answer.ok:
        raise UsageError(answer.text, hint=answer.hint)
    try:
        keep_mark(folder, uids, mark, user_name(os.getuid()))
    except OSError as error:
        raise TreadleError(f"it cannot be kept: {error.filename}: {error.strerror}") from error
    return answer.text
