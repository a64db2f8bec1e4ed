"""A run as one page that needs no server, no network and no other file.

Pictures and tables are in it. Outputs and logs are linked relative to the page, if they are there at that time.

All names and output are in a block of JSON that HTML parsers do not parse, and the script of the page inserts them
as text. The policy of the page allows no other script, whatever the data contains.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from treadle.core import wording
from treadle.core.decision import ABSENT
from treadle.core.outcomes import FAILED, INTERRUPTED, KINDS, label, told, words
from treadle.core.text import safe, shell_join, size_text
from treadle.events.run_model import ActionRun, Attempt, Run
from treadle.ui.durations import duration

from .critical import critical_path
from .failures import failure_groups

BEGINS = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '"""
_SCRIPTS = ("base.js", "timeline.js", "graph.js", "page.js")
_WHOLE_LOGS = 100
"""Failures whose output is in the page; further ones name their log."""
_LOG_CHARACTERS = 40_000
"""Characters of the end of an output that are in the page."""
_COMMAND_CHARACTERS = 4_000


Past = tuple[str, float, str]
"""An earlier run of an action: when that began, in UTC, the seconds of the last attempt, its kind of outcome."""
History = Mapping[str, Sequence[Past]]
"""Action -> its earlier runs, the last one last."""
MOST_PAST = 20
"""So many runs of each action are shown, that of the page among them."""


def html(run: Run, links: Links | None = None, history: History | None = None) -> Iterator[str]:
    """Yield the text of the page.

    :param links: links to files of the run; None for a page without them
    :param history: earlier runs of its actions; None if nothing is known of them
    """
    style = _part("page.css")
    script = "".join(f"(() => {{\n{_part(name)}}})();\n" for name in _SCRIPTS)
    title = escape(safe(f"{run.plan or 'treadle'}: {run.result}"))
    yield f"{BEGINS}{_hash(style)}'; script-src '{_hash(script)}'; img-src data:\">\n"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="color-scheme" content="light dark">\n'
    yield f"<title>{title}</title>\n"
    yield f'<link rel="icon" href="data:image/svg+xml,{_ICON}">\n'
    yield f"<style>{style}</style>\n</head>\n<body>\n"
    yield _part("page.html")
    yield '<script type="application/json" id="data">'
    yield _as_block(data_of(run, links or Links(), history))
    yield f"</script>\n<script>{script}</script>\n</body>\n</html>\n"


_ICON = (
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%23287d6f' "
    "d='M1 3h9v3H1zM4 7h11v3H4zM7 11h6v3H7z'/%3E%3C/svg%3E"
)


