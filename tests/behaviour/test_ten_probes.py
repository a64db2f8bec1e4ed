"""Ten probes that none of the rivals passes, with the real command on real files."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from project import Done, Project, alive, wait_until

CHAIN = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  upper:
    sh: echo upper >> $LOG; tr a-z A-Z < ${in} > ${out}
    in: words.txt
    out: out/upper.txt
  head:
    sh: echo head >> $LOG; head -n 1 ${in} > ${out}
    in: out/upper.txt
    out: out/head.txt
  show:
    sh: echo show >> $LOG; cat ${in} > ${out}
    in: out/head.txt
    out: out/show.txt
"""


@pytest.fixture
def chain(project: Project) -> Project:
    project.write("plan", CHAIN)
    project.write("words.txt", "one\ntwo\n")
    assert project.run() == ["head", "show", "upper"]
    assert project.read("out/show.txt") == "ONE\n"
    assert project.run() == []
    return project


def test_1_a_tracked_variable_that_changes_runs_its_action_and_why_shows_both_values(project: Project) -> None:
    project.write(
        "plan",
        """
treadle: 1
actions:
  a:
    sh: echo a >> $LOG; printenv FLAVOUR > ${out} || true
    out: out.txt
    track: [FLAVOUR]
    pass: [LOG, OTHER]
""",
    )
    assert project.run(FLAVOUR="vanilla", OTHER="1") == ["a"]
    assert project.run(FLAVOUR="vanilla", OTHER="2") == []
    why = project.treadle("why", "a", FLAVOUR="mint")
    assert "vanilla" in why.out
    assert "mint" in why.out
    assert project.run(FLAVOUR="mint") == ["a"]
    assert project.read("out.txt") == "mint\n"
    assert project.run(FLAVOUR="mint") == []
    assert project.run() == ["a"]


def test_2_an_edited_command_runs_and_an_edited_comment_does_not(chain: Project) -> None:
    chain.write(
        "plan", "# a comment\n" + CHAIN.replace("upper:\n    sh", "upper:  # another\n    help: capitals\n    sh")
    )
    assert chain.run() == []
    chain.write("plan", CHAIN.replace("head -n 1", "head -n 2"))
    assert chain.run() == ["head", "show"]
    assert chain.read("out/show.txt") == "ONE\nTWO\n"


HALVES = """
treadle: 1
defaults: {pass: [LOG]}
params:
  numbers: {type: list, default: [NUMBERS]}
actions:
  make:
    foreach: {n: "${numbers}"}
    sh: |
      echo ${n} >> $LOG
      printf 'half of %s, ' ${n} > ${out}
      sleep 0.01
      printf 'other half of %s\\n' ${n} >> ${out}
    out: out/${n}.txt
"""


@pytest.mark.parametrize("trial", range(50))
def test_3_killed_at_a_random_moment_the_next_run_is_right(project: Project, trial: int) -> None:
    numbers = [str(n) for n in range(30)]
    project.write("plan", HALVES.replace("NUMBERS", ", ".join(numbers)))
    rest = random.Random(trial).random()
    first = project.start("run", "-j2")
    wait_until(lambda: len(project.starts()) > rest * 29)
    first.send_signal(signal.SIGKILL)
    with first:
        pass
    run = state_of_run(project)
    started = len(project.starts())
    done = project.treadle("run", "-j2")
    assert done.code == 0, done.text
    assert alive(run) == []
    for n in numbers:
        assert project.read(f"out/{n}.txt") == f"half of {n}, other half of {n}\n"
    assert started > 0
    assert len(project.starts()) <= 45
    assert set(project.starts()) == set(numbers)
    assert project.run("-j2") == []


def state_of_run(project: Project) -> str:
    """Return what the marks of the run that was killed begin with."""
    return (project.folder / ".treadle" / "lock").read_text().split("\n")[0] + "/"


