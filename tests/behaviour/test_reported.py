"""What actions say of their work through TREADLE_REPORT, and jobs by `measure` (rule M3)."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from ends import Ends
from project import Project
from treadle import (
    DAG,
    Command,
    CommandWalk,
    CoroutineJob,
    Environment,
    Job,
    Options,
    ReturnValue,
    Script,
    Session,
    Walk,
)
from treadle.aio import Job as AioJob
from treadle.aio import ProcessJob, Recording, Scheduler
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from treadle.core.callbacks import NotifyEnd

PLAN = """treadle: 1
default: [lines, json, wrong, fails, nothing]
actions:
  lines:
    sh: |
      echo "loss 0.25" >> $TREADLE_REPORT
      echo "attribute model small one" >> $TREADLE_REPORT
      echo x > plot.txt
      echo "artifact plot.txt" >> $TREADLE_REPORT
      echo made > ${out}
    out: out/lines
  json:
    cwd: sub
    sh: |
      echo x > here.txt
      echo '{"epochs": 3, "artifact": ["here.txt", "/etc/passwd"], "attribute": {"k": "v"}}' > $TREADLE_REPORT
  wrong: {sh: 'printf "loss low\\nx 1\\nartifact none\\n" > $TREADLE_REPORT'}
  fails:
    retries: 1
    sh: 'test -e mark && echo "second 2" > $TREADLE_REPORT || echo "first 1" > $TREADLE_REPORT; touch mark; exit 75'
  nothing: {run: "true"}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    made.write("plan", PLAN)
    (made.folder / "sub").mkdir()
    return made


def events(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in project.read("e.jsonl").splitlines()]


def reports_left(project: Project) -> list[str]:
    return [path.name for path in (project.folder / ".treadle").rglob("*.report")]


def test_events_have_what_actions_say(project: Project) -> None:
    """M3: measurements, attributes, artifacts; what is wrong is told, and the outcome stays."""
    done = project.treadle("run", "-k", "--events", "e.jsonl")
    told = events(project)
    ends = {one["name"]: one for one in told if one["event"] == "ended"}
    assert {name: end["status"] for name, end in ends.items()} == {
        **dict.fromkeys(("lines", "json", "wrong", "nothing"), "ran"),
        "fails": "failed",
    }
    assert ends["lines"]["measurements"] == {"loss": 0.25}
    assert ends["lines"]["attributes"] == {"model": "small one"}
    assert ends["lines"]["artifacts"] == ["plot.txt"]
    assert ends["json"]["measurements"] == {"epochs": 3}
    assert ends["json"]["artifacts"] == ["sub/here.txt", "/etc/passwd"]
    assert ends["wrong"]["measurements"] == {"x": 1}
    assert "artifacts" not in ends["wrong"]
    said = "wrong: its report was not taken as it is: line 1: loss low; expected NAME NUMBER"
    assert said in done.err
    assert "the artifact 'none' is not there" in done.err
    (first,) = (one for one in told if one["event"] == "attempt")
    assert first["measurements"] == {"first": 1}
    assert ends["fails"]["measurements"] == {"second": 2}
    assert not {"measurements", "attributes", "artifacts"} & ends["nothing"].keys()
    assert reports_left(project) == []


def test_page_and_report_have_it(project: Project) -> None:
    """M3."""
    project.treadle("run", "-k", "--events", "e.jsonl", "--html", "p.html")
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', project.read("p.html"), re.DOTALL
    )
    assert found is not None
    page = json.loads(found[1])
    values = {page["names"][int(number)]: said for number, said in page["values"].items()}
    assert values["lines"] == {
        "rows": [["loss", "0.25"], ["model", "small one"]],
        "artifacts": [["plot.txt", "./plot.txt"]],
    }
    assert "nothing" not in values
    data = json.loads(project.treadle("report", "e.jsonl", "--json").out)
    actions = {one["name"]: one for one in data["actions"]}
    assert actions["lines"]["measurements"] == {"loss": 0.25}
    assert [one["measurements"] for one in actions["fails"]["attempts"]] == [{"first": 1}, {"second": 2}]
    assert actions["fails"]["attempts"][0]["usage"]["user"] >= 0
    assert actions["fails"]["exit_code"] == 75
    assert data["result"] == "failed"


def test_it_is_no_part_of_fingerprints_and_a_skip_says_nothing(project: Project) -> None:
    """M3: the path is another one in each run, and the action is up to date."""
    project.treadle("run", "lines")
    assert "1 up to date" in project.treadle("run", "lines").text
    project.treadle("run", "lines", "--events", "e.jsonl")
    (end,) = (one for one in events(project) if one["event"] == "ended")
    assert end["status"] == "skipped"
    assert "measurements" not in end


