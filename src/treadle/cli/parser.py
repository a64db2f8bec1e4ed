"""The arguments of the command: commands, options, help texts, and the options that were given."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from treadle.cli.exit_codes import MASK
from treadle.errors import UsageError, nearest, one_line
from treadle.ledger.states import STATES
from treadle.session.options import CACHES, ONLY, Options
from treadle.ui.progress import OUTPUTS

from .help_format import HelpFormatter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

_WITHOUT_PLAN = ("init", "schema", "completion", "report")
COLOR_CHOICES = ("auto", "always", "never")
GRAPH_FORMATS = ("tree", "dot", "mermaid", "json", "svg")


def parse(argv: Sequence[str]) -> Options:
    """Return the options of a call, and change to the folder of -C.

    :raises UsageError: the call is wrong
    :raises SystemExit: help or the version was asked for and has been printed
    """
    parser = make_parser()
    if not argv:
        print(HelpFormatter("treadle").filled(SHORT_HELP))
        raise SystemExit(0)
    words = list(argv)
    rest = words[words.index("--") + 1 :] if "--" in words else None
    given = _with_values(words if rest is None else words[: -1 - len(rest)])
    options, more = parser.parse_known_args(given, Options())
    if not options.command:
        raise UsageError("no command was given", hint="`treadle --help` lists them")
    _take_names(parser, options, more)
    options.rest = rest
    if rest is not None and options.command in _WITHOUT_PLAN:
        raise UsageError(f"`treadle {options.command}` takes no words after --", hint="it reads no plan")
    options.origin = _here()
    options.params = _params(getattr(options, "param", []))
    options.attributes.update(getattr(options, "attr", []))
    _take_limits(options)
    if options.folder:
        try:
            os.chdir(options.folder)
        except OSError as error:
            raise UsageError(f"-C {one_line(options.folder)}: {error.strerror}") from error
    _take_plan(options)
    if options.command in ("forget", "adopt", "accept") and not options.names:
        raise UsageError("no action was named", hint=f"`treadle {options.command} NAME`; '*' names all actions")
    if options.command == "check" and options.names:
        raise UsageError(f"`treadle check` takes a plan and no names: {options.names[0]} is not a plan")
    if options.command == "log" and len(options.names) != 1:
        raise UsageError("`treadle log` takes the name of one action")
    return options


def _take_names(parser: _Parser, options: Options, more: Sequence[str]) -> None:
    """Add what argparse has not understood: names after an option."""
    for word in more:
        if word.startswith("-"):
            given = "-k" if word.startswith("--keep-going") else word.partition("=")[0]
            # as it was written, see _with_values
            given = "--force" if given == "--force-all" else given
            close = nearest(given, parser.options_of(options.command)) if given.startswith("--") else None
            hint = f"did you mean {close}?" if close else f"see `treadle {options.command} --help`"
            raise UsageError(f"`treadle {options.command}` has no option {given}", hint=hint)
    options.names += more


def _here() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise UsageError(f"the current folder cannot be used: {error.strerror}") from error


def _take_plan(options: Options) -> None:
    """Take the first name as the plan, if it is a plan and -f names none."""
    if options.file or not options.names or options.command == "report":
        return
    first = options.names[0]
    if first.endswith((".yaml", ".yml")):
        from treadle.plan.yaml.detect import is_plan

        if is_plan(first):
            options.file = options.names.pop(0)


def _take_limits(options: Options) -> None:
    """Take the limits of actions: of a name that is given twice the first one counts."""
    for name, seconds in getattr(options, "limits", []):
        if name:
            options.timeouts.setdefault(name, seconds)
        elif options.timeout is None:
            options.timeout = seconds
    given = [f"--{name}" for name in _REPEATS if getattr(options, name.replace("-", "_"))]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} cannot be combined", hint="leave out one of them")


def _params(given: Sequence[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"-p {text}: expected NAME=VALUE")
        params[name] = value
    return params


def _with_values(argv: Sequence[str]) -> list[str]:
    """Return the arguments in a form in which options that may have a value (--force, -k) take no name for it."""
    words: list[str] = []
    given = _with_list(argv)
    for number_of_word, word in enumerate(given, 1):
        if word == "--durations" and not "".join(given[number_of_word : number_of_word + 1]).isdecimal():
            word = "--durations=10"
        if word == "--force":
            word = "--force-all"
        elif word == "--keep-going":
            word = "--keep-going=0"
        elif word.startswith("-") and not word.startswith("--"):
            before, k, number = word.partition("k")
            if k and set(before[1:]) <= set("nvq") and (not number or number.isdigit()):
                words += [before] if before != "-" else []
                word = f"--keep-going={number or 0}"
        words.append(word)
    return words


def _with_list(argv: Sequence[str]) -> Sequence[str]:
    """Return the arguments with `--list`, alone or with `run`, as the command `list`."""
    if "--list" not in argv:
        return argv
    words = [word for word in argv if word != "--list"]
    if words[:1] == ["run"]:
        del words[0]
    return ["list", *words] if not words or words[0] not in COMMANDS else argv


class UnknownCommandError(UsageError):
    """There is no such command."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(f"there is no command {name}", hint=hint)
        self.name = name


