"""Random plans over includes, files of values, records, globs and plans that are made, with random edits of them.

After each edit one run leaves what a clean build in a fresh folder makes, it runs what a walk without a snapshot
runs, and the runs after it run nothing.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from project import Project

SEEDS = range(4)
STEPS = 5
WITH_WORKDIR = ("words", "maybe", "reader", "all", "gen", "second")
LOG = "defaults: {pass: [LOG]}"
CHAIN = """\
echo second >> $LOG; { echo 'treadle: 1'; echo 'defaults: {pass: [LOG]}'; echo 'actions:'
echo "  none: {sh: 'echo none >> \\$LOG; echo > \\${out}', out: out/n}"
for file in ${in}; do name=$(basename "$file")
echo "  c-$name: {sh: 'echo c-$name >> \\$LOG; cat \\${in} > \\${out}', in: $file, out: out/c/$name}"
done; } > ${out}
"""
MADE = "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"


def action(name: str, words: str, read: object, out: str, **more: object) -> dict[str, object]:
    script = f"echo {name} >> $LOG; {{ echo {words}; cat ${{in}} /dev/null; }} | cksum > ${{out}}"
    return {"sh": script, "in": read, "out": out, **more}


class World:
    """All that somebody writes by hand, and random edits of it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.texts = {f"src/{n}": f"{n}\n" for n in range(3)} | {"lib/s": "s\n"}
        self.values = {"": self.fresh(), "lib/": self.fresh()}
        self.made = ["m0"]
        self.has_second = rng.random() < 0.7
        self.include: str | None = "lib"
        self.found = ["src/1"]
        self.variable = "1"
        self.salt = 0
        self.workdirs = {name: self.workdir() for name in WITH_WORKDIR}

    def workdir(self) -> object:
        return self.rng.choice([None, "fresh", {"fresh": "copy"}])

    def fresh(self) -> dict[str, Any]:
        rng = self.rng
        sets = [
            {"name": f"r{n}", "v": rng.randrange(3), "w": [rng.choice("ab")]} for n in range(rng.randrange(1, 3))
        ]
        names = rng.sample(["a", "b,c", "d/e", "f g", "h:@*"], rng.randrange(1, 4))
        return {"lr": rng.randrange(3), "names": names, "on": rng.random() < 0.6, "sets": sets, "unused": 0}

    def change(self, project: Project) -> None:
        rng = self.rng
        kind = rng.choice(
            [
                "text",
                "value",
                "value",
                "made",
                "made",
                "second",
                "include",
                "found",
                "env",
                "salt",
                "out",
                "workdir",
            ]
        )
        if kind == "text":
            self.texts[rng.choice(sorted(self.texts))] = f"{rng.randrange(3)}\n"
        elif kind == "value":
            fresh, where, key = self.fresh(), rng.choice(["", "lib/"]), rng.choice(["lr", "names", "on", "sets"])
            self.values[where][key] = fresh[key]
        elif kind == "made":
            self.made = rng.sample(["m0", "m1", "m2"], rng.randrange(4))
        elif kind == "second":
            self.has_second = not self.has_second
        elif kind == "include":
            self.include = rng.choice(["lib", "other", None])
        elif kind == "found":
            self.found = rng.sample(["src/1", "src/2", "lib/s"], rng.randrange(3))
        elif kind == "env":
            self.variable = str(rng.randrange(3))
        elif kind == "workdir":
            self.workdirs[rng.choice(WITH_WORKDIR)] = self.workdir()
        elif kind == "salt":
            self.salt = rng.randrange(3)
        else:
            there = sorted(path for path in project.folder.glob("out/**/*") if path.is_file())
            if there:
                rng.choice(there).unlink()

    def plan(self) -> dict[str, object]:
        actions: dict[str, object] = {
            "words": action("words", "${w} ${cfg.lr}", "src/0", "out/w/${w}", foreach={"w": "${cfg.names}"}),
            "sets": action("sets", "${s.v} ${s.w}", "src/0", "out/s/${s.name}", foreach={"s": "${cfg.sets}"}),
            "maybe": action("maybe", str(self.salt), {"from": "words"}, "out/maybe", when="cfg.on"),
            "reader": action("reader", "x", ["src/2", {"from": "maybe", "empty": "ok"}], "out/reader"),
            "all": action("all", "all", {"glob": "out/**/*", "exclude": "out/all", "empty": "ok"}, "out/all"),
            "env": action("env", '"$V"', "src/1", "out/env", dotenv="dev.env"),
            "gen": {
                "sh": "echo gen >> $LOG; cp ${in} ${out}",
                "in": "made.src",
                "out": "out/made.yaml",
                "expand": "out/made.yaml",
            },
            "found": {
                "sh": 'echo found >> $LOG; cat ${in} $(cat ${in}) > ${out}; echo "${out}:" $(cat ${in}) > ${depfile}',
                "in": "found.list",
                "out": "out/found",
                "depfile": "found.d",
            },
        }
        if self.has_second:
            actions["second"] = {
                "sh": CHAIN,
                "in": {"glob": "out/m/*", "empty": "ok"},
                "out": "out/second.yaml",
                "expand": "out/second.yaml",
            }
        for name, workdir in self.workdirs.items():
            if workdir and name in actions:
                actions[name] = {**actions[name], "workdir": workdir}  # type: ignore[dict-item]
        include = {"file": "lib/plan.yaml", "as": self.include, "params": {"tag": f"t{self.salt}"}}
        plan = {"treadle": 1, "defaults": {"pass": ["LOG"]}, "vars": {"cfg": {"file": "values.json"}}}
        return plan | ({"include": [include]} if self.include else {}) | {"actions": actions}

    def write(self, project: Project) -> None:
        lib = {
            "treadle": 1,
            "defaults": {"pass": ["LOG"]},
            "params": {"tag": {}},
            "vars": {"cfg": {"file": "values.json"}},
            "actions": {
                "x": action("x", "${cfg.lr}", ["s", "../src/1"], "out/${tag}/x"),
                "y": action("y", "${n}", {"from": "x"}, "out/${tag}/y/${n}", foreach={"n": "${cfg.names}"}),
            },
        }
        lines = [f"  {name}: {json.dumps(action(name, name, 'src/2', f'out/m/{name}'))}\n" for name in self.made]
        files = {
            **self.texts,
            "treadle.yaml": json.dumps(self.plan()),
            "lib/plan.yaml": json.dumps(lib),
            "made.src": MADE + "".join(lines) if lines else MADE[: MADE.rindex("\n")] + " {}\n",
            "found.list": "".join(f"{path}\n" for path in self.found),
            "dev.env": f"V={self.variable}\n",
            **{f"{where}values.json": json.dumps(held) for where, held in self.values.items()},
        }
        for name, text in files.items():
            if not (project.folder / name).exists() or project.read(name) != text:
                project.write(name, text)


