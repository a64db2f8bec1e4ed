"""`cache: local`: outputs of a former state come back, by the real command."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from project import Project
from watched import READY, Watched

PLAN = """
treadle: 1
cache: local
defaults: {cache: true}
actions:
  file: {sh: 'echo file >> $LOG; echo said; cp ${in} ${out}', in: in, out: out/file, pass: [LOG], cache: true}
  tree: {sh: 'echo tree >> $LOG; mkdir -p ${out}/x/empty; cat ${in} > ${out}/x/y; ln -s x/y ${out}/l; chmod +x ${out}/x/y',
    in: out/file, out: tree/, pass: [LOG]}
  found: {sh: 'echo found >> $LOG; cat in hdr > ${out}; echo "${out}: hdr in" > ${depfile}', in: in, out: out/found,
    depfile: out/found.d, pass: [LOG]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    project.environ["TREADLE_CACHE_DIR"] = str(tmp_path / "store")
    project.environ.pop("TREADLE_CACHE", None)
    project.write("plan", PLAN)
    project.write("in", "1\n")
    project.write("hdr", "h\n")
    return project


def outputs(project: Project) -> dict[str, str]:
    """Return path -> what is there, of all but the state and the inputs."""
    found = {}
    for path in sorted(project.folder.rglob("*")):
        name = path.relative_to(project.folder).as_posix()
        if name.startswith((".treadle", "treadle.yaml", "out/found.d")) or name in ("in", "hdr"):
            continue
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = f"{path.stat().st_mode & 0o777:o} {path.read_text()}"
        else:
            found[name] = "folder"
    return found


def forget_all(project: Project) -> None:
    """Remove the state and all outputs."""
    for name in (".treadle", "out", "tree"):
        shutil.rmtree(project.folder / name)


def entries(project: Project) -> int:
    """Return how many entries and path sets are stored."""
    return len(list(Path(project.environ["TREADLE_CACHE_DIR"]).glob("ac/*/*")))


def test_on_the_old_branch_the_old_outputs_come_back(project: Project) -> None:
    """C6, R5, D1: files, folders with links and empty folders, modes, and what a depfile has named."""
    assert project.run() == ["file", "found", "tree"]
    before = outputs(project)
    project.write("in", "2\n")
    assert project.run() == ["file", "found", "tree"]
    project.write("in", "1\n")
    assert project.run() == []
    assert outputs(project) == before
    assert project.treadle("status").code == 0
    project.write("in", "2\n")
    assert project.run() == []


def test_what_was_restored_says_where_it_came_from(project: Project) -> None:
    """F3."""
    project.run()
    forget_all(project)
    assert project.run() == []
    said = project.treadle("why", "file").out
    assert "restored from the local cache: made by run " in said
    # a folder that is moved away with its state brings no other outputs
    assert project.run() == []


def test_a_clone_gets_what_another_one_has_made(project: Project, tmp_path: Path) -> None:
    """L1: one folder for all projects of a user."""
    project.run()
    other = Project(tmp_path / "clone with another length")
    other.environ = {**project.environ, "LOG": str(other.log)}
    for name in ("plan", "in", "hdr"):
        other.write(name, project.read("treadle.yaml" if name == "plan" else name))
    assert other.run() == []
    assert outputs(other) == outputs(project)
    assert os.stat(other.folder / "out/file").st_ino != os.stat(project.folder / "out/file").st_ino


def test_a_discovered_input_that_differs_is_a_miss_and_one_that_is_as_before_a_hit(project: Project) -> None:
    """D1, D7."""
    project.run()
    project.write("hdr", "other\n")
    assert project.run() == ["found"]
    project.write("hdr", "h\n")
    assert project.run() == []
    assert project.read("out/found") == "1\nh\n"
    # its record has what it reads, so that the next change is seen
    project.write("hdr", "third\n")
    assert project.run() == ["found"]
    assert project.read("out/found") == "1\nthird\n"


def test_a_run_with_force_restores_nothing_and_stores(project: Project) -> None:
    """C6."""
    assert project.run("--force") == ["file", "found", "tree"]
    assert entries(project) == 4
    assert project.run("--force") == ["file", "found", "tree"]


@pytest.mark.parametrize("undo", ["forget", "clean"])
@pytest.mark.parametrize(
    "options",
    [
        ("--force",),
        ("--force=file", "--force=found", "--force=tree"),
        ("--repeat-until-fail=1",),
        ("--repeat-until-pass=1",),
        ("--repeat-after-timeout=1",),
        ("--cache=off",),
        (),
    ],
    ids="".join,
)
def test_what_has_an_action_run_in_any_case_restores_nothing(
    project: Project, undo: str, options: tuple[str, ...]
) -> None:
    """C6: after `forget` and `clean` outputs come back from the cache unless the run is told to run."""
    assert project.run() == ["file", "found", "tree"]
    assert project.treadle(undo, *(["file", "found", "tree"] if undo == "forget" else [])).code == 0
    if undo == "forget":
        # its files would stay in the way, as they are those of the user now
        shutil.rmtree(project.folder / "tree")
    done = project.treadle("run", *options)
    assert done.code == 0, done.text
    assert sorted(set(project.starts()[3:])) == (["file", "found", "tree"] if options else [])
    assert ("restored" in done.out) is not bool(options)


def test_force_replaces_what_is_in_the_local_cache(project: Project) -> None:
    """C6: so a wrong entry, of an input that was not declared, is got rid of."""
    plan = PLAN.replace("cat in hdr > ${out};", "cat in hdr other > ${out};")
    project.write("plan", plan)
    project.write("other", "wrong\n")
    project.run()
    project.write("other", "right\n")
    project.run("--force=found")
    forget_all(project)
    assert project.run() == []
    assert project.read("out/found").endswith("right\n")


@pytest.mark.parametrize(
    ("said", "arguments", "environ", "is_used"),
    [
        ("", (), {}, False),
        ("cache: local\n", (), {}, True),
        ("cache: {local: true}\n", (), {}, True),
        ("", ("--cache=local",), {}, True),
        ("", (), {"TREADLE_CACHE": "local"}, True),
        ("cache: local\n", ("--cache=off",), {}, False),
        ("cache: local\n", (), {"TREADLE_CACHE": "off"}, False),
        ("", ("--cache=local",), {"TREADLE_CACHE": "off"}, True),
        ("cache: local\n", ("--cache=off",), {"TREADLE_CACHE": "local"}, False),
    ],
)
def test_the_option_wins_then_the_environment_then_the_plan(
    project: Project, said: str, arguments: tuple[str, ...], environ: dict[str, str], is_used: bool
) -> None:
    """C5, F1."""
    project.write("plan", PLAN.replace("cache: local\n", said))
    project.environ.update(environ)
    project.run(*arguments)
    assert (entries(project) > 0) == is_used
    project.write("in", "2\n")
    project.run(*arguments)
    project.write("in", "1\n")
    assert project.run(*arguments) == ([] if is_used else ["file", "found", "tree"])


def test_what_the_environment_says_wrong_is_an_error(project: Project) -> None:
    """F1."""
    done = project.treadle("run", TREADLE_CACHE="yes")
    assert done.code == 2
    assert "TREADLE_CACHE is 'yes': expected one of off, local" in done.err


NOT_CACHED = {
    "cache: false": "in: in, out: o, cache: false",
    "always": "in: in, out: o, always: true",
    "keep": "in: in, out: o, keep: true",
    "a secret": "in: in, out: o, env: {X: '1'}, secret: [X]",
    "presence": "in: in, out: {path: d/, check: presence}",
}


@pytest.mark.parametrize("name", NOT_CACHED)
def test_what_is_never_cached_runs(project: Project, name: str) -> None:
    """C1."""
    keys = NOT_CACHED[name]
    if "cache:" not in keys:
        keys += ", cache: true"
    script = "echo a >> $LOG; if [ -d ${out} ]; then touch ${out}/x; else cp in ${out}; fi"
    project.write("plan", f"treadle: 1\ncache: local\nactions:\n  a: {{sh: '{script}', {keys}, pass: [LOG]}}\n")
    assert project.run() == ["a"]
    for text in ("2\n", "1\n"):
        project.write("in", text)
        assert project.run() == ["a"]
    assert entries(project) == 0


def test_a_failure_is_not_stored(project: Project) -> None:
    """C2."""
    project.write("plan", PLAN.replace("echo said;", "exit 3;"))
    project.run(code=1)
    assert entries(project) == 0 or project.starts().count("found") == 1
    project.write("in", "2\n")
    project.run(code=1)
    project.write("in", "1\n")
    assert "file" in project.run(code=1)


def test_a_success_whose_inputs_moved_is_not_stored(project: Project) -> None:
    """C2."""
    plan = "treadle: 1\ncache: local\nactions:\n  a: {sh: 'cp in ${out}; echo more >> in', in: in, out: o, cache: true}\n"
    project.write("plan", plan)
    assert "is not recorded" in project.treadle("run").text
    assert entries(project) == 0


def test_a_folder_that_was_not_empty_is_not_stored(project: Project) -> None:
    """C3."""
    plan = "treadle: 1\ncache: local\nactions:\n  a: {sh: 'echo a >> $LOG; cp in ${out}/x; ls ${out} > ${out}/list', in: in, out: d/, cache: true, pass: [LOG]}\n"
    project.write("plan", plan)
    project.write("d/mine", "of the user")
    assert project.run() == ["a"]
    assert entries(project) == 0
    (project.folder / "d/mine").unlink()
    project.write("in", "2\n")
    assert project.run() == ["a"]
    assert entries(project) == 1


def test_a_folder_with_files_of_the_user_is_not_restored_into(project: Project) -> None:
    """C3: what an action finds in its folder may count for what it makes."""
    plan = "treadle: 1\ncache: local\nactions:\n  a: {sh: 'echo a >> $LOG; cp in ${out}/x; ls ${out} > ${out}/list', in: in, out: d/, cache: true, pass: [LOG]}\n"
    project.write("plan", plan)
    project.run()
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    project.write("d/mine", "of the user")
    assert project.run() == ["a"]
    assert project.read("d/mine") == "of the user"
    assert project.read("d/list").split() == ["list", "mine", "x"]


EXCLUDING = """
treadle: 1
cache: local
actions:
  a:
    sh: 'echo a >> $LOG; mkdir -p d/s; ls -R d | grep keep > l || true; mv l d/list; cat in >> d/list; eval "$(cat in)"'
    in: in
    out: {path: d/, exclude: [keep]}
    cache: true
    pass: [LOG]
"""


@pytest.mark.parametrize(
    ("before", "again", "is_fresh", "stored"),
    [
        ({}, ":", False, 2),
        ({"d/keep": ""}, ":", False, 0),
        ({"d/s/keep": ""}, ":", False, 0),
        # of its own, by the first run
        ({}, "touch d/keep", False, 1),
        ({}, "mkdir -p d/s/keep", False, 1),
        ({"d/keep": ""}, "touch d/keep", True, 2),
    ],
    ids=["none", "of the user", "deeper", "of its own", "a folder of its own", "in a folder of its own"],
)
def test_a_folder_that_held_what_is_excluded_is_not_stored(
    project: Project, before: dict[str, str], again: str, is_fresh: bool, stored: int
) -> None:
    """C3: what is excluded stays in the folder, so what the action makes may depend on it."""
    project.write("plan", EXCLUDING + ("    workdir: fresh\n" if is_fresh else ""))
    for path, text in before.items():
        project.write(path, text)
    for number in "12":
        project.write("in", f"{again} # {number}\n")
        assert project.run() == ["a"]
    assert entries(project) == stored


@pytest.mark.parametrize("left", ["d/mine", "d/s/mine", "d/empty/", "d/keep", "d/s/keep", "d/list", "d/s/own"])
def test_what_would_be_restored_is_restored(project: Project, left: str) -> None:
    """F1: where something stays in an output folder, the action is said to run, and runs."""
    project.write("plan", EXCLUDING)
    for text in (": # 1", "touch d/s/own", ": # 1"):
        project.write("in", f"{text}\n")
        project.run()
    project.write("in", "touch d/s/own\n")
    if left == "d/s/own":
        project.run()
        project.write("in", ": # 1\n")
    elif left.endswith("/"):
        (project.folder / left).mkdir()
    else:
        project.write(left, "edited")
    # what the action has made is removed or moved aside, also if it was edited
    stays = left not in ("d/list", "d/s/own")
    assert ("would be restored a" in project.treadle("run", "-n").out) is not stays
    done = project.treadle("run")
    assert ("restored a (local)" in done.out) is not stays
    assert ("d/ holds " in done.text) is stays


def test_a_private_output_is_not_stored(project: Project) -> None:
    """R5: modes are not kept, so a key would come back for all to read."""
    project.write("plan", PLAN.replace("cp ${in} ${out}", "umask 077; cp ${in} ${out}"))
    said = project.treadle("run").text
    assert "out/file has the mode 600, so others may not read it and the cache does not store it" in said
    forget_all(project)
    assert project.run() == ["file"]
    assert (project.folder / "out/file").stat().st_mode & 0o777 == 0o600


def test_storing_has_to_pay_unless_the_action_says_otherwise(project: Project) -> None:
    """C4: a copy of many bytes costs more than to make them."""
    plan = "treadle: 1\ncache: local\nactions:\n  a: {run: truncate -s 200M o, in: in, out: o}\n"
    project.write("plan", plan)
    project.run()
    assert entries(project) == 0
    project.write("plan", plan.replace("200M", "1M").replace("out: o", "out: o, cache: true"))
    project.run()
    assert entries(project) == 1


def test_one_more_output_is_another_entry(project: Project) -> None:
    """K2: the plan declares one more output of the same command."""
    plan = "treadle: 1\ncache: local\nactions:\n  a: {sh: 'echo a >> $LOG; touch o p', in: in, out: [o], cache: true, pass: [LOG]}\n"
    project.write("plan", plan)
    project.run()
    shutil.rmtree(project.folder / ".treadle")
    (project.folder / "o").unlink()
    (project.folder / "p").unlink()
    project.write("plan", plan.replace("[o]", "[o, p]"))
    assert project.run() == ["a"]
    assert (project.folder / "p").exists()


def test_another_program_of_the_same_name_is_another_entry(project: Project, tmp_path: Path) -> None:
    """K3: by content, never by path."""
    project.write(
        "plan", "treadle: 1\ncache: local\nactions:\n  a: {run: 'tool in o', in: in, out: o, cache: true}\n"
    )
    for folder, text in (
        ("one", "#!/bin/sh\ncat $1 > $2\n"),
        ("two", "#!/bin/sh\ncat $1 $1 > $2\n"),
        ("three", "#!/bin/sh\ncat $1 > $2\n"),
    ):
        path = tmp_path / folder / "tool"
        path.parent.mkdir()
        path.write_text(text)
        path.chmod(0o755)

    def made(folder: str) -> str:
        shutil.rmtree(project.folder / ".treadle", ignore_errors=True)
        said = project.treadle("run", "-v", PATH=f"{tmp_path / folder}:{os.environ['PATH']}").text
        return f"{'restored' if 'restored' in said else 'ran'} {project.read('o')}"

    assert made("one") == "ran 1\n"
    assert made("two") == "ran 1\n1\n"
    assert made("three") == "restored 1\n"


SWAPPED = {
    "by an action before it": "  a: {run: 'tool in a', in: in, out: a, cache: true}\n"
    "  up: {sh: 'mv $DIR/next $DIR/tool || true', in: in, needs: a, pass: [DIR]}\n"
    "  b: {run: 'tool in b', in: in, out: b, needs: up, cache: true}\n",
    "while it runs": "  b: {run: ['sleeper', 'tool in b'], in: in, out: b, cache: true}\n",
}


@pytest.mark.parametrize("words", [(), ("--force",)], ids=["run", "forced"])
@pytest.mark.parametrize("how", SWAPPED)
def test_what_a_program_has_made_that_was_replaced_meanwhile_is_no_result_of_the_old_one(
    project: Project, tmp_path: Path, how: str, words: tuple[str, ...]
) -> None:
    """K3: a run lasts, and a program may be updated while it goes on."""
    folder = tmp_path / "bin"
    folder.mkdir()
    project.environ["DIR"] = str(folder)
    project.environ["PATH"] = f"{folder}:{os.environ['PATH']}"

    def install(name: str, text: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    project.write("plan", f"treadle: 1\ncache: local\nactions:\n{SWAPPED[how]}")
    install("tool", "cat $1 > $2")
    install("next", "cat $1 $1 > $2")
    install("sleeper", f"[ ! -e {folder}/next ] || mv {folder}/next {folder}/tool")
    assert project.treadle("run", *words).code == 0
    assert project.read("b") == "1\n1\n"
    install("tool", "cat $1 > $2")
    shutil.rmtree(project.folder / ".treadle")
    assert project.treadle("run").code == 0
    assert project.read("b") == "1\n"


@pytest.mark.parametrize("is_edit", [False, True], ids=["whole", "one edit"])
def test_discovered_inputs_may_be_in_the_folders_of_system(project: Project, tmp_path: Path, is_edit: bool) -> None:
    """D3: in no other folder outside of the root."""
    sdk = tmp_path / "sdk"
    sdk.mkdir()
    (sdk / "h").write_text("h\n")
    script = f'cat in {sdk}/h > ${{out}}; echo "${{out}}: in {sdk}/h" > ${{depfile}}; echo a >> $LOG'
    action = f"actions:\n  a: {{sh: '{script}', in: in, out: o, depfile: d, pass: [LOG], cache: true}}\n"
    for said, ran in ((f"{{local: true, system: [{sdk}/]}}", []), ("local", ["a"])):
        project.write("plan", f"treadle: 1\ncache: {said}\n{action}")
        assert project.run("--force") == ["a"]
        if is_edit:
            # the records are there, so the plan need not be read
            project.write("in", "2\n")
            project.run()
            project.write("in", "1\n")
        else:
            shutil.rmtree(project.folder / ".treadle")
        assert project.run() == ran
        assert project.read("o") == "1\nh\n"
        shutil.rmtree(project.environ["TREADLE_CACHE_DIR"], ignore_errors=True)


def test_another_locale_is_another_entry_and_another_home_is_not(project: Project) -> None:
    """K4."""
    project.environ["XDG_STATE_HOME"] = str(project.folder.parent / "state")
    project.run(LC_ALL="C", HOME="/nowhere", USER="x")
    forget_all(project)
    assert project.run(LC_ALL="C", HOME="/elsewhere", USER="y", TERM="dumb") == []
    forget_all(project)
    assert project.run(LC_ALL="C.UTF-8") == ["file", "found", "tree"]
    forget_all(project)
    assert project.run(LC_ALL="C", TZ="UTC") == ["file", "found", "tree"]


def test_an_output_with_the_path_of_the_folder_is_restored_there_only(project: Project, tmp_path: Path) -> None:
    """K6: and one line says which output, and the usual cure."""
    plan = "treadle: 1\ncache: local\nactions:\n  a: {sh: 'echo a >> $LOG; (cat in; pwd) > ${out}', in: in, out: o, cache: true, pass: [LOG]}\n"
    project.write("plan", plan)
    done = project.treadle("run")
    assert "o holds the path of this folder" in done.text
    assert "-ffile-prefix-map" in done.text
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    assert project.run() == []
    other = Project(tmp_path / "other")
    other.environ = {**project.environ, "LOG": str(other.log)}
    other.write("plan", plan)
    other.write("in", "1\n")
    assert other.run() == ["a"]
    assert str(other.folder) in other.read("o")


def test_the_log_comes_back_byte_for_byte(project: Project) -> None:
    """R7: not where the action sees a variable that does not count, or says so."""
    plan = "treadle: 1\ncache: local\nactions:\n  a: {sh: 'printf \"x\\\\377\\\\0y\"; cp in ${out}', in: in, out: o, cache: true}\n"
    project.write("plan", plan)
    for text in ("1\n", "2\n", "1\n"):
        project.write("in", text)
        project.treadle("run")
    log = project.folder / ".treadle/logs/a.log"
    assert log.read_bytes() == b"x\xff\0y"
    assert "restored from" in project.treadle("why", "a").out
    project.write("plan", plan.replace("cache: true", "cache: {log: false}").replace("sh: '", "sh: 'sleep 0.05; "))
    for text in ("1\n", "2\n", "1\n"):
        project.write("in", text)
        project.treadle("run")
    assert "restored from" in project.treadle("why", "a").out
    assert log.read_bytes() == b""


def test_a_fast_start_with_one_edit_restores_too(project: Project) -> None:
    """C6: the plan is not loaded, and what it says of the cache is known."""
    project.run()
    project.run()
    project.write("in", "2\n")
    project.run()
    project.run()
    project.write("in", "1\n")
    assert project.run() == []
    assert project.treadle("run").out.startswith("nothing to do")


def test_a_store_of_the_project_that_a_checkout_brings_is_not_used(project: Project, tmp_path: Path) -> None:
    """L1, T5: it has a mark outside of the project, as records have."""
    project.environ.pop("TREADLE_CACHE_DIR")
    plan = PLAN.replace("cache: local", "cache: {local: {folder: project}}")
    project.write("plan", plan)
    project.run()
    assert (project.folder / ".treadle/cache/ac").is_dir()
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    assert project.run() == []
    shutil.copytree(project.folder, tmp_path / "checkout", symlinks=True)
    other = Project(tmp_path / "checkout")
    other.environ = {**project.environ, "LOG": str(other.log), "XDG_STATE_HOME": str(tmp_path / "of another user")}
    other.write("in", "2\n")
    shutil.rmtree(other.folder / "tree")
    assert other.run() == ["file", "found", "tree"]
    assert (
        "the cache .treadle/cache is not used: your Treadle has not made it" in other.treadle("run", "--force").text
    )


@pytest.mark.parametrize("word", ["stats", "gc", "verify"])
@pytest.mark.parametrize("brought", ["a folder", "a link to the store of the user", "a link to another project"])
def test_a_store_that_a_checkout_brings_is_not_tended(
    project: Project, tmp_path: Path, brought: str, word: str
) -> None:
    """L1: a link and a small size in a plan would evict what others have stored."""
    plan = PLAN.replace("cache: local", "cache: {local: {size: 1B, folder: project}}")
    store = Path(project.environ["TREADLE_CACHE_DIR"])
    if brought == "a link to another project":
        project.environ.pop("TREADLE_CACHE_DIR")
        project.write("plan", PLAN.replace("cache: local", "cache: {local: {folder: project}}"))
        store = project.folder / ".treadle/cache"
    project.run()
    kept = sorted(path for path in store.rglob("*") if path.is_file())
    for path in kept:
        os.utime(path, (1, 1))
    checkout = Project(tmp_path / "checkout")
    checkout.environ = {name: text for name, text in project.environ.items() if name != "TREADLE_CACHE_DIR"}
    checkout.write("plan", plan)
    checkout.write("in", "1\n")
    (checkout.folder / ".treadle").mkdir()
    if brought == "a folder":
        shutil.copytree(store, checkout.folder / ".treadle/cache")
        store = checkout.folder / ".treadle/cache"
        kept = sorted(path for path in store.rglob("*") if path.is_file())
    else:
        (checkout.folder / ".treadle/cache").symlink_to(store)
    done = checkout.treadle("cache", word)
    assert done.code == 2
    assert ".treadle/cache is not used: your Treadle has not made it" in done.err
    assert sorted(path for path in store.rglob("*") if path.is_file()) == kept


def test_a_store_of_the_project_is_tended(project: Project) -> None:
    """F5: before there is one, and afterwards."""
    project.environ.pop("TREADLE_CACHE_DIR")
    project.write("plan", PLAN.replace("cache: local", "cache: {local: {folder: project}}"))
    for word in ("stats", "gc", "verify"):
        assert project.treadle("cache", word).code == 0
    project.run()
    for word in ("stats", "gc", "verify"):
        assert project.treadle("cache", word).code == 0


def test_a_password_in_the_address_of_a_plan_is_an_error_that_does_not_show_it(project: Project) -> None:
    """T8."""
    project.write("plan", PLAN.replace("cache: local", "cache: {shared: 'https://ann:geheim@h/team'}"))
    done = project.treadle("check")
    assert done.code == 2
    assert "treadle.yaml:3:17: shared in cache has a user in it" in done.err
    assert "geheim" not in done.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cache: shared", "cache must be one of local"),
        ("cache: {}", "cache needs local: where it is"),
        ("cache: {local: {size: 5}}", "size in cache needs a unit"),
        ("cache: {local: {folder: mine}}", "folder must be one of user, project"),
        ("cache: {local: yes}", "local must be true"),
        ("cache: {local: true, system: [sdk]}", "'sdk' in system is not an absolute path"),
        ("cache: {local: true, system: [/a/../b/]}", "in system is not an absolute path"),
        ("cache: {local: true, remote: x}", "cache has no key 'remote'"),
        ("cache: {local: true, shared: x}", "shared in cache is not an address"),
        ("cache: {shared: 'https://h/a b'}", "shared in cache has characters in it that no address may have"),
        ("cache: {shared: 'https://h/a?b'}", "shared in cache has a query or a fragment"),
        ("cache: {shared: 'https://h/', namespaces: ['a b']}", "'a b' in namespaces is not a name of letters"),
        ("cache: [local]", "cache must be local, or a map with local, shared, namespaces, system, not a list"),
    ],
)
def test_what_a_plan_says_wrong_is_an_error(project: Project, text: str, said: str) -> None:
    """Section 7."""
    project.write("plan", PLAN.replace("cache: local", text))
    done = project.treadle("check")
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [("cache: maybe", "must be true or false"), ("cache: {logs: true}", "cache has no key 'logs'")],
)
def test_what_an_action_says_wrong_is_an_error(project: Project, text: str, said: str) -> None:
    """Section 7."""
    project.write("plan", PLAN.replace("pass: [LOG], cache: true", f"pass: [LOG], {text}"))
    done = project.treadle("check")
    assert done.code == 2
    assert said in done.err


