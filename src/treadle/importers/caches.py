"""Which tools go on from what is in their output folder, so that a first plan leaves it to them.

Before an attempt a plan removes from an output folder what the last success left in it. Makefiles and Taskfiles do
not, and some tools need these files: they keep a cache there, or elsewhere a state that says what is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .draft import Draft, DraftAction, paths

_ANY = ("*",)
_TOOLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"cargo|cross|maturin", ("target",)),
    (r"cmake|ctest|cpack", ("build", "cmake-build-*")),
    (r"g?make|ninja|meson|scons|waf|samu|bazel|bazelisk|buck2?|xmake|task|just|doit|snakemake", _ANY),
    (r"sphinx(-build|-autobuild)?|sphinx\.cmd\.build|jupyter-book|jb|quarto", ("_build", "_freeze", ".quarto")),
    (r"dmypy|mypy", (".mypy_cache",)),
    (r"py\.?test", (".pytest_cache",)),
    (r"ruff", (".ruff_cache",)),
    (r"tox", (".tox",)),
    (r"nox", (".nox",)),
    (r"pyinstaller|PyInstaller|setup\.py|nuitka3?", ("build",)),
    (r"tsc\b.*\s(-b|--build|-i|--incremental|--composite|--tsBuildInfoFile)", _ANY),
    (r"next", (".next",)),
    (r"nuxt|nuxi", (".nuxt", ".output")),
    (r"gatsby", ("public", ".cache")),
    (r"(jekyll|eleventy)\b.*\s(-I|--incremental)", _ANY),
    (r"mkdocs\b.*\s--(dirty|dirtyreload)", _ANY),
    (r"gradlew?", ("build", ".gradle")),
    (r"mvnw?|mvnd|lein|sbt|sbtn", ("target",)),
    (r"mill", ("out",)),
    (r"ant|buildr", ("build",)),
    (r"dotnet|msbuild|xbuild", ("bin", "obj")),
    (r"swift|xcodebuild", (".build", "DerivedData")),
    (r"zig", ("zig-cache", ".zig-cache", "zig-out")),
    (r"dune|mix|rebar3", ("_build", "deps")),
    (r"stack|cabal", (".stack-work", "dist-newstyle")),
    (r"flutter|dart", ("build", ".dart_tool")),
    (r"pio|platformio", (".pio",)),
    (r"elm", ("elm-stuff",)),
    (r"terraform|tofu", (".terraform",)),
    (r"latexmk|arara", ()),
    (r"(npm|pnpm|yarn|bun)\s+(i|ci|install|add)|yarn$", ("node_modules",)),
    (r"(pip3?|uv|poetry|pdm|pipenv)\s+(install|sync|venv|pip)|venv|virtualenv", ("venv", ".venv")),
    (r"(bundle|composer)\s+(install|update)|go\s+mod\s+vendor", ("vendor",)),
    (r"rsync\b.*\s--(delete|del)\S*|rclone\s+sync", ()),
    (r"wget\b.*\s(-\w*[Nmc]\w*|--timestamping|--mirror|--continue)|aria2c|curl\b.*\s(-C|--continue-at)", ()),
    (r"git\s+(-C\s+\S+\s+)?(pull|fetch|checkout|submodule)|svn\s+(up|update)|hg\s+(pull|update)", ()),
)
"""How the command of a tool begins, and the folders that it goes on from wherever they are (`*`: any folder).
It goes on from any other folder that its command names, too."""
_WITH_A_CACHE: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"webpack|rspack|babel|vite|rollup|eslint|prettier|turbo|nx", (".cache", ".turbo", ".nx", ".vite")),
    (r"parcel|ng", (".parcel-cache", ".angular")),
    (r"svelte-kit|astro|docusaurus", (".svelte-kit", ".astro", ".docusaurus")),
    (r"hugo", ("resources", "_gen")),
    (r"jekyll|mkdocs", (".jekyll-cache", ".cache")),
)
"""Likewise, of tools that go on from their cache alone: of pages whose sources are gone nothing is to stay."""
BEFORE_A_TOOL = (
    r"(?:\w+=\S*\s+|(?:env|time|nice|sudo|exec|command|xvfb-run)\s+)*"
    r"(?:(?:poetry|uv|pdm|hatch|pipenv|rye|npm|pnpm|yarn|bun)\s+(?:run|exec)\s+(?:--\s+)?"
    r"|(?:npx|bunx|uvx|pipx run)\s+|bundle\s+exec\s+|dotenv\s+|\S*python[\d.]*\s+(?:-m\s+|(?=\S*setup\.py)))*"
)
"""What may come between the start of a command and the name of the tool."""
_STARTS = tuple(
    (re.compile(rf"{BEFORE_A_TOOL}(?:\S*/)?(?P<tool>{pattern})(?=\s|$)", re.DOTALL), folders, names)
    for table, names in ((_TOOLS, True), (_WITH_A_CACHE, False))
    for pattern, folders in table
)
_COMMANDS = re.compile(r"&&|\|\||[;|&()\n]")
_GOES_TO = re.compile(r"(?:cd|pushd)\s+(\S+)")
_QUOTES = str.maketrans("", "", "\"'")
_CONTINUED = re.compile(r"\\\n\s*")


def keep_caches(draft: Draft, *, source_empties: bool = False) -> None:
    """Write `keep: true` where a tool goes on from its output folder, and a remark at all other output folders.

    :param source_empties: whether the tool that the draft comes from empties output folders itself: then the plan
        does the same
    """
    for action in draft.live:
        folders = [path for path in paths(action.keys.get("out")) if path.endswith("/")]
        if action.keys.get("keep") or not folders:
            continue
        tool, folder = _going_on(draft, action, folders)
        if tool and not source_empties:
            action.keys["keep"] = True
            action.notes.append(f"{tool} goes on from what is in {folder}: `keep: true` leaves it there")
        elif tool:
            action.notes.append(f"{folder} is emptied before {tool} starts, which `keep: true` prevents")
        elif not source_empties:
            shown = ", ".join(folders)
            action.notes.append(f"what the last run made in {shown} is removed first; `keep: true` leaves it")


def _going_on(draft: Draft, action: DraftAction, folders: list[str]) -> tuple[str, str]:
    """Return a tool of an action and the output folder that it goes on from, "" twice if there is none."""
    out = action.keys["out"]
    cwd = draft.plain(str(action.keys.get("cwd", "")))
    for command in _commands_of(draft, action, " ".join(paths(out))):
        for start, own, is_by_name in _STARTS:
            if (tool := start.match(command.text)) is None:
                continue
            name = os.path.basename(tool["tool"].split()[0])
            for folder in folders:
                plain = draft.plain(folder)
                if _is_its_own(plain, own) or (is_by_name and command.names(plain, cwd)):
                    return name, folder
    return "", ""


def _is_its_own(folder: str, own: tuple[str, ...]) -> bool:
    return any(fnmatchcase(os.path.basename(folder.rstrip("/")), one) for one in own)


@dataclass(slots=True, frozen=True)
class _Command:
    """One command of a script.

    :ivar place: the folder that the script has gone to before
    """

    text: str
    place: str

    def names(self, folder: str, cwd: str) -> bool:
        """Return whether it runs in a folder, or names it or what is in it."""
        folder = os.path.normpath(folder)
        here = os.path.join(cwd, self.place)
        if self.place and _is_in(here, folder):
            return True
        words = filter(None, re.split(r"[\s=,:]+|(?<=\s-[A-Za-z])", self.text.translate(_QUOTES)))
        return any(_is_in(os.path.join(place, word), folder) for word in words for place in (here, ""))


def _is_in(path: str, folder: str) -> bool:
    path = os.path.normpath(path)
    return path == folder or path.startswith(f"{folder}/")


def _commands_of(draft: Draft, action: DraftAction, out: str) -> Iterator[_Command]:
    script = action.keys.get("sh") or action.keys.get("run") or ""
    place = ""
    for one in script if isinstance(script, list) else [script]:
        text = " ".join(one) if isinstance(one, list) else str(one)
        text = draft.plain(_CONTINUED.sub(" ", text.replace("${out}", out)), unknown="")
        for part in _COMMANDS.split(text):
            command = part.strip()
            if (gone := _GOES_TO.match(command)) is not None:
                place = os.path.join(place, gone.group(1).translate(_QUOTES))
            elif command:
                yield _Command(command, place)
