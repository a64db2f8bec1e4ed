"""`run`: a run, what people see of it, and the files that are made of it."""

from __future__ import annotations

import os

from treadle.cli.exit_codes import FAILED, MASK, OTHER
from treadle.core.text import shell_join
from treadle.errors import TreadleError, UsageError
from treadle.session.run import run
from treadle.ui.progress import Progress, wanted_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from treadle.session.call import Call, RunReport
    from treadle.session.options import Options


def run_command(call: Call) -> int:
    """Run what was named, or what the plan runs by default."""
    options = call.options
    named = (options.events, options.junit, options.trace, options.markdown, options.html)
    files = [file for file in named if file]
    wanted_output(options.output)
    if options.dry:
        from .status import status_command

        if files:
            raise UsageError("-n runs nothing, so there are no files of a run", hint="leave out -n, or the files")
        return status_command(call)
    call.bus.add(progress_of(call))
    call.asker = _asker
    if files or os.environ.get("GITHUB_ACTIONS") == "true":
        code = _run_recorded(call)
    else:
        code = exit_code(call, run(call))
    if options.since or options.judges or (options.tags and options.verbose):
        from treadle.cli.deselected import say_deselected

        say_deselected(call)
    return code


def _asker() -> Callable[[Callable[[], bool]], bool] | None:
    from treadle.ui.ask import can_ask, read_yes

    return read_yes if can_ask() else None


def progress_of(call: Call) -> Progress:
    """Return the subscriber that shows a run on the terminal, as the options of the call say."""
    options = call.options

    def again(name: str) -> str:
        rest = [] if options.rest is None else ["--", *options.rest]
        return shell_join([*run_again(options), name, *rest])

    return Progress(
        call.console,
        call.began,
        again,
        quiet=options.quiet,
        verbose=options.verbose,
        output=wanted_output(options.output),
        asked=_asked(options.names),
        grouped=os.environ.get("GITHUB_ACTIONS") == "true",
    )


def _asked(names: Collection[str]) -> Callable[[str], bool]:
    """Return whether an action was asked for by its own name, or by that of its family."""
    wanted = frozenset(names)
    return lambda name: name in wanted or name.partition("@")[0] in wanted


def run_again(options: Options) -> list[str]:
    """Return the words of the command that runs the same plan again, from where it was called: a name follows."""
    words = ["treadle", "run"]
    if options.folder:
        words += ["-C", options.folder]
    if options.file:
        words += ["-f", options.file]
    for name, value in options.params.items():
        words += ["-p", f"{name}={value}"]
    return words


def exit_code(call: Call, report: RunReport) -> int:
    """Return the exit code of a run."""
    if call.options.exit_code == MASK:
        from treadle.cli.mask import CANCELLED, bits_of

        bits = bits_of(one.outcome for one in report.actions.values())
        return bits | (OTHER if report.problems else 0) | (CANCELLED if report.interrupted else 0)
    return call.exit_code_of(report)


def _run_recorded(call: Call) -> int:
    """Run, and record the events.

    The exit code is 1 where all went well, but a file that was asked for could not be written to its end.

    :raises UsageError: a file that was asked for cannot be written; nothing has run then
    """
    from datetime import UTC, datetime

    from treadle import __version__
    from treadle.cli.failures import exit_code_of
    from treadle.command.walk import usable_cpus
    from treadle.content.git import commit_around
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
    began = datetime.fromtimestamp(call.began_at, UTC)
    text = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    options = call.options
    about = {
        "host": os.uname().nodename,
        "jobs": options.jobs or usable_cpus(),
        **({"commit": commit} if (commit := commit_around(root)) else {}),
    }
    recorder.begin(root, text, options.names, __version__, argv=options.argv, params=options.params, about=about)
    call.bus.add(recorder)
    try:
        code = exit_code(call, run(call))
    except BaseException as error:
        recorder.record_problems(error)
        recorder.summary(exit_code_of(error, call))
        outlets.close()
        raise
    recorder.summary(code)
    if outlets.close():
        return code
    return code | OTHER if options.exit_code == MASK else code or FAILED
