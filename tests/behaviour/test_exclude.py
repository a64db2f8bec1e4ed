"""Folders that are read with `exclude`: what counts, what waits for what, and that all ways to decide agree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from watched import READY, Watched

if TYPE_CHECKING:
    from pathlib import Path

    from project import Project

PLAN = """
treadle: 1
defaults: {pass: [LOG]}
vars:
  named: {tree: src/, exclude: ["*.log", gen/]}
actions:
  read:
    sh: echo read >> $LOG; ls -R ${in} > ${out}
    in: {tree: src/, exclude: ["*.log", gen/, "/old/*.c"]}
    out: o/read
  whole:
    sh: echo whole >> $LOG; ls -R ${in} > ${out}
    in: src/
    out: o/whole
  both:
    sh: echo both >> $LOG; ls -R ${in.s} ${in.d} > ${out}
    in: {s: "${named}", d: [{tree: [data/], exclude: "*"}, src/deep/kept.log]}
    out: o/both
"""
FILES = ("src/a.c", "src/deep/b.c", "src/deep/kept.log", "src/gen/g.c", "src/old/o.c", "src/deep/old/o.c", "data/d")

CHANGES = {
    "nothing": ("true", ""),
    "a file that counts": ("echo 2 > src/a.c", "both read whole"),
    "a new file that counts": ("echo 2 > src/deep/new.c", "both read whole"),
    "a file that is gone": ("rm src/a.c", "both read whole"),
    "an excluded file": ("echo 2 > src/x.log", "whole"),
    "an excluded file in a deep folder": ("echo 2 > src/deep/x.log", "whole"),
    "an excluded file that an input names": ("echo 2 > src/deep/kept.log", "both whole"),
    "an excluded file is edited": ("echo 2 > src/gen/g.c", "whole"),
    "an excluded folder is removed": ("rm -r src/gen", "whole"),
    "a folder of the excluded name elsewhere": ("mkdir src/deep/gen; echo 1 > src/deep/gen/x", "whole"),
    "a file of the name of an excluded folder": ("rm -r src/gen; echo 1 > src/gen", "both read whole"),
    "a pattern that begins at the folder": ("echo 2 > src/old/o.c", "both whole"),
    "the same name in a deeper folder": ("echo 2 > src/deep/old/o.c", "both read whole"),
    "a hidden name, which * does not take": ("echo 2 > src/.x.log", "both read whole"),
    "all of a folder is excluded": ("echo 2 > data/e", ""),
    "a link to what is excluded": ("ln -s gen src/link", "both read whole"),
    "a link of an excluded name": ("ln -s ../data src/l.log", "whole"),
    "what an excluded link leads to": ("ln -s ../data src/l.log; echo 2 > data/d", "whole"),
    "litter": ("mkdir src/__pycache__; touch src/__pycache__/x src/a.c~ src/.DS_Store", ""),
    "caches of tools": ("for n in mypy pytest ruff; do mkdir src/.${n}_cache; touch src/.${n}_cache/x; done", ""),
    "litter beside what counts": ("touch src/a.c~; echo 2 > src/a.c", "both read whole"),
}


@pytest.fixture
def made(project: Project) -> Project:
    for name in FILES:
        project.write(name, "1\n")
    project.write("plan", PLAN)
    assert project.run() == ["both", "read", "whole"]
    return project


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_excluded_does_not_count(change: str, made: Project) -> None:
    script, runs = CHANGES[change]
    made.run_shell(script)
    # it walks over the whole plan, and the run looks at the snapshot alone
    would = json.loads(made.treadle("status", "--json").out)["actions"]
    assert sorted(one["name"] for one in would if one["decision"] == "run") == runs.split()
    assert made.run() == runs.split()
    assert "nothing to do" in made.treadle("run").out


PATTERNS = {
    "another pattern": ('"*.log"', '"*.lag"', "read"),
    "one more": ("gen/, ", "gen/, new, ", "read"),
    "one fewer": (', "/old/*.c"', "", "read"),
    "another order": ('"*.log", gen/, "/old', 'gen/, "*.log", "/old', ""),
    "one of them twice": ('"*.log", gen/, "/old', '"*.log", "*.log", gen/, "/old', ""),
    "none": ('{tree: src/, exclude: ["*.log", gen/, "/old/*.c"]}', "src/", "read"),
    "an empty list": ('["*.log", gen/, "/old/*.c"]', "[]", "read"),
    "of a var": ('named: {tree: src/, exclude: ["*.log"', 'named: {tree: src/, exclude: ["*.lag"', "both"),
}


@pytest.mark.parametrize("edit", PATTERNS)
def test_another_exclude_is_another_action(edit: str, made: Project) -> None:
    old, new, runs = PATTERNS[edit]
    text = made.read("treadle.yaml")
    assert old in text
    made.write("plan", text.replace(old, new, 1) if "var" in edit else new.join(text.rsplit(old, 1)))
    assert made.run() == runs.split()
    assert made.run() == []


def test_why_names_the_exclude(made: Project) -> None:
    assert "1 folder with exclude (src/)" in made.treadle("why", "read").out
    made.write("plan", made.read("treadle.yaml").replace('"/old/*.c"', '"/old/*.h"'))
    said = made.treadle("why", "read").out
    assert "  exclude src/ changed\n    '*.log' '/old/*.c' gen/ -> '*.log' '/old/*.h' gen/" in said


def test_list_files_names_what_does_not_count(made: Project) -> None:
    said = made.treadle("list", "--files", "read").out
    assert "src/  no action makes it, without *.log /old/*.c gen/" in said
    assert said.endswith(
        "do not count: "
        "__pycache__/ .treadle/ .mypy_cache/ .pytest_cache/ .ruff_cache/ "
        ".*.sw[a-p] .#?* #?*# ?*~ .?*~ .~lock.*# .DS_Store\n"
    )
    data = json.loads(made.treadle("list", "--files", "--json").out)
    assert data["litter"][0] == "__pycache__/"
    of_read = next(one for one in data["actions"] if one["name"] == "read")["files"]["inputs"]
    assert of_read[0]["exclude"] == ["*.log", "/old/*.c", "gen/"]


def test_what_the_action_itself_writes_there_is_no_change_of_its_input(project: Project) -> None:
    project.write("src/a", "1\n")
    plan = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  a: {sh: "echo a >> $LOG; mkdir -p src/a.egg-info; echo $$ > src/a.egg-info/x; touch src/a.log; cat src/a > ${out}",
      in: {tree: src/, exclude: ["*.egg-info/", "*.log"]}, out: o/a}
"""
    project.write("plan", plan)
    assert project.run() == ["a"]
    assert project.run() == []
    # what it does not exclude is, and all of it again and again
    project.write("plan", plan.replace(', "*.log"', ""))
    assert project.run() == ["a"]
    (project.folder / "src/a.log").unlink()
    assert "a is not recorded" in project.treadle("run").err


