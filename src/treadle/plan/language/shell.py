"""Parses the quotes of a shell script, and passes values to it as data.

Values reach the script through environment variables, never as program text. It starts no shell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from treadle.command.command import DEFAULT_SHELL, Script
from treadle.errors import TreadleError
from treadle.plan.yaml.nodes import Scalar, Source

from . import quoting
from .templates import MARK, Ref, Scope, Template, bad_mark

MANY = 500
"""Lists with more values are passed as positional arguments: the length of a script that names each is limited."""
BARE, QUOTED, HEREDOC = "bare", "quoted", "heredoc"
POSIX_SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"))

_WORD = re.compile(r"[^\s'\"\\$`#<>;&|()]+")
_OPENS = frozenset(["then", "do", "else", "elif", "if", "while", "until", "!", "{", "time"])
_DELIMITER = re.compile(r"(?:\\.|'[^'\n]*'|\"[^\"\n]*\"|[^\s'\"\\<>;&|()])+")
_BRACE = re.compile(r"\\.|\$\$?\{|\}", re.DOTALL)
_USE_VARIABLE = 'give it to a variable before, x=${NAME}, and use "$x"'
CLOSE = "close it, or put a \\ before it to use it literally"


@dataclass(slots=True, frozen=True, eq=False)
class Placeholder:
    """A reference in a script, and what is around it.

    :param where: BARE, QUOTED or HEREDOC
    :param alone: whether it is a word of its own, so that it may be a list
    :param may_be_bare: whether a plain value needs no quotes in the text that is shown
    :param delimiter: inside a heredoc, the line that ends it
    """

    ref: Ref
    where: str
    alone: bool
    may_be_bare: bool
    delimiter: str


@dataclass(slots=True, eq=False)
class _Frame:
    """What is open: `code` (a script or a `$( )`), `double` quotes, or the body of a `heredoc`.

    :param command: in code, whether a command begins here
    :param named: in code, whether the name of a program has begun the command
    :param delimiter: the line that ends a heredoc, which begins at `end` and ends at `stop`
    """

    kind: str
    start: int
    delimiter: str = ""
    end: int = 0
    stop: int = 0
    command: bool = True
    named: bool = False
    nest: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Note that a command begins here."""
        self.command = True
        self.named = False


