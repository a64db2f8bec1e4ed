from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from helpers import Fifo, Terminal, alive, plan, run_treadle
from record_durations import set_durations

if TYPE_CHECKING:
    from pathlib import Path


class Gates:
    """A folder with two actions, of which one waits to be let go on."""

    def __init__(self, tmp_path: Path, waits: str = "waits", after: str = "") -> None:
        self.up, self.go = Fifo(tmp_path / "up"), Fifo(tmp_path / "go")
        self.folder = tmp_path / "project"
        self.folder.mkdir()
        script = f"echo up > {self.up}; read -r x < {self.go}; echo x > ${{out}}{after}"
        plan(
            self.folder,
            f"actions:\n  quick: {{sh: 'echo x > ${{out}}', out: q}}\n  {waits}: {{sh: '{script}', in: q, out: w}}\n",
        )


def test_the_status_line_is_drawn_again_and_again_and_erased(tmp_path: Path) -> None:
    gates = Gates(tmp_path)
    terminal = Terminal(gates.folder, "run")
    terminal.wait_for("[1/2] 1 running")
    terminal.wait_for(lambda text: len(re.findall(r"longest: \S*waits", text)) > 3)
    gates.go.open()
    assert terminal.end() == 0
    seen = terminal.seen()
    assert [line.partition(" 0.")[0] for line in seen[:-1]][:1] == ["[1/2] ran quick"]
    assert seen[-2].startswith("[2/2] ran waits ")
    assert seen[-1].startswith("2 run in ")
    assert len(seen) == 3
    assert "\r" in terminal.text


def test_the_status_line_says_how_long_the_rest_took_the_last_time(tmp_path: Path) -> None:
    gates = Gates(tmp_path)
    first = Terminal(gates.folder, "run")
    first.wait_for("[1/2] 1 running")
    # nothing is known of how long it takes
    assert " left" not in first.text
    gates.go.open()
    assert first.end() == 0
    set_durations(gates.folder, {"waits": 130.0})
    gates.go = Fifo(tmp_path / "again")
    script = (gates.folder / "treadle.yaml").read_text()
    (gates.folder / "treadle.yaml").write_text(script.replace(str(tmp_path / "go"), str(tmp_path / "again")))
    terminal = Terminal(gates.folder, "run")
    terminal.wait_for("about 2m ")
    gates.go.open()
    assert terminal.end() == 0


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_the_status_line_is_never_wider_than_the_terminal(tmp_path: Path, columns: int) -> None:
    gates = Gates(tmp_path, waits="a-name-that-is-longer-than-many-a-terminal-is-wide-" + "x" * 40)
    terminal = Terminal(gates.folder, "run", env={"NO_COLOR": "1"}, columns=columns)
    terminal.wait_for(lambda text: text.count("[1/2]") > 3)
    gates.go.open()
    assert terminal.end() == 0
    drawn = [part for part in re.split(r"\r|\n|\x1b\[\d*K", terminal.text) if part.startswith("[")]
    assert drawn
    # what stays may take the last column, what is drawn again may not
    assert max(len(part) for part in drawn if " ran " not in part) < columns
    assert max(map(len, drawn)) <= columns


def test_with_v_lines_are_whole_and_show_all(tmp_path: Path) -> None:
    gates = Gates(tmp_path)
    terminal = Terminal(gates.folder, "run", "-v")
    gates.go.open()
    assert terminal.end() == 0
    seen = terminal.seen()
    assert seen[0].startswith("[1/2] ran quick")
    assert seen[1].startswith("[2/2] ran waits")
    assert len(seen) == 3


def test_a_failure_stays_on_the_terminal_in_colour(tmp_path: Path) -> None:
    gates = Gates(tmp_path, after='; printf "\\033[32mgreen\\033[0m \\033[2Jnothing erased"; exit 3')
    terminal = Terminal(gates.folder, "run")
    terminal.wait_for("1 running")
    gates.go.open()
    assert terminal.end() == 1
    assert "  | green nothing erased" in terminal.seen()
    assert "\x1b[32mgreen" in terminal.text
    assert "\x1b[1;31mfailed" in terminal.text


def test_no_color_takes_the_colours_and_leaves_the_status_line(tmp_path: Path) -> None:
    gates = Gates(tmp_path)
    terminal = Terminal(gates.folder, "run", env={"NO_COLOR": "1"})
    terminal.wait_for("1 running")
    gates.go.open()
    assert terminal.end() == 0
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.text)


def test_a_dumb_terminal_gets_lines_and_no_escapes(tmp_path: Path) -> None:
    gates = Gates(tmp_path)
    terminal = Terminal(gates.folder, "run", env={"TERM": "dumb"})
    gates.up.wait()
    gates.go.open()
    assert terminal.end() == 0
    assert "\x1b" not in terminal.text
    assert "[2/2] ran waits" in terminal.text


