"""Texts with `${name}` in them, parsed once and filled in many times; unaware of where values come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from treadle.errors import TreadleError, listed, nearest
from treadle.plan.yaml.nodes import Node, Scalar, Source

from .enabled_if import Operand

MARK = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\})?")
MAGIC = re.compile(r"[*?\[]")
MAX_TEXT = 1 << 20
MAX_SPENT = 50_000_000

Value = str | tuple[str, ...]
_NOTHING: Mapping[str, Any] = {}


class Ref:
    """A `${name}` and where it stands in the scalar's text."""

    __slots__ = ("name", "offset")

    def __init__(self, name: str, offset: int) -> None:
        self.name = name
        self.offset = offset


Piece = str | Ref


class Template:
    """A text in pieces: literal ones and references."""

    __slots__ = ("node", "pieces", "source")

    def __init__(self, source: Source, node: Scalar, pieces: tuple[Piece, ...]) -> None:
        self.source = source
        self.node = node
        self.pieces = pieces

    @property
    def refs(self) -> list[Ref]:
        """The references, in order."""
        return [piece for piece in self.pieces if isinstance(piece, Ref)]

    @property
    def whole(self) -> Ref | None:
        """The one reference that the text consists of, if it does."""
        first = self.pieces[0]
        return first if len(self.pieces) == 1 and isinstance(first, Ref) else None

    @property
    def has_magic(self) -> bool:
        """Whether a glob is written here: values that come in through `${}` never make one."""
        return any(isinstance(piece, str) and MAGIC.search(piece) for piece in self.pieces)

    def error(self, what: str, ref: Ref, *, facts: tuple[str, ...] = (), hint: str = "") -> TreadleError:
        """Return an error at a reference."""
        return self.source.error(what, ref_offset(self.source, self.node, ref), facts=facts, hint=hint)


def ref_offset(source: Source, node: Scalar, ref: Ref) -> int:
    """Return where in the file a reference of a scalar stands."""
    return source.inside(node, ref.offset, f"${{{ref.name}}}")


def parse(source: Source, node: Scalar) -> Template:
    """Return a scalar's text as a template."""
    if "${" not in node.text:
        return Template(source, node, (node.text,))
    return Template(source, node, tuple(split(source, node, 0, len(node.text))))


def split(source: Source, node: Scalar, start: int, end: int) -> list[Piece]:
    """Return the pieces of a stretch of a scalar's text."""
    text = node.text
    pieces: list[Piece] = []
    literal = ""
    at = start
    for found in MARK.finditer(text, start, end):
        literal += text[at : found.start()]
        at = found.end()
        if found.group().startswith("$$"):
            literal += "${"
            continue
        if found.group(1) is None:
            raise bad_mark(source, node, found.start())
        if literal:
            pieces.append(literal)
            literal = ""
        pieces.append(Ref(found.group(1), found.start()))
    literal += text[at:end]
    if literal or not pieces:
        pieces.append(literal)
    return pieces


def bad_mark(source: Source, node: Scalar, offset: int) -> TreadleError:
    """Return the error for a `${` that no name and `}` follow."""
    shown = node.text[offset : offset + 20].split("\n")[0]
    return source.error(
        f"invalid reference `{shown}`: expected ${{NAME}}",
        source.inside(node, offset, "${"),
        hint="write $${ for a literal ${; the shell's own forms such as ${x:-y} need it",
    )


