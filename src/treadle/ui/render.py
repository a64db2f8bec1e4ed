"""Lines of text for the state of a run: pure functions, with the time and the width as arguments."""

from __future__ import annotations

from treadle.core import wording
from treadle.core.decision import BLOCKED_BY
from treadle.core.outcomes import (
    BLOCKED,
    DISABLED,
    FAILED,
    INTERRUPTED,
    NOT_NEEDED,
    RAN,
    RESTORED,
    SKIPPED,
    SKIPPED_ITSELF,
    label,
    remark,
    told,
)
from treadle.core.text import crop, crop_middle, safe, width

from .durations import duration, nothing_to_do, times
from .text import crop_line, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from treadle.core.outcomes import RunCounts
    from treadle.events.bus import Ended

    from .text import Line, Piece

_STYLES = {
    RAN: "good",
    RESTORED: "good",
    SKIPPED: "dim",
    FAILED: "bad",
    INTERRUPTED: "warn",
    BLOCKED: "warn",
    SKIPPED_ITSELF: "dim",
    NOT_NEEDED: "dim",
    DISABLED: "dim",
}
_NAME_ROOM = 8
"""Cells; the name of the longest action is not shown in fewer."""
_LISTED = 5
"""Names that a group of blocked actions shows."""


def status_line(state: RunCounts, now: float, room: int, left: float | None = None) -> Line:
    """Return the status line, in at most `room` cells.

    :param left: the seconds that the rest is expected to take, None if that is not known
    """
    parts: list[list[Piece]] = []
    if state.running or not state.done:
        parts.append([(f"{len(state.running)} running", "")])
    parts += [[(f"{state.counts[how]} {label(how)}", _STYLES[how])] for how in _SHOWN if state.counts[how]]
    if left is not None and left >= 1:
        parts.append([(f"about {duration(float(round(left))).replace('.0', '')} left", "")])
    pieces: list[Piece] = [(f"[{state.done}/{state.total}] ", "")]
    for number, part in enumerate(parts):
        pieces += [(", ", ""), *part] if number else part
    pieces += _longest(state, now, room - sum(width(text) for text, _ in pieces))
    return crop_line(tuple(pieces), room)


_SHOWN = (RESTORED, SKIPPED, SKIPPED_ITSELF, NOT_NEEDED, DISABLED, FAILED, INTERRUPTED, BLOCKED)


def _longest(state: RunCounts, now: float, room: int) -> list[Piece]:
    """Return the action that has been running longest, if there is room for it."""
    if not state.running:
        return []
    uid = next(iter(state.running))
    before, after = " | longest: ", f" {duration(now - state.running[uid])}"
    name_room = room - len(before) - len(after)
    name = safe(uid)
    if name_room < min(_NAME_ROOM, width(name)):
        return []
    return [(before, "dim"), (crop_middle(name, name_room), "name"), (after, "")]


def ended_line(state: RunCounts, ended: Ended) -> Line:
    """Return the line on the end of an action."""
    head = f"[{state.done}/{state.total}] "
    name = (safe(ended.name), "name")
    parts: list[str | Piece] = [(head, "dim"), (label(ended.how), _STYLES[ended.how]), " ", name]
    if ended.how == SKIPPED:
        return line(*parts)
    if ended.how in (NOT_NEEDED, DISABLED):
        why = wording.reasons(ended.reasons) or safe(ended.outcome.reason)
        return line(*parts, f": {why}" if why else "")
    if ended.how == BLOCKED:
        origins = origins_of(ended)
        return line(*parts, f" by {_names(origins)}" if origins else "")
    if ended.store:
        parts.append(f" ({safe(ended.store)})")
    parts.append(f" {duration(ended.duration)}")
    if ended.attempts > 1:
        parts.append(f", attempt {ended.attempts}")
    if ended.how == FAILED:
        return line(*parts, f": {safe(_told(ended).splitlines()[0])}")
    if ended.how == SKIPPED_ITSELF:
        return line(*parts, f": {safe(ended.outcome.reason)}" if ended.outcome.reason else "")
    if said := remark(ended.outcome.kind):
        parts.append(f", {said}")
    # a tool that goes on from what is in the folder found nothing there
    emptied = f"emptied {_names(ended.emptied)} first" if ended.emptied else ""
    restored = f"restored from {safe(ended.restored)}" if ended.restored and not ended.store else ""
    why = "; ".join(filter(None, (wording.reasons(ended.reasons), emptied, restored)))
    return line(*parts, f" ({why})" if why else "")


def _told(ended: Ended) -> str:
    return told(ended.outcome.kind, ended.failure or ended.outcome.reason)


