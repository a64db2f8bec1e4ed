"""One child process and its tree: how it starts, ends, and is found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treadle.engines import process, process_marks
from treadle.engines.process import Process, describe_spawn_error, describe_status, spawn
from treadle.engines.process_marks import mark_of, with_mark
from waiting import is_alive, read_line, until

RUN = f"test-process-{os.getpid()}"
MARK = f"{RUN}/one"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert process_marks.end_marked(f"{RUN}/") == []


@pytest.fixture(params=["pidfd", "waitid", "neither"])
def _way_of_waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_marks, "HAVE_PIDFD", request.param == "pidfd")
    monkeypatch.setattr(process, "HAVE_WAITID", request.param != "neither")


@pytest.fixture(params=["proc", "psutil"])
def _way_of_looking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "psutil":
        monkeypatch.setattr(process_marks, "_PROC", "/nowhere")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def shell(script: str, stdout: int | None = None, mark: str = MARK, own_session: bool = True) -> Process:
    environ = with_mark(os.environ, mark)
    return spawn(
        ["sh", "-c", script], mark=mark, environ=environ, files=(None, stdout, None), own_session=own_session
    )


def python(script: str) -> str:
    """Return what a fresh interpreter prints that runs a script."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("_way_of_waiting")
class TestWaiting:
    @pytest.mark.parametrize(
        ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", -15)]
    )
    def test_the_status_is_the_exit_code_or_minus_the_signal(self, script: str, status: int) -> None:
        child = shell(script)
        assert child.wait() == status
        assert child.status == status
        assert not child.is_running()

    def test_waiting_for_some_time_says_none_while_it_runs(self) -> None:
        child = shell("sleep 300")
        assert child.wait(0.01) is None
        assert child.is_running()
        child.kill()
        assert child.wait(0) == -9

    def test_a_wait_that_no_clock_can_tell_is_cut_into_pieces(self) -> None:
        assert shell("exit 3").wait(1e18) == 3

    def test_the_wait_is_for_the_process_and_not_for_who_holds_its_output(self, tmp_path: Path) -> None:
        note = tmp_path / "note"
        script = f"setsid sh -c 'echo $$ >{note}; sleep 300' & while [ ! -s {note} ]; do sleep 0.01; done"
        with (tmp_path / "output").open("wb") as output:
            assert shell(script, stdout=output.fileno()).wait(20) == 0
        assert is_alive(int(note.read_text()))

    def test_what_is_left_of_its_group_ends_with_it(self, pipe: tuple[int, int]) -> None:
        child = shell("trap '' TERM; sleep 300 & echo $!", stdout=pipe[1])
        assert child.wait(20) == 0
        left = int(read_line(pipe[0]))
        until(lambda: not is_alive(left), "the rest of the group has ended")

    def test_many_threads_may_wait_at_once(self) -> None:
        child = shell("sleep 300")
        seen: list[int | None] = []
        threads = [threading.Thread(target=lambda: seen.append(child.wait())) for _ in range(5)]
        for thread in threads:
            thread.start()
        child.kill()
        for thread in threads:
            thread.join(20)
        assert seen == [-9] * 5

    def test_no_descriptor_is_left_open(self) -> None:
        shell("exit 0").wait()
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            child = shell("sleep 300")
            child.wait(0.001)
            child.kill()
        assert os.listdir("/proc/self/fd") == before

    def test_a_status_that_was_set_before_the_end_stays(self) -> None:
        child = shell("exit 3")
        child.status = 42
        assert child.wait() == 42

    def test_killing_what_has_ended_is_fine(self) -> None:
        child = shell("exit 3")
        child.wait()
        child.kill()
        child.kill(recursive=True)
        assert child.status == 3


