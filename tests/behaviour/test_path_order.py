"""Which of the ready actions starts first, by the real command with one token: durations come from records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from project import Project
from record_durations import set_durations

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


def action(name: str, needs: str = "", more: str = "", says: str = "") -> str:
    """Return an action that says its name and reads the seed."""
    says = says or name
    inputs = f"[seed, o/{needs}]" if needs else "seed"
    return (
        f"  {name}: {{sh: 'echo {says} >> $LOG; cat seed > ${{out}}', in: {inputs}, out: 'o/{says}', pass: [LOG]"
        f"{more and ', '}{more}}}\n"
    )


def write(project: Project, *actions: str) -> None:
    project.write("seed", "1")
    project.write("plan", "treadle: 1\nparams: {unused: {default: ''}}\nactions:\n" + "".join(actions))


def order(project: Project, *words: str, code: int = 0) -> list[str]:
    """Run with one token; return what has started, in order."""
    before = len(project.starts())
    done = project.treadle("run", "-j1", *words)
    assert done.code == code, done.text
    return project.starts()[before:]


def take(project: Project, **seconds: float) -> None:
    """Have the records say that each action took a second, and these as long as is said here; then edit the seed."""
    set_durations(project.folder, {name.replace("_", "@"): taken for name, taken in seconds.items()})
    # the snapshot that an edit is answered by knows these records
    assert order(project) == []
    project.write("seed", project.read("seed") + "1")


ALONE_AND_CHAIN = (action("a"), action("b"), action("first"), action("second", "first"))


def test_a_chain_starts_before_what_stands_alone_and_equal_ones_as_the_plan_has_them(project: Project) -> None:
    """A2: without records each action counts a second."""
    write(project, *ALONE_AND_CHAIN)
    assert order(project) == ["first", "a", "b", "second"]


@pytest.mark.parametrize("words", [(), ("--force",), ("-p", "unused=1"), ("a", "b", "second")])
def test_what_took_longer_when_it_last_succeeded_starts_first(words: tuple[str, ...], project: Project) -> None:
    """A2: with one edit by the fast path, by the whole walk, with other parameters, with names."""
    write(project, *ALONE_AND_CHAIN)
    order(project)
    take(project, b=40.0)
    assert order(project, *words) == ["b", "first", "a", "second"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"second": 50.0, "a": 20.0}, ["first", "second", "a", "b"]),
        ({"second": 50.0, "a": 70.0}, ["a", "first", "second", "b"]),
        ({"first": 0.1, "second": 0.1}, ["a", "b", "first", "second"]),
        ({"first": 0.5, "second": 0.5}, ["a", "b", "first", "second"]),
    ],
)
def test_the_time_of_the_path_counts(seconds: dict[str, float], expected: list[str], project: Project) -> None:
    """A2: not the time of its first action, and not how many actions it has."""
    write(project, *ALONE_AND_CHAIN)
    order(project)
    take(project, **seconds)
    assert order(project) == expected


def test_a_priority_comes_before_every_path(project: Project) -> None:
    """A2."""
    write(project, action("a"), action("b", more="priority: 1"), action("first"), action("second", "first"))
    order(project)
    take(project, second=50.0)
    assert order(project) == ["b", "first", "second", "a"]


def test_what_waits_for_a_resource_goes_by_its_path_too(project: Project) -> None:
    """A2."""
    one = "resources: {licences: 1}"
    write(project, action("a", more=one), action("b", more=one), action("c", more=one))
    project.write("plan", project.read("treadle.yaml").replace("params:", "pool: {licences: 1}\nparams:"))
    order(project)
    take(project, b=5.0, c=9.0)
    assert order(project, "-j4") == ["c", "b", "a"]


def test_a_failure_leaves_the_duration_of_the_last_success(project: Project) -> None:
    """A2: also where that success is no reason to skip any more."""
    write(project, *ALONE_AND_CHAIN)
    order(project)
    take(project, b=40.0)
    plan = project.read("treadle.yaml")
    project.write("plan", plan.replace("echo b >> $LOG;", "false;"))
    order(project, "-k", code=1)
    project.write("plan", plan)
    project.write("seed", "3")
    assert order(project)[0] == "b"


def test_a_new_instance_counts_the_median_of_its_family(project: Project) -> None:
    """A2: by all records of the family, also of instances that are not asked for."""
    each = action("f", more="foreach: {n: [%s]}", says="f${n}")
    write(project, action("a"), action("b"), each % "0, 1, 2, 3")
    order(project)
    take(project, f_0=2.0, f_1=9.0, f_2=4.0, f_3=300.0, a=6.0, b=7.0)
    write(project, action("a"), action("b"), each % "0, 1, 2, 3, 4")
    project.write("seed", "another")
    # the median of 2, 4, 9 and 300 is 6.5
    assert order(project, "a", "b", "f@4") == ["b", "f4", "a"]


def test_an_adopted_record_says_nothing_of_a_duration(project: Project) -> None:
    """A2: nothing ran, so the action counts a second, and not none."""
    write(project, action("a"), action("b"))
    project.write("o/b", "1")
    assert project.treadle("adopt", "b").code == 0
    order(project)
    take(project, a=0.5)
    assert order(project) == ["b", "a"]
