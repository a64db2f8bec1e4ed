"""Commands with a `workdir`: what they refuse, and what hooks of a CommandWalk and a Discovery get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from treadle import DAG, Command, CommandWalk, Discovery
from treadle.content.fingerprint import Fingerprint
from treadle.errors import UsageError

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a kind that is none": ({"workdir": "frehs"}, "did you mean 'fresh'"),
    "keep": ({"keep": True}, "workdir and keep"),
    "once": ({"once": True}, "workdir and once"),
    "console": ({"console": True}, "workdir and console"),
    "edits": ({"edits": ["a"]}, "workdir and edits"),
    "an input through ..": ({"inputs": ["../a"]}, "names '../a'"),
    "an output through ..": ({"outputs": ["x/../../a"]}, "names 'x/../../a'"),
    "a cwd through ..": ({"cwd": "x/.."}, "names 'x/..'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_go_with_it_is_refused(case: str) -> None:
    """W1."""
    options, said = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        Command(["true"], **{"outputs": ["o"], "workdir": "fresh", **options})
    assert said in str(caught.value) + caught.value.hint


class Walk(CommandWalk):
    """Restores the outputs of `a`, if there are any elsewhere."""

    def restore(self, uid: str, command: Command, fingerprint: Fingerprint) -> str | None:
        kept = Path(self.root, "kept")
        assert not Path(self.root, "o").exists()
        if not kept.exists():
            return None
        Path(self.root, "o").write_text(kept.read_text())
        return "a cache"


def test_outputs_are_restored_to_their_places_and_no_folder_is_left(tmp_path: Path) -> None:
    """W2."""
    (tmp_path / "a").write_text("a")

    def walk(text: str) -> Walk:
        actions = DAG()
        actions.add_vertex("a", Command(["cp", "a", "o"], inputs=["a"], outputs=["o"], workdir="fresh"))
        (tmp_path / "a").write_text(text)
        made = Walk(actions, str(tmp_path))
        made.run()
        return made

    for text in ("a", "b"):
        assert walk(text).job_status["a"].is_good
        assert (tmp_path / "o").read_text() == text
    (tmp_path / "kept").write_text("kept")
    assert walk("c").job_status["a"].is_good
    assert (tmp_path / "o").read_text() == "kept"
    assert not (tmp_path / ".treadle/work/a").exists()


class Tracer(Discovery):
    """Says what it was given, and that `h` was read."""

    kind = "trace"
    roots: list[str] = []  # noqa: RUF012 - a test looks at it

    def prepare(self, root: str) -> None:
        self.roots.append(root)

    def wrap(self, argvs: Sequence[Sequence[str]], root: str) -> Sequence[Sequence[str]]:
        self.roots.append(root)
        return [
            ["sh", "-c", f'test -d {root} && pwd > {root}/{self.path} && exec "$@"', "sh", *argv] for argv in argvs
        ]

    def read(self, root: str) -> list[str]:
        self.roots.append(root)
        return [f"{Path(root, self.path).read_text().strip()}/h", "../../../other"]


def test_a_discovery_works_in_the_folder_and_names_what_is_in_the_root(tmp_path: Path) -> None:
    """W4."""
    for name in ("a", "h", "other"):
        (tmp_path / name).write_text(name)
    Tracer.roots.clear()

    def has_run() -> bool:
        actions = DAG()
        command = Command(["cp", "a", "o"], inputs=["a"], outputs=["o"], discovery=Tracer("o.t"), workdir="copy")
        actions.add_vertex("a", command)
        walk = CommandWalk(actions, str(tmp_path))
        walk.run()
        assert walk.job_status["a"].is_good
        return bool(walk.reports["a"].attempts)

    assert has_run()
    # what was just written may have been written while it ran
    has_run()
    folder = str(tmp_path / ".treadle/work/a")
    assert Tracer.roots[:3] == [folder, folder, str(tmp_path)]
    assert not has_run()
    for name in ("h", "other"):
        (tmp_path / name).write_text("more")
        assert has_run()
        has_run()
