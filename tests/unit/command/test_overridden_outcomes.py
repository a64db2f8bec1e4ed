"""A CommandWalk whose `outcome_of` says otherwise: what is tried again, counted as a failure and put on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from treadle import DAG, Command, CommandWalk, Limits, Outcome, Retries, Script, Settings
from treadle.core.outcomes import KINDS, PASS, outcome

KIND_NAMES = sorted(KINDS)


class Says(CommandWalk):
    """Says of `a` that it has ended in another way than it did."""

    kind = ""

    def outcome_of(self, job: Any) -> Outcome:
        return outcome(self.kind, "as told") if job.uid == "a" else super().outcome_of(job)


def walk(folder: Path, kind: str, code: int) -> Says:
    dag = DAG()
    script = f"echo a >> starts; echo > o; exit {code}"
    limits = Limits(retries=Retries(2), priority=9)
    dag.add_vertex("a", Command(script=Script(script), outputs=["o"], limits=limits))
    dag.add_vertex("b", Command(script=Script("echo b >> starts")))
    made = Says(dag, str(folder), Settings(jobs=1, keep_going=1))
    made.kind = kind
    return made


@pytest.mark.parametrize("code", [0, 1, 75])
@pytest.mark.parametrize("kind", KIND_NAMES)
def test_what_follows_is_that_of_the_outcome_and_not_of_the_exit_code(kind: str, code: int, tmp_path: Path) -> None:
    report = walk(tmp_path, kind, code).run()
    action = report.actions["a"]
    losses = "; lost 4 times" if kind == "lost" else ""
    assert (action.outcome.kind, action.outcome.reason) == (kind, f"as told{losses}")
    is_failure = KINDS[kind][0] == "FAIL" or kind == "not_ready"
    # only a failure is tried again, and only a failure ends a run without -k
    starts = (tmp_path / "starts").read_text().split()
    assert starts == (["a"] * {"lost": 4, "invalid": 1}.get(kind, 3) if is_failure else ["a", "b"])
    # a success is the only thing on record, and what others may read
    again = walk(tmp_path, kind, code).look()["a"]
    assert (again.decision == "skip") == (KINDS[kind][0] == PASS)
    assert (tmp_path / "o").exists() == (KINDS[kind][0] == PASS)
