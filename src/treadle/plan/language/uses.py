"""Values that count for an action though its command does not show them: the elements of the names in `uses`.

A map counts by all that is in it, value by value; a list counts as one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from treadle.core.elements import VALUE
from treadle.errors import TreadleError, listed, nearest
from treadle.plan.schema.keys import NAME

from .data import is_ambiguous
from .enabled_if import Number, Tree, text_of
from .templates import Scope, Template, find

_NEAR = 10_000
"""So many names are compared with one that is not defined."""
_ELSEWHERE = {
    "env": ("a variable of the environment", "track: [{rest}]"),
    "root": ("the root", 'env: {{ROOT: "${{root}}"}}'),
    "platform": ("the platform, which always counts", "take it out"),
    **dict.fromkeys(("in", "out", "edits", "depfile"), ("a file, which counts by what it holds", "take it out")),
}


def elements_of(templates: Sequence[Template], scope: Scope, globs: Mapping[str, object]) -> dict[str, str]:
    """Return the elements of the names in `uses`, in their order.

    :param scope: the values of the action
    :param globs: the names of vars that are globs
    :raises TreadleError: a name has no value
    """
    found: dict[str, str] = {}
    for template in templates:
        for name in scope.items(template):
            value = _value(scope, name)
            if value is None:
                raise _undefined(template, name, scope, globs)
            found.update((VALUE + path, text) for path, text in value)
    return found


def _value(scope: Scope, name: str) -> list[tuple[str, str]] | None:
    """Return what a name means, value by value; None if it is not defined."""
    is_there, tree = find(scope.trees, name)
    if is_there:
        return [(path, scope.real(text)) for path, text in _leaves(name, tree)]
    plain = scope.local.get(name)
    if plain is None:
        plain = scope.base.get(name) if name != "root" else None
    if plain is None:
        return None
    plain = scope.real(plain)
    return [(name, plain if isinstance(plain, str) else _as_json(list(plain)))]


def _leaves(name: str, tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each value in a tree; an empty map is one too."""
    stack: list[tuple[str, Tree]] = [(name, tree)]
    while stack:
        path, one = stack.pop()
        if isinstance(one, dict) and one:
            inside = [
                (f"{path}.{key if NAME.fullmatch(key) else _as_json(key)}", part) for key, part in one.items()
            ]
            stack.extend(reversed(inside))
        elif isinstance(one, str) and not is_ambiguous(one):
            yield path, one
        else:
            yield path, _as_json(one)


def _as_json(tree: Tree) -> str:
    """Return a value as JSON, with numbers as they are written."""
    if isinstance(tree, dict):
        return f"{{{', '.join(f'{_as_json(key)}: {_as_json(one)}' for key, one in sorted(tree.items()))}}}"
    if isinstance(tree, list):
        return f"[{', '.join(map(_as_json, tree))}]"
    if isinstance(tree, Number | bool):
        return text_of(tree)
    # plans without such a value load no json
    import json

    return json.dumps(tree, ensure_ascii=False)


def _undefined(template: Template, name: str, scope: Scope, globs: Mapping[str, object]) -> TreadleError:
    source, node = template.source, template.node
    first, _, rest = name.partition(".")
    if first in _ELSEWHERE:
        what, hint = _ELSEWHERE[first]
        fact = "uses takes the names of parameters, vars and foreach values"
        hint = hint.format(rest=rest or "NAME")
        return source.error(f"uses: {name} is {what}", node, facts=(fact,), hint=hint)
    if name in globs:
        what = f"uses: {name} is a glob: its files count where they are read"
        return source.error(what, node, hint=f'in: ["${{{name}}}"]')
    whole = template.whole
    if whole is not None:
        what = f"uses takes names, and the value of ${{{whole.name}}} is none"
        return source.error(what, node, facts=(f"its value is {name!r}",), hint=f"uses: [{whole.name}]")
    known = {*scope.base, *scope.local, *_names(scope.trees)} - {"root"}
    inside = sorted(one for one in known if one.startswith(first + "."))
    close = nearest(name, inside or known)
    facts = (f"it has {listed(inside)}",) if inside and first != name else ()
    hint = (
        f"did you mean {close}?" if close else "use one of these" if facts else "give it a value in vars or params"
    )
    return source.error(f"uses: {name} is not defined", node, facts=facts, hint=hint)


def _names(trees: Mapping[str, Tree]) -> Iterator[str]:
    """Yield the names that can be used: those of maps, and those in them."""
    stack: list[tuple[str, Tree]] = list(trees.items())
    for _ in range(_NEAR):
        if not stack:
            return
        path, one = stack.pop()
        yield path
        if isinstance(one, dict):
            stack.extend((f"{path}.{key}", part) for key, part in one.items() if NAME.fullmatch(key))
