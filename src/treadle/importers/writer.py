"""Writes a draft as the text of a plan that passes the checks of plans. It knows no other tools.

Nothing of the source is run. A part that the checks refuse becomes a remark with the reason, so the plan passes
`check` whatever the source says.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from treadle.command.graph_checks import check_commands
from treadle.command.job import CONSOLE_QUEUE
from treadle.errors import PlanError, TreadleError
from treadle.plan.load import load_plan
from treadle.plan.model import Plan

from .draft import Draft, DraftAction, drop_cleaning, settle
from .environment import pass_environment
from .formatters import take_edits
from .products import Products

HEAD = "# yaml-language-server: $schema={schema}"
_ROUNDS = 200
_WIDE = 100
"""Columns that a line may have before a list is written in several."""

_PLAIN = re.compile(r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`]|-(?=\S))[^\n]*")
_NOT_IN_FLOW = re.compile(r"[,\[\]{}]")
_WORDS_OF_YAML = frozenset(("", "~", "null", "true", "false", "yes", "no", "on", "off"))


def text_of_plan(draft: Draft, root: str, schema: str) -> str:
    """Return the text of a plan that passes its checks; what does not pass is written as a remark.

    :param root: the folder that the plan is for
    :param schema: where its schema is, for editors
    """
    products = Products(root, draft.products)
    if draft.passes_environment:
        pass_environment(draft)
    take_edits(draft, root)
    for _ in range(_ROUNDS):
        settle(draft, root)
        if not draft.live:
            draft.add("hello", {"run": "echo hello"}, ["your first action: `treadle run hello` prints hello"])
            draft.default = ["hello"]
        writer = _Writer()
        writer.plan(draft, schema)
        try:
            plan = _checked(writer.text, root)
        except TreadleError as error:
            _leave_out(draft, writer, error.problems[0] if isinstance(error, PlanError) else error)
            continue
        if not _refuse_files_of_the_project(draft, plan, products) and not drop_cleaning(draft):
            return writer.text
    raise TreadleError(
        "init found nothing that passes the checks of plans",
        hint="write one by hand, see tutorials/first-plan/ in the docs",
    )


def _checked(text: str, root: str) -> Plan:
    """Return the plan of a text; it is written to a temporary folder, not to the one that it is for.

    :raises TreadleError: it does not pass the checks of plans
    """
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "treadle.yaml")
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(f"{text}root: {json.dumps(root)}\n")
        plan = load_plan(file)
        check_commands(plan.dag(), {"default": 1, CONSOLE_QUEUE: 1, **plan.queues})
        return plan


def _refuse_files_of_the_project(draft: Draft, plan: Plan, products: Products) -> bool:
    """Leave out actions that would write files that may belong to the project; return whether there were any."""
    is_changed = False
    families = {action.name: action for action in draft.live}
    for uid, action in plan.actions.items():
        command = action.command
        family = families.get(uid.partition("@")[0])
        if family is None or family.left_out:
            continue
        made = [*command.outputs, *([command.depfile] if command.depfile else [])]
        family.left_out = next(filter(None, map(products.refuse, made)), "")
        is_changed |= bool(family.left_out)
    return is_changed


def _leave_out(draft: Draft, writer: _Writer, problem: TreadleError) -> None:
    """Leave out of a draft what a problem of its plan is about."""
    line = problem.place.line if problem.place is not None else 0
    # the facts name the file that was checked, which is gone
    what = problem.what
    for action in draft.live:
        if line in writer.places.get(id(action), ()):
            action.left_out = what
            return
    for name in (*draft.vars, *draft.params):
        if line in writer.places.get(name, ()):
            (draft.vars if name in draft.vars else draft.params).pop(name)
            draft.notes.append(f"the variable {name}: {what}")
            return
    if draft.default or draft.groups:
        # without a default of its own a plan would do more than the source by itself
        draft.notes.append(f"groups and default: {what}")
        draft.default, draft.groups = None if draft.default is None else [], {}
    elif draft.live:
        draft.live[-1].left_out = what


class _Writer:
    """Writes YAML, and keeps on which lines each action and each name is."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.places: dict[int | str, range] = {}

    @property
    def text(self) -> str:
        """What was written."""
        return "\n".join(self.lines) + "\n"

    def plan(self, draft: Draft, schema: str) -> None:
        """Write a draft."""
        self.lines += [
            HEAD.format(schema=schema),
            f"# A first plan, made by `treadle init` from {draft.origin}.",
            "",
            "treadle: 1",
        ]
        if draft.leaves_outputs_alone:
            self.lines.append("cache: local  # outputs of former states come back: see howto/cache/ in the docs")
        self._names("params", draft.params)
        self._names("vars", draft.vars)
        if draft.queues and any("queue" in action.keys for action in draft.live):
            self._entry("", "queues", draft.queues)
        if draft.shell and any("sh" in action.keys for action in draft.live):
            self._entry("", "shell", draft.shell)
        if defaults := {key: value for key, value in draft.defaults.items() if value}:
            self.lines += ["", *_remarks(draft.default_notes, "")]
            self._entry("", "defaults", defaults)
        if draft.default is not None:
            self._entry("", "default", draft.default)
        texts = draft.group_help
        self._names(
            "groups", {k: {"help": texts[k], "of": v} if texts.get(k) else v for k, v in draft.groups.items()}
        )
        self.lines += ["", "actions:"]
        for action in draft.live:
            if self.lines[-1] != "actions:":
                self.lines.append("")
            self.action(action)
        self._left_out(draft)

    def _names(self, key: str, values: Mapping[str, Any]) -> None:
        if values:
            self.lines += ["", f"{key}:"]
            for name, value in values.items():
                start = len(self.lines) + 1
                self._entry("  ", name, value)
                self.places[name] = range(start, len(self.lines) + 1)

    def action(self, action: DraftAction) -> None:
        """Write an action, with the remarks above it."""
        self.lines += _remarks(action.notes, "  ")
        start = len(self.lines) + 1
        self.lines.append(f"  {action.name}:")
        for key, value in action.keys.items():
            self._entry("    ", key, value)
        self.places[id(action)] = range(start, len(self.lines) + 1)

    def _left_out(self, draft: Draft) -> None:
        lost = [action for action in draft.actions if action.left_out]
        if not lost and not draft.notes:
            return
        self.lines += ["", "# Not taken over:", *_remarks(draft.notes, "", "- ")]
        for action in lost:
            reason = f"{action.name}: {action.left_out}"
            if action.original:
                self.lines += _remarks([f"{reason}\n{action.original}"], "", "- ")
                continue
            inner = _Writer()
            inner.action(action)
            self.lines += ["#", *_remarks([reason], "", "- "), *(f"#   {line}".rstrip() for line in inner.lines)]

    def _entry(self, indent: str, key: str, value: Any) -> None:
        """Write a key with its value, in one line if it fits."""
        start = f"{indent}{scalar_text(key)}:"
        if isinstance(value, str) and "\n" in value.strip("\n") and _is_block(value):
            self.lines.append(f"{start} |")
            self.lines += [f"{indent}  {line}".rstrip() for line in value.strip("\n").split("\n")]
            return
        short = f"{start} {value_text(value, scalar_text)}"
        if len(short) <= _WIDE or not isinstance(value, list | dict) or not value:
            self.lines.append(short)
        elif isinstance(value, list):
            self.lines.append(start)
            self.lines += [f"{indent}  - {value_text(one, scalar_text)}" for one in value]
        else:
            self.lines.append(start)
            for name, one in value.items():
                self._entry(f"{indent}  ", name, one)


