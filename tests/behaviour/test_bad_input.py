"""Whatever is fed to the command, it answers with a clear error, never with a traceback, a hang or a crash."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from project import Project

GOOD = "treadle: 1\nactions:\n  a:\n    run: cp ${in} ${out}\n    in: in.txt\n    out: out.txt\n"
BOMB = "treadle: 1\nvars:\n  a0: &a0 [x, x]\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)

PLANS = {
    "tabs": ("treadle: 1\nactions:\n\ta:\n", "3:1", "tab"),
    "nothing": ("", "", "empty"),
    "only a comment": ("# nothing\n", "", "empty"),
    "no actions": ("treadle: 1\n", "", "actions"),
    "empty actions": ("treadle: 1\nactions: {}\n", "", "actions"),
    "a list of actions": ("treadle: 1\nactions: [1]\n", "2:10", "actions"),
    "200,000 brackets": ("treadle: 1\nactions: " + "[" * 200_000, "2:", "deep"),
    "an alias bomb": (BOMB + "actions:\n  a: {run: echo}\n", "9:", "alias"),
    "64 levels": ("treadle: 1\nactions: " + "{a: " * 64 + "1" + "}" * 64 + "\n", "2:", "a"),
    "a python tag": ("treadle: 1\nactions: !!python/object/apply:os.system ['touch pwned']\n", "2:10", "tag"),
    "a NUL byte": ("treadle: 1\nactions:\n  a: {run: 'ec\0ho'}\n", "3:", ""),
    "a control character": ("treadle: 1\nactions:\n  a: {run: 'ec\x07ho'}\n", "3:", ""),
    "no YAML": ("treadle: 1\nactions: {a: [}\n", "2:", ""),
    "two documents": ("treadle: 1\n---\ntreadle: 1\n", "2:1", "document"),
    "another version": ("treadle: 2\nactions: {a: {run: echo}}\n", "1:10", "version"),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_that_is_none_is_an_error_with_its_place(project: Project, name: str) -> None:
    text, place, words = PLANS[name]
    project.write("plan", text)
    done = project.treadle("run")
    assert done.code == 2, done.text
    assert f"treadle.yaml{':' + place if place else ''}" in done.err
    assert words in done.err.lower()
    assert len(done.err) < 5_000
    assert not (project.folder / "pwned").exists()


def test_a_plan_that_is_not_utf8_is_an_error(project: Project) -> None:
    project.write("plan", GOOD.encode() + b"# caf\xe9\n")
    done = project.treadle("run")
    assert done.code == 2
    assert "treadle.yaml:7" in done.err


def test_a_plan_of_a_hundred_megabytes_is_refused_at_once(project: Project) -> None:
    path = project.write("plan", GOOD)
    os.truncate(path, 100 << 20)
    done = project.treadle("run")
    assert done.code == 2
    assert "64 MiB" in done.err


@pytest.mark.parametrize(
    "text", ["\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD.replace("\n", "\r\n")]
)
def test_a_byte_order_mark_and_crlf_are_fine(project: Project, text: str) -> None:
    project.write("plan", text)
    project.write("in.txt", "x")
    assert project.treadle("run").code == 0
    assert project.read("out.txt") == "x"


NASTY = [
    "with space",
    "two\nlines",
    'dou"ble',
    "sin'gle",
    "$(touch pwned)",
    "`touch pwned`",
    "-rf",
    "--help",
    "back\\slash",
    "naïve-日本-🧵",
    "semi;colon&and|pipe",
    "st*r?[x]",
    "$HOME",
    "%s%n",
    "#hash",
    "tab\there",
    "=equals=",
    "{braces}",
]


COMMANDS = [
    "run: cp -- ${in} ${out}",
    'run: cp -- "${in}" "${out}"',
    "sh: cat -- ${in} > ${out}",
    'sh: cat -- "${in}" > "./${out}"',
    'sh: x=${in}; cat -- "$x" > ${out}',
]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("command", COMMANDS)
def test_any_path_reaches_the_command_as_it_is(project: Project, name: str, command: str) -> None:
    if quoted(name) != name and command in COMMANDS[1::3]:
        pytest.skip("what a pattern matches is a list, which cannot be a part of a word")
    project.write(name, f"content of {name}")
    project.write(
        "plan",
        f"treadle: 1\nactions:\n  copy:\n    in: {text(quoted(name))}\n    out: out.txt\n    {command}\n",
    )
    done = project.treadle("run")
    assert done.code == 0, done.text
    assert project.read("out.txt") == f"content of {name}"
    assert not (project.folder / "pwned").exists()


def test_any_path_can_name_an_instance(project: Project) -> None:
    for name in NASTY:
        project.write(f"in/{name}", f"content of {name}")
    project.write(
        "plan",
        "treadle: 1\nactions:\n  copy:\n    foreach: {src: 'in/*'}\n    in: ${src}\n    out: out/${src.name}\n"
        "    sh: cat -- ${in} > ${out}\n",
    )
    done = project.treadle("run")
    assert done.code == 0, done.text
    for name in NASTY:
        assert project.read(f"out/{name}") == f"content of {name}"
    assert not (project.folder / "pwned").exists()
    for question in ("list", "status", "why", "check"):
        assert project.treadle(question).code == 0
    assert project.treadle("why", "copy@in/with space").code == 0
    assert project.run("copy@in/two%0Alines") == []


@pytest.mark.parametrize("name", [n for n in NASTY if n != "naïve-日本-🧵"])
def test_an_action_of_an_odd_name_is_refused_with_its_place(project: Project, name: str) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  {text(name)}: {{run: 'true'}}\n")
    done = project.treadle("run")
    assert done.code == 2
    assert "treadle.yaml:3:3" in done.err
    assert not (project.folder / "pwned").exists()


def text(value: str) -> str:
    """Return a value as YAML text in double quotes."""
    import json

    return json.dumps(value, ensure_ascii=False)


def quoted(path: str) -> str:
    """Return a path as a plan must write it: a glob's characters are only plain in a bracket."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path) if set(path) & set("*?[") else path


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("{run: echo, out: ../x}", "../x"),
        ("{run: echo, out: a/../../x}", "x"),
        ("{run: echo, out: /tmp/x}", "/tmp/x"),
        ("{run: echo, out: .treadle/x}", ".treadle"),
        ("{run: echo, out: 'x', in: 'x'}", "x"),
    ],
)
def test_an_output_that_leaves_its_place_is_refused(project: Project, action: str, words: str) -> None:
    project.write("x", "")
    project.write("plan", f"treadle: 1\nactions:\n  a: {action}\n")
    done = project.treadle("run")
    assert done.code == 2
    assert "treadle.yaml:3:" in done.err
    assert words in done.err


