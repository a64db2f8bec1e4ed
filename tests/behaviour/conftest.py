"""A folder for plans, as a fixture: loaded through the library, or run by the real command."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
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


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A folder on another file system than temporary folders."""
    folder = Path("/dev/shm")
    if not folder.is_dir() or os.stat(folder).st_dev == os.stat("/tmp").st_dev:
        pytest.skip("there is no other file system")
    with tempfile.TemporaryDirectory(dir=folder) as made:
        yield Path(made)


@pytest.fixture
def powerless(project: Project) -> Project:
    """A project whose command has no more rights than the modes of files give."""
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root can read all files, and setpriv is not there to take that from it")
        project.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    return project
