"""Reads parameters: their declarations, and their values from the command line, the environment or an include."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from treadle.core.paths import normalise
from treadle.errors import TreadleError, listed, nearest
from treadle.frontends.base import Param
from treadle.plan.language.enabled_if import KEYWORDS, Number, Operand
from treadle.plan.language.templates import ROOT_MARK, Scope, Value, parse
from treadle.plan.schema.keys import PARAM_KEYS
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

RESERVED = frozenset(("in", "out", "depfile", "edits", "env", "platform", "root")) | KEYWORDS

_INT = re.compile(r"[-+]?[0-9]{1,300}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_CHECKS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "int": ("a whole number", _INT.fullmatch),
    "float": ("a number", _FLOAT.fullmatch),
    "bool": ("true or false", ("true", "false").__contains__),
    "path": ("a path", bool),
}
"""Type of a parameter -> its description, and whether a text is one."""
_ANY_VALUE: Mapping[str, Value] = {"int": "0", "float": "0", "bool": "false", "list": ()}
"""The value of a parameter whose given value has an error, so that no further error follows from it."""


@dataclass(slots=True, frozen=True, eq=False)
class Given:
    """A value that the including plan gives to a parameter.

    :param folder: what a path is relative to, as the included plan would write it
    :param is_wrong: whether it has an error, which is kept
    """

    node: Node
    folder: str
    texts: tuple[str, ...]
    is_list: bool
    is_wrong: bool


def check_name(validator: Validator, name: Scalar, taken: Mapping[str, object], what: str) -> bool:
    """Return whether a name is free; keep an error if not."""
    error = ""
    if name.text in RESERVED:
        error = f"{name.text} cannot be the name of {what}: the name is reserved"
    elif name.text in taken:
        error = f"the name {name.text} is already used by a parameter or var"
    if error:
        validator.add(error, name, hint="choose another name")
    return not error


def read_params(
    validator: Validator,
    node: Node | None,
    given: Mapping[str, str | Given],
    environ: Mapping[str, str],
    root: str,
    rest: Sequence[str] | None = None,
) -> dict[str, Param]:
    """Return the parameters with their values; errors are kept.

    :param root: what paths become relative to; "" leaves them as they are written
    :param rest: the arguments after `--` on the command line, None if there is no `--`
    """
    table = validator.table(node, "params")
    reader = _ParamReader(validator, given, environ, root)
    found: dict[str, Param] = {}
    for name, value in table.items():
        if check_name(validator, name, {}, "a parameter"):
            with validator.problems.collecting():
                found[name.text] = reader.read(name, value)
    reader.take_rest(table, found, rest)
    for name_ in given:
        if name_ not in table.nodes:
            close = nearest(name_, table.nodes)
            fact = f"it has {listed(table.nodes)}" if table.nodes else "it has no parameters"
            hint = f"did you mean {close}?" if close else ""
            validator.problems.add(TreadleError(f"the plan has no parameter {name_!r}", facts=(fact,), hint=hint))
    return found


@dataclass(slots=True, frozen=True, eq=False)
class _ParamReader:
    """Reads parameters; for the fields see `read_params`."""

    validator: Validator
    given: Mapping[str, str | Given]
    environ: Mapping[str, str]
    root: str

    def take_rest(self, table: Table, found: dict[str, Param], rest: Sequence[str] | None) -> None:
        """Give the arguments after `--` to the parameter that takes them."""
        takers = [param for param in found.values() if param.rest]
        for param in takers[1:]:
            place = self.validator.source.place(table.keys[takers[0].name].start)
            fact = f"so has {takers[0].name} at {place}"
            hint = "only one parameter can take the arguments after --"
            self.validator.add(f"{param.name} has rest: true", table.keys[param.name], facts=(fact,), hint=hint)
        if rest is None:
            return
        what, hint = "", "give it once"
        facts: tuple[str, ...] = ()
        if not takers:
            what, facts = "no parameter takes the arguments after --", (listed(rest, 20, " "),)
            hint = "params: {args: {type: list, rest: true}} takes it" if len(found) == len(table.nodes) else ""
        elif takers[0].name in self.given:
            what = f"{takers[0].name} is given by -p and by --"
        else:
            with self.validator.problems.collecting():
                param = takers[0]
                value = self._convert(table.keys[param.name], param, tuple(rest), "after --", "")
                found[param.name] = replace(param, value=value)
        if what:
            self.validator.problems.add(TreadleError(what, facts=facts, hint=hint))

    def read(self, name: Scalar, node: Node) -> Param:
        """Return a parameter with its value."""
        entries = self.validator.entries(node, PARAM_KEYS, f"the parameter {name.text}")
        default, split = entries.get("default"), _text(entries.get("split"))
        takes_rest = _text(entries.get("rest")) == "true"
        is_list = isinstance(default, Items) or takes_rest or split != ""
        kind = _text(entries.get("type")) or ("list" if is_list else "str")
        if takes_rest and kind != "list":
            what = f"the arguments after -- are a list, but {name.text} is of type {kind}"
            raise self.validator.error(what, name, hint="type: list")
        if split and kind != "list":
            what = f"split applies to lists, but {name.text} is of type {kind}"
            raise self.validator.error(what, entries["split"], hint="type: list")
        param = Param(
            name.text,
            kind,
            tuple(one.text for one in self.validator.texts(entries.get("choices"), "a choice")),
            () if takes_rest else None,
            _text(entries.get("help")),
            rest=takes_rest,
            env=_text(entries.get("env")),
            split=split or "commas",
        )
        if default is not None:
            param = replace(param, default=self._default(default, param))
        value = self._value(name, param)
        if value is not None:
            return replace(param, value=value)
        if isinstance(node, Table) and len(entries) == len(node.nodes):
            raise self._no_value(name, param)
        return param

    def _value(self, name: Scalar, param: Param) -> Value | None:
        value = self.given.get(param.name)
        if isinstance(value, Given):
            return self._from_includer(param, value)
        if value is not None:
            return self._outside(name, param, value, f"-p {param.name}={value}")
        if param.env and (text := self.environ.get(param.env)):
            return self._outside(name, param, text, f"{param.env}={text}")
        return param.default

    def _no_value(self, name: Scalar, param: Param) -> TreadleError:
        way = f"write params: {{{param.name}: VALUE}} where it is included"
        way = f"give -p {param.name}=VALUE" if self.root else way
        hint = way + (f", set {param.env}," if param.env else "") + " or write a default"
        choices = f"choices: {listed(param.choices, 30)}" if param.choices else ""
        facts = tuple(fact for fact in (param.help, choices) if fact)
        return self.validator.error(f"the parameter {param.name} has no value", name, facts=facts, hint=hint)

    def _default(self, node: Node, param: Param) -> Value:
        texts = []
        for one in self.validator.texts(node, "a default"):
            template = parse(self.validator.source, one)
            if template.refs:
                hint = "put values that refer to others into vars"
                raise template.error("a default cannot contain ${}", template.refs[0], hint=hint)
            texts.append("".join(piece for piece in template.pieces if isinstance(piece, str)))
        if param.type != "list" and not isinstance(node, Scalar):
            what = f"a list is given to a parameter of type {param.type}"
            raise self.validator.error(what, node, hint="type: list")
        if param.type == "list" and isinstance(node, Scalar):
            shown = node.text if param.split == "commas" else listed(node.text.split())
            raise self.validator.error("the default of a list must be a list", node, hint=f"[{shown}]")
        return self._convert(node, param, tuple(texts), "the default", self.root)

    def _from_includer(self, param: Param, given: Given) -> Value:
        """Return the value that the including plan gives; a path becomes relative to this plan's folder."""
        if given.is_wrong:
            return _ANY_VALUE.get(param.type, "x")
        if given.is_list != (param.type == "list"):
            says = "is a list" if param.type == "list" else f"is of type {param.type}"
            what = f"the parameter {param.name} {says}, not {'a list' if given.is_list else 'a text'}"
            hint = "give one text" if given.is_list else 'give a list: [...], or a whole "${list}"'
            raise self.validator.error(what, given.node, hint=hint)
        texts = given.texts
        if param.type == "path" and texts[0]:
            path = texts[0] if texts[0].startswith(ROOT_MARK) else os.path.join(given.folder, texts[0])
            path = os.path.normpath(path)
            texts = (path + "/" if texts[0].endswith("/") else path,)
        return self._convert(given.node, param, texts, f"the value of {param.name}", "")

    def _outside(self, node: Node, param: Param, text: str, what: str) -> Value:
        """Return the value of a text given by `-p` or the environment."""
        if "\0" in text:
            error = f"the parameter {param.name} holds a NUL character"
            raise self.validator.error(error, node, hint="take it out")
        parts: tuple[str, ...] = (text,)
        if param.type == "list" and param.split == "words":
            parts = self._words(node, param, text, what)
        elif param.type == "list":
            parts = tuple(text.split(",")) if text else ()
        return self._convert(node, param, parts, what, self.root)

    def _words(self, node: Node, param: Param, text: str, what: str) -> tuple[str, ...]:
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            wrong = "a quote is not closed" if "quotation" in str(error) else "the last \\ has nothing after it"
            facts = (f"the parameter {param.name} is split into words",)
            hint = "quotes group words, and \\ takes the next character as it is"
            raise self.validator.error(f"{what}: {wrong}", node, facts=facts, hint=hint) from None

    def _convert(self, node: Node, param: Param, texts: tuple[str, ...], what: str, root: str) -> Value:
        for text in texts:
            if param.type in _CHECKS:
                says, is_valid = _CHECKS[param.type]
                if not is_valid(text):
                    hint = f"write {says}, or give it another type"
                    raise self.validator.error(f"{what}: {text!r} is not {says}", node, hint=hint)
            if param.choices and text not in param.choices:
                close = nearest(text, param.choices)
                what = f"{what}: {text!r} is not a choice of {param.name}"
                hint = f"did you mean {close}?" if close else "take one of these, or add it to choices"
                raise self.validator.error(what, node, facts=(f"choices: {listed(param.choices, 30)}",), hint=hint)
        if param.type == "list":
            return texts
        text = texts[0] if texts else ""
        return normalise(text, root) if param.type == "path" and root else text


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def operands(params: Mapping[str, Param], scope: Scope) -> dict[str, Operand]:
    """Return the values of parameters and vars in conditions."""
    texts = {name: scope.real(value) for name, value in scope.base.items()} if scope.root else scope.base
    found: dict[str, Operand] = {**texts, **scope.typed}
    found.pop("root", None)
    for name, param in params.items():
        if isinstance(param.value, str) and param.value:
            if param.type == "bool":
                found[name] = param.value == "true"
            elif param.type in ("int", "float"):
                found[name] = Number(param.value)
    return found
