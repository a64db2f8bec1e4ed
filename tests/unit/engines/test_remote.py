"""How attempts on an engine are handed over, looked for, stopped and given up: a fake engine and a clock of the test."""

from __future__ import annotations

import os
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from project import wait_until
from treadle import Attempt, AttemptSpec, Hint, Pool, TreadleError
from treadle.core.lease import Lease, parse
from treadle.core.pool import Allocation
from treadle.engines import shared_folder
from treadle.engines.agent import STOPPED
from treadle.engines.base import AttemptEnd, AttemptStart
from treadle.engines.remote import RemoteRunner, _Remote
from treadle.engines.spec import RunFolder, WorkerReport
from treadle.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEASE, GRACE, MARGIN = 60.0, 5.0, 10.0
WORKER = "farm7-12-abcd"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


class Farm:
    """An engine that does nothing but what a test says."""

    def __init__(self) -> None:
        self.batches: list[list[AttemptSpec]] = []
        self.hints: SimpleQueue[Hint | None] = SimpleQueue()
        self.stopped: list[tuple[str, bool]] = []
        self.gone: set[str] = set()
        self.kept: list[bool] = []
        self.error: Exception | None = None
        self.submit_error: Exception | None = None
        self.polls = 0
        self.at_close = ""
        self.run = RunFolder("")

    def open(self, run: RunFolder) -> None:
        self.run = run
        if self.error is not None:
            raise self.error

    def capacity(self) -> Pool:
        return Pool({"cpus": 100})

    def submit(self, attempts: Sequence[AttemptSpec]) -> list[str]:
        if self.submit_error is not None:
            raise self.submit_error
        self.batches.append(list(attempts))
        return [f"job {spec.token}" for spec in attempts]

    def poll(self, timeout: float | None) -> list[Hint]:
        del timeout
        self.polls += 1
        try:
            hint = self.hints.get(timeout=0.005)
        except Empty:
            return []
        return [] if hint is None else [hint]

    def stop(self, handles: Sequence[str], *, kill: bool) -> None:
        self.stopped += [(handle, kill) for handle in handles]

    def find(self, handles: Sequence[str]) -> dict[str, str]:
        return {handle: "gone" if handle in self.gone else "running" for handle in handles}

    def wake(self) -> None:
        self.hints.put(None)

    def close(self, *, keep: bool) -> None:
        self.kept.append(keep)
        self.at_close = Path(self.run.lease).read_text() if self.run.path else ""

    @property
    def specs(self) -> list[AttemptSpec]:
        return [spec for batch in self.batches for spec in batch]


class Key:
    """A job, as far as an engine looks at it."""

    def __init__(self, uid: str, cpus: int = 0, attempt: int = 1) -> None:
        self.uid = uid
        self.attempt = attempt
        self.resources = Allocation("a", {"cpus": cpus}) if cpus else None


class Runs:
    """A runner on the farm, and what it has told."""

    def __init__(self, path: Path, **more: Any) -> None:
        self.path = path
        self.farm, self.clock = Farm(), Clock()
        self.runner = RemoteRunner(
            "farm", self.farm, lambda: str(path), seconds=LEASE, clock=self.clock, is_mixed=True, **more
        )
        self.ends: list[AttemptEnd] = []
        self.starts: list[object] = []

    def start(self, key: object = None, **more: Any) -> AttemptSpec:
        """Start an attempt; return its spec once the engine has it."""
        before = len(self.farm.specs)
        self.runner.start(key or Key("a"), self.attempt(**more))
        self.look()
        wait_until(lambda: len(self.farm.specs) > before)
        return self.farm.specs[-1]

    def attempt(self, **more: Any) -> Attempt:
        return Attempt([["/bin/true"]], mark="run/a", environ={}, cwd="/", **more)

    def look(self) -> None:
        for told in self.runner.poll(0):
            if isinstance(told, AttemptStart):
                self.starts.append(told.key)
            else:
                self.ends.append(told)

    def ended(self) -> AttemptEnd:
        """Wait for one end, and return it."""

        def is_there() -> bool:
            self.look()
            return bool(self.ends)

        wait_until(is_there)
        return self.ends.pop(0)

    def begin(self, spec: AttemptSpec) -> None:
        """Do what a worker does first."""
        assert spec.folder.claim(spec.token, WORKER)
        self.farm.hints.put(Hint(spec.token, "started"))

        def is_told() -> bool:
            self.look()
            return bool(self.starts)

        wait_until(is_told)

    def report(self, spec: AttemptSpec, code: int | None = 0, **more: Any) -> None:
        """Do what a worker does last."""
        shared_folder.write(spec.folder.report(spec.token), WorkerReport(spec.token, code, **more).to_json())
        self.farm.hints.put(Hint(spec.token, "ended"))

    def pulse(self, spec: AttemptSpec, counter: int) -> None:
        shared_folder.write(spec.folder.pulse(WORKER), str(counter))

    def let_it_look(self) -> None:
        """Wait until it has looked at everything twice, as the clock is now."""
        seen = self.farm.polls
        wait_until(lambda: self.farm.polls > seen + 3)
        self.look()

    def stops(self) -> tuple[str, ...]:
        lease = parse(Path(self.farm.run.lease).read_text())
        assert lease is not None
        return lease.stops


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.runner.close()


