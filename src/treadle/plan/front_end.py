"""The front end for plans in YAML. The loader is imported by the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.frontends.base import FrontEnd

if TYPE_CHECKING:
    from treadle.frontends.base import Outline, Request

    from .model import Plan


class YamlPlans(FrontEnd):
    """Reads plans in YAML."""

    suffixes = (".yaml", ".yml")

    def load(self, request: Request) -> Plan:
        """Read a plan, see `load_plan`."""
        from .load import load_plan

        return load_plan(
            request.file,
            params=request.params,
            previous_outputs=request.previous_outputs,
            rest=request.rest,
            generated=request.made,
            keeps_globs=request.keeps_globs,
            keeps_values=request.keeps_values,
            is_run=request.is_run,
            work_trees=request.work_trees,
        )

    def outline(self, request: Request) -> Outline:
        """Read the names in a plan, see `load_outline`."""
        from .load import load_outline

        return load_outline(
            request.file, params=request.params, previous_outputs=request.previous_outputs, generated=request.made
        )
