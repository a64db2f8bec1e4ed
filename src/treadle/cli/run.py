"""`treadle run`: a plan, a walk over it, and what people see of it."""

from __future__ import annotations

from treadle.command_walk import CommandWalk, OutdatedError, Settings
from treadle.process import seal_descriptors

from .codes import FAILED
from .makers import with_makers_of_found
from .progress import Progress
from .watching import Watching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from treadle.plan import Plan
    from treadle.quick import Answer
    from treadle.walk import Report

    from .at_once import Found
    from .context import Context
    from .options import Options


def run_command(context: Context) -> int:
    """Run what was named, or what the plan runs by default."""
    options = context.options
    if options.dry:
        from .questions import status_command

        return status_command(context)
    seal_descriptors()
    if context.found is not None and context.found.answer is not None:
        code = _run_part(context, context.found, context.found.answer)
        if code is not None:
            return code
    watching = Watching(context)
    plan = context.load()
    uids = context.selected(plan)
    walk, progress = make_walk(context, plan, uids)
    report = walk.run()
    watching.keep(walk, plan)
    progress.finish(report, plan.left_out)
    return exit_code(context, report)


def _run_part(context: Context, found: Found, answer: Answer) -> int | None:
    """Run what is doubtful, as the snapshot knows it, without the plan; None if only the whole plan can tell."""
    from treadle import quick
    from treadle.command_snapshot import part_of

    options = context.options
    part = part_of(answer)
    if part is None:
        return None
    queues = dict(zip(answer.facts.more[::2], map(int, answer.facts.more[1::2]), strict=True))
    settings = Settings(options.jobs, queues, keep_going=options.keep_going, wait=options.wait)
    progress = Progress(context, run_again(options))
    walk = part.walk(found.root, settings, progress)
    try:
        report = walk.run()
    except OutdatedError:
        # another run was here between the look and the lock
        return None
    quick.write(walk.store.folder, found.name, part.refreshed(walk))
    progress.finish(report, {})
    return exit_code(context, report)


def make_walk(context: Context, plan: Plan, uids: list[str]) -> tuple[CommandWalk, Progress]:
    """Return a walk over some actions and all that they need, and who shows it."""
    options = context.options
    forced = context.select(plan, options.force)
    dag = plan.dag(with_makers_of_found(plan, [*uids, *forced]))
    settings = Settings(
        options.jobs,
        plan.queues,
        keep_going=options.keep_going,
        force=[str(uid) for uid in dag.vertex_data] if options.force_all else forced,
        wait=options.wait,
    )
    progress = Progress(context, run_again(options))
    progress.plan = plan
    return CommandWalk(dag, plan.root, settings, progress), progress


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
