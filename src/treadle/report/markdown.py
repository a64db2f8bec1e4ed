"""A run as Markdown, for a comment on a change or the summary of a CI job: what failed, then all that has run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from treadle.core.outcomes import FAILED, INTERRUPTED, RAN, RESTORED, SKIPPED_ITSELF, label, words
from treadle.core.text import safe
from treadle.events.run_model import ActionRun, Run, further
from treadle.ui.durations import duration

BEGINS = "<!-- treadle -->\n"
MOST = 50
"""Rows of a table that are shown: a comment is read, and hosts bound its size."""
_LAST = 20
"""Lines at the end of an output that are shown of a failure."""
_FAILURES = 10
"""Failures whose output is shown."""
_MARKS = re.compile(r"[\\`*_{}\[\]()<>#+!|~&$@:.]")
"""Characters that Markdown could take for something else than text, such as those of a link."""


def markdown(run: Run) -> Iterator[str]:
    """Yield the text of a run in Markdown."""
    yield BEGINS
    yield f"### {_text(run.plan or 'treadle')}: {_totals(run)}\n"
    for problem in run.problems:
        place = problem.get("place")
        where = f"{place['file']}:{place['line']}:{place['column']}: " if place else ""
        yield f"\n- {_text(where + str(problem.get('text', '')))}\n"
        for fact in further(problem):
            yield f"  - {_text(fact)}\n"
    wrong = [action for action in run.actions.values() if action.status in (FAILED, INTERRUPTED)]
    yield from _table("what went wrong", [(one.name, one.told, duration(one.duration)) for one in wrong])
    for action in wrong[:_FAILURES]:
        yield from _output(action)
    others = [one for one in run.order if one.status in (RAN, RESTORED, SKIPPED_ITSELF)]
    others.sort(key=lambda one: -one.duration)
    yield from _table("what has run, the longest first", [_row(one) for one in others])


def _totals(run: Run) -> str:
    said = [f"{number:,} {label(end)}" for end, number in run.counts().items() if number]
    return f"{', '.join(said) or _text(run.result)} in {duration(run.duration)}"


def _row(action: ActionRun) -> tuple[str, str, str]:
    said = [] if action.outcome.kind in ("success", "restored", "not_started") else [words(action.outcome.kind)]
    said += [f"in attempt {len(action.attempts)}"] if len(action.attempts) > 1 else []
    said += [action.why] if action.why else []
    return action.name, "; ".join(said), duration(action.duration)


def _table(title: str, rows: list[tuple[str, str, str]]) -> Iterator[str]:
    if not rows:
        return
    yield f"\n| {title} | | |\n| --- | --- | ---: |\n"
    for name, said, took in rows[:MOST]:
        yield f"| {_text(name)} | {_text(said)} | {took} |\n"
    if len(rows) > MOST:
        yield f"| and {len(rows) - MOST:,} more | | |\n"


def _output(action: ActionRun) -> Iterator[str]:
    printed = action.printed().rstrip("\n")
    if not printed:
        return
    lines = [safe(line) for line in printed.split("\n")[-_LAST:]]
    # a fence that no line of the output can end
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"\n{_text(action.name)} printed last:\n\n{fence}text\n"
    for line in lines:
        yield f"{line}\n"
    yield f"{fence}\n"


def _text(text: str) -> str:
    """Return a text as one that means nothing but itself: no markup, link, mention or new cell.

    Hosts look for mentions (`@name`, `#1`) in the text that is shown, but for that of `code`.
    """
    one_line = " ".join(safe(text).split())
    return f"<code>{_MARKS.sub(lambda found: f'&#{ord(found[0])};', one_line)}</code>" if one_line else ""