class Record:
    """A map of a list: what a value of `foreach` may be.

    :param values: its fields, those of maps in it with a dot
    :param typed: what conditions see of fields that are numbers or booleans
    :param odd: fields that are no text and no list -> what to say where they are used
    """

    __slots__ = ("typed", "unusable", "values")

    def __init__(self, values: dict[str, Value], typed: dict[str, Operand], odd: dict[str, str]) -> None:
        self.values = values
        self.typed = typed
        self.unusable = odd

    @property
    def name(self) -> str | None:
        """What stands for it in a uid: its `name`, else its first text; None if there is no text in it."""
        name = self.values.get("name")
        if isinstance(name, str):
            return name
        return next((value for value in self.values.values() if isinstance(value, str)), None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.values == other.values

    def __hash__(self) -> int:
        return hash(tuple(self.values.items()))


class GlobItem:
    """A glob with its options."""

    __slots__ = ("empty", "exclude", "node", "patterns")

    def __init__(self, node: Node, patterns: list[Template], exclude: list[Template], *, empty: bool) -> None:
        self.node = node
        self.patterns = patterns
        self.exclude = exclude
        self.empty = empty


class Scope:
    """What the names in `${}` stand for.

    :param base: values known everywhere
    :param unknown: a name that is known only elsewhere -> what to say about it where no value has the name;
        behind a line end, what to do, and behind another one a fact
    """

    __slots__ = ("base", "globs", "local", "records", "spent", "typed", "unknown")

    def __init__(self, base: Mapping[str, Value], unknown: Mapping[str, str] | None = None) -> None:
        self.base = base
        self.local: Mapping[str, Value] = {}
        self.unknown = unknown or {}
        self.spent = [0]
        self.records: Mapping[str, Sequence[Record]] = _NOTHING
        """Lists of records, which only foreach takes."""
        self.globs: Mapping[str, GlobItem] = _NOTHING
        """Globs, which only in, edits and foreach take."""
        self.typed: Mapping[str, Operand] = _NOTHING
        """What conditions see of values that are numbers or booleans."""

    def with_local(self, local: Mapping[str, Value], unknown: Mapping[str, str] | None = None) -> Scope:
        """Return a scope with further names, which counts into the same purse."""
        scope = Scope(self.base, unknown)
        scope.local = {**self.local, **local} if self.local else local
        scope.spent = self.spent
        return scope

    def value(self, template: Template, ref: Ref) -> Value:
        """Return what a reference stands for."""
        found = self.local.get(ref.name)
        if found is None:
            found = self.base.get(ref.name)
        if found is None:
            raise self._undefined(template, ref)
        self.spent[0] += 1 + len(found)
        if self.spent[0] > MAX_SPENT:
            raise template.error("the plan's values grow without bound", ref, hint="make shorter lists and texts")
        return found

    def _undefined(self, template: Template, ref: Ref) -> TreadleError:
        name = ref.name
        first = name.split(".")[0]
        for known in (name, first):
            if known in self.unknown and known not in self.local:
                what, hint, *facts = self.unknown[known].split("\n")
                return template.error(what, ref, facts=tuple(facts), hint=hint)
        names = {*self.base, *self.local}
        fields = sorted(known for known in names if known.startswith(name + "."))
        if fields:
            what = f"${{{name}}} is neither a text nor a list"
            return template.error(what, ref, facts=(f"it has {listed(fields)}",), hint="use one of these")
        fields = sorted(known for known in names if known.startswith(first + "."))
        if first != name and (fields or first in names):
            fact = f"it has {listed(fields)}" if fields else f"{first} has no fields"
            near = nearest(name, fields)
            hint = f"did you mean ${{{near}}}?" if near else "use one of these" if fields else f"write ${{{first}}}"
            return template.error(f"${{{name}}} is not defined", ref, facts=(fact,), hint=hint)
        close = nearest(name, names)
        hint = f"did you mean ${{{close}}}?" if close else "give it a value in vars or params"
        if name.isupper():
            hint += f"; a variable of the shell is ${name} or $${{{name}}} in sh"
        return template.error(f"${{{name}}} is not defined", ref, hint=hint)

    def text(self, template: Template) -> str:
        """Return a template's text; a list in it is an error."""
        pieces = template.pieces
        if len(pieces) == 1 and isinstance(pieces[0], str):
            return pieces[0]
        return "".join([piece if isinstance(piece, str) else self.one(template, piece) for piece in pieces])

    def one(self, template: Template, ref: Ref) -> str:
        """Return what a reference inside a text stands for."""
        found = self.value(template, ref)
        if isinstance(found, tuple):
            facts = (f"it holds {len(found)} element{'s' if len(found) != 1 else ''}",)
            if template.whole is not None:
                what = "is a list, but one text is needed here"
                hint = "use a value that is one text"
            else:
                what = "is a list and cannot be part of a text"
                hint = f'a list must be the whole value or the whole word: "${{{ref.name}}}"'
            raise template.error(f"${{{ref.name}}} {what}", ref, facts=facts, hint=hint)
        if len(found) > MAX_TEXT:
            raise template.error(
                f"${{{ref.name}}} is longer than {MAX_TEXT:,} characters", ref, hint="put it into a file, an input"
            )
        return found

    def items(self, template: Template) -> tuple[str, ...]:
        """Return a template's texts: those of a list that it is as a whole, or the one that it makes."""
        pieces = template.pieces
        if len(pieces) > 1:
            return (self.text(template),)
        first = pieces[0]
        if isinstance(first, str):
            return (first,)
        found = self.value(template, first)
        return found if isinstance(found, tuple) else (self.one(template, first),)

    def pattern(self, template: Template) -> str:
        """Return a template as a glob, in which what comes from values stands for itself."""
        return "".join(
            [piece if isinstance(piece, str) else escape(self.one(template, piece)) for piece in template.pieces]
        )


def escape(text: str) -> str:
    """Return a glob that matches just this text."""
    return MAGIC.sub(lambda found: f"[{found.group()}]", text)
