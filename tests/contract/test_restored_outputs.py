"""A cache as code outside of the package would write one: outputs that are restored are recorded as made."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers import run_treadle
from treadle import Command, CommandWalk, Fingerprint, Report, ReturnValue, Subscriber, load_plan

PLAN = """
treadle: 1
actions:
  a: {sh: 'echo x >> ran; cat in > ${out}', in: in, out: out/a}
  b: {sh: 'mkdir -p ${out}; cat out/a > ${out}/b', in: out/a, out: tree/}
"""


class Cached(CommandWalk):
    """Keeps the outputs of each success in a folder, under the checksum of what they depend on."""

    def __init__(self, cache: Path, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.cache = cache
        self.keys: dict[str, Path] = {}

    def restore(self, uid: str, command: Command, fingerprint: Fingerprint) -> str | None:
        kept = self.keys[uid] = self.cache / uid / fingerprint.checksum()
        if not kept.exists():
            return None
        for output in command.outputs:
            self.copy(kept / output, Path(self.root) / output)
        return f"the cache, {kept.name[:8]}"

    def collect(self, job: Any) -> bool:
        again = super().collect(job)
        kept = self.keys.get(job.uid)
        if self.reports[job.uid].status == ReturnValue.success and kept is not None and not kept.exists():
            for output in job.data.outputs:
                self.copy(Path(self.root) / output, kept / output)
        return again

    @staticmethod
    def copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


class Ends(Subscriber):
    def __init__(self) -> None:
        self.restored: dict[str, str] = {}

    def ended(self, event: Any) -> None:
        self.restored[event.name] = event.restored


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "treadle.yaml").write_text(PLAN)
    (root / "in").write_text("1\n")
    return root


def run(root: Path, ends: Ends | None = None) -> Report:
    plan = load_plan(str(root / "treadle.yaml"))
    walk = Cached(root.parent / "cache", plan.dag(), plan.root)
    if ends is not None:
        walk.bus.add(ends)
    return walk.run()


def ran(root: Path) -> int:
    return len((root / "ran").read_text().splitlines())


def test_outputs_of_a_former_state_come_back_without_a_program(project: Path) -> None:
    assert run(project).ok
    (project / "in").write_text("2\n")
    assert run(project).ok
    assert ran(project) == 2
    (project / "in").write_text("1\n")
    ends = Ends()
    report = run(project, ends)
    assert report.ok
    assert ran(project) == 2
    assert (project / "out/a").read_text() == (project / "tree/b").read_text() == "1\n"
    assert all(text.startswith("the cache, ") for text in ends.restored.values())


def test_what_was_restored_is_up_to_date_and_why_says_where_it_came_from(project: Path) -> None:
    run(project)
    shutil.rmtree(project / ".treadle")
    shutil.rmtree(project / "out")
    shutil.rmtree(project / "tree")
    assert run(project).ok
    assert ran(project) == 1
    assert run_treadle(project, "status").out.startswith("nothing to do")
    assert "restored from the cache, " in run_treadle(project, "why", "a").out
    assert [action.status.name for action in run(project).actions.values() if action.status] == ["skip", "skip"]


def test_what_was_restored_is_ours_and_clean_removes_it(project: Path) -> None:
    run(project)
    shutil.rmtree(project / ".treadle")
    shutil.rmtree(project / "out")
    shutil.rmtree(project / "tree")
    run(project)
    run_treadle(project, "clean")
    assert not (project / "out/a").exists()
    assert not (project / "tree").exists()


def test_an_action_whose_outputs_are_not_all_restored_fails(project: Path) -> None:
    class Forgets(Cached):
        def restore(self, uid: str, command: Command, fingerprint: Fingerprint) -> str | None:
            return "nowhere"

    plan = load_plan(str(project / "treadle.yaml"))
    report = Forgets(project.parent / "cache", plan.dag(), plan.root).run()
    assert "did not write its output out/a" in str(report.actions["a"].failure)
    assert not run(project).actions["a"].failure


def test_an_error_of_the_cache_fails_the_action_with_its_words(project: Path) -> None:
    class Broken(Cached):
        def restore(self, uid: str, command: Command, fingerprint: Fingerprint) -> str | None:
            raise OSError(5, "the cache cannot be read")

    plan = load_plan(str(project / "treadle.yaml"))
    report = Broken(project.parent / "cache", plan.dag(), plan.root).run()
    assert "the cache cannot be read" in str(report.actions["a"].failure)
    assert report.actions["b"].status == ReturnValue.force_fail


@pytest.mark.parametrize("origin", [True, 5, "", ["x"]])
def test_what_is_no_text_is_refused_and_nothing_counts_as_restored(project: Path, origin: object) -> None:
    class Odd(Cached):
        def restore(self, uid: str, command: Command, fingerprint: Fingerprint) -> Any:
            return origin

    plan = load_plan(str(project / "treadle.yaml"))
    report = Odd(project.parent / "cache", plan.dag(), plan.root).run()
    assert "restore() returned" in str(report.actions["a"].failure)
    assert "expected a text" in str(report.actions["a"].failure)


def test_a_coroutine_is_refused(project: Path) -> None:
    class Async(Cached):
        async def restore(self, uid: str, command: Command, fingerprint: Fingerprint) -> Any:  # type: ignore[override]
            return None

    plan = load_plan(str(project / "treadle.yaml"))
    report = Async(project.parent / "cache", plan.dag(), plan.root).run()
    assert "restore() returned" in str(report.actions["a"].failure)
