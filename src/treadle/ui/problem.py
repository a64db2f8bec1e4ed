"""Errors as people read them: what, where, the line with a mark below the place, facts, hint."""

from __future__ import annotations

from .text import MORE, line, safe, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.errors import Place, TreadleError

    from .text import Line

MOST = 20
"""Problems that are shown at once."""
_ROOM = 76
"""Cells of a source line that are shown."""
_TAB = "    "


def problem_lines(error: TreadleError, shown: Callable[[str], str] = str) -> list[Line]:
    """Return the lines that tell of one error.

    :param shown: makes the path of a file as people should see it
    """
    place = error.place
    where = f"{safe(shown(place.file))}:{place.line}:{place.column}: " if place else ""
    first, *more = error.what.split("\n")
    lines = [line(("treadle: ", "dim"), (where, "name"), (safe(first), "bad"))]
    lines += [line(f"  {safe(text)}") for text in more]
    if place and place.text:
        lines += _source(place)
    lines += [line(f"  {safe(text)}") for fact in error.facts for text in fact.split("\n")]
    if error.hint:
        lines.append(line("  ", ("hint:", "name"), f" {safe(error.hint)}"))
    return lines


def problems_lines(problems: Sequence[TreadleError], shown: Callable[[str], str] = str) -> list[Line]:
    """Return the lines that tell of several errors, and how many there are."""
    lines = [made for problem in problems[:MOST] for made in problem_lines(problem, shown)]
    if len(problems) > MOST:
        lines.append(line(f"treadle: {len(problems)} problems, the first {MOST} are shown"))
    elif len(problems) > 1:
        lines.append(line(f"treadle: {len(problems)} problems"))
    return lines


def _source(place: Place) -> list[Line]:
    """Return the source line and the mark below the place, which is always in what is shown."""
    before = safe(place.text[: place.column - 1].replace("\t", _TAB))
    after = safe(place.text[place.column - 1 :].replace("\t", _TAB))
    if width(before) > _ROOM * 3 // 4:
        while width(before) > _ROOM // 2:
            before = before[max(1, len(before) // 8) :]
        before = MORE + before
    while width(before) + width(after) > _ROOM:
        after = after[: max(0, len(after) - 1 - len(after) // 8)]
        if width(before) + width(after) <= _ROOM - len(MORE):
            after += MORE
            break
    return [line("    ", before + after), line("    " + " " * width(before), ("^", "good"))]
