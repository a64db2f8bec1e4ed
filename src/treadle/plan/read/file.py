"""Reads one file of a plan: its keys, its values, its actions as they are written.

A plan consists of its own file, the files that it includes, and those that its actions generate.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from treadle.content import trust
from treadle.content.git_values import USED, GitError, GitValues
from treadle.core.elements import ROOT_OF_PLAN
from treadle.errors import PlanError, TreadleError
from treadle.frontends.base import Param
from treadle.plan.language.globs import Disk, Globs
from treadle.plan.language.select import Selection
from treadle.plan.language.templates import ROOT_SHOWN
from treadle.plan.language.value_files import ValueFiles
from treadle.plan.model import TrackedEnviron
from treadle.plan.schema.keys import ACTION_NAME, COUNT, DEFAULTS_KEYS, PLAN_KEYS, Key
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Node, Scalar, Table

from .actions import ActionReader
from .file_scope import PATHS_ONLY, FileScope, PathResolver
from .mixins import Mixins
from .params import Given, operands, read_params
from .spec import Spec
from .variables import PLATFORM, read_vars
from .variants import words_of

HINT = "a plan begins with treadle: 1 and has actions:"


@dataclass(slots=True, eq=False)
class Header:
    """A plan file whose keys at the top are checked, and nothing else.

    :param path: absolute
    :param display_path: its path in errors
    :param prefix: the prefix of the names of its actions: "" in the plan itself, `docs:` in an included one
    :param include_offset: offset of the include that names it
    :param root: absolute path of the folder that its paths are relative to
    """

    validator: Validator
    path: str
    display_path: str
    prefix: str
    include_offset: int
    entries: dict[str, Node]
    root: str


def read_header(
    validator: Validator, node: Node, display_path: str, prefix: str = "", include_offset: int = 0
) -> Header | None:
    """Read the keys at the top of a file, and find the root; None after an error, which is kept."""
    before = validator.problems.reported
    path = os.path.abspath(display_path)
    if isinstance(node, Table):
        entries = validator.entries(node, PLAN_KEYS, "a plan")
        if "treadle" not in node.nodes:
            validator.add("there is no treadle: 1 in the plan", node, hint="write treadle: 1 as its first line")
        if "actions" not in node.nodes and "include" not in node.nodes:
            validator.add("the plan has no actions", node, hint="actions: with a name and run: for each")
        root = _root(validator, os.path.dirname(path), entries.get("root"))
        if validator.problems.reported == before:
            return Header(validator, path, display_path, prefix, include_offset, entries, root)
    elif isinstance(node, Scalar) and node.is_null:
        validator.add("the plan is empty", node.start, hint=HINT)
    else:
        validator.add("a plan must be a map", node, hint=HINT)
    return None


def _root(validator: Validator, folder: str, node: Node | None) -> str:
    if not isinstance(node, Scalar):
        return folder
    root = os.path.normpath(os.path.join(folder, node.text))
    root = root[1:] if root.startswith("//") else root
    if "${" in node.text:
        validator.add("root must not contain ${}", node, hint="write the folder as it is")
    elif not os.path.isdir(root):
        hint = "it is relative to the folder of the plan"
        validator.add(f"root: {node.text!r} is not a directory", node, facts=(f"looked for {root}",), hint=hint)
    elif (found := trust.foreign_link(root)) is not None:
        what = f"the root {node.text} is not used: because of {found[0]}: {found[1]}"
        validator.add(what, node, facts=(trust.RULE,), hint=trust.hint(found))
    return root


@dataclass(slots=True, frozen=True, eq=False)
class Common:
    """What all files of a plan share.

    :param root: absolute path of the folder that all paths are relative to
    :param plan: the plan's own file, relative to the root
    :param disk: keeps which files and folders were read
    :param git: the values of repositories
    """

    root: str
    plan: str
    environ: TrackedEnviron
    disk: Disk
    value_files: ValueFiles
    git: GitValues

    def git_values(self, text: str, folder: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return those values of git that a text names, and the errors for those that there are not.

        :param folder: the folder whose repository it is
        """
        values: dict[str, str] = {}
        unusable = {}
        lines = (line for line in text.split("\n") if not line.lstrip().startswith("#"))
        for name in dict.fromkeys(found for line in lines for found in USED.findall(line)):
            try:
                values[f"git.{name}"] = self.git.value(name, folder)
            except GitError as error:
                what, _, hint = str(error).partition("\n")
                unusable[f"git.{name}"] = f"${{git.{name}}} is not known: {what}\n{hint}"
        return values, unusable

    def real_root(self, text: str) -> str:
        """Return the value of `${root}`, "" if neither a file read before nor this text of one names it.

        The name that links lead to: the same whichever way the plan is called, and the one to look for when a
        snapshot is to be used. An included plan may get it as the value of a parameter.
        """
        looked_up = self.environ.looked_up
        if ROOT_SHOWN in text or ROOT_OF_PLAN in looked_up:
            looked_up[ROOT_OF_PLAN] = os.path.realpath(self.root)
        return looked_up.get(ROOT_OF_PLAN) or ""


