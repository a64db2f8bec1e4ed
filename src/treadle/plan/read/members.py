"""Which plans a plan includes, by their text alone: whether a plan is a part of one above it. It loads no plan."""

from __future__ import annotations

import os
from collections.abc import Callable

from treadle.plan.yaml import parser
from treadle.plan.yaml.nodes import Items, Scalar, Table

from .includes import MAX_FILES


def includes(plan: str, wanted: str, about_to_read: Callable[[str], object]) -> bool | None:
    """Return whether a plan includes another one, itself or by plans that it includes.

    :param plan: its path
    :param wanted: the path of the other one
    :param about_to_read: called with each path just before it is looked at
    :return: None if the text alone does not say it: a path in it has a value
    :raises TreadleError: one of the files cannot be read, so that it may include the other one
    """
    left, seen = [os.path.abspath(plan)], set[str]()
    is_clear = True
    while left and len(seen) <= MAX_FILES:
        path = left.pop()
        about_to_read(path)
        if not os.path.exists(path):
            # loading the plan says so, if it has to be there
            continue
        if seen and os.path.samefile(path, wanted):
            return True
        if (real := os.path.realpath(path)) in seen:
            continue
        seen.add(real)
        for text in _included(path):
            is_clear = is_clear and "${" not in text
            left.append(os.path.normpath(os.path.join(os.path.dirname(path), text)))
    return False if is_clear else None


def _included(path: str) -> list[str]:
    """Return the files that a plan includes, as they are written.

    :raises TreadleError: it cannot be read
    """
    source = parser.read_source(path)
    if "include" not in source.text and "\\" not in source.text:
        # an escape may write a letter of the key
        return []
    top = parser.parse(source)
    listed = top.nodes.get("include") if isinstance(top, Table) else None
    nodes = [
        one.nodes.get("file") if isinstance(one, Table) else one
        for one in (listed.nodes if isinstance(listed, Items) else ())
    ]
    return [node.text for node in nodes if isinstance(node, Scalar)]
