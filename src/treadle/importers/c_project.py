"""A draft for C: objects with the headers that the compiler reports, and the programs that they make."""

from __future__ import annotations

import os
import re
from fnmatch import filter as matching

from .draft import Draft, single
from .files import folders_in, read_text

_MAIN = re.compile(r"^\s*(?:int|void|auto)?\s*\bmain\s*\(", re.MULTILINE)
_LEFT_OUT = ("build", "out", "node_modules", "test", "tests", "examples")
_LIBRARIES = (("math.h", "-lm"), ("pthread.h", "-pthread"), ("zlib.h", "-lz"))


def c_draft(root: str) -> Draft | None:
    """Return a draft if there is C in the folder, or in the folders in it."""
    files = _sources(root)
    if not files:
        return None
    texts = {path: read_text(root, path) for path in files}
    mains = [path for path in files if _MAIN.search(texts[path])]
    draft = Draft("C" if len(files) > 1 else files[0], leaves_outputs_alone=True)
    draft.params["cc"] = {"env": "CC", "default": "cc", "help": "the compiler"}
    flags = ["-O2", "-Wall"]
    if _files(os.path.join(root, "include"), "*.h"):
        flags.append("-Iinclude")
    draft.vars["cflags"] = flags
    libraries = [flag for header, flag in _LIBRARIES if any(f"<{header}>" in text for text in texts.values())]
    if libraries:
        draft.vars["libraries"] = libraries
    folders = dict.fromkeys(os.path.dirname(path) for path in files)
    keys = {
        "help": "one source file",
        "foreach": {"src": single([f"{folder}/*.c" if folder else "*.c" for folder in folders])},
        "run": "${cc} ${cflags} -MD -MF ${depfile} -c ${in} -o ${out}",
        "in": "${src}",
        "out": "build/${src.noext}.o",
        "depfile": "build/${src.noext}.d",
        "tools": ["${cc}"],
    }
    draft.add("objects", keys).makes.update(f"build/{path[:-2]}.o" for path in files)
    _add_programs(draft, root, files, mains, " ${libraries}" if libraries else "")
    return draft


def _add_programs(draft: Draft, root: str, files: list[str], mains: list[str], libraries: str) -> None:
    link = f"${{cc}} -o ${{out}} ${{in}}{libraries}"
    if len(mains) > 1:
        shared = [f"build/{path[:-2]}.o" for path in files if path not in mains]
        keys = {
            "help": "one program for each file with a main",
            "foreach": {"main": [path[:-2] for path in mains]},
            "run": link,
            "in": ["build/${main}.o", *shared],
            "out": "build/${main}",
            "needs": ["objects"],
        }
        draft.add("programs", keys)
        return
    source = os.path.splitext(os.path.basename(files[0]))[0]
    name = os.path.basename(os.path.realpath(root)) if len(files) > 1 else source
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", name) or "program"
    objects = {"from": "objects"}
    if mains:
        draft.add("program", {"help": "the program", "run": link, "in": objects, "out": f"build/{name}"})
    else:
        run, out = "ar rcs ${out} ${in}", f"build/lib{name}.a"
        draft.add("library", {"help": "the library", "run": run, "in": objects, "out": out})


def _sources(root: str) -> list[str]:
    """Return the C files here, and those in folders, two levels deep."""
    found = [name for name in _files(root, "*.c") if os.path.isfile(os.path.join(root, name))]
    for folder in folders_in(root, _LEFT_OUT):
        for inner in (folder, *folders_in(folder.path, _LEFT_OUT)):
            found += [os.path.relpath(os.path.join(inner.path, name), root) for name in _files(inner.path, "*.c")]
    return found


def _files(path: str, pattern: str) -> list[str]:
    try:
        return sorted(matching(os.listdir(path), pattern))
    except OSError:
        return []
