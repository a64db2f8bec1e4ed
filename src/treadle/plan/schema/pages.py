"""Where the documentation has a key of plans: its anchor on the page of plan keys.

It knows the tables of keys and the titles of their sections. Errors name these places, and the tool that writes the
page makes its headings by them.
"""

from __future__ import annotations

from collections.abc import Mapping

from .keys import TABLES, Key

PAGE = "docs/reference/plan-keys.md"
TITLES = {
    "plan": "Plan",
    "include": "Include",
    "params": "Parameter",
    "files": "File of values",
    "groups": "Group",
    "defaults": "Defaults",
    "actions": "Action",
    "glob": "Glob",
    "tree": "Tree",
    "out": "Output folder",
    "from": "From",
    "dotenv": "Dotenv",
    "tools": "Tool",
    "require": "Require",
    "needs": "Needs",
    "retries": "Retries",
    "codes": "Codes",
    "expect": "Expect",
    "workdir": "Workdir",
    "pool": "Instances",
    "cache": "Cache",
    "store": "Local cache",
    "cached": "Cache of an action",
    "engine": "Engine",
    "workers": "Workers",
}
"""What precedes the name of a key in its heading: `cache` is a key of plans and of actions."""


def title_of(table: str) -> str:
    """Return what precedes the names of the keys of a table in their headings."""
    return TITLES.get(table, table.capitalize())


def anchor_of(table: str, name: str) -> str:
    """Return the anchor of a key."""
    return f"{title_of(table)}-{name}".lower().replace(" ", "-")


def page_of_key(key: Key) -> str:
    """Return the page of a key, with its anchor; without one if the key is in no table."""
    for table, keys in TABLES.items():
        if table != "defaults" and any(one is key for one in keys.values()):
            return f"{PAGE}#{anchor_of(table, key.name)}"
    return PAGE


def page_of_keys(keys: Mapping[str, Key]) -> str:
    """Return the page of a table of keys, with the anchor of its first key."""
    for table, known in TABLES.items():
        if known is keys and table != "defaults":
            return f"{PAGE}#{anchor_of(table, next(iter(known)))}"
    return PAGE
