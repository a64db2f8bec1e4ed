from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

CHAIN = """
actions:
  first: {run: "cp ${in} ${out}", in: a, out: out/b}
  second: {run: "cp ${in} ${out}", in: out/b, out: out/c}
"""

FAILING = """
actions:
  bad: {sh: "echo oops >&2; exit 2", out: out/bad}
  worse: {sh: "echo dear; kill -9 $$", out: out/worse}
  late: {sh: "cat ${in} > ${out}", in: [out/bad, out/worse], out: out/late}
  fine: {sh: "echo fine > ${out}", out: out/fine}
"""


def chain(folder: Path) -> Path:
    plan(folder, CHAIN)
    (folder / "a").write_text("one\n")
    return folder


def test_a_run_does_what_is_to_be_done_and_says_why(tmp_path: Path) -> None:
    chain(tmp_path)
    done = run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "out/c").read_text() == "one\n"
    assert done.lines[0].startswith("[1/2] ran first 0.")
    assert done.lines[0].endswith("(new: it has not run here before)")
    assert done.lines[1].startswith("[2/2] ran second")
    assert done.lines[2].startswith("2 run in ")
    assert done.err == ""


def test_a_second_run_has_nothing_to_do_and_says_so_in_one_line(tmp_path: Path) -> None:
    chain(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    done = run_treadle(tmp_path, "run", check=0)
    assert len(done.lines) == 1
    assert done.out.startswith("nothing to do: 2 up to date in ")


def test_early_cutoff_is_seen_in_the_counts(tmp_path: Path) -> None:
    plan(
        tmp_path,
        CHAIN.replace(
            'cp ${in} ${out}", in: a', 'grep -v ^# ${in.a} --max-count=9", stdout: out/b, in: {a: a}'
        ).replace(", out: out/b}", "}", 1),
    )
    (tmp_path / "a").write_text("# one\ntext\n")
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "a").write_text("# two\ntext\n")
    done = run_treadle(tmp_path, "run", check=0)
    assert "(input a changed)" in done.lines[0]
    assert done.lines[1].startswith("1 run, 1 up to date in ")


def test_a_failure_is_told_with_reason_command_log_and_what_runs_it_again(tmp_path: Path) -> None:
    plan(tmp_path, FAILING)
    done = run_treadle(tmp_path, "run", "bad", check=1)
    assert done.lines[0].startswith("[1/1] failed bad 0.")
    assert done.lines[0].endswith(": exit code 2")
    assert done.lines[1:-1] == [
        "  | oops",
        "failed bad: exit code 2",
        "  why      new: it has not run here before",
        "  command  echo oops >&2; exit 2",
        "  log      .treadle/logs/bad.log",
        "  again    treadle run bad",
    ]
    assert done.lines[-1].startswith("0 run, 1 failed in ")


def test_the_first_failure_ends_the_run_and_k_goes_on(tmp_path: Path) -> None:
    plan(tmp_path, FAILING)
    done = run_treadle(tmp_path, "run", "-j1", check=1)
    assert done.lines[-1].startswith("0 run, 1 failed, 3 not started in ")
    done = run_treadle(tmp_path, "run", "-k", "-j1", check=1)
    assert done.lines[-1].startswith("1 run, 2 failed, 1 blocked in ")
    assert "blocked by bad, worse: late" in done.lines
    assert "failed worse: killed by SIGKILL" in done.lines
    assert "  | dear" in done.lines[done.lines.index("failed worse: killed by SIGKILL") :]
    done = run_treadle(tmp_path, "run", "-k2", "-j1", "--force", check=1)
    assert done.lines[-1].startswith("0 run, 2 failed, 2 not started in ")


