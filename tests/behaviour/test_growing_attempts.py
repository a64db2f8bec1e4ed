"""What a further attempt gets more of, how far that goes, and what is asked for where the first cannot be had."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from elsewhere import Elsewhere
from helpers import run_treadle
from treadle import (
    DAG,
    Attempt,
    BaseRunner,
    Command,
    Limits,
    Node,
    Outcome,
    Pool,
    Report,
    Retries,
    Settings,
    Subscriber,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GIB = 1 << 30
LACK = "out_of_memory"


class Ending(BaseRunner):
    """Runs nothing: attempts end as the test says; keeps what each of them was told to hold."""

    def __init__(self, *ends: int | str) -> None:
        super().__init__()
        self.ends = deque(ends)
        self.told: list[dict[str, str]] = []
        self.names: list[str] = []

    def submit(self, key: Any, attempt: Attempt) -> None:
        self.told.append({name: value for name, value in attempt.environ.items() if name.startswith("TREADLE_")})
        self.names.append(key.uid)
        end = self.ends.popleft()
        self.report(
            key,
            end if isinstance(end, int) else None if end == "lost" else -9,
            cause="" if isinstance(end, int) else end,
        )

    def cancel(self, key: object, *, at_once: bool) -> None:
        raise AssertionError((key, at_once))


class Notes(Subscriber):
    """Keeps what is said in a run."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def run(
    root: Path,
    engine: BaseRunner,
    limits: Limits | Mapping[str, Limits],
    pool: Pool | None = None,
    notes: Notes | None = None,
) -> Report:
    dag = DAG()
    for uid, one in limits.items() if not isinstance(limits, Limits) else (("a", limits),):
        dag.add_vertex(uid, Command(["true"], limits=one))
    walk = Elsewhere(
        dag, str(root), Settings(jobs=4, pool=pool or Pool({"cpus": 8, "memory": 20 * GIB, "gpus": ["0", "1"]}))
    )
    if notes is not None:
        walk.bus.add(notes)
    walk.engines["far"] = engine
    return walk.run()


def amounts(engine: Ending, kind: str) -> list[int]:
    return [int(told[f"TREADLE_{kind.upper()}"]) for told in engine.told]


@pytest.mark.parametrize(
    ("grow", "ends", "memory", "cpus"),
    [
        ({"memory": 1.5}, (LACK, LACK, 0), (3, 5, 8), (2, 2, 2)),
        ({"memory": [10, 20]}, (LACK, LACK, 0), (3, 10, 20), (2, 2, 2)),
        ({"memory": 2}, (1, LACK, 1, 0), (3, 3, 6, 6), (2, 2, 2, 2)),
        ({"cpus": [4, 8]}, (1, 1, 1, 0), (3, 3, 3, 3), (2, 4, 8, 8)),
        ({"cpus": 1.1}, (LACK, 0), (3, 3), (2, 3)),
        ({"cpus": 2, "memory": 2}, ("lost", LACK, 0), (3, 3, 6), (2, 2, 4)),
        ({"cpus": 2}, (75, 75, 0), (3, 3, 3), (2, 4, 8)),
        ({"gpus": 2}, (1, 0), (3, 3), (2, 2)),
        (
            {"memory": lambda amount, attempt, ended: amount + 10 * attempt + len(ended.kind) / 100},
            (LACK, LACK, 0),
            (3, 14, 35),
            (2, 2, 2),
        ),
    ],
)
def test_a_further_attempt_gets_more_of_what_it_lacked(
    grow: Mapping[str, Any], ends: Sequence[int | str], memory: Sequence[int], cpus: Sequence[int], tmp_path: Path
) -> None:
    """R2: memory after out_of_memory, all else after what `on` names, whole numbers rounded up."""
    engine = Ending(*ends)
    assert run(tmp_path, engine, Limits(resources={"cpus": 2, "memory": 3}, retries=Retries(5, grow=grow))).ok
    assert (amounts(engine, "memory"), amounts(engine, "cpus")) == ([*memory], [*cpus])


