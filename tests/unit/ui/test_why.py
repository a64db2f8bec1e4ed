from __future__ import annotations

from typing import Any

from treadle.core import decision
from treadle.core.decision import Reason, Verdict
from treadle.ui.text import plain
from treadle.ui.why import Explained, explained_lines, last_run_lines, reason_lines, verdict_lines

OLD = "file 1204 3fa9" + "0" * 28
NEW = "file 1210 77b1" + "0" * 28


def lines(reason: Reason) -> list[str]:
    return [plain(one) for one in reason_lines(reason)]


def test_a_changed_file_tells_both_sizes_and_digests() -> None:
    assert lines(Reason(decision.CHANGED, "input a", OLD, NEW)) == [
        "  input a changed",
        "    1,204 bytes 3fa9... -> 1,210 bytes 77b1...",
    ]


def test_an_altered_output_tells_both_values_and_a_missing_one_needs_none() -> None:
    assert lines(Reason(decision.OUTPUT_ALTERED, "output a", OLD, NEW))[1:] == [
        "    1,204 bytes 3fa9... -> 1,210 bytes 77b1..."
    ]
    assert lines(Reason(decision.OUTPUT_MISSING, "output a", OLD, "absent")) == ["  output a is missing"]


def test_a_changed_variable_tells_both_values_once() -> None:
    assert lines(Reason(decision.CHANGED, "env CC", "gcc", "clang")) == ["  env CC changed from gcc to clang"]


def test_a_short_command_is_shown_old_and_new() -> None:
    assert lines(Reason(decision.CHANGED, "command", "cc -O0 a.c", "cc -O2 a.c")) == [
        "  command changed:",
        "    - cc -O0 a.c",
        "    + cc -O2 a.c",
    ]


def test_of_a_long_command_the_words_that_changed_are_shown() -> None:
    same = " ".join(f"file{n}.o" for n in range(100))
    old, new = f"ld {same} -O0 {same}", f"ld {same} -O2 -g {same}"
    assert lines(Reason(decision.CHANGED, "command", old, new))[1:] == [
        "    - ... file98.o file99.o -O0 file0.o file1.o ...",
        "    + ... file98.o file99.o -O2 -g file0.o file1.o ...",
    ]


def test_nothing_of_a_long_command_is_left_out_if_all_is_asked_for() -> None:
    same = " ".join(f"file{n}.o" for n in range(500))
    old, new = f"ld -O0 {same}", f"ld -O2 {same}"
    made = reason_lines(Reason(decision.CHANGED, "command", old, new), verbose=True)
    assert [plain(one) for one in made[1:]] == [f"    - {old}", f"    + {new}"]


def test_words_that_were_only_added_or_doubled_are_found() -> None:
    old = " ".join(["x"] * 200)
    assert lines(Reason(decision.CHANGED, "command", old, old + " x"))[1:] == ["    - ... x x", "    + ... x x x"]


def test_of_a_command_of_several_lines_the_lines_that_changed_are_shown() -> None:
    old, new = "one\ntwo\nthree\nfour\nfive", "one\ntwo\nTHREE\nfour\nfive"
    assert lines(Reason(decision.CHANGED, "command", old, new))[1:] == [
        "    ...",
        "      two",
        "    - three",
        "    + THREE",
        "      four",
    ]


def test_a_command_that_changed_all_over_is_cut() -> None:
    old = "\n".join(f"old {n}" for n in range(100))
    new = "\n".join(f"new {n}" for n in range(100))
    shown = lines(Reason(decision.CHANGED, "command", old, new))
    assert len(shown) < 50
    assert "more lines" in shown[-1]


def explained(verdict: Verdict, **more: Any) -> list[str]:
    """Return all lines on an action of which this is known."""
    return [plain(one) for one in explained_lines(Explained("fit", verdict, **more))]


def test_a_skip_tells_what_was_found_equal() -> None:
    names = [
        "command",
        "shell",
        "folder",
        "input a",
        "input b",
        "output c",
        "env CC",
        "tool cc",
        "os_version",
        "fingerprint_version",
    ]
    assert explained(Verdict(decision.SKIP), equal=dict.fromkeys(names, "x")) == [
        "fit is up to date: nothing has changed",
        (
            "  equal to the last success: command, shell, folder, 2 inputs (a, b), 1 output (c), 1 variable (CC), "
            "1 tool (cc), system"
        ),
    ]
    many = {f"input {n}": "x" for n in range(9)}
    assert explained(Verdict(decision.SKIP), equal=many)[1] == (
        "  equal to the last success: 9 inputs (0, 1, 2 (+6))"
    )


