"""Parameters: from what is written and what is given to values. The environment is handed in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from treadle.core.paths import normalise
from treadle.errors import TreadleError, listed, nearest
from treadle.frontends.base import Param
from treadle.plan.language.enabled_if import KEYWORDS, Number, Operand
from treadle.plan.language.templates import Scope, Value, parse
from treadle.plan.schema.keys import PARAM_KEYS
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

RESERVED = frozenset(("in", "out", "depfile", "edits", "env", "platform")) | KEYWORDS

_INT = re.compile(r"[-+]?[0-9]{1,300}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_SAYS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "path": "a path",
}


_ANYTHING: Mapping[str, Value] = {"int": "0", "float": "0", "bool": "false", "list": ()}
"""What a parameter is taken for whose value is wrong, so that nothing more is said of it."""


@dataclass(slots=True, frozen=True)
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
    """Keep an error for a name that means something already, and return whether it is free."""
    if name.text in RESERVED:
        validator.add(
            f"{name.text} cannot be the name of {what}: the name is reserved",
            name,
            hint="choose another name",
        )
    elif name.text in taken:
        validator.add(
            f"the name {name.text} is already used by a parameter or var", name, hint="choose another name"
        )
    else:
        return True
    return False


def read_params(
    validator: Validator,
    node: Node | None,
    given: Mapping[str, str | Given],
    environ: Mapping[str, str],
    root: str,
    rest: Sequence[str] | None = None,
) -> dict[str, Param]:
    """Return the parameters with their values.

    :param root: what paths are spelled relative to; "" leaves them as they are written
    :param rest: what stands behind `--` on the command line, None if there is no `--`
    """
    table = validator.table(node, "params")
    found: dict[str, Param] = {}
    for name, value in table.items():
        if check_name(validator, name, {}, "a parameter"):
            with validator.problems.collecting():
                found[name.text] = _read_param(validator, name, value, given, environ, root)
    _take_rest(validator, table, found, given, rest)
    for name_ in given:
        if name_ not in table.nodes:
            close = nearest(name_, table.nodes)
            fact = f"it has {listed(table.nodes)}" if table.nodes else "it has no parameters"
            hint = f"did you mean {close}?" if close else ""
            validator.problems.add(TreadleError(f"the plan has no parameter {name_!r}", facts=(fact,), hint=hint))
    return found


def _take_rest(
    validator: Validator,
    table: Table,
    found: Mapping[str, Param],
    given: Mapping[str, str | Given],
    rest: Sequence[str] | None,
) -> None:
    """Give the words behind `--` to the parameter that takes them."""
    takers = [param for param in found.values() if param.rest]
    for param in takers[1:]:
        at = table.keys[param.name]
        fact = f"so has {takers[0].name} at {validator.source.place(table.keys[takers[0].name].start)}"
        validator.add(
            f"{param.name} has rest: true",
            at,
            facts=(fact,),
            hint="only one parameter can take the arguments after --",
        )
    if rest is None:
        return
    if not takers:
        hint = "params: {args: {type: list, rest: true}} takes it" if len(found) == len(table.nodes) else ""
        validator.problems.add(
            TreadleError("no parameter takes the arguments after --", facts=(listed(rest, 20, " "),), hint=hint)
        )
    elif takers[0].name in given:
        validator.problems.add(TreadleError(f"{takers[0].name} is given by -p and by --", hint="give it once"))
    else:
        with validator.problems.collecting():
            param, at = takers[0], table.keys[takers[0].name]
            param.value = _convert(validator, at, param, tuple(rest), "after --", "")


def _read_param(
    validator: Validator,
    name: Scalar,
    node: Node,
    given: Mapping[str, str | Given],
    environ: Mapping[str, str],
    root: str,
) -> Param:
    entries = validator.entries(node, PARAM_KEYS, f"the parameter {name.text}")
    default = entries.get("default")
    takes_rest = _text(entries.get("rest")) == "true"
    is_list = isinstance(default, Items) or takes_rest or "split" in entries
    kind = _text(entries.get("type")) or ("list" if is_list else "str")
    choices = (
        tuple(one.text for one in validator.texts(entries["choices"], "a choice")) if "choices" in entries else ()
    )
    param = Param(name.text, kind, choices, None, _text(entries.get("help")), rest=takes_rest)
    if takes_rest and kind != "list":
        raise validator.error(
            f"the arguments after -- are a list, but {name.text} is of type {kind}", name, hint="type: list"
        )
    if "split" in entries:
        param.split = _text(entries["split"])
        if kind != "list":
            what = f"split applies to lists, but {name.text} is of type {kind}"
            raise validator.error(what, entries["split"], hint="type: list")
    if takes_rest and default is None:
        param.default = ()
    if default is not None:
        param.default = _default(validator, default, param, root)
    variable = param.env = _text(entries.get("env"))
    value = given.get(name.text)
    if isinstance(value, Given):
        param.value = _from_includer(validator, param, value)
    elif value is not None:
        param.value = _outside(validator, name, param, value, f"-p {name.text}={value}", root)
    elif variable and environ.get(variable):
        param.value = _outside(validator, name, param, environ[variable], f"{variable}={environ[variable]}", root)
    elif param.default is not None:
        param.value = param.default
    elif isinstance(node, Table) and len(entries) == len(node.nodes):
        way = f"give -p {name.text}=VALUE" if root else f"write params: {{{name.text}: VALUE}} where it is included"
        hint = way + (f", set {variable}," if variable else "") + " or write a default"
        said = f"choices: {listed(param.choices, 30)}" if param.choices else ""
        facts = tuple(fact for fact in (param.help, said) if fact)
        raise validator.error(f"the parameter {name.text} has no value", name, facts=facts, hint=hint)
    return param


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _default(validator: Validator, node: Node, param: Param, root: str) -> Value:
    texts = []
    for one in validator.texts(node, "a default"):
        template = parse(validator.source, one)
        if template.refs:
            raise template.error(
                "a default cannot contain ${}",
                template.refs[0],
                hint="put values that refer to others into vars",
            )
        texts.append("".join(part for part in template.pieces if isinstance(part, str)))
    if param.type != "list" and not isinstance(node, Scalar):
        raise validator.error(f"a list is given to a parameter of type {param.type}", node, hint="type: list")
    if param.type == "list" and isinstance(node, Scalar):
        shown = node.text if param.split == "commas" else listed(node.text.split())
        raise validator.error("the default of a list must be a list", node, hint=f"[{shown}]")
    return _convert(validator, node, param, tuple(texts), "the default", root)


def _from_includer(validator: Validator, param: Param, given: Given) -> Value:
    """Return what the plan that includes this one says; a path is then relative to this one's folder."""
    if given.is_wrong:
        return _ANYTHING.get(param.type, "x")
    if given.is_list != (param.type == "list"):
        says = "is a list" if param.type == "list" else f"is of type {param.type}"
        raise validator.error(
            f"the parameter {param.name} {says}, not {'a list' if given.is_list else 'a text'}",
            given.node,
            hint="give one text" if given.is_list else 'give a list: [...], or a whole "${list}"',
        )
    texts = given.texts
    if param.type == "path" and texts[0]:
        path = os.path.normpath(os.path.join(given.folder, texts[0]))
        texts = (path + "/" if texts[0].endswith("/") else path,)
    return _convert(validator, given.node, param, texts, f"the value of {param.name}", "")


