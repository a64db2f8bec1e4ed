"""Killed between two steps of making room, recording and cleaning: the next run is right, and no file is lost.

The command runs in a fork of this process, in which the call of the system with a certain number ends it.
"""

from __future__ import annotations

import os
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import treadle.cli
import treadle.plan
import treadle.ui
from treadle.__main__ import main

for package in (treadle, treadle.cli, treadle.plan, treadle.ui):
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not module.ispkg and module.name != "treadle.session.plan_inputs":
            # what is loaded here need not be loaded in each of the forks
            import_module(module.name)

STEPS = ("unlink", "rename", "replace", "rmdir", "mkdir", "symlink", "open", "pwrite", "ftruncate")
"""The calls that change files; of `open` those that make one."""
KILLED = 99
REPLACED = ".treadle/replaced"
NEVER = 10_000
EACH_PART = "TREADLE_TESTS_ALL_STEPS" not in os.environ
"""Whether each case takes a part of the steps, so that all of them together take each step once."""


def call(folder: Path, *arguments: str, die_at: int = NEVER) -> tuple[int, int]:
    """Call the command in a fork; return its exit code and how many steps it took.

    :param die_at: the number of the step before which it is killed
    """
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.close(readable)
            os.chdir(folder)
            with open(folder.parent / "printed", "ab") as printed:
                os.dup2(printed.fileno(), 1)
                os.dup2(printed.fileno(), 2)
            sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115 - the fork ends with it
            sys.argv = ["treadle", *arguments]
            steps = Steps(die_at)
            code = main()
            os.write(writable, str(steps.count).encode())
        finally:
            os._exit(code)
    os.close(writable)
    with open(readable, "rb") as told:
        count = int(told.read() or b"0")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), count


class Steps:
    """Counts the steps of this process, and ends it before one of them."""

    def __init__(self, die_at: int) -> None:
        self.count = 0
        self.die_at = die_at
        for name in STEPS:
            setattr(os, name, self.counted(name, getattr(os, name)))

    def counted(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                self.count += 1
                if self.count == self.die_at:
                    os._exit(KILLED)
            return step(*arguments, **options)

        return counted


PLAN = """
treadle: 1
actions:
  file: {sh: 'echo "file $(cat ${in})" > ${out}; echo "${out}: ${in}" > ${depfile}', in: i, out: o/deep/f, depfile: o/f.d}
  folder:
    sh: |
      mkdir -p ${out}/sub/sub; for n in $(cat i); do echo "folder $n" > ${out}/sub/sub/$n; done
      echo page > ${out}/page; ln -s page ${out}/link; ln -s sub ${out}/linked
    in: i
    out: d/
  link: {sh: 'ln -s ../i ${out}', in: i, out: o/l}
  kept: {sh: 'echo "kept $(cat ${in})" > ${out}', in: i, out: o/kept, keep: true}
"""
FORMER = """
  shape: {sh: 'mkdir -p ${out}/x; echo old > ${out}/x/y', in: i, out: s/}
  moved: {sh: 'echo old > ${out}', in: i, out: g/moved}
"""
LATTER = """
  shape: {sh: 'echo "shape $(cat ${in})" > ${out}', in: i, out: s}
  moved: {sh: 'echo "moved $(cat ${in})" > ${out}/moved', in: i, out: g/}
"""
RESULT = {
    "o/deep/f": "file b c",
    "o/f.d": "o/deep/f: i",
    "d/sub/sub/b": "folder b",
    "d/sub/sub/c": "folder c",
    "d/page": "page",
    "d/link": "-> page",
    "d/linked": "-> sub",
    "o/l": "-> ../i",
    "o/kept": "kept b c",
    "s": "shape b c",
    "g/moved": "moved b c",
}


def in_folders(plan: str, workdir: str) -> str:
    """Return a plan whose actions have a `workdir`, but for those with `keep`."""
    if not workdir:
        return plan
    lines = [
        line.replace("in: i,", f"in: i, workdir: {workdir},") if "keep" not in line else line
        for line in plan.replace("    in: i\n", f"    in: i\n    workdir: {workdir}\n").splitlines()
    ]
    return "\n".join(lines) + "\n"


class Case(NamedTuple):
    """What a user does between two runs.

    :ivar theirs: path -> what they write there
    :ivar stays: which of these stay in their place, through `clean --all` too
    """

    theirs: dict[str, str]
    stays: tuple[str, ...] = ()


CASES = {
    "nothing": Case({}),
    "outputs edited": Case({"o/deep/f": "user 1", "o/f.d": "user 2", "d/sub/sub/b": "user 3", "d/page": "user 4"}),
    "files beside": Case(
        {"o/deep/mine": "user 5", "d/mine": "user 6", "d/sub/mine": "user 7", "g/mine": "user 8"},
        ("o/deep/mine", "d/mine", "d/sub/mine"),
    ),
    "links turned": Case({"o/l": "-> user", "d/link": "-> user", "d/linked": "-> user"}),
    "a file for a link": Case({"o/l": "user 9", "d/link": "user 10"}),
}


def put(folder: Path, name: str, text: str) -> None:
    """Write a file or a link."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.unlink()
    if text.startswith("-> "):
        path.symlink_to(text[3:])
    else:
        path.write_text(text)


def tree(folder: Path) -> dict[str, str]:
    """Return path -> what is there of all files and links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(folder).as_posix()] = f"-> {path.readlink()}"
        elif path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_text(errors="replace").strip()
    return found