def test_a_run_says_what_was_restored_and_so_do_its_events(project: Project) -> None:
    """F3, F4."""
    project.run("--events", "first.jsonl")
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    done = project.treadle("run", "-v", "--events", "again.jsonl", "--junit", "again.xml")
    assert "] restored tree (local) 0." in done.out
    assert "0 run, 3 restored in " in done.out

    def events(name: str, kind: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in project.read(name).splitlines()]
        return [line for line in lines if line["event"] == kind]

    stored = {str(one["name"]): one for one in events("first.jsonl", "stored")}
    restored = {str(one["name"]): one for one in events("again.jsonl", "restored")}
    assert set(stored) == set(restored) == {"file", "tree", "found"}
    for name, one in restored.items():
        assert one["key"] == stored[name]["key"]
        assert one["store"] == "local"
        assert float(str(one["saved"])) > float(str(one["seconds"])) / 1000
    ends = events("again.jsonl", "ended")
    assert {(one["status"], one["outcome"], one["category"], one["store"]) for one in ends} == {
        ("restored", "restored", "PASS", "local")
    }
    assert project.read("again.xml").count('<property name="restored" value="the local cache: made by run ') == 3
    assert 'failures="0" errors="0" skipped="0"' in project.read("again.xml")


def test_the_duration_on_record_is_that_of_the_run_that_made_it(project: Project) -> None:
    """F4: forecasts and what is saved rest on it."""
    project.write(
        "plan", "treadle: 1\ncache: local\nactions:\n  a: {sh: 'sleep 0.4; cp in ${out}', in: in, out: o}\n"
    )
    for text in ("1\n", "2\n", "1\n"):
        project.write("in", text)
        project.treadle("run")
    assert re.search(r"for 0\.[4-9]s, and succeeded: restored from", project.treadle("why", "a").out)
    assert re.search(r"0\.[4-9]s saved", project.treadle("run").out)


