"""The long answer to `why`: reasons with old and new values, what is equal, what follows, the last run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from treadle.core import decision, elements
from treadle.core import wording as words
from treadle.core.decision import Reason, Verdict
from treadle.core.outcomes import INTERRUPTED
from treadle.core.text import safe

from .diff import text_difference
from .durations import duration
from .text import Line, line

_LINES = 40
"""Lines of a difference between two commands that are shown."""
_LAST_REASONS = 5
"""Reasons of the last run that are told."""
_FILE_LINES = 12
_NO_BOUND = 1 << 30
_NAMED = 3
"""Inputs, outputs and so on that one line names."""
_FOLLOWERS = 6


@dataclass(slots=True, frozen=True)
class Explained:
    """What is known of one action; what is not filled in is not shown.

    :ivar former: how it differs from its last success, if that had another command
    :ivar equal: element -> value, of those that have not changed
    :ivar texts: element -> old and new text of a file that changed
    :ivar written: element -> what was written in a tree since the last success
    :ivar makes: whether it has outputs
    :ivar once: whether only the presence of its outputs counts
    :ivar open: a remark on a plan that it generates or is in, if that plan may change in a run
    :ivar plan: the actions of the plan that it generates
    :ivar readers: consumer -> the outputs that it reads
    :ivar after_them: the actions after the consumers
    :ivar cut_off: what is known of a last run that has no end
    :ivar last: the lines on its last run
    """

    uid: str
    verdict: Verdict
    former: Sequence[Reason] = ()
    equal: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    written: Mapping[str, Sequence[str]] = field(default_factory=dict)
    makes: bool = False
    once: bool = False
    open: str = ""
    plan: Sequence[str] = ()
    readers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    needed_by: Sequence[str] = ()
    after_them: Sequence[str] = ()
    cut_off: str = ""
    last: Sequence[Line] = ()


def explained_lines(told: Explained, *, verbose: bool = False) -> Iterator[Line]:
    """Yield all that is known of one action.

    :param verbose: name everything, with values
    """
    yield from verdict_lines(told.uid, told.verdict)
    for why in told.verdict.reasons:
        yield from reason_lines(why, verbose=verbose)
        if why.name in told.texts:
            yield from _file_difference(*told.texts[why.name], most=1000 if verbose else _FILE_LINES)
        if told.written.get(why.name):
            names = _some([safe(name) for name in told.written[why.name]], 1000 if verbose else _FOLLOWERS)
            yield line(f"    written since its last success: {names}")
    if told.open:
        yield line(f"  {safe(told.open)}")
    if told.former:
        yield line("  unlike its last success, which had another command:")
        yield from (line("  ", *one) for why in told.former for one in reason_lines(why, verbose=verbose))
    yield from _equal_lines(told, verbose=verbose)
    yield from _following_lines(told, 1000 if verbose else _FOLLOWERS)
    if told.cut_off:
        yield line(f"  its last run {told.cut_off}")
    yield from told.last


def verdict_lines(uid: str, verdict: Verdict) -> list[Line]:
    """Return what is done with an action now."""
    name = (safe(uid), "name")
    if verdict.outcome == decision.SKIP:
        return [line(name, " would be skipped: ", ("nothing has changed", "good"))]
    how = {decision.RUN: "would run", decision.MAY_RUN: "may run"}.get(verdict.outcome, verdict.outcome)
    return [line(name, " ", (how, "warn"), ":")]


def reason_lines(why: Reason, *, verbose: bool = False) -> list[Line]:
    """Return one reason with the values that differ.

    :param verbose: shorten nothing
    """
    if why.kind == decision.CHANGED and why.name == elements.COMMAND:
        old, new = why.old or "", why.new or ""
        shown = (
            text_difference(old, new, _NO_BOUND, room=_NO_BOUND) if verbose else text_difference(old, new, _LINES)
        )
        return [line("  command changed:"), *shown]
    lines = [line(f"  {words.reason(why)}")]
    if why.kind in (decision.CHANGED, decision.OUTPUT_ALTERED) and not why.name.startswith(elements.ENV):
        if why.old is not None and why.new is not None and why.name != elements.FOLDER:
            lines.append(line(f"    {words.value(why.old)} -> {words.value(why.new)}"))
        if why.kind == decision.OUTPUT_ALTERED and why.name.endswith("/"):
            lines.append(line("    what its last run made in there is removed first, unless it has keep: true"))
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
    ended = f"was {state}" if state == INTERRUPTED else state
    if text and text != state:
        ended += f": {safe(text)}"
    lines = [line(f"  it last ran {when}, for {duration(took)}, and {ended}")]
    told = [reason_lines(why) for why in reasons[:_LAST_REASONS]]
    if all(len(one) == 1 for one in told):
        because = words.reasons(reasons, most=_LAST_REASONS)
        return [*lines, line(f"    because of: {because}")] if because else lines
    lines += [line("    because of:"), *(line("    ", *made) for one in told for made in one)]
    if len(reasons) > _LAST_REASONS:
        lines.append(line(f"      and {len(reasons) - _LAST_REASONS} more"))
    return lines


def _file_difference(old: str, new: str, *, most: int) -> list[Line]:
    if old.endswith("\n") and new.endswith("\n"):
        old, new = old[:-1], new[:-1]
    return text_difference(old, new, most)


def _equal_lines(told: Explained, *, verbose: bool) -> Iterator[Line]:
    if not told.equal:
        return
    is_skip = told.verdict.outcome == decision.SKIP
    if told.once:
        yield line(f"  it runs only while an output is missing: {_kinds(told.equal)} there")
        return
    yield line(f"  {'equal to the last success' if is_skip else 'equal'}: {_kinds(told.equal)}")
    if verbose:
        for name, value in told.equal.items():
            first, *more = value.split("\n")
            yield line(f"    {words.element(name)}: ", (words.value(first) + (" ..." if more else ""), "dim"))


def _kinds(names: Mapping[str, str]) -> str:
    """Return what there is of each kind: how many, and the first of them by name."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        if name == _OUR_OWN:
            continue
        kind = next((kind for kind, _, _ in _KINDS if name.startswith(kind)), name)
        kinds.setdefault(kind, []).append(name[len(kind) :])
    said = []
    for kind in sorted(kinds, key=_order):
        known = next(((one, many) for known, one, many in _KINDS if known == kind), None)
        members = kinds[kind]
        shown = _some([safe(member) for member in members], _NAMED)
        said.append(f"{words.count(len(members), *known)} ({shown})" if known else _SAID.get(kind) or safe(kind))
    return ", ".join(said)


