"""CommandWalk: a graph of Commands over real files and processes, through the library."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from treadle import (
    DAG,
    Command,
    CommandWalk,
    Environment,
    Limits,
    Observer,
    Report,
    Retries,
    ReturnValue,
    Script,
    Settings,
    Tool,
    TreadleError,
)
from treadle.content.files import GRANULARITY
from treadle.core import decision
from treadle.engines.process_marks import marked


def sh(text: str, **more: object) -> Command:
    return Command(script=Script(text, shell=("sh", "-ec")), **more)  # type: ignore[arg-type]


def dag_of(**commands: Command) -> DAG:
    """Return a graph in which who reads an output comes after its maker."""
    dag = DAG()
    makers = {output: uid for uid, command in commands.items() for output in command.outputs}
    for uid, command in commands.items():
        dag.add_vertex(uid, command, {makers[path] for path in command.inputs if path in makers})
    return dag


class Listener(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.events: list[str] = []
        self.on_start: Callable[[str], object] = lambda _uid: None

    def note(self, text: str) -> None:
        self.notes.append(text)

    def started(self, job: object) -> None:
        self.events.append(f"start {job.uid}")  # type: ignore[attr-defined]
        self.on_start(job.uid)  # type: ignore[attr-defined]

    def ended(self, uid: str, retry: bool) -> None:
        self.events.append(f"end {uid}{' again' if retry else ''}")


class Walking:
    """Walks commands given by keyword in a folder."""

    def __init__(self, root: Path, observer: Observer | None = None, settings: Settings | None = None) -> None:
        self.root = root
        self.observer = observer
        self.settings = settings or Settings(jobs=2)

    def __call__(self, **commands: Command) -> Report:
        return CommandWalk(dag_of(**commands), str(self.root), self.settings, self.observer).run()


def ran(report: Report) -> list[object]:
    return [a.uid for a in report.actions.values() if a.verdict is not None and a.verdict.decision == decision.RUN]


def kinds(report: Report, uid: str) -> list[str]:
    verdict = report.actions[uid].verdict
    assert verdict is not None
    return [reason.kind for reason in verdict.reasons]


def reasons(report: Report, uid: str) -> list[str]:
    verdict = report.actions[uid].verdict
    assert verdict is not None
    return [str(reason) for reason in verdict.reasons]


def test_what_a_depfile_names_is_an_input_of_the_next_walk(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("main")
    (tmp_path / "a b.h").write_text("header")
    text = 'cp main.c out; printf "out: main.c a\\\\ b.h \\\\\\n  %s\\n" "$PWD/a b.h" > out.d'
    command = sh(text, inputs=["main.c"], outputs=["out"], depfile="out.d")
    (tmp_path / "a b.h").touch()
    old(tmp_path / "a b.h")
    assert ran(Walking(tmp_path)(c=command)) == ["c"]
    assert ran(Walking(tmp_path)(c=command)) == []
    (tmp_path / "a b.h").write_text("edited")
    old(tmp_path / "a b.h")
    report = Walking(tmp_path)(c=command)
    assert reasons(report, "c")[0].startswith("changed: found a b.h")
    assert ran(Walking(tmp_path)(c=command)) == []


def old(path: Path) -> None:
    """Come back when a file is older than the clock's grain."""
    while time.time_ns() < path.stat().st_ctime_ns + 2 * GRANULARITY:
        time.sleep(0.003)


def test_a_missing_depfile_is_a_failure_that_names_it(tmp_path: Path) -> None:
    report = Walking(tmp_path)(c=sh("touch out", outputs=["out"], depfile="out.d"))
    assert report.actions["c"].status == ReturnValue.failure
    assert "out.d" in str(report.actions["c"].failure)


def test_a_header_that_is_written_while_its_reader_runs_is_not_recorded(tmp_path: Path) -> None:
    command = sh("touch out; echo x > h; echo 'out: h' > out.d", outputs=["out"], depfile="out.d")
    listener = Listener()
    Walking(tmp_path, listener)(c=command)
    assert any("h" in note and "not recorded" in note for note in listener.notes)
    assert ran(Walking(tmp_path)(c=command)) == ["c"]