def test_what_starts_in_one_round_is_handed_over_together_by_demand(runs: Runs) -> None:
    """Section 10: at most 500 of equal demand."""
    for number in range(1100):
        runs.runner.start(Key(f"a{number}", cpus=1 + number % 2), runs.attempt())
    assert runs.farm.batches == []
    runs.look()
    wait_until(lambda: len(runs.farm.specs) == 1100)
    assert sorted(map(len, runs.farm.batches)) == [50, 50, 500, 500]
    assert all(len({spec.resources["cpus"] for spec in batch}) == 1 for batch in runs.farm.batches)
    runs.runner.start(Key("b"), runs.attempt())
    for spec in runs.farm.specs:
        runs.report(spec)
    for _ in range(1100):
        runs.ended()
    runs.report(runs.farm.specs[-1])
    runs.ended()


def test_a_report_is_the_end_and_a_hint_is_none(runs: Runs) -> None:
    """H5."""
    spec = runs.start()
    runs.begin(spec)
    runs.farm.hints.put(Hint(spec.token, "ended"))
    runs.farm.hints.put(Hint("unknown", "ended"))
    runs.let_it_look()
    assert runs.ends == []
    runs.report(spec, 7, host="farm7", usage={"wall": 1.5, "user": 1.0, "system": 0.5})
    end = runs.ended()
    assert (end.code, end.error, end.host, end.usage is not None and end.usage.wall) == (7, "", "farm7", 1.5)
    runs.farm.hints.put(Hint(spec.token, "ended"))
    runs.let_it_look()
    assert runs.ends == []
    assert not os.path.exists(spec.folder.spec(spec.token))


def test_what_an_engine_refuses_is_invalid(runs: Runs) -> None:
    """E2."""
    spec = runs.start()
    runs.farm.hints.put(Hint(spec.token, "refused", "no node has so much"))
    end = runs.ended()
    assert (end.error, end.cause) == ("no node has so much", "invalid")


def test_an_engine_that_cannot_be_opened_ends_all_with_its_words(runs: Runs) -> None:
    runs.farm.error = TreadleError("the farm is closed")
    runs.runner.start(Key("a"), runs.attempt())
    runs.look()
    assert (runs.ended().error, runs.runner.active) == ("the farm is closed", 0)
    runs.runner.start(Key("b"), runs.attempt())
    end = runs.ended()
    assert (end.error, end.cause) == ("the farm is closed", "broken")


def test_what_was_not_handed_over_is_lost_at_once_and_never_begun(runs: Runs) -> None:
    runs.farm.submit_error = OSError("no connection")
    runs.runner.start(Key("a"), runs.attempt())
    end = runs.ended()
    assert (end.cause, end.error) == ("lost", "the engine farm has failed: OSError: no connection")
    (token,) = os.listdir(runs.path / "attempts")
    assert not RunFolder(str(runs.path)).claim(token)


def test_what_is_gone_before_it_was_begun_is_lost_at_once(runs: Runs) -> None:
    spec = runs.start()
    runs.farm.hints.put(Hint(spec.token, "gone", "its node went down"))
    assert runs.ended().error == "its node went down"
    assert not spec.folder.claim(spec.token, WORKER)


