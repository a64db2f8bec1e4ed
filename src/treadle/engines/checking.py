"""Asks the workers of an engine what they are and what they see, by the way that attempts take."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from treadle.core.pool import Allocation
from treadle.errors import listed

from .agent import system_name
from .base import Attempt, AttemptEnd
from .probing import MOST_SKEW, look
from .spec import amounts_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .choice import EngineChoice
    from .spec import WorkerReport

MOST_PROBES = 64
"""So many workers are asked at most: those of an engine that can grow are alike."""
PATIENCE = 60.0
"""Seconds for which workers are waited for."""


class _Probe:
    """The key of a probe: what a job is for an attempt."""

    attempt = 1
    is_probe = True

    def __init__(self, node: str) -> None:
        self.uid = node
        self.resources = Allocation(node)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker has answered.

    :ivar node: the node of the pool that it was asked for
    :ivar seen: what it is and sees, see `probing.look`; empty if it has not answered
    :ivar error: why it has not
    """

    node: str
    seen: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    host: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check.

    :ivar what: what was looked at
    :ivar is_good: whether a run can use the engine, as far as this goes
    """

    what: str
    is_good: bool
    text: str


def ask(
    choice: EngineChoice,
    folder: Callable[[], str],
    *,
    lock: str = "",
    programs: Iterable[str] = (),
    patience: float = PATIENCE,
    clock: Callable[[], float] = monotonic,
) -> list[Answer]:
    """Return the answer of each worker.

    :param folder: returns a folder that all workers have to see
    :param lock: a file that we hold the lock of
    :param programs: paths of programs that are compared
    :param patience: seconds for which workers are waited for
    :raises TreadleError: the engine is not there, or cannot be used
    """
    engine = choice.make()
    nodes = [node.name for node in engine.capacity().nodes][:MOST_PROBES]
    runner = choice.runner(folder, engine, lock=lock)
    reports: dict[object, WorkerReport] = {}
    runner.on_probe = reports.__setitem__
    began = clock()
    probes = [_Probe(name) for name in nodes]
    for probe in probes:
        runner.start(probe, Attempt([[path] for path in programs], mark="check/probe", environ={}))
    errors: dict[object, str] = {}
    heard_at: dict[object, float] = {}
    is_late = False
    try:
        while runner.active:
            left = began + patience - clock()
            if left <= 0 and not is_late:
                is_late = True
                for probe in probes:
                    runner.kill(probe)
            for told in runner.poll(max(left, 1.0)):
                if isinstance(told, AttemptEnd):
                    errors[told.key] = f"it has not answered within {patience:g}s" if is_late else told.error
                    heard_at[told.key] = clock() - began
    finally:
        runner.close()
    return [_answer(one, reports.get(one), errors.get(one, ""), heard_at.get(one, 0.0)) for one in probes]


def _answer(probe: _Probe, report: WorkerReport | None, error: str, seconds: float) -> Answer:
    if report is None or not report.seen:
        return Answer(probe.uid, error=error or "it has not answered")
    return Answer(probe.uid, report.seen, "", report.host, seconds)


def findings(choice: EngineChoice, answers: Sequence[Answer], programs: Sequence[str] = ()) -> list[Finding]:
    """Return ten lines on an engine.

    :param programs: those that `ask` was given
    """
    there = [one for one in answers if one.seen]
    here = look(programs, system_name())
    several = f"{len(there)} of {len(answers)} workers"
    slowest = max((one.seconds for one in there), default=0.0)
    late = [f"{one.node}: {one.error}" for one in answers if not one.seen]
    words = [f"{choice.name}, {several} answer within {slowest:.1f}s", *late[:3]]
    found = [Finding("workers", bool(there) and not late, "; ".join(words))]
    hosts = sorted({one.host for one in there})
    found.append(Finding("hosts", bool(hosts), listed(hosts, 5) if hosts else "none"))
    pool = {node.name: node.resources for node in choice.capacity().nodes}
    has = [f"{one.node} has {amounts_text(pool.get(one.node, {})) or 'nothing'}" for one in there]
    found.append(Finding("resources", bool(there), "; ".join(has[:4]) + ("; …" if len(has) > 4 else "") or "none"))
    for what, part, good in (
        ("folder", "does not see the folder", "seen with the right bytes by all"),
        ("lock", "is locked", "of the root, seen as taken by all"),
    ):
        wrong = [
            f"{one.node} on {one.host}: {text}" for one in there for text in one.seen["faults"] if part in text
        ]
        found.append(
            Finding(what, bool(there) and not wrong, "; ".join(wrong[:3]) or (good if there else "unknown"))
        )
    found += [
        _compared("treadle", here, there, must_agree=True),
        _compared("python", here, there, must_agree=False),
        _compared("system", here, there, must_agree=not choice.is_mixed),
    ]
    skews = [abs(one.seen["skew"]) for one in there]
    text = f"differ by at most {max(skews):.1f}s ({MOST_SKEW:g}s may be)" if skews else "unknown"
    found.append(Finding("clocks", bool(there) and max(skews, default=0.0) <= MOST_SKEW, text))
    found.append(_programs(here["programs"], there, is_mixed=choice.is_mixed))
    return found


def _compared(what: str, here: Mapping[str, Any], there: Sequence[Answer], *, must_agree: bool) -> Finding:
    others = sorted({f"{one.seen[what]} ({one.node})" for one in there if one.seen[what] != here[what]})
    if not others:
        return Finding(what, bool(there), f"{here[what]} on all" if there else "unknown")
    return Finding(what, not must_agree, f"{here[what]} here, {listed(others, 3)}")


def _programs(here: Mapping[str, str], there: Sequence[Answer], *, is_mixed: bool) -> Finding:
    wrong = [
        f"{one.node} has {'another' if one.seen['programs'].get(path) else 'no'} {path}"
        for one in there
        for path, digest in here.items()
        if one.seen["programs"].get(path) != digest
    ]
    good = f"{len(here)} compared, the same on all" if there else "unknown"
    return Finding("programs", bool(there) and (is_mixed or not wrong), "; ".join(wrong[:3]) or good)
