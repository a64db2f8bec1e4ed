"""A folder for plans, as a fixture: loaded through the library, or run by the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from plan_folder import Folder
from project import Project


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh folder for plans."""
    return Project(tmp_path / "project")
