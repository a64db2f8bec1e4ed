"""What a recorded run does next to its loop, from the time on that it counts as a long one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.core.lease import RENEWALS
from treadle.events.background import Background
from treadle.ledger.database import FILE
from treadle.ledger.lease_file import LeaseFile

from .controls import listen

if TYPE_CHECKING:
    from treadle.ledger.recording import Recording

    from .call import Call


def begin_beside(call: Call, recording: Recording) -> Background:
    """Begin the thread of a run, with all that it sees to; called once, by `Recording.go_beside`.

    What is added here is loaded by runs of some seconds only.
    """
    background = Background(recording.warn)
    background.wake_loop = call.stops.wake
    lease = LeaseFile(recording.folder, call.options.lease)
    background.every(call.options.lease / RENEWALS, lease.renew)
    # before what may take longer than the end of the run waits
    background.at_end(lease.remove)
    _fill(call, recording, background)
    background.begin()
    listen(call, recording, background)
    return background


def _fill(call: Call, recording: Recording, background: Background) -> None:
    """Take what the run writes into the ledger, while it lasts; and requests out of one that others share."""
    from treadle.ledger.filler import EVERY, Filler

    def say(text: str) -> None:
        background.hand(lambda: recording.tell_behind(text))

    url, also = call.options.ledger_url, None
    if url:
        from .ledger_requests import ledger_requests

        also = ledger_requests(call, recording, background).look
    path = url or os.path.join(recording.state_folder, FILE)
    filler = Filler(path, recording.state_folder, say, also=also)
    background.every(EVERY, filler.fill)
    background.at_end(filler.finish)