class TestStarting:
    @pytest.mark.parametrize("here", [True, False])
    @pytest.mark.parametrize("has_terminal", [True, False])
    def test_it_leads_a_group_and_where_there_is_a_terminal_a_session(
        self, has_terminal: bool, here: bool, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(process, "_terminal", has_terminal)
        cwd = None if here else str(tmp_path)
        argv = ["sh", "-c", "echo up; sleep 300"]
        child = spawn(argv, mark=MARK, environ=with_mark(os.environ, MARK), cwd=cwd, files=(None, pipe[1], None))
        read_line(pipe[0])
        assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
        assert os.getsid(child.pid) == (child.pid if has_terminal else os.getsid(0))
        child.kill()

    def test_whether_there_is_a_terminal_is_seen(self) -> None:
        look = "from treadle.engines.process import has_terminal; print(has_terminal())"
        alone = subprocess.run([sys.executable, "-c", look], start_new_session=True, capture_output=True, text=True)
        assert alone.stdout == "False\n"
        with_one = f"import pty, sys; pty.spawn([sys.executable, '-c', {look!r}])"
        done = subprocess.run(
            [sys.executable, "-c", with_one], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.strip() == "True"

    def test_one_that_keeps_the_terminal_stays_in_our_group(self, pipe: tuple[int, int]) -> None:
        child = shell("echo up; sleep 300", stdout=pipe[1], own_session=False)
        read_line(pipe[0])
        assert os.getpgid(child.pid) == os.getpgid(0)
        child.kill(recursive=True)
        assert child.status == -9

    def test_there_is_nothing_to_read_though_we_have_something(self) -> None:
        script = (
            "import os\n"
            "from treadle.engines import process\n"
            "print(process.spawn(['sh', '-c', 'read -r line'], mark='m', environ=os.environ).wait())\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], input="a line\n", capture_output=True, text=True, timeout=60
        )
        assert done.stdout == "1\n", done.stderr

    def test_an_inherited_descriptor_goes_no_further_once_it_is_sealed(self) -> None:
        script = (
            "import os\n"
            "from treadle.engines import process\n"
            "fd = os.open('/dev/null', os.O_RDONLY)\n"
            "os.set_inheritable(fd, True)\n"
            "look = ['sh', '-c', f'test -e /proc/self/fd/{fd}']\n"
            "print(process.spawn(look, mark='m', environ=os.environ).wait())\n"
            "process.seal_descriptors()\n"
            "print(process.spawn(look, mark='m', environ=os.environ).wait())\n"
        )
        assert python(script).split() == ["0", "1"]

    def test_the_three_standard_descriptors_stay_after_sealing(self) -> None:
        script = (
            "import os\n"
            "from treadle.engines import process\n"
            "process.seal_descriptors()\n"
            "process.spawn(['sh', '-c', 'echo out; echo err >&2'], mark='m', environ=os.environ,"
            " files=(None, 1, 1)).wait()\n"
        )
        assert python(script).split() == ["out", "err"]

    def test_where_nobody_can_say_how_it_ended_there_is_no_status(self) -> None:
        script = (
            "import os, signal\n"
            "from treadle.engines import process\n"
            "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
            "child = process.spawn(['false'], mark='m', environ=os.environ)\n"
            "print(child.wait(), child.is_running())\n"
        )
        assert python(script).split() == ["None", "False"]


@pytest.fixture(params=["here", "elsewhere"])
def folder_of_child(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of a child: ours, where less is needed to start it, or another one."""
    if request.param == "here":
        monkeypatch.chdir(tmp_path)
    return str(tmp_path)


class TestWhatIsStarted:
    """It is the same in our own folder as in another one."""

    def started(self, folder: str, argv: list[str], pipe: tuple[int, int], **environ: str) -> str:
        child = spawn(argv, mark=MARK, environ=environ, cwd=folder, files=(None, pipe[1], pipe[1]))
        line = read_line(pipe[0])
        assert child.wait(20) == 0
        return line

    def test_it_stands_in_its_folder(self, folder_of_child: str, pipe: tuple[int, int]) -> None:
        assert self.started(folder_of_child, ["/bin/sh", "-c", "pwd -P"], pipe) == os.path.realpath(folder_of_child)

    def test_the_path_of_its_own_environment_counts(
        self, folder_of_child: str, pipe: tuple[int, int], tmp_path: Path
    ) -> None:
        for name, text in (("a/tool", "not mine"), ("b/tool", "#!/bin/sh\necho tool of b\n"), ("c/tool", "")):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_text(text)
        (tmp_path / "b/tool").chmod(0o755)
        (tmp_path / "d" / "tool").mkdir(parents=True)
        # a is not executable, d is a folder of that name, nowhere is not there
        path = os.pathsep.join(str(tmp_path / name) for name in ("nowhere", "a", "d", "b", "c"))
        assert self.started(folder_of_child, ["tool"], pipe, PATH=path) == "tool of b"

    def test_an_empty_entry_of_path_is_its_folder(
        self, folder_of_child: str, pipe: tuple[int, int], tmp_path: Path
    ) -> None:
        (tmp_path / "tool").write_text("#!/bin/sh\necho beside you\n")
        (tmp_path / "tool").chmod(0o755)
        assert self.started(folder_of_child, ["tool"], pipe, PATH=":/nowhere") == "beside you"

    def test_without_a_path_the_system_has_one(self, folder_of_child: str, pipe: tuple[int, int]) -> None:
        assert self.started(folder_of_child, ["sh", "-c", "echo up"], pipe) == "up"

    def test_its_standard_input_is_empty_and_a_broken_pipe_ends_it(
        self, folder_of_child: str, pipe: tuple[int, int]
    ) -> None:
        script = "read line || echo empty; sh -c 'kill -PIPE $$; echo ignored >&2' || exit 0"
        assert self.started(folder_of_child, ["sh", "-c", script], pipe, PATH=os.environ["PATH"]) == "empty"

    def test_two_descriptors_may_change_places(self, folder_of_child: str) -> None:
        script = (
            "import os\n"
            "from treadle.engines import process\n"
            "process.spawn(['sh', '-c', 'echo out; echo err >&2'], mark='m', environ=os.environ,"
            f" cwd={folder_of_child!r}, files=(None, 2, 1)).wait()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=os.getcwd()
        )
        assert (done.stdout, done.stderr) == ("err\n", "out\n")


def unstartable(folder: Path) -> dict[str, tuple[list[str], str | None, str]]:
    """Return argv, cwd and what the words must hold of much that cannot be started."""
    plain, script, no_format, folder_of_none = (folder / n for n in ("plain", "script", "no_format", "none"))
    return {
        "missing on PATH": (["no-such-program"], None, "no-such-program: the program was not found on PATH"),
        "missing": (["/no/such/program"], None, "/no/such/program: the program was not found"),
        "missing folder": (
            ["true"],
            str(folder_of_none),
            f"the folder it should run in is not there: {folder_of_none}",
        ),
        "folder is a file": (["true"], str(plain), f"the folder it should run in is not there: {plain}"),
        "not executable": ([str(plain)], None, f"{plain}: not executable (chmod +x makes it so)"),
        "no interpreter": (
            [str(script)],
            None,
            f"{script}: the interpreter that its first line names was not found",
        ),
        "no format": ([str(no_format)], None, f"{no_format}: neither a program of this system nor a script"),
        "too long": (
            ["true", "x" * 200_000],
            None,
            "argument 1 is too long for this system (200001 bytes, less than",
        ),
        "too many": (
            ["true", *["x" * 100_000] * 100],
            None,
            "the argument list is too long for this system (101 words, 10000",
        ),
        "nul": (["true", "a\0b"], None, "true: embedded null byte"),
        "no text": (["true", 5], None, "true: expected str"),  # type: ignore[list-item]
        "empty": ([], None, "an empty command: there is no program to start"),
    }


@pytest.mark.parametrize("case", unstartable(Path()))
def test_what_cannot_be_started_is_told_in_words(case: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("hello\n")
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "no_format").write_bytes(b"\x00\x01\x02")
    for name in ("script", "no_format"):
        (tmp_path / name).chmod(0o755)
    argv, cwd, words = unstartable(tmp_path)[case]
    with pytest.raises((OSError, ValueError, TypeError)) as caught:
        spawn(argv, mark=MARK, environ=os.environ, cwd=cwd)
    assert isinstance(caught.value, Exception)
    assert describe_spawn_error(caught.value, argv, cwd).startswith(words)


@pytest.mark.usefixtures("_way_of_waiting")
class TestTheTree:
    STUBBORN = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 9; done' & wait"

    @pytest.mark.usefixtures("_way_of_looking")
    def test_a_recursive_kill_reaches_what_left_the_session_and_ignores_term(self, pipe: tuple[int, int]) -> None:
        child = shell(self.STUBBORN, stdout=pipe[1])
        escaped = int(read_line(pipe[0]))
        child.kill(recursive=True)
        assert child.status == -9
        assert not is_alive(escaped)

    def test_a_plain_kill_ends_the_process_alone(self, pipe: tuple[int, int]) -> None:
        child = shell(self.STUBBORN, stdout=pipe[1])
        escaped = int(read_line(pipe[0]))
        child.kill()
        assert child.status == -9
        assert is_alive(escaped)

    @pytest.mark.parametrize("own_session", [True, False])
    def test_a_signal_to_the_tree_reaches_each_once(self, own_session: bool, pipe: tuple[int, int]) -> None:
        script = (
            "import os, signal\n"
            "looks, notes = os.pipe()\n"
            "os.set_blocking(notes, False)\n"
            "signal.set_wakeup_fd(notes)\n"
            "for number in (signal.SIGTERM, signal.SIGUSR1):\n"
            "    signal.signal(number, lambda *_: None)\n"
            "print('up', flush=True)\n"
            "seen = b''\n"
            "while signal.SIGUSR1 not in seen:\n"
            "    seen += os.read(looks, 99)\n"
            "print('terms', seen.count(signal.SIGTERM), flush=True)\n"
        )
        child = spawn(
            [sys.executable, "-c", script],
            mark=MARK,
            environ=with_mark(os.environ, MARK),
            files=(None, pipe[1], None),
            own_session=own_session,
        )
        assert read_line(pipe[0]) == "up"
        child.signal_tree(signal.SIGTERM)
        child.signal_tree(signal.SIGUSR1)
        assert read_line(pipe[0]) == "terms 1"
        child.wait()


@pytest.mark.parametrize("script", ["exit 7", "kill -9 $$"])
def test_an_interrupt_while_it_is_collected_does_not_lose_its_status(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait4(pid: int, options: int) -> object:
        real(pid, options)
        raise KeyboardInterrupt

    child, real = shell(script), os.wait4
    with monkeypatch.context() as patch:
        patch.setattr(os, "wait4", wait4)
        with pytest.raises(KeyboardInterrupt):
            child.wait(20)
    assert child.wait(20) == (7 if "7" in script else -9)


@pytest.mark.usefixtures("_way_of_looking")
class TestTheGroup:
    """What a leader has left behind in its group is gone when it has been collected."""

    def test_it_is_waited_for(self, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
        def killpg(pgid: int, number: int) -> None:
            # a KILL that takes its time: nobody dies of it until somebody has looked
            if number != signal.SIGKILL:
                looks.append(number)
                real(pgid, number)
                real(pgid, signal.SIGKILL)

        real, looks = os.killpg, list[int]()
        monkeypatch.setattr(os, "killpg", killpg)
        child = shell("sleep 300 & echo $!", stdout=pipe[1])
        left = int(read_line(pipe[0]))
        assert child.wait(20) == 0
        assert looks[0] == 0
        assert not is_alive(left)

    def test_it_is_waited_for_again_after_an_interrupt(
        self, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lives(group: int) -> bool:
            looks.append(group)
            if len(looks) == 1:
                raise KeyboardInterrupt
            return real(group)

        def killpg(pgid: int, number: int) -> None:
            # a KILL that takes its time, as above
            if number != signal.SIGKILL:
                kill(pgid, number)
                if len(looks) == 1:
                    kill(pgid, signal.SIGKILL)

        real, looks, kill = process_marks._lives, list[int](), os.killpg
        monkeypatch.setattr(process_marks, "_lives", lives)
        monkeypatch.setattr(os, "killpg", killpg)
        child = shell("sleep 300 & echo $!", stdout=pipe[1])
        left = int(read_line(pipe[0]))
        with pytest.raises(KeyboardInterrupt):
            child.wait(20)
        assert is_alive(left)
        assert child.reap() == 0
        assert not is_alive(left)

    def test_zombies_are_not_waited_for(self, pipe: tuple[int, int]) -> None:
        def killpg(pgid: int, number: int) -> None:
            assert (pgid, number) in ((child.pid, signal.SIGKILL), (child.pid, 0))

        child = shell("exit 0")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "killpg", killpg)
            began = monotonic()
            assert child.wait(20) == 0
        assert monotonic() - began < process_marks.PATIENCE_WITH_A_GROUP

    def test_one_failed_question_is_all_that_it_costs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def killpg(pgid: int, number: int) -> None:
            asked.append(number)
            real(pgid, number)

        real, asked = os.killpg, list[int]()
        monkeypatch.setattr(os, "killpg", killpg)
        monkeypatch.setattr(process_marks, "_lives", lambda group: pytest.fail(f"looked for {group}"))
        assert shell("exit 0").wait(20) == 0
        assert asked == [signal.SIGKILL, 0]


@pytest.mark.usefixtures("_way_of_looking")
class TestMarks:
    def test_a_mark_finds_its_processes_and_no_others(self, pipe: tuple[int, int]) -> None:
        # they start nothing themselves, so there is nothing that comes and goes
        script = "echo up; kill -STOP $$"
        one, other = (shell(script, pipe[1], f"{RUN}/{name}") for name in ("one", "other"))
        for _ in range(2):
            read_line(pipe[0])
        assert list(process_marks.marked(f"{RUN}/one")) == [one.pid]
        assert set(process_marks.marked(f"{RUN}/")) == {one.pid, other.pid}
        assert list(process_marks.marked(f"{RUN}/on")) == []
        one.kill(recursive=True)
        assert other.is_running()
        other.kill(recursive=True)

    def test_a_zombie_is_not_found(self) -> None:
        child = shell("exit 0")
        assert child.has_ended(20)
        assert list(process_marks.marked(MARK)) == []
        child.wait()

    def test_ending_a_run_leaves_nothing_of_it(self, pipe: tuple[int, int]) -> None:
        children = [shell(TestTheTree.STUBBORN, pipe[1], f"{RUN}/{n}") for n in range(3)]
        escaped = [int(read_line(pipe[0])) for _ in children]
        assert process_marks.end_marked(f"{RUN}/") == []
        assert [pid for pid in escaped if is_alive(pid)] == []
        assert [child.wait() for child in children] == [-9, -9, -9]

    def test_one_quiet_look_is_not_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        child = shell("sleep 300")
        real, looks = process_marks.marked, [1]

        def marked(mark: str, *_: object) -> Iterator[int]:
            # what is just being started is not seen
            return iter(()) if looks and looks.pop() else real(mark)

        monkeypatch.setattr(process_marks, "marked", marked)
        process_marks.end_marked(MARK)
        monkeypatch.undo()
        assert child.wait(20) == -9

    def test_a_number_that_went_to_another_process_is_not_signalled(self) -> None:
        child = shell("sleep 300", mark=f"{RUN}/other")
        process_marks._signal_one(child.pid, MARK, signal.SIGKILL)
        assert child.wait(0.05) is None
        child.kill()


@given(st.text(), st.text())
@example("a" * 300 + "b", "a" * 300 + "c")
@example("a/b", "a%2F.b")
@example("a b", "a\nb")
@example("\udc80", "\udc81")
def test_different_names_have_different_marks_without_blanks(one: str, other: str) -> None:
    marks = [mark_of("run", name) for name in (one, other)]
    assert (marks[0] == marks[1]) is (one == other)
    for mark in marks:
        assert mark.isascii()
        assert mark.startswith("run/")
        assert not set(mark.removeprefix("run/")) & set(" /\n\t\0")


def test_an_inner_run_adds_its_mark_to_the_outer_ones() -> None:
    outer = with_mark({"A": "1"}, "outer/x")
    assert outer == {"A": "1", "TREADLE_RUN": "outer/x"}
    assert with_mark(outer, "inner/y") == {"A": "1", "TREADLE_RUN": "outer/x inner/y"}
    assert with_mark({}, "inner/y", outer) == {"TREADLE_RUN": "outer/x inner/y"}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "no exit code"),
        (0, "exit code 0"),
        (75, "exit code 75"),
        (-9, "killed by SIGKILL"),
        (-11, "killed by SIGSEGV"),
        (-63, "killed by signal 63"),
    ],
)
def test_a_status_is_told_in_words(status: int | None, words: str) -> None:
    assert describe_status(status) == words


def test_a_sleep_is_rounded_up_and_fits_into_a_poll() -> None:
    assert [process.milliseconds(s) for s in (-1.0, 0.0, 0.0001, 1.5)] == [0, 0, 1, 1500]
    assert process.milliseconds(float("inf")) <= 2**31 - 1
