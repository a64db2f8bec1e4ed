"""Servers of a shared cache for tests, on loopback: a real nginx, one with strict rules, and one that misbehaves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import waiting
from treadle.cache.messages import MessageError, decode_result, encode_result

if TYPE_CHECKING:
    from collections.abc import Callable

_CONF = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 128; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    root {folder}/data;
    location ~ "^/closed/(ac|cas)/[0-9a-f]+$" {{
      auth_basic "closed"; auth_basic_user_file {folder}/users;
      dav_methods PUT; create_full_put_path on; dav_access user:rw group:r all:r;
    }}
    location ~ "^/[a-z]+/(ac|cas)/[0-9a-f]+$" {{
      dav_methods PUT; create_full_put_path on; dav_access user:rw group:r all:r;
    }}
    location / {{ return 404; }}
  }}
}}
"""


def free_port() -> int:
    """Return a port on loopback that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


NGINX_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
"""Where nginx may be."""


class Nginx:
    """A real nginx with its `dav` module; each first part of a path is a store of its own.

    :param conf: its configuration in place of ours, for the port 8080 and the folder `/srv/cache`
    """

    def __init__(self, conf: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="treadle-nginx-", dir="/tmp"))
        self.port = free_port()
        for name in ("data", "body"):
            (self.folder / name).mkdir()
        user = ""
        if os.getuid() == 0:
            user = "user nobody nogroup;"
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, "nobody", "nogroup")
        (self.folder / "users").write_text("ann:{PLAIN}geheim\n")
        given = _CONF.format(folder=self.folder, port=self.port, user=user)
        if conf:
            # paths are those that a system has made for nginx, and here are none
            ours = given.partition("http {")[0] + "http {" + given.partition("http {")[2].partition("server {")[0]
            port = conf.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}").replace(
                "/srv/cache", f"{self.folder}/data"
            )
            given = ours + port.partition("http {")[2]
        (self.folder / "conf").write_text(given)
        self._process = subprocess.Popen(
            [
                shutil.which("nginx", path=NGINX_PATH) or "nginx",
                "-c",
                self.folder / "conf",
                "-p",
                self.folder,
                "-e",
                self.folder / "error.log",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        waiting.until(self._answers, "an answer of nginx")

    def _answers(self) -> bool:
        return _listens(self.port)

    def url(self, store: str = "team", login: str = "") -> str:
        """Return the address of a store."""
        return f"http://{login}127.0.0.1:{self.port}/{store}"

    def data(self, store: str = "team") -> Path:
        """Return the folder with the files of a store."""
        return self.folder / "data" / store

    def empty(self) -> None:
        """Remove all that is stored, and what was logged."""
        for path in (self.folder / "data").iterdir():
            shutil.rmtree(path)
        os.truncate(self.folder / "access.log", 0)

    def requests(self) -> list[str]:
        """Return the methods and paths of all requests."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [line.split('"')[1].rpartition(" ")[0] for line in lines]

    def close(self) -> None:
        """End it, and remove its folder."""
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self.folder)


