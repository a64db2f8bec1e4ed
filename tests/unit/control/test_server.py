"""The socket of a run, with real sockets: what it takes, whom it hears, and what hostile clients do to it."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from treadle.control import server as module
from treadle.control import sockets
from treadle.control.apply import Answer
from treadle.control.client import UnreachableError, ask
from treadle.control.requests import LONGEST_REQUEST, Request
from treadle.control.server import MOST_CONNECTIONS, PATIENCE, Server
from treadle.errors import TreadleError

if TYPE_CHECKING:
    from treadle.control.server import Reply


class Run:
    """A server whose thread is the test, and which answers with what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.heard: list[Request] = []
        self.clients: list[socket.socket] = []
        self.users: list[int] = []
        self.replies: list[Reply] = []
        self.answers = True
        self.data: dict[str, Any] = {}
        self.folder = folder
        self.server = Server(str(folder), self.handle, lambda: self.now)

    def handle(self, request: Request, user: int, reply: Reply) -> None:
        self.heard.append(request)
        self.users.append(user)
        self.replies.append(reply)
        if self.answers:
            reply(Answer(True, request.verb, data=self.data))

    def client(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        self.clients.append(sock)
        sock.settimeout(10)
        fd = sockets.open_folder(self.server.path)
        sockets.connect(sock, fd, self.server.path)
        os.close(fd)
        return sock

    def serve(self) -> None:
        """Go round as often as a connection, its request and its answer take."""
        for _ in range(5):
            self.server.serve()

    def close(self) -> None:
        self.server.close()
        for sock in self.clients:
            sock.close()

    def told(self, sock: socket.socket, said: bytes = b"") -> Any:
        """Return what a client is answered; b"" if it is closed without a word."""
        if said:
            sock.sendall(said)
        for _ in range(100):
            self.server.serve()
        sock.setblocking(False)
        found = b""
        try:
            while piece := sock.recv(1 << 20):
                found += piece
                self.server.serve()
        except ConnectionResetError:
            # it has sent more than was read
            pass
        return json.loads(found) if found else b""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    made.server.open()
    yield made
    made.close()
    assert not (tmp_path / "control/socket").exists()


PAUSE = b'{"verb": "pause", "id": "1"}\n'


def test_the_socket_is_for_its_owner_alone(run: Run) -> None:
    """K2."""
    place = run.folder / "control"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / "socket").stat().st_mode) == 0o600


def test_a_request_is_heard_with_its_user_and_answered(run: Run) -> None:
    assert run.told(run.client(), PAUSE) == {"ok": True, "text": "pause"}
    assert run.users == [os.geteuid()]


def test_the_socket_is_closed_to_others_whatever_its_modes_are(run: Run) -> None:
    """K2: the kernel says who is at the other end."""
    if os.geteuid() != 0:
        pytest.skip("another user is needed")
    for path in (*reversed(run.folder.parents), run.folder, run.folder / "control"):
        if path.stat().st_uid == 0 and not path.stat().st_mode & stat.S_IXOTH:
            path.chmod(0o755)
    (run.folder / "control/socket").chmod(0o777)
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(20)
                sock.connect(str(run.folder / "control/socket"))
                sock.sendall(PAUSE)
                os.write(told, b"x")
                try:
                    code = 0 if sock.recv(100) == b"" else 1
                except ConnectionResetError:
                    code = 0
        finally:
            os._exit(code)
    os.close(told)
    os.read(ready, 1)
    os.close(ready)
    for _ in range(10):
        run.serve()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run.heard == []


NOT_UNDERSTOOD = {
    "no JSON": b"pause\n",
    "nothing": b"\n",
    "two values": b"{} {}\n",
    "not text": b"\xff\xfe\x00\n",
    "a command of a shell": b"$(touch x)\n",
    "HTTP": b"GET / HTTP/1.1\n",
    "a deep one": b"[" * 200_000 + b"\n",
    "numbers of any size": b"9" * 100_000 + b"\n",
    "no number": b'{"verb": "set", "id": "1", "max_running": NaN}\n',
    "names twice": b'{"verb": "pause", "verb": "stop", "id": "1", "x": 1}\n',
}


@pytest.mark.parametrize("kind", NOT_UNDERSTOOD)
def test_what_is_no_request_is_refused_and_others_go_on(run: Run, kind: str) -> None:
    """K1."""
    before = run.client()
    told = run.told(run.client(), NOT_UNDERSTOOD[kind])
    assert told["ok"] is False
    assert run.heard == []
    assert run.told(before, PAUSE)["ok"]


