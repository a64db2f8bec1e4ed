"""A draft of a plan: what was found in a folder, as actions and as remarks, before it is written down.

It holds the rule of all importers: an action is live only if everything that its source says about it was
understood. Otherwise it is left out, as a remark with the reason and its original text, and with it what depends on
it: the plan never does what the source would not have done. This module knows neither the sources nor YAML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import iglob
from typing import Any

from treadle.errors import listed

from .scripts import asks, variables_from_outside

_ODD = re.compile(r"[^A-Za-z0-9_.+-]+")
_WILD = re.compile(r"[*?\[]")
_VALUE = re.compile(r"(?<!\$)\$\{([\w.]+)\}")

REFERENCES = ("needs", "after")
"""Keys of an action that name other actions."""


@dataclass(slots=True, eq=False)
class DraftAction:
    """One action of a draft.

    :ivar name: its name, fit for a plan
    :ivar keys: its keys, in the order in which they are written
    :ivar notes: remarks above it
    :ivar makes: the outputs of all instances of a family, and those of an action that is left out
    :ivar removes: the paths that it removes, if it does nothing else
    :ivar left_out: why it is no action of the plan but a remark, "" if it is one
    :ivar original: its text in the source, shown if it is left out; if empty, its keys are shown
    """

    name: str
    keys: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    makes: set[str] = field(default_factory=set)
    removes: list[str] = field(default_factory=list)
    left_out: str = ""
    original: str = ""


@dataclass(slots=True, eq=False)
class Draft:
    """What was found in one place.

    :ivar origin: the file, or what else it comes from
    :ivar shell: the shell of each `sh`, empty for that of plans
    :ivar defaults: what holds for all its actions
    :ivar default_notes: remarks above that
    :ivar queues: queues with their sizes
    :ivar aliases: groups that are only another name of an action
    :ivar default: what a bare run does; None for all that has outputs, empty if names must be given
    :ivar notes: what was not taken over, each with its reason
    :ivar products: paths that the source itself has on record as made
    :ivar passes_environment: whether the source hands on all variables of the environment
    :ivar leaves_outputs_alone: whether its actions make their outputs and nothing else, so that a cache can bring
        back all of it: Treadle has written the commands; rules of another tool may make more than they say
    :ivar may_lack_inputs: whether the source runs actions whose inputs are not there and that no action makes
    """

    origin: str
    params: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    shell: list[str] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    default_notes: list[str] = field(default_factory=list)
    actions: list[DraftAction] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    group_help: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    queues: dict[str, int] = field(default_factory=dict)
    default: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    products: set[str] = field(default_factory=set)
    leaves_outputs_alone: bool = False
    may_lack_inputs: bool = False
    passes_environment: bool = False

    def add(self, name: str, keys: dict[str, Any], notes: Iterable[str] = ()) -> DraftAction:
        """Add an action; keys without a value are dropped, variables that its script reads are passed."""
        kept = {key: value for key, value in keys.items() if value not in ("", [], {}, None, False)}
        if names := variables_from_outside(kept):
            kept["pass"] = [*kept.get("pass", []), *names]
        if asks(kept):
            kept["console"] = True
        action = DraftAction(action_name(name), kept, list(notes))
        self.actions.append(action)
        return action

    def add_group(self, name: str, members: Iterable[str], help_text: str) -> None:
        """Add a group; each member counts once."""
        self.groups[name] = list(dict.fromkeys(members))
        self.group_help[name] = help_text

    def leave_out(self, name: str, reason: str, original: str = "", makes: Iterable[str] = ()) -> DraftAction:
        """Add an action that is only a remark; all that depends on it is left out too.

        :param reason: what about it was not understood
        :param original: its text in the source
        :param makes: the files that it makes there, as far as they are known
        """
        action = DraftAction(action_name(name), makes=set(makes), left_out=reason, original=original)
        self.actions.append(action)
        return action

    @property
    def live(self) -> list[DraftAction]:
        """The actions that are not left out."""
        return [action for action in self.actions if not action.left_out]

    def plain(self, text: str, unknown: str = "*") -> str:
        """Return a text of the plan with the values of its variables in their places.

        :param unknown: what replaces a value that is not known, or that there are several of
        """
        values = {**{name: one.get("default") for name, one in self.params.items()}, **self.vars}

        def value(match: re.Match[str]) -> str:
            one = values.get(match.group(1))
            return one if isinstance(one, str) else unknown

        return _VALUE.sub(value, text)

    def made_by(self, action: DraftAction) -> Iterator[str]:
        """Yield the paths that an action makes, with a `*` for each value that is not known."""
        yield from action.makes
        for path in paths([action.keys.get("out"), action.keys.get("stdout"), action.keys.get("depfile")]):
            yield self.plain(path)

    def all_by_default(self) -> list[str]:
        """Return what a bare run of this draft alone would do."""
        if self.default is not None:
            return self.default
        return [action.name for action in self.actions if "out" in action.keys]


def action_name(text: str) -> str:
    """Return a text as the name of an action."""
    name = _ODD.sub("-", text).strip("-") or "action"
    return name if name[0].isalnum() or name[0] == "_" else f"a{name}"


def free_name(name: str, taken: Container[str]) -> str:
    """Return a name, with a number after it if it is taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def single(values: Sequence[Any]) -> Any:
    """Return a list as plans have it: a single value needs none."""
    return values[0] if len(values) == 1 else values


