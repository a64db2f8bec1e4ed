"""The engine `slurm` beside a Slurm that does not behave: its commands are scripts that say what a test wrote.

What a real one does is in `behaviour/test_slurm` and in the contract suites.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from treadle import TreadleError, UsageError
from treadle.engines import slurm as module
from treadle.engines.slurm import Slurm
from treadle.engines.spec import ENDED, GONE, REFUSED, STARTED, AttemptSpec, Hint, RunFolder
from waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NODES = "main*|idle|n1|8|16000|gpu:a100:2(S:0-1),gpu:1\nmain*|mix|n2|4|8000|(null)\n"
FAKE = """#!/bin/sh
name=$(basename "$0")
cd {folder}
[ $name = sbatch ] && cat > script
echo "$name $*" >> calls
cat $name.says 2>/dev/null
exit $(cat $name.code 2>/dev/null || echo 0)
"""


class Fake:
    """The commands of Slurm: each prints `NAME.says` and ends with `NAME.code`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "squeue", "sinfo", "scancel", "scontrol"):
            path = folder / name
            path.write_text(FAKE.format(folder=shlex.quote(str(folder))))
            path.chmod(0o755)
        self.says("sinfo", NODES)

    def says(self, name: str, text: str, code: int = 0) -> None:
        for part, value in ((f"{name}.code", str(code)), (f"{name}.says", text)):
            (self.folder / "new").write_text(value)
            (self.folder / "new").rename(self.folder / part)

    def calls(self, name: str) -> list[list[str]]:
        path = self.folder / "calls"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return [line.split()[1:] for line in lines if line.split()[0] == name]

    def comment(self) -> str:
        """Return what the last batch can be found by."""
        (found,) = [word for word in self.calls("sbatch")[-1] if word.startswith("--comment=")]
        return found.partition("=")[2]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake(tmp_path / "bin of slurm")
    monkeypatch.setenv("PATH", str(made.folder), prepend=":")
    return made


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(str(tmp_path / "a run's 100% folder"))
    folder.make()
    return folder


@pytest.fixture
def engine(fake: Fake, run: RunFolder) -> Iterator[Slurm]:
    made = Slurm({"partition": "main"})
    made.open(run)
    yield made
    made.close(keep=False)


def specs(run: RunFolder, *tokens: str, **asked: object) -> list[AttemptSpec]:
    """Return specs of equal demand; their lease is short, so Slurm is asked often."""
    attempt = {"argvs": [["true"]], "mark": "r/a", "environ": {}}
    return [AttemptSpec(one, one, 1, run.path, attempt, resources=asked, lease=0.2) for one in tokens]


def heard(engine: Slurm, condition: Callable[[list[Hint]], object]) -> list[Hint]:
    """Return the hints that there are until something is true."""
    found: list[Hint] = []

    def step() -> object:
        found.extend(engine.poll(0.05))
        return condition(found)

    until(step, f"what was waited for, after {found}")
    return found


def test_what_begins_and_ends_is_seen_in_the_folder_of_the_run(fake: Fake, engine: Slurm, run: RunFolder) -> None:
    fake.says("sbatch", "7\n")
    fake.says("squeue", "", 1)
    handles = engine.submit(specs(run, "x", "y"))
    assert len(set(handles)) == 2
    run.claim("x", "worker")
    assert heard(engine, bool) == [Hint("x", STARTED)]
    with open(run.report("x"), "w"):
        pass
    assert heard(engine, bool) == [Hint("x", ENDED)]
    assert len(fake.calls("sbatch")) == 1
    assert "--array=0-1" in fake.calls("sbatch")[0]