def test_4_an_input_that_is_edited_while_its_action_runs_is_not_recorded(project: Project) -> None:
    project.write(
        "plan",
        """
treadle: 1
actions:
  slow:
    sh: echo slow >> $LOG; cat ${in} > ${out}; echo read > signal; cat gate
    in: data.txt
    out: out.txt
    pass: [LOG]
""",
    )
    project.write("data.txt", "old\n")
    os.mkfifo(project.folder / "gate")
    child = project.start("run")
    wait_until((project.folder / "signal").exists)
    project.write("data.txt", "new\n")
    (project.folder / "gate").write_text("")
    out, err = child.communicate()
    assert child.returncode == 0, out + err
    assert "data.txt" in out + err
    assert project.read("out.txt") == "old\n"
    (project.folder / "gate").unlink()
    project.write("gate", "")
    assert project.run() == ["slow"]
    assert project.read("out.txt") == "new\n"
    assert project.run() == []


@pytest.mark.parametrize("before", [None, "of an earlier run\n"])
def test_5_a_declared_output_that_is_not_written_is_a_failure_that_names_it(
    project: Project, before: str | None
) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a:\n    run: 'true'\n    out: [out/one.txt, out/two.txt]\n")
    if before is not None:
        project.write("out/one.txt", before)
        project.write("out/two.txt", before)
    done = project.treadle("run")
    assert done.code == 1
    assert "out/one.txt" in done.text
    assert "did not write" in done.text
    assert project.treadle("status").code == 1


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("treadle: 1\nactions:\n  a:\n    run: 'true'\n    in: 'src/*.c'\n", "5:9", "src/*.c"),
        ("treadle: 1\nactions:\n  a:\n    run: 'true'\n    inn: x\n", "5:5", "inn"),
        ("treadle: 1\nactions:\n  a:\n    run: echo ${wher}\n", "4:", "wher"),
        ("treadle: 1\nactions:\n  a:\n    run: 'true'\n    run: 'false'\n", "5:5", "run"),
    ],
    ids=["a glob that matches nothing", "a misspelt key", "an undefined variable", "a duplicate key"],
)
def test_6_mistakes_are_errors_with_file_line_and_column(
    project: Project, text: str, place: str, words: str
) -> None:
    project.write("plan", text)
    done = project.treadle("run")
    assert done.code == 2
    assert f"treadle.yaml:{place}" in done.err
    assert words in done.err
    assert project.treadle("check").code == 2


def test_7_a_touch_or_the_same_bytes_run_nothing_and_an_equal_output_ends_the_change(chain: Project) -> None:
    os.utime(chain.folder / "words.txt", (1, 1))
    assert chain.run() == []
    (chain.folder / "words.txt").unlink()
    chain.write("words.txt", "one\ntwo\n")
    assert chain.run() == []
    chain.write("words.txt", "one\nthree\n")
    assert chain.run() == ["head", "upper"]
    assert chain.run() == []