class _Parser(argparse.ArgumentParser):
    """Raises a UsageError for a wrong call."""

    def options_of(self, command: str) -> list[str]:
        """Return the long options that a command is known to take."""
        subparsers = next(one for one in self._actions if isinstance(one, argparse._SubParsersAction))
        return [
            option
            for one in subparsers.choices[command]._actions
            for option in one.option_strings
            if one.help != argparse.SUPPRESS and option.startswith("--")
        ]

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        prefix = "argument COMMAND: invalid choice: '"
        if message.startswith(prefix):
            name = message[len(prefix) :].partition("'")[0]
            close = nearest(name, COMMANDS)
            hint = f"did you mean `treadle {close}`?" if close else "`treadle --help` lists the commands"
            raise UnknownCommandError(name, hint)
        option, is_given, value = message.removeprefix("argument ").partition(": ignored explicit argument ")
        if is_given:
            hint = "-kN takes a number" if option == "-k" else f"see `{self.prog} --help`"
            raise UsageError(f"{option} does not take {value}", hint=hint)
        raise UsageError(message, hint=f"see `{self.prog} --help`")


COMMANDS = {
    "run": "run the actions that changed",
    "why": "why an action would run or not, and why it ran last",
    "status": "what a run would do; exit code 1 if there is work",
    "list": "the actions, groups and parameters of the plan",
    "graph": "the order of actions: as a tree, a picture, or data",
    "check": "check the plan and run nothing",
    "log": "what an action printed when it last ran",
    "report": "show a recorded run as text, a page, a trace or JUnit",
    "runs": "the recorded runs, the newest first",
    "resume": "go on with a recorded run, without doing again what is done",
    "show": "a recorded run, also one that is under way",
    "attempts": "how actions were tried in recorded runs",
    "diff": "what two recorded runs have decided differently, and why",
    "stats": "how long actions take, how much memory, how often they fail",
    "gc": "remove the records of old runs",
    "reap": "close runs that were never closed and are dead",
    "set": "change how much of a run may run at once, while it runs",
    "pause": "let a run start nothing new, until `treadle continue`",
    "continue": "let a run go on after `treadle pause`",
    "stop": "end a run: nothing new starts, what runs is ended",
    "mark": "take actions for done or to do when a run is resumed",
    "cache": "what the cache of outputs holds, and why actions miss it",
    "clean": "remove outputs, so that the next run makes them again",
    "forget": "drop records, so that the next run runs these actions again",
    "adopt": "record existing outputs as current, without running",
    "accept": "copy outputs that differ over their baselines",
    "init": "write a first plan from the files in the folder",
    "schema": "print the JSON Schema of plans, for editors",
    "completion": "print the completion script for bash, zsh or fish",
}

_DAILY = ("run", "why", "status", "list", "graph", "log", "clean", "init")
"""The commands that a bare call explains; all are named."""
_OTHERS = {
    "further commands": ("check", "report", "forget", "adopt", "accept", "cache"),
    "for editors": ("schema", "completion"),
    "recorded runs": ("runs", "resume", "show", "attempts", "diff", "stats", "gc", "reap"),
    "a run under way": ("set", "pause", "continue", "stop", "mark"),
}
SHORT_HELP = (
    """\
Treadle runs the actions of a plan, and only those that changed.

"""
    + "".join(f"  treadle {name:10} {COMMANDS[name]}\n" for name in _DAILY)
    + "\n"
    + "".join(f"  {what:18} {', '.join(names)}\n" for what, names in _OTHERS.items())
    + """
The plan is treadle.yaml here or in a folder above, or the file of -f.
More: `treadle --help` and `treadle run --help`.
"""
)

