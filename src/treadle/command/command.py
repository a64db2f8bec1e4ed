"""Command: an action of files and processes as data, passed from front ends to the walk.

It does nothing and knows no plans, graphs or processes.
All paths are text, relative to the root with `/` between names, or absolute outside of it. A path with a trailing
`/` is a folder with all that is in it.
"""

from __future__ import annotations

from os import PathLike

from treadle.core.elements import BASELINE, CODES, COMMAND, EXPECT, WORKDIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from treadle.core.codes import Codes, Expect, Numbers
    from treadle.core.pool import Demand
    from treadle.core.retry import Growth
    from treadle.errors import Place

    from .discovery import Discovery
    from .guards import Guards

BASE_ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM"),
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""Variables that each action gets and that are not part of fingerprints, as are those with BASE_PREFIXES."""
BASE_PREFIXES = ("LC_", "XDG_")

DEFAULT_SHELL = ("bash", "-euo", "pipefail", "-c")


class Environment:
    """The variables of an action.

    :param set: name -> value
    :param track: names of variables to take from the environment, with their values in the fingerprint
    :param pass_: names of variables to take from the environment, without their values in the fingerprint
    :param secret: those of `set` and `track` of which only digests are stored
    """

    __slots__ = ("pass_", "secret", "set", "track")

    def __init__(
        self,
        set: Mapping[str, str] | None = None,  # noqa: A002 - the plan's word
        track: Sequence[str] = (),
        pass_: Sequence[str] = (),
        secret: Sequence[str] = (),
    ) -> None:
        self.secret = tuple(secret)
        self.set = dict(set or {})
        self.track = tuple(track)
        self.pass_ = tuple(pass_)


class Script:
    """A program text for a shell.

    :param text: the text for the shell; it takes values from `variables` and contains none of them
    :param variables: name -> value, for the environment of the shell
    :param shown: the text with the values, quoted; it is displayed, and part of the fingerprint
    :param shell: the program and its options; the text follows as last argument
    :param words: the arguments after the text: `$0`, and the positional arguments `$@`
    """

    __slots__ = ("shell", "shown", "text", "variables", "words")

    def __init__(
        self,
        text: str,
        variables: Mapping[str, str] | None = None,
        shown: str | None = None,
        shell: Sequence[str] = DEFAULT_SHELL,
        words: Sequence[str] = (),
    ) -> None:
        self.text = text
        self.words = tuple(words)
        self.variables = dict(variables or {})
        self.shown = text if shown is None else shown
        self.shell = tuple(shell)


class Tool:
    """A program whose identity counts: its file's content, or what `version` (an argv, run in the root) prints.

    :param name: looked up on PATH, or relative to the root if it has a `/`
    :param version: the argv
    """

    __slots__ = ("name", "version")

    def __init__(self, name: str, version: Sequence[str] = ()) -> None:
        self.name = name
        self.version = tuple(version)


_ANY = ("any",)


class Retries:
    """How often and after which ends a failed action is tried again.

    :param max: further attempts after the first
    :param on: `timeout`, `memory` (it was killed for memory), `lost` (its worker or node went away), `diffed`,
        `not_ready`, `exit N`, `exit N-M`, `signal` (a signal ended it), `signal KILL`, or `any`. What was lost is
        tried again up to three times, which counts nothing of `max`
    :param backoff: seconds before the second attempt, doubled for each one after it, up to ten minutes
    :param jitter: the share, from 0 to 1, by which each of these pauses is shorter at most, as drawn by run, action
        and attempt
    :param passes: how many attempts in a row have to end well; above 1 the first that does not is the outcome
    :param grow: type of resources, or `timeout` -> how the next attempt gets more of it: a number multiplies, a
        list has the next amounts, of which the last one stays, a function `(amount, attempt, outcome) -> amount`
        says it. `memory` grows after what was killed for memory, `timeout` after a time limit, all else after what
        `on` names
    """

    __slots__ = ("backoff", "grow", "jitter", "max", "on", "passes")

    def __init__(
        self,
        max: int = 0,  # noqa: A002 - the plan's word
        on: Sequence[str] = _ANY,
        backoff: float = 0.0,
        jitter: float = 0.0,
        passes: int = 1,
        grow: Mapping[str, Growth] | None = None,
    ) -> None:
        self.grow: Mapping[str, Growth] = _NO_GROWTH if grow is None else grow
        self.passes = passes
        self.jitter = jitter
        self.max = max
        # a text alone would be taken apart into its letters
        self.on: Sequence[str] = (on,) if isinstance(on, str) else on
        self.backoff = backoff
        is_usual = on == _ANY and grow is None and backoff == jitter == 0.0 and passes == 1
        if not (is_usual and type(max) is type(passes) is int and max >= 0):
            self._check()

    def _check(self) -> None:
        from .option_checks import check_retries

        check_retries(self)
        self.on = tuple(self.on)
        self.grow = {kind: tuple(one) if isinstance(one, list) else one for kind, one in self.grow.items()}


class Limits:
    """When an action may run, and for how long; not part of the fingerprint.

    :param timeout: seconds, None for no limit
    :param resources: type -> how much an attempt asks for, see `Demand`; of a list of these the first counts that
        the whole pool could meet
    :param mutex: names; actions that share one never run at the same time
    :param exclusive: whether nothing else may run while it runs
    :param group: the group that `limit` counts in
    :param limit: how many of its group may run at the same time
    :param engine: `local` for what runs on this machine, whatever the engine of the run is
    """

    __slots__ = (
        *("engine", "exclusive", "fallbacks", "group", "limit", "mutex", "priority"),
        *("queue", "resources", "retries", "timeout", "tokens"),
    )

    def __init__(
        self,
        queue: str = "default",
        tokens: int = 1,
        priority: int = 0,
        timeout: float | None = None,
        retries: Retries | None = None,
        resources: Mapping[str, int] | Sequence[Mapping[str, int]] | None = None,
        mutex: Sequence[str] = (),
        exclusive: bool = False,
        group: str = "",
        limit: int | None = None,
        engine: str = "",
    ) -> None:
        self.engine = engine
        self.fallbacks: tuple[Mapping[str, int], ...] = ()
        self.resources: dict[str, int] = {}
        if resources:
            several = resources if isinstance(resources, list | tuple) else (resources,)
            if not all(hasattr(one, "keys") for one in several):
                several = ({},)
            self.fallbacks = tuple(several[1:])
            self.resources = dict(several[0])
        self.mutex: tuple[str, ...] = tuple(mutex) if type(mutex) in _LISTS else _as_names(mutex)
        self.exclusive = exclusive
        self.group = group
        self.limit = limit
        self.queue = queue
        self.tokens = tokens
        self.priority = priority
        self.timeout = timeout
        self.retries = retries or Retries()
        is_usual = (
            queue.__class__ is str
            and tokens.__class__ is priority.__class__ is int
            and self.retries.__class__ is Retries
        )
        is_timed = timeout is None or (type(timeout) in (float, int) and timeout > 0.0)
        says_more = resources or self.mutex or exclusive or group or limit is not None or engine
        if not (is_usual and is_timed) or says_more:
            self._check(resources)

    def _check(self, given: object) -> None:
        from .option_checks import check_limits

        check_limits(self, given)

    def asking(
        self,
        resources: Mapping[str, int],
        *,
        group: str = "",
        mutex: tuple[str, ...] | None = None,
        fallbacks: Sequence[Mapping[str, int]] = (),
    ) -> Limits:
        """Return these with a demand for resources, the group that `limit` counts in, and names of mutexes.

        :param fallbacks: what it asks for where the pool could not meet that
        """
        return Limits(
            *(self.queue, self.tokens, self.priority, self.timeout, self.retries),
            resources=[resources, *fallbacks],
            mutex=self.mutex if mutex is None else mutex,
            exclusive=self.exclusive,
            group=group,
            limit=self.limit,
            engine=self.engine,
        )

    @property
    def says_demand(self) -> bool:
        """Whether anything besides a queue and tokens is said."""
        return bool(self.resources or self.fallbacks or self.mutex or self.exclusive or self.limit is not None)

    @property
    def demands(self) -> tuple[Mapping[str, int], ...]:
        """What it asks for, and what in place of that."""
        return (self.resources, *self.fallbacks)

    @property
    def demand(self) -> Demand | None:
        """What an attempt needs; None for a queue and tokens alone, so also where it asks for none of a type."""
        if not self.says_demand:
            return None
        is_none = not any(self.resources.values()) and "cpus" not in self.resources
        # to need no processor is less than what tokens alone take
        if is_none and not (self.fallbacks or self.mutex or self.exclusive or self.limit is not None):
            return None
        from treadle.core.pool import Demand

        return Demand(
            self.resources,
            queue=self.queue,
            tokens=self.tokens,
            mutex=self.mutex,
            exclusive=self.exclusive,
            group=self.group,
            limit=self.limit,
            fallbacks=self.fallbacks,
        )


_NO_ARTIFACTS: dict[str, str] = {}


class Command:
    """One action: what to run, what it reads, and what it makes.

    :param steps: one argv, or a list of them that run in order until one fails
    :param script: a shell script in place of `steps`
    :param cwd: the folder that it runs in
    :param inputs: files and folders (`docs/`) that it reads
    :param outputs: files and folders that it makes
    :param env: its environment
    :param tools: programs whose identity is part of the key
    :param depfile: a file in make's syntax in which the command says what it read: short for `Depfile(path)` as
        `discovery`
    :param discovery: finds the inputs that the command reads in addition
    :param stdout: the output for what the command prints to stdout
    :param limits: queue, tokens, priority, time limit, retries
    :param always: whether it runs each time; the default is True without inputs, outputs and edits
    :param once: whether it runs only if an output is missing
    :param edits: files that it reads and writes in place
    :param exclude: folder of `inputs` or `outputs` -> patterns of what does not count in it, see `core.patterns`;
        part of the key
    :param presence: output folders that are judged by presence: by the names that the command has made at their top
        level, whatever is in these
    :param installed: outputs of others that are judged by presence: what is read in them counts by the last run of
        their producer in place of its content
    :param keep: its output files are not removed before it starts
    :param console: it keeps the terminal; one such action at a time
    :param output: how what it prints is shown: `stream`, `block` or `quiet`; "" where it does not say
    :param label: the front end's word for its owner, such as the plan's path: part of the key of what has
        no outputs
    :param elements: name -> value, of elements of the key which it has besides its own, or in place of its own
    :param codes: what its exit codes mean, see `core.codes.Codes`; part of the key
    :param expect: the end that is expected in place of a success: `failure`, `diff`, or a map from `failure` to
        exit codes; part of the key
    :param guards: what is required and asked before it starts, see `guards.Guards`; not part of the fingerprint
    :param workdir: `fresh` runs each attempt in a new folder that holds links to its inputs and nothing else,
        `copy` in one with copies of them; "" runs it in the root. Part of the key
    :param baseline: output -> the file with what it should hold, an input that may be missing; if they differ, the
        outcome is `diffed`. Part of the key
    :param accept: commands that `treadle accept` runs in place of a copy of the output to its baseline
    :param artifacts: pattern of files, relative to its `cwd` -> after which end what it leaves there is moved to
        the state folder: `always`, `success`, `failure` or `never`; not part of the fingerprint
    :param cache: whether its outputs may be restored from a cache and stored in one, see `CommandWalk`: False for
        neither, True to store them even if that does not pay, `{"log": False}` to store no log; not part of the
        fingerprint
    :param place: where it was written
    :raises UsageError: an argument is of a wrong kind, or there are a depfile and a discovery
    """

    __slots__ = (
        *(
            "accept",
            "always",
            "artifacts",
            "baseline",
            "cache",
            "codes",
            "console",
            "cwd",
            "discovery",
            "edits",
            "elements",
            "env",
            "exclude",
            "expect",
        ),
        *("guards", "inputs", "installed", "keep", "label", "limits", "once", "output", "outputs", "place"),
        *("presence", "script", "stdout", "steps", "tools", "workdir"),
    )

    def __init__(
        self,
        steps: Sequence[str] | Sequence[Sequence[str]] = (),
        *,
        script: Script | None = None,
        cwd: str = ".",
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        env: Environment | None = None,
        tools: Sequence[Tool] = (),
        depfile: str | None = None,
        discovery: Discovery | None = None,
        stdout: str | None = None,
        limits: Limits | None = None,
        always: bool | None = None,
        keep: bool = False,
        console: bool = False,
        output: str = "",
        once: bool = False,
        edits: Sequence[str] = (),
        exclude: Mapping[str, Sequence[str]] | None = None,
        presence: Sequence[str] = (),
        installed: Sequence[str] = (),
        label: str = "",
        elements: Mapping[str, str] | None = None,
        codes: Codes | None = None,
        expect: Expect | str | Mapping[str, Numbers] | None = None,
        guards: Guards | None = None,
        workdir: str = "",
        baseline: Mapping[str, str] | None = None,
        accept: Sequence[str] | Sequence[Sequence[str]] = (),
        artifacts: Mapping[str, str] | None = None,
        cache: bool | str | Mapping[str, bool] | None = None,
        place: Place | None = None,
    ) -> None:
        if str in (type(steps), type(inputs), type(outputs), type(edits)):
            _refuse_texts(steps=steps, inputs=inputs, outputs=outputs, edits=edits)
        paths = (*inputs, *outputs, *edits)
        if not _TEXT.issuperset(map(type, paths)) or "" in paths:
            _refuse_others(inputs=inputs, outputs=outputs, edits=edits)
        self.steps = _as_steps(steps)
        self.script = script
        self.cwd = cwd
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.env = env or Environment()
        self.tools = tuple(tools)
        self.discovery = discovery if depfile is None and discovery is None else _discovery_of(depfile, discovery)
        self.stdout = stdout
        self.limits = limits or Limits()
        self.always = not (inputs or outputs or edits) if always is None else always
        self.keep = keep
        self.console = console
        self.output = output
        self.once = once
        self.edits = tuple(edits)
        self.exclude = _as_exclude(exclude, self.inputs, self.outputs) if exclude else _NOTHING
        self.presence = tuple(presence)
        self.installed = tuple(installed)
        if self.presence:
            _check_presence(self.presence, self.outputs)
        self.label = label
        self.elements = elements or {}
        self.codes = codes
        self.expect: Expect | None = None
        if codes is not None or expect is not None:
            self._take_meaning(codes, expect)
        self.guards = guards
        self.accept = _as_steps(accept) if accept else ()
        self.baseline = _NO_FILES
        if baseline:
            self._take_baseline(baseline)
        self.workdir = workdir
        if workdir:
            self._take_workdir(workdir)
        self.artifacts = _as_artifacts(artifacts) if artifacts else _NO_ARTIFACTS
        self.cache = "" if cache is None else _as_cache(cache)
        """What it says of the cache, as `cache.policy` names it, "" for nothing."""
        self.place = place

    def _take_meaning(self, codes: Codes | None, expect: Expect | str | Mapping[str, Numbers] | None) -> None:
        """Take what its exit codes mean, and put that into the key."""
        from treadle.core.codes import check, expect_of

        expected = self.expect = expect_of(expect) if expect is not None else None
        check(codes, expected)
        said = {
            CODES: codes.text if codes is not None else "",
            EXPECT: expected.text if expected is not None else "",
        }
        self.elements = {**self.elements, **{name: text for name, text in said.items() if text}}

    def _take_baseline(self, baseline: Mapping[str, str]) -> None:
        """Check the baselines, and make them inputs and parts of the key."""
        from .baseline import check

        check(baseline, self.outputs, self.exclude)
        self.baseline = dict(baseline)
        self.inputs = tuple(dict.fromkeys((*self.inputs, *baseline.values())))
        self.elements = {**self.elements, **{BASELINE + output: path for output, path in baseline.items()}}

    def _take_workdir(self, workdir: str) -> None:
        """Check that it can run in a folder of its own, and put that into the key."""
        from .workdir import check

        given = {"edits": self.edits, "keep": self.keep, "once": self.once, "console": self.console}
        check(workdir, given, (*self.inputs, *self.made, self.cwd))
        self.elements = {**self.elements, WORKDIR: workdir}

    @property
    def depfile(self) -> str | None:
        """The path of the depfile; None without one, also with another discovery."""
        if self.discovery is None:
            return None
        from .depfile import Depfile

        # a subclass reads it in its own way: it is as any other discovery
        return self.discovery.path if type(self.discovery) is Depfile else None

    @property
    def made(self) -> tuple[str, ...]:
        """The outputs, and the data of its discovery."""
        return self.outputs if self.discovery is None else (*self.outputs, self.discovery.path)

    @property
    def written(self) -> tuple[str, ...]:
        """The outputs, and the files that it edits: what its consumers come after it for."""
        return (*self.outputs, *self.edits) if self.edits else self.outputs

    @property
    def shown(self) -> str:
        """The command as text: quoted for a shell, one line for each step."""
        if self.script is not None:
            return self.script.shown
        from treadle.core.text import shell_join

        return "\n".join(map(shell_join, self.steps))

    @property
    def counted(self) -> str:
        """The command as text, as the fingerprint has it."""
        return self.elements.get(COMMAND, self.shown) if self.elements else self.shown

    def argvs(self) -> tuple[tuple[str, ...], ...]:
        """Return the argvs to start, in order: the steps, or the shell with its script."""
        if self.script is None:
            return self.steps
        return ((*self.script.shell, self.script.text, *self.script.words),)

    def __repr__(self) -> str:
        return f"Command({self.shown!r})"


def written_by(commands: Mapping[Any, Command]) -> Iterator[tuple[str, Any]]:
    """Yield path and action for each output and each file that is edited: what an OutputIndex is made of."""
    return ((path, uid) for uid, command in commands.items() for path in command.written)


def _as_names(mutex: Any) -> tuple[str, ...]:
    """Return names that are given as no list; what is none is left for the check of limits."""
    return (mutex,) if isinstance(mutex, str) or not hasattr(mutex, "__iter__") else tuple(mutex)


def _as_cache(cache: object) -> str:
    from treadle.cache.policy import said
    from treadle.errors import UsageError

    found = said(cache)
    if found is None:
        raise UsageError(f"the cache of a Command is {cache!r}", facts=("expected True, False or {'log': False}",))
    return found


def _as_artifacts(artifacts: Mapping[str, str]) -> dict[str, str]:
    from .artifact_patterns import check

    return check(artifacts)


def _refuse_texts(**lists: object) -> None:
    """Refuse a text in place of a list of texts, which would be taken letter by letter."""
    from treadle.errors import UsageError

    for name, given in lists.items():
        if isinstance(given, str):
            hint = "for a line of shell: Command(script=Script(...))" if name == "steps" else ""
            raise UsageError(
                f"the {name} of a Command are the text {given!r}", facts=("expected a list of texts",), hint=hint
            )


def _refuse_others(**lists: Sequence[object]) -> None:
    """Refuse paths that are not text: a pathlib.Path has no trailing `/` for a folder."""
    from treadle.errors import UsageError

    for name, given in lists.items():
        for one in given:
            if not isinstance(one, str):
                raise UsageError(
                    f"the {name} of a Command contain {one!r}",
                    facts=("expected a text such as 'src/a.c', or 'src/' for a folder",),
                )
            if not one:
                raise UsageError(
                    f"the {name} of a Command contain an empty text",
                    facts=("expected a path such as 'src/a.c', or './' for the whole root",),
                )


def _as_exclude(
    exclude: Mapping[str, Sequence[str]], inputs: Sequence[str], outputs: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the patterns of each folder, in one order, each once."""
    from treadle.core.patterns import check_exclude
    from treadle.errors import UsageError

    found = {}
    for path, patterns in exclude.items():
        if isinstance(patterns, str):
            raise UsageError(
                f"the exclude of {path!r} is the text {patterns!r}", facts=("expected a list of texts",)
            )
        if not path.endswith("/") or path not in (*inputs, *outputs):
            raise UsageError(
                f"a Command has an exclude for {path!r}, which is no folder of its inputs or outputs",
                facts=("expected one of them, with a / at its end",),
            )
        for pattern in patterns:
            try:
                check_exclude(pattern)
            except ValueError as error:
                raise UsageError(f"the pattern {pattern!r} in the exclude of {path!r}: {error}") from None
        if patterns:
            found[path] = tuple(sorted(set(patterns)))
    return found


