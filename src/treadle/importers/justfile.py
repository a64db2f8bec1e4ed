"""A draft from a justfile: its recipes as actions or groups, its values as far as they are plain."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from .caches import keep_caches
from .conditions import ELSEWHERE, Condition, joined, of_system
from .draft import Draft, action_name, free_name
from .files import read_text
from .just_parser import Justfile, Parameter, Recipe
from .order import keep_order
from .placeholders import Placeholder, PlaceholderError, filled, is_often_several
from .scripts import SAFE, SHELLS, command_keys, in_own_shells, literal, without_failure
from .task_guards import dotenv_of

_HARMLESS = frozenset(
    (
        *("quiet", "ignore-comments", "windows-shell", "windows-powershell", "fallback", "tempdir", "unstable"),
        *("allow-duplicate-variables", "no-exit-message", "color"),
    )
)
"""Settings that do not change what recipes do."""
_TAKEN = frozenset(("dotenv-load", "dotenv-filename", "dotenv-path", "dotenv-required", "export", "shell"))
_HARMLESS_ATTRIBUTES = frozenset(
    ("private", "doc", "group", "no-exit-message", "exit-message", "no-quiet", "default", "parallel")
)
_SYSTEMS = {"linux": ["linux"], "macos": ["macos"], "unix": ["linux", "macos"], "windows": ["windows"]}
_INTERPRETERS = {"python3": "-c", "python": "-c", "perl": "-e", "ruby": "-e", "node": "-e"}
_FLAGS = re.compile(r"(-[eux]*(o pipefail)? )*-[eux]*c")
_PLAIN_TEXT = re.compile(r"""'[^']*'|"[^"\\]*\"""")
_TEMPLATE = re.compile(r"\{\{\{\{|\{\{(.*?)\}\}", re.DOTALL)
_LISTS = re.compile(r"@?\s*(just|\{\{\s*just_executable\(\)\s*\}\})\s+(--list|-l|--choose|--help)\b.*")
_DEFAULT = re.compile(
    r"(?:env_var_or_default|env)\(\s*(['\"])(\w+)\1\s*,\s*(['\"])([^'\"\\]*)\3\s*\)|env(?:_var)?\(\s*(['\"])(\w+)\5\s*\)"
)
_FOLDERS = ("justfile_directory()", "justfile_dir()", "source_directory()", "source_dir()")
_POSITIONAL = re.compile(r"\$[0-9@*#]|\$\{[0-9@*#]")
_OF_THE_PLAN = frozenset(("in", "out", "edits", "depfile", "platform", "env", "item", "root"))


def justfile_draft(root: str, name: str) -> Draft:
    """Return the draft of a justfile."""

    def read(path: str) -> str | None:
        return read_text(root, path) if os.path.isfile(os.path.join(root, path)) else None

    return _Translation(root, name, Justfile(read_text(root, name), read)).draft


@dataclass(slots=True)
class _Values:
    """What names mean in a recipe.

    :ivar params: parameter of the plan -> its keys
    :ivar unknown: name -> why only just knows its value
    """

    placeholders: dict[str, Placeholder] = field(default_factory=dict)
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def copy(self) -> _Values:
        return _Values(dict(self.placeholders), dict(self.params), dict(self.unknown))

    def add_param(self, name: str, own: str, param: dict[str, Any], *, is_list: bool) -> None:
        """Add a name whose value the caller gives.

        :param own: its name in the plan
        """
        self.params[own] = param
        self.placeholders[name] = Placeholder(own, is_list=is_list)
        self.unknown.pop(name, None)

    def filled(self, text: str, used: set[str]) -> str:
        """Return a text of a recipe with values of the plan.

        :raises PlaceholderError: only just knows one of them
        """

        def mark(match: re.Match[str]) -> str:
            if match.group() == "{{{{":
                return "{{"
            expression = match.group(1).strip()
            if expression in _FOLDERS:
                return Placeholder("root").mark
            one = self._find(expression)
            is_safe = one.plain is None or all(SAFE.fullmatch(word) for word in one.plain.split() or [" "])
            return one.mark if is_safe else one.plain or ""

        by_name = {one.name: one for one in (*self.placeholders.values(), Placeholder("root"))}
        return filled(_TEMPLATE.sub(mark, text), by_name, used)

    def _find(self, expression: str) -> Placeholder:
        if expression not in self.placeholders:
            raise PlaceholderError(self.unknown.get(expression) or f"only just knows {{{{{expression}}}}}")
        return self.placeholders[expression]

    def plain(self, expression: str) -> str:
        """Return the text of an expression.

        :raises PlaceholderError: only just knows it
        """
        made = []
        for part in re.split(r"\s*(\+|/(?=\s))\s*", expression.strip()):
            if part in ("+", "/"):
                made.append("" if part == "+" else "/")
            elif _PLAIN_TEXT.fullmatch(part):
                made.append(part[1:-1])
            elif part in self.placeholders and self.placeholders[part].plain is not None:
                made.append(self.placeholders[part].plain or "")
            else:
                raise PlaceholderError(f"only just knows {expression}")
        return "".join(made)


