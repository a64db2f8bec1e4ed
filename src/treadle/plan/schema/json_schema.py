"""The JSON Schema of plans, for editors, made from the tables that validate plans.

It is never stricter than the validation: what it cannot express, it allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from treadle.plan.schema import keys
from treadle.plan.schema.keys import TABLES, Key, Kind
from treadle.plan.yaml.nodes import Items, Scalar, Table

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"

_TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""A scalar is a text as it is written, also if an editor sees a number."""
_ELEMENTS: Schema = {"type": "array", "items": {"anyOf": [_TEXT, {"$ref": "#/definitions/select"}]}}
_GROUP: list[Schema] = [_TEXT, {"type": "array", "items": _TEXT}]
_NAMED = ("params", "groups", "actions")
"""Keys with a table for the value of each name."""
_REQUIRED = {
    "include": "file",
    "files": "file",
    "dotenv": "file",
    "groups": "of",
    "glob": "glob",
    "tree": "tree",
    "out": "path",
    "from": "from",
    "tools": "tool",
    "retries": "max",
}
"""Table -> its required key."""
_DURATION = rf"^{keys.DURATION.pattern}$"


def plan_schema() -> Schema:
    """Return the JSON Schema of plans."""
    definitions = {name: _table(table) for name, table in TABLES.items() if name != "plan"}
    for name, key in _REQUIRED.items():
        definitions[name]["required"] = [key]
    for name in ("actions", "defaults"):
        inside = definitions[name]
        for key, takes in inside["properties"].items():
            inside["properties"][key] = _or_select(takes)
        definitions[name] = {"if": {"required": ["select"]}, "else": inside, **inside}
        del definitions[name]["additionalProperties"]
    definitions["select"] = {"type": "object", "required": ["select"], "properties": {"select": _TEXT}}
    path = {"anyOf": [_TEXT, _ref("glob"), _ref("tree"), _ref("out"), _ref("from"), _ref("select")]}
    definitions["path"] = path
    definitions["paths"] = {"anyOf": [_ref("path"), {"type": "array", "items": _ref("paths")}]}
    definitions["nested"] = {"anyOf": [_TEXT, {"type": "array", "items": _ref("nested")}]}
    top = _table(TABLES["plan"])
    top["required"] = ["treadle"]
    top["anyOf"] = [{"required": ["actions"]}, {"required": ["include"]}]
    return {"$schema": DIALECT, "title": "A plan of Treadle", **top, "definitions": definitions}


def _or_select(takes: Schema) -> Schema:
    """Return the schema of a key whose value may also be a map with `select`."""
    description = takes.pop("description")
    return {"anyOf": [takes, _ref("select")], "description": description}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _table(table: Mapping[str, Key]) -> Schema:
    properties = {name: {**_takes(key), "description": _description(key)} for name, key in table.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _description(key: Key) -> str:
    default = f"\nDefault: {key.default}." if key.default else ""
    return f"{key.meaning}{default}".replace("`", "")


def _takes(key: Key) -> Schema:
    """Return the schema of the value of a key."""
    if key.name in _NAMED and key.kind is keys.MAP:
        inside = {"anyOf": [*_GROUP, _ref("groups")]} if key.name == "groups" else _ref(key.name)
        names = {"propertyNames": {"pattern": f"^(?:{keys.NAME.pattern})$"}} if key.name == "params" else {}
        return {"type": "object", "additionalProperties": inside, **names}
    if key.name == "defaults":
        return _ref("defaults")
    if key.name == "queues":
        return {"type": "object", "additionalProperties": _whole(1)}
    if key.name == "vars":
        values = [_TEXT, {"type": "array"}, _ref("select"), _ref("files"), _ref("glob"), _ref("tree")]
        return {"type": "object", "additionalProperties": {"anyOf": values}}
    known = _KNOWN.get(key.kind.says)
    if known is not None:
        return known
    shapes = _shapes(key.kind)
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _shapes(kind: Kind) -> list[Schema]:
    """Return the schemas of the shapes of a kind."""
    found: list[Schema] = []
    if Scalar in kind.shapes:
        found.append(_TEXT)
    if Items in kind.shapes:
        found.append({"type": "array"})
    if Table in kind.shapes:
        found.append({"type": "object"})
    return found


def _whole(least: int | None = None) -> Schema:
    return {"type": "integer"} if least is None else {"type": "integer", "minimum": least}


_KNOWN: dict[str, Schema] = {
    keys.VERSION.says: {"const": 1},
    keys.TEXTS.says: {"anyOf": [_TEXT, _ELEMENTS]},
    keys.LIST.says: _ELEMENTS,
    keys.NESTED.says: _ref("nested"),
    keys.PATHS.says: {
        "anyOf": [
            _ref("paths"),
            {
                "type": "object",
                "additionalProperties": _ref("paths"),
                "propertyNames": {"not": {"enum": ["glob", "from", "select"]}},
            },
        ],
    },
    keys.BOOL.says: {"type": "boolean"},
    keys.COUNT.says: _whole(1),
    keys.AMOUNT.says: _whole(0),
    keys.INTEGER.says: _whole(),
    keys.DURATION_KIND.says: {"type": "string", "pattern": _DURATION},
    keys.LIMIT.says: {"anyOf": [{"const": "none"}, {"type": "string", "pattern": _DURATION}]},
    keys.RETRIES_KIND.says: {"anyOf": [_whole(0), _ref("retries")]},
    keys.REQUIRED.says: {
        "anyOf": [_TEXT, _ref("require"), {"type": "array", "items": {"anyOf": [_TEXT, _ref("require")]}}]
    },
    keys.TYPE.says: {"enum": list(keys.PARAM_TYPES)},
    keys.SPLIT.says: {"enum": list(keys.SPLITS)},
    keys.CHECK.says: {"enum": list(keys.CHECKS)},
    keys.OUTPUT.says: {"enum": list(keys.OUTPUTS)},
    keys.OK.says: {"const": "ok"},
    keys.INCLUDES.says: {"type": "array", "items": {"anyOf": [_TEXT, _ref("include")]}},
    keys.GIVEN.says: {"type": "object", "additionalProperties": _ref("nested")},
    keys.TOOLS.says: {"anyOf": [_TEXT, {"type": "array", "items": {"anyOf": [_TEXT, _ref("tools")]}}]},
}
"""Description of a kind -> its exact schema."""
