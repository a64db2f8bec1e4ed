"""Which plans and which state count: those that belong to the user that runs Treadle, or to root.

A plan says what runs, and the state says what need not run. So neither is used if another user owns it or may
write to it. `TREADLE_SAFE_FOLDERS` names folders where the user decides otherwise. And as the state of a checkout
may have come with it, state counts only if a file outside of it says that Treadle made it for this user: its mark.
What Treadle makes in its state is given to the owner of the folder, and to its group if that may write there.
This module knows nothing of what plans and state hold.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Found = tuple[str, str]
    """A path, and why it does not count."""

STATE_FOLDER = ".treadle"
"""The folder of the state, in the root: named here, as this module decides which state counts."""
SAFE_FOLDERS = "TREADLE_SAFE_FOLDERS"
"""The variable that names folders, separated by `:`: files in them count, whatever their owners and modes are."""
TRUST_STATE = "TREADLE_TRUST_STATE"
"""The variable that lets records count without a mark (`1`): for caches of CI, which bring it to new machines."""
_CALLER = "SUDO_UID"
_IDENTITY = 16
"""How many digits of the id of a log name its mark; the others are new each time that the log is written anew."""
_MANY_MARKS = 1000
_YEAR = 365 * 24 * 3600
RULE = "Treadle uses plans and state that belong to you or root, and that no other user may write to"
PAGE = "docs/howto/faq.md#it-says-that-my-plan-or-the-state-is-not-used"
"""The page of the documentation for errors by this rule."""


class User:
    """The user that files must belong to.

    :ivar owners: ids of the users that files may belong to
    :ivar groups: ids of the groups that may write to them: the primary group, which by default has one member
    :ivar uid: the user that this process runs as
    """

    __slots__ = ("groups", "owners", "uid")

    def __init__(self, uid: int, gid: int, environ: Mapping[str, str]) -> None:
        self.uid = uid
        self.owners = {0, uid}
        self.groups = {gid}
        if uid == 0:
            # sudo: the files of the user that called it are as much theirs as the call
            self.owners.update(_number(environ.get(_CALLER)))
            self.groups.update(_number(environ.get("SUDO_GID")))

    def is_private(self, gid: int) -> bool:
        """Return whether a group may write: it is the primary group, by default of this user alone.

        `newgrp` and `sg` give a process another one than the system has on record of the user, to which the files
        of before belong. The record is asked for only where nothing else lets a group count.
        """
        if gid in self.groups:
            return True
        import pwd

        try:
            return pwd.getpwuid(self.uid).pw_gid == gid
        except KeyError:
            return False


def _number(text: str | None) -> list[int]:
    return [int(text)] if text and text.isascii() and text.isdigit() else []


def why_foreign(status: os.stat_result, user: User, *, shared: bool = False) -> str:
    """Return why a file or folder does not count, "" if it does.

    :param shared: whether a folder may be one in which each user has files of their own (mode 1777, as /tmp)
    """
    mode = status.st_mode
    if status.st_uid not in user.owners:
        return f"it belongs to {_user_name(status.st_uid)}"
    if shared and mode & stat.S_ISVTX and stat.S_ISDIR(mode):
        return ""
    if mode & stat.S_IWOTH:
        return f"all users may write to it (mode {stat.S_IMODE(mode):04o})"
    if mode & stat.S_IWGRP and not user.is_private(status.st_gid):
        return f"the group {_group_name(status.st_gid)} may write to it (mode {stat.S_IMODE(mode):04o})"
    return ""


def foreign(paths: Iterable[str], *, shared: bool = False) -> Found | None:
    """Return the first of these files and folders that does not count, with the reason; what is absent counts.

    :param shared: see `why_foreign`
    """
    user = _us()
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        why = why_foreign(status, user, shared=shared)
        if why and not is_safe(path):
            return path, why
    return None


def counts(path: str, status: os.stat_result) -> bool:
    """Return whether what the system says of an open file lets it count."""
    if status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        # of most files that is all: the rest looks at groups and variables
        return True
    return not why(status) or is_safe(path)


def why(status: os.stat_result) -> str:
    """Return why a file does not count for the user of this process, "" if it does."""
    return why_foreign(status, _us())


def _us() -> User:
    return User(os.geteuid(), os.getegid(), os.environ)


def gives() -> bool:
    """Return whether `give` may have something to do."""
    return SAFE_FOLDERS in os.environ or _CALLER in os.environ


def give(fd: int, folder: str, *, is_private: bool = False) -> None:
    """Leave an open file or folder, which we have made, to the owner or group of the folder around it.

    What root makes for the user who called it by sudo, or in a folder that `TREADLE_SAFE_FOLDERS` names, belongs to
    the owner of the folder: that user could not write to it otherwise. Where a folder that is named there may be
    written to by its group, the group may do what the owner may, whatever the umask says. Nothing else changes.
    Where the file system knows no owners or modes it stays as it is.

    :param is_private: whether it is for its owner alone in any case
    """
    if not gives():
        return
    user = _us()
    try:
        status, around = os.fstat(fd), os.stat(folder)
        if status.st_uid != user.uid:
            # made by another user, as it is to be
            return
        is_named = is_safe(folder)
        is_shared = is_named and not is_private and bool(around.st_mode & stat.S_IWGRP)
        is_given = user.uid == 0 and (is_named or around.st_uid in user.owners)
        uid = around.st_uid if is_given else user.uid
        gid = around.st_gid if is_shared or uid != user.uid else status.st_gid
        if (uid, gid) != (status.st_uid, status.st_gid):
            os.fchown(fd, uid, gid)
        mode = stat.S_IMODE(status.st_mode)
        wanted = mode | (mode & stat.S_IRWXU) >> 3 | (stat.S_ISGID if stat.S_ISDIR(status.st_mode) else 0)
        if is_shared and mode != wanted:
            os.fchmod(fd, wanted)
    except OSError:
        return


def give_folder(path: str, folder: str, *, is_private: bool = False) -> None:
    """Do the same with a folder of ours; a link in its place is left alone."""
    if not gives():
        return
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        give(fd, folder, is_private=is_private)
    finally:
        os.close(fd)


def foreign_file(path: str, *, shared: bool = False) -> Found | None:
    """Return what of a file that a plan is made of does not count, with the reason: itself, or a folder it is in.

    What a link leads to counts by the same rule, and so does the folder that it leads into.

    :param shared: whether the folder may be one as `why_foreign` says
    """
    path = os.path.abspath(path)
    found = foreign((os.path.dirname(path),), shared=shared) or foreign((path,)) or foreign_link(path)
    if found is None and os.path.islink(path):
        return foreign((os.path.dirname(os.path.realpath(path)),), shared=True)
    return found


def foreign_link(path: str) -> Found | None:
    """Return the first link on the way to a path that does not count, with the reason; None if there is none.

    The owner of a link chooses what it leads to, and so does any user that may put another one in its place: that
    would choose among our own files, which count.
    """
    owners = _us().owners
    here, left = "/", os.path.abspath(path).split("/")[1:]
    met: set[str] = set()
    while left:
        name = left.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)
            continue
        full = os.path.join(here, name)
        try:
            status = os.lstat(full)
            text = os.readlink(full) if stat.S_ISLNK(status.st_mode) else None
        except OSError:
            return None
        if text is None:
            here = full
            continue
        if status.st_uid not in owners and not is_safe(full):
            return full, f"it is a link that belongs to {_user_name(status.st_uid)}"
        if (found := foreign((here,), shared=True)) is not None:
            return found
        if full in met:
            # a circle: whatever opens it says so
            return None
        met.add(full)
        here = "/" if text.startswith("/") else here
        left = [*text.split("/"), *left]
    return None


def is_safe(path: str) -> bool:
    """Return whether the user has said that this path and what is below it count."""
    said = os.environ.get(SAFE_FOLDERS, "")
    if not said:
        return False
    real = os.path.realpath(path)
    for folder in said.split(":"):
        if folder == "*":
            return True
        if os.path.isabs(folder) and f"{real}/".startswith(os.path.join(os.path.realpath(folder), "")):
            return True
    return False


def hint(found: Found) -> str:
    """Return what to do about a path that does not count."""
    path, why = found
    # as `is_safe` looks at it: what a link leads to
    real = os.path.realpath(path)
    folder = real if os.path.isdir(real) else os.path.dirname(real)
    said = os.environ.get(SAFE_FOLDERS)
    folder = f"{said}:{folder}" if said else folder
    take = "" if "belongs" in why else f"chmod {'o-w' if why.startswith('all') else 'g-w'} {path}, or "
    return f"{take}allow the folder, if you trust all who may write to it: {SAFE_FOLDERS}={folder}"


def new_id(before: str = "") -> str:
    """Return an id for a log of records.

    :param before: the id that the same log had, which has the same mark
    """
    return (before[:_IDENTITY] or os.urandom(_IDENTITY // 2).hex()) + os.urandom(_IDENTITY // 2).hex()


def is_marked(log_id: str) -> bool:
    """Return whether this user's Treadle made the log with this id; under sudo also that of the user that called.

    A mark counts as plans do: neither to it nor to the folder of marks may another user write.
    """
    name = log_id[:_IDENTITY]
    if not name.isalnum():
        return False
    for folder in _mark_folders():
        try:
            status = os.lstat(os.path.join(folder, name))
        except OSError:
            continue
        # by a second name a file of ours could be put into a folder that others may write to
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and not why(status):
            return foreign((folder,)) is None
    return False


def is_state_trusted() -> bool:
    """Return whether the environment says that records count without a mark."""
    return os.environ.get(TRUST_STATE) == "1"


def mark(log_id: str) -> str:
    """Put down that this user's Treadle made the log with this id; return why that failed, "" if it did not."""
    folder = _mark_folder()
    if not folder:
        return "there is no home folder"
    path = os.path.join(folder, log_id[:_IDENTITY])
    try:
        _make_private(folder)
        found = foreign((folder,))
        if found is not None:
            return f"{found[0]}: {found[1]}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        give(fd, folder, is_private=True)
        os.close(fd)
        _remove_old_marks(folder)
    except FileExistsError:
        return ""
    except OSError as error:
        return f"{error.filename or folder}: {error.strerror}"
    return ""


