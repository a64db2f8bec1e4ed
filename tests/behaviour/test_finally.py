"""Actions at the end of a run (`finally: true`): when they take place, what ends them, and what they leave alone."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from project import Project, wait_until
from treadle import DAG, Command, CommandWalk, Job, Limits, Pool, Script, Settings, TreadleError
from treadle.command import last as last_module
from treadle.core import decision
from watched import TOTALS, Watched

PLAN = """
treadle: 1
default: [build]
defaults: {pass: [LOG, FAIL]}
actions:
  build: {sh: 'echo build >> $LOG; [ -z "$FAIL" ]; cat ${in} > ${out}', in: x, out: o/x}
  other: {sh: 'echo other >> $LOG; cat ${in} > ${out}', in: x, out: o/y}
  tidy: {sh: 'echo tidy >> $LOG', finally: true}
  last: {sh: 'echo last >> $LOG', finally: true}
"""


def at_work(project: Project, text: str = PLAN) -> Project:
    project.environ["FAIL"] = ""
    project.write("plan", text)
    project.write("x", "1")
    return project


def test_c7_it_comes_after_all_others_and_not_where_nothing_is_done(project: Project) -> None:
    """C7: it takes place when an action has started; a run with nothing to do has none, by either path."""
    at_work(project)
    assert project.run() == ["build", "last", "tidy"]
    assert project.starts() == ["build", "tidy", "last"]
    assert project.run() == []
    assert "nothing to do" in project.treadle("run").out
    os.utime(project.folder / "treadle.yaml")
    assert project.run() == []
    project.write("x", "2")
    assert project.run() == ["build", "last", "tidy"]
    assert project.run("--force=build") == ["build", "last", "tidy"]


@pytest.mark.parametrize("prepare", ["true", "touch x", "rm -r .treadle/quick* || true"])
def test_c7_the_part_that_a_snapshot_shows_has_it_too(project: Project, prepare: str) -> None:
    """C7: one edited input leads to the same end, from the snapshot and without it."""
    at_work(project)
    project.run()
    project.run_shell(prepare)
    project.write("x", "2")
    assert project.run() == ["build", "last", "tidy"]
    assert project.run() == []
    project.write("x", "3")
    assert project.run() == ["build", "last", "tidy"]


def test_c7_it_takes_place_after_a_failure_and_the_run_has_failed(project: Project) -> None:
    """C7: whatever the outcome of the others."""
    at_work(project)
    assert project.run(FAIL="1", code=1) == ["build", "last", "tidy"]
    assert project.run(FAIL="1", code=1) == ["build", "last", "tidy"]
    assert project.run() == ["build", "last", "tidy"]
    assert project.run() == []


def test_c7_it_takes_place_where_something_failed_before_it_could_start(project: Project) -> None:
    """C7: a failure counts as well as a start."""
    text = PLAN.replace("out: o/x}", "out: o/x, require: 'false'}")
    at_work(project, text)
    assert project.run(code=1) == ["last", "tidy"]


def test_c7_its_failure_makes_the_code_1_and_keeps_no_other_from_running(project: Project) -> None:
    """C7: it blocks nobody, neither the next one at the end nor the next run."""
    at_work(project, PLAN.replace("echo tidy >> $LOG", "echo tidy >> $LOG; false"))
    assert project.run(code=1) == ["build", "last", "tidy"]
    assert "failed tidy: exit code 1" in project.treadle("run", "--force=build").text
    assert project.run() == []
    project.write("x", "2")
    assert project.run(code=1) == ["build", "last", "tidy"]


def test_c7_selected_actions_are_followed_by_it_and_it_can_be_named(project: Project) -> None:
    """C7: in any run in which something started; named alone, it is all that runs."""
    at_work(project)
    assert project.run("other") == ["last", "other", "tidy"]
    assert project.run("other") == []
    assert project.run("tidy") == ["tidy"]
    assert project.run("tidy") == ["tidy"]
    assert project.run("tidy", "build") == ["build", "last", "tidy"]
    assert project.run("tidy", "build") == ["last", "tidy"]
    assert project.run("--force=tidy", "build") == ["last", "tidy"]
    project.run("*")
    assert project.run("*") == [], "a pattern that takes others too names nothing of it"
    assert project.treadle("status", "*").code == 0
    assert project.treadle("adopt", "build").code == 0
    assert project.treadle("forget", "tidy").code == 0


def test_an_end_with_files_runs_only_if_these_have_changed_or_something_failed(project: Project) -> None:
    text = PLAN + "  sum: {sh: 'echo sum >> $LOG; cat ${in} > ${out}', in: y, out: o/sum, finally: true}\n"
    at_work(project, text)
    project.write("y", "1")
    assert project.run() == ["build", "last", "sum", "tidy"]
    project.write("x", "2")
    assert project.run() == ["build", "last", "tidy"]
    project.write("y", "2")
    assert project.run() == [], "what only the end reads begins no run"
    project.write("x", "3")
    assert project.run() == ["build", "last", "sum", "tidy"]


def test_c7_an_end_runs_after_a_failure_whatever_its_record_says(project: Project) -> None:
    """C7: it has `always` on all others, so a failure among them is a reason to run (C5)."""
    text = PLAN + "  sum: {sh: 'echo sum >> $LOG; cat ${in} > ${out}', in: y, out: o/sum, finally: true}\n"
    at_work(project, text)
    project.write("y", "1")
    project.run()
    project.write("x", "4")
    done = project.treadle("run", "-v", FAIL="1")
    assert "ran sum" in done.out
    assert "met by: build failed" in done.out
    assert project.run() == ["build", "last", "sum", "tidy"]


def test_an_end_reads_what_the_run_has_made(project: Project) -> None:
    text = PLAN + "  sum: {sh: 'echo sum >> $LOG; cat ${in} > ${out}', in: o/x, out: o/sum, finally: true}\n"
    at_work(project, text)
    project.run()
    assert project.read("o/sum") == "1"
    project.write("x", "2")
    project.run()
    assert project.read("o/sum") == "2"
    done = project.treadle("run", "--force=build", FAIL="1")
    assert done.code == 1
    assert "failed sum: the input o/x is missing" in done.text


def test_an_edited_plan_has_its_end_as_it_is_now(project: Project) -> None:
    at_work(project)
    project.run()
    at_work(project, PLAN.replace("echo last >> $LOG", "echo final >> $LOG"))
    assert project.run() == []
    at_work(
        project, PLAN.replace("echo last >> $LOG", "echo final >> $LOG").replace("echo build", ": ; echo build")
    )
    assert project.run() == ["build", "final", "tidy"]
    project.write("x", "5")
    assert project.run() == ["build", "final", "tidy"]


@pytest.mark.parametrize("is_edited", [False, True])
@pytest.mark.parametrize("key", ["in", "edits"])
def test_a_file_that_only_the_end_reads_has_to_be_there_by_either_path(
    project: Project, key: str, is_edited: bool
) -> None:
    """C8: a plan whose end reads what is not there is wrong, also where a snapshot says that nothing has moved."""
    text = PLAN.replace("echo last >> $LOG'", f"echo last >> $LOG', {key}: [late]")
    at_work(project, text if not is_edited else PLAN)
    project.write("late", "1")
    project.run()
    if is_edited:
        # the snapshot is refreshed by the part that was edited
        at_work(project, text.replace("echo build", ": ; echo build"))
        project.run()
    assert "nothing to do" in project.treadle("run").out
    (project.folder / "late").unlink()
    before = project.starts()
    for content in ("1", "2"):
        project.write("x", content)
        done = project.treadle("run")
        assert (done.code, project.starts()) == (2, before)
        assert "late" in done.err
    project.write("late", "2")
    assert project.run() == ["build", "last", "tidy"]


SIGNALLED = """
treadle: 1
default: [build]
defaults: {pass: [LOG, FIFO]}
actions:
  build: {sh: 'echo build >> $LOG; read line < gate; true', in: x, out: o/x}
  tidy: {sh: 'echo tidy >> $LOG; MORE', finally: true}
  last: {sh: 'echo last >> $LOG', finally: true}
