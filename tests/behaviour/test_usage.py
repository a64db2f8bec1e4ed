"""What actions have used, in each place that says it: events, page, reports, `why` (rule M1)."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

from ends import Ends
from hungry import MEBI, allocates, burns, shown
from project import Project
from treadle import DAG, Attempt, BaseRunner, Command, CommandWalk, Limits, Options, Retries, Session, Usage
from treadle.aio import ProcessJob, Scheduler

if TYPE_CHECKING:
    from pathlib import Path

BIG = 100 * MEBI


def graph_of(commands: dict[str, Command]) -> DAG:
    dag = DAG()
    for uid, command in commands.items():
        dag.add_vertex(uid, command)
    return dag


def block(script: str) -> str:
    return "|\n" + "\n".join(f"      {one}" for one in script.splitlines())


def plan() -> str:
    again = f"{shown(burns(0.2))}\ntest -e mark || {{ touch mark; exit 75; }}\n{shown(allocates(BIG))}"
    return f"""treadle: 1
default: [big, again, small, later]
actions:
  big:
    sh: {block(shown(allocates(BIG)))}
  again:
    retries: 1
    sh: {block(again)}
  small: {{run: "true"}}
  bad:
    sh: {block(shown(burns(0.2)) + chr(10) + "exit 3")}
  later: {{run: "true", needs: [bad]}}
"""


def events(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in project.read("e.jsonl").splitlines()]


def recorded(folder: Path) -> Project:
    project = Project(folder / "p")
    # the peak of what starts a program is the least that is seen of it, and a process of tests is large
    project.prefix = ("sh", "-c", '"$@"; exit $?', "sh")
    project.write("plan", plan())
    assert project.treadle("run", "-k", "--events", "e.jsonl", "--html", "p.html").code == 1
    return project


def test_the_end_of_each_attempt_says_what_it_has_used(tmp_path: Path) -> None:
    """M1."""
    told = events(recorded(tmp_path))
    ends = {one["name"]: one for one in told if one["event"] == "ended"}
    (first,) = (one for one in told if one["event"] == "attempt")
    assert BIG <= ends["big"]["usage"]["largest_process"] < BIG + 40 * MEBI
    assert ends["again"]["usage"]["largest_process"] >= BIG
    assert "largest_process" not in first["usage"]
    for end in (first, ends["again"], ends["bad"]):
        assert 0.18 <= end["usage"]["user"] + end["usage"]["system"] < 2
        assert end["usage"]["wall"] <= end["duration"]
    assert set(ends["small"]["usage"]) == {"wall", "user", "system", "blocks_in", "blocks_out"}
    assert "usage" not in ends["later"]


def test_a_skip_has_used_nothing(tmp_path: Path) -> None:
    """M1: what its last run has used is not told as if it was of this one."""
    project = Project(tmp_path / "p")
    project.write("plan", "treadle: 1\nactions: {a: {sh: 'echo > ${out}', out: b}}\n")
    project.run()
    project.treadle("run", "--events", "e.jsonl")
    (end,) = (one for one in events(project) if one["event"] == "ended")
    assert end["status"] == "skipped"
    assert "usage" not in end


def test_the_page_has_it_for_each_attempt(tmp_path: Path) -> None:
    """M1."""
    project = recorded(tmp_path)
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', project.read("p.html"), re.DOTALL
    )
    assert found is not None
    data = json.loads(found[1])
    used = dict(zip(data["names"], data["usage"], strict=True))
    (big,) = used["big"]
    assert big["largest_process"] >= BIG
    assert [round(one["user"] + one["system"], 1) >= 0.2 for one in used["again"]] == [True, True]
    assert used["later"] == []


def test_why_says_what_the_last_run_has_used_also_one_that_failed(tmp_path: Path) -> None:
    """M1."""
    project = recorded(tmp_path)
    assert re.search(r"\n    .*its largest process took 1\d\d MiB\b", project.treadle("why", "big").out)
    assert re.search(r"\n    CPU 0\.\ds user, 0\.\ds system\b", project.treadle("why", "bad").out)
    assert "CPU" not in project.treadle("why", "small").out
    by_name = {
        one["name"]: one["last_run"]
        for one in json.loads(project.treadle("why", "--json", "big", "bad").out)["actions"]
    }
    assert by_name["big"]["usage"]["largest_process"] >= BIG
    assert by_name["bad"]["usage"]["user"] + by_name["bad"]["usage"]["system"] >= 0.18


def test_a_session_reports_it(tmp_path: Path) -> None:
    """M1."""
    (tmp_path / "treadle.yaml").write_text(plan())
    report = Session(tmp_path / "treadle.yaml", Options(keep_going=0)).run()
    usage = report.actions["bad"].usage
    assert isinstance(usage, Usage)
    assert usage.cpu >= 0.18
    assert report.actions["later"].usage is None


def test_subscribers_get_it_with_each_attempt(tmp_path: Path) -> None:
    """M1."""
    command = Command([burns(0.1), ["false"]], limits=Limits(retries=Retries(1)))
    walk = CommandWalk(graph_of({"a": command}), root=str(tmp_path))
    ends = Ends()
    walk.bus.add(ends)
    walk.run()
    (first,), (last,) = ends.attempts, ends.ends
    assert first.usage is not None
    assert last.usage is not None
    assert first.usage is not last.usage
    assert min(first.usage.cpu, last.usage.cpu) >= 0.08


class Elsewhere(BaseRunner):
    """Runs programs at once, and says of every other one what it has used."""

    def submit(self, key: object, attempt: Attempt) -> None:
        code = subprocess.call(attempt.argvs[0], env=attempt.environment())
        self.report(key, code, usage=Usage(1.0, 2.0, 3.0) if code else None)

    def cancel(self, key: object, *, at_once: bool) -> None:
        raise NotImplementedError


def test_another_engine_may_say_it(tmp_path: Path) -> None:
    """M1."""

    class Walk(CommandWalk):
        def engine_of(self, uid: str, command: Command) -> str:
            return "elsewhere"

    walk = Walk(graph_of({"a": Command([["false"]]), "b": Command([["true"]])}), root=str(tmp_path))
    walk.engines = {"elsewhere": Elsewhere()}
    report = walk.run()
    assert report.actions["a"].usage is not None
    assert report.actions["a"].usage.as_data()["system"] == 3.0
    assert report.actions["b"].usage is None


def test_a_program_of_treadle_aio_has_it(tmp_path: Path) -> None:
    """M1."""
    job = ProcessJob(Command([burns(0.1)]), root=str(tmp_path))
    assert Scheduler(job).run()
    assert job.usage is not None
    assert job.usage.cpu >= 0.08
