"""`--engine dask` and `--dask`: a real scheduler with real worker processes, one that is there or one of the run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dask_clusters import DaskCluster, shared
from helpers import DEADLINE, Fifo
from project import Project, wait_until
from treadle import UsageError
from treadle.engines.base import Attempt, AttemptEnd
from treadle.engines.dask import SEND_INTERVAL, Dask
from treadle.engines.remote import RemoteRunner
from waiting import is_alive

pytest.importorskip("distributed")

PLAN = """
treadle: 1
engine: {name: dask}
actions:
  one: {sh: 'echo one $PPID > ${out}', out: one.txt}
  two: {sh: 'echo two $PPID > ${out}', out: two.txt}
  both: {sh: 'cat ${in} > ${out}', in: [one.txt, two.txt], out: both.txt}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def cluster() -> Iterator[DaskCluster]:
    """Return a cluster of which a test may end parts."""
    made = DaskCluster(workers=1, threads=2)
    yield made
    made.close()


def answers(host: str, port: int) -> bool:
    """Return whether a part of Dask tells what it speaks to whatever connects."""
    with socket.create_connection((host, port), DEADLINE) as spoken:
        spoken.settimeout(0.5)
        said = b""
        with contextlib.suppress(OSError):
            while b"compression" not in said and (more := spoken.recv(4096)):
                said += more
    return b"compression" in said


def at(cluster: DaskCluster | None, **more: object) -> str:
    """Return what a plan says of a cluster that is there, or without one of its own."""
    there = {} if cluster is None else {"options": {"address": cluster.address}}
    return json.dumps({"name": "dask", **there, **more})


def scheduler_of(child: subprocess.Popen[str]) -> psutil.Process:
    """Return the scheduler that a run has started."""
    (found,) = (
        one for one in psutil.Process(child.pid).children() if "treadle.engines.dask_cluster" in one.cmdline()
    )
    return found


def test_a_plan_of_three_actions_runs_on_a_cluster_of_the_run_which_leaves_nothing(project: Project) -> None:
    project.write("plan", PLAN)
    assert "3 run" in project.treadle("run", "--events", "events").text
    (one, *_), (two, *_) = (project.read(f"{name}.txt").split()[1:] for name in ("one", "two"))
    assert project.read("both.txt") == f"one {one}\ntwo {two}\n"
    assert one != two
    events = [json.loads(line) for line in project.read("events").splitlines()]
    assert {event["host"] for event in events if event["event"] == "ended"} == {os.uname().nodename}
    assert not [pid for pid in (one, two) if is_alive(int(pid))]
    # J6: another engine finds the same
    assert project.treadle("run", "--engine", "local").text.startswith("nothing to do: 3 up to date")


def test_a_cluster_that_is_there_is_used_and_left_as_it_was(project: Project) -> None:
    project.write("plan", PLAN.replace("engine: {name: dask}\n", ""))
    assert "3 run" in project.treadle("run", "--dask", shared().address).text
    workers = {line.split()[1] for line in project.read("both.txt").splitlines()}
    assert workers <= {str(one.pid) for one in shared().processes()}


def test_a_scheduler_has_nothing_to_write_of_a_run_that_leaves(project: Project, cluster: DaskCluster) -> None:
    """It would not be able to tell the run that a client leaves, which is that run, and would write so."""
    project.write("plan", PLAN)
    assert "3 run" in project.treadle("run", "--dask", cluster.address).text
    wait_until(cluster.is_rid_of_runs)
    assert cluster.log_of_scheduler() == ""


def test_a_client_of_dask_sends_soon_what_it_is_given(tmp_path: Path) -> None:
    """Dask has an attribute for it that is not documented: without it each action takes 10 ms more."""
    engine = Dask({"address": shared().address})
    runner = RemoteRunner("dask", engine, lambda: str(tmp_path), is_mixed=True)
    try:
        runner.start("a", Attempt([["true"]], mark="r/a", environ=dict(os.environ)))
        wait_until(lambda: any(isinstance(one, AttemptEnd) for one in runner.poll(0.05)))
        assert engine._client is not None
        assert engine._client.scheduler_comm.interval == SEND_INTERVAL
    finally:
        runner.close()


