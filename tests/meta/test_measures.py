"""Bounds on the worst places of the code, and what must not stand in it: see CONTRIBUTING.md, "Measures"."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "treadle"

LONGEST_FUNCTION = 79
NINE_IN_TEN_FUNCTIONS = 34

SLEEPING = {
    "unit/command/test_walk.py": "looks until a file that an action writes is there",
    "support/project.py": "wait_until: looks until the command under test has done something of which it tells nothing",
}
"""Files of tests that call sleep(), each with what no event could tell it."""

UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
UNSAFE_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
UNSAFE_METHODS = {"extractall"}
"""What runs or writes whatever a file says: state and plans are data, wherever they come from."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[str]:
    """Return the Python files below these folders, relative to the root."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


EVERYTHING = sources("src", "tests", "plans", "bench")


@cache
def parsed(file: str) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse((ROOT / file).read_bytes())


def nodes(file: str) -> Iterator[ast.AST]:
    """Yield every node of a file."""
    return ast.walk(parsed(file))


def length(node: Function | ast.ClassDef) -> int:
    """Return how many lines a definition takes, without its decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def dotted(node: ast.expr) -> str:
    """Return `a.b` of a name or an attribute of a name, "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


@pytest.mark.parametrize("file", EVERYTHING)
def test_no_function_is_too_long(file: str) -> None:
    long = [
        f"{file}:{node.lineno}: {node.name} takes {length(node)} lines, {LONGEST_FUNCTION} at most"
        for node in nodes(file)
        if isinstance(node, Function) and length(node) > LONGEST_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_nine_functions_in_ten_are_short() -> None:
    lengths = [length(node) for file in sources("src") for node in nodes(file) if isinstance(node, Function)]
    short = sum(1 for lines in lengths if lines <= NINE_IN_TEN_FUNCTIONS)
    assert short >= 0.9 * len(lengths), f"{short} of {len(lengths)} take at most {NINE_IN_TEN_FUNCTIONS} lines"


@pytest.mark.parametrize("file", sources("tests"))
def test_no_test_sleeps(file: str) -> None:
    calls = [
        f"{file}:{node.lineno}: wait for what you wait for, not for a time"
        for node in nodes(file)
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "sleep"
    ]
    if file.removeprefix("tests/") in SLEEPING:
        assert calls, f"{file} sleeps no more: take it off the list"
    else:
        assert not calls, "\n".join(calls)


@pytest.mark.parametrize("file", sources("src/treadle"))
def test_nothing_runs_what_a_file_says(file: str) -> None:
    wrong = [f"{file}:{line}: {name}" for line, name in unsafe(file)]
    assert not wrong, "\n".join(wrong)


def unsafe(file: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each import and call that takes data for code or unpacks it anywhere."""
    for node in nodes(file):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0]}
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in UNSAFE_CALLS or method in UNSAFE_METHODS:
                yield node.lineno, f"calls {name or method}"
            continue
        else:
            continue
        for name in names & UNSAFE_MODULES:
            yield node.lineno, f"imports {name}"
