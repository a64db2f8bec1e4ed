from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from helpers import COMMAND, DEADLINE, environment, plan, run_python, run_treadle
from treadle import __version__
from treadle.cli.parser import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

PLAN = "actions:\n  a: {sh: 'echo x > ${out}', out: o}\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["runn"], "did you mean `treadle run`?"),
        (["nonsense"], "there is no command nonsense"),
        (["run", "--nonsense"], "`treadle run` has no option --nonsense\n  hint: see `treadle run --help`"),
        (["run", "--evnts", "x"], "`treadle run` has no option --evnts\n  hint: did you mean --events?"),
        (["run", "--no-color"], "hint: did you mean --color?"),
        (["status", "-k2"], "`treadle status` has no option -k\n"),
        (["run", "-kx"], "-k does not take 'x'\n  hint: -kN takes a number"),
        (["list", "--json=x"], "--json does not take 'x'"),
        (["run", "-j", "x"], "not a number of actions"),
        (["run", "-j0"], "not a number of actions"),
        (["run", "-p", "x"], "NAME=VALUE"),
        (["run", "-C", "nowhere"], "-C nowhere: No such file or directory"),
        (["run", "-f", "nowhere.yaml"], "nowhere.yaml"),
        (["run", "aa"], "did you mean a?"),
        (["run", "--force=b", "a"], "'b'"),
        (["run", "--output", "x"], "invalid choice"),
        (["-f", "x"], "no command was given"),
        (["check", "a"], "takes a plan and no names"),
        (["run", "-p", "mode=x"], "mode"),
        # as a variable of a shell that is not set makes them
        (["run", "a", "-l", ""], "-l: it is empty"),
        (["status", "-l", " "], "-l: it is empty"),
        (["run", "a", "--where", ""], "--where: it is empty"),
        (["graph", "--where= "], "--where: it is empty"),
        (["list", "--only", ""], "--only: invalid choice"),
        (["run", "a", "--since", ""], "--since: '' is not the name of a commit"),
        (["resume", "--force"], "`treadle resume` has no option --force\n"),
        (["gc", "a"], "`treadle gc` takes no names"),
    ],
)
def test_a_wrong_call_is_an_error_that_helps(tmp_path: Path, args: list[str], said: str) -> None:
    plan(tmp_path, PLAN)
    done = run_treadle(tmp_path, *args, check=2)
    assert said in done.err
    assert done.err.startswith("treadle: ")
    assert done.out == ""


def test_a_file_that_is_no_output_says_who_reads_it(tmp_path: Path) -> None:
    text = "actions:\n  a: {run: cat x, in: [x, d/]}\n  b: {run: cat x, in: x}\n"
    plan(tmp_path, text)
    (tmp_path / "d").mkdir()
    for name in ("x", "d/y"):
        (tmp_path / name).touch()
    for command in ("why", "run", "graph"):
        done = run_treadle(tmp_path, command, "x", check=2)
        assert done.err.splitlines()[:2] == [
            "treadle: there is no action, group or output 'x'",
            "  it is an input of a, b",
        ]
    assert "it is an input of a" in run_treadle(tmp_path / "d", "why", "y", check=2).err
    assert "it is an input" not in run_treadle(tmp_path, "why", "d/z", check=2).err


def test_without_a_plan_the_error_says_how_to_name_one(tmp_path: Path) -> None:
    done = run_treadle(tmp_path, "run", check=2)
    assert "there is no treadle.yaml" in done.err
    assert "-f FILE" in done.err


