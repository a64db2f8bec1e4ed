"""The engine `slurm`: runs attempts as batch jobs of Slurm, by its own commands, and needs nothing else.

It is the worked example of an engine that a package brings: the entry point `slurm` of the group `treadle.engines`
names it. The side of a worker is the script of a job, see `_script`; all else here puts jobs into the queue and
finds out which of them will leave no report.

- The attempts of one call have equal demands: they are one array of jobs.
- All jobs of a run have one name, so one query finds them and one call ends them.
- Nothing waits for a command: the controller of Slurm may be slow, or away for a while.
- That an attempt has begun or ended is seen in the folder of its run. Slurm is asked for those that are lost.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import deque
from functools import partial
from select import POLLIN, poll
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from treadle._startup.interpreter import inherited
from treadle.core.pool import Node, Pool, size_of
from treadle.errors import TreadleError, UsageError, listed

from .process import milliseconds
from .process_marks import WORKER, with_mark
from .settings import check_keys, workers_said
from .spec import ENDED, GONE, MOST_AT_ONCE, REFUSED, RUNNING, STARTED, WAITING, Hint, RunFolder
from .wake_pipe import WakePipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .spec import AttemptSpec

QUERY, LONGEST_QUERY = 5.0, 60.0
"""Seconds from one question to Slurm to the next: at first, and at most."""
LONGEST_QUERY_IN_TROUBLE = 5.0
"""The same at most while a node does not start or end what it has been given."""
LOOK, LONGEST_LOOK = 0.1, 1.0
"""Seconds from one look into the folder of the run to the next: after a change, and at most."""
SLOWEST_START = 30.0
"""Seconds at least that a worker may take to begin, once a node has its job."""
AWAY = 600.0
"""Seconds for which jobs are kept that Slurm does not take, as it does not answer or has no room."""
TIMEOUT, SHORT_TIMEOUT = 60.0, 10.0
"""Seconds after which a command of Slurm counts as failed, and one that the run waits for."""
OWN_MEMORY = 64 << 20
"""What a worker and its guard need in addition to what they run."""
MOST_NODES = 1000
LOG = "slurm.log"
"""What the jobs of a run print in addition to what they run, in the folder of its workers."""

_OPTIONS = ("account", "constraint", "licenses", "nice", "partition", "qos", "reservation", "time", "wckey")
"""What may be said of jobs: the options of sbatch of these names."""
_KEYS = (*_OPTIONS, "python", "workers", "delay", "insecure")
_NOT_PASSED = (
    "SBATCH_EXPORT",
    "SBATCH_GET_USER_ENV",
    "SBATCH_ARRAY_INX",
    "SBATCH_JOB_NAME",
    "SBATCH_REQUEUE",
    "SBATCH_WAIT",
)
_GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "TREADLE_GPU_IDS")
"""Variables that name the GPUs that a job was given: Slurm chooses them."""
_IN_QUEUE = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD"})
_ON_NODE = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "SIGNALING", "STOPPED", "STAGE_OUT", "RESIZING"})
_AT_NODE = _ON_NODE | {"CONFIGURING"}
_BY_NODE = frozenset({"NODE_FAIL", "BOOT_FAIL"})
"""States of jobs that their node has lost: this run uses it no more."""
_TRANSIENT = re.compile(
    r"unable to contact|connect(ion)? (failure|refused)|timed out|zero bytes|temporarily|submit limit|try again",
    re.IGNORECASE,
)
"""What sbatch says of what may be otherwise later."""
_NEEDS_NODE = re.compile(r"BeginTime|Node|DOWN", re.IGNORECASE)
"""Why a job waits that has had a node, or needs one that is not there; `None` is not in it."""
_UNUSABLE = re.compile(r"down|drain|drng|fail|maint|inval|\w*\*")
"""The states of nodes that take no jobs; `*` is added to that of one which does not answer."""


class _Batch:
    """What was given to Slurm in one call: an array of jobs, or one job.

    :ivar name: what finds it in a list of jobs, whatever is known of its start
    :ivar job: the id of its job, "" as long as that is not known
    :ivar is_doubtful: whether it may have been taken although no answer came
    """

    def __init__(self, specs: Sequence[AttemptSpec]) -> None:
        self.name = os.urandom(6).hex()
        self.specs = list(specs)
        self.job = ""
        self.is_doubtful = False
        self.since = monotonic()
        self.words = ""

    def id_of(self, index: int) -> str:
        """Return the id of one of its jobs, "" as long as that is not known."""
        return f"{self.job}_{index}" if self.job and len(self.specs) > 1 else self.job


class _Job:
    """A job that has not ended, as far as is known."""

    __slots__ = ("batch", "begins_until", "has_begun", "index", "waits_for")

    def __init__(self, batch: _Batch, index: int) -> None:
        self.batch = batch
        self.index = index
        self.has_begun = False
        self.begins_until: float | None = None
        """Until when its worker is to begin; None while no node has it."""
        self.waits_for = ""
        """Why Slurm has not started it, in its words."""


class _Command(NamedTuple):
    """A command of Slurm that is to be called.

    :ivar words: returns its argv when its turn comes; an empty one if there is nothing to do any more
    :ivar text: its standard input
    :ivar then: called with its exit code and what it has printed
    """

    words: Callable[[], list[str]]
    text: str
    then: Callable[[int, str], list[Hint]]


class Slurm:
    """Runs attempts as jobs of Slurm.

    :param settings: `partition`, `account` and what else sbatch takes, see `_OPTIONS`; `python`, the interpreter on
        the nodes if it is another one; `workers`, how many nodes there are at most, or `{max: N, resources: {...}}`
        with what a job may have on each, where Slurm does not say it
    :raises UsageError: they say something else
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self._settings = settings or {}
        check_keys("slurm", self._settings, _KEYS[:-2], _KEYS[-2:])
        for key in (*_OPTIONS, "python"):
            value = self._settings.get(key, "-")
            if type(value) not in (str, int) or not str(value).isprintable() or (key == "python" and not value):
                raise UsageError(f"engine: {key} is {value!r}", facts=("expected a text of one line",))
        self._run = RunFolder("")
        self._name = ""
        self._nodes: dict[str, Node] = {}
        """What a run may count on: nodes of the partition, or places of a size that the settings say."""
        self._hosts: set[str] = set()
        self._lost_nodes: dict[str, None] = {}
        self._batches: dict[str, _Batch] = {}
        self._jobs: dict[str, _Job] = {}
        """Token -> its job."""
        self._commands: deque[_Command] = deque()
        self._child: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._until = 0.0
        """Until when the command that is being called may last."""
        self._query_pause = self._first_query = QUERY
        self._look_pause = LOOK
        self._next_query = self._next_look = 0.0
        self._is_asked = False
        self._waker = WakePipe()

    def open(self, run: RunFolder) -> None:
        """Be ready; the folder of the run names its jobs."""
        self._run, self._name = run, "treadle-" + re.sub(r"[^\w.-]", "-", os.path.basename(run.path))
        self.capacity()
        self._waker.open()

    def capacity(self) -> Pool:
        """Return the nodes of the partition, or what the settings say that there is.

        :raises TreadleError: Slurm does not answer, or no node takes jobs
        """
        if not self._nodes:
            nodes = self._partition_nodes()
            self._nodes, self._hosts = _workers(self._settings.get("workers"), nodes), set(nodes)
        return Pool(nodes=list(self._nodes.values()))

    def _partition_nodes(self) -> dict[str, Node]:
        wanted = self._settings.get("partition") or inherited().get("SBATCH_PARTITION", "")
        code, text = self._call("sinfo", "--noheader", "--Node", "--format=%P|%t|%N|%c|%m|%G")
        if code:
            raise TreadleError(f"Slurm does not answer: {text.strip()}")
        rows = [line.split("|") for line in text.splitlines() if line.count("|") == _SINFO_FIELDS - 1]
        nodes = [row for row in rows if (row[0].rstrip("*") == wanted if wanted else row[0].endswith("*"))]
        if not nodes:
            known = listed(dict.fromkeys(row[0].rstrip("*") for row in rows)) or "none"
            raise UsageError(
                f"Slurm has no partition {wanted!r}" if wanted else "Slurm has no default partition",
                facts=(f"there are {known}",),
            )
        usable = [row for row in nodes if not _UNUSABLE.fullmatch(row[1])]
        if not usable:
            states = listed([f"{row[2]} is {row[1]}" for row in nodes[:3]])
            raise TreadleError(f"no node of the partition {nodes[0][0].rstrip('*')} takes jobs: {states}")
        return {row[2]: Node(row[2], _resources(*row[3:])) for row in usable[:MOST_NODES]}

    def submit(self, attempts: Sequence[AttemptSpec]) -> list[str]:
        """Put attempts into the queue, as one array."""
        batch = _Batch(attempts)
        self._batches[batch.name] = batch
        for index, spec in enumerate(attempts):
            self._jobs[spec.token] = _Job(batch, index)
        self._first_query = min(QUERY, attempts[0].lease / _QUERIES)
        self._put(batch)
        self._ask_soon()
        return [f"{self._name} {batch.name} {index}" for index in range(len(attempts))]

    def poll(self, timeout: float | None) -> list[Hint]:
        """Wait for the ends of commands, and for changes in the folder of the run."""
        self._call_next()
        now = monotonic()
        due = [] if timeout is None else [now + timeout]
        if self._jobs:
            due += [self._next_look, *([] if self._is_asked else [self._next_query])]
        if self._child is not None:
            due.append(self._until)
        waiting = poll()
        fds = [self._waker.fd, *([] if self._child is None else [_out_of(self._child)])]
        for fd in fds:
            waiting.register(fd, POLLIN)
        wait = None if not due else milliseconds(max(0.0, min(due) - now))
        hints: list[Hint] = []
        for fd, _ in waiting.poll(wait):
            if fd == self._waker.fd:
                self._waker.hush()
            else:
                hints += self._hear_command(os.read(fd, 65536))
        if self._child is not None and monotonic() >= self._until:
            self._child.kill()
        return hints + self._look()

    def stop(self, handles: Sequence[str], *, kill: bool) -> None:
        """Have jobs end: TERM to their workers, which give what they run its grace; or all that Slurm can do.

        Those of a killed run are asked for first, by their names: their ids are not known.
        """
        own = [handle for handle in handles if handle.split(" ")[1] in self._batches]
        if others := [handle for handle in handles if handle not in {*own}]:
            self._stop_others(others, kill=kill)
        if not own:
            return
        # a controller that was killed may give an id again
        named = f"--name={self._name}"

        def running() -> list[str]:
            ids = self._ids(own)
            how = [] if kill else ["--batch", "--signal=TERM", "--state=RUNNING"]
            return ["scancel", named, *how, *ids] if ids else []

        def in_queue() -> list[str]:
            ids = [] if kill else self._ids(own)
            return ["scancel", named, "--state=PENDING", *ids] if ids else []

        for words in (running, in_queue):
            self._commands.append(_Command(words, "", _nothing))
        self._ask_soon()

    def _stop_others(self, handles: Sequence[str], *, kill: bool) -> None:
        """Have jobs of other runs end; where Slurm does not answer they end by their lease."""
        ids: dict[tuple[str, bool], list[str]] = {}
        for handle, one in (self._find(handles) or {}).items():
            if one.state in (*_IN_QUEUE, *_ON_NODE):
                # what waits has nothing that needs a grace
                is_asked = not kill and one.state in _ON_NODE
                ids.setdefault((handle.partition(" ")[0], is_asked), []).append(one.job)
        for (name, is_asked), jobs in ids.items():
            how = ["--batch", "--signal=TERM"] if is_asked else []
            for start in range(0, len(jobs), MOST_AT_ONCE):
                self._call("scancel", f"--name={name}", *how, *jobs[start : start + MOST_AT_ONCE])

    def _find(self, handles: Sequence[str]) -> dict[str, _Listed] | None:
        """Return handle -> its job, of those that Slurm knows; None if it does not answer."""
        # those of a run that this one has taken over have the name of that
        code, text = self._call(*self._query({handle.partition(" ")[0] for handle in handles}))
        if code:
            return None
        jobs, found = _listed(text), {}
        for handle in handles:
            _, name, index = handle.split(" ")
            if (job := jobs.get((name, int(index)))) is not None:
                found[handle] = job
        return found

    def find(self, handles: Sequence[str]) -> dict[str, str]:
        """Return what Slurm says of jobs; nothing if it does not answer."""
        jobs = self._find(handles)
        if jobs is None:
            return {}
        found = {}
        for handle in handles:
            state = jobs[handle].state if handle in jobs else ""
            found[handle] = WAITING if state in _IN_QUEUE else RUNNING if state in _ON_NODE else GONE
        return found

    def pending(self, handles: Sequence[str]) -> dict[str, str]:
        """Return handle -> why its job has not started, as far as Slurm has said it."""
        known = {(job.batch.name, job.index): job for job in self._jobs.values()}
        found = {}
        for handle in handles:
            _, name, index = handle.split(" ")
            job = known.get((name, int(index)))
            if job is not None:
                why = job.waits_for or (job.batch.is_doubtful and job.batch.words) or ""
                found[handle] = f"Slurm says {why}" if why else ""
        return found

    def wake(self) -> None:
        """Make a `poll` return."""
        self._waker.ring()

    def close(self, *, keep: bool) -> None:
        """End the jobs that there are, by the name of the run, unless they are to live on."""
        if self._child is not None:
            # a job that it starts now would be ended by nothing
            try:
                self._child.communicate(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.communicate()
        if self._batches and not keep:
            # where Slurm does not answer they end by their lease
            self._call("scancel", f"--name={self._name}")
        self._child = None
        for known in (self._batches, self._jobs, self._commands):
            known.clear()
        self._waker.close()

    # jobs

    def _put(self, batch: _Batch) -> None:
        """Have sbatch called for a batch."""
        first = batch.specs[0]

        def words() -> list[str]:
            usable = self._hosts.difference(self._lost_nodes)
            log = _plain_name(os.path.join(os.path.dirname(self._run.pulse("")), LOG))
            return [
                *("sbatch", "--parsable", "--no-requeue", "--nodes=1", "--ntasks=1", "--export=ALL"),
                *(f"--job-name={self._name}", f"--comment={batch.name}", f"--chdir={self._run.path}"),
                *(f"--output={log}", "--open-mode=append"),
                *([f"--array=0-{len(batch.specs) - 1}"] if len(batch.specs) > 1 else []),
                *([f"--exclude={','.join(self._lost_nodes)}"] if self._lost_nodes and usable else []),
                *(f"--{key}={self._settings[key]}" for key in _OPTIONS if key in self._settings),
                # a check asks each node
                *([f"--nodelist={first.node}"] if first.is_probe and first.node in self._hosts else []),
                *self._demand(first.resources),
            ]

        def then(code: int, text: str) -> list[Hint]:
            return self._hear_sbatch(batch, code, text)

        self._commands.append(_Command(words, _script(batch.specs, self._settings.get("python")), then))

    def _demand(self, resources: Mapping[str, Any]) -> list[str]:
        """Return the options of sbatch for what an attempt asks for; what Slurm does not know is counted by us."""
        said = [f"--cpus-per-task={max(1, _size(resources.get('cpus', 1)))}"]
        if "memory" in resources:
            most = max((_size(node.resources.get("memory", 0)) for node in self._nodes.values()), default=0)
            asked = _size(resources["memory"])
            amount = max(asked, min(asked + OWN_MEMORY, most))
            said.append(f"--mem={-(-amount // (1 << 20))}M")
        if gpus := _size(resources.get("gpus", 0)):
            said.append(f"--gres=gpu:{gpus}")
        return said

    def _hear_sbatch(self, batch: _Batch, code: int, text: str) -> list[Hint]:
        words = [line.removeprefix("sbatch: error: ") for line in text.splitlines() if line]
        if code == 0 and words:
            batch.job = words[-1].partition(";")[0]
            self._ask_soon()
            return []
        batch.words = "; ".join(words).replace("Batch job submission failed: ", "") or f"exit code {code}"
        if code < 0 or _TRANSIENT.search(batch.words):
            # it may have been taken all the same: the next list of jobs shows it
            batch.is_doubtful = True
            self._ask_soon()
            return []
        return self._lose(batch, REFUSED, f"Slurm refuses it: {batch.words}")

    def _lose(self, batch: _Batch, what: str, why: str) -> list[Hint]:
        tokens = [spec.token for spec in batch.specs if self._jobs.pop(spec.token, None) is not None]
        return [Hint(token, what, why) for token in tokens]

    def _ids(self, handles: Sequence[str]) -> list[str]:
        """Return the ids of jobs by their handles, without those that Slurm does not have."""
        found = []
        for handle in handles:
            _, name, index = handle.split(" ")
            if (batch := self._batches.get(name)) is not None:
                found.append(batch.id_of(int(index)))
        return [one for one in found if one]

    # what becomes of them

    def _look(self) -> list[Hint]:
        """Look into the folder of the run for what has begun and ended, and have Slurm asked when it is time."""
        now = monotonic()
        if not self._jobs:
            return []
        if now >= self._next_query and not self._is_asked:
            self._is_asked = True
            self._commands.append(_Command(self._query, "", self._hear_list))
            self._call_next()
        if now < self._next_look:
            return []
        begun, ended = self._run.tokens()
        hints = []
        for token, job in list(self._jobs.items()):
            if token in ended:
                del self._jobs[token]
                hints.append(Hint(token, ENDED))
            elif token in begun and not job.has_begun:
                job.has_begun = True
                hints.append(Hint(token, STARTED))
        self._look_pause = LOOK if hints else next_pause(self._look_pause, LONGEST_LOOK)
        # a large folder on a slow file system is looked into less often
        self._next_look = monotonic() + max(self._look_pause, 20 * (monotonic() - now))
        return hints

    def _query(self, names: Iterable[str] = ()) -> list[str]:
        return [
            *("squeue", "--noheader", "--array", "--states=all"),
            *(f"--name={','.join(names or (self._name,))}", "--format=%i|%k|%T|%N|%r"),
        ]

    def _ask_soon(self) -> None:
        self._query_pause, self._look_pause = self._first_query, LOOK
        self._next_query = min(self._next_query, monotonic() + self._query_pause)
        if self._next_query < monotonic():
            self._next_query = monotonic() + self._query_pause

    def _hear_list(self, code: int, text: str) -> list[Hint]:
        """Find in a list of jobs those that have ended, and those that it does not have."""
        self._is_asked = False
        self._query_pause = next_pause(self._query_pause, LONGEST_QUERY)
        self._next_query = monotonic() + self._query_pause
        jobs = _listed(text) if code == 0 else {}
        hints: list[Hint] = []
        for batch in [one for one in self._batches.values() if one.is_doubtful]:
            hints += self._see_to(batch, jobs, is_known=code == 0)
        if code:
            # the controller is away: nothing follows from that
            return hints
        if self._is_in_trouble(jobs):
            self._query_pause = min(self._query_pause, LONGEST_QUERY_IN_TROUBLE)
            self._next_query = monotonic() + self._query_pause
        for token, job in list(self._jobs.items()):
            if not job.batch.job:
                continue
            found = jobs.get((job.batch.name, job.index))
            if found is not None and found.state in (*_IN_QUEUE, *_ON_NODE):
                why = f"({found.reason})" if found.state in _IN_QUEUE else f"on {found.node}"
                job.waits_for = f"{found.state} {why}"
                if found.state == "PENDING" and found.reason == "BeginTime":
                    # its node could not start it, and Slurm has put it off for minutes
                    words = ["scontrol", "update", f"jobid={found.job}", "starttime=now"]
                    self._commands.append(_Command(partial(list, words), "", _nothing))
                if self._is_overdue(job, found.state):
                    hints.append(self._give_up(token, found))
                continue
            del self._jobs[token]
            if found is None:
                hints.append(Hint(token, GONE, "Slurm does not know its job any more"))
            elif found.state == "COMPLETED":
                hints.append(Hint(token, ENDED))
            else:
                cause = "out_of_memory" if found.state == "OUT_OF_MEMORY" else "lost"
                hints.append(Hint(token, GONE, self._words_for(found), cause))
                if found.state in _BY_NODE:
                    self._lost_nodes[found.node] = None
        return hints

    def _is_in_trouble(self, jobs: Mapping[tuple[str, int], _Listed]) -> bool:
        """Return whether a node has failed to start or to end a job: it may be back any moment.

        Slurm puts off by minutes what a node could not start, so how soon that is released is how soon it is seen.
        """
        if any(one.state == "COMPLETING" for one in jobs.values()):
            return True
        waiting = [jobs.get((job.batch.name, job.index)) for job in self._jobs.values() if not job.has_begun]
        return any(
            one is not None and (one.state in _AT_NODE or _NEEDS_NODE.search(one.reason) is not None)
            for one in waiting
        )

    def _is_overdue(self, job: _Job, state: str) -> bool:
        """Return whether a node has had a job for so long that its worker should have begun: it is frozen."""
        if state != "RUNNING" or job.has_begun:
            job.begins_until = None
            return False
        if job.begins_until is None:
            spec = job.batch.specs[job.index]
            job.begins_until = monotonic() + max(spec.lease + spec.patience, SLOWEST_START)
        self._next_query = min(self._next_query, job.begins_until)
        return monotonic() >= job.begins_until

    def _give_up(self, token: str, found: _Listed) -> Hint:
        """Have a job end whose worker does not begin, and use its node no more."""
        del self._jobs[token]
        self._lost_nodes[found.node] = None
        self._commands.append(_Command(partial(list, ["scancel", f"--name={self._name}", found.job]), "", _nothing))
        return Hint(token, GONE, f"its job has started on {found.node}, and its worker has not begun it")

    def _see_to(self, batch: _Batch, jobs: Mapping[tuple[str, int], _Listed], *, is_known: bool) -> list[Hint]:
        """Find out about a batch of which it is not known whether Slurm has taken it; if it has not, try again."""
        found = jobs.get((batch.name, 0))
        if found is not None:
            batch.is_doubtful, batch.job = False, found.job.partition("_")[0]
        elif monotonic() - batch.since > AWAY:
            batch.is_doubtful = False
            return self._lose(batch, GONE, f"Slurm has not taken it for {AWAY:g} s: {batch.words}")
        elif is_known:
            batch.is_doubtful = False
            self._put(batch)
        return []

    def _words_for(self, found: _Listed) -> str:
        why = "" if found.reason in ("None", "") else f" ({found.reason})"
        where = f" on {found.node}" if found.node else ""
        path = os.path.join(os.path.dirname(self._run.pulse("")), LOG)
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                last = file.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        except OSError:
            last = ""
        return f"Slurm says {found.state}{why}{where}" + (f"; the last line of its jobs: {last}" if last else "")

    # commands

    def _call_next(self) -> None:
        """Call the next command, if none is being called."""
        while self._child is None and self._commands:
            command = self._commands[0]
            words = command.words()
            if not words:
                self._commands.popleft()
                continue
            self._child = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(self._mark()),
                start_new_session=True,
                bufsize=0,
            )
            self._said, self._until = b"", monotonic() + TIMEOUT
            file, self._child.stdin = self._child.stdin, None
            assert file is not None
            try:
                with file:
                    file.write(os.fsencode(command.text))
            except OSError:
                # it has ended already, and says why
                continue

    def _hear_command(self, data: bytes) -> list[Hint]:
        self._said += data
        if data or self._child is None:
            return []
        child, self._child = self._child, None
        code = child.wait()
        if child.stdout is not None:
            child.stdout.close()
        hints = self._commands.popleft().then(code, self._said.decode("utf-8", "replace"))
        self._call_next()
        return hints

    def _call(self, *words: str) -> tuple[int, str]:
        """Call a command and wait for its end; return its exit code and what it has printed."""
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(self._mark()),
                timeout=SHORT_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 1, f"{words[0]} has not answered for {SHORT_TIMEOUT:g} s"
        except OSError as error:
            return 1, f"{words[0]}: {error.strerror}"
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def _mark(self) -> str:
        return f"{os.path.basename(self._run.path)}{WORKER}" if self._run.path else ""


