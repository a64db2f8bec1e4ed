"""What an output folder holds depends on its action and on what others put there, never on an older state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from behaviour.test_clean_ownership import contents, tree
from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

COPY = "actions: {site: {sh: 'cp -r src/* ${out}/', in: src/, out: site/}}\n"


def project(folder: Path, text: str = COPY) -> Path:
    (folder / "src/sub").mkdir(parents=True)
    plan(folder, text)
    for name in ("a", "b", "sub/c", "sub/d"):
        (folder / "src" / name).write_text(name)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (["b"], ["a", "sub", "sub/c", "sub/d"]),
        (["sub/c"], ["a", "b", "sub", "sub/d"]),
        (["sub/c", "sub/d", "sub"], ["a", "b"]),
        (["a", "b"], ["sub", "sub/c", "sub/d"]),
    ],
)
def test_what_an_older_state_left_in_an_output_folder_goes(
    tmp_path: Path, gone: list[str], left: list[str]
) -> None:
    folder = project(tmp_path / "p")
    run_treadle(folder, "run", check=0)
    for name in gone:
        path = folder / "src" / name
        path.rmdir() if path.is_dir() else path.unlink()
    assert run_treadle(folder, "run", check=0).err == ""
    assert names(folder / "site") == left
    assert run_treadle(folder, "run", check=0).lines[0].startswith("nothing to do")


def test_an_output_folder_is_made_also_where_keep_leaves_what_is_in_it(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", COPY.replace("out:", "keep: true, out:"))
    run_treadle(folder, "run", check=0)
    (folder / "src/b").unlink()
    run_treadle(folder, "run", check=0)
    assert names(folder / "site") == ["a", "b", "sub", "sub/c", "sub/d"]


def test_what_others_put_into_an_output_folder_stays_and_counts(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    (folder / "site/.git").mkdir(parents=True)
    (folder / "site/.git/HEAD").write_text("ref")
    (folder / "site/CNAME").write_text("host")
    run_treadle(folder, "run", check=0)
    (folder / "site/sub/added").write_text("mine")
    assert run_treadle(folder, "run", check=0).lines[0].startswith("[1/1] ran site")
    assert run_treadle(folder, "run", check=0).lines[0].startswith("nothing to do")
    (folder / "src/a").unlink()
    run_treadle(folder, "run", check=0)
    assert names(folder / "site") == [".git", ".git/HEAD", "CNAME", "b", "sub", "sub/added", "sub/c", "sub/d"]
    assert not (folder / ".treadle/replaced").exists()


def test_what_others_wrote_over_a_name_of_ours_is_moved_aside(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    run_treadle(folder, "run", check=0)
    for number in range(2):
        (folder / "site/sub/c").write_text(f"mine {number}")
        assert "site/sub/c" in run_treadle(folder, "run", check=0).err
        assert (folder / "site/sub/c").read_text() == "sub/c"
    assert contents(folder) == ["mine 0", "mine 1"]


def test_what_an_action_wrote_over_a_name_of_others_stays_theirs(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    (folder / "site").mkdir()
    (folder / "site/a").write_text("mine")
    run_treadle(folder, "run", check=0)
    assert (folder / "site/a").read_text() == "a"
    (folder / "src/a").unlink()
    run_treadle(folder, "run", check=0)
    assert (folder / "site/a").exists()
    run_treadle(folder, "clean", check=0)
    assert names(folder / "site") == ["a"]


@pytest.mark.parametrize("ending", ["false", "kill -KILL $$"])
def test_what_a_failed_attempt_left_in_an_output_folder_is_put_aside(tmp_path: Path, ending: str) -> None:
    folder = project(tmp_path / "p", COPY.replace("${out}/'", f"${{out}}/; [ ! -e bad ] || {ending}'"))
    (folder / "site").mkdir()
    (folder / "site/mine").write_text("mine")
    (folder / "bad").touch()
    run_treadle(folder, "run", check=1)
    assert names(folder / "site") == ["mine"]
    assert (folder / ".treadle/failed/site/site/sub/c").read_text() == "sub/c"
    (folder / "bad").unlink()
    (folder / "src/b").unlink()
    run_treadle(folder, "run", check=0)
    assert names(folder / "site") == ["a", "mine", "sub", "sub/c", "sub/d"]


def test_a_lost_manifest_makes_nothing_ours(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    run_treadle(folder, "run", check=0)
    for path in (folder / ".treadle/made").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    there = tree(folder)
    run_treadle(folder, "clean", check=0)
    assert tree(folder) == there


def test_inputs_that_changed_while_an_action_ran_leave_a_folder_that_is_ours(tmp_path: Path) -> None:
    text = COPY.replace("${out}/'", "${out}/; [ ! -e late ] || echo > src/late; mv late moved || true'")
    folder = project(tmp_path / "p", text)
    (folder / "late").touch()
    assert "is not recorded" in run_treadle(folder, "run", check=0).err
    assert run_treadle(folder, "run", check=0).err == ""
    assert names(folder / "site") == ["a", "b", "late", "sub", "sub/c", "sub/d"]


def test_a_folder_becomes_a_link_and_back(tmp_path: Path) -> None:
    folder = project(
        tmp_path / "p", "actions: {v: {sh: 'rmdir ${out}; ln -s ../src ${out}', in: src/, out: o/v/}}\n"
    )
    for number in range(3):
        (folder / "src/a").write_text(str(number))
        run_treadle(folder, "run", check=0)
        assert (folder / "o/v").is_symlink()
    run_treadle(folder, "clean", check=0)
    assert not (folder / "o").exists()
    assert (folder / "src/a").read_text() == "2"


def test_the_reason_says_what_becomes_of_an_altered_output_folder(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    run_treadle(folder, "run", check=0)
    (folder / "site/added").write_text("mine")
    assert "what its last run made there is removed first" in run_treadle(folder, "why", "site").out


def test_a_run_says_which_output_folders_were_emptied(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    assert "emptied" not in run_treadle(folder, "run", check=0).out
    (folder / "src/b").unlink()
    done = run_treadle(folder, "run", "--events", "events", check=0)
    assert "(input src/ changed; emptied site/ first)" in done.out
    events = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    assert [event.get("emptied") for event in events if event["event"] == "ended"] == [["site/"]]
    assert "emptied site/ first" in run_treadle(folder, "report", "events", check=0).out
    plan(folder, COPY.replace("out:", "keep: true, out:"))
    assert "emptied" not in run_treadle(folder, "run", "--force", check=0).out


def ending_with(number: int) -> str:
    return f"{COPY.replace('src/* ${out}/', 'src/* ${out}/; test ! -e src/bad')}# {number}\n"


def test_a_link_in_the_place_of_an_output_folder_stays_its_owners(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", ending_with(0))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch/mine").write_text("mine")
    (folder / "site").symlink_to("../scratch")
    run_treadle(folder, "run", check=0)
    (folder / "src/b").unlink()
    run_treadle(folder, "run", check=0)
    assert names(tmp_path / "scratch") == ["a", "mine", "sub", "sub/c", "sub/d"]
    for _ in range(2):
        (folder / "src/bad").write_text("bad")
        run_treadle(folder, "run", check=1)
        assert names(tmp_path / "scratch") == ["mine"]
    (folder / "src/bad").unlink()
    assert run_treadle(folder, "run", check=0).err == ""
    assert "it is a link" in run_treadle(folder, "clean", check=0).err
    assert (folder / "site").is_symlink()
    assert names(tmp_path / "scratch") == ["a", "mine", "sub", "sub/c", "sub/d"]


def test_a_link_that_an_action_has_made_and_that_was_turned_is_moved_aside(tmp_path: Path) -> None:
    folder = project(
        tmp_path / "p", "actions: {v: {sh: 'rmdir ${out}; ln -s ../src ${out}', in: src/, out: o/v/}}\n"
    )
    run_treadle(folder, "run", check=0)
    (folder / "o/v").unlink()
    (folder / "o/v").symlink_to("../src/sub")
    assert "moved files that Treadle did not create" in run_treadle(folder, "run", check=0).err
    assert (folder / "o/v").readlink().as_posix() == "../src"
    assert (folder / ".treadle/replaced/v/o/v").readlink().as_posix() == "../src/sub"


@pytest.mark.parametrize("kind", ["adopted anew", "adopted first"])
@pytest.mark.parametrize("then", ["run", "clean"])
def test_what_was_adopted_is_moved_aside_and_never_removed(tmp_path: Path, kind: str, then: str) -> None:
    folder = project(
        tmp_path / "p",
        "actions:\n  site: {sh: 'cp -r src/* ${out}/', in: src/, out: site/}\n"
        "  file: {sh: 'cp src/a ${out}', in: src/a, out: o/file}\n",
    )
    if kind == "adopted anew":
        run_treadle(folder, "run", check=0)
    for name in ("site/a", "site/.git/config", "o/file"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    run_treadle(folder, "adopt", "*", check=0)
    assert run_treadle(folder, "run", check=0).lines[0].startswith("nothing to do")
    (folder / "src/a").write_text("new")
    run_treadle(folder, then, check=0)
    still_there = ["mine"] if (folder / "site/.git/config").exists() else []
    assert bool(still_there) == (kind == "adopted anew")
    assert [one for one in contents(folder) if one == "mine"] + still_there == ["mine"] * 3


SHAPES = {
    "file": ("cp -r src/a ${out}", "o"),
    "folder": ("cp -r src/* ${out}/", "o/"),
    "file in a folder": ("cp src/a ${out}", "o/a"),
    "file deep in it": ("cp src/a ${out}", "o/sub/c"),
    "other name": ("cp src/a ${out}", "o/other"),
    "folder in a folder": ("cp -r src/* ${out}/", "o/sub/"),
}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("file", "folder"),
        ("file", "file in a folder"),
        ("file", "folder in a folder"),
        ("folder", "file"),
        ("folder", "file deep in it"),
        ("folder", "folder in a folder"),
        ("file in a folder", "file"),
        ("file deep in it", "folder"),
        ("other name", "folder"),
        ("folder in a folder", "folder"),
    ],
)
def test_outputs_of_a_former_shape_make_room_for_those_of_another(tmp_path: Path, first: str, second: str) -> None:
    text = "actions: {{{}: {{sh: '{}', in: src/, out: {}}}}}\n"
    folder = project(tmp_path / "p", text.format("x", *SHAPES[first]))
    alone = project(tmp_path / "q", text.format("y", *SHAPES[second]))
    run_treadle(folder, "run", check=0)
    (folder / "src/b").unlink()
    (alone / "src/b").unlink()
    plan(folder, text.format("y", *SHAPES[second]))
    assert run_treadle(folder, "run", check=0).err == ""
    assert contents(folder) == []
    run_treadle(alone, "run", check=0)
    new, fresh = tree(folder), tree(alone)
    if not second.startswith("folder"):
        # what is beside an output stays until `clean --stale`
        new = {path: text for path, text in new.items() if path in fresh}
    elif second == "folder in a folder":
        new = {path: text for path, text in new.items() if path.startswith("o/sub/") or path in fresh}
    assert new == fresh


@pytest.mark.parametrize("second", ["file", "folder", "file in a folder"])
def test_what_a_user_has_put_in_the_way_of_an_output_stays(tmp_path: Path, second: str) -> None:
    text = "actions: {{{}: {{sh: '{}', in: src/, out: {}}}}}\n"
    first = "folder" if second == "file" else "file"
    folder = project(tmp_path / "p", text.format("x", *SHAPES[first]))
    run_treadle(folder, "run", check=0)
    mine = folder / ("o/mine" if first == "folder" else "o")
    mine.write_text("mine")
    plan(folder, text.format("y", *SHAPES[second]))
    before = tree(folder)
    done = run_treadle(folder, "run", check=1)
    assert "move it away" in done.out
    assert "clean --stale" not in done.out
    assert tree(folder) == before


def test_a_failed_attempt_leaves_no_depfile_that_the_next_one_takes_for_a_strangers(tmp_path: Path) -> None:
    folder = project(
        tmp_path / "p",
        "actions: {x: {sh: 'echo \"o/x: src/a\" $(cat src/a) > ${depfile}; echo > ${out}; test ! -e src/bad',"
        " in: src/, out: o/x, depfile: o/x.d}}\n",
    )
    for number in range(3):
        (folder / "src/bad").touch()
        run_treadle(folder, "run", check=1)
        assert names(folder / "o") == []
        (folder / "src/bad").unlink()
        (folder / "src/a").write_text(str(number))
        assert run_treadle(folder, "run", check=0).err == ""
    assert contents(folder) == []
