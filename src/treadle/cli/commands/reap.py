"""`reap`: closes runs that were never closed and are dead."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.cli.recorded import ledger_of, state_of
from treadle.core.text import safe
from treadle.errors import UsageError
from treadle.session.reaping import reap
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.session.call import Call


def reap_command(call: Call) -> int:
    """Close runs that were never closed, and end what they have left."""
    options = call.options
    if options.names:
        raise UsageError("`treadle reap` takes no names", hint="it closes all runs of this folder that are dead")
    root = os.path.dirname(state_of(call))
    with ledger_of(call, is_local=True) as ledger:
        found = reap(root, ledger, wait=options.wait, say=call.console.warn)
    if not options.quiet:
        for one in found:
            run = one.run
            said = f"closed: {one.why}" if one.why else f"on {run.host}, as {run.user}, process {run.pid}: it lives"
            call.console.say([line((safe(run.id), "name"), f"  {safe(said)}")])
        if not any(one.why for one in found):
            call.console.say([line("there is nothing to close")])
    return 0
