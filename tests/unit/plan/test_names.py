"""What names stand for, and which files are plans."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plan_folder import Folder
from treadle.errors import PlanError, UsageError
from treadle.plan.load import load_outline, load_plan
from treadle.plan.yaml.detect import is_plan

# What names stand for.

NAMES = """\
treadle: 1
groups: {ci: [lint, "fit@*"], all: [ci, out/all], off: [gone]}
actions:
  fit: {run: x, foreach: {p: [a, b]}, out: "out/${p}.n"}
  merge: {run: x, in: {from: fit}, out: [out/all, site/]}
  lint: {run: x}
  gone: {run: x, when: false, out: out/gone}
"""


@pytest.mark.parametrize(
    ("names", "uids"),
    [
        (["merge"], ["merge"]),
        (["lint", "fit"], ["fit@a", "fit@b", "lint"]),
        (["fit@b"], ["fit@b"]),
        (["out/all"], ["merge"]),
        (["./out//a.n"], ["fit@a"]),
        (["site/"], ["merge"]),
        (["site"], ["merge"]),
        (["site/sub/index.html"], ["merge"]),
        (["ci"], ["fit@a", "fit@b", "lint"]),
        (["all"], ["fit@a", "fit@b", "merge", "lint"]),
        (["fit@?"], ["fit@a", "fit@b"]),
        (["*i*"], ["fit@a", "fit@b", "merge", "lint"]),
        (["out/*.n"], ["fit@a", "fit@b"]),
        (["*"], ["fit@a", "fit@b", "merge", "lint"]),
    ],
)
def test_select_knows_names_outputs_groups_and_patterns(names: list[str], uids: list[str], folder: Folder) -> None:
    assert folder.load(NAMES).select(names) == uids


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mrge", "did you mean merge?"),
        ("fit@c", "did you mean fit@"),
        ("out/al", "did you mean out/all?"),
        ("x*x", "nothing matches"),
        ("", "there is no action"),
        ("gone", "gone: when false is false"),
        ("out/gone", "out/gone is disabled"),
        ("off", "off is disabled"),
    ],
)
def test_select_says_what_is_unknown_or_left_out(name: str, words: str, folder: Folder) -> None:
    with pytest.raises(UsageError) as caught:
        folder.load(NAMES).select([name])
    assert words in str(caught.value)


def test_a_bare_run_does_all_that_has_outputs_and_nothing_else(folder: Folder) -> None:
    assert folder.load("  a: {run: x, out: o}\n  b: {run: x}\n").default == ("a",)
    assert folder.load("  a: {run: x}\n  b: {run: x}\n").default == ()
    assert folder.load("treadle: 1\ndefault: b\nactions: {a: {run: x, out: o}, b: {run: x}}\n").default == ("b",)


def test_a_family_without_instances_is_known_and_stands_for_nothing(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nvars: {l: []}\ngroups: {g: ['f*'], h: [fit]}\n"
        "actions:\n  fit: {run: x, foreach: {p: '${l}'}}\n  a: {run: y, needs: fit, after: g}\n"
    )
    assert plan.actions["a"].predecessors == ()
    for name in ("fit", "f*", "g", "h"):
        with pytest.raises(UsageError, match="selects no action"):
            plan.select([name])


def test_groups_in_a_circle_end(folder: Folder) -> None:
    plan = folder.load('treadle: 1\ngroups: {g: [h, a], h: [g, "*"]}\nactions: {a: {run: x}, b: {run: x}}\n')
    assert plan.select(["g"]) == ["a", "b"]


# Files.


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("p.yaml", "treadle: 1\n", True),
        ("p.yml", "# x\n---\nactions: {}\ntreadle: 1\n", True),
        ("p.yaml", '{"treadle": 1}', True),
        ("p.yaml", "\ufefftreadle: 1", True),
        ("p.txt", "treadle: 1\n", False),
        ("p.yaml", "a: {treadle: 1}\n", False),
        ("p.yaml", "treadle\n", False),
        ("p.yaml", "\x00\x01", False),
    ],
)
def test_is_plan_looks_for_the_key_at_the_top(name: str, text: str, answer: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert is_plan(str(tmp_path / name)) is answer


def test_is_plan_never_raises(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").mkdir()
    os.mkfifo(tmp_path / "f.yaml")
    for name in ("none.yaml", "d.yaml", "f.yaml", "a\0b.yaml", "x" * 5000 + ".yaml"):
        assert not is_plan(str(tmp_path / name))


def test_the_place_of_an_error_is_the_file_as_it_was_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("treadle.yaml", text="treadle: 1\nactions: {a: {run: x | y}}\n")
    monkeypatch.chdir(folder.root)
    with pytest.raises(PlanError) as caught:
        load_plan("treadle.yaml")
    assert str(caught.value.place) == "treadle.yaml:2:22"


def test_ten_thousand_actions_load_in_seconds(folder: Folder) -> None:
    text = "".join(
        f"  a{i}:\n    run: cc -c ${{in}} -o ${{out}}\n    in: o/{i}\n    out: o/{i + 1}\n" for i in range(10_000)
    )
    folder.write("o/0")
    plan = folder.load(text)
    assert plan.actions["a9999"].predecessors == ("a9998",)
    assert len(plan.dag(["a9999"]).vertex_data) == 10_000


def test_a_path_outside_the_root_gives_the_part_that_its_glob_has_found(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "deep").mkdir()
    (outside / "a.txt").touch()
    (outside / "deep" / "b.txt").touch()
    plan = folder.load(
        f'  copy:\n    foreach: {{f: "{outside}/**/*.txt"}}\n    run: cp ${{f}} ${{out}}\n    out: o/${{f.stem}}\n'
    )
    assert list(plan.actions) == ["copy@a.txt", "copy@deep/b.txt"]
    assert "${" not in plan.actions["copy@a.txt"].command.shown
    assert str(outside / "a.txt") in plan.actions["copy@a.txt"].command.shown


# The outline.


def test_the_outline_has_the_names_of_the_whole_plan(folder: Folder) -> None:
    whole = folder.load(NAMES)
    outline = load_outline(whole.file)
    assert outline.helps == {uid: action.help for uid, action in whole.actions.items()}
    assert (outline.root, outline.plan_producers) == (whole.root, whole.plan_producers)
    assert outline.names.families == whole.names.families
    assert list(outline.names.outputs) == list(whole.names.outputs)
    assert outline.names.groups == whole.groups


def test_the_outline_has_what_stands_in_plans_that_were_made(folder: Folder) -> None:
    folder.write("made.yaml", text="treadle: 1\nactions: {a: {help: h, run: x, out: o}}\n")
    whole = folder.load(" gen: {run: x, out: made.yaml, expand: made.yaml}\n")
    assert load_outline(whole.file).helps == {"gen": ""}
    assert load_outline(whole.file, generated=["gen"]).helps == {"gen": "", "gen:a": "h"}
    assert load_outline(whole.file, generated=["gen"]).names.outputs.exact("o") == ("gen:a",)


def test_what_is_wrong_with_names_is_wrong_with_the_outline(folder: Folder) -> None:
    whole = folder.load(" a: {run: x}\n")
    folder.write("treadle.yaml", text="treadle: 1\nactions: {a: {run: x, foreach: {i: [1, 1]}}}\n")
    with pytest.raises(PlanError, match="a@1"):
        load_outline(whole.file)
