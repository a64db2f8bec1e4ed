"""Parses YAML text to nodes, with bounds on size and depth. Unaware of what a plan contains."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.tokens import FlowMappingEndToken, FlowMappingStartToken, FlowSequenceEndToken, FlowSequenceStartToken

from treadle.content import trust
from treadle.errors import Place, TreadleError, one_line, shortened

from .nodes import NULLS, Items, Node, Scalar, Source, Table

MAX_BYTES = 64 << 20
MAX_DEPTH = 100
MAX_NODES = 5_000_000
MAX_ALIASED = 1_000_000
"""How many values all aliases may expand to together."""

_MOST_SLIPS = 50
_MOST_TO_SEARCH = 1 << 20
"""Characters of a plan with a syntax error that are read again to find more errors of its kind."""

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NO_KEYS = NULLS | {"<<"}

HINT_LARGE = "split the plan into several files, and run each by itself or with include"
HINT_DEEP = "look for brackets that are not closed"
HINT_QUOTE = "write the value in quotes"
HINT_BLOCK = "write the value in quotes, or as a block after `|`"
HINT_STAR = "a text that begins with `*` is an alias in YAML: " + HINT_QUOTE

_HINTS = (
    (
        "mapping values are not allowed",
        f"`: ` inside a text begins a map in YAML: {HINT_BLOCK}; or the line is indented too far",
    ),
    ("while scanning an alias", HINT_STAR),
    ("cannot start any token", "this character cannot begin a text in YAML: " + HINT_QUOTE),
    ("while scanning a quoted scalar", "the quote that begins here is not closed"),
    ("while scanning a directive", "a line that begins with `%` is a directive in YAML: " + HINT_QUOTE),
    ("while parsing a flow", "a bracket is not closed, or a text in it needs quotes"),
    ("did not find expected key", "look at the indentation, and for text after a closing quote"),
    ("expected <block end>", "look at the indentation, and for text after a closing quote"),
    ("did not find expected '-'", "look at the indentation"),
    ("nesting depth", HINT_DEEP),
    ("could not find expected ':'", "a line in a map needs `name: value`"),
    ("control characters", "take the character out, or write it as an escape in double quotes"),
    ("special characters", "take the character out, or write it as an escape in double quotes"),
)


def read_source(file: str, *, shared: bool = False, shown: str = "") -> Source:
    """Read a plan's file, which must be UTF-8 of at most 64 MiB and not writable by other users.

    :param shared: see `read_own`
    :param shown: its path in errors about its text
    """
    try:
        # only a plan that was named may be a pipe
        data = read_own(file, f"the plan {file}", shared=shared, may_be_pipe=not shared)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise TreadleError(f"cannot read the plan {one_line(file)}", facts=(one_line(why),)) from None
    if len(data) > MAX_BYTES:
        raise TreadleError(f"the plan {file} is larger than 64 MiB")
    return decode(shown or file, data)


def read_own(file: str, what: str, *, shared: bool = True, may_be_pipe: bool = False) -> bytes:
    """Return the content of a file that a plan reads, which no other user can have written.

    Of a file that is too large, it is one byte more than `MAX_BYTES`.

    :param what: its name in the error
    :param shared: whether it may be in a folder where each user has files, such as /tmp
    :param may_be_pipe: whether it may be a pipe, whose writer is waited for. A file that a plan names may not:
        loading a plan never waits
    :raises TreadleError: another user can write to it
    :raises OSError: it cannot be read
    """
    _require_own(trust.foreign_file(file, shared=shared), file, what)
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | (0 if may_be_pipe else os.O_NONBLOCK))
    with open(fd, "rb") as stream:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "Is a directory")
        if not may_be_pipe and not stat.S_ISREG(status.st_mode):
            raise OSError(22, "It is a pipe or a device")
        if not trust.counts(file, status):
            # another file than the one that was checked: in a folder such as /tmp other users may replace it
            _require_own((os.path.abspath(file), trust.why(status)), file, what)
        return stream.read(MAX_BYTES + 1)


def _require_own(found: trust.Found | None, file: str, what: str) -> None:
    if found is not None:
        path, why = found
        where = "" if path == os.path.abspath(file) else f"because of the folder {path}: "
        raise TreadleError(
            f"{what} is not used: {where}{why}", facts=(trust.RULE,), hint=trust.hint(found), page=trust.PAGE
        )


def decode(file: str, data: bytes) -> Source:
    """Decode a plan's bytes; a byte order mark is removed, and CRLF becomes LF."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        place = Place(file, before.count(b"\n") + 1, column)
        fact = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise TreadleError("not UTF-8 text", facts=(fact,), hint="save the file as UTF-8", place=place) from None
    source = Source(file, text.replace("\r\n", "\n"))
    at = source.text.find("\0")
    if at >= 0:
        raise source.error("a NUL character in the text", at, hint="take it out")
    return source


def parse(source: Source) -> Node:
    """Return the document's root node."""
    try:
        parser = _PARSER(source.text)
        try:
            return _Builder(source).build(parser)
        finally:
            parser.dispose()
    except yaml.YAMLError as error:
        raise _explain(source, error) from None


