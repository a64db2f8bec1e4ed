"""The loaded plan, and the environment that it was loaded with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from treadle.frontends.base import Project


@dataclass(slots=True)
class Plan(Project):
    """A checked plan in YAML."""


class TrackedEnviron(dict[str, str]):
    """An environment that records which variables are looked up."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.looked_up: dict[str, str | None] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """Return a variable or the default; the lookup is recorded."""
        self.looked_up[name] = super().get(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.looked_up[name] = super().get(name)
        return super().__getitem__(name)
