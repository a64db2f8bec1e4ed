"""`engine` of a plan and of an action, and `--engine`: where actions run, and what is said of what is wrong."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from project import Project
from treadle import DAG, Command, CommandWalk, Limits, Options, Pool, Session, Settings, UsageError
from treadle.engines.processes import PATIENCE

PLAN = """
treadle: 1
engine: {name: process, workers: {max: 2, resources: {cpus: 2, memory: 1GiB}}, lease: 20s}
actions:
  there: {sh: 'echo $PPID > ${out}; echo "$TREADLE_MEMORY"', out: there.txt, resources: {memory: 512MiB}}
  here: {sh: 'echo $PPID > ${out}', in: there.txt, out: here.txt, engine: local}
default: [here]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_a_plan_names_its_engine_and_an_action_stays_here(project: Project) -> None:
    project.write("plan", PLAN)
    project.treadle("run", "--events", "events")
    events = [json.loads(line) for line in project.read("events").splitlines()]
    hosts = {one["name"]: one.get("host", "") for one in events if one["event"] == "ended"}
    assert hosts == {"there": os.uname().nodename, "here": ""}
    assert project.read("there.txt") != project.read("here.txt")
    assert project.read(".treadle/logs/there.log") == f"{512 << 20}\n"


def test_an_engine_says_where_and_never_whether(project: Project) -> None:
    """J6: what ran on one is up to date on the other, by the fast path too."""
    project.write("plan", PLAN)
    assert "2 run" in project.treadle("run").text
    assert project.treadle("run", "--engine", "local").text.startswith("nothing to do: 2 up to date")
    project.write("plan", PLAN.replace("engine: {name: process", "engine: {name: local"))
    assert project.treadle("run").text.startswith("nothing to do: 2 up to date")
    project.write("plan", PLAN.replace(", engine: local", ""))
    assert project.treadle("run").text.startswith("nothing to do: 2 up to date")


def test_an_edit_runs_on_the_engine_too(project: Project) -> None:
    project.write(
        "plan", "treadle: 1\nengine: process\nactions:\n  a: {sh: 'cat i; echo $PPID > o', in: i, out: o}\n"
    )
    project.write("i", "one\n")
    project.treadle("run")
    first = project.read("o")
    project.write("i", "two\n")
    done = project.treadle("run", "--events", "events")
    assert "input i changed" in done.text
    assert f'"host": "{os.uname().nodename}"' in project.read("events").replace('":"', '": "')
    assert project.read("o") != first


def test_the_call_says_it_in_place_of_the_plan(project: Project) -> None:
    project.write("plan", PLAN.replace("engine: {name: process", "engine: {name: nothing"))
    assert "there is no engine 'nothing'" in project.treadle("run").text
    assert "there are dask, local, process" in project.treadle("run", "--engine", "none").text
    assert "did you mean process?" in project.treadle("run", "--engine", "proces").text
    assert "2 run" in project.treadle("run", "--engine", "local").text


def test_what_no_worker_has_is_refused_before_the_run(project: Project) -> None:
    """A7."""
    project.write("plan", PLAN.replace("512MiB", "2GiB"))
    done = project.treadle("run")
    assert done.code != 0
    assert "there: it asks for 2.0 GiB of 'memory'" in done.text
    assert not (project.folder / "there.txt").exists()


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("{workers: 2}", "the engine has no name"),
        ("{name: process, workers: 0}", "a whole number, 1 or more"),
        ("{name: process, workers: {many: 2}}", "many"),
        ("{name: process, workers: {resources: {memory: 3}}}", "memory"),
        ("{name: process, lease: 5}", "a duration with a unit"),
        ("{name: process, mixed: yes}", "ok"),
        ("{name: process, insecure: yes}", "ok"),
        ("{name: process, queue_timeout: 5}", "a duration with a unit"),
        ("{name: process, speed: 5}", "speed"),
        ("[process]", "a name, or a map"),
        ("{name: process, options: {name: dask}}", "a key of engine"),
        ("{name: process, options: {insecure: ok}}", "a key of engine"),
        ("{name: process, options: {lease: 3}}", "a key of engine"),
    ],
)
def test_what_is_wrong_with_an_engine_is_said_with_its_place(project: Project, engine: str, words: str) -> None:
    project.write("plan", f"treadle: 1\nengine: {engine}\nactions:\n  a: {{run: 'true'}}\n")
    done = project.treadle("run")
    assert done.code == 2, done.text
    assert words in done.text
    assert "treadle.yaml:2:" in done.text


