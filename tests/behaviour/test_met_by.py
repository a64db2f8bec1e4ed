"""TREADLE_MET_BY: what an action learns of the ends that let it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import plan, run_treadle
from treadle import DAG, Command, CommandWalk, Script
from treadle.command.job import told_of
from treadle.core.decision import MET_BY, Reason

PLAN = """
default: [mail, report]
actions:
  fit: {foreach: {n: [1, 2, 3]}, sh: 'test ${n} = 2 && cp ${in} ${out}', in: x, out: 'o${n}', codes: {diffed: 1}}
  slow: {run: sleep 60, timeout: 10ms, codes: {diffed: 9}}
  mail: {sh: 'printf %s "$TREADLE_MET_BY" > mail', needs: [{action: 'fit@1', when: on_failure}]}
  report:
    sh: echo "$TREADLE_MET_BY" > report
    needs: [{action: 'fit@*', when: always}, {action: slow, when: always}]
  tidy: {sh: 'while read -r kind name; do echo "$name was $kind"; done <<< "$TREADLE_MET_BY" > tidy', finally: true}
"""


def test_it_names_what_let_it_in_by_kind_and_name(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "x").write_text("1")
    run_treadle(tmp_path, "run", "-k", check=1)
    assert (tmp_path / "mail").read_text() == "diffed fit@1"
    assert (tmp_path / "report").read_text() == "diffed fit@1\ndiffed fit@3\ntimeout slow\n"
    assert (tmp_path / "tidy").read_text() == "fit@1 was diffed\nfit@3 was diffed\nslow was timeout\n"


def test_it_is_empty_where_nothing_failed_and_said_anew_when_that_is_mended(tmp_path: Path) -> None:
    text = (
        "default: [report]\nactions:\n  test: {sh: 'grep -q 1 ${in}', in: x}\n"
        "  report: {sh: 'echo \"[$TREADLE_MET_BY]\" >> ${out}', keep: true, out: report, "
        "needs: [{action: test, when: always}]}\n"
    )
    plan(tmp_path, text)
    for content, said in (("1", "[]"), ("2", "[failed test]"), ("1", "[]")):
        (tmp_path / "x").write_text(content)
        run_treadle(tmp_path, "run", check=int(content == "2"))
        assert (tmp_path / "report").read_text().splitlines()[-1] == said
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    assert len((tmp_path / "report").read_text().splitlines()) == 3


@pytest.mark.parametrize("edited", [False, True])
def test_it_is_there_for_each_action_on_each_way_into_a_run(edited: bool, tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions: {a: {sh: 'echo [$TREADLE_MET_BY] > ${out}', in: x, out: o}, b: {sh: 'echo > ${out}', out: p}}\n",
    )
    (tmp_path / "x").write_text("1")
    run_treadle(tmp_path, "run", check=0)
    if edited:
        (tmp_path / "x").write_text("2")
        assert "1 run, 1 up to date" in run_treadle(tmp_path, "run", check=0).out
    assert (tmp_path / "o").read_text() == "[]\n"


def test_neither_looking_nor_the_check_of_scripts_remarks_on_it(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "x").write_text("1")
    done = run_treadle(tmp_path, "check", check=0)
    assert "TREADLE_MET_BY" not in done.out + done.err


def test_a_command_of_a_program_has_it_too(tmp_path: Path) -> None:
    dag = DAG()
    dag.add_vertex("a", Command(["false"]))
    script = Script('echo "$TREADLE_MET_BY" > said')
    dag.add_vertex("b", Command(script=script), {"a": "on_failure"})
    CommandWalk(dag, str(tmp_path)).run()
    assert (tmp_path / "said").read_text() == "failed a\n"


def test_of_very_many_the_first_are_named_and_the_others_counted() -> None:
    many = [Reason(MET_BY, f"fit@{'n' * 90}{number}", None, "failed") for number in range(10_000)]
    lines = told_of(many).split("\n")
    assert len("\n".join(lines)) < 1 << 16
    assert lines[0] == f"failed {many[0].name}"
    assert lines[-1] == f"... {10_000 - len(lines) + 1} more"
