"""plans/c.yaml: what an edit of a header, a source or a remark compiles again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from plan_runs import Copy

pytestmark = [
    pytest.mark.system("cc"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler is needed"),
]
OBJECTS = ["object@plans/c/table.c", "object@plans/c/tally.c", "object@plans/c/words.c"]


@pytest.fixture
def program(tmp_path: Path) -> Copy:
    copy = Copy(tmp_path, "plans/c.yaml")
    copy.take("plans/c.yaml", "plans/c")
    assert copy.run() == ["check", "link", *OBJECTS]
    assert copy.run() == []
    return copy


def test_the_program_counts_words(program: Copy) -> None:
    text = program.folder / "text.txt"
    text.write_text("One two, two; three-three three!\n")
    tally = program.folder / "out/c/release/tally"
    done = subprocess.run([tally, text], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "three", "2", "two", "1", "one"]


def test_a_header_compiles_those_that_include_it_and_nobody_has_listed_it(program: Copy) -> None:
    assert "table.h" not in program.read("plans/c.yaml").split("treadle: 1")[1]
    program.edit("plans/c/words.h", "LONGEST_WORD 64", "LONGEST_WORD 65")
    assert program.run() == ["check", "link", "object@plans/c/tally.c", "object@plans/c/words.c"]
    assert program.run() == []


def test_a_remark_compiles_and_links_nothing(program: Copy) -> None:
    program.edit("plans/c/table.h", "a power of two, or 0", "none, or a power of two")
    assert program.run() == ["object@plans/c/table.c", "object@plans/c/tally.c"]


def test_debug_and_release_stay_beside_each_other(program: Copy) -> None:
    assert program.run("-p", "mode=debug") == ["check", "link", *OBJECTS]
    assert program.run() == []
    assert program.run("-p", "mode=debug") == []


def test_a_new_file_is_a_new_object(program: Copy) -> None:
    (program.folder / "plans/c/extra.c").write_text("int extra(void);\nint extra(void) { return 0; }\n")
    assert program.run() == ["check", "link", "object@plans/c/extra.c"]
