"""One action as it is written, read once however many instances it has: templates, words, pieces of script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from treadle.command.command import DEFAULT_SHELL, Limits
from treadle.plan.language import argv_split, shell
from treadle.plan.language.enabled_if import Condition
from treadle.plan.language.templates import GlobItem, Record, Scope, Template
from treadle.plan.yaml.nodes import Node, Scalar

from .file_scope import FileScope

_LIMITS = Limits()


class FromItem:
    """The outputs of other actions."""

    __slots__ = ("empty", "names", "node")

    def __init__(self, node: Node, names: list[Template], *, empty: bool) -> None:
        self.node = node
        self.names = names
        self.empty = empty


Item = Template | GlobItem | FromItem
"""A Template is a path, or a list of them that a value holds."""


class Slot:
    """What stands under one name of `in` or `out`; the name is "" where none is written.

    :param is_text: whether it is one path, so that it may stand inside a word
    """

    __slots__ = ("is_text", "items", "name")

    def __init__(self, name: str, items: list[Item], *, is_text: bool) -> None:
        self.name = name
        self.items = items
        self.is_text = is_text


class Variation(Protocol):
    """Makes an action of what the values of one instance choose."""

    def of(self, scope: Scope) -> Spec:
        """Return the action as it is with the values of a scope."""


class Spec:
    """An action as it is written.

    :param name: with what the names of its file begin with
    """

    __slots__ = (
        *("after", "argv", "condition", "cwd", "depfile", "dotenv", "edits", "entries", "env", "expand", "foreach"),
        *(
            "help",
            "file_scope",
            "inputs",
            "key",
            "limits",
            "name",
            "needs",
            "outputs",
            "own_secrets",
            "pass_",
            "pieces",
        ),
        *("secret", "sh", "shell", "stdout", "steps", "tags", "tools", "track", "variants"),
    )

    def __init__(self, name: str, key: Scalar, file_scope: FileScope) -> None:
        self.name = name
        self.key = key
        self.file_scope = file_scope
        self.entries: Mapping[str, Node] = {}
        self.help = ""
        self.steps: Sequence[list[argv_split.Word]] = ()
        self.argv: Sequence[Template] = ()
        self.sh: Scalar | None = None
        self.pieces: Sequence[str | shell.Placeholder] = ()
        self.shell: tuple[str, ...] = DEFAULT_SHELL
        self.inputs: Sequence[Slot] = ()
        self.outputs: Sequence[Slot] = ()
        self.edits: Slot | None = None
        self.tags: Sequence[Template] = ()
        self.stdout: Template | None = None
        self.depfile: Template | None = None
        self.expand: Template | None = None
        self.cwd: Template | None = None
        self.foreach: Sequence[tuple[str, list[Item | Record]]] = ()
        self.condition: Condition | None = None
        self.needs: Sequence[Template] = ()
        self.after: Sequence[Template] = ()
        self.env: Mapping[str, Template] = {}
        self.track: tuple[str, ...] = ()
        self.pass_: tuple[str, ...] = ()
        self.secret: tuple[str, ...] = ()
        self.own_secrets: Sequence[str] = ()
        """Those of `secret` that the action names itself."""
        self.dotenv: tuple[Template, bool] | None = None
        """A file of variables, and whether it may be missing."""
        self.tools: Sequence[tuple[Template, list[argv_split.Word]]] = ()
        self.limits = _LIMITS
        self.variants: Variation | None = None
        """What it is for each of its instances, where values of foreach decide that."""

    def share_settings(self, other: Spec) -> None:
        """Take the settings of another action."""
        self.env, self.track, self.pass_ = other.env, other.track, other.pass_
        self.secret, self.dotenv, self.own_secrets = other.secret, other.dotenv, other.own_secrets
        self.tools, self.shell, self.limits = other.tools, other.shell, other.limits

    def flag(self, name: str) -> bool:
        """Return whether a key stands at true."""
        node = self.entries.get(name)
        return isinstance(node, Scalar) and node.text == "true"

    def word(self, name: str) -> str:
        """Return the text of a key, "" if it is not there."""
        node = self.entries.get(name)
        return node.text if isinstance(node, Scalar) else ""

    @property
    def has_globs(self) -> bool:
        """Whether its instances depend on what files there are."""
        if not self.foreach:
            return False
        return any(isinstance(item, GlobItem) for _, items in self.foreach for item in items)
