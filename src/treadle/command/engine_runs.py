"""What a walk needs for engines: the folder of the run that their workers see, and a runner for each."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from time import time_ns
from typing import TYPE_CHECKING

from treadle.content.digests import ABSENT
from treadle.core.lease import LEASE
from treadle.core.pool import Demand
from treadle.engines import shared_folder
from treadle.engines.base import BaseRunner
from treadle.engines.choice import LOCAL, EngineChoice, runner_of
from treadle.engines.shared_folder import IF_THERE, SETTLED, SINCE
from treadle.errors import TreadleError
from treadle.state import own_files
from treadle.state.lock import LOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treadle.engines.spec import Engine

    from .command import Command
    from .fingerprinting import ActionInputs

RUNS = "runs"
"""The folder of runs, in the state folder."""


def runners(
    engines: Mapping[str, BaseRunner | Engine], choice: EngineChoice | None, state: str, run: str
) -> dict[str, BaseRunner]:
    """Return name -> what runs attempts there.

    :param engines: those that a program gives
    :param choice: the engine of the run
    :param state: the state folder
    :param run: the id of the run
    """

    def folder() -> str:
        return own_files.make_folder(state, f"{RUNS}/{run}", 0o700)

    lock = os.path.join(state, LOCK)
    found = {name: runner_of(name, engine, folder, lock) for name, engine in engines.items()}
    if choice is not None and not choice.is_local and choice.name not in found:
        found[choice.name] = choice.runner(folder, lock=lock)
    return found


def demand_here(demand: Demand | None, queue: str, tokens: int) -> Demand:
    """Return a demand that is met by this machine, of a run that has an engine.

    :param demand: what the action asks for; None for tokens alone
    """
    asked = demand or Demand(queue=queue, tokens=tokens)
    return replace(asked, site=LOCAL)


def views_of(inputs: ActionInputs, command: Command, root: str) -> dict[str, str]:
    """Return what a worker has to see before it starts an action: of all that this reads, what has changed lately.

    Also of what is in folders, and of what was found to be read the time before. With an old view a worker would
    make of another content what goes on record as made of this one. Others may write in a folder meanwhile: there a
    later change is as good, which the end of the action finds. What is not declared and outside of the root counts
    as part of the machine.

    :param inputs: what was seen of them just now
    """
    since, found = time_ns() - int(SETTLED * 1e9), dict[str, str]()
    declared = {*command.inputs}
    for path, seen in (*inputs.seen.items(), *inputs.results.items()):
        if path.startswith("/") and path not in declared:
            continue
        is_named = path in inputs.seen and not path.endswith("/")
        for name, look in seen.looks.items():
            if look.stamp[0] > since:
                full = os.path.realpath(os.path.join(root, name))
                found[full] = shared_folder.seen(full) if is_named else f"{IF_THERE}{look.stamp[0]}"
        for name, look in seen.folders.items():
            if look.stamp[0] > since:
                found[os.path.join(root, name)] = f"{SINCE if name == path else IF_THERE}{look.stamp[0]}"
        if seen.value == ABSENT:
            # an old view may have it yet
            _add_changed(os.path.dirname(os.path.join(root, path)), since, found)
    for path in command.edits:
        _add_changed(os.path.join(root, path), since, found)
    return found


def _add_changed(full: str, since: int, found: dict[str, str]) -> None:
    with suppress(OSError):
        changed = os.stat(full).st_ctime_ns
        if changed > since:
            found[full] = f"{SINCE}{changed}"


def on_record(engines: Mapping[str, BaseRunner | Engine], choice: EngineChoice | None) -> tuple[str, ...]:
    """Return the name of an engine whose workers outlive the run, and the length of their lease; () without one."""
    if choice is not None and not choice.is_local:
        return choice.name, str(choice.seconds)
    # what a program runs by itself ends with it
    names = [name for name, engine in engines.items() if not isinstance(engine, BaseRunner)]
    return (names[0], str(LEASE)) if names else ()


def engine_of_killed(
    name: str, engines: Mapping[str, BaseRunner | Engine] | None = None, choice: EngineChoice | None = None
) -> Engine | None:
    """Return an engine by which a killed run has left something; None if it cannot be had any more.

    :param engines: those that a program gives
    :param choice: the engine of this run
    """
    given = (engines or {}).get(name)
    if given is not None:
        return None if isinstance(given, BaseRunner) else given
    with suppress(TreadleError):
        return (choice if choice is not None and choice.name == name else EngineChoice(name)).make()
    return None
