"""One run of a plan: the fast path, then the plan, the walks over it, and the report."""

from __future__ import annotations

from treadle._startup.interpreter import inherited
from treadle.command.walk import OutdatedError, Settings
from treadle.engines.process import seal_descriptors

from .call import RunReport
from .walk import PlanWalk, limit_settings, publish_plan, resource_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from treadle.command.command import Limits
    from treadle.fastpath.partial_walk import Part
    from treadle.fastpath.probe import ProbeResult
    from treadle.frontends.base import Project

    from .call import Call
    from .fast_start import FastStart
    from .plan_inputs import PlanInputs
    from .rounds import Rounds


def run(call: Call) -> RunReport:
    """Run the selected actions, or the default of the plan; events go to the bus of the call.

    :raises TreadleError: the plan or the call is wrong, or the state cannot be used
    """
    seal_descriptors()
    options = call.options
    probed = call.found.probed if call.found is not None and not options.is_special else None
    if probed is not None and probed.is_nothing_to_do and not (call.bus or options.is_recorded_at_once):
        return RunReport({}, untouched=probed.total, saved=probed.facts.saved)
    if options.is_recorded:
        from .recording import run_recorded

        return run_recorded(call, _run)
    return _run(call)


def _run(call: Call) -> RunReport:
    found = None if call.bus.needs_all or call.options.is_special else call.found
    probed = found.probed if found is not None else None
    if probed is not None and probed.facts.generates_plans:
        # a plan that is generated may be another one afterwards
        probed = None
    if found is not None and probed is not None and not probed.is_of_plan:
        report = _run_part(call, found, probed)
        if report is not None:
            return report
    return _run_plan(call, probed)


def _run_plan(call: Call, probed: ProbeResult | None) -> RunReport:
    """Load the plan, and walk the selected actions."""
    from .plan_inputs import PlanInputs

    inputs_of_plan = PlanInputs(call)
    plan = call.load(is_run=True)
    if call.options.workflow:
        from .identity import claim

        claim(call, plan)
    if call.options.judges:
        # before the producers of generated plans run: what they end with now selects nothing
        call.judge_by(plan.root)
    rounds = None
    if plan.plan_producers:
        from .rounds import Rounds

        rounds = Rounds(call)
        plan = rounds.whole(plan)
        if rounds.end is not None:
            return rounds.end
    selected = call.selected(plan) if rounds is None else rounds.selected(plan)
    uids = [*selected, *plan.plan_producers]
    named: list[str] = []
    if [one for one in plan.actions.values() if one.is_last]:
        from .look import named_last

        named = named_last(call, plan)
    if (
        rounds is None
        and inputs_of_plan.found is not None
        and probed is not None
        and probed.is_of_plan
        and not named
    ):
        report = _run_changed(call, inputs_of_plan, plan, uids, probed)
        if report is not None:
            return report
    walk = _walk_of(call, plan, uids, rounds, selected, named)
    ended = walk.run()
    if plan.looks.work_trees:
        from .work_trees import keep_work_trees

        keep_work_trees(walk.store.folder, plan.looks.work_trees)
    if (rounds is None or not rounds.done) and not walk.is_due and not walk.settings.marked_done:
        inputs_of_plan.keep(walk, plan)
    if rounds is not None:
        rounds.publish_unknown(plan)
    report = RunReport.of(ended, walk)
    call.end(report, plan.left_out if rounds is None else rounds.left_out(plan))
    if rounds is not None:
        rounds.complete(report)
    return report


def _run_part(call: Call, found: FastStart, probed: ProbeResult) -> RunReport | None:
    """Run the dirty part of the plan as the snapshot has it; None if the plan has to be loaded."""
    from treadle.fastpath.partial_walk import part_of

    part = part_of(probed)
    if part is None or _needs_whole_plan(part):
        return None
    if not call.options.quiet:
        call.note_member(found.member_note)
    facts = probed.facts
    return _walk_part(call, found, part, facts.queues, facts.pool, facts.cache, {})


