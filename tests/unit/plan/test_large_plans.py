"""A large plan: what many actions share is looked at once, and each still has its own place and its own mistakes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from plan_folder import Folder, argv
from treadle.plan.language import argv_split, shell
from treadle.plan.language.globs import MANY

SCRIPT = "cat ${in} > ${out}"


def compiling(actions: int, settings: str = "") -> str:
    lines = ["treadle: 1", "defaults: {env: {LC_ALL: C}, timeout: 5m}", "actions:"]
    for n in range(actions):
        lines += [f"  a{n}:", f"    in: [src/{n}.c, src/all.h]", f"    sh: {SCRIPT}", f"    out: out/{n}.o"]
        lines += [f"    {settings}"] if settings else []
    return "\n".join(lines) + "\n"


def calls_of_load(folder: Folder, text: str, load: Callable[[str], object] | None = None) -> int:
    """Return how many functions of the plan language are called to load a plan."""
    calls = 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call" and "treadle" in frame.f_code.co_filename

    sys.setprofile(note)
    try:
        (load or folder.load)(text)
    finally:
        sys.setprofile(None)
    return calls


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the texts that are read as scripts and as commands."""
    counts: Counter[str] = Counter()
    for module, name in ((shell, "parse_script"), (argv_split, "split_words")):
        read = getattr(module, name)

        def counting(source: Any, node: Any, read: Any = read) -> Any:
            counts[node.text] += 1
            return read(source, node)

        monkeypatch.setattr(module, name, counting)
    return counts


def test_the_text_of_a_script_is_read_once_however_many_actions_have_it(
    folder: Folder, looked_at: Counter[str]
) -> None:
    folder.write("src/all.h", *(f"src/{n}.c" for n in range(5)))
    plan = folder.load(compiling(5))
    assert looked_at == {SCRIPT: 1}
    scripts = [plan.actions[f"a{n}"].command.script for n in range(5)]
    assert [script.shown for script in scripts if script] == [
        f"cat src/{n}.c src/all.h > out/{n}.o" for n in range(5)
    ]


def test_the_text_of_a_command_is_split_once_however_many_actions_have_it(
    folder: Folder, looked_at: Counter[str]
) -> None:
    plan = folder.load("  a: {run: 'echo \"${out}\" b', out: x}\n  c: {run: 'echo \"${out}\" b', out: y}\n")
    assert looked_at == {'echo "${out}" b': 1}
    assert (argv(plan), argv(plan, "c")) == (("echo", "x", "b"), ("echo", "y", "b"))


@pytest.mark.parametrize("key", ["run", "sh"])
@pytest.mark.parametrize("text", ["echo ${nope}", "echo ${", "echo '${a}' \\"])
def test_a_mistake_in_the_same_text_is_told_at_each_of_its_places(folder: Folder, key: str, text: str) -> None:
    quoted = text.replace("'", "''")
    problems = folder.problems(f"  a:\n    {key}: '{quoted}'\n  b: {{{key}: '{quoted}'}}\n")
    places = [(problem.place.line, problem.place.column) for problem in problems if problem.place]
    first, second = places
    # The value begins behind `    run: '` in one line, and behind `  b: {run: '` in the other.
    assert (second[0] - first[0], second[1] - first[1]) == (1, len("  b: {") - len("    "))
    assert problems[0].what == problems[1].what


def test_settings_of_its_own_are_not_those_of_others(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nqueues: {net: 2}\ndefaults: {env: {A: '1'}, timeout: 5m}\nactions:\n"
        "  a: {run: x}\n  b: {run: x, env: {B: '2'}, tools: [cc]}\n  c: {run: x, queue: net, timeout: none}\n"
        "  d: {run: x}\n"
    )
    commands = [plan.actions[name].command for name in "abcd"]
    assert [command.env.set for command in commands] == [{"A": "1"}, {"A": "1", "B": "2"}, {"A": "1"}, {"A": "1"}]
    assert [command.limits.queue for command in commands] == ["default", "default", "net", "default"]
    assert [command.limits.timeout for command in commands] == [300.0, 300.0, None, 300.0]
    assert [len(command.tools) for command in commands] == [0, 1, 0, 0]


