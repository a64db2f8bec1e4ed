"""What is shown of outputs: pictures and tables, within bounds, and why something is not shown."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from treadle.events import attachments
from treadle.events.attachments import Attachments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n rest"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.png", PNG, "png"),
        ("a.PNG", PNG, "png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "jpeg"),
        ("a.jpeg", b"\xff\xd8\xff\xe0", "jpeg"),
        ("a.gif", b"GIF89a", "gif"),
        ("a.webp", b"RIFF1234WEBP", "webp"),
        ("a.svg", b"<svg/>", "svg"),
    ],
)
def test_a_picture_is_read_whole(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(content)
    (shown,) = Attachments(str(tmp_path)).of([name])
    assert shown == {"path": name, "type": kind, "data": base64.b64encode(content).decode()}


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.csv", b"x,y\n1,2\n", [["x", "y"], ["1", "2"]]),
        ("a.csv", b'"a,b",c\n', [["a,b", "c"]]),
        ("a.csv", b"\xef\xbb\xbfx,y\r\n1,2", [["x", "y"], ["1", "2"]]),
        ("a.tsv", b"x\ty,z\n", [["x", "y,z"]]),
        ("a.tsv", b"\xff\t1\n", [["\ufffd", "1"]]),
        ("a.csv", b"", []),
    ],
)
def test_a_table_is_rows_of_texts(tmp_path: Path, name: str, content: bytes, rows: list[list[str]]) -> None:
    (tmp_path / name).write_bytes(content)
    assert list(Attachments(str(tmp_path)).of([name])) == [{"path": name, "type": "table", "rows": rows}]


def test_of_a_large_table_the_first_rows_columns_and_characters_are_shown(tmp_path: Path) -> None:
    lines = [",".join(f"{row}-{column}" for column in range(40)) + "\n" for row in range(20_000)]
    (tmp_path / "a.csv").write_text("x" * 500 + ",b\n" + "".join(lines))
    (shown,) = Attachments(str(tmp_path)).of(["a.csv"])
    assert shown["rows"][0] == ["x" * attachments.CELL + "…", "b"]
    assert len(shown["rows"]) == attachments.MOST_ROWS
    assert [len(row) for row in shown["rows"][1:]] == [attachments.MOST_COLUMNS] * (attachments.MOST_ROWS - 1)
    assert shown["omitted"] == "more rows or columns are not shown"


def test_what_is_no_picture_and_no_table_is_left_out(tmp_path: Path) -> None:
    for name in ("a.txt", "b", "c.html", "png"):
        (tmp_path / name).write_bytes(PNG)
    assert list(Attachments(str(tmp_path)).of(["a.txt", "b", "c.html", "png"])) == []


def test_a_folder_shows_what_is_in_it_by_name(tmp_path: Path) -> None:
    for name in ("o/b.csv", "o/sub/a.svg", "o/a.csv", "o/readme"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n")
    assert [one["path"] for one in Attachments(str(tmp_path)).of(["o/"])] == ["o/a.csv", "o/b.csv", "o/sub/a.svg"]


def make_link(path: Path) -> None:
    (path.parent / "elsewhere.png").write_bytes(PNG)
    path.symlink_to("elsewhere.png")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"\x7fELF"), "it is no png"),
        (lambda path: path.write_bytes(PNG + b"\0" * attachments.LARGEST_PICTURE), "bytes, and pictures up to"),
        (make_link, "it cannot be read"),
        (os.mkfifo, "it is not a file"),
        (lambda path: path.mkdir(), "it cannot be read: Is a directory"),
        (lambda path: None, "it cannot be read: No such file"),
    ],
    ids=["another kind", "too large", "a link", "a pipe", "a folder", "gone"],
)
def test_what_cannot_be_shown_says_why(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    make(tmp_path / "a.png")
    (shown,) = Attachments(str(tmp_path)).of(["a.png"])
    assert why in shown["omitted"]
    assert "data" not in shown


def test_a_run_has_a_bound_of_files_and_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number}.png" for number in range(attachments.MOST_FILES + 5)]
    for name in names:
        (tmp_path / name).write_bytes(PNG)
    shown = Attachments(str(tmp_path))
    assert len([*shown.of(names[:30]), *shown.of(names[30:])]) == attachments.MOST_FILES
    monkeypatch.setattr(attachments, "MOST_BYTES", 2 * len(PNG))
    few = list(Attachments(str(tmp_path)).of(names[:3]))
    assert ["data" in one for one in few] == [True, True, False]
    assert "the pictures of this run have more than" in few[2]["omitted"]
