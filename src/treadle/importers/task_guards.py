"""What a Taskfile says about whether and when a task runs: as keys of a plan, or as reasons to leave the task out.

A key that is not understood never leaves a live action.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from .conditions import Condition, ConditionError, joined, of_platforms, of_shell, of_system, quoted
from .placeholders import PlaceholderError
from .scripts import SAFE, literal
from .task_variables import NAME, TEMPLATE, Variables
from .yaml import as_list, as_map, as_text, not_understood, short

UNDERSTOOD = frozenset(
    (
        *("cmds", "cmd", "deps", "desc", "summary", "sources", "generates", "dir", "env", "vars"),
        *("silent", "method", "aliases", "internal", "run", "label", "interactive", "prefix"),
        *("requires", "if", "platforms", "dotenv", "set", "shopt", "status", "ignore_error"),
        *("prompt", "preconditions"),
    )
)
"""What is taken over of a task, or changes nothing of what it does."""
KNOWN = frozenset(("watch", "failfast"))
"""What a task may have without any meaning: `watch: false`."""
_SHELL_OPTIONS = frozenset(
    (
        *("allexport", "errexit", "noclobber", "noexec", "noglob", "nounset", "pipefail", "xtrace"),
        *("a", "e", "C", "n", "f", "u", "x"),
    )
)
_SHELL_SWITCHES = frozenset(("expand_aliases", "globstar", "nullglob"))
_FILE_TEST = re.compile(
    r"(?:test\s+-([fde])\s+(?P<test>\S+)|\[\s+-([fde])\s+(?P<short>\S+)\s+\]|\[\[\s+-([fde])\s+(?P<long>\S+)\s+\]\])"
)
_COMPARISON = re.compile(r"\{\{\s*(eq|ne)\s+(\S+|\"[^\"]*\")\s+(\S+|\"[^\"]*\")\s*\}\}")


@dataclass(slots=True)
class Guards:
    """What restrains a task.

    :ivar keys: keys of its action
    :ivar lines: the first lines of its script
    :ivar required: what has to hold before anything of the task runs, its deps included
    :ivar checked: what has to hold before its commands run
    :ivar question: what is asked before that
    :ivar variables: those of the task, with what it requires
    :ivar used: the values of the plan that its condition looks at
    :ivar made: paths that its `status` looks for
    :ivar reasons: why it is left out
    """

    variables: Variables
    keys: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    required: list[dict[str, str]] = field(default_factory=list)
    checked: list[dict[str, str]] = field(default_factory=list)
    question: str = ""
    notes: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    made: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def guards_of(root: str, name: str, body: dict[str, Any], variables: Variables, shell: list[str]) -> Guards:
    """Return what restrains a task.

    :param shell: that of the plan
    """
    guards = Guards(variables.with_own({})[0])
    _take_requires(guards, name, body)
    _take_conditions(guards, body)
    _take_status(guards, body)
    _take_preconditions(guards, body)
    keys, odd = shell_of(body, shell)
    guards.keys |= keys
    guards.reasons += odd
    for key, value in (("dotenv", body.get("dotenv")),):
        if value not in (None, "", []):
            file = dotenv_of(root, value)
            if file is None:
                guards.reasons.append(f"{key}: {short(value)}")
            else:
                guards.keys[key] = file
    return guards


def dotenv_of(root: str, value: Any) -> dict[str, Any] | None:
    """Return the files of `dotenv` as a plan has them, None if it has no such."""
    files = [as_text(one) for one in as_list(value)]
    if len(files) != 1 or isinstance(as_list(value)[0], dict | list) or not SAFE.fullmatch(files[0]):
        return None
    try:
        with open(os.path.join(root, files[0]), encoding="utf-8") as file:
            # Task replaces variables in it
            if "$" in file.read():
                return None
    except (UnicodeDecodeError, IsADirectoryError):
        return None
    except OSError:
        pass
    return {"file": files[0], "optional": True}


def shell_of(data: dict[str, Any], shell: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the shell for `set` and `shopt`, and what of them is not understood."""
    options, switches = ([as_text(one) for one in as_list(data.get(key))] for key in ("set", "shopt"))
    odd = [f"set: {one}" for one in options if one not in _SHELL_OPTIONS]
    odd += [f"shopt: {one}" for one in switches if one not in _SHELL_SWITCHES]
    if odd or not (options or switches):
        return {}, odd
    words = [word for one in options for word in ([f"-{one}"] if len(one) == 1 else ["-o", one])]
    words += [word for one in switches for word in ("-O", one)]
    return {"shell": [shell[0], *words, *shell[1:]]}, []


def _take_requires(guards: Guards, task: str, body: dict[str, Any]) -> None:
    required = body.get("requires")
    if required in (None, "", [], {}):
        return
    if not isinstance(required, dict) or required.keys() - {"vars"}:
        guards.reasons.append(f"requires: {short(required)}")
        return
    for one in as_list(required.get("vars")):
        entry = as_map(one) if isinstance(one, dict) else {"name": one}
        name, choices = as_text(entry.get("name")), entry.get("enum")
        is_list = choices is None or (isinstance(choices, list) and all(isinstance(c, str | int) for c in choices))
        if not_understood(entry, ("name", "enum")) or not NAME.fullmatch(name) or not is_list:
            guards.reasons.append(f"requires: {short(one)}")
            continue
        try:
            _require(guards, task, name, None if choices is None else [as_text(one) for one in choices])
        except PlaceholderError as error:
            guards.reasons.append(f"requires: {short(one)} ({error})")


