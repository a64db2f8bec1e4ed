"""Programs that are started without their shell do what they do with it, to the byte."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from treadle.command.plain_words import plain_words
from treadle.engines import process, without_shell
from treadle.engines.base import Attempt
from treadle.engines.local import LocalRunner
from treadle.engines.without_shell import Direct, Shells

SHELLS = [
    *(("sh", "-c"), ("dash", "-c"), ("dash", "-eu", "-c")),
    *(("bash", "-c"), ("bash", "-euo", "pipefail", "-c"), ("zsh", "-c"), ("ksh", "-c")),
]
VALUES = {"TREADLE_1": "a", "TREADLE_2": "two words; $x *", "TREADLE_3": "out/é", "TREADLE_10": "~"}

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to try a shell")


class Ended(NamedTuple):
    """What a program has left."""

    code: int | None
    error: str
    log: str
    files: dict[str, tuple[str, str]]


@pytest.fixture
def runner() -> Iterator[LocalRunner]:
    made = LocalRunner()
    yield made
    made.close()


class Place:
    """A folder with files and programs, in which a script is run with its shell and without."""

    def __init__(self, folder: Path, runner: LocalRunner, shells: Shells) -> None:
        self.folder = folder
        self.runner = runner
        self.shells = shells
        self.environ = {
            "HOME": "/nowhere",
            "PATH": f"/missing:{folder}/bin:{os.environ['PATH']}",
            "TREADLE_REPORT": str(folder),
            **VALUES,
        }
        self.cwd = folder / "work"

    def set_up(self) -> None:
        shutil.rmtree(self.folder / "bin", ignore_errors=True)
        self.cwd.mkdir(parents=True, exist_ok=True)
        # the folder itself stays: it may be the current one
        for path in self.cwd.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for name in ("bin", "bin/is-folder", "work/out", "work/folder"):
            (self.folder / name).mkdir()
        (self.cwd / "a").write_text("the content of a\n")
        (self.cwd / "b").write_text("b")
        (self.cwd / "there").write_text("old and longer")
        (self.cwd / "there").chmod(0o640)
        (self.cwd / "link").symlink_to("b")
        (self.cwd / "dangling").symlink_to("new")
        (self.cwd / "stdout").symlink_to("/proc/self/fd/1")
        for name, text, mode in (
            ("bin/show", '#!/bin/sh\nprintf "<%s>" "$0" "$@"\npwd\n', 0o755),
            ("bin/no-line", "echo run by a shell: $1\n", 0o755),
            ("bin/no-interpreter", "#!/nowhere/at/all\n", 0o755),
            ("bin/not-executable", "#!/bin/sh\n", 0o644),
            ("work/die", "#!/bin/sh\necho dying\nkill -$1 $$\n", 0o755),
            ("work/code", "#!/bin/sh\nexit $1\n", 0o755),
            ("work/not-executable", "#!/bin/sh\n", 0o644),
        ):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(mode)

    def direct(self, shell: tuple[str, ...], script: str) -> Direct | None:
        """Return how a script is started without a shell; None if it needs one."""
        plain = plain_words(script, VALUES)
        if plain is None:
            return None
        argv = self.argv(shell, script)
        return self.shells.direct(argv, self.environ, str(self.cwd), plain.words, plain.target, plain.shown)

    def argv(self, shell: tuple[str, ...], script: str) -> list[str]:
        return [shutil.which(shell[0]) or shell[0], *shell[1:], script]

    def run(self, shell: tuple[str, ...], script: str, direct: Direct | None) -> Ended:
        """Run a script in a fresh folder."""
        self.set_up()
        log = self.folder / "log"
        log.write_bytes(b"")
        attempt = Attempt(
            [self.argv(shell, script)],
            mark=f"test-without-shell-{os.getpid()}/one",
            environ=self.environ,
            cwd=str(self.cwd),
            log=str(log),
            direct=direct,
        )
        self.runner.start("key", attempt)
        (ended,) = self.runner.poll(30)
        # bash tells the number of the process
        said = re.sub(r"line 1: +\d+ ", "line 1: N ", log.read_text(errors="replace"))
        return Ended(ended.code, ended.error, said, dict(sorted(self.files())))

    def files(self) -> Iterator[tuple[str, tuple[str, str]]]:
        for path in self.cwd.rglob("*"):
            mode = path.lstat().st_mode
            held = os.readlink(path) if stat.S_ISLNK(mode) else path.read_text() if stat.S_ISREG(mode) else ""
            yield str(path.relative_to(self.cwd)), (stat.filemode(mode), held)


@pytest.fixture
def place(tmp_path: Path, runner: LocalRunner) -> Place:
    place = Place(tmp_path / "place", runner, Shells())
    place.set_up()
    return place


PROGRAMS = (
    *("cat", "ls", "show", "env", "./code", "./die", "no-line", "no-interpreter", "not-executable", "is-folder"),
    *("./not-executable", "./missing", "missing", "folder", "./folder", "work/die", '"${TREADLE_1}"', "a/b"),
    *("echo", "cd", "{", "if", "A=1", "!", "~", "time", '"${TREADLE_2}"', "%1", "-x", "2", "exec"),
)
ARGUMENTS = (
    *("a", "b", "missing", "-n", "--x=1", "A=1", ".", "folder", "+1", "@", ",", "x:y", "%", "3", "a/"),
    *('"${TREADLE_1}"', '"${TREADLE_2}"', '-o"${TREADLE_3}"x', '"${TREADLE_10}"', '"${TREADLE_1}""${TREADLE_2}"'),
    *("KILL", "SEGV", "TERM", "INT", "PIPE", "HUP", "ABRT", "USR1", "0", "1", "126", "127", "200"),
    *("~", "*", "$HOME", "'q q'", "#", "\\", "&", "|", ";", "2>o", "<a", "{a,b}", "[ab]", "`ls`", "(", "x=~", "é"),
)
TARGETS = (
    *("> new", ">new", "> out/new", "> there", "> b", "> link", "> dangling", "> folder", "> nofolder/x"),
    *("> /dev/null", '> "${TREADLE_3}"', '>"${TREADLE_2}"', "> a", "> stdout", "> ./new", "> b/x", "> -"),
    *("> $HOME", "> ~", ">> b", "2>new", ">&2", "> *", "> new > out/x", "> /dev/stderr", ">"),
)


def scripts(chance: random.Random, count: int) -> Iterator[str]:
    """Yield scripts as a plan may have them, and worse."""
    for _ in range(count):
        words = [chance.choice(PROGRAMS), *chance.choices(ARGUMENTS[:33], k=chance.choice((0, 1, 1, 2, 3)))]
        if chance.random() < 0.2:
            words.insert(chance.randint(1, len(words)), chance.choice(ARGUMENTS))
        if chance.random() < 0.5:
            words.insert(chance.randint(1, len(words)), chance.choice(TARGETS))
        yield chance.choice((" ", " ", "  ", "\t")).join(words) + chance.choice(("", "\n", " "))


@needs_proc
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_random_scripts_do_the_same_with_and_without_their_shell(
    place: Place, shell: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"needs {shell[0]}")
    chance = random.Random(" ".join(shell))
    kinds = set()
    for number, script in enumerate(scripts(chance, 160)):
        if number == 30:
            # from here on by `posix_spawn`
            monkeypatch.chdir(place.cwd)
        direct = place.direct(shell, script)
        if direct is None:
            continue
        without = place.run(shell, script, direct)
        assert (script, without) == (script, place.run(shell, script, None))
        kinds.add(min(without.code or 0, 128))
    is_imitated = os.path.basename(os.path.realpath(place.argv(shell, "")[0])) in ("dash", "bash")
    assert len(kinds) >= (5 if is_imitated else 0)


@needs_proc
@pytest.mark.parametrize("shell", SHELLS[:5], ids=" ".join)
def test_each_kind_of_end_is_the_same(
    place: Place, shell: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.cwd)
    ends = [f"./die {name}" for name in ("SEGV", "KILL", "TERM", "INT", "PIPE", "HUP", "USR1", "XCPU")]
    for script in (*ends, *("env", "cat missing", "./code 200", "no-line 'x'", 'show "${TREADLE_2}" a')):
        for target in ("", " > new", " >there"):
            direct = place.direct(shell, script + target)
            assert direct is not None or "'" in script
            assert place.run(shell, script + target, direct) == place.run(shell, script + target, None)


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the programs that are started, by name."""
    names: list[str] = []
    original = process.spawn

    def spawn(argv: list[str], **more: object) -> process.Process:
        names.append(os.path.basename(argv[0]))
        return original(argv, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "spawn", spawn)
    return names


