"""`workdir: fresh`: actions in folders of their own, by the real command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from project import Project, wait_until
from treadle.state.store import Store

LIST = "find . -type l -printf '%P\\n' -o -type f -printf '%P\\n' | sort"
"""A command that lists the files and links in the folder that it runs in."""
WORK = ".treadle/work"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def write(project: Project, *actions: str, top: str = "") -> None:
    """Write a plan of some actions."""
    lines = "".join(f"  {action}\n" for action in actions)
    project.write("plan", f"treadle: 1\n{top}actions:\n{lines}")


def left(project: Project) -> list[str]:
    """Return the folders of actions that are there."""
    folder = project.folder / WORK
    return sorted(name for name in os.listdir(folder) if name[0] != ".") if folder.exists() else []


SEEN = {
    "a file": ("in: a", ["a"]),
    "files": ("in: [a, src/x.c]", ["a", "src/x.c"]),
    "named files": ("in: {one: a, two: src/x.c}", ["a", "src/x.c"]),
    "a glob": ("in: 'src/*.c'", ["src/x.c", "src/y.c"]),
    "a folder": ("in: src/", ["src/deep/z.h", "src/x.c", "src/y.c"]),
    "a folder with exclude": ("in: {tree: src/, exclude: ['*.c']}", ["src/deep/z.h"]),
    "a folder and a file in it": ("in: [src/, src/x.c]", ["src/deep/z.h", "src/x.c", "src/y.c"]),
    "two folders, one in the other": ("in: [src/deep/, src/]", ["src/deep/z.h", "src/x.c", "src/y.c"]),
    "a tool": ("in: a, tools: [./tool]", ["a", "tool"]),
    "nothing": ("out: []", []),
}


@pytest.mark.parametrize("kind", ["fresh", "{fresh: copy}", "{fresh: link}"])
def test_an_action_finds_what_it_has_declared_and_nothing_else(project: Project, kind: str) -> None:
    """W1."""
    for name in ("a", "undeclared", "src/x.c", "src/y.c", "src/deep/z.h", "tool"):
        project.write(name, name).chmod(0o755)
    actions = [
        f"""a{number}: {{sh: "{LIST} > $TMP/list{number}", {keys}, workdir: {kind}, pass: [TMP]}}"""
        for number, (keys, _) in enumerate(SEEN.values())
    ]
    write(project, *actions)
    project.run(*[f"a{number}" for number in range(len(SEEN))], TMP=str(project.folder.parent))
    found = [(project.folder.parent / f"list{number}").read_text().split() for number in range(len(SEEN))]
    assert dict(zip(SEEN, found, strict=True)) == {case: names for case, (_, names) in SEEN.items()}
    assert left(project) == []


def test_copies_are_files_of_their_own_and_links_lead_to_the_inputs(project: Project) -> None:
    """W1."""
    project.write("a", "text")
    os.utime(project.folder / "a", (1_000_000, 1_000_000))
    write(
        project,
        "copied: {sh: 'test -f a; test ! -L a; stat -c %Y a > ${out}; echo more >> a', in: a, out: o/c, workdir: {fresh: copy}}",
        "linked: {sh: 'readlink ${in} > ${out}', in: a, out: o/l, workdir: fresh}",
    )
    project.run()
    assert (project.read("o/c"), project.read("a")) == ("1000000\n", "text")
    assert project.read("o/l") == f"{project.folder}/a\n"


@pytest.mark.parametrize("links", ["", "real"], ids=["plain", "through a link"])
def test_paths_mean_what_they_do_without_a_folder(project: Project, links: str) -> None:
    """W1: the same command, with a cwd, `stdout`, an absolute input and named outputs."""
    outside = project.folder.parent / "outside"
    outside.write_text("outside")
    if links:
        (project.folder / "real/deep").mkdir(parents=True)
        (project.folder / "sub").symlink_to("real/deep")
    project.write("sub/mine", "mine")
    project.write("a", "a")
    for number, workdir in enumerate(("", ", workdir: fresh", ", workdir: {fresh: copy}")):
        o = f"o{number}"
        write(
            project,
            f"""a: {{sh: 'cat ${{in}} mine > ${{out.x}}; echo here > ${{out.y}}/f; cat ${{in.far}}', cwd: sub,"""
            f""" in: {{one: a, far: {outside}, own: sub/mine}}, out: {{x: sub/{o}/x, y: {o}/y/, s: {o}/s}},"""
            f""" stdout: {o}/s{workdir}}}""",
        )
        assert project.treadle("run", "a").code == 0
        assert project.read(f"sub/{o}/x") == "aoutsidemine" + "mine"
        assert (project.read(f"{o}/y/f"), project.read(f"{o}/s")) == ("here\n", "outside")


def test_the_root_is_the_real_one_and_leads_out_of_the_folder(project: Project) -> None:
    """W1."""
    project.write("undeclared", "seen")
    write(
        project,
        "a: {sh: 'cat ${root}/undeclared > ${out}', out: o/a, workdir: fresh}",
        "b: {sh: 'echo x > ${root}/${out}', out: o/b, workdir: fresh}",
    )
    project.run("a")
    assert project.read("o/a") == "seen"
    # it has written to the place itself, and not where its outputs are looked for
    done = project.treadle("run", "b")
    assert done.code == 1
    assert "o/b" in done.text


def test_what_is_not_declared_is_missing_and_the_folder_of_a_failure_is_kept(project: Project) -> None:
    """W1, W3."""
    project.write("a", "a")
    project.write("hidden", "h")
    write(project, "a: {sh: 'echo part > ${out}; cat ${in} hidden >> ${out}', in: a, out: o/a, workdir: fresh}")
    done = project.treadle("run")
    assert done.code == 1
    assert "hidden: No such file" in done.text
    assert f"exit code 1; its folder is kept: {WORK}/a" in done.text
    assert project.read(f"{WORK}/a/o/a") == "part\na"
    assert f"its folder is kept: {WORK}/a" in project.treadle("why", "a").text
    project.write(f"{WORK}/a/mine", "from the attempt before")
    write(project, f'a: {{sh: "{LIST} > ${{out}}", in: [a, hidden], out: o/a, workdir: fresh}}')
    assert project.treadle("run").code == 0
    assert [name for name in project.read("o/a").split() if name != "o/a"] == ["a", "hidden"]
    assert left(project) == []


def test_outputs_of_the_last_success_stay_in_their_places_until_the_next_one(project: Project) -> None:
    """W2, W3."""
    project.write("a", "1")
    action = "a: {sh: 'echo new > ${out.f}; echo new > ${out.d}/x; exit $(cat code)', in: [a, code]"
    write(project, action + ", out: {f: o/f, d: d/}, workdir: fresh}", "b: {run: cp o/f o/b, in: o/f, out: o/b}")
    project.write("code", "0")
    assert project.treadle("run").code == 0
    before = os.stat(project.folder / "o/f").st_ino
    project.write("code", "3")
    assert project.treadle("run").code == 1
    assert (project.read("o/f"), project.read("d/x")) == ("new\n", "new\n")
    assert os.stat(project.folder / "o/f").st_ino == before
    assert not (project.folder / ".treadle/failed").exists()
    assert left(project) == ["a"]
    project.write("code", "0")
    assert project.treadle("run").code == 0
    assert os.stat(project.folder / "o/f").st_ino != before
    assert left(project) == []
    assert project.run() == []


def test_it_is_a_part_of_the_key(project: Project) -> None:
    """W1."""
    project.write("a", "a")
    action = "a: {{sh: 'echo a >> $LOG; cp ${{in}} ${{out}}', in: a, out: o/a, pass: [LOG]{}}}"
    for more in ("", ", workdir: fresh", ", workdir: {fresh: copy}", ""):
        write(project, action.format(more))
        assert project.run() == ["a"], more
        assert project.run() == []
        write(project, action.format(f", tags: [x]{more}"))
        assert project.run() == []
    write(project, action.format(", workdir: fresh"))
    assert "workdir changed" in project.treadle("why", "a").text
    assert json.loads(project.treadle("list", "--json").out)["actions"][0]["workdir"] == "fresh"


def test_one_edit_runs_it_as_the_whole_walk_does(project: Project) -> None:
    """W1, by the snapshot of the run before."""
    for name in ("a", "b"):
        project.write(name, name)
    write(
        project,
        "a: {sh: 'echo a >> $LOG; cat ${in} > ${out}; test ! -e b', in: a, out: o/a, pass: [LOG], workdir: fresh}",
        "b: {sh: 'echo b >> $LOG; cat ${in} > ${out}; test ! -e a', in: [b, o/a], out: o/b, pass: [LOG], workdir: fresh}",
        "c: {sh: 'echo c >> $LOG; cat ${in} > ${out}', in: b, out: o/c, pass: [LOG]}",
    )
    assert project.run() == ["a", "b", "c"]
    assert project.run() == []
    project.write("a", "more")
    assert project.run() == ["a", "b"]
    assert project.read("o/b") == "bmore"
    assert project.run() == []
    (project.folder / "o/a").write_text("altered")
    assert project.run() == ["a"]
    assert project.read("o/b") == "bmore"


REFUSED = {
    "edits: a": "edits cannot be combined with workdir",
    "keep: true": "keep cannot be combined with workdir",
    "once: true": "once cannot be combined with workdir",
    "console: true": "console cannot be combined with workdir",
}


def test_what_cannot_go_with_it_is_refused_with_its_place(project: Project) -> None:
    """W1."""
    project.write("a", "a")
    write(project, *[f"a{number}: {{run: touch o, {key}, workdir: fresh}}" for number, key in enumerate(REFUSED)])
    done = project.treadle("check")
    assert done.code == 2
    for number, (key, said) in enumerate(REFUSED.items()):
        line = project.read("treadle.yaml").splitlines()[number + 2]
        column = line.index(key) + len(key.partition(" ")[0]) + 2
        assert f"treadle.yaml:{number + 3}:{column}: {said}" in done.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workdir: new", "workdir must be one of fresh"),
        ("workdir: {}", "workdir needs fresh: link or copy"),
        ("workdir: {fresh: move}", "must be one of link, copy"),
        ("workdir: {fresh: copy, clean: true}", "clean"),
        ("workdir: fresh, out: ../o", "outside"),
    ],
)
def test_wrong_values_are_refused(project: Project, text: str, said: str) -> None:
    """W1."""
    write(project, f"a: {{run: touch o, {text}}}")
    done = project.treadle("check")
    assert (done.code, "treadle.yaml:3:" in done.text) == (2, True)
    assert said in done.text


WRONG = {
    "a file is missing": ("true", "out: F/o"),
    "a folder is missing": ("rmdir d", "out: F/d/"),
    "a folder for a file": ("mkdir -p o", "out: F/o"),
    "a file for a folder": ("rmdir d; touch d", "out: F/d/"),
    "a link that leads nowhere": ("ln -s nowhere o", "out: F/o"),
    "a link to a folder for a file": ("mkdir x; ln -s x o", "out: F/o"),
    "a depfile is missing": ("touch o", "out: F/o, depfile: F/o.d"),
    "a depfile that is none": ("touch o; echo x > o.d", "out: F/o, depfile: F/o.d"),
}


IN_THE_WAY = {
    "a file": "echo mine > d",
    "a link to a file": "echo mine > z; ln -s z d",
    "a link that leads nowhere": "ln -s nowhere d",
    "a link to itself": "ln -s d d",
    "a pipe": "mkfifo d",
}


@pytest.mark.parametrize("out", ["d/", "d/x", "d/e/", "[d/, d/x]"])
@pytest.mark.parametrize("workdir", [", workdir: {fresh: copy}", ""])
@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_is_in_the_way_of_a_folder_stays(project: Project, case: str, out: str, workdir: str) -> None:
    """W2: no run has made it."""
    project.run_shell(IN_THE_WAY[case])
    before = os.lstat(project.folder / "d").st_ino
    write(project, f"a: {{sh: 'mkdir -p d/e; cp i d/x', in: i, out: {out}{workdir}}}")
    for text in ("1", "2"):
        project.write("i", text)
        done = project.treadle("run")
        assert (done.code, "no room for the output" in done.text) == (1, True), done.text
        assert os.lstat(project.folder / "d").st_ino == before
        assert not (project.folder / ".treadle/failed").exists()


@pytest.mark.parametrize("kind", ["file", "link to a file", "link to a folder", "link that leads nowhere", "pipe"])
@pytest.mark.parametrize("place", ["", "/a", "/.old", "/.beside"])
def test_what_is_no_folder_in_the_place_of_its_folders_is_not_in_the_way(
    project: Project, place: str, kind: str
) -> None:
    """W1: what a checkout has brought."""
    write(project, "a: {sh: 'cp i d/x', in: i, out: d/, workdir: {fresh: copy}}")
    project.write("mine/x", "mine")
    full = project.folder / f"{WORK}{place}"
    full.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        full.write_text("theirs")
    elif kind == "pipe":
        os.mkfifo(full)
    else:
        target = {"link to a file": "mine/x", "link to a folder": "mine"}.get(kind, "nowhere")
        full.symlink_to(project.folder / target)
    for text in ("1", "2"):
        project.write("i", text)
        done = project.treadle("run")
        assert (done.code, project.read("d/x")) == (0, text), done.text
    assert (project.read("mine/x"), os.listdir(project.folder / "mine")) == ("mine", ["x"])


NOT_MADE = {
    "nothing": "",
    "a link that leads nowhere": "ln -s nowhere o/f",
    "a whole path that leads nowhere": "ln -s ${root}/nowhere o/f",
    "a link to what is not put into its place": "ln -s $PWD/gone o/f",
    "no folder": "rm -r ../a",
}


@pytest.mark.parametrize("case", NOT_MADE)
def test_what_the_last_success_has_made_stays_where_the_next_one_makes_nothing(project: Project, case: str) -> None:
    """W2, W3."""
    write(
        project,
        f"a: {{sh: 'if test $(cat i) = 1; then cp i o/f; else {NOT_MADE[case] or ':'}; fi', in: i, out: o/f,"
        " workdir: {fresh: copy}}",
    )
    project.write("i", "1")
    assert project.treadle("run").code == 0
    project.write("i", "2")
    done = project.treadle("run")
    assert (done.code, "did not write its output o/f" in done.text) == (1, True), done.text
    assert ("its folder is kept" in done.text) == (case != "no folder")
    assert project.read("o/f") == "1"


def test_missing_outputs_and_such_of_the_wrong_kind_fail_as_without_a_folder(project: Project) -> None:
    """W2."""
    found = []
    for number in range(len(WRONG)):
        project.write(f"c{number}/there", "")
    for workdir in ("", ", workdir: fresh"):
        cases = [(script, keys.replace("F/", f"c{n}/")) for n, (script, keys) in enumerate(WRONG.values())]
        write(
            project,
            *[f"a{n}: {{sh: '{script}', cwd: c{n}, {keys}{workdir}}}" for n, (script, keys) in enumerate(cases)],
        )
        done = project.treadle("run", "-k")
        assert done.code == 1, done.text
        lines = [line for line in done.text.splitlines() if line.startswith("failed a")]
        found.append(sorted(line.partition("; its folder is kept")[0] for line in lines))
    assert found[0] == found[1]
    assert len(found[0]) == len(WRONG) == len(left(project))


def test_files_that_no_run_has_made_stay_or_are_moved_aside(project: Project) -> None:
    """W2."""
    project.write("a", "1")
    project.write("o/f", "user 1")
    project.write("d/mine", "user 2")
    project.write("d/made", "user 3")
    (project.folder / "elsewhere").mkdir()
    project.write("elsewhere/there", "user 4")
    (project.folder / "l").symlink_to("elsewhere")
    project.write("x/CNAME", "user 5")
    write(
        project,
        "a: {sh: 'echo made > ${out.f}; for n in d l x; do echo made > $n/made; done', in: a,"
        " out: {f: o/f, d: d/, l: l/, x: {path: x/, exclude: [CNAME]}}, workdir: fresh}",
    )

    def check() -> None:
        assert project.read("o/f") == project.read("d/made") == project.read("elsewhere/made") == "made\n"
        assert project.read("d/mine") == "user 2"
        assert project.read("elsewhere/there") == "user 4"
        assert (project.folder / "l").is_symlink()
        assert project.read("x/CNAME") == "user 5"
        assert project.read(".treadle/replaced/a/o/f") == "user 1"
        assert project.read(".treadle/replaced/a/d/made") == "user 3"

    done = project.treadle("run")
    assert done.code == 0
    assert "moved files that Treadle did not create to .treadle/replaced/: d/made, o/f" in done.text
    check()
    assert project.run() == []
    project.write("a", "2")
    assert project.treadle("run").code == 0
    check()
    assert project.treadle("clean", "--all").code == 0
    assert project.read("d/mine") == "user 2"
    assert project.read("x/CNAME") == "user 5"
    assert not (project.folder / "o/f").exists()
    assert not (project.folder / "d/made").exists()


def test_a_file_that_a_user_writes_while_it_runs_is_moved_aside(project: Project) -> None:
    """W2."""
    project.write("a", "1")
    write(
        project,
        "a: {sh: 'touch ${root}/began; while test ! -e ${root}/go; do :; done; echo x > o; echo x > d/x', in: a, out: [o, d/], workdir: fresh}",
    )
    project.write("go", "")
    assert project.treadle("run").code == 0
    (project.folder / "go").unlink()
    (project.folder / "began").unlink()
    project.write("a", "2")
    run = project.start("run")
    wait_until((project.folder / "began").exists)
    project.write("o", "user 1")
    project.write("d/mine", "user 2")
    project.write("d/x", "user 3")
    project.write("go", "")
    assert run.wait(60) == 0
    run.communicate()
    assert (project.read("o"), project.read("d/x"), project.read("d/mine")) == ("x\n", "x\n", "user 2")
    assert project.read(".treadle/replaced/a/o") == "user 1"
    assert project.read(".treadle/replaced/a/d/x") == "user 3"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_folder_of_an_interrupted_attempt_is_kept_until_the_next_one(project: Project, number: int) -> None:
    """W3."""
    write(
        project,
        "a: {sh: 'echo part > o; touch ${root}/began; test -e ${root}/go || exec tail -f /dev/null', out: o, workdir: fresh}",
    )
    run = project.start("run")
    wait_until((project.folder / "began").exists)
    run.send_signal(number)
    text = "".join(run.communicate(timeout=60))
    if number == signal.SIGINT:
        assert f"its folder is kept: {WORK}/a" in project.treadle("why", "a").text + text
    assert project.read(f"{WORK}/a/o") == "part\n"
    assert not (project.folder / "o").exists()
    project.write("go", "")
    assert project.treadle("run").code == 0
    assert (project.read("o"), left(project)) == ("part\n", [])


def test_each_attempt_has_a_new_folder_and_the_last_one_is_kept(project: Project) -> None:
    """W3."""
    write(
        project,
        "a: {sh: 'test ! -e seen; echo x > seen; echo x >> ${root}/tries; exit 3', out: o, workdir: fresh, retries: 2}",
        "slow: {sh: 'echo part > p; exec tail -f /dev/null', out: p, workdir: fresh, timeout: 100ms}",
        "itself: {sh: 'exit 80', out: q, workdir: fresh, codes: {skipped: 80}}",
        "good: {sh: 'test -s ${root}/tries; touch r; test $(wc -l < ${root}/tries) = 5 || { echo x >> ${root}/tries; exit 1; }', out: r, workdir: fresh, retries: 5}",
    )
    assert project.treadle("run", "a").code == 1
    assert project.read("tries") == "x\n" * 3
    done = project.treadle("run", "-k", "slow", "itself")
    assert done.code == 1
    assert f"its folder is kept: {WORK}/slow" in done.text
    assert project.treadle("run", "good").code == 0
    assert left(project) == ["a", "slow"]


def test_a_folder_that_cannot_be_written_to_is_removed_and_renamed_all_the_same(powerless: Project) -> None:
    """W2, W3."""
    project = powerless
    project.write("a", "0")
    write(
        project,
        "a: {sh: 'mkdir x d/s; touch x/y d/s/t; chmod -R a-w x d; exit $(cat a)', in: a, out: d/, workdir: fresh}",
    )
    for code in ("0", "1", "0", "0 "):
        project.write("a", code)
        assert project.treadle("run").code == int(code)
    assert (left(project), os.listdir(project.folder / "d/s")) == ([], ["t"])
    project.run_shell("chmod -R u+w d")


UNWRITABLE = {
    "the folder around it": ("chmod a-w o", ""),
    "it, by its command": ("", "; chmod a-w o/d o/d/e"),
    "it, by a user": ("chmod a-w o/d/e", ""),
    "it, with a file of a user": ("echo mine > o/d/mine", "; chmod a-w o/d/e"),
    "it, with a link to turn and a name to leave out": (
        "",
        "; ln -s $PWD/a o/d/e/l; touch o/d/e/x.tmp; chmod a-w o/d/e",
    ),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_an_output_folder_is_made_anew_where_no_more_can_be_written_to(powerless: Project, case: str) -> None:
    """W2."""
    before, more = UNWRITABLE[case]
    write(
        powerless,
        f"a: {{sh: 'mkdir o/d/e; cp a o/d/x; cp a o/d/e/y{more}', in: a, out: {{path: o/d/, exclude: ['*.tmp']}},"
        " workdir: {fresh: copy}}",
    )
    try:
        for text in ("1", "2", "3"):
            powerless.write("a", text)
            done = powerless.treadle("run")
            assert done.code == 0, done.text
            assert (powerless.read("o/d/x"), powerless.read("o/d/e/y")) == (text, text)
            assert not list((powerless.folder / "o").rglob("*.tmp"))
            assert left(powerless) == []
            powerless.run_shell("chmod -R u+w o" if "user" in case else "true")
            powerless.run_shell(before)
        assert not any((powerless.folder / WORK / ".old").rglob("*"))
    finally:
        powerless.run_shell("chmod -R u+w o")


DEPFILE = {
    "relative": "h",
    "through the folder": "$PWD/h",
    "out of the folder": "../../../h",
    "by its real name": "$(readlink -f h)",
    "in a folder": "./sub/../h",
}


@pytest.mark.parametrize("case", DEPFILE)
def test_paths_of_a_depfile_are_those_of_the_root(project: Project, case: str) -> None:
    """W4."""
    outside = project.folder.parent / "outside"
    outside.write_text("1")
    project.write("src/h", "1")
    project.write("src/sub/x", "1")
    named = DEPFILE[case].replace("../../../h", "../../../../src/h")
    write(
        project,
        f"""a: {{sh: 'echo a >> $LOG; cat {outside} > ${{out}}; echo "o: {named} {outside} gone" > ${{depfile}}', cwd: src,"""
        " in: src/, out: o, depfile: o.d, pass: [LOG], workdir: fresh}",
        f"""b: {{sh: 'echo b >> $LOG; cat ${{root}}/src/h > ${{out}}; echo "p: {named} {outside}" > ${{depfile}}', cwd: src,"""
        " in: [src/sub/x], out: p, depfile: p.d, pass: [LOG], workdir: fresh}"
        if case != "by its real name"
        else "",
    )
    both = ["a", "b"] if case != "by its real name" else ["a"]
    assert project.run() == both
    assert project.run() == []
    project.write("src/h", "2")
    assert project.run() == both
    outside.write_text("2")
    assert project.run() == both
    assert project.run() == []
    assert (project.folder / "o.d").exists()
    project.write("src/gone", "now")
    assert project.run() == ["a"]


def test_links_among_the_inputs_lead_where_they_do(project: Project) -> None:
    """W1."""
    project.write("src/real/f", "f")
    project.write("far/g", "g")
    for name, text in {
        "src/file": "real/f",
        "src/folder": "real",
        "src/far": "../far",
        "src/dangling": "nowhere",
        "src/up": "..",
        "src/self": ".",
        "lone": "far/g",
        "tree": "src",
    }.items():
        (project.folder / name).symlink_to(text)
    write(
        project,
        "a: {sh: 'cat src/file src/folder/f src/far/g lone src/self/real/f; readlink src/dangling;"
        " test -d src/up; test ! -e src/dangling', in: [src/, lone], stdout: o, workdir: fresh}",
        "b: {sh: 'cat tree/real/f tree/folder/f', in: tree/, stdout: p, workdir: {fresh: copy}}",
    )
    project.run()
    assert project.read("o") == "ffggfnowhere\n"
    assert project.read("p") == "ff"
    assert project.run() == []


def test_absolute_links_into_the_folder_lead_to_the_root_afterwards(project: Project) -> None:
    """W2."""
    project.write("a", "a")
    write(
        project,
        "a: {sh: 'echo x > d/x; ln -s $PWD/d/x d/l; ln -s $PWD/d/x l; ln -s ../a d/in', in: a, out: [d/, l], workdir: fresh}",
    )
    project.run()
    assert project.read("d/l") == project.read("l") == "x\n"
    assert project.read("d/in") == "a"
    assert project.run() == []


def test_outputs_may_lie_in_each_other(project: Project) -> None:
    """W2."""
    outs = "{x: d/x, all: d/, e: d/e/}"
    write(project, f"a: {{sh: 'cp i d/x; cp i d/e/y; cp i d/z', in: i, out: {outs}, workdir: fresh}}")
    for text in ("1", "2"):
        project.write("i", text)
        assert project.treadle("run").code == 0
        assert [project.read(f"d/{name}") for name in ("x", "e/y", "z")] == [text] * 3
        assert project.run() == []
    assert not (project.folder / ".treadle/replaced").exists()


def kill_one(project: Project) -> None:
    """Kill a run while its action runs."""
    write(project, "b: {sh: 'touch began; exec tail -f /dev/null', out: began}")
    run = project.start("run", "b")
    wait_until((project.folder / "began").exists)
    run.send_signal(signal.SIGKILL)
    run.communicate()


def killed_run(project: Project) -> str:
    """Return the id of the run that was killed."""
    store = Store(str(project.folder))
    store.load()
    ((run, _),) = store.killed_runs()
    return run


@pytest.mark.parametrize("link", ["", "/a", "/.old", "/.beside", "/.old/RUN", "/.beside/RUN", "/.old/RUN/a"])
def test_links_in_the_place_of_its_folders_lead_nowhere(project: Project, link: str) -> None:
    """W2: what a checkout has brought."""
    wait = "touch ${root}/began; test -e ${root}/go || exec tail -f /dev/null"
    write(project, f"a: {{sh: 'cp i d/x; {wait}', in: i, out: d/, workdir: {{fresh: copy}}}}")
    project.write("i", "1")
    victim = project.folder.parent / "victim"
    names = ("a", "d/x", ".old/a/d/x", ".beside/a", "x") if link != "" else ("a/b", ".old/a/d/x", ".beside/a", "x")
    for name in names:
        (victim / name).parent.mkdir(parents=True, exist_ok=True)
        (victim / name).write_text("mine")
    run = project.start("run")
    wait_until((project.folder / "began").exists)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    place = project.folder / f"{WORK}{link.replace('RUN', killed_run(project))}"
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(project.folder / "away")
    place.symlink_to(victim)
    project.write("go", "")
    # the second one moves a folder away
    for text in ("1", "2", "3"):
        project.write("i", text)
        assert project.treadle("run").code == 0
        assert project.read("d/x") == text
    assert [(victim / name).read_text() for name in names] == ["mine"] * len(names)
    assert sorted(str(one.relative_to(victim)) for one in victim.rglob("*") if one.is_file()) == sorted(names)


NAMES = ("build", "Build", "build.old", "bÄuild", "_x", "x" * 180)


def test_names_that_are_nearly_the_same_have_folders_of_their_own(project: Project) -> None:
    """W1."""
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        + "".join(
            f"  {name}: {{sh: 'echo {number} > ${{out}}; exit 1', out: o{number}, workdir: fresh}}\n"
            for number, name in enumerate(NAMES)
        ),
    )
    assert project.treadle("run", "-k").code == 1
    assert len(left(project)) == len(NAMES)
    found = {path.name: path.read_text() for path in (project.folder / WORK).glob("*/o*")}
    assert found == {f"o{number}": f"{number}\n" for number in range(len(NAMES))}


@pytest.mark.parametrize(("file", "name"), [("other.yaml", "a"), ("other.yaml", "b+a"), ("other.yaml+b", "a")])
def test_actions_of_other_plans_have_folders_and_logs_of_their_own(project: Project, file: str, name: str) -> None:
    """W1."""
    plans = {"treadle.yaml": f"{file}+{name}", file: name, "other.yaml+b+a": "c"}
    for number, (path, one) in enumerate(plans.items()):
        text = f"treadle: 1\nactions:\n  {one}: {{sh: 'echo {number} | tee o{number}; exit 1', out: o{number}, workdir: fresh}}\n"
        (project.folder / path).write_text(text)
        assert project.treadle("-f", path, "run", "-k").code == 1
    assert len(left(project)) == len(plans)
    assert [project.treadle("-f", path, "log", one).out for path, one in plans.items()] == ["0\n", "1\n", "2\n"]


def test_outputs_are_inputs_of_others_and_guards_run_in_the_root(project: Project) -> None:
    """W1, W2."""
    project.write("undeclared", "u")
    project.write("a", "a")
    write(
        project,
        "a: {sh: 'cp a g/x; cp a h', in: a, out: [g/, h], workdir: fresh, require: [test -e undeclared]}",
        "b: {sh: 'cat g/x h > ${out}; test ! -e a', in: [g/, h], out: o, workdir: fresh}",
        "c: {sh: 'cat ${in} > ${out}', in: {from: b}, out: p}",
        "check: {sh: 'test -e p; test ! -e o', in: p, workdir: fresh}",
    )
    assert project.treadle("run", "check", "c").code == 0
    assert project.read("p") == "aa"
    assert left(project) == []
    project.write("a", "b")
    assert project.treadle("run", "check").code == 0
    assert project.read("p") == "bb"
    assert project.treadle("clean", "--all").code == 0
    assert not any((project.folder / name).exists() for name in ("g", "h", "o", "p"))


def test_an_installed_tree_is_judged_by_presence_and_read_as_a_whole(project: Project) -> None:
    """W1, W2."""
    project.write("lock", "1")
    install = "install: {sh: 'echo i >> $LOG; mkdir -p m/p/bin; cp lock m/p/v; cp lock m/p/bin/run', in: lock,"
    write(
        project,
        install + " out: {path: m/, check: presence}, pass: [LOG], workdir: fresh}",
        "use: {sh: 'echo u >> $LOG; cat m/p/v > ${out}', in: m/, out: o, pass: [LOG], workdir: fresh}",
        "copy: {sh: 'echo c >> $LOG; cat m/p/v > ${out}', in: m/, out: p, pass: [LOG], workdir: {fresh: copy}}",
    )
    assert project.run() == ["c", "i", "u"]
    assert project.run() == []
    project.write("lock", "2")
    assert project.run() == ["c", "i", "u"]
    assert (project.read("o"), project.read("p")) == ("2", "2")


def test_an_input_in_an_output_folder_is_refused(project: Project) -> None:
    project.write("d/x", "x")
    write(project, "a: {sh: 'cat d/x > d/y', in: d/x, out: d/, workdir: fresh}")
    done = project.treadle("run")
    assert done.code in (1, 2)
    assert "d/x" in done.text
    assert project.read("d/x") == "x"


def test_outputs_on_another_file_system_are_copied_beside_their_places(project: Project, other_disk: Path) -> None:
    """W2."""
    (project.folder / "o").symlink_to(other_disk)
    project.write("a", "1")
    write(
        project,
        "a: {sh: 'mkdir o/d/s; cp a o/d/s/x; ln -s x o/d/s/l; cp a o/f; chmod 755 o/f; ln -s f o/l', in: a,"
        " out: [o/d/, o/f, o/l], workdir: {fresh: copy}}",
    )
    for text in ("1", "2"):
        project.write("a", text)
        assert project.treadle("run").code == 0
        assert (project.read("o/d/s/l"), project.read("o/l")) == (text, text)
        assert os.access(other_disk / "f", os.X_OK)
        assert sorted(os.listdir(other_disk)) == ["d", "f", "l"]
        assert project.run() == []
    assert not any((project.folder / WORK / ".beside").iterdir())
    assert not any((project.folder / WORK / ".old").rglob("*"))
    # what a kill has left beside them goes with the next run, a folder that was moved away is not lost
    (other_disk / ".f.00.treadle-new").write_text("half")
    (other_disk / ".d.00.treadle-old").mkdir()
    (other_disk / ".d.00.treadle-old/x").write_text("old")
    texts = [f"{project.folder}/o/{name}" for name in (".f.00.treadle-new", "f", ".d.00.treadle-old", "d")]
    kill_one(project)
    project.write(f"{WORK}/.beside/{killed_run(project)}/a", "".join(f"{text}\0" for text in texts))
    write(project, "c: {run: touch p, out: p}")
    assert project.treadle("run", "c").code == 0
    assert sorted(os.listdir(other_disk)) == ["d", "f", "l"]
    assert project.read(".treadle/replaced/a/o/d/x") == "old"


BROUGHT = {
    "a folder that was moved away": (".old/a/d/x", "theirs"),
    "such a folder behind a link": (".old/a", None),
    "such a folder of a run": (".old/0123456789abcdef/a", None),
    "a copy beside a place": (".beside/a", "V/copy.treadle-new\0V/copy\0"),
    "a copy of a run": (".beside/0123456789abcdef/a", "V/copy.treadle-new\0V/copy\0"),
    "a folder beside a place": (".beside/a", "V/d.treadle-old\0P/d\0"),
    "a link beside a place": (".beside/a", "V/l.treadle-old\0P/d\0"),
}


@pytest.mark.parametrize("case", BROUGHT)
def test_what_a_checkout_brings_is_nothing_that_a_killed_run_has_left(project: Project, case: str) -> None:
    """W2: a run tidies up what the run before it says of itself, and believes no file that was there before."""
    path, text = BROUGHT[case]
    victim = project.folder.parent / "victim"
    (victim / "d.treadle-old").mkdir(parents=True)
    (victim / "l.treadle-old").symlink_to("d")
    files = ("copy.treadle-new", "d.treadle-old/x", "d/x")
    for name in files:
        (victim / name).parent.mkdir(exist_ok=True)
        (victim / name).write_text("mine")
    if text is None:
        (project.folder / WORK / path).parent.mkdir(parents=True)
        (project.folder / WORK / path).symlink_to(victim)
    else:
        project.write(f"{WORK}/{path}", text.replace("V/", f"{victim}/").replace("P/", f"{project.folder}/"))
    kill_one(project)
    write(project, "a: {sh: 'cp i d/x', in: i, out: d/, workdir: {fresh: copy}}")
    for content in ("1", "2", "3"):
        project.write("i", content)
        assert project.treadle("run").code == 0
        assert project.read("d/x") == content
    assert [(victim / name).read_text() for name in files] == ["mine"] * len(files)
    assert sorted(os.listdir(victim)) == ["copy.treadle-new", "d", "d.treadle-old", "l.treadle-old"]


NESTED = {
    "a folder": ("[d/, d/e/]", "d/e/x", "d/e/y"),
    "a deeper folder": ("[d/, d/e/f/]", "d/e/f/x", "d/e/f/y"),
    "a file": ("[d/, d/e/x]", "d/e/x", "d/e/y"),
    "a folder and a file": ("[d/, d/e/, d/e/x]", "d/e/x", "d/e/y"),
    "a file that the folder does not count": ("[{path: d/, exclude: [e/x]}, d/e/x]", "d/e/x", "d/e/y"),
}


@pytest.mark.parametrize("mine", ["d/mine", "d/e/mine", "d/e/f/mine"])
@pytest.mark.parametrize("case", NESTED)
def test_outputs_in_each_other_are_all_there_beside_files_of_a_user(project: Project, case: str, mine: str) -> None:
    """W2."""
    out, same, other = NESTED[case]
    write(
        project,
        f"a: {{sh: 'mkdir -p d/e/f; echo same > {same}; cp i {other}', in: i, out: {out}, workdir: {{fresh: copy}}}}",
    )
    for text in ("1", "2", "3"):
        project.write("i", text)
        done = project.treadle("run")
        assert (done.code, project.read(same), project.read(other)) == (0, "same\n", text), done.text
        project.write(mine, "mine")
    assert project.read(mine) == "mine"
    assert not (project.folder / ".treadle/replaced").exists()


def test_what_exclude_leaves_out_of_an_output_folder_stays_and_is_not_taken(project: Project) -> None:
    """W2: what a user has there stays as it is; what the attempt makes of it is none of the output."""
    write(
        project,
        "a: {sh: 'mkdir d/cache; for n in x x.tmp CNAME cache/y; do cp i d/$n; done', in: i,"
        " out: {path: d/, exclude: ['*.tmp', CNAME, cache/]}, workdir: {fresh: copy}}",
    )
    for text in ("1", "2"):
        project.write("i", text)
        assert project.treadle("run").code == 0
        assert os.listdir(project.folder / "d") == ["x"]
    project.write("d/CNAME", "mine")
    project.write("d/cache/z", "mine")
    for text in ("3", "4"):
        project.write("i", text)
        assert project.treadle("run").code == 0
        assert [project.read(f"d/{name}") for name in ("x", "CNAME", "cache/z")] == [text, "mine", "mine"]
        assert sorted(os.listdir(project.folder / "d")) == ["CNAME", "cache", "x"]
        assert project.run() == []
    assert not (project.folder / ".treadle/replaced").exists()


def test_a_file_that_comes_to_an_output_folder_in_the_first_run_is_none_of_ours(project: Project) -> None:
    """W2: the next run would remove it."""
    project.write("a", "1")
    (project.folder / "d").mkdir()
    write(
        project,
        "a: {sh: 'touch ${root}/began; while test ! -e ${root}/go; do :; done; cp a d/x', in: a, out: d/, workdir: {fresh: copy}}",
    )
    run = project.start("run")
    wait_until((project.folder / "began").exists)
    project.write("d/mine", "mine")
    project.write("go", "")
    assert run.wait(60) == 0
    run.communicate()
    project.write("a", "2")
    assert project.treadle("run").code == 0
    assert (project.read("d/x"), project.read("d/mine")) == ("2", "mine")


BEHIND = {
    "a file": ("rmdir d; ln -s ${root}/src d", "d/x"),
    "a folder": ("rm -r d; ln -s ${root}/src d", "d/q/"),
    "a file in an output folder": ("rmdir d/e; ln -s ${root}/src d/e", "[d/, d/e/x]"),
    "its folder": ("mv ../a ../b; ln -s ${root}/src ../a", "x"),
}


@pytest.mark.parametrize("case", BEHIND)
def test_a_file_that_its_folder_only_links_to_is_no_output(project: Project, case: str) -> None:
    """W2: to rename it would take it from the user."""
    script, out = BEHIND[case]
    project.write("src/x", "mine")
    project.write("src/q/z", "mine")
    write(project, f"a: {{sh: '{script}', out: {out}, workdir: fresh}}")
    done = project.treadle("run")
    assert (done.code, "is below a link that leads out of its folder" in done.text) == (1, True), done.text
    assert (project.read("src/x"), project.read("src/q/z")) == ("mine", "mine")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("place", ["d/m", "m"])
@pytest.mark.parametrize("code", [0, 1])
def test_what_is_mounted_in_its_folder_is_neither_taken_nor_changed(
    project: Project, place: str, code: int
) -> None:
    """W2."""
    victim = project.folder.parent / "victim"
    for name in ("ro", "empty"):
        (victim / name).mkdir(parents=True)
    (victim / "x").write_text("mine")
    (victim / "x.tmp").write_text("mine")
    (victim / "ro").chmod(0o555)
    write(
        project,
        f"a: {{sh: 'mkdir {place}; mount --bind {victim} {place} || exit 9; exit {code}',"
        " out: {path: d/, exclude: ['*.tmp']}, workdir: fresh}",
    )
    try:
        done = project.treadle("run")
        if "exit code 9" in done.text:
            pytest.skip("nothing can be mounted here")
        assert done.code == 1
        assert (f"{place} is mounted in its folder" in done.text) == (code == 0), done.text
        assert "cannot be removed" in project.treadle("run").text
        assert sorted(os.listdir(victim)) == ["empty", "ro", "x", "x.tmp"]
        assert (victim / "ro").stat().st_mode & 0o777 == 0o555
        assert not (project.folder / "d").exists()
    finally:
        for folder in (project.folder / WORK / "a", project.folder):
            subprocess.run(["umount", str(folder / place)], check=False, capture_output=True)


def test_links_in_a_folder_that_an_output_leads_to_are_left(project: Project) -> None:
    """W2."""
    (project.folder / "src").mkdir()
    text = str(project.folder / WORK / "a/i")
    (project.folder / "src/l").symlink_to(text)
    write(project, "a: {sh: 'rmdir d; ln -s ${root}/src d', out: d/, workdir: fresh}")
    assert project.treadle("run").code == 0
    assert os.readlink(project.folder / "src/l") == text


@pytest.mark.parametrize("name", ["x" * 255, "\u4e2d" * 85, "\u00e4" * 127])
def test_a_name_may_be_as_long_as_it_can_be_on_another_file_system(
    project: Project, other_disk: Path, name: str
) -> None:
    """W2: a file system counts bytes."""
    (project.folder / "o").symlink_to(other_disk)
    write(project, f"a: {{sh: 'cp i o/{name}', in: i, out: o/{name}, workdir: {{fresh: copy}}}}")
    for text in ("1", "2"):
        project.write("i", text)
        assert project.treadle("run").code == 0
        assert (os.listdir(other_disk), project.read(f"o/{name}")) == ([name], text)


@pytest.mark.parametrize("mine", [True, False])
def test_an_output_that_can_only_be_put_there_in_part_is_not_put_there(
    project: Project, other_disk: Path, mine: bool
) -> None:
    """W2: what is there of it would be taken for files of the user."""
    (project.folder / "o").symlink_to(other_disk)
    if mine:
        project.write("o/d/mine", "mine")
    write(
        project,
        "a: {sh: 'cp i o/d/a; test $(cat i) = 2 || mkfifo o/d/p', in: i, out: o/d/, workdir: {fresh: copy}}",
    )
    for text, code in (("1", 1), ("2", 0), ("3", 1)):
        project.write("i", text)
        done = project.treadle("run")
        assert done.code == code, done.text
        assert "None" not in done.text
        assert ("named pipe" in done.text) == bool(code)
        found = sorted(str(one.relative_to(other_disk)) for one in other_disk.rglob("*") if one.is_file())
        old = ["d/a"] if text == "2" or (text == "3" and not mine) else []
        assert found == old + (["d/mine"] if mine else [])
