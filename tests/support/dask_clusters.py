"""A Dask cluster that is there before a run: a scheduler and workers, by Dask's own commands, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import psutil

from project import wait_until
from session_end import at_session_end
from treadle.engines.dask import Dask
from treadle.engines.process_marks import wait_for_group
from treadle.errors import UsageError

HOST = "127.0.0.1"
QUIET = {
    "DASK_LOGGING__DISTRIBUTED": "critical",
    "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
}


class DaskCluster:
    """A scheduler and its workers. Their folder is none of a test: what is left in that is of a run.

    :param workers: how many
    :param threads: of each
    :param resources: as `dask worker --resources` takes them
    :param folder: where its folder is
    """

    def __init__(
        self, workers: int = 2, threads: int = 4, resources: str = "", path: str = "", folder: str = ""
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="treadle-dask-", dir=folder or None, ignore_cleanup_errors=True
        )
        self._environ = {**os.environ, **QUIET} | ({"PYTHONPATH": path} if path else {})
        self.threads = threads
        self.resources = resources
        self.address = ""
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start_scheduler(0)
        self._add_workers(workers)

    def _add_workers(self, number: int) -> None:
        """Start so many, and wait until they are there."""
        for _ in range(number):
            self.add_worker()
        engine = Dask({"address": self.address})

        def are_there() -> bool:
            # on a busy machine the first one takes longer than a run waits for it
            with contextlib.suppress(UsageError):
                return len(engine.capacity().nodes) >= number
            return False

        try:
            wait_until(lambda: not number or are_there())
        except BaseException:
            self.close()
            raise

    def _start_scheduler(self, port: int) -> subprocess.Popen[bytes]:
        file = Path(self._folder.name, f"scheduler-{time.monotonic_ns()}.json")
        child = self._start(
            "scheduler", "--host", HOST, "--port", str(port), "--no-dashboard", "--scheduler-file", str(file)
        )
        said: dict[str, str] = {}

        def is_up() -> bool:
            assert child.poll() is None
            with contextlib.suppress(OSError, ValueError):
                said.update(json.loads(file.read_text()))
            return bool(said)

        wait_until(is_up)
        self.address = said["address"]
        return child

    def add_worker(self) -> None:
        """Start one more, and do not wait for it."""
        more = ["--resources", self.resources] if self.resources else []
        name = f"w{len(self.workers)}"
        self.workers.append(
            self._start(
                *("worker", self.address, "--host", HOST, "--nthreads", str(self.threads), "--name", name),
                *("--no-dashboard", "--memory-limit", "0", *more),
            )
        )

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        with Path(self._folder.name, f"{what}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments],
                cwd=self._folder.name,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def log_of_scheduler(self) -> str:
        """Return the lines of schedulers that are critical; a port that is taken is none of them."""
        lines = Path(self._folder.name, "scheduler.log").read_text().splitlines(keepends=True)
        return "".join(line for line in lines if " CRITICAL " in line)

    def kill_scheduler(self) -> None:
        """Kill it; it listens at the same address again after `restart_scheduler`."""
        self.scheduler.kill()
        self.scheduler.wait()

    def restart_scheduler(self) -> None:
        """Start another one in place of the one that was killed, and workers in place of those that went with it."""
        self.scheduler = self._start_scheduler(int(self.address.rpartition(":")[2]))
        self._add_workers(len(self.workers))

    def is_rid_of_runs(self) -> bool:
        """Return whether the scheduler has seen that all clients of runs are gone."""
        distributed = import_module("distributed")
        with distributed.Client(self.address, set_as_default=False, name="asks") as client:
            # a lambda is sent as a whole: the cluster cannot load this file
            names = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.clients))
        return not any("treadle" in name for name in names)

    def processes(self) -> list[psutil.Process]:
        """Return all of it that lives."""
        found = []
        for child in (self.scheduler, *self.workers):
            if child.poll() is not None:
                # its number may be that of another process by now
                continue
            with contextlib.suppress(psutil.Error):
                one = psutil.Process(child.pid)
                found += [one, *one.children(recursive=True)]
        return found

    def close(self) -> None:
        """End all of it."""
        for one in self.processes():
            with contextlib.suppress(psutil.Error):
                one.send_signal(signal.SIGKILL)
        for child in (self.scheduler, *self.workers):
            child.wait()
            # what Python has started for it ends a moment later
            wait_for_group(child.pid)
        self._folder.cleanup()


_shared: list[DaskCluster] = []


def shared() -> DaskCluster:
    """Return a cluster for all tests of this session that do no harm to it; a failed test ends all that was started."""
    if not _shared or _shared[-1].scheduler.poll() is not None:
        _shared.append(DaskCluster())
        at_session_end(_shared[-1].close)
    return _shared[-1]
