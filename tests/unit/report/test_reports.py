"""JUnit, trace, GitHub's lines and the page, from events that nobody has run: odd names, many actions, no end."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import plan, run_treadle
from made_up import events_of
from treadle.events.encoding import encoded, without_root
from treadle.events.run_model import Run
from treadle.report.critical import critical_path
from treadle.report.github import GitHub
from treadle.report.html import html
from treadle.report.junit import junit
from treadle.report.markdown import BEGINS, MOST, markdown
from treadle.report.text import text_lines
from treadle.report.trace import trace
from treadle.ui.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NASTY = [
    "</script><script>window.hit = 1</script>",
    "<!--<script>",
    "]]></system-out><case/>",
    "<img src=x onerror='window.hit=1'>",
    '"><b onmouseover="window.hit=1">',
    "&lt;b&gt; &amp; &#60;",
    "\x00\x07\x1b[31m\x7f\x85\ufffe\uffff",
    "\u2028\u2029\u202e\U0001f600",
    "a\udc80b",
    "::error::hit",
    "${alert(1)} `x` {{x}}",
    "__proto__",
    "constructor",
]


def one_action(text: str, status: str = "failed") -> list[dict[str, Any]]:
    """Return the events of a run that says one text wherever a text can be said."""
    place = {"file": text, "line": 1, "column": 1}
    why = {"kind": "changed", "element": text, "text": text, "old": text, "new": text}
    about = {"family": text, "help": text, "command": text, "needs": [], "after": [], "queue": text, "tokens": 1}
    shown = {"event": "file", "t": 0.3, "name": text, "path": text}
    return [
        {
            "event": "run",
            "t": 0.0,
            "schema": 1,
            "treadle": text,
            "began": text,
            "names": [text],
            "host": text,
            "commit": text,
            "jobs": 2,
        },
        {"event": "call", "t": 0.1, "argv": ["treadle", text], "params": {text: text, "list": [text]}},
        {"event": "plan", "t": 0.1, "file": text, "actions": 1, "queues": {}, "left_out": {text: text}},
        {"event": "action", "t": 0.1, "name": text, **about, "place": place, "outputs": [text]},
        {"event": "note", "t": 0.1, "text": text},
        {"event": "verdict", "t": 0.2, "name": text, "verdict": "run", "reasons": [why]},
        {"event": "started", "t": 0.2, "name": text, "attempt": 1, "slot": 0, "start": 0.2},
        {"event": "output", "t": 0.3, "name": text, "text": text},
        {**shown, "type": "svg", "data": f"!{text}"},
        {**shown, "type": text, "omitted": text},
        {**shown, "type": "table", "rows": [[text], [text, text]], "omitted": text},
        {"event": "ended", "t": 0.4, "name": text, "status": status, "duration": 0.2, "failure": text, "log": text},
        {"event": "problem", "t": 0.4, "text": text, "facts": [text], "hint": text, "place": place},
        {"event": "summary", "t": 0.5, "total": 1, "duration": 0.5, "exit_code": 1},
    ]


class Page(HTMLParser):
    """A page as a parser sees it: its tags, and the texts in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._now = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._now = tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._now, data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(events: list[dict[str, Any]]) -> Page:
    return Page("".join(html(Run.of(events))))


@pytest.mark.parametrize("text", NASTY, ids=repr)
def test_nothing_that_is_said_becomes_markup_of_the_page(text: str) -> None:
    plain_page, page = page_of(one_action("plain")), page_of(one_action(text))
    assert [(tag, sorted(attributes)) for tag, attributes in page.tags] == [
        (tag, sorted(attributes)) for tag, attributes in plain_page.tags
    ]
    (data,) = [json.loads(said) for tag, said in page.texts if tag == "script" and said.startswith('{"plan"')]
    assert len(data["names"]) == 1
    whole = "".join(html(Run.of(one_action(text))))
    whole.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]", whole)


