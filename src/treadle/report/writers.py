"""The report files of a run: their kinds, checks before the run, and writing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from treadle.errors import UsageError
from treadle.events import schema
from treadle.events.files import check_writable, write_whole
from treadle.events.run_model import Run

from . import html, junit, markdown, trace

_WRITERS: Mapping[str, Callable[[Run, html.Links, html.History], Iterator[str]]] = {
    "junit": lambda run, *_: junit.junit(run),
    "trace": lambda run, *_: trace.trace(run),
    "markdown": lambda run, *_: markdown.markdown(run),
    "html": html.html,
}
"""Kind -> a function of the run, the links from the report to its files, and earlier runs of its actions."""
_BEGINS = {
    "events": schema.BEGINS,
    "junit": junit.BEGINS,
    "trace": trace.BEGINS,
    "markdown": markdown.BEGINS,
    "html": html.BEGINS,
}
KINDS = tuple(_WRITERS)
"""The kinds of report files; each is an option of `run` and of `report`."""

WITH_HISTORY = ("html",)
"""The kinds that show earlier runs."""


def check_files(paths: Mapping[str, str]) -> None:
    """Check that files can be written, are all different, and hold nothing but older reports.

    :param paths: kind -> file; `events` is a kind here too
    :raises UsageError: one fails this check
    """
    _refuse_same(paths)
    for kind, path in paths.items():
        check_writable(path, _BEGINS[kind])


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


def write_report(
    run: Run, kind: str, path: str, root: str = "", history: Callable[[Run], html.History] | None = None
) -> str:
    """Write one file, if a path is given; return why that has failed, "" if it has not.

    :param root: the folder that paths of the run are relative to; without it a page links to no files
    :param history: returns what is known of earlier runs of its actions
    """
    if not path:
        return ""
    links = html.Links(root, os.path.dirname(os.path.abspath(path)))
    past = history(run) if history is not None and kind in WITH_HISTORY else {}
    try:
        write_whole(path, _WRITERS[kind](run, links, past))
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return ""
