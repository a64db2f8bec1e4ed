"""What is said of files that are not there, also of the plan itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treadle.errors import PlanError
from treadle.plan.load import load_plan

if TYPE_CHECKING:
    from pathlib import Path

    from plan_folder import Folder


def test_a_mistake_in_the_name_of_a_folder_is_seen(folder: Folder) -> None:
    folder.write(*(f"data/deep/{n}.csv" for n in range(600)), "data/other/9.csv")
    actions = "".join(f"  a{n}: {{run: x, out: out/{n}.csv}}\n" for n in range(5, 10))
    (problem,) = folder.problems(f"{actions}  a: {{run: x, in: data/dep/9.csv}}\n")
    assert problem.hint == "did you mean data/deep/9.csv?"
    (problem,) = folder.problems("  a: {run: x, in: nowhere/9.csv}\n")
    assert "did you mean" not in problem.hint


def test_nobody_is_asked_whether_he_meant_the_name_that_he_wrote(folder: Folder) -> None:
    (folder.root / "link").symlink_to("gone")
    (problem,) = folder.problems("  a: {run: x, in: link}\n")
    assert problem.hint == "correct the path, or name it in out: of the action that makes it"


def test_a_missing_plan_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot read the plan"):
        load_plan(str(tmp_path / "none.yaml"))
    with pytest.raises(PlanError, match="cannot read the plan"):
        load_plan(str(tmp_path))


def test_a_plan_over_64_mib_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "big.yaml").open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(PlanError, match="larger than 64 MiB"):
        load_plan(str(tmp_path / "big.yaml"))
