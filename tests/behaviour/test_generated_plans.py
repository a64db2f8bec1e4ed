"""Plans that actions make are walked too: they come, change and go with the actions that make them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from project import Project

TOP = """\
treadle: 1
defaults: {pass: [LOG]}
actions:
  gen:
    sh: |
      echo gen >> $LOG
      {
        echo 'treadle: 1'
        echo 'defaults: {pass: [LOG]}'
        echo 'actions:'
        while read -r name; do
          echo "  $name: {sh: 'echo $name >> "'$LOG'"; cp "'$'"{in} "'$'"{out}', in: names, out: out/$name}"
        done < ${in}
      } > ${out}
    in: names
    out: plan.yaml
    expand: plan.yaml
  all: {sh: "echo all >> $LOG; cat ${in} > ${out}", in: {from: ["gen:a", "gen:b"]}, out: all}
  lone: {sh: "echo lone >> $LOG; touch ${out}", out: lone}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "p")
    project.write("plan", TOP.replace("out: plan.yaml", "out: made/plan.yaml").replace("d: plan", "d: made/plan"))
    project.write("names", "a\nb\n")
    return project


def test_a_plan_that_is_made_is_walked_in_the_same_run(project: Project) -> None:
    done = project.treadle("run")
    assert (done.code, done.err) == (0, "")
    assert sorted(project.starts()) == ["a", "all", "b", "gen", "lone"]
    assert "5 run" in done.out
    assert project.read("out/a") == "a\nb\n"


def test_a_second_run_has_nothing_to_do(project: Project) -> None:
    project.run()
    for _ in range(3):
        assert "nothing to do: 5 up to date" in project.treadle("run").out


def test_what_the_plan_names_is_added_and_vanishes_with_its_maker(project: Project) -> None:
    project.run()
    project.write("names", "a\nb\nc\n")
    assert project.run() == ["a", "all", "b", "c", "gen"]
    assert project.run() == []
    project.write("names", "b\na\n")
    assert project.run() == ["a", "all", "b", "gen"]
    assert "gen:c" not in project.treadle("list").out
    assert project.run() == []


def test_a_maker_that_makes_the_same_plan_makes_nothing_else_run(project: Project) -> None:
    project.run()
    project.write("plan", project.read("treadle.yaml").replace("echo gen >>", "echo  gen >>"))
    assert project.run() == ["gen"]
    assert project.run() == []


def test_a_plan_that_was_edited_by_hand_is_made_again(project: Project) -> None:
    project.run()
    project.write("made/plan.yaml", "treadle: 1\nactions: {x: {run: 'false', out: x}}\n")
    assert project.run() == ["gen"]


def test_the_makers_come_first_whatever_was_asked_for(project: Project) -> None:
    assert project.run("lone") == ["gen", "lone"]
    assert project.run("gen:a") == ["a"]
    assert project.run("gen:*") == ["b"]
    assert project.run("gen:") == []
    assert project.run("out/b") == []
    assert project.run() == ["all"]


def test_before_it_is_made_questions_say_what_is_not_known(project: Project) -> None:
    done = project.treadle("status")
    assert done.code == 1
    assert "may run gen:...: made/plan.yaml is not generated yet" in done.out
    assert "run gen: " in done.out
    shown = project.treadle("list")
    assert "plans that are not generated yet:\n  gen  made/plan.yaml" in shown.out
    assert "all: it is not known before gen has run" in " ".join(
        project.treadle("list", "--all").out.split()
    ).replace("all it", "all: it")
    assert project.treadle("check").code == 0
    assert project.treadle("graph").code == 0
    data = json.loads(project.treadle("status", "--json").out)
    assert data["unread"] == ["gen"]
    assert project.starts() == []


def test_after_that_questions_know_all_of_it(project: Project) -> None:
    project.run()
    assert project.treadle("status").code == 0
    assert "gen:a" in project.treadle("graph").out
    assert "gen:a" in project.treadle("list").out
    assert project.treadle("log", "gen:a").code == 0
    assert "gen:a" in project.treadle("why", "gen:a").out
    project.write("names", "a\n")
    assert "may run gen:...: made/plan.yaml is not generated yet" in project.treadle("status").out


def test_a_mistake_in_it_is_shown_where_it_stands(project: Project) -> None:
    project.write("names", "a\nb\nc: d\n")
    done = project.treadle("run")
    assert done.code == 2
    assert "made/plan.yaml:6:" in done.err
    assert sorted(project.starts()) == ["gen"]


def test_what_reads_what_it_makes_has_to_be_there_in_the_end(project: Project) -> None:
    project.write("names", "a\n")
    done = project.treadle("run")
    assert done.code == 2
    assert "there is no action, family or group 'gen:b'" in done.err


