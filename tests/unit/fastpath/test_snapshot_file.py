"""Columns of stamps: what is written is read back, what moved is found, and damage is seen before it is believed."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from treadle.command.command import Command, Environment, Limits, Retries, Script, Tool
from treadle.command.discovery import Discovery
from treadle.content.timestamps import ABSENT, UNSURE, FileSystems
from treadle.errors import Place
from treadle.fastpath import probe
from treadle.fastpath.probe import (
    MADE,
    NUMBERS,
    PER_ITEM,
    READ,
    WATCHED,
    DamageError,
    Facts,
    Snapshot,
    facts_from,
    split_texts,
)
from treadle.fastpath.snapshot_file import Columns, command_from, join_texts, texts_of, texts_of_place, write_file

Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp:
    return FileSystems(path.parent.as_posix()).stamp(path.stat(), path.as_posix())


def written(root: Path, count: int = 5) -> tuple[Snapshot, Columns]:
    """Write a snapshot of `count` files, each read by one item, in a chain."""
    made = Columns(["some", "facts", ""])
    made.row("watched/", ABSENT, WATCHED)
    for n in range(count):
        path = root / f"f{n}"
        path.write_text(str(n))
        made.item_rows.append([made.row(f"f{n}", stamp(path), READ, str(n))])
        made.befores.append([n - 1] if n else [])
        made.numbers.append((n * 10, n, -1, 7))
        made.keys.append(n.to_bytes(16, "little"))
        made.items.append(f"item {n}".encode())
    write_file(str(root / "snapshot"), made.sections(), made.items)
    return opened(root), made


def opened(root: Path) -> Snapshot:
    found = Snapshot(str(root / "snapshot"))
    assert found.open()
    return found


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    found, made = written(tmp_path)
    assert found.facts() == ["some", "facts", ""]
    assert found.paths() == made.paths
    assert [found.column(NUMBERS + n).tolist() for n in range(PER_ITEM)] == [
        list(column) for column in zip(*made.numbers, strict=True)
    ]
    assert found.items([4, 0]) == [b"item 4", b"item 0"]
    assert found.moved_rows(str(tmp_path)) == []


def test_an_empty_snapshot_can_be_written(tmp_path: Path) -> None:
    write_file(str(tmp_path / "snapshot"), Columns(()).sections(), ())
    found = opened(tmp_path)
    assert (found.facts(), found.paths(), found.moved_rows(str(tmp_path))) == ([], [], [])


@pytest.mark.parametrize("count", [3, 5000, 9000])
def test_rows_that_moved_are_found_among_few_and_many(tmp_path: Path, count: int) -> None:
    found, _ = written(tmp_path, count)
    rng = random.Random(count)
    edited = sorted(rng.sample(range(count), 3))
    for n in edited:
        (tmp_path / f"f{n}").write_text("edited")
    os.unlink(tmp_path / f"f{edited[0]}")
    (tmp_path / "watched").mkdir()
    assert found.moved_rows(str(tmp_path)) == [0, *(n + 1 for n in edited)]
    assert found.items_of([n + 1 for n in edited]) == set(edited)


def test_a_helper_that_dies_is_stood_in_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = written(tmp_path, 6000)
    (tmp_path / "f5999").write_text("edited")
    monkeypatch.setattr(probe, "_usable_cpus", lambda: 2)
    real = os.fork

    def dying() -> int:
        child = real()
        if child == 0:
            os._exit(7)
        return child

    monkeypatch.setattr(os, "fork", dying)
    assert found.moved_rows(str(tmp_path)) == [6000]


def test_each_file_is_looked_at_once(tmp_path: Path) -> None:
    found, made = written(tmp_path, 50)
    looked: list[bytes] = []

    def look(path: bytes) -> os.stat_result:
        looked.append(path)
        return os.stat(path)

    (tmp_path / "watched").mkdir()
    found.moved_rows(str(tmp_path), look)
    assert sorted(looked) == sorted(made.paths)


def test_all_that_comes_after_is_found(tmp_path: Path) -> None:
    found, _ = written(tmp_path, 200)
    assert found.with_all_after([3]) == list(range(3, 200))
    assert found.with_all_after([199]) == [199]


def test_random_graphs_have_the_closure_of_a_model(tmp_path: Path) -> None:
    for seed in range(60):
        rng = random.Random(seed)
        made = Columns(())
        count = rng.randrange(1, 150)
        for n in range(count):
            made.item_rows.append([made.row(f"r{rng.randrange(count)}", UNSURE) for _ in range(rng.randrange(3))])
            made.befores.append(sorted(rng.sample(range(n), min(n, rng.randrange(3)))))
            made.numbers.append((n,) * PER_ITEM)
            made.keys.append(bytes(16))
            made.items.append(b"x" * n)
        write_file(str(tmp_path / "snapshot"), made.sections(), made.items)
        found = opened(tmp_path)
        start = set(rng.sample(range(count), min(count, rng.randrange(1, 9))))
        closure = set(start)
        for n in range(count):
            if closure & set(made.befores[n]):
                closure.add(n)
        assert found.with_all_after(start) == sorted(closure), seed
        rows = rng.sample(range(len(made.paths)), min(len(made.paths), 4))
        assert found.items_of(rows) == {n for n in range(count) if set(rows) & set(made.item_rows[n])}


def test_two_looks_that_saw_the_same_are_as_sure_as_the_surer_one() -> None:
    made = Columns(())
    assert made.row("a", UNSURE, READ, "v") == made.row("a", (1, 2, 3), MADE, "v")
    assert (made.stamps, made.kinds[0]) == ([(1, 2, 3)], MADE)


@pytest.mark.parametrize(
    "looks",
    [
        [((1, 2, 3), "v"), ((9, 2, 3), "v")],
        [((1, 2, 3), "v"), ((1, 2, 3), "w")],
        [(UNSURE, "v"), ((1, 2, 3), "w")],
        [(UNSURE, None), ((1, 2, 3), None)],
        [((1, 2, 3), None), (UNSURE, None)],
        [((1, 2, 3), "v"), ((1, 2, 3), "w"), ((1, 2, 3), "w")],
    ],
)
def test_two_looks_that_may_have_seen_different_things_leave_a_doubt(looks: list[tuple[Stamp, str | None]]) -> None:
    made = Columns(())
    for stamped, value in looks:
        made.row("a", stamped, READ, value)
    assert made.stamps == [UNSURE]


def test_damage_is_seen_before_anything_is_believed(tmp_path: Path) -> None:
    written(tmp_path, 20)
    path = tmp_path / "snapshot"
    data = path.read_bytes()
    for at in range(0, len(data), 3):
        broken = bytearray(data)
        broken[at] ^= 0x10
        path.write_bytes(bytes(broken))
        found = Snapshot(str(path))
        if not found.open():
            continue
        with pytest.raises(DamageError):
            read_all(found)
        found.close()
    for size in range(0, len(data), 11):
        path.write_bytes(data[:size])
        found = Snapshot(str(path))
        if found.open():
            with pytest.raises(DamageError):
                read_all(found)
        found.close()


def read_all(found: Snapshot) -> None:
    """Read each section."""
    for number in range(NUMBERS + PER_ITEM):
        found.section(number)


COMMANDS = [
    Command(["cp", "a", "b"], inputs=["a"], outputs=["b"]),
    Command([["a"], ["b", "", "c\n\udc80"]], cwd="x/y", always=True, keep=True, console=True, label="p.yaml"),
    Command(
        script=Script("cat $X", {"X": "it's", "Y": ""}, "cat 'it'", ["sh", "-c"]),
        env=Environment({"A": "1"}, ["B", "C"], ["D"]),
        tools=[Tool("cc"), Tool("ld", ["ld", "-v"])],
        depfile="d",
        stdout="o",
        limits=Limits("net", 3, -2, 1.5, Retries(2, ["timeout", "exit 3"], 0.25)),
        place=Place("p.yaml", 3, 9, "  x: é"),
    ),
    Command(script=Script("cat", {"X": "1"}, "cat x y", ["bash", "-c"], ["bash", "x", "y"])),
    Command(["a"], outputs=["o"], once=True),
    Command(["a"], limits=Limits(retries=Retries(1, grow={"memory": 1.5, "cpus": (4, 8), "timeout": (0.5,)}))),
    Command(["a"], limits=Limits(resources=[{"gpus": 1}, {"cpus": 8, "memory": 3}, {}])),
    Command(["a"], edits=["e", "f"], env=Environment({"A": "1"}, ["B"], secret=["B"])),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_packed_and_unpacked_whole(command: Command) -> None:
    texts, place = texts_of(command), texts_of_place(command.place)
    again = command_from(*(split_texts(join_texts(one)) for one in (texts, place)))
    assert contents(again) == contents(command)


def test_a_value_that_is_secret_is_not_packed() -> None:
    command = Command(["a"], env=Environment({"A": "token", "B": "1"}, secret=["A"]))
    texts = texts_of(command)
    assert not any("token" in text for text in texts)
    assert texts != texts_of(Command(["a"], env=Environment({"A": "other", "B": "1"}, secret=["A"])))
    with pytest.raises(ValueError, match="kept nowhere"):
        command_from(texts)


def contents(thing: object) -> object:
    """Return what a data sheet holds, all the way down."""
    if isinstance(thing, Discovery):
        return type(thing), vars(thing)
    names = getattr(type(thing), "__slots__", None)
    if names is None or isinstance(thing, str):
        return [contents(one) for one in thing] if isinstance(thing, list | tuple) else thing
    return {name: contents(getattr(thing, name)) for name in names}


@pytest.mark.parametrize(
    "facts",
    [
        Facts(
            ("id", 3, 2),
            "plan",
            0.5,
            {},
            [],
            {},
            has_globs=False,
            queues={},
            generates_plans=False,
            pool="",
            cache="",
        ),
        Facts(
            ("id", 3, 2),
            "a/plan",
            1.0,
            {"PATH": "/bin", "CC": "", "LANG": None},
            ["src/", "/opt"],
            {"l": "src", "m": ""},
            has_globs=True,
            queues={"net": 2, "db": 1},
            generates_plans=True,
            pool='2 {"resources": {"tapes": 3}}',
            cache='{"size": 5}',
        ),
    ],
)
def test_facts_are_read_as_they_were_written(facts: Facts) -> None:
    read = facts_from(facts.texts())
    assert read is not None
    assert {name: getattr(read, name) for name in Facts.__slots__} == {
        name: getattr(facts, name) for name in Facts.__slots__
    }