def test_an_action_that_takes_more_than_there_is_names_the_option_that_gives_it(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  big: {sh: 'echo > ${out}', out: o, tokens: 3}\n")
    told = run_treadle(tmp_path, "run", "-j2", check=2).err
    assert "treadle.yaml:3:3: big asks for 3 tokens of queue 'default', which has 2" in told
    assert "hint: ask for fewer, or run with -j 3" in told
    run_treadle(tmp_path, "run", "-j3", check=0)


@pytest.mark.parametrize("letters", ["-kq", "-qk", "-kj1"])
def test_k_goes_on_in_one_word_with_other_letters(letters: str, tmp_path: Path) -> None:
    plan(tmp_path, FAILING)
    done = run_treadle(tmp_path, "run", letters, "-j1", check=1)
    assert done.lines[-1].startswith("1 run, 2 failed, 1 blocked in ")


def test_k_takes_no_name_for_its_number(tmp_path: Path) -> None:
    plan(tmp_path, FAILING)
    assert "[1/1] ran fine" in run_treadle(tmp_path, "run", "-k", "fine", check=0).out
    assert "failed bad" in run_treadle(tmp_path, "run", "--keep-going", "bad", check=1).out


def test_the_command_that_runs_a_failure_again_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "two words"
    plan(folder, "params: {x: {default: a}}\nactions:\n  bad: {sh: 'exit 3', out: o}\n", "other plan.yaml")
    done = run_treadle(tmp_path, "run", "-C", "two words", "other plan.yaml", "-p", "x=it's", check=1)
    (again,) = [line for line in done.lines if line.startswith("  again")]
    assert again == """  again    treadle run -C 'two words' -f 'other plan.yaml' -p 'x=it'"'"'s' bad"""
    assert "  log      two words/.treadle/logs/other%20plan.yaml,bad.log" in done.lines


def test_a_bare_run_without_anything_to_run_by_default_says_what_there_is(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  deploy: {run: 'true'}\n")
    done = run_treadle(tmp_path, "run", check=2)
    assert "its actions: deploy" in done.err
    assert run_treadle(tmp_path, "run", "deploy", check=0).lines[0].endswith("(it runs each time)")


def test_force_runs_everything_and_force_with_a_name_runs_that(tmp_path: Path) -> None:
    chain(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    done = run_treadle(tmp_path, "run", "--force=first", check=0)
    assert "ran first" in done.lines[0]
    assert "(forced)" in done.lines[0]
    assert done.lines[1].startswith("1 run, 1 up to date")
    assert run_treadle(tmp_path, "run", "--force", "second", check=0).lines[2].startswith("2 run")


def test_a_failed_attempt_that_is_followed_by_another_one_says_so(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  a:\n    sh: 'if test -e tried; then echo x > ${out}; else touch tried; exit 7; fi'\n"
        "    out: o\n    retries: {max: 2, on: [exit 7]}\n",
    )
    done = run_treadle(tmp_path, "run", check=0)
    assert done.lines[0] == "failed a: exit code 7; trying again (1 of 3 attempts are over)"
    assert ", attempt 2 (" in done.lines[1]
    assert done.lines[2].startswith("1 run in ")


def test_a_further_attempt_shows_what_it_prints_and_no_more(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  a:\n    sh: 'if test -e tried; then echo second; else echo first; touch tried; exit 7; fi'\n"
        "    retries: {max: 1, on: [any]}\n",
    )
    done = run_treadle(tmp_path, "run", "--output", "stream", "a", check=0)
    assert done.out.split("\n")[::2][:2] == ["first", "second"]
    assert done.out.count("first") == 1


@pytest.mark.parametrize("output", ["quiet", "block", "stream", "prefix"])
def test_an_action_that_cannot_start_shows_no_output_of_a_former_run(tmp_path: Path, output: str) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'echo former; exit 1', out: out/x}\n")
    assert "former" in run_treadle(tmp_path, "run", check=1).out
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("a file in the way")
    done = run_treadle(tmp_path, "run", "--output", output, check=1)
    assert "former" not in [line.rpartition("| ")[2] for line in done.lines]
    assert "log" not in done.out
    assert "out/x" in done.out


def test_damaged_state_is_told_and_no_error(tmp_path: Path) -> None:
    chain(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / ".treadle/records").write_bytes(b"nonsense")
    done = run_treadle(tmp_path, "run", check=0)
    about_records, about_outputs = done.err.splitlines()
    assert about_records.endswith(
        "everything counts as new, and outputs of previous plans and parameters as ordinary files"
    )
    assert about_outputs == "treadle: moved files that Treadle did not create to .treadle/replaced/: out/b, out/c"
    assert done.lines[-1].startswith("2 run")


def test_v_lists_skipped_actions_outputs_and_what_is_left_out(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n  a: {sh: 'echo said; echo x > ${out}', out: o}\n  b: {run: 'true', out: p, when: '1 == 2'}\n",
    )
    done = run_treadle(tmp_path, "run", "-v", check=0)
    assert "  | said" in done.lines
    assert done.lines[-2].startswith("disabled b: ")
    assert done.lines[-1].startswith("1 run")
    assert run_treadle(tmp_path, "run", "-v", check=0).lines[0] == "[1/1] up to date a"


def test_v_shows_the_end_of_a_long_output_and_names_the_log(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'seq 1000; echo x > ${out}', out: o}\n")
    lines = run_treadle(tmp_path, "run", "-v", check=0).lines
    assert lines[1] == "  | 801"
    assert lines[200:202] == ["  | 1000", "  | (all of it: .treadle/logs/a.log)"]


def test_a_run_that_draws_nothing_loads_nothing_to_draw_with(tmp_path: Path) -> None:
    chain(tmp_path)
    for text in ("one", "two"):
        (tmp_path / "a").write_text(text)
        done = run_treadle(tmp_path, "run", env={"PYTHONPROFILEIMPORTTIME": "1"}, check=0)
        loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
        assert "treadle.command.walk" in loaded
        assert not {name for name in loaded if name.partition(".")[0] in ("rich", "networkx", "json", "difflib")}


def test_q_is_silent_if_all_is_well_and_tells_failures(tmp_path: Path) -> None:
    plan(tmp_path, FAILING)
    assert run_treadle(tmp_path, "run", "-q", "fine", check=0) == (0, "", "")
    done = run_treadle(tmp_path, "run", "-q", "bad", check=1)
    assert done.lines[0] == "failed bad: exit code 2"
    assert "  | oops" in done.lines
    assert done.out.count("failed bad") == 1


def test_a_huge_output_without_lines_shows_its_end_only(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'head -c 30000000 /dev/zero; exit 1', out: o}\n")
    done = run_treadle(tmp_path, "run", check=1)
    assert len(done.out) < 10_000
    assert (tmp_path / ".treadle/logs/a.log").stat().st_size == 30_000_000


def test_many_failures_are_told_in_full_up_to_ten(tmp_path: Path) -> None:
    parts = ", ".join(f"p{n}" for n in range(15))
    plan(tmp_path, f"actions:\n  a:\n    foreach: {{n: [{parts}]}}\n    sh: exit 1\n    out: ${{n}}\n")
    done = run_treadle(tmp_path, "run", "-k", check=1)
    assert sum(line.startswith("failed a@") for line in done.lines) == 15
    assert sum(line.startswith("  again") for line in done.lines) == 10


def test_output_comes_as_it_is_printed_with_stream_and_with_names_with_prefix(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'echo one; printf two; echo x > ${out}', out: o}\n")
    done = run_treadle(tmp_path, "run", "--output", "stream", check=0)
    assert done.lines[:2] == ["one", "two"]
    done = run_treadle(tmp_path, "run", "--output=prefix", "--force", check=0)
    assert done.lines[:2] == ["a | one", "a | two"]
    assert "ran a" in done.lines[2]


def test_a_plan_in_another_folder_is_found_above_and_paths_are_ours(tmp_path: Path) -> None:
    chain(tmp_path)
    below = tmp_path / "some/where"
    below.mkdir(parents=True)
    run_treadle(below, "run", "first", check=0)
    done = run_treadle(tmp_path / "out", "run", "c", check=0)
    assert done.lines[-1].startswith("1 run, 1 up to date")
    assert run_treadle(tmp_path / "out", "status", "../out/c", check=0).code == 0
    assert run_treadle(below, "status", str(tmp_path / "out/c"), check=0).code == 0


def test_a_named_plan_is_taken_as_the_plan_and_with_f_as_a_name(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {run: 'cp ${in} ${out}', in: x, out: gen.yaml}\n", "p.yaml")
    (tmp_path / "x").write_text("treadle: 1\nactions: {g: {run: 'true'}}\n")
    assert "ran a" in run_treadle(tmp_path, "run", "p.yaml", check=0).out
    assert "ran a" in run_treadle(tmp_path, "run", "p.yaml", "--force", "a", check=0).out
    assert run_treadle(tmp_path, "run", "-f", "p.yaml", "gen.yaml", check=0).out.startswith("nothing to do: 1")
    assert "ran g" in run_treadle(tmp_path, "run", "gen.yaml", "g", check=0).out


def test_names_with_control_characters_reach_no_terminal(tmp_path: Path) -> None:
    plan(tmp_path, 'actions:\n  a: {sh: "exit 1", out: "bad\\x1b[2J\\nname"}\n')
    done = run_treadle(tmp_path, "run", "-k", check=1)
    assert "\x1b" not in done.out
    assert run_treadle(tmp_path, "clean", "-n", check=0).out == ""
    (tmp_path / "bad\x1b[2J\nname").touch()
    assert "bad\\x1b[2J\\nname is left alone" in run_treadle(tmp_path, "clean", "-n", check=0).err
