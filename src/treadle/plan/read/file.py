"""One file of a plan: its keys checked, its values worked out, its actions as they are written.

A plan is one part, and one more for each plan that it includes. A part knows nothing of the others.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping, Sequence

from treadle.content import trust
from treadle.errors import PlanError, TreadleError
from treadle.frontends.base import Param
from treadle.plan.language.enabled_if import Operand
from treadle.plan.language.globs import Globs
from treadle.plan.language.select import Selection
from treadle.plan.language.value_files import ValueFiles
from treadle.plan.model import TrackedEnviron
from treadle.plan.schema.keys import ACTION_NAME, COUNT, DEFAULTS_KEYS, PLAN_KEYS, Key
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Node, Scalar, Table

from .actions import ActionReader
from .file_scope import PATHS_ONLY, FileScope, PathResolver
from .params import Given, operands, read_params
from .spec import Spec
from .variables import PLATFORM, read_vars
from .variants import words_of

HINT = "a plan begins with treadle: 1 and has actions:"


class PlanFile:
    """A plan's file on its way.

    :param prefix: what the names of its actions begin with
    :param display_path: its path as people see it in errors
    """

    __slots__ = (
        *(
            "entries",
            "environ",
            "path",
            "value_files",
            "file_scope",
            "included",
            "generated",
            "operands",
            "params",
            "prefix",
            "problems",
        ),
        *("validator", "rest", "root", "scope", "display_path", "specs", "include_offset"),
    )

    def __init__(self, validator: Validator, environ: TrackedEnviron, display_path: str, prefix: str = "") -> None:
        self.validator = validator
        self.problems = validator.problems
        self.environ = environ
        self.display_path = display_path
        self.path = os.path.abspath(display_path)
        self.prefix = prefix
        self.specs: list[Spec] = []
        self.value_files: ValueFiles
        self.rest: Sequence[str] | None = None
        """What stands behind `--` on the command line."""
        self.generated: list[str] = []
        """The prefixes of the plans that its actions have made and that have been read."""
        self.included: dict[str, str] = {}
        """The names of the plans that it includes -> their files."""
        self.include_offset = 0
        """Where the plan that includes it says so."""

    def read_top(self, node: Node) -> bool:
        """Read the keys at the top, and find the root; return whether there is anything to go on with."""
        before = self.problems.reported
        if isinstance(node, Scalar) and node.is_null:
            self.validator.add("the plan is empty", node.start, hint=HINT)
        elif not isinstance(node, Table):
            self.validator.add("a plan must be a map", node, hint=HINT)
        else:
            self.entries = self.validator.entries(node, PLAN_KEYS, "a plan")
            if "treadle" not in node.nodes:
                self.validator.add(
                    "there is no treadle: 1 in the plan", node, hint="write treadle: 1 as its first line"
                )
            if "actions" not in node.nodes and "include" not in node.nodes:
                self.validator.add("the plan has no actions", node, hint="actions: with a name and run: for each")
            self.root = self._root()
        return self.problems.reported == before

    def _root(self) -> str:
        folder = os.path.dirname(self.path)
        node = self.entries.get("root")
        if not isinstance(node, Scalar):
            return folder
        root = os.path.normpath(os.path.join(folder, node.text))
        root = root[1:] if root.startswith("//") else root
        if "${" in node.text:
            self.validator.add("root must not contain ${}", node, hint="write the folder as it is")
        elif not os.path.isdir(root):
            self.validator.add(
                f"root: {node.text!r} is not a directory",
                node,
                facts=(f"looked for {root}",),
                hint="it is relative to the folder of the plan",
            )
        elif (found := trust.foreign_link(root)) is not None:
            path, why = found
            self.validator.add(
                f"the root {node.text} is not used: because of {path}: {why}",
                node,
                facts=(trust.RULE,),
                hint=trust.hint(found),
            )
        return root

    def read_values(self, given: Mapping[str, str | Given]) -> None:
        """Read parameters and vars.

        :raises PlanError: a parameter takes its value from a secret variable
        """
        if "params" in self.entries:
            # before a value is read, which an error would show
            refused = secret_params(self.validator, self.entries, _named_secrets(self.entries))
            if refused:
                raise PlanError(refused)
        self.params = read_params(
            self.validator,
            self.entries.get("params"),
            given,
            self.environ,
            "" if self.prefix else self.root,
            self.rest,
        )
        self.scope = read_vars(self.validator, self.entries.get("vars"), self.params, self.value_files, self.root)
        self.operands: dict[str, Operand] = {**operands(self.params, self.scope), **PLATFORM}

    def settle(self, root: str, plan: str, globs: Globs) -> None:
        """Say what its paths mean.

        :param root: of the whole plan
        :param plan: the file of the whole plan, relative to the root
        """
        self.file_scope = FileScope(
            self.prefix, PathResolver(self.validator.source, root, plan, globs), self.scope, self.operands
        )
        self.file_scope.unusable = self.scope.unknown
        self.scope.unknown = {**PATHS_ONLY, **self.scope.unknown}
        self.file_scope.value_files = self.value_files

    def queues(self) -> dict[str, tuple[int, Scalar]]:
        """Return how many tokens each queue has that it names, and where it says so."""
        found: dict[str, tuple[int, Scalar]] = {}
        node = self.entries.get("queues")
        size = Key("the size of a queue", COUNT, "", "", "queues: {net: 2}")
        for name, value in self.validator.table(node, "queues").items():
            if name.text == "default":
                self.validator.add(
                    "the queue default cannot be set here: -j sets its size", name, hint="treadle run -j 4"
                )
            elif self.validator.fits(size, value, name) and isinstance(value, Scalar):
                found[name.text] = (int(value.text), name)
        return found

    def read_actions(self, queues: Mapping[str, int]) -> None:
        """Read defaults and actions.

        :param queues: name -> tokens
        """
        validator, entries = self.validator, self.entries
        node = entries.get("defaults")
        defaults: dict[str, Node] = {}
        if node is not None:
            with self.problems.collecting():
                node = Selection(validator.source, self.scope.with_local(PLATFORM)).resolve(node)
                defaults = validator.entries(node, DEFAULTS_KEYS, "defaults")
        if "shell" in entries:
            if "shell" in defaults:
                validator.add(
                    "shell is set both at the top and in defaults", defaults["shell"], hint="keep one of them"
                )
            defaults["shell"] = entries["shell"]
        if "actions" not in entries:
            return
        actions = validator.table(entries["actions"], "actions", pattern=ACTION_NAME)
        is_empty = isinstance(entries["actions"], Table) and not entries["actions"].keys
        if is_empty and not self.file_scope.generated_by:
            validator.add("the plan has no actions", entries["actions"], hint="actions: {hello: {run: echo hello}}")
        taken: dict[str, Param | Operand] = {**self.params, **self.operands}
        action_reader = ActionReader(validator, defaults, taken, queues, self.file_scope, self.environ)
        self.specs = [action_reader.read(key, value) for key, value in actions.items()]


def join_queues(files: Sequence[PlanFile]) -> dict[str, int]:
    """Return name -> tokens: a queue is the same in all files, and the plan that includes says how large it is."""
    found: dict[str, tuple[int, Scalar, str]] = {}
    for file in files:
        for name, (size, node) in file.queues().items():
            known = found.get(name)
            if known is None:
                found[name] = (size, node, file.prefix)
            elif known[0] != size and not file.prefix.startswith(known[2]):
                place = file.validator.source.place(known[1].start)
                file.validator.add(
                    f"the queue {name} has {size} tokens here and {known[0]} in another plan",
                    node,
                    facts=(f"the other at {place}",),
                    hint="set it in the plan that includes both",
                )
    return {name: size for name, (size, _, _) in found.items()}


def _named_secrets(entries: Mapping[str, Node]) -> set[str]:
    """Return the variables that a file calls secret, as far as its text alone says so.

    :param entries: the entries at its top
    """
    actions = entries.get("actions")
    tables = [entries.get("defaults"), *(actions.nodes.values() if isinstance(actions, Table) else ())]
    return {word for table in tables if isinstance(table, Table) for word in words_of(table.nodes.get("secret"))}


def secret_params(validator: Validator, entries: Mapping[str, Node], secrets: Container[str]) -> list[TreadleError]:
    """Return an error for each parameter of a file that takes its value from a secret variable."""
    return [
        validator.error(
            f"the parameter {param} takes its value from {variable.text}, which is secret",
            variable,
            facts=("the value of a parameter becomes part of commands, and these are shown and kept",),
            hint=f"track: [{variable.text}] on the action, which then reads ${variable.text} itself",
        )
        for param, variable in _variables_of_params(entries)
        if variable.text in secrets
    ]


def _variables_of_params(entries: Mapping[str, Node]) -> Iterator[tuple[str, Scalar]]:
    params = entries.get("params")
    for name, node in params.nodes.items() if isinstance(params, Table) else ():
        variable = node.nodes.get("env") if isinstance(node, Table) else None
        if isinstance(variable, Scalar):
            yield name, variable
