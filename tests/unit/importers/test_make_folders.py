"""First plans of makefiles whose rules make folders: the plan has each folder that a recipe needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from first_plans import first_plan, write
from helpers import run_treadle

if TYPE_CHECKING:
    from pathlib import Path

USES = "cp a.c build/x; cp build/x t"

NEEDED = {
    "order only": f"t: a.c | build\n\t{USES}\nbuild:\n\tmkdir -p build\n",
    "a plain prerequisite": f"t: build a.c\n\t{USES}\nbuild:\n\tmkdir build\n",
    "by a variable": f"B := build\nall: t\nt: a.c | $(B)\n\t{USES}\n$(B):\n\t@mkdir -p $@\n",
    "with a slash": f"t: a.c | build/\n\t{USES}\nbuild/:\n\tmkdir -p $@\n",
    "in a folder that a rule makes": "t: a.c | b/x\n\tcp a.c b/x/y; cp a.c t\nb/x: | b\n\tmkdir b/x\nb:\n\tmkdir $@\n",
    "below its target": "t: a.c | build\n\tcp a.c build/o/y; cp a.c t\nbuild:\n\tmkdir -p build/o build/bin\n",
    "two of them": "t: a.c | b c\n\tcp a.c b/x; cp a.c c/x; cp a.c t\nb c:\n\tmkdir -p $@\n",
    "an output in another one": "o/t: a.c | build o\n\tcp a.c build/x; cp build/x o/t\nbuild o:\n\tmkdir -p $@\n",
    "through a name for both": f"t: a.c | prepare\n\t{USES}\nprepare: build\nbuild:\n\tmkdir -p build\n",
    "through a phony name for both": f".PHONY: dirs\nt: a.c | dirs\n\t{USES}\ndirs: build\nbuild:\n\tmkdir -p $@\n",
    "named before it": f"all: build t\nt: a.c\n\t{USES}\nbuild:\n\tmkdir -p build\n",
    "a phony name": f".PHONY: dirs\nall: t\nt: a.c | dirs\n\t{USES}\ndirs:\n\tmkdir -p build\n",
    "an action without outputs": ".PHONY: t\nt: | build\n\techo x > build/x\nbuild:\n\tmkdir -p $@\n",
    "a pattern": "all: x.o\n%.o: %.c | build\n\tcp $< build/$*; cp $< $@\nbuild:\n\tmkdir -p $@\n",
    "an order of one of a pattern": "all: x.o\nx.o: | build\n%.o: %.c\n\tcp $< build/$*; cp $< $@\nbuild:\n\tmkdir $@\n",
    "only if it is not there": f"t: a.c | build\n\t{USES}\nbuild:\n\t@test -d build || mkdir build\n",
    "by install": f"t: a.c | build\n\t{USES}\nbuild:\n\tinstall -d -m 755 $@ 2>/dev/null || true\n",
    "with a word on it": f"t: a.c | build\n\t{USES}\nbuild:\n\t@echo making $@\n\tmkdir -p $@\n",
    "the folder itself": "build:\n\tmkdir build\n",
}


@pytest.mark.parametrize("text", NEEDED.values(), ids=NEEDED)
def test_a_folder_that_a_recipe_needs_is_there(text: str, tmp_path: Path) -> None:
    write(tmp_path, Makefile=text, a_dot_c="a", x_dot_c="x")
    first_plan(tmp_path)
    for _ in range(2):
        run_treadle(tmp_path, "run", check=0)


def test_no_action_is_made_for_a_folder_around_outputs_or_inputs(tmp_path: Path) -> None:
    write(
        tmp_path,
        Makefile="app: b/x.o\n\tcp b/x.o app\nb/x.o: x.c | b\n\tcp x.c $@\nb:\n\tmkdir -p $@\n",
        x_dot_c="x",
    )
    plan = first_plan(tmp_path)
    assert {uid: action.command.shown for uid, action in plan.actions.items()} == {
        "app": "cp b/x.o app",
        "b-x.o": "cp x.c b/x.o",
    }
    run_treadle(tmp_path, "run", check=0)
    assert run_treadle(tmp_path, "run", check=0).out.startswith("nothing to do")


def test_a_name_that_makes_folders_is_an_action_of_a_group(tmp_path: Path) -> None:
    write(tmp_path, Makefile="all: dirs t\ndirs:\n\tmkdir -p obj bin\nt: a.c\n\tcp a.c t\n", a_dot_c="a")
    assert first_plan(tmp_path).groups["all"].members == ("dirs", "t")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "obj").is_dir()
