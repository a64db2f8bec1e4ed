"""Run, skip or blocked, with the reasons as data: `why` prints the very object that the walk decided with.

It compares what it is given and knows nothing of where fingerprints come from.
"""

from __future__ import annotations

from .elements import COMMAND, OUTPUT, difference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from .elements import Difference

RUN = "run"
SKIP = "skip"
BLOCKED = "blocked"
MAY_RUN = "may run"
RESTORE = "restore"
"""What `status` and `why` say of an action that would run, if its outputs would be restored in place of that."""
NOT_NEEDED = "not needed"
"""What it is needed for has not happened, and nothing failed."""

NEW = "new"
CHANGED = "changed"
ADDED = "added"
REMOVED = "removed"
OUTPUT_MISSING = "output missing"
OUTPUT_ALTERED = "output altered"
NO_PREDICTION = "no prediction"
UNTRACKED = "untracked predecessor"
ALWAYS = "always"
AT_END = "at the end"
FORCED = "forced"
MARKED = "marked done"
FAILED = "last run failed"
SKIPPED_ITSELF = "last run skipped itself"
INTERRUPTED = "last run interrupted"
INPUTS_MOVED = "inputs changed during the last run"
UNANSWERED = "what it depends on cannot be read"
BLOCKED_BY = "blocked by"
DEPENDS_ON = "depends on"
MET_BY = "met by"
"""Its condition was met by something else than a success: `name` is the start of the edge, `new` how it ended."""
AFTER_FAILURE = "after a failure"
"""Its last run followed a failure, which it has not seen mended."""
ONLY_IF = "only if"
"""It runs only if the start `name` of an edge meets a condition, `old`; `new` is how that ended, if it has."""
NOT_ASKED = "version not asked"
ASKED = "asked for by should_execute_action"
DECLINED = "declined by should_execute_action"

ABSENT = "absent"
"""The value of an element for a file that is not there."""


class Reason:
    """One reason for a verdict; it is never changed, so many verdicts may share one.

    :param kind: one of the words above
    :param name: the element, or the uid of the predecessor or origin
    :param old: the value in the record, None where there is none
    :param new: the value now, None where there is none
    :param files: of a folder, what in it differs, as far as that is known; no part of what makes reasons equal
    """

    __slots__ = ("files", "kind", "name", "new", "old")

    def __init__(
        self,
        kind: str,
        name: str = "",
        old: str | None = None,
        new: str | None = None,
        files: Sequence[str] = (),
    ) -> None:
        self.files = tuple(files)
        self.kind = kind
        self.name = name
        self.old = old
        self.new = new

    def _key(self) -> tuple[str, str, str | None, str | None]:
        return (self.kind, self.name, self.old, self.new)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reason) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Reason{self._key()!r}"

    def __str__(self) -> str:
        text = f"{self.kind}: {self.name}" if self.name else self.kind
        if self.kind == CHANGED:
            text += f": {self.old} -> {self.new}"
        return text


class Verdict:
    """What is done with one action, and why; a skip has no reasons, since nothing differs.

    It is never changed, so many actions may share one.
    """

    __slots__ = ("decision", "reasons")

    def __init__(self, decision: str, reasons: Iterable[Reason] = ()) -> None:
        self.decision = decision
        self.reasons: tuple[Reason, ...] = tuple(reasons)

    def __repr__(self) -> str:
        return f"Verdict({self.decision!r}, {self.reasons!r})"


_SKIPPED = Verdict(SKIP)
_NEW = Reason(NEW)
_UNPREDICTED = Reason(NO_PREDICTION)


def decide(
    previous: object | None,
    new: object | None,
    *,
    untracked: Iterable[Hashable] = (),
    demands: Sequence[Reason] = (),
) -> Verdict:
    """Return the verdict on an action whose predecessors have ended well.

    The rule: it runs when that is demanded, when there is no record or no prediction, when a direct
    predecessor has no fingerprint, or when record and prediction differ. In every other case it is skipped.

    :param previous: the fingerprint on record, None where there is none that counts
    :param new: the predicted fingerprint, None where there is no prediction
    :param untracked: the direct predecessors that have no fingerprint
    :param demands: reasons that are known beforehand: always, forced, the last run failed
    """
    reasons = list(demands)
    if previous is None and not reasons:
        reasons.append(_NEW)
    if new is None:
        reasons.append(_UNPREDICTED)
    reasons.extend(Reason(UNTRACKED, str(uid)) for uid in untracked)
    if previous is not None and new is not None and previous != new:
        reasons.extend(differences(previous, new))
    return Verdict(RUN, reasons) if reasons else _SKIPPED


def blocked(origins: Iterable[Hashable]) -> Verdict:
    """Return the verdict on an action that cannot run because of failures that began at `origins`."""
    return Verdict(BLOCKED, [Reason(BLOCKED_BY, str(origin)) for origin in origins])


def not_needed(unmet: Iterable[Reason]) -> Verdict:
    """Return the verdict on an action of which conditions are not met, although nothing failed."""
    return Verdict(NOT_NEEDED, unmet)


def differences(previous: object, new: object) -> list[Reason]:
    """Return how two unequal fingerprints differ; those that are not sets of elements differ as a whole."""
    old_elements = getattr(previous, "elements", None)
    new_elements = getattr(new, "elements", None)
    if not isinstance(old_elements, dict) or not isinstance(new_elements, dict):
        return [Reason(CHANGED, "fingerprint", str(previous), str(new))]
    found = _reasons(difference(old_elements, new_elements))
    return found or [Reason(CHANGED, "fingerprint")]


def _reasons(found: Difference) -> list[Reason]:
    changed = [Reason(_kind_of_change(name, new), name, old, new) for name, (old, new) in found.changed.items()]
    others = [
        *(Reason(ADDED, name, None, value) for name, value in found.added.items()),
        *(Reason(REMOVED, name, value, None) for name, value in found.removed.items()),
    ]
    if others:
        # a command that lists its inputs is another one because they are others: the cause comes first
        followed = [reason for reason in changed if reason.name == COMMAND]
        return [*(reason for reason in changed if reason.name != COMMAND), *others, *followed]
    return changed


def _kind_of_change(name: str, new: str) -> str:
    if not name.startswith(OUTPUT):
        return CHANGED
    return OUTPUT_MISSING if new == ABSENT else OUTPUT_ALTERED
