"""A draft for C: objects with the headers that the compiler says it read, and the programs that they make."""

from __future__ import annotations

import os
import re

from .draft import Draft

_MAIN = re.compile(r"^\s*(?:int|void|auto)?\s*\bmain\s*\(", re.MULTILINE)
_LEFT_OUT = ("build", "out", "node_modules", "test", "tests", "examples")
_LIBRARIES = (("math.h", "-lm"), ("pthread.h", "-pthread"), ("zlib.h", "-lz"))


def c_draft(root: str) -> Draft | None:
    """Return a draft if there is C in the folder, or in the folders in it."""
    files = _sources(root)
    if not files:
        return None
    texts = {path: _text(os.path.join(root, path)) for path in files}
    mains = [path for path in files if _MAIN.search(texts[path])]
    draft = Draft("C" if len(files) > 1 else files[0])
    draft.params["cc"] = {"env": "CC", "default": "cc", "help": "the compiler"}
    flags = ["-O2", "-Wall"]
    if any(name.endswith(".h") for name in _names(os.path.join(root, "include"))):
        flags.append("-Iinclude")
    draft.vars["cflags"] = flags
    libraries = [flag for header, flag in _LIBRARIES if any(f"<{header}>" in text for text in texts.values())]
    if libraries:
        draft.vars["libraries"] = libraries
    keys = {
        "help": "one source file",
        "foreach": {"src": _globs(files)},
        "run": "${cc} ${cflags} -MD -MF ${depfile} -c ${in} -o ${out}",
        "in": "${src}",
        "out": "build/${src.noext}.o",
        "depfile": "build/${src.noext}.d",
        "tools": ["${cc}"],
    }
    draft.add("objects", keys).makes.update(f"build/{path[:-2]}.o" for path in files)
    _programs(draft, root, files, mains, " ${libraries}" if libraries else "")
    return draft


def _programs(draft: Draft, root: str, files: list[str], mains: list[str], libraries: str) -> None:
    if len(mains) <= 1:
        name = os.path.basename(os.path.realpath(root)) if len(files) > 1 else _stem(files[0])
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", name) or "program"
        if mains:
            run, out, said = f"${{cc}} -o ${{out}} ${{in}}{libraries}", f"build/{name}", "the program"
        else:
            run, out, said = "ar rcs ${out} ${in}", f"build/lib{name}.a", "the library"
        draft.add(
            "program" if mains else "library", {"help": said, "run": run, "in": {"from": "objects"}, "out": out}
        )
        return
    shared = [f"build/{path[:-2]}.o" for path in files if path not in mains]
    keys = {
        "help": "one program for each file with a main",
        "foreach": {"main": [path[:-2] for path in mains]},
        "run": f"${{cc}} -o ${{out}} ${{in}}{libraries}",
        "in": ["build/${main}.o", *shared],
        "out": "build/${main}",
        "needs": ["objects"],
    }
    draft.add("programs", keys)


def _globs(files: list[str]) -> list[str] | str:
    """Return the globs that take these files: one for each folder that holds some."""
    folders = dict.fromkeys(os.path.dirname(path) for path in files)
    globs = [f"{folder}/*.c" if folder else "*.c" for folder in folders]
    return globs[0] if len(globs) == 1 else globs


def _sources(root: str) -> list[str]:
    """Return the C files here; without any, those in folders, two levels deep."""
    here = [name for name in _names(root) if name.endswith(".c")]
    found = [name for name in here if os.path.isfile(os.path.join(root, name))]
    for folder in _folders(root):
        for inner in ("", *(_folders(os.path.join(root, folder)))):
            path = f"{folder}/{inner}" if inner else folder
            found += [f"{path}/{name}" for name in _names(os.path.join(root, path)) if name.endswith(".c")]
    return found


def _folders(path: str) -> list[str]:
    return [
        name
        for name in _names(path)
        if name[0] != "." and name not in _LEFT_OUT and os.path.isdir(os.path.join(path, name))
    ]


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]