def test_the_page_needs_nothing_else_and_runs_no_script_but_its_own() -> None:
    page = page_of(events_of(50))
    assert all("src" not in attributes for _, attributes in page.tags)
    assert [a["href"] for a in page.all("link")] == [page.all("link")[0]["href"]]
    assert str(page.all("link")[0]["href"]).startswith("data:")
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    (script,) = [text for tag, text in page.texts if tag == "script" and "use strict" in text]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script)


@pytest.mark.parametrize("text", NASTY, ids=repr)
@pytest.mark.parametrize("status", ["failed", "interrupted", "ran", "skipped", "blocked", "not started"])
def test_a_junit_file_can_be_parsed_whatever_is_said(text: str, status: str) -> None:
    made = "".join(junit(Run.of(one_action(text, status))))
    root = ET.fromstring(made.encode())
    cases = list(root.iter("testcase"))
    assert len(cases) == 2
    assert root.attrib["tests"] == "2"
    assert all(child.tag in {"properties", "failure", "error", "skipped", "system-out"} for child in cases[1])
    if text.isprintable() and text.isascii():
        assert cases[1].attrib["name"] == text
        assert cases[1].findtext("system-out") == text


@pytest.mark.parametrize("text", NASTY, ids=repr)
def test_a_trace_is_json_whatever_is_said(text: str) -> None:
    made = "".join(trace(Run.of(one_action(text))))
    (bar,) = [event for event in json.loads(made)["traceEvents"] if event["ph"] == "X" and event["tid"]]
    assert bar["name"] == text
    assert (bar["ts"], bar["dur"]) == (200_000, 200_000)


