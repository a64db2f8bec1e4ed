"""A folder with files of other tools, and the first plan that is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import run_treadle
from treadle.importers.detect import drafts_of
from treadle.importers.draft import merged
from treadle.importers.writer import text_of_plan
from treadle.plan.load import load_plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from treadle.plan.model import Plan


def write(folder: Path, **files: str) -> None:
    """Write files; `__` in a name is a slash, `_dot_` a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def first_plan(folder: Path, *words: str) -> Plan:
    """Make a first plan and return it: it passes its own check."""
    run_treadle(folder, "init", *words, check=0)
    run_treadle(folder, "check", check=0)
    return load_plan(str(folder / "treadle.yaml"))


def drafted(folder: Path, environ: Mapping[str, str] | None = None) -> tuple[Plan, str]:
    """Make a first plan without the command; return the plan and its text."""
    text = text_of_plan(merged(drafts_of(str(folder))), str(folder), "schema.json")
    (folder / "treadle.yaml").write_text(text, "utf-8")
    return load_plan(str(folder / "treadle.yaml"), environ=environ or {}), text


def lines(folder: Path) -> list[str]:
    return (folder / "treadle.yaml").read_text().splitlines()
