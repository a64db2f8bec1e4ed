"""Copies of files: in the kernel where it can, with shared extents where the file system has them."""

from __future__ import annotations

import os
from errno import EBADF, EINVAL, ENOSYS, EOPNOTSUPP, EXDEV

_PIECE = 1 << 20
_AT_ONCE = 1 << 30
_NOT_HERE = {EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EBADF}
"""What the system says where it cannot copy in the kernel."""
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
        view = memoryview(piece)
        while view:
            view = view[os.write(target, view) :]
        done += len(piece)
    return done
