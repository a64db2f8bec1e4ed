"""The identity of a run (`--workflow`): taken before anything is walked, shown alive, lost to what takes it over.

One run has an identity at a time. Whether another one that has it lives is known by the lock on its events, if it
is of this machine. Else its signs of life show: it is dead if none comes for its lease, by our own clock, and for
the time that what it ran elsewhere has to end.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from time import sleep
from typing import TYPE_CHECKING

from treadle.content.trust import STATE_FOLDER
from treadle.core.lease import LEASE, LOOKS, Silence
from treadle.engines.agent import now_with_sleep
from treadle.engines.base import GRACE
from treadle.errors import BusyError, UsageError
from treadle.events.schema import read_events
from treadle.ledger.database import Database, LedgerError
from treadle.ledger.owners import Identity, Owner, beat, give_back, owner_of, take
from treadle.ledger.run_files import events_of, is_alive, run_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARGIN = GRACE + 10.0
"""Seconds besides its lease after which what a silent run has left elsewhere has ended: see H3."""


def digest_of(params: Mapping[str, object]) -> str:
    """Return the digest of the parameters of a plan, whatever their order."""
    from xxhash import xxh3_128_hexdigest

    return xxh3_128_hexdigest(json.dumps(params, sort_keys=True, separators=(",", ":")).encode())


class Ownership:
    """A run's hold on an identity. Any thread may show a sign of life.

    :param connect: returns the ledger
    :param mine: this run, without its epoch
    :param clock: seconds on a clock that goes on while the machine sleeps
    """

    def __init__(
        self,
        connect: Callable[[], Database],
        identity: Identity,
        mine: Owner,
        *,
        say: Callable[[str], None],
        clock: Callable[[], float] = now_with_sleep,
        nap: Callable[[float], None] = sleep,
    ) -> None:
        self.identity = identity
        self.mine = mine
        self.taken_by: Owner | None = None
        """The run that has taken over, None as long as the identity is ours."""
        self.followed: Owner | None = None
        """The dead run that had it before, None if that has given it back, or there was none."""
        self._connect = connect
        self._say = say
        self._clock = clock
        self._nap = nap
        self._shown_at = clock()

    def claim(self, *, wait: bool = True) -> None:
        """Take the identity; what had it and is dead is replaced.

        :param wait: whether a run of another machine is watched for a sign of life; if not, it counts as living
        :raises BusyError: another run has it
        :raises LedgerError: the ledger cannot be used
        """
        with self._connect() as database:
            while True:
                seen = owner_of(database, self.identity)
                if seen is not None and not seen.ended:
                    seen = self._dead(database, seen, wait=wait)
                epoch = take(database, self.identity, self.mine, seen)
                if epoch:
                    self.mine = replace(self.mine, epoch=epoch)
                    self.followed = None if seen is None or seen.ended else seen
                    self._shown_at = self._clock()
                    return

    def _dead(self, database: Database, owner: Owner, *, wait: bool) -> Owner | None:
        """Return what has the identity once that is dead, None if it has given that back meanwhile.

        :raises BusyError: it lives
        """
        lives = lives_here(owner)
        if lives is None:
            return self._watched(database, owner, wait=wait)
        if lives:
            raise busy(self.identity, owner)
        return owner

    def _watched(self, database: Database, owner: Owner, *, wait: bool) -> Owner | None:
        """Watch a run that only its signs of life show of."""
        if not wait:
            raise busy(self.identity, owner)
        patience = owner.lease + MARGIN
        self._say(
            f"the run {owner.run} on {owner.host} has the workflow {owner_words(self.identity)}:"
            f" waiting up to {patience:g} s for a sign of life"
        )
        silence = Silence(self._clock())
        silence.see(owner.beat, self._clock())
        while True:
            self._nap(min(owner.lease / LOOKS, 5.0))
            now = owner_of(database, self.identity)
            if now is None or now.ended:
                return now
            if (now.token, now.epoch, now.beat) != (owner.token, owner.epoch, owner.beat):
                raise busy(self.identity, now)
            if silence.seconds(self._clock()) > patience:
                return now

    def show_life(self) -> bool:
        """Show a sign of life; return whether the identity is ours.

        Where the ledger cannot be used it is taken to be: the next sign shows it.
        """
        if self.taken_by is None:
            try:
                with self._connect() as database:
                    self.taken_by = beat(database, self.identity, self.mine)
            except LedgerError:
                return True
            self._shown_at = self._clock()
        return self.taken_by is None

    def may_start(self) -> bool:
        """Return whether something may start: a run that was frozen for its lease looks first."""
        if self.taken_by is None and self._clock() - self._shown_at > self.mine.lease:
            self.show_life()
            # a ledger that cannot be used is not asked before each start
            self._shown_at = self._clock()
        return self.taken_by is None

    def give_back(self) -> None:
        """Give the identity back; where that cannot be written, the lock on our events says that we have ended."""
        try:
            with self._connect() as database:
                give_back(database, self.identity, self.mine)
        except LedgerError:
            return


def owner_words(identity: Identity) -> str:
    """Return an identity in words."""
    return f"{identity.workflow} (parameters {identity.params[:8]})"


def busy(identity: Identity, owner: Owner) -> BusyError:
    """Return the error for an identity that another run has."""
    return BusyError(
        f"the workflow {owner_words(identity)} is under way: run {owner.run}",
        facts=[f"on {owner.host}, as {owner.user}, process {owner.pid}, since {owner.since}"],
        hint=f"`treadle resume {owner.run} --wait 5m` ends it, and goes on with it",
    )


def living(state: str, identity: Identity) -> Owner | None:
    """Return the run of a state folder that is under way and has an identity, by its events alone."""
    for file in run_files(state):
        if not is_alive(file.path):
            continue
        try:
            event = next(read_events(file.path), {})
        except UsageError:
            continue
        if (event.get("workflow"), event.get("identity")) == (identity.workflow, identity.params):
            host, user, since = (str(event.get(name, "")) for name in ("host", "user", "began"))
            return Owner(0, "", file.id, "", host, user, int(event.get("pid", 0)), since, 0, LEASE)
    return None


def lives_here(owner: Owner) -> bool | None:
    """Return whether a run of this machine lives; None where only its signs of life show."""
    if owner.host != os.uname().nodename or not owner.root:
        return None
    events = events_of(os.path.join(owner.root, STATE_FOLDER), owner.run)
    # where they are gone, the lock on them shows nothing
    return is_alive(events) if os.path.lexists(events) else None


def taken_over(ownership: Ownership) -> str:
    """Return in words what has taken the identity over."""
    by = ownership.taken_by
    assert by is not None
    return (
        f"another run has taken over the workflow {owner_words(ownership.identity)}, and this one ends:"
        f" {by.run} on {by.host}, as {by.user}, process {by.pid}"
    )
