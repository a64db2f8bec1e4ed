"""Reads `cache` of a plan and of actions. It opens no cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.core.addresses import EXAMPLE, is_namespace, why_no_address
from treadle.core.pool import MEMORY, amount_of
from treadle.errors import Place
from treadle.plan.schema.keys import CACHE_KEYS, CACHED_KEYS, STORE_KEYS
from treadle.plan.yaml.nodes import Scalar, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treadle.plan.schema.validator import Validator
    from treadle.plan.yaml.nodes import Node


def read_cache(validator: Validator, node: Node) -> dict[str, Any]:
    """Return what a plan says of its cache, as plain data; errors are kept.

    The keys are `size` (bytes), `folder` (`user` or `project`), `shared` (an address), `namespaces` and `system` (a
    list of folders).
    """
    if not isinstance(node, Table):
        return {}
    if "local" not in node.nodes and "shared" not in node.nodes:
        validator.add("cache needs local: where it is", node, hint="cache: {local: true}, or cache: local")
    entries = validator.entries(node, CACHE_KEYS, "cache")
    found: dict[str, Any] = {}
    local = entries.get("local")
    given = validator.entries(local, STORE_KEYS, "local in cache") if isinstance(local, Table) else {}
    size, folder = given.get("size"), given.get("folder")
    if isinstance(size, Scalar):
        amount = amount_of(MEMORY, size.text)
        if isinstance(amount, str):
            validator.add(f"size in cache {amount}, not {size.text!r}", size, hint="for example 20GB")
        elif not amount:
            hint = "without `cache` nothing is stored"
            validator.add(f"size in cache must be more than nothing, not {size.text!r}", size, hint=hint)
        else:
            found["size"] = amount
    if isinstance(folder, Scalar):
        found["folder"] = folder.text
    found |= _shared(validator, entries.get("shared"), entries.get("namespaces"))
    system = []
    for text in validator.texts(entries.get("system"), "a folder in system"):
        names = text.text.split("/")
        if text.text.startswith("/") and text.text.endswith("/") and not {".", ".."}.intersection(names):
            system.append(text.text)
        else:
            what = f"{text.text!r} in system is not an absolute path with a / at its end"
            validator.add(what, text, hint="for example /sdk/")
    return found | ({"system": system} if system else {})


def _shared(validator: Validator, shared: Node | None, namespaces: Node | None) -> dict[str, Any]:
    """Return what a plan says of the cache that several machines share; errors are kept, without the address."""
    found: dict[str, Any] = {}
    if isinstance(shared, Scalar):
        why = why_no_address(shared.text)
        if why:
            error = validator.source.error(f"shared in cache {why}", shared, hint=f"for example {EXAMPLE}")
            if error.place is not None:
                # without the line: it may have a password in it
                error.place = Place(error.place.file, error.place.line, error.place.column)
            validator.problems.add(error)
        else:
            found["shared"] = shared.text
    names = []
    for text in validator.texts(namespaces, "a name in namespaces"):
        if is_namespace(text.text):
            names.append(text.text)
        else:
            what = f"{text.text!r} in namespaces is not a name of letters, digits and ._-/ with at most 100 of them"
            validator.add(what, text, hint="for example main")
    return found | ({"namespaces": names} if names else {})


def join_caches(files: Iterable[tuple[Validator, Mapping[str, Node]]]) -> str:
    """Return what a plan says of its cache, as `Project.cache`. What an including plan says counts.

    :param files: the validator and the entries at the top of each file, an including one before those it includes
    """
    said = None
    for validator, entries in files:
        if "cache" in entries:
            one = read_cache(validator, entries["cache"])
            said = one if said is None else said
    if said is None:
        return ""
    import json

    return json.dumps(said)


def read_cached(validator: Validator, node: Node) -> bool | dict[str, bool]:
    """Return what an action says of the cache, as a Command takes it; errors are kept."""
    if isinstance(node, Scalar):
        return node.text == "true"
    log = validator.entries(node, CACHED_KEYS, "cache").get("log")
    return {"log": log.text == "true"} if isinstance(log, Scalar) else {}
