"""`treadle cache check NAME`: an action runs in two folders, and what differs is named."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

import waiting
from project import Project
from treadle.session.reproducing import Place, why_unlike

ACTIONS = {
    "same": ("cat in sub/two > ${out}; mkdir -p t/x; cp in t/x/y; ln -s x t/l", "[in, sub/]", "[o, t/]", ""),
    "folder": ("cat in > ${out}; pwd >> ${out}", "in", "o", "it holds the path of its folder"),
    "home": ("echo ~ > ${out}", "in", "o", "it holds the path of HOME"),
    "temporary": ("echo $TMPDIR > ${out}", "in", "o", "it holds the path of TMPDIR"),
    "time": ("date -Iseconds > ${out}", "in", "o", "it holds a time"),
    "epoch": ("date +%s > ${out}", "in", "o", "it holds a time"),
    "mode": (
        "install -m $([ $(umask) = 0022 ] && echo 755 || echo 644) in ${out}",
        "in",
        "o",
        "it is executable in",
    ),
    "names": ("touch t/$(basename $(dirname $PWD))", "in", "t/", "it is made in one of two folders"),
    "link": (
        "ln -s $(basename $(dirname $PWD)) ${out}; touch $(readlink ${out})",
        "in",
        "o",
        "leads to something else",
    ),
    "undeclared": ("cat in other > ${out}", "in", "o", "it does not end well with only what it declares"),
    "named": ("echo ${root} > ${out}", "in", "o", "holds the path of this folder"),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    project.environ["TMPDIR"] = str(tmp_path / "temporary")
    (tmp_path / "temporary").mkdir()
    for name, text in {"in": "1\n", "sub/two": "2\n", "sub/exec": "3\n", "other": "4\n"}.items():
        project.write(name, text)
    return project


def plan_of(name: str) -> str:
    script, reads, makes, _ = ACTIONS[name]
    return f"treadle: 1\ncache: local\nactions:\n  a: {{sh: '{script}', in: {reads}, out: {makes}, cache: true}}\n"


@pytest.mark.parametrize("name", ACTIONS)
def test_what_an_action_makes_in_another_folder_is_compared(project: Project, name: str, tmp_path: Path) -> None:
    """F6, T11."""
    plan = plan_of(name)
    if name == "same":
        plan = plan.replace("cat in sub/two > ${out}", "cat in sub/two > o")
    project.write("plan", plan)
    before = sorted(path.name for path in project.folder.rglob("*"))
    done = project.treadle("cache", "check", "a")
    said = ACTIONS[name][3]
    assert done.code == (1 if said else 0), done.text
    assert (said or "a: the same bytes in two folders: 2 outputs") in done.out, done.text
    # it runs elsewhere, and leaves nothing anywhere
    assert [one for one in before if not (project.folder / one).exists() and one in ("o", "t")] == []
    assert not (project.folder / "o").exists()
    assert os.listdir(tmp_path / "temporary") == []


def test_nothing_is_written_by_links_of_the_inputs(project: Project) -> None:
    """F6: absolute ones, to folders and files; what they lead to is another one of the project."""
    top = project.folder
    (top / "in2").mkdir()
    (top / "in2/folder").symlink_to(top / "sub")
    (top / "in2/file").symlink_to(top / "other")
    os.mkfifo(top / "in2/pipe")
    script = "echo x > in2/folder/two || :; echo x > in2/file || :; cat in > ${out}"
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: '{script}', in: [in, in2/], out: o}}\n")
    done = project.treadle("cache", "check", "a")
    assert done.code == 0, done.text
    assert (top / "sub/two").read_text() == "2\n"
    assert (top / "other").read_text() == "4\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_check_that_is_interrupted_leaves_nothing(project: Project, tmp_path: Path, number: int) -> None:
    """F6: neither its folders nor what it has started."""
    script = "echo $$ > $PIDS.new; mv $PIDS.new $PIDS; sleep 300; cat in > ${out}"
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: '{script}', in: in, out: o, pass: [PIDS]}}\n")
    pids = tmp_path / "pids"
    child = project.start("cache", "check", "a", PIDS=str(pids))
    waiting.until(pids.exists, "the start of the action")
    child.send_signal(number)
    said = "".join(child.communicate(timeout=30))
    assert child.returncode == 128 + number, said
    assert "a was interrupted, and is not checked" in said
    assert os.listdir(tmp_path / "temporary") == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text()), 0)


def test_an_action_of_another_queue_is_checked(project: Project) -> None:
    """F6."""
    action = "  a: {sh: 'cat in > ${out}', in: in, out: o, queue: gpu}\n"
    project.write("plan", f"treadle: 1\nqueues: {{gpu: 2}}\nactions:\n{action}")
    done = project.treadle("cache", "check", "a")
    assert done.code == 0, done.text


@pytest.mark.parametrize(
    ("pool", "wants", "code"),
    [
        ("pool: {gpus: 2}", "gpus: 1", 0),
        ("pool: {licences: 3}", "licences: 3", 0),
        ("pool: {licences: 3}", "licences: 4", 2),
        ("pool: {memory: 64GB}", "memory: 60GB", 0),
        ("# none", "gpus: 1000", 2),
    ],
)
def test_an_action_has_the_resources_of_the_plan_in_both_folders(
    project: Project, pool: str, wants: str, code: int
) -> None:
    """F6: what a run would refuse to start is refused, and all else is started."""
    action = f"  a: {{sh: 'cat in > ${{out}}', in: in, out: o, resources: {{{wants}}}}}\n"
    project.write("plan", f"treadle: 1\n{pool}\nactions:\n{action}")
    done = project.treadle("cache", "check", "a")
    assert done.code == code, done.text
    assert ("the same bytes in two folders" in done.out) == (not code)
    assert project.treadle("run").code == code


def test_what_comes_at_the_end_of_a_run_is_not_checked(project: Project) -> None:
    """F6: it is never cached."""
    last = "  last: {sh: 'cat in > ${out}', in: in, out: o, finally: true}\n"
    project.write("plan", f"treadle: 1\nactions:\n{last}")
    done = project.treadle("cache", "check", "last")
    assert "last is not checked, it is never cached: it comes at the end of a run" in done.err
    assert "there is nothing to check" in done.err
    assert not (project.folder / "o").exists()


def test_what_is_found_to_be_read_is_there_too_and_programs_of_the_root(project: Project) -> None:
    """F6."""
    project.write("tool", "#!/bin/sh\ncat in hdr > o; echo 'o: in hdr' > o.d\n")
    (project.folder / "tool").chmod(0o755)
    project.write("hdr", "h\n")
    project.write("plan", "treadle: 1\nactions:\n  a: {run: ./tool, in: in, out: o, depfile: o.d}\n")
    assert project.treadle("run").code == 0
    done = project.treadle("cache", "check", "a", "--json")
    assert done.code == 0, done.text
    assert json.loads(done.out)["actions"] == [{"name": "a", "failure": "", "differences": []}]


def test_what_is_never_cached_is_not_checked(project: Project) -> None:
    """C1."""
    project.write("plan", plan_of("home").replace("cache: true", "cache: false"))
    done = project.treadle("cache", "check", "a")
    assert done.code == 2
    assert "a is not checked, it is never cached: it says `cache: false`" in done.err
    assert "there is nothing to check" in done.err


def test_what_it_reads_has_to_be_there(project: Project) -> None:
    plan = "treadle: 1\nactions:\n  b: {run: cp in o, in: in, out: o}\n  a: {run: cp o p, in: o, out: p}\n"
    project.write("plan", plan)
    assert "a cannot be checked before b is there" in project.treadle("cache", "check", "a").err


def place(root: str, began: float) -> Place:
    found = Place(root, f"{root}-home", f"{root}-tmp", "u" * len(root) + "-user", {})
    found.began = found.ended = began
    return found


AT = (1_700_000_000, 1_700_000_009)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (b"in /one", b"in /three", "it holds the path of its folder"),
        (b"/one /one-tmp", b"/three /three-tmp", "it holds the path of its folder"),
        (b"at 2026-01-02T03:04:05Z", b"at 2026-01-02T03:04:06Z", "it holds a time"),
        (b"\x1f\x8b" + AT[0].to_bytes(4, "little"), b"\x1f\x8b" + AT[1].to_bytes(4, "little"), "it holds a time"),
        (AT[0].to_bytes(4, "big"), AT[1].to_bytes(4, "big"), "it holds a time"),
        (b"a\nb\n", b"b\na\n", "the order of its lines differs"),
        (b"ab", b"ba", "the order of what it holds differs"),
        (b"abc", b"ab", "its length differs: 3 and 2 bytes"),
        (b"abc", b"abd", "its bytes differ, first at 2"),
        (b"/one 12:00:00", b"/three 12:00:01", "it holds the path of its folder; it holds a time"),
    ],
)
def test_the_reason_why_bytes_differ_is_named(first: bytes, second: bytes, said: str) -> None:
    """F6: the path of the folder, a time, an order."""
    assert why_unlike(first, second, place("/one", AT[0]), place("/three", AT[1])) == said
