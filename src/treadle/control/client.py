"""The other end: sends a request to a run of this machine, and returns what it answers."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

from treadle.errors import TreadleError, UsageError

from . import sockets
from .requests import LONGEST_REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 30.0
"""Seconds that an answer is waited for: the loop of a run may be reading a large file."""
_LONGEST_ANSWER = 1 << 28


class UnreachableError(TreadleError):
    """The run does not listen: it has ended, is a short one, or is on another machine."""

    page = "docs/reference/command.md#requests-to-a-run"


def new_id() -> str:
    """Return an id for a request."""
    return os.urandom(8).hex()


def ask(folder: str, request: Mapping[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
    """Send a request to a run, and return its answer: `ok`, `text`, and what `apply.Answer` has besides.

    :param folder: the folder of the run
    :param request: its fields, see `requests.FIELDS`
    :raises UnreachableError: nothing listens there, or it did not answer
    :raises TreadleError: what is there is not ours
    """
    path = os.path.join(folder, sockets.FOLDER)
    line = json.dumps(dict(request)).encode() + b"\n"
    if len(line) > LONGEST_REQUEST:
        raise UsageError(f"the request has {len(line):,} bytes, at most {LONGEST_REQUEST:,} are possible")
    try:
        place = sockets.open_folder(path)
    except OSError as error:
        raise UnreachableError("the run does not listen") from error
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(patience)
            sockets.connect(sock, place, path)
            answer = _answer(sock, line)
    except OSError as error:
        raise UnreachableError(f"the run does not answer: {error.strerror or error}") from error
    finally:
        os.close(place)
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise UnreachableError("the run has ended before it has answered") from error
    if (
        not isinstance(found, dict)
        or not isinstance(found.get("ok"), bool)
        or not isinstance(found.get("text"), str)
    ):
        raise UnreachableError("what answers is not a run of Treadle")
    return found


def _answer(sock: socket.socket, line: bytes) -> bytes:
    sock.sendall(line)
    pieces: list[bytes] = []
    size = 0
    while size <= _LONGEST_ANSWER and (piece := sock.recv(1 << 16)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
