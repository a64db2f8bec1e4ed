"""Whose files count: owner, mode and group, decided on numbers alone, and what the environment allows."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from treadle.content import trust

FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR
SUDO = {"SUDO_UID": "1000", "SUDO_GID": "1000"}


def status(kind: int, mode: int, uid: int, gid: int) -> os.stat_result:
    """Return what the system says of a file."""
    return os.stat_result((kind | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


CASES = {
    # who runs (uid, gid, environment), what is there (kind, mode, uid, gid), whether it counts
    "own file, umask 022": ((1000, 1000, {}), (FILE, 0o644, 1000, 1000), True),
    "own file, umask 002, user-private group": ((1000, 1000, {}), (FILE, 0o664, 1000, 1000), True),
    "own folder, umask 002, user-private group": ((1000, 1000, {}), (FOLDER, 0o775, 1000, 1000), True),
    "own file, umask 077": ((1000, 1000, {}), (FILE, 0o600, 1000, 1000), True),
    "own file, umask 0": ((1000, 1000, {}), (FILE, 0o666, 1000, 1000), False),
    "own folder, umask 0": ((1000, 1000, {}), (FOLDER, 0o777, 1000, 1000), False),
    "root's file": ((1000, 1000, {}), (FILE, 0o644, 0, 0), True),
    "root's file that its group may write": ((1000, 1000, {}), (FILE, 0o664, 0, 0), False),
    "root's file that our group may write": ((1000, 1000, {}), (FILE, 0o664, 0, 1000), True),
    "another user's file": ((1000, 1000, {}), (FILE, 0o644, 1001, 1001), False),
    "another user's file in our group": ((1000, 1000, {}), (FILE, 0o644, 1001, 1000), False),
    "another user's file that nobody may write": ((1000, 1000, {}), (FILE, 0o444, 1001, 1000), False),
    "setgid team folder": ((1000, 1000, {}), (FOLDER, 0o2775, 1000, 2000), False),
    "setgid team folder that the team may only read": ((1000, 1000, {}), (FOLDER, 0o2755, 1000, 2000), True),
    "setgid folder of the primary group": ((1000, 2000, {}), (FOLDER, 0o2775, 1000, 2000), True),
    "file in a team folder": ((1000, 1000, {}), (FILE, 0o664, 1000, 2000), False),
    "/tmp": ((1000, 1000, {}), (FOLDER, 0o1777, 0, 0), False),
    "no modes (vfat)": ((1000, 1000, {}), (FILE, 0o777, 0, 0), False),
    "root over a user's file": ((0, 0, {}), (FILE, 0o644, 1000, 1000), False),
    "root over its own": ((0, 0, {}), (FILE, 0o644, 0, 0), True),
    "root over its own, umask 002": ((0, 0, {}), (FILE, 0o664, 0, 0), True),
    "root over its own, umask 002, in another group (newgrp)": ((0, 2000, {}), (FILE, 0o664, 0, 0), True),
    "root over a third group's, in another group": ((0, 2000, {}), (FILE, 0o664, 0, 3000), False),
    "a user without an entry, in a third group": ((99999, 2000, {}), (FILE, 0o664, 99999, 99999), False),
    "sudo over the caller's file": ((0, 0, SUDO), (FILE, 0o644, 1000, 1000), True),
    "sudo over the caller's file, umask 002": ((0, 0, SUDO), (FILE, 0o664, 1000, 1000), True),
    "sudo over a third user's file": ((0, 0, SUDO), (FILE, 0o644, 1001, 1001), False),
    "sudo to another user over the caller's file": ((1001, 1001, SUDO), (FILE, 0o644, 1000, 1000), False),
    "SUDO_UID that is no number": ((0, 0, {"SUDO_UID": "x"}), (FILE, 0o644, 1000, 1000), False),
}


@pytest.mark.parametrize("case", CASES)
def test_what_counts_belongs_to_us_or_root_and_no_other_may_write_to_it(case: str) -> None:
    (uid, gid, environ), there, counts = CASES[case]
    why = trust.why_foreign(status(*there), trust.User(uid, gid, environ))
    assert (why == "") == counts, why


@pytest.mark.parametrize(
    ("there", "counts"),
    [
        ((FOLDER, 0o1777, 0, 0), True),
        ((FOLDER, 0o1775, 1000, 2000), True),
        ((FOLDER, 0o777, 0, 0), False),
        # its owner may rename what others have in it
        ((FOLDER, 0o1777, 1001, 1001), False),
        # the bit means nothing on a file
        ((FILE, 0o1666, 1000, 1000), False),
    ],
)
def test_a_shared_folder_is_one_in_which_only_owners_rename(there: tuple[int, int, int, int], counts: bool) -> None:
    why = trust.why_foreign(status(*there), trust.User(1000, 1000, {}), shared=True)
    assert (why == "") == counts, why


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("{here}", True),
        ("{here}/", True),
        ("/nowhere:{here}", True),
        ("{above}", True),
        ("*", True),
        ("/nowhere:*", True),
        ("", False),
        ("{here}x", False),
        ("{here}/deeper", False),
        (".", False),
        ("here", False),
        ("/nowhere", False),
    ],
)
def test_the_environment_says_which_folders_count_in_spite_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, counts: bool
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "treadle.yaml").write_text("")
    (here / "treadle.yaml").chmod(0o666)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(trust.SAFE_FOLDERS, said.format(here=here, above=tmp_path))
    assert (trust.foreign_file(str(here / "treadle.yaml")) is None) == counts


def test_the_hint_names_the_mode_to_take_away_or_the_folder_to_allow(tmp_path: Path) -> None:
    file = tmp_path / "treadle.yaml"
    file.write_text("")
    file.chmod(0o666)
    found = trust.foreign_file(str(file))
    assert found == (str(file), "all users may write to it (mode 0666)")
    said = trust.hint(found)
    assert f"chmod o-w {file}" in said
    assert f"TREADLE_SAFE_FOLDERS={tmp_path}" in said


@pytest.mark.parametrize("before", ["", "/one", "/one:/two"])
@pytest.mark.parametrize("is_link", [False, True])
def test_what_the_hint_says_helps_and_keeps_what_was_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, is_link: bool
) -> None:
    (tmp_path / "other").mkdir()
    file = tmp_path / "other/plan"
    file.write_text("")
    file.chmod(0o666)
    if is_link:
        file = tmp_path / "treadle.yaml"
        file.symlink_to("other/plan")
    monkeypatch.setenv(trust.SAFE_FOLDERS, before)
    found = trust.foreign_file(str(file))
    assert found is not None
    said = trust.hint(found).partition(f"{trust.SAFE_FOLDERS}=")[2]
    assert said.startswith(before)
    monkeypatch.setenv(trust.SAFE_FOLDERS, said)
    assert trust.foreign_file(str(file)) is None


def test_what_is_absent_is_not_foreign(tmp_path: Path) -> None:
    assert trust.foreign_file(str(tmp_path / "treadle.yaml")) is None


def test_a_link_counts_if_it_leads_to_what_counts_in_a_folder_that_counts(tmp_path: Path) -> None:
    other, mine = tmp_path / "other", tmp_path / "mine"
    other.mkdir()
    mine.mkdir()
    (other / "plan").write_text("")
    (mine / "treadle.yaml").symlink_to(other / "plan")
    assert trust.foreign_file(str(mine / "treadle.yaml")) is None
    other.chmod(0o777)
    assert trust.foreign_file(str(mine / "treadle.yaml")) == (str(other), "all users may write to it (mode 0777)")
    other.chmod(0o755)
    (other / "plan").chmod(0o602)
    assert trust.foreign_file(str(mine / "treadle.yaml")) is not None
