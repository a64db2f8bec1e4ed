"""Evaluates vars: texts, lists, selects, globs and files of values. Unaware of actions."""

from __future__ import annotations

import os
import sys
from collections import ChainMap
from collections.abc import Collection, Mapping

from treadle.errors import TreadleError, shortened
from treadle.frontends.base import Param
from treadle.plan.circles import depth_first
from treadle.plan.language import data, select
from treadle.plan.language.data import Data
from treadle.plan.language.enabled_if import Tree
from treadle.plan.language.templates import ROOT_MARK, GlobItem, Scope, Template, TreeItem, Value, find, parse
from treadle.plan.language.value_files import ValueFiles, format_of, shown_path
from treadle.plan.schema.keys import FILE_KEYS, GLOB_KEYS, OUT_KEYS, TREE_KEYS, Key
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

from .params import RESERVED, check_name

PLATFORM: Mapping[str, str] = {
    "platform.os": {"darwin": "macos"}.get(sys.platform, sys.platform),
    "platform.arch": os.uname().machine,
}
_WHERE_KNOWN = "vars are evaluated before any action: write it where it is used"
_NO_VARIABLES = "a var cannot use variables of the environment\nuse a parameter with env: NAME"
_QUOTES = "if a text was meant, write it in quotes; a map here has select:, file:, glob: or tree:"


def read_vars(
    validator: Validator,
    node: Node | None,
    params: Mapping[str, Param],
    value_files: ValueFiles,
    folder: str,
    root: str = "",
    git: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
) -> Scope:
    """Return the scope of a file: its parameters, and its vars, each evaluated once.

    :param folder: that files of values are relative to
    :param root: the value of `${root}`, "" if no text of the plan names it
    :param git: values of git, and the errors for those that there are not
    """
    table = validator.table(node, "vars")
    uses: dict[str, list[str]] = {}
    for name, value in table.items():
        if check_name(validator, name, params, "a var"):
            with validator.problems.collecting():
                uses[name.text] = _uses(validator, value)
    ordered = _order(validator, table, uses)
    # the error of a var is kept: the vars that use it get no errors of their own
    broken = set(table.nodes).difference(ordered)
    base: dict[str, Value] = {name: param.value for name, param in params.items()}
    base["root"] = ROOT_MARK
    base.update(git[0])
    evaluator = _Vars(validator, base, value_files, folder, root)
    evaluator.data.unusable.update(git[1])
    for name_ in ordered:
        before = validator.problems.reported
        if broken.isdisjoint(uses[name_]):
            with validator.problems.collecting():
                evaluator.evaluate(name_, table.nodes[name_])
        if validator.problems.reported > before or not broken.isdisjoint(uses[name_]):
            broken.add(name_)
    return evaluator.result(broken)