def made_in(folder: Path) -> dict[str, str]:
    """Return what the output folders hold."""
    found = [*folder.glob("out/**/*"), *folder.glob("lib/out/**/*")]
    return {str(path.relative_to(folder)): path.read_text() for path in found if path.is_file()}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_after_any_edit_is_as_good_as_a_clean_build(tmp_path: Path, seed: int) -> None:
    world = World(random.Random(seed))
    project = Project(tmp_path / "p")
    for step in range(STEPS):
        for _ in range(world.rng.randrange(1, 3) if step else 0):
            world.change(project)
        world.write(project)
        clean = Project(tmp_path / f"clean{step}")
        world.write(clean)
        clean.run("-k")
        walked = Project(tmp_path / f"walked{step}")
        shutil.copytree(project.folder, walked.folder, dirs_exist_ok=True)
        shutil.rmtree(walked.folder / ".treadle/quick", ignore_errors=True)
        ran = project.run("-k")
        assert ran == walked.run("-k"), (seed, step)
        made = made_in(project.folder)
        assert {name: made.get(name) for name in made_in(clean.folder)} == made_in(clean.folder), (seed, step)
        assert project.run("-k") == [], (seed, step)


def copied(world: World) -> World:
    """Return the state of a world, with the same source of chance."""
    found = copy.copy(world)
    held = {name: value for name, value in vars(world).items() if name != "rng"}
    vars(found).update(copy.deepcopy(held))
    return found


class Branches:
    """Workspaces that share one store, and the states that they were in.

    :param folder: where all of it is
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.world = World(random.Random(seed))
        self.states: list[World] = []

    def workspace(self, name: str, *, is_cached: bool = True) -> Project:
        project = Project(self.folder / name)
        project.environ["TREADLE_CACHE"] = "local" if is_cached else "off"
        project.environ["TREADLE_CACHE_DIR"] = str(self.folder / "store")
        return project

    def go_on(self) -> int:
        """Edit something, or go back to a former state; return the number of the state."""
        rng = self.world.rng
        if self.states and rng.random() < 0.4:
            number = rng.randrange(len(self.states))
            self.world = copied(self.states[number])
            return number
        for _ in range(rng.randrange(1, 3) if self.states else 0):
            self.world.change(self.workspace("a"))
        self.states.append(copied(self.world))
        return len(self.states) - 1

    def damage(self) -> None:
        """Remove or damage some of what is stored."""
        rng = self.world.rng
        for path in sorted(self.folder.glob("store/*/*/*")):
            how = rng.random()
            if how < 0.15:
                path.unlink()
            elif how < 0.3:
                data = bytearray(path.read_bytes())
                if data:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                path.write_bytes(bytes(data[: rng.randrange(len(data) + 1)] if how < 0.2 else data))


@pytest.mark.parametrize(("seed", "is_damaged"), [(0, False), (1, True)])
def test_a_run_with_a_cache_after_any_edit_is_as_good_as_a_clean_build(
    tmp_path: Path, seed: int, is_damaged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariants 1 and 2: branches are switched in two workspaces with one store, which loses and damages entries.

    What was made of a state once is restored in a third one, where nothing was damaged.
    """
    real = World.plan
    # each step is worth to be stored, however short
    monkeypatch.setattr(World, "plan", lambda self: real(self) | {"defaults": {"pass": ["LOG"], "cache": True}})
    branches = Branches(tmp_path, seed)
    for step in range(STEPS):
        state = branches.go_on()
        clean = branches.workspace(f"clean{step}", is_cached=False)
        branches.world.write(clean)
        clean.run("-k")
        wanted = made_in(clean.folder)
        for name in (branches.world.rng.choice("ab"), "a"):
            project = branches.workspace(name)
            branches.world.write(project)
            project.run("-k")
            made = made_in(project.folder)
            assert {path: made.get(path) for path in wanted} == wanted, (seed, step, name)
            assert project.run("-k") == [], (seed, step, name)
        if is_damaged:
            branches.damage()
        fresh = branches.workspace(f"fresh{step}")
        branches.world.write(fresh)
        ran = fresh.run("-k")
        assert made_in(fresh.folder) == wanted, (seed, step, state)
        if not is_damaged:
            # what an included plan and generated ones have is not said to be stored always
            own = set(branches.world.plan()["actions"])  # type: ignore[call-overload]
            assert not {name for name in ran if name in own}, (seed, step, state)
        assert fresh.run("-k") == [], (seed, step, state)