def test_8_the_same_size_and_an_mtime_set_back_do_not_hide_an_edit(chain: Project) -> None:
    path = chain.folder / "words.txt"
    status = path.stat()
    chain.write("words.txt", "uno\ndos\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert chain.run() == ["head", "show", "upper"]
    assert chain.read("out/show.txt") == "UNO\n"


def test_8_an_edit_within_the_tick_of_the_run_that_read_the_file_is_noticed(project: Project) -> None:
    project.write("plan", CHAIN)
    for attempt in range(5):
        project.write("words.txt", f"one{attempt}\n")
        project.run()
        project.write("words.txt", f"two{attempt}\n")
        assert project.run() == ["head", "show", "upper"]
        assert project.read("out/show.txt") == f"TWO{attempt}\n"


def test_9_two_runs_at_once_both_end_well_and_each_action_runs_once(project: Project) -> None:
    project.write("plan", HALVES.replace("NUMBERS", ", ".join(str(n) for n in range(12))))
    children = [project.start("run", "-j2") for _ in range(2)]
    ends = [(Done(child.returncode, *texts)) for child in children for texts in [child.communicate()]]
    assert [child.returncode for child in children] == [0, 0], ends
    assert sorted(project.starts(), key=int) == [str(n) for n in range(12)]


def test_10_a_copy_of_the_folder_with_its_state_runs_nothing(chain: Project, tmp_path: Path) -> None:
    shutil.copytree(chain.folder, tmp_path / "elsewhere" / "copy")
    copy = Project(tmp_path / "elsewhere" / "copy")
    assert copy.run() == []
    chain.folder.rename(tmp_path / "moved")
    assert Project(tmp_path / "moved").run() == []


def test_10_a_truncated_output_is_made_again(chain: Project) -> None:
    os.truncate(chain.folder / "out/upper.txt", 2)
    assert chain.run() == ["upper"]
    assert chain.read("out/upper.txt") == "ONE\nTWO\n"
    assert chain.run() == []


DISCOVERED = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  use:
    sh: |
      echo use >> $LOG
      cat gen.h > ${out}
      echo "o: gen.h" > ${depfile}
    out: use
    depfile: use.d
  gen:
    sh: echo gen >> $LOG; cat ${in} > ${out}
    in: version
    out: gen.h
"""


def test_a_header_that_only_a_depfile_names_is_made_before_its_reader(project: Project) -> None:
    project.write("plan", DISCOVERED)
    project.write("version", "1")
    project.run("gen")
    project.run()
    project.run()
    for version in ("2", "3"):
        project.write("version", version)
        assert project.run() == ["gen", "use"]
        assert project.read("use") == version
    project.write("version", "4")
    assert project.run("use") == ["gen", "use"]
    assert project.read("use") == "4"
    assert project.run("use") == []


def test_a_file_that_is_not_from_us_is_kept_when_an_action_takes_its_place(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {run: touch notes.txt, out: notes.txt}\n")
    project.write("notes.txt", "precious")
    done = project.treadle("run")
    assert "notes.txt" in done.err
    assert project.read(".treadle/replaced/a/notes.txt") == "precious"


def test_a_file_in_the_place_of_a_former_output_is_somebodys_once_it_was_written_to(project: Project) -> None:
    project.write(
        "plan",
        """
treadle: 1
actions:
  gen:
    sh: echo generated > ${out}
    out: src/gen.c
  all:
    sh: cat ${in} > ${out}
    in: src/*.c
    out: all
""",
    )
    project.write("src/main.c", "main\n")
    project.treadle("run")
    plan = project.read("treadle.yaml")
    project.write("plan", plan[: plan.index("  gen:")] + plan[plan.index("  all:") :])
    project.treadle("run")
    assert project.read("all") == "main\n"
    for text in ("by hand\n", "by hand again\n"):
        project.write("src/gen.c", text)
        project.treadle("run")
        assert project.read("all") == text + "main\n"


def test_links_in_an_input_folder_count_by_what_they_lead_to(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a:\n    sh: cat docs/x > ${out}\n    in: docs/\n    out: o\n")
    project.write("x", "one")
    project.write("docs/page", "")
    (project.folder / "docs/x").symlink_to("../x")
    (project.folder / "docs/around").symlink_to(".")
    for text in ("one", "two", "three"):
        project.write("x", text)
        project.treadle("run")
        assert project.read("o") == text
    assert "nothing to do" in project.treadle("run").out


def test_what_needs_an_action_that_ran_looks_at_its_files_again(project: Project) -> None:
    project.write(
        "plan",
        """
treadle: 1
actions:
  pull:
    sh: date +%N > src/a
  lint:
    sh: cat src/a
    in: src/
  build:
    sh: cat src/a > ${out}
    in: src/
    out: b
    needs: [pull]
""",
    )
    project.write("src/a", "first")
    for _ in range(3):
        project.treadle("run", "lint", "build")
        assert project.read("b") == project.read("src/a")


def test_clean_leaves_what_a_linked_folder_leads_to(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions:\n  a: {run: touch site/i, out: site/}\n")
    project.write("www/mine", "precious")
    (project.folder / "site").symlink_to("www")
    project.treadle("run")
    project.treadle("clean")
    assert project.read("www/mine") == "precious"


def test_clean_removes_only_what_a_run_has_made(project: Project) -> None:
    project.write(
        "plan", "treadle: 1\nactions:\n  a: {run: touch a, out: a}\n  notes: {run: touch notes, out: notes}\n"
    )
    project.write("notes", "precious")
    assert project.treadle("run", "a").code == 0
    for arguments in (["clean", "-n"], ["clean"]):
        done = project.treadle(*arguments)
        assert "notes is left alone" in done.err
    assert project.read("notes") == "precious"
    assert not (project.folder / "a").exists()
