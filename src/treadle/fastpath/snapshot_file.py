"""Snapshot files: how a walk and its Commands become columns and texts, and are written. `probe` reads them.

Commands are lists of texts, so that one of a hundred thousand can be found again without the others. It knows
nothing of plans and walks.
"""

from __future__ import annotations

import os
import sys
from itertools import accumulate, chain
from struct import pack

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from treadle.command.command import Command, Environment, Limits, Retries, Script, Tool
from treadle.content.timestamps import UNSURE
from treadle.errors import Place

from .probe import FOLDER, FORMAT, ITEM_FILE, PER_ITEM, READ, item_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treadle.command.guards import Guards
    from treadle.core.codes import Codes, Expect
    from treadle.core.retry import Growth

KEPT = 8
"""Snapshots that are kept for one root: one for each plan, parameters and selection."""


class Columns:
    """What a snapshot holds, in lists that can be written.

    :param facts: texts of its writer, which alone knows what they say
    """

    def __init__(self, facts: Sequence[str]) -> None:
        self.facts = list(facts)
        self.paths: list[bytes] = []
        self.kinds = bytearray()
        self.stamps: list[tuple[int, int, int]] = []
        self.values: list[str | None] = []
        """What each path held; it is not written, but shows whether two looks saw the same."""
        self.item_rows: list[list[int]] = []
        """Per item the numbers of its rows."""
        self.befores: list[list[int]] = []
        """Per item the numbers of the items before it."""
        self.numbers: list[tuple[int, ...]] = []
        """PER_ITEM numbers per item, which are theirs."""
        self.keys: list[bytes] = []
        """One key of KEY_SIZE bytes per item."""
        self.items: list[bytes] = []
        """Per item what its writer wants to find again, and no later look will change."""
        self._row_of: dict[bytes, int] = {}

    def row(self, path: str, stamp: tuple[int, int, int], kind: int = READ, value: str | None = None) -> int:
        """Return the number of the row of a path, which is added if it is not there.

        :param value: what the path held when it was looked at, if that is known: two looks that saw the same are
            as sure as the surer one, all others leave the stamp UNSURE
        """
        raw = os.fsencode(path)
        number = self._row_of.get(raw)
        if number is None:
            number = self._row_of[raw] = len(self.paths)
            self.paths.append(raw)
            self.kinds.append(kind)
            self.stamps.append(stamp)
            self.values.append(value)
            return number
        if kind != READ:
            self.kinds[number] = kind
        before = self.stamps[number]
        same = value is not None and value == self.values[number]
        if stamp != before:
            self.stamps[number] = max(stamp, before) if same and UNSURE in (stamp, before) else UNSURE
        elif value != self.values[number]:
            self.stamps[number] = UNSURE
        if not same:
            self.values[number] = None
        return number

    def sections(self) -> list[bytes]:
        """Return the sections in their order."""
        from array import array

        ctimes, inodes, sizes = zip(*self.stamps, strict=True) if self.stamps else ((), (), ())
        return [
            join_texts(self.facts),
            b"\0".join(self.paths),
            bytes(self.kinds),
            array("q", ctimes).tobytes(),
            array("q", inodes).tobytes(),
            array("q", sizes).tobytes(),
            *_ragged(self.item_rows),
            *_ragged(self.befores),
            b"".join(self.keys),
            *item_sections(self.items),
            *(array("q", (of_item[n] for of_item in self.numbers)).tobytes() for n in range(PER_ITEM)),
        ]


def item_sections(items: Sequence[bytes]) -> tuple[bytes, bytes, bytes]:
    """Return the sections ITEM_FILE, ITEM_ENDS and ITEM_SUMS of what items say of themselves."""
    from array import array

    ends = array("Q", accumulate(map(len, items))).tobytes()
    return xxh3_128_digest(b"".join(items)), ends, array("Q", map(xxh3_64_intdigest, items)).tobytes()


def write_file(path: str, sections: Sequence[bytes], items: Sequence[bytes] | None = None) -> None:
    """Write a snapshot in one step: a reader finds the old file or the new one.

    :param items: what each item says of itself, if it is not there already
    :raises OSError: it cannot be written
    """
    table = b"".join(
        number.to_bytes(8, sys.byteorder) for part in sections for number in (len(part), xxh3_64_intdigest(part))
    )
    from treadle.state import own_files

    if items is not None:
        own_files.replace(item_file(path, sections[ITEM_FILE]), items)
    own_files.replace(path, [FORMAT + table + xxh3_64_intdigest(table).to_bytes(8, sys.byteorder), *sections])


