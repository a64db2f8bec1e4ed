"""Records of actions: what they say, as lists of texts, and when they are valid. It knows no files and no walk."""

from __future__ import annotations

import os

from treadle.content.trust import STATE_FOLDER
from treadle.core.decision import Reason
from treadle.core.outcomes import WHERE_KNOWN, Usage

from . import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SUCCEEDED = "succeeded"
ADOPTED = "adopted"
"""It did not run: what was there was taken as its success."""
STARTED = "started"
FAILED = "failed"
SKIPPED_ITSELF = "skipped itself"
"""It ran, and said that it does not apply."""
INTERRUPTED = "interrupted"
_OWNER_SIZE = 7
"""Texts of an owner before its outputs."""
MOVED = "inputs changed"
"""It succeeded, but an input changed meanwhile, so it is not known what its outputs were made from."""


class Owner:
    """Whose record it is.

    :param key: what the record is found by
    :param uid: the action, `label` its plan
    :param outputs: the declared outputs
    :param depfile: the file in which it says what it has read, "" if there is none
    :param keeps: whether its outputs are neither removed before it starts nor put aside when it fails
    :param once: whether its outputs are judged by presence
    :param exclude: output folder -> patterns of what is in it and is none of its content
    :param presence: output folders that are judged by presence
    """

    __slots__ = ("depfile", "exclude", "keeps", "key", "label", "once", "outputs", "presence", "uid")

    def __init__(
        self,
        key: str,
        label: str,
        uid: str,
        outputs: Sequence[str],
        *,
        depfile: str = "",
        keeps: bool = False,
        once: bool = False,
        exclude: Mapping[str, Sequence[str]] | None = None,
        presence: Sequence[str] = (),
    ) -> None:
        self.exclude = dict(exclude or {})
        self.presence = tuple(presence)
        self.key = key
        self.label = label
        self.uid = uid
        self.outputs = tuple(outputs)
        self.depfile = depfile
        self.keeps = keeps
        self.once = once

    @property
    def made(self) -> tuple[str, ...]:
        """All paths that it writes to: the outputs and the depfile."""
        return (*self.outputs, self.depfile) if self.depfile else self.outputs

    def texts(self) -> list[str]:
        """Return it as texts, to be read by `owner_from`."""
        flags = ("k" if self.keeps else "") + ("o" if self.once else "")
        folders = ""
        if self.exclude or self.presence:
            each = [("x", path, *patterns) for path, patterns in self.exclude.items()]
            folders = "\0\0".join(map("\0".join, [*each, *(("p", path) for path in self.presence)]))
        return [self.key, self.label, self.uid, flags, self.depfile, folders, str(len(self.outputs)), *self.outputs]


class Mark:
    """What was in the place of an action's outputs when it was about to start.

    :param folders: folders around the outputs (`out/`) that this action or an earlier attempt of it has made
    :param foreign: outputs, and names in output folders, that were there and not from Treadle
    """

    __slots__ = ("folders", "foreign")

    def __init__(self, folders: Iterable[str] = (), foreign: Iterable[str] = ()) -> None:
        self.folders = tuple(folders)
        self.foreign = tuple(foreign)

    def texts(self) -> list[str]:
        """Return it as texts, to be read by `mark_from`."""
        return [str(len(self.folders)), *self.folders, *self.foreign]


class Run:
    """One time that an action ran.

    :param state: SUCCEEDED, ADOPTED, FAILED, SKIPPED_ITSELF, INTERRUPTED or MOVED
    :param ended_at: milliseconds since the epoch
    :param duration: seconds
    :param reasons: why it ran
    :param text: what there is to say of its end, such as `exit code 2`
    :param outcome: the kind of its outcome (see `core.outcomes.KINDS`), "" where it did not run
    :param made: path -> value of what it made and no element of its fingerprint holds: `link TEXT` of an output
        that is a link, the content of its depfile, `folder` of a folder around its outputs; where it gave no
        record, its output files too
    :param foreign: what its mark said, where it has left its outputs as they were when it failed; else None
    :param usage: what its last attempt has used, None if that is not known
    :param code: the exit code of its last program, negative for a signal; None if there was none
    """

    __slots__ = (
        *("code", "duration", "ended_at", "foreign", "made", "outcome", "reasons", "run", "state", "text"),
        "usage",
    )

    def __init__(
        self,
        run: str,
        state: str,
        ended_at: int,
        duration: float,
        reasons: Sequence[Reason],
        text: str = "",
        outcome: str = "",
        *,
        made: Mapping[str, str] | None = None,
        foreign: Sequence[str] | None = None,
        usage: Usage | None = None,
        code: int | None = None,
    ) -> None:
        self.usage = usage
        self.code = code
        self.made = made or {}
        self.foreign = foreign
        self.run = run
        self.state = state
        self.ended_at = ended_at
        self.duration = duration
        self.reasons = tuple(reasons)
        self.text = text
        self.outcome = outcome

    @property
    def kind(self) -> str:
        """The kind of its outcome; of what did not run itself, that of what it means."""
        return self.outcome or _KINDS.get(self.state, "failed")


