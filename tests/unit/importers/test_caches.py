"""First plans leave tools what they go on from: `keep: true` where an output folder holds their cache."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from first_plans import drafted, first_plan, lines, write

if TYPE_CHECKING:
    from pathlib import Path


def made_by_taskfile(folder: Path, commands: list[str], generates: str, **more: str) -> tuple[bool, str]:
    """Return whether the action of a task keeps its output folder, and the remark above it."""
    task = {"cmds": commands, "sources": ["in.txt"], "generates": [generates], **more}
    text = json.dumps({"version": "3", "vars": {"OUT": "build"}, "tasks": {"it": task}})
    inside = more.get("dir", ".")
    write(folder, Taskfile_dot_yml=text, **{f"{inside}__in_dot_txt": "x"})
    plan, text = drafted(folder)
    (remark,) = [line.strip() for line in text.splitlines() if line.startswith("  #")]
    return plan.actions["it"].command.keep, remark


GO_ON = [
    ("cargo", ["cargo build --release"], "target/**"),
    ("cargo", ["RUSTFLAGS=-g cargo build --target-dir=out/rs"], "out/rs/**"),
    ("cmake", ["cmake -S . -B {{.OUT}}", "cmake --build {{.OUT}}"], "build/**/*"),
    ("cmake", ["cmake -Bout -DX=1"], "out/**"),
    ("ninja", ["ninja -C out"], "out/**"),
    ("make", ["cd obj && make -j4"], "obj/**"),
    ("meson", ["test -d b || meson setup b"], "b/**"),
    ("sphinx-build", ["sphinx-build -b html docs public/html"], "public/**"),
    ("sphinx", ["python3 -m sphinx docs site"], "site/**"),
    ("mypy", ["uv run mypy src"], ".mypy_cache/**"),
    ("mypy", ["python -m mypy --cache-dir out/types src"], "out/types/**"),
    ("pytest", ["poetry run pytest -q"], ".pytest_cache/**"),
    ("next", ["npx next build"], ".next/**"),
    ("tsc", ["npx tsc --build"], "dist/**"),
    ("tsc", ["node_modules/.bin/tsc -p . --incremental"], "dist/**"),
    ("webpack", ["webpack --mode production"], "web/.cache/**"),
    ("gradlew", ["./gradlew assemble"], "build/**"),
    ("mvn", ["mvn -q package"], "target/**"),
    ("npm", ["npm ci"], "node_modules/**"),
    ("venv", ["python3 -m venv .venv", ".venv/bin/pip install -r in.txt"], ".venv/**"),
    ("latexmk", ["latexmk -pdf -outdir=out paper.tex"], "out/**"),
    ("rsync", ["rsync -a --delete src/ out/"], "out/**"),
    ("git", ["git -C vendor/lib pull"], "vendor/lib/**"),
    ("mkdocs", ["mkdocs build --dirty"], "site/**"),
    ("dotnet", ["dotnet build -o out"], "out/**"),
]


@pytest.mark.parametrize(("tool", "commands", "generates"), GO_ON)
def test_a_tool_that_goes_on_from_its_output_folder_keeps_it(
    tool: str, commands: list[str], generates: str, tmp_path: Path
) -> None:
    folder = f"{generates.rstrip('*/')}/"
    keeps, remark = made_by_taskfile(tmp_path, commands, generates)
    assert keeps
    assert remark == f"# {tool} goes on from what is in {folder}: `keep: true` leaves it there"


def test_a_tool_is_found_in_the_folder_that_a_task_runs_in(tmp_path: Path) -> None:
    keeps, remark = made_by_taskfile(tmp_path, ["cargo build"], "target/**", dir="rs")
    assert keeps
    assert "rs/target/" in remark
    keeps, _ = made_by_taskfile(tmp_path, ["cmake -B out"], "out/**", dir="rs")
    assert keeps


@pytest.mark.parametrize(
    ("commands", "generates"),
    [
        (["cp in.txt site/"], "site/**"),
        (["cargo build --release && cp target/release/x dist/"], "dist/**"),
        (["python3 render.py site"], "site/**"),
        (["echo cmake build"], "build/**"),
        (["./mycargo build"], "target/**"),
        (["hugo -d site"], "site/**"),
        (["tsc -p . --outDir dist"], "dist/**"),
        (["rsync -a in.txt out/"], "out/**"),
    ],
)
def test_any_other_output_folder_gets_a_remark_that_it_is_emptied(
    commands: list[str], generates: str, tmp_path: Path
) -> None:
    keeps, remark = made_by_taskfile(tmp_path, commands, generates)
    assert not keeps
    assert remark == f"# what the last run made in {generates[:-2]} is removed first; `keep: true` leaves it"


def test_a_file_as_output_gets_neither(tmp_path: Path) -> None:
    write(tmp_path, Taskfile_dot_yml="version: '3'\ntasks: {it: {cmds: [cargo build], generates: [target/app]}}\n")
    assert not first_plan(tmp_path).actions["it"].command.keep
    assert not [line for line in lines(tmp_path) if line.startswith("  #")]


def test_a_makefile_gets_it_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        Makefile="B = build\nbuild/: CMakeLists.in\n\tcmake -S . -B $(B)\n\tcmake --build $(B)\n",
        CMakeLists_dot_in="x",
    )
    plan = first_plan(tmp_path)
    assert [one.command.keep for one in plan.actions.values() if one.command.outputs == ("build/",)] == [True]
    assert "  # cmake goes on from what is in build/: `keep: true` leaves it there" in lines(tmp_path)


def test_dvc_empties_its_outputs_itself_so_the_plan_does_too(tmp_path: Path) -> None:
    stages = "stages:\n  it: {cmd: cargo build, deps: [a.rs], outs: [target]}\n"
    write(tmp_path, dvc_dot_yaml=stages, a_dot_rs="x")
    plan = first_plan(tmp_path)
    assert not plan.actions["it"].command.keep
    assert "  # target/ is emptied before cargo starts, which `keep: true` prevents" in lines(tmp_path)
    write(tmp_path, dvc_dot_yaml=stages.replace("[target]", "[{target: {persist: true}}]"))
    (tmp_path / "treadle.yaml").unlink()
    assert first_plan(tmp_path).actions["it"].command.keep
