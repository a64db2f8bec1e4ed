"""Validates nodes against the tables of keys: returns what is valid, and keeps an error for what is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from treadle.errors import TreadleError, nearest
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import NULLS, Items, Node, Scalar, Source, Table, shape

from .keys import ACTION_NAME, NAME, Key
from .pages import page_of_key, page_of_keys

_MEANT_AT_THE_TOP = dict.fromkeys(("tasks", "steps", "jobs", "stages", "targets", "rules"), "actions")
_MEANT = {
    **dict.fromkeys(("input", "inputs", "deps", "sources", "file_dep", "reads"), "in"),
    **dict.fromkeys(("outputs", "outs", "targets", "generates", "writes"), "out"),
    **dict.fromkeys(("cmd", "cmds", "command", "commands", "exec"), "run"),
    **dict.fromkeys(("script", "shell_command", "bash"), "sh"),
    **dict.fromkeys(("variables", "constants"), "vars"),
    **dict.fromkeys(("parameters", "args", "options"), "params"),
    **dict.fromkeys(("environment", "environ"), "env"),
    **dict.fromkeys(("desc", "description", "title", "doc"), "help"),
    **dict.fromkeys(("matrix", "for", "for_each", "each", "loop"), "foreach"),
    **dict.fromkeys(("if", "only_if", "condition"), "when"),
    **dict.fromkeys(("depends", "depends_on", "dependencies", "requires"), "needs"),
    **dict.fromkeys(("name", "job", "task", "on_action"), "action"),
    **dict.fromkeys(("ensure", "defer", "at_end", "cleanup"), "finally"),
    **dict.fromkeys(("dir", "workdir", "working_directory", "chdir"), "cwd"),
    **dict.fromkeys(("version",), "treadle"),
    **dict.fromkeys(("enum", "values"), "choices"),
    **dict.fromkeys(("retry", "attempts"), "retries"),
    **dict.fromkeys(("pool", "pools"), "queue"),
}


NAMES = "a map has a name, a colon and a value in each line, all indented alike"
_TIGHT = re.compile(r",\S")
_SIMPLE = re.compile(r"[\w./+-]+(?: [\w./+-]+)*")


@dataclass(slots=True, frozen=True)
class Validator:
    """Validates nodes and keeps the errors."""

    source: Source
    problems: Problems

    def error(self, what: str, node: Node | int, *, facts: tuple[str, ...] = (), hint: str = "") -> TreadleError:
        """Return an error at a node."""
        return self.source.error(what, node, facts=facts, hint=hint)

    def add(
        self, what: str, node: Node | int, *, facts: tuple[str, ...] = (), hint: str = "", page: str = ""
    ) -> None:
        """Keep an error at a node.

        :param page: the page of the documentation, if it is not that of plans
        """
        error = self.source.error(what, node, facts=facts, hint=hint)
        if page:
            error.page = page
        self.problems.add(error)

    def entries(self, node: Node, keys: dict[str, Key], where: str) -> dict[str, Node]:
        """Return the valid entries of a map; keep an error for each other one.

        :param where: what the map is, for the error texts: "an action"
        """
        if not isinstance(node, Table):
            self.add(
                f"{where} must be a map, not {shape(node)}",
                node,
                hint=_short_hint(node, keys),
                page=page_of_keys(keys),
            )
            return {}
        good: dict[str, Node] = {}
        for name, value in node.nodes.items():
            key = keys.get(name)
            if key is None:
                self._unknown(node, name, keys, where)
            elif self.fits(key, value, node.keys[name]):
                good[name] = value
        return good

    def table(self, node: Node | None, where: str, *, pattern: re.Pattern[str] = NAME) -> Table:
        """Return a map of free names without the entries whose names are wrong; an empty one for None."""
        if node is None:
            return Table(0, flow=False)
        if not isinstance(node, Table):
            self.add(f"{where} must be a map of names, not {shape(node)}", node, hint=_map_hint(node) or NAMES)
            return Table(node.start, flow=False)
        good = Table(node.start, flow=node.flow)
        for name, value in node.nodes.items():
            if node.flow and self._is_cut(node, name):
                self._cut(node, name, where)
            elif pattern.fullmatch(name):
                good.keys[name], good.nodes[name] = node.keys[name], value
            else:
                hint = "letters, digits and _ only, not a digit first"
                if pattern is ACTION_NAME:
                    hint = "letters, digits and _ . + - only, and a letter, a digit or _ first"
                self.add(f"{name!r} is not a valid name in {where}", node.keys[name], hint=hint)
        return good

    def fits(self, key: Key, node: Node, at: Scalar) -> bool:
        """Return whether a key allows a value; keep an error if not."""
        kind = key.kind
        wrong = ""
        if isinstance(node, Scalar) and node.style is None and node.text in NULLS:
            wrong = f"must be {kind.says}, not an empty value"
            if node.end == node.start:
                node = at
        elif not isinstance(node, kind.shapes):
            wrong = f"must be {kind.says}, not {shape(node)}"
        elif kind.check is not None and isinstance(node, Scalar):
            wrong = kind.check(node)
            wrong = f"{wrong}, not {shape(node)}" if wrong else ""
        if wrong:
            is_scalar = isinstance(node, Scalar) and not node.is_null
            hint = _map_hint(node) if Table not in kind.shapes and not is_scalar else ""
            if not hint:
                lines = key.example.splitlines()
                one = next((one for one in lines if one.startswith(f"{key.name}: ")), "")
                hint = f"for example {one or key.example}" if one or len(lines) == 1 else NAMES
            self.add(f"{key.name} {wrong}", node, hint=hint, page=page_of_key(key))
        return not wrong

    def _unknown(self, table: Table, name: str, keys: dict[str, Key], where: str) -> None:
        at = table.keys[name]
        if self._is_cut(table, name):
            self._cut(table, name, where)
            return
        meant = (_MEANT_AT_THE_TOP if "actions" in keys else _MEANT).get(name) or _MEANT.get(name, "")
        close = meant if meant in keys else nearest(name, keys)
        hint = f"did you mean {close}?" if close else "use one of the known ones, or take it out"
        page = page_of_key(keys[close]) if close else page_of_keys(keys)
        known = f"known: {', '.join(sorted(keys))}"
        self.add(f"{where} has no key {name!r}", at, facts=(known,), hint=hint, page=page)

    def _is_cut(self, table: Table, name: str) -> bool:
        """Whether a name in `{ }` has no colon: then it is the rest of a value with a comma."""
        at, value = table.keys[name], table.nodes[name]
        is_empty = isinstance(value, Scalar) and value.style is None and value.start == value.end
        return table.flow and is_empty and not self.source.text[at.end : at.end + 80].lstrip().startswith(":")

    def _cut(self, table: Table, name: str, where: str) -> None:
        what = f"YAML split a value at a comma: {name!r} became a key of {where}"
        self.add(what, table.keys[name], hint="inside { } write the value in quotes")

    def check_commas(self, node: Items) -> None:
        """Keep an error for a comma that ends an element for YAML, and was meant as part of it."""
        if node.flow and _TIGHT.search(self.source.text, node.start, node.end) is not None:
            self.check_tight(node, is_run=False)

    def check_tight(self, node: Items, *, is_run: bool) -> None:
        """Keep an error for each comma without a blank after it that looks like part of a value.

        :param is_run: whether the elements are commands
        """
        text = self.source.text
        pairs = [(a, b) for a, b in pairwise(node.nodes) if isinstance(a, Scalar) and isinstance(b, Scalar)]
        tight = [(a, b) for a, b in pairs if a.style is b.style is None and text[a.end : b.start] == ","]
        for first, second in tight:
            option = first.text.rpartition(" ")[2]
            if len(tight) < len(pairs) or (is_run and option.startswith("-") and "=" in option):
                what = "YAML split this value at the comma"
                hint = "write the value in quotes; a comma between two values needs a blank after it"
                self.add(what, first.end, facts=(f"it reads {first.text!r} and {second.text!r}",), hint=hint)

    def texts(self, node: Node | None, what: str) -> list[Scalar]:
        """Return the texts of a text or of a list of texts, none for None; other nodes are kept as errors."""
        if node is None:
            return []
        if isinstance(node, Scalar):
            return [node] if self.is_text(node, what) else []
        if isinstance(node, Items):
            self.check_commas(node)
            return [item for item in node.nodes if self.is_text(item, what) and isinstance(item, Scalar)]
        self.is_text(node, what)
        return []

    def is_text(self, node: Node, what: str) -> bool:
        """Return whether a node is a text; keep an error if not."""
        if isinstance(node, Scalar) and (node.style is not None or node.text not in NULLS):
            return True
        self.problems.add(self.no_text(node, f"{what} must be a text"))
        return False

    def no_text(self, node: Node, says: str) -> TreadleError:
        """Return the error for a node that is not a text."""
        hint = _map_hint(node)
        if isinstance(node, Scalar):
            hint = 'write "" for an empty text' if node.text == "" else "write the word in quotes"
        elif isinstance(node, Items):
            hint = "write one text, without [ ] and without -"
        return self.source.error(f"{says}, not {shape(node)}", node, hint=hint)


def _short_hint(node: Node, keys: dict[str, Key]) -> str:
    """Return a hint for a text in place of a map: what to write."""
    main = next((name for name in ("run", "of", "default", "glob", "tool") if name in keys), "")
    if not isinstance(node, Scalar) or node.is_null or not main or not _SIMPLE.fullmatch(node.text):
        return _map_hint(node) or NAMES
    return f"{{{main}: {node.text}}}"


def _map_hint(node: Node) -> str:
    if isinstance(node, Scalar) and node.is_null:
        return "check the indentation of the lines below it"
    if not isinstance(node, Table) or not node.keys:
        return ""
    first = next(iter(node.keys))
    return f"YAML read a map here (`{first}:`): if a text was meant, write it in quotes"
