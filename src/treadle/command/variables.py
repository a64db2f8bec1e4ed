"""Variables that a script names and that its action does not get: a hint after a failure, and a remark of `check`.

It reads scripts roughly, as quotes, comments and words. In doubt it says nothing.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from .command import BASE_ENVIRONMENT, BASE_PREFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .command import Command

_SHELLS = ("bash", "sh", "dash", "ksh", "mksh", "zsh", "ash")
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_HEREDOC = re.compile(r"<<-?[ \t]*(['\"\\])(\w+)[^\n]*\n.*?^\t*\2$", re.DOTALL | re.MULTILINE)
"""A here-document in which the shell replaces nothing."""
_OPEN_ENDED = re.compile(r"(?:^|[\s;&|(])(?:\.|source|eval|set -a|set -o allexport)(?:\s|$)")
"""What may set any variable."""
_OF_THE_SHELL = frozenset(
    (
        *(
            "PWD",
            "OLDPWD",
            "RANDOM",
            "SRANDOM",
            "SECONDS",
            "LINENO",
            "UID",
            "EUID",
            "PPID",
            "IFS",
            "OPTARG",
            "OPTIND",
        ),
        *("OPTERR", "REPLY", "PIPESTATUS", "FUNCNAME", "SHLVL", "EPOCHSECONDS", "EPOCHREALTIME", "HOSTNAME"),
        *("HOSTTYPE", "MACHTYPE", "OSTYPE", "GROUPS", "DIRSTACK", "COLUMNS", "LINES", "PS1", "PS2", "PS4", "ENV"),
        *("FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR", "CLICOLOR"),
    )
)
_MISSED = re.compile(
    "unbound|not set|unset|not (?:be )?defined|undefined|missing|required|environment|KeyError|must be set|empty",
    re.IGNORECASE,
)
_WORD = re.compile(r"\b[A-Za-z_][A-Za-z0-9_]{2,}\b")
_MOST = 3
_TAIL = 8192


def named(command: Command) -> list[str]:
    """Return the variables that a script of a shell takes from its environment: it neither sets nor tests them."""
    script = command.script
    if script is None or not script.shell or os.path.basename(script.shell[0]) not in _SHELLS:
        return []
    text = _HEREDOC.sub("", script.text)
    if _OPEN_ENDED.search(text):
        return []
    found = dict.fromkeys(name for part in _expanded(text) for pair in _REFERENCE.findall(part) for name in pair)
    return [name for name in found if name and name not in script.variables and not _may_be_set(name, text)]


def _may_be_set(name: str, text: str) -> bool:
    """Return whether a script names a variable in another form than to take its value."""
    return re.search(rf"(?<![\w$]){name}\b(?!\}})", text) is not None


def _expanded(text: str) -> Iterator[str]:
    """Yield the parts of a script in which a shell replaces variables: no comments, no single quotes."""
    around, at, start = ["code"], 0, 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            yield text[start:at]
            at += 2
            start = at
            continue
        if around[-1] == "code" and (char == "'" or (char == "#" and (not at or text[at - 1] in " \t\n;"))):
            yield text[start:at]
            end = text.find("'" if char == "'" else "\n", at + 1)
            at = start = len(text) if end < 0 else end + 1
            continue
        if char == '"':
            around = around[:-1] if around[-1] == "quotes" else [*around, "quotes"]
        elif char == "(" and (around[-1] == "code" or text[at - 1 : at] == "$"):
            around.append("code")
        elif char == ")" and around[-1] == "code" and len(around) > 1:
            around.pop()
        at += 1
    yield text[start:]


def given_by_nothing(command: Command) -> list[str]:
    """Return the variables that a script names and that neither the plan, Treadle nor the shell gives it."""
    env = command.env
    known = {*env.set, *env.track, *env.pass_, *_OF_THE_SHELL, *BASE_ENVIRONMENT}
    if command.limits.resources or command.limits.fallbacks:
        # which variables say what it holds depends on the machine
        return []
    return [
        name
        for name in named(command)
        if name not in known and not name.startswith((*BASE_PREFIXES, "TREADLE", "BASH"))
    ]


def not_given(command: Command, outside: Mapping[str, str], given: Mapping[str, str], log: str) -> list[str]:
    """Return variables that a failed action names, that are set outside, and that it was not given.

    :param outside: the variables of Treadle
    :param given: those that the action got
    :param log: what it has printed
    """
    hidden = {name for name in outside if name not in given and name not in _OF_THE_SHELL}
    found = dict.fromkeys(name for name in named(command) if name in hidden)
    for line in _tail(log).splitlines():
        if _MISSED.search(line):
            found.update(dict.fromkeys(name for name in _WORD.findall(line) if name in hidden and name.isupper()))
    return list(found)[:_MOST]


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read(_TAIL).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def hint_of(names: list[str]) -> str:
    """Return the line about variables that a failed action was not given."""
    listed = ", ".join(names)
    are = "is" if len(names) == 1 else "are"
    return (
        f"{listed} {are} set outside and not given to the action: pass: [{listed}], or track: [{listed}] if the "
        "result depends on it"
    )
