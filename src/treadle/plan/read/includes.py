"""Plans in plans: finds, reads and checks the files that `include` names, and those that actions generate."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from treadle.core.paths import below
from treadle.errors import TreadleError, listed, nearest, shortened
from treadle.plan.language import templates
from treadle.plan.schema.keys import ACTION_NAME, INCLUDE_KEYS
from treadle.plan.yaml import parser
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table, move

from .file import Header, PlanFile, read_header, read_values
from .params import Given

MAX_FILES = 1000
_PLAIN_NAMES = ("plan", "treadle")
"""Names of files that say nothing: such a plan gets the name of its folder."""


@dataclass(slots=True, frozen=True, eq=False)
class _Include:
    """One element of `include`.

    :param given: the nodes of `params`
    """

    node: Node
    file: Scalar
    name: str
    optional: bool = False
    given: Mapping[str, tuple[Scalar, Node]] = field(default_factory=dict)


def with_included(top: PlanFile) -> list[PlanFile]:
    """Return a file and all files that it includes, each after the one that includes it."""
    found: list[PlanFile] = []
    stack: list[tuple[PlanFile, tuple[str, ...]]] = [(top, (top.path,))]
    while stack:
        file, above = stack.pop()
        found.append(file)
        inside: list[tuple[PlanFile, tuple[str, ...]]] = []
        for include in _includes(file):
            if len(found) + len(stack) + len(inside) > MAX_FILES:
                hint = "check for plans that are included several times"
                file.validator.add(f"more than {MAX_FILES:,} included plans", include.node, hint=hint)
                return found
            with file.validator.problems.collecting():
                child = _read(file, include, above)
                if child is not None:
                    inside.append((child, (*above, child.path)))
        stack += reversed(inside)
    return found


def read_generated(file: PlanFile, uid: str, path: str, node: Node) -> list[PlanFile]:
    """Return a plan that an action has generated, and all that it includes; [] if it has errors, which are kept.

    :param file: the file of the action
    :param uid: the action
    :param path: of the plan, relative to the root
    :param node: names the plan
    :raises TreadleError: it cannot be read at all
    """
    common = file.common
    full = os.path.join(common.root, path)
    shown = path if os.path.samefile(common.root, os.getcwd()) else full
    common.disk.note(os.path.abspath(shown))
    header = _read_header(file, full, shown, f"{uid}:", node, f"treadle run {uid} makes it")
    if header is None:
        return []
    if "root" in header.entries:
        hint = f"its paths are relative to what those of {uid} are relative to: take it out"
        raise file.validator.error("a generated plan cannot set root", header.entries["root"], hint=hint)
    header = replace(header, root=file.root)
    folder = file.file_scope.resolver.folder
    generated = read_values(header, common, {}, folder=folder, generated_by=uid)
    file.generated.append(generated.prefix)
    return with_included(generated)


def _includes(file: PlanFile) -> Iterator[_Include]:
    """Yield the valid elements of `include`; errors are kept."""
    node = file.entries.get("include")
    validator = file.validator
    names = dict.fromkeys(getattr(file.entries.get("actions"), "nodes", ()), "an action")
    names |= dict.fromkeys(getattr(file.entries.get("groups"), "nodes", ()), "a group")
    for one in node.nodes if isinstance(node, Items) else ():
        include = _include(file, one)
        if include is None:
            continue
        path, name = include.file.text, include.name
        if "${" in path:
            hint = "write the file as it is; params: takes values"
            validator.add("the file of an include must not contain ${}", include.file, hint=hint)
        elif not ACTION_NAME.fullmatch(name):
            what = f"the file name {path} is not a valid name for its actions"
            validator.add(what, one, hint=f"{{file: {path}, as: NAME}}")
        elif name in names:
            what = f"the name {name} is already used by {names[name]}"
            validator.add(what, one, hint=f"{{file: {path}, as: ANOTHER}}")
        else:
            names[name] = "an included plan"
            yield include


def _include(file: PlanFile, node: Node) -> _Include | None:
    validator = file.validator
    if not isinstance(node, Table):
        is_file = validator.is_text(node, "an include") and isinstance(node, Scalar)
        return _Include(node, node, _usual_name(node.text)) if is_file and isinstance(node, Scalar) else None
    entries = validator.entries(node, INCLUDE_KEYS, "an include")
    path, name, optional = (entries.get(key) for key in ("file", "as", "optional"))
    if not isinstance(path, Scalar):
        if "file" not in node.nodes:
            validator.add("an include needs file:", node, hint="for example file: docs/plan.yaml")
        return None
    given = {key.text: (key, value) for key, value in validator.table(entries.get("params"), "params").items()}
    text = name.text if isinstance(name, Scalar) else ""
    is_optional = isinstance(optional, Scalar) and optional.text == "true"
    return _Include(node, path, text or _usual_name(path.text), is_optional, given)


def _usual_name(file: str) -> str:
    """Return the name of a file without its suffix, or of its folder if that says more."""
    folder, name = os.path.split(file)
    stem = os.path.splitext(name)[0]
    above = os.path.basename(folder)
    return above if stem in _PLAIN_NAMES and ACTION_NAME.fullmatch(above) else stem


def _read(file: PlanFile, include: _Include, above: Iterable[str]) -> PlanFile | None:
    """Return an included plan; None if it is optional and missing, or has errors, which are kept.

    :raises TreadleError: it cannot be read at all
    """
    shown = os.path.normpath(os.path.join(os.path.dirname(file.display_path), include.file.text))
    path = os.path.abspath(shown)
    prefix = f"{file.prefix}{include.name}:"
    file.included[prefix[:-1]] = path
    _refuse_circle(file, path, include, above)
    file.common.disk.note(path)
    if not os.path.exists(path):
        if include.optional:
            return None
        raise _missing(file, include)
    header = _read_header(file, shown, shown, prefix, include.file, "name a file that can be read", include.node)
    if header is None:
        return None
    root = file.common.root
    folder = below(header.root, root)
    if folder.startswith("/"):
        what = f"the paths of {shown} are relative to a folder outside the root"
        hint = "write root: at the top of this plan, a folder that holds both"
        raise file.validator.error(what, include.file, facts=(f"{header.root} is not inside {root}",), hint=hint)
    given = _given(file, header, include)
    generated_by = file.file_scope.generated_by
    return read_values(
        header, file.common, given, folder="" if folder == "." else folder, generated_by=generated_by
    )


def _read_header(
    parent: PlanFile, path: str, shown: str, prefix: str, node: Node, hint: str, at: Node | None = None
) -> Header | None:
    """Read the top of another file of the plan, and append its text to the plan's; None after an error.

    :param shown: its path in errors
    :param node: names the file
    :param hint: what to do if it cannot be read
    :param at: the whole element that names it
    """
    validator = parent.validator
    try:
        source = parser.read_source(path, shared=True, shown=shown)
    except TreadleError as error:
        if error.place is not None:
            raise
        raise validator.error(error.what, node, facts=tuple(error.facts), hint=error.hint or hint) from None
    top = parser.parse(source)
    move(top, validator.source.add(source))
    return read_header(validator, top, shown, prefix, (at or node).start)


def _refuse_circle(file: PlanFile, path: str, include: _Include, above: Iterable[str]) -> None:
    names = [os.path.realpath(one) for one in above]
    real = os.path.realpath(path)
    if real in names:
        circle = [*list(above)[names.index(real) :], path]
        base = os.path.dirname(circle[0])
        fact = " -> ".join(shortened([os.path.relpath(one, base) for one in circle]))
        what = "these plans include each other"
        raise file.validator.error(what, include.file, facts=(fact,), hint="take one include out")


def _missing(file: PlanFile, include: _Include) -> TreadleError:
    path = include.file.text
    start = os.path.dirname(path)
    folder = os.path.normpath(os.path.join(os.path.dirname(file.path), start))
    try:
        there = [os.path.join(start, name) for name in os.listdir(folder) if name.endswith((".yaml", ".yml"))]
    except OSError:
        there = []
    close = nearest(path, there)
    hint = f"did you mean {close}?" if close else "if it need not be there: {file: ..., optional: true}"
    what = f"the included plan {path} does not exist"
    return file.validator.error(what, include.file, facts=(f"looked in {folder}",), hint=hint)


def _given(file: PlanFile, header: Header, include: _Include) -> dict[str, str | Given]:
    """Return the values that an include gives to the parameters of its plan."""
    found: dict[str, str | Given] = {}
    known = getattr(header.entries.get("params"), "nodes", {})
    problems = file.validator.problems
    for name, (key, node) in include.given.items():
        if name not in known:
            close = nearest(name, known)
            fact = f"it has {listed(known)}" if known else "it has no parameters"
            hint = f"did you mean {close}?" if close else "write it into params: of that plan, or take it out"
            what = f"{header.display_path} has no parameter {name!r}"
            file.validator.add(what, key, facts=(fact,), hint=hint)
            continue
        value: tuple[tuple[str, ...], bool] = ((), False)
        before = problems.reported
        with problems.collecting():
            value = _value(file, node, name)
        folder = os.path.relpath(file.root, header.root)
        found[name] = Given(node, folder, *value, is_wrong=problems.reported > before)
    return found


def _value(file: PlanFile, node: Node, name: str) -> tuple[tuple[str, ...], bool]:
    """Return the texts of a value, and whether it is a list."""
    validator, scope = file.validator, file.file_scope.scope.raw
    if isinstance(node, Scalar):
        if not validator.is_text(node, f"the parameter {name}"):
            return (), False
        template = templates.parse(validator.source, node)
        return scope.items(template), scope.is_list(template)
    texts: tuple[str, ...] = ()
    for one in validator.texts(node, f"an element of {name}"):
        texts += scope.items(templates.parse(validator.source, one))
    return texts, True
