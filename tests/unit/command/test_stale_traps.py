"""Ways to get a stale result or to lose a file that a tester has found; each was one once."""

from __future__ import annotations

import os
import time
from pathlib import Path

from treadle import DAG, Command, CommandWalk, ReturnValue, Script, Settings
from treadle.content.files import GRANULARITY


def sh(text: str, **more: object) -> Command:
    return Command(script=Script(text, shell=("sh", "-ec")), **more)  # type: ignore[arg-type]


def walk(root: Path, command: Command) -> ReturnValue | None:
    dag = DAG()
    dag.add_vertex("a", command)
    return CommandWalk(dag, str(root), Settings(jobs=1)).run().actions["a"].status


def test_where_the_output_of_a_command_goes_is_part_of_the_question(tmp_path: Path) -> None:
    for stdout in ("one", "two"):
        command = sh("touch one two; echo hi", outputs=["one", "two"], stdout=stdout)
        assert walk(tmp_path, command) == ReturnValue.success
        assert (tmp_path / stdout).read_text() == "hi\n"


def test_a_depfile_of_an_earlier_run_is_not_taken_for_one_of_this_run(tmp_path: Path) -> None:
    first = sh("touch o; echo 'o: h' > d", outputs=["o"], depfile="d")
    assert walk(tmp_path, first) == ReturnValue.success
    assert walk(tmp_path, sh("touch o; true", outputs=["o"], depfile="d")) == ReturnValue.failure


def test_an_input_that_is_changed_and_put_back_while_it_is_read_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "i").write_text("1")
    command = sh("cp -p i kept; echo 2 > new; mv new i; cat i > o; mv kept i", inputs=["i"], outputs=["o"])
    for _ in range(2):
        assert walk(tmp_path, command) == ReturnValue.success
        assert (tmp_path / "i").read_text() == "1"


def test_the_very_file_that_is_moved_away_and_back_counts_as_moved(tmp_path: Path) -> None:
    (tmp_path / "i").write_text("1")
    command = sh("mv i kept; echo 2 > i; cat i > o; mv kept i", inputs=["i"], outputs=["o"])
    for _ in range(2):
        assert walk(tmp_path, command) == ReturnValue.success


def test_a_discovered_input_that_is_replaced_by_an_older_file_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("old")
    (tmp_path / "n").write_text("new")
    os.utime(tmp_path / "n", (1_000_000, 1_000_000))
    command = sh("cat h > o; echo 'o: h' > d; test ! -f n || mv n h", outputs=["o"], depfile="d")
    assert walk(tmp_path, command) == ReturnValue.success
    assert walk(tmp_path, command) == ReturnValue.success
    assert (tmp_path / "o").read_text() == "new"


def test_a_discovered_input_with_a_date_in_the_future_becomes_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("x")
    os.utime(tmp_path / "h", (time.time() + 86400,) * 2)
    while time.time_ns() < (tmp_path / "h").stat().st_ctime_ns + 2 * GRANULARITY:
        os.sched_yield()
    command = sh("cat h > o; echo 'o: h' > d", outputs=["o"], depfile="d")
    assert [walk(tmp_path, command) for _ in range(2)] == [ReturnValue.success, ReturnValue.skip]


def test_an_output_that_is_an_input_by_another_name_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("precious")
    (tmp_path / "link").symlink_to("src")
    assert walk(tmp_path, sh("false", inputs=["src/a"], outputs=["link/a"])) == ReturnValue.failure
    kept = [path.read_text() for path in tmp_path.rglob("a") if path.is_file()]
    assert "precious" in kept


def test_a_program_that_path_finds_inside_the_root_is_an_input(tmp_path: Path) -> None:
    program = tmp_path / "bin/gen"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho one > o\n")
    program.chmod(0o755)
    environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    for text in ("one", "two"):
        program.write_text(f"#!/bin/sh\necho {text} > o\n")
        dag = DAG()
        dag.add_vertex("a", Command(["gen"], outputs=["o"]))
        CommandWalk(dag, str(tmp_path), Settings(environ=environ)).run()
        assert (tmp_path / "o").read_text() == f"{text}\n"
