"""Writes the keys of plans into docs/reference/plan-keys.md, from the tables that validate plans.

Called as `python docs/_tools/plan_reference.py`. It replaces only the text between `<!-- keys of NAME -->` and
`<!-- end of keys -->`. Each key gets a heading of its own, so that it has an anchor: `plan-keys.md#action-retries`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from treadle.plan.schema.keys import TABLES, Key
from treadle.plan.schema.pages import PAGE as NAME
from treadle.plan.schema.pages import anchor_of, title_of

PAGE = Path(__file__).parents[2] / NAME
BETWEEN = re.compile(r"(?<=<!-- keys of )(\w+)( -->\n).*?(?=\n<!-- end of keys -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return a page with its keys as they are now."""
    return BETWEEN.sub(lambda found: f"{found[1]}{found[2]}\n{_keys(found[1])}\n", text)


def _keys(table: str) -> str:
    keys = TABLES[table]
    if table == "defaults":
        return "Its keys: " + ", ".join(f"[`{name}`](#{anchor_of('actions', name)})" for name in sorted(keys)) + "."
    return "\n\n".join([_overview(table, keys), *(_section(table, key) for key in keys.values())])


def _overview(table: str, keys: Mapping[str, Key]) -> str:
    return " · ".join(f"[`{name}`](#{anchor_of(table, name)})" for name in keys)


def _section(table: str, key: Key) -> str:
    lines = [f"### {title_of(table)}: `{key.name}`", "", key.meaning, "", f"- Takes: {key.kind.says}."]
    if key.default:
        lines.append(f"- Default: {key.default}.")
    return "\n".join([*lines, "", "```yaml", key.example, "```"])


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
