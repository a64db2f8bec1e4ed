"""A folder with a plan in it, for the tests of the plan language."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from treadle.errors import PlanError, TreadleError
from treadle.plan.load import load_plan
from treadle.plan.model import Plan

HEAD = "treadle: 1\nactions:\n"


class Folder:
    """Files around a plan, and the plan as it loads."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, *names: str, text: str = "") -> None:
        for name in names:
            path = self.root / name
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def load(
        self,
        text: str | bytes,
        params: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        former: Collection[str] = (),
        name: str = "treadle.yaml",
    ) -> Plan:
        """Load a text as the folder's plan; one that begins with a blank is a text of actions only."""
        if isinstance(text, str):
            text = os.fsencode(HEAD + text if text.startswith(" ") else text)
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(text)
        answer: Callable[[str], Collection[str]] = lambda root: former  # noqa: E731 - it is what a caller gives
        return load_plan(str(self.root / name), params=params, environ=environ or {}, previous_outputs=answer)

    def problems(
        self,
        text: str | bytes,
        params: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Sequence[TreadleError]:
        """Return the mistakes of a plan that must not load."""
        try:
            self.load(text, params, environ)
        except PlanError as error:
            return error.problems
        raise AssertionError("the plan loads")


def argv(plan: Plan, uid: str = "a") -> tuple[str, ...]:
    """Return the words of an action's first command."""
    return plan.actions[uid].command.steps[0]