_TOP = """\
Treadle runs the actions of a plan, a YAML file, and only those whose command,
inputs, environment, tools or outputs differ from their last success.
"""

_EXIT_CODES = """\
exit codes:
  0 success; 1 an action failed or was not started, or work is pending (status,
  run -n, clean -n); 2 the plan or the call is wrong; 3 another run is active
  (--no-wait, --run-timeout); 70 a bug in Treadle; 129, 130, 143 ended by HUP,
  INT, TERM; 141 the output pipe was closed.
"""

_EXAMPLES = """\
examples:
  treadle run                   run what the plan runs by default
  treadle run fit@a out/all     run these two, and what they need
  treadle run other.yaml        run another plan
  treadle run -n                show what would run, and why
  treadle why fit@a             show what differs, old value and new

"""

_NAMES = """\
names:
  A NAME is an action (fit@a), a family (fit: all its instances), a group, an
  output (out/all) or a pattern with * and ?. What it needs runs before it.
  A path is relative to the root of the plan, or else to the current folder.
  If the first NAME is a plan (a YAML file with the key treadle), it is used
  as with -f.

"""

_RECORDED_NAMES = """\
names:
  A NAME is an action (fit@a), a family (fit: all its instances) or a pattern
  with * and ?, of what recorded runs have started.

"""
_RUNS = """\
runs:
  A RUN is the identifier of a recorded run or the beginning of it, last, last-1
  and so on; `treadle runs` lists them. Without a word it is the last one.

"""
_RUNS_TO_COMPARE = _RUNS.replace("Without a word it is the last one", "Without words the last two are compared")
_LIVING = """\
runs:
  A RUN is the identifier of a run under way or the beginning of it. Without a
  word it is the one in the folder of the plan.

"""

_RUN = """\
Runs the actions that changed. After the first failure nothing new starts, and
running actions go on to their end. With -k, all that does not depend on a
failure still runs. Ctrl-C ends the running actions (TERM, and KILL after a
grace period); a second Ctrl-C kills them at once.
"""

_COMMAND_EXAMPLES = {
    "run": """\
examples:
  treadle run -j 4 -k           four in parallel, go on after failures
  treadle run -p mode=release   set a parameter
  treadle run --force=fit       run fit even if it is up to date
  treadle run --output stream   show what actions print as they print it
  treadle run test -- -x -k io  words for the parameter with `rest: true`

""",
    "report": """\
examples:
  treadle run --html run.html   a page of this run
  treadle run --events e.jsonl  record the events of a run
  treadle report e.jsonl        show the recorded run
  treadle report last           the same of the last run of `treadle runs`
  treadle report e.jsonl --html run.html
  treadle report e.jsonl --json | jq '.actions[] | {name, usage}'
                                make the page later or elsewhere

""",
    "why": """\
examples:
  treadle why fit@a             why it would run, what is equal, what follows
  treadle why                   the reasons of all that would run
  treadle why --json fit        the same for programs

""",
    "list": """\
examples:
  treadle list --all            each action, also hidden ones
  treadle list --files fit@a    where each of its inputs comes from

""",
    "graph": """\
examples:
  treadle graph merge --depth 1             what merge needs, and what needs it
  treadle graph --format svg > plan.svg     a picture (needs Graphviz)
  treadle graph --format mermaid            for a page in Markdown

""",
    "check": """\
examples:
  treadle check                 treadle.yaml here or above
  treadle check other.yaml      another plan

""",
    "init": """\
examples:
  treadle init -n               print the plan, write nothing
  treadle init Makefile         use this file alone
  treadle init -f build.yaml    write to another file

Translates a Taskfile, a dvc.yaml, a Makefile and a justfile. Without these, it
looks for package.json, CMake, tox, nox, Python and C. What cannot be translated
is a comment in the plan.

""",
    "schema": """\
examples:
  treadle schema .treadle/schema.json

Editors with a YAML language server complete and check a plan that begins with:
  # yaml-language-server: $schema=.treadle/schema.json

""",
    "completion": """\
examples:
  source <(treadle completion bash)         in ~/.bashrc
  source <(treadle completion zsh)          in ~/.zshrc, below compinit
  treadle completion fish | source          in ~/.config/fish/config.fish

""",
}
_OF_RUNS = ("set", "pause", "continue", "stop")
OF_A_RUN = ("resume", "show", "diff", *_OF_RUNS)
"""Commands whose words are recorded runs."""
_WITHOUT_NAMES = (
    "check",
    "init",
    "schema",
    "completion",
    "report",
    "runs",
    "resume",
    "show",
    "diff",
    "gc",
    "reap",
    "cache",
    *_OF_RUNS,
)
"""Commands that take no names of actions."""
_EXPLAINED = {
    **dict.fromkeys(("attempts", "stats"), _RECORDED_NAMES),
    **dict.fromkeys(("resume", "show"), _RUNS),
    "diff": _RUNS_TO_COMPARE,
    **dict.fromkeys(_OF_RUNS, _LIVING),
}
"""What the help of a command says of its words, where that is not what names of the plan are."""


