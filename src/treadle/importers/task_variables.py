"""The variables of a Taskfile, and its templates as texts of a plan."""

from __future__ import annotations

import re
from typing import Any

from .placeholders import Placeholder, PlaceholderError, filled, is_often_several
from .scripts import SAFE, literal
from .yaml import as_text, short

TEMPLATE = re.compile(r"\{\{\s*-?\s*(.*?)\s*-?\s*\}\}", re.DOTALL)
_LITERAL = "\ue002"
ROOTS = ("ROOT_DIR", "TASKFILE_DIR")
"""Variables that hold the folder of the Taskfile."""
NAME = re.compile(r"[A-Za-z_]\w*")
_VARIABLE = re.compile(r"\.([A-Za-z_]\w*)")
_WITH_DEFAULT = re.compile(
    r"""\.([A-Za-z_]\w*)\s*\|\s*default\s+(?:"([^"\\]*)"|'([^']*)'|`([^`]*)`|(-?\d+|true|false))"""
)
_OF_THE_PLAN = frozenset(("in", "out", "edits", "depfile", "platform", "env", "item", "root", "args"))
"""Names with another meaning in a plan."""


def _name_in_plan(name: str) -> str:
    """Return the name of a var: that of the variable, unless it has another meaning in a plan."""
    return f"{name}_" if name in _OF_THE_PLAN else name


class Variables:
    """The variables that templates may use: those of the Taskfile, or those and the ones of a task.

    :ivar unknown: variable -> why only Task knows its value
    :ivar params: variable that the caller may set -> the parameter of the plan
    """

    def __init__(
        self,
        placeholders: dict[str, Placeholder],
        unknown: dict[str, str],
        params: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.placeholders = placeholders
        self.unknown = unknown
        self.params = params or {}

    def with_own(self, variables: dict[str, Any]) -> tuple[Variables, list[str]]:
        """Return these and more variables, and why the values of some are not known."""
        made = Variables(dict(self.placeholders), dict(self.unknown), dict(self.params))
        reasons = []
        for name, value in variables.items():
            try:
                if isinstance(value, dict | list) or value is None or not NAME.fullmatch(name):
                    raise PlaceholderError(short(value))
                if (default := _own_default(name, as_text(value))) is not None and name not in made.placeholders:
                    made.add_param(name, default)
                    continue
                if (text := made.composed(as_text(value))) is not None:
                    made.placeholders[name] = Placeholder(_name_in_plan(name), text=text)
                    made.unknown.pop(name, None)
                    continue
                plain = made.plain(as_text(value))
                made.placeholders[name] = Placeholder(_name_in_plan(name), plain, is_list=len(plain.split()) > 1)
                made.unknown.pop(name, None)
            except PlaceholderError as error:
                made.placeholders.pop(name, None)
                made.unknown[name] = f"the variable {name}: {error}"
                reasons.append(made.unknown[name])
        return made, reasons

    def composed(self, text: str) -> str | None:
        """Return a text with values of the plan for those that the caller sets and for the folder of the Taskfile.

        None if it holds no such value, or other blanks than a plan can keep.
        """
        if len(TEMPLATE.sub("x", text).split()) > 1:
            return None
        is_composed = False

        def value(match: re.Match[str]) -> str:
            nonlocal is_composed
            one = self._find(match.group(1))
            if one.is_list or (one.plain is not None and len(one.plain.split()) > 1):
                raise PlaceholderError(f"{match.group()} is several words")
            if one.plain is not None:
                return f"{_LITERAL}{one.plain}"
            is_composed = True
            return f"${{{one.name}}}"

        parts = []
        at = 0
        for match in TEMPLATE.finditer(text):
            made = value(match)
            parts += [literal(text[at : match.start()]), literal(made[1:]) if made[0] == _LITERAL else made]
            at = match.end()
        parts.append(literal(text[at:]))
        return "".join(parts).strip() if is_composed else None

    def add_param(self, name: str, default: str, help_text: str = "") -> None:
        """Add a variable that the caller may set, by `-p` or in the environment.

        :raises PlaceholderError: the name has another meaning in a plan
        """
        if name in _OF_THE_PLAN:
            raise PlaceholderError(f"{name} has another meaning in a plan")
        words = default.split()
        is_list = len(words) > 1 or is_often_several(name)
        param: dict[str, Any] = {"split": "words"} if is_list else {}
        param |= {"env": name, "default": words if is_list else default}
        self.params[name] = {**param, "help": help_text} if help_text else param
        self.placeholders[name] = Placeholder(name, is_list=is_list)
        self.unknown.pop(name, None)

    def plain(self, text: str) -> str:
        """Return a text with templates of plain variables replaced.

        :raises PlaceholderError: it holds others
        """

        def value(match: re.Match[str]) -> str:
            one = self._find(match.group(1))
            if one.plain is None:
                raise PlaceholderError(f"{match.group()} has a value that the caller sets")
            return one.plain

        return TEMPLATE.sub(value, text)

    def plain_or_star(self, text: str) -> str:
        """Return a text with templates replaced; with a `*` for each if a value is not known."""
        try:
            return self.plain(text)
        except PlaceholderError:
            return TEMPLATE.sub("*", text)

    def filled(self, text: str, used: set[str]) -> str:
        """Return a text with values of the plan for templates; adds their names to `used`.

        :raises PlaceholderError: only Task knows one of them
        """

        def mark(match: re.Match[str]) -> str:
            one = self._find(match.group(1))
            is_safe = one.plain is None or all(SAFE.fullmatch(word) for word in one.plain.split() or [" "])
            return one.mark if is_safe else one.plain or ""

        by_name = {one.name: one for one in self.placeholders.values()}
        return filled(TEMPLATE.sub(mark, text), by_name, used)

    def _find(self, template: str) -> Placeholder:
        match = _VARIABLE.fullmatch(template)
        name = match.group(1) if match is not None else ""
        if name not in self.placeholders:
            raise PlaceholderError(self.unknown.get(name) or f"only Task knows {{{{{template}}}}}")
        return self.placeholders[name]


def _own_default(name: str, text: str) -> str | None:
    """Return the default of `{{.NAME | default "x"}}` as the value of NAME; None if it is anything else."""
    match = TEMPLATE.fullmatch(text.strip())
    found = _WITH_DEFAULT.fullmatch(match.group(1)) if match is not None else None
    if found is None or found.group(1) != name:
        return None
    return next(one for one in found.groups()[1:] if one is not None)
