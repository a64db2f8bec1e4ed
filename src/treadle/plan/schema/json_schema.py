"""The JSON Schema of plans, for editors, made from the tables that validate plans.

It is never stricter than the validation: what it cannot express, it allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from treadle.core.codes import EXPECTED, MOST
from treadle.plan.schema import keys
from treadle.plan.schema.keys import TABLES, Key, Kind
from treadle.plan.yaml.nodes import Items, Scalar, Table

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"

_TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""A scalar is a text as it is written, also if an editor sees a number."""
_ELEMENTS: Schema = {"type": "array", "items": {"anyOf": [_TEXT, {"$ref": "#/definitions/select"}]}}
_GROUP: list[Schema] = [_TEXT, {"type": "array", "items": _TEXT}]
_NAMED = ("params", "groups", "actions", "mixins")
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
    "needs": "action",
    "retries": "max",
    "expect": "failure",
    "workdir": "fresh",
}
"""Table -> its required key."""
_DURATION = rf"(?:{keys.DURATION.pattern})"
_WAYS = ("run", "argv", "sh")
_NAME = f"^(?:{keys.NAME.pattern})$"
# letters and digits of all scripts are allowed, and \w means those of ASCII alone in some dialects
_ACTION_NAME = r"^(?![.+-])[^\u0000-\u002a,/:-@\[-^`{-\u007f\u00a0\u2000-\u200a\u3000]+$"
_NAME_SAYS = "a name has letters, digits and _ only, and no digit first"
_ACTION_NAME_SAYS = "a name has letters, digits and _ . + - only, and a letter, a digit or _ first"
_TABLE_NAMES = {"actions": _ACTION_NAME, "groups": _ACTION_NAME, "mixins": _ACTION_NAME}
"""Key of a plan with free names -> what these match, if they may be more than a NAME."""
_VALUE = r"\$\{[^}]*\}"
"""A value in a text: a `*` in it is none of the text."""


def _says(schema: Schema, message: str) -> Schema:
    """Return a schema whose errors say in an editor what is expected."""
    return {**schema, "errorMessage": message, "patternErrorMessage": message}


def _names(pattern: str = _NAME) -> Schema:
    """Return the schema of the names in a map."""
    return _says({"pattern": pattern}, _NAME_SAYS if pattern == _NAME else _ACTION_NAME_SAYS)


def _duration(*words: str) -> Schema:
    says = keys.LIMIT.says if words else keys.DURATION_KIND.says
    title = f"{says}, such as 90s, 5m or 1h30m"
    schema: Schema = {"title": title, "type": "string", "pattern": f"^(?:{'|'.join((*words, _DURATION))})$"}
    return _says(schema, f"expected {title}")


def _output() -> Schema:
    """Return the schema of the text of an output: a path below the root, and no pattern."""
    no_pattern = {"pattern": rf"^(?:{_VALUE}|[^*?$]|\$(?!\{{))*$"}
    is_inside = {"pattern": r"^(?!/|~$|~/|\.treadle(?:/|$))(?!(?:.*/)?\.\.(?:/|$))"}
    return {
        **_TEXT,
        "allOf": [
            _says(no_pattern, "an output is a path, not a pattern; a whole folder ends with /"),
            _says(is_inside, "outputs are paths below the root, without .."),
        ],
    }


def plan_schema() -> Schema:
    """Return the JSON Schema of plans."""
    definitions = {name: _table(table) for name, table in TABLES.items() if name != "plan"}
    for name, key in _REQUIRED.items():
        definitions[name]["required"] = [key]
    inside = definitions["actions"]["properties"]
    definitions["mixins"] = {
        **definitions["actions"],
        "properties": {key: takes for key, takes in inside.items() if key != "use"},
    }
    definitions["mixins"]["properties"] = {
        key: _or_select(dict(takes)) for key, takes in definitions["mixins"]["properties"].items()
    }
    for name in ("actions", "defaults"):
        inside = definitions[name]
        for key, takes in inside["properties"].items():
            inside["properties"][key] = _or_select(takes)
        # with a select there are also values to choose from
        known = {"properties": dict.fromkeys(inside["properties"], True), "additionalProperties": False}
        definitions[name] = {**inside, "if": {"required": ["select"]}, "else": known}
        del definitions[name]["additionalProperties"]
    ways = [{"required": [key]} for key in (*_WAYS, "use", "select")]
    one_way = "an action has one of run, argv, sh"
    definitions["actions"] |= {
        "anyOf": ways,
        "allOf": [
            _says({"not": {"required": [first, second]}}, one_way) for first, second in combinations(_WAYS, 2)
        ],
        "errorMessage": one_way,
    }
    definitions["select"] = {"type": "object", "required": ["select"], "properties": {"select": _TEXT}}
    path = {"anyOf": [_TEXT, _ref("glob"), _ref("tree"), _ref("out"), _ref("from"), _ref("select")]}
    definitions["path"] = path
    definitions["paths"] = {"anyOf": [_ref("path"), {"type": "array", "items": _ref("paths")}]}
    definitions["output"] = _by_type("object", {"anyOf": [_ref("out"), _ref("select")]}, _output())
    definitions["outputs"] = _by_type("array", {"items": _ref("outputs")}, _ref("output"))
    definitions["nested"] = {"anyOf": [_TEXT, {"type": "array", "items": _ref("nested")}]}
    top = _table(TABLES["plan"])
    top["required"] = ["treadle"]
    top["anyOf"] = [{"required": ["actions"]}, {"required": ["include"]}]
    return {"$schema": DIALECT, "title": "A plan of Treadle", **top, "definitions": definitions}


