"""Another file system under the same path: an equal inode, ctime and size say nothing then.

The file systems are images that are mounted: two of them are equal but for one word in one file, as images are that
a build makes anew with times and numbers that are the same each time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project import Project

TOOLS = ("mkfs.ext4", "mkfs.ext2", "debugfs", "losetup", "mount", "umount")
ONE, TWO = b"the word is one.\n", b"the word is two.\n"
PLAN = """
treadle: 1
actions:
  a:
    sh: "echo a >> $LOG; {command} > ${{out}}"
    in: [{inputs}]
    out: o/a
    pass: LOG
{more}"""
READS = {
    "a file": ("data/f", "wc -c < data/f", ""),
    "a tree": ("data/", "ls data", ""),
    "a glob": ("data/*", "ls data", ""),
    "a link that leads to it": ("link", "wc -c < link", ""),
    "what a depfile names": ("other", "echo 'o/a: data/f' > ${{depfile}}; wc -c < data/f", "    depfile: o/a.d\n"),
    "a script that is run": ("other", "data/f; echo", "    tools: [data/f]\n"),
}


class Images:
    """Mounts images, and takes all of them away at the end."""

    def __init__(self) -> None:
        self.mounted: list[str] = []

    def mount(self, *arguments: str | Path) -> None:
        """Mount something; the last argument is the place."""
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        self.mounted.append(str(arguments[-1]))

    def unmount(self) -> None:
        """Take away what was mounted last."""
        subprocess.run(["umount", self.mounted[-1]], check=True)
        self.mounted.pop()

    def end(self) -> None:
        """Take all away."""
        for place in reversed(self.mounted):
            subprocess.run(["umount", "-l", place], check=False)


@pytest.fixture
def images() -> Iterator[Images]:
    """What mounts images, where that is permitted."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not there to make and mount images: {', '.join(missing)}")
    made = Images()
    yield made
    made.end()


def image(path: Path, folder: Path, kind: str = "ext4") -> Path:
    """Make an image with what is in a folder, all of which was made long ago."""
    with path.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run([f"mkfs.{kind}", "-q", "-d", str(folder), str(path)], check=True)
    names = ["/", *(f"/{found.relative_to(folder)}" for found in folder.rglob("*"))]
    orders = "".join(f"set_inode_field {name} ctime 20200101\n" for name in names)
    subprocess.run(["debugfs", "-w", "-f", "-", str(path)], input=orders.encode(), check=True, capture_output=True)
    return path


def other_image(path: Path) -> Path:
    """Return a copy of an image in which one word is another one."""
    other = path.with_suffix(".two")
    held = path.read_bytes()
    assert ONE.strip() in held
    other.write_bytes(held.replace(ONE.strip(), TWO.strip()))
    return other