def make_parser() -> _Parser:
    """Return the parser of the whole command."""
    from treadle import __version__

    parser = _Parser(
        prog="treadle",
        description=_TOP,
        epilog=_EXAMPLES + _NAMES + _EXIT_CODES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        usage="treadle COMMAND [OPTION...] [NAME...]",
    )
    parser.add_argument("--version", action="version", version=f"treadle {__version__}")
    common, before = _Parser(add_help=False), _Parser(add_help=False)
    _add_common(common)
    _add_common(before)
    for action in before._actions:
        # common options may come before the command too, as in make and ninja
        action.help = argparse.SUPPRESS
        parser._add_action(action)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=_Parser)
    for name, text in COMMANDS.items():
        names = _EXPLAINED.get(name, "" if name in _WITHOUT_NAMES else _NAMES)
        sub = subparsers.add_parser(
            name,
            prog=f"treadle {name}",
            help=text,
            description=_RUN if name == "run" else text[0].upper() + text[1:] + ".",
            epilog=_COMMAND_EXAMPLES.get(name, "") + names + _EXIT_CODES,
            formatter_class=HelpFormatter,
            parents=[common],
            allow_abbrev=False,
            usage=f"treadle {name} [OPTION...] {_USAGE.get(name, '[NAME...]')}".rstrip(),
        )
        sub.add_argument("names", nargs="*", metavar="NAME", help=argparse.SUPPRESS)
        _add_own(sub, name)
    return parser


