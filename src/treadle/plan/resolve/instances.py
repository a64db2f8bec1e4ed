"""Expands actions to instances: values of foreach, uids, outputs and conditions.

Globs match files that no action makes and declared outputs. The outputs are known once every action is expanded, so
actions with a glob in foreach are expanded again until their values stay the same.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from treadle.errors import TreadleError
from treadle.frontends.base import PreviousOutputs
from treadle.plan.language.data import scalar
from treadle.plan.language.enabled_if import Condition, Operand
from treadle.plan.language.globs import Disk
from treadle.plan.language.templates import MAGIC, ROOT_MARK, GlobItem, Record, Scope, Template, TreeItem, Value
from treadle.plan.read.file_scope import PathResolver
from treadle.plan.read.spec import FromItem, Item, Slot, Spec
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Node, Source

from . import glob_matches
from .declared_outputs import DeclaredOutputs, Instance, Output

MAX_INSTANCES = 250_000
MAX_ROUNDS = 50

_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff%,*?]")


@dataclass(slots=True, eq=False)
class Expander:
    """Makes the instances of all actions.

    :param environ: the environment, for `env.NAME` of tracked variables
    :param previous: paths that actions made in previous runs
    """

    source: Source
    environ: Mapping[str, str]
    previous: PreviousOutputs
    disk: Disk

    def expand(self, specs: Sequence[Spec], problems: Problems) -> list[Instance]:
        """Return the instances in the order of the plan."""
        families: dict[Spec, list[Instance]] = {}
        errors: dict[Spec, Problems] = {}
        with_globs = [spec for spec in specs if spec.has_globs]
        no_outputs = DeclaredOutputs((), self.previous, self.disk, lambda: self.previous)
        noted = Problems()
        for spec in specs:
            if not spec.has_globs:
                families[spec] = self._family(spec, no_outputs, noted)
                if len(noted):
                    errors[spec], noted = noted, Problems()
        if with_globs:
            self._settle(with_globs, families, errors, problems)
        for spec in specs:
            if spec in errors:
                for error in errors[spec].errors():
                    problems.add(error)
        return [instance for spec in specs for instance in families[spec]]

    def _settle(
        self,
        with_globs: Sequence[Spec],
        families: dict[Spec, list[Instance]],
        errors: dict[Spec, Problems],
        problems: Problems,
    ) -> None:
        """Expand actions with a glob in foreach until what the globs match stays the same."""
        known: dict[Spec, object] = {}
        for _ in range(min(len(with_globs), MAX_ROUNDS) + MAX_ROUNDS):
            instances = itertools.chain.from_iterable(families.values())
            declared = DeclaredOutputs(instances, self.previous, self.disk, lambda: self.previous)
            changed = []
            for spec in with_globs:
                noted = Problems()
                values = self._values(spec, declared, noted)
                if spec not in known or values != known[spec]:
                    known[spec], errors[spec] = values, noted
                    changed.append(spec)
            for spec in changed:
                families[spec] = self._family(spec, declared, errors[spec])
            if not changed:
                return
        for spec in changed:
            what = f"{spec.name}: its foreach globs match its own outputs, so its instances never settle"
            hint = "narrow the glob, or exclude what the actions make"
            problems.add(self.source.error(what, spec.key, hint=hint))

    def _values(
        self, spec: Spec, declared: DeclaredOutputs, problems: Problems
    ) -> list[tuple[str, tuple[str | Record, ...]]] | None:
        """Return each name of foreach with its values; None after an error."""
        found = []
        for name, items in spec.foreach:
            values: list[str | Record] = []
            for item in items:
                with problems.collecting():
                    values.extend([item] if isinstance(item, Record) else self._item(spec, item, declared))
            found.append((name, tuple(values)))
        return None if len(problems) else found

    def _item(self, spec: Spec, item: Item, declared: DeclaredOutputs) -> Sequence[str | Record]:
        if isinstance(item, GlobItem):
            resolver = spec.file_scope.resolver
            found = glob_matches.matches(resolver, item, spec.file_scope.scope, declared, spec)
            if not found and not item.empty and not self._disables_all(spec):
                raise glob_matches.no_match_error(resolver, item, spec.file_scope.scope, declared, None)
            return [resolver.as_written(path) for path in found] if resolver.folder else found
        if isinstance(item, TreeItem):
            hint = "foreach takes a list or a glob"
            raise self.source.error("foreach cannot use a folder with exclude", item.node, hint=hint)
        assert not isinstance(item, FromItem)
        whole = item.whole
        if whole is not None and whole.name in spec.file_scope.scope.records:
            return spec.file_scope.scope.records[whole.name]
        is_alone = any(item.node is node for node in getattr(spec.entries["foreach"], "nodes", {}).values())
        if is_alone and whole and not isinstance(spec.file_scope.scope.value(item, whole), tuple):
            hint = f'["${{{whole.name}}}"] is a list of one'
            if MAGIC.search(text := spec.file_scope.scope.one(item, whole)):
                hint = f'a value is never a pattern: give the var {{glob: "{text}"}}; {hint}'
            raise item.error(f"foreach needs a list, but ${{{whole.name}}} is one text", whole, hint=hint)
        return spec.file_scope.scope.raw.items(item)

    def _family(self, spec: Spec, declared: DeclaredOutputs, problems: Problems) -> list[Instance]:
        scope = spec.file_scope.scope
        if not spec.foreach:
            return [self._instance(spec.name, spec, scope, problems)]
        values = self._values(spec, declared, problems)
        if values is None:
            return []
        count = math.prod(len(texts) for _, texts in values)
        if count > MAX_INSTANCES:
            what = f"foreach makes more than {MAX_INSTANCES:,} actions"
            problems.add(self.source.error(what, spec.key, hint="several names multiply: give fewer"))
            return []
        if not count and (reason := self._disables_all(spec)):
            # an action that reads or needs the family is disabled with it
            return [Instance(f"{spec.name}@", spec, scope, disabled=reason, is_placeholder=True)]
        found: dict[str, Instance] = {}
        names = [name for name, _ in values]
        outside = self._folders_outside(spec)
        for chosen in itertools.product(*[texts for _, texts in values]):
            uid = f"{spec.name}@{','.join([_uid_part(_cut(_named(value, scope), outside)) for value in chosen])}"
            if uid in found:
                what = f"foreach makes {uid} twice"
                problems.add(self.source.error(what, spec.entries["foreach"], hint=_one_each(chosen)))
                break
            unknown = _unknown(scope.unknown, names, chosen)
            trees = {name: one.tree for name, one in zip(names, chosen, strict=True) if isinstance(one, Record)}
            local = scope.with_local(_local(names, chosen, scope), unknown, _typed(names, chosen), trees)
            with problems.collecting():
                one = spec if spec.variants is None else spec.variants.of(local)
                found[uid] = self._instance(uid, one, local, problems)
            if len(problems):
                break
        return list(found.values())

    def _folders_outside(self, spec: Spec) -> tuple[str, ...]:
        scope, resolver = spec.file_scope.scope, spec.file_scope.resolver
        globs = [item for _, items in spec.foreach for item in items if isinstance(item, GlobItem)]
        return tuple(folder for item in globs for folder in glob_matches.folders_outside(resolver, item, scope))

    def _instance(self, uid: str, spec: Spec, scope: Scope, problems: Problems) -> Instance:
        """Return an instance; errors are kept."""
        resolver = spec.file_scope.resolver
        raw = scope.raw
        outputs: list[Output] = []
        for slot in spec.outputs:
            for item in slot.items:
                if isinstance(item, Template):
                    try:
                        node = item.node
                        outputs += [Output(resolver.resolve_output(t, node), node, slot) for t in raw.items(item)]
                    except TreadleError as error:
                        problems.collect(error)
                elif isinstance(item, TreeItem):
                    with problems.collecting():
                        outputs += _folders(item, resolver, scope, slot)
        files: dict[str, str] = {}
        for key in ("stdout", "depfile", "expand") if spec.files else ():
            if key in spec.files:
                template = spec.files[key]
                with problems.collecting():
                    path = files[key] = _file(resolver, raw.text(template), template.node, key)
                    if key != "depfile" and all(path != output.path for output in outputs):
                        outputs.append(Output(path, template.node))
        disabled = ""
        if spec.condition is not None:
            with problems.collecting():
                disabled = self._when_is_false(spec, operands_of(scope))
        get = files.get
        return Instance(uid, spec, scope, outputs, get("stdout"), get("depfile"), get("expand"), disabled)

    def _disables_all(self, spec: Spec) -> str:
        """Return why all of a family is disabled whatever its values are, "" if it depends on them."""
        if spec.condition is None or spec.variants is not None:
            return ""
        try:
            return self._when_is_false(spec, {})
        except TreadleError:
            return ""

    def _when_is_false(self, spec: Spec, values: Mapping[str, Operand]) -> str:
        assert spec.condition is not None
        return is_false(spec.condition, spec, values, self.environ)


def operands_of(scope: Scope) -> dict[str, Operand]:
    """Return the values of an instance in conditions."""
    local = {name: scope.real(one) for name, one in scope.local.items()} if scope.root else scope.local
    return {**local, **scope.typed}


def values_of(scope: Scope) -> dict[str, Operand]:
    """Return the same for conditions about the actions of a plan: there a text that is a number is one."""
    found = operands_of(scope)
    return {name: scalar(one, is_plain=True) if isinstance(one, str) else one for name, one in found.items()}


def is_false(condition: Condition, spec: Spec, values: Mapping[str, Operand], environ: Mapping[str, str]) -> str:
    """Return that a condition of an action is false, with the values in it; "" if it is true.

    :param values: those of an instance
    """
    secret = [f"env.{name}" for name in spec.settings.secret]
    tracked = {f"env.{name}": environ.get(name, "") for name in spec.settings.track}
    known = {**spec.file_scope.operands, **values, **tracked}
    try:
        holds, shown = condition.evaluate(known, {**spec.file_scope.unusable, **_NOT_IN_CONDITIONS}, secret)
    except TreadleError as error:
        raise _about_outcome(error) from None
    if holds:
        return ""
    return f"when {' '.join(condition.node.text.split())} is false" + (f": {shown}" if shown else "")


def _about_outcome(error: TreadleError) -> TreadleError:
    """Return an error of a condition; if its name is an outcome's, one that says where outcomes are named."""
    from treadle.core.conditions import NAMES

    word = error.what.partition(" is not defined")[0]
    if word == error.what or word.lower() not in NAMES:
        return error
    return TreadleError(
        f"{word} is an outcome, and when of an action compares values",
        facts=("when of an entry of needs names outcomes",),
        hint=f"needs: [{{action: NAME, when: {word}}}]",
        place=error.place,
    )