def test_an_action_names_no_other_engine_than_local(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {run: 'true', engine: process}\n")
    done = project.treadle("run")
    assert done.code == 2
    assert "treadle.yaml:3:" in done.text


def test_a_package_brings_an_engine_by_an_entry_point(project: Project) -> None:
    info = project.folder.parent / "package" / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[treadle.engines]\nmine = my_engine:Mine\nbare = my_engine:Bare\n")
    (info.parent / "my_engine.py").write_text(
        "from treadle.engines.processes import Processes\n"
        "class Mine(Processes):\n"
        "    def __init__(self, settings):\n"
        "        assert settings == {'workers': 1, 'partition': 'short', 'many': [1, 'x']}, settings\n"
        "        super().__init__({'workers': settings['workers']})\n"
        "class Bare:\n"
        "    def __init__(self, settings): pass\n"
    )
    said = "{name: mine, workers: 1, options: {partition: short, many: [1, x]}}"
    project.write("plan", f"treadle: 1\nengine: {said}\nactions:\n  a: {{sh: 'echo > ${{out}}', out: o}}\n")
    path = str(info.parent)
    assert "1 run" in project.treadle("run", PYTHONPATH=path).text
    done = project.treadle("run", "--engine", "bare", PYTHONPATH=path)
    assert "the engine bare has no open, capacity, submit" in done.text
    assert (
        "there are bare, dask, local, mine, process"
        in project.treadle("run", "--engine", "x", PYTHONPATH=path).text
    )


def test_a_program_names_an_engine_by_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "treadle.yaml").write_text("treadle: 1\nactions:\n  a: {sh: 'echo > ${out}', out: o}\n")
    report = Session(options=Options(engine="process")).run()
    assert report.actions["a"].host == os.uname().nodename
    assert Settings(engine={"name": "process", "workers": {"max": 2, "resources": {"cpus": 3}}}).jobs == 6


@pytest.mark.parametrize(
    "engine",
    [
        "",
        5,
        {},
        {"name": 5},
        {"name": "process", "lease": 0},
        {"name": "process", "lease": "60s"},
        {"name": "process", "patience": -1},
        {"name": "process", "pass": "HOME"},
        {"name": "process", "mixed": "yes"},
        {"name": "process", "insecure": "yes"},
        {"name": "process", "queue_timeout": 0},
        {"name": "process", "queue_timeout": "5m"},
        {"name": "process", "delay": -1},
        {"name": "process", "workers": "two"},
        {"name": "process", "workers": {"many": 2}},
        {"name": "process", "workers": 20_000_000},
        {"name": "process", "workers": {"max": 20_000_000}},
        {"name": "process", "workers": {"resources": 3}},
        {"name": "process", "colour": "red"},
        {"name": "nothing"},
    ],
)
def test_what_is_no_engine_is_refused_where_it_is_given(engine: object) -> None:
    with pytest.raises(UsageError, match="engine"):
        Settings(engine=engine)  # type: ignore[arg-type]


def test_limits_name_this_machine_alone() -> None:
    assert Limits(engine="local").engine == "local"
    with pytest.raises(UsageError, match="'local'"):
        Limits(engine="process")


@pytest.mark.parametrize("granted", [True, False])
def test_a_plan_grants_no_connection_without_tls_by_itself(project: Project, granted: bool) -> None:
    """E9: the call has to say it too, in its environment."""
    info = project.folder.parent / "package" / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[treadle.engines]\nfar = my_engine:Far\n")
    (info.parent / "my_engine.py").write_text(
        "from treadle.engines.processes import Processes\n"
        "from treadle.engines.security import check_address\n"
        "class Far(Processes):\n"
        "    def open(self, run):\n"
        "        insecure = self._settings.get('insecure', False)\n"
        "        check_address('far', '192.0.2.1', is_encrypted=False, is_insecure=insecure)\n"
        "        super().open(run)\n"
    )
    project.write("plan", PLAN.replace("engine: {name: process", "engine: {name: far, insecure: ok"))
    path = str(info.parent)
    done = project.treadle("run", PYTHONPATH=path, **({"TREADLE_INSECURE": "ok"} if granted else {}))
    assert ("2 run" in done.text) == granted, done.text
    assert ("the engine far is on 192.0.2.1, without TLS" in done.text) == (not granted)