class _Quiet(ThreadingHTTPServer):
    """Says nothing of a handshake that has failed, and of a client that has gone away."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


class Server:
    """A server in this process; a handler has `answer(method, path, body)`, which returns a status and a body."""

    def __init__(self, handler: type[BaseHTTPRequestHandler] | None = None, **given: Any) -> None:
        own = type("Own", (handler or StrictHandler,), {"server_of_test": self})
        self.entries: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.given = given
        self.goes_on = threading.Event()
        """Set when the server is closed: what waits in a handler goes on."""
        self._server = _Quiet(("127.0.0.1", 0), own)
        self._scheme = "http"
        if (context := given.get("context")) is not None:
            self._scheme = "https"
            # a handshake that fails is the end of a connection, and not of the server
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/team"

    def close(self) -> None:
        """End it."""
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class StrictHandler(BaseHTTPRequestHandler):
    """Has the rules of a strict server: an entry is decoded, completed and encoded anew, a blob has to fit its name.

    An entry of which a blob is missing is not there. The empty blob is always there.
    """

    protocol_version = "HTTP/1.1"
    server_of_test: Server

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        server = self.server_of_test
        server.requests.append((self.command, self.path, dict(self.headers)))
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.reply(*self.answer(self.command, self.path.removeprefix("/team/"), body))

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a reply."""
        with suppress(OSError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = _handle  # noqa: N815 (the names are those of the library)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Return a status and a body."""
        kind, _, name = path.partition("/")
        if kind not in ("ac", "cas") or len(name) != 64:
            return 400, b"no such path"
        return self.put(kind, name, body) if method == "PUT" else self.get(kind, name)

    def put(self, kind: str, name: str, body: bytes) -> tuple[int, bytes]:
        """Store something."""
        server = self.server_of_test
        if kind == "cas":
            if sha256(body).hexdigest() != name:
                return 400, b"the digest is wrong"
            server.blobs[name] = body
            return 200, b""
        try:
            result = decode_result(body)
        except MessageError as error:
            return 400, str(error).encode()
        if not result.worker:
            return 400, b"no worker"
        # it is encoded anew, with what this server adds: a field that is not known here
        server.entries[name] = encode_result(result) + b"\xfa\x01\x03own"
        return 200, b""

    def get(self, kind: str, name: str) -> tuple[int, bytes]:
        """Return something."""
        server = self.server_of_test
        kept = (server.entries if kind == "ac" else server.blobs).get(name)
        if kind == "cas" and name == sha256(b"").hexdigest():
            kept = b""
        if kept is None:
            return 404, b"not here"
        if kind == "ac":
            result = decode_result(kept)
            wanted = [one.digest for one in result.files] + [one.digest for one in result.folders]
            wanted += [result.stdout] if result.stdout is not None else []
            if any(one.size and one.hash not in server.blobs for one in wanted):
                return 404, b"a blob is missing"
        return 200, kept


def rude(reply: Callable[[StrictHandler, str, bytes], None]) -> type[StrictHandler]:
    """Return a handler that answers GET with what a function does, and all else as it should.

    :param reply: called with the handler, the path and the body that would be right
    """

    class Rude(StrictHandler):
        def do_GET(self) -> None:
            self.server_of_test.requests.append(("GET", self.path, dict(self.headers)))
            status, body = self.answer("GET", self.path.removeprefix("/team/"), b"")
            if status != 200 and "/ac/" in self.path and not self.server_of_test.given.get("always"):
                self.reply(status, body)
                return
            with suppress(OSError):
                reply(self, self.path, body)
            self.close_connection = True

    return Rude


_BUILDGRID = """
server:
  - !channel
    address: "127.0.0.1:{port}"
    insecure-mode: true
authorization:
  method: none
storages:
  - !disk-storage &storage
    path: {folder}/storage
caches:
  - !lru-action-cache &cache
    storage: *storage
    max-cached-refs: 1024
    allow-updates: true
instances:
  - name: ''
    services:
      - !cas
        storage: *storage
      - !bytestream
        storage: *storage
      - !action-cache
        cache: *cache
"""


class BuildGrid:
    """A real BuildGrid server behind a front; it has the rules of a strict server.

    :param program: its `bgd`; the Python next to it runs the front
    """

    def __init__(self, program: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="treadle-buildgrid-", dir="/tmp"))
        port, front = free_port(), free_port()
        self.url = f"http://127.0.0.1:{front}"
        (self.folder / "conf.yml").write_text(_BUILDGRID.format(folder=self.folder, port=port))
        given: dict[str, Any] = {"cwd": self.folder, "stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = [program, "server", "start", "conf.yml"]
        script = Path(__file__).with_name("buildgrid_front.py")
        words = [str(Path(program).with_name("python")), str(script), str(front), f"127.0.0.1:{port}"]
        self._processes = [subprocess.Popen(one, stdout=subprocess.DEVNULL, **given) for one in (server, words)]
        for one in (port, front):
            waiting.until(lambda: _listens(one), "a BuildGrid that listens")  # noqa: B023

    def close(self) -> None:
        """End it, and remove its folder."""
        for process in self._processes:
            process.kill()
            process.wait(30)
        shutil.rmtree(self.folder)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
