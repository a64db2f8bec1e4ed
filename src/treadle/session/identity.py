"""The identity of a call (`--workflow`): taken once the plan is known, shown alive while the run lasts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.core.lease import RENEWALS
from treadle.errors import TreadleError, UsageError
from treadle.ledger.address import root_name
from treadle.ledger.database import FILE, Database
from treadle.ledger.owners import Identity, Owner, owner_of
from treadle.ledger.user import user_name
from treadle.state.store import Store

from .ownership import Ownership, busy, digest_of, lives_here, living, taken_over
from .reaping import end_left

if TYPE_CHECKING:
    from treadle.frontends.base import Project

    from .call import Call


def claim(call: Call, plan: Project) -> None:
    """Take the identity of a call, before anything of the plan is walked; nothing without one.

    :raises BusyError: another run has it
    :raises TreadleError: it cannot be had, as the run cannot be recorded
    """
    name, recording = call.options.workflow, call.recording
    if not name or call.ownership is not None:
        return
    if recording is None:
        raise UsageError("a run with --workflow is recorded", hint="TREADLE_LEDGER=off forbids that: leave out one")
    identity = Identity(name, digest_of({key: param.value for key, param in plan.params.items()}))
    store = Store(plan.root)
    store.make_folder()
    path, root = call.options.ledger_url or os.path.join(store.folder, FILE), root_name(plan.root)

    def connect() -> Database:
        return Database(path, root=root)

    with connect() as database:
        # what is refused leaves no record
        seen = owner_of(database, identity)
        if seen is None or seen.ended or not lives_here(seen):
            # the row may be gone with the ledger that it was in
            seen = living(store.folder, identity)
        if seen is not None:
            raise busy(identity, seen)
    call.identity = identity.params
    run = recording.open(plan.root)
    if not run:
        raise TreadleError("a run with --workflow has to be recorded, and this one cannot be")
    mine = Owner(
        *(0, os.urandom(8).hex(), run, os.path.realpath(plan.root), os.uname().nodename),
        *(user_name(), os.getpid(), recording.began, 0, call.options.lease),
    )
    ownership = Ownership(connect, identity, mine, say=call.note)
    ownership.claim(wait=call.options.wait)
    call.ownership = ownership
    before = ownership.followed
    if before is not None and before.host == mine.host and before.root != mine.root:
        # of this folder the walk does it
        end_left(before.root, call.note)
    background = recording.go_beside()
    if background is not None:
        background.every(mine.lease / RENEWALS, lambda: _show_life(call, ownership))


def _show_life(call: Call, ownership: Ownership) -> None:
    """Show a sign of life; if another run has taken over, this one ends at once."""
    if ownership.taken_by is None and not ownership.show_life():
        call.stops.request()
        call.stops.request()
        recording = call.recording
        if recording is not None and recording.background is not None:
            recording.background.hand(lambda: call.note(taken_over(ownership)))
