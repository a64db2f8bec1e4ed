"""`check`: reports the problems of a plan."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.cli.exit_codes import WRONG
from treadle.command.graph_checks import check_commands
from treadle.command.job import CONSOLE_QUEUE
from treadle.command.walk import Settings
from treadle.core import wording
from treadle.core.text import safe
from treadle.errors import PlanError, TreadleError
from treadle.ui.console import FORMAT
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.errors import Place
    from treadle.frontends.base import Project
    from treadle.session.call import Call


def check_command(call: Call) -> int:
    """Check the plan, its graph and its commands."""
    if call.options.json:
        return _check_as_data(call)
    plan = _checked(call)
    for place, what in _remarks(plan):
        if not call.options.quiet:
            call.console.warn(f"{call.console.shown(place.file)}:{place.line}:{place.column}: {what}")
    if not call.options.quiet:
        parts = [wording.count(len(plan.actions), "action")]
        parts += [wording.count(len(plan.groups), "group")] if plan.groups else []
        parts += [f"{len(plan.left_out)} disabled"] if plan.left_out else []
        call.console.say(
            [line(f"{safe(call.console.shown(plan.file))}: {', '.join(parts)}, ", ("no problems", "good"))]
        )
    return 0


def _remarks(plan: Project) -> list[tuple[Place, str]]:
    """Return what may be a mistake and is none by the rules of plans: variables of scripts that nothing gives."""
    from treadle.command.variables import given_by_nothing

    found: dict[tuple[str, str], Place] = {}
    for action in plan.actions.values():
        for name in given_by_nothing(action.command):
            found.setdefault((action.family, name), action.place)
    return [
        (place, f"{family}: nothing gives ${name} to the script: name it in env, track or pass")
        for (family, name), place in found.items()
    ]


def _checked(call: Call) -> Project:
    """Return the plan.

    :raises TreadleError: it is not right
    """
    from .clean import refuse_tracked_state

    plan = call.load()
    refuse_tracked_state(plan)
    dag = plan.dag()
    settings = Settings(call.options.jobs, plan.queues)
    check_commands(dag, {"default": settings.jobs, CONSOLE_QUEUE: 1, **settings.queues})
    return plan


def _check_as_data(call: Call) -> int:
    """Print every problem as JSON, for editors and other programs."""
    file = os.path.abspath(call.plan_file())
    problems: tuple[TreadleError, ...] = ()
    more = 0
    remarks: list[tuple[Place, str]] = []
    try:
        remarks = _remarks(_checked(call))
    except PlanError as error:
        problems, more = error.problems, error.more
    except TreadleError as error:
        problems = (error,)
    said = [_problem(one) for one in problems]
    call.console.say_data(
        {
            "format": FORMAT,
            "plan": file,
            "problems": said,
            "more": more,
            "remarks": [
                {"file": place.file, "line": place.line, "column": place.column, "message": what}
                for place, what in remarks
            ],
        }
    )
    return WRONG if problems else 0


def _problem(error: TreadleError) -> dict[str, object]:
    place = error.place
    return {
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "message": error.what,
        "facts": list(error.facts),
        "hint": error.hint,
    }
