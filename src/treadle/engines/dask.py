"""The engine `dask`: attempts run on the workers of a Dask cluster, one that is there or one started for the run.

Dask transports: it gets the worker for each attempt, and is asked which workers there are. It never decides
whether anything runs twice, nor how it has ended. What could wait for a scheduler or a worker that does not answer
is asked in a thread of its own: the lease of the run must not wait for it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, nullcontext, suppress
from functools import partial
from importlib import import_module
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from treadle import __version__
from treadle._startup.interpreter import inherited
from treadle.core.pool import Node, Pool
from treadle.errors import TreadleError, UsageError

from .machine import processors
from .process_marks import WORKER, wait_for_group, with_mark
from .security import check_address
from .settings import check_keys, workers_said
from .spec import ENDED, GONE, MOST_AT_ONCE, REFUSED, RUNNING, STARTED, WAITING, Hint, RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from .spec import AttemptSpec

    # much of that package has no types
    Client = Any
    Future = Any

RETRY_AFTER = 0.5
"""Seconds between two tries to reach a scheduler that is gone."""
LOOK_INTERVAL = 2.0
"""Seconds between two looks at which workers there are."""
CONNECT_TIMEOUT = 10.0
"""Seconds that a scheduler has to answer at the start, and its first worker to come."""
BACK_AFTER = 60.0
"""Seconds that a scheduler has to come back, or the length of the lease if that is more."""
CLOSE_TIMEOUT = 2.0
"""Seconds that a scheduler has to see a client leave."""
WORKERS = 2
"""How many there are of a cluster that is started, if nothing else is said."""
SEND_INTERVAL = 0.001
"""Seconds between two messages of ours to the scheduler. Dask has 10 ms, for clients that give much at once. We
give what follows on an end: its worker has a slot free until then."""
RELEASE_INTERVAL = 0.05
"""Seconds from the end of a task to the message that Dask may forget it. Several go together, and not just before
the task that follows: that would have to wait for the next message to the scheduler, and to the worker."""
_SLICES = 10
"""In so many parts an answer is waited for."""
_ALL = "all"
"""The topic of all events of a scheduler, those of workers too."""
_KEYS = ("address", "workers", "delay", "insecure")
_ENCRYPTED = ("tls", "wss")


class _SilentError(TreadleError):
    """A scheduler that has a connection with us says nothing."""


class _Attempt:
    """An attempt that the engine has.

    :ivar address: the Dask worker that has it, "" as long as none has
    :ivar until: until when it is to have started, on the monotonic clock
    """

    __slots__ = ("address", "future", "has_started", "spec", "until")

    def __init__(self, spec: AttemptSpec) -> None:
        self.spec = spec
        self.address = ""
        self.future: Future | None = None
        self.has_started = False
        self.until = 0.0


class _Quiet:
    """Has Dask not write to the terminal of a run that a connection was lost: an open engine says it."""

    NAMES = ("distributed", "distributed.client")

    def __init__(self) -> None:
        self._levels: list[int] = []
        self._number = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        # a second engine may be open
        with self._lock:
            self._number += 1
            if self._number == 1:
                loggers = [logging.getLogger(name) for name in self.NAMES]
                self._levels = [one.level for one in loggers]
                for one in loggers:
                    one.setLevel(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        # the last one puts back what was
        with self._lock:
            self._number -= 1
            if self._number == 0:
                for name, level in zip(self.NAMES, self._levels, strict=True):
                    logging.getLogger(name).setLevel(level)


_QUIET = _Quiet()


class Dask:
    """Workers of a Dask cluster.

    :param settings: `address` of a Dask scheduler, else one is started on this machine; `workers`, how many, or
        `{max: N, resources: {cpus: N, ...}}` with what each has: of a cluster that is there, up to how many it may
        grow
    :param back_after: seconds that a scheduler has to come back, or the length of the lease if that is more
    :raises UsageError: they say something else, or Dask is not installed
    """

    def __init__(self, settings: Mapping[str, Any] | None = None, *, back_after: float = BACK_AFTER) -> None:
        self._settings = settings or {}
        self._back_after = back_after
        check_keys("dask", self._settings, _KEYS[:2], _KEYS[2:])
        address = self._settings.get("address", "")
        if not isinstance(address, str) or ("address" in self._settings and "://" not in address):
            raise UsageError(f"engine: the address {address!r}", facts=("expected one like tcp://host:8786",))
        self.address = address
        self._places = _places(self._settings, is_ours=not address)
        """Node -> what it has, where the settings say so."""
        self._cluster: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None
        self._run = RunFolder("")
        self._patience = 0.0
        self._attempts: dict[str, _Attempt] = {}
        self._held: dict[str, _Attempt] = {}
        """Those of them that no worker is there for."""
        self._workers: dict[str, dict[str, Any]] = {}
        """Address -> what is known of a worker that is there."""
        self._released: list[Future] = []
        """What Dask has to forget, see RELEASE_INTERVAL."""
        self._next_release = 0.0
        self._last_places: dict[str, str] = {}
        """Action -> the worker that had its last attempt."""
        self._said: SimpleQueue[Callable[[], list[Hint]] | None] = SimpleQueue()
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        """What is asked of the scheduler, one after the other."""
        self._told: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        """For messages to workers: one that does not answer must not keep the scheduler from being asked."""
        self._next_look = 0.0
        self._is_looking = False
        self._lost_at: float | None = None
        """When the connection to the scheduler was lost."""
        self._loss = ""
        self._is_open = False
        self._quiet = ExitStack()

    @property
    def is_elastic(self) -> bool:
        """Whether the cluster may grow, so that Dask says where an attempt runs."""
        return bool(self.address and self._places)

    # what a run calls

    def capacity(self) -> Pool:
        """Return a node for each worker."""
        if not self._places:
            load()
            with _QUIET, closing(self._connect()) as client:
                end = monotonic() + CONNECT_TIMEOUT
                while not (workers := _workers_of(client, self.address, CONNECT_TIMEOUT)) and monotonic() < end:
                    sleep(0.1)
            if not workers:
                raise UsageError(
                    f"the Dask cluster at {self.address} has no workers",
                    hint="if they come later: `engine: {workers: {max: N, resources: {cpus: N}}}`",
                )
            return Pool(nodes=[Node(_node_of(one), _resources_of(one)) for one in workers.values()])
        return Pool(nodes=[Node(name, resources) for name, resources in self._places.items()])

    def open(self, run: RunFolder) -> None:
        """Connect with the cluster, or start it.

        :raises TreadleError: it does not answer, has another version of Treadle, or cannot be given such a path
        """
        try:
            run.path.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"the engine dask cannot run in {run.path!a}",
                facts=("Dask sends texts as UTF-8, which the bytes of this path are not",),
                hint="rename the folder, or use another engine",
            ) from None
        self._run = run
        load()
        self._quiet.enter_context(_QUIET)
        self._said, self._asked, self._told = SimpleQueue(), SimpleQueue(), SimpleQueue()
        self._set_up(*self._reach())
        self._is_open = True
        for queue in (self._asked, self._told):
            threading.Thread(target=_do_all, args=(queue,), name="dask", daemon=True).start()

    def submit(self, attempts: Sequence[AttemptSpec]) -> list[str]:
        """Keep attempts for the next `poll`, which gives Dask all of a round together."""
        for spec in attempts:
            self._patience = spec.patience
            self._attempts[spec.token] = self._held[spec.token] = _Attempt(spec)
        return [spec.token for spec in attempts]

    def poll(self, timeout: float | None) -> list[Hint]:
        """Give workers what they are there for, and wait for what they and the scheduler say."""
        self._look_when_due()
        hints = self._place_all()
        # those that are looked at have to be seen to be silent
        is_looked_at = self._client is not None and self._attempts
        wait = max(0.0, self._next_look - monotonic()) if is_looked_at else LOOK_INTERVAL
        if hints:
            wait = 0.0
        if self._released:
            wait = min(wait, max(0.0, self._next_release - monotonic()))
        with suppress(Empty):
            said = self._said.get(timeout=wait if timeout is None else min(timeout, wait))
            while True:
                hints += said() if said is not None else []
                said = self._said.get(block=False)
        hints += self._unheard()
        hints += self._place_all()
        if self._released and monotonic() >= self._next_release:
            self._release_all()
        if self._lost_at is not None and monotonic() - self._lost_at > max(self._patience, self._back_after):
            hints += self._give_up()
        return hints

    def stop(self, handles: Sequence[str], *, kill: bool) -> None:
        """Ask the workers that have them; the lease stops the others."""
        by_worker: dict[str, list[str]] = {}
        for token in handles:
            one = self._attempts.get(token)
            if one is not None and one.address:
                by_worker.setdefault(one.address, []).append(token)
        if by_worker:
            from .dask_worker import stop_specs

            for address, tokens in by_worker.items():
                self._told.put(partial(self._run_on, address, stop_specs, tokens, kill))

    def find(self, handles: Sequence[str]) -> dict[str, str]:
        """Return what the folders of the attempts say, and which of them are known here."""
        found = {}
        for token in handles:
            if os.path.exists(self._run.report(token)):
                found[token] = GONE
            elif os.path.exists(self._run.owner(token)):
                found[token] = RUNNING
            else:
                found[token] = WAITING if token in self._attempts else GONE
        return found

    def pending(self, handles: Sequence[str]) -> dict[str, str]:
        """Return handle -> what an attempt waits for that has not begun."""
        found = {}
        for token in handles:
            one = self._attempts.get(token)
            if one is None:
                continue
            if self._lost_at is not None:
                found[token] = self._loss
            elif token in self._held and self._workers and not self.is_elastic:
                found[token] = f"the Dask cluster at {self._where} has no worker {one.spec.node}"
            elif token in self._held or not self._workers:
                found[token] = f"the Dask cluster at {self._where} has no worker"
            else:
                where = f"on {one.address}" if one.address else "for a worker"
                found[token] = f"it waits {where} for other tasks of the Dask cluster"
        return found

    def wake(self) -> None:
        """Make a `poll` return."""
        self._said.put(None)

    def close(self, *, keep: bool) -> None:
        """Leave the cluster; one that was started for the run ends.

        :param keep: whether attempts that run live on, which those of such a cluster cannot
        """
        if keep and self._client is not None and not self._cluster:
            load().fire_and_forget([one.future for one in self._attempts.values() if one.future is not None])
        self._is_open = False
        self._asked.put(None)
        self._told.put(None)
        self._attempts.clear()
        self._held.clear()
        self._released.clear()
        self._workers.clear()
        client, self._client = self._client, None
        if client is not None:
            _close(client)
        self._end_cluster()
        self._quiet.close()

    # the connection

    def _reach(self) -> tuple[Client, dict[str, dict[str, Any]]]:
        """Return a client of the cluster, which is started if it is ours, and the workers that are there."""
        client = self._connect() if self.address else self._start_cluster()
        try:
            return client, _workers_of(client, self._where, CONNECT_TIMEOUT)
        except BaseException:
            _close(client)
            raise

    def _connect(self, address: str = "", keys: Mapping[str, str] | None = None) -> Client:
        """Return a client of a scheduler.

        :param address: that of a cluster of ours
        :param keys: its keys
        :raises TreadleError: it does not answer, or what is said to it could be read on the way
        """
        distributed = load()
        where = address or self.address
        protocol, _, host = where.partition("://")
        check_address(
            *("dask", host.rpartition(":")[0] or host),
            is_encrypted=protocol in _ENCRYPTED and (bool(keys) or _has_keys(distributed, protocol)),
            is_insecure=bool(self._settings.get("insecure")),
        )
        try:
            security = distributed.Security(require_encryption=True, **keys) if keys else None
            client: Client = distributed.Client(
                where, timeout=CONNECT_TIMEOUT, set_as_default=False, security=security, name="treadle"
            )
        except (OSError, ValueError, TypeError) as error:
            raise TreadleError(f"the Dask scheduler at {where} cannot be reached: {error}") from error
        return client

    def _start_cluster(self) -> Client:
        self._end_cluster()
        folder = os.path.join(self._run.path, "workers", "dask")
        self._cluster = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "treadle.engines.dask_cluster"),
                *("--workers", str(len(self._places)), "--threads", str(MOST_AT_ONCE), "--folder", folder),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # what ends a killed run ends it too
            env=with_mark(inherited(), f"{os.path.basename(self._run.path)}{WORKER}"),
            start_new_session=True,
        )
        assert self._cluster.stdout is not None
        assert self._cluster.stderr is not None
        line, why = b"", f"it says nothing within {self._back_after:g} s"
        with suppress(_SilentError):
            line = _within(self._back_after, self._cluster.stdout.readline, "")
            why = "" if line else self._cluster.stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
        if not line:
            self._end_cluster()
            raise TreadleError(f"no Dask cluster can be started here: {why or 'it says nothing'}")
        # what workers write there goes nowhere
        threading.Thread(target=_drain, args=(self._cluster.stderr,), daemon=True).start()
        said = json.loads(line)
        return self._connect(said.pop("address"), said)

    def _end_cluster(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is None:
            return
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        # it would do nothing else by itself, and one that is frozen not even that
        cluster.kill()
        cluster.wait()
        cluster.stdin.close()
        cluster.stdout.close()
        # its workers end when they see that it is gone
        wait_for_group(cluster.pid)

    def _set_up(self, client: Client, workers: dict[str, dict[str, Any]]) -> None:
        """Begin to use a client."""
        self._client, self._lost_at = client, None
        self._next_look, self._is_looking = monotonic() + LOOK_INTERVAL, False
        self._workers = workers
        client.subscribe_topic(self._topic, self._hear)
        client.subscribe_topic(_ALL, self._hear_of_workers)

    @property
    def _topic(self) -> str:
        return f"treadle-{os.path.basename(self._run.path)}"

    def _lose_connection(self, why: str, *, is_silent: bool = False) -> list[Hint]:
        """Have the scheduler reached anew; what had started is gone with it, as its workers are.

        :param is_silent: whether it is there, and says nothing: its workers go on, and leave reports
        """
        if self._lost_at is not None or self._client is None:
            return []
        self._lost_at, self._loss = monotonic(), why
        client, self._client = self._client, None
        self._workers = {}
        self._ask(partial(self._reach_again, client))
        hints = []
        for one in list(self._attempts.values()):
            if is_silent and self.address and one.has_started:
                self._forget(one)
            else:
                hints += self._leave(one, why)
        return hints

    def _give_up(self) -> list[Hint]:
        """End what no worker has begun, and no worker can be given; the scheduler is tried on."""
        why = f"{self._loss}, and it has not come back" if self.address else self._loss
        hints = []
        for one in list(self._held.values()):
            self._forget(one)
            # what has begun has a report
            if not os.path.exists(self._run.owner(one.spec.token)):
                hints.append(Hint(one.spec.token, GONE, why, "broken"))
        return hints

    def _reach_again(self, old: Client | None) -> None:
        """Connect anew; in the thread that asks."""
        if old is not None:
            _close(old)
        try:
            client, workers = self._reach()
        except Exception as error:
            why = str(error)
            sleep(RETRY_AFTER)
            self._said.put(lambda: self._note_loss(why))
            return
        if self._is_open:
            self._said.put(lambda: self._take_client(client, workers))
        else:
            _close(client)
            self._end_cluster()

    def _note_loss(self, why: str) -> list[Hint]:
        """Try again, but for a cluster of ours that cannot be started: what keeps it from that stays."""
        self._loss = why
        if self.address or self._cluster is not None:
            self._ask(partial(self._reach_again, None))
        else:
            self._lost_at = float("-inf")
        return []

    def _take_client(self, client: Client, workers: dict[str, dict[str, Any]]) -> list[Hint]:
        self._set_up(client, workers)
        return []

    # the threads that ask

    def _ask(self, what: Callable[[], None]) -> None:
        self._asked.put(what)

    def _run_on(self, address: str, function: Callable[..., None], *args: object) -> None:
        client = self._client
        if client is not None:
            ask = partial(client.run, function, *args, workers=[address])
            _within(CONNECT_TIMEOUT, ask, f"the Dask worker at {address}")

    def _look_when_due(self) -> None:
        """Ask which workers there are, unless the last question is open."""
        now = monotonic()
        client = self._client
        if client is None or now < self._next_look:
            return
        self._next_look = now + LOOK_INTERVAL
        if client.status not in ("running", "connecting"):
            self._said.put(lambda: self._lose_connection(f"the Dask scheduler at {self._where} is gone"))
        elif not self._is_looking:
            self._is_looking = True
            self._ask(partial(self._look, client))

    @property
    def _where(self) -> str:
        return self.address or "this machine"

    def _look(self, client: Client) -> None:
        try:
            workers = _workers_of(client, self._where, max(self._patience or CONNECT_TIMEOUT, LOOK_INTERVAL))
        except _SilentError as error:
            why = str(error)
            self._said.put(lambda: self._take_silence(client, why))
            return
        except Exception:
            # what has become of the connection is reported otherwise
            self._said.put(lambda: self._see(client, None))
            return
        self._said.put(lambda: self._see(client, workers))

    def _take_silence(self, client: Client, why: str) -> list[Hint]:
        return self._lose_connection(why, is_silent=True) if client is self._client else []

    def _see(self, client: Client, workers: dict[str, dict[str, Any]] | None) -> list[Hint]:
        if client is not self._client:
            return []
        self._is_looking = False
        if workers is None:
            return []
        gone = self._workers.keys() - workers.keys()
        self._workers = workers
        return [hint for address in gone for hint in self._lose_worker(address)]

    # what arrives

    def _hear(self, event: tuple[float, list[str]]) -> None:
        """Take in a hint of a worker; called in the thread of the client."""
        address, *hint = event[1]
        self._said.put(lambda: self._take_hint(address, Hint(*hint)))

    def _take_hint(self, address: str, hint: Hint) -> list[Hint]:
        one = self._attempts.get(hint.token)
        if one is None or (one.address and one.address != address):
            # it was given to another one meanwhile, which finds out whether this one had begun it
            return []
        one.address = address
        if hint.what == STARTED:
            one.has_started = True
        else:
            self._forget(one)
        return [hint]

    def _hear_of_workers(self, event: tuple[float, Any]) -> None:
        """Take in that a worker has come or gone; called in the thread of the client."""
        said = event[1]
        if isinstance(said, dict) and said.get("action") == "remove-worker":
            address = str(said.get("worker"))
            self._said.put(lambda: self._lose_worker(address))
        elif isinstance(said, dict) and said.get("action") == "add-worker":
            self._said.put(self._look_soon)

    def _look_soon(self) -> list[Hint]:
        self._next_look = 0.0
        self._look_when_due()
        return []

    def _lose_worker(self, address: str) -> list[Hint]:
        self._workers.pop(address, None)
        hints = []
        for one in list(self._attempts.values()):
            if one.address == address:
                hints += self._leave(one, f"the Dask worker at {address} is gone")
        return hints

    def _leave(self, one: _Attempt, why: str) -> list[Hint]:
        """Take an attempt from its worker: gone if it had started, else for another one.

        The file of its owner says whether it had, should that be wrong.
        """
        if one.has_started:
            self._forget(one)
            return [Hint(one.spec.token, GONE, why)]
        if one.future is not None:
            future, one.future = one.future, None
            with suppress(Exception):
                future.cancel()
        one.address = ""
        self._held[one.spec.token] = one
        return []

    def _end_of(self, token: str, future: Future) -> None:
        """Take in that a future is over; called in a thread of the client."""
        status, why = future.status, ""
        if status == "error":
            with suppress(Exception):
                error = future.exception(timeout=5)
                why = f"{type(error).__name__}: {error}"
        self._said.put(lambda: self._take_end(token, future, status, why))

    def _take_end(self, token: str, future: Future, status: str, why: str) -> list[Hint]:
        one = self._attempts.get(token)
        if one is None or one.future is not future:
            return []
        if status == "finished":
            self._forget(one)
            return [Hint(token, ENDED)]
        if status == "error" and not one.has_started and "KilledWorker" not in why:
            self._forget(one)
            return [Hint(token, REFUSED, f"the Dask worker at {one.address or self._where} cannot run it: {why}")]
        if self._client is not None and self._client.status != "running":
            return self._lose_connection(f"the Dask scheduler at {self._where} is gone")
        return self._leave(one, why or f"the Dask scheduler at {self._where} does not know it any more")

    def _forget(self, one: _Attempt) -> None:
        self._attempts.pop(one.spec.token, None)
        self._held.pop(one.spec.token, None)
        future, one.future = one.future, None
        if future is not None:
            if not self._released:
                self._next_release = monotonic() + RELEASE_INTERVAL
            self._released.append(future)

    def _release_all(self) -> None:
        released, self._released = self._released, []
        for future in released:
            future.release()

    def _unheard(self) -> list[Hint]:
        """Give what has not started on workers that are silent to others."""
        now = monotonic()
        hints = []
        for one in list(self._attempts.values()):
            if not one.address or one.has_started or now < one.until:
                continue
            if self._workers.get(one.address, {"silence": 0.0})["silence"] >= self._patience:
                hints += self._leave(one, "its worker does not answer")
        return hints

    # where attempts go

    def _place_all(self) -> list[Hint]:
        """Give to workers what they are there for; what cannot be given counts as gone."""
        client = self._client
        if not self._held or client is None:
            return []
        placed = []
        for one in list(self._held.values()):
            address = "" if self.is_elastic else self._place_of(one.spec)
            if address is None:
                continue
            del self._held[one.spec.token]
            one.address = address
            self._last_places[one.spec.uid] = address
            placed.append(one)
        hints = []
        for start in range(0, len(placed), MOST_AT_ONCE):
            part = placed[start : start + MOST_AT_ONCE]
            try:
                self._give(client, part)
            except Exception as error:
                # some of them may run: they end, as all of them count as gone
                why = f"Dask does not take it: {type(error).__name__}: {error}"
                hints += [Hint(one.spec.token, GONE, why) for one in part]
                for one in part:
                    self._forget(one)
        return hints

    def _place_of(self, spec: AttemptSpec) -> str | None:
        """Return the address of the worker that an attempt goes to; None if it has to wait for one."""
        able = {address: one for address, one in self._workers.items() if one["silence"] < self._patience}
        own = [address for address, one in able.items() if _node_of(one) == spec.node]
        before = self._last_places.get(spec.uid)
        if own and not (spec.is_alone and own[0] == before and len(able) > 1):
            return own[0]
        if any(not isinstance(amount, int) for amount in spec.resources.values()):
            # instances are those of its node
            return own[0] if own else None
        others = [address for address in able if address != before or len(able) == 1]
        busy = [one.address for one in self._attempts.values()]
        return min(others, key=busy.count, default=None)

    def _give(self, client: Client, group: Sequence[_Attempt]) -> None:
        """Give attempts to the workers that they have, by one call: each costs Dask as much as a task or two."""
        from .dask_worker import run_spec

        delay = float(self._settings.get("delay") or 0)
        specs = [one.spec for one in group]
        keys = [f"{spec.uid}-{spec.token}-{os.urandom(4).hex()}" for spec in specs]
        addresses = {one.address for one in group}
        each_its_own: AbstractContextManager[object] = nullcontext()
        if len(addresses) > 1:
            by_key = dict(zip(keys, (one.address for one in group), strict=True))
            each_its_own = import_module("dask").annotate(workers=by_key.get)
        _hurry(client)
        with each_its_own:
            # by position: older versions of Dask await no coroutine that was called by name
            futures = client.map(
                *(run_spec, [spec.folder.spec(spec.token) for spec in specs], [spec.token for spec in specs]),
                *([one] * len(specs) for one in (self._topic, self._patience, delay)),
                [spec.is_alone for spec in specs],
                key=keys,
                workers=[*addresses] if len(addresses) == 1 and "" not in addresses else None,
                pure=False,
            )
        if any(spec.outlives > spec.lease for spec in specs):
            # Dask forgets what no client wants any more, and a worker that has nothing to do may be ended
            load().fire_and_forget(futures)
        for one, future in zip(group, futures, strict=True):
            one.future = future
            one.until = monotonic() + self._patience
            future.add_done_callback(partial(self._end_of, one.spec.token))


def load() -> Any:
    """Return the package `distributed`.

    :raises UsageError: it is not installed
    """
    try:
        return import_module("distributed")
    except ImportError as error:
        raise UsageError(
            f"the engine dask cannot be loaded: {error}", hint="install it by `pip install 'treadle[dask]'`"
        ) from error


def _close(client: Client) -> None:
    """Leave a scheduler; one that does not answer is not waited for."""
    with suppress(Exception):
        # the event that a client leaves goes to all subscribers, and fails with an error in its log if we are one
        client.unsubscribe_topic(_ALL)
    with suppress(Exception):
        client.close(timeout=CLOSE_TIMEOUT)


def _hurry(client: Client) -> None:
    """Have a client send what it is given without Dask's delay; it forgets that when it connects anew."""
    with suppress(AttributeError):
        if client.scheduler_comm.interval > SEND_INTERVAL:
            client.scheduler_comm.interval = SEND_INTERVAL