def test_a_silent_worker_is_waited_out_before_its_attempt_is_lost(runs: Runs) -> None:
    """H3: lease, grace and a margin after its last sign, and not before."""
    spec = runs.start()
    runs.begin(spec)
    runs.pulse(spec, 1)
    runs.clock.now += 6
    runs.let_it_look()
    runs.clock.now += LEASE + 1
    runs.let_it_look()
    assert spec.token in runs.stops()
    runs.clock.now += GRACE + MARGIN - 2
    runs.let_it_look()
    assert runs.ends == []
    runs.clock.now += 2
    end = runs.ended()
    assert (end.cause, end.host) == ("lost", "farm7")
    # it may be frozen, and would keep its place with the engine
    wait_until(lambda: runs.farm.stopped == [(f"job {spec.token}", True)])
    assert "no sign of its worker for 60 s" in end.error


def test_a_worker_that_shows_life_is_never_lost(runs: Runs) -> None:
    spec = runs.start()
    runs.begin(spec)
    for counter in range(12):
        runs.pulse(spec, counter)
        runs.clock.now += LEASE / 2
        runs.let_it_look()
    assert runs.ends == []
    assert runs.stops() == ()
    runs.report(spec)
    assert runs.ended().code == 0


def test_a_report_that_comes_after_all_counts(runs: Runs) -> None:
    """H3: unless the report has come."""
    spec = runs.start()
    runs.begin(spec)
    runs.clock.now += LEASE + 1
    runs.let_it_look()
    runs.report(spec)
    assert (runs.ended().code, runs.ends) == (0, [])


@pytest.mark.parametrize(
    ("code", "error", "cause"),
    [(-15, "", "lost"), (None, STOPPED, "lost"), (None, "it sees another file", "broken"), (3, "", "")],
)
def test_what_was_ended_as_it_was_taken_for_gone_is_lost_and_no_failure(
    runs: Runs, code: int | None, error: str, cause: str
) -> None:
    """Also what had not begun; what has come to an end of its own, or could not, says so."""
    spec = runs.start()
    runs.begin(spec)
    runs.clock.now += LEASE + 1
    runs.let_it_look()
    runs.report(spec, code, error=error, cause=cause if cause != "lost" else "")
    end = runs.ended()
    assert (end.code, end.cause) == (None if cause == "lost" else code, cause)


def test_the_word_of_a_guard_ends_the_wait(runs: Runs) -> None:
    """E6."""
    spec = runs.start()
    runs.begin(spec)
    runs.clock.now += 6
    runs.let_it_look()
    runs.farm.hints.put(Hint(spec.token, "gone", "its worker has ended"))
    runs.let_it_look()
    assert runs.ends == []
    Path(spec.folder.gone(WORKER)).touch()
    assert (runs.ended().cause, runs.clock.now) == ("lost", 5006.0)


def test_the_next_attempt_of_what_was_lost_has_a_worker_for_itself(runs: Runs) -> None:
    spec = runs.start()
    runs.farm.hints.put(Hint(spec.token, "gone"))
    runs.ended()
    assert not spec.is_alone
    assert runs.start(Key("a", attempt=2)).is_alone
    assert not runs.start(Key("b")).is_alone


def test_what_is_stopped_before_it_began_ends_at_once(runs: Runs) -> None:
    key = Key("a")
    spec = runs.start(key)
    runs.runner.stop(key)
    assert runs.ended().code == -9
    assert not spec.folder.claim(spec.token, WORKER)
    wait_until(lambda: runs.farm.stopped == [(f"job {spec.token}", False)])


def test_what_runs_is_told_to_stop_by_the_lease_and_by_the_engine(runs: Runs) -> None:
    """H1."""
    key = Key("a")
    spec = runs.start(key)
    runs.begin(spec)
    runs.runner.stop(key)
    wait_until(lambda: runs.farm.stopped == [(f"job {spec.token}", False)])
    assert runs.stops() == (spec.token,)
    runs.runner.kill(key)
    wait_until(lambda: len(runs.farm.stopped) == 2)
    assert runs.ends == []
    runs.report(spec, -15)
    end = runs.ended()
    assert (end.code, end.cause) == (-15, "")


