"""`confirm` and `require`: what is asked and checked before an action starts."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from project import COMMAND, DEADLINE, Project, wait_until

PLAN = """\
treadle: 1
params: {mode: {default: debug}}
actions:
  a: {sh: "echo a >> $LOG; cat ${in} > ${out}", in: one.txt, out: out/a, pass: [LOG], GUARDS}
  b: {sh: "echo b >> $LOG; cat ${in} > ${out}", in: out/a, out: out/b, pass: [LOG]}
  c: {sh: "echo c >> $LOG; echo c > ${out}", out: out/c, pass: [LOG]}
"""


def with_guards(project: Project, guards: str) -> None:
    project.write("one.txt", "one\n")
    project.write("plan", PLAN.replace("GUARDS", guards))


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.child = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=project.folder,
            env={**project.environ, "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=None,
        )
        os.close(slave)
        self.text = ""

    def read_until(self, words: str) -> None:
        """Read until it has printed some words, or ends."""
        end = time.monotonic() + DEADLINE
        while words not in self.text:
            assert time.monotonic() < end, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    data = os.read(self.master, 4096)
                except OSError:
                    data = b""
                assert data or not words, self.text
                self.text += data.decode()

    def answer(self, line: str) -> None:
        os.write(self.master, f"{line}\n".encode())

    def end(self) -> int:
        """Read all that it prints; return its exit code."""
        with suppress(OSError):
            while data := os.read(self.master, 4096):
                self.text += data.decode()
        return self.child.wait(DEADLINE)


@contextmanager
def on_terminal(project: Project, *arguments: str) -> Iterator[Terminal]:
    terminal = Terminal(project, *arguments)
    try:
        yield terminal
    finally:
        if terminal.child.poll() is None:
            os.killpg(terminal.child.pid, signal.SIGKILL)
            terminal.child.wait()
        os.close(terminal.master)


def test_what_was_typed_before_the_question_is_no_answer(project: Project) -> None:
    os.mkfifo(project.folder / "gate")
    project.write(
        "plan",
        "treadle: 1\nactions:\n  first: {sh: cat gate}\n"
        "  a: {sh: echo a >> $LOG, pass: [LOG], after: first, confirm: publish?}\n",
    )
    with on_terminal(project, "run", "first", "a") as terminal:
        # it opens once the action before the question reads
        with open(project.folder / "gate", "w") as gate:
            terminal.answer("y")
            gate.write("go\n")
        terminal.read_until("a: publish? [y/N] ")
        terminal.answer("n")
        assert terminal.end() == 1
    assert project.starts() == []


@pytest.mark.parametrize(
    ("answer", "runs"), [("y", True), ("YES", True), ("n", False), ("", False), ("yep", False)]
)
def test_an_action_is_asked_for_on_the_terminal(project: Project, answer: str, runs: bool) -> None:
    with_guards(project, "confirm: 'publish ${mode}?'")
    with on_terminal(project, "run", "-k") as terminal:
        terminal.read_until("a: publish debug? [y/N] ")
        terminal.answer(answer)
        code = terminal.end()
    assert sorted(project.starts()) == (["a", "b", "c"] if runs else ["c"])
    assert code == (0 if runs else 1)
    if not runs:
        assert "failed a 0." in terminal.text
        assert "declined: publish debug?" in terminal.text
        assert "blocked by a: b" in terminal.text
        assert (
            "a would run:\r\n  new" in terminal.text
            or "new: it has not run here before" in project.treadle("why", "a").out
        )
        # a second run asks again
        with on_terminal(project, "run") as terminal:
            terminal.read_until("[y/N] ")
            terminal.answer("y")
            assert terminal.end() == 0
        assert sorted(project.starts()) == ["a", "b", "c"]
    assert project.run() == []


def test_an_action_that_is_up_to_date_asks_nothing(project: Project) -> None:
    with_guards(project, "confirm: 'publish?', require: 'false'")
    project.write("plan", PLAN.replace("GUARDS", "console: false"))
    assert project.run() == ["a", "b", "c"]
    with_guards(project, "confirm: 'publish?', require: 'false'")
    # guards change no fingerprint
    assert project.run() == []
    assert project.treadle("run", "--force=a").code == 1


def test_a_declined_action_keeps_its_outputs_and_its_record(project: Project) -> None:
    with_guards(project, "confirm: 'publish?'")
    assert project.run("--yes") == ["a", "b", "c"]
    project.write("one.txt", "two\n")
    with on_terminal(project, "run") as terminal:
        terminal.read_until("[y/N] ")
        terminal.answer("n")
        assert terminal.end() == 1
    assert project.read("out/a") == "one\n"
    project.write("one.txt", "one\n")
    assert project.run() == []
    project.write("one.txt", "three\n")
    # declined once more: the run after it must not take the edit for known
    assert project.run(code=1) == []
    assert project.run(code=1) == []
    assert project.run("--yes") == ["a", "b"]


def test_questions_are_asked_one_by_one_while_others_run(project: Project) -> None:
    project.write(
        "plan",
        """\
