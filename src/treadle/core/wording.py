"""Counts, values of elements and reasons in words. It knows nothing of walks and terminals."""

from __future__ import annotations

from treadle.core import decision
from treadle.core.elements import CODES, DISCOVERED, ENV, EXPECT, FOLDER, READ, ROOT, VALUE, WORKDIR, path_of
from treadle.core.text import MORE, crop, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .decision import Reason

_REDACTED = "secret:"
"""How the digest of a secret value begins, as `redaction.PREFIX` says: this module is hot, that one is not."""
_CHANGE_OF_SECRET = {decision.ADDED: "is set now", decision.REMOVED: "is not set any more"}
_FILES = 3
"""The most files of a folder that a reason names."""
OWN_WRITES = "if it writes these itself: `edits` is for a file, `exclude` leaves names out of a folder"
ACCEPT = "; to accept it: "
"""What comes before the command that accepts a difference: both are shown whole."""
VALUE_ROOM = 60
"""Cells that a value gets inside a sentence."""


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 input`, `3 inputs`, `1,204 bytes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def value(text: str) -> str:
    """Return the value of an element in short: files by size and digest, all else unchanged."""
    text = safe(text)
    words = text.split(" ")
    if len(words) == 3 and words[0] in ("file", "exec", "tree") and words[1].isdigit():
        kind, number, digest = words
        if kind == "tree":
            return f"{count(int(number), 'entry', 'entries')} {digest[:4]}{MORE}"
        can_run = ", executable" if kind == "exec" else ""
        return f"{count(int(number), 'byte')} {digest[:4]}{MORE}{can_run}"
    if text == decision.ABSENT:
        return "not there"
    if words[0] == "present" and len(words) > 1:
        return "there, which is all that counts"
    if words[0] == "success" and len(words) == 2:
        return f"by presence, of run {words[1][:4]}{MORE}"
    if len(words) >= 2 and words[0] == "special":
        return crop(f"a {' '.join(words[1:])}", VALUE_ROOM)
    return plain_value(text)


def plain_value(text: str) -> str:
    """Return a text that is no value of a file in short, whatever it looks like."""
    return crop(safe(text), VALUE_ROOM) or "(empty)"


def element(name: str) -> str:
    """Return the name of an element in words: `input data/raw.csv`, `discovered input a.h`, `env CC`."""
    path = path_of(name, (DISCOVERED,))
    return safe(name if path is None else f"discovered input {path}")


def reason(why: Reason) -> str:
    """Return one reason in a few words."""
    kind, name = why.kind, element(why.name)
    template = _KINDS.get(kind)
    if template is not None:
        text = template.format(name=name)
        more = why.new or why.old if kind in _WITH_DETAIL else ""
        if not more:
            return text
        more, how, command = safe(more).partition(ACCEPT)
        return f"{text} ({crop(more, VALUE_ROOM)}{how}{command})"
    if kind == decision.OUTPUT_MISSING:
        return f"{name} is missing"
    if kind == decision.MET_BY:
        return f"met by: {name} {(why.new or '').replace('_', ' ')}"
    if kind == decision.ONLY_IF:
        condition = safe(why.old or "")
        return f"runs only if {name} {_ENDS_OF_CONDITIONS.get(condition, f'ends with: {condition}')}"
    if is_of_another_run(why):
        return f"{name} has begun to be made or removed again since"
    if kind == decision.OUTPUT_ALTERED:
        more = f", and {len(why.files) - _FILES} more" if len(why.files) > _FILES else ""
        shown = ", ".join(safe(path) for path in why.files[:_FILES])
        return f"{name} was altered" + (f": {shown}{more}" if shown else "")
    if kind in (decision.CHANGED, decision.ADDED, decision.REMOVED):
        return _difference(why, name)
    return safe(str(why))


def is_of_another_run(why: Reason) -> bool:
    """Return whether the reason is an output by presence: its content is not compared, the run that made it is."""
    return why.kind == decision.OUTPUT_ALTERED and (why.new or "").startswith("present ")


