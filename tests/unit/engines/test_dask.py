"""What the engine `dask` asks of Dask, and what it makes of the answers; with a client that only notes."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path
from subprocess import PIPE
from threading import Event
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from project import wait_until
from treadle.engines.base import Attempt
from treadle.engines.dask import RELEASE_INTERVAL, SEND_INTERVAL, Dask
from treadle.engines.spec import ENDED, GONE, REFUSED, STARTED, AttemptSpec, Hint, RunFolder
from treadle.errors import TreadleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytest.importorskip("distributed")
dask = pytest.importorskip("dask")


class NotedFuture:
    """A future that ends when the test says so."""

    def __init__(self) -> None:
        self.status = "pending"
        self.error = ""
        self.is_left = False
        self._calls: list[Callable[[NotedFuture], None]] = []

    def add_done_callback(self, call: Callable[[NotedFuture], None]) -> None:
        self._calls.append(call)

    def exception(self, timeout: float) -> Exception:
        return RuntimeError(self.error)

    def cancel(self) -> None:
        self.is_left = True

    release = cancel

    def end(self, status: str, error: str = "") -> None:
        self.status, self.error = status, error
        for call in self._calls:
            call(self)


class NotedClient:
    """A client of a scheduler with workers that do nothing."""

    status = "running"

    def __init__(self, workers: Sequence[str] = ("tcp://w0:1", "tcp://w1:1")) -> None:
        self.workers = {
            address: {
                "name": f"w{number}",
                "host": "h",
                "threads": 500,
                "memory": 0,
                "resources": {},
                "silence": 0.0,
            }
            for number, address in enumerate(workers)
        }
        self.left: list[str] = []
        """The topics that are not heard any more."""
        self.scheduler_comm: SimpleNamespace | None = None
        self.is_silent = False
        self.is_broken = False
        self.workers_by_key: list[Callable[[str], str] | None] = []
        """What each call says of the worker of each key, None where it names one for all."""
        self.answers = Event()
        """When it says something again."""
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.futures: dict[str, NotedFuture] = {}
        """Token -> the last future of it."""

    def map(self, function: object, *args: list[str], **more: Any) -> list[NotedFuture]:
        if self.is_broken:
            raise OSError("the client is closed")
        self.calls.append((args, more))
        self.workers_by_key.append(dask.get_annotations().get("workers"))
        made = [NotedFuture() for _ in args[0]]
        self.futures |= dict(zip(args[1], made, strict=True))
        return made

    def run_on_scheduler(self, function: object) -> dict[str, Any]:
        assert not self.is_silent or self.answers.wait(20)
        return dict(self.workers)

    def subscribe_topic(self, topic: str, handler: object) -> None:
        """Nothing is published."""

    def unsubscribe_topic(self, topic: str) -> None:
        assert self.status == "running"
        self.left.append(topic)

    def close(self, timeout: float = 0) -> None:
        self.status = "closed"


class OnNotes(Dask):
    """The engine with such a client."""

    def __init__(self, **settings: object) -> None:
        super().__init__({"address": "tcp://s:1", **settings})
        self.client = NotedClient()

    def _connect(self, address: str = "", keys: object = None) -> Any:
        return self.client

    def _start_cluster(self) -> Any:
        return self.client

    def submit(self, attempts: Sequence[AttemptSpec]) -> list[str]:
        handles = super().submit(attempts)
        self.poll(0)
        return handles


class Restarted(OnNotes):
    """The engine with a cluster of its own, which fails some times when it is to come back."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.address, self.failures, self.comes_up = "", 0, True
        run = RunFolder(str(path))
        run.make()
        self.open(run)

    def _start_cluster(self) -> Any:
        self._end_cluster()
        if self.failures:
            self.failures -= 1
            if self.comes_up:
                self._cluster = subprocess.Popen(["cat"], stdin=PIPE, stdout=PIPE, start_new_session=True)
            raise TreadleError("no")
        return self.client


@pytest.fixture
def engine(tmp_path: Path) -> OnNotes:
    made = OnNotes()
    run = RunFolder(str(tmp_path))
    run.make()
    made.open(run)
    return made


def specs(folder: Path, number: int, **more: Any) -> list[AttemptSpec]:
    attempt = Attempt([["true"]], mark="r/a", environ={"SECRET": "x"}).as_data()
    return [AttemptSpec(f"t{at}", f"a{at}", 1, str(folder), attempt, **more) for at in range(number)]


def test_a_batch_for_one_worker_is_one_call_of_paths_and_plain_words(engine: OnNotes, tmp_path: Path) -> None:
    """E3: no object of a user is pickled, and no environment goes through a scheduler."""
    engine.submit(specs(tmp_path, 500, node="w1"))
    ((args, more),) = engine.client.calls
    assert len(args[0]) == 500
    assert more["workers"] == ["tcp://w1:1"]
    assert {type(one) for part in args for one in part} == {str, float, bool}
    assert "SECRET" not in repr(engine.client.calls)
    engine.close(keep=False)