treadle: 1
actions:
  ask:
    foreach: {n: ["1", "2"]}
    sh: echo ${n} >> $LOG; echo ${n} > ${out}
    out: out/${n}
    confirm: go on with ${n}?
    pass: [LOG]
  other: {sh: "echo other >> $LOG; echo > ${out}", out: out/other, pass: [LOG]}
""",
    )
    with on_terminal(project, "run", "-j4") as terminal:
        terminal.read_until("ask@1: go on with 1? [y/N] ")
        wait_until(lambda: "other" in project.starts())
        assert "go on with 2" not in terminal.text
        assert "ran other" not in terminal.text, "lines wait until the question is answered"
        terminal.answer("y")
        terminal.read_until("ask@2: go on with 2? [y/N] ")
        terminal.answer("y")
        assert terminal.end() == 0
    assert sorted(project.starts()) == ["1", "2", "other"]


def test_a_failure_elsewhere_ends_a_run_that_waits_for_an_answer(project: Project) -> None:
    with_guards(project, "confirm: 'publish?'")
    project.write("plan", project.read("treadle.yaml").replace("echo c > ${out}", "sleep 1; exit 1"))
    with on_terminal(project, "run", "-j4") as terminal:
        terminal.read_until("[y/N] ")
        assert terminal.end() == 1
    assert "failed c" in terminal.text
    assert "declined" not in terminal.text
    assert project.starts() == ["c"]


def test_a_page_shows_what_was_not_confirmed(project: Project) -> None:
    with_guards(project, "confirm: 'publish?'")
    assert project.treadle("run", "-k", "--html", "page.html").code == 1
    assert "it has to be confirmed" in project.read("page.html")


def test_ctrl_c_at_a_question_ends_the_run(project: Project) -> None:
    with_guards(project, "confirm: 'publish?'")
    with on_terminal(project, "run") as terminal:
        terminal.read_until("[y/N] ")
        terminal.child.send_signal(signal.SIGINT)
        assert terminal.end() == 130
    assert "a" not in project.starts()
    assert "new" in project.treadle("why", "a").out


@pytest.mark.parametrize("arguments", [["run"], ["run", "-q"], ["run", "--events", "e.jsonl", "--junit", "j.xml"]])
def test_without_a_terminal_it_is_a_failure_that_says_so(project: Project, arguments: list[str]) -> None:
    with_guards(project, "confirm: 'publish ${mode}?'")
    done = project.treadle(*arguments, "-k")
    assert done.code == 1
    says = "it has to be confirmed, and there is no terminal to ask on (--yes answers): publish debug?"
    assert says in done.text
    assert project.starts() == ["c"]
    if "--junit" in arguments:
        events = [json.loads(line) for line in project.read("e.jsonl").splitlines()]
        assert any(says in json.dumps(event) for event in events)
        assert says in ET.tostring(ET.parse(project.folder / "j.xml").getroot(), encoding="unicode")
    assert project.run("--yes") == ["a", "b"]


@pytest.mark.parametrize(
    ("require", "says"),
    [
        ("test -f ok", "it requires what does not hold: test -f ok: exit code 1"),
        ("[test -f one.txt, test -f ok]", "it requires what does not hold: test -f ok: exit code 1"),
        ("{run: test -f ok, message: '${mode}: no ok'}", "debug: no ok (test -f ok: exit code 1)"),
        ("{run: [test -f one.txt, test -f ok]}", "test -f one.txt; test -f ok: exit code 1"),
        ("{sh: 'echo one; echo no >&2; test -f ok || exit 7', message: bad}", "exit code 7, it printed: no)"),
        (
            "[{when: mode == 'release', message: only releases}]",
            "only releases (when mode == 'release' is false: mode is 'debug')",
        ),
        ("no-such-program", "what does not hold: no-such-program: the program was not found on PATH"),
        ("./no-such-program", "what does not hold: ./no-such-program: the program was not found"),
        ("./one.txt", "what does not hold: ./one.txt: not executable (chmod +x makes it so)"),
        (
            "{run: no-such-program --version, message: install it first}",
            "install it first (no-such-program: the program was not found on PATH)",
        ),
        ('{sh: "\\n\\nexit 3\\n"}', "what does not hold: exit 3: exit code 3"),
        ("{sh: 'test -f ${in} && test -f ${out}'}", "test -f one.txt && test -f out/a: exit code 1"),
        ("{sh: 'kill -9 $$'}", "SIGKILL"),
        ("{sh: 'test \"$X\" = y'}", "exit code 1"),
        ("{sh: 'test $(basename $PWD) = sub'}", "exit code 1"),
    ],
)
def test_what_is_required_is_checked_before_the_start(project: Project, require: str, says: str) -> None:
    with_guards(project, f"env: {{X: x}}, require: {require}")
    done = project.treadle("run", "-k")
    assert done.code == 1
    assert says in done.text
    assert project.starts() == ["c"]
    assert not (project.folder / "out/a").exists()
    assert project.treadle("why", "a").out.count("new: it has not run here before") == 1


def test_what_is_required_and_holds_lets_it_start(project: Project) -> None:
    with_guards(
        project,
        "env: {X: x}, require: [test -f one.txt, {sh: 'test $X = x; echo some output'}, {when: mode == 'debug'}]",
    )
    assert project.run() == ["a", "b", "c"]
    assert project.read("out/a") == "one\n"
    assert "some output" not in project.treadle("log", "a").out
    assert project.run() == []


def test_a_failed_requirement_changes_nothing_of_its_action(project: Project) -> None:
    with_guards(project, "require: test -f ok")
    project.write("ok", "")
    assert project.run() == ["a", "b", "c"]
    (project.folder / "ok").unlink()
    assert project.run() == [], "what is up to date requires nothing"
    project.write("one.txt", "two\n")
    assert project.run(code=1) == []
    assert project.read("out/a") == "one\n"
    assert project.run(code=1) == [], "by the snapshot too"
    project.write("ok", "")
    assert project.run() == ["a", "b"]


@pytest.mark.parametrize(
    "call",
    [
        ["status"],
        ["run", "-n"],
        ["list"],
        ["list", "--json"],
        ["why", "a"],
        ["check"],
        ["graph"],
        ["run", "-n", "--yes"],
    ],
)
def test_looking_runs_and_asks_nothing(project: Project, call: list[str]) -> None:
    with_guards(project, "confirm: sure?, require: {sh: 'touch ran; false'}")
    done = project.treadle(*call)
    assert done.code in (0, 1)
    assert "sure?" not in done.err
    assert not (project.folder / "ran").exists()


def test_list_shows_the_guards(project: Project) -> None:
    with_guards(project, "confirm: 'sure ${mode}?', require: [test -f ok, {when: mode == 'x', message: m}]")
    found = json.loads(project.treadle("list", "a", "--json").out)["actions"][0]
    assert found["confirm"] == "sure debug?"
    assert found["require"] == ["test -f ok", "when mode == 'x' is false: mode is 'debug'"]


def test_a_secret_in_a_guard_is_not_shown(project: Project) -> None:
    project.write("cfg.yaml", "token: hush-hush\n")
    with_guards(
        project,
        "env: {T: '${cfg.token}'}, secret: T, confirm: 'with ${cfg.token}?',"
        " require: {sh: 'echo got $T ${cfg.token}; false', message: 'token ${cfg.token}'}",
    )
    project.write(
        "plan", project.read("treadle.yaml").replace("params:", "vars: {cfg: {file: cfg.yaml}}\nparams:", 1)
    )
    for arguments in (["run"], ["run", "--yes"], ["list", "a", "--json"], ["run", "--yes"]):
        done = project.treadle(*arguments)
        assert "***" in done.text
        assert "hush" not in done.text


def test_a_requirement_that_does_not_end_has_the_time_limit_of_its_action(project: Project) -> None:
    with_guards(project, "timeout: 300ms, require: sleep 600")
    done = project.treadle("run", "a")
    assert done.code == 1
    assert "sleep 600: it did not end within 0.3 s" in done.text


def test_ctrl_c_ends_what_is_required(project: Project) -> None:
    with_guards(project, "require: {sh: 'touch begun; sleep 600'}")
    child = project.start("run", "a")
    wait_until((project.folder / "begun").exists)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=DEADLINE)
    assert child.returncode == 130
    assert project.starts() == []


def is_living(pid: str) -> bool:
    """Return whether a process lives; what nothing collects after its end does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("sleep 600 & echo $! > pid; exit 0", 0),
        ("sleep 600 & echo $! > pid; exit 1", 1),
        ("setsid sleep 600 & echo $! > pid; exit 0", 0),
        ("setsid sleep 600 & echo $! > pid; exit 1", 1),
        ("setsid sleep 600 & echo $! > pid; sleep 600", 1),
    ],
)
def test_nothing_of_what_is_required_outlives_the_run(project: Project, script: str, code: int) -> None:
    with_guards(project, f"timeout: 1s, require: {{sh: '{script}'}}")
    assert project.treadle("run", "a").code == code
    assert not is_living(project.read("pid").strip())


