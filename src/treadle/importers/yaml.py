"""YAML files of other tools as plain data, and what an importer does not understand of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import yaml

from treadle.errors import UsageError

from .draft import Draft


def read_map(root: str, name: str) -> dict[str, Any]:
    """Return a YAML file that holds a map.

    :raises UsageError: it cannot be read, or holds something else
    """
    try:
        with open(os.path.join(root, name), encoding="utf-8") as file:
            data = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{name} cannot be read", facts=str(error).splitlines()[:3]) from error
    if not isinstance(data, dict):
        raise UsageError(f"{name} is not a map")
    return {str(key): value for key, value in data.items()}


def as_list(value: Any) -> list[Any]:
    """Return a list, a single value as a list of one, nothing as an empty one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def as_map(value: Any) -> dict[str, Any]:
    """Return a map, an empty one for anything else."""
    return {str(key): one for key, one in value.items()} if isinstance(value, dict) else {}


def as_text(value: Any) -> str:
    """Return a scalar as text, as YAML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def short(value: Any) -> str:
    """Return a value of a source in a line that is not too long."""
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:197] + "..."


def not_understood(data: Mapping[str, Any], understood: Collection[str], known: Collection[str] = ()) -> list[str]:
    """Return the entries of a map that its importer does not understand, as texts.

    :param understood: the keys whose meaning the importer takes over, whatever they hold
    :param known: keys that mean nothing while they are empty or false, and are not understood otherwise
    """
    return [
        f"{key}: {short(value)}"
        for key, value in data.items()
        if key not in understood and not (key in known and value in (None, False, "", [], {}))
    ]


def leave_out(draft: Draft, name: str, body: Mapping[str, Any], reason: str, makes: Iterable[str]) -> None:
    """Leave a task or stage out of a draft, with its body as the remark.

    :param makes: the files that it makes, as far as they are known
    """
    text = "\n".join(f"  {key}: {short(value)}" for key, value in body.items())
    draft.leave_out(name, reason, text, makes)