def _ragged(lists: list[list[int]]) -> tuple[bytes, bytes]:
    from array import array

    flat = array("I", chain.from_iterable(lists))
    return array("I", accumulate(map(len, lists))).tobytes(), flat.tobytes()


def join_texts(texts: Sequence[str]) -> bytes:
    """Return texts as bytes, to be read by `split_texts`."""
    joined = "".join(texts)
    if joined.isascii():
        return pack(f"={len(texts) + 1}I", len(texts), *map(len, texts)) + joined.encode("ascii")
    raw = [text.encode("utf-8", "surrogateescape") for text in texts]
    lengths = b"".join([len(one).to_bytes(4, sys.byteorder) for one in raw])
    return len(raw).to_bytes(4, sys.byteorder) + lengths + b"".join(raw)


def write(folder: str, name: str, sections: Sequence[bytes], items: Sequence[bytes] | None = None) -> None:
    """Write a snapshot into the state folder, and remove the oldest of too many; a failure changes nothing.

    :param items: what its items say of themselves; None where that is there already
    """
    from treadle.state import own_files

    place = os.path.join(folder, FOLDER)
    path = os.path.join(place, name)
    try:
        own_files.make_folder(folder, FOLDER, 0o700)
        write_file(path, sections, items)
        _tidy(place, item_file(path, sections[ITEM_FILE]))
    except OSError:
        return


def drop(folder: str, name: str) -> None:
    """Remove a snapshot: only a walk over the whole plan can decide what is to be done now."""
    try:
        os.unlink(os.path.join(folder, FOLDER, name))
    except OSError:
        return


def _tidy(place: str, items: str) -> None:
    """Remove the oldest of too many snapshots, and items that the newest one has no more.

    :param items: the file with its items
    """
    entries = list(os.scandir(place))
    snapshots = [entry for entry in entries if "-" not in entry.name and not entry.name.endswith(".new")]
    snapshots.sort(key=lambda entry: entry.stat().st_mtime_ns)
    kept = {entry.name for entry in snapshots[-KEPT:]}
    newest, _, wanted = os.path.basename(items).partition("-")
    for entry in entries:
        name, _, of_items = entry.name.partition("-")
        outdated = of_items and name == newest and of_items != wanted and not of_items.endswith(".new")
        if outdated or name.partition(".")[0] not in kept:
            os.unlink(entry.path)


def texts_of(command: Command) -> list[str]:
    """Return a Command without its place as texts, to be read by `command_from`.

    A snapshot needs this of every action, so it makes no call for each part.
    """
    steps, script, env = command.steps, command.script, command.env
    texts = [str(len(steps)), *[str(len(step)) for step in steps]]
    for step in steps:
        texts += step
    if script is None:
        texts.append("")
    else:
        texts += ("w" if script.words else "y", script.text, script.shown, str(len(script.shell)), *script.shell)
        texts += _pairs(script.variables)
        if script.words:
            texts += (str(len(script.words)), *script.words)
    texts.append(command.cwd)
    for values in (command.inputs, command.outputs, env.track, env.pass_):
        texts.append(str(len(values)))
        texts += values
    texts += _pairs(env.set if not env.secret else _without_secrets(env))
    tools = command.tools
    texts += (str(len(tools)), *[tool.name for tool in tools])
    for tool in tools:
        texts += (str(len(tool.version)), *tool.version)
    texts += (*_discovery(command), *_optional(command.stdout), *_limits(command.limits))
    texts += ("y" if command.always else "", "y" if command.keep else "", "y" if command.console else "")
    texts.append(command.output)
    rare = (command.once, command.edits, env.secret, command.elements, command.exclude, command.guards)
    said = command.accept or command.artifacts or command.cache
    is_rare = said or _has_presence(command) or _has_meaning(command)
    texts.append("y" if any(rare) or is_rare else "")
    if texts[-1]:
        texts += ("y" if command.once else "", str(len(command.edits)), *command.edits)
        texts += (str(len(env.secret)), *env.secret, *_pairs(command.elements))
        texts += ("y", *command.guards.texts()) if command.guards is not None else ("",)
        texts += (str(len(command.exclude)), *command.exclude)
        for patterns in command.exclude.values():
            texts += (str(len(patterns)), *patterns)
        texts += (str(len(command.presence)), *command.presence, str(len(command.installed)))
        texts += command.installed
        texts += _meaning(command)
        texts += (command.workdir, *_pairs(command.baseline), str(len(command.accept)))
        for argv in command.accept:
            texts += (str(len(argv)), *argv)
        texts += (*_pairs(command.artifacts), command.cache)
    texts.append(command.label)
    return texts