def test_an_output_inside_the_output_folder_of_another_is_refused_with_both_places(project: Project) -> None:
    project.write(
        "plan", "treadle: 1\nactions:\n  a: {run: echo, out: site/}\n  b: {run: echo, out: site/index.html}\n"
    )
    done = project.treadle("run")
    assert done.code == 2
    assert "site/index.html" in done.err
    assert "treadle.yaml:3:" in done.err
    assert "treadle.yaml:4:" in done.err


def program(project: Project, name: str, text: str, mode: int) -> None:
    project.write(name, text).chmod(mode)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-program-here x", "not found"),
        ("./no-such-program x", "not"),
        ("./no-run-bit", "not executable"),
        ("./no-interpreter", "interpreter"),
        ("./no-header", "#!"),
        ("./folder", "not executable"),
    ],
)
def test_a_program_that_cannot_be_started_fails_its_action_with_words(
    project: Project, command: str, words: str
) -> None:
    program(project, "no-run-bit", "#!/bin/sh\n", 0o644)
    program(project, "no-interpreter", "#!/no/such/interpreter\n", 0o755)
    program(project, "no-header", "plain text\n", 0o755)
    (project.folder / "folder").mkdir()
    project.write(
        "plan", f"treadle: 1\nactions:\n  a: {{run: '{command}', out: x}}\n  b: {{run: touch y, out: y}}\n"
    )
    done = project.treadle("run", "-k")
    assert done.code in (1, 2)
    assert words in done.text
    if done.code == 1:
        assert (project.folder / "y").exists()


def test_an_argument_list_that_is_too_long_fails_its_action_with_words(project: Project) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {{run: 'echo {'x' * 300_000}', always: true}}\n")
    done = project.treadle("run", "a")
    assert done.code == 1
    assert "too long" in done.text


