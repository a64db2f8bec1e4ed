"""The worker alone: one spec, run anywhere by `python -m treadle.engines.worker SPEC` (H4, H5, E4)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from project import wait_until
from treadle import Attempt
from treadle.core.lease import Lease
from treadle.engines import shared_folder
from treadle.engines.agent import Agent, system_name
from treadle.engines.process_marks import marked
from treadle.engines.shared_folder import DelayedFolder, SharedFolder
from treadle.engines.spec import AttemptSpec, Hint, RunFolder, WorkerReport


def folder_in(path: Path) -> RunFolder:
    folder = RunFolder(str(path / "run"))
    folder.make()
    shared_folder.write(folder.lease, Lease(1, 60.0).text())
    return folder


def spec_in(path: Path, text: str, token: str = "1-a", **more: Any) -> AttemptSpec:
    """Return the spec of a script, with its file written."""
    folder = folder_in(path)
    log = path / "log"
    log.touch()
    attempt = Attempt(
        [["/bin/sh", "-c", text]],
        mark="run/a",
        environ={"PATH": os.environ["PATH"], "X": "own"},
        cwd=str(path),
        log=str(log),
    )
    spec = AttemptSpec(token, "a", 1, folder.path, attempt.as_data(), **{"patience": 5.0, **more})
    shared_folder.write(folder.spec(token), spec.to_json())
    return spec


def run_worker(*specs: AttemptSpec, **environ: str) -> subprocess.CompletedProcess[str]:
    files = [spec.folder.spec(spec.token) for spec in specs]
    return subprocess.run(
        [sys.executable, "-m", "treadle.engines.worker", "--patience", "1", *files],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def report_of(spec: AttemptSpec) -> WorkerReport:
    report = WorkerReport.from_json(Path(spec.folder.report(spec.token)).read_text())
    assert report is not None
    return report


def test_a_spec_travels_as_json(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, "true", resources={"cpus": 2}, outputs=["/o"], programs={"/bin/sh": "x"})
    again = AttemptSpec.from_json(spec.to_json())
    assert json.loads(again.to_json()) == json.loads(spec.to_json())
    assert again.to_start().argvs == [["/bin/sh", "-c", "true"]]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1}', '{"version": 1, "token": "a", "other": 1}'])
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no attempt spec"):
        AttemptSpec.from_json(text)


def test_a_spec_of_another_version_is_refused(tmp_path: Path) -> None:
    data = json.loads(spec_in(tmp_path, "true").to_json())
    with pytest.raises(ValueError, match="version 9"):
        AttemptSpec.from_json(json.dumps({**data, "version": 9}))


@pytest.mark.parametrize(("text", "code"), [("echo hi", 0), ("exit 7", 7), ("kill -USR1 $$", -10)])
def test_one_call_runs_one_attempt_and_leaves_its_report(tmp_path: Path, text: str, code: int) -> None:
    spec = spec_in(tmp_path, text)
    done = run_worker(spec)
    assert (done.returncode, done.stderr) == (0, "")
    report = report_of(spec)
    assert (report.code, report.error) == (code, "")
    assert report.host == os.uname().nodename
    assert report.to_usage() is not None
    assert (tmp_path / "log").read_text() == ("hi\n" if code == 0 else "")
    assert [name for name in os.listdir(f"{spec.run}/attempts") if "new" in name] == []


def test_an_attempt_is_begun_once_however_often_it_is_handed_out(tmp_path: Path) -> None:
    """H4: an engine such as Dask starts a spec again by itself."""
    spec = spec_in(tmp_path, "echo x >> times")
    run_worker(spec)
    before = report_of(spec)
    run_worker(spec)
    assert (tmp_path / "times").read_text() == "x\n"
    assert report_of(spec) == before


@pytest.mark.parametrize("how", ["stop", "kill", "end all"])
def test_a_spec_that_cannot_be_seen_is_not_waited_for_any_more_when_it_is_stopped(tmp_path: Path, how: str) -> None:
    """The run takes it back, and has removed its file: an agent that waits for it would hold up the end of a worker."""
    folder, hints = folder_in(tmp_path), list[Hint]()
    agent = Agent(tell=hints.append, guards=False)
    for token in ("1-a", "1-b"):
        agent.take(folder.spec(token), patience=600.0)
    if how == "end all":
        agent.end_all("its worker was ended")
    else:
        agent.stop("1-a", kill=how == "kill")
        assert not agent.is_idle
        agent.stop("1-b", kill=how == "kill")
    assert agent.is_idle
    # a hint to look: whether another one has begun it says the file of its owner
    assert [(hint.token, hint.what, hint.cause) for hint in hints] == [
        ("1-a", "gone", "lost"),
        ("1-b", "gone", "lost"),
    ]
    assert folder.claim("1-a")
    agent.close()


def test_what_the_run_has_given_up_is_never_begun(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, "echo x > o")
    assert spec.folder.claim(spec.token)
    run_worker(spec)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("lease", [Lease(2, 60.0, ("1-a",)), Lease(2, 60.0, stops_all=True)])
def test_what_the_lease_says_is_to_end_is_not_started(tmp_path: Path, lease: Lease) -> None:
    """H1: also where its stop has not come another way."""
    spec = spec_in(tmp_path, "echo x > o")
    shared_folder.write(spec.folder.lease, lease.text())
    run_worker(spec)
    assert report_of(spec).code is None
    assert not (tmp_path / "o").exists()


def test_the_environment_is_that_of_the_spec_and_the_place_is_that_of_the_worker(tmp_path: Path) -> None:
    """E4."""
    spec = spec_in(tmp_path, 'echo "$X $Y $Z $TMPDIR"', passed=["Z"])
    run_worker(spec, X="worker", Y="worker", Z="worker", TMPDIR="/there")
    assert (tmp_path / "log").read_text() == "own  worker /there\n"


def test_a_worker_with_another_program_refuses_the_attempt(tmp_path: Path) -> None:
    """E4."""
    spec = spec_in(tmp_path, "true", programs={"/bin/sh": "another"})
    run_worker(spec)
    assert "has another /bin/sh" in report_of(spec).error
    assert report_of(spec).cause == "invalid"


def test_a_worker_with_the_same_programs_and_system_takes_it(tmp_path: Path) -> None:
    digest = shared_folder.digest_of("/bin/sh")
    spec = spec_in(tmp_path, "true", programs={"/bin/sh": digest}, system=system_name())
    run_worker(spec)
    assert report_of(spec).code == 0


def test_a_worker_with_another_system_refuses_the_attempt(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, "true", system="plan9 4 mips")
    run_worker(spec)
    assert "expected plan9 4 mips" in report_of(spec).error


def test_the_report_says_what_the_worker_sees_of_outputs(tmp_path: Path) -> None:
    """E8: so that the run can tell whether it sees the same."""
    spec = spec_in(tmp_path, "echo x > o; mkdir d; echo y > d/z", outputs=[f"{tmp_path}/o", f"{tmp_path}/d/"])
    run_worker(spec)
    seen = report_of(spec).outputs
    assert seen == {path: SharedFolder().seen(path) for path in spec.outputs}
    (tmp_path / "d" / "z").write_text("other")
    assert seen[f"{tmp_path}/d/"] != SharedFolder().seen(f"{tmp_path}/d/")


def test_nothing_starts_on_an_old_view_of_its_inputs(tmp_path: Path) -> None:
    """J6: what it would make of an old content would go on record as made of the new one."""
    file, new = tmp_path / "i", tmp_path / "new"
    file.write_text("old")
    new.write_text("new!")
    agent = Agent(clock=Clock(), guards=False)
    spec = spec_in(tmp_path, "cat i > o", inputs={str(file): shared_folder.seen(str(new))})
    agent.take(spec.folder.spec(spec.token))
    agent.work(0)
    agent.work(0)
    assert not (tmp_path / "o").exists()
    os.rename(new, file)
    work_until(agent, lambda: agent.is_idle)
    agent.close()
    assert (tmp_path / "o").read_text() == "new!"


@pytest.mark.parametrize(
    ("begin", "later", "is_shown"),
    [
        (shared_folder.SINCE, 0, True),
        (shared_folder.SINCE, -1, True),
        (shared_folder.SINCE, 1, False),
        (shared_folder.IF_THERE, 0, True),
        (shared_folder.IF_THERE, 1, False),
        ("gone " + shared_folder.SINCE, 0, False),
        ("gone " + shared_folder.IF_THERE, 0, True),
    ],
)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_later_view_is_as_good_where_others_may_write(
    tmp_path: Path, kind: str, begin: str, later: int, *, is_shown: bool
) -> None:
    path = tmp_path / "i"
    path.touch() if kind == "file" else path.mkdir()
    changed = path.stat().st_ctime_ns + later
    if begin.startswith("gone "):
        path.unlink() if kind == "file" else path.rmdir()
    view = f"{begin.removeprefix('gone ')}{changed}"
    assert SharedFolder().shows(str(path), view) is is_shown
    assert DelayedFolder(3600.0).shows(str(path), view) is (is_shown and begin.startswith("gone "))


def test_inputs_are_waited_for_no_longer_than_patience(tmp_path: Path) -> None:
    clock = Clock()
    agent = Agent(clock=clock, guards=False)
    spec = spec_in(tmp_path, "touch o", inputs={str(tmp_path / "i"): "file 1 2"})
    agent.take(spec.folder.spec(spec.token))
    clock.now += 6
    agent.work(0)
    agent.close()
    assert agent.is_idle
    assert (report_of(spec).cause, (tmp_path / "o").exists()) == ("broken", False)
    assert f"does not see {tmp_path / 'i'} as the run does" in report_of(spec).error


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def work_until(agent: Agent, is_done: Any) -> None:
    while not is_done():
        agent.work(0.05)


def test_an_agent_ends_what_it_runs_when_the_lease_is_not_renewed(tmp_path: Path) -> None:
    """H2: by its own clock, and by new counters alone."""
    clock, hints = Clock(), list[Hint]()
    agent = Agent(clock=clock, tell=hints.append, guards=False)
    spec = spec_in(tmp_path, "exec sleep 300")
    agent.take(spec.folder.spec(spec.token))
    for counter in (2, 3):
        clock.now += 50
        shared_folder.write(spec.folder.lease, Lease(counter, 60.0).text())
        agent.work(0)
    assert not agent.is_idle
    for _ in range(7):
        clock.now += 9
        agent.work(0)
    work_until(agent, lambda: agent.is_idle)
    agent.close()
    assert report_of(spec).cause == "lost"
    assert "no sign of the run" in report_of(spec).error
    assert [hint.what for hint in hints] == ["started", "ended"]


def test_an_agent_that_was_frozen_for_a_lease_gives_up_what_it_runs(tmp_path: Path) -> None:
    """H6: the run may have started it elsewhere."""
    clock = Clock()
    agent = Agent(clock=clock, guards=False)
    spec = spec_in(tmp_path, "exec sleep 300")
    agent.take(spec.folder.spec(spec.token))
    clock.now += 61
    shared_folder.write(spec.folder.lease, Lease(2, 60.0).text())
    work_until(agent, lambda: agent.is_idle)
    agent.close()
    assert report_of(spec).error == "its worker was frozen for 61 s"


def test_an_agent_that_can_show_no_life_for_a_lease_gives_up_before_the_run_takes_it_for_gone(
    tmp_path: Path,
) -> None:
    """H3: what it runs has ended when the next attempt begins; a lease that it sees changes nothing."""
    clock = Clock()
    agent = Agent(clock=clock, guards=False)
    spec = spec_in(tmp_path, "exec sleep 300", outlives=7200.0)
    agent.take(spec.folder.spec(spec.token))
    (tmp_path / "run/workers").rename(tmp_path / "run/elsewhere")
    for counter in range(2, 6):
        clock.now += 10
        shared_folder.write(spec.folder.lease, Lease(counter, 7200.0).text())
        agent.work(0)
        assert agent.is_idle is False
    # after the fifth sign that cannot be shown the lease is over before the next one
    clock.now += 10
    work_until(agent, lambda: agent.is_idle)
    agent.close()
    assert report_of(spec).cause == "lost"
    assert "could show the run no sign of life" in report_of(spec).error


def test_what_is_to_outlive_its_run_is_looked_after_as_often(tmp_path: Path) -> None:
    """H1: what the lease says to end ends within seconds, however long it is."""
    clock = Clock()
    agent = Agent(clock=clock, guards=False)
    spec = spec_in(tmp_path, "exec sleep 300", outlives=7200.0)
    shared_folder.write(spec.folder.lease, Lease(1, 7200.0).text())
    agent.take(spec.folder.spec(spec.token))
    for _ in range(20):
        clock.now += 50
        agent.work(0)
    assert not agent.is_idle
    shared_folder.write(spec.folder.lease, Lease(2, 7200.0, (spec.token,)).text())
    clock.now += 5
    work_until(agent, lambda: agent.is_idle)
    agent.close()
    assert report_of(spec).code == -15


def test_an_agent_shows_life_by_a_counter(tmp_path: Path) -> None:
    clock = Clock()
    agent = Agent(clock=clock, guards=False)
    spec = spec_in(tmp_path, "exec sleep 300")
    agent.take(spec.folder.spec(spec.token))
    pulse = Path(spec.folder.pulse(agent.name))
    first = int(pulse.read_text())
    clock.now += 10
    agent.work(0)
    assert int(pulse.read_text()) == first + 1
    agent.stop(spec.token, kill=True)
    work_until(agent, lambda: agent.is_idle)
    agent.close()


def test_a_delayed_folder_shows_what_was_there_before(tmp_path: Path) -> None:
    clock = Clock()
    file = tmp_path / "f"
    clock.now = os.stat(tmp_path).st_ctime
    view = DelayedFolder(100.0, clock)
    file.write_text("one")
    file.chmod(0o600)
    assert view.read(str(file)) is None
    assert not view.exists(str(file))
    clock.now = file.stat().st_ctime + 100.0
    assert view.read(str(file)) == b"one"
    assert view.exists(str(file))
    shared_folder.write(str(file), "two")
    clock.now = file.stat().st_ctime + 99.0
    assert view.read(str(file)) == b"one"
    clock.now = file.stat().st_ctime + 100.0
    assert view.read(str(file)) == b"two"


@pytest.mark.parametrize("how", ["link", "others", "pipe"])
def test_what_another_user_could_have_put_there_is_not_read(tmp_path: Path, how: str) -> None:
    file = tmp_path / "f"
    if how == "link":
        (tmp_path / "real").write_text("x")
        file.symlink_to(tmp_path / "real")
    elif how == "others":
        file.write_text("x")
        file.chmod(0o666)
    else:
        os.mkfifo(file)
    assert SharedFolder().read(str(file)) is None


def test_a_spec_that_is_not_there_is_refused_when_its_time_is_over(tmp_path: Path) -> None:
    clock, hints = Clock(), list[Hint]()
    agent = Agent(clock=clock, tell=hints.append, guards=False)
    folder = folder_in(tmp_path)
    agent.take(folder.spec("1-b"), patience=5.0)
    agent.work(0)
    assert hints == []
    clock.now += 6
    agent.work(0)
    agent.close()
    assert [(hint.token, hint.what) for hint in hints] == [("1-b", "refused")]


def test_specs_that_differ_in_their_token_are_two_attempts(tmp_path: Path) -> None:
    one = spec_in(tmp_path, "echo x >> times")
    two = replace(one, token="2-b")
    shared_folder.write(two.folder.spec(two.token), two.to_json())
    run_worker(one, two)
    assert (tmp_path / "times").read_text() == "x\nx\n"


def has_left(agent: Agent) -> bool:
    return agent.has_left


@pytest.mark.parametrize("end", ["over", "removed", "silent"])
def test_what_an_attempt_has_left_running_is_ended_with_its_run(tmp_path: Path, end: str) -> None:
    """As on one machine: it may serve what comes after it, and nothing of it outlives the run."""
    clock = [100.0]
    # what has not left the group of its program by the end of that is ended with it
    script = "mkfifo left; setsid sh -c 'echo left > left; exec sleep 300' > /dev/null 2>&1 & read line < left"
    spec = spec_in(tmp_path, script)
    # another name than that of other tests: all that carries it is ended
    mark = f"left{os.urandom(4).hex()}"
    spec = replace(spec, attempt={**spec.attempt, "mark": f"{mark}/a"})
    shared_folder.write(spec.folder.spec(spec.token), spec.to_json())
    agent = Agent(guards=False, clock=lambda: clock[0])
    agent.take(spec.folder.spec(spec.token))
    while not agent.is_idle:
        agent.work(0.05)
    assert report_of(spec).code == 0
    wait_until(lambda: bool(list(marked(f"{mark}/"))))
    for counter in range(2, 5):
        shared_folder.write(spec.folder.lease, Lease(counter, 60.0).text())
        clock[0] += 50.0
        agent.work(0.0)
    assert has_left(agent)
    assert list(marked(f"{mark}/"))
    if end == "over":
        shared_folder.write(spec.folder.lease, Lease(9, 60.0).stopped().text())
    elif end == "removed":
        os.unlink(spec.folder.lease)
    clock[0] += 61.0 if end == "silent" else 10.0
    agent.work(0.0)
    if end == "silent":
        clock[0] += 61.0
        agent.work(0.0)
    assert not has_left(agent)
    assert not list(marked(f"{mark}/"))
    agent.close()


def test_a_run_that_has_left_nothing_is_forgotten_after_two_looks(tmp_path: Path) -> None:
    clock = [100.0]
    spec = spec_in(tmp_path, "true")
    agent = Agent(guards=False, clock=lambda: clock[0])
    agent.take(spec.folder.spec(spec.token))
    while not agent.is_idle:
        agent.work(0.05)
    for _ in range(2):
        assert has_left(agent)
        clock[0] += 1.5
        agent.work(0.0)
    assert not has_left(agent)
    agent.close()
