"""In the folder of a plan that a plan above includes, that plan is used, and its part of it is run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from project import Project, wait_until

ALONE = "treadle: 1\nactions: {one: {run: 'touch ${out}', out: out/one}}\n"
MEMBER = """
treadle: 1
groups: {checks: [test]}
actions:
  build: {sh: "echo MARK-build >> $LOG; cat ${in} > ${out}", in: src.txt, out: out/lib, pass: [LOG]}
  test: {sh: "echo MARK-test >> $LOG", in: out/lib, pass: [LOG]}
  each: {foreach: {part: [a, b]}, sh: "echo MARK-each >> $LOG; echo ${part} > ${out}", out: "out/${part}", pass: [LOG]}
"""
APP = """
treadle: 1
default: [link]
actions:
  link: {sh: "echo app-link >> $LOG; cat ${in} > ${out}", in: ../lib/out/lib, out: out/app, pass: [LOG]}
  pack: {sh: "echo app-pack >> $LOG; cat ${in} > ${out}", in: out/app, out: out/pack, pass: [LOG]}
"""
TOP = """
treadle: 1
include: [lib/treadle.yaml, app/treadle.yaml]
actions:
  all: {sh: "echo all >> $LOG", needs: [lib, app], pass: [LOG]}
"""


def including(*files: str) -> str:
    return f"treadle: 1\ninclude: [{', '.join(files)}]\n"


class Workspace:
    """A folder with a plan that includes two others, and the command in each of its folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.top = Project(folder)
        self.log = folder.parent / f"{folder.name}.starts"
        (folder / ".git").mkdir()
        self.top.write("plan", TOP)
        self.top.write("lib/treadle.yaml", MEMBER.replace("MARK", "lib"))
        self.top.write("app/treadle.yaml", APP)
        self.top.write("lib/src.txt", "one")

    def at(self, place: str) -> Project:
        """Return the project whose command is called in a folder of it."""
        found = Project(self.folder / place)
        found.log = self.log
        found.environ["LOG"] = str(self.log)
        return found


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "space")


def taken(project: Project, *arguments: str, **environ: str) -> str:
    """Return the plan that a call in this folder uses, as seen from the folder around all of them."""
    done = project.treadle("list", "--json", *arguments, **environ)
    assert done.code == 0, done.text
    return str(json.loads(done.out)["plan"])


CHAIN = {
    "treadle.yaml": including("mid/treadle.yaml"),
    "mid/treadle.yaml": including("lib/treadle.yaml"),
    "mid/lib/treadle.yaml": ALONE,
}


@pytest.mark.parametrize(
    ("files", "here", "expected"),
    [
        pytest.param(CHAIN, "mid/lib", "treadle.yaml", id="the topmost of a chain"),
        pytest.param(CHAIN, "mid", "treadle.yaml", id="a plan that includes others itself"),
        pytest.param(CHAIN, ".", "treadle.yaml", id="the top itself"),
        pytest.param(
            {
                **CHAIN,
                "treadle.yaml": including("mid/treadle.yaml", "mid/lib/treadle.yaml"),
                "mid/lib/treadle.yaml": "treadle: 1\nactions: {one: {run: echo}}\n",
            },
            "mid/lib", "treadle.yaml", id="included by two above",
        ),
        pytest.param({**CHAIN, "treadle.yaml": ALONE}, "mid/lib", "mid/treadle.yaml", id="the top includes nothing"),
        pytest.param(
            {**CHAIN, "mid/treadle.yaml": ALONE}, "mid/lib", "mid/lib/treadle.yaml", id="no one includes it"
        ),
        pytest.param({**CHAIN, "mid/lib/deep/file": ""}, "mid/lib/deep", "treadle.yaml", id="a folder below"),
        pytest.param({**CHAIN, "mid/.git/HEAD": ""}, "mid/lib", "mid/treadle.yaml", id="the top of a repository"),
        pytest.param({**CHAIN, "mid/lib/.git": "gitdir: x"}, "mid/lib", "mid/lib/treadle.yaml", id="a submodule"),
        pytest.param(
            {**CHAIN, "mid/treadle.yaml": including("{file: lib/treadle.yaml, as: core, optional: true}")},
            "mid/lib", "treadle.yaml", id="as, optional",
        ),
        pytest.param(
            {**CHAIN, "mid/treadle.yaml": including("lib/other.yaml"), "mid/lib/other.yaml": ALONE},
            "mid/lib", "mid/lib/treadle.yaml", id="another plan of its folder is included",
        ),
        pytest.param(
            {**CHAIN, "treadle.yaml": including("{file: none.yaml, optional: true}", "mid/treadle.yaml")},
            "mid/lib", "treadle.yaml", id="an optional one is missing beside it",
        ),
        pytest.param(
            {**CHAIN, "treadle.yaml": 'treadle: 1\n"inc\\x6cude": [mid/treadle.yaml]\n'},
            "mid/lib", "treadle.yaml", id="the key has an escape",
        ),
    ],
)  # fmt: skip
def test_the_topmost_plan_that_includes_the_nearest_one_is_taken(
    files: dict[str, str], here: str, expected: str, tmp_path: Path
) -> None:
    top = Project(tmp_path / "space")
    for name, text in files.items():
        top.write(name, text)
    assert taken(Project(top.folder / here)) == str(top.folder / expected)


