"""Unix sockets in a folder of ours, whatever its path: how one is bound and reached, and whose the other end is.

The path of a socket may have about a hundred bytes. So the folder is opened first, which follows no link, and the
socket is named through its descriptor; where a system has no such names, through a link that is there for a moment.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from treadle.content import trust
from treadle.errors import TreadleError

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "socket"
FOLDER = "control"
"""The folder of the socket, in that of the run."""
_LONGEST_PATH = 100
_PEERCRED_OF_MACOS = (0, 1, 76)


def peer_user(connection: socket.socket) -> int | None:
    """Return the user of the other end of a connection, as the kernel knows it; None if it does not say."""
    try:
        if hasattr(socket, "SO_PEERCRED"):
            told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", told)[1])
        if sys.platform == "darwin":
            told = connection.getsockopt(*_PEERCRED_OF_MACOS)
            return int(struct.unpack_from("Ii", told)[1])
    except (OSError, struct.error):
        return None
    return None


def open_folder(path: str, *, is_new: bool = False) -> int:
    """Return a descriptor of a folder that belongs to us and that no other user may enter.

    :param is_new: whether it was just made: then no other user may from now on
    :raises OSError: it cannot be opened, or it is a link
    :raises TreadleError: it is that of another user, or others may enter it
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_uid in _owners():
            if is_new:
                # whatever the umask, or the group of a shared folder says
                os.fchmod(fd, 0o700)
            if not stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
                return fd
    except OSError:
        os.close(fd)
        raise
    os.close(fd)
    raise TreadleError(f"{path} is not a folder of yours alone", facts=[trust.RULE])


def _owners() -> set[int]:
    return trust.User(os.geteuid(), os.getegid(), os.environ).owners


def bind(sock: socket.socket, folder: int, path: str) -> None:
    """Bind a socket by its name in an open folder, in place of what is there; only its owner may connect.

    :param path: the path of the folder
    :raises OSError: it cannot be
    """
    with suppress(FileNotFoundError):
        os.unlink(NAME, dir_fd=folder)
    _named(folder, path, sock.bind)
    os.chmod(NAME, 0o600, dir_fd=folder)


def connect(sock: socket.socket, folder: int, path: str) -> None:
    """Connect to the socket in an open folder.

    :param path: the path of the folder
    :raises OSError: there is none, or nothing listens
    :raises TreadleError: what is there is no socket, or it is that of another user
    """
    status = os.stat(NAME, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid not in _owners():
        raise TreadleError(f"{os.path.join(path, NAME)} is not a socket of yours", facts=[trust.RULE])
    _named(folder, path, sock.connect)
    if peer_user(sock) not in _owners():
        raise TreadleError(f"another user listens at {os.path.join(path, NAME)}", facts=[trust.RULE])


def _named(folder: int, path: str, use: Callable[[str], object]) -> None:
    """Call a function with a path of the socket that is short enough."""
    short = f"/proc/self/fd/{folder}"
    whole = os.path.join(path, NAME)
    if os.path.exists(short):
        use(f"{short}/{NAME}")
    elif len(os.fsencode(whole)) <= _LONGEST_PATH:
        use(whole)
    else:
        _by_link(path, use)


def _by_link(path: str, use: Callable[[str], object]) -> None:
    from tempfile import TemporaryDirectory

    # its own link is enough for each side: the socket itself is in the folder
    with TemporaryDirectory(prefix="treadle-", dir=os.environ.get("XDG_RUNTIME_DIR")) as place:
        link = os.path.join(place, "l")
        os.symlink(os.path.abspath(path), link)
        use(os.path.join(link, NAME))
        os.unlink(link)
