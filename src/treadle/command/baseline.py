"""Baselines: files with what outputs should hold. Compares them, and puts an output into the place of one.

It knows no Commands and no records.
"""

from __future__ import annotations

import os
import shutil
import stat
from errno import EINVAL
from typing import TYPE_CHECKING

from treadle.core import codes  # noqa: F401 - what judges a difference is loaded before the attempt
from treadle.core.paths import holds, shortened
from treadle.core.patterns import Exclusion
from treadle.core.text import shell_join
from treadle.core.wording import ACCEPT
from treadle.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

_PIECE = 1 << 20


def check(
    baseline: Mapping[str, str], outputs: Sequence[str], exclude: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Refuse what cannot be compared.

    :param baseline: output -> the file with what it should hold
    :param exclude: folder -> patterns of what is none of its content
    :raises UsageError: one of them is no file, or no output; or a baseline is an output itself
    """
    for output, path in baseline.items():
        if output.endswith("/") or not any(holds(one, output) for one in outputs):
            raise UsageError(
                f"a Command has a baseline for {output!r}, which is no file among its outputs",
                facts=("expected an output, or a file in an output folder",),
            )
        for folder in outputs:
            patterns = exclude.get(folder) if exclude and output not in outputs and holds(folder, output) else None
            if patterns and Exclusion(patterns).covers(output[len(folder) :]):
                raise UsageError(
                    f"a Command has a baseline for {output!r}, which is left out of its output {folder!r}",
                    hint="what is left out is none of the output: take it out of exclude",
                )
        if not path or path.endswith("/") or any(holds(one, path) for one in outputs):
            raise UsageError(
                f"the baseline {path!r} of {output!r} is no file apart from the outputs",
                facts=("expected a file that no action makes",),
            )


def differing(baseline: Mapping[str, str], outputs: Sequence[str], folder: str, root: str) -> str:
    """Return in words which outputs differ from their baselines, "" if none does.

    An output that is missing is another failure.

    :param folder: the folder that the outputs are in, at their relative paths
    :param root: the folder that the baselines are relative to
    """
    found = []
    for output, path in baseline.items():
        made = os.path.join(folder, output)
        if not os.path.isfile(made):
            found += [f"{output} is missing, and has the baseline {path}"] if output not in outputs else []
        elif why := _difference(made, os.path.join(root, path), path):
            found.append(f"{output} {why}")
    if not found:
        return ""
    return found[0] + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")


def _difference(made: str, full: str, path: str) -> str:
    if not os.path.lexists(full):
        return f"has no baseline yet: {path} does not exist"
    try:
        return "" if is_same(made, full) else f"differs from its baseline {path}"
    except OSError as error:
        return f"cannot be compared with its baseline {path}: {error.strerror}"


def is_same(one: str, other: str) -> bool:
    """Return whether two files hold the same bytes.

    :raises OSError: one cannot be read
    """
    with _opened(one) as mine, _opened(other) as its:
        if os.fstat(mine.fileno()).st_size != os.fstat(its.fileno()).st_size:
            return False
        while piece := mine.read(_PIECE):
            if piece != its.read(_PIECE):
                return False
        return not its.read(1)


def _opened(path: str) -> IO[bytes]:
    # a pipe is never waited for
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(EINVAL, "it is no regular file", path)
    return open(fd, "rb")


def how_to_accept(uid: str) -> str:
    """Return in words how a difference is accepted, to be put after the reason."""
    return f"{ACCEPT}{shell_join(['treadle', 'accept', uid])}"


def replace(source: str, full: str, fresh: str) -> bool:
    """Put a copy of a file into the place of a baseline, at once; return False if it holds the same already.

    The file that a link leads to is replaced, and not the link. Mode and owner of the one before stay.

    :param fresh: where to make the copy: a path in the state, so that a kill leaves nothing next to the baseline
    :raises OSError: it cannot be put there; the one before stays
    """
    target = os.path.realpath(full)
    if os.path.exists(target) and is_same(source, target):
        return False
    folder, name = os.path.split(target)
    os.makedirs(folder, exist_ok=True)
    try:
        before = os.stat(target)
    except FileNotFoundError:
        before = None
    if os.stat(folder).st_dev != os.stat(os.path.dirname(fresh)).st_dev:
        fresh = os.path.join(folder, f".{shortened(name)}.{os.urandom(8).hex()}.treadle-new")
    if os.path.lexists(fresh):
        os.unlink(fresh)
    try:
        shutil.copyfile(source, fresh)
        if before is not None:
            if os.geteuid() == 0:
                os.chown(fresh, before.st_uid, before.st_gid)
            os.chmod(fresh, stat.S_IMODE(before.st_mode))
        os.replace(fresh, target)
    except OSError:
        if os.path.lexists(fresh):
            os.unlink(fresh)
        raise
    return True
