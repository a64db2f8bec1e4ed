"""The Dask cluster that a run starts for itself, on this machine: a process that goes away with the run.

`python -m treadle.engines.dask_cluster` starts a scheduler in this process and workers in others. It writes a line
of JSON with the address and with keys that were made for this run, and ends all when its standard input ends. All
of it listens on loopback, and takes connections with these keys alone: what reaches a Dask scheduler can run
anything as its user, and other users of a machine reach loopback as well.
"""

from __future__ import annotations

if __name__ == "__main__":
    # before anything else is looked for
    from treadle._startup.search_path import leave_current_folder

    leave_current_folder()

import argparse
import json
import os
import signal
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from .process import seal_descriptors

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "127.0.0.1"
KEYS = ("tls_ca_file", "tls_client_cert", "tls_client_key")
"""What a client needs of the keys, as `distributed.Security` calls it."""
_QUIET: dict[str, Any] = {
    # pages with what runs: nothing serves them
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.dashboard.status.task-stream-length": 0,
    # programs need no room in the memory of the worker that has started them
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.profile.enabled": False,
    # Dask is loaded once, and not by each worker
    "distributed.worker.multiprocessing-method": "forkserver",
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the cluster until the standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m treadle.engines.dask_cluster", description=__doc__)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True, help="tasks that a worker has at once")
    parser.add_argument("--folder", required=True, help="a folder for files of the workers")
    given = parser.parse_args(argv)
    # Python starts the workers, and gives them `-P` only if we have it; an action has an environment of its own
    os.environ["PYTHONSAFEPATH"] = "1"
    seal_descriptors()
    # the run says when it is over, also where the terminal has interrupted both
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    said = os.dup(1)
    os.set_inheritable(said, False)
    os.dup2(2, 1)

    import dask

    distributed: Any = import_module("distributed")
    dask.config.set(_QUIET)
    keys = distributed.Security.temporary()
    cluster = distributed.LocalCluster(
        n_workers=given.workers,
        threads_per_worker=given.threads,
        processes=True,
        host=HOST,
        protocol="tls://",
        security=keys,
        dashboard_address=f"{HOST}:0",
        scheduler_kwargs={"dashboard": False},
        silence_logs=50,
        memory_limit=0,
        local_directory=given.folder,
    )
    line = {"address": cluster.scheduler_address, **{name: getattr(keys, name) for name in KEYS}}
    os.write(said, (json.dumps(line) + "\n").encode())
    os.close(said)
    while os.read(0, 4096):
        pass
    # nothing of the run is running, or it was killed: workers end when we do, and their guards see to the rest;
    # closing each worker takes seconds.
    os._exit(0)


if __name__ == "__main__":
    main()