def test_an_input_that_is_linked_while_its_action_runs_is_no_edit(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    command = sh("ln in out", inputs=["in"], outputs=["out"])
    assert ran(Walking(tmp_path)(c=command)) == ["c"]
    assert ran(Walking(tmp_path)(c=command)) == []


def test_an_input_that_is_edited_between_prediction_and_start_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("first")
    first = sh("touch one; echo second > in", outputs=["one"])
    second = sh("cat in > two", inputs=["in"], outputs=["two"])
    settings = Settings(jobs=1)
    report = Walking(tmp_path, None, settings)(a=first, b=second)
    assert report.ok
    assert (tmp_path / "two").read_text() == "second\n"
    assert ran(Walking(tmp_path, None, settings)(a=first, b=second)) == []


def test_exit_75_asks_for_another_attempt_and_gets_as_many_as_it_may_have(tmp_path: Path) -> None:
    text = 'echo x >> tries; test "$(wc -l < tries)" -ge 3 || exit 75; touch out'
    command = sh(text, outputs=["out"], limits=Limits(retries=Retries(max=2, on=["timeout"], backoff=0.01)))
    listener = Listener()
    report = Walking(tmp_path, listener)(c=command)
    assert report.ok
    assert report.actions["c"].attempt == 3
    assert listener.events == ["start c", "end c again", "start c", "end c again", "start c", "end c"]


def test_exit_75_without_retries_is_a_failure(tmp_path: Path) -> None:
    report = Walking(tmp_path)(c=sh("exit 75"))
    assert not report.ok
    assert "75" in str(report.actions["c"].failure)


@pytest.mark.parametrize(("on", "attempts"), [(["exit 3"], 3), (["exit 4"], 1), (["any"], 3), (["timeout"], 1)])
def test_retries_happen_on_what_they_name(tmp_path: Path, on: list[str], attempts: int) -> None:
    report = Walking(tmp_path)(c=sh("exit 3", limits=Limits(retries=Retries(max=2, on=on))))
    assert report.actions["c"].attempt == attempts
    assert report.actions["c"].failure == "exit code 3"


@pytest.mark.parametrize("code", [1, 2, 123, 124, 125, 126, 127])
def test_every_other_exit_code_is_a_failure_of_the_action(tmp_path: Path, code: int) -> None:
    report = Walking(tmp_path)(c=sh(f"exit {code}"))
    assert report.actions["c"].status == ReturnValue.failure
    assert report.actions["c"].failure == f"exit code {code}"


def test_a_time_limit_ends_the_whole_tree_also_what_left_the_session(tmp_path: Path) -> None:
    text = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo x > up; sleep 300' & sleep 300"
    commands = CommandWalk(dag_of(c=sh(text, limits=Limits(timeout=0.5))), str(tmp_path))
    scheduler_made = commands.create_scheduler

    def with_little_grace() -> object:
        scheduler = scheduler_made()
        scheduler.grace = 0.2
        return scheduler

    commands.create_scheduler = with_little_grace  # type: ignore[method-assign]
    report = commands.run()
    assert (tmp_path / "up").exists()
    assert "time limit" in str(report.actions["c"].failure)
    assert list(marked(f"{commands.run_id}/")) == []


def test_a_grandchild_that_keeps_stdout_open_holds_nobody_up_and_is_ended(tmp_path: Path) -> None:
    commands = CommandWalk(dag_of(c=sh("sleep 300 & echo done")), str(tmp_path))
    began = time.monotonic()
    assert commands.run().ok
    assert time.monotonic() - began < 60
    assert list(marked(f"{commands.run_id}/")) == []


def test_what_an_action_prints_is_kept_as_it_is(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256))); sys.stdout.flush(); sys.stderr.write('err')"
    commands = CommandWalk(dag_of(c=Command([sys.executable, "-c", code])), str(tmp_path))
    assert commands.run().ok
    assert Path(commands.context.log("c")).read_bytes() == bytes(range(256)) + b"err"


