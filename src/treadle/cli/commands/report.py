"""`treadle report`: what the events of a run have to say, on the terminal or as files."""

from __future__ import annotations

import os

from treadle.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from treadle.events.run_model import Run
    from treadle.events.schema import Event
    from treadle.ui.console import Context

KINDS = ("junit", "trace", "html")
"""The files that can be made of a run; each is an option of `run` and of `report`."""


def report_command(context: Context) -> int:
    """Make files of the events of a run, or say in lines what it did; 0 whatever that was."""
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
    check_files(paths)
    run = _read(context, source)
    for kind, path in paths.items():
        failure = write_report(run, kind, path)
        if failure:
            raise UsageError(failure)
    if not options.github and not paths:
        from treadle.report.text import text_lines

        context.say(text_lines(run, verbose=options.verbose))
    return context.ended(0)


def check_files(paths: Mapping[str, str]) -> None:
    """See that files can be written, that each is another one, and that none of them is something else now.

    :param paths: kind -> file; `events` is a kind here too
    :raises UsageError: it is not so
    """
    from treadle.events.files import check_writable

    _refuse_same(paths)
    for kind, path in paths.items():
        check_writable(path, _room(kind).BEGINS)


def _refuse_same(paths: Mapping[str, str]) -> None:
    """Refuse one file for two things: the later one would overwrite the other."""
    seen: dict[str, str] = {}
    for kind, path in paths.items():
        full = os.path.realpath(path)
        is_file = os.path.isfile(path) or not os.path.exists(path)
        if is_file and full in seen:
            raise UsageError(f"--{seen[full]} and --{kind} name one file: {path}")
        if is_file:
            seen[full] = kind


def write_report(run: Run, kind: str, path: str) -> str:
    """Write one file, if a path is given; return why that was not possible, "" if it was."""
    if not path:
        return ""
    from treadle.events.files import write_whole

    try:
        write_whole(path, _parts(run, kind))
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return ""


def _parts(run: Run, kind: str) -> Iterator[str]:
    made: Iterator[str] = getattr(_room(kind), kind)(run)
    return made


def _room(kind: str) -> Any:
    from importlib import import_module

    return import_module("treadle.events.schema" if kind == "events" else f"treadle.report.{kind}")


def _read(context: Context, source: str) -> Run:
    """Return the run that a file tells of, and say it for GitHub on the way; what is read may be a pipe."""
    from treadle.events.run_model import Run
    from treadle.events.schema import read_events
    from treadle.report.github import GitHub
    from treadle.ui.text import line

    github = GitHub(os.urandom(16).hex()) if context.options.github else None

    def told() -> Iterator[Event]:
        for event in read_events(source):
            # whoever takes it sees first whether it is right
            yield event
            if github is not None:
                context.say(line(text) for text in github.lines(event))

    return Run.of(told())
