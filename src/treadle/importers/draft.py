"""A draft of a plan: what was found in a folder, as actions and as remarks, before it is written down.

It holds the rule of all importers: an action is live only if everything that its source says about it was
understood. Anything else leaves it out, as a remark with the reason and its original text, and with it what depends
on it: the plan never does what the source would not have done. It knows nothing of where a draft comes from, nor of
YAML.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase

from treadle.errors import listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from typing import Any

    Value = Any

_ODD = re.compile(r"[^A-Za-z0-9_.+-]+")
_WILD = re.compile(r"[*?\[]")

_VALUE = re.compile(r"(?<!\$)\$\{([\w.]+)\}")

SAFE = re.compile(r"[A-Za-z0-9_./=+,:@%-]+")
"""A word that needs no quotes in a command."""
OWN_SHELL = re.compile(
    r"(^|[;&|({\n]\s*|\b(?:then|do|else|if|while|until)\s+|!\s+)"
    r"(cd|pushd|popd|export|set|shopt|exit|return|exec|umask|trap|ulimit|alias|unalias|unset|shift|read|readonly"
    r"|declare|typeset|local|let|getopts|eval|source|\.|for|select|function|printf\s+-v|wait|break|continue|hash"
    r"|[A-Za-z_]\w*\+?=|[A-Za-z_]\w*\s*\(\))(?![\w./-])"
    r"|(^|[;&|({\n]\s*)[A-Za-z_]\w*(\[[^]]*\])?\+?=|\$\{\w+:?=|(?<!&)&\s*$"
)
"""A line of a shell that may change the shell it runs in: the next line would see it."""
_SPECIAL_TO_SHELLS = re.compile(r"[;&|#\n\\(){}<>`]|\$\(|\b(cd|exit|set|if|for|while|case|until)\b")
"""What a command that ends in ` || true` must not hold: it gets a shell of its own instead."""
_READ_VARIABLE = re.compile(r"(?<![\\$])(?:\$|\$\$\{[#!]?)([A-Za-z_]\w*)")
"""A variable of the environment in a script of a plan, where `$${` is the shell's own brace."""
_WRITTEN_VARIABLE = re.compile(
    r"(?:^|[\s;&|(])([A-Za-z_]\w*)\+?=|\b(?:for|read(?:\s+-\w+)*|select|getopts\s+\S+)\s+([A-Za-z_]\w*)"
)
_SHELL_SETS = frozenset(
    (
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "TZ",
        "TMPDIR",
        "TERM",
        "PWD",
        "OLDPWD",
        "IFS",
        "PPID",
        "UID",
    )
)
"""Variables that every action has, or that a shell sets by itself."""

REFERENCES = ("needs", "after")
"""Keys of an action that name other actions."""


class DraftAction:
    """One action on its way.

    :param name: its name, made fit for a plan
    :param keys: what stands in it, in this order
    :param notes: remarks that stand above it
    """

    __slots__ = ("keys", "makes", "name", "notes", "original", "trouble")

    def __init__(self, name: str, keys: dict[str, Value], notes: Iterable[str] = ()) -> None:
        self.name = action_name(name)
        self.keys = keys
        self.notes = list(notes)
        self.makes: set[str] = set()
        """The outputs of all that it stands for, if it is a family or was left out."""
        self.trouble = ""
        """Why it cannot stand in the plan: it is written as a remark then."""
        self.original = ""
        """What the source says of it, shown where it was left out; its keys if empty."""


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
        self.default: list[str] | None = None
        """What a bare run does. None: all that has outputs; empty: names must be given."""
        self.notes: list[str] = []
        """What was not taken over, each with its reason."""
        self.products: set[str] = set()
        """Paths that the source itself has on record as made."""
        self.may_lack_inputs = False
        """Whether the source bears inputs that are not there and that no action makes."""

    def add(self, name: str, keys: dict[str, Value], notes: Iterable[str] = ()) -> DraftAction:
        """Add an action; keys without a value are left out."""
        kept = {key: value for key, value in keys.items() if value not in ("", [], {}, None, False)}
        given = _from_outside(kept)
        if given:
            kept["pass"] = [*kept.get("pass", []), *given]
        action = DraftAction(name, kept, notes)
        self.actions.append(action)
        return action

    def plain(self, text: str, unknown: str = "*") -> str:
        """Return a text of the plan with the values of its variables in their places.

        :param unknown: what stands for a value that is not known, or that there are several of
        """
        defaults = {name: one.get("default") for name, one in self.params.items()}
        return _without_values(text, {**defaults, **self.vars}, unknown)

    def made_by(self, action: DraftAction) -> Iterator[str]:
        """Yield the paths that an action makes, with a `*` for each value that is not known."""
        yield from action.makes
        for path in paths([action.keys.get("out"), action.keys.get("stdout"), action.keys.get("depfile")]):
            yield self.plain(path)

    def leave_out(self, name: str, reason: str, original: str = "", makes: Iterable[str] = ()) -> DraftAction:
        """Add an action that is only a remark, and of which all that depends on it is left out too.

        :param reason: what about it was not understood
        :param original: its text in the source
        :param makes: the files that it makes there, as far as they are known
        """
        action = DraftAction(name, {})
        action.trouble, action.original = reason, original
        action.makes.update(makes)
        self.actions.append(action)
        return action