def _difference(why: Reason, name: str) -> str:
    if why.name.startswith(READ) and why.kind == decision.CHANGED:
        if why.new == decision.ABSENT:
            return f"{name} is not there"
        if (why.old or "").startswith("success ") and (why.new or "").startswith("success "):
            return f"{name} was made anew"
        return f"{name} is there now" if why.old == decision.ABSENT else f"{name} changed"
    if why.name.startswith((ENV, VALUE)) or why.name == FOLDER:
        if (why.old or "").startswith(_REDACTED) or (why.new or "").startswith(_REDACTED):
            return f"{name} {_CHANGE_OF_SECRET.get(why.kind, why.kind)}, its value is secret"
        shown = value if why.name == FOLDER else plain_value
        if why.name.startswith(VALUE) and why.kind != decision.CHANGED:
            was = "counts now, it is" if why.kind == decision.ADDED else "does not count any more, it was"
            return f"{name} {was} {shown(why.new or why.old or '')}"
        if why.kind == decision.ADDED:
            return f"{name} is set now, to {shown(why.new or '')}"
        if why.kind == decision.REMOVED:
            return f"{name} is not set any more, it was {shown(why.old or '')}"
        return f"{name} changed from {shown(why.old or '')} to {shown(why.new or '')}"
    if why.name == ROOT:
        return _difference_of_root(why)
    if why.name in (CODES, EXPECT, WORKDIR):
        # what is not said is something too: what is usual
        return f"{name} changed"
    return f"{name} {why.kind}"


def _difference_of_root(why: Reason) -> str:
    if why.kind == decision.ADDED:
        return f"it depends on where the folder is now: {safe(why.new or '')}"
    if why.kind == decision.REMOVED:
        return "it does not depend on where the folder is any more"
    return f"the folder has moved: {safe(why.old or '')} -> {safe(why.new or '')}"


def reasons(whys: Sequence[Reason], most: int = 2) -> str:
    """Return the first reasons in words, and how many more there are."""
    text = "; ".join(reason(why) for why in whys[:most])
    return f"{text}; and {len(whys) - most} more" if len(whys) > most else text


_ENDS_OF_CONDITIONS = {"on_success": "succeeds", "on_failure": "fails"}
AT_END = "at the end of each run in which another action starts or fails"


def conditions(needed: Mapping[str, str], most: int = 3) -> list[str]:
    """Return in words what outcomes an action needs: `if test fails`.

    :param needed: uid -> condition on its outcome
    :param most: names that are shown of each condition
    """
    by_text: dict[str, list[str]] = {}
    for uid, text in needed.items():
        by_text.setdefault(text, []).append(safe(uid))
    found = []
    for text, uids in by_text.items():
        names = ", ".join(uids[:most]) + (f" (+{len(uids) - most})" if len(uids) > most else "")
        if text == "always":
            found.append(f"whatever the outcome of {names}")
            continue
        names = names if len(uids) == 1 else f"each of {names}"
        found.append(f"if {names} fails" if text == "on_failure" else f"if the outcome of {names} is {safe(text)}")
    return found


_KINDS = {
    decision.NEW: "new: it has not run here before",
    decision.NO_PREDICTION: "what it depends on is not known before it runs",
    decision.UNTRACKED: "after {name}, which has no fingerprint to compare",
    decision.ALWAYS: "it runs each time",
    decision.AT_END: "at the end of the run",
    decision.FORCED: "forced",
    decision.MARKED: "marked as done, which no record says",
    decision.FAILED: "the last run failed",
    decision.SKIPPED_ITSELF: "the last run skipped itself",
    decision.INTERRUPTED: "the last run was interrupted",
    decision.INPUTS_MOVED: "inputs changed during the last run",
    decision.AFTER_FAILURE: "its last run followed a failure",
    decision.UNANSWERED: "what it depends on cannot be read",
    decision.BLOCKED_BY: "blocked by {name}",
    decision.DEPENDS_ON: "depends on {name}",
    decision.NOT_ASKED: "the version of {name} is only known by running it",
    decision.ASKED: "asked for by the program",
    decision.DECLINED: "declined by the program",
}
_WITH_DETAIL = (decision.FAILED, decision.SKIPPED_ITSELF, decision.UNANSWERED)