@pytest.mark.parametrize("words", ["Socket timed out on send/recv operation", "Unable to contact slurm controller"])
def test_a_batch_that_was_taken_though_sbatch_failed_is_not_given_twice(
    fake: Fake, engine: Slurm, run: RunFolder, words: str
) -> None:
    fake.says("sbatch", f"sbatch: error: Batch job submission failed: {words}\n", 1)
    fake.says("squeue", "", 1)
    engine.submit(specs(run, "x"))
    heard(engine, lambda _: fake.calls("sbatch"))
    fake.says("squeue", f"12|{fake.comment()}|RUNNING|n1|None\n")
    before = len(fake.calls("squeue"))
    heard(engine, lambda _: len(fake.calls("squeue")) > before + 1)
    fake.says("squeue", f"12|{fake.comment()}|COMPLETED|n1|None\n")
    assert heard(engine, bool) == [Hint("x", ENDED)]
    assert len(fake.calls("sbatch")) == 1


def test_a_batch_that_was_not_taken_is_given_again_when_slurm_answers(
    fake: Fake, engine: Slurm, run: RunFolder
) -> None:
    fake.says("sbatch", "sbatch: error: Unable to contact slurm controller (connect failure)\n", 1)
    fake.says("squeue", "slurm_load_jobs error: Unable to contact slurm controller\n", 1)
    (handle,) = engine.submit(specs(run, "x"))
    heard(engine, lambda _: len(fake.calls("squeue")) > 1)
    assert len(fake.calls("sbatch")) == 1
    assert "Unable to contact slurm controller" in engine.pending([handle])[handle]
    fake.says("squeue", "")
    fake.says("sbatch", "8\n")
    heard(engine, lambda _: len(fake.calls("sbatch")) > 1)
    assert len({tuple(call) for call in fake.calls("sbatch")}) == 1


