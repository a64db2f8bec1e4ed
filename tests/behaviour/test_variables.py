"""`dotenv` and `secret`: variables from a file, and those whose values are kept nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import plan, run_treadle
from plan_folder import Folder

ENV = """\
# a comment
A=plain  # comment
export B='in $quotes # and "more"'
C="a\\tb \\"c\\" \\$d
e"   # behind

D=
E=a#b=c $HOME
"""


def test_a_file_sets_variables(folder: Folder) -> None:
    folder.write("dev.env", text=ENV)
    text = "treadle: 1\nvars: {n: dev}\ndefaults: {dotenv: '${n}.env'}\nactions:\n  a: {run: x, env: {A: own}, track: D}\n"
    env = folder.load(text).actions["a"].command.env
    assert env.set == {
        "A": "own",
        "B": 'in $quotes # and "more"',
        "C": 'a\tb "c" $d\ne',
        "D": "",
        "E": "a#b=c $HOME",
    }
    gone = folder.load("  a: {run: x, dotenv: {file: gone, optional: true}}\n").actions["a"].command.env
    assert gone.set == {}


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("A=1\nB 2\n", "2:1", "'B' is not|no = after the name"),
        ("A=1\n2B=2\n", "2:1", "'2B' is not a valid variable name"),
        ("A='1\nB=2\n", "1:3", "not closed"),
        ('A="1" x\n', "1:7", "text after the closing quote"),
        ("A=1\n\nA=2\n", "3:1", "A is set twice"),
        ("TREADLE_X=1\n", "1:1", "are reserved"),
        ("A=\0\n", "1:3", "NUL"),
        (f"{'x+/y' * 16}=\n", "1:1", "the text before = is not a valid variable name"),
    ],
)
def test_a_mistake_in_the_file_has_its_line(text: str, place: str, said: str, folder: Folder) -> None:
    folder.write("dev.env", text=text)
    problem = folder.problems("  a: {run: x, dotenv: dev.env}\n")[0]
    assert problem.place is not None
    assert problem.place.file.endswith("dev.env")
    assert f"{problem.place.line}:{problem.place.column}" == place
    assert any(one in problem.what for one in said.split("|"))
    assert problem.hint
    # the line may hold what is secret
    assert problem.place.text == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  a: {run: x, dotenv: gone}\n", "the file gone of dotenv does not exist"),
        ("  a: {run: x, dotenv: d/}\n", "dotenv needs a file, but d/ is a folder"),
        ("  a: {run: x, dotenv: d}\n", "cannot read"),
        ("  a: {run: x, dotenv: {optional: true}}\n", "dotenv needs file:"),
        ("  a: {run: x, dotenv: e}\n  b: {run: x, out: e}\n", "b makes this file, and it is read before"),
        ("  a: {run: x, secret: TOKEN}\n", "TOKEN is secret, but not a variable of a"),
        ("  a: {run: x, secret: '2'}\n", "'2' is not a valid variable name"),
    ],
)
def test_a_mistake_in_the_plan_has_its_place(text: str, said: str, folder: Folder) -> None:
    folder.write("d/", "e")
    problem = folder.problems(text)[0]
    assert said in problem.what
    assert problem.place is not None
    assert problem.place.line == 3


def test_a_change_of_the_file_runs_it_again(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {sh: 'echo $A >> ${out}', out: o, dotenv: dev.env, keep: true}}\n")
    for text, made in (("A=1\n", "1\n"), ("# more\nA=1\n", "1\n"), ("A=2\n", "1\n2\n")):
        (tmp_path / "dev.env").write_text(text)
        run_treadle(tmp_path, "run", check=0)
        assert (tmp_path / "o").read_text() == made
        assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    assert "env A changed from 1 to 2" in run_treadle(tmp_path, "why", "a").out


SECRET = """\
defaults: {secret: [TOKEN, LATER]}
actions:
  a: {sh: 'echo ${#TOKEN} ${#KEY} >> ${out}; cat i', out: o, in: i, track: TOKEN, dotenv: .env, secret: KEY, keep: true}
  b: {sh: 'echo >> ${out}', in: o, out: p, keep: true, when: 'env.TOKEN != "" or true', track: TOKEN}
  c: {run: x, track: TOKEN, when: 'env.TOKEN == ""'}
  d: {run: {select: '${env.TOKEN}', else: 'true'}, track: TOKEN, in: i}
