"""Reads how an action runs: environment, tools, shell, queue, time limit, retries, with what `defaults` says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from treadle.command.command import DEFAULT_SHELL, Limits, Retries
from treadle.errors import TreadleError, nearest
from treadle.plan.language import argv_split, templates
from treadle.plan.language.templates import Template
from treadle.plan.schema.keys import DOTENV_KEYS, NAME, RETRIES_KEYS, TOOL_KEYS, seconds
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

from .spec import Spec

_SHARED_LISTS = ("track", "pass")
_KEYS = frozenset(
    (
        *("dotenv", "secret"),
        *("env", "track", "pass", "tools", "shell", "queue", "tokens"),
        *("priority", "timeout", "retries", "console"),
    )
)
_RETRY_ON = re.compile(r"timeout|any|signal|exit (?:[1-9]?[0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])")


class SettingsReader:
    """Reads the settings of actions.

    :param defaults: checked entries of `defaults`
    :param queues: name -> tokens
    """

    __slots__ = ("common", "defaults", "queues", "source", "validator")

    def __init__(self, validator: Validator, defaults: Mapping[str, Node], queues: Mapping[str, int]) -> None:
        self.validator = validator
        self.source = validator.source
        self.defaults = defaults
        self.common: Spec | None = None
        self.queues = queues

    def read(self, spec: Spec, node: Node) -> None:
        """Read an action's settings into its spec; what is wrong is kept.

        Those of actions that say nothing themselves are read once.
        """
        says_nothing = isinstance(node, Table) and _KEYS.isdisjoint(node.nodes)
        if says_nothing and self.common is not None:
            spec.share_settings(self.common)
            return
        if says_nothing:
            self.common = spec
        for step in (self._environment, self._tools, self._limits):
            with self.validator.problems.collecting():
                step(spec, node)

    def error(self, what: str, node: Node | int, hint: str = "") -> TreadleError:
        """Return an error at a node."""
        return self.source.error(what, node, hint=hint)

    def _environment(self, spec: Spec, _node: Node) -> None:
        own = self._set(spec.entries.get("env"), "env")
        shared = self._set(self.defaults.get("env"), "env")
        lists: dict[str, list[str]] = {}
        for key in _SHARED_LISTS:
            lists[key] = self._variables(spec.entries.get(key), key)
            for name in lists[key]:
                if name in own or (key == "pass" and name in lists["track"]):
                    other = "env" if name in own else "track"
                    if key in spec.entries and spec.entries[key] is not self.defaults.get(key):
                        self.validator.add(
                            f"the variable {name} is in both {other} and {key}",
                            spec.entries[key],
                            hint=f"take it out of one of them: env sets it, {key} passes it from outside"
                            if other == "env"
                            else "take it out of pass: what is tracked is passed too",
                        )
        taken = {*own, *lists["track"], *lists["pass"]}
        for key in _SHARED_LISTS:
            if spec.entries.get(key) is not self.defaults.get(key):
                before = self._variables(self.defaults.get(key), key)
                lists[key] = [name for name in before if name not in taken] + lists[key]
        outside = {*lists["track"], *lists["pass"]}
        spec.env = {**{name: made for name, made in shared.items() if name not in outside}, **own}
        spec.track = tuple(dict.fromkeys(name for name in lists["track"] if name not in spec.env))
        self._hidden(spec)
        spec.pass_ = tuple(dict.fromkeys(n for n in lists["pass"] if n not in spec.env and n not in spec.track))

    def _hidden(self, spec: Spec) -> None:
        """Read the files of variables, and what is kept as a digest only."""
        shared = self.defaults.get("secret")
        names = self._variables(spec.entries.get("secret"), "secret")
        spec.own_secrets = names if spec.entries.get("secret") is not shared else ()
        if shared is not None:
            names = [*self._variables(shared, "secret"), *names]
        spec.secret = tuple(dict.fromkeys(names))
        node = spec.entries.get("dotenv")
        is_optional = isinstance(node, Table) and "optional" in node.nodes
        if isinstance(node, Table):
            given = node
            node = self.validator.entries(node, DOTENV_KEYS, "dotenv").get("file")
            if "file" not in given.nodes:
                self.validator.add("dotenv needs file: with its path", given, hint="dotenv: FILE")
        if isinstance(node, Scalar):
            spec.dotenv = (templates.parse(self.source, node), is_optional)

    def _set(self, node: Node | None, what: str) -> dict[str, Template]:
        found: dict[str, Template] = {}
        for name, value in self.validator.table(node, what).items():
            if name.text.startswith("TREADLE"):
                self.validator.add(
                    f"{name.text}: names that begin with TREADLE are reserved",
                    name,
                    hint="choose another name",
                )
            elif self.validator.is_text(value, f"the variable {name.text}") and isinstance(value, Scalar):
                with self.validator.problems.collecting():
                    found[name.text] = templates.parse(self.source, value)
        return found

    def _variables(self, node: Node | None, key: str) -> list[str]:
        found = []
        for text in self.validator.texts(node, f"a variable in {key}"):
            if not NAME.fullmatch(text.text):
                hint = "a name has letters, digits and _; a value goes into env:"
                if "=" in text.text:
                    hint = f"give it a value in env: {{{text.text.replace('=', ': ', 1)}}}"
                self.validator.add(f"{text.text!r} is not a valid variable name", text, hint=hint)
            elif text.text.startswith("TREADLE"):
                self.validator.add(
                    f"{text.text}: names that begin with TREADLE are reserved",
                    text,
                    hint="choose another name",
                )
            else:
                found.append(text.text)
        return found

    def _tools(self, spec: Spec, _node: Node) -> None:
        tools: list[tuple[Template, list[argv_split.Word]]] = []
        spec.tools = tools
        node = spec.entries.get("tools")
        for one in node.nodes if isinstance(node, Items) else [node] if node is not None else []:
            with self.validator.problems.collecting():
                if not isinstance(one, Table):
                    texts = self.validator.texts(one, "a tool")
                    tools.extend((templates.parse(self.source, text), []) for text in texts)
                    continue
                entries = self.validator.entries(one, TOOL_KEYS, "a tool")
                name, version = entries.get("tool"), entries.get("version")
                if not isinstance(name, Scalar):
                    if "tool" not in one.nodes:
                        self.validator.add("a tool needs tool: with its name", one, hint="for example tool: cc")
                    continue
                split = argv_split.split_words(self.source, version) if isinstance(version, Scalar) else []
                tools.append((templates.parse(self.source, name), split))

    def _limits(self, spec: Spec, node: Node) -> None:
        entries = spec.entries
        own = node.nodes if isinstance(node, Table) else {}
        spec.shell = self._shell(entries.get("shell")) if "shell" in entries else DEFAULT_SHELL
        if "shell" in own and "sh" not in own:
            self.validator.add(
                "shell has no effect without sh", own["shell"], hint="write the command as sh:, or take it out"
            )
        queue = self._word(entries, "queue", "default")
        if spec.flag("console"):
            for key in ("queue", "tokens"):
                if key in own:
                    self.validator.add(
                        f"{key} cannot be combined with console: such actions run one at a time",
                        own[key],
                        hint="take one out",
                    )
            if "output" in own:
                self.validator.add(
                    "output cannot be combined with console: what it prints goes to the terminal itself",
                    own["output"],
                    hint="take one out",
                )
            queue = "default"
        tokens = int(self._word(entries, "tokens", "1"))
        size = self.queues.get(queue)
        if queue != "default" and size is None:
            close = nearest(queue, [*self.queues, "default"])
            hint = f"did you mean {close}?" if close else f"write queues: {{{queue}: 1}} at the top"
            self.validator.add(f"there is no queue {queue!r}", entries["queue"], hint=hint)
        elif size is not None and tokens > size:
            self.validator.add(
                f"{tokens} tokens are more than the queue {queue} has",
                entries["tokens"],
                facts=(f"{queue} has {size}",),
                hint=f"ask for {size} at most, or write queues: {{{queue}: {tokens}}} at the top",
            )
        timeout = self._word(entries, "timeout", "none")
        spec.limits = Limits(
            queue,
            tokens,
            int(self._word(entries, "priority", "0")),
            None if timeout == "none" else seconds(timeout),
            self._retries(entries.get("retries")),
        )

    def _word(self, entries: Mapping[str, Node], key: str, default: str) -> str:
        node = entries.get(key)
        return node.text if isinstance(node, Scalar) else default

    def _shell(self, node: Node | None) -> tuple[str, ...]:
        texts = self.validator.texts(node, "a word of shell")
        if not texts or not texts[0].text:
            raise self.error("shell has no program", node if node is not None else 0, hint="shell: [sh, -euc]")
        return tuple(text.text for text in texts)

    def _retries(self, node: Node | None) -> Retries:
        if not isinstance(node, Table):
            return Retries(int(node.text)) if isinstance(node, Scalar) else Retries()
        entries = self.validator.entries(node, RETRIES_KEYS, "retries")
        if "max" not in node.nodes:
            self.validator.add("retries needs max: how often", node, hint="for example max: 2")
        on = self.validator.texts(entries.get("on"), "a reason in on")
        for text in on:
            if not _RETRY_ON.fullmatch(text.text):
                self.validator.add(
                    f"{text.text!r} is not a condition for a retry",
                    text,
                    hint=_hint_of_retry(text.text),
                )
        backoff = self._word(entries, "backoff", "")
        reasons = tuple(text.text for text in on) or ("any",)
        return Retries(int(self._word(entries, "max", "0")), reasons, seconds(backoff) if backoff else 0.0)


def _hint_of_retry(word: str) -> str:
    if word.isdigit():
        return f"did you mean exit {word}?"
    if word.lower() in ("killed", "signalled", "crash", "crashed") or word.upper().startswith("SIG"):
        return "did you mean signal? One of them alone is exit and 128 and its number: exit 137 for KILL"
    return "use timeout, exit N (0 to 255), signal or any"
