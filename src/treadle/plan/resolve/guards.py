"""Builds the guards of an instance: what is required and asked before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.command.guards import Guards, Requirement
from treadle.core.redaction import without_values_in
from treadle.core.text import shell_join
from treadle.plan.language import argv_split, shell
from treadle.plan.language.templates import Scope
from treadle.plan.read.spec import RequiredSpec

from .declared_outputs import Instance
from .instances import is_false, operands_of


def guards_of(instance: Instance, scope: Scope, environ: Mapping[str, str], secrets: Sequence[str]) -> Guards:
    """Return the guards of an instance.

    :param scope: the values of its commands
    :param environ: the environment, for variables in conditions
    :param secrets: values that are not shown
    """
    settings = instance.spec.settings
    required = [_required(one, instance, scope, environ, secrets) for one in settings.require]
    confirm = "" if settings.confirm is None else without_values_in(scope.text(settings.confirm), secrets)
    return Guards([one for one in required if one is not None], confirm)


def _required(
    spec: RequiredSpec, instance: Instance, scope: Scope, environ: Mapping[str, str], secrets: Sequence[str]
) -> Requirement | None:
    """Return what has to hold; None for a condition that does."""
    message = "" if spec.message is None else without_values_in(scope.text(spec.message), secrets)
    if spec.condition is not None:
        failed = is_false(spec.condition, instance.spec, operands_of(instance.scope), environ)
        return Requirement(message=message, failed=without_values_in(failed, secrets)) if failed else None
    if spec.sh is None:
        argvs = [argv_split.fill(step, scope) for step in spec.steps]
        return Requirement(argvs, message, without_values_in("; ".join(map(shell_join, argvs)), secrets))
    source = instance.spec.file_scope.resolver.source
    script = shell.fill(source, spec.sh, spec.pieces, scope, instance.spec.settings.shell)
    argv = (*script.shell, script.text, *script.words)
    return Requirement([argv], message, without_values_in(script.shown, secrets), script.variables)
