"""Recorded runs by the real command: what is written of them, and what `runs`, `show`, `attempts` and others say."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from helpers import DEADLINE, Fifo, plan, run_treadle, start_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
default: [a, b]
actions:
  a: {sh: "cat ${in} > ${out}; test ! -e bad", in: x, out: o/a}
  b: {sh: "cat ${in} > ${out}", in: o/a, out: o/b}
  n@1: {run: "echo 1"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plan(tmp_path, PLAN.replace("n@1", "n"))
    (tmp_path / "x").write_text("1")
    return tmp_path


def data(folder: Path, *args: str) -> Any:
    return json.loads(run_treadle(folder, *args, "--json", check=0).out)


def runs(folder: Path, *args: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data(folder, "runs", *args)["runs"]
    return found


def test_a_run_that_is_not_recorded_leaves_nothing_of_a_ledger(folder: Path) -> None:
    run_treadle(folder, "run", env={"TREADLE_LEDGER": "off"}, check=0)
    assert run_treadle(folder, "runs", check=0).out == "no run is recorded\n"
    assert not {"runs", "ledger.db"} & {*os.listdir(folder / ".treadle")}


def test_recorded_runs_are_listed_the_newest_first_with_what_became_of_their_actions(folder: Path) -> None:
    run_treadle(folder, "run", "--record", check=0)
    (folder / "bad").touch()
    (folder / "x").write_text("2")
    run_treadle(folder, "run", "--record", "a", "b", check=1)
    run_treadle(folder, "run", "--record", "n", check=0)
    run_treadle(folder, "run", "--record", "unknown", check=2)
    found = runs(folder)
    assert [(one["state"], one["exit_code"], one["names"]) for one in found] == [
        ("broken", 2, ["unknown"]),
        ("done", 0, ["n"]),
        ("failed", 1, ["a", "b"]),
        ("done", 0, []),
    ]
    assert [{k: v for k, v in one["counts"].items() if v} for one in found] == [
        {},
        {"ran": 1},
        {"failed": 1, "not started": 1},
        {"ran": 2},
    ]
    assert [one["id"] for one in runs(folder, "--state", "failed", "--state", "broken")] == [
        found[0]["id"],
        found[2]["id"],
    ]
    assert [one["id"] for one in runs(folder, "n")] == [found[1]["id"]]
    assert [one["id"] for one in runs(folder, "--last", "1")] == [found[0]["id"]]
    assert runs(folder, "--since", "2100-01-01") == []
    lines = run_treadle(folder, "runs", check=0).lines
    assert [line.split()[1] for line in lines] == ["broken", "done", "failed", "done"]


def test_a_recorded_run_with_nothing_to_do_counts_what_is_up_to_date(folder: Path) -> None:
    run_treadle(folder, "run", check=0)
    run_treadle(folder, "run", "--record", check=0)
    run, _ = runs(folder)
    assert (run["state"], run["counts"]["skipped"]) == ("done", 2)
    assert data(folder, "show")["actions"] == []
    assert "2 up to date" in run_treadle(folder, "report", check=0).out


def test_an_attribute_records_the_run_and_finds_it(folder: Path) -> None:
    for ticket in ("12", "13"):
        run_treadle(folder, "run", "--attr", f"ticket={ticket}", "--attr", "team=core", "n", check=0)
    (run,) = runs(folder, "--attr", "ticket=12", "--attr", "team=core")
    assert run["attributes"] == {"ticket": "12", "team": "core"}
    assert run_treadle(folder, "runs", "--attr", "ticket=1", check=0).out == "no recorded run fits\n"
    assert "expected NAME=TEXT" in run_treadle(folder, "run", "--attr", "ticket", check=2).err


@pytest.mark.parametrize(
    ("variable", "words", "recorded"),
    [
        ("", ["n"], 1),
        ("", [], 0),
        ("", ["--record"], 1),
        ("", ["--attr", "a=b"], 1),
        ("on", ["n"], 1),
        ("on", [], 0),
        ("off", ["n"], 0),
        ("off", ["n", "--record"], 0),
        ("off", ["n", "--attr", "a=b"], 0),
    ],
)
def test_a_run_in_which_something_starts_is_recorded_unless_the_environment_says_off(
    folder: Path, variable: str, words: list[str], recorded: int
) -> None:
    # without words nothing starts
    run_treadle(folder, "run", env={"TREADLE_LEDGER": "off"}, check=0)
    run_treadle(folder, "run", *words, env={"TREADLE_LEDGER": variable}, check=0)
    assert len(runs(folder)) == recorded
    assert ("runs" in os.listdir(folder / ".treadle")) == bool(recorded)


def events_of(folder: Path, number: int) -> list[dict[str, Any]]:
    """Return the events of a recorded run, the oldest is number 0."""
    runs = folder / ".treadle/runs"
    text = (runs / sorted(os.listdir(runs))[number] / "events").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_of_one_edit_is_recorded_as_any_other(folder: Path) -> None:
    for _ in range(2):
        run_treadle(folder, "run", check=0)
    (folder / "x").write_text("2")
    run_treadle(folder, "run", check=0)
    first, second = (data(folder, "show", run) for run in ("last-1", "last"))
    for shown in (first, second):
        assert [one["name"] for one in shown["actions"]] == ["a", "b"]
        assert {one["outcome"] for one in shown["actions"]} == {"success"}
    assert second["plan"] == first["plan"] == "treadle.yaml"
    assert "input x" in run_treadle(folder, "diff", check=0).out
    # what the two know of an action is the same, whether the plan was read or not
    known = [
        [{**event, "t": 0, "help": ""} for event in events_of(folder, number) if event["event"] == "action"]
        for number in (0, 1)
    ]
    assert known[0] == known[1]


def test_a_run_of_one_edit_knows_the_family_of_an_instance(tmp_path: Path) -> None:
    plan(tmp_path, 'actions:\n  a: {foreach: {n: [1, 2]}, sh: "cat ${in} > ${out}", in: x, out: "o/${n}"}\n')
    for text in ("1", "1", "2"):
        (tmp_path / "x").write_text(text)
        run_treadle(tmp_path, "run", check=0)
    found = [[one["family"] for one in data(tmp_path, "show", run)["actions"]] for run in ("last", "last-1")]
    assert found == [["a", "a"], ["a", "a"]]


@pytest.mark.parametrize("where", [".", "deep", "deep/er"])
def test_runs_of_a_plan_with_another_root_are_recorded_there(tmp_path: Path, where: str) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "x").write_text("1")
    root = "root: ..\n" if where == "deep" else "root: ../..\n" if where == "deep/er" else ""
    plan(tmp_path / where, f"{root}actions:\n  a: {{run: cp x y, in: x, out: y}}\n")
    for text in ("1", "2"):
        (tmp_path / "x").write_text(text)
        run_treadle(tmp_path / where, "run", check=0)
    assert len(runs(tmp_path / where)) == 2
    assert len(os.listdir(tmp_path / ".treadle/runs")) == 2
    assert where == "." or not (tmp_path / where / ".treadle").exists()


def test_a_killed_run_is_lost_and_what_it_ran_is_interrupted(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path / "started")
    plan(tmp_path, f"actions:\n  a: {{sh: 'echo > {fifo.path}; exec sleep 600'}}\n")
    child = start_treadle(tmp_path, "run", "--record", "a")
    fifo.wait()
    running = data(tmp_path, "show")
    assert (running["state"], [one["outcome"] for one in running["actions"]]) == ("running", [""])
    assert "running:\n  a  " in run_treadle(tmp_path, "show", check=0).out
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=DEADLINE)
    lost = data(tmp_path, "show", "last")
    assert (lost["state"], [one["outcome"] for one in lost["actions"]]) == ("lost", ["interrupted"])
    assert lost["actions"][0]["attempts"][0]["failure"] == "its run was lost"
    # what was left running ends with the next run
    plan(tmp_path, "actions:\n  a: {run: 'true'}\n")
    run_treadle(tmp_path, "run", "--record", "a", check=0)
    assert [one["state"] for one in runs(tmp_path)] == ["done", "lost"]


def test_a_run_is_named_by_the_beginning_of_its_identifier_or_from_the_last(folder: Path) -> None:
    for _ in range(2):
        run_treadle(folder, "run", "--record", "n", check=0)
    new, old = (one["id"] for one in runs(folder))
    assert (
        data(folder, "show", new)["id"] == data(folder, "show", "last")["id"] == data(folder, "show")["id"] == new
    )
    assert data(folder, "show", "last-1")["id"] == data(folder, "show", old[:-1])["id"] == old
    assert "2 runs begin with 20" in run_treadle(folder, "show", "20", check=2).err
    assert "there is no run last-2: 2 are recorded" in run_treadle(folder, "show", "last-2", check=2).err
    assert "there is no run other" in run_treadle(folder, "show", "other", check=2).err


def test_attempts_and_figures_are_of_all_recorded_runs(tmp_path: Path) -> None:
    plan(
        tmp_path,
        """
