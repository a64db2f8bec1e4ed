"""What differs from a commit is what git says, and nothing that a repository configures is run to find it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import repositories
from treadle import UsageError
from treadle.content.git_changes import changed_since

pytestmark = pytest.mark.system("git")


class Repository(repositories.Repository):
    def __init__(self, top: Path, *words: str) -> None:
        super().__init__(top, *words)
        self.git("config", "protocol.file.allow", "always")

    def git(self, *words: str) -> bytes:
        return self.run(*words)

    def write(self, name: str, text: str = "text\n") -> Path:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def commit(self) -> None:
        self.commit_all()

    def asked(self, rev: str = "HEAD") -> set[str]:
        """Return what git itself says."""
        listed = self.git("diff", "--name-only", "-z", "--no-renames", rev, "--")
        listed += self.git("ls-files", "-z", "--others", "--exclude-standard")
        return {os.fsdecode(name) for name in listed.split(b"\0")[:-1]}

    def found(self, rev: str = "HEAD", folder: str = ".") -> set[str]:
        top = os.path.realpath(self.top)
        return {os.path.relpath(path, top) for path in changed_since(rev, str(self.top / folder)).paths}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repo")
    for name in ("a", "b", "dir/c", "dir/sub/d", "run.sh"):
        made.write(name, f"{name}\n")
    made.write(".gitignore", "*.o\n")
    (made.top / "link").symlink_to("a")
    made.commit()
    return made


def _remove(path: Path) -> Path:
    path.unlink()
    return path


def _rename(repo: Repository) -> None:
    repo.git("mv", "a", "new name")


def _bytes(repo: Repository) -> None:
    for name in (b"line\nbreak", b"not utf-8 \xff", b"tab\t'\"quote", b" blank "):
        with open(os.path.join(os.fsencode(repo.top), name), "wb") as file:
            file.write(b"x")


def _relink(repo: Repository) -> None:
    (repo.top / "link").unlink()
    (repo.top / "link").symlink_to("b")


def _folder(repo: Repository) -> None:
    (repo.top / "a").unlink()
    repo.write("a/inside")


def _touched(repo: Repository) -> None:
    repo.write("a", "a\n")


def _staged_and_back(repo: Repository) -> None:
    repo.write("a", "other\n")
    repo.git("add", "a")
    repo.write("a", "a\n")


EDITS: dict[str, Callable[[Repository], object]] = {
    "nothing": lambda repo: None,
    "edited": lambda repo: repo.write("a", "other\n"),
    "same size": lambda repo: repo.write("a", "z\n"),
    "written as it was": _touched,
    "staged": lambda repo: (repo.write("a", "other\n"), repo.git("add", "a")),
    "staged and put back": _staged_and_back,
    "new": lambda repo: repo.write("dir/new"),
    "new and staged": lambda repo: (repo.write("new"), repo.git("add", "new")),
    "new and announced": lambda repo: (repo.write("new"), repo.git("add", "-N", "new")),
    "ignored": lambda repo: repo.write("x.o"),
    "removed": lambda repo: _remove(repo.top / "a"),
    "removed by git": lambda repo: repo.git("rm", "-q", "a"),
    "renamed": _rename,
    "mode": lambda repo: (repo.top / "run.sh").chmod(0o755),
    "link": _relink,
    "a folder in place of a file": _folder,
    "odd names": _bytes,
    "index version 4": lambda repo: (repo.git("update-index", "--index-version", "4"), repo.write("b", "x")),
    "split index": lambda repo: (
        repo.git("update-index", "--split-index"),
        repo.write("b", "x"),
        repo.git("add", "b"),
    ),
    "no index": lambda repo: (repo.write("b", "x"), _remove(repo.top / ".git" / "index")),
    "packed": lambda repo: (repo.git("gc", "-q"), repo.git("pack-refs", "--all"), repo.write("b", "x")),
    "detached": lambda repo: (repo.git("checkout", "-q", "--detach"), repo.write("b", "x")),
}


@pytest.mark.parametrize("edit", EDITS)
def test_it_is_what_git_says(edit: str, repository: Repository) -> None:
    EDITS[edit](repository)
    assert repository.found() == repository.asked()
    assert repository.found(folder="dir") == repository.asked()


def test_both_names_of_a_renamed_file_have_moved(repository: Repository) -> None:
    _rename(repository)
    repository.write("b", "edited\n")
    repository.write("dir/new")
    found = changed_since("HEAD", str(repository.top))
    assert {os.path.basename(path) for path in found.moved} == {"a", "new name", "new"}
    assert {os.path.basename(path) for path in found.paths} == {"a", "new name", "new", "b"}


@pytest.mark.parametrize("rev", ["HEAD~1", "main~1", "first", "HEAD^{/x}~1"])
def test_any_form_that_git_knows_names_a_commit(rev: str, repository: Repository) -> None:
    repository.git("tag", "first")
    repository.write("b", "two\n")
    repository.commit()
    repository.write("dir/c", "three\n")
    assert repository.found(rev) == repository.asked(rev)


@pytest.mark.parametrize("rev", ["nope", "HEAD:a", "HEAD~9", "main..HEAD", "", "-x", "--all", "HEAD\0"])
def test_what_is_no_commit_is_refused(rev: str, repository: Repository) -> None:
    with pytest.raises(UsageError) as caught:
        changed_since(rev, str(repository.top))
    assert caught.value.what.startswith(f"--since {rev}")


def test_a_folder_outside_of_a_repository_and_an_unborn_branch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in a git repository"):
        changed_since("HEAD", str(tmp_path))
    empty = Repository(tmp_path / "empty")
    with pytest.raises(UsageError, match="no such commit"):
        changed_since("HEAD", str(empty.top))


def test_it_works_in_a_worktree_a_sha256_repository_and_with_git_dir_of_another(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.git("worktree", "add", "-q", str(tmp_path / "tree"))
    (tmp_path / "tree" / "b").write_text("x")
    top = os.path.realpath(tmp_path / "tree")
    assert changed_since("main", str(tmp_path / "tree")).paths == {f"{top}/b"}
    other = Repository(tmp_path / "other", "--object-format=sha256")
    other.write("a")
    other.commit()
    other.write("a", "two\n")
    monkeypatch.setenv("GIT_DIR", str(repository.top / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "none"))
    assert other.found() == {"a"}


def test_what_a_sparse_checkout_leaves_out_is_not_removed(repository: Repository) -> None:
    for words in (["set", "--cone", "dir/sub"], ["set", "--cone", "--sparse-index", "dir/sub"]):
        repository.git("sparse-checkout", *words)
        repository.write("dir/sub/d", "edited\n")
        assert repository.found() == {"dir/sub/d"}


def test_what_differs_in_a_submodule_has_its_own_path(repository: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner")
    inner.write("one")
    inner.commit()
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.top), "sub")
    repository.commit()
    assert repository.found() == set()
    repository.write("sub/one", "edited\n")
    repository.write("sub/new")
    assert repository.found() == {"sub/one", "sub/new"}
    # another commit is checked out
    subprocess.run(["git", "add", "-A"], cwd=repository.top / "sub", env=repository.environ, check=True)
    words = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]
    subprocess.run(words, cwd=repository.top / "sub", env=repository.environ, check=True)
    assert repository.found() == {"sub/one", "sub/new"}


def test_nothing_that_the_repository_configures_is_run(repository: Repository, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 $@ >> {ran}\ncat\n")
    program.chmod(0o755)
    repository.write(".gitattributes", "*.txt filter=f diff=d\na filter=f diff=d\n")
    repository.write("x.txt")
    repository.commit()
    for name in ("filter.f.clean", "filter.f.smudge", "filter.f.process", "diff.d.textconv", "diff.d.command"):
        repository.git("config", name, str(program))
    for name in ("core.fsmonitor", "diff.external", "core.sshCommand", "core.pager", "core.editor"):
        repository.git("config", name, str(program))
    repository.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    (tmp_path / "hooks").mkdir()
    for name in ("post-index-change", "query-watchman", "reference-transaction"):
        (tmp_path / "hooks" / name).symlink_to(program)
    ran.unlink(missing_ok=True)
    repository.write("a", "edited\n")
    repository.write("new.txt")
    before = (repository.top / ".git" / "index").stat()
    assert repository.found() == {"a", "new.txt"}
    assert not ran.exists(), ran.read_text()
    after = (repository.top / ".git" / "index").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_git_in_the_repository_is_not_started(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("bin/git", "#!/bin/sh\ntouch ran\n")
    (repository.top / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{repository.top}/bin:{os.environ['PATH']}")
    assert repository.found() == {"bin/git"}
    assert not (repository.top / "ran").exists()


def test_a_file_that_a_filter_changes_and_that_the_index_knows_is_the_same(repository: Repository) -> None:
    repository.write(".gitattributes", "*.up filter=up\n")
    repository.git("config", "filter.up.clean", "tr a-z A-Z")
    repository.write("x.up", "small\n")
    repository.commit()
    os.utime(repository.top / ".git" / "index")
    assert repository.found() <= {"x.up"}
    repository.write("x.up", "other\n")
    assert repository.found() == {"x.up"}
