"""What can be completed, asked directly and in the real shells that are here."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE, environment, plan, run_treadle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAN = """
params:
  mode: {choices: [debug, release], default: debug, help: build flavour}
  parts: {type: list, default: [a], choices: [a, b, c]}
  fast: {type: bool, default: false}
groups:
  all: {help: everything, of: [fit, merge]}
actions:
  fit:
    help: one part
    foreach: {part: ["a", "b c"]}
    run: 'true'
    out: out/deep/${part}
  merge: {run: 'true', out: out/all}
  _hidden: {run: 'true', out: h}
"""


def completed(folder: Path, *words: str) -> list[str]:
    """Return the lines of an answer."""
    return run_treadle(folder, "__complete", "--", *words, check=0).lines


def values(folder: Path, *words: str) -> list[str]:
    return [line.partition("\t")[0] for line in completed(folder, *words)[1:]]


def test_commands_are_completed_with_what_they_do(tmp_path: Path) -> None:
    assert "run\trun the actions that changed" in completed(tmp_path, "")
    assert values(tmp_path, "comp") == ["completion"]
    assert values(tmp_path, "completion", "") == ["bash", "zsh", "fish"]


def test_options_and_their_choices_are_completed(tmp_path: Path) -> None:
    assert values(tmp_path, "graph", "--de") == ["--depth"]
    assert values(tmp_path, "run", "--output", "") == ["quiet", "block", "stream", "prefix"]
    assert values(tmp_path, "run", "--exit-code", "") == ["mask"]
    assert values(tmp_path, "graph", "--format=d") == ["--format=dot"]
    assert completed(tmp_path, "run", "-f", "") == [":files"]
    assert completed(tmp_path, "run", "-C", "") == [":folders"]
    assert "--force-all" not in values(tmp_path, "run", "--")


def test_names_come_from_the_plan_hidden_ones_only_when_asked_for(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert completed(tmp_path, "run", "") == [":", "fit\tone part", "merge\t", "all\teverything"]
    assert values(tmp_path, "run", "_") == ["_hidden"]
    assert values(tmp_path, "run", "merge", "f") == ["fit"]
    assert values(tmp_path, "why", "fit") == ["fit", "fit@a", "fit@b c"]
    assert values(tmp_path, "run", "fit@b") == ["fit@b c"]
    assert values(tmp_path, "run", "--force=me") == ["--force=merge"]
    assert values(tmp_path, "run", "--timeout=me") == ["--timeout=merge="]
    assert values(tmp_path, "run", "--timeout", "me") == ["merge="]


def test_outputs_are_completed_folder_by_folder(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert completed(tmp_path, "run", "out/") == [":", "out/deep/\t", "out/all\tmade by merge"]
    assert completed(tmp_path, "run", "out/d") == [":nospace", "out/deep/\t"]
    assert values(tmp_path, "run", "out/deep/") == ["out/deep/a", "out/deep/b c"]
    assert completed(tmp_path, "run", "nothing") == [":files"]


def test_parameters_and_their_choices_come_from_the_plan(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert completed(tmp_path, "run", "-p", "m") == [":nospace", "mode=\tbuild flavour"]
    assert values(tmp_path, "run", "-p", "mode=r") == ["mode=release"]
    assert values(tmp_path, "run", "-pmode=r") == ["-pmode=release"]
    assert values(tmp_path, "run", "-p", "parts=a,b,") == ["parts=a,b,a", "parts=a,b,b", "parts=a,b,c"]
    assert values(tmp_path, "run", "-p", "fast=") == ["fast=true", "fast=false"]
    assert completed(tmp_path, "run", "-p", "other=") == [":"]


def test_the_plan_that_is_named_is_the_one_that_is_asked(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    plan(tmp_path, "actions: {elsewhere: {run: 'true'}}\n", "sub/other.yaml")
    for words in (
        ["-f", "sub/other.yaml"],
        ["-fsub/other.yaml"],
        ["sub/other.yaml"],
        ["-C", "sub", "-f", "other.yaml"],
    ):
        assert values(tmp_path, "run", *words, "") == ["elsewhere"]


def test_names_of_included_plans_are_completed(tmp_path: Path) -> None:
    plan(tmp_path, PLAN, "docs/plan.yaml")
    plan(tmp_path, "include: [docs/plan.yaml]\nactions: {main: {run: 'true'}}\n")
    assert values(tmp_path, "run", "") == ["main", "docs:fit", "docs:merge", "docs:all", "docs"]
    assert values(tmp_path, "run", "docs:_") == ["docs:_hidden"]
    assert values(tmp_path, "run", "docs:fit") == ["docs:fit", "docs:fit@a", "docs:fit@b c"]


def test_names_of_a_plan_that_an_action_makes_are_completed(tmp_path: Path) -> None:
    plan(tmp_path, PLAN, "made.yaml")
    plan(tmp_path, "actions: {gen: {run: 'true', out: made.yaml, keep: true, expand: made.yaml}}\n")
    run_treadle(tmp_path, "run", "gen")
    assert values(tmp_path, "run", "gen:f") == ["gen:fit"]


def test_what_an_action_reads_is_not_looked_for(tmp_path: Path) -> None:
    plan(tmp_path, PLAN + "  of_nothing: {foreach: {x: [a]}, in: not/there, run: 'true', out: o/of_nothing}\n")
    assert values(tmp_path, "run", "of_nothing@") == ["of_nothing@a"]
    assert values(tmp_path, "run", "o/") == ["o/of_nothing"]


def test_what_its_own_when_leaves_out_is_not_completed(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  f: {foreach: {x: [a, b]}, when: x == 'b', run: 'true', out: 'o/${x}'}\n")
    assert values(tmp_path, "run", "f@") == ["f@b"]
    assert values(tmp_path, "run", "o/") == ["o/b"]


def test_instances_of_a_family_in_a_plan_that_an_action_makes_are_completed(tmp_path: Path) -> None:
    plan(tmp_path, PLAN, "made.yaml")
    plan(tmp_path, "actions: {gen: {run: 'true', out: made.yaml, keep: true, expand: made.yaml}}\n")
    run_treadle(tmp_path, "run", "gen")
    assert values(tmp_path, "run", "gen:fit@") == ["gen:fit@a", "gen:fit@b c"]
    assert values(tmp_path, "run", "gen:fit") == ["gen:fit", "gen:fit@a", "gen:fit@b c"]


def test_a_plan_with_a_mistake_still_has_names(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  fit: {runn: 'true'}\n  merge: {foreach: {a: b}, run: 'true'}\n")
    assert values(tmp_path, "run", "") == ["fit", "merge"]
    assert values(tmp_path, "run", "merge@") == []


@pytest.mark.parametrize("text", ["", "a: [", "- x", "actions: 3", "params: {a: 3, b: {choices: x}}\nactions: [a]"])
def test_where_nothing_can_be_known_nothing_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "treadle.yaml").write_text(text)
    for words in (
        ["run", ""],
        ["run", "-p", ""],
        ["run", "-p", "a="],
        ["run", "a@"],
        [],
        ["nonsense", "-x", "--y="],
    ):
        done = run_treadle(tmp_path, "__complete", "--", *words, check=0)
        assert done.err == ""
        assert done.out.startswith(":")


@pytest.mark.parametrize(
    "words", [["show"], ["resume"], ["diff"], ["stop"], ["attempts", "--run"], ["mark", "--run"]]
)
def test_runs_are_completed_where_a_run_is_meant(tmp_path: Path, words: list[str]) -> None:
    plan(tmp_path, PLAN)
    assert values(tmp_path, *words, "") == []
    run_treadle(tmp_path, "run", "merge", check=1)
    run_treadle(tmp_path, "run", "fit", check=1)
    new, old = sorted(os.listdir(tmp_path / ".treadle/runs"), reverse=True)
    assert values(tmp_path, *words, "") == ["last", new, old]
    assert values(tmp_path, *words, new) == [new]


def test_marks_are_completed_after_names(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert values(tmp_path, "mark", "") == ["fit", "merge", "all"]
    assert values(tmp_path, "mark", "merge", "") == ["fit", "merge", "all", "done", "todo"]


def test_there_are_scripts_for_the_shells_that_are_known(tmp_path: Path) -> None:
    assert "complete -F" in run_treadle(tmp_path, "completion", "bash", check=0).out
    assert "did you mean zsh?" in run_treadle(tmp_path, "completion", "zhs", check=2).err
    assert "one shell" in run_treadle(tmp_path, "completion", check=2).err


class Shell:
    """A shell on a terminal of its own, in which treadle is a command."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        commands = folder / "commands"
        commands.mkdir()
        launcher = commands / "treadle"
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m treadle "$@"\n')
        launcher.chmod(0o755)
        self.shown = ""
        self._fd, inner = os.openpty()
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        env = {"PATH": path, "TERM": "dumb", "HOME": str(folder), "PS1": "$ ", "LC_ALL": "C.UTF-8"}
        self.child = subprocess.Popen(
            words,
            cwd=folder,
            env=environment(env),
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)

    def type(self, keys: str) -> None:
        """Type keys."""
        os.write(self._fd, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until a text was shown after what was waited for before."""
        end = monotonic() + DEADLINE
        while text not in self.shown:
            assert select.select([self._fd], [], [], max(0.0, end - monotonic()))[0], f"no {text!r}: {self.shown!r}"
            self.shown += os.read(self._fd, 65536).decode(errors="replace")
        self.shown = self.shown[self.shown.index(text) + len(text) :]

    def run(self, line: str) -> None:
        """Run a line, and wait for its end."""
        self.type(f"{line}; echo do''ne\n")
        self.wait_for("done\r\n")

    def close(self) -> None:
        """End the shell."""
        self.child.kill()
        self.child.wait()
        os.close(self._fd)


STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(treadle completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit && compinit -u -D && source <(treadle completion zsh)"),
}


@pytest.fixture(params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    """A shell that is here, with the script in it."""
    words, begin = STARTS[request.param]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not there to complete in")
    plan(tmp_path, PLAN + "  odd: {run: 'true', out: 'co:lon'}\n")
    (tmp_path / "my plan.yaml").write_text("treadle: 1\nactions: {only: {run: x}}\n")
    made = Shell(tmp_path, words)
    try:
        made.run("show() { printf '<%s>' \"$@\"; }")
        made.run(begin)
        yield made
    finally:
        made.close()


@pytest.mark.system("zsh")
@pytest.mark.parametrize(
    ("typed", "got"),
    [
        ("treadle statu\t", "<treadle><status>"),
        ("treadle run mer\t", "<treadle><run><merge>"),
        ("treadle run fit@a\t", "<treadle><run><fit@a>"),
        ("treadle run -p mod\trel\t", "<treadle><run><-p><mode=release>"),
        ("treadle run --output=str\t", "<treadle><run><--output=stream>"),
        ("treadle run --force=mer\t", "<treadle><run><--force=merge>"),
        ("treadle run out/al\t", "<treadle><run><out/all>"),
        ("treadle run co:l\t", "<treadle><run><co:lon>"),
        ("treadle run fit@b\t", "<treadle><run><fit@b c>"),
        ("treadle run fit@b\\ \t", "<treadle><run><fit@b c>"),
        ("treadle run -f 'my plan.yaml' on\t", "<treadle><run><-f><my plan.yaml><only>"),
        ("treadle run -f my\\ plan.yaml on\t", "<treadle><run><-f><my plan.yaml><only>"),
        ("treadle run -pmode=r\t", "<treadle><run><-pmode=release>"),
        ("treadle run -f treadle.y\t", "<treadle><run><-f><treadle.yaml>"),
        ("treadle run -C comm\t", "<treadle><run><-C><commands"),
    ],
)
def test_in_a_real_shell_a_word_is_completed(shell: Shell, typed: str, got: str) -> None:
    """The line is completed by the tab, and then run with `show` in front of it."""
    shell.type(typed + "\x01show \n")
    shell.wait_for(got)


@pytest.mark.system("zsh")
@pytest.mark.parametrize("quote", ["", '"', "'"])
@pytest.mark.parametrize("value", ["$(touch ran)`touch ran`", "it's", 'a"b\\c'])
def test_nothing_of_a_plan_is_run_where_a_shell_completes_it(
    shell: Shell, tmp_path: Path, value: str, quote: str
) -> None:
    odd = "'" + value.replace("'", "''") + "'"
    (tmp_path / "odd.yaml").write_text(
        f"treadle: 1\nparams: {{odd: {{default: {odd}, choices: [{odd}]}}}}\nactions: {{a: {{run: x}}}}\n"
    )
    shell.type(f"treadle run -f odd.yaml -p {quote}odd=\t\x01show \n")
    shell.wait_for(f"<odd={value}>")
    assert not (tmp_path / "ran").exists()


@pytest.mark.system("fish")
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not there to complete in")
def test_in_a_real_fish_words_are_completed(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "treadle").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m treadle "$@"\n')
    (commands / "treadle").chmod(0o755)

    def ask(line: str) -> list[str]:
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"treadle completion fish | source; complete -C '{line}'"],
            cwd=tmp_path,
            env=environment({"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    assert ask("treadle statu") == ["status\twhat a run would do; exit code 1 if there is work"]
    assert ask("treadle run f") == ["fit\tone part"]
    assert ask("treadle run -p mode=r") == ["mode=release"]
    assert ask("treadle run --output=s") == ["--output=stream"]
    assert [line.partition("\t")[0] for line in ask("treadle run -f tread")] == ["treadle.yaml"]
    assert [line.partition("\t")[0] for line in ask("treadle run -C comm")] == ["commands/"]
