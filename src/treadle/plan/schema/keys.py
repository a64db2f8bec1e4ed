"""Every key of a plan, as data: what it takes, what it means, what it is when left out, and an example.

Validation, the error texts and the reference page are all made from these tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from treadle.errors import nearest
from treadle.plan.yaml.nodes import Items, Scalar, Table

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A parameter, a var, a foreach key, a named input or output."""
ACTION_NAME = re.compile(r"[^\W_][\w.+-]*|_[\w.+-]*")
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_INTEGER = re.compile(r"[-+]?[0-9]{1,9}")


@dataclass(frozen=True)
class Kind:
    """What a key takes.

    :param says: the words for it, after "must be"
    :param shapes: the nodes it may be
    :param check: looks at a scalar's text and style, returns what is wrong or nothing
    """

    says: str
    shapes: tuple[type, ...]
    check: Callable[[Scalar], str] | None = None


@dataclass(frozen=True)
class Key:
    """One key of a map: `example` is YAML that holds it."""

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
    return "" if seconds(node.text) > 0 else "must be more than nothing"


def _check_limit(node: Scalar) -> str:
    if node.text == "none":
        return ""
    wrong = _check_duration(node)
    return wrong + ", or none" if wrong else ""


def _check_retries(node: Scalar) -> str:
    return _check_whole(0)(node) and "must be a whole number, or a map with max, on, backoff"


def _check_version(node: Scalar) -> str:
    return "" if node.style is None and node.text == "1" else "must be 1, the only version of the format"


def _check_type(node: Scalar) -> str:
    if node.text in PARAM_TYPES:
        return ""
    close = nearest(node.text, PARAM_TYPES)
    return f"must be one of {', '.join(PARAM_TYPES)}" + (f" (did you mean {close}?)" if close else "")


def _check_format(node: Scalar) -> str:
    return "" if node.text in FORMATS else f"must be one of {', '.join(FORMATS)}"


def _check_split(node: Scalar) -> str:
    return "" if node.text in SPLITS else f"must be one of {', '.join(SPLITS)}"


def _check_true(node: Scalar) -> str:
    return "" if node.style is None and node.text == "true" else "must be true"


def _check_ok(node: Scalar) -> str:
    return "" if node.text == "ok" else "must be ok"


FORMATS = ("yaml", "json", "toml", "text")
SPLITS = ("commas", "words")
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
LIMIT = Kind("a duration with a unit (ms, s, m, h, d), or none", (Scalar,), _check_limit)
RETRIES_KIND = Kind("a whole number, or a map with max, on, backoff", (Scalar, Table), _check_retries)
VERSION = Kind("1", (Scalar,), _check_version)
TYPE = Kind("one of " + ", ".join(PARAM_TYPES), (Scalar,), _check_type)
FORMAT = Kind("one of " + ", ".join(FORMATS), (Scalar,), _check_format)
SPLIT = Kind("one of " + ", ".join(SPLITS), (Scalar,), _check_split)
TRUE = Kind("true", (Scalar,), _check_true)
VALUE = Kind("a text, a list or a map", (Scalar, Items, Table))
OK = Kind("ok", (Scalar,), _check_ok)
FILES = Kind("a path or a list of paths", (Scalar, Items, Table))
DOTENV = Kind("a path, or a map with file, optional", (Scalar, Table))
TOOLS = Kind("a name, or a list of names and of maps with tool, version", (Scalar, Items))
INCLUDES = Kind("a list of files, and of maps with file, as, optional, params", (Items,))
GIVEN = Kind("a map of names to texts and lists", (Table,))


def _table(*keys: Key) -> dict[str, Key]:
    return {key.name: key for key in keys}


PLAN_KEYS = _table(
    Key("treadle", VERSION, "The version of the plan format. It must be there.", "", "treadle: 1"),
    Key("root", TEXT, "The folder that all paths are relative to, that outputs stay in and where the state "
        "lives. Relative to the plan's folder.", "the plan's folder", "root: ."),
    Key("params", MAP, "Values that can be set from outside, `-p NAME=VALUE`, and nothing else can. "
        "A map of names.", "none", "params:\n  mode: {choices: [debug, release], default: debug}"),
    Key("vars", MAP, "Constants: a map of names to texts and lists. Lists in lists are flattened. Maps "
        "with `select`, `file` or `glob` may stand in place of a value.", "none",
        'vars:\n  o: out\n  flags: [-O2, -Wall]'),
    Key("queues", MAP, "Named queues and how many tokens each has: `queue: NAME` on an action takes from it. "
        "The queue `default` is always there, `-j` sets its size.", "only default", "queues: {net: 2}"),
    Key("shell", LIST, "The shell of each `sh`: the program and its options, the text comes after.",
        "[bash, -euo, pipefail, -c]", "shell: [sh, -euc]"),
    Key("defaults", MAP, "What actions have that do not say otherwise.", "none",
        "defaults: {timeout: 30m, pass: [SSH_AUTH_SOCK]}"),
    Key("default", TEXTS, "What a bare run does: names of actions, families, groups, outputs.",
        "every action that has outputs; if none has, names must be given", "default: [hello]"),
    Key("groups", MAP, "Names for several actions: a map of names to lists.", "none", "groups:\n  ci: [hello]"),
    Key("include", INCLUDES, "Other plans that are part of this one.", "none", "include: [docs/plan.yaml]"),
    Key("actions", MAP, "The actions: a map of names to what each does. There must be one at least, or an "
        "`include`.", "",
        "actions:\n  other:\n    run: echo hello"),
)  # fmt: skip

