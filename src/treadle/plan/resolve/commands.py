"""Builds the Command of an instance: fills values into words, scripts and the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from treadle.command.command import Command, Environment, Limits, Script, Tool
from treadle.core.elements import COMMAND, ENV, ROOT, VALUE
from treadle.core.paths import from_cwd, normalise, parents
from treadle.core.pool import amount_of
from treadle.core.redaction import digest
from treadle.errors import TreadleError, shortened
from treadle.plan.language import argv_split, dotenv, shell
from treadle.plan.language.templates import ROOT_SHOWN, Scope, Template, Value
from treadle.plan.language.uses import elements_of
from treadle.plan.language.value_files import shown_path
from treadle.plan.read.spec import Spec
from treadle.plan.yaml.nodes import Source

from .declared_outputs import Instance
from .dependencies import Dependencies
from .edges import Linker
from .programs import starts

if TYPE_CHECKING:
    from treadle.command.guards import Guards

_MISSING = {
    name: f"${{{name}}}: this action has no {name}\nwrite {name}: with the path"
    for name in ("in", "out", "depfile", "edits")
}


class CommandBuilder:
    """Builds Commands.

    :param label: the plan's name, part of each Command
    :param environ: the environment, for the values of secret variables
    :ivar links: a folder that commands run in -> whether its path leads through a link below the root
    :ivar known: the errors for unknown names of the last action, which `unknown` has with those of commands
    """

    __slots__ = ("environ", "environments", "known", "label", "linker", "links", "root", "source", "unknown")

    def __init__(self, linker: Linker, label: str, environ: Mapping[str, str]) -> None:
        self.linker = linker
        self.source: Source = linker.source
        self.root = linker.root
        self.label = label
        self.environ = environ
        self.links: dict[str, bool] = {}
        self.known: Mapping[str, str] = {}
        self.unknown: Mapping[str, str] = {}
        self.environments: dict[tuple[tuple[str, ...], ...], Environment] = {}

    def command(self, instance: Instance, deps: Dependencies) -> Command:
        """Return the Command of an instance."""
        spec = instance.spec
        cwd = self._cwd(instance)
        if instance.scope.unknown is not self.known:
            self.known = instance.scope.unknown
            self.unknown = {**self.known, **_MISSING}
        # in a folder of its own no link leads to the folder that it runs in
        seen_from = cwd if spec.settings.workdir else self._seen_from(cwd)
        scope = instance.scope.with_local(self._local(instance, deps, seen_from), self.unknown)
        steps, script = self._program(instance, scope)
        env = self._environment(instance, scope)
        if starts(spec):
            programs = self.linker.programs
            programs.wait(instance, programs.by_paths(instance, scope), deps.predecessors)
        return Command(
            steps,
            script=script,
            cwd=cwd,
            inputs=tuple(dict.fromkeys(deps.paths)),
            outputs=tuple(dict.fromkeys([output.path for output in instance.outputs])),
            env=env,
            tools=[self._tool(name, version, instance) for name, version in spec.settings.tools],
            depfile=instance.depfile,
            stdout=instance.stdout,
            limits=self._limits(instance),
            # a glob that matches nothing now still counts as an input
            always=spec.flag("always") or (False if spec.inputs else None),
            keep=spec.flag("keep"),
            console=spec.flag("console"),
            output=spec.word("output"),
            once=spec.flag("once"),
            edits=deps.edits[0] if deps.edits is not None else (),
            exclude=_joined(deps) | {one.path: one.exclude for one in instance.outputs if one.exclude},
            presence=[one.path for one in instance.outputs if one.by_presence],
            installed=self._installed(instance),
            label=self.label,
            elements=self._elements(instance, scope, (steps, script, env)),
            codes=spec.settings.codes,
            expect=spec.settings.expect,
            guards=self._guards(instance, scope, env),
            workdir=spec.settings.workdir,
            baseline=deps.baseline,
            accept=[argv_split.fill(step, scope) for step in spec.settings.accept],
            artifacts=self._artifacts(instance) if spec.settings.artifacts else None,
            cache=spec.settings.cache,
            place=self.source.place(spec.key.start),
        )

    def _elements(
        self,
        instance: Instance,
        scope: Scope,
        made: tuple[tuple[tuple[str, ...], ...], Script | None, Environment],
    ) -> dict[str, str]:
        found = self._with_root(instance, scope, made) if scope.root else {}
        settings = instance.spec.settings
        if settings.uses:
            found |= elements_of(settings.uses, instance.scope, instance.spec.file_scope.scope.globs)
            secrets = self._secrets(made[2])
            for name, text in found.items():
                if name.startswith(VALUE) and any(secret in text for secret in secrets):
                    found[name] = digest(name, text)
        return found

    def _secrets(self, env: Environment) -> list[str]:
        """Return the values of secret variables."""
        values = [env.set.get(name) or self.environ.get(name) for name in env.secret]
        return [value for value in values if value]

    def _guards(self, instance: Instance, scope: Scope, env: Environment) -> Guards | None:
        settings = instance.spec.settings
        if settings.confirm is None and not settings.require:
            return None
        from .guards import guards_of

        return guards_of(instance, scope, self.environ, self._secrets(env))

    def _with_root(
        self,
        instance: Instance,
        scope: Scope,
        made: tuple[tuple[tuple[str, ...], ...], Script | None, Environment],
    ) -> dict[str, str]:
        """Return the elements of an action that names the root: it, and the texts with `${root}` in its place.

        :param made: its steps, its script and its variables, with the root in them
        """
        steps, script, env = made
        shown = scope.with_root(ROOT_SHOWN)
        texts = {
            ENV + name: (env.set[name], shown.text(value)) for name, value in instance.spec.settings.env.items()
        }
        texts[COMMAND] = (_shown_command(steps, script), _shown_command(*self._program(instance, shown)))
        found = {name: text for name, (real, text) in texts.items() if text != real}
        if not found:
            return {}
        # what is secret counts by its digest; and a text that shows ${root} itself would equal one with the root
        secret = {ENV + name for name in env.secret}
        kept = {
            name: text for name, text in found.items() if name not in secret and ROOT_SHOWN not in texts[name][0]
        }
        return {**kept, ROOT: scope.root}

    def _limits(self, instance: Instance) -> Limits:
        """Return when it may run; actions without demands share one object."""
        spec = instance.spec
        limits, resources, fallbacks = spec.settings.limits, spec.settings.resources, spec.settings.fallbacks
        if not (resources or fallbacks or spec.settings.mutex) and limits.limit is None:
            return limits
        demands: list[dict[str, int]] = []
        for one in (resources, *fallbacks):
            demands.append({})
            for kind, template in one.items():
                amount = amount_of(kind, instance.scope.text(template))
                if isinstance(amount, str):
                    value = instance.scope.text(template)
                    raise self.source.error(f"{kind} {amount}, not {value!r}", template.node)
                demands[-1][kind] = amount
        names: dict[str, None] = {}
        for template in spec.settings.mutex:
            for name in instance.scope.items(template):
                if not name:
                    raise self.source.error(
                        "a name in mutex is empty", template.node, hint="write one, or take it out"
                    )
                names[name] = None
        return limits.asking(demands[0], group=spec.name, mutex=tuple(names), fallbacks=demands[1:])

    def _artifacts(self, instance: Instance) -> dict[str, str]:
        """Return the patterns of its artifacts; a value in one is never a pattern."""
        from treadle.command.artifact_patterns import why_not

        found: dict[str, str] = {}
        for template, when in instance.spec.settings.artifacts:
            for pattern in instance.scope.patterns(template):
                if wrong := why_not(pattern):
                    raise self.source.error(f"the pattern {pattern!r} in artifacts {wrong}", template.node)
                # the last one counts
                found.pop(pattern, None)
                found[pattern] = when
        return found

    def _installed(self, instance: Instance) -> list[str]:
        """Return the outputs of others that are judged by presence."""
        presence = self.linker.declared.presence
        return [path for path, producer in presence.items() if producer is not instance]

    def _environment(self, instance: Instance, scope: Scope) -> Environment:
        settings = instance.spec.settings
        lists = (settings.track, settings.pass_, settings.secret)
        if settings.env or settings.dotenv is not None:
            values = self._dotenv(instance)
            env = Environment({**values, **{k: scope.text(value) for k, value in settings.env.items()}}, *lists)
        else:
            if lists not in self.environments:
                self.environments[lists] = Environment(None, *lists)
            env = self.environments[lists]
        if settings.secret:
            self._check_secrets(instance.spec, env)
        return env

    def _dotenv(self, instance: Instance) -> dict[str, str]:
        """Return the variables of the file that `dotenv` names, {} without one."""
        spec = instance.spec
        if spec.settings.dotenv is None:
            return {}
        (template, is_optional), value_files = spec.settings.dotenv, spec.file_scope.value_files
        node = template.node
        path = spec.file_scope.resolver.path(instance.scope.raw.text(template), node, "dotenv")
        if path.endswith("/"):
            what = f"dotenv needs a file, but {path} is a folder"
            raise self.source.error(what, node, hint="name the file")
        full = os.path.join(self.root, path)
        shown = shown_path(self.source.file, full)
        try:
            source = value_files.source(full, shown, lambda what: self.source.error(what, node))
            if source is not None:
                return value_files.result_of(full, dotenv.variables, source)
        except TreadleError as error:
            if error.place is not None and error.place.file == shown:
                # a line of this file may contain a secret
                error.place.text = ""
            error.place = error.place or self.source.place(node.start)
            raise
        if not is_optional:
            hint = "if that is right: {file: " + path + ", optional: true}"
            raise self.source.error(f"the file {path} of dotenv does not exist", node, hint=hint)
        return {}

    def _check_secrets(self, spec: Spec, env: Environment) -> None:
        """Check that each secret of the action is one of its variables."""
        known = {*env.set, *env.track}
        for name in spec.settings.secret:
            if name not in known and name in spec.settings.own_secrets:
                raise self.source.error(
                    f"{name} is secret, but not a variable of {spec.name}",
                    spec.entries.get("secret", spec.key),
                    hint=f"track: [{name}], or dotenv: with a file that sets it",
                )

    def _local(self, instance: Instance, deps: Dependencies, cwd: str) -> dict[str, Value]:
        """Return the values of `${in}`, `${out}`, `${depfile}`."""
        settings = instance.spec.settings
        # where there are several demands the machine says which one counts, and a command is the same on all
        resources = {} if settings.fallbacks else settings.resources
        local: dict[str, Value] = {f"resources.{kind}": instance.scope.text(one) for kind, one in resources.items()}
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
            return (), shell.fill(self.source, spec.sh, spec.pieces, scope, spec.settings.shell)
        if spec.argv:
            argv = tuple([text for template in spec.argv for text in scope.items(template)])
            if not argv or not argv[0]:
                raise self.source.error(argv_split.NO_PROGRAM, spec.argv[0].node, hint=argv_split.GIVE_PROGRAM)
            return (argv,), None
        return tuple([argv_split.fill(step, scope) for step in spec.steps]), None

    def _tool(self, name: Template, version: list[argv_split.Word], instance: Instance) -> Tool:
        text = instance.scope.raw.text(name)
        if not text:
            raise self.source.error("a tool without a name", name.node, hint="the value is empty")
        below_root = instance.spec.file_scope.resolver.below_root
        argv = argv_split.fill(version, instance.scope) if version else ()
        if argv and "/" in argv[0]:
            argv = (below_root(argv[0]), *argv[1:])
        if "/" in text:
            text = normalise(below_root(text), self.root)
            text = text if "/" in text else "./" + text
        return Tool(text, argv)

    def _cwd(self, instance: Instance) -> str:
        template = instance.spec.files.get("cwd")
        resolver = instance.spec.file_scope.resolver
        if template is None:
            return resolver.folder or "."
        path = resolver.path(instance.scope.raw.text(template), template.node, "cwd").rstrip("/") or "/"
        if path.startswith("/"):
            what = f"cwd is outside the root: {path}"
            raise self.source.error(what, template.node, hint="set root: at the top to a folder that contains it")
        kind = resolver.globs.disk.kind
        if path != "." and kind(path) != "folder" and not self._is_made(path):
            raise self._no_folder(path, template)
        for folder in parents(path):
            # if one becomes a link, this is another folder
            kind(folder)
        return path

    def _seen_from(self, cwd: str) -> str:
        """Return the folder that paths of a command are relative to; with a trailing `/` it is put before them.

        After a link, `..` leads to the parent of its target, and not back to the root.
        """
        if cwd == ".":
            return cwd
        has_link = self.links.get(cwd)
        if has_link is None:
            has_link = any(os.path.islink(f"{self.root}/{folder.rstrip('/')}") for folder in (*parents(cwd), cwd))
            self.links[cwd] = has_link
            if has_link:
                self.linker.disk.trail(cwd)
        return f"{self.root}/" if has_link else cwd

    def _is_made(self, path: str) -> bool:
        folders = self.linker.declared.folders
        above = [*parents(path + "/"), path + "/"]
        return any(folder in folders for folder in above) or any(
            True for _ in self.linker.declared.below(path + "/")
        )

    def _no_folder(self, path: str, template: Template) -> TreadleError:
        kind = self.linker.disk.kind(path)
        what = "is a file" if kind else "does not exist and no action makes it"
        what = f"the folder {path} of cwd {what}"
        return self.source.error(what, template.node, hint="it is relative to the root, and has to be there")


def _shown_command(steps: Sequence[Sequence[str]], script: Script | None) -> str:
    return Command(steps, script=script).shown


def hide_gpus(commands: Iterable[Command]) -> None:
    """Where some ask for GPUs, say of all others that they ask for none: they see none then."""
    them = list(commands)
    if not any(one.get("gpus") for command in them for one in command.limits.demands):
        return
    made: dict[Limits, Limits] = {}
    for command in them:
        limits = command.limits
        if not any("gpus" in one for one in limits.demands):
            if limits not in made:
                made[limits] = limits.asking(
                    {**limits.resources, "gpus": 0}, group=limits.group, fallbacks=limits.fallbacks
                )
            command.limits = made[limits]


def _joined(deps: Dependencies) -> dict[str, tuple[str, ...]]:
    """Return what does not count of the folders that an action reads, what is judged by presence among it."""
    apart = {path: (*deps.exclude.get(path, ()), *patterns) for path, patterns in deps.apart.items()}
    return deps.exclude | apart


def _shown(paths: Sequence[str], cwd: str) -> tuple[str, ...]:
    if cwd != ".":
        return tuple([from_cwd(path, cwd) for path in paths])
    framed = "\0".join(("", *paths, ""))
    if "\0-" not in framed and "/\0" not in framed:
        return tuple(paths)
    return tuple([from_cwd(path, cwd) if path[0] == "-" or path[-1] == "/" else path for path in paths])


def circle_error(linker: Linker, circle: list[str], places: Mapping[str, str]) -> TreadleError:
    """Return the error for actions that wait for each other, with the whole circle.

    :param places: uid -> its place
    """
    facts = [" waits for ".join(shortened(circle))]
    facts.extend(f"{uid} at {places[uid]}" for uid in circle[:-1][:12])
    first = linker.by_uid[circle[0]]
    what = f"{circle[0]} waits for itself" if len(circle) == 2 else f"{len(circle) - 1} actions wait for each other"
    return linker.source.error(
        what, first.spec.key, facts=tuple(facts), hint="remove one of in, needs, after, or the program"
    )
