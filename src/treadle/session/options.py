"""Options of a call. They know nothing of how they were given."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Options:
    """The options of a call, with defaults; those of the command line alone are attributes.

    :param names: actions, groups, outputs; what the plan runs by default if there are none
    :param file: the plan, "" for the `treadle.yaml` of this folder or of the nearest one above it
    :param params: name -> value of parameters of the plan
    :param tags: an expression of tags, as `-l` takes it
    :param since: a commit: only actions that depend on what differs from it, as `--since` takes it
    :param jobs: how many actions may run in parallel, None for the number of usable CPUs
    :param keep_going: failures after which nothing new starts, 0 for any number
    :param force: names of actions that run even if up to date
    :param wait: whether to wait for another run in the same root; if not, it raises a BusyError
    :param yes: whether actions that have to be confirmed start without a question
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        file: str = "",
        params: Mapping[str, str] | None = None,
        tags: str = "",
        jobs: int | None = None,
        keep_going: int = 1,
        force: Iterable[str] = (),
        wait: bool = True,
        since: str = "",
        yes: bool = False,
    ) -> None:
        self.command = ""
        self.argv: list[str] = []
        """The words of the command line; none in a program."""
        self.names = _list_of(names)
        self.file = file
        self.folder = ""
        self.origin = ""
        """The current folder before -C."""
        self.params = _dict_of(params)
        self.tags = tags
        self.since = since
        self.rest: list[str] | None = None
        """The words after `--`, None without `--`."""
        self.jobs = jobs
        self.keep_going = keep_going
        self.dry = False
        self.watch = False
        self.stale = False
        self.replaced = False
        self.verbose = False
        self.quiet = False
        self.force = _list_of(force)
        self.force_all = False
        self.output = ""
        """How what actions print is shown: `quiet`, `block`, `stream` or `prefix`; "" as each action says."""
        self.events = ""
        """The file for the events of a run; the next ones are files of reports."""
        self.junit = ""
        self.trace = ""
        self.html = ""
        self.github = False
        self.wait = wait
        self.yes = yes
        self.exit_code = ""
        """`mask` for an exit code of bits, "" for the usual one."""
        self.color = "auto"
        self.resources: list[str] = []
        """What was said of resources, as `-r` takes it."""
        self.pool = ""
        """A file that says what there is of resources."""
        self.json = False
        self.everything = False
        self.files = False
        self.format = "tree"
        self.fold: int | None = None
        """A graph draws families of more instances as one node."""
        self.depth: int | None = None
        self.state = True

    def check(self) -> None:
        """Check the kinds of the options.

        :raises UsageError: one is wrong
        """
        for name, is_right, expected in _KINDS:
            value = getattr(self, name)
            if not is_right(value):
                from treadle.errors import UsageError

                raise UsageError(f"Options: {name} is {value!r}", facts=[f"expected {expected}"])


def _list_of(value: Any) -> list[str]:
    """Return a list of names; a text and anything but a list stay as they are, for `check` to refuse."""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        kept: list[str] = value
        return kept
    return list(value)


def _dict_of(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    try:
        return dict(value)
    except (TypeError, ValueError):
        kept: dict[str, str] = value
        return kept


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_text, value))


def _is_number(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


_KINDS = (
    ("file", _is_text, "the path of a plan"),
    ("names", _are_texts, "a list of names: ['build', 'test']"),
    ("force", _are_texts, "a list of names: ['build', 'test']"),
    (
        "params",
        lambda value: isinstance(value, dict) and _are_texts([*value, *value.values()]),
        "texts, as -p takes them: {'mode': 'debug', 'level': '3', 'parts': 'a,b'}",
    ),
    ("tags", _is_text, "an expression of tags: 'slow and not gpu'"),
    ("since", _is_text, "the name of a commit: 'main'"),
    ("jobs", lambda value: value is None or _is_number(value, 1), "a whole number, 1 or more, or None"),
    ("keep_going", lambda value: _is_number(value, 0), "a whole number, 0 or more"),
    ("wait", lambda value: isinstance(value, bool), "True or False"),
    ("yes", lambda value: isinstance(value, bool), "True or False"),
)
"""Attribute, whether a value is of its kind, and what is expected."""