INCLUDE_KEYS = _table(
    Key("file", TEXT, "The plan's file, relative to this one. It must be there.", "", "file: docs/plan.yaml"),
    Key("as", TEXT, "What the names of its actions begin with, before a `:`.",
        "the file's name without its end; that of its folder if the file is named plan or treadle",
        "as: pages"),
    Key("optional", BOOL, "Whether the file may be missing.", "false", "optional: true"),
    Key("params", GIVEN, "Values for its parameters. A path is relative to this plan's root.",
        "its own defaults", 'params: {draft: "true"}'),
)  # fmt: skip

PARAM_KEYS = _table(
    Key("type", TYPE, "What the value is. A `path` is relative to the root.",
        "list if the default is a list or there is a `split` or `rest`, else str", "type: int"),
    Key("default", NESTED, "The value if none is given. It is taken as it stands. Without it, and without a "
        "variable in `env` that is set, the value must be given.", "none: it must be given", "default: 3"),
    Key("choices", LIST, "The only values it may have (each element of a list).", "any", "choices: [3, 4]"),
    Key("env", TEXT, "A variable of the environment that gives the value if `-p` does not. An empty one counts "
        "as not set.", "none", "env: LEVEL"),
    Key("split", SPLIT, "How a list is made of the one text that `-p` or `env` gives: at `commas`, or into `words` "
        "as a shell does it, where blanks separate and quotes group.", "commas", "split: words"),
    Key("rest", TRUE, "`true`: it is the list of all words that follow `--` on the command line.", "no",
        "rest: true"),
    Key("help", TEXT, "What it is for, in a line.", "none", "help: how much to do"),
)  # fmt: skip

FILE_KEYS = _table(
    Key("file", TEXT, "Its path, relative to the root.", "", "file: params.yaml"),
    Key("format", FORMAT, "What is in it.", "by its ending: .yaml, .yml, .json and .toml, all others are text",
        "format: yaml"),
    Key("optional", TRUE, "`true`: the file may be missing. Then it counts as an empty one.",
        "a missing file is an error", "optional: true"),
    Key("else", VALUE, "Values for the names that the file does not have.", "none: such a name is an error",
        "else: {train: {lr: 0.1}}"),
)  # fmt: skip

DOTENV_KEYS = _table(
    Key("file", TEXT, "Its path, relative to the root.", "", "file: dev.env"),
    Key("optional", TRUE, "`true`: the file may be missing.", "a missing file is an error", "optional: true"),
)  # fmt: skip

GROUP_KEYS = _table(
    Key("help", TEXT, "What the group is for, in a line.", "none", "help: all checks"),
    Key("of", TEXTS, "Its members: names of actions, families, instances, groups, outputs. It must be there.",
        "", "of: [hello]"),
)  # fmt: skip

GLOB_KEYS = _table(
    Key("glob", TEXTS, "The pattern, or a list of patterns.", "", 'glob: "src/*.c"'),
    Key("exclude", TEXTS, "Patterns of what is not taken.", "none", 'exclude: ["src/old_*.c"]'),
    Key("empty", OK, "`ok`: it may match nothing.", "matching nothing is an error", "empty: ok"),
)  # fmt: skip

FROM_KEYS = _table(
    Key("from", TEXTS, "Actions, families, instances, groups, patterns (`gen:*`), or with a dot one named output "
        "of each (`split.a`).", "",
        "from: hello"),
    Key("empty", OK, "`ok`: it may give nothing.", "giving nothing is an error", "empty: ok"),
)  # fmt: skip

TOOL_KEYS = _table(
    Key("tool", TEXT, "The program's name or path.", "", "tool: cc"),
    Key("version", TEXT,
        "A command, split like `run`: what it prints is the identity. Only `run` and `adopt` start it.",
        "the content of the program's file", "version: cc --version"),
)  # fmt: skip

RETRIES_KEYS = _table(
    Key("max", AMOUNT, "Further attempts after the first. It must be there.", "", "max: 2"),
    Key("on", TEXTS, "After what: `timeout`, `exit N`, `signal`, `any`.", "any", "on: [timeout, exit 75]"),
    Key("backoff", DURATION_KIND, "How long to wait before the second attempt, doubled for each one after it.",
        "no wait", "backoff: 5s"),
)  # fmt: skip

