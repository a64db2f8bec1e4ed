"""What a walk needs for engines: the folder of the run that their workers see, and a runner for each."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from treadle.core.lease import LEASE
from treadle.core.pool import Demand
from treadle.engines.base import BaseRunner
from treadle.engines.choice import LOCAL, runner_of
from treadle.state import own_files
from treadle.state.lock import LOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treadle.engines.choice import EngineChoice
    from treadle.engines.spec import Engine

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


def on_record(engines: Mapping[str, BaseRunner | Engine], choice: EngineChoice | None) -> tuple[str, ...]:
    """Return the name of an engine whose workers outlive the run, and the length of their lease; () without one."""
    if choice is not None and not choice.is_local:
        return choice.name, str(choice.seconds)
    # what a program runs by itself ends with it
    names = [name for name, engine in engines.items() if not isinstance(engine, BaseRunner)]
    return (names[0], str(LEASE)) if names else ()
