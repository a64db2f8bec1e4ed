"""The direction of imports inside the package, read from the sources: see docs/explanation/design.md, "The packages".

Every import counts, also inside a function and under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "src" / "treadle"

ALL_MAY_USE = {"errors", "status", "thread_owners", "_startup"}
"""Modules of no layer: each package may import them, and they import nothing of ours."""


def rows() -> dict[str, set[str]]:
    """Return what each package may import beside itself and what all may use, as the table of docs/explanation/design.md says."""
    walk = {"scheduling", "engines", "events", "content", "core"}
    command = {"walk", "state", "cache", *walk}
    fastpath = {"command", *command}
    session = {"ledger", "control", "importers", "plan", "frontends", "report", "ui", "fastpath", *fastpath}
    return {
        **{name: set() for name in ALL_MAY_USE},
        "core": set(),
        "content": {"core"},
        "state": {"content", "core"},
        "cache": {"content", "core"},
        "engines": {"core"},
        "events": {"core"},
        "ledger": {"state", "events", "content", "core"},
        "control": {"state", "events", "content", "core"},
        "scheduling": {"engines", "events", "core"},
        "walk": walk,
        "command": command,
        "fastpath": fastpath,
        "ui": {"events", "core"},
        "report": {"ui", "events", "core"},
        "frontends": {"command", "core"},
        "plan": {"frontends", "command", "content", "core"},
        # a draft is checked as a plan is
        "importers": {"plan", "command", "content", "core"},
        "session": session,
        "cli": {"session", "", *session},
        "aio": {"scheduling", "engines", "events", "command", "content", "core", "report", "ui"},
        "e3": {"walk", "scheduling", "content", "core"},
        "engine_contract": fastpath,
        "testing": {"engine_contract", *fastpath},
        # what answers at once, before `cli` is loaded
        "__main__": {"cli", "session", "fastpath", "ui"},
        # a program of its own, which nothing imports: it reads a plan as `treadle` does
        "engines.check": {"cli", "session", *session},
        # __init__.py: the public names, imported when they are asked for
        "": {"session", *session},
    }


MAY_IMPORT = rows()

IMPURE = (
    *("os", "posix", "sys", "io", "pathlib", "shutil", "tempfile", "glob", "fcntl", "mmap", "stat", "platform"),
    *("time", "datetime", "sched", "random", "secrets", "uuid", "logging", "warnings", "locale"),
    *("threading", "_thread", "queue", "asyncio", "concurrent", "multiprocessing", "signal", "select", "selectors"),
    *("subprocess", "socket", "ssl", "http", "urllib", "sqlite3", "psutil", "rich", "yaml"),
)
"""What core/ never touches: files, processes, threads, clocks, chance, the environment, logging."""


class Import:
    """One name that an import statement takes: who says it, which module it is, where."""

    def __init__(self, importer: str, imported: str, line: int, *, at_module_level: bool) -> None:
        self.importer = importer
        self.imported = imported
        self.line = line
        self.at_module_level = at_module_level

    def __str__(self) -> str:
        file = path_of(self.importer)
        return f"src/treadle/{file}:{self.line}: {self.importer or '__init__'} imports {self.imported}"


@cache
def modules() -> dict[str, Path]:
    """Return each module's dotted name below the package, "" for the package itself."""
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def path_of(module: str) -> str:
    """Return the file of a module below the package."""
    return modules()[module].relative_to(PACKAGE).as_posix()


def imports_of(module: str, path: Path) -> Iterator[Import]:
    """Yield all imports of a module: the package's own as names below it, others with a leading `!`."""
    tree = ast.parse(path.read_bytes())
    inside = {id(node) for function in functions_of(tree) for node in ast.walk(function)}
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    package = [part for part in package if part]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in named_by(node, package):
                yield Import(module, name, node.lineno, at_module_level=id(node) not in inside)


def functions_of(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the functions of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def named_by(node: ast.Import | ast.ImportFrom, package: list[str]) -> Iterator[str]:
    """Yield what one statement imports."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield own_or_foreign(alias.name)
        return
    if node.level:
        above = package[: len(package) - node.level + 1]
        start = ".".join([*above, *(node.module.split(".") if node.module else [])])
    else:
        assert node.module is not None
        start = own_or_foreign(node.module)
    if start.startswith("!"):
        yield start
        return
    known = modules()
    for alias in node.names:
        if not start and alias.name == "__version__":
            # a plain text of the package itself, which is there before any module of it
            continue
        below = f"{start}.{alias.name}" if start else alias.name
        yield below if below in known else start


def own_or_foreign(name: str) -> str:
    """Return a name below the package, or `!name` of a module of somebody else."""
    first, _, rest = name.partition(".")
    return rest if first == "treadle" else f"!{name}"


def all_imports() -> list[Import]:
    """Return every import of the package."""
    return [found for module, path in modules().items() for found in imports_of(module, path)]


def layer_of(module: str) -> str:
    """Return the row of the table that a module belongs to: its own, or that of the package or module at the top."""
    return module if module in MAY_IMPORT else module.partition(".")[0]


def upward(module: str) -> set[str]:
    """Return what a module imports against the table."""
    layer = layer_of(module)
    allowed = {layer, *ALL_MAY_USE, *MAY_IMPORT[layer]}
    imported = {found.imported for found in imports_of(module, modules()[module])}
    return {name for name in imported if not name.startswith("!") and layer_of(name) not in allowed}


@pytest.mark.parametrize("module", modules())
def test_each_module_has_its_place_in_the_table(module: str) -> None:
    assert layer_of(module) in MAY_IMPORT, (
        f"src/treadle/{path_of(module)} is in no row of {Path(__file__).name}: add it, with what it may import"
    )


@pytest.mark.parametrize("module", modules())
def test_imports_run_in_one_direction(module: str) -> None:
    assert not (wrong := upward(module)), (
        f"{module} imports {', '.join(sorted(wrong))}: {layer_of(module) or module} may import {', '.join(sorted(MAY_IMPORT[layer_of(module)] | ALL_MAY_USE))}"
    )


def test_the_table_has_no_circle() -> None:
    assert not (circle := circle_in({name: set(row) for name, row in MAY_IMPORT.items()})), " -> ".join(circle)


def test_there_is_no_circle_of_imports() -> None:
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for found in all_imports():
        if not found.imported.startswith("!") and found.imported != found.importer:
            graph[found.importer].add(found.imported)
    assert not (circle := circle_in(graph)), f"these import each other: {' -> '.join(circle)}"


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle, its first one again at the end; nothing where there is none."""
    left = dict(graph)
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    path = [min(left)] if left else []
    while path and path[-1] not in path[:-1]:
        path.append(min(left[path[-1]] & left.keys()))
    return path[path.index(path[-1]) :] if path else []


def test_a_circle_is_found_and_shown() -> None:
    assert circle_in({"a": {"b"}, "b": {"c", "d"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_core_is_pure() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if layer_of(found.importer) == "core" and found.imported.lstrip("!").partition(".")[0] in IMPURE
    ]
    assert not wrong, "\n".join(wrong)


def test_networkx_is_imported_only_inside_functions() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if found.imported.partition(".")[0] == "!networkx" and found.at_module_level and not types_only(found)
    ]
    assert not wrong, "\n".join(wrong)


def types_only(found: Import) -> bool:
    """Return whether an import stands under `if TYPE_CHECKING:`, where nothing is imported at run time."""
    tree = ast.parse(modules()[found.importer].read_bytes())
    return any(
        node.lineno < found.line <= (node.body[-1].end_lineno or 0)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
