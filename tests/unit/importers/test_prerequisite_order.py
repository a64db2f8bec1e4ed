"""What comes after a check in a list of prerequisites does not start before it, nor after its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from first_plans import drafted, write
from helpers import run_treadle

if TYPE_CHECKING:
    from pathlib import Path

MAKE = ".PHONY: go check drop wipe group\ncheck:\n\ttest -e ok\ndrop:\n\ttouch ran\n"
JUST = "check:\n  test -e ok\n\ndrop:\n  touch ran\n\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("Makefile", f"{MAKE}go: check drop\n"),
        ("Makefile", f"{MAKE}go: check drop\n\techo end\n"),
        ("Makefile", f"{MAKE}go: check | drop\n"),
        ("Makefile", f"{MAKE}go: check group\ngroup: drop\n"),
        ("Makefile", f"{MAKE}group: check\ngo: group wipe\nwipe: drop\n\techo wiped\n"),
        ("Makefile", f"{MAKE}go: one drop\none: two\ntwo: check\n\techo two\n"),
        ("Makefile", f"{MAKE}go: guard-ok drop\nguard-%:\n\t@test -e $*\n"),
        ("Makefile", f"{MAKE}go: guard-ok\n\ttouch ran\nguard-%:\n\t@test -e $(*)\n"),
        ("Makefile", f"{MAKE}go: file drop\nfile: check\n\ttouch file\n"),
        ("Makefile", f"{MAKE}go: check\ngo: drop\n"),
        ("Makefile", f"{MAKE}go:: check\ngo:: drop\n\techo\n"),
        ("justfile", f"{JUST}go: check drop\n"),
        ("justfile", f"{JUST}go: check drop\n  echo end\n"),
        ("justfile", f"{JUST}go: check && drop\n  echo main\n"),
        ("justfile", f"{JUST}alias c := check\n\ngo: c drop\n"),
        ("justfile", f"{JUST}group: check\n\ngo: group drop\n"),
        ("package.json", '{"scripts": {"check": "test -e ok", "drop": "touch ran", "go": "npm run check && touch ran"}}'),
        ("package.json", '{"scripts": {"prego": "test -e ok", "go": "touch ran"}}'),
        ("package.json", '{"scripts": {"check": "test -e ok", "go": "true", "postgo": "touch ran", "prego": "npm run check"}}'),
    ],
)  # fmt: skip
def test_a_failed_check_keeps_what_comes_after_it_from_running(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    drafted(tmp_path)
    run_treadle(tmp_path, "run", "go", check=1)
    assert not (tmp_path / "ran").exists()
    write(tmp_path, ok="")
    run_treadle(tmp_path, "run", "go", check=0)
    assert (tmp_path / "ran").exists()


def test_what_removes_files_comes_before_all_that_is_made_after_it(tmp_path: Path) -> None:
    text = "all: out.txt\nout.txt: in.txt\n\tcp in.txt out.txt\n\ttouch cache\nclean:\n\trm -f out.txt cache\n"
    write(tmp_path, Makefile=f"{text}rebuild: clean all\n.PHONY: all clean rebuild\n", in_dot_txt="1\n")
    drafted(tmp_path)
    for _ in range(2):
        run_treadle(tmp_path, "run", "rebuild", check=0)
        assert (tmp_path / "out.txt").read_text() == "1\n"
        assert (tmp_path / "cache").exists()
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out


def test_two_orders_of_the_same_prerequisites_are_not_both_kept(tmp_path: Path) -> None:
    write(tmp_path, Makefile=f"{MAKE}one: check drop\ntwo: drop check\n.PHONY: one two\n")
    plan, text = drafted(tmp_path)
    assert set(plan.groups) == {"one"}
    assert "# - two: another list has its members in another order" in text


@pytest.mark.parametrize(
    ("recipe", "is_dropped"),
    [
        ("rm -f out.txt", True),
        ("-rm -f *.txt", True),
        ("$(RM) out.txt", True),
        ("rm -rf out.txt cache", False),
        ("rm -rf build", False),
        ("rm -rf o", True),
        ("rm -rf p", False),
        ("rm -f out.txt; psql -c drop", False),
        ("rm -f $$(cat list)", False),
        ("git clean -fdx", False),
    ],
)
def test_a_target_that_cleans_is_dropped_only_where_treadle_does_the_same(
    tmp_path: Path, recipe: str, is_dropped: bool
) -> None:
    text = "all: out.txt o/a p/a\nout.txt: in.c\n\tcp in.c out.txt\no/a: in.c\n\tcp in.c o/a\n"
    text += "p/a: in.c\n\tcp in.c p/a; cp in.c p/b\n"
    text += f".PHONY: clean all\nclean:\n\t{recipe}\n"
    write(tmp_path, Makefile=text, in_dot_c="1\n")
    plan, text = drafted(tmp_path)
    assert ("clean" not in plan.actions) == is_dropped
    assert ("clean: `treadle clean` removes what the plan makes" in text) == is_dropped


def test_a_question_at_the_terminal_gets_the_terminal(tmp_path: Path) -> None:
    ask = '@read -p "Sure? " answer && [ "$$answer" = y ]'
    read = "\tcut -f1 a | while read x; do echo $$x; done\n\tread y < a; echo $$y\n"
    write(tmp_path, Makefile=f".PHONY: ask drop list\nask:\n\t{ask}\ndrop: ask\n\ttouch ran\nlist:\n{read}", a="")
    plan, text = drafted(tmp_path)
    assert text.count("console: true") == 1
    assert "pass" not in text
    assert plan.actions["drop"].predecessors == ("ask",)
    run_treadle(tmp_path, "run", "drop", check=1)
    assert not (tmp_path / "ran").exists()


def test_values_of_a_file_of_secrets_are_not_copied(tmp_path: Path) -> None:
    recipes = "a:\n\techo $(TOKEN)\nb:\n\ttest $$TOKEN = abc\n.PHONY: a b\n"
    write(tmp_path, Makefile=f"-include .env\nexport\n{recipes}", _dot_env="TOKEN=abc\n")
    plan, text = drafted(tmp_path)
    assert "abc" not in text.partition("actions:")[0]
    assert plan.actions.keys() == {"b"}
    run_treadle(tmp_path, "run", "b", check=0)


@pytest.mark.parametrize(
    ("rule", "outputs"),
    [
        ("push:\n\tgit push --tags", ()),
        ("apply:\n\tkubectl apply -f in.c", ()),
        ("drop:\n\tpsql -c 'drop database app'", ()),
        ("migrate:\n\tcd x && npx prisma migrate deploy", ()),
        ("sync:\n\tuv sync", ()),
        ("up:\n\tdocker compose up", ()),
        ("prog: in.c\n\tcc -o prog in.c", ("prog",)),
        ("notes: in.c\n\tsort in.c > notes", ("notes",)),
        ("copy: in.c\n\tcp in.c copy", ("copy",)),
        ("stamp: in.c\n\ttouch stamp", ("stamp",)),
        ("pack: in.c\n\ttar -cf pack in.c", ("pack",)),
        ("any: in.c\n\t./make-it $@", ("any",)),
    ],
)
def test_a_word_of_a_command_is_no_file_for_it(tmp_path: Path, rule: str, outputs: tuple[str, ...]) -> None:
    write(tmp_path, Makefile=f"{rule}\n", in_dot_c="")
    plan, _ = drafted(tmp_path)
    assert [one.command.outputs for one in plan.actions.values()] == [outputs]


@pytest.mark.parametrize(
    ("command", "inputs"),
    [
        ("find . -name '*.c'", ("a.c", "sub/b.c")),
        ("find sub -type f -name '*.c'", ("sub/b.c",)),
        ('find sub . -name "b.*"', ("sub/b.c",)),
        ("find . -name *.h -print", None),
        ("find . -name '*.c' -delete", None),
        ("find . -name '*.c' | sort", None),
    ],
)
def test_files_that_find_would_list_are_read(tmp_path: Path, command: str, inputs: tuple[str, ...] | None) -> None:
    write(
        tmp_path,
        a_dot_c="",
        sub__b_dot_c="",
        Makefile=f"SRC := $(shell {command})\nout.txt: $(SRC)\n\tcat $^ > $@\n",
    )
    plan, text = drafted(tmp_path)
    if inputs is None:
        assert "only make knows $(shell ...)" in text
    else:
        assert sorted(plan.actions["out.txt"].command.inputs) == sorted(inputs)
