"""The hidden command `treadle __complete -- WORD...`: completes the last word.

The first line begins with `:` and has directives for the shell (`nospace`, `files`, `folders`). Each other line is
a value, a tab, and its help. Errors are never printed: in doubt there are no values.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

from treadle.cli.parser import COMMANDS, OF_A_RUN, make_parser
from treadle.core.text import safe

from .names import Names

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    Row = tuple[str, str]

SHELLS = ("bash", "zsh", "fish")
MOST = 1000
"""The most completions that are printed."""
_FILES = ("schema", "init", "report")
"""Commands that take files in place of names."""
MARKS = ("done", "todo")


class Completions:
    """The completions of a word.

    :param rows: values, and what each is
    :param marks: directives for the shell: `nospace`, `files`, `folders`
    :param prefix: the part of the word before the values
    """

    def __init__(self, rows: Iterable[Row] = (), marks: Sequence[str] = (), prefix: str = "") -> None:
        self.rows = list(rows)
        self.marks = tuple(marks)
        self.prefix = prefix

    def lines(self, word: str) -> list[str]:
        """Return the lines to print, without values that do not begin with the word."""
        found = [(self.prefix + value, what) for value, what in self.rows if (self.prefix + value).startswith(word)]
        head = ":" + " ".join([*self.marks, *([f"prefix={self.prefix}"] if self.prefix else [])])
        rows = (f"{value}\t{safe(' '.join(what.split()))}" for value, what in found[:MOST] if _can_be_said(value))
        return [head, *rows]


def _can_be_said(value: str) -> bool:
    return value.isprintable() and "\t" not in value


def complete(words: Sequence[str]) -> int:
    """Print the completions of the last word; always return 0."""
    from treadle.errors import TreadleError

    if words[:1] == ["--"]:
        words = words[1:]
    # the process ends soon, so garbage collection is wasted time
    gc.disable()
    try:
        *before, word = list(words) or [""]
        line = _Line(make_parser())
        line.take(before)
        lines = line.completions(word).lines(word)
    except (TreadleError, OSError, ValueError, RecursionError):
        lines = [":files"]
    print("\n".join(lines))
    return 0


def is_name(name: str, words: Sequence[str]) -> bool:
    """Return whether the plan that a call would use has an action, a family or a group of this name.

    :param words: the arguments of the call
    """
    from treadle.errors import TreadleError

    line = _Line(make_parser())
    line.take(words)
    try:
        return name in [row[0] for row in line.plan_names().matching(name)]
    except (TreadleError, OSError, ValueError, RecursionError):
        return False


class _Line:
    """The parsed words before the one to complete."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser
        self.command = ""
        self.names: list[str] = []
        self.params: dict[str, str] = {}
        self.file = ""
        self.folder = ""
        self.waiting: argparse.Action | None = None
        """The option whose value comes next."""
        self.is_over = False
        """Whether there was a `--`."""

    def take(self, words: Sequence[str]) -> None:
        """Parse words, in order."""
        for word in words:
            self._take(word)

    def _take(self, word: str) -> None:
        if self.waiting is not None:
            self._take_value(self.waiting, word)
            self.waiting = None
        elif self.is_over or not word.startswith("-") or word == "-":
            if not self.command:
                self.command = word
            else:
                self.names.append(word)
        elif word == "--":
            self.is_over = True
        else:
            self._take_option(word)

    def _take_option(self, word: str) -> None:
        name, equals, value = word.partition("=")
        option = self.options().get(name)
        if option is None and not word.startswith("--"):
            option, value, equals = self.options().get(word[:2]), word[2:], word[2:]
        if option is None or option.nargs == 0 or _is_flag_too(option):
            return
        if equals:
            self._take_value(option, value)
        else:
            self.waiting = option

    def _take_value(self, option: argparse.Action, value: str) -> None:
        if option.dest == "file":
            self.file = value
        elif option.dest == "folder":
            self.folder = value
        elif option.dest == "param":
            name, _, text = value.partition("=")
            self.params[name] = text

    def options(self) -> dict[str, argparse.Action]:
        """Return the options of the command, by name."""
        parsers = self.parser._subparsers
        choices = parsers._group_actions[0].choices if parsers is not None else None
        parser = choices.get(self.command, self.parser) if isinstance(choices, dict) else self.parser
        return {name: option for option in parser._actions for name in option.option_strings}

    def completions(self, word: str) -> Completions:
        """Return the completions of a word."""
        if self.waiting is not None:
            return self._value(self.waiting, word, "")
        if self.is_over:
            return Completions(marks=["files"])
        name, equals, value = word.partition("=")
        if word.startswith("--") and equals:
            option = self.options().get(name)
            return self._value(option, value, name + "=") if option is not None else Completions()
        option = self.options().get(word[:2])
        if word[:2] != "--" and len(word) > 2 and option is not None and option.nargs != 0:
            # -pNAME=VALUE, in one word
            found = self._value(option, word[2:], "")
            return Completions(found.rows, found.marks, word[:2] + found.prefix)
        if word.startswith("-"):
            return Completions(_shown(self.options().values()))
        if not self.command:
            return Completions(COMMANDS.items())
        return self._names(word)

    def _value(self, option: argparse.Action, word: str, prefix: str) -> Completions:
        """Return the completions of the value of an option."""
        if option.choices is not None:
            return Completions([(str(one), "") for one in option.choices], prefix=prefix)
        if option.dest == "param":
            return self._param(word)
        if option.dest == "limits":
            if "=" in word:
                return Completions()
            rows = [(f"{name}=", what) for name, what in self.plan_names().matching(word)]
            return Completions(rows, ["nospace"], prefix)
        if option.dest == "force":
            return Completions(self.plan_names().matching(word), prefix=prefix)
        if option.dest == "of_run":
            return Completions(self._runs(), prefix=prefix)
        if option.dest == "folder":
            return Completions(marks=["folders"], prefix=prefix)
        return Completions(marks=["files"], prefix=prefix) if option.metavar == "FILE" else Completions()

    def _param(self, word: str) -> Completions:
        name, equals, _ = word.partition("=")
        known = self.plan_names().params()
        if not equals:
            return Completions([(f"{one}=", param.help) for one, param in known.items()], ["nospace"])
        param = known.get(name)
        if param is None:
            return Completions()
        # of a list the last value is completed
        before = word[: max(len(name) + 1, word.rfind(",") + 1)] if param.type == "list" else f"{name}="
        values = param.choices or (("true", "false") if param.type == "bool" else ())
        files = ["files"] if param.type == "path" else []
        return Completions([(one, "") for one in values], files, prefix=before)

    def _names(self, word: str) -> Completions:
        if self.command == "completion":
            return Completions([(shell, "") for shell in SHELLS] if not self.names else [])
        if self.command == "cache":
            from treadle.session.options import CACHE_WORDS, OF_ACTIONS

            if not self.names:
                return Completions([(one, "") for one in CACHE_WORDS])
            if self.names[0] not in OF_ACTIONS:
                return Completions()
        if self.command in _FILES:
            return Completions(self._runs() if self.command == "report" else [], ["files"])
        if self.command in OF_A_RUN:
            return Completions(self._runs())
        rows = self.plan_names().matching(word) if self.command != "check" else []
        if self.command == "mark" and self.names:
            rows += [(one, "") for one in MARKS]
        if not rows:
            return Completions(marks=["files"])
        is_open = all(name.endswith("/") and not text for name, text in rows)
        return Completions(rows, ["nospace"] if is_open else [])

    def _runs(self) -> list[Row]:
        """Return the recorded runs of the folder of the plan, the newest first; no database is opened for that."""
        from treadle.content.trust import STATE_FOLDER
        from treadle.ledger.run_files import run_files

        names = [file.id for file in run_files(os.path.join(self.plan_names().root(), STATE_FOLDER))]
        return [("last", "the newest run"), *((name, "") for name in reversed(names))] if names else []

    def plan_names(self) -> Names:
        """Return the names of the plan; goes to the folder of -C."""
        if self.folder:
            os.chdir(self.folder)
            self.folder = ""
        first = self.names[0] if self.names else ""
        if not self.file and first.endswith((".yaml", ".yml")):
            from treadle.plan.yaml.detect import is_plan

            self.file = first if is_plan(first) else ""
        return Names(self.file, self.params)


def _is_flag_too(option: argparse.Action) -> bool:
    """Return whether an option takes its value only with `=`."""
    return option.dest == "force"


def _shown(options: Iterable[argparse.Action]) -> list[Row]:
    """Return the options that are not hidden, the long name of each if it has one."""
    found: dict[str, str] = {}
    for option in options:
        if option.help != "==SUPPRESS==":
            found[option.option_strings[-1]] = (option.help or "").replace("%%", "%")
    return list(found.items())
