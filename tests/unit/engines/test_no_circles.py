"""A run does without the garbage collector: whatever becomes of an attempt, nothing of it is in a circle."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

from treadle import Attempt
from treadle.engines.local import LocalRunner
from treadle.engines.without_shell import Direct, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def runner() -> Iterator[LocalRunner]:
    made = LocalRunner()
    yield made
    made.close()


@pytest.fixture
def _without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def direct(folder: Path, target: str | None) -> Direct:
    """Return how a program is started without its shell that is not there."""
    shell = Shell("dash", ["/bin/sh", "-c"], forks=False)
    return Direct(shell, ("./missing",), "./missing", target, str(folder), "./missing")


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize(
    "kind",
    [
        *(
            "true",
            "false",
            "missing",
            "not executable",
            "an argument with NUL",
            "no program",
            "two",
            "a missing one",
        ),
        *("no folder", "no log", "direct", "direct with a target", "direct with a bad target", "killed"),
    ],
)
def test_nothing_of_an_attempt_is_in_a_circle(
    kind: str, is_elsewhere: bool, runner: LocalRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/" if is_elsewhere else tmp_path)
    (tmp_path / "text").write_text("")
    (tmp_path / "log").write_text("")
    argvs = {
        "false": [["false"]],
        "missing": [["missing-program"]],
        "not executable": [["./text"]],
        "an argument with NUL": [["true", "\0"]],
        "no program": [],
        "two": [["true"], ["true"]],
        "a missing one": [["true"], ["./missing"]],
        "killed": [["sh", "-c", "kill -9 $$"]],
    }.get(kind, [["true"]])
    targets = {"direct with a target": "/dev/null", "direct with a bad target": str(tmp_path / "no/where")}

    def run() -> None:
        attempt = Attempt(
            argvs,
            mark=f"no-circles-{os.getpid()}/one",
            environ={"PATH": os.environ["PATH"]},
            cwd=str(tmp_path / "missing" if kind == "no folder" else tmp_path),
            log=str(tmp_path / ("missing" if kind == "no log" else "log")),
            direct=direct(tmp_path, targets.get(kind)) if kind.startswith("direct") else None,
        )
        runner.start("key", attempt)
        (ended,) = runner.poll(30)
        assert (ended.code is None) == (kind not in ("true", "false", "two", "killed") and "direct" not in kind)

    # what is loaded for the first one may have circles of its own
    run()
    gc.collect()
    run()
    # the runner remembers what it has returned last
    runner.poll(0)
    assert gc.collect() == 0