""".replace("${#", "$${#")


def test_values_that_are_secret_are_kept_nowhere(tmp_path: Path) -> None:
    plan(tmp_path, SECRET)
    (tmp_path / "i").touch()
    (tmp_path / ".env").write_text("KEY=abcdefgh-key\n")

    def run(token: str, *args: str) -> str:
        done = run_treadle(tmp_path, *args, env={"TOKEN": token})
        shown = done.out + done.err
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".env")
        for text in ("first-token", "other-token!", "abcdefgh-key", "ijklmnop-key"):
            assert text not in shown
            assert text.encode() not in kept
        return shown

    run("first-token", "run", "o", "p", "d", "--events", "events")
    for _ in range(2):
        assert "nothing to do" in run("first-token", "run", "o", "p", "d")
    (tmp_path / "i").write_text("moved")
    run("first-token", "run", "o", "p", "d")
    run("other-token!", "run", "o", "p", "d", "--html", "page", "-v")
    assert "nothing to do" in run("other-token!", "run", "o", "p", "d")
    (tmp_path / ".env").write_text("KEY=ijklmnop-key\n")
    assert "env KEY changed" in run("other-token!", "status", "o", "p", "d")
    run("other-token!", "run", "o", "p", "d")
    assert (tmp_path / "o").read_text() == "11 12\n11 12\n12 12\n12 12\n"
    assert "env TOKEN changed, its value is secret" in run("first-token", "why", "a")
    assert "env.TOKEN is secret" in run("first-token", "list", "--all")
    run("first-token", "list", "--json")


FAILING = """\
defaults: {secret: [TOKEN, KEY], retries: {max: 1, on: exit 3}}
actions:
  a: {sh: 'echo $${#TOKEN} > ${out}; exit 3', out: a, in: i, track: TOKEN}
  b: {run: sleep 60, in: i, dotenv: .env, timeout: 50ms, track: TOKEN}
  c: {sh: 'echo $${#KEY} > ${out}', in: i, out: c, dotenv: .env, console: true}
  d: {run: 'no-such-program', in: i, dotenv: .env, track: TOKEN, tools: {tool: cat, version: cat --version}}
"""


def test_failures_and_what_is_told_of_them_hold_no_secret(tmp_path: Path) -> None:
    plan(tmp_path, FAILING.replace("tools: {", "tools: [{").replace("cat --version}", "cat --version}]"))
    (tmp_path / "i").touch()
    (tmp_path / ".env").write_text("KEY=abcdefgh-key\n")
    files = (
        "--events",
        "events",
        "--junit",
        "junit",
        "--trace",
        "trace",
        "--markdown",
        "markdown",
        "--html",
        "html",
    )
    calls = [
        ("run", "*", "-k", "-v", *files),
        ("status", "*", "--json"),
        *(("why", name) for name in "abcd"),
        ("graph", "*", "--format", "json"),
        ("list", "*", "--files", "--json"),
        ("report", "events", "--html", "page"),
        ("run", "*", "-k", "--force", "--output", "stream"),
    ]
    for call in calls:
        done = run_treadle(tmp_path, *call, env={"TOKEN": "first-token", "GITHUB_ACTIONS": "true"})
        assert done.code in (0, 1)
        kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".env"]
        for text in ("first-token", "abcdefgh-key"):
            assert text not in done.out + done.err
            assert not any(text.encode() in one for one in kept)
    assert (tmp_path / "c").read_text() == "12\n"
    assert "3 failed" in done.out


TOKEN = "treadle: 1\nparams: {t: {env: TOKEN, default: x}}\n"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN + "actions: {a: {run: x, track: TOKEN, secret: TOKEN}}\n",
        TOKEN + "actions: {a: {run: x, dotenv: e, secret: [TOKEN]}}\n",
        TOKEN + "defaults: {secret: TOKEN}\nactions: {a: {run: x}}\n",
        TOKEN + "actions: {a: {run: x, track: TOKEN, secret: {select: '${t}', else: TOKEN}}}\n",
        TOKEN + "include: [s.yaml]\nactions: {a: {run: x}}\n",
        TOKEN.replace("default: x", "type: int") + "actions: {a: {run: x, track: TOKEN, secret: TOKEN}}\n",
    ],
)
def test_a_parameter_of_a_secret_variable_is_refused(text: str, folder: Folder) -> None:
    folder.write("e", text="TOKEN=b\n")
    folder.write("s.yaml", text="treadle: 1\nactions: {a: {run: x, track: TOKEN, secret: TOKEN}}\n")
    problems = folder.problems(text, environ={"TOKEN": "hunter2"})
    assert [problem.what for problem in problems] == ["the parameter t takes its value from TOKEN, which is secret"]
    assert "track: [TOKEN]" in problems[0].hint
    assert problems[0].place is not None
    assert (problems[0].place.line, problems[0].place.column) == (2, 19)


def test_a_parameter_of_an_included_plan_is_refused_for_a_secret_of_the_plan_above(folder: Folder) -> None:
    folder.write("s.yaml", text=TOKEN + "actions: {a: {run: x}}\n")
    problems = folder.problems(
        "treadle: 1\ninclude: [s.yaml]\nactions: {a: {run: x, track: TOKEN, secret: TOKEN}}\n"
    )
    assert "the parameter t takes its value from TOKEN, which is secret" in problems[0].what
    assert problems[0].place is not None
    assert problems[0].place.file.endswith("s.yaml")
