"""Whatever a file of another tool says: there is a plan, it passes its checks, and nothing was run to make it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from first_plans import drafted
from treadle.errors import TreadleError
from treadle.importers.writer import scalar_text, value_text
from treadle.plan.yaml import parser as loader
from treadle.plan.yaml.nodes import Items, Scalar, Source, Table

WORDS = (
    *("a", "b.o", "b.c", "src/x.c", "%.o", "%.c", "$@", "$<", "$^", "$(X)", "${Y}", "$$Z", "$${Z}", "'", '"', "\\"),
    *(
        ":",
        "=",
        ":=",
        "?=",
        "+=",
        "|",
        ";",
        "#",
        "## said",
        ",",
        "$(wildcard *)",
        "$(X:.c=.o)",
        "$(shell rm -rf /)",
    ),
    *(
        "$(patsubst %.c,%.o,$(X))",
        "ifeq",
        "endif",
        "else",
        "(a,b)",
        "define",
        "endef",
        ".PHONY:",
        "export",
        "include",
    ),
    *("\n", "\n", "\n", "\n\t", "\n\t", "\n\t", " ", " ", " ", "../up", "/abs", "*", "~", "\ue000", "\x07", "é"),
)
YAML_WORDS = (
    *(
        "a",
        "b",
        "{{.A}}",
        "{{.B | c}}",
        "${item}",
        "${x.y}",
        "'",
        '"',
        "echo",
        "> out",
        "*",
        "/",
        "..",
        " ",
        "\n",
        "$",
        "$$",
    ),
    *("{", "}", "#", ": ", "- ", "\\", "é", "true", "3.10", "~"),
)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_any_makefile_makes_a_plan(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "Makefile").write_text("".join(words), "utf-8")
        (Path(name) / "b.c").write_text("")
        drafted(Path(name))


TEXTS = st.lists(st.sampled_from(YAML_WORDS), min_size=1, max_size=6).map("".join)
VALUES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5
)
KEYS = st.sampled_from(("cmd", "cmds", "deps", "outs", "generates", "sources", "foreach", "do", "matrix", "vars", "env",
                        "dir", "wdir", "params", "metrics", "desc", "task", "for", "status"))  # fmt: skip
BODIES = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), max_size=5)


@settings(max_examples=60)
@given(
    st.dictionaries(TEXTS, BODIES | VALUES, max_size=3),
    st.sampled_from([("Taskfile.yml", "tasks"), ("dvc.yaml", "stages")]),
)
def test_any_taskfile_and_any_dvc_file_makes_a_plan(bodies: dict[str, object], kind: tuple[str, str]) -> None:
    import yaml

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / kind[0]).write_text(yaml.safe_dump({kind[1]: bodies, "vars": {"A": "x y"}}), "utf-8")
        drafted(Path(name))


def data(node: Scalar | Items | Table) -> object:
    if isinstance(node, Scalar):
        assert not node.is_null
        return node.text
    if isinstance(node, Items):
        return [data(one) for one in node.nodes]
    return {name: data(one) for name, one in node.nodes.items()}


@given(VALUES)
def test_what_is_written_is_what_is_read(value: object) -> None:
    text = f"a: {value_text(value, scalar_text)}\n"
    assert data(loader.parse(Source("x", text))) == {"a": value}


@pytest.mark.parametrize("name", ["Makefile", "dvc.yaml", "Taskfile.yml"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b"\0\0", b"a: &a [*a]\n", b"\t\n:\n", b"[" * 5000])
def test_bytes_that_are_no_such_file_are_an_error_of_ours_or_a_plan(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    said = name
    try:
        drafted(tmp_path)
    except TreadleError as error:
        said = str(error)
    assert name in said