def test_only_what_on_names_makes_anything_grow(tmp_path: Path) -> None:
    """R2: what was not ready is tried again whatever `on` says, and lacked nothing."""
    engine = Ending(75, 64, 0)
    retries = Retries(3, on=["diffed"], grow={"cpus": 2})
    assert run(tmp_path, engine, Limits(resources={"cpus": 2}, retries=retries)).ok
    assert amounts(engine, "cpus") == [2, 2, 4]


@pytest.mark.parametrize(
    ("most", "grow", "ends", "memory", "note"),
    [
        (None, 3, (LACK, LACK, 0), (8, 20), "a: memory grows to 20 GiB, and not to 24 GiB, as there is no more"),
        (12, 3, (LACK, LACK, 0), (8, 12), "a: memory grows to 12 GiB, and not to 24 GiB, as there is no more"),
        (4, 3, (LACK, 0), (8,), "a: memory cannot grow to 24 GiB, as there is no more"),
        (None, [10 * GIB], (LACK, LACK, 0), (8, 10), ""),
    ],
)
def test_what_cannot_grow_any_further_is_not_tried_again(
    most: int | None, grow: Any, ends: Sequence[int | str], memory: Sequence[int], note: str, tmp_path: Path
) -> None:
    """R2: capped by the pool, then by its `max`, and said so; then the lack is the end of it."""
    engine, notes = Ending(*ends), Notes()
    pool = Pool({"cpus": 8, "memory": 20 * GIB}, max={} if most is None else {"memory": most * GIB})
    limits = Limits(resources={"memory": 8 * GIB}, retries=Retries(9, grow={"memory": grow}))
    action = run(tmp_path, engine, limits, pool, notes).actions["a"]
    assert amounts(engine, "memory") == [number * GIB for number in memory]
    assert action.outcome.kind == LACK
    last = {4: "8.0 GiB", 8: "8.0 GiB"}.get(memory[-1], f"{memory[-1]} GiB")
    assert (
        action.outcome.reason
        == f"killed by SIGKILL: memory ran out; not tried again: its {last} of memory cannot grow"
    )
    assert notes.notes[:1] == ([note] if note else [])


def test_what_grows_stays_within_one_node(tmp_path: Path) -> None:
    """R2: the pool has more of each type, but no node has all of it at once."""
    pool = Pool(nodes=[Node("wide", {"cpus": 8, "memory": 4}), Node("deep", {"cpus": 2, "memory": 64})])
    engine = Ending(LACK, LACK, 0)
    limits = Limits(resources={"cpus": 1, "memory": 4}, retries=Retries(3, grow={"cpus": 4, "memory": 4}))
    assert run(tmp_path, engine, limits, pool).ok
    # what was lacked comes first: with more of cpus there would be no node with more memory
    assert (amounts(engine, "cpus"), amounts(engine, "memory")) == ([1, 2, 2], [4, 16, 64])


def test_the_next_run_begins_with_the_amount_of_the_plan(tmp_path: Path) -> None:
    """R3: nothing of it is fingerprinted, and no grown amount is kept."""
    limits = Limits(resources={"memory": 3}, retries=Retries(2, grow={"memory": 2}))
    dag = DAG()
    dag.add_vertex("a", Command(["true"], limits=limits, always=False))
    for ends, told in (((LACK, 0), [3, 6]), ((), [])):
        engine = Ending(*ends)
        walk = Elsewhere(dag, str(tmp_path), Settings(pool=Pool({"cpus": 1, "memory": 99})))
        walk.engines["far"] = engine
        assert walk.run().ok
        assert amounts(engine, "memory") == told
        limits.retries, limits.timeout = Retries(1, grow={"memory": 9}), 3.0
    engine = Ending(0)
    walk = Elsewhere(dag, str(tmp_path), Settings(pool=Pool({"cpus": 1, "memory": 99}), force=["a"]))
    walk.engines["far"] = engine
    assert walk.run().ok
    assert amounts(engine, "memory") == [3]


