"""Values of git are what git says, whatever form a repository has, and a noted path moves whenever one changes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import repositories
from treadle.content.git_values import GitError, GitValues

pytestmark = pytest.mark.system("git")


class Repository(repositories.Repository):
    def __init__(self, top: Path, *words: str) -> None:
        super().__init__(top, *words)
        self.commit()

    def git(self, *words: str, at: Path | None = None) -> str:
        return self.run(*words, at=at).decode().strip()

    def commit(self) -> str:
        return self.git("commit", "-qm", "x", "--allow-empty")

    def truth(self, at: Path | None = None) -> dict[str, str]:
        branch = self.git("branch", "--show-current", at=at)
        return {
            "sha": self.git("rev-parse", "HEAD", at=at),
            "branch": branch or "HEAD",
            "describe": self.git("describe", "--tags", "--always", at=at),
        }


def found(folder: Path, noted: dict[str, object] | None = None) -> dict[str, str]:
    """Return the values, and keep how each noted path was."""
    known = {} if noted is None else noted

    def note(path: str) -> None:
        known[path] = look(path)

    values = GitValues(note)
    return {name: values.value(name, str(folder)) for name in ("sha", "branch", "describe")}


def look(path: str) -> object:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns, status.st_size


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


CHANGES: dict[str, Callable[[Repository], object]] = {
    "commit": lambda repo: repo.commit(),
    "amend": lambda repo: repo.git("commit", "-q", "--amend", "--allow-empty", "-m", "y"),
    "branch": lambda repo: repo.git("checkout", "-q", "-b", "feature/deep/one"),
    "detach": lambda repo: repo.git("checkout", "-q", "--detach"),
    "tag": lambda repo: repo.git("tag", "v1"),
    "tag in a folder": lambda repo: repo.git("tag", "release/v1"),
    "annotated tag": lambda repo: repo.git("tag", "-a", "v2", "-m", "x"),
    "tag moved": lambda repo: (repo.git("tag", "v1"), repo.commit(), repo.git("tag", "-f", "v1")),
    "packed": lambda repo: (repo.git("tag", "v1"), repo.git("pack-refs", "--all")),
    "packed and on": lambda repo: (repo.git("pack-refs", "--all"), repo.commit()),
    "garbage collected": lambda repo: repo.git("gc", "-q"),
    "renamed branch": lambda repo: repo.git("branch", "-m", "other"),
    "symbolic branch": lambda repo: (
        repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/main"),
        repo.git("symbolic-ref", "HEAD", "refs/heads/alias"),
    ),
    "reset": lambda repo: (repo.commit(), repo.git("reset", "-q", "--hard", "HEAD~1"), repo.git("tag", "here")),
    "a tag packed away": lambda repo: (
        repo.git("tag", "v1"),
        repo.git("pack-refs", "--all"),
        repo.git("tag", "-d", "v1"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_what_git_says_and_what_was_noted_moves_with_it(change: str, repository: Repository) -> None:
    noted: dict[str, object] = {}
    before = found(repository.top, noted)
    assert before == repository.truth()
    CHANGES[change](repository)
    after = found(repository.top)
    assert after == repository.truth()
    if after != before:
        assert {path for path, then in noted.items() if look(path) != then}


def test_it_is_of_the_worktree_the_submodule_and_the_repository_around(
    repository: Repository, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    repository.git("worktree", "add", "-q", "-b", "side", str(tree))
    repository.git("commit", "-qm", "x", "--allow-empty", at=tree)
    assert found(tree) == repository.truth(tree)
    assert found(tree)["branch"] == "side"
    inner = Repository(tmp_path / "inner")
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.top), "sub")
    (repository.top / "sub" / "deep").mkdir()
    assert found(repository.top / "sub" / "deep") == inner.truth()
    (repository.top / "deep" / "er").mkdir(parents=True)
    assert found(repository.top / "deep" / "er") == repository.truth()


def test_it_is_of_a_sha256_repository_and_not_of_git_dir(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other", "--object-format=sha256")
    monkeypatch.setenv("GIT_DIR", str(repository.top / ".git"))
    assert found(other.top) == other.truth()
    assert len(found(other.top)["sha"]) == 64


def test_a_repository_that_is_made_nearer_moves_what_was_noted(repository: Repository) -> None:
    (repository.top / "deep" / "er").mkdir(parents=True)
    noted: dict[str, object] = {}
    found(repository.top / "deep" / "er", noted)
    repository.git("init", "-q", at=repository.top / "deep")
    assert {path for path, then in noted.items() if look(path) != then}


@pytest.mark.parametrize("name", ["sha", "describe", "dirty"])
def test_without_a_repository_or_a_commit_there_is_no_value(name: str, tmp_path: Path) -> None:
    values = GitValues(lambda _: None, is_run=True)
    with pytest.raises(GitError, match="there is no git repository around"):
        values.value(name, str(tmp_path))
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path / "new")], check=True)
    with pytest.raises(GitError, match=r"the branch main of .* has no commit yet"):
        values.value(name, str(tmp_path / "new"))
    assert values.value("branch", str(tmp_path / "new")) == "main"


@pytest.mark.parametrize(
    "head",
    ["", "ref: ../../etc/passwd", "ref: refs/heads/\0", "ref: refs/../../x", "not an id", "ref: refs/heads/main\0"],
)
def test_a_damaged_head_gives_no_commit(head: str, repository: Repository) -> None:
    (repository.top / ".git" / "HEAD").write_text(head)
    with pytest.raises(GitError):
        GitValues(lambda _: None).value("sha", str(repository.top))


def test_a_repository_that_others_may_write_to_has_no_values(repository: Repository) -> None:
    (repository.top / ".git").chmod(0o777)
    with pytest.raises(GitError, match="other users may write to the repository"):
        found(repository.top)


def test_only_a_run_looks_at_the_work_tree(repository: Repository, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 $@ >> {ran}\ncat\n")
    program.chmod(0o755)
    top = os.path.realpath(repository.top)
    (repository.top / "a").write_text("one\n")
    (repository.top / ".gitattributes").write_text("a filter=f\n")
    repository.git("add", "-A")
    repository.commit()
    for name in ("filter.f.clean", "core.fsmonitor", "core.pager", "core.sshCommand"):
        repository.git("config", name, str(program))
    repository.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    (repository.top / "a").write_text("two\n")
    ran.unlink(missing_ok=True)
    for recorded in ({}, {top: "true"}):
        values = GitValues(lambda _: None, recorded=lambda known=recorded: known)  # type: ignore[misc]
        assert values.value("dirty", top) == recorded.get(top, "false")
        assert values.value("describe", top)
        assert values.dirty == {top: recorded.get(top, "false")}
    assert not ran.exists()
    assert GitValues(lambda _: None, is_run=True).value("dirty", top) == "true"
    assert "clean" not in ran.read_text() or str(program) in ran.read_text()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda top: None, "false"),
        (lambda top: (top / "new").write_text("x"), "false"),
        (lambda top: (top / "a").write_text("two\n"), "true"),
        (lambda top: (top / "a").write_text("one\n"), "false"),
        (lambda top: (top / "a").unlink(), "true"),
        (lambda top: (top / "a").chmod(0o755), "true"),
    ],
)
def test_dirty_is_whether_tracked_files_differ(
    change: Callable[[Path], object], expected: str, repository: Repository
) -> None:
    (repository.top / "a").write_text("one\n")
    repository.git("add", "-A")
    repository.commit()
    change(repository.top)
    assert GitValues(lambda _: None, is_run=True).value("dirty", str(repository.top)) == expected
    is_dirty = repository.git("describe", "--always", "--dirty").endswith("-dirty")
    assert is_dirty == (expected == "true")