class _Lexer:
    """Walks over one script, with a stack of open quotes and brackets."""

    __slots__ = ("at", "is_plain", "node", "pending", "pieces", "source", "stack", "text")

    def __init__(self, source: Source, node: Scalar) -> None:
        self.source = source
        self.node = node
        self.text = node.text
        self.is_plain = quoting.is_plain(node.text)
        self.at = 0
        self.stack = [_Frame("code", 0)]
        self.pending: list[tuple[str, bool, bool, int]] = []
        self.pieces: list[str | Placeholder] = []

    def run(self) -> list[str | Placeholder]:
        while self.at < len(self.text) or self.stack[-1].kind == "heredoc":
            kind = self.stack[-1].kind
            if kind == "code":
                self.code()
            elif kind == "double":
                self.double()
            else:
                self.heredoc()
        if len(self.stack) > 1:
            frame = self.stack[-1]
            opened = 'a quote (")' if frame.kind == "double" else "$("
            raise self.error(f"{opened} that is not closed", frame.start, self.text[frame.start], CLOSE)
        if self.pending:
            delimiter, _, _, start = self.pending[0]
            raise self.error(
                f"a heredoc without its end {delimiter}", start, "<<", f"write {delimiter} alone in a line"
            )
        return self.pieces

    def error(self, what: str, offset: int, snippet: str, hint: str = "") -> TreadleError:
        return self.source.error(what, self.source.inside(self.node, offset, snippet), hint=hint)

    def take(self, end: int) -> None:
        """Copy the text up to `end`."""
        if end > self.at:
            self.pieces.append(self.text[self.at : end])
            self.at = end

    def open(self, kind: str, length: int) -> None:
        frame = _Frame(kind, self.at)
        self.take(self.at + length)
        self.stack.append(frame)

    def refuse(self, start: int, end: int, where: str, hint: str) -> None:
        """Copy a stretch in which references are errors; `$${` is `${` there too."""
        for found in MARK.finditer(self.text, start, end):
            if found.group().startswith("$$"):
                self.take(found.start())
                self.pieces.append("${")
                self.at = found.end()
            elif found.group(1) is None:
                raise bad_mark(self.source, self.node, found.start())
            else:
                name = found.group()
                raise self.error(
                    f"{name} is {where}, where the shell would not see a value", found.start(), name, hint
                )
        self.take(end)

    def closing(self, pattern: str, start: int, what: str, snippet: str) -> int:
        found = re.compile(pattern, re.DOTALL).match(self.text, start)
        if found is None:
            raise self.error(f"{what} that is not closed", self.at, snippet, CLOSE)
        return found.end()

    def dollar(self, where: str) -> None:
        """Handle a `$`, a backtick or a backslash, which mean the same in code, double quotes and heredocs."""
        text, at = self.text, self.at
        if text[at] == "\\":
            self.take(min(at + 2, len(text)))
        elif text[at] == "`":
            end = self.closing(r"(?:[^`\\]|\\.)*`", at + 1, "a backtick", "`")
            self.refuse(at, end, "inside backticks", "use $( ) in place of backticks")
        elif text.startswith("$((", at):
            self.refuse(at, self.arithmetic(at + 3), "inside $(( ))", _USE_VARIABLE)
        elif text.startswith("$[", at):
            end = text.find("]", at)
            self.refuse(at, len(text) if end < 0 else end, "inside $[ ]", _USE_VARIABLE)
        elif text.startswith("$(", at):
            self.open("code", 2)
        elif text.startswith(("${", "$${"), at):
            self.mark(where)
        else:
            self.take(at + 1)

    def mark(self, where: str) -> None:
        found = MARK.match(self.text, self.at)
        assert found is not None
        if found.group().startswith("$$"):
            self.refuse(self.at, self.brace(found.end()), "inside the shell's own ${ }", _USE_VARIABLE)
            return
        if found.group(1) is None:
            raise bad_mark(self.source, self.node, self.at)
        self.pieces.append(
            Placeholder(
                Ref.of(found),
                where,
                alone=self.is_alone(self.at, found.end()),
                may_be_bare=self.is_plain
                and quoting.may_be_bare(self.text, self.at, found.end(), is_argument=self.stack[-1].named),
                delimiter=next((frame.delimiter for frame in reversed(self.stack) if frame.delimiter), ""),
            )
        )
        self.at = found.end()

    def is_alone(self, start: int, end: int) -> bool:
        """Whether a stretch is a word of its own, and not the target of a redirection."""
        text = self.text
        if text[max(start - 1, 0) : start] not in ("", *" \t\n;|&(") or text[end : end + 1] not in (
            "",
            *" \t\n;&|)<>",
        ):
            return False
        while start and text[start - 1] in " \t":
            start -= 1
        return text[max(start - 1, 0) : start] not in ("<", ">")

    def arithmetic(self, at: int) -> int:
        """Return the end of `$(( ... ))`."""
        start, depth = self.at, 2
        for found in re.compile(r"[()]").finditer(self.text, at):
            depth += 1 if found.group() == "(" else -1
            if depth == 0:
                return found.end()
        raise self.error("(( that is not closed", start, "((", CLOSE)

    def brace(self, at: int) -> int:
        """Return the end of the shell's own `${ ... }`."""
        depth = 1
        for found in _BRACE.finditer(self.text, at):
            piece = found.group()
            depth += 1 if piece.endswith("{") else -1 if piece == "}" else 0
            if depth == 0:
                return found.end()
        raise self.error("${ that is not closed", self.at, "${", CLOSE)

    def double(self) -> None:
        found = re.compile(r"[\"\\$`]").search(self.text, self.at)
        self.take(len(self.text) if found is None else found.start())
        if found is None:
            return
        if found.group() == '"':
            self.take(self.at + 1)
            self.stack.pop()
        else:
            self.dollar(QUOTED)

    def heredoc(self) -> None:
        frame = self.stack[-1]
        if self.at > frame.end:
            raise self.error("$( that is not closed inside a heredoc", frame.start, self.text[frame.start], CLOSE)
        found = re.compile(r"[\\$`]").search(self.text, self.at, frame.end)
        self.take(frame.end if found is None else found.start())
        if found is not None:
            self.dollar(HEREDOC)
            return
        self.take(frame.stop)
        self.stack.pop()
        self.bodies()

    def bodies(self) -> None:
        """Enter the body of the next heredoc of the line, if there is one."""
        while self.pending:
            delimiter, quoted, strip, start = self.pending.pop(0)
            tabs = r"\t*" if strip else ""
            found = re.compile(rf"^{tabs}{re.escape(delimiter)}$", re.MULTILINE).search(self.text, self.at)
            if found is None:
                raise self.error(
                    f"a heredoc without its end {delimiter}", start, "<<", f"write {delimiter} alone in a line"
                )
            if quoted:
                hint = f"take the quotes off {delimiter}"
                self.refuse(self.at, found.start(), "in a heredoc with a quoted end", hint)
                self.take(found.end())
                continue
            end = ("\t" if strip else "") + delimiter
            self.stack.append(_Frame("heredoc", self.at, end, found.start(), found.end()))
            return

    def code(self) -> None:
        frame, text, at = self.stack[-1], self.text, self.at
        char = text[at]
        word = _WORD.match(text, at)
        if word is not None:
            self.word(frame, word.group(), at)
        elif char == "\n":
            self.take(at + 1)
            frame.begin()
            self.bodies()
        elif char in " \t":
            self.take(at + 1)
        elif char in ";&|":
            self.take(at + 1)
            if quoting.is_target(text, at + 1):
                frame.command = True
            else:
                frame.begin()
        elif char in "()":
            self.bracket(frame, char)
        elif char == "<":
            self.less()
        elif char == "#":
            self.comment()
        else:
            frame.command = False
            self.quote(char)

    def quote(self, char: str) -> None:
        at = self.at
        if char == "'":
            end = self.closing(r"[^']*'", at + 1, "a quote (')", "'")
            self.refuse(at, end, "inside single quotes", "use double quotes there")
        elif char == '"':
            self.open("double", 1)
        elif self.text.startswith("$'", at):
            end = self.closing(r"(?:[^'\\]|\\.)*'", at + 2, "a quote ($')", "$'")
            self.refuse(at, end, "inside $' '", "use double quotes there")
        else:
            self.dollar(BARE) if char in "\\$`" else self.take(at + 1)

    def word(self, frame: _Frame, word: str, at: int) -> None:
        before = self.text[at - 1 : at]
        after = self.text[at + len(word) : at + len(word) + 1]
        whole = before in ("", *" \t\n;&|()") and after in ("", *" \t\n;&|()<>")
        if whole and frame.command and word == "case":
            frame.nest.append("case")
            frame.command = False
        elif whole and frame.command and word == "esac" and frame.nest[-1:] == ["case"]:
            frame.nest.pop()
        elif whole and word == "in" and frame.nest[-1:] == ["case"]:
            frame.begin()
        elif not (whole and frame.command and word in _OPENS):
            if whole and frame.command and not quoting.is_target(self.text, at):
                frame.named = frame.named or quoting.is_program(word)
            frame.command = False
        self.take(at + len(word))

    def bracket(self, frame: _Frame, char: str) -> None:
        if self.text.startswith("((", self.at):
            self.refuse(self.at, self.arithmetic(self.at + 2), "inside (( ))", _USE_VARIABLE)
            return
        closes = False
        if char == "(":
            frame.nest.append("(")
        elif frame.nest[-1:] == ["("]:
            frame.nest.pop()
        elif not frame.nest and len(self.stack) > 1:
            closes = True
        self.take(self.at + 1)
        frame.begin()
        if closes:
            self.stack.pop()

    def less(self) -> None:
        text, at = self.text, self.at
        if not text.startswith("<<", at) or text.startswith("<<<", at):
            self.take(at + (3 if text.startswith("<<<", at) else 1))
            return
        found = re.compile(r"<<(-?)[ \t]*").match(text, at)
        assert found is not None
        word = _DELIMITER.match(text, found.end())
        if word is None:
            raise self.error(
                "a heredoc without an end", at, "<<", "write a word after <<, and that word alone in a line"
            )
        raw = word.group()
        if MARK.search(raw):
            raise self.error("a heredoc's end cannot be a value", at, "<<", "write a fixed word after <<")
        bare = re.sub(r"\\(.)|['\"]", r"\1", raw)
        self.pending.append((bare, bare != raw, found.group(1) == "-", at))
        self.take(word.end())

    def comment(self) -> None:
        before = self.text[self.at - 1 : self.at]
        if before not in ("", *" \t\n;&|()"):
            self.take(self.at + 1)
            return
        end = self.text.find("\n", self.at)
        self.take(len(self.text) if end < 0 else end)


