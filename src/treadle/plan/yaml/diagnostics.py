"""Collects the errors of a plan, so that one check reports all of them."""

from __future__ import annotations

from treadle.errors import PlanError, TreadleError

MAX_SHOWN = 10


class UnloadedNameError(TreadleError):
    """A name is unknown, but may be in a generated plan that is not loaded yet: then it is no error."""

    @classmethod
    def of(cls, error: TreadleError) -> UnloadedNameError:
        """Return the same error of this class."""
        return cls(error.what, facts=error.facts, hint=error.hint, place=error.place)


class Problems:
    """The errors found so far; `reported` counts repeated ones too."""

    __slots__ = ("_found", "reported")

    def __init__(self) -> None:
        self.reported = 0
        self._found: dict[tuple[object, str], TreadleError] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, error: TreadleError) -> None:
        """Keep an error, unless one with the same text and place is kept."""
        self.reported += 1
        self._found.setdefault((error.place, error.what), error)

    def errors(self) -> list[TreadleError]:
        """Return the errors in the order in which they were added."""
        return list(self._found.values())

    def collecting(self) -> Problems:
        """Return a context manager that keeps the error that its block raises, and goes on after it."""
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if not isinstance(error, TreadleError):
            return False
        self.collect(error)
        return True

    def collect(self, error: TreadleError) -> None:
        """Keep an error that was caught; of a PlanError, the errors in it."""
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