"""


def interrupted(project: Project, more: str = "true") -> tuple[int, str]:
    """Run, send the first signal while `build` runs, and return what came of it."""
    at_work(project, SIGNALLED.replace("MORE", more))
    os.mkfifo(project.folder / "gate")
    run = project.start("run")
    wait_until(lambda: "build" in project.starts())
    run.send_signal(signal.SIGINT)
    if more != "true":
        wait_until(lambda: "tidy" in project.starts())
        run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    return run.returncode, out + err


def test_c7_it_takes_place_after_the_first_signal(project: Project) -> None:
    """C7: asked to stop, the run ends what runs, and then tidies up."""
    code, text = interrupted(project)
    assert code == 130
    assert project.starts() == ["build", "tidy", "last"]
    assert "interrupted" in text
    assert "ran tidy" in text


def test_c7_the_second_signal_ends_it(project: Project) -> None:
    """C7: what is at the end is killed, and nothing more of it starts."""
    code, text = interrupted(project, more="read line < gate")
    assert code == 130
    assert project.starts() == ["build", "tidy"]
    assert "Traceback" not in text


def test_c7_a_first_signal_at_the_end_leaves_it_time(project: Project) -> None:
    """C7: the first signal does not end it, wherever it comes."""
    at_work(project, SIGNALLED.replace("; read line < gate", "; echo > ${out}").replace("MORE", "read line < gate"))
    os.mkfifo(project.folder / "gate")
    run = project.start("run")
    wait_until(lambda: "tidy" in project.starts())
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    assert "at the end of the run may still end, once more to kill" in run.stderr.readline()
    (project.folder / "gate").write_text("go\n")
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert project.starts() == ["build", "tidy", "last"]


def test_c7_a_signal_before_anything_started_has_no_end(project: Project) -> None:
    """C7: nothing started, so there is nothing to tidy up."""
    at_work(
        project, "treadle: 1\nactions:\n  a: {sh: 'echo a >> $LOG', pass: [LOG], finally: true}\n  b: {run: x}\n"
    )
    walk = CommandWalk(DAG(), str(project.folder), last=graph_of(project, "a"))
    walk.stop()
    assert not walk.run().actions
    assert project.starts() == []


def graph_of(project: Project, *names: str, more: str = "true", limit: float | None = None) -> DAG:
    from treadle import Environment, Limits

    graph = DAG()
    for name in names:
        script = Script(f"echo {name} >> {project.log}; {more}")
        graph.add_vertex(name, Command(script=script, env=Environment(pass_=["LOG"]), limits=Limits(timeout=limit)))
    return graph


def test_c7_a_library_has_the_same_by_a_graph_of_its_own(project: Project) -> None:
    """C7: `CommandWalk(..., last=graph)`; a failure there blocks no other one."""
    walk = CommandWalk(
        graph_of(project, "a"),
        str(project.folder),
        Settings(keep_going=1),
        last=graph_of(project, "x", "y", more="false"),
    )
    report = walk.run()
    assert project.starts()[0] == "a"
    assert sorted(project.starts()) == ["a", "x", "y"]
    assert list(report.actions) == ["a", "x", "y"]
    assert [one.outcome.kind for one in report.actions.values()] == ["success", "failed", "failed"]
    assert not report.ok
    assert list(walk.actions.vertex_data) == ["a"]
    assert walk.run().actions.keys() == report.actions.keys()


def test_c7_after_a_request_to_stop_it_has_its_own_time_or_a_minute(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7: each has its own `timeout`, else 60 seconds: here less, so that the test does not wait for them."""
    assert last_module.TIME_AFTER_STOP == 60
    monkeypatch.setattr(last_module, "TIME_AFTER_STOP", 0.2)
    os.mkfifo(project.folder / "gate")
    wait = f"read line < {project.folder}/gate"

    class Stopping(CommandWalk):
        def about_to_start(self, jobs: list[Job]) -> None:
            super().about_to_start(jobs)
            self.stop()

    report = Stopping(graph_of(project, "a"), str(project.folder), last=graph_of(project, "x", more=wait)).run()
    assert report.actions["x"].outcome.kind == "timeout"
    assert "0.2 s" in (report.actions["x"].failure or "")
    assert report.interrupted


