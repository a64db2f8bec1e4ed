"""How actions end: what is tried again, what is left behind, and what is said of outputs that are not right."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from project import Project
from treadle import DAG, DAGError
from treadle.command.command import Command, Tool
from treadle.command.fingerprinting import Fingerprinter
from treadle.content.files import Files
from treadle.core.retry import LONGEST_BACKOFF, pause_before
from treadle.engines.process import LONGEST_TEXT
from treadle.errors import TreadleError
from waiting import is_alive


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.mark.parametrize("script", ["kill -KILL $$", "sh -c 'kill -KILL $$'; exit $?", "exit 137"])
@pytest.mark.parametrize(
    ("on", "starts"),
    [("exit 137", 3), ("signal", 3), ("signal KILL", 3), ("exit 130-143", 3), ("exit 9", 1), ("timeout", 1)],
)
def test_a_killed_program_is_tried_again_by_its_words(project: Project, script: str, on: str, starts: int) -> None:
    script = script.replace("'", "''")
    project.write(
        "plan",
        f"treadle: 1\nactions:\n  a: {{sh: 'echo a >> $LOG; {script}', pass: [LOG],"
        f" retries: {{max: 2, on: [{on}]}}}}\n",
    )
    assert len(project.run("a", code=1)) == starts


@pytest.mark.parametrize("word", ["killed", "SIGKILL", "crash"])
def test_other_words_for_a_signal_are_told_which_to_take(project: Project, word: str) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: x, retries: {{max: 1, on: [{word}]}}}}\n")
    assert "did you mean signal" in project.treadle("check").err


@pytest.mark.parametrize(
    ("more", "script", "starts"),
    [
        ("codes: {retry: 3}, retries: 2", "exit 3", 3),
        ("codes: {retry: 3}, retries: {max: 2, on: timeout}", "exit 3", 3),
        ("codes: {retry: 3}", "exit 3", 1),
        ("codes: {retry: 137}, retries: {max: 2, on: timeout}", "kill -KILL $$", 3),
        ("codes: {success: [0, 2]}, retries: 2", "exit 2", 1),
        ("codes: {diffed: 3}, retries: {max: 2, on: diffed}", "exit 3", 3),
        ("retries: {max: 2, on: diffed}", "exit 64", 3),
        ("retries: {max: 2, on: diffed}", "exit 65", 1),
        ("retries: {max: 2, on: timeout}", "exit 75", 3),
        ("codes: {not_ready: 3}, retries: {max: 2, on: timeout}", "exit 3", 3),
        ("codes: {not_ready: 3}, retries: {max: 2, on: timeout}", "exit 75", 1),
        ("expect: failure, retries: 2", "exit 1", 1),
        ("expect: failure, retries: 2", "exit 0", 3),
        ("expect: diff, retries: 2", "exit 1", 3),
        ("codes: {skipped: 3}, retries: 2", "exit 3", 1),
        ("timeout: 20ms, retries: {max: 2, on: timeout}", "sleep 600", 3),
        ("timeout: 20ms, retries: {max: 2, on: [signal, signal TERM, exit 143]}", "sleep 600", 1),
    ],
)
def test_the_meaning_of_a_code_says_whether_another_attempt_follows(
    project: Project, more: str, script: str, starts: int
) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: 'echo a >> $LOG; {script}', pass: [LOG], {more}}}\n")
    project.treadle("run", "a")
    assert len(project.starts()) == starts


@pytest.mark.parametrize(
    ("attempt", "backoff", "expected"),
    [
        (2, 5.0, 5.0),
        (3, 5.0, 10.0),
        (9, 5.0, LONGEST_BACKOFF),
        (1026, 5.0, LONGEST_BACKOFF),
        (10**9, 0.001, LONGEST_BACKOFF),
        (10**9, 0.0, 0.0),
        (2, 3600.0, 3600.0),
        (5, 3600.0, 3600.0),
    ],
)
def test_the_pause_before_an_attempt_is_bounded(attempt: int, backoff: float, expected: float) -> None:
    assert pause_before(attempt, backoff) == expected


@pytest.mark.parametrize(
    "leave",
    [
        "sleep 300 & echo $! > pid",
        "nohup sleep 300 >/dev/null 2>&1 & echo $! > pid",
        "setsid sh -c 'echo $$ > pid; exec sleep 300' & while [ ! -s pid ]; do sleep 0.01; done",
        "setsid setsid sh -c 'trap \"\" TERM HUP; echo $$ > pid; exec sleep 300' & while [ ! -s pid ]; do sleep 0.01; done",
    ],
)
@pytest.mark.parametrize("code", [0, 1])
def test_what_an_action_leaves_behind_does_not_outlive_the_run(project: Project, leave: str, code: int) -> None:
    text = leave.replace("'", "''")
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: '{text}; exit {code}'}}\n")
    project.run("a", code=code)
    assert not is_alive(int(project.read("pid")))


def test_what_is_to_outlive_a_run_takes_the_mark_out_of_its_environment(project: Project) -> None:
    text = "setsid env -u TREADLE_RUN sh -c ''echo $$ > pid; exec sleep 300'' & while [ ! -s pid ]; do sleep 0.01; done"
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: '{text}'}}\n")
    project.run("a")
    pid = int(project.read("pid"))
    try:
        assert is_alive(pid)
    finally:
        os.kill(pid, 9)


@pytest.mark.parametrize(
    "script",
    [
        "sleep 300",
        "trap '' TERM; sleep 300",
        "sleep 300 & echo $! > pid; wait",
        "echo 1.0; sleep 300 & echo $! > pid",
    ],
)
def test_a_tool_has_a_time_limit_for_its_version_and_leaves_nothing_behind(tmp_path: Path, script: str) -> None:
    fingerprinter = Fingerprinter(Files(str(tmp_path)), os.environ)
    fingerprinter.tool_patience = 0.5
    command = Command([["true"]], tools=[Tool("sh", ["sh", "-c", script])])
    if script.startswith("echo"):
        fingerprinter.compute(command)
    else:
        with pytest.raises(TreadleError) as caught:
            fingerprinter.compute(command)
        assert caught.value.facts == ("it did not end within 0.5 s",)
    if "pid" in script:
        assert not is_alive(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("count", [25, 3000])
def test_a_long_cycle_is_told_in_short(count: int) -> None:
    dag = DAG()
    for n in range(count):
        dag.update_vertex(f"action{n}", None, [f"action{(n + 1) % count}"], enable_checks=False)
    with pytest.raises(DAGError) as caught:
        dag.check()
    text = str(caught.value)
    assert text.startswith(f"a cycle of {count} vertices: ")
    assert f"... {count + 1 - 20:,} more ..." in text
    assert len(text) < 500


@pytest.mark.parametrize(
    ("script", "out", "words"),
    [
        (
            "mkdir -p o/v1; ln -sfn v1 o/current",
            "o/current",
            ["is a link to a folder", "declare it as o/current/, and begin the command with `rmdir ${out}`"],
        ),
        ("mkdir -p o/x", "o/x", ["is a folder, but declared as a file", "declare it as o/x/"]),
        (
            "rm -rf o/x; mkdir -p o; echo > o/x",
            "o/x/",
            ["is a file, but declared as a folder", "declare it as o/x\n"],
        ),
        ("true", "o/x", ["it ended well but did not write its output o/x"]),
        ("ln -s nowhere o/x", "o/x", ["it ended well but did not write its output o/x"]),
    ],
)
def test_an_output_of_another_kind_is_told_as_that(
    project: Project, script: str, out: str, words: list[str]
) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: '{script}', out: {out}}}\n")
    done = project.treadle("run", "a")
    assert done.code == 1
    for word in words:
        assert word in done.text


def test_a_link_to_a_folder_is_an_output_by_its_name_with_a_slash(project: Project) -> None:
    project.write(
        "plan", "treadle: 1\nactions:\n  a: {sh: 'mkdir -p v1; echo > v1/x; ln -sfn v1 current', out: current/}\n"
    )
    assert project.treadle("run", "a").code == 0


@pytest.mark.parametrize(
    ("before", "out", "hint"),
    [
        ("file", "place/o", "no run of Treadle has left it so: move it away"),
        ("dangling", "place/o", "a link on its path leads nowhere"),
    ],
)
def test_what_stands_in_the_way_of_an_output_has_a_hint_of_its_own(
    project: Project, before: str, out: str, hint: str
) -> None:
    if before == "file":
        project.write("place", "x")
    else:
        (project.folder / "place").symlink_to("nowhere/at/all")
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: 'echo > ${{out}}', out: {out}}}\n")
    done = project.treadle("run", "a")
    assert done.code == 1
    assert hint in done.text
    assert "clean --stale" not in done.text


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is that of Linux")
def test_one_variable_that_is_too_long_is_named(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {sh: 'true', pass: [LONG]}\n")
    done = project.treadle("run", "a", LONG="x" * (LONGEST_TEXT - 100))
    assert done.code == 0, done.text
    project.write("long.env", "LONG=" + "x" * 140_000 + "\n")
    project.write("plan", "treadle: 1\nactions:\n  a: {sh: 'true', dotenv: {file: long.env}}\n")
    done = project.treadle("run", "a")
    assert "the variable LONG is too long for this system (140006 bytes" in done.text