def test_the_command_says_what_the_store_holds_and_cleans_it_up(project: Project) -> None:
    """F5."""
    assert "entries     0" in project.treadle("cache", "stats").out
    assert project.treadle("cache", "gc").out == "removed 0.0 KiB, 0.0 KiB left\n"
    project.run()
    said = project.treadle("cache", "stats").out
    assert project.environ["TREADLE_CACHE_DIR"] in said
    assert "entries     4" in said
    data = json.loads(project.treadle("cache", "stats", "--json").out)
    assert (data["entries"], data["most_bytes"]) == (4, 5 << 30)
    project.environ["TREADLE_CACHE_SIZE"] = "1KB"
    for path in Path(project.environ["TREADLE_CACHE_DIR"]).glob("*/*/*"):
        os.utime(path, (1, 1))
    assert project.treadle("cache", "gc").out.endswith("KiB left\n")
    assert json.loads(project.treadle("cache", "stats", "--json").out)["bytes"] <= 1000


def test_a_plan_may_let_the_store_of_the_user_have_more_and_never_less(project: Project, tmp_path: Path) -> None:
    """L6: a checkout with a small size would evict what the other projects have stored."""

    def most(size: str, **environ: str) -> int:
        said = f"cache: {{local: {{size: {size}}}}}" if size else "cache: local"
        project.write("plan", PLAN.replace("cache: local", said))
        found: int = json.loads(project.treadle("cache", "stats", "--json", **environ).out)["most_bytes"]
        return found

    usual = 5 << 30
    project.run()
    assert most("1KB") == usual
    for path in Path(project.environ["TREADLE_CACHE_DIR"]).glob("*/*/*"):
        os.utime(path, (1, 1))
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    assert project.run() == []
    assert most("20GB") == 20 * 10**9
    # to look notes nothing
    assert most("") == usual
    most("20GB")
    project.run("--force")
    assert most("") == 20 * 10**9
    asked = Path(project.environ["TREADLE_CACHE_DIR"], "treadle-asked")
    assert asked.stat().st_mode & 0o777 == 0o600
    os.utime(asked, (1, 1))
    assert most("") == usual
    for text in ("", "-3", "x" * 100, "9" * 40):
        asked.write_text(text)
        assert most("") == usual
    assert most("20GB", TREADLE_CACHE_SIZE="1KB") == 1000
    assert "TREADLE_CACHE_SIZE needs a unit" in project.treadle("cache", "stats", TREADLE_CACHE_SIZE="20").err
    own = PLAN.replace("cache: local", "cache: {local: {size: 1KB, folder: project}}")
    project.write("plan", own)
    project.environ.pop("TREADLE_CACHE_DIR")
    assert json.loads(project.treadle("cache", "stats", "--json").out)["most_bytes"] == 1000