def _part(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), "page", name), encoding="utf-8") as file:
        return file.read()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _as_block(data: dict[str, Any]) -> str:
    """Return data as JSON in which nothing can end a script or begin a comment."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _number(texts: dict[str, int], text: str) -> int:
    """Return the number of a text among texts, which it is added to."""
    return texts.setdefault(text, len(texts))


def data_of(run: Run, links: Links, history: History | None = None) -> dict[str, Any]:
    """Return the data of the page: columns with an entry for each action, numbers in place of names."""
    actions = list(run.actions.values())
    numbers = {action.name: number for number, action in enumerate(actions)}
    families: dict[str, int] = {}
    reasons: dict[str, int] = {}
    whole = {action.name for action in run.with_status(FAILED, INTERRUPTED)[:_WHOLE_LOGS]}
    return {
        "plan": safe(run.plan),
        "asked": [safe(name) for name in run.names],
        "result": run.result,
        "began": run.began,
        "treadle": run.treadle,
        "host": safe(run.host),
        "jobs": run.jobs,
        "commit": safe(run.commit),
        "argv": _lines(shell_join(run.argv)),
        "params": [[safe(name), _lines(_text_of(value))] for name, value in run.params.items()],
        "duration": run.duration,
        "took": duration(run.duration),
        "saved": run.saved,
        "counts": run.counts(),
        "notes": [safe(note) for note in run.notes],
        "problems": [_problem(problem) for problem in run.problems],
        "names": [safe(action.name) for action in actions],
        "family": [_number(families, safe(action.family)) for action in actions],
        "families": list(families),
        "status": [action.status for action in actions],
        "outcome": [_ended_as(action) for action in actions],
        "spent": [action.duration for action in actions],
        "waited": [round(action.waited, 3) for action in actions],
        "values": {numbers[a.name]: said for a in actions if (said := _values(a, links))},
        "usage": [_usages(action) for action in actions],
        "attempts": [[[a.slot, a.start, a.duration or 0.0] for a in action.attempts] for action in actions],
        "earlier": {numbers[a.name]: _earlier(a, links) for a in actions if len(a.attempts) > 1},
        "resources": {numbers[a.name]: held for a in actions if any(held := list(map(_held, a.attempts)))},
        "needs": [[numbers[name] for name in action.needs if name in numbers] for action in actions],
        "why": [[_number(reasons, _reason(why)) for why in action.reasons] for action in actions],
        "reasons": [json.loads(text) for text in reasons],
        "when": {numbers[a.name]: a.when for a in actions if a.when},
        "command": [_lines(action.command[:_COMMAND_CHARACTERS]) for action in actions],
        "place": [_place(action) for action in actions],
        "failure": {numbers[a.name]: _lines(_why_so(a)) for a in actions if _why_so(a)},
        "log": {numbers[a.name]: links.to(a.log) for a in actions if a.log},
        "outputs": {numbers[a.name]: [links.to(path) for path in a.outputs] for a in actions if a.outputs},
        "files": {numbers[a.name]: [_shown(one, links) for one in a.files] for a in actions if a.files},
        "output": {numbers[a.name]: _end(a.printed()) for a in actions if a.name in whole and a.output},
        "groups": [[_lines(text), [numbers[n] for n in names]] for text, names in failure_groups(run)],
        "past": _past(history or {}, numbers),
        "critical": [numbers[name] for name in critical_path(run)],
        "left_out": [[safe(name), safe(str(why))] for name, why in run.left_out.items()],
    }


def _past(history: History, numbers: Mapping[str, int]) -> dict[str, Any]:
    """Return the earlier runs of actions as numbers: the times of runs and the kinds of ends are said once."""
    began: dict[str, int] = {}
    ends: dict[str, int] = {}
    of = {
        numbers[name]: [
            [_number(began, safe(when)), round(seconds, 3), _number(ends, kind)]
            for when, seconds, kind in rows[-MOST_PAST:]
            if kind in KINDS
        ]
        for name, rows in history.items()
        if name in numbers
    }
    said = [[KINDS[kind][3], "" if (word := words(kind)) == label(KINDS[kind][3]) else word] for kind in ends]
    return {"began": list(began), "ends": said, "of": of} if of else {}


def _usages(action: ActionRun) -> list[Mapping[str, float]]:
    """Return what each attempt has used, an empty list if that is not known of any."""
    return [dict(one.usage) for one in action.attempts] if any(one.usage for one in action.attempts) else []


_MOST_EARLIER = 20
"""Attempts before the last one of which the page has more than the time; the last of them."""
_EARLIER_CHARACTERS = 4_000


def _earlier(action: ActionRun, links: Links) -> dict[int, dict[str, Any]]:
    """Return how the attempts before the last one have ended: index -> text, log and output."""
    found: dict[int, dict[str, Any]] = {}
    for index, one in list(enumerate(action.attempts[:-1]))[-_MOST_EARLIER:]:
        said: dict[str, Any] = {"number": one.number}
        said["told"] = _lines(told(one.outcome.kind, one.failure or one.outcome.reason))
        if one.log:
            said["log"] = links.to(one.log)
        if one.output:
            said["output"] = _end(one.printed(), _EARLIER_CHARACTERS)
        found[index] = said
    return found


def _held(attempt: Attempt) -> str:
    """Return what an attempt got of the pool as a text."""
    parts = []
    for kind, held in attempt.resources.items():
        if isinstance(held, list):
            parts.append(f"{len(held)} {safe(kind)} ({', '.join(map(safe, held))})")
        else:
            parts.append(f"{size_text(held) if kind == 'memory' else f'{held:g}'} {safe(kind)}")
    return ", ".join(parts)


_MOST_VALUES = 100
"""Measurements and attributes of an action that are in the page."""


def _values(action: ActionRun, links: Links) -> dict[str, Any]:
    """Return what its last attempt has said of its work: rows of a name and a text, and links to artifacts."""
    if not action.attempts:
        return {}
    last = action.attempts[-1]
    rows = [[safe(name), f"{value:.12g}"] for name, value in last.measurements.items()]
    rows += [[safe(name), _lines(text)] for name, text in last.attributes.items()]
    found: dict[str, Any] = {"rows": rows[:_MOST_VALUES]} if rows else {}
    if len(rows) > _MOST_VALUES:
        found["omitted"] = len(rows) - _MOST_VALUES
    if last.artifacts:
        found["artifacts"] = [links.to(path) for path in last.artifacts]
    return found


class Links:
    """Links from a page to files of the run, as far as the files are there.

    :param root: the folder that their paths are relative to
    :param folder: the folder of the page
    """

    def __init__(self, root: str = "", folder: str = "") -> None:
        self._root = root
        self._base = os.path.relpath(root, folder) if root else ""

    def to(self, path: str) -> list[str]:
        """Return a path as text, and the address of the file, if it can be linked."""
        shown = safe(path)
        inside = os.path.normpath(path)
        if not self._base or inside.startswith(("/", "..")) or "\0" in path:
            return [shown]
        if not os.path.exists(os.path.join(self._root, inside)):
            return [shown]
        relative = os.path.normpath(os.path.join(self._base, inside))
        # ./ keeps a name with a colon from being read as a protocol
        return [shown, quote(os.fsencode(os.path.join(".", relative)), safe="/")]


def _shown(event: Mapping[str, Any], links: Links) -> dict[str, Any]:
    """Return what the page shows of an output: a picture as an address that holds it, a table as rows of texts."""
    kind, data = str(event.get("type", "")), str(event.get("data", ""))
    found: dict[str, Any] = {"path": links.to(str(event.get("path", "")))}
    if event.get("omitted"):
        found["omitted"] = safe(str(event["omitted"]))
    if kind == "table":
        found["rows"] = [[_lines(cell) for cell in row] for row in event.get("rows", ())]
    elif kind in _PICTURES and _BASE64.fullmatch(data):
        found["src"] = f"data:image/{_PICTURES[kind]};base64,{data}"
    else:
        found.setdefault("omitted", "it is no picture and no table")
    return found


_PICTURES = {"png": "png", "jpeg": "jpeg", "gif": "gif", "webp": "webp", "svg": "svg+xml"}
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def _text_of(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _problem(problem: dict[str, Any]) -> dict[str, Any]:
    place = problem.get("place")
    return {
        "text": safe(str(problem.get("text", ""))),
        "facts": [_lines(str(fact)) for fact in problem.get("facts", ())],
        "hint": safe(str(problem.get("hint", ""))),
        "place": safe(f"{place['file']}:{place['line']}:{place['column']}") if place else "",
    }


def _ended_as(action: ActionRun) -> str:
    """Return the kind of its outcome in words, "" where its status is all there is to say."""
    said = words(action.outcome.kind)
    return "" if said in (label(action.status), action.status) else said


def _why_so(action: ActionRun) -> str:
    is_said = action.status in (FAILED, INTERRUPTED) and bool(_ended_as(action))
    return action.told if is_said or action.failure or action.outcome.reason else ""


def _reason(why: Any) -> str:
    """Return a reason as a text that is the same for equal reasons: text, old and new value."""
    values = [_value(str(why[key])) if why.get(key) else "" for key in ("old", "new")]
    return json.dumps([safe(str(why.get("text", ""))), str(why.get("kind", "")), *values])


def _value(text: str) -> str:
    """Return the value of an element: files by size and digest, others unchanged."""
    is_file = text == ABSENT or text.startswith(("file ", "exec ", "tree ", "special "))
    return wording.value(text) if is_file else _lines(text[:_COMMAND_CHARACTERS])


def _place(action: ActionRun) -> str:
    place = action.about.get("place")
    return safe(f"{place['file']}:{place['line']}") if place else ""


def _lines(text: str) -> str:
    """Return a text of several lines with invisible characters as escapes."""
    return "\n".join("\t".join(map(safe, line.split("\t"))) for line in text.split("\n"))


def _end(text: str, most: int = _LOG_CHARACTERS) -> str:
    if len(text) <= most:
        return text
    cut = text[-most:]
    return "[...]\n" + cut[cut.find("\n") + 1 :]
