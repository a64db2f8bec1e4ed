"""`clean` where not all that lies in the root is of this plan and this branch: two plans, includes, tracked files."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from helpers import Waiting, ended, plan, run_treadle, start_treadle

if TYPE_CHECKING:
    from pathlib import Path

ONE = "actions: {a: {sh: 'echo a > ${out}', out: o/a}, d: {sh: 'echo d > ${out}/d', out: o/d/}}\n"
TWO = "actions: {b: {sh: 'cat ${in} > ${out}', in: o/a, out: o/b}}\n"
BOTH = "include: [a.yaml]\nactions: {c: {sh: 'echo c > ${out}', out: o/c}}\n"
ALL = {"o/a", "o/b", "o/c", "o/d/d"}


def left(folder: Path) -> set[str]:
    """Return the outputs that are there."""
    return {path.relative_to(folder).as_posix() for path in (folder / "o").rglob("*") if path.is_file()}


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """A root with three plans that have run: one reads what another makes, and one includes another."""
    plan(tmp_path, ONE, "a.yaml")
    plan(tmp_path, TWO, "b.yaml")
    plan(tmp_path, BOTH, "c.yaml")
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        run_treadle(tmp_path, "run", "-f", name, check=0)
    assert left(tmp_path) == ALL
    return tmp_path


CLEANS = {
    # words -> what is gone, what is said
    "clean -f a.yaml": (
        {"o/a", "o/d/d"},
        "left: 2 outputs of other parameter values, removed actions or other plans",
    ),
    "clean -f a.yaml a": ({"o/a"}, ""),
    "clean -f b.yaml": ({"o/b"}, "left: 3 outputs of other"),
    "clean -f c.yaml": ({"o/a", "o/d/d", "o/c"}, "left: 1 output of other"),
    "clean -f a.yaml --stale": (set(), ""),
    "clean -f b.yaml --stale": (set(), ""),
    "clean -f c.yaml --stale": (set(), ""),
    "clean -f a.yaml --all": (ALL, ""),
    "clean -f c.yaml --all": (ALL, ""),
    "clean -f b.yaml --all": (ALL - {"o/a"}, "o/a is left alone: an action of the plan reads it"),
}


@pytest.mark.parametrize("words", CLEANS)
def test_plans_that_share_a_state_are_cleaned_one_by_one_and_all_of_them_by_all(plans: Path, words: str) -> None:
    gone, said = CLEANS[words]
    dry = run_treadle(plans, *words.split(), "-n", check=1 if gone else 0)
    assert left(plans) == ALL
    done = run_treadle(plans, *words.split(), check=0)
    assert left(plans) == ALL - gone
    assert said in done.err
    assert (done.err == "") == (said == ""), done.err
    assert dry.err == done.err
    # what is there still is up to date, and what is gone is made again
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        run_treadle(plans, "run", "-f", name, check=0)
    assert left(plans) == ALL


@pytest.mark.parametrize(
    ("removed", "words", "gone"),
    [
        ("b.yaml", "clean -f a.yaml --stale", {"o/b"}),
        ("c.yaml", "clean -f a.yaml --stale", {"o/c"}),
        ("c.yaml", "clean -f b.yaml --stale", {"o/c", "o/d/d"}),
    ],
)
def test_outputs_of_a_plan_that_is_gone_are_stale_but_for_what_another_plan_reads_or_makes(
    plans: Path, removed: str, words: str, gone: set[str]
) -> None:
    if words.startswith("clean -f b.yaml"):
        # what another plan than this one and the one that is gone makes, that plan knows
        run_treadle(plans, "run", "-f", "c.yaml", "--force", check=0)
    (plans / removed).unlink()
    run_treadle(plans, *words.split(), check=0)
    assert left(plans) == ALL - gone


@pytest.mark.parametrize("words", ["clean", "clean --all", "clean --stale", "clean a", "clean --replaced"])
def test_clean_waits_for_a_run_or_says_that_there_is_one_and_takes_nothing_meanwhile(
    tmp_path: Path, words: str
) -> None:
    waiting = Waiting(tmp_path)
    run = waiting.start()
    refused = run_treadle(waiting.folder, *words.split(), "--no-wait", check=3)
    assert "is at work" in refused.err
    clean = start_treadle(waiting.folder, *words.split())
    assert clean.stderr is not None
    assert "waiting for" in clean.stderr.readline()
    waiting.go.open()
    assert ended(run).code == 0
    assert ended(clean).code == 0
    takes = words in ("clean", "clean --all")
    assert (waiting.folder / "p").exists() != takes
    assert (waiting.folder / "o").exists() == (words in ("clean --stale", "clean --replaced"))


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not there to change the branch")
MAKES = """
actions:
  gen: {sh: 'echo "gen $(cat ${in})" > ${out}', in: i, out: gen.c}
  tree: {sh: 'echo "tree $(cat ${in})" > ${out}/t', in: i, out: t/}
  use: {sh: 'cat gen.c t/t > ${out}', in: [gen.c, t/], out: o/use}