@pytest.mark.parametrize("size", ["0", "0GB", "0.0001KB", "-1GB", "much", " "])
def test_a_size_of_nothing_is_refused(project: Project, size: str) -> None:
    """F1: what a script works out as 0 is not taken for a variable that is not set."""
    done = project.treadle("cache", "gc", TREADLE_CACHE_SIZE=size)
    assert done.code == 2
    assert "TREADLE_CACHE_SIZE " in done.err
    done = project.treadle("run", TREADLE_CACHE_SIZE=size)
    assert done.code == 0
    assert "the cache is not used: TREADLE_CACHE_SIZE " in done.text
    assert not os.path.exists(project.environ["TREADLE_CACHE_DIR"])
    project.write("plan", PLAN.replace("cache: local", f"cache: {{local: {{size: '{size}'}}}}"))
    done = project.treadle("run")
    assert done.code == 2
    assert "size in cache " in done.err


def test_the_command_says_for_programs_what_it_has_cleaned_up_and_checked(project: Project) -> None:
    """F5."""
    store = Path(project.environ["TREADLE_CACHE_DIR"])
    empty = json.loads(project.treadle("cache", "gc", "--json").out)
    assert {name: empty[name] for name in ("folder", "removed_bytes", "bytes", "most_bytes")} == {
        "folder": str(store),
        "removed_bytes": 0,
        "bytes": 0,
        "most_bytes": 5 << 30,
    }
    checked = json.loads(project.treadle("cache", "verify", "--json").out)
    assert (checked["checked"], checked["damaged"]) == (0, [])
    project.run()
    had = json.loads(project.treadle("cache", "stats", "--json").out)
    path = next(store.glob("cas/*/*"))
    path.write_bytes(b"other")
    done = project.treadle("cache", "verify", "--json")
    assert done.code == 1
    checked = json.loads(done.out)
    assert checked["damaged"] == [f"cas/{path.name}"]
    assert checked["checked"] == had["entries"] + had["blobs"]
    assert checked["format"] == had["format"]
    for path in store.glob("*/*/*"):
        os.utime(path, (1, 1))
    had = json.loads(project.treadle("cache", "stats", "--json").out)
    done = project.treadle("cache", "gc", "--json", TREADLE_CACHE_SIZE="1KB")
    freed = json.loads(done.out)
    assert freed["removed_bytes"] + freed["bytes"] == had["bytes"]
    assert freed["most_bytes"] == 1000 >= freed["bytes"]
    assert done.err == ""


def test_a_file_of_the_user_with_the_name_of_the_largest_size_stays(project: Project) -> None:
    """L6."""
    store = Path(project.environ["TREADLE_CACHE_DIR"])
    store.mkdir(mode=0o700)
    for name in ("treadle-asked", "asked", "size"):
        (store / name).write_text("of the user")
    project.write("plan", PLAN.replace("cache: local", "cache: {local: {size: 20GB}}"))
    assert project.run() == ["file", "found", "tree"]
    assert entries(project)
    for name in ("treadle-asked", "asked", "size"):
        assert (store / name).read_text() == "of the user"


