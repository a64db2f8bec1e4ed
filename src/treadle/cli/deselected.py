"""Prints which actions `--since` deselects, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core import wording
from treadle.core.text import safe
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.session.call import Call


def say_deselected(call: Call) -> None:
    """Print how many actions are deselected; with -v each of them; nothing with -q, as that is well."""
    if call.options.quiet or not call.options.since:
        return
    rev = safe(call.options.since)
    if call.options.verbose:
        why = f"nothing that it depends on differs from {rev}"
        call.console.say(line(("deselected ", "dim"), safe(uid), f": {why}") for uid in call.deselected)
    elif call.deselected:
        number = wording.count(len(call.deselected), "action")
        depend = "it depends" if len(call.deselected) == 1 else "they depend"
        call.console.say(
            [line(("deselected: ", "dim"), f"{number}, as nothing that {depend} on differs from {rev}")]
        )