"""
READS = "actions: {use: {sh: 'cat gen.c t/t > ${out}', in: [gen.c, t/], out: o/use}}\n"
NEITHER = "actions: {use: {sh: 'cat ${in} > ${out}', in: i, out: o/use}}\n"


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def commit(folder: Path, text: str, input_text: str) -> None:
    plan(folder, text)
    (folder / "i").write_text(input_text)
    (folder / ".gitignore").write_text("o/\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "a state")


@pytest.fixture
def branches(tmp_path: Path) -> Path:
    """A checkout whose branch `made` tracks outputs, and others in which they are sources, or other ones, or gone."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "made")
    plan(folder, MAKES)
    (folder / "i").write_text("1")
    run_treadle(folder, "run", check=0)
    commit(folder, MAKES, "1")
    for name, text in (("reads", READS), ("neither", NEITHER)):
        git(folder, "checkout", "-q", "-b", name, "made")
        commit(folder, text, "1")
    git(folder, "checkout", "-q", "-b", "edited", "made")
    (folder / "gen.c").write_text("edited by hand\n")
    (folder / "t/t").write_text("edited by hand\n")
    commit(folder, MAKES, "1")
    git(folder, "checkout", "-q", "-b", "removed", "made")
    git(folder, "rm", "-q", "-r", "gen.c", "t")
    commit(folder, MAKES, "1")
    git(folder, "checkout", "-q", "made")
    return folder


@needs_git
@pytest.mark.parametrize("branch", ["reads", "neither"])
@pytest.mark.parametrize("words", ["run", "clean", "clean --all", "clean --stale"])
def test_a_file_that_git_tracks_and_the_plan_does_not_make_stays(branches: Path, branch: str, words: str) -> None:
    git(branches, "checkout", "-q", branch)
    done = run_treadle(branches, *words.split(), check=0)
    assert git(branches, "status", "--short") == ""
    if branch == "neither" and words in ("clean --all", "clean --stale"):
        assert "gen.c is left alone: git tracks it, and no action of the plan makes it" in done.err
        assert "t/ is left alone: git tracks files in it" in done.err


@needs_git
@pytest.mark.parametrize("words", ["clean --all", "clean --stale"])
def test_what_git_does_not_track_goes_as_ever_after_a_change_of_the_branch(branches: Path, words: str) -> None:
    git(branches, "checkout", "-q", "removed")
    git(branches, "checkout", "-q", "-b", "fresh")
    run_treadle(branches, "run", check=0)
    assert "?? gen.c" in git(branches, "status", "--short")
    plan(branches, NEITHER)
    run_treadle(branches, *words.split(), check=0)
    assert not (branches / "gen.c").exists()
    assert not (branches / "t").exists()


@needs_git
def test_a_tracked_output_that_another_branch_has_edited_is_kept_aside(branches: Path) -> None:
    git(branches, "checkout", "-q", "edited")
    run_treadle(branches, "run", check=0)
    assert (branches / "gen.c").read_text() == "gen 1\n"
    assert (branches / "o/use").read_text() == "gen 1\ntree 1\n"
    texts = [path.read_text() for path in (branches / ".treadle/replaced").rglob("*") if path.is_file()]
    assert texts == ["edited by hand\n", "edited by hand\n"]


@needs_git
@pytest.mark.parametrize("words", ["clean", "clean --all"])
def test_clean_leaves_a_tracked_output_that_another_branch_has_edited(branches: Path, words: str) -> None:
    git(branches, "checkout", "-q", "edited")
    run_treadle(branches, *words.split(), check=0)
    assert git(branches, "status", "--short") == ""


@needs_git
def test_branches_in_turn_are_never_stale(branches: Path) -> None:
    for branch in ("removed", "reads", "edited", "neither", "made", "removed", "edited", "reads", "made"):
        git(branches, "checkout", "-q", "-f", branch)
        run_treadle(branches, "run", check=0)
        expected = {
            "neither": "1",
            # the sources of this branch
            "reads": "gen 1\ntree 1\n",
        }.get(branch, "gen 1\ntree 1\n")
        assert (branches / "o/use").read_text() == expected, branch
        assert run_treadle(branches, "run", check=0).out.startswith("nothing to do"), branch