def _check_presence(presence: Sequence[str], outputs: Sequence[str]) -> None:
    from treadle.errors import UsageError

    for path in presence:
        if not path.endswith("/") or path not in outputs:
            raise UsageError(
                f"a Command judges {path!r} by presence, which is no folder of its outputs",
                facts=("expected one of them, with a / at its end",),
            )


def _discovery_of(depfile: str | None, discovery: Discovery | None) -> Discovery:
    if depfile is not None and discovery is None:
        from .depfile import Depfile

        return Depfile(depfile)
    from .discovery import Discovery

    if isinstance(discovery, Discovery) and depfile is None:
        return discovery
    from treadle.errors import UsageError

    if depfile is not None:
        raise UsageError("a Command has a depfile and a discovery", hint="give one of them")
    raise UsageError(f"the discovery of a Command is {discovery!r}", facts=("expected a treadle.Discovery",))


def _as_steps(steps: Sequence[str] | Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    if not steps:
        return ()
    if isinstance(steps[0], str | PathLike):
        return (tuple(str(word) for word in steps),)
    return tuple(tuple(step) for step in steps)


_TEXT = frozenset((str,))
_LISTS = (tuple, list)
_NO_GROWTH: Mapping[str, Growth] = {}
_NO_FILES: Mapping[str, str] = {}
"""The baseline of a Command without one."""
_NOTHING: dict[str, tuple[str, ...]] = {}
"""The exclude of a Command without one."""