@pytest.mark.parametrize(
    "words", [["-f", "treadle.yaml"], ["treadle.yaml"], ["-C", "..", "-f", "lib/treadle.yaml"]]
)
def test_a_plan_that_is_named_is_taken_alone(words: list[str], space: Workspace) -> None:
    assert taken(space.at("lib"), *words) == str(space.folder / "lib" / "treadle.yaml")
    assert taken(space.at("."), "-C", "lib") == str(space.folder / "treadle.yaml")


@pytest.mark.parametrize("how", ["link", "linked file"])
def test_a_plan_that_is_included_by_a_link_is_a_member(how: str, tmp_path: Path) -> None:
    top = Project(tmp_path / "space")
    top.write("plan", including("by/treadle.yaml"))
    top.write("lib/treadle.yaml", ALONE)
    if how == "link":
        (top.folder / "by").symlink_to("lib")
    else:
        (top.folder / "by").mkdir()
        (top.folder / "by" / "treadle.yaml").symlink_to("../lib/treadle.yaml")
    assert taken(Project(top.folder / "lib")) == str(top.folder / "treadle.yaml")


def test_no_plan_above_the_home_folder_is_taken(tmp_path: Path) -> None:
    top = Project(tmp_path / "space")
    for name, text in CHAIN.items():
        top.write(name, text)
    member = Project(top.folder / "mid" / "lib")
    assert taken(member, HOME=str(top.folder / "mid")) == str(top.folder / "mid" / "treadle.yaml")
    assert taken(member, HOME=str(top.folder)) == str(top.folder / "treadle.yaml")
    assert taken(member, HOME="") == str(top.folder / "treadle.yaml")


def test_no_plan_above_a_folder_of_others_is_taken_unless_it_is_named_as_safe(tmp_path: Path) -> None:
    top = Project(tmp_path / "space")
    for name, text in CHAIN.items():
        top.write(name, text)
    member = Project(top.folder / "mid" / "lib")
    (top.folder / "mid").chmod(0o777)
    assert taken(member) == str(top.folder / "mid" / "lib" / "treadle.yaml")
    assert taken(member, TREADLE_SAFE_FOLDERS=str(top.folder)) == str(top.folder / "treadle.yaml")


def selected(project: Project, *names: str) -> list[str]:
    done = project.treadle("list", "--json", *names)
    assert done.code == 0, done.text
    return sorted(one["name"] for one in json.loads(done.out)["actions"])


LIB = ["lib:build", "lib:each@a", "lib:each@b", "lib:test"]


