"""Vars: from what is written, what selects choose and what files of values hold to values. It knows no actions."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from treadle.errors import TreadleError, shortened
from treadle.frontends.base import Param
from treadle.plan.language import data, select
from treadle.plan.language.data import Data, Tree
from treadle.plan.language.templates import GlobItem, Scope, Template, Value, parse
from treadle.plan.language.value_files import ValueFiles, format_of, shown_path
from treadle.plan.schema.keys import FILE_KEYS, GLOB_KEYS
from treadle.plan.schema.validator import Reader
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

from .params import RESERVED, check_name

PLATFORM: Mapping[str, str] = {
    "platform.os": {"darwin": "macos"}.get(sys.platform, sys.platform),
    "platform.arch": os.uname().machine,
}
_WHERE_KNOWN = "vars are worked out before any action: write it where it is used"
_NO_VARIABLES = "a var belongs to no action\ngive it a parameter with env: NAME"
_QUOTES = "if a text was meant, write it in quotes; a map here has select:, file: or glob:"


def read_vars(
    reader: Reader, node: Node | None, params: Mapping[str, Param], files: ValueFiles, folder: str
) -> Scope:
    """Return the scope of the plan: its parameters, and its vars each worked out once.

    :param folder: that files of values are relative to
    """
    table = reader.table(node, "vars") if node is not None else Table(0, flow=False)
    base: dict[str, Value] = {name: param.value for name, param in params.items()}
    scope = Scope(base, {name: f"${{{name}}} is not known in vars\n{_WHERE_KNOWN}" for name in RESERVED})
    uses: dict[str, list[str]] = {}
    for name, value in table.items():
        if check_name(reader, name, params, "a var"):
            with reader.problems.kept():
                uses[name.text] = _uses(reader, value)
    ordered = _order(reader, table, uses)
    # A var with a mistake has been told of: what uses it says nothing more.
    broken = set(table.nodes).difference(ordered)
    worker = _Vars(reader, scope, base, files, folder)
    for name_ in ordered:
        told = reader.problems.told
        if broken.isdisjoint(uses[name_]):
            with reader.problems.kept():
                worker.take(name_, table.nodes[name_])
        if reader.problems.told > told or not broken.isdisjoint(uses[name_]):
            broken.add(name_)
    base.update({name: "" for name in broken if name not in base})
    scope.records, scope.typed, scope.unknown = worker.data.records, worker.data.typed, worker.data.odd
    return scope


class _Vars:
    """Works out one var after another.

    :param base: takes the values
    """

    def __init__(
        self, reader: Reader, scope: Scope, base: dict[str, Value], files: ValueFiles, folder: str
    ) -> None:
        self.reader = reader
        self.scope = scope
        self.base = base
        self.files = files
        self.folder = folder
        self.data = Data()
        self.globs: dict[str, GlobItem] = {}
        scope.records = self.data.records
        scope.globs = self.globs

    def take(self, name: str, node: Node) -> None:
        """Work out a var."""
        reader, scope = self.reader, self.scope
        if isinstance(node, Items | Table):
            unknown = {**scope.unknown, "env": _NO_VARIABLES}
            node = select.Selection(reader.source, scope.with_local(PLATFORM, unknown)).resolve(node)
        if isinstance(node, Table):
            if "file" in node.nodes:
                self._file(name, node)
            elif "glob" in node.nodes:
                self._glob(name, node)
            else:
                raise reader.error(f"the var {name} must be a text or a list, this is a map", node, hint=_QUOTES)
        elif data.has_tables(node):
            _refuse_globs(reader, name, node)
            odd = (
                next((one for one in node.nodes if not isinstance(one, Table)), None)
                if isinstance(node, Items)
                else None
            )
            first = next(one for one in node.nodes if data.has_tables(one)) if isinstance(node, Items) else node
            if odd is not None:
                raise reader.error(f"the var {name} has records and other values", first, hint=_QUOTES)
            held = tree(reader, scope, node, f"the var {name}")
            self.data.take(name, held, self.base, data.at(reader.source, node), self._where(node))
        else:
            self._plain(name, node)
        scope.unknown = {**scope.unknown, **self.data.odd}

    def _plain(self, name: str, node: Node) -> None:
        made = templates(self.reader, node, f"the var {name}")
        if isinstance(made, list):
            self.base[name] = tuple([text for one in made for text in self.scope.items(one)])
            return
        whole = made.whole
        if whole is not None and (whole.name in self.scope.records or whole.name in self.globs):
            if whole.name in self.globs:
                self.globs[name] = self.globs[whole.name]
            else:
                self.data.records[name] = self.data.records[whole.name]
            self.data.odd[name] = self.data.odd[whole.name].replace(f"${{{whole.name}}}", f"${{{name}}}")
            return
        items = self.scope.items(made)
        is_list = whole is not None and isinstance(self.scope.value(made, whole), tuple)
        self.base[name] = items if is_list else items[0]

    def _where(self, node: Node) -> str:
        return f"at {self.reader.source.place(node.start)}"

    def _glob(self, name: str, table: Table) -> None:
        """Keep a glob as it is written, with its values in it: it is answered where it is used."""
        found = glob(self.reader, table)
        for templates in (found.patterns, found.exclude):
            templates[:] = [Template(one.source, one.node, (self.scope.pattern(one),)) for one in templates]
        self.globs[name] = found
        self.data.odd[name] = (
            f"${{{name}}} is a glob: only in, edits and foreach take it, as a whole\n"
            f"in a command ${{in}} is what the action reads\n{name} is defined {self._where(table)}"
        )

    def _file(self, name: str, table: Table) -> None:
        reader = self.reader
        entries = reader.entries(table, FILE_KEYS, "a file of values")
        node = entries.get("file")
        if not isinstance(node, Scalar) or len(entries) < len(table.nodes):
            return
        text = self.scope.text(parse(reader.source, node))
        if not text or text.endswith("/") or text == "~" or text.startswith("~/"):
            raise reader.error(
                f"the file of the var {name} is no path of a file: {text!r}", node, hint="file: params.yaml"
            )
        kind = format_of(text)
        if isinstance(given := entries.get("format"), Scalar):
            kind = given.text
        path = os.path.normpath(os.path.join(self.folder, text))
        told = data.at(reader.source, node)
        if "else" in entries:
            otherwise = tree(reader, self.scope, entries["else"], f"else of the var {name}")
            at = entries["else"]
            self.data.take(name, otherwise, self.base, data.at(reader.source, at), self._where(at))
        try:
            source = self.files.source(path, shown_path(reader.source.file, path), told)
            held = None if source is None else self.files.tree(path, kind, source)
        except TreadleError as error:
            error.place = error.place or told("").place
            raise
        if source is None and "optional" not in entries:
            raise reader.error(
                f"the file {text} of the var {name} does not exist",
                node,
                facts=(f"looked for {path}",),
                hint="if that is right, add optional: true",
            )
        if source is None and kind == "text" and "else" not in entries:
            held = ""
        if held is not None:
            self.data.take(
                name,
                held,
                self.base,
                lambda what: TreadleError(f"{text}: {what}", hint="correct the file", place=told("").place),
                f"{self._where(node)}, and held by that file",
            )


def glob(reader: Reader, node: Table) -> GlobItem:
    """Return a map with `glob` as what it says; what is wrong with it is kept."""
    entries = reader.entries(node, GLOB_KEYS, "a glob")
    parts = []
    for key in ("glob", "exclude"):
        texts = reader.texts(entries[key], f"{key} of a glob") if key in entries else ()
        parts.append([parse(reader.source, text) for text in texts])
    return GlobItem(node, *parts, empty="empty" in entries)


def _refuse_globs(reader: Reader, name: str, node: Node) -> None:
    """Refuse a glob in the list of a var, which would be a list of records."""
    for one in node.nodes if isinstance(node, Items) else ():
        if isinstance(one, Table) and "glob" in one.nodes and one.nodes.keys() <= GLOB_KEYS.keys():
            hint = 'a var of its own for each glob; in: ["${a}", "${b}"] takes several'
            raise reader.error(f"the var {name} is a list with a glob in it", one, hint=hint)


def tree(reader: Reader, scope: Scope, node: Node, what: str) -> Tree:
    """Return a list or a map that stands in a plan, with its values in it."""
    if isinstance(node, Items):
        return [tree(reader, scope, one, what) for one in node.nodes]
    if isinstance(node, Table):
        return {name: tree(reader, scope, value, what) for name, value in node.nodes.items()}
    if not reader.is_text(node, f"an element of {what}"):
        return ""
    made = parse(reader.source, node)
    if not made.refs:
        return data.scalar(scope.text(made), is_plain=node.style is None)
    items = scope.items(made)
    is_list = made.whole is not None and isinstance(scope.value(made, made.whole), tuple)
    return list(items) if is_list else items[0]


def templates(reader: Reader, node: Node, what: str) -> Template | list[Template]:
    """Return a text as one template, a list (with all lists in it) as many."""
    if isinstance(node, Scalar):
        if node.is_null:
            raise reader.no_text(node, f"{what} must be a text or a list")
        return parse(reader.source, node)
    return [parse(reader.source, one) for one in _flatten(reader, node, what)]


def _flatten(reader: Reader, node: Node, what: str) -> list[Scalar]:
    """Return the texts of a list and of all lists in it."""
    found: list[Scalar] = []
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, Items):
            reader.check_commas(one)
            stack.extend(reversed(one.nodes))
        elif reader.is_text(one, f"an element of {what}") and isinstance(one, Scalar):
            found.append(one)
    return found


def _uses(reader: Reader, node: Node) -> list[str]:
    """Return the first parts of all names in `${}` that a var is made of, whatever a select in it chooses."""
    found: dict[str, None] = {}
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, Scalar):
            found.update({ref.name.split(".")[0]: None for ref in parse(reader.source, one).refs})
        else:
            stack.extend(reversed(list(one.nodes.values()) if isinstance(one, Table) else one.nodes))
    return list(found)


def _order(reader: Reader, table: Table, uses: Mapping[str, list[str]]) -> list[str]:
    """Return the vars such that each comes after those it uses; a circle is kept as an error and left out."""
    done: dict[str, bool] = {}
    ordered: list[str] = []
    broken: set[str] = set()
    for first in uses:
        path: list[tuple[str, list[str]]] = [] if first in done else [(first, _inside(uses, first))]
        done.setdefault(first, False)
        while path:
            name, rest = path[-1]
            if not rest:
                path.pop()
                done[name] = True
                ordered.append(name)
                continue
            used = rest.pop()
            if used not in done:
                done[used] = False
                path.append((used, _inside(uses, used)))
            elif not done[used]:
                names = [one for one, _ in path]
                circle = [*names[names.index(used) :], used]
                broken.update(circle)
                facts, hint = (" -> ".join(shortened(circle)),), "write one of them out"
                reader.add("these vars are made of each other", table.keys[used], facts=facts, hint=hint)
    return [name for name in ordered if name not in broken]


def _inside(uses: Mapping[str, list[str]], name: str) -> list[str]:
    return [one for one in reversed(uses[name]) if one in uses]
