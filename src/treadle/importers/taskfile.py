"""A draft from a Taskfile: its tasks as actions or groups, its variables as far as they are plain."""

from __future__ import annotations

import re

from .caches import keep_caches
from .draft import SAFE, Draft, action_name, in_own_shells, not_understood, short, without_failure
from .placeholders import Hole, HoleError, command_keys, filled
from .yaml import as_list, as_map, as_text, read_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .draft import Value

_TEMPLATE = re.compile(r"\{\{\s*-?\s*(.*?)\s*-?\s*\}\}", re.DOTALL)
_VARIABLE = re.compile(r"\.([A-Za-z_]\w*)")
_LISTS = re.compile(r"task\s+(--list|--list-all|-l|-a)\b")
_NAME = re.compile(r"[A-Za-z_]\w*")
_UNDERSTOOD = frozenset(
    (
        *("cmds", "cmd", "deps", "desc", "summary", "sources", "generates", "dir", "env", "vars", "silent"),
        *("method", "aliases", "internal", "run", "label", "interactive"),
    )
)
"""What is taken over of a task, or changes nothing of what it does."""
_KNOWN = frozenset(
    (
        *(
            "status",
            "preconditions",
            "requires",
            "if",
            "platforms",
            "prompt",
            "ignore_error",
            "set",
            "shopt",
            "watch",
        ),
        *("dotenv", "prefix", "failfast"),
    )
)
"""What a task may say without saying anything: `ignore_error: false`."""
_OF_COMMANDS = frozenset(("cmd", "silent", "ignore_error"))
_OF_CALLS = frozenset(("task", "silent"))
_KNOWN_OF_COMMANDS = frozenset(("vars", "defer", "for", "set", "shopt", "platforms", "if", "ignore_error"))
_TOP = frozenset(("version", "vars", "env", "tasks", "silent", "method", "run", "output", "interval", "includes"))
_KNOWN_TOP = frozenset(("set", "shopt", "dotenv"))
_METHODS = ("", "checksum", "timestamp", "none")
_RUNS = ("", "always", "once", "when_changed")


def taskfile_draft(root: str, name: str) -> Draft:
    """Return the draft of a Taskfile."""
    data = read_map(root, name)
    if "tasks" not in data and "version" not in data:
        # the first form had its tasks at the top
        data = {"tasks": data}
    return _Translation(Draft(name)).translate(data)


