"""Find public modules, classes and functions that have no line of documentation: `style.py FILE...`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

bare = [
    f"{file}:{getattr(node, 'lineno', 1)}: {getattr(node, 'name', 'the module')} has no documentation"
    for file in sys.argv[1:]
    for node in ast.walk(ast.parse(Path(file).read_text("utf-8"), file))
    if isinstance(node, DOCUMENTED) and not getattr(node, "name", "").startswith("_")
    if ast.get_docstring(node) is None
]
sys.exit("\n".join(bare) or None)
