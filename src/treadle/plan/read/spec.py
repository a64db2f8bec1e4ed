"""An action as it is written, read once however many instances it has: templates, words, pieces of script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from treadle.command.command import DEFAULT_SHELL, Limits
from treadle.core.codes import Codes, Expect
from treadle.plan.language import argv_split, shell
from treadle.plan.language.enabled_if import Condition
from treadle.plan.language.templates import GlobItem, Record, Scope, Template, TreeItem
from treadle.plan.yaml.nodes import Node, Scalar

from .file_scope import FileScope

if TYPE_CHECKING:
    from treadle.core.conditions import Condition as OutcomeCondition

_LIMITS = Limits()


@dataclass(slots=True, eq=False)
class FromItem:
    """The outputs of other actions.

    :param empty: whether there may be none
    """

    node: Node
    names: list[Template]
    empty: bool


Item = Template | GlobItem | TreeItem | FromItem
"""A Template is a path, or a list of paths that a value has."""


@dataclass(slots=True, eq=False)
class Slot:
    """One name of `in` or `out` with its paths; the name is "" if none is written.

    :param is_text: whether it is one path, so that it may be part of a word
    """

    name: str
    items: list[Item]
    is_text: bool


@dataclass(slots=True, frozen=True, eq=False)
class Need:
    """One entry of `needs`.

    :param name: an action, family, group or pattern
    :param condition: what the outcome must meet; None for on_success
    :param expects: how many actions it must select: `+`, `?`, `*` or a number; "" for a plain name
    :param node: where it is written
    """

    name: Template
    condition: OutcomeCondition | None
    expects: str
    node: Node

    @property
    def says(self) -> str:
        """Its condition in words."""
        return "on_success" if self.condition is None else self.condition.text

    def is_met_by(self, kind: str) -> bool:
        """Return whether an outcome of a kind other than a success meets it."""
        return self.condition is not None and kind in self.condition.kinds

    def misses(self, count: int) -> str:
        """Return what is wrong with the number of actions that it selects, "" if that is expected."""
        if self.expects in ("", "*"):
            return ""
        if self.expects == "+":
            return "" if count else "at least one action is expected"
        if self.expects == "?":
            return "" if count <= 1 else "at most one action is expected"
        return "" if count == int(self.expects) else f"expected are {self.expects}"


@dataclass(slots=True, frozen=True, eq=False)
class RequiredSpec:
    """One entry of `require`: commands, a script or a condition.

    :param node: where it is written
    """

    node: Node
    steps: Sequence[list[argv_split.Word]] = ()
    sh: Scalar | None = None
    pieces: Sequence[str | shell.Placeholder] = ()
    condition: Condition | None = None
    message: Template | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Settings:
    """How an action runs. Actions without settings of their own share one object.

    :param own_secrets: those of `secret` that the action names itself
    :param dotenv: a file of variables, and whether it may be missing
    :param confirm: the question before it starts
    :param uses: names of values that count though the command does not show them
    :param codes: what its exit codes mean, None where it does not say so
    :param expect: the end that is expected, None for a success
    :param workdir: which folder it runs in, see `Command`
    :param baseline: outputs, each with the file of what it should hold
    :param accept: commands that accept a difference
    :param artifacts: patterns of files, each with after which end they are moved
    :param cache: what it says of the cache, as a Command takes it
    """

    env: Mapping[str, Template] = field(default_factory=dict)
    track: tuple[str, ...] = ()
    pass_: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    own_secrets: Sequence[str] = ()
    dotenv: tuple[Template, bool] | None = None
    uses: Sequence[Template] = ()
    confirm: Template | None = None
    require: Sequence[RequiredSpec] = ()
    tools: Sequence[tuple[Template, list[argv_split.Word]]] = ()
    shell: tuple[str, ...] = DEFAULT_SHELL
    limits: Limits = _LIMITS
    resources: Mapping[str, Template] = field(default_factory=dict)
    fallbacks: Sequence[Mapping[str, Template]] = ()
    mutex: Sequence[Template] = ()
    codes: Codes | None = None
    expect: Expect | None = None
    workdir: str = ""
    baseline: Sequence[tuple[Template, Template]] = ()
    accept: Sequence[list[argv_split.Word]] = ()
    artifacts: Sequence[tuple[Template, str]] = ()
    cache: bool | Mapping[str, bool] | None = None


_SETTINGS = Settings()


def is_true(node: Node | None) -> bool:
    """Return whether the value of a key is `true`."""
    return isinstance(node, Scalar) and node.text == "true"


class Variation(Protocol):
    """Makes the action of one instance, in which selects depend on its values."""

    def of(self, scope: Scope) -> Spec:
        """Return the action with the values of a scope."""


@dataclass(slots=True, eq=False)
class Spec:
    """An action as it is written.

    :param name: with the prefix of its file
    :param files: those of the keys stdout, depfile, expand and cwd that it has
    :param variants: makes the action of each instance, if values of foreach decide selects in it
    """

    name: str
    key: Scalar
    file_scope: FileScope
    entries: Mapping[str, Node] = field(default_factory=dict)
    help: str = ""
    steps: Sequence[list[argv_split.Word]] = ()
    argv: Sequence[Template] = ()
    sh: Scalar | None = None
    pieces: Sequence[str | shell.Placeholder] = ()
    inputs: Sequence[Slot] = ()
    outputs: Sequence[Slot] = ()
    edits: Slot | None = None
    files: Mapping[str, Template] = field(default_factory=dict)
    foreach: Sequence[tuple[str, list[Item | Record]]] = ()
    condition: Condition | None = None
    needs: Sequence[Need] = ()
    after: Sequence[Template] = ()
    tags: Sequence[Template] = ()
    settings: Settings = _SETTINGS
    variants: Variation | None = None

    def flag(self, name: str) -> bool:
        """Whether the value of a key is true."""
        return is_true(self.entries.get(name))

    def word(self, name: str) -> str:
        """Return the text of a key, "" if it is not there."""
        node = self.entries.get(name)
        return node.text if isinstance(node, Scalar) else ""

    @property
    def has_globs(self) -> bool:
        """Whether its instances depend on which files exist."""
        if not self.foreach:
            return False
        return any(isinstance(item, GlobItem) for _, items in self.foreach for item in items)