class _Builder:
    """Builds nodes from events, with one stack for the open lists and maps.

    The loop in `build` runs once for each value of a plan, so rare cases share one test each.
    """

    __slots__ = ("aliased", "anchors", "measures", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.aliased = 0
        self.anchors: dict[str, Node | None] = {}
        self.measures: dict[int, tuple[int, int]] = {}

    def build(self, parser: Any) -> Node:
        get = parser.get_event
        opened: list[tuple[Items | Table | None, Scalar | None, str | None]] = []
        parent: Items | Table | None = None
        key: Scalar | None = None
        root: Node | None = None
        left = MAX_NODES
        event: Any = None
        while True:
            try:
                event = get()
            except yaml.YAMLError as error:
                self._check_unread(event, error, len(opened), is_flow=parent is not None and parent.flow)
                raise
            kind = type(event)
            node: Node
            if kind is ScalarEvent:
                node = Scalar(event.value, event.style or None, event.start_mark.index, event.end_mark.index)
                if event.style == '"' or event.tag is not None or event.anchor is not None:
                    self._look_at(event, node)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                opened.append((parent, key, event.anchor))
                self._check_start(event, len(opened), is_key=key is None and type(parent) is Table)
                flow = bool(event.flow_style)
                make = Table if kind is MappingStartEvent else Items
                parent, key = make(event.start_mark.index, flow), None
                continue
            elif parent is not None and (kind is MappingEndEvent or kind is SequenceEndEvent):
                node = parent
                node.end = event.end_mark.index
                parent, key, anchor = opened.pop()
                if anchor is not None:
                    self.anchors[anchor] = node
            elif kind is AliasEvent:
                node = self._alias(event, len(opened))
            elif kind is StreamEndEvent:
                break
            else:
                if kind is DocumentStartEvent and root is not None:
                    raise self._second_document(event)
                continue
            if parent is None:
                root = node
                continue
            if not left:
                raise self.source.error(f"more than {MAX_NODES:,} values", node, hint=HINT_LARGE)
            left -= 1
            if isinstance(parent, Items):
                parent.nodes.append(node)
            elif key is None:
                if isinstance(node, Scalar) and node.text not in parent.keys and node.text not in _NO_KEYS:
                    key = node
                else:
                    key = self._key(parent, node)
            else:
                parent.keys[key.text] = key
                parent.nodes[key.text] = node
                key = None
        return Scalar("", None, 0, 0) if root is None else root

    def _second_document(self, event: Any) -> TreadleError:
        what = "a second YAML document"
        return self.source.error(what, event.start_mark.index, hint="a plan is one document: take the `---` out")

    def _look_at(self, event: Any, node: Scalar) -> None:
        """Check for what only a scalar with a tag or an escape can contain, and register its anchor."""
        if event.tag is not None:
            self._refuse_tag(event.tag, node.start)
        text = node.text
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            raise self.source.error(
                "a text with a lone surrogate (half a character)", node, hint="write the whole character"
            )
        if "\0" in text:
            raise self.source.error(
                "a text with a NUL character", node, hint="no path, argument or variable can hold one"
            )
        if event.anchor is not None:
            self.anchors[event.anchor] = node

    def _refuse_tag(self, tag: str, at: int) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!", 1)
        raise self.source.error(
            f"YAML tags are not allowed: {shown}", at, hint=f"remove the tag; if it is a text, {HINT_QUOTE}"
        )

    def _check_start(self, event: Any, depth: int, *, is_key: bool) -> None:
        """Check the start of a list or map.

        :param depth: how many are open, this one included
        """
        at = event.start_mark.index
        if event.tag is not None:
            self._refuse_tag(event.tag, at)
        if depth > MAX_DEPTH:
            raise self._deeper(at)
        if is_key:
            self._refuse_key(at)
        if event.anchor is not None:
            self.anchors[event.anchor] = None

    def _check_unread(self, last: Any, error: yaml.YAMLError, depth: int, *, is_flow: bool) -> None:
        """Refuse brackets nested too deep in text that the parser has read ahead.

        It reads ahead, without events, as long as a bracket may begin a key, and its own limit differs between its
        versions. So if it fails, our limit is checked first.

        :param last: the last event before the error
        :param depth: how many lists and maps are open after it
        :param is_flow: whether the innermost one is in brackets
        """
        mark = getattr(error, "problem_mark", None)
        if last is None or mark is None:
            return
        start = last.end_mark.index
        text = self.source.text[start : mark.index]
        if depth + text.count("[") + text.count("{") <= MAX_DEPTH:
            return
        for at, step in _brackets(text, is_flow=is_flow):
            depth += step
            if depth > MAX_DEPTH:
                raise self._deeper(start + at)

    def _deeper(self, at: int | Node) -> TreadleError:
        return self.source.error(f"nested more than {MAX_DEPTH} levels deep", at, hint=HINT_DEEP)

    def _alias(self, event: Any, depth: int) -> Node:
        at = event.start_mark.index
        if event.anchor not in self.anchors:
            raise self.source.error(
                f"undefined alias *{event.anchor}: there is no anchor &{event.anchor}", at, hint=HINT_STAR
            )
        node = self.anchors[event.anchor]
        if node is None:
            what = f"the alias *{event.anchor} is inside its own anchor"
            raise self.source.error(what, at, hint="write the value out in one of the places")
        size, height = self._measure(node)
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            raise self.source.error(f"aliases expand to more than {MAX_ALIASED:,} values", at, hint=HINT_LARGE)
        if depth + height > MAX_DEPTH:
            raise self._deeper(node)
        return node

    def _measure(self, node: Node) -> tuple[int, int]:
        """Return how many values a node has with aliases expanded, and its depth, at most MAX_DEPTH."""
        if isinstance(node, Scalar):
            return 1, 0
        known = self.measures.get(id(node))
        if known is None:
            inner = node.nodes.values() if isinstance(node, Table) else node.nodes
            parts = [self._measure(one) for one in inner]
            size = 1 + sum(size for size, _ in parts) + (len(parts) if isinstance(node, Table) else 0)
            known = self.measures[id(node)] = (size, 1 + max((height for _, height in parts), default=0))
        return known

    def _key(self, parent: Table, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            self._refuse_key(node.start)
        if node.style is None and node.text in _NO_KEYS:
            if node.text == "<<":
                what = "merge keys (`<<`) are not supported"
                raise self.source.error(
                    what, node, hint="mixins: {NAME: {...}} at the top, and use: [NAME] in actions"
                )
            raise self.source.error("a key without a name", node, hint="write the name in quotes")
        if node.text in parent.keys:
            first = self.source.place(parent.keys[node.text].start)
            what = f"duplicate key {node.text!r}"
            raise self.source.error(what, node, facts=(f"first at {first}",), hint="merge the two, or rename one")
        return node

    def _refuse_key(self, at: int) -> NoReturn:
        what = "a key must be a text, not a list or a map"
        raise self.source.error(what, at, hint="`{` and `[` begin maps and lists in YAML: " + HINT_QUOTE)


def _brackets(text: str, *, is_flow: bool) -> Iterator[tuple[int, int]]:
    """Yield the offsets where brackets open (1) and close (-1), by the scanner without a limit.

    :param is_flow: whether the text begins inside of brackets
    """
    before = "[" if is_flow else ""
    scanner: Any = yaml.SafeLoader(before + text)
    tokens: list[Any] = []
    try:
        while scanner.check_token():
            tokens.append(scanner.get_token())
    except yaml.YAMLError:
        # the tokens before the error are still there
        tokens += scanner.tokens
    for token in tokens:
        at = token.start_mark.index - len(before)
        if at >= 0 and isinstance(token, FlowSequenceStartToken | FlowMappingStartToken):
            yield at, 1
        elif isinstance(token, FlowSequenceEndToken | FlowMappingEndToken):
            yield at, -1


def _more_slips(text: str, at: int) -> list[int]:
    """Return where else a value that holds `${` has no quotes inside brackets, so that one look mends all.

    :param at: the offset of a syntax error
    """
    found: list[int] = []
    while text[at - 1 : at + 1] == "${" and len(found) < _MOST_SLIPS and len(text) < _MOST_TO_SEARCH:
        # a word in its place lets the rest be read
        end = min(end + 1 for end in (text.find("}", at), text.find("\n", at) - 1, len(text) - 1) if end >= at)
        text = text[: at - 1] + "x" * (end - at + 1) + text[end:]
        try:
            for _ in yaml.parse(text, Loader=_PARSER):
                pass
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = mark.index if mark is not None else 0
            if text[at - 1 : at + 1] == "${":
                found.append(at)
        else:
            break
    return found


def _explain(source: Source, error: yaml.YAMLError) -> TreadleError:
    """Return a YAML error as a TreadleError, with a hint at the usual cause."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "bad text")
    context = str(getattr(error, "context", None) or "")
    mark = getattr(error, "problem_mark", None)
    at = mark.index if mark is not None else getattr(error, "position", 0)
    at = min(max(int(at or 0), 0), len(source.text))
    start = getattr(error, "context_mark", None)
    if "quoted scalar" in context and start is not None:
        at = min(start.index, len(source.text))
    whole = f"{context} {problem}"
    hint = next((hint for text, hint in _HINTS if text in whole), "")
    if source.text[at : at + 1] == "\t":
        hint = "indent with spaces: YAML takes no tabs there"
    line = source.place(at).text
    if "${" in line and ("flow" in context or "{" in line.replace("${", "") or "[" in line):
        hint = "inside [ ] and { } a value that holds ${ needs quotes"
    elif "flow" in context and source.text[at : at + 2] == ": " and start and mark and start.line == mark.line:
        hint = "`: ` inside a text begins a map in YAML: " + HINT_QUOTE
    facts: tuple[str, ...] = (context,) if context and context != problem else ()
    more = _more_slips(source.text, at)
    if more:
        shown = shortened([f"{place.line}:{place.column}" for place in map(source.place, more)])
        facts += (f"the same at {', '.join(shown)}",)
    return source.error(f"not valid YAML: {problem}", at, facts=facts, hint=hint)
