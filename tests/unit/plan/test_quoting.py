"""What is shown of a script means what the script means: so two scripts that show alike are alike."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from plan_folder import Folder
from treadle.command.command import Script
from treadle.errors import TreadleError
from treadle.plan.language.shell import fill, parse_script
from treadle.plan.language.templates import Scope, Value
from treadle.plan.yaml.nodes import Scalar, Source

# Without pipefail: whether a writer sees the end of its reader is a matter of luck.
SHELLS = {"bash": ("bash", "-euc"), "sh": ("sh", "-euc")}

# Values that mean something else if they are written where they stand.
MEANINGS = [
    *(
        "FOO=1",
        "if",
        "then",
        "{",
        "!",
        "[[",
        "function",
        "time",
        "in",
        "esac",
        "~root",
        "~",
        "ll",
        "2",
        "-f",
        "-lt",
    ),
    *("a.c", "a-z", "b", "FOO", "OF", "E", "", "@", "+", "\n", "E\n", ":", "#"),
]
SCRIPTS = [
    *('x=1; xb=2; xFOO=3; echo "$x\\\n${v}"', 'x=1; xb=2; xFOO=3; cat <<E\n$x\\\n${v}\nE\n'),
    *("${v}", "${v} true", "${v} true; then echo a; fi", "${v} true; }", "true; ${v} x", "! ${v}", "{ ${v}; }"),
    *("time -p ${v} true", "FOO=0; ${v}=1; echo $FOO", "FOO=0; FO${v}; echo $FOO", "i${v}", "X=1 ${v} true"),
    *("for ${v} in a; do echo b; done", "for i ${v} a; do echo b; done", "${v}() { echo c; }\nb", "function ${v} { echo c; }\nb"),
    *("${v} () { echo c; }\nb", "echo a ${v}>o; ls; cat o", "echo a ${v} >o; ls; cat o", "echo a>${v}; ls", "> ${v} echo a; ls"),
    *("x=1; xb=2; xFOO=3; echo $x${v}", 'x=1; xb=2; xFOO=3; echo "$x${v}"', "set -- a; echo $1${v}", 'echo "$#${v}"'),
    *("x=1; xb=2; xFOO=3; echo $x\\\n${v}", "echo \\\n${v}", "x=1; xb=2; xFOO=3; cat <<E\n$x${v}\nE\n"),
    *("cat <<EOF\nE${v}\nb\nEOF\necho c", "cat <<EOF\n${v}OF\nb\nEOF\necho c", "cat <<EOF\nE${v}OF\nEOF\necho c"),
    *("cat <<-E\n\t${v}\tx\n\tE\necho c", "cat <<E\n$(echo a \\\n${v}\n)\nE\n", 'cat <<E\n$(echo "\n${v}\n")\nE\n'),
    *('cat <<EOF\n$(echo "\nE${v}\n")\nEOF\n', "cat <<-E\n$(echo a \\\n\t${v}\n)\nE\n"),
    *("[[ abc =~ ${v} ]] && echo y", "[[ a == b || abc =~ ${v} ]] && echo y", "[[ -${v} / ]] && echo y"),
    *("[[ 1 ${v} 2 ]] && echo y", "alias ll='echo alias'\n${v}", "alias e='echo ' ll=aliased\ne ${v}", "echo ~${v}"),
    *("touch b c; echo [${v}]", "echo {${v}..3}", "touch b; echo ${v}(b)", "true & ${v} true", ">o ${v} true"),
    *("case in in ${v}) echo a;; esac", "case a in a) ${v};; esac", "case b ${v} b) echo c;; esac", "x=\\> ${v} true"),
    *("echo 2>&1 ${v}", "true >&2 ${v}", ">&2 ${v} true", "echo $(${v} true)", "x=(a ${v}); echo $${x[1]}", "${l} ${v} true"),
    *("coproc ${v} true", "echo a | ${v} cat", "exec ${v}", "command ${v} true", "export ${v}; echo $FOO", "eval echo ${v}"),
]  # fmt: skip


def script(text: str, values: dict[str, Value], shell: tuple[str, ...]) -> Script:
    source = Source("plan.yaml", text)
    node = Scalar(text, None, 0, len(text))
    return fill(source, node, parse_script(source, node), Scope(values), shell)


def outcome(argv: tuple[str, ...], variables: dict[str, str], folder: Path) -> tuple[bool, bytes, list[str]]:
    """Return whether it ended well, what it printed and what it left."""
    folder.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **variables}
    done = subprocess.run(
        argv, capture_output=True, env=environment, cwd=folder, timeout=20, stdin=subprocess.DEVNULL
    )
    left = sorted(os.listdir(folder))
    shutil.rmtree(folder)
    return done.returncode == 0, done.stdout, left


def assert_shown_is_meant(made: Script, folder: Path) -> None:
    meant = outcome((*made.shell, made.text), made.variables, folder)
    shown = outcome((*made.shell, made.shown), {}, folder)
    assert shown == meant, (made.text, made.variables, made.shown)


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
@pytest.mark.parametrize("text", SCRIPTS)
def test_what_is_shown_means_what_the_script_means(text: str, shell: tuple[str, ...], tmp_path: Path) -> None:
    for value in MEANINGS:
        assert_shown_is_meant(script(text, {"v": value, "l": ()}, shell), tmp_path / "x")


PIECES = [
    *("${v}", "${v}", "${v}", "${v} ", " ${v}", "$x", "$x", '"', "'", "\\\n", "\\", "\n", ";", " ", " ", "\t", "&&", "|"),
    *("echo ", "echo ", "printf '<%s>' ", "x=", "FOO=1 ", "if ", "; then ", "; fi", "{ ", "; }", "!", "(", ")", "$("),
    *("<<E", "<<-E", "\nE\n", "E", ">o ", ">", "2>&1 ", ">&2 ", "<<<", "for i in ", "; do echo $i; done", "case b in "),
    *(" in ", ") ", ";; esac", "[[ ", " ]]", " =~ ", "~", "=", "{", "}", "..3}", ",", "time ", "-p ", "#", "[", "]", "a", "1"),
]  # fmt: skip


def test_what_is_shown_of_odd_scripts_means_what_they_mean(tmp_path: Path) -> None:
    tried = 0
    for seed in range(4000):
        dice = random.Random(seed)
        text = "x=1\n" + "".join(dice.choice(PIECES) for _ in range(dice.randrange(2, 12)))
        try:
            made = script(text, {"v": dice.choice(MEANINGS)}, list(SHELLS.values())[seed % 2])
        except TreadleError:
            continue
        if made.variables and tried < 500:
            tried += 1
            assert_shown_is_meant(made, tmp_path / "x")
    assert tried == 500


@pytest.mark.parametrize(
    "value", ["FOO=1", "if", "{", "!", "[[", "then", "function", "time", "coproc", "~user", "ll"]
)
def test_a_value_is_not_shown_like_the_word_of_the_shell(value: str) -> None:
    made = script("${v} true", {"v": value}, SHELLS["bash"])
    assert made.shown == f"'{value}' true"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wc -c < ${in} > ${out}", "wc -c < src/a-1.c > out/x"),
        ("wc -c <${in} >>${out}", "wc -c <src/a-1.c >>out/x"),
        ("cat ${l} | tee ${out} | sort -o ${out}; ls ${in} && ls ${in}\n", None),
        ("if test -f ${in}; then echo $(cat ${in}) -O2 ${n}; fi", None),
        ("f() { cat ${in} 2>&1 ${out}; }", None),
        ("cc -c \\\n  ${in} \\\n  -o ${out}", None),
        ("cat ${odd} x${in} ${in}x", "cat 'a b' x'src/a-1.c' 'src/a-1.c'x"),
        ('echo "${in} is $x${n}"', 'echo "src/a-1.c is $x""3"'),
    ],
)
def test_plain_arguments_are_shown_without_quotes(text: str, shown: str | None) -> None:
    values: dict[str, Value] = {"in": "src/a-1.c", "out": "out/x", "n": "3", "l": ("a", "b@2"), "odd": "a b"}
    if shown is None:
        shown = text
        for name, value in values.items():
            shown = shown.replace(f"${{{name}}}", value if isinstance(value, str) else " ".join(value))
    assert script(text, values, SHELLS["bash"]).shown == shown


def test_a_script_with_a_value_and_one_with_the_text_have_fingerprints_of_their_own(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nvars: {v: FOO=1}\nactions:\n  a: {sh: '${v} true'}\n  b: {sh: FOO=1 true}\n  c: {sh: \"'${x}' true\"}\n".replace(
            "${x}", "FOO=1"
        )
    )
    shown = {uid: action.command.shown for uid, action in plan.actions.items()}
    assert shown == {"a": "'FOO=1' true", "b": "FOO=1 true", "c": "'FOO=1' true"}
