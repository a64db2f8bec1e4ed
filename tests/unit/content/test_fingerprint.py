"""Fingerprints: what they hold, when they are equal, and how they are kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import treadle.e3
from treadle.content import fingerprint as room
from treadle.content.digests import describe_file, describe_tree
from treadle.content.fingerprint import Fingerprint, os_version, read_os_version
from treadle.errors import StateError, TreadleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def made(**elements: str) -> Fingerprint:
    result = Fingerprint()
    for name, value in elements.items():
        result.add(name, value)
    return result


# What it holds


def test_a_fingerprint_always_holds_the_system_and_its_version() -> None:
    assert made().elements == {"os_version": os_version(), "fingerprint_version": room.FINGERPRINT_VERSION}


def test_another_version_makes_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = made()
    monkeypatch.setattr(room, "FINGERPRINT_VERSION", "another")
    assert made().elements["fingerprint_version"] == "another"
    assert made() != before
    assert made().key() != before.key()


@pytest.mark.parametrize("wrong", [1, None, b"bytes", ["list"]])
def test_an_element_is_text(wrong: Any) -> None:
    kind = type(wrong).__name__
    with pytest.raises(TreadleError) as caught:
        made().add("f4", wrong)
    assert caught.value.what == f"the value for f4 should be a string, not {kind}"
    assert caught.value.facts == (f"value: {wrong!r}",)
    with pytest.raises(TreadleError) as caught:
        made().add(wrong, "a")
    assert caught.value.what == f"the name {wrong!r} of an element should be a string, not {kind}"


def test_an_element_is_replaced_and_changes_sides() -> None:
    one = made(a="1")
    one.add("a", "2", result=True)
    assert one.elements["a"] == "2"
    assert one.results == {"a"}
    one.add("a", "3")
    assert one.results == set()


def test_a_file_is_added_under_its_path_or_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("content")
    one = made()
    one.add_file(path)
    one.add_file(str(path), "input a", result=True)
    one.add_file(tmp_path / "missing", "gone")
    assert one.elements[str(path)] == one.elements["input a"] == describe_file(path)
    assert one.elements["gone"] == "absent"
    assert one.results == {"input a"}


def test_a_relative_path_is_the_name_as_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = made()
    one.add_file("a/../b")
    one.add_dir("c/")
    assert one.elements.keys() >= {"a/../b", "c/"}


def test_a_folder_is_added_by_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    one = made()
    one.add_dir(tmp_path)
    one.add_dir(tmp_path, "folder", result=True)
    one.add_dir(tmp_path / "missing", "gone")
    assert one.elements[str(tmp_path)] == one.elements["folder"] == describe_tree(tmp_path)
    assert one.elements["gone"] == "absent"
    assert one.results == {"folder"}


def test_the_clock_of_a_file_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("content")
    one, other = made(), made()
    one.add_file(path)
    one.add_dir(tmp_path, "folder")
    os.utime(path, (1, 1))
    other.add_file(path)
    other.add_dir(tmp_path, "folder")
    assert one == other


ADD: dict[str, Callable[..., None]] = {
    "add": lambda one, folder, **given: one.add("name", "value", **given),
    "add_file": lambda one, folder, **given: one.add_file(folder / "a", **given),
    "add_dir": lambda one, folder, **given: one.add_dir(folder, **given),
}


def test_the_table_of_add_methods_is_whole() -> None:
    for kind in (Fingerprint, treadle.e3.Fingerprint):
        assert {name for name in dir(kind) if name.startswith("add")} == set(ADD)


@pytest.mark.parametrize("is_result", [True, False])
@pytest.mark.parametrize("method", ADD)
def test_each_add_method_takes_answer_as_the_old_name_of_result(
    tmp_path: Path, method: str, *, is_result: bool
) -> None:
    old, new = Fingerprint(), Fingerprint()
    ADD[method](new, tmp_path, result=is_result)
    with pytest.warns(DeprecationWarning, match=r"answer= is deprecated .*: use result=") as caught:
        ADD[method](old, tmp_path, answer=is_result)
    assert [warning.filename for warning in caught] == [__file__]
    assert old == new
    assert len(new.results) == is_result


@pytest.mark.parametrize("method", ADD)
def test_treadle_e3_takes_either_name_without_a_warning(tmp_path: Path, method: str) -> None:
    old, new = treadle.e3.Fingerprint(), treadle.e3.Fingerprint()
    ADD[method](new, tmp_path, result=True)
    ADD[method](old, tmp_path, answer=True)
    assert old == new
    assert len(treadle.e3.native(new).results) == 1


@pytest.mark.parametrize("given", [(True, True), (False, False), (True, False)])
@pytest.mark.parametrize("method", ADD)
@pytest.mark.parametrize("kind", [Fingerprint, treadle.e3.Fingerprint])
def test_both_names_of_result_are_refused(
    tmp_path: Path, kind: Callable[[], Any], method: str, given: tuple[bool, bool]
) -> None:
    one = kind()
    before = dict(one.elements)
    with pytest.raises(TypeError, match="result= and its old name answer= were both given: use result= alone"):
        ADD[method](one, tmp_path, result=given[0], answer=given[1])
    assert one.elements == before


def test_answers_is_the_old_name_of_results() -> None:
    one = made()
    one.add("a", "1", result=True)
    with pytest.warns(DeprecationWarning, match=r"Fingerprint.answers is deprecated") as caught:
        assert one.answers is one.results
    assert [warning.filename for warning in caught] == [__file__]


# The system


def test_the_system_is_distribution_version_and_machine(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('# Notes\nNAME="Some Linux"\n\nID=some\nVERSION_ID="1.2"\nBROKEN\n')
    machine = os.uname().machine
    assert read_os_version([str(tmp_path / "missing"), str(release)]) == f"some 1.2 {machine}"
    release.write_text("ID='rolling'\n")
    assert read_os_version([str(release)]) == f"rolling {machine}"
    release.write_bytes(b"\xff=\xfe\n")
    assert read_os_version([str(release)]) == f"linux {machine}"


def test_a_system_without_os_release_is_named_too() -> None:
    assert read_os_version([]).endswith(os.uname().machine)
    assert os.uname().sysname.lower() in read_os_version([])


def test_the_release_of_the_kernel_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [read_os_version(), read_os_version([])]
    now = os.uname()
    other = os.uname_result((now.sysname, now.nodename, "99.99", "#99", now.machine))
    monkeypatch.setattr(os, "uname", lambda: other)
    assert [read_os_version(), read_os_version([])] == before


def test_the_system_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os_version()
    monkeypatch.setattr(room, "read_os_version", lambda: pytest.fail("looked up again"))
    assert made().elements["os_version"] == before


# Equality and digests


def test_fingerprints_are_equal_if_all_elements_are() -> None:
    assert made(a="1", b="2") == made(b="2", a="1")
    assert not made(a="1") != made(a="1")  # noqa: SIM202 - it is != that is asked
    assert made(a="1") != made(a="2")
    assert made(a="1") != made(b="1")
    assert made(a="1") != made(a="1", b="2")


@pytest.mark.parametrize("other", [None, 1, "text", {}, made().elements])
def test_a_fingerprint_is_equal_to_nothing_else(other: object) -> None:
    assert (made() == other) is False
    assert (made() != other) is True


def test_a_fingerprint_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(made())


def test_a_key_element_and_a_result_element_are_not_equal() -> None:
    one, other = made(a="1"), made(a="1")
    other.add("a", "1", result=True)
    assert one != other
    assert one.checksum() != other.checksum()
    assert one.compare_to(other) == {"updated": {"a"}, "new": set(), "obsolete": set()}


def test_the_checksum_follows_every_element_and_no_order() -> None:
    assert made(a="1", b="2").checksum() == made(b="2", a="1").checksum()
    assert made(ab="c").checksum() != made(a="bc").checksum()
    assert made(a="1").checksum() != made().checksum()


def test_the_key_follows_the_question_alone() -> None:
    one, other = made(a="1"), made(a="1")
    one.add("output", "1", result=True)
    other.add("output", "2", result=True)
    assert one.key() == other.key() == made(a="1").key()
    assert one.checksum() != other.checksum()
    assert one.key() != made(a="2").key()


def test_a_comparison_tells_what_is_updated_new_and_obsolete() -> None:
    one, other = made(a="1", b="1", c="1"), made(b="2", c="1", d="1")
    assert one.compare_to(other) == {"updated": {"b"}, "new": {"d"}, "obsolete": {"a"}}
    assert one.compare_to(made(c="1", b="1", a="1")) is None


def test_a_comparison_to_none_is_one_to_nothing_at_all() -> None:
    assert made(a="1").compare_to(None) == {
        "updated": set(),
        "new": set(),
        "obsolete": {"a", "os_version", "fingerprint_version"},
    }


def test_a_comparison_to_something_else_is_refused() -> None:
    wrong: Any = "text"
    with pytest.raises(AssertionError):
        made().compare_to(wrong)


def test_a_fingerprint_reads_as_a_sorted_line_for_each_element() -> None:
    lines = str(made(zoo="é", all="two\nlines")).splitlines()
    assert lines[0] == r"all: 'two\nlines'"
    assert lines[-1] == "zoo: é"
    assert len(lines) == 4
    assert made(a="1").checksum() in repr(made(a="1"))


def test_exactly_the_elements_that_are_given_are_restored() -> None:
    one = made(a="1")
    one.add("b", "2", result=True)
    other = Fingerprint.from_elements(one.elements, one.results)
    assert other == one
    other.add("c", "3", result=True)
    assert other != one
    assert "c" not in one.elements
    assert Fingerprint.from_elements({}).elements == {}


# Keeping


def test_a_saved_fingerprint_is_loaded_as_it_was(tmp_path: Path) -> None:
    one = made(a="1", odd="\udc80 \x00 é \U0001f600")
    one.add("output", "x", result=True)
    one.save_to_file(tmp_path / "saved")
    assert Fingerprint.load_from_file(tmp_path / "saved") == one
    one.add("a", "2")
    one.save_to_file(str(tmp_path / "saved"))
    assert Fingerprint.load_from_file(str(tmp_path / "saved")) == one
    assert os.listdir(tmp_path) == ["saved"]


def test_a_name_without_a_folder_is_saved_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made(a="1").save_to_file("saved")
    assert Fingerprint.load_from_file("saved") == made(a="1")


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"missing/saved cannot be written\n.*No such file"):
        made().save_to_file(tmp_path / "missing" / "saved")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StateError, match="folder cannot be written"):
        made().save_to_file(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


def test_the_old_file_stays_when_the_new_one_cannot_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    made(a="1").save_to_file(tmp_path / "saved")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left"):
        made(a="2").save_to_file(tmp_path / "saved")
    assert Fingerprint.load_from_file(tmp_path / "saved") == made(a="1")
    assert os.listdir(tmp_path) == ["saved"]


def test_what_is_no_file_is_no_fingerprint(tmp_path: Path) -> None:
    assert Fingerprint.load_from_file(tmp_path / "missing") is None
    assert Fingerprint.load_from_file(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b"{}", b'"text"', b"1" * 10_000, b"\x00" * 64],
    ids=["empty", "cut", "bytes", "deep", "null", "list", "object", "text", "number", "zeros"],
)
def test_a_damaged_file_is_no_fingerprint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved").write_bytes(content)
    assert Fingerprint.load_from_file(tmp_path / "saved") is None


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.pop(key)


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no version": without("fingerprint_version"),
    "no elements": without("elements"),
    "no answers": without("answers"),
    "another version": lambda content: content.update(fingerprint_version="treadle-0"),
    "a version that is a list": lambda content: content.update(fingerprint_version=[]),
    "another version inside": lambda content: content["elements"].update(fingerprint_version="treadle-0"),
    "a value that is no text": lambda content: content["elements"].update(a=1),
    "elements that are a list": lambda content: content.update(elements=["a"]),
    "elements that are null": lambda content: content.update(elements=None),
    "answers that are text": lambda content: content.update(answers="a"),
    "an answer that is no text": lambda content: content.update(answers=[["a"]]),
    "an answer to nothing": lambda content: content.update(answers=["x"]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_of_another_shape_is_no_fingerprint(tmp_path: Path, damage: str) -> None:
    made(a="1").save_to_file(tmp_path / "saved")
    content = json.loads((tmp_path / "saved").read_text())
    (tmp_path / "saved").write_text(json.dumps(content))
    assert Fingerprint.load_from_file(tmp_path / "saved") == made(a="1")
    DAMAGES[damage](content)
    (tmp_path / "saved").write_text(json.dumps(content))
    assert Fingerprint.load_from_file(tmp_path / "saved") is None


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys; before = set(sys.modules); from treadle.content.fingerprint import Fingerprint;"
        "Fingerprint().checksum(); print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"typing", "dataclasses", "re", "json", "pathlib", "tempfile", "platform", "networkx", "subprocess"}
    assert not heavy & set(done.stdout.split())