class _Translation:
    """The translation of one justfile.

    :ivar draft: the draft, complete
    """

    def __init__(self, root: str, name: str, just: Justfile) -> None:
        self.draft = Draft(name, passes_environment=True)
        self.draft.shell = ["sh", "-euc"]
        self.just = just
        self.whole = list(just.odd)
        """Why only just knows what any recipe does."""
        self._take_settings(root)
        self.values = _Values()
        self._take_values()
        self.used: dict[str, Placeholder] = {}
        self.params: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        counts = [one.name for one in just.recipes]
        self.several = {one for one in counts if counts.count(one) > 1}
        for recipe in just.recipes:
            is_private = recipe.name.startswith("_") or ("private", "") in recipe.attributes
            shown = action_name(recipe.name)
            shown = f"_{shown}" if is_private and not shown.startswith("_") else shown
            self.names.setdefault(recipe.name, free_name(shown, self.names.values()))
        self.groups_at_end: list[tuple[str, str, list[str], str]] = []
        lists: list[tuple[str, list[str]]] = []
        for recipe in just.recipes:
            lists += self._add(recipe)
        self._add_ends()
        self._add_aliases()
        self._set_default()
        for own, one in self.used.items():
            if one.plain is None and own in self.params:
                self.draft.params[own] = self.params[own]
            elif one.plain is not None:
                self.draft.vars[own] = one.plain.split() if one.is_list else one.plain
        self.draft.notes += [f"{one}: its recipes were not read" for one in just.modules]
        keep_order(self.draft, lists)
        keep_caches(self.draft)

    def _take_settings(self, root: str) -> None:
        settings = {key: value for key, value in self.just.settings.items() if value != "false"}
        for key, value in settings.items():
            if key not in _HARMLESS | _TAKEN and key != "positional-arguments":
                self.whole.append(f"set {key} := {value}")
        if "shell" in settings:
            words = [one[1:-1] for one in re.findall(r"'[^']*'|\"[^\"]*\"", settings["shell"])]
            program = os.path.basename(words[0]) if words else ""
            if program not in SHELLS or not _FLAGS.fullmatch(" ".join(words[1:])):
                self.whole.append(f"set shell := {settings['shell']}")
            else:
                *flags, last = words[1:]
                has_e = any("e" in one for one in words[1:] if one[0] == "-")
                self.draft.shell = [program, *flags, last if has_e else f"-e{last[1:]}"]
        loads = [one for one in settings if one.startswith("dotenv-")]
        self.has_dotenv = bool(loads)
        if loads:
            given = settings.get("dotenv-path", settings.get("dotenv-filename", "'.env'"))
            file = dotenv_of(root, given[1:-1]) if given[:1] in "'\"" else None
            if file is None:
                self.whole.append(f"set {loads[0]} := {settings[loads[0]]}")
            else:
                is_needed = "dotenv-required" in settings
                self.draft.defaults["dotenv"] = file["file"] if is_needed else file

    def _take_values(self) -> None:
        for name, expression in self.just.values.items():
            own = name.replace("-", "_")
            found = _DEFAULT.fullmatch(expression)
            try:
                if own in _OF_THE_PLAN:
                    raise PlaceholderError(f"{name} has another meaning in a plan")
                if found is not None and not self.has_dotenv:
                    variable, default = found.group(2) or found.group(6), found.group(4)
                    if default is None:
                        raise PlaceholderError(f"only just knows {expression}")
                    is_list = len(default.split()) > 1 or is_often_several(variable)
                    param: dict[str, Any] = {"split": "words"} if is_list else {}
                    param |= {"env": variable, "default": default.split() if is_list else default}
                    self.values.add_param(name, own, param, is_list=is_list)
                    continue
                plain = self.values.plain(expression)
                self.values.placeholders[name] = Placeholder(own, plain, is_list=len(plain.split()) > 1)
            except PlaceholderError as error:
                self.values.unknown[name] = f"{name} := {expression}: {error}"
        exported = list(self.just.values) if "export" in self.just.settings else self.just.exported
        for name in exported:
            if name in self.values.unknown:
                self.whole.append(f"export {self.values.unknown[name]}")

    def _add(self, recipe: Recipe) -> list[tuple[str, list[str]]]:
        """Add what a recipe is here; return the lists whose order counts."""
        name = self.names[recipe.name]
        lines = [one for one in recipe.body if one.strip()]
        if lines and all(_LISTS.fullmatch(one.strip()) for one in lines) and not recipe.before:
            self.draft.notes.append(f"{recipe.name}: `treadle list` replaces it")
            return []
        keys: dict[str, Any] = {}
        reason = (
            next(iter(self.whole), "")
            or recipe.odd
            or ("another recipe has its name" if recipe.name in self.several else "")
            or self._guards(recipe, keys)
        )
        before, after = ([self._named(one) for one, _ in listed] for listed in (recipe.before, recipe.after))
        called = next((f"{one} {given}" for one, given in (*recipe.before, *recipe.after) if given), "")
        if called and not reason:
            reason = f"it calls ({called}): a plan hands no arguments to an action"
        if reason:
            self.draft.leave_out(name, reason, recipe.text)
            return []
        own = free_name(f"_{name.lstrip('_')}-itself", self.names.values()) if after else name
        help_text = next((value for key, value in recipe.attributes if key == "doc"), recipe.help)
        if not lines:
            members = [*before, *after]
            if keys or recipe.parameters or not members:
                self.draft.leave_out(
                    name, "it has no commands" if not members else "a group has no guard", recipe.text
                )
                return []
            self.draft.add_group(name, members, help_text)
            return [(name, members)]
        used: set[str] = set()
        try:
            values = self._with_parameters(recipe, keys)
            used.update(keys.pop("named", ()))
            command = self._command(recipe, lines, values, used)
            env = self._environment(values, used)
            self._use(values, used)
        except PlaceholderError as error:
            self.draft.leave_out(name, str(error), recipe.text)
            return []
        env |= keys.pop("env", {})
        needs = list(dict.fromkeys(before))
        self.draft.add(own, {"help": help_text, **command, "env": env, **keys, "needs": needs})
        if after:
            self.groups_at_end.append((name, own, after, help_text))
        return [(own, before)]

    def _add_ends(self) -> None:
        """Add what recipes run at their end: copies that need the recipe, and a group of both."""
        for name, own, after, help_text in self.groups_at_end:
            members = [own]
            for one in after:
                source = next((action for action in self.draft.live if action.name == one), None)
                if source is None:
                    self.draft.leave_out(f"{name}-then-{one}", f"it runs {one} at its end, which is no action here")
                    members.append(f"{name}-then-{one}")
                    continue
                needs = [*source.keys.get("needs", ()), members[-1]]
                copy = self.draft.add(f"_{name.lstrip('_')}-then-{one}", {**source.keys, "needs": needs})
                members.append(copy.name)
            self.draft.add_group(name, members, help_text)

    def _named(self, recipe: str) -> str:
        return self.names.get(self.just.aliases.get(recipe, recipe), action_name(recipe))

    def _guards(self, recipe: Recipe, keys: dict[str, Any]) -> str:
        """Take over the attributes of a recipe; return those that are not understood."""
        conditions: list[Condition] = []
        odd = []
        for attribute, value in recipe.attributes:
            if attribute in _SYSTEMS or attribute in ELSEWHERE:
                conditions += [of_system(one) for one in _SYSTEMS.get(attribute, [attribute])]
            elif attribute == "working-directory" and value and SAFE.fullmatch(value) and value[0] != "/":
                keys["cwd"] = value.removeprefix("./").rstrip("/")
            elif attribute == "confirm" and not recipe.before:
                keys["confirm"] = literal(value) or f"run {recipe.name}?"
            elif attribute not in _HARMLESS_ATTRIBUTES:
                odd.append(f"[{attribute}({value})]" if value else f"[{attribute}]")
        if conditions:
            keys["when"] = joined(conditions, "or").text
        is_positional = "positional-arguments" in self.just.settings
        if is_positional and recipe.parameters and _POSITIONAL.search("\n".join(recipe.body)):
            odd.append("positional arguments")
        return f"it has {'; '.join(odd)}" if odd else ""

    def _with_parameters(self, recipe: Recipe, keys: dict[str, Any]) -> _Values:
        """Return the values in a recipe, its parameters included, and take these over into its keys.

        :raises PlaceholderError: a plan has no such parameter
        """
        values = self.values.copy()
        for one in recipe.parameters:
            own = one.name.replace("-", "_")
            if own in _OF_THE_PLAN or (own in self.params and one.kind):
                raise PlaceholderError(f"the parameter {one.name} has another meaning in a plan")
            if one.kind:
                if one.default is not None:
                    raise PlaceholderError(f"the parameter {one.name} of several words has a default")
                # all words after -- belong to one parameter of the plan
                values.add_param(one.name, "args", {"type": "list", "rest": True}, is_list=True)
            else:
                param = self._parameter(recipe, one)
                if own in self.values.placeholders or self.params.get(own, param)["default"] != param["default"]:
                    # another recipe has a parameter of this name with another default
                    own = f"{recipe.name.replace('-', '_')}_{own}"
                values.add_param(one.name, own, param, is_list=False)
            own = values.placeholders[one.name].name
            if (one.default is None and not one.kind) or one.kind == "+":
                test = {"sh": f'test -n "${{{own}}}"'} if one.kind else {"when": f'{own} != ""'}
                keys.setdefault("require", []).append({**test, "message": f"{recipe.name} needs {one.name}"})
                keys.setdefault("named", []).append(own)
            is_exported = one.is_exported or "export" in self.just.settings
            if is_exported and one.kind:
                if re.search(rf"\$\{{?{one.name}\b", "\n".join(recipe.body)):
                    raise PlaceholderError(f"the variable {one.name} holds several words")
            elif is_exported:
                keys.setdefault("env", {})[one.name] = f"${{{own}}}"
                keys.setdefault("named", []).append(own)
        return values

    def _parameter(self, recipe: Recipe, one: Parameter) -> dict[str, Any]:
        if one.default is None:
            return {"default": "", "help": f"of {recipe.name}"}
        return {"default": self.values.plain(one.default.strip("() ")), "help": f"of {recipe.name}"}

    def _use(self, values: _Values, used: set[str]) -> None:
        """Take values over into the plan.

        :raises PlaceholderError: another recipe has one of them with another value
        """
        found = {one.name: one for one in values.placeholders.values() if one.name in used}
        general = {one.name: one for one in self.values.placeholders.values()}
        for own, one in found.items():
            param = {**values.params.get(own, {}), "help": ""}
            is_other = own in self.params and {**self.params[own], "help": ""} != param
            if is_other or self.used.get(own, one) != one or general.get(own, one) != one:
                raise PlaceholderError(f"another recipe has {own} with another value")
        self.used |= found
        self.params |= {own: values.params[own] for own in found if own in values.params}

    def _environment(self, values: _Values, used: set[str]) -> dict[str, str]:
        names = list(self.just.values) if "export" in self.just.settings else self.just.exported
        return {name: values.filled(f"{{{{{name}}}}}", used) for name in names}

    def _interpreter(self, recipe: Recipe) -> list[str]:
        words = recipe.body[0][2:].split()
        if words and os.path.basename(words[0]) == "env":
            words = words[2:] if words[1:2] == ["-S"] else words[1:]
        return [os.path.basename(words[0]), *words[1:]] if words else [""]

    def _command(self, recipe: Recipe, lines: list[str], values: _Values, used: set[str]) -> dict[str, Any]:
        """Return the command of a recipe.

        :raises PlaceholderError: only just knows it
        """
        if recipe.is_script:
            program, *flags = self._interpreter(recipe)
            body = "\n".join(recipe.body[1:])
            if program in SHELLS:
                return {"sh": values.filled(body, used), "shell": [program, *flags, "-c"]}
            if program in _INTERPRETERS and not flags and not _TEMPLATE.search(body):
                return {"sh": literal(body), "shell": [program, _INTERPRETERS[program]]}
            raise PlaceholderError(f"a script for {' '.join([program, *flags])}")
        made = []
        for one in lines:
            text = one.strip()
            ignored = False
            while text[:1] in ("@", "-"):
                ignored |= text[0] == "-"
                text = text[1:].lstrip()
            text = values.filled(text, used)
            if text:
                made.append(without_failure(text) if ignored else text)
        return command_keys("\n".join(in_own_shells(made)))

    def _add_aliases(self) -> None:
        for alias, recipe in self.just.aliases.items():
            name = action_name(alias)
            if name not in {*self.names.values(), *self.draft.groups} and recipe in self.names:
                self.draft.add_group(name, [self.names[recipe]], f"another name of {self.names[recipe]}")
                self.draft.aliases.add(name)

    def _set_default(self) -> None:
        """Take over what a bare call runs: the recipe that says so, else the first."""
        said = [one.name for one in self.just.recipes if ("default", "") in one.attributes]
        first = said or [one.name for one in self.just.recipes[:1]]
        self.draft.default = [self.names[one] for one in first] if not self.just.odd else []
