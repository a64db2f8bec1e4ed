"""Uploads that are killed half way, and runs that use one store at the same time, by the real command."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import waiting
from cache_servers import Nginx, Server, StrictHandler
from project import Project
from treadle.cache.entry import decode_entry, expand
from treadle.cache.messages import decode_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytest.importorskip("urllib3", exc_type=ImportError)

LARGE = 48 << 20
PLAN = """
treadle: 1
cache: {shared: "URL"}
defaults: {cache: true}
actions:
  large: {sh: 'echo large >> $LOG; cp ${in} ${out}', in: in, out: out/large, pass: [LOG]}
  small: {sh: 'echo small >> $LOG; cut -c1-5 ${in} | head -n1 > ${out}', in: in, out: out/small, pass: [LOG]}
  tree: {sh: 'echo tree >> $LOG; for n in 1 2 3; do head -c ${n}00000 ${in} > ${out}/$n; done', in: in, out: tree/,
    foreach: {n: [1]}, pass: [LOG]}
"""
PLAN = PLAN.replace("${n}00000", '"$n"00000').replace("    foreach: {n: [1]}, pass", "    pass")
ALL = ["large", "small", "tree"]


@pytest.fixture
def text() -> bytes:
    """Bytes that do not repeat: a part of them is none of the whole."""
    piece = random.Random(1).randbytes(1 << 20).hex().encode()
    return (b"first\n" + piece * 24)[:LARGE]


def clone(folder: Path, name: str, url: str, text: bytes) -> Project:
    """Return a clone with a local cache of its own."""
    project = Project(folder / name)
    project.environ["TREADLE_CACHE_DIR"] = str(folder / f"{name}.store")
    project.environ.pop("TREADLE_CACHE", None)
    project.write("plan", PLAN.replace("URL", url))
    project.write("in", text)
    return project


def digests(project: Project) -> dict[str, str]:
    """Return path -> SHA-256 of all outputs."""
    return {
        path.relative_to(project.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for top in ("out", "tree")
        for path in sorted((project.folder / top).rglob("*"))
        if path.is_file()
    }


def check_whole(entries: Mapping[str, bytes], blob: Callable[[str], bytes | None]) -> None:
    """Check that all that entries name is there, and is what its name says."""
    for key, body in entries.items():
        if decode_result(body).note is None:
            continue
        entry = decode_entry(body, key)
        named = [one.digest for one in entry.files] + ([entry.log] if entry.log is not None else [])
        for folder in entry.folders:
            data = blob(folder.digest.hash)
            assert data is not None
            named += [node.file.digest for node in expand(data, folder.path) if node.file is not None]
        for digest in named:
            data = blob(digest.hash)
            assert data is not None, "an entry is sent when all of its blobs are there"
            assert hashlib.sha256(data).hexdigest() == digest.hash


@pytest.fixture
def served() -> Iterator[Nginx]:
    if not shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        pytest.skip("no nginx here")
    with closing(Nginx()) as server:
        yield server


def on_nginx(server: Nginx) -> None:
    """Check all that a real server has."""
    data = server.data()

    def blob(name: str) -> bytes | None:
        path = data / "cas" / name
        return path.read_bytes() if path.exists() else None

    kept = {path.name: path.read_bytes() for path in data.glob("ac/*")}
    check_whole(kept, blob)
    for path in data.glob("cas/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, "nothing half is visible"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_upload_that_is_killed_half_way_leaves_nothing_that_counts(
    tmp_path: Path, served: Nginx, text: bytes, how: signal.Signals
) -> None:
    """Case 41: with a real server, in the middle of a large blob; what is there by then is right."""
    first = clone(tmp_path, "first", served.url(), text)
    child = first.start("run", "--cache=write")

    def is_half_way() -> bool:
        parts = [path.stat().st_size for path in (served.folder / "body").rglob("*") if path.is_file()]
        return child.poll() is not None or any(0 < size < LARGE for size in parts)

    waiting.until(is_half_way, "an upload that has begun")
    assert child.poll() is None
    child.send_signal(how)
    child.communicate(timeout=60)
    on_nginx(served)
    second = clone(tmp_path, "second", served.url(), text)
    assert second.treadle("run", "--cache=write").code == 0
    assert digests(second)["out/large"] == hashlib.sha256(text).hexdigest()
    on_nginx(served)
    third = clone(tmp_path, "third", served.url(), text)
    assert third.run() == []
    assert digests(third) == digests(second)


def until_moment(child: subprocess.Popen[str], seconds: float) -> None:
    """Wait until a run is to be killed, or has ended before."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)


