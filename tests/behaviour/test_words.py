"""The example of docs/explanation/words.md does the same in each of its three forms."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import run_treadle

PAGE = (Path(__file__).parents[2] / "docs/explanation/words.md").read_text("utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PLAN, PRINTED = re.findall(
    r"^```(?:yaml)?\n(.*?)^```$", PAGE.partition("## As a walk")[0], re.MULTILINE | re.DOTALL
)
SAID = "mail\nreport\ntidy\n"


def test_the_plan_prints_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "treadle.yaml").write_text(PLAN)
    done = run_treadle(tmp_path, "run", "--events", "events.jsonl", check=1)
    assert (tmp_path / "said").read_text() == SAID
    lines = [re.sub(r" \d+\.\ds", " 0.0s", line) for line in (done.out + done.err).splitlines()]
    assert [line for line in PRINTED.splitlines() if line not in lines] == []
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    ends = {event["name"]: event["status"] for event in events if event["event"] == "ended"}
    assert {name: end for name, end in ends.items() if end != "ran"} == {"check": "failed", "publish": "blocked"}


@pytest.mark.parametrize("form", ["walk", "coroutines"])
def test_a_program_does_the_same(form: str, tmp_path: Path) -> None:
    program = PYTHON[form == "coroutines"]
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "said").read_text() == SAID


def test_each_row_of_the_table_has_four_cells() -> None:
    rows = [line for line in PAGE.partition("## Words\n")[2].splitlines() if line.startswith("|")]
    assert len(rows) == 18
    assert {row.count("|") for row in rows} == {5}