def test_what_is_required_by_a_run_that_was_killed_ends_with_the_next_run(project: Project) -> None:
    with_guards(project, "require: {sh: 'echo $$ > pid; mv pid begun; exec sleep 600'}")
    child = project.start("run", "a")
    wait_until((project.folder / "begun").exists)
    child.kill()
    child.communicate()
    assert project.treadle("run", "c").code == 0
    assert not is_living(project.read("begun").strip())


def test_of_what_a_requirement_prints_the_end_is_read(project: Project) -> None:
    text = "head -c 3000000 /dev/zero; echo; echo the end; exit 1"
    with_guards(project, f"require: {{sh: '{text}', message: no}}")
    assert f"failed a: no ({text}: exit code 1, it printed: the end)" in project.treadle("run", "a").text


def test_a_secret_at_the_end_of_a_cut_line_is_not_shown(project: Project) -> None:
    project.environ["T"] = "hush-and-hush"
    with_guards(project, "track: [T], secret: [T], require: {sh: 'printf %0195d%s 0 $T; exit 1'}")
    done = project.treadle("run", "a")
    assert "it printed: 000" in done.text
    assert "0hush" not in done.text


def test_what_is_watched_asks_nothing(project: Project) -> None:
    with_guards(project, "confirm: sure?, require: test -f ok")
    with on_terminal(project, "run", "--watch", "a") as terminal:
        terminal.read_until("there is no terminal to ask on (--yes answers): sure?")
        terminal.read_until("watching for changes")
    with on_terminal(project, "run", "--watch", "--yes", "a") as terminal:
        terminal.read_until("test -f ok: exit code 1")
        terminal.read_until("watching for changes")
        project.write("ok", "")
        project.write("one.txt", "two")
        wait_until(lambda: project.starts() == ["a"])


