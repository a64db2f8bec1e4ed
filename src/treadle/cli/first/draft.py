"""A draft of a plan: what somebody has found in a folder, as actions and as remarks, before it is written down.

It knows nothing of where it comes from, nor of YAML.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Value = Any

_ODD = re.compile(r"[^A-Za-z0-9_.+-]+")
_WILD = re.compile(r"[*?\[]")

SAFE = re.compile(r"[A-Za-z0-9_./=+,:@%-]+")
"""A word that needs no quotes in a command."""
OWN_SHELL = re.compile(r"(^|[;&|(]\s*)(cd|export|set|exit|exec|umask|trap)\b")
"""A line of a shell that changes the shell it runs in."""

REFERENCES = ("needs", "after")
"""Keys of an action that name other actions."""


class DraftAction:
    """One action on its way.

    :param name: its name, made fit for a plan
    :param keys: what stands in it, in this order
    :param notes: remarks that stand above it
    """

    __slots__ = ("keys", "makes", "name", "notes", "trouble")

    def __init__(self, name: str, keys: dict[str, Value], notes: Iterable[str] = ()) -> None:
        self.name = action_name(name)
        self.keys = keys
        self.notes = list(notes)
        self.makes: set[str] = set()
        """The outputs of all that it stands for, if it is a family."""
        self.trouble = ""
        """Why it cannot stand in the plan: it is written as a remark then."""


class Draft:
    """What was found in one place.

    :param origin: the file, or what else it comes from
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.params: dict[str, Value] = {}
        self.vars: dict[str, Value] = {}
        self.shell: list[str] = []
        """The shell of each `sh`, empty for that of plans."""
        self.actions: list[DraftAction] = []
        self.groups: dict[str, list[str]] = {}
        self.group_help: dict[str, str] = {}
        self.default: list[str] = []
        self.notes: list[str] = []
        """What was not taken over, each with its reason."""

    def add(self, name: str, keys: dict[str, Value], notes: Iterable[str] = ()) -> DraftAction:
        """Add an action; keys without a value are left out."""
        kept = {key: value for key, value in keys.items() if value not in ("", [], {}, None, False)}
        action = DraftAction(name, kept, notes)
        self.actions.append(action)
        return action


def action_name(text: str) -> str:
    """Return a text as the name of an action."""
    name = _ODD.sub("-", text).strip("-") or "action"
    return name if name[0].isalnum() or name[0] == "_" else f"a{name}"


def literal(text: str) -> str:
    """Return a text of another tool such that plans take none of it for a value of theirs."""
    return text.replace("${", "$${")


def merged(drafts: list[Draft]) -> Draft:
    """Return several drafts as one; names that two of them have are told apart by where they come from."""
    whole = drafts[0]
    for draft in drafts[1:]:
        _join(whole, draft)
    return whole


def _join(whole: Draft, draft: Draft) -> None:
    taken = {action.name for action in whole.actions} | whole.groups.keys()
    prefix = action_name(draft.origin.partition(".")[0].lower())
    new = {name: f"{prefix}-{name}" for name in (*(a.name for a in draft.actions), *draft.groups) if name in taken}
    for name in (whole.vars.keys() | whole.params.keys()) & (draft.vars.keys() | draft.params.keys()):
        if whole.vars.get(name) != draft.vars.get(name) or whole.params.get(name) != draft.params.get(name):
            draft.notes.append(f"its variable {name} has another value than the one above")
    if whole.default or draft.default:
        whole.default = _by_default(whole) + [new.get(name, name) for name in _by_default(draft)]
    if draft.shell != whole.shell:
        for one in (whole, draft):
            for action in one.actions:
                if one.shell and "sh" in action.keys:
                    action.keys.setdefault("shell", list(one.shell))
        whole.shell = []
    for action in draft.actions:
        action.name = new.get(action.name, action.name)
        for key in REFERENCES:
            if key in action.keys:
                action.keys[key] = [new.get(name, name) for name in action.keys[key]]
        whole.actions.append(action)
    whole.params = {**draft.params, **whole.params}
    whole.vars = {**draft.vars, **whole.vars}
    for name, members in draft.groups.items():
        whole.groups[new.get(name, name)] = [new.get(member, member) for member in members]
    whole.group_help |= {new.get(name, name): told for name, told in draft.group_help.items()}
    whole.notes += [f"{draft.origin}: {note}" for note in draft.notes]
    whole.origin += f", {draft.origin}"


