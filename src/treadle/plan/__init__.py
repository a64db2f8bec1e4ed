"""The plan language: YAML text to a checked plan, and that to Commands; unaware of walks and of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .load import load_outline, load_plan
    from .model import Action, Outline, Param, Plan
    from .names import Group
    from .yaml.detect import is_plan

__all__ = ["Action", "Group", "Outline", "Param", "Plan", "is_plan", "load_outline", "load_plan"]

_ROOMS = {
    "Action": "model",
    "Group": "names",
    "Outline": "model",
    "Param": "model",
    "Plan": "model",
    "is_plan": "yaml.detect",
    "load_outline": "load",
    "load_plan": "load",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is asked for: a run with nothing to do reads no plan."""
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{room}"), name)
