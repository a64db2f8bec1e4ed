"""`treadle run`: a plan, a walk over it, and what people see of it."""

from __future__ import annotations

import os

from treadle._startup.environment import inherited
from treadle.cli.exit_codes import FAILED
from treadle.command.walk import CommandWalk, OutdatedError, Settings
from treadle.engines.process import seal_descriptors
from treadle.errors import UsageError
from treadle.ui.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from treadle.events.recorder import Recorder
    from treadle.fastpath.partial_walk import Part
    from treadle.fastpath.probe import Answer
    from treadle.plan import Plan
    from treadle.ui.console import Context
    from treadle.walk import Report

    from .fast_start import Found
    from .generated_plans import Rounds
    from .options import Options
    from .plan_inputs import Watching

MAKES_PLANS = ""
"""The name of no queue: it stands among those of a snapshot where actions make plans."""


def run_command(context: Context) -> int:
    """Run what was named, or what the plan runs by default."""
    options = context.options
    if options.watch:
        from .watch.loop import watch_command

        return watch_command(context, run_once)
    if options.dry:
        from treadle.cli.commands.status import status_command

        if _files_of(options):
            raise UsageError("-n runs nothing: there is no run to write of", hint="leave -n away, or the files")
        return status_command(context)
    seal_descriptors()
    if _files_of(options) or os.environ.get("GITHUB_ACTIONS") == "true":
        from treadle.events.recorder import recorded

        return recorded(context, run_once)
    return run_once(context)


def _files_of(options: Options) -> list[str]:
    """Return the files that are to be written of the run: its events, and what is made of them."""
    return [file for file in (options.events, options.junit, options.trace, options.html) if file]


def run_once(context: Context, recorder: Recorder | None = None) -> int:
    """Run what was asked for; return the exit code.

    :param recorder: tells of it, None if nothing does
    """
    found = context.found if recorder is None else None
    answer = found.answer if found is not None else None
    if answer is not None and MAKES_PLANS in answer.facts.more[::2]:
        # a plan that is made may be another one afterwards
        answer = None
    if found is not None and answer is not None and not answer.is_of_plan:
        code = _run_part(context, found, answer)
        if code is not None:
            return code
    from .plan_inputs import Watching

    watching = Watching(context)
    plan = context.load(is_run=True)
    rounds = None
    if plan.makers:
        from .generated_plans import Rounds

        rounds = Rounds(context, Progress(context, run_again(context.options)), recorder)
        plan = rounds.whole(plan)
        if rounds.end is not None:
            return rounds.code(exit_code(context, rounds.end))
    uids = [*(context.selected(plan) if rounds is None else rounds.selected(plan)), *plan.makers]
    if rounds is None and watching.found is not None and answer is not None and answer.is_of_plan:
        code = _run_changed(context, watching, plan, uids, answer)
        if code is not None:
            return code
    walk, progress = make_walk(context, plan, uids, recorder, rounds)
    report = walk.run()
    if rounds is None or not rounds.done:
        watching.keep(walk, plan)
    if rounds is not None:
        rounds.tell_unknown(plan)
    progress.finish(report, plan.left_out if rounds is None else rounds.left_out(plan))
    if recorder is not None:
        recorder.finish(report)
    code = exit_code(context, report)
    return code if rounds is None else rounds.code(code)


def _run_part(context: Context, found: Found, answer: Answer) -> int | None:
    """Run what is doubtful, as the snapshot knows it, without the plan; None if only the whole plan can tell."""
    from treadle.fastpath.partial_walk import part_of

    part = part_of(answer)
    if part is None:
        return None
    queues = dict(zip(answer.facts.more[::2], map(int, answer.facts.more[1::2]), strict=True))
    return _walk_part(context, found, part, queues, {})


def _run_changed(context: Context, watching: Watching, plan: Plan, uids: list[str], answer: Answer) -> int | None:
    """Run what is doubtful after the plan was edited; None if only a walk over all of it can tell."""
    from treadle.fastpath.edited_plan import changed_part

    found, watch = context.found, watching.watch(plan)
    makers = {path: uid for uid, one in plan.actions.items() for path in (*one.command.outputs, *one.command.edits)}
    part = changed_part(answer, plan.dag(uids), watch, makers, inherited()) if watch is not None else None
    if found is None or part is None or found.root != plan.root:
        return None
    return _walk_part(context, found, part, plan.queues, plan.left_out)


def _walk_part(
    context: Context, found: Found, part: Part, queues: Mapping[str, int], left_out: Mapping[str, str]
) -> int | None:
    """Walk a part, and keep what it has seen; None if another run was here between the look and the lock."""
    options = context.options
    settings = Settings(options.jobs, queues, keep_going=options.keep_going, wait=options.wait)
    progress = Progress(context, run_again(options))
    walk = part.walk(found.root, settings, progress)
    try:
        report = walk.run()
    except OutdatedError:
        return None
    from treadle.fastpath import probe as quick

    refreshed = part.refreshed(walk)
    if refreshed is None:
        quick.drop(walk.store.folder, found.name)
    else:
        quick.write(walk.store.folder, found.name, *refreshed)
    progress.finish(report, left_out)
    return exit_code(context, report)


def make_walk(
    context: Context, plan: Plan, uids: list[str], recorder: Recorder | None = None, rounds: Rounds | None = None
) -> tuple[CommandWalk, Progress]:
    """Return a walk over some actions and all that they need, and what shows it; `recorder` hears it too.

    :param rounds: what has run before, because it makes plans
    """
    from .makers import with_makers_of_found

    options = context.options
    done = rounds.done if rounds is not None else ()
    forced = context.select(plan, options.force) if rounds is None else rounds.known(plan, options.force)
    forced = [uid for uid in forced if uid not in done]
    dag = plan.dag(with_makers_of_found(plan, [*uids, *forced]), done)
    settings = Settings(
        options.jobs,
        plan.queues,
        keep_going=options.keep_going if rounds is None else rounds.failures_left,
        force=[str(uid) for uid in dag.vertex_data] if options.force_all else forced,
        wait=options.wait,
        blocked={} if rounds is None else rounds.blocked(plan, map(str, dag.vertex_data)),
    )
    progress = Progress(context, run_again(options)) if rounds is None else rounds.progress
    progress.plan = plan
    left_out = plan.left_out if rounds is None else rounds.left_out(plan)
    observer = progress if recorder is None else recorder.beside(progress, plan, left_out)
    return CommandWalk(dag, plan.root, settings, observer), progress


def exit_code(context: Context, report: Report) -> int:
    """Return the exit code of a run."""
    if report.interrupted and context.interrupts.code:
        return context.interrupts.code
    return 0 if report.ok else FAILED


def run_again(options: Options) -> list[str]:
    """Return the words of the command that runs the same plan again, from where it was called: a name follows."""
    words = ["treadle", "run"]
    if options.folder:
        words += ["-C", options.folder]
    if options.file:
        words += ["-f", options.file]
    for name, value in options.params.items():
        words += ["-p", f"{name}={value}"]
    return words
