"""Templates: texts with `${name}` in them, parsed once and filled many times. Unaware of where values come from."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, overload

from treadle.errors import TreadleError, listed, nearest
from treadle.plan.yaml.nodes import Node, Scalar, Source

from .enabled_if import Operand, Tree, text_of

_NAMES = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
MARK = re.compile(rf"\$\$\{{|\$\{{(?:({_NAMES})(\*(?:\.{_NAMES})?)?\}})?")
MAGIC = re.compile(r"[*?\[]")
ROOT_MARK = "\udbff"
"""Means the root in values until they are used, so that a fingerprint can distinguish it from other text: half a
character, which no plan, file of values or variable may hold."""
ROOT_SHOWN = "${root}"
PARTS = ("name", "stem", "ext", "noext", "dir", "dir.name")
"""The parts of a value of foreach that is a path, and of an element in `${name*.part}`."""
MAX_SHOWN = 60
MAX_TEXT = 1 << 20
MAX_SPENT = 50_000_000

Value = str | tuple[str, ...]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class Ref:
    """A reference `${name}`, at an offset in the scalar's text.

    :param part: of `${name*}`, which means each element of a list: "", or what counts of each: `stem` in
        `${name*.stem}`; None for the value itself
    """

    name: str
    offset: int
    part: str | None = None

    @classmethod
    def of(cls, found: re.Match[str]) -> Ref:
        """Return the reference that MARK has found."""
        each = found.group(2)
        return cls(found.group(1), found.start(), None if each is None else each[2:])

    @property
    def shown(self) -> str:
        """The reference as it is written."""
        each = "" if self.part is None else f"*.{self.part}" if self.part else "*"
        return f"${{{self.name}{each}}}"


Piece = str | Ref


@dataclass(slots=True, eq=False)
class Template:
    """A text in pieces: literal texts and references."""

    source: Source
    node: Scalar
    pieces: tuple[Piece, ...]

    @property
    def refs(self) -> list[Ref]:
        """The references, in order."""
        return [piece for piece in self.pieces if isinstance(piece, Ref)]

    @property
    def whole(self) -> Ref | None:
        """The reference that is the whole text, if it is one."""
        first = self.pieces[0]
        return first if len(self.pieces) == 1 and isinstance(first, Ref) and first.part is None else None

    @property
    def each(self) -> list[Ref]:
        """The references to each element of a list."""
        return [piece for piece in self.pieces if isinstance(piece, Ref) and piece.part is not None]

    @property
    def has_magic(self) -> bool:
        """Whether it is a glob: values of references never make one."""
        return any(isinstance(piece, str) and MAGIC.search(piece) for piece in self.pieces)

    def error(self, what: str, ref: Ref, *, facts: tuple[str, ...] = (), hint: str = "") -> TreadleError:
        """Return an error at a reference."""
        at = self.source.inside(self.node, ref.offset, ref.shown)
        return self.source.error(what, at, facts=facts, hint=hint)


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
        pieces.append(Ref.of(found))
    literal += text[at:end]
    if literal or not pieces:
        pieces.append(literal)
    return pieces


def bad_mark(source: Source, node: Scalar, offset: int) -> TreadleError:
    """Return the error for a `${` without a name and a `}` after it."""
    shown = node.text[offset : offset + 20].split("\n")[0]
    return source.error(
        f"invalid reference `{shown}`: expected ${{NAME}}",
        source.inside(node, offset, "${"),
        hint="write $${ for a literal ${; the shell's own forms such as ${x:-y} need it",
    )


@dataclass(slots=True, eq=False)
class Record:
    """A map in a list, used as a value of `foreach`.

    :param values: its fields, those of nested maps with a dot
    :param typed: the values in conditions of fields that are numbers or booleans
    :param unusable: fields that are neither a text nor a list -> the error if they are used
    :param tree: all that it holds
    """

    values: dict[str, Value]
    typed: dict[str, Operand]
    unusable: dict[str, str]
    tree: Tree = None

    @property
    def name(self) -> str | None:
        """Its part of a uid: its field `name`, else its first text; None if it has no text."""
        name = self.values.get("name")
        if isinstance(name, str):
            return name
        return next((value for value in self.values.values() if isinstance(value, str)), None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.values == other.values and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(tuple(self.values.items()))


@dataclass(slots=True, eq=False)
class GlobItem:
    """A glob with its options.

    :param empty: whether it may match nothing
    """

    node: Node
    patterns: list[Template]
    exclude: list[Template]
    empty: bool


@dataclass(slots=True, eq=False)
class TreeItem:
    """A folder without what patterns leave out, as it is read or made.

    :param paths: its path; of what is read there may be several
    :param check: how an output is judged: `content` or `presence`
    """

    node: Node
    paths: list[Template]
    exclude: list[Template]
    check: str = "content"


@dataclass(slots=True, eq=False)
class Scope:
    """The values of the names in `${}`.

    :param base: values known everywhere
    :param unknown: a name without a value here -> the error if it is used: the text, the hint and facts in lines
    :param local: values of one action or instance
    :param typed: the values in conditions of names that are numbers or booleans
    :param records: lists of records, which only foreach can use
    :param globs: globs, which only in, edits and foreach can use, and folders with exclude, which only in can
    :param spent: how much was filled in so far, in one counter for all scopes of a file
    :param root: what ROOT_MARK becomes in values; "" leaves it
    :param trees: a name of a map or of a list of maps -> all that it holds
    """

    base: Mapping[str, Value]
    unknown: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, Value] = field(default_factory=dict)
    typed: Mapping[str, Operand] = field(default_factory=dict)
    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    globs: Mapping[str, GlobItem | TreeItem] = field(default_factory=dict)
    spent: list[int] = field(default_factory=lambda: [0])
    root: str = ""
    trees: Mapping[str, Tree] = field(default_factory=dict)

    def with_root(self, root: str) -> Scope:
        """Return a scope with the same values in which ROOT_MARK becomes another text."""
        return self if root == self.root else replace(self, root=root)

    @property
    def raw(self) -> Scope:
        """The same values with ROOT_MARK in them: for paths, which are relative to it, and for other values."""
        return self.with_root("")

    @overload
    def real(self, value: str) -> str: ...

    @overload
    def real(self, value: tuple[str, ...]) -> tuple[str, ...]: ...

    def real(self, value: Value) -> Value:
        """Return a value with the root in place of ROOT_MARK."""
        if isinstance(value, str):
            return value.replace(ROOT_MARK, self.root)
        return tuple([one.replace(ROOT_MARK, self.root) for one in value])

    def with_local(
        self,
        local: Mapping[str, Value],
        unknown: Mapping[str, str] = _NOTHING,
        typed: Mapping[str, Operand] = _NOTHING,
        trees: Mapping[str, Tree] = _NOTHING,
    ) -> Scope:
        """Return a scope with further names, without records and globs."""
        local = {**self.local, **local} if self.local else local
        trees = {**self.trees, **trees} if trees else self.trees
        return Scope(self.base, unknown, local, typed, _NOTHING, _NOTHING, self.spent, self.root, trees)

    def value(self, template: Template, ref: Ref) -> Value:
        """Return the value of a reference."""
        found = self.local.get(ref.name)
        if found is None:
            found = self.base.get(ref.name)
        if found is None:
            raise self._undefined(template, ref)
        self.spent[0] += 1 + len(found)
        if self.spent[0] > MAX_SPENT:
            raise template.error("the plan's values grow without bound", ref, hint="make shorter lists and texts")
        return self.real(found) if self.root else found

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

    def is_list(self, template: Template) -> bool:
        """Whether a template is as a whole a reference to a list."""
        whole = template.whole
        if whole is None:
            return bool(template.each)
        return isinstance(self.value(template, whole), tuple)

    def one(self, template: Template, ref: Ref) -> str:
        """Return the value of a reference inside a text."""
        if ref.part is not None:
            what = f"{ref.shown} makes one text for each element, but one text is needed here"
            raise template.error(what, ref, hint="use a value that is one text")
        found = self.value(template, ref)
        if isinstance(found, tuple):
            facts = (f"it holds {len(found)} element{'s' if len(found) != 1 else ''}",)
            if template.whole is not None:
                what = "is a list, but one text is needed here"
                hint = "use a value that is one text"
            else:
                what = "is a list and cannot be part of a text"
                hint = _with_each(template, ref)
            raise template.error(f"${{{ref.name}}} {what}", ref, facts=facts, hint=hint)
        if len(found) > MAX_TEXT:
            raise template.error(
                f"${{{ref.name}}} is longer than {MAX_TEXT:,} characters", ref, hint="put it into a file, an input"
            )
        return found

    def items(self, template: Template) -> tuple[str, ...]:
        """Return the texts of a template: the elements if it is a list as a whole, else one text."""
        pieces = template.pieces
        if len(pieces) > 1:
            each = template.each
            return self._for_each(template, each) if each else (self.text(template),)
        first = pieces[0]
        if isinstance(first, str):
            return (first,)
        if first.part is not None:
            return self.elements(template, first)
        found = self.value(template, first)
        return found if isinstance(found, tuple) else (self.one(template, first),)

    def elements(self, template: Template, ref: Ref) -> tuple[str, ...]:
        """Return the texts of `${name*}` or `${name*.part}`: one for each element of a list."""
        part = ref.part or ""
        is_there, tree = find(self.trees, ref.name)
        if is_there and isinstance(tree, list) and any(isinstance(one, dict) for one in tree):
            return tuple([self._field(template, ref, one, part) for one in tree])
        found = self.value(template, ref)
        if isinstance(found, str):
            hint = f"write ${{{ref.name}{'.' + part if part else ''}}}"
            raise template.error(f"{ref.shown} needs a list, but ${{{ref.name}}} is one text", ref, hint=hint)
        if not part:
            return found
        if part not in PARTS:
            close = nearest(part, PARTS)
            hint = f"did you mean {close}?" if close else "use one of these"
            what = f"{ref.shown}: a text has no {part}"
            raise template.error(what, ref, facts=(f"it has {listed(PARTS)}",), hint=hint)
        return tuple([path_part(text, part) for text in found])

    def _field(self, template: Template, ref: Ref, record: Tree, field: str) -> str:
        """Return a field of an element that is a map."""
        known = record if isinstance(record, dict) else {}
        is_there, value = find(known, field)
        if not is_there or isinstance(value, dict | list | tuple | None):
            what = (
                f"{ref.shown}: an element has no text {field}" if field else f"{ref.shown}: its elements are maps"
            )
            hint = f"write ${{{ref.name}*.NAME}}" if not field else "use one that each element has"
            raise template.error(what, ref, facts=(f"it has {listed(known) or 'no names'}",), hint=hint)
        return self.real(text_of(value)) if self.root else text_of(value)

    def _for_each(self, template: Template, refs: Sequence[Ref]) -> tuple[str, ...]:
        """Return one text for each element of the list in a text."""
        other = next((ref for ref in refs if ref.name != refs[0].name), None)
        if other is not None:
            what = f"{refs[0].shown} and {other.shown} are two lists in one text"
            raise template.error(what, other, hint="use one of them here, and the other in a var or in foreach")
        lists = {id(ref): self.elements(template, ref) for ref in refs}
        pieces = [
            piece if isinstance(piece, str) else lists.get(id(piece)) or self.one(template, piece)
            for piece in template.pieces
            if not (isinstance(piece, Ref) and lists.get(id(piece)) == ())
        ]
        count = len(lists[id(refs[0])])
        return tuple(["".join([one if isinstance(one, str) else one[n] for one in pieces]) for n in range(count)])

    def patterns(self, template: Template) -> list[str]:
        """Return a template as globs, with its values escaped: several if it means each element of a list."""
        pieces = [piece if isinstance(piece, str) else self._escaped(template, piece) for piece in template.pieces]
        count = next((len(one) for one in pieces if isinstance(one, tuple)), 1)
        return ["".join([one if isinstance(one, str) else one[n] for one in pieces]) for n in range(count)]

    def _escaped(self, template: Template, ref: Ref) -> Value:
        if ref.part is None:
            return escape(self.one(template, ref))
        other = next((one for one in template.each if one.name != ref.name), None)
        if other is not None:
            self._for_each(template, template.each)
        return tuple(map(escape, self.elements(template, ref)))


def find(trees: Mapping[str, Tree], name: str) -> tuple[bool, Tree]:
    """Return whether a name with dots is in a tree, and what it holds."""
    first, *rest = name.split(".")
    if first not in trees:
        return False, None
    tree = trees[first]
    for key in rest:
        if not isinstance(tree, dict) or key not in tree:
            return False, None
        tree = tree[key]
    return True, tree


def _with_each(template: Template, ref: Ref) -> str:
    """Return the hint to a list inside a text: the same text for each element."""
    text = template.node.text
    before, after = text[: ref.offset], text[ref.offset + len(ref.shown) :]
    shown = f"{before}${{{ref.name}*}}{after}"
    if len(shown) > MAX_SHOWN or "\n" in shown:
        shown = f"${{{ref.name}*}}"
    return f'"{shown}" makes one text for each element; "${{{ref.name}}}" alone is the list'


def path_part(text: str, part: str) -> str:
    """Return a part of a text that is a path, one of PARTS."""
    folder, _, last = text.rpartition("/")
    stem, ext = os.path.splitext(last)
    if part == "dir":
        return folder or ("/" if text.startswith("/") else ".")
    if part == "dir.name":
        return folder.rpartition("/")[2]
    if part == "noext":
        return text[: len(text) - len(ext)] if ext else text
    return {"name": last, "stem": stem, "ext": ext}[part]


def escape(text: str) -> str:
    """Return a glob that matches only this text."""
    return MAGIC.sub(lambda found: f"[{found.group()}]", text)
