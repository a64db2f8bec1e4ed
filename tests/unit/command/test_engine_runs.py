"""What a worker has to see before it starts an action: all that this reads and that has changed lately."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from treadle import Command
from treadle.command.engine_runs import views_of
from treadle.command.fingerprinting import Fingerprinter
from treadle.content.files import Files
from treadle.engines.shared_folder import SharedFolder

if TYPE_CHECKING:
    from pathlib import Path


def views(root: Path, command: Command, discovered: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the views of a command, with paths relative to the root."""
    inputs = Fingerprinter(Files(str(root)), dict(os.environ)).compute(command, discovered)
    found = views_of(inputs, command, str(root))
    assert all(SharedFolder().shows(path, view) for path, view in found.items())
    return {os.path.relpath(path, root): view.partition(" ")[0] for path, view in found.items()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "src/sub").mkdir(parents=True)
    for name in ("i", "src/a", "src/sub/b", "h"):
        (tmp_path / name).touch()
    return tmp_path


def test_of_a_named_file_exactly_that_is_seen(root: Path) -> None:
    assert views(root, Command(["cat", "i"], inputs=["i"])) == {"i": "file"}


def test_in_a_folder_a_later_change_is_as_good(root: Path) -> None:
    found = views(root, Command(["cat"], inputs=["src/"]))
    assert found == {"src": "since", "src/a": "if", "src/sub": "if", "src/sub/b": "if"}


def test_what_was_found_to_be_read_counts_too_also_where_it_is_gone(root: Path) -> None:
    found = views(root, Command(["cat", "i"], inputs=["i"]), ("h", "src/gone", "/etc/passwd"))
    assert found == {"i": "file", "h": "if", "src": "since"}


def test_what_is_edited_counts_too(root: Path) -> None:
    assert views(root, Command(["cat"], edits=["i"])) == {"i": "since"}


def test_what_has_not_changed_lately_is_seen_by_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = (root / "i").stat().st_ctime_ns
    monkeypatch.setattr("treadle.command.engine_runs.time_ns", lambda: now + 601 * 10**9)
    assert views(root, Command(["cat", "i"], inputs=["i", "src/"])) == {}