def test_a_run_that_is_over_at_once_draws_nothing(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {run: 'true'}\n")
    assert Terminal(tmp_path, "run", "a").end() == 0
    terminal = Terminal(tmp_path, "list")
    assert terminal.end() == 0
    assert terminal.seen() == ["actions:", "  a"]


def test_ctrl_c_ends_the_actions_and_erases_the_status_line(tmp_path: Path) -> None:
    gates = Gates(tmp_path)
    terminal = Terminal(gates.folder, "run")
    terminal.wait_for("1 running")
    terminal.type(b"\x03")
    assert terminal.end() == 130
    seen = terminal.seen()
    assert seen[-3].endswith("treadle: interrupted: ending 1 action, once more to kill")
    assert seen[-2].startswith("[2/2] interrupted waits ")
    assert seen[-1].startswith("interrupted: 1 run, 1 interrupted in ")
    assert alive(gates.folder) == []


def test_an_action_with_console_has_the_terminal_to_itself(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    up, go, later = Fifo(tmp_path / "up"), Fifo(tmp_path / "go"), Fifo(tmp_path / "later")
    plan(
        folder,
        "actions:\n"
        '  asks: {sh: \'printf "your name: "; read -r name; echo "hello $name"\', console: true}\n'
        f"  beside: {{sh: 'echo up > {up}; read -r x < {go}; exit 1'}}\n"
        f"  later: {{sh: 'echo up > {later}', after: [beside]}}\n",
    )
    terminal = Terminal(folder, "run", "-k", "-j3", "asks", "beside", "later")
    up.wait()
    terminal.wait_for("your name: ")
    go.open()
    later.wait()
    # beside has ended by now, and has not been told of
    terminal.type(b"Ada\n")
    terminal.wait_for("hello Ada")
    assert terminal.end() == 1
    asked = terminal.text[terminal.text.index("your name: ") : terminal.text.index("hello Ada")]
    assert "\x1b" not in asked
    assert "beside" not in asked
    seen = terminal.seen()
    assert seen[seen.index("hello Ada") + 1].endswith("exit code 1")
    assert "failed beside: exit code 1" in seen


@pytest.mark.parametrize(
    ("script", "more", "ended"),
    [
        ("echo said", "", "succeeded"),
        ("echo said; exit 3", "", "failed: exit code 3"),
        ("echo said; exit 3", ", expect: {failure: 3}", "succeeded: failed as expected"),
        ("echo said; exit 64", "", "failed: differs: exit code 64"),
        ("echo said; exit 80", ", codes: {skipped: 80}", "skipped itself: exit code 80"),
        ("echo said; exec sleep 60", ", timeout: 0.5s", "failed: ended after its time limit of 0.5 s"),
    ],
)
def test_log_on_a_terminal_tells_the_command_first_and_the_end_last(
    tmp_path: Path, script: str, more: str, ended: str
) -> None:
    plan(tmp_path, f"actions:\n  a: {{sh: '{script}'{more}}}\n")
    Terminal(tmp_path, "run", "a").end()
    terminal = Terminal(tmp_path, "log", "a")
    assert terminal.end() == 0
    *lines, last = terminal.seen()
    assert lines == [f"$ {script}", "said"]
    assert last.startswith("it last ran ")
    assert last.endswith(f"s, and {ended}")


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("ends", ["kill -INT $$", "exit 130", "exit 1"], ids=["by INT", "130", "1"])
def test_ctrl_c_interrupts_an_action_on_the_console_however_it_takes_it(
    tmp_path: Path, times: int, ends: str
) -> None:
    up = Fifo(tmp_path / "up")
    folder = tmp_path / "project"
    folder.mkdir()
    # TERM, which we send it, is not what ends it; the Ctrl-C that the terminal sends it is
    script = (
        f"trap '' TERM; n=0; trap 'n=$((n + 1)); echo got $n; [ $n -lt {times} ] || {{ trap - INT; {ends}; }}' INT; "
        f"echo up > {up}; i=0; while [ $i -lt 6000 ]; do i=$((i + 1)); sleep 0.01; done"
    )
    (folder / "script").write_text(script)
    plan(folder, "actions:\n  a: {run: sh script, console: true}\n")
    terminal = Terminal(folder, "run", "a")
    up.wait()
    for number in range(times):
        if number:
            terminal.wait_for(f"got {number}")
        terminal.type(b"\x03")
    assert terminal.end() == 130
    assert "interrupted: 0 run, 1 interrupted in " in terminal.seen()[-1]
    assert run_treadle(folder, "status", "a", check=1).lines[0].endswith("; the last run was interrupted")
