"""A real Slurm of one node for a test session: munged, slurmctld and slurmd of its own, on loopback.

The node says that it has more processors than there are, and two GPUs that are none. Its daemons run as the user of
the tests. They can be killed, frozen and started again, each alone.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import waiting
from treadle.engines import process_marks

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scancel")
CPUS = 16
DAEMONS = ("munged", "slurmctld", "slurmd")
"""In the order in which they start."""
_CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={control_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=50000,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
ReturnToService=2
KillWait=2
SlurmdTimeout=120
MessageTimeout=5
MinJobAge=60
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10
"""


def missing() -> list[str]:
    """Return the programs of Slurm that are not here."""
    return [name for name in PROGRAMS if program(name) is None]


def program(name: str) -> str | None:
    """Return the path of a program, also of one that only an administrator has in his path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


class SlurmCluster:
    """Slurm with a folder of its own, which is made here; nothing runs before `start`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="treadle-slurm-", dir="/tmp"))
        self.conf = self.folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        host = socket.gethostname().partition(".")[0]
        with ExitStack() as taken:
            ports = []
            for _ in range(2):
                one = taken.enter_context(socket.socket())
                one.bind(("127.0.0.1", 0))
                ports.append(one.getsockname()[1])
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.conf.write_text(
            _CONF.format(
                folder=self.folder, host=host, user=user, cpus=CPUS, control_port=ports[0], node_port=ports[1]
            )
        )
        gpus = [f"NodeName={host} Name=gpu File={path}\n" for path in ("/dev/null", "/dev/zero")]
        (self.folder / "gres.conf").write_text("".join(gpus))
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o600)
        for name in ("state", "spool"):
            (self.folder / name).mkdir()

    def start(self) -> None:
        """Start what does not run, and wait until the node takes jobs."""
        was_killed = self._daemons.keys() >= set(DAEMONS) and not self._runs("munged")
        if was_killed:
            # all that a test has left was ended, and jobs of which nothing is left would be waited for
            self.stop()
        for name in DAEMONS:
            self.start_one(name)
        waiting.until(self._takes_jobs, "a node")

    def start_one(self, name: str) -> None:
        """Start a daemon, unless it runs."""
        if self._runs(name):
            return
        path = program(name)
        assert path is not None
        words = {
            "munged": [
                *(path, "--foreground", "--force", f"--socket={self.folder}/munge.socket"),
                *(f"--key-file={self.folder}/munge.key", f"--pid-file={self.folder}/munge.pid"),
                *(f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed"),
            ],
            "slurmctld": [path, "-D", *([] if name in self._daemons else ["-c"])],
            "slurmd": [path, "-D"],
        }[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                words,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=process_marks.with_mark(self.environ(), f"{self.folder.name}/daemon"),
                start_new_session=True,
            )
        if name == "munged":
            waiting.until((self.folder / "munge.socket").exists, "the socket of munged")

    def _takes_jobs(self) -> bool:
        node, _, state = self.call("sinfo", "-h", "-o", "%n %t").strip().partition(" ")
        if state.startswith("d"):
            # drained, as two jobs had one number, or down
            self.call("scontrol", "update", f"nodename={node}", "state=resume")
        return state in ("idle", "mix", "alloc")

    def has_saved(self, since: float) -> bool:
        """Return whether slurmctld has written its jobs since a time."""
        path = self.folder / "state" / "job_state"
        return path.exists() and path.stat().st_mtime > since

    def _runs(self, name: str) -> bool:
        return name in self._daemons and self._daemons[name].poll() is None

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """Have the node take jobs again whenever it is drained: a killed slurmctld gives two jobs one number."""
        is_over = threading.Event()

        def keep() -> None:
            while not is_over.wait(0.3):
                self._takes_jobs()

        thread = threading.Thread(target=keep)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def environ(self) -> dict[str, str]:
        """Return an environment by which the commands of Slurm find it."""
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def call(self, *words: str) -> str:
        """Return what a command of Slurm prints."""
        return subprocess.run(words, env=self.environ(), capture_output=True, text=True, check=False).stdout

    def pid(self, name: str) -> int:
        """Return the process of a daemon."""
        return self._daemons[name].pid

    def send(self, name: str, number: int) -> None:
        """Send a signal to a daemon."""
        self._daemons[name].send_signal(number)
        if number == signal.SIGKILL:
            self._daemons[name].wait()

    def jobs(self) -> list[str]:
        """Return the states of jobs that have not ended."""
        return self.call("squeue", "-h", "--array", "-o", "%T").split()

    def empty(self) -> None:
        """End all jobs, and wait until they are gone."""
        self.call("scancel", "--user", pwd.getpwuid(os.geteuid()).pw_name)
        waiting.until(lambda: not self.jobs(), "no job")

    def stop(self) -> None:
        """End the daemons, and all that they have started."""
        for name in reversed(DAEMONS):
            if self._runs(name):
                self.send(name, signal.SIGCONT)
                self.send(name, signal.SIGTERM)
                try:
                    self._daemons[name].wait(waiting.DEADLINE)
                except subprocess.TimeoutExpired:
                    self.send(name, signal.SIGKILL)
        self._daemons.clear()
        process_marks.end_marked(f"{self.folder.name}/")

    def remove(self) -> None:
        """End it, and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
