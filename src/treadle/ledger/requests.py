"""Requests to runs by a ledger that several machines share: how they get there, and which user sent them.

What a request may say and what it does is not known here. The sender is the user that the database knows: it sets
that itself, so no client can write it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .database import Database

    Handle = Callable[[object, str], Mapping[str, Any] | None]
    """Does what a request asks for that a user has sent, and returns the answer; None if there is none yet."""

MOST = 100
"""So many are taken at a look."""
LONGEST = 1 << 20
"""Characters of a request, see `control.requests`."""


def send(database: Database, run: str, request: Mapping[str, Any]) -> None:
    """Write a request; one that is there already is not written again.

    :param request: with an `id`
    :raises LedgerError: it cannot be written
    """
    row = (run, request["id"], json.dumps(dict(request)))
    with database.transaction():
        statement = "INSERT INTO requests (run, id, request) VALUES (?, ?, ?) ON CONFLICT (run, id) DO NOTHING"
        database.write(statement, [row])


def answer_to(database: Database, run: str, request: str) -> dict[str, Any] | None:
    """Return the answer to a request, None as long as there is none.

    :raises LedgerError: it cannot be read
    """
    found = database.rows("SELECT answer FROM requests WHERE run = ? AND id = ?", (run, request))
    return None if not found else _object(found[0][0])


def withdraw(database: Database, run: str, request: str) -> bool:
    """Remove a request that its run has not taken yet, and return whether that was so.

    :raises LedgerError: it cannot be removed
    """
    with database.transaction():
        found = database.locked_rows("SELECT taken FROM requests WHERE run = ? AND id = ?", (run, request))
        if found != [(0,)]:
            return False
        database.write("DELETE FROM requests WHERE run = ? AND id = ?", [(run, request)])
        return True


class Requests:
    """The requests to one run: taken and answered by that run.

    :param run: its identifier
    :param handle: does what a request asks for; called again with the same one if its answer could not be written
    """

    def __init__(self, run: str, handle: Handle) -> None:
        self._run = run
        self._handle = handle

    def look(self, database: Database) -> None:
        """Take the requests that have no answer, and answer them; only the user of this run is obeyed.

        :raises LedgerError: the database cannot be used: what was done is answered at the next look
        """
        found = database.rows(
            "SELECT id, sender, CASE WHEN length(request) <= ? THEN request ELSE '' END FROM requests"
            f" WHERE run = ? AND answer = '' ORDER BY sent, id LIMIT {MOST}",
            (LONGEST, self._run),
        )
        if not found:
            return
        ours = database.user()
        for request, sender, text in found:
            with database.transaction():
                taken = database.locked_rows(
                    "SELECT taken FROM requests WHERE run = ? AND id = ?", (self._run, request)
                )
                database.write("UPDATE requests SET taken = 1 WHERE run = ? AND id = ?", [(self._run, request)])
            if not taken:
                # its sender has given it up
                continue
            answer = self._answer(str(request), str(sender), str(text), ours)
            if answer is not None:
                said = (json.dumps(dict(answer)), self._run, request)
                with database.transaction():
                    database.write("UPDATE requests SET answer = ? WHERE run = ? AND id = ?", [said])

    def _answer(self, request: str, sender: str, text: str, ours: str) -> Mapping[str, Any] | None:
        if not ours or sender != ours:
            return {"ok": False, "text": f"this run obeys the user {ours} of the ledger, and not {sender}"}
        said = _object(text)
        if said is None or said.get("id") != request:
            return {"ok": False, "text": "this is no request"}
        return self._handle(said, sender)


def _object(text: object) -> dict[str, Any] | None:
    try:
        found = json.loads(str(text))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
