"""One file by two names: outputs, edited files, programs and trees that are named through links."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from project import Project


def script(project: Project, text: str) -> None:
    subprocess.run(["sh", "-ec", text], cwd=project.folder, check=True)


LINKS = """
mkdir -p o/d deep ../outside
ln -s o l; ln -s l chain; ln -s ../l deep/up; ln -s ../outside away; ln -s "$PWD/o" absolute
ln -s ../o/x deep/file; ln -s ../chain/x deep/again
"""

READERS = {
    # what gen declares, what use declares, and where use finds it
    "a folder link": ("l/x", "o/x", "o/x"),
    "another link": ("l/x", "chain/x", "o/x"),
    "two links": ("chain/x", "o/x", "o/x"),
    "two links, the second one": ("chain/x", "l/x", "o/x"),
    "a link in a folder": ("deep/up/x", "o/x", "o/x"),
    "an absolute link": ("absolute/x", "o/x", "o/x"),
    "a link to the file": ("l/x", "deep/file", "o/x"),
    "a link to the file through a link": ("absolute/x", "deep/again", "o/x"),
    "outside of the root": ("away/x", "OUTSIDE/x", "away/x"),
    "the whole folder": ("l/x", "o/", "o/x"),
    "the whole folder by another link": ("l/x", "chain/", "o/x"),
    "a glob": ("l/x", "'o/*'", "o/x"),
    "a glob of another link": ("l/x", "'chain/*'", "o/x"),
    "a glob of all": ("l/x", "'**/x'", "o/x"),
    "an output folder": ("l/d/", "o/d/x", "o/d/x"),
    "an output folder, all of it": ("l/d/", "o/d/", "o/d/x"),
    "a folder in an output folder": ("chain/d/", "o/", "o/d/x"),
    "an output folder that is a link": ("l/", "o/x", "o/x"),
    "an output folder that is a link, all of it": ("l/", "o/", "o/x"),
    "an output folder that is a link, by another one": ("chain/", "absolute/x", "o/x"),
    "a link in a tree to a file": ("o/x", "deep/", "o/x"),
    "a link in a tree to a folder": ("o/new/x", "deep/", "o/new/x"),
    "a link in a tree, the output by a link": ("chain/x", "deep/", "o/x"),
}


def plan_of(project: Project, made: str, read: str, there: str) -> str:
    outside = str(project.folder.resolve().parent / "outside")
    make = f"mkdir -p $(dirname {there}); cp ver {there}"
    text = (
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        f"  use: {{sh: 'echo use >> $LOG; cat {there} > r', in: {read}, out: r}}\n"
        f"  gen: {{sh: 'echo gen >> $LOG; sleep 0.1; {make}', in: ver, out: {made}}}\n"
    )
    return text.replace("OUTSIDE", outside)


@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("case", READERS)
def test_an_output_is_made_before_it_is_read_whichever_its_names(
    project: Project, case: str, snapshot: bool
) -> None:
    script(project, LINKS)
    made, read, there = READERS[case]
    project.write("plan", plan_of(project, made, read, there))
    script(project, f"mkdir -p $(dirname {there}); echo 0 > {there}")
    for content in ("1", "2", "3"):
        project.write("ver", content)
        assert project.run() == ["gen", "use"]
        assert project.read("r") == content
        assert project.run() == []
        if not snapshot:
            shutil.rmtree(project.folder / ".treadle/quick")
            assert project.run() == []


CLASHES = {
    # what two actions make, and what is said of it
    "a file by two names": ("o/x", "l/x", "two actions make one file: a makes o/x and b makes l/x"),
    "a file by two links": ("chain/x", "deep/up/x", "a makes chain/x and b makes deep/up/x"),
    "a file outside": ("away/x", "../outside/x", "outputs are paths below the root"),
    "a folder": ("l/d/", "o/d/", "two actions make one file: a makes l/d/ and b makes o/d/"),
    "a file in a folder": ("l/d/", "o/d/x", "the output o/d/x of b is inside l/d/, an output of a"),
    "a file in a folder by a link": (
        "o/d/",
        "chain/d/x",
        "the output chain/d/x of b is inside o/d/, an output of a",
    ),
    "a file below a file": ("l/x", "o/x/y", "o/x/y is below l/x, which a makes as a file"),
    "the state": ("state/x", "o/y", "an output is in the state folder, through a link: state/x"),
    "the plan": ("here/treadle.yaml", "o/y", "an output is the plan itself, through a link"),
}


@pytest.mark.parametrize("case", CLASHES)
def test_one_path_has_one_maker_whichever_its_names(project: Project, case: str) -> None:
    script(project, LINKS + "ln -s .treadle state; ln -s . here")
    one, other, said = CLASHES[case]
    project.write(
        "plan",
        f"treadle: 1\nactions:\n  a: {{sh: 'true', out: {one}}}\n  b: {{sh: 'true', out: {other}}}\n",
    )
    done = project.treadle("check")
    assert done.code == 2
    assert said in done.text.replace("\n  ", " ")


def test_names_that_only_look_like_links_are_no_clash(project: Project) -> None:
    script(project, "mkdir o l")
    project.write("plan", "treadle: 1\nactions:\n  a: {sh: 'true', out: o/x}\n  b: {sh: 'true', out: l/x}\n")
    assert project.treadle("check").code == 0


EDITS = {
    # what is edited, and what is read
    "a folder link": ("l/x", "o/x"),
    "the other way": ("o/x", "l/x"),
    "two links": ("chain/x", "deep/up/x"),
    "a link to the file": ("o/x", "deep/file"),
    "an edited link": ("deep/file", "o/x"),
    "a tree": ("chain/x", "o/"),
    "a link in a tree": ("o/x", "deep/"),
    "a glob": ("l/x", "'o/*'"),
    "edits by a glob": ("'l/*'", "o/x"),
    "a program": ("l/x", "PROGRAM"),
}


@pytest.mark.parametrize("case", EDITS)
def test_what_is_edited_by_another_name_is_read_after_that(project: Project, case: str) -> None:
    script(project, LINKS)
    edited, read = EDITS[case]
    reads = "sh: 'echo use >> $LOG; cat o/x > r', in: " + read
    if read == "PROGRAM":
        reads = "run: [o/x], in: ver"
    project.write("ver", "")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        f"  use: {{{reads}, out: r}}\n"
        "  fmt: {sh: 'echo fmt >> $LOG; sleep 0.1; sed s/bad/good/ o/x > t; cat t > o/x', "
        f"edits: {edited}}}\n",
    )
    text = "#!/bin/sh\necho use >> $LOG; echo bad {} > r\n"
    for number in ("1", "2"):
        project.write("o/x", text.format(number)).chmod(0o755)
        assert project.run() == ["fmt", "use"]
        assert f"good {number}" in project.read("r")
        assert project.run() == []


REFUSED_EDITS = {
    "an output": ("l/x", "out: o/x", "b edits l/x, which a makes"),
    "an own output": ("l/y", "out: z", "b edits l/y, which b makes"),
    "two editors": ("l/x", "edits: o/x", "two actions edit l/x: a and b"),
    "two editors, a link to the file": ("deep/file", "edits: chain/x", "two actions edit deep/file: a and b"),
    "a file that it reads": ("o/main", "out: z", "b reads l/main and edits o/main"),
}


@pytest.mark.parametrize("case", REFUSED_EDITS)
def test_a_file_is_edited_by_one_action_whichever_its_names(project: Project, case: str) -> None:
    script(project, LINKS + "echo > o/x; echo > o/y; echo > o/main")
    edited, other, said = REFUSED_EDITS[case]
    project.write(
        "plan",
        f"treadle: 1\nactions:\n  a: {{sh: 'true', {other}}}\n"
        f"  b: {{sh: 'true', edits: {edited}, in: l/main, out: o/y}}\n",
    )
    assert said in project.treadle("check").text.replace("\n  ", " ")


PROGRAMS = {
    # what is made, how it is started, and from which folder
    "through a link": ("o/prog", "l/prog", ""),
    "by the name without links": ("l/prog", "o/prog", ""),
    "a link to it": ("o/prog", "deep/tool", ""),
    "a link to it, made through a link": ("chain/prog", "deep/tool", ""),
    "from a folder": ("o/prog", "../l/prog", "cwd: deep"),
    "from a folder that is a link": ("o/prog", "../o/prog", "cwd: deep/up"),
    "a link before ..": ("far/prog", "deep/out/../prog", ""),
    "in an output folder": ("l/d/", "o/d/prog", ""),
    "as a tool": ("l/prog", "TOOL o/prog", ""),
    "as a tool through a link": ("o/prog", "TOOL deep/tool", ""),
    "as a shell": ("l/prog", "SHELL o/prog", ""),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_a_program_is_made_before_it_is_started_whichever_its_names(project: Project, case: str) -> None:
    script(project, LINKS + "mkdir -p far/sub; ln -s ../far/sub deep/out; ln -s ../chain/prog deep/tool")
    made, name, cwd = PROGRAMS[case]
    there = {"far/prog": "far/prog", "l/d/": "o/d/prog"}.get(made, "o/prog")
    how, _, word = name.rpartition(" ")
    starts = {"": f"run: [{word}]", "TOOL": f"tools: [{word}], sh: {there}", "SHELL": f"sh: x, shell: [{word}]"}[
        how
    ]
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        f"  use: {{{starts}, in: main, out: r, {cwd or 'cwd: .'}}}\n"
        f"  gen: {{sh: 'echo gen >> $LOG; sleep 0.1; cp ver {there}', in: ver, out: {made}}}\n",
    )
    project.write("main", "")
    top = project.folder
    for content in ("1", "2", "3"):
        project.write("ver", f"#!/bin/sh\necho use >> $LOG; echo {content} > {top}/r\n").chmod(0o755)
        assert project.run() == ["gen", "use"]
        assert project.read("r") == f"{content}\n"
        assert project.run() == []


def test_packages_that_link_to_each_other_keep_the_order_of_the_plan(project: Project) -> None:
    script(
        project, "mkdir -p modules pkg/a pkg/b; ln -s ../pkg/a modules/a; ln -s ../pkg/b modules/b; echo > pkg/a/s"
    )
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        "  a: {sh: 'echo a >> $LOG; echo > ${out}', in: modules/, out: pkg/a/dist}\n"
        "  b: {sh: 'echo b >> $LOG; echo > ${out}', in: [modules/, pkg/a/dist], out: pkg/b/dist}\n"
        "  all: {sh: 'echo all >> $LOG; ls modules/*/dist > ${out}', in: modules/, out: o}\n",
    )
    assert project.treadle("check").code == 0
    assert project.run("-j1")[:2] == ["a", "all"]
    assert "pkg" not in project.read("o")
    assert project.read("o") == "modules/a/dist\nmodules/b/dist\n"


TREE_TURNS = {
    "a link is turned": ("ln -s ../plain.h tree/h", "ln -sfn ../made/gen.h tree/h"),
    "a file becomes a link": ("echo > tree/h", "ln -sf ../made/gen.h tree/h"),
    "a link comes": ("true", "ln -s ../made/gen.h tree/h"),
    "a link to a folder comes": ("true", "ln -s ../made tree/d"),
    "a link deep in the tree": ("mkdir tree/deep", "ln -s ../../made/gen.h tree/deep/h"),
    "a link behind a link": ("ln -s ../lib tree/lib", "ln -s ../made/gen.h lib/h"),
}


@pytest.mark.parametrize("case", TREE_TURNS)
def test_a_link_in_a_tree_that_leads_to_an_output_from_now_on_is_waited_for(project: Project, case: str) -> None:
    before, then = TREE_TURNS[case]
    script(project, f"mkdir tree lib made; echo > tree/x; echo 0 > plain.h; {before}")
    project.write("ver", "1\n")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        "  use: {sh: 'echo use >> $LOG; cat made/gen.h > ${out}', in: tree/, out: o}\n"
        "  gen: {sh: 'echo gen >> $LOG; sleep 0.1; cp ver ${out}', in: ver, out: made/gen.h}\n",
    )
    project.run("gen")
    project.run()
    assert project.run() == []
    script(project, then)
    for content in ("2\n", "3\n"):
        project.write("ver", content)
        assert project.run() == ["gen", "use"]
        assert project.read("o") == content
        assert project.run() == []


def test_a_link_that_an_action_makes_is_not_what_it_leads_to(project: Project) -> None:
    script(project, "mkdir -p src; echo > src/a; echo > src/b")
    project.write(
        "plan",
        "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n"
        "  list: {sh: 'echo list >> $LOG; ls src > ${out}', in: 'src/*', out: o/list}\n"
        "  cur: {sh: 'echo cur >> $LOG; rmdir ${out}; ln -s ../src ${out}', in: o/list, out: o/cur/}\n",
    )
    assert project.run() == ["cur", "list"]
    assert project.run() == []
    project.write("src/c", "")
    assert project.run() == ["cur", "list"]
    assert project.read("o/list") == "a\nb\nc\n"
    assert project.run() == []


@pytest.mark.parametrize("names", [("l/x", "o/x"), ("o/x", "chain/x"), ("chain/x", "deep/file"), ("l/d/", "o/d/x")])
def test_a_question_knows_that_a_reader_by_another_name_may_run(project: Project, names: tuple[str, str]) -> None:
    script(project, LINKS)
    there = "o/d/x" if names[0].endswith("/") else "o/x"
    project.write("plan", plan_of(project, names[0], names[1], there))
    project.write("ver", "1")
    project.run()
    project.write("ver", "2")
    said = project.treadle("run", "-n").text
    assert "may run" in said
    assert "up to date" not in said