@dataclass(slots=True, eq=False)
class PositionalArguments:
    """Passes long lists to a script as positional arguments, for a shell with arrays as in bash. Does no quoting.

    :param values: the arguments
    """

    values: list[str] = field(default_factory=list)
    _at: dict[tuple[str, ...], int] = field(default_factory=dict)
    _texts: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        """The start of the script's first line: it stores the arguments and clears them for the script."""
        texts = "".join(f'{name}="{self._slice(values, "*")}"; ' for values, name in self._texts.items())
        return f'TREADLE_LISTS=("$@"); set --; {texts}'

    def words(self, values: tuple[str, ...]) -> str:
        """Return the words for a list outside quotes."""
        return f'"{self._slice(values, "@")}"'

    def joined(self, values: tuple[str, ...]) -> str:
        """Return the text for a list inside quotes, joined by blanks."""
        self._slice(values, "*")
        return f"${{{self._texts.setdefault(values, f'TREADLE_TEXT_{len(self._texts) + 1}')}}}"

    def _slice(self, values: tuple[str, ...], sign: str) -> str:
        """Return the expansion of a list: as words for `@`, joined for `*`."""
        if values not in self._at:
            self._at[values] = len(self.values)
            self.values += values
        return f"${{TREADLE_LISTS[{sign}]:{self._at[values]}:{len(values)}}}"


