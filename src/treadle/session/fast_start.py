"""The start of the fast path of `treadle run`: a snapshot is probed before anything else is loaded.

It knows plain calls only (names, -f, -C, -p, -j, -k, -l, -q). For other calls, and in doubt, the plan is loaded.
"""

from __future__ import annotations

import os
from time import monotonic

from treadle.content import trust
from treadle.content.trust import STATE_FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.fastpath.probe import ProbeResult

    from .options import Options


class PlainCall:
    """A plain call of `treadle run`.

    :ivar words: what selects plan, parameters and actions, in the order given
    :ivar folder: the folder of -C
    """

    __slots__ = ("file", "folder", "jobs", "keep_going", "names", "params", "quiet", "rest", "tags", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.folder = ""
        self.names: list[str] = []
        self.file = ""
        self.params: dict[str, str] = {}
        self.tags = ""
        self.rest: list[str] | None = None
        self.jobs: int | None = None
        self.keep_going = 1
        self.quiet = False

    def take(self, option: str, value: str) -> bool:
        """Take in an option with its value; return whether it is a plain one."""
        if option == "-C":
            self.folder = value
        elif option == "-j":
            if not (value.isascii() and value.isdigit() and int(value) > 0):
                return False
            self.jobs = int(value)
        else:
            self.words += [option, value]
            name, equals, text = value.partition("=")
            if option == "-f":
                self.file = value
            elif option == "-l":
                if not value:
                    return False
                self.tags = value
            elif not equals or not name:
                return False
            else:
                self.params[name] = text
        return True

    def key(self, root: str, here: str) -> str:
        """Return the name of the snapshot of this call.

        :param here: the folder that it is made in, inside of `root`
        """
        from xxhash import xxh3_128_hexdigest

        where = os.path.relpath(here, root) if here != root else "."
        texts = [where, *self.words]
        framed = "".join(f"{len(text)}:{text}" for text in texts)
        return xxh3_128_hexdigest(framed.encode("utf-8", "surrogateescape"))


def plain_call(argv: Sequence[str]) -> PlainCall | None:
    """Return the call that these arguments make, None if it is not a plain one."""
    if not argv or argv[0] != "run":
        return None
    call = PlainCall()
    rest = list(argv[1:])
    while rest:
        word = rest.pop(0)
        option, value = word[:2], word[2:]
        if word == "--":
            call.rest = rest
            call.words += [word, *rest]
            break
        if not word.startswith("-"):
            call.words.append(word)
            call.names.append(word)
        elif option == "-k" and (not value or (value.isascii() and value.isdigit())):
            call.keep_going = int(value or 0)
        elif word == "-q":
            call.quiet = True
        elif option in ("-j", "-f", "-C", "-p", "-l") and (value or rest):
            if not call.take(option, value or rest.pop(0)):
                return None
        else:
            return None
    return call


def call_of(options: Options, file: str = "", folder: str = "") -> PlainCall:
    """Return the plain call that has the plan, parameters and names of some options.

    :param file: the plan, if it is another than that of the options
    :param folder: the folder that the call is made in, if it is another than this one
    """
    call = PlainCall()
    call.names, call.params, call.rest = list(options.names), dict(options.params), options.rest
    call.jobs, call.keep_going, call.quiet = options.jobs, options.keep_going, options.quiet
    call.file, call.folder = file or options.file, folder
    call.words = ["-f", call.file] if call.file else []
    for name, value in options.params.items():
        call.words += ["-p", f"{name}={value}"]
    call.words += options.names
    if options.tags:
        call.tags = options.tags
        call.words += ["-l", options.tags]
    if options.rest is not None:
        call.words += ["--", *options.rest]
    return call


DEFAULT_PLAN = "treadle.yaml"


def nearest_plan(folder: str) -> str | None:
    """Return the path of the plan in a folder or in the nearest one above it, None if there is none."""
    while True:
        path = os.path.join(folder, DEFAULT_PLAN)
        if os.path.isfile(path):
            return path
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def plans_above(nearest: str) -> list[str]:
    """Return the plans above a plan that may include it, innermost first. Whether one does is in their text.

    They are looked for in folders that belong to the user, and not beyond the home folder, a mount or the top of
    a repository. For a plan at the top of a repository this is one look.
    """
    found: list[str] = []
    folder = os.path.dirname(nearest)
    status: os.stat_result | None = None
    home: tuple[int, int] | None = None
    try:
        while not os.path.exists(os.path.join(folder, ".git")):
            if status is None:
                status, home = os.stat(folder), _home()
            above = os.path.dirname(folder)
            if above == folder or (status.st_dev, status.st_ino) == home:
                break
            around = os.stat(above)
            if around.st_dev != status.st_dev or not trust.counts(above, around):
                break
            folder, status = above, around
            path = os.path.join(folder, DEFAULT_PLAN)
            if os.path.isfile(path):
                found.append(path)
    except OSError:
        # a folder that cannot be looked at is not looked beyond
        return found
    return found


def _home() -> tuple[int, int] | None:
    """Return device and inode of the home folder, None if there is none."""
    try:
        status = os.stat(os.environ["HOME"])
    except (KeyError, OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def plans_nearby(here: str) -> list[str]:
    """Return the nearest plan and the plans above it that may include it; [] if there is none."""
    nearest = nearest_plan(here)
    return [] if nearest is None else [nearest, *plans_above(nearest)]


def _named_plans(call: PlainCall, here: str) -> list[str]:
    """Return the plans that a call may name: by -f, or by its first name."""
    if call.file:
        return [os.path.normpath(os.path.join(here, call.file))]
    return [
        os.path.normpath(os.path.join(here, name)) for name in call.names[:1] if name.endswith((".yaml", ".yml"))
    ]


class FastStart:
    """A plain call and what the probe of its snapshot says.

    :ivar began: when the call began, on the monotonic clock
    :ivar root: the folder of the snapshot, "" without one
    :ivar name: the name of the snapshot
    :ivar probed: what is dirty; None without a snapshot that can decide
    :ivar nearby: the nearest plan and the plans above it that may include it; [] for a call with -f
    """

    __slots__ = ("began", "call", "here", "name", "nearby", "probed", "root")

    def __init__(self, call: PlainCall, here: str, began: float) -> None:
        self.call = call
        self.here = here
        self.began = began
        self.root = ""
        self.name = ""
        self.nearby: list[str] = []
        self.probed: ProbeResult | None = None

    @property
    def member_note(self) -> str:
        """The line about the plan that includes the nearest one, "" if it is of the nearest one."""
        facts = self.probed.facts if self.probed is not None else None
        if facts is None or not facts.nearby:
            return ""
        plan = os.path.normpath(os.path.join(self.root, facts.plan))
        return member_note(plan, self.nearby[0], self.here) if plan != self.nearby[0] else ""

    def close(self) -> None:
        """Close the snapshot; from now on nothing is known to be dirty or clean."""
        if self.probed is not None:
            self.probed.snapshot.close()
            self.probed = None

    def options(self) -> Options | None:
        """Return the options of the call, None where a closer look is needed: at a plan among the names.

        It goes to the folder of -C, as `arguments.parse` does.
        """
        call = self.call
        if any(name.endswith((".yaml", ".yml")) for name in call.names) or not os.path.isdir(self.here):
            return None
        from .options import Options

        options = Options(
            call.names,
            file=call.file,
            params=call.params,
            tags=call.tags,
            jobs=call.jobs,
            keep_going=call.keep_going,
        )
        options.command, options.rest, options.folder = "run", call.rest, call.folder
        options.quiet = call.quiet
        options.origin = os.getcwd()
        os.chdir(self.here)
        return options


def look(argv: Sequence[str]) -> FastStart | None:
    """Return what the snapshot of this call says; None if it is no plain call.

    Its `probed` is None without a snapshot that can decide.
    """
    began = monotonic()
    call = plain_call(argv)
    return None if call is None else find(call, began)


def find(call: PlainCall, began: float) -> FastStart | None:
    """Return what the snapshot of a call says, None if there is no folder to look from.

    :param began: when the call began, on the monotonic clock
    """
    try:
        here = os.path.normpath(os.path.join(os.getcwd(), call.folder))
    except OSError:
        return None
    found = FastStart(call, here, began)
    plans = _named_plans(call, here)
    if not call.file:
        found.nearby = plans_nearby(here)
    root = here
    while True:
        name = call.key(root, here)
        path = os.path.join(root, STATE_FOLDER, "quick", name)
        if os.path.exists(path):
            from treadle.fastpath.probe import probe_snapshot

            found.root, found.name = root, name
            found.probed = probe_snapshot(root, path, os.environ, plans, found.nearby)
            if found.probed is not None:
                return found
            # the nearest plan may have been run alone, before a plan above included it
        above = os.path.dirname(root)
        if above == root:
            return found
        root = above


def member_note(plan: str, nearest: str, here: str) -> str:
    """Return the line that says which plan is used in place of the nearest one.

    :param here: the folder of the call, after -C: paths are relative to it
    """
    alone = os.path.relpath(nearest, here)
    return f"{alone} is used as a part of {os.path.relpath(plan, here)}; alone: -f {alone}"