def test_attempts_of_a_round_for_several_workers_are_one_call_in_batches(engine: OnNotes, tmp_path: Path) -> None:
    one, other = specs(tmp_path, 300, node="w0"), specs(tmp_path, 600, node="w1")[300:]
    Dask.submit(engine, one)
    Dask.submit(engine, other)
    assert engine.client.calls == []
    engine.poll(0)
    assert [len(args[0]) for args, _ in engine.client.calls] == [500, 100]
    (_, mixed), (_, alike) = engine.client.calls
    by_key = engine.client.workers_by_key[0]
    assert by_key is not None
    assert [by_key(key) for key in mixed["key"]] == ["tcp://w0:1"] * 300 + ["tcp://w1:1"] * 200
    assert mixed["workers"] is None
    assert alike["workers"] == ["tcp://w1:1"]
    engine.close(keep=False)


def test_what_dask_does_not_take_is_gone(engine: OnNotes, tmp_path: Path) -> None:
    engine.client.is_broken = True
    Dask.submit(engine, specs(tmp_path, 2, node="w0"))
    hints = engine.poll(None)
    assert [(hint.token, hint.what) for hint in hints] == [("t0", GONE), ("t1", GONE)]
    assert "the client is closed" in hints[0].text
    engine.close(keep=False)


def test_an_end_of_a_future_is_a_hint_and_a_failure_of_a_worker_is_a_refusal(
    engine: OnNotes, tmp_path: Path
) -> None:
    engine.submit(specs(tmp_path, 2, node="w0"))
    engine.client.futures["t0"].end("finished")
    engine.client.futures["t1"].end("error", "No module named 'treadle'")
    hints = engine.poll(0)
    assert Hint("t0", ENDED) in hints
    (refused,) = (hint for hint in hints if hint.what == REFUSED)
    assert "No module named 'treadle'" in refused.text
    engine.close(keep=False)


def test_what_dask_may_forget_is_told_later_and_together(engine: OnNotes, tmp_path: Path) -> None:
    """The messages that follow an end are those with what starts next: others would hold them up."""
    engine.submit(specs(tmp_path, 3, node="w0"))
    futures = engine.client.futures
    before = monotonic()
    futures["t0"].end("finished")
    assert engine.poll(0) == [Hint("t0", ENDED)]
    if monotonic() < before + RELEASE_INTERVAL:
        assert not futures["t0"].is_left
    futures["t1"].end("finished")
    engine.poll(0)
    end = monotonic() + 20
    while not futures["t0"].is_left and monotonic() < end:
        # it returns for it, though nothing is said
        assert engine.poll(None) == []
    assert [futures[f"t{number}"].is_left for number in range(3)] == [True, True, False]
    assert monotonic() >= before + RELEASE_INTERVAL
    engine.close(keep=False)


def test_a_client_sends_soon_what_it_is_given(engine: OnNotes, tmp_path: Path) -> None:
    """Also one that has connected anew; and a shorter time is left as it is."""
    for interval, then in [(0.01, SEND_INTERVAL), (0.01, SEND_INTERVAL), (0.0, 0.0)]:
        engine.client.scheduler_comm = SimpleNamespace(interval=interval)
        engine.submit(specs(tmp_path, 1, node="w0"))
        assert engine.client.scheduler_comm.interval == then
    engine.close(keep=False)


def test_a_client_that_leaves_hears_nothing_any_more(engine: OnNotes) -> None:
    engine.close(keep=False)
    assert engine.client.left == ["all"]
    assert engine.client.status == "closed"


def test_what_had_started_on_a_worker_that_is_gone_is_gone_and_the_rest_goes_to_another_one(
    engine: OnNotes, tmp_path: Path
) -> None:
    engine.submit(specs(tmp_path, 2, node="w0"))
    engine._hear((0.0, ["tcp://w0:1", "t0", STARTED, "agent"]))
    engine._hear_of_workers((0.0, {"action": "remove-worker", "worker": "tcp://w0:1"}))
    hints = engine.poll(0)
    assert [(hint.token, hint.what) for hint in hints] == [("t0", STARTED), ("t0", GONE)]
    assert engine.client.calls[-1][1]["workers"] == ["tcp://w1:1"]
    assert engine.client.calls[-1][0][1] == ["t1"]
    engine.close(keep=False)