def _outside(validator: Validator, node: Node, param: Param, text: str, what: str, root: str) -> Value:
    if "\0" in text:
        raise validator.error(f"the parameter {param.name} holds a NUL character", node, hint="take it out")
    parts: tuple[str, ...] = (text,)
    if param.type == "list" and param.split == "words":
        parts = _words(validator, node, param, text, what)
    elif param.type == "list":
        parts = tuple(text.split(",")) if text else ()
    return _convert(validator, node, param, parts, what, root)


def _words(validator: Validator, node: Node, param: Param, text: str, what: str) -> tuple[str, ...]:
    import shlex

    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        wrong = "a quote is not closed" if "quotation" in str(error) else "the last \\ has nothing after it"
        raise validator.error(
            f"{what}: {wrong}",
            node,
            facts=(f"the parameter {param.name} is split into words",),
            hint="quotes group words, and \\ takes the next character as it is",
        ) from None


def _convert(validator: Validator, node: Node, param: Param, texts: tuple[str, ...], what: str, root: str) -> Value:
    for text in texts:
        says = _wrong(param.type, text)
        if says:
            raise validator.error(
                f"{what}: {text!r} is not {says}", node, hint=f"write {says}, or give it another type"
            )
        if param.choices and text not in param.choices:
            close = nearest(text, param.choices)
            raise validator.error(
                f"{what}: {text!r} is not a choice of {param.name}",
                node,
                facts=(f"choices: {listed(param.choices, 30)}",),
                hint=f"did you mean {close}?" if close else "take one of these, or add it to choices",
            )
    if param.type == "list":
        return texts
    text = texts[0] if texts else ""
    return normalise(text, root) if param.type == "path" and root else text


def _wrong(kind: str, text: str) -> str:
    good = True
    if kind == "int":
        good = _INT.fullmatch(text) is not None
    elif kind == "float":
        good = _FLOAT.fullmatch(text) is not None
    elif kind == "bool":
        good = text in ("true", "false")
    elif kind == "path":
        good = text != ""
    return "" if good else _SAYS[kind]


def operands(params: Mapping[str, Param], scope: Scope) -> dict[str, Operand]:
    """Return the values of parameters and vars as conditions see them."""
    found: dict[str, Operand] = {**scope.base, **scope.typed}
    for name, param in params.items():
        if isinstance(param.value, str) and param.value:
            if param.type == "bool":
                found[name] = param.value == "true"
            elif param.type in ("int", "float"):
                found[name] = Number(param.value)
    return found
