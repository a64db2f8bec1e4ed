"""The actions at the end of a run (`finally`): which may be, when they take place, and how long each may last.

It knows no plan, and a walk without such actions does not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.outcomes import FAIL
from treadle.core.output_index import OutputIndex
from treadle.errors import TreadleError

from .command import Command, written_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from treadle.core.graph.dag import DAG
    from treadle.core.outcomes import Report

TIME_AFTER_STOP = 60.0
"""Seconds that an attempt at the end of a run may last after a request to stop, if its action has no time limit."""


def check_last(actions: DAG, last: DAG) -> None:
    """Refuse actions at the end of a run which others depend on.

    :param actions: those that are walked before
    :param last: those at the end; they are sound among themselves
    :raises TreadleError: an action is in both graphs, or one reads or makes what one at the end makes
    """
    before: Mapping[Any, Command] = actions.vertex_data
    made = OutputIndex(written_by(last.vertex_data))
    for uid, command in before.items():
        if uid in last.vertex_data:
            raise TreadleError(f"{uid} is walked, and walked at the end too", place=command.place)
        for path in (*command.inputs, *command.edits, *command.outputs) if made else ():
            for one in made.of(path):
                does = "makes" if path in command.outputs else "reads"
                what = f"{uid} {does} {path}, which {one} makes at the end of the run"
                raise TreadleError(what, hint="no action can depend on one at the end", place=command.place)


def has_happened(report: Report) -> bool:
    """Return whether any action of a walk has started, or has failed before it could."""
    return any(one.attempt or one.outcome.category == FAIL for one in report.actions.values())