def _is_block(text: str) -> bool:
    """Return whether a text of several lines can be written as a block."""
    return all(char.isprintable() or char in "\n\t" for char in text) and text.strip("\n")[:1] not in (" ", "\t")


def value_text(value: Any, scalar: Callable[[str], str]) -> str:
    """Return a value in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(value_text(one, _in_flow) for one in value)}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_in_flow(str(name))}: {value_text(one, _in_flow)}" for name, one in value.items())
        return f"{{{inside}}}"
    return scalar(str(value))


def _in_flow(text: str) -> str:
    return _quoted(text) if _NOT_IN_FLOW.search(text) else scalar_text(text)


def scalar_text(text: str) -> str:
    """Return a text as a scalar of YAML, bare where it may be."""
    is_bare = (
        _PLAIN.fullmatch(text)
        and text == text.strip()
        and text.isprintable()
        and ": " not in text
        and " #" not in text
        and not text.endswith(":")
        and text.lower() not in _WORDS_OF_YAML
    )
    return text if is_bare else _quoted(text)


def _quoted(text: str) -> str:
    if text.isprintable() and "'" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _remarks(notes: Sequence[str], indent: str, mark: str = "") -> Iterator[str]:
    """Yield texts as lines of remarks."""
    for note in notes:
        first, *more = note.split("\n")
        shown = "".join(char if char.isprintable() else " " for char in first)
        for number, text in enumerate(wrap(shown, _WIDE, break_long_words=False, break_on_hyphens=False)):
            yield f"{indent}# {mark if not number else ' ' * len(mark)}{text}"
        for text in more:
            yield f"{indent}# {' ' * len(mark)}  {''.join(c if c.isprintable() else ' ' for c in text)}".rstrip()
