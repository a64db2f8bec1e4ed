"""Prints which actions options deselect, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core import wording
from treadle.core.text import safe
from treadle.errors import UsageError
from treadle.ui.text import line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from treadle.frontends.base import Project
    from treadle.session.call import Call
    from treadle.ui.text import Line


def selects(call: Call) -> bool:
    """Return whether a call has options that take actions out."""
    options = call.options
    return bool(options.tags or options.since or options.judges)


def disabled_among(call: Call, plan: Project) -> dict[str, str]:
    """Return uid -> why it is disabled, of what the call names; of all actions if it names none."""
    names = call.names_in(plan)
    if not names or not plan.left_out:
        return dict(plan.left_out)
    named = {uid for name in names for uid in _found(plan, name)}
    return {uid: why for uid, why in plan.left_out.items() if uid in named}


def _found(plan: Project, name: str) -> Sequence[str]:
    try:
        return plan.names.find(name)
    except UsageError:
        return ()


def say_disabled(call: Call, disabled: Mapping[str, str]) -> None:
    """Print which actions are disabled, and why."""
    call.console.say(line(("disabled ", "dim"), safe(uid), f": {safe(why)}") for uid, why in disabled.items())


def say_deselected(call: Call) -> None:
    """Print how many actions are deselected; with -v or --all each of them; nothing with -q, as that is well.

    What the tags of -l take out is printed with -v alone.
    """
    if call.options.quiet or not selects(call):
        return
    found = call.deselected
    if call.options.verbose or call.options.everything:
        call.console.say(line(("deselected ", "dim"), safe(uid), f": {safe(why)}") for uid, why in found.items())
    else:
        call.console.say(_totals(call, list(found.values())))


def _totals(call: Call, reasons: list[str]) -> Iterator[Line]:
    options = call.options
    by_since = sum(why.startswith("nothing that it depends on") for why in reasons)
    if by_since:
        depend = "it depends" if by_since == 1 else "they depend"
        said = f"as nothing that {depend} on differs from {safe(options.since)}"
        yield line(("deselected: ", "dim"), f"{wording.count(by_since, 'action')}, {said}")
    for option, value in (("--only", options.only), ("--where", options.where)):
        number = sum(why.startswith(option) for why in reasons)
        if number:
            yield line(("deselected: ", "dim"), f"{wording.count(number, 'action')} by {option} {safe(value)}")
