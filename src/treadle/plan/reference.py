"""Makes the reference page of the plan language, from the tables of keys and the prose beside this file.

`python -m treadle.plan.reference > docs/plan.md` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping

from .prose import OPENING, TITLES, VALUES
from .prose_rules import RULES
from .schema import keys as schema
from .schema.keys import Key

TABLES: dict[str, Mapping[str, Key]] = {
    "plan": schema.PLAN_KEYS,
    "include": schema.INCLUDE_KEYS,
    "params": schema.PARAM_KEYS,
    "files": schema.FILE_KEYS,
    "groups": schema.GROUP_KEYS,
    "defaults": schema.DEFAULTS_KEYS,
    "actions": schema.ACTION_KEYS,
    "glob": schema.GLOB_KEYS,
    "from": schema.FROM_KEYS,
    "dotenv": schema.DOTENV_KEYS,
    "tools": schema.TOOL_KEYS,
    "retries": schema.RETRIES_KEYS,
}


def page() -> str:
    """Return the page, in Markdown."""
    parts = [OPENING.strip()]
    for name, keys in TABLES.items():
        parts.append(TITLES[name].strip())
        parts.append(_names(keys) if name == "defaults" else _table(keys))
    parts += [VALUES.strip(), RULES.strip()]
    return "\n\n".join(parts) + "\n"


def _names(keys: Mapping[str, Key]) -> str:
    return "Its keys: " + ", ".join(f"`{name}`" for name in sorted(keys)) + "."


def _table(keys: Mapping[str, Key]) -> str:
    rows = ["| key | takes | meaning | if left out | example |", "| --- | --- | --- | --- | --- |"]
    for key in keys.values():
        cells = [f"`{key.name}`", key.kind.says, key.meaning, key.default, _code(key.example)]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _code(example: str) -> str:
    return "<br>".join(f"`{line}`" for line in example.replace("\n  ", "\n&nbsp;&nbsp;").split("\n")).replace(
        "`&nbsp;&nbsp;", "&nbsp;&nbsp;`"
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
