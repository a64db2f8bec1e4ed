"""Every exception that Treadle raises.

A user error says what happened, the facts and a hint; bugs are a class apart.
"""

from __future__ import annotations

from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Self


class Place:
    """A position in a file: lines and columns count from 1."""

    __slots__ = ("column", "file", "line", "text")

    def __init__(self, file: str, line: int, column: int, text: str = "") -> None:
        self.file = file
        self.line = line
        self.column = column
        self.text = text
        """The line itself, without its end, where it is known."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def __repr__(self) -> str:
        return f"Place({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, int, int]:
        return (self.file, self.line, self.column)


class TreadleError(Exception):
    """Something that the user can mend.

    :param message: what happened, in one line (the attribute `what`); of a list of messages the first is what
        happened, the others are facts
    :param origin: where it comes from: a program, a module or a function
    :param facts: further lines: files, values, the nearest known name
    :param hint: what to do about it
    :param place: where it is in a file, if it is in one
    :param page: the source of a page of the documentation, below `docs/`, with an anchor; without it that of the
        class, "" for none. An error of a plan without a page has that of plans
    """

    page = ""

    def __init__(
        self,
        message: str | Sequence[str],
        origin: str | None = None,
        *,
        facts: Sequence[str] = (),
        hint: str = "",
        place: Place | None = None,
        page: str = "",
    ) -> None:
        first, *others = [message] if isinstance(message, str) else message or [""]
        super().__init__(first)
        self.what = first
        self.origin = origin
        self.facts = (*others, *facts)
        self.hint = hint
        self.place = place
        if page:
            self.page = page

    def __str__(self) -> str:
        before = "".join(f"{where}: " for where in (self.origin, self.place) if where)
        lines = [before + self.what, *(f"  {fact}" for fact in self.facts)]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def __iadd__(self, more: str | Sequence[str]) -> Self:
        """Add a fact, or several: `error += "seen from here"`."""
        texts = [*self.messages, *((more,) if isinstance(more, str) else more)]
        self.what, self.facts = "".join(texts[:1]), tuple(texts[1:])
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # not by a call of the class: the constructors of subclasses take other things than `args`
        return _again, (type(self), self.args), self.__dict__

    @property
    def messages(self) -> list[str]:
        """What happened and the facts, as a list."""
        return [self.what, *self.facts] if self.what or self.facts else []


def _again(kind: type[TreadleError], arguments: tuple[Any, ...]) -> TreadleError:
    """Return an error without a call of its constructor, for copies and pickles; its attributes come after that."""
    return kind.__new__(kind, *arguments)


SHORTAGES = (EAGAIN, ENOMEM, EMFILE, ENFILE)
"""What the system says if it has no process, memory or descriptor left: it may have one later."""
PATIENCE = 6
"""How often something is tried that meets a shortage, while nothing of ours runs that could free it by its end."""


def is_shortage(error: BaseException | None) -> bool:
    """Return whether an error, or the one that it was raised from, says that the system is short of a resource."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error is not None and error.errno in SHORTAGES


def pause_after(tries: int) -> float:
    """Return how many seconds pass before the next try, after so many that met a shortage."""
    return float(0.05 * 2 ** min(tries, PATIENCE))


class DAGError(TreadleError):
    """A graph that cannot be walked: a cycle, a missing or a repeated vertex."""

    page = "docs/reference/order.md#order"


class DAGUsageError(DAGError, AssertionError):
    """A call that a graph does not allow: leaving a vertex that is not busy, a name that the data does not hold.

    It is an AssertionError too, as callers of e3's DAG expect.
    """


class PlanError(TreadleError):
    """A plan that is not right; `problems` holds the errors found, in order of place.

    :param more: how many others follow these
    """

    def __init__(self, problems: Sequence[TreadleError], *, more: int = 0) -> None:
        first = problems[0]
        super().__init__(first.what, facts=first.facts, hint=first.hint, place=first.place)
        self.problems = tuple(problems)
        self.more = more

    def __str__(self) -> str:
        last = (f"and {self.more} more",) if self.more else ()
        return "\n".join((*map(str, self.problems), *last))


class UsageError(TreadleError):
    """A call that is not right: a name, an option or a value that does not exist."""

    page = "docs/reference/command.md"


class ProgramError(TreadleError):
    """A program that could not be started or did not end well; `code` is its exit code, None if it has none.

    :param kind: the kind of its outcome, see `core.outcomes.KINDS`
    """

    page = "docs/reference/aio.md"

    def __init__(self, what: str, *, code: int | None = None, kind: str = "error") -> None:
        super().__init__(what)
        self.code = code
        self.kind = kind


class StopRequestedError(TreadleError):
    """A long look was given up, since the run is to end: nothing is known then, and nothing has failed."""


class JobEnd(Exception):  # noqa: N818 - not all of these are errors
    """What a job raises to say how it has ended; the text is the reason.

    Any other exception of a job makes its outcome an `error`.
    """

    kind = "error"
    """The kind of its outcome, see `core.outcomes.KINDS`."""


class Skipped(JobEnd):
    """It does not apply here: it has not failed, and what needs it is not needed."""

    kind = "skipped"


class Diffed(JobEnd):
    """What it has made, or found, is not what was expected."""

    kind = "diffed"


class Failed(JobEnd):
    """It has not done what it should."""

    kind = "failed"


class NotReady(JobEnd):
    """It could not do its work yet: it may be tried again."""

    kind = "not_ready"


class HookError(UsageError):
    """A hook of a subclass has returned what it may not."""

    page = "docs/tutorials/build-system.md#what-goes-wrong-in-a-hook"


class RunError(UsageError, RuntimeError):
    """Something that cannot run now, or not again."""

    page = "docs/reference/walk.md"


class StateError(TreadleError):
    """The state folder cannot be read, written or made."""

    page = "docs/reference/state.md#files-and-folders"


class BusyError(TreadleError):
    """Another run holds the state folder."""

    page = "docs/howto/faq.md#how-do-i-keep-two-builds-from-clashing"


class InternalError(Exception):
    """A bug of Treadle's own."""


def one_line(value: object) -> str:
    """Return a value as text without line ends and control characters."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def listed(names: Iterable[object], most: int = 8, sign: str = ", ") -> str:
    """Return names in one line that an error can show: the first of a long list, and how many more there are."""
    shown = list(map(one_line, names))
    if len(shown) > most:
        shown = [*shown[:most], f"and {len(shown) - most:,} more"]
    return sign.join(shown)


def shortened(names: Sequence[str], most: int = 20) -> list[str]:
    """Return a list whose order means something: if it is long, its ends, and how many are between them."""
    if len(names) <= most:
        return list(names)
    half = most // 2
    return [*names[:half], f"... {len(names) - 2 * half:,} more ...", *names[-half:]]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`, or None where none comes near."""
    import difflib

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
