"""Random walks of two workspaces that share one store, with branch switches, evictions and damage.

Beside them goes a model: what each action would make of its inputs, which key was stored for that, and whether all
that the entry names is on the disk as it was stored. Each walk ends with the bytes of a clean build, restores
whatever the model says it could, and does what a look before it has foreseen.
"""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from treadle import DAG, Command, CommandWalk, Depfile, Digest, FolderCache, Script, Settings
from treadle.cache.entry import decode_entry, expand

SOURCES = ("s0", "s1", "s2")
HEADERS = ("h0", "h1")
ALL = "TREADLE_TESTS_ALL_STEPS" in os.environ
SEEDS = range(40 if ALL else 6)
WALKS = 24
FILE, TREE, FOUND = "file", "tree", "found"


class Action(NamedTuple):
    """One action: it hashes what it reads, and keeps so many digits of that."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    digits: int

    @property
    def output(self) -> str:
        return f"{self.name}.d/" if self.kind == TREE else f"{self.name}.o"

    def script(self, salt: int) -> str:
        names = " ".join(self.inputs)
        read = f"{names} h$(head -c1 {self.inputs[0]})" if self.kind == FOUND else names
        made = f"{self.name} $({{ echo {salt}; cat {read}; }} | md5sum | cut -c1-{self.digits})"
        if self.kind == TREE:
            return f'mkdir -p {self.output}x; echo "{made}" > {self.output}x/y; ln -s x/y {self.output}l'
        note = f'; echo "{self.output}: h$(head -c1 {self.inputs[0]})" > {self.name}.dep' * (self.kind == FOUND)
        return f'echo "{made}" > {self.output}{note}'

    def command(self, salt: int) -> Command:
        depfile = Depfile(f"{self.name}.dep") if self.kind == FOUND else None
        return Command(
            script=Script(self.script(salt)),
            inputs=list(self.inputs),
            outputs=[self.output],
            discovery=depfile,
            cache=True,
        )


class Recording(FolderCache):
    """Keeps what was put, as it was put."""

    bodies: dict[str, bytes]
    order: list[str]
    blobs: dict[str, bytes]

    def put_blob(self, digest: Digest, path: str) -> None:
        # a blob of this size that is there stays, also if it is damaged, until a restore finds that
        self.blobs[digest.hash] = Path(path).read_bytes()
        super().put_blob(digest, path)

    def put_entry(self, key: str, body: bytes) -> None:
        super().put_entry(key, body)
        self.bodies[key] = body
        self.order.append(key)


class Model:
    """Two workspaces, what the sources hold, and what was stored.

    :param folder: where all of it is
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.salt = 0
        self.bodies: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.digests: dict[str, list[str]] = {}
        """Key -> the blobs of its entry, as it was when it was stored."""
        self.keys: dict[tuple[Any, ...], str] = {}
        """What an action reads -> the key that was stored for it."""
        self.sets: dict[tuple[Any, ...], str] = {}
        """The same, of what it declares -> the key of its path sets."""
        self.actions: list[Action] = []
        for number in range(6):
            earlier = [one.output for one in self.actions if one.kind != TREE]
            inputs = tuple(self.rng.sample([*SOURCES, *earlier], self.rng.randrange(1, 3)))
            kind = self.rng.choice([FILE, FILE, TREE, FOUND])
            if kind == FOUND:
                inputs = (self.rng.choice(SOURCES), *inputs)
            self.actions.append(Action(f"a{number}", kind, tuple(dict.fromkeys(inputs)), self.rng.choice([1, 8])))
        self.files = {name: f"{self.rng.randrange(2)} {name}\n" for name in (*SOURCES, *HEADERS)}
        self.branches: list[tuple[int, dict[str, str]]] = []
        self.records: dict[str, dict[str, tuple[Any, ...]]] = {"a": {}, "b": {}}

    def change(self) -> None:
        """Edit something, or switch to a branch that was there before."""
        if self.branches and self.rng.random() < 0.6:
            self.salt, files = self.rng.choice(self.branches)
            self.files = dict(files)
            return
        name = self.rng.choice([*SOURCES, *HEADERS])
        if self.rng.random() < 0.1:
            self.salt += 1
        self.files[name] = f"{self.rng.randrange(2)} {self.rng.choice('xyz')}\n"
        self.branches.append((self.salt, dict(self.files)))

    def wanted(self) -> dict[str, tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """Return of each action what its output holds, what it reads and what it declares."""
        held = dict(self.files)
        found = {}
        for action in self.actions:
            declared = tuple(held[name] for name in action.inputs)
            header = [f"h{declared[0][0]}"] if action.kind == FOUND else []
            read = (*declared, *(held[name] for name in header))
            text = hashlib.md5(f"{self.salt}\n{''.join(read)}".encode()).hexdigest()[: action.digits]
            made = f"{action.name} {text}\n"
            base = (action.name, self.salt, declared)
            found[action.name] = (made, (*base, read), base)
            if action.kind != TREE:
                held[action.output] = made
        return found

    def store(self) -> Recording:
        cache = Recording(str(self.folder / "store"), least_free=0)
        cache.bodies, cache.order, cache.blobs = self.bodies, [], self.blobs
        return cache

    def path(self, kind: str, name: str) -> Path:
        return self.folder / "store" / kind / name[:2] / name

    def is_whole(self, read: tuple[Any, ...], base: tuple[Any, ...], kind: str) -> bool:
        """Return whether all that a restore needs is on the disk as it was stored."""
        key = self.keys.get(read)
        entries = [key, self.sets.get(base)] if kind == FOUND else [key]
        for one in entries:
            if one is None or not self.path("ac", one).exists():
                return False
            if self.path("ac", one).read_bytes() != self.bodies[one]:
                return False
        return all(
            self.path("cas", name).exists()
            and hashlib.sha256(self.path("cas", name).read_bytes()).hexdigest() == name
            for name in self.digests[key or ""]
        )

    def has_entry(self, read: tuple[Any, ...]) -> bool:
        key = self.keys.get(read)
        return key is not None and self.path("ac", key).exists()

    def damage(self) -> None:
        """Evict or damage some of what is stored, as `gc`, a full disk and a bad one do."""
        paths = sorted((self.folder / "store").glob("[ac]*/*/*"))
        for path in self.rng.sample(paths, min(len(paths), self.rng.randrange(4))):
            how = self.rng.choice(["evicted", "evicted", "flipped", "cut"])
            if how == "evicted":
                path.unlink()
                continue
            data = bytearray(path.read_bytes())
            if how == "flipped" and data:
                data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
            path.write_bytes(data[: len(data) // 2] if how == "cut" else data)
        if self.rng.random() < 0.1:
            for path in paths:
                if path.exists() and self.rng.random() < 0.5:
                    os.utime(path, (1, 1))
            self.store().gc(0)

    def note(self, order: list[str], ran: list[str]) -> None:
        """Take note of what was stored by the actions that ran."""
        left = list(order)
        wanted = self.wanted()
        entries = {key for key in left if b'"action":' in self.bodies[key]}
        for key in left:
            if key in entries:
                entry = decode_entry(self.bodies[key], key)
                _, read, base = wanted[entry.action]
                assert entry.action in ran
                self.keys[read] = key
                self.digests[key] = [one.digest.hash for one in entry.files]
                for folder in entry.folders:
                    nodes = expand(self.blobs[folder.digest.hash], folder.path)
                    self.digests[key] += [folder.digest.hash, *(n.file.digest.hash for n in nodes if n.file)]
                last = base
            else:
                # the path sets of an action come after its entry
                self.sets[last] = key

    def walk(self, name: str) -> dict[str, str]:
        """Run in a workspace; return the kind of the end of each action."""
        root = self.folder / name
        root.mkdir(exist_ok=True)
        for path, text in self.files.items():
            if not (root / path).exists() or (root / path).read_text() != text:
                (root / path).write_text(text)
        graph = DAG()
        for action in self.actions:
            before = [one.name for one in self.actions if one.output in action.inputs]
            graph.add_vertex(action.name, action.command(self.salt), before)
        cache = self.store()
        look = CommandWalk(graph, str(root), Settings(jobs=1), caches=[cache])
        foreseen = {uid: verdict.decision for uid, verdict in look.look().items()}
        could = {uid: self.is_whole(read, base, self.kind(uid)) for uid, (_, read, base) in self.wanted().items()}
        had = {uid: self.has_entry(read) for uid, (_, read, _) in self.wanted().items()}
        walk = CommandWalk(graph, str(root), Settings(jobs=1), caches=[cache])
        report = walk.run()
        assert report.ok
        kinds = {str(uid): one.outcome.kind for uid, one in report.actions.items()}
        self.check(root, name, kinds, could, had)
        for uid, one in report.actions.items():
            if one.unrecorded:
                # a header that was written within a tick of the clock of the disk before the start
                self.records[name].pop(str(uid))
        for uid, how in foreseen.items():
            if uid in look.restorable and could[uid]:
                assert kinds[uid] == "restored", (uid, kinds)
            elif how == "skip":
                assert kinds[uid] == "skip", (uid, kinds)
        self.note(cache.order, [uid for uid, kind in kinds.items() if kind == "success"])
        return kinds

    def kind(self, uid: str) -> str:
        return next(one.kind for one in self.actions if one.name == uid)

    def check(
        self, root: Path, name: str, kinds: dict[str, str], could: dict[str, bool], had: dict[str, bool]
    ) -> None:
        """Check what the outputs hold, and how each action has ended."""
        records = self.records[name]
        for action in self.actions:
            made, read, _ = self.wanted()[action.name]
            path = root / (f"{action.output}x/y" if action.kind == TREE else action.output)
            assert path.read_text() == made, action
            if action.kind == TREE:
                assert os.readlink(root / f"{action.output}l") == "x/y"
                assert sorted(os.listdir(root / action.output)) == ["l", "x"]
            kind = kinds[action.name]
            if records.get(action.name) == read:
                assert kind == "skip", (action, kind)
            elif could[action.name]:
                assert kind == "restored", (action, kind)
            else:
                assert kind in ("success", "restored") if had[action.name] else kind == "success", (action, kind)
            records[action.name] = read

    def spoil(self, name: str) -> None:
        """Remove or edit an output, as a user does: its record does not count then."""
        action = self.rng.choice(self.actions)
        path = self.folder / name / (f"{action.output}x/y" if action.kind == TREE else action.output)
        if path.exists():
            path.unlink() if self.rng.random() < 0.5 else path.write_text("spoiled")
            self.records[name].pop(action.name, None)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_could_be_restored_is_and_each_walk_ends_as_a_clean_build(tmp_path: Path, seed: int) -> None:
    """Invariants 1, 2 and 6, L5, L7, D1."""
    model = Model(tmp_path, seed)
    restored = 0
    for _ in range(WALKS):
        model.change()
        if model.rng.random() < 0.4:
            model.damage()
        name = model.rng.choice("ab")
        if model.rng.random() < 0.2:
            model.spoil(name)
        kinds = model.walk(name)
        restored += list(kinds.values()).count("restored")
        # the model says that all is up to date now
        model.walk(name)
    assert restored > 5