_SHARED = (
    Key("env", MAP, "Variables that are set, and fingerprinted.", "none", "env: {LC_ALL: C}"),
    Key("track", TEXTS, "Variables that are passed from outside, and fingerprinted.", "none", "track: [CFLAGS]"),
    Key("dotenv", DOTENV, "A file of lines NAME=value: variables that are set, and fingerprinted. `env` wins "
        "over them. A map has `file`, and `optional: true` if it may be missing.", "none", "dotenv: dev.env"),
    Key("secret", TEXTS, "Variables of `track`, `dotenv` and `env` whose values are kept as digests only.", "none",
        "track: [API_TOKEN]\nsecret: [API_TOKEN]"),
    Key("pass", TEXTS, "Variables that are passed from outside and not fingerprinted.", "none",
        "pass: [DISPLAY]"),
    Key("shell", LIST, "The shell of `sh`: the program and its options, the text comes after. It is "
        "fingerprinted.", "[bash, -euo, pipefail, -c]", "sh: echo hello\nshell: [sh, -euc]"),
    Key("queue", TEXT, "The queue it takes its tokens from.", "default", "queue: net"),
    Key("priority", INTEGER, "Of the actions that could start, the one with the highest number starts first.",
        "0", "priority: 10"),
    Key("timeout", LIMIT, "How long one attempt may take; then it is ended and has failed. `none` for no "
        "limit.", "none", "timeout: 5m"),
    Key("retries", RETRIES_KIND, "How often it is tried again after it failed.", "0",
        "retries: {max: 2, on: [timeout, exit 75], backoff: 5s}"),
)  # fmt: skip

DEFAULTS_KEYS = _table(*_SHARED)

ACTION_KEYS = _table(
    Key("help", TEXT, "What it does, in a line.", "none", "help: the raw table"),
    Key("run", TEXTS, "A command without a shell, or a list of commands that run in order until one fails. "
        "Split into words before `${}` is replaced; quotes group.", "", "run: echo hello"),
    Key("argv", LIST, "A command as the exact list of its arguments, in place of `run`.", "",
        'argv: [echo, "hello world"]'),
    Key("sh", TEXT, "A script for a shell, in place of `run`.", "", "sh: echo hello | wc -c"),
    Key("in", PATHS, "What it reads. A text with `*`, `?` or `[` is a glob, a trailing `/` is a whole tree. "
        "Maps with `glob` or `from` may stand in place of a path.", "nothing", "in: [src/a.c, docs/]"),
    Key("out", PATHS, "What it makes. A trailing `/` is a folder with all that is in it.", "nothing",
        'out: {table: "out/table.txt", site: out/site/}'),
    Key("edits", FILES, "Files that it reads and writes in place. Whatever else reads them waits for it. In "
        "commands they are `${edits}`.", "nothing", 'edits: "tests/*.py"'),
    Key("stdout", TEXT, "An output that takes what the command prints.", "the output is shown",
        "stdout: out/log.txt"),
    Key("depfile", TEXT, "A file in make's syntax in which the command says what it read: inputs of the next "
        "fingerprint.", "none", "depfile: out/a.d"),
    Key("expand", TEXT, "An output that is a plan, which is walked too. See [below](#plans-that-are-made).", "none",
        "expand: out/more.yaml"),
    Key("foreach", MAP, "One action for each value: a map of names to lists or globs. Several names multiply.",
        "one action", "foreach: {part: [a, b]}"),
    Key("when", TEXT, "A condition. If it is false the action is left out, with all that needs it or reads "
        "its outputs.", "always in", "when: mode == \"release\""),
    Key("needs", TEXTS, "Actions, families, groups or patterns that come before it and must succeed, where no "
        "file says so.", "none", "needs: [hello]"),
    Key("after", TEXTS, "Actions, families, groups or patterns that come before it if they are part of the run. "
        "Their failure does not matter.", "none", "after: [hello]"),
    Key("tools", TOOLS, "Programs whose identity is fingerprinted.", "none",
        "tools: [python3, {tool: cc, version: cc --version}]"),
    Key("cwd", TEXT, "The folder it runs in. `${in}` and `${out}` are relative to it.", "the root", "cwd: src"),
    *_SHARED,
    Key("tokens", COUNT, "How many tokens of its queue it takes.", "1", "tokens: 2"),
    Key("always", BOOL, "Run each time. What reads its outputs is judged by what came out.", "false",
        "always: true"),
    Key("once", BOOL, "Run only while an output is missing, whatever else differs.", "false",
        "out: out/venv/\nonce: true"),
    Key("tags", TEXTS, "Names to choose by: `-l \"slow and not gpu\"`.", "none", "tags: [slow, gpu]"),
    Key("keep", BOOL, "Remove nothing of its outputs before it starts, or when it fails.", "false", "keep: true"),
    Key("console", BOOL, "It keeps the terminal and its input; one such action at a time.", "false",
        "console: true"),
)  # fmt: skip

TABLES: dict[str, Mapping[str, Key]] = {
    "plan": PLAN_KEYS,
    "include": INCLUDE_KEYS,
    "params": PARAM_KEYS,
    "files": FILE_KEYS,
    "groups": GROUP_KEYS,
    "defaults": DEFAULTS_KEYS,
    "actions": ACTION_KEYS,
    "glob": GLOB_KEYS,
    "from": FROM_KEYS,
    "dotenv": DOTENV_KEYS,
    "tools": TOOL_KEYS,
    "retries": RETRIES_KEYS,
}
"""Every table of keys, by the place where it may stand."""
