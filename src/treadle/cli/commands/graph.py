"""`graph`: what comes before what, in the form that is asked for, with what a run would do as colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.content import trust
from treadle.core import decision, wording
from treadle.errors import TreadleError, UsageError
from treadle.session.lookup import PathUse
from treadle.ui.graph import model as shapes
from treadle.ui.graph.model import Graph, Vertex
from treadle.ui.text import line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treadle.core.decision import Verdict
    from treadle.frontends.base import Project
    from treadle.session.call import Call

FOLD = 8
"""Instances of a family above which it is one node, where nothing else is said."""
_MOST_EDGES = 20_000
"""Edges above which none is looked at twice."""
_PATIENCE = 300
"""Seconds that Graphviz may take."""


def graph_command(call: Call) -> int:
    """Show the graph of the plan, or the part of it around some names."""
    options = call.options
    plan = call.load()
    named = call.select(plan, options.names) if options.names else []
    if call.member is not None and not named:
        # with what it needs, and what needs it
        named = call.all_actions(plan)
    if options.tags or options.since or options.judges:
        named = call.narrowed(plan, named or list(plan.actions))
        if not named:
            is_by_commit = options.since and not options.judges
            why = f"no action depends on what differs from {options.since}"
            call.console.warn(why if is_by_commit else "no action is selected")
            return 0
    if options.depth is not None and not (options.names or options.tags or options.since or options.judges):
        raise UsageError("--depth needs a name to count from", hint="treadle graph NAME --depth 1")
    graph = plan_graph(plan)
    if named:
        graph = shapes.around(graph, named, options.depth)
    if options.state:
        _add_states(graph, _verdicts(call, plan, graph.vertices))
    bound = options.fold if options.fold is not None else 0 if options.format == "json" else FOLD
    graph = shapes.fold(graph, bound, () if len(named) > bound else named)
    if options.format == "json":
        from treadle.ui.graph.formats import graph_data

        call.console.say_data({"plan": plan.file, "root": plan.root, **graph_data(graph)})
    elif options.format == "tree":
        from treadle.ui.graph.tree import tree_lines

        call.console.say(tree_lines(graph, named, call.console.room))
    else:
        _draw(call, graph, plan.name, plan.root)
    return 0


def plan_graph(plan: Project) -> Graph:
    """Return the graph of a plan, without states."""
    graph = Graph()
    use = PathUse(plan)
    for uid, action in plan.actions.items():
        graph.vertices[uid] = Vertex(uid, action.family, action.help, is_last=action.is_last)
    for uid, action in plan.actions.items():
        for before, kind in use.edges(uid):
            graph.connect(before, uid, kind, action.conditions.get(before, ""))
    return graph


def state_of(verdict: Verdict) -> str:
    """Return what a run would do, as the graph says it."""
    if any(why.kind == decision.FAILED for why in verdict.reasons):
        return shapes.FAILED
    return {decision.RUN: shapes.RUN, decision.MAY_RUN: shapes.MAY_RUN}.get(verdict.decision, shapes.UP_TO_DATE)


def _verdicts(call: Call, plan: Project, uids: Iterable[str]) -> Mapping[str, Verdict]:
    from treadle.session.look import looked

    walk = looked(call, plan, list(uids))
    return {str(uid): verdict for uid, verdict in walk.verdicts.items()}


def _add_states(graph: Graph, verdicts: Mapping[str, Verdict]) -> None:
    for name, vertex in graph.vertices.items():
        verdict = verdicts[name]
        vertex.set_state(state_of(verdict), wording.reasons(verdict.reasons))


def _draw(call: Call, graph: Graph, title: str, root: str) -> None:
    """Print a graph for Graphviz or Mermaid, or as the picture that Graphviz makes of it."""
    from treadle.ui.graph.formats import dot_lines, mermaid_lines

    if len(graph.edges) <= _MOST_EDGES:
        graph = shapes.without_shortcuts(graph)
    if call.options.format == "mermaid":
        call.console.say(line(text) for text in mermaid_lines(graph))
        return
    lines = list(dot_lines(graph, title))
    if call.options.format == "svg":
        lines = _svg("\n".join(lines), root).rstrip("\n").split("\n")
    call.console.say(line(text) for text in lines)


def _svg(text: str, root: str) -> str:
    """Return the picture that Graphviz makes.

    :raises UsageError: it is not installed
    :raises TreadleError: it does not draw this
    """
    import subprocess

    hint = "draw a part of it: name actions, with --depth N, or fold more with --fold N"
    program = trust.program_outside("dot", root)
    if program is None:
        raise UsageError(
            "--format svg needs Graphviz, which is not installed: there is no program dot",
            hint="--format dot or mermaid prints the graph as text for other programs",
        )
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=text, capture_output=True, encoding="utf-8", timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise TreadleError(f"Graphviz did not draw it in {_PATIENCE} seconds", hint=hint) from None
    if done.returncode or not done.stdout:
        raise TreadleError("Graphviz failed", facts=done.stderr.splitlines()[-3:], hint=hint)
    return done.stdout
