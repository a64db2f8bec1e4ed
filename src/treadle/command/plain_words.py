"""What a script for a shell says that is nothing but words, and at most one `> file`: a pure function of its text.

It knows no processes. In doubt a text is not one of these, and a shell runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LETTERS_AND_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_IN_NAMES = dict.fromkeys(_LETTERS_AND_DIGITS + b"_./+-")
"""What `str.translate` takes away of the name of a program: nothing is left of a plain one."""
_IN_WORDS = dict.fromkeys(_LETTERS_AND_DIGITS + b"_./+-,:@=%")
"""The same for the words that follow it. No shell expands these characters there."""

_IN_SCRIPTS = {**_IN_WORDS, **dict.fromkeys(b' \t\n>"${}')}
"""The same for a whole script; most that need a shell have other characters."""

OF_SHELLS = frozenset(
    (
        # those of dash, bash, ksh and zsh: what one of them runs itself, and the words of their grammar
        *(".", ":", "alias", "always", "autoload", "basename", "bg", "bind", "bindkey", "break", "builtin"),
        *("builtins", "bye", "caller", "case", "cd", "chdir", "command", "compadd", "comparguments"),
        *("compcall", "compctl", "compdescribe", "compfiles", "compgen", "compgroups", "complete", "compopt"),
        *("compquote", "compset", "comptags", "comptry", "compvalues", "continue", "coproc", "declare"),
        *("dirname", "dirs", "disable", "disown", "do", "done", "echo", "echotc", "echoti", "elif", "else"),
        *("emulate", "enable", "end", "enum", "esac", "eval", "exec", "exit", "export", "false", "fc", "fg"),
        *("fi", "float", "for", "foreach", "function", "functions", "getconf", "getln", "getopts", "global"),
        *("hash", "help", "hist", "history", "if", "in", "integer", "jobs", "kill", "let", "limit", "local"),
        *("log", "logout", "mapfile", "namespace", "newgrp", "nocorrect", "noglob", "popd", "print", "printf"),
        *("private", "pushd", "pushln", "pwd", "r", "read", "readarray", "readonly", "redirect", "rehash"),
        *("repeat", "return", "sched", "select", "set", "setopt", "shift", "shopt", "sleep", "source", "stop"),
        *("suspend", "test", "then", "time", "times", "trap", "true", "ttyctl", "type", "typeset", "ulimit"),
        *("umask", "unalias", "unfunction", "unhash", "unlimit", "unset", "unsetopt", "until", "vared", "wait"),
        *("whence", "where", "which", "while", "zcompile", "zformat", "zle", "zmodload", "zparseopts"),
        *("zregexparse", "zstyle"),
    )
)
"""Names that are not, or not always, those of a program."""


class PlainWords:
    """A script that is one program with its arguments.

    :ivar words: the argv
    :ivar target: the file that its stdout goes to, None if it goes nowhere else
    :ivar shown: the same in the words of the script, with one blank between them, as bash shows it
    """

    __slots__ = ("shown", "target", "words")

    def __init__(self, words: tuple[str, ...], target: str | None, shown: str) -> None:
        self.words = words
        self.target = target
        self.shown = shown


def plain_words(text: str, variables: Mapping[str, str]) -> PlainWords | None:
    """Return the words of a script; None where a shell has, or may have, anything to do beyond starting them.

    :param variables: name -> value of what the script may name as `"${NAME}"`
    """
    # after one end of a line bash reads on, and waits for the program instead of becoming it
    if text.translate(_IN_SCRIPTS) or text.count("\n") > text.endswith("\n"):
        return None
    words: list[str] = []
    raw: list[str] = []
    target = raw_target = None
    is_next = False
    for token in text.rstrip(" \t\n").replace("\t", " ").split(" "):
        if not token:
            continue
        if not is_next and token[0] == ">":
            if not words or target is not None:
                return None
            token = token[1:]
            if not token:
                is_next = True
                continue
            is_next = True
        word = token if not token.translate(_IN_WORDS) else _with_values(token, variables)
        if word is None:
            return None
        if is_next:
            target, raw_target, is_next = word, token, False
        else:
            words.append(word)
            raw.append(token)
    if is_next or not words or not _is_program(words[0]) or not (target is None or _is_plain_target(target)):
        return None
    if raw_target is not None:
        raw += (">", raw_target)
    return PlainWords(tuple(words), target, " ".join(raw))


def _with_values(token: str, variables: Mapping[str, str]) -> str | None:
    """Return a word of plain characters and of values in quotes, `"${NAME}"`; None if it holds anything else."""
    first, *others = token.split('"${')
    if first.translate(_IN_WORDS):
        return None
    pieces = [first]
    for other in others:
        name, closed, rest = other.partition('}"')
        value = variables.get(name)
        if not closed or value is None or not value.isprintable() or rest.translate(_IN_WORDS):
            return None
        pieces += (value, rest)
    return "".join(pieces)


def _is_program(name: str) -> bool:
    # a script that begins with - or + is one more option for a shell
    return bool(name) and name[0] not in "-+" and not name.translate(_IN_NAMES) and name not in OF_SHELLS


def _is_plain_target(path: str) -> bool:
    """Return whether a path is one below the folder: elsewhere are files that mean a descriptor, or the network."""
    return path == "/dev/null" or not (not path or path[0] == "/" or path[-1] == "/" or ".." in path.split("/"))
