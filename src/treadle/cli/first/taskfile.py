"""A draft from a Taskfile: its tasks as actions or groups, its variables as far as they are plain."""

from __future__ import annotations

import re

from .draft import OWN_SHELL, SAFE, Draft, action_name
from .foreign_yaml import as_list, as_map, as_text, read_map
from .holes import Hole, HoleError, command_keys, filled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .draft import Value

_TEMPLATE = re.compile(r"\{\{\s*-?\s*(.*?)\s*-?\s*\}\}", re.DOTALL)
_VARIABLE = re.compile(r"\.([A-Za-z_]\w*)")
_LISTS = re.compile(r"task\s+(--list|--list-all|-l|-a)\b")
_HERE = ("ROOT_DIR", "TASKFILE_DIR", "USER_WORKING_DIR")
"""What Task calls the folder of the Taskfile."""
_NAME = re.compile(r"[A-Za-z_]\w*")
_SAID = frozenset(
    (
        *(
            "cmds",
            "cmd",
            "deps",
            "desc",
            "summary",
            "sources",
            "generates",
            "dir",
            "env",
            "vars",
            "silent",
            "method",
        ),
        *("aliases", "internal", "run", "label", "interactive"),
    )
)
_TOP = frozenset(
    ("version", "vars", "env", "tasks", "silent", "method", "run", "output", "interval", "set", "shopt")
)


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
        self.env: dict[str, str] = {}

    def translate(self, data: dict[str, Any]) -> Draft:
        """Fill the draft, and return it."""
        draft = self.draft
        self.tasks = {name: _as_task(body) for name, body in as_map(data.get("tasks")).items()}
        self.env = _plain_values(data.get("env"))
        draft.notes += _odd_values(data.get("env"))
        draft.notes += [f"{key}: {_short(data[key])}" for key in data if key not in _TOP]
        self.holes |= {name: Hole(name, ".") for name in _HERE}
        self._hold_variables(as_map(data.get("vars")))
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
        return draft

    def _hold_variables(self, variables: dict[str, Any]) -> None:
        for name, value in variables.items():
            if isinstance(value, dict | list) or value is None or not _NAME.fullmatch(name):
                self.draft.notes.append(f"the variable {name}: {_short(value)}")
                continue
            try:
                plain = self._plain(as_text(value))
                self.holes[name] = Hole(name, plain, is_list=len(plain.split()) > 1)
            except HoleError as error:
                self.draft.notes.append(f"the variable {name}: {error}")

    def _plain(self, text: str) -> str:
        """Return a text with templates of plain variables replaced.

        :raises HoleError: it holds others
        """
        return _TEMPLATE.sub(lambda found: self._value(found.group(1)).plain or "", text)

    def _value(self, template: str) -> Hole:
        found = _VARIABLE.fullmatch(template)
        if found is None or found.group(1) not in self.holes:
            raise HoleError(f"{{{{{template}}}}} is for Task to tell")
        return self.holes[found.group(1)]

    def _filled(self, text: str, used: set[str]) -> str:
        def mark(found: re.Match[str]) -> str:
            hole = self._value(found.group(1))
            is_safe = hole.plain is None or all(SAFE.fullmatch(word) for word in hole.plain.split() or [" "])
            return hole.mark if is_safe else hole.plain or ""

        return filled(_TEMPLATE.sub(mark, text), {hole.name: hole for hole in self.holes.values()}, used)

    def _named(self, task: str) -> str:
        task = task.removeprefix(":")
        known = {alias: name for name, body in self.tasks.items() for alias in as_list(body.get("aliases"))}
        return action_name(known.get(task, task))

    def _task(self, task: str, body: dict[str, Any]) -> None:
        """Add what one task stands for."""
        strange = [one for one in as_list(body.get("cmds")) if isinstance(one, dict) and _is_strange(one)]
        if strange:
            self.draft.notes.append(
                "\n".join([f"{task}: only Task can tell what this comes to", *map(_short, strange)])
            )
            return
        commands, calls = self._commands(body)
        if commands and all(_LISTS.match(one) for one in commands):
            self.draft.notes.append(f"{task}: `treadle list` does it")
            return
        needs = [self._named(_called(one)) for one in as_list(body.get("deps"))] + calls
        told = [one for one in as_list(body.get("deps")) if isinstance(one, dict) and "vars" in one]
        notes = [f"{key}: {_short(body[key])}" for key in body if key not in _SAID]
        notes += [f"it calls {_called(one)} with {_short(one['vars'])}" for one in told]
        notes += _odd_values(body.get("env"))
        if commands and _is_call(as_list(body.get("cmds"))[-1:]):
            notes.append(f"there {calls[-1]} comes after its commands, and not before them")
        if not commands and needs:
            self.draft.groups[action_name(task)] = list(dict.fromkeys(needs))
            self.draft.group_help[action_name(task)] = _line(body)
            return
        before = dict(self.holes)
        if body.get("dir"):
            self.holes = {name: hole for name, hole in before.items() if name not in _HERE}
        self._hold_variables({name: v for name, v in as_map(body.get("vars")).items() if not isinstance(v, dict)})
        used: set[str] = set()
        try:
            keys = self._keys(body, [self._filled(one, used) for one in commands], used)
        except HoleError as error:
            self.draft.notes.append("\n".join([f"{task}: {error}", *commands]))
            return
        finally:
            self.holes, own = before, self.holes
        self._keep(task, used, own, before)
        self.draft.add(task, {**keys, "needs": list(dict.fromkeys(needs))}, notes)

    def _keep(self, task: str, used: set[str], own: dict[str, Hole], before: dict[str, Hole]) -> None:
        """Take over the variables of a task that nobody else has."""
        self.used |= used
        for name in used & own.keys() - before.keys():
            self.holes[name] = own[name]
        if any(
            own[name] is not before[name] and own[name].plain != before[name].plain
            for name in used & before.keys() & own.keys()
        ):
            self.draft.notes.append(f"{task}: it has variables of its own that others have with other values")

    def _keys(self, body: dict[str, Any], commands: list[str], used: set[str]) -> dict[str, Value]:
        folder = self._filled(as_text(body.get("dir")), used).strip("/").removeprefix("./")
        listed = [_pattern(one) for one in as_list(body.get("sources"))]
        sources = [_Path(self._filled(one, used), folder) for one in listed if one]
        made = [_Path(self._filled(_pattern(one), used), folder) for one in as_list(body.get("generates"))]
        left_out = [_Path(self._filled(one["exclude"], used), folder) for one in _excluded(body.get("sources"))]
        read: list[Value] = [one.text for one in sources]
        if left_out:
            globs = [one.text for one in sources if one.is_glob]
            read = [{"glob": globs, "exclude": [one.text for one in left_out]}] if globs else []
            read += [one.text for one in sources if not one.is_glob]
        env = {**self.env, **_plain_values(body.get("env"))}
        env = {name: self._filled(value, used) for name, value in env.items()}
        outs = [one.text for one in made if not one.is_glob]
        outs += list(dict.fromkeys(one.folder for one in made if one.is_glob))
        keys: dict[str, Value] = {
            "help": _line(body),
            **command_keys("\n".join(_in_own_shells(commands))),
            "cwd": "" if folder == "." else folder,
            "in": read[0] if len(read) == 1 else read,
            "out": outs[0] if len(outs) == 1 else outs,
            "env": env,
            "console": bool(body.get("interactive")),
        }
        return keys

    def _commands(self, body: dict[str, Any]) -> tuple[list[str], list[str]]:
        """Return the commands of a task, and the tasks that it calls."""
        commands: list[str] = []
        calls: list[str] = []
        for one in [*as_list(body.get("cmd")), *as_list(body.get("cmds"))]:
            if isinstance(one, dict) and "task" in one:
                calls.append(self._named(as_text(one["task"])))
            elif isinstance(one, dict):
                commands.append(as_text(one.get("cmd")).strip() + (" || true" if one.get("ignore_error") else ""))
            elif one is not None:
                commands.append(as_text(one).strip())
        return commands, calls


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


