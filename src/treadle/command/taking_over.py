"""Attempts of a killed run that go on with their engine, and that the next run takes over as its own.

One is taken over if the next run would begin it again as it is: what it has read holds the same, and no stamp has
moved since it began, so that it was nothing else in between. All others are ended before anything takes their
place.
"""

from __future__ import annotations

import json
import os
from time import sleep
from typing import TYPE_CHECKING

from treadle.engines import shared_folder
from treadle.engines.spec import AttemptSpec, RunFolder, WorkerReport
from treadle.errors import listed
from treadle.state import own_files

from .engine_runs import RUNS
from .left_elsewhere import Living

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from treadle.content.files import Look
    from treadle.engines.base import BaseRunner
    from treadle.engines.remote import RemoteRunner

    from .fingerprinting import ActionInputs
    from .job import CommandJob

_PAUSE = 0.05


def sight_of(inputs: ActionInputs) -> str:
    """Return a digest of all that an action reads, as it is now: of what that holds, and of its stamps."""
    from xxhash import xxh3_128_hexdigest

    said: list[object] = [sorted(inputs.fingerprint.elements.items())]
    for path, seen in sorted({**inputs.seen, **inputs.results}.items()):
        looks = {**seen.looks, **seen.folders}
        said.append([path, seen.value, sorted((one, *look.stamp, look.mtime) for one, look in looks.items())])
        said.append(sorted((one, *_as_route(look)) for one, look in seen.links.items()))
    if inputs.routes is not None:
        said.append(sorted((path, *_as_route(look)) for path, look in inputs.routes.looks.items()))
    return xxh3_128_hexdigest(json.dumps(said).encode("utf-8", "surrogateescape"))


def _as_route(look: Look) -> tuple[int, int, int]:
    """Return what changes when another folder or link takes a place, and not when names in it come and go."""
    return look.stamp[1], look.mode, look.stamp[0] if look.stamp[0] > look.mtime else 0


class TakingOver:
    """The attempts that killed runs have left with an engine, of which each is taken over or ended.

    :param state: the state folder
    :param runs: the ids of these runs
    :param say: called with a remark
    """

    def __init__(self, state: str, runs: Iterable[str], say: Callable[[str], None]) -> None:
        self._say = say
        self._runner: RemoteRunner | None = None
        self.folders = [RunFolder(os.path.join(state, RUNS, run)) for run in runs]
        """The folders of these runs."""
        self._specs: dict[str, list[AttemptSpec]] = {}
        for folder in self.folders:
            for spec in _specs_in(folder):
                self._specs.setdefault(spec.uid, []).append(spec)
        if self._specs:
            say(f"still with their engine: {listed(sorted(self._specs), 5)}")

    def join(self, runners: Mapping[str, BaseRunner], engine: str = "") -> None:
        """Have a runner show life to all that goes on, from now on.

        :param engine: the name of the engine
        """
        from treadle.engines.remote import RemoteRunner

        runner = runners.get(engine)
        if isinstance(runner, RemoteRunner) and self._specs:
            runner.inherit([folder.path for folder in self.folders])
            self._runner = runner

    def take(self, job: CommandJob) -> bool:
        """Have a job go on with an attempt, instead of beginning one; all others of the action are ended first."""
        found = self._specs.pop(job.uid, [])
        if not found:
            return False
        spec = found[0]
        is_one = len(found) == 1 and self._runner is not None
        if is_one and job.can_take_over(spec) and _are_outputs_kept(spec):
            job.take_over(spec, self._began(spec))
            return True
        self._end(job.uid, found)
        return False

    def _began(self, spec: AttemptSpec) -> float | None:
        """Return when an attempt began, or could have; in seconds since the epoch, by the clock of its files."""
        for path in (spec.folder.owner(spec.token), spec.folder.spec(spec.token)):
            try:
                return os.lstat(path).st_mtime
            except OSError:
                continue
        return None

    def _end(self, uid: str, specs: Sequence[AttemptSpec]) -> None:
        """End attempts and wait for it: what they write is where the next one of the action would write."""
        self._say(f"{uid} begins anew: what it reads, how it is run, or what it has made is not what it was")
        left = [spec for spec in specs if not spec.folder.claim(spec.token)]
        if self._runner is not None:
            self._runner.end([spec.token for spec in specs])
        pace = max([spec.lease for spec in left], default=0.0)
        for folder in {spec.folder for spec in left}:
            waiting = Living(folder, [one.token for one in left if one.folder == folder], pace)
            while waiting.look():
                sleep(_PAUSE)


def _are_outputs_kept(spec: AttemptSpec) -> bool:
    """Return whether nothing has changed the outputs of an attempt since it has ended, if it has.

    There was no run to see it, and what is there now would go on record as made by the attempt.
    """
    path = spec.folder.report(spec.token)
    text = own_files.read(path)
    if text is None:
        # it goes on
        return True
    report = WorkerReport.from_json(text)
    if report is None or report.code not in spec.to_start().success:
        # one that is damaged says nothing; a failure is one whatever is there
        return report is not None
    try:
        reported = os.lstat(path).st_ctime_ns
    except OSError:
        return False
    return all(
        shared_folder.seen(output) == there and shared_folder.changed_ns(output) <= reported
        for output, there in report.outputs.items()
    )


def _specs_in(folder: RunFolder) -> list[AttemptSpec]:
    """Return the attempts whose end a run has not received."""
    try:
        names = sorted(os.listdir(os.path.join(folder.path, "specs")))
    except OSError:
        return []
    found = []
    for name in names:
        token, _, kind = name.rpartition(".")
        data = own_files.read(folder.spec(token)) if kind == "json" else None
        if data is None:
            continue
        try:
            spec = AttemptSpec.from_json(data)
        except ValueError:
            # of another version: the end of the run ends it
            continue
        if spec.token == token and spec.run == folder.path and spec.uid:
            found.append(spec)
    return found


def is_kept(begun_with: Sequence[str], engine: Sequence[str]) -> bool:
    """Return whether what a run has left is of an engine.

    :param begun_with: what its records say, see `Store.begun_with`
    :param engine: the name of the engine, nothing without one
    """
    return len(begun_with) == 2 and [begun_with[0]] == [*engine]