class _Translation:
    """One Taskfile on its way."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.used: set[str] = set()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.holes: dict[str, Hole] = {}
        self.env: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.unknown: dict[str, str] = {}
        """Variable -> why only Task can tell its value."""
        self.whole = ""
        """Why only Task can tell what any of the tasks does."""
        self.method = ""
        self._needs: dict[str, list[str]] = {}

    def translate(self, data: dict[str, Any]) -> Draft:
        """Fill the draft, and return it."""
        draft = self.draft
        draft.may_lack_inputs = True
        self.tasks = {name: _as_task(body) for name, body in as_map(data.get("tasks")).items()}
        self._give_names()
        self.env = as_map(data.get("env"))
        strange = not_understood(data, _TOP, _KNOWN_TOP)
        self.method = as_text(data.get("method"))
        if self.method not in _METHODS:
            strange.append(f"method: {short(data['method'])}")
        if as_text(data.get("run")) not in _RUNS:
            strange.append(f"run: {short(data['run'])}")
        self.whole = f"the Taskfile has {'; '.join(strange)}" if strange else ""
        if data.get("includes"):
            draft.notes.append(f"includes: {short(data['includes'])}")
        self.unknown.update(_unknown_here())
        self._hold_variables(as_map(data.get("vars")), None)
        self.holes["CLI_ARGS"] = Hole("args", None, is_list=True)
        for task, body in self.tasks.items():
            self._task(task, body)
        draft.vars = {
            name: hole.plain.split() if hole.is_list else hole.plain
            for name, hole in self.holes.items()
            if name in self.used and hole.plain is not None and name not in draft.params
        }
        if "args" in self.used:
            draft.params["args"] = {"type": "list", "rest": True}
        draft.default = [self._named("default")] if "default" in self.tasks else []
        draft.shell = ["bash", "-ec"]
        keep_caches(draft)
        return draft

    def _give_names(self) -> None:
        """Give each task the name of an action; one that is only for other tasks begins with `_`."""
        taken: set[str] = set()
        for task, body in self.tasks.items():
            wish = action_name(task)
            if body.get("internal") is True and not wish.startswith("_"):
                wish = f"_{wish}"
            name, number = wish, 2
            while name in taken:
                name, number = f"{wish}-{number}", number + 1
            taken.add(name)
            self.names[task] = name
        for task, body in self.tasks.items():
            for alias in as_list(body.get("aliases")):
                self.names.setdefault(as_text(alias), self.names[task])

    def _hold_variables(self, variables: dict[str, Any], task: str | None) -> None:
        """Keep the variables of the Taskfile or of a task; using one that only Task can tell is an error."""
        for name, value in variables.items():
            reason = ""
            if isinstance(value, dict | list) or value is None or not _NAME.fullmatch(name):
                reason = f"the variable {name}: {short(value)}"
            else:
                try:
                    plain = self._plain(as_text(value))
                    self.holes[name] = Hole(name, plain, is_list=len(plain.split()) > 1)
                    self.unknown.pop(name, None)
                except HoleError as error:
                    reason = f"the variable {name}: {error}"
            if reason:
                self.holes.pop(name, None)
                self.unknown[name] = reason
                if task is None:
                    self.draft.notes.append(reason)

    def _plain(self, text: str) -> str:
        """Return a text with templates of plain variables replaced.

        :raises HoleError: it holds others
        """
        return _TEMPLATE.sub(lambda found: self._value(found.group(1)).plain or "", text)

    def _value(self, template: str) -> Hole:
        found = _VARIABLE.fullmatch(template)
        if found is None or found.group(1) not in self.holes:
            why = self.unknown.get(found.group(1), "") if found is not None else ""
            raise HoleError(why or f"{{{{{template}}}}} is for Task to tell")
        return self.holes[found.group(1)]

    def _filled(self, text: str, used: set[str]) -> str:
        def mark(found: re.Match[str]) -> str:
            hole = self._value(found.group(1))
            is_safe = hole.plain is None or all(SAFE.fullmatch(word) for word in hole.plain.split() or [" "])
            return hole.mark if is_safe else hole.plain or ""

        return filled(_TEMPLATE.sub(mark, text), {hole.name: hole for hole in self.holes.values()}, used)

    def _named(self, task: str) -> str:
        task = task.removeprefix(":")
        return self.names.get(task, action_name(task))

    def _task(self, task: str, body: dict[str, Any]) -> None:
        """Add what one task stands for: an action or a group, or a remark if not all of it is understood."""
        name = self.names[task]
        commands, calls = _commands(body), _calls(body)
        is_list = bool(commands) and all(_LISTS.match(one) for one in commands)
        deps = [self._named(_called(one)) for one in as_list(body.get("deps"))]
        called = [self._named(one) for one in calls]
        reason = self.whole or _restraint(body) or self._disorder(body, deps, called)
        if is_list and not deps and not called and not reason:
            self.draft.notes.append(f"{task}: `treadle list` does it")
            return
        needs = list(dict.fromkeys([*deps, *called]))
        if reason:
            self._leave_out(name, body, reason)
            return
        if not commands and needs and not body.get("sources") and not body.get("generates"):
            self.draft.groups[name] = needs
            self.draft.group_help[name] = _line(body)
            return
        before, unknown = dict(self.holes), dict(self.unknown)
        self._hold_variables(as_map(body.get("vars")), task)
        used: set[str] = set()
        try:
            if not commands:
                raise HoleError("nothing is done for it")
            keys = self._keys(body, [self._filled(one, used) for one in commands], used)
        except HoleError as error:
            self._leave_out(name, body, str(error))
            return
        finally:
            self.holes, own = before, self.holes
            self.unknown = unknown
        if self._keep(used, own, before):
            self.draft.add(name, {**keys, "needs": needs})
        else:
            self._leave_out(name, body, "it has variables of its own that others have with other values")

    def _leave_out(self, name: str, body: dict[str, Any], reason: str) -> None:
        made = [as_text(one) for one in as_list(body.get("generates")) if not isinstance(one, dict)]
        folder = as_text(body.get("dir")).strip("/").removeprefix("./")
        paths = [_Path(self._told(one), folder) for one in made]
        text = "\n".join(f"  {key}: {short(value)}" for key, value in body.items())
        self.draft.leave_out(name, reason, text, (one.folder if one.is_glob else one.text for one in paths))

    def _told(self, text: str) -> str:
        try:
            return self._plain(text)
        except HoleError:
            return _TEMPLATE.sub("*", text)

    def _disorder(self, body: dict[str, Any], deps: list[str], calls: list[str]) -> str:
        """Return why the tasks that a task calls would come in another order in a plan, "" if they would not."""
        listed = [*as_list(body.get("cmd")), *as_list(body.get("cmds"))]
        kinds = [isinstance(one, dict) and "task" in one for one in listed if one is not None]
        if True in kinds[kinds.index(False) :] if False in kinds else False:
            return f"it calls {', '.join(calls)} after its commands: a plan does it before them"
        earlier = list(deps)
        for call in calls:
            late = [one for one in earlier if one != call and one not in self._all_needs(call)]
            if late and call not in deps:
                return f"{call} comes after {', '.join(late)} there, and needs nothing of it"
            earlier.append(call)
        return ""

    def _all_needs(self, name: str) -> set[str]:
        """Return what comes before a task by its own deps and calls."""
        tasks = {self.names[task]: body for task, body in self.tasks.items()}
        found: set[str] = set()
        left = [name]
        while left:
            body = tasks.get(left.pop(), {})
            for one in (*map(_called, as_list(body.get("deps"))), *_calls(body)):
                if self._named(one) not in found:
                    found.add(self._named(one))
                    left.append(self._named(one))
        return found

    def _keep(self, used: set[str], own: dict[str, Hole], before: dict[str, Hole]) -> bool:
        """Take over the variables of a task; return whether no other task has them with other values."""
        for name in used & own.keys():
            known = self.holes.get(name) if name in before or name in self.used else None
            if known is not None and own[name] is not known and own[name].plain != known.plain:
                return False
        self.used |= used
        for name in used & own.keys():
            self.holes.setdefault(name, own[name])
        return True

    def _keys(self, body: dict[str, Any], commands: list[str], used: set[str]) -> dict[str, Value]:
        folder = self._filled(as_text(body.get("dir")), used)
        if folder.startswith(("/", "~", "$")):
            raise HoleError(f"dir: {folder} is no folder below that of the Taskfile")
        folder = folder.strip("/").removeprefix("./")
        listed = [_pattern(one) for one in as_list(body.get("sources"))]
        sources = [_Path(self._filled(one, used), folder) for one in listed if one]
        made = [_Path(self._filled(_pattern(one), used), folder) for one in as_list(body.get("generates"))]
        left_out = [_Path(self._filled(one["exclude"], used), folder) for one in _excluded(body.get("sources"))]
        read: list[Value] = [one.text for one in sources]
        if left_out:
            globs = [one.text for one in sources if one.is_glob]
            read = [{"glob": globs, "exclude": [one.text for one in left_out]}] if globs else []
            read += [one.text for one in sources if not one.is_glob]
        env = {name: self._value_of(name, value, used) for name, value in self._environment(body).items()}
        outs = [one.text for one in made if not one.is_glob]
        outs += list(dict.fromkeys(one.folder for one in made if one.is_glob))
        keys: dict[str, Value] = {
            "help": _line(body),
            **command_keys("\n".join(in_own_shells(commands))),
            "cwd": "" if folder == "." else folder,
            "in": read[0] if len(read) == 1 else read,
            "out": outs[0] if len(outs) == 1 else outs,
            "env": env,
            "console": body.get("interactive") is True,
            # without sources Task runs it each time, whatever is there
            "always": bool(outs and not listed) or (as_text(body.get("method")) or self.method) == "none",
        }
        return keys

    def _environment(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**self.env, **as_map(body.get("env"))}

    def _value_of(self, name: str, value: Any, used: set[str]) -> str:
        if isinstance(value, dict | list):
            raise HoleError(f"the variable {name}: {short(value)}")
        return self._filled(as_text(value), used)


class _Path:
    """A path or glob of a task, relative to the Taskfile."""

    def __init__(self, text: str, folder: str) -> None:
        joined = f"{folder}/{text}" if folder and folder != "." else text
        self.text = joined.removeprefix("./")
        self.is_glob = any(char in text for char in "*?[")
        start = re.split(r"[*?\[]", self.text)[0]
        self.folder = start[: start.rfind("/") + 1] or "./"


def _line(body: dict[str, Any]) -> str:
    """Return what a task says of itself, in a line."""
    return as_text(body.get("desc") or body.get("summary")).strip().split("\n")[0]


def _as_task(body: Any) -> dict[str, Any]:
    if isinstance(body, str | list):
        return {"cmds": as_list(body)}
    return as_map(body)


def _restraint(body: dict[str, Any]) -> str:
    """Return what a task says that is not understood: it may restrain it."""
    found = not_understood(body, _UNDERSTOOD, _KNOWN)
    for one in [*as_list(body.get("cmd")), *as_list(body.get("cmds"))]:
        if isinstance(one, dict):
            known = _OF_CALLS if "task" in one else _OF_COMMANDS
            is_odd = not_understood(one, known, _KNOWN_OF_COMMANDS) or not ({"task", "cmd"} & one.keys())
            if is_odd or not isinstance(one.get("ignore_error", False), bool):
                found.append(f"a command {short(one)}")
        elif isinstance(one, list):
            found.append(f"a command {short(one)}")
    for one in as_list(body.get("deps")):
        if isinstance(one, list) or (isinstance(one, dict) and not_understood(one, _OF_CALLS, ("vars", "for"))):
            found.append(f"a dep {short(one)}")
    for one in [*as_list(body.get("sources")), *as_list(body.get("generates"))]:
        if isinstance(one, list) or (isinstance(one, dict) and one.keys() != {"exclude"}):
            found.append(f"a path {short(one)}")
    if any(isinstance(one, dict) for one in as_list(body.get("generates"))):
        found.append(f"generates: {short(body['generates'])}")
    if as_text(body.get("method")) not in _METHODS:
        found.append(f"method: {short(body['method'])}")
    if as_text(body.get("run")) not in _RUNS:
        found.append(f"run: {short(body['run'])}")
    for key in ("internal", "interactive"):
        if body.get(key) not in (None, True, False):
            found.append(f"{key}: {short(body[key])}")
    return f"it has {'; '.join(dict.fromkeys(found))}" if found else ""


def _commands(body: dict[str, Any]) -> list[str]:
    commands = []
    for one in [*as_list(body.get("cmd")), *as_list(body.get("cmds"))]:
        if isinstance(one, dict) and "task" not in one:
            text = as_text(one.get("cmd")).strip()
            commands.append(without_failure(text) if one.get("ignore_error") else text)
        elif not isinstance(one, dict) and one is not None:
            commands.append(as_text(one).strip())
    return commands


def _calls(body: dict[str, Any]) -> list[str]:
    return [_called(one) for one in as_list(body.get("cmds")) if isinstance(one, dict) and "task" in one]


def _unknown_here() -> dict[str, str]:
    """Return why the folders of Task are not told: they are absolute there, and a plan has no word for them."""
    folders = ("ROOT_DIR", "TASKFILE_DIR", "USER_WORKING_DIR")
    return {name: f"{{{{.{name}}}}} is a folder of the machine, and a plan has no word for it" for name in folders}


def _called(one: Any) -> str:
    return as_text(one.get("task") if isinstance(one, dict) else one)


def _pattern(one: Any) -> str:
    return "" if isinstance(one, dict) else as_text(one)


def _excluded(sources: Any) -> list[dict[str, str]]:
    return [one for one in as_list(sources) if isinstance(one, dict) and isinstance(one.get("exclude"), str)]
