"""Drafts from tox and nox: one action for each environment or session. Nothing is run or imported to find these."""

from __future__ import annotations

import ast
import configparser
import os
import re
import tomllib
from collections.abc import Iterator
from itertools import product
from typing import Any

from .draft import Draft
from .files import read_text

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)-(\d+)")
_MOST = 200
"""Environments of one list."""


def tox_environments(root: str) -> tuple[str, list[str], list[str]]:
    """Return the file that tox reads, the environments that it runs by itself, and those that have to be named."""
    for file, section in (("tox.ini", "tox"), ("setup.cfg", "tox:tox")):
        text = read_text(root, file)
        found = _of_ini(text, section) if text else None
        if found is not None:
            return (file, *found)
    settings = _toml(root, "pyproject.toml").get("tool")
    tox = settings.get("tox") if isinstance(settings, dict) else None
    if isinstance(tox, dict):
        if isinstance(legacy := tox.get("legacy_tox_ini"), str):
            found = _of_ini(legacy, "tox")
            return ("pyproject.toml", *(found or ([], [])))
        return ("pyproject.toml", *_of_toml(tox))
    tox = _toml(root, "tox.toml")
    return ("tox.toml", *_of_toml(tox)) if tox else ("", [], [])


def _of_ini(text: str, section: str) -> tuple[list[str], list[str]] | None:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    sections = [one.removeprefix("testenv:") for one in parser.sections() if one.startswith("testenv:")]
    if not parser.has_section(section) and not sections and not parser.has_section("testenv"):
        return None
    listed = ""
    for key in ("env_list", "envlist"):
        listed = listed or (parser.get(section, key, fallback="") if parser.has_section(section) else "")
    default = list(_expanded(listed))
    named = [one for name in sections for one in _expanded(name) if one not in default and not one.startswith(".")]
    return default or ["py"], named


def _of_toml(tox: dict[str, Any]) -> tuple[list[str], list[str]]:
    listed = tox.get("env_list")
    default = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    tables = tox.get("env")
    named = [one for one in tables if one not in default] if isinstance(tables, dict) else []
    return default or ["py"], named


def _expanded(text: str) -> Iterator[str]:
    """Yield the names of a list such as `py{310,311}-{a,b}, lint`."""
    depth, start = 0, 0
    words = []
    text = "\n".join(line.partition("#")[0] for line in text.split("\n"))
    for at, char in enumerate(f"{text}\n"):
        depth += (char == "{") - (char == "}")
        if char in ",\n" and not depth:
            words.append(text[start:at].strip())
            start = at + 1
    for word in filter(None, words):
        parts = _BRACES.split(word)
        choices = [_choices(part) if number % 2 else [part] for number, part in enumerate(parts)]
        for number, one in enumerate(product(*choices)):
            if number < _MOST:
                yield re.sub(r"\s+", "", "".join(one))


def _choices(text: str) -> list[str]:
    found = []
    for one in text.split(","):
        if (bounds := _RANGE.fullmatch(one.strip())) is not None:
            found += [str(number) for number in range(int(bounds.group(1)), int(bounds.group(2)) + 1)]
        else:
            found.append(one.strip())
    return found[:_MOST]


def _toml(root: str, name: str) -> dict[str, Any]:
    try:
        with open(os.path.join(root, name), "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return {}


def tox_draft(root: str, sources: list[Any]) -> Draft | None:
    """Return a draft of what tox runs, None if the project has no environments.

    :param sources: what its environments read
    """
    file, default, named = tox_environments(root)
    if not file:
        return None
    draft = Draft(file, queues={"tox": 1}, passes_environment=True)
    read = [
        *sources,
        *(one for one in ("tox.ini", "tox.toml", "setup.cfg", "pyproject.toml") if _is_there(root, one)),
    ]
    for name in default:
        keys = {"help": f"the environment {name} of tox", "run": f"tox -e {name}", "in": read, "queue": "tox"}
        draft.add(name, keys)
    for name in named:
        # what it does is not known: it may publish
        keys = {"help": f"the environment {name} of tox", "run": f"tox -e {name}", "queue": "tox"}
        draft.add(name, keys)
    draft.default = [action.name for action in draft.actions[: len(default)]]
    return draft


def nox_draft(root: str, name: str, sources: list[Any]) -> Draft | None:
    """Return a draft of the sessions of a noxfile, None if it has none.

    :param sources: what sessions that run by themselves read
    """
    try:
        tree = ast.parse(read_text(root, name))
    except (SyntaxError, ValueError, RecursionError):
        return None
    draft = Draft(name, queues={"nox": 1}, passes_environment=True)
    by_itself: list[str] = []
    for function in ast.walk(tree):
        decorated = _session_of(function)
        if decorated is None or not isinstance(function, ast.FunctionDef):
            continue
        session, is_default = decorated
        if session is None:
            text = f"  def {function.name}(...)  # line {function.lineno}"
            draft.leave_out(function.name, "only nox knows the name of the session", text)
            continue
        if not re.fullmatch(r"[\w.-]+", session):
            draft.leave_out(session, "its name has other characters", f"  {session}")
            continue
        lines = (ast.get_docstring(function) or f"the session {session} of nox").strip().split("\n")
        action = draft.add(session, {"help": lines[0], "run": f"nox -s {session}", "queue": "nox"})
        if is_default:
            by_itself.append(action.name)
    said = _default_sessions(tree)
    if said is not None:
        by_itself = [one for one in said if one in {action.name for action in draft.actions}]
    if not draft.actions:
        return None
    for action in draft.live:
        if action.name in by_itself:
            action.keys["in"] = [*sources, name]
    draft.default = by_itself
    return draft


def _session_of(function: ast.AST) -> tuple[str | None, bool] | None:
    """Return the name of the session that a function is and whether a bare nox runs it; None if it is none."""
    if not isinstance(function, ast.FunctionDef):
        return None
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = call.func if call is not None else decorator
        shown = ast.unparse(target)
        if shown not in ("nox.session", "session", "nox_poetry.session"):
            continue
        name: str | None = function.name
        is_default = True
        for keyword in call.keywords if call is not None else ():
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg == "name":
                name = value if isinstance(value, str) else None
            elif keyword.arg == "default":
                is_default = value is True
        return name, is_default
    return None


def _default_sessions(tree: ast.Module) -> list[str] | None:
    """Return what `nox.options.sessions` names, None if it is not set."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "nox.options.sessions":
            try:
                return [str(one) for one in ast.literal_eval(node.value)]
            except (ValueError, TypeError):
                return []
    return None


def _is_there(root: str, name: str) -> bool:
    return os.path.isfile(os.path.join(root, name))