def test_a_maker_that_fails_keeps_from_running_only_what_needs_its_plan(project: Project) -> None:
    project.write("plan", project.read("treadle.yaml").replace("echo gen >>", "false; echo gen >>"))
    done = project.treadle("run", "-k")
    assert done.code == 1
    assert "gen" in done.out
    assert project.starts() == ["lone"]


def test_a_maker_that_runs_always_runs_once_in_a_run(project: Project) -> None:
    project.write("plan", project.read("treadle.yaml").replace("    expand:", "    always: true\n    expand:"))
    assert project.run() == ["a", "all", "b", "gen", "lone"]
    assert project.run() == ["gen"]
    assert project.run("--force=gen") == ["gen"]
    assert project.run("--force=gen:a", "gen:a") == ["a", "gen"]


def test_questions_ask_about_what_a_maker_that_runs_always_has_made_last(project: Project) -> None:
    project.write("plan", project.read("treadle.yaml").replace("    expand:", "    always: true\n    expand:"))
    project.run()
    assert "gen:a" in project.treadle("list").out
    assert "may run gen:...: made/plan.yaml may change then" in project.treadle("status").out
    assert "it last ran" in project.treadle("why", "gen:a").out
    assert project.treadle("clean", "gen:a").code == 0
    assert not (project.folder / "out/a").exists()
    assert (project.folder / "made/plan.yaml").exists()
    assert project.run() == ["a", "gen"]
    project.write("names", "a\nb\nc\n")
    assert "may run gen:...: made/plan.yaml is not generated yet" in project.treadle("status").out
    project.run()
    project.write("names", "a\nb\n")
    project.run()
    assert project.treadle("clean", "--stale", "-n").out == "would remove out/c\n"


def test_why_says_of_a_plan_what_status_says(project: Project) -> None:
    asked = project.treadle("why").out
    assert "gen:... may run:\n  made/plan.yaml is not generated yet\n" in asked
    asked = project.treadle("why", "gen:a").out
    assert "made/plan.yaml is not generated yet" in asked
    assert "no action reads" not in asked
    project.write("plan", project.read("treadle.yaml").replace("    expand:", "    always: true\n    expand:"))
    project.run()
    said = "made/plan.yaml may change then"
    assert project.treadle("why").out == f"gen would run:\n  it runs each time\ngen:... may run:\n  {said}\n"
    for name in ("gen:a", "gen:b"):
        shown = project.treadle("why", name).out
        assert shown.startswith(f"{name} is up to date: nothing has changed\n  gen comes first, and {said}\n")
    assert f"  {said}\n" in project.treadle("why", "gen").out
    assert "may be another" not in project.treadle("why", "lone").out


def test_why_says_nothing_of_a_plan_that_stays(project: Project) -> None:
    project.run()
    assert project.treadle("why").out.startswith("nothing would run: ")
    assert "comes first" not in project.treadle("why", "gen:a").out


def test_what_is_said_of_an_action_does_not_fall_upon_its_maker(project: Project) -> None:
    project.write("plan", project.read("treadle.yaml").replace("echo gen >>", "echo made; echo gen >>"))
    project.run()
    project.write("names", "a\nb\nc\n")
    for word in ("clean", "forget", "adopt"):
        done = project.treadle(word, "gen:a")
        assert (done.code, done.out) == (2, "")
        assert "gen:a is not known: made/plan.yaml is not generated yet" in done.err
    assert project.treadle("log", "gen").out == "made\n"
    assert project.treadle("log", "gen:a").out == ""
    assert "gen:c has no log yet" in project.treadle("log", "gen:c").err
    assert project.run() == ["a", "all", "b", "c", "gen"]


CHAIN = """\
treadle: 1
defaults: {pass: [LOG]}
actions:
  two:
    sh: |
      echo two >> $LOG
      { echo 'treadle: 1'; echo 'actions:'; } > ${out}
      for file in NAMED; do
        echo "  copy-${file##*/}: {run: cp $file t/${file##*/}, in: $file, out: t/${file##*/}}" >> ${out}
        echo "  content: {run: echo $(cat $file), stdout: content}" > content-line
      done
      cat content-line >> ${out}
    in: READ
    out: made/two.yaml
    expand: made/two.yaml
  one: {sh: "echo one >> $LOG; cp ${in} ${out}", in: one.src, out: made/one.yaml, expand: made/one.yaml}
""".replace("${file##", "$${file##")
ONE = "treadle: 1\nactions:\n  a: {foreach: {i: [VALUES]}, sh: 'echo TEXT${i} > ${out}', out: 'o/${i}'}\n"


def chain(project: Project, read: str, named: str) -> None:
    project.write("plan", CHAIN.replace("READ", read).replace("NAMED", named))
    project.write("one.src", ONE.replace("VALUES", "1").replace("TEXT", ""))