@dataclass(slots=True, eq=False)
class PlanFile(Header):
    """One file of a plan, with its values.

    :param included: the names of the plans that it includes -> their paths
    :param generated: the prefixes of the loaded plans that its actions have generated
    :param specs: its actions, once they are read
    """

    common: Common
    params: dict[str, Param]
    file_scope: FileScope
    included: dict[str, str] = field(default_factory=dict)
    generated: list[str] = field(default_factory=list)
    specs: list[Spec] = field(default_factory=list)

    def queues(self) -> dict[str, tuple[int, Scalar]]:
        """Return the number of tokens of each queue that it names, and the name's node."""
        found: dict[str, tuple[int, Scalar]] = {}
        size = Key("the size of a queue", COUNT, "", "", "queues: {net: 2}")
        for name, value in self.validator.table(self.entries.get("queues"), "queues").items():
            if name.text == "default":
                what = "the queue default cannot be set here: -j sets its size"
                self.validator.add(what, name, hint="treadle run -j 4")
            elif self.validator.fits(size, value, name) and isinstance(value, Scalar):
                found[name.text] = (int(value.text), name)
        return found

    def read_actions(self, queues: Mapping[str, int]) -> None:
        """Read defaults and actions.

        :param queues: name -> tokens
        """
        validator, entries, scope = self.validator, self.entries, self.file_scope.scope
        defaults: dict[str, Node] = {}
        if "defaults" in entries:
            with validator.problems.collecting():
                selection = Selection(validator.source, scope.with_local(PLATFORM))
                defaults = validator.entries(selection.resolve(entries["defaults"]), DEFAULTS_KEYS, "defaults")
        if "shell" in entries:
            if "shell" in defaults:
                what = "shell is set both at the top and in defaults"
                validator.add(what, defaults["shell"], hint="keep one of them")
            defaults["shell"] = entries["shell"]
        if "actions" not in entries:
            return
        actions = validator.table(entries["actions"], "actions", pattern=ACTION_NAME)
        is_empty = isinstance(entries["actions"], Table) and not entries["actions"].keys
        if is_empty and not self.file_scope.generated_by:
            hint = "actions: {hello: {run: echo hello}}"
            validator.add("the plan has no actions", entries["actions"], hint=hint)
        taken = {**self.params, **self.file_scope.operands}
        mixins = Mixins(validator, entries.get("mixins"))
        reader = ActionReader(validator, defaults, taken, queues, self.file_scope, self.common.environ, mixins)
        self.specs = [reader.read(key, value) for key, value in actions.items()]


def read_values(
    header: Header,
    common: Common,
    given: Mapping[str, str | Given],
    *,
    folder: str = "",
    rest: Sequence[str] | None = None,
    generated_by: str = "",
) -> PlanFile:
    """Read the parameters and vars of a file; errors are kept.

    :param given: the values of parameters given from outside
    :param folder: the folder that its paths are relative to, relative to the root
    :param rest: the arguments after `--` on the command line
    :param generated_by: the uid of the action that made the file, or ""
    :raises PlanError: a parameter takes its value from a secret variable
    """
    validator, entries = header.validator, header.entries
    # before a value is read, as an error would show it
    if any(_variables_of_params(entries)):
        refused = secret_params(validator, entries, _named_secrets(entries))
        if refused:
            raise PlanError(refused)
    root = "" if header.prefix else header.root
    params = read_params(validator, entries.get("params"), given, common.environ, root, rest)
    real_root = common.real_root(validator.source.text)
    text = validator.source.text if "git." in validator.source.text else ""
    git = common.git_values(text, header.root) if text and not _is_own(entries, "git") else ({}, {})
    scope = read_vars(validator, entries.get("vars"), params, common.value_files, header.root, real_root, git)
    file_scope = FileScope(
        header.prefix,
        PathResolver(validator.source, common.root, common.plan, Globs(common.disk, folder)),
        replace(scope, unknown={**PATHS_ONLY, **scope.unknown}),
        {**operands(params, scope), **PLATFORM},
        scope.unknown,
        common.value_files,
        generated_by,
    )
    return PlanFile(
        validator,
        header.path,
        header.display_path,
        header.prefix,
        header.include_offset,
        entries,
        header.root,
        common,
        params,
        file_scope,
    )


def _is_own(entries: Mapping[str, Node], name: str) -> bool:
    """Return whether a parameter or a var of a file has this name."""
    return any(name in getattr(entries.get(key), "nodes", ()) for key in ("params", "vars"))


def join_queues(files: Sequence[PlanFile]) -> dict[str, int]:
    """Return name -> tokens. A queue is the same in all files, and an including plan sets its size."""
    found: dict[str, tuple[int, Scalar, str]] = {}
    for file in files:
        for name, (size, node) in file.queues().items():
            known = found.get(name)
            if known is None:
                found[name] = (size, node, file.prefix)
            elif known[0] != size and not file.prefix.startswith(known[2]):
                what = f"the queue {name} has {size} tokens here and {known[0]} in another plan"
                facts = (f"the other at {file.validator.source.place(known[1].start)}",)
                file.validator.add(what, node, facts=facts, hint="set it in the plan that includes both")
    return {name: size for name, (size, _, _) in found.items()}


def _named_secrets(entries: Mapping[str, Node]) -> set[str]:
    """Return the variables that `secret` lists anywhere in a file.

    :param entries: the entries at its top
    """
    maps = [entries.get("actions"), entries.get("mixins")]
    tables = [
        entries.get("defaults"),
        *(one for map_ in maps if isinstance(map_, Table) for one in map_.nodes.values()),
    ]
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