def keep_mark(log_id: str) -> None:
    """Note that a log is in use still."""
    try:
        os.utime(os.path.join(_mark_folder(), log_id[:_IDENTITY]))
    except OSError:
        return


def _make_private(folder: str) -> None:
    """Make a folder and those above it, for their owner alone."""
    if os.path.isdir(folder):
        return
    above = os.path.dirname(folder)
    _make_private(above)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            from errno import ENOTDIR

            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), folder) from None
    give_folder(folder, above, is_private=True)


def _mark_folders() -> Iterator[str]:
    """Yield the folders that marks of this user may be in."""
    own = _mark_folder()
    if own:
        yield own
    if _CALLER in os.environ and os.geteuid() == 0:
        uids = _number(os.environ[_CALLER])
        home = os.environ.get("SUDO_HOME") or (_home_of(uids[0]) if uids else "")
        if os.path.isabs(home):
            # XDG_STATE_HOME of the caller is not known
            yield _marks_in(home)


def _home_of(uid: int) -> str:
    """Return the home folder that the system has on record of a user, "" if there is none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return ""


def _marks_in(home: str) -> str:
    return os.path.join(home, ".local", "state", "treadle")


def _mark_folder() -> str:
    """Return the folder of the marks, "" if there is none: a relative XDG_STATE_HOME does not count."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):
        return os.path.join(state, "treadle")
    home = os.environ.get("HOME", "")
    if not os.path.isabs(home):
        home = _home_of(os.geteuid())
    return _marks_in(home) if os.path.isabs(home) else ""


def _remove_old_marks(folder: str) -> None:
    """Remove the marks of logs that were not written to for a year, once there are many."""
    names = os.listdir(folder)
    if len(names) <= _MANY_MARKS:
        return
    from time import time

    oldest = time() - _YEAR
    for name in names:
        path = os.path.join(folder, name)
        if os.lstat(path).st_mtime < oldest:
            os.unlink(path)


def _user_name(uid: int) -> str:
    import pwd

    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def program_outside(name: str, top: str) -> str | None:
    """Return the file of a program on PATH, None if there is none outside of a folder.

    A command that only looks starts no program of the project, whatever PATH says.

    :param top: the folder, as the project or the checkout
    """
    inside = os.path.join(os.path.realpath(top), "")
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        is_outside = not f"{os.path.realpath(folder)}/".startswith(inside)
        if os.path.isabs(folder) and is_outside and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None
