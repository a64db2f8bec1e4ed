"""Outputs that are judged by presence: litter in them runs nothing, and a new success runs all that reads them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from watched import READY, Watched

if TYPE_CHECKING:
    from pathlib import Path

    from project import Project

PLAN = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  install:
    sh: |
      echo install >> $LOG
      mkdir -p web/nm/a web/nm/b web/nm/.bin
      cat lock > web/nm/a/p; echo x > web/nm/b/p
      printf '#!/bin/sh\\necho hi\\n' > web/nm/.bin/tool; chmod +x web/nm/.bin/tool
      test ! -e fail
    in: lock
    out: {path: web/nm/, check: presence}
  whole: {sh: "echo whole >> $LOG; ls web/nm > ${out}", in: web/nm/, out: o/whole}
  one: {sh: "echo one >> $LOG; cat ${in} > ${out}", in: web/nm/a/p, out: o/one}
  above: {sh: "echo above >> $LOG; ls web > ${out}", in: web/, out: o/above}
  from: {sh: "echo from >> $LOG; ls web > ${out}", in: {from: install}, out: o/from}
  prog: {run: [sh -c "echo prog >> $LOG", web/nm/.bin/tool], in: lock, out: [], stdout: o/prog}
  found:
    sh: |
      echo found >> $LOG
      echo "o/found: web/nm/b/p" > ${depfile}; echo > ${out}
    in: lock
    out: o/found
    depfile: o/found.d
    needs: [install]
  apart: {sh: "echo apart >> $LOG; cat ${in} > ${out}", in: other, out: o/apart}
"""
PLAN = PLAN.replace('[sh -c "echo prog >> $LOG", web/nm/.bin/tool]', "web/nm/.bin/tool").replace(", out: []", "")
READERS = "above found from one whole"


@pytest.fixture
def made(project: Project) -> Project:
    for name in ("lock", "other", "web/src"):
        project.write(name, "1\n")
    project.write("plan", PLAN)
    project.run()
    assert project.run() == []
    return project


def would(project: Project) -> list[str]:
    """Return what `status` says will or may run, but for prog, which does not count itself."""
    actions = json.loads(project.treadle("status", "--json").out)["actions"]
    return sorted(one["name"] for one in actions if one["decision"] != "skip" and one["name"] != "prog")


CHANGES = {
    "nothing": ("true", ""),
    "litter at the top level": ("mkdir web/nm/.cache; echo 1 > web/nm/.cache/x", ""),
    "litter deep in it": ("echo 1 > web/nm/a/litter", ""),
    "a file in it is edited": ("echo 9 > web/nm/a/p", ""),
    "a file in it is gone that no action names": ("rm web/nm/.bin/tool; touch web/nm/.bin/other", "prog only"),
    "what is in one of its names is gone": ("rm web/nm/b/p; touch web/nm/b/q", "found"),
    "one of its names is gone": ("rm -r web/nm/b", f"install {READERS}"),
    "it is emptied": ("rm -r web/nm/* web/nm/.bin", f"install {READERS}"),
    "it is gone": ("rm -r web/nm", f"install {READERS}"),
    "it is a file": ("rm -r web/nm; echo 1 > web/nm", None),
    "its input is edited": ("echo 2 > lock", f"install {READERS}"),
    "what is beside it is edited": ("echo 2 > web/src", "above"),
    "an action apart": ("echo 2 > other", "apart"),
    "all of its outputs were made anew": ("cp -r web/nm t; rm -r web/nm; mv t web/nm", ""),
}


@pytest.mark.parametrize("change", [one for one in CHANGES if CHANGES[one][1] not in (None, "prog only")])
def test_what_counts_is_that_it_is_there_and_which_success_it_is(change: str, made: Project) -> None:
    script, runs = CHANGES[change]
    made.run_shell(script)
    assert runs is not None
    assert would(made) == sorted(runs.split())
    assert made.run() == sorted(runs.split())
    assert made.run() == []
    assert "nothing to do" in made.treadle("run").out


def test_a_program_in_it_runs_again_with_a_new_success(made: Project) -> None:
    before = made.treadle("log", "prog").out
    assert before == "hi\n" or made.read("o/prog") == "hi\n"
    done = made.treadle("run", "--force=install")
    assert "ran prog" in done.out
    assert made.run() == []
    # a tool writes into it: as it is a program by presence, no run
    made.run_shell("echo '# more' >> web/nm/.bin/tool")
    assert "nothing to do" in made.treadle("run").out


