"""What the text of a recipe shows of its target: whether it is a file, a folder, or only a name. Nothing is run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable

from .parser import Rule
from .variables import UnknownError, Variables

OUT_FOLDER = re.compile(
    r"((test|\[) -[de] \S+( \])? *\|\| *)?mkdir( +-\w+)* +[\"']?(\$\(@D\)|\$\(dir \$@\))[\"']?/?"
)
"""A line that makes the folder of what is made: a plan does that by itself."""
_MAKES_FOLDER = r"(\bvenv|virtualenv|git clone|npm (ci|install)|mkdir)\b.*(?<![\w./-])({})/?(?![\w./-])"
_BEFORE_A_COMMAND = (
    r"(?:^|[;&|(])[\s@+-]*(?:\w+=\S*\s+)*"
    r"(?:(?:poetry|uv|pdm|hatch|pipenv|npm|pnpm|yarn|go|cargo)\s+run\s+|npx\s+|\S*python[\d.]*\s+-m\s+)?"
)
"""What may come between the start of a command and its name."""
_MAKES_FOLDERS = re.compile(
    r"\s*[@+-]*\s*(?:(?:test|\[) +(?:! +)?-[de] +[^\s;&|]+(?: +\])? *(?:\|\||&&) *)?"
    r"(?:/bin/|/usr/bin/)?(?:mkdir|\$[({]MKDIR(?:_P)?[)}]|install +-d)((?: +(?!\d?>)[^\s;&|<>]+)+) *"
    r"(?:2?> */dev/null *|2>&1 *)*(?:\|\| *(?:true|:) *)?;?\s*"
)
"""A line of a recipe that makes folders and nothing else."""
_ONLY_PRINTS = re.compile(r"\s*[@-]*\s*(echo|printf)\b[^>]*$")
_PHONY = frozenset(
    (
        *("all", "build", "check", "clean", "coverage", "deploy", "deps", "dev", "dist", "distclean"),
        *("doc", "docs", "fmt", "format", "help", "install", "lint", "mostlyclean", "publish"),
        *("release", "run", "serve", "setup", "start", "stop", "test", "tests", "typecheck"),
        *("uninstall", "watch"),
    )
)
"""Names that are no files, although a makefile may not say so."""


def is_made_by(target: str, recipe: Iterable[str], variables: Variables) -> bool:
    """Return whether a recipe seems to make a file of the name of its target."""
    text = "\n".join(line for line in recipe if not _ONLY_PRINTS.match(line))
    if any(sign in text for sign in ("$@", "$(@", "${@")):
        return True
    with contextlib.suppress(UnknownError):
        text = variables.expand(text, dict.fromkeys("<^?+*|", "") | {"*D": "", "<D": "", "<F": ""})
    name = re.escape(target)
    # `git push` and its like name a part of a program
    makers = "touch|cp|mv|ln|mkdir|install|tar|zip|gzip|cc|gcc|g\\+\\+|clang|ld|ar|tee|dd|sort|cat|chmod"
    program = rf"({_BEFORE_A_COMMAND})(?!(?:{makers})\s)([\w.-]+(?:\s+(?:compose|stack|image|db|run))?)"
    text = re.sub(rf"{program}\s+{name}(?=\s|$)", r"\1\2", text, flags=re.MULTILINE)
    # a word of a sentence is no file
    text = re.sub(r"'[^'\n]*\s[^'\n]*'|\"[^\"\n]*\s[^\"\n]*\"", "", text)
    # its own name as that of a program says nothing
    text = re.sub(rf"{_BEFORE_A_COMMAND}{name}(?=\s|$)", "", text, flags=re.MULTILINE)
    return target not in _PHONY and ("." in target or re.search(rf"(?<![\w.-]){name}\b", text) is not None)


def is_filled_by(target: str, recipe: Iterable[str], variables: Variables) -> bool:
    """Return whether a recipe makes a folder that other programs write into too, as an installation does."""
    if target.strip("/") == "node_modules":
        return True
    names = rf"\$@|{re.escape(target.rstrip('/'))}"
    for line in recipe:
        with contextlib.suppress(UnknownError):
            line = variables.expand(line, {"@": "$@"})
        if re.search(_MAKES_FOLDER.format(names), line):
            return True
    return False


def folders_made(recipe: Iterable[str]) -> list[str] | None:
    """Return what a recipe that only makes folders gives to `mkdir -p` for it, None if it does anything else.

    References to variables stay as they are.
    """
    made: list[str] = []
    for line in recipe:
        if _ONLY_PRINTS.match(line):
            continue
        found = _MAKES_FOLDERS.fullmatch(line)
        if found is None:
            return None
        made += [word for word in found.group(1).split() if word not in ("-p", "-v", "-pv", "-vp", "--parents")]
    return made or None


def removed(rule: Rule, variables: Variables) -> list[str] | None:
    """Return what a rule removes that does nothing else, None if it does."""
    found: list[str] = []
    for line in rule.recipe:
        if _ONLY_PRINTS.match(line):
            continue
        try:
            text = variables.expand(line.lstrip("@- \t"))
        except UnknownError:
            return None
        words = text.split()
        if words[:1] != ["rm"] or re.search(r"[;&|`$<>()'\"\\]", text):
            return None
        found += [word for word in words[1:] if word[0] != "-"]
    return found or None


def removes(rule: Rule) -> bool:
    """Return whether a rule removes files, so that what comes after it in a list is made anew."""
    return any(re.search(r"(^|[\s;&|@-])(rm|\$[({]RM[)}]|git\s+clean)\s", line) for line in rule.recipe)


def is_help(rule: Rule) -> bool:
    """Return whether a rule prints what targets there are."""
    text = "\n".join(rule.recipe)
    prints = r"[\s@-]*(grep|egrep|awk|sed|echo|printf|cat)\s[^>]*"
    return "$(MAKEFILE_LIST)" in text and all(
        _ONLY_PRINTS.match(line) or re.fullmatch(prints, line, re.DOTALL) for line in rule.recipe
    )


def depfile_of(script: str, out: str) -> str:
    """Return the depfile that a compiler writes next to its object, "" if it writes none."""
    if re.search(r"(^|\s)-MM?D(\s|$)", script) and " -MF" not in script and out.endswith(".o"):
        return f"{out[:-2]}.d"
    return ""