def test_what_a_run_starts_listens_on_loopback_alone_and_answers_nothing_without_its_keys(project: Project) -> None:
    """E9: what reaches a Dask scheduler can run anything as its user, also another user of the machine."""
    up, on = Fifo(project.folder / "up"), Fifo(project.folder / "on")
    project.write(
        "plan", "treadle: 1\nengine: dask\nactions:\n  a: {sh: 'echo > up; read -r line < on; echo > o', out: o}\n"
    )
    child = project.start("run")
    up.wait()
    tree = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    listening = [
        one.laddr
        for process in tree
        for one in process.net_connections(kind="inet")
        if one.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 2
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert not [address for address in listening if answers(*address)]
    # the one of the tests does
    host, _, port = shared().address.removeprefix("tcp://").rpartition(":")
    assert answers(host, int(port))
    on.open()
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        ("cpus: 99", "cpus"),
        ("fpga: 1", "fpga"),
        ("memory: 900TiB", "memory"),
    ],
)
def test_what_no_worker_has_is_refused_before_anything_starts(project: Project, demand: str, said: str) -> None:
    """A7, E2: Dask itself waits for ever, and says nothing."""
    project.write(
        "plan",
        f"treadle: 1\nengine: {at(shared())}\nactions:\n"
        "  first: {sh: 'echo > ${out}', out: first.txt}\n"
        f"  big: {{run: 'true', in: first.txt, resources: {{{demand}}}}}\ndefault: [big]\n",
    )
    done = project.treadle("run")
    assert done.code == 2
    assert said in done.text
    assert not (project.folder / "first.txt").exists()


def test_workers_say_what_they_have(project: Project) -> None:
    cluster = DaskCluster(workers=1, threads=3, resources="fpga=2")
    try:
        project.write(
            "plan",
            f"treadle: 1\nengine: {at(cluster)}\nactions:\n"
            "  a: {sh: 'echo $TREADLE_FPGA > ${out}', out: a.txt, resources: {fpga: 2}}\n",
        )
        assert "1 run" in project.treadle("run").text
        assert project.read("a.txt") == "2\n"
        nodes = Dask({"address": cluster.address}).capacity().nodes
        assert [(one.name, dict(one.resources)) for one in nodes] == [("w0", {"cpus": 3, "fpga": 2})]
    finally:
        cluster.close()


def test_an_address_at_which_nothing_answers_is_an_error_with_words(project: Project) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        project.write("plan", PLAN)
        done = project.treadle("run", "--dask", address)
    assert f"the Dask scheduler at {address} cannot be reached" in done.text
    assert not (project.folder / "one.txt").exists()


def test_looking_asks_no_cluster(project: Project) -> None:
    """Neither `-n` nor `status` and `why` connect: they would wait for one that is not there."""
    project.write("plan", PLAN.replace("{name: dask}", '{name: dask, options: {address: "tcp://127.0.0.1:1"}}'))
    for command in (["run", "-n"], ["status"], ["why", "one"], ["list"], ["check"]):
        done = project.treadle(*command)
        assert "127.0.0.1" not in done.text, command


def test_no_descriptor_of_a_worker_reaches_an_action(project: Project) -> None:
    """Of a cluster of the run: what it has open of Dask would be held open by what an action leaves running."""
    plan = "treadle: 1\nengine: {name: dask}\nactions:\n  a: {sh: 'ls /dev/fd | wc -l > ${out}', out: n}\n"
    project.write("plan", plan)
    counts = []
    for words in ([], ["--engine", "local", "--force"]):
        done = project.treadle("run", *words)
        assert done.code == 0, done.text
        counts.append((project.folder / "n").read_text())
    assert counts[0] == counts[1]


@pytest.mark.parametrize("protocol", ["tcp", "ws", "wss"])
def test_another_machine_without_tls_is_refused_unless_the_call_says_so(project: Project, protocol: str) -> None:
    """E9: an address of TEST-NET, which no machine has. With `wss` and no keys any public certificate would do."""
    project.write("plan", PLAN)
    done = project.treadle("run", "--dask", f"{protocol}://192.0.2.1:8786")
    assert done.code == 2
    assert "192.0.2.1, without TLS" in done.text