@given(st.text(st.characters(), max_size=40))
@settings(max_examples=150)
def test_any_text_can_be_said(text: str) -> None:
    run = Run.of(one_action(text))
    root = ET.fromstring("".join(junit(run)).encode())
    assert len(list(root.iter("testcase"))) == 2
    json.loads("".join(trace(run)))
    page = "".join(html(run))
    block = page.partition(' id="data">')[2].partition("</script>")[0]
    assert json.loads(block)["counts"]["failed"] == 1
    assert not set("<>&") & set(block)
    event = {"event": "note", "t": 0.0, "text": text}
    line = encoded(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == event


@pytest.mark.parametrize("text", [*NASTY, "a | b", "@user #1 [x](http://y) ~~z~~", "```\n# x\n````"], ids=repr)
@pytest.mark.parametrize("status", ["failed", "interrupted", "ran", "skipped", "blocked", "not started"])
def test_what_is_said_becomes_no_markup_of_a_summary(text: str, status: str) -> None:
    made = "".join(markdown(Run.of(one_action(text, status))))
    fenced = re.search(r"^(`{3,})text\n(.*?)^\1\n", made, re.MULTILINE | re.DOTALL)
    assert (fenced is not None) == (status in ("failed", "interrupted"))
    if fenced is not None:
        assert fenced[1] not in fenced[2]
        made = made.replace(fenced[0], "")
    assert made.startswith(BEGINS)
    codes = re.findall("<code>(.*?)</code>", made)
    assert codes
    assert not any(set("<>[]`*_~@:.|\\") & set(code) for code in codes)
    # what is in no code is ours
    rest = re.sub("<code>.*?</code>", "", made.removeprefix(BEGINS))
    assert not set("<>[]`*_~@\\&") & set(rest)
    # in each line only those marks that are ours
    for line in rest.splitlines():
        assert line.count("|") in (0, 4)
        assert re.match(r"(### : |\| |  - |- |$| printed last:$)", line), line


def test_a_summary_says_what_went_wrong_and_what_took_longest() -> None:
    events = events_of(200)
    made = "".join(markdown(Run.of(events)))
    counts = Run.of(events).counts()
    assert f"{counts['failed']:,} failed" in made.splitlines()[1]
    assert f"| and {counts['ran'] - MOST:,} more | | |" in made
    rows = made.partition("| what has run, the longest first |")[2].splitlines()
    assert len(rows) == 2 + MOST + 1


def github_lines(events: list[dict[str, Any]], **options: Any) -> list[str]:
    made = GitHub("TOKEN", **options)
    return [line for event in events for line in made.lines(event)]


@pytest.mark.parametrize("text", [*NASTY, "a,b:c%d\ne\rf"], ids=repr)
def test_what_is_said_gives_github_no_command(text: str) -> None:
    lines = github_lines(one_action(text))
    commands, stopped = [], False
    for line in lines:
        if line == "::TOKEN::":
            stopped = False
        elif not stopped:
            assert "\n" not in line
            assert "\r" not in line
            match = re.match(r"::([a-z-]+)(?: [^:]*)?::", line)
            assert match is not None, line
            commands.append(match[1])
            stopped = line == "::stop-commands::TOKEN"
    assert commands == ["warning", "group", "stop-commands", "endgroup", "error", "error"]


def commands_of(lines: list[str]) -> list[str]:
    """Return the lines that GitHub takes as commands; it looks for those of its older form anywhere in a line."""
    found, stopped = [], ""
    for line in lines:
        if stopped:
            stopped = "" if line == f"::{stopped}::" else stopped
        elif line.startswith("::stop-commands::"):
            stopped = line.removeprefix("::stop-commands::")
        elif line.lstrip().startswith("::") or "##[" in line:
            found.append(line)
    assert not stopped
    return found


@pytest.mark.parametrize("options", [(), ("--output", "stream"), ("--output", "prefix"), ("-q",), ("-v",)])
def test_what_actions_print_gives_github_no_command_however_it_is_shown(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    text = "echo ::error::hit; echo '##[error]hit'; echo ' ::set-output name=x::hit'"
    plan(tmp_path, f'actions:\n  a: {{sh: "{text}; exit 1"}}\n  b: {{sh: "{text}"}}\n')
    done = run_treadle(tmp_path, "run", "b", "a", "-k", *options, env={"GITHUB_ACTIONS": "true"}, check=1)
    assert done.out.count("##[error]hit") > 1
    commands = commands_of(done.lines)
    assert [line.partition(" ")[0] for line in commands if "group::" not in line] == ["::error"]
    quiet = run_treadle(tmp_path, "run", "b", "-q", env={"GITHUB_ACTIONS": "true"}, check=0)
    assert quiet.out == ""


def test_an_annotation_stands_at_the_place_of_the_action_in_the_repository() -> None:
    events = one_action("fit@a,b")
    for event in events:
        if event["event"] == "action":
            event["place"] = {"file": "sub/treadle.yaml", "line": 7, "column": 3}
    lines = github_lines(events, folder="work", groups=False)
    assert "::error title=fit@a%2Cb failed,file=work/sub/treadle.yaml,line=7,col=3::fit@a,b%0Afit@a,b" in lines
    assert not any(line.startswith("::group") for line in lines)


def run_with(needs: dict[str, list[str]], took: dict[str, float]) -> Run:
    """Return a run of actions that each took some time."""
    events: list[dict[str, Any]] = [{"event": "run", "t": 0.0, "schema": 1}]
    events += [{"event": "action", "name": name, "needs": those, "after": []} for name, those in needs.items()]
    for name, seconds in took.items():
        events.append({"event": "started", "name": name, "attempt": 1, "slot": 0, "start": 0.0})
        events.append({"event": "ended", "name": name, "status": "ran", "duration": seconds})
    return Run.of(events)


def test_the_critical_path_is_the_chain_that_took_longest() -> None:
    needs = {"a": [], "b": [], "c": ["a", "b"], "d": ["c"], "e": ["b"], "alone": []}
    took = {"a": 1.0, "b": 2.0, "c": 1.0, "d": 1.0, "e": 1.5, "alone": 3.9}
    assert critical_path(run_with(needs, took)) == ["b", "c", "d"]
    assert critical_path(run_with(needs, {**took, "alone": 4.1})) == ["alone"]
    # what was skipped takes no time and is not named, but joins what is around it
    assert critical_path(run_with(needs, {"a": 1.0, "d": 1.0, "e": 1.5})) == ["a", "d"]
    assert critical_path(run_with(needs, {})) == []


def test_events_that_no_walk_can_have_told_do_no_harm() -> None:
    circle = run_with({"a": ["b"], "b": ["a"], "c": ["gone"]}, {"a": 1.0, "c": 2.0})
    assert critical_path(circle) == ["c"]
    events = [{"event": "run", "schema": 1}, {"event": "ended", "name": "x", "status": "odd", "duration": 1}]
    run = Run.of(events)
    assert run.counts()["failed"] == 1
    for made in (html, junit, trace):
        assert "".join(made(run))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("looked in /a/b", "looked in ."),
        ("/a/b/c.txt is not there, nor /a/b: /a/b", "c.txt is not there, nor .: ."),
        ("/a/bc and /a/b.d and /a/b-e", "/a/bc and /a/b.d and /a/b-e"),
        ("nothing", "nothing"),
    ],
)
def test_paths_in_a_text_are_made_relative_to_the_root(text: str, said: str) -> None:
    assert without_root(text, "/a/b") == said
    assert without_root(text, "/") == text


