"""Options of a call. They know nothing of how they were given."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


class Options:
    """The options of a call, with defaults; those of the command line alone are attributes.

    :param names: actions, groups, outputs; what the plan runs by default if there are none
    :param file: the plan, "" for the `treadle.yaml` of this folder or of the nearest one above it
    :param params: name -> value of parameters of the plan
    :param tags: an expression of tags, as `-l` takes it
    :param since: a commit: only actions that depend on what differs from it, as `--since` takes it
    :param only: of the actions of the call those whose last outcome is of a kind, as `--only` takes it: `failed`,
        `not-passed`, `not-run`, `changed`; `all` for all
    :param where: of these those for which an expression holds, as `--where` takes it
    :param with_after: also all that depends on one of these
    :param with_blocked: also what a failure of one of these has blocked; None for what `only` says
    :param jobs: how many actions may run in parallel, None for the number of usable CPUs
    :param keep_going: failures after which nothing new starts, 0 for any number; what is tried again has not failed
    :param fail_fast: short for `keep_going=1`, which is the default
    :param stop_after: actions that have run, well or not, after whose end nothing new starts; 0 for any number
    :param run_timeout: seconds after which the run is ended; what cannot end in time is not started
    :param timeout: seconds that an attempt of an action that the call selects may last, `math.inf` for no limit;
        None for what the plan says
    :param timeouts: name of actions -> the same of these; of several names that fit the first counts
    :param timeout_times: what all time limits of actions are multiplied by
    :param repeat_until_pass: selected actions run, and are tried again so often after any failure
    :param repeat_after_timeout: selected actions run, and are tried again so often after a time limit
    :param repeat_until_fail: selected actions run so often, until one attempt fails
    :param force: names of actions that run even if up to date
    :param wait: whether to wait for another run in the same root; if not, it raises a BusyError
    :param workflow: the name of a workflow: with the parameters of the plan it is an identity, of which one run is
        under way at a time; the run is recorded
    :param record: whether the run is recorded also if nothing starts
    :param attributes: name -> text, which the record of the run has
    :param ledger: the address of a PostgreSQL database that the record is kept in too, `postgresql://HOST/DATABASE`;
        "" for what TREADLE_LEDGER says
    :param cache: which caches for outputs are used: `off`, `local`, `read` (a shared one too) or `write` (and
        stored there); "" for what TREADLE_CACHE or the plan say
    :param engine: the engine that runs actions, in place of that of the plan; `local` for this machine
    :param dask: the address of a Dask scheduler whose workers run actions: the engine `dask`
    :param yes: whether actions that have to be confirmed start without a question
    """

    # options of the command line alone, of which most calls have none
    events = junit = trace = markdown = html = ""
    """The file for the events of a run, and those for reports."""
    wait_for: float | None = None
    """Seconds in which a run that is under way has to end when this one goes on with it; None: it is refused."""
    github = stale = replaced = files = rebuild = failed = suggest = False
    keep_resources = False
    hot = False
    outlive: float | None = None
    """Seconds for which what an engine runs goes on without a sign of the run, None for the usual lease."""
    resumes = ""
    """The recorded run that is gone on with, "" for none."""
    attempt = 0
    """The attempt whose log is shown, 0 for the last one."""
    sort = ""
    durations: int | None = None
    """So many, the longest ones."""
    format = "tree"
    fold: int | None = None
    """A graph draws families of more instances as one node."""
    depth: int | None = None
    state = True
    run_states: list[str] | None = None
    since_time = ""
    """A time in UTC as ISO 8601 has it."""
    all_roots = False
    last: int | None = None
    """So many, the last ones."""
    of_run = ""
    """The recorded run that attempts are of, "" for all."""
    by = ""
    """What suggestions are made by: `max`, `p95` or `mean`."""
    queues: Sequence[str] = ()
    families: Sequence[str] = ()
    """What `set` says of queues, and of the limits of families."""
    max_running: int | None = None
    now = downstream = False
    keep: int | None = None
    days: int | None = None
    dry = False
    watch = False
    verbose = False
    quiet = False
    force_all = False
    output = ""
    """How what actions print is shown: `quiet`, `block`, `stream` or `prefix`; "" as each action says."""
    exit_code = ""
    """`mask` for an exit code of bits, "" for the usual one."""
    color = "auto"
    pool = ""
    """A file that says what there is of resources."""
    json = False
    everything = False

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
        only: str = "",
        where: str = "",
        with_after: bool = False,
        with_blocked: bool | None = None,
        yes: bool = False,
        fail_fast: bool = False,
        stop_after: int = 0,
        run_timeout: float | None = None,
        timeout: float | None = None,
        timeouts: Mapping[str, float] | None = None,
        timeout_times: float = 1.0,
        repeat_until_pass: int = 0,
        repeat_after_timeout: int = 0,
        repeat_until_fail: int = 0,
        record: bool = False,
        workflow: str = "",
        attributes: Mapping[str, str] | None = None,
        ledger: str = "",
        cache: str = "",
        engine: str = "",
        dask: str = "",
    ) -> None:
        self.cache = cache
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
        self.only = only
        self.where = where
        self.with_after = with_after
        self.with_blocked = with_blocked
        self.rest: list[str] | None = None
        """The words after `--`, None without `--`."""
        self.jobs = jobs
        self.keep_going = 1 if fail_fast else keep_going
        self.stop_after = stop_after
        self.run_timeout = run_timeout
        self.timeout = timeout
        self.timeouts: dict[str, float] = _dict_of(timeouts)
        self.timeout_times = timeout_times
        self.repeat_until_pass = repeat_until_pass
        self.repeat_after_timeout = repeat_after_timeout
        self.repeat_until_fail = repeat_until_fail
        self.force = _list_of(force)
        self.wait = wait
        self.yes = yes
        self.record = record
        self.workflow = workflow
        self.engine = engine
        self.dask = dask
        self.attributes: dict[str, str] = _dict_of(attributes)
        self.ledger = ledger
        self.resources: list[str] = []
        """What was said of resources, as `-r` takes it."""

    @property
    def lease(self) -> float:
        """Seconds after its last sign of life for which a run counts as alive on other machines."""
        from treadle.core.lease import LEASE

        return LEASE if self.outlive is None else self.outlive

    @property
    def repeats(self) -> bool:
        """Whether the selected actions run, and more than once where that is needed."""
        return bool(self.repeat_until_pass or self.repeat_after_timeout or self.repeat_until_fail)

    @property
    def is_recorded(self) -> bool:
        """Whether a run is recorded if something starts: unless TREADLE_LEDGER is `off`."""
        return os.environ.get("TREADLE_LEDGER") != "off"

    @property
    def is_recorded_at_once(self) -> bool:
        """Whether a run is recorded also if nothing starts."""
        return self.record or bool(self.workflow or self.attributes)

    @property
    def ledger_url(self) -> str:
        """The address of a ledger that several folders share, "" if there is none.

        :raises UsageError: it is no address, or has a password in it
        """
        given = self.ledger or os.environ.get("TREADLE_LEDGER", "")
        if given in ("", "on", "off"):
            return ""
        from treadle.ledger.address import EXAMPLE, checked

        return checked(given) if self.ledger else checked(given, "TREADLE_LEDGER", f"on, off or {EXAMPLE}")

    @property
    def names_limits(self) -> bool:
        """Whether it has limits of its own for some actions, which only the plan can distinguish from others."""
        return self.repeats or self.timeout is not None or bool(self.timeouts)

    @property
    def judges(self) -> bool:
        """Whether actions are selected by what is known of them."""
        return bool(self.only not in ("", "all") or self.where or self.with_after or self.with_blocked)

    @property
    def is_special(self) -> bool:
        """Whether it walks something else than its names and tags say, which no snapshot is of.

        A snapshot shows what has changed, and forced actions run without a change; with --since or --only other
        actions would be missing in it.
        """
        selects = self.force_all or self.force or self.since or self.judges or self.names_limits
        return bool(selects or self.resumes or self.workflow)

    def check(self) -> None:
        """Check the kinds of the options.

        :raises UsageError: one is wrong
        """
        for name, is_right, expected in _KINDS:
            value = getattr(self, name)
            if not is_right(value):
                from treadle.errors import UsageError

                raise UsageError(f"Options: {name} is {value!r}", facts=[f"expected {expected}"])
        given = [name for name in _REPEATS if getattr(self, name)]
        if len(given) > 1:
            from treadle.errors import UsageError

            raise UsageError(f"{given[0]} and {given[1]} cannot be combined", hint="leave out one of them")


def _list_of(value: Any) -> list[str]:
    """Return a list of names; a text and anything but a list stay as they are, for `check` to refuse."""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        kept: list[str] = value
        return kept
    return list(value)


def _dict_of(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        return dict(value)
    except (TypeError, ValueError):
        kept: dict[str, Any] = value
        return kept


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_text, value))


def _is_number(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _are_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


CACHE_WORDS = ("stats", "gc", "verify", "explain", "check")
"""What `treadle cache` may do."""
OF_ACTIONS = ("explain", "check")
"""What of it is done with actions, which are named."""
CACHES = ("off", "local", "read", "write")
"""What `cache` may be."""
ONLY = ("failed", "not-passed", "not-run", "changed", "all")
"""What `only` may be."""
_REPEATS = ("repeat_until_pass", "repeat_after_timeout", "repeat_until_fail")
_AMOUNT = "a whole number, 0 or more"
_SECONDS = "a number of seconds above 0, or None"
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
    ("only", lambda value: value in ("", *ONLY), f"one of {', '.join(ONLY)}"),
    ("where", _is_text, "an expression: 'duration > 10m'"),
    ("with_after", lambda value: isinstance(value, bool), "True or False"),
    ("with_blocked", lambda value: value is None or isinstance(value, bool), "True, False or None"),
    ("jobs", lambda value: value is None or _is_number(value, 1), "a whole number, 1 or more, or None"),
    ("keep_going", lambda value: _is_number(value, 0), _AMOUNT),
    *((name, lambda value: _is_number(value, 0), _AMOUNT) for name in ("stop_after", *_REPEATS)),
    *((name, lambda value: value is None or _are_seconds(value), _SECONDS) for name in ("run_timeout", "timeout")),
    (
        "timeouts",
        lambda value: isinstance(value, dict) and _are_texts([*value]) and all(map(_are_seconds, value.values())),
        "names with seconds: {'fit': 300, 'plot': math.inf}",
    ),
    ("timeout_times", _are_seconds, "a number above 0"),
    ("cache", lambda value: value in ("", *CACHES), f"one of {', '.join(CACHES)}"),
    ("workflow", lambda value: _is_text(value) and (not value or value.isprintable()), "a name: 'nightly'"),
    ("engine", _is_text, "the name of an engine: 'process'"),
    ("dask", _is_text, "the address of a Dask scheduler: 'tcp://host:8786'"),
    ("record", lambda value: isinstance(value, bool), "True or False"),
    (
        "attributes",
        lambda value: isinstance(value, dict) and _are_texts([*value, *value.values()]),
        "texts: {'ticket': '1234'}",
    ),
    ("ledger", _is_text, "the address of a PostgreSQL database: 'postgresql://farm/ledger'"),
    ("wait", lambda value: isinstance(value, bool), "True or False"),
    ("yes", lambda value: isinstance(value, bool), "True or False"),
)
"""Attribute, whether a value is of its kind, and what is expected."""