@pytest.mark.parametrize(
    ("place", "names", "expected"),
    [
        ("lib", [], LIB),
        ("lib", ["build"], ["lib:build"]),
        ("lib", ["lib:build"], ["lib:build"]),
        ("lib", ["each"], ["lib:each@a", "lib:each@b"]),
        ("lib", ["each@a"], ["lib:each@a"]),
        ("lib", ["checks"], ["lib:test"]),
        ("lib", ["lib"], ["lib:build", "lib:each@a", "lib:each@b"]),
        ("lib", ["*"], LIB),
        ("lib", ["e*"], ["lib:each@a", "lib:each@b"]),
        ("lib", ["out/lib"], ["lib:build"]),
        ("lib", ["./out/lib"], ["lib:build"]),
        ("lib", ["out/?"], ["lib:each@a", "lib:each@b"]),
        ("lib", ["../app/out/app"], ["app:link"]),
        ("lib", ["lib/out/lib"], ["lib:build"]),
        ("lib", ["app:pack"], ["app:pack"]),
        ("lib", ["app:*"], ["app:link", "app:pack"]),
        ("lib", ["all"], ["all"]),
        ("lib/deep", [], LIB),
        ("lib/deep", ["build"], ["lib:build"]),
        ("lib/deep", ["out/lib"], ["lib:build"]),
        ("lib/deep", ["../out/lib"], ["lib:build"]),
        ("app", ["out/app"], ["app:link"]),
        (".", ["app/out/app"], ["app:link"]),
    ],
)
def test_a_name_is_of_the_member_first_and_then_of_the_whole_plan(
    place: str, names: list[str], expected: list[str], space: Workspace
) -> None:
    (space.folder / "lib" / "deep").mkdir()
    assert selected(space.at(place), *names) == expected


@pytest.mark.parametrize(
    ("place", "name", "words"),
    [
        ("lib", "pack", ["'pack'", "lib has none", "app:pack"]),
        ("app", "each@a", ["lib:each@a"]),
        ("lib", "bild", ["did you mean build?"]),
        ("lib", "nonsense", ["treadle list shows the names"]),
    ],
)
def test_a_name_that_only_another_part_has_is_an_error_with_its_whole_name(
    place: str, name: str, words: list[str], space: Workspace
) -> None:
    done = space.at(place).treadle("run", name)
    assert done.code == 2
    assert all(word in done.err for word in words), done.err


@pytest.mark.parametrize("command", ["status", "why", "log", "clean", "forget", "adopt", "graph"])
def test_each_command_says_the_whole_name(command: str, space: Workspace) -> None:
    done = space.at("lib").treadle(command, "pack")
    assert done.code == 2
    assert "app:pack" in done.err


def test_a_plan_that_is_included_twice_has_two_parts(tmp_path: Path) -> None:
    top = Project(tmp_path / "space")
    files = [f"{{file: lib/treadle.yaml, as: {one}, params: {{mode: {one}}}}}" for one in ("fast", "safe")]
    top.write("plan", including(*files))
    top.write(
        "lib/treadle.yaml",
        "treadle: 1\nparams: {mode: {default: none}}\nactions:\n"
        "  build: {run: 'touch ${out}', out: 'out/${mode}'}\n",
    )
    member = Project(top.folder / "lib")
    assert selected(member, "build") == ["fast:build", "safe:build"]
    assert member.treadle("run").code == 0
    assert sorted(os.listdir(top.folder / "lib" / "out")) == ["fast", "safe"]


def test_a_run_in_a_members_folder_runs_its_part_and_what_it_needs(space: Workspace) -> None:
    app, lib = space.at("app"), space.at("lib")
    assert app.run() == ["app-link", "lib-build"]
    assert lib.run() == ["lib-each", "lib-each"]
    assert lib.run("test") == ["lib-test"]
    space.top.write("lib/src.txt", "two")
    assert app.run() == ["app-link", "lib-build"]
    assert app.read("out/app") == "two"
    assert not (space.folder / "lib" / ".treadle").exists()
    assert space.at(".").run("app", "lib:each") == []


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_one_line_says_which_plan_is_used(quiet: list[str], space: Workspace) -> None:
    said = "treadle: treadle.yaml is used as a part of ../treadle.yaml; alone: -f treadle.yaml\n"
    lib = space.at("lib")
    cold, warm = lib.treadle("run", *quiet), lib.treadle("run", *quiet)
    space.top.write("lib/src.txt", "two")
    edited = lib.treadle("run", *quiet)
    elsewhere = space.at(".").treadle("run", "-C", "lib", *quiet)
    assert [cold.err, warm.err, edited.err, elsewhere.err] == [("" if quiet else said)] * 4
    assert space.at("app").treadle("run", "-f", "treadle.yaml").err == ""


