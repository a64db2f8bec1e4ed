"""What all actions of one plan file share: its name prefix, its values, and how its paths and globs resolve."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from treadle.content.trust import STATE_FOLDER
from treadle.core.paths import is_plain, normalise
from treadle.core.patterns import check_exclude
from treadle.plan.language.enabled_if import Operand
from treadle.plan.language.globs import Globs
from treadle.plan.language.templates import ROOT_MARK, ROOT_SHOWN, Scope, Template, escape
from treadle.plan.language.value_files import ValueFiles
from treadle.plan.yaml.nodes import Node, Source

PATHS_ONLY = {
    **dict.fromkeys(
        ("in", "out", "depfile", "edits"),
        "${in}, ${out}, ${edits} and ${depfile} can only be used in commands and env\n"
        "write the path, or a var for both",
    ),
    "env": (
        "variables of the environment can only be used in when, as env.NAME\n"
        "in sh a tracked or passed variable is $NAME"
    ),
    "platform": "platform.os and platform.arch can only be used in when and select\nuse a var with a select:",
}
"""The errors for names that have a value only elsewhere, see `Scope.unknown`."""


class PathResolver:
    """Resolves the paths and globs of one file to paths relative to the root.

    :param plan: the plan's own file, relative to the root
    :param globs: evaluates the globs of the file; has the folder that its paths are relative to
    :ivar known_sources: inputs as written -> their paths, if these exist and no action makes them
    :ivar glob_matches: (patterns, excluded patterns) -> the paths that match
    """

    __slots__ = ("folder", "glob_matches", "globs", "known_sources", "plan", "root", "source")

    def __init__(self, source: Source, root: str, plan: str, globs: Globs) -> None:
        self.source = source
        self.root = root
        self.plan = plan
        self.globs = globs
        self.folder = globs.folder
        self.known_sources: dict[str, str] = {}
        self.glob_matches: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}

    def path(self, text: str, node: Node, what: str) -> str:
        """Return a path relative to the root, normalised."""
        folder = self.folder
        if is_plain(text) and text[0] != "~" and ROOT_MARK not in text:
            return f"{folder}/{text}" if folder else text
        if not text:
            raise self.source.error(f"{what} is an empty path", node, hint="name a file, or take it out")
        if text == "~" or text.startswith("~/"):
            raise self.source.error(
                f"{what}: ~ is not expanded", node, hint="write the whole path; ./~ is a file of that name"
            )
        return normalise(self.below_root(text), self.root)

    def below_root(self, text: str) -> str:
        """Return a path of this file as it is written in the plan's own file; absolute ones stay."""
        if ROOT_MARK in text:
            text = text.replace(ROOT_MARK, self.root)
        return f"{self.folder}/{text}" if self.folder and not text.startswith("/") else text

    def as_written(self, path: str) -> str:
        """Return a normalised path as it is written in this file."""
        if not self.folder or path.startswith("/"):
            return path
        if path.startswith(self.folder + "/"):
            return path[len(self.folder) + 1 :] or "./"
        return os.path.relpath("/" + path, "/" + self.folder) + ("/" if path.endswith("/") else "")

    def resolve_output(self, text: str, node: Node, what: str = "an output") -> str:
        """Return the path of an output.

        :raises TreadleError: no output may be there
        """
        path = self.path(text, node, what)
        wrong = ""
        if path is text and len(text) <= 255 and text[0] != "." and not self.plan.startswith(path):
            return path
        if text.startswith("/"):
            wrong = "is absolute"
        elif path.startswith("/"):
            wrong = "is outside the root"
        elif ".." in text.split("/"):
            wrong = "goes through .."
        elif path in (".", "./"):
            wrong = "is the root itself"
        elif path == STATE_FOLDER or path.startswith((STATE_FOLDER + "/", f"{self.folder}/{STATE_FOLDER}/")):
            wrong = "is in the state folder"
        elif path == self.plan or (path.endswith("/") and self.plan.startswith(path)):
            wrong = "is the plan itself" if path == self.plan else "contains the plan"
        elif len(path) > 255 and any(len(os.fsencode(name)) > 255 for name in path.split("/")):
            wrong = "has a name of more than 255 bytes"
        elif len(path) > 1000 and len(os.fsencode(path)) > 4000:
            wrong = "is longer than 4000 bytes"
        if wrong:
            text = text.replace(ROOT_MARK, ROOT_SHOWN)
            shown = text if len(text) < 80 else text[:77] + "..."
            raise self.source.error(f"{what} {wrong}: {shown}", node, hint="outputs are paths below the root")
        return path

    def patterns(self, templates: Sequence[Template], scope: Scope) -> list[str]:
        """Return globs with their values filled in.

        :raises TreadleError: one is not a valid glob
        """
        found = []
        for template, text in _patterns(templates, scope):
            text = text.replace(ROOT_MARK, escape(self.root))
            try:
                self.globs.parse(text)
            except ValueError as error:
                what = f"invalid glob: {error}"
                hint = "for example src/*.c, or src/**/*.c at any depth"
                raise self.source.error(what, template.node, facts=(f"the glob: {text}",), hint=hint) from None
            found.append(text)
        return found

    def excluded(self, templates: Sequence[Template], scope: Scope) -> tuple[str, ...]:
        """Return the patterns of an exclude with their values filled in.

        :raises TreadleError: one is not valid
        """
        found = []
        for template, text in _patterns(templates, scope):
            try:
                if ROOT_MARK in text:
                    raise ValueError(f"it is relative to its folder, and {ROOT_SHOWN} is not")
                check_exclude(text)
            except ValueError as error:
                shown = text.replace(ROOT_MARK, ROOT_SHOWN)
                raise self.source.error(
                    f"invalid pattern in exclude: {error}",
                    template.node,
                    facts=(f"the pattern: {shown}",),
                    hint='for example "*.log" at any depth, "old/*.c" or "/build/" in the folder itself',
                ) from None
            found.append(text)
        return tuple(dict.fromkeys(found))


def _patterns(templates: Sequence[Template], scope: Scope) -> Iterator[tuple[Template, str]]:
    """Yield the globs of templates, each with its own."""
    return ((template, text) for template in templates for text in scope.raw.patterns(template))


@dataclass(slots=True, eq=False)
class FileScope:
    """What all actions of one file share.

    :param prefix: the prefix of their names: "" in the plan itself, `docs:` in an included one
    :param scope: parameters and vars
    :param operands: the same values in conditions
    :param unusable: names that are neither a text nor a list -> the error if they are used
    :param generated_by: the uid of the action that made the file, or ""
    """

    prefix: str
    resolver: PathResolver
    scope: Scope
    operands: Mapping[str, Operand]
    unusable: Mapping[str, str]
    value_files: ValueFiles
    generated_by: str
