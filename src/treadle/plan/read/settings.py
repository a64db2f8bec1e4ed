"""Reads the settings of actions: environment, tools, shell, queue, time limit and retries, with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from treadle.command.command import DEFAULT_SHELL, Limits, Retries
from treadle.core import retry
from treadle.core.codes import USUAL, Codes, Expect, numbers_of
from treadle.core.pool import amount_of
from treadle.errors import TreadleError, nearest
from treadle.plan.language import argv_split, shell, templates
from treadle.plan.language.enabled_if import Condition
from treadle.plan.language.templates import Template
from treadle.plan.schema.keys import (
    CODES_KEYS,
    DOTENV_KEYS,
    EXPECT_KEYS,
    NAME,
    REQUIRE_KEYS,
    RETRIES_KEYS,
    TOOL_KEYS,
    WORKDIR_KEYS,
    check_codes,
    seconds,
)
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

from .pool import check_growth, demand_error, is_type, read_growth
from .spec import RequiredSpec, Settings, is_true

_SHARED_LISTS = ("track", "pass")
_KEYS = frozenset(
    (
        *("confirm", "dotenv", "require", "secret", "uses"),
        *("env", "track", "pass", "tools", "shell", "queue", "tokens"),
        *("priority", "timeout", "retries", "console", "codes", "expect", "workdir", "baseline", "artifacts"),
        "cache",
        *("resources", "limit", "mutex", "exclusive", "engine"),
    )
)


@dataclass(slots=True)
class SettingsReader:
    """Reads the settings of actions.

    :param defaults: validated entries of `defaults`
    :param queues: name -> tokens
    :param common: the settings of actions without their own, once they are read
    """

    validator: Validator
    defaults: Mapping[str, Node]
    queues: Mapping[str, int]
    common: Settings | None = None

    def read(self, entries: Mapping[str, Node], node: Node) -> Settings:
        """Return the settings of an action; errors are kept.

        Actions without settings of their own share one object.

        :param entries: its entries and those of `defaults`
        :param node: the action
        """
        own = node.nodes if isinstance(node, Table) else None
        has_none = own is not None and _KEYS.isdisjoint(own)
        if has_none and self.common is not None:
            return self.common
        problems = self.validator.problems
        settings = Settings()
        shell, limits = settings.shell, settings.limits
        with problems.collecting():
            settings = self._environment(entries)
        tools = self._tools(entries.get("tools"))
        with problems.collecting():
            shell = self._shell(entries, own or {})
        with problems.collecting():
            limits = self._limits(entries, own or {})
        uses: list[Template] = []
        with problems.collecting():
            uses = self._uses(entries.get("uses"))
        resources: dict[str, Template] = {}
        fallbacks: list[dict[str, Template]] = []
        with problems.collecting():
            resources, fallbacks = self._resources(entries.get("resources"))
            if own is not None and "retries" in own:
                check_growth(self.validator, own["retries"], {*resources, *(one for f in fallbacks for one in f)})
        settings = replace(settings, tools=tools, shell=shell, limits=limits, resources=resources, uses=uses)
        if fallbacks:
            settings = replace(settings, fallbacks=fallbacks)
        if "codes" in entries or "expect" in entries:
            codes = self._codes(entries.get("codes"))
            settings = replace(settings, codes=codes, expect=self._expect(entries.get("expect"), codes))
        if "baseline" in entries:
            with problems.collecting():
                settings = self._baseline(entries["baseline"], settings)
        if "workdir" in entries:
            settings = replace(settings, workdir=self._workdir(entries))
        if "artifacts" in entries:
            with problems.collecting():
                settings = replace(settings, artifacts=self._artifacts(entries["artifacts"]))
        if "cache" in entries:
            from .cache import read_cached

            settings = replace(settings, cache=read_cached(self.validator, entries["cache"]))
        if "mutex" in entries:
            with problems.collecting():
                names = self.validator.texts(entries["mutex"], "a name in mutex")
                settings = replace(settings, mutex=[templates.parse(self.validator.source, name) for name in names])
        if "confirm" in entries or "require" in entries:
            settings = replace(settings, require=self._require(entries.get("require")))
            with problems.collecting():
                settings = replace(settings, confirm=self._confirm(entries.get("confirm")))
        if has_none:
            self.common = settings
        return settings

    def _environment(self, entries: Mapping[str, Node]) -> Settings:
        own = self._env(entries.get("env"))
        shared = self._env(self.defaults.get("env"))
        lists: dict[str, list[str]] = {}
        for key in _SHARED_LISTS:
            lists[key] = self._names(entries.get(key), key)
            if key in entries and entries[key] is not self.defaults.get(key):
                for name in lists[key]:
                    if name in own:
                        hint = f"take it out of one of them: env sets it, {key} passes it from outside"
                        self.validator.add(f"the variable {name} is in both env and {key}", entries[key], hint=hint)
                    elif key == "pass" and name in lists["track"]:
                        hint = "take it out of pass: what is tracked is passed too"
                        self.validator.add(
                            f"the variable {name} is in both track and pass", entries[key], hint=hint
                        )
        taken = {*own, *lists["track"], *lists["pass"]}
        for key in _SHARED_LISTS:
            if entries.get(key) is not self.defaults.get(key):
                before = self._names(self.defaults.get(key), key)
                lists[key] = [name for name in before if name not in taken] + lists[key]
        outside = {*lists["track"], *lists["pass"]}
        env = {**{name: value for name, value in shared.items() if name not in outside}, **own}
        track = tuple(dict.fromkeys(name for name in lists["track"] if name not in env))
        pass_ = tuple(dict.fromkeys(name for name in lists["pass"] if name not in env and name not in track))
        secret = self._names(entries.get("secret"), "secret")
        own_secrets = secret if entries.get("secret") is not self.defaults.get("secret") else ()
        secret = list(dict.fromkeys([*self._names(self.defaults.get("secret"), "secret"), *secret]))
        return Settings(env, track, pass_, tuple(secret), own_secrets, self._dotenv(entries.get("dotenv")))

    def _uses(self, node: Node | None) -> list[Template]:
        texts = self.validator.texts(node, "a name in uses")
        return [templates.parse(self.validator.source, text) for text in texts]

    def _confirm(self, node: Node | None) -> Template | None:
        if not isinstance(node, Scalar):
            return None
        if not node.text.strip():
            raise self.validator.error("confirm has no text", node, hint="write the question, or take it out")
        return templates.parse(self.validator.source, node)

    def _require(self, node: Node | None) -> list[RequiredSpec]:
        found = []
        for one in node.nodes if isinstance(node, Items) else [node] if node is not None else []:
            with self.validator.problems.collecting():
                found.append(self._required(one))
        return found

    def _required(self, node: Node) -> RequiredSpec:
        """Return one entry of `require`; a text is a command."""
        source = self.validator.source
        if not isinstance(node, Table):
            texts = self.validator.texts(node, "a command in require") if isinstance(node, Scalar) else []
            if not texts:
                raise self._no_requirement(node)
            return RequiredSpec(node, [argv_split.split_words(source, text) for text in texts])
        entries = self.validator.entries(node, REQUIRE_KEYS, "an entry of require")
        ways = [way for way in ("run", "sh", "when") if way in node.nodes]
        if len(ways) != 1:
            raise self._no_requirement(node)
        given, message = entries.get(ways[0]), entries.get("message")
        shown = templates.parse(source, message) if isinstance(message, Scalar) else None
        if ways[0] == "run":
            texts = self.validator.texts(given, "a command in require")
            return RequiredSpec(node, [argv_split.split_words(source, text) for text in texts], message=shown)
        if not isinstance(given, Scalar):
            return RequiredSpec(node)
        if ways[0] == "when":
            return RequiredSpec(node, condition=Condition(source, given), message=shown)
        return RequiredSpec(node, sh=given, pieces=shell.parse_script(source, given), message=shown)

    def _no_requirement(self, node: Node) -> TreadleError:
        what = "an entry of require is a command, or a map with one of run, sh, when"
        return self.validator.error(
            what, node, hint='for example {sh: "test -d src", message: there are no sources}'
        )

    def _dotenv(self, node: Node | None) -> tuple[Template, bool] | None:
        is_optional = isinstance(node, Table) and "optional" in node.nodes
        if isinstance(node, Table):
            if "file" not in node.nodes:
                self.validator.add("dotenv needs file: with its path", node, hint="dotenv: FILE")
            node = self.validator.entries(node, DOTENV_KEYS, "dotenv").get("file")
        return (templates.parse(self.validator.source, node), is_optional) if isinstance(node, Scalar) else None

    def _env(self, node: Node | None) -> dict[str, Template]:
        found: dict[str, Template] = {}
        for name, value in self.validator.table(node, "env").items():
            if self._is_reserved(name):
                continue
            if self.validator.is_text(value, f"the variable {name.text}") and isinstance(value, Scalar):
                with self.validator.problems.collecting():
                    found[name.text] = templates.parse(self.validator.source, value)
        return found

    def _names(self, node: Node | None, key: str) -> list[str]:
        found = []
        for text in self.validator.texts(node, f"a variable in {key}"):
            if not NAME.fullmatch(text.text):
                hint = "a name has letters, digits and _; a value goes into env:"
                if "=" in text.text:
                    hint = f"give it a value in env: {{{text.text.replace('=', ': ', 1)}}}"
                self.validator.add(f"{text.text!r} is not a valid variable name", text, hint=hint)
            elif not self._is_reserved(text):
                found.append(text.text)
        return found

    def _is_reserved(self, name: Scalar) -> bool:
        is_reserved = name.text.startswith("TREADLE")
        if is_reserved:
            what = f"{name.text}: names that begin with TREADLE are reserved"
            self.validator.add(what, name, hint="choose another name")
        return is_reserved

    def _tools(self, node: Node | None) -> list[tuple[Template, list[argv_split.Word]]]:
        found: list[tuple[Template, list[argv_split.Word]]] = []
        for one in node.nodes if isinstance(node, Items) else [node] if node is not None else []:
            with self.validator.problems.collecting():
                if not isinstance(one, Table):
                    texts = self.validator.texts(one, "a tool")
                    found += [(templates.parse(self.validator.source, text), []) for text in texts]
                    continue
                entries = self.validator.entries(one, TOOL_KEYS, "a tool")
                name, version = entries.get("tool"), entries.get("version")
                if isinstance(name, Scalar):
                    split = (
                        argv_split.split_words(self.validator.source, version)
                        if isinstance(version, Scalar)
                        else []
                    )
                    found.append((templates.parse(self.validator.source, name), split))
                elif "tool" not in one.nodes:
                    self.validator.add("a tool needs tool: with its name", one, hint="for example tool: cc")
        return found

    def _limits(self, entries: Mapping[str, Node], own: Mapping[str, Node]) -> Limits:
        queue = self._word(entries, "queue", "default")
        if self._word(entries, "console", "") == "true":
            for key in ("queue", "tokens"):
                if key in own:
                    what = f"{key} cannot be combined with console: such actions run one at a time"
                    self.validator.add(what, own[key], hint="take one out")
            if "output" in own:
                what = "output cannot be combined with console: what it prints goes to the terminal itself"
                self.validator.add(what, own["output"], hint="take one out")
            queue = "default"
        tokens = int(self._word(entries, "tokens", "1"))
        size = self.queues.get(queue)
        if queue != "default" and size is None:
            close = nearest(queue, [*self.queues, "default"])
            hint = f"did you mean {close}?" if close else f"write queues: {{{queue}: 1}} at the top"
            self.validator.add(f"there is no queue {queue!r}", entries["queue"], hint=hint)
        elif size is not None and tokens > size:
            what = f"{tokens} tokens are more than the queue {queue} has"
            hint = f"ask for {size} at most, or write queues: {{{queue}: {tokens}}} at the top"
            self.validator.add(what, entries["tokens"], facts=(f"{queue} has {size}",), hint=hint)
        priority = int(self._word(entries, "priority", "0"))
        timeout = self._word(entries, "timeout", "none")
        limit = None if timeout == "none" else seconds(timeout)
        most = self._word(entries, "limit", "")
        return Limits(
            queue,
            tokens,
            priority,
            limit,
            self._retries(entries.get("retries")),
            exclusive=self._word(entries, "exclusive", "") == "true",
            limit=int(most) if most else None,
            engine=self._word(entries, "engine", ""),
        )

    def _resources(self, node: Node | None) -> tuple[dict[str, Template], list[dict[str, Template]]]:
        """Return what an attempt asks for, and what in place of that where it cannot be had."""
        if not isinstance(node, Items):
            return self._demand(node), []
        demands = [self._demand(one) for one in node.nodes]
        if not demands:
            self.validator.add("resources is an empty list", node, hint="resources: [{gpus: 1}, {cpus: 8}]")
            return {}, []
        return demands[0], demands[1:]

    def _demand(self, node: Node | None) -> dict[str, Template]:
        found: dict[str, Template] = {}
        for name, value in self.validator.table(node, "resources").items():
            if is_type(self.validator, name) and self.validator.is_text(value, f"the amount of {name.text}"):
                template = templates.parse(self.validator.source, value)  # type: ignore[arg-type]
                wrong = "" if template.refs else amount_of(name.text, template.node.text)
                if isinstance(wrong, str) and wrong:
                    raise demand_error(self.validator, name.text, template.node, wrong)
                found[name.text] = template
        return found

    def _codes(self, node: Node | None) -> Codes | None:
        """Return what exit codes mean; a code with two meanings is kept as an error."""
        if not isinstance(node, Table):
            return None
        said: dict[int, str] = {}
        given: dict[str, list[int]] = {}
        for meaning, value in self.validator.entries(node, CODES_KEYS, "codes").items():
            given[meaning] = []
            for text, numbers in self._numbers(value, f"a code in {meaning}"):
                twice = next((code for code in numbers if said.get(code, meaning) != meaning), None)
                if twice is not None:
                    what = f"the exit code {twice} means both {said[twice]} and {meaning}"
                    self.validator.add(what, text, hint="take it out of one of them")
                    continue
                said.update(dict.fromkeys(numbers, meaning))
                given[meaning] += numbers
        if not given.get("success", True) or ("success" not in given and 0 in said):
            what = "no exit code means success"
            self.validator.add(what, node.nodes.get("success", node), hint="for example success: [0, 2]")
            return None
        return Codes(**given)

    def _baseline(self, node: Node, settings: Settings) -> Settings:
        """Return settings with the files that outputs are compared with, or with the commands that accept them."""
        source = self.validator.source
        if not isinstance(node, Table):
            return settings
        if not node.nodes:
            hint = "for example {out/table.txt: tests/table.txt}"
            raise self.validator.error("baseline names no output", node, hint=hint)
        if "run" in node.nodes:
            if len(node.nodes) > 1:
                what = "run in baseline cannot be combined with outputs"
                raise self.validator.error(what, node.nodes["run"], hint="its command changes all baselines")
            texts = self.validator.texts(node.nodes["run"], "a command in baseline")
            return replace(settings, accept=[argv_split.split_words(source, text) for text in texts])
        found = []
        for text, value in node.nodes.items():
            name = node.keys[text]
            if self.validator.is_text(value, f"the baseline of {name.text}") and isinstance(value, Scalar):
                with self.validator.problems.collecting():
                    found.append((templates.parse(source, name), templates.parse(source, value)))
        return replace(settings, baseline=found)

    def _workdir(self, entries: Mapping[str, Node]) -> str:
        """Return in which folder it runs; what cannot go with one of its own is kept as an error."""
        from treadle.command.workdir import COPY, FRESH, WHY_NOT

        node = entries["workdir"]
        for key, why in WHY_NOT.items():
            if key in entries and (key == "edits" or is_true(entries[key])):
                what = f"{key} cannot be combined with workdir: {why}"
                self.validator.add(what, entries[key], hint="take one of them out")
        if not isinstance(node, Table):
            return FRESH
        if "fresh" not in node.nodes:
            self.validator.add("workdir needs fresh: link or copy", node, hint="workdir: {fresh: copy}")
        given = self.validator.entries(node, WORKDIR_KEYS, "workdir").get("fresh")
        return COPY if isinstance(given, Scalar) and given.text == COPY else FRESH

    def _artifacts(self, node: Node) -> list[tuple[Template, str]]:
        """Return which files are moved after which ends, in the order in which they are written."""
        from treadle.command.artifact_patterns import WHEN

        found = []
        for key, value in node.items() if isinstance(node, Table) else ():
            if not isinstance(value, Scalar) or value.text not in WHEN:
                what = f"{key.text} in artifacts must be one of {', '.join(WHEN)}"
                self.validator.add(what, value, hint=f'artifacts: {{"{key.text}": failure}}')
            else:
                found.append((templates.parse(self.validator.source, key), value.text))
        return found

    def _numbers(self, node: Node | None, what: str) -> list[tuple[Scalar, range]]:
        found = []
        for text in self.validator.texts(node, what):
            if wrong := check_codes(text):
                self.validator.add(f"{what} {wrong}, not {text.text!r}", text, hint="for example [0, 130-143]")
            else:
                found.append((text, numbers_of(text.text)))
        return found

    def _expect(self, node: Node | None, codes: Codes | None) -> Expect | None:
        if not isinstance(node, Table):
            return Expect(node.text) if isinstance(node, Scalar) else None
        entries = self.validator.entries(node, EXPECT_KEYS, "expect")
        if "failure" not in node.nodes:
            self.validator.add("expect needs failure: with exit codes", node, hint="expect: {failure: 3}")
        said = self._numbers(entries.get("failure"), "a code in failure")
        if not said:
            if isinstance(entries.get("failure"), Items):
                self.validator.add("expect names no exit code", entries["failure"], hint="expect: failure is any")
            return None
        for text, numbers in said:
            for code, meaning in list(Expect("failure", numbers).conflicts(codes or USUAL))[:1]:
                what = f"the exit code {code} is expected as a failure, and means {meaning}"
                self.validator.add(what, text, hint="take it out, or see codes:")
        return Expect("failure", [code for _, numbers in said for code in numbers])

    def _word(self, entries: Mapping[str, Node], key: str, default: str) -> str:
        node = entries.get(key)
        return node.text if isinstance(node, Scalar) else default

    def _shell(self, entries: Mapping[str, Node], own: Mapping[str, Node]) -> tuple[str, ...]:
        if "shell" in own and "sh" not in own:
            hint = "write the command as sh:, or take it out"
            self.validator.add("shell has no effect without sh", own["shell"], hint=hint)
        node = entries.get("shell")
        if node is None:
            return DEFAULT_SHELL
        texts = self.validator.texts(node, "a word of shell")
        if not texts or not texts[0].text:
            raise self.validator.error("shell has no program", node, hint="shell: [sh, -euc]")
        return tuple(text.text for text in texts)

    def _retries(self, node: Node | None) -> Retries:
        if not isinstance(node, Table):
            return Retries(int(node.text)) if isinstance(node, Scalar) else Retries()
        entries = self.validator.entries(node, RETRIES_KEYS, "retries")
        if "max" not in node.nodes:
            self.validator.add("retries needs max: how often", node, hint="for example max: 2")
        on = self.validator.texts(entries.get("on"), "a reason in on")
        for text in on:
            if not retry.is_word(text.text):
                what = f"{text.text!r} is not a condition for a retry"
                self.validator.add(what, text, hint=_hint_of_retry(text.text))
        backoff = self._word(entries, "backoff", "")
        reasons = tuple(text.text for text in on if retry.is_word(text.text)) or ("any",)
        pause, jitter = seconds(backoff) if backoff else 0.0, float(self._word(entries, "jitter", "0"))
        grow = read_growth(self.validator, entries["grow"]) if "grow" in entries else {}
        return Retries(int(self._word(entries, "max", "0")), reasons, pause, jitter, grow=grow)


def _hint_of_retry(word: str) -> str:
    if check_codes(Scalar(word, None, 0, 0)) == "":
        return f"did you mean exit {word}?"
    if word in ("out_of_memory", "oom"):
        return "did you mean memory?"
    if retry.is_word(f"signal {word}"):
        return f"did you mean signal {word}?"
    if word.lower() in ("killed", "signalled", "crash", "crashed") or word.upper().startswith("SIG"):
        return "did you mean signal? One of them alone is signal and its name or number: signal KILL"
    return f"use {retry.SAYS}"