def _has_presence(command: Command) -> bool:
    return bool(command.presence or command.installed)


def _has_meaning(command: Command) -> bool:
    return command.codes is not None or command.expect is not None


def _meaning(command: Command) -> list[str]:
    """Return what its exit codes mean, and which end is expected, as texts."""
    codes, expect = command.codes, command.expect
    texts = ["" if codes is None else "y"]
    for numbers in codes.said.values() if codes is not None else ():
        texts += (str(len(numbers)), *map(str, numbers))
    texts.append("" if expect is None else "y")
    if expect is not None:
        texts += (expect.kind, str(len(expect.codes)), *map(str, sorted(expect.codes)))
    return texts


def texts_of_place(place: Place | None) -> list[str]:
    """Return the place of a Command as texts: it moves when others are edited, and the Command stays the same."""
    return [] if place is None else [place.file, str(place.line), str(place.column), place.text]


def command_from(texts: Sequence[str], place: Sequence[str] = ()) -> Command:
    """Return the Command that `texts_of` has made texts of.

    :param place: what `texts_of_place` has made of its place
    :raises ValueError: it sets a variable whose value is kept nowhere, or has a discovery that is no depfile
    """
    read = _Reader(texts)
    steps = [[read.text() for _ in range(int(length))] for length in read.list()]
    kind = read.text()
    script = None
    if kind:
        text, shown, shell, variables = read.text(), read.text(), read.list(), read.pairs()
        script = Script(text, variables, shown, shell, read.list() if kind == "w" else ())
    cwd = read.text()
    inputs, outputs, track, passed = (read.list() for _ in range(4))
    variables_set = read.pairs()
    names = read.list()
    tools = [Tool(name, read.list()) for name in names]
    depfile, stdout, limits = read.depfile(), read.optional(), read.limits()
    always, keep, console = (bool(read.text()) for _ in range(3))
    output = read.text()
    once, edits, secret = False, list[str](), list[str]()
    elements, exclude, guards = dict[str, str](), dict[str, list[str]](), None
    presence, installed = list[str](), list[str]()
    codes: Codes | None = None
    expect: Expect | None = None
    workdir, baseline, accept = "", dict[str, str](), list[list[str]]()
    artifacts: dict[str, str] = {}
    cache = ""
    if read.text():
        once, edits, secret, elements = bool(read.text()), read.list(), read.list(), read.pairs()
        if read.text():
            guards = read.guards()
        exclude = {path: read.list() for path in read.list()}
        presence, installed = read.list(), read.list()
        codes, expect, workdir = read.codes(), read.expect(), read.text()
        baseline, accept = read.pairs(), [read.list() for _ in range(int(read.text()))]
        artifacts, cache = read.pairs(), read.text()
    if not variables_set.keys().isdisjoint(secret):
        raise ValueError("a secret value is kept nowhere")
    env = Environment(variables_set, track, passed, secret)
    label = read.text()
    return Command(
        steps,
        script=script,
        cwd=cwd,
        inputs=inputs,
        outputs=outputs,
        env=env,
        tools=tools,
        depfile=depfile,
        stdout=stdout,
        limits=limits,
        always=always,
        keep=keep,
        console=console,
        output=output,
        once=once,
        edits=edits,
        exclude=exclude,
        presence=presence,
        installed=installed,
        label=label,
        elements=elements,
        codes=codes,
        expect=expect,
        guards=guards,
        workdir=workdir,
        baseline=baseline,
        accept=accept,
        artifacts=artifacts,
        cache=cache or None,
        place=Place(place[0], int(place[1]), int(place[2]), place[3]) if place else None,
    )


