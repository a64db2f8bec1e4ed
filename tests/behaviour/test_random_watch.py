"""Random edits under `treadle run --watch`, against a model of what has to lie there and of what may have run.

TREADLE_WATCH_SECONDS says how long (an hour by hand: 3600), TREADLE_WATCH_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from helpers import run_treadle
from watched import READY, Watched

SECONDS = float(os.environ.get("TREADLE_WATCH_SECONDS", "4"))
PLAN = """treadle: 1
include: [sub/plan.yaml]
vars: {{word: {{file: word.txt}}, text: "{text}"}}
actions:
  c:
    foreach: {{s: "src/**/*.c"}}
    sh: echo c@${{s}} >> {log}; cat ${{in}} > ${{out}}
    in: ${{s}}
    out: out/${{s.noext}}.o
  short:
    foreach: {{s: "src/**/*.c"}}
    sh: echo short@${{s}} >> {log}; head -c 1 ${{in}} > ${{out}}
    in: out/${{s.noext}}.o
    out: out/${{s.noext}}.short
  all: {{sh: "echo all >> {log}; cat ${{in}} > ${{out}}", in: {{from: short}}, out: out/all}}
  word: {{sh: "echo word >> {log}; echo ${{word}} ${{text}} > ${{out}}", out: out/word}}
  tree: {{sh: "echo tree >> {log}; cat docs/* > ${{out}}", in: docs/, out: out/tree}}
  found:
    sh: |
      echo found >> {log}; header=$(cat ${{in}}); cat headers/$header > ${{out}}
      echo "x: headers/$header" > ${{depfile}}
    in: header
    out: out/found
    depfile: out/found.d
  fence: {{sh: "cat ${{in}} > ${{out}}", in: fence, out: out/fence}}
