"""Output folders with `exclude`: what is left out is neither recorded nor judged, and stays where it is."""

from __future__ import annotations

import json

import pytest

from project import Project

PLAN = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  site:
    sh: |
      echo site >> $LOG
      mkdir -p o/site/deep o/site/cache
      cat n > o/site/page; echo 1 > o/site/deep/page; echo $$ >> o/site/cache/own
      test ! -e fail
    in: n
    out: {path: o/site/, exclude: [CNAME, cache/, "*.log"]}
  read: {sh: "echo read >> $LOG; ls -R ${in} > ${out}", in: o/site/, out: o/read}
  some: {sh: "echo some >> $LOG; ls -R ${in} > ${out}", in: {tree: o/site/, exclude: [CNAME, cache/, "*.log"]}, out: o/some}
"""


@pytest.fixture
def made(project: Project) -> Project:
    project.write("n", "1\n")
    project.write("plan", PLAN)
    assert project.run()[:3] == ["read", "site", "some"]
    project.run()
    return project


CHANGES = {
    # what runs: a reader of the folder counts all that is in it, but for its own exclude
    "a new excluded file": ("echo 1 > o/site/CNAME", "read"),
    "an excluded file in a deep folder": ("echo 1 > o/site/deep/x.log", "read"),
    "an excluded folder is edited": ("echo 1 > o/site/cache/more", "read"),
    "an excluded folder is gone": ("rm -r o/site/cache", "read"),
    "a file that counts is edited": ("echo 9 > o/site/page", "read site"),
    "a file that counts is gone": ("rm o/site/deep/page", "read site"),
    "a new file that counts": ("echo 1 > o/site/new", "read site some"),
    "the whole folder is gone": ("rm -r o/site", "read site"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_is_not_excluded_is_judged(change: str, made: Project) -> None:
    script, runs = CHANGES[change]
    made.run_shell(script)
    would = json.loads(made.treadle("status", "--json").out)["actions"]
    assert ("site" in [one["name"] for one in would if one["decision"] == "run"]) == ("site" in runs)
    # the cache gets another line in each run of site
    assert set(made.run()) >= set(runs.split())
    made.run()
    assert "nothing to do" in made.treadle("run").out


STAYS = {
    "edited by a user": "echo mine > o/site/CNAME; echo mine > o/site/cache/own; echo mine > o/site/deep/x.log",
    "made by the action": "true",
}


@pytest.mark.parametrize("how", STAYS)
@pytest.mark.parametrize("end", ["again", "failed", "killed"])
def test_what_is_excluded_stays_where_it_is(how: str, end: str, made: Project) -> None:
    made.run_shell(STAYS[how])
    before = {one: made.read(f"o/site/{one}") for one in ("CNAME", "deep/x.log") if how == "edited by a user"}
    cache = made.read("o/site/cache/own")
    made.write("n", "2\n")
    if end == "failed":
        made.write("fail", "")
        made.run("site", code=1)
    elif end == "killed":
        made.write("plan", PLAN.replace("test ! -e fail", "kill -9 $PPID; sleep 60"))
        made.treadle("run", "site")
        made.write("plan", PLAN)
        made.run("site")
    else:
        assert made.run("site") == ["site"]
    assert {one: made.read(f"o/site/{one}") for one in before} == before
    assert made.read("o/site/cache/own").startswith(cache)
    for folder in ("replaced", "failed"):
        moved = [one for one in (made.folder / ".treadle" / folder).rglob("*") if one.is_file()]
        assert not [one for one in moved if one.name in ("CNAME", "own", "x.log")]


@pytest.mark.parametrize("options", [(), ("--all",), ("site",)])
def test_clean_leaves_what_is_excluded_and_says_so(options: tuple[str, ...], made: Project) -> None:
    made.write("o/site/CNAME", "mine\n")
    assert "would remove o/site/" in made.treadle("clean", "-n", *options).text
    done = made.treadle("clean", *options)
    assert done.code == 0
    assert "o/site/ stays for what its exclude leaves out: CNAME, cache/" in done.err
    left = sorted(str(one.relative_to(made.folder)) for one in (made.folder / "o/site").rglob("*") if one.is_file())
    assert left == ["o/site/CNAME", "o/site/cache/own"]
    assert "site" in made.run("site")


def test_clean_of_an_action_that_is_gone_leaves_what_was_excluded(made: Project) -> None:
    made.write("o/site/CNAME", "mine\n")
    made.write("plan", "treadle: 1\nactions: {other: {run: 'true', out: x}}\n")
    assert "stays for what its exclude leaves out: CNAME" in made.treadle("clean", "--all").err
    assert made.read("o/site/CNAME") == "mine\n"
    assert not (made.folder / "o/site/page").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cache/, ", ""),
        ("CNAME, ", "CNAME, new, "),
        ('{path: o/site/, exclude: [CNAME, cache/, "*.log"]}', "o/site/"),
    ],
)
def test_another_exclude_runs_it_once_and_loses_no_file(old: str, new: str, made: Project) -> None:
    made.write("o/site/CNAME", "mine\n")
    made.write("o/site/cache/more", "mine\n")
    made.run()
    made.write("plan", PLAN.replace(old, new, 1))
    assert "site" in made.run()
    assert made.read("o/site/CNAME") == "mine\n"
    assert made.read("o/site/cache/more") == "mine\n"
    made.run()
    assert "nothing to do" in made.treadle("run").out


def test_what_was_recorded_before_it_was_excluded_stays(made: Project) -> None:
    made.write("plan", PLAN.replace("CNAME, ", "CNAME, deep/, "))
    assert "site" in made.run()
    assert made.read("o/site/deep/page") == "1\n"
    done = made.treadle("clean", "site")
    assert "deep/" in done.err
    assert made.read("o/site/deep/page") == "1\n"


def test_adopt_takes_no_excluded_file(made: Project) -> None:
    made.treadle("forget", "site")
    made.write("o/site/CNAME", "mine\n")
    assert made.treadle("adopt", "site").code == 0
    made.write("o/site/CNAME", "other\n")
    assert made.run("site") == []


def test_list_and_why_name_it(made: Project) -> None:
    assert "without *.log CNAME cache/" in made.treadle("list", "--files", "site").out
    assert "1 folder with exclude (o/site/)" in made.treadle("why", "site").out


ERRORS = {
    "{path: o/site, exclude: x}": "exclude and check are for output folders, and o/site has no / at its end",
    '{path: "o/*/", exclude: x}': "an output with exclude or check is a folder, not a pattern",
    '{path: o/site/, exclude: "!x"}': "invalid pattern in exclude",
    "{path: o/site/, check: presense}": "did you mean presence?",
    "{path: o/site/, exclud: x}": "an output has no key 'exclud'",
    "[{exclude: x}]": "an output has no path",
    "[{glob: x}]": "an output is a path, not a pattern",
    "[{from: x}]": "an output cannot be a map with from",
    "{path: /tmp/x/, exclude: x}": "is absolute",
    "{a: o/site/, b: {path: o/site/, exclude: x}}": "a makes o/site/ twice, with another exclude",
}


@pytest.mark.parametrize("out", ERRORS)
def test_what_cannot_be_meant_is_refused(out: str, project: Project) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {{run: touch o, out: {out}}}\n")
    done = project.treadle("run")
    assert done.code == 2
    assert ERRORS[out] in done.err


MEANINGS = {
    "{path: o/a/, exclude: x}": "o/a",
    "[{path: o/a/, exclude: x}]": "o/a",
    "{path: o/a/}": "o/a",
    "{one: {path: o/a/, exclude: x}, two: o/b/}": "o/a o/b",
}


@pytest.mark.parametrize("out", MEANINGS)
def test_in_a_command_it_is_its_folder(out: str, project: Project) -> None:
    project.write("plan", f'treadle: 1\nactions:\n  a: {{sh: "echo ${{out}} > said", out: {out}}}\n')
    assert project.treadle("run").code == 0
    assert project.read("said") == MEANINGS[out] + "\n"
