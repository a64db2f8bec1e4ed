"""A draft from a Taskfile: its tasks as actions or groups, its variables as far as they are plain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from treadle.core.graph.algorithms import reached

from .caches import keep_caches
from .draft import Draft, action_name, free_name, single
from .order import keep_order
from .placeholders import Placeholder, PlaceholderError
from .scripts import command_keys, in_own_shells, without_failure
from .task_guards import KNOWN, UNDERSTOOD, Guards, dotenv_of, guards_of, shell_of
from .task_variables import ROOTS, Variables
from .yaml import as_list, as_map, as_text, leave_out, not_understood, read_map, short

_LISTS = re.compile(r"task\s+(--list|--list-all|-l|-a)\b")
_OF_COMMANDS = frozenset(("cmd", "silent", "ignore_error"))
_OF_CALLS = frozenset(("task", "silent"))
_KNOWN_OF_COMMANDS = frozenset(("vars", "defer", "for", "set", "shopt", "platforms", "if", "ignore_error"))
_TOP = frozenset(
    (
        *("version", "vars", "env", "tasks", "silent", "method", "run", "output", "interval"),
        *("includes", "set", "shopt", "dotenv"),
    )
)
_MODES = {"method": ("", "checksum", "timestamp", "none"), "run": ("", "always", "once", "when_changed")}


_VALUE = re.compile(r"(?<!\$)\$\{(\w+)\}")
_BELOW_ROOT = re.compile(r"\{\{\s*\.(?:ROOT_DIR|TASKFILE_DIR)\s*\}\}(/|$)")


def taskfile_draft(root: str, name: str) -> Draft:
    """Return the draft of a Taskfile."""
    data = read_map(root, name)
    if "tasks" not in data and "version" not in data:
        # the first form had its tasks at the top
        data = {"tasks": data}
    return _Translation(root, name, data).draft


class _Translation:
    """The translation of one Taskfile.

    :ivar draft: the draft, complete
    """

    def __init__(self, root: str, name: str, data: dict[str, Any]) -> None:
        self.root = root
        self.draft = Draft(name, may_lack_inputs=True, passes_environment=True)
        self.draft.shell = ["bash", "-ec"]
        self.tasks: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        """Task or alias -> its name in the plan."""
        self._name_tasks(data)
        self.bodies = {self.names[task]: body for task, body in self.tasks.items()}
        self.env = as_map(data.get("env"))
        self.method = as_text(data.get("method"))
        strange = not_understood(data, _TOP) + _strange_modes(data) + self._take_settings(data)
        self.whole = f"the Taskfile has {'; '.join(strange)}" if strange else ""
        """Why only Task knows what any of the tasks does."""
        if data.get("includes"):
            self.draft.notes.append(f"includes: {short(data['includes'])}")
        unknown = {"USER_WORKING_DIR": "a plan has no name for the folder of the caller"}
        folders = dict.fromkeys(ROOTS, Placeholder("root"))
        self.variables, reasons = Variables(folders, unknown).with_own(as_map(data.get("vars")))
        self.draft.notes += reasons
        self.variables.placeholders["CLI_ARGS"] = Placeholder("args", is_list=True)
        self.used: dict[str, Placeholder] = {}
        """The values of the plan that actions use, also those that are variables of one task."""
        self.lists: list[tuple[str, list[str]]] = []
        """What a task requires, with what it needs: the former comes first."""
        self.params: dict[str, dict[str, Any]] = {}
        """Those of the values that the caller may set."""
        for task, body in self.tasks.items():
            self._add_task(task, body)
        in_order = [one.name for one in self.variables.placeholders.values() if one.name in self.used]
        for one in (self.used[name] for name in dict.fromkeys([*in_order, *self.used])):
            if one.text:
                self.draft.vars[one.name] = one.text
            elif one.name == "root":
                continue
            elif one.plain is None:
                self.draft.params[one.name] = self.params.get(one.name, {"type": "list", "rest": True})
            else:
                self.draft.vars[one.name] = one.plain.split() if one.is_list else one.plain
        self.draft.default = [self._named("default")] if "default" in self.tasks else []
        keep_order(self.draft, self.lists)
        keep_caches(self.draft)

    def _take_settings(self, data: dict[str, Any]) -> list[str]:
        """Take over what the Taskfile says of all tasks; return what is not understood."""
        keys, strange = shell_of(data, self.draft.shell)
        self.draft.shell = keys.get("shell", self.draft.shell)
        if data.get("dotenv") not in (None, "", []):
            file = dotenv_of(self.root, data["dotenv"])
            if file is None:
                strange.append(f"dotenv: {short(data['dotenv'])}")
            else:
                self.draft.defaults["dotenv"] = file
        return strange

    def _name_tasks(self, data: dict[str, Any]) -> None:
        """Give each task the name of an action; one that is only for other tasks begins with `_`."""
        for task, body in as_map(data.get("tasks")).items():
            self.tasks[task] = {"cmds": as_list(body)} if isinstance(body, str | list) else as_map(body)
            name = action_name(task)
            if self.tasks[task].get("internal") is True and not name.startswith("_"):
                name = f"_{name}"
            self.names[task] = free_name(name, self.names.values())
        for task, body in self.tasks.items():
            for alias in as_list(body.get("aliases")):
                self.names.setdefault(as_text(alias), self.names[task])

    def _named(self, task: str) -> str:
        task = task.removeprefix(":")
        return self.names.get(task, action_name(task))

    def _add_task(self, task: str, body: dict[str, Any]) -> None:
        """Add what one task is here: an action or a group, or a remark if not all of it is understood."""
        name = self.names[task]
        commands, deps, called = _commands(body), self._deps(body), self._called(body)
        is_list = bool(commands) and all(_LISTS.match(one) for one in commands)
        reason = self.whole or _restraint(body) or self._disorder(body, deps, called)
        variables, _ = self.variables.with_own(as_map(body.get("vars")))
        guards = guards_of(self.root, task, body, variables, self.draft.shell)
        if guards.reasons and not reason:
            reason = f"it has {'; '.join(dict.fromkeys(guards.reasons))}"
        if is_list and not deps and not called and not reason:
            self.draft.notes.append(f"{task}: `treadle list` replaces it")
            return
        needs = list(dict.fromkeys([*deps, *called]))
        if reason:
            self._leave_out(name, body, reason, self.variables)
            return
        is_guarded = bool(guards.keys or guards.lines or guards.required or guards.checked or guards.question)
        if not commands and needs and not body.get("sources") and not body.get("generates") and not is_guarded:
            self.draft.add_group(name, needs, _line(body))
            self._add_aliases(task, body)
            return
        variables, used = guards.variables, set(guards.used)
        try:
            if not commands:
                raise PlaceholderError("it has no commands")
            texts = in_own_shells([variables.filled(one, used) for one in commands])
            first = [variables.filled(one, used) for one in guards.lines]
            keys = self._keys(body, [*first, *texts], guards, used)
            self._use(used, variables)
        except PlaceholderError as error:
            self._leave_out(name, body, str(error), variables)
            return
        required = [*guards.required, *guards.checked]
        if guards.required and needs:
            # Task looks at what is required before it starts what the task needs
            check = free_name(f"_{name.lstrip('_')}-required", self.names.values())
            self.draft.add(check, {"sh": ":", "require": guards.required})
            required = guards.checked
            self.lists.append((name, [check, *needs]))
            needs = [check, *needs]
        self.draft.add(
            name, {**keys, "needs": needs, "require": required, "confirm": guards.question}, guards.notes
        )
        self._add_aliases(task, body)

    def _add_aliases(self, task: str, body: dict[str, Any]) -> None:
        """Add a group for each other name of a task."""
        taken = {*self.names.values(), *self.draft.groups}
        for alias in map(as_text, as_list(body.get("aliases"))):
            if action_name(alias) == alias and alias not in taken and self.names.get(alias) == self.names[task]:
                self.draft.add_group(alias, [self.names[task]], f"another name of {self.names[task]}")
                self.draft.aliases.add(alias)

    def _use(self, names: set[str], variables: Variables) -> None:
        """Take variables over into the plan.

        :raises PlaceholderError: a task has another value for one of them than the Taskfile or another task
        """
        inner = {one.name: set(_VALUE.findall(one.text)) for one in variables.placeholders.values() if one.text}
        names = set(reached(names, lambda name: inner.get(name, ())))
        values = {one.name: one for one in variables.placeholders.values() if one.name in names}
        general = {one.name: one for one in self.variables.placeholders.values()}
        for name, value in values.items():
            param = {**variables.params.get(name, {}), "help": ""}
            is_other = name in self.params and {**self.params[name], "help": ""} != param
            if is_other or any(name in known and known[name] != value for known in (general, self.used)):
                raise PlaceholderError("the Taskfile or another task has its variables with other values")
        self.used.update(values)
        self.params.update({name: variables.params[name] for name in values if name in variables.params})

    def _leave_out(self, name: str, body: dict[str, Any], reason: str, variables: Variables) -> None:
        made = [as_text(one) for one in as_list(body.get("generates")) if not isinstance(one, dict)]
        folder = as_text(body.get("dir")).strip("/").removeprefix("./")
        paths = [_path(variables.plain_or_star(one), folder) for one in made]
        leave_out(self.draft, name, body, reason, (one.folder if one.is_glob else one.text for one in paths))

    def _disorder(self, body: dict[str, Any], deps: list[str], calls: list[str]) -> str:
        """Return why the tasks that a task calls would come in another order in a plan, "" if they would not."""
        kinds = [isinstance(one, dict) and "task" in one for one in _listed(body) if one is not None]
        if True in kinds[kinds.index(False) :] if False in kinds else False:
            return f"it calls {', '.join(calls)} after its commands, and a plan runs that before them"
        earlier = list(deps)
        for call in calls:
            late = [one for one in earlier if one != call and one not in self._all_needs(call)]
            if late and call not in deps:
                return (
                    f"Task runs {call} after {', '.join(late)}, without needing it: a plan may not keep that order"
                )
            earlier.append(call)
        return ""

    def _all_needs(self, name: str) -> set[str]:
        """Return what comes before a task by its own deps and calls."""

        def needs(one: str) -> list[str]:
            body = self.bodies.get(one, {})
            return [*self._deps(body), *self._called(body)]

        return set(reached(needs(name), needs))

    def _deps(self, body: dict[str, Any]) -> list[str]:
        return [self._named(_task_of(one)) for one in as_list(body.get("deps"))]

    def _called(self, body: dict[str, Any]) -> list[str]:
        cmds = as_list(body.get("cmds"))
        return [self._named(_task_of(one)) for one in cmds if isinstance(one, dict) and "task" in one]

    def _keys(self, body: dict[str, Any], commands: list[str], guards: Guards, used: set[str]) -> dict[str, Any]:
        variables = guards.variables

        def text(value: Any) -> str:
            return variables.filled(as_text(value), used)

        def path(value: Any) -> _Path:
            # paths of a plan are relative to the root already
            given = as_text(value).strip()
            if (found := _BELOW_ROOT.match(given)) is not None:
                return _path(text(given[found.end() :]), "")
            made = text(given)
            is_absolute = any(
                made.startswith(f"${{{one.name}}}") for one in variables.placeholders.values() if one.text
            )
            return _path(made, "" if is_absolute else folder)

        given = as_text(body.get("dir")).strip()
        folder = text(_BELOW_ROOT.sub("", given)) if given else ""
        if folder.startswith(("/", "~", "$")):
            raise PlaceholderError(f"dir: {folder} is not below the folder of the Taskfile")
        folder = folder.strip("/").removeprefix("./")
        listed = ["" if isinstance(one, dict) else as_text(one) for one in as_list(body.get("sources"))]
        excluded = [one["exclude"] for one in as_list(body.get("sources")) if isinstance(one, dict)]
        sources = [path(one) for one in listed if one]
        left_out = [path(one).text for one in excluded if isinstance(one, str)]
        made = [path(one) for one in (*as_list(body.get("generates")), *guards.made)]
        read: list[Any] = [one.text for one in sources]
        if left_out:
            globs = [one.text for one in sources if one.is_glob]
            read = [{"glob": globs, "exclude": left_out}] if globs else []
            read += [one.text for one in sources if not one.is_glob]
        env = {}
        for name, value in {**self.env, **as_map(body.get("env"))}.items():
            if isinstance(value, dict | list):
                raise PlaceholderError(f"the variable {name}: {short(value)}")
            env[name] = text(value)
        outs = [one.text for one in made if not one.is_glob]
        outs += list(dict.fromkeys(one.folder for one in made if one.is_glob))
        return {
            "help": _line(body),
            **command_keys("\n".join(commands)),
            "cwd": "" if folder == "." else folder,
            "in": single(read),
            "out": single(outs),
            "env": env,
            "console": body.get("interactive") is True,
            # without sources Task runs it each time, whatever is there
            "always": bool(outs and not listed and not guards.keys.get("once"))
            or (as_text(body.get("method")) or self.method) == "none",
            **guards.keys,
        }


@dataclass(slots=True, frozen=True)
class _Path:
    """A path or glob of a task, relative to the Taskfile.

    :ivar folder: the folder that holds all that a glob matches
    """

    text: str
    is_glob: bool
    folder: str


def _path(text: str, folder: str) -> _Path:
    joined = (f"{folder}/{text}" if folder and folder != "." else text).removeprefix("./")
    start = re.split(r"[*?\[]", joined)[0]
    return _Path(joined, any(char in text for char in "*?["), start[: start.rfind("/") + 1] or "./")


def _line(body: dict[str, Any]) -> str:
    """Return the description of a task, in a line."""
    return as_text(body.get("desc") or body.get("summary")).strip().split("\n")[0]


def _restraint(body: dict[str, Any]) -> str:
    """Return the entries of a task that are not understood, "" if there are none: they may restrain it."""
    found = not_understood(body, UNDERSTOOD, KNOWN)
    for one in _listed(body):
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
    found += _strange_modes(body)
    ignores = body.get("ignore_error", False)
    is_call = any(isinstance(one, dict) and "task" in one for one in _listed(body))
    if not isinstance(ignores, bool | None) or (ignores and is_call):
        found.append(f"ignore_error: {short(ignores)}")
    for key in ("internal", "interactive"):
        if body.get(key) not in (None, True, False):
            found.append(f"{key}: {short(body[key])}")
    return f"it has {'; '.join(dict.fromkeys(found))}" if found else ""


def _strange_modes(data: dict[str, Any]) -> list[str]:
    return [f"{key}: {short(data[key])}" for key, known in _MODES.items() if as_text(data.get(key)) not in known]


def _listed(body: dict[str, Any]) -> list[Any]:
    """Return the commands and calls of a task, as they are written."""
    return [*as_list(body.get("cmd")), *as_list(body.get("cmds"))]


def _commands(body: dict[str, Any]) -> list[str]:
    commands = []
    for one in _listed(body):
        if isinstance(one, dict) and "task" not in one:
            text = as_text(one.get("cmd")).strip()
            commands.append(without_failure(text) if one.get("ignore_error") else text)
        elif not isinstance(one, dict) and one is not None:
            commands.append(as_text(one).strip())
    if body.get("ignore_error") is True:
        commands = [one if one.endswith("|| true") else without_failure(one) for one in commands]
    return commands


def _task_of(one: Any) -> str:
    return as_text(one.get("task") if isinstance(one, dict) else one)
