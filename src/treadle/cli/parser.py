"""The arguments of the command: what there is, what it means, and what was given."""

from __future__ import annotations

import argparse
import os
import sys

from treadle.errors import UsageError, nearest, one_line
from treadle.session.options import Options

from . import faces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_WITHOUT_PLAN = ("init", "schema", "completion", "report")
OUTPUT_CHOICES = ("group", "stream", "prefix")
COLOR_CHOICES = ("auto", "always", "never")


def parse(argv: Sequence[str]) -> Options:
    """Return the options that stand in `argv`, and go to the folder of -C.

    :raises UsageError: they are not right
    :raises SystemExit: help or version was asked for and has been printed
    """
    parser = make_parser()
    if not argv:
        print(SHORT_HELP, end="")
        raise SystemExit(0)
    words = list(argv)
    rest = words[words.index("--") + 1 :] if "--" in words else None
    options, more = parser.parse_known_args(
        _with_values(words if rest is None else words[: -1 - len(rest)]), Options()
    )
    if not options.command:
        raise UsageError("no command was given", hint="`treadle --help` lists them")
    _take_names(parser, options, more)
    options.rest = rest
    if rest is not None and options.command in _WITHOUT_PLAN:
        raise UsageError(f"`treadle {options.command}` takes nothing behind --", hint="it reads no plan")
    options.origin = _here()
    options.params = _params(getattr(options, "param", []))
    if options.folder:
        try:
            os.chdir(options.folder)
        except OSError as error:
            raise UsageError(f"-C {one_line(options.folder)}: {error.strerror}") from error
    _take_plan(options)
    if options.command == "forget" and not options.names:
        raise UsageError("no action was named", hint="`treadle forget NAME`; `'*'` names them all")
    if options.command == "adopt" and not options.names:
        raise UsageError("no action was named", hint="`treadle adopt NAME`; `'*'` names them all")
    if options.command == "check" and options.names:
        raise UsageError(f"`treadle check` takes a plan and no names: {options.names[0]} is no plan")
    if options.command == "log" and len(options.names) != 1:
        raise UsageError("`treadle log` wants the name of one action")
    return options


def _take_names(parser: _Parser, options: Options, more: Sequence[str]) -> None:
    """Take in what argparse has not understood: names that stand after an option."""
    for word in more:
        if word.startswith("-"):
            given = "-k" if word.startswith("--keep-going") else word.partition("=")[0]
            close = nearest(given, parser.options_of(options.command)) if given.startswith("--") else None
            hint = f"did you mean {close}?" if close else f"see `treadle {options.command} --help`"
            raise UsageError(f"`treadle {options.command}` has no option {given}", hint=hint)
    options.names += more


def _here() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise UsageError(f"the folder that we are in cannot be used: {error.strerror}") from error


def _take_plan(options: Options) -> None:
    """Take the first name as the plan, if it is one and none is named by -f."""
    if options.file or not options.names or options.command == "report":
        return
    first = options.names[0]
    if first.endswith((".yaml", ".yml")):
        from treadle.plan.yaml.detect import is_plan

        if is_plan(first):
            options.file = options.names.pop(0)


