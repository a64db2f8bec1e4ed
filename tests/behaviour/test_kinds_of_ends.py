"""Each way in which an action can end has its kind of outcome, by a session and by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from project import Project
from treadle import Options, Session

WAYS: dict[str, tuple[str, str, str]] = {
    # name: keys of the action, kind of its outcome, words of its reason
    "succeeds": ("sh: 'true'", "success", ""),
    "fails": ("sh: 'exit 1'", "failed", "exit code 1"),
    "means-failure": ("sh: 'exit 0', codes: {success: 1}", "failed", "exit code 0"),
    "differs": ("sh: 'exit 64'", "diffed", "exit code 64"),
    "means-diff": ("sh: 'exit 1', codes: {diffed: 1}", "diffed", "exit code 1"),
    "is-killed": ("sh: 'kill -KILL $$'", "failed", "killed by SIGKILL"),
    "is-late": ("sh: 'exec sleep 600', timeout: 10ms", "timeout", "time limit"),
    "is-not-ready": ("sh: 'exit 75'", "not_ready", "exit code 75"),
    "skips-itself": ("sh: 'exit 80', codes: {skipped: 80}", "skipped", "exit code 80"),
    "expects-failure": ("sh: 'exit 1', expect: failure", "expected_failure", "exit code 1"),
    "expects-diff": ("sh: 'exit 64', expect: diff", "expected_diff", "exit code 64"),
    "is-unexpected": ("sh: 'exit 0', expect: failure", "failed", "expected failure, exit code 0"),
    "has-no-program": ("argv: [no-such-program-anywhere]", "error", "not found"),
    "has-no-program-file": ("argv: [./not-there]", "error", "is missing"),
    "is-no-program": ("argv: [./no-program]", "error", "neither a program"),
    "has-no-second-program": ("run: ['true', no-such-program-anywhere]", "error", "not found"),
    "has-no-tool": ("sh: 'true', tools: [no-such-tool]", "error", "the tool no-such-tool was not found"),
    "has-a-bad-tool": ("sh: 'true', tools: [{tool: sh, version: 'false'}]", "error", "did not print its version"),
    "may-not-start": ("sh: 'true', confirm: sure?", "error", "sure?"),
    "requires-a-command": ("sh: 'true', require: 'false'", "error", "requires"),
    "requires-a-condition": ("sh: 'true', require: [{when: p == \"x\"}]", "error", "p =="),
    "has-no-room": ("sh: 'echo > ${out}', out: taken/file", "error", "no room for the output"),
    "makes-nothing": ("sh: 'true', out: never", "broken", "did not write its output never"),
    "expects-and-makes-nothing": ("sh: 'exit 1', out: none, expect: failure", "broken", "did not write its output"),
    "makes-a-folder": ("sh: 'mkdir ${out}', out: folder", "broken", "a folder, but declared as a file"),
    "has-no-depfile": ("sh: 'echo > ${out}', out: o, depfile: o.d", "broken", "o.d"),
    "removes-what-it-edits": ("sh: 'rm edited', edits: edited", "broken", "removed edited, which it edits"),
    "is-blocked": ("sh: 'true', needs: [fails]", "blocked", ""),
    "is-not-needed": ("sh: 'true', needs: [skips-itself]", "not_needed", ""),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write("no-program", "\x7fELF").chmod(0o755)
    made.write("edited", "")
    made.write("taken", "")
    lines = [f"  {name}: {{{keys}}}\n" for name, (keys, _, _) in WAYS.items()]
    made.write("plan", "treadle: 1\nparams: {p: {default: y}}\nactions:\n" + "".join(lines))
    return made


def test_each_end_has_its_kind_and_its_reason(project: Project) -> None:
    report = Session(str(project.folder / "treadle.yaml"), Options([*WAYS], keep_going=0)).run()
    found = {name: (action.outcome.kind, action.outcome.reason) for name, action in report.actions.items()}
    assert {name: kind for name, (kind, _) in found.items()} == {name: kind for name, (_, kind, _) in WAYS.items()}
    for name, (_, _, words) in WAYS.items():
        assert words in found[name][1], (name, found[name])


def test_the_command_fails_those_alone(project: Project) -> None:
    assert project.treadle("run", "-k", "--events", "events.jsonl", *WAYS).code == 1
    ends = [json.loads(line) for line in (project.folder / "events.jsonl").read_text().splitlines()]
    found = {end["name"]: end["status"] for end in ends if end["event"] == "ended"}
    good = {"success": "ran", "expected_failure": "ran", "expected_diff": "ran"}
    others = {"blocked": "blocked", "skipped": "skipped itself", "not_needed": "not needed"}
    assert found == {name: {**good, **others}.get(kind, "failed") for name, (_, kind, _) in WAYS.items()}
