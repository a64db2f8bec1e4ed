"""The schema takes each plan that the checks take, and knows the mistakes that are worth a mark in an editor."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from helpers import plan, run_treadle
from treadle.plan.schema.json_schema import plan_schema
from treadle.plan.schema.keys import TABLES
from treadle.plan.yaml import parser as loader
from treadle.plan.yaml.nodes import Items, Node, Source, Table

ROOT = Path(__file__).parents[3]
VALIDATOR = jsonschema.Draft7Validator(plan_schema())
BLOCK = re.compile(r"(?<!`wrong\.yaml`:\n\n)^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def as_an_editor_sees_it(node: Node) -> Any:
    """Return YAML as data by the core rules of YAML 1.2."""
    if isinstance(node, Items):
        return [as_an_editor_sees_it(one) for one in node.nodes]
    if isinstance(node, Table):
        return {name: as_an_editor_sees_it(one) for name, one in node.nodes.items()}
    if node.is_null:
        return None
    if node.style is None:
        if node.text in ("true", "false"):
            return node.text == "true"
        if re.fullmatch(r"[-+]?[0-9]+", node.text):
            return int(node.text)
        if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", node.text):
            return float(node.text)
    return node.text


def problems(text: str) -> list[str]:
    data = as_an_editor_sees_it(loader.parse(Source("plan", text)))
    return [f"{'.'.join(map(str, one.absolute_path))}: {one.message}" for one in VALIDATOR.iter_errors(data)]


def plans() -> list[str]:
    """Return all whole plans of the pages and in plans/."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    blocks = [text for page in pages for text in BLOCK.findall(page.read_text("utf-8"))]
    files = [path.read_text("utf-8") for path in sorted((ROOT / "plans").rglob("*.yaml"))]
    return [text for text in [*blocks, *files] if re.search(r"^treadle: 1[^\n]*\n.", text, re.MULTILINE)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(plan_schema())


@pytest.mark.parametrize("text", plans())
def test_every_plan_of_ours_fits_the_schema(text: str) -> None:
    assert not problems(text)


def examples() -> list[tuple[str, str]]:
    tables = {table: keys for table, keys in TABLES.items() if table != "defaults"}
    return [(table, name) for table, keys in tables.items() for name, key in keys.items() if key.example]


@pytest.mark.parametrize(("table", "name"), examples())
def test_the_example_of_every_key_fits_the_schema(table: str, name: str) -> None:
    example = TABLES[table][name].example
    schema = plan_schema()
    part = schema if table == "plan" else schema["definitions"][table]
    part = {**part, "definitions": schema["definitions"], "required": [], "anyOf": [{}]}
    data = as_an_editor_sees_it(loader.parse(Source("plan", example)))
    assert not list(jsonschema.Draft7Validator(part).iter_errors(data))


def test_each_key_says_what_it_means() -> None:
    schema = plan_schema()
    assert schema["properties"]["default"]["description"].startswith("What treadle run without names runs")
    action = schema["definitions"]["actions"]["properties"]
    assert set(action) == set(TABLES["actions"])
    assert all(one["description"] for one in action.values())


@pytest.mark.parametrize(
    "text",
    [
        "treadle: 2\nactions: {a: {run: x}}",
        "actions: {a: {run: x}}",
        "treadle: 1",
        "treadle: 1\nactions: {a: {runn: x}}",
        "treadle: 1\naction: {}\nactions: {a: {run: x}}",
        "treadle: 1\nactions: {a: {run: x, timeout: 5}}",
        "treadle: 1\nactions: {a: {run: x, timeout: 5 minutes}}",
        "treadle: 1\nactions: {a: {run: x, keep: maybe}}",
        "treadle: 1\nactions: {a: {run: x, tokens: 0}}",
        "treadle: 1\nactions: {a: {run: x, in: {glob: '*.c', exlude: b}}}",
        "treadle: 1\nactions: {a: {run: x, retries: {maximum: 2}}}",
        "treadle: 1\nactions: {a: {run: x, retries: {on: timeout}}}",
        "treadle: 1\nactions: {a: {run: x, tools: [{version: cc --version}]}}",
        "treadle: 1\ngroups: {g: {help: all of it}}\nactions: {a: {run: x}}",
        "treadle: 1\ninclude: [{as: docs}]",
        "treadle: 1\nqueues: {net: two}\nactions: {a: {run: x}}",
        "treadle: 1\nactions: {a: {run: x, in: }}",
        "treadle: 1\nparams: {n: {type: number}}\nactions: {a: {run: x}}",
        "treadle: 1\nactions: {a: [x]}",
        "treadle: 1\nvars: {g: {glob: '*.c', exlude: b}}\nactions: {a: {run: x}}",
        "treadle: 1\nparams: {p: {split: blanks}}\nactions: {a: {run: x}}",
        "treadle: 1\nactions: {a: {out: x}}",
        "treadle: 1\nactions: {a: {}}",
        "treadle: 1\nactions: {a: {run: x, sh: y}}",
        "treadle: 1\nactions: {a: {run: x, argv: [y]}}",
        "treadle: 1\nactions: {a: {sh: x, argv: [y], use: m}}",
        "treadle: 1\nactions: {a b: {run: x}}",
        "treadle: 1\nactions: {'a@b': {run: x}}",
        "treadle: 1\nactions: {.a: {run: x}}",
        "treadle: 1\nactions: {a: {run: x}}\ngroups: {a b: [a]}",
        "treadle: 1\nactions: {a: {run: x}}\nvars: {a b: x}",
        "treadle: 1\nactions: {a: {run: x}}\nvars: {a-b: x}",
        "treadle: 1\nactions: {a: {run: x}}\nqueues: {a b: 1}",
        "treadle: 1\nactions: {a: {run: x}}\nmixins: {a b: {timeout: 1m}}",
        "treadle: 1\nactions: {a: {run: x}}\nmixins: {a: {timeout: 1}}",
        "treadle: 1\nactions: {a: {run: x}}\nmixins: {a: {use: b}}",
        "treadle: 1\nactions: {a: {run: x, env: {a b: c}}}",
        "treadle: 1\nactions: {a: {run: x, foreach: {a b: [c]}}}",
        "treadle: 1\nactions: {a: {run: x, in: {a b: c}}}",
        "treadle: 1\nactions: {a: {run: x, out: {a b: c}}}",
        "treadle: 1\nactions: {a: {run: x, out: '*.c'}}",
        "treadle: 1\nactions: {a: {run: x, out: [a, 'b/?.c']}}",
        "treadle: 1\nactions: {a: {run: x, out: {n: 'b/*'}}}",
        "treadle: 1\nactions: {a: {run: x, out: '${o}/*.c'}}",
        "treadle: 1\nactions: {a: {run: x, out: {glob: x}}}",
        "treadle: 1\nactions: {a: {run: x, out: ../x}}",
        "treadle: 1\nactions: {a: {run: x, out: [a/../x]}}",
        "treadle: 1\nactions: {a: {run: x, out: {n: a/..}}}",
        "treadle: 1\nactions: {a: {run: x, out: /x}}",
        "treadle: 1\nactions: {a: {run: x, out: ~/x}}",
        "treadle: 1\nactions: {a: {run: x, out: .treadle/x}}",
        "treadle: 1\nactions: {a: {run: x, require: {message: x, runn: y}}}",
        "treadle: 1\ndefaults: {timeout: 30}\nactions: {a: {run: x}}",
    ],
)
def test_mistakes_are_marked(text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize(
    "text",
    [
        "treadle: 1\nactions: {a: {use: m}}\nmixins: {m: {sh: x}}",
        "treadle: 1\nactions: {a: {select: '${x}', y: {run: z}}}",
        "treadle: 1\nactions: {é-1.b+c: {run: x}, _a: {run: x}, 1: {run: x}}",
        "treadle: 1\nactions: {a: {run: x, out: '${o}/${libs*.stem}.o'}}",
        "treadle: 1\nactions: {a: {run: x, out: ['a[1].c', a..b, .../x, a~, .treadled]}}",
        "treadle: 1\nactions: {a: {run: x, out: {n: ['$a', 'b$', '$${x}']}}}",
        "treadle: 1\nactions: {a: {run: x, out: {select: '${x}', y: z}}}",
        "treadle: 1\nactions: {a: {run: x, out: {path: a/, check: presence}}}",
        "treadle: 1\nactions: {a: {run: x, timeout: {select: '${x}', y: 1m}}}",
        "treadle: 1\nactions: {a: {run: x, timeout: none}}",
        "treadle: 1\nmixins: {m: {timeout: {select: '${x}', y: 1m}}}\nactions: {a: {run: x}}",
        "treadle: 1\ndefaults: {tools: [cc]}\nactions: {a: {run: x}}",
    ],
)
def test_what_may_be_right_has_no_mark(text: str) -> None:
    assert not problems(text)


@pytest.mark.parametrize(
    "where", ["actions: {a: {run: x, timeout: %s}}", "defaults: {timeout: %s}\nactions: {a: {run: x}}"]
)
@pytest.mark.parametrize("value", ["30", "30 seconds", "1.5", "true", "[5m]"])
def test_the_message_for_a_duration_says_what_is_wanted(where: str, value: str) -> None:
    data = as_an_editor_sees_it(loader.parse(Source("plan", f"treadle: 1\n{where % value}")))
    (error,) = VALIDATOR.iter_errors(data)
    assert list(error.absolute_path)[-1] == "timeout"
    wanted = "a duration with a unit (ms, s, m, h, d), or none, such as 90s, 5m or 1h30m"
    assert error.schema["title"] == wanted
    assert error.schema["errorMessage"] == f"expected {wanted}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("actions: {a: {run: x, sh: y}}", "an action has one of run, argv, sh"),
        (
            "actions: {a b: {run: x}}",
            "a name has letters, digits and _ . + - only, and a letter, a digit or _ first",
        ),
        ("vars: {a b: x}\nactions: {a: {run: x}}", "a name has letters, digits and _ only, and no digit first"),
        ("actions: {a: {run: x, out: ../b}}", "outputs are paths below the root, without .."),
        (
            "actions: {a: {run: x, out: [a, '*.b']}}",
            "an output is a path, not a pattern; a whole folder ends with /",
        ),
    ],
)
def test_the_message_of_other_mistakes_says_what_is_wanted(text: str, says: str) -> None:
    data = as_an_editor_sees_it(loader.parse(Source("plan", f"treadle: 1\n{text}")))
    assert [error.schema["errorMessage"] for error in VALIDATOR.iter_errors(data)] == [says]


