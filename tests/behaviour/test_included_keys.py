"""In an included plan paths of these keys are relative to its folder, as all its paths are."""

from __future__ import annotations

from plan_folder import Folder

INNER = """\
treadle: 1
params: {mode: {default: x}}
vars: {c: {file: p.yaml}, s: {select: "${mode}", y: yes, else: no}}
actions:
  a: {foreach: {t: "${c.sets}"}, run: "x ${t.n} ${c.lr} ${s}", dotenv: .env, out: "${t.name}", once: true}
  f: {run: "x ${edits}", edits: "*.txt"}
  r: {run: {select: "${platform.os}", else: "x ${in}"}, in: one.txt, tags: slow}
"""


def test_files_of_an_included_plan_are_its_own(folder: Folder) -> None:
    folder.write("sub/plan.yaml", text=INNER)
    folder.write("sub/p.yaml", text="lr: 0.1\nsets: [{name: u, n: 3}]\n")
    folder.write("sub/.env", text="A=1\n")
    folder.write("sub/one.txt", "p.yaml")
    text = "treadle: 1\ninclude: [{file: sub/plan.yaml, params: {mode: y}}]\nactions:\n  top: {run: x, in: sub/one.txt}\n"
    plan = folder.load(text)
    assert plan.actions["sub:a@u"].command.steps == (("x", "3", "0.1", "yes"),)
    assert plan.actions["sub:a@u"].command.env.set == {"A": "1"}
    assert plan.actions["sub:a@u"].command.once
    assert plan.actions["sub:f"].command.edits == ("sub/one.txt",)
    assert plan.actions["sub:f"].command.steps == (("x", "one.txt"),)
    assert plan.actions["sub:r"].predecessors == plan.actions["top"].predecessors == ("sub:f",)
    assert plan.actions["sub:r"].tags == ("slow",)
    assert {str(folder.root / f"sub/{name}") for name in ("plan.yaml", "p.yaml", ".env")} <= plan.looks.read.keys()


def test_a_mistake_in_a_file_of_an_included_plan_names_both_files(folder: Folder) -> None:
    folder.write("sub/plan.yaml", text=INNER)
    folder.write("sub/p.yaml", text="lr: [\n")
    problems = folder.problems("treadle: 1\ninclude: [sub/plan.yaml]\nactions: {top: {run: x}}\n")
    assert problems[0].place is not None
    assert problems[0].place.file.endswith("sub/p.yaml")
    (folder.root / "sub/p.yaml").unlink()
    first = folder.problems("treadle: 1\ninclude: [sub/plan.yaml]\nactions: {top: {run: x}}\n")[0]
    assert first.place is not None
    assert (first.place.file.endswith("sub/plan.yaml"), first.place.line) == (True, 3)