_OUR_OWN = "fingerprint_version"
"""What changes with Treadle alone: it is told when it differs, and not when it does not."""
_SAID = {"os_version": "system"}
_KINDS = (
    (elements.INPUT, "input", "inputs"),
    (elements.DISCOVERED, "discovered input", "discovered inputs"),
    (elements.EDITED, "edited file", "edited files"),
    (elements.OUTPUT, "output", "outputs"),
    (elements.ENV, "variable", "variables"),
    (elements.TOOL, "tool", "tools"),
)


def _order(kind: str) -> int:
    order = [elements.COMMAND, elements.SHELL, elements.FOLDER, *(kind for kind, _, _ in _KINDS)]
    return order.index(kind) if kind in order else len(order)


def _following_lines(told: Explained, most: int) -> Iterator[Line]:
    """Yield the actions that read what it makes, and would run if that came out different."""
    if told.readers:
        yield line("  if what it makes comes out different, these follow:")
        for uid, paths in list(told.readers.items())[:most]:
            yield line("    ", (safe(uid), "name"), f" reads {_some([safe(path) for path in paths], _NAMED)}")
        if len(told.readers) > most:
            yield line(f"    and {len(told.readers) - most} more that read it")
        if told.after_them:
            yield line(f"    then {_some([safe(uid) for uid in told.after_them], most)}")
    elif told.plan:
        yield line(f"  it makes a plan: {_some([safe(uid) for uid in told.plan], most)}")
    elif told.makes:
        yield line("  no action reads what it makes")
    if told.needed_by:
        waiting = _some([safe(uid) for uid in told.needed_by], most)
        yield line(f"  needed by {waiting}: that waits for it, and does not run again because of it")


def _some(names: Sequence[str], most: int) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} (+{len(names) - most})" if len(names) > most else shown
