"""What one action's record says, and its form as a list of texts. It knows nothing of files and of the walk."""

from __future__ import annotations

from .core.decision import Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SUCCEEDED = "succeeded"
STARTED = "started"
FAILED = "failed"
INTERRUPTED = "interrupted"
MOVED = "inputs changed"
"""It succeeded, but an input changed under way, so that nobody can say what its outputs stand for."""


class Owner:
    """Whose record it is.

    :param key: what the record is found by
    :param uid: the action, `label` its plan
    :param outputs: the declared outputs
    """

    __slots__ = ("key", "label", "outputs", "uid")

    def __init__(self, key: str, label: str, uid: str, outputs: Sequence[str]) -> None:
        self.key = key
        self.label = label
        self.uid = uid
        self.outputs = tuple(outputs)

    def texts(self) -> list[str]:
        """Return it as texts, to be read by `owner_from`."""
        return [self.key, self.label, self.uid, str(len(self.outputs)), *self.outputs]


class Run:
    """One time that an action ran.

    :param state: SUCCEEDED, FAILED, INTERRUPTED or MOVED
    :param ended_at: milliseconds since the epoch
    :param duration: seconds
    :param reasons: why it ran
    :param text: what there is to say of its end, such as `exit code 2`
    """

    __slots__ = ("duration", "ended_at", "reasons", "run", "state", "text")

    def __init__(
        self,
        run: str,
        state: str,
        ended_at: int,
        duration: float,
        reasons: Sequence[Reason],
        text: str = "",
    ) -> None:
        self.run = run
        self.state = state
        self.ended_at = ended_at
        self.duration = duration
        self.reasons = tuple(reasons)
        self.text = text


class Record:
    """What is known of an action's last success: the elements of its fingerprint and how it ran.

    :param answers: the names of the elements that belong to the answer
    """

    __slots__ = ("answers", "elements", "owner", "run")

    def __init__(self, owner: Owner, run: Run, elements: dict[str, str], answers: Iterable[str]) -> None:
        self.owner = owner
        self.run = run
        self.elements = elements
        self.answers = frozenset(answers)


class Success:
    """What of a record decides whether an action runs again, and how long it took (seconds)."""

    __slots__ = ("answers", "duration", "elements")

    def __init__(self, elements: dict[str, str], answers: list[str], duration: float) -> None:
        self.elements = elements
        self.answers = answers
        self.duration = duration


def owner_from(texts: Sequence[str], at: int = 0) -> tuple[Owner, int]:
    """Return the owner that stands at `at`, and where it ends."""
    key, label, uid, count = texts[at : at + 4]
    end = at + 4 + int(count)
    return Owner(key, label, uid, texts[at + 4 : end]), end


def owner_at(first: Callable[[int], Sequence[str]], at: int = 0) -> Owner:
    """Return the owner that stands at `at`.

    :param first: returns so many of the first texts
    """
    texts = first(at + 5)
    count = int(texts[at + 3])
    return owner_from(texts if count <= 1 else first(at + 4 + count), at)[0]


def run_texts(owner: Owner, run: Run) -> list[str]:
    """Return an owner and one of its runs as texts."""
    texts = [*owner.texts(), run.run, run.state, str(run.ended_at), repr(run.duration), run.text]
    texts.append(str(len(run.reasons)))
    for reason in run.reasons:
        texts += [reason.kind, reason.name, *_optional(reason.old), *_optional(reason.new)]
    return texts


def run_from(texts: Sequence[str]) -> tuple[Owner, Run, int]:
    """Return an owner, its run, and where they end."""
    owner, at = owner_from(texts)
    name, state, ended_at, duration, text, count = texts[at : at + 6]
    at += 6
    reasons = []
    for _ in range(int(count)):
        kind, element, has_old, old, has_new, new = texts[at : at + 6]
        reasons.append(Reason(kind, element, old if has_old else None, new if has_new else None))
        at += 6
    return owner, Run(name, state, int(ended_at), float(duration), reasons, text), at


def duration_in(text_at: Callable[[int], str]) -> float:
    """Return the duration of a run, in seconds.

    :param text_at: returns one of the texts that `run_texts` has made
    """
    return float(text_at(4 + int(text_at(3)) + 3))


def record_texts(record: Record) -> list[str]:
    """Return a record as texts."""
    texts = run_texts(record.owner, record.run)
    answers = record.answers
    tags = ["a" if name in answers else "q" for name in record.elements]
    for element in zip(tags, record.elements, record.elements.values(), strict=True):
        texts += element
    return texts


def record_from(texts: Sequence[str]) -> Record:
    """Return the record that `record_texts` has made texts of."""
    owner, run, _ = run_from(texts)
    success = success_from(texts)
    return Record(owner, run, success.elements, success.answers)


def success_from(texts: Sequence[str]) -> Success:
    """Return the part that decides of the record that `record_texts` has made texts of."""
    at = 4 + int(texts[3]) + 6
    duration = float(texts[at - 3])
    at += 6 * int(texts[at - 1])
    names = texts[at + 1 :: 3]
    answers = [name for tag, name in zip(texts[at::3], names, strict=True) if tag == "a"]
    return Success(dict(zip(names, texts[at + 2 :: 3], strict=True)), answers, duration)


def _optional(text: str | None) -> tuple[str, str]:
    return ("", "") if text is None else ("y", text)
