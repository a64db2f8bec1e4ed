"""An output that is its own input by another name: a link, a hard link, a folder of them. The input always stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_treadle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KINDS = {
    "link": "a: {sh: 'ln -s ../conf ${out}', in: conf, out: o/a}",
    "absolute link": "a: {sh: 'ln -s $PWD/conf ${out}', in: conf, out: o/a}",
    "hard link": "a: {sh: 'ln ${in} ${out}', in: conf, out: o/a}",
    "hard link by cp": "a: {sh: 'cp -l ${in} ${out}', in: conf, out: o/a}",
    "chain of links": "a: {sh: 'ln -s ../conf ${out}', in: conf, out: o/a}\n"
    "  b: {sh: 'ln -s a ${out}', in: o/a, out: o/b}\n"
    "  c: {sh: 'ln -s b ${out}', in: o/b, out: o/c}",
    "hard link of a link": "a: {sh: 'ln -s ../conf ${out}', in: conf, out: o/a}\n"
    "  b: {sh: 'cp -lL ${in} ${out}', in: o/a, out: o/b}",
    "folder of links": "a: {sh: 'for f in src/*; do ln -s ../../$f ${out}/; done', in: [src/, conf], out: o/a/}",
    "folder of hard links": "a: {sh: 'cp -rl src/. ${out}/; ln conf ${out}/conf', in: [src/, conf], out: o/a/}",
}


def written_over(path: Path) -> None:
    path.write_text("new\n")


def replaced(path: Path) -> None:
    path.with_suffix(".new").write_text("new\n")
    path.with_suffix(".new").replace(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [written_over, replaced])
def test_an_output_that_is_its_input_is_made_again_and_the_input_stays(
    tmp_path: Path, kind: str, change: Callable[[Path], None]
) -> None:
    plan(tmp_path, f"actions:\n  {KINDS[kind]}\n")
    (tmp_path / "conf").write_text("old\n")
    (tmp_path / "src/sub").mkdir(parents=True)
    (tmp_path / "src/sub/x").write_text("x\n")
    run_treadle(tmp_path, "run", check=0)
    run_treadle(tmp_path, "run", check=0)
    done = run_treadle(tmp_path, "run", "--force", check=0)
    assert done.err == ""
    change(tmp_path / "conf")
    (tmp_path / "src/sub/x").write_text("y\n")
    done = run_treadle(tmp_path, "run", check=0)
    assert done.err == ""
    last = max((tmp_path / "o").iterdir())
    assert (last / "sub/x" if last.is_dir() else last).read_text() == ("y\n" if last.is_dir() else "new\n")
    assert (tmp_path / "conf").read_text() == "new\n"
    run_treadle(tmp_path, "clean", check=0)
    assert not (tmp_path / "o").exists()
    assert (tmp_path / "conf").read_text() == "new\n"
    assert (tmp_path / "src/sub/x").read_text() == "y\n"


@pytest.mark.parametrize("inputs", ["src/a", "src/"])
def test_an_output_that_is_the_very_name_of_an_input_is_refused(tmp_path: Path, inputs: str) -> None:
    plan(tmp_path, f"actions: {{a: {{sh: 'echo > ${{out}}', in: '{inputs}', out: link/a}}}}\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("precious")
    (tmp_path / "link").symlink_to("src")
    assert "a reads its own output link/a" in run_treadle(tmp_path, "run", check=2).err
    assert (tmp_path / "src/a").read_text() == "precious"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_with_keep_an_output_that_leads_to_an_input_is_refused(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    plan(tmp_path, "actions: {a: {sh: 'echo > ${out}', in: conf, out: o, keep: true}}\n")
    (tmp_path / "conf").write_text("precious")
    link(tmp_path / "conf", tmp_path / "o")
    assert "by another name" in run_treadle(tmp_path, "run", check=1).out
    assert (tmp_path / "conf").read_text() == "precious"
