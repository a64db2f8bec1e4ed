"""The conditions of an action's edges: adds what `needs` says, and checks it against its other edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.plan.read.spec import Need
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Node, Source

from .declared_outputs import Instance

if TYPE_CHECKING:
    from .edges import Dependencies


def add_needs(source: Source, instance: Instance, deps: Dependencies, problems: Problems) -> None:
    """Let an action wait for what it needs; two conditions for one action are kept as an error."""
    plain: dict[str, Need] = {}
    for need, actions in deps.needs:
        for one in actions:
            if one.disabled:
                continue
            mine, others = (plain, deps.conditions) if need.condition is None else (deps.conditions, plain)
            other = others.get(one.uid) or mine.setdefault(one.uid, need)
            if other.condition == need.condition:
                continue
            what = f"{instance.uid} needs {one.uid} under two conditions: {other.says} and {need.says}"
            hint = "name it once; `or` joins outcomes: when: success or timeout"
            problems.add(source.error(what, need.node, facts=(f"the other at {_at(source, other)}",), hint=hint))
    for uid, need in plain.items():
        deps.predecessors.setdefault(uid, need.node)


def check(source: Source, instance: Instance, deps: Dependencies, problems: Problems) -> None:
    """Keep an error for each action of which another outcome is needed, and that makes what it reads."""
    for uid, need in deps.conditions.items():
        if uid in deps.predecessors:
            node = deps.predecessors[uid] or _reading(instance)
            what = f"{instance.uid} reads what {uid} makes, and needs {uid} {need.says}"
            facts = (
                f"it reads it at {source.place(node.start)}",
                "what reads an output needs its producer's success",
            )
            hint = "take when: out, or read none of its outputs"
            problems.add(source.error(what, need.node, facts=facts, hint=hint))


def _at(source: Source, need: Need) -> str:
    return str(source.place(need.node.start))


def _reading(instance: Instance) -> Node:
    """Return where an action most likely names what it reads."""
    entries = instance.spec.entries
    return next((entries[key] for key in ("in", "edits", "run", "argv") if key in entries), instance.spec.key)
