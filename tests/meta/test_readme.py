"""What the README shows is what the command prints, but for times and dates."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def masked(text: str) -> list[str]:
    """Return lines without times, and without the order in which two at once have ended."""
    # what skipping saves is told where it is worth a word, which is for the machine to say
    text = re.sub(r", \d+(\.\d+)?s saved by skipping", "", text)
    text = re.sub(r"\d+(\.\d+)?s\b", "TIME", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)
    return sorted(re.sub(r"^\[\d+/", "[N/", line) for line in text.splitlines())


def test_the_first_example_prints_what_is_shown(tmp_path: Path) -> None:
    (tmp_path / "treadle.yaml").write_text(README.split("```yaml\n")[1].split("```")[0])
    bin_folder = Path(sys.executable).parent
    environ = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    shown = README.split("```console\n")[1].split("```")[0]
    steps = re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]
    assert len(steps) >= 3
    for step in steps:
        command, _, expected = step.partition("\n")
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert masked(done.stdout) == masked(expected), command


FILES = {
    "book/one.txt": "it was\n",
    "src/main.c": "int main(void) { return 0; }\n",
    "tests/first.sh": "echo on GPU $TREADLE_GPU_IDS\n",
    "tests/second.sh": "true\n",
}


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
def test_each_plan_runs(text: str, tmp_path: Path) -> None:
    if "cc " in text and shutil.which("cc") is None:
        pytest.skip("cc is needed")
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "treadle.yaml").write_text(text)
    done = subprocess.run([sys.executable, "-m", "treadle", "run"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lines_for_an_empty_folder_make_a_plan_and_run_it(tmp_path: Path) -> None:
    lines = next(text for text in README.split("```sh\n") if text.startswith("cat >")).split("```")[0]
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", lines], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 run" in done.stdout
    assert len((tmp_path / "treadle.yaml").read_text().splitlines()) == 3
