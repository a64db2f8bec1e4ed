"""A draft for a Python project: its tests, its checks, its package; for loose scripts, that they compile."""

from __future__ import annotations

import os
import tomllib
from typing import Any

from .draft import Draft
from .files import folders_in, read_text

_LEFT_OUT = ("build", "dist", "node_modules", "venv")
_CONFIGS = (
    *("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "mypy.ini", "ruff.toml"),
    ".ruff.toml",
)
_SAYS_NEEDS = (
    *("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "requirements.txt"),
    *("requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt"),
)
"""Files in which a project may say that it needs pytest."""


def python_draft(root: str) -> Draft | None:
    """Return a draft if there is Python in the folder."""
    configs = [name for name in _CONFIGS if os.path.isfile(os.path.join(root, name))]
    folders = _folders_with_python(root)
    scripts = sorted(entry.name for entry in os.scandir(root) if entry.name.endswith(".py") and entry.is_file())
    loose = [name for name in scripts if name not in _CONFIGS]
    is_project = is_python_project(root)
    if not is_project and not folders and not loose:
        return None
    draft = Draft("a Python project" if is_project else "Python scripts")
    settings = _settings(root)
    sources = [*[f"{name}/" for name in folders], *loose]
    if sources:
        draft.vars["sources"] = sources
        _add_checks(draft, root, configs, settings)
    if sources and _has_tests(root, folders, loose):
        run = "python3 -m pytest" if _uses_pytest(root) else "python3 -m unittest discover"
        draft.add("test", {"help": "the tests", "run": run, "in": ["${sources}", *_settings_of(configs, "test")]})
    if "build-system" in settings:
        packages = ["src"] if "src" in folders else [name for name in folders if _is_package(root, name)]
        keys = {
            "help": "what is installed elsewhere",
            "run": "python3 -m build --outdir ${out}",
            "in": ["pyproject.toml", *(f"{name}/" for name in packages), *loose],
            "out": "dist/",
        }
        draft.add("package", keys)
    if not draft.actions and sources:
        draft.add("compile", {"help": "is it Python?", "run": "python3 -m compileall -q ${in}", "in": "${sources}"})
    if not draft.actions:
        return None
    checks = [action.name for action in draft.actions if action.name != "package"]
    if len(checks) > 1:
        draft.groups["all"] = checks
    draft.default = ["all"] if len(checks) > 1 else checks
    return draft


def is_python_project(root: str) -> bool:
    """Return whether the folder says itself that it is a Python project."""
    return any(os.path.isfile(os.path.join(root, name)) for name in _CONFIGS[:3])


def _folders_with_python(root: str) -> list[str]:
    """Return the folders here that hold Python, at any depth, without virtual environments."""
    return [
        folder.name
        for folder in folders_in(root, _LEFT_OUT)
        if not folder.is_symlink() and not os.path.exists(os.path.join(folder.path, "pyvenv.cfg"))
        if any(name.endswith(".py") for _, _, names in os.walk(folder.path) for name in names)
    ]


def _is_package(root: str, name: str) -> bool:
    return name not in ("tests", "test") and os.path.isfile(os.path.join(root, name, "__init__.py"))


def _settings(root: str) -> dict[str, Any]:
    """Return pyproject.toml, empty if there is none that can be read."""
    try:
        with open(os.path.join(root, "pyproject.toml"), "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _add_checks(draft: Draft, root: str, configs: list[str], settings: dict[str, Any]) -> None:
    tools = settings.get("tool")
    tools = tools if isinstance(tools, dict) else {}

    def add(name: str, help_text: str, run: str, read: list[str]) -> None:
        draft.add(name, {"help": help_text, "run": f"{run} ${{sources}}", "in": ["${sources}", *read]})

    if "ruff" in tools or "ruff.toml" in configs or ".ruff.toml" in configs:
        add("lint", "style", "ruff check", _settings_of(configs, "ruff"))
    elif "flake8" in tools or os.path.exists(os.path.join(root, ".flake8")):
        add("lint", "style", "flake8", [])
    if "black" in tools:
        add("format", "is it formatted?", "black --check", ["pyproject.toml"])
    if "mypy" in tools or "mypy.ini" in configs:
        add("types", "types", "mypy", _settings_of(configs, "mypy"))


def _settings_of(configs: list[str], tool: str) -> list[str]:
    """Return the files that hold the settings of a tool."""
    return [name for name in configs if tool in name or name in ("pyproject.toml", "setup.cfg")]


def _has_tests(root: str, folders: list[str], loose: list[str]) -> bool:
    if {"tests", "test"} & set(folders) or any(name.startswith("test_") for name in loose):
        return True
    return any(
        name.startswith("test_") and name.endswith(".py")
        for folder in folders
        for _, _, names in os.walk(os.path.join(root, folder))
        for name in names
    )


def _uses_pytest(root: str) -> bool:
    """Return whether the project has a conftest.py, or names pytest where it says what it needs."""
    has_conftest = any(os.path.isfile(os.path.join(root, name)) for name in ("conftest.py", "tests/conftest.py"))
    return has_conftest or any("pytest" in read_text(root, name) for name in _SAYS_NEEDS)