def test_an_action_waits_for_a_worker_as_long_as_the_plan_says(project: Project) -> None:
    """T2: its own limit counts from its start."""
    for wait in (1, 4, 16):
        plan = f"treadle: 1\nengine: {{name: process, workers: 1, queue_timeout: {wait}s}}\nactions:\n"
        project.write("plan", f"{plan}  a: {{run: sleep {wait}.5}}\n")
        done = project.treadle("run", "a").text
        if "has begun it within" not in done:
            break
        # the machine has much to do, and a worker of it takes longer than that to start
    assert "1 run" in done, done


def test_a_worker_that_did_not_begin_in_time_does_not_hold_up_the_end_of_the_run(project: Project) -> None:
    """It was started for an attempt that the run has taken back since."""
    project.write("plan", "treadle: 1\nengine: {name: process, queue_timeout: 1ms}\nactions:\n  a: {run: 'true'}\n")
    before = time.monotonic()
    done = project.treadle("run", "a")
    assert "has begun it within 0.001 s (queue_timeout)" in done.text
    assert time.monotonic() - before < PATIENCE


BOTH_SIDES = """
treadle: 1
engine: {name: process, workers: {max: 2, resources: {cpus: 2, memory: 1GiB, licences: 1}}}
pool: {tapes: 1, memory: 4GiB}
actions:
  tape: {foreach: {n: [1, 2, 3]}, sh: 'printenv TREADLE_TAPES TREADLE_LICENCES > ${out} || :', out: 'tape${n}', HERE}
  big: {sh: 'echo "$TREADLE_MEMORY" > ${out}', out: big, resources: {memory: 3GiB}, engine: local}
  far: {sh: 'echo "$TREADLE_LICENCES" > ${out}', out: far, resources: {licences: 1}}
  none: {sh: 'printenv TREADLE_CPUS TREADLE_MEMORY > ${out} || :', out: none, engine: local}
"""


def test_what_runs_here_needs_what_this_machine_has_and_nothing_of_a_worker(project: Project) -> None:
    """`pool` says what this machine has; a worker has what `workers` says."""
    project.write("plan", BOTH_SIDES.replace("HERE", "resources: {tapes: 1}, engine: local"))
    done = project.treadle("run")
    assert "6 run" in done.text, done.text
    assert [project.read(f"tape{n}") for n in (1, 2, 3)] == ["1\n"] * 3
    assert (project.read("big"), project.read("far"), project.read("none")) == (f"{3 << 30}\n", "1\n", "")


@pytest.mark.parametrize(
    ("here", "words"),
    [
        ("resources: {tapes: 1}", "it asks for 1 of 'tapes', which the pool does not have (it has 2 cpus, "),
        ("resources: {tapes: 2}, engine: local", "it asks for 2 of 'tapes', of which the pool has at most 1"),
        ("resources: {licences: 1}, engine: local", "it asks for 1 of 'licences', which the pool does not have"),
    ],
)
def test_neither_side_gives_what_only_the_other_has(project: Project, here: str, words: str) -> None:
    """A7."""
    project.write("plan", BOTH_SIDES.replace("HERE", here))
    done = project.treadle("run")
    assert done.code == 2
    assert f"tape@1: {words}" in done.text


def test_what_runs_here_is_counted_on_this_machine_and_leaves_the_workers_alone(project: Project) -> None:
    """Sixteen processors on workers let no more run here at once than this machine has, or -r says."""
    project.write(
        "plan",
        "treadle: 1\nengine: {name: process, workers: {max: 2, resources: {cpus: 8}}}\nactions:\n"
        "  here: {foreach: {n: [1, 2, 3, 4, 5, 6]}, engine: local,\n"
        "    sh: 'mkdir alone; echo > ${out}; sync ${out}; rmdir alone', out: 'here${n}'}\n"
        "  there: {foreach: {n: [1, 2, 3]}, sh: 'echo > ${out}', out: 'there${n}', resources: {cpus: 8}}\n",
    )
    assert "9 run" in project.treadle("run", "-r", "cpus=1").text


def test_a_pool_of_a_program_is_this_machine_where_it_names_an_engine_too(tmp_path: Path) -> None:
    dag = DAG()
    dag.add_vertex("here", Command(["true"], limits=Limits(resources={"tapes": 2}, engine="local")))
    dag.add_vertex("there", Command(["true"], limits=Limits(resources={"cpus": 3})))
    engine = {"name": "process", "workers": {"max": 1, "resources": {"cpus": 3}}}
    report = CommandWalk(dag, str(tmp_path), Settings(pool=Pool({"tapes": 2, "cpus": 1}), engine=engine)).run()
    assert report.ok, report
