"""Conditions in a plan (`needs` with `when`), through the real command: each rule as the user of a plan meets it."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from project import Project, wait_until

TOP = "treadle: 1\ndefaults: {pass: [LOG]}\n"
PLAN = f"""{TOP}default: [test, mail, tell, report, build]
actions:
  test: {{sh: 'echo test >> $LOG; cat ${{in}} > ${{out}}; [ ! -e bad ]', in: x, out: o/test}}
  mail: {{sh: 'echo mail >> $LOG', needs: [{{action: test, when: on_failure}}]}}
  tell: {{sh: 'echo tell >> $LOG', needs: [mail]}}
  report: {{sh: 'echo report >> $LOG; cat ${{in}} > ${{out}}', in: y, out: o/report, needs: [{{action: test, when: always}}]}}
  build: {{sh: 'echo build >> $LOG; cat ${{in}} > ${{out}}', in: o/test, out: o/build}}
"""


def at_work(project: Project, text: str = PLAN) -> Project:
    project.write("plan", text)
    project.write("x", "1")
    project.write("y", "1")
    return project


def test_c4_a_green_run_with_an_unneeded_action_is_green_and_then_there_is_nothing_to_do(project: Project) -> None:
    """C4: exit code 0, not listed as a failure, and C8: the next run has nothing to do, by its snapshot."""
    at_work(project)
    done = project.treadle("run")
    assert done.code == 0
    assert project.starts() in (["test", "report", "build"], ["test", "build", "report"])
    assert "fail" not in done.text
    again = project.treadle("run")
    assert (again.code, len(project.starts())) == (0, 3)
    assert again.out.startswith("nothing to do: 3 up to date, 2 not needed")
    status = project.treadle("status")
    assert (status.code, status.out) == (0, "nothing to do: 3 actions up to date, 2 not needed\n")


def test_c9_a_failure_lets_in_what_it_meets_without_k(project: Project) -> None:
    """C9: `on_failure` and `always` run in a plain `treadle run`, all else does not start; the code is 1."""
    at_work(project)
    project.write("bad", "")
    assert project.run(code=1) == ["mail", "report", "test"]
    # C5: they run again, whatever their records say, as long as it fails
    assert project.run(code=1) == ["mail", "report", "test"]
    (project.folder / "bad").unlink()
    # what the report says may be of the failure: it runs once more
    assert project.run() == ["build", "report", "test"]
    assert project.run() == []


@pytest.mark.parametrize("is_quick", [True, False])
def test_c6_a_report_of_a_failure_is_made_anew_though_the_run_that_mended_it_did_not_come_to_it(
    project: Project, *, is_quick: bool
) -> None:
    """C6: the record of what followed a failure counts no more once that is mended, also for a snapshot."""
    at_work(project)
    project.write("bad", "")
    assert project.run(code=1) == ["mail", "report", "test"]
    (project.folder / "bad").unlink()
    assert project.run("test") == ["test"]
    if not is_quick:
        shutil.rmtree(project.folder / ".treadle/quick")
    why = project.treadle("why", "report").out
    assert "its last run followed a failure" in why, why
    assert project.run() == ["build", "report"]
    assert project.run() == []


def test_c9_with_k_all_else_goes_on(project: Project) -> None:
    """C9 and C4: with -k what needs the handler runs too, and what reads the output is blocked."""
    at_work(project)
    project.write("bad", "")
    done = project.treadle("run", "-k", "-v")
    assert done.code == 1
    assert sorted(project.starts()) == ["mail", "report", "tell", "test"]
    assert "blocked build" in done.text


def test_c8_one_edit_leads_to_the_same_from_the_snapshot(project: Project) -> None:
    """C8: an action that only a failure lets in is dirty only with that edge."""
    at_work(project)
    project.run()
    project.write("y", "2")
    assert project.run() == ["report"]
    project.write("x", "2")
    assert project.run() == ["build", "test"]
    project.write("bad", "")
    project.write("x", "3")
    assert project.run(code=1) == ["mail", "report", "test"]
    (project.folder / "bad").unlink()
    assert project.run() == ["build", "report", "test"]
    assert project.run() == []


@pytest.mark.parametrize(
    ("end", "when", "runs"),
    [
        ("exit 1", "on_failure", True),
        ("exit 1", "failed", True),
        ("exit 1", "FAIL and not timeout", True),
        ("exit 1", "timeout", False),
        ("exit 64", "diffed", True),
        ("exit 64", "failed", False),
        ("exit 1", "always", True),
        ("exit 1", "not on_failure", False),
        ("exit 0", "always", True),
        ("exit 0", "success", True),
        ("exit 0", "on_failure or fail", False),
        ("sleep 100", "timeout", True),
        ("sleep 100", "on_failure", True),
    ],
)
def test_c3_an_expression_is_met_by_the_outcomes_that_it_names(
    end: str, when: str, runs: bool, project: Project
) -> None:
    """C3: `on_failure` by failures alone, `always` by any outcome, expressions by what they name."""
    project.write(
        "plan",
        f"{TOP}default: [a, b]\nactions:\n  a: {{sh: '{end}', timeout: 300ms}}\n"
        f"  b: {{sh: 'echo b >> $LOG', needs: [{{action: a, when: '{when}'}}]}}\n",
    )
    project.treadle("run")
    assert project.starts() == (["b"] if runs else [])


def test_c2_a_condition_waits_for_the_last_attempt(project: Project) -> None:
    """C2: what fails first and then succeeds has succeeded."""
    project.write(
        "plan",
        f"{TOP}default: [a, b]\nactions:\n"
        "  a: {sh: 'echo a >> $LOG; [ $(grep -c a $LOG) -eq 2 ]', retries: 1}\n"
        "  b: {sh: 'echo b >> $LOG', needs: [{action: a, when: on_failure}]}\n",
    )
    assert project.run() == ["a", "a"]


def test_c2_all_conditions_must_be_met(project: Project) -> None:
    """C2: `on_failure` of a family needs the failure of each."""
    text = (
        f"{TOP}default: [fit, none, each]\nactions:\n"
        "  fit: {foreach: {n: [1, 2]}, sh: 'echo fit${n} >> $LOG; [ ! -e bad${n} ]'}\n"
        "  none: {sh: 'echo none >> $LOG', needs: [{action: 'fit@*', when: on_failure, expects: 2}]}\n"
        "  each: {foreach: {n: [1, 2]}, sh: 'echo each${n} >> $LOG', needs: [{action: 'fit@${n}', when: on_failure}]}\n"
    )
    project.write("plan", text)
    project.write("bad1", "")
    assert project.run("-k", code=1) == ["each1", "fit1", "fit2"]
    project.write("bad2", "")
    assert project.run("-k", code=1) == ["each1", "each2", "fit1", "fit2", "none"]


def test_c4_what_follows_a_blocked_action_is_blocked_with_its_origin(project: Project) -> None:
    """C4: blocked by what failed; `on_failure` of what is blocked is not met; C3: `always` is met by blocked."""
    project.write(
        "plan",
        f"{TOP}default: [a, b, c, d]\nactions:\n  a: {{run: 'false'}}\n  b: {{run: 'true', needs: [a]}}\n"
        "  c: {sh: 'echo c >> $LOG', needs: [{action: b, when: on_failure}]}\n"
        "  d: {sh: 'echo d >> $LOG', needs: [{action: b, when: always}]}\n",
    )
    done = project.treadle("run", "-k", "-v")
    assert done.code == 1
    assert project.starts() == ["d"]
    assert "blocked b, c" in done.text or "blocked c" in done.text


def test_c6_its_success_is_recorded(project: Project) -> None:
    """C6: what it has made is known to `clean`, and its last run to `why`."""
    text = PLAN.replace("echo mail >> $LOG'", "echo mail >> $LOG; echo > ${out}', in: y, out: o/mail")
    at_work(project, text)
    project.write("bad", "")
    project.run(code=1)
    assert (project.folder / "o/mail").exists()
    assert "because of: met by: test failed" in project.treadle("why", "mail").out
    (project.folder / "bad").unlink()
    project.run()
    assert (project.folder / "o/mail").exists()
    assert project.run() == []
    project.treadle("clean")
    assert not (project.folder / "o/mail").exists()


def test_c6_conditions_are_in_no_fingerprint(project: Project) -> None:
    """C6: another condition runs nothing again."""
    at_work(project)
    project.run()
    at_work(project, PLAN.replace("when: always", "when: success or failed or skip"))
    assert project.run() == []


def test_a_need_with_a_condition_pulls_the_other_action_into_a_run(project: Project) -> None:
    at_work(project)
    assert project.run("mail") == ["test"]
    project.write("bad", "")
    assert project.run("mail", "--force=test", code=1) == ["mail", "test"]


def test_a_request_to_stop_lets_nothing_in(project: Project) -> None:
    """C9: a run that is asked to stop starts nothing more; what was interrupted has not failed."""
    at_work(project, PLAN.replace("[ ! -e bad ]", "read line < gate"))
    project.run_shell("mkfifo gate")
    run = project.start("run")
    wait_until(lambda: "test" in project.starts())
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert project.starts() == ["test"]


def test_looking_shows_conditions_and_starts_nothing(project: Project) -> None:
    at_work(project)
    assert "mail    (if test fails)" in project.treadle("list").out
    assert "report  (whatever the outcome of test)" in project.treadle("list").out
    status = project.treadle("status").out
    assert "may run mail: runs only if test fails" in status
    why = project.treadle("why", "mail", "report").out
    assert why.count("runs only if test fails") == 1
    assert "it runs whatever the outcome of test" in why
    assert "test [on_failure]" in project.treadle("graph").out
    assert 'style=dashed, label="on_failure"' in project.treadle("graph", "--format", "dot").out
    assert '-.->|"on_failure"|' in project.treadle("graph", "--format", "mermaid").out
    edges = json.loads(project.treadle("graph", "--format", "json").out)["edges"]
    assert {(one["from"], one["to"], one.get("when")) for one in edges} == {
        ("test", "mail", "on_failure"),
        ("mail", "tell", None),
        ("test", "report", "always"),
        ("test", "build", None),
    }
    listed = json.loads(project.treadle("list", "--json").out)["actions"]
    assert {one["name"]: one["conditions"] for one in listed if one["conditions"]} == {
        "mail": {"test": "on_failure"},
        "report": {"test": "always"},
    }
    told = json.loads(project.treadle("why", "--json", "mail").out)["actions"][0]
    assert told["conditions"] == {"test": "on_failure"}
    assert project.starts() == []


def test_events_and_the_page_of_a_run_have_conditions(project: Project) -> None:
    at_work(project)
    project.write("bad", "")
    project.run("--events", "../events", "--html", "../page.html", "--junit", "../junit.xml", code=1)
    events = [json.loads(line) for line in (project.folder / "../events").read_text().splitlines()]
    conditions = {one["name"]: one["conditions"] for one in events if "conditions" in one}
    assert conditions == {"mail": {"test": "on_failure"}, "report": {"test": "always"}}
    assert "if test fails" in (project.folder / "../page.html").read_text()
    assert 'name="mail"' in (project.folder / "../junit.xml").read_text()
    assert project.treadle("report", "../events", "--html", "../again.html").code == 0


GENERATED = f"""{TOP}default: [gen, mail, whatever, more]
groups: {{more: ['gen:a']}}
actions:
  gen: {{sh: 'echo gen >> $LOG; cp ${{in}} ${{out}}; [ ! -e bad ]', in: more.in, out: more.yaml, expand: more.yaml}}
  mail: {{sh: 'echo mail >> $LOG', needs: [{{action: gen, when: on_failure}}]}}
  whatever: {{sh: 'echo whatever >> $LOG', needs: [{{action: gen, when: always}}]}}