_USAGE = {
    "init": "[FILE...]",
    "schema": "[FILE]",
    "completion": "bash|zsh|fish",
    "check": "[PLAN]",
    "report": "[EVENTS | RUN]",
    "log": "NAME",
    "runs": "[PATTERN]",
    "resume": "[RUN]",
    "show": "[RUN]",
    "diff": "[RUN] [RUN]",
    "gc": "",
    "reap": "",
    "cache": "stats|gc|verify|explain|check [NAME...]",
    "set": "[RUN]",
    "pause": "[RUN]",
    "continue": "[RUN]",
    "stop": "[RUN]",
    "mark": "NAME... done|todo",
    "forget": "NAME...",
    "adopt": "NAME...",
    "accept": "NAME...",
}


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of all commands."""
    none, flag = argparse.SUPPRESS, "store_true"
    add = partial(parser.add_argument_group("plan").add_argument, default=none)
    add("-f", dest="file", metavar="FILE", help="the plan (default: treadle.yaml here or above)")
    add("-C", dest="folder", metavar="DIR", help="change to this folder first")
    add("-p", dest="param", action="append", metavar="NAME=VALUE", help="set a parameter; a list as a,b")
    add = partial(parser.add_argument_group("output").add_argument, default=none)
    add("-v", dest="verbose", action=flag, help="show more: actions that are up to date, outputs, all names")
    add("-q", dest="quiet", action=flag, help="show nothing if all is well")
    add("--color", choices=COLOR_CHOICES, help="auto: if the terminal, NO_COLOR and FORCE_COLOR allow")


def _add_own(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the options that only some commands have."""
    none, flag = argparse.SUPPRESS, "store_true"
    group = parser.add_argument_group("command options")

    def add(commands: str, name: str, text: str, **more: Any) -> None:
        if command in commands.split():
            group.add_argument(*name.split(), default=none, help=text, **more)

    add("run resume", "-j", _JOBS, dest="jobs", type=_jobs, metavar="N")
    add("run resume", "-r", _RESOURCES, dest="resources", action="append", metavar="TYPE=N")
    add("run resume", "--pool", "a file that says what there is of resources", type=_file, metavar="FILE")
    add("run resume", "--engine", "what runs the actions: local, process, dask, …", metavar="NAME")
    add("run resume", "--dask", "a Dask scheduler whose workers run the actions", type=_dask, metavar="ADDRESS")
    add(
        "run resume",
        "-k",
        "go on after failures; -kN stops after N",
        dest="keep_going",
        action="store_const",
        const=0,
    )
    add("run resume", "--keep-going", none, type=int, metavar="N")
    add("run resume", "--stop-after", "start nothing new once N actions have run", type=_positive, metavar="N")
    add("run resume", "--run-timeout", _RUN_TIMEOUT, type=_duration, metavar="TIME")
    add("run", "--timeout", _TIMEOUT, dest="limits", type=_limit, action="append", metavar="[NAME=]TIME")
    add("run", "--timeout-times", "multiply all time limits of actions", type=_factor, metavar="X")
    for name, text in _REPEATS.items():
        add("run", f"--{name}", text, type=_positive, metavar="N")
    add("run resume", "--output", _OUTPUT, choices=OUTPUTS)
    add("run", "--record", "record the run, also if nothing starts", action=flag)
    add("run resume", "--cache", _CACHE, choices=CACHES)
    attr = {"action": "append", "type": _attribute, "metavar": "NAME=TEXT"}
    add("run", "--workflow", _WORKFLOW, type=_workflow, metavar="NAME")
    add("run resume", "--outlive", _OUTLIVE, type=_duration, metavar="TIME")
    add("run resume", "--attr", "record the run with this attribute", **attr)
    add("runs", "--attr", "only with this attribute", **attr)
    add("run resume", "--exit-code", _EXIT_CODE, dest="exit_code", choices=(MASK,))
    add("run", "--watch", "run again after each change of an input, until Ctrl-C", action=flag)
    add("run clean init", "-n --dry-run", "only show what would be done", dest="dry", action=flag)
    # `_with_list` makes the command of it
    add("run", "--list", "the same as `treadle list`", dest="everything", action=flag)
    add("run list status graph", "--since", _SINCE, type=_commit, metavar="REV")
    add("run list status graph", "--only", _ONLY, choices=ONLY)
    add("run list status graph", "--where", _WHERE, type=_expression, metavar="EXPR")
    add("run list status graph", "--with-after", "also what depends on a selected action", action=flag)
    add("run list status graph", "--with-blocked", _WITH_BLOCKED, action=flag)
    add("run list status graph", "--no-with-blocked", _WITHOUT_BLOCKED, dest="with_blocked", action="store_false")
    add("list status", "--sort", "the order: by name, or the longest last run first", choices=("name", "duration"))
    add("list status", "--durations", _DURATIONS, type=_positive, metavar="N")
    add("run status why", "--force", _FORCE, metavar="NAME", action="append")
    add("run status why", "--force-all", none, action=flag)
    add("run resume", "--yes", "start actions that have to be confirmed without a question", action=flag)
    add("reap", "--no-wait", "take runs of other machines for alive", dest="wait", action="store_false")
    add("run resume clean forget adopt accept", "--no-wait", _NO_WAIT, dest="wait", action="store_false")
    add("resume", "--wait", _WAIT, dest="wait_for", type=_duration, metavar="TIME")
    add("resume", "--hot", _HOT, action=flag)
    add("resume", "--keep-resources", _KEEP_RESOURCES, action=flag)
    tags = {"dest": "tags", "type": _expression, "metavar": "TAGS"}
    add("run list status graph", "-l", 'only actions with tags: "slow and not gpu"', **tags)
    add(_WITH_JSON, "--json", "print all of it as JSON", action=flag)
    add("clean", "--stale", "only outputs of actions that are no longer in the plan", action=flag)
    add("clean", "--all", "all outputs on record, also of other plans", dest="everything", action=flag)
    add("clean", "--replaced", "only files that runs have moved to .treadle/replaced/", action=flag)
    add("list", "--all", "also instances, hidden names, disabled actions", dest="everything", action=flag)
    add("log", "--attempt", "the attempt N of the last run (default: the last one)", type=_positive, metavar="N")
    add("list", "--files", "inputs with their producers, outputs with their consumers", action=flag)
    _add_graph(add)
    _add_looking(add)
    _add_control(add)
    group = parser.add_argument_group("files of a run")
    add("run resume", "--events", "events as they happen, one JSON object per line", type=_file, metavar="FILE")
    add("run resume report", "--html", "a page: timeline, graph, reasons, failures", type=_file, metavar="FILE")
    add("run resume report", "--junit", "a JUnit file with a case for each action", type=_file, metavar="FILE")
    add("run resume report", "--markdown", "a summary for a comment or a CI job", type=_file, metavar="FILE")
    add("run resume report", "--trace", "a trace for Perfetto or chrome://tracing", type=_file, metavar="FILE")
    add("report", "--github", "print groups and annotations for GitHub Actions", action=flag)