@needs_proc
@pytest.mark.parametrize("shell", [("bash", "-euo", "pipefail", "-c"), ("dash", "-c")], ids=" ".join)
def test_a_shell_is_tried_once_and_is_not_started_then(
    place: Place, spawned: list[str], shell: tuple[str, ...]
) -> None:
    for number in range(5):
        script = f"cat a > out/{number}"
        place.run(shell, script, place.direct(shell, script))
    assert spawned == [shell[0], *["cat"] * 5]


@needs_proc
@pytest.mark.parametrize("script", ["./missing", "cat a > nofolder/x", "cat a > link", "no-line a"])
def test_what_cannot_be_started_gets_its_shell(place: Place, spawned: list[str], script: str) -> None:
    shell = ("dash", "-c")
    direct = place.direct(shell, script)
    assert direct is not None
    spawned.clear()
    place.run(shell, script, direct)
    assert spawned[-1] == "dash"


@needs_proc
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("ENV", "a"),
            ("BASH_ENV", "a"),
            ("BASH_FUNC_cat%%", "() { echo; }"),
            ("IFS", "x"),
            ("PWD", "/"),
            ("a.b", ""),
        ),
        *(("PATH", "bin:/bin"), ("PATH", ""), ("PATH", "/bin/:/bin"), ("SHELLOPTS", "xtrace"), ("SHLVL", "3")),
        *(("_", "x"), ("LC_ALL", "xx_YY.nothing")),
        *(("LD_PRELOAD", "/missing.so"), ("LD_LIBRARY_PATH", "/missing"), ("LD_DEBUG", "libs"), ("LD_AUDIT", "")),
        *(("DYLD_INSERT_LIBRARIES", ""), ("LOCPATH", "/missing"), ("GLIBC_TUNABLES", ""), ("GCONV_PATH", "/")),
    ],
)
def test_variables_that_may_mean_something_to_a_shell_keep_it(place: Place, name: str, value: str) -> None:
    place.environ[name] = value
    assert place.direct(("bash", "-c"), "/bin/cat a") is None


