"""Finds the files that the outputs of an action are compared with."""

from __future__ import annotations

from treadle.content.trust import STATE_FOLDER
from treadle.core.paths import holds
from treadle.core.patterns import Exclusion
from treadle.errors import nearest
from treadle.plan.language.templates import Template
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Source

from .declared_outputs import DeclaredOutputs, Instance, Output
from .dependencies import Dependencies


def add_baselines(
    source: Source, declared: DeclaredOutputs, instance: Instance, deps: Dependencies, problems: Problems
) -> None:
    """Add the baselines of an action to what it depends on; errors are kept."""
    for name, file in instance.spec.settings.baseline:
        with problems.collecting():
            output, path = _output(source, instance, name), _path(source, declared, instance, file)
            if output in deps.baseline:
                raise source.error(f"{output} has two baselines", name.node, hint="take one of them out")
            deps.baseline[output] = path


def _output(source: Source, instance: Instance, name: Template) -> str:
    path = instance.spec.file_scope.resolver.path(instance.scope.raw.text(name), name.node, "an output in baseline")
    outputs = [one.path for one in instance.outputs]
    if path.endswith("/"):
        what = f"baseline compares files, and {path} is a folder"
        raise source.error(what, name.node, hint="name each file in it that is to be compared")
    if not any(holds(one, path) for one in outputs):
        close = nearest(path, outputs)
        hint = f"did you mean {close}?" if close else f"write out: {path}, or name one of its outputs"
        raise source.error(f"{path} is no output of {instance.uid}", name.node, hint=hint)
    if path not in outputs and (around := next((one for one in instance.outputs if _is_left_out(path, one)), None)):
        what = f"{path} has a baseline, and `exclude` leaves it out of {around.path}"
        raise source.error(what, name.node, hint="what is left out is none of the output: take it out of exclude")
    return path


def _is_left_out(path: str, output: Output) -> bool:
    if not output.exclude or not path.startswith(output.path):
        return False
    return Exclusion(output.exclude).covers(path[len(output.path) :])


def _path(source: Source, declared: DeclaredOutputs, instance: Instance, file: Template) -> str:
    resolver = instance.spec.file_scope.resolver
    path = resolver.path(instance.scope.raw.text(file), file.node, "a baseline")
    wrong = "is a folder" if path.endswith("/") else ""
    wrong = "is outside the root" if path.startswith("/") else wrong
    wrong = "is in the state folder" if path.startswith(f"{STATE_FOLDER}/") else wrong
    wrong = "is the plan itself" if path == resolver.plan else wrong
    producers = declared.producers_by_any_name(path)
    if producers:
        wrong = f"is an output of {producers[0].uid}"
    if wrong:
        hint = "a baseline is a file that is kept with the sources"
        raise source.error(f"the baseline {path} {wrong}", file.node, hint=hint)
    return path
