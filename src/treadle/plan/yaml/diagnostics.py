"""Collects what is wrong in a plan, so that one look shows all of it; unaware of what it is about."""

from __future__ import annotations

from treadle.errors import PlanError, TreadleError

MAX_SHOWN = 10


class UnloadedNameError(TreadleError):
    """A name may stand in a plan that has not been read yet: then it is no mistake."""

    @classmethod
    def of(cls, error: TreadleError) -> UnloadedNameError:
        """Return what an error says of such a name."""
        return cls(error.what, facts=error.facts, hint=error.hint, place=error.place)


class Problems:
    """The mistakes found so far; `told` counts those too that say the same again."""

    __slots__ = ("_found", "reported")

    def __init__(self) -> None:
        self.reported = 0
        self._found: dict[tuple[object, str], TreadleError] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, error: TreadleError) -> None:
        """Keep an error; one that says the same of the same place is kept once."""
        self.reported += 1
        self._found.setdefault((error.place, error.what), error)

    def errors(self) -> list[TreadleError]:
        """Return the mistakes in the order in which they were found."""
        return list(self._found.values())

    def collecting(self) -> Problems:
        """Return what a `with` needs to keep the error that its block raises, and go on after it."""
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if not isinstance(error, TreadleError):
            return False
        self.collect(error)
        return True

    def collect(self, error: TreadleError) -> None:
        """Keep an error that was caught; a PlanError is the mistakes in it."""
        for problem in error.problems if isinstance(error, PlanError) else (error,):
            self.add(problem)

    def check(self) -> None:
        """Raise a PlanError with the first ten by place, if there are any."""
        if not self._found:
            return
        found = sorted(self._found.values(), key=_by_place)
        raise PlanError(found[:MAX_SHOWN], more=max(0, len(found) - MAX_SHOWN))


def _by_place(error: TreadleError) -> tuple[str, int, int]:
    place = error.place
    return (place.file, place.line, place.column) if place else ("", 0, 0)
