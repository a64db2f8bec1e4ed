"""Copies of files: in the kernel where it can, with shared extents where the file system has them."""

from __future__ import annotations

import os
from errno import EBADF, EINVAL, ENOSYS, EOPNOTSUPP, EXDEV

_PIECE = 1 << 20
_AT_ONCE = 1 << 30
_NOT_HERE = {EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EBADF}
"""What the system says where it cannot copy in the kernel."""
SMALL = 1 << 16
"""Bytes of a file at most that is small, see `read_small`."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def copy(source: int, target: int) -> int:
    """Copy the rest of an open file into another one; return how many bytes that were."""
    done = 0
    if hasattr(os, "copy_file_range"):
        try:
            while count := os.copy_file_range(source, target, _AT_ONCE):
                done += count
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
    # also where it was short: some file systems say that there is nothing, and there is
    while piece := os.read(source, _PIECE):
        write_all(target, piece)
        done += len(piece)
    return done


def read_small(source: int, size: int) -> bytes | None:
    """Return what an open file holds, None if it is not small or not of this size: then it is at its beginning.

    A small file costs less to read and write than to be copied in the kernel, which takes more calls.

    :param size: what the system says
    """
    if size > SMALL:
        return None
    data = os.read(source, size + 1)
    if len(data) == size:
        return data
    os.lseek(source, 0, os.SEEK_SET)
    return None


def write_all(target: int, data: bytes) -> None:
    """Write bytes to an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
