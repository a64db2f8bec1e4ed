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
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

from .params import RESERVED, check_name

PLATFORM: Mapping[str, str] = {
    "platform.os": {"darwin": "macos"}.get(sys.platform, sys.platform),
    "platform.arch": os.uname().machine,
}
_WHERE_KNOWN = "vars are evaluated before any action: write it where it is used"
_NO_VARIABLES = "a var cannot use variables of the environment\nuse a parameter with env: NAME"
_QUOTES = "if a text was meant, write it in quotes; a map here has select:, file: or glob:"


def read_vars(
    validator: Validator, node: Node | None, params: Mapping[str, Param], files: ValueFiles, folder: str
) -> Scope:
    """Return the scope of the plan: its parameters, and its vars each worked out once.

    :param folder: that files of values are relative to
    """
    table = validator.table(node, "vars")
    base: dict[str, Value] = {name: param.value for name, param in params.items()}
    scope = Scope(base, {name: f"${{{name}}} cannot be used in vars\n{_WHERE_KNOWN}" for name in RESERVED})
    uses: dict[str, list[str]] = {}
    for name, value in table.items():
        if check_name(validator, name, params, "a var"):
            with validator.problems.collecting():
                uses[name.text] = _uses(validator, value)
    ordered = _order(validator, table, uses)
    # A var with a mistake has been told of: what uses it says nothing more.
    broken = set(table.nodes).difference(ordered)
    worker = _Vars(validator, scope, base, files, folder)
    for name_ in ordered:
        told = validator.problems.reported
        if broken.isdisjoint(uses[name_]):
            with validator.problems.collecting():
                worker.take(name_, table.nodes[name_])
        if validator.problems.reported > told or not broken.isdisjoint(uses[name_]):
            broken.add(name_)
    base.update({name: "" for name in broken if name not in base})
    scope.records, scope.typed, scope.unknown = worker.data.records, worker.data.typed, worker.data.unusable
    return scope


class _Vars:
    """Works out one var after another.

    :param base: takes the values
    """

    def __init__(
        self, validator: Validator, scope: Scope, base: dict[str, Value], files: ValueFiles, folder: str
    ) -> None:
        self.validator = validator
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
        validator, scope = self.validator, self.scope
        if isinstance(node, Items | Table):
            unknown = {**scope.unknown, "env": _NO_VARIABLES}
            node = select.Selection(validator.source, scope.with_local(PLATFORM, unknown)).resolve(node)
        if isinstance(node, Table):
            if "file" in node.nodes:
                self._file(name, node)
            elif "glob" in node.nodes:
                self._glob(name, node)
            else:
                raise validator.error(f"the var {name} must be a text or a list, not a map", node, hint=_QUOTES)
        elif data.has_tables(node):
            _refuse_globs(validator, name, node)
            odd = (
                next((one for one in node.nodes if not isinstance(one, Table)), None)
                if isinstance(node, Items)
                else None
            )
            first = next(one for one in node.nodes if data.has_tables(one)) if isinstance(node, Items) else node
            if odd is not None:
                raise validator.error(f"the var {name} has records and other values", first, hint=_QUOTES)
            held = tree(validator, scope, node, f"the var {name}")
            self.data.add(name, held, self.base, data.at(validator.source, node), self._where(node))
        else:
            self._plain(name, node)
        scope.unknown = {**scope.unknown, **self.data.unusable}

    def _plain(self, name: str, node: Node) -> None:
        template = parse_texts(self.validator, node, f"the var {name}")
        if isinstance(template, list):
            self.base[name] = tuple([text for one in template for text in self.scope.items(one)])
            return
        whole = template.whole
        if whole is not None and (whole.name in self.scope.records or whole.name in self.globs):
            if whole.name in self.globs:
                self.globs[name] = self.globs[whole.name]
            else:
                self.data.records[name] = self.data.records[whole.name]
            self.data.unusable[name] = self.data.unusable[whole.name].replace(f"${{{whole.name}}}", f"${{{name}}}")
            return
        items = self.scope.items(template)
        is_list = whole is not None and isinstance(self.scope.value(template, whole), tuple)
        self.base[name] = items if is_list else items[0]

    def _where(self, node: Node) -> str:
        return f"at {self.validator.source.place(node.start)}"

    def _glob(self, name: str, table: Table) -> None:
        """Keep a glob as it is written, with its values in it: it is answered where it is used."""
        found = glob(self.validator, table)
        for parse_texts in (found.patterns, found.exclude):
            parse_texts[:] = [Template(one.source, one.node, (self.scope.pattern(one),)) for one in parse_texts]
        self.globs[name] = found
        self.data.unusable[name] = (
            f"${{{name}}} is a glob: it can only be a whole value of in, edits or foreach\n"
            f"in a command ${{in}} is what the action reads\n{name} is defined {self._where(table)}"
        )

    def _file(self, name: str, table: Table) -> None:
        validator = self.validator
        entries = validator.entries(table, FILE_KEYS, "a file of values")
        node = entries.get("file")
        if not isinstance(node, Scalar) or len(entries) < len(table.nodes):
            return
        text = self.scope.text(parse(validator.source, node))
        if not text or text.endswith("/") or text == "~" or text.startswith("~/"):
            raise validator.error(
                f"the var {name} needs the path of a file, not {text!r}", node, hint="file: params.yaml"
            )
        kind = format_of(text)
        if isinstance(given := entries.get("format"), Scalar):
            kind = given.text
        path = os.path.normpath(os.path.join(self.folder, text))
        told = data.at(validator.source, node)
        if "else" in entries:
            otherwise = tree(validator, self.scope, entries["else"], f"else of the var {name}")
            at = entries["else"]
            self.data.add(name, otherwise, self.base, data.at(validator.source, at), self._where(at))
        try:
            source = self.files.source(path, shown_path(validator.source.file, path), told)
            held = None if source is None else self.files.tree(path, kind, source)
        except TreadleError as error:
            error.place = error.place or told("").place
            raise
        if source is None and "optional" not in entries:
            raise validator.error(
                f"the file {text} of the var {name} does not exist",
                node,
                facts=(f"looked for {path}",),
                hint="if that is right, add optional: true",
            )
        if source is None and kind == "text" and "else" not in entries:
            held = ""
        if held is not None:
            self.data.add(
                name,
                held,
                self.base,
                lambda what: TreadleError(f"{text}: {what}", hint="correct the file", place=told("").place),
                f"{self._where(node)}, and held by that file",
            )


