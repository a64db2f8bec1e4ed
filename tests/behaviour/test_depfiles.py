"""What an action was found to read: also what is not there, what is made beside it, and whole folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from project import Project

READER = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  use:
    sh: |
      echo use >> $LOG
      cat ${in} NAMED > ${out} 2> /dev/null || true
      echo "o: NAMED" > ${depfile}
      AFTER
    in: main
    out: o/use
    depfile: o/use.d
"""


def reader(project: Project, named: str, after: str = "true") -> None:
    project.write("main", "main\n")
    project.write("plan", READER.replace("NAMED", named).replace("AFTER", after))


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


APPEARS: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("here\n"),
    "an empty file": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a link to a file": lambda path: path.symlink_to(path.parent.parent / "main"),
}


@pytest.mark.parametrize("kind", APPEARS)
def test_what_was_found_to_be_absent_counts_as_soon_as_it_is_there(project: Project, kind: str) -> None:
    reader(project, "inc/extra")
    (project.folder / "inc").mkdir()
    assert project.run() == ["use"]
    assert project.run() == []
    APPEARS[kind](project.folder / "inc/extra")
    assert "discovered input inc/extra is there now" in project.treadle("status").out
    assert "inc/extra" in project.treadle("why", "use").out
    assert project.run() == ["use"]
    assert project.run() == []
    remove(project.folder / "inc/extra")
    assert project.run() == ["use"]
    assert project.run() == []


@pytest.mark.parametrize("path", ["gone/extra", "main/extra", "dangling", "loop"])
def test_a_path_that_cannot_be_is_absent(project: Project, path: str) -> None:
    reader(project, path)
    (project.folder / "dangling").symlink_to("nowhere")
    (project.folder / "loop").symlink_to("loop2")
    (project.folder / "loop2").symlink_to("nothing")
    assert project.run() == ["use"]
    assert project.run() == []
    if path == "dangling":
        project.write("nowhere", "here")
        assert project.run() == ["use"]
        assert project.run() == []


@pytest.mark.parametrize("snapshot", [True, False])
def test_what_is_there_again_after_it_was_away_for_a_moment_is_read_again(project: Project, snapshot: bool) -> None:
    reader(project, "h", "[ ! -e away ] || rm -f h")
    project.write("h", "one\n")
    project.write("away", "")
    project.run()
    (project.folder / "away").unlink()
    project.write("h", "two\n")
    if not snapshot:
        shutil.rmtree(project.folder / ".treadle/quick")
    assert project.run() == ["use"]
    assert project.read("o/use") == "main\ntwo\n"
    assert project.run() == []


def test_what_was_read_last_time_and_goes_while_its_reader_runs_is_not_recorded(project: Project) -> None:
    reader(project, "h", "[ ! -e away ] || rm -f h")
    project.write("h", "one\n")
    project.run()
    project.write("away", "")
    project.write("main", "other\n")
    done = project.treadle("run")
    assert "use is not recorded, it will run again: changed while it ran: h" in done.text
    assert project.run() == ["use"]
    assert project.read("o/use") == "other\n"
    assert project.run() == []


def test_what_others_have_read_and_goes_while_a_new_reader_runs_is_not_recorded(project: Project) -> None:
    reader(project, "h", "[ ! -e away ] || rm -f h")
    project.write("h", "one\n")
    text = project.read("treadle.yaml")
    project.write("plan", text + "  first: {sh: 'cat ${in} > ${out}', in: h, out: o/first}\n")
    project.treadle("run", "first")
    project.write("plan", text)
    project.write("away", "")
    assert "changed while it ran: h" in project.treadle("run").text
    assert project.run() == ["use"]
    assert project.run() == []


def test_a_temporary_file_that_its_command_names_and_removes_is_no_reason_to_run(project: Project) -> None:
    reader(project, "o/tmp.s", "rm -f o/tmp.s")
    text = project.read("treadle.yaml")
    project.write("plan", text.replace("cat ${in}", "echo temporary > o/tmp.s; cat ${in}"))
    for main in ("one\n", "two\n"):
        project.write("main", main)
        assert project.run() == ["use"]
        assert project.read("o/use") == f"{main}temporary\n"
        assert project.run() == []


BESIDE = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  gen:
    sh: |
      echo gen >> $LOG
      if [ -e beside ]; then read x < began; rm -f h; echo > removed; read x < go; fi
      END
      cp ver h
    in: ver
    out: h
    keep: true
  use:
    sh: |
      echo use >> $LOG
      cat h > ${out}
      echo "o: h" > ${depfile}
      if [ -e beside ]; then echo > began; read x < removed; fi
    in: main
    out: o/use
    depfile: o/use.d
  open:
    sh: 'if [ -e beside ]; then echo > go; fi; touch ${out}'
    needs: use
    out: o/open
