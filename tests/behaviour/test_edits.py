"""`edits`: files that an action reads and writes in place."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from helpers import plan, run_treadle
from plan_folder import Folder

PLAN = """\
default: ['*']
actions:
  format:
    sh: 'for f in ${edits}; do tr a-z A-Z < "$f" > t; cat t > "$f"; done; rm t; echo >> formats'
    edits: "src/*.txt"
  lint: {sh: 'cat src/*.txt; echo >> lints', in: "src/*.txt"}
  pack: {sh: 'cat src/*.txt > ${out}', in: src/, out: pack}
"""


def counts(folder: Path) -> tuple[int, int]:
    return tuple(len((folder / name).read_text()) for name in ("formats", "lints"))  # type: ignore[return-value]


def start(folder: Path) -> None:
    plan(folder, PLAN)
    (folder / "src").mkdir()
    (folder / "src/a.txt").write_text("a\n")
    (folder / "src/b.txt").write_text("b\n")


def test_readers_wait_and_nothing_runs_for_its_own_work(tmp_path: Path) -> None:
    start(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "pack").read_text() == "A\nB\n"
    for _ in range(2):
        assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    run_treadle(tmp_path, "status", check=0)
    assert counts(tmp_path) == (1, 1)


def test_a_change_runs_it_and_its_readers_once(tmp_path: Path) -> None:
    start(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "src/a.txt").write_text("new\n")
    status = run_treadle(tmp_path, "status", check=1).lines
    assert "run format: edited src/a.txt changed" in status
    assert "may run lint: depends on format" in status
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "pack").read_text() == "NEW\nB\n"
    assert counts(tmp_path) == (2, 2)
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    # what comes out as it was before is no change for the readers
    (tmp_path / "src/a.txt").write_text("new\n")
    run_treadle(tmp_path, "run", check=0)
    assert counts(tmp_path) == (3, 2)
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out


def test_it_is_told_who_edits_and_who_waits(tmp_path: Path) -> None:
    start(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    files = run_treadle(tmp_path, "list", "--files", "format", check=0).lines
    assert files == ["format", "  edits", "    src/a.txt  read by lint, pack", "    src/b.txt  read by lint, pack"]
    told = run_treadle(tmp_path, "why", "format", check=0).lines
    assert "    lint reads src/a.txt, src/b.txt" in told


def test_a_file_more_and_a_file_less_count(tmp_path: Path) -> None:
    start(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "src/c.txt").write_text("c\n")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "pack").read_text() == "A\nB\nC\n"
    (tmp_path / "src/a.txt").unlink()
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "pack").read_text() == "B\nC\n"
    assert counts(tmp_path) == (3, 3)


def test_a_failure_keeps_the_files_and_blocks_the_readers(tmp_path: Path) -> None:
    start(tmp_path)
    plan(tmp_path, PLAN.replace("rm t; echo >> formats", "exit 3"))
    run_treadle(tmp_path, "run", check=1)
    assert (tmp_path / "src/a.txt").read_text() == "A\n"
    assert not (tmp_path / "lints").exists()
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", check=0)
    assert counts(tmp_path) == (1, 1)
    run_treadle(tmp_path, "clean", check=0)
    assert (tmp_path / "src/a.txt").read_text() == "A\n"


def test_a_reader_asked_for_alone_brings_the_editor_in(tmp_path: Path) -> None:
    start(tmp_path)
    assert run_treadle(tmp_path, "run", "-n", "lint", check=1).lines[:2] == [
        "run format: new: it has not run here before",
        "run lint: new: it has not run here before",
    ]
    run_treadle(tmp_path, "run", "lint", check=0)
    assert (tmp_path / "src/a.txt").read_text() == "A\n"
    assert counts(tmp_path) == (1, 1)
    for names in (["lint"], ["format"], ["lint", "format"]):
        assert "nothing to do" in run_treadle(tmp_path, "run", *names, check=0).out


def test_a_parameter_leaves_the_editor_of_a_check_out(tmp_path: Path) -> None:
    start(tmp_path)
    text = PLAN.replace('edits: "', 'when: fix\n    edits: "')
    plan(tmp_path, "params: {fix: {type: bool, default: false}}\n" + text)
    run_treadle(tmp_path, "run", "lint", check=0)
    assert (tmp_path / "src/a.txt").read_text() == "a\n"
    run_treadle(tmp_path, "run", "lint", "-p", "fix=true", check=0)
    assert counts(tmp_path) == (1, 2)
    assert "nothing to do" in run_treadle(tmp_path, "run", "lint", check=0).out


def test_an_editor_that_is_left_out_leaves_the_files_as_they_are(tmp_path: Path) -> None:
    start(tmp_path)
    plan(tmp_path, "params: {f: {default: no}}\n" + PLAN.replace('edits: "', "when: f == 'yes'\n    edits: \""))
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "pack").read_text() == "a\nb\n"
    run_treadle(tmp_path, "run", "-p", "f=yes", check=0)
    assert (tmp_path / "pack").read_text() == "A\nB\n"


def test_random_edits_are_never_stale_and_never_needless(tmp_path: Path) -> None:
    start(tmp_path)
    chance = random.Random(4)
    names = [tmp_path / f"src/{name}.txt" for name in "abcde"]
    for _ in range(12):
        for name in chance.sample(names, chance.randint(0, 2)):
            name.write_text(f"{chance.choice('xyz')}\n")
        run_treadle(tmp_path, "run", *chance.choice([[], ["pack"], ["lint"]]), check=0)
        run_treadle(tmp_path, "run", check=0)
        there = sorted(name for name in names if name.exists())
        assert (tmp_path / "pack").read_text() == "".join(name.read_text() for name in there)
        assert all(name.read_text().isupper() for name in there)
        before = counts(tmp_path)
        run_treadle(tmp_path, "run", "*", check=0)
        assert counts(tmp_path) == before


def test_edits_are_a_value_of_commands_and_of_the_list(folder: Folder) -> None:
    folder.write("d/a", "d/b")
    plan = folder.load(
        "  a: {run: 'x ${edits} --f=${edits}', edits: d/a}\n  b: {run: 'x ${edits}', edits: [d/b], cwd: d}\n"
    )
    assert plan.actions["a"].command.steps == (("x", "d/a", "--f=d/a"),)
    assert plan.actions["b"].command.steps == (("x", "b"),)
    assert plan.actions["b"].command.edits == ("d/b",)
    assert plan.default == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  a: {run: x, edits: gone}\n", "the input gone does not exist"),
        ("  a: {run: x, edits: '*.none'}\n", "matches nothing"),
        ("  a: {run: x, edits: src/}\n", "edits needs files, but src/ is a folder"),
        ("  a: {run: x, edits: /etc/passwd}\n", "is outside the root"),
        ("  a: {run: x, edits: treadle.yaml}\n", "is the plan itself"),
        ("  a: {run: x, edits: .treadle/x}\n", "is in the state folder"),
        ("  a: {run: x, edits: [{from: b}]}\n  b: {run: x, out: o}\n", "edits cannot use from"),
        ("  a: {run: x, edits: o}\n  b: {run: x, out: o}\n", "a edits o, which b makes"),
        ("  a: {run: x, edits: src/f}\n  b: {run: x, edits: 'src/*'}\n", "two actions edit src/f: a and b"),
        ("  a: {run: x, edits: src/f}\n  b: {run: x, dotenv: src/f}\n", "a edits this file, and it is read before"),
        ("  a: {run: x, edits: 'src/*'}\nvars: {v: {file: src/f}}\n", "a edits this file, and it is read before"),
        ("  a: {run: x, edits: 'p*'}\ninclude: [p.yaml]\n", "a edits the included plan p.yaml"),
        ("  a: {run: x, edits: src/f, in: src/}\n", "a reads src/ and edits src/f"),
        ("  a: {run: x, edits: src/f, in: src/f}\n", "a reads src/f and edits src/f"),
        ("  a: {run: x, edits: {n: src/f}}\n", "an edited file cannot be a map with n"),
        ("  a: {run: x, edits: src/f, needs: b}\n  b: {run: x, in: src/f}\n", "wait for each other"),
        ("  a: {run: 'x ${edits}'}\n", "this action has no edits"),
    ],
)
def test_a_mistake_in_edits_is_told(text: str, said: str, folder: Folder) -> None:
    folder.write("src/f")
    folder.write("p.yaml", text="treadle: 1\nactions: {x: {run: x}}\n")
    problem = folder.problems(text)[0]
    assert said in problem.what
    assert problem.place is not None or "wait" in said
    assert problem.hint or "exist" in said