def stamp(path: Path) -> tuple[int, int, int, int]:
    """Return all that could tell two files apart without reading them."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size


def project_that_reads(folder: Path, reads: str) -> Project:
    """Write a plan that reads what is mounted on data/."""
    inputs, command, more = READS[reads]
    project = Project(folder)
    project.write(
        "plan", PLAN.format(inputs=inputs, command=command.replace("{{", "{").replace("}}", "}"), more=more)
    )
    project.write("other", "x")
    (folder / "data").mkdir()
    (folder / "link").symlink_to("data/f")
    return project


def source(folder: Path) -> Path:
    """Write what the images hold."""
    folder.mkdir()
    (folder / "f").write_bytes(ONE if "script" not in folder.name else b"#!/bin/true\n" + ONE)
    (folder / "f").chmod(0o755)
    (folder / "lost+found").mkdir()
    return folder


@pytest.mark.parametrize("kind", ["ext4", "ext2"])
@pytest.mark.parametrize("reads", READS)
def test_another_image_at_the_same_place_is_read_anew(
    tmp_path: Path, images: Images, reads: str, kind: str
) -> None:
    first = image(tmp_path / "image", source(tmp_path / f"source of {reads}"), kind)
    project = project_that_reads(tmp_path / "project", reads)
    data = project.folder / "data"
    images.mount("-o", "loop", first, data)
    before = stamp(data / "f")
    assert project.run() == ["a"]
    assert project.run() == []
    images.unmount()
    images.mount("-o", "loop", other_image(first), data)
    assert stamp(data / "f") == before
    assert project.run() == ["a"]
    assert project.run() == []


def _again(images: Images, first: Path, data: Path) -> None:
    images.mount("-o", "loop", first, data)


def _by_another_way(images: Images, first: Path, data: Path) -> None:
    elsewhere = data.parent.parent / "elsewhere"
    elsewhere.mkdir()
    images.mount("-o", "loop", first, elsewhere)
    images.mount("--bind", elsewhere, data)


def _a_copy(images: Images, first: Path, data: Path) -> None:
    copy = first.with_suffix(".copy")
    shutil.copyfile(first, copy)
    images.mount("-o", "loop", copy, data)


@pytest.mark.parametrize("mount", [_again, _by_another_way, _a_copy])
def test_what_holds_the_same_runs_nothing_whatever_is_mounted(
    tmp_path: Path, images: Images, mount: Callable[[Images, Path, Path], None]
) -> None:
    first = image(tmp_path / "image", source(tmp_path / "source"))
    project = project_that_reads(tmp_path / "project", "a tree")
    images.mount("-o", "loop", first, project.folder / "data")
    assert project.run() == ["a"]
    images.unmount()
    mount(images, first, project.folder / "data")
    assert project.run() == []
    assert project.treadle("run").text.count("nothing to do") == 1


def test_a_root_that_is_another_image_is_read_anew(tmp_path: Path, images: Images) -> None:
    inside = Project(tmp_path / "source")
    inside.write("plan", PLAN.format(inputs="f", command="wc -c < f", more=""))
    inside.write("f", ONE)
    (inside.folder / "lost+found").mkdir()
    first = image(tmp_path / "image", inside.folder)
    project = Project(tmp_path / "project")
    images.mount("-o", "loop", first, project.folder)
    before = stamp(project.folder / "f")
    assert project.run() == ["a"]
    assert project.run() == []
    images.unmount()
    images.mount("-o", "loop", other_image(first), project.folder)
    assert stamp(project.folder / "f") == before
    assert project.run() == ["a"]
    images.unmount()
    images.mount("-o", "loop", first, project.folder)
    assert project.run() == []


def test_values_of_a_plan_on_another_image_are_read_anew(tmp_path: Path, images: Images) -> None:
    parts = tmp_path / "source"
    parts.mkdir()
    (parts / "values.yaml").write_text(f"word: {ONE.decode()}")
    first = image(tmp_path / "image", parts)
    project = Project(tmp_path / "project")
    values = "treadle: 1\nvars: {v: {file: data/values.yaml}}\n"
    project.write("plan", values + PLAN.format(inputs="", command="echo ${v.word}", more="").partition("1\n")[2])
    (project.folder / "data").mkdir()
    images.mount("-o", "loop", first, project.folder / "data")
    assert project.run() == ["a"]
    assert project.run() == []
    images.unmount()
    images.mount("-o", "loop", other_image(first), project.folder / "data")
    assert project.run() == ["a"]
    assert project.read("o/a").strip() == TWO.decode().strip()


def test_what_an_action_mounts_while_the_run_goes_on_is_read_anew(tmp_path: Path, images: Images) -> None:
    first = image(tmp_path / "image", source(tmp_path / "source"))
    second = other_image(first)
    project = project_that_reads(tmp_path / "project", "a file")
    data = project.folder / "data"
    swap = (
        f"  swap:\n    sh: umount {data}; mount -o loop {second} {data}; echo > ${{out}}\n"
        "    in: other\n    out: o/swap\n    after: a\n"
        '  b: {sh: "echo b >> $LOG; wc -c < data/f > ${out}", in: data/f, out: o/b, pass: LOG, after: swap}\n'
    )
    project.write("plan", project.read("treadle.yaml") + swap)
    images.mount("-o", "loop", first, data)
    assert project.run() == ["a", "b"]
    # b has read what was mounted meanwhile, a what was there before
    assert project.run() == ["a"]
    assert project.run() == []
