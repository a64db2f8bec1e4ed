"""GitHub's lines about a run: a group for what an action printed, an annotation for what went wrong.

The output of programs is put between `stop-commands` and its end, so that no line of it is taken for a command: in
groups, and also where the display shows it, while it grows or at the end of a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from treadle.core.outcomes import FAILED, INTERRUPTED, words
from treadle.core.text import safe
from treadle.events.run_model import ActionRun, Run, further
from treadle.events.schema import Event
from treadle.ui.durations import duration

STARTED, FAILURE = "started", "ended"
_LAST = 10
"""Lines at the end of an output that an annotation shows."""


class GitHub:
    """Makes lines of events.

    :param token: a word that cannot be guessed
    :param folder: the root of the plan as seen from the repository, "" if it is that
    :param groups: whether to show the output of actions
    :param shown_from: from which event on the display shows output: STARTED, FAILURE, "" for never
    """

    def __init__(self, token: str, folder: str = "", *, groups: bool = True, shown_from: str = "") -> None:
        self.token = token
        self.folder = folder
        self.groups = groups
        self.shown_from = shown_from
        self.run = Run()
        self._is_shown = False
        """Whether the display may show output now."""
        self._is_stopped = False

    def set_folder(self, folder: str) -> None:
        """Set the root of the plan as seen from the repository, once it is known."""
        self.folder = folder

    def lines(self, event: Event) -> list[str]:
        """Return the lines to print for an event."""
        self.run.take(event)
        lines = self._commands(event)
        kind = event["event"]
        # an action on the console prints by itself, also where nothing else is shown
        is_on_console = kind == STARTED and "console" in event
        if is_on_console or (kind == self.shown_from and (kind == STARTED or lines)):
            self._is_shown = True
        if kind == "summary":
            self._is_shown = False
        if self._is_stopped and (lines or not self._is_shown):
            lines = [f"::{self.token}::", *lines]
            self._is_stopped = False
        if self._is_shown and not self._is_stopped:
            lines = [*lines, f"::stop-commands::{self.token}"]
            self._is_stopped = True
        return lines

    def _commands(self, event: Event) -> list[str]:
        kind = event["event"]
        if kind == "problem":
            text = "\n".join([str(event["text"]), *further(event)])
            title = "error in the plan" if event.get("place") else "Treadle"
            return [self._annotation("error", title, text, event.get("place"))]
        if kind == "note":
            return [self._annotation("warning", "Treadle", str(event["text"]), None)]
        if kind == "attempt":
            return self._attempt(str(event["name"]), int(event["attempt"]))
        if kind == "ended":
            return self._ended(str(event["name"]))
        return []

    def _attempt(self, name: str, number: int) -> list[str]:
        """Return the group of an attempt that another one follows."""
        action = self.run.actions[name]
        lines = self._group(f"{name}: what it printed in attempt {number}", action)
        action.output.clear()
        return lines

    def _group(self, what: str, action: ActionRun) -> list[str]:
        printed = action.printed()
        if not printed or not self.groups:
            return []
        title = f"{what} ({words(action.outcome.kind)}, {duration(action.duration)})"
        lines = [f"::group::{_data(safe(title))}", f"::stop-commands::{self.token}"]
        lines += printed.removesuffix("\n").split("\n")
        return [*lines, f"::{self.token}::", "::endgroup::"]

    def _ended(self, name: str) -> list[str]:
        action = self.run.actions[name]
        printed = action.printed()
        lines = self._group(f"{name}: what it printed", action)
        if action.status in (FAILED, INTERRUPTED):
            end = printed.rstrip("\n").split("\n")[-_LAST:] if printed else []
            text = "\n".join([action.told, *end])
            lines.append(self._annotation("error", f"{name} {action.status}", text, action.about.get("place")))
        action.output.clear()
        return lines

    def _annotation(self, kind: str, title: str, text: str, place: Mapping[str, Any] | None) -> str:
        fields = {"title": safe(title)}
        if place:
            file = str(place["file"])
            path = file if not self.folder or file.startswith("/") else f"{self.folder}/{file}"
            fields |= {"file": path, "line": str(place["line"]), "col": str(place["column"])}
        properties = ",".join(f"{key}={_property(value)}" for key, value in fields.items())
        return f"::{kind} {properties}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
