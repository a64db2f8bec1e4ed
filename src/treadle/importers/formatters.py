"""Which actions rewrite the files that they read: these become `edits`.

Declared as inputs they would run again for what they wrote themselves. What reads edited files waits for the action
that edits them and runs it: files that the source does not declare become `edits` only where no action reads them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from fnmatch import fnmatchcase
from glob import iglob
from typing import Any

from .caches import BEFORE_A_TOOL
from .draft import Draft, DraftAction, paths

_C = ("c", "h", "cc", "cpp", "cxx", "hpp", "hh")
_SCRIPTS = ("js", "jsx", "ts", "tsx", "mjs", "cjs")
_PAGES = ("css", "scss", "less", "html", "vue", "md", "json", "yaml", "yml")
_TOOLS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (r"cargo\s+fmt|rustfmt", "", r"--check", ("rs",)),
    (r"go\s+fmt", "", r"-n\b", ("go",)),
    (r"gofmt|goimports|gofumpt|golines", r"-\w*w", r"-d\b", ("go",)),
    (r"ruff\s+format|black|pyupgrade", "", r"--(check|diff)", ("py", "pyi")),
    (r"ruff\s+check", r"--fix(\s|$)", r"--diff", ("py", "pyi")),
    (r"isort", "", r"-c\b|--check|--diff", ("py", "pyi")),
    (r"yapf|autopep8|docformatter|autoflake", r"-\w*i\b|--in-place", r"--(check|diff)", ("py",)),
    (r"prettier", r"--write|-w\b", r"--check", (*_SCRIPTS, *_PAGES)),
    (r"eslint", r"--fix(\s|$)", "", _SCRIPTS),
    (r"stylelint", r"--fix(\s|$)", "", ("css", "scss", "less")),
    (r"biome\s+(format|check|lint)", r"--write|--apply", "", (*_SCRIPTS, "json")),
    (r"clang-format", r"-i\b", r"--dry-run|-n\b", _C),
    (r"shfmt", r"-w\b", r"-d\b", ("sh", "bash")),
    (r"(terraform|tofu)\s+fmt", "", r"-check", ("tf", "tfvars")),
    (r"buf\s+format", r"-w\b", "", ("proto",)),
    (r"taplo\s+(fmt|format)", "", r"--check", ("toml",)),
    (r"stylua", "", r"--check", ("lua",)),
    (r"zig\s+fmt", "", r"--check", ("zig",)),
    (r"mix\s+format", "", r"--check-formatted", ("ex", "exs")),
    (r"dart\s+format", "", r"--output|-o\b|--set-exit-if-changed", ("dart",)),
    (r"sed", r"\s(-[a-zA-Z]*i|--in-place)", "", ()),
    (r"perl", r"\s-\w*p\w*i|\s-\w*i\w*p|\s-i\S*\s+-p|\s-p\S*\s+-i", "", ()),
    (r"dos2unix|unix2dos", "", r"\s-n\b", ()),
)
"""How the command of a tool begins, what it has to say and may not say to write, and the endings of its files."""
_FORMATTERS: tuple[tuple[re.Pattern[str], str, str, tuple[str, ...]], ...] = tuple(
    (re.compile(rf"{BEFORE_A_TOOL}(?:\S*/)?(?:{tool})(?=\s|$)"), needed, forbidden, endings)
    for tool, needed, forbidden, endings in _TOOLS
)
_WILD = re.compile(r"[*?\[]")
_OTHERS = ("node_modules", "vendor", "target", "build", "dist", "venv", "env", "out")
"""Folders whose files are not those of the project."""


def take_edits(draft: Draft, root: str) -> None:
    """Write `edits` where an action rewrites what it reads."""
    edited: list[tuple[DraftAction, set[str]]] = []
    made = {path for action in draft.live for path in draft.made_by(action)}
    for action in draft.live:
        endings = _rewrites(draft, action)
        if endings is None or "foreach" in action.keys or {"out", "stdout"} & action.keys.keys():
            continue
        cwd = str(action.keys.get("cwd", ""))
        is_declared = "in" in action.keys
        if not endings and not is_declared:
            # a script that edits by patterns may do something else at each run
            continue
        found = _split(action.keys["in"], endings, root) if is_declared else _named(draft, action, endings, root)
        if "${" in cwd or found is None or not found[0]:
            continue
        edits, rest = found
        files = set(_files(edits, root))
        is_made = any(fnmatchcase(one, path) or one.startswith(path) for one in files for path in made)
        if not files or is_made or (not is_declared and _readers(draft, action, files)):
            continue
        if rest and "${in}" in str(action.keys.get("sh", action.keys.get("run", ""))):
            continue
        edited.append((action, files))
        _write(action, edits, rest)
        if not is_declared:
            # it may rewrite more than its words show
            action.keys["always"] = True
        if readers := _readers(draft, action, files):
            action.notes.append(f"it edits what {', '.join(readers[:3])} reads, so it runs before that")
    for action, files in edited:
        if others := [one.name for one, more in edited if one is not action and not files.isdisjoint(more)]:
            # one file is edited by one action
            action.keys.pop("edits", None)
            action.notes.append(f"it edits files that {', '.join(others)} edits too: it runs each time")


def _write(action: DraftAction, edits: list[Any], rest: list[Any]) -> None:
    action.keys.pop("in", None)
    action.keys["edits"] = edits[0] if len(edits) == 1 else edits
    if rest:
        action.keys["in"] = rest
    for key in ("run", "sh"):
        if isinstance(action.keys.get(key), str):
            action.keys[key] = action.keys[key].replace("${in}", "${edits}")


def _rewrites(draft: Draft, action: DraftAction) -> tuple[str, ...] | None:
    """Return the endings of the files that an action rewrites, () for any; None if it does something else too."""
    script = action.keys.get("sh") or action.keys.get("run")
    if not isinstance(script, str):
        return None
    endings: list[str] = []
    any_file = False
    for command in re.split(r"&&|\n|;", draft.plain(script, unknown="x")):
        text = command.strip().strip("()").strip().removesuffix("|| true").strip()
        if not text or text.startswith(("#", "echo ", "set -")):
            continue
        found = next((one for one in _FORMATTERS if one[0].match(text)), None)
        if found is None or re.search(r"[|<>`]", text):
            return None
        _, needed, forbidden, own = found
        if (needed and not re.search(needed, text)) or (forbidden and re.search(forbidden, text)):
            return None
        any_file |= not own
        endings += own
    if not endings and not any_file:
        return None
    return () if any_file else tuple(dict.fromkeys(endings))


def _split(value: Any, endings: tuple[str, ...], root: str) -> tuple[list[Any], list[Any]] | None:
    """Return what of `in` is edited and what is only read, None if that is not known."""
    edits: list[Any] = []
    rest: list[Any] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            if "glob" not in one:
                return None
            edits.append(one)
        elif "${" in one:
            return None
        elif one.endswith("/"):
            if not endings:
                return None
            edits += _globs_below(one, endings, root)
        elif not endings or one.rpartition(".")[2] in endings:
            edits.append(one)
        else:
            rest.append(one)
    return edits, rest


def _named(
    draft: Draft, action: DraftAction, endings: tuple[str, ...], root: str
) -> tuple[list[Any], list[Any]] | None:
    """Return the files that the words of a command name, as those that it edits."""
    script = draft.plain(str(action.keys.get("sh") or action.keys.get("run")), unknown="*")
    if "cwd" in action.keys or re.search(r"\b(cd|pushd)\s", script) or "$" in script:
        return None
    try:
        words = [one.removesuffix("...").removeprefix("./") for one in shlex.split(script.replace("\n", " "))]
    except ValueError:
        return None
    edits: list[Any] = []
    is_all = False
    for word in words:
        if word in (".", "") or re.fullmatch(r"(go|cargo|terraform|tofu|mix|taplo) *(fmt|format)", word):
            is_all = True
        elif os.path.isdir(os.path.join(root, word)) and "/" not in word.strip("/"):
            edits += _globs_below(f"{word.rstrip('/')}/", endings, root)
        elif os.path.isfile(os.path.join(root, word)) or (_WILD.search(word) and any(iglob(word, root_dir=root))):
            edits.append(word)
    if (is_all or not edits) and endings:
        edits = _globs_below("", endings, root)
    return list({str(one): one for one in edits}.values()), []


def _globs_below(folder: str, endings: Iterable[str], root: str) -> list[Any]:
    """Return the globs of files with some endings below a folder, those that match files now."""
    others = [f"{folder}{one}/**" for one in _OTHERS if os.path.isdir(os.path.join(root, folder, one))]
    found: list[Any] = []
    for ending in endings:
        pattern = f"{folder}**/*.{ending}"
        value: Any = {"glob": pattern, "exclude": others} if others else pattern
        if any(True for _ in _files([value], root)):
            found.append(value)
    return found


def _files(values: Iterable[Any], root: str) -> Iterable[str]:
    """Yield the files that paths and globs of `in` or `edits` mean now."""
    for value in values:
        patterns = value["glob"] if isinstance(value, dict) else value
        excluded = value.get("exclude", []) if isinstance(value, dict) else []
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            for path in iglob(pattern, root_dir=root, recursive=True):
                if not any(fnmatchcase(path, one.replace("**", "*")) for one in _listed(excluded)):
                    yield path


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _readers(draft: Draft, action: DraftAction, files: set[str]) -> list[str]:
    """Return the other actions that read some of these files."""
    found = []
    for one in draft.live:
        if one is action:
            continue
        read = [draft.plain(path) for path in paths(one.keys.get("in"))]
        read += [
            path
            for value in _listed(one.keys.get("in", []))
            if isinstance(value, dict)
            for path in _listed(value.get("glob", []))
        ]
        read += [str(path) for value in one.keys.get("foreach", {}).values() for path in _listed(value)]
        if any(
            file == path or (path.endswith("/") and file.startswith(path)) or fnmatchcase(file, path)
            for file in files
            for path in read
        ):
            found.append(one.name)
    return found
