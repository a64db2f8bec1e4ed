"""`diff`: what two recorded runs have decided differently, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.recorded import ledger_of, table
from treadle.core.outcomes import words
from treadle.core.text import safe
from treadle.errors import UsageError
from treadle.ledger.ledger import run_named
from treadle.ledger.queries import call_differences, differences, run_of
from treadle.ui.console import FORMAT
from treadle.ui.text import folded, line

if TYPE_CHECKING:
    from treadle.session.call import Call


def diff_command(call: Call) -> int:
    """Compare two runs: the outcomes of their actions, and the reasons for which these ran."""
    options = call.options
    if len(options.names) > 2:
        raise UsageError("`treadle diff` takes two runs", hint="`treadle runs` lists them")
    old, new = [*(["last-1", "last"][: 2 - len(options.names)]), *options.names][-2:]
    with ledger_of(call) as ledger:
        old, new = run_named(ledger, old), run_named(ledger, new)
        called = call_differences(run_of(ledger, old), run_of(ledger, new))
        found = differences(ledger, old, new)
    if options.json:
        actions = [{name: getattr(one, name) for name in one.__slots__} for one in found]
        of_call = [{"what": what, "old": was, "new": is_now} for what, was, is_now in called]
        call.console.say_data({"format": FORMAT, "old": old, "new": new, "call": of_call, "actions": actions})
        return 0
    if not found and not called:
        call.console.say([line(f"{safe(old)} and {safe(new)} have treated all actions alike")])
        return 0
    call.console.say([line((safe(old), "name"), " -> ", (safe(new), "name"))])
    rows = [((name, "dim"), f"{was or 'none'} -> {is_now or 'none'}") for name, was, is_now in called]
    call.console.say(table(rows, "  ", room=call.console.room))
    if not found:
        call.console.say([line("they have treated all actions alike")])
    for one in found:
        was, is_now = (safe(words(each)) if each else "not run" for each in (one.old, one.new))
        change = was if was == is_now else f"{was} -> {is_now}"
        call.console.say([line((safe(one.name), "name"), f": {change}")])
        for why in one.reasons:
            call.console.say([line(f"  {safe(why['text'])}")])
            values = [value for value in (why["old"], why["new"]) if value]
            if len(values) == 2:
                values_line = line(f"    {safe(values[0])} -> {safe(values[1])}")
                call.console.say(folded(values_line, call.console.room))
    return 0
