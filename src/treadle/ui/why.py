"""The long answer to `why`: each reason with its old and its new value, what is equal, and the last run."""

from __future__ import annotations

from treadle.core import decision

from . import words
from .durations import duration
from .text import MORE, crop, line, safe, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treadle.core.decision import Reason, Verdict

    from .text import Line

_ROOM = 100
_LINES = 40
"""Lines of a difference between two commands that are shown."""


def verdict_lines(uid: str, verdict: Verdict, compared: Iterable[str] = ()) -> list[Line]:
    """Return what is done with an action now, and all reasons.

    :param compared: the names of the elements that were compared
    """
    name = (safe(uid), "name")
    if verdict.outcome == decision.SKIP:
        equal = _compared(compared)
        return [
            line(name, " would be skipped: ", ("nothing has changed", "good")),
            *([line(f"  equal to the last success: {equal}")] if equal else []),
        ]
    how = {decision.RUN: "would run", decision.MAY_RUN: "may run"}.get(verdict.outcome, verdict.outcome)
    lines = [line(name, " ", (how, "warn"), ":")]
    for why in verdict.reasons:
        lines += reason_lines(why)
    return lines


def reason_lines(why: Reason) -> list[Line]:
    """Return one reason with the values that differ."""
    if why.kind == decision.CHANGED and why.name == words.COMMAND:
        return [line("  command changed:"), *_difference(why.old or "", why.new or "")]
    lines = [line(f"  {words.reason(why)}")]
    if why.kind in (decision.CHANGED, decision.OUTPUT_ALTERED) and not why.name.startswith(words.ENV):
        if why.old is not None and why.new is not None and why.name != words.FOLDER:
            lines.append(line(f"    {words.value(why.old)} -> {words.value(why.new)}"))
    elif why.kind == decision.INPUTS_MOVED and why.old:
        lines.append(line(f"    {safe(why.old)}"))
    return lines


def last_run_lines(state: str, when: str, took: float, text: str, reasons: Sequence[Reason]) -> list[Line]:
    """Return how the last run went and why it ran.

    :param state: how it ended, in a word
    :param when: when it ended, as people say it
    :param took: seconds
    :param text: what is known of its end beside
    """
    ended = f"{state}: {safe(text)}" if text else state
    lines = [line(f"  it last ran {when}, for {duration(took)}, and {ended}")]
    if reasons:
        lines.append(line(f"    because of: {words.reasons(reasons, most=5)}"))
    return lines


def _compared(names: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for name in names:
        kind = next((kind for kind, _, _ in _KINDS if name.startswith(kind)), name)
        counts[kind] = counts.get(kind, 0) + 1
    said = {kind: words.count(counts[kind], one, many) for kind, one, many in _KINDS if kind in counts}
    return ", ".join(said.get(kind) or safe(kind) for kind in sorted(counts, key=_order))


_KINDS = (
    (words.INPUT, "input", "inputs"),
    (words.FOUND, "discovered input", "discovered inputs"),
    (words.OUTPUT, "output", "outputs"),
    (words.ENV, "variable", "variables"),
    (words.TOOL, "tool", "tools"),
)


def _order(kind: str) -> int:
    order = [words.COMMAND, words.SHELL, words.FOLDER, *(kind for kind, _, _ in _KINDS)]
    return order.index(kind) if kind in order else len(order)


def _difference(old: str, new: str) -> list[Line]:
    """Return what changed between two commands: lines, or within one long line the words."""
    if "\n" not in old and "\n" not in new:
        if width(safe(old)) > _ROOM or width(safe(new)) > _ROOM:
            old, new = _differing_words(old, new)
        changes = [f"-{old}", f"+{new}"]
    else:
        from difflib import unified_diff

        changes = [
            one
            for one in unified_diff(old.split("\n"), new.split("\n"), n=1, lineterm="")
            if not one.startswith(("---", "+++"))
        ]
    shown = [_change(one) for one in changes[:_LINES]]
    left = len(changes) - len(shown)
    return [*shown, line(f"    {MORE} and {left} more lines")] if left else shown


def _change(text: str) -> Line:
    mark, rest = text[:1], safe(text[1:])
    if mark == "@":
        return line("    ", (MORE, "dim"))
    style = {"-": "bad", "+": "good"}.get(mark, "")
    return line("    ", (f"{mark} {crop(rest, 4 * _ROOM)}", style))


def _differing_words(old: str, new: str) -> tuple[str, str]:
    """Return two long texts without the words that they share at both ends, but for a few of them."""
    left, right = old.split(" "), new.split(" ")
    shortest = min(len(left), len(right))
    same = next((n for n in range(shortest) if left[n] != right[n]), shortest)
    tail = next((n for n in range(shortest - same) if left[-1 - n] != right[-1 - n]), shortest - same)
    keep = 2
    start, end = max(0, same - keep), max(0, tail - keep)

    def shown(parts: list[str]) -> str:
        middle = parts[start : len(parts) - end]
        return " ".join([*([MORE] if start else []), *middle, *([MORE] if end else [])])

    return shown(left), shown(right)
