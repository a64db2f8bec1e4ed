"""A run that records itself: what it says of itself, and how it ends. Each run does, so it has to be quick.

The command line is recorded with the plan and not before it: only the plan says which variables are secret, and
the value of one may be on the command line. If the plan cannot be loaded, no value is recorded.
"""

from __future__ import annotations

import os

from treadle.command.walk import usable_cpus
from treadle.errors import PlanError, TreadleError, UsageError
from treadle.ledger.recording import SELECTING, Recording, RunRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from treadle.events.background import Background

    from .call import Call, RunReport


def run_recorded(call: Call, run: Callable[[Call], RunReport]) -> RunReport:
    """Run, and record what happens; if that cannot be written, one line says so and the run goes on.

    :param run: runs the plan of a call
    :raises TreadleError: what the run raises
    """
    options = call.options
    if call.bus.has(Recording):
        # the program that calls records it
        return run(call)
    # an address that is wrong is refused before anything starts
    is_shared = bool(options.ledger_url)

    def about(root: str) -> dict[str, Any]:
        return _about(call, root)

    record = RunRecord(call.began, call.began_at, options.names, options.argv, options.params, about)

    def beside(recording: Recording) -> Background:
        from .beside import begin_beside

        return begin_beside(call, recording)

    # where a plan was read, that says what the root is
    at_once = options.is_recorded_at_once
    recording = Recording(lambda: _root(call), record, call.note, at_once=at_once, begin_beside=beside)
    call.recording = recording
    bus = call.bus
    bus.add(recording)
    try:
        report = run(call)
    except BaseException as error:
        recording.close(_code_of(error, call), error)
        raise
    finally:
        bus.remove(recording)
        if call.ownership is not None:
            call.ownership.give_back()
            call.ownership = None
    if is_shared:
        # a short run has no thread, and others look at what it has done too
        recording.go_beside()
    recording.close(call.exit_code_of(report))
    return report


def _root(call: Call) -> str:
    """Return the root as far as it is known without the plan."""
    return (call.found.root if call.found is not None else "") or folder_of_plan(call)


def folder_of_plan(call: Call) -> str:
    """Return the folder that the plan is in, which is the root if it says nothing else."""
    return os.path.dirname(os.path.abspath(call.plan_file()))


def place(call: Call, root: str, names: Sequence[str]) -> tuple[str, str]:
    """Return the plan of a call, and the folder that its names are of: both relative to the root.

    :param names: those of the call; without any only that of a member says what runs
    """
    found = call.found
    is_member = call.member is not None
    if found is not None and found.probed is not None and not call.knows_plan_file:
        plan, is_member = found.probed.facts.plan, found.member_note != ""
    else:
        plan = os.path.relpath(os.path.abspath(call.plan_file()), root)
    folder = os.path.relpath(os.getcwd(), root)
    if folder.split(os.sep)[0] == os.pardir:
        # from outside only a path can mean something else than in the root
        counts = any(os.sep in name for name in names)
    else:
        counts = bool(names) or is_member
    return plan, folder if counts else os.curdir


def _selection(call: Call, root: str) -> dict[str, str | list[str]]:
    """Return what a call says besides names and parameters of what it runs, each option by its attribute."""
    said: dict[str, str | list[str]] = {}
    options = call.options
    for name in SELECTING:
        value = getattr(options, name)
        if value and value != "all":
            said[name] = value if isinstance(value, str) else list(value) if name == "force" else str(int(value))
    if options.since:
        # the run that goes on with this one compares with the same commit, whatever the name leads to by then;
        # where there is none, that is said of the selection
        from contextlib import suppress

        with suppress(UsageError):
            said["since"] = call.differences(root).commit
    return said


def _about(call: Call, root: str) -> dict[str, Any]:
    from treadle.content.git import commit_around
    from treadle.ledger.user import user_name

    options = call.options
    about: dict[str, Any] = {"jobs": options.jobs or usable_cpus(), "user": user_name()}
    if options.resumes:
        about["resumes"] = options.resumes
    if options.workflow:
        about["workflow"], about["identity"] = options.workflow, call.identity
    about["plan"], folder = place(call, root, [*options.names, *options.force])
    selection = _selection(call, root)
    if folder != ".":
        selection["folder"] = folder
    if selection:
        about["selection"] = selection
    commit = commit_around(root)
    if commit:
        about["commit"] = commit
    if options.attributes:
        about["attributes"] = dict(options.attributes)
    return about


def _code_of(error: BaseException, call: Call) -> int:
    if isinstance(error, KeyboardInterrupt):
        return call.stops.code or 130
    if isinstance(error, UsageError | PlanError):
        return 2
    return 1 if isinstance(error, TreadleError) else 70
