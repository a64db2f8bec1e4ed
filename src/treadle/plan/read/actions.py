"""Reads the entries of one action: its command, files, foreach and order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, ParamSpec, TypeVar

from treadle.errors import TreadleError, listed, nearest
from treadle.plan.language import argv_split, data, select, shell, templates
from treadle.plan.language.enabled_if import Condition
from treadle.plan.language.templates import MAGIC, GlobItem, Record, Template, TreeItem
from treadle.plan.schema.keys import ACTION_KEYS, FROM_KEYS, GLOB_KEYS
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

from .file_scope import FileScope
from .mixins import USE, Mixins
from .params import check_name
from .settings import SettingsReader
from .spec import FromItem, Item, Need, Slot, Spec, is_true
from .variables import glob, out_item, tree, tree_item
from .variants import Variants, known_to, words_of

_OTHER_KEYS = ACTION_KEYS.keys() - {"run", "argv", "sh"}
_NO_RECORD = GLOB_KEYS.keys() | FROM_KEYS.keys()
_FILE_KEYS = frozenset(("stdout", "depfile", "expand", "cwd"))
_ORDER_KEYS = frozenset(("when", "needs", "after", "tags"))
_CUT = re.compile(r" #")
_WAYS = ("run", "argv", "sh")

P = ParamSpec("P")
T = TypeVar("T")


class CommandKeys(NamedTuple):
    """What an action runs: steps, words or a script."""

    help: str = ""
    steps: Sequence[list[argv_split.Word]] = ()
    argv: Sequence[Template] = ()
    sh: Scalar | None = None
    pieces: Sequence[str | shell.Placeholder] = ()


class FileKeys(NamedTuple):
    """The files of an action; `named` are those of keys that name one."""

    inputs: Sequence[Slot] = ()
    outputs: Sequence[Slot] = ()
    edits: Slot | None = None
    named: Mapping[str, Template] = MappingProxyType({})


class OrderKeys(NamedTuple):
    """Whether an action runs, and after which others."""

    condition: Condition | None = None
    needs: Sequence[Need] = ()
    after: Sequence[Template] = ()
    tags: Sequence[Template] = ()


_NO_COMMAND, _NO_FILES, _NO_ORDER = CommandKeys(), FileKeys(), OrderKeys()


class ActionReader:
    """Reads the actions of one file.

    :param defaults: validated entries of `defaults`
    :param taken: names of parameters and vars
    :param queues: name -> tokens
    :param environ: the environment, for variables that a select uses
    :param mixins: those of the file
    :ivar selects: whether there may be a select anywhere in the plan
    :ivar scripts: text of a script -> its pieces; many actions share one text
    :ivar commands: text of a command -> its words
    """

    __slots__ = (
        *("commands", "defaults", "environ", "file_scope", "scripts", "selects", "settings", "shared", "source"),
        *("mixins", "taken", "validator"),
    )

    def __init__(
        self,
        validator: Validator,
        defaults: Mapping[str, Node],
        taken: Mapping[str, object],
        queues: Mapping[str, int],
        file_scope: FileScope,
        environ: Mapping[str, str],
        mixins: Mixins,
    ) -> None:
        self.mixins = mixins
        self.validator = validator
        self.file_scope = file_scope
        self.source = validator.source
        self.defaults = defaults
        self.shared = {name: value for name, value in defaults.items() if name != "env"}
        self.taken = taken
        self.environ = environ
        self.selects = select.SELECT in self.source.text
        self.scripts: dict[str, Sequence[str | shell.Placeholder]] = {}
        self.commands: dict[str, list[argv_split.Word]] = {}
        self.settings = SettingsReader(validator, defaults, queues)

    def read(self, key: Scalar, node: Node) -> Spec:
        """Return one action; errors are kept."""
        mixed = self._kept(self.mixins.applied, node)
        if mixed is None:
            return Spec(self.file_scope.prefix + key.text, key, self.file_scope)
        whole, has_selects = mixed
        if self.selects and (has_selects or select.may_select(self.source, node)):
            return self._selecting(key, whole)
        return self._read(key, whole)

    def _selecting(self, key: Scalar, node: Node) -> Spec:
        """Return an action that may have selects."""
        entries = node.nodes if isinstance(node, Table) else {}
        names = entries.get("foreach")
        tracked = [*words_of(entries.get("track")), *words_of(self.defaults.get("track"))]
        known = known_to({name: self.environ.get(name, "") for name in tracked})
        secrets = [*words_of(entries.get("secret")), *words_of(self.defaults.get("secret"))]
        secret = frozenset(f"env.{name}" for name in secrets)
        variants = Variants(self.source, node, known, secret, lambda chosen: self._read(key, chosen))
        with self.validator.problems.collecting():
            variants.check()
            if not isinstance(names, Table) or not variants.depends_on(names.nodes):
                return variants.of(self.file_scope.scope)
            chosen = select.Selection(self.source, self.file_scope.scope.with_local(known)).resolve(names)
            entries = {"foreach": chosen}
            return Spec(
                self.file_scope.prefix + key.text,
                key,
                self.file_scope,
                entries,
                foreach=self._foreach(entries),
                variants=variants,
            )
        return Spec(self.file_scope.prefix + key.text, key, self.file_scope)

    def _read(self, key: Scalar, node: Node) -> Spec:
        if isinstance(node, Table) and USE in node.nodes:
            hint = "write use: as a key of the action itself"
            self.validator.add("use cannot be inside a select", node.keys[USE], hint=hint)
        own = self.validator.entries(node, ACTION_KEYS, f"the action {key.text}")
        entries = {**self.shared, **own}
        command = self._kept(self._command, entries, key, node) or _NO_COMMAND
        foreach = (self._kept(self._foreach, entries) or ()) if "foreach" in entries else ()
        files = self._kept(self._files, entries) or _NO_FILES
        order = self._kept(self._order, entries) or _NO_ORDER
        settings = self.settings.read(entries, node)
        name = self.file_scope.prefix + key.text
        return Spec(name, key, self.file_scope, entries, *command, *files, foreach, *order, settings)

    def _kept(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a function returns; None after an error, which is kept."""
        try:
            return read(*args, **kwargs)
        except TreadleError as error:
            self.validator.problems.collect(error)
            return None

    def error(self, what: str, node: Node | int, hint: str = "", facts: tuple[str, ...] = ()) -> TreadleError:
        """Return an error at a node."""
        return self.source.error(what, node, hint=hint, facts=facts)

    def _command(self, entries: Mapping[str, Node], key: Scalar, node: Node) -> CommandKeys:
        """Return the help of an action and what it runs."""
        name = self.file_scope.prefix + key.text
        given = [way for way in _WAYS if way in entries]
        if len(given) > 1:
            what = f"the action {name} has both {' and '.join(given)}"
            raise self.error(what, key, "one action has one of run, argv, sh")
        if not given:
            if isinstance(node, Table) and node.nodes.keys() <= _OTHER_KEYS:
                what = f"the action {name} does nothing: it has no run, argv or sh"
                raise self.error(what, key, "to name several actions, use groups:")
            return _NO_COMMAND
        help_node = entries.get("help")
        help_ = help_node.text if isinstance(help_node, Scalar) else ""
        way, value = given[0], entries[given[0]]
        if way == "run":
            return CommandKeys(help_, steps=self._run(value))
        if way == "argv":
            return CommandKeys(help_, argv=self._argv(value))
        assert isinstance(value, Scalar)
        return CommandKeys(help_, sh=value, pieces=self._sh(value))

    def _run(self, node: Node) -> list[list[argv_split.Word]]:
        if isinstance(node, Items):
            if not node.nodes:
                raise self.error("run has no command", node, "for example run: [echo hello]")
            if node.flow:
                self.validator.check_tight(node, is_run=True)
        steps: list[list[argv_split.Word]] = []
        for text in self.validator.texts(node, "a command"):
            with self.validator.problems.collecting():
                self._check_cut(text)
                step = self._words(text)
                if isinstance(node, Items) and self._is_lone(text, step):
                    what = f"{text.text!r} is an argument, not a command"
                    self.validator.add(what, text, hint="run is a list of commands; a list of arguments is argv:")
                    break
                steps.append(step)
        return steps

    def _words(self, text: Scalar) -> list[argv_split.Word]:
        """Return the words of a command; each text is split once."""
        known = self.commands.get(text.text)
        if known is not None:
            return [word.at(text) for word in known]
        found = self.commands[text.text] = argv_split.split_words(self.source, text)
        return found

    def _is_lone(self, text: Scalar, step: list[argv_split.Word]) -> bool:
        """Whether an element of `run` looks like an argument of the one before it."""
        whole = step[0].template.whole if len(step) == 1 else None
        lone = whole is not None and whole.name.split(".")[0] in ("in", "out", "depfile", "edits")
        return lone or text.text.startswith("-")

    def _check_cut(self, text: Scalar) -> None:
        if text.style is None and _CUT.match(self.source.text, text.end):
            hint = "quote the value if # belongs to it; a comment needs two blanks before it"
            raise self.error("YAML ended this value at the #, which begins a comment", text.end + 1, hint)

    def _argv(self, node: Node) -> list[Template]:
        texts = self.validator.texts(node, "an argument")
        if isinstance(node, Items) and not node.nodes:
            raise self.error("argv has no program", node, "for example argv: [echo, hello]")
        for text in texts:
            self._check_cut(text)
        return [templates.parse(self.source, text) for text in texts]

    def _sh(self, node: Scalar) -> Sequence[str | shell.Placeholder]:
        self._check_cut(node)
        if not node.text.strip():
            raise self.error("an empty script", node, "write a command, or take the action out")
        pieces = self.scripts.get(node.text)
        if pieces is None:
            pieces = self.scripts[node.text] = shell.parse_script(self.source, node)
        return pieces

    def _foreach(self, entries: Mapping[str, Node]) -> Sequence[tuple[str, list[Item | Record]]]:
        node = entries["foreach"]
        found = []
        table = self.validator.table(node, "foreach")
        if isinstance(node, Table) and not node.keys:
            raise self.error("foreach has no names", node, "for example foreach: {part: [a, b]}")
        for name, value in table.items():
            if not check_name(self.validator, name, self.taken, "a foreach value"):
                continue
            with self.validator.problems.collecting():
                items = self._values(value, f"foreach {name.text}")
                first = items[0] if len(items) == 1 else None
                if isinstance(value, Scalar) and isinstance(first, Template) and not (first.whole or first.each):
                    what = f"foreach {name.text} must be a list or a glob, not one text"
                    raise self.error(what, value, hint=f"[{value.text}] is a list of one")
                found.append((name.text, items))
        return found

    def _values(self, node: Node, what: str) -> list[Item | Record]:
        """Return the values of a name of `foreach`; a map in a list is a record."""
        found: list[Item | Record] = []
        if isinstance(node, Items):
            self.validator.check_commas(node)
        for one in node.nodes if isinstance(node, Items) else (node,):
            if isinstance(node, Items) and isinstance(one, Table) and one.nodes.keys() - _NO_RECORD:
                fields = tree(self.validator, self.file_scope.scope, one, f"a record of {what}")
                record = data.record(fields, data.at(self.source, one))
                if record.name is None:
                    raise self.error(
                        "a record has no text field that could name its action", one, hint="give it a field name:"
                    )
                found.append(record)
            else:
                found.extend(self._values(one, what) if isinstance(one, Items) else self.items(one, what))
        records = sum(isinstance(one, Record) for one in found)
        if 0 < records < len(found):
            raise self.error(f"{what} has records and other values", node, "make all of them maps, or none")
        return found

    def items(self, node: Node, what: str, *, globs: bool = True) -> list[Item]:
        """Return the items of `in`, `out`, `edits` or `foreach`: texts, lists, and maps with `glob` or `from`.

        :param globs: whether globs are allowed, also those of vars
        """
        found: list[Item] = []
        if isinstance(node, Items):
            self.validator.check_commas(node)
        named = self.file_scope.scope.globs if globs else {}
        for one in node.nodes if isinstance(node, Items) else (node,):
            if isinstance(one, Scalar):
                if not self.validator.is_text(one, what):
                    continue
                template = templates.parse(self.source, one)
                if globs and MAGIC.search(one.text) is not None and template.has_magic:
                    found.append(GlobItem(one, [template], [], False))
                elif named and template.whole is not None and template.whole.name in named:
                    found.append(named[template.whole.name])
                else:
                    found.append(template)
            elif isinstance(one, Items):
                found.extend(self.items(one, what, globs=globs))
            else:
                found.append(self._special(one, what))
        return found

    def _special(self, node: Table, what: str) -> Item:
        if "glob" in node.nodes:
            return glob(self.validator, node)
        if "tree" in node.nodes and what.startswith("an input"):
            return tree_item(self.validator, node)
        if what.startswith("an output"):
            if "path" in node.nodes or any(key in node.nodes for key in ("exclude", "check")):
                return out_item(self.validator, node)
            names = listed(node.nodes) or "nothing"
            what, hint = f"{what} cannot be a map with {names}", "if a text was meant, write it in quotes"
            raise self.error(what, node, hint, facts=("a map here has path:",))
        if "from" in node.nodes and not what.startswith("foreach"):
            entries = self.validator.entries(node, FROM_KEYS, "a from")
            return FromItem(node, self._templates(entries.get("from"), "a from"), "empty" in entries)
        names = listed(node.nodes) or "nothing"
        known = ["glob"] if what.startswith("foreach") else ["glob", "from"]
        if what.startswith("an input"):
            known.insert(1, "tree")
        close = nearest(next(iter(node.nodes), ""), known)
        hint = f"did you mean {close}?" if close else "if a text was meant, write it in quotes"
        raise self.error(
            f"{what} cannot be a map with {names}",
            node,
            hint,
            facts=(f"a map here has {_said(known)}",),
        )

    def _templates(self, node: Node | None, what: str) -> list[Template]:
        if node is None:
            return []
        return [templates.parse(self.source, text) for text in self.validator.texts(node, what)]

    def _files(self, entries: Mapping[str, Node]) -> FileKeys:
        inputs = self._slots(entries.get("in"), "an input")
        outputs = self._slots(entries.get("out"), "an output")
        for slot in outputs:
            for item in slot.items:
                self._check_output(item)
        edits, named = None, {}
        if "edits" in entries:
            node = entries["edits"]
            edits = Slot("", self.items(node, "an edited file"), isinstance(node, Scalar))
        for key in _FILE_KEYS & entries.keys():
            node = entries[key]
            if isinstance(node, Scalar):
                named[key] = templates.parse(self.source, node)
        has_output = bool(outputs) or bool(named.keys() & {"stdout", "expand"})
        if "once" in entries and is_true(entries["once"]):
            self._check_once(entries, has_output=has_output)
        if "report" in entries and is_true(entries["report"]) and not has_output:
            hint = "add out: with the pictures or tables that it makes"
            raise self.error("report needs an output", entries["report"], hint)
        return FileKeys(inputs, outputs, edits, named)

    def _check_once(self, entries: Mapping[str, Node], *, has_output: bool) -> None:
        node = entries["once"]
        if not has_output:
            hint = "add out: with what it makes; its outputs say whether it has run"
            raise self.error("once needs an output", node, hint)
        if is_true(entries.get("always")):
            raise self.error("once and always exclude each other", node, "take one of them out")

    def _check_output(self, item: Item) -> None:
        if isinstance(item, TreeItem):
            return
        for text in item.pieces if isinstance(item, Template) else ("*",):
            if isinstance(text, str) and ("*" in text or "?" in text):
                hint = "for a whole folder, end the path with /"
                self.validator.add("an output is a path, not a pattern", item.node, hint=hint)

    def _slots(self, node: Node | None, what: str) -> list[Slot]:
        if node is None:
            return []
        globs = what == "an input"
        is_map = isinstance(node, Table) and not _is_folder(node, "tree" if globs else "path")
        if not isinstance(node, Table) or "glob" in node.nodes or "from" in node.nodes or not is_map:
            return [Slot("", self.items(node, what, globs=globs), _is_one_text(node))]
        found = []
        for name, value in self.validator.table(node, f"named {what.split()[1]}s").items():
            with self.validator.problems.collecting():
                items = self.items(value, f"{what} {name.text}", globs=globs)
                found.append(Slot(name.text, items, _is_one_text(value)))
        return found

    def _order(self, entries: Mapping[str, Node]) -> OrderKeys:
        if _ORDER_KEYS.isdisjoint(entries):
            return _NO_ORDER
        when = entries.get("when")
        return OrderKeys(
            Condition(self.source, when) if isinstance(when, Scalar) else None,
            self._needs(entries) if "needs" in entries else (),
            self._templates(entries.get("after"), "a name in after"),
            self._templates(entries.get("tags"), "a tag"),
        )

    def _needs(self, entries: Mapping[str, Node]) -> Sequence[Need]:
        from . import needs

        foreach = entries.get("foreach")
        values = {**self.taken, **(foreach.nodes if isinstance(foreach, Table) else {})}
        return needs.read(self.validator, entries["needs"], values)


def _is_folder(node: Table, own: str) -> bool:
    """Whether a map in the place of named paths is one folder with `exclude`; `{tree: src/}` alone is both."""
    known = ("exclude", "check") if own == "path" else ("exclude",)
    return own in node.nodes and any(nearest(name, known) for name in node.nodes if name != own)


def _is_one_text(node: Node) -> bool:
    """Whether a value is one path that is written as a text."""
    if isinstance(node, Table):
        node = node.nodes.get("tree") or node.nodes.get("path") or node
    return isinstance(node, Scalar)


def _said(keys: Sequence[str]) -> str:
    """Return the keys that a map may have, in words."""
    *first, last = [f"{key}:" for key in keys]
    return f"{', '.join(first)} or {last}" if first else last