def test_the_command_prints_and_writes_the_schema(tmp_path: Path) -> None:
    printed = json.loads(run_treadle(tmp_path, "schema", check=0).out)
    assert printed == plan_schema()
    assert run_treadle(tmp_path, "schema", "a/b.json", check=0).out == "wrote a/b.json\n"
    assert json.loads((tmp_path / "a/b.json").read_text()) == printed
    assert "one file" in run_treadle(tmp_path, "schema", "a", "b", check=2).err
    assert "cannot be written" in run_treadle(tmp_path, "schema", "a", check=2).err


def test_a_schema_in_the_state_folder_stays_out_of_version_control(tmp_path: Path) -> None:
    run_treadle(tmp_path, "schema", ".treadle/schema.json", check=0)
    assert (tmp_path / ".treadle/.gitignore").read_text() == "*\n"
    plan(tmp_path, "actions: {a: {run: 'true', out: o}}\n")
    assert run_treadle(tmp_path, "run", "-n", check=1).err == ""


def test_the_schema_is_written_over_nothing_but_a_former_one(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("mine")
    for name in ("mine", "link"):
        result = run_treadle(tmp_path, "schema", name, check=2)
        assert "not overwritten" in result.err
    assert (tmp_path / "mine").read_text() == "mine"
    for _ in range(2):
        run_treadle(tmp_path, "schema", "new/schema.json", check=0)
    assert json.loads((tmp_path / "new/schema.json").read_text())["title"] == "A plan of Treadle"
