"""Writes the tables of keys into docs/reference/plan.md, from the tables that validate plans.

Called as `python docs/_tools/plan_reference.py`. It replaces only the text between `<!-- keys of NAME -->` and
`<!-- end of keys -->`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from treadle.plan.schema.keys import TABLES, Key

PAGE = Path(__file__).parents[1] / "reference/plan.md"
BETWEEN = re.compile(r"(?<=<!-- keys of )(\w+)( -->\n).*?(?=\n<!-- end of keys -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return a page with its tables as they are now."""
    return BETWEEN.sub(lambda found: f"{found[1]}{found[2]}\n{_keys(found[1])}\n", text)


def _keys(name: str) -> str:
    keys = TABLES[name]
    return _names(keys) if name == "defaults" else _table(keys)


def _names(keys: Mapping[str, Key]) -> str:
    return "Its keys: " + ", ".join(f"`{name}`" for name in sorted(keys)) + "."


def _table(keys: Mapping[str, Key]) -> str:
    rows = ["| key | takes | meaning | default | example |", "| --- | --- | --- | --- | --- |"]
    for key in keys.values():
        cells = [f"`{key.name}`", key.kind.says, key.meaning, key.default, _code(key.example)]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _code(example: str) -> str:
    return "<br>".join(f"`{line}`" for line in example.replace("\n  ", "\n&nbsp;&nbsp;").split("\n")).replace(
        "`&nbsp;&nbsp;", "&nbsp;&nbsp;`"
    )


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