@pytest.mark.parametrize("quick", [True, False])
def test_a_new_success_runs_its_readers_also_with_equal_bytes(quick: bool, made: Project) -> None:
    if not quick:
        made.run_shell("rm -r .treadle/quick")
    assert made.run("--force=install") == sorted(f"install {READERS}".split())
    assert made.run() == []
    # also if it ran in another call
    assert made.run("install", "--force=install") == ["install"]
    assert made.run() == sorted(READERS.split())
    assert made.run() == []


def test_a_failed_and_a_killed_success_are_none(made: Project) -> None:
    made.write("lock", "2\n")
    made.write("fail", "")
    assert made.run(code=1) == ["install"]
    (made.folder / "fail").unlink()
    assert made.run() == sorted(f"install {READERS}".split())
    made.write("plan", PLAN.replace("test ! -e fail", "kill -9 $PPID; sleep 60"))
    made.treadle("run", "install")
    made.write("plan", PLAN)
    assert made.run() == sorted(f"install {READERS}".split())
    assert made.run() == []


def test_forget_adopt_and_a_moved_folder(made: Project) -> None:
    made.treadle("forget", "install")
    assert made.run() == sorted(f"install {READERS}".split())
    made.treadle("forget", "install")
    # what was adopted is another success
    assert made.treadle("adopt", "install").code == 0
    assert made.run() == sorted(READERS.split())
    assert made.treadle("adopt", "*").code == 0
    assert made.run() == []
    made.folder.rename(made.folder.parent / "moved")
    made.folder = made.folder.parent / "moved"
    assert made.run() == []
    made.run_shell("rm -r web/nm/a")
    assert made.run() == sorted(f"install {READERS}".split())


def test_clean_removes_what_it_made_whatever_that_holds_now_and_leaves_the_rest(made: Project) -> None:
    made.run_shell("mkdir web/nm/.cache; echo 1 > web/nm/.cache/x; echo 9 > web/nm/a/p")
    done = made.treadle("clean", "install")
    assert "web/nm/ keeps files that no run of Treadle has made: .cache/" in done.err
    assert [str(one.relative_to(made.folder)) for one in (made.folder / "web/nm").iterdir()] == ["web/nm/.cache"]
    assert made.run() == sorted(f"install {READERS}".split())


def test_what_clean_leaves_of_it_counts_as_made_no_more(made: Project) -> None:
    # each of its names is still there, for what others have put there
    made.run_shell("for n in a b .bin; do mkdir web/nm/$n/__pycache__; touch web/nm/$n/__pycache__/x; done")
    assert made.run() == []
    made.treadle("clean", "-n", "install")
    assert made.run() == []
    made.treadle("clean", "install")
    assert sorted(os.listdir(made.folder / "web/nm")) == [".bin", "a", "b"]
    assert made.run() == sorted(f"install {READERS}".split())
    assert made.run() == []


@pytest.mark.parametrize("link", ["web", "web/nm"])
def test_a_link_that_leads_to_another_folder_since_is_no_success_of_it(link: str, made: Project) -> None:
    made.run_shell(f"mv {link} one; cp -r one two; ln -s $PWD/one {link}")
    made.treadle("run")
    assert made.run() == []
    made.run_shell(f"ln -sfn $PWD/two {link}")
    assert {"install", "one", "whole"} <= set(made.run())
    assert made.run() == []


def test_a_run_moves_aside_what_was_edited_in_it(made: Project) -> None:
    made.write("web/nm/a/p", "mine\n")
    made.write("lock", "2\n")
    made.run()
    assert made.read("web/nm/a/p") == "2\n"
    moved = list((made.folder / ".treadle/replaced").rglob("p"))
    assert [one.read_text() for one in moved] == ["mine\n"]


def test_another_check_runs_it_once(made: Project) -> None:
    made.write("plan", PLAN.replace("{path: web/nm/, check: presence}", "web/nm/"))
    assert set(made.run()) >= {"install", "whole", "one"}
    made.run()
    assert made.run() == []
    made.write("plan", PLAN)
    assert set(made.run()) >= {"install", "whole", "one"}
    made.run()
    assert made.run() == []


def test_with_exclude_a_name_that_is_left_out_is_none_of_it(project: Project) -> None:
    project.write("lock", "1\n")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        '  a: {sh: "echo a >> $LOG; mkdir -p nm/x nm/.cache", in: lock,\n'
        "      out: {path: nm/, check: presence, exclude: .cache/}}\n",
    )
    assert project.run() == ["a"]
    project.run_shell("rmdir nm/.cache")
    assert project.run() == []
    project.run_shell("rmdir nm/x")
    assert project.run() == ["a"]