def paths(value: Any) -> Iterator[str]:
    """Yield the paths in the value of `in` or `out`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from paths(one)
    elif isinstance(value, dict) and "tree" in value:
        yield value["tree"]
    elif isinstance(value, dict) and not {"from", "glob"} & value.keys():
        for one in value.values():
            yield from paths(one)


def merged(drafts: list[Draft]) -> Draft:
    """Return several drafts as one; where two have a name, that of the later one begins with its origin."""
    whole = drafts[0]
    for draft in drafts[1:]:
        _join(whole, draft)
    return whole


def _join(whole: Draft, draft: Draft) -> None:
    taken = {action.name for action in whole.actions} | whole.groups.keys()
    prefix = action_name(draft.origin.partition(".")[0].lower())
    new = {name: f"{prefix}-{name}" for name in (*(a.name for a in draft.actions), *draft.groups) if name in taken}

    def renamed(names: Iterable[str]) -> list[str]:
        return [new.get(name, name) for name in names]

    for name in (whole.vars.keys() | whole.params.keys()) & (draft.vars.keys() | draft.params.keys()):
        if whole.vars.get(name) != draft.vars.get(name) or whole.params.get(name) != draft.params.get(name):
            draft.notes.append(f"its variable {name} has another value than the one above")
    if whole.default is not None or draft.default is not None:
        whole.default = whole.all_by_default() + renamed(draft.all_by_default())
    for one in (whole, draft):
        for key in [key for key in one.defaults if key != "pass"]:
            # it would hold for the actions of the others too
            value = one.defaults.pop(key)
            for action in one.actions:
                action.keys.setdefault(key, value)
    whole.defaults = {
        "pass": list(dict.fromkeys([*whole.defaults.get("pass", ()), *draft.defaults.get("pass", ())]))
    }
    whole.default_notes += [one for one in draft.default_notes if one not in whole.default_notes]
    if draft.shell != whole.shell:
        for one in (whole, draft):
            for action in one.actions:
                if one.shell and "sh" in action.keys:
                    action.keys.setdefault("shell", list(one.shell))
        whole.shell = []
    for action in draft.actions:
        action.name = new.get(action.name, action.name)
        action.keys.update({key: renamed(action.keys[key]) for key in REFERENCES if key in action.keys})
        whole.actions.append(action)
    whole.params = {**draft.params, **whole.params}
    whole.vars = {**draft.vars, **whole.vars}
    whole.groups |= {new.get(name, name): renamed(members) for name, members in draft.groups.items()}
    whole.aliases |= {new.get(name, name) for name in draft.aliases}
    whole.group_help |= {new.get(name, name): text for name, text in draft.group_help.items()}
    whole.passes_environment |= draft.passes_environment
    whole.queues |= draft.queues
    whole.products |= draft.products
    whole.may_lack_inputs &= draft.may_lack_inputs
    whole.leaves_outputs_alone &= draft.leaves_outputs_alone
    whole.notes += [f"{draft.origin}: {note}" for note in draft.notes]
    whole.origin += f", {draft.origin}"


def settle(draft: Draft, root: str) -> None:
    """Leave out of a draft what no plan may hold, and all that depends on it.

    That is what reads inputs that are not there, and what needs an action that is left out.
    """
    taken = set(draft.groups)
    for action in draft.actions:
        action.name = free_name(action.name, taken)
        taken.add(action.name)
    outputs = {path for action in draft.actions for path in draft.made_by(action)}
    for action in draft.live:
        if "in" in action.keys:
            _check_inputs(action, root, outputs, draft)
    while _leave_out_next(draft):
        pass
    if draft.default is not None:
        names = _names(draft)
        draft.default = [name for name in draft.default if name in names]


def _names(draft: Draft) -> set[str]:
    """Return what may be named in the plan: actions, groups, outputs of families."""
    return {action.name for action in draft.live} | draft.groups.keys() | _made(draft)


def drop_cleaning(draft: Draft) -> bool:
    """Drop actions that only remove what `treadle clean` removes too; return whether there were any."""
    named = {name for members in draft.groups.values() for name in members} | set(draft.default or ())
    named |= {name for action in draft.live for key in REFERENCES for name in action.keys.get(key, ())}
    made = {path.rstrip("/") for path in _made(draft)}
    dropped = [
        action
        for action in draft.live
        if action.removes and action.name not in named
        if all(_is_of_outputs(draft, path.rstrip("/"), made) for path in action.removes)
    ]
    for action in dropped:
        draft.actions.remove(action)
        draft.notes.append(f"{action.name}: `treadle clean` removes what the plan makes")
    return bool(dropped)


def _is_of_outputs(draft: Draft, path: str, made: set[str]) -> bool:
    """Return whether a removed path is an output, a pattern of such, or a folder in which only outputs are made."""
    if path in made or (_WILD.search(path) and any(fnmatchcase(one, path) for one in made)):
        return True
    if not any(one.startswith(f"{path}/") for one in made):
        return False
    named = re.compile(rf"(?<![\w./-]){re.escape(path)}(/[^\s;&|<>()'\"]*)?(?![\w.-])")
    for action in draft.live:
        script = draft.plain(str(action.keys.get("sh") or action.keys.get("run") or ""))
        for match in named.finditer("" if action.removes else script):
            # a folder around outputs, or an output: anything else there is not known to `treadle clean`
            word = match.group().rstrip("/")
            if word not in made and not any(one.startswith(f"{word}/") or fnmatchcase(one, word) for one in made):
                return False
    return True


def _made(draft: Draft) -> set[str]:
    return {path for action in draft.live for path in draft.made_by(action)}


def _leave_out_next(draft: Draft) -> bool:
    """Leave out what depends on what is left out already; return whether there was anything."""
    names = _names(draft)
    made = _made(draft)
    lost = {
        path: action.name
        for action in draft.actions
        if action.left_out
        for path in draft.made_by(action)
        if path not in made
    }
    is_changed = False
    for action in draft.live:
        # it only orders the members of lists, and a list of which one is left out is left out itself
        after = [name for name in action.keys.get("after", ()) if name in names]
        if after:
            action.keys["after"] = after
        else:
            action.keys.pop("after", None)
        action.left_out = _depends_on_lost(draft, action, names, lost)
        is_changed |= bool(action.left_out)
    for group, members in list(draft.groups.items()):
        gone = [name for name in members if name not in names]
        if gone:
            del draft.groups[group]
            is_changed = True
            if group in draft.aliases:
                continue
            reason = f"it contains {listed(gone)}, which is no action here"
            draft.leave_out(group, reason, f"{group}: {listed(members, 30)}")
    return is_changed


def _depends_on_lost(draft: Draft, action: DraftAction, names: set[str], lost: Mapping[str, str]) -> str:
    """Return why an action cannot be live, "" if all that it depends on is.

    :param lost: path -> the action that makes it and is left out
    """
    gone = [name for key in REFERENCES for name in action.keys.get(key, ()) if name not in names]
    if gone:
        return f"it needs {listed(gone)}, which is no action here"
    value = action.keys.get("in")
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and "from" in one and one["from"] not in names:
            return f"it reads what {one['from']} makes, which is left out"
        for path, producer in lost.items():
            if _reads(draft, one, path):
                return f"it reads {path}, which {producer} makes; that is left out"
    return ""


def _reads(draft: Draft, value: Any, path: str) -> bool:
    """Return whether an entry of `in` reads a path: by its name, as part of a tree, or by a glob."""
    if isinstance(value, dict):
        read = value.get("glob", value.get("tree", list(value.values())))
        return any(_reads(draft, one, path) for one in paths(read))
    if not isinstance(value, str):
        return False
    value = draft.plain(value)
    if value == path or value.rstrip("/") == path.rstrip("/") or ("*" in path and fnmatchcase(value, path)):
        return True
    if value.endswith("/") or path.endswith("/"):
        return path.startswith(value) if value.endswith("/") else value.startswith(path)
    return bool(_WILD.search(value)) and fnmatchcase(path, value)


def _check_inputs(action: DraftAction, root: str, outputs: set[str], draft: Draft) -> None:
    """Leave out an action that reads a file that is not there and that no action makes, as its source fails there.

    If the source runs it nevertheless, the plan runs it each time, as such an input is not watched.
    """

    def is_there(path: str) -> bool:
        path = draft.plain(path, unknown="${")
        if "${" in path or path in outputs or path.rstrip("/") in outputs or path.rstrip("/") + "/" in outputs:
            return True
        if any(made.endswith("/") and path.startswith(made) for made in outputs):
            return True
        if not _WILD.search(path):
            return os.path.exists(os.path.join(root, path))
        return next(iglob(path, root_dir=root, recursive=True), None) is not None

    value = action.keys["in"]
    read = [value] if isinstance(value, str) else value
    if not isinstance(read, list):
        return
    read = [f"{one}/" if isinstance(one, str) and f"{one}/" in outputs else one for one in read]
    action.keys["in"] = read[0] if isinstance(value, str) else read
    lost = [path for path in read if isinstance(path, str) and not is_there(path)]
    if not lost:
        return
    gone = f"{listed(lost)}, which does not exist and no action makes"
    if not draft.may_lack_inputs or any("${in}" in str(action.keys.get(key, "")) for key in ("run", "sh")):
        action.left_out = f"it reads {gone}"
        return
    action.notes.append(f"it reads {gone}: it runs each time")
    action.keys["always"] = True
    kept = [path for path in read if path not in lost]
    if kept:
        action.keys["in"] = kept
    else:
        del action.keys["in"]
