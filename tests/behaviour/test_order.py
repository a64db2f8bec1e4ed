"""Order alone (`after`): it holds through what is skipped, left away or disabled, and in the walk of a part."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from project import Project
from treadle import DAG, Command, CommandWalk, Script, Settings
from treadle.core import decision

FORMAT = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  fmt: {sh: 'echo fmt >> $LOG; sed -i s/bad/good/ x.c; echo > ${out}', in: x.cfg, out: o/ok}
  MIDDLE
  build: {sh: 'echo build >> $LOG; cat ${in} > ${out}', in: x.c, out: o/built, AFTER}
"""

MIDDLES = {
    "none": ("", "after: fmt"),
    "a middle after it": ("mid: {sh: 'echo > ${out}', out: o/mid, after: fmt}", "after: mid"),
    "a middle that needs it": ("mid: {sh: 'echo > ${out}', out: o/mid, needs: fmt}", "after: mid"),
    "a needed middle": ("mid: {sh: 'echo > ${out}', out: o/mid, after: fmt}", "needs: mid"),
    "a pattern": (
        "mid: {foreach: {n: [1, 2]}, sh: 'echo > ${out}', out: 'o/${n}', after: 'f*t'}",
        "after: 'mid@*'",
    ),
    "a disabled middle": ("mid: {sh: 'echo > ${out}', out: o/mid, after: fmt, when: 'false'}", "after: mid"),
    "a disabled middle that reads it": (
        "mid: {sh: 'echo > ${out}', in: o/ok, out: o/mid, when: 'false'}",
        "after: mid",
    ),
    "two disabled ones": (
        (
            "mid: {sh: 'echo > ${out}', out: o/mid, after: mid2, when: 'false'}\n"
            "  mid2: {sh: 'echo > ${out}', out: o/mid2, needs: fmt, when: 'false'}"
        ),
        "after: mid",
    ),
}


def formatted(project: Project, middle: str) -> None:
    text, after = MIDDLES[middle]
    project.write("plan", FORMAT.replace("MIDDLE", text).replace("AFTER", after))
    project.write("x.c", "good\n")
    project.write("x.cfg", "1")


@pytest.mark.parametrize(
    ("middle", "names"),
    [*((middle, ()) for middle in MIDDLES), *((middle, ("fmt", "build")) for middle in list(MIDDLES)[:3])],
)
def test_what_an_action_before_has_edited_is_looked_at_again(
    project: Project, middle: str, names: tuple[str, ...]
) -> None:
    formatted(project, middle)
    project.run(*names)
    assert project.run(*names) == []
    project.write("x.c", "bad again\n")
    project.write("x.cfg", "2")
    assert project.run(*names, "-j1") == ["build", "fmt"]
    assert project.read("o/built") == "good again\n"
    assert project.run(*names) == []


def test_an_action_that_only_comes_after_is_walked_when_nothing_of_its_own_has_moved(project: Project) -> None:
    formatted(project, "none")
    project.write("x.cfg", "1")
    text = project.read("treadle.yaml").replace("sed -i s/bad/good/ x.c", "cp x.cfg x.c")
    project.write("plan", text)
    project.run()
    project.run()
    project.write("x.cfg", "2")
    assert project.run() == ["build", "fmt"]
    assert project.read("o/built") == "2"
    assert project.run() == []


def test_after_an_edit_of_the_plan_what_comes_after_is_looked_at_again(project: Project) -> None:
    formatted(project, "none")
    text = project.read("treadle.yaml").replace("sed -i s/bad/good/ x.c", "cp x.cfg x.c")
    project.write("plan", text.replace(", after: fmt", ""))
    project.run("-j1")
    project.run("-j1")
    project.write("plan", text)
    assert project.run() == []
    project.write("plan", text.replace("cp x.cfg x.c", "echo edited > x.c"))
    assert project.run() == ["build", "fmt"]
    assert project.read("o/built") == "edited\n"


