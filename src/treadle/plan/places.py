"""What the paths and globs of a plan mean in its root: which outputs may be, and what a glob takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from treadle.errors import TreadleError

from .declared import STATE, Declared, Instance
from .globs import Globs, Pattern
from .nodes import Node, Source
from .paths import is_plain, normalise, parents
from .spec import GlobItem, Spec
from .template import MAGIC, Scope, Template


class Places:
    """What is known of the plan's files while it is loaded.

    :param plan: the plan's own file, relative to the root
    """

    __slots__ = ("answers", "globs", "plan", "root", "source")

    def __init__(self, source: Source, root: str, plan: str, globs: Globs) -> None:
        self.source = source
        self.root = root
        self.plan = plan
        self.globs = globs
        self.answers: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}

    def path(self, text: str, node: Node, what: str) -> str:
        """Return a path in its one spelling."""
        if is_plain(text) and text[0] != "~":
            return text
        if not text:
            raise self.source.error(f"{what} is an empty path", node)
        if text == "~" or text.startswith("~/"):
            raise self.source.error(
                f"{what}: ~ is no folder here", node, hint="write the whole path; ./~ is a file of that name"
            )
        return normalise(text, self.root)

    def output(self, text: str, node: Node, what: str = "an output") -> str:
        """Return an output's path, if it may be one."""
        path = self.path(text, node, what)
        wrong = ""
        if path is text and len(text) <= 255 and text[0] != "." and not self.plan.startswith(path):
            return path
        if text.startswith("/"):
            wrong = "is absolute"
        elif path.startswith("/"):
            wrong = "lies outside the root"
        elif ".." in text.split("/"):
            wrong = "goes through .."
        elif path in (".", "./"):
            wrong = "is the root itself"
        elif path == STATE or path.startswith(STATE + "/"):
            wrong = "lies in the state folder"
        elif path == self.plan or (path.endswith("/") and self.plan.startswith(path)):
            wrong = "is the plan itself" if path == self.plan else "holds the plan itself"
        elif len(path) > 255 and any(len(os.fsencode(name)) > 255 for name in path.split("/")):
            wrong = "has a name of more than 255 bytes"
        elif len(path) > 1000 and len(os.fsencode(path)) > 4000:
            wrong = "is longer than 4000 bytes"
        if wrong:
            shown = text if len(text) < 80 else text[:77] + "..."
            raise self.source.error(f"{what} {wrong}: {shown}", node, hint="outputs are paths below the root")
        return path

    def patterns(self, templates: Sequence[Template], scope: Scope) -> list[str]:
        """Return globs with their values in them, checked."""
        found = []
        for made in templates:
            text = scope.pattern(made)
            try:
                self.globs.parse(text)
            except ValueError as error:
                raise self.source.error(
                    f"a glob that cannot be: {error}", made.node, facts=(f"the glob: {text}",)
                ) from None
            found.append(text)
        return found

    def answer(self, item: GlobItem, scope: Scope, declared: Declared, family: Spec | None) -> Sequence[str]:
        """Return what a glob takes, by bytes: free files, and declared outputs of actions that are in.

        :param family: whose outputs it never takes; None once every action is known: then an answer stays
        """
        patterns = self.patterns(item.patterns, scope)
        exclude = self.patterns(item.exclude, scope)
        key = (tuple(patterns), tuple(exclude))
        if family is None and key in self.answers:
            return self.answers[key]
        found: set[str] = set()
        for text in patterns:
            try:
                files = self.globs.files(text)
            except ValueError as error:
                raise self.source.error(f"the glob {text} takes too much: {error}", item.node) from None
            found.update(path for path in files if declared.is_free(path))
            found.update(_declared(self.globs.parse(text), declared, family))
        excluded = [self.globs.parse(text) for text in exclude]
        taken = [path for path in found if not any(pattern.takes(path) for pattern in excluded)]
        answer = tuple(sorted(taken, key=os.fsencode))
        if family is None:
            self.answers[key] = answer
        return answer

    def folders_outside(self, item: GlobItem, scope: Scope) -> list[str]:
        """Return the folders outside the root that a glob looks in, as far as its text is fixed."""
        bases = [self.globs.parse(text).base for text in self.patterns(item.patterns, scope)]
        return [base.rstrip("/") + "/" for base in bases if base.startswith("/")]

    def nothing(self, item: GlobItem, scope: Scope, declared: Declared, reader: Instance | None) -> TreadleError:
        """Return the error for a glob that takes nothing.

        :param reader: whose input it is, None for a value of foreach
        """
        texts = [scope.pattern(made) for made in item.patterns]
        shown = ", ".join(texts) or "[]"
        facts: tuple[str, ...] = ()
        hint = f'if that is right: {{glob: "{shown}", empty: ok}}'
        bases = [self.globs.parse(text).base + "/" for text in texts]
        folder = next((one for base in bases for one in (*parents(base), base) if one in declared.folders), None)
        if folder is not None:
            maker = declared.folders[folder]
            output = next(one for one in maker.outputs if one.path == folder)
            place = self.source.place(output.node.start)
            facts = (f"{maker.uid} makes {folder} at {place}: what will be in it is not known before",)
            if reader is None:
                hint = f"name the files in out: of {maker.uid}"
            elif reader is maker:
                hint = "an action cannot read what it makes"
            else:
                hint = f"read the whole folder: {folder}"
        return self.source.error(f"the glob {shown} matches nothing", item.node, facts=facts, hint=hint)


def _declared(pattern: Pattern, declared: Declared, family: Spec | None) -> Iterator[str]:
    for path in declared.below(_prefix(pattern)):
        maker = declared.files.get(path)
        if maker is not None and not maker.left_out and maker.spec is not family and pattern.takes(path):
            yield path


def _prefix(pattern: Pattern) -> str:
    """Return the text that all that a pattern takes begins with."""
    head = MAGIC.split(pattern.names[0])[0]
    base = "" if pattern.base == "." else pattern.base.rstrip("/") + "/"
    return base + head
