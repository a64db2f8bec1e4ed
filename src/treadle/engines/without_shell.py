"""Starts a program that a shell would have to start and nothing else, to the same effect, without the shell.

What a shell adds is imitated for dash and bash: the variables of a program and their order, and what is said when a
signal ends it. Each shell of a run is tried once, with a small program. Where that shows anything else than the
imitation, and wherever a start fails, the shell itself is started: then all it says is its own.

Versions of a shell differ in whether it waits for the program or becomes it, so each is tried before it is
imitated. The small program is the `cat` of the system: another one on the PATH is a program of the plan. A
command that might be too long for the system keeps its shell, as the target of its output would be empty by the
time that the start fails.
"""

from __future__ import annotations

import os
from select import POLLIN, poll
from typing import TYPE_CHECKING

from treadle.errors import is_shortage

from . import process
from .process_marks import KILL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from signal import SIG_BLOCK, pthread_sigmask, strsignal

    from .process import Process
else:
    from _signal import SIG_BLOCK, pthread_sigmask, strsignal

_FOLDERS = ("/bin", "/usr/bin")
"""Where a shell of the system is. What has its name elsewhere may be anything."""
_OPTIONS = {
    "dash": (("-c",), ("-ec",), ("-uc",), ("-euc",), ("-e", "-c"), ("-u", "-c"), ("-eu", "-c")),
    "bash": (
        *(("-c",), ("-ec",), ("-uc",), ("-euc",), ("-e", "-c"), ("-u", "-c"), ("-eu", "-c")),
        *(("-euo", "pipefail", "-c"), ("-eo", "pipefail", "-c"), ("-o", "pipefail", "-c")),
    ),
}
"""Options under which a shell does no more than start the program."""
_SETTLES = ("LANG", "LANGUAGE")
"""Variables that decide, with those of LC_, in which words a shell speaks, and of what it warns."""
_MOST = 20
"""Shells, each with its options and such variables, that are tried in a run."""
_REFUSED = frozenset(
    (
        # what a shell sets or reads itself
        *("_", "CDPATH", "COLUMNS", "DIRSTACK", "EDITOR", "EGID", "EMACS", "ENV", "EUID", "EXECIGNORE", "FCEDIT"),
        *("FIGNORE", "FPATH", "FUNCNAME", "FUNCNEST", "GID", "GLOBIGNORE", "GLOBSORT", "GROUPS", "HISTCMD"),
        *("HISTCONTROL", "HISTFILE", "HISTFILESIZE", "HISTIGNORE", "HISTSIZE", "HISTTIMEFORMAT", "HOSTFILE"),
        *("HOSTNAME", "HOSTTYPE", "IFS", "IGNOREEOF", "INPUTRC", "INSIDE_EMACS", "LINENO", "LINES", "MACHTYPE"),
        *("MAIL", "MAILCHECK", "MAILPATH", "MAPFILE", "NLSPATH", "OLDPWD", "OPTARG", "OPTERR", "OPTIND", "OSTYPE"),
        *("PIPESTATUS", "POSIXLY_CORRECT", "PPID", "PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS3", "PS4", "PWD"),
        *("RANDOM", "READLINE_LINE", "READLINE_POINT", "REPLY", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM"),
        *("SSH2_CLIENT", "SSH_CLIENT", "SSH_CONNECTION", "TEXTDOMAIN", "TEXTDOMAINDIR", "TIMEFORMAT", "TMOUT"),
        *("UID", "VISUAL", "auto_resume", "histchars"),
        # and the C library in it
        *("GCONV_PATH", "GLIBC_TUNABLES", "LOCPATH"),
    )
)
_REFUSED_PREFIXES = ("BASH", "COMP_", "DYLD_", "EPOCH", "LD_")
"""Those of the dynamic loader count in a shell too: what is loaded there may warn, or see what it starts."""
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_DIGITS = frozenset("0123456789")
_SILENT = (2, 13)
"""Signals of which no shell says anything: INT and PIPE."""
_LONGEST = 30_000
"""Characters of a script and of all variables, at four bytes each, with which no start fails for their size."""
_MOST_VARIABLES = 1000
"""With more than twice as many bash arranges its table anew."""
_PATIENCE = 5000
"""Milliseconds that a shell may take to say what it starts a program with."""
_PROBE = "cat /proc/self/environ /proc/self/stat -"
_PROBE_TARGET = "/dev/stdout"


class Shells:
    """The shells of one run, each as it was found to be."""

    def __init__(self) -> None:
        self._found: dict[object, Shell | None] = {}
        self._named: dict[str, bool | None] = {}
        """Name of a variable -> whether its value may change what a shell does or says; None: it does."""
        self._folders: dict[str, tuple[int, int, str]] = {}
        self._paths: dict[str, bool] = {}
        """PATH -> whether a shell looks into its folders and nowhere else."""

    def direct(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        cwd: str,
        words: tuple[str, ...],
        target: str | None,
        shown: str,
    ) -> Direct | None:
        """Return how the words of a script are started without its shell; None if they cannot be.

        :param argv: the shell with its options and the script
        :param environ: the environment of the shell
        :param cwd: the folder to run in
        :param words: what the script starts
        :param target: the file that its stdout goes to, None for that of the shell
        :param shown: the script as bash shows it
        """
        settles = self._settling(environ)
        if settles is None or len(environ) > _MOST_VARIABLES:
            return None
        if len(argv[-1]) + sum(map(len, environ)) + sum(map(len, environ.values())) > _LONGEST:
            # what is too long for the shell fails, and does not empty the target before
            return None
        program = words[0] if "/" in words[0] else _on_path(words[0], environ["PATH"])
        folder = self._folder(cwd)
        if not program or not folder:
            return None
        if target is not None and target != os.devnull:
            target = f"{cwd}/{target}"
            if _is_special(self._folder(target[: target.rindex("/")])):
                return None
        key = (*argv[:-1], target is None, *settles)
        if key not in self._found:
            if len(self._found) >= _MOST:
                return None
            self._found[key] = _probed(argv[:-1], environ, has_target=target is not None)
        shell = self._found[key]
        if shell is None or (shell.forks and any("setsid" in word for word in words)):
            # the program would lead its group, and then setsid does not wait for what it starts
            return None
        return Direct(shell, words, program, target, folder, shown)

    def _settling(self, environ: Mapping[str, str]) -> list[str] | None:
        """Return the variables that decide what a shell is like; None if it is not known what it does with one."""
        found: list[str] = []
        for name, value in environ.items():
            matters = self._named.get(name, 0)
            if matters == 0:
                matters = self._named[name] = _matters(name)
            if matters is None:
                return None
            if matters:
                found += (name, value)
        path = environ.get("PATH", "")
        is_plain = self._paths.get(path)
        if is_plain is None:
            is_plain = self._paths[path] = _is_plain_path(path)
        return found if is_plain else None

    def _folder(self, path: str) -> str:
        """Return the folder that a path leads to, as the system says it; "" if there is none."""
        try:
            status = os.stat(path)
        except OSError:
            return ""
        found = self._folders.get(path)
        # an action may have made a link lead elsewhere
        if found is None or found[:2] != (status.st_dev, status.st_ino):
            found = self._folders[path] = (status.st_dev, status.st_ino, os.path.realpath(path))
        return found[2]


def _matters(name: str) -> bool | None:
    if name in _REFUSED or name.startswith(_REFUSED_PREFIXES):
        return None
    if not name or name[0] not in _LETTERS or not _LETTERS.issuperset(set(name) - _DIGITS):
        return None
    return name in _SETTLES or name.startswith("LC_")


def _is_plain_path(path: str) -> bool:
    """Return whether a PATH has absolute folders alone, and nothing that a shell takes for something else."""
    return all(
        one.startswith("/") and not one.endswith("/") and "%" not in one and "~" not in one
        for one in path.split(os.pathsep)
    )


def _is_special(folder: str) -> bool:
    """Return whether the files of a folder may be descriptors: they would be ours."""
    return f"{folder}/".startswith(("/dev/", "/proc/", "/sys/"))


def _on_path(name: str, path: str) -> str | None:
    for folder in path.split(os.pathsep):
        full = f"{folder}/{name}"
        if os.access(full, os.X_OK) and os.path.isfile(full):
            return full
    return None


class Shell:
    """A shell that does nothing but start one program.

    :ivar kind: dash or bash
    :ivar argv: the shell with its options
    :ivar forks: whether it waits for the program; else it becomes the program
    """

    def __init__(self, kind: str, argv: Sequence[str], *, forks: bool) -> None:
        self.kind = kind
        self.argv = tuple(argv)
        self.forks = forks
        self._order: dict[str, int] = {}

    def environment(self, environ: Mapping[str, str], folder: str, program: str) -> dict[str, str]:
        """Return the variables of a program that it starts, in the order in which it hands them on.

        :param folder: the folder of the program, without links
        :param program: the file of the program
        """
        all_of_them = {**environ, "PWD": folder}
        order = self._order
        if self.kind == "bash":
            all_of_them["SHLVL"] = "1" if self.forks else "0"
            # the last that came is the first of its bucket
            names = [*reversed(all_of_them)]
            bucket_of = _bucket_in_bash
        else:
            names = [*all_of_them]
            bucket_of = _bucket_in_dash
        for name in names:
            if name not in order:
                order[name] = bucket_of(name)
        names.sort(key=order.__getitem__)
        arranged = {name: all_of_them[name] for name in names}
        if self.kind == "bash":
            arranged["_"] = program
        return arranged

    def last_words(self, number: int, pid: int, shown: str, *, is_dumped: bool) -> str:
        """Return what it says when a signal has ended the program."""
        if number in _SILENT or not self.forks:
            return ""
        what, dumped = strsignal(number) or f"Unknown signal {number}", "(core dumped)" if is_dumped else ""
        if self.kind == "dash" or number == process.TERM:
            return f"{what}{' ' if dumped else ''}{dumped}\n"
        return f"{self.argv[0]}: line 1: {pid:5} {what:23} {dumped}{' ' if dumped else ''}{shown}\n"


def _bucket_in_dash(name: str) -> int:
    # PATH is there before all others
    return 2 * ((sum(name.encode(), ord(name[0]) << 4)) % 39) + (name != "PATH")


def _bucket_in_bash(name: str) -> int:
    found = 2166136261
    for byte in name.encode():
        found = (found * 16777619) & 0xFFFFFFFF ^ byte
    return found & 1023


class Direct:
    """How a program is started without its shell."""

    __slots__ = ("folder", "program", "shell", "shown", "target", "words")

    def __init__(
        self, shell: Shell, words: tuple[str, ...], program: str, target: str | None, folder: str, shown: str
    ) -> None:
        self.shell = shell
        self.words = words
        self.program = program
        self.target = target
        self.folder = folder
        self.shown = shown

    def spawn(
        self,
        *,
        mark: str,
        environ: Mapping[str, str],
        cwd: str | None,
        files: tuple[int | None, int | None, int | None],
        own_session: bool,
    ) -> Process | None:
        """Start it; None if it cannot be: the shell is to be started then, and says why.

        :raises OSError: the system is short of a resource
        """
        stdin, stdout, stderr = files
        opened = -1
        try:
            if self.target is not None:
                stdout = opened = _emptied(self.target)
            return process.spawn(
                self.words,
                mark=mark,
                environ=self.shell.environment(environ, self.folder, self.program),
                cwd=cwd,
                files=(stdin, stdout, stderr),
                own_session=own_session,
                program=self.program,
            )
        except (OSError, ValueError) as error:
            if is_shortage(error):
                raise
            return None
        finally:
            if opened >= 0:
                os.close(opened)

    def note_signal(self, child: Process, stderr: int | None) -> None:
        """Have a program that a signal has ended look as its shell would have it look."""
        if child.status is None or child.status >= 0 or not self.shell.forks:
            return
        number = -child.status
        said = self.shell.last_words(number, child.pid, self.shown, is_dumped=child.is_dumped)
        child.status = 128 + number
        if said:
            try:
                os.write(2 if stderr is None else stderr, said.encode())
            except OSError:
                return


def _emptied(path: str) -> int:
    """Return a descriptor of an empty file to write to.

    :raises OSError: it cannot be made, or is there and is no usual file: to open it may take for ever
    """
    if path == os.devnull:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_EXCL, 0o666)
    except FileExistsError:
        from stat import S_ISREG

        if not S_ISREG(os.lstat(path).st_mode):
            raise
        return os.open(path, flags | os.O_TRUNC | os.O_NOFOLLOW, 0o666)


