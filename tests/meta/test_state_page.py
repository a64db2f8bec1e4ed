"""The page of the state on disk: each file and folder that runs make in `.treadle/` is on it."""

from __future__ import annotations

import re
from pathlib import Path

from helpers import run_treadle

PAGE = (Path(__file__).parents[2] / "docs/reference/state.md").read_text("utf-8")
PLAN = """treadle: 1
actions:
  made: {sh: 'echo 1 > ${out}/x; touch k.log', out: out/made/, artifacts: {"*.log": always}}
  installed: {sh: 'touch ${out}/y', out: {path: tree/, check: presence}}
  kept: {sh: 'exit 3', workdir: fresh, out: out/kept}
  failed: {sh: 'echo 3 > ${out}; exit 4', out: out/failed}
  moved: {sh: 'echo 4 > ${out}', out: moved}
"""


def test_the_page_names_each_file_that_runs_make(tmp_path: Path) -> None:
    (tmp_path / "treadle.yaml").write_text(PLAN)
    run_treadle(tmp_path, "run", "made", check=0)
    first = {path.name for path in (tmp_path / ".treadle").iterdir()}
    (tmp_path / "moved").write_text("of a user\n")
    run_treadle(tmp_path, "run", "-k", check=1)
    run_treadle(tmp_path, "runs", check=0)
    made = {path.name for path in (tmp_path / ".treadle").iterdir()}
    named = {name.rstrip("/") for name in re.findall(r"^\| `([\w.]+/?)` \|", PAGE, re.MULTILINE)}
    assert made - named == set()
    assert named - made == {"cache", "restore", "schema.json"}
    listed = re.search(r"^\$ ls -A \.treadle\n(.*)$", PAGE, re.MULTILINE)
    assert listed
    assert set(listed.group(1).split()) == first - {"made", "artifacts"}
