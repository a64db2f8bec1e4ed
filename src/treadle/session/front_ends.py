"""Finds the front end of a plan: YAML, or one that an installed package registers for the suffix of its file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.errors import PlanError, TreadleError, UsageError, listed
from treadle.frontends.base import FrontEnd, Outline, Project
from treadle.plan.front_end import YamlPlans

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from treadle.frontends.base import Request

GROUP = "treadle.frontends"
"""The group of entry points; their names are suffixes of files, without the dot."""


def front_end_of(file: str) -> FrontEnd:
    """Return the front end of a plan.

    A file with an unknown suffix is read as YAML, which reports what is wrong with it.

    :raises UsageError: two packages register the suffix, or the registered object is not a front end
    """
    suffix = os.path.splitext(file)[1]
    if suffix in ("", *YamlPlans.suffixes):
        return YamlPlans()
    from importlib.metadata import entry_points

    found = list(entry_points(group=GROUP, name=suffix[1:]))
    if not found:
        return YamlPlans()
    if len({one.value for one in found}) > 1:
        raise UsageError(f"several packages read {suffix}: {listed(one.value for one in found)}")
    named = found[0].value
    made = _call(f"the front end {named} cannot be made", found[0].load)
    made = _call(f"the front end {named} cannot be made", made)
    if not isinstance(made, FrontEnd):
        raise UsageError(f"{named} is registered as a front end for {suffix}, but is not a treadle.FrontEnd")
    return made


def load(request: Request) -> Project:
    """Read a plan by its front end.

    :raises PlanError: it is not right
    :raises TreadleError: the front end fails, or returns something else
    """
    project: Project = _read(request, "load", Project)
    return project


def outline(request: Request) -> Outline:
    """Read the names in a plan by its front end; errors are those of `load`."""
    found: Outline = _read(request, "outline", Outline)
    return found


def _read(request: Request, method: str, kind: type) -> Any:
    front_end = front_end_of(request.file)
    ask = getattr(front_end, method)
    if isinstance(front_end, YamlPlans):
        return ask(request)
    found = _call(f"{_name(front_end)} cannot read {request.file}", lambda: ask(request))
    if not isinstance(found, kind):
        what = f"{_name(front_end)} returned {found!r} for {request.file}"
        raise TreadleError(what, facts=(f"expected an object of {kind.__name__}",))
    return found


def _name(front_end: FrontEnd) -> str:
    return f"the front end {type(front_end).__module__}.{type(front_end).__qualname__}"


def _call(what: str, call: Callable[[], Any]) -> Any:
    """Call a function of a front end; exceptions other than errors of a plan become errors of the front end."""
    try:
        return call()
    except PlanError as error:
        if error.problems:
            raise
        raise TreadleError(f"{what}: it raised a PlanError without problems") from error
    except (TreadleError, OSError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise TreadleError(
            f"{what}: {type(error).__name__}: {error}".removesuffix(": "),
            hint="report it to the authors of the package",
        ) from error