def test_a_worker_that_wakes_says_nothing_of_what_another_one_has_now(engine: OnNotes, tmp_path: Path) -> None:
    engine.submit(specs(tmp_path, 1, node="w0"))
    engine._hear_of_workers((0.0, {"action": "remove-worker", "worker": "tcp://w0:1"}))
    engine.poll(0)
    engine._hear((0.0, ["tcp://w0:1", "t0", GONE, "begun elsewhere"]))
    assert engine.poll(0) == []
    engine.close(keep=False)


@pytest.mark.parametrize("address", ["tcp://s:1", ""])
def test_a_scheduler_that_does_not_answer_is_left_and_what_had_started_goes_on_if_its_workers_do(
    tmp_path: Path, address: str
) -> None:
    """A cluster of the run ends with its scheduler: what ran there is gone."""
    engine = OnNotes()
    engine.address = address
    run = RunFolder(str(tmp_path))
    run.make()
    engine.open(run)
    engine.submit(specs(tmp_path, 2, node="w0", patience=2.0))
    engine._hear((0.0, ["tcp://w0:1", "t0", STARTED, "agent"]))
    engine.poll(0)
    old, engine.client = engine.client, NotedClient()
    old.is_silent = True
    hints: list[Hint] = []

    def is_given_again() -> bool:
        hints.extend(engine.poll(0.05))
        return bool(engine.client.calls)

    wait_until(is_given_again)
    assert engine.client.calls[-1][0][1] == ["t1"]
    assert [(hint.token, hint.what) for hint in hints] == ([] if address else [("t0", GONE)])
    assert old.status == "closed"
    old.answers.set()
    engine.close(keep=False)


@pytest.mark.parametrize("comes_up", [True, False])
def test_a_cluster_of_the_run_is_started_until_it_answers_unless_it_cannot_be_started(
    tmp_path: Path, comes_up: bool
) -> None:
    """What comes up and says nothing may have been frozen; what does not come up never will."""
    engine = Restarted(tmp_path)
    engine.submit(specs(tmp_path, 1, node="w0"))
    engine.poll(0)
    engine.failures, engine.comes_up = 2, comes_up
    engine.client = NotedClient()
    engine._lose_connection("it has gone")
    hints: list[Hint] = []

    def is_decided() -> bool:
        hints.extend(engine.poll(0.05))
        return bool(engine.client.calls or hints)

    wait_until(is_decided)
    assert hints == ([] if comes_up else [Hint("t0", GONE, "no", "broken")])
    assert engine.failures == (0 if comes_up else 1)
    engine.close(keep=False)


def test_what_was_lost_with_its_worker_goes_to_another_one_and_alone(engine: OnNotes, tmp_path: Path) -> None:
    engine.submit(specs(tmp_path, 1, node="w0"))
    engine._hear((0.0, ["tcp://w0:1", "t0", ENDED, ""]))
    engine.poll(0)
    (again,) = specs(tmp_path, 1, node="w0", is_alone=True)
    engine.submit([again])
    assert engine.client.calls[-1][1]["workers"] == ["tcp://w1:1"]
    assert engine.client.calls[-1][0][-1] == [True]
    engine.close(keep=False)


def test_instances_are_those_of_their_node_and_wait_for_it(engine: OnNotes, tmp_path: Path) -> None:
    engine._hear_of_workers((0.0, {"action": "remove-worker", "worker": "tcp://w0:1"}))
    engine.poll(0)
    engine.submit(specs(tmp_path, 1, node="w0", resources={"gpus": ["0"]}))
    assert engine.client.calls == []
    assert "no worker w0" in engine.pending(["t0"])["t0"]
    engine.close(keep=False)


def test_what_files_and_the_engine_know_of_an_attempt_is_found(engine: OnNotes, tmp_path: Path) -> None:
    engine.submit(specs(tmp_path, 3, node="w0"))
    run = RunFolder(str(tmp_path))
    assert run.claim("t0", "agent")
    assert run.claim("t1", "agent")
    Path(run.report("t1")).touch()
    found = engine.find(["t0", "t1", "t2", "other"])
    assert found == {"t0": "running", "t1": "gone", "t2": "waiting", "other": "gone"}
    engine.close(keep=False)


def test_the_level_of_the_log_of_dask_is_put_back(engine: OnNotes) -> None:
    logger = logging.getLogger("distributed")
    assert logger.level == logging.CRITICAL
    OnNotes().capacity()
    assert logger.level == logging.CRITICAL
    engine.close(keep=False)
    assert logger.level < logging.CRITICAL


def test_a_folder_whose_path_is_no_utf8_is_refused_at_once() -> None:
    """Dask sends paths as texts; its workers did not start, and said nothing of why."""
    path = os.fsdecode(b"/tmp/caf\xe9/.treadle/runs/1")
    with pytest.raises(UsageError, match=r"dask cannot run in '/tmp/caf\\udce9/\.treadle/runs/1'") as caught:
        Dask().open(RunFolder(path))
    assert "rename the folder" in caught.value.hint
