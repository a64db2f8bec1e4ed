"""The conditions of an action's edges: adds what `needs` says, and checks it against its other edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.plan.read.spec import Need
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Node, Source

from .declared_outputs import Instance
from .dependencies import Dependencies


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


def check_last(
    source: Source, instances: Sequence[Instance], dependencies: Mapping[str, Dependencies], problems: Problems
) -> None:
    """Keep an error for each action that depends on one at the end of the run, see `finally`."""
    last = {one.uid: one.spec for one in instances if one.spec.flag("finally") and not one.disabled}
    for instance in instances:
        if instance.disabled:
            continue
        uid, deps, entries = instance.uid, dependencies[instance.uid], instance.spec.entries
        nodes = {**deps.predecessors, **{one: need.node for one, need in deps.conditions.items()}}
        if uid not in last:
            nodes |= {one.uid: entries.get("after") for one in deps.after}
        for one, node in nodes.items():
            if one in last:
                what = f"{uid} depends on {one}, which runs at the end (finally), after all others"
                hint = f"take finally: out of {last[one].name}, or the dependency"
                facts = (f"{one} at {source.place(last[one].key.start)}",)
                problems.add(source.error(what, node or _reading(instance), facts=facts, hint=hint))
        if uid in last:
            _check_keys(source, instance, problems)


def _check_keys(source: Source, instance: Instance, problems: Problems) -> None:
    """Keep an error for each key that an action at the end cannot have."""
    entries = instance.spec.entries
    if "needs" in entries:
        what = f"{instance.uid} runs at the end (finally), whatever the outcome of others: it cannot have needs"
        problems.add(source.error(what, entries["needs"], hint="take needs: out, or finally:"))
    if instance.expand is not None:
        what = f"{instance.uid} runs at the end (finally): it cannot generate a plan"
        problems.add(source.error(what, entries.get("expand", instance.spec.key), hint="take expand: out"))


def _at(source: Source, need: Need) -> str:
    return str(source.place(need.node.start))


def _reading(instance: Instance) -> Node:
    """Return where an action most likely names what it reads."""
    entries = instance.spec.entries
    return next((entries[key] for key in ("in", "edits", "run", "argv") if key in entries), instance.spec.key)
