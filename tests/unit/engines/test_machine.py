"""pool_of_machine: processors, memory and GPUs as files and variables say them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from treadle.engines import machine
from treadle.engines.machine import gpus_of, memory_bytes, pool_of_machine, processors

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _without_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def write(folder: Path, path: str, text: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)


@pytest.mark.parametrize("variable", ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"])
@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("0,1", ["0", "1"]),
        ("3", ["3"]),
        ("GPU-8a1, GPU-77", ["GPU-8a1", "GPU-77"]),
        ("", []),
        ("-1", []),
        ("0,-1,2", ["0"]),
        ("0,0", ["0"]),
        ("NoDevFiles", ["NoDevFiles"]),
    ],
)
def test_a_variable_that_is_set_names_the_gpus(tmp_path: Path, variable: str, value: str, names: list[str]) -> None:
    write(tmp_path, "proc/driver/nvidia/gpus/0000:01:00.0/information", "")
    assert gpus_of({variable: value}, tmp_path) == (variable, names)


def test_else_the_driver_is_asked(tmp_path: Path) -> None:
    assert gpus_of({}, tmp_path) == ("CUDA_VISIBLE_DEVICES", [])
    for address in ("0000:01:00.0", "0000:02:00.0"):
        write(tmp_path, f"proc/driver/nvidia/gpus/{address}/information", "Model: X\n")
    assert gpus_of({}, tmp_path) == ("CUDA_VISIBLE_DEVICES", ["0", "1"])


def test_else_the_topology_in_which_a_processor_is_a_node_without_units(tmp_path: Path) -> None:
    nodes = "sys/class/kfd/kfd/topology/nodes"
    for number, text in enumerate(
        ["cpu_cores_count 8\nsimd_count 0\n", "simd_count 256\nx 1\n", "simd_count 10\n"]
    ):
        write(tmp_path, f"{nodes}/{number}/properties", text)
    assert gpus_of({}, tmp_path) == ("ROCR_VISIBLE_DEVICES", ["0", "1"])


@pytest.mark.parametrize(
    ("script", "number"),
    [
        ("echo 'GPU 0: A (UUID: GPU-1)'; echo 'GPU 1: A (UUID: GPU-2)'", 2),
        ("echo 'GPU 0: A'; exit 9", 0),
        ("echo 'No devices were found'", 0),
        ("exec sleep 300", 0),
    ],
)
def test_the_program_of_the_driver_has_a_time_limit(
    tmp_path: Path, script: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SMI_SECONDS", 0.2)
    write(tmp_path, "bin/nvidia-smi", f"#!/bin/sh\nPATH=/bin:/usr/bin\n{script}\n")
    (tmp_path / "bin/nvidia-smi").chmod(0o755)
    assert gpus_of({}, tmp_path)[1] == [str(index) for index in range(number)]


def groups(folder: Path, **files: str) -> None:
    """Put this process into the control group /a/b of the unified hierarchy."""
    write(folder, "proc/self/cgroup", "1:name=x:/old\n0::/a/b\n")
    for name, text in files.items():
        where, _, kind = name.rpartition("__")
        write(folder, f"sys/fs/cgroup/{where.replace('_', '/')}/{kind.replace('_', '.')}", text)


def test_memory_is_the_least_of_the_machine_and_the_groups_above(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) is None
    write(tmp_path, "proc/meminfo", "MemTotal:        1000 kB\nMemFree: 1 kB\n")
    assert memory_bytes(tmp_path) == 1_024_000
    groups(tmp_path, a_b__memory_max="max\n", a__memory_max="4096\n")
    assert memory_bytes(tmp_path) == 4096


def test_processors_are_cut_by_the_quota_of_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system tells no affinity")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert processors(tmp_path) == 16
    groups(tmp_path, a_b__cpu_max="max 100000\n", a__cpu_max="350000 100000\n")
    assert processors(tmp_path) == 3
    groups(tmp_path, a_b__cpu_max="1000 100000\n")
    assert processors(tmp_path) == 1


def test_the_pool_has_all_three_and_a_number_of_processors_may_be_given(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", "MemTotal: 2 kB\n")
    pool = pool_of_machine({"ROCR_VISIBLE_DEVICES": "4,7"}, cpus=3, root=tmp_path)
    assert pool.nodes[0].resources == {"cpus": 3, "gpus": ["4", "7"], "memory": 2048}
    assert pool.variables == {"gpus": "ROCR_VISIBLE_DEVICES"}