def test_more_than_a_mebibyte_is_cut_and_told(project: Project) -> None:
    """M3: whole lines are kept; JSON that is cut is none."""
    project.write(
        "plan",
        """treadle: 1
default: [lines, json]
actions:
  lines: {sh: 'echo "first 1" > $TREADLE_REPORT; seq -f "a 1%06.0f" 0 200000 >> $TREADLE_REPORT'}
  json: {sh: 'printf "{\\"a\\": \\"%02000000d\\"}" 0 > $TREADLE_REPORT'}
""",
    )
    done = project.treadle("run", "-k", "--events", "e.jsonl")
    assert done.code == 0
    assert "lines: its report was not taken as it is: it is longer than 1 MiB: the rest of it was cut\n" in done.err
    assert (
        "json: its report was not taken as it is: it is longer than 1 MiB, and what is cut is no JSON" in done.err
    )
    ends = {one["name"]: one for one in events(project) if one["event"] == "ended"}
    # 10 bytes a line
    assert ends["lines"]["measurements"] == {"first": 1, "a": 1000000 + ((1 << 20) - len("first 1\n")) // 10 - 1}
    assert "measurements" not in ends["json"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("ln -s /etc/passwd $TREADLE_REPORT", "it cannot be read: Too many levels of symbolic links"),
        ("ln -s nowhere $TREADLE_REPORT", "it cannot be read: Too many levels of symbolic links"),
        ("mkfifo $TREADLE_REPORT", "it is no regular file"),
        ("mkdir $TREADLE_REPORT", "it cannot be read: Is a directory"),
    ],
)
def test_what_is_no_file_is_not_read(project: Project, make: str, said: str) -> None:
    """M3: nor is it waited for, and the outcome stays."""
    project.write("plan", f"treadle: 1\nactions: {{a: {{sh: '{make}'}}}}\n")
    done = project.treadle("run", "a")
    assert done.code == 0
    assert f"a: its report was not taken as it is: {said}" in done.err
    assert len(reports_left(project)) == ("mkdir" in make)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_report_may_name_as_many_artifacts_as_it_has_room_for(project: Project, as_json: bool) -> None:
    """M3: they are taken in one pass, each once, and of those that are not there the first are named."""
    lines = 'f"artifact {n}" for n in (*range(60000), 5, 7)'
    said = f"print(*({lines}), sep=chr(10))"
    if as_json:
        said = 'import json; print(json.dumps({"artifact": [str(n) for n in (*range(60000), 5, 7)]}))'
    project.write("say.py", said + "\n")
    for n in (5, 7):
        project.write(str(n), "")
    project.write("plan", "treadle: 1\nactions: {a: {sh: 'python3 say.py > $TREADLE_REPORT'}}\n")
    done = project.treadle("run", "a", "--events", "e.jsonl")
    assert done.code == 0
    missing = "; ".join(f"the artifact '{n}' is not there" for n in range(3))
    assert f"not taken as it is: {missing}; and 59995 more are not there\n" in done.err
    (end,) = (one for one in events(project) if one["event"] == "ended")
    assert end["artifacts"] == ["5", "7"]


def test_secrets_are_not_told(project: Project) -> None:
    """M3: neither in texts nor in what is wrong."""
    project.write(
        "plan",
        """treadle: 1
actions:
  a:
    track: [TOKEN]
    secret: [TOKEN]
    sh: 'printf "attribute key %s\\nartifact %s\\nwrong %s\\n" $TOKEN $TOKEN $TOKEN > $TREADLE_REPORT'
""",
    )
    done = project.treadle("run", "a", "--events", "e.jsonl", TOKEN="hunter22")
    assert done.code == 0, done.text
    assert '"attributes":{"key":"***"}' in project.read("e.jsonl")
    assert "hunter22" not in project.read("e.jsonl") + done.text


def test_an_action_with_the_terminal_has_one(project: Project) -> None:
    """M3."""
    project.write(
        "plan",
        """treadle: 1
actions:
  console: {sh: 'echo "a 1" > $TREADLE_REPORT', console: true}
""",
    )
    assert project.treadle("run", "console", "--events", "e.jsonl").code == 0
    ends = {one["name"]: one for one in events(project) if one["event"] == "ended"}
    assert ends["console"]["measurements"] == {"a": 1}


