"""HttpCache: requests end by deadlines of our own, and nothing that a server sends is more than a miss or a fault."""

from __future__ import annotations

import gzip
import os
import socket
import threading
from contextlib import closing, suppress
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from cache_servers import Nginx, Server, StrictHandler, rude
from treadle import CacheError, Digest, HttpCache, UsageError
from treadle.cache.address import Address
from treadle.cache.base import EMPTY, ENTRY_LIMIT
from treadle.cache.http import Times
from treadle.cache.messages import ActionResult, encode_result
from treadle.cache.policy import Breaker
from treadle.testing import OutputCacheContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Reply = Callable[[StrictHandler, str, bytes], None]

pytest.importorskip("urllib3", exc_type=ImportError)

KEY = "ab" * 32
ENTRY = encode_result(ActionResult(stdout_raw=b"[]", worker="w"))
BLOB = b"0123456789" * 20_000
DIGEST = Digest(sha256(BLOB).hexdigest(), len(BLOB))
SHORT = Times(connect=0.3, entry=0.3, blob=0.3, rate=1e9)
"""Times that no server which answers at all needs."""


class TestOnNginx(OutputCacheContract):
    @pytest.fixture(autouse=True)
    def _serve(self, nginx: Nginx) -> None:
        self.nginx = nginx

    def make_cache(self, folder: str) -> HttpCache:
        del folder
        return HttpCache(self.nginx.url(), writable=True)


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


def keep(server: Server) -> None:
    """Have a server keep an entry and a blob."""
    server.entries[KEY] = ENTRY
    server.blobs[DIGEST.hash] = BLOB


