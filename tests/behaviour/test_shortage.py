"""A run with few descriptors and many jobs: it is slower, and nothing else."""

from __future__ import annotations

import json

import pytest

from project import Project
from waiting import is_alive, until


def bounded(project: Project, descriptors: int) -> None:
    project.prefix = ("bash", "-c", f'ulimit -n {descriptors}; exec "$0" "$@"')


@pytest.mark.parametrize("descriptors", [24, 40, 128])
@pytest.mark.parametrize("command", ["sh: 'cat ${in} > ${out}'", "argv: [cat, '${in}'], stdout: o/N"])
def test_all_is_made_and_each_action_starts_once(project: Project, descriptors: int, command: str) -> None:
    count = 120
    for n in range(count):
        project.write(f"in/{n}", f"{n}\n")
    actions = "".join(f"  a{n}: {{{command.replace('N', str(n))}, in: in/{n}, out: o/{n}}}\n" for n in range(count))
    project.write("plan", "treadle: 1\nactions:\n" + actions)
    bounded(project, descriptors)
    done = project.treadle("run", "-j1000", "--events", "events")
    assert done.code == 0, done.text
    assert all(project.read(f"o/{n}") == f"{n}\n" for n in range(count))
    events = [json.loads(line) for line in project.read("events").splitlines()]
    started = [event["name"] for event in events if event.get("event") == "started"]
    assert sorted(started) == sorted(f"a{n}" for n in range(count))
    assert project.treadle("run", "-j1000").out.startswith("nothing to do")


def test_an_interrupted_run_ends_all_that_it_has_started(project: Project) -> None:
    actions = "".join(f"  a{n}: {{sh: 'echo $$ >> $LOG; exec sleep 60', pass: [LOG]}}\n" for n in range(60))
    project.write("plan", "treadle: 1\nactions:\n" + actions)
    bounded(project, 48)
    child = project.start("run", "-j1000", *(f"a{n}" for n in range(60)))
    until(lambda: len(project.starts()) > 3, "some actions run")
    child.terminate()
    child.communicate(timeout=60)
    assert not [pid for pid in project.starts() if is_alive(int(pid))]
