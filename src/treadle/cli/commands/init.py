"""`init`: writes a first plan from the files in the folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.core import wording
from treadle.core.text import safe
from treadle.errors import TreadleError, UsageError, listed
from treadle.importers.detect import FILES, drafts_of
from treadle.importers.draft import Draft, merged
from treadle.importers.writer import text_of_plan
from treadle.session.fast_start import DEFAULT_PLAN
from treadle.ui.text import Line, line

from .schema import SCHEMA_FILE, write_schema

if TYPE_CHECKING:
    from treadle.session.call import Call


def init_command(call: Call) -> int:
    """Write a first plan, or print it with -n; an existing file is never overwritten."""
    options = call.options
    root = os.getcwd()
    path = options.file or DEFAULT_PLAN
    if not options.dry and os.path.lexists(path):
        raise UsageError(
            f"{path} exists already",
            hint="`treadle init -n` prints the plan; -f FILE writes to another file",
        )
    if os.path.dirname(path):
        raise UsageError(
            f"{path}: the plan can only be written to the current folder", hint="-C DIR changes to another one"
        )
    drafts = drafts_of(root, options.names)
    if not drafts:
        raise UsageError(
            "there is nothing here to make a plan from",
            facts=[f"looked for {', '.join(FILES)}, Python and C"],
            hint="write one by hand, see tutorials/first-plan/ in the docs",
        )
    draft = merged(drafts)
    text = text_of_plan(draft, root, SCHEMA_FILE)
    if options.dry:
        call.console.say(line(one) for one in text.rstrip("\n").split("\n"))
        return 0
    _write(path, text)
    write_schema(SCHEMA_FILE)
    if not options.quiet:
        call.console.say([_summary(path, draft)])
    return 0


def _summary(path: str, draft: Draft) -> Line:
    """Return what was written, and what was left out of it: no action gets lost unseen."""
    lost = [action.name for action in draft.actions if action.left_out]
    made = wording.count(len(draft.actions) - len(lost), "action")
    left = f"; {wording.count(len(lost), 'action')} left out: {listed(lost)}" if lost else ""
    left += f"; {wording.count(len(draft.notes), 'remark')} at its end" if draft.notes else ""
    wrote = line("wrote ", (safe(path), "name"), f" from {safe(draft.origin)}: {made}")
    return (*wrote, (left, "warn" if lost else ""))


def _write(path: str, text: str) -> None:
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already") from None
    except OSError as error:
        raise TreadleError(f"{path} cannot be written: {error.strerror}") from error