def test_a_member_without_default_and_outputs_asks_for_names(space: Workspace) -> None:
    space.top.write("app/treadle.yaml", "treadle: 1\nactions: {serve: {run: echo}}\n")
    space.top.write("plan", including("lib/treadle.yaml", "app/treadle.yaml"))
    done = space.at("app").treadle("run")
    assert done.code == 2
    assert "no action was named, and treadle.yaml has no default" in done.err
    assert "its actions: serve" in done.err


def test_a_member_whose_default_is_disabled_has_nothing_to_do(space: Workspace) -> None:
    space.top.write(
        "app/treadle.yaml", "treadle: 1\nactions: {one: {run: x, out: y, when: env.NEVER == 'x', track: [NEVER]}}\n"
    )
    assert space.at("app").run() == []


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        pytest.param("treadle.yaml", "treadle: 1\ninclude: [lib/treadle.yaml\n", "treadle.yaml:", id="no YAML"),
        pytest.param("treadle.yaml", TOP + "  wrong: {rum: x}\n", "rum", id="a mistake in the plan above"),
        pytest.param("app/treadle.yaml", "treadle: 1\nactions: {a: {rum: x}}\n", "rum", id="in another member"),
        pytest.param("app/treadle.yaml", "treadle: 1\ninclude: [\n", "app/treadle.yaml", id="no YAML elsewhere"),
    ],
)
def test_a_plan_above_with_a_mistake_is_an_error_that_says_how_to_go_on(
    name: str, text: str, word: str, space: Workspace
) -> None:
    space.top.write(name, text)
    lib = space.at("lib")
    done = lib.treadle("run", "build")
    assert done.code == 2
    assert word in done.err
    assert "-f treadle.yaml" in done.err
    assert lib.run("-f", "treadle.yaml", "build") == ["lib-build"]


def test_a_plan_above_that_cannot_be_read_is_not_passed_over(space: Workspace) -> None:
    if os.geteuid() == 0:
        (space.folder / "treadle.yaml").unlink()
        (space.folder / "treadle.yaml").symlink_to("/proc/self/mem")
    else:
        (space.folder / "treadle.yaml").chmod(0)
    done = space.at("lib").treadle("run", "build")
    assert done.code in (0, 2)
    if done.code == 2:
        assert "-f treadle.yaml" in done.err


EDITS: dict[str, Callable[[Project], object]] = {
    "nothing": lambda top: None,
    "an input": lambda top: top.write("lib/src.txt", top.read("lib/src.txt") + "x"),
    "an output": lambda top: top.write("lib/out/lib", "edited"),
    "a command of the member": lambda top: top.write(
        "lib/treadle.yaml", top.read("lib/treadle.yaml").replace("cat ${in}", "cat ${in} ${in}")
    ),
    "a command of another": lambda top: top.write(
        "app/treadle.yaml", top.read("app/treadle.yaml").replace("cat ${in}", "cat ${in} ${in}")
    ),
    "it is no member": lambda top: top.write("plan", including("app/treadle.yaml")),
    "it is one again": lambda top: top.write("plan", TOP),
    "the plan above is gone": lambda top: (top.folder / "treadle.yaml").unlink(),
    "a plan further above": lambda top: (top.folder.parent / "treadle.yaml").write_text(
        including(f"{top.folder.name}/treadle.yaml")
    ),
    "no repository": lambda top: (top.folder / ".git").rmdir(),
    "a repository": lambda top: (top.folder / ".git").mkdir(),
    "a nearer plan": lambda top: top.write("lib/deep/treadle.yaml", ALONE),
    "no nearer plan": lambda top: (top.folder / "lib" / "deep" / "treadle.yaml").unlink(),
    "a repository in it": lambda top: (top.folder / "lib" / ".git").mkdir(),
    "none in it": lambda top: (top.folder / "lib" / ".git").rmdir(),
}
STORIES = [
    ["nothing", "an input", "nothing", "an output", "nothing", "a command of the member", "nothing", "an input"],
    ["a command of another", "an input", "it is no member", "nothing", "an input", "it is one again", "nothing"],
    ["the plan above is gone", "nothing", "an input", "it is one again", "nothing", "an input", "nothing"],
    [
        "a plan further above",
        "nothing",
        "no repository",
        "nothing",
        "an input",
        "nothing",
        "a repository",
        "nothing",
    ],
    ["a nearer plan", "nothing", "an input", "no nearer plan", "nothing", "an input", "nothing"],
    ["a repository in it", "nothing", "an input", "nothing", "none in it", "nothing", "an input", "nothing"],
]