def test_a_batch_that_slurm_does_not_take_for_long_is_gone(
    fake: Fake, engine: Slurm, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY", 0.1)
    fake.says("sbatch", "sbatch: error: Unable to contact slurm controller (connect failure)\n", 1)
    fake.says("squeue", "", 1)
    engine.submit(specs(run, "x", "y"))
    hints = heard(engine, bool)
    assert [(one.token, one.what) for one in hints] == [("x", GONE), ("y", GONE)]
    assert "Unable to contact" in hints[0].text


def test_what_sbatch_refuses_for_good_is_refused_in_its_words(fake: Fake, engine: Slurm, run: RunFolder) -> None:
    words = "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)"
    fake.says("sbatch", f"{words}\n", 1)
    engine.submit(specs(run, "x"))
    (hint,) = heard(engine, bool)
    assert (hint.what, hint.text) == (
        REFUSED,
        "Slurm refuses it: Requested time limit is invalid (missing or exceeds some limit)",
    )


@pytest.mark.parametrize(
    ("state", "what", "cause"),
    [
        ("COMPLETED", ENDED, "lost"),
        ("FAILED", GONE, "lost"),
        ("CANCELLED", GONE, "lost"),
        ("TIMEOUT", GONE, "lost"),
        ("PREEMPTED", GONE, "lost"),
        ("NODE_FAIL", GONE, "lost"),
        ("OUT_OF_MEMORY", GONE, "out_of_memory"),
        ("A_NEW_ONE", GONE, "lost"),
    ],
)
def test_each_end_that_slurm_tells_is_a_hint(
    fake: Fake, engine: Slurm, run: RunFolder, state: str, what: str, cause: str
) -> None:
    fake.says("sbatch", "7\n")
    engine.submit(specs(run, "x", "y"))
    heard(engine, lambda _: fake.calls("sbatch"))
    comment = fake.comment()
    fake.says(
        "squeue", f"7_0|{comment}|{state}|n1|Some_Reason\n7_1|{comment}|PENDING||Resources\n8|other|FAILED|n1|\n"
    )
    (hint,) = heard(engine, bool)
    assert hint[:2] == ("x", what)
    assert hint.cause == cause
    if what == GONE:
        assert f"Slurm says {state} (Some_Reason) on n1" in hint.text


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING", "REQUEUED"])
def test_a_job_that_may_leave_a_report_is_waited_for(fake: Fake, engine: Slurm, run: RunFolder, state: str) -> None:
    fake.says("sbatch", "7\n")
    engine.submit(specs(run, "x"))
    heard(engine, lambda _: fake.calls("sbatch"))
    fake.says("squeue", f"7|{fake.comment()}|{state}|n1|Resources\n")
    before = len(fake.calls("squeue"))
    assert heard(engine, lambda _: len(fake.calls("squeue")) > before + 2) == []


def test_a_job_that_a_node_could_not_start_is_not_put_off(fake: Fake, engine: Slurm, run: RunFolder) -> None:
    fake.says("sbatch", "7\n")
    engine.submit(specs(run, "x", "y"))
    heard(engine, lambda _: fake.calls("sbatch"))
    fake.says("squeue", f"7_0|{fake.comment()}|PENDING||Resources\n7_1|{fake.comment()}|PENDING||BeginTime\n")
    assert heard(engine, lambda _: fake.calls("scontrol")) == []
    assert fake.calls("scontrol")[0] == ["update", "jobid=7_1", "starttime=now"]


def test_a_job_that_slurm_does_not_know_any_more_is_gone_and_one_that_it_cannot_tell_of_is_not(
    fake: Fake, engine: Slurm, run: RunFolder
) -> None:
    fake.says("sbatch", "7;cluster\n")
    fake.says("squeue", "slurm_load_jobs error\n", 1)
    engine.submit(specs(run, "x"))
    assert heard(engine, lambda _: len(fake.calls("squeue")) > 2) == []
    fake.says("squeue", "")
    assert [one[:2] for one in heard(engine, bool)] == [("x", GONE)]


@pytest.mark.parametrize("workers", [None, 5])
def test_a_node_that_has_failed_gets_no_more_jobs(fake: Fake, run: RunFolder, workers: int | None) -> None:
    engine = Slurm({"partition": "main", **({} if workers is None else {"workers": workers})})
    engine.open(run)
    fake.says("sbatch", "7\n")
    engine.submit(specs(run, "x"))
    heard(engine, lambda _: fake.calls("sbatch"))
    fake.says("squeue", f"7|{fake.comment()}|NODE_FAIL|n1|None\n")
    heard(engine, bool)
    engine.submit(specs(run, "y"))
    heard(engine, lambda _: len(fake.calls("sbatch")) > 1)
    assert "--exclude=n1" in fake.calls("sbatch")[1]
    fake.says("squeue", f"7|{fake.comment()}|NODE_FAIL|n2|None\n")
    heard(engine, bool)
    engine.submit(specs(run, "z"))
    heard(engine, lambda _: len(fake.calls("sbatch")) > 2)
    # there is no other one left
    assert not [word for word in fake.calls("sbatch")[2] if word.startswith("--exclude")]
    engine.close(keep=False)


def test_a_job_whose_worker_does_not_begin_is_given_up_and_ended(
    fake: Fake, engine: Slurm, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOWEST_START", 0.5)
    fake.says("sbatch", "7\n")
    engine.submit([replace(one, patience=0.1) for one in specs(run, "x", "y", "z")])
    heard(engine, lambda _: fake.calls("sbatch"))
    comment = fake.comment()
    Path(run.owner("y")).touch()
    began = time.monotonic()
    # x is frozen before it begins, y has begun, z is held by Slurm
    states = {0: "RUNNING|n1", 1: "RUNNING|n2", 2: "SUSPENDED|n2"}
    fake.says("squeue", "".join(f"7_{one}|{comment}|{state}|None\n" for one, state in states.items()))
    assert [one for one in heard(engine, bool) if one.what != STARTED] == []
    (gone,) = heard(engine, bool)
    assert gone[:2] == ("x", GONE)
    assert "has started on n1, and its worker has not begun it" in gone.text
    assert time.monotonic() - began >= 0.5
    heard(engine, lambda _: any("7_0" in words for words in fake.calls("scancel")))
    engine.submit(specs(run, "w"))
    heard(engine, lambda _: len(fake.calls("sbatch")) > 1)
    assert "--exclude=n1" in fake.calls("sbatch")[1]
    assert not any("7_1" in words or "7_2" in words for words in fake.calls("scancel"))


def test_the_last_line_of_a_job_that_could_not_start_its_worker_is_told(
    fake: Fake, engine: Slurm, run: RunFolder
) -> None:
    fake.says("sbatch", "7\n")
    engine.submit(specs(run, "x"))
    heard(engine, lambda _: fake.calls("sbatch"))
    (out,) = [word for word in fake.calls("sbatch")[0] if word.startswith("--output=")]
    assert "%" not in out.replace("%%", "")
    with open(run.pulse("slurm.log"), "w") as log:
        log.write("Traceback\nModuleNotFoundError: No module named 'treadle'\n")
    fake.says("squeue", f"7|{fake.comment()}|FAILED|n1|NonZeroExitCode\n")
    (hint,) = heard(engine, bool)
    assert hint.text.endswith("ModuleNotFoundError: No module named 'treadle'")


def test_jobs_are_asked_to_end_by_their_worker_and_then_ended_by_slurm(
    fake: Fake, engine: Slurm, run: RunFolder
) -> None:
    fake.says("sbatch", "7\n")
    fake.says("squeue", "", 1)
    handles = engine.submit(specs(run, "x", "y", "z"))
    engine.stop(handles[:2], kill=False)
    heard(engine, lambda _: len(fake.calls("scancel")) == 2)
    running, waiting = fake.calls("scancel")
    assert running[0] == waiting[0] == "--name=treadle-a-run-s-100--folder"
    assert "--signal=TERM" in running
    assert "--state=PENDING" in waiting
    assert running[-2:] == waiting[-2:] == ["7_0", "7_1"]
    engine.stop(handles[2:], kill=True)
    heard(engine, lambda _: len(fake.calls("scancel")) == 3)
    assert fake.calls("scancel")[2] == [running[0], "7_2"]


def test_what_an_attempt_asks_for_is_asked_of_slurm(fake: Fake, engine: Slurm, run: RunFolder) -> None:
    fake.says("sbatch", "7\n")
    engine.submit(specs(run, "x", cpus=3, memory=1 << 30, gpus=2, licences=1))
    heard(engine, lambda _: fake.calls("sbatch"))
    call = fake.calls("sbatch")[0]
    assert {"--cpus-per-task=3", "--mem=1088M", "--gres=gpu:2", "--partition=main"} <= set(call)
    engine.submit(specs(run, "all", cpus=0, memory=16000 << 20))
    heard(engine, lambda _: len(fake.calls("sbatch")) > 1)
    # there is no more than all of it
    assert {"--cpus-per-task=1", "--mem=16000M"} <= set(fake.calls("sbatch")[1])


def test_the_script_of_a_job_runs_the_spec_of_its_number(fake: Fake, engine: Slurm, run: RunFolder) -> None:
    """The shell that Slurm starts has no other file to read, and the path of the run needs quotes."""
    fake.says("sbatch", "7\n")
    engine.submit(specs(run, "x", "y", "z"))
    heard(engine, lambda _: fake.calls("sbatch"))
    script = (fake.folder / "script").read_text()
    assert script.startswith("#!/bin/sh\n")
    shown = script.replace(f"exec {shlex.quote(sys.executable)}", "printf '%s\\n'")
    done = subprocess.run(
        ["sh"], input=shown, env={"SLURM_ARRAY_TASK_ID": "1"}, capture_output=True, text=True, check=True
    )
    words = done.stdout.splitlines()
    assert words[:3] == ["-P", "-m", "treadle.engines.worker"]
    assert words[-1] == run.spec("y")


@pytest.mark.parametrize("name", [b"a b", b"new\nline", b"%j%", b"back\\slash", b"quo'te", b"\xff\xfe"])
def test_a_folder_may_have_any_name(fake: Fake, engine: Slurm, tmp_path: Path, name: bytes) -> None:
    """The names of files that Slurm writes have patterns, and the folder that they are relative to has none."""
    run = RunFolder(os.path.join(str(tmp_path), os.fsdecode(name)))
    run.make()
    engine.close(keep=True)
    engine.open(run)
    fake.says("sbatch", "7\n")
    engine.submit(specs(run, "x"))
    heard(engine, lambda _: fake.calls("sbatch"))
    script = (fake.folder / "script").read_bytes()
    assert name.replace(b"'", b"'\"'\"'") in script


@pytest.mark.parametrize(
    ("path", "said"),
    [("/a/b", "/a/b"), ("/a%j/b", "/a%%j/b"), ("/a\\%j/b", "/a\\\\%j/b"), ("/a\\\\", "/a\\\\\\\\")],
)
def test_slurm_fills_in_nothing_in_the_name_of_its_log(path: str, said: str) -> None:
    """As a real Slurm takes it: what it is told otherwise is the name of another file, and the job cannot start."""
    assert module._plain_name(path) == said


def test_a_node_has_what_slurm_says(fake: Fake) -> None:
    pool = Slurm().capacity()
    assert {node.name: dict(node.resources) for node in pool.nodes} == {
        "n1": {"cpus": 8, "memory": 16000 << 20, "gpus": 3},
        "n2": {"cpus": 4, "memory": 8000 << 20},
    }


@pytest.mark.parametrize(
    ("workers", "sizes"),
    [
        (1, {"n1": 8}),
        (5, {"n1": 8, "n2": 4}),
        ({"max": 2}, {"n1": 8, "n2": 4}),
        ({"max": 3, "resources": {"cpus": 2}}, {"worker-1": 2, "worker-2": 2, "worker-3": 2}),
    ],
)
def test_workers_say_how_many_nodes_there_are_and_what_each_has(
    fake: Fake, workers: object, sizes: dict[str, int]
) -> None:
    pool = Slurm({"workers": workers}).capacity()
    assert {node.name: node.resources["cpus"] for node in pool.nodes} == sizes


@pytest.mark.parametrize("state", ["down", "down*", "drain", "drng", "fail", "maint", "idle*", "inval"])
def test_a_node_that_takes_no_jobs_is_none(fake: Fake, state: str) -> None:
    fake.says("sinfo", f"main*|{state}|n1|8|16000|(null)\nmain*|idle|n2|4|8000|(null)\n")
    assert [node.name for node in Slurm().capacity().nodes] == ["n2"]
    fake.says("sinfo", f"main*|{state}|n1|8|16000|(null)\n")
    with pytest.raises(TreadleError, match="no node of the partition main takes jobs: n1 is"):
        Slurm().capacity()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"wrap": "reboot"}, "slurm takes no 'wrap'"),
        ({"partition": "nope"}, "Slurm has no partition 'nope'"),
        ({"workers": 0}, "0 workers"),
        ({"workers": {"most": 3}}, "workers has no key 'most'"),
        ({"workers": 20_000_000}, "20000000 workers"),
        ({"python": ["a"]}, "python is"),
        ({"python": ""}, "python is"),
        ({"python": "/bin/sh\n#SBATCH --wrap"}, "python is"),
        ({"time": {"a": 1}}, "time is"),
        ({"partition": True}, "partition is"),
    ],
)
def test_settings_that_are_none_are_refused(fake: Fake, settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Slurm(settings).capacity()


def test_a_slurm_that_is_not_there_or_does_not_answer_is_told(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.says("sinfo", "sinfo: error: Unable to contact slurm controller\n", 1)
    with pytest.raises(TreadleError, match="Slurm does not answer: sinfo: error: Unable to contact"):
        Slurm().capacity()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TreadleError, match="sinfo: No such file"):
        Slurm().capacity()


def test_jobs_live_on_when_they_are_kept_and_are_ended_by_the_name_of_the_run_when_not(
    fake: Fake, run: RunFolder
) -> None:
    fake.says("sbatch", "7\n")
    for keep in (True, False):
        engine = Slurm()
        engine.open(run)
        engine.submit(specs(run, "x"))
        heard(engine, lambda _: fake.calls("sbatch"))
        engine.close(keep=keep)
        assert bool(fake.calls("scancel")) == (not keep)


def test_jobs_of_other_runs_are_found_by_their_handles(fake: Fake, engine: Slurm) -> None:
    states = ["PENDING", "RUNNING", "FAILED"]
    fake.says("squeue", "".join(f"9_{at}|abc|{state}|n1|None\n" for at, state in enumerate(states)))
    handles = [f"treadle-other abc {at}" for at in range(4)]
    found = engine.find(handles)
    assert [found[one] for one in handles] == ["waiting", "running", "gone", "gone"]
    assert "--name=treadle-other" in fake.calls("squeue")[-1]
    fake.says("squeue", "", 1)
    assert engine.find(handles) == {}


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("is_open", [False, True])
def test_jobs_of_a_killed_run_are_ended_by_their_handles_also_those_that_wait(
    fake: Fake, engine: Slurm, *, kill: bool, is_open: bool
) -> None:
    """H8: only what Slurm has yet, and by the name of that run: the controller may give an id again."""
    states = ["PENDING", "RUNNING", "FAILED", "REQUEUE_HOLD"]
    fake.says("squeue", "".join(f"9_{at}|abc|{state}|n1|None\n" for at, state in enumerate(states)))
    handles = [f"treadle-other abc {at}" for at in range(5)]
    (engine if is_open else Slurm()).stop(handles, kill=kill)
    calls = fake.calls("scancel")
    if kill:
        assert calls == [["--name=treadle-other", "9_0", "9_1", "9_3"]]
    else:
        assert sorted(calls, key=len) == [
            ["--name=treadle-other", "9_0", "9_3"],
            ["--name=treadle-other", "--batch", "--signal=TERM", "9_1"],
        ]


@pytest.mark.parametrize("code", [0, 1])
def test_of_a_killed_run_that_slurm_does_not_know_nothing_is_ended(fake: Fake, code: int) -> None:
    fake.says("squeue", "", code)
    Slurm().stop(["treadle-other abc 0"], kill=True)
    assert fake.calls("scancel") == []


@pytest.mark.parametrize(
    ("state", "reason", "has_begun", "is_soon"),
    [
        ("PENDING", "BeginTime", False, True),
        ("PENDING", "ReqNodeNotAvail, UnavailableNodes:n1", False, True),
        ("PENDING", "Nodes required for job are DOWN, DRAINED or reserved", False, True),
        ("CONFIGURING", "None", False, True),
        ("RUNNING", "None", False, True),
        ("COMPLETING", "None", True, True),
        # what takes as long as it takes
        ("RUNNING", "None", True, False),
        ("PENDING", "None", False, False),
        ("PENDING", "Resources", False, False),
        ("PENDING", "Priority", False, False),
    ],
)
def test_slurm_is_asked_soon_as_long_as_a_node_does_not_do_what_it_should(
    fake: Fake, engine: Slurm, run: RunFolder, state: str, reason: str, *, has_begun: bool, is_soon: bool
) -> None:
    """It puts such a job off by minutes, of which the engine has to hear before it can take that back."""
    fake.says("sbatch", "7\n")
    fake.says("squeue", "", 1)
    engine.submit(specs(run, "x"))
    heard(engine, lambda _: fake.calls("sbatch"))
    heard(engine, lambda _: engine._jobs["x"].batch.job)
    if has_begun:
        run.claim("x", "worker")
        heard(engine, bool)
    engine._query_pause = 40.0
    engine._hear_list(0, f"7|{fake.comment()}|{state}|n1|{reason}\n")
    assert engine._query_pause == (5.0 if is_soon else 60.0)


def test_slurm_is_asked_less_and_less() -> None:
    """From every 5 s to every 60 s."""
    pauses = [module.QUERY]
    for _ in range(10):
        pauses.append(module.next_pause(pauses[-1], module.LONGEST_QUERY))
    assert pauses[:3] == [5.0, 7.5, 11.25]
    assert pauses[-1] == 60.0
