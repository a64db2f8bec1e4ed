"""What a checkout configures is not run by looking at it: git reads objects, and nothing else of a repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers import plan, run_treadle
from treadle.content import git as of_git

pytestmark = [
    pytest.mark.system("git"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not there to keep old contents"),
]
PLAN = 'actions:\n  first: {sh: "cat ${in} > ${out}", in: src/text, out: out/b}\n'


def git(folder: Path, *words: str) -> None:
    """Call git."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project whose input is in git, and has changed since the last run."""
    folder = tmp_path / "p"
    (folder / "src").mkdir(parents=True)
    (folder / "src/text").write_text("one\ntwo\n")
    plan(folder, PLAN)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    run_treadle(folder, "run", check=0)
    (folder / "src/text").write_text("one\nthree\n")
    return folder


def program(folder: Path) -> tuple[Path, Path]:
    """Return a program that leaves something behind when it is run, and what it leaves."""
    path, witness = folder.parent / "evil", folder.parent / "witness"
    path.write_text(f"#!/bin/sh\necho run >> {witness}\ncat\n")
    path.chmod(0o755)
    return path, witness


CONFIGURED = {
    "core.fsmonitor": "core.fsmonitor",
    "pager": "core.pager",
    "ssh": "core.sshCommand",
    "external diff": "diff.external",
    "text conversion": "diff.x.textconv",
    "filter": "filter.x.smudge",
    "clean filter": "filter.x.clean",
    "process filter": "filter.x.process",
    "askpass": "core.askPass",
    "credentials": "credential.helper",
    "editor": "core.editor",
    "alias": "alias.cat-file",
    "upload": "uploadpack.packObjectsHook",
}


@pytest.mark.parametrize("case", CONFIGURED)
def test_nothing_is_run_that_a_checkout_configures(checkout: Path, case: str) -> None:
    path, witness = program(checkout)
    (checkout / ".gitattributes").write_text("* filter=x diff=x text\n")
    key = CONFIGURED[case]
    value = f"!{path}" if key.startswith("alias") else str(path)
    git(checkout, "config", key, value)
    lines = run_treadle(checkout, "why", "first", check=0).out
    assert "- two" in lines
    assert not witness.exists()


def test_a_configuration_that_includes_another_is_not_read(checkout: Path) -> None:
    path, witness = program(checkout)
    (checkout / "more").write_text(f"[core]\n\tfsmonitor = {path}\n")
    git(checkout, "config", "include.path", "../more")
    assert "- two" in run_treadle(checkout, "why", "first", check=0).out
    assert not witness.exists()


def test_hooks_are_not_run(checkout: Path) -> None:
    path, witness = program(checkout)
    for name in ("post-index-change", "reference-transaction", "post-checkout", "pre-auto-gc"):
        shutil.copy(path, checkout / ".git/hooks" / name)
    assert "- two" in run_treadle(checkout, "why", "first", check=0).out
    assert not witness.exists()


def test_a_bare_repository_in_the_checkout_is_none_that_is_asked(checkout: Path) -> None:
    path, witness = program(checkout)
    git(checkout, "init", "-q", "--bare", "src")
    git(checkout / "src", "config", "core.fsmonitor", str(path))
    git(checkout / "src", "config", "core.bare", "false")
    git(checkout / "src", "config", "core.worktree", str(checkout))
    assert "- two" in run_treadle(checkout, "why", "first", check=0).out
    assert not witness.exists()


@pytest.mark.parametrize(
    "name", ["GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_CONFIG_GLOBAL", "GIT_EXEC_PATH", "GIT_TRACE"]
)
def test_variables_of_git_are_not_handed_on(checkout: Path, name: str) -> None:
    there = checkout.parent / "nothing"
    assert "- two" in run_treadle(checkout, "why", "first", check=0, env={name: str(there)}).out
    assert not there.exists()


@pytest.mark.parametrize("where", [".", "bin"])
def test_a_git_of_the_checkout_is_not_the_one_that_is_asked(checkout: Path, where: str) -> None:
    path, witness = program(checkout)
    (checkout / where).mkdir(exist_ok=True)
    shutil.copy(path, checkout / where / "git")
    folders = (where, str(checkout / where), "", os.environ["PATH"])
    run_treadle(checkout, "why", "first", check=0, env={"PATH": os.pathsep.join(folders)})
    assert not witness.exists()


def test_nothing_is_written_into_the_repository(checkout: Path) -> None:
    def stamps() -> dict[Path, int]:
        return {path: path.stat().st_ctime_ns for path in (checkout / ".git").rglob("*")}

    before = stamps()
    run_treadle(checkout, "why", "first", check=0)
    assert stamps() == before


KINDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "packed": (("gc", "-q"),),
    "index of version 4": (("update-index", "--index-version", "4"),),
    "split index": (("update-index", "--split-index"),),
    "references in one file": (("pack-refs", "--all"),),
    "no branch": (("checkout", "-q", "--detach"),),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_old_text_is_found_in_each_kind_of_repository(checkout: Path, kind: str) -> None:
    for words in KINDS[kind]:
        git(checkout, *words)
    assert "- two" in run_treadle(checkout, "why", "first", check=0).out


