"""A discovery as code outside of the package would write one, and plans whose actions have it.

A plan is JSON: {NAME: {"sh": TEXT, "in": [PATH...], "out": [PATH...], "names": KIND, "data": PATH}}.
"""

from __future__ import annotations

import json
import os
from typing import Any

from treadle import Command, Depfile, Discovery, FrontEnd, Project, Request, Script


class JsonList(Discovery):
    """The discovery of a command that writes the paths which it has read as a list in JSON."""

    kind = "list of inputs"

    def read(self, root: str) -> Any:
        """Return the list."""
        with open(os.path.join(root, self.path), encoding="utf-8") as file:
            return json.load(file)


KINDS: dict[str, type[Discovery]] = {"depfile": Depfile, "json": JsonList}


class JsonPlans(FrontEnd):
    """Reads such plans."""

    suffixes = (".json",)

    def load(self, request: Request) -> Project:
        """Return the Commands of a plan."""
        with open(request.file, encoding="utf-8") as file:
            actions = json.load(file)
        commands = {
            name: Command(
                script=Script(one["sh"]),
                inputs=one.get("in", ()),
                outputs=one.get("out", ()),
                discovery=KINDS[one["names"]](one["data"]) if "names" in one else None,
            )
            for name, one in actions.items()
        }
        return Project.of(request.file, commands)