_NOT_IN_CONDITIONS = {
    "env": "a condition can only use variables that its action tracks\nwrite track: [NAME]",
    "in": 'in needs a value before it and a list after it\nsuch as mode in ["debug"]',
    "out": "a condition cannot use outputs\nuse parameters, vars and foreach values",
    "depfile": "a condition cannot use the depfile\nuse parameters, vars and foreach values",
    "root": "a condition cannot use the root\nuse parameters, vars and foreach values",
}


def _folders(item: TreeItem, resolver: PathResolver, scope: Scope, slot: Slot) -> list[Output]:
    """Return the output folders of a map with `path`."""
    exclude, found = resolver.excluded(item.exclude, scope), []
    for template in item.paths:
        for text in scope.raw.items(template):
            path = resolver.resolve_output(text, template.node)
            if not path.endswith("/"):
                what = f"exclude and check are for output folders, and {path} has no / at its end"
                raise resolver.source.error(what, template.node, hint=f"a folder is {path}/; a file needs no map")
            found.append(Output(path, template.node, slot, exclude, item.check == "presence"))
    return found


def _file(resolver: PathResolver, text: str, node: Node, what: str) -> str:
    path = resolver.resolve_output(text, node, what)
    if path.endswith("/"):
        hint = "take the / away, or name a file in it"
        raise resolver.source.error(f"{what} must be a file, but {path} is a folder", node, hint=hint)
    return path