def test_c7_a_walk_refuses_actions_that_depend_on_its_end(tmp_path: Path) -> None:
    """C7: nothing may read or make what is made at the end."""
    last = DAG()
    last.add_vertex("tidy", Command(["true"], outputs=["o/t"]))
    for command, what in (
        (Command(["true"], inputs=["o/"]), "a reads o/, which tidy makes at the end"),
        (Command(["true"], outputs=["o/t"]), "a makes o/t, which tidy makes at the end"),
    ):
        main = DAG()
        main.add_vertex("a", command)
        with pytest.raises(TreadleError, match=what):
            CommandWalk(main, str(tmp_path), last=last).run()


def test_looking_says_when_it_runs_and_starts_nothing(project: Project) -> None:
    at_work(project)
    assert "run tidy: at the end of the run" in project.treadle("status").out
    assert "run last: at the end of the run" in project.treadle("run", "-n").out
    assert (
        "it runs at the end of each run in which another action starts or fails"
        in project.treadle("why", "tidy").out
    )
    assert "tidy   (at the end)" in project.treadle("list").out
    assert "tidy [at the end]: would run" in project.treadle("graph").out
    assert '"tidy [at the end]"' in project.treadle("graph", "--format", "dot").out
    listed = json.loads(project.treadle("list", "--json").out)
    assert [one["name"] for one in listed["actions"] if one["finally"]] == ["tidy", "last"]
    nodes = json.loads(project.treadle("graph", "--format", "json").out)["nodes"]
    assert [one["name"] for one in nodes if one.get("finally")] == ["tidy", "last"]
    assert project.starts() == []
    project.run()
    done = project.treadle("status")
    assert (done.code, done.out) == (0, "nothing to do: 1 action up to date\n")
    assert "tidy" not in project.treadle("why").out
    assert "tidy is up to date" in project.treadle("why", "tidy").out
    assert project.treadle("status", "tidy").code == 1


