"""What rewrites its inputs becomes `edits`, and is never skipped for files that it was not known to rewrite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from first_plans import drafted, write
from helpers import run_treadle

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"src/a.py": "x=1\n", "src/b.go": "", "src/c.rs": "", "src/d.ts": "", "src/e.c": "", "x.tf": "", "y.sh": ""}


@pytest.mark.parametrize(
    ("command", "source", "is_edited"),
    [
        ("black src", "src/**/*.py", True),
        ("black --check src", "src/**/*.py", False),
        ("ruff format", "src/a.py", True),
        ("ruff format --diff", "src/a.py", False),
        ("ruff check --fix src", "src/a.py", True),
        ("ruff check src", "src/a.py", False),
        ("python3 -m isort src", "src/*.py", True),
        ("isort -c src", "src/*.py", False),
        ("poetry run black src", "src/*.py", True),
        ("gofmt -w src", "src/*.go", True),
        ("gofmt -l src", "src/*.go", False),
        ("go fmt ./...", "src/*.go", True),
        ("cargo fmt", "src/*.rs", True),
        ("cargo fmt --all --check", "src/*.rs", False),
        ("npx prettier --write src", "src/*.ts", True),
        ("prettier --check src", "src/*.ts", False),
        ("eslint --fix src", "src/*.ts", True),
        ("eslint --fix-dry-run src", "src/*.ts", False),
        ("clang-format -i src/e.c", "src/*.c", True),
        ("clang-format src/e.c", "src/*.c", False),
        ("terraform fmt", "x.tf", True),
        ("terraform fmt -check", "x.tf", False),
        ("shfmt -w y.sh", "y.sh", True),
        ("sed -i s/a/b/ src/a.py", "src/a.py", True),
        ("sed s/a/b/ src/a.py", "src/a.py", False),
        ("perl -pi -e s/a/b/ src/a.py", "src/a.py", True),
        ("black src && pytest", "src/*.py", False),
        ("isort src && black src", "src/*.py", True),
        ("black src | tee log", "src/*.py", False),
    ],
)
def test_a_command_that_rewrites_its_sources_edits_them(
    tmp_path: Path, command: str, source: str, is_edited: bool
) -> None:
    write(tmp_path, **FILES)
    write(
        tmp_path, Taskfile_dot_yml=f"version: '3'\ntasks:\n  fmt: {{cmds: ['{command}'], sources: ['{source}']}}\n"
    )
    plan, _ = drafted(tmp_path)
    made = plan.actions["fmt"].command
    assert bool(made.edits) == is_edited
    assert bool(made.inputs) != is_edited


def test_files_that_no_source_declares_are_edited_at_each_run(tmp_path: Path) -> None:
    write(tmp_path, **FILES)
    write(tmp_path, Makefile=".PHONY: fmt bump\nfmt:\n\truff format src\nbump:\n\tsed -i s/1/2/ src/a.py\n")
    plan, _ = drafted(tmp_path)
    assert plan.actions["fmt"].command.edits == ("src/a.py",)
    assert plan.actions["fmt"].command.always
    assert plan.actions["bump"].command.edits == ()


def test_what_reads_a_file_does_not_start_to_format_it_unasked(tmp_path: Path) -> None:
    write(tmp_path, **FILES)
    write(tmp_path, Makefile=".PHONY: fmt\nprog: src/b.go\n\tcp $< $@\nfmt:\n\tgo fmt ./...\n")
    plan, _ = drafted(tmp_path)
    assert plan.actions["fmt"].command.edits == ()
    assert plan.actions["prog"].predecessors == ()


def test_two_formatters_of_one_file_do_not_edit_it_both(tmp_path: Path) -> None:
    write(tmp_path, **FILES)
    tasks = "".join(f"  {one}: {{cmds: ['{one} src'], sources: ['src/*.py']}}\n" for one in ("black", "isort"))
    write(tmp_path, Taskfile_dot_yml=f"version: '3'\ntasks:\n{tasks}")
    plan, text = drafted(tmp_path)
    assert [one.command.edits for one in plan.actions.values()] == [(), ()]
    assert "it edits files that isort edits too: it runs each time" in text


def test_a_formatter_runs_once_and_before_what_reads_its_files(tmp_path: Path) -> None:
    write(tmp_path, **FILES)
    tasks = "  fmt: {cmds: ['sed -i s/x=/x=2/ src/a.py'], sources: [src/a.py]}\n"
    tasks += "  copy: {cmds: ['cp src/a.py out.txt'], sources: ['src/*.py'], generates: [out.txt]}\n"
    write(tmp_path, Taskfile_dot_yml=f"version: '3'\ntasks:\n{tasks}")
    _, text = drafted(tmp_path)
    assert "it edits what copy reads, so it runs before that" in text
    run_treadle(tmp_path, "run", "copy", check=0)
    assert (tmp_path / "out.txt").read_text() == "x=21\n"
    assert "nothing to do" in run_treadle(tmp_path, "run", "copy", check=0).out
