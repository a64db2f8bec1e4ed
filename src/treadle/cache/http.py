"""HttpCache: a store on a server, as Bazel's remote cache over HTTP has it. Nothing that a server sends is trusted.

`GET`, `HEAD` and `PUT` of `URL/ac/KEY` and `URL/cas/SHA256`. The time limits of the library are for each read, so a
server that sends a byte a second would hold a request for ever: a request is done in a thread of its own, and what
asks waits until a deadline, never for the thread. Nothing is followed, retried or decompressed.
"""

from __future__ import annotations

import os
import threading
from base64 import b64encode
from contextlib import suppress
from math import inf
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from treadle.errors import UsageError

from .address import Address
from .base import EMPTY, CacheError, Digest, UnusableEntryError
from .copying import NEW
from .policy import Breaker

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 16
"""Requests that are on their way at the same time."""
_PIECE = 1 << 16
_REST = 1 << 14
"""Bytes of a reply that is not wanted which are read so that the connection can be used again."""
_WORTH_ASKING = 1 << 16
"""Bytes of a blob from which on it is asked for before it is sent."""
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "treadle"}
_TOO_MUCH = "sends more than it may"
_TOO_EARLY = "ends a reply too early"
_NO_HTTP = "sends a reply that is not valid"
_SILENT = "does not answer in time, so it is not asked any more"


class Times(NamedTuple):
    """How long a request may take in all, in seconds.

    :ivar connect: until there is a connection
    :ivar entry: for an entry
    :ivar blob: for a blob, apart from what its bytes take
    :ivar rate: bytes of a blob in a second: what is fetched gets time for what has come, as its length is only said
    """

    connect: float = 2.0
    entry: float = 5.0
    blob: float = 10.0
    rate: float = 1e6


