"""The lines of `why`: reasons with old and new values, what is equal, what follows, the last run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from treadle.core import decision, elements, wording
from treadle.core.decision import Reason, Verdict
from treadle.core.outcomes import INTERRUPTED, KINDS, RAN, Usage, remark, told
from treadle.core.text import safe, size_text

from .diff import text_difference
from .durations import duration
from .text import Line, line

_LINES = 40
"""Lines of a difference between two commands that are shown."""
_LAST_REASONS = 5
"""Reasons of the last run that are shown."""
_FILE_LINES = 12
_NO_BOUND = 1 << 30
_NAMED = 3
"""Inputs, outputs and so on that one line names."""
_FOLLOWERS = 6


@dataclass(slots=True, frozen=True)
class Explained:
    """What is known of one action; what is not filled in is not shown.

    :ivar previous: how it differs from its last success, if that had another command
    :ivar equal: element -> value, of those that have not changed
    :ivar texts: element -> old and new text of a file that changed
    :ivar written: element -> what was written in a tree since the last success
    :ivar makes: whether it has outputs
    :ivar once: whether only the presence of its outputs counts
    :ivar open: a remark on a plan that it generates or is in, if that plan may change in a run
    :ivar plan: the actions of the plan that it generates
    :ivar consumers: consumer -> the outputs that it reads
    :ivar after_them: the actions after the consumers
    :ivar cut_off: what is known of a last run that has no end
    :ivar last: the lines on its last run
    :ivar when: when it runs at all, in words
    :ivar restored_from: the name of the cache that its outputs would be restored from, "" if it would run
    """

    uid: str
    verdict: Verdict
    previous: Sequence[Reason] = ()
    equal: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    written: Mapping[str, Sequence[str]] = field(default_factory=dict)
    makes: bool = False
    once: bool = False
    open: str = ""
    plan: Sequence[str] = ()
    consumers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    needed_by: Sequence[str] = ()
    after_them: Sequence[str] = ()
    cut_off: str = ""
    last: Sequence[Line] = ()
    when: Sequence[str] = ()
    restored_from: str = ""


def explained_lines(known: Explained, *, verbose: bool = False) -> Iterator[Line]:
    """Yield all that is known of one action.

    :param verbose: shorten nothing, and show values
    """
    yield from verdict_lines(known.uid, known.verdict, known.restored_from)
    for why in known.verdict.reasons:
        yield from reason_lines(why, verbose=verbose)
        if why.name in known.texts:
            yield from _file_difference(*known.texts[why.name], most=1000 if verbose else _FILE_LINES)
        if known.written.get(why.name):
            names = _some([safe(name) for name in known.written[why.name]], 1000 if verbose else _FOLLOWERS)
            yield line(f"    written since its last success: {names}")
    for text in known.when:
        yield line(f"  it runs {text}")
    if known.open:
        yield line(f"  {safe(known.open)}")
    if known.previous:
        yield line("  unlike its last success, which had another command:")
        yield from (line("  ", *one) for why in known.previous for one in reason_lines(why, verbose=verbose))
    yield from _equal_lines(known, verbose=verbose)
    yield from _following_lines(known, 1000 if verbose else _FOLLOWERS)
    if known.cut_off:
        yield line(f"  its last run {known.cut_off}")
    yield from known.last


def verdict_lines(uid: str, verdict: Verdict, restored_from: str = "") -> list[Line]:
    """Return what is done with an action now.

    :param restored_from: the name of a cache, if its outputs would be restored in place of running
    """
    name = (safe(uid), "name")
    if verdict.decision == decision.SKIP:
        return [line(name, " is up to date: ", ("nothing has changed", "good"))]
    words = {decision.RUN: "would run", decision.MAY_RUN: "may run", decision.NOT_NEEDED: "is not needed"}
    how = words.get(verdict.decision, verdict.decision)
    if restored_from and verdict.decision == decision.RUN:
        how = f"would be restored from the {restored_from} cache"
    return [line(name, " ", (how, "warn"), ":")]


def reason_lines(why: Reason, *, verbose: bool = False) -> list[Line]:
    """Return one reason with the values that differ.

    :param verbose: shorten nothing
    """
    old, new = why.old or "", why.new or ""
    is_long = why.name.startswith(elements.VALUE) and max(len(old), len(new)) > wording.VALUE_ROOM
    if why.kind == decision.CHANGED and (why.name == elements.COMMAND or is_long):
        shown = (
            text_difference(old, new, _NO_BOUND, room=_NO_BOUND) if verbose else text_difference(old, new, _LINES)
        )
        return [line(f"  {wording.element(why.name)} changed:"), *shown]
    lines = [line(f"  {wording.reason(why)}")]
    if wording.is_of_another_run(why):
        return lines
    if why.kind in (decision.CHANGED, decision.OUTPUT_ALTERED) and not why.name.startswith(
        (elements.ENV, elements.VALUE)
    ):
        if why.old is not None and why.new is not None and why.name not in (elements.FOLDER, elements.ROOT):
            lines.append(line(f"    {wording.value(why.old)} -> {wording.value(why.new)}"))
        if why.kind == decision.OUTPUT_ALTERED and why.name.endswith("/"):
            lines.append(line("    what its last run made there is removed first, unless it has keep: true"))
            lines.append(line("    if a tool writes there: `exclude` in its out leaves names out of the folder"))
    elif why.kind == decision.INPUTS_MOVED and why.old:
        lines.append(line(f"    {safe(why.old)}"))
        lines.append(line(f"    {wording.OWN_WRITES}"))
    return lines


def last_run_lines(
    state: str,
    when: str,
    took: float,
    text: str,
    reasons: Sequence[Reason],
    kind: str = "",
    usage: Usage | None = None,
) -> list[Line]:
    """Return how the last run went and why it ran.

    :param state: how it ended, in a word
    :param when: when it ended, in words
    :param took: seconds
    :param text: more about its end
    :param kind: the kind of its outcome, "" where it did not run
    :param usage: what it has used
    """
    ended = f"was {state}" if state == INTERRUPTED else state
    if kind in KINDS:
        if said := remark(kind) if KINDS[kind][3] == RAN else "":
            ended += f": {said}"
        elif KINDS[kind][3] != RAN:
            text = told(kind, text)
    if text and text != state:
        ended += f": {safe(text)}"
    lines = [line(f"  it last ran {when}, for {duration(took)}, and {ended}")]
    used = _usage_text(usage) if usage is not None else ""
    if used:
        lines.append(line(f"    {used}"))
    shown = [reason_lines(why) for why in reasons[:_LAST_REASONS]]
    if all(len(one) == 1 for one in shown):
        because = wording.reasons(reasons, most=_LAST_REASONS)
        return [*lines, line(f"    because of: {because}")] if because else lines
    lines += [line("    because of:"), *(line("    ", *made) for one in shown for made in one)]
    if len(reasons) > _LAST_REASONS:
        lines.append(line(f"      and {len(reasons) - _LAST_REASONS} more"))
    return lines


def _usage_text(usage: Usage) -> str:
    """Return what a run has used in words, "" if that was hardly anything."""
    parts = []
    if usage.cpu >= _LEAST_CPU:
        parts.append(f"CPU {duration(usage.user)} user, {duration(usage.system)} system")
    if usage.largest_process is not None:
        parts.append(f"its largest process took {size_text(usage.largest_process)}")
    if usage.tree_peak is not None:
        parts.append(f"all of it took {size_text(usage.tree_peak)}")
    if usage.sampled_peak is not None:
        parts.append(f"all of it took {size_text(usage.sampled_peak)} (sampled)")
    return "; ".join(parts)


_LEAST_CPU = 0.05
"""Seconds of CPU; less is not shown."""


def _file_difference(old: str, new: str, *, most: int) -> list[Line]:
    if old.endswith("\n") and new.endswith("\n"):
        old, new = old[:-1], new[:-1]
    return text_difference(old, new, most)


def _equal_lines(known: Explained, *, verbose: bool) -> Iterator[Line]:
    if not known.equal:
        return
    is_skip = known.verdict.decision == decision.SKIP
    if known.once:
        yield line(f"  it runs only while an output is missing: {_kinds(known.equal)} there")
        return
    yield line(f"  {'equal to the last success' if is_skip else 'equal'}: {_kinds(known.equal)}")
    if verbose:
        for name, value in known.equal.items():
            first, *more = value.split("\n")
            yield line(f"    {wording.element(name)}: ", (wording.value(first) + (" ..." if more else ""), "dim"))


def _kinds(names: Mapping[str, str]) -> str:
    """Return what there is of each kind: how many, and the first of them by name."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        if name == _OUR_OWN:
            continue
        kind = next((kind for kind, _, _ in _KINDS if name.startswith(kind)), name)
        by_presence = names[name].startswith(("present ", "success ")) and kind in elements.FILES
        kinds.setdefault(kind, []).append(name[len(kind) :] + (" by presence" if by_presence else ""))
    parts = []
    for kind in sorted(kinds, key=_order):
        of_kind = next(((one, many) for start, one, many in _KINDS if start == kind), None)
        members = kinds[kind]
        shown = _some([safe(member) for member in members], _NAMED)
        parts.append(
            f"{wording.count(len(members), *of_kind)} ({shown})" if of_kind else _NAMES.get(kind) or safe(kind)
        )
    return ", ".join(parts)


