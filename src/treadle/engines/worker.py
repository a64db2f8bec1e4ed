"""The worker: runs attempt specs on this machine, wherever that is.

`python -m treadle.engines.worker SPEC...` runs these, and exits with 0 when each has its report. With `--serve` it
reads what to do from its standard input, a line of JSON each, and writes hints to its standard output:

- `{"run": SPEC}` begins an attempt
- `{"stop": TOKEN, "kill": false}` ends one
- `{"end": true}` exits when nothing runs any more

An engine is a way to have this line run on another machine that sees the folder of the run by the same path.
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
import sys
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from treadle.core import lease

from .agent import Agent, new_name
from .process import seal_descriptors
from .shared_folder import DelayedFolder, SharedFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .spec import Hint

LONGEST_NAP = 1.0
ENDED = "its worker was ended"


class Worker:
    """An agent with its messages from outside.

    :param agent: runs the attempts
    """

    def __init__(self, agent: Agent, patience: float = lease.LEASE) -> None:
        self.agent = agent
        self.patience = patience
        self.said: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.is_ending = False
        """Whether it exits when nothing runs."""
        self.was_ended = 0
        """How often a signal has asked for its end."""
        self._ended = 0

    def read(self, fd: int) -> None:
        """Take in lines until there are no more; called in a thread."""
        rest = b""
        while data := os.read(fd, 65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if isinstance(said, dict):
                    self.said.put(said)
            self.agent.wake()
        self.said.put({"end": True})
        self.agent.wake()

    def run(self) -> None:
        """Work until it is to end and nothing runs."""
        while not (self.is_ending and self.agent.is_idle):
            self._take_all()
            if self.was_ended > self._ended:
                self._ended, self.is_ending = self.was_ended, True
                self.agent.end_all(ENDED, kill=self._ended > 1)
            self.agent.work(0 if self.is_ending and self.agent.is_idle else LONGEST_NAP)
        self.agent.close()

    def end(self, *_: object) -> None:
        """Have all end, and be killed the second time: a signal handler."""
        self.was_ended += 1
        self.agent.wake()

    def _take_all(self) -> None:
        while True:
            try:
                said = self.said.get_nowait()
            except Empty:
                return
            if "run" in said:
                self.agent.take(str(said["run"]), self.patience)
            elif "stop" in said:
                self.agent.stop(str(said["stop"]), kill=bool(said.get("kill")))
            elif "end" in said:
                self.is_ending = True


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m treadle.engines.worker", description=__doc__)
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="the file of an attempt spec")
    parser.add_argument("--serve", action="store_true", help="read what to do from the standard input")
    parser.add_argument("--name", default="", help="a name that no other worker has")
    parser.add_argument("--delay", type=float, default=0.0, help="see files of the run so many seconds later")
    parser.add_argument("--patience", type=float, default=lease.LEASE, help="seconds to wait for a file")
    parser.add_argument("--own", action="append", default=[], metavar="NAME", help="a variable of what it runs")
    parser.add_argument("--no-guard", action="store_true", help="leave what a killed worker runs")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker; return its exit code."""
    given = _arguments(argv)
    seal_descriptors()
    # what has no log writes to our standard output, which must hold no hints then
    hints = os.dup(1)
    os.set_inheritable(hints, False)
    os.dup2(2, 1)

    def tell(hint: Hint) -> None:
        if given.serve:
            try:
                os.write(hints, (json.dumps(hint._asdict()) + "\n").encode())
            except OSError:
                # the engine is gone: the reports say it too
                return

    agent = Agent(
        name=given.name or new_name(),
        view=DelayedFolder(given.delay) if given.delay else SharedFolder(),
        tell=tell,
        guards=not given.no_guard,
        own=given.own,
    )
    worker = Worker(agent, given.patience)
    signal.signal(signal.SIGTERM, worker.end)
    signal.signal(signal.SIGINT, worker.end)
    for path in given.specs:
        agent.take(os.path.abspath(path), given.patience)
    if given.serve:
        threading.Thread(target=worker.read, args=(0,), daemon=True).start()
    else:
        worker.is_ending = True
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