_KINDS = {
    **dict.fromkeys((SUCCEEDED, ADOPTED, MOVED), "success"),
    SKIPPED_ITSELF: "skipped",
    INTERRUPTED: "interrupted",
}
"""State of a run -> the kind of its outcome, where no kind is on record."""


class Unstarted:
    """How an action has ended that could not be started, so that its record stays as it was.

    :param kind: the kind of its outcome
    :param ended_at: milliseconds since the epoch
    :param text: why, cut to a few words
    """

    __slots__ = ("ended_at", "kind", "text")

    def __init__(self, kind: str, ended_at: int, text: str = "") -> None:
        self.kind = kind
        self.ended_at = ended_at
        self.text = text

    def texts(self, key: str) -> list[str]:
        """Return it as texts, to be read by `unstarted_from`; a frame of them has at most 200 bytes."""
        cut = self.text.encode("utf-8", "replace")[:_MOST_SAID].decode("utf-8", "ignore")
        return [key, self.kind, str(self.ended_at), cut]


_MOST_SAID = 90
"""Bytes of why something could not be started that are kept."""


def unstarted_from(body: bytes) -> Unstarted:
    """Return what `Unstarted.texts` has made texts of."""
    _, kind, ended_at, text = log.unpack(body)
    return Unstarted(kind, int(ended_at), text)


class Record:
    """What is known of an action's last success: the elements of its fingerprint and how it ran.

    :param results: the names of the elements that belong to the result
    """

    __slots__ = ("elements", "owner", "results", "run")

    def __init__(self, owner: Owner, run: Run, elements: dict[str, str], results: Iterable[str]) -> None:
        self.owner = owner
        self.run = run
        self.elements = elements
        self.results = frozenset(results)


class Success:
    """What of a record decides whether an action runs again, and how long it took (seconds)."""

    __slots__ = ("duration", "elements", "results")

    def __init__(self, elements: dict[str, str], results: list[str], duration: float) -> None:
        self.elements = elements
        self.results = results
        self.duration = duration


def owner_from(texts: Sequence[str], at: int = 0) -> tuple[Owner, int]:
    """Return the owner that begins at `at`, and where it ends."""
    key, label, uid, flags, depfile, folders, count = texts[at : at + _OWNER_SIZE]
    end = at + _OWNER_SIZE + int(count)
    outputs = texts[at + _OWNER_SIZE : end]
    owner = Owner(key, label, uid, outputs, depfile=depfile, keeps="k" in flags, once="o" in flags)
    for text in folders.split("\0\0") if folders else ():
        kind, path, *patterns = text.split("\0")
        if kind == "x":
            owner.exclude[path] = patterns
        else:
            owner.presence += (path,)
    return owner, end


def owner_at(first: Callable[[int], Sequence[str]], at: int = 0) -> Owner:
    """Return the owner that begins at `at`.

    :param first: returns so many of the first texts
    """
    texts = first(at + _OWNER_SIZE + 1)
    count = int(texts[at + _OWNER_SIZE - 1])
    return owner_from(texts if count <= 1 else first(at + _OWNER_SIZE + count), at)[0]


def mark_from(texts: Sequence[str], at: int) -> Mark:
    """Return the mark after the owner that begins at `at`."""
    at = owner_from(texts, at)[1]
    end = at + 1 + int(texts[at])
    return Mark(texts[at + 1 : end], texts[end:])


def run_texts(owner: Owner, run: Run) -> list[str]:
    """Return an owner and one of its runs as texts."""
    texts = [*owner.texts(), run.run, run.state, str(run.ended_at), repr(run.duration), run.text, run.outcome]
    texts.append(str(len(run.reasons)))
    for reason in run.reasons:
        texts += [reason.kind, reason.name, *_optional(reason.old), *_optional(reason.new)]
    texts.append(str(len(run.made)))
    for path, value in run.made.items():
        texts += [path, value]
    if run.code:
        texts += [_CODE, str(run.code)]
    if run.usage is not None:
        texts += [_USAGE, _usage_text(run.usage)]
    texts += ["-"] if run.foreign is None else [str(len(run.foreign)), *run.foreign]
    return texts