class _Vars:
    """Evaluates one var after another.

    :param base: the values of parameters; the values of vars are added, with ROOT_MARK for the root
    """

    __slots__ = ("base", "data", "folder", "globs", "root", "scope", "validator", "value_files")

    def __init__(
        self, validator: Validator, base: dict[str, Value], value_files: ValueFiles, folder: str, root: str
    ) -> None:
        self.validator = validator
        self.base = base
        self.value_files = value_files
        self.folder = folder
        self.root = root
        self.data = Data()
        self.globs: dict[str, GlobItem | TreeItem] = {}
        unknown = {name: f"${{{name}}} cannot be used in vars\n{_WHERE_KNOWN}" for name in RESERVED}
        self.scope = Scope(base, ChainMap(self.data.unusable, unknown), records=self.data.records, globs=self.globs)

    def result(self, broken: Collection[str]) -> Scope:
        """Return the scope with all vars; those with errors are empty texts."""
        base = {**dict.fromkeys(broken, ""), **self.base}
        data = self.data
        return Scope(
            base, data.unusable, {}, data.typed, data.records, self.globs, root=self.root, trees=data.trees
        )

    def evaluate(self, name: str, node: Node) -> None:
        """Evaluate a var."""
        validator, scope = self.validator, self.scope
        if isinstance(node, Items | Table):
            unknown = {**scope.unknown, "env": _NO_VARIABLES}
            node = select.Selection(
                validator.source, scope.with_local(PLATFORM, unknown).with_root(self.root)
            ).resolve(node)
        if isinstance(node, Table):
            if "file" in node.nodes:
                self._file(name, node)
            elif "glob" in node.nodes:
                self._glob(name, node)
            elif "tree" in node.nodes:
                self._tree(name, node)
            else:
                what = f"the var {name} must be a text or a list, not a map"
                raise validator.error(what, node, hint=_QUOTES)
        elif isinstance(node, Items) and data.has_tables(node):
            _refuse_globs(validator, name, node)
            if not all(isinstance(one, Table) for one in node.nodes):
                first = next(one for one in node.nodes if data.has_tables(one))
                raise validator.error(f"the var {name} has records and other values", first, hint=_QUOTES)
            records = tree(validator, scope, node, f"the var {name}")
            self.data.add(name, records, self.base, data.at(validator.source, node), self._where(node))
        else:
            self._plain(name, node)

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
                self.data.trees[name] = find(self.data.trees, whole.name)[1]
            self.data.unusable[name] = self.data.unusable[whole.name].replace(f"${{{whole.name}}}", f"${{{name}}}")
            return
        items = self.scope.items(template)
        self.base[name] = items if self.scope.is_list(template) else items[0]

    def _where(self, node: Node) -> str:
        return f"at {self.validator.source.place(node.start)}"

    def _glob(self, name: str, table: Table) -> None:
        """Keep a glob with its values filled in; it is evaluated where it is used.

        Elsewhere than as a whole value it is an error, so a value never becomes syntax.
        """
        found = glob(self.validator, table)
        patterns, exclude = (
            [Template(one.source, one.node, (text,)) for one in templates for text in self.scope.patterns(one)]
            for templates in (found.patterns, found.exclude)
        )
        self.globs[name] = GlobItem(table, patterns, exclude, found.empty)
        self.data.unusable[name] = (
            f"${{{name}}} is a glob: it can only be a whole value of in, edits or foreach\n"
            f"in a command ${{in}} is what the action reads\n{name} is defined {self._where(table)}"
        )

    def _tree(self, name: str, table: Table) -> None:
        """Keep a folder with its exclude and values filled in."""
        found, scope = tree_item(self.validator, table), self.scope
        paths = [Template(one.source, one.node, (text,)) for one in found.paths for text in scope.items(one)]
        exclude = [Template(one.source, one.node, (text,)) for one in found.exclude for text in scope.patterns(one)]
        self.globs[name] = TreeItem(table, paths, exclude)
        self.data.unusable[name] = (
            f"${{{name}}} is a folder with exclude: it can only be a whole value of in\n"
            f"in a command ${{in}} is what the action reads\n{name} is defined {self._where(table)}"
        )

    def _file(self, name: str, table: Table) -> None:
        validator = self.validator
        entries = validator.entries(table, FILE_KEYS, "a file of values")
        node = entries.get("file")
        if not isinstance(node, Scalar) or len(entries) < len(table.nodes):
            return
        text = self.scope.with_root(self.root).text(parse(validator.source, node))
        if not text or text.endswith("/") or text == "~" or text.startswith("~/"):
            raise validator.error(
                f"the var {name} needs the path of a file, not {text!r}", node, hint="file: params.yaml"
            )
        kind = format_of(text)
        if isinstance(given := entries.get("format"), Scalar):
            kind = given.text
        path = os.path.normpath(os.path.join(self.folder, text))
        error_at = data.at(validator.source, node)
        if "else" in entries:
            otherwise = tree(validator, self.scope, entries["else"], f"else of the var {name}")
            at = entries["else"]
            self.data.add(name, otherwise, self.base, data.at(validator.source, at), self._where(at))
        try:
            source = self.value_files.source(path, shown_path(validator.source.file, path), error_at)
            content = None if source is None else self.value_files.tree(path, kind, source)
        except TreadleError as error:
            error.place = error.place or error_at("").place
            raise
        if source is None and "optional" not in entries:
            what = f"the file {text} of the var {name} does not exist"
            hint = "if that is right, add optional: true"
            raise validator.error(what, node, facts=(f"looked for {path}",), hint=hint)
        if source is None and kind == "text" and "else" not in entries:
            content = ""
        if content is not None:
            self.data.add(
                name,
                content,
                self.base,
                lambda what: TreadleError(f"{text}: {what}", hint="correct the file", place=error_at("").place),
                f"{self._where(node)}, and held by that file",
            )