def test_an_entry_comes_back_from_a_server_that_encodes_it_anew(server: Server, tmp_path: Path) -> None:
    """W4, W5: what is there is another message; and the empty blob is neither asked for nor sent."""
    cache = HttpCache(server.url, writable=True)
    (tmp_path / "blob").write_bytes(BLOB)
    (tmp_path / "empty").touch()
    cache.put_blob(DIGEST, str(tmp_path / "blob"))
    cache.put_blob(EMPTY, str(tmp_path / "empty"))
    cache.put_entry(KEY, ENTRY)
    assert cache.get_entry(KEY, ENTRY_LIMIT) == ENTRY + b"\xfa\x01\x03own"
    assert cache.get_blob(DIGEST, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == BLOB
    assert [one for one in server.requests if EMPTY.hash in one[1]] == []
    cache.close(0)


def test_a_large_blob_that_is_there_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    keep(server)
    (tmp_path / "blob").write_bytes(BLOB)
    HttpCache(server.url, writable=True).put_blob(DIGEST, str(tmp_path / "blob"))
    assert [method for method, _, _ in server.requests] == ["HEAD"]


def test_a_request_says_what_it_takes_and_is_let_in_by_its_token(server: Server) -> None:
    """W8, T8."""
    keep(server)
    HttpCache(server.url, "t0ken").get_entry(KEY, ENTRY_LIMIT)
    headers = server.requests[0][2]
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Authorization"] == "Bearer t0ken"
    HttpCache(server.url.replace("://", "://ann:ge%20heim@"), "").get_entry(KEY, ENTRY_LIMIT)
    assert server.requests[1][2]["Authorization"] == "Basic YW5uOmdlIGhlaW0="


def raw(data: bytes) -> Reply:
    return lambda handler, _, __: _send(handler, data)


def _send(handler: StrictHandler, data: bytes) -> None:
    handler.wfile.write(data)
    handler.wfile.flush()


def drip(handler: StrictHandler, data: bytes, first: bytes = b"") -> None:
    """Send one byte each time until the server is closed: each read of a client ends well."""
    _send(handler, first)
    while not handler.server_of_test.goes_on.wait(0.02):
        _send(handler, data)


def endless(handler: StrictHandler, _: str, __: bytes) -> None:
    _send(handler, b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        _send(handler, bytes(1 << 16))


def silent(handler: StrictHandler, _: str, __: bytes) -> None:
    handler.server_of_test.goes_on.wait()


def packed(handler: StrictHandler, _: str, body: bytes) -> None:
    handler.reply(200, gzip.compress(body), Content_Encoding="gzip")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
FAULTS: dict[str, tuple[Reply, str]] = {
    "500": (lambda handler, _, __: handler.reply(500), "fails: HTTP 500"),
    "503 with Retry-After": (lambda handler, _, __: handler.reply(503, Retry_After="1"), "fails: HTTP 503"),
    "429": (lambda handler, _, __: handler.reply(429, Retry_After="1"), "fails: HTTP 429"),
    "401": (lambda handler, _, __: handler.reply(401), "refuses the credentials"),
    "403": (lambda handler, _, __: handler.reply(403), "refuses the credentials"),
    "400": (lambda handler, _, __: handler.reply(400), "refuses a request"),
    "302": (lambda handler, _, __: handler.reply(302, Location="http://127.0.0.1:1/x"), "sends elsewhere"),
    "301 to itself": (lambda handler, path, _: handler.reply(301, Location=path), "sends elsewhere"),
    "206": (lambda handler, _, body: handler.reply(206, body), "refuses a request"),
    "compressed": (packed, "sends what is encoded"),
    "longer": (lambda handler, _, body: handler.reply(200, body + bytes(ENTRY_LIMIT)), "sends more than it may"),
    "endless": (endless, "sends more than it may"),
    "short": (raw(HEAD % 1000 + b"short"), "e"),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "sends a reply that is not valid"),
    "nothing": (raw(b""), "cannot be reached"),
    "headers without end": (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000), "sends a reply that is not valid"),
    "a negative length": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + bytes(5 << 20)), "sends more"),
    "broken chunks": (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "not valid"),
    "a huge chunk": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n" + bytes(5 << 20)),
        "sends more",
    ),
    "a chunk without end of its line": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a" * 200_000),
        "not valid",
    ),
    "trailers without end": (
        lambda handler, _, __: drip(
            handler, b"X: y\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        ),
        "does not answer in time",
    ),
    "two lengths": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "not valid"),
    "a length that is no number": (
        raw("HTTP/1.1 200 OK\r\nContent-Length: ²\r\n\r\nab".encode("latin-1")),
        "not valid",
    ),
    "a length of 5,000 digits": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\nab"),
        "not valid",
    ),
    "continue without end": (
        lambda handler, _, __: drip(handler, b"HTTP/1.1 100 Continue\r\n\r\n", b""),
        "does not answer in time",
    ),
    "early hints": (raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"), "refuses a request: HTTP 103"),
    "another protocol": (raw(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"), "refuses a request: HTTP 101"),
    "304": (lambda handler, _, __: handler.reply(304), "refuses a request: HTTP 304"),
    "307": (lambda handler, _, __: handler.reply(307, Location="http://127.0.0.1:1/x"), "sends elsewhere"),
    "a second encoding": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\nab"),
        "sends what is encoded",
    ),
    "an escape in its words": (raw(b"HTTP/1.1 500 \x1b[31m\r\nContent-Length: 0\r\n\r\n"), "fails: HTTP 500$"),
    "silent": (silent, "does not answer in time"),
    "slow headers": (lambda handler, _, __: drip(handler, b"X: y\r\n", b"HTTP/1.1 200 OK\r\n"), "does not answer"),
    "a slow status": (lambda handler, _, __: drip(handler, b" ", b"HTTP/1.1 200"), "does not answer in time"),
    "a slow body": (lambda handler, _, __: drip(handler, b"x", HEAD % 100_000), "does not answer in time"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_server_that_misbehaves_is_a_fault_in_bounded_time(name: str, tmp_path: Path) -> None:
    """T1, T2, case 36, case 37: entries and blobs; nothing is left where the blob was to be."""
    reply, said = FAULTS[name]
    with closing(Server(rude(reply))) as server:
        keep(server)
        for number in range(2):
            cache = HttpCache(server.url, times=SHORT)
            began = monotonic()
            with pytest.raises(CacheError, match=said):
                _ = cache.get_blob(DIGEST, str(tmp_path / "blob")) if number else cache.get_entry(KEY, ENTRY_LIMIT)
            assert monotonic() - began < 3
            assert not (tmp_path / "blob").exists()
        assert len(server.requests) == 2, "it was followed or tried again"


def test_a_length_that_is_only_said_gives_no_time(tmp_path: Path) -> None:
    """T1, T6: a terabyte at a megabyte a second would be eleven days; what has come counts."""

    def slowly(handler: StrictHandler, _: str, __: bytes) -> None:
        drip(handler, b"x", HEAD % (1 << 40))

    with closing(Server(rude(slowly), always=True)) as server:
        cache = HttpCache(server.url, times=SHORT._replace(rate=1e4))
        began = monotonic()
        with pytest.raises(CacheError, match="does not answer in time"):
            cache.get_blob(Digest("ab" * 32, 1 << 40), str(tmp_path / "blob"))
        assert monotonic() - began < 3


def test_what_comes_as_fast_as_it_should_has_the_time_it_takes(tmp_path: Path) -> None:
    """T1: it lasts longer than the limit for what does not come at all."""
    pieces = [bytes([number]) * 1000 for number in range(10)]
    data = b"".join(pieces)
    digest = Digest(sha256(data).hexdigest(), len(data))

    def steadily(handler: StrictHandler, _: str, __: bytes) -> None:
        _send(handler, HEAD % len(data))
        for piece in pieces:
            _send(handler, piece)
            handler.server_of_test.goes_on.wait(0.05)

    with closing(Server(rude(steadily), always=True)) as server:
        # five times as long for each piece as it takes
        cache = HttpCache(server.url, times=SHORT._replace(rate=4e3))
        began = monotonic()
        assert cache.get_blob(digest, str(tmp_path / "blob"))
        assert monotonic() - began > SHORT.blob
        assert (tmp_path / "blob").read_bytes() == data


def test_what_is_not_there_is_a_miss_and_no_fault(server: Server, tmp_path: Path) -> None:
    """T1."""
    cache = HttpCache(server.url)
    for _ in range(5):
        assert cache.get_entry(KEY, ENTRY_LIMIT) is None
        assert not cache.get_blob(DIGEST, str(tmp_path / "blob"))
    assert os.listdir(tmp_path) == []
    assert len(server.requests) == 10


def test_a_refused_connection_is_a_fault_and_after_three_it_is_not_tried(tmp_path: Path) -> None:
    """T1, case 34."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        cache = HttpCache(f"http://127.0.0.1:{sock.getsockname()[1]}")
    began = monotonic()
    for _ in range(1000):
        with pytest.raises(CacheError, match="cannot be reached"):
            cache.get_entry(KEY, ENTRY_LIMIT)
        with pytest.raises(CacheError, match="cannot be reached"):
            cache.get_blob(DIGEST, str(tmp_path / "blob"))
    assert monotonic() - began < 2
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "most"), [("silent", 1), ("a slow body", 1), ("500", 3), ("401", 3)])
def test_after_one_late_reply_or_three_faults_it_is_not_asked_any_more(name: str, most: int) -> None:
    """T1, case 35: added time at most one time limit."""
    with closing(Server(rude(FAULTS[name][0]), always=True)) as server:
        keep(server)
        # what answers at once is not late on a busy machine
        cache = HttpCache(server.url, times=SHORT if most == 1 else None)
        began = monotonic()
        kinds = set()
        for _ in range(100):
            with pytest.raises(CacheError) as caught:
                cache.get_entry(KEY, ENTRY_LIMIT)
            kinds.add(caught.value.kind)
        assert monotonic() - began < SHORT.entry + 1
        assert len(server.requests) == most
        assert len(kinds) == 1, "one line is enough"


def test_many_threads_wait_one_time_limit_together() -> None:
    """T1: all that were on their way end at about the same time."""
    with closing(Server(rude(silent))) as server:
        keep(server)
        cache = HttpCache(server.url, times=SHORT)
        faults: list[str] = []

        def ask() -> None:
            for _ in range(10):
                try:
                    cache.get_entry(KEY, ENTRY_LIMIT)
                except CacheError as error:
                    faults.append(error.kind)

        began = monotonic()
        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert monotonic() - began < SHORT.entry + 1
        assert len(faults) == 120


def test_what_waits_for_a_server_ends_at_once_when_the_run_is_to_end() -> None:
    """F2: Ctrl-C does not wait."""
    with closing(Server(rude(silent))) as server:
        keep(server)
        cache = HttpCache(server.url)
        found: list[str] = []

        def ask() -> None:
            try:
                cache.get_entry(KEY, ENTRY_LIMIT)
            except CacheError as error:
                found.append(error.kind)

        thread = threading.Thread(target=ask)
        thread.start()
        while not server.requests:
            thread.join(0.001)
        cache.stop()
        thread.join(2)
        assert found == ["is not waited for, as the run is to end"]


@pytest.mark.parametrize("method", ["put_blob", "put_entry"])
def test_a_server_that_takes_nothing_is_a_fault(method: str, tmp_path: Path) -> None:
    """Case 41."""

    class Full(StrictHandler):
        def put(self, kind: str, name: str, body: bytes) -> tuple[int, bytes]:
            del kind, name, body
            return 507, b"full"

    (tmp_path / "blob").write_bytes(BLOB)
    with closing(Server(Full)) as server:
        cache = HttpCache(server.url, writable=True)
        puts: dict[str, Callable[[], None]] = {
            "put_blob": lambda: cache.put_blob(DIGEST, str(tmp_path / "blob")),
            "put_entry": lambda: cache.put_entry(KEY, ENTRY),
        }
        with pytest.raises(CacheError, match="fails: HTTP 507"):
            puts[method]()


def test_it_works_again_after_a_pause() -> None:
    """T1: in `--watch`."""
    breaker = Breaker(60.0)
    for now in (0.0, 1.0):
        breaker.failed("fails", now)
        assert not breaker.is_open(now)
    breaker.worked()
    for now in (2.0, 3.0, 4.0):
        breaker.failed("fails", now)
    assert breaker.is_open(63.9)
    assert not breaker.is_open(64.1)
    breaker.failed("is late", 65.0, is_late=True)
    assert breaker.is_open(66.0)
    forever = Breaker()
    forever.failed("is late", 0.0, is_late=True)
    assert forever.is_open(1e12)


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [
        ("", "", "is no address of http or https"),
        ("cache.example", "", "is no address of http or https"),
        ("ftp://ann:geheim@h/", "", "is no address of http or https"),
        ("file:///etc", "", "is no address of http or https"),
        ("https://", "", "is no address of http or https"),
        ("https://h:x/", "", "is no address"),
        ("https://ann:geheim@h/?q=geheim", "", "has a query"),
        ("https://h/a b", "", "has a query, a fragment or letters"),
        ("https://h/\r\nX: y", "", "letters that no address may have"),
        ("http://h/", "geheim", "shows what is sent"),
        ("http://ann:geheim@h/", "", "shows what is sent"),
        ("http://127.0.0.1.example/", "geheim", "shows what is sent"),
        ("https://ann:geheim@h%00x/", "", "no host that can be"),
        ("https://h/", "geheim\r\nX: y", "the token for the shared cache has characters"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_never_shown(url: str, token: str, said: str) -> None:
    """T8."""
    with pytest.raises(UsageError, match=said) as caught:
        HttpCache(url, token)
    assert "geheim" not in f"{caught.value} {caught.value.hint}"


def test_an_address_shows_nothing_that_lets_in() -> None:
    """T8."""
    address = Address.of("https://ann:geheim@cache.example:8443/team/", "t0ken")
    assert str(address) == "https://cache.example:8443/team"
    assert "geheim" not in repr(address)
    assert "t0ken" not in repr(address)
    assert str(Address.of("http://[::1]/x", "t0ken")) == "http://[::1]/x"
    assert str(Address.of("http://localhost", "t0ken")) == "http://localhost"


def test_of_faults_in_a_row_the_first_is_reported() -> None:
    """T1: requests that were under way when a server failed have faults of their own."""
    breaker = Breaker(60.0)
    breaker.failed("fails", 1.0)
    breaker.failed("cannot be reached", 1.0)
    assert breaker.why == "fails"
    breaker.failed("is late", 1.0, is_late=True)
    breaker.failed("cannot be reached", 2.0)
    assert breaker.why == "fails"
    breaker.worked()
    breaker.failed("is late", 70.0, is_late=True)
    assert breaker.why == "is late"


@pytest.mark.parametrize("what", ["an entry", "a blob", "a large upload"])
def test_a_connection_that_was_closed_when_it_is_used_again_is_no_fault(tmp_path: Path, what: str) -> None:
    """T1: what was sent on it is sent once more on a new one, whole."""
    closed: list[int] = []

    class Closing(StrictHandler):
        has_served = False

        def _serve_one(self) -> None:
            if self.has_served:
                # it ends without a reply, as for a server that closes it at this moment
                self.close_connection = True
                closed.append(1)
                return
            self.has_served = True
            super()._handle()

        do_GET = do_HEAD = do_PUT = _serve_one  # noqa: N815 (the names are those of the library)

    with closing(Server(Closing)) as server:
        keep(server)
        cache = HttpCache(server.url, writable=True)
        path = tmp_path / "new"
        path.write_bytes(b"abc" * 100_000)
        digest = Digest(sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
        for number in range(6):
            if what == "an entry":
                assert cache.get_entry(KEY, ENTRY_LIMIT) == server.entries[KEY]
            elif what == "a blob":
                assert cache.get_blob(DIGEST, str(tmp_path / f"blob{number}"))
            else:
                server.blobs.pop(digest.hash, None)
                cache.put_blob(digest, str(path))
                assert server.blobs[digest.hash] == path.read_bytes()
        assert closed, "a connection was used again"


TLS: dict[str, tuple[bytes, bytes, str]] = {
    "silence": (b"", b"", "does not answer in time"),
    "plain HTTP": (b"HTTP/1.1 400 Bad\r\n\r\n", b"", "cannot be reached"),
    "a handshake that drips": (b"\x16\x03\x03\x40\x00", b"\x02", "does not answer in time"),
    "an alert": (b"\x15\x03\x01\x00\x02\x02\x28", b"", "cannot be reached"),
}


@pytest.mark.parametrize("name", TLS)
def test_a_handshake_that_fails_is_a_fault_in_bounded_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """T1, case 36: and no proxy of the environment is asked instead."""
    first, rest, said = TLS[name]
    is_over = threading.Event()

    def answer(listening: socket.socket) -> None:
        with suppress(OSError):
            sock, _ = listening.accept()
            with sock:
                sock.recv(1 << 16)
                sock.sendall(first)
                if said.startswith("does not"):
                    while not is_over.wait(0.02):
                        sock.sendall(rest)

    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as proxy:
        for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        thread = threading.Thread(target=answer, args=(listening,), daemon=True)
        thread.start()
        # what answers at once is not late on a busy machine
        times = SHORT if said.startswith("does not") else None
        cache = HttpCache(f"https://127.0.0.1:{listening.getsockname()[1]}", times=times)
        began = monotonic()
        with pytest.raises(CacheError, match=said):
            cache.get_entry(KEY, ENTRY_LIMIT)
        assert monotonic() - began < (3 if times else Times().entry + 1)
        is_over.set()
        thread.join(30)
        proxy.settimeout(0.01)
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_a_blob_that_ended_too_early_is_sent_whatever_the_server_says_of_it(tmp_path: Path) -> None:
    """Case 41: HEAD tells its whole length, and there is a part of it."""
    data = b"abc" * 100_000
    digest = Digest(sha256(data).hexdigest(), len(data))

    def cut(handler: StrictHandler, _: str, body: bytes) -> None:
        _send(handler, HEAD % len(body) + body[:1000])

    with closing(Server(rude(cut))) as server:
        server.blobs[digest.hash] = data
        path = tmp_path / "new"
        path.write_bytes(data)
        cache = HttpCache(server.url, writable=True)
        cache.put_blob(digest, str(path))
        assert [one[0] for one in server.requests] == ["HEAD"], "it says that it has it"
        with pytest.raises(CacheError, match="ends a reply too early"):
            cache.get_blob(digest, str(tmp_path / "blob"))
        assert not cache.has_blob(digest)
        cache.put_blob(digest, str(path))
        assert server.requests[-1][0] == "PUT"
        assert cache.has_blob(digest)
