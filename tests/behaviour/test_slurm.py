"""What only the engine `slurm` does, on a real Slurm of one node: arrays, demands, and ends that Slurm brings about.

What all engines hold is in the contract suites; what Slurm does not do on demand is in `unit/engines/test_slurm`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from project import DEADLINE, Project
from slurm_cluster import DAEMONS
from waiting import until

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster

ROOT = Path(__file__).parents[2]
PLAN = "treadle: 1\nshell: [sh, -euc]\nengine: {name: slurm, lease: 3s}\nactions:\n"
FIRST_WAITS = "echo >> n; if [ $(wc -l < n) = 1 ]; then touch up; exec sleep 300; fi; echo done > ${out}"
"""An action whose first attempt waits for its end."""


@pytest.fixture
def project(tmp_path: Path, slurm: SlurmCluster) -> Project:
    return Project(tmp_path / "project")


def listed(slurm: SlurmCluster, form: str) -> list[str]:
    """Return a column of all jobs, also of those that have ended a while ago."""
    return slurm.call("squeue", "-h", "--array", "--states=all", "-o", form).splitlines()


def finish(child: subprocess.Popen[str]) -> str:
    """Wait for a run, which ends well, and return what it has printed."""
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0, out + err
    return out + err


def test_equal_demands_are_one_array_and_all_jobs_of_a_run_have_one_name(
    project: Project, slurm: SlurmCluster
) -> None:
    before = set(listed(slurm, "%i"))
    project.write(
        "plan",
        PLAN
        + "  a: {foreach: {n: [1, 2, 3, 4]}, sh: 'echo ${n} > ${out}', out: 'a${n}'}\n"
        + "  b: {sh: 'echo b > ${out}', out: b, resources: {cpus: 2}}\n",
    )
    project.treadle("run")
    assert [project.read(f"a{n}") for n in range(1, 5)] == ["1\n", "2\n", "3\n", "4\n"]
    jobs = [line.split() for line in listed(slurm, "%i %j") if line.split()[0] not in before]
    assert len({name for _, name in jobs}) == 1
    assert jobs[0][1].startswith("treadle-")
    assert sorted(job.partition("_")[2] for job, _ in jobs) == ["", "0", "1", "2", "3"]


def test_what_an_action_asks_for_is_asked_of_slurm_which_names_the_gpus(
    project: Project, slurm: SlurmCluster
) -> None:
    before = set(listed(slurm, "%i|%C|%m|%b"))
    project.write(
        "plan",
        PLAN
        + "  a: {sh: 'echo $TREADLE_CPUS $TREADLE_GPU_IDS $CUDA_VISIBLE_DEVICES', resources: {cpus: 3, gpus: 1,"
        + " memory: 500MiB}}\n"
        + "  none: {sh: 'echo \"<$CUDA_VISIBLE_DEVICES>\"'}\ndefault: [a, none]\n",
    )
    done = project.treadle("run")
    assert done.code == 0, done.text
    assert project.read(".treadle/logs/a.log") == "3 0 0\n"
    assert project.read(".treadle/logs/none.log") == "<>\n"
    asked = [line.split("|") for line in set(listed(slurm, "%i|%C|%m|%b")) - before]
    # beside what it asks for a job has its worker
    assert sorted(one[1:] for one in asked) == [["1", "100M", "N/A"], ["3", "564M", "gres:gpu:1"]]


def test_nothing_of_the_environment_of_the_job_or_of_the_user_reaches_an_action(
    project: Project, slurm: SlurmCluster, tmp_path: Path
) -> None:
    """E4: no login shell, no file of the user, no variable of Slurm."""
    home = tmp_path / "home"
    home.mkdir()
    for name in (".profile", ".bash_profile", ".bashrc"):
        (home / name).write_text(f"touch {home}/was-read; export LEAKED=1\n")
    project.write("plan", PLAN + "  a: {run: env}\ndefault: [a]\n")
    done = project.treadle("run", HOME=str(home), ENV=str(home / ".profile"), BASH_ENV=str(home / ".profile"))
    assert done.code == 0, done.text
    names = {line.partition("=")[0] for line in project.read(".treadle/logs/a.log").splitlines()}
    assert not [name for name in names if name.startswith(("SLURM", "SBATCH", "LEAKED"))]
    assert not (home / "was-read").exists()


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("{name: slurm, options: {partition: nope}}", "Slurm has no partition 'nope'"),
        ("{name: slurm, options: {wrap: reboot}}", "slurm takes no 'wrap'"),
        ("{name: slurm, options: {reservation: nope}}", "Slurm refuses it: Requested reservation is invalid"),
    ],
)
def test_what_slurm_refuses_is_told_in_its_words(project: Project, engine: str, words: str) -> None:
    project.write("plan", PLAN.replace("{name: slurm, lease: 3s}", engine) + "  a: {run: 'true'}\ndefault: [a]\n")
    done = project.treadle("run")
    assert done.code != 0
    assert words in done.text


def test_what_no_node_has_is_refused_before_anything_runs(project: Project) -> None:
    """A7."""
    project.write("plan", PLAN + "  a: {run: 'true', resources: {gpus: 3}}\ndefault: [a]\n")
    done = project.treadle("run")
    assert done.code != 0
    assert "at most 2" in done.text


def test_a_preempted_job_is_lost_and_tried_again(project: Project, slurm: SlurmCluster) -> None:
    project.write("plan", PLAN + f"  a: {{sh: '{FIRST_WAITS}', out: o}}\n")
    child = project.start("run", "--events", "events")
    until((project.folder / "up").exists, "the first attempt")
    slurm.call("sbatch", "-p", "urgent", "--exclusive", "-o", "/dev/null", "--wrap", "true")
    text = finish(child)
    assert project.read("o") == "done\n"
    assert "lost" in text
    assert "lost" in project.read("events")


def test_a_job_that_is_cancelled_by_others_is_lost_and_tried_again(project: Project, slurm: SlurmCluster) -> None:
    project.write("plan", PLAN + f"  a: {{sh: '{FIRST_WAITS}', out: o}}\n")
    child = project.start("run")
    until((project.folder / "up").exists, "the first attempt")
    slurm.call("scancel", "--state=RUNNING", "--partition=main")
    finish(child)
    assert project.read("o") == "done\n"


def test_a_node_that_fails_loses_its_jobs(project: Project, slurm: SlurmCluster) -> None:
    """Its programs end by the lease, as the worker lives; then another attempt begins, on a node that answers."""
    project.write("plan", PLAN + f"  a: {{sh: '{FIRST_WAITS}', out: o}}\n")
    child = project.start("run", "--events", "events")
    until((project.folder / "up").exists, "the first attempt")
    slurm.send("slurmd", signal.SIGKILL)
    node = slurm.call("sinfo", "-h", "-o", "%N").strip()
    slurm.call("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    until(lambda: "PENDING" in slurm.jobs(), "another attempt")
    slurm.start_one("slurmd")
    slurm.call("scontrol", "update", f"nodename={node}", "state=resume")
    finish(child)
    assert project.read("o") == "done\n"
    assert "NODE_FAIL" in project.read("events")


@pytest.mark.parametrize("daemon", ["slurmd", "slurmctld"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_jobs_outlive_a_daemon_that_is_killed_or_frozen(
    project: Project, slurm: SlurmCluster, daemon: str, number: int
) -> None:
    """What runs ends well while it is away, and what is ready then waits for it."""
    project.write(
        "plan",
        PLAN
        + "  a: {sh: 'echo >> n; touch up; while [ ! -e go ]; do sleep 0.1; done; echo a > ${out}', out: a}\n"
        + "  b: {sh: 'cat ${in} > ${out}', in: a, out: b}\n",
    )
    child = project.start("run")
    until((project.folder / "up").exists, "the first action")
    # what it has not saved yet it would not know after a kill, and give its number to another job
    until(lambda: slurm.has_saved((project.folder / "up").stat().st_mtime), "the jobs on disk")
    slurm.send(daemon, number)
    (project.folder / "go").touch()
    until((project.folder / "a").exists, "the end of the first action")
    if number == signal.SIGSTOP:
        slurm.send(daemon, signal.SIGCONT)
    else:
        slurm.start_one(daemon)
    finish(child)
    assert project.read("b") == "a\n"
    assert project.read("n") == "\n"


def test_a_run_that_is_asked_to_end_leaves_no_job(project: Project, slurm: SlurmCluster) -> None:
    project.write(
        "plan",
        PLAN
        + "  runs: {sh: 'touch up; exec sleep 300', resources: {cpus: 10}}\n"
        + "  waits: {sh: 'exec sleep 300', resources: {cpus: 6}}\ndefault: [runs, waits]\n",
    )
    slurm.call("sbatch", "--cpus-per-task=6", "-o", "/dev/null", "--wrap", "exec sleep 300")
    child = project.start("run")
    until((project.folder / "up").exists, "the action")
    until(lambda: sorted(slurm.jobs()) == ["PENDING", "RUNNING", "RUNNING"], "a job that waits")
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=DEADLINE)
    until(lambda: slurm.jobs() == ["RUNNING"], "no job of the run")


@pytest.mark.parametrize("is_known", [True, False])
def test_a_job_of_a_killed_run_that_waits_is_ended_and_does_nothing_if_it_starts(
    project: Project, slurm: SlurmCluster, *, is_known: bool
) -> None:
    """H7, H8: the next run ends what was left, wherever it waits; also without Slurm it ends by itself."""
    plan = PLAN + "  a: {sh: 'echo >> n; echo done > ${out}', out: o, resources: {cpus: 6}}\n"
    project.write("plan", plan)
    slurm.call("sbatch", "--cpus-per-task=16", "-o", "/dev/null", "--job-name=other", "--wrap", "exec sleep 300")
    until(lambda: slurm.jobs() == ["RUNNING"], "another job")
    child = project.start("run")
    until(lambda: sorted(slurm.jobs()) == ["PENDING", "RUNNING"], "a job that waits")
    child.kill()
    child.communicate()
    conf = {} if is_known else {"SLURM_CONF": "/nowhere"}
    assert project.treadle("run", "--engine", "local", "-r", "cpus=6", **conf).code == 0
    assert sorted(slurm.jobs()) == (["RUNNING"] if is_known else ["PENDING", "RUNNING"])
    slurm.call("scancel", "--name=other")
    until(lambda: not slurm.jobs(), "no job")
    assert project.read("n") == "\n"


def test_a_job_that_waits_and_is_not_taken_over_is_ended_before_the_action_begins_anew(
    project: Project, slurm: SlurmCluster
) -> None:
    """U4: what it reads has changed meanwhile."""
    action = "echo >> n; cat ${in} > ${out}"
    project.write("plan", PLAN + f"  a: {{sh: '{action}', in: i, out: o, resources: {{cpus: 6}}}}\n")
    project.write("i", "old\n")
    slurm.call("sbatch", "--cpus-per-task=16", "-o", "/dev/null", "--job-name=other", "--wrap", "exec sleep 300")
    until(lambda: slurm.jobs() == ["RUNNING"], "another job")
    killed = project.start("run", "--record")
    until(lambda: sorted(slurm.jobs()) == ["PENDING", "RUNNING"], "a job that waits")
    killed.kill()
    killed.communicate()
    before = set(listed(slurm, "%i %T"))
    project.write("i", "new\n")
    child = project.start("resume", "--hot")
    old = {line.split()[0] for line in before if line.endswith("PENDING")}
    until(lambda: not {f"{job} PENDING" for job in old} & set(listed(slurm, "%i %T")), "no old job")
    until(lambda: sorted(slurm.jobs()) == ["PENDING", "RUNNING"], "the new job")
    slurm.call("scancel", "--name=other")
    finish(child)
    assert project.read("o") == "new\n"
    assert project.read("n") == "\n"


@pytest.mark.parametrize("is_waiting", [False, True])
def test_a_job_of_a_killed_run_is_taken_over_wherever_it_is(
    project: Project, slurm: SlurmCluster, *, is_waiting: bool
) -> None:
    """U4: it runs under the next run, or starts under it, and nothing of it is begun again."""
    action = "echo >> n; touch up; while [ ! -e go ]; do sleep 0.1; done; echo done > ${out}"
    project.write("plan", PLAN.replace("3s", "20s") + f"  a: {{sh: '{action}', out: o, resources: {{cpus: 6}}}}\n")
    if is_waiting:
        slurm.call("sbatch", "--cpus-per-task=16", "-o", "/dev/null", "--job-name=other", "--wrap", "sleep 300")
        until(lambda: slurm.jobs() == ["RUNNING"], "another job")
    killed = project.start("run", "--record")
    if is_waiting:
        until(lambda: sorted(slurm.jobs()) == ["PENDING", "RUNNING"], "a job that waits")
        until(lambda: list((project.folder / ".treadle/runs").glob("*/specs/handles")), "its handle")
    else:
        until((project.folder / "up").exists, "the action")
    killed.kill()
    killed.communicate()
    child = project.start("resume", "--hot")
    until(lambda: len(list((project.folder / ".treadle/runs").glob("*/lease"))) > 1, "the next run")
    slurm.call("scancel", "--name=other")
    until((project.folder / "up").exists, "the action")
    (project.folder / "go").touch()
    finish(child)
    assert project.read("o") == "done\n"
    assert project.read("n") == "\n"


def test_a_check_asks_each_node(project: Project, slurm: SlurmCluster) -> None:
    project.write("plan", PLAN + "  a: {run: 'true'}\ndefault: [a]\n")
    command = [sys.executable, "-m", "treadle.engines.check"]
    done = subprocess.run(
        command, cwd=project.folder, env=project.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    node = slurm.call("sinfo", "-h", "-o", "%N").strip()
    assert "slurm, 1 of 1 workers answer" in done.stdout
    assert f"{node} has cpus 16" in done.stdout
    assert not slurm.jobs()


def test_the_plan_of_the_page_runs(project: Project) -> None:
    section = (ROOT / "docs/howto/engines.md").read_text().partition("\n## Slurm\n")[2]
    plan = section.partition("```yaml\n")[2].partition("```")[0]
    # those of the cluster of the tests
    project.write("plan", plan.replace("partition: short, account: lab", "partition: main").replace("8GiB", "1GiB"))
    project.write("fit", "#!/bin/sh\nwc -l < $3 > $4\n").chmod(0o755)
    for part in "123":
        project.write(f"data/{part}.txt", "x\n" * int(part))
    done = project.treadle("run", "-j", "1")
    assert done.code == 0, done.text
    assert [project.read(f"out/{part}.fit").strip() for part in "123"] == ["1", "2", "3"]


def test_all_daemons_listen_on_loopback_alone(slurm: SlurmCluster) -> None:
    listening = {
        (name, one.laddr.ip)
        for name in DAEMONS
        for one in psutil.Process(slurm.pid(name)).net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    }
    assert listening == {("slurmctld", "127.0.0.1"), ("slurmd", "127.0.0.1")}