def outside(folder: Path) -> dict[str, str]:
    """Return what lies outside of the state, but for plan and input."""
    return {
        name: text
        for name, text in tree(folder).items()
        if not name.startswith(".treadle") and name not in ("treadle.yaml", "i")
    }


class Prepared:
    """A project in which everything was made once, and in which a user has been at work since.

    :param workdir: the `workdir` of the actions that may have one
    :param is_cached: whether all that the next run wants is in a cache, by a run in another folder
    """

    def __init__(self, folder: Path, case: Case, workdir: str = "", *, is_cached: bool = False) -> None:
        if is_cached:
            other = folder / "other"
            other.mkdir()
            put(other, "treadle.yaml", in_folders(PLAN + LATTER, workdir))
            put(other, "i", "b c")
            assert call(other, "run")[0] == 0, (folder / "printed").read_text()
        self.first = folder / "first"
        self.folder = folder / "project"
        self.case = case
        # D7: of a depfile the record has what it names
        self.result = {name: text for name, text in RESULT.items() if not is_cached or name != "o/f.d"}
        self.first.mkdir()
        put(self.first, "treadle.yaml", in_folders(PLAN + FORMER, workdir))
        put(self.first, "i", "a b")
        assert call(self.first, "run")[0] == 0, self.printed()
        put(self.first, "treadle.yaml", in_folders(PLAN + LATTER, workdir))
        put(self.first, "i", "b c")
        for name, text in case.theirs.items():
            put(self.first, name, text)

    def again(self) -> None:
        """Make a project that is as it was after all that."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.first, self.folder, symlinks=True)

    def check_nothing_is_lost(self, when: str) -> None:
        """Check that all that is the user's is in its place, or was moved aside."""
        there = tree(self.folder)
        held = sorted(
            text for name, text in there.items() if not name.startswith(".treadle") or name.startswith(REPLACED)
        )
        missing = [text for text in self.case.theirs.values() if text not in held]
        assert not missing, (when, missing, there)

    def check_result(self, when: str) -> None:
        """Check that all is as the plan says."""
        there = outside(self.folder)
        theirs = {name: text for name, text in self.case.theirs.items() if name in self.case.stays}
        more = {name: text for name, text in there.items() if name not in RESULT and name not in theirs}
        assert {name: there.get(name) for name in self.result} == self.result, when
        assert not {name for name in more if name not in self.case.theirs}, (when, more)

    def check_clean_leaves_only_theirs(self, when: str) -> None:
        """Check that `clean` leaves what is the user's, and nothing else."""
        assert call(self.folder, "clean", "--all")[0] == 0, (when, self.printed())
        assert call(self.folder, "clean", "kept")[0] == 0, (when, self.printed())
        self.check_nothing_is_lost(f"clean after {when}")
        left = outside(self.folder)
        assert set(left) <= set(self.case.theirs), (when, left, self.printed())
        assert {name: left.get(name) for name in self.case.stays} == {
            name: self.case.theirs[name] for name in self.case.stays
        }

    def runs_after_kills(self, part: tuple[int, int]) -> Iterator[str]:
        """Kill a run before each of some steps, check that nothing is lost, run again and check what that leaves.

        :param part: see `steps`
        """
        for step in self.steps("run", "-j1", part=part):
            when = f"killed before step {step}"
            self.check_nothing_is_lost(when)
            assert call(self.folder, "run")[0] == 0, (when, self.printed())
            self.check_nothing_is_lost(f"run after {when}")
            self.check_result(when)
            yield when

    def steps(self, *arguments: str, part: tuple[int, int] = (0, 1)) -> Iterator[int]:
        """Yield the numbers of the steps of a call, with a project that was killed there.

        :param part: the first of them, and the distance to the next one
        """
        self.again()
        _, count = call(self.folder, *arguments)
        assert count > 5, self.printed()
        first, distance = part if EACH_PART else (0, 1)
        for step in range(1 + first, count + 1, distance):
            self.again()
            code, _ = call(self.folder, *arguments, die_at=step)
            if code == KILLED:
                yield step

    def printed(self) -> str:
        return (self.folder.parent / "printed").read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_was_killed_at_any_step_loses_nothing_and_the_next_one_is_right(
    tmp_path: Path, case: str
) -> None:
    project = Prepared(tmp_path, CASES[case])
    done = 0
    for when in project.runs_after_kills((list(CASES).index(case), len(CASES))):
        done += 1
        project.check_clean_leaves_only_theirs(when)
    assert done > 10


