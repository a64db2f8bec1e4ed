"""What a glob may not look into is an error: a silent answer would be short of files, and foreach of actions."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plan_folder import HEAD, Folder
from treadle.errors import PlanError

NOBODY = 65534
ANSWERS = {
    "any depth": "s/**/*.c",
    "any depth, all files": "s/**",
    "one name in between": "s/*/a.c",
    "the base itself": "s/no/*.c",
    "any depth below the base": "s/no/**/*.c",
    "two stars": "s/**/no/**/*.c",
    "a name in between": "s/n?/*.c",
}
PASSED_BY = {
    "another folder": "s/yes/*.c",
    "another depth": "s/*.c",
    "a name that it has not": "s/y*/*.c",
    "a hidden folder": "h/**/*.c",
}


@pytest.fixture
def closed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Return a folder in which s/no and h/.no cannot be listed, whoever runs the tests."""
    folder.write("s/a.c", "s/no/b.c", "s/yes/a.c", "h/.no/a.c", "h/a.c")
    fail(monkeypatch, {f"{folder.root}/s/no", f"{folder.root}/h/.no"}, errno.EACCES)
    return folder


def fail(monkeypatch: pytest.MonkeyPatch, folders: set[str], number: int) -> None:
    listed = os.scandir

    def scandir(path: Any = ".") -> Any:
        if os.fspath(path) in folders:
            raise OSError(number, os.strerror(number), path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)


@pytest.mark.parametrize("glob", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("key", ["in", "foreach", "edits"])
def test_a_glob_over_a_folder_that_it_may_not_read_is_an_error_with_the_folder(
    closed: Folder, glob: str, key: str
) -> None:
    value = f"{{glob: '{glob}', empty: ok}}"
    lines = {
        "in": f"  a: {{run: x, in: {value}}}\n",
        "foreach": f"  a:\n    foreach: {{f: {value}}}\n    run: x\n    in: ${{f}}\n",
        "edits": f"  a: {{run: x, edits: {value}}}\n",
    }
    (problem,) = closed.problems(HEAD + lines[key])
    assert problem.what == f"the glob {glob} cannot be evaluated: s/no/ cannot be read"
    assert problem.facts == ("s/no/: Permission denied",)
    assert problem.hint == "make it readable, or exclude it: exclude: s/no/**"
    assert problem.place is not None
    assert problem.place.line == (4 if key == "foreach" else 3)


@pytest.mark.parametrize("glob", PASSED_BY.values(), ids=PASSED_BY)
def test_what_a_glob_does_not_look_into_need_not_be_readable(closed: Folder, glob: str) -> None:
    closed.load(f"  a: {{run: x, in: '{glob}'}}\n")


@pytest.mark.parametrize("exclude", ["s/no/**", "s/n*/**", "**/no/**", "s/**"])
def test_a_folder_that_is_excluded_as_a_whole_need_not_be_readable(closed: Folder, exclude: str) -> None:
    plan = closed.load(f"  a: {{run: x, in: {{glob: ['s/**/*.c', 'h/*.c'], exclude: '{exclude}'}}}}\n")
    assert "h/a.c" in plan.actions["a"].command.inputs


@pytest.mark.parametrize("exclude", ["s/no/*", "s/no/*.c", "s/yes/**", "s/no"])
def test_a_folder_of_which_a_part_is_excluded_has_to_be_readable(closed: Folder, exclude: str) -> None:
    (problem,) = closed.problems(
        f"{HEAD}  a: {{run: x, in: {{glob: ['s/**/*.c', 'h/*.c'], exclude: '{exclude}'}}}}\n"
    )
    assert "s/no/ cannot be read" in problem.what


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG])
def test_any_error_that_leaves_open_what_is_in_a_folder_is_told(
    folder: Folder, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("s/a.c", "s/no/b.c")
    fail(monkeypatch, {f"{folder.root}/s/no"}, number)
    (problem,) = folder.problems(HEAD + "  a: {run: x, in: 's/**/*.c'}\n")
    assert problem.facts == (f"s/no/: {os.strerror(number)}",)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.ELOOP])
def test_a_folder_that_goes_while_a_glob_looks_holds_nothing(
    folder: Folder, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("s/a.c", "s/no/b.c")
    fail(monkeypatch, {f"{folder.root}/s/no"}, number)
    assert folder.load("  a: {run: x, in: 's/**/*.c'}\n").actions["a"].command.inputs == ("s/a.c",)


def test_links_that_lead_nowhere_are_no_files(folder: Folder) -> None:
    folder.write("s/a.c", "s/file")
    for name, text in (("loop.c", "loop.c"), ("through.c", "file/x"), ("gone.c", "nowhere")):
        (folder.root / "s" / name).symlink_to(text)
    assert folder.load("  a: {run: x, in: 's/*.c'}\n").actions["a"].command.inputs == ("s/a.c",)


@contextmanager
def as_nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_modes_of_the_system_are_told_as_they_are() -> None:
    root = Path(tempfile.mkdtemp())
    try:
        folder = Folder(root)
        folder.write("s/a.c", "s/no/b.c", "away/c.c", "treadle.yaml")
        (root / "s" / "link.c").symlink_to(root / "away" / "c.c")
        root.chmod(0o755)
        for glob, closed, told in (("s/**/*.c", "s/no", "s/no/"), ("s/*.c", "away", "s/link.c")):
            (root / "treadle.yaml").write_text(f"{HEAD}  a: {{run: x, in: '{glob}'}}\n")
            (root / closed).chmod(0)
            from treadle.plan.load import load_plan

            with as_nobody(), pytest.raises(PlanError) as caught:
                load_plan(str(root / "treadle.yaml"), environ={}, previous_outputs=lambda _: ())
            (root / closed).chmod(0o755)
            assert caught.value.problems[0].facts == (f"{told}: Permission denied",)
    finally:
        shutil.rmtree(root)
