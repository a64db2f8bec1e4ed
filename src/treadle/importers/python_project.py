"""A draft for a Python project: its tests, its checks, its package; for loose scripts, that they compile."""

from __future__ import annotations

import os

from .draft import Draft

_LEFT_OUT = ("build", "dist", "node_modules", "venv")
_CONFIGS = (
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "tox.ini",
    "pytest.ini",
    "mypy.ini",
    "ruff.toml",
    ".ruff.toml",
)


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
    sources = [*[f"{name}/" for name in folders], *loose]
    if sources:
        draft.vars["sources"] = sources
        _checks(draft, root, configs, _settings(root))
    if sources and _has_tests(root, folders, loose):
        has_pytest = _uses_pytest(root)
        run = "python3 -m pytest" if has_pytest else "python3 -m unittest discover"
        draft.add("test", {"help": "the tests", "run": run, "in": ["${sources}", *_beside(configs, "test")]})
    if "build-system" in _settings(root):
        packages = ["src"] if "src" in folders else [name for name in folders if _is_package(root, name)]
        package = [f"{name}/" for name in packages]
        draft.add(
            "package",
            {
                "help": "what is installed elsewhere",
                "run": "python3 -m build --outdir ${out}",
                "in": ["pyproject.toml", *package, *loose],
                "out": "dist/",
            },
        )
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
    """Return the folders here that hold Python, near or deep."""
    found = []
    for entry in sorted(os.scandir(root), key=lambda one: one.name):
        if entry.is_dir(follow_symlinks=False) and entry.name[0] != "." and entry.name not in _LEFT_OUT:
            if os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                continue
            if any(name.endswith(".py") for _, _, names in os.walk(entry.path) for name in names):
                found.append(entry.name)
    return found


def _is_package(root: str, name: str) -> bool:
    return name not in ("tests", "test") and os.path.isfile(os.path.join(root, name, "__init__.py"))


def _settings(root: str) -> dict[str, object]:
    """Return pyproject.toml, empty if there is none that can be read."""
    import tomllib

    try:
        with open(os.path.join(root, "pyproject.toml"), "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _checks(draft: Draft, root: str, configs: list[str], settings: dict[str, object]) -> None:
    tools = settings.get("tool")
    tools = tools if isinstance(tools, dict) else {}
    if "ruff" in tools or "ruff.toml" in configs or ".ruff.toml" in configs:
        draft.add(
            "lint",
            {"help": "style", "run": "ruff check ${sources}", "in": ["${sources}", *_beside(configs, "ruff")]},
        )
    elif "flake8" in tools or os.path.exists(os.path.join(root, ".flake8")):
        draft.add("lint", {"help": "style", "run": "flake8 ${sources}", "in": ["${sources}"]})
    if "black" in tools:
        draft.add(
            "format",
            {"help": "is it formatted?", "run": "black --check ${sources}", "in": ["${sources}", "pyproject.toml"]},
        )
    if "mypy" in tools or "mypy.ini" in configs:
        draft.add(
            "types", {"help": "types", "run": "mypy ${sources}", "in": ["${sources}", *_beside(configs, "mypy")]}
        )


def _beside(configs: list[str], tool: str) -> list[str]:
    """Return the files that tell a tool what to do."""
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
    """Return whether pytest is spoken of where a project says what it needs."""
    names = ("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "requirements.txt")
    more = (
        "requirements-dev.txt",
        "requirements_dev.txt",
        "dev-requirements.txt",
        "conftest.py",
        "tests/conftest.py",
    )
    for name in (*names, *more):
        try:
            with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
                if name.endswith("conftest.py") or "pytest" in file.read(1 << 20):
                    return True
        except OSError:
            continue
    return False