def run_from(texts: Sequence[str]) -> tuple[Owner, Run, int]:
    """Return an owner, its run, and where they end."""
    owner, at = owner_from(texts)
    name, state, ended_at, duration, text, outcome, count = texts[at : at + 7]
    at += 7
    reasons = []
    for _ in range(int(count)):
        kind, element, has_old, old, has_new, new = texts[at : at + 6]
        reasons.append(Reason(kind, element, old if has_old else None, new if has_new else None))
        at += 6
    end = at + 1 + 2 * int(texts[at])
    made = dict(zip(texts[at + 1 : end : 2], texts[at + 2 : end : 2], strict=True))
    usage = code = None
    if texts[end] == _CODE:
        code = int(texts[end + 1])
        end += 2
    if texts[end] == _USAGE:
        usage = _usage_from(texts[end + 1], float(duration))
        end += 2
    foreign = None if texts[end] == "-" else texts[end + 1 : end + 1 + int(texts[end])]
    about = (name, state, int(ended_at), float(duration), reasons, text, outcome)
    run = Run(*about, made=made, foreign=foreign, usage=usage, code=code)
    return owner, run, end + 1 + len(foreign or ())


_CODE, _USAGE = "code", "usage"
"""Precede an exit code that is not 0, and what a run has used: records that were written before, and runs without,
do not have them."""


def _usage_text(usage: Usage) -> str:
    more = [getattr(usage, name) for name in WHERE_KNOWN]
    # most have none of a whole tree
    more = more if any(one is not None for one in more[1:]) else more[:1]
    known = " ".join("-" if one is None else str(one) for one in more)
    return f"{usage.user:.6g} {usage.system:.6g} {usage.blocks_in} {usage.blocks_out} {known}"


def _usage_from(text: str, duration: float) -> Usage:
    user, system, blocks_in, blocks_out, *known = text.split(" ")
    usage = Usage(duration, float(user), float(system), int(blocks_in), int(blocks_out))
    for name, amount in zip(WHERE_KNOWN, known, strict=False):
        setattr(usage, name, None if amount == "-" else int(amount))
    return usage


def duration_in(text_at: Callable[[int], str]) -> float:
    """Return the duration of a run, in seconds.

    :param text_at: returns one of the texts that `run_texts` has made
    """
    return float(text_at(_OWNER_SIZE + int(text_at(_OWNER_SIZE - 1)) + 3))


def record_texts(record: Record) -> list[str]:
    """Return a record as texts."""
    texts = run_texts(record.owner, record.run)
    results = record.results
    for name, value in record.elements.items():
        texts += ("a" if name in results else "q", name, value)
    return texts


def record_from(texts: Sequence[str]) -> Record:
    """Return the record that `record_texts` has made texts of."""
    owner, run, _ = run_from(texts)
    success = success_from(texts)
    return Record(owner, run, success.elements, success.results)


def success_from(texts: Sequence[str]) -> Success:
    """Return the part that decides of the record that `record_texts` has made texts of."""
    at = _OWNER_SIZE + int(texts[_OWNER_SIZE - 1]) + 7
    duration = float(texts[at - 4])
    at += 6 * int(texts[at - 1])
    at += 1 + 2 * int(texts[at])
    if texts[at] == _CODE:
        at += 2
    if texts[at] == _USAGE:
        at += 2
    at += 1 if texts[at] == "-" else 1 + int(texts[at])
    names = texts[at + 1 :: 3]
    results = [name for tag, name in zip(texts[at::3], names, strict=True) if tag == "a"]
    return Success(dict(zip(names, texts[at + 2 :: 3], strict=True)), results, duration)


def _optional(text: str | None) -> tuple[str, str]:
    return ("", "") if text is None else ("y", text)


