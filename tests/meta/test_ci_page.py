"""The pages on CI: a job with a restored cache runs what changed, the hook checks a plan, a container finds nothing to do."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = "".join((ROOT / f"docs/howto/{name}.md").read_text("utf-8") for name in ("ci", "pre-commit", "containers"))
PLAN = """
treadle: 1
actions:
  a: {sh: 'cat ${in} > ${out}', in: a.txt, out: out/a}
  b: {sh: 'cat ${in} > ${out}', in: b.txt, out: out/b}
"""


def example(language: str, holding: str) -> str:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return next(text for text in found if holding in text)


def checkout(folder: Path) -> Path:
    """Return a fresh checkout, in which each file is new."""
    folder.mkdir(parents=True)
    (folder / "treadle.yaml").write_text(PLAN)
    (folder / "a.txt").write_text("a\n")
    (folder / "b.txt").write_text("b\n")
    return folder


def run_on_a_new_machine(folder: Path, command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    home = folder.parent / f"{folder.name}.home"
    home.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "HOME": str(home), "CI": "true", **env}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )


def github() -> tuple[dict[str, str], list[str], list[str]]:
    """Return the environment, the cached paths and the commands of the job on GitHub."""
    job: dict[str, Any] = yaml.safe_load(example("yaml", "runs-on"))["jobs"]["build"]
    cached = next(step["with"]["path"] for step in job["steps"] if "cache" in step.get("uses", ""))
    return job["env"], cached.split(), [step["run"] for step in job["steps"] if "run" in step]


def gitlab() -> tuple[dict[str, str], list[str], list[str]]:
    """Return the environment, the cached paths and the commands of the job on GitLab."""
    job: dict[str, Any] = yaml.safe_load(example("yaml", "artifacts"))["build"]
    return job["variables"], [path.rstrip("/") for path in job["cache"]["paths"]], job["script"]


@pytest.mark.parametrize("job", [github, gitlab])
def test_a_job_with_a_restored_cache_runs_what_has_changed(job: Any, tmp_path: Path) -> None:
    env, cached, commands = job()
    env = {name: value for name, value in env.items() if name != "TREADLE"}
    command = next(command for command in commands if command.startswith("treadle run"))
    first = checkout(tmp_path / "one/work")
    done = run_on_a_new_machine(first, command, env)
    assert "2 run" in done.stdout, done.stderr
    second = checkout(tmp_path / "two/work")
    for path in cached:
        shutil.copytree(first / path, second / path)
    assert "nothing to do: 2 up to date" in run_on_a_new_machine(second, command, env).stdout
    assert (second / "junit.xml").exists()
    third = checkout(tmp_path / "three/work")
    (third / "b.txt").write_text("changed\n")
    for path in cached:
        shutil.copytree(second / path, third / path)
    done = run_on_a_new_machine(third, command, env)
    assert "1 run, 1 up to date" in done.stdout
    assert "input b.txt changed" in done.stdout


def test_the_job_on_github_is_ten_lines() -> None:
    assert len(example("yaml", "runs-on").splitlines()) == 10


def hook() -> tuple[dict[str, Any], str]:
    """Return the hook, and the command that it calls."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    named = yaml.safe_load(example("yaml", "repos:"))["repos"][0]["hooks"][0]["id"]
    found = next(one for one in hooks if one["id"] == named)
    return found, found["entry"]


def test_the_hook_refuses_a_plan_that_is_wrong_and_passes_one_that_is_right(tmp_path: Path) -> None:
    definition, command = hook()
    work = checkout(tmp_path / "work")
    assert re.search(definition["files"], "treadle.yaml")
    assert not definition["pass_filenames"]
    plain = shlex.split(example("sh", "check").removeprefix("exec "))
    assert plain == shlex.split(command)
    assert run_on_a_new_machine(work, command, {}).returncode == 0
    (work / "treadle.yaml").write_text(PLAN.replace("out: out/a", "outs: out/a"))
    done = run_on_a_new_machine(work, command, {})
    assert done.returncode == 2
    assert "did you mean out?" in done.stderr
    assert not (work / ".treadle").exists()


def test_a_second_container_has_nothing_to_do(tmp_path: Path) -> None:
    text = example("dockerfile", "ENTRYPOINT")
    work = checkout(tmp_path / "work")
    words = next(line for line in text.splitlines() if line.startswith("ENV ")).split()[1:]
    env = {name: value.replace("/project", str(work)) for name, value in (word.split("=") for word in words)}
    assert env["XDG_STATE_HOME"].startswith(str(work))
    env["HOME"] = str(tmp_path / "gone with the container")
    assert "2 run" in run_on_a_new_machine(work, "treadle run", env).stdout
    env["HOME"] = str(tmp_path / "another one")
    assert "nothing to do: 2 up to date" in run_on_a_new_machine(work, "treadle run", env).stdout
    # without the marks in the mounted folder, the state would be a stranger's
    env["XDG_STATE_HOME"] = str(tmp_path / "lost")
    assert "2 run" in run_on_a_new_machine(work, "treadle run", env).stdout