def test_each_round_of_watching_has_its_end_once(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    log = tmp_path / "log"
    folder = tmp_path / "p"
    folder.mkdir()
    text = PLAN.replace("$LOG", str(log)).replace("defaults: {pass: [LOG, FAIL]}\n", "")
    (folder / "treadle.yaml").write_text(text.replace('[ -z "$FAIL" ]', "true"))
    (folder / "x").write_text("1")
    watched = Watched(folder)
    watched.until(TOTALS)
    (folder / "x").write_text("2")
    watched.until(TOTALS)
    watched.end()
    assert log.read_text().split() == ["build", "tidy", "last"] * 2


def test_a_generated_plan_has_its_end_after_the_whole_run(project: Project) -> None:
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        "  gen: {sh: 'echo gen >> $LOG; cp ${in} ${out}', in: more.in, out: more.yaml, expand: more.yaml}\n"
        "  tidy: {sh: 'echo tidy >> $LOG', finally: true}\n",
    )
    project.write(
        "more.in",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        "  a: {sh: 'echo a >> $LOG; echo > ${out}', out: o/a}\n  end: {sh: 'echo end >> $LOG', finally: true}\n",
    )
    assert project.run() == ["a", "end", "gen", "tidy"]
    assert project.starts()[:2] == ["gen", "a"]
    assert project.run() == []
    project.write("more.in", "treadle: 1\nactions: {")
    assert project.run(code=2) == ["gen", "tidy"]


def test_a_generator_that_fails_is_followed_by_the_end(project: Project) -> None:
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        "  gen: {sh: 'echo gen >> $LOG; false', out: more.yaml, expand: more.yaml}\n"
        "  tidy: {sh: 'echo tidy >> $LOG', finally: true}\n",
    )
    assert project.run(code=1) == ["gen", "tidy"]
    assert project.run("-k", code=1) == ["gen", "tidy"]


@pytest.mark.parametrize("options", [(), ("-k",)])
def test_c7_the_failure_of_a_generator_is_one_that_the_end_follows(
    options: tuple[str, ...], project: Project
) -> None:
    at_work(
        project,
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        "  gen: {sh: 'echo gen >> $LOG; test -e ok; cp ${in} ${out}', in: x, out: more.yaml, expand: more.yaml}\n"
        "  sum: {sh: 'echo sum >> $LOG; echo [$TREADLE_MET_BY] > ${out}', in: x, out: o/sum, finally: true}\n",
    )
    (project.folder / "x").write_text("treadle: 1\nactions: {}\n")
    (project.folder / "ok").touch()
    assert project.run() == ["gen", "sum"]
    (project.folder / "ok").unlink()
    assert project.run("--force=gen", *options, code=1) == ["gen", "sum"]
    assert (project.folder / "o/sum").read_text() == "[failed gen]\n"


