"""Names the hook and the action where something goes wrong in a hook. It knows neither walks nor jobs."""

from __future__ import annotations

from treadle.errors import HookError, listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any


def call_hook(hook: Callable[..., Any], uid: Hashable, *arguments: Any) -> Any:
    """Return what a hook returns for an action; an exception gets a note that names both."""
    try:
        return hook(*arguments)
    except Exception as error:
        add_note(error, hook, [uid])
        raise


def add_note(error: Exception, hook: Callable[..., Any], uids: Iterable[Hashable]) -> None:
    """Add to an exception which hook has raised it, for which actions.

    Where a hook within has been named for the same actions, that is enough.
    """
    add_note_of(error, name_of(hook), uids)


def add_note_of(error: Exception, name: str, uids: Iterable[Hashable]) -> None:
    """Do what `add_note` does for a hook of this name."""
    names = [repr(uid) for uid in uids]
    kind = "action" if len(names) == 1 else "actions"
    _add(error, name, f" for the {kind} {listed(names, 5)}" if names else "")


def call_job_hook(hook: Callable[[], Any], label: Callable[[], str]) -> Any:
    """Return what a hook of a job that no action has returns; an exception gets a note that names both.

    :param label: returns what the job is called
    """
    try:
        return hook()
    except Exception as error:
        add_note_of_job(error, hook, label())
        raise


def add_note_of_job(error: Exception, hook: Callable[..., Any], label: str) -> None:
    """Add to an exception which hook of which job has raised it."""
    _add(error, name_of(hook), f" for the job {label!r}")


def _add(error: Exception, name: str, owner: str) -> None:
    known = getattr(error, "__notes__", ())
    if isinstance(error, HookError) and error.what.endswith(owner):
        # it says so itself
        return
    if not any(note.startswith(_RAISED) and note.endswith(owner) for note in known):
        error.add_note(f"{_RAISED}{name}{owner}")


def name_of(hook: Callable[..., Any]) -> str:
    """Return what a hook is called: `Class.method()` of the class that was used, be it inherited or not."""
    owner, name = getattr(hook, "__self__", None), getattr(hook, "__name__", None)
    if name is None:
        # only here: the text of a method is made from that of its object, which may call the very hook
        name = repr(hook)
    if owner is None:
        return f"{getattr(hook, '__qualname__', name)}()"
    return f"{owner.__name__ if isinstance(owner, type) else type(owner).__name__}.{name}()"


def refusal(hook: Callable[..., Any], value: object, expected: str, uid: Hashable | None = None) -> HookError:
    """Return what is wrong with a value that a hook has returned.

    :param uid: the action that it was called for, None if it was for none
    """
    owner = f" for the action {uid!r}" if uid is not None else ""
    return HookError(f"{name_of(hook)} returned {shown(value)}{owner}", facts=(f"expected {expected}",))


def awaitable(hook: Callable[[], Any], uid: Hashable | None = None) -> Any:
    """Return what a hook returns that is to be awaited.

    :raises HookError: it cannot be awaited
    """
    work = hook()
    if not hasattr(work, "__await__"):
        raise refusal(hook, work, "an awaitable, as `async def` makes it", uid)
    return work


def refusal_of_unrun(left: object) -> str:
    """Return what is wrong if a `run` has returned work that nothing will do; empty if nothing is."""
    from types import AsyncGeneratorType, CoroutineType, GeneratorType

    if not isinstance(left, CoroutineType | GeneratorType | AsyncGeneratorType):
        return ""
    if not isinstance(left, AsyncGeneratorType):
        # else Python says itself that nothing has awaited it
        left.close()
    kind = type(left).__name__.replace("_", " ")
    return f"its run() returned a {kind}, of which nothing has run\n  a CoroutineJob awaits its co_run()"


def shown(value: object) -> str:
    """Return a value as text that fits into a line."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def words_of(error: Exception) -> str:
    """Return what an exception says that is no bug: an OSError says its path first."""
    if isinstance(error, OSError) and error.strerror:
        paths = " -> ".join(shown_path(path) for path in (error.filename, error.filename2) if path is not None)
        return f"{paths}: {error.strerror}" if paths else error.strerror
    return str(error) or type(error).__name__


def shown_path(path: object) -> str:
    """Return a path of an OSError as text: it may be bytes, or a descriptor."""
    return path if isinstance(path, str) else repr(path)


_RAISED = "raised by "
_LONGEST = 80
