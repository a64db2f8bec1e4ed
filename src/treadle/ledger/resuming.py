"""What a run that is resumed has done already, and how it was called."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from treadle.core.outcomes import PASS
from treadle.core.redaction import REDACTED
from treadle.core.text import shell_join
from treadle.errors import UsageError

from .filling import RUNNING
from .queries import run_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .database import Database
    from .queries import RunRow


class Resumed:
    """A run that another one goes on with.

    :ivar run: the run
    :ivar done_since: action -> milliseconds since the epoch: begin of the last run of the chain in which it passed
    """

    __slots__ = ("done_since", "run")

    def __init__(self, run: RunRow, done_since: Mapping[str, int]) -> None:
        self.run = run
        self.done_since = done_since


def resumed(database: Database, run: str) -> Resumed:
    """Return what a run, and those that it has resumed in turn, have done.

    :raises UsageError: it is under way
    """
    first = run_of(database, run)
    if first.state == RUNNING:
        raise UsageError(
            f"the run {run} is under way",
            facts=[f"on {first.host}, as {first.user}, process {first.pid}, since {first.began}"],
            hint="`treadle show` says what it does",
        )
    done: dict[str, int] = {}
    seen: set[str] = set()
    while run and run not in seen:
        seen.add(run)
        row = database.rows("SELECT began, resumes FROM runs WHERE id = ?", (run,))
        if not row:
            # the records of older runs may have been removed
            break
        ((began, before),) = row
        since = _milliseconds(str(began))
        names = database.rows("SELECT name FROM actions WHERE run = ? AND category = ?", (run, PASS))
        for (name,) in names:
            done.setdefault(str(name), since)
        run = str(before)
    return Resumed(first, done)


def _milliseconds(began: str) -> int:
    return int(datetime.fromisoformat(began).timestamp() * 1000)


def parameters_of(run: RunRow, given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a run, as the call that goes on with it needs them.

    :param given: the parameters of that call, which count first
    :raises UsageError: one of them is not on record, as it may be a secret
    """
    params: dict[str, str] = {}
    missing = []
    for name, value in run.params.items():
        text = value if isinstance(value, str) else ",".join(value)
        if name in given:
            continue
        if REDACTED in text:
            missing.append(name)
        else:
            params[name] = text
    if missing:
        raise UsageError(
            f"the run {run.id} was called with values that are not on record: {', '.join(missing)}",
            hint=f"give them again: {shell_join(['treadle', 'resume', run.id])} -p {missing[0]}=VALUE",
        )
    return {**params, **given}