_SINFO_FIELDS = 6
_QUERIES = 4
"""How often Slurm is asked in the time of a lease, where that is short."""


class _Listed(NamedTuple):
    """A job as squeue lists it."""

    job: str
    state: str
    node: str
    reason: str


def next_pause(pause: float, most: float) -> float:
    """Return how long to wait the next time, as nothing has changed."""
    return min(pause * 1.5, most)


def _listed(text: str) -> dict[tuple[str, int], _Listed]:
    """Return the jobs in what squeue prints, by the name of their batch and their number in it."""
    found = {}
    for line in text.splitlines():
        job, _, rest = line.partition("|")
        batch, *others = rest.split("|", 3)
        index = job.partition("_")[2]
        if len(others) == 3 and (not index or index.isdigit()):
            found[batch, int(index or 0)] = _Listed(job, *others)
    return found


def _plain_name(path: str) -> str:
    """Return the name of a file as sbatch takes it, which fills in what follows a `%`.

    A backslash anywhere in it has all of it taken as it is, and is taken away itself.
    """
    return path.replace("\\", "\\\\") if "\\" in path else path.replace("%", "%%")


def _script(specs: Sequence[AttemptSpec], python: str | None) -> str:
    """Return the script of a job, which is all of an engine that runs on a node.

    It becomes the worker of one spec: that of the number which Slurm gives to each job of an array. The shell is no
    login shell and no file of the user is read.
    """
    first = specs[0]
    tokens = " ".join(spec.token for spec in specs)
    worker = [python or sys.executable, "-P", "-m", "treadle.engines.worker", "--patience", str(first.patience)]
    # one that starts after the end of its run finds nothing
    there = f"[ -d {shlex.quote(first.run)} ] || exit 0"
    lines = ["#!/bin/sh", there, f"set -- {tokens}", 'shift "${SLURM_ARRAY_TASK_ID:-0}"']
    if _size(first.resources.get("gpus", 0)):
        # Slurm has chosen others than the run has counted
        lines.append('export TREADLE_GPU_IDS="${CUDA_VISIBLE_DEVICES-$ROCR_VISIBLE_DEVICES}"')
        worker += [word for name in _GPUS for word in ("--own", name)]
    specs_folder = shlex.quote(os.path.dirname(first.folder.spec("")))
    return "\n".join([*lines, f'exec {shlex.join(worker)} {specs_folder}/"$1".json', ""])