def test_what_was_made_at_the_end_is_known_to_clean(project: Project) -> None:
    text = PLAN + "  sum: {sh: 'echo sum >> $LOG; cat ${in} > ${out}', in: o/x, out: o/sum, finally: true}\n"
    at_work(project, text)
    project.run()
    assert (project.folder / "o/sum").exists()
    assert project.treadle("clean").code == 0
    assert not (project.folder / "o/sum").exists()


def test_the_events_of_a_run_have_its_end(project: Project) -> None:
    at_work(project)
    project.run("--events", "../events", "--html", "../page.html", "--junit", "../junit.xml")
    events = [json.loads(line) for line in (project.folder / "../events").read_text().splitlines()]
    ended = [one["name"] for one in events if one["event"] == "ended"]
    assert ended == ["build", "tidy", "last"]
    assert [one["name"] for one in events if one.get("finally")] == ["tidy", "last"]
    assert "at the end of the run" in (project.folder / "../page.html").read_text()
    assert "tidy" in (project.folder / "../junit.xml").read_text()


def test_a_look_of_a_walk_knows_its_end(project: Project) -> None:
    walk = CommandWalk(graph_of(project, "a"), str(project.folder), last=graph_of(project, "x"))
    assert {uid: one.decision for uid, one in walk.look().items()} == {"a": decision.RUN, "x": decision.RUN}
    empty = CommandWalk(DAG(), str(project.folder), last=graph_of(project, "x"))
    assert {uid: one.decision for uid, one in empty.look().items()} == {"x": decision.SKIP}


POOLED = """
treadle: 1
default: [build]
defaults: {pass: [LOG, FAIL]}
pool: {licences: 2, gpus: [one]}
actions:
  build: {sh: 'echo build >> $LOG; [ -z "$FAIL" ]; cat ${in} > ${out}', in: x, out: o/x}
  tidy: {sh: 'echo "tidy $${TREADLE_LICENCES:-} $${TREADLE_GPU_IDS:-}" >> $LOG', finally: true, resources: {WHAT}}
"""


@pytest.mark.parametrize(
    ("what", "line"),
    [("licences: 2", "tidy 2 "), ("gpus: 1", "tidy  one"), ("licences: 1, gpus: 1", "tidy 1 one")],
)
def test_an_end_takes_of_the_pool_of_the_plan_where_nothing_else_asks_for_it(
    project: Project, what: str, line: str
) -> None:
    at_work(project, POOLED.replace("WHAT", what))
    for content in ("1", "2"):
        project.write("x", content)
        project.log.unlink(missing_ok=True)
        assert project.treadle("run").code == 0
        assert project.log.read_text().splitlines() == ["build", line]


@pytest.mark.parametrize("what", ["licences: 3", "tapes: 1", "gpus: 2", "licences: 3, gpus: 1"])
def test_an_end_that_asks_for_what_the_pool_cannot_give_is_refused_before_anything_starts(
    project: Project, what: str
) -> None:
    """A7: also where only a later edit lets it take place."""
    at_work(project, POOLED.replace("WHAT", what))
    refused = project.treadle("run")
    assert refused.code == 2
    assert "tidy: it asks for" in refused.text
    assert project.starts() == []
    at_work(project, POOLED.replace("WHAT", "licences: 1"))
    assert project.run() == ["1", "build", "tidy"]
    at_work(project, POOLED.replace("WHAT", what))
    assert project.treadle("run").code == 0
    project.write("x", "2")
    assert project.treadle("run").code == 2


def test_a_walk_takes_the_pool_of_its_settings_for_its_end(tmp_path: Path) -> None:
    def graph(name: str, **limits: Any) -> DAG:
        dag = DAG()
        dag.add_vertex(name, Command(["true"], limits=Limits(**limits)))
        return dag

    settings = Settings(pool=Pool({"licences": 1}))
    end = graph("end", resources={"licences": 1}, mutex="database")
    report = CommandWalk(graph("main"), str(tmp_path), settings, last=end).run()
    assert [action.outcome.kind for action in report.actions.values()] == ["success", "success"]
    end = graph("end", resources={"licences": 2})
    with pytest.raises(TreadleError, match="end: it asks for 2 of 'licences'"):
        CommandWalk(graph("main"), str(tmp_path), settings, last=end).run()
