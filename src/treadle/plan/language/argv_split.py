"""Splits the text of `run` into words as a POSIX shell does, before values are filled in.

Pipes, redirections, variables and globs, which need a shell, are errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from treadle.errors import TreadleError
from treadle.plan.yaml.nodes import Scalar, Source

from .templates import MARK, Piece, Ref, Scope, Template, bad_mark, split

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\\\n)
    |(?P<newline>\n)
    |(?P<mark>\$\$\{|\$\{)
    |(?P<single>'[^']*')
    |(?P<double>"(?:[^"\\]|\\.)*")
    |(?P<escape>\\.)
    |(?P<plain>[^\s'"\\$|><;&*?()`\#~]+)
    |(?P<odd>.)""",
    re.DOTALL | re.VERBOSE,
)
_QUOTED = re.compile(r"\\[$`\"\\]|\\\n|\$\$\{|\$\{|\$(?=[A-Za-z0-9_@*#?!$(-])|`")
_DOLLAR = re.compile(r"\$[A-Za-z0-9_@*#?!$-]")
_BRACES = re.compile(r"\{[^{},]*(?:,|\.\.)[^{}]*\}")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_SHELL_WORDS = frozenset(
    (
        *("cd", "export", "source", ".", "set", "unset", "alias", "eval", "exec", "exit", "return", "shift"),
        *("if", "then", "for", "while", "until", "case", "function", "local", "let", "trap", "ulimit", "umask"),
    )
)
_OPERATORS = {
    "|": "a pipe",
    ">": "a redirection",
    "<": "a redirection",
    ";": "a separator of commands",
    "&": "a word of the shell",
    "(": "a word of the shell",
    ")": "a word of the shell",
    "`": "a command substitution",
    "*": "a glob",
    "?": "a glob",
}
NO_PROGRAM = "the command has no program: its first word is empty"
GIVE_PROGRAM = "the first value must name a program"
USE_SH = "use sh: to run it in a shell, or quote it to pass it literally"


@dataclass(slots=True, eq=False)
class Word:
    """One argument: a template, and whether any of it was in quotes."""

    template: Template
    quoted: bool

    def at(self, node: Scalar) -> Word:
        """Return the same word of another scalar with the same text."""
        return Word(Template(self.template.source, node, self.template.pieces), self.quoted)


@dataclass(slots=True, eq=False)
class _Splitter:
    """The state of splitting one text."""

    source: Source
    node: Scalar
    words: list[Word] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    quoted: bool = False
    started: bool = False

    def put(self, text: str) -> None:
        self.started = True
        if self.pieces and isinstance(self.pieces[-1], str):
            self.pieces[-1] += text
        else:
            self.pieces.append(text)

    def put_pieces(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if isinstance(piece, str):
                self.put(piece)
            else:
                self.started = True
                self.pieces.append(piece)

    def end_word(self) -> None:
        if self.started:
            pieces = tuple(piece for piece in self.pieces if piece != "") or ("",)
            self.words.append(Word(Template(self.source, self.node, pieces), self.quoted))
        self.pieces, self.quoted, self.started = [], False, False

    def error(self, what: str, offset: int, snippet: str, hint: str = USE_SH) -> TreadleError:
        return self.source.error(what, self.source.inside(self.node, offset, snippet), hint=hint)


def split_words(source: Source, node: Scalar) -> list[Word]:
    """Return the words of a command.

    :raises TreadleError: it needs a shell, or a quote is not closed
    """
    state = _Splitter(source, node)
    text = node.text
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at, end)
        assert found is not None
        kind, piece, start = found.lastgroup, found.group(), at
        at = found.end()
        if kind == "plain":
            _check_braces(state, piece, start)
            state.put(piece)
        elif kind == "space":
            if piece != "\\\n":
                state.end_word()
        elif kind == "mark":
            at = _mark(state, start)
        elif kind == "single":
            state.put_pieces(split(source, node, start + 1, at - 1))
            state.quoted = True
        elif kind == "double":
            _double(state, start + 1, at - 1)
            state.quoted = True
        elif kind == "escape":
            state.put(piece[1])
            state.quoted = True
        elif kind == "newline":
            _newline(state, start)
        else:
            _odd(state, piece, start)
    state.end_word()
    _check_first(state)
    return state.words


def _check_braces(state: _Splitter, piece: str, start: int) -> None:
    found = _BRACES.search(piece) if "{" in piece else None
    if found is not None:
        what = f"run starts no shell: {found.group()} would be passed literally"
        raise state.error(what, start + found.start(), found.group())


