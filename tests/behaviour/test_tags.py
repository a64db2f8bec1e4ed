"""`tags`, and `-l` that chooses by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import plan, run_treadle
from plan_folder import Folder

PLAN = """\
actions:
  base: {sh: 'echo > ${out}', out: base, tags: [slow]}
  fast: {sh: 'cat ${in} > ${out}', in: base, out: fast, tags: quick}
  m: {foreach: {size: [small, large]}, sh: 'echo > ${out}', out: 'm.${size}', tags: [slow, '${size}']}
  lint: {run: 'true', tags: [quick, check]}
"""


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["-l", "slow"], {"base", "m.small", "m.large"}),
        (["-l", "slow and not large"], {"base", "m.small"}),
        (["-l", "quick"], {"base", "fast"}),
        (["m", "-l", "large"], {"m.large"}),
        (["-l", "not (slow or quick) or small"], {"m.small"}),
        (["*", "-l", "check"], set()),
    ],
)
def test_a_run_takes_what_has_the_tags_and_what_that_needs(
    words: list[str], made: set[str], tmp_path: Path
) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", *words, check=0)
    assert {path.name for path in tmp_path.iterdir()} - {"treadle.yaml", ".treadle"} == made
    if made:
        assert "nothing to do" in run_treadle(tmp_path, "run", *words, check=0).out


def test_other_faces_take_tags_too(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert [line.split()[0] for line in run_treadle(tmp_path, "list", "-l", "quick", check=0).lines[1:]] == [
        "fast",
        "lint",
    ]
    status = run_treadle(tmp_path, "status", "-l", "small", check=1).lines
    assert [line.split(":")[0] for line in status] == ["run m@small", "1 to run"]
    assert "m@large" not in run_treadle(tmp_path, "graph", "-l", "small", check=0).out
    assert '"tags"' in run_treadle(tmp_path, "list", "--json", "-l", "small", check=0).out


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("slwo", "no action has the tag slwo|did you mean slow?"),
        ("slow and", "the condition ends too early"),
        ("slow quick", "quick is not expected here"),
        ("'slow'", "not a condition"),
        ("", "an empty condition"),
        ("small", "matches none of the named actions"),
    ],
)
def test_a_mistake_in_an_expression_is_told(expression: str, said: str, tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    told = run_treadle(tmp_path, "run", "base", f"-l{expression}" if expression else "-l ", check=2).err
    for one in said.split("|"):
        assert one in told
    bare = run_treadle(tmp_path, "run", "-l", "check", check=2).err
    assert "matches none of the default actions" in bare


@pytest.mark.parametrize("tag", ["a-b", "not", "2", "''"])
def test_a_tag_that_cannot_be_is_told(tag: str, tmp_path: Path) -> None:
    problem = Folder(tmp_path).problems(f"  a: {{run: x, tags: [ok, {tag}]}}\n")[0]
    assert "cannot be a tag" in problem.what
    assert problem.place is not None
    assert problem.place.line == 3
