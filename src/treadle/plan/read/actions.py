"""Reads the entries of one action: its command, files, foreach and order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from treadle.errors import TreadleError, listed, nearest
from treadle.plan.language import argv_split, data, select, shell, templates
from treadle.plan.language.enabled_if import Condition
from treadle.plan.language.templates import MAGIC, GlobItem, Record, Template
from treadle.plan.schema.keys import ACTION_KEYS, FROM_KEYS, GLOB_KEYS
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

from .file_scope import FileScope
from .params import check_name
from .settings import SettingsReader
from .spec import FromItem, Item, Slot, Spec
from .variables import glob, tree
from .variants import Variants, known_to, words_of

_OTHER_KEYS = ACTION_KEYS.keys() - {"run", "argv", "sh"}
_NO_RECORD = GLOB_KEYS.keys() | FROM_KEYS.keys()
_FILE_KEYS = frozenset(("stdout", "depfile", "expand", "cwd"))
_CUT = re.compile(r" #")


class ActionReader:
    """Reads the actions of one file.

    :param defaults: validated entries of `defaults`
    :param taken: names of parameters and vars
    :param queues: name -> tokens
    :param environ: the environment, for variables that a select uses
    :ivar selects: whether there may be a select anywhere in the plan
    :ivar scripts: text of a script -> its pieces; many actions share one text
    :ivar commands: text of a command -> its words
    """

    __slots__ = (
        *("commands", "defaults", "environ", "file_scope", "scripts", "selects", "settings", "shared", "source"),
        *("taken", "validator", "ways"),
    )

    def __init__(
        self,
        validator: Validator,
        defaults: Mapping[str, Node],
        taken: Mapping[str, object],
        queues: Mapping[str, int],
        file_scope: FileScope,
        environ: Mapping[str, str],
    ) -> None:
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
        self.ways = {"run": self._run, "argv": self._argv, "sh": self._sh}

    def read(self, key: Scalar, node: Node) -> Spec:
        """Return one action; errors are kept."""
        if self.selects and select.may_select(self.source, node):
            return self._selecting(key, node)
        return self._read(key, node)

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
            spec = Spec(self.file_scope.prefix + key.text, key, self.file_scope)
            spec.entries = {
                "foreach": select.Selection(self.source, self.file_scope.scope.with_local(known)).resolve(names)
            }
            self._foreach(spec, node)
            spec.variants = variants
            return spec
        return Spec(self.file_scope.prefix + key.text, key, self.file_scope)

    def _read(self, key: Scalar, node: Node) -> Spec:
        spec = Spec(self.file_scope.prefix + key.text, key, self.file_scope)
        own = self.validator.entries(node, ACTION_KEYS, f"the action {key.text}")
        spec.entries = {**self.shared, **own}
        for step in (self._command, self._foreach, self._files, self._order):
            try:
                step(spec, node)
            except TreadleError as error:
                self.validator.problems.collect(error)
        spec.settings = self.settings.read(spec.entries, node)
        return spec

    def error(self, what: str, node: Node | int, hint: str = "", facts: tuple[str, ...] = ()) -> TreadleError:
        """Return an error at a node."""
        return self.source.error(what, node, hint=hint, facts=facts)

    def _command(self, spec: Spec, node: Node) -> None:
        entries = spec.entries
        given = [key for key in self.ways if key in entries]
        if len(given) > 1:
            what = f"the action {spec.name} has both {' and '.join(given)}"
            raise self.error(what, spec.key, "one action has one of run, argv, sh")
        if not given:
            if isinstance(node, Table) and node.nodes.keys() <= _OTHER_KEYS:
                what = f"the action {spec.name} does nothing: it has no run, argv or sh"
                raise self.error(what, spec.key, "to name several actions, use groups:")
            return
        help_ = entries.get("help")
        spec.help = help_.text if isinstance(help_, Scalar) else ""
        self.ways[given[0]](spec, entries[given[0]])

    def _run(self, spec: Spec, node: Node) -> None:
        if isinstance(node, Items):
            if not node.nodes:
                raise self.error("run has no command", node, "for example run: [echo hello]")
            if node.flow:
                self.validator.check_tight(node, is_run=True)
        steps = spec.steps = []
        for text in self.validator.texts(node, "a command"):
            with self.validator.problems.collecting():
                self._check_cut(text)
                step = self._words(text)
                if isinstance(node, Items) and self._is_lone(text, step):
                    what = f"{text.text!r} is an argument, not a command"
                    self.validator.add(what, text, hint="run is a list of commands; a list of arguments is argv:")
                    return
                steps.append(step)

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

    def _argv(self, spec: Spec, node: Node) -> None:
        texts = self.validator.texts(node, "an argument")
        if isinstance(node, Items) and not node.nodes:
            raise self.error("argv has no program", node, "for example argv: [echo, hello]")
        for text in texts:
            self._check_cut(text)
        spec.argv = [templates.parse(self.source, text) for text in texts]

    def _sh(self, spec: Spec, node: Node) -> None:
        assert isinstance(node, Scalar)
        self._check_cut(node)
        if not node.text.strip():
            raise self.error("an empty script", node, "write a command, or take the action out")
        spec.sh = node
        pieces = self.scripts.get(node.text)
        if pieces is None:
            pieces = self.scripts[node.text] = shell.parse_script(self.source, node)
        spec.pieces = pieces

    def _foreach(self, spec: Spec, _node: Node) -> None:
        node = spec.entries.get("foreach")
        if node is None:
            return
        table = self.validator.table(node, "foreach")
        if isinstance(node, Table) and not node.keys:
            raise self.error("foreach has no names", node, "for example foreach: {part: [a, b]}")
        for name, value in table.items():
            if not check_name(self.validator, name, self.taken, "a foreach value"):
                continue
            with self.validator.problems.collecting():
                items = self._values(value, f"foreach {name.text}")
                first = items[0] if len(items) == 1 else None
                if isinstance(value, Scalar) and isinstance(first, Template) and first.whole is None:
                    what = f"foreach {name.text} must be a list or a glob, not one text"
                    raise self.error(what, value, hint=f"[{value.text}] is a list of one")
                spec.foreach = [*spec.foreach, (name.text, items)]

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
        if "from" in node.nodes and not what.startswith("foreach"):
            entries = self.validator.entries(node, FROM_KEYS, "a from")
            return FromItem(node, self._templates(entries.get("from"), "a from"), "empty" in entries)
        names = listed(node.nodes) or "nothing"
        close = nearest(next(iter(node.nodes), ""), ("glob", "from"))
        hint = f"did you mean {close}?" if close else "if a text was meant, write it in quotes"
        raise self.error(
            f"{what} cannot be a map with {names}",
            node,
            hint,
            facts=("a map here has glob:" + ("" if what.startswith("foreach") else " or from:"),),
        )

    def _templates(self, node: Node | None, what: str) -> list[Template]:
        if node is None:
            return []
        return [templates.parse(self.source, text) for text in self.validator.texts(node, what)]

    def _files(self, spec: Spec, _node: Node) -> None:
        spec.inputs = self._slots(spec.entries.get("in"), "an input")
        spec.outputs = self._slots(spec.entries.get("out"), "an output")
        for slot in spec.outputs:
            for item in slot.items:
                self._check_output(item)
        if "edits" in spec.entries:
            edits = spec.entries["edits"]
            items = self.items(edits, "an edited file")
            spec.edits = Slot("", items, isinstance(edits, Scalar))
        for key in _FILE_KEYS & spec.entries.keys():
            node = spec.entries[key]
            if isinstance(node, Scalar):
                spec.files[key] = templates.parse(self.source, node)
        if "once" in spec.entries and spec.flag("once"):
            self._check_once(spec)

    def _check_once(self, spec: Spec) -> None:
        node = spec.entries["once"]
        if not spec.outputs and not spec.files.keys() & {"stdout", "expand"}:
            hint = "add out: with what it makes; its outputs say whether it has run"
            raise self.error("once needs an output", node, hint)
        if spec.flag("always"):
            raise self.error("once and always exclude each other", node, "take one of them out")

    def _check_output(self, item: Item) -> None:
        for text in item.pieces if isinstance(item, Template) else ("*",):
            if isinstance(text, str) and ("*" in text or "?" in text):
                hint = "for a whole folder, end the path with /"
                self.validator.add("an output is a path, not a pattern", item.node, hint=hint)

    def _slots(self, node: Node | None, what: str) -> list[Slot]:
        if node is None:
            return []
        globs = what == "an input"
        if not isinstance(node, Table) or "glob" in node.nodes or "from" in node.nodes:
            return [Slot("", self.items(node, what, globs=globs), isinstance(node, Scalar))]
        found = []
        for name, value in self.validator.table(node, f"named {what.split()[1]}s").items():
            with self.validator.problems.collecting():
                is_text = isinstance(value, Scalar)
                found.append(Slot(name.text, self.items(value, f"{what} {name.text}", globs=globs), is_text))
        return found

    def _order(self, spec: Spec, _node: Node) -> None:
        when = spec.entries.get("when")
        if isinstance(when, Scalar):
            spec.condition = Condition(self.source, when)
        spec.tags = self._templates(spec.entries.get("tags"), "a tag")
        spec.needs = self._templates(spec.entries.get("needs"), "a name in needs")
        spec.after = self._templates(spec.entries.get("after"), "a name in after")