@pytest.mark.parametrize("kind", ["worktree", "submodule", "shallow", "sha256"])
def test_the_old_text_is_found_in_each_kind_of_checkout(tmp_path: Path, kind: str) -> None:
    origin, there = tmp_path / "origin", tmp_path / "there"
    origin.mkdir()
    git(origin, "init", "-q", f"--object-format={'sha256' if kind == 'sha256' else 'sha1'}")
    for text in ("zero\n", "one\ntwo\n"):
        (origin / "src").mkdir(exist_ok=True)
        (origin / "src/text").write_text(text)
        git(origin, "add", ".")
        git(origin, "commit", "-qm", text)
    if kind == "worktree":
        git(origin, "worktree", "add", "-q", str(there), "-b", "other")
    elif kind == "submodule":
        outer = tmp_path / "outer"
        outer.mkdir()
        git(outer, "init", "-q")
        git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(origin), "sub")
        there = outer / "sub"
    elif kind == "shallow":
        git(tmp_path, "clone", "-q", "--depth=1", f"file://{origin}", str(there))
    else:
        there = origin
    plan(there, PLAN)
    run_treadle(there, "run", check=0)
    (there / "src/text").write_text("one\nthree\n")
    git(there, "add", ".")
    assert "- two" in run_treadle(there, "why", "first", check=0).out


@pytest.mark.parametrize("version", ["2", "3", "4", "split"])
def test_the_index_says_what_is_tracked(tmp_path: Path, version: str) -> None:
    git(tmp_path, "init", "-q")
    names = ["a/b/c", "a/bb", ".treadle/records", "x y", "z" * 200, ".treadlex", "sub/.treadle/f", "ä"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    git(tmp_path, "add", "-f", *names)
    if version == "split":
        git(tmp_path, "update-index", "--split-index")
        (tmp_path / "later").write_text("")
        git(tmp_path, "add", "later")
        names.append("later")
    elif version == "3":
        (tmp_path / "meant").write_text("")
        git(tmp_path, "add", "-N", "meant")
        names.append("meant")
    else:
        git(tmp_path, "update-index", "--index-version", version)
    checkout = of_git.checkout_of(str(tmp_path))
    assert checkout is not None
    assert {os.fsdecode(path) for path, _ in checkout.index() if path} == set(names)
    for path, tracked in {
        ".treadle": True,
        "sub/.treadle": True,
        "a/.treadle": False,
        "a/b": True,
        "a/": False,
    }.items():
        assert of_git.tracks(str(tmp_path / path)) == (tracked or path == "a/"), path
    git(tmp_path, "rm", "-q", "-r", "--cached", ".treadle")
    # what a split index has taken out of the shared one counts until git writes that anew
    git(tmp_path, "update-index", "--no-split-index")
    assert not of_git.tracks(str(tmp_path / ".treadle"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"DIRC",
        b"DIRC\0\0\0\x02\0\0\0\x05",
        b"DIRC\0\0\0\x09\0\0\0\0" + b"x" * 40,
        b"x" * 99,
        # a number that goes on and on
        b"DIRC\0\0\0\x04\0\0\0\x02" + bytes(62) + b"\xff" * 2_000_000 + b"\0",
    ],
    ids=range(6),
)
def test_an_index_that_cannot_be_read_may_track_it(tmp_path: Path, data: bytes) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".git/index").write_bytes(data)
    assert of_git.tracks(str(tmp_path / ".treadle"))


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link", "link that loops"])
def test_something_else_in_the_place_of_an_index_may_track_it(tmp_path: Path, kind: str) -> None:
    git(tmp_path, "init", "-q")
    assert not of_git.tracks(str(tmp_path / ".treadle"))
    index = tmp_path / ".git/index"
    if kind == "folder":
        index.mkdir()
    elif kind == "pipe":
        os.mkfifo(index)
    else:
        index.symlink_to("index" if "loops" in kind else "absent")
    assert of_git.tracks(str(tmp_path / ".treadle"))


@pytest.mark.parametrize("name", ["HEAD", "commondir", "packed-refs", "config", "objects/info/alternates"])
@pytest.mark.parametrize("text", ["ref: refs/heads/a\0b\n", "a\0b\n", "\0", "x" * 5000])
def test_what_no_file_can_be_called_stops_no_question(checkout: Path, name: str, text: str) -> None:
    (checkout / ".git" / name).write_text(text)
    assert "src/text" in run_treadle(checkout, "why", "first", check=0).out


@pytest.mark.parametrize(
    "head",
    ["", "ref: ../../x\n", "ref: refs/../../x\n", "ref: refs/heads/none\n", "ref: refs/heads/circle\n", "x" * 40],
)
def test_a_head_that_leads_nowhere_has_no_old_text(checkout: Path, head: str) -> None:
    (checkout / ".git/HEAD").write_text(head)
    (checkout / ".git/refs/heads/circle").write_text("ref: refs/heads/circle\n")
    (checkout / ".git/index").unlink()
    out = run_treadle(checkout, "why", "first", check=0).out
    assert "- two" not in out
    assert "src/text" in out


@pytest.mark.parametrize("name", [".Treadle/records", ".TREADLE", ".treadle/RECORDS"])
def test_names_that_differ_in_case_alone_are_tracked_as_one(tmp_path: Path, name: str) -> None:
    """On a file system that ignores case a commit brings the state by any of them."""
    git(tmp_path, "init", "-q")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("forged")
    git(tmp_path, "add", "-f", name)
    assert of_git.tracks(str(tmp_path / ".treadle"))
    assert not of_git.tracks(str(tmp_path / ".treadle-other"))
