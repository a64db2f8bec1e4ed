"""YAML files of other tools as plain data."""

from __future__ import annotations

import os

from treadle.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read_map(root: str, name: str) -> dict[str, Any]:
    """Return a YAML file that holds a map.

    :raises UsageError: it cannot be read, or holds something else
    """
    import yaml

    try:
        with open(os.path.join(root, name), encoding="utf-8") as file:
            data = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{name} cannot be read", facts=str(error).splitlines()[:3]) from error
    if not isinstance(data, dict):
        raise UsageError(f"{name} holds no map")
    return {str(key): value for key, value in data.items()}


def as_list(value: Any) -> list[Any]:
    """Return what stands alone or in a list as a list; nothing is an empty one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def as_map(value: Any) -> dict[str, Any]:
    """Return a map, an empty one for anything else."""
    return {str(key): one for key, one in value.items()} if isinstance(value, dict) else {}


def as_text(value: Any) -> str:
    """Return a scalar as people write it in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