def test_an_attempt_that_has_grown_goes_before_all_of_its_priority(tmp_path: Path) -> None:
    """R5: but after a higher priority."""
    engine = Ending(1, *[0] * 9)
    grown = Limits(priority=1, resources={"cpus": 4}, retries=Retries(1, grow={"cpus": 2}))
    limits = {"z": grown, **{name: Limits(priority=1, resources={"cpus": 8}) for name in "bcd"}}
    assert run(tmp_path, engine, limits).ok
    assert engine.names == ["z", "z", "b", "c", "d"]
    engine = Ending(1, *[0] * 9)
    limits = {"z": Limits(priority=1, resources={"cpus": 4}, retries=Retries(1)), **{n: limits[n] for n in "bcd"}}
    assert run(tmp_path / "other", engine, limits).ok
    assert engine.names == ["z", "b", "c", "d", "z"]


def test_a_function_that_gives_no_amount_ends_the_walk(tmp_path: Path) -> None:
    """R2: as what a hook may not return."""

    def grow(amount: float, attempt: int, ended: Outcome) -> Any:
        return f"{amount} {attempt} {ended}"

    limits = Limits(resources={"memory": 3}, retries=Retries(2, grow={"memory": grow}))
    with pytest.raises(Exception, match="memory has grown to '3 1 out_of_memory"):
        run(tmp_path, Ending(LACK), limits)


def plan(root: Path, text: str) -> None:
    (root / "treadle.yaml").write_text(f"treadle: 1\ndefault: [a]\n{text}")


def test_the_time_limit_grows_in_a_plan(tmp_path: Path) -> None:
    """R2: the limit grows after a timeout, up to `max` of the pool, and is told."""
    plan(
        tmp_path,
        "pool: {max: {timeout: 90ms}}\nactions:\n  a: {run: sleep 300, timeout: 30ms,"
        " retries: {max: 5, on: timeout, grow: {timeout: 2}}}\n",
    )
    done = run_treadle(tmp_path, "run", check=1)
    assert "trying again with time limit of 0.06 s (1 of 6 attempts are over)" in done.out
    assert "a: timeout grows to 0.09 s, and not to 0.12 s, as there is no more" in done.out + done.err
    assert "not tried again: its time limit of 0.09 s cannot grow" in done.out + done.err


