"""What a hint suggests for a path that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