def test_a_killed_run_leaves_none_behind_for_long(project: Project) -> None:
    """M3: the next run neither takes the report for one of its own, nor keeps it."""
    project.write(
        "plan",
        "treadle: 1\nactions:\n  a: {sh: 'echo a 1 > $TREADLE_REPORT; touch begun; exec sleep 60'}\n"
        "  b: {run: 'true'}\n",
    )
    child = project.start("run", "a")
    until((project.folder / "begun").exists, "the action has begun")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert len(reports_left(project)) == 1
    project.write("plan", "treadle: 1\nactions:\n  a: {run: 'true'}\n  b: {run: 'true'}\n")
    project.treadle("run", "a", "--events", "e.jsonl")
    (end,) = (one for one in events(project) if one["event"] == "ended")
    assert "measurements" not in end
    assert reports_left(project) == []


def test_a_session_reports_it(project: Project) -> None:
    """M3."""
    report = Session(project.folder / "treadle.yaml", Options(["lines"])).run()
    lines = report.actions["lines"]
    assert (lines.measurements, lines.attributes) == ({"loss": 0.25}, {"model": "small one"})
    assert lines.artifacts == ["plot.txt"]


class Says(Job):
    def run(self) -> None:
        self.measure("number", self.attempt)
        if self.attempt == 1:
            self.attributes["only"] = "the first"

    @property
    def status(self) -> ReturnValue:
        return ReturnValue.notready if self.attempt == 1 else ReturnValue.success


class SaysLater(CoroutineJob):
    async def co_run(self) -> None:
        self.measure("later", 1)
        self.measure("later", 2.5)


class Saying(Walk):
    def create_job(self, uid: str, data: Any, predecessors: frozenset[str], notify_end: NotifyEnd) -> Job:
        return {"says": Says, "later": SaysLater, "silent": Silent}[uid](uid, data, notify_end)

    def request_requeue(self, job: Any) -> bool:
        return True


class Silent(Job):
    def run(self) -> None:
        """Say nothing."""


def test_jobs_in_python_say_it_of_each_attempt() -> None:
    """M3."""
    dag = DAG()
    for uid in ("says", "later", "silent"):
        dag.add_vertex(uid)
    walk, ends = Saying(dag), Ends()
    walk.bus.add(ends)
    actions = walk.run().actions
    assert actions["says"].measurements == {"number": 2}
    assert actions["says"].attributes == {}
    assert actions["later"].measurements == {"later": 2.5}
    assert actions["silent"].values is None
    (first,) = ends.attempts
    assert first.values is not None
    assert first.values.as_data() == {"measurements": {"number": 1}, "attributes": {"only": "the first"}}


def test_jobs_of_treadle_aio_say_it_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """M3: a program by its report, a coroutine by its job; both are in the events."""
    script = Script('echo "loss 0.5" > $TREADLE_REPORT; echo wrong >> $TREADLE_REPORT; echo $TREADLE_REPORT > path')
    program = ProcessJob(Command(script=script), root=str(tmp_path), label="program")

    async def work() -> None:
        coroutine.measure("answer", 42)
        coroutine.attributes["of"] = "all"

    coroutine = AioJob(work(), label="coroutine")
    with caplog.at_level(logging.WARNING, "treadle.aio"):
        scheduler = Scheduler(program, coroutine)
        with Recording(scheduler, str(tmp_path / "e.jsonl")):
            assert scheduler.run()
    ends = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    by_name = {one["name"]: one for one in ends if one["event"] == "ended"}
    assert by_name["program"]["measurements"] == {"loss": 0.5}
    assert by_name["program"]["usage"]["user"] >= 0
    assert by_name["coroutine"]["measurements"] == {"answer": 42}
    assert by_name["coroutine"]["attributes"] == {"of": "all"}
    assert "program: its report was not taken as it is: line 2: wrong" in caplog.text
    assert not os.path.exists((tmp_path / "path").read_text().strip())


def test_an_aio_job_may_have_attributes_of_its_own() -> None:
    """M3: a subclass sets what it likes by this name."""

    class Own(AioJob):
        def __init__(self, corun: Any) -> None:
            super().__init__(corun)
            self.attributes = {"mine": "1"}

    async def work() -> None:
        """Do nothing."""

    job = Own(work())
    assert Scheduler(job).run()
    assert job.attributes == {"mine": "1"}


def test_a_set_variable_is_of_the_command_alone(tmp_path: Path) -> None:
    """M3: a program keeps what its command sets."""
    script = Script("echo $TREADLE_REPORT > path; echo a 1 > $TREADLE_REPORT")
    command = Command(script=script, env=Environment(set={"TREADLE_REPORT": "mine"}))
    assert Scheduler(ProcessJob(command, root=str(tmp_path))).run()
    assert (tmp_path / "path").read_text() == "mine\n"
    dag = DAG()
    dag.add_vertex("a", command)
    assert CommandWalk(dag, str(tmp_path)).run().actions["a"].measurements == {}
    assert (tmp_path / "mine").read_text() == "a 1\n"
