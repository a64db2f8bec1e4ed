"""A draft for a Python project: its tests, its checks, its package; for loose scripts, that they compile."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from .draft import Draft
from .files import folders_in, read_text

_LEFT_OUT = ("build", "dist", "node_modules", "venv")
_CONFIGS = (
    *("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "mypy.ini", "ruff.toml"),
    ".ruff.toml",
)
_LITTER = ("*.egg-info/", ".*_cache/")
"""What tools leave next to sources, besides what no folder counts."""
_SAYS_NEEDS = (
    *("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "requirements.txt"),
    *("requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt"),
)
"""Files in which a project may say that it needs pytest."""


def python_sources(root: str) -> list[str]:
    """Return the folders with Python and the loose files of a project."""
    folders = [f"{name}/" for name in _folders_with_python(root)]
    return [*folders, *_loose(root)]


def python_inputs(root: str) -> list[Any]:
    """Return what the tools of a project read: its folders without what builds leave in them, and loose files."""
    is_built = any(os.path.isfile(os.path.join(root, name)) for name in ("setup.py", "setup.cfg"))
    if not is_built and "build-system" not in _settings(root):
        return [*python_sources(root)]
    return [{"tree": one, "exclude": [*_LITTER]} if one.endswith("/") else one for one in python_sources(root)]


def _tree_of(value: Any) -> str:
    return str(value["tree"] if isinstance(value, dict) else value).rstrip("/")


def _loose(root: str) -> list[str]:
    scripts = sorted(entry.name for entry in os.scandir(root) if entry.name.endswith(".py") and entry.is_file())
    return [name for name in scripts if name not in _CONFIGS and name != "noxfile.py"]


def python_draft(root: str, *, has_checks: bool = True) -> Draft | None:
    """Return a draft if there is Python in the folder.

    :param has_checks: whether checks and tests are part of it
    """
    configs = [name for name in _CONFIGS if os.path.isfile(os.path.join(root, name))]
    folders = _folders_with_python(root)
    loose = _loose(root)
    is_project = is_python_project(root)
    if not is_project and not folders and not loose:
        return None
    draft = Draft("a Python project" if is_project else "Python scripts")
    settings = _settings(root)
    sources = [*[f"{name}/" for name in folders], *loose]
    if sources and has_checks:
        draft.vars["sources"] = sources
        _add_checks(draft, root, configs, settings)
    if sources and has_checks and _has_tests(root, folders, loose):
        tools = settings.get("tool")
        configured = _configured(root, tools if isinstance(tools, dict) else {}, "pytest") or ()
        read = [*python_inputs(root), *_paths_of(root, configured), *_settings_of(configs, "test")]
        draft.add("test", {"help": "the tests", **_command_of_tests(root), "in": read})
    if "build-system" in settings:
        packages = ["src"] if "src" in folders else [name for name in folders if _is_package(root, name)]
        keys = {
            "help": "what is installed elsewhere",
            "run": "python3 -m build --outdir ${out}",
            "in": ["pyproject.toml", *(one for one in python_inputs(root) if _tree_of(one) in packages), *loose],
            "out": "dist/",
        }
        draft.add("package", keys)
    if not draft.actions and sources and has_checks:
        draft.add("compile", {"help": "is it Python?", "run": "python3 -m compileall -q ${in}", "in": "${sources}"})
    if not draft.actions:
        return None
    checks = [action.name for action in draft.actions if action.name != "package"]
    if len(checks) > 1:
        draft.groups["all"] = checks
    draft.default = ["all"] if len(checks) > 1 else checks
    if not has_checks:
        draft.default = []
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
    return _toml(root, "pyproject.toml")


def _toml(root: str, name: str) -> dict[str, Any]:
    try:
        with open(os.path.join(root, name), "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _add_checks(draft: Draft, root: str, configs: list[str], settings: dict[str, Any]) -> None:
    tools = settings.get("tool")
    tools = tools if isinstance(tools, dict) else {}

    def add(name: str, help_text: str, run: str, read: list[str], configured: list[str] | None = None) -> None:
        words = f"{run} ${{sources}}" if configured is None else run
        keys = {
            "help": help_text,
            "run": words,
            "in": [*python_inputs(root), *_paths_of(root, configured or ()), *read],
        }
        draft.add(name, keys)

    if "ruff" in tools or "ruff.toml" in configs or ".ruff.toml" in configs:
        add("lint", "style", "ruff check", _settings_of(configs, "ruff"), _configured(root, tools, "ruff"))
    elif "flake8" in tools or os.path.exists(os.path.join(root, ".flake8")):
        add("lint", "style", "flake8", [])
    if "black" in tools:
        add("format", "is it formatted?", "black --check", ["pyproject.toml"])
    if "mypy" in tools or "mypy.ini" in configs:
        add("types", "types", "mypy", _settings_of(configs, "mypy"), _configured(root, tools, "mypy"))


_CONFIGURED: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "mypy": (("files", "packages", "modules"), {"mypy.ini": "mypy", ".mypy.ini": "mypy", "setup.cfg": "mypy"}),
    "ruff": (("include", "extend-include"), {}),
    "pytest": (("testpaths",), {"pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}),
}
"""Tool -> the settings that say what it looks at without arguments, and the other files that hold them."""


def _configured(root: str, tools: dict[str, Any], tool: str) -> list[str] | None:
    """Return the paths that the settings of a tool name, None if they name none and it has to be given some."""
    names, files = _CONFIGURED[tool]
    settings: list[dict[str, Any]] = []
    own = tools.get(tool)
    own = own.get("ini_options") if tool == "pytest" and isinstance(own, dict) else own
    settings += [own] if isinstance(own, dict) else []
    if tool == "ruff":
        settings += [_toml(root, one) for one in ("ruff.toml", ".ruff.toml")]
    for file, section in files.items():
        parser = configparser.RawConfigParser(strict=False)
        with contextlib.suppress(configparser.Error):
            parser.read_string(read_text(root, file))
            settings += [dict(parser.items(section))] if parser.has_section(section) else []
    found = [one[name] for one in settings for name in names if one.get(name)]
    if not found:
        return None
    words = [
        re.split(r"[,\n]|\s" if tool == "pytest" else r"[,\n]", one) if isinstance(one, str) else one
        for one in found
    ]
    return [str(word).strip() for one in words if isinstance(one, list) for word in one if str(word).strip()]


def _paths_of(root: str, words: Iterable[str]) -> list[str]:
    """Return those words that are paths of the project and not among its folders with Python already."""
    known = python_sources(root)
    found = []
    for word in dict.fromkeys(one.rstrip("/").removeprefix("./") for one in words):
        path = f"{word}/" if os.path.isdir(os.path.join(root, word)) else word
        is_inside = not os.path.isabs(word) and ".." not in word and word not in ("", ".")
        if (
            is_inside
            and os.path.exists(os.path.join(root, word))
            and not any(path.startswith(one) for one in known)
        ):
            found.append(path)
    return found


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


def _command_of_tests(root: str) -> dict[str, Any]:
    """Return how the tests are run: by unittest where all of them are its own, else by pytest.

    A run of unittest that finds no tests is a success, so it is called for each folder in which it has to begin.
    """
    tests = list(_files_of_tests(root))
    is_unittest = bool(tests) and all("unittest" in read_text(root, file) for file in tests)
    if not is_unittest or _uses_pytest(root):
        return {"run": "python3 -m pytest"}
    starts = sorted({_start_of_discovery(root, file) for file in tests})
    calls = [" ".join(["python3 -m unittest discover", *([shlex.quote(one)] if one else [])]) for one in starts]
    keys: dict[str, Any] = {"run": calls if len(calls) > 1 else calls[0]}
    if os.path.isdir(os.path.join(root, "src")) and not _is_package(root, "src"):
        keys["env"] = {"PYTHONPATH": "src"}  # the package need not be installed for its tests
    return keys


def _files_of_tests(root: str) -> Iterator[str]:
    """Yield the files that unittest and pytest take for tests, relative to the root."""
    yield from (name for name in _loose(root) if name.startswith("test_"))
    for folder in _folders_with_python(root):
        for path, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                if name.endswith(".py") and name.startswith("test_"):
                    yield os.path.relpath(os.path.join(path, name), root)


def _start_of_discovery(root: str, file: str) -> str:
    """Return the folder from which unittest finds a file: it goes down into packages alone. "" is the root."""
    folder = os.path.dirname(file)
    while folder and os.path.isfile(os.path.join(root, folder, "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


def _uses_pytest(root: str) -> bool:
    """Return whether the project has a conftest.py, or names pytest where it says what it needs."""
    has_conftest = any(os.path.isfile(os.path.join(root, name)) for name in ("conftest.py", "tests/conftest.py"))
    return has_conftest or any("pytest" in read_text(root, name) for name in _SAYS_NEEDS)