actions:
  fit:
    foreach: {n: ["1", "2"]}
    sh: 'echo "score ${n}" >> $TREADLE_REPORT; test -e ok || { touch ok; exit 9; }'
    retries: 1
""",
    )
    run_treadle(tmp_path, "run", "--record", "-j1", "fit", check=0)
    found = data(tmp_path, "attempts", "fit")["attempts"]
    assert sorted((one["name"], one["number"], one["outcome"], one["exit_code"]) for one in found) == [
        ("fit@1", 1, "failed", 9),
        ("fit@1", 2, "success", 0),
        ("fit@2", 1, "success", 0),
    ]
    assert [one["number"] for one in data(tmp_path, "attempts", "--failed")["attempts"]] == [1]
    assert [one["name"] for one in data(tmp_path, "attempts", "*@2")["attempts"]] == ["fit@2"]
    (figures,) = data(tmp_path, "stats")["actions"]
    assert [figures[key] for key in ("name", "attempts", "passed", "failed")] == ["fit", 3, 2, 1]
    assert [one["name"] for one in data(tmp_path, "stats", "--all")["actions"]] == ["fit@1", "fit@2"]
    assert "timeout: 1s" in run_treadle(tmp_path, "stats", "--suggest", check=0).out
    assert "no recorded run has started unknown" in run_treadle(tmp_path, "attempts", "unknown", check=2).err


def test_two_runs_are_compared_with_the_values_that_made_the_difference(folder: Path) -> None:
    run_treadle(folder, "run", "--record", check=0)
    (folder / "x").write_text("22")
    run_treadle(folder, "run", "--record", check=0)
    found = {one["name"]: one for one in data(folder, "diff")["actions"]}
    (why,) = found["a"]["reasons"]
    assert (why["element"], why["old"][:7], why["new"][:7]) == ("input x", "file 1 ", "file 2 ")
    old, new = (one["id"] for one in reversed(runs(folder)))
    assert run_treadle(folder, "diff", check=0).out == run_treadle(folder, "diff", old, new, check=0).out
    assert "have treated all actions alike" in run_treadle(folder, "diff", new, new, check=0).out


def test_old_runs_go_and_the_one_under_way_stays(folder: Path) -> None:
    for _ in range(3):
        run_treadle(folder, "run", "--record", "n", check=0)
    newest = runs(folder)[0]["id"]
    assert run_treadle(folder, "gc", "--keep", "1", check=0).out == "removed 2 recorded runs\n"
    assert [one["id"] for one in runs(folder)] == os.listdir(folder / ".treadle/runs") == [newest]
    assert run_treadle(folder, "gc", "--days", "0", check=0).out == "removed 1 recorded run\n"
    assert run_treadle(folder, "runs", check=0).out == "no run is recorded\n"


def made_up_run(folder: Path, name: str, first: dict[str, Any]) -> None:
    made = folder / ".treadle/runs" / name
    made.mkdir(parents=True)
    (made / "events").write_text(json.dumps({"event": "run", "t": 0, "schema": 1, **first}) + "\n")


def test_a_recorded_run_removes_those_of_before_the_last_fifty_and_of_before_thirty_days(folder: Path) -> None:
    run_treadle(folder, "run", "--record", check=0)
    (first,) = os.listdir(folder / ".treadle/runs")
    old = ["20010101-000000-000aa", "20010101-000000-001aa"]
    of_today = [f"{first[:16]}{number:03d}0" for number in range(60)]
    for name in (*old, *of_today):
        made_up_run(folder, name, {"workflow": "nightly"} if name == old[0] else {"attributes": {"workflow": "no"}})
    assert len(runs(folder)) == 63
    run_treadle(folder, "run", check=0)
    assert len(runs(folder)) == 63, "a run with nothing to do removed some"
    run_treadle(folder, "run", "n", check=0)
    kept = {*os.listdir(folder / ".treadle/runs")}
    assert old[0] in kept, "it has an identity"
    assert old[1] not in kept
    assert len(kept) == 51
    assert kept == {one["id"] for one in runs(folder)}


def test_the_folder_of_a_run_is_removed_with_all_that_is_in_it_and_nothing_behind_a_link(folder: Path) -> None:
    run_treadle(folder, "run", "--record", check=0)
    (folder / "mine").mkdir()
    (folder / "mine/file").write_text("mine")
    old = "20010101-000000-000aa"
    made_up_run(folder, old, {})
    made = folder / ".treadle/runs" / old
    (made / "more").mkdir()
    (made / "more/file").touch()
    (made / "link").symlink_to("../../../mine")
    run_treadle(folder, "run", "n", check=0)
    assert not made.exists()
    assert (folder / "mine/file").read_text() == "mine"


@pytest.mark.parametrize("how", ["removed", "rebuilt", "damaged", "a link", "a folder that is for reading only"])
def test_the_index_is_made_again_from_the_events(folder: Path, how: str) -> None:
    for _ in range(2):
        run_treadle(folder, "run", "--attr", "a=b", "n", check=0)
    before = [data(folder, *words) for words in (("runs",), ("show",), ("attempts",), ("stats",))]
    index = folder / ".treadle/ledger.db"
    words: tuple[str, ...] = ("runs",)
    if how == "removed":
        index.unlink()
    elif how == "rebuilt":
        words = ("runs", "--rebuild")
    elif how == "damaged":
        index.write_bytes(b"no database at all" * 1000)
    elif how == "a link":
        index.unlink()
        (folder / "mine").write_text("mine")
        index.symlink_to("../mine")
    else:
        if os.getuid() == 0:
            pytest.skip("root may write everywhere")
        index.unlink()
        (folder / ".treadle").chmod(0o500)
    try:
        after = [data(folder, *words), *(data(folder, one) for one in ("show", "attempts", "stats"))]
    finally:
        (folder / ".treadle").chmod(0o755)
    assert after == before
    if how == "a link":
        assert (folder / "mine").read_text() == "mine"


def test_what_a_run_does_is_the_same_without_its_records(folder: Path) -> None:
    run_treadle(folder, "run", "--record", check=0)
    shutil.rmtree(folder / ".treadle/runs")
    (folder / ".treadle/ledger.db").unlink(missing_ok=True)
    assert run_treadle(folder, "run", check=0).out.startswith("nothing to do: 2 up to date")


def test_a_run_that_cannot_be_recorded_says_so_and_goes_on(folder: Path) -> None:
    run_treadle(folder, "run", "n", env={"TREADLE_LEDGER": "off"}, check=0)
    (folder / ".treadle/runs").write_text("in the way")
    done = run_treadle(folder, "run", "--record", check=0)
    # what is no folder of ours is replaced, as elsewhere in the state folder
    assert runs(folder)[0]["state"] == "done"
    assert (folder / "o/b").read_text() == "1", done


def test_secret_values_are_in_no_record(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "params: {token: {default: none}}\n"
        "actions:\n  a: {run: 'true', env: {TOKEN: '${token}'}, secret: [TOKEN]}\n",
    )
    done = run_treadle(tmp_path, "run", "--record", "-p", "token=hunter2hunter2", "a")
    assert done.code == 0, done
    run_treadle(tmp_path, "runs", check=0)
    for path in (tmp_path / ".treadle").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path


def test_a_report_is_of_the_last_recorded_run_or_of_the_one_that_is_named(folder: Path) -> None:
    run_treadle(folder, "run", "--record", "a", check=0)
    run_treadle(folder, "run", "--record", "n", check=0)
    new, old = (one["id"] for one in runs(folder))
    assert "ran n" in run_treadle(folder, "report", check=0).out
    assert run_treadle(folder, "report", new, check=0).out == run_treadle(folder, "report", check=0).out
    assert "ran a" in run_treadle(folder, "report", "last-1", check=0).out
    run_treadle(folder, "report", old, "--html", "page.html", check=0)
    assert "page.html" in os.listdir(folder)
    assert (
        "there is no file other, and no recorded run of this name"
        in run_treadle(folder, "report", "other", check=2).err
    )
    (folder / "last").write_text("mine\n")
    assert "last holds no events" in run_treadle(folder, "report", "last", check=2).err


def test_without_a_recorded_run_a_report_says_how_to_get_one(folder: Path) -> None:
    assert "no run is recorded" in run_treadle(folder, "report", check=2).err


@pytest.mark.parametrize(
    "words",
    [
        ["runs", b"x\xff"],
        ["attempts", b"x\xff"],
        ["stats", b"x\xff"],
        ["runs", "--attr", b"a=\xff"],
        ["show", b"\xff"],
    ],
)
def test_a_word_that_is_no_text_is_no_bug(tmp_path: Path, words: list[str | bytes]) -> None:
    plan(tmp_path, "actions:\n  a: {sh: echo a, always: true}")
    run_treadle(tmp_path, "run", "--record", "a", check=0)
    result = run_treadle(tmp_path, *map(os.fsdecode, words))
    assert result.code in (0, 2)
    assert "bug" not in result.err


def test_a_folder_of_runs_that_others_may_write_to_is_named(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: echo a, always: true}")
    run_treadle(tmp_path, "run", "--record", "a", check=0)
    folder = tmp_path / ".treadle" / "runs"
    folder.chmod(0o777)
    told = run_treadle(tmp_path, "run", "--record", "a", check=0).err
    assert f"the run is not recorded: {folder}: all users may write to it (mode 0777)" in told


def test_what_a_checkout_brings_as_a_run_moves_no_terminal(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: echo a, always: true}")
    run_treadle(tmp_path, "run", "--record", "a", check=0)
    (folder,) = (tmp_path / ".treadle" / "runs").iterdir()
    events = folder / "events"
    events.write_text(re.sub('"began":"[^"]*"', r'"began":"\\u001b[31m"', events.read_text()))
    copy = folder.with_name("2026\x1b[31m")
    copy.mkdir()
    (copy / "events").write_bytes(events.read_bytes())
    for words in (["runs"], ["show"], ["attempts"], ["stats"], ["resume", "-q"], ["diff"]):
        result = run_treadle(tmp_path, *words, check=0)
        assert "\x1b" not in result.out + result.err


OLD = "20200101-000000-000abc"
"""The identifier of a run that is older than any that is kept."""


def put_in_place(folder: Path, kind: str) -> None:
    """Put what is no run of ours where an old one would be."""
    place = folder / ".treadle/runs" / OLD
    if kind in ("a link to a folder", "a link to a folder with a folder of this name"):
        inside = folder / "mine/events"
        inside.parent.mkdir()
        if kind.endswith("name"):
            inside.mkdir()
            (inside / "code.py").write_text("mine")
        else:
            inside.write_text('{"event": "run"}\n')
        (folder / "mine/more.py").write_text("mine")
        place.symlink_to("../../mine")
        return
    place.mkdir()
    (place / "mine").write_text("mine")
    events = place / "events"
    if kind == "a pipe":
        os.mkfifo(events)
    elif kind == "a link to events":
        (folder / "mine").write_text("mine")
        events.symlink_to("../../../mine")
    elif kind == "a folder for events":
        events.mkdir()
        (events / "code.py").write_text("mine")
    elif kind == "all may write to the folder":
        events.write_text('{"event": "run"}\n')
        place.chmod(0o777)
    elif kind == "all may write to the events":
        events.write_text('{"event": "run"}\n')
        events.chmod(0o666)


@pytest.mark.parametrize(
    "kind",
    [
        "a link to a folder",
        "a link to a folder with a folder of this name",
        "a pipe",
        "a link to events",
        "a folder for events",
        "all may write to the folder",
        "all may write to the events",
    ],
)
@pytest.mark.parametrize("by", [["run"], ["gc", "--keep", "0"]], ids=["run", "gc"])
def test_what_has_the_name_of_an_old_run_and_is_none_is_not_removed(folder: Path, kind: str, by: list[str]) -> None:
    run_treadle(folder, "run", "--record", check=0)
    put_in_place(folder, kind)
    before = sorted(path for path in folder.rglob("*") if OLD in str(path) or "mine" in str(path))
    (folder / "x").write_text("2")
    run_treadle(folder, *by, check=0)
    assert sorted(path for path in folder.rglob("*") if OLD in str(path) or "mine" in str(path)) == before


def test_a_run_with_an_identity_stays_however_long_its_first_event_is(folder: Path) -> None:
    names = [f"n{number:05}" for number in range(10_000)]
    run = folder / ".treadle/runs" / OLD
    run_treadle(folder, "run", "--record", check=0)
    run.mkdir()
    first = {"event": "run", "id": OLD, "names": names, "argv": ["run", *names], "workflow": "nightly"}
    (run / "events").write_text(json.dumps(first) + "\n")
    (folder / "x").write_text("2")
    run_treadle(folder, "run", check=0)
    assert (run / "events").exists()
