"""Artifacts: files that an action leaves beside its outputs are moved after its end, and nothing else is (rule W6)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from project import Project
from treadle import Command, UsageError


def made(tmp_path: Path, keys: str, script: str, more: str = "") -> Project:
    project = Project(tmp_path / "p")
    indented = "\n      ".join(script.splitlines())
    project.write(
        "plan", f"treadle: 1\ndefault: a\nactions:\n  a:\n    {keys}\n    sh: |\n      {indented}\n{more}"
    )
    return project


def kept(project: Project) -> list[str]:
    folder = project.folder / ".treadle/artifacts"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


ALL = 'artifacts: {"f*": failure, "s*": success, "a*": always, "n*": never}'
TOUCH = "touch f.x s.x a.x n.x o.x"


@pytest.mark.parametrize(
    ("end", "more", "expected"),
    [
        ("true", "", ["s.x", "a.x"]),
        ("false", "", ["f.x", "a.x"]),
        ("exit 75", "", ["f.x", "a.x"]),
        ("exit 64", "", ["f.x", "a.x"]),
        ("exit 3", "expect: failure", ["s.x", "a.x"]),
        ("exit 80", "codes: {skipped: 80}", ["a.x"]),
        ("sleep 60", "timeout: 100ms", ["f.x", "a.x"]),
    ],
)
def test_the_end_of_an_attempt_says_which_are_moved(
    tmp_path: Path, end: str, more: str, expected: list[str]
) -> None:
    """W6."""
    project = made(tmp_path, f"{ALL}\n    {more}".rstrip(), f"{TOUCH}\n{end}")
    project.treadle("run")
    assert kept(project) == sorted(f"a/1/{name}" for name in expected)
    assert {one for one in os.listdir(project.folder) if one.endswith(".x")} == {
        f"{name}.x" for name in "fsano"
    } - set(expected)


def test_each_attempt_has_a_folder_and_the_last_three_are_kept(tmp_path: Path) -> None:
    """W6."""
    script = "n=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n > n; echo $n > it.log; test $n -gt 4"
    project = made(tmp_path, 'artifacts: {"*.log": always}\n    retries: 9', script)
    project.run()
    assert kept(project) == ["a/3/it.log", "a/4/it.log", "a/5/it.log"]
    assert project.read(".treadle/artifacts/a/4/it.log") == "4\n"
    # the first attempt of another run is the newest
    project.run("--force")
    assert kept(project) == ["a/1/it.log", "a/4/it.log", "a/5/it.log"]
    assert project.read(".treadle/artifacts/a/1/it.log") == "6\n"


def test_a_later_run_replaces_the_attempt_of_the_same_number_only_if_it_leaves_something(tmp_path: Path) -> None:
    """W6."""
    project = made(tmp_path, 'artifacts: {"*.log": failure}', "cat in > $(cat in).log; test -e good", "")
    project.write("in", "one")
    project.run(code=1)
    assert kept(project) == ["a/1/one.log"]
    project.write("good", "")
    project.run()
    assert kept(project) == ["a/1/one.log"]
    os.unlink(project.folder / "good")
    project.write("in", "two")
    project.run(code=1)
    assert kept(project) == ["a/1/two.log"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.log", ["x.log"]),
        ("d/*.log", ["d/x.log"]),
        ("**/*.log", ["d/e/x.log", "d/x.log", "x.log"]),
        ("d/**", ["d/e/x.log", "d/x.log"]),
        ("d", []),
        ("?.log", ["x.log"]),
        (".hidden.log", [".hidden.log"]),
        ("[[]a].log", ["[a].log"]),
    ],
)
def test_patterns_mean_what_globs_mean(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    """W6."""
    script = "mkdir -p d/e .h; touch x.log d/x.log d/e/x.log .hidden.log .h/x.log '[a].log'; rm -f '[a].log'"
    if "[" in pattern:
        script += "; touch '[a].log'"
    project = made(tmp_path, f"artifacts: {{{json.dumps(pattern)}: always}}", script)
    project.run()
    assert kept(project) == [f"a/1/{path}" for path in expected]


def test_they_are_relative_to_the_folder_of_the_command_and_the_last_pattern_counts(tmp_path: Path) -> None:
    """W6."""
    keys = 'cwd: sub\n    artifacts: {"*.log": always, "debug*": never, "debug2*": failure}'
    project = made(tmp_path, keys, "touch a.log debug.log debug2.log ../b.log; false")
    (project.folder / "sub").mkdir()
    project.run(code=1)
    assert kept(project) == ["a/1/a.log", "a/1/debug2.log"]


def test_values_in_patterns_are_taken_literally_and_names_of_instances_are_file_names(tmp_path: Path) -> None:
    """W6."""
    project = Project(tmp_path / "p")
    project.write(
        "plan",
        "treadle: 1\ndefault: fit\nparams: {star: {default: 'x*'}}\nactions:\n  fit:\n    foreach: {part: [c, a/b]}\n"
        "    artifacts: {'${part}${star}.log': always}\n"
        "    sh: mkdir -p a; touch ${part}${star}.log ${part}xy.log\n    limit: 1\n",
    )
    project.run()
    found = kept(project)
    assert sorted(path.partition("/1/")[2] for path in found) == ["a/bx*.log", "cx*.log"]
    assert len({path.partition("/")[0] for path in found}) == 2


@pytest.mark.parametrize(
    "keys",
    ["in: x.log", "in: d/", "out: x.log", "out: d/", "edits: x.log", "depfile: d/x.log\n    out: o"],
)
def test_inputs_and_outputs_stay(tmp_path: Path, keys: str) -> None:
    """W6."""
    names = "d/x.log" if "d/" in keys else "x.log"
    script = f"mkdir -p d; echo o: > {names}; echo 2 >> {names}; touch o"
    project = made(tmp_path, f'{keys}\n    artifacts: {{"**/x.log": always}}', f"{script}; exit 1")
    project.write("x.log", "1\n")
    (project.folder / "d").mkdir()
    project.write("d/x.log", "1\n")
    project.run(code=1)
    assert f"a/1/{names}" not in kept(project)


@pytest.mark.parametrize("way", ["x.log", "link/x.log", "sub/x.log"])
def test_what_other_actions_read_or_make_stays_also_by_another_name_and_with_one_edit(
    tmp_path: Path, way: str
) -> None:
    """W6: the snapshot knows only the files of what is dirty, so such an action walks the whole plan."""
    more = f"  b: {{sh: 'cat {way} > ${{out}}', in: {way}, out: b.out, after: [a]}}\n"
    keys = 'in: in\n    out: o\n    artifacts: {"*.log": always, "sub/*": always, "b.out": always}'
    project = made(tmp_path, keys, "touch o; date +%N >> x.log; date +%N >> sub/x.log; touch y.log b.out", more)
    project.write("plan", project.read("treadle.yaml").replace("default: a", "default: [a, b]"))
    project.write("in", "1")
    project.write("x.log", "1")
    (project.folder / "sub").mkdir()
    project.write("sub/x.log", "1")
    (project.folder / "link").symlink_to(".")
    target = "sub/x.log" if way.startswith("sub") else "x.log"
    for text in "123":
        project.write("in", text)
        project.run()
        assert (project.folder / target).exists()
    assert "a/1/y.log" in kept(project)
    project.write("in", "4")
    project.run("a")
    assert (project.folder / target).exists()
    # no plan names it any more, but a record does
    plan = project.read("treadle.yaml")
    project.write("plan", plan[: plan.index("  b:")].replace("[a, b]", "a"))
    project.run("--force")
    assert (project.folder / "b.out").exists()


def test_what_git_tracks_and_what_was_there_before_stays(tmp_path: Path) -> None:
    """W6."""
    project = made(
        tmp_path, 'artifacts: {"*.log": always}', "echo 2 >> tracked.log; echo 2 >> grown.log; touch new.log"
    )
    for name in ("tracked.log", "old.log", "grown.log"):
        project.write(name, "1\n")
    for words in (("init", "-q"), ("add", "tracked.log")):
        subprocess.run(["git", *words], cwd=project.folder, check=True)
    project.run()
    assert kept(project) == ["a/1/grown.log", "a/1/new.log"]
    assert project.read("tracked.log") == "1\n2\n"
    assert project.read("old.log") == "1\n"


def test_links_are_neither_moved_nor_followed(tmp_path: Path) -> None:
    """W6."""
    outside = tmp_path / "outside"
    outside.mkdir()
    script = f"ln -sfn {outside} away; touch away/x.log; ln -sf away/x.log l.log; touch real.log"
    project = made(tmp_path, 'artifacts: {"**/*.log": always, "away/*": always}', script)
    project.run()
    assert kept(project) == ["a/1/real.log"]
    assert (outside / "x.log").exists()


def test_nothing_is_moved_where_the_folder_of_the_command_lies_elsewhere(tmp_path: Path) -> None:
    """W6."""
    outside = tmp_path / "outside"
    outside.mkdir()
    project = made(tmp_path, 'cwd: away\n    artifacts: {"*": always}', "touch x.log")
    (project.folder / "away").symlink_to(outside)
    project.run()
    assert kept(project) == []
    assert (outside / "x.log").exists()


@pytest.mark.parametrize("place", ["artifacts", "artifacts/a", "artifacts/a/1"])
def test_links_in_the_state_folder_are_not_followed(tmp_path: Path, place: str) -> None:
    """W6: a checkout may bring them."""
    project = made(tmp_path, 'artifacts: {"*.log": always}', "touch x.log")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "a/1").mkdir(parents=True)
    (elsewhere / "mine").write_text("")
    (project.folder / ".treadle" / place).parent.mkdir(parents=True)
    (project.folder / ".treadle" / place).symlink_to(elsewhere)
    project.run()
    assert sorted(path.name for path in elsewhere.rglob("*")) == ["1", "a", "mine"]
    assert kept(project) == ["a/1/x.log"]


def test_the_state_folder_is_never_among_them(tmp_path: Path) -> None:
    """W6."""
    project = made(tmp_path, 'artifacts: {".treadle/**": always, "**": always}', "echo; touch x")
    project.run()
    assert kept(project) == ["a/1/x"]
    assert project.treadle("log", "a").code == 0


def test_a_name_of_any_characters_is_moved_and_told(tmp_path: Path) -> None:
    """W6."""
    name = "x\n\x1b[31m é.log"
    project = made(tmp_path, 'artifacts: {"*.log": always}', r"""touch "$(printf 'x\n\033[31m é.log')" """)
    project.treadle("run", "--events", "e.jsonl", "--html", "p.html")
    assert (project.folder / ".treadle/artifacts/a/1" / name).exists()
    end = next(one for one in map(json.loads, project.read("e.jsonl").splitlines()) if one["event"] == "ended")
    assert end["artifacts"] == [f".treadle/artifacts/a/1/{name}"]
    assert "\x1b" not in project.read("p.html")


def test_reports_and_what_the_action_has_named_tell_the_new_place(tmp_path: Path) -> None:
    """W6."""
    script = 'touch x.log y.log z.txt; printf "artifact x.log\\nartifact z.txt\\n" > $TREADLE_REPORT; false'
    project = made(tmp_path, 'artifacts: {"*.log": failure}', script)
    project.treadle("run", "--events", "e.jsonl", "--html", "p.html")
    (action,) = json.loads(project.treadle("report", "e.jsonl", "--json").out)["actions"]
    places = [".treadle/artifacts/a/1/x.log", "z.txt", ".treadle/artifacts/a/1/y.log"]
    assert action["artifacts"] == places
    page = re.search(r'id="data">(.*?)</script>', project.read("p.html"), re.DOTALL)
    assert page is not None
    (said,) = json.loads(page[1])["values"].values()
    assert [one[0] for one in said["artifacts"]] == places
    assert all(len(one) == 2 for one in said["artifacts"])


def test_a_secret_in_a_name_is_told_nowhere(tmp_path: Path) -> None:
    """W6."""
    project = made(
        tmp_path, 'track: TOKEN\n    secret: TOKEN\n    artifacts: {"*.log": always}', "touch x-$TOKEN.log"
    )
    project.treadle("run", "--events", "e.jsonl", TOKEN="swordfish")
    assert kept(project) == ["a/1/x-swordfish.log"]
    assert "swordfish" not in project.read("e.jsonl")
    assert "x-***.log" in project.read("e.jsonl")


def test_they_are_in_no_fingerprint(tmp_path: Path) -> None:
    """W6."""
    project = made(
        tmp_path,
        'in: in\n    out: o\n    pass: LOG\n    artifacts: {"*.log": always}',
        "touch o x.log; echo a >> $LOG",
    )
    project.write("in", "")
    assert project.run() == ["a"]
    plan = project.read("treadle.yaml")
    project.write("plan", plan.replace("*.log", "*.txt"))
    assert project.run() == []
    project.write("plan", plan.replace('    artifacts: {"*.log": always}\n', ""))
    assert project.run() == []
    project.treadle("clean")
    assert kept(project) == ["a/1/x.log"]


def test_in_a_folder_of_its_own_they_are_relative_to_that(tmp_path: Path) -> None:
    """W6: also where what is left of that folder is kept."""
    keys = 'in: x.in\n    out: o\n    workdir: {fresh: copy}\n    artifacts: {"*.log": always, "*.in": always}'
    project = made(tmp_path, keys, "touch o x.log; echo 2 >> x.in; test -e /dev/full/no")
    project.write("x.in", "1\n")
    project.write("x.log", "mine\n")
    project.run(code=1)
    assert kept(project) == ["a/1/x.log"]
    assert project.read("x.log") == "mine\n"
    assert project.read(".treadle/artifacts/a/1/x.log") == ""


@pytest.mark.parametrize(
    ("pattern", "when", "says"),
    [
        ("/tmp/*", "always", "leads out of the folder"),
        ("../*", "always", "leads out of the folder"),
        ("a/../../*", "always", "leads out of the folder"),
        ("a//b", "always", "has an empty name"),
        ("", "always", "names no file"),
        ("[a", "always", "is no pattern"),
        ("**x", "always", "is no pattern"),
        ("*.log", "sometimes", "must be one of always, success, failure, never"),
    ],
)
def test_what_is_no_pattern_is_refused_with_its_place(tmp_path: Path, pattern: str, when: str, says: str) -> None:
    """W6: in a plan and in Python."""
    project = made(tmp_path, f"artifacts: {{{json.dumps(pattern)}: {when}}}", "true")
    done = project.treadle("check")
    assert done.code == 2
    assert says in done.text
    assert "treadle.yaml:5" in done.text
    with pytest.raises(UsageError):
        Command([["true"]], artifacts={pattern: when})


def test_list_shows_them(tmp_path: Path) -> None:
    """W6."""
    project = made(tmp_path, 'artifacts: {"*.log": always}', "true")
    (action,) = json.loads(project.treadle("list", "--json").out)["actions"]
    assert action["artifacts"] == {"*.log": "always"}


@pytest.mark.parametrize("script", ["ln f.x other", "chmod 600 f.x", "mv f.x y; mv y f.x", "touch -a f.x"])
def test_a_file_that_was_not_written_stays_whatever_else_becomes_of_it(tmp_path: Path, script: str) -> None:
    project = made(tmp_path, "artifacts: {'*.x': always}", f"{script}; touch g.x")
    project.write("f.x", "mine")
    assert project.treadle("run").code == 0
    assert (kept(project), project.read("f.x")) == (["a/1/g.x"], "mine")


def test_what_another_action_was_found_to_read_stays(tmp_path: Path) -> None:
    more = "  b: {sh: 'cat d.x sub/e.x > o; echo \"o: d.x sub/e.x\" > o.d', out: o, depfile: o.d, after: a}\n"
    project = made(tmp_path, "artifacts: {'**/*.x': always}", "echo 2 > d.x; echo 2 > sub/e.x; echo 2 > f.x", more)
    project.write("d.x", "1")
    project.write("sub/e.x", "1")
    assert project.treadle("run", "b").code == 0
    assert project.treadle("run", "a").code == 0
    assert (kept(project), project.read("d.x"), project.read("sub/e.x")) == (["a/1/f.x"], "2\n", "2\n")


def test_files_that_the_plan_is_read_from_stay(tmp_path: Path) -> None:
    """An editor may write them while the action runs."""
    names = ("treadle.yaml", "more.yaml", "values.json", "a.env", "free.x")
    project = made(
        tmp_path, "artifacts: {'*': always}\n    dotenv: a.env", f"for n in {' '.join(names)}; do echo >> $n; done"
    )
    plan = project.folder / "treadle.yaml"
    plan.write_text(f"include: [more.yaml]\nvars: {{v: {{file: values.json}}}}\n{plan.read_text()}")
    project.write("more.yaml", "treadle: 1\nactions:\n  other: {run: 'true'}\n")
    project.write("values.json", "{}")
    project.write("a.env", "A=1")
    assert project.treadle("run").code == 0
    assert kept(project) == ["a/1/free.x"]


@pytest.mark.parametrize("place", ["", "/logs", "/logs/attempts"])
def test_nothing_is_moved_where_the_folder_of_the_command_leads_to_the_state(tmp_path: Path, place: str) -> None:
    project = made(tmp_path, "cwd: c\n    artifacts: {'**/*': always}", "touch f.x")
    (project.folder / f".treadle{place}").mkdir(parents=True)
    (project.folder / "c").symlink_to(f".treadle{place}")
    assert project.treadle("run").code == 0
    assert kept(project) == []
    assert (project.folder / ".treadle/logs/a.log").exists()
