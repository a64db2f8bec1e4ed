"""What a page and a report say of a run: its call, its outputs as pictures and tables, links to files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "actions:\n  a: {sh: 'printf x,y > ${out}', out: o/t.csv, report: true}\n"


def events(path: Path, kind: str = "") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [event for event in found if not kind or event["event"] == kind]


def page_data(path: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.parametrize("given", [[], ["-p", "n=2"]])
def test_the_call_its_parameters_and_the_machine_are_on_record(tmp_path: Path, given: list[str]) -> None:
    plan(tmp_path, "params: {n: {default: '1'}, l: {type: list, default: [a, b]}}\nactions: {a: {run: echo}}\n")
    run_treadle(tmp_path, "run", "a", "-j3", *given, "--events", "e.jsonl", "--html", "p.html", check=0)
    (run,) = events(tmp_path / "e.jsonl", "run")
    assert (run["host"], run["jobs"]) == (os.uname().nodename, 3)
    (call,) = events(tmp_path / "e.jsonl", "call")
    assert call["argv"] == ["treadle", "run", "a", "-j3", *given, "--events", "e.jsonl", "--html", "p.html"]
    assert call["params"] == {"n": "2" if given else "1", "l": ["a", "b"]}
    data = page_data(tmp_path / "p.html")
    assert data["argv"] == " ".join(call["argv"])
    assert data["params"] == [["n", call["params"]["n"]], ["l", "a, b"]]
    said = run_treadle(tmp_path, "report", "e.jsonl", check=0).out
    assert said.startswith(" ".join(call["argv"]))
    assert f"on {run['host']}, -j 3" in said


SECRET = "actions:\n  a: {run: echo, track: [TOKEN], secret: [TOKEN]}\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [(SECRET, 0), (SECRET + "  b: {run: cat, in: gone, out: o}\n", 2), (SECRET + "  b: {odd: 1}\n", 2)],
)
def test_a_secret_value_in_a_call_is_in_no_report(tmp_path: Path, text: str, code: int) -> None:
    plan(tmp_path, "params: {url: {default: x}, words: {rest: true, type: list, default: []}}\n" + text)
    secret = "hunter22-long"
    words = ["a", "-p", f"url=https://u:{secret}@host", "--events", "e.jsonl", "--html", "p.html", "--", secret]
    run_treadle(tmp_path, "run", *words, env={"TOKEN": secret}, check=code)
    written = (tmp_path / "e.jsonl").read_text() + (tmp_path / "p.html").read_text()
    assert secret not in written
    assert "url=" in written
    assert secret not in run_treadle(tmp_path, "report", "e.jsonl", check=0).out


@pytest.mark.system("git")
def test_the_commit_is_read_and_nothing_of_the_checkout_is_run(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {run: echo}}\n")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    run_treadle(tmp_path, "run", "--events", "e.jsonl", "a", check=0)
    assert "commit" not in events(tmp_path / "e.jsonl", "run")[0]
    subprocess.run([*git, "add", "treadle.yaml"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    subprocess.run([*git, "config", "core.fsmonitor", f"touch {tmp_path}/hit;"], check=True)
    run_treadle(tmp_path, "run", "--events", "e.jsonl", "a", check=0)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert events(tmp_path / "e.jsonl", "run")[0]["commit"] == head
    assert not (tmp_path / "hit").exists()


def test_outputs_are_shown_when_the_action_ran_and_when_it_is_up_to_date(tmp_path: Path) -> None:
    plan(tmp_path, TABLE)
    for _ in range(2):
        run_treadle(tmp_path, "run", "--events", "e.jsonl", "--html", "p.html", check=0)
        (file,) = events(tmp_path / "e.jsonl", "file")
        assert {key: file[key] for key in ("name", "path", "type", "rows")} == {
            "name": "a",
            "path": "o/t.csv",
            "type": "table",
            "rows": [["x", "y"]],
        }
        (shown,) = page_data(tmp_path / "p.html")["files"]["0"]
        assert shown["rows"] == [["x", "y"]]
    assert events(tmp_path / "e.jsonl", "ended")[0]["status"] == "skipped"


@pytest.mark.parametrize(
    "text", [TABLE.replace("printf x,y > ${out}", "printf x > ${out}; exit 3"), TABLE.replace("true", "false")]
)
def test_outputs_of_a_failed_action_and_of_one_without_the_key_are_not_shown(tmp_path: Path, text: str) -> None:
    plan(tmp_path, text)
    run_treadle(tmp_path, "run", "--events", "e.jsonl")
    assert events(tmp_path / "e.jsonl", "file") == []


def test_instances_included_plans_and_stdout_show_their_outputs_too(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "include: [{file: sub.yaml, as: sub}]\nactions:\n"
        "  a: {foreach: {n: [1, 2]}, run: 'echo ${n}', stdout: 'o/${n}.tsv', report: true}\n",
    )
    plan(tmp_path, TABLE, "sub.yaml")
    run_treadle(tmp_path, "run", "*", "--events", "e.jsonl", check=0)
    shown = sorted((one["name"], one["path"]) for one in events(tmp_path / "e.jsonl", "file"))
    assert shown == [("a@1", "o/1.tsv"), ("a@2", "o/2.tsv"), ("sub:a", "o/t.csv")]


def test_a_change_of_the_key_runs_nothing(tmp_path: Path) -> None:
    plan(tmp_path, TABLE)
    run_treadle(tmp_path, "run", check=0)
    plan(tmp_path, TABLE.replace("report: true", "report: false"))
    for more in ([], ["--events", "e.jsonl"]):
        assert "nothing to do" in run_treadle(tmp_path, "run", *more, check=0).out
        plan(tmp_path, TABLE)
    (file,) = events(tmp_path / "e.jsonl", "file")
    assert file["path"] == "o/t.csv"


def test_the_key_needs_an_output(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {run: echo, report: true}\n")
    done = run_treadle(tmp_path, "check", check=2)
    assert "treadle.yaml:3:26: report needs an output" in done.err


def links(found: object) -> list[list[str]]:
    """Return the links in the data of a page: path and address."""
    if isinstance(found, dict):
        found = [*found.values()]
    if not isinstance(found, list):
        return []
    if len(found) == 2 and all(isinstance(one, str) for one in found):
        return [found]
    return [link for one in found for link in links(one)]


@pytest.mark.parametrize("page", ["p.html", "out of/the way/p.html", "o/p.html"])
@pytest.mark.parametrize("later", [False, True], ids=["by the run", "by report"])
def test_a_page_links_to_outputs_and_logs_from_its_own_place(tmp_path: Path, page: str, later: bool) -> None:
    plan(tmp_path, "actions:\n  a: {run: 'touch ${out}', out: 'o/a #1%.txt'}\n  b: {run: 'false'}\n")
    html = ["--html", page]
    run_treadle(tmp_path, "run", "-k", "*", "--events", "e.jsonl", *([] if later else html), check=1)
    if later:
        run_treadle(tmp_path, "report", "e.jsonl", *html, check=0)
    data = page_data(tmp_path / page)
    found = links([data["outputs"], data["log"]])
    assert sorted(path for path, _ in found) == [".treadle/logs/a.log", ".treadle/logs/b.log", "o/a #1%.txt"]
    for path, address in found:
        assert os.path.samefile((tmp_path / page).parent / unquote(address), tmp_path / path)
        assert not re.search(r"[#?: ]", address)


def test_without_the_files_a_page_names_them_and_does_not_link(tmp_path: Path) -> None:
    plan(tmp_path, TABLE)
    run_treadle(tmp_path, "run", "--events", "e.jsonl", check=0)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tmp_path / "e.jsonl", elsewhere)
    run_treadle(elsewhere, "report", "e.jsonl", "--html", "p.html", check=0)
    data = page_data(elsewhere / "p.html")
    assert data["outputs"] == {"0": [["o/t.csv"]]}
    assert data["files"]["0"][0]["rows"] == [["x", "y"]]


def test_a_page_has_the_earlier_recorded_runs_of_each_action(tmp_path: Path) -> None:
    plan(tmp_path, "default: [a, b]\nactions:\n  a: {sh: test ! -e bad, always: true}\n  b: {run: echo}\n")
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", "-k", check=1)
    (tmp_path / "bad").unlink()
    run_treadle(tmp_path, "run", "--record", "a", check=0)
    run_treadle(tmp_path, "run", "--record", "--events", "e.jsonl", "--html", "p.html", check=0)
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", "a", check=1)

    def past(path: str) -> dict[str, list[str]]:
        found = page_data(tmp_path / path)
        ends = found["past"]["ends"]
        return {
            found["names"][int(at)]: [ends[row[2]][0] for row in rows] for at, rows in found["past"]["of"].items()
        }

    # by the run itself, and later of its events and of its record: the same, without itself and without what follows
    assert past("p.html") == {"a": ["failed", "ran"], "b": ["ran"]}
    run_treadle(tmp_path, "report", "e.jsonl", "--html", "q.html", check=0)
    run_treadle(tmp_path, "report", "last-1", "--html", "r.html", check=0)
    assert past("q.html") == past("r.html") == past("p.html")
    run_treadle(tmp_path, "report", "--html", "s.html", check=0)
    assert past("s.html") == {"a": ["failed", "ran", "ran"]}
    shutil.rmtree(tmp_path / ".treadle" / "runs")
    run_treadle(tmp_path, "report", "e.jsonl", "--html", "q.html", check=0)
    assert page_data(tmp_path / "q.html")["past"] == {}


def test_failures_that_say_the_same_have_one_line_in_a_report(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  fit: {foreach: {n: ['1', '2', '3']}, sh: 'echo reading /x/${n}; echo KeyError: ${n}; exit 1'}\n"
        "  odd: {sh: 'echo ValueError; exit 1'}\n",
    )
    run_treadle(tmp_path, "run", "-k", "--events", "e.jsonl", "fit", "odd", check=1)
    told = run_treadle(tmp_path, "report", "e.jsonl", check=0).lines
    alike = [line for line in told if line.startswith("alike")]
    assert len(alike) == 1
    assert alike[0].startswith("alike: 3 actions, fit@1, fit@2, fit@3: ")
    assert re.search(r"exit code 1: KeyError: [123]$", alike[0])