@pytest.mark.parametrize("folder", ["store", "../store", "./x", "~/store", ".treadle/cache", " "])
def test_a_folder_that_is_not_absolute_is_refused(project: Project, folder: str) -> None:
    """L1: in each project it would be another one, and a checkout may bring it."""
    project.environ["TREADLE_CACHE_DIR"] = folder
    for word in ("stats", "gc", "verify", "explain"):
        done = project.treadle("cache", word, *(["file"] if word == "explain" else []))
        assert done.code == 2
        assert f"TREADLE_CACHE_DIR is {folder!r}, which is not an absolute path" in done.err
    done = project.treadle("run")
    assert done.code == 0
    assert "the cache is not used: TREADLE_CACHE_DIR is " in done.text
    assert sorted(path.name for path in project.folder.iterdir()) == sorted(
        [".treadle", "hdr", "in", "out", "tree", "treadle.yaml"]
    )
    assert not (project.folder / ".treadle/cache").exists()


@pytest.mark.parametrize("how", ["a variable", "a link in the project", "a link to it", "XDG_CACHE_HOME", "HOME"])
def test_a_store_of_all_projects_is_not_in_one_of_them(project: Project, tmp_path: Path, how: str) -> None:
    """L1, T9: a checkout could bring one with other outputs in it, and an output folder could take it in."""
    # what a checkout brings: outputs of the same actions, made in another clone
    bad = Project(tmp_path / "bad")
    bad.environ = {**project.environ, "LOG": str(bad.log), "EXTRA": "bad"}
    bad.environ["TREADLE_CACHE_DIR"] = str(tmp_path / "b/treadle")
    plan = PLAN.replace("cp ${in} ${out}", 'cat ${in} > ${out}; printf "$EXTRA" >> ${out}')
    plan = plan.replace("pass: [LOG]", "pass: [LOG, EXTRA]")
    for name, text in {"plan": plan, "in": "1\n", "hdr": "h\n"}.items():
        bad.write(name, text)
        project.write(name, text)
    assert bad.run() == ["file", "found", "tree"]
    brought = project.folder / ".cache"
    shutil.copytree(tmp_path / "b", brought)
    named = brought / "treadle"
    if how == "a link in the project":
        shutil.rmtree(brought)
        brought.symlink_to(tmp_path / "b")
    elif how == "a link to it":
        named = tmp_path / "link"
        named.symlink_to(brought / "treadle")
    project.environ["EXTRA"] = "good"
    project.environ["TREADLE_CACHE_DIR"] = str(named)
    if how in ("XDG_CACHE_HOME", "HOME"):
        del project.environ["TREADLE_CACHE_DIR"]
        project.environ.pop("XDG_CACHE_HOME", None)
        project.environ[how] = str(brought if how == "XDG_CACHE_HOME" else project.folder)
    before = sorted(brought.rglob("*"))
    assert "would be restored" not in project.treadle("status").out
    done = project.treadle("run")
    assert done.code == 0
    assert "in the project" in done.err
    assert "a checkout could bring it" in done.err
    assert sorted(project.starts()) == ["file", "found", "tree"]
    assert project.read("out/file") == "1\ngood"
    assert project.treadle("cache", "gc").code == 2
    assert sorted(brought.rglob("*")) == before


def test_the_mark_of_a_store_of_the_project_stays_in_use(project: Project, tmp_path: Path) -> None:
    """L1: marks that were not used for a year may be removed; and nothing but a mark is touched."""
    marks = tmp_path / "marks"
    project.environ["XDG_STATE_HOME"] = str(marks)
    del project.environ["TREADLE_CACHE_DIR"]
    project.write("plan", PLAN.replace("cache: local", "cache: {local: {folder: project}}"))
    project.run()
    name = project.folder / ".treadle/cache/id"
    mark = marks / "treadle" / name.read_text()[:16]
    os.utime(mark, (1, 1))
    project.treadle("status")
    assert mark.stat().st_mtime == 1
    project.run("--force")
    assert mark.stat().st_mtime > 1
    # a checkout may bring any id
    other = tmp_path / "other"
    other.write_text("")
    os.utime(other, (1, 1))
    name.write_text("../../other")
    project.run("--force", TREADLE_TRUST_STATE="1")
    assert other.stat().st_mtime == 1


def test_the_folder_of_a_project_may_be_named_by_the_variable_and_has_a_mark_too(
    project: Project, tmp_path: Path
) -> None:
    """L1: as with `folder: project`."""
    project.environ["TREADLE_CACHE_DIR"] = str(project.folder / ".treadle/cache")
    assert project.run() == ["file", "found", "tree"]
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    assert project.run() == []
    other = tmp_path / "checkout"
    shutil.copytree(project.folder, other)
    clone = Project(other)
    clone.environ = {**project.environ, "LOG": str(clone.log), "XDG_STATE_HOME": str(tmp_path / "other marks")}
    clone.environ["TREADLE_CACHE_DIR"] = str(other / ".treadle/cache")
    for name in ("out", "tree"):
        shutil.rmtree(other / name)
    done = clone.treadle("run")
    assert sorted(clone.starts()) == ["file", "found", "tree"]
    assert "your Treadle has not made it" in done.err


def test_the_command_finds_damage_and_removes_it(project: Project) -> None:
    """F5."""
    project.run()
    count = len(list(Path(project.environ["TREADLE_CACHE_DIR"]).glob("[ac]*/*/*")))
    done = project.treadle("cache", "verify")
    assert (done.code, done.out) == (0, f"checked {count} files: none damaged\n")
    for kind in ("ac", "cas"):
        path = next(iter(Path(project.environ["TREADLE_CACHE_DIR"]).glob(f"{kind}/*/*")))
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    done = project.treadle("cache", "verify")
    assert done.code == 1
    assert f"checked {count} files: 2 damaged" in done.out
    assert project.treadle("cache", "verify").out == f"checked {count - 2} files: none damaged\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "cache stats|gc|verify"),
        (("stat",), "did you mean `treadle cache stats`"),
        (("stats", "file"), "`treadle cache stats` takes no NAME"),
        (("explain",), "no action was named"),
        (("explain", "fil"), "file"),
    ],
)
def test_the_command_takes_one_of_some_words(project: Project, words: tuple[str, ...], said: str) -> None:
    done = project.treadle("cache", *words)
    assert done.code == 2
    assert said in done.err


def test_where_there_is_no_plan_the_store_of_the_user_is_meant(project: Project, tmp_path: Path) -> None:
    """L1, F5."""
    (project.folder / "treadle.yaml").unlink()
    project.environ.pop("TREADLE_CACHE_DIR")
    project.environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    assert f"folder      {tmp_path}/cache/treadle" in project.treadle("cache", "stats").out
    project.environ["XDG_CACHE_HOME"] = "relative"
    project.environ["HOME"] = str(tmp_path / "home")
    assert f"folder      {tmp_path}/home/.cache/treadle" in project.treadle("cache", "stats").out


FIRST_PLANS = {
    "C": ({"main.c": "int main(void) { return 0; }\n"}, True),
    "a Makefile": ({"Makefile": "o: in\n\tcp in o\n"}, False),
    "a Makefile beside C": ({"Makefile": "o: in\n\tcp in o\n", "main.c": "int main(void) { return 0; }\n"}, False),
    "a justfile": ({"justfile": "o:\n  cp in o\n"}, False),
}


@pytest.mark.parametrize("kind", FIRST_PLANS)
def test_a_first_plan_has_a_cache_if_its_commands_make_nothing_else(project: Project, kind: str) -> None:
    """C5: a rule of another tool may make files that it does not name, and these would not come back."""
    (project.folder / "treadle.yaml").unlink()
    files, has_cache = FIRST_PLANS[kind]
    for name, text in files.items():
        project.write(name, text)
    assert project.treadle("init").code == 0
    assert ("\ncache: local" in project.read("treadle.yaml")) == has_cache
    assert project.treadle("check").code == 0


