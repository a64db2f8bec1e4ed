"""Errors as lines: what, where, the source line with a mark below the place, facts, hint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from treadle.core.text import crop, crop_left, crop_middle, safe, width, wrap
from treadle.errors import Place, PlanError, TreadleError, shortened

from .console import Console
from .text import Line, line

_ROOM = 76
"""Cells of a source line that are shown."""
_TAB = "    "
_LONGEST = 2_000
"""Cells of a text of an error that are shown, whatever value it quotes."""
_PAGE_OF_PLANS = "docs/reference/plan.md"
"""The page of an error in a plan that has none of its own."""
_MOST = 40
"""Facts of an error that are shown."""


def problem_lines(error: TreadleError, shown: Callable[[str], str] = str, room: int = 0) -> list[Line]:
    """Return the lines of one error.

    :param shown: returns the path of a file for display
    :param room: cells that facts and hints are broken at, 0 for none
    """
    place = error.place
    where = f"{safe(shown(place.file))}:{place.line}:{place.column}: " if place else ""
    first, *more = error.what.split("\n")
    lines = [line(("treadle: ", "dim"), (where, "name"), (_shown(first), "bad"))]
    lines += [line(f"  {_shown(text)}") for text in shortened(more, _MOST)]
    if place and place.text:
        lines += _source(place)
    facts = shortened([one for fact in error.facts for one in fact.split("\n")], _MOST)
    lines += [line(text) for one in facts for text in wrap(_shown(one), room, "  ")]
    if error.hint:
        first, *more = wrap(_shown(error.hint), max(0, room - 6), "  ")
        lines += [line("  ", ("hint:", "name"), f" {first.strip()}"), *(line(f"      {text}") for text in more)]
    page = error.page or (_PAGE_OF_PLANS if place else "")
    if page and room:
        # for people at a terminal: programs that read errors have the same lines as ever
        lines.append(line("  ", ("docs:", "name"), f" {address_of(page)}"))
    return lines


def address_of(page: str) -> str:
    """Return where a page is on the site: `docs/reference/order.md#order` is at `reference/order/#order`."""
    path, sign, anchor = page.removeprefix("docs/").partition("#")
    return f"{path.removesuffix('.md')}/{sign}{anchor}"


def _shown(text: str) -> str:
    return crop_middle(safe(text), _LONGEST)


def problems_lines(
    problems: Sequence[TreadleError], shown: Callable[[str], str] = str, room: int = 0, more: int = 0
) -> list[Line]:
    """Return the lines of several errors, and their number.

    :param more: how many more there are
    """
    lines = [made for problem in problems for made in problem_lines(problem, shown, room)]
    if more:
        lines.append(line(f"treadle: {len(problems) + more} problems, the first {len(problems)} are shown"))
    elif len(problems) > 1:
        lines.append(line(f"treadle: {len(problems)} problems"))
    return lines


def _source(place: Place) -> list[Line]:
    """Return the source line and the mark below the place, which is always in what is shown."""
    before = safe(place.text[: place.column - 1].replace("\t", _TAB))
    after = safe(place.text[place.column - 1 :].replace("\t", _TAB))
    if width(before) > _ROOM * 3 // 4:
        before = crop_left(before, _ROOM // 2)
    after = crop(after, _ROOM - width(before))
    return [line("    ", before + after), line("    " + " " * width(before), ("^", "good"))]


def print_error(error: TreadleError, console: Console) -> None:
    """Print an error, or each of the problems in it, on stderr."""
    problems, more = (error.problems, error.more) if isinstance(error, PlanError) else ((error,), 0)
    room = console.errors.width if console.errors.stream.isatty() else 0
    console.errors.write(problems_lines(problems, console.shown, room, more))