def test_a_request_that_is_too_long_is_refused(run: Run) -> None:
    sock = run.client()
    sock.setblocking(False)
    sent = 0
    with suppress(BrokenPipeError, ConnectionResetError):
        while sent < 4 * LONGEST_REQUEST:
            try:
                sent += sock.send(b"x" * 65536)
            except BlockingIOError:
                run.serve()
    assert sent < LONGEST_REQUEST + (1 << 20)
    assert run.heard == []
    assert run.told(run.client(), PAUSE)["ok"]


def test_a_request_may_come_in_pieces(run: Run) -> None:
    sock = run.client()
    for at in range(len(PAUSE)):
        sock.sendall(PAUSE[at : at + 1])
        run.serve()
    assert run.told(sock)["ok"]


def test_half_a_request_is_closed_after_a_while_and_holds_up_nothing(run: Run) -> None:
    slow, silent = run.client(), run.client()
    slow.sendall(PAUSE[:-1])
    run.serve()
    assert run.told(run.client(), PAUSE)["ok"]
    run.now += PATIENCE
    assert run.told(slow) == b""
    assert run.told(silent) == b""
    assert len(run.heard) == 1


def test_what_follows_a_request_is_no_other_one(run: Run) -> None:
    assert run.told(run.client(), PAUSE + PAUSE.replace(b"1", b"2"))["ok"]
    assert [one.id for one in run.heard] == ["1"]


def test_a_client_that_does_not_read_is_closed_after_a_while(run: Run) -> None:
    run.data = {"text": "x" * (1 << 24)}
    sock = run.client()
    sock.sendall(PAUSE)
    run.serve()
    run.serve()
    assert len(run.server._connections) == 1
    run.now += PATIENCE
    run.server.close_late()
    assert run.server._connections == {}


def test_a_large_answer_arrives_whole(run: Run) -> None:
    run.data = {"text": "x" * (1 << 22)}
    sock = run.client()
    sock.sendall(PAUSE)
    sock.setblocking(False)
    found = b""
    while not found.endswith(b"\n"):
        run.serve()
        try:
            found += sock.recv(1 << 16)
        except BlockingIOError:
            continue
    assert len(json.loads(found)["state"]["text"]) == 1 << 22


def test_many_connections_leave_room_for_the_next(run: Run) -> None:
    idle = [run.client() for _ in range(MOST_CONNECTIONS)]
    run.serve()
    more = [run.client() for _ in range(MOST_CONNECTIONS)]
    assert run.told(run.client(), PAUSE)["ok"]
    assert len(run.server._connections) < MOST_CONNECTIONS
    assert run.told(idle[0]) == b""
    assert run.told(more[-1], PAUSE)["ok"]


def test_one_that_has_asked_is_not_closed_for_one_that_says_nothing(run: Run) -> None:
    run.answers = False
    asking = run.client()
    asking.sendall(PAUSE)
    run.serve()
    idle = [run.client() for _ in range(MOST_CONNECTIONS)]
    run.serve()
    run.replies[0](Answer(True, "late"))
    assert run.told(asking) == {"ok": True, "text": "late"}
    assert len(idle) == MOST_CONNECTIONS


def test_an_answer_to_one_that_has_gone_is_dropped(run: Run) -> None:
    run.answers = False
    sock = run.client()
    sock.sendall(PAUSE)
    run.serve()
    sock.close()
    run.replies[0](Answer(True, "late"))
    run.serve()
    assert run.server._connections == {}
    run.replies[0](Answer(True, "again"))
    run.serve()


