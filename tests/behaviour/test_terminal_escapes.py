"""What is printed moves nothing on a terminal, whoever wrote it: colours stay, all else that it obeys does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers import Terminal, plan, run_treadle
from treadle.ui.log_tail import visible
from treadle.ui.text import guarded

SEQUENCES = {
    "clipboard (OSC 52)": b"\x1b]52;c;ZXZpbA==\x07",
    "clipboard, ended by ST": b"\x1b]52;c;ZXZpbA==\x1b\\",
    "clipboard, 8-bit": b"\xc2\x9d52;c;ZXZpbA==\xc2\x9c",
    "clipboard, raw 8-bit": b"\x9d52;c;ZXZpbA==\x9c",
    "title": b"\x1b]0;evil\x07",
    "icon": b"\x1b]1;evil\x07",
    "link (OSC 8)": b"\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\",
    "notification (OSC 9)": b"\x1b]9;evil\x07",
    "palette query": b"\x1b]4;1;?\x07",
    "title report": b"\x1b[21t",
    "window size": b"\x1b[8;1;1t",
    "device attributes": b"\x1b[c",
    "secondary attributes": b"\x1b[>c",
    "status report": b"\x1b[6n",
    "mode query (DECRQM)": b"\x1b[?2026$p",
    "DECRQSS": b'\x1bP$q"p\x1b\\',
    "XTGETTCAP": b"\x1bP+q544e\x1b\\",
    "sixel": b"\x1bPq#0;2;0;0;0\x1b\\",
    "APC (kitty graphics)": b"\x1b_Ga=q;AAAA\x1b\\",
    "PM": b"\x1b^evil\x1b\\",
    "SOS": b"\x1bXevil\x1b\\",
    "CSI, 8-bit": b"\xc2\x9b6n",
    "CSI, raw 8-bit": b"\x9b6n",
    "DCS, 8-bit": b'\xc2\x90$q"p\xc2\x9c',
    "cursor up": b"\x1b[5A",
    "erase": b"\x1b[2J\x1b[H",
    "alternate screen": b"\x1b[?1049h",
    "mouse": b"\x1b[?1000h",
    "paste brackets": b"\x1b[?2004h",
    "keypad": b"\x1b=",
    "reset": b"\x1bc",
    "DECALN": b"\x1b#8",
    "charset": b"\x1b(0",
    "DECID": b"\x1bZ",
    "answerback": b"\x05",
    "bell": b"\x07",
    "backspaces": b"abc\x08\x08\x08",
    "shift out": b"\x0e",
    "vertical tab": b"\x0b",
    "form feed": b"\x0c",
    "delete": b"\x7f",
    "NUL": b"a\x00b",
    "colour that is none": b"\x1b[>4;2m",
    "private colour": b"\x1b[?4m",
    "incomplete escape": b"\x1b",
    "incomplete CSI": b"\x1b[",
    "incomplete CSI with parameters": b"\x1b[1;2",
    "incomplete OSC": b"\x1b]52;c;ZXZp",
    "incomplete DCS": b"\x1bP$q",
    "escape in a sequence": b"\x1b[1\x1b[6n",
    "sequence put together by dropping": b"\x1b\x1b[A]52;c;x\x07",
    "sequence put together by dropping a string": b"\x1b\x1bPx\x1b\\[6n",
    "direction": "\u202egnp.exe\u202c".encode(),
    "isolate": "\u2066x\u2069".encode(),
    "mark": "\u200fx\u061c".encode(),
    "line separator": "\u2028x\u2029".encode(),
}
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
OBEYED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]"
)


def is_obeyed(text: str) -> str:
    """Return what of a text a terminal would obey beside colours, "" if nothing."""
    found = OBEYED.search(COLOUR.sub("", text))
    return repr(text) if found else ""


@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize("case", SEQUENCES)
def test_no_sequence_of_an_action_reaches_a_terminal(case: str, colours: bool) -> None:
    for raw in (SEQUENCES[case], b"before" + SEQUENCES[case] + b"after", b"\x1b[31m" + SEQUENCES[case]):
        assert not is_obeyed(visible(raw, colours=colours))
    assert visible(b"\x1b[1;31mred\x1b[0m", colours=True).startswith("\x1b[1;31mred")


@pytest.mark.parametrize("case", SEQUENCES)
def test_the_guard_before_the_terminal_lets_no_sequence_through(case: str) -> None:
    text = SEQUENCES[case].decode("utf-8", "surrogateescape")
    assert not is_obeyed(guarded(f"\x1b[1ma\tb\x1b[0m{text}"))
    assert guarded("\x1b[1ma\tb\x1b[0m") == "\x1b[1ma\tb\x1b[0m"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A plan in which names, texts and outputs hold every sequence."""
    everything = b"\n".join(SEQUENCES.values()) + b"\n"
    (tmp_path / "sequences").write_bytes(everything)
    names = [data.decode("utf-8", "surrogateescape") for data in SEQUENCES.values()]
    # those that are globs, or nothing that YAML may hold, are tried elsewhere
    names = [name for name in names if not set("[?*\0\udc9b\udc9c\udc9d") & set(name)]
    texts = [json.dumps(name) for name in names]
    plan(
        tmp_path,
        "actions:\n  says: {sh: 'cat sequences; false', in: sequences}\n"
        f"  help: {{help: {texts[0]}, sh: 'true'}}\n"
        f"  each: {{foreach: {{x: [{', '.join(texts)}]}}, run: ['echo', '${{x}}']}}\n",
    )
    return tmp_path


