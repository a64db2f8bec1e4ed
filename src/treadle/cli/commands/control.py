"""`set`, `pause`, `continue`, `stop`: change what a run does that is under way in another terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.core.pool import amount_of
from treadle.core.text import safe
from treadle.errors import UsageError
from treadle.session.remote import RunControl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.session.call import Call


def pause_command(call: Call) -> int:
    """Let the run start nothing new, until `continue`."""
    return _say(call, _run_of(call).pause())


def continue_command(call: Call) -> int:
    """Let the run go on after `pause`."""
    return _say(call, _run_of(call).go_on())


def stop_command(call: Call) -> int:
    """End the run."""
    return _say(call, _run_of(call).stop(now=call.options.now))


def set_command(call: Call) -> int:
    """Change how much of it may run at the same time."""
    options = call.options
    queues, limits = _numbers("--queue", options.queues), _numbers("--limit", options.families)
    resources = _amounts(options.resources)
    most = options.max_running
    if not (queues or limits or resources or most):
        raise UsageError(
            "nothing was said to set", hint="`treadle set --queue net=2`; `treadle set --help` has all options"
        )
    run = _run_of(call)
    return _say(call, run.set_limits(queues=queues, resources=resources, limits=limits, max_running=most))


def _run_of(call: Call) -> RunControl:
    options = call.options
    if len(options.names) > 1:
        raise UsageError(f"`treadle {options.command}` takes one run", hint="`treadle runs` lists them")
    root = os.path.dirname(os.path.abspath(call.plan_file()))
    return RunControl(options.names[0] if options.names else "last", root, ledger=options.ledger_url)


def _say(call: Call, text: str) -> int:
    if not call.options.quiet:
        call.console.say([((safe(text), ""),)])
    return 0


def _numbers(option: str, given: Sequence[str]) -> dict[str, int]:
    found = {}
    for text in given:
        name, equals, number = text.rpartition("=")
        if not name or not equals or not (number.isascii() and number.isdecimal() and len(number) < 16):
            raise UsageError(f"{option} {text}: expected NAME=N, such as net=2")
        found[name] = int(number)
    return found


def _amounts(given: Sequence[str]) -> dict[str, int]:
    found = {}
    for text in given:
        kind, equals, value = text.partition("=")
        if not kind or not equals:
            raise UsageError(f"-r {text}: expected TYPE=AMOUNT, such as gpus=1 or memory=8GiB")
        amount = amount_of(kind, value)
        if isinstance(amount, str):
            raise UsageError(f"-r {text}: {kind} {amount}")
        found[kind] = amount
    return found
