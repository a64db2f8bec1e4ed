"""Two hundred walks by the real command over random plans, edits, touches, truncations, switches and kills.

Beside them goes a model of a few lines: what an action asks (its command, the content of what it reads), and what
its outputs held when it last ended well. An action runs when one of these differs, and else it does not. What runs
have recorded of themselves is removed or damaged between the walks, which changes none of that.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
from typing import NamedTuple

import pytest

from project import Project, wait_until

SEEDS = range(20)
WALKS = 10
HASH = '{{ echo {} "$FLAVOUR"; cat ${{in}}; }} | md5sum | cut -c1-{}'
SOURCES = [f"s{n}.txt" for n in range(4)]


class Action(NamedTuple):
    """One action of a random plan: it hashes its inputs and keeps so many digits of the digest."""

    name: str
    inputs: tuple[str, ...]
    digits: int
    salt: str
    by_mode: bool

    def output(self, mode: str) -> str:
        return f"out/{mode}/{self.name}" if self.by_mode else f"out/{self.name}"


class Model:
    """What the files hold, and what is on record."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.mode = "a"
        self.flavour = "x"
        self.files = {name: f"{rng.randrange(3)}\n" for name in SOURCES}
        self.records: dict[str, tuple[str, str]] = {}
        self.actions: list[Action] = []
        for n in range(rng.randrange(4, 10)):
            earlier = [a.name for a in self.actions]
            inputs = tuple(rng.sample(SOURCES + earlier, rng.randrange(1, 4)))
            self.actions.append(Action(f"a{n}", inputs, rng.choice([1, 1, 8]), "0", rng.random() < 0.5))

    def plan(self) -> str:
        lines = ["treadle: 1", "params: {mode: {type: str, choices: [a, b], default: a}}", "actions:"]
        for action in self.actions:
            out = action.output("${mode}")
            lines += [
                f"  {action.name}:",
                f"    in: [{', '.join(self.path(i, '${mode}', quote=True) for i in action.inputs)}]",
                f'    out: "{out}"',
                "    pass: [LOG]",
                "    track: [FLAVOUR]",
                f'    sh: echo {action.name} >> "$LOG"; {HASH.format(action.salt, action.digits)} > ${{out}}',
            ]
        return "\n".join(lines) + "\n"

    def path(self, name: str, mode: str, *, quote: bool = False) -> str:
        made = {a.name: a.output(mode) for a in self.actions}
        path = made.get(name, name)
        return f'"{path}"' if quote else path

    def walk(self) -> list[str]:
        """Run all that has to, on the files of the model; return the names."""
        ran = []
        for action in self.actions:
            contents = [self.files[self.path(i, self.mode)] for i in action.inputs]
            output = action.output(self.mode)
            question = repr((action.salt, action.digits, self.flavour, action.inputs, contents))
            if action.by_mode or any(self.is_by_mode(i) for i in action.inputs):
                question += self.mode
            if self.records.get(output) != (question, self.files.get(output)):
                ran.append(action.name)
                text = f"{action.salt} {self.flavour}\n" + "".join(contents)
                digest = hashlib.md5(text.encode()).hexdigest()[: action.digits] + "\n"
                self.files[output] = digest
                self.records[output] = (question, digest)
        return sorted(ran)

    def is_by_mode(self, name: str) -> bool:
        return any(a.name == name and a.by_mode for a in self.actions)

    def change(self, project: Project) -> None:
        """Do something to the model and the same to the project."""
        kind = self.rng.choice(
            ["edit", "edit", "touch", "truncate", "delete", "switch", "command", "flavour", "none"]
        )
        if kind == "edit":
            name = self.rng.choice(SOURCES)
            self.files[name] = f"{self.rng.randrange(3)}\n"
            project.write(name, self.files[name])
        elif kind == "touch":
            os.utime(project.folder / self.rng.choice(SOURCES), (self.rng.randrange(10**9),) * 2)
        elif kind in ("truncate", "delete"):
            made = [o for a in self.actions for o in [a.output(self.mode)] if o in self.files]
            if made:
                self.damage(project, self.rng.choice(made), kind)
        elif kind == "switch":
            self.mode = "b" if self.mode == "a" else "a"
        elif kind == "flavour":
            self.flavour = self.rng.choice(["x", "y"])
        elif kind == "command":
            at = self.rng.randrange(len(self.actions))
            self.actions[at] = self.actions[at]._replace(salt=str(self.rng.randrange(3)))
            project.write("plan", self.plan())

    def damage(self, project: Project, output: str, kind: str) -> None:
        if kind == "truncate":
            os.truncate(project.folder / output, 1)
            self.files[output] = self.files[output][:1]
        else:
            (project.folder / output).unlink()
            del self.files[output]


def check_files(project: Project, model: Model) -> None:
    for action in model.actions:
        output = action.output(model.mode)
        assert project.read(output) == model.files[output], output


def kill_in_the_middle(project: Project, model: Model, arguments: tuple[str, ...]) -> None:
    """Kill one run under way; what it did not finish is left to the next one."""
    before = len(project.starts())
    wanted = model.rng.randrange(1, 4)
    child = project.start("run", *arguments, FLAVOUR=model.flavour)
    wait_until(lambda: len(project.starts()) >= before + wanted or child.poll() is not None)
    child.send_signal(signal.SIGKILL)
    with child:
        pass


RECORDS = ("removed", "looked at", "damaged", "kept")


def treat_records_of_runs(project: Project, how: str) -> None:
    """Do something to what runs have recorded of themselves: no run decides anything by it."""
    state = project.folder / ".treadle"
    if how == "removed":
        shutil.rmtree(state / "runs", ignore_errors=True)
        for path in state.glob("ledger.db*"):
            path.unlink()
    elif how == "looked at":
        assert project.treadle("runs").code == 0
    elif how == "damaged":
        for path in [*state.glob("runs/*/events"), *state.glob("ledger.db*")]:
            path.write_bytes(path.read_bytes().replace(b"success", b"failure")[:-7])


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_walks_agree_with_the_model(project: Project, seed: int) -> None:
    rng = random.Random(seed)
    model = Model(rng)
    for name in SOURCES:
        project.write(name, model.files[name])
    project.write("plan", model.plan())
    for walk in range(WALKS):
        for _ in range(rng.randrange(3)):
            model.change(project)
        arguments = ("-j2", "-p", f"mode={model.mode}")
        killed = rng.random() < 0.2
        if killed:
            kill_in_the_middle(project, model, arguments)
        expected = model.walk()
        ran = project.run(*arguments, FLAVOUR=model.flavour)
        if killed:
            assert set(ran) <= set(expected), (seed, walk)
        else:
            assert ran == expected, (seed, walk)
        check_files(project, model)
        assert walk or (project.folder / ".treadle/runs").is_dir(), "no run is recorded"
        # nothing of it moves a verdict of the next walk
        treat_records_of_runs(project, "removed" if seed % 2 else RECORDS[walk % len(RECORDS)])
