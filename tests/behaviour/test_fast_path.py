"""The quick answer is never bolder than the walk: whatever changes, it leads to what a walk without it would do."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from project import Project, wait_until
from treadle import CommandWalk, Settings, TreadleError
from treadle.core import decision
from treadle.fastpath.probe import FORMAT
from treadle.plan.load import load_plan
from treadle.state.previous_outputs import PreviousOutputs

PLAN = """
treadle: 1
params:
  mode: {type: str, env: MODE, default: plain}
queues: {net: 1}
actions:
  first:
    sh: echo first >> $LOG; cat ${in} > ${out}
    in: one.txt
    out: out/first
    pass: [LOG]
    track: [FLAVOUR]
  second:
    sh: echo second >> $LOG; head -c 2 ${in} > ${out}
    in: out/first
    out: out/second
    pass: [LOG]
    queue: net
  each:
    foreach: {src: "src/*.c"}
    sh: |
      echo each >> $LOG
      cat ${in} > ${out}
      echo "${out}: extra/${src.stem}.h" > ${depfile}
    in: ${src}
    out: out/${src.stem}.o
    depfile: out/${src.stem}.d
    pass: [LOG]
  tree:
    sh: echo tree >> $LOG; ls -R docs > ${out}
    in: docs/
    out: out/tree
    pass: [LOG]
    after: [first]
  tool:
    sh: echo tool >> $LOG; helper > ${out}
    in: one.txt
    out: out/tool
    tools: [helper]
    pass: [LOG]
  folder:
    sh: echo folder >> $LOG; mkdir -p out/site; echo ${mode} > out/site/${mode}
    out: out/site/
    pass: [LOG]
  inside:
    sh: echo inside >> $LOG; touch ${out}
    cwd: work
    out: work/made
    pass: [LOG]
  check:
    sh: echo check >> $LOG; grep -q . out/second
    in: out/second
    pass: [LOG]
