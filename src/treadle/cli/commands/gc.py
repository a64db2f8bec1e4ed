"""`gc`: removes records of old runs."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from treadle.cli.recorded import ledger_of, state_of
from treadle.core import wording
from treadle.errors import UsageError
from treadle.ledger.ledger import collect_garbage
from treadle.ledger.run_files import KEPT_DAYS, KEPT_RUNS
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.session.call import Call


def gc_command(call: Call) -> int:
    """Remove the records of all runs but the last ones; those with an identity stay."""
    options = call.options
    if options.names:
        raise UsageError("`treadle gc` takes no names", hint="--keep N and --days N say which runs stay")
    days = options.days if options.days is not None else KEPT_DAYS
    keep = options.keep if options.keep is not None else KEPT_RUNS
    with ledger_of(call) as ledger:
        gone = collect_garbage(ledger, state_of(call), time(), keep, days)
    if not options.quiet:
        call.console.say([line(f"removed {wording.count(len(gone), 'recorded run')}")])
    return 0