@pytest.mark.parametrize("edit", ["", "one"])
def test_amounts_grow_in_a_plan_and_from_its_snapshot(edit: str, tmp_path: Path) -> None:
    """R2, R3: the fast path knows what the plan says, and begins with its amount."""
    plan(
        tmp_path,
        "pool: {memory: 16GiB, max: {memory: 6GiB}}\nactions:\n"
        "  a: {sh: 'echo $TREADLE_MEMORY $TREADLE_CPUS >> said; test -e ok || exit 3; touch ${out}', in: x, out: o,"
        " resources: {memory: 4GiB, cpus: 1}, retries: {max: 2, grow: {cpus: [2, 3], memory: 1.5}}}\n",
    )
    (tmp_path / "x").write_text("1")
    (tmp_path / "ok").write_text("")
    run_treadle(tmp_path, "run", "-j4", check=0)
    (tmp_path / "x").write_text("2" + edit)
    (tmp_path / "ok").unlink()
    (tmp_path / "said").unlink()
    run_treadle(tmp_path, "run", "-j4", check=1)
    assert (tmp_path / "said").read_text().split() == [str(4 * GIB), "1", str(4 * GIB), "2", str(4 * GIB), "3"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resources: {cpus: 1}, retries: {max: 1, grow: {cpus: 1}}", "cpus in grow must be a number above 1"),
        ("resources: {cpus: 1}, retries: {max: 1, grow: {cpus: x}}", "cpus in grow must be a number above 1"),
        (
            "resources: {cpus: 1}, retries: {max: 1, grow: {cpus: 1.0000001}}",
            "six digits before and after the point",
        ),
        ("resources: {cpus: 1}, retries: {max: 1, grow: {cpus: 1000000}}", "six digits before and after the point"),
        (
            "resources: {memory: 1GiB}, retries: {max: 1, grow: {memory: 2GiB}}",
            "[16GiB, 32GiB] are the next amounts",
        ),
        (
            "resources: {memory: 1GiB}, retries: {max: 1, grow: {memory: [2]}}",
            "an amount of memory in grow needs a unit",
        ),
        ("resources: {cpus: 1}, retries: {max: 1, grow: {cpus: []}}", "grow has no amount of cpus"),
        ("retries: {max: 1, grow: {timeout: [3]}}", "an amount of timeout in grow"),
        ("retries: {max: 1, grow: {memory: 2}}", "memory in grow is nothing that the action asks for"),
        ("retries: {max: 1, grow: 2}", "grow must be a map"),
        ("resources: {max: 1}", "'max' is not a valid type of resources"),
        ("resources: []", "resources is an empty list"),
        ("resources: [{cpus: 1}, 3]", "resources must be a map"),
        ("resources: [{gpus: 1}, {cpus: 2}], env: {A: '${resources.cpus}'}", "resources.cpus"),
    ],
)
def test_what_is_wrong_in_growth_is_an_error_of_the_plan(text: str, said: str, tmp_path: Path) -> None:
    """R2: in words, with its place."""
    plan(tmp_path, f"actions:\n  a: {{run: echo, {text}}}\n")
    done = run_treadle(tmp_path, "check")
    assert done.code != 0
    assert said in done.err
    assert "treadle.yaml:4:" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{max: 3}", "max of the pool must be a map"),
        ("{max: {memory: 3}}", "memory in max needs a unit"),
        ("{max: {cpus: 0}}", "cpus in max must be more than 0"),
        ("{max: {timeout: 3}}", "timeout in max"),
        ("{max: {_x: 3}}", "'_x' is not a valid type"),
    ],
)
def test_a_wrong_bound_of_the_pool_is_an_error(text: str, said: str, tmp_path: Path) -> None:
    """R2: in words."""
    plan(tmp_path, f"pool: {text}\nactions: {{a: {{run: echo}}}}\n")
    assert said in run_treadle(tmp_path, "check").err


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "0//8"), (("-r", "gpus=1"), "1/0/"), (("-r", "gpus=1", "-r", "cpus=2"), "1/0/")],
)
def test_a_demand_falls_back_to_what_the_pool_can_give(words: Sequence[str], said: str, tmp_path: Path) -> None:
    """R2: the first of several demands that the whole pool could meet."""
    plan(
        tmp_path,
        "shell: [sh, -ec]\nactions:\n  a: {sh: 'echo ${TREADLE_GPUS:-0}/$TREADLE_GPU_IDS/$TREADLE_CPUS > o', in: x,"
        " resources: [{gpus: 1}, {cpus: 8}]}\n".replace("${TREADLE_GPUS:-0}", "$TREADLE_GPUS"),
    )
    (tmp_path / "x").write_text("1")
    none = {"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"}
    run_treadle(tmp_path, "run", "-j8", *words, check=0, env=none)
    gpus, ids, cpus = (tmp_path / "o").read_text().strip().split("/")
    assert f"{gpus or 0}/{ids}/{cpus}".startswith(said.rstrip("/"))
    # no amount is in the fingerprint, and the snapshot has both demands
    assert "nothing to do" in run_treadle(tmp_path, "run", "-j8", *words, check=0, env=none).out
    (tmp_path / "x").write_text("2")
    (tmp_path / "o").unlink()
    run_treadle(tmp_path, "run", "-j8", *words, check=0, env=none)
    assert (tmp_path / "o").read_text().strip().split("/")[1] == ids


def test_what_no_demand_can_be_had_of_is_refused(tmp_path: Path) -> None:
    """R2: with what the last one asks for."""
    plan(tmp_path, "actions:\n  a: {run: echo, resources: [{gpus: 1}, {cpus: 80}]}\n")
    done = run_treadle(tmp_path, "run", "-j8", env={"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"})
    assert "a: it asks for 80 of 'cpus', of which the pool has at most 8" in done.err
    listed = json.loads(run_treadle(tmp_path, "list", "--json", check=0).out)
    assert "'fallbacks': [{'cpus': 80}]" in str(listed)


def test_a_fallback_grows_too(tmp_path: Path) -> None:
    """R2: what grows is the demand that counts."""
    engine = Ending(1, 0)
    limits = Limits(resources=[{"gpus": 3}, {"cpus": 2}], retries=Retries(1, grow={"gpus": 2, "cpus": 2}))
    assert run(tmp_path, engine, limits).ok
    assert amounts(engine, "cpus") == [2, 4]
