"""What a run writes of itself, and when: files that are whole, and errors before anything runs."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from helpers import DEADLINE, Fifo, Waiting, ended, plan, run_treadle, start_treadle
from treadle.events.schema import FIELDS

if TYPE_CHECKING:
    from treadle.events.schema import Event

PLAN = "actions:\n  a: {sh: 'echo x > ${out}', out: o}\n  b: {sh: 'cat ${in} > ${out}', in: o, out: p}\n"
ROOT = Path(__file__).parents[2]


def events(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds(found: list[Event]) -> list[str]:
    return [event["event"] for event in found]


def of(found: list[Event], kind: str) -> list[Event]:
    return [event for event in found if event["event"] == kind]


def test_events_tell_a_run_in_the_order_in_which_it_happens(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "--events", "e.jsonl", check=0)
    found = events(tmp_path / "e.jsonl")
    assert kinds(found) == [
        *("run", "call", "plan", "action", "action"),
        *("verdict", "started", "ended", "verdict", "started", "ended", "summary"),
    ]
    times = [event["t"] for event in found]
    assert times == sorted(times)
    assert found[0]["schema"] == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found[0]["began"])
    assert found[2]["file"] == "treadle.yaml"
    assert found[4]["needs"] == ["a"]
    assert found[4]["place"] == {"file": "treadle.yaml", "line": 4, "column": 3}


def test_a_verdict_is_told_when_it_is_reached_and_not_when_its_action_starts(tmp_path: Path) -> None:
    names = ", ".join(f"n{number}" for number in range(5))
    plan(tmp_path, f"actions:\n  a:\n    foreach: {{n: [{names}]}}\n    run: touch ${{out}}\n    out: ${{n}}\n")
    run_treadle(tmp_path, "run", "-j1", "--events", "e.jsonl", check=0)
    told = [kind for kind in kinds(events(tmp_path / "e.jsonl")) if kind in ("verdict", "started", "ended")]
    assert told == [*["verdict"] * 5, *["started", "ended"] * 5]


def test_the_page_on_events_names_all_kinds_with_all_their_fields() -> None:
    text = (ROOT / "docs/reference/events.md").read_text("utf-8")
    parts = re.split(r"^## `(\w+)`.*\n", text, flags=re.MULTILINE)
    told = {
        # a second table is that of the fields within one
        kind: tuple(re.findall(r"^\| `(\w+)` \|", part.partition("| field of ")[0], re.MULTILINE))
        for kind, part in zip(parts[1::2], parts[2::2], strict=True)
    }
    assert told == FIELDS


def test_no_event_has_a_field_that_its_kind_does_not_know(tmp_path: Path) -> None:
    text = (
        "actions:\n  a: {sh: 'echo x; exit 75', out: o, retries: 1, when: 1 == 1}\n  b: {run: cat, in: o, out: p}\n"
    )
    plan(tmp_path, text + "  c: {run: 'true', when: 1 == 2}\n")
    run_treadle(tmp_path, "run", "--events", "e.jsonl", check=1)
    for event in events(tmp_path / "e.jsonl"):
        assert event.keys() - {"event", "t"} <= set(FIELDS[event["event"]]), event


def test_events_hold_no_absolute_path_of_the_project(tmp_path: Path) -> None:
    text = "actions:\n  a: {sh: 'echo x; exit 3', in: [in, sub/x], out: o}\n"
    plan(tmp_path, text)
    (tmp_path / "sub").mkdir()
    (tmp_path / "in").touch()
    (tmp_path / "sub" / "x").touch()
    run_treadle(tmp_path / "sub", "run", "-f", str(tmp_path / "treadle.yaml"), "--events", "e.jsonl", check=1)
    told = (tmp_path / "sub" / "e.jsonl").read_text()
    assert str(tmp_path) not in told
    assert '"log":".treadle/logs/a.log"' in told
    assert '"file":"treadle.yaml"' in told


def test_what_is_wrong_is_told_with_paths_of_the_project_too(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {run: cat, in: gone, out: o}\n")
    (tmp_path / "sub").mkdir()
    done = run_treadle(tmp_path / "sub", "run", "--events", "e.jsonl", check=2)
    assert f"looked in {tmp_path}\n" in done.err
    (problem,) = of(events(tmp_path / "sub" / "e.jsonl"), "problem")
    assert problem["place"]["file"] == "treadle.yaml"
    assert problem["facts"] == ["a reads it", "looked in ."]
    assert str(tmp_path) not in (tmp_path / "sub" / "e.jsonl").read_text()


def test_output_is_told_while_an_action_runs(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, before="echo first; printf sec; ")
    told = Fifo(tmp_path / "events")
    run = waiting.start("--events", str(told))
    text = ""
    while '"event":"output"' not in text:
        text += told.wait()
    waiting.go.open()
    done = ended(run)
    assert done.code == 0, done
    assert '"text":"first\\n"' in text
    assert '"event":"ended"' not in text
    rest = told.wait()
    while '"event":"summary"' not in rest:
        rest += told.wait()
    outputs = [json.loads(line) for line in (text + rest).splitlines() if '"output"' in line]
    assert "".join(event["text"] for event in outputs) == "first\nsec"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_leaves_whole_lines_and_no_half_report(tmp_path: Path, number: int) -> None:
    waiting = Waiting(tmp_path)
    folder = waiting.folder
    run = waiting.start("--events", "e.jsonl", "--junit", "j.xml", "--html", "p.html")
    os.kill(run.pid, number)
    run.communicate(timeout=DEADLINE)
    assert (folder / "e.jsonl").read_text().endswith("\n")
    found = events(folder / "e.jsonl")
    if number == signal.SIGKILL:
        assert found[-1]["event"] == "started"
        assert not (folder / "j.xml").exists()
        assert not (folder / "p.html").exists()
    else:
        assert found[-1]["interrupted"] is True
        assert found[-1]["exit_code"] == 130
        assert found[-1]["counts"]["interrupted"] == 1
        assert found[-1]["counts"]["not started"] == 1
        assert ET.parse(folder / "j.xml").getroot().attrib["errors"] == "1"
    assert [path.name for path in folder.iterdir() if path.name.startswith(".j")] == []
    waiting.go.open()
    done = run_treadle(folder, "report", "e.jsonl", "--junit", "j.xml", check=0)
    assert done.out == ""
    (case,) = [c for c in ET.parse(folder / "j.xml").iter("testcase") if c.attrib["name"] == "a"]
    assert case.find("error") is not None


@pytest.mark.parametrize("option", ["--events", "--junit", "--trace", "--markdown", "--html"])
@pytest.mark.parametrize(
    ("path", "said"),
    [("sub", "is a"), ("treadle.yaml/x", "not a directory"), ("sub/", "is a"), ("/proc/nothing/x", "no such file")],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_runs(
    tmp_path: Path, option: str, path: str, said: str
) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "sub").mkdir()
    done = run_treadle(tmp_path, "run", option, path, check=2)
    assert done.err.startswith(f"treadle: {path} cannot be written: "), done.err
    assert said in done.err
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / ".treadle").exists()


def test_one_file_for_two_things_is_refused(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    done = run_treadle(tmp_path, "run", "--events", "x", "--html", "./x", check=2)
    assert "--events and --html name one file: ./x" in done.err
    run_treadle(tmp_path, "run", "--events", "x", check=0)
    done = run_treadle(tmp_path, "report", "x", "--html", "../project/x".replace("project", tmp_path.name), check=2)
    assert "would overwrite the file of events" in done.err
    assert kinds(events(tmp_path / "x"))[-1] == "summary"


@pytest.mark.parametrize("option", ["--events", "--junit", "--trace", "--markdown", "--html"])
def test_what_is_no_former_report_is_not_written_over(tmp_path: Path, option: str) -> None:
    """`treadle run --events treadle.yaml` is one forgotten word away from the loss of a plan."""
    plan(tmp_path, PLAN)
    text = (tmp_path / "treadle.yaml").read_text()
    done = run_treadle(tmp_path, "run", option, "treadle.yaml", check=2)
    assert "treadle.yaml exists, and is no report of this kind: it is not overwritten" in done.err
    assert (tmp_path / "treadle.yaml").read_text() == text
    assert not (tmp_path / "o").exists()
    (tmp_path / "empty").touch()
    for _ in range(2):
        run_treadle(tmp_path, "run", option, "empty", check=0)
        assert (tmp_path / "empty").stat().st_size > 0
    if option != "--events":
        run_treadle(tmp_path, "run", "--events", "e.jsonl", check=0)
        run_treadle(tmp_path, "report", "e.jsonl", option, "treadle.yaml", check=2)
        run_treadle(tmp_path, "report", "e.jsonl", option, "empty", check=0)
        assert (tmp_path / "treadle.yaml").read_text() == text


@pytest.mark.parametrize("name", ["", "-"])
def test_a_file_without_a_name_is_refused(tmp_path: Path, name: str) -> None:
    plan(tmp_path, PLAN)
    done = run_treadle(tmp_path, "run", f"--events={name}", check=2)
    assert f"'{name}' is not the name of a file" in done.err
    assert not (tmp_path / "o").exists()


def test_a_file_of_the_run_that_an_action_reads_or_makes_is_told_of(tmp_path: Path) -> None:
    text = "actions:\n  docs: {sh: 'ls docs > ${out}', in: docs/, out: o}\n"
    plan(tmp_path, text + "  site: {sh: 'mkdir -p ${out}', out: site/}\n")
    (tmp_path / "docs").mkdir()
    done = run_treadle(tmp_path, "run", "--html", "docs/run.html", "--junit", "site/j.xml", "--events", "e.jsonl")
    assert "docs/run.html is part of what docs reads or makes: it will run again each time" in done.err
    assert "site/j.xml is part of what site reads or makes: it will run again each time" in done.err
    notes = [
        note for note in of(events(tmp_path / "e.jsonl"), "note") if "will run again each time" in note["text"]
    ]
    assert len(notes) == 2


def test_folders_above_a_report_are_made_and_a_link_to_it_stays_one(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "real.xml").touch()
    (tmp_path / "link.xml").symlink_to("real.xml")
    run_treadle(tmp_path, "run", "--events", "new/folder/e.jsonl", "--junit", "link.xml", check=0)
    assert (tmp_path / "link.xml").is_symlink()
    assert (tmp_path / "real.xml").read_text().startswith("<?xml")
    assert kinds(events(tmp_path / "new/folder/e.jsonl"))[-1] == "summary"


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "null").symlink_to("/dev/null")
    run_treadle(tmp_path, "run", "--junit", "null", "--events", "null", "--trace", "/dev/null", check=0)
    assert not Path("/dev/null").is_file()
    done = run_treadle(tmp_path, "run", "--trace", "/dev/stdout", check=0)
    assert '"traceEvents"' in done.out


def test_a_file_that_cannot_be_written_to_its_end_fails_a_run_that_went_well(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    done = run_treadle(tmp_path, "run", "--events", "/dev/full", check=1)
    assert done.err.count("/dev/full cannot be written: No space left on device") == 1
    assert (tmp_path / "p").exists()
    done = run_treadle(tmp_path, "run", "--html", "/dev/full", check=1)
    assert "/dev/full cannot be written: No space left on device" in done.err


def test_a_plan_that_is_not_right_is_told_as_problems(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {rum: x}\n  b: {in: y}\n")
    done = run_treadle(tmp_path, "run", "--events", "e.jsonl", "--junit", "j.xml", "--html", "p.html", check=2)
    found = events(tmp_path / "e.jsonl")
    problems = of(found, "problem")
    assert [problem["place"]["line"] for problem in problems] == sorted(p["place"]["line"] for p in problems)
    assert {problem["place"]["file"] for problem in problems} == {"treadle.yaml"}
    assert all(problem["text"] in done.err for problem in problems)
    assert found[-1]["exit_code"] == 2
    errors = [one.attrib["message"] for one in ET.parse(tmp_path / "j.xml").iter("error")]
    assert errors == [f"treadle.yaml:{p['place']['line']}:{p['place']['column']}: {p['text']}" for p in problems]
    assert [one.text for one in ET.parse(tmp_path / "j.xml").iter("error")] == [
        "\n".join([*p.get("facts", ()), f"hint: {p['hint']}"]) for p in problems
    ]
    annotations = run_treadle(tmp_path, "report", "e.jsonl", "--github", check=0).lines
    assert [line.partition("hint: ")[2] for line in annotations] == [p["hint"] for p in problems]
    call, about, *told = run_treadle(tmp_path, "report", "e.jsonl", check=0).lines
    assert call.startswith("treadle run ")
    assert about.startswith("on ")
    # the lines of the plan are not in the events
    shown = [line for line in done.err.splitlines() if not line.startswith("    ")]
    assert [line for line in told if not line.startswith("    ")] == shown


def test_a_dry_run_writes_nothing_and_says_so(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    done = run_treadle(tmp_path, "run", "-n", "--junit", "j.xml", check=2)
    assert "-n runs nothing" in done.err
    assert not (tmp_path / "j.xml").exists()


def test_of_a_long_output_the_beginning_and_the_end_are_told(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'seq 100000 | tee ${out}', out: o}\n")
    run_treadle(tmp_path, "run", "--events", "e.jsonl", check=0)
    outputs = of(events(tmp_path / "e.jsonl"), "output")
    whole = (tmp_path / "o").read_text()
    assert sum(len(event["text"]) + event.get("omitted", 0) for event in outputs) == len(whole)
    assert whole.endswith("".join(event["text"] for event in outputs if "omitted" in event))
    assert outputs[-1]["text"].endswith("\n99999\n100000\n")
    assert outputs[-1]["omitted"] > 0
    assert outputs[-1]["text"].split("\n")[0].isdigit()


def test_an_action_that_cannot_start_has_no_output_of_a_former_run(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'echo old; exit 1', out: o}\n")
    run_treadle(tmp_path, "run", check=1)
    plan(tmp_path, "actions:\n  a: {run: 'no-such-program', out: o}\n")
    run_treadle(tmp_path, "run", "--events", "e.jsonl", check=1)
    found = events(tmp_path / "e.jsonl")
    assert of(found, "output") == []
    (end,) = of(found, "ended")
    assert end["status"] == "failed"
    assert "no-such-program" in end["failure"]


def test_an_attempt_that_cannot_start_ends_once_and_has_no_start(tmp_path: Path) -> None:
    script = "echo once; mv tool gone; exit 1"
    text = f"actions:\n  a: {{sh: '{script}', in: i, out: o, retries: 2, tools: [./tool]}}\n"
    plan(tmp_path, text)
    (tmp_path / "i").touch()
    (tmp_path / "tool").touch(0o755)
    run_treadle(tmp_path, "run", "--events", "e.jsonl", "--junit", "j.xml", "--trace", "t.json", check=1)
    found = events(tmp_path / "e.jsonl")
    assert [event["attempt"] for event in of(found, "started")] == [1]
    # what cannot be started is a mistake of its description, and not tried again
    assert [event["attempt"] for event in of(found, "attempt")] == [1]
    (end,) = of(found, "ended")
    assert end["attempts"] == 2
    assert "tool" in end["failure"]
    first = of(found, "attempt")[0]
    (bar,) = [
        e for e in json.loads((tmp_path / "t.json").read_text())["traceEvents"] if e["ph"] == "X" and e["tid"]
    ]
    assert bar["dur"] == round(1e6 * first["duration"])


def test_colours_and_control_characters_are_not_in_events(tmp_path: Path) -> None:
    script = r"printf '\033[31mred\033[0m\033]8;;x\007link\033]8;;\007 \007 1%%\r 2%%\rdone\n\377\n'"
    plan(tmp_path, f"actions:\n  a:\n    sh: {json.dumps(script)}\n    out: o\n")
    run_treadle(tmp_path, "run", "--color=always", "--events", "e.jsonl", "--junit", "j.xml", check=1)
    (output,) = of(events(tmp_path / "e.jsonl"), "output")
    assert output["text"] == "done\n\\xff\n"
    assert ET.parse(tmp_path / "j.xml").findtext(".//system-out") == "done\n\\xff\n"


def test_a_run_without_these_options_loads_none_of_it(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    done = run_treadle(tmp_path, "run", env={"PYTHONPROFILEIMPORTTIME": "1"}, check=0)
    assert " treadle.ui.progress\n" in done.err
    assert "treadle.report" not in done.err
    # each run in which something starts is recorded, by what loads quickly
    assert " treadle.events.recorder\n" in done.err
    assert not re.search(r" (json|sqlite3|treadle\.ledger\.database)\n", done.err)


def test_a_run_that_is_not_recorded_loads_nothing_for_it(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    done = run_treadle(tmp_path, "run", env={"PYTHONPROFILEIMPORTTIME": "1", "TREADLE_LEDGER": "off"}, check=0)
    assert " treadle.ui.progress\n" in done.err
    assert "treadle.events.recorder" not in done.err
    assert "treadle.ledger" not in done.err


def test_a_file_that_is_none_of_events_is_refused(tmp_path: Path) -> None:
    wrong: dict[str, tuple[Any, str]] = {
        "empty": ("", "is empty"),
        "other": ("hello\n", "line 1 is none"),
        "list": ("[]\n", "line 1 is none"),
        "late": ('{"event":"ended"}\n', "does not begin with the event `run`"),
        "other events": (
            '{"event":"run","schema":1}\n{"event":"started","name":"a"}\n',
            "`started` without 'attempt'",
        ),
        "words": ('{"event":"run","schema":1,"t":"now"}\n', "`run` with `t` that is not a number"),
        "newer": ('{"event":"run","schema":2,"treadle":"9.1"}\n', "is of schema 2, and this Treadle reads 1"),
    }
    for name, (text, said) in wrong.items():
        (tmp_path / name).write_text(text)
        done = run_treadle(tmp_path, "report", name, check=2)
        assert said in done.err
        assert said in run_treadle(tmp_path, "report", "--github", name, check=2).err
    assert "there is no file absent" in run_treadle(tmp_path, "report", "absent", check=2).err
    assert "cannot be read" in run_treadle(tmp_path, "report", "./absent", check=2).err
    assert "takes one file of events" in run_treadle(tmp_path, "report", "a", "b", check=2).err


@pytest.mark.parametrize("more", [(), ("--github",)])
def test_a_report_is_made_of_what_comes_through_a_pipe(tmp_path: Path, more: tuple[str, ...]) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "--events", "e.jsonl", check=0)
    said = run_treadle(tmp_path, "report", "e.jsonl", check=0).out
    pipe = ("sh", "-c", 'cat e.jsonl | "$@"', "sh")
    run_treadle(tmp_path, "report", "/dev/stdin", *more, "--html", "p.html", prefix=pipe, check=0)
    assert (tmp_path / "p.html").exists()
    assert run_treadle(tmp_path, "report", "/dev/stdin", prefix=pipe, check=0).out == said


def test_two_files_of_one_name_are_refused_by_report_too(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "--events", "e.jsonl", check=0)
    done = run_treadle(tmp_path, "report", "e.jsonl", "--html", "x", "--junit", "./x", check=2)
    assert "name one file" in done.err
    assert not (tmp_path / "x").exists()


def test_kinds_and_fields_of_a_newer_treadle_do_no_harm(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "--events", "e.jsonl", check=0)
    lines = (tmp_path / "e.jsonl").read_text().splitlines()
    told = run_treadle(tmp_path, "report", "e.jsonl", check=0).out
    lines = [line.replace('{"event"', '{"later":[1],"event"') for line in lines]
    lines.insert(3, '{"event":"weather","t":0.1,"name":7}')
    (tmp_path / "e.jsonl").write_text("\n".join(lines) + '\n{"event":"summ')
    assert run_treadle(tmp_path, "report", "e.jsonl", check=0).out == told


def test_a_second_run_does_not_empty_the_events_that_a_first_one_writes(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path)
    first = waiting.start("--events", "e.jsonl")
    done = run_treadle(waiting.folder, "run", "--events", "e.jsonl", check=2)
    assert "e.jsonl is being written by another run" in done.err
    waiting.go.open()
    assert ended(first).code == 0
    assert kinds(events(waiting.folder / "e.jsonl"))[::100] == ["run"]
    assert kinds(events(waiting.folder / "e.jsonl"))[-1] == "summary"
    run_treadle(waiting.folder, "run", "--events", "e.jsonl", check=0)


def test_two_runs_that_wait_for_each_other_tell_of_it(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path)
    first = waiting.start()
    told = Fifo(tmp_path / "events")
    second = start_treadle(waiting.folder, "run", "--events", str(told))
    text = ""
    while '"event":"waiting"' not in text:
        text += told.wait()
    waiting.go.open()
    assert ended(first).code == 0
    assert ended(second).code == 0
