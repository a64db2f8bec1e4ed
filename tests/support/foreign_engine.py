"""An engine as code outside of the package would write one: programs of another process, told by JSON alone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

from treadle import Attempt, BaseRunner

WORKER = """
import json, os, signal, subprocess, sys
spec = json.loads(sys.stdin.read())
log = open(spec["log"], "ab") if spec["log"] else None
stdin = open(spec["stdin"]) if spec["stdin"] else subprocess.DEVNULL
stdout = open(spec["stdout"], "wb") if spec["stdout"] else log
stderr = open(spec["stderr"], "wb") if spec["stderr"] else log or stdout
code = 0
for argv in spec["argvs"]:
    code = subprocess.call(argv, cwd=spec["cwd"], env=spec["environ"], stdin=stdin, stdout=stdout, stderr=stderr)
    if code:
        break
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


class OtherProcess(BaseRunner):
    """Runs each attempt by a worker, which knows nothing but its data."""

    def __init__(self) -> None:
        super().__init__()
        self.workers: dict[object, subprocess.Popen[str]] = {}

    def submit(self, key: object, attempt: Attempt) -> None:
        data = json.dumps({**attempt.as_data(), "environ": attempt.environment()})
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self.workers[key] = worker
        threading.Thread(target=self._wait, args=(key, worker, data), daemon=True).start()

    def _wait(self, key: object, worker: subprocess.Popen[str], data: str) -> None:
        worker.communicate(data)
        self.report(key, worker.returncode)

    def cancel(self, key: object, *, at_once: bool) -> None:
        subprocess.run(["kill", "-KILL" if at_once else "-TERM", "--", f"-{self.workers[key].pid}"], check=False)