def test_an_input_that_is_a_fifo_or_a_device_never_blocks(project: Project) -> None:
    os.mkfifo(project.folder / "fifo")
    project.write("plan", "treadle: 1\nactions:\n  a: {run: touch x, in: [fifo, /dev/null], out: x}\n")
    assert project.treadle("run").code == 0


def test_an_unreadable_input_fails_its_action_and_names_it(powerless: Project) -> None:
    powerless.write("secret.txt", "x").chmod(0)
    powerless.write("plan", GOOD.replace("in.txt", "secret.txt") + "  b: {run: touch y, out: y}\n")
    done = powerless.treadle("run", "-k")
    assert done.code == 1
    assert "secret.txt" in done.text
    assert (powerless.folder / "y").exists()


def test_an_unreadable_plan_is_an_error(powerless: Project) -> None:
    powerless.write("plan", GOOD).chmod(0)
    done = powerless.treadle("run")
    assert done.code == 2
    assert "treadle.yaml" in done.err


def test_a_read_only_folder_is_an_error_and_questions_still_work(powerless: Project) -> None:
    powerless.write("plan", GOOD)
    powerless.write("in.txt", "x")
    powerless.folder.chmod(0o555)
    try:
        done = powerless.treadle("run")
        assert done.code in (1, 2)
        assert ".treadle" in done.err
        assert powerless.treadle("status").code == 1
        assert powerless.treadle("why").code == 0
        assert powerless.treadle("check").code == 0
    finally:
        powerless.folder.chmod(0o755)


def test_a_read_only_output_folder_fails_its_action_and_nothing_else(powerless: Project) -> None:
    powerless.write("in.txt", "x")
    powerless.write("plan", GOOD.replace("out: out.txt", "out: out/x.txt") + "  b: {run: touch y, out: y}\n")
    (powerless.folder / "out").mkdir(mode=0o555)
    done = powerless.treadle("run", "-k")
    assert done.code == 1
    assert "out/x.txt" in done.text
    assert (powerless.folder / "y").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("a tmpfs can only be mounted by root, where mounts are allowed")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(disk: Path) -> Path:
    """Leave no room on a disk; return the file to remove for room."""
    fill = disk / "fill"
    size = 1 << 19
    with fill.open("wb", buffering=0) as file:
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return fill


def test_a_disk_that_is_full_for_an_output_fails_the_action_and_loses_nothing(small_disk: Path) -> None:
    project = Project(small_disk / "project")
    project.write("plan", GOOD + "  b:\n    run: cp ${in} ${out}\n    in: out.txt\n    out: b.txt\n")
    project.write("in.txt", "content")
    assert project.treadle("run").code == 0
    project.write("in.txt", "C" * 100_000)
    fill = fill_up(small_disk)
    done = project.treadle("run")
    assert done.code == 1
    assert "no space left" in done.text.lower()
    fill.unlink()
    done = project.treadle("run")
    assert done.code == 0, done.text
    assert project.read("b.txt") == "C" * 100_000
    assert "nothing to do" in project.treadle("run").text


def test_a_disk_that_is_full_for_the_state_is_an_error_that_says_so(small_disk: Path) -> None:
    project = Project(small_disk / "project")
    long = "x" * 30_000
    project.write("plan", GOOD + f"  b:\n    sh: 'true # {long}'\n    in: in.txt\n")
    project.write("in.txt", "content")
    assert project.treadle("run", "a").code == 0
    fill = fill_up(small_disk)
    done = project.treadle("run", "b")
    assert done.code == 1
    assert "the state cannot be written" in done.err
    assert "No space left" in done.err
    fill.unlink()
    assert "nothing to do" in project.treadle("run", "a").text
    assert project.treadle("run", "b").code == 0
    assert "nothing to do" in project.treadle("run").text


def test_an_action_that_meets_a_full_disk_leaves_no_half_output(small_disk: Path) -> None:
    project = Project(small_disk / "project")
    project.write("plan", "treadle: 1\nactions:\n  a: {sh: 'head -c 2000000 /dev/zero > ${out}', out: big}\n")
    done = project.treadle("run")
    assert done.code == 1
    assert not (project.folder / "big").exists()
    assert project.treadle("status").code == 1
