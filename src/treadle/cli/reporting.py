"""`treadle report`: what the events of a run have to say, on the terminal or as files."""

from __future__ import annotations

import os

from treadle.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.report.model import Run

    from .context import Context

KINDS = ("junit", "trace", "html")
"""The files that can be made of a run; each is an option of `run` and of `report`."""


def report_command(context: Context) -> int:
    """Make files of the events of a run, or say in lines what it did; 0 whatever that was."""
    from treadle.report.events import read_events
    from treadle.report.model import Run
    from treadle.report.sinks import check_writable

    options = context.options
    if len(options.names) != 1:
        raise UsageError(
            "`treadle report` wants one file of events",
            hint="`treadle run --events FILE` writes one; `treadle report FILE --html PAGE` makes a page of it",
        )
    (source,) = options.names
    paths = {kind: str(path) for kind in KINDS if (path := getattr(options, kind))}
    for kind, path in paths.items():
        if os.path.exists(path) and os.path.realpath(path) == os.path.realpath(source):
            raise UsageError(f"--{kind} names the file of the events itself: {path}")
        check_writable(path)
    run = Run.of(read_events(source))
    for kind, path in paths.items():
        failure = write_report(run, kind, path)
        if failure:
            raise UsageError(failure)
    if options.github:
        _say_for_github(context, source)
    elif not paths:
        from treadle.report.text import text_lines

        context.say(text_lines(run, verbose=options.verbose))
    return context.ended(0)


def write_report(run: Run, kind: str, path: str) -> str:
    """Write one file, if a path is given; return why that was not possible, "" if it was."""
    if not path:
        return ""
    from treadle.report.sinks import write_whole

    try:
        write_whole(path, _parts(run, kind))
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return ""


def _parts(run: Run, kind: str) -> Iterator[str]:
    from importlib import import_module

    made: Iterator[str] = getattr(import_module(f"treadle.report.{kind}"), kind)(run)
    return made


def _say_for_github(context: Context, source: str) -> None:
    from treadle.report.events import read_events
    from treadle.report.github import GitHub
    from treadle.ui.text import line

    github = GitHub(os.urandom(16).hex())
    for event in read_events(source):
        context.say(line(text) for text in github.lines(event))
