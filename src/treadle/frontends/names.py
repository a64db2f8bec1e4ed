"""Names: finds the actions that a name selects: action, family, group, output or pattern."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from treadle.core.graph.algorithms import reached
from treadle.core.output_index import OutputIndex
from treadle.core.paths import normalise
from treadle.errors import Place, UsageError, nearest


@dataclass(frozen=True, slots=True)
class Group:
    """A name for several actions; `members` are as written."""

    name: str
    help: str
    members: tuple[str, ...]
    place: Place


class Names:
    """Finds the uids that a name selects, also of disabled actions.

    :param families: family -> uids of its instances
    :param outputs: the declared outputs, as normalised paths
    :param open: producers of unread plans; names of actions in such a plan begin with the producer and a `:`
    :param closed: disabled producers of plans; the actions in their plans are disabled too
    """

    __slots__ = (
        *("_at", "_early", "_sorted", "_taken", "closed", "families", "groups", "has_open_pattern", "open"),
        *("outputs", "root", "uids", "unclear"),
    )

    def __init__(
        self,
        families: Mapping[str, Sequence[str]],
        groups: Mapping[str, Group],
        outputs: OutputIndex,
        root: str,
        *,
        open: Sequence[str] = (),  # noqa: A002 - the word for what is not read yet
        closed: Sequence[str] = (),
    ) -> None:
        self.families = families
        self.groups = groups
        self.outputs = outputs
        self.root = root
        self.open = open
        self.closed = closed
        self.unclear: Sequence[str] = ()
        """Actions that are disabled only because generated plans that they need are not read."""
        self.has_open_pattern = False
        """Whether there was a pattern that may match actions of an unread plan."""
        self.uids = {uid: family for family, uids in families.items() for uid in uids}
        self._early: Collection[str] | None = ()
        """See `set_early`."""
        self._sorted: list[str] = []
        self._at: dict[str, int] = {}
        self._taken: dict[str, list[str]] = {}

    def add_groups(self, groups: Mapping[str, Group]) -> None:
        """Add groups before the known ones; a known one of the same name stays."""
        self.groups = {**groups, **self.groups}

    def close(self, uids: Collection[str]) -> None:
        """Take producers of unread plans as disabled ones."""
        self.closed = [*self.closed, *uids]
        self.open = [uid for uid in self.open if uid not in uids]

    def set_early(self, uids: Collection[str] | None) -> None:
        """Set which actions come before unread plans: None as long as they are not known."""
        self._early = uids

    def set_unclear(self, uids: Sequence[str]) -> None:
        """Set which actions are disabled only because generated plans that they need are not read."""
        self.unclear = uids

    def named(self, name: str) -> list[str] | None:
        """Return the uids of an action, an instance, a family or a group; None if it is none of them."""
        if name in self.families:
            return list(self.families[name])
        if name in self.uids:
            return [name]
        if name in self.groups:
            return self._members(name)
        return None

    def said(self, name: str, prefix: str) -> list[str] | None:
        """Return the uids that a name in an action selects, in the order of the plan.

        :param prefix: the prefix of the names in the file of the action
        """
        found = self._taken.get(prefix + name)
        if found is None:
            found = self.named(prefix + name)
            if found is None and is_pattern(name):
                found = self._fitting(name, prefix)
            if found is None:
                return None
            if prefix + name not in self.uids and prefix + name not in self.families:
                found = sorted(found, key=self._places().__getitem__)
                self._taken[prefix + name] = found
        return found

    def may_be_made(self, name: str, prefix: str, uid: str) -> bool:
        """Return whether a pattern in an action may match actions of an unread plan.

        An action that comes before such a plan cannot wait for actions in it, so its patterns are known, unless
        they name the plan itself.

        :param uid: the action
        """
        if not self.open or not is_pattern(name):
            return False
        head = prefix + _head(name)
        if any(head.startswith(f"{producer}:") for producer in self.open):
            return True
        may_be = any(f"{producer}:".startswith(head) for producer in self.open)
        self.has_open_pattern = self.has_open_pattern or may_be
        return may_be and self._early is not None and uid not in self._early

    def is_open_group(self, name: str, uid: str) -> bool:
        """Return whether a group may have members in an unread plan.

        :param uid: the action that names the group
        """
        if not self.open or name not in self.groups:
            return False
        return any(
            not self._is_group(one) and (self.may_be_made(one, "", uid) or self.producer_of_plan(one) in self.open)
            for one in reached([name], self._members_of)
        )

    def _is_group(self, name: str) -> bool:
        return name in self.groups and name not in self.families

    def _members_of(self, name: str) -> Sequence[str]:
        """Return the members of a group as written, none of what is no group."""
        return self.groups[name].members if self._is_group(name) else ()

    def _fitting(self, pattern: str, prefix: str) -> list[str] | None:
        """Return the uids of actions and families that match a pattern, None if none does."""
        if not self._sorted:
            self._sorted = sorted(self.uids)
        fits = re.compile(re.escape(prefix) + wildcard(pattern), re.DOTALL).fullmatch
        head, found = prefix + _head(pattern), []
        at = bisect_left(self._sorted, head)
        while at < len(self._sorted) and self._sorted[at].startswith(head):
            uid = self._sorted[at]
            family = self.uids[uid]
            if (fits(uid) or fits(family)) and (is_hidden(pattern) or not is_hidden(family[len(prefix) :])):
                found.append(uid)
            at += 1
        if not found and not any(fits(family) and not uids for family, uids in self.families.items()):
            return None
        return found

    def _places(self) -> Mapping[str, int]:
        if not self._at:
            self._at = {uid: number for number, uid in enumerate(self.uids)}
        return self._at

    def find(self, name: str) -> list[str]:
        """Return the uids that a name selects.

        :raises UsageError: it selects nothing
        """
        found = self.named(name)
        if found is None:
            found = self._matching(name) if is_pattern(name) else None
        if found is None:
            found = self._producer(name)
        if found is None:
            producer = self.producer_of_plan(name)
            found = None if producer is None else [producer]
        if found is None:
            raise self.unknown(name, [*self._known(), *self.outputs])
        return found

    def find_known(self, name: str) -> list[str]:
        """Return the same, and nothing for a name that may be in an unread plan."""
        try:
            return self.find(name)
        except UsageError:
            if not self.open:
                raise
        return []

    def producer_of_plan(self, name: str) -> str | None:
        """Return the producer of the unread plan that a name may be in, None without one."""
        return next((uid for uid in (*self.open, *self.closed) if name.startswith(f"{uid}:")), None)

    def unknown(self, name: str, known: Sequence[str] | None = None) -> UsageError:
        """Return the error for a name that selects nothing."""
        close = nearest(name, self._known() if known is None else known)
        what = f"nothing matches {name!r}" if is_pattern(name) else f"there is no action, group or output {name!r}"
        return UsageError(what, hint=f"did you mean {close}?" if close else "treadle list shows the names")

    def unclear_among(self, names: Iterable[str]) -> set[str]:
        """Return the actions that names select and that are not known before a plan is generated."""
        unclear = set(self.unclear)
        return {uid for name in names if unclear for uid in self.find_known(name) if uid in unclear}

    def is_name(self, name: str) -> bool:
        """Return whether it is an action, an instance, a family or a group."""
        return name in self.families or name in self.uids or name in self.groups

    def makes(self, path: str) -> bool:
        """Return whether an action makes a path, or a folder around it."""
        return self._producer(path) is not None

    def known_below(self, prefix: str, *, groups: bool = True) -> list[str]:
        """Return the names of actions, families and groups with a prefix, without it."""
        names = self._known() if groups else [*self.families, *self.uids]
        return [name[len(prefix) :] for name in names if name.startswith(prefix)]

    def _known(self) -> list[str]:
        return [*self.families, *self.groups, *self.uids]

    def _members(self, group: str) -> list[str]:
        """Return the uids of a group and of the groups in it."""
        found: dict[str, None] = {}
        for member in reached([group], self._members_of):
            if not self._is_group(member):
                uids = self._matching(member, groups=False) if is_pattern(member) else self.find_known(member)
                found.update(dict.fromkeys(uids or ()))
        return list(found)

    def _matching(self, pattern: str, *, groups: bool = True) -> list[str] | None:
        fits = re.compile(wildcard(pattern), re.DOTALL).fullmatch
        names = [name for name in self._listed(pattern, groups=groups) if fits(name)]
        if not names:
            return None
        found: dict[str, None] = {}
        for name in names:
            if name in self.uids:
                found[name] = None
            else:
                uids = self.named(name)
                found.update(dict.fromkeys(self.outputs.exact(name)[:1] if uids is None else uids))
        return list(found)

    def _listed(self, pattern: str, *, groups: bool) -> Iterable[str]:
        names = dict.fromkeys((*self.families, *(self.groups if groups else ()), *self.uids))
        shown = names if is_hidden(pattern) else [n for n in names if not is_hidden(self.uids.get(n, n))]
        return shown if pattern == "*" else chain(shown, self.outputs)

    def _producer(self, name: str) -> list[str] | None:
        if not name or "\0" in name:
            return None
        path = normalise(name, self.root)
        found = self.outputs.exact(path) or self.outputs.exact(path + "/") or self.outputs.around(path)
        return list(found[:1]) or None


def is_pattern(name: str) -> bool:
    """Return whether it is a pattern: names do not contain these characters."""
    return "*" in name or "?" in name


def _head(pattern: str) -> str:
    """Return the prefix of all texts that match a pattern."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def is_hidden(name: str) -> bool:
    """Return whether a name, or a part of it after a `:`, begins with `_`: such names are not listed."""
    return name.startswith("_") or ":_" in name


def wildcard(pattern: str) -> str:
    """Return the regex of a pattern in which `*` is any text and `?` any character, without backtracking."""
    stretches = [re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern)]
    middle = [f"(?>.*?{part})" for part in stretches[1:-1]]
    return stretches[0] + "".join(middle) + (".*" + stretches[-1] if len(stretches) > 1 else "")