def shown(folder: Path, *words: str) -> str:
    """Return what a command shows on a terminal, without what redraws our own status line."""
    terminal = Terminal(folder, *words)
    terminal.end()
    text = terminal.shown.decode("utf-8", "surrogateescape")
    text = re.sub(r"\r\x1b\[[02]?K|\r|\x1b\[[02]?K", "", text)
    return text.replace("\n", "")


COMMANDS = (
    ("run", "-k", "*"),
    ("log", "says"),
    ("list", "-v"),
    ("status", "*"),
    ("why", "-v"),
    ("graph",),
    ("run", "\x1b]0;evil\x07"),
    ("run", "--\x1b]0;evil"),
    ("run", "-f", "\x1b]0;evil\x07.yaml"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=ascii)
def test_no_command_lets_a_terminal_obey_what_a_project_holds(hostile: Path, words: tuple[str, ...]) -> None:
    if words != COMMANDS[0]:
        run_treadle(hostile, "run", "says", check=1)
    text = shown(hostile, *words)
    assert text
    assert not is_obeyed(text)


def test_completion_describes_names_without_sequences(tmp_path: Path) -> None:
    plan(tmp_path, 'actions: {a: {help: "one\\e]52;c;x\\a two\\x9b6n \u202e", sh: "true"}}\n')
    out = run_treadle(tmp_path, "__complete", "--", "run", "a", check=0).out
    assert "one" in out
    assert "two" in out
    assert not is_obeyed(out.replace("\n", ""))


def test_a_plan_that_is_not_right_is_told_without_its_sequences(tmp_path: Path) -> None:
    for text in ("\u202egnp", "\\e]52;c;x\\a", "\\x9b6n"):
        plan(tmp_path, f'actions: {{"{text}": {{sh: "true", in: "{text}", "{text}": 1}}}}\n')
        printed = shown(tmp_path, "run")
        assert printed
        assert not is_obeyed(printed)


def test_the_difference_of_a_file_is_shown_without_its_sequences(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {sh: 'cat ${in} > ${out}', in: i, out: o}}\n")
    (tmp_path / "i").write_text("one\n")
    run_treadle(tmp_path, "run", check=0)
    plan(tmp_path, "actions: {a: {sh: \"cat ${in} > ${out}; : '\u202e\\e]52;c;x\\a'\", in: i, out: o}}\n")
    text = shown(tmp_path, "why", "a")
    assert "command changed" in text
    assert not is_obeyed(text)


def test_a_log_that_is_piped_has_its_bytes_as_they_are(hostile: Path) -> None:
    run_treadle(hostile, "run", "says", check=1)
    log = (hostile / ".treadle/logs/says.log").read_bytes()
    assert log == (hostile / "sequences").read_bytes()
    printed = run_treadle(hostile, "log", "says", "--color=always", check=0).out
    assert printed.encode("utf-8", "surrogateescape") == log.replace(b"\r\n", b"\n")


def test_all_of_a_long_line_is_printed_on_a_terminal(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {sh: 'printf %070000d 1; echo; printf end', in: i}}\n")
    (tmp_path / "i").write_text("")
    run_treadle(tmp_path, "run", "a", check=0)
    text = shown(tmp_path, "log", "a")
    assert text.count("0") >= 69_999
    assert "1end\x1b[2mit last ran" in text
