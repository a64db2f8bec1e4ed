"""What others put in the place of outputs between two attempts of an action is theirs, as what was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treadle import Limits, Observer, Retries, Settings
from unit.command.test_walk import Walking, sh

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class BetweenAttempts(Observer):
    """Does something after the first attempt of an action, before the second one starts."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.number = 0

    def ended(self, uid: str, retry: bool) -> None:
        self.number += 1
        if self.number == 1:
            assert retry, uid
            self.act()


def is_somewhere(root: Path, text: str) -> bool:
    """Return whether a file holds a text: in its place, or moved aside, and not among what failed attempts left."""
    files = [path for path in root.rglob("*") if path.is_file() and ".treadle/failed" not in path.as_posix()]
    return any(path.read_bytes() == text.encode() for path in files)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("has_run", [False, True])
@pytest.mark.parametrize(
    ("output", "name"), [("out/", "out/mine"), ("out/", "out/sub/mine"), ("out/", "out/made"), ("out", "out")]
)
@pytest.mark.parametrize("end", ["false", "test $(cat n | wc -l) = 3"])
@pytest.mark.parametrize("runs", [1, 3])
def test_what_comes_between_two_attempts_is_not_lost(
    tmp_path: Path, output: str, name: str, end: str, runs: int, *, has_run: bool, keep: bool
) -> None:
    made = "echo x > out/made" if output.endswith("/") else "echo x > out"
    if has_run:
        assert Walking(tmp_path)(a=sh(made, outputs=[output])).ok

    def put() -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")

    write = "echo x > out/other" if output.endswith("/") else "true"
    text = f"echo >> n; {write}; {end}; test -e out || {made}"
    settings = Settings(jobs=1)
    if runs == 1:
        report = Walking(tmp_path, BetweenAttempts(put), settings)(
            a=sh(text, outputs=[output], keep=keep, limits=Limits(retries=Retries(max=2)))
        )
    else:
        for number in range(runs):
            report = Walking(tmp_path, None, settings)(a=sh(text, outputs=[output], keep=keep))
            if number == 0:
                put()
    assert report.ok == (end != "false")
    assert is_somewhere(tmp_path, "mine")
    # a run that makes room takes away what is known to be from its action
    assert Walking(tmp_path)(a=sh(made.replace("x", "y"), outputs=[output])).ok
    assert is_somewhere(tmp_path, "mine") or (name == "out/made" and not keep)
