"""The workload of the benchmarks, for each tool in its own words; it does not know who runs it or how often.

N actions: nine in ten read one source and one of ten shared headers, one in ten joins nine of their outputs, and a
group holds all. Each tool gets a folder of its own with the same files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEADERS = 10
JOINED = 9


class Edit(NamedTuple):
    """The command of one object gets another text, which does the same."""

    object: int
    mark: int

    @property
    def more(self) -> str:
        return f" && true {self.mark}"


class Shape:
    """Which actions there are for a number of them."""

    def __init__(self, actions: int) -> None:
        self.actions = actions
        self.objects = actions * JOINED // (JOINED + 1)
        self.joins = [range(first, min(first + JOINED, self.objects)) for first in range(0, self.objects, JOINED)][
            : actions - self.objects
        ]

    def source(self, n: int) -> str:
        return f"src/{n // 1000}/{n}.c"

    def header(self, n: int) -> str:
        return f"hdr/{n % HEADERS}.h"

    def output(self, n: int) -> str:
        return f"out/{n // 1000}/{n}.o"

    def joined(self, n: int) -> str:
        return f"out/lib/{n}.a"

    def outputs(self) -> list[str]:
        """Return what all actions make, each after what it reads."""
        return [self.output(n) for n in range(self.objects)] + [self.joined(n) for n in range(len(self.joins))]

    def inputs(self) -> list[list[str]]:
        """Return what the action of each output reads."""
        objects = [[self.source(n), self.header(n)] for n in range(self.objects)]
        return objects + [[self.output(part) for part in parts] for parts in self.joins]

    def below_source(self, n: int) -> int:
        """Return how many actions depend on a source."""
        return 1 + sum(n in parts for parts in self.joins)

    def below_header(self, header: int) -> int:
        """Return how many actions depend on a header."""
        readers = range(header, self.objects, HEADERS)
        return len(readers) + sum(any(part in readers for part in parts) for parts in self.joins)


def write_sources(folder: Path, shape: Shape) -> None:
    """Write what all tools read, and the folders that those write into which make none."""
    for part in {name.rpartition("/")[0] for reads in shape.inputs() for name in reads} | {"out/lib"}:
        (folder / part).mkdir(parents=True, exist_ok=True)
    for n in range(HEADERS):
        (folder / shape.header(n)).write_text(f"header {n}\n")
    for n in range(shape.objects):
        (folder / shape.source(n)).write_text(f"source {n}\n")


def write_outputs(folder: Path, shape: Shape) -> None:
    """Write what the actions would make."""
    for output, inputs in zip(shape.outputs(), shape.inputs(), strict=True):
        (folder / output).write_bytes(b"".join((folder / name).read_bytes() for name in inputs))


def commands_with_shell(shape: Shape, _edit: Edit | None = None) -> str:
    """Return what floor.py reads: an argv a line, with the file of its standard output first, parted by tabs.

    An empty line stands before what reads outputs.
    """
    pairs = zip(shape.outputs(), shape.inputs(), strict=True)
    return parted(shape, [f"/dev/null\tsh\t-c\tcat {' '.join(inputs)} > {output}\n" for output, inputs in pairs])


def commands_without_shell(shape: Shape, _edit: Edit | None = None) -> str:
    pairs = zip(shape.outputs(), shape.inputs(), strict=True)
    return parted(shape, ["\t".join([output, "cat", *inputs]) + "\n" for output, inputs in pairs])


def parted(shape: Shape, lines: list[str]) -> str:
    return "".join([*lines[: shape.objects], "\n", *lines[shape.objects :]])


def plan_of_words(shape: Shape, edit: Edit | None = None) -> str:
    """Return a plan of scripts that a shell need not run: plain words and one file."""
    return plan(shape, edit, ["    sh: cat ${in} > ${out}"])


def plan_with_shell(shape: Shape, edit: Edit | None = None) -> str:
    """Return a plan of scripts that a shell has to run: the semicolon takes it."""
    return plan(shape, edit, ["    sh: cat ${in} > ${out};"])


def plan_with_resources(shape: Shape, edit: Edit | None = None) -> str:
    """Return the same as `plan_with_shell`, with what each action asks for and may be tried again."""
    asks = ["    resources: {cpus: 1, memory: 10MiB}", "    retries: {max: 2, on: signal, backoff: 1s}"]
    return plan(shape, edit, ["    sh: cat ${in} > ${out};", *asks], ["pool: {memory: 1GiB}"])


def plan_without_shell(shape: Shape, edit: Edit | None = None) -> str:
    return plan(shape, edit, [])


def plan(shape: Shape, edit: Edit | None, body: list[str], settings: Sequence[str] = ()) -> str:
    """Return a plan; without the lines of a script each action has `run` and `stdout`."""
    lines = ["treadle: 1", "shell: [sh, -c]", *settings, "groups: {all: [object*, join*]}", "actions:"]
    for n, (output, inputs) in enumerate(zip(shape.outputs(), shape.inputs(), strict=True)):
        name = f"object{n}" if n < shape.objects else f"join{n - shape.objects}"
        more = edit.more if edit and edit.object == n else ""
        lines += [f"  {name}:", f"    in: [{', '.join(inputs)}]"]
        if body:
            lines += [f"{body[0].removesuffix(';') if more else body[0]}{more}", *body[1:], f"    out: {output}"]
        else:
            lines += ["    run: cat ${in}", f"    stdout: {output}"]
    return "\n".join(lines) + "\n"


def ninja_file(shape: Shape, edit: Edit | None = None) -> str:
    lines = ["rule cat", "  command = cat $in > $out"]
    if edit:
        lines += ["rule edited", f"  command = cat $in > $out{edit.more}"]
    for n, (output, inputs) in enumerate(zip(shape.outputs(), shape.inputs(), strict=True)):
        lines.append(f"build {output}: {'edited' if edit and edit.object == n else 'cat'} {' '.join(inputs)}")
    return "\n".join(lines) + "\n"


def makefile(shape: Shape, edit: Edit | None = None) -> str:
    lines = [f"all: {' '.join(shape.outputs())}"]
    for output, inputs in zip(shape.outputs(), shape.inputs(), strict=True):
        lines += [f"{output}: {' '.join(inputs)}", "\t@cat $^ > $@"]
    return "\n".join(lines) + "\n"


def dodo_file(shape: Shape, edit: Edit | None = None) -> str:
    return f"""
DOIT_CONFIG = {{"verbosity": 0}}
OBJECTS, HEADERS, JOINS = {shape.objects}, {HEADERS}, {[list(parts) for parts in shape.joins]}


def task_object():
    for n in range(OBJECTS):
        source, header, out = f"src/{{n // 1000}}/{{n}}.c", f"hdr/{{n % HEADERS}}.h", f"out/{{n // 1000}}/{{n}}.o"
        yield {{"name": str(n), "actions": [f"cat {{source}} {{header}} > {{out}}"],
               "file_dep": [source, header], "targets": [out]}}


def task_join():
    for n, parts in enumerate(JOINS):
        inputs = [f"out/{{part // 1000}}/{{part}}.o" for part in parts]
        yield {{"name": str(n), "actions": [f"cat {{' '.join(inputs)}} > out/lib/{{n}}.a"],
               "file_dep": inputs, "targets": [f"out/lib/{{n}}.a"]}}
"""
