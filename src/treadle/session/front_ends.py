"""Which front end reads a plan: that of YAML, or one that an installed package names for the end of its name."""

from __future__ import annotations

import os

from treadle.errors import UsageError, listed
from treadle.frontends.base import FrontEnd
from treadle.plan.front_end import YamlPlans

GROUP = "treadle.frontends"
"""The group of entry points: the name of each says how the names of its files end, without the dot."""


def front_end_of(file: str) -> FrontEnd:
    """Return what reads a plan.

    A file without a front end of its own is read as YAML, which says what is wrong with it.

    :raises UsageError: two packages claim it, or what is named is no front end
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
    made = found[0].load()()
    if not isinstance(made, FrontEnd):
        raise UsageError(f"{found[0].value} is named as a front end for {suffix}, and is none")
    return made
