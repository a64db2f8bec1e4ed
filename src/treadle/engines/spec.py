"""An attempt as data for another process, the folder of a run that both sides see, and what an engine has to do.

It knows no scheduler: `remote` joins an engine with one. What runs a spec is `worker`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from treadle.core.lease import FILE, LEASE
from treadle.core.outcomes import Usage
from treadle.core.pool import MEMORY, Pool
from treadle.core.text import size_text

from .base import GRACE, Attempt
from .shared_folder import write_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = 1
"""Of specs and reports: another one is refused."""
STARTED, ENDED, GONE, REFUSED, ELSEWHERE = "started", "ended", "gone", "refused", "elsewhere"
"""What a hint may say: a worker has begun it, its report is there, nothing runs it, the engine does not take it; or
another worker has begun it before."""
WAITING, RUNNING = "waiting", "running"
"""What `Engine.find` may say, other than `gone`."""
MOST_AT_ONCE = 500
"""Specs that an engine is given in one call."""


class Hint(NamedTuple):
    """What an engine says of an attempt: a reason to look, never the end itself.

    :ivar token: which attempt
    :ivar what: `started`, `ended`, `gone`, `refused` or `elsewhere`
    :ivar text: in words, "" for nothing; of `refused` why
    :ivar cause: of `gone`: `out_of_memory` if the engine has ended it as it used too much, `broken` if no worker
        can be given it any more, else `lost`
    """

    token: str
    what: str
    text: str = ""
    cause: str = "lost"


@dataclass(frozen=True, slots=True)
class AttemptSpec:
    """An attempt as plain data, with all that a worker needs to run it anywhere.

    :ivar token: which attempt; it names its files, so no two have one
    :ivar uid: the action
    :ivar number: 1 for the first attempt of the action
    :ivar run: the folder of the run: the lease is in it, and what attempts and workers say
    :ivar attempt: what is to be started, see `base.Attempt`
    :ivar node: the node of the pool that it has its resources on, "" where it asks for none
    :ivar resources: type -> amount or names of instances, as the pool has given them
    :ivar inputs: path -> what the run sees there, see `shared_folder.seen`, of files that have changed lately
    :ivar outputs: the paths that it makes, absolute; a trailing `/` is a folder
    :ivar lease: the silence after which a worker counts as gone
    :ivar outlives: the silence of the run after which a worker ends what it runs of it, as long as the lease of the
        run cannot be seen, which says the same
    :ivar grace: seconds between TERM and KILL
    :ivar patience: seconds for which a file that the other side has written is waited for
    :ivar is_alone: whether it is to have a worker of its own: an attempt before was lost with its worker, and may
        have been the reason
    :ivar sight: a digest of all that it reads, as it was at its start: what a run compares that takes it over
    :ivar passed: variables whose values are those of the worker
    :ivar programs: path -> digest of each program that is started; empty where they may differ
    :ivar system: what the system of the run calls itself; "" where workers may have another one
    :ivar expected: what a worker has to see before it runs anything of the run, see `probing.Expected`; empty for
        nothing
    :ivar is_probe: whether nothing is to be started: the worker reports what it is and what it sees
    """

    token: str
    uid: str
    number: int
    run: str
    attempt: Mapping[str, Any]
    node: str = ""
    resources: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[str] = ()
    lease: float = LEASE
    outlives: float = LEASE
    grace: float = GRACE
    patience: float = LEASE
    is_alone: bool = False
    sight: str = ""
    passed: Sequence[str] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    system: str = ""
    expected: Mapping[str, Any] = field(default_factory=dict)
    is_probe: bool = False

    @property
    def folder(self) -> RunFolder:
        """The folder of its run."""
        return RunFolder(self.run)

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps({"version": VERSION, **{name: getattr(self, name) for name in self.__slots__}})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return what `to_json` has made text of.

        :raises ValueError: it is none, or one of another version of Treadle
        """
        try:
            data = json.loads(text)
            version = data.pop("version")
        except (ValueError, AttributeError, KeyError, TypeError):
            raise ValueError("it is no attempt spec") from None
        if version != VERSION:
            raise ValueError(
                f"it is an attempt spec of version {version}, expected {VERSION}: another Treadle wrote it"
            )
        try:
            spec = cls(**data)
            spec.to_start()
        except TypeError as error:
            raise ValueError(f"it is no attempt spec: {error}") from None
        return spec

    def to_start(self) -> Attempt:
        """Return what is to be started."""
        return Attempt.from_data(self.attempt)


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """How an attempt has ended, as its worker says in `report.json`.

    :ivar code: the exit code of its last program, negative for a signal; None if there is none
    :ivar error: why there is none
    :ivar cause: as that of `base.AttemptEnd`
    :ivar outputs: path -> what the worker saw there at the end, see `shared_folder.seen`
    :ivar usage: what its programs have used, as `Usage.as_data`
    :ivar started_at: when it began, in seconds since the epoch by the clock of the worker
    :ivar seen: of a probe, what the worker is and sees, see `probing.look`
    """

    token: str
    code: int | None
    error: str = ""
    cause: str = ""
    host: str = ""
    usage: Mapping[str, float] | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    started_at: float | None = None
    ended_at: float | None = None
    seen: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps({"version": VERSION, **{name: getattr(self, name) for name in self.__slots__}})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self | None:
        """Return what `to_json` has made text of; None if it is none."""
        try:
            data = json.loads(text)
            if data.pop("version") != VERSION:
                return None
            report = cls(**data)
        except (ValueError, AttributeError, KeyError, TypeError):
            return None
        is_code = report.code is None or type(report.code) is int
        return report if is_code and isinstance(report.outputs, dict) else None

    def to_usage(self) -> Usage | None:
        """Return what it has used, None where that is not known."""
        if self.usage is None:
            return None
        try:
            return Usage(**self.usage)  # type: ignore[arg-type]
        except TypeError:
            return None


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run: the one place where its workers and the run meet. All of its paths are made here.

    :ivar path: the same on all sides
    """

    path: str

    @property
    def lease(self) -> str:
        """The file with the lease of the run."""
        return f"{self.path}/{FILE}"

    @property
    def token(self) -> str:
        """The file by which workers know that they see this folder, see `probing`."""
        return f"{self.path}/token"

    @property
    def handles(self) -> str:
        """The file with lines of JSON: the handles of attempts that the engine was given, by their tokens."""
        return f"{self.path}/specs/handles"

    def spec(self, token: str) -> str:
        """Return the file with the spec of an attempt."""
        return f"{self.path}/specs/{token}.json"

    def owner(self, token: str) -> str:
        """Return the file that names the worker of an attempt: what makes it runs the attempt, and nothing else."""
        return f"{self.path}/attempts/{token}"

    def report(self, token: str) -> str:
        """Return the file that says how an attempt has ended."""
        return f"{self.path}/attempts/{token}.json"

    def pulse(self, worker: str) -> str:
        """Return the file with the signs of life of a worker."""
        return f"{self.path}/workers/{worker}"

    def gone(self, worker: str) -> str:
        """Return the file that says that a worker is gone with all that it had started."""
        return f"{self.path}/workers/{worker}.gone"

    def tokens(self) -> tuple[set[str], set[str]]:
        """Return the attempts that have begun, or were given up, and those that have a report, as far as seen."""
        try:
            names = set(os.listdir(os.path.join(self.path, "attempts")))
        except OSError:
            return set(), set()
        reports = {name for name in names if name.endswith(".json")}
        return names - reports, {name.removesuffix(".json") for name in reports}

    def make(self) -> None:
        """Make what is in it, for this user alone: the specs hold environments.

        :raises OSError: that is not possible
        """
        for name in ("specs", "attempts", "workers"):
            os.makedirs(os.path.join(self.path, name), mode=0o700, exist_ok=True)

    def claim(self, token: str, worker: str = "") -> bool:
        """Make the file of an attempt that names its worker; return False if it was begun, or given up, before.

        :param worker: the worker that begins it; "" to give it up
        :raises OSError: it cannot be made
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(self.owner(token), flags, 0o600)
        except FileExistsError:
            return False
        write_all(fd, f"{worker}\n".encode() if worker else b"")
        return True