def test_an_answer_after_the_end_is_dropped(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.answers = False
    run.server.open()
    sock = run.client()
    sock.sendall(PAUSE)
    run.serve()
    run.server.close()
    run.replies[0](Answer(True, "late"))
    run.serve()
    assert sock.recv(10) == b""
    run.close()


IN_THE_WAY = {
    "a socket of before": "socket",
    "a file": "file",
    "a link to a file of ours": "link",
    "a link to nothing": "dangling",
    "a pipe": "pipe",
    "the folder is a link": "linked folder",
    "the folder is a file": "file for a folder",
    "others may enter the folder": "open folder",
}


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_what_is_in_the_place_of_the_socket_is_replaced_and_not_followed(tmp_path: Path, kind: str) -> None:
    """K4."""
    place, other = tmp_path / "run/control", tmp_path / "other"
    (tmp_path / "run").mkdir()
    other.mkdir()
    (other / "socket").write_text("ours")
    what = IN_THE_WAY[kind]
    if what == "linked folder":
        place.symlink_to(other)
    elif what == "file for a folder":
        place.write_text("")
    else:
        place.mkdir(mode=0o755)
    if what == "socket":
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(place / "socket"))
    elif what == "file":
        (place / "socket").write_text("x")
    elif what in ("link", "dangling"):
        (place / "socket").symlink_to(other / "socket" if what == "link" else other / "no")
    elif what == "pipe":
        os.mkfifo(place / "socket")
    run = Run(tmp_path / "run")
    run.server.open()
    assert run.told(run.client(), PAUSE)["ok"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert not place.is_symlink()
    run.close()
    assert (other / "socket").read_text() == "ours"
    assert os.listdir(other) == ["socket"]


@pytest.mark.parametrize("what", ["a folder for a socket", "a folder of another user"])
def test_where_none_can_be_made_it_is_an_error_that_leaves_nothing_open(tmp_path: Path, what: str) -> None:
    """K4."""
    place = tmp_path / "control"
    place.mkdir()
    if what == "a folder for a socket":
        (place / "socket").mkdir()
    elif os.geteuid() != 0:
        pytest.skip("another user is needed")
    else:
        os.chown(place, 65534, 65534)
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    run = Run(tmp_path)
    with pytest.raises((OSError, TreadleError)):
        run.server.open()
    if before:
        assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("way", ["by the descriptor of its folder", "by a link"])
def test_a_path_may_be_longer_than_sockets_allow(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """K4."""
    if way == "by a link":
        exists = os.path.exists
        monkeypatch.setattr(os.path, "exists", lambda path: not str(path).startswith("/proc/") and exists(path))
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    folder = tmp_path / ("long" * 50) / ("name" * 50)
    folder.mkdir(parents=True)
    run = Run(folder)
    run.server.open()
    assert run.told(run.client(), PAUSE)["ok"]
    run.close()


def _stale(place: Path) -> None:
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(place / "socket"))


NO_RUN = {
    "no folder": lambda place: None,
    "no socket": lambda place: place.mkdir(mode=0o700),
    "a socket that nothing listens at": _stale,
}


@pytest.mark.parametrize("kind", NO_RUN)
def test_a_client_is_told_where_nothing_listens(tmp_path: Path, kind: str) -> None:
    NO_RUN[kind](tmp_path / "control")
    with pytest.raises(UnreachableError):
        ask(str(tmp_path), {"verb": "state"})


NOT_OURS = {
    "a link to a socket": lambda place, real: (place / "socket").symlink_to(real / "control/socket"),
    "a file": lambda place, real: (place / "socket").write_text(""),
    "a folder that others may enter": lambda place, real: place.chmod(0o755),
}


@pytest.mark.parametrize("kind", NOT_OURS)
def test_a_client_trusts_only_a_socket_in_a_folder_of_its_user(tmp_path: Path, kind: str) -> None:
    real = Run(tmp_path / "real")
    real.folder.mkdir()
    real.server.open()
    place = tmp_path / "other/control"
    place.mkdir(parents=True, mode=0o700)
    NOT_OURS[kind](place, real.folder)
    with pytest.raises(TreadleError) as error:
        ask(str(tmp_path / "other"), {"verb": "state"})
    assert not isinstance(error.value, UnreachableError)
    real.server.close()
    assert real.heard == []


@pytest.mark.parametrize("said", [b"", b"{", b"[]\n", b'{"ok": 1}\n', b'{"ok": true, "text": 5}\n', b"[" * 100_000])
def test_a_client_takes_no_nonsense_for_an_answer(tmp_path: Path, said: bytes) -> None:
    from threading import Thread

    place = tmp_path / "control"
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "socket"))
        listening.listen(1)

        def serve() -> None:
            sock, _ = listening.accept()
            with sock:
                sock.recv(100)
                sock.sendall(said)

        thread = Thread(target=serve)
        thread.start()
        with pytest.raises(UnreachableError):
            ask(str(tmp_path), {"verb": "state"}, 10)
        thread.join()


def test_the_bounds_are_those_of_the_page() -> None:
    assert (module.PATIENCE, module.MOST_CONNECTIONS, LONGEST_REQUEST) == (5.0, 32, 1 << 20)