default: [first, second, each, tree, tool, folder, inside, check]
"""


CHANGES = {
    "nothing": "true",
    "an input is edited": "echo another > one.txt",
    "an input is touched": "touch one.txt",
    "an input is edited, size and mtime as before": "touch -r one.txt /tmp/ref.$$; tr a-z A-Z < one.txt > x; cat x > one.txt;"
    " touch -r /tmp/ref.$$ one.txt; rm /tmp/ref.$$",
    "an input is rewritten with the same bytes": "cp one.txt x; cat x > one.txt",
    "an input is replaced by a copy of itself": "cp -p one.txt x; mv x one.txt",
    "an input is deleted": "rm one.txt",
    "an input becomes a folder": "rm one.txt; mkdir one.txt",
    "an input becomes a link": "echo x > x; ln -sf x one.txt",
    "an input gets a run bit": "chmod +x one.txt",
    "an intermediate output is edited": "echo by hand > out/first",
    "an output is deleted": "rm out/second",
    "an output is truncated": "truncate -s 0 out/a.o",
    "all outputs are deleted": "rm -r out",
    "a file is added to an output folder": "touch out/site/more",
    "a file of an output folder is edited": "echo edited > out/site/plain",
    "an output folder is emptied": "rm out/site/plain",
    "a file that a glob matches is added": "echo c > src/c.c",
    "a file that a glob matches is deleted": "rm src/b.c",
    "a file that a glob matches is renamed": "mv src/b.c src/d.c",
    "a file that no glob matches is added": "touch src/c.txt",
    "a discovered input is edited": "echo new > extra/a.h",
    "a discovered input is deleted": "rm extra/a.h",
    "a file of an input folder is edited": "echo edited > docs/page",
    "a file is added deep in an input folder": "touch docs/deep/er/new",
    "a file is deleted from an input folder": "rm docs/page",
    "a link in an input folder points elsewhere": "ln -sfn deep docs/link",
    "an input folder is replaced": "cp -r docs other; echo other > other/page; rm -r docs; mv other docs",
    "a tool is edited": "printf '#!/bin/sh\\necho two\\n' > bin/helper",
    "a tool is hidden by one earlier on PATH": "printf '#!/bin/sh\\necho three\\n' > bin0/helper; chmod +x bin0/helper",
    "a tool is deleted": "rm bin/helper",
    "a tracked variable is set": "FLAVOUR=mint",
    "an untracked variable is set": "OTHER=mint",
    "the variable of a parameter is set": "MODE=fancy",
    "a command is edited": "sed -i 's/head -c 2/head -c 3/' treadle.yaml",
    "a comment is edited": "echo '# a comment' >> treadle.yaml",
    "a line is added above all actions": "sed -i '1a # a comment' treadle.yaml",
    "a command and its input are edited": "sed -i 's/head -c 2/head -c 3/' treadle.yaml; echo more > one.txt",
    "a command and the output it reads are edited": "sed -i 's/head -c 2/head -c 3/' treadle.yaml; echo x > out/first",
    "a command is edited, another's output is deleted": "sed -i 's/head -c 2/head -c 3/' treadle.yaml; rm out/a.o",
    "the first command is edited": "sed -i 's/cat ${in} > ${out}/cat ${in} ${in} > ${out}/' treadle.yaml",
    "two commands change places": "sed -i 's/ls -R docs/@/; s/helper >/ls -R docs >/; s/@/helper/' treadle.yaml",
    "two actions change names": "sed -i 's/^  tree:/  @:/; s/^  tool:/  tree:/; s/^  @:/  tool:/' treadle.yaml",
    "an action gets another name": "sed -i 's/^  tree:/  wood:/; s/tree, tool/wood, tool/' treadle.yaml",
    "an output gets another name": "sed -i 's,out/second,out/third,' treadle.yaml",
    "an output becomes the input of another": "sed -i 's#    in: docs/#    in: [docs/, out/second]#' treadle.yaml",
    "an input is read by one more": "sed -i 's#    in: docs/#    in: [docs/, one.txt]#' treadle.yaml",
    "an input is read no more": "sed -i 's,    in: out/first,    in: one.txt,' treadle.yaml",
    "an order is turned round": "sed -i 's/    after: .first.//; s,    in: one.txt,&\\n    after: [tree],' treadle.yaml",
    "a glob matches less": "sed -i 's,src/[*].c,src/a.c,' treadle.yaml",
    "a glob is another one with the same matches": "sed -i 's,src/[*].c,src/?.c,' treadle.yaml",
    "a variable is tracked by one more": "sed -i 's/    tools: .helper./    track: [OTHER]/' treadle.yaml",
    "a variable is tracked by none": "sed -i 's/    track: .FLAVOUR.//' treadle.yaml",
    "a tool is asked for by one more": "sed -i 's,    in: docs/,&\\n    tools: [cat],' treadle.yaml",
    "an action runs always from now on": "sed -i 's,    in: docs/,&\\n    always: true,' treadle.yaml",
    "a variable holds the root from now on": "sed -i 's,    in: docs/,&\\n    env: {ROOT: \"${root}\"},' treadle.yaml",
    "a value counts from now on": "sed -i 's,    in: docs/,&\\n    uses: mode,' treadle.yaml",
    "codes have another meaning": "sed -i 's,    in: docs/,&\\n    codes: {success: [0; 2]},; s/0; 2/0, 2/' treadle.yaml",
    "codes ask for another attempt": "sed -i 's,    in: docs/,&\\n    codes: {retry: 3},' treadle.yaml",
    "a failure is expected": "sed -i 's,    in: docs/,&\\n    expect: failure,' treadle.yaml",
    "a requirement is added": "sed -i 's,    in: docs/,&\\n    require: \"true\",' treadle.yaml",
    "a requirement is added, and its action's input is edited": "sed -i 's,    in: docs/,&\\n    require: \"true\",' treadle.yaml;"
    " echo edited > docs/page",
    "a mixin is used": "sed -i 's,    in: docs/,&\\n    use: m,; s,^actions:,mixins: {m: {track: [FLAVOUR]}}\\n&,' treadle.yaml",
    "a depfile is read no more": "sed -i 's,    depfile: .*,,; s,^.*depfile.$,,' treadle.yaml",
    "a default of a parameter is edited": "sed -i 's/default: plain/default: fancy/' treadle.yaml",
    "a queue gets more tokens": "sed -i 's/net: 1/net: 2/' treadle.yaml",
    "a time limit is set": "sed -i 's,    in: docs/,&\\n    timeout: 1m,' treadle.yaml",
    "an input of an edited command is deleted": "sed -i 's/cat ${in}/cat -u ${in}/' treadle.yaml; rm one.txt",
    "the plan is rewritten as it was": "cp treadle.yaml x; cat x > treadle.yaml",
    "an action is edited that failed last time": "printf '#!/bin/sh\\nexit 1\\n' > bin/helper; treadle run && exit 1;"
    " sed -i 's/helper > /echo helped > /' treadle.yaml",
    "a command is edited after another was forced": "treadle run --force=first; sed -i 's/head -c 2/head -c 3/' treadle.yaml",
    "a command is edited after another's record was dropped": "treadle forget first; sed -i 's/head -c 2/head -c 3/' treadle.yaml",
    "an action is added": "echo '  first2: {run: cp one.txt two, in: one.txt, out: two}' > x; sed -i '/^actions:/r x' treadle.yaml",
    "an action is removed": "sed -i 's/, check]/]/' treadle.yaml",
    "the plan is broken": "echo 'oops: 1' >> treadle.yaml",
    "the plan is deleted": "rm treadle.yaml",
    "the folder of cwd is gone": "rm -r work",
    "the log of records is deleted": "rm .treadle/records",
    "the log of records is damaged": "echo rubbish > .treadle/records",
    "the log of records is cut": "truncate -s 700 .treadle/records",
    "the state is deleted": "rm -r .treadle",
    "the snapshots are damaged": "for f in .treadle/quick/*; do printf x | dd of=$f bs=1 seek=600 conv=notrunc status=none; done",
    "the snapshots are cut": "truncate -s 300 .treadle/quick/*",
    "the snapshots are of another format": "for f in .treadle/quick/*; do sed -i '1s/1/0/' $f; done",
    "records are dropped": "treadle forget second",
    "outputs are cleaned": "treadle clean second",
    "one action was forced": "treadle run --force=first",
    "one action failed": "printf '#!/bin/sh\\nexit 1\\n' > bin/helper; treadle run && exit 1; printf '#!/bin/sh\\necho one\\n' > bin/helper",
    "another plan has made one of the outputs": "mv treadle.yaml x; echo '{treadle: 1, actions: {second: {sh: echo mine > out/second,"
    " out: out/second}}}' > other.yaml; treadle run -f other.yaml; rm other.yaml; mv x treadle.yaml",
    "the clock of a file is of the future": "touch -d 2099-01-01 one.txt",
}


def change_with(project: Project, script: str) -> None:
    """Do what a script says, or set the variable that it sets."""
    name, equals, value = script.partition("=")
    if equals and name.isupper():
        project.environ[name] = value
        return
    environ = {**project.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{project.environ['PATH']}"}
    done = subprocess.run(["bash", "-ec", script], cwd=project.folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def settled(project: Project) -> Project:
    """A project whose last run had nothing to do and was answered by its snapshot."""
    project.write("plan", PLAN)
    for name in ("one.txt", "src/a.c", "src/b.c", "extra/a.h", "extra/b.h", "docs/page", "docs/deep/er/x"):
        project.write(name, f"{name}\n")
    (project.folder / "docs/link").symlink_to("page")
    (project.folder / "work").mkdir()
    project.write("work/keep", "")
    project.write("bin/helper", "#!/bin/sh\necho one\n").chmod(0o755)
    (project.folder / "bin0").mkdir()
    path = os.environ["PATH"]
    project.environ["PATH"] = f"{project.folder}/bin0{os.pathsep}{project.folder}/bin{os.pathsep}{path}"
    for _ in range(3):
        assert project.treadle("run").code == 0
    return project


def foreseen(project: Project) -> tuple[set[str], set[str]] | None:
    """Return the families that a walk without a snapshot would run, and may run; None if the plan is not right."""
    try:
        plan = load_plan(
            str(project.folder / "treadle.yaml"), environ=project.environ, previous_outputs=PreviousOutputs
        )
    except TreadleError:
        return None
    verdicts = CommandWalk(
        plan.dag(plan.default), plan.root, Settings(2, plan.queues, environ=project.environ)
    ).look()
    family = {uid: plan.actions[uid].family for uid in plan.actions}
    return (
        {family[uid] for uid, v in verdicts.items() if v.decision == decision.RUN},
        {family[uid] for uid, v in verdicts.items() if v.decision == decision.MAY_RUN},
    )


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_answered_as_by_a_walk_without_a_snapshot(settled: Project, change: str) -> None:
    change_with(settled, CHANGES[change])
    expected = foreseen(settled)
    before = len(settled.starts())
    done = settled.treadle("run", "-k")
    ran = set(settled.starts()[before:])
    if expected is None:
        assert done.code == 2, done.text
        assert ran == set()
        return
    sure, possible = expected
    sure -= {"first2"}
    assert sure <= ran | failed(done.out), done.text
    assert ran <= sure | possible, done.text
    again = settled.treadle("run", "-k")
    if done.code == 0:
        assert "nothing to do" in again.out or "it runs each time" in again.out
    assert settled.treadle("run", "-k").code == done.code


def test_an_edited_command_is_run_without_a_walk_over_the_others(
    settled: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from treadle.cli.main import main
    from treadle.session import run as room
    from treadle.session.fast_start import look

    def walk_over_all(*_: object) -> None:
        raise AssertionError("the others were walked")

    monkeypatch.chdir(settled.folder)
    monkeypatch.setattr(os, "environ", settled.environ)
    monkeypatch.setattr(room, "_walk_of", walk_over_all)
    for number in (3, 4):
        settled.write("plan", PLAN.replace("head -c 2", f"head -c {number}").replace("params:", "\nparams:"))
        before = len(settled.starts())
        assert main(["run"], look(["run"])) == 0
        assert settled.starts()[before:] == ["second", "check"]
        assert settled.read("out/second") == "one.txt"[:number]
        assert "2 run, 7 up to date" in capsys.readouterr().out
    assert settled.run() == []


ENDS = [
    (0, "codes: {success: [0, 3]}"),
    (0, "codes: {retry: 3}"),
    (3, "codes: {success: [0, 3]}"),
    (3, "codes: {success: [0, 3], retry: 4}"),
    (3, "expect: failure"),
    (3, "expect: {failure: 3}"),
    (64, "expect: diff"),
]


class RandomPlan:
    """A plan of a few actions, and edits of it and of its files."""

    def __init__(self, rng: random.Random, project: Project) -> None:
        self.rng = rng
        self.project = project
        self.comments = 0
        self.texts = [rng.randrange(9) for _ in range(rng.randrange(3, 9))]
        self.inputs = [self.some_inputs(number) for number in range(len(self.texts))]
        self.after: dict[int, int] = {}
        self.ends: dict[int, tuple[int, str]] = {}
        """Number of an action -> the exit code that it ends with, and the key that makes a success of it."""
        for number in range(4):
            project.write(f"s{number}", f"{number}\n")

    def some_inputs(self, number: int) -> list[str]:
        names = [f"s{n}" for n in range(4)] + [f"out/{n}" for n in range(number)]
        return self.rng.sample(names, self.rng.randrange(1, min(4, len(names)) + 1))

    def text(self) -> str:
        lines = ["# a comment"] * self.comments + ["treadle: 1", "actions:"]
        for number, text in enumerate(self.texts):
            code, meaning = self.ends.get(number, (0, "keep: false"))
            lines += [
                f"  a{number}:",
                f"    sh: echo a{number} >> $LOG; cat ${{in}} > ${{out}}; echo {text} >> ${{out}}; exit {code}",
                f"    {meaning}",
                f"    in: [{', '.join(self.inputs[number])}]",
                f"    out: out/{number}",
                "    pass: [LOG]",
            ]
            if number in self.after:
                lines.append(f"    after: [a{self.after[number]}]")
        return "\n".join(lines) + "\n"

    def edit(self) -> None:
        number = self.rng.randrange(len(self.texts))
        file = self.project.folder / f"s{self.rng.randrange(4)}"
        output = self.project.folder / f"out/{number}"
        match self.rng.choice(["text"] * 4 + ["inputs"] * 2 + ["file"] * 2 + list("tdecoram")):
            case "text":
                self.texts[number] = self.rng.randrange(9)
            case "inputs":
                self.inputs[number] = self.some_inputs(number)
            case "file":
                file.write_text(f"{self.rng.randrange(9)}\n")
            case "m":
                self.ends[number] = self.rng.choice(ENDS)
            case "t":
                os.utime(file)
            case "d":
                output.unlink(missing_ok=True)
            case "e":
                output.write_text("by hand\n")
            case "c":
                self.comments += 1
            case "o" if number:
                self.after[number] = self.rng.randrange(number)
            case "r" if len(self.texts) > 2:
                self.texts.pop()
                self.inputs.pop()
                self.after.pop(len(self.texts), None)
            case "a":
                self.texts.append(0)
                self.inputs.append(self.some_inputs(len(self.inputs)))


@pytest.mark.parametrize("seed", range(5))
def test_random_edits_of_a_plan_are_answered_as_by_a_walk_without_a_snapshot(project: Project, seed: int) -> None:
    plan = RandomPlan(random.Random(seed), project)
    for number in range(12):
        project.write("plan", plan.text())
        expected = foreseen(project)
        assert expected is not None
        before = len(project.starts())
        assert project.treadle("run").code == 0
        ran = set(project.starts()[before:])
        sure, possible = expected
        assert sure <= ran, f"round {number}"
        assert ran <= sure | possible, f"round {number}"
        for _ in range(plan.rng.randrange(1, 4)):
            plan.edit()


def failed(out: str) -> set[str]:
    """Return the families that failed, perhaps before they started."""
    return {line.split()[2].split("@")[0].rstrip(":") for line in out.splitlines() if "] failed " in line}


def test_a_nearer_plan_takes_the_place_of_the_one_above(settled: Project) -> None:
    (settled.folder / "sub").mkdir()
    inner = Project(settled.folder / "sub")
    inner.environ = settled.environ
    for _ in range(3):
        assert inner.treadle("run").code == 0
    assert inner.starts() == []
    inner.write("plan", "treadle: 1\nactions:\n  other: {run: touch o, out: o}\n")
    assert "ran other" in inner.treadle("run").out


def test_a_quiet_run_is_answered_at_once_and_says_nothing(settled: Project) -> None:
    quiet = settled.treadle("run", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    # its snapshot is that of the call without -q
    look = "from treadle.session.fast_start import look; print(look(['run', '-q']).probed.is_nothing_to_do)"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=settled.folder, env=settled.environ, capture_output=True, text=True
    )
    assert done.stdout == "True\n", done


def test_parameters_and_selections_have_snapshots_of_their_own(settled: Project) -> None:
    for _ in range(2):
        assert "folder" in settled.treadle("run", "-p", "mode=fancy", "-v").out
        assert settled.treadle("run", "-p", "mode=fancy").code == 0
        assert "2 up to date" in settled.treadle("run", "second").out
    names = [path.name for path in (settled.folder / ".treadle/quick").iterdir()]
    snapshots = [name for name in names if "-" not in name]
    assert len(snapshots) == 3
    assert sorted(name.partition("-")[0] for name in names if "-" in name) == sorted(snapshots)


def test_only_the_newest_snapshots_are_kept_each_with_the_actions_of_now(settled: Project) -> None:
    quick = settled.folder / ".treadle/quick"
    for number in range(10):
        assert settled.treadle("run", "-p", f"mode=m{number}").code == 0
    assert len(list(quick.iterdir())) == 16
    for text in ("x", "y"):
        settled.write("plan", PLAN.replace("cat ${in}", f"echo {text} && cat ${{in}}"))
        assert settled.treadle("run").code == 0
        assert len(list(quick.iterdir())) == 16


def test_a_run_in_which_nothing_moved_writes_nothing(settled: Project) -> None:
    def state(folder: Path) -> dict[Path, tuple[int, bytes]]:
        return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}

    before = state(settled.folder / ".treadle")
    assert "nothing to do" in settled.treadle("run").out
    assert state(settled.folder / ".treadle") == before


def test_what_a_killed_forced_run_left_is_noticed(settled: Project) -> None:
    os.unlink(settled.folder / "one.txt")
    os.mkfifo(settled.folder / "gate")
    settled.write("one.txt", "one.txt\n")
    settled.write(
        "plan",
        PLAN.replace(
            "cat ${in} > ${out}\n    in: one.txt",
            "echo half > ${out}; cat gate; cat ${in} > ${out}\n    in: one.txt",
            1,
        ),
    )
    child = settled.start("run", "--force=first")
    wait_until(lambda: (settled.folder / "out/first").exists() and settled.read("out/first") == "half\n")
    child.send_signal(signal.SIGKILL)
    with child:
        pass
    (settled.folder / "gate").unlink()
    settled.write("gate", "")
    settled.write("plan", PLAN)
    assert "first" in settled.run()
    assert settled.read("out/first") == "one.txt\n"


def test_the_folder_may_move_and_be_answered_at_once(settled: Project) -> None:
    elsewhere = settled.folder.parent / "moved"
    settled.folder.rename(elsewhere)
    settled.environ["PATH"] = settled.environ["PATH"].replace(str(settled.folder), str(elsewhere))
    settled.folder = elsewhere
    before = len(settled.starts())
    for _ in range(2):
        assert "nothing to do" in settled.treadle("run").out
    assert len(settled.starts()) == before


@pytest.mark.parametrize("what", ["damaged", "cut", "gone", "a folder"])
def test_a_snapshot_whose_actions_cannot_be_read_is_made_anew(settled: Project, what: str) -> None:
    (path,) = (settled.folder / ".treadle/quick").glob("*-*")
    size = path.stat().st_size
    path.unlink()
    if what == "damaged":
        path.write_bytes(bytes(size))
    elif what == "cut":
        path.write_bytes(b"")
    elif what == "a folder":
        path.mkdir()
    settled.write("one.txt", "edited")
    assert "first" in settled.run()
    assert settled.run() == []


@pytest.mark.parametrize("version", ["7", "8", "0"])
def test_a_snapshot_of_another_format_is_refused_quietly_and_written_anew(settled: Project, version: str) -> None:
    (path,) = (path for path in (settled.folder / ".treadle/quick").iterdir() if "-" not in path.name)
    before = path.read_bytes()
    assert before.startswith(FORMAT)
    path.write_bytes(before.replace(FORMAT, b"treadle snapshot %s\n" % version.encode(), 1))
    starts = len(settled.starts())
    done = settled.treadle("run")
    assert (done.code, done.err) == (0, "")
    assert "nothing to do" in done.out
    assert len(settled.starts()) == starts
    assert path.read_bytes().startswith(FORMAT)
    assert settled.run() == []
