"""What a worker has to see before it runs anything of a run (E5), and what it tells of itself."""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from treadle import Attempt, UsageError, __version__
from treadle.core.lease import Lease
from treadle.engines import shared_folder
from treadle.engines.agent import Agent
from treadle.engines.probing import Expected
from treadle.engines.security import check_address, is_loopback
from treadle.engines.shared_folder import DelayedFolder, SharedFolder
from treadle.engines.spec import AttemptSpec, RunFolder, WorkerReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(str(tmp_path / "run"))
    made.make()
    shared_folder.write(made.lease, Lease(1, 60.0).text())
    return made


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[str]:
    """Return a file of which the lock is held."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield str(path)


def report_by(agent: Agent, spec: AttemptSpec) -> WorkerReport:
    """Have an agent run a spec; return its report."""
    shared_folder.write(spec.folder.spec(spec.token), spec.to_json())
    agent.take(spec.folder.spec(spec.token), 5.0)
    while not agent.is_idle:
        agent.work(0.05)
    agent.close()
    report = WorkerReport.from_json(Path(spec.folder.report(spec.token)).read_bytes())
    assert report is not None
    return report


def spec_of(folder: RunFolder, expected: Expected, **more: Any) -> AttemptSpec:
    attempt = Attempt([["/bin/sh", "-c", "exit 7"]], mark="run/a", environ={}, cwd="/")
    settings: dict[str, Any] = {"patience": 0.2, "expected": expected.as_data(), **more}
    return AttemptSpec("1-a", "a", 1, folder.path, attempt.as_data(), **settings)


def test_a_worker_that_sees_all_runs_the_attempt(folder: RunFolder, lock: str) -> None:
    expected = Expected.prepare(folder, lock)
    assert report_by(Agent(guards=False), spec_of(folder, expected)).code == 7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one, _: replace(one, token="other"), "does not see the folder"),
        (lambda one, path: replace(one, lock=str(path / "free")), "is locked"),
        (lambda one, path: replace(one, lock=str(path / "no" / "such")), "is locked"),
        (lambda one, _: replace(one, version="0.0.1"), f"it has Treadle {__version__}, the run 0.0.1"),
        (lambda one, _: replace(one, ahead=one.ahead + 100), "its clock is 100 s ahead of that of the run"),
        (lambda one, _: replace(one, ahead=one.ahead - 100), "its clock is 100 s behind that of the run"),
    ],
)
def test_a_worker_that_does_not_see_it_so_refuses_each_attempt_with_the_reason(
    folder: RunFolder, lock: str, tmp_path: Path, change: Callable[[Expected, Path], Expected], words: str
) -> None:
    (tmp_path / "free").touch()
    expected = change(Expected.prepare(folder, lock), tmp_path)
    report = report_by(Agent(guards=False), spec_of(folder, expected))
    assert (report.code, report.cause) == (None, "broken")
    assert words in report.error


def test_a_worker_waits_until_it_sees_the_folder_as_it_is(folder: RunFolder) -> None:
    """A network file system is late."""
    expected = Expected.prepare(folder)
    agent = Agent(guards=False, view=DelayedFolder(0.3))
    assert report_by(agent, spec_of(folder, expected, patience=10.0)).code == 7


def test_a_probe_starts_nothing_and_tells_what_the_worker_is_and_sees(folder: RunFolder, lock: str) -> None:
    expected = replace(Expected.prepare(folder, lock), version="0.0.1")
    programs = {"/bin/sh": "x", "/no/such": "y"}
    report = report_by(Agent(guards=False), spec_of(folder, expected, is_probe=True, programs=programs))
    assert report.code == 0
    assert report.seen is not None
    assert report.seen["treadle"] == __version__
    assert report.seen["programs"] == {"/bin/sh": shared_folder.digest_of("/bin/sh"), "/no/such": ""}
    assert report.seen["faults"] == [f"it has Treadle {__version__}, the run 0.0.1"]
    assert abs(report.seen["skew"]) < 5.0


def test_what_is_expected_in_a_way_that_is_not_known_is_refused(folder: RunFolder) -> None:
    """Another version may expect more: then nothing is run."""
    hints: list[str] = []
    agent = Agent(guards=False, tell=lambda hint: hints.append(f"{hint.what} {hint.text}"))
    spec = replace(spec_of(folder, Expected.prepare(folder)), expected={"token": "x", "moon": "full"})
    shared_folder.write(folder.spec(spec.token), spec.to_json())
    agent.take(folder.spec(spec.token))
    agent.close()
    assert hints[0].startswith("refused it expects something that this version does not know")


def test_a_file_of_another_content_is_not_the_folder_of_the_run(folder: RunFolder) -> None:
    expected = Expected.prepare(folder)
    assert expected.sees_folder(folder, SharedFolder())
    Path(folder.token).write_text("copied from elsewhere")
    assert not expected.sees_folder(folder, SharedFolder())


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        *(
            ("127.0.0.1", True),
            ("127.8.9.1", True),
            ("::1", True),
            ("[::1]", True),
            ("localhost", True),
            ("LocalHost", True),
            ("", True),
        ),
        *(
            ("0.0.0.0", False),
            ("192.168.0.1", False),
            ("::", False),
            ("fe80::1%eth0", False),
            ("no.such.invalid", False),
            # names that may mean another address by the time that they are connected to
            (socket.gethostname(), False),
            ("localhost.example", False),
            ("ip6-loopback", False),
            ("a..b", False),
            ("a" * 80, False),
            ("nul\0", False),
        ),
    ],
)
def test_an_address_beyond_this_machine_needs_tls_or_the_word_of_the_user(
    monkeypatch: pytest.MonkeyPatch, host: str, is_ours: bool
) -> None:
    """E9. No name is resolved: the answer could be another one when it is connected to."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("it asks for a name"))
    assert is_loopback(host) == is_ours
    check_address("dask", host, is_encrypted=True, is_insecure=False)
    check_address("dask", host, is_encrypted=False, is_insecure=True)
    if is_ours:
        check_address("dask", host, is_encrypted=False, is_insecure=False)
        return
    with pytest.raises(UsageError, match="without TLS"):
        check_address("dask", host, is_encrypted=False, is_insecure=False)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "of others"])
def test_what_is_no_file_of_a_worker_is_as_if_it_were_not_there(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "report"
    (tmp_path / "other").write_text("{}")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("other")
    else:
        path.write_text("{}")
        path.chmod(0o666)
    assert SharedFolder().read(str(path)) is None
    assert SharedFolder().read_once_written(str(path)) is None


def test_what_is_written_once_is_looked_for_anew_as_long_as_it_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system remembers that a file was not there, until its folder is opened."""
    opened: list[str] = []
    monkeypatch.setattr(shared_folder, "refresh", opened.append)
    view, path = SharedFolder(), tmp_path / "report"
    assert view.read_once_written(str(path)) is None
    assert not view.exists(str(path))
    assert opened == [str(tmp_path)] * 2
    shared_folder.write(str(path), "text")
    assert view.read_once_written(str(path)) == b"text"
    assert view.exists(str(path))
    assert len(opened) == 2
    assert view.read(str(path)) == b"text"
    assert len(opened) == 3, "what may change is read anew each time"