def _without_values(text: str, values: Mapping[str, Value], unknown: str) -> str:
    def value(found: re.Match[str]) -> str:
        one = values.get(found.group(1))
        return one if isinstance(one, str) else unknown

    return _VALUE.sub(value, text)


def not_understood(
    said: Mapping[str, Value], understood: Collection[str], known: Collection[str] = ()
) -> list[str]:
    """Return what a source says under keys that its importer does not understand, as texts.

    :param understood: the keys whose meaning the importer takes over, whatever they hold
    :param known: keys that say nothing while they are empty or false, and are not understood else
    """
    return [
        f"{key}: {short(value)}"
        for key, value in said.items()
        if key not in understood and not (key in known and value in (None, False, "", [], {}))
    ]


def short(value: Value) -> str:
    """Return a value of a source in a line that is not too long."""
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:197] + "..."


def in_own_shells(commands: list[str]) -> list[str]:
    """Return commands such that none of them changes the shell of the next."""
    if len(commands) < 2:
        return commands
    return [in_own_shell(one) if OWN_SHELL.search(one) and not one.startswith("#") else one for one in commands]


def in_own_shell(command: str) -> str:
    """Return a command that runs in a shell of its own."""
    # a comment or a here-document would take the bracket
    return f"({command}\n)" if re.search(r"[#\n\\]|<<", command) else f"({command})"


def without_failure(command: str) -> str:
    """Return a command whose failure does not count."""
    return f"({command}\n) || true" if _SPECIAL_TO_SHELLS.search(command) else f"{command} || true"


def _from_outside(keys: Mapping[str, Value]) -> list[str]:
    """Return the variables of the environment that a script reads: a plan gives only those that are declared.

    A script that asks for one, as for CONFIRM or DRY_RUN, would find it unset whatever the caller says.
    """
    script = keys.get("sh")
    if not isinstance(script, str):
        return []
    written = {name for found in _WRITTEN_VARIABLE.finditer(script) for name in found.groups() if name}
    ours = written | _SHELL_SETS | keys.get("env", {}).keys() | set(keys.get("pass", ()))
    read = dict.fromkeys(_READ_VARIABLE.findall(script))
    return [name for name in read if name not in ours and not name.startswith(("LC_", "XDG_", "TREADLE", "BASH"))]


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
    if whole.default is not None or draft.default is not None:
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
    whole.products |= draft.products
    whole.may_lack_inputs &= draft.may_lack_inputs
    whole.notes += [f"{draft.origin}: {note}" for note in draft.notes]
    whole.origin += f", {draft.origin}"


def _by_default(draft: Draft) -> list[str]:
    """Return what a bare run of a draft alone would do."""
    if draft.default is not None:
        return draft.default
    return [action.name for action in draft.actions if "out" in action.keys]


def settle(draft: Draft, root: str) -> None:
    """Leave out of a draft what no plan may hold, and all that depends on it.

    That is what reads inputs that are not there, and what needs what was left out.
    """
    _tell_apart(draft)
    inside = [action for action in draft.actions if not action.trouble]
    outputs = {path for action in draft.actions for path in draft.made_by(action)}
    for action in inside:
        if "in" in action.keys:
            _find_missing(action, root, outputs, draft)
    while _leave_out_next(draft):
        pass
    if draft.default is not None:
        names = _names(draft)
        draft.default = [name for name in draft.default if name in names]


