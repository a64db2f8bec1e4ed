"""The engine `process` with a worker that reads nothing, as it is frozen."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from treadle.engines.processes import Processes
from treadle.engines.spec import AttemptSpec, RunFolder
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_frozen_worker_does_not_hold_up_what_gives_it_attempts(tmp_path: Path) -> None:
    """The lease of the run is renewed by the same thread."""
    run = RunFolder(str(tmp_path / ("long" * 30)))
    run.make()
    engine = Processes({"workers": 1})
    engine.open(run)
    attempt = {"argvs": [["true"]], "mark": "r/a", "environ": {}}
    specs = [AttemptSpec(f"1-{number}", "a", 1, run.path, attempt, patience=0.1) for number in range(1000)]
    pid = int(engine.submit(specs[:1])[0].split()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        # more than a pipe has room for
        engine.submit(specs[1:])
        gone: set[str] = set()

        def all_gone() -> bool:
            gone.update(one.token for one in engine.poll(0.05))
            return len(gone) == len(specs)

        until(all_gone, "the ends of all")
    finally:
        os.kill(pid, signal.SIGKILL)
        engine.close(keep=False)
