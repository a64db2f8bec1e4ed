"""The reference pages hold what is built."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import pytest

from plan_folder import Folder
from repositories import Repository
from treadle.plan.schema.keys import TABLES, Key

INDEX = Path(__file__).parents[3] / "docs/reference/plan.md"
"""The page whose table of contents names all pages of the plan language."""
CONTENTS = re.search(r"^```{toctree}\n(?:(?::.*)?\n)*([^`]*)^```$", INDEX.read_text("utf-8"), re.MULTILINE)
assert CONTENTS
PAGES = (INDEX, *(INDEX.with_name(f"{name}.md") for name in CONTENTS.group(1).split()))
KEYS_PAGE = INDEX.with_name("plan-keys.md")
WITH_TABLES = runpy.run_path(str(INDEX.parents[1] / "_tools/plan_reference.py"))["with_tables"]
BLOCKS = [
    text
    for page in (*PAGES, KEYS_PAGE)
    for text in re.findall(r"^```yaml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    if page != KEYS_PAGE or text.startswith("treadle: 1\nactions:")
]
FILES = (
    *("data/raw.csv", "src/split.py", "src/a.c", "src/b.c", "src/prog", "docs/a.md", "docs/drafts/b.md"),
    *("src/table.txt", "tests/x.py", "params.yaml", "dev.env", "package.json", "package-lock.json", "data.txt"),
)
PLANS = {
    "docs/plan.yaml": "treadle: 1\nparams: {draft: {default: 'false'}}\nactions: {build: {run: x, out: site/}}\n",
    "lib/plan.yaml": "treadle: 1\nparams: {mode: {default: x}}\nactions:\n  objects: {run: x, out: 'out/${mode}.o'}\n",
}
PARAMS = "train: {lr: 0.1}\nsets:\n  - {name: small, file: data/raw.csv, rows: 100}\n"
HEAD = "queues: {net: 2}\n"
KEYS = [(table, key) for table, keys in TABLES.items() for key in keys.values()]


def test_the_tables_of_the_page_are_those_that_check_plans() -> None:
    text = KEYS_PAGE.read_text("utf-8")
    assert re.findall(r"<!-- keys of (\w+) -->", text) == list(TABLES)
    assert WITH_TABLES(text) == text


def test_a_table_that_is_empty_is_filled() -> None:
    assert "### Instances: `slots`" in WITH_TABLES("<!-- keys of pool -->\n\n<!-- end of keys -->\n")


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_example_of_the_pages_loads(number: int, folder: Folder) -> None:
    write_files(folder)
    if "${git." in BLOCKS[number]:
        if shutil.which("git") is None:
            pytest.skip("git is not there")
        Repository(folder.root).commit_all()
    assert folder.load(BLOCKS[number]).actions


@pytest.mark.parametrize(("table", "key"), KEYS, ids=[f"{table}-{key.name}" for table, key in KEYS])
def test_the_example_of_each_key_loads_where_it_belongs(table: str, key: Key, folder: Folder) -> None:
    write_files(folder)
    assert f"{key.name}:" in key.example
    assert folder.load(surrounded(table, key)).root == str(folder.root)


def write_files(folder: Folder) -> None:
    folder.write(*FILES)
    for name, text in {**PLANS, "params.yaml": PARAMS}.items():
        folder.write(name, text=text)


def surrounded(table: str, key: Key) -> str:
    """Return a whole plan around the example of a key."""
    lines = key.example.split("\n")
    if table == "plan":
        top = "" if key.name == "treadle" else "treadle: 1\n"
        return f"{top}{key.example}\n" + ("" if key.name == "actions" else "actions:\n  hello: {run: echo hello}\n")
    head = "treadle: 1\n" + HEAD
    hello = "actions:\n  hello: {run: echo hello, out: out/hello}\n"
    if table == "include":
        return (
            f"{head}include: [{{{key.example}{'' if key.name == 'file' else ', file: docs/plan.yaml'}}}]\n{hello}"
        )
    if table == "params":
        default = "" if key.name in ("default", "type", "rest") else ", default: 3"
        default = {"type": ", default: 3", "split": ", default: [3]"}.get(key.name, default)
        return f"{head}params:\n  p: {{{key.example}{default}}}\n{hello}"
    if table == "files":
        return f"{head}vars:\n  c: {{{key.example}{'' if key.name == 'file' else ', file: params.yaml'}}}\n{hello}"
    if table == "groups":
        return f"{head}groups:\n  g: {{{key.example}{'' if key.name == 'of' else ', of: [hello]'}}}\n{hello}"
    if table == "defaults":
        lines = [line for line in lines if not line.startswith("sh:")]
        return head + "defaults:\n" + "".join(f"  {line}\n" for line in lines) + hello
    if table == "glob":
        return f"{head}{hello}  a: {{run: x, in: {{{key.example}{'' if key.name == 'glob' else ', glob: src/*.c'}}}}}\n"
    if table == "tree":
        return f"{head}{hello}  a: {{run: x, in: {{{', '.join(lines)}}}}}\n"
    if table == "out":
        path = [] if key.name == "path" else ["path: out/site/"]
        return f"{head}{hello}  a: {{run: x, out: {{{', '.join(path + lines)}}}}}\n"
    if table == "from":
        return (
            f"{head}{hello}  a: {{run: x, in: {{{key.example}{'' if key.name == 'from' else ', from: hello'}}}}}\n"
        )
    if table == "dotenv":
        return f"{head}{hello}  a: {{run: x, dotenv: {{{key.example}{'' if key.name == 'file' else ', file: dev.env'}}}}}\n"
    if table == "tools":
        return f"{head}{hello}  a: {{run: x, tools: [{{{key.example}{'' if key.name == 'tool' else ', tool: cc'}}}]}}\n"
    if table == "require":
        way = ", run: x" if key.name == "message" else ""
        return (
            f"{head}params: {{mode: {{default: debug}}}}\n{hello}  a: {{run: x, require: {{{key.example}{way}}}}}\n"
        )
    if table == "retries":
        return (
            f"{head}{hello}  a: {{run: x, retries: {{{key.example}{'' if key.name == 'max' else ', max: 2'}}}}}\n"
        )
    if table == "needs":
        return f"{head}{hello}  a: {{run: x, needs: {{{key.example}{'' if key.name == 'action' else ', action: hello'}}}}}\n"
    if table in ("codes", "expect", "workdir"):
        return f"{head}{hello}  a: {{run: x, {table}: {{{key.example}}}}}\n"
    if table == "cache":
        return f"{head}cache: {{{key.example}{'' if key.name == 'local' else ', local: true'}}}\n{hello}"
    if table == "store":
        return f"{head}cache: {{local: {{{key.example}}}}}\n{hello}"
    if table == "cached":
        return f"{head}{hello}  a: {{run: x, out: o, cache: {{{key.example}}}}}\n"
    if table == "engine":
        name = "" if key.name == "name" else ", name: process"
        return f"{head}engine: {{{key.example}{name}}}\n{hello}"
    if table == "workers":
        return f"{head}engine: {{name: process, workers: {{{key.example}}}}}\n{hello}"
    if table == "pool":
        return f"{head}pool: {{gpus: {{{key.example}{'' if key.name == 'ids' else ', ids: [0, 1]'}}}}}\n{hello}"
    if not key.example.startswith(("run:", "argv:", "sh:")):
        lines.append("run: x")
    head += "vars: {cfg: {file: params.yaml}}\nmixins: {quick: {timeout: 1m}}\n"
    return f"{head}params: {{mode: {{default: debug}}}}\n{hello}  a:\n" + "".join(f"    {line}\n" for line in lines)