def _or_select(takes: Schema) -> Schema:
    """Return the schema of a key whose value may also be a map with `select`."""
    description = takes.pop("description")
    is_select = {"type": "object", "required": ["select"]}
    return {"if": is_select, "then": _ref("select"), "else": takes, "description": description}


def _by_type(kind: str, then: Schema, otherwise: Schema) -> Schema:
    """Return the schema of a value that is of one type, or of another schema.

    It is no anyOf: an error of one of several schemas says nothing of what was wanted.
    """
    return {"if": {"type": kind}, "then": then, "else": otherwise}


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
        names = _names(_TABLE_NAMES.get(key.name, _NAME))
        return {"type": "object", "additionalProperties": inside, "propertyNames": names}
    if key.name == "defaults":
        return _ref("defaults")
    if key.name == "queues":
        return {"type": "object", "additionalProperties": _whole(1), "propertyNames": _names()}
    if key.name == "vars":
        values = [_TEXT, {"type": "array"}, _ref("select"), _ref("files"), _ref("glob"), _ref("tree")]
        return {"type": "object", "additionalProperties": {"anyOf": values}, "propertyNames": _names()}
    if key.name in ("env", "foreach") and key.kind is keys.MAP:
        return {"type": "object", "propertyNames": _names()}
    if key.name == "out" and key.kind is keys.PATHS:
        return _slots("outputs")
    known = _KNOWN.get(key.kind.says)
    if known is not None:
        return known
    shapes = _shapes(key.kind)
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _slots(name: str) -> Schema:
    """Return the schema of inputs or outputs, which may be named."""
    reserved = {"not": {"enum": ["glob", "from", "select"]}}
    named = {"type": "object", "additionalProperties": _ref(name), "propertyNames": {**_names(), **reserved}}
    return _by_type("object", {"anyOf": [_ref(name), named]}, _ref(name))


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


_CODE: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": MOST},
        {"type": "string", "pattern": "^[0-9]+(-[0-9]+)?$"},
    ]
}
_KNOWN: dict[str, Schema] = {
    keys.VERSION.says: {"const": 1},
    keys.TEXTS.says: {"anyOf": [_TEXT, _ELEMENTS]},
    keys.LIST.says: _ELEMENTS,
    keys.NESTED.says: _ref("nested"),
    keys.PATHS.says: _slots("paths"),
    keys.BOOL.says: {"type": "boolean"},
    keys.COUNT.says: _whole(1),
    keys.AMOUNT.says: _whole(0),
    keys.INTEGER.says: _whole(),
    keys.SHARE.says: {"type": "number", "minimum": 0, "maximum": 1},
    keys.DURATION_KIND.says: _duration(),
    keys.LIMIT.says: _duration("none"),
    keys.DEMANDS.says: {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
    keys.RETRIES_KIND.says: {"anyOf": [_whole(0), _ref("retries")]},
    keys.REQUIRED.says: {
        "anyOf": [_TEXT, _ref("require"), {"type": "array", "items": {"anyOf": [_TEXT, _ref("require")]}}]
    },
    keys.NEEDS.says: {
        "anyOf": [
            _TEXT,
            _ref("needs"),
            {"type": "array", "items": {"anyOf": [_TEXT, _ref("needs"), _ref("select")]}},
        ]
    },
    keys.EXPECTS.says: {"anyOf": [_whole(1), {"enum": [*keys.MATCHES]}]},
    keys.TYPE.says: {"enum": list(keys.PARAM_TYPES)},
    keys.SPLIT.says: {"enum": list(keys.SPLITS)},
    keys.CHECK.says: {"enum": list(keys.CHECKS)},
    keys.OUTPUT.says: {"enum": list(keys.OUTPUTS)},
    keys.OK.says: {"const": "ok"},
    keys.NUMBERS.says: {"anyOf": [_CODE, {"type": "array", "items": {"anyOf": [_CODE, _ref("select")]}}]},
    keys.CODES.says: _ref("codes"),
    keys.EXPECT.says: {"anyOf": [{"enum": list(EXPECTED)}, _ref("expect")]},
    keys.ARTIFACTS.says: {
        "type": "object",
        "additionalProperties": {"enum": ["always", "success", "failure", "never"]},
    },
    keys.WORKDIR.says: {"anyOf": [{"const": "fresh"}, _ref("workdir")]},
    keys.CACHE.says: {"anyOf": [{"const": "local"}, _ref("cache")]},
    keys.STORE.says: {"anyOf": [{"const": True}, _ref("store")]},
    keys.STORE_FOLDER.says: {"enum": ["user", "project"]},
    keys.CACHED.says: {"anyOf": [{"type": "boolean"}, _ref("cached")]},
    keys.PLACEMENT.says: {"enum": ["link", "copy"]},
    keys.INCLUDES.says: {"type": "array", "items": {"anyOf": [_TEXT, _ref("include")]}},
    keys.GIVEN.says: {"type": "object", "additionalProperties": _ref("nested")},
    keys.TOOLS.says: {"anyOf": [_TEXT, {"type": "array", "items": {"anyOf": [_TEXT, _ref("tools")]}}]},
}
"""Description of a kind -> its exact schema."""
