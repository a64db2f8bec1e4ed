"""What compilers write into depfiles."""

from __future__ import annotations

import pytest

from treadle.command.depfile import parse_depfile
from treadle.errors import TreadleError

TEXTS = [
    ("", []),
    ("\n\n", []),
    ("o: a b\n", ["a", "b"]),
    ("o: a b", ["a", "b"]),
    ("o:a b\n", ["a", "b"]),
    ("o :a\n", ["a"]),
    ("o : a\n", ["a"]),
    ("out/o.o:in.c\n", ["in.c"]),
    ("o:\n", []),
    ("o:", []),
    ("o p: a\n", ["a"]),
    ("o: a\np: b a\n", ["a", "b"]),
    ("o: a h.h\n\nh.h:\n", ["a", "h.h"]),
    ("o: a \\\n  b \\\n\tc\n", ["a", "b", "c"]),
    ("o: a\\\n b\n", ["a", "b"]),
    ("o: \\\n a", ["a"]),
    ("o: a \\", ["a"]),
    ("o: a \\\r\n b\r\n", ["a", "b"]),
    ("o \\\n p: a\n", ["a"]),
    ("o: a\\ b c\n", ["a b", "c"]),
    ("my\\ out: a\n", ["a"]),
    ("o: a\\#b a$$b\n", ["a#b", "a$b"]),
    ("o: a\\b\\\\c\n", ["a\\b\\\\c"]),
    ("o: a\\\\\\ b\n", ["a\\ b"]),
    ("o: a\\\\ b\n", ["a\\\\", "b"]),
    ("o: a:b c\\:d\n", ["a:b", "c:d"]),
    ("o:: a\n", ["a"]),
    ("o: a | b\n", ["a", "b"]),
    ("o: a || b$\n", ["a", "||", "b$"]),
    ("# made by a tool\no: a\n", ["a"]),
    ("o: a\n\n# env-dep:HOME=/root\n  # indented: x\n", ["a"]),
    ("# env-dep:CARGO_PKG_NAME\n", []),
    ("o: a\tb\n", ["a", "b"]),
    ("o: \u00a0a\n", ["\u00a0a"]),
    ("o: \udcff.h\n", ["\udcff.h"]),
    ("o: " + "x" * 200_000, ["x" * 200_000]),
    ("o: " + " \\\n ".join(f"h{n}" for n in range(5000)), [f"h{n}" for n in range(5000)]),
]


@pytest.mark.parametrize(("text", "found"), TEXTS)
def test_a_depfile_names_what_its_rules_read(text: str, found: list[str]) -> None:
    assert parse_depfile(text, "d") == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("o: a\nnothing\n", "line 2 has no colon"),
        ("o: a \\\n b\n\nrest of it\n", "line 4 has no colon"),
        ("o: a\0b\n", "line 1 has a byte 0"),
    ],
)
def test_an_error_names_the_depfile_and_the_line(text: str, said: str) -> None:
    with pytest.raises(TreadleError) as error:
        parse_depfile(text, "o/x.d")
    assert "o/x.d" in error.value.what
    assert said in error.value.what