def test_a_mistake_in_defaults_is_told_once_and_where_it_stands(folder: Folder) -> None:
    text = compiling(3).replace("timeout: 5m", "queue: nett")
    folder.write("src/all.h", *(f"src/{n}.c" for n in range(3)))
    (problem,) = folder.problems(text)
    assert problem.what == "there is no queue 'nett'"
    assert problem.place is not None
    assert problem.place.line == 2


def test_an_action_more_costs_a_bounded_number_of_calls(folder: Folder) -> None:
    folder.write("src/all.h", *(f"src/{n}.c" for n in range(300)))
    few, many = calls_of_load(folder, compiling(100)), calls_of_load(folder, compiling(300))
    assert (many - few) / 200 < 150


def test_a_large_plan_with_a_mistake_is_answered_as_soon_as_one_without(folder: Folder) -> None:
    folder.write("src/all.h", *(f"src/{n}.c" for n in range(1000)))
    text = compiling(1000)
    good = calls_of_load(folder, text)
    for right, wrong in (("src/500.c", "src/500.d"), ("out/500.o", "/out/500.o"), ("a500:", "a 500:")):
        assert calls_of_load(folder, text.replace(right, wrong), folder.problems) < 1.1 * good


def test_files_of_one_folder_are_not_looked_at_one_by_one(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("src/all.h", *(f"src/{n}.c" for n in range(300)))
    looks: list[str] = []

    def count(name: str) -> None:
        look = getattr(os, name)

        def counting(path: Any, *args: Any, **options: Any) -> os.stat_result:
            looks.append(os.fspath(path))
            status: os.stat_result = look(path, *args, **options)
            return status

        monkeypatch.setattr(os, name, counting)

    count("stat")
    count("lstat")
    folder.load(compiling(300))
    assert len([path for path in looks if "/src/" in path]) == MANY - 1


def test_what_is_no_file_is_told_of_a_folder_with_many_files_too(folder: Folder) -> None:
    names = [f"src/{n}.c" for n in range(2 * MANY)]
    folder.write(*names, "src/dir/x", "far/x")
    (folder.root / "src/to_file").symlink_to("0.c")
    (folder.root / "src/to_folder").symlink_to("../far")
    (folder.root / "src/to_nothing").symlink_to("gone")
    plan = folder.load(f"  a: {{run: x, in: [{', '.join(names)}, src/to_file, src/dir/, src/to_folder/]}}\n")
    assert plan.actions["a"].command.inputs[-3:] == ("src/to_file", "src/dir/", "src/to_folder/")
    problems = folder.problems(
        f"  a: {{run: x, in: [{', '.join(names)}, src/dir]}}\n  b: {{run: x, in: src/to_folder}}\n"
        "  c: {run: x, in: src/to_nothing}\n  d: {run: x, in: src/0.c/}\n  e: {run: x, in: src/none.c}\n"
    )
    assert [problem.what for problem in problems] == [
        "the input src/dir is a folder",
        "the input src/to_folder is a folder",
        "the input src/to_nothing does not exist and no action makes it",
        "the input src/0.c/ is a file",
        "the input src/none.c does not exist and no action makes it",
    ]


def test_an_alias_counts_as_all_that_it_stands_for(folder: Folder) -> None:
    lists = [f"  l0: &l0 [{', '.join('x' * 10)}]"]
    lists += [f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 7)]
    (problem,) = folder.problems("treadle: 1\nvars:\n" + "\n".join(lists) + "\nactions: {a: {run: x}}\n")
    assert problem.what == "aliases expand to more than 1,000,000 values"
    assert problem.place is not None
    assert problem.place.line == 8


def test_an_alias_may_not_nest_what_stands_elsewhere_too_deep(folder: Folder) -> None:
    deep = "[" * 60 + "x" + "]" * 60
    text = f"treadle: 1\nvars:\n  a: &a {deep}\n  b: {'[' * 60}*a{']' * 60}\nactions: {{c: {{run: x}}}}\n"
    (problem,) = folder.problems(text)
    assert problem.what == "nested more than 100 levels deep"