ORDERED = """
treadle: 1
defaults: {pass: [LOG]}
params: {with_mid: {type: bool, default: 'true'}}
actions:
  last: {sh: 'echo last >> $LOG; echo > ${out}', in: a, out: o/last, after: mid}
  mid: {sh: 'echo mid >> $LOG; echo > ${out}', in: b, out: o/mid, after: first, when: with_mid}
  first: {sh: 'echo first >> $LOG; echo > ${out}', in: a, out: o/first}
"""


@pytest.mark.parametrize("words", [(), ("first", "last"), ("last", "first"), ("-p", "with_mid=false")])
def test_order_holds_through_a_middle_that_does_not_run(project: Project, words: tuple[str, ...]) -> None:
    project.write("plan", ORDERED)
    project.write("a", "1")
    project.write("b", "1")
    project.run("-j4", *words)
    project.write("a", "2")
    before = len(project.starts())
    project.run("-j4", *words)
    assert project.starts()[before:] == ["first", "last"]


def test_a_disabled_middle_closes_no_circle(project: Project) -> None:
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        "  a: {sh: 'echo > ${out}', out: o/a, after: [mid, b]}\n"
        "  mid: {sh: 'true', after: c, when: 'false'}\n"
        "  b: {sh: 'echo > ${out}', out: o/b}\n"
        "  c: {sh: 'echo > ${out}', out: o/c, after: a}\n",
    )
    assert project.treadle("run").code == 0


def test_random_parts_start_in_the_order_of_the_plan(tmp_path: Path) -> None:
    chance = random.Random(5)
    for case in range(3):
        project = Project(tmp_path / f"p{case}")
        before = {n: [m for m in range(n) if chance.random() < 0.4] for n in range(8)}
        lines = []
        for number, those in before.items():
            split = chance.randrange(len(those) + 1)
            needs, after = ([f"a{n}" for n in part] for part in (those[:split], those[split:]))
            sh = f"echo {number} >> $LOG; cat s{number} > ${{out}}"
            lines.append(
                f"  a{number}: {{sh: '{sh}', in: s{number}, out: o/{number}, needs: {needs}, after: {after}}}\n"
            )
            project.write(f"s{number}", "0")
        chance.shuffle(lines)
        project.write("plan", "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n" + "".join(lines))
        project.run()
        around: dict[int, set[int]] = {}
        for number, those in before.items():
            around[number] = set(those).union(*(around[n] for n in those))
        for edit in range(3):
            changed = sorted(chance.sample(range(8), 3))
            for number in changed:
                project.write(f"s{number}", f"{edit + 1}")
            names = [f"a{n}" for n in range(8) if n in changed or chance.random() < 0.3] if edit else []
            started = len(project.starts())
            project.run("-j4", *names)
            order = [int(name) for name in project.starts()[started:]]
            assert set(changed) <= set(order) | (set() if not names else set(changed))
            for at, number in enumerate(order):
                assert around[number].isdisjoint(order[at + 1 :]), (order, number)


def sh(text: str, **more: object) -> Command:
    return Command(script=Script(text, shell=("sh", "-ec")), **more)  # type: ignore[arg-type]


def test_a_walk_looks_again_at_what_comes_after_a_skipped_one_after_a_run(tmp_path: Path) -> None:
    def walk() -> list[object]:
        dag = DAG()
        dag.add_vertex("first", sh("cp i x; touch o1", inputs=["i"], outputs=["o1"]))
        dag.add_vertex("mid", sh("touch o2", inputs=["m"], outputs=["o2"]), after=["first"])
        dag.add_vertex("last", sh("cat x > o3", inputs=["x"], outputs=["o3"]), after=["mid"])
        report = CommandWalk(dag, str(tmp_path), Settings(jobs=2)).run()
        assert report.ok
        verdicts = {a.uid: a.verdict for a in report.actions.values()}
        return [uid for uid, one in verdicts.items() if one is not None and one.decision == decision.RUN]

    for name in ("i", "m", "x"):
        (tmp_path / name).write_text("1")
    walk()
    assert walk() == []
    (tmp_path / "i").write_text("2")
    assert walk() == ["first", "last"]
    assert (tmp_path / "o3").read_text() == "2"