@pytest.mark.parametrize("place", ["lib", "lib/deep"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story[0])
def test_the_fast_path_in_a_members_folder_answers_as_a_full_walk(
    story: list[str], place: str, tmp_path: Path
) -> None:
    """Two workspaces have the same story; one of them never has a snapshot."""
    spaces = []
    for name in ("fast", "full"):
        (tmp_path / name).mkdir()
        spaces.append(Workspace(tmp_path / name / "space"))
        (spaces[-1].folder / "lib" / "deep").mkdir()
    for edit in story:
        seen = []
        for space, is_fast in zip(spaces, (True, False), strict=True):
            EDITS[edit](space.top)
            if not is_fast:
                for folder in space.folder.parent.rglob(".treadle/quick"):
                    shutil.rmtree(folder)
            before = len(space.at(".").starts())
            done = space.at(place).treadle("run")
            runs = sorted(space.at(".").starts()[before:])
            lines = [line for line in done.err.splitlines() if "is used as a part" in line]
            replaced = sorted(
                str(path.relative_to(space.folder)) for path in space.folder.rglob(".treadle/replaced/**/*")
            )
            seen.append((done.code, runs, lines, replaced))
        assert seen[0] == seen[1], edit


def test_with_nothing_to_do_a_snapshot_above_answers_without_the_plan(space: Workspace) -> None:
    lib = space.at("lib")
    lib.run()
    lib.environ["PYTHONVERBOSE"] = "1"
    done = lib.treadle("run")
    assert "nothing to do" in done.out
    assert "treadle.plan" not in done.err
    assert "treadle.session.members" not in done.err


def replaced(space: Workspace) -> list[str]:
    return sorted(
        str(path.relative_to(space.folder)) for path in space.folder.rglob("replaced/**/*") if path.is_file()
    )


TREE = """
treadle: 1
actions:
  tree: {sh: "mkdir -p ${out}/sub; cat ${in} > ${out}/sub/made; echo > ${out}/other", in: src.txt, out: tree/}
  dep: {sh: "cat ${in} > ${out}; echo ${out}: src.txt > ${depfile}", in: src.txt, out: o/dep, depfile: o/dep.d}
  link: {run: "ln -s ../src.txt ${out}", in: src.txt, out: o/link}
"""


@pytest.mark.parametrize("command", [["run"], ["run", "-f", "../treadle.yaml"], ["clean"]])
def test_what_a_member_has_made_alone_is_not_moved_aside(command: list[str], space: Workspace) -> None:
    space.top.write("lib/treadle.yaml", MEMBER.replace("MARK", "lib") + TREE.split("actions:\n")[1])
    lib = space.at("lib")
    assert lib.treadle("run", "-f", "treadle.yaml").code == 0
    space.top.write("lib/tree/mine", "not from a run")
    done = lib.treadle(*command)
    assert done.code == 0, done.text
    assert "moved files" not in done.err
    assert replaced(space) == []
    assert space.top.read("lib/tree/mine") == "not from a run"
    assert (space.folder / "lib" / "o" / "dep").exists() is (command != ["clean"])


@pytest.mark.parametrize("path", ["out/lib", "tree/sub/made", "o/dep"])
def test_what_was_edited_since_a_member_made_it_alone_is_moved_aside(path: str, space: Workspace) -> None:
    space.top.write("lib/treadle.yaml", MEMBER.replace("MARK", "lib") + TREE.split("actions:\n")[1])
    lib = space.at("lib")
    assert lib.treadle("run", "-f", "treadle.yaml").code == 0
    space.top.write(f"lib/{path}", "edited by hand")
    assert lib.treadle("run").code == 0
    kept = [path for path in replaced(space) if (space.folder / path).read_text() == "edited by hand"]
    assert len(kept) == 1


def test_what_a_member_has_given_back_alone_is_moved_aside(space: Workspace) -> None:
    lib = space.at("lib")
    assert lib.treadle("run", "-f", "treadle.yaml").code == 0
    assert lib.treadle("forget", "-f", "treadle.yaml", "build").code == 0
    assert lib.treadle("run", "build").code == 0
    assert any(path.endswith("out/lib") for path in replaced(space))


def test_clean_forget_and_adopt_of_a_member_leave_the_others(space: Workspace) -> None:
    top, lib, app = space.at("."), space.at("lib"), space.at("app")
    top.run("lib", "app:pack")
    assert lib.treadle("clean", "-n").out.count("would remove") == 3
    assert lib.treadle("clean").code == 0
    assert not (space.folder / "lib" / "out").exists()
    assert (space.folder / "app" / "out" / "pack").exists()
    assert lib.run() == ["lib-build", "lib-each", "lib-each"]
    assert "3 records dropped" in lib.treadle("forget", "lib").out
    assert lib.treadle("adopt", "*").code == 0
    assert top.run("lib", "app:pack") == []
    assert app.run("pack") == []
    # an action that is gone
    space.top.write(
        "lib/treadle.yaml",
        MEMBER.replace("MARK", "lib").replace("  each:", "  other:").replace("out/${part}", "o/${part}"),
    )
    space.top.write("app/treadle.yaml", APP.replace("  pack:", "  other:").replace("out/pack", "out/other"))
    assert "lib/out/a" in lib.treadle("clean", "--stale", "-n").out
    assert "app/out/pack" not in lib.treadle("clean", "--stale", "-n").out
    assert lib.treadle("clean", "--all").code == 0
    assert not (space.folder / "lib" / "out" / "a").exists()
    assert (space.folder / "app" / "out" / "pack").exists()
    done = lib.treadle("clean", "--replaced")
    assert done.code == 2
    assert "-f ../treadle.yaml" in done.err


def test_log_why_list_and_graph_are_of_the_member(space: Workspace) -> None:
    space.top.write("app/treadle.yaml", APP.replace("echo app-link", "echo to the log; echo app-link"))
    app = space.at("app")
    app.run()
    assert app.treadle("log", "link").out == "to the log\n"
    assert app.treadle("why", "link").out.startswith("app:link is up to date")
    listed = app.treadle("list").out
    assert "app:link" in listed
    assert "lib:" not in listed
    graph = app.treadle("graph", "--no-state").out
    assert "lib:build" in graph
    assert "lib:each" not in graph
    space.top.write("lib/src.txt", "two")
    status = app.treadle("status")
    assert status.code == 1
    assert "1 to run, 1 may run" in status.out


@pytest.mark.parametrize(
    ("place", "word", "expected"),
    [
        ("lib", "", ["build", "test", "each", "checks"]),
        ("lib", "bu", ["build"]),
        ("lib", "each@", ["each@a", "each@b"]),
        ("lib", "out/", ["out/lib", "out/a", "out/b"]),
        ("lib", "app:", ["app:link", "app:pack"]),
        (".", "lib:b", ["lib:build"]),
    ],
)
def test_completion_offers_the_names_of_the_member(
    place: str, word: str, expected: list[str], space: Workspace
) -> None:
    lines = space.at(place).treadle("__complete", "--", "run", word).out.splitlines()[1:]
    assert [one.split("\t")[0] for one in lines] == expected


def test_a_session_in_a_members_folder_runs_its_part(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from treadle import Options, Session

    monkeypatch.chdir(space.folder / "app")
    monkeypatch.setenv("LOG", str(space.log))
    report = Session(options=Options(["link"])).run()
    assert sorted(map(str, report.actions)) == ["app:link", "lib:build"]


def test_a_generated_plan_of_a_member_has_names_there(space: Workspace) -> None:
    space.top.write("lib/made.yaml", "treadle: 1\nactions: {sum: {run: 'touch ${out}', out: out/sum}}\n")
    space.top.write(
        "lib/treadle.yaml",
        "treadle: 1\nactions:\n  gen: {run: 'cp ${in} ${out}', in: made.yaml, out: out/g.yaml, expand: out/g.yaml}\n",
    )
    space.top.write("app/treadle.yaml", ALONE)
    lib = space.at("lib")
    assert lib.treadle("run", "gen:sum").code == 0
    assert (space.folder / "lib" / "out" / "sum").exists()
    assert not (space.folder / "app" / "out").exists()
    assert selected(lib) == ["lib:gen", "lib:gen:sum"]
    assert lib.treadle("run").code == 0


def test_a_moved_workspace_is_up_to_date(space: Workspace) -> None:
    space.at("lib").run()
    moved = space.folder.rename(space.folder.parent / "moved")
    lib = Project(moved / "lib")
    lib.environ["LOG"] = str(space.log)
    before = space.log.read_text()
    done = lib.treadle("run")
    assert "nothing to do" in done.out, done.text
    assert space.log.read_text() == before


def test_a_watch_in_a_members_folder_answers_to_what_other_parts_make(space: Workspace) -> None:
    pytest.importorskip("watchfiles")
    app = space.at("app")
    child = app.start("run", "--watch")
    try:
        wait_until(lambda: app.starts() == ["lib-build", "app-link"])
        before = len(app.starts())
        space.top.write("lib/src.txt", "two")
        wait_until(lambda: len(app.starts()) >= before + 2)
        assert app.starts()[before:] == ["lib-build", "app-link"]
        made = app.folder / "out" / "app"
        wait_until(lambda: made.exists() and made.read_text() == "two")
    finally:
        child.terminate()
        _, err = child.communicate()
    assert err.count("is used as a part of") == 1


INSTALLED = """
treadle: 1
default: ["*"]
defaults: {pass: [LOG]}
actions:
  install: {sh: "echo install >> $LOG; cp ${in} ${out}", in: lock, out: OUT}
  read: {sh: "echo read >> $LOG; cat nm/lock > ${out}", in: nm/, out: o/read}
"""
BY_PRESENCE, KEPT = "{path: nm/, check: presence}", "{path: nm/, exclude: [kept]}"


@pytest.mark.parametrize("first", [[], ["-f", "treadle.yaml"]], ids=["the plan above", "alone"])
def test_an_installed_tree_that_another_state_has_made_since_is_made_again(
    first: list[str], space: Workspace
) -> None:
    second = [] if first else ["-f", "treadle.yaml"]
    space.top.write("plan", including("lib/treadle.yaml"))
    space.top.write("lib/treadle.yaml", INSTALLED.replace("OUT", BY_PRESENCE))
    lib = space.at("lib")
    for lock, words in [("1", first), ("2", second), ("1", first), ("2", second), ("1", first)]:
        lib.write("lock", lock)
        lib.run(*words)
        assert (lib.read("nm/lock"), lib.read("o/read")) == (lock, lock)
        assert lib.run(*words) == []


def test_what_a_member_left_out_of_its_folder_alone_stays_as_its_own(space: Workspace) -> None:
    space.top.write("plan", including("lib/treadle.yaml"))
    space.top.write("lib/treadle.yaml", INSTALLED.replace("OUT", KEPT))
    lib = space.at("lib")
    lib.write("lock", "1")
    lib.run("-f", "treadle.yaml")
    lib.write("nm/kept", "mine")
    assert lib.run() == ["install", "read"]
    assert lib.read("nm/kept") == "mine"
    assert replaced(space) == []