"""


INCLUDED = "treadle: 1\nactions: {{part: {{sh: 'echo sub:part >> {log}; echo {text} > ${{out}}', out: part}}}}\n"
MAKER = "  gen: {{sh: 'echo gen >> {log}; cat ${{in}} > ${{out}}', in: gen.yaml, out: out/gen.yaml, expand: out/gen.yaml}}\n"
"""With an action that makes a plan no round keeps a snapshot."""
MADE = "treadle: 1\nactions: {{m: {{sh: 'echo gen:m >> {log}; echo {text} > ${{out}}', out: out/m}}}}\n"
MEETS = {
    "out/all": ["all"],
    "out/word": ["word"],
    "out/tree": ["tree"],
    "out/found": ["found"],
    "sub/part": ["sub:part"],
    "out/m": ["gen:m"],
}


class World:
    """The folder, and the model of it: what each action reads decides whether it may run."""

    def __init__(self, folder: Path, seed: int, *, makes_a_plan: bool) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.log = folder / "log"
        self.log.touch()
        self.random = random.Random(seed)
        self.makes_a_plan = makes_a_plan
        self.text = self.included = self.generated = "t"
        self.fences = self.away = 0
        self.spoiled: Counter[str] = Counter()
        """How often what an action has made or reads was written to by somebody else since somebody asked last."""
        self.restless: set[str] = set()
        """The actions that may be running: since somebody asked last, what they read was written to."""
        self.known: dict[str, set[str]] = {}
        """What each action may have last run with: it is free to be skipped if it meets that again."""
        for name in ("src/keep.c", "docs/a", "word.txt", "fence", "headers/a", "headers/b"):
            self.write(name, "0")
        self.write("header", "a")
        self.write_generated()
        self.write_plan()

    def write(self, name: str, text: str) -> None:
        """Write a file as one change: by a rename as editors do, or in its place if nothing of it is cut off.

        A write that first empties the file is two changes, and each of them may be a run.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size == len(text):
            with path.open("r+") as file:
                file.write(text)
        else:
            beside = self.log.with_name("beside")
            beside.write_text(text)
            beside.replace(path)

    def write_plan(self) -> None:
        """Write the plan and the one that it includes as they should be."""
        self.write("sub/plan.yaml", INCLUDED.format(log=self.log, text=self.included))
        plan = PLAN + MAKER if self.makes_a_plan else PLAN
        self.write("treadle.yaml", plan.format(log=self.log, text=self.text))

    def write_generated(self) -> None:
        """Write what the plan that is made is made of."""
        self.write("gen.yaml", MADE.format(log=self.log, text=self.generated))

    def sources(self) -> list[Path]:
        """Return the files of the glob, in its order."""
        return sorted(
            (self.folder / "src").rglob("*.c"), key=lambda path: os.fsencode(path.relative_to(self.folder))
        )

    def read(self) -> dict[str, str]:
        """Return for each action what decides of it: what it reads, and what of it stands in its command."""
        sources = {path.relative_to(self.folder).as_posix(): path.read_text() for path in self.sources()}
        found = {f"c@{name}": text for name, text in sources.items()}
        found |= {f"short@{name}": text for name, text in sources.items()}
        found["all"] = repr([(name, text[:1]) for name, text in sources.items()])
        found["word"] = (self.folder / "word.txt").read_text() + self.text
        docs = sorted((self.folder / "docs").iterdir())
        header = (self.folder / "header").read_text()
        found["found"] = header + (self.folder / "headers" / header).read_text()
        found["sub:part"] = self.included
        if self.makes_a_plan:
            found["gen"] = found["gen:m"] = self.generated
        found["tree"] = repr([(path.name, path.read_text()) for path in docs])
        return found

    def stamps(self) -> dict[str, list[int]]:
        """Return for each action when the files that it reads were last written to, if with what they held.

        Written to while it runs they may have held something else for a moment: it runs again.
        """
        header = self.folder / "header"
        read = {f"c@{path.relative_to(self.folder).as_posix()}": [path] for path in self.sources()}
        read["found"] = [header, self.folder / "headers" / header.read_text()]
        read["tree"] = sorted((self.folder / "docs").iterdir())
        read["gen"] = [self.folder / "gen.yaml"]
        return {name: [path.stat().st_mtime_ns for path in paths] for name, paths in read.items()}

    def made(self) -> dict[str, str]:
        """Return what has to lie in the outputs."""
        sources = self.sources()
        texts = {f"out/{path.relative_to(self.folder).with_suffix('.o')}": path.read_text() for path in sources}
        texts["out/all"] = "".join(path.read_text()[:1] for path in sources)
        texts["out/word"] = f"{(self.folder / 'word.txt').read_text()} {self.text}\n"
        texts["out/found"] = (self.folder / "headers" / (self.folder / "header").read_text()).read_text()
        texts["sub/part"] = f"{self.included}\n"
        if self.makes_a_plan:
            texts["out/m"] = f"{self.generated}\n"
        texts["out/tree"] = "".join(path.read_text() for path in sorted((self.folder / "docs").iterdir()))
        return texts

    def edit(self) -> None:
        """Do something at random."""
        pick = self.random.choice
        text = self.random.choice("ab") + self.random.choice(("", "x", "yy"))
        kind = self.random.randrange(15)
        sources = [path for path in self.sources() if path.name != "keep.c"]
        if kind < 3:
            self.write(pick(self.sources()).relative_to(self.folder).as_posix(), text)
        elif kind == 3:
            self.write(f"src/{pick(('', 'd/', 'e/f/'))}{pick('pqr')}.c", text)
        elif kind == 4 and sources:
            pick(sources).unlink()
        elif kind == 5 and sources:
            pick(sources).rename(self.folder / "src" / f"{pick('pqr')}.c")
        elif kind == 6:
            self.write("word.txt", text)
        elif kind == 7:
            self.write(f"docs/{pick('abc')}", text)
        elif kind == 8:
            self.write("header", pick("ab"))
        elif kind == 9:
            self.write(f"headers/{pick('ab')}", text)
        elif kind == 10:
            self.included = text
            self.write_plan()
        elif kind == 11:
            self.move(pick("dg"), pick("dg"))
        elif kind == 12:
            self.generated = text
            self.write_generated()
        elif kind == 13:
            self.text = text
            if self.random.random() < 0.5:
                self.write("treadle.yaml", "treadle: 1\nactions: {c: {runn: x}}\n")
                self.pause()
            self.write_plan()
        else:
            self.spoil(pick(sorted(self.made())))

    def move(self, old: str, new: str) -> None:
        """Give a folder of sources another name; one that has it already goes away with all that lies in it."""
        folders = self.folder / "src"
        if (folders / new).exists():
            self.away += 1
            (folders / new).rename(self.log.with_name(f"away{self.away}"))
        if (folders / old).exists():
            (folders / old).rename(folders / new)

    def spoil(self, name: str) -> None:
        """Write to an output, unless its maker may write to it now: nobody could say whose text that is."""
        met = MEETS.get(name) or self.met(name)
        if met[0] not in self.restless and not self.spoiled[met[0]] and (self.folder / name).exists():
            (self.folder / name).write_text("not from the action")
            self.spoiled.update(met)

    def met(self, name: str) -> list[str]:
        """Return the actions that meet the object file of a source: its maker, and those that read what comes of it."""
        source = name.removeprefix("out/").removesuffix(".o") + ".c"
        return [f"c@{source}", f"short@{source}", "all"]

    def pause(self) -> None:
        """Let a little time go, at random: edits meet a watcher that waits, looks or runs."""
        Event().wait(self.random.choice((0, 0, 0.01, 0.03, 0.1)))

    def fence(self, run: Watched) -> None:
        """Return when a round that began after all that was written before is over.

        The first one may still run in a round that has begun before; the second one cannot.
        """
        for _ in range(2):
            self.fences += 1
            (self.folder / "fence").write_text(f"{self.fences}\n")
            while "ran fence" not in run.round():
                pass

    def runs(self) -> Counter[str]:
        """Return how often each action has run."""
        return Counter(self.log.read_text().split())


