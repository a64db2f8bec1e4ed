"""Plans in plans: finds, reads and checks the files that `include` names, each as a part of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from treadle.core.paths import below
from treadle.errors import TreadleError, listed, nearest, shortened
from treadle.plan.language import templates as template
from treadle.plan.language.globs import Disk, Globs
from treadle.plan.schema.keys import ACTION_NAME, INCLUDE_KEYS
from treadle.plan.yaml import parser as loader
from treadle.plan.yaml.nodes import Items, Node, Scalar, Source, Table, move

from .file import Part
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


def with_included(top: Part, disk: Disk) -> list[Part]:
    """Return a plan's own part and those of all that it includes, each behind the one that names it.

    :param disk: keeps which files were read
    """
    found: list[Part] = []
    stack: list[tuple[Part, tuple[str, ...]]] = [(top, (top.file,))]
    while stack:
        part, above = stack.pop()
        found.append(part)
        inside: list[tuple[Part, tuple[str, ...]]] = []
        for entry in _entries(part):
            if len(found) + len(stack) + len(inside) > MAX_PARTS:
                part.reader.add(
                    f"more than {MAX_PARTS:,} plans in one",
                    entry.node,
                    hint="a plan that includes others twice doubles them",
                )
                return found
            with part.problems.kept():
                child = _read(part, entry, above, disk)
                if child is not None:
                    inside.append((child, (*above, child.file)))
        stack += reversed(inside)
    return found


def _entries(part: Part) -> Iterator[_Entry]:
    node = part.entries.get("include")
    reader = part.reader
    names = dict.fromkeys(getattr(part.entries.get("actions"), "nodes", ()), "an action")
    names |= dict.fromkeys(getattr(part.entries.get("groups"), "nodes", ()), "a group")
    for one in node.nodes if isinstance(node, Items) else ():
        entry = _entry(part, one)
        if entry is None:
            continue
        entry.name = entry.name or _usual_name(entry.file.text)
        if "${" in entry.file.text:
            reader.add(
                "the file of an include takes no ${}",
                entry.file,
                hint="write the file as it is; params: takes values",
            )
        elif not ACTION_NAME.fullmatch(entry.name):
            reader.add(
                f"{entry.file.text} gives no name for its actions",
                one,
                hint=f"{{file: {entry.file.text}, as: NAME}}",
            )
        elif entry.name in names:
            reader.add(
                f"{entry.name} is the name of {names[entry.name]} already",
                one,
                hint=f"{{file: {entry.file.text}, as: ANOTHER}}",
            )
        else:
            names[entry.name] = "an included plan"
            yield entry


def _entry(part: Part, node: Node) -> _Entry | None:
    reader = part.reader
    if not isinstance(node, Table):
        return _Entry(node, node) if reader.is_text(node, "an include") and isinstance(node, Scalar) else None
    entries = reader.entries(node, INCLUDE_KEYS, "an include")
    file = entries.get("file")
    if not isinstance(file, Scalar):
        if "file" not in node.nodes:
            reader.add("an include needs file:", node, hint="for example file: docs/plan.yaml")
        return None
    found = _Entry(file, node)
    name, optional, given = (entries.get(key) for key in ("as", "optional", "params"))
    found.name = name.text if isinstance(name, Scalar) else ""
    found.optional = isinstance(optional, Scalar) and optional.text == "true"
    if given is not None:
        found.given = {key.text: (key, value) for key, value in reader.table(given, "params").items()}
    return found


def _usual_name(file: str) -> str:
    """Return the name of a file without its end, or of its folder if that says more."""
    folder, name = os.path.split(file)
    stem = os.path.splitext(name)[0]
    above = os.path.basename(folder)
    return above if stem in _PLAIN_NAMES and ACTION_NAME.fullmatch(above) else stem


def _read(part: Part, entry: _Entry, above: Iterable[str], disk: Disk) -> Part | None:
    """Return an included plan; None if it is not there and need not be, or cannot be read on.

    :raises TreadleError: it cannot be read at all
    """
    reader = part.reader
    shown = os.path.normpath(os.path.join(os.path.dirname(part.shown), entry.file.text))
    child = Part(reader, part.environ, shown, f"{part.prefix}{entry.name}:")
    child.start = entry.node.start
    child.files = part.files
    part.included[child.prefix[:-1]] = child.file
    _refuse_circle(part, child, entry, above)
    disk.note(child.file)
    if not os.path.exists(child.file):
        if entry.optional:
            return None
        raise _missing(part, entry)
    source = _source(part, entry, shown)
    node = loader.parse(source)
    move(node, reader.source.add(source))
    if not child.read_top(node):
        return None
    root = disk.root
    folder = below(child.root, root)
    if folder.startswith("/"):
        raise reader.error(
            f"the paths of {shown} are relative to a folder outside the root",
            entry.file,
            facts=(f"{child.root} does not lie in {root}",),
            hint="write root: at the top of this plan, a folder that holds both",
        )
    child.read_values(_given(part, child, entry))
    child.settle(root, part.home.places.plan, Globs(disk, "" if folder == "." else folder))
    return child


def _source(part: Part, entry: _Entry, shown: str) -> Source:
    try:
        return loader.read_source(shown, shared=True)
    except TreadleError as error:
        if error.place is not None:
            raise
        raise part.reader.error(
            error.what, entry.file, facts=tuple(error.facts), hint=error.hint or "name a file that can be read"
        ) from None


def _refuse_circle(part: Part, child: Part, entry: _Entry, above: Iterable[str]) -> None:
    names = [os.path.realpath(file) for file in above]
    real = os.path.realpath(child.file)
    if real in names:
        files = [*list(above)[names.index(real) :], child.file]
        base = os.path.dirname(files[0])
        shown = " -> ".join(shortened([os.path.relpath(file, base) for file in files]))
        raise part.reader.error(
            "these plans include each other", entry.file, facts=(shown,), hint="take one include out"
        )


def _missing(part: Part, entry: _Entry) -> TreadleError:
    folder = os.path.dirname(os.path.join(os.path.dirname(part.file), entry.file.text))
    try:
        there = [name for name in os.listdir(folder) if name.endswith((".yaml", ".yml"))]
    except OSError:
        there = []
    start = os.path.dirname(entry.file.text)
    close = nearest(entry.file.text, [os.path.join(start, name) for name in there])
    return part.reader.error(
        f"the included plan {entry.file.text} does not exist",
        entry.file,
        facts=(f"looked in {os.path.normpath(folder)}",),
        hint=f"did you mean {close}?" if close else "if it need not be there: {file: ..., optional: true}",
    )


def _given(part: Part, child: Part, entry: _Entry) -> dict[str, str | Given]:
    """Return what an include says of the parameters of its plan."""
    found: dict[str, str | Given] = {}
    known = getattr(child.entries.get("params"), "nodes", {})
    for name, (key, node) in entry.given.items():
        if name not in known:
            close = nearest(name, known)
            fact = f"it has {listed(known)}" if known else "it has no parameters"
            hint = f"did you mean {close}?" if close else "write it into params: of that plan, or take it out"
            part.reader.add(f"{child.shown} has no parameter {name!r}", key, facts=(fact,), hint=hint)
            continue
        value: tuple[tuple[str, ...], bool] = ((), False)
        before = part.problems.told
        with part.problems.kept():
            value = _value(part, node, name)
        wrong = part.problems.told > before
        found[name] = Given(node, os.path.relpath(part.root, child.root), value, is_wrong=wrong)
    return found


def _value(part: Part, node: Node, name: str) -> tuple[tuple[str, ...], bool]:
    """Return the texts of a value, and whether it is a list."""
    reader = part.reader
    if isinstance(node, Scalar):
        if not reader.is_text(node, f"the parameter {name}"):
            return (), False
        made = template.parse(reader.source, node)
        texts = part.scope.items(made)
        return texts, made.whole is not None and isinstance(part.scope.value(made, made.whole), tuple)
    texts = ()
    for one in reader.texts(node, f"an element of {name}"):
        texts += part.scope.items(template.parse(reader.source, one))
    return texts, True
