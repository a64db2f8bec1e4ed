"""What a glob matches: files that no action makes, and declared outputs; and the error if it matches nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from treadle.core.paths import parents
from treadle.errors import TreadleError, listed
from treadle.plan.language.globs import Pattern
from treadle.plan.language.templates import MAGIC, GlobItem, Scope
from treadle.plan.read.file_scope import PathResolver
from treadle.plan.read.spec import Spec

from .declared_outputs import DeclaredOutputs, Instance


def matches(
    resolver: PathResolver, item: GlobItem, scope: Scope, declared: DeclaredOutputs, family: Spec | None
) -> Sequence[str]:
    """Return what a glob matches, by bytes: files that no action makes, and declared outputs of enabled actions.

    :param family: the action whose outputs it never matches; None once every action is known: then the result is
        kept
    """
    patterns = resolver.patterns(item.patterns, scope)
    exclude = resolver.patterns(item.exclude, scope)
    key = (tuple(patterns), tuple(exclude))
    if family is None and key in resolver.glob_matches:
        return resolver.glob_matches[key]
    found: set[str] = set()
    for text in patterns:
        try:
            files = resolver.globs.files(text)
        except ValueError as error:
            raise resolver.source.error(
                f"the glob {text} matches too much: {error}", item.node, hint="begin it with a folder"
            ) from None
        _refuse_unreadable(resolver, text, exclude, item)
        found.update(path for path in files if declared.is_free(path))
        found.update(_declared(resolver.globs.parse(text), declared, family))
    excluded = [resolver.globs.parse(text) for text in exclude]
    taken = [path for path in found if not any(pattern.matches(path) for pattern in excluded)]
    matched = tuple(sorted(taken, key=os.fsencode))
    if family is None:
        resolver.glob_matches[key] = matched
    return matched


def _refuse_unreadable(resolver: PathResolver, text: str, exclude: Sequence[str], item: GlobItem) -> None:
    """Raise an error if a glob could not look into something that is not excluded."""
    unreadable = resolver.globs.unreadable(text)
    if not unreadable:
        return
    excluded = [resolver.globs.parse(one) for one in exclude]
    missed = sorted(path for path in unreadable if not any(_matches_all(one, path) for one in excluded))
    if missed:
        written = resolver.as_written(missed[0])
        raise resolver.source.error(
            f"the glob {text} cannot be evaluated: {missed[0]} cannot be read",
            item.node,
            facts=tuple(f"{path}: {unreadable[path]}" for path in missed[:5]),
            hint=f"make it readable, or exclude it: exclude: {written}{'**' if written.endswith('/') else ''}",
        )


def _matches_all(pattern: Pattern, path: str) -> bool:
    """Whether a pattern matches a file, or all files that globs can see in a folder."""
    if path.endswith("/"):
        return pattern.names[-1] == "**" and pattern.matches(path + "x")
    return pattern.matches(path)


def previous_matches(instance: Instance, declared: DeclaredOutputs) -> tuple[str, ...]:
    """Return the outputs of previous runs that the globs of an action would match if they were made now."""
    spec = instance.spec
    slots = spec.inputs if spec.edits is None else (*spec.inputs, spec.edits)
    globs = [item for slot in slots for item in slot.items if isinstance(item, GlobItem)]
    resolver, scope = spec.file_scope.resolver, instance.scope
    return tuple(dict.fromkeys(path for item in globs for path in _previous(resolver, item, scope, declared)))


def _previous(resolver: PathResolver, item: GlobItem, scope: Scope, declared: DeclaredOutputs) -> list[str]:
    """Return the outputs of previous runs that a glob would match if they were ordinary files."""
    excluded = [resolver.globs.parse(text) for text in resolver.patterns(item.exclude, scope)]
    return [
        path
        for text in resolver.patterns(item.patterns, scope)
        for path in resolver.globs.files(text)
        if path in declared.previous
        and path not in declared.files
        and not any(pattern.matches(path) for pattern in excluded)
    ]


def actions_matching(
    specs: Iterable[Spec], instances: Iterable[Instance], paths: Sequence[str]
) -> tuple[set[str], set[str]]:
    """Return the actions whose globs match one of some paths, whether anything is there or not.

    :return: uids of actions that read or edit what a glob matches, or that are there for such a path; and the
        families of which an instance comes or goes with such a path
    """
    known: dict[tuple[str, ...], set[str]] = {}

    def taken(items: Iterable[object], spec: Spec, scope: Scope) -> set[str]:
        found: set[str] = set()
        for item in items:
            if isinstance(item, GlobItem):
                found |= _taken(spec.file_scope.resolver, item, scope, paths, known)
        return found

    families = {}
    for spec in specs:
        matched = taken((item for _, items in spec.foreach for item in items), spec, spec.file_scope.scope)
        if matched:
            as_written = spec.file_scope.resolver.as_written
            families[spec.name] = matched.union(map(as_written, matched))
    found = set()
    for one in instances:
        spec = one.spec
        slots = spec.inputs if spec.edits is None else (*spec.inputs, spec.edits)
        is_new = spec.name in families and not families[spec.name].isdisjoint(one.scope.local.values())
        if is_new or (
            not one.is_placeholder and taken((item for slot in slots for item in slot.items), spec, one.scope)
        ):
            found.add(one.uid)
    return found, set(families)


def _taken(
    resolver: PathResolver,
    item: GlobItem,
    scope: Scope,
    paths: Sequence[str],
    known: dict[tuple[str, ...], set[str]],
) -> set[str]:
    patterns, exclude = resolver.patterns(item.patterns, scope), resolver.patterns(item.exclude, scope)
    key = (resolver.folder, *patterns, "", *exclude)
    if key not in known:
        taken, left = ([resolver.globs.parse(text) for text in texts] for texts in (patterns, exclude))
        known[key] = {
            path
            for path in paths
            if any(one.matches(path) for one in taken) and not any(one.matches(path) for one in left)
        }
    return known[key]


def folders_outside(resolver: PathResolver, item: GlobItem, scope: Scope) -> list[str]:
    """Return the folders outside the root that a glob searches, as far as its text is fixed."""
    bases = [resolver.globs.parse(text).base for text in resolver.patterns(item.patterns, scope)]
    return [base.rstrip("/") + "/" for base in bases if base.startswith("/")]


def no_match_error(
    resolver: PathResolver, item: GlobItem, scope: Scope, declared: DeclaredOutputs, reader: Instance | None
) -> TreadleError:
    """Return the error for a glob that matches nothing.

    :param reader: the action of which it is an input, None for a value of foreach
    """
    texts = resolver.patterns(item.patterns, scope)
    shown = listed(texts) or "[]"
    facts: tuple[str, ...] = ()
    hint = f'if that is right: {{glob: "{shown}", empty: ok}}'
    if any(sign in shown for sign in ("[*]", "[?]")):
        hint = "a value is never a pattern: the text of ${} is taken literally"
    bases = [resolver.globs.parse(text).base + "/" for text in texts]
    folder = next((one for base in bases for one in (*parents(base), base) if one in declared.folders), None)
    if folder is not None:
        producer = declared.folders[folder]
        output = next(one for one in producer.outputs if one.path == declared.as_declared.get(folder, folder))
        place = resolver.source.place(output.node.start)
        facts = (f"{producer.uid} makes {folder} at {place}: its content is not known before",)
        if reader is None:
            hint = f"name the files in out: of {producer.uid}"
        elif reader is producer:
            hint = "an action cannot read what it makes"
        else:
            hint = f"read the whole folder: {folder}"
    else:
        left = _previous(resolver, item, scope, declared)
        if left:
            facts = tuple(f"{path} is there, but {_past_producer(declared, path)}" for path in left[:3])
            hint = f"`treadle forget {' '.join(left[:3])}` makes it an ordinary file, which globs take"
    return resolver.source.error(f"the glob {shown} matches nothing", item.node, facts=facts, hint=hint)


def _past_producer(declared: DeclaredOutputs, path: str) -> str:
    uid = declared.previous.producer_of(path)
    return f"the action {uid} made it, which is no longer in the plan" if uid else "a previous run made it"


def _declared(pattern: Pattern, declared: DeclaredOutputs, family: Spec | None) -> Iterator[str]:
    for path in declared.below(_prefix(pattern)):
        producer = declared.files.get(path)
        if (
            producer is not None
            and not producer.disabled
            and (family is None or producer.spec.key is not family.key)
            and pattern.matches(path)
            and not (path in declared.as_declared and pattern.matches(declared.as_declared[path]))
        ):
            yield path


def _prefix(pattern: Pattern) -> str:
    """Return the text that all matches of a pattern begin with."""
    head = MAGIC.split(pattern.names[0])[0]
    base = "" if pattern.base == "." else pattern.base.rstrip("/") + "/"
    return base + head
