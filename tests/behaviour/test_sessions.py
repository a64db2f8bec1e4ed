"""`treadle.Session`: what the command decides, a program gets too, as often as it asks in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from treadle import Options, Session, Subscriber, UsageError
from treadle.errors import RunError
from waiting import DEADLINE, until

if TYPE_CHECKING:
    from treadle.errors import TreadleError
    from treadle.events.bus import Ended, Started

PLAN = """treadle: 1
actions:
  a: {sh: "cat ${in} > ${out}", in: x, out: out/a}
  b: {sh: "cat ${in} > ${out}", in: out/a, out: out/b}
"""


class Listener(Subscriber):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.notes: list[str] = []
        self.problems: list[str] = []

    def ended(self, event: Ended) -> None:
        if event.how == "ran":
            self.ran.append(event.name)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def problem(self, error: TreadleError) -> None:
        self.problems.append(str(error))


class Raising(Subscriber):
    """Raises once an action ends."""

    def __init__(self) -> None:
        self.calls = 0

    def ended(self, event: Ended) -> None:
        self.calls += 1
        raise ValueError(event.name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "treadle.yaml").write_text(PLAN)
    (tmp_path / "x").write_text("1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "ran"),
    [
        ({"force": ["a"]}, ["a"]),
        ({"force": ["b"]}, ["b"]),
        ({"force": ["out/a"], "names": ["a"]}, ["a"]),
        ({"force": ["b"], "names": ["a"]}, ["b"]),
    ],
)
def test_what_is_forced_runs_though_a_snapshot_knows_that_nothing_moved(
    folder: Path, options: dict[str, Any], ran: list[str]
) -> None:
    for names in ((), ("a",)):
        Session("treadle.yaml", Options(names)).run()
    listener = Listener()
    session = Session("treadle.yaml", Options(**options))
    session.subscribe(listener)
    assert session.run().ok
    assert listener.ran == ran
    silent = Session("treadle.yaml", Options(**options)).run()
    assert [name for name, one in silent.actions.items() if one.attempts] == ran


def test_all_is_run_that_is_forced(folder: Path) -> None:
    Session("treadle.yaml").run()
    options = Options()
    options.force_all = True
    assert [one.attempt for one in Session("treadle.yaml", options).run().actions.values()] == [1, 1]


def test_sessions_do_not_change_options_that_they_share(folder: Path) -> None:
    (folder / "other.yaml").write_text(PLAN.replace("out/", "other/"))
    options = Options()
    first, second = Session("treadle.yaml", options), Session(folder / "other.yaml", options)
    first.run()
    assert options.file == ""
    assert (folder / "out/b").exists()
    assert not (folder / "other").exists()
    second.run()
    assert (folder / "other/b").exists()


@pytest.mark.parametrize("edit", ["nothing", "an input", "the plan", "an output"])
def test_a_run_leaves_no_descriptor_open(folder: Path, edit: str) -> None:
    session = Session("treadle.yaml")
    session.run()
    before = len(os.listdir("/dev/fd"))
    for number in range(3):
        if edit == "an input":
            (folder / "x").write_text(str(number))
        elif edit == "the plan":
            (folder / "treadle.yaml").write_text(PLAN.replace("cat", "cat " + "-u " * number))
        elif edit == "an output":
            (folder / "out/b").unlink()
        assert session.run().ok
    assert len(os.listdir("/dev/fd")) == before


def test_a_stop_that_came_late_does_not_stop_the_next_runs(folder: Path) -> None:
    session = Session("treadle.yaml")
    session.stop()
    for text in ("2", "3"):
        (folder / "x").write_text(text)
        report = session.run()
        assert (report.ok, report.interrupted) == (True, False)
        assert (folder / "out/b").read_text() == text
        session.stop()
        session.stop()


class Watched:
    """A session that watches in a thread."""

    def __init__(self, *subscribers: Subscriber) -> None:
        self.session = Session("treadle.yaml")
        for one in subscribers:
            self.session.subscribe(one)
        self.thread = Thread(target=self.session.watch, daemon=True)

    def __enter__(self) -> Session:
        self.thread.start()
        return self.session

    def __exit__(self, *_: object) -> None:
        self.session.stop()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "it goes on watching after a stop"


def has(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def test_a_watch_tells_subscribers_of_each_round_and_ends_when_it_is_stopped(folder: Path) -> None:
    listener, raising = Listener(), Raising()
    with Watched(raising, listener):
        until(lambda: listener.ran == ["a", "b"], "the first round")
        (folder / "x").write_text("2")
        until(lambda: listener.ran == ["a", "b"] * 2, "the second round")
        until(lambda: has(folder / "out/b", "2"), "its output")
    assert raising.calls == 1
    assert [note.partition(" failed")[0] for note in listener.notes] == ["Raising.ended"]


def test_a_watch_can_be_stopped_while_the_plan_is_wrong_and_begun_again(folder: Path) -> None:
    listener = Listener()
    with Watched(listener) as session:
        until(lambda: listener.ran == ["a", "b"], "the first round")
        (folder / "treadle.yaml").write_text("treadle: 1\nactoins: {}\n")
        until(lambda: listener.problems, "what is wrong with the plan")
    (folder / "treadle.yaml").write_text(PLAN)
    (folder / "x").write_text("3")
    assert session.run().ok
    assert (folder / "out/b").read_text() == "3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("names", value) for value in ("ab", None, [1], [None], ["a\0"], b"a")),
        *(("force", value) for value in ("ab", True, [1])),
        *(("jobs", value) for value in (0, -1, "2", 1.5, True)),
        *(("keep_going", value) for value in (-1, "1", None, False)),
        *(("params", value) for value in ("t=1", {"t": 1}, {1: "t"}, {"t": ["a"]})),
        *(("tags", value) for value in (3, None)),
        *(("file", value) for value in (3, None, b"p", "p\0")),
        *(("wait", value) for value in ("no", 1)),
    ],
)
def test_options_of_a_wrong_kind_are_refused_in_words(folder: Path, name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"Options: {name} is ") as caught:
        Session(options=Options(**{name: value}))
    assert "expected" in caught.value.facts[0]
    session = Session("treadle.yaml")
    setattr(session.options, name, value)
    for call in (session.run, session.look, session.watch):
        with pytest.raises(UsageError, match=f"Options: {name} is "):
            call()


@pytest.mark.parametrize("given", [(3,), (b"p",), ("p", "x"), ("p", {"jobs": 1}), (["p"],)])
def test_what_is_no_plan_and_what_are_no_options_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match=r"is not a treadle\.Options|the plan is "):
        Session(*given)


def test_a_session_has_one_run_at_a_time(folder: Path) -> None:
    found: list[type[BaseException]] = []

    class Again(Subscriber):
        def started(self, event: Started) -> None:
            for call in (session.run, session.watch):
                with pytest.raises(RunError, match="this session runs already"):
                    call()
                found.append(RunError)

    session = Session("treadle.yaml", Options(["a"]))
    session.subscribe(Again())
    assert session.run().ok
    assert len(found) == 2
    (folder / "x").write_text("2")
    assert session.run().ok


WATCHING = """
import os, signal, threading, treadle
class Ended(treadle.Subscriber):
    def run_ended(self, event):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
session = treadle.Session("treadle.yaml")
session.subscribe(Ended())
try:
    session.watch()
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_ends_a_watch(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WATCHING], capture_output=True, text=True, timeout=DEADLINE)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
