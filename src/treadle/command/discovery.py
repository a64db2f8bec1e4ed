"""Discovery: how a command reports files that it has read without declaring them. It knows no records."""

from __future__ import annotations

from treadle.content.trust import STATE_FOLDER
from treadle.errors import TreadleError, UsageError
from treadle.scheduling.hooks import refusal, shown, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treadle.content.links import Links

_IN_STATE = f"{STATE_FOLDER}/"


class Discovery:
    """Says which files one command has read, from data that each attempt leaves in a file.

    A subclass overrides `read`, and what else it needs. It belongs to a Command and keeps nothing of an attempt, as
    walks may share Commands. What it reads are inputs of the next fingerprint, present or absent.

    :param path: the file that holds the data, relative to the root. As an output it is removed before an attempt,
        put aside after a failure and removed by `clean`. It is never an input, and what it holds is not compared.
    """

    kind = "discovery"
    """What messages call the data: `depfile`."""

    def __init__(self, path: str) -> None:
        given: object = path
        if not isinstance(given, str) or not given or given.endswith("/"):
            raise UsageError(
                f"the {self.kind} of a Command is {shown(path)}", facts=("expected the path of a file, as text",)
            )
        self.path = path

    @property
    def element(self) -> str:
        """The name of its element in fingerprints."""
        return f"discovery {self.kind}"

    @property
    def key(self) -> str:
        """The value of its element, with all that decides what is discovered: if it differs, the action runs.

        What it wraps around a program is not in a key: the same files are read without it.
        """
        return self.path

    def prepare(self, root: str) -> None:
        """Get ready for an attempt; called when there is room for the outputs, and no file at `path`.

        :param root: the absolute path of the folder that paths are relative to: the root, or a `workdir`
        :raises OSError: this fails the attempt, and so does a TreadleError
        """

    def wrap(self, argvs: Sequence[Sequence[str]], root: str) -> Sequence[Sequence[str]]:
        """Return what is started in place of the argvs of an attempt, such as each of them below a tracer.

        :param argvs: one for each step; they end when one fails
        :param root: as for `prepare`
        """
        del root
        return argvs

    def read(self, root: str) -> Iterable[str]:
        """Return the paths that a successful attempt has read, by its data.

        They are absolute, or relative to the folder that the command runs in. Folders count with all that is in
        them. Outputs, the data itself and the state folder may be among them, and are left out.

        :param root: the absolute path of the root
        :raises OSError: the data cannot be read: this fails the attempt, and so does a TreadleError
        :raises ValueError: the data is not valid: this fails the attempt too
        """
        raise NotImplementedError(f"{type(self).__name__} has no read()")


def discovered_paths(discovery: Discovery, links: Links, cwd: str, uid: str, folder: str = "") -> list[str]:
    """Return what a command has read by its discovery, relative to the root if it is inside, each path once.

    :param links: those of the root
    :param cwd: the folder that the command ran in
    :param uid: the action, for errors
    :param folder: a folder of its own that it ran in, "" for the root: what it names there is meant in the root
    :raises TreadleError: the data is missing or not valid, or `read` fails in another way: this is about one action
    """
    data = f"its {discovery.kind} {discovery.path}"
    try:
        given = discovery.read(links.root)
        paths = None if isinstance(given, str | bytes) or not hasattr(given, "__iter__") else list(given)
    except TreadleError:
        raise
    except OSError as error:
        raise TreadleError(f"it ended well but {data} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise TreadleError(f"it ended well but {data} is not valid: {error}") from error
    except Exception as error:
        name = f"{type(discovery).__name__}.read()"
        raise TreadleError(
            f"it ended well but {data} cannot be read: {name} raised {type(error).__name__}: {words_of(error)}"
        ) from error
    if paths is None or not all(isinstance(path, str) for path in paths):
        raise refusal(discovery.read, given if paths is None else paths, "a list of paths, as texts", uid)
    wrong = next((path for path in paths if not path or "\0" in path), None)
    if wrong is not None:
        raise TreadleError(f"it ended well but {data} names {wrong!r}, which is not the path of a file")
    if folder:
        from .workdir import mapped

        paths, cwd = [mapped(path, folder, cwd) for path in paths], "."
    named = dict.fromkeys(links.named(path, cwd) for path in paths)
    return [path for path in named if not f"{path}/".startswith(_IN_STATE)]


def wrapped(discovery: Discovery, argvs: Sequence[Sequence[str]], root: str, uid: str) -> Sequence[Sequence[str]]:
    """Return what a discovery has started in place of some argvs.

    :raises TreadleError: it is no list of argvs
    """
    found = discovery.wrap(argvs, root)
    is_right = isinstance(found, list | tuple) and all(
        isinstance(argv, list | tuple) and argv and all(isinstance(word, str) for word in argv) for argv in found
    )
    if not is_right or not found:
        raise refusal(discovery.wrap, found, "a list of argvs such as [['strace', 'cc', 'a.c']]", uid)
    return found
