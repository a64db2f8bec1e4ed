"""A draft as the text of a plan, and the text of a plan that passes its checks. It knows no other tools."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable

from treadle.errors import PlanError, TreadleError

from .draft import Draft, DraftAction, settle
from .products import Products

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from treadle.plan.model import Plan

    from .draft import Value

HEAD = "# yaml-language-server: $schema={schema}"
_ROUNDS = 200
_WIDE = 100
"""Columns that a line may have before a list is written in several."""

_PLAIN = re.compile(r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`]|-(?=\S))[^\n]*")
_NOT_IN_FLOW = re.compile(r"[,\[\]{}]")
_SAID = frozenset(("", "~", "null", "true", "false", "yes", "no", "on", "off"))


def text_of_plan(draft: Draft, root: str, schema: str) -> str:
    """Return the text of a plan that passes its checks; what does not pass is written as a remark.

    :param root: the folder that the plan is for
    :param schema: where its schema is, for editors
    """
    products = Products(root, draft.products)
    for _ in range(_ROUNDS):
        settle(draft, root)
        if all(action.trouble for action in draft.actions):
            draft.add("hello", {"run": "echo hello"}, ["the first action of yours: `treadle run hello`"])
        writer = _Writer()
        writer.plan(draft, schema)
        problem = _problem(writer.text, root, draft, products)
        if problem is None:
            return writer.text
        if not isinstance(problem, str):
            _take_out(draft, writer, problem)
    raise TreadleError("what was found does not make a plan", hint="write one by hand: docs/plan.md")


def _problem(text: str, root: str, draft: Draft, products: Products) -> TreadleError | str | None:
    """Return the first problem of a plan, None if it has none; nothing is written where it would stand.

    "" stands for one that was taken out already: an output that is a file of the project.
    """
    from treadle.command.job import CONSOLE_QUEUE
    from treadle.command.validation import check_commands
    from treadle.plan.load import load_plan

    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "treadle.yaml")
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(f"{text}root: {json.dumps(root)}\n")
        try:
            plan = load_plan(file)
            check_commands(plan.dag(), {"default": 1, CONSOLE_QUEUE: 1, **plan.queues})
            if _refuse_files_of_the_project(draft, plan, products):
                return ""
        except PlanError as error:
            return error.problems[0]
        except TreadleError as error:
            return error
    return None


def _refuse_files_of_the_project(draft: Draft, plan: Plan, products: Products) -> bool:
    """Leave out what would make a file anew that nothing says to be made; return whether there was anything."""
    found = False
    drafted = {action.name: action for action in draft.actions if not action.trouble}
    for uid, action in plan.actions.items():
        command = action.command
        family = drafted.get(uid.partition("@")[0])
        if family is None or family.trouble:
            continue
        made = [*command.outputs, *([command.depfile] if command.depfile else [])]
        family.trouble = next(filter(None, map(products.refuse, made)), "")
        found |= bool(family.trouble)
    return found


def _take_out(draft: Draft, writer: _Writer, problem: TreadleError) -> None:
    """Take what a problem is about out of a draft."""
    line = problem.place.line if problem.place is not None else 0
    # the facts name the file that was checked, which is none that anybody knows
    words = problem.what
    for action in draft.actions:
        start, end = writer.places.get(id(action), (0, 0))
        if start <= line < end and not action.trouble:
            action.trouble = words
            return
    for name in (*draft.vars, *draft.params):
        start, end = writer.places.get(name, (0, 0))
        if start <= line < end:
            (draft.vars if name in draft.vars else draft.params).pop(name)
            draft.notes.append(f"the variable {name}: {words}")
            return
    whole = next((action for action in reversed(draft.actions) if not action.trouble), None)
    if draft.default or draft.groups:
        # without a default of its own a plan would do more than the source by itself
        draft.notes.append(f"groups and default: {words}")
        draft.default, draft.groups = None if draft.default is None else [], {}
    elif whole is not None:
        whole.trouble = words


class _Writer:
    """Writes YAML, and knows on which lines each action stands."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.places: dict[int | str, tuple[int, int]] = {}

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
        ]
        self.lines.append("treadle: 1")
        for key in ("params", "vars"):
            self._names(key, getattr(draft, key))
        if draft.shell and any("sh" in action.keys for action in draft.actions if not action.trouble):
            self._entry("", "shell", draft.shell)
        if draft.default is not None:
            self._entry("", "default", draft.default)
        told = draft.group_help
        self._names(
            "groups", {k: {"help": told[k], "of": v} if told.get(k) else v for k, v in draft.groups.items()}
        )
        self.lines += ["", "actions:"]
        for action in draft.actions:
            if not action.trouble:
                self._action(action)
        self._rest(draft)

    def _names(self, key: str, values: Mapping[str, Value]) -> None:
        if values:
            self.lines += ["", f"{key}:"]
            for name, value in values.items():
                start = len(self.lines) + 1
                self._entry("  ", name, value)
                self.places[name] = (start, len(self.lines) + 1)

    def _action(self, action: DraftAction) -> None:
        self.lines += (
            ["", *remarks(action.notes, "  ")] if self.lines[-1] != "actions:" else remarks(action.notes, "  ")
        )
        start = len(self.lines) + 1
        self.lines.append(f"  {action.name}:")
        for key, value in action.keys.items():
            self._entry("    ", key, value)
        self.places[id(action)] = (start, len(self.lines) + 1)

    def _rest(self, draft: Draft) -> None:
        lost = [action for action in draft.actions if action.trouble]
        if not lost and not draft.notes:
            return
        self.lines += ["", "# Not taken over:"]
        self.lines += remarks(draft.notes, "", "- ")
        for action in lost:
            if action.original:
                self.lines += remarks([f"{action.name}: {action.trouble}\n{action.original}"], "", "- ")
                continue
            inner = _Writer()
            inner.lines = ["actions:"]
            inner._action(action)
            self.lines += ["#", *remarks([f"{action.name}: {action.trouble}"], "", "- ")]
            self.lines += [f"#   {line}".rstrip() for line in inner.lines[1:]]

    def _entry(self, indent: str, key: str, value: Value) -> None:
        """Write a key with its value, in one line if it fits."""
        start = f"{indent}{scalar_text(key)}:"
        if isinstance(value, str) and "\n" in value.strip("\n") and is_block(value):
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


def is_block(text: str) -> bool:
    """Return whether a text of several lines can be written as it stands."""
    return all(char.isprintable() or char in "\n\t" for char in text) and text.strip("\n")[:1] not in (" ", "\t")


def value_text(value: Value, scalar: Callable[[str], str]) -> str:
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
        and text.lower() not in _SAID
    )
    return text if is_bare else _quoted(text)


def _quoted(text: str) -> str:
    if text.isprintable() and "'" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=not text.isprintable())


def remarks(notes: Sequence[str], indent: str, mark: str = "") -> list[str]:
    """Return texts as lines of remarks."""
    return list(_remarks(notes, indent, mark))


def _remarks(notes: Sequence[str], indent: str, mark: str) -> Iterator[str]:
    from textwrap import wrap

    for note in notes:
        first, *more = note.split("\n")
        shown = "".join(char if char.isprintable() else " " for char in first)
        for number, text in enumerate(wrap(shown, _WIDE, break_long_words=False, break_on_hyphens=False)):
            yield f"{indent}# {mark if not number else ' ' * len(mark)}{text}"
        for text in more:
            yield f"{indent}# {' ' * len(mark)}  {''.join(c if c.isprintable() else ' ' for c in text)}".rstrip()
