"""The command from its first to its last moment: streams, signals, arguments, a subcommand, the exit code."""

from __future__ import annotations

import os
import sys
from io import FileIO, TextIOWrapper

from . import signals
from .exit_codes import code_of_lost, lost_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from treadle.session.call import Call
    from treadle.session.fast_start import FastStart
    from treadle.session.options import Options


def main(argv: Sequence[str], found: FastStart | None = None) -> int:
    """Run the command.

    :param argv: the arguments, without the name of the program
    :param found: what the first look has found, if there was one
    :return: 0 done, 1 an action failed or work is pending, 2 plan or call wrong, 3 busy, 70 our own bug,
        128 and the number of the signal that ended it
    """
    _open_standard_streams()
    interrupts = signals.Interrupts()
    interrupts.install()
    code = _guarded(argv, interrupts, found)
    return _flush(code, argv)


def _guarded(argv: Sequence[str], interrupts: signals.Interrupts, found: FastStart | None) -> int:
    from treadle.session.call import Call
    from treadle.ui.console import Console

    call = Call(console=Console(), stops=interrupts)
    try:
        if argv and argv[0] == "__complete":
            from .completion.complete import complete

            return complete(argv[1:])
        options = found.options() if found is not None else None
        if options is None:
            options = _parsed(argv)
        options.argv = ["treadle", *argv]
        call = Call("", options, console=Console(options.color, options.origin), stops=interrupts, found=found)
        code = _command(options)(call)
        if call.console.screen.failure:
            call.console.warn(lost_note(call.console.screen.failure))
        return code_of_lost(code, call.console.screen.failure, argv) if call.console.screen.gone else code
    except SystemExit as end:
        # argparse has printed help or version
        return end.code if isinstance(end.code, int) else 0
    except BaseException as error:
        from .failures import print_error

        call.console.screen.erase()
        return print_error(error, call)


def _parsed(argv: Sequence[str]) -> Options:
    """Return the options of a call; for a name of the plan in place of a command, say how to run it.

    :raises UsageError: the call is wrong
    """
    from .parser import UnknownCommandError, parse

    try:
        return parse(argv)
    except UnknownCommandError as error:
        from .completion.complete import is_name

        if is_name(error.name, argv):
            from treadle.core.text import shell_join

            error.hint = f"to run this action: {shell_join(['treadle', 'run', *argv])}"
        raise


def _command(options: Options) -> Callable[[Call], int]:
    if options.command == "run" and options.watch:
        from .commands.watch import watch_command

        return watch_command
    if options.command == "run":
        # the one that has to be quick
        from .commands.run import run_command

        return run_command
    from importlib import import_module

    room = import_module(f"treadle.{_HOMES[options.command]}")
    command: Callable[[Call], int] = getattr(room, f"{options.command}_command")
    return command


_HOMES = {
    "why": "cli.commands.why",
    "status": "cli.commands.status",
    "list": "cli.commands.list",
    "graph": "cli.commands.graph",
    "check": "cli.commands.check",
    "log": "cli.commands.log",
    "report": "cli.commands.report",
    "runs": "cli.commands.runs",
    "resume": "cli.commands.resume",
    "show": "cli.commands.show",
    "attempts": "cli.commands.attempts",
    "diff": "cli.commands.diff",
    "stats": "cli.commands.stats",
    "gc": "cli.commands.gc",
    "reap": "cli.commands.reap",
    "set": "cli.commands.control",
    "pause": "cli.commands.control",
    "continue": "cli.commands.control",
    "stop": "cli.commands.control",
    "mark": "cli.commands.mark",
    "cache": "cli.commands.cache",
    "clean": "cli.commands.clean",
    "forget": "cli.commands.forget",
    "adopt": "cli.commands.adopt",
    "accept": "cli.commands.accept",
    "init": "cli.commands.init",
    "schema": "cli.commands.schema",
    "completion": "cli.completion.scripts",
}


def fill_closed_streams() -> None:
    """Put nowhere in the place of standard streams that are closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _open_standard_streams() -> None:
    """Put nowhere in the place of streams that are closed, and make no name unprintable."""
    fill_closed_streams()
    sys.stdout = _writer(1, sys.stdout)
    sys.stderr = _writer(2, sys.stderr)


def _writer(number: int, stream: TextIO | None) -> TextIO:
    """Return a stream that writes all it is given, and an escape for what its encoding does not know.

    The streams of `python -u` are not good enough: they drop the rest of what a pipe takes in part only.
    """
    kept = sys._xoptions.get("treadle_encoding")
    if stream is None or isinstance(getattr(stream, "buffer", None), FileIO):
        encoding = (isinstance(kept, str) and kept) or getattr(stream, "encoding", None) or "utf-8"
        return open(number, "w", encoding=encoding, errors="backslashreplace", closefd=False)
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding=kept if isinstance(kept, str) else None, errors="backslashreplace")
    return stream


def _flush(code: int, argv: Sequence[str]) -> int:
    """Write what is left; return the exit code. What stderr does not take is lost: there is no place to say it."""
    from treadle.ui.screen import silence

    failure: str | None = None
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        silence(sys.stdout)
        is_gone = isinstance(error, BrokenPipeError)
        failure = "" if is_gone else getattr(error, "strerror", None) or str(error)
        code = code_of_lost(code, failure, argv)
    try:
        if failure:
            sys.stderr.write(f"treadle: {lost_note(failure)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        silence(sys.stderr)
    return code
