"""`cache: {shared: ...}`: what one clone has made on one machine comes back in another, by a real server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cache_servers import Nginx
from project import Project

pytest.importorskip("urllib3", exc_type=ImportError)

PLAN = """
treadle: 1
cache: {shared: "URL"}
defaults: {cache: true}
actions:
  file: {sh: 'echo file >> $LOG; echo said; cp ${in} ${out}', in: in, out: out/file, pass: [LOG]}
  empty: {sh: 'echo empty >> $LOG; : > ${out}', in: in, out: out/empty, pass: [LOG]}
  tree: {sh: 'echo tree >> $LOG; mkdir -p ${out}/x/no; cat ${in} > ${out}/x/y; ln -s x/y ${out}/l; chmod +x ${out}/x/y',
    in: out/file, out: tree/, pass: [LOG]}
  found: {sh: 'echo found >> $LOG; cat in hdr > ${out}; echo "${out}: hdr in" > ${depfile}', in: in, out: out/found,
    depfile: out/found.d, pass: [LOG]}
"""
ALL = ["empty", "file", "found", "tree"]


class Clones:
    """Clones of one project, each with a local cache of its own as on a machine of its own.

    :param url: of the shared cache
    """

    def __init__(self, folder: Path, url: str, plan: str = PLAN) -> None:
        self.folder = folder
        self.url = url
        self.plan = plan.replace("URL", url)

    def clone(self, name: str, text: str = "1\n") -> Project:
        """Return a new clone."""
        project = Project(self.folder / name)
        project.environ["TREADLE_CACHE_DIR"] = str(self.folder / f"{name}.store")
        project.environ.pop("TREADLE_CACHE", None)
        project.write("plan", self.plan)
        project.write("in", text)
        project.write("hdr", "h\n")
        return project


@pytest.fixture
def clones(nginx: Nginx, tmp_path: Path) -> Clones:
    return Clones(tmp_path, nginx.url())


def outputs(project: Project) -> dict[str, str]:
    """Return path -> what is there, of all outputs."""
    found = {}
    for top in ("out", "tree"):
        for path in sorted((project.folder / top).rglob("*")):
            name = path.relative_to(project.folder).as_posix()
            if name == "out/found.d":
                continue
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.is_file():
                found[name] = f"{path.stat().st_mode & 0o777:o} {path.read_text()}"
            else:
                found[name] = "folder"
    return found


def test_two_clones_share_outputs_over_a_server(clones: Clones, nginx: Nginx) -> None:
    """W1, W2, F3: files, folders, links, the empty blob, logs and what a depfile has named."""
    first = clones.clone("first")
    assert first.run("--cache=write") == ALL
    second = clones.clone("second with another length")
    done = second.treadle("run")
    assert done.code == 0
    assert second.starts() == []
    assert outputs(second) == outputs(first)
    assert "restored file (shared)" in done.out
    assert "restored from the shared cache: made by run " in second.treadle("why", "file").out
    assert "nothing to do" in second.treadle("run").text
    assert not any("e3b0c44298fc1c149afbf4c8996fb924" in path for path in nginx.requests()), "W5"


def test_what_a_server_has_returned_is_stored_here_too(clones: Clones, nginx: Nginx) -> None:
    """F7: a hit fills the caches before it, path sets too."""
    clones.clone("first").run("--cache=write")
    second = clones.clone("second")
    assert second.run() == []
    before = outputs(second)
    nginx.empty()
    for name in (".treadle", "out", "tree"):
        shutil.rmtree(second.folder / name)
    done = second.treadle("run")
    assert second.starts() == []
    assert "restored file (local)" in done.out
    assert outputs(second) == before


def test_a_plan_grants_no_writing(clones: Clones, nginx: Nginx) -> None:
    """T9, case 42: what is only read gets no PUT."""
    clones.clone("first").run()
    assert nginx.requests()
    assert not [one for one in nginx.requests() if one.startswith("PUT")]
    assert os.listdir(nginx.data("").parent / "data") == []
