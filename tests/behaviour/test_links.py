"""One file by many names: links in depfiles, around the root, in it, and as the folder of a command."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from project import Project

PLAN = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  use:
    sh: |
      echo use >> $LOG
      cat NAMED > TOP/o/use
      echo "o: NAMED" > TOP/o/use.d
    CWD
    in: main
    out: o/use
    depfile: o/use.d
  gen: {sh: 'echo gen >> $LOG; cp ver ${out}', in: ver, out: MADE}
"""

USE_AND_GEN = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  use: {sh: 'echo use >> $LOG; cat READ > ${out}', in: READ, out: o/use}
  gen: {sh: 'echo gen >> $LOG; sleep 0.1; cp ver ${out}', in: ver, out: made/gen.h}
"""


def script(project: Project, text: str) -> None:
    subprocess.run(["sh", "-ec", text], cwd=project.folder, check=True)


CASES = {
    # how the depfile names it, where it is made, the folder of the command
    "a folder link before ..": ("src/inc/../common/h.h", "lib/common/h.h", ""),
    "a folder link": ("src/inc/h.h", "lib/sub/h.h", ""),
    "a link to the file": ("src/file.h", "lib/sub/h.h", ""),
    "an output through a folder link": ("lib/sub/h.h", "src/inc/h.h", ""),
    "the real name of a linked folder": ("OUTSIDE/h.h", "linked/h.h", ""),
    "the real name of the root": ("REAL/lib/h.h", "lib/h.h", ""),
    "a folder of the command that is a link": ("../common/h.h", "lib/common/h.h", "cwd: src/inc"),
}


def linked(project: Project, case: str) -> None:
    named, made, cwd = CASES[case]
    folder = project.folder.resolve()
    outside = folder.parent / "outside"
    for path in (
        outside,
        folder / "src",
        folder / "src/common",
        folder / "lib/sub",
        folder / "lib/common",
        folder / "o",
    ):
        path.mkdir(parents=True)
    (folder / "src/inc").symlink_to("../lib/sub")
    (folder / "src/file.h").symlink_to("../lib/sub/h.h")
    (folder / "linked").symlink_to(outside)
    project.write("main", "")
    project.write("src/common/h.h", "another\n")
    text = PLAN.replace("NAMED", named).replace("MADE", made).replace("CWD", cwd or "cwd: .")
    text = text.replace("OUTSIDE", str(outside)).replace("REAL", str(folder)).replace("TOP", str(folder))
    project.write("plan", text)


@pytest.mark.parametrize("root", ["", "alias/treadle.yaml"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_found_by_another_name_is_waited_for(project: Project, case: str, root: str) -> None:
    linked(project, case)
    (project.folder / "alias").symlink_to(project.folder)
    words = ["-f", root] if root else []
    project.write("ver", "1\n")
    project.run(*words, "gen")
    project.run(*words)
    assert project.run(*words) == []
    project.write("ver", "2\n")
    assert project.run(*words) == ["gen", "use"]
    assert project.read("o/use") == "2\n"
    assert project.run(*words) == []


def test_a_link_that_is_turned_is_noticed_and_so_is_what_it_leads_to(project: Project) -> None:
    linked(project, "a folder link before ..")
    project.write("ver", "1\n")
    project.run("gen")
    project.run()
    folder = project.folder
    for name in ("new", "new/sub", "new/common"):
        (folder / name).mkdir()
    project.write("new/common/h.h", "turned\n")
    (folder / "src/inc").unlink()
    (folder / "src/inc").symlink_to("../new/sub")
    assert project.run() == ["use"]
    assert project.read("o/use") == "turned\n"
    project.write("new/common/h.h", "edited\n")
    assert project.run() == ["use"]
    assert project.read("o/use") == "edited\n"
    assert project.run() == []


def test_a_link_that_is_turned_to_what_another_action_makes_is_waited_for(project: Project) -> None:
    linked(project, "a folder link")
    text = project.read("treadle.yaml")
    project.write("plan", text + "  other: {sh: 'echo other >> $LOG; cp ver2 ${out}', in: ver2, out: new/h.h}\n")
    project.write("ver", "same\n")
    project.write("ver2", "same\n")
    project.run("gen", "other")
    project.run()
    (project.folder / "src/inc").unlink()
    (project.folder / "src/inc").symlink_to("../new")
    project.run()
    project.run()
    project.write("ver2", "other\n")
    assert project.run() == ["other", "use"]
    assert project.read("o/use") == "other\n"


def test_an_own_output_by_its_real_name_is_no_input(project: Project) -> None:
    linked(project, "the real name of a linked folder")
    text = project.read("treadle.yaml").replace("out: o/use", "out: [o/use, linked/own]")
    outside = project.folder.resolve().parent / "outside"
    project.write("plan", text.replace("cat ", f"touch {outside}/own; cat ").replace('"o: ', f'"o: {outside}/own '))
    project.write("ver", "1\n")
    project.run("gen")
    assert project.run() == ["use"]
    assert project.run() == []


@pytest.mark.parametrize("name", ["REAL/o/use", "ALIAS/o/use", "alias/o/use", "src/inc/../../o/use"])
def test_an_output_is_asked_for_by_any_name(project: Project, name: str) -> None:
    linked(project, "a folder link")
    (project.folder / "alias").symlink_to(project.folder)
    project.write("ver", "1")
    project.write("lib/sub/h.h", "1")
    name = name.replace("REAL", str(project.folder.resolve())).replace("ALIAS", str(project.folder / "alias"))
    assert project.treadle("why", name).code in (0, 1)
    assert project.treadle("why", "-f", "alias/treadle.yaml", name).code in (0, 1)


def test_a_program_behind_a_link_and_two_dots_is_an_input(project: Project) -> None:
    linked(project, "a folder link")
    project.write("lib/prog", "#!/bin/sh\necho one > o/p; echo prog >> $LOG\n").chmod(0o755)
    project.write("src/prog", "#!/bin/sh\nexit 1\n").chmod(0o755)
    project.write(
        "plan", "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n  p: {run: src/inc/../prog, in: main, out: o/p}\n"
    )
    assert project.run() == ["prog"]
    project.write("lib/prog", "#!/bin/sh\necho two > o/p; echo prog >> $LOG\n")
    assert project.run() == ["prog"]
    shutil.rmtree(project.folder / ".treadle/quick")
    assert project.run() == []


@pytest.mark.parametrize("cwd", ["src/inc", "src/deep/er", "linked"])
def test_a_command_that_runs_behind_a_link_names_the_files_of_the_plan(project: Project, cwd: str) -> None:
    linked(project, "a folder link")
    (project.folder / "src/deep").symlink_to("../lib")
    (project.folder / "lib/er").mkdir()
    for decoy in (project.folder / "lib/main", project.folder / "lib/sub/main", project.folder.parent / "main"):
        decoy.write_text("decoy")
    text = "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n  a: {sh: 'echo a >> $LOG; cat ${in} > ${out}', CWD}\n"
    project.write("plan", text.replace("CWD", f"in: main, out: o/a, cwd: {cwd}"))
    for content in ("1", "2"):
        project.write("main", content)
        assert project.run() == ["a"]
        assert project.read("o/a") == content
        assert project.run() == []


READS = [
    "link/gen.h",
    "'link/*.h'",
    "link/",
    "deep/in/gen.h",
    "latest.h",
    "'late*.h'",
    "deep/chain.h",
    "link/own.h",
]


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("read", READS)
def test_an_input_that_leads_through_a_link_to_an_output_is_made_first(
    project: Project, read: str, is_there: bool
) -> None:
    (project.folder / "made").mkdir()
    (project.folder / "deep").mkdir()
    (project.folder / "link").symlink_to("made")
    (project.folder / "deep/in").symlink_to("../link")
    (project.folder / "latest.h").symlink_to("made/gen.h")
    (project.folder / "deep/chain.h").symlink_to("in/own.h")
    (project.folder / "made/own.h").symlink_to("../latest.h")
    if is_there or "*" in read:
        project.write("made/gen.h", "")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        f"  use: {{sh: 'echo use >> $LOG; cat link/gen.h > ${{out}}', in: {read}, out: o/use}}\n"
        "  gen: {sh: 'echo gen >> $LOG; cp ver ${out}', in: ver, out: made/gen.h}\n",
    )
    for content in ("1", "2", "3"):
        project.write("ver", content)
        project.run()
        assert project.read("o/use") == content
        assert project.run() == []


TURNS = {
    "a link to a file": ("cur.h", "ln -sfn a.h cur.h", "ln -sfn made/gen.h cur.h", "cur.h"),
    "a link to a folder": ("cur", "ln -sfn plain cur", "ln -sfn made cur", "cur/gen.h"),
    "the second link of two": ("two", "ln -sfn plain two; ln -sfn two cur", "ln -sfn made two", "cur/gen.h"),
    "a folder that becomes a link": ("cur", "cp -r plain cur", "rm -r cur; ln -s made cur", "cur/gen.h"),
    "a file that becomes a link": ("cur.h", "cp a.h cur.h", "ln -sf made/gen.h cur.h", "cur.h"),
}


@pytest.mark.parametrize("case", TURNS)
def test_an_input_that_leads_to_an_output_from_now_on_is_made_first(project: Project, case: str) -> None:
    _, first, then, read = TURNS[case]
    script(project, f"mkdir made plain; echo 0 > a.h; echo 0 > plain/gen.h; {first}")
    project.write("ver", "1\n")
    project.write("plan", USE_AND_GEN.replace("READ", read))
    assert project.run() == ["gen", "use"]
    assert project.run() == []
    # also where the file that it leads to now moves in the same run
    script(project, then)
    project.write("ver", "2\n")
    assert project.run() == ["gen", "use"]
    assert project.read("o/use") == "2\n"
    assert project.run() == []
    project.write("ver", "3\n")
    assert project.run() == ["gen", "use"]
    assert project.read("o/use") == "3\n"


def test_an_input_that_leads_to_no_output_any_more_is_read_where_it_leads_to(project: Project) -> None:
    script(project, "mkdir made; echo 0 > a.h; ln -s made/gen.h cur.h")
    project.write("ver", "1\n")
    project.write("plan", USE_AND_GEN.replace("READ", "cur.h"))
    assert project.run() == ["gen", "use"]
    script(project, "ln -sfn a.h cur.h")
    assert project.run() == ["use"]
    assert project.read("o/use") == "0\n"
    assert project.run() == []
    project.write("ver", "2\n")
    assert project.run() == ["gen"]


FOLDERS = {
    "the folder": ("work", "mv work old; ln -s deep/other work"),
    "a folder around it": ("in/work", "mv in old; ln -s deep/in in"),
    "a link that is turned": ("link", "ln -sfn deep/other link"),
    "the second link of two": ("chain", "ln -sfn deep/other link"),
    "a link that becomes a folder": ("back", "rm back; mkdir back; echo 3 > x"),
}


@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_of_a_command_that_leads_elsewhere_is_noticed(project: Project, case: str, snapshot: bool) -> None:
    cwd, then = FOLDERS[case]
    script(project, "mkdir -p work in/work deep/other deep/in/work; ln -s work link; ln -s link chain")
    script(project, "ln -s deep/other back; echo 1 > x; echo 1 > in/x; echo 2 > deep/x; echo 2 > deep/in/x")
    # what it reads by .. is not found to be read: the folder alone says what it is
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        f"  a: {{sh: 'echo a >> $LOG; cat ../x > {project.folder}/o', in: main, out: o, cwd: {cwd}}}\n",
    )
    project.write("main", "")
    assert project.run() == ["a"]
    before = project.read("o")
    assert project.run() == []
    script(project, then)
    if not snapshot:
        shutil.rmtree(project.folder / ".treadle/quick")
    assert project.run() == ["a"]
    assert project.read("o") != before
    assert project.run() == []


def test_a_folder_of_a_command_that_is_another_one_for_a_while_is_noticed(project: Project) -> None:
    script(project, "mkdir work other; echo 1 > work/x; echo 2 > other/x")
    swap = "mv work w; mv other work; cat x; mv work other; mv w work"
    project.write("swap", f"echo a >> $LOG; cd ..; {swap.replace('cat x', 'cat work/x > o; sleep 0.05')}\n")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n  a: {sh: '. ../swap', in: [main, swap], out: o, cwd: work}\n",
    )
    project.write("main", "")
    assert project.run() == ["a"]
    assert project.run() == ["a"]


STRAYS = {
    "nothing is there": ("rm t", "echo 1 > t"),
    "nothing is there, in two steps": ("rm t; ln -s u t", "echo 1 > u"),
    "a circle": ("rm t; ln -s t t", "rm t; echo 1 > t"),
    "a folder comes": ("rm t", "mkdir t; echo 1 > t/x"),
    "a folder that is in it already": ("ln -sfn tree/a t", "ln -sfn other t"),
}


@pytest.mark.parametrize("kind", ["in", "depfile"])
@pytest.mark.parametrize("case", STRAYS)
def test_a_link_in_a_tree_that_leads_somewhere_from_now_on_is_followed(
    project: Project, case: str, kind: str
) -> None:
    before, then = STRAYS[case]
    script(
        project,
        f"mkdir -p tree/a other; echo 0 > tree/a/x; echo 2 > other/x; ln -s ../t tree/l; echo > t; {before}",
    )
    read = "in: tree/" if kind == "in" else "in: main, depfile: o/d"
    project.write("main", "")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        f"  a: {{sh: 'echo a >> $LOG; find -L tree > o/a 2>/dev/null || true; echo x: tree > o/d', {read}, out: o/a}}\n",
    )
    assert project.run() == ["a"]
    assert project.run() == []
    assert project.run() == []
    script(project, then)
    assert project.run() == ["a"]
    assert project.run() == []


def test_links_that_stay_as_they_are_cost_no_walk(project: Project) -> None:
    script(project, "mkdir plain; echo 1 > plain/x; ln -s plain one; ln -s one two; ln -s plain/x x.h; mkdir w")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        "  a: {sh: 'echo a >> $LOG; cat x > ../o/a; echo x: ../x.h > ../o/d', in: [two/, one/x, x.h], out: o/a, "
        "cwd: two, depfile: o/d}\n"
        "  b: {sh: 'echo b >> $LOG', in: ['*.h', 'one/*'], stdout: o/b, cwd: w}\n",
    )
    assert project.run() == ["a", "b"]
    project.run()
    # a walk would see that the text of the plan is none
    done = project.treadle("run", "-j2")
    assert "nothing to do" in done.out
    log = (project.folder / ".treadle/records").stat()
    lock = project.folder / ".treadle/lock"
    lock.unlink(missing_ok=True)
    assert "nothing to do" in project.treadle("run").out
    assert not lock.exists()
    assert (project.folder / ".treadle/records").stat().st_size == log.st_size