def test_outputs_are_waited_for_until_we_see_what_the_worker_saw(runs: Runs, tmp_path: Path) -> None:
    """E8."""
    out = tmp_path / "out"
    out.write_text("old")
    spec = runs.start(outputs=[str(out)])
    runs.begin(spec)
    made = tmp_path / "made"
    made.write_text("new!")
    runs.report(spec, outputs={str(out): shared_folder.seen(str(made))})
    runs.let_it_look()
    assert runs.ends == []
    os.rename(made, out)
    assert runs.ended().code == 0


def test_outputs_are_waited_for_no_longer_than_patience(runs: Runs, tmp_path: Path) -> None:
    spec = runs.start(outputs=[str(tmp_path / "out")])
    runs.begin(spec)
    runs.report(spec, outputs={str(tmp_path / "out"): "file 1 2"})
    runs.let_it_look()
    assert runs.ends == []
    runs.clock.now += LEASE + 1
    assert runs.ended().code == 0


def test_an_end_without_a_report_is_waited_for_and_then_lost(runs: Runs) -> None:
    """H5."""
    spec = runs.start()
    runs.begin(spec)
    runs.farm.hints.put(Hint(spec.token, "ended"))
    runs.let_it_look()
    runs.clock.now += LEASE + GRACE + MARGIN + 1
    end = runs.ended()
    assert end.cause == "lost"
    assert "no report" in end.error


def test_the_engine_is_asked_of_all_that_it_has(runs: Runs) -> None:
    """H8."""
    spec = runs.start()
    runs.clock.now += 601
    runs.let_it_look()
    assert runs.ends == []
    runs.farm.gone.add(f"job {spec.token}")
    runs.clock.now += 601
    assert "does not know it any more" in runs.ended().error


def test_at_the_end_all_workers_are_told_and_nothing_is_left(runs: Runs) -> None:
    spec = runs.start()
    runs.report(spec)
    runs.ended()
    runs.runner.close()
    lease = parse(runs.farm.at_close)
    assert lease is not None
    assert lease.stops_all
    assert not runs.path.exists()


def test_a_runner_that_was_closed_goes_on_with_the_next_attempt(runs: Runs) -> None:
    """The actions at the end of a run have a scheduler of their own."""
    runs.report(runs.start())
    runs.ended()
    runs.runner.close()
    runs.path.mkdir(exist_ok=True)
    runs.report(runs.start())
    assert runs.ended().code == 0


