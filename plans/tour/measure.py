"""Measure one module or package of a library: `measure.py OUT NAME FILE...` writes the numbers as JSON.

It knows nothing of the other books on the shelf. What it writes holds no path, no date and no version,
so the same numbers are the same bytes.
"""

from __future__ import annotations

import ast
import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Read the files named on the command line and write what was counted."""
    out, name, *files = sys.argv[1:]
    counts = {
        "lines": 0,
        "code": 0,
        "classes": 0,
        "functions": 0,
        "public": 0,
        "documented": 0,
        "unparsed": 0,
    }
    imports: set[str] = set()
    for file in files:
        with open(file, "rb") as source:
            data = source.read()
        add(counts, imports, data)
    imports.discard(name)
    book = {"name": name, "files": len(files), **counts, "imports": sorted(imports)}
    with open(out, "w", encoding="utf-8") as text:
        json.dump(book, text, indent=1)
        text.write("\n")


def add(counts: dict[str, int], imports: set[str], data: bytes) -> None:
    """Add one file to the counts. Not every file that ends in .py is Python: such a one is only long."""
    lines = data.splitlines()
    counts["lines"] += len(lines)
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        counts["unparsed"] += 1
        return
    prose, text = set(prose_lines(tree)), set(text_lines(tree))
    counts["code"] += sum(
        1
        for number, line in enumerate(lines, 1)
        if number not in prose and (bare := line.strip()) and (number in text or not bare.startswith(b"#"))
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            counts["classes"] += 1
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            counts["functions"] += 1
        elif isinstance(node, ast.Import):
            imports.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports.add(node.module.partition(".")[0])
    for public in public_parts(tree):
        counts["public"] += 1
        counts["documented"] += docstring(public) is not None


def public_parts(tree: ast.Module) -> Iterator[ast.Module | Definition]:
    """Yield the module, its public classes and functions, and the public methods of those classes."""
    yield tree
    todo: list[ast.stmt] = list(tree.body)
    for node in todo:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                todo.extend(node.body)


def prose_lines(tree: ast.Module) -> Iterator[int]:
    """Yield the numbers of the lines that docstrings take."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | Definition):
            doc = docstring(node)
            if doc is not None:
                yield from range(doc.lineno, (doc.end_lineno or doc.lineno) + 1)


def text_lines(tree: ast.Module) -> Iterator[int]:
    """Yield the numbers of the lines that begin inside a string: a # there begins no remark."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            yield from range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)


def docstring(node: ast.Module | Definition) -> ast.Constant | None:
    """Return the docstring of a module, class or function, None where it has none."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value
    return None


if __name__ == "__main__":
    main()
