"""Resolves the names in `needs`, `after` and `from` of an action to other actions and their outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from treadle.errors import TreadleError, listed, nearest
from treadle.frontends.names import Names, is_pattern
from treadle.plan.language.templates import Template
from treadle.plan.read.spec import FromItem
from treadle.plan.yaml.diagnostics import Problems, UnloadedNameError
from treadle.plan.yaml.nodes import Source

from .declared_outputs import Instance


@dataclass(slots=True, frozen=True, eq=False)
class References:
    """Finds the actions that others name.

    :param by_uid: all instances, disabled ones too
    """

    source: Source
    names: Names
    by_uid: Mapping[str, Instance]

    def waited_for(
        self,
        instance: Instance,
        templates: Sequence[Template],
        kind: str,
        problems: Problems,
        *,
        may_miss: bool = False,
    ) -> tuple[list[tuple[str, list[Instance]]], list[tuple[Instance, TreadleError]]]:
        """Return the names in needs or after with their actions; errors are kept.

        A name may be in a generated plan that is not loaded. The second list has the producer of each such plan,
        and the error about the name if the producer is enabled.

        :param kind: `needs` or `after`
        :param may_miss: whether a name may select nothing
        """
        found: list[tuple[str, list[Instance]]] = []
        unloaded: list[tuple[Instance, TreadleError]] = []
        for template in templates:
            for name in instance.scope.items(template):
                try:
                    found.append((name, self._named(name, template, kind, instance, may_miss=may_miss)))
                except TreadleError as error:
                    producer = self.names.producer_of_plan(instance.spec.file_scope.prefix + name)
                    if producer is None or producer == instance.uid:
                        problems.collect(error)
                    else:
                        found.append((name, [self.by_uid[producer]]))
                        unloaded.append((self.by_uid[producer], UnloadedNameError.of(error)))
        return found, unloaded

    def _named(
        self, name: str, template: Template, kind: str, instance: Instance, *, may_miss: bool
    ) -> list[Instance]:
        prefix = instance.spec.file_scope.prefix
        self._refuse_own(name, template, instance)
        if self.names.may_be_made(name, prefix, instance.uid):
            raise self._not_known(name, template)
        uids = self.names.said(name, prefix)
        if uids and is_pattern(name):
            # a pattern takes what can come before the action
            is_last = instance.spec.flag("finally") and kind == "after"
            others = [uid for uid in uids if uid != instance.uid]
            uids = [uid for uid in others if is_last or not self.by_uid[uid].spec.flag("finally")] or None
        if uids is None:
            if may_miss and self.names.producer_of_plan(prefix + name) is None:
                return []
            raise self._unknown(name, template, kind, prefix)
        return [self.by_uid[uid] for uid in uids]

    def _refuse_own(self, name: str, template: Template, instance: Instance) -> None:
        if self.names.open and self.names.producer_of_plan(instance.spec.file_scope.prefix + name) == instance.uid:
            what = f"{instance.uid} waits for {name}, which is in the plan that it generates"
            raise self.source.error(what, template.node, hint="name what comes before it")

    def _not_known(self, name: str, template: Template) -> TreadleError:
        """Return the error for a pattern that may match actions of a plan that is not generated yet."""
        what = f"it is not known yet what {name} matches"
        return UnloadedNameError.of(self.source.error(what, template.node, hint="a run generates that plan first"))

    def _unknown(self, name: str, template: Template, kind: str, prefix: str) -> TreadleError:
        error = self.names.unknown(name, self.names.known_below(prefix))
        hint = error.hint if "did you mean" in error.hint else "treadle list shows the names"
        if not prefix and name in self.names.outputs:
            hint = "name a file in in:, and its producer runs first"
        what = error.what if is_pattern(name) else f"there is no action, family or group {name!r}"
        return self.source.error(f"{kind}: {what}", template.node, hint=hint)

    def outputs(
        self, item: FromItem, instance: Instance, *, is_early: bool = False
    ) -> list[tuple[Instance, list[str]]]:
        """Return the producers that a `from` names, each with the outputs that are read.

        :param is_early: whether it is not known yet which actions are disabled
        """
        found: list[tuple[Instance, list[str]]] = []
        for template in item.names:
            for name in instance.scope.items(template):
                uids, output, is_several = self._from_name(name, template, instance, (is_early, item.empty))
                before = len(found)
                for uid in uids:
                    producer = self.by_uid[uid]
                    paths = [one.path for one in producer.outputs if not output or one.name == output]
                    if (paths and producer is not instance) or producer.is_placeholder:
                        found.append((producer, paths))
                    elif not is_several:
                        raise self._no_outputs(
                            producer, output, template, is_own=producer is instance and bool(paths)
                        )
                if is_several and uids and len(found) == before and not item.empty:
                    what = f"an output {output}" if output else "outputs"
                    hint = "give them outputs, or name them in needs:"
                    raise self.source.error(f"from: no action of {name} has {what}", template.node, hint=hint)
        return found

    def _no_outputs(self, producer: Instance, output: str, template: Template, *, is_own: bool) -> TreadleError:
        if is_own:
            return self.source.error(
                f"{producer.uid} reads its own outputs", template.node, hint="name what comes before it"
            )
        if not output:
            hint = "give it outputs, or name it in needs:"
            return self.source.error(f"from: {producer.uid} has no outputs", template.node, hint=hint)
        known = sorted({one.name for one in producer.outputs if one.name})
        fact = f"it has {listed(known)}" if known else "it has no named outputs"
        close = nearest(output, known)
        hint = f"did you mean {close}?" if close else "name one of its outputs, or all without ."
        return self.source.error(
            f"from: {producer.uid} has no output {output}", template.node, facts=(fact,), hint=hint
        )

    def _from_name(
        self, name: str, template: Template, instance: Instance, how: tuple[bool, bool]
    ) -> tuple[Sequence[str], str, bool]:
        """Return the uids of a name in `from`, the output that it names, and whether it may name several actions.

        :param how: whether it is not known yet which actions are disabled, and whether a pattern may match nothing
        """
        names, prefix, (is_early, may_be_empty) = self.names, instance.spec.file_scope.prefix, how
        self._refuse_own(name, template, instance)
        is_open = names.may_be_made(name, prefix, instance.uid) or names.is_open_group(prefix + name, instance.uid)
        for start, output in () if is_open else ((name, ""), tuple(name.rpartition(".")[::2])):
            uids = names.said(start, prefix) if start else None
            if uids is not None:
                is_action = prefix + start in names.families or prefix + start in names.uids
                return uids, output, not is_action
        producer = names.producer_of_plan(prefix + name)
        if producer is not None and (is_early or self.by_uid[producer].disabled):
            return [producer], "", False
        if is_open:
            raise self._not_known(name, template)
        if is_pattern(name) and may_be_empty:
            return (), "", True
        error = self._unknown(name, template, "from", prefix)
        raise error if producer is None else UnloadedNameError.of(error)