def _by_default(draft: Draft) -> list[str]:
    """Return what a bare run of a draft alone would do."""
    return draft.default or [action.name for action in draft.actions if "out" in action.keys]


def settle(draft: Draft, root: str) -> None:
    """Take out of a draft what no plan may hold: doubled names, inputs that are not there, names of nobody."""
    _tell_apart(draft)
    inside = [action for action in draft.actions if not action.trouble]
    families = {path for action in inside for path in action.makes}
    outputs = families | {path for action in inside for path in paths(action.keys.get("out"))}
    for action in inside:
        if "in" in action.keys:
            _drop_missing(action, root, outputs)
    while True:
        names = {action.name for action in draft.actions if not action.trouble} | draft.groups.keys() | families
        lost = False
        for action in draft.actions:
            for key in REFERENCES:
                if key in action.keys:
                    gone = [name for name in action.keys[key] if name not in names]
                    action.keys[key] = [name for name in action.keys[key] if name in names]
                    if not action.keys[key]:
                        del action.keys[key]
                    if gone:
                        action.notes.append(f"{', '.join(gone)} came before it there, and is no action here")
        for group, members in list(draft.groups.items()):
            gone = [name for name in members if name not in names]
            draft.groups[group] = [name for name in members if name in names]
            if gone:
                draft.notes.append(f"{group}: {', '.join(gone)} is part of it there, and no action here")
            if not draft.groups[group]:
                del draft.groups[group]
                lost = True
        if not lost:
            break
    draft.default = [name for name in draft.default if name in names]


def _tell_apart(draft: Draft) -> None:
    seen: set[str] = set(draft.groups)
    for action in draft.actions:
        name, number = action.name, 2
        while action.name in seen:
            action.name = f"{name}-{number}"
            number += 1
        seen.add(action.name)


def paths(value: Value) -> Iterator[str]:
    """Yield the paths in the value of `in` or `out`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from paths(one)
    elif isinstance(value, dict) and not {"from", "glob"} & value.keys():
        for one in value.values():
            yield from paths(one)


def _drop_missing(action: DraftAction, root: str, outputs: set[str]) -> None:
    def is_there(path: str) -> bool:
        if "${" in path or path in outputs or path.rstrip("/") in outputs or path.rstrip("/") + "/" in outputs:
            return True
        if any(made.endswith("/") and path.startswith(made) for made in outputs):
            return True
        return _is_on_disk(root, path)

    value = action.keys["in"]
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        return
    listed = [f"{one}/" if isinstance(one, str) and f"{one}/" in outputs else one for one in listed]
    action.keys["in"] = listed[0] if isinstance(value, str) else listed
    lost = [path for path in listed if isinstance(path, str) and not is_there(path)]
    if lost and any("${in}" in str(action.keys.get(key, "")) for key in ("run", "sh")):
        action.trouble = f"it is given {', '.join(lost)}, which is not there now and which no action makes"
    elif lost:
        action.notes.append(f"it reads {', '.join(lost)} too, which is not there now and which no action makes")
        kept = [path for path in listed if path not in lost]
        if kept:
            action.keys["in"] = kept
        else:
            del action.keys["in"]


def _is_on_disk(root: str, path: str) -> bool:
    if not _WILD.search(path):
        return os.path.exists(os.path.join(root, path))
    from glob import iglob

    return next(iglob(path, root_dir=root, recursive=True), None) is not None