class HttpCache:
    """A store on a server.

    :param url: its address, below which `ac` and `cas` are; a user and a password in it are sent as such
    :param token: sent as `Authorization: Bearer`
    :param writable: whether anything is stored there
    :param breaker: says when it is not asked any more; several stores of one server may have one
    :raises UsageError: it is no such address, or urllib3 is not installed
    """

    is_own = False
    name = "shared"

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        writable: bool = False,
        breaker: Breaker | None = None,
        times: Times | None = None,
    ) -> None:
        self.address = Address.of(url, token)
        self.writable = writable
        self._times = times or Times()
        self._breaker = breaker or Breaker()
        self._threads = _Threads(THREADS)
        self._headers = dict(_HEADERS)
        if self.address.token:
            self._headers["Authorization"] = f"Bearer {self.address.token}"
        elif self.address.user:
            login = f"{self.address.user}:{self.address.password}".encode()
            self._headers["Authorization"] = f"Basic {b64encode(login).decode()}"
        self._pool = _pool(self.address)
        self._damaged: set[Digest] = set()

    def get_entry(self, key: str, limit: int) -> bytes | None:
        """Return the entry of a key, None if it is not there."""
        found = bytearray()
        call = _Call("GET", f"ac/{key}", limit, found.extend)
        try:
            return bytes(found) if self._do(call, self._times.entry) else None
        except CacheError as error:
            if error.kind == _TOO_MUCH:
                raise UnusableEntryError(error.kind, error.detail) from error
            raise

    def get_blob(self, digest: Digest, path: str) -> bool:
        """Write a blob to a new file; return False if it is not there."""
        if self._breaker.is_open(monotonic()):
            self._refuse()
        # its thread closes it: the file may be gone by then, and another one be there
        fd = os.open(path, NEW, 0o666)
        call = _Call("GET", f"cas/{digest.hash}", digest.size, lambda piece: _write(fd, piece), fd=fd)
        call.rate = self._times.rate
        is_there = False
        try:
            is_there = self._do(call, self._times.blob)
        except CacheError as error:
            if error.kind in (_TOO_EARLY, _TOO_MUCH):
                self.discard(digest)
            raise
        finally:
            if not is_there:
                with suppress(OSError):
                    os.unlink(path)
        return is_there

    def put_blob(self, digest: Digest, path: str) -> None:
        """Send a file; a large one only if it is not there."""
        if digest == EMPTY or (digest.size >= _WORTH_ASKING and self._has(digest)):
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._do(_Call("PUT", f"cas/{digest.hash}", fd=fd, size=digest.size), self._seconds(digest))
        self._damaged.discard(digest)

    def has_blob(self, digest: Digest) -> bool:
        """Return whether a blob is there, as far as the server says."""
        return digest == EMPTY or self._has(digest)

    def put_entry(self, key: str, body: bytes) -> None:
        """Send an entry."""
        self._do(_Call("PUT", f"ac/{key}", body=body, size=len(body)), self._times.entry)

    def stop(self) -> None:
        """End all requests at once, as faults; any thread may call this."""
        self._threads.stop()

    def discard(self, digest: Digest) -> None:
        """Note that a blob is damaged: it is sent, whatever the server says of having it. Only servers remove."""
        self._damaged.add(digest)

    def close(self, wait: float) -> int:
        """Close the connections; it may be used again."""
        del wait
        self._threads.close()
        self._pool.close()
        return 0

    def _seconds(self, digest: Digest) -> float:
        return self._times.blob + digest.size / self._times.rate

    def _has(self, digest: Digest) -> bool:
        call = _Call("HEAD", f"cas/{digest.hash}", size=digest.size)
        return digest not in self._damaged and self._do(call, self._times.entry)

    def _refuse(self) -> None:
        raise CacheError(self._breaker.why)

    def _do(self, call: _Call, seconds: float) -> bool:
        """Make a request; return whether there is what it asks for.

        :param seconds: how long it may take
        :raises CacheError: the server has failed, or has done so before
        """
        if self._breaker.is_open(monotonic()):
            call.close()
            self._refuse()
        call.until = monotonic() + seconds
        try:
            self._threads.do(call, lambda: self._exchange(call))
        except _LateError:
            self._breaker.failed(_SILENT, monotonic(), is_late=True)
            more = f"{seconds:.3g} s" if self._breaker.why == _SILENT else ""
            raise CacheError(self._breaker.why, more) from None
        except _StoppedError:
            raise CacheError("is not waited for, as the run is to end") from None
        except UnusableEntryError:
            self._breaker.worked()
            raise
        except CacheError as error:
            self._breaker.failed(error.kind, monotonic())
            if error.kind != self._breaker.why:
                # requests that were under way fail in ways of their own
                raise CacheError(self._breaker.why) from error
            raise
        self._breaker.worked()
        return call.is_there

    def _exchange(self, call: _Call) -> None:
        """Make a request, in a thread of its own."""
        import urllib3
        from urllib3.exceptions import (
            ConnectTimeoutError,
            HTTPError,
            IncompleteRead,
            InvalidHeader,
            NewConnectionError,
            ProtocolError,
            ReadTimeoutError,
        )

        headers = dict(self._headers)
        body: Any = None
        if call.method == "PUT":
            headers |= {"Content-Length": str(call.size), "Content-Type": "application/octet-stream"}
            body = call.body if call.fd < 0 else open(call.fd, "rb", closefd=False)  # noqa: SIM115
        _CURRENT.call = call

        def opened() -> Any:
            left = max(call.until - monotonic(), 0.001)
            return self._pool.urlopen(
                call.method,
                f"{self.address.path}/{call.path}",
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(self._times.connect, left), read=left),
                preload_content=False,
                decode_content=False,
            )

        try:
            try:
                response = opened()
            except ProtocolError as error:
                # a server may close a connection that is used again, at the moment at which it is
                is_closed = any(isinstance(one, ConnectionError) for one in error.args)
                if not call.is_reused or call.is_given_up or not is_closed:
                    raise
                if call.fd >= 0 and body is not None:
                    os.lseek(call.fd, 0, os.SEEK_SET)
                    body = open(call.fd, "rb", closefd=False)  # noqa: SIM115
                response = opened()
            try:
                _take(response, call)
            finally:
                _finish(response)
        except HTTPError as error:
            is_late = isinstance(error, ConnectTimeoutError | ReadTimeoutError)
            # one that is refused is of that class too
            if is_late and not isinstance(error, NewConnectionError):
                raise _LateError from error
            inner = error.args[-1] if error.args else None
            if isinstance(error, IncompleteRead) or isinstance(inner, IncompleteRead):
                raise CacheError(_TOO_EARLY) from error
            is_odd = isinstance(error, ProtocolError | InvalidHeader) and not isinstance(inner, OSError)
            raise CacheError(*((_NO_HTTP,) if is_odd else ("cannot be reached", _why(error)))) from error
        except OSError as error:
            raise CacheError("cannot be reached", error.strerror or type(error).__name__) from error
        except ValueError as error:
            raise CacheError(_NO_HTTP) from error


