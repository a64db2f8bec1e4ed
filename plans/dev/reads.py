"""A plugin of pytest: what of a project the tests have read goes into a depfile, `-p reads --reads FILE`.

It sees modules, and files that the tests open themselves; what programs read that they start, it does not see.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_opened: set[str] = set()


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    """Keep the names of files that are opened for reading."""
    if event == "open" and isinstance(arguments[0], str) and arguments[1] in ("r", "rb"):
        _opened.add(os.path.abspath(arguments[0]))


def _of_project(path: str, root: str) -> bool:
    """Return whether a file is a source below the root: nothing hidden, nothing that Python keeps for itself."""
    inner = os.path.relpath(path, root).split(os.sep)
    return not any(name.startswith(".") or name == "__pycache__" for name in inner) and os.path.isfile(path)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the name of the depfile, and begin to listen."""
    parser.addoption("--reads", metavar="FILE", help="a depfile of what the tests have read")
    sys.addaudithook(_hear)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the depfile."""
    depfile = config.getoption("--reads")
    root = str(config.rootpath)
    modules = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    found = {*_opened, *(os.path.abspath(file) for file in modules if file)}
    names = sorted(os.path.relpath(path, root) for path in found if _of_project(path, root))
    if depfile:
        with open(depfile, "w", encoding="utf-8") as text:
            text.write(" \\\n ".join(["tests:", *(name.replace(" ", "\\ ") for name in names)]) + "\n")