@pytest.mark.parametrize("makes_a_plan", [False, True])
def test_no_edit_is_missed_and_nothing_runs_without_one(tmp_path: Path, makes_a_plan: bool) -> None:
    seed = int(os.environ.get("TREADLE_WATCH_SEED", "0")) or random.randrange(1, 10**9)
    print(f"TREADLE_WATCH_SEED={seed}")
    world = World(tmp_path, seed, makes_a_plan=makes_a_plan)
    run = Watched(world.folder)
    run.until(READY)
    end = monotonic() + SECONDS / 2
    while monotonic() < end:
        _one_burst(world, run)
    assert run.end() == 130
    assert run_treadle(world.folder, "status").code == 0


def _one_burst(world: World, run: Watched) -> None:
    """Do some edits, wait until they are done with, and compare."""
    states, stamps, runs = [world.read()], [world.stamps()], world.runs()
    world.spoiled.clear()
    world.restless.clear()
    for _ in range(world.random.randint(1, 5)):
        world.edit()
        states.append(world.read())
        stamps.append(world.stamps())
        for before, after in (states[-2:], stamps[-2:]):
            world.restless |= {name for name in {**before, **after} if before.get(name) != after.get(name)}
        world.pause()
    world.fence(run)
    made = {name: (world.folder / name).read_text() for name in world.made()}
    assert made == world.made(), run.last()
    now = world.runs()
    for name in now.keys() | states[-1].keys():
        # each state that an action did not see before may be a run of it, and so may each spoiled output
        seen = [(state.get(name), stamp.get(name)) for state, stamp in zip(states, stamps, strict=True)]
        changes = sum(a != b for a, b in pairwise(seen))
        most = changes + 2 * world.spoiled[name]
        ran = now[name] - runs[name]
        assert ran <= most, f"{name}: {ran} runs, {most} at most, {seen}:\n{run.last()}"
        met = {state[name] for state in states[:-1] if name in state} | world.known.get(name, set())
        if name not in states[-1]:
            world.known[name] = met
            continue
        # one that comes back may find its record and outputs as it has left them
        assert ran >= 1 or states[-1][name] in met, f"{name} did not run, {seen}:\n{run.last()}"
        world.known[name] = {states[-1][name]}
