"""What the names that people use stand for: actions, families, groups, outputs, patterns."""

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
    """Finds the uids that a name stands for, those that are left out among them.

    :param families: family -> uids of its instances
    :param outputs: the declared outputs, as normalised paths
    """

    __slots__ = (
        *("_at", "_sorted", "_taken", "closed", "doubted", "early", "families", "groups", "open", "outputs"),
        *("root", "uids", "unclear"),
    )

    def __init__(
        self,
        families: Mapping[str, Sequence[str]],
        groups: Mapping[str, Group],
        outputs: OutputIndex,
        root: str,
    ) -> None:
        self.families = families
        self.groups: Mapping[str, Group] = groups
        self.outputs = outputs
        self.root = root
        self.open: Sequence[str] = ()
        """Actions that make plans which are unread: what is in them has their names and a `:` in front."""
        self.closed: Sequence[str] = ()
        """Actions that make plans and are left out: what would be in these is left out too."""
        self.unclear: Sequence[str] = ()
        """Actions that are left out only because plans are not read that they are understood with."""
        self.early: Collection[str] | None = ()
        """What comes before plans that have not been read; None as long as that is to be found out."""
        self.doubted = False
        """Whether a pattern was met that may take what such a plan holds."""
        self.uids = {uid: family for family, uids in families.items() for uid in uids}
        self._sorted: list[str] = []
        self._at: dict[str, int] = {}
        self._taken: dict[str, list[str]] = {}

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
        """Return the uids of what a name stands for that an action gives, in the order of the plan.

        :param prefix: what the names of the action's file begin with
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
        """Whether a pattern that an action gives may take what a plan that has not been read holds.

        What comes before such a plan waits for nothing in it, so a pattern there is as good as known, unless it
        names the plan itself.

        :param uid: the action
        """
        if not self.open or not is_pattern(name):
            return False
        head = prefix + _head(name)
        if any(head.startswith(f"{maker}:") for maker in self.open):
            return True
        may_be = any(f"{maker}:".startswith(head) for maker in self.open)
        self.doubted = self.doubted or may_be
        return may_be and self.early is not None and uid not in self.early

    def is_open_group(self, name: str, uid: str) -> bool:
        """Whether a group may have members in a plan that has not been read.

        :param uid: the action that gives it
        """
        if not self.open or name not in self.groups:
            return False
        return any(
            not self._is_group(one) and (self.may_be_made(one, "", uid) or self.maker_of_plan(one) in self.open)
            for one in reached([name], self._members_of)
        )

    def _is_group(self, name: str) -> bool:
        return name in self.groups and name not in self.families

    def _members_of(self, name: str) -> Sequence[str]:
        """Return the members of a group as written, none of what is no group."""
        return self.groups[name].members if self._is_group(name) else ()

    def _fitting(self, pattern: str, prefix: str) -> list[str] | None:
        """Return the uids of actions and families that fit a pattern, None if none does."""
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
        """Return the uids of whatever a name may stand for.

        :raises UsageError: if it stands for nothing
        """
        found = self.named(name)
        if found is None:
            found = self._matching(name) if is_pattern(name) else None
        if found is None:
            found = self._maker(name)
        if found is None:
            maker = self.maker_of_plan(name)
            found = None if maker is None else [maker]
        if found is None:
            raise self.unknown(name, [*self._known(), *self.outputs])
        return found

    def find_known(self, name: str) -> list[str]:
        """Return the same, and nothing for a name that may stand in a plan that has not been read."""
        try:
            return self.find(name)
        except UsageError:
            if not self.open:
                raise
        return []

    def maker_of_plan(self, name: str) -> str | None:
        """Return the maker of an unread plan in which a name may stand, None if there is none."""
        return next((uid for uid in (*self.open, *self.closed) if name.startswith(f"{uid}:")), None)

    def unknown(self, name: str, known: Sequence[str] | None = None) -> UsageError:
        """Return the error for a name that stands for nothing."""
        close = nearest(name, self._known() if known is None else known)
        what = f"nothing matches {name!r}" if is_pattern(name) else f"there is no action, group or output {name!r}"
        return UsageError(what, hint=f"did you mean {close}?" if close else "treadle list shows the names")

    def unclear_among(self, names: Iterable[str]) -> set[str]:
        """Return those actions that names stand for and that nothing is known of before a plan is made."""
        unclear = set(self.unclear)
        return {uid for name in names if unclear for uid in self.find_known(name) if uid in unclear}

    def is_name(self, name: str) -> bool:
        """Whether it is an action, an instance, a family or a group."""
        return name in self.families or name in self.uids or name in self.groups

    def makes(self, path: str) -> bool:
        """Whether an action makes a path, or a folder that it lies in."""
        return self._maker(path) is not None

    def known_below(self, prefix: str, *, groups: bool = True) -> list[str]:
        """Return the names of actions, families and groups that begin with a text, without it."""
        names = self._known() if groups else [*self.families, *self.uids]
        return [name[len(prefix) :] for name in names if name.startswith(prefix)]

    def _known(self) -> list[str]:
        return [*self.families, *self.groups, *self.uids]

    def _members(self, group: str) -> list[str]:
        """Return the uids of a group and of the groups in it; a circle of groups adds nothing."""
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

    def _maker(self, name: str) -> list[str] | None:
        if not name or "\0" in name:
            return None
        path = normalise(name, self.root)
        found = self.outputs.exact(path) or self.outputs.exact(path + "/") or self.outputs.around(path)
        return list(found[:1]) or None


def is_pattern(name: str) -> bool:
    """Whether it stands for all names that fit it: no name holds these characters."""
    return "*" in name or "?" in name


def _head(pattern: str) -> str:
    """Return the text that all that fits a pattern begins with."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def is_hidden(name: str) -> bool:
    """Whether a name, or one before a `:` in it, begins with `_`: such names are not listed."""
    return name.startswith("_") or ":_" in name


def wildcard(pattern: str) -> str:
    """Return the regex of a pattern in which `*` is any text and `?` any character, without backtracking."""
    stretches = [re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern)]
    middle = [f"(?>.*?{part})" for part in stretches[1:-1]]
    return stretches[0] + "".join(middle) + (".*" + stretches[-1] if len(stretches) > 1 else "")
