"""What is removed is what a run has made, and nothing else: by `clean`, and to make room for an attempt."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from helpers import Fifo, plan, run_treadle, start_treadle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SITE = """
actions:
  site: {sh: 'mkdir -p ${out}/sub; cp ${in} ${out}/page; cp ${in} ${out}/sub/', in: src, out: site/}
  prog: {sh: 'cp ${in} ${out}; echo "${out}: ${in}" > ${depfile}', in: src, out: out/prog, depfile: out/prog.d}
"""
REPLACED = ".treadle/replaced"


def project(folder: Path, text: str = SITE) -> Path:
    folder.mkdir(exist_ok=True)
    plan(folder, text)
    (folder / "src").write_text("one\n")
    return folder


def tree(folder: Path) -> dict[str, str]:
    """Return path -> content of all files, with the text of links, but for the plan and the state."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.startswith(".treadle") or name == "treadle.yaml":
            continue
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name + "/"] = ""
        else:
            found[name] = path.read_text()
    return found


def contents(folder: Path) -> list[str]:
    """Return what lies in the folder of things that were moved aside."""
    return sorted(path.read_text() for path in (folder / REPLACED).rglob("*") if path.is_file())


def lying_before(folder: Path) -> None:
    (folder / "site/.git").mkdir(parents=True)
    (folder / "site/.git/config").write_text("mine")
    (folder / "site/CNAME").write_text("mine")


def added_since(folder: Path) -> None:
    (folder / "site/sub/notes").write_text("mine")


def edited_in_a_folder(folder: Path) -> None:
    (folder / "site/page").write_text("mine")


def edited(folder: Path) -> None:
    (folder / "out/prog").write_text("mine")


def edited_depfile(folder: Path) -> None:
    (folder / "out/prog.d").write_text("mine")


def replaced_by_a_link(folder: Path) -> None:
    (folder / "out/prog").unlink()
    (folder / "out/prog").symlink_to("../src")


def folder_replaced_by_a_link(folder: Path) -> None:
    (folder / "site").rename(folder / "elsewhere")
    (folder / "site").symlink_to("elsewhere")


def linked_parent(folder: Path) -> None:
    (folder / "out").rename(folder / "elsewhere")
    (folder / "out").symlink_to("elsewhere")


def linked_folder_inside(folder: Path) -> None:
    (folder / "site/sub").rename(folder / "elsewhere")
    (folder / "site/sub").symlink_to("../elsewhere")


def folder_in_place_of_a_file(folder: Path) -> None:
    (folder / "out/prog").unlink()
    (folder / "out/prog").mkdir()
    (folder / "out/prog/x").write_text("mine")


def file_in_place_of_a_folder(folder: Path) -> None:
    shutil.rmtree(folder / "site")
    (folder / "site").write_text("mine")


def nothing(_: Path) -> None:
    pass


_CASES: list[tuple[Callable[[Path], None], Callable[[Path], None], list[str]]] = [
    (nothing, nothing, []),
    (lying_before, nothing, ["site/", "site/.git/", "site/.git/config", "site/CNAME"]),
    (nothing, edited, ["out/", "out/prog"]),
    (nothing, linked_parent, ["elsewhere/", "elsewhere/prog", "elsewhere/prog.d", "out"]),
    (nothing, added_since, ["site/", "site/sub/", "site/sub/notes"]),
    (nothing, edited_in_a_folder, ["site/", "site/page"]),
    (nothing, edited_depfile, ["out/", "out/prog.d"]),
    (nothing, replaced_by_a_link, ["out/", "out/prog"]),
    (
        nothing,
        folder_replaced_by_a_link,
        ["elsewhere/", "elsewhere/page", "elsewhere/sub/", "elsewhere/sub/src", "site"],
    ),
    (nothing, linked_folder_inside, ["elsewhere/", "elsewhere/src", "site/", "site/sub"]),
    (nothing, folder_in_place_of_a_file, ["out/", "out/prog/", "out/prog/x"]),
    (nothing, file_in_place_of_a_folder, ["site"]),
]
_WAYS = (("clean",), ("clean", "site", "prog"), ("clean", "--all"), ("clean", "--stale"))


