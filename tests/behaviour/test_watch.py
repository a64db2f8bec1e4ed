"""`treadle run --watch`. A fence, an input that is written last, tells that all that came before has been heard."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE, Fifo, alive, plan, run_treadle
from waiting import until
from watched import READY, TOTALS, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAN = """
actions:
  a: {sh: "cat ${in} > ${out}; ! grep bad ${in}", in: x, out: o/a}
  b: {sh: "cat ${in} > ${out}", in: o/a, out: o/b}
  all: {sh: "cat ${in} > ${out}", in: "src/*.c", out: o/all}
  fence: {sh: "cat ${in} > ${out}", in: fence, out: o/fence}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plan(tmp_path, PLAN)
    for name in ("x", "fence", "src/one.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1\n")
    return tmp_path


@pytest.fixture
def watched(folder: Path) -> Iterator[Watched]:
    run = Watched(folder)
    run.until(READY)
    yield run
    if run.child.poll() is None:
        assert run.end() == 130


def fence(folder: Path, watched: Watched) -> list[str]:
    """Return what is said up to the round of the fence."""
    path = folder / "fence"
    path.write_text(path.read_text() + "1\n")
    lines = watched.round()
    while not any(line == "ran fence" for line in lines):
        lines += watched.round()
    return lines


def test_a_save_runs_what_reads_it_and_says_what_changed(folder: Path, watched: Watched) -> None:
    (folder / "x").write_text("2\n")
    assert watched.round() == ["changed: x", "ran a", "ran b", "2 run, 2 up to date in"]
    assert (folder / "o/b").read_text() == "2\n"
    assert run_treadle(folder, "status").code == 0


def test_outputs_and_files_that_nobody_reads_do_not_trigger(folder: Path, watched: Watched) -> None:
    (folder / "o/a").write_text("mine\n")
    (folder / "other").write_text("mine\n")
    said = fence(folder, watched)
    # the output is looked after in the next round
    assert said[0] == "changed: fence"
    assert sorted(line for line in said[1:-1] if line.startswith("ran")) == ["ran a", "ran fence"]
    assert "treadle: moved files that Treadle did not create to .treadle/replaced/: o/a" in said
    assert (folder / "o/a").read_text() == "1\n"