def glob(validator: Validator, node: Table) -> GlobItem:
    """Read a map with `glob`; errors are kept."""
    entries = validator.entries(node, GLOB_KEYS, "a glob")
    lists = [validator.texts(entries.get(key), f"{key} of a glob") for key in ("glob", "exclude")]
    patterns, exclude = [[parse(validator.source, text) for text in texts] for texts in lists]
    return GlobItem(node, patterns, exclude, "empty" in entries)


def tree_item(validator: Validator, node: Table) -> TreeItem:
    """Read a map with `tree`; errors are kept."""
    return _folder_item(validator, node, "tree", TREE_KEYS)


def out_item(validator: Validator, node: Table) -> TreeItem:
    """Read a map with `path` in `out`; errors are kept."""
    return _folder_item(validator, node, "path", OUT_KEYS)


def _folder_item(validator: Validator, node: Table, own: str, keys: dict[str, Key]) -> TreeItem:
    what = "a tree" if own == "tree" else "an output"
    entries = validator.entries(node, keys, what)
    if own not in node.nodes:
        validator.add(f"{what} has no {own}", node, hint=f"{own}: with the folder")
    lists = [validator.texts(entries.get(key), f"{key} of {what}") for key in (own, "exclude")]
    paths, exclude = [[parse(validator.source, text) for text in texts] for texts in lists]
    for path in paths:
        if path.has_magic:
            hint = "a glob is {glob: ...}; exclude takes the patterns" if own == "tree" else "name the folder"
            validator.add(f"{what} with exclude or check is a folder, not a pattern", path.node, hint=hint)
    check = entries.get("check")
    return TreeItem(node, paths, exclude, check.text if isinstance(check, Scalar) else "content")


def _refuse_globs(validator: Validator, name: str, node: Items) -> None:
    """Refuse a glob in the list of a var: it would be read as a record."""
    for one in node.nodes:
        if isinstance(one, Table) and "glob" in one.nodes and one.nodes.keys() <= GLOB_KEYS.keys():
            hint = 'a var of its own for each glob; in: ["${a}", "${b}"] takes several'
            raise validator.error(f"the var {name} is a list that holds a glob", one, hint=hint)


def tree(validator: Validator, scope: Scope, node: Node, what: str) -> Tree:
    """Return a list or a map of a plan with its values filled in."""
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
    return list(items) if scope.is_list(template) else items[0]


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
    """Return the first parts of all names in `${}` of a var, whatever a select in it chooses."""
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
    """Return the vars, each after those it uses; vars in a circle are skipped, and kept as an error."""
    ordered, circles = depth_first({name: [one for one in used if one in uses] for name, used in uses.items()})
    for circle in circles:
        facts = (" -> ".join(shortened(circle)),)
        what, hint = "vars refer to each other in a circle", "write one of them out"
        validator.add(what, table.keys[circle[0]], facts=facts, hint=hint)
    broken = {name for circle in circles for name in circle}
    return [name for name in ordered if name not in broken]