def _environment(mark: str) -> dict[str, str]:
    """Return the environment of commands of Slurm, and of workers: of ours what Slurm needs, and no more."""
    own = inherited()
    names = [name for name in own if name.startswith("SBATCH_") and name not in _NOT_PASSED]
    names += ["PATH", "HOME", "USER", "SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_CLUSTERS"]
    environ = {name: own[name] for name in names if name in own}
    # by the mark the next run on this machine finds what a killed one has left
    return with_mark({**environ, "LC_ALL": "C.UTF-8"}, mark, own) if mark else {**environ, "LC_ALL": "C.UTF-8"}


def _resources(cpus: str, memory: str, gres: str) -> dict[str, int]:
    """Return what a node has, as sinfo prints it."""
    gpus = sum(int(one) for one in re.findall(r"(?:^|,)gpu(?::[^:,(]+)?:(\d+)", gres))
    found = {"cpus": int(cpus.rstrip("+") or 0), "memory": int(memory.rstrip("+") or 0) << 20}
    return {**found, **({"gpus": gpus} if gpus else {})}


def _workers(said: object, nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Return the nodes that a run may count on.

    :param said: `workers` of the settings: where it says what each has, there are so many of these
    :raises UsageError: it says something else
    """
    most, resources = workers_said(said, len(nodes))
    if not resources:
        return dict(list(nodes.items())[:most])
    largest = max(nodes.values(), key=lambda node: _size(node.resources.get("cpus", 0)))
    own = {**largest.resources, **resources}
    return {name: Node(name, own) for name in (f"worker-{number}" for number in range(1, most + 1))}


def _size(amount: Any) -> int:
    return size_of(amount)


def _out_of(child: subprocess.Popen[bytes]) -> int:
    assert child.stdout is not None
    return child.stdout.fileno()


def _nothing(_code: int, _text: str) -> list[Hint]:
    """Take no notice: what could not be ended ends by its lease."""
    return []