@pytest.mark.parametrize(
    ("before", "after", "left", "how"),
    [(*case, _WAYS[0]) for case in _CASES] + [(*case, how) for case in _CASES[:4] for how in _WAYS[1:]],
)
def test_clean_removes_what_a_run_has_made_and_says_what_it_leaves(
    tmp_path: Path,
    before: Callable[[Path], None],
    after: Callable[[Path], None],
    left: list[str],
    how: tuple[str, ...],
) -> None:
    folder = project(tmp_path / "p")
    before(folder)
    run_treadle(folder, "run", check=0)
    after(folder)
    there = tree(folder)
    if how == ("clean", "--stale"):
        plan(folder, "actions: {other: {run: 'true'}}\n")
    asked = run_treadle(folder, *how, "-n")
    assert tree(folder) == there
    done = run_treadle(folder, *how, check=0)
    assert tree(folder) == {path: there[path] for path in sorted([*left, "src"])}
    if left:
        assert "left alone" in done.err or "keeps files that no run" in done.err
        assert "left alone" in asked.err or "keeps files that no run" in asked.err
    assert not (folder / REPLACED).exists()


@pytest.mark.parametrize("ending", ["false", "exit 75", "kill -KILL $$"])
def test_a_start_that_failed_makes_nothing_ours(tmp_path: Path, ending: str) -> None:
    folder = project(tmp_path / "p", f"actions: {{a: {{sh: '{ending}', in: src, out: [o, d/]}}}}\n")
    (folder / "o").write_text("mine")
    (folder / "d").mkdir()
    (folder / "d/x").write_text("mine")
    run_treadle(folder, "run", check=1)
    assert contents(folder) == ["mine"]
    shutil.move(folder / REPLACED / "a/o", folder / "o")
    there = tree(folder)
    for how in (("clean",), ("clean", "a"), ("clean", "--all")):
        run_treadle(folder, *how, check=0)
        assert tree(folder) == there
    run_treadle(folder, "run", check=1)
    assert contents(folder) == ["mine"]
    assert (folder / "d/x").read_text() == "mine"


