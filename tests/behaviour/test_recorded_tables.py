"""What `runs`, `show`, `attempts` and `stats` print: names that are unknown, figures, and lines that fit a terminal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from helpers import Terminal, plan, run_treadle
from treadle.cli.recorded import table
from treadle.core.text import width
from treadle.ledger.queries import Spread, mean_error
from treadle.ui.text import plain

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  fit:
    foreach: {n: ["1", "2", "3"]}
    sh: 'echo cannot read /data/${n}; exit ${n}'
  plot: {sh: echo plot}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    plan(folder, PLAN)
    run_treadle(folder, "run", "--record", "-k", "fit", "plot", check=1)
    run_treadle(folder, "run", "--attr", "team=core", "plot", check=0)
    return folder


def data(folder: Path, *args: str) -> Any:
    return json.loads(run_treadle(folder, *args, "--json", check=0).out)


@pytest.mark.parametrize("command", ["stats", "attempts", "runs"])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("plto", "did you mean plot?"),
        ("fitt", "did you mean fit?"),
        ("fit@4", "did you mean fit@"),
        ("NOPE", "`treadle attempts` lists what recorded runs have started"),
        ("NOPE*", "`treadle attempts` lists what recorded runs have started"),
    ],
)
def test_a_name_that_no_run_has_started_is_an_error_with_the_nearest_one(
    folder: Path, command: str, name: str, hint: str
) -> None:
    for more in ([], ["--json"]):
        told = run_treadle(folder, command, name, *more, check=2).err
        assert f"no recorded run has started {name}" in told
        assert hint in told


@pytest.mark.parametrize("command", ["stats", "attempts"])
def test_one_unknown_name_among_known_ones_is_an_error_too(folder: Path, command: str) -> None:
    assert "no recorded run has started NOPE" in run_treadle(folder, command, "plot", "NOPE", check=2).err


@pytest.mark.parametrize("words", [["runs", "plot", "--state", "lost"], ["attempts", "plot", "--failed"]])
def test_a_known_name_of_which_nothing_fits_is_no_error(folder: Path, words: list[str]) -> None:
    assert re.fullmatch("no recorded (run|attempt) fits\n", run_treadle(folder, *words, check=0).out)


def test_attempts_and_figures_are_of_all_runs_or_of_one_or_since_a_time(folder: Path) -> None:
    assert [one["name"] for one in data(folder, "attempts", "--run", "last")["attempts"]] == ["plot"]
    assert len(data(folder, "attempts", "--run", "last-1")["attempts"]) == 4
    assert len(data(folder, "attempts", "--since", "1d")["attempts"]) == 5
    assert data(folder, "attempts", "--since", "2100-01-01")["attempts"] == []
    assert [(one["name"], one["attempts"]) for one in data(folder, "stats")["actions"]] == [("fit", 3), ("plot", 2)]
    assert [one["name"] for one in data(folder, "stats", "--run", "last")["actions"]] == ["plot"]
    assert data(folder, "stats", "--since", "2100-01-01")["actions"] == []
    assert "there is no run other" in run_treadle(folder, "stats", "--run", "other", check=2).err


def test_figures_tell_how_often_and_how_attempts_ended(folder: Path) -> None:
    fit, plot = data(folder, "stats")["actions"]
    assert (fit["failed"], fit["outcomes"]) == (3, {"failed": 3})
    assert (plot["passed"], plot["outcomes"]) == (2, {"success": 2})
    assert plot["time"].keys() == {"mean", "median", "p95", "most"}
    # nothing took long enough to say what it kept busy
    assert plot["cpus"] is None
    head, *rows = run_treadle(folder, "stats", check=0).lines
    assert head.split() == ["attempts", "failed", "mean", "median", "95", "%", "longest"]
    assert sorted(row.split()[:3] for row in rows) == [["fit", "3", "3"], ["plot", "2", "0"]]


def test_failures_of_a_run_are_one_line_where_they_say_the_same(folder: Path) -> None:
    (told,) = [line for line in run_treadle(folder, "show", "last-1", check=0).lines if line.startswith("failed:")]
    assert re.fullmatch(
        r"failed: fit@1, fit@2, fit@3 \(3 actions\): .*exit code [123]: cannot read /data/[123]", told
    )
    assert "cannot read /data/2" in run_treadle(folder, "attempts", "fit@2", check=0).out


def test_failures_with_another_last_line_are_told_apart_without_secrets(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  fit: {foreach: {n: ['1', '2', '3']}, sh: 'printf \"%s\\\\n\\\\n\" \"error ${n} of $TOKEN\"; exit 1',"
        " track: [TOKEN], secret: [TOKEN]}\n  odd: {sh: 'echo KeyError; exit 1'}\n",
    )
    run_treadle(tmp_path, "run", "-k", "fit", "odd", env={"TOKEN": "hunter2hunter2"}, check=1)
    told = [line for line in run_treadle(tmp_path, "show", check=0).lines if line.startswith("failed:")]
    assert len(told) == 2
    assert told[0].startswith("failed: fit@1, fit@2, fit@3 (3 actions): ")
    assert re.search(r": error \d of \*\*\*$", told[0])
    assert told[1].endswith("exit code 1: KeyError")
    alike = [line for line in run_treadle(tmp_path, "report", check=0).lines if line.startswith("alike")]
    assert len(alike) == 1
    assert "error" in alike[0]
    for path in (tmp_path / ".treadle/runs").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()


SLEEPS = """
actions:
  busy:
    sh: |
      (timeout 1.3 sh -c "while :; do :; done" & timeout 1.3 sh -c "while :; do :; done" & wait); true
