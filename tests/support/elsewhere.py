"""A walk whose actions run on the engine "far", which a test gives it."""

from __future__ import annotations

from treadle import Command, CommandWalk


class Elsewhere(CommandWalk):
    """A walk whose actions run on an engine."""

    def engine_of(self, uid: str, command: Command) -> str:
        del uid, command
        return "far"