def _add_graph(add: Callable[..., None]) -> None:
    """Add the options of `graph`."""
    number = {"type": _number, "metavar": "N"}
    add("graph", "--format", "default: tree; svg needs Graphviz", choices=GRAPH_FORMATS)
    add("graph", "--depth", "with names: up to N edges away from them", **number)
    add("graph", "--fold", "draw families of more than N actions as one node (default: 8; json: never)", **number)
    add("graph", "--all", "fold nothing", dest="fold", action="store_const", const=0)
    add("graph", "--no-state", "do not check what would run", dest="state", action="store_false")


def _add_control(add: Callable[..., None]) -> None:
    """Add the options of commands that change a run under way."""
    flag = "store_true"
    add("set", "--queue", "the tokens of a queue", dest="queues", action="append", metavar="NAME=N")
    add("set", "-r", "how much of a resource may be used", dest="resources", action="append", metavar="TYPE=N")
    add("set", "--limit", "how many of a family may run", dest="families", action="append", metavar="FAMILY=N")
    add("set", "--max-running", "how many actions may run, over all queues", type=_positive, metavar="N")
    add("mark", "--downstream", "also all that depends on them", action=flag)
    add("mark", "--run", "the run (default: the last one)", dest="of_run", metavar="RUN")
    add("stop", "--now", "kill what runs, without a grace period", action=flag)


def _add_looking(add: Callable[..., None]) -> None:
    """Add the options of commands that look at recorded runs."""
    flag, number = "store_true", {"type": _number, "metavar": "N"}
    add("runs", "--state", "only in this state", dest="run_states", action="append", choices=STATES)
    since = {"dest": "since_time", "type": _time, "metavar": "TIME"}
    add("runs attempts stats", "--since", "only runs that began since TIME: 2d, 90m, or a date", **since)
    add("attempts stats", "--run", "only of this run: an identifier, last, last-1", dest="of_run", metavar="RUN")
    add("runs attempts", "--last", "the last N, 0 for all", **number)
    add("run resume", "--ledger", _LEDGER, type=_ledger, metavar="URL")
    add(_WITH_LEDGER, "--ledger", _SHARED, type=_ledger, metavar="URL")
    add("runs attempts stats", "--all-roots", _ALL_ROOTS, action=flag)
    add("runs", "--rebuild", "make the index anew from the events of the runs", action=flag)
    add("attempts", "--failed", "only those that failed", action=flag)
    add("stats", "--all", "of each action, not of families", dest="everything", action=flag)
    add("stats", "--suggest", "print what actions need as lines for a plan", action=flag)
    add("stats", "--by", "what --suggest goes by (default: max)", choices=("max", "p95", "mean"))
    add("gc", "--keep", "how many runs stay (default: 50)", **number)
    add("gc", "--days", "how old a run may be (default: 30)", **number)


