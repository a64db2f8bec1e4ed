"""`resources`, `limit`, `mutex`, `exclusive`, `pool`, `max_running`, `-r` and `--pool`, by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import plan, run_treadle

WITHOUT_GPUS = {"CUDA_VISIBLE_DEVICES": ""}


def run_and_see(folder: Path, *words: str) -> set[frozenset[str]]:
    """Run the plan; return the pairs of actions of which one had started and not ended when the other started.

    What may start together is started before any end of it is taken in, so this depends on no time.
    """
    done = run_treadle(folder, "run", "--events", "events.jsonl", *words, check=0)
    running: set[str] = set()
    found: set[frozenset[str]] = set()
    for line in (folder / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "started":
            found |= {frozenset((event["name"], other)) for other in running}
            running.add(event["name"])
        elif event["event"] == "ended":
            running.discard(event["name"])
    assert not running, done
    return found


def action(name: str, more: str) -> str:
    return f"  {name}: {{sh: 'printenv TREADLE_GPU_IDS > ${{out}} || true', out: o/{name}, {more}}}\n"


@pytest.mark.parametrize(
    ("more", "top"),
    [
        ("mutex: [db]", ""),
        ("exclusive: true", ""),
        ("resources: {licences: 2}", "pool: {licences: 3}\n"),
        ("resources: {memory: 600MiB}", "pool: {memory: 1GiB}\n"),
        ("resources: {gpus: 1}", "pool: {gpus: [x]}\n"),
        ("priority: 1", "max_running: 1\n"),
    ],
)
def test_what_needs_the_same_does_not_run_at_the_same_time(more: str, top: str, tmp_path: Path) -> None:
    plan(tmp_path, top + "actions:\n" + "".join(action(name, more) for name in "abc"))
    assert run_and_see(tmp_path, "-j", "3") == set()
    plan(tmp_path, "actions:\n" + "".join(action(name, "priority: 1") for name in "abc"))
    assert len(run_and_see(tmp_path, "-j", "3", "--force")) == 3


def test_a_limit_counts_the_instances_of_its_family(tmp_path: Path) -> None:
    family = "  f: {foreach: {n: [1, 2, 3, 4]}, sh: 'echo > ${out}', out: 'o/f${n}', limit: 1}\n"
    plan(tmp_path, "actions:\n" + family + action("other", "priority: 1"))
    pairs = run_and_see(tmp_path, "-j", "5")
    assert frozenset(("other", "f@1")) in pairs
    assert all("other" in pair for pair in pairs)


def test_an_exclusive_one_waits_for_all_queues(tmp_path: Path) -> None:
    actions = action("alone", "exclusive: true") + action("net", "queue: net") + action("plain", "priority: 2")
    plan(tmp_path, "queues: {net: 4}\nactions:\n" + actions)
    assert run_and_see(tmp_path, "-j", "4") == {frozenset(("net", "plain"))}


SAYS = "$TREADLE_CPUS/$TREADLE_GPUS/$TREADLE_GPU_IDS/$CUDA_VISIBLE_DEVICES/$TREADLE_MEMORY"


def test_an_action_learns_what_it_holds(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "pool: {gpus: {ids: [a, b], slots: 2}, memory: 1GiB}\n"
        "shell: [sh, -ec]\n"
        "actions:\n"
        f"  train: {{sh: 'echo {SAYS} ${{resources.cpus}} > ${{out}}', out: o/train,"
        " resources: {cpus: 2, gpus: 2, memory: 1KiB}}\n"
        f"  plain: {{sh: 'echo {SAYS} > ${{out}}', out: o/plain}}\n"
        f"  own: {{sh: 'echo $CUDA_VISIBLE_DEVICES > ${{out}}', out: o/own, env: {{CUDA_VISIBLE_DEVICES: z}}}}\n",
    )
    environs: list[dict[str, str]] = [{"CUDA_VISIBLE_DEVICES": "0,1"}, {}]
    for environ in environs:
        run_treadle(tmp_path, "run", "-j2", "--force", check=0, env=environ)
        said = {path.name: path.read_text().strip() for path in (tmp_path / "o").iterdir()}
        assert said == {"train": "2/2/a,b/a,b/1024 2", "plain": "////", "own": "z"}


def test_without_a_demand_for_gpus_the_variable_is_left_alone(tmp_path: Path) -> None:
    text = "actions: {a: {sh: 'echo $CUDA_VISIBLE_DEVICES > ${out}', out: o, pass: [CUDA_VISIBLE_DEVICES]}}\n"
    plan(tmp_path, text)
    run_treadle(tmp_path, "run", check=0, env={"CUDA_VISIBLE_DEVICES": "3"})
    assert (tmp_path / "o").read_text() == "3\n"


def test_no_amount_is_in_a_fingerprint_but_where_the_command_says_it(tmp_path: Path) -> None:
    text = (
        "pool: {gpus: [0, 1]}\nmax_running: 3\nactions:\n"
        "  a: {sh: 'echo ${resources.cpus} > ${out}', out: a, resources: {cpus: 1}}\n"
        "  b: {sh: 'echo > ${out}', out: b, resources: {gpus: 1}, limit: 1, mutex: m}\n"
    )
    plan(tmp_path, text)
    run_treadle(tmp_path, "run", check=0)
    plan(tmp_path, text.replace("gpus: 1}, limit: 1, mutex: m", "gpus: 2}, limit: 2, exclusive: true"))
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    plan(tmp_path, text.replace("cpus: 1", "cpus: 2"))
    said = run_treadle(tmp_path, "run", "-j4", check=0).out
    assert "ran a" in said
    assert "ran b" not in said


def test_a_snapshot_keeps_demands_and_the_pool(tmp_path: Path) -> None:
    actions = "".join(action(name, "in: x, resources: {gpus: 1}") for name in "abc")
    plan(tmp_path, "pool: {gpus: [g]}\nactions:\n" + actions)
    (tmp_path / "x").write_text("1")
    run_treadle(tmp_path, "run", "-j3", check=0)
    for number in (2, 3):
        (tmp_path / "x").write_text(str(number))
        assert run_and_see(tmp_path, "-j3") == set()
        assert {path.read_text() for path in (tmp_path / "o").iterdir()} == {"g\n"}


@pytest.mark.parametrize(
    ("words", "gpus"),
    [
        ((), "none"),
        (("-r", "gpus=2"), "0,1"),
        (("-r", "gpus=2x3"), "0,1"),
        (("--pool", "p.yaml"), "p,q"),
        (("--pool", "p.yaml", "-r", "gpus=5"), "0,1"),
    ],
)
def test_options_say_what_there_is(words: tuple[str, ...], gpus: str, tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {sh: 'echo $TREADLE_GPU_IDS > ${out}', out: o, resources: {gpus: 2}}}\n")
    (tmp_path / "p.yaml").write_text("pool: {gpus: [p, q]}\nmax_running: 3\n")
    done = run_treadle(tmp_path, "run", *words, env=WITHOUT_GPUS)
    if gpus == "none":
        assert done.code == 2
        assert "a: it asks for 2 of 'gpus', of which the pool has none" in done.err
        assert "hint: say what there is by `pool:` in the plan or by `-r TYPE=N`" in done.err
        assert "treadle.yaml:2:" in done.err
        return
    assert (done.code, (tmp_path / "o").read_text().strip()) == (0, gpus)


def test_an_option_may_bring_a_type_that_only_actions_name(tmp_path: Path) -> None:
    plan(tmp_path, ACTION % "resources: {licences: 1}")
    assert "licences" in run_treadle(tmp_path, "run", "a", check=2).err
    run_treadle(tmp_path, "run", "a", "-r", "licences=1", check=0)


def test_what_is_up_to_date_needs_nothing(tmp_path: Path) -> None:
    """A11."""
    text = "actions:\n  a: {sh: 'echo > ${out}', out: o, resources: {gpus: 1}}\n  b: {sh: 'cat x > ${out}', in: x, out: p}\n"
    plan(tmp_path, text)
    (tmp_path / "x").write_text("1")
    run_treadle(tmp_path, "run", "-r", "gpus=1", check=0, env=WITHOUT_GPUS)
    (tmp_path / "x").write_text("2")
    assert "1 run" in run_treadle(tmp_path, "run", check=0, env=WITHOUT_GPUS).out
    plan(tmp_path, text + "  c: {sh: 'echo > ${out}', out: q}\n")
    assert "ran c" in run_treadle(tmp_path, "run", check=0, env=WITHOUT_GPUS).out
    (tmp_path / "o").unlink()
    assert run_treadle(tmp_path, "run", env=WITHOUT_GPUS).code == 2


@pytest.mark.parametrize("more", ["", ", require: 'true'", ", retries: 2", ", limit: 1"])
def test_what_turns_out_to_run_and_can_never_be_met_fails(more: str, tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n"
        "  a: {sh: 'cp ${in} ${out}', in: in.txt, out: a}\n"
        f"  b: {{sh: 'cp ${{in}} ${{out}}', in: a, out: b, resources: {{gpus: 1}}{more}}}\n"
        "  c: {sh: 'cp ${in} ${out}', in: b, out: c}\n",
    )
    (tmp_path / "in.txt").write_text("one")
    run_treadle(tmp_path, "run", "-r", "gpus=1", check=0)
    (tmp_path / "in.txt").write_text("two")
    for ran in (1, 0):
        done = run_treadle(tmp_path, "run", "-k", "-r", "gpus=0")
        if ran:
            assert done.code == 1
            assert "failed b: it asks for 1 of 'gpus', of which the pool has none" in done.out + done.err
            assert "blocked by b: c" in done.out
        else:
            assert done.code == 2
            assert "b: it asks for 1 of 'gpus'" in done.err
        assert (tmp_path / "b").read_text() == "one"
    assert "3 up to date" not in run_treadle(tmp_path, "run", "-r", "gpus=1", check=0).out
    assert (tmp_path / "c").read_text() == "two"


def test_looking_looks_for_no_gpus(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {sh: 'echo > ${out}', out: o, resources: {gpus: 1}}}\n")
    (tmp_path / "bin").mkdir()
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\n: > {tmp_path}/asked\n")
    smi.chmod(0o755)
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    for words in (("status",), ("why",), ("list",), ("run", "-n"), ("check",), ("graph",)):
        assert run_treadle(tmp_path, *words, env={"PATH": path}).code in (0, 1)
    assert not (tmp_path / "asked").exists()
    run_treadle(tmp_path, "run", env={"PATH": path})
    assert (tmp_path / "asked").exists()


def test_an_included_plan_says_what_the_including_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    plan(tmp_path / "sub", "pool: {licences: 1, tapes: 4}\nactions: {b: {sh: 'echo > ${out}', out: b}}\n")
    plan(
        tmp_path,
        "pool: {licences: 2}\ninclude: [sub/treadle.yaml]\n"
        "actions: {a: {sh: 'echo $TREADLE_LICENCES $TREADLE_TAPES > ${out}', out: a,"
        " resources: {licences: 2, tapes: 4}}}\n",
    )
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "a").read_text() == "2 4\n"


ACTION = "actions: {a: {run: echo, %s}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ACTION % "resources: {memory: 7}", "memory needs a unit, such as 8GiB or 500MB, not '7'"),
        (ACTION % "resources: {cpus: many}", "cpus must be a whole number, not 'many'"),
        (ACTION % "resources: {cpus: -1}", "cpus must be a whole number, not '-1'"),
        (ACTION % "resources: {cpus: 1.5}", "cpus must be a whole number, not '1.5'"),
        (ACTION % "resources: {memory: '${m}'}", "memory needs a unit, such as 8GiB or 500MB, not '7'"),
        (ACTION % "resources: {_run: 1}", "'_run' is not a valid type of resources"),
        (ACTION % "resources: [gpus]", "resources must be a map of names, not 'gpus'"),
        (ACTION % "limit: 0", "limit must be a whole number, 1 or more"),
        (ACTION % "mutex: {a: b}", "mutex must be a text or a list of texts"),
        (ACTION % "exclusive: 1", "exclusive must be true or false"),
        ("pool: {gpus: {slots: 2}}\n" + ACTION % "tokens: 1", "gpus needs ids: with names"),
        ("pool: {gpus: {ids: [0, 0]}}\n" + ACTION % "tokens: 1", "the ids of gpus name 0 twice"),
        ("pool: {gpus: [0, 0]}\n" + ACTION % "tokens: 1", "the ids of gpus name 0 twice"),
        ("pool: {gpus: [0, '']}\n" + ACTION % "tokens: 1", "'' is no name of an instance of gpus"),
        ("pool: {gpus: {ids: ['0,1']}}\n" + ACTION % "tokens: 1", "'0,1' is no name of an instance of gpus"),
        (ACTION % "mutex: ''", "a name in mutex is empty"),
        (ACTION % "mutex: [a, 'b${none}']", "${none} is not defined"),
        ("pool: {memory: 4}\n" + ACTION % "tokens: 1", "memory needs a unit"),
        ("pool: 4\n" + ACTION % "tokens: 1", "pool must be a map"),
        ("max_running: 0\n" + ACTION % "tokens: 1", "max_running must be a whole number, 1 or more"),
    ],
)
def test_what_is_wrong_is_an_error_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    plan(tmp_path, "params: {m: {default: '7'}}\n" + text)
    done = run_treadle(tmp_path, "check")
    assert done.code == 2
    assert said in done.err
    assert "treadle.yaml:" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-r", "gpus"), "-r gpus: expected TYPE=AMOUNT, such as gpus=1 or memory=8GiB"),
        (("-r", "memory=3"), "-r memory=3: memory needs a unit"),
        (("-r", "gpus=x"), "-r gpus=x: gpus must be a whole number"),
        (("-r", "gpus=10001"), "-r gpus=10001: gpus must be at most 10000"),
        (("-r", "gpus=1GiB"), "-r gpus=1GiB: gpus must be at most 10000"),
        (("-r", "gpus=999999999x2"), "-r gpus=999999999x2: gpus must be at most 10000"),
        (("-r", "_run=1"), "-r _run=1: expected TYPE=AMOUNT"),
        (("-r", "gpu=1"), "-r gpu=1: there is no 'gpu'\n  hint: did you mean gpus?"),
        (("-r", "Memory=1GiB"), "-r Memory=1GiB: there is no 'Memory'\n  hint: did you mean memory?"),
        (("--pool", "none.yaml"), "none.yaml"),
        (("--pool", "bad.yaml"), "bad.yaml:1:1: the file of a pool has no key 'gpus'"),
    ],
)
def test_so_it_is_in_an_option(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    plan(tmp_path, ACTION % "resources: {gpus: 1}")
    (tmp_path / "bad.yaml").write_text("gpus: 3\n")
    done = run_treadle(tmp_path, "run", "a", *words)
    assert done.code == 2
    assert said in done.err


def test_the_names_of_a_mutex_have_values_of_the_instance(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "vars: {two: [x, y]}\n"
        "actions: {a: {foreach: {db: [m, n]}, run: echo, mutex: ['db-${db}', '${two}', 'z${two*}', x]}}\n",
    )
    found = json.loads(run_treadle(tmp_path, "list", "--json", check=0).out)["actions"]
    assert {one["name"]: one["mutex"] for one in found} == {
        "a@m": ["db-m", "x", "y", "zx", "zy"],
        "a@n": ["db-n", "x", "y", "zx", "zy"],
    }


def test_list_tells_what_is_asked_for(tmp_path: Path) -> None:
    plan(tmp_path, ACTION % "resources: {gpus: 1, memory: 1KiB}, mutex: [m], limit: 3, exclusive: true")
    (found,) = json.loads(run_treadle(tmp_path, "list", "--json", check=0).out)["actions"]
    assert found["resources"] == {"gpus": 1, "memory": 1024}
    assert (found["mutex"], found["limit"], found["exclusive"]) == (["m"], 3, True)