def test_what_is_put_back_and_what_comes_later_are_moved_aside_side_by_side(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    (folder / "out").mkdir()
    for number in range(3):
        (folder / "out/prog").unlink(missing_ok=True)
        (folder / "out/prog").write_text(f"mine {number}")
        (folder / "out/prog.d").unlink(missing_ok=True)
        (folder / "out/prog.d").write_text(f"dep {number}")
        done = run_treadle(folder, "run", "prog", check=0)
        assert "moved files that Treadle did not create to .treadle/replaced/: out/prog, out/prog.d" in done.err
    assert contents(folder) == [f"{word} {number}" for word in ("dep", "mine") for number in range(3)]
    assert run_treadle(folder, "clean", "--replaced", "-n", check=1).code == 1
    assert run_treadle(folder, "clean", "--replaced", check=0).lines == ["6 files moved aside earlier removed"]
    assert not (folder / REPLACED).exists()
    assert run_treadle(folder, "clean", "--replaced", check=0).lines == ["0 files moved aside earlier removed"]


@pytest.mark.parametrize(("names", "goes"), [((), False), (("--all",), False), (("a",), True), (("*",), True)])
def test_what_keep_leaves_goes_only_where_its_action_is_named(
    tmp_path: Path, names: tuple[str, ...], goes: bool
) -> None:
    text = "actions: {a: {sh: 'echo x >> ${out.f}; echo y >> ${out.d}/y', out: {f: o, d: d/}, keep: true}}\n"
    folder = project(tmp_path / "p", text)
    run_treadle(folder, "run", check=0)
    done = run_treadle(folder, "clean", *names, check=0)
    assert (folder / "o").exists() != goes
    assert (folder / "d/y").exists() != goes
    assert ("keep: true" in done.err) != goes


def test_what_lay_there_before_an_action_with_keep_stays_its_owners(tmp_path: Path) -> None:
    text = "actions: {a: {sh: 'cat ${in} >> ${out.f}; cp ${in} ${out.d}/y', in: src, out: {f: o, d: d/}, keep: true}}\n"
    folder = project(tmp_path / "p", text)
    (folder / "o").write_text("mine\n")
    (folder / "d").mkdir()
    (folder / "d/mine").write_text("mine")
    for number in range(2):
        (folder / "src").write_text(f"{number}\n")
        run_treadle(folder, "run", check=0)
    run_treadle(folder, "clean", "a", check=0)
    assert tree(folder) == {"o": "mine\n0\n1\n", "d/": "", "d/mine": "mine", "src": "1\n"}


@pytest.mark.parametrize("how", [("clean",), ("clean", "a"), ("clean", "--all")])
def test_what_an_action_edits_is_never_removed(tmp_path: Path, how: tuple[str, ...]) -> None:
    folder = project(tmp_path / "p", "actions: {a: {sh: 'echo more >> ${edits}', edits: src}}\n")
    run_treadle(folder, "run", "a", check=0)
    run_treadle(folder, *how, check=0)
    assert tree(folder) == {"src": "one\nmore\n"}


def test_an_output_that_is_judged_by_presence_is_ours_by_its_names(tmp_path: Path) -> None:
    text = "actions: {a: {sh: 'echo x > ${out.f}; echo y > ${out.d}/y', out: {f: o, d: d/}, once: true}}\n"
    folder = project(tmp_path / "p", text)
    run_treadle(folder, "run", check=0)
    (folder / "o").write_text("configured")
    (folder / "d/y").write_text("configured")
    (folder / "d/mine").write_text("mine")
    run_treadle(folder, "clean", check=0)
    assert tree(folder) == {"d/": "", "d/mine": "mine", "src": "one\n"}


def test_a_run_moves_an_edited_output_aside_also_where_it_is_judged_by_presence(tmp_path: Path) -> None:
    text = "actions: {a: {sh: 'echo x > ${out.f}; echo y > ${out.d}/y', out: {f: o, d: d/}, once: true}}\n"
    folder = project(tmp_path / "p", text)
    run_treadle(folder, "run", check=0)
    (folder / "o").write_text("configured")
    (folder / "d/y").write_text("also")
    run_treadle(folder, "run", "--force", check=0)
    assert contents(folder) == ["also", "configured"]


def test_folders_around_outputs_go_with_the_last_output_if_an_action_has_made_them(tmp_path: Path) -> None:
    text = """
actions:
  a: {sh: 'cp ${in} ${out}', in: src, out: made/deep/a}
  b: {sh: 'cp ${in} ${out}', in: src, out: made/deep/b}
  c: {sh: 'cp ${in} ${out}', in: src, out: mine/deep/c}
"""
    folder = project(tmp_path / "p", text)
    (folder / "mine").mkdir()
    run_treadle(folder, "run", check=0)
    (folder / "src").write_text("two\n")
    run_treadle(folder, "run", check=0)
    run_treadle(folder, "clean", "a", check=0)
    assert "made/deep/" in tree(folder)
    run_treadle(folder, "clean", "b", "c", check=0)
    assert tree(folder) == {"mine/": "", "src": "two\n"}


def test_clean_all_takes_other_values_former_actions_and_other_plans(tmp_path: Path) -> None:
    first = """
params: {mode: {default: debug}}
actions:
  prog: {sh: 'cp ${in} ${out}; echo "${out}: ${in}" > ${depfile}', in: src, out: 'out/${mode}/p', depfile: 'out/${mode}/d'}
  gone: {sh: 'cp ${in} ${out}/x', in: src, out: gone/}
"""
    folder = project(tmp_path / "p", first)
    plan(folder, "actions: {o: {sh: 'cp ${in} ${out}', in: src, out: other/o}}\n", "other.yaml")
    for arguments in ((), ("-p", "mode=release"), ("-f", "other.yaml")):
        run_treadle(folder, "run", *arguments, check=0)
    plan(folder, first[: first.index("  gone")])
    done = run_treadle(folder, "clean", check=0)
    assert "left: 4 outputs of other parameter values, removed actions or other plans" in done.err
    assert "out/release/p" in tree(folder)
    run_treadle(folder, "clean", "--all", check=0)
    assert [name for name in tree(folder) if name != "other.yaml"] == ["src"]
    assert "left:" not in run_treadle(folder, "clean", check=0).err


@pytest.mark.parametrize(
    "how", [("--stale", "--all"), ("--all", "a"), ("--replaced", "a"), ("--stale", "--replaced")]
)
def test_what_to_clean_is_said_in_one_way(tmp_path: Path, how: tuple[str, ...]) -> None:
    folder = project(tmp_path / "p")
    assert run_treadle(folder, "clean", *how, check=2).err


def killed(folder: Path) -> None:
    """Kill a run after its action has written, and before it ends."""
    up = Fifo(folder.parent / "up")
    text = (
        "actions: {a: {sh: 'cp ${in} ${out.f}; mkdir -p ${out.d}/s; cp ${in} ${out.d}/s/y; [ ! -e hang ] || "
        f"{{ echo up > {folder.parent}/up; read -r x < {folder.parent}/never; }}', "
        "in: src, out: {f: o, d: d/}}}\n"
    )
    plan(folder, text)
    os.mkfifo(folder.parent / "never")
    (folder / "hang").touch()
    run = start_treadle(folder, "run")
    up.wait()
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    (folder / "hang").unlink()


@pytest.mark.parametrize("how", [("run",), ("clean",), ("clean", "a"), ("clean", "--all")])
def test_what_a_killed_attempt_left_leaves_its_place_and_what_was_there_before_stays(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    folder = project(tmp_path / "p", "actions: {x: {run: 'true'}}\n")
    (folder / "d").mkdir()
    (folder / "d/mine").write_text("mine")
    killed(folder)
    (folder / "d/since").write_text("since")
    run_treadle(folder, *how, check=0)
    assert (folder / "d/mine").read_text() == "mine"
    assert "since" in contents(folder)
    assert not (folder / "d/since").exists()
    assert (folder / "o").exists() == (how == ("run",))
    assert run_treadle(folder, "run", check=0).code == 0
    assert sorted(path.name for path in (folder / "d").iterdir()) == ["mine", "s"]
    run_treadle(folder, "clean", check=0)
    assert tree(folder) == {"d/": "", "d/mine": "mine", "src": "one\n"}


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0,
    reason="it takes a mount namespace",
)
@pytest.mark.parametrize("place", ["site/sub", "out"])
@pytest.mark.parametrize("kind", ["--bind", "tmpfs"])
def test_nothing_goes_from_what_is_mounted(tmp_path: Path, place: str, kind: str) -> None:
    folder = project(tmp_path / "p")
    run_treadle(folder, "run", check=0)
    shutil.copytree(folder / place, tmp_path / "backup")
    there = {path.name: path.read_text() for path in (tmp_path / "backup").iterdir()}
    mount = f"mount --bind ../backup {place}"
    if kind == "tmpfs":
        mount = f"mount -t tmpfs none ../backup; cp -r {place}/. ../backup; {mount}"
    treadle = f"{sys.executable} -m treadle"
    script = f"{mount}; {treadle} clean; {treadle} clean --all; {treadle} run --force; {treadle} clean; ls {place}"
    done = subprocess.run(["unshare", "-m", "sh", "-ec", script], cwd=folder, capture_output=True, text=True)
    assert "mount" in done.stderr
    assert done.stdout.splitlines()[-len(there) :] == sorted(there)


@pytest.mark.parametrize("kind", ["replaced", "failed"])
def test_nothing_goes_from_what_is_mounted_in_the_state(tmp_path: Path, kind: str) -> None:
    folder = project(tmp_path / "p", "actions: {a: {sh: 'echo x > ${out}; false', out: o}}\n")
    run_treadle(folder, "run", check=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("mine")
    (folder / f".treadle/{kind}/a/place").mkdir(parents=True)
    treadle = f"{sys.executable} -m treadle"
    script = f"mount --bind ../mine .treadle/{kind}/a/place; {treadle} clean --replaced; {treadle} run || true"
    subprocess.run(["unshare", "-m", "sh", "-c", script], cwd=folder, check=True)
    run_treadle(folder, "run", check=1)
    assert (tmp_path / "mine/file").read_text() == "mine"


def test_a_deep_folder_can_be_cleaned(tmp_path: Path) -> None:
    deep = 'for i in 1 2 3 4 5 6 7 8; do mkdir -p $(printf "d/%.0s" $(seq 190)); cd $(printf "d/%.0s" $(seq 190)); done'
    folder = project(tmp_path / "p", f"actions: {{a: {{sh: 'cd ${{out}}; {deep}; echo x > x', out: site/}}}}\n")
    run_treadle(folder, "run", check=0)
    assert run_treadle(folder, "clean", check=0).lines == ["1 output removed"]
    assert tree(folder) == {"src": "one\n"}
