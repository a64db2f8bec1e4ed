"""Quotes values in the shown text of a script, so that they mean the same there as they do as data.

The shown text is part of the fingerprint: two scripts that do different things must not show alike. A value is left
unquoted only where it cannot be more than an argument. Unaware of templates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PLAIN = re.compile(r"[A-Za-z0-9_./,:@%+-]+")
_PLAIN_WORDS = re.compile(rf"{_PLAIN.pattern}(?: {_PLAIN.pattern})*+")
_NAME = re.compile(r"[A-Za-z_./][A-Za-z0-9_./+-]*")
_KEYWORDS = frozenset(
    (
        *("if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "in"),
        *("select", "function", "time", "coproc", "foreach", "end", "repeat", "nocorrect", "namespace", "always"),
    )
)
_AFTER_WORD = frozenset(("", *" \t\n;&|)"))
_OF_VARIABLES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@*#?!$-\\\n"
_ESCAPE = re.compile(r"[\\\"$`]")
_ESCAPE_BODY = re.compile(r"[\\$`]")


def is_program(word: str) -> bool:
    """Whether a word at the start of a command is the name of a program, so that arguments follow."""
    return _NAME.fullmatch(word) is not None and word not in _KEYWORDS


def is_plain(text: str) -> bool:
    """Whether nothing in a script can give a word after the name of a program a special meaning."""
    return "[[" not in text and "alias" not in text


def is_target(text: str, at: int) -> bool:
    """Whether the word at an offset is the target of a redirection."""
    at = _without_blanks(text, at)
    return text[max(at - 1, 0) : at] in ("<", ">") or text[max(at - 2, 0) : at] in (">&", "<&", ">|")


def may_be_bare(text: str, start: int, end: int, *, is_argument: bool) -> bool:
    """Whether a plain value may replace a stretch of a plain script outside quotes without quotes.

    :param is_argument: whether it comes after the name of a program in its command
    """
    if text[end : end + 1] not in _AFTER_WORD:
        return False
    at = _without_blanks(text, start)
    sign = at
    while sign and text[sign - 1] in "<>":
        sign -= 1
    if sign < at:
        return text[max(sign - 1, 0) : sign] != "\\"
    return is_argument and at < start


def _without_blanks(text: str, at: int) -> int:
    while at and text[at - 1] in " \t":
        at -= 1
    return at


def words(values: Sequence[str], delimiter: str, *, may_be_bare: bool) -> str:
    """Return values as words outside quotes.

    :param delimiter: the line that ends the heredoc around them, "" outside of one
    """
    if not may_be_bare or delimiter:
        return " ".join([_word(one, delimiter) for one in values])
    joined = " ".join(values)
    if joined.count(" ") == len(values) - 1 and _PLAIN_WORDS.fullmatch(joined):
        return joined
    return " ".join([one if _PLAIN.fullmatch(one) else _word(one, "") for one in values])


def _word(value: str, delimiter: str) -> str:
    quoted = "'" + value.replace("'", "'\"'\"'") + "'"
    return quoted.replace("\n", "\n''") if delimiter else quoted


def in_quotes(value: str, before: str, delimiter: str) -> str:
    """Return a value inside double quotes; they are closed and opened again where it would join what is before.

    :param before: the text before it, up to another value at most
    """
    shown = _ESCAPE.sub(r"\\\g<0>", value)
    if delimiter:
        return '""' + shown.replace("\n", '\n""')
    return '""' + shown if _ends_in_variable(before) else shown


def in_body(value: str, seen: Sequence[str], delimiter: str) -> str:
    """Return a value in the body of a heredoc, such that it ends no line that would end the heredoc.

    Where it could, or would join a variable before it, the empty `$()` is put between.

    :param seen: the texts before it
    :param delimiter: the line that ends the heredoc, a tab before it if tabs are taken off its lines
    """
    lines = _ESCAPE_BODY.sub(r"\\\g<0>", value).split("\n")
    strips, end = delimiter.startswith("\t"), delimiter.lstrip("\t")
    made = []
    for number, line in enumerate(lines):
        start = "" if number else _line_start(seen, len(end))
        is_last = number == len(lines) - 1
        if strips:
            start = start.lstrip("\t")
        whole = start + line
        ends = end.startswith(whole) if is_last else whole == end
        loses_tabs = strips and not start and (line.startswith("\t") or (is_last and not line))
        joins = not number and _ends_in_variable(seen[-1])
        made.append("$()" + line if ends or loses_tabs or joins else line)
    return "\n".join(made)


def _line_start(seen: Sequence[str], enough: int) -> str:
    """Return the last line of texts, or an end of it with more than `enough` characters other than tabs."""
    line = ""
    for text in reversed(seen):
        _, newline, rest = text.rpartition("\n")
        line = rest + line
        if newline or len(line.strip("\t")) > enough:
            break
    return line


def _ends_in_variable(before: str) -> bool:
    """Whether a variable may end here, so that the next character could become part of its name."""
    return "$" in before[len(before.rstrip(_OF_VARIABLES)) :]
