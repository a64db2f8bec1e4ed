"""`baseline` and `treadle accept`, by the real command."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from project import Done, Project, wait_until
from treadle import Command, UsageError


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def write(project: Project, *actions: str) -> None:
    """Write a plan of some actions."""
    project.write(
        "plan", "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n" + "".join(f"  {one}\n" for one in actions)
    )


def action(more: str = "", name: str = "a", script: str = "cp ${in} ${out}") -> str:
    """Return an action that makes `o/NAME` of `in`, with a baseline `tests/NAME`."""
    return (
        f"{name}: {{sh: 'echo {name} >> $LOG; {script}', in: in, out: o/{name},"
        f" baseline: {{o/{name}: tests/{name}}}{more}}}"
    )


def failure(done: Done, name: str = "a") -> str:
    """Return the line that says why an action failed."""
    return next(line for line in done.text.splitlines() if line.startswith(f"failed {name}"))


MODES = {"plain": "", "keep": ", keep: true", "a folder": ", workdir: fresh", "copies": ", workdir: {fresh: copy}"}


@pytest.mark.parametrize("mode", MODES)
def test_a_difference_fails_until_it_is_accepted(project: Project, mode: str) -> None:
    """W5."""
    project.write("in", "one")
    write(project, action(MODES[mode]))
    done = project.treadle("run", "--exit-code=mask")
    assert done.code == 2
    assert "o/a has no baseline yet: tests/a does not exist; to accept it: treadle accept a" in failure(done)
    assert "treadle accept a" in project.treadle("why", "a").text
    assert "treadle accept a" in project.treadle("status", "-v").text
    done = project.treadle("accept", "a")
    assert (done.code, done.out) == (0, "a: o/a -> tests/a\n1 action accepted\n")
    assert project.read("tests/a") == "one"
    # the baseline is an input: it runs once more, and then it is up to date
    assert project.run() == ["a"]
    assert project.run() == []
    project.write("in", "two")
    done = project.treadle("run")
    assert (done.code, project.read("tests/a")) == (1, "one")
    assert "o/a differs from its baseline tests/a; to accept it: treadle accept a" in failure(done)
    os.chmod(project.folder / "tests/a", 0o640)
    assert project.treadle("accept", "a").code == 0
    assert (project.read("tests/a"), os.stat(project.folder / "tests/a").st_mode & 0o777) == ("two", 0o640)
    assert project.run() == ["a"]
    done = project.treadle("accept", "a", "-v")
    assert (done.code, done.out) == (0, "a: nothing differs\n0 actions accepted\n")
    assert project.run() == []


def test_the_baseline_is_an_input_and_which_file_it_is_belongs_to_the_key(project: Project) -> None:
    """W5."""
    for name in ("in", "tests/a", "tests/other"):
        project.write(name, "one")
    write(project, action())
    assert project.run() == ["a"]
    project.write("tests/a", "two")
    assert project.treadle("why", "a").text.count("input tests/a changed")
    assert project.run(code=1) == ["a"]
    (project.folder / "tests/a").unlink()
    assert "has no baseline yet" in failure(project.treadle("run"))
    write(project, action().replace("tests/a", "tests/other"))
    assert project.run() == ["a"]
    assert project.run() == []
    listed = json.loads(project.treadle("list", "--json").out)["actions"][0]
    assert (listed["baseline"], listed["inputs"]) == ({"o/a": "tests/other"}, ["in", "tests/other"])
    # one edit, by the snapshot
    project.write("in", "two")
    assert project.run(code=1) == ["a"]
    project.write("tests/other", "two")
    assert project.run() == ["a"]
    assert project.treadle("clean", "--all").code == 0
    assert project.read("tests/other") == "two"


EXPECTED = {
    "differs": ("one", "two", "", 0, "expect: diff"),
    "is the same": ("one", "one", "expected diff, exit code 0", 1, "expect: diff"),
    "is missing": ("one", None, "", 0, "expect: diff"),
    "fails otherwise": ("one", "two", "exit code 3", 1, "expect: diff"),
    "a code says it": ("one", "one", "exit code 7; to accept it: treadle accept a", 1, "codes: {diffed: 7}"),
    "a failure is expected": ("one", "two", "expected failure, o/a differs", 1, "expect: failure"),
    "it is tried again": ("one", "two", "o/a differs", 1, "retries: {max: 1, on: diffed}"),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_expected_differences_and_codes(project: Project, case: str) -> None:
    """W5."""
    made, known, said, code, keys = EXPECTED[case]
    project.write("in", made)
    if known is not None:
        project.write("tests/a", known)
    ends = {"fails otherwise": "exit 3", "a code says it": "exit 7"}
    write(project, action(f", {keys}", script=f"cp ${{in}} ${{out}}; {ends.get(case, 'true')}"))
    done = project.treadle("run")
    assert done.code == code, done.text
    assert project.starts() == ["a"] * (2 if case == "it is tried again" else 1)
    if said:
        assert said in failure(done)
    else:
        assert project.run() == []
        # what was expected may be accepted too
        assert project.treadle("accept", "a").code == 0
        assert project.read("tests/a") == made
        assert "expected diff, exit code 0" in failure(project.treadle("run"))


def test_files_in_an_output_folder_and_several_baselines(project: Project) -> None:
    """W5."""
    project.write("in", "one")
    write(
        project,
        "a: {sh: 'echo x > d/x; echo y > d/y; cp in o', in: in, out: [d/, o],"
        " baseline: {d/x: tests/x, d/y: tests/y, d/z: tests/z, o: tests/o}}",
    )
    done = project.treadle("run")
    assert "d/x has no baseline yet: tests/x does not exist (and 3 more)" in failure(done)
    done = project.treadle("accept", "a")
    assert done.code == 1
    assert "its output d/z is not there any more in .treadle/failed/a" in done.text
    assert not (project.folder / "tests").exists()
    write(
        project,
        "a: {sh: 'echo x > d/x; echo y > d/y; cp in o', in: in, out: [d/, o],"
        " baseline: {d/x: tests/x, d/y: tests/y, o: tests/o}}",
    )
    assert project.treadle("accept", "a").code == 0
    assert project.treadle("run").code == 0
    (project.folder / "d/x").write_text("altered")
    done = project.treadle("accept", "a")
    assert (done.code, "its output d/x was altered since it ran" in done.text) == (1, True)
    assert project.read("tests/x") == "x\n"


def test_accept_takes_what_differed_or_succeeded_and_says_why_not_all_else(project: Project) -> None:
    """W5."""
    project.write("in", "one")
    scripts = {
        "good": "cp ${in} ${out}",
        "bad": "cp ${in} ${out}; exit 3",
        "missing": "true",
        "skips": "cp ${in} ${out}; exit 80",
        "moves": "cp ${in} ${out}; cp ${out} tests/moves; echo x >> ${in}",
        "never": "cp ${in} ${out}",
    }
    actions = [
        action(", codes: {skipped: 80}, tags: [" + name + "]", name, script) for name, script in scripts.items()
    ]
    write(project, *actions, "plain: {sh: 'cp in p', in: in, out: p}")
    project.write("tests/moves", "one")
    project.treadle("run", "-k", "good", "bad", "missing", "skips", "plain")
    project.treadle("run", "moves")
    done = project.treadle("accept", "*")
    assert done.code == 1
    assert "good: o/good -> tests/good" in done.out
    assert "1 action accepted" in done.out
    for said in (
        "bad: not accepted: its last run ended otherwise: exit code 3",
        "missing: not accepted: its last run ended otherwise: it ended well but did not write its output o/missing",
        "skips: not accepted: its last run ended otherwise",
        "moves: not accepted: its last run ended otherwise",
        "never: not accepted: it has not run here",
    ):
        assert said in done.err, done.err
    assert sorted(os.listdir(project.folder / "tests")) == ["good", "moves"]
    for words, said in {
        "plain": "there is nothing to accept",
        "": "no action was named",
        "nonsense": "nonsense",
    }.items():
        done = project.treadle("accept", *words.split())
        assert (done.code, said in done.text) == (2, True), done.text


def test_what_is_running_is_not_accepted(project: Project) -> None:
    """W5."""
    project.write("in", "one")
    write(project, action(script="cp ${in} ${out}; touch began; exec tail -f /dev/null"))
    run = project.start("run")
    wait_until((project.folder / "began").exists)
    done = project.treadle("accept", "--no-wait", "a")
    assert done.code not in (0, 1)
    assert not (project.folder / "tests").exists()
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    done = project.treadle("accept", "a")
    assert "its last run did not come to its end" in done.text


def test_a_command_may_accept_in_place_of_a_copy(project: Project) -> None:
    """W5."""
    project.write("in", "one")
    project.write("sub/x", "")
    project.write("update", "#!/bin/sh\ncat $TREADLE_OUTPUTS/o/a > $1; test ! -e ../fail\n").chmod(0o755)
    for more in ("", ", workdir: fresh"):
        write(
            project,
            "a: {sh: 'echo a >> $LOG; cp ${in} ${out}; cmp -s ${in.known} ${out} || exit 64', in: {src: in, known: known},"
            " out: o/a, cwd: sub, baseline: {run: ../update ../known}".replace("${in}", "${in.src}")
            + more
            + "}",
        )
        project.write("known", "none")
        done = project.treadle("run")
        assert "exit code 64; to accept it: treadle accept a" in failure(done)
        project.write("fail", "")
        done = project.treadle("accept", "a")
        assert (done.code, "../update ../known: exit code 1" in done.text) == (1, True)
        (project.folder / "fail").unlink()
        done = project.treadle("accept", "a")
        assert (done.code, done.out) == (0, "a: ran ../update ../known\n1 action accepted\n")
        assert project.read("known") == "one"
        assert project.run() == ["a"]
        assert project.run() == []


def test_families_have_a_baseline_each_and_hostile_names_are_quoted(project: Project) -> None:
    """W5."""
    project.write("in", "one")
    write(
        project,
        "fit: {foreach: {x: [a, 'b c']}, sh: 'echo ${x} > ${out}', in: in, out: 'o/${x}', baseline: {'o/${x}': 'tests/${x}.txt'}}",
    )
    done = project.treadle("run", "-k")
    assert "treadle accept 'fit@b c'" in done.text
    assert "fit@a\t" in project.treadle("__complete", "--", "accept", "fit@").out
    assert project.treadle("accept", "fit").out.count("->") == 2
    assert project.read("tests/b c.txt") == "b c\n"
    assert project.treadle("run").code == 0


def test_editors_of_a_baseline_run_before_its_reader(project: Project) -> None:
    """W5."""
    project.write("in", "one")
    project.write("tests/a", "ONE")
    write(project, action(), "fmt: {sh: 'echo fmt >> $LOG; echo -n one > ${edits}', edits: tests/a}")
    assert project.run("a") == ["a", "fmt"]
    assert project.starts() == ["fmt", "a"]


WRONG = {
    "baseline: {}": "baseline names no output",
    "baseline: {o/x: tests/a}": "o/x is no output of a",
    "baseline: {d/: tests/a}": "baseline compares files",
    "baseline: {o/a: tests/}": "is a folder",
    "baseline: {o/a: ../x}": "is outside the root",
    "baseline: {o/a: .treadle/x}": "is in the state folder",
    "baseline: {o/a: treadle.yaml}": "is the plan itself",
    "baseline: {o/a: o/b}": "is an output of b",
    "baseline: {o/a: d/x}": "is an output of a",
    "baseline: {o/a: tests/a, ./o/a: tests/b}": "o/a has two baselines",
    "baseline: {run: x, o/a: tests/a}": "run in baseline cannot be combined",
    "baseline: {o/a: [x]}": "the baseline of o/a",
    "baseline: tests/a": "must be a map",
    "baseline: {e/x.tmp: tests/a}": "`exclude` leaves it out of e/",
    "baseline: {e/f/x: tests/a}": "`exclude` leaves it out of e/",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_baselines_are_refused_with_their_place(project: Project, text: str) -> None:
    """W5."""
    write(
        project,
        f"a: {{run: touch o, out: [o/a, d/, {{path: e/, exclude: ['*.tmp', f/]}}], {text}}}",
        "b: {run: touch o/b, out: o/b}",
    )
    done = project.treadle("check")
    assert done.code == 2
    assert "treadle.yaml:4:" in done.text
    assert WRONG[text] in done.text


NO_FILES = ("a pipe", "a link to a pipe", "a folder", "a link to a folder", "a link to itself")


@pytest.mark.parametrize("kind", NO_FILES)
def test_a_baseline_that_is_no_file_differs_and_is_neither_waited_for_nor_replaced(
    project: Project, kind: str
) -> None:
    """W5."""
    project.write("in", "one")
    place = project.folder / "tests"
    place.mkdir()
    target = place / ("real" if "link" in kind else "a")
    if "pipe" in kind:
        os.mkfifo(target)
    elif "folder" in kind:
        target.mkdir()
    if "link" in kind:
        (place / "a").symlink_to("a" if "itself" in kind else "real")
    write(project, action())
    assert "cannot be compared with its baseline tests/a" in failure(project.treadle("run"))
    before = sorted(os.listdir(place))
    done = project.treadle("accept", "a")
    assert (done.code, "a: not accepted: tests/a cannot be written" in done.err) == (1, True), done.text
    assert sorted(os.listdir(place)) == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["written", "replaced", "linked", "with its old times"])
def test_an_output_that_was_altered_since_it_differed_is_not_accepted(
    project: Project, mode: str, how: str
) -> None:
    """W5: what was made last is accepted, and not what lies there."""
    project.write("in", "one")
    write(project, action(MODES[mode]))
    assert project.treadle("run").code == 1
    folder = {"plain": ".treadle/failed/a/", "keep": ""}.get(mode, ".treadle/work/a/")
    full = project.folder / folder / "o/a"
    before = full.stat()
    project.write("other", "two")
    if how in ("replaced", "linked"):
        full.unlink()
    if how == "replaced":
        (project.folder / "other").rename(full)
    elif how == "linked":
        full.symlink_to(project.folder / "other")
    else:
        full.write_text("two")
    if how == "with its old times":
        os.utime(full, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = project.treadle("accept", "a")
    assert (done.code, "a: not accepted: its output o/a was altered since it ran" in done.err) == (1, True), (
        done.text
    )
    assert not (project.folder / "tests").exists()


@pytest.mark.parametrize("target", ["treadle.yaml", "more.yaml", "values.json", ".treadle/records", ".treadle/new"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_baseline_that_leads_to_the_plan_or_the_state_is_not_replaced(
    project: Project, target: str, is_folder: bool
) -> None:
    """W5: neither can a plan name by its own name."""
    project.write("in", "one")
    project.write("more.yaml", "treadle: 1\nactions:\n  other: {run: 'true'}\n")
    project.write("values.json", "{}")
    place = project.folder / "tests"
    if is_folder:
        place.symlink_to(os.path.dirname(target) or ".")
    else:
        place.mkdir()
        (place / os.path.basename(target)).symlink_to(project.folder / target)
    name = os.path.basename(target)
    write(project, f"a: {{run: cp in o/a, in: in, out: o/a, baseline: {{o/a: tests/{name}}}}}")
    plan = project.folder / "treadle.yaml"
    plan.write_text(f"include: [more.yaml]\nvars: {{v: {{file: values.json}}}}\n{plan.read_text()}")
    done = project.treadle("run", "a")
    if done.code == 2:
        # the name is refused already
        assert "the baseline" in done.err
        return
    path = project.folder / target
    before = path.read_bytes() if path.exists() else None
    done = project.treadle("accept", "a")
    assert (done.code, "which is no baseline" in done.err) == (1, True), done.text
    after = path.read_bytes() if path.exists() else None
    assert after == before or target == ".treadle/records"
    assert after != b"one"


@pytest.mark.parametrize("mode", ["plain", "a folder", "copies"])
@pytest.mark.parametrize("out", ["o/x/", "o/x/a"])
def test_what_differs_on_another_file_system_is_accepted(
    project: Project, other_disk: Path, mode: str, out: str
) -> None:
    """W5."""
    (project.folder / "o").symlink_to(other_disk)
    project.write("in", "one")
    write(
        project,
        f"a: {{sh: 'cat in > o/x/a', in: in, out: {out}, baseline: {{o/x/a: tests/a}}{MODES[mode]}}}",
    )
    assert project.treadle("run").code == 1
    assert not (other_disk / "x/a").exists()
    assert project.treadle("accept", "a").code == 0
    assert project.read("tests/a") == "one"
    assert project.treadle("run").code == 0


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_in_the_place_of_the_copy_is_not_in_the_way(project: Project, is_link: bool) -> None:
    """W5: what a checkout has brought."""
    project.write("in", "one")
    write(project, action())
    assert project.treadle("run").code == 1
    project.write("mine/x", "mine")
    place = project.folder / ".treadle/accepting"
    if is_link:
        place.symlink_to(project.folder / "mine")
    else:
        project.write(".treadle/accepting/x", "theirs")
    assert project.treadle("accept", "a").code == 0
    assert (project.read("tests/a"), project.read("mine/x")) == ("one", "mine")


LINKS = {
    "to an input": ("ln -s ../in o/a", "o/a"),
    "to another output": ("cp in o/b; ln -s b o/a", "[o/a, o/b]"),
    "in an output folder": ("mkdir o/e; cp in o/e/b; ln -s e/b o/a", "o/"),
    "to an input, by its whole path": ("ln -s ${root}/in o/a", "o/a"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", LINKS)
def test_an_output_that_is_a_link_is_accepted_with_what_it_leads_to(project: Project, case: str, mode: str) -> None:
    """W5."""
    script, out = LINKS[case]
    project.write("in", "one")
    start = "rm -rf o; mkdir o; " if mode == "keep" else ""
    write(project, f"a: {{sh: '{start}{script}', in: in, out: {out}, baseline: {{o/a: tests/a}}{MODES[mode]}}}")
    assert project.treadle("run").code == 1
    done = project.treadle("accept", "a")
    assert done.code == 0, done.text
    assert not (project.folder / "tests/a").is_symlink()
    assert project.read("tests/a") == "one"
    if mode != "keep" or "input" not in case:
        # with `keep` a link to an input is refused
        done = project.treadle("run")
        assert done.code == 0, done.text


def test_a_command_with_a_baseline_for_what_it_leaves_out_is_refused() -> None:
    """W5."""
    exclude = {"d/": ["*.tmp"]}
    with pytest.raises(UsageError, match="left out of its output 'd/'"):
        Command(["x"], outputs=["d/"], exclude=exclude, baseline={"d/e/x.tmp": "t"})
    command = Command(["x"], outputs=["d/"], exclude=exclude, baseline={"d/e/x": "t"})
    assert command.baseline == {"d/e/x": "t"}