def test_stdout_can_be_an_output_and_stderr_stays_in_the_log(tmp_path: Path) -> None:
    command = sh("echo out; echo err >&2", outputs=["o/x"], stdout="o/x")
    commands = CommandWalk(dag_of(c=command), str(tmp_path))
    assert commands.run().ok
    assert (tmp_path / "o/x").read_text() == "out\n"
    assert Path(commands.context.log("c")).read_text() == "err\n"


def test_steps_run_in_order_until_one_fails(tmp_path: Path) -> None:
    command = Command([["touch", "a"], ["false"], ["touch", "b"]])
    assert not Walking(tmp_path)(c=command).ok
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_an_action_reads_nothing_from_our_stdin_and_inherits_no_descriptor(tmp_path: Path) -> None:
    report = Walking(tmp_path)(c=sh("cat > in; ls /proc/self/fd > fds", outputs=["in", "fds"]))
    assert report.ok
    assert (tmp_path / "in").read_text() == ""


def test_the_environment_is_strict(tmp_path: Path) -> None:
    environ = {**os.environ, "SECRET": "s", "LC_ALL": "C", "PASSED": "p", "TRACKED": "t", "HOME": "/home/x"}
    command = sh("env > out", outputs=["out"], env=Environment({"SET": "1"}, ["TRACKED", "NOT_THERE"], ["PASSED"]))
    assert Walking(tmp_path, None, Settings(environ=environ))(c=command).ok
    seen = dict(line.split("=", 1) for line in (tmp_path / "out").read_text().splitlines() if "=" in line)
    assert seen.keys() >= {"PATH", "LC_ALL", "PASSED", "TRACKED", "SET", "HOME", "TREADLE_RUN"}
    assert not {"SECRET", "NOT_THERE"} & seen.keys()


def test_a_tool_counts_by_its_content_or_by_what_it_says(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "mytool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho one\n")
    tool.chmod(0o755)
    settings = Settings(environ={**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}"})
    by_content = sh("mytool > a", outputs=["a"], tools=[Tool("mytool")])
    by_version = sh("mytool > b", outputs=["b"], tools=[Tool("mytool", ["mytool"])])
    assert ran(Walking(tmp_path, None, settings)(a=by_content, b=by_version)) == ["a", "b"]
    assert ran(Walking(tmp_path, None, settings)(a=by_content, b=by_version)) == []
    tool.write_text("#!/bin/sh\n# another comment\necho one\n")
    report = Walking(tmp_path, None, settings)(a=by_content, b=by_version)
    assert ran(report) == ["a"]
    assert reasons(report, "a")[0].startswith("changed: tool mytool")
    tool.write_text("#!/bin/sh\necho two\n")
    assert ran(Walking(tmp_path, None, settings)(a=by_content, b=by_version)) == ["a", "b"]


def test_a_missing_tool_fails_its_action_and_names_it(tmp_path: Path) -> None:
    report = Walking(tmp_path)(a=sh("true", tools=[Tool("no-such-tool")]), b=sh("true"))
    assert "no-such-tool" in str(report.actions["a"].failure)
    assert report.actions["b"].status == ReturnValue.success


def test_a_program_inside_the_root_is_an_input_without_being_listed(tmp_path: Path) -> None:
    program = tmp_path / "make.sh"
    program.write_text("#!/bin/sh\necho one > out\n")
    program.chmod(0o755)
    command = Command(["./make.sh"], outputs=["out"])
    assert ran(Walking(tmp_path)(c=command)) == ["c"]
    assert ran(Walking(tmp_path)(c=command)) == []
    program.write_text("#!/bin/sh\necho two > out\n")
    assert ran(Walking(tmp_path)(c=command)) == ["c"]


def test_a_folder_is_an_output_with_all_that_is_in_it(tmp_path: Path) -> None:
    command = sh("mkdir -p site/sub; echo x > site/sub/page; ln -sfn sub site/link", outputs=["site/"])
    assert ran(Walking(tmp_path)(c=command)) == ["c"]
    assert ran(Walking(tmp_path)(c=command)) == []
    (tmp_path / "site/sub/more").write_text("by hand")
    report = Walking(tmp_path)(c=command)
    assert kinds(report, "c") == [decision.OUTPUT_ALTERED]
    assert ran(Walking(tmp_path)(c=command)) == []
    (tmp_path / "site/link").unlink()
    assert ran(Walking(tmp_path)(c=command)) == ["c"]


def test_a_folder_in_place_of_a_file_and_the_other_way_round_are_failures(tmp_path: Path) -> None:
    report = Walking(tmp_path)(a=sh("mkdir -p a", outputs=["a"]), b=sh("rmdir b; touch b", outputs=["b/"]))
    assert [a.status for a in report.actions.values()] == [ReturnValue.failure] * 2
    (tmp_path / "a" / "mine").mkdir(parents=True)
    report = Walking(tmp_path)(a=sh("touch a", outputs=["a"]))
    assert (tmp_path / "a" / "mine").exists()
    assert "folder" in str(report.actions["a"].failure)


def test_an_output_file_that_is_there_is_removed_before_the_start_unless_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old ")
    (tmp_path / "b").write_text("old ")
    append = "printf new >> {}"
    Walking(tmp_path)(a=sh(append.format("a"), outputs=["a"]), b=sh(append.format("b"), outputs=["b"], keep=True))
    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "b").read_text() == "old new"


