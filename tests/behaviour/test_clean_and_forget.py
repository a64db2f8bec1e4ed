from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Fifo, ended, plan, run_treadle, start_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  first: {run: "cp ${in} ${out}", in: a, out: out/b}
  second: {run: "cp ${in} ${out}", in: out/b, out: out/c}
  site: {sh: "mkdir -p ${out}; echo x > ${out}/x", out: site/}
"""


def ready(folder: Path) -> Path:
    plan(folder, PLAN)
    (folder / "a").write_text("one\n")
    run_treadle(folder, "run", check=0)
    return folder


def test_clean_removes_all_outputs_and_nothing_else_and_the_next_run_makes_them_again(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "out/mine").touch()
    assert run_treadle(tmp_path, "clean", "-v", check=0).lines == [
        "removed out/b",
        "removed out/c",
        "removed site/",
        "3 outputs removed",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".treadle", "a", "out", "treadle.yaml"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    assert run_treadle(tmp_path, "run", check=0).lines[-1].startswith("3 run")


def test_clean_of_a_name_removes_its_outputs_only(tmp_path: Path) -> None:
    ready(tmp_path)
    assert run_treadle(tmp_path, "clean", "second", check=0).lines == ["1 output removed"]
    done = run_treadle(tmp_path, "run", check=0)
    assert "(output out/c is missing)" in done.lines[0]
    assert done.lines[1].startswith("1 run, 2 up to date")


def test_clean_leaves_a_folder_alone_that_lies_where_a_file_should(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "out/b").unlink()
    (tmp_path / "out/b").mkdir()
    (tmp_path / "out/b/mine").touch()
    done = run_treadle(tmp_path, "clean", "first", check=0)
    assert "out/b is left alone" in done.err
    assert (tmp_path / "out/b/mine").exists()


def test_clean_leaves_a_link_that_no_action_has_made(tmp_path: Path) -> None:
    ready(tmp_path)
    (tmp_path / "out/b").unlink()
    (tmp_path / "out/b").symlink_to("../a")
    assert "out/b is left alone" in run_treadle(tmp_path, "clean", check=0).err
    assert (tmp_path / "out/b").is_symlink()
    assert (tmp_path / "a").exists()


def test_forget_makes_the_next_run_run_these_again(tmp_path: Path) -> None:
    ready(tmp_path)
    assert run_treadle(tmp_path, "forget", "-v", "first", check=0).lines == ["forgot first", "1 record dropped"]
    assert run_treadle(tmp_path, "forget", "first", check=0).lines == [
        "there was no record of first",
        "0 records dropped",
    ]
    done = run_treadle(tmp_path, "run", check=0)
    assert "ran first" in done.lines[0]
    assert "new" in done.lines[0]
    assert done.lines[1].startswith("1 run, 2 up to date")


def test_forget_wants_a_name(tmp_path: Path) -> None:
    ready(tmp_path)
    assert "no action was named" in run_treadle(tmp_path, "forget", check=2).err
    assert run_treadle(tmp_path, "forget", "*", check=0).lines == ["3 records dropped"]


def test_neither_works_while_a_run_is_at_work(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    up, go = Fifo(tmp_path / "up"), Fifo(tmp_path / "go")
    plan(folder, f"actions:\n  a: {{sh: 'echo up > {up}; read -r x < {go}; echo x > ${{out}}', out: o}}\n")
    run = start_treadle(folder, "run")
    up.wait()
    assert run_treadle(folder, "clean", "--no-wait").code == 3
    assert run_treadle(folder, "forget", "--no-wait", "a").code == 3
    assert run_treadle(folder, "run", "--no-wait").code == 3
    assert run_treadle(folder, "status").code == 1
    waiting = start_treadle(folder, "clean")
    assert waiting.stderr is not None
    assert "waiting for process" in waiting.stderr.readline()
    go.open()
    assert ended(run).code == 0
    assert ended(waiting).out == "1 output removed\n"
    assert not (folder / "o").exists()
