"""Variables of scripts that an action does not get are named, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from project import Project
from treadle import Command, Environment, Script
from treadle.command.variables import given_by_nothing, named, not_given


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo $A", ["A"]),
        ("echo ${A}", ["A"]),
        ('echo "$A and $B"', ["A", "B"]),
        ("echo '$A'", []),
        ('echo "it\'s $A"', ["A"]),
        ("awk '{print $NF}' x", []),
        ("echo \"$(awk '{print $NF}' x) $A\"", ["A"]),
        ('echo "$(echo "$A")"', ["A"]),
        (r"echo \$A", []),
        ("echo x # $A", []),
        ("echo x#$A", ["A"]),
        ("# it's\necho $A", ["A"]),
        ("A=1; echo $A", []),
        ("export A=1\necho $A", []),
        ("for A in 1 2; do echo $A; done", []),
        ("read -r x A; echo $A", []),
        ("echo ${A:-none}", []),
        ("echo ${A-none} $A", []),
        ("[[ -v A ]] && echo $A", []),
        ("echo $A; f() { local A; }", []),
        (". ./env.sh; echo $A", []),
        ("source env.sh && echo $A", []),
        ("eval $x; echo $A", []),
        ("cat <<'END'\n$A\nEND\necho $B", ["B"]),
        ("cat <<END\n$A\nEND\n", ["A"]),
        ("echo $1 $@ $# $? $$ $! $* $-", []),
        ("echo $HOME $PATH $LC_ALL $TREADLE_RUN $PWD $RANDOM $BASH_VERSION", []),
        ("echo $(( A + 1 ))", []),
    ],
)
def test_a_script_names_what_it_takes_from_outside(script: str, expected: list[str]) -> None:
    assert given_by_nothing(Command(script=Script(script))) == expected


def test_what_the_plan_gives_and_values_of_the_script_are_given() -> None:
    env = Environment({"SET": "1"}, ["TRACKED"], ["PASSED"])
    script = Script("echo $SET $TRACKED $PASSED $OTHER $VALUE", {"VALUE": "1"})
    assert given_by_nothing(Command(script=script, env=env)) == ["OTHER"]
    assert named(Command(script=Script("echo $A", shell=["python3", "-c"]))) == []
    assert named(Command([["echo", "$A"]])) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bash: line 1: TOKEN: unbound variable", ["TOKEN"]),
        ("KeyError: 'TOKEN'", ["TOKEN"]),
        ("error: the environment variable TOKEN is not set", ["TOKEN"]),
        ("Missing required TOKEN", ["TOKEN"]),
        ("TOKEN=abc", []),
        ("KeyError: 'TOKENS'", []),
        ("GIVEN is not set", []),
        ("token is not set", []),
        ("\udcff TOKEN is not set", ["TOKEN"]),
    ],
)
def test_an_output_that_misses_a_variable_names_it(line: str, expected: list[str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(f"first\n{line}\n".encode("utf-8", "surrogateescape"))
    outside = {"TOKEN": "1", "GIVEN": "1", "token": "1"}
    assert not_given(Command([["x"]]), outside, {"GIVEN": "1"}, str(log)) == expected
    assert not_given(Command([["x"]]), {}, {}, str(tmp_path / "none")) == []


def test_a_failed_action_says_which_variable_it_was_not_given(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        '  a: {sh: "test -n $API_TOKEN && echo > ${out}", out: x}\n'
        '  b: {sh: "false $API_TOKEN", out: y, pass: [API_TOKEN]}\n',
    )
    hint = "API_TOKEN is set outside and not given to the action: pass: [API_TOKEN], or track: [API_TOKEN]"
    done = project.treadle("run", "-k", API_TOKEN="secret-value")
    assert done.code == 1
    assert done.out.count(hint) == 1
    assert "secret-value" not in done.text
    assert hint not in project.treadle("run", "-k").out


def test_check_remarks_on_variables_that_nothing_gives(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write(
        "plan",
        'treadle: 1\nactions:\n  a: {foreach: {n: [1, 2]}, sh: "echo $WHERE ${n} > ${out}", out: "x${n}"}\n',
    )
    done = project.treadle("check")
    assert done.code == 0
    assert (
        done.err
        == "treadle: treadle.yaml:3:3: a: nothing gives $WHERE to the script: name it in env, track or pass\n"
    )
    assert '"remarks"' in project.treadle("check", "--json").out
    assert project.treadle("check", "-q").text == ""
