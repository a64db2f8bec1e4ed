"""The workload of the benchmarks, for each tool in its own words.

N actions: nine in ten read one source and one of ten shared headers, one in ten joins nine of their outputs, and a
group holds all. Each tool gets a folder of its own with the same files.
"""

from __future__ import annotations

from pathlib import Path

HEADERS = 10
JOINED = 9


class Shape:
    """Which actions there are for a number of them."""

    def __init__(self, actions: int) -> None:
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


def write_sources(folder: Path, shape: Shape) -> None:
    """Write what all tools read, and the folders that those write into which make none."""
    for n in range(HEADERS):
        write(folder / shape.header(n), f"header {n}\n")
    for n in range(shape.objects):
        write(folder / shape.source(n), f"source {n}\n")
        (folder / shape.output(n)).parent.mkdir(parents=True, exist_ok=True)
    (folder / "out/lib").mkdir(parents=True, exist_ok=True)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def treadle_plan(shape: Shape, shell: bool) -> str:
    lines = ["treadle: 1", "shell: [sh, -c]", "groups: {all: [object*, join*]}", "actions:"]
    for n in range(shape.objects):
        lines += action(f"object{n}", [shape.source(n), shape.header(n)], shape.output(n), shell)
    for n, parts in enumerate(shape.joins):
        inputs = [shape.output(part) for part in parts]
        lines += action(f"join{n}", inputs, shape.joined(n), shell)
    return "\n".join(lines) + "\n"


def action(name: str, inputs: list[str], output: str, shell: bool) -> list[str]:
    head = [f"  {name}:", f"    in: [{', '.join(inputs)}]"]
    if shell:
        return [*head, "    sh: cat ${in} > ${out}", f"    out: {output}"]
    return [*head, "    run: cat ${in}", f"    stdout: {output}"]


def ninja_file(shape: Shape) -> str:
    lines = ["rule cat", "  command = cat $in > $out"]
    lines += [f"build {shape.output(n)}: cat {shape.source(n)} {shape.header(n)}" for n in range(shape.objects)]
    for n, parts in enumerate(shape.joins):
        lines.append(f"build {shape.joined(n)}: cat {' '.join(shape.output(part) for part in parts)}")
    return "\n".join(lines) + "\n"


def makefile(shape: Shape) -> str:
    outputs = [shape.output(n) for n in range(shape.objects)] + [shape.joined(n) for n in range(len(shape.joins))]
    lines = [f"all: {' '.join(outputs)}"]
    for n in range(shape.objects):
        lines += [f"{shape.output(n)}: {shape.source(n)} {shape.header(n)}", "\t@cat $^ > $@"]
    for n, parts in enumerate(shape.joins):
        lines += [f"{shape.joined(n)}: {' '.join(shape.output(part) for part in parts)}", "\t@cat $^ > $@"]
    return "\n".join(lines) + "\n"


def dodo_file(shape: Shape) -> str:
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
