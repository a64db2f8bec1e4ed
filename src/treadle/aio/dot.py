"""Schedulers in the language of Graphviz, and drawn by it. Schedulers within are clusters."""

from __future__ import annotations

import subprocess
from importlib import import_module
from typing import Any

from treadle.core.graph.dot import quoted
from treadle.errors import TreadleError

from .graph import JobGraph
from .job import AbstractJob
from .listing import numbered


def dot_format(graph: JobGraph) -> str:
    """Return the text.

    :raises DAGError: if no order honours what the jobs require
    """
    lines = ["digraph treadle {", "compound=true;"]
    edges = []
    for _, job, is_end in numbered(graph):
        if is_end:
            lines.append("}")
            continue
        if isinstance(job, JobGraph):
            lines += [f"subgraph {_cluster(job)} {{", f"graph [{job.dot_style()}];"]
            if not job.jobs:
                lines.append(f"{job.repr_id()} [style=invis];")
        else:
            lines.append(f"{job.repr_id()} [{job.dot_style()}];")
        edges += [_edge(before, job) for before in sorted(job.required, key=AbstractJob.repr_id)]
    return "\n".join([*lines, *edges, "}", ""])


def write_dot(graph: JobGraph, filename: str) -> str:
    """Write the text to a file; return a line that says so."""
    text = dot_format(graph)
    with open(filename, "w", encoding="utf-8") as file:
        file.write(text)
    return f"(Over)wrote {filename}"


def draw(graph: JobGraph, filename: str, suffix: str) -> str:
    """Draw it, and return the name of the file.

    :raises TreadleError: if `dot` is not there, or has failed
    """
    path = f"{filename}.{suffix}"
    command = ["dot", f"-T{suffix}", "-o", path]
    try:
        done = subprocess.run(
            command, input=dot_format(graph), capture_output=True, text=True, encoding="utf-8", check=False
        )
    except FileNotFoundError:
        raise TreadleError("the program `dot` was not found", hint="it is part of Graphviz") from None
    if done.returncode:
        raise TreadleError(f"dot could not draw {path}", facts=done.stderr.splitlines())
    return path


def graphviz_source(graph: JobGraph) -> Any:
    """Return an object of the package `graphviz`.

    :raises ModuleNotFoundError: if that package is not there
    """
    try:
        graphviz = import_module("graphviz")
    except ModuleNotFoundError:
        raise ModuleNotFoundError("graph() needs the package graphviz: pip install graphviz") from None
    return graphviz.Source(dot_format(graph))


def _edge(before: AbstractJob, job: AbstractJob) -> str:
    """Return an edge; if a scheduler is at one of its ends, it is clipped at the border of its cluster."""
    clips = []
    if isinstance(job, JobGraph):
        clips.append(f"lhead={_cluster(job)}")
    if isinstance(before, JobGraph):
        clips.append(f"ltail={_cluster(before)}")
    condition = None if job._aio_when is None else job._aio_when.get(before)
    if condition is not None:
        clips.append(f"label={quoted(condition)}")
    attributes = f" [{' '.join(clips)}]" if clips else ""
    return f"{_last(before).repr_id()} -> {_first(job).repr_id()}{attributes};"


def _first(job: AbstractJob) -> AbstractJob:
    """Return a job at which an edge to a scheduler ends."""
    while isinstance(job, JobGraph) and job.jobs:
        job = next(job.entry_jobs())
    return job


def _last(job: AbstractJob) -> AbstractJob:
    """Return a job at which an edge from a scheduler begins."""
    while isinstance(job, JobGraph) and job.jobs:
        *_, job = job.exit_jobs(discard_forever=False)
    return job


def _cluster(job: AbstractJob) -> str:
    return f"cluster_{job.repr_id()}"