@pytest.mark.parametrize(
    "settings",
    [
        {"address": "host"},
        {"address": ""},
        {"address": 5},
        {"adress": "tcp://h:1"},
        {"workers": 0},
        {"workers": {"min": 1}},
        {"address": "tcp://h:1", "workers": "many"},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="engine"):
        Dask(settings)


def test_a_worker_that_is_told_to_close_lets_its_programs_end(project: Project, cluster: DaskCluster) -> None:
    """TERM comes first, as on this machine; what it ran is lost and is run again on the next worker."""
    up = Fifo(project.folder / "up")
    script = (
        'if [ -e was ]; then echo again > ${out}; else trap ": > asked; exit 1" TERM; : > was; echo $PPID > up; '
    )
    project.write(
        "plan",
        f"treadle: 1\nengine: {at(cluster, lease='20s')}\nactions:\n"
        f"  a: {{sh: '{script} sleep 600 & wait; fi', out: o}}\n",
    )
    child = project.start("run")
    up.wait()
    cluster.add_worker()
    cluster.workers[0].send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err
    assert project.read("o") == "again\n"
    assert (project.folder / "asked").exists()


def test_a_scheduler_that_is_killed_and_comes_back_costs_attempts_and_nothing_else(
    project: Project, cluster: DaskCluster
) -> None:
    up = Fifo(project.folder / "up")
    project.write(
        "plan",
        f"treadle: 1\nengine: {at(cluster, lease='6s')}\nactions:\n"
        "  a: {sh: 'if [ -e was ]; then echo again > ${out}; else : > was; echo $$ > up; sleep 600; fi', out: o}\n"
        "  b: {sh: 'cat o > ${out}', in: o, out: p}\n",
    )
    child = project.start("run")
    pid = int(up.wait())
    cluster.kill_scheduler()
    cluster.restart_scheduler()
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err
    assert project.read("p") == "again\n"
    assert not is_alive(pid)


def test_the_scheduler_of_a_run_that_is_killed_is_started_anew(project: Project) -> None:
    up = Fifo(project.folder / "up")
    project.write(
        "plan",
        "treadle: 1\nengine: {name: dask, lease: 6s}\nactions:\n"
        "  a: {sh: 'if [ -e was ]; then echo again > ${out}; else : > was; echo $$ > up; sleep 600; fi', out: o}\n",
    )
    child = project.start("run")
    pid = int(up.wait())
    scheduler_of(child).kill()
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err
    assert project.read("o") == "again\n"
    assert not is_alive(pid)


@pytest.mark.parametrize("is_ours", [False, True])
@pytest.mark.parametrize("ends", ["kill -CONT $s; ", ""])
def test_a_scheduler_that_freezes_for_a_moment_or_at_the_end_costs_nothing(
    project: Project, cluster: DaskCluster, is_ours: bool, ends: str
) -> None:
    """The run does not wait for it at its end, nor to see how what ran has ended."""
    up, on = Fifo(project.folder / "up"), Fifo(project.folder / "on")
    engine = at(None if is_ours else cluster, lease="8s")
    script = (
        f"echo >> tries; echo > up; read -r s < on; s=$(cat s); kill -STOP $s; sleep 1; {ends}echo over > ${{out}}"
    )
    project.write("plan", f"treadle: 1\nengine: {engine}\nactions:\n  a: {{sh: '{script}', out: o}}\n")
    child = project.start("run")
    up.wait()
    project.write("s", str(scheduler_of(child).pid if is_ours else cluster.scheduler.pid))
    on.open()
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err
    assert (project.read("o"), project.read("tries")) == ("over\n", "\n")


def test_what_runs_ends_by_its_report_while_the_scheduler_is_frozen_and_what_waits_says_so(
    project: Project, cluster: DaskCluster
) -> None:
    up, on = Fifo(project.folder / "up"), Fifo(project.folder / "on")
    project.write(
        "plan",
        f"treadle: 1\nengine: {at(cluster, lease='3s', queue_timeout='7s')}\nactions:\n"
        "  a: {sh: 'echo >> tries; echo > up; read -r line < on; echo over > ${out}', out: o}\n"
        "  b: {sh: 'cat o > ${out}', in: o, out: p}\n",
    )
    child = project.start("run")
    up.wait()
    cluster.scheduler.send_signal(signal.SIGSTOP)
    on.open()
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 1, out + err
    assert (project.read("o"), project.read("tries")) == ("over\n", "\n")
    assert f"the Dask scheduler at {cluster.address} has given no answer for 3 s" in out + err
    cluster.scheduler.send_signal(signal.SIGCONT)
    assert "1 run" in project.treadle("run").text


def test_a_scheduler_that_wakes_after_its_connection_was_given_up_is_used_again(
    project: Project, cluster: DaskCluster
) -> None:
    up, on = Fifo(project.folder / "up"), Fifo(project.folder / "on")
    project.write(
        "plan",
        f"treadle: 1\nengine: {at(cluster, lease='3s')}\nactions:\n"
        "  a: {sh: 'echo >> tries; echo > up; read -r line < on; echo over > ${out}', out: o}\n"
        "  b: {sh: 'cat o > ${out}', in: o, out: p}\n",
    )
    child = project.start("run")
    up.wait()
    port, run = int(cluster.address.rpartition(":")[2]), psutil.Process(child.pid)

    def connections() -> set[int]:
        return {one.laddr.port for one in run.net_connections() if one.raddr[1:] == (port,)}

    cluster.scheduler.send_signal(signal.SIGSTOP)
    before = connections()
    wait_until(lambda: not before & connections())
    cluster.scheduler.send_signal(signal.SIGCONT)
    on.open()
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err
    assert (project.read("p"), project.read("tries")) == ("over\n", "\n")


def test_the_scheduler_of_a_run_that_freezes_is_killed_and_started_anew(project: Project) -> None:
    up = Fifo(project.folder / "up")
    project.write(
        "plan",
        f"treadle: 1\nengine: {at(None, lease='3s')}\nactions:\n"
        "  a: {sh: 'if [ -e was ]; then echo again > ${out}; else : > was; echo $$ > up; sleep 600; fi', out: o}\n",
    )
    child = project.start("run")
    pid = int(up.wait())
    scheduler = scheduler_of(child)
    scheduler.suspend()
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err
    assert project.read("o") == "again\n"
    assert not is_alive(pid)
    assert not is_alive(scheduler.pid)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_what_waits_for_a_scheduler_that_does_not_come_back_is_broken_with_that_reason(
    tmp_path: Path, cluster: DaskCluster, end: signal.Signals
) -> None:
    """It has a minute, or a lease that is longer; here a second, or that lease."""
    engine = Dask({"address": cluster.address}, back_after=1.0)
    runner = RemoteRunner("dask", engine, lambda: str(tmp_path), seconds=2.0, is_mixed=True)

    def run(name: str) -> AttemptEnd:
        runner.start(name, Attempt([["true"]], mark=f"r/{name}", environ=dict(os.environ)))
        told: list[AttemptEnd] = []

        def is_over() -> bool:
            told.extend(one for one in runner.poll(0.05) if isinstance(one, AttemptEnd))
            return bool(told)

        wait_until(is_over)
        return told[0]

    try:
        assert run("before").code == 0
        cluster.scheduler.send_signal(end)
        for name in ("first", "later"):
            ended = run(name)
            assert (ended.code, ended.cause) == (None, "broken")
            assert f"the Dask scheduler at {cluster.address}" in ended.error
            assert "and it has not come back" in ended.error
        if end == signal.SIGSTOP:
            # it is used as soon as it answers
            cluster.scheduler.send_signal(signal.SIGCONT)
            wait_until(lambda: run("again").code == 0)
    finally:
        runner.close()


def kill(child: subprocess.Popen[str]) -> None:
    """Kill a run, and nothing that it has started."""
    child.kill()
    child.wait(DEADLINE)
    for pipe in (child.stdout, child.stderr):
        assert pipe is not None
        pipe.close()


@pytest.mark.parametrize(
    ("end", "words"), [("later", ()), ("later", ("--outlive", "10m")), ("before", ("--outlive", "10m"))]
)
def test_what_a_killed_run_has_left_on_a_cluster_is_taken_over(
    project: Project, cluster: DaskCluster, end: str, words: tuple[str, ...]
) -> None:
    """It has never heard of the client that asks now; without `--outlive` it is there for a lease."""
    up, on = Fifo(project.folder / "up"), Fifo(project.folder / "on")
    project.write(
        "plan",
        f"treadle: 1\nengine: {at(cluster, lease='20s')}\nactions:\n"
        "  a: {sh: 'echo $$ >> tries; echo > up; read -r line < on; echo over > ${out}', out: o}\n"
        "  b: {sh: 'cat o > ${out}', in: o, out: p}\ndefault: [b]\n",
    )
    child = project.start("run", "--record", *words)
    up.wait()
    kill(child)
    runs = project.folder / ".treadle/runs"
    if end == "before":
        on.open()
        wait_until(lambda: list(runs.glob("*/attempts/*.json")))
    child = project.start("resume", "--hot")
    if end == "later":
        wait_until(lambda: len(list(runs.glob("*/lease"))) > 1)
        assert is_alive(int(project.read("tries")))
        on.open()
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err
    assert (project.read("p"), len(project.read("tries").split())) == ("over\n", 1)
    assert "nothing to do" in project.treadle("run").text


@pytest.mark.parametrize("does", ["begins", "waits"])
def test_what_waits_on_a_cluster_for_its_turn_when_the_run_is_killed_is_run_once(
    project: Project, does: str
) -> None:
    """Its task goes on with `--outlive`: one that begins meanwhile is taken over, else the next run has it anew."""
    cluster = DaskCluster(workers=1, threads=1)
    try:
        up, on = Fifo(project.folder / "up"), Fifo(project.folder / "on")
        workers = {"max": 2, "resources": {"cpus": 1}}
        script = "echo $$ >> tries; echo > up; read -r line < on; echo over > ${out}"
        project.write(
            "plan",
            f"treadle: 1\nengine: {at(cluster, lease='20s', workers=workers)}\nactions:\n"
            f"  a: {{sh: '{script}', out: o}}\n  b: {{sh: '{script}', out: p}}\n",
        )
        child = project.start("run", "--record", "-j2", "--outlive", "10m")
        up.wait()
        handles = project.folder / ".treadle/runs"
        wait_until(lambda: sum(path.read_text().count(":") for path in handles.glob("*/specs/handles")) == 2)
        kill(child)
        wait_until(cluster.is_rid_of_runs)
        if does == "begins":
            on.open()
            up.wait()
        child = project.start("resume", "--hot", "-j2")
        if does == "waits":
            on.open()
            up.wait()
        on.open()
        out, err = child.communicate(timeout=DEADLINE)
        assert child.returncode == 0, out + err
        assert (project.read("o"), project.read("p")) == ("over\n", "over\n")
        assert len(project.read("tries").split()) == 2
    finally:
        cluster.close()


def test_a_cluster_that_may_grow_runs_what_waits_when_its_first_worker_comes(project: Project) -> None:
    cluster = DaskCluster(workers=0)
    try:
        workers = {"max": 2, "resources": {"cpus": 2}}
        project.write("plan", PLAN.replace("{name: dask}", at(cluster, workers=workers)))
        child = project.start("run")
        folder = project.folder / ".treadle" / "runs"
        wait_until(lambda: list(folder.glob("*/specs/*.json")))
        cluster.add_worker()
        out, err = child.communicate(timeout=DEADLINE)
        assert child.returncode == 0, out + err
        assert "3 run" in out + err
        done = project.treadle("run", "--dask", cluster.address)
        assert "nothing to do" in done.text
    finally:
        cluster.close()


def test_a_cluster_without_workers_is_refused_unless_it_may_grow() -> None:
    cluster = DaskCluster(workers=0)
    try:
        with pytest.raises(UsageError, match="has no workers"):
            Dask({"address": cluster.address}).capacity()
    finally:
        cluster.close()