@pytest.mark.parametrize("how", ["a file", "a folder without rights", "a link that leads nowhere", "open to all"])
def test_a_store_that_cannot_be_used_is_a_miss_with_one_line(powerless: Project, how: str, tmp_path: Path) -> None:
    """T1, L1, case 11: the run goes on."""
    project = powerless
    store = tmp_path / "store"
    project.environ["TREADLE_CACHE_DIR"] = str(store)
    if how == "a file":
        store.write_text("x")
    elif how == "a folder without rights":
        store.mkdir(mode=0)
    elif how == "open to all":
        store.mkdir()
        store.chmod(0o777)
    else:
        store.symlink_to("nowhere/at/all")
    project.write("plan", PLAN)
    project.write("in", "1\n")
    project.write("hdr", "h\n")
    done = project.treadle("run")
    assert done.code == 0, done.text
    assert "3 run" in done.out
    assert 1 <= done.err.count("the local cache") <= 2
    store.chmod(0o755) if how == "a folder without rights" else None


def test_a_damaged_store_is_a_miss_and_is_filled_anew(project: Project) -> None:
    """L2, T2: one line, and the run goes on."""
    project.run()
    project.write("in", "2\n")
    project.run()
    for path in Path(project.environ["TREADLE_CACHE_DIR"]).glob("*/*/*"):
        path.write_bytes(path.read_bytes()[:-3])
    project.write("in", "1\n")
    assert project.run() == ["file", "found", "tree"]
    project.write("in", "2\n")
    assert project.run() == ["file", "found", "tree"]
    project.write("in", "1\n")
    assert project.run() == []
    assert project.read("out/file") == "1\n"


def test_with_nothing_to_do_no_module_of_the_cache_is_loaded(project: Project) -> None:
    """C6: and no store is opened."""
    project.run()
    project.environ["PYTHONPROFILEIMPORTTIME"] = "1"
    done = project.treadle("run")
    assert done.out.startswith("nothing to do")
    assert "treadle.fastpath.probe" in done.err
    assert "treadle.cache" not in done.err
    project.environ["TREADLE_CACHE_DIR"] = "/nowhere"
    assert project.treadle("run").out.startswith("nothing to do")


def test_a_run_that_was_killed_while_it_restored_leaves_nothing(project: Project) -> None:
    """Case 43: what was fetched is removed by the next run, and the result is right."""
    project.run()
    before = outputs(project)
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    hook = "import os, signal\nreal = os.rename\n\ndef rename(source, target, **given):\n"
    hook += "    if given.get('src_dir_fd') is not None:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    hook += "    return real(source, target, **given)\n\nos.rename = rename\n"
    project.write("hook/sitecustomize.py", hook)
    done = project.treadle("run", PYTHONPATH=str(project.folder / "hook"))
    assert done.code == -9
    shutil.rmtree(project.folder / "hook")
    assert (project.folder / ".treadle/restore").exists()
    assert project.run() == []
    assert outputs(project) == before
    assert not (project.folder / ".treadle/restore").exists()


def test_two_clones_that_run_at_once_share_a_store(project: Project, tmp_path: Path) -> None:
    """D5, case 40: one of two entries that are stored at once wins whole."""
    others = [Project(tmp_path / f"clone{number}") for number in range(3)]
    for other in others:
        other.environ = {**project.environ, "LOG": str(other.log)}
        for name in ("plan", "in", "hdr"):
            other.write(name, project.read("treadle.yaml" if name == "plan" else name))
    started = [other.start("run") for other in others]
    for child in started:
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, out + err
    assert project.run() == []
    for other in others:
        assert outputs(other) == outputs(project)
    assert project.treadle("cache", "verify").code == 0


def test_outputs_that_other_actions_read_are_seen_as_restored(project: Project) -> None:
    """Invariant 2: an output that comes back as it was lets what reads it be up to date."""
    plan = (
        "treadle: 1\ncache: local\nactions:\n"
        "  a: {sh: 'echo a >> $LOG; head -c1 in > ${out}', in: in, out: o, pass: [LOG], cache: true}\n"
        "  b: {sh: 'echo b >> $LOG; cp o ${out}', in: o, out: p, pass: [LOG], cache: false}\n"
    )
    project.write("plan", plan)
    project.write("in", "1 x\n")
    assert project.run() == ["a", "b"]
    project.write("in", "1 y\n")
    assert project.run() == ["a"]
    project.write("in", "1 x\n")
    assert project.run() == []
    assert project.treadle("status").code == 0


def test_status_says_what_would_be_restored(project: Project) -> None:
    """F1: from the local store alone, and what reads it is judged by what it would hold."""
    before = {"found": "restore", "file": "restore", "tree": "restore"}
    project.run()
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    store = Path(project.environ["TREADLE_CACHE_DIR"])
    for path in store.glob("*/*/*"):
        os.utime(path, (1, 1))

    def stamps() -> dict[Path, tuple[int, int]]:
        paths = (*store.rglob("*"), *project.folder.rglob("*"))
        return {path: (path.lstat().st_mtime_ns, path.lstat().st_ctime_ns) for path in paths}

    untouched = stamps()
    done = project.treadle("status")
    assert done.code == 1
    assert done.out.splitlines()[:1] == ["would be restored file: input in changed"]
    assert "3 would be restored" in done.out
    assert project.treadle("run", "-n").out == done.out
    data = json.loads(project.treadle("status", "--json").out)
    assert {one["name"]: one["decision"] for one in data["actions"]} == before
    assert (data["counts"]["restore"], data["counts"]["run"]) == (3, 0)
    assert "tree would be restored from the local cache:\n" in project.treadle("why", "tree").out
    assert json.loads(project.treadle("why", "tree", "--json").out)["actions"][0]["decision"] == "restore"
    assert stamps() == untouched
    assert project.run() == []


MISSES = {
    "forced": ("status", "--force"),
    "no cache": ("status", "--cache=off"),
    "the hash of no input": ("status",),
    "an entry that is damaged": ("status",),
    "a blob that is gone": ("status",),
    "a blob that was cut off": ("status",),
}


@pytest.mark.parametrize("how", MISSES)
def test_status_says_of_what_cannot_be_restored_that_it_would_run(project: Project, how: str) -> None:
    """F1: it is the rule of a restore, as far as that is seen without fetching."""
    project.run()
    project.write("in", "2\n")
    project.run()
    project.write("in", "3\n" if how == "the hash of no input" else "1\n")
    words = MISSES[how]
    if how == "no cache":
        words = ("status",)
        project.environ["TREADLE_CACHE"] = "off"
    store = Path(project.environ["TREADLE_CACHE_DIR"])
    if how == "an entry that is damaged":
        for path in store.glob("ac/*/*"):
            path.write_bytes(path.read_bytes()[:-1] + b"x")
    for path in store.glob("cas/*/*"):
        if how == "a blob that is gone":
            path.unlink()
        elif how == "a blob that was cut off":
            path.write_bytes(path.read_bytes()[:-1])
    said = project.treadle(*words).out
    assert "run file: " in said
    assert "restored" not in said


BEYOND = """
treadle: 1
cache: local
defaults: {cache: true}
actions:
  file: {sh: 'cp in ${out}', in: in, out: o/s/file}
  tree: {sh: 'mkdir ${out}/x; cp in ${out}/x/y', in: in, out: t/s/tree/}
  linked: {sh: 'mkdir ${out}/x; cp in ${out}/x/y; ln -s x/y ${out}/l', in: in, out: l/s/linked/}
  link: {sh: 'ln -s file2 k/s/link; cp in k/s/file2', in: in, out: [k/s/link, k/s/file2]}
  after: {sh: 'cp ${in} ${out}', in: o/s/file, out: after}
"""
WAYS = {
    "a link out": "ln -s {outside} {at}",
    "a link out below": "mkdir {at}; ln -s {outside} {at}/s",
    "two links out": "ln -s {at}.other {at}; ln -s {outside} {at}.other",
    "a relative link out": "ln -s ../outside {at}",
    "a link to the inside": "mkdir {at}.real; ln -s {at}.real {at}",
    "an absolute link to the inside": "mkdir {at}.real; ln -s $PWD/{at}.real {at}",
    "a link out and back": "mkdir {at}.real; ln -s ../project/{at}.real {at}",
    "a folder": "mkdir -p {at}/s",
    "a mount": "mkdir -p {at}/s; mount -t tmpfs tmpfs {at}/s",
}