def test_an_engine_that_fails_again_and_again_ends_all(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = runs.start()
    runs.begin(spec)

    def fail(_: float | None) -> list[Hint]:
        raise ConnectionError("reset")

    monkeypatch.setattr(runs.farm, "poll", fail)
    end = runs.ended()
    assert (end.cause, end.error) == ("broken", "ConnectionError: reset")


def test_what_no_worker_begins_is_told_after_30_s_with_what_is_missing(runs: Runs) -> None:
    """E2: once, for all that wait."""
    notes: list[str] = []
    runs.runner.on_note = notes.append
    for name in ("a", "b"):
        runs.start(Key(name, cpus=8))
    begun = runs.start(Key("c"))
    runs.begin(begun)
    runs.clock.now += 29.0
    runs.let_it_look()
    assert notes == []
    runs.clock.now += 1.0
    wait_until(lambda: bool(notes))
    runs.let_it_look()
    assert notes == ["no worker of farm has begun a, b within 30 s: it waits for a worker with cpus 8 (a)"]
    for spec in runs.farm.specs:
        runs.report(spec)
    for _ in range(3):
        runs.ended()


def test_an_engine_says_by_itself_what_is_missing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """E2: a method of its own, which it may have or not."""
    notes: list[str] = []
    runs.runner.on_note = notes.append
    said = {"why": "the partition is down"}
    monkeypatch.setattr(runs.farm, "pending", lambda handles: dict.fromkeys(handles, said["why"]), raising=False)
    spec = runs.start()
    runs.clock.now += 30.0
    wait_until(lambda: bool(notes))
    assert notes[0].endswith(": the partition is down")
    runs.report(spec)
    runs.ended()


def test_what_has_waited_for_the_time_of_the_queue_fails_and_is_begun_by_nothing(tmp_path: Path) -> None:
    """T2."""
    runs = Runs(tmp_path, queue_timeout=20.0)
    spec, other = runs.start(), runs.start(Key("b"))
    runs.begin(other)
    runs.clock.now += 19.0
    runs.let_it_look()
    assert runs.ends == []
    runs.clock.now += 1.0
    end = runs.ended()
    assert (end.code, end.cause) == (None, "broken")
    assert end.error.startswith("no worker of farm has begun it within 20 s (queue_timeout): ")
    assert not spec.folder.claim(spec.token, WORKER)
    assert runs.farm.stopped == [(f"job {spec.token}", True)]
    runs.report(other)
    assert runs.ended().code == 0
    runs.runner.close()


def test_what_a_worker_begins_at_the_last_moment_goes_on(tmp_path: Path) -> None:
    """T2: the file of the attempt decides."""
    runs = Runs(tmp_path, queue_timeout=20.0)
    spec = runs.start()
    assert spec.folder.claim(spec.token, WORKER)
    runs.clock.now += 25.0
    runs.let_it_look()
    assert runs.ends == []
    runs.report(spec)
    assert runs.ended().code == 0
    runs.runner.close()


def test_an_engine_whose_workers_do_not_see_the_folder_is_named_with_that_reason(runs: Runs) -> None:
    """E5: it ends, and no worker has made the file of the attempt."""
    spec = runs.start()
    runs.farm.hints.put(Hint(spec.token, "ended"))
    runs.let_it_look()
    runs.clock.now += LEASE
    end = runs.ended()
    assert end.cause == "broken"
    assert end.error == f"no worker of farm has seen {runs.path}: all need it at the same path"


@pytest.mark.parametrize(("outlives", "lock"), [(None, "/root/lock"), (LEASE, "/root/lock"), (7200.0, "")])
def test_each_spec_says_what_its_worker_has_to_see(tmp_path: Path, outlives: float | None, lock: str) -> None:
    """E5; what may outlive the run may begin while no run holds the lock."""
    runs = Runs(tmp_path, lock="/root/lock", outlives=outlives)
    spec = runs.start()
    assert spec.expected["token"] == Path(spec.folder.token).read_text()
    assert spec.expected["lock"] == lock
    assert abs(spec.expected["ahead"]) < 1.0
    runs.report(spec)
    runs.ended()
    runs.runner.close()
    assert not tmp_path.exists()


def test_a_second_start_of_one_spec_does_not_end_the_first(runs: Runs) -> None:
    """H4: an engine that starts it anew hears that it was begun elsewhere."""
    spec = runs.start()
    runs.begin(spec)
    runs.farm.hints.put(Hint(spec.token, "elsewhere", "begun elsewhere"))
    runs.let_it_look()
    runs.clock.now += LEASE / 2
    runs.let_it_look()
    assert runs.stops() == ()
    runs.report(spec)
    assert runs.ended().code == 0


def test_a_worker_of_which_its_guard_says_that_it_is_gone_is_lost_without_a_hint(runs: Runs) -> None:
    """E6: an engine that starts a spec anew may say nothing of the first worker."""
    spec = runs.start()
    runs.begin(spec)
    runs.let_it_look()
    Path(spec.folder.gone(WORKER)).touch()
    runs.clock.now += LEASE / 6
    end = runs.ended()
    assert end.cause == "lost"
    assert end.error == f"its worker {WORKER} is gone"


@pytest.fixture
def left(runs: Runs, tmp_path: Path) -> AttemptSpec:
    """Return an attempt that a killed run has left in its folder, which the runner shows life to."""
    folder = RunFolder(str(tmp_path / "killed"))
    folder.make()
    shared_folder.write(folder.lease, Lease(41, 60.0).text())
    spec = AttemptSpec("1-left", "a", 1, folder.path, runs.attempt().as_data())
    shared_folder.write(folder.spec(spec.token), spec.to_json())
    Path(folder.handles).write_text('{"1-left": "job of old"}\n{"1-ot')
    runs.runner.inherit([folder.path])
    return spec


def take_over(runs: Runs, spec: AttemptSpec) -> None:
    key = Key("a")
    key.taken_over = spec  # type: ignore[attr-defined]
    runs.runner.start(key, spec.to_start())


def test_workers_of_a_killed_run_see_that_another_one_lives_until_that_is_over(
    runs: Runs, left: AttemptSpec
) -> None:
    """U4: by the lease of the killed run, with a higher counter."""
    lease = parse(Path(left.folder.lease).read_text())
    assert lease is not None
    assert lease.counter > 41
    assert not lease.stops_all
    take_over(runs, left)
    shared_folder.write(left.folder.report(left.token), WorkerReport(left.token, 0).to_json())
    assert runs.ended().code == 0
    assert runs.farm.specs == []
    runs.runner.close()
    lease = parse(Path(left.folder.lease).read_text())
    assert lease is not None
    assert lease.stops_all


def test_what_the_engine_has_yet_of_a_killed_run_is_waited_for(runs: Runs, left: AttemptSpec) -> None:
    take_over(runs, left)
    runs.let_it_look()
    assert runs.ends == []
    assert left.folder.claim(left.token, WORKER)
    runs.report(left)
    assert runs.ended().code == 0


def test_what_nothing_has_of_a_killed_run_is_begun_anew(runs: Runs, left: AttemptSpec) -> None:
    """H4: no worker can begin it from here on."""
    runs.farm.gone.add("job of old")
    take_over(runs, left)
    assert runs.ended().cause == "lost"
    assert not left.folder.claim(left.token, WORKER)


@pytest.mark.parametrize("cause", ["", "invalid", "broken", "lost"])
def test_what_could_not_begin_without_a_run_says_nothing_of_the_next_one(
    runs: Runs, left: AttemptSpec, cause: str
) -> None:
    assert left.folder.claim(left.token, WORKER)
    report = WorkerReport(left.token, None, "it sees no lock", cause)
    shared_folder.write(left.folder.report(left.token), report.to_json())
    take_over(runs, left)
    assert runs.ended().cause == "lost"


def test_what_is_left_is_neither_stopped_nor_removed(runs: Runs) -> None:
    """The next run takes it over, and finds all that it needs for it."""
    spec = runs.start(Key("a"))
    runs.begin(spec)
    key = next(iter(runs.runner._running))
    runs.runner.leaves = True
    runs.runner.stop(key)
    assert runs.ended().cause == "left"
    runs.runner.close()
    lease = parse(Path(spec.folder.lease).read_text())
    assert lease is not None
    assert (lease.stops, lease.stops_all) == ((), False)
    assert Path(spec.folder.spec(spec.token)).exists()
    assert runs.farm.kept == [True]


def test_a_report_of_what_was_given_up_is_late_and_changes_nothing(runs: Runs) -> None:
    """Section 7: it is told, and ignored."""
    said: list[str] = []
    runs.runner.on_note = said.append
    spec = runs.start()
    runs.begin(spec)
    runs.clock.now += LEASE + GRACE + MARGIN + 20
    runs.let_it_look()
    runs.clock.now += GRACE + MARGIN
    assert runs.ended().cause == "lost"
    runs.report(spec, 0)
    runs.clock.now += 10
    wait_until(lambda: bool(said))
    assert said == ["a: attempt 1 was given up, and its report came late: exit code 0"]
    runs.clock.now += 10
    runs.let_it_look()
    assert (len(said), runs.ends) == (1, [])


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        (("submitted", "started", "ended"), "ended"),
        (("ended",), "ended"),
        (("refused",), "refused"),
        (("lost", "ended"), "ended"),
        (("started", "stopping", "lost"), "lost"),
        (("cancelled",), "cancelled"),
    ],
)
def test_steps_that_were_not_heard_of_are_filled_in(runs: Runs, steps: tuple[str, ...], end: str) -> None:
    one = _Remote(None, runs.attempt(), AttemptSpec("t", "a", 1, "/r", {}), 0.0)
    for step in steps:
        one.go(step)
    assert one.state == end


@pytest.mark.parametrize(
    "steps", [("ended", "started"), ("refused", "lost"), ("started", "cancelled"), ("lost", "lost")]
)
def test_no_other_step_is_taken(runs: Runs, steps: tuple[str, str]) -> None:
    one = _Remote(None, runs.attempt(), AttemptSpec("t", "a", 1, "/r", {}), 0.0)
    one.go(steps[0])
    with pytest.raises(InternalError, match="cannot become"):
        one.go(steps[1])