def test_an_installer_that_writes_into_names_that_were_there_is_judged_by_all_names(project: Project) -> None:
    project.write("lock", "1\n")
    project.write("nm/x/p", "mine\n")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        '  a: {sh: "echo a >> $LOG; echo 1 > nm/x/p", in: lock, out: {path: nm/, check: presence}, keep: true}\n',
    )
    assert project.run() == ["a"]
    assert project.run() == []
    project.run_shell("rm -r nm/x; touch nm/y")
    project.treadle("run")
    assert project.starts() == ["a", "a"]


def test_an_empty_folder_is_no_success(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {run: 'true', out: {path: nm/, check: presence}}\n")
    assert "it ended well but did not write its output nm/" in project.treadle("run").text


def test_why_and_list_say_by_presence(made: Project) -> None:
    assert "1 output (web/nm/ by presence)" in made.treadle("why", "install").out
    assert "1 input (web/nm/a/p by presence)" in made.treadle("why", "one").out
    listed = made.treadle("list", "--files").out
    # the fifth starts a program in it
    assert "web/nm/  read by whole, one, above, from (+1), by presence" in listed
    assert "web/nm/a/p  made by install, by presence" in listed
    made.run_shell("rm -r web/nm/a")
    assert "output web/nm/ is missing" in made.treadle("why", "install").out


def test_a_reader_that_names_a_file_that_is_not_there_says_so(made: Project) -> None:
    made.write("plan", PLAN.replace("in: web/nm/a/p", "in: web/nm/a/none"))
    assert "the input web/nm/a/none is missing" in made.treadle("run").text


OTHERS = {
    "by presence": "{path: nm/, check: presence}",
    "by content": "nm/",
    "a file in it": "nm/x/f",
    "a folder in it": "nm/x/",
}


@pytest.mark.parametrize("end", ["success", "failed", "killed"])
@pytest.mark.parametrize("other", OTHERS)
def test_what_another_action_has_made_there_since_is_no_success_of_it(
    other: str, end: str, project: Project
) -> None:
    project.write("lock", "1\n")
    plan = """
treadle: 1
params: {mode: {choices: [a, b], default: a}}
defaults: {pass: [LOG]}
actions:
  install:
    sh: |
      echo install-${mode} >> $LOG; mkdir -p nm/x; echo ${mode} > nm/x/f; echo > o.${mode}
      END
    in: lock
    out: [OUT, "o.${mode}"]
  read: {sh: "echo read >> $LOG; cat nm/x/f > ${out}", in: nm/, out: "read.${mode}"}
"""
    good = plan.replace("END", "true").replace("OUT", OTHERS["by presence"])
    project.write("plan", good)
    assert project.run() == ["install-a", "read"]
    assert project.run() == []
    script = {"success": "true", "failed": "exit 3", "killed": "kill -9 $PPID; sleep 60"}[end]
    project.write("plan", plan.replace("END", script).replace("OUT", OTHERS[other]))
    project.treadle("run", "-p", "mode=b")
    project.write("plan", good)
    assert project.run() == ["install-a", "read"]
    assert project.read("read.a") == "a\n"
    assert project.run() == []


def test_a_watcher_does_not_wake_for_litter_nor_for_its_own_runs(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1\n")
    (tmp_path / "fence").write_text("1\n")
    (tmp_path / "treadle.yaml").write_text(
        """
treadle: 1
actions:
  install: {sh: "mkdir -p nm/x; cat lock > nm/x/f; ! grep bad lock", in: lock, out: {path: nm/, check: presence}}
  read: {sh: "ls -R ${in} > ${out}", in: nm/, out: o/read}
  one: {sh: "cat ${in} > ${out}", in: nm/x/f, out: o/one}
  fence: {sh: "cat ${in} > ${out}", in: fence, out: o/fence}
"""
    )
    watched = Watched(tmp_path)
    watched.until(READY)
    for number in range(2, 4):
        (tmp_path / "nm/.cache").mkdir(exist_ok=True)
        (tmp_path / f"nm/.cache/{number}").write_text("1\n")
        (tmp_path / "nm/x/f").write_text(f"{number}\n")
        (tmp_path / "fence").write_text(f"{number}\n")
        assert watched.round() == ["changed: fence", "ran fence", "1 run, 3 up to date in"]
    (tmp_path / "lock").write_text("2\n")
    assert watched.round()[:2] == ["changed: lock", "ran install"]
    # a failure leaves another mark in the state, and is no reason for a round
    (tmp_path / "lock").write_text("bad\n")
    assert watched.round()[0] == "changed: lock"
    (tmp_path / "fence").write_text("9\n")
    assert watched.round()[0] == "changed: fence"
    (tmp_path / "lock").write_text("3\n")
    assert watched.round()[:2] == ["changed: lock", "ran install"]
    assert watched.end() == 130
