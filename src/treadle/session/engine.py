"""The engine of a run: what the plan says of it, and what the call says in place of that."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from treadle._startup.interpreter import inherited
from treadle.command.walk import usable_cpus
from treadle.engines.choice import DASK, EngineChoice
from treadle.engines.security import INSECURE
from treadle.errors import UsageError

from .pool import pool_of

if TYPE_CHECKING:
    from .options import Options


def engine_settings(options: Options, told: str) -> dict[str, Any]:
    """Return the settings of a walk about its engine; none for this machine.

    :param told: the JSON of `Project.pool`
    """
    said = json.loads(told or "{}").get("engine", {})
    if inherited().get(INSECURE) != "ok":
        # a checkout grants nothing: what is read on the way could be whatever the user may see
        said.pop("insecure", None)
    if options.dask and options.engine not in ("", DASK):
        raise UsageError(
            f"--dask {options.dask} is not for the engine {options.engine}", hint="leave out one of them"
        )
    name = DASK if options.dask else options.engine
    if name and name != said.get("name"):
        said = {"name": name}
    if options.dask:
        # both are of the call
        insecure = {"insecure": "ok"} if inherited().get(INSECURE) == "ok" else {}
        said = {**said, "address": options.dask, **insecure}
    choice = EngineChoice.of(said) if said else None
    if choice is None or choice.is_local:
        return {}
    if options.outlive is not None:
        choice = replace(choice, outlives=options.outlive)
    jobs = min(options.jobs or usable_cpus(), usable_cpus())
    # what this machine has for actions that run here; the walk adds what the workers have
    return {
        "engine": choice,
        "pool": lambda: pool_of(told, options.pool, options.resources, inherited(), jobs),
    }
