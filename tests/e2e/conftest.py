"""What all end-to-end tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh folder for plans."""
    return Project(tmp_path / "project")
