"""The direction of imports inside the package, read from the sources: see docs/design.md, "The rooms".

Every import counts, also inside a function and under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent.parent / "src" / "treadle"

EVERYBODY_MAY = {"callbacks", "errors", "status"}
STATE = {
    "core",
    "digests",
    "files",
    "grain",
    "fingerprint",
    "frames",
    "manifests",
    "records",
    "store",
    "lock",
    "marks",
    "process",
    "trust",
    "git",
    "own_files",
}
COMMAND_JOB = {*STATE, "hidden", "hooks", "runner", "job", "command", "question", "links", "depfile"}
COMMAND_WALK = {
    *(*COMMAND_JOB, "discovery", "former", "found", "file_edges", "ownership", "outputs"),
    *("command_check", "command_job", "environment", "scheduler", "walk"),
}

MAY_IMPORT: dict[str, set[str]] = {
    # room: what it may import beside itself and what EVERYBODY_MAY. A name stands for all that lies below it.
    "errors": set(),
    "status": set(),
    "callbacks": set(),
    "command": set(),
    "core": set(),
    "digests": set(),
    "fingerprint": {"core.elements", "digests"},
    "grain": {"snapshot"},
    "hidden": set(),
    "hooks": set(),
    "files": {"digests", "grain", "snapshot"},
    "frames": set(),
    "records": {"core"},
    "lock": {"core", "grain", "thread_owners", "trust"},
    "thread_owners": set(),
    "trust": set(),
    "environment": set(),
    "git": {"trust"},
    "manifests": {"frames", "own_files"},
    "own_files": {"trust"},
    "store": {"core", "files", "frames", "manifests", "records", "lock", "marks", "trust", "git", "own_files"},
    "marks": set(),
    "process": {"marks"},
    "runner": {"process", "marks", "command"},
    "job": {"environment", "hooks", "marks", "process", "runner"},
    "coroutine_job": {"hooks", "job"},
    "coroutines": {"job", "thread_owners"},
    "awaited": {"thread_owners"},
    "deadlines": {"core.containers", "job"},
    "threads": {"job", "thread_owners"},
    "inbox": {"core.containers", "job", "runner"},
    "running": {"coroutine_job", "coroutines", "deadlines", "hooks", "inbox", "job", "runner", "threads"},
    "scheduler": {
        *("awaited", "core.admission", "core.containers", "core.dag"),
        *("hooks", "job", "runner", "running", "process"),
    },
    "walk": {"awaited", "collector", "core", "hooks", "scheduler", "job", "fingerprint"},
    "links": set(),
    "depfile": {"command", "links"},
    "question": {*STATE, "command", "hidden", "links"},
    "ownership": {*STATE, "snapshot"},
    "outputs": {*STATE, "command", "ownership", "question"},
    "former": {"core", "files", "ownership", "store"},
    "found": {*STATE, "command", "links", "question"},
    "discovery": {"command", "depfile", "digests", "files", "links", "question"},
    "file_edges": {"command", "core.dag", "hooks", "links"},
    "command_check": {"command", "core.dag", "file_edges", "links", "store"},
    "command_job": COMMAND_JOB,
    "command_walk": COMMAND_WALK,
    "version": set(),
    "snapshot": {"own_files"},
    "compiled": {"command", "hidden"},
    "quick": {"environment", "snapshot", "frames", "version", "hidden", "trust", "own_files"},
    "command_snapshot": {*COMMAND_WALK, "command_walk", "compiled", "quick", "snapshot"},
    "plan": {
        "command",
        "core.dag",
        "core.dag_text",
        "digests",
        "core.dag_algorithms",
        "environment",
        "hidden",
        "links",
        "trust",
    },
    "ui": {"core.decision", "command"},
    "report": {"core.decision", "command", "ui"},
    "collector": set(),
    "aio": {
        *(
            "collector",
            "core.admission",
            "core.countdown",
            "core.dag",
            "core.dag_order",
            "core.dag_text",
            "report",
            "ui",
            "version",
        ),
        *(
            "coroutine_job",
            "environment",
            "hooks",
            "job",
            "command",
            "files",
            "question",
            "marks",
            "process",
            "runner",
        ),
    },
    "e3": {"hooks", "walk", "scheduler", "job", "core.dag", "fingerprint"},
    "testing": {*COMMAND_WALK, "command_walk"},
    "command_changes": {*COMMAND_WALK, "command_walk", "command_snapshot", "compiled", "quick", "snapshot"},
    "cli": {
        "command_changes",
        *COMMAND_WALK,
        "command_walk",
        "command_snapshot",
        "compiled",
        "quick",
        "snapshot",
        "plan",
        "ui",
        "report",
        "",
    },
    "__main__": {"cli"},
    # __init__.py: the public names, imported when asked for
    "": {*COMMAND_WALK, "command_walk", "coroutine_job", "version"},
}

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
        below = f"{start}.{alias.name}" if start else alias.name
        yield below if below in known else start


def own_or_foreign(name: str) -> str:
    """Return a name below the package, or `!name` of a module of somebody else."""
    first, _, rest = name.partition(".")
    return rest if first == "treadle" else f"!{name}"


def all_imports() -> list[Import]:
    """Return every import of the package."""
    return [found for module, path in modules().items() for found in imports_of(module, path)]


def room_of(module: str) -> str | None:
    """Return the row of the table that a module belongs to: its own, or that of the package it lies in."""
    if module in MAY_IMPORT:
        return module
    first = module.partition(".")[0]
    return first if first in MAY_IMPORT else None


def below(module: str, allowed: str) -> bool:
    """Return whether a module is the allowed one or lies in it."""
    return module == allowed or (allowed != "" and module.startswith(f"{allowed}."))


@pytest.mark.parametrize("module", modules())
def test_each_module_has_its_place_in_the_table(module: str) -> None:
    assert room_of(module) is not None, (
        f"src/treadle/{path_of(module)} is not in MAY_IMPORT of {Path(__file__).name}: add it, with what it may import"
    )


@pytest.mark.parametrize("module", modules())
def test_imports_run_in_one_direction(module: str) -> None:
    room = room_of(module)
    allowed = MAY_IMPORT.get(room or "", set()) | EVERYBODY_MAY | ({room} if room else set())
    wrong = {
        str(found)
        for found in imports_of(module, modules()[module])
        if not found.imported.startswith("!") and not any(below(found.imported, name) for name in allowed)
    }
    assert not wrong, "\n".join(
        [f"{room or module} may import {', '.join(sorted(allowed - {''}))}", *sorted(wrong)]
    )


def test_the_public_face_stands_above_all_and_is_used_by_the_command_line_alone() -> None:
    wrong = [str(found) for found in all_imports() if found.imported == "" and room_of(found.importer) != "cli"]
    assert not wrong, "\n".join(wrong)


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
        if below(found.importer, "core") and found.imported.lstrip("!").partition(".")[0] in IMPURE
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
