"""What actions print, and when it is shown: by the key `output`, by `--output` and by TREADLE_OUTPUT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers import Terminal, plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

ACTIONS = """
groups:
  all: [hello, file]
actions:
  hello: {sh: 'echo said by hello'}
  file: {sh: 'echo said by file; echo x > ${out}', out: o/file}
  each: {foreach: {n: [a, b]}, sh: 'echo said by ${n}'}
  edit: {sh: 'echo said by edit', edits: x.txt}
  needs: {sh: 'echo said by needs', needs: [hello]}
"""


def said(text: str) -> list[str]:
    """Return the lines that actions have printed, with what is before them."""
    return [line for line in text.splitlines() if "said by" in line]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plan(tmp_path, ACTIONS)
    (tmp_path / "x.txt").write_text("x\n")
    return tmp_path


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["hello"], ["said by hello"]),
        (["edit"], ["said by edit"]),
        (["each@a"], ["said by a"]),
        (["file"], []),
        (["o/file"], []),
        (["all"], []),
        (["hel*"], []),
        ([], []),
        (["needs"], ["said by needs"]),
        (["hello", "file"], ["said by hello"]),
    ],
)
def test_an_action_without_outputs_that_is_named_shows_what_it_prints(
    folder: Path, names: list[str], shown: list[str]
) -> None:
    assert said(run_treadle(folder, "run", "-j1", *names, check=0).out) == shown


def test_it_shows_it_on_a_terminal_too_and_leaves_its_line(folder: Path) -> None:
    terminal = Terminal(folder, "run", "hello", env={"NO_COLOR": "1"})
    assert terminal.end() == 0
    shown, line, total = terminal.seen()
    assert shown == "said by hello"
    assert line.startswith("[1/1] ran hello ")
    assert total.startswith("1 run in ")


def test_a_family_that_is_named_shows_what_its_instances_print(folder: Path) -> None:
    lines = said(run_treadle(folder, "run", "each", check=0).out)
    assert sorted(line.rpartition(" | ")[2] for line in lines) == ["said by a", "said by b"]


def test_lines_have_names_while_two_actions_stream(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.sh").write_text(f"echo said by {name}; until test -e go; do sleep 0.01; done\n")
    plan(tmp_path, "actions:\n  a: {run: sh a.sh}\n  b: {run: sh b.sh}\n")
    terminal = Terminal(tmp_path, "run", "-j2", "a", "b", env={"NO_COLOR": "1"})
    terminal.wait_for("said by a")
    terminal.wait_for("said by b")
    (tmp_path / "go").touch()
    assert terminal.end() == 0
    assert any(line in ("a | said by a", "b | said by b") for line in said("\n".join(terminal.seen())))


def test_an_edit_that_the_fast_path_runs_shows_it_too(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'echo said by a; cat x.txt', in: x.txt, edits: y.txt}\n")
    (tmp_path / "y.txt").write_text("y\n")
    for number in range(4):
        (tmp_path / "x.txt").write_text(f"{number}\n")
        assert run_treadle(tmp_path, "run", "a", check=0).lines[:2] == ["said by a", str(number)]


FORMS = {
    "stream": ["said by file", "[1/1] ran file"],
    "block": ["[1/1] ran file", "  | said by file"],
    "quiet": ["[1/1] ran file"],
    "prefix": ["file | said by file", "[1/1] ran file"],
}


def shape(text: str) -> list[str]:
    lines = [line.partition(" 0.")[0] for line in text.splitlines()]
    return [line for line in lines if "file" in line]


@pytest.mark.parametrize("form", ["stream", "block", "quiet"])
@pytest.mark.parametrize("where", ["action", "defaults"])
def test_the_key_says_how_it_is_shown(tmp_path: Path, form: str, where: str) -> None:
    own, shared = (f", output: {form}", "") if where == "action" else ("", f"defaults: {{output: {form}}}\n")
    plan(tmp_path, f"{shared}actions:\n  file: {{sh: 'echo said by file; echo x > ${{out}}', out: o{own}}}\n")
    assert shape(run_treadle(tmp_path, "run", check=0).out) == FORMS[form]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", ["", "stream", "block", "quiet"])
@pytest.mark.parametrize("way", ["option", "environment", "both"])
def test_the_call_counts_more_than_the_key_and_the_option_more_than_the_environment(
    tmp_path: Path, form: str, key: str, way: str
) -> None:
    own = f", output: {key}" if key else ""
    plan(tmp_path, f"actions:\n  file: {{sh: 'echo said by file; echo x > ${{out}}', out: o{own}}}\n")
    options = ["--output", form] if way != "environment" else []
    other = next(one for one in FORMS if one != form)
    env = {} if way == "option" else {"TREADLE_OUTPUT": form if way == "environment" else other}
    assert shape(run_treadle(tmp_path, "run", *options, env=env, check=0).out) == FORMS[form]


def test_a_form_of_the_environment_that_there_is_not_is_refused_before_anything_runs(folder: Path) -> None:
    done = run_treadle(folder, "run", "file", env={"TREADLE_OUTPUT": "loud"}, check=2)
    assert "TREADLE_OUTPUT is 'loud'" in done.err
    assert "quiet, block, stream, prefix" in done.err
    assert not (folder / "o").exists()


@pytest.mark.parametrize("options", [[], ["-n"], ["-q"], ["--force"]])
def test_a_form_that_there_is_not_is_refused_also_where_nothing_runs(folder: Path, options: list[str]) -> None:
    run_treadle(folder, "run", "file", check=0)
    done = run_treadle(folder, "run", "file", *options, env={"TREADLE_OUTPUT": "loud"}, check=2)
    assert "TREADLE_OUTPUT is 'loud'" in done.err
    same = run_treadle(folder, "run", "file", env={"TREADLE_OUTPUT": "quiet"}, check=0)
    assert same.out.startswith("nothing to do: 1 up to date")


def test_block_shows_all_that_was_printed(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'seq 1000; echo x > ${out}', out: o, output: block}\n")
    lines = run_treadle(tmp_path, "run", check=0).lines
    assert [line for line in lines if line.startswith("  | ")] == [f"  | {number}" for number in range(1, 1001)]


@pytest.mark.parametrize("options", [(), ("--output", "stream"), ("--output", "block")])
def test_with_q_nothing_is_shown_of_what_is_well(folder: Path, options: tuple[str, ...]) -> None:
    assert run_treadle(folder, "run", "-q", *options, "hello", "file", check=0).out == ""


def test_a_change_of_the_key_runs_nothing(tmp_path: Path) -> None:
    text = "actions:\n  a: {sh: 'echo x > ${out}', out: o%s}\n"
    plan(tmp_path, text % "")
    run_treadle(tmp_path, "run", check=0)
    for own in (", output: block", ", output: stream", ""):
        plan(tmp_path, text % own)
        assert run_treadle(tmp_path, "run", check=0).lines[-1].startswith("nothing to do")


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("output: loud", "must be one of stream, block, quiet"),
        ("output: out/x", "the files that it makes are out:"),
        ("output: stream, console: true", "output cannot be combined with console"),
    ],
)
def test_a_wrong_key_is_refused(tmp_path: Path, own: str, told: str) -> None:
    plan(tmp_path, f"actions:\n  a: {{run: 'true', {own}}}\n")
    assert told in run_treadle(tmp_path, "check", check=2).err


def test_defaults_leave_an_action_with_console_alone(tmp_path: Path) -> None:
    plan(tmp_path, "defaults: {output: block}\nactions:\n  a: {run: echo said by a, console: true}\n")
    assert run_treadle(tmp_path, "run", "a", check=0).lines[0] == "said by a"


def parts(text: str) -> list[str]:
    """Return what a run says of failures, in order: the line of each, and what it printed."""
    return [line.strip() for line in text.splitlines() if "  | " in line or line.startswith(("failed", "["))]


def test_what_failures_print_is_told_once_where_nothing_comes_after_it(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  a: {sh: 'echo A; exit 1', out: x}\n  b: {sh: 'echo B; exit 1', out: y, after: [a]}\n",
    )
    out = run_treadle(tmp_path, "run", "-k", check=1).out
    assert [line for line in parts(out) if line.startswith("|")] == ["| A", "| B"]


def test_it_is_told_again_where_others_have_written_below_it(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  a: {sh: 'echo A; exit 1', out: x}\n  ok: {sh: 'echo x > ${out}', out: y, after: [a]}\n"
        "  b: {sh: 'echo B; exit 1', out: z, after: [ok]}\n",
    )
    out = run_treadle(tmp_path, "run", "-k", check=1).out
    assert [line for line in parts(out) if line.startswith("|")] == ["| A", "| B", "| A"]


@pytest.mark.parametrize("form", ["stream", "prefix"])
def test_what_was_streamed_is_told_again_only_where_it_was_torn_apart(tmp_path: Path, form: str) -> None:
    plan(
        tmp_path,
        "actions:\n  a: {sh: 'echo A; exit 1', out: x}\n  ok: {sh: 'echo fine; echo x > ${out}', out: y, after: [a]}\n",
    )
    alone = run_treadle(tmp_path, "run", "--output", form, "a", check=1).out
    assert alone.count("A\n") == 1
    with_others = run_treadle(tmp_path, "run", "-k", "--output", form, check=1).out
    assert with_others.count("A\n") == 2


def test_a_terminal_shows_a_line_for_each_of_few_actions_and_of_many_for_the_first(tmp_path: Path) -> None:
    names = ",".join(f"n{number}" for number in range(30))
    plan(tmp_path, f"actions:\n  a: {{foreach: {{n: [{names}]}}, sh: 'echo x > ${{out}}', out: 'o/${{n}}'}}\n")
    terminal = Terminal(tmp_path, "run", env={"NO_COLOR": "1"})
    assert terminal.end() == 0
    assert len([line for line in terminal.seen() if line.startswith("[")]) == 20
    (tmp_path / "o/n3").unlink()
    terminal = Terminal(tmp_path, "run", env={"NO_COLOR": "1"})
    assert terminal.end() == 0
    (line,) = [line for line in terminal.seen() if line.startswith("[")]
    assert "ran a@n3" in line
    assert "output" in line


@pytest.mark.parametrize("value", ["true", "1"])
def test_a_terminal_of_a_ci_job_gets_no_status_line(folder: Path, value: str) -> None:
    terminal = Terminal(folder, "run", env={"NO_COLOR": "1", "CI": value})
    assert terminal.end() == 0
    assert "\x1b[" not in terminal.text
    assert any("ran file" in line for line in terminal.seen())


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 200])
@pytest.mark.parametrize("words", [(), ("--help",), ("run", "--help"), ("report", "--help"), ("init", "--help")])
def test_help_breaks_at_blanks_at_each_width(tmp_path: Path, columns: int, words: tuple[str, ...]) -> None:
    whole = run_treadle(tmp_path, *words, env={"COLUMNS": "80"}, check=0).out
    narrow = run_treadle(tmp_path, *words, env={"COLUMNS": str(columns)}, check=0).out
    assert narrow.split() == whole.split()
    too_long = [line for line in narrow.splitlines() if len(line) > min(columns, 80)]
    # a line that is longer holds one thing that cannot be broken: a command or the names of an option
    assert all(line.startswith(("usage:", "  -", "  treadle")) for line in too_long), too_long


def test_what_came_or_went_is_told_before_the_command_that_lists_it(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'cat ${in} > ${out}', in: 's/*', out: o}\n")
    (tmp_path / "s").mkdir()
    for name in ("one", "two"):
        (tmp_path / "s" / name).write_text("x")
        line = run_treadle(tmp_path, "run", check=0).lines[0]
    assert line.endswith("(input s/two added; command changed)")
    (tmp_path / "s/one").unlink()
    assert run_treadle(tmp_path, "run", check=0).lines[0].endswith("(input s/one removed; command changed)")
    plan(tmp_path, "actions:\n  a: {sh: 'cat ${in} | sort > ${out}', in: 's/*', out: o}\n")
    assert run_treadle(tmp_path, "run", check=0).lines[0].endswith("(command changed)")


@pytest.mark.parametrize("form", ["block", "stream"])
def test_of_a_very_long_output_the_first_lines_are_shown_and_where_all_of_it_is(tmp_path: Path, form: str) -> None:
    plan(tmp_path, f"actions:\n  a: {{sh: 'seq 1000000; echo x > ${{out}}', out: o, output: {form}}}\n")
    lines = run_treadle(tmp_path, "run", check=0).lines
    numbers = [line.removeprefix("  | ") for line in lines if line.removeprefix("  | ").isdecimal()]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert 10_000 <= len(numbers) < 1_000_000
    assert any("all of it: .treadle/logs/a.log" in line for line in lines)


@pytest.mark.parametrize("form", ["block", "stream"])
def test_the_end_of_a_very_long_output_is_shown_if_it_failed(tmp_path: Path, form: str) -> None:
    plan(tmp_path, f"actions:\n  a: {{sh: 'seq 1000000; echo the error; exit 1', out: o, output: {form}}}\n")
    assert "  | the error" in run_treadle(tmp_path, "run", check=1).lines