@pytest.mark.parametrize("way", WAYS)
def test_status_says_the_same_as_a_run_of_outputs_that_a_link_or_a_mount_leads_to(
    project: Project, tmp_path: Path, way: str
) -> None:
    """R6, F1: nothing is restored beyond a link that leads out of the root, or on another disk."""
    names = ["o", "t", "l", "k"]
    project.write("plan", BEYOND)
    assert project.treadle("run").code == 0
    for name in (".treadle", *names):
        shutil.rmtree(project.folder / name)
    (project.folder / "after").unlink()
    script = ""
    for name in names:
        (tmp_path / "outside" / name).mkdir(parents=True)
        script += WAYS[way].format(outside=tmp_path / "outside" / name, at=name) + "\n"
    if way == "a relative link out":
        script = script.replace("../outside ", "../outside/o ", 1)
    mounts = [project.folder / name / "s" for name in names] if way == "a mount" else []
    try:
        done = subprocess.run(["bash", "-euc", script], cwd=project.folder, check=False, capture_output=True)
        if done.returncode and mounts:
            pytest.skip("only root can mount, where mounts are allowed")
        assert done.returncode == 0, done.stderr
        said = project.treadle("status").out
        # what `after` reads is known only by then
        restored = set(re.findall("would be restored (\\w+):", said)) - {"after"}
        ran = project.treadle("run")
        assert ran.code == 0, ran.text
        assert set(re.findall("] restored (\\w+) ", ran.out)) - {"after"} == restored, said + ran.out
        assert project.read("o/s/file") == "1\n"
    finally:
        for path in mounts:
            subprocess.run(["umount", "-l", path], check=False)
    is_out = " out" in way
    plain = {"file", "tree"} if "folder" not in way else {"file", "tree", "linked", "link"}
    assert restored == (set() if is_out or mounts else plain)


def test_what_reads_an_output_that_would_be_restored_may_be_up_to_date_or_run(project: Project) -> None:
    """F1, invariant 2."""
    plan = (
        "treadle: 1\ncache: local\nactions:\n"
        "  a: {sh: 'head -c1 in > o; mkdir -p t; head -c1 in > t/x', in: in, out: [o, t/], cache: true}\n"
        "  b: {sh: 'cp o ${out}', in: o, out: p, cache: false}\n"
        "  c: {sh: 'cp t/x ${out}', in: t/x, out: q, cache: true}\n"
    )
    project.write("plan", plan)
    for text in ("1 x\n", "1 y\n", "2 x\n"):
        project.write("in", text)
        project.run()

    def said() -> dict[str, str]:
        data = json.loads(project.treadle("status", "--json").out)
        return {one["name"]: one["decision"] for one in data["actions"]}

    project.write("in", "1 x\n")
    # what is in a folder that would be restored is not known without fetching it
    assert said() == {"a": "restore", "b": "run", "c": "may run"}
    project.treadle("run")
    project.write("in", "1 y\n")
    assert said() == {"a": "restore", "b": "skip", "c": "may run"}


def test_status_marks_no_store_of_the_project_and_believes_none_of_a_checkout(project: Project) -> None:
    """F1, L1."""
    project.environ.pop("TREADLE_CACHE_DIR")
    plan = PLAN.replace("cache: local", "cache: {local: {folder: project}}")
    project.write("plan", plan)
    assert "3 to run" in project.treadle("status").out or "1 to run" in project.treadle("status").out
    assert not (project.folder / ".treadle/cache").exists()
    project.run()
    project.write("in", "2\n")
    project.run()
    project.write("in", "1\n")
    assert "3 would be restored" in project.treadle("status").out
    (project.folder / ".treadle/cache/id").write_text("another")
    assert "would be restored" not in project.treadle("status").out


def test_neither_status_nor_a_run_needs_a_home_folder(project: Project) -> None:
    """T1: there is no cache then, which a run says in one line."""
    project.environ.pop("TREADLE_CACHE_DIR")
    for name in ("HOME", "XDG_CACHE_HOME"):
        project.environ.pop(name, None)
    project.environ["XDG_STATE_HOME"] = str(project.folder.parent / "state")
    assert "run file: " in project.treadle("status").out
    done = project.treadle("run")
    assert (done.code, done.err.count("the cache is not used: there is no home folder for the cache")) == (0, 1)
    done = project.treadle("run", "--force", TREADLE_CACHE_SIZE="20", HOME="/nowhere")
    assert (done.code, done.err.count("the cache is not used: TREADLE_CACHE_SIZE needs a unit")) == (0, 1)


@pytest.mark.parametrize("word", ["stats", "gc", "verify", "explain"])
@pytest.mark.parametrize("kind", ["of all", "a file", "usual", "missing"])
def test_the_command_says_that_the_store_is_not_used(project: Project, word: str, kind: str) -> None:
    store = Path(project.environ["TREADLE_CACHE_DIR"])
    if kind == "a file":
        store.write_text("")
    elif kind != "missing":
        store.mkdir(mode=0o700)
        store.chmod(0o777 if kind == "of all" else 0o700)
    done = project.treadle("cache", word, *(["file"] if word == "explain" else []))
    is_refused = kind in ("of all", "a file")
    assert ("treadle: the local cache is not used: " in done.err) is is_refused
    assert done.code == (1 if word == "explain" else 2 if is_refused and word != "stats" else 0)


@pytest.mark.parametrize(
    ("says", "environ", "why"),
    [
        ("cache: local", {}, ""),
        ("cache: local", {"TREADLE_CACHE": "off"}, "TREADLE_CACHE is off"),
        ("", {}, "there is no `cache: local` in the plan, nor TREADLE_CACHE"),
        ("", {"TREADLE_CACHE": "local"}, ""),
    ],
)
def test_explain_says_that_a_run_would_not_ask_the_cache(
    project: Project, says: str, environ: dict[str, str], why: str
) -> None:
    project.write("plan", PLAN.replace("cache: local", says))
    done = project.treadle("cache", "explain", "file", **environ)
    assert done.err == (f"treadle: a run does not use the cache: {why}\n" if why else "")


@pytest.mark.parametrize("knows", [False, True])
def test_explain_compares_no_version_that_was_not_asked_for(project: Project, knows: bool) -> None:
    tools = "tools: [{tool: cp, version: echo 1}], cache: true}"
    project.write("plan", PLAN.replace("pass: [LOG], cache: true}", f"pass: [LOG], {tools}"))
    project.run()
    if not knows:
        forget_all(project)
    done = project.treadle("cache", "explain", "file")
    unknown = "file: the version of its tool cp is not known: only a run asks for it\n"
    assert (done.out == unknown) is not knows
    assert (done.code, project.run()) == (0 if knows else 1, [])


def explained(project: Project, *words: str) -> dict[str, Any]:
    """Return what `cache explain` says of one action, for programs."""
    done = project.treadle("cache", "explain", *words, "--json")
    (found,) = json.loads(done.out)["actions"]
    assert done.code == (0 if found["entry"] else 1)
    return found  # type: ignore[no-any-return]


def test_the_command_explains_why_an_action_missed(project: Project) -> None:
    """F5: by the first that differs from the nearest of its last entries."""
    assert explained(project, "file")["nearest"] is None
    assert "file: nothing of it is in the local cache" in project.treadle("cache", "explain", "file").out
    project.run()
    assert explained(project, "file")["entry"]["duration"] > 0
    assert "file: the local cache has its outputs: made by run " in project.treadle("cache", "explain", "file").out
    project.write("in", "2\n")
    assert explained(project, "file")["differs"] == ["input in differs"]
    said = project.treadle("cache", "explain", "file").out
    assert "file: the local cache has no entry for it as it is now\n" in said
    assert "nearest of 1 entry is what run " in said
    assert "    input in differs\n" in said
    assert "nothing of what its shell script starts" in said
    # what it was found to read
    project.write("in", "1\n")
    project.write("hdr", "other")
    assert explained(project, "found")["differs"] == ["found hdr differs"]


DIFFERENT = {
    "the command": ("cp in out/file", "cp in out/file; true", {}, "command differs"),
    "one more output": ("out: out/file,", "out: [out/file, x],", {}, "output x is new"),
    "one more variable": ("out: out/file,", "out: out/file, env: {A: b},", {}, "env A is new"),
    "another time zone": ("", "", {"TZ": "UTC"}, "locale TZ is new"),
}


@pytest.mark.parametrize("how", DIFFERENT)
def test_each_part_of_a_key_may_be_what_differs(project: Project, how: str) -> None:
    """F5, K1 to K4."""
    old, new, environ, said = DIFFERENT[how]
    plan = PLAN.replace("cp ${in} ${out}", "cp in out/file")
    project.write("plan", plan)
    project.environ.pop("TZ", None)
    project.run()
    project.write("plan", plan.replace(old, new, 1))
    project.environ.update(environ)
    assert said in explained(project, "file")["differs"]


