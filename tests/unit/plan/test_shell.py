"""Values that reach a shell reach it as data: each script here is really run."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from plan_folder import Folder
from treadle.command.command import Script
from treadle.errors import TreadleError
from treadle.plan.language.shell import fill, parse_script
from treadle.plan.language.templates import Scope, Value
from treadle.plan.yaml.nodes import Scalar, Source

NASTY = [
    "plain",
    "",
    " ",
    "two words",
    "  three   words  ",
    "a\nb",
    "\n",
    "a\n\nb\n",
    "it's",
    'say "hi"',
    "back\\slash",
    "\\",
    "\\\\n",
    "$HOME",
    "${HOME}",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "| touch pwned",
    "&& touch pwned",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "-n",
    "-rf",
    "--",
    "*",
    "?",
    "[a-z]*",
    "~",
    "#no comment",
    "!history",
    "%s%d\\x41",
    "tab\there",
    "\x01\x1b[31m",
    "grüße, 世界, 😀",
    os.fsdecode(b"\xff\xfe"),
    "EOF",
    "a\nEOF\ntouch pwned",
    "EOF\n",
    "\tEOF",
    "\n\tx",
    "a[$(touch pwned)]",
    "x" * 5000,
    "${TREADLE_1}",
]

# A script that prints what it got with NUL after each, and what it must print.
SCRIPTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "bare": ("printf '%s\\0' ${v}", lambda v: v + "\0"),
    "glued": ("printf '%s\\0' a${v}b${v}", lambda v: f"a{v}b{v}\0"),
    "in double quotes": ("printf '%s\\0' \"a ${v} b\"", lambda v: f"a {v} b\0"),
    "between quotes": ("printf '%s\\0' 'a'${v}\"b\"", lambda v: f"a{v}b\0"),
    "assigned": ("x=${v}; printf '%s\\0' \"$x\"", lambda v: v + "\0"),
    "in a substitution": ("x=$(printf '%s.' ${v}); printf '%s\\0' \"$x\"", lambda v: v + ".\0"),
    "in a quoted substitution": ("printf '%s\\0' \"$(printf '%s.' ${v}) ${v}\"", lambda v: f"{v}. {v}\0"),
    "in quotes in a substitution in quotes": (
        "printf '%s\\0' \"$(printf '%s.' \"${v}\")\"",
        lambda v: v + ".\0",
    ),
    "in a case in a substitution": (
        "printf '%s\\0' \"$(case x in (a) ;; x) printf '%s.' ${v};; esac)\"",
        lambda v: v + ".\0",
    ),
    "in a case without brackets": (
        "printf '%s\\0' \"$(case x in a) ;; x) printf '%s.' ${v};; esac)\"",
        lambda v: v + ".\0",
    ),
    "as a pattern": ("case ${v} in ${v}) printf 'same\\0';; esac", lambda v: "same\0"),
    "in a pipe": ("printf '%s\\0' ${v}|cat", lambda v: v + "\0"),
    "in a subshell": ("(printf '%s\\0' ${v})", lambda v: v + "\0"),
    "in a loop": ("for x in ${v} ${v}; do printf '%s\\0' \"$x\"; done", lambda v: f"{v}\0{v}\0"),
    "in a function": ("f() { printf '%s\\0' \"$1\"; }\nf ${v}", lambda v: v + "\0"),
    "in a heredoc": ("cat <<EOF\na ${v} 'b' \"c\"\nEOF\n", lambda v: f"a {v} 'b' \"c\"\n"),
    "alone in a heredoc": ("cat <<EOF\n${v}\nEOF\nprintf end", lambda v: f"{v}\nend"),
    "in a heredoc with tabs": ("cat <<-EOF\n\t${v}\n\tEOF\nprintf end", lambda v: f"{v}\nend"),
    "in a substitution in a heredoc": ("cat <<EOF\n$(printf '%s.' ${v})\nEOF\n", lambda v: f"{v}.\n"),
    "in a heredoc in a substitution": (
        'x="$(cat <<EOF\n${v}.\nEOF\n)"; printf \'%s\\0\' "$x"',
        lambda v: v + ".\0",
    ),
    "in a process substitution's neighbour": ("cat /dev/null; printf '%s\\0' ${v} 2>&1 >&1", lambda v: v + "\0"),
    "in the second of two heredocs": (
        "cat <<A; cat <<EOF\n'\nA\n${v}\nEOF\nprintf end",
        lambda v: f"'\n{v}\nend",
    ),
    "behind a quoted heredoc": ("cat <<'A'\n$x '\nA\nprintf '%s\\0' ${v}", lambda v: f"$x '\n{v}\0"),
    "behind a comment": ("# it's \"odd ${w}\nprintf '%s\\0' ${v}", lambda v: v + "\0"),
    "behind a hash in a word": ("printf '%s\\0' a#b ${v}", lambda v: f"a#b\0{v}\0"),
    "behind an escape": ("printf '%s\\0' \\' \\\" ${v}", lambda v: f"'\0\"\0{v}\0"),
    "behind an escaped dollar": ("printf '%s\\0' \"\\$${v}\" \\$${v}", lambda v: f"${v}\0${v}\0"),
    "behind its own name": ("printf '%s\\0' \"\\${v} ${v}\" \\${v}", lambda v: f"${{v}} {v}\0${{v}}\0"),
    "behind an escaped escape": ("printf '%s\\0' \"\\\\${v}\" \\\\${v}", lambda v: f"\\{v}\0\\{v}\0"),
    "behind escapes in a heredoc": ("cat <<EOF\n\\$${v} \\${v} \\\\${v}\nEOF\n", lambda v: f"${v} ${{v}} \\{v}\n"),
    "behind the shell's own": ("y='a b'; printf '%s\\0' \"$${y%% *}\" ${v}", lambda v: f"a\0{v}\0"),
    "behind arithmetic": ("printf '%s\\0' $((1 + (2))) ${v}", lambda v: f"3\0{v}\0"),
}
SHELLS = [("bash", "-euo", "pipefail", "-c"), ("sh", "-euc")]


def script(text: str, values: dict[str, Value], shell: tuple[str, ...]) -> Script:
    source = Source("plan.yaml", text)
    node = Scalar(text, None, 0, len(text))
    return fill(source, node, parse_script(source, node), Scope(values), shell)


def run(argv: list[str], variables: dict[str, str], folder: Path) -> bytes:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"there is no {argv[0]}")
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **variables}
    done = subprocess.run(argv, capture_output=True, env=environment, cwd=folder, timeout=20)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "sh"])
@pytest.mark.parametrize("where", SCRIPTS)
def test_each_value_arrives_byte_by_byte_wherever_it_stands(
    where: str, shell: tuple[str, ...], tmp_path: Path
) -> None:
    text, expected = SCRIPTS[where]
    for value in NASTY:
        made = script(text, {"v": value}, shell)
        assert "pwned" not in made.text
        wanted = os.fsencode(expected(value))
        assert run([*made.shell, made.text], made.variables, tmp_path) == wanted, value
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "sh"])
@pytest.mark.parametrize("where", SCRIPTS)
def test_what_is_shown_does_the_same_without_variables(where: str, shell: tuple[str, ...], tmp_path: Path) -> None:
    text, expected = SCRIPTS[where]
    for value in NASTY:
        made = script(text, {"v": value}, shell)
        assert run([*made.shell, made.shown], {}, tmp_path) == os.fsencode(expected(value)), value
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "sh"])
def test_a_list_becomes_words_outside_quotes_and_one_word_inside(shell: tuple[str, ...], tmp_path: Path) -> None:
    values = tuple(NASTY)
    made = script("printf '%s\\0' ${l} && printf '%s\\0' \"${l}\"", {"l": values}, shell)
    wanted = os.fsencode("".join(value + "\0" for value in values) + " ".join(values) + "\0")
    assert run([*made.shell, made.text], made.variables, tmp_path) == wanted
    assert run([*made.shell, made.shown], {}, tmp_path) == wanted


def test_an_empty_list_is_no_word_at_all(tmp_path: Path) -> None:
    made = script("set -- ${l} x; printf '%s' $#", {"l": ()}, SHELLS[1])
    assert run([*made.shell, made.text], made.variables, tmp_path) == b"1"


def test_equal_values_share_a_variable() -> None:
    made = script('echo ${a} ${b} "${a}"', {"a": "x", "b": "x"}, SHELLS[0])
    assert made.text == 'echo "${TREADLE_1}" "${TREADLE_1}" "${TREADLE_1}"'
    assert made.variables == {"TREADLE_1": "x"}


def test_a_script_without_values_is_left_as_it_is(folder: Folder) -> None:
    text = "echo 'a' $HOME $(date) `x` \"$y\" # z"
    plan = folder.load(f"  a:\n    sh: |\n      {text}\n")
    made = plan.actions["a"].command.script
    assert made is not None
    assert (made.text, made.shown, made.variables) == (text + "\n", text + "\n", {})


def test_two_dollars_write_the_shells_own_form(folder: Folder) -> None:
    plan = folder.load("  a:\n    sh: echo $${HOME:-none} \"$${x}\" '$${y}'\n")
    made = plan.actions["a"].command.script
    assert made is not None
    assert made.text == "echo ${HOME:-none} \"${x}\" '${y}'"


REFUSED = [
    "echo '${v}'",
    "echo 'a\nb ${v}'",
    "echo $'${v}'",
    "echo $(( ${v} ))",
    'echo "$((1 + ${v}))"',
    "(( ${v} > 1 ))",
    "for ((i = 0; i < ${v}; i++)); do :; done",
    "echo $[${v}]",
    "echo `echo ${v}`",
    'echo "`echo ${v}`"',
    "echo $${x:-${v}}",
    'echo "$${x:-${v}}"',
    "cat <<'E'\n${v}\nE",
    'cat <<"E"\n${v}\nE',
    "cat <<\\E\n${v}\nE",
    "cat <<E\n$((${v}))\nE",
    "cat <<${v}\nx\nE",
    'echo "${v}',
    "echo $(echo ${v}",
    "cat <<E\n${v}\n",
    "cat <<E\n$(echo ${v}\nE\n)",
    "echo ${v",
    "echo ${}",
    "echo ${v}'",
]


@pytest.mark.parametrize("text", REFUSED)
def test_where_the_shell_would_see_no_value_it_is_refused(text: str, folder: Folder) -> None:
    indented = "\n".join("      " + line for line in text.split("\n"))
    problems = folder.problems(f"treadle: 1\nvars: {{v: x}}\nactions:\n  a:\n    sh: |\n{indented}\n")
    assert problems[0].place is not None
    assert problems[0].place.line >= 6


PIECES = [
    *(
        "${v}",
        "${v}",
        "${v}",
        "${l}",
        "'",
        '"',
        '"',
        "`",
        "\\",
        "$(",
        ")",
        "$((",
        "))",
        "((",
        "(",
        "$'",
        "$[",
        "]",
        "[[",
    ),
    *(
        "]]",
        "{",
        "}",
        "$${x:-",
        "$${x%%",
        "#",
        "\n",
        ";",
        " ",
        " ",
        "&&",
        "|",
        "<<E",
        "<<-E",
        "<<'E'",
        "\nE\n",
        "E",
        "\t",
    ),
    *(
        "echo ",
        "printf '%s' ",
        "x=",
        "case x in ",
        "x) ",
        ";; ",
        "esac",
        "for i in ",
        "; do :; ",
        "done",
        "if :; then ",
    ),
    *("fi", "$x", "$", "!", "=", "<<<", "<", ">/dev/null ", "a", "1+"),
]
HOSTILE = [
    *(
        "$(touch pwned)",
        "`touch pwned`",
        "';touch pwned;'",
        '";touch pwned;"',
        "a[$(touch pwned)]",
        "\ntouch pwned\n",
    ),
    *(
        "E\ntouch pwned\n",
        ")touch pwned;",
        "};touch pwned;",
        "))\ntouch pwned\n",
        "#\ntouch pwned",
        "&touch pwned&",
    ),
]


def hostile_script(seed: int) -> Script | None:
    dice = random.Random(seed)
    text = "".join(dice.choice(PIECES) for _ in range(dice.randrange(2, 16)))
    value = dice.choice(HOSTILE)
    try:
        return script(text, {"v": value, "l": (value, "x")}, SHELLS[seed % 2])
    except TreadleError:
        return None


def test_no_script_however_odd_runs_a_value(tmp_path: Path) -> None:
    tried = 0
    for seed in range(1500):
        made = hostile_script(seed)
        if made is None or not made.variables:
            continue
        tried += 1
        environment = {"PATH": os.environ["PATH"], **made.variables}
        argv = [*made.shell, made.text]
        subprocess.run(
            argv, capture_output=True, env=environment, cwd=tmp_path, timeout=20, stdin=subprocess.DEVNULL
        )
        assert not (tmp_path / "pwned").exists(), (seed, made.text, made.variables)
    assert tried > 100
