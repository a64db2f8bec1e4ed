"""`once: true`: it runs only while an output is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import plan, run_treadle

PLAN = """\
params: {n: {default: '1'}}
actions:
  venv: {sh: 'mkdir -p venv; echo ${n} >> venv/log; cat src > venv/made', in: src, out: venv/, once: true}
  tool: {sh: 'echo made >> count; echo ${n} > ${out}', out: tool, once: true}
  use: {sh: 'cat ${in} > ${out}', in: [tool, venv/log], out: used}
"""


def log(folder: Path) -> list[str]:
    return (folder / "venv/log").read_text().split()


def test_it_runs_only_while_an_output_is_missing(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "src").write_text("a")
    run_treadle(tmp_path, "run", check=0)
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    (tmp_path / "src").write_text("b")
    run_treadle(tmp_path, "run", check=0)
    run_treadle(tmp_path, "run", "-p", "n=2", check=0)
    run_treadle(tmp_path, "status", check=0)
    assert log(tmp_path) == ["1"]
    assert (tmp_path / "used").read_text() == "1\n1\n"
    told = run_treadle(tmp_path, "why", "venv", check=0).lines
    assert told[1] == "  it runs only while an output is missing: 1 output (venv/) there"
    (tmp_path / "tool").unlink()
    assert "output tool is missing" in run_treadle(tmp_path, "why", "tool").out
    run_treadle(tmp_path, "run", "-p", "n=2", check=0)
    assert (tmp_path / "used").read_text() == "2\n1\n"
    run_treadle(tmp_path, "run", "--force=venv", "-p", "n=3", check=0)
    assert log(tmp_path) == ["3"]


def test_its_readers_are_judged_by_what_is_in_its_outputs(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "src").touch()
    run_treadle(tmp_path, "run", check=0)
    for text in ("by hand\n", "again\n"):
        (tmp_path / "tool").write_text(text)
        run_treadle(tmp_path, "run", check=0)
        assert (tmp_path / "used").read_text() == f"{text}1\n"
        assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out


def test_what_somebody_else_made_is_taken(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "src").touch()
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/log").write_text("mine\n")
    (tmp_path / "tool").write_text("mine\n")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "used").read_text() == "mine\nmine\n"
    assert not (tmp_path / "count").exists()
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out


def test_after_a_failure_it_runs_though_its_folder_is_there(tmp_path: Path) -> None:
    plan(tmp_path, PLAN.replace("cat src", "cat src other"))
    (tmp_path / "src").touch()
    run_treadle(tmp_path, "run", "venv", check=1)
    run_treadle(tmp_path, "run", "venv", check=1)
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "venv", check=0)
    run_treadle(tmp_path, "run", "venv", check=0)
    assert log(tmp_path) == ["1"]


def test_a_missing_input_matters_only_if_it_runs(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  a: {sh: 'rm -f b; echo > b', out: b}\n  c: {sh: 'cat ${in} > ${out}', in: b, out: c, once: true}\n",
    )
    run_treadle(tmp_path, "run", check=0)
    plan(tmp_path, "actions:\n  c: {sh: 'cat ${in} > ${out}; exit 3', in: b, out: c, once: true}\n")
    run_treadle(tmp_path, "run", check=0)


@pytest.mark.parametrize("output", ["out: o", "stdout: o", "expand: o"])
def test_any_kind_of_output_will_do(output: str, tmp_path: Path) -> None:
    plan(tmp_path, f"actions: {{a: {{run: x, once: true, {output}}}}}\n")
    run_treadle(tmp_path, "check", check=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {run: x, once: true}", "once needs an output"),
        ("a: {run: x, out: o, once: true, always: true}", "exclude each other"),
    ],
)
def test_what_once_cannot_be_is_told(text: str, said: str, tmp_path: Path) -> None:
    plan(tmp_path, f"actions: {{{text}}}\n")
    assert said in run_treadle(tmp_path, "check", check=2).err
