"""What is wrong with options of Commands and of walks over them, in words. Loaded only where something is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from treadle.errors import UsageError
from treadle.scheduling.hooks import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_Row = tuple[str, Callable[[Any], bool], str]
_INFINITE = float("inf")


def _is_whole(value: object, least: int | None = None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)


def _is_number(value: object) -> bool:
    # not a number does not equal itself
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _is_map(value: object) -> bool:
    return hasattr(value, "keys") and hasattr(value, "__getitem__")


def _are_names(value: object) -> bool:
    is_list = not isinstance(value, str) and hasattr(value, "__iter__")
    return is_list and all(isinstance(one, str) for one in value)  # type: ignore[attr-defined]


def _is_growth(growth: object) -> bool:
    if callable(growth):
        return True
    if isinstance(growth, list | tuple):
        return bool(growth) and all(_is_number(one) and 0 <= one < _INFINITE for one in growth)
    return _is_number(growth) and 1 < growth < _INFINITE  # type: ignore[operator]


RETRIES: tuple[_Row, ...] = (
    ("max", lambda value: _is_whole(value, 0), "a whole number, 0 or more"),
    ("on", _are_names, "a list of words: ['timeout', 'exit 75']"),
    ("backoff", lambda value: _is_number(value) and 0 <= value < _INFINITE, "seconds, 0 or more"),
    ("jitter", lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
    ("passes", lambda value: _is_whole(value, 1), "a whole number, 1 or more"),
    ("grow", _is_map, "a dict: {'memory': 1.5, 'timeout': [600, 3600]}"),
)
LIMITS: tuple[_Row, ...] = (
    ("queue", lambda value: isinstance(value, str), "the name of a queue"),
    ("tokens", _is_whole, "a whole number, 0 or more"),
    ("priority", _is_number, "a number"),
    (
        "timeout",
        lambda value: value is None or (_is_number(value) and value > 0),
        "seconds above 0, None for no limit",
    ),
    ("group", lambda value: isinstance(value, str), "a name"),
    ("limit", lambda value: value is None or _is_whole(value, 1), "a whole number above 0, None for any number"),
    ("exclusive", lambda value: isinstance(value, bool), "True or False"),
    ("engine", lambda value: value in ("", "local"), "'local', or '' for the engine of the run"),
)
_DICT: tuple[Callable[[Any], bool], str] = (lambda value: value is None or _is_map(value), "a dict, or None")
_WHOLE = "a whole number above 0, None for the number of usable CPUs"
SETTINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "jobs": (lambda value: value is None or _is_whole(value, 0), _WHOLE),
    "force": (lambda value: not isinstance(value, str) and hasattr(value, "__iter__"), "a list of uids"),
    "pool": (lambda _: False, "a Pool, or a function that returns one"),
    **dict.fromkeys(("queues", "environ", "blocked", "limits", "done_since"), _DICT),
}


def check(what: str, thing: object, rows: Iterable[_Row]) -> None:
    """Refuse an option of a wrong kind.

    :param what: what the options are of, such as `Limits`
    :raises UsageError: one is, by name
    """
    for name, is_right, says in rows:
        value = getattr(thing, name)
        if not is_right(value):
            raise UsageError(f"{what}: {name} is {shown(value)}", facts=(f"expected {says}",))


def check_retries(thing: Any) -> None:
    """Refuse a `Retries` that says something wrong.

    :raises UsageError: it does
    """
    check("Retries", thing, RETRIES)
    from treadle.core.retry import SAYS, is_word

    for word in thing.on:
        if not is_word(word):
            raise UsageError(f"Retries: {shown(word)} in on is no end of an attempt", facts=(f"expected {SAYS}",))
    for kind, growth in thing.grow.items():
        if not isinstance(kind, str) or not _is_growth(growth):
            raise UsageError(
                f"Retries: grow of {shown(kind)} is {shown(growth)}",
                facts=("expected a number above 1, a list of the next amounts, or a function",),
            )


def check_limits(thing: Any, given: object) -> None:
    """Refuse a `Limits` that says something wrong.

    :param given: the resources as they were given
    :raises UsageError: it does
    """
    check("Limits", thing, LIMITS)
    if not all(hasattr(thing.retries, name) for name, _, _ in RETRIES):
        raise UsageError(f"Limits: retries is {shown(thing.retries)}", facts=("expected Retries(2)",))
    several: Any = given if isinstance(given, list | tuple) else [given]
    for one in several:
        if one is not None and not (_is_map(one) and all(map(_is_amount, one.items()))):
            raise UsageError(
                f"Limits: resources is {shown(given)}",
                facts=("expected a dict: type -> a whole number, 0 or more; or a list of these",),
            )
    if not all(isinstance(name, str) and name for name in thing.mutex):
        raise UsageError(f"Limits: mutex is {shown(thing.mutex)}", facts=("expected a list of names",))


def _is_amount(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and _is_whole(item[1], 0)


def check_settings(given: Mapping[str, object]) -> None:
    """Refuse what a `Settings` may not be given.

    :param given: name -> what was given, which may be right
    :raises UsageError: it is not
    """
    for name, value in given.items():
        is_right, says = SETTINGS[name]
        if not is_right(value):
            raise UsageError(f"Settings: {name} is {shown(value)}", facts=(f"expected {says}",))


_OF_CACHES = ("name", "writable", "is_own", "get_entry", "get_blob", "put_entry", "put_blob", "discard", "close")
"""What a cache has, see `OutputCache`."""


def check_caches(caches: object, *, is_returned: bool = False) -> Sequence[Any]:
    """Return the caches of a walk.

    :param is_returned: whether the function has returned them that `caches` was
    :raises UsageError: they are no list of caches
    """
    # a generator can be gone through once
    is_list = isinstance(caches, Iterable) and not isinstance(caches, str | bytes | Mapping)
    found: Sequence[Any] = list(caches) if is_list else ()  # type: ignore[call-overload]
    wrong = [one for one in found if isinstance(one, type) or not all(hasattr(one, name) for name in _OF_CACHES)]
    if is_list and not wrong:
        return found
    what = "what `caches` has returned" if is_returned else "caches"
    hint = "expected a list: caches=[FolderCache('store')]"
    if wrong and len(found) > 1:
        raise UsageError(f"{what} has {shown(wrong[0])} in it", hint=hint)
    raise UsageError(f"{what} is {shown(caches)}", hint=hint)