def test_a_run_that_was_killed_shows_what_was_running() -> None:
    events = events_of(60)
    at = next(n for n, event in enumerate(events) if event["event"] == "ended" and event["status"] == "ran")
    run = Run.of(events[:at])
    assert run.result == "not finished"
    running = run.with_status("interrupted")
    assert running
    assert all(action.failure == "the events end while it was running" for action in running)
    assert all(action.duration == pytest.approx(run.last - action.attempts[-1].start) for action in running)
    last = plain(text_lines(run)[-1])
    assert last.startswith(f"not finished: 0 run, {len(running)} interrupted")


def test_of_several_runs_in_a_file_the_last_one_counts() -> None:
    run = Run.of([*events_of(40), *events_of(60)])
    assert len(run.actions) == len(Run.of(events_of(60)).actions)


@pytest.mark.parametrize("made", [html, junit, trace], ids=["html", "junit", "trace"])
def test_ten_thousand_actions_make_a_report_of_some_megabytes(made: Callable[[Run], Iterator[str]]) -> None:
    run = Run.of(events_of(10_000, tokens=16))
    assert len(run.actions) > 9_000
    size = sum(len(part) for part in made(run))
    assert 500_000 < size < 5_000_000


def test_outputs_of_many_failures_do_not_make_the_page_large() -> None:
    events: list[dict[str, Any]] = [{"event": "run", "t": 0.0, "schema": 1}]
    for number in range(500):
        events.append({"event": "output", "name": f"n{number}", "text": f"{number} says\n" + "x" * 100_000})
        events.append({"event": "ended", "name": f"n{number}", "status": "failed", "duration": 1.0})
    assert sum(len(part) for part in html(Run.of(events))) < 6_000_000


WRONG: dict[str, dict[str, Any]] = {
    "run": {"t": 10**400, "names": [None]},
    "action": {"name": 1, "needs": None, "after": [["a"]], "place": {"line": 1}, "help": [], "tokens": "x"},
    "call": {"argv": [1], "params": {"a": 1}},
    "file": {"path": None, "type": 1, "data": 3, "rows": ["x"], "omitted": []},
    "verdict": {"reasons": ["x"]},
    "started": {"start": float("nan"), "slot": []},
    "ended": {"emptied": 3, "duration": 1e308},
}


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, fields in WRONG.items() for field in fields])
def test_an_event_with_a_field_of_another_kind_is_refused_in_words(tmp_path: Path, kind: str, field: str) -> None:
    events = one_action("x")
    event = next(one for one in events if one["event"] == kind)
    event[field] = WRONG[kind][field]
    (tmp_path / "e").write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in events))
    done = run_treadle(tmp_path, "report", "e", "--html", "r.html", check=2)
    assert f"one `{kind}` with `{field}` that is not " in done.err


@pytest.mark.parametrize("text", ["[" * 100_000, '{"event":' * 20_000, "nul", "{}", "[]", "1"])
def test_a_line_of_any_kind_is_no_event_and_no_bug_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.jsonl").write_text(f"{text}\n")
    done = run_treadle(tmp_path, "report", "t.jsonl", check=2)
    assert "holds no events of a run: line 1 is none" in done.err