class Entry:
    """What the log says of one key; what it has read is decoded when it is needed.

    Its record is valid (`counts`) from the success that wrote it up to the next start: what an attempt has begun to
    change, no older record can vouch for. Whether a valid record is that of the action as it is now is for
    `core.decision` to say.
    """

    __slots__ = ("_end", "_start", "_success", "counts", "last_offset", "offset", "released")

    def __init__(self) -> None:
        self.counts = False
        """Whether the last success still counts: nothing has started since."""
        self.offset = -1
        """Where the frame of the last success is in the log, -1 if there is none."""
        self.last_offset = -1
        """Where the frame of what came after it is, -1 if nothing did."""
        self.released: frozenset[str] = frozenset()
        """Outputs that are ordinary files now, whatever the action has left there."""
        self._success: bytes | None = None
        self._end: bytes | None = None
        self._start: bytes | None = None

    @property
    def owner(self) -> Owner:
        """Whose it is; of its outputs those that a plan may have: others are never looked at or removed."""
        if self._start is not None:
            owner = owner_at(lambda count: log.unpack(self._start or b"", count), 1)
        else:
            body = self._end if self._end is not None else self._success
            owner = owner_at(lambda count: log.unpack(body or b"", count))
        owner.outputs = tuple([path for path in owner.outputs if is_inside(path)])
        owner.depfile = owner.depfile if is_inside(owner.depfile) else ""
        return owner

    @property
    def label(self) -> str:
        """The label of its owner, read alone."""
        if self._start is not None:
            return log.text_at(self._start, 2)
        body = self._end if self._end is not None else self._success
        return log.text_at(body or b"", 1)

    @property
    def mark(self) -> Mark | None:
        """What it said when it was about to start; None if it came to an end since."""
        return mark_from(log.unpack(self._start), 1) if self._start is not None else None

    @property
    def state(self) -> str:
        """The word of its last frame: STARTED, or how it ended."""
        last = self.last_run
        return STARTED if last is None else last.state

    @property
    def record(self) -> Record | None:
        """The last success; it stays for `why` when it no longer counts."""
        return record_from(log.unpack(self._success)) if self._success is not None else None

    @property
    def success(self) -> Success | None:
        """What decides of the last success."""
        return success_from(log.unpack(self._success)) if self._success is not None else None

    @property
    def duration(self) -> float:
        """Seconds that the last success took, 0.0 if it does not count."""
        body = self._success if self.counts else None
        return duration_in(lambda number: log.text_at(body, number)) if body is not None else 0.0

    @property
    def last_success(self) -> tuple[str, str, float] | None:
        """Label, uid and seconds of the last success, also if it does not count any more; None if there is none."""
        body = self._success
        if body is None:
            return None
        return log.text_at(body, 1), log.text_at(body, 2), duration_in(lambda number: log.text_at(body, number))

    @property
    def last_run(self) -> Run | None:
        """The last run that came to an end, well or not; None if the last one was cut off, or there was none."""
        body = self._success if self.counts else self._end
        return run_from(log.unpack(body))[1] if body is not None else None

    def ran_for(self, kind: str) -> bool:
        """Return whether a reason of this kind led to the last run that came to an end."""
        body = self._success if self.counts else self._end
        # nearly always the word is nowhere in it, and nothing has to be decoded
        if body is None or kind.encode() not in body:
            return False
        return any(one.kind == kind for one in run_from(log.unpack(body))[1].reasons)

    @property
    def found_at_end(self) -> list[str]:
        """What the last run was found to read, if it ended without giving a record; [] where it does not say so."""
        if self._end is None:
            return []
        texts = log.unpack(self._end)
        return texts[run_from(texts)[2] :]

    def started(self, body: bytes, offset: int) -> None:
        """Take in that it was about to start."""
        self.counts, self.last_offset, self._start, self._end = False, offset, body, None
        self.released = frozenset()

    def succeeded(self, body: bytes, offset: int) -> None:
        """Take in a success."""
        self.counts, self.offset, self._success = True, offset, body
        self.last_offset, self._end, self._start = -1, None, None
        self.released = frozenset()

    def ended(self, body: bytes, offset: int) -> None:
        """Take in a run that gave no record."""
        self.counts, self.last_offset, self._end, self._start = False, offset, body, None

    @property
    def size(self) -> int:
        """Bytes of the frames that say all of it again, or a little less."""
        return len(self._success or b"") + len(self._end or b"") + len(self._start or b"") + log.HEAD_SIZE

    def bodies(self) -> list[tuple[bytes, bytes]]:
        """Return letter and body of the frames that say all of it again."""
        parts = ((log.SUCCESS, self._success), (log.OTHER_END, self._end), (log.START, self._start))
        return [(letter, body) for letter, body in parts if body is not None]


def is_inside(output: str) -> bool:
    """Return whether a path may be an output: it is relative, normalised, and not in the state folder."""
    names = output.rstrip("/").split("/")
    return not os.path.isabs(output) and names[0] != STATE_FOLDER and not {"", ".", ".."} & set(names)