"""


@pytest.mark.parametrize("by", ["max", "p95", "mean"])
def test_a_suggestion_is_of_the_most_the_95th_percentile_or_the_mean(folder: Path, by: str) -> None:
    text = run_treadle(folder, "stats", "plot", "--suggest", "--by", by, check=0).out
    assert re.fullmatch(
        r"plot:\n(  resources: \{memory: \d+MiB\}  # memory max .*, p95 .*, mean .*; of 2\n)?"
        r"  timeout: 1s  # max 0\.\ds, p95 0\.\ds, mean 0\.\ds\n",
        text,
    )


def test_suggested_lines_are_lines_of_a_plan(tmp_path: Path) -> None:
    plan(tmp_path, SLEEPS)
    run_treadle(tmp_path, "run", "--record", "busy", check=0)
    text = run_treadle(tmp_path, "stats", "--suggest", check=0).out
    plan(tmp_path, SLEEPS + "".join(f"    {line.strip()}\n" for line in text.splitlines()[1:]))
    run_treadle(tmp_path, "check", check=0)
    # two of them ran at a time, if the machine had two to give
    assert re.search(r"timeout: [3-9]s|timeout: \d\ds", text)


def test_the_spread_of_numbers_is_made_of_values_that_were_seen() -> None:
    assert Spread.of([]) is None
    assert Spread.of([float(one) for one in range(1, 21)]) == Spread(10.5, 10, 19, 20)


def test_the_error_of_a_mean_follows_from_how_much_numbers_differ() -> None:
    assert mean_error([3.0]) is None
    assert mean_error([3.0, 3.0]) == 0
    # t for 4 degrees of freedom is 2.776
    assert mean_error([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2.776 * (2.5 / 5) ** 0.5)
    assert mean_error([1.0, 3.0] * 500) == pytest.approx(1.9626 * (1000 / 999 / 1000) ** 0.5, rel=1e-3)


ROWS = [("20261130-144420-63999", "a-name-" + "x" * 70, "1.0s", "exit code 1: " + "words of many letters " * 9)]


@pytest.mark.parametrize("room", [30, 50, 80, 120])
def test_no_line_of_a_table_is_wider_than_its_room_and_nothing_is_lost(room: int) -> None:
    lines = [plain(one) for one in table(ROWS, "  ", room=room, right=(2,))]
    assert max(map(width, lines)) <= room
    # what is copied to be named is whole
    assert any(ROWS[0][0] in line for line in lines)
    shown = "".join(lines)
    assert all(shown.count(letter) == "".join(ROWS[0]).count(letter) for letter in "0x1")
    assert len(table(ROWS)) == 1


def test_wide_letters_count_for_two_cells() -> None:
    lines = [plain(one) for one in table([("\u6f22" * 40, "b")], room=40)]
    assert max(map(width, lines)) <= 40
    assert len(lines) == 3


@pytest.mark.parametrize("words", [["runs"], ["attempts"], ["stats"], ["stats", "--all"], ["show", "last-1"]])
@pytest.mark.parametrize("columns", [60, 40])
def test_on_a_narrow_terminal_no_line_is_broken_by_the_terminal(
    folder: Path, words: list[str], columns: int
) -> None:
    terminal = Terminal(folder, *words, env={"NO_COLOR": "1"}, columns=columns)
    assert terminal.end() == 0
    lines = terminal.text.replace("\r", "").splitlines()
    assert lines
    assert max(map(len, lines)) <= columns


def test_what_two_runs_were_called_with_is_part_of_their_difference(tmp_path: Path) -> None:
    plan(tmp_path, "params: {n: {default: '1'}}\nactions: {a: {run: 'echo ${n}'}, b: {run: echo}}\n")
    run_treadle(tmp_path, "run", "--record", "a", check=0)
    run_treadle(tmp_path, "run", "--attr", "team=core", "-p", "n=2", "a", check=0)
    run_treadle(tmp_path, "run", "--attr", "team=core", "-p", "n=2", "b", check=0)
    run_treadle(tmp_path, "run", "--attr", "team=core", "-p", "n=2", "b", check=0)
    assert data(tmp_path, "diff", "last-3", "last-2")["call"] == [
        {"what": "parameter n", "old": "1", "new": "2"},
        {"what": "attribute team", "old": "", "new": "core"},
    ]
    assert data(tmp_path, "diff", "last-2", "last-1")["call"] == [{"what": "names", "old": "a", "new": "b"}]
    lines = run_treadle(tmp_path, "diff", "last-3", "last-2", check=0).lines
    assert lines[1:3] == ["  parameter n     1 -> 2", "  attribute team  none -> core"]
    assert "have treated all actions alike" in run_treadle(tmp_path, "diff", check=0).out
