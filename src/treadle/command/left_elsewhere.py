"""What a run that was killed has left with an engine: stopped by its lease, and waited for.

Its workers see the folder of the run, and that alone. What none of them has begun is begun by nothing any more, and
the engine takes it out of its queue. What one has begun ends by the lease, or by its silence where the lease cannot
be seen.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING

from treadle.core.lease import LOOKS, Lease, Silence, parse, renewal
from treadle.engines.agent import new_name, now_with_sleep
from treadle.engines.base import GRACE
from treadle.engines.shared_folder import refresh
from treadle.engines.spec import GONE, WAITING, RunFolder, handles_in, worker_in
from treadle.errors import BusyError, listed
from treadle.state import own_files

from .engine_runs import RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.engines.spec import Engine

MARGIN = GRACE + 10.0
"""Seconds in addition to the lease after which what has seen no sign of its run has ended."""
_LONGEST_NAP = 1.0
_STOPS = 3
"""How often an engine is asked to end attempts that wait with it."""


def end_elsewhere(
    state: str,
    run: str,
    engine: str,
    seconds: float,
    *,
    made: Engine | None = None,
    was_here: bool = False,
    wait: bool = True,
    until: float | None = None,
    say: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = now_with_sleep,
    nap: Callable[[float], None] = sleep,
) -> None:
    """End what a killed run has left with an engine, and wait until it has.

    :param state: the state folder
    :param engine: its name
    :param made: the engine itself, which is not open; None if it cannot be had
    :param seconds: the length of the lease that the run began with: a worker that is silent so long is gone
    :param was_here: whether it ran on this machine, where all that carries its mark has been ended
    :param until: until when, on the monotonic clock; None for as long as it takes
    :param say: called with words for what is waited for
    :raises BusyError: it has not ended at that time, or nothing is waited for
    """
    folder = RunFolder(os.path.join(state, RUNS, run))
    is_known = os.path.isdir(folder.path) and not os.path.islink(folder.path)
    outlives, begun = seconds, list[str]()
    if is_known:
        outlives, begun = _tell(folder, seconds)
        if made is not None and (waiting := _stop_with(made, folder)):
            say(f"{waiting} of a killed run wait with {engine} yet: if they start, they find no run and end")
    attempts = Living(folder, begun, seconds, was_here=was_here, clock=clock)
    living = attempts.look()
    began = clock()
    patience = max(outlives, seconds) + MARGIN if is_known else seconds + MARGIN
    if living or not is_known:
        say(f"a killed run may have left something with {engine}: waiting up to {patience:g} s for its end")
    # without its folder nothing says what it had: all of it ends as it can show no life any more
    while (living or not is_known) and clock() - began <= patience:
        if not wait or (until is not None and monotonic() >= until):
            left = listed(living, 3) if living else "what it began with"
            rest = max(0.0, patience - (clock() - began))
            raise BusyError(
                f"attempts of a killed run may still be running with {engine}: {left}",
                hint=f"they end by themselves within {rest:.0f} s; then run again",
            )
        nap(min(seconds / LOOKS, _LONGEST_NAP))
        living = attempts.look()
    if is_known:
        # the specs hold environments; a worker that wakes late finds nothing to begin
        shutil.rmtree(folder.path, ignore_errors=True)


def _tell(folder: RunFolder, seconds: float) -> tuple[float, list[str]]:
    """Write the lease with a stop for all, and begin what no worker has begun.

    :return: the silence after which workers end what they have of it, and the attempts that they have begun
    """
    found = parse(own_files.read(folder.lease) or b"")
    lease = Lease(0, seconds) if found is None else found
    with suppress(OSError):
        # on a full disk the old one stays, and its silence ends them
        own_files.replace(folder.lease, [lease.stopped().text().encode()], 0o600)
    begun = []
    for token in _tokens(folder):
        try:
            if not folder.claim(token):
                begun.append(token)
        except OSError:
            begun.append(token)
    return lease.seconds, begun


def _stop_with(engine: Engine, folder: RunFolder) -> int:
    """Have an engine end what it has of a run, also what waits with it and would start later.

    :return: the number of attempts that it has not ended, of those that no worker had begun
    """
    handles = [*handles_in(own_files.read(folder.handles)).values()]
    with suppress(Exception):
        # the lease ends what runs, and what starts from now on finds nothing to begin
        left = [handle for handle, what in engine.find(handles).items() if what != GONE]
        for _ in range(_STOPS):
            if not left:
                return 0
            engine.stop(left, kill=False)
            # what runs is asked once: workers take a second time for the end of the grace
            left = [handle for handle, what in engine.find(left).items() if what == WAITING]
        return len(left)
    return 0


def _tokens(folder: RunFolder) -> list[str]:
    try:
        names = sorted(os.listdir(os.path.join(folder.path, "specs")))
    except OSError:
        return []
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


class Living:
    """The attempts of a killed run that may be running: for each, evidence is looked for that it is not.

    :param folder: that of the run
    :param tokens: attempts that workers have begun
    :param seconds: the silence after which a worker counts as gone
    :param was_here: whether the run was of this machine, where all that carries its mark has been ended
    """

    def __init__(
        self,
        folder: RunFolder,
        tokens: Sequence[str],
        seconds: float,
        *,
        was_here: bool = False,
        clock: Callable[[], float] = now_with_sleep,
    ) -> None:
        self._folder = folder
        self._patience = seconds + GRACE + renewal(seconds)
        self._was_here = was_here
        self._clock = clock
        self._silences = {token: Silence(clock()) for token in tokens}

    def look(self) -> list[str]:
        """Return those that may be running yet."""
        self._silences = {token: one for token, one in self._silences.items() if not self._is_over(token, one)}
        return list(self._silences)

    def _is_over(self, token: str, silence: Silence) -> bool:
        folder, now = self._folder, self._clock()
        refresh(os.path.dirname(folder.report(token)))
        if os.path.lexists(folder.report(token)):
            return True
        worker = worker_in(own_files.read(folder.owner(token)))
        if worker and "/" not in worker:
            is_of_this_host = worker.rsplit("-", 2)[0] == new_name().rsplit("-", 2)[0]
            if (self._was_here and is_of_this_host) or os.path.lexists(folder.gone(worker)):
                return True
            pulse = own_files.read(folder.pulse(worker))
            silence.see(int(pulse) if pulse and pulse.isdigit() else None, now)
        # it has ended what it ran before it can be silent for so long, or its guard has
        return silence.seconds(now) > self._patience