_OUR_OWN = "fingerprint_version"
"""An element that only a new version of Treadle changes: it is shown only if it differs."""
_NAMES = {"os_version": "system"}
_KINDS = (
    (elements.INPUT, "input", "inputs"),
    (elements.DISCOVERED, "discovered input", "discovered inputs"),
    (elements.EDITED, "edited file", "edited files"),
    (elements.OUTPUT, "output", "outputs"),
    (elements.EXCLUDE, "folder with exclude", "folders with exclude"),
    (elements.ENV, "variable", "variables"),
    (elements.VALUE, "value", "values"),
    (elements.TOOL, "tool", "tools"),
)


def _order(kind: str) -> int:
    order = [elements.COMMAND, elements.SHELL, elements.FOLDER, elements.ROOT, *(kind for kind, _, _ in _KINDS)]
    return order.index(kind) if kind in order else len(order)


def _following_lines(known: Explained, most: int) -> Iterator[Line]:
    """Yield the actions that read what it makes, and would run if that came out different."""
    if known.consumers:
        yield line("  if what it makes comes out different, these follow:")
        for uid, paths in list(known.consumers.items())[:most]:
            yield line("    ", (safe(uid), "name"), f" reads {_some([safe(path) for path in paths], _NAMED)}")
        if len(known.consumers) > most:
            yield line(f"    and {len(known.consumers) - most} more that read it")
        if known.after_them:
            yield line(f"    then {_some([safe(uid) for uid in known.after_them], most)}")
    elif known.plan:
        yield line(f"  it makes a plan: {_some([safe(uid) for uid in known.plan], most)}")
    elif known.makes:
        yield line("  no action reads what it makes")
    if known.needed_by:
        waiting = _some([safe(uid) for uid in known.needed_by], most)
        yield line(f"  needed by {waiting}: that waits for it, and does not run again because of it")


def _some(names: Sequence[str], most: int) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} (+{len(names) - most})" if len(names) > most else shown