def test_what_a_failed_action_wrote_is_put_aside(tmp_path: Path) -> None:
    commands = CommandWalk(dag_of(c=sh("echo half > o/x; exit 1", outputs=["o/x"])), str(tmp_path))
    assert not commands.run().ok
    assert not (tmp_path / "o/x").exists()
    assert Path(commands.context.aside("c"), "o/x").read_text() == "half\n"


def test_without_keep_going_nothing_new_starts_after_the_first_failure(tmp_path: Path) -> None:
    first = sh("exit 1", limits=Limits(priority=1))
    commands = {"a": first, "b": sh("touch b", outputs=["b"]), "c": sh("cat b", inputs=["b"])}
    report = Walking(tmp_path, None, Settings(jobs=1, keep_going=1))(**commands)
    assert [a.status for a in report.actions.values()] == [ReturnValue.failure, None, None]
    report = Walking(tmp_path, None, Settings(jobs=1))(**commands)
    assert [a.status for a in report.actions.values()] == [
        ReturnValue.failure,
        ReturnValue.success,
        ReturnValue.success,
    ]


def test_what_a_failure_blocks_is_told_also_when_the_walk_stopped_at_it(tmp_path: Path) -> None:
    commands = {
        "a": sh("exit 1", outputs=["a"]),
        "b": sh("true", inputs=["a"], outputs=["b"]),
        "c": sh("true", inputs=["b"], outputs=["c"]),
    }
    for keep_going in (0, 1):
        report = Walking(tmp_path, None, Settings(keep_going=keep_going))(**commands)
        assert report.actions["c"].status == ReturnValue.force_fail
        assert report.actions["c"].origins == {"a"}


def test_forced_actions_run_and_their_readers_are_judged_by_what_came_out(tmp_path: Path) -> None:
    commands = {"a": sh("echo x > a", outputs=["a"]), "b": sh("cat a > b", inputs=["a"], outputs=["b"])}
    Walking(tmp_path)(**commands)
    report = Walking(tmp_path, None, Settings(force=["a"]))(**commands)
    assert ran(report) == ["a"]
    assert kinds(report, "a") == [decision.FORCED]


