"""A git repository for a test, which knows nothing of the configuration of the user."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Repository:
    """A repository with a branch `main` and a user, and no commit.

    :param words: more options of `git init`
    """

    def __init__(self, top: Path, *words: str) -> None:
        self.top = top
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(top.parent), "GIT_CONFIG_NOSYSTEM": "1"}
        top.mkdir(exist_ok=True)
        self.run("init", "-q", "-b", "main", *words)
        self.run("config", "user.email", "a@example.org")
        self.run("config", "user.name", "a")

    def run(self, *words: str, at: Path | None = None) -> bytes:
        """Run git and return what it prints; it has to succeed."""
        done = subprocess.run(
            ["git", *words], cwd=at or self.top, env=self.environ, check=True, capture_output=True
        )
        return done.stdout

    def commit_all(self) -> None:
        """Commit all that is there, also nothing."""
        self.run("add", "-A")
        self.run("commit", "-qm", "x", "--allow-empty")
