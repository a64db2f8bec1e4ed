"""Each call of the system by which files are looked at may fail: that is a value or that action's own failure.

Never does it end the walk: what does not read the file is done all the same, and the run after it is right.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from treadle import DAG, Command, CommandWalk, ReturnValue, Script, Settings, Tool

CALLS = ("stat", "lstat", "scandir", "readlink", "open")
NUMBERS = {
    "an I/O error": errno.EIO,
    "no permission": errno.EACCES,
    "a stale handle": errno.ESTALE,
    "a name too long": errno.ENAMETOOLONG,
    "it has gone": errno.ENOENT,
    "a link in a circle": errno.ELOOP,
    "a file in place of a folder": errno.ENOTDIR,
}


class Faults:
    """Lets one call of the system fail that is about a folder: the one with a number.

    :param folder: what the path of the call begins with
    """

    def __init__(self, folder: Path, call: str, number: int, at: int) -> None:
        self.folder = str(folder)
        self.left = at
        self.number = number
        self._call = getattr(os, call)

    def __call__(self, path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self.folder):
            self.left -= 1
            if self.left == 0:
                raise OSError(self.number, os.strerror(self.number), path)
        return self._call(path, *arguments, **options)


@pytest.fixture
def walk(tmp_path: Path) -> Callable[[], CommandWalk]:
    """Return what makes a walk over an action that reads below `data`, and one that does not."""
    for name in ("data/t/x", "data/t/deep/y", "data/plain/z", "data/lib/v1/h", "other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "data/now").symlink_to("lib/v1")
    (tmp_path / "data/t/link").symlink_to("../now")
    (tmp_path / "data/tool").symlink_to("/bin/sh")
    dag = DAG()
    shell = ("sh", "-ec")
    reads = Command(
        script=Script("echo > o; echo o: data/now/h data/lib/ > o.d", shell=shell),
        inputs=("data/t/", "data/plain/z", "data/now/h"),
        tools=(Tool("data/tool"),),
        outputs=("o",),
        depfile="o.d",
    )
    dag.add_vertex("reads", reads)
    dag.add_vertex("other", Command(script=Script("echo > p", shell=shell), inputs=("other",), outputs=("p",)))
    return lambda: CommandWalk(dag, str(tmp_path), Settings(jobs=1))


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("call", CALLS)
def test_a_look_that_fails_fails_its_action_alone(
    tmp_path: Path, walk: Callable[[], CommandWalk], call: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = 0
    while True:
        at += 1
        faults = Faults(tmp_path / "data", call, number, at)
        (tmp_path / "other").write_text(f"{at}")
        (tmp_path / "data/plain/z").write_text(f"{at}")
        with monkeypatch.context() as patched:
            patched.setattr(os, call, faults)
            report = walk().run()
        assert report.actions["other"].status == ReturnValue.success, at
        if faults.left > 0:
            break
        action = report.actions["reads"]
        assert action.status in (ReturnValue.success, ReturnValue.failure), at
        if action.status == ReturnValue.failure:
            assert str(tmp_path / "data") in (action.failure or "") or "data/" in (action.failure or ""), at
    assert at > 1
    # whatever a fault has left on record: what is there now is done, and then up to date
    assert walk().run().ok
    assert walk().run().actions["reads"].status == ReturnValue.skip


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("call", ["stat", "scandir"])
def test_a_question_bears_a_look_that_fails(
    tmp_path: Path, walk: Callable[[], CommandWalk], call: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert walk().run().ok
    at = 0
    while True:
        at += 1
        faults = Faults(tmp_path / "data", call, number, at)
        with monkeypatch.context() as patched:
            patched.setattr(os, call, faults)
            verdicts = walk().look()
        assert set(verdicts) == {"reads", "other"}
        if faults.left > 0:
            break
