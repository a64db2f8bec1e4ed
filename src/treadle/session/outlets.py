"""Outlets: writes the events of a run to a file, GitHub's log, and the reports at its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.events.encoding import encoded
from treadle.events.files import Lines
from treadle.events.run_model import Run
from treadle.report.github import FAILURE, STARTED, GitHub
from treadle.report.writers import KINDS, check_files, write_report
from treadle.ui.progress import BLOCK, wanted_output
from treadle.ui.text import line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treadle.events.schema import Event
    from treadle.report.html import History
    from treadle.session.call import Call


class Outlets:
    """Writes the events of one run.

    :param call: the call
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.paths: Mapping[str, str] = {}
        """Kind -> file, of all that is written."""
        self._lines: Lines | None = None
        self._github: GitHub | None = None
        self._run: Run | None = None
        self._root = ""

    def open(self) -> None:
        """Open the file of events, and check that the reports can be written.

        :raises UsageError: one of the files cannot be written
        """
        options = self.call.options
        self.paths = {kind: str(path) for kind in ("events", *KINDS) if (path := getattr(options, kind))}
        check_files(self.paths)
        if self.paths.keys() - {"events"}:
            self._run = Run()
        if options.events:
            self._lines = Lines(options.events)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            self._github = GitHub(
                os.urandom(16).hex(),
                groups=wanted_output(options.output) in ("", BLOCK) and not options.quiet,
                shown_from=FAILURE if options.quiet else STARTED,
            )

    @property
    def are_live(self) -> bool:
        """Whether events are written while the run goes on."""
        return self._lines is not None

    def set_root(self, root: str) -> None:
        """Set the folder that the paths of the events are relative to."""
        self._root = root
        if self._github is not None:
            folder = os.path.relpath(root, os.environ.get("GITHUB_WORKSPACE") or os.getcwd())
            self._github.set_folder(folder if folder != "." else "")

    def take(self, event: Event) -> None:
        """Write an event to all outlets."""
        if self._lines is not None:
            self._lines.add(encoded(event))
        if self._run is not None:
            self._run.take(event)
        if self._github is not None:
            lines = self._github.lines(event)
            if lines:
                # what shields the workflow from an action on the console comes before that prints
                self.call.console.screen.write([line(text) for text in lines], through=event["event"] == STARTED)

    def flush(self) -> None:
        """Write buffered lines; if a file cannot be written any more, warn once and go on."""
        if self._lines is not None and not self._lines.flush():
            self.call.console.warn(f"{self._lines.failure}; the run goes on without it")

    def close(self) -> bool:
        """Write the reports; return whether all files have been written."""
        self.flush()
        failures = []
        if self._run is not None:
            self._run.complete()
            history = self._history if self._root else None
            failures = [
                write_report(self._run, kind, getattr(self.call.options, kind), self._root, history)
                for kind in KINDS
            ]
        for failure in filter(None, failures):
            self.call.console.warn(failure)
        if self._lines is not None:
            is_told = bool(self._lines.failure)
            self._lines.close()
            if self._lines.failure and not is_told:
                self.call.console.warn(self._lines.failure)
        return not any(failures) and not (self._lines is not None and self._lines.failure)

    def _history(self, run: Run) -> History:
        from treadle.content.trust import STATE_FOLDER

        from .recorded import history_of

        return history_of(os.path.join(self._root, STATE_FOLDER), run)
