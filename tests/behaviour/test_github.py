"""A run as a step of a workflow on GitHub."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  fine: {sh: "echo ::set-output name=x::y; echo '##[error]no'; echo z > ${out}", out: o}
  silent: {sh: "echo z > ${out}", out: p}
  bad: {sh: "echo dear; exit 3", out: q}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a plan, below that of its repository."""
    plan(tmp_path / "sub", PLAN)
    return tmp_path / "sub"


def on_github(folder: Path, *args: str, check: int) -> list[str]:
    env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(folder.parent)}
    return run_treadle(folder, *args, env=env, check=check).lines


def test_a_run_groups_what_actions_print_and_marks_failures_in_the_plan(folder: Path) -> None:
    lines = on_github(folder, "run", "-k", "-j1", check=1)
    groups = [line for line in lines if line.startswith("::group::")]
    assert [re.sub(r"\d\.\ds", "TIME", line) for line in groups] == [
        "::group::fine: what it printed (ran, TIME)",
        "::group::bad: what it printed (failed, TIME)",
    ]
    assert [line for line in lines if line.startswith("::error")] == [
        "::error title=bad failed,file=sub/treadle.yaml,line=6,col=3::exit code 3%0Adear"
    ]
    assert [line for line in lines if not line.startswith("::")][-1].startswith("2 run, 1 failed in ")
    # commands of the steps that follow are heard again
    last_stop = [line for line in lines if line.startswith("::stop-commands::")][-1]
    assert lines[-1] == last_stop.replace("stop-commands::", "") + "::"


@pytest.mark.parametrize(
    "options", [[], ["--output=block"], ["-v"], ["-q"], ["--output=quiet"], ["--output=stream"]]
)
def test_what_a_failure_printed_is_shown_twice_and_not_more(folder: Path, options: list[str]) -> None:
    lines = on_github(folder, "run", "-k", "-j1", *options, check=1)
    assert len([line for line in lines if re.search(r"\bdear\b|0Adear", line) and "echo" not in line]) == 2


def test_what_actions_print_stands_where_github_hears_no_commands(folder: Path) -> None:
    lines = on_github(folder, "run", "-k", "-j1", check=1)
    at = lines.index("::set-output name=x::y")
    stop = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", lines[at - 1])
    assert stop is not None
    assert lines[at + 1 : at + 4] == ["##[error]no", f"::{stop[1]}::", "::endgroup::"]
    other = on_github(folder, "run", "-k", "-j1", "--force", check=1)
    assert stop[1] not in "".join(other)


def test_there_are_no_groups_where_output_is_shown_anyway_or_nobody_wants_it(folder: Path) -> None:
    for options in (["--output=stream"], ["--output=prefix"], ["-q"]):
        lines = on_github(folder, "run", "-k", "--force", *options, check=1)
        assert [line for line in lines if line.startswith("::group")] == []
        assert len([line for line in lines if line.startswith("::error")]) == 1


def test_mistakes_in_a_plan_are_marked_where_they_stand(folder: Path) -> None:
    plan(folder, "actions:\n  a: {rum: x}\n")
    lines = on_github(folder, "run", check=2)
    assert len(lines) == 1
    assert lines[0].startswith("::error title=error in the plan,file=sub/treadle.yaml,line=3,col=7::")


def test_a_run_elsewhere_prints_none_of_it_and_a_report_does_so_later(folder: Path) -> None:
    lines = run_treadle(folder, "run", "-k", "-j1", "--events", "e.jsonl", check=1).lines
    assert not any(line.startswith("::") for line in lines)
    later = run_treadle(folder, "report", "e.jsonl", "--github", check=0).lines
    assert [line for line in later if line.startswith("::error")] == [
        "::error title=bad failed,file=treadle.yaml,line=6,col=3::exit code 3%0Adear"
    ]
    assert len([line for line in later if line.startswith("::group")]) == 2


def test_a_run_with_nothing_to_do_says_so_and_no_more(folder: Path) -> None:
    for _ in range(2):
        on_github(folder, "run", "fine", check=0)
    lines = on_github(folder, "run", "fine", check=0)
    assert len(lines) == 1
    assert lines[0].startswith("nothing to do: 1 up to date")


@pytest.mark.parametrize("options", [[], ["-q"], ["--output=stream"], ["--output=quiet"], ["-v"]])
def test_what_is_printed_on_the_console_gives_no_commands_either(folder: Path, options: list[str]) -> None:
    plan(folder, "actions:\n  c: {sh: 'echo ::error::injected', console: true}\n")
    lines = on_github(folder, "run", *options, "c", check=0)
    at = lines.index("::error::injected")
    stops = [line for line in lines[:at] if line.startswith("::stop-commands::")]
    assert len(stops) == 1
    assert f"::{stops[0].removeprefix('::stop-commands::')}::" in lines[at:]