def test_uploads_that_are_killed_at_any_moment_leave_what_is_right(
    tmp_path: Path, served: Nginx, text: bytes
) -> None:
    """Case 41, case 40: two clones send the same at once, and both are killed, again and again."""
    rng = random.Random(41)
    both = [clone(tmp_path, name, served.url(), text) for name in ("a", "b")]
    for number in range(6):
        for project in both:
            # of other bytes each time: what was sent before is not sent again
            project.write("in", f"{number}\n".encode() + text[: LARGE // 2])
        children = [project.start("run", "--cache=write") for project in both]
        until_moment(children[0], rng.uniform(0.2, 1.5))
        for child in children:
            child.kill()
        for child in children:
            child.communicate(timeout=60)
        on_nginx(served)
    for project in both:
        assert project.treadle("run", "--force", "--cache=write").code == 0
    assert digests(both[0]) == digests(both[1])
    on_nginx(served)
    third = clone(tmp_path, "third", served.url(), (both[0].folder / "in").read_bytes())
    assert third.run() == []
    assert digests(third) == digests(both[0])


class Naive(StrictHandler):
    """Keeps what has come of a body when its connection ends, as a server does that writes to the place itself."""

    def do_PUT(self) -> None:  # noqa: N802 (the name is that of the library)
        server = self.server_of_test
        kind, _, name = self.path.removeprefix("/team/").partition("/")
        left = int(self.headers["Content-Length"])
        kept = bytearray()
        most = server.given["most"]() if kind == "cas" and left > 1 << 20 else left
        while left and len(kept) < most and (piece := self.rfile.read(min(left, 1 << 16))):
            kept += piece
            left -= len(piece)
        (server.entries if kind == "ac" else server.blobs)[name] = bytes(kept)
        if left:
            server.given["half"].set()
            server.goes_on.wait()
        self.reply(200)

    def get(self, kind: str, name: str) -> tuple[int, bytes]:
        kept = (self.server_of_test.entries if kind == "ac" else self.server_of_test.blobs).get(name)
        return (404, b"") if kept is None else (200, kept)


@pytest.mark.parametrize("damage", ["half", "flipped"])
def test_a_half_blob_that_a_server_shows_is_a_miss_and_is_sent_again(
    tmp_path: Path, text: bytes, damage: str
) -> None:
    """Case 41, T2: the server lies; what a writer finds damaged, or of another size, it replaces."""
    half = threading.Event()
    most: list[int] = [1 << 20 if damage == "half" else LARGE]
    with closing(Server(Naive, half=half, most=lambda: most[0])) as server:
        first = clone(tmp_path, "first", server.url, text)
        if damage == "half":
            child = first.start("run", "--cache=write")
            assert half.wait(60)
            child.kill()
            child.communicate(timeout=60)
        else:
            assert first.run("--cache=write") == ALL
            name = hashlib.sha256(text).hexdigest()
            server.blobs[name] = text[:-1] + b"x"
        most[0] = LARGE
        # its entry may be there, as one that other writers have sent
        second = clone(tmp_path, "second", server.url, text)
        assert second.treadle("run", "--cache=write").code == 0
        assert digests(second)["out/large"] == hashlib.sha256(text).hexdigest()
        check_whole(server.entries, server.blobs.get)
        third = clone(tmp_path, "third", server.url, text)
        assert third.run() == []
        assert digests(third) == digests(second)


RANDOM = """
treadle: 1
cache: {local: {folder: user}}
defaults: {cache: true}
actions:
  a: {sh: 'cat ${in} > ${out}; sleep 0.01', in: [x, y], out: o/a}
  b: {sh: 'mkdir ${out}/d; cat ${in} | tee ${out}/d/1 > ${out}/2; ln -s d/1 ${out}/l', in: [o/a, z], out: t/}
  c: {sh: 'cat x h$(head -c1 z) > ${out}; echo "${out}: h$(head -c1 z) x z" > ${depfile}', in: [x, z], out: o/c,
    depfile: o/c.d}
  d: {sh: 'cat t/2 o/c > ${out}', in: [t/, o/c], out: o/d}
"""


def expected(files: Mapping[str, str]) -> dict[str, str]:
    """Return path -> text of what the plan makes."""
    a = files["x"] + files["y"]
    b = a + files["z"]
    c = files["x"] + files[f"h{files['z'][0]}"]
    return {"o/a": a, "t/d/1": b, "t/2": b, "t/l": b, "o/c": c, "o/d": b + c}


@pytest.mark.parametrize("seed", range(3))
def test_runs_that_use_one_store_at_once_end_with_the_bytes_of_a_clean_build(tmp_path: Path, seed: int) -> None:
    """L2, L7: two projects in one store, with edits, branches, evictions and kills between and during the runs."""
    rng = random.Random(seed)
    store = tmp_path / "store"
    both = [Project(tmp_path / name) for name in ("a", "b, with a longer name")]
    branches: list[dict[str, str]] = []
    restored = 0
    for project in both:
        project.environ["TREADLE_CACHE_DIR"] = str(store)
        project.environ.pop("TREADLE_CACHE", None)
        project.write("plan", RANDOM)
    for number in range(8):
        states = []
        for project in both:
            if branches and rng.random() < 0.6:
                files = rng.choice(branches)
            else:
                files = {name: f"{rng.randrange(2)} {name}\n" for name in ("x", "y", "z", "h0", "h1")}
                branches.append(files)
            states.append(files)
            for name, text in files.items():
                project.write(name, text)
        environ: dict[str, Any] = {"TREADLE_CACHE_SIZE": "2KB"} if rng.random() < 0.3 else {}
        if environ:
            for path in store.glob("*/*/*"):
                # old enough to be evicted; some are removed by the other run meanwhile
                if rng.random() < 0.5:
                    os.utime(path, (1, 1))
        children = [project.start("run", **environ) for project in both]
        killed = rng.randrange(len(both)) if rng.random() < 0.3 else None
        if killed is not None:
            until_moment(children[killed], rng.uniform(0.05, 0.6))
            children[killed].kill()
        for at, child in enumerate(children):
            out, err = child.communicate(timeout=60)
            assert at == killed or child.returncode == 0, out + err
            restored += int((re.search(r"(\d+) restored", out) or ["", "0"])[1])
        for at, (project, files) in enumerate(zip(both, states, strict=True)):
            if at == killed:
                assert project.treadle("run").code == 0
            made = {path: project.read(path) for path in expected(files)}
            assert made == expected(files), (number, project.folder.name)
            assert (project.folder / "t/l").is_symlink()
            assert project.treadle("run").out.startswith("nothing to do")
    assert restored > 0
    done = both[0].treadle("cache", "verify")
    assert (done.code, done.out.endswith("none damaged\n")) == (0, True), done.text
