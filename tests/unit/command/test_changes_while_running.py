"""What comes and goes while an action runs: it may have been read, so the action is not recorded.

In each case all is as it was once the action has ended. What cannot have been read leaves it recorded.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from treadle import DAG, Command, CommandWalk, Observer, Script, Settings, Tool
from treadle.content.files import GRANULARITY
from treadle.state.records import MOVED

LAYOUT = """
mkdir -p t/s/deep t2 a/b a2/b lib/v1 lib/v2 bin bin2
for file in t/x t/s/y t/s/deep/z a/b/x a2/b/x lib/v1/h lib/v2/h lib/f1 lib/f2; do echo "$file" > $file; done
ln -s v1 lib/now
ln -s lib/f1 one
ln -s one two
ln -s lib/now inc
ln -s ../lib/now t/inc
ln -s ../lib/f1 t/f
ln -s t tree
printf '#!/bin/sh\\n' > bin/tool
chmod +x bin/tool
cp bin/tool bin/other
ln -s tool bin/linked
"""

TREE, PLAIN, LINK, THROUGH, LINKED_TREE = "t/", "a/b/x", "two", "inc/h", "tree/"

MOVES = {
    "a file in a tree": (TREE, "echo > t/n; rm t/n"),
    "a hidden file in a tree": (TREE, "echo > t/.n; rm t/.n"),
    "a file deep in a tree": (TREE, "echo > t/s/deep/n; rm t/s/deep/n"),
    "an empty folder in a tree": (TREE, "mkdir t/s/n; rmdir t/s/n"),
    "a link in a tree": (TREE, "ln -s x t/n; rm t/n"),
    "a name of a file in a tree": (TREE, "mv t/s/y t/s/w; mv t/s/w t/s/y"),
    "a name of a folder in a tree": (TREE, "mv t/s t/w; mv t/w t/s"),
    "a folder in a tree that is away": (TREE, "mv t/s/deep away; mv away t/s/deep"),
    "two names that are swapped in a tree": (TREE, "mv t/s t/w; mv t2 t/s; mv t/s t2; mv t/w t/s"),
    "the whole tree": (TREE, "mv t w; mv t2 t; mv t t2; mv w t"),
    "the target of a link to a file in a tree": (TREE, "ln -sfn ../lib/f2 t/f; ln -sfn ../lib/f1 t/f"),
    "the target of a link to a folder in a tree": (TREE, "ln -sfn ../lib/v2 t/inc; ln -sfn ../lib/now t/inc"),
    "the target of a link that a link in a tree leads to": (TREE, "ln -sfn v2 lib/now; ln -sfn v1 lib/now"),
    "a file where a link in a tree leads to": (TREE, "echo > lib/v1/n; rm lib/v1/n"),
    "the folder where a link in a tree leads through": (TREE, "mv lib w; mv w lib"),
    "the target of a link to a tree": (LINKED_TREE, "ln -sfn t2 tree; ln -sfn t tree"),
    "a file in a tree behind a link": (LINKED_TREE, "echo > t/n; rm t/n"),
    "a file by the name of another": (PLAIN, "mv a/b/x w; cp lib/f1 a/b/x; rm a/b/x; mv w a/b/x"),
    "the folder of a file": (PLAIN, "mv a/b w; mv a2/b a/b; mv a/b a2/b; mv w a/b"),
    "the folder around the folder of a file": (PLAIN, "mv a w; mv a2 a; mv a a2; mv w a"),
    "the folder of a file, by another name alone": (PLAIN, "mv a/b w; mv w a/b"),
    "the target of a link": (LINK, "ln -sfn lib/f2 two; ln -sfn one two"),
    "the target of a link that a link leads to": (LINK, "ln -sfn lib/f2 one; ln -sfn lib/f1 one"),
    "the folder of the target of a link": (LINK, "mv lib w; mv w lib"),
    "the name of a link": (LINK, "mv two w; mv w two"),
    "the target of a link to the folder of a file": (THROUGH, "ln -sfn lib/v2 inc; ln -sfn lib/now inc"),
    "the target of a link behind the folder of a file": (THROUGH, "ln -sfn v2 lib/now; ln -sfn v1 lib/now"),
    "a folder behind the link to the folder of a file": (THROUGH, "mv lib/v1 lib/w; mv lib/w lib/v1"),
}

STAYS = {
    "nothing": (TREE, ":"),
    "a hard link to a file in a tree": (TREE, "ln t/x w"),
    "a hard link to a file": (PLAIN, "ln a/b/x w"),
    "a hard link to the target of a link": (LINK, "ln lib/f1 w"),
    "the time of the last reading": (TREE, "cat t/x t/s/y > /dev/null; ls -R t > /dev/null"),
    "the mode of a file": (PLAIN, "chmod g+w a/b/x"),
    "the mode of a folder of a tree": (TREE, "chmod g+w,o-rx t/s"),
    "the mode of the folder of a file": (PLAIN, "chmod g+w,o-rx a/b"),
    "what an interpreter keeps in a tree": (TREE, "mkdir t/__pycache__; echo > t/__pycache__/x.pyc"),
    "what an interpreter keeps deep in a tree": (TREE, "mkdir t/s/deep/__pycache__"),
    "what an interpreter keeps anew": (TREE, "mkdir t/__pycache__; rm -r t/__pycache__; mkdir t/__pycache__"),
    "a file beside a tree": (TREE, "echo > n; rm n; echo > t2/n"),
    "a file beside a file": (PLAIN, "echo > a/b/n; rm a/b/n; echo > a/n"),
    "a folder beside a file": (PLAIN, "mkdir a/b/n"),
    "a file beside a file behind a link": (THROUGH, "echo > lib/v1/n; rm lib/v1/n"),
    "a file beside the target of a link": (LINK, "echo > lib/n; rm lib/n"),
    "a link beside a link": (LINK, "ln -sfn lib/f2 w; ln -sfn lib/f1 w"),
    "the time of the folder of a file": (PLAIN, "touch a/b a"),
}


class Notes(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def walked(root: Path, command: Command) -> tuple[str, list[str]]:
    """Run a command that ends well; return how it stands in the records, and the notes."""
    dag = DAG()
    dag.add_vertex("a", command)
    notes = Notes()
    walk = CommandWalk(dag, str(root), Settings(jobs=1), notes)
    assert walk.run().ok
    walk.store.load()
    (entry,) = walk.store.entries.values()
    return entry.state, notes.notes


def sh(text: str, *inputs: str, **more: object) -> Command:
    text = f"{text}\nmkdir -p out; echo > out/o"
    return Command(script=Script(text, shell=("sh", "-ec")), inputs=inputs, outputs=("out/o",), **more)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    code = os.waitstatus_to_exitcode(os.system(f"cd '{tmp_path}' && set -e\n{LAYOUT}"))
    assert code == 0
    end = time.time_ns() + GRANULARITY
    while time.time_ns() <= end:
        # what the layout has left is older than a tick of any clock then
        os.sched_yield()
    return tmp_path


def bare(notes: list[str]) -> list[str]:
    """Return notes without the names in a tree that are added to it."""
    return [note.partition(" (")[0] for note in notes]


@pytest.mark.parametrize(("read", "script"), MOVES.values(), ids=MOVES)
def test_what_goes_and_comes_back_while_an_action_runs_is_not_recorded(root: Path, read: str, script: str) -> None:
    state, notes = walked(root, sh(script, read))
    assert (state, bare(notes)) == (MOVED, [f"a is not recorded, it will run again: changed while it ran: {read}"])
    assert walked(root, sh(":", read))[0] != MOVED


@pytest.mark.parametrize(("read", "script"), STAYS.values(), ids=STAYS)
def test_what_cannot_have_been_read_leaves_an_action_recorded(root: Path, read: str, script: str) -> None:
    state, notes = walked(root, sh(script, read))
    assert state != MOVED, notes


KINDS = {
    "a tool": (
        lambda script: sh(script, tools=(Tool("bin/linked"),)),
        "ln -sfn other bin/linked; ln -sfn tool bin/linked",
        "bin/linked",
    ),
    "the folder of a tool": (
        lambda script: sh(script, tools=(Tool("bin/tool"),)),
        "mv bin w; mv w bin",
        "bin/tool",
    ),
    "what it was found to read": (
        lambda script: sh(f"{script}; echo out/o: inc/h > d", depfile="d"),
        "ln -sfn lib/v2 inc; ln -sfn lib/now inc",
        "inc/h",
    ),
    "the folder of what it edits": (
        lambda script: sh(script, edits=("a/b/x",)),
        "mv a/b w; mv a2/b a/b; mv a/b a2/b; mv w a/b",
        "a/b/x",
    ),
}


@pytest.mark.parametrize(("make", "script", "path"), KINDS.values(), ids=KINDS)
def test_all_that_an_action_reads_counts_alike(root: Path, make: object, script: str, path: str) -> None:
    assert callable(make)
    (root / "flag").write_text("")
    when = f"if test -s flag; then {script}; fi"
    assert walked(root, make(when))[0] != MOVED
    (root / "flag").write_text("x")
    (root / "out" / "o").unlink()
    state, notes = walked(root, make(when))
    assert (state, bare(notes)) == (MOVED, [f"a is not recorded, it will run again: changed while it ran: {path}"])


def test_an_action_that_writes_beside_what_another_reads_leaves_it_recorded(root: Path) -> None:
    dag = DAG()
    dag.add_vertex("reads", Command(steps=(("cat", "a/b/x", "inc/h"),), inputs=("a/b/x", "inc/h")))
    dag.add_vertex(
        "writes",
        Command(script=Script("echo > a/b/o; echo > lib/v1/p", shell=("sh", "-ec")), outputs=("a/b/o", "lib/v1/p")),
    )
    notes = Notes()
    walk = CommandWalk(dag, str(root), Settings(jobs=2), notes)
    assert walk.run().ok
    assert notes.notes == []


@pytest.mark.parametrize("tree", ["t/", "t/s/"])
def test_a_depfile_in_a_tree_that_its_action_reads_leaves_it_recorded_from_the_second_run_on(
    root: Path, tree: str
) -> None:
    text = "echo 'o: a/b/x' > t/s/d"
    command = Command(script=Script(text, shell=("sh", "-ec")), inputs=(tree,), depfile="t/s/d")
    (root / "t/s/d").write_text("o: a/b/x\n")
    assert walked(root, command)[0] != MOVED
    also = Command(
        script=Script(f"{text}; echo > t/n; rm t/n", shell=("sh", "-ec")), inputs=("t/",), depfile="t/s/d"
    )
    dag = DAG()
    dag.add_vertex("a", also)
    notes = Notes()
    assert CommandWalk(dag, str(root), Settings(jobs=1), notes).run().ok
    assert bare(notes.notes) == ["a is not recorded, it will run again: changed while it ran: t/"]


FIRST = dict(MOVES)
FIRST["a folder that becomes a link for a while"] = (PLAIN, "mv a/b w; ln -s ../a2/b a/b; rm a/b; mv w a/b")
FIRST["the folder of a file that is not there"] = ("a/b/none", "mv a/b w; mv a2/b a/b; mv a/b a2/b; mv w a/b")
FIRST["a link to the folder of a file that is not there"] = (
    "inc/none",
    MOVES["the target of a link to the folder of a file"][1],
)
FIRST["a link on the way that goes up again"] = ("inc/../f1", "ln -sfn v2 lib/now; ln -sfn v1 lib/now")


@pytest.mark.parametrize(("read", "script"), FIRST.values(), ids=FIRST)
def test_what_goes_and_comes_back_before_it_is_found_for_the_first_time_is_not_recorded(
    root: Path, read: str, script: str
) -> None:
    def found(script: str) -> Command:
        return sh(f"{script}; echo out/o: {read} > d", depfile="d")

    state, notes = walked(root, found(script))
    assert state == MOVED
    assert bare(notes) == [f"a is not recorded, it will run again: changed while it ran: {read}"]
    # the name of a folder, as a depfile may give it
    assert walked(root, found(":"))[0] != MOVED


# a new mode or hard link looks like a new name where nothing was looked at before
FIRST_STAYS = [case for case in STAYS if STAYS[case][0] != TREE and "mode" not in case and "hard link" not in case]


@pytest.mark.parametrize("case", ["nothing", *FIRST_STAYS])
def test_what_cannot_have_been_read_leaves_what_is_found_for_the_first_time_recorded(root: Path, case: str) -> None:
    read, script = STAYS[case]
    state, notes = walked(root, sh(f"{script}; echo out/o: {read} > d", depfile="d"))
    assert state != MOVED, notes
