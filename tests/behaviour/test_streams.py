from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE, Fifo, ended, plan, run_treadle, start_treadle

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

PLAN = "actions:\n  a: {sh: 'echo x > ${out}', out: o}\n  b: {sh: 'cat ${in} > ${out}', in: o, out: p}\n"


def no_reader(child: subprocess.Popen[str], code: int) -> None:
    """Close the stdout of a child, and see that it ends quietly."""
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    with child.stderr:
        assert child.stderr.read() == ""
    assert child.wait(timeout=DEADLINE) == code


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_question_whose_reader_goes_away_ends_quietly(tmp_path: Path, unbuffered: str) -> None:
    names = ", ".join(f"n{n}" for n in range(3000))
    plan(tmp_path, f"actions:\n  a:\n    foreach: {{n: [{names}]}}\n    run: 'true'\n    help: {'x' * 2000}\n")
    child = start_treadle(tmp_path, "list", "-v", env={"PYTHONUNBUFFERED": unbuffered})
    assert child.stdout is not None
    assert child.stdout.readline() == "actions:\n"
    no_reader(child, 141)


def test_a_log_whose_reader_goes_away_ends_quietly(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'head -c 6000000 /dev/zero | tr \\\\0 y'}\n")
    run_treadle(tmp_path, "run", "a", check=0)
    child = start_treadle(tmp_path, "log", "a")
    assert child.stdout is not None
    assert child.stdout.read(1) == "y"
    no_reader(child, 141)


def test_a_run_whose_reader_goes_away_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    up, go = Fifo(tmp_path / "up"), Fifo(tmp_path / "go")
    plan(folder, PLAN.replace("echo x", f"echo up > {up}; read -r x < {go}; echo x"))
    child = start_treadle(folder, "run")
    up.wait()
    assert child.stdout is not None
    child.stdout.close()
    go.open()
    # as any program whose reader went away, but all of it is done
    no_reader(child, 141)
    assert (folder / "p").read_text() == "x\n"
    assert run_treadle(folder, "run", check=0).out.startswith("nothing to do")


COMMANDS = [
    ("run",),
    ("run", "-v"),
    ("run", "--force"),
    ("run", "--color", "always"),
    ("run", "-n"),
    ("run", "bad"),
    ("status",),
    ("status", "--json"),
    ("why",),
    ("why", "a"),
    ("list",),
    ("list", "--json"),
    ("graph",),
    ("graph", "--format", "dot"),
    ("check",),
    ("log", "a"),
    ("report", "run.jsonl"),
    ("clean", "-n"),
    ("clean", "--stale"),
    ("forget", "b"),
    ("adopt", "a"),
    ("init", "-n", "Makefile"),
    ("schema",),
    ("completion", "bash"),
    ("--version",),
    ("--help",),
    ("run", "--help"),
]


@pytest.fixture
def settled(tmp_path: Path) -> Path:
    plan(tmp_path, PLAN.replace("echo x >", "echo said; echo x >") + "  bad: {run: 'false'}\n")
    (tmp_path / "Makefile").write_text("m: n\n\tcp n m\n")
    run_treadle(tmp_path, "run", "--events", "run.jsonl", check=0)
    run_treadle(tmp_path, "run", check=0)
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_ends_alike_where_stdout_is_full_gone_or_closed(settled: Path, words: tuple[str, ...]) -> None:
    """An answer in a file that is cut short must not look like a whole one, nor like one that nobody read."""
    code = run_treadle(settled, *words).code
    if words[0] == "forget":
        run_treadle(settled, "run", check=0)
    full = run_treadle(settled, *words, prefix=("sh", "-c", 'exec "$@" > /dev/full', "sh"), check=2)
    assert full.err.count("stdout cannot be written: No space left on device\n") == 1
    # a pipe without a reader: the one that there was has ended when the command starts
    script = "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.execvp(sys.argv[1], sys.argv[1:])"
    gone = run_treadle(settled, *words, prefix=(sys.executable, "-c", script), check=141)
    assert gone.err == ""
    if words[0] == "forget":
        run_treadle(settled, "run", check=0)
    closed = run_treadle(settled, *words, prefix=("sh", "-c", 'exec "$@" >&-', "sh"))
    assert (closed.code, closed.err) == (code, "")


@pytest.mark.parametrize("lost", ["2>&-", "2> /dev/full"])
@pytest.mark.parametrize("words", [("run",), ("run", "bad"), ("run", "nope"), ("status",), ("nonsense",)], ids=str)
def test_what_stderr_does_not_take_changes_nothing(settled: Path, words: tuple[str, ...], lost: str) -> None:
    code = run_treadle(settled, *words).code
    run_treadle(settled, *words, prefix=("sh", "-c", f'exec "$@" {lost}', "sh"), check=code)


def test_a_run_whose_output_cannot_be_written_is_done_all_the_same(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "-v", prefix=("sh", "-c", 'exec "$@" > /dev/full', "sh"), check=2)
    assert (tmp_path / "p").read_text() == "x\n"
    assert "nothing to do: 2 up to date" in run_treadle(tmp_path, "run", check=0).out


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_from_the_start_do_no_harm(tmp_path: Path, closed: str) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", prefix=("sh", "-c", f'exec "$@" {closed}', "sh"), check=0)
    assert (tmp_path / "o").read_text() == "x\n"
    assert (tmp_path / "p").read_text() == "x\n"
    assert (tmp_path / ".treadle/logs/a.log").read_text() == ""


def test_actions_do_not_get_our_stdin(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'cat > ${out}', out: o}\n")
    done = run_treadle(tmp_path, "run", prefix=("sh", "-c", 'echo typed | "$@"', "sh"), check=0)
    assert done.lines[-1].startswith("1 run")
    assert (tmp_path / "o").read_text() == ""


def test_colours_without_a_terminal_are_for_those_who_force_them(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert "\x1b" not in run_treadle(tmp_path, "run", check=0).out
    forced = run_treadle(tmp_path, "run", "--force", env={"FORCE_COLOR": "1"}, check=0).out
    assert "\x1b[32mran\x1b[0m" in forced
    assert "\r" not in forced
    assert "\x1b[32m" in run_treadle(tmp_path, "run", "--force", "--color", "always", check=0).out


def test_a_name_that_the_encoding_does_not_know_is_printed_all_the_same(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  日本: {run: 'true'}\n")
    done = run_treadle(tmp_path, "run", "日本", env={"PYTHONIOENCODING": "ascii"}, check=0)
    assert "ran \\u65e5\\u672c" in done.out


def test_the_end_of_a_run_is_told_after_what_its_actions_said(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'for n in 1 2 3; do echo $n; done; exit 1'}\n")
    child = start_treadle(tmp_path, "run", "--output", "stream", "a")
    *said, last = ended(child).lines[:4]
    assert said == ["1", "2", "3"]
    assert last.startswith("[1/1] failed a ")
    assert last.endswith(": exit code 1")
