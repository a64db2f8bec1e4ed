"""The socket of a run: takes one request per connection, as a line of JSON, and writes one line as its answer.

It lives in a thread next to the loop of the run, and never waits: a client that sends slowly, or does not read, is
closed after some seconds and holds up nothing. What a request does is not known here.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from treadle.errors import TreadleError
from treadle.state import own_files

from . import sockets
from .apply import refused
from .requests import LONGEST_REQUEST, request_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .apply import Answer
    from .requests import Request

    Reply = Callable[[Answer], None]
    """Takes the answer to a request; any thread may call it, once."""

MOST_CONNECTIONS = 32
"""At most so many at once: one more closes the oldest that has not said its request."""
PATIENCE = 5.0
"""Seconds for a request to come, and for its answer to be read."""
LONGEST_ANSWER = 60.0
"""Seconds that a run may take to answer: its loop may be reading a large file."""
_PIECE = 1 << 16


class _Connection:
    __slots__ = ("due", "heard", "is_answered", "is_asking", "number", "sock", "to_send", "user")

    def __init__(self, number: int, sock: socket.socket, user: int, due: float) -> None:
        self.number = number
        self.sock = sock
        self.user = user
        self.due = due
        self.heard = bytearray()
        self.is_asking = True
        """Whether its request has not come yet."""
        self.is_answered = False
        """Whether its answer is there, and being sent."""
        self.to_send = memoryview(b"")


class Server:
    """Listens for requests to one run. All but what `handle` is given is called in one thread.

    :param folder: the folder of the run
    :param handle: called with each request, the user that has sent it, and what takes the answer
    :param clock: returns seconds
    """

    def __init__(
        self, folder: str, handle: Callable[[Request, int, Reply], None], clock: Callable[[], float] = monotonic
    ) -> None:
        self.path = os.path.join(folder, sockets.FOLDER)
        self._run_folder = folder
        self._handle = handle
        self._clock = clock
        self._folder = -1
        self._listening: socket.socket | None = None
        self._wake_in: socket.socket | None = None
        self._wake_out: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None
        self._connections: dict[int, _Connection] = {}
        self._answers: deque[tuple[int, bytes]] = deque()
        self._made = 0

    def open(self) -> int:
        """Listen; return a descriptor that has something to read when `serve` is to be called.

        :raises OSError: that cannot be
        :raises TreadleError: the folder of the socket is not ours
        """
        own_files.make_one(self.path, self._run_folder, 0o700)
        self._folder = sockets.open_folder(self.path, is_new=True)
        try:
            listening = self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sockets.bind(listening, self._folder, self.path)
            listening.listen(MOST_CONNECTIONS)
            listening.setblocking(False)
            self._wake_in, self._wake_out = socket.socketpair()
            self._wake_in.setblocking(False)
            self._wake_out.setblocking(False)
            selector = self._selector = selectors.DefaultSelector()
            selector.register(listening, selectors.EVENT_READ)
            selector.register(self._wake_in, selectors.EVENT_READ)
            # one descriptor represents all of them: epoll and kqueue can be waited for themselves
            return selector.fileno()
        except BaseException:
            self.close()
            raise

    def serve(self) -> None:
        """Do what can be done at once: take connections, requests and answers."""
        if self._selector is None:
            return
        for key, _ in self._selector.select(0):
            if key.fileobj is self._listening:
                self._accept()
            elif key.fileobj is self._wake_in:
                self._take_wakes()
            else:
                self._go_on_with(key.data)
        while self._answers:
            number, answer = self._answers.popleft()
            connection = self._connections.get(number)
            if connection is not None:
                self._send(connection, answer)
        self.close_late()

    def close_late(self) -> None:
        """Close the connections whose time is over."""
        now = self._clock()
        for connection in [one for one in self._connections.values() if one.due <= now]:
            self._drop(connection)

    def close(self) -> None:
        """Listen no more, and remove the socket; connections that wait are closed."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        selector, self._selector = self._selector, None
        if selector is not None:
            selector.close()
        if self._listening is not None:
            self._listening.close()
            with suppress(OSError):
                # else it goes with the folder of the run
                os.unlink(sockets.NAME, dir_fd=self._folder)
        for sock in (self._wake_in, self._wake_out):
            if sock is not None:
                sock.close()
        if self._folder >= 0:
            os.close(self._folder)
        self._listening = self._wake_in = self._wake_out = None
        self._folder = -1

    def _accept(self) -> None:
        assert self._listening is not None
        assert self._selector is not None
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                # none waits, or there are no descriptors left
                return
            user = sockets.peer_user(sock)
            if user not in (os.geteuid(), 0):
                sock.close()
                continue
            if len(self._connections) >= MOST_CONNECTIONS:
                asking = [one for one in self._connections.values() if one.is_asking]
                self._drop(min(asking or self._connections.values(), key=lambda one: one.number))
            sock.setblocking(False)
            self._made += 1
            assert user is not None
            connection = _Connection(self._made, sock, user, self._clock() + PATIENCE)
            self._connections[connection.number] = connection
            self._selector.register(sock, selectors.EVENT_READ, connection)

    def _take_wakes(self) -> None:
        assert self._wake_in is not None
        try:
            while self._wake_in.recv(_PIECE):
                pass
        except OSError:
            return

    def _go_on_with(self, connection: _Connection) -> None:
        if connection.number not in self._connections:
            return
        if connection.is_answered:
            self._write(connection)
            return
        try:
            piece = connection.sock.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._drop(connection)
            return
        before, end, _ = piece.partition(b"\n")
        connection.heard += before
        if len(connection.heard) > LONGEST_REQUEST:
            self._listen_no_more(connection)
            self._send(connection, _encoded(refused(f"a request has at most {LONGEST_REQUEST:,} bytes")))
        elif end:
            self._listen_no_more(connection)
            self._take_request(connection, bytes(connection.heard))

    def _listen_no_more(self, connection: _Connection) -> None:
        """Read nothing after the request: it is no other one."""
        assert self._selector is not None
        self._selector.unregister(connection.sock)
        connection.is_asking = False

    def _take_request(self, connection: _Connection, line: bytes) -> None:
        connection.heard = bytearray()
        connection.due = self._clock() + LONGEST_ANSWER
        try:
            request = request_of(_decoded(line))
        except TreadleError as error:
            self._send(connection, _encoded(refused(error.what, error.hint or "")))
            return
        number = connection.number

        def reply(answer: Answer) -> None:
            self._answers.append((number, _encoded(answer)))
            self._wake()

        self._handle(request, connection.user, reply)

    def _wake(self) -> None:
        out = self._wake_out
        try:
            if out is not None:
                out.send(b"w")
        except OSError:
            # it is full, so it wakes anyway, or the run has ended
            return

    def _send(self, connection: _Connection, answer: bytes) -> None:
        connection.is_answered = True
        connection.to_send = memoryview(answer)
        connection.due = self._clock() + PATIENCE
        assert self._selector is not None
        self._selector.register(connection.sock, selectors.EVENT_WRITE, connection)
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        try:
            sent = connection.sock.send(connection.to_send)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        connection.to_send = connection.to_send[sent:]
        if not connection.to_send:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        del self._connections[connection.number]
        if self._selector is not None and (connection.is_asking or connection.is_answered):
            self._selector.unregister(connection.sock)
        connection.sock.close()


def _encoded(answer: Answer) -> bytes:
    return json.dumps(answer.as_data()).encode() + b"\n"


def _decoded(line: bytes) -> Any:
    """Return a line as data.

    :raises TreadleError: it is no JSON
    """
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TreadleError("a request is a line of JSON") from error