def test_the_nearest_of_the_last_entries_is_compared(project: Project) -> None:
    """F5: and of many entries the last eight are known."""
    for number in range(12):
        project.write("in", f"{number}\n")
        project.run()
    store = Path(project.environ["TREADLE_CACHE_DIR"])
    sizes = [path.stat().st_size for path in store.glob("hints/*/*")]
    assert len(sizes) == 3
    project.write("in", "new\n")
    found = explained(project, "file")
    assert (found["stored"], found["differs"]) == (8, ["input in differs"])
    for number in range(12, 24):
        project.write("in", f"{number}\n")
        project.run()
    assert max(path.stat().st_size for path in store.glob("hints/*/*")) < 2.5 * max(sizes)
    # a hint that is damaged explains nothing, and breaks nothing
    for path in store.glob("hints/*/*"):
        path.write_bytes(b'{"key": 3}\n[' + b"[" * 3000 + b'\n{"key":"a","run":"b","at":"c","digests":{}}\n\xff')
    project.write("in", "newer\n")
    assert explained(project, "file")["nearest"] is None
    assert project.treadle("cache", "verify").code == 0
    assert project.treadle("run").code == 0


BINDING = {
    "env: {A: b}, track: [HOME]": "env HOME, which is another one for other users",
    "env: {A: '${root}/x'}": "which holds the path of this folder",
    "tools: [cp]": "the content of the tool cp",
}


@pytest.mark.parametrize("keys", BINDING)
def test_what_keeps_others_from_having_the_same_key_is_named(project: Project, keys: str) -> None:
    """K5, K3."""
    project.write("plan", PLAN.replace("in: in, out: out/file,", f"in: in, out: out/file, {keys},"))
    said = "\n".join(explained(project, "file")["binds"])
    assert BINDING[keys] in said
    assert "the system: " in said
    assert "sh, which it starts" in said
    assert ("shell script starts" in said) != ("tools" in keys)


def test_the_command_explains_why_an_action_is_never_cached(project: Project) -> None:
    """F5, C1."""
    project.write("plan", PLAN.replace("pass: [LOG], cache: true", "pass: [LOG], cache: false"))
    assert explained(project, "file")["why_not"] == "it is never cached: it says `cache: false`"
    assert "what it reads is not known before file has run" in project.treadle("cache", "explain", "tree").out


def test_a_hint_holds_no_value(project: Project) -> None:
    """T7."""
    project.write("plan", PLAN.replace("in: in, out: out/file,", "in: in, out: out/file, env: {A: pass-word},"))
    project.run()
    paths = list(Path(project.environ["TREADLE_CACHE_DIR"]).glob("hints/*/*"))
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    texts = [path.read_text() for path in paths]
    assert any("env A" in text for text in texts)
    assert not any("pass-word" in text or "echo said" in text for text in texts)


# what is between machines needs a server, see test_shared_cache


ON_ENGINE = PLAN.replace("cache: local", "cache: local\nengine: {name: process, workers: 1, lease: 20s}")


def test_what_an_engine_has_made_is_stored_like_others_and_restored_without_a_worker(project: Project) -> None:
    """F8: nothing of the cache runs on a worker."""
    project.write("plan", ON_ENGINE)
    assert project.run("--events", "events.jsonl") == ["file", "found", "tree"]
    before = outputs(project)
    assert entries(project) == 4
    forget_all(project)
    project.write("events.jsonl", "")
    assert project.run("--events", "events.jsonl") == []
    assert {name: text for name, text in outputs(project).items() if name != "events.jsonl"} == {
        name: text for name, text in before.items() if name != "events.jsonl"
    }
    lines = [json.loads(line) for line in project.read("events.jsonl").splitlines()]
    assert {one["host"] for one in lines if one["event"] == "restored"} == {os.uname().nodename}
    # J6: it is the same entry without an engine
    forget_all(project)
    project.write("plan", PLAN)
    assert project.run() == []


def test_what_an_engine_has_made_with_other_programs_is_not_stored(project: Project) -> None:
    """F8, K3: the key names the programs and the system of this machine."""
    project.write("plan", ON_ENGINE.replace("lease: 20s", "lease: 20s, mixed: ok"))
    assert project.run() == ["file", "found", "tree"]
    assert entries(project) == 0
    # what is stored already may be restored
    project.write("plan", PLAN)
    project.run("--force")
    project.write("plan", ON_ENGINE.replace("lease: 20s", "lease: 20s, mixed: ok"))
    forget_all(project)
    assert project.run() == []


def test_a_watch_restores_too(project: Project) -> None:
    """C6: in each of its rounds."""
    project.write(
        "plan", PLAN.replace("pass: [LOG], ", "").replace(", pass: [LOG]", "").replace(">> $LOG", ">> /dev/null")
    )
    project.environ["LOG"] = ""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TREADLE_CACHE", raising=False)
        for name in ("TREADLE_CACHE_DIR", "XDG_STATE_HOME"):
            if name in project.environ:
                patch.setenv(name, project.environ[name])
        watched = Watched(project.folder, "-v")
        try:
            watched.until(READY)
            for text, how in (
                ("2\n", "ran file"),
                ("1\n", "restored file (local)"),
                ("2\n", "restored file (local)"),
            ):
                project.write("in", text)
                said = watched.round()
                assert any(line.startswith(how) for line in said), said
                assert project.read("out/file") == text
        finally:
            assert watched.end() == 130


def test_records_reports_and_figures_know_what_was_restored(project: Project) -> None:
    """F4: a success that ran nothing, whose duration is none of what the action takes."""
    slow = PLAN.replace("echo said;", "echo said; sleep 0.3;")
    project.write("plan", slow)
    project.treadle("run", "--record")
    project.write("in", "2\n")
    project.treadle("run", "--record")
    project.write("in", "1\n")
    done = project.treadle(
        "run", "--record", "--html", "page.html", "--markdown", "page.md", "--trace", "trace.json"
    )
    assert "3 restored" in done.out
    shown = json.loads(project.treadle("show", "--json").out)
    assert {one["outcome"] for one in shown["actions"]} == {"restored"}
    (figures,) = json.loads(project.treadle("stats", "file", "--json").out)["actions"]
    assert figures["outcomes"] == {"restored": 1, "success": 2}
    assert figures["time"]["mean"] > 0.25
    assert project.read("page.html").count('"restored"') >= 3
    assert "restored" in project.read("page.md")
    # what it takes is known still, to forecasts
    said = project.treadle("status", "-v", "--sort", "duration", "--json").out
    last = {one["name"]: one["last_duration"] for one in json.loads(said)["actions"]}
    assert last["file"] > 0.25


PAGE = (
    (Path(__file__).parents[2] / "docs/howto/cache.md").read_text("utf-8").partition("\n## Between machines\n")[0]
)


def test_each_plan_of_the_page_passes_the_checks(project: Project) -> None:
    plans = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(plans) == 2
    for plan in plans:
        project.write("plan", plan)
        project.write("data.csv", "1,2\n")
        done = project.treadle("check")
        assert done.code == 0, done.text


def test_the_examples_of_the_page_prints_what_it_says(project: Project, tmp_path: Path) -> None:
    project.write("plan", re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0])
    launcher = tmp_path / "commands/treadle"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m treadle "$@"\n')
    launcher.chmod(0o755)
    environ = {**project.environ, "PATH": f"{launcher.parent}:{os.environ['PATH']}"}
    block = "".join(re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))

    changing = {
        r"\b(?:\d+m )?\d+(?:\.\d)?s\b": "TIME",
        r", [\d.]+s saved by skipping": "",
        r"\brun [0-9a-f]{8}\b": "RUN",
        r"\bkey [0-9a-f]{16}\b": "KEY",
        r"the system: .*": "SYSTEM",
        # a locale that is set is one more
        r"and \d+ elements": "ELEMENTS",
    }

    def settled(text: str) -> str:
        for pattern, word in reversed(changing.items()):
            text = re.sub(pattern, word, text)
        return text

    for one in block.split("$ ")[1:]:
        line, _, said = one.partition("\n")
        done = subprocess.run(
            ["bash", "-euc", line], cwd=project.folder, env=environ, capture_output=True, text=True, timeout=60
        )
        assert settled(done.stdout) == settled(said), (line, done)