def test_what_has_neither_inputs_nor_outputs_and_what_is_always_run_each_time(tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    commands = {"a": sh("true"), "b": sh("true", inputs=["in"], always=True), "c": sh("true", inputs=["in"])}
    Walking(tmp_path)(**commands)
    report = Walking(tmp_path)(**commands)
    assert ran(report) == ["a", "b"]
    assert kinds(report, "b") == [decision.ALWAYS]


def test_an_input_that_nobody_makes_and_is_not_there_fails_its_action(tmp_path: Path) -> None:
    report = Walking(tmp_path)(a=sh("true", inputs=["nowhere"]), b=sh("touch b", outputs=["b"]))
    assert "nowhere" in str(report.actions["a"].failure)
    assert report.actions["b"].status == ReturnValue.success
    assert not (tmp_path / ".treadle/logs/a.log").exists()


def test_two_ways_to_make_one_thing_have_a_record_each_if_they_lead_elsewhere(tmp_path: Path) -> None:
    def make(mode: str) -> Command:
        return sh(f"echo {mode} > {mode}", outputs=[mode])

    for mode in ("debug", "release"):
        assert ran(Walking(tmp_path)(c=make(mode))) == ["c"]
    for mode in ("debug", "release"):
        assert ran(Walking(tmp_path)(c=make(mode))) == []


def test_an_action_with_another_name_takes_its_outputs_over(tmp_path: Path) -> None:
    command = sh("touch out", outputs=["out"])
    assert ran(Walking(tmp_path)(before=command)) == ["before"]
    assert ran(Walking(tmp_path)(after=command)) == []


def test_what_is_changed_and_changed_back_after_a_failure_runs_again(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("good")
    command = sh("grep -q good in; echo x > out", inputs=["in"], outputs=["out"])
    assert Walking(tmp_path)(c=command).ok
    (tmp_path / "in").write_text("bad")
    assert not Walking(tmp_path)(c=command).ok
    (tmp_path / "in").write_text("good")
    report = Walking(tmp_path)(c=command)
    assert ran(report) == ["c"]
    assert kinds(report, "c")[0] == decision.FAILED


def test_looking_writes_nothing_and_says_what_may_follow(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    commands = {
        "a": sh("cp in a", inputs=["in"], outputs=["a"]),
        "b": sh("cp a b", inputs=["a"], outputs=["b"]),
        "c": sh("touch c", outputs=["c"]),
    }
    looked = CommandWalk(dag_of(**commands), str(tmp_path)).look()
    assert {uid: v.decision for uid, v in looked.items()} == dict.fromkeys("abc", decision.RUN)
    assert not (tmp_path / ".treadle").exists()
    Walking(tmp_path)(**commands)
    Walking(tmp_path)(**commands)
    (tmp_path / "in").write_text("y")
    before = {p: p.read_bytes() for p in (tmp_path / ".treadle").rglob("*") if p.is_file()}
    looked = CommandWalk(dag_of(**commands), str(tmp_path)).look()
    assert {uid: v.decision for uid, v in looked.items()} == {"a": "run", "b": "may run", "c": "skip"}
    assert {p: p.read_bytes() for p in (tmp_path / ".treadle").rglob("*") if p.is_file()} == before


def test_a_skip_needs_no_token_and_takes_no_log(tmp_path: Path) -> None:
    command = sh("echo x", outputs=["out"], stdout="out")
    Walking(tmp_path)(c=command)
    log = tmp_path / ".treadle/logs/c.log"
    log.write_text("kept")
    Walking(tmp_path)(c=command)
    assert log.read_text() == "kept"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command(["true"], outputs=["../x"]), "inside the root"),
        (Command(["true"], outputs=["/x"]), "inside the root"),
        (Command(["true"], outputs=["a/../x"]), "inside the root"),
        (Command(["true"], outputs=[".treadle/x"]), "inside the root"),
        (Command(["true"], limits=Limits(queue="net")), "queue 'net'"),
        (Command(["true"], limits=Limits(tokens=9)), "9 tokens"),
        (Command(["true"], limits=Limits(tokens=-1)), "-1 tokens"),
    ],
)
def test_what_can_be_refused_is_refused_before_anything_starts(
    tmp_path: Path, command: Command, words: str
) -> None:
    with pytest.raises(TreadleError, match=words):
        Walking(tmp_path, None, Settings(jobs=2))(first=sh("touch ran"), second=command)
    assert os.listdir(tmp_path) == []