def test_a_wrong_plan_shows_the_line_and_the_place(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {runn: x}\n", "sub/wrong.yaml")
    lines = run_treadle(tmp_path, "run", "-f", "sub/wrong.yaml", check=2).err.splitlines()
    assert lines[0].startswith("treadle: sub/wrong.yaml:3:7: ")
    assert lines[1] == "      a: {runn: x}"
    assert lines[2] == "          ^"


def test_places_are_told_from_where_we_stand(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {runn: x}\n")
    (tmp_path / "below").mkdir()
    assert run_treadle(tmp_path / "below", "run", check=2).err.startswith("treadle: ../treadle.yaml:3:7: ")
    assert run_treadle(tmp_path.parent, "run", "-C", tmp_path.name, check=2).err.startswith(
        f"treadle: {tmp_path.name}/treadle.yaml:3:7: "
    )


def test_a_folder_that_cannot_be_written_to_is_an_error_with_a_hint(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / ".treadle").write_text("a file in the way")
    done = run_treadle(tmp_path, "run", check=2)
    assert ".treadle" in done.err
    assert "hint: " in done.err


def test_a_bug_of_our_own_says_so_with_a_traceback_and_code_70(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    program = """
import sys
import treadle.session.run
from treadle.cli.main import main

def broken(*args):
    raise ValueError("two\\nlines")

treadle.session.run._walk_of = broken
sys.exit(main(["run"]))
"""
    done = run_python(tmp_path, program)
    assert done.code == 70
    assert done.err.startswith("treadle: this is a bug in Treadle, not in your plan: ValueError: two\\nlines")
    assert "Traceback" in done.err
    assert __version__ in done.err
    assert "Please report it" in done.err


def test_what_the_system_refuses_is_no_bug_of_ours(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    program = """
import errno, os, sys
import treadle.session.run
from treadle.cli.main import main

def broken(*args):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "some/file")

treadle.session.run._walk_of = broken
sys.exit(main(["run"]))
"""
    done = run_python(tmp_path, program)
    assert done.code == 2
    assert done.err == "treadle: the system refused: [Errno 24] Too many open files: 'some/file'\n"


def test_a_disk_that_is_full_under_way_is_a_failure_and_not_a_wrong_call(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    program = """
import sys
from treadle.cli.main import main
from treadle.errors import StateError
from treadle.state.store import Store

def full(*args, **options):
    raise StateError("the state cannot be written: no room", hint="make room")

Store.save = full
sys.exit(main(["run"]))
"""
    done = run_python(tmp_path, program)
    assert done.code == 1
    assert done.err == "treadle: the state cannot be written: no room\n  hint: make room\n"


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$0" && exec "$@" run'
    done = subprocess.run(
        ["sh", "-c", script, str(gone), *COMMAND],
        cwd=gone,
        env=environment({"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 2, done.stderr
    assert "the current folder cannot be used" in done.stderr


def test_help_fits_eighty_columns_and_names_each_command(tmp_path: Path) -> None:
    top = run_treadle(tmp_path, "--help", check=0).out
    commands = ("run", "why", "status", "list", "check", "log", "clean", "forget")
    for command in commands:
        assert f"    {command} " in top
        text = run_treadle(tmp_path, command, "--help", check=0).out
        assert text.startswith(f"usage: treadle {command} ")
        assert max(map(len, text.splitlines())) <= 80
    assert max(map(len, top.splitlines())) <= 80
    assert "exit codes:" in top


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("show", "A RUN is the identifier of a recorded run"),
        ("resume", "Without a word it is the last one."),
        ("diff", "Without words the last two are compared."),
        ("stop", "A RUN is the identifier of a run under way"),
        ("stats", "of what recorded runs have started"),
        ("runs", "the ledger that several folders share"),
        ("run", "keep records in a PostgreSQL database too"),
    ],
)
def test_help_says_what_the_words_of_a_command_about_runs_are(tmp_path: Path, command: str, said: str) -> None:
    text = run_treadle(tmp_path, command, "--help", check=0).out
    assert said in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[0] == text.splitlines()[0].rstrip()


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        (["--workflow", ""], {}, "argument --workflow: it is empty: a workflow has a name"),
        (["--workflow= "], {}, "argument --workflow: it is empty: a workflow has a name"),
        (
            [],
            {"TREADLE_LEDGER": "onn"},
            "TREADLE_LEDGER is no address of a database: expected on, off or postgresql",
        ),
        (["--ledger", "onn"], {}, "the ledger is no address of a database: expected postgresql://HOST/DATABASE"),
    ],
)
def test_what_a_run_is_to_be_recorded_as_is_checked(
    tmp_path: Path, words: list[str], env: dict[str, str], said: str
) -> None:
    plan(tmp_path, PLAN)
    assert said in run_treadle(tmp_path, "run", *words, env=env, check=2).err


def test_help_says_that_force_takes_a_name_only_behind_an_equals_sign(tmp_path: Path) -> None:
    help_text = " ".join(run_treadle(tmp_path, "run", "--help", check=0).out.split())
    assert "run even if up to date; for one action: --force=NAME with the =" in help_text


def test_the_bare_command_prints_a_short_help_and_version_its_version(tmp_path: Path) -> None:
    bare = run_treadle(tmp_path, check=0).out
    assert "treadle run" in bare
    assert len(bare.splitlines()) < 20
    assert {name for name in COMMANDS if re.search(rf"\b{name}\b", bare)} == {*COMMANDS}
    assert run_treadle(tmp_path, "--version", check=0).out == f"treadle {__version__}\n"


def test_options_may_stand_before_the_command_and_after_names(tmp_path: Path) -> None:
    plan(tmp_path / "sub", PLAN)
    assert "ran a" in run_treadle(tmp_path, "-C", "sub", "run", check=0).out
    assert run_treadle(tmp_path, "run", "a", "-C", "sub", "-n", check=0).out.startswith("nothing to do")


def test_a_run_inside_an_action_of_the_same_root_is_refused(tmp_path: Path) -> None:
    inner = " ".join(COMMAND)
    plan(tmp_path, f"actions:\n  a: {{sh: '{inner} run b', pass: [PYTHONPATH]}}\n  b: {{run: 'true'}}\n")
    done = run_treadle(tmp_path, "run", "a", check=1)
    assert "was started by an action of a run in the same root" in done.out
    assert "failed a: exit code 2" in done.out