class _Reader:
    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._at = 0

    def text(self) -> str:
        self._at += 1
        return self._texts[self._at - 1]

    def optional(self) -> str | None:
        if not self.text():
            return None
        return self.text()

    def depfile(self) -> str | None:
        kind = self.text()
        if kind == _OTHER:
            raise ValueError("a discovery that is no depfile cannot be kept as text")
        return self.text() if kind else None

    def list(self) -> list[str]:
        count = int(self.text())
        self._at += count
        return list(self._texts[self._at - count : self._at])

    def pairs(self) -> dict[str, str]:
        flat = self.list()
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def guards(self) -> Guards:
        from treadle.command.guards import guards_from

        return guards_from(iter(self.text, None))

    def codes(self) -> Codes | None:
        if not self.text():
            return None
        from treadle.core.codes import MEANINGS, Codes

        return Codes(*(self.list() for _ in MEANINGS))

    def expect(self) -> Expect | None:
        if not self.text():
            return None
        from treadle.core.codes import Expect

        return Expect(self.text(), self.list())

    def limits(self) -> Limits:
        queue, tokens, priority, timeout = self.text(), self.text(), self.text(), self.optional()
        # what is set has been checked before it was written
        retries = Retries(int(self.text()))
        retries.on, retries.backoff, retries.jitter = tuple(self.list()), float(self.text()), float(self.text())
        if self.text():
            retries.grow = {kind: _growth(text) for kind, text in self.pairs().items()}
        made = Limits(queue, int(tokens), int(priority), None if timeout is None else float(timeout), retries)
        made.engine = self.text()
        if self.text():
            made.resources = self._amounts()
            made.mutex, made.exclusive, made.group = tuple(self.list()), bool(self.text()), self.text()
            limit = self.optional()
            made.limit = None if limit is None else int(limit)
            made.fallbacks = tuple([self._amounts() for _ in range(int(self.text()))])
        return made

    def _amounts(self) -> dict[str, int]:
        return {kind: int(amount) for kind, amount in self.pairs().items()}


_OTHER = "o"


def _discovery(command: Command) -> tuple[str, ...]:
    """Return the texts by which discoveries of Commands are compared."""
    discovery = command.discovery
    if discovery is None or (path := command.depfile) is not None:
        return _optional(None if discovery is None else path)
    kind = type(discovery)
    return (_OTHER, f"{kind.__module__}.{kind.__qualname__}", discovery.path, discovery.element, discovery.key)


def _without_secrets(env: Environment) -> dict[str, str]:
    from treadle.core.redaction import digest

    return {name: digest(name, value) if name in env.secret else value for name, value in env.set.items()}


def _limits(limits: Limits) -> list[str]:
    retries, timeout = limits.retries, limits.timeout
    texts = [limits.queue, str(limits.tokens), str(limits.priority)]
    texts += _optional(None if timeout is None else repr(timeout))
    texts += (str(retries.max), str(len(retries.on)), *retries.on, repr(retries.backoff), repr(retries.jitter))
    texts.append("y" if retries.grow else "")
    if retries.grow:
        texts += _pairs({kind: _growth_text(growth) for kind, growth in retries.grow.items()})
    texts.append(limits.engine)
    texts.append("y" if limits.says_demand else "")
    if texts[-1]:
        texts += _pairs({kind: str(amount) for kind, amount in limits.resources.items()})
        texts += (str(len(limits.mutex)), *limits.mutex, "y" if limits.exclusive else "", limits.group)
        texts += _optional(None if limits.limit is None else str(limits.limit))
        texts.append(str(len(limits.fallbacks)))
        for one in limits.fallbacks:
            texts += _pairs({kind: str(amount) for kind, amount in one.items()})
    return texts


def _growth_text(growth: Growth) -> str:
    if callable(growth):
        return f"{_OTHER} {growth.__module__}.{getattr(growth, '__qualname__', '')}"
    return f"* {growth!r}" if isinstance(growth, int | float) else " ".join(map(repr, growth))


def _growth(text: str) -> Growth:
    """Return what `_growth_text` has made a text of.

    :raises ValueError: that was a function
    """
    kind, _, rest = text.partition(" ")
    if kind == _OTHER:
        raise ValueError("a function cannot be kept as text")
    return float(rest) if kind == "*" else tuple([_number(one) for one in text.split()])


def _number(text: str) -> float:
    return int(text) if text.isdigit() else float(text)


def _pairs(values: Mapping[str, str]) -> list[str]:
    texts = [str(2 * len(values))]
    for pair in values.items():
        texts += pair
    return texts


def _optional(text: str | None) -> tuple[str, ...]:
    return ("",) if text is None else ("y", text)
