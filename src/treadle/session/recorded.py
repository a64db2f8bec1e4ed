"""A run that is recorded: what it says of itself, and how it ends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.command.walk import usable_cpus
from treadle.content.trust import STATE_FOLDER
from treadle.errors import PlanError, TreadleError, UsageError
from treadle.ledger.filling import fill
from treadle.ledger.recording import Recording
from treadle.ledger.resuming import SELECTING
from treadle.ledger.run_record import RunRecord
from treadle.ledger.user import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from treadle.events.background import Background
    from treadle.events.run_model import Run
    from treadle.ledger.database import Database
    from treadle.report.html import History

    from .call import Call, RunReport
    from .options import Options


def run_recorded(call: Call, run: Callable[[Call], RunReport]) -> RunReport:
    """Run, and record what happens; if that cannot be written, one line says so and the run goes on.

    :param run: runs the plan of a call
    :raises TreadleError: what the run raises
    """
    options = call.options
    # an address that is wrong is refused before anything starts
    is_shared = bool(options.ledger_url)
    root = _root(call)
    record = RunRecord(
        call.began,
        call.began_at,
        options.names,
        options.argv,
        options.params,
        _about(call, root),
    )

    def beside(recording: Recording) -> Background:
        from .beside import begin_beside

        return begin_beside(call, recording)

    at_once = options.record or bool(options.attributes)
    recording = Recording(root, record, call.note, at_once=at_once, begin_beside=beside)
    call.recording = recording
    bus = call.bus
    bus.add(recording)
    try:
        report = run(call)
    except BaseException as error:
        recording.close(_code_of(error, call), error)
        raise
    finally:
        bus.remove(recording)
    if is_shared:
        # a short run has no thread, and others look at what it has done too
        recording.go_beside()
    recording.close(call.exit_code_of(report))
    return report


def resume(call: Call, ledger: Database, run: str) -> int:
    """Make the run of a call go on with a recorded one; return how many actions that has done.

    It has the names and the parameters of that run, and what runs each time does not where that run has done it.

    :raises UsageError: that run is under way, is of another plan, or was called with what is not on record
    """
    from treadle.ledger.resuming import call_of, resumed

    from .resuming import Resuming

    options, state = call.options, os.path.join(_root(call), STATE_FOLDER)
    found = resumed(ledger, run)
    if found.living and options.wait_for is not None:
        from .resuming import end_living

        end_living(state, found.living, options.wait_for)
        fill(ledger, state)
        found = resumed(ledger, run)
    found.refuse_living()
    names = [*found.run.names, *found.run.selection.get("force", ())]
    said = call_of(found.run, options.params, options.rest, _place(call, _root(call), names))
    options.names = list(found.run.names)
    options.params = said.params
    if options.rest is None and said.rest is not None:
        # so that the next one that goes on has them too
        options.rest, options.argv = said.rest, [*options.argv, "--", *said.rest]
    for name, value in said.selection.items():
        setattr(options, name, value)
    options.record = True
    options.resumes = run
    call.resuming = Resuming(state, run, call.note, found, keeps_resources=options.keep_resources)
    return len(found.done_since)


def resume_named(call: Call, name: str, warn: Callable[[str], None]) -> tuple[str, int]:
    """Make the run of a call go on with a recorded one; return which one that is, and how many actions it has done.

    :param name: an identifier, the beginning of one, `last`, `last-1` and so on
    :param warn: prints a remark
    :raises UsageError: there is no such run, or it cannot be gone on with
    """
    from treadle.ledger.ledger import open_ledger, run_named
    from treadle.state.store import Store

    root = _root(call)
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


def _root(call: Call) -> str:
    # without a snapshot the fast path knows no root
    known = call.found.root if call.found is not None else ""
    return known or os.path.dirname(os.path.abspath(call.plan_file()))


def _place(call: Call, root: str, names: Sequence[str]) -> tuple[str, str]:
    """Return the plan of a call, and the folder that its names are of: both relative to the root.

    :param names: those of the call; without any only that of a member says what runs
    """
    plan = os.path.relpath(os.path.abspath(call.plan_file()), root)
    folder = os.path.relpath(os.getcwd(), root)
    if folder.split(os.sep)[0] == os.pardir:
        # from outside only a path can mean something else than in the root
        counts = any(os.sep in name for name in names)
    else:
        counts = bool(names) or call.member is not None
    return plan, folder if counts else os.curdir


def _selection(options: Options) -> dict[str, str | list[str]]:
    """Return what a call says beside names and parameters of what it runs, each option by its attribute."""
    said: dict[str, str | list[str]] = {}
    for name in SELECTING:
        value = getattr(options, name)
        if value and value != "all":
            said[name] = value if isinstance(value, str) else list(value) if name == "force" else str(int(value))
    return said


def _about(call: Call, root: str) -> dict[str, Any]:
    from treadle.content.git import commit_around

    options = call.options
    about: dict[str, Any] = {"jobs": options.jobs or usable_cpus(), "user": user_name()}
    if options.resumes:
        about["resumes"] = options.resumes
    about["plan"], folder = _place(call, root, [*options.names, *options.force])
    selection = _selection(options)
    if folder != ".":
        selection["folder"] = folder
    if selection:
        about["selection"] = selection
    commit = commit_around(root)
    if commit:
        about["commit"] = commit
    if options.attributes:
        about["attributes"] = dict(options.attributes)
    return about


def _code_of(error: BaseException, call: Call) -> int:
    if isinstance(error, KeyboardInterrupt):
        return call.stops.code or 130
    if isinstance(error, UsageError | PlanError):
        return 2
    return 1 if isinstance(error, TreadleError) else 70
