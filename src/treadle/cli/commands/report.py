"""`treadle report`: what the events of a run have to say, on the terminal or as files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.errors import UsageError
from treadle.report.writers import KINDS, check_files, write_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.events.run_model import Run
    from treadle.events.schema import Event
    from treadle.report.html import History
    from treadle.session.call import Call


def report_command(call: Call) -> int:
    """Print what a run did, or write it to files."""
    options = call.options
    if len(options.names) > 1:
        raise UsageError(
            "`treadle report` takes one file of events, or one recorded run",
            hint="`treadle run --events FILE` writes one; `treadle report FILE --html PAGE` makes a page",
        )
    source = _source(call)
    paths = {kind: str(path) for kind in KINDS if (path := getattr(options, kind))}
    for kind, path in paths.items():
        if os.path.exists(path) and os.path.realpath(path) == os.path.realpath(source):
            raise UsageError(f"--{kind} would overwrite the file of events: {path}")
    check_files(paths)
    run = _read(call, source)
    # events hold no absolute path: files are linked where the plan of the run is in this folder
    root = os.getcwd() if run.plan and os.path.isfile(run.plan) else ""
    for kind, path in paths.items():
        failure = write_report(run, kind, path, root, lambda run: _history(call, run))
        if failure:
            raise UsageError(failure)
    if options.json:
        from treadle.report.data import run_data
        from treadle.ui.console import FORMAT

        call.console.say_data({"format": FORMAT, **run_data(run)})
    elif not options.github and not paths:
        from treadle.report.text import text_lines

        call.console.say(text_lines(run, verbose=options.verbose))
    return 0


def _history(call: Call, run: Run) -> History:
    """Return the earlier runs of its actions that were recorded next to the plan here; nothing without one."""
    from treadle.cli.recorded import state_of
    from treadle.errors import TreadleError
    from treadle.session.recorded import history_of

    try:
        return history_of(state_of(call), run)
    except TreadleError:
        return {}


def _source(call: Call) -> str:
    """Return the path of the events: of the file that is named, else of the recorded run, else of the last one."""
    (name,) = call.options.names or [""]
    if name and (os.path.lexists(name) or os.sep in name):
        return name
    from treadle.cli.recorded import ledger_of, state_of
    from treadle.ledger.ledger import run_named
    from treadle.ledger.run_files import events_of

    try:
        # its events are in this folder
        with ledger_of(call, is_local=True) as ledger:
            return events_of(state_of(call), run_named(ledger, name or "last"))
    except UsageError as error:
        if name:
            raise UsageError(
                f"there is no file {name}, and no recorded run of this name", hint=error.hint
            ) from error
        error.hint = (
            "`treadle run` records each run in which something starts;"
            " or name a file that `treadle run --events FILE` has written"
        )
        raise


def _read(call: Call, source: str) -> Run:
    """Return the run in a file of events, which may be a pipe; print its lines for GitHub meanwhile."""
    from treadle.events.run_model import Run
    from treadle.events.schema import read_events
    from treadle.report.github import GitHub
    from treadle.ui.text import line

    github = GitHub(os.urandom(16).hex()) if call.options.github else None

    def events() -> Iterator[Event]:
        for event in read_events(source):
            # what takes it sees first whether it is right
            yield event
            if github is not None:
                call.console.say(line(text) for text in github.lines(event))

    return Run.of(events())