def retry_line(ended: Ended) -> Line:
    """Return the line on an attempt that another one follows: it has failed, or more than one has to end well."""
    if not ended.failure:
        passed = f"({ended.attempts} of {ended.most} have passed)"
        return line(("ran", "good"), " ", (safe(ended.name), "name"), f"; once more {passed}")
    delay = ended.delay or 0.0
    when = f" in {duration(delay)}" if delay > 0 else ""
    if ended.grown:
        # most runs have nothing that grows
        from treadle.core.retry import words_of
        from treadle.errors import listed

        when += f" with {listed([words_of(*one) for one in ended.grown.items()])}"
    over = f"{ended.attempts} of {ended.most} attempts are over"
    text = f": {safe(_told(ended))}; trying again{when} ({over})"
    return line(("failed", "warn"), " ", (safe(ended.name), "name"), text)


class Failure:
    """The data on a failed action for the end of a run.

    :param command: its command in readable form
    :param log: the path of its log, "" if it has none
    :param again: the command that runs it again
    :param output: the last lines of its output, made visible; None if they are just above
    """

    __slots__ = ("again", "command", "ended", "log", "output")

    def __init__(self, ended: Ended, command: str, log: str, again: str, output: Sequence[str] | None) -> None:
        self.ended = ended
        self.command = command
        self.log = log
        self.again = again
        self.output = output


def failure_block(failure: Failure) -> list[Line]:
    """Return the lines on a failure, for the end of the run."""
    ended = failure.ended
    first, *more = _told(ended).splitlines()
    lines = [line((label(ended.how), _STYLES[ended.how]), " ", (safe(ended.name), "name"), f": {safe(first)}")]
    lines += [line(f"  {safe(text)}") for text in more]
    rows = [("why", wording.reasons(ended.reasons, most=3)), *_command_rows(failure.command)]
    rows += [("log", safe(failure.log)), ("again", safe(failure.again))]
    lines += [line("  ", (f"{label:9}", "dim"), text) for label, text in rows if text]
    if failure.output is not None:
        lines += output_lines(failure.output)
    return lines


def _command_rows(command: str) -> list[tuple[str, str]]:
    texts = [safe(text) for text in command.splitlines()]
    shown = texts if len(texts) <= 6 else [*texts[:5], f"... and {len(texts) - 5} more lines"]
    return [("" if number else "command", crop(text, 400)) for number, text in enumerate(shown)]


def output_lines(output: Iterable[str]) -> list[Line]:
    """Return the output of an action, set off from our own lines."""
    return [line(("  | ", "dim"), text) for text in output]


def origins_of(ended: Ended) -> tuple[str, ...]:
    """Return the failures that block an action; none where only its job says that it is blocked."""
    return tuple([why.name for why in ended.reasons if why.kind == BLOCKED_BY])


def blocked_lines(blocked: Mapping[tuple[str, ...], Sequence[str]]) -> list[Line]:
    """Return the lines on blocked actions, with the failures that block them.

    :param blocked: origins -> the actions that they block
    """
    return [
        line(("blocked", "warn"), f" by {_names(origins)}" if origins else "", f": {_names(uids)}")
        for origins, uids in blocked.items()
    ]


def alike_line(text: str, names: Sequence[str]) -> Line:
    """Return the line on actions that fail alike.

    :param text: what the first of them says
    """
    first, _, _ = text.partition("\n")
    return line(("alike", "bad"), f": {len(names)} actions, {_names(names)}: {crop(safe(first), 400)}")


def disabled_lines(disabled: Mapping[str, str]) -> list[Line]:
    """Return the lines on actions that the plan disables, and why."""
    return [line(("disabled ", "dim"), safe(uid), f": {safe(why)}" if why else "") for uid, why in disabled.items()]


def log_line(path: str) -> Line:
    """Return the line with the log of an output of which only the end was shown."""
    return line(("  | ", "dim"), f"(all of it: {safe(path)})")


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(crop_middle(safe(name), 60) for name in names[:_LISTED])
    return f"{shown} (+{len(names) - _LISTED})" if len(names) > _LISTED else shown


def totals(state: RunCounts, now: float, *, saved: float = 0.0, cut_off: str = "") -> Line:
    """Return the last line: counts, duration, and the time that skipping has saved.

    :param saved: seconds that skipping has saved
    :param cut_off: why the run has no regular end, in a word; "" if it has one
    """
    counts = state.counts
    parts: list[Piece] = []
    if counts[SKIPPED] + counts[NOT_NEEDED] == state.total and not cut_off:
        parts += nothing_to_do(counts[SKIPPED], now - state.began, saved, unneeded=counts[NOT_NEEDED])
    else:
        parts.append((f"{cut_off}: ", "warn") if cut_off else ("", ""))
        parts.append((f"{counts[RAN]} run", "good" if counts[RAN] else ""))
        for how in _SHOWN:
            if counts[how]:
                style = _STYLES[how] if _STYLES[how] != "dim" else ""
                parts += [(", ", ""), (f"{counts[how]} {label(how)}", style)]
        if state.left:
            parts.append((f", {state.left} not started", ""))
        parts += times(now - state.began, saved)
    return tuple(part for part in parts if part[0])
