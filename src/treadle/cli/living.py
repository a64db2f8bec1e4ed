"""What a run that goes on does now, as lines: what runs and since when, what waits and for what, what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.cli.recorded import table
from treadle.core import wording
from treadle.core.text import size_text
from treadle.errors import listed
from treadle.events.schema import is_number
from treadle.ui.durations import duration
from treadle.ui.text import line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from treadle.ui.text import Line

WORDS = {
    "draining": "nothing new starts, and what runs goes on to its end",
    "stopping": "it is stopping: what runs was asked to end",
    "killing": "it is stopping: what runs is being killed",
}
"""State of a run that is about to end -> what that means."""


def is_told(state: Mapping[str, Any]) -> bool:
    """Return whether the state of a run has the fields that are shown here: another version may send others."""
    running, waiting = state.get("running"), state.get("waiting")
    if not isinstance(running, list) or not isinstance(waiting, list):
        return False
    numbers = [state.get("took"), state.get("total"), state.get("ended"), state.get("waiting_total")]
    for one in [*running, *waiting]:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            return False
        numbers.append(one.get("retry_in", 0.0))
    maybe = [state.get("time_left"), *(one.get("expected") for one in running)]
    numbers += [one.get("seconds") for one in running] + [one for one in maybe if one is not None]
    lacks = [one.get("lacks", {}) for one in waiting]
    if not all(isinstance(one, dict) for one in [*lacks, *(one.get("resources", {}) for one in running)]):
        return False
    return all(map(is_number, [*numbers, *(amount for one in lacks for amount in one.values())]))


def living_rows(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is said of the whole run: a word, and a text.

    :param state: what the run answers of itself, as docs/reference/command.md lists it
    """
    if state.get("total"):
        yield "ended", f"{state['ended']:,} of {wording.count(state['total'], 'action')}"
    if state.get("state") in WORDS:
        yield "now", WORDS[state["state"]]
    elif state.get("paused"):
        yield "now", "paused: nothing new starts until `treadle continue`"
    left = state.get("time_left")
    if left is not None:
        yield "left", f"about {duration(left)}, if all takes what it took last time"


def living_lines(state: Mapping[str, Any], room: int) -> list[Line]:
    """Return what runs, the longest first, and what waits, by what it waits for.

    :param room: cells that a line may take, 0 for no bound
    """
    running: Sequence[Mapping[str, Any]] = sorted(state.get("running", ()), key=lambda one: -one["seconds"])
    rows = [(one["name"], duration(one["seconds"]), _more(one)) for one in running]
    lines = [line("running:"), *table(rows, "  ", room=room, right=(1,))] if rows else []
    groups: dict[str, list[str]] = {}
    for one in state.get("waiting", ()):
        groups.setdefault(_lack(one), []).append(one["name"])
    if groups:
        total, known = state.get("waiting_total", 0), len(state["waiting"])
        first = f", of which the first {known}" if total > known else ""
        lines.append(line(f"waiting: {wording.count(max(total, known), 'action')}{first}"))
        lines += table([(f"for {what}", listed(names, most=5)) for what, names in groups.items()], "  ", room=room)
    return lines


def _more(one: Mapping[str, Any]) -> str:
    """Return what is said of something that runs besides its time."""
    said = []
    if one.get("expected") is not None:
        said.append(f"of about {duration(one['expected'])}")
    if one.get("attempt", 1) > 1:
        said.append(f"attempt {one['attempt']}")
    for kind, held in one.get("resources", {}).items():
        if kind != "cpus" or held != 1:
            said.append(_amount(kind, held))
    return ", ".join(said)


def _amount(kind: str, held: object) -> str:
    if isinstance(held, list):
        return f"{kind} {', '.join(map(str, held))}"
    if isinstance(held, int | float):
        return size_text(held) + " of memory" if kind == "memory" else f"{held:g} {kind}"
    return kind


def _lack(one: Mapping[str, Any]) -> str:
    """Return what something waits for, in words."""
    if "retry_in" in one:
        return f"its next attempt, in {duration(one['retry_in'])}"
    return " and ".join(_lacked(name, amount) for name, amount in one.get("lacks", {}).items()) or "its turn"


def _lacked(name: str, amount: float) -> str:
    if name.startswith("queue "):
        return f"a token of {name}" if amount == 1 else f"{amount:g} tokens of {name}"
    if name.startswith(("limit of ", "mutex ")):
        return f"the {name}"
    return "the limit of what runs" if name == "max_running" else _amount(name, amount)
