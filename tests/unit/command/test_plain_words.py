"""Which scripts are nothing but words, with at most one file for what is printed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from treadle.command.plain_words import OF_SHELLS, plain_words

VALUES = {
    "TREADLE_1": "src/a.c",
    "TREADLE_2": "two words; $x",
    "TREADLE_3": "echo",
    "TREADLE_4": "",
    "TREADLE_5": "a\n",
}


@pytest.mark.parametrize(
    ("text", "words", "target"),
    [
        ("cat a b", ["cat", "a", "b"], None),
        ("  cat\ta  b \n", ["cat", "a", "b"], None),
        ("cat a > o", ["cat", "a"], "o"),
        ("cat a >o", ["cat", "a"], "o"),
        ("cat > out/o a", ["cat", "a"], "out/o"),
        ("cat a > /dev/null", ["cat", "a"], "/dev/null"),
        ("./gen --level=2 -O2 a:b,c @x %y +z", ["./gen", "--level=2", "-O2", "a:b,c", "@x", "%y", "+z"], None),
        ('cc -c "${TREADLE_1}" -o"${TREADLE_2}".o', ["cc", "-c", "src/a.c", "-otwo words; $x.o"], None),
        ('cat "${TREADLE_1}" > "${TREADLE_2}"', ["cat", "src/a.c"], "two words; $x"),
        ('cat "${TREADLE_4}"', ["cat", ""], None),
        ('"${TREADLE_1}" 2 >o', ["src/a.c", "2"], "o"),
        ("cat A=1", ["cat", "A=1"], None),
    ],
)
def test_these_are(text: str, words: list[str], target: str | None) -> None:
    plain = plain_words(text, VALUES)
    assert plain is not None
    assert (list(plain.words), plain.target) == (words, target)


@pytest.mark.parametrize(
    "text",
    [
        *("", " \n", "> o", "cat >", "cat > a > b", "cat >> o", "cat >&2", "cat >| o", "cat > > o", "cat < a"),
        *("cat 2>o", "cat 2> o", "cat a>o", "cat a | b", "a; b", "a & b", "a && b", "a\nb", "\\\nb", "(a)", "a #b"),
        *("cat ~", "cat a=~", "cat *", "cat a?", "cat [ab]", "cat {a,b}", "cat $HOME", "cat $1", "cat `a`"),
        *("cat 'a'", 'cat "a"', "cat a\\ b", "cat !x", "cat ^x", "cat é", "cat a\rb", "cat a\0b", "cat \v"),
        *('cat "${TREADLE_1}', "cat ${TREADLE_1}", 'cat "${HOME}"', 'cat "${TREADLE_1}x"', 'cat "${TREADLE_5}"'),
        *('"${TREADLE_2}"', '"${TREADLE_3}" a', '"${TREADLE_4}"', 'cat > "${TREADLE_4}"', "A=1 cat", "A=1", "a,b"),
        *("cat a\n\n", "cat a \n \n", "cat a\n ", "\ncat a", "-cat a", " -cat a", "+cat a", "-"),
        *("cat > /tmp/o", "cat > /dev/stdout", "cat > /dev/fd/1", "cat > ../o", "cat > a/../../o", "cat > o/"),
    ],
)
def test_these_are_not(text: str) -> None:
    assert plain_words(text, VALUES) is None


@pytest.mark.parametrize("name", ["echo", "cd", ":", ".", "test", "if", "exec", "true", "time", "export", "source"])
def test_what_a_shell_runs_itself_is_not(name: str) -> None:
    assert plain_words(f"{name} a", {}) is None


def test_no_builtin_or_word_of_the_shells_that_are_here_is_missing() -> None:
    named = set()
    if shutil.which("bash"):
        named |= set(output(["bash", "-c", "compgen -b; compgen -k"]).split())
    if shutil.which("zsh"):
        named |= set(output(["zsh", "-fc", "print -l ${(k)builtins} ${(k)reswords}"]).split())
    dash = "alias bg break cd chdir command continue eval exec exit export false fc fg getopts hash jobs kill local"
    dash += " printf pwd read readonly return set shift test times trap type ulimit umask unalias unset wait"
    named |= set(dash.split())
    names = {name for name in named if name.replace("_", "").isalnum()}
    assert sorted(names - OF_SHELLS) == []


def output(argv: list[str]) -> str:
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout
