"""What a run that was killed has left with an engine: told to stop by its lease, and waited for.

Its workers see the folder of the run, and that alone. What none of them has begun is begun by nothing any more.
What one has begun ends by the lease, or by its silence where the lease cannot be seen.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING

from treadle.core.lease import LOOKS, Lease, parse
from treadle.engines.agent import new_name, now_with_sleep
from treadle.engines.base import GRACE
from treadle.engines.spec import RunFolder, worker_in
from treadle.errors import BusyError, listed
from treadle.state import own_files

from .engine_runs import RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MARGIN = GRACE + 10.0
"""Seconds beside the lease after which what has seen no sign of its run has ended."""
_LONGEST_NAP = 1.0


def end_elsewhere(
    state: str,
    run: str,
    engine: str,
    seconds: float,
    *,
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
    :param seconds: the length of the lease that the run began with
    :param was_here: whether it ran on this machine, where all that carries its mark has been ended
    :param until: until when, on the monotonic clock; None for as long as it takes
    :param say: called with words for what is waited for
    :raises BusyError: it has not ended at that time, or nothing is waited for
    """
    folder = RunFolder(os.path.join(state, RUNS, run))
    is_known = os.path.isdir(folder.path) and not os.path.islink(folder.path)
    begun: list[str] = []
    if is_known:
        seconds, begun = _tell(folder, seconds)
    living = _living(folder, begun, was_here=was_here)
    began = clock()
    patience = seconds + MARGIN
    if living or not is_known:
        say(f"a killed run may have left something with {engine}: waiting up to {patience:g} s for its end")
    # without its folder nothing tells what it had: all of it ends by its silence
    while (living or not is_known) and clock() - began <= patience:
        if not wait or (until is not None and monotonic() >= until):
            left = listed(living, 3) if living else "what it began with"
            rest = max(0.0, patience - (clock() - began))
            raise BusyError(
                f"attempts of a killed run may still be running with {engine}: {left}",
                hint=f"they end by themselves within {rest:.0f} s; then run again",
            )
        nap(min(seconds / LOOKS, _LONGEST_NAP))
        living = _living(folder, begun, was_here=was_here)
    if is_known:
        # the specs hold environments; a worker that wakes late finds nothing to begin
        shutil.rmtree(folder.path, ignore_errors=True)


def _tell(folder: RunFolder, seconds: float) -> tuple[float, list[str]]:
    """Write the lease with a stop for all, and begin what no worker has begun.

    :return: the length of the lease, and the attempts that workers have begun
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
    return max(lease.seconds, seconds), begun


def _tokens(folder: RunFolder) -> list[str]:
    try:
        names = sorted(os.listdir(os.path.join(folder.path, "specs")))
    except OSError:
        return []
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


def _living(folder: RunFolder, begun: Sequence[str], *, was_here: bool) -> list[str]:
    """Return the attempts of which neither a report nor the end of their worker is known."""
    return [token for token in begun if not _has_ended(folder, token, was_here=was_here)]


def _has_ended(folder: RunFolder, token: str, *, was_here: bool) -> bool:
    if os.path.lexists(folder.report(token)):
        return True
    worker = worker_in(own_files.read(folder.owner(token)))
    if not worker or "/" in worker:
        return False
    is_of_this_host = worker.rsplit("-", 2)[0] == new_name().rsplit("-", 2)[0]
    return (was_here and is_of_this_host) or os.path.lexists(folder.gone(worker))
