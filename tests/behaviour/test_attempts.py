"""What is kept of each attempt of an action: its log, and how it has gone (rule R5)."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from project import Project
from treadle import DAG, Command, CommandWalk, Limits, Options, Pool, Retries, Session, Settings

COUNTS = "n=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n > n; echo attempt $n;"
"""The beginning of a script that counts its attempts in a file."""


def plan(script: str, keys: str = "retries: 3") -> str:
    return f"treadle: 1\ndefault: a\nactions:\n  a:\n    {keys}\n    sh: |\n      {COUNTS} {script}\n"


def logs(project: Project) -> list[str]:
    folder = project.folder / ".treadle/logs/attempts/a"
    return sorted(os.listdir(folder)) if folder.exists() else []


def events(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in project.read("e.jsonl").splitlines()]


def test_each_attempt_has_a_log_of_its_own_and_the_action_has_that_of_the_last(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n = 3"))
    project.run()
    assert project.treadle("log", "a").out == "attempt 3\n"
    assert [project.treadle("log", "a", "--attempt", str(n)).out for n in (1, 2, 3)] == [
        f"attempt {n}\n" for n in (1, 2, 3)
    ]


def test_an_attempt_without_a_log_is_refused_with_those_that_have_one(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n = 3"))
    done = project.treadle("log", "a", "--attempt", "1")
    assert (done.code, done.err.split("\n")[0]) == (2, "treadle: a has no log yet")
    project.run()
    done = project.treadle("log", "a", "--attempt", "4")
    assert done.code == 2
    assert "a has no log of attempt 4" in done.err
    assert "there are logs of: 1, 2, 3" in done.err
    assert project.treadle("log", "a", "--attempt", "0").code == 2


def test_an_action_with_one_attempt_has_one_file(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("true"))
    project.run()
    assert os.listdir(project.folder / ".treadle/logs") == ["a.log"]
    assert project.treadle("log", "a", "--attempt", "1").out == "attempt 1\n"


def test_the_logs_of_the_last_ten_attempts_are_kept(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n = 13", "retries: 20"))
    project.run()
    assert logs(project) == sorted(f"{n}.log" for n in range(4, 13))
    done = project.treadle("log", "a", "--attempt", "3")
    assert "there are logs of: 4, 5, 6, 7, 8, 9, 10, 11, 12, 13" in done.err
    assert "the logs of the last 10 attempts are kept" in done.err


def test_logs_of_attempts_go_when_the_action_runs_again_and_not_when_it_is_skipped(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("in", "1")
    project.write("plan", plan("test $n != 1", "in: in\n    out: out\n    retries: 1").rstrip() + "; echo > out\n")
    project.run()
    assert logs(project) == ["1.log"]
    assert "up to date" in project.treadle("run").text
    project.write("in", "2")
    assert logs(project) == ["1.log"]
    project.run()
    assert logs(project) == []
    assert project.treadle("log", "a").out == "attempt 3\n"


def test_a_log_is_found_where_a_run_was_killed_between_two_attempts(tmp_path: Path) -> None:
    """R5: the log of the attempt before has been moved, and that of the next one was not made."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n = 3"))
    project.run()
    os.unlink(project.folder / ".treadle/logs/a.log")
    assert project.treadle("log", "a").out == "attempt 2\n"