@needs_proc
@pytest.mark.parametrize("shell", [("bash", "-c"), ("dash", "-c")], ids=" ".join)
@pytest.mark.parametrize(
    ("script", "variables"),
    [
        pytest.param("cat " + "a " * 66_000 + "> new", {}, id="a long script"),
        pytest.param("cat a > new", {"BIG": "x" * 131_072}, id="a long value"),
        pytest.param("cat a > new", {"N" * 131_072: ""}, id="a long name"),
        pytest.param("cat a > new", {f"V{n}": "\U0001f600" * 30_000 for n in range(2)}, id="values of many bytes"),
        pytest.param("env", {f"V{n}": "" for n in range(2300)}, id="many variables"),
    ],
)
def test_what_may_be_too_much_for_a_shell_keeps_it(
    place: Place, shell: tuple[str, ...], script: str, variables: dict[str, str]
) -> None:
    place.environ |= variables
    assert place.direct(shell, script) is None


@needs_proc
@pytest.mark.parametrize("script", ["setsid ./code 3", "env setsid ./code 3", "/usr/bin/setsid ./code 3 > new"])
def test_what_begins_a_session_is_waited_for_where_its_shell_waits(place: Place, script: str) -> None:
    if shutil.which("setsid") is None:
        pytest.skip("needs setsid")
    for shell in SHELLS:
        if shutil.which(shell[0]) is not None:
            direct = place.direct(shell, script)
            assert place.run(shell, script, direct) == place.run(shell, script, None)


@needs_proc
def test_a_folder_is_told_as_a_link_leads_to_it_now(place: Place) -> None:
    link = place.folder / "link"
    for target in ("work/folder", "work/out"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        direct = place.shells.direct(
            place.argv(("dash", "-c"), "env"), place.environ, str(link), ("env",), None, "env"
        )
        assert direct is not None
        assert direct.folder == str(place.folder / target)


@needs_proc
def test_no_program_but_that_of_the_system_is_started_to_try_a_shell(place: Place, spawned: list[str]) -> None:
    (place.folder / "bin/cat").write_text("#!/bin/sh\necho tried >> ../tried\n")
    (place.folder / "bin/cat").chmod(0o755)
    assert place.direct(("dash", "-c"), "ls a") is None
    assert spawned == []


@needs_proc
@pytest.mark.parametrize("shell", [("bash", "-c"), ("dash", "-c")], ids=" ".join)
def test_a_shell_is_kept_where_signals_are_blocked_that_it_may_unblock(
    place: Place, shell: tuple[str, ...]
) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        assert place.direct(shell, "cat a") is None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.parametrize(
    "options", [("-xc",), ("-x", "-c"), ("-lc",), ("-nc",), ("-c", "-c"), ("-o", "noclobber", "-c")]
)
def test_options_that_do_more_keep_the_shell(place: Place, options: tuple[str, ...]) -> None:
    assert place.direct(("bash", *options), "cat a") is None


def test_a_shell_of_another_folder_is_kept(place: Place) -> None:
    (place.folder / "bin/bash").symlink_to(shutil.which("env") or "")
    shutil.copy(shutil.which("dash") or shutil.which("sh") or "", place.folder / "bin/dash")
    assert place.direct((str(place.folder / "bin/dash"), "-c"), "cat a") is None
    assert place.direct((str(place.folder / "bin/bash"), "-c"), "cat a") is None


@needs_proc
@pytest.mark.parametrize(
    ("kind", "name", "is_left_out"),
    [
        ("bash", "rbash", False),
        ("bash", "x", False),
        ("bash", "sh", True),
        ("dash", "sh", True),
        ("dash", "x", False),
    ],
)
def test_a_shell_that_is_called_by_another_name_is_kept(
    place: Place, kind: str, name: str, is_left_out: bool
) -> None:
    if shutil.which(kind) is None:
        pytest.skip(f"needs {kind}")
    link = place.folder / "bin" / name
    link.symlink_to(shutil.which(kind) or "")
    direct = place.direct((str(link), "-c"), "./code 3")
    assert (direct is not None) == is_left_out


@needs_proc
def test_a_shell_that_is_not_as_imitated_is_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(without_shell, "_bucket_in_dash", lambda name: -ord(name[-1]))
    assert place.direct(("dash", "-c"), "cat a") is None


def test_nothing_of_how_it_starts_directly_is_handed_to_other_engines(place: Place) -> None:
    shell = ("dash", "-c")
    attempt = Attempt([["x"]], mark="x", environ={}, direct=place.direct(shell, "cat a"))
    assert "direct" not in attempt.as_data()
    assert Attempt.from_data(attempt.as_data()).direct is None
