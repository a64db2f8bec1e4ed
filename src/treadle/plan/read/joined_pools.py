"""Joins what the files of a plan say of its pool and its engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .pool import read_pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treadle.plan.schema.validator import Validator
    from treadle.plan.yaml.nodes import Node


def join_pools(files: Iterable[tuple[Validator, Mapping[str, Node]]]) -> str:
    """Return what a plan says of its pool and its engine, as `Project.pool`. What an including plan says counts.

    :param files: the validator and the entries at the top of each file, an including one before those it includes
    """
    joined: dict[str, Any] = {}
    for validator, entries in files:
        said = read_pool(validator, entries)
        if "engine" in entries and "engine" not in joined:
            from .engine import read_engine

            joined["engine"] = read_engine(validator, entries["engine"])
        for key, value in said.items():
            joined[key] = {**value, **joined.get(key, {})} if isinstance(value, dict) else joined.get(key, value)
    if not joined:
        return ""
    # most plans say nothing, and a run that reads one then loads no json
    import json

    most = joined.pop("max_running", "")
    return f"{most} {json.dumps(joined) if joined else ''}".rstrip()