def _do_all(queue: SimpleQueue[Callable[[], None] | None]) -> None:
    """Do what comes, until None does; in a thread of its own."""
    while (what := queue.get()) is not None:
        with suppress(Exception):
            what()


def _within(seconds: float, ask: Callable[[], Any], asked: str) -> Any:
    """Return what a call returns that may never do so.

    :param asked: what is asked
    :raises _SilentError: it has not returned in that time
    """
    said: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def do() -> None:
        try:
            said.put((ask(), None))
        except BaseException as error:
            said.put((None, error))

    threading.Thread(target=do, name="dask asks", daemon=True).start()
    for _ in range(_SLICES):
        # if we are frozen meanwhile, that counts as one of them
        with suppress(Empty):
            found, error = said.get(timeout=seconds / _SLICES)
            if error is not None:
                raise error
            return found
    raise _SilentError(f"{asked} has given no answer for {seconds:g} s")


def _has_keys(distributed: Any, protocol: str) -> bool:
    """Return whether Dask gets keys: by `wss` it speaks without them to whatever has a public certificate."""
    return protocol != "wss" or distributed.Security().get_connection_args("client").get("ssl_context") is not None


def _workers_of(client: Client, where: str, seconds: float) -> dict[str, dict[str, Any]]:
    """Return address -> what the scheduler knows of each of its workers.

    :param seconds: how long it has to answer
    :raises TreadleError: it cannot load Treadle, or does not answer
    """
    from .dask_worker import workers_of

    try:
        asked = partial(client.run_on_scheduler, workers_of)
        found: dict[str, dict[str, Any]] = _within(seconds, asked, f"the Dask scheduler at {where}")
    except (ImportError, AttributeError) as error:
        raise TreadleError(
            f"the Dask scheduler at {where} cannot load Treadle: {error}",
            hint=f"install treadle {__version__} where the scheduler and its workers run",
        ) from error
    return found


def _node_of(worker: Mapping[str, Any]) -> str:
    """Return the node of the pool that a worker is: its name, and where Dask has only counted, with a word."""
    name: str = worker["name"]
    return f"worker-{name}" if name.isdigit() else name


def _resources_of(worker: Mapping[str, Any]) -> dict[str, int]:
    """Return what a worker says it has."""
    found = {kind: int(amount) for kind, amount in worker["resources"].items() if not kind.startswith("_")}
    memory = {"memory": worker["memory"]} if worker["memory"] else {}
    return {"cpus": worker["threads"], **memory, **found}


def _places(settings: Mapping[str, Any], *, is_ours: bool) -> dict[str, dict[str, int]]:
    """Return node -> what it has: of the cluster that is started, or of one that may grow.

    :raises UsageError: the settings say something else
    """
    if "workers" not in settings and not is_ours:
        return {}
    given, resources = workers_said(settings.get("workers"), WORKERS)
    own = {"cpus": max(1, processors() // given) if is_ours else 1, **resources}
    return {f"worker-{number}": own for number in range(given)}


def _drain(file: Any) -> None:
    with file:
        while file.read(65536):
            pass
