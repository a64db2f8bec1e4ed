"""From an instance and what it reads to its Command: values go into words, scripts and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from treadle.command.command import Command, Environment, Script, Tool
from treadle.core.paths import from_cwd, normalise, parents
from treadle.errors import TreadleError, shortened
from treadle.plan.language import argv_split, dotenv, shell
from treadle.plan.language.templates import Scope, Template, Value
from treadle.plan.language.value_files import shown_path
from treadle.plan.read.spec import Spec
from treadle.plan.yaml.nodes import Source

from .declared_outputs import Instance
from .edges import Dependencies, Linker
from .programs import starts

_MISSING = {
    name: f"${{{name}}}: this action has no {name}\nwrite {name}: with the path"
    for name in ("in", "out", "depfile", "edits")
}


class CommandBuilder:
    """Makes Commands.

    :param label: the plan's name, part of each Command
    """

    __slots__ = ("environments", "known", "label", "linker", "links", "root", "source", "unknown")

    def __init__(self, linker: Linker, label: str) -> None:
        self.linker = linker
        self.source: Source = linker.source
        self.root = linker.root
        self.label = label
        self.links: dict[str, bool] = {}
        """A folder that commands run in -> whether its path leads through a link below the root."""
        self.known: Mapping[str, str] = {}
        """What the last action said about names without a value, which is in `unknown` as commands say it."""
        self.unknown: Mapping[str, str] = {}
        self.environments: dict[tuple[tuple[str, ...], ...], Environment] = {}

    def command(self, instance: Instance, deps: Dependencies) -> Command:
        """Return the Command of an instance."""
        spec = instance.spec
        cwd = self._cwd(instance)
        if instance.scope.unknown is not self.known:
            self.known = instance.scope.unknown
            self.unknown = {**self.known, **_MISSING}
        seen_from = self._seen_from(cwd)
        scope = instance.scope.with_local(self._local(instance, deps, seen_from), self.unknown)
        steps, script = self._program(instance, scope)
        if starts(spec):
            programs = self.linker.programs
            programs.wait(instance, programs.by_paths(instance, scope), deps.predecessors)
        return Command(
            steps,
            script=script,
            cwd=cwd,
            inputs=tuple(dict.fromkeys(deps.paths)),
            outputs=tuple(dict.fromkeys([output.path for output in instance.outputs])),
            env=self._environment(spec, scope) if spec.dotenv is None else self._with_dotenv(instance, scope),
            tools=[self._tool(name, version, instance) for name, version in spec.tools],
            depfile=instance.depfile,
            stdout=instance.stdout,
            limits=spec.limits,
            # a glob that matches nothing today is still all that it reads
            always=spec.flag("always") or (False if spec.inputs else None),
            keep=spec.flag("keep"),
            console=spec.flag("console"),
            output=spec.word("output"),
            once=spec.flag("once"),
            edits=deps.edits[0] if deps.edits is not None else (),
            label=self.label,
            place=self.source.place(spec.key.start),
        )

    def _environment(self, spec: Spec, scope: Scope) -> Environment:
        if spec.env:
            values = {name: scope.text(template) for name, template in spec.env.items()}
            return self._hiding(spec, Environment(values, spec.track, spec.pass_, spec.secret))
        key = (spec.track, spec.pass_, spec.secret)
        if key not in self.environments:
            self.environments[key] = Environment(None, spec.track, spec.pass_, spec.secret)
        return self._hiding(spec, self.environments[key])

    def _with_dotenv(self, instance: Instance, scope: Scope) -> Environment:
        """Return the environment of an action with a file of variables."""
        spec = instance.spec
        assert spec.dotenv is not None
        (template, is_optional), file_scope = spec.dotenv, spec.file_scope
        path = file_scope.resolver.path(instance.scope.text(template), template.node, "dotenv")
        full = os.path.join(self.root, path)
        values: dict[str, str] = {}
        if not path.endswith("/"):
            shown = shown_path(self.source.file, full)
            try:
                source = file_scope.value_files.source(
                    full, shown, lambda what: self.source.error(what, template.node)
                )
                if source is not None:
                    values = file_scope.value_files.made_of(full, dotenv.variables, source)
            except TreadleError as error:
                if error.place is not None and error.place.file == shown:
                    # a line of this file may hold what is secret
                    error.place.text = ""
                error.place = error.place or self.source.place(template.node.start)
                raise
            if source is None and not is_optional:
                hint = "if that is right: {file: " + path + ", optional: true}"
                raise self.source.error(f"the file {path} of dotenv does not exist", template.node, hint=hint)
        else:
            raise self.source.error(
                f"dotenv needs a file, but {path} is a folder", template.node, hint="name the file"
            )
        values = {**values, **{name: scope.text(value) for name, value in spec.env.items()}}
        return self._hiding(spec, Environment(values, spec.track, spec.pass_, spec.secret))

    def _hiding(self, spec: Spec, env: Environment) -> Environment:
        """Check that what is secret is there at all."""
        if not spec.secret:
            return env
        known = {*env.set, *env.track}
        for name in spec.secret:
            if name not in known and name in spec.own_secrets:
                raise self.source.error(
                    f"{name} is secret, but not a variable of {spec.name}",
                    spec.entries.get("secret", spec.key),
                    hint=f"track: [{name}], or dotenv: with a file that sets it",
                )
        return env

    def _local(self, instance: Instance, deps: Dependencies, cwd: str) -> dict[str, Value]:
        """Return the values of `${in}`, `${out}`, `${depfile}`."""
        local: dict[str, Value] = {}
        every: list[str] = []
        for name, (paths, is_text) in deps.named.items():
            shown = _shown(paths, cwd)
            every.extend(shown)
            if name:
                local[f"in.{name}"] = shown[0] if is_text and len(shown) == 1 else shown
        if deps.named:
            is_text = "" in deps.named and deps.named[""][1]
            local["in"] = every[0] if is_text and len(every) == 1 else tuple(every)
        self._outputs(instance, local, cwd)
        if instance.depfile is not None:
            local["depfile"] = from_cwd(instance.depfile, cwd)
        if deps.edits is not None:
            paths, is_text = deps.edits
            shown = _shown(paths, cwd)
            local["edits"] = shown[0] if is_text and len(shown) == 1 else shown
        return local

    def _outputs(self, instance: Instance, local: dict[str, Value], cwd: str) -> None:
        slots = instance.spec.outputs
        every: list[str] = []
        for slot in slots:
            shown = _shown([out.path for out in instance.outputs if out.slot is slot], cwd)
            every.extend(shown)
            value: Value = shown[0] if slot.is_text and len(shown) == 1 else shown
            if slot.name:
                local[f"out.{slot.name}"] = value
            else:
                local["out"] = value
        if slots and "out" not in local:
            local["out"] = tuple(every)

    def _program(self, instance: Instance, scope: Scope) -> tuple[tuple[tuple[str, ...], ...], Script | None]:
        spec = instance.spec
        if spec.sh is not None:
            return (), shell.fill(self.source, spec.sh, spec.pieces, scope, spec.shell)
        if spec.argv:
            argv = tuple([text for template in spec.argv for text in scope.items(template)])
            if not argv or not argv[0]:
                raise self.source.error(argv_split.NO_PROGRAM, spec.argv[0].node, hint=argv_split.GIVE_PROGRAM)
            return (argv,), None
        return tuple([argv_split.fill(step, scope) for step in spec.steps]), None

    def _tool(self, name: Template, version: list[argv_split.Word], instance: Instance) -> Tool:
        text = instance.scope.text(name)
        if not text:
            raise self.source.error("a tool without a name", name.node, hint="the value is empty")
        folder = instance.spec.file_scope.resolver.folder
        argv = argv_split.fill(version, instance.scope) if version else ()
        if folder and argv and "/" in argv[0] and not argv[0].startswith("/"):
            argv = (f"{folder}/{argv[0]}", *argv[1:])
        if "/" in text:
            text = normalise(f"{folder}/{text}" if folder and not text.startswith("/") else text, self.root)
            text = text if "/" in text else "./" + text
        return Tool(text, argv)

    def _cwd(self, instance: Instance) -> str:
        template = instance.spec.cwd
        resolver = instance.spec.file_scope.resolver
        if template is None:
            return resolver.folder or "."
        path = resolver.path(instance.scope.text(template), template.node, "cwd").rstrip("/") or "/"
        if path.startswith("/"):
            raise self.source.error(
                f"cwd is outside the root: {path}",
                template.node,
                hint="set root: at the top to a folder that contains it",
            )
        kind = resolver.globs.disk.kind
        if path != "." and kind(path) != "folder" and not self._is_made(path):
            raise self._no_folder(path, template)
        for folder in parents(path):
            # one that is a link from now on makes another folder of this one
            kind(folder)
        return path

    def _seen_from(self, cwd: str) -> str:
        """Return the folder that a command names paths from: with a trailing `/` it is put before them.

        From behind a link `..` leads to where the link leads, and not back to the root.
        """
        if cwd == ".":
            return cwd
        is_behind = self.links.get(cwd)
        if is_behind is None:
            is_behind = any(os.path.islink(f"{self.root}/{folder.rstrip('/')}") for folder in (*parents(cwd), cwd))
            self.links[cwd] = is_behind
            if is_behind:
                self.linker.disk.trail(cwd)
        return f"{self.root}/" if is_behind else cwd

    def _is_made(self, path: str) -> bool:
        folders = self.linker.declared.folders
        above = [*parents(path + "/"), path + "/"]
        return any(folder in folders for folder in above) or any(
            True for _ in self.linker.declared.below(path + "/")
        )

    def _no_folder(self, path: str, template: Template) -> TreadleError:
        kind = self.linker.disk.kind(path)
        what = "is a file" if kind else "does not exist and no action makes it"
        return self.source.error(
            f"the folder {path} of cwd {what}",
            template.node,
            hint="it is relative to the root, and has to be there",
        )


def _shown(paths: Sequence[str], cwd: str) -> tuple[str, ...]:
    if cwd != ".":
        return tuple([from_cwd(path, cwd) for path in paths])
    return tuple([from_cwd(path, cwd) if path[0] == "-" or path[-1] == "/" else path for path in paths])


def circle_error(linker: Linker, circle: list[str], reasons: Mapping[str, str]) -> TreadleError:
    """Return the error for actions that wait for each other, with the whole circle.

    :param reasons: uid -> where it stands
    """
    facts = [" waits for ".join(shortened(circle))]
    facts.extend(f"{uid} at {reasons[uid]}" for uid in circle[:-1][:12])
    first = linker.by_uid[circle[0]]
    what = f"{circle[0]} waits for itself" if len(circle) == 2 else f"{len(circle) - 1} actions wait for each other"
    return linker.error(
        what, first.spec.key, facts=tuple(facts), hint="remove one of in, needs, after, or the program"
    )
