"""Plans in plans: finds, reads and checks the files that `include` names, each as a part of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from treadle.core.paths import below
from treadle.errors import TreadleError, listed, nearest, shortened
from treadle.plan.language import templates
from treadle.plan.language.globs import Disk, Globs
from treadle.plan.schema.keys import ACTION_NAME, INCLUDE_KEYS
from treadle.plan.yaml import parser
from treadle.plan.yaml.nodes import Items, Node, Scalar, Source, Table, move

from .file import PlanFile
from .params import Given

MAX_PARTS = 1000
_PLAIN_NAMES = ("plan", "treadle")
"""Names of files that say nothing: such a plan has the name of its folder."""


class _Entry:
    """One element of `include`.

    :param given: the nodes of `params`
    """

    __slots__ = ("file", "given", "name", "node", "optional")

    def __init__(self, file: Scalar, node: Node) -> None:
        self.file = file
        self.node = node
        self.name = ""
        self.optional = False
        self.given: Mapping[str, tuple[Scalar, Node]] = {}


def with_included(top: PlanFile, disk: Disk) -> list[PlanFile]:
    """Return a plan's own part and those of all that it includes, each behind the one that names it.

    :param disk: keeps which files were read
    """
    found: list[PlanFile] = []
    stack: list[tuple[PlanFile, tuple[str, ...]]] = [(top, (top.path,))]
    while stack:
        file, above = stack.pop()
        found.append(file)
        inside: list[tuple[PlanFile, tuple[str, ...]]] = []
        for entry in _entries(file):
            if len(found) + len(stack) + len(inside) > MAX_PARTS:
                file.validator.add(
                    f"more than {MAX_PARTS:,} included plans",
                    entry.node,
                    hint="check for plans that are included several times",
                )
                return found
            with file.problems.collecting():
                child = _read(file, entry, above, disk)
                if child is not None:
                    inside.append((child, (*above, child.path)))
        stack += reversed(inside)
    return found


def _entries(file: PlanFile) -> Iterator[_Entry]:
    node = file.entries.get("include")
    validator = file.validator
    names = dict.fromkeys(getattr(file.entries.get("actions"), "nodes", ()), "an action")
    names |= dict.fromkeys(getattr(file.entries.get("groups"), "nodes", ()), "a group")
    for one in node.nodes if isinstance(node, Items) else ():
        entry = _entry(file, one)
        if entry is None:
            continue
        entry.name = entry.name or _usual_name(entry.file.text)
        if "${" in entry.file.text:
            validator.add(
                "the file of an include must not contain ${}",
                entry.file,
                hint="write the file as it is; params: takes values",
            )
        elif not ACTION_NAME.fullmatch(entry.name):
            validator.add(
                f"the file name {entry.file.text} is not a valid name for its actions",
                one,
                hint=f"{{file: {entry.file.text}, as: NAME}}",
            )
        elif entry.name in names:
            validator.add(
                f"the name {entry.name} is already used by {names[entry.name]}",
                one,
                hint=f"{{file: {entry.file.text}, as: ANOTHER}}",
            )
        else:
            names[entry.name] = "an included plan"
            yield entry


def _entry(file: PlanFile, node: Node) -> _Entry | None:
    validator = file.validator
    if not isinstance(node, Table):
        return _Entry(node, node) if validator.is_text(node, "an include") and isinstance(node, Scalar) else None
    entries = validator.entries(node, INCLUDE_KEYS, "an include")
    name, optional, given = (entries.get(key) for key in ("as", "optional", "params"))
    path = entries.get("file")
    if not isinstance(path, Scalar):
        if "file" not in node.nodes:
            validator.add("an include needs file:", node, hint="for example file: docs/plan.yaml")
        return None
    found = _Entry(path, node)
    found.name = name.text if isinstance(name, Scalar) else ""
    found.optional = isinstance(optional, Scalar) and optional.text == "true"
    if given is not None:
        found.given = {key.text: (key, value) for key, value in validator.table(given, "params").items()}
    return found


def _usual_name(file: str) -> str:
    """Return the name of a file without its end, or of its folder if that says more."""
    folder, name = os.path.split(file)
    stem = os.path.splitext(name)[0]
    above = os.path.basename(folder)
    return above if stem in _PLAIN_NAMES and ACTION_NAME.fullmatch(above) else stem


def _read(file: PlanFile, entry: _Entry, above: Iterable[str], disk: Disk) -> PlanFile | None:
    """Return an included plan; None if it is not there and need not be, or cannot be read on.

    :raises TreadleError: it cannot be read at all
    """
    validator = file.validator
    shown = os.path.normpath(os.path.join(os.path.dirname(file.display_path), entry.file.text))
    child = PlanFile(validator, file.environ, shown, f"{file.prefix}{entry.name}:")
    child.include_offset = entry.node.start
    child.value_files = file.value_files
    file.included[child.prefix[:-1]] = child.path
    _refuse_circle(file, child, entry, above)
    disk.note(child.path)
    if not os.path.exists(child.path):
        if entry.optional:
            return None
        raise _missing(file, entry)
    source = _source(file, entry, shown)
    node = parser.parse(source)
    move(node, validator.source.add(source))
    if not child.read_top(node):
        return None
    root = disk.root
    folder = below(child.root, root)
    if folder.startswith("/"):
        raise validator.error(
            f"the paths of {shown} are relative to a folder outside the root",
            entry.file,
            facts=(f"{child.root} is not inside {root}",),
            hint="write root: at the top of this plan, a folder that holds both",
        )
    child.read_values(_given(file, child, entry))
    child.settle(root, file.file_scope.resolver.plan, Globs(disk, "" if folder == "." else folder))
    return child


def _source(file: PlanFile, entry: _Entry, shown: str) -> Source:
    try:
        return parser.read_source(shown, shared=True)
    except TreadleError as error:
        if error.place is not None:
            raise
        raise file.validator.error(
            error.what, entry.file, facts=tuple(error.facts), hint=error.hint or "name a file that can be read"
        ) from None


def _refuse_circle(file: PlanFile, child: PlanFile, entry: _Entry, above: Iterable[str]) -> None:
    names = [os.path.realpath(file) for file in above]
    real = os.path.realpath(child.path)
    if real in names:
        files = [*list(above)[names.index(real) :], child.path]
        base = os.path.dirname(files[0])
        shown = " -> ".join(shortened([os.path.relpath(file, base) for file in files]))
        raise file.validator.error(
            "these plans include each other", entry.file, facts=(shown,), hint="take one include out"
        )


def _missing(file: PlanFile, entry: _Entry) -> TreadleError:
    folder = os.path.dirname(os.path.join(os.path.dirname(file.path), entry.file.text))
    try:
        there = [name for name in os.listdir(folder) if name.endswith((".yaml", ".yml"))]
    except OSError:
        there = []
    start = os.path.dirname(entry.file.text)
    close = nearest(entry.file.text, [os.path.join(start, name) for name in there])
    return file.validator.error(
        f"the included plan {entry.file.text} does not exist",
        entry.file,
        facts=(f"looked in {os.path.normpath(folder)}",),
        hint=f"did you mean {close}?" if close else "if it need not be there: {file: ..., optional: true}",
    )


def _given(file: PlanFile, child: PlanFile, entry: _Entry) -> dict[str, str | Given]:
    """Return what an include says of the parameters of its plan."""
    found: dict[str, str | Given] = {}
    known = getattr(child.entries.get("params"), "nodes", {})
    for name, (key, node) in entry.given.items():
        if name not in known:
            close = nearest(name, known)
            fact = f"it has {listed(known)}" if known else "it has no parameters"
            hint = f"did you mean {close}?" if close else "write it into params: of that plan, or take it out"
            file.validator.add(f"{child.display_path} has no parameter {name!r}", key, facts=(fact,), hint=hint)
            continue
        value: tuple[tuple[str, ...], bool] = ((), False)
        before = file.problems.reported
        with file.problems.collecting():
            value = _value(file, node, name)
        wrong = file.problems.reported > before
        found[name] = Given(node, os.path.relpath(file.root, child.root), value, is_wrong=wrong)
    return found


def _value(file: PlanFile, node: Node, name: str) -> tuple[tuple[str, ...], bool]:
    """Return the texts of a value, and whether it is a list."""
    validator = file.validator
    if isinstance(node, Scalar):
        if not validator.is_text(node, f"the parameter {name}"):
            return (), False
        template = templates.parse(validator.source, node)
        texts = file.scope.items(template)
        return texts, template.whole is not None and isinstance(file.scope.value(template, template.whole), tuple)
    texts = ()
    for one in validator.texts(node, f"an element of {name}"):
        texts += file.scope.items(templates.parse(validator.source, one))
    return texts, True
