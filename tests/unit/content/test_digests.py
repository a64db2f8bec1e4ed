"""Files and folders as values: by content, and without blocking on anything."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from treadle.content.digests import LITTER, describe_file, describe_tree, is_litter
from treadle.core.patterns import Exclusion, exclusion
from treadle.errors import TreadleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the path of a socket; it is bound by its short name, long ones are refused."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        yield tmp_path / "socket"


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# Files


def test_a_file_is_its_size_and_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "content")
    assert re.fullmatch("file 7 [0-9a-f]{32}", describe_file(path))
    assert describe_file(str(path)) == describe_file(write(tmp_path / "b", "content"))
    assert describe_file(path) != describe_file(write(tmp_path / "c", "CONTENT"))
    assert describe_file(write(tmp_path / "empty")).startswith("file 0 ")


def test_the_clock_and_the_inode_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "content")
    before = describe_file(path)
    os.utime(path, (1, 1))
    write(tmp_path / "b", "content").replace(path)
    assert describe_file(path) == before


def test_a_large_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(3 << 20) + b"a")
    before = describe_file(path)
    assert before.startswith(f"file {(3 << 20) + 1} ")
    path.write_bytes(bytes(3 << 20) + b"b")
    assert describe_file(path) != before


def test_a_file_that_its_owner_may_execute_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "content")
    plain = describe_file(path)
    path.chmod(0o744)
    assert describe_file(path) == plain.replace("file", "exec")
    path.chmod(0o655)
    assert describe_file(path) == plain


def test_nothing_is_absent(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    dangling = tmp_path / "dangling"
    dangling.symlink_to("nowhere")
    endless = tmp_path / "endless"
    endless.symlink_to("endless")
    for nothing in (tmp_path / "b", path / "below-a-file", dangling, endless):
        assert describe_file(nothing) == "absent"
        assert describe_tree(nothing) == "absent"


def test_a_link_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "content")
    link = tmp_path / "link"
    link.symlink_to("a")
    assert describe_file(link) == describe_file(path)


@pytest.mark.parametrize("describe", [describe_file, describe_tree])
def test_a_fifo_is_named_and_not_waited_for(tmp_path: Path, describe: type[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert describe(tmp_path / "fifo") == "special fifo"


@pytest.mark.parametrize("describe", [describe_file, describe_tree])
def test_sockets_and_devices_are_named(listening: Path, describe: type[str]) -> None:
    assert describe(listening) == "special socket"
    assert describe("/dev/zero") == "special character device"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert describe_file(tmp_path) == "special folder"


@as_user
def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "secret")
    path.chmod(0)
    with pytest.raises(TreadleError, match=r"secret cannot be read\n.*denied"):
        describe_file(path)
    with pytest.raises(TreadleError, match=r"secret cannot be read\n.*denied"):
        describe_tree(tmp_path)


def test_what_cannot_be_looked_at_is_an_error_with_the_facts(tmp_path: Path) -> None:
    with pytest.raises(TreadleError, match=r"xxx cannot be read\n.*too long"):
        describe_file(tmp_path / ("x" * 300))
    with pytest.raises(TreadleError, match="cannot be a path"):
        describe_file("a\0b")
    with pytest.raises(TreadleError, match="cannot be a path"):
        describe_tree("a\0b")


# Folders


def test_a_folder_counts_all_that_is_below_it(tmp_path: Path) -> None:
    write(tmp_path / "top" / "a", "1")
    write(tmp_path / "top" / "below" / ".hidden", "2")
    (tmp_path / "top" / "empty").mkdir()
    (tmp_path / "top" / "link").symlink_to("a")
    assert re.fullmatch("tree 5 [0-9a-f]{32}", describe_tree(tmp_path / "top"))


def test_a_folder_is_the_same_whatever_its_clock_and_order(tmp_path: Path) -> None:
    for top, names in (("one", "abc"), ("two", "cba")):
        for name in names:
            os.utime(write(tmp_path / top / name / name, name), (len(top), ord(name)))
    assert describe_tree(tmp_path / "one") == describe_tree(tmp_path / "two")
    assert describe_tree(f"{tmp_path}/one/") == describe_tree(tmp_path / "one")


def test_every_change_of_a_folder_is_another_value(tmp_path: Path) -> None:
    top = tmp_path / "top"
    write(top / "a", "1")
    seen = [describe_tree(top)]

    def is_new() -> bool:
        seen.append(describe_tree(top))
        return seen[-1] not in seen[:-1]

    write(top / "a", "2")
    assert is_new(), "content"
    (top / "a").chmod(0o755)
    assert is_new(), "executable"
    (top / "a").rename(top / "b")
    assert is_new(), "name"
    (top / "empty").mkdir()
    assert is_new(), "empty folder"
    (top / "b").rename(top / "empty" / "b")
    assert is_new(), "moved below"
    (top / "link").symlink_to("x")
    assert is_new(), "link"
    (top / "link").unlink()
    (top / "link").symlink_to("y")
    assert is_new(), "text of a link"
    (top / "link").unlink()
    write(top / "link", "y")
    assert is_new(), "file in place of a link"
    (top / "link").unlink()
    (top / "link").mkdir()
    assert is_new(), "folder in place of a file"
    os.mkfifo(top / "fifo")
    assert is_new(), "fifo"


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside" / "a", "1")
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to("../outside")
    (tmp_path / "top" / "up").symlink_to("..")
    before = describe_tree(tmp_path / "top")
    write(tmp_path / "outside" / "a", "2")
    assert describe_tree(tmp_path / "top") == before


def test_a_followed_link_to_a_folder_around_the_tree_counts_by_its_text(tmp_path: Path) -> None:
    top = tmp_path / "project" / "data"
    write(top / "a", "x")
    (top / "up").symlink_to("..")
    (top / "root").symlink_to("/")
    before = describe_tree(top, follow=True)
    assert before.startswith("tree 3 ")
    write(tmp_path / "project" / "beside", "y")
    assert describe_tree(top, follow=True) == before
    (top / "up").unlink()
    (top / "up").symlink_to("../../project")
    assert describe_tree(top, follow=True) != before


def test_links_elsewhere_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    top = tmp_path / "top"
    write(top / "a", "x")
    write(tmp_path / "other" / "deep" / "b", "y")
    (top / "out").symlink_to("../other/deep")
    (tmp_path / "other" / "deep" / "back").symlink_to("..")
    before = describe_tree(top, follow=True)
    # a, out, out/b, out/back, and in that deep once more
    assert before.startswith("tree 5 ")
    write(tmp_path / "other" / "deep" / "b", "z")
    assert describe_tree(top, follow=True) != before


def packages(top: Path, count: int) -> Path:
    """Make packages each of which has links to all others in it, as package managers lay them out."""
    for one in range(count):
        write(top / f"p{one}" / "code", str(one))
        (top / f"p{one}" / "modules").mkdir()
        for other in range(count):
            if other != one:
                (top / f"p{one}" / "modules" / f"p{other}").symlink_to(f"../../p{other}")
    return top


def test_links_between_the_folders_of_a_tree_take_no_more_time_than_there_are_links(tmp_path: Path) -> None:
    top = packages(tmp_path / "top", 20)
    listed: list[str] = []
    read: list[str] = []

    def value(path: str, _: os.stat_result) -> str:
        read.append(path)
        return describe_file(path)

    said = describe_tree(top, value, follow=True, on_folder=lambda name, *_: listed.append(name))
    # of each package its own name, its code, its links and their folder
    assert said.startswith("tree ")
    assert int(said.split()[1]) <= 20 * (3 + 19)
    # the top, each package and its modules: once each
    assert (len(listed), len(read)) == (1 + 2 * 20, 20)


def test_copies_of_a_tree_with_links_between_its_folders_are_equal(tmp_path: Path) -> None:
    shutil.copytree(packages(tmp_path / "one", 5), tmp_path / "elsewhere" / "two", symlinks=True)
    assert describe_tree(tmp_path / "one", follow=True) == describe_tree(tmp_path / "elsewhere/two", follow=True)


CHANGES = {
    "a file that many links lead to": "echo new > p3/code",
    "a new file in a folder that many links lead to": "echo > p3/modules/new",
    "a link to another folder": "ln -sfn ../../p2 p0/modules/p1",
    "a link that goes": "rm p4/modules/p3",
    "a folder in place of a link": "rm p4/modules/p3; cp -r p3 p4/modules/p3",
    "the names of two folders": "mv p1 w; mv p2 p1; mv w p2",
    "two links": "mv p4/modules/p1 w; mv p4/modules/p2 p4/modules/p1; mv w p4/modules/p2",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_anywhere_behind_links_is_another_value(tmp_path: Path, change: str) -> None:
    top = packages(tmp_path / "top", 5)
    before = describe_tree(top, follow=True)
    subprocess.run(["sh", "-ec", change], cwd=top, check=True)
    assert describe_tree(top, follow=True) != before


@pytest.mark.parametrize("text", ["itself", "file/below", "nowhere", "two-1"])
def test_a_link_that_leads_nowhere_counts_by_its_text_in_what_is_read(tmp_path: Path, text: str) -> None:
    top = tmp_path / "top"
    write(top / "file", "1")
    (top / "two-1").symlink_to("two-2")
    (top / "two-2").symlink_to("two-1")
    (top / "itself").symlink_to(text)
    before = describe_tree(top, follow=True)
    assert before.startswith("tree 4 ")
    (top / "itself").unlink()
    (top / "itself").symlink_to(f"./{text}")
    assert describe_tree(top, follow=True) != before


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "top" / "a", "1")
    (tmp_path / "link").symlink_to("top")
    assert describe_tree(tmp_path / "link") == describe_tree(tmp_path / "top")


def test_a_file_given_as_a_folder_is_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "1")
    assert describe_tree(path) == describe_file(path)


def test_names_that_are_no_text_count_too(tmp_path: Path) -> None:
    values: set[str] = set()
    for name in (b"\xff", b"\xfe", b"new\nline"):
        top = tmp_path / str(len(values))
        top.mkdir()
        with open(os.path.join(os.fsencode(top), name), "wb"):
            pass
        os.symlink(b"\xfd", os.path.join(os.fsencode(top), b"link"))
        values.add(describe_tree(top))
    assert len(values) == 3


def test_a_folder_deeper_than_the_stack_is_no_trouble(tmp_path: Path) -> None:
    folders = [f"{tmp_path}{'/d' * depth}" for depth in range(1, 1_201)]
    for folder in folders:
        os.mkdir(folder)
    found = describe_tree(tmp_path)
    for folder in reversed(folders):
        os.rmdir(folder)
    assert found.startswith(f"tree {len(folders)} ")


def test_a_caller_who_knows_the_files_saves_reading_them(tmp_path: Path) -> None:
    write(tmp_path / "a", "1")
    write(tmp_path / "below" / "b", "22")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "fifo")
    asked: dict[str, int] = {}

    def known(path: str, status: os.stat_result) -> str:
        asked[path] = status.st_size
        return describe_file(path)

    assert describe_tree(tmp_path, known) == describe_tree(tmp_path)
    assert asked == {f"{tmp_path}/a": 1, f"{tmp_path}/below/b": 2}
    assert describe_tree(tmp_path, lambda *_: "file 1 other") != describe_tree(tmp_path)


def test_a_file_that_goes_meanwhile_is_absent(tmp_path: Path) -> None:
    write(tmp_path / "a", "1")
    write(tmp_path / "b", "1")

    def racing(path: str, _: os.stat_result) -> str:
        (tmp_path / "b").unlink(missing_ok=True)
        return describe_file(path)

    assert describe_tree(tmp_path, racing).startswith("tree 2 ")


LITTER_FILES = [
    *(".a.c.swp", ".a.c.swo", ".x.swa", ".#a.c", "#a.c#", "a~", "a.c~", ".a~", ".~lock.a.odt#", ".DS_Store"),
]
NO_LITTER = [
    *("a.swp", ".swp", ".a.swx", ".a.sw", ".a.svg", "#", "##", "a#", "#a", "4913", "~", "~a", ".a.sh"),
    *(".~lock.a", "DS_Store", ".DS_Store2", "__pycache__"),
]


@pytest.mark.parametrize("name", LITTER_FILES)
def test_what_an_editor_keeps_beside_a_file_is_no_part_of_an_input_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    before = describe_tree(tmp_path / "in", follow=True), describe_tree(tmp_path / "in")
    (tmp_path / "in/deep" / name).symlink_to("me@here:1") if name[1] == "#" else (
        tmp_path / "in/deep" / name
    ).touch()
    assert describe_tree(tmp_path / "in", follow=True) == before[0]
    assert describe_tree(tmp_path / "in") != before[1]


@pytest.mark.parametrize("name", NO_LITTER)
def test_what_only_looks_like_it_counts(tmp_path: Path, name: str) -> None:
    before = describe_tree(tmp_path, follow=True)
    (tmp_path / name).touch()
    assert describe_tree(tmp_path, follow=True) != before


def test_a_folder_with_the_name_of_a_lock_counts(tmp_path: Path) -> None:
    before = describe_tree(tmp_path, follow=True)
    (tmp_path / ".#a").mkdir()
    assert describe_tree(tmp_path, follow=True) != before


@pytest.mark.parametrize(
    "name",
    [*LITTER_FILES, *NO_LITTER, "__pycache__x", ".treadle", ".mypy_cache", ".ruff_cache2", ".#", ".~", ".~lock.#"],
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_the_list_of_litter_says_what_is_litter(name: str, is_folder: bool) -> None:
    files = [pattern for pattern in LITTER if not pattern.endswith("/")]
    # a pattern of a file name takes folders too: those that look like editors' files count
    folders = [pattern for pattern in LITTER if pattern.endswith("/")]
    assert is_litter(name, is_folder) == Exclusion(folders if is_folder else files)(name, is_folder)


@pytest.mark.parametrize("follow", [True, False])
def test_what_is_excluded_is_not_entered_and_not_read(tmp_path: Path, follow: bool) -> None:
    write(tmp_path / "a", "1")
    before = describe_tree(tmp_path, follow=follow, is_excluded=exclusion(("gen/", "*.o")))
    (tmp_path / "gen").mkdir()
    write(tmp_path / "gen/x", "1")
    write(tmp_path / "b.o", "1")
    read: list[str] = []

    def value(path: str, _: os.stat_result) -> str:
        read.append(path)
        return describe_file(path)

    assert describe_tree(tmp_path, value, follow=follow, is_excluded=exclusion(("gen/", "*.o"))) == before
    assert read == [f"{tmp_path}/a"]
    assert describe_tree(tmp_path, follow=follow) != before