@pytest.mark.parametrize("case", CASES)
def test_clean_after_a_run_that_was_killed_at_any_step_leaves_what_is_the_users(tmp_path: Path, case: str) -> None:
    project = Prepared(tmp_path, CASES[case])
    for step in project.steps("run", "-j1", part=(list(CASES).index(case), len(CASES))):
        project.check_clean_leaves_only_theirs(f"killed before step {step}")


@pytest.mark.parametrize("words", ["clean --all", "clean --stale", "clean", "clean file folder link kept"])
def test_clean_that_was_killed_at_any_step_loses_nothing_and_goes_on_where_it_ended(
    tmp_path: Path, words: str
) -> None:
    case = Case({**CASES["outputs edited"].theirs, **CASES["files beside"].theirs}, CASES["files beside"].stays)
    project = Prepared(tmp_path, case)
    for step in project.steps(*words.split()):
        when = f"{words} killed before step {step}"
        project.check_nothing_is_lost(when)
        project.check_clean_leaves_only_theirs(when)
        assert call(project.folder, "run")[0] == 0, (when, project.printed())
        project.check_nothing_is_lost(f"run after {when}")
        project.check_result(when)


@pytest.mark.parametrize("case", CASES)
def test_a_run_with_workdirs_that_was_killed_at_any_step_loses_nothing_and_the_next_one_is_right(
    tmp_path: Path, case: str
) -> None:
    """W2."""
    number = list(CASES).index(case)
    project = Prepared(tmp_path, CASES[case], ("fresh", "{fresh: copy}")[number % 2])
    done = 0
    for when in project.runs_after_kills((number, len(CASES))):
        done += 1
        left = [name for name in tree(project.folder) if name.startswith(".treadle/work/")]
        assert not left, (when, left)
    assert done > 8


@pytest.mark.parametrize("case", CASES)
def test_a_restore_that_was_killed_at_any_step_loses_nothing_and_the_next_run_is_right(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1, R2, case 43: whether the next run restores the rest or not."""
    monkeypatch.setenv("TREADLE_CACHE", "local")
    monkeypatch.setenv("TREADLE_CACHE_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(
        sys.modules[__name__], "PLAN", PLAN.replace("actions:", "defaults: {cache: true}\nactions:")
    )
    number = list(CASES).index(case)
    project = Prepared(tmp_path, CASES[case], ("", "fresh")[number % 2], is_cached=True)
    done = 0
    for when in project.runs_after_kills((number, len(CASES))):
        done += 1
        left = [name for name in tree(project.folder) if name.startswith(".treadle/restore/")]
        assert not left, (when, left)
        if done % 3 == 0:
            project.check_clean_leaves_only_theirs(when)
    assert done > 8
    assert "restored" in project.printed()