def _probed(argv: Sequence[str], environ: Mapping[str, str], *, has_target: bool) -> Shell | None:
    """Return a shell that was tried and is as we imitate it; None if it is not, or that cannot be found out.

    :param argv: the shell with its options
    :param environ: what it is started with
    :param has_target: whether the program that it starts has another stdout
    """
    try:
        path = os.path.realpath(argv[0])
        kind = os.path.basename(path)
        if os.path.dirname(path) not in _FOLDERS or tuple(argv[1:]) not in _OPTIONS.get(kind, ()):
            return None
        if os.path.basename(argv[0]) not in (kind, "sh"):
            # as rbash a bash starts no program by a path
            return None
        cat = _on_path("cat", environ["PATH"])
        if not os.path.isabs(argv[0]) or cat is None or os.path.dirname(cat) not in _FOLDERS:
            # another cat is a program of the plan, which only its actions start
            return None
        if pthread_sigmask(SIG_BLOCK, ()):
            # a shell unblocks some of them
            return None
        return _tried(kind, argv, environ, cat, f"{_PROBE} > {_PROBE_TARGET}" if has_target else _PROBE)
    except (OSError, ValueError):
        return None


def _tried(kind: str, argv: Sequence[str], environ: Mapping[str, str], cat: str, script: str) -> Shell | None:
    """Have a shell start a program that shows its variables, and is killed; compare that to the imitation."""
    fds = [*os.pipe()]
    try:
        fds += os.pipe()
        for_stdin, our_stdin, our_stdout, for_stdout = fds
        child = process.spawn(
            [*argv, script], mark="", environ=environ, files=(for_stdin, for_stdout, for_stdout), own_session=True
        )
        try:
            for fd in (for_stdin, for_stdout):
                os.close(fd)
                fds.remove(fd)
            told = _read(our_stdout, until=b"\n")
            variables, _, about = told.rpartition(b"\0")
            pid, parent = int(about.split(b" ", 1)[0]), int(about.rpartition(b")")[2].split()[1])
            if child.pid not in (pid, parent):
                return None
            shell = Shell(kind, argv, forks=pid != child.pid)
            expected = shell.environment(environ, os.getcwd(), cat)
            if variables != b"\0".join([os.fsencode(f"{name}={text}") for name, text in expected.items()]):
                return None
            os.kill(pid, KILL)
            said = shell.last_words(KILL, pid, script, is_dumped=False)
            is_the_same = os.fsdecode(_read(our_stdout)) == said
        finally:
            if not child.has_ended(0):
                # it ends by the end of its input; what does not is not waited for
                os.close(fds.pop(fds.index(our_stdin)))
                if not child.has_ended(_PATIENCE / 1000):
                    child.signal_group(KILL)
            child.reap()
        return shell if is_the_same and child.status == (128 + KILL if shell.forks else -KILL) else None
    finally:
        for fd in fds:
            os.close(fd)


def _read(fd: int, until: bytes = b"") -> bytes:
    """Return what is written to a pipe, to an end of it or to its end.

    :raises OSError: that takes too long
    """
    waiting = poll()
    waiting.register(fd, POLLIN)
    found = b""
    while not (until and found.endswith(until)):
        if not waiting.poll(_PATIENCE):
            raise TimeoutError("a shell did not say what it starts a program with")
        part = os.read(fd, 65536)
        if not part:
            break
        found += part
    return found