@pytest.mark.parametrize("place", [".treadle/logs/attempts", ".treadle/logs/attempts/a"])
def test_links_in_the_place_of_folders_of_attempts_are_not_followed(tmp_path: Path, place: str) -> None:
    """R5: a checkout may bring them."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n -gt 1"))
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "a").mkdir(parents=True)
    mine = [elsewhere / "1.log", elsewhere / "a/1.log"]
    for path in mine:
        path.write_text("mine")
    (project.folder / place).parent.mkdir(parents=True, exist_ok=True)
    (project.folder / place).symlink_to(elsewhere)
    project.run()
    project.run()
    assert [path.read_text() for path in mine] == ["mine", "mine"]


def test_each_event_of_an_attempt_says_how_it_has_gone(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    keys = "retries: 1\n    resources: {gpus: 1, memory: 1KiB}"
    project.write("plan", plan("test $n = 2", keys).replace("actions:", "pool: {gpus: [x]}\nactions:"))
    project.treadle("run", "--events", "e.jsonl")
    (first,) = (one for one in events(project) if one["event"] == "attempt")
    (last,) = (one for one in events(project) if one["event"] == "ended")
    assert (first["outcome"], first["exit_code"], last["outcome"]) == ("failed", 1, "success")
    for one in (first, last):
        assert one["resources"] == {"cpus": 1, "gpus": ["x"], "memory": 1024}
        assert 0 <= one["queued"] <= one["start"]
        assert one["usage"]["wall"] > 0
    assert (project.folder / first["log"]).read_text() == "attempt 1\n"
    assert (project.folder / last["log"]).read_text() == "attempt 2\n"
    told = [one for one in events(project) if one["event"] in ("output", "attempt", "ended")]
    assert [one.get("text") or one["event"] for one in told] == ["attempt 1\n", "attempt", "attempt 2\n", "ended"]


def test_reports_tell_each_attempt(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n = 2", "retries: 1"))
    project.treadle("run", *["--events", "e.jsonl", "--html", "p.html", "--junit", "j.xml", "--trace", "t.json"])
    (action,) = json.loads(project.treadle("report", "e.jsonl", "--json").out)["actions"]
    first, last = action["attempts"]
    assert (first["outcome"], first["category"], first["exit_code"]) == ("failed", "FAIL", 1)
    assert (last["outcome"], last["log"]) == ("success", ".treadle/logs/a.log")
    assert first["log"] == ".treadle/logs/attempts/a/1.log"

    case = ET.fromstring(project.read("j.xml")).find(".//testcase")
    assert case is not None
    flaky = case.find("flakyFailure")
    assert flaky is not None
    assert (flaky.get("message"), flaky.findtext("system-out")) == ("exit code 1", "attempt 1\n")
    assert case.findtext("system-out") == "attempt 2\n"
    said = {one.get("name"): one.get("value") for one in case.iter("property")}
    assert float(said["usage.wall"] or "") > 0
    assert said["attempts"] == "2"

    bars = [one for one in json.loads(project.read("t.json"))["traceEvents"] if one.get("tid") == 1]
    used = [one["args"]["usage"]["wall"] for one in bars if one["ph"] == "X"]
    assert len(used) == 2

    page = re.search(r'id="data">(.*?)</script>', project.read("p.html"), re.DOTALL)
    assert page is not None
    (earlier,) = json.loads(page[1])["earlier"].values()
    assert earlier["0"]["told"] == "exit code 1"
    assert earlier["0"]["output"] == "attempt 1\n"
    assert earlier["0"]["log"][1] == "./.treadle/logs/attempts/a/1.log"


@pytest.mark.parametrize(
    ("script", "keys", "elements"),
    [
        ("exit 3", "retries: 1", ["failure", "rerunFailure"]),
        ("test $n = 3", "retries: 2", ["flakyFailure", "flakyFailure"]),
        ("true", "retries: 2", []),
        ("test $n = 2 || exit 75", "retries: 1", ["flakyFailure"]),
        ("test $n = 2 || sleep 60", "{retries: 1, timeout: 100ms}", ["flakyFailure"]),
    ],
)
def test_junit_names_attempts_as_surefire_does(tmp_path: Path, script: str, keys: str, elements: list[str]) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan(script, keys.strip("{}").replace(", ", "\n    ")))
    project.treadle("run", "--junit", "j.xml")
    case = ET.fromstring(project.read("j.xml")).find(".//testcase")
    assert case is not None
    assert [one.tag for one in case if one.tag not in ("properties", "system-out")] == elements


def test_an_attempt_that_passed_before_another_one_had_to_is_no_failure(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n != 3", "always: true"))
    project.treadle("run", "a", "--repeat-until-fail", "5", "--junit", "j.xml", "--events", "e.jsonl")
    case = ET.fromstring(project.read("j.xml")).find(".//testcase")
    assert case is not None
    assert [one.tag for one in case if one.tag not in ("properties", "system-out")] == ["failure"]
    (action,) = json.loads(project.treadle("report", "e.jsonl", "--json").out)["actions"]
    assert [one["outcome"] for one in action["attempts"]] == ["success", "success", "failed"]


def test_github_has_a_group_for_each_attempt(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n = 2", "retries: 1"))
    done = project.treadle("run", GITHUB_ACTIONS="true")
    groups = re.findall(r"::group::(.*) \(.*\)", done.text)
    assert groups == ["a: what it printed in attempt 1", "a: what it printed"]


def test_a_block_is_shown_after_each_attempt(tmp_path: Path) -> None:
    """R5."""
    project = Project(tmp_path / "p")
    project.write("plan", plan("test $n = 2", "retries: 1"))
    done = project.treadle("run", "--output", "block")
    assert re.findall(r"attempt \d(?! of)$", done.text, re.MULTILINE) == ["attempt 1", "attempt 2"]


def test_a_report_has_each_attempt_as_an_object(tmp_path: Path) -> None:
    """R5."""
    script = ["sh", "-c", COUNTS + "test $n = 2"]
    dag = DAG()
    dag.add_vertex("a", Command([script], limits=Limits(retries=Retries(1), resources={"gpus": 1})))
    settings = Settings(pool=Pool({"gpus": ["x"], "cpus": 1}))
    report = CommandWalk(dag, root=str(tmp_path), settings=settings).run().actions["a"]
    first, last = report.attempts
    assert [one.number for one in report.attempts] == [1, 2]
    assert (first.outcome.kind, first.reason, first.exit_code) == ("failed", "exit code 1", 1)
    assert (last.outcome.kind, last.reason, last.exit_code) == ("success", "", 0)
    for one in report.attempts:
        assert one.resources == {"gpus": ["x"], "cpus": 1}
        assert one.usage is not None
        assert list(one.times)[:3] == ["queued", "submitted", "started"]
        assert one.duration > 0
    assert first.times["started"] < last.times["queued"]
    assert [Path(one.log).read_text() for one in report.attempts] == ["attempt 1\n", "attempt 2\n"]


def test_a_session_reports_what_did_not_run_without_attempts(tmp_path: Path) -> None:
    """R5."""
    (tmp_path / "treadle.yaml").write_text("treadle: 1\ndefault: a\nactions: {a: {sh: 'echo > b', out: b}}\n")
    session = Session(tmp_path / "treadle.yaml", Options())
    assert [len(session.run().actions["a"].attempts) for _ in range(2)] == [1, 0]