def _is_strange(command: dict[str, Any]) -> bool:
    return bool({"for", "defer"} & command.keys()) or not {"task", "cmd"} & command.keys()


def _is_call(listed: list[Any]) -> bool:
    return bool(listed) and isinstance(listed[0], dict) and "task" in listed[0]


def _plain_values(env: Any) -> dict[str, str]:
    return {name: as_text(value) for name, value in as_map(env).items() if not isinstance(value, dict | list)}


def _odd_values(env: Any) -> list[str]:
    """Return remarks on the variables of the environment that only Task can tell."""
    values = as_map(env).items()
    return [f"the variable {name}: {_short(value)}" for name, value in values if isinstance(value, dict | list)]


def _called(one: Any) -> str:
    return as_text(one.get("task") if isinstance(one, dict) else one)


def _pattern(one: Any) -> str:
    return "" if isinstance(one, dict) else as_text(one)


def _excluded(sources: Any) -> list[dict[str, str]]:
    return [one for one in as_list(sources) if isinstance(one, dict) and isinstance(one.get("exclude"), str)]


def _in_own_shells(commands: list[str]) -> list[str]:
    """Return the commands such that none of them changes the shell of the next."""
    if len(commands) < 2:
        return commands
    return [f"({one})" if OWN_SHELL.search(one) else one for one in commands]


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:197] + "..."
