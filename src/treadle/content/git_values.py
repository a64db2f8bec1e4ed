"""The values of `git.NAME`: what the repository around a folder says of its commit and its branch.

What HEAD leads to is read from files. git is asked for `describe`, with all off that a repository configures. For
`dirty` it has to compare the work tree, by the filters of the repository: only a run does that.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from . import trust
from .git import Checkout, checkout_of, has_changes, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAMES = ("sha", "branch", "describe", "dirty")
DETACHED = "HEAD"
"""The branch where none is checked out, as `git rev-parse --abbrev-ref HEAD` says it."""
USED = re.compile(r"\bgit\.(sha|branch|describe|dirty)\b")


class GitError(Exception):
    """A value is not known; the text says why, and in its next line what to do."""


class GitValues:
    """The values of repositories, each found once.

    :param note: called with each path just before it is looked at: as long as none changes, the values stay
    :param is_run: whether a run asks, which may look at work trees
    :param recorded: returns top of a repository -> `dirty` of it as the last run has found it, for all others
    """

    def __init__(
        self,
        note: Callable[[str], None],
        *,
        is_run: bool = False,
        recorded: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.is_run = is_run
        self.is_used = False
        """Whether a value was asked for."""
        self.dirty: dict[str, str] = {}
        """Top of a repository -> `dirty` of it, if it was asked for."""
        self._note = note
        self._recorded = recorded
        self._checkouts: dict[str, Checkout | None] = {}
        self._known: dict[tuple[str, str], str] = {}
        self._heads: dict[str, tuple[str, str]] = {}

    def value(self, name: str, folder: str) -> str:
        """Return one of the values of the repository around a folder.

        :raises GitError: it has none
        """
        self.is_used = True
        checkout = self._checkout(folder)
        key = (name, checkout.top)
        if key not in self._known:
            self._known[key] = getattr(self, f"_{name}")(checkout)
        return self._known[key]

    def _checkout(self, folder: str) -> Checkout:
        if folder not in self._checkouts:
            # a repository that is made nearer is another one
            here = os.path.realpath(folder)
            found = self._checkouts[folder] = checkout_of(folder)
            while found is None or here != found.top:
                self._note(os.path.join(here, ".git"))
                if here == os.path.dirname(here):
                    break
                here = os.path.dirname(here)
            if found is not None and os.path.isfile(os.path.join(found.top, ".git")):
                self._note(os.path.join(found.top, ".git"))
                self._note(os.path.join(found.own, "commondir"))
        found = self._checkouts[folder]
        if found is None:
            raise GitError(f"there is no git repository around {folder}\nmake one: git init, and commit")
        if not found.counts:
            raise GitError(f"other users may write to the repository {found.own}\n{trust.RULE}")
        return found

    def _sha(self, checkout: Checkout) -> str:
        branch, commit = self._head(checkout)
        if not commit:
            raise GitError(f"the branch {branch} of {checkout.top} has no commit yet\ncommit something")
        return commit

    def _branch(self, checkout: Checkout) -> str:
        return self._head(checkout)[0] or DETACHED

    def _head(self, checkout: Checkout) -> tuple[str, str]:
        if checkout.top not in self._heads:
            if os.path.isdir(os.path.join(checkout.common, "reftable")):
                self._heads[checkout.top] = self._asked_head(checkout)
            else:
                self._heads[checkout.top] = self._read_head(checkout)
        return self._heads[checkout.top]

    def _read_head(self, checkout: Checkout) -> tuple[str, str]:
        """Return branch and commit as the files of the repository say them, "" for what there is not."""
        name, commit = checkout.read_head(self._note)
        branch = name.removeprefix("refs/heads/")
        if not branch.isprintable() and any(char < " " for char in branch):
            raise GitError(f"HEAD of {checkout.top} names no branch\ngit status says more")
        return branch, commit

    def _asked_head(self, checkout: Checkout) -> tuple[str, str]:
        for folder in dict.fromkeys((checkout.own, checkout.common)):
            self._note(os.path.join(folder, "reftable", "tables.list"))
        branch = _said(run_git(["symbolic-ref", "-q", "HEAD"], checkout), checkout)
        commit = _said(run_git(["rev-parse", "--verify", "-q", "HEAD"], checkout), checkout)
        return branch.removeprefix("refs/heads/"), commit

    def _describe(self, checkout: Checkout) -> str:
        self._sha(checkout)
        self._note(os.path.join(checkout.common, "packed-refs"))
        self._note(os.path.join(checkout.common, "shallow"))
        tags = os.path.join(checkout.common, "refs", "tags")
        self._note(tags)
        for here, folders, _ in os.walk(tags):
            for name in folders:
                self._note(os.path.join(here, name))
        found = _said(run_git(["describe", "--tags", "--always"], checkout), checkout)
        if not found:
            raise GitError(f"git describe says nothing of {checkout.top}\ngit describe --tags --always says why")
        return found

    def _dirty(self, checkout: Checkout) -> str:
        self._sha(checkout)
        if self.is_run:
            changes = has_changes(checkout)
            if changes is None:
                raise GitError(f"git cannot compare the work tree of {checkout.top}\ngit status says why")
            found = "true" if changes else "false"
        else:
            found = self._recorded().get(checkout.top, "false")
        self.dirty[checkout.top] = found
        return found


def _said(data: bytes | None, checkout: Checkout) -> str:
    if data is None:
        raise GitError(f"git cannot be run for {checkout.top}\ninstall git, outside of the repository")
    return data.decode("utf-8", "surrogateescape").strip()
