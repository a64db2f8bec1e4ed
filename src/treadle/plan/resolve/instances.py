"""From actions as written to their instances: foreach values, uids, outputs, conditions.

Globs see files that no action makes and declared outputs; what makes each is known when every action is expanded,
so actions whose foreach has a glob are expanded again until their answer stays.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection, Mapping, Sequence

from treadle.errors import TreadleError
from treadle.plan.language.enabled_if import Operand
from treadle.plan.language.globs import Disk
from treadle.plan.language.templates import MAGIC, GlobItem, Record, Template, Value
from treadle.plan.read.file_scope import PathResolver
from treadle.plan.read.spec import FromItem, Item, Spec
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Node, Source

from . import glob_matches
from .declared_outputs import DeclaredOutputs, Instance, Output

MAX_INSTANCES = 250_000
MAX_ROUNDS = 50

_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff%,*?]")


class Expander:
    """Makes the instances of all actions.

    :param environ: the environment, for `env.NAME` of tracked variables
    """

    __slots__ = ("disk", "environ", "previous", "source")

    def __init__(
        self,
        source: Source,
        environ: Mapping[str, str],
        previous: Collection[str],
        disk: Disk,
    ) -> None:
        self.source = source
        self.environ = environ
        self.previous = previous
        self.disk = disk

    def expand(self, specs: Sequence[Spec], problems: Problems) -> list[Instance]:
        """Return the instances in the order of the plan."""
        made: dict[Spec, list[Instance]] = {}
        found: dict[Spec, Problems] = {}
        moving = [spec for spec in specs if spec.has_globs]
        nothing = DeclaredOutputs((), self.previous)
        noted = Problems()
        for spec in specs:
            if not spec.has_globs:
                _, made[spec] = self._family(spec, nothing, noted)
                if len(noted):
                    found[spec], noted = noted, Problems()
        if moving:
            self._settle(moving, made, found, problems)
        for spec in specs:
            if spec in found:
                for error in found[spec].errors():
                    problems.add(error)
        return [instance for spec in specs for instance in made[spec]]

    def _settle(
        self,
        moving: Sequence[Spec],
        made: dict[Spec, list[Instance]],
        found: dict[Spec, Problems],
        problems: Problems,
    ) -> None:
        """Expand actions whose foreach has a glob until what the globs take stays."""
        answers: dict[Spec, object] = {}
        for _ in range(min(len(moving), MAX_ROUNDS) + MAX_ROUNDS):
            declared = DeclaredOutputs(itertools.chain.from_iterable(made.values()), self.previous)
            declared.find_real_names(self.disk, lambda: self.previous)
            changed = []
            for spec in moving:
                noted = Problems()
                answer = self._values(spec, declared, noted)
                if spec not in answers or answer != answers[spec]:
                    answers[spec], found[spec] = answer, noted
                    changed.append(spec)
            for spec in changed:
                _, made[spec] = self._family(spec, declared, found[spec])
            if not changed:
                break
        else:
            for spec in changed:
                problems.add(
                    self.source.error(
                        f"{spec.name}: its foreach globs match its own outputs, so its instances never settle",
                        spec.key,
                        hint="narrow the glob, or exclude what the actions make",
                    )
                )

    def _values(
        self, spec: Spec, declared: DeclaredOutputs, problems: Problems
    ) -> list[tuple[str, tuple[str | Record, ...]]] | None:
        """Return each name of foreach with its values; None after a mistake."""
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
            answer = glob_matches.matches(resolver, item, spec.file_scope.scope, declared, spec)
            if not answer and not item.empty and not self._reason_against_all(spec):
                raise glob_matches.no_match_error(resolver, item, spec.file_scope.scope, declared, None)
            return [resolver.as_written(path) for path in answer] if resolver.folder else answer
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
        return spec.file_scope.scope.items(item)

    def _family(self, spec: Spec, declared: DeclaredOutputs, problems: Problems) -> tuple[object, list[Instance]]:
        if not spec.foreach:
            instance = Instance(spec.name, spec, spec.file_scope.scope)
            self._fill(instance, problems)
            return None, [instance]
        values = self._values(spec, declared, problems)
        if values is None:
            return None, []
        count = 1
        for _, texts in values:
            count *= len(texts)
        if count > MAX_INSTANCES:
            problems.add(
                self.source.error(
                    f"foreach makes more than {MAX_INSTANCES:,} actions",
                    spec.key,
                    hint="several names multiply: give fewer",
                )
            )
            return values, []
        if not count and (reason := self._reason_against_all(spec)):
            # an action that reads or needs the family is disabled with it
            hollow = Instance(f"{spec.name}@", spec, spec.file_scope.scope)
            hollow.disabled, hollow.is_placeholder = reason, True
            return values, [hollow]
        found: list[Instance] = []
        uids: set[str] = set()
        names = [name for name, _ in values]
        outside = self._folders_outside(spec)
        scope = spec.file_scope.scope
        for chosen in itertools.product(*[texts for _, texts in values]):
            uid = f"{spec.name}@{','.join([uid_part(_cut(_named(value), outside)) for value in chosen])}"
            if uid in uids:
                problems.add(
                    self.source.error(f"foreach makes {uid} twice", spec.entries["foreach"], hint=_one_each(chosen))
                )
                return values, found
            uids.add(uid)
            local = scope.with_local(_local(names, chosen), _unknown(scope.unknown, names, chosen))
            local.typed = _typed(names, chosen)
            with problems.collecting():
                one = spec if spec.variants is None else spec.variants.of(local)
                instance = Instance(uid, one, local)
                self._fill(instance, problems)
                found.append(instance)
            if len(problems):
                break
        return values, found

    def _folders_outside(self, spec: Spec) -> tuple[str, ...]:
        globs = [item for _, items in spec.foreach for item in items if isinstance(item, GlobItem)]
        return tuple(
            folder
            for item in globs
            for folder in glob_matches.folders_outside(spec.file_scope.resolver, item, spec.file_scope.scope)
        )

    def _fill(self, instance: Instance, problems: Problems) -> None:
        spec, scope, resolver = instance.spec, instance.scope, instance.spec.file_scope.resolver
        for slot in spec.outputs:
            for item in slot.items:
                if not isinstance(item, Template):
                    continue
                try:
                    for text in scope.items(item):
                        instance.outputs.append(Output(resolver.resolve_output(text, item.node), item.node, slot))
                except TreadleError as error:
                    problems.collect(error)
        if spec.stdout is not None:
            with problems.collecting():
                node = spec.stdout.node
                instance.stdout = _file(resolver, scope.text(spec.stdout), node, "stdout")
                if all(instance.stdout != output.path for output in instance.outputs):
                    instance.outputs.append(Output(instance.stdout, node))
        if spec.depfile is not None:
            with problems.collecting():
                instance.depfile = _file(resolver, scope.text(spec.depfile), spec.depfile.node, "depfile")
        if spec.expand is not None:
            with problems.collecting():
                node = spec.expand.node
                instance.expand = _file(resolver, scope.text(spec.expand), node, "expand")
                if all(instance.expand != output.path for output in instance.outputs):
                    instance.outputs.append(Output(instance.expand, node))
        if spec.condition is not None:
            with problems.collecting():
                self._decide(instance)

    def _decide(self, instance: Instance) -> None:
        values = {**instance.scope.local, **instance.scope.typed}
        instance.disabled = self._reason_against(instance.spec, values)

    def _reason_against_all(self, spec: Spec) -> str:
        """Return why all of a family is left out whatever its values are, "" if that depends on these."""
        if spec.condition is None or spec.variants is not None:
            return ""
        try:
            return self._reason_against(spec, {})
        except TreadleError:
            return ""

    def _reason_against(self, spec: Spec, values: Mapping[str, Operand]) -> str:
        condition = spec.condition
        assert condition is not None
        hidden = [f"env.{name}" for name in spec.secret]
        tracked = {f"env.{name}": self.environ.get(name, "") for name in spec.track}
        known = {**spec.file_scope.operands, **values, **tracked}
        holds, shown = condition.evaluate(known, {**spec.file_scope.unusable, **_UNTRACKED}, hidden)
        if holds:
            return ""
        return f"when {' '.join(condition.node.text.split())} is false" + (f": {shown}" if shown else "")


PATHS_ONLY = {
    **dict.fromkeys(
        ("in", "out", "depfile", "edits"),
        "${in}, ${out}, ${edits} and ${depfile} can only be used in commands and env\n"
        "write the path, or a var for both",
    ),
    "env": (
        "variables of the environment can only be used in when, as env.NAME\n"
        "in sh a tracked or passed variable is $NAME"
    ),
    "platform": "platform.os and platform.arch can only be used in when and select\nuse a var with a select:",
}
_UNTRACKED = {
    "env": "a condition can only use variables that its action tracks\nwrite track: [NAME]",
    "in": 'in needs a value before it and a list after it\nsuch as mode in ["debug"]',
    "out": "a condition cannot use outputs\nuse parameters, vars and foreach values",
    "depfile": "a condition cannot use the depfile\nuse parameters, vars and foreach values",
}


def _file(resolver: PathResolver, text: str, node: Node, what: str) -> str:
    path = resolver.resolve_output(text, node, what)
    if path.endswith("/"):
        raise resolver.source.error(
            f"{what} must be a file, but {path} is a folder", node, hint="take the / away, or name a file in it"
        )
    return path


def _cut(text: str, folders: Sequence[str]) -> str:
    """Return a path without the folder outside the root that its glob looked in: that is no part of a name."""
    for folder in folders:
        if text.startswith(folder):
            return text[len(folder) :]
    return text


def uid_part(text: str) -> str:
    """Return a foreach value as it stands in a uid: what would not show, and `% , * ?`, as `%` and hex bytes."""
    if not _ODD.search(text):
        return text
    return _ODD.sub(lambda found: "".join(f"%{byte:02X}" for byte in os.fsencode(found.group())), text)


def _named(value: str | Record) -> str:
    return value if isinstance(value, str) else value.name or ""


def _one_each(chosen: Sequence[str | Record]) -> str:
    if any(isinstance(value, Record) for value in chosen):
        return "give each record a name: of its own"
    return "remove the duplicate value"


def _typed(names: Sequence[str], chosen: Sequence[str | Record]) -> Mapping[str, Operand]:
    """Return what conditions see of fields that are numbers or booleans."""
    found: dict[str, Operand] = {}
    for name, value in zip(names, chosen, strict=True):
        if isinstance(value, Record) and value.typed:
            found.update({f"{name}.{field}": one for field, one in value.typed.items()})
    return found


def _unknown(known: Mapping[str, str], names: Sequence[str], chosen: Sequence[str | Record]) -> Mapping[str, str]:
    """Return what to say about names without a value, fields of records that are no value among them."""
    for name, value in zip(names, chosen, strict=True):
        if isinstance(value, Record) and value.unusable:
            odd = {
                f"{name}.{field}": said.replace("${", f"${{{name}.", 1) for field, said in value.unusable.items()
            }
            known = {**known, **odd}
    return known


def _local(names: Sequence[str], chosen: Sequence[str | Record]) -> dict[str, Value]:
    local: dict[str, Value] = {}
    for name, value in zip(names, chosen, strict=True):
        if isinstance(value, str):
            _take_path(local, name, value)
            continue
        for field, text in value.values.items():
            if isinstance(text, str):
                _take_path(local, f"{name}.{field}", text)
        local.update({f"{name}.{field}": text for field, text in value.values.items()})
    return local


def _take_path(local: dict[str, Value], name: str, text: str) -> None:
    """Take in a text, and the parts that it has as a path."""
    folder, _, last = text.rpartition("/")
    stem, ext = os.path.splitext(last)
    local[name] = text
    local[name + ".name"] = last
    local[name + ".stem"] = stem
    local[name + ".ext"] = ext
    local[name + ".noext"] = text[: len(text) - len(ext)] if ext else text
    local[name + ".dir"] = folder or ("/" if text.startswith("/") else ".")
    local[name + ".dir.name"] = folder.rpartition("/")[2]
