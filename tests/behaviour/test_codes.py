"""`codes` and `expect`: what exit codes mean, by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from project import Done, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def write(project: Project, more: str, script: str = "exit $(cat code)", rest: str = "") -> None:
    """Write a plan with an action `a` that makes `o` and ends as its script says, and one that reads `o`."""
    script = script.replace("'", "''")
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        f"  a: {{sh: 'echo a >> $LOG; echo made > o; {script}', out: o, in: code, pass: [LOG]{more}}}\n"
        "  b: {sh: 'echo b >> $LOG; cat o > p', in: o, out: p, pass: [LOG]}\n" + rest,
    )


def run(project: Project, code: int | str = 0, *words: str) -> Done:
    project.write("code", f"{code}\n")
    return project.treadle("run", *words)


def ends(project: Project, *words: str) -> dict[str, tuple[str, str]]:
    """Run, and return the name of each action, how the run counts its end, and why it failed."""
    done = project.treadle("run", "--events", "events.jsonl", *words)
    assert done.code in (0, 1), done.text
    lines = (project.folder / "events.jsonl").read_text().splitlines()
    found = [event for event in map(json.loads, lines) if event["event"] == "ended"]
    return {event["name"]: (event["status"], event.get("failure", "")) for event in found}


def kinds_of(project: Project, rows: list[tuple[str, int | str]]) -> list[tuple[bool, str]]:
    """Run an action for each row, which has keys of it and an exit code or a script.

    Return for each whether it is a success, and why not. What is one is on record, and all else is tried again.
    """
    lines = [
        f"  a{number}: {{argv: [bash, -c, {json.dumps(f'exit {end}' if isinstance(end, int) else end)}]"
        f", out: [], in: in{more}}}\n"
        for number, (more, end) in enumerate(rows)
    ]
    project.write("plan", "treadle: 1\nactions:\n" + "".join(lines))
    project.write("in", "")
    names = [f"a{number}" for number in range(len(rows))]
    first = ends(project, "-k", *names)
    again = ends(project, "-k", *names)
    good = [name for name in names if first[name][0] == "ran"]
    assert [name for name in names if again[name][0] == "skipped"] == good
    return [(name in good, first[name][1]) for name in names]


CODES: list[tuple[str, int, bool]] = [
    ("", 0, True),
    *(("", code, False) for code in (1, 2, 64, 75, 80, 126, 127, 137, 255)),
    (", codes: {success: 2}", 2, True),
    (", codes: {success: 2}", 0, False),
    (", codes: {success: [0, 2]}", 0, True),
    (", codes: {success: [0, '3-5']}", 5, True),
    (", codes: {success: [0, 3-5]}", 6, False),
    (", codes: {success: 0-255}", 255, True),
    (", codes: {success: [0, 64]}", 64, True),
    (", codes: {success: [0, 126]}", 126, True),
    (", codes: {diffed: 1}", 1, False),
    (", codes: {diffed: []}", 64, False),
    (", codes: {}", 0, True),
    (", codes: {not_ready: 3}", 3, False),
    (", codes: {retry: 3}", 3, False),
]


def test_codes_say_which_exit_codes_are_a_success(project: Project) -> None:
    found = kinds_of(project, [(more, code) for more, code, _ in CODES])
    assert [(*row[:2], is_good) for row, (is_good, _) in zip(CODES, found, strict=True)] == CODES


EXPECTED: list[tuple[str, int, bool]] = [
    ("failure", 1, True),
    ("failure", 255, True),
    ("failure", 128, True),
    ("failure", 193, True),
    ("failure", 0, False),
    ("failure", 64, False),
    ("failure", 75, False),
    *(("failure", code, False) for code in (126, 127, 129, 137, 192)),
    ("{failure: 3}", 3, True),
    ("{failure: 3}", 4, False),
    ("{failure: 3}", 0, False),
    ("{failure: [3, 5-7]}", 6, True),
    ("{failure: 64}", 64, True),
    ("{failure: 75}", 75, True),
    ("{failure: 137}", 137, True),
    ("{failure: 127}", 127, True),
    ("diff", 64, True),
    ("diff", 1, False),
    ("diff", 0, False),
    ("diff, codes: {diffed: 1}", 1, True),
    ("diff, codes: {diffed: 1}", 64, False),
    ("failure, codes: {diffed: 1}", 1, False),
    ("failure, codes: {retry: 3}", 3, False),
    ("failure, codes: {success: [0, 2]}", 2, False),
]


def test_what_is_expected_is_a_success_and_a_success_is_none(project: Project) -> None:
    found = kinds_of(project, [(f", expect: {expect}", code) for expect, code, _ in EXPECTED])
    assert [(*row[:2], is_good) for row, (is_good, _) in zip(EXPECTED, found, strict=True)] == EXPECTED
    for (expect, code, is_met), (_, why) in zip(EXPECTED, found, strict=True):
        if code in (0, 2):
            word = "diff" if expect.startswith("diff") else "failure"
            assert why.startswith(f"expected {word}"), why
            assert why.endswith(f", exit code {code}"), why
        assert bool(why) != is_met, (expect, code)


def test_no_signal_no_time_limit_and_no_failed_start_is_what_was_expected(project: Project) -> None:
    (project.folder / "folder").mkdir()
    project.write("no-program", "\x7fELF").chmod(0o755)
    ways = {
        "argv: [sh, -c, 'kill -KILL $$']": "killed by SIGKILL",
        "argv: [sh, -c, 'kill -SEGV $$']": "killed by SIGSEGV",
        "argv: [sleep, '600'], timeout: 10ms": "time limit",
        "argv: [not-there-at-all]": "not found",
        "argv: [./no-program]": "neither a program",
        "argv: [./not-there]": "missing",
        "argv: ['true'], require: 'false'": "requires",
        "argv: ['true'], confirm: sure?": "confirm",
    }
    rows = [
        (way, says, expect)
        for way, says in ways.items()
        for expect in ("failure", "{failure: 137}", "{failure: 1-255}", "diff")
    ]
    lines = [f"  a{number}: {{{way}, expect: {expect}}}\n" for number, (way, _, expect) in enumerate(rows)]
    project.write("plan", "treadle: 1\nactions:\n" + "".join(lines))
    found = ends(project, "-k", *(f"a{number}" for number in range(len(rows))))
    for number, (way, says, expect) in enumerate(rows):
        how, why = found[f"a{number}"]
        assert how == "failed", (way, expect)
        assert says in why, (way, why)


@pytest.mark.parametrize("expect", ["failure", "{failure: 3}"])
def test_an_expected_failure_has_to_make_its_outputs(expect: str, project: Project) -> None:
    write(project, f", expect: {expect}", "rm o; exit 3")
    done = run(project)
    assert done.code == 1
    assert "did not write its output o" in done.text


@pytest.mark.parametrize(
    ("steps", "more", "code", "made"),
    [
        ("['sh step 1 0', 'sh step 2 2', 'sh step 3 0']", "success: [0, 2]", 0, "1 2 3"),
        ("['sh step 1 2', 'sh step 2 0']", "success: [0, 2]", 0, "1 2"),
        ("['sh step 1 0', 'sh step 2 0']", "success: 2", 1, "1"),
        ("['sh step 1 2', 'sh step 2 3']", "success: 2", 1, "1 2"),
        ("['sh step 1 0', 'sh step 2 80', 'sh step 3 0']", "skipped: 80", 0, "1 2"),
        ("['sh step 1 0', 'sh step 2 2']", "success: 0", 1, "1 2"),
    ],
)
def test_a_step_goes_on_after_a_success_and_the_code_that_ended_it_counts(
    steps: str, more: str, code: int, made: str, project: Project
) -> None:
    project.write("step", 'echo "$1" >> steps; exit "$2"\n')
    project.write("plan", f"treadle: 1\nactions:\n  a: {{run: {steps}, codes: {{{more}}}}}\n")
    done = project.treadle("run", "a")
    assert done.code == code, done.text
    assert project.read("steps").split() == made.split()


def test_the_step_that_ended_it_is_the_expected_failure(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {run: ['true', 'false', 'touch too-far'], expect: failure}\n")
    assert project.treadle("run", "a").code == 0
    assert not (project.folder / "too-far").exists()


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("", ", codes: {success: [0, 2]}", "codes changed"),
        (", codes: {success: [0, 2]}", "", "codes changed"),
        (", codes: {success: [0, 2]}", ", codes: {success: [0, 3]}", "codes changed"),
        (", codes: {skipped: 80}", ", codes: {skipped: 81}", "codes changed"),
        (", codes: {success: [0, 2]}", ", codes: {success: [2, 0]}", ""),
        ("", ", codes: {success: 0, diffed: 64, not_ready: 75, skipped: []}", ""),
        ("", ", codes: {retry: 3}", ""),
        ("", ", retries: 3", ""),
    ],
)
def test_the_meaning_of_codes_is_part_of_the_key(before: str, after: str, word: str, project: Project) -> None:
    write(project, before)
    assert run(project).code == 0
    write(project, after)
    why = project.treadle("why", "a").out
    assert (word in why) if word else "up to date" in why, why
    assert project.run("a") == (["a"] if word else [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (", expect: failure", ""),
        (", expect: failure", ", expect: {failure: 3}"),
        (", expect: {failure: 3}", ", expect: {failure: [3, 4]}"),
        (", expect: {failure: 64}", ", expect: diff"),
    ],
)
def test_what_is_expected_is_part_of_the_key(before: str, after: str, project: Project) -> None:
    write(project, before)
    assert run(project, 64 if "diff" in after else 3).code == 0
    write(project, after)
    assert "expect changed" in project.treadle("why", "a").out
    assert project.treadle("run", "a").code == (0 if after else 1)


def test_existing_records_stay_valid_beside_a_codes_of_defaults(project: Project) -> None:
    write(project, "")
    assert run(project).code == 0
    write(project, "", rest="defaults: {codes: {success: 0}}\n")
    assert project.run() == []


def test_codes_come_from_defaults_and_mixins_as_a_whole(project: Project) -> None:
    write(
        project,
        ", codes: {success: [0, 2]}",
        rest="  c: {sh: 'exit 3'}\n  d: {use: m, sh: 'exit 4'}\n  e: {use: m, sh: 'exit 3'}\n"
        "defaults: {codes: {success: [0, 3]}}\nmixins: {m: {codes: {success: 4}}}\n",
    )
    assert run(project, 3, "a").code == 1
    assert run(project, 2, "a").code == 0
    assert project.treadle("run", "c", "d").code == 0
    assert project.treadle("run", "e").code == 1


def test_each_way_into_a_run_reads_codes_alike(project: Project) -> None:
    """A run of the whole plan, one of the dirty part, and one of an edited plan."""
    write(project, ", codes: {success: [0, 2], skipped: 80}")
    assert run(project, 2).code == 0
    assert project.run() == []
    project.write("code", " 2\n")
    assert project.run() == ["a"]
    project.write("code", "3\n")
    assert project.run(code=1) == ["a"]
    project.write("code", "  2\n")
    assert project.run() == ["a"]
    write(project, ", codes: {success: [0, 2], skipped: 80}", rest="  c: {run: 'true', out: []}\n")
    assert project.run() == []
    write(project, ", codes: {success: 0, skipped: 80}", rest="  c: {run: 'true', out: []}\n")
    assert project.run(code=1) == ["a"]


def test_what_cannot_be_meant_is_an_error_with_its_place(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {run: x, codes: {success: [0, 3], diffed: 3}}\n")
    done = project.treadle("check")
    assert done.code == 2, done.text
    assert "treadle.yaml:3:48" in done.err
    assert "the exit code 3 means both success and diffed" in done.err


def test_list_says_what_codes_mean(project: Project) -> None:
    project.write("code", "")
    write(project, ", codes: {success: [0, 2-3]}, expect: {failure: [5, 6]}")
    found = {one["name"]: one for one in json.loads(project.treadle("list", "--json").out)["actions"]}
    assert found["a"]["codes"] == {
        "success": [0, 2, 3],
        "diffed": [64],
        "skipped": [],
        "not_ready": [75],
        "retry": [],
    }
    assert found["a"]["expect"] == "failure 5-6"
    assert (found["b"]["codes"], found["b"]["expect"]) == (None, None)


SKIPS = ", codes: {skipped: 80}"


def test_what_skips_itself_does_not_fail_the_run_and_runs_again(project: Project) -> None:
    write(project, SKIPS)
    done = run(project, 80, "a")
    assert done.code == 0, done.text
    assert ends(project, "a")["a"] == ("skipped itself", "")
    assert "the last run skipped itself (exit code 80)" in project.treadle("why", "a").out
    assert project.run("a") == ["a"]
    # it applies again
    project.write("code", "0\n")
    assert project.run() == ["a", "b"]


def test_what_it_wrote_is_put_aside_and_what_was_there_is_gone(project: Project) -> None:
    write(project, SKIPS)
    assert run(project).code == 0
    assert (project.folder / "o").exists()
    assert run(project, 80, "a").code == 0
    assert not (project.folder / "o").exists()
    assert [path.read_text() for path in (project.folder / ".treadle").rglob("o")] == ["made\n"]


def test_what_keeps_its_outputs_keeps_them_when_it_skips_itself(project: Project) -> None:
    write(project, SKIPS + ", keep: true")
    assert run(project).code == 0
    assert run(project, 80, "a").code == 0
    assert project.read("o") == "made\n"


def test_what_skips_itself_is_not_tried_again(project: Project) -> None:
    write(project, SKIPS + ", retries: 3")
    assert run(project, 80, "a").code == 0
    assert project.starts() == ["a"]


def test_a_file_of_the_user_in_its_place_is_not_lost(project: Project) -> None:
    write(project, SKIPS)
    project.write("o", "mine\n")
    assert run(project, 80, "a").code == 0
    kept = [path.read_text() for path in project.folder.rglob("o")]
    assert "mine\n" in kept


def test_what_reads_its_outputs_is_not_needed_and_keeps_what_it_made(project: Project) -> None:
    write(
        project, SKIPS + ", keep: true", rest="  c: {sh: 'echo c >> $LOG; cat p > q', in: p, out: q, pass: [LOG]}\n"
    )
    assert run(project, 80).code == 0
    assert project.starts() == ["a"]
    assert ends(project) == {"a": ("skipped itself", ""), **dict.fromkeys("bc", ("not needed", ""))}
    project.write("code", "0\n")
    assert project.run() == ["a", "b", "c"]
    # one edit: the dirty part alone is walked
    project.write("code", "80\n")
    assert project.run() == ["a"]
    assert (project.folder / "q").exists()
    assert project.run() == ["a"]
    project.write("code", "0\n")
    # what they made is from the same content, so they are up to date
    assert project.run() == ["a"]
    assert project.run() == []


@pytest.mark.parametrize("has_run", [False, True])
def test_a_plan_that_is_not_generated_leaves_what_depends_on_it_not_needed(has_run: bool, project: Project) -> None:
    project.write("made", "treadle: 1\nactions:\n  x: {run: 'cp source x', in: source, out: x}\n")
    project.write("source", "")
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        "  gen: {sh: 'cp made more.yaml; exit $(cat code)', in: [made, code], out: more.yaml, expand: more.yaml,"
        " codes: {skipped: 80}}\n"
        "  user: {run: 'cp x y', in: x, out: y}\n"
        "  after: {run: 'cp y z', in: y, out: z}\n"
        "  other: {run: 'cp source o', in: source, out: o}\n",
    )
    if has_run:
        assert run(project).code == 0
    done = run(project, 80)
    assert done.code == 0, done.text
    assert "1 skipped itself" in done.text
    assert "not needed" in done.text
    assert (project.folder / "z").exists() == has_run
    assert (project.folder / "o").exists()
    assert run(project, 80, "--exit-code=mask").code == 0
    assert run(project, 3, "-k").code == 1
    assert run(project).code == 0
    assert (project.folder / "z").exists()
    assert "nothing to do" in project.treadle("run").out
