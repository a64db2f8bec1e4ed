"""Which engine a run uses, by name, and how: what `engine:` of a plan and `--engine` say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from treadle.core import lease
from treadle.core.pool import Node, Pool
from treadle.errors import UsageError, listed, nearest

from .base import BaseRunner
from .remote import RemoteRunner
from .shared_folder import DelayedFolder, SharedFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .spec import Engine

GROUP = "treadle.engines"
"""The group of entry points; their names are those of engines."""
LOCAL = "local"
"""The name of this machine."""
DASK = "dask"
_OURS = {DASK: "treadle.engines.dask:Dask", "process": "treadle.engines.processes:Processes"}
_OWN_KEYS = ("lease", "patience", "queue_timeout", "pass", "mixed", "insecure", "delay")
_METHODS = ("open", "capacity", "submit", "poll", "stop", "find", "wake", "close")


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine by name, with what is said of it.

    :param name: the name of an engine
    :param settings: for the engine
    :param seconds: the length of the lease
    :param patience: seconds for which a file of a worker is waited for; None for the length of the lease
    :param outlives: seconds without a sign of the run after which workers end what they run of it; None for the
        length of the lease
    :param passed: variables whose values are those of the worker
    :param is_mixed: whether workers may have other programs, and another system
    :param queue_timeout: seconds for which an attempt may wait for a worker; None for as long as it takes
    :param is_insecure: whether what is beyond this machine may be spoken to without TLS, see `security`
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = lease.LEASE
    patience: float | None = None
    outlives: float | None = None
    passed: tuple[str, ...] = ()
    is_mixed: bool = False
    queue_timeout: float | None = None
    is_insecure: bool = False

    @classmethod
    def of(cls, given: object) -> Self:
        """Return a choice as a plan or a program says it: a name, or a map with a `name`.

        :raises UsageError: it is neither, or a value is wrong
        """
        if isinstance(given, cls):
            return given
        data = {"name": given} if isinstance(given, str) else given
        if not isinstance(data, dict) or not isinstance(data.get("name"), str) or not data["name"]:
            raise UsageError(f"the engine is {given!r}", facts=("expected a name, or a map with `name`",))
        seconds, patience, waits = data.get("lease", lease.LEASE), data.get("patience"), data.get("queue_timeout")
        given_seconds = {"lease": seconds, "patience": patience, "queue_timeout": waits}
        for key, value in given_seconds.items():
            if value is None and key != "lease":
                continue
            if type(value) not in (int, float) or not 0 < value < float("inf"):
                raise UsageError(f"engine: {key} is {value!r}", facts=("expected seconds above 0",))
        passed = data.get("pass", ())
        if not isinstance(passed, list | tuple) or not all(isinstance(one, str) and one for one in passed):
            raise UsageError(f"engine: pass is {passed!r}", facts=("expected a list of names of variables",))
        for key in ("mixed", "insecure"):
            if data.get(key, False) not in (False, True, "ok"):
                raise UsageError(f"engine: {key} is {data[key]!r}", facts=("expected ok",))
        mixed, insecure = bool(data.get("mixed")), bool(data.get("insecure"))
        delay = data.get("delay", 0)
        if type(delay) not in (int, float) or not 0 <= delay < float("inf"):
            raise UsageError(f"engine: delay is {delay!r}", facts=("expected seconds, 0 or more",))
        settings = {key: value for key, value in data.items() if key not in ("name", *_OWN_KEYS) or key == "delay"}
        return cls(data["name"], settings, float(seconds), patience, None, tuple(passed), mixed, waits, insecure)

    def capacity(self) -> Pool:
        """Return what the engine has, or may get.

        :raises TreadleError: it is not there, or cannot be used
        """
        return self.make().capacity()

    def pool(self, here: Callable[[], Pool]) -> Pool:
        """Return what the engine has, and what this machine has for actions that run here.

        :param here: returns the latter
        """
        there, machine = self.capacity(), here()
        name = LOCAL if all(node.name != LOCAL for node in there.nodes) else f"{LOCAL} (this machine)"
        own = machine.nodes[0]
        return Pool(
            nodes=[*there.nodes, Node(name, own.resources, own.slots, LOCAL)],
            variables={**machine.variables, **there.variables},
            max={**there.max, **machine.max},
        )

    def processors(self) -> int:
        """Return how many processors all its workers have; 0 for this machine, and where that is not known."""
        if self.is_local:
            return 0
        amounts = [node.resources.get("cpus", 0) for node in self.capacity().nodes]
        return sum(amount if isinstance(amount, int) else len(amount) for amount in amounts)

    @property
    def is_local(self) -> bool:
        """Whether it is this machine."""
        return self.name == LOCAL

    def make(self) -> Engine:
        """Return the engine.

        :raises UsageError: there is none of this name, or it is none
        """
        # an engine that speaks to others asks `security.check_address` with it
        engine = _load(self.name)({**self.settings, **({"insecure": True} if self.is_insecure else {})})
        missing = [name for name in _METHODS if not callable(getattr(engine, name, None))]
        if missing:
            raise UsageError(
                f"the engine {self.name} has no {listed(missing)}", hint="treadle.Engine says what an engine has"
            )
        made: Engine = engine
        return made

    def runner(self, folder: Callable[[], str], engine: Engine | None = None, *, lock: str = "") -> RemoteRunner:
        """Return what runs attempts by the engine.

        :param folder: returns the folder of the run
        :param engine: that engine, made if left out
        :param lock: a file of which the run holds the lock; "" if its workers need not see that
        """
        delay = self.settings.get("delay") or 0
        return RemoteRunner(
            *(self.name, engine or self.make(), folder),
            seconds=self.seconds,
            patience=self.patience,
            outlives=self.outlives,
            passed=self.passed,
            is_mixed=self.is_mixed,
            lock=lock,
            queue_timeout=self.queue_timeout,
            view=DelayedFolder(delay) if delay else SharedFolder(),
        )


def known_names() -> list[str]:
    """Return the names of all engines that there are."""
    from importlib.metadata import entry_points

    return sorted({LOCAL, *_OURS, *(one.name for one in entry_points(group=GROUP))})


def _load(name: str) -> Any:
    from importlib import import_module
    from importlib.metadata import entry_points

    if name in _OURS:
        module, _, attribute = _OURS[name].partition(":")
        return getattr(import_module(module), attribute)
    found = list(entry_points(group=GROUP, name=name))
    if not found:
        close = nearest(name, known_names())
        hint = f"did you mean {close}?" if close else ""
        raise UsageError(f"there is no engine {name!r}", facts=(f"there are {listed(known_names())}",), hint=hint)
    if len({one.value for one in found}) > 1:
        raise UsageError(f"several packages have an engine {name}: {listed(one.value for one in found)}")
    try:
        return found[0].load()
    except Exception as error:
        raise UsageError(f"the engine {name} ({found[0].value}) cannot be loaded: {error}") from error


def runner_of(name: str, engine: BaseRunner | Engine, folder: Callable[[], str], lock: str = "") -> BaseRunner:
    """Return what runs attempts by an engine that a program gives: itself, if it is a runner."""
    return engine if isinstance(engine, BaseRunner) else EngineChoice(name).runner(folder, engine, lock=lock)