def test_a_guard_holds_no_resources_of_its_action(project: Project) -> None:
    with_guards(project, "confirm: sure?, resources: {cpus: 1}, limit: 1")
    assert project.run("--yes") == ["a", "b", "c"]


def test_an_attempt_after_a_failure_is_not_asked_for_again(project: Project) -> None:
    project.write("one.txt", "one\n")
    project.write(
        "plan",
        PLAN.replace("cat ${in} > ${out}\", in: one.txt", 'test -f again || { touch again; exit 1; }; echo > ${out}", in: one.txt', 1)
        .replace("GUARDS", "retries: 1, require: {sh: 'echo r >> $LOG'}"),
    )  # fmt: skip
    assert project.run("a") == ["a", "a", "r"]


@pytest.mark.parametrize(
    ("guards", "says"),
    [
        ("confirm: ''", "confirm has no text"),
        ("confirm: [a]", "confirm must be a text"),
        ("confirm: '${nothing}'", "${nothing} is not defined"),
        ("require: []", ""),
        ("require: {message: x}", "an entry of require is a command, or a map with one of run, sh, when"),
        ("require: {run: x, sh: y}", "an entry of require is a command, or a map with one of run, sh, when"),
        ("require: [[a]]", "an entry of require is a command, or a map with one of run, sh, when"),
        ("require: {run: x, msg: y}", "an entry of require has no key 'msg'"),
        ("require: {when: nothing}", "nothing"),
        ("require: 'a | b'", "run starts no shell"),
    ],
)
def test_a_guard_that_cannot_be_right_has_its_place(project: Project, guards: str, says: str) -> None:
    with_guards(project, guards)
    done = project.treadle("check")
    assert done.code == (2 if says else 0)
    assert says in done.text
    if says:
        assert "treadle.yaml:4:" in done.text


def test_a_library_call_answers_by_an_option(project: Project) -> None:
    with_guards(project, "confirm: 'publish?'")
    code = "import sys, treadle; sys.exit(0 if treadle.Session('treadle.yaml', treadle.Options(yes=%s)).run().ok else 1)"
    for yes, expected in ((False, 1), (True, 0)):
        done = subprocess.run([sys.executable, "-c", code % yes], cwd=project.folder, env=project.environ)
        assert done.returncode == expected