def glob(validator: Validator, node: Table) -> GlobItem:
    """Return a map with `glob` as what it says; what is wrong with it is kept."""
    entries = validator.entries(node, GLOB_KEYS, "a glob")
    lists = [validator.texts(entries.get(key), f"{key} of a glob") for key in ("glob", "exclude")]
    patterns, exclude = [[parse(validator.source, text) for text in texts] for texts in lists]
    return GlobItem(node, patterns, exclude, "empty" in entries)


def _refuse_globs(validator: Validator, name: str, node: Node) -> None:
    """Refuse a glob in the list of a var, which would be a list of records."""
    for one in node.nodes if isinstance(node, Items) else ():
        if isinstance(one, Table) and "glob" in one.nodes and one.nodes.keys() <= GLOB_KEYS.keys():
            hint = 'a var of its own for each glob; in: ["${a}", "${b}"] takes several'
            raise validator.error(f"the var {name} is a list that holds a glob", one, hint=hint)


def tree(validator: Validator, scope: Scope, node: Node, what: str) -> Tree:
    """Return a list or a map that stands in a plan, with its values in it."""
    if isinstance(node, Items):
        return [tree(validator, scope, one, what) for one in node.nodes]
    if isinstance(node, Table):
        return {name: tree(validator, scope, value, what) for name, value in node.nodes.items()}
    if not validator.is_text(node, f"an element of {what}"):
        return ""
    template = parse(validator.source, node)
    if not template.refs:
        return data.scalar(scope.text(template), is_plain=node.style is None)
    items = scope.items(template)
    is_list = template.whole is not None and isinstance(scope.value(template, template.whole), tuple)
    return list(items) if is_list else items[0]


def parse_texts(validator: Validator, node: Node, what: str) -> Template | list[Template]:
    """Return a text as one template, a list (with all lists in it) as many."""
    if isinstance(node, Scalar):
        if node.is_null:
            raise validator.no_text(node, f"{what} must be a text or a list")
        return parse(validator.source, node)
    return [parse(validator.source, one) for one in _flatten(validator, node, what)]


def _flatten(validator: Validator, node: Node, what: str) -> list[Scalar]:
    """Return the texts of a list and of all lists in it."""
    found: list[Scalar] = []
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, Items):
            validator.check_commas(one)
            stack.extend(reversed(one.nodes))
        elif validator.is_text(one, f"an element of {what}") and isinstance(one, Scalar):
            found.append(one)
    return found


def _uses(validator: Validator, node: Node) -> list[str]:
    """Return the first parts of all names in `${}` that a var is made of, whatever a select in it chooses."""
    found: dict[str, None] = {}
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, Scalar):
            found.update({ref.name.split(".")[0]: None for ref in parse(validator.source, one).refs})
        else:
            stack.extend(reversed(list(one.nodes.values()) if isinstance(one, Table) else one.nodes))
    return list(found)


def _order(validator: Validator, table: Table, uses: Mapping[str, list[str]]) -> list[str]:
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
                validator.add("vars refer to each other in a circle", table.keys[used], facts=facts, hint=hint)
    return [name for name in ordered if name not in broken]


def _inside(uses: Mapping[str, list[str]], name: str) -> list[str]:
    return [one for one in reversed(uses[name]) if one in uses]
