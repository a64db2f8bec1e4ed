"""The plans that the project ships, on each engine with workers: the same verdicts, outcomes and bytes (J6)."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engines_under_test import WORKERS, start
from helpers import run_treadle
from plan_runs import Copy

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = ("-p", f"python={sys.executable}")
PLANS = {
    "data": ("plans/data.yaml", ["plans/data.yaml", "plans/data"], PYTHON),
    "suite": ("plans/suite/treadle.yaml", ["plans/suite"], (*PYTHON, "-k")),
    "monorepo": ("plans/monorepo/treadle.yaml", ["plans/monorepo"], ()),
    "package": ("plans/package/treadle.yaml", ["plans/package"], ()),
    "tour": (
        "plans/tour.yaml",
        ["plans/tour.yaml", "plans/tour", "src/treadle"],
        (*PYTHON, "-p", "lib=src/treadle"),
    ),
    "c": ("plans/c.yaml", ["plans/c.yaml", "plans/c"], ()),
    "site": (
        "plans/site.yaml",
        [
            *(
                "plans/site.yaml",
                "plans/site",
                "plans/package",
                "plans/monorepo",
                "plans/suite",
                "docs/howto/faq.md",
                "docs/images",
            ),
            *("plans/c.yaml", "plans/data.yaml"),
            *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
        ],
        # of a few pages, whose links lead to others
        (*PYTHON, "page", "file"),
    ),
}
ENGINES = sorted({str(said["name"]) for said in WORKERS.values()})
"""By name, as a call says them."""
_MEASURED = {"speed", "summary"}
"""What prints how long something took."""


class Ran:
    """What a run of a copy has done.

    :ivar ends: name -> how it ended
    :ivar verdicts: name -> verdict, and the kinds of its reasons
    :ivar files: what its folders of outputs hold
    """

    def __init__(self, copy: Copy, *words: str) -> None:
        paths = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"}
        words = ("run", "-f", copy.plan, *copy.options, *words, "--events", "events.jsonl")
        run_treadle(copy.folder, *words, env=paths, check=0)
        events = [json.loads(line) for line in (copy.folder / "events.jsonl").read_text().splitlines()]
        (copy.folder / "events.jsonl").unlink()
        self.hosts = {str(one.get("host", "")) for one in events if one["event"] == "ended"} - {""}
        self.ends = {one["name"]: (one["status"], one["outcome"]) for one in events if one["event"] == "ended"}
        self.verdicts = {one["name"]: (one["verdict"], _kinds(one)) for one in events if one["event"] == "verdict"}
        self.files = _files(copy.folder)


def _kinds(event: dict[str, Any]) -> Sequence[str]:
    return sorted(str(reason.get("kind")) for reason in event.get("reasons", ()))


def _files(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        parts = set(name.split("/"))
        if path.is_file() and not parts & {".treadle", ".venv", "__pycache__", "venv"} and "egg-info" not in name:
            found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "name",
    [
        *(name for name in PLANS if name != "c"),
        pytest.param(
            "c",
            marks=[
                pytest.mark.system("cc"),
                pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler is needed"),
            ],
        ),
    ],
)
def test_a_plan_gives_the_same_bytes_and_verdicts_on_an_engine(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, engine: str
) -> None:
    """J6; and what ran on one engine is up to date on another."""
    start(request, engine)
    plan, taken, options = PLANS[name]
    runs = {}
    # in one folder after the other, as some outputs name it
    folder = tmp_path / "copy"
    for where in ("local", engine):
        copy = Copy(folder, plan, *options)
        copy.take(*taken)
        first, again = Ran(copy, *_words_for(where)), Ran(copy, "--engine", "local")
        runs[where] = (first.ends, first.verdicts, again.ends, again.verdicts, _same(first.files))
        assert bool(first.hosts) == (where != "local")
        shutil.rmtree(folder)
    assert runs["local"] == runs[engine]


def _words_for(engine: str) -> tuple[str, str]:
    """Return how a call names an engine: one Dask cluster serves all plans."""
    if engine != "dask":
        return "--engine", engine
    from dask_clusters import shared

    return "--dask", shared().address


def _same(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if not any(word in name for word in _MEASURED)}