def worker_in(data: bytes | None) -> str:
    """Return the worker that the file of an owner names, "" as long as that cannot be seen as a whole."""
    return data[:-1].decode("utf-8", "replace") if data and data.endswith(b"\n") else ""


def handles_in(data: bytes | None) -> dict[str, str]:
    """Return token -> handle, of what the file of a run has, see `RunFolder.handles`."""
    found: dict[str, str] = {}
    for line in (data or b"").splitlines():
        # the last one may be cut off
        with suppress(ValueError):
            found.update(json.loads(line))
    return found


def amounts_text(resources: Mapping[str, int | Sequence[str]]) -> str:
    """Return what there is, or is asked for, in words: `cpus 4, memory 8.0 GiB`."""
    sizes = {kind: what if isinstance(what, int) else len(what) for kind, what in sorted(resources.items())}
    return ", ".join(f"{kind} {size_text(size) if kind == MEMORY else size}" for kind, size in sizes.items())


class Engine(Protocol):
    """What runs attempts elsewhere: on workers that see the folder of the run by the same path.

    >>> from treadle import DAG, Command, CommandWalk, Settings
    >>> actions = DAG()
    >>> actions.add_vertex("make", Command(["touch", "made"], outputs=["made"]))
    >>> settings = Settings(engine={"name": "process", "workers": 1})
    >>> CommandWalk(actions, settings=settings).run().ok
    True

    It decides where, never whether: it gets what may start now, and tries nothing again. What it says is a hint to
    look; the end of an attempt is the report that its worker leaves. All of it is called from one thread, but for
    `wake`. A package names its engine by an entry point of the group `treadle.engines`: what takes the settings, as
    a plan or a call says them, and returns the engine.
    """

    def open(self, run: RunFolder) -> None:
        """Be ready for the attempts of a run; after a `close` for those of another one.

        :raises TreadleError: it cannot be used, with the reason
        """

    def capacity(self) -> Pool:
        """Return what there is, or may come. It is asked before `open`: a run refuses what could never start."""

    def submit(self, attempts: Sequence[AttemptSpec]) -> list[str]:
        """Have attempts of equal demand run, each by `python -m treadle.engines.worker SPEC` or the like.

        :param attempts: at most 500; the file of each spec has been written
        :return: a handle for each: a text by which another process finds it too
        """

    def poll(self, timeout: float | None) -> list[Hint]:
        """Wait until there are hints, `wake` is called or `timeout` seconds are over."""

    def stop(self, handles: Sequence[str], *, kill: bool) -> None:
        """Have attempts end; the lease says it too, so what cannot be reached may be left out.

        It is called before `open` too, with handles of a run that was killed: what waits of these is to be taken
        out of the queue.

        :param kill: whether their grace is over
        """

    def find(self, handles: Sequence[str]) -> dict[str, str]:
        """Return handle -> `waiting`, `running` or `gone`; also before `open`, of a run that was killed."""

    def wake(self) -> None:
        """Make a `poll` that is under way return, or the next one; any thread may call this."""

    def close(self, *, keep: bool) -> None:
        """Give its resources back.

        :param keep: whether attempts that run live on
        """
