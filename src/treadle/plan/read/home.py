"""Where an action is at home: what its names, paths and values mean in the plan's file that it stands in."""

from __future__ import annotations

from collections.abc import Mapping

from treadle.plan.language.enabled_if import Operand
from treadle.plan.language.templates import Scope
from treadle.plan.language.value_files import ValueFiles

from .scope_paths import Places


class Home:
    """What all actions of one file share.

    :param prefix: what their names begin with: "" in the plan itself, `docs:` in one that it includes
    :param places: what their paths mean
    :param scope: parameters and vars
    :param operands: the same as conditions see them
    """

    __slots__ = ("files", "maker", "odd", "operands", "places", "prefix", "scope")

    def __init__(self, prefix: str, places: Places, scope: Scope, operands: Mapping[str, Operand]) -> None:
        self.prefix = prefix
        self.places = places
        self.scope = scope
        self.operands = operands
        self.odd: Mapping[str, str] = {}
        """Names that stand for no text and no list -> what to say where they are used as one."""
        self.maker = ""
        """The uid of the action that has made the file, "" if none has."""
        self.files: ValueFiles