"""


@pytest.mark.parametrize("end", ["", "[ ! -e fails ] || exit 1"])
@pytest.mark.parametrize("before", ["new", "known"])
def test_what_is_made_beside_its_reader_is_read_again(project: Project, end: str, before: str) -> None:
    project.write("plan", BESIDE.replace("END", end or "true"))
    for name in ("began", "removed", "go"):
        os.mkfifo(project.folder / name)
    project.write("main", "")
    project.write("ver", "1\n")
    project.run("gen")
    if before == "known":
        # the record of the reader says nothing of gen: it has read something else
        project.write(
            "plan", BESIDE.replace("END", "true").replace("h > ${out}", "ver > ${out}").replace("o: h", "")
        )
        project.run("use")
        project.write("plan", BESIDE.replace("END", end or "true"))
    project.write("ver", "2\n")
    project.write("beside", "")
    if end:
        project.write("fails", "")
    done = project.treadle("run", "-k", "-j3")
    assert "use is not recorded, it will run again: changed while it ran: h" in done.text
    assert project.read("o/use") == "1\n"
    (project.folder / "beside").unlink()
    (project.folder / "fails").unlink(missing_ok=True)
    assert project.run("-j1") == (["gen", "use"] if end else ["use"])
    assert project.read("o/use") == "2\n"
    assert project.run() == []
    # and from now on it waits for gen
    project.write("ver", "3\n")
    assert project.run() == ["gen", "use"]
    assert project.read("o/use") == "3\n"


def test_a_reader_that_is_not_recorded_waits_for_the_maker_in_the_next_run(project: Project) -> None:
    project.write("plan", BESIDE.replace("END", "true"))
    for name in ("began", "removed", "go"):
        os.mkfifo(project.folder / name)
    project.write("main", "")
    project.write("ver", "1\n")
    project.run("gen")
    project.write("ver", "2\n")
    project.write("beside", "")
    project.treadle("run", "-j3")
    (project.folder / "beside").unlink()
    project.write("ver", "3\n")
    project.treadle("run", "-j1", "use")
    assert project.read("o/use") == "3\n"
    assert "use" not in project.run()


FOLDERS = ["inc", "inc/", "./inc", "../project/inc", "OUTSIDE", "link", "."]


@pytest.mark.parametrize("named", FOLDERS)
def test_a_folder_that_a_depfile_names_counts_with_all_that_is_in_it(project: Project, named: str) -> None:
    outside = project.folder.parent / "outside"
    folder = outside if named == "OUTSIDE" else project.folder / "inc"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/a.h").write_text("1\n")
    (project.folder / "link").symlink_to("inc")
    reader(project, named.replace("OUTSIDE", str(outside)))
    assert project.run() == ["use"]
    assert project.run() == []
    changes: list[Callable[[], object]] = [
        lambda: (folder / "deep/a.h").write_text("22\n"),
        (folder / "new.h").touch,
        (folder / "deep/er/new").mkdir,
        (folder / "deep/a.h").unlink,
        lambda: shutil.rmtree(folder),
    ]
    for change in changes:
        change()
        assert project.run() == ["use"]
        assert project.run() == []


def test_a_folder_that_holds_the_outputs_and_the_state_of_its_reader_settles(project: Project) -> None:
    project.write("sub/x", "")
    for named in (".", "o", "sub o"):
        reader(project, named)
        project.run()
        assert project.run() == []
        project.write("o/other", named)
        assert project.run() == ["use"]
        assert project.run() == []


def test_a_folder_around_the_root_is_not_walked(project: Project) -> None:
    reader(project, "/ .. ../..")
    assert project.run() == ["use"]
    (project.folder.parent / "other").write_text("")
    assert project.run() == []


def test_what_is_made_in_a_folder_that_was_found_is_waited_for(project: Project) -> None:
    reader(project, "inc")
    (project.folder / "inc").mkdir()
    project.write("ver", "1")
    text = project.read("treadle.yaml")
    project.write("plan", text + "  gen: {sh: 'echo gen >> $LOG; cp ver ${out}', in: ver, out: inc/gen.h}\n")
    project.treadle("run")
    project.treadle("run")
    assert project.run() == []
    project.write("ver", "2")
    assert project.run() == ["gen", "use"]
    assert project.run() == []


JUST_MADE = """
treadle: 1
actions:
  gen: {sh: 'cat ${in} > ${out}', in: g.in, out: out/g.h}
  obj:
    sh: 'cat out/g.h > ${out}; AFTER; echo "out/o: NAMED" > ${depfile}'
    out: out/o
    depfile: out/o.d
    needs: gen
"""


@pytest.mark.parametrize("named", ["out/g.h", "out/./g.h", "l/g.h"])
def test_what_a_maker_has_just_left_is_recorded_at_the_first_run(project: Project, named: str) -> None:
    """Its maker was over when the reader began: however new the file is, nothing has written to it since."""
    (project.folder / "l").symlink_to("out")
    project.write("plan", JUST_MADE.replace("NAMED", named).replace("AFTER", "true"))
    for text in ("1\n", "2\n", "3\n"):
        project.write("g.in", text)
        done = project.treadle("run")
        assert "not recorded" not in done.text
        assert project.read("out/o") == text
        assert "nothing to do" in project.treadle("run").text


def test_what_is_written_to_after_its_maker_was_over_is_not_recorded(project: Project) -> None:
    project.write("g.in", "1\n")
    project.write("plan", JUST_MADE.replace("NAMED", "out/g.h").replace("AFTER", "echo edited > out/g.h"))
    assert "obj is not recorded" in project.treadle("run").text