@pytest.mark.parametrize("read", ['"o/*"', '{glob: "o/*", empty: ok}'])
def test_a_maker_whose_glob_takes_what_another_made_plan_makes_comes_after_it(project: Project, read: str) -> None:
    chain(project, read, "${in}")
    assert project.run() == ["one", "two"]
    assert project.read("t/1") == "1\n"
    assert project.run() == []
    project.write("one.src", ONE.replace("VALUES", "1, 2").replace("TEXT", ""))
    assert project.run() == ["one", "two"]
    assert project.read("t/2") == "2\n"
    assert project.run() == []
    assert project.treadle("status").code == 0


@pytest.mark.parametrize("read", ["o/1", "o/"])
def test_a_maker_that_reads_what_another_made_plan_makes_waits_for_it_each_time(
    project: Project, read: str
) -> None:
    chain(project, read, "o/1")
    project.write("o/1", "from elsewhere\n")
    project.run()
    assert project.read("content") == "1\n"
    for text in "xy":
        project.write("one.src", ONE.replace("VALUES", "1").replace("TEXT", text))
        assert project.run() == ["one", "two"]
        assert project.read("content") == f"{text}1\n"
        assert project.run() == []


def test_a_plan_that_is_about_to_be_made_anew_is_no_mistake(project: Project) -> None:
    chain(project, "o/1", "o/1")
    text = project.read("treadle.yaml").replace("stdout: content}", "stdout: c/$(cat o/1)}")
    project.write("plan", text)
    project.write("o/1", "from elsewhere\n")
    project.write("one.src", ONE.replace("VALUES", "1").replace("TEXT", "x"))
    project.run()
    assert project.read("c/x1") == "x1\n"
    # what two has made at last is made by one now, and two makes something else
    more = "  b: {run: echo mine, stdout: c/x1}\n"
    project.write("one.src", ONE.replace("VALUES", "1").replace("TEXT", "y") + more)
    assert project.run() == ["one", "two"]
    assert (project.read("c/x1"), project.read("c/y1")) == ("mine\n", "y1\n")
    assert project.run() == []


def test_a_forced_action_before_a_maker_is_over_before_its_plan_is_read(project: Project) -> None:
    project.write(
        "plan",
        "treadle: 1\nactions:\n  pre: {sh: 'cat now > ${out}', out: src}\n"
        "  gen: {run: cp src m.yaml, in: src, out: m.yaml, expand: m.yaml}\n",
    )
    project.write("now", "treadle: 1\nactions: {x: {run: touch x, out: x}}\n")
    project.run()
    project.write("now", "treadle: 1\nactions: {y: {run: touch y, out: y}}\n")
    assert project.treadle("run", "--force=pre").code == 0
    assert (project.folder / "y").exists()


def test_a_maker_that_is_left_out_takes_its_plan_along_and_back(project: Project) -> None:
    project.write("plan", project.read("treadle.yaml").replace("    expand:", "    when: on == 'yes'\n    expand:"))
    project.write("plan", project.read("treadle.yaml") + "params: {on: {default: 'yes'}}\n")
    project.run()
    assert "nothing to do: 1 up to date" in project.treadle("run", "-p", "on=no").out
    assert project.treadle("clean", "--stale", "-n", "-p", "on=no").out == ""
    assert "nothing to do: 5 up to date" in project.treadle("run").out


def test_force_of_all_runs_each_action_once(project: Project) -> None:
    project.run()
    assert project.run("--force") == ["a", "all", "b", "gen", "lone"]


def test_a_plan_that_is_made_may_make_plans(project: Project) -> None:
    inner = 'treadle: 1\\nactions: {deep: {sh: \\"echo deep >> \\$LOG; touch \\${out}\\", out: deep, pass: [LOG]}}'
    project.write(
        "plan",
        "treadle: 1\nactions:\n  one:\n    pass: [LOG]\n    expand: one.yaml\n    sh: |\n      echo one >> $LOG\n"
        "      echo 'treadle: 1' > ${out}\n"
        "      echo 'actions: {two: {run: cp src.yaml two.yaml, in: src.yaml, expand: two.yaml}}' >> ${out}\n"
        "    out: one.yaml\n",
    )
    project.write("src.yaml", inner.replace("\\n", "\n").replace('\\"', '"').replace("\\$", "$"))
    assert project.run() == ["deep", "one"]
    assert project.run() == []
    assert "one:two:deep" in project.treadle("list").out


def test_events_tell_of_all_that_ran(project: Project) -> None:
    assert project.treadle("run", "--events", "e.jsonl", "--junit", "j.xml").code == 0
    events = [json.loads(line) for line in project.read("e.jsonl").splitlines()]
    started = [event["name"] for event in events if event["event"] == "started"]
    assert sorted(started) == ["all", "gen", "gen:a", "gen:b", "lone"]
    (summary,) = [event for event in events if event["event"] == "summary"]
    assert summary["total"] == 5
    assert project.read("j.xml").count("<testcase") == 5