def _cut(text: str, folders: Sequence[str]) -> str:
    """Return a path without the folder outside the root that its glob searched: names do not contain it."""
    for folder in folders:
        if text.startswith(folder):
            return text[len(folder) :]
    return text


def _uid_part(text: str) -> str:
    """Return a foreach value for a uid: unprintable characters and `% , * ?` become `%` and hex bytes."""
    if not _ODD.search(text):
        return text
    return _ODD.sub(lambda found: "".join(f"%{byte:02X}" for byte in os.fsencode(found.group())), text)


def _named(value: str | Record, scope: Scope) -> str:
    """Return what means a value in a uid: a path below `${root}` is the same name wherever the root is."""
    text = value if isinstance(value, str) else value.name or ""
    return "." if text == ROOT_MARK else scope.real(text.removeprefix(ROOT_MARK + "/"))


def _one_each(chosen: Sequence[str | Record]) -> str:
    if any(isinstance(value, Record) for value in chosen):
        return "give each record a name: of its own"
    return "remove the duplicate value"


def _typed(names: Sequence[str], chosen: Sequence[str | Record]) -> Mapping[str, Operand]:
    """Return the values in conditions of fields that are numbers or booleans."""
    found: dict[str, Operand] = {}
    for name, value in zip(names, chosen, strict=True):
        if isinstance(value, Record) and value.typed:
            found.update({f"{name}.{field}": one for field, one in value.typed.items()})
    return found


def _unknown(known: Mapping[str, str], names: Sequence[str], chosen: Sequence[str | Record]) -> Mapping[str, str]:
    """Return the errors for names without a value, unusable fields of records included."""
    for name, value in zip(names, chosen, strict=True):
        if isinstance(value, Record) and value.unusable:
            odd = {
                f"{name}.{field}": said.replace("${", f"${{{name}.", 1) for field, said in value.unusable.items()
            }
            known = {**known, **odd}
    return known


def _local(names: Sequence[str], chosen: Sequence[str | Record], scope: Scope) -> dict[str, Value]:
    local: dict[str, Value] = {}
    for name, value in zip(names, chosen, strict=True):
        if isinstance(value, str):
            _add_path(local, name, value, scope)
            continue
        for field, text in value.values.items():
            if isinstance(text, str):
                _add_path(local, f"{name}.{field}", text, scope)
        local.update({f"{name}.{field}": text for field, text in value.values.items()})
    return local


def _add_path(local: dict[str, Value], name: str, text: str, scope: Scope) -> None:
    """Add a text, and its parts as a path."""
    local[name] = text
    if ROOT_MARK in text.rpartition("/")[2]:
        text = scope.real(text)
    folder, _, last = text.rpartition("/")
    stem, ext = os.path.splitext(last)
    local[name + ".name"] = last
    local[name + ".stem"] = stem
    local[name + ".ext"] = ext
    local[name + ".noext"] = text[: len(text) - len(ext)] if ext else text
    local[name + ".dir"] = folder or ("/" if text.startswith("/") else ".")
    local[name + ".dir.name"] = scope.real(folder).rpartition("/")[2]
