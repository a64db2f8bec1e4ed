"""Errors stay short whatever is in them: a list of thousands is told by some of it and by how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_treadle
from treadle import DAG
from treadle.core.admission import Admission
from treadle.errors import TreadleError, listed, shortened
from treadle.plan.load import load_plan
from treadle.ui.error_text import problem_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANY = 3_000
ALL = [f"name{number}" for number in range(MANY)]
NAMES = ", ".join(ALL)
MAP = ", ".join(f"{name}: x" for name in ALL)


@pytest.mark.parametrize(
    ("names", "most", "text"),
    [
        ([], 3, ""),
        (["a"], 3, "a"),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c, and 1 more"),
        (range(5_000), 2, "0, 1, and 4,998 more"),
    ],
)
def test_a_list_is_told_by_its_first_names_and_a_number(names: list[str], most: int, text: str) -> None:
    assert listed(names, most) == text


def test_what_has_an_order_is_told_by_its_ends() -> None:
    assert shortened(ALL[:20]) == ALL[:20]
    assert shortened(ALL, 4) == ["name0", "name1", "... 2,996 more ...", "name2998", "name2999"]


PLANS = {
    "parameters of the plan": f"params: {{{MAP}}}\nactions: {{a: {{run: x}}}}\n",
    "choices": f"params: {{p: {{choices: [{NAMES}], default: none}}}}\nactions: {{a: {{run: x}}}}\n",
    "a default of words": f"params: {{p: {{type: list, split: words, default: {NAMES.replace(',', '')}}}}}\n"
    "actions: {a: {run: x}}\n",
    "outputs": f"actions: {{a: {{run: x, out: {{{MAP.replace(': x', ': o/')}}}}}, b: {{run: y, in: {{from: a.none}}}}}}\n",
    "named outputs": "actions: {a: {run: x, out: {"
    + ", ".join(f"{name}: o/{name}" for name in ALL)
    + "}}, b: {run: y, in: {from: a.none}}}\n",
    "a select": f"vars: {{v: {{select: none, {MAP}}}}}\nactions: {{a: {{run: 'x ${{v}}'}}}}\n",
    "a map": f"actions: {{a: {{run: x, in: [{{{MAP}}}]}}}}\n",
    "a glob": f"actions: {{a: {{run: x, in: {{glob: [{', '.join(f'{name}/*' for name in ALL)}]}}}}}}\n",
    "a from": f"actions: {{a: {{run: x, in: {{from: [{NAMES}]}}}}}}\n",
    "vars of each other": "vars:\n"
    + "".join(f"  {name}: ${{{ALL[(number + 1) % MANY]}}}\n" for number, name in enumerate(ALL[:300] + ALL[300:]))
    + "actions: {a: {run: x}}\n",
    "actions that wait": "actions:\n"
    + "".join(f"  {name}: {{run: x, needs: {ALL[(number + 1) % MANY]}}}\n" for number, name in enumerate(ALL)),
    "fields": f"actions: {{a: {{foreach: {{r: [{{{MAP}}}]}}, run: 'x ${{r.none}}'}}}}\n",
    "a name of any length": f"actions: {{a: {{run: x, needs: {'x' * 100_000}}}}}\n",
    "a program of any length": f"actions: {{a: {{run: x, cwd: {'x' * 100_000}}}}}\n",
}


@pytest.mark.parametrize("text", PLANS.values(), ids=PLANS)
def test_the_errors_of_a_plan_are_short(text: str, tmp_path: Path) -> None:
    (tmp_path / "treadle.yaml").write_text(f"treadle: 1\n{text}")
    with pytest.raises(TreadleError) as caught:
        load_plan(
            str(tmp_path / "treadle.yaml"), params={"nothing": "x"} if text.startswith("params: {name0") else {}
        )
    for problem in getattr(caught.value, "problems", (caught.value,))[:3]:
        shown = problem_lines(problem)
        assert len(shown) < 60
        assert sum(len(piece) for line in shown for piece, _ in line) < 10_000
        assert all(len(str(fact)) < 3_000 for fact in problem.facts), problem.facts


def tagged() -> object:
    graph = DAG()
    for name in ALL:
        graph.add_vertex(name)
        graph.add_tag(name, "x")
    return graph.prune(lambda _graph, _uid: True)


def cycle() -> object:
    graph = DAG()
    for number, name in enumerate(ALL):
        graph.update_vertex(name, predecessors=[ALL[number - 1]], enable_checks=False)
    graph.check()
    return graph


@pytest.mark.parametrize("make", [tagged, cycle])
def test_the_errors_of_a_graph_are_short(make: Callable[[], object]) -> None:
    with pytest.raises(TreadleError) as caught:
        make()
    assert len(str(caught.value)) < 3_000
    assert "more" in str(caught.value)


def test_a_demand_for_an_unknown_queue_names_some_queues() -> None:
    said = Admission(dict.fromkeys(ALL, 1)).refusal("none", 1)
    assert said is not None
    assert said.endswith("and 2,992 more)")


@pytest.mark.parametrize("words", [("run", "none"), ("run", "-p", "none=1"), ("run", "-l", "none"), ("log", "a*")])
def test_the_errors_of_the_command_are_short(words: tuple[str, ...], tmp_path: Path) -> None:
    actions = "".join(f"  a{name}: {{run: x, tags: [{name}]}}\n" for name in ALL[:500])
    plan(tmp_path, f"params: {{{', '.join(f'{name}: {{default: x}}' for name in ALL[:500])}}}\nactions:\n{actions}")
    said = run_treadle(tmp_path, *words, check=2).err
    assert len(said) < 3_000


@pytest.mark.parametrize(
    "words", [("why", "--", "x\ny"), ("run", "x\ny"), ("why", "x\ny"), ("run", "-f", "x\ny"), ("run", "-C", "x\ny")]
)
def test_a_name_with_a_line_end_is_told_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {run: x}}\n")
    said = run_treadle(tmp_path, *words, check=2).err
    assert "x\\ny" in said
    assert "\n  y" not in said