def test_uids_must_be_texts_and_data_commands(tmp_path: Path) -> None:
    for uid, data in ((1, Command(["true"])), ("a", "true")):
        dag = DAG()
        dag.add_vertex(uid, data)
        with pytest.raises(TreadleError, match="texts as uids"):
            CommandWalk(dag, str(tmp_path)).run()


def test_two_makers_of_one_output_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TreadleError, match="an output of a and of b"):
        Walking(tmp_path)(a=sh("true", outputs=["x"]), b=sh("true", outputs=["x"]))


def stop_at_first_start(commands: CommandWalk, listener: Listener, ready: Iterable[Path]) -> None:
    def stop() -> None:
        for path in ready:
            while not path.exists():
                time.sleep(0.003)
        commands.stop()

    listener.on_start = lambda _uid: threading.Thread(target=stop).start()


def test_a_walk_that_is_told_to_stop_ends_what_runs_and_keeps_what_is_done(tmp_path: Path) -> None:
    listener = Listener()
    dag = DAG()
    dag.add_vertex("a", sh("touch a", outputs=["a"]))
    dag.add_vertex("b", sh("echo half > b; touch up; sleep 300", outputs=["b"], inputs=["a"]), ["a"])
    dag.add_vertex("c", sh("touch c", outputs=["c"], inputs=["b"]), ["b"])
    commands = CommandWalk(dag, str(tmp_path), Settings(jobs=1), listener)
    stop_at_first_start(commands, listener, [tmp_path / "up"])
    report = commands.run()
    assert report.interrupted
    assert [a.status for a in report.actions.values()][:2] == [ReturnValue.success, ReturnValue.unknown]
    assert report.actions["b"].failure == "interrupted"
    assert not (tmp_path / "b").exists()
    assert list(marked(f"{commands.run_id}/")) == []
    looked = CommandWalk(dag, str(tmp_path)).look()
    assert looked["a"].decision == decision.SKIP
    assert next(r.kind for r in looked["b"].reasons) == decision.INTERRUPTED


def test_a_record_that_was_lost_is_said_so_and_all_runs(tmp_path: Path) -> None:
    command = sh("touch out", outputs=["out"])
    Walking(tmp_path)(c=command)
    (tmp_path / ".treadle/records").write_bytes(b"rubbish")
    listener = Listener()
    assert ran(Walking(tmp_path, listener)(c=command)) == ["c"]
    assert [note for note in listener.notes if "everything counts as new" in note] == listener.notes[:1]
    assert ran(Walking(tmp_path, listener)(c=command)) == []


def test_shared_inputs_are_read_once_in_a_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treadle.content.files.GRANULARITY", -(10**18))
    monkeypatch.setattr("treadle.content.files.COARSE_GRANULARITY", -(10**18))
    (tmp_path / "shared").write_text("x")
    old(tmp_path / "shared")
    commands = {f"a{n}": sh(f"cp shared o{n}", inputs=["shared"], outputs=[f"o{n}"]) for n in range(5)}
    first = CommandWalk(dag_of(**commands), str(tmp_path))
    first.run()
    second = CommandWalk(dag_of(**commands), str(tmp_path))
    second.run()
    third = CommandWalk(dag_of(**commands), str(tmp_path))
    third.run()
    assert third.fingerprinter.files.hashed == 0
    os.utime(tmp_path / "shared")
    (tmp_path / "shared").touch()
    fourth = CommandWalk(dag_of(**commands), str(tmp_path))
    assert ran(fourth.run()) == []
    assert fourth.fingerprinter.files.hashed == 1


def test_a_program_that_an_action_makes_and_then_starts_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "src").write_text("#!/bin/sh\ntouch done\n")
    (tmp_path / "src").chmod(0o755)
    steps = [["mkdir", "-p", "venv/bin"], ["cp", "-p", "src", "venv/bin/tool"], ["venv/bin/tool"]]
    command = Command(steps, inputs=["src"], outputs=["venv/"])
    assert ran(Walking(tmp_path)(c=command)) == ["c"]
    assert (tmp_path / "done").exists()
    assert ran(Walking(tmp_path)(c=command)) == []