def parse_script(source: Source, node: Scalar) -> list[str | Placeholder]:
    """Return a script in pieces: texts, no two in a row, and placeholders."""
    if "${" not in node.text:
        return [node.text]
    joined: list[str | Placeholder] = []
    texts: list[str] = []
    for piece in _Lexer(source, node).run():
        if isinstance(piece, str):
            texts.append(piece)
            continue
        joined.extend(("".join(texts), piece) if texts else (piece,))
        texts.clear()
    return [*joined, "".join(texts)] if texts else joined


def fill(
    source: Source,
    node: Scalar,
    pieces: Sequence[str | Placeholder],
    scope: Scope,
    shell: Sequence[str] = DEFAULT_SHELL,
) -> Script:
    """Return the script with its values in variables or positional arguments."""
    template = Template(source, node, ())
    program = shell[0].rsplit("/", 1)[-1]
    text: list[str] = []
    seen: list[str] = []
    names: dict[str, str] = {}
    arguments: PositionalArguments | None = None
    for piece in pieces:
        if isinstance(piece, str):
            text.append(piece)
            seen.append(piece)
            continue
        if program not in POSIX_SHELLS:
            raise template.error(
                f"${{{piece.ref.name}}} cannot be passed to {program}: its quoting rules are not known",
                piece.ref,
                hint="set a variable with env: and let the script read it, or use argv:",
            )
        is_each = piece.ref.part is not None
        value = scope.elements(template, piece.ref) if is_each else scope.value(template, piece.ref)
        if piece.where != BARE:
            one = " ".join(value) if isinstance(value, tuple) else value
            if program == "bash" and isinstance(value, tuple) and len(value) > MANY:
                arguments = arguments or PositionalArguments()
                text.append(arguments.joined(value))
            else:
                text.append(f"${{{names.setdefault(one, _variable(len(names) + 1))}}}")
            seen.append(_seen(piece, one, seen))
            continue
        if isinstance(value, tuple) and not piece.alone:
            raise template.error(
                f"{piece.ref.shown} is a list and cannot be part of a word",
                piece.ref,
                hint="set it apart with blanks, away from < and >; in double quotes it is joined by blanks; a text"
                f' with each element is vars: {{words: ["-x${{{piece.ref.name}*}}"]}}',
            )
        values = value if isinstance(value, tuple) else (value,)
        if program == "bash" and len(values) > MANY:
            arguments = arguments or PositionalArguments()
            text.append(arguments.words(values))
        else:
            text.append(" ".join([f'"${{{names.setdefault(one, _variable(len(names) + 1))}}}"' for one in values]))
        seen.append(quoting.words(values, piece.delimiter, may_be_bare=piece.may_be_bare))
    variables = {name: value for value, name in names.items()}
    if arguments is None:
        return Script("".join(text), variables, "".join(seen), shell)
    whole = arguments.head + "".join(text)
    return Script(whole, variables, "".join(seen), shell, (shell[0], *arguments.values))


@lru_cache
def _variable(number: int) -> str:
    return f"TREADLE_{number}"


def _seen(placeholder: Placeholder, value: str, seen: Sequence[str]) -> str:
    """Return the shown text of a value inside quotes or a heredoc.

    :param seen: the shown texts before it
    """
    if placeholder.where == QUOTED:
        return quoting.in_quotes(value, seen[-1], placeholder.delimiter)
    return quoting.in_body(value, seen, placeholder.delimiter)
