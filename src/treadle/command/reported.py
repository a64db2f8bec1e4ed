"""Reports of actions: the file that TREADLE_REPORT names is read after the end of an attempt, and removed.

What is in it changes no outcome: what is wrong with it is reported, and the rest counts. Only an attempt that has
written one loads this module.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from treadle.core.redaction import without_values

if TYPE_CHECKING:
    from treadle.core.values import Values

MOST = 1 << 20
"""Bytes of a report that count."""
MOST_TOLD = 3
"""How many artifacts that are not there are named."""
SUFFIX = ".report"
"""What the names of reports end in; `command.job` has it too, as it loads this only where there is one."""


def take(path: str, values: Values, *, cwd: str, root: str, secrets: Collection[str] = ()) -> list[str]:
    """Read a report and remove it; return what is wrong with it, in words.

    :param values: what it says is added here
    :param cwd: the folder that artifacts are relative to
    :param root: the folder that their paths are relative to in reports
    :param secrets: values that are replaced in all texts
    """
    try:
        text, wrong = _read(path)
    except OSError as error:
        text, wrong = "", [f"it cannot be read: {error.strerror}"]
    with suppress(OSError):
        # a link or a socket goes too; a folder stays
        os.unlink(path)
    wrong += values.take(text)
    found, values.artifacts = values.artifacts, []
    missing: list[str] = []
    for artifact in found:
        full = os.path.normpath(os.path.join(cwd, artifact))
        if os.path.lexists(full):
            values.artifacts.append(full.removeprefix(os.path.join(root, "")))
        else:
            missing.append(artifact)
    wrong += [f"the artifact {artifact!r} is not there" for artifact in missing[:MOST_TOLD]]
    if len(missing) > MOST_TOLD:
        wrong.append(f"and {len(missing) - MOST_TOLD} more are not there")
    if secrets:
        values.attributes = {
            without_values(name, secrets): without_values(value, secrets)
            for name, value in values.attributes.items()
        }
        values.measurements = {without_values(name, secrets): one for name, one in values.measurements.items()}
        values.artifacts = [without_values(one, secrets) for one in values.artifacts]
        wrong = [without_values(one, secrets) for one in wrong]
    return wrong


def _read(path: str) -> tuple[str, list[str]]:
    """Return the text of a report, cut if it is too long, and whether it was, in words.

    :raises OSError: it is no file that can be read
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return "", ["it is no regular file"]
        data = file.read(MOST + 1)
    if len(data) <= MOST:
        return data.decode("utf-8", "replace"), []
    if data.lstrip().startswith(b"{"):
        return "", ["it is longer than 1 MiB, and what is cut is no JSON: nothing of it counts"]
    whole = data[: data.rfind(b"\n", 0, MOST) + 1]
    return whole.decode("utf-8", "replace"), ["it is longer than 1 MiB: the rest of it was cut"]


def remove_left(folder: str, but: Collection[str] = ()) -> None:
    """Remove the reports that a killed run has left.

    :param folder: the folder of the logs
    :param but: the ids of runs whose actions go on
    """
    kept = tuple(f".{run}{SUFFIX}" for run in but)
    try:
        names = [name for name in os.listdir(folder) if name.endswith(SUFFIX) and not name.endswith(kept)]
    except OSError:
        return
    for name in names:
        try:
            os.unlink(os.path.join(folder, name))
        except OSError:
            continue
