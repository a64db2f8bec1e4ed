"""`run`: a run, what people see of it, and the files that are made of it."""

from __future__ import annotations

import os
from time import monotonic

from treadle.cli.display import progress_of
from treadle.cli.exit_codes import FAILED, WRONG
from treadle.errors import TreadleError, UsageError
from treadle.session.run import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from treadle.session.call import Call, RunReport


def run_command(call: Call) -> int:
    """Run what was named, or what the plan runs by default."""
    options = call.options
    if options.watch:
        from .watch import watch_command

        return watch_command(call)
    files = [file for file in (options.events, options.junit, options.trace, options.html) if file]
    if options.dry:
        from .status import status_command

        if files:
            raise UsageError("-n runs nothing: there is no run to write of", hint="leave -n away, or the files")
        return status_command(call)
    call.bus.add(progress_of(call))
    if files or os.environ.get("GITHUB_ACTIONS") == "true":
        return _run_recorded(call)
    return exit_code(call, run(call))


def exit_code(call: Call, report: RunReport) -> int:
    """Return the exit code of a run."""
    if report.interrupted and call.stops.code:
        return call.stops.code
    return WRONG if report.problems else 0 if report.ok else FAILED


def _run_recorded(call: Call) -> int:
    """Run with events told.

    The exit code is 1 where all went well, but a file that was asked for could not be written to its end.

    :raises UsageError: a file that was asked for cannot be written; nothing has run then
    """
    from datetime import UTC, datetime
    from time import time

    from treadle._version import VERSION
    from treadle.cli.failures import exit_code_of
    from treadle.events.recorder import Recorder
    from treadle.session.outlets import Outlets

    outlets = Outlets(call)
    outlets.open()

    def warn(text: str) -> None:
        call.bus.publish("note", text)

    recorder = Recorder(outlets, call.began, list(outlets.paths.values()), warn)
    try:
        root = os.path.dirname(os.path.abspath(call.plan_file()))
    except TreadleError:
        root = os.getcwd()
    began = datetime.fromtimestamp(time() - (monotonic() - call.began), UTC)
    text = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    recorder.begin(root, text, call.options.names, VERSION)
    call.bus.add(recorder)
    try:
        code = exit_code(call, run(call))
    except BaseException as error:
        recorder.tell_problems(error)
        recorder.summary(exit_code_of(error, call))
        outlets.close()
        raise
    recorder.summary(code)
    return code if outlets.close() else code or FAILED