def _params(given: Sequence[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"-p {text}: a parameter is given as NAME=VALUE")
        params[name] = value
    return params


def _with_values(argv: Sequence[str]) -> list[str]:
    """Return the arguments with the options whose value may be left out in a form that takes no name for one."""
    words: list[str] = []
    for word in argv:
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


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong as an error of ours."""

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
            raise UsageError(f"there is no command {name}", hint=hint)
        option, is_given, value = message.removeprefix("argument ").partition(": ignored explicit argument ")
        if is_given:
            hint = "-kN takes a number" if option == "-k" else f"see `{self.prog} --help`"
            raise UsageError(f"{option} does not take {value}", hint=hint)
        raise UsageError(message, hint=f"see `{self.prog} --help`")


COMMANDS = {
    "run": "run what has changed",
    "why": "why an action would run or be skipped, and why it ran last",
    "status": "what a run would do; exit code 1 if there is work",
    "list": "the actions, groups and parameters of the plan",
    "graph": "what comes before what: a tree, a picture, or data",
    "check": "check the plan and run nothing",
    "log": "what an action printed when it last ran",
    "report": "a run from its events: as lines, a page, a trace, JUnit",
    "clean": "remove outputs, so that the next run makes them again",
    "forget": "drop records, so that the next run runs these actions again",
    "adopt": "take what exists as current, without running it",
    "init": "make a first plan from what is in the folder",
    "schema": "the JSON Schema of plans, for editors",
    "completion": "the script that completes words in bash, zsh or fish",
}

SHORT_HELP = (
    """\
Treadle runs the actions of a plan, and only those that changed.

"""
    + "".join(f"  treadle {name:10} {text}\n" for name, text in COMMANDS.items())
    + """
The plan is treadle.yaml here or in a folder above, or another one: -f FILE.
`treadle --help` and `treadle run --help` say more.
"""
)

_TOP = """\
Treadle runs the actions of a plan, a YAML file, and only those whose command,
inputs, environment, tools or outputs differ from their last success.
"""

_EXIT_CODES = """\
exit codes:
  0 done; 1 an action failed, or work is pending (status, run -n); 2 the plan or
  the call is wrong; 3 another run is at work (--no-wait); 70 a bug of Treadle's
  own; 129, 130, 143 ended by HUP, INT, TERM; 141 nobody reads the answer.
"""

_EXAMPLES = """\
examples:
  treadle run                   run what the plan runs by default
  treadle run fit@a out/all     these two, and what they need
  treadle run other.yaml        another plan
  treadle run -n                only say what would run, and why
  treadle why fit@a             what differs, old value and new

"""

_NAMES = """\
names:
  A NAME is an action (fit@a), a family (fit: all its instances), a group or an
  output (out/all); patterns know * and ?. What it needs runs before it. A path
  is relative to the root of the plan or, if nothing is there, to where you are.
  A first NAME that is a plan (some.yaml with a `treadle` key) is taken as -f.

"""

_RUN = """\
Runs what has changed. The first failure ends it, what runs goes on to its end;
-k goes on with all that does not depend on a failure. Ctrl-C ends the running
actions (TERM, then KILL after a grace), a second one kills them at once.

"""

_RUN_EXAMPLES = """\
examples:
  treadle run -j 4 -k           four at a time, go on after failures
  treadle run -p mode=release   with another value of a parameter
  treadle run --force=fit       fit runs though nothing has changed
  treadle run --output stream   show what actions print as it comes
  treadle run test -- -x -k io  words for the parameter with `rest: true`

"""


_REPORT_EXAMPLES = """\
examples:
  treadle run --html run.html   a page of this run
  treadle run --events e.jsonl  its events, for
  treadle report e.jsonl --html run.html
                                the same page, later or elsewhere
  treadle report e.jsonl        what the terminal said

"""

_BEFORE_EXIT_CODES = {
    "run": _RUN_EXAMPLES + _NAMES,
    "report": _REPORT_EXAMPLES,
    **{name: text if name in faces.WITHOUT_NAMES else text + _NAMES for name, text in faces.EXAMPLES.items()},
}


def make_parser() -> _Parser:
    """Return the parser of the whole command."""
    from treadle import __version__

    raw = _formatter
    parser = _Parser(
        prog="treadle",
        description=_TOP,
        epilog=_EXAMPLES + _NAMES + _EXIT_CODES,
        formatter_class=raw,
        allow_abbrev=False,
        usage="treadle COMMAND [OPTION...] [NAME...]",
    )
    parser.add_argument("--version", action="version", version=f"treadle {__version__}")
    common = _common()
    for action in _common()._actions:
        # before the command they are taken too, as by make and ninja
        action.help = argparse.SUPPRESS
        parser._add_action(action)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=_Parser)
    for name, text in COMMANDS.items():
        epilog = _BEFORE_EXIT_CODES.get(name, _NAMES) + _EXIT_CODES
        sub = subparsers.add_parser(
            name,
            prog=f"treadle {name}",
            help=text,
            description=_RUN if name == "run" else text[0].upper() + text[1:] + ".",
            epilog=epilog,
            formatter_class=raw,
            parents=[common],
            allow_abbrev=False,
            usage=f"treadle {name} [OPTION...] {_USAGE[name]}",
        )
        sub.add_argument("names", nargs="*", metavar="NAME", help=argparse.SUPPRESS)
        _own_options(name, sub)
    return parser


_USAGE = dict.fromkeys(COMMANDS, "[NAME...]") | {
    "init": "[FILE...]",
    "schema": "[FILE]",
    "completion": "bash|zsh|fish",
    "check": "[PLAN]",
    "report": "EVENTS",
    "log": "NAME",
    "forget": "NAME...",
    "adopt": "NAME...",
}


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=80)


def _common() -> _Parser:
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("the plan")
    group.add_argument("-f", dest="file", metavar="FILE", help="the plan; else treadle.yaml here or above")
    group.add_argument("-C", dest="folder", metavar="DIR", help="go to this folder first")
    group.add_argument(
        "-p", dest="param", action="append", metavar="NAME=VALUE", help="a parameter of the plan; a list as a,b"
    )
    group = common.add_argument_group("what is shown")
    group.add_argument("-v", dest="verbose", action="store_true", help="more: skipped actions, outputs, all names")
    group.add_argument("-q", dest="quiet", action="store_true", help="less: nothing, if all is well")
    group.add_argument("--color", choices=COLOR_CHOICES, help="auto asks the terminal, NO_COLOR and FORCE_COLOR")
    return common


def _own_options(name: str, parser: argparse.ArgumentParser) -> None:
    """Add the options that one command has beside the common ones."""
    none = argparse.SUPPRESS
    group = parser.add_argument_group("how it goes")
    if name == "run":
        group.add_argument("-j", dest="jobs", type=_jobs, metavar="N", default=none, help=_JOBS)
        group.add_argument("-k", dest="keep_going", action="store_const", const=0, default=none, help=_KEEP_GOING)
        group.add_argument("--keep-going", type=int, dest="keep_going", metavar="N", default=none, help=none)
        group.add_argument("--output", choices=OUTPUT_CHOICES, default=none, help=_OUTPUT)
        group.add_argument("--watch", action="store_true", default=none, help=_WATCH)
    if name in ("run", "report"):
        _report_options(parser, is_run=name == "run")
    if name in ("run", "clean", "init"):
        group.add_argument("-n", dest="dry", action="store_true", default=none, help="only say what would be done")
    if name in ("run", "status", "why"):
        group.add_argument("--force", metavar="NAME", action="append", default=none, help=_FORCE)
        group.add_argument("--force-all", action="store_true", default=none, help=none)
    if name in ("run", "clean", "forget", "adopt"):
        group.add_argument(
            "--no-wait", dest="wait", action="store_false", default=none, help="do not wait for another run: exit 3"
        )
    faces.add_options(name, group)


def _report_options(parser: argparse.ArgumentParser, *, is_run: bool) -> None:
    """Add the options that name files made of the events of a run."""
    none = argparse.SUPPRESS
    group = parser.add_argument_group("what is written")
    if is_run:
        group.add_argument("--events", type=_file, metavar="FILE", default=none, help=_EVENTS)
    group.add_argument(
        "--html", type=_file, metavar="FILE", default=none, help="a page: timeline, graph, reasons, failures"
    )
    group.add_argument(
        "--junit", type=_file, metavar="FILE", default=none, help="a JUnit file, a case for each action"
    )
    group.add_argument(
        "--trace", type=_file, metavar="FILE", default=none, help="a trace for Perfetto or chrome://tracing"
    )
    if not is_run:
        group.add_argument("--github", action="store_true", default=none, help=_GITHUB)


_EVENTS = "what happens, as it happens: one JSON object per line"
_GITHUB = "groups and annotations on stdout, as a run prints them where GITHUB_ACTIONS is true"
_JOBS = "so many at a time; else as many as processors may be used"
_KEEP_GOING = "go on after failures; -kN stops after N of them"
_OUTPUT = "group: after an action ended, if it failed or with -v; stream: as it comes; prefix: likewise, with names"
_WATCH = "run again each time something that it reads changes, until Ctrl-C"
_FORCE = "as if changed: --force=NAME (mind the =) that action, --force alone every action of the run"


def _file(text: str) -> str:
    if text in ("", "-"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a file; what goes to /dev/stdout is printed")
    return text


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of actions, 1 or more")
    return min(int(text), sys.maxsize)
