"""What should be a file of the state and is none: a run does its work, or says in words what is in the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import plan, run_treadle

KINDS: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a file": lambda path: path.write_text("garbage"),
    "a link in a circle": lambda path: path.symlink_to(path.name),
}
COMMANDS = (("run",), ("run",), ("status",), ("clean",))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", ["records", "lock", "quick", ""])
def test_garbage_in_place_of_state_is_never_a_traceback(
    tmp_path: Path, name: str, kind: Callable[[Path], object]
) -> None:
    plan(tmp_path, 'actions:\n  a: {sh: "cat ${in} > ${out}", in: i, out: o}\n')
    (tmp_path / "i").write_text("1\n")
    run_treadle(tmp_path, "run")
    place = tmp_path / ".treadle" / name
    place.rename(tmp_path / "before")
    kind(place)
    for words in COMMANDS:
        # `run_treadle` sees that there is no traceback, and that it comes to an end
        done = run_treadle(tmp_path, *words, check=None)
        assert done.code in (0, 1, 2), done
        assert "the system refused" not in done.err
    if name in ("records", "quick"):
        (tmp_path / "i").write_text("2\n")
        assert run_treadle(tmp_path, "run").code == 0
        assert (tmp_path / "o").read_text() == "2\n"
        assert run_treadle(tmp_path, "run").lines[0].startswith("nothing to do")