def test_what_editors_keep_beside_a_file_starts_no_round(tmp_path: Path) -> None:
    plan(
        tmp_path,
        """
actions:
  tree: {sh: "ls ${in} > ${out}", in: src/, out: o/tree}
  fence: {sh: "cat ${in} > ${out}", in: fence, out: o/fence}
""",
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.c").write_text("1\n")
    (tmp_path / "fence").write_text("1\n")
    watched = Watched(tmp_path)
    watched.until(READY)
    (tmp_path / "src/.a.c.swp").write_text("1\n")
    (tmp_path / "src/.#a.c").symlink_to("me@here:1")
    (tmp_path / "src/#a.c#").write_text("1\n")
    (tmp_path / "fence").write_text("2\n")
    assert watched.round() == ["changed: fence", "ran fence", "1 run, 1 up to date in"]
    (tmp_path / "src/.a.c.swp").unlink()
    (tmp_path / "src/a.c").write_text("2\n")
    assert watched.round()[:2] == ["changed: src/a.c", "ran tree"]
    assert watched.end() == 130


def test_a_save_of_the_same_content_is_no_news(folder: Path, watched: Watched) -> None:
    (folder / "x").write_text("1\n")
    said = fence(folder, watched)
    assert said[-2:] == ["ran fence", "1 run, 3 up to date in"]
    assert sum(line.startswith("ran") for line in said) == 1


def test_a_new_and_a_removed_file_of_a_glob_are_named(folder: Path, watched: Watched) -> None:
    # in one change, as a write is two: an empty file, and what is in it
    (folder / "beside").write_text("2\n")
    (folder / "beside").replace(folder / "src/two.c")
    assert watched.round()[:2] == ["changed: src/two.c", "ran all"]
    (folder / "src/one.c").unlink()
    assert watched.round()[:2] == ["changed: src/one.c", "ran all"]
    assert (folder / "o/all").read_text() == "2\n"


def test_a_file_that_an_editor_puts_in_the_place_of_another_is_a_change(folder: Path, watched: Watched) -> None:
    (folder / "x.new").write_text("2\n")
    (folder / "x.new").replace(folder / "x")
    assert watched.round()[:2] == ["changed: x", "ran a"]


def test_a_failure_is_tried_again_when_what_it_reads_changes_and_not_before(folder: Path, watched: Watched) -> None:
    (folder / "x").write_text("bad\n")
    assert watched.until("1 failed")[0] == "changed: x"
    (folder / "other").write_text("mine\n")
    (folder / "x").write_text("good\n")
    assert watched.round()[:3] == ["changed: x", "ran a", "ran b"]


@pytest.mark.parametrize("action", ['sh: "cat ${in} > ${out}; exit 1"', 'sh: "cat ${in} > ${out}", always: true'])
def test_what_runs_each_time_does_not_call_for_a_round_by_what_it_makes(tmp_path: Path, action: str) -> None:
    """A glob looks into the folder where it stands, which so moves each time."""
    plan(tmp_path, f"actions:\n  a: {{{action}, in: '*.txt', out: made}}\n")
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("1\n")
    watched = Watched(tmp_path)
    watched.until(READY)
    for name in ("one.txt", "two.txt", "three.txt"):
        (tmp_path / name).write_text("2\n")
        assert watched.until(TOTALS)[0] == f"changed: {name}"
    assert watched.end() == 130
    assert len([line for line in watched.said if re.match(TOTALS, line)]) == 4


def test_an_edit_of_the_plan_counts_and_an_error_in_it_is_told_once_until_it_is_mended(
    folder: Path, watched: Watched
) -> None:
    path = folder / "treadle.yaml"
    path.write_text(path.read_text().replace("in: x,", "inn: x,"))
    assert watched.until("inn")[0].startswith("changed: treadle.yaml")
    (folder / "other").write_text("mine\n")
    (folder / "x").write_text("2\n")
    path.write_text("treadle: 1\n" + PLAN.replace("> ${out}; !", "> ${out}; echo more >> ${out}; !"))
    assert [line for line in watched.round() if line.startswith("ran")] == ["ran a", "ran b"]
    assert (folder / "o/b").read_text() == "2\nmore\n"
    assert sum("unknown key" in line or "`inn`" in line for line in watched.said) <= 2


def test_a_plan_that_is_wrong_from_the_start_is_watched_too(folder: Path) -> None:
    plan(folder, PLAN.replace("in: x,", "inn: x,"))
    run = Watched(folder)
    run.until(READY)
    plan(folder, PLAN)
    assert run.round()[-1] == "4 run in"
    assert run.end() == 130


def test_an_included_plan_and_a_file_of_vars_count(tmp_path: Path) -> None:
    plan(tmp_path, "vars: {v: {file: v.json}}\ninclude: [sub/p.yaml]\n")
    sub = "actions:\n  a: {sh: 'echo 1 > ${out}', out: o}\n"
    plan(tmp_path / "sub", sub, "p.yaml")
    (tmp_path / "v.json").write_text('{"k": 1}')
    plan(
        tmp_path,
        "vars: {v: {file: v.json}}\ninclude: [sub/p.yaml]\nactions:\n  m: {sh: 'echo ${v.k} > ${out}', out: o}\n",
    )
    run = Watched(tmp_path)
    run.until(READY)
    (tmp_path / "v.json").write_text('{"k": 2}')
    assert run.round()[:2] == ["changed: v.json", "ran m"]
    plan(tmp_path / "sub", sub.replace("echo 1", "echo 2"), "p.yaml")
    assert run.round()[:2] == ["changed: sub/p.yaml", "ran p:a"]
    assert run.end() == 130


def test_it_ends_when_its_folder_has_gone(folder: Path, watched: Watched) -> None:
    shutil.rmtree(folder)
    watched.until("the watched folder was removed")
    watched.child.communicate(timeout=DEADLINE)
    assert watched.child.returncode == 2


def test_quietly_only_what_fails_is_shown(folder: Path) -> None:
    run = Watched(folder, "-q", "a", "b")
    until((folder / "o/b").exists, "the first round")
    (folder / "x").write_text("2\n")
    until(lambda: (folder / "o/b").exists() and (folder / "o/b").read_text() == "2\n", "the second one")
    (folder / "x").write_text("bad\n")
    assert run.until("exit code 1")[0] == "changed: x"
    assert run.end() == 130


def test_what_a_run_makes_is_not_among_the_names_of_what_changed(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'cat ${in} > ${out}', in: '*.txt', out: o/deep/a}\n")
    (tmp_path / "1.txt").touch()
    run = Watched(tmp_path)
    run.until(READY)
    (tmp_path / "2.txt").write_text("2\n")
    assert run.round()[:2] == ["changed: 2.txt", "ran a"]
    assert run.end() == 130


FOUND = r"""
actions:
  a: {sh: 'cat ${in} $(cat ${in}) > ${out}; echo "${out}: $(tr "\n" " " < ${in})" > ${depfile}', in: a, out: o/a, depfile: o/a.d}
  b: {sh: 'cat ${in} $(cat ${in}) > ${out}; echo "${out}: $(tr "\n" " " < ${in})" > ${depfile}', in: b, out: o/b, depfile: o/b.d}
"""


def found_folder(folder: Path) -> None:
    """Two actions whose input names what they read beside it: each a header in a folder of its own."""
    plan(folder, FOUND)
    for name, text in {"a": "h/a\n", "b": "i/b\n", "h/a": "1\n", "i/b": "1\n"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_what_a_failed_action_was_found_to_read_counts(tmp_path: Path) -> None:
    found_folder(tmp_path)
    run = Watched(tmp_path)
    run.until(READY)
    (tmp_path / "b").write_text("i/b\ni/c\n")
    run.until("1 failed")
    # what it misses comes, and is nothing that anybody knew of; what it was found to read before is
    (tmp_path / "i/c").write_text("1\n")
    (tmp_path / "i/b").write_text("2\n")
    assert run.round()[:2] == ["changed: i/b", "ran b"]
    assert run.end() == 130


def test_what_was_found_to_be_read_counts_after_a_failure_is_mended(tmp_path: Path) -> None:
    found_folder(tmp_path)
    run = Watched(tmp_path)
    run.until(READY)
    (tmp_path / "b").write_text("none\n")
    run.until("1 failed")
    (tmp_path / "b").write_text("i/b\n")
    assert run.round()[:2] == ["changed: b", "ran b"]
    for name in ("i/b", "h/a"):
        (tmp_path / name).write_text("3\n")
        assert run.round()[:2] == [f"changed: {name}", f"ran {name[-1]}"]
    assert run.end() == 130


MAKER = """
actions:
  gen: {sh: "sh gen.sh > ${out}", in: [gen.sh, list], out: made.yaml, expand: made.yaml}
  fails: {run: "false", in: x, out: never}
"""
GENERATOR = r"""
printf 'treadle: 1\nactions:\n'
for n in $(cat list); do echo "  m$n: {sh: 'echo $n > \${out}', out: o/$n}"; done
"""


def test_a_plan_that_an_action_makes_is_walked_in_the_same_round(tmp_path: Path) -> None:
    plan(tmp_path, MAKER)
    (tmp_path / "gen.sh").write_text(GENERATOR)
    (tmp_path / "list").write_text("1\n")
    (tmp_path / "x").touch()
    run = Watched(tmp_path, "-k")
    run.until(READY)
    (tmp_path / "list").write_text("1 2\n")
    said = run.round()
    assert said[0] == "changed: list"
    assert "ran gen" in said
    assert "ran gen:m2" in said
    (tmp_path / "x").write_text("new\n")
    # what failed has not been tried again in between
    assert run.line() == "changed: x"
    assert run.end() == 130


LATE = """
import time
from treadle.session.watch import inputs as surroundings

class Late:
    def __init__(self, *args):
        self.ears, self.kept = made(*args), []

    def watch(self, debounce, step, timeout, stop):
        end = time.monotonic() + timeout / 1000 if timeout else float("inf")
        while time.monotonic() < end:
            heard = self.ears.watch(1, 1, 5, None)
            if not isinstance(heard, str):
                self.kept.append((time.monotonic() + 0.2, heard))
            if self.kept and self.kept[0][0] < time.monotonic():
                return self.kept.pop(0)[1]
        return "timeout"

    def close(self):
        self.ears.close()

made = surroundings._notify
surroundings._notify = Late
"""


DEAF = """
from treadle.session.watch import inputs as surroundings

class Deaf:
    def __init__(self, *args):
        self.ears = made(*args)

    def watch(self, *args):
        heard = self.ears.watch(*args)
        return heard if isinstance(heard, str) else {one for one in heard if not one[1].endswith(("/fence", ".c"))}

    def close(self):
        self.ears.close()

made = surroundings._notify
surroundings._notify = Deaf
"""


def test_no_save_is_missed_where_its_event_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = with_other_ears(tmp_path, monkeypatch, DEAF)
    plan(
        folder,
        """
actions:
  a: {sh: "cat ${in} > ${out}; ! grep bad ${in}", in: x, out: o/a}
  fence: {sh: "cat ${in} > ${out}", in: [fence, o/a], out: o/fence}
""",
    )
    (folder / "x").write_text("1\n")
    (folder / "fence").write_text("1\n")
    run = Watched(folder)
    run.until(READY)
    (folder / "x").write_text("bad\n")
    run.until("1 failed")
    (folder / "fence").write_text("new\n")
    (folder / "other").touch()
    # nobody came to it, so no snapshot tells how it was
    assert "changed: fence" in run.until("1 failed")
    assert run.end() == 130


def test_a_new_and_a_removed_file_of_a_glob_are_named_where_their_events_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_other_ears(tmp_path, monkeypatch, DEAF)
    plan(
        folder,
        """
actions:
  all: {sh: "cat ${in} > ${out}", in: "src/*.c", out: o/all}
""",
    )
    (folder / "src").mkdir()
    (folder / "src/one.c").write_text("1\n")
    run = Watched(folder)
    run.until(READY)
    (folder / "beside").write_text("2\n")
    (folder / "beside").replace(folder / "src/two.c")
    (folder / "other").touch()
    assert run.round()[:2] == ["changed: src/two.c", "ran all"]
    (folder / "src/one.c").unlink()
    (folder / "other").touch()
    assert run.round()[:2] == ["changed: src/one.c", "ran all"]
    assert run.end() == 130


def with_other_ears(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> Path:
    """Let `--watch` hear as `code` does, and return a folder for a plan."""
    site, project = folder / "site", folder / "folder"
    site.mkdir()
    project.mkdir()
    (site / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{site}:{os.environ.get('PYTHONPATH', '')}")
    return project


def test_no_save_is_missed_where_its_event_comes_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = with_other_ears(tmp_path, monkeypatch, LATE)
    plan(folder, MAKER)
    (folder / "gen.sh").write_text(GENERATOR)
    (folder / "list").write_text("1\n")
    (folder / "x").touch()
    run = Watched(folder, "-k")
    run.until(READY)
    plan(folder, "actions: {gen: {runn: x}}")
    run.until("did you mean run")
    (folder / "list").write_text("2\n")
    plan(folder, MAKER)
    assert "ran gen:m2" in run.round()
    # what is listened to changes here, from all near the plan to what it reads
    (folder / "list").write_text("2 more\n")
    assert "changed: list" in run.round()
    assert run.end() == 130


def test_what_was_found_to_be_read_counts_after_a_plan_was_made(tmp_path: Path) -> None:
    generator = GENERATOR.replace("> \\${out}'", "> \\${out}; echo \\${out}: h > \\${depfile}', depfile: o/$n.d")
    plan(tmp_path, MAKER.partition("  fails:")[0])
    (tmp_path / "gen.sh").write_text(generator)
    (tmp_path / "list").write_text("1\n")
    (tmp_path / "h").touch()
    run = Watched(tmp_path)
    run.until(READY)
    (tmp_path / "list").write_text("2\n")
    assert "ran gen:m2" in run.round()
    (tmp_path / "h").write_text("new\n")
    assert run.round()[:2] == ["changed: h", "ran gen:m2"]
    assert run.end() == 130


def test_an_error_in_a_plan_that_is_made_is_watched_too(tmp_path: Path) -> None:
    plan(tmp_path, MAKER.replace('run: "false"', 'run: "true"').replace("out: never", "always: true"))
    (tmp_path / "gen.sh").write_text("echo treadle: 2")
    (tmp_path / "list").write_text("1\n")
    (tmp_path / "x").touch()
    run = Watched(tmp_path)
    run.until(READY)
    (tmp_path / "gen.sh").write_text(GENERATOR)
    assert "ran gen:m1" in run.round()
    assert run.end() == 130


FRAIL = """
actions:
  made: {sh: "! grep -q bad ${in} && cp ${in} ${out}", in: made.src, out: o/made.yaml, expand: o/made.yaml}
  lone: {sh: "cat ${in} > ${out}", in: lone.src, out: o/lone}
  reader: {sh: "cat ${in} > ${out}", in: {from: "made:x"}, out: o/reader}
"""
MADE = "treadle: 1\nactions: {x: {run: touch o/x, out: o/x}}\n"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    plan(tmp_path, FRAIL)
    (tmp_path / "made.src").write_text(f"# bad\n{MADE}")
    (tmp_path / "lone.src").write_text("1\n")
    return tmp_path


def test_a_maker_of_a_plan_that_fails_blocks_what_depends_on_it_until_it_is_mended(made: Path) -> None:
    watched = Watched(made, "-k")
    first = watched.until(READY)
    assert any("ran lone" in line for line in first)
    assert "blocked by made: reader" in first
    (made / "lone.src").write_text("2\n")
    second = watched.round()
    assert second[0] == "changed: lone.src"
    assert "ran lone" in second
    assert "blocked by made: reader" in second
    assert second[-1].startswith("1 run, 1 failed, 1 blocked")
    (made / "made.src").write_text(MADE)
    third = watched.round()
    assert third[0] == "changed: made.src"
    assert {"ran made", "ran made:x", "ran reader"} <= {*third}
    assert not [line for line in third if "blocked" in line or "failed" in line]
    (made / "made.src").write_text(f"# bad\n{MADE}")
    fourth = watched.round()
    assert fourth[0] == "changed: made.src"
    assert "blocked by made: reader" in fourth
    (made / "made.src").write_text(MADE)
    assert watched.round()[-1].startswith(("1 run", "2 run"))
    assert watched.end() == 130
    assert run_treadle(made, "status").code == 0


def test_without_k_a_maker_that_fails_ends_the_round_and_the_next_one_goes_on(made: Path) -> None:
    watched = Watched(made)
    first = watched.until(READY)
    assert not any("ran lone" in line for line in first)
    (made / "made.src").write_text(MADE)
    second = watched.round()
    assert second[0] == "changed: made.src"
    assert {"ran made", "ran made:x", "ran reader", "ran lone"} <= {*second}
    (made / "lone.src").write_text("2\n")
    assert "ran lone" in watched.round()
    assert watched.end() == 130


UNRULY = """
actions:
  made: {run: "cp ${in} ${out}", in: made.src, out: o/made.yaml, expand: o/made.yaml}
  lone: {sh: "cat ${in} > ${out}", in: lone.src, out: o/lone}
  tick: {sh: "date +%N > ${out}", out: o/tick, always: true}
  reader: {sh: "cat ${in} > ${out}", in: {from: "made:x"}, out: o/reader}
"""


@pytest.mark.parametrize("args", [("-k",), ("-k", "reader", "lone", "tick"), ("lone", "tick")])
@pytest.mark.parametrize(
    ("made", "name"),
    [
        ('actions: {x: {sh: "cat ${in} > ${out}", in: d/x, out: o/x}}', "d/x"),
        ('actions: {x: {sh: "cat ${in} > ${out}", in: "d/*.t", out: o/x}}', "d/1.t"),
        ('vars: {v: {file: d/v}}\nactions: {x: {sh: "echo ${v} > ${out}", out: o/x}}', "d/v"),
        ('include: [../d/more.yaml]\nactions: {x: {sh: "echo > ${out}", out: o/x}}', "d/more.yaml"),
        ('actions: {x: {sh: "echo > ${out}", out: o/x, dotenv: d/env}}', "d/env"),
    ],
    ids=["an input", "a glob", "a file of values", "an include", "a dotenv"],
)
def test_a_watch_goes_on_once_what_a_generated_plan_misses_is_there(
    tmp_path: Path, made: str, name: str, args: tuple[str, ...]
) -> None:
    plan(tmp_path, UNRULY)
    (tmp_path / "made.src").write_text(f"treadle: 1\n{made}\n")
    (tmp_path / "lone.src").write_text("1\n")
    (tmp_path / "d").mkdir()
    text = "treadle: 1\nactions: {y: {run: touch y, out: y}}\n" if name.endswith(".yaml") else "A=1\n"
    (tmp_path / name).write_text(text)
    assert run_treadle(tmp_path, "run").code == 0
    (tmp_path / name).unlink()
    watched = Watched(tmp_path, *args)
    watched.until(READY)
    # what the known actions read, which the round may run that makes sure of all near the plan
    (tmp_path / "lone.src").write_text("2\n")
    watched.until("ran lone")
    watched.until(TOTALS)
    (tmp_path / name).write_text(text.replace("A=1", "A=2"))
    # the round before may have run for a change of the plan, and what was edited meanwhile is named then
    watched.until(f"^changed: {name}(, lone.src)?$")
    watched.until(TOTALS)
    (tmp_path / "lone.src").write_text("3\n")
    watched.until("^changed: lone.src$")
    assert watched.end() == 130
    assert not [line for line in watched.said if "changed: o" in line]


def test_what_changes_while_a_round_runs_leads_to_one_more(tmp_path: Path) -> None:
    up, go = Fifo(tmp_path / "up"), Fifo(tmp_path / "go")
    folder = tmp_path / "project"
    folder.mkdir()
    plan(
        folder,
        f'actions:\n  a: {{sh: "cat ${{in}} > ${{out}}; echo up > {up}; read -r l < {go}", in: x, out: o}}\n',
    )
    (folder / "x").write_text("1\n")
    run = Watched(folder)
    up.wait()
    (folder / "x").write_text("2\n")
    go.open()
    up.wait()
    go.open()
    until(lambda: (folder / "o").exists() and (folder / "o").read_text() == "2\n", "the second round")
    run.until("changed: x")
    assert run.round()[0] == "ran a"
    assert run.end() == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_what_runs(tmp_path: Path, number: int, code: int) -> None:
    up = Fifo(tmp_path / "up")
    folder = tmp_path / "project"
    folder.mkdir()
    plan(folder, f'actions:\n  a: {{sh: "echo up > {up}; sleep 1000", in: x, out: o}}\n')
    (folder / "x").touch()
    run = Watched(folder)
    up.wait()
    assert run.end(number) == code
    until(lambda: not alive(folder), "all that it started is gone")


def test_a_name_that_is_not_there_ends_it_at_once(folder: Path) -> None:
    assert "nosuch" in run_treadle(folder, "run", "--watch", "nosuch", check=2).err


@pytest.mark.parametrize(
    ("more", "said"),
    [("-n", "-n and --watch cannot be combined"), ("--events=e", "--events cannot be combined with --watch")],
)
def test_what_does_not_go_with_it_is_refused(folder: Path, more: str, said: str) -> None:
    assert said in run_treadle(folder, "run", "--watch", more, check=2).err


def test_a_watch_without_its_library_says_how_to_get_it(folder: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "watchfiles.py").write_text("raise ImportError('hidden')\n")
    path = os.pathsep.join(filter(None, (str(hidden), os.environ.get("PYTHONPATH", ""))))
    said = run_treadle(folder, "run", "--watch", env={"PYTHONPATH": path}, check=2).err
    assert "the library watchfiles, which cannot be loaded: hidden" in said
    assert "pip install watchfiles" in said


def test_the_plan_may_be_watched_from_elsewhere(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run = Watched(elsewhere, "-f", "../treadle.yaml", "-q", "b")
    until((folder / "o/b").exists, "the first round")
    (folder / "x").write_text("2\n")
    until(lambda: (folder / "o/b").exists() and (folder / "o/b").read_text() == "2\n", "the second one")
    (folder / "x").write_text("3\n")
    until(lambda: (folder / "o/b").exists() and (folder / "o/b").read_text() == "3\n", "the third one")
    assert run.end() == 130


def test_the_example_of_the_page_is_what_is_said(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/command.md").read_text("utf-8")
    example = re.search(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    told = re.search(r"^\$ treadle run --watch\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert example is not None
    assert told is not None
    (tmp_path / "treadle.yaml").write_text(example.group(1))
    (tmp_path / "text.txt").write_text("how are you?\n")
    run_treadle(tmp_path, "run", check=0)
    run = Watched(tmp_path)
    run.until(READY)
    (tmp_path / "text.txt").write_text("and you?\n")
    run.round()
    assert settled(run.said) == settled(told.group(1).splitlines())
    assert run.end() == 130


def settled(lines: list[str]) -> list[str]:
    """Return lines without times and numbers, in an order that does not depend on who ended first."""
    return sorted(re.sub(r"\[\d/|\d+\.\ds|, \d\S+ saved by skipping", "", line) for line in lines)
