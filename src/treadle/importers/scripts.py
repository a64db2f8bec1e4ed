"""Commands of other tools as scripts of a plan: quoting, shells of their own, failures that do not count."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "zsh"))
SAFE = re.compile(r"[A-Za-z0-9_./=+,:@%-]+")
"""A word that needs no quotes in a command."""
_CHANGES_ITS_SHELL = re.compile(
    r"(^|[;&|({\n]\s*|\b(?:then|do|else|if|while|until)\s+|!\s+)"
    r"(cd|pushd|popd|export|set|shopt|exit|return|exec|umask|trap|ulimit|alias|unalias|unset|shift|read|readonly"
    r"|declare|typeset|local|let|getopts|eval|source|\.|for|select|function|printf\s+-v|wait|break|continue|hash"
    r"|[A-Za-z_]\w*\+?=|[A-Za-z_]\w*\s*\(\))(?![\w./-])"
    r"|(^|[;&|({\n]\s*)[A-Za-z_]\w*(\[[^]]*\])?\+?=|\$\{\w+:?=|(?<!&)&\s*$"
)
"""A line of a script that may change the shell it runs in: the next line would see it."""
_SPECIAL_TO_SHELLS = re.compile(r"[;&|#\n\\(){}<>`]|\$\(|\b(cd|exit|set|if|for|while|case|until)\b")
"""What a command that ends in ` || true` must not hold: it gets a shell of its own instead."""
_NEEDS_A_SHELL = re.compile(r"""[|&;<>()$`\\"'*?\[\]#~!{}\n=]""")
_BUILTINS = frozenset(("cd", ":", ".", "source", "export", "set", "exit", "[", "umask", "ulimit", "trap", "exec"))
_READ_VARIABLE = re.compile(r"(?<![\\$])(?:\$|\$\$\{[#!]?)([A-Za-z_]\w*)")
"""A variable of the environment in a script of a plan, where `$${` is the shell's own brace."""
_WRITTEN_VARIABLE = re.compile(
    r"(?:^|[\s;&|(])([A-Za-z_]\w*)\+?=|\b(?:for|read(?:\s+-\w+)*|select|getopts\s+\S+)\s+([A-Za-z_]\w*)"
    r"|\bread\s[^;&|<>\n]*?\s([A-Za-z_]\w*)(?=\s*(?:[;&|)]|$))"
)
_ASKS = re.compile(r"(?:^|[;&({]\s*|&&\s*|\|\|\s*|\n\s*|\b(?:if|then|do)\s+)read(?=\s)(?![^;&|\n]*<)")
"""A script that asks at the terminal: `read` without a pipe before it or a file after it."""
_ALWAYS_SET = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM", "PWD", "OLDPWD"),
        *("IFS", "PPID", "UID"),
    )
)
"""Variables that every action has, or that a shell sets by itself."""


def literal(text: str) -> str:
    """Return a text of another tool such that a plan takes no part of it for a value."""
    return text.replace("${", "$${")


def command_keys(script: str) -> dict[str, str]:
    """Return a command as `run` if it needs no shell, else as `sh`."""
    bare = re.sub(r"(?<!\$)\$\{[A-Za-z_][\w.]*\}", "x", script)
    words = bare.split()
    if words and not _NEEDS_A_SHELL.search(bare) and words[0] not in _BUILTINS:
        return {"run": " ".join(script.split())}
    return {"sh": script}


def in_own_shells(commands: list[str]) -> list[str]:
    """Return commands such that none of them changes the shell of the next."""
    if len(commands) < 2:
        return commands
    return [
        _in_own_shell(one) if _CHANGES_ITS_SHELL.search(one) and not one.startswith("#") else one
        for one in commands
    ]


def _in_own_shell(command: str) -> str:
    # a comment or a here-document would take the closing bracket
    return f"({command}\n)" if re.search(r"[#\n\\]|<<", command) else f"({command})"


def without_failure(command: str) -> str:
    """Return a command whose failure does not count."""
    return f"({command}\n) || true" if _SPECIAL_TO_SHELLS.search(command) else f"{command} || true"


def asks(keys: Mapping[str, Any]) -> bool:
    """Return whether the script of an action asks at the terminal."""
    script = keys.get("sh")
    return isinstance(script, str) and _ASKS.search(script) is not None


def variables_from_outside(keys: Mapping[str, Any]) -> list[str]:
    """Return the variables of the environment that the scripts of an action read and that the action does not set.

    Its scripts are `sh` and those of `require`, of which each has its own variables. A plan passes only declared
    variables: without `pass`, a script that asks for CONFIRM or DRY_RUN would find it unset whatever the caller
    says.
    """
    if os.path.basename(keys.get("shell", ["sh"])[0]) not in SHELLS:
        return []
    known = _ALWAYS_SET | keys.get("env", {}).keys() | set(keys.get("pass", ()))
    read: dict[str, None] = {}
    for script in (keys.get("sh"), *(one.get("sh") for one in keys.get("require", ()))):
        if isinstance(script, str):
            written = {name for match in _WRITTEN_VARIABLE.finditer(script) for name in match.groups() if name}
            read.update((name, None) for name in _READ_VARIABLE.findall(script) if name not in written)
    return [name for name in read if name not in known and not name.startswith(("LC_", "XDG_", "TREADLE", "BASH"))]
