"""The engine `process`: runs attempts in other processes of this machine, each a worker for several at a time.

It is what a cluster is, on one machine: workers that see the folder of the run, and no more of the run than that.
The view of the folder can be delayed, as on a network file system.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from select import POLLIN, POLLOUT, poll
from time import monotonic
from typing import TYPE_CHECKING, Any

from treadle._startup.interpreter import inherited
from treadle.core.pool import Node, Pool

from .agent import new_name
from .machine import memory_bytes, processors
from .process import milliseconds
from .process_marks import WORKER, with_mark
from .settings import check_keys, workers_said
from .spec import GONE, RUNNING, STARTED, WAITING, Hint, RunFolder
from .wake_pipe import WakePipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .spec import AttemptSpec

PATIENCE = 5.0
"""Seconds that a worker has to end when nothing of it runs."""
WORKERS = 2
"""How many there are if nothing else is said."""


class _Worker:
    """A worker process.

    :ivar place: the node of the pool that it is
    :ivar tokens: what it was given and has not ended -> until when it is to begin, None once it has
    """

    def __init__(self, place: str, arguments: Sequence[str], mark: str) -> None:
        self.place = place
        self.is_for_one = False
        """Whether it is there for one attempt alone."""
        self.name = new_name()
        self.tokens: dict[str, float | None] = {}
        self.rest = b""
        self.unsaid = b""
        """Messages to send when it has room for them."""
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-m", "treadle.engines.worker", "--serve", "--name", self.name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=with_mark(inherited(), mark),
            start_new_session=True,
            bufsize=0,
        )
        assert self.child.stdin is not None
        os.set_blocking(self.child.stdin.fileno(), False)

    @property
    def fd(self) -> int:
        """Where it says its hints."""
        assert self.child.stdout is not None
        return self.child.stdout.fileno()

    def say(self, **what: object) -> None:
        """Send it a message. One that it cannot receive any more is lost: its end says so."""
        self.unsaid += (json.dumps(what) + "\n").encode()
        self.go_on_saying()

    def go_on_saying(self) -> None:
        """Say what there was no room for; one that is frozen reads nothing, and must not hold up the others."""
        assert self.child.stdin is not None
        try:
            while self.unsaid:
                self.unsaid = self.unsaid[os.write(self.child.stdin.fileno(), self.unsaid) :]
        except BlockingIOError:
            return
        except OSError:
            self.unsaid = b""

    def hints(self) -> list[Hint] | None:
        """Return what it has said; None if it is gone."""
        data = os.read(self.fd, 65536)
        if not data:
            return None
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [Hint(**json.loads(line)) for line in lines]

    def forget(self) -> None:
        """Give its descriptors back, and collect it; one that does not end, as it is frozen, is killed."""
        for file in (self.child.stdin, self.child.stdout):
            if file is not None:
                file.close()
        try:
            self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Processes:
    """Workers in other processes of this machine.

    :param settings: `workers`, how many, or `{max: N, resources: {cpus: N, ...}}` with what each has; `delay`,
        seconds after which a worker sees what the run has written
    :raises UsageError: they say something else
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self._settings = settings or {}
        self._places = _places(self._settings)
        self._run = RunFolder("")
        self._workers: dict[str, _Worker] = {}
        """Place -> the worker that is there."""
        self._by_fd: dict[int, _Worker] = {}
        self._waker = WakePipe()

    def open(self, run: RunFolder) -> None:
        """Be ready; a worker starts with its first attempt."""
        self._run = run
        self._waker.open()

    def capacity(self) -> Pool:
        """Return a node for each worker."""
        return Pool(nodes=[Node(name, resources) for name, resources in self._places.items()])

    def submit(self, attempts: Sequence[AttemptSpec]) -> list[str]:
        """Give attempts to the workers that have the fewest."""
        handles = []
        for spec in attempts:
            worker = self._worker_for(spec)
            worker.tokens[spec.token] = monotonic() + spec.patience
            worker.say(run=spec.folder.spec(spec.token))
            handles.append(f"{worker.child.pid} {spec.token} {spec.run}")
        return handles

    def poll(self, timeout: float | None) -> list[Hint]:
        """Wait for hints of the workers, or for their ends."""
        waiting = poll()
        for fd in (self._waker.fd, *self._by_fd):
            waiting.register(fd, POLLIN)
        for worker in self._by_fd.values():
            if worker.unsaid and worker.child.stdin is not None:
                waiting.register(worker.child.stdin.fileno(), POLLOUT)
        hints: list[Hint] = []
        for fd, _ in waiting.poll(None if timeout is None else milliseconds(timeout)):
            if fd == self._waker.fd:
                self._waker.hush()
                continue
            if fd not in self._by_fd:
                # there is room in the pipe to one of them
                for worker in self._by_fd.values():
                    worker.go_on_saying()
                continue
            worker = self._by_fd[fd]
            said = worker.hints()
            if said is None:
                hints += self._lose(worker)
            else:
                hints += said
                for hint in said:
                    if hint.what == STARTED and hint.token in worker.tokens:
                        worker.tokens[hint.token] = None
                    elif hint.what != STARTED:
                        worker.tokens.pop(hint.token, None)
                        if worker.is_for_one:
                            worker.say(end=True)
        return hints + self._unheard()

    def _unheard(self) -> list[Hint]:
        """Give up workers that do not begin what they were given: they are frozen."""
        now = monotonic()
        hints = []
        for worker in self._by_fd.values():
            for token, until in list(worker.tokens.items()):
                if until is not None and now >= until:
                    del worker.tokens[token]
                    hints.append(Hint(token, GONE, "its worker does not answer"))
                    if self._workers.get(worker.place) is worker:
                        del self._workers[worker.place]
        return hints

    def stop(self, handles: Sequence[str], *, kill: bool) -> None:
        """Notify the workers that have them."""
        for handle in handles:
            token = handle.split(" ", 2)[1]
            for worker in self._by_fd.values():
                if token in worker.tokens:
                    worker.say(stop=token, kill=kill)

    def find(self, handles: Sequence[str]) -> dict[str, str]:
        """Return what the folders of the attempts say, and whether the workers live."""
        found = {}
        for handle in handles:
            pid, token, folder = handle.split(" ", 2)
            run = RunFolder(folder)
            has_begun = os.path.exists(run.owner(token))
            # what another process has given to a worker has been begun by now, or never will be
            is_waiting = any(token in worker.tokens for worker in self._by_fd.values())
            is_over = os.path.exists(run.report(token)) or not _lives(int(pid)) or not (has_begun or is_waiting)
            found[handle] = GONE if is_over else RUNNING if has_begun else WAITING
        return found

    def wake(self) -> None:
        """Make a `poll` return."""
        self._waker.ring()

    def close(self, *, keep: bool) -> None:
        """Have the workers end when nothing of them runs; they are not waited for if they are to live on."""
        for worker in self._by_fd.values():
            worker.say(end=True)
        for worker in self._by_fd.values():
            if not keep:
                worker.forget()
        self._workers.clear()
        self._by_fd.clear()
        self._waker.close()

    def _worker_for(self, spec: AttemptSpec) -> _Worker:
        if spec.is_alone:
            worker = self._start(f"{spec.node or 'worker'} for {spec.token}", spec)
            worker.is_for_one = True
            return worker
        places = self._places
        place = spec.node
        if place not in places:
            place = min(places, key=lambda one: len(self._workers[one].tokens) if one in self._workers else 0)
        if place not in self._workers:
            self._workers[place] = self._start(place, spec)
        return self._workers[place]

    def _start(self, place: str, spec: AttemptSpec) -> _Worker:
        """Start a worker, which carries the mark of the run: what ends a killed run ends it too."""
        delay = float(self._settings.get("delay") or 0)
        arguments = ["--patience", str(spec.patience), *(["--delay", str(delay)] if delay else [])]
        mark = str(spec.attempt["mark"]).partition("/")[0]
        worker = _Worker(place, arguments, f"{mark}{WORKER}")
        self._by_fd[worker.fd] = worker
        return worker

    def _lose(self, worker: _Worker) -> list[Hint]:
        """Forget a worker that is gone; the next attempt starts another one."""
        del self._by_fd[worker.fd]
        if self._workers.get(worker.place) is worker:
            del self._workers[worker.place]
        worker.forget()
        code = worker.child.returncode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return [Hint(token, GONE, f"its worker has ended {how}") for token in worker.tokens]


def _places(settings: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return name -> what there is, of each worker.

    :raises UsageError: the settings say something else
    """
    check_keys("process", settings, ("workers",), ("delay", "insecure"))
    given, resources = workers_said(settings.get("workers"), WORKERS)
    memory = memory_bytes()
    share = {"cpus": max(1, processors() // given), **({} if memory is None else {"memory": memory // given})}
    own = {**share, **resources}
    return {f"worker-{number}": own for number in range(1, given + 1)}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