def test_with_v_every_equal_value_is_told() -> None:
    told = Explained("fit", Verdict(decision.SKIP), equal={"command": "one\ntwo", "input a": OLD})
    assert [plain(one) for one in explained_lines(told, verbose=True)][2:] == [
        "    command: one ...",
        "    input a: 1,204 bytes 3fa9...",
    ]


def test_all_reasons_are_told() -> None:
    verdict = Verdict(decision.RUN, [Reason(decision.FORCED), Reason(decision.ALWAYS)])
    assert explained(verdict) == ["fit would run:", "  forced", "  it runs each time"]
    verdict = Verdict(decision.MAY_RUN, [Reason(decision.DEPENDS_ON, "x")])
    assert explained(verdict) == ["fit may run:", "  depends on x"]
    assert plain(verdict_lines("a\nb", verdict)[0]) == "a\\nb may run:"


def test_the_text_of_a_changed_file_is_told_below_its_sizes() -> None:
    verdict = Verdict(decision.RUN, [Reason(decision.CHANGED, "input a", OLD, NEW)])
    assert explained(verdict, texts={"input a": ("one\ntwo\nthree\n", "one\n2\nthree\n")})[2:] == [
        "    1,204 bytes 3fa9... -> 1,210 bytes 77b1...",
        "      one",
        "    - two",
        "    + 2",
        "      three",
    ]


def test_that_only_the_end_of_the_last_line_changed_can_be_seen() -> None:
    verdict = Verdict(decision.RUN, [Reason(decision.CHANGED, "input a", OLD, NEW)])
    assert explained(verdict, texts={"input a": ("one\n", "one")})[3:] == ["      one", "    -"]


def test_what_was_written_in_a_tree_is_named() -> None:
    verdict = Verdict(decision.RUN, [Reason(decision.CHANGED, "input docs/", "tree 2 aaaa", "tree 3 bbbb")])
    assert explained(verdict, written={"input docs/": ["docs/a", "docs/b"]})[3:] == [
        "    written since its last success: docs/a, docs/b"
    ]


def test_what_follows_is_told_with_what_it_reads() -> None:
    told = explained(
        Verdict(decision.SKIP),
        consumers={"merge": ["out/a"], "plot": ["out/a", "out/b"]},
        after_them=["report"],
        needed_by=["deploy"],
    )
    assert told[1:] == [
        "  if what it makes comes out different, these follow:",
        "    merge reads out/a",
        "    plot reads out/a, out/b",
        "    then report",
        "  needed by deploy: that waits for it, and does not run again because of it",
    ]
    assert explained(Verdict(decision.SKIP), makes=True)[1:] == ["  no action reads what it makes"]
    crowd = {f"r{n}": ["o"] for n in range(20)}
    assert explained(Verdict(decision.SKIP), consumers=crowd)[-1] == "    and 14 more that read it"


def test_inputs_that_moved_under_way_are_named() -> None:
    reason = Reason(decision.INPUTS_MOVED, "", "changed while it ran: a, b")
    assert lines(reason)[1:] == [
        "    changed while it ran: a, b",
        "    if it writes these itself: `edits` is for a file, `exclude` leaves names out of a folder",
    ]


def test_the_last_run_is_told_with_its_reasons() -> None:
    reasons = [Reason(decision.CHANGED, "input a", OLD, NEW)]
    shown = [plain(one) for one in last_run_lines("failed", "2h 05m ago", 0.3, "exit code 2", reasons)]
    assert shown == [
        "  it last ran 2h 05m ago, for 0.3s, and failed: exit code 2",
        "    because of:",
        "      input a changed",
        "        1,204 bytes 3fa9... -> 1,210 bytes 77b1...",
    ]
    many = [Reason(decision.ALWAYS, ""), Reason(decision.CHANGED, "command", "make a", "make b")]
    many += [Reason(decision.ADDED, f"input {n}") for n in range(5)]
    assert [plain(one) for one in last_run_lines("succeeded", "now", 0.3, "", many)][1:] == [
        "    because of:",
        "      it runs each time",
        "      command changed:",
        "        - make a",
        "        + make b",
        "      input 0 added",
        "      input 1 added",
        "      input 2 added",
        "      and 2 more",
    ]
    plain_ones = [plain(one) for one in last_run_lines("succeeded", "now", 0.3, "", [many[0], many[2]])]
    assert plain_ones[1:] == ["    because of: it runs each time; input 0 added"]
    (interrupted,) = last_run_lines("interrupted", "now", 0.3, "interrupted", [])
    assert plain(interrupted) == "  it last ran now, for 0.3s, and was interrupted"
    assert len(last_run_lines("succeeded", "now", 0.3, "", [])) == 1