def _mark(state: _Splitter, start: int) -> int:
    found = MARK.match(state.node.text, start)
    assert found is not None
    if found.group().startswith("$$"):
        state.put("${")
    elif found.group(1) is None:
        raise bad_mark(state.source, state.node, start)
    else:
        state.put_pieces([Ref.of(found)])
    return found.end()


def _double(state: _Splitter, start: int, end: int) -> None:
    text = state.node.text
    state.put("")
    at = start
    while at < end:
        found = _QUOTED.search(text, at, end)
        if found is None:
            break
        state.put(text[at : found.start()])
        piece = found.group()
        at = found.end()
        if piece in ("${", "$${"):
            at = _mark(state, found.start())
        elif piece == "$":
            raise _dollar(state, found.start())
        elif piece == "`":
            raise state.error("run starts no shell: ` is a command substitution", found.start(), "`")
        elif piece != "\\\n":
            state.put(piece[1])
    state.put(text[at:end])


def _dollar(state: _Splitter, start: int) -> TreadleError:
    found = re.match(r"\$(?:[A-Za-z_]\w*|\(|.)", state.node.text[start:], re.ASCII)
    word = found.group() if found else "$"
    hint = USE_SH
    if word[1:].isidentifier():
        hint = f"a value of the plan is ${{{word[1:]}}}; a variable of the environment needs sh: and track or pass"
    return state.error(f"run starts no shell: {word} would be passed literally", start, word, hint)


def _newline(state: _Splitter, start: int) -> None:
    if state.started or state.words:
        at = start + 1 + len(state.node.text[start + 1 :]) - len(state.node.text[start + 1 :].lstrip())
        raise state.source.error(
            "run holds one command and this is a second line",
            state.source.inside(state.node, at, state.node.text[at:].split("\n")[0]),
            hint="make it a list with one command each, use sh: for a script, or end the line before with \\",
        )


def _odd(state: _Splitter, piece: str, start: int) -> None:
    text = state.node.text
    if piece == "$":
        if _DOLLAR.match(text, start) or text.startswith("$(", start):
            raise _dollar(state, start)
        state.put(piece)
    elif piece in ("'", '"'):
        raise state.error("a quote that is not closed", start, piece, "close it, or put a \\ before it")
    elif piece == "\\":
        raise state.error("a \\ with nothing after it", start, piece, "take it out, or write \\\\")
    elif piece == "#":
        if not state.started:
            raise state.error("run does not support comments", start, piece, "quote the # if it is an argument")
        state.put(piece)
    elif piece == "~":
        if not state.started and text[start + 1 : start + 2] in ("", "/", " "):
            raise state.error("run starts no shell: ~ would be passed literally", start, piece)
        state.put(piece)
    elif piece in _OPERATORS:
        raise state.error(f"run starts no shell: {piece} is {_OPERATORS[piece]}", start, piece)
    elif piece.isspace():
        state.end_word()
    else:
        state.put(piece)


def _check_first(state: _Splitter) -> None:
    node = state.node
    if not state.words:
        raise state.source.error("an empty command", node, hint="write one, or take it out")
    first = state.words[0]
    literal = first.template.pieces[0]
    if first.quoted or not isinstance(literal, str):
        return
    if _ASSIGNMENT.match(literal):
        raise state.source.error(
            f"run starts no shell: {literal} would be taken as the program", node, hint="set variables with env:"
        )
    if literal in _SHELL_WORDS and len(first.template.pieces) == 1:
        hint = "use cwd: for the folder" if literal == "cd" else "use sh:"
        raise state.source.error(f"run starts no shell: {literal} is a word of the shell", node, hint=hint)


def fill(words: list[Word], scope: Scope) -> tuple[str, ...]:
    """Return the arguments; a list that is a whole word becomes several."""
    argv: list[str] = []
    for word in words:
        template = word.template
        if word.quoted and template.whole is not None:
            argv.append(_quoted(word, template.whole, scope))
        else:
            argv.extend(scope.items(template))
    if not argv or not argv[0]:
        node = words[0].template.node
        raise words[0].template.source.error(NO_PROGRAM, node, hint=GIVE_PROGRAM)
    return tuple(argv)


def _quoted(word: Word, ref: Ref, scope: Scope) -> str:
    if scope.is_list(word.template):
        what = f"${{{ref.name}}} is a list and cannot be in quotes"
        raise word.template.error(what, ref, hint="without the quotes it becomes several words")
    return scope.text(word.template)
