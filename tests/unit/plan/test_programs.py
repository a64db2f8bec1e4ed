"""Programs that an action starts and another one makes."""

from __future__ import annotations

import pytest

from plan_folder import Folder

GEN = "  gen: {run: cc, out: bin/g2}\n"


@pytest.mark.parametrize(
    "action",
    [
        "{run: bin/g2}",
        "{run: ./bin/../bin/g2 x}",
        "{run: ROOT/bin/g2 x}",
        "{run: [date, bin/g2, date]}",
        "{argv: [bin/g2, x]}",
        "{argv: [ROOT/bin/g2]}",
        "{run: '${p} x', foreach: {p: [bin/g2]}}",
        "{run: '${in}2 x', in: bin/g}",
        "{run: x, tools: [bin/g2]}",
        "{run: x, tools: [ROOT/bin/g2]}",
        "{run: x, tools: [{tool: cc, version: bin/g2 --version}]}",
        "{run: x, tools: [{tool: bin/g2, version: cc --version}]}",
        "{sh: x, shell: [bin/g2, -c]}",
        "{run: ../bin/g2, cwd: sub}",
        "{sh: x, shell: [../bin/g2, -c], cwd: sub}",
        "{run: x, tools: [bin/g2], cwd: sub}",
    ],
)
def test_an_action_waits_for_the_maker_of_what_it_starts(action: str, folder: Folder) -> None:
    folder.write("sub/", "bin/g")
    plan = folder.load(GEN + "  use: " + action.replace("ROOT", str(folder.root)) + "\n")
    (command,) = [one for uid, one in plan.actions.items() if uid != "gen"]
    assert command.predecessors == ("gen",)


def test_a_program_in_an_output_folder_waits_for_the_maker_of_the_folder(folder: Folder) -> None:
    plan = folder.load("  venv: {run: make, out: .venv/}\n  use: {run: .venv/bin/pytest}\n")
    assert plan.actions["use"].predecessors == ("venv",)
    assert list(plan.dag(["use"]).vertex_data) == ["venv", "use"]


@pytest.mark.parametrize(
    "action",
    [
        "{run: g2}",
        "{run: x bin/g2}",
        "{run: bin/g3}",
        "{run: /bin/g2}",
        "{run: bin/g2, cwd: sub}",
        "{run: x, tools: [g2]}",
        "{argv: [bin/g2/]}",
    ],
)
def test_what_no_action_makes_or_path_finds_waits_for_nobody(action: str, folder: Folder) -> None:
    folder.write("sub/")
    assert folder.load(GEN + f"  use: {action}\n").actions["use"].predecessors == ()


def test_a_program_is_no_listed_input(folder: Folder) -> None:
    plan = folder.load(GEN + "  use: {run: bin/g2}\n")
    assert plan.actions["use"].command.inputs == ()


def test_who_starts_a_program_of_what_is_left_out_is_left_out(folder: Folder) -> None:
    plan = folder.load(
        "  gen: {run: cc, out: bin/g2, when: false}\n  use: {run: bin/g2, out: o}\n  more: {run: x, in: o}\n"
        "  tool: {run: x, tools: [bin/g2]}\n  other: {run: x}\n"
    )
    assert list(plan.actions) == ["other"]
    assert plan.left_out["use"] == "needs bin/g2 of gen, which is disabled"
    assert plan.left_out["tool"] == "needs bin/g2 of gen, which is disabled"
    assert plan.left_out["more"] == "needs o of use, which is disabled"


def test_a_program_known_by_its_input_only_cannot_be_left_out(folder: Folder) -> None:
    folder.write("bin/g")
    problems = folder.problems("  gen: {run: cc, out: bin/g2, when: false}\n  use: {run: '${in}2', in: bin/g}\n")
    assert [problem.what for problem in problems] == ["use starts bin/g2 of gen, which is disabled"]
    assert problems[0].place is not None
    assert problems[0].place.line == 4


@pytest.mark.parametrize(
    ("action", "column"),
    [
        ("{run: out/x y, out: out/x}", 12),
        ("{run: './${out}', out: x}", 12),
        ("{argv: [out/d/x], out: out/d/}", 14),
        ("{run: y, out: out/x, tools: [out/x]}", 35),
        ("{run: y, out: out/x, tools: [{tool: x, version: out/x -V}]}", 54),
        ("{sh: y, out: out/x, shell: [out/x, -c]}", 33),
    ],
)
def test_an_action_cannot_start_with_what_it_makes_itself(action: str, column: int, folder: Folder) -> None:
    (problem,) = folder.problems(f"  a: {action}\n")
    assert problem.what.startswith("a starts its own output ")
    assert problem.facts[0].startswith("made at ")
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (3, column)


def test_a_later_command_may_start_what_an_earlier_one_made(folder: Folder) -> None:
    plan = folder.load("  a: {run: [python3 -m venv .venv, .venv/bin/pip list], out: .venv/}\n")
    assert plan.actions["a"].predecessors == ()


def test_actions_that_start_each_others_programs_wait_in_a_circle(folder: Folder) -> None:
    (problem,) = folder.problems("  a: {run: bin/b, out: bin/a}\n  b: {run: bin/a, out: bin/b}\n")
    assert problem.what == "2 actions wait for each other"