class _LateError(Exception):
    """A request took too long."""


class _StoppedError(Exception):
    """A request was ended from here."""


class _Call:
    """One request.

    :param limit: bytes of the reply at most
    :param sink: takes its pieces
    :param fd: a file that is written to, or sent; it is closed in the end
    :param size: bytes that are sent
    """

    def __init__(
        self,
        method: str,
        path: str,
        limit: int = 0,
        sink: Callable[[bytes], object] | None = None,
        *,
        fd: int = -1,
        body: bytes = b"",
        size: int = 0,
    ) -> None:
        self.method = method
        self.path = path
        self.limit = limit
        self.sink = sink
        self.fd = fd
        self.body = body
        self.size = size
        self.until = 0.0
        self.rate = inf
        """Bytes in a second: each piece of the reply moves the deadline by what it may take."""
        self.is_there = False
        self.is_given_up = self.is_stopped = False
        self.is_reused = False
        """Whether its connection has served another one before."""
        self.error: BaseException | None = None
        self.has_ended = threading.Event()
        self.connection: Any = None

    def close(self) -> None:
        """Close its file."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def give_up(self) -> None:
        """End it from another thread: what it waits for is over."""
        self.is_given_up = True
        with suppress(Exception):
            self.connection.sock.shutdown(2)


class _Threads:
    """Threads that make requests. They keep no process from ending, and none waits for them.

    :param most: how many there may be; further requests wait for one of them
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._queue: SimpleQueue[tuple[_Call, Callable[[], None]] | None] = SimpleQueue()
        self._count = self._busy = 0
        self._calls: set[_Call] = set()

    def do(self, call: _Call, work: Callable[[], None]) -> None:
        """Have a thread make a request, and wait for its end; raise what it raised, or that it is late."""
        with self._lock:
            self._busy += 1
            if self._busy > self._count and self._count < self._most:
                given = (self._queue,)
                thread = threading.Thread(target=self._body, args=given, name="treadle-http", daemon=True)
                try:
                    thread.start()
                    self._count += 1
                except RuntimeError:
                    if not self._count:
                        self._busy -= 1
                        call.close()
                        raise CacheError("cannot be asked", "no thread can be started") from None
            self._calls.add(call)
        self._queue.put((call, work))
        while not call.has_ended.wait(max(call.until - monotonic(), 0.0)):
            if monotonic() >= call.until:
                call.give_up()
                break
        with self._lock:
            self._calls.discard(call)
        if call.is_given_up:
            raise _StoppedError if call.is_stopped else _LateError
        if call.error is not None:
            raise call.error

    def stop(self) -> None:
        """End all requests."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.is_stopped = True
            call.give_up()
            call.has_ended.set()

    def close(self) -> None:
        """Let those end that have nothing to do."""
        with self._lock:
            queue, self._queue = self._queue, SimpleQueue()
            self._count = self._busy = 0
        queue.put(None)

    def _body(self, queue: SimpleQueue[tuple[_Call, Callable[[], None]] | None]) -> None:
        while (one := queue.get()) is not None:
            call, work = one
            try:
                if not call.is_given_up:
                    work()
            except BaseException as error:
                call.error = error
            call.close()
            with self._lock:
                if queue is self._queue:
                    self._busy -= 1
            call.has_ended.set()
        # for the next one: all are to end
        queue.put(None)


_CURRENT = threading.local()
"""The request that a thread makes."""


def _pool(address: Address) -> Any:
    try:
        from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
        from urllib3.connection import HTTPConnection, HTTPSConnection
    except ImportError:
        raise UsageError("a shared cache needs urllib3", hint="pip install 'treadle[cache]'") from None

    def noted(kind: Any) -> Any:
        """Return a class of connections each of which its request knows, so that it can be ended."""

        class Noted(kind):  # type: ignore[misc]
            def request(self, *given: Any, **named: Any) -> None:
                _CURRENT.call.connection = self
                _CURRENT.call.is_reused = self.sock is not None
                super().request(*given, **named)

        return Noted

    is_safe = address.scheme == "https"
    kind: Any = HTTPSConnectionPool if is_safe else HTTPConnectionPool
    try:
        pool = kind(address.host, address.port, maxsize=THREADS, block=False)
    except ValueError:
        # not shown: a user and a password may be a part of what is none of a host
        raise UsageError("the address of the shared cache has no host that can be") from None
    pool.ConnectionCls = noted(HTTPSConnection if is_safe else HTTPConnection)
    return pool


def _take(response: Any, call: _Call) -> None:
    """Take the reply to a request.

    :raises CacheError: it is none that may be
    """
    status = response.status
    if call.method == "PUT":
        if status not in (200, 201, 202, 204):
            raise CacheError(_refused(status), f"HTTP {status}")
        call.is_there = True
        return
    if status == 404 or (call.method == "HEAD" and status in (405, 501)):
        return
    if status != 200:
        raise CacheError(_refused(status), f"HTTP {status}")
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise CacheError("sends what is encoded, and was not asked for that")
    length = response.headers.get("Content-Length", "")
    # an upload that was killed may have left a part of it
    call.is_there = call.method != "HEAD" or not length.isdigit() or int(length) == call.size
    if call.sink is None:
        return
    if length.isdigit() and int(length) > call.limit:
        # of an entry nothing was read: it costs no more than a miss, and a writer may replace it
        raise (UnusableEntryError if call.path.startswith("ac/") else CacheError)(_TOO_MUCH, f"{length} bytes")
    total = 0
    while piece := response.read1(_PIECE):
        total += len(piece)
        if total > call.limit:
            raise CacheError(_TOO_MUCH, f"over {call.limit} bytes")
        if call.is_given_up or monotonic() > call.until:
            raise _LateError
        call.sink(piece)
        call.until += len(piece) / call.rate
    if length.isdigit() and total != int(length):
        raise CacheError(_TOO_EARLY, f"{total} of {length} bytes")


def _finish(response: Any) -> None:
    """Give the connection back, or close it if more is coming than is worth reading."""
    with suppress(Exception):
        left = _REST
        while left > 0 and (piece := response.read1(left)):
            left -= len(piece)
        if left <= 0:
            response.close()
    with suppress(Exception):
        response.release_conn()


def _refused(status: int) -> str:
    if status in (401, 403):
        return "refuses the credentials, or that there are none"
    if 300 <= status < 400 and status != 304:
        return "sends elsewhere, which is not followed"
    return "fails" if status >= 500 or status == 429 else "refuses a request"


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _why(error: BaseException) -> str:
    """Return in words why there is no reply: what the system says, never an address."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = (
            getattr(seen, "reason", None)
            if isinstance(getattr(seen, "reason", None), BaseException)
            else (seen.__cause__ or seen.__context__)
        )
    return type(error).__name__