def _require(guards: Guards, task: str, name: str, choices: list[str] | None) -> None:
    variables = guards.variables
    if name in variables.unknown:
        raise PlaceholderError(variables.unknown[name])
    known = variables.placeholders.get(name)
    if known is not None and known.plain is not None:
        if choices is not None and known.plain not in choices:
            raise PlaceholderError(f"it is {known.plain} here")
        return
    if known is None:
        variables.add_param(name, "", f"required by {task}")
        known = variables.placeholders[name]
    if known.is_list and choices is not None:
        raise PlaceholderError("a list")
    guards.used.add(known.name)
    if choices is None and known.is_list:
        guards.required.append({"sh": f'test -n "${{{known.name}}}"', "message": f"{name} is required"})
        return
    if choices is None:
        guards.required.append({"when": f'{known.name} != ""', "message": f"{name} is required"})
        return
    if not choices or not all(SAFE.fullmatch(one) for one in choices):
        raise PlaceholderError("its choices")
    listed = ", ".join(f'"{one}"' for one in choices)
    message = f"{name} must be one of: {', '.join(choices)}"
    guards.required.append({"when": f"{known.name} in [{listed}]", "message": message})


def _take_conditions(guards: Guards, body: dict[str, Any]) -> None:
    """Take over `platforms` and `if` as `when`."""
    conditions: list[Condition] = []
    platforms, test = body.get("platforms"), body.get("if")
    try:
        if platforms not in (None, "", []):
            conditions.append(of_platforms([as_text(one) for one in as_list(platforms)]))
    except ConditionError:
        guards.reasons.append(f"platforms: {short(platforms)}")
    try:
        if test not in (None, ""):
            conditions.append(_condition(guards, as_text(test)))
    except ConditionError:
        guards.reasons.append(f"if: {short(test)}")
    if not conditions or guards.reasons:
        return
    whole = joined(conditions)
    guards.keys["when"] = whole.text
    guards.keys["track"] = whole.tracked
    guards.notes.append("where this is false, what needs it is not run either; Task would run that")


def _condition(guards: Guards, text: str) -> Condition:
    def value(word: str) -> str:
        match = TEMPLATE.fullmatch(word)
        if match is None:
            return ""
        inner = match.group(1)
        if inner in ("OS", "ARCH"):
            return "platform.os" if inner == "OS" else ""
        known = guards.variables.placeholders.get(inner.removeprefix("."))
        if known is None or known.is_list or known.name == "args" or inner[:1] != ".":
            raise ConditionError(word)
        guards.used.add(known.name)
        return known.name

    compared = _COMPARISON.fullmatch(text.strip())
    if compared is None:
        made = of_shell(re.sub(r"\{\{\s*(\S+)\s*\}\}", r"{{\1}}", text), value)
    else:
        sign = {"eq": "==", "ne": "!="}[compared.group(1)]
        sides = [
            quoted(one[1:-1]) if one[:1] == '"' == one[-1:] else value(f"{{{{{one}}}}}")
            for one in compared.group(2, 3)
        ]
        if not all(sides):
            raise ConditionError(text)
        made = Condition(f"{sides[0]} {sign} {sides[1]}")
    found = re.search(r"platform\.os (?:==|!=) \"([^\"]*)\"|\"([^\"]*)\" (?:==|!=) platform\.os", made.text)
    if found is not None:
        if "{{" not in text or re.search(r"\b(and|or)\b", made.text):
            raise ConditionError(text)
        name = found.group(1) or found.group(2)
        sign = "!=" if "!=" in made.text else "=="
        made.text = of_system(name).text.replace("==", sign)
    return made


def _take_preconditions(guards: Guards, body: dict[str, Any]) -> None:
    """Take over `preconditions` as `require`, and `prompt` as `confirm`."""
    prompts = as_list(body.get("prompt"))
    if not all(isinstance(one, str) for one in prompts):
        guards.reasons.append(f"prompt: {short(body['prompt'])}")
        return
    try:
        question = " ".join(" ".join(prompts).split())
        guards.question = guards.variables.filled(question, guards.used) if "{{" in question else literal(question)
        for one in as_list(body.get("preconditions")):
            entry = as_map(one) if isinstance(one, dict) else {"sh": one}
            command, message = entry.get("sh"), as_text(entry.get("msg"))
            if not_understood(entry, ("sh", "msg")) or not isinstance(command, str):
                guards.reasons.append(f"preconditions: {short(one)}")
                continue
            required = {"sh": guards.variables.filled(command.strip(), guards.used)}
            if message:
                plain = guards.variables.plain_or_star(message)
                required["message"] = literal(" ".join(plain.split()))
            guards.checked.append(required)
    except PlaceholderError as error:
        guards.reasons.append(str(error))


def _take_status(guards: Guards, body: dict[str, Any]) -> None:
    """Take over a `status` that looks for files, as outputs that are made only while they are missing."""
    tests = as_list(body.get("status"))
    if not tests:
        return
    for one in tests:
        found = _FILE_TEST.fullmatch(one.strip()) if isinstance(one, str) else None
        path = next(filter(None, found.group("test", "short", "long"))).strip("\"'") if found else ""
        if found is None or not SAFE.fullmatch(TEMPLATE.sub("x", path)):
            guards.reasons.append(f"status: {short(body['status'])}")
            return
        kind = next(filter(None, found.group(1, 3, 5)))
        guards.made.append(f"{path.rstrip('/')}/" if kind == "d" else path)
        if kind == "d":
            # a plan makes the folder before, and a program may insist on making it itself
            guards.lines.append(f"rmdir {path} 2> /dev/null || true")
    if body.get("generates") or as_text(body.get("method")) == "none":
        guards.reasons.append(f"status: {short(body['status'])}")
    elif not body.get("sources"):
        guards.keys["once"] = True
    guards.keys["keep"] = True
