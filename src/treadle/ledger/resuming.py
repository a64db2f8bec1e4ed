"""What a run that is resumed has done already, and how it was called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.core.outcomes import FAIL, KINDS, PASS
from treadle.core.redaction import REDACTED
from treadle.core.text import shell_join
from treadle.errors import UsageError

from .moments import moment
from .queries import RunFilter, run_of, runs
from .recording import FLAGS, JUDGING, NUMBERS, SELECTING
from .states import LOST_WITH_RUN, RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .database import Database
    from .marks import Mark
    from .queries import RunRow

    End = tuple[str, int | None]

LACKS = ("out_of_memory", "timeout")
"""Kinds of outcomes after which a run that goes on begins with more."""


class Resumed:
    """A chain of runs that another one goes on with.

    :ivar run: the run of it that was named
    :ivar chain: all of them of which there are records
    :ivar done_since: action -> milliseconds since the epoch: begin of the last run of the chain in which it passed,
        or was under way when that run was lost: whether it has succeeded then, its record says
    :ivar ends: action -> kinds of outcomes and exit codes of its attempts that have failed since it last passed, of
        those that lacked memory or time in the end
    :ivar living: the runs of the chain that are under way
    :ivar marks: action -> its last mark, of those that were marked since they last passed
    """

    __slots__ = ("chain", "done_since", "ends", "living", "marks", "run")

    def __init__(
        self,
        run: RunRow,
        chain: Collection[str],
        done_since: Mapping[str, int],
        ends: Mapping[str, Sequence[End]],
        living: Sequence[RunRow],
        marks: Mapping[str, Mark],
    ) -> None:
        self.chain = chain
        self.marks = marks
        self.run = run
        self.done_since = done_since
        self.ends = ends
        self.living = living

    def refuse_living(self) -> None:
        """Refuse to go on with what is under way.

        :raises UsageError: a run of the chain is
        """
        for run in self.living:
            what = "" if run.id == self.run.id else f", which goes on with {self.run.id},"
            raise UsageError(
                f"the run {run.id}{what} is under way",
                facts=[f"on {run.host}, as {run.user}, process {run.pid}, since {run.began}"],
                hint="`treadle show` says what it does; --wait 5m ends it, and goes on when it has ended",
            )


def resumed(
    database: Database,
    run: str,
    own: str = "",
    marks_of: Callable[[str], Mapping[str, Mark]] = lambda _: {},
    *,
    counts: Callable[[str], bool] = lambda _: True,
    known: RunRow | None = None,
) -> Resumed:
    """Return what a run has done, and all of its chain: those that it has resumed, and that have resumed it.

    So of two calls that go on with one run, the second goes on with what the first has done.

    :param own: the run that asks, which is none of them
    :param marks_of: returns what the actions of a run were marked as, see `marks`
    :param counts: returns whether what a run has said is believed: it may have come with a checkout
    :param known: that run, where it was looked up before: its records may be gone by now
    :raises UsageError: records were removed meanwhile, or that run does not count
    """
    if known is None and not counts(run):
        raise UsageError(
            f"the run {run} was not recorded here by Treadle for you",
            facts=["what it says of itself and of its actions may have come with a checkout"],
            hint="`treadle run` does what is left to do; TREADLE_TRUST_STATE=1 is for what a CI cache has brought",
        )
    # the records of one may be removed at any moment
    ids = [one for one in _chain(database, run) if one != own and counts(one)]
    chain = [row for one in ids for row in runs(database, RunFilter(run=one))]
    done: dict[str, int] = {}
    ends: dict[str, list[End]] = {}
    living: list[RunRow] = []
    marks: dict[str, Mark] = {}
    for row in chain:
        one = row.id
        if row.state == RUNNING:
            living.append(row)
        at = moment(row.began)
        if at is None:
            # what it has done cannot be distinguished from what was done before
            continue
        since = int(at.timestamp() * 1000)
        for (name,) in database.rows(
            "SELECT name FROM actions WHERE run = ? AND (category = ? OR failure = ?)", (one, PASS, LOST_WITH_RUN)
        ):
            done[str(name)] = max(since, done.get(str(name), since))
            if str(name) in marks and marks[str(name)].at < since:
                # it was done after it was marked; an older run may be named for a mark later
                del marks[str(name)]
        for name, mark in marks_of(one).items():
            if name not in marks or marks[name].at <= mark.at:
                marks[name] = mark
        _take_ends(database, one, ends)
    for name in marks:
        # it is forced, or skipped whatever its record says
        done.pop(name, None)
    lacking = {name: found for name, found in ends.items() if found[-1][0] in LACKS}
    return Resumed(known or run_of(database, run), [row.id for row in chain], done, lacking, living, marks)


def _chain(database: Database, run: str) -> list[str]:
    """Return all runs that are joined to one by resuming, the oldest first; their records may have been removed."""
    joined: dict[str, set[str]] = {}
    for one, before in database.rows("SELECT id, resumes FROM runs WHERE resumes <> ''"):
        joined.setdefault(str(one), set()).add(str(before))
        joined.setdefault(str(before), set()).add(str(one))
    found, open_ones = {run}, [run]
    while open_ones:
        new = joined.get(open_ones.pop(), set()) - found
        found |= new
        open_ones += new
    known = {str(one) for (one,) in database.rows("SELECT id FROM runs")}
    return sorted(found & known)


def _take_ends(database: Database, run: str, ends: dict[str, list[End]]) -> None:
    """Add how the attempts of a run have failed, and forget what failed before a success."""
    for name, kind, category, code in database.rows(
        "SELECT name, outcome, category, exit_code FROM attempts WHERE run = ? ORDER BY name, number", (run,)
    ):
        if category == PASS:
            ends.pop(str(name), None)
        elif category == FAIL and kind in KINDS:
            ends.setdefault(str(name), []).append((str(kind), code if isinstance(code, int) else None))


class Said:
    """What the call of a run has said, as the one that goes on with it has to say it.

    :ivar rest: the words after `--`, None without
    :ivar selection: attribute of the options -> value
    """

    __slots__ = ("params", "rest", "selection")

    def __init__(self, params: Mapping[str, str], rest: list[str] | None, selection: Mapping[str, Any]) -> None:
        self.params = dict(params)
        self.rest = rest
        self.selection = selection


def _number(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19 else 0


def _folder(path: str) -> str:
    return "the folder of the plan" if path == "." else f"the folder {path}"


def call_of(run: RunRow, params: Mapping[str, str], rest: list[str] | None, place: tuple[str, str]) -> Said:
    """Return what the call of a run has said of what it runs.

    :param params: the parameters of the call that goes on with it, which count first
    :param rest: its words after `--`, the same
    :param place: its plan, and the folder that it was called in; both relative to the root
    :raises UsageError: the run was of another plan or folder, or not all that it was called with is on record
    """
    plan, folder = place
    again = ["treadle", "resume"]
    if run.plan not in ("", plan):
        raise UsageError(
            f"the run {run.id} is of the plan {run.plan}, and not of {plan}",
            hint=shell_join([*again, "-f", run.plan, run.id]),
        )
    was_in = str(run.selection.get("folder", "."))
    if was_in != folder:
        raise UsageError(
            f"the run {run.id} was called in {_folder(was_in)}, and this one is in {_folder(folder)}",
            facts=["names are those of the folder that they were given in"],
            hint="call this there, or with -C",
        )
    said = {name: value for name, value in run.selection.items() if name in SELECTING}
    if any(isinstance(value, str) is (name == "force") for name, value in said.items()):
        raise UsageError(f"what the run {run.id} was of is not on record as Treadle writes it")
    judging = [f"--{name.replace('_', '-')}" for name in JUDGING if name in said]
    if judging:
        # what has failed or was not run is another set of actions by now
        raise UsageError(
            f"the run {run.id} was of what {judging[0]} selected when it began: that is not on record",
            hint=f"call it again: {shell_join(run.argv)}" if run.argv else "",
        )
    selection: dict[str, Any] = dict(said)
    selection.update((name, True) for name in FLAGS if name in said)
    selection.update((name, _number(said[name])) for name in NUMBERS if name in said)
    words = run.argv[run.argv.index("--") + 1 :] if "--" in run.argv else None
    if rest is None and words is not None:
        if any(REDACTED in word for word in words):
            raise UsageError(
                f"the run {run.id} was called with words after -- that are not on record",
                hint=f"give them again: {shell_join([*again, run.id])} -- WORDS",
            )
        rest = words
    # the one that takes the words after `--` is not said twice
    known = {name: value for name, value in run.params.items() if words is None or list(value) != words}
    return Said(parameters_of(run.id, known, params), rest, selection)


def refuse_unsaid(run: RunRow, events: str) -> None:
    """Refuse a run of which the line with its parameters was cut off: with those of the plan it is another one.

    :param events: the path of its events
    :raises UsageError: it is
    """
    with open(events, "rb") as lines:
        if any(line.startswith(b'{"event":"call"') and line.endswith(b"\n") for line in lines):
            return
    raise UsageError(
        f"the parameters that the run {run.id} was called with are not on record: its events were cut off",
        hint="call it again",
    )


def parameters_of(run: str, known: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a run, as the call that goes on with it needs them.

    :param known: those that are on record
    :param given: the parameters of that call, which count first
    :raises UsageError: one of them is not on record, as it may be a secret
    """
    params: dict[str, str] = {}
    missing = []
    for name, value in known.items():
        text = value if isinstance(value, str) else ",".join(value)
        if name in given:
            continue
        if REDACTED in text:
            missing.append(name)
        else:
            params[name] = text
    if missing:
        raise UsageError(
            f"the run {run} was called with values that are not on record: {', '.join(missing)}",
            hint=f"give them again: {shell_join(['treadle', 'resume', run])} -p {missing[0]}=VALUE",
        )
    return {**params, **given}
