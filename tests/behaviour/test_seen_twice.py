"""One file that is read by several names or in several ways has one look: a run after a run reads nothing of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from project import Project
from watched import READY, Watched

LAYOUT = """
mkdir -p src/sub bin
for file in src/a src/b src/sub/c; do echo $file > $file; done
ln -s a src/link
printf '#!/bin/sh\\necho tool\\n' > bin/tool
chmod +x bin/tool
"""
PLANS = {
    "a tree and a glob in it": """
  tree: {run: cat src/a, in: src/}
  each: {run: cat src/a, in: "src/**/*"}
""",
    "a tree and a glob of one action": """
  both: {run: cat src/a, in: [src/, "src/**/*"]}
""",
    "a tree and names in it": """
  tree: {run: cat src/a, in: src/}
  name: {run: cat src/a, in: [src/a, src/sub/c, src/link]}
""",
    "a tree in a tree": """
  tree: {run: cat src/a, in: src/}
  below: {run: cat src/sub/c, in: src/sub/}
""",
    "a tree and what is found in it": """
  tree: {run: cat src/a, in: src/}
  found: {sh: "cat src/a > ${out}; echo 'o/found: src/a src/sub/c' > ${depfile}", out: o/found, depfile: o/found.d}
""",
    "a tree and a tool in it": """
  tree: {run: cat bin/tool, in: bin/}
  tool: {sh: "bin/tool > ${out}", tools: bin/tool, out: o/tool}
  program: {run: bin/tool, in: src/a}
""",
    "a tree that is made and names in it": """
  make: {sh: "mkdir -p site/deep; cp src/a site/x; cp src/b site/deep/y", in: src/, out: site/}
  tree: {run: cat site/x, in: site/}
""",
    "made files and the tree that they lie in": """
  one: {sh: "cp src/a ${out}", in: src/a, out: o/t/one}
  two: {sh: "cp src/b ${out}", in: src/b, out: o/t/two}
  tree: {run: cat o/t/one, in: o/t/}
""",
}


def state(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def prepared(project: Project, actions: str) -> Project:
    project.write("plan", f"treadle: 1\nactions:\n{actions}")
    subprocess.run(["sh", "-ec", LAYOUT], cwd=project.folder, check=True)
    return project


@pytest.mark.parametrize("actions", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("change", ["true", "echo changed > src/a"], ids=["at first", "after a change"])
def test_what_is_read_in_two_ways_is_known_in_the_run_after_the_next(
    project: Project, actions: str, change: str
) -> None:
    prepared(project, actions)
    assert project.treadle("run", "-k", *names(actions)).code == 0
    subprocess.run(["sh", "-ec", change], cwd=project.folder, check=True)
    for _ in range(2):
        assert project.treadle("run", "-k", *names(actions)).code == 0
    before = state(project.folder / ".treadle")
    assert project.treadle("run", "-k", *names(actions)).out.startswith("nothing to do")
    # a run that has to look at anything keeps what it has seen
    assert state(project.folder / ".treadle") == before


def names(actions: str) -> list[str]:
    return [line.split(":")[0].strip() for line in actions.strip().splitlines()]


def test_a_save_in_a_tree_that_is_also_read_by_name_is_one_round(project: Project) -> None:
    prepared(project, PLANS["a tree and names in it"])
    watched = Watched(project.folder, "tree", "name")
    watched.until(READY)
    for text in ("one", "two", "three"):
        project.write("src/a", text)
        changed, *rest = watched.round()
        assert changed.startswith("changed: src/a, src/link")
        # what the two print is shown too, as they were named; they run side by side, so either may end first
        *ran, totals = [line for line in rest if " run" in line or line.startswith("ran ")]
        assert (sorted(ran), totals) == (["ran name", "ran tree"], "2 run in")
    assert watched.end() == 130
