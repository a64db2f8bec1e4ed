"""Every key of a plan, as data: which values it takes, what it means, its default and an example.

Validation, the error texts and the reference page are all made from these tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from treadle.core.codes import EXPECTED, numbers_of
from treadle.errors import nearest
from treadle.plan.yaml.nodes import Items, Scalar, Table

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A parameter, a var, a foreach key, a named input or output."""
ACTION_NAME = re.compile(r"[^\W_][\w.+-]*|_[\w.+-]*")
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_INTEGER = re.compile(r"[-+]?[0-9]{1,9}")
_SHARE = re.compile(r"[01]|[01]?\.[0-9]{1,9}")


@dataclass(frozen=True)
class Kind:
    """What a key takes.

    :param says: its description, as in "must be {says}"
    :param shapes: the types of nodes that it may be
    :param check: called with a scalar; returns what is wrong with it, or ""
    """

    says: str
    shapes: tuple[type, ...]
    check: Callable[[Scalar], str] | None = None


@dataclass(frozen=True)
class Key:
    """One key of a map: `example` is YAML that uses it."""

    name: str
    kind: Kind
    meaning: str
    default: str = ""
    example: str = ""


def seconds(text: str) -> float:
    """Return a duration (`1h30m`, `1.5s`) in seconds."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def _check_bool(node: Scalar) -> str:
    if node.style is None and node.text in ("true", "false"):
        return ""
    return "must be true or false"


def _check_whole(least: int) -> Callable[[Scalar], str]:
    def check(node: Scalar) -> str:
        good = node.style is None and _INTEGER.fullmatch(node.text) and int(node.text) >= least
        return "" if good else f"must be a whole number, {least} or more"

    return check


def _check_integer(node: Scalar) -> str:
    return "" if node.style is None and _INTEGER.fullmatch(node.text) else "must be a whole number"


def _check_duration(node: Scalar) -> str:
    if not DURATION.fullmatch(node.text) or len(node.text) > 40:
        return "must be a duration with a unit, such as 90s, 5m or 1h30m"
    return "" if seconds(node.text) > 0 else "must be more than zero"


def _check_limit(node: Scalar) -> str:
    if node.text == "none":
        return ""
    wrong = _check_duration(node)
    return wrong + ", or none" if wrong else ""


def _check_share(node: Scalar) -> str:
    is_right = node.style is None and _SHARE.fullmatch(node.text) and float(node.text) <= 1
    return "" if is_right else "must be a number from 0 to 1, such as 0.2"


def _check_retries(node: Scalar) -> str:
    return _check_whole(0)(node) and "must be a whole number, or a map with max, on, backoff, jitter, grow"


def _check_expects(node: Scalar) -> str:
    return "" if node.text in MATCHES or _check_whole(1)(node) == "" else f"must be {EXPECTS_SAYS}"


def _one_of(*texts: str) -> Callable[[Scalar], str]:
    def check(node: Scalar) -> str:
        if node.text in texts:
            return ""
        close = nearest(node.text, texts)
        return f"must be one of {', '.join(texts)}" + (f" (did you mean {close}?)" if close else "")

    return check


def _exactly(text: str, says: str = "", *, in_quotes: bool = False) -> Callable[[Scalar], str]:
    """Return a check for one text.

    :param in_quotes: whether it may also be quoted
    """

    def check(node: Scalar) -> str:
        is_right = node.text == text and (in_quotes or node.style is None)
        return "" if is_right else f"must be {says or text}"

    return check


def check_codes(node: Scalar) -> str:
    """Return what is wrong with a text in the place of an exit code or a range of them, or ""."""
    try:
        numbers_of(node.text)
    except ValueError as error:
        return str(error).replace("expected", "must be", 1)
    return ""


def _check_output(node: Scalar) -> str:
    return "" if node.text in OUTPUTS else f"must be one of {', '.join(OUTPUTS)} (the files that it makes are out:)"


FORMATS = ("yaml", "json", "toml", "text")
SPLITS = ("commas", "words")
CHECKS = ("content", "presence")
OUTPUTS = ("stream", "block", "quiet")
MATCHES = ("+", "?", "*")
"""Numbers of matches: at least one, at most one, any."""
EXPECTS_SAYS = '+, "?", "*", or a whole number, 1 or more'
PARAM_TYPES = ("str", "int", "float", "bool", "list", "path")

TEXT = Kind("a text", (Scalar,))
TEXTS = Kind("a text or a list of texts", (Scalar, Items))
LIST = Kind("a list", (Items,))
NESTED = Kind("a text or a list (of texts and lists)", (Scalar, Items))
MAP = Kind("a map", (Table,))
PATHS = Kind("a path, a list of paths, or a map of names to paths", (Scalar, Items, Table))
BOOL = Kind("true or false", (Scalar,), _check_bool)
COUNT = Kind("a whole number, 1 or more", (Scalar,), _check_whole(1))
AMOUNT = Kind("a whole number, 0 or more", (Scalar,), _check_whole(0))
INTEGER = Kind("a whole number", (Scalar,), _check_integer)
DURATION_KIND = Kind("a duration with a unit (ms, s, m, h, d)", (Scalar,), _check_duration)
SHARE = Kind("a number from 0 to 1", (Scalar,), _check_share)
LIMIT = Kind("a duration with a unit (ms, s, m, h, d), or none", (Scalar,), _check_limit)
RETRIES_KIND = Kind("a whole number, or a map with max, on, backoff, jitter, grow", (Scalar, Table), _check_retries)
VERSION = Kind("1", (Scalar,), _exactly("1", "1, the only version of the format"))
TYPE = Kind("one of " + ", ".join(PARAM_TYPES), (Scalar,), _one_of(*PARAM_TYPES))
FORMAT = Kind("one of " + ", ".join(FORMATS), (Scalar,), _one_of(*FORMATS))
SPLIT = Kind("one of " + ", ".join(SPLITS), (Scalar,), _one_of(*SPLITS))
CHECK = Kind("one of " + ", ".join(CHECKS), (Scalar,), _one_of(*CHECKS))
OUTPUT = Kind("one of " + ", ".join(OUTPUTS), (Scalar,), _check_output)
TRUE = Kind("true", (Scalar,), _exactly("true"))
VALUE = Kind("a text, a list or a map", (Scalar, Items, Table))
OK = Kind("ok", (Scalar,), _exactly("ok", in_quotes=True))
FILES = Kind("a path or a list of paths", (Scalar, Items, Table))
REQUIRED = Kind(
    "a command, or a list of commands and of maps with run, sh or when, and message", (Scalar, Items, Table)
)
DOTENV = Kind("a path, or a map with file, optional", (Scalar, Table))
TOOLS = Kind("a name, or a list of names and of maps with tool, version", (Scalar, Items))
DEMANDS = Kind("a map, or a list of maps", (Table, Items))
NEEDS = Kind("a name, or a list of names and of maps with action, when, expects", (Scalar, Items, Table))
EXPECTS = Kind(EXPECTS_SAYS, (Scalar,), _check_expects)
INCLUDES = Kind("a list of files, and of maps with file, as, optional, params", (Items,))
GIVEN = Kind("a map of names to texts and lists", (Table,))
NUMBERS = Kind("an exit code, a range such as 130-143, or a list of these", (Scalar, Items), check_codes)
CODES = Kind("a map of meanings to exit codes", (Table,))
ARTIFACTS = Kind("a map of patterns of files to always, success, failure or never", (Table,))
WORKDIR = Kind("fresh, or a map with fresh", (Scalar, Table), _one_of("fresh"))
PLACEMENT = Kind("link or copy", (Scalar,), _one_of("link", "copy"))
CACHE = Kind("local, or a map with local, shared, namespaces, system", (Scalar, Table), _one_of("local"))
STORE = Kind("true, or a map with size, folder", (Scalar, Table), _exactly("true"))
STORE_FOLDER = Kind("user or project", (Scalar,), _one_of("user", "project"))
CACHED = Kind("true, false, or a map with log", (Scalar, Table), _check_bool)
ENGINE = Kind("a name, or a map with name", (Scalar, Table))
WORKERS = Kind("a number, or a map with max, resources", (Scalar, Table), _check_whole(1))
HERE = Kind("local", (Scalar,), _one_of("local"))
OK = Kind("ok", (Scalar,), _one_of("ok"))
EXPECT = Kind("failure, diff, or a map with failure", (Scalar, Table), _one_of(*EXPECTED))


def _table(*keys: Key) -> dict[str, Key]:
    return {key.name: key for key in keys}


POOL = Key("pool", MAP, "What there is of resources that actions ask for: a map of types to amounts, lists of "
    "names, or maps with `ids` and `slots`; `max` bounds what attempts grow to. "
    "See [the rules](resources.md#resources).",
    "what this machine has", "pool: {gpus: {ids: [0, 1], slots: 2}, licences: 3, memory: 60GiB}")  # fmt: skip
MAX_RUNNING = Key("max_running", COUNT, "How many actions may run at the same time, over all queues.", "no limit",
    "max_running: 200")  # fmt: skip

PLAN_KEYS = _table(
    Key("treadle", VERSION, "The version of the plan format. Required.", "", "treadle: 1"),
    Key("root", TEXT, "The folder that all paths are relative to. Outputs and the state are kept below it. "
        "Relative to the plan's folder.", "the plan's folder", "root: ."),
    Key("params", MAP, "Values that can be set on the command line, with `-p NAME=VALUE`. A map of names to "
        "parameters.", "none", "params:\n  mode: {choices: [debug, release], default: debug}"),
    Key("vars", MAP, "Constants: a map of names to texts and lists. Nested lists are flattened. A value can also "
        "be a map with `select`, `file` or `glob`.", "none", "vars:\n  o: out\n  flags: [-O2, -Wall]"),
    Key("queues", MAP, "Named queues, each with its number of tokens. `queue: NAME` assigns an action to one. The "
        "queue `default` always exists; `-j` sets its size.", "only default", "queues: {net: 2}"),
    POOL,
    MAX_RUNNING,
    Key("cache", CACHE, "Where outputs are restored from in place of running an action, and stored: `local` for a "
        "folder of the user. See [the cache](../howto/cache.md). `--cache` and TREADLE_CACHE override it.",
        "no cache", "cache: local"),
    Key("engine", ENGINE, "What runs the actions: `local`, `process`, `slurm`, or another one by its name. "
        "A map says more of it. See [the rules](engine.md#engine).", "local",
        "engine: {name: process, workers: 4}"),
    Key("shell", LIST, "The shell that runs each `sh`: the program and its options. The script is the next "
        "argument.", "[bash, -euo, pipefail, -c]", "shell: [sh, -euc]"),
    Key("defaults", MAP, "Settings of every action. A key set on an action overrides its default.", "none",
        "defaults: {timeout: 30m, pass: [SSH_AUTH_SOCK]}"),
    Key("mixins", MAP, "Named parts of actions: a map of names to maps with keys of actions. `use: [NAME]` puts "
        "them into an action.", "none", "mixins:\n  quick: {timeout: 1m, tags: [quick]}"),
    Key("default", TEXTS, "What `treadle run` without names runs: names of actions, families, groups, outputs.",
        "every action with outputs; if none has outputs, names are required", "default: [hello]"),
    Key("groups", MAP, "Names for several actions: a map of names to lists.", "none", "groups:\n  ci: [hello]"),
    Key("include", INCLUDES, "Other plans to include in this one.", "none", "include: [docs/plan.yaml]"),
    Key("actions", MAP, "A map of names to actions. A plan needs at least one action or an `include`.", "",
        "actions:\n  other:\n    run: echo hello"),
)  # fmt: skip

INCLUDE_KEYS = _table(
    Key("file", TEXT, "The path of the plan, relative to the file that includes it. Required.", "",
        "file: docs/plan.yaml"),
    Key("as", TEXT, "The prefix of the names of its actions, before a `:`.",
        "the file's name without its suffix; the folder's name if the file is named plan or treadle", "as: pages"),
    Key("optional", BOOL, "Whether the file may be missing.", "false", "optional: true"),
    Key("params", GIVEN, "Values of its parameters. A path is relative to the root of the including plan.",
        "the defaults of its parameters", 'params: {draft: "true"}'),
)  # fmt: skip

PARAM_KEYS = _table(
    Key("type", TYPE, "The type of the value. A `path` is relative to the root.",
        "list if the default is a list, or with `split` or `rest`; else str", "type: int"),
    Key("default", NESTED, "The value if none is given. It is used literally. Without it, and without a set "
        "variable in `env`, a value must be given.", "none: a value must be given", "default: 3"),
    Key("choices", LIST, "The allowed values (of each element of a list).", "any", "choices: [3, 4]"),
    Key("env", TEXT, "A variable of the environment that gives the value if `-p` does not. An empty variable "
        "counts as not set.", "none", "env: LEVEL"),
    Key("split", SPLIT, "How a text given by `-p` or `env` is split into a list: at `commas`, or into `words` as "
        "by a shell: blanks separate and quotes group.", "commas", "split: words"),
    Key("rest", TRUE, "`true`: its value is the list of all arguments after `--` on the command line.", "no",
        "rest: true"),
    Key("help", TEXT, "What it is for, in one line.", "none", "help: how much to do"),
)  # fmt: skip

FILE_KEYS = _table(
    Key("file", TEXT, "Its path, relative to the root.", "", "file: params.yaml"),
    Key("format", FORMAT, "The format of its content.",
        "by its suffix: .yaml, .yml, .json or .toml; all others are text", "format: yaml"),
    Key("optional", TRUE, "`true`: the file may be missing. Then it counts as empty.", "a missing file is an error",
        "optional: true"),
    Key("else", VALUE, "Values of names that are not in the file.", "none: such a name is an error",
        "else: {train: {lr: 0.1}}"),
)  # fmt: skip

DOTENV_KEYS = _table(
    Key("file", TEXT, "Its path, relative to the root.", "", "file: dev.env"),
    Key("optional", TRUE, "`true`: the file may be missing.", "a missing file is an error", "optional: true"),
)  # fmt: skip

GROUP_KEYS = _table(
    Key("help", TEXT, "What the group is for, in one line.", "none", "help: all checks"),
    Key("of", TEXTS, "Its members: names of actions, families, instances, groups, outputs. Required.", "",
        "of: [hello]"),
)  # fmt: skip

GLOB_KEYS = _table(
    Key("glob", TEXTS, "The pattern, or a list of patterns.", "", 'glob: "src/*.c"'),
    Key("exclude", TEXTS, "Patterns of files to leave out.", "none", 'exclude: ["src/old_*.c"]'),
    Key("empty", OK, "`ok`: it may match no file.", "no match is an error", "empty: ok"),
)  # fmt: skip

TREE_KEYS = _table(
    Key("tree", TEXTS, "The folder, or a list of folders; each ends with a `/`.", "", "tree: src/"),
    Key("exclude", TEXTS, "Patterns of what does not count in it, relative to the folder. See "
        "[the rules](paths.md#folders-with-exclude).", "none", 'tree: src/\nexclude: ["*.egg-info/"]'),
)  # fmt: skip

OUT_KEYS = _table(
    Key("path", TEXT, "The folder; it ends with a `/`.", "", "path: out/site/"),
    Key("exclude", TEXTS, "Patterns of what in it is none of the output. See "
        "[the rules](outputs.md#output-folders-with-exclude).", "none", "exclude: [CNAME]"),
    Key("check", CHECK, "How it is judged: by its `content`, or by `presence`. See "
        "[the rules](outputs.md#check-presence-installed-trees).", "content", "check: presence"),
)  # fmt: skip

FROM_KEYS = _table(
    Key("from", TEXTS, "Actions, families, instances, groups or patterns (`gen:*`) whose outputs are read; with a "
        "dot one named output of each (`split.a`).", "", "from: hello"),
    Key("empty", OK, "`ok`: it may select no output.", "no output is an error", "empty: ok"),
)  # fmt: skip

TOOL_KEYS = _table(
    Key("tool", TEXT, "The program's name or path.", "", "tool: cc"),
    Key("version", TEXT, "A command, split like `run`. What it prints is the identity of the tool. Only `treadle "
        "run` and `treadle adopt` start it.", "the content of the program's file", "version: cc --version"),
)  # fmt: skip

REQUIRE_KEYS = _table(
    Key("run", TEXTS, "A command, or a list of commands that run in order, as in an action.", "",
        "run: test -d src"),
    Key("sh", TEXT, "A script for a shell, in place of `run`.", "", "sh: test -d src"),
    Key("when", TEXT, "A condition, as in an action, in place of `run`.", "", 'when: mode == "debug"'),
    Key("message", TEXT, "What is wrong if it fails.", "the command and its exit code",
        "message: there are no sources"),
)  # fmt: skip

NEEDS_KEYS = _table(
    Key("action", TEXT, "An action, family, group or pattern. Required.", "", "action: hello"),
    Key("when", TEXT, "The outcome that it must have: `on_success`, `on_failure`, `always`, or names of outcomes "
        "with `and`, `or`, `not` and brackets. See [the rules](order.md#conditions).",
        "on_success", "when: on_failure"),
    Key("expects", EXPECTS, 'How many actions it must select: at least one (`+`), at most one (`"?"`), any number '
        '(`"*"`), or this many.', "+", 'expects: "*"'),
)  # fmt: skip

RETRIES_KEYS = _table(
    Key("max", AMOUNT, "Maximum number of further attempts. Required.", "", "max: 2"),
    Key("on", TEXTS, "Failures to retry after: `timeout`, `memory`, `lost`, `diffed`, `not_ready`, `exit N`, "
        "`exit N-M`, `signal`, `signal KILL`, `any`.", "any", "on: [timeout, exit 130-143]"),
    Key("backoff", DURATION_KIND, "Time to wait before the second attempt. It doubles with each further attempt, "
        "up to 10m.", "no wait", "backoff: 5s"),
    Key("jitter", SHARE, "The share by which each of these pauses is shorter at most; how much is drawn for each "
        "attempt.", "0", "jitter: 0.2"),
    Key("grow", MAP, "What a further attempt gets more of: a map of types of `resources`, or `timeout`, to a "
        "factor or a list of the next amounts. See [the rules](retries.md#attempts-that-grow).",
        "nothing", "grow: {timeout: 2}"),
)  # fmt: skip

CODES_KEYS = _table(
    Key("success", NUMBERS, "It did what it should.", "0", "success: [0, 2]"),
    Key("diffed", NUMBERS, "It failed: its outputs differ from what was expected.", "64", "diffed: 1"),
    Key("skipped", NUMBERS, "It says itself that it does not apply. See "
        "[the rules](retries.md#codes-and-expect-what-exit-codes-mean).", "none", "skipped: 80"),
    Key("not_ready", NUMBERS, "It is tried again as far as `retries` allows, and fails after that.", "75",
        "not_ready: [11, 75]"),
    Key("retry", NUMBERS, "A failure that is tried again as far as `retries` allows, whatever `on` says.", "none",
        "retry: 130-143"),
)  # fmt: skip

EXPECT_KEYS = _table(
    Key("failure", NUMBERS, "The exit codes of the failure that is expected. Required.", "", "failure: [3, 4]"),
)  # fmt: skip

WORKDIR_KEYS = _table(
    Key("fresh", PLACEMENT, "How its inputs come into the new folder: each as a `link`, or as a `copy`. Required.",
        "", "fresh: copy"),
)  # fmt: skip

POOL_KEYS = _table(
    Key("ids", LIST, "The names of the instances. Required.", "", "ids: [0, 1]"),
    Key("slots", COUNT, "How many actions may share one instance.", "1", "slots: 2"),
)  # fmt: skip

CACHE_KEYS = _table(
    Key("local", STORE, "A folder on this machine. Required without `shared`.", "true", "local: {size: 20GB}"),
    Key("shared", TEXT, "The address of a cache that several machines share. It is only read, unless `--cache "
        "write` or TREADLE_CACHE say otherwise.", "none", 'shared: "https://cache.example/team"'),
    Key("namespaces", TEXTS, "Names that keep results apart: what is stored is found by the first one, and looked "
        "for by each in this order.", "one without a name", "namespaces: [pr-7, main]"),
    Key("system", TEXTS, "Further folders outside of the root in which discovered inputs may be: absolute, with a "
        "`/` at the end. They count by their content.", "/usr/, /opt/, /nix/store/", "system: [/sdk/]"),
)  # fmt: skip

STORE_KEYS = _table(
    Key("size", TEXT, "How many bytes it may have; above that what was used longest ago is removed. The store of "
        "the user never gets less than 5GiB by it.", "5GiB", "size: 20GB"),
    Key("folder", STORE_FOLDER, "Its folder: one for all projects of the `user`, or `.treadle/cache` of this "
        "`project`.", "user", "folder: project"),
)  # fmt: skip

CACHED_KEYS = _table(
    Key("log", BOOL, "Whether what it prints is stored too, and shown again.", "true, without `pass`",
        "log: false"),
)  # fmt: skip

ENGINE_KEYS = _table(
    Key("name", TEXT, "The engine. Required.", "", "name: process"),
    Key("workers", WORKERS, "How many workers there are at most, or a map that says what each has.", "2",
        "workers: {max: 4, resources: {cpus: 8, memory: 16GiB}}"),
    Key("lease", DURATION_KIND, "How long a worker or the run may show no life before it counts as gone.", "60s",
        "lease: 2m"),
    Key("patience", DURATION_KIND, "How long a file that the other side has written is waited for.", "the lease",
        "patience: 30s"),
    Key("queue_timeout", DURATION_KIND, "How long an action may wait for a worker before it fails. Its `timeout` "
        "counts from its start.", "as long as it takes", "queue_timeout: 2h"),
    Key("pass", TEXTS, "Variables whose values are those of the worker.", "only TMPDIR", "pass: [SCRATCH]"),
    Key("mixed", OK, "`ok`: workers may have another system, and other programs, than this machine.",
        "they are refused", "mixed: ok"),
    Key("insecure", OK, "`ok`: the engine is on other machines and has no TLS. This counts where the call has "
        "TREADLE_INSECURE=ok in its environment too.", "it is refused", "insecure: ok"),
    Key("delay", DURATION_KIND, "How much later one side sees what the other has written, for tests.", "0s",
        "delay: 500ms"),
    Key("options", MAP, "What else the engine takes.", "none", "options: {partition: short}"),
)  # fmt: skip

WORKERS_KEYS = _table(
    Key("max", COUNT, "How many there are at most.", "2", "max: 4"),
    Key("resources", MAP, "What each has: a map of types to amounts.", "its share of this machine",
        "resources: {cpus: 8, memory: 16GiB}"),
)  # fmt: skip

_SHARED = (
    Key("env", MAP, "Variables to set. They are fingerprinted.", "none", "env: {LC_ALL: C}"),
    Key("track", TEXTS, "Variables to pass from the environment. They are fingerprinted.", "none",
        "track: [CFLAGS]"),
    Key("dotenv", DOTENV, "A file of lines NAME=value: variables to set. They are fingerprinted; `env` overrides "
        "them. A map has `file`, and `optional: true` if the file may be missing.", "none", "dotenv: dev.env"),
    Key("secret", TEXTS, "Variables of `track`, `dotenv` and `env` of which only a digest is kept.", "none",
        "track: [API_TOKEN]\nsecret: [API_TOKEN]"),
    Key("pass", TEXTS, "Variables to pass from the environment. They are not fingerprinted.", "none",
        "pass: [DISPLAY]"),
    Key("tools", TOOLS, "Programs whose identity is fingerprinted.", "none",
        "tools: [python3, {tool: cc, version: cc --version}]"),
    Key("shell", LIST, "The shell that runs `sh`: the program and its options. The script is the next argument. It "
        "is fingerprinted.", "[bash, -euo, pipefail, -c]", "sh: echo hello\nshell: [sh, -euc]"),
    Key("queue", TEXT, "The queue that it takes its tokens from.", "default", "queue: net"),
    Key("priority", INTEGER, "Of the actions that are ready, the one with the highest number starts first.", "0",
        "priority: 10"),
    Key("timeout", LIMIT, "Time limit of one attempt. After it the attempt is ended and fails. `none` for no "
        "limit.", "none", "timeout: 5m"),
    Key("output", OUTPUT, "Show what it prints as it comes (`stream`), after it ended (`block`), or only if it "
        "fails (`quiet`). See [the rules](commands.md#what-actions-print).",
        "`stream` for an action without outputs that is named on the command line, else `quiet`", "output: stream"),
    Key("retries", RETRIES_KIND, "How often it is retried after a failure.", "0",
        "retries: {max: 2, on: [timeout, exit 75], backoff: 5s}"),
    Key("cache", CACHED, "Whether its outputs are restored from the cache and stored there. `true` stores them "
        "even if that does not pay. A map has `log: false`: what it prints is not stored. Not fingerprinted. See "
        "[the cache](../howto/cache.md).", "as far as the plan has a `cache` and it pays", "cache: false"),
    Key("codes", CODES, "What its exit codes mean. All that are not named are failures. It is fingerprinted.",
        "0 is a success", "codes: {success: [0, 2], skipped: 80}"),
)  # fmt: skip

DEFAULTS_KEYS = _table(*_SHARED)

ACTION_KEYS = _table(
    Key("help", TEXT, "What it does, in one line.", "none", "help: the raw table"),
    Key("use", TEXTS, "Mixins whose entries it has. Later ones and its own entries win.", "none", "use: [quick]"),
    Key("run", TEXTS, "A command, or a list of commands that run in order until one fails. They run without a "
        "shell. They are split into words before `${}` is replaced; quotes group.", "", "run: echo hello"),
    Key("argv", LIST, "A command as the exact list of its arguments, in place of `run`.", "",
        'argv: [echo, "hello world"]'),
    Key("sh", TEXT, "A script for a shell, in place of `run`.", "", "sh: echo hello | wc -c"),
    Key("in", PATHS, "What it reads. A text with `*`, `?` or `[` is a glob; a trailing `/` means a whole tree. A "
        "path can also be a map with `glob`, `tree` or `from`.", "nothing", "in: [src/a.c, docs/]"),
    Key("out", PATHS, "What it makes. A trailing `/` means a folder with all its content. A folder "
        "can also be a map with `path`.", "nothing",
        'out: {table: "out/table.txt", site: out/site/}'),
    Key("edits", FILES, "Files that it reads and writes in place. Other actions that read them wait for it. In "
        "commands they are `${edits}`.", "nothing", 'edits: "tests/*.py"'),
    Key("stdout", TEXT, "An output file that receives what the command prints.", "what it prints is shown",
        "stdout: out/log.txt"),
    Key("depfile", TEXT, "A file in make's syntax that the command writes, with the files it has read. They are "
        "inputs of the next fingerprint.", "none", "depfile: out/a.d"),
    Key("expand", TEXT, "An output that is a plan, whose actions run too. "
        "See [the rules](generated-plans.md#generated-plans).",
        "none", "expand: out/more.yaml"),
    Key("foreach", MAP, "One action for each value: a map of names to lists or globs. Several names multiply.",
        "one action", "foreach: {part: [a, b]}"),
    Key("when", TEXT, "A condition. If it is false, the action is disabled, and so are all actions that need it or "
        "read its outputs.", "always enabled", 'when: mode == "release"'),
    Key("needs", NEEDS, "Actions, families, groups or patterns that must succeed before it, if no file connects "
        "them. A map says which [outcome](order.md#conditions) is needed in place of success.",
        "none", "needs: [hello]"),
    Key("after", TEXTS, "Actions, families, groups or patterns that run before it if they are part of the run. "
        "Their failure does not matter.", "none", "after: [hello]"),
    Key("uses", TEXTS, "Parameters, vars and `foreach` values that are fingerprinted though the command does not "
        "show them, as it reads their file itself. A map or a list counts as a whole.", "none",
        "uses: [cfg.train.lr]"),
    Key("cwd", TEXT, "The folder it runs in. `${in}` and `${out}` are relative to it.", "the root", "cwd: src"),
    Key("workdir", WORKDIR, "`fresh`: each attempt runs in a new folder that holds its declared inputs and nothing "
        "else. See [the rules](workdir.md#workdir-a-folder-of-its-own). It is fingerprinted.", "the root",
        "in: src/a.c\nout: out/a.o\nworkdir: fresh"),
    *_SHARED,
    Key("tokens", COUNT, "How many tokens of its queue it takes.", "1", "tokens: 2"),
    Key("resources", DEMANDS, "What an attempt needs of the pool: a map of types to amounts; `memory` with a unit. "
        "In a list, the first one that the pool can meet counts. See [the rules](resources.md#resources).",
        "1 of `cpus` in the queue `default`, else nothing", "resources: {cpus: 4, gpus: 1, memory: 8GiB}"),
    Key("limit", COUNT, "How many of its family may run at the same time.", "no limit", "limit: 2"),
    Key("mutex", TEXTS, "Names: actions that share one never run at the same time.", "none", "mutex: [database]"),
    Key("exclusive", BOOL, "Nothing else runs while it runs, in any queue.", "false", "exclusive: true"),
    Key("engine", HERE, "`local`: it runs on this machine, whatever the engine of the run is.",
        "the engine of the run", "engine: local"),
    Key("always", BOOL, "Run each time. Actions that read its outputs run only if these changed.", "false",
        "always: true"),
    Key("finally", BOOL, "Run after all other actions, whatever their outcome. "
        "See [the rules](order.md#actions-at-the-end).",
        "false", "finally: true"),
    Key("once", BOOL, "Run only if an output is missing, whatever else differs.", "false",
        "out: out/venv/\nonce: true"),
    Key("confirm", TEXT, "A question that is asked on the terminal before it starts. `--yes` answers it.", "none",
        "confirm: publish it?"),
    Key("require", REQUIRED, "Commands that must succeed, and conditions that must hold, before it starts. A text "
        "is split like `run`. They are not fingerprinted.", "nothing",
        "require: [test -d src, {when: mode == \"debug\", message: only for debug}]"),
    Key("expect", EXPECT, "The end that counts as its success, in place of a success: a `failure`, one with "
        "certain exit codes, or a `diff`. It is fingerprinted.", "a success", "expect: {failure: 3}"),
    Key("baseline", MAP, "What its outputs should hold: a map of outputs to files. If one differs, the outcome is "
        "`diffed`. Or a map with `run`: a command for `treadle accept`. See "
        "[the rules](retries.md#baseline-what-outputs-should-hold). It is fingerprinted.", "none",
        "out: out/table.txt\nbaseline: {out/table.txt: tests/table.txt}"),
    Key("tags", TEXTS, 'Names to select actions by: `-l "slow and not gpu"`.', "none", "tags: [slow, gpu]"),
    Key("report", BOOL, "Show its outputs that are pictures or tables in reports. The key is not fingerprinted.",
        "false", "out: out/loss.svg\nreport: true"),
    Key("artifacts", ARTIFACTS, "Files other than outputs that move to `.treadle/artifacts/` after an attempt: a "
        "map of patterns to ends. See [the rules](workdir.md#artifacts-what-else-it-leaves). Not fingerprinted.",
        "none", 'artifacts: {"*.log": failure, "core*": always}'),
    Key("keep", BOOL, "Keep existing outputs before it starts and after it fails.", "false", "keep: true"),
    Key("console", BOOL, "It has the terminal and its input to itself. Such actions run one at a time.", "false",
        "console: true"),
)  # fmt: skip

MIXIN_KEYS = {name: key for name, key in ACTION_KEYS.items() if name != "use"}

TABLES: dict[str, Mapping[str, Key]] = {
    "plan": PLAN_KEYS,
    "include": INCLUDE_KEYS,
    "params": PARAM_KEYS,
    "files": FILE_KEYS,
    "groups": GROUP_KEYS,
    "defaults": DEFAULTS_KEYS,
    "actions": ACTION_KEYS,
    "glob": GLOB_KEYS,
    "tree": TREE_KEYS,
    "out": OUT_KEYS,
    "from": FROM_KEYS,
    "dotenv": DOTENV_KEYS,
    "tools": TOOL_KEYS,
    "require": REQUIRE_KEYS,
    "needs": NEEDS_KEYS,
    "retries": RETRIES_KEYS,
    "codes": CODES_KEYS,
    "expect": EXPECT_KEYS,
    "workdir": WORKDIR_KEYS,
    "pool": POOL_KEYS,
    "cache": CACHE_KEYS,
    "store": STORE_KEYS,
    "cached": CACHED_KEYS,
    "engine": ENGINE_KEYS,
    "workers": WORKERS_KEYS,
}
"""Every table of keys, by the kind of map that it is for."""