OUTPUTS = {
    # exclude, output of the other action, whether it counts
    "a pattern with a wildcard": ('"*.c"', "src/g.c", True),
    "a folder by a wildcard": ('"*-info/"', "src/a-info/x", True),
    "an output folder by a wildcard": ('"*-info/"', "src/a-info/", True),
    "its name": ("g.c", "src/g.c", False),
    "a folder around it": ("gen/", "src/gen/deep/g.c", False),
    "a folder around it at any depth": ('"**/gen/"', "src/a/gen/g.c", False),
    "all in a folder": ('"gen/**"', "src/gen/g.c", False),
    "an output folder": ("gen/", "src/gen/", False),
    "nothing of it": ('"*.h"', "src/g.c", True),
    "litter": ("nothing", "src/g~", True),
    "litter, without exclude": ("", "src/g~", True),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_an_output_of_another_action_counts_unless_it_is_left_out_by_its_name(case: str, project: Project) -> None:
    exclude, output, counts = OUTPUTS[case]
    path = "${out}/x" if output.endswith("/") else "${out}"
    # a folder that comes to be is a name that counts
    (project.folder / output).parent.mkdir(parents=True)
    project.write("src/f", "1\n")
    project.write("n", "1\n")
    tree = f"{{tree: src/, exclude: [{exclude}]}}" if exclude else "src/"
    plan = f"""
treadle: 1
defaults: {{pass: [LOG]}}
actions:
  read: {{sh: "echo read >> $LOG; ls -R src > ${{out}}", in: {tree}, out: o/read}}
  make: {{sh: "echo make >> $LOG; cat n > {path}", in: n, out: "{output}"}}
"""
    project.write("plan", plan)
    # one at a time: without an edge they start in the order of the plan
    assert project.run("-j1") == ["make", "read"]
    assert (project.starts()[0] == "make") == counts
    assert project.run() == []
    project.write("n", "2\n")
    assert project.run() == (["make", "read"] if counts else ["make"])
    assert project.run() == []
    assert ("made by make" in project.treadle("list", "--files", "read").out) == counts


def test_an_own_output_that_is_excluded_is_not_read(project: Project) -> None:
    project.write("src/a", "1\n")
    plan = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  a: {sh: "echo a >> $LOG; touch ${out}", in: {tree: src/, exclude: ["*.gen", out/]}, out: [src/a.gen, src/out/b]}
"""
    project.write("plan", plan)
    assert project.run() == ["a"]
    assert project.run() == []
    project.write("plan", plan.replace('"*.gen"', "other"))
    assert "a reads its own output src/a.gen" in project.treadle("run").err


def test_what_another_action_edits_is_waited_for_only_if_it_counts(project: Project) -> None:
    for name in ("src/a.c", "src/a.h"):
        project.write(name, "1\n")
    project.write(
        "plan",
        """
treadle: 1
defaults: {pass: [LOG]}
actions:
  read: {sh: "echo read >> $LOG; cat src/*.h > ${out}", in: {tree: src/, exclude: "*.c"}, out: o/read}
  format: {sh: "echo format >> $LOG; echo 2 > src/a.c", edits: src/a.c}
  own: {sh: "echo own >> $LOG", in: {tree: src/, exclude: ["*.h", a.c]}, edits: src/a.h}
""",
    )
    assert project.run("own", "read") == ["own", "read"]
    assert project.run("format") == ["format"]
    assert project.run() == []


ERRORS = {
    "{tree: src, exclude: x}": "a tree is a folder, and src has no / at its end",
    "{tree: src/a.c, exclude: x}": "a tree is a folder, and src/a.c has no / at its end",
    '{tree: "s*/", exclude: x}': "a tree with exclude or check is a folder, not a pattern",
    "{tree: none/, exclude: x}": "the input none/ does not exist and no action makes it",
    '{tree: src/, exclude: "!x"}': "invalid pattern in exclude: it begins with !",
    "{tree: src/, exclude: ../x}": "invalid pattern in exclude: it is relative to its folder",
    '{tree: src/, exclude: "[x"}': "invalid pattern in exclude: a [ without its ]",
    '{tree: src/, exclude: "**"}': "invalid pattern in exclude: it leaves out the whole folder",
    "{tree: src/, exlude: x}": "a tree has no key 'exlude'",
    "[{tree: src/, exclude: x}, src/]": "reads src/ twice, with another exclude",
    "[src/, {tree: src/, exclude: x}]": "reads src/ twice, with another exclude",
    "[{tree: src/, exclude: y}, {tree: ./src/, exclude: x}]": "reads src/ twice, with another exclude",
    "{a: src/, b: {tree: src/, exclude: x}}": "reads src/ twice, with another exclude",
    "[{trea: src/}]": "did you mean tree?",
}


@pytest.mark.parametrize("read", ERRORS)
def test_what_cannot_be_meant_is_refused(read: str, project: Project) -> None:
    project.write("src/a.c", "1\n")
    project.write("plan", f"treadle: 1\nactions:\n  a: {{run: touch o, in: {read}, out: o}}\n")
    done = project.treadle("run")
    assert done.code == 2
    assert ERRORS[read] in done.err
    assert "treadle.yaml:3:" in done.err


@pytest.mark.parametrize("key", ["edits: {tree: src/, exclude: x}", "out: o, foreach: {x: {tree: src/}}"])
def test_only_in_takes_a_tree(key: str, project: Project) -> None:
    project.write("src/a.c", "1\n")
    project.write("plan", f"treadle: 1\nactions:\n  a: {{run: touch o, {key}}}\n")
    assert project.treadle("run").code == 2


MEANINGS = {
    # in -> ${in}
    "{tree: src/, exclude: x}": "x src/y",
    "{tree: src/}": "x src",
    "{tree: [src/], exclude: x}": "x src/y",
    "{tree: ['${two}'], exclude: x}": "x src data/y",
    "[{tree: src/, exclude: x}, data/]": "x src data/y",
}


@pytest.mark.parametrize("read", MEANINGS)
def test_in_a_command_a_tree_is_its_folder(read: str, project: Project) -> None:
    for name in ("src/a.c", "data/d"):
        project.write(name, "1\n")
    top = "treadle: 1\nvars: {two: [src/, data/]}\nactions:\n"
    if MEANINGS[read] == "x src/y" and "[" not in read:
        project.write("plan", f'{top}  a: {{sh: "echo x${{in}}/y > ${{out}}", in: {read}, out: o}}\n')
        project.treadle("run")
        assert project.read("o") == "xsrc/y\n"
        return
    project.write("plan", f'{top}  a: {{sh: "echo x ${{in}} > ${{out}}", in: {read}, out: o}}\n')
    assert project.treadle("run").code == 0
    assert project.read("o") == MEANINGS[read].replace("/y", "") + "\n"


def test_an_included_plan_means_its_own_folders(project: Project) -> None:
    project.write("lib/src/a.c", "1\n")
    project.write("lib/src/gen/x", "1\n")
    project.write("plan", "treadle: 1\ninclude: [lib/plan.yaml]\nactions: {b: {run: 'true', in: treadle.yaml}}\n")
    project.write(
        "lib/plan.yaml",
        "treadle: 1\ndefaults: {pass: [LOG]}\nvars: {g: gen}\nactions:\n"
        '  a: {sh: "echo a >> $LOG; ls ${in} > ${out}", in: {tree: src/, exclude: "/${g}/"}, out: o}\n',
    )
    assert project.run("lib") == ["a"]
    project.write("lib/src/gen/x", "2\n")
    assert project.run("lib") == []
    project.write("lib/src/b.c", "2\n")
    assert project.run("lib") == ["a"]


def test_adopt_and_a_moved_folder_keep_it(made: Project) -> None:
    made.treadle("forget", "read")
    assert made.treadle("adopt", "read").code == 0
    made.run_shell("echo 2 > src/gen/g.c")
    assert made.run("read") == []
    made.folder.rename(made.folder.parent / "moved")
    made.folder = made.folder.parent / "moved"
    made.run_shell("echo 3 > src/gen/g.c")
    assert made.run("read") == []
    made.run_shell("echo 3 > src/a.c")
    assert made.run("read") == ["read"]


def test_a_watcher_does_not_wake_for_what_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "src/deep").mkdir(parents=True)
    (tmp_path / "src/a.c").write_text("1\n")
    (tmp_path / "fence").write_text("1\n")
    (tmp_path / "treadle.yaml").write_text(
        """
treadle: 1
actions:
  tree: {sh: "ls ${in} > ${out}", in: {tree: src/, exclude: ["*.log", gen/]}, out: o/tree}
  fence: {sh: "cat ${in} > ${out}", in: fence, out: o/fence}
"""
    )
    watched = Watched(tmp_path)
    watched.until(READY)
    for number in range(2, 5):
        (tmp_path / "src/a.log").write_text(f"{number}\n")
        (tmp_path / "src/gen").mkdir(exist_ok=True)
        (tmp_path / "src/gen/x.c").write_text(f"{number}\n")
        (tmp_path / f"src/deep/{number}.log").write_text(f"{number}\n")
        (tmp_path / "src/a.c~").write_text(f"{number}\n")
        (tmp_path / "fence").write_text(f"{number}\n")
        assert watched.round() == ["changed: fence", "ran fence", "1 run, 1 up to date in"]
    (tmp_path / "src/deep/b.c").write_text("2\n")
    assert watched.round()[:2] == ["changed: src/deep/b.c", "ran tree"]
    assert watched.end() == 130