def _run_changed(
    call: Call, inputs_of_plan: PlanInputs, plan: Project, uids: list[str], probed: ProbeResult
) -> RunReport | None:
    """Run the dirty part of an edited plan; None if all of it has to be walked."""
    from treadle.fastpath.edited_plan import changed_part

    found, watch = call.found, inputs_of_plan.watch(plan)
    written = ((path, uid) for uid, one in plan.actions.items() for path in one.command.written)
    part = changed_part(probed, plan.dag(uids), watch, written, inherited()) if watch is not None else None
    if found is None or part is None or found.root != plan.root:
        return None
    part.last = plan.last()
    if _needs_whole_plan(part):
        return None
    return _walk_part(call, found, part, plan.queues, plan.pool, plan.cache, plan.left_out)


def _needs_whole_plan(part: Part) -> bool:
    """Return whether an action of a part moves artifacts: which files others read or make, the whole plan says."""
    graphs = [part.graph] if part.last is None else [part.graph, part.last]
    return any(command.artifacts for graph in graphs for command in graph.vertex_data.values())


def _walk_part(
    call: Call,
    found: FastStart,
    part: Part,
    queues: Mapping[str, int],
    pool: str,
    cache: str,
    disabled: Mapping[str, str],
) -> RunReport | None:
    """Walk a part, and update the snapshot; None if another run has changed the log since the look."""
    options = call.options
    limits: dict[str, Limits] = {}
    if options.timeout_times != 1:
        from .own_limits import own_limits

        limits = own_limits(options, [part.graph, part.last])
    settings = Settings(
        options.jobs,
        queues,
        keep_going=options.keep_going,
        wait=options.wait,
        colours=call.colours,
        limits=limits,
        **limit_settings(call),
        **resource_settings(options, pool),
    )
    walk = PlanWalk(call, part.graph, found.root, settings, rest=part.rest(), last=part.last, cache=cache)
    try:
        ended = walk.run()
    except OutdatedError:
        return None
    from treadle.fastpath import snapshot_file

    refreshed = part.refreshed(walk)
    if refreshed is None:
        snapshot_file.drop(walk.store.folder, found.name)
    else:
        snapshot_file.write(walk.store.folder, found.name, *refreshed)
    report = RunReport.of(ended, walk)
    call.end(report, disabled)
    return report


def _walk_of(
    call: Call, plan: Project, uids: list[str], rounds: Rounds | None, selected: list[str], named: list[str]
) -> PlanWalk:
    """Return a walk over some actions and all that they need.

    :param rounds: what has run before, because it generates plans
    :param selected: the actions that the call selects
    :param named: the actions at the end that the call names
    """
    from .generated_plans import with_discovered_producers

    options = call.options
    done = rounds.done if rounds is not None else ()

    def with_names(names: list[str]) -> list[str]:
        return call.select(plan, names) if rounds is None else rounds.known(plan, names)

    forced = with_names(options.force)
    if options.repeats:
        forced = [*forced, *selected]
    # what a run that is resumed has done is done, though it was forced there
    forced = [uid for uid in forced if uid not in done and uid not in call.done_since]
    dag = plan.dag(with_discovered_producers(plan, [*uids, *forced]), done)
    has_run = rounds is not None and rounds.has_run
    # where nothing else was named, those that were are all that runs
    last = plan.last(named if named and not dag.vertex_data and not has_run else None)
    everything = map(str, [*dag.vertex_data, *(() if last is None else last.vertex_data)])
    limits: dict[str, Limits] = {}
    if options.names_limits or options.timeout_times != 1:
        from .own_limits import own_limits

        limits = own_limits(options, [dag, last], with_names, selected)
    settings = Settings(
        options.jobs,
        plan.queues,
        keep_going=options.keep_going if rounds is None else rounds.failures_left,
        force=[uid for uid in everything if uid not in call.done_since] if options.force_all else forced,
        wait=options.wait,
        limits=limits,
        done_since=call.done_since,
        **limit_settings(call, 0 if rounds is None else rounds.ends),
        **resource_settings(options, plan.pool),
        blocked={} if rounds is None else rounds.blocked(plan, map(str, dag.vertex_data)),
        colours=call.colours,
    )
    publish_plan(call, plan, None if rounds is None else rounds.left_out(plan))
    is_due = bool(named) or has_run
    starts = {} if rounds is None else rounds.starts(plan, map(str, dag.vertex_data))
    ended = {} if rounds is None else rounds.outcomes
    return PlanWalk(
        *(call, dag, plan.root, settings),
        plan=plan,
        done=done,
        last=last,
        is_due=is_due,
        starts=starts,
        ended=ended,
    )
