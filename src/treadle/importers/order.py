"""Keeps the order in which a tool works through a list: what follows a check does not start before it.

Make and just go through the prerequisites of a target one after the other and stop at the first that fails; so
`release: test publish` publishes nothing that failed its tests. A plan has no order in a list. Here the later ones
get `after`, which orders them where both run, and a failure stops the run before they start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from treadle.core.graph.algorithms import reached

from .draft import Draft, DraftAction, paths

OTHER_ORDER = "another list has its members in another order, and a plan has one order"


def keep_order(draft: Draft, lists: Iterable[tuple[str, list[str]]], cleaning: Iterable[str] = ()) -> None:
    """Order the actions of a draft as lists of names do.

    Only what makes no file is ordered after others: files are ordered by what reads them, and make nothing wrong
    when they are made early. After what removes files everything is ordered.

    :param lists: what has the list (an action or a group), and its members: actions, groups, outputs
    :param cleaning: the actions that remove files
    """
    order = _Order(draft, set(cleaning))
    for owner, members in lists:
        if len(members) > 1 and not order.keep(members):
            _leave_out(draft, owner)


def _leave_out(draft: Draft, owner: str) -> None:
    if owner in draft.groups:
        members = draft.groups.pop(owner)
        draft.leave_out(owner, OTHER_ORDER, f"{owner}: {' '.join(members)}")
        return
    for action in draft.live:
        if action.name == owner:
            action.left_out = OTHER_ORDER


class _Order:
    """What comes before what in a draft."""

    def __init__(self, draft: Draft, cleaning: set[str]) -> None:
        self.draft = draft
        self.cleaning = cleaning
        self.actions: dict[str, DraftAction] = {action.name: action for action in draft.live}
        self.producers = {path: action.name for action in draft.live for path in draft.made_by(action)}
        self._needed = {name: list(self._find_needs(name)) for name in (*self.actions, *draft.groups)}
        self._before: dict[str, set[str]] = {}
        """Name -> all that comes before it, as long as no order is added."""

    def keep(self, members: list[str]) -> bool:
        """Order the members of a list; return whether that was possible."""
        names = list(dict.fromkeys(filter(None, map(self._named, members))))
        needed: set[str] = set()
        ordered: set[str] = set()
        last: list[str] = []
        """The earlier members that come before no other earlier one."""
        for later in names:
            is_cleaned = not self.cleaning.isdisjoint(needed)
            new = [one for one in reached([later], self._needs) if one not in needed]
            for one in new if last else ():
                action = self.actions.get(one)
                if action is None or (not is_cleaned and any(key in action.keys for key in ("out", "stdout"))):
                    continue
                if one in ordered:
                    return False
                self._put_after(action, last)
            needed.update(new)
            before = self._all_before(later)
            ordered |= before | {later}
            last = [*(one for one in last if one not in before), later]
        return True

    def _put_after(self, action: DraftAction, earlier: list[str]) -> None:
        before = self._all_before(action.name)
        if added := [one for one in earlier if one not in before]:
            action.keys["after"] = [*action.keys.get("after", ()), *added]
            self._before.clear()

    def _named(self, name: str) -> str:
        """Return the action or group that a name means, "" for a file of the project."""
        if name in self.actions or name in self.draft.groups:
            return name
        return self.producers.get(name, "")

    def _needs(self, name: str) -> list[str]:
        """Return what must have succeeded before."""
        return self._needed.get(name, [])

    def _find_needs(self, name: str) -> Iterator[str]:
        yield from filter(None, map(self._named, self.draft.groups.get(name, ())))
        action = self.actions.get(name)
        if action is None:
            return
        yield from filter(None, map(self._named, action.keys.get("needs", ())))
        value = action.keys.get("in")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and isinstance(one.get("from"), str):
                yield one["from"]
        for path in paths(value):
            path = self.draft.plain(path)
            if path in self.producers:
                yield self.producers[path]
            elif path.endswith("/"):
                yield from (producer for made, producer in self.producers.items() if made.startswith(path))

    def _all_before(self, name: str) -> set[str]:
        """Return all that comes before, by order alone too."""
        if name not in self._before:
            self._before[name] = set(reached(self._next(name), self._next))
        return self._before[name]

    def _next(self, name: str) -> list[str]:
        action = self.actions.get(name)
        after = action.keys.get("after", ()) if action is not None else ()
        return [*self._needs(name), *filter(None, map(self._named, after))]