def _names(draft: Draft) -> set[str]:
    """Return what may be named in the plan: actions, groups, outputs of families."""
    live = [action for action in draft.actions if not action.trouble]
    return (
        {action.name for action in live}
        | draft.groups.keys()
        | {path for one in live for path in draft.made_by(one)}
    )


def _leave_out_next(draft: Draft) -> bool:
    """Leave out what depends on what was left out already; return whether there was anything."""
    names = _names(draft)
    made = {path: action.name for action in draft.actions if not action.trouble for path in draft.made_by(action)}
    lost = {
        path: action.name
        for action in draft.actions
        if action.trouble
        for path in draft.made_by(action)
        if path not in made
    }
    found = False
    for action in draft.actions:
        if not action.trouble and (reason := _needs_what_is_lost(draft, action, names, lost)):
            action.trouble, found = reason, True
    for group, members in list(draft.groups.items()):
        gone = [name for name in members if name not in names]
        if gone:
            del draft.groups[group]
            draft.leave_out(
                group, f"{_listed(gone)} part of it, and no action here", f"{group}: {listed(members, 30)}"
            )
            found = True
    return found


def _needs_what_is_lost(draft: Draft, action: DraftAction, names: set[str], lost: Mapping[str, str]) -> str:
    """Return why an action cannot be live, "" if all that it depends on is."""
    gone = [name for key in REFERENCES for name in action.keys.get(key, ()) if name not in names]
    if gone:
        return f"{_listed(gone)} needed by it, and no action here"
    value = action.keys.get("in")
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and "from" in one and one["from"] not in names:
            return f"it reads what {one['from']} makes, which is left out"
        for path, maker in lost.items():
            if _takes(draft, one, path):
                return f"it reads {path}, which {maker} makes, and that is left out"
    return ""


def _listed(names: list[str]) -> str:
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'}"


def _takes(draft: Draft, value: Value, path: str) -> bool:
    """Return whether an entry of `in` reads a path: by its name, as part of a tree, or by a glob."""
    if isinstance(value, dict):
        return any(_takes(draft, one, path) for one in paths(value.get("glob", list(value.values()))))
    if not isinstance(value, str):
        return False
    value = draft.plain(value)
    if value == path or value.rstrip("/") == path.rstrip("/") or ("*" in path and fnmatchcase(value, path)):
        return True
    if value.endswith("/") or path.endswith("/"):
        return path.startswith(value) if value.endswith("/") else value.startswith(path)
    return bool(_WILD.search(value)) and fnmatchcase(path, value)


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


def _find_missing(action: DraftAction, root: str, outputs: set[str], draft: Draft) -> None:
    """Leave out an action that reads what is not there and what nothing makes, as its source refuses to run it.

    Where the source runs it nevertheless, it is run each time, as its input is not watched.
    """

    def is_there(path: str) -> bool:
        path = draft.plain(path, unknown="${")
        if "${" in path or path in outputs or path.rstrip("/") in outputs or path.rstrip("/") + "/" in outputs:
            return True
        if any(made.endswith("/") and path.startswith(made) for made in outputs):
            return True
        return _is_on_disk(root, path)

    value = action.keys["in"]
    read = [value] if isinstance(value, str) else value
    if not isinstance(read, list):
        return
    read = [f"{one}/" if isinstance(one, str) and f"{one}/" in outputs else one for one in read]
    action.keys["in"] = read[0] if isinstance(value, str) else read
    lost = [path for path in read if isinstance(path, str) and not is_there(path)]
    if not lost:
        return
    gone = f"{listed(lost)}, which is not there now and which no action makes"
    if not draft.may_lack_inputs or any("${in}" in str(action.keys.get(key, "")) for key in ("run", "sh")):
        action.trouble = f"it reads {gone}"
        return
    action.notes.append(f"it reads {gone}: it runs each time")
    action.keys["always"] = True
    kept = [path for path in read if path not in lost]
    if kept:
        action.keys["in"] = kept
    else:
        del action.keys["in"]


def _is_on_disk(root: str, path: str) -> bool:
    if not _WILD.search(path):
        return os.path.exists(os.path.join(root, path))
    from glob import iglob

    return next(iglob(path, root_dir=root, recursive=True), None) is not None