"""


@pytest.mark.parametrize("k", [(), ("-k",)])
def test_a_generator_that_fails_lets_in_what_its_failure_meets(k: tuple[str, ...], project: Project) -> None:
    project.write("plan", GENERATED)
    project.write("more.in", f"{TOP}actions:\n  a: {{sh: 'echo a >> $LOG; echo > ${{out}}', out: o/a}}\n")
    project.write("bad", "")
    assert project.run(*k, code=1) == ["gen", "mail", "whatever"]
    (project.folder / "bad").unlink()
    assert project.run(*k) == ["a", "gen", "whatever"]
    assert "mail" not in project.run(*k)


def test_conditions_in_a_generated_plan(project: Project) -> None:
    project.write("plan", GENERATED.replace("more: ['gen:a']", "more: ['gen:a', 'gen:b', 'gen:c']"))
    project.write(
        "more.in",
        f"{TOP}actions:\n  a: {{sh: 'echo a >> $LOG; [ ! -e worse ]'}}\n"
        "  b: {sh: 'echo b >> $LOG', needs: [{action: a, when: on_failure}]}\n"
        "  c: {sh: 'echo c >> $LOG', needs: [{action: '*', when: always}]}\n",
    )
    assert project.run() == ["a", "c", "gen", "whatever"]
    project.write("worse", "")
    assert project.run(code=1)[:3] == ["a", "b", "c"]


def test_an_included_plan_has_conditions_of_its_own(project: Project, tmp_path: Path) -> None:
    project.write(
        "sub/plan.yaml",
        f"{TOP}default: [t, m]\nactions:\n  t: {{run: 'false'}}\n"
        "  m: {sh: 'echo m >> $LOG', needs: [{action: t, when: on_failure}]}\n",
    )
    project.write(
        "plan",
        f"{TOP}include: [sub/plan.yaml]\ndefault: [sub, top]\nactions:\n"
        "  top: {sh: 'echo top >> $LOG', needs: [{action: 'sub:m', when: success}]}\n",
    )
    assert project.run("-k", code=1) == ["m", "top"]


def test_a_secret_value_is_not_part_of_what_is_said_of_a_condition(project: Project) -> None:
    done = project.treadle("run")
    assert done.code == 2
    project.write(
        "plan",
        f"{TOP}params: {{token: {{default: s3cret}}}}\nactions:\n  a: {{run: x, needs: [{{action: b, when: '${{token}}'}}]}}\n  b: {{run: x}}\n",
    )
    done = project.treadle("run", "a")
    assert done.code == 2
    assert "token is a value of the plan" in done.err
    assert "s3cret" not in done.text