_ONLY = "only actions that ended so: failed, not-passed, not-run; changed: that would run"
_WHERE = 'only actions for which it holds: "timeout or duration > 10m", "memory > 2GiB"'
_WITH_BLOCKED = "also what a failure of a selected action has blocked (--only failed does so)"
_WITHOUT_BLOCKED = "leave that out with --only failed too"
_DURATIONS = "the N actions that took longest when they last ran (without a number: 10)"
_WITH_LEDGER = "runs show attempts diff stats gc set pause continue stop"
_LEDGER = "keep records in a PostgreSQL database too: postgresql://..."
_SHARED = "the ledger that several folders share: postgresql://..."
_ALL_ROOTS = "also of the other folders that share the ledger"
_WITH_JSON = "list check why status report runs show attempts diff stats cache"
_CACHE = (
    "restore outputs from a cache in place of running, and store them: read and write take the shared cache too"
)
_SINCE = "only actions that depend on what differs from this commit of git"
_RUN_TIMEOUT = "end the run after TIME (90s, 2h); what cannot end by then does not start"
_TIMEOUT = "time limit of an action: of NAME, else of those that are selected; none for none"
_REPEATS = {
    "repeat-until-pass": "run what is selected, up to N more times after failures",
    "repeat-after-timeout": "run what is selected, up to N more times after a time limit",
    "repeat-until-fail": "run what is selected N times, or until it fails",
}
_OUTPUT = "show what actions print: quiet: of failures; block: after each; stream: at once; prefix: with names"
_EXIT_CODE = "a sum: 2 diffed, 4 timeout, 8 other failures, 16 cancelled, 32 not started, 64 else"
_RESOURCES = "there is so much of a resource: gpus=1, memory=8GiB; gpus=1x4: four may share one"
_KEEP_GOING = "go on after failures; -kN stops after N"
_JOBS = "run up to N actions in parallel (default: number of usable CPUs)"
_FORCE = "run even if up to date; for one action: --force=NAME with the ="
_WORKFLOW = "record the run, and refuse another one of this name with the same parameters"
_HOT = "go on with what still runs with the engine of a killed run, instead of ending it"
_OUTLIVE = "without a sign of life it counts as dead after TIME on other machines (default: 60s)"
_WAIT = "end the run first if it is under way: it has so long for that"
_KEEP_RESOURCES = "also for what lacked memory or time: begin with what the plan gives it"
_NO_WAIT = "exit with code 3 if another run is active"


def _file(text: str) -> str:
    if text in ("", "-"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a file; to print it, name /dev/stdout")
    return text


def _dask(text: str) -> str:
    if "://" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address of a scheduler like tcp://host:8786")
    return text


def _workflow(text: str) -> str:
    if not text.strip():
        # a variable of a shell that is not set would run it without an identity
        raise argparse.ArgumentTypeError("it is empty: a workflow has a name")
    return text


def _commit(text: str) -> str:
    if not text or text.startswith("-"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a commit, such as main or HEAD~2")
    return text


def _expression(text: str) -> str:
    if not text.strip():
        # a variable of a shell that is not set selects nothing: all would run
        raise argparse.ArgumentTypeError("it is empty: to select all, leave the option out")
    return text


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of actions, 1 or more")
    return min(int(text), sys.maxsize)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 1 or more")
    return min(int(text), sys.maxsize)


def _factor(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0, such as 2 or 0.5")
    return number


def _duration(text: str) -> float:
    from treadle.plan.schema.keys import DURATION_KIND, seconds
    from treadle.plan.yaml.nodes import Scalar

    wrong = DURATION_KIND.check(Scalar(text, None, 0, 0)) if DURATION_KIND.check is not None else ""
    if wrong:
        raise argparse.ArgumentTypeError(f"{text!r} {wrong}")
    return seconds(text)


def _time(text: str) -> str:
    """Return a time in UTC: so long ago, or a date with or without a time of here."""
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        try:
            moment = datetime.now(UTC) - timedelta(seconds=_duration(text))
        except (argparse.ArgumentTypeError, OverflowError):
            raise argparse.ArgumentTypeError(f"{text!r}: expected 2d, 90m, or a date: 2026-11-30") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=TEXT")
    return name, value


def _ledger(text: str) -> str:
    from treadle.ledger.address import checked

    # an error of argparse would show the value, which may have a password in it
    return checked(text)


def _limit(text: str) -> tuple[str, float]:
    """Return a name, "" without one, and seconds."""
    name, equals, value = text.rpartition("=")
    if equals and not name:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=TIME, or TIME for what is selected")
    try:
        return name, float("inf") if value == "none" else _duration(value)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or none") from None


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return min(int(text), sys.maxsize)
