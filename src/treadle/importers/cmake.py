"""A draft from what CMake has written about its build: each compilation as an instance with a depfile."""

from __future__ import annotations

import json
import os
import re
import shlex
from glob import glob
from typing import Any

from .draft import Draft, free_name
from .scripts import literal

FILE = "compile_commands.json"
_PLACES = (FILE, f"build/{FILE}", f"build*/{FILE}", f"cmake-build-*/{FILE}", f"out/{FILE}", f"*/build/{FILE}")
_COMPILER = re.compile(r"(?:[\w.]+-)*(?:cc|c\+\+|gcc|g\+\+|clang|clang\+\+)(?:-[\d.]+)?")
_MOST_BYTES = 64 << 20


def find_commands(root: str) -> str:
    """Return the path of what CMake has written about its compilations, "" if there is none."""
    for place in _PLACES:
        for path in sorted(glob(place, root_dir=root)):
            if os.path.isfile(os.path.join(root, path)):
                return path
    return ""


def cmake_draft(root: str, path: str) -> Draft | None:
    """Return a draft of the compilations of a build of CMake, None if the file cannot be read."""
    full = os.path.realpath(os.path.join(root, path))
    root = os.path.realpath(root)
    try:
        if os.path.getsize(full) > _MOST_BYTES:
            return None
        with open(full, encoding="utf-8") as file:
            entries = json.load(file)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    if not isinstance(entries, list):
        return None
    draft = Draft(os.path.relpath(full, root))
    families: dict[tuple[Any, ...], list[dict[str, str]]] = {}
    for entry in entries:
        unit = _unit(root, entry)
        if isinstance(unit, str):
            shown = entry.get("file", "") if isinstance(entry, dict) else ""
            draft.leave_out(os.path.basename(str(shown)) or "unit", unit, f"  {json.dumps(entry)[:300]}")
            continue
        argv, folder, source, out = unit
        families.setdefault((folder, *argv), []).append({"name": _name(source, out), "file": source, "out": out})
    for (folder, *argv), units in families.items():
        name = free_name(_family_name(units), {action.name for action in draft.actions})
        keys = {
            "help": "one source file",
            "foreach": {"unit": units},
            "argv": argv,
            "cwd": "" if folder == "." else folder,
            "in": "${unit.file}",
            "out": "${unit.out}",
            "depfile": "${unit.out}.d",
            "tools": [argv[0]],
        }
        draft.add(name, keys).makes.update(one["out"] for one in units)
    draft.default = [action.name for action in draft.live]
    build = os.path.dirname(draft.origin) or "build"
    if draft.live and os.path.isfile(os.path.join(root, build, "CMakeCache.txt")):
        keys = {"help": "all that CMake builds", "run": f"cmake --build {build}", "after": list(draft.default)}
        draft.add(
            "cmake-build", keys, ["CMake knows what is to be done here, so it runs each time that it is named"]
        )
    return draft


def _unit(root: str, entry: Any) -> tuple[list[str], str, str, str] | str:
    """Return the command, the folder, the source and the output of a compilation, or why it is none for a plan."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
        return "an entry without a file"
    folder = os.path.normpath(os.path.join(root, str(entry.get("directory", ""))))
    argv = entry.get("arguments")
    if argv is None:
        try:
            argv = shlex.split(str(entry.get("command", "")))
        except ValueError as error:
            return str(error)
    if not isinstance(argv, list) or not argv or not all(isinstance(one, str) for one in argv):
        return "an entry without a command"
    if not _COMPILER.fullmatch(os.path.basename(argv[0])):
        return f"{os.path.basename(argv[0])} is no compiler that init knows"
    source = os.path.normpath(os.path.join(folder, entry["file"]))
    if not os.path.isfile(source):
        return f"{entry['file']} does not exist: another step of the build makes it"
    words, out, at = [literal(argv[0])], "", 1
    while at < len(argv):
        word = argv[at]
        if word in ("-MF", "-MT", "-MQ"):
            at += 1
        elif word == "-o" and at + 1 < len(argv):
            at += 1
            out = argv[at]
            words += ["-o", "${out}"]
        elif os.path.normpath(os.path.join(folder, word)) == source:
            words.append("${in}")
        elif word not in ("-MD", "-MMD", "-MP"):
            words.append(literal(word))
        at += 1
    if not out or "-c" not in words or "${in}" not in words:
        return "its command names no source and no output"
    out = os.path.relpath(os.path.join(folder, out), root)
    inside = os.path.relpath(folder, root)
    if out.startswith("..") or inside.startswith(".."):
        return f"it writes to {out}, outside of the folder"
    below = os.path.relpath(source, root)
    return (
        [words[0], "-MD", "-MF", "${depfile}", *words[1:]],
        inside,
        source if below.startswith("..") else below,
        out,
    )


def _name(source: str, out: str) -> str:
    target = re.search(r"CMakeFiles/([^/]+)\.dir/", out)
    return f"{target.group(1)}/{source}" if target else source


def _family_name(units: list[dict[str, str]]) -> str:
    names = {one["name"].partition("/")[0] for one in units if "CMakeFiles/" in one["out"]}
    return f"objects-{names.pop()}" if len(names) == 1 else "objects"
