"""The page in a real browser, without a window: what people see, and that nothing in it does harm."""

from __future__ import annotations

import base64
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from made_up import events_of
from treadle.core.outcomes import label
from treadle.events.run_model import Run
from treadle.report.html import html
from unit.report.test_reports import NASTY, one_action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from treadle.report.html import History

    Look = Callable[..., Any]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.system("chromium"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not there to show the page"),
    pytest.mark.skipif(DRIVER is None, reason="chromedriver is not there to drive chromium"),
    pytest.mark.skipif(find_spec("selenium") is None, reason="selenium is not there to drive chromium"),
]


class Browser:
    """A browser that shows pages made of events."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self.folder = folder

    def show(self, events: list[dict[str, Any]], width: int = 1280, history: History | None = None) -> None:
        """Show the page of a run, and wait until its script has run."""
        page = self.folder / "page.html"
        page.write_text("".join(html(Run.of(events), history=history)), encoding="utf-8")
        self.driver.set_window_size(width, 900)
        self.driver.get(page.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        """Return what a script says that runs in the page."""
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        """Return what a person reads in an element."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def count(self, selector: str) -> int:
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def complaints(self) -> list[str]:
        """Return what the browser has said of the page: errors of scripts, refusals of its policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    profile = tmp_path_factory.mktemp("profile")
    # it runs as root in containers, where it has no sandbox of its own and /dev/shm is small
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        found.set_page_load_timeout(60)
        yield found
    finally:
        found.quit()


@pytest.fixture
def browser(driver: Any, tmp_path: Path) -> Browser:
    return Browser(driver, tmp_path)


def test_the_page_shows_what_the_run_came_to(browser: Browser) -> None:
    events = events_of(100)
    browser.show(events)
    assert browser.complaints() == []
    counts = events[-1]["counts"]
    assert browser.text("h1").startswith(f"{counts['failed']} actions failed")
    chips = browser.text(".chips")
    assert all(f"{number} {label(status)}" in chips for status, number in counts.items() if number)
    assert browser.count(".failure") == counts["failed"]
    assert "Segmentation fault" in browser.text(".failure pre:not(.command)")
    shown = ["failures", "timeline", "slowest", "graph", "reasons", "actions"]
    assert browser.run("return [...document.querySelectorAll('section:not([hidden])')].map(s => s.id)") == shown


def test_the_actions_have_columns_for_what_they_used_if_that_was_measured(browser: Browser) -> None:
    """M1: CPU of all attempts, and the peak of the largest single process of any."""
    events = one_action("a")
    browser.show(events)
    assert "CPU" not in browser.text("#actions thead")
    (end,) = (event for event in events if event["event"] == "ended")
    end["usage"] = {"user": 61.0, "system": 1.2, "largest_process": 3 << 29, "blocks_in": 0, "blocks_out": 4096}
    browser.show(events)
    assert browser.complaints() == []
    assert browser.text("#actions thead").split() == [
        "status",
        "name",
        "took",
        "CPU",
        "memory",
        "began",
        "at",
        "why",
    ]
    assert "1m 02s" in browser.text("#actions tbody")
    assert "1.5 GiB" in browser.text("#actions tbody")
    browser.click("#actions tbody button")
    assert "CPU 1m 01s user, 1.2s system, largest process 1.5 GiB, wrote 2.0 MiB" in browser.text("#detail")


def test_an_action_shows_how_each_attempt_has_gone(browser: Browser) -> None:
    """R5 and M2: the end, the resources and the output of each, and the memory of all its processes."""
    events = one_action("a")
    at = next(number for number, event in enumerate(events) if event["event"] == "started")
    (end,) = (event for event in events if event["event"] == "ended")
    first = {
        "event": "attempt",
        "t": 0.2,
        "name": "a",
        "attempt": 1,
        "outcome": "timeout",
        "duration": 0.1,
        "failure": "ended after <b>",
        "log": "a/1.log",
        "resources": {"gpus": ["x"], "memory": 3 << 30},
    }
    again = {**events[at], "attempt": 2}
    printed = {"event": "output", "t": 0.2, "name": "a", "text": "out <i> one\n"}
    events[at + 1 : at + 1] = [printed, first, again]
    end["attempts"], end["resources"] = 2, {"gpus": ["y"]}
    end["usage"] = {"user": 1.0, "system": 1.0, "sampled_peak": 3 << 29}
    browser.show(events)
    browser.click("#actions tbody button")
    assert browser.complaints() == []
    said = browser.text("#detail")
    for text in ("ended after <b>", "a/1.log", "out <i> one", "with 1 gpus (x), 3.0 GiB memory", "with 1 gpus (y)"):
        assert text in said
    assert "all of it 1.5 GiB (sampled)" in said


def test_an_action_shows_what_it_said_of_its_work(browser: Browser) -> None:
    """M3: measurements and attributes as rows, many of them behind a button, and artifacts."""
    events = one_action("a")
    (end,) = (event for event in events if event["event"] == "ended")
    end["measurements"] = {f"<b>{n}": n / 4 for n in range(150)}
    end["attributes"] = {"model": "small\none"}
    end["artifacts"] = ["plot <i>.png"]
    browser.show(events)
    browser.click("#actions tbody button")
    assert browser.complaints() == []
    assert browser.count("#detail .values tr") == 20
    assert browser.text("#detail .values tr:nth-child(2)").split() == ["<b>1", "0.25"]
    browser.click("#detail .values + .more")
    assert browser.count("#detail .values tr") == 40
    assert "and 51 more" in browser.text("#detail")
    assert "plot <i>.png" in browser.text("#detail")


@pytest.mark.parametrize("text", NASTY, ids=repr)
@pytest.mark.parametrize("status", ["failed", "ran"])
def test_no_name_and_no_output_can_inject_anything(browser: Browser, text: str, status: str) -> None:
    expected = elements_of(browser, one_action("plain", status))
    assert elements_of(browser, one_action(text, status)) == expected
    assert browser.run("return window.hit") is None
    assert browser.complaints() == []


def elements_of(browser: Browser, events: list[dict[str, Any]]) -> str:
    """Return the names of all elements of a page, when its action has been looked at."""
    browser.show(events)
    browser.click("#actions tbody button")
    assert not browser.run("return document.getElementById('detail').hidden")
    return str(browser.run("return [...document.querySelectorAll('*')].map(e => e.tagName).sort().join()"))


SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='7'><script>top.hit = 1</script></svg>"


def test_a_picture_is_shown_and_its_script_does_not_run(browser: Browser) -> None:
    events = one_action("a", "ran")
    data = base64.b64encode(SVG).decode()
    events.insert(-3, {"event": "file", "t": 0.3, "name": "a", "path": "o/a.svg", "type": "svg", "data": data})
    browser.show(events)
    assert browser.run("const i = document.querySelector('#outputs img'); return [i.naturalWidth, i.alt]") == [
        9,
        "o/a.svg",
    ]
    browser.click("#actions tbody button")
    assert browser.count("#detail img") == 1
    assert browser.run("return window.hit") is None
    assert browser.complaints() == []


def test_cells_of_a_table_are_read_as_text(browser: Browser) -> None:
    text = "<img src=x onerror='window.hit=1'>"
    browser.show(one_action(text, "ran"))
    cells = browser.run(
        "return [...document.querySelectorAll('#outputs .rows th, .rows td')].map(c => c.innerText)"
    )
    assert cells == [text, text, text]
    assert "not shown: it is no picture and no table" in browser.text("#outputs")


def test_a_folded_family_says_how_many_of_it_failed(browser: Browser) -> None:
    events = events_of(100)
    browser.show(events)
    failed = events[-1]["counts"]["failed"]
    browser.run(
        "const s = document.querySelector('#graph select'); s.value = 'families'; s.dispatchEvent(new Event('change'))"
    )
    labels = browser.run("return [...document.querySelectorAll('#graph .node.bad text')].map(t => t.textContent)")
    assert [label for label in labels if label.endswith(f", {failed} failed")] == labels != []
    said = browser.run(
        "return [...document.querySelectorAll('#reasons .bad.failed')].map(b => parseInt(b.innerText))"
    )
    assert sum(said) == failed


def test_the_page_says_what_was_called_and_where(browser: Browser) -> None:
    events = events_of(10)
    events[0] |= {"host": "farm7", "jobs": 12, "commit": "0123456789abcdef" * 2 + "01234567"}
    events.insert(
        1, {"event": "call", "t": 0.0, "argv": ["treadle", "run", "a b"], "params": {"parts": ["x", "y"]}}
    )
    browser.show(events, 360)
    assert "on farm7 \u00b7 -j 12 \u00b7 commit 0123456789ab" in browser.text(".about")
    assert browser.text(".call summary") == "treadle run 'a b'"
    browser.click(".call summary")
    assert "x, y" in browser.text(".call dl")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_markup_in_a_name_is_read_as_text(browser: Browser) -> None:
    text = "<img src=x onerror='window.hit=1'>"
    browser.show(one_action(text))
    assert browser.text("#actions tbody button") == text
    assert browser.text(".failure pre:not(.command)") == text


def test_the_policy_refuses_a_script_that_got_in_by_any_other_way(browser: Browser) -> None:
    browser.show(events_of(10))
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'window.hit = 1'; document.body.append(s)"
    )
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hit = 1\">')")
    assert browser.run("return window.hit") is None
    assert any("Content Security Policy" in message for message in browser.complaints())


def test_ten_thousand_actions_are_shown_and_can_be_searched(browser: Browser) -> None:
    events = events_of(10_000, tokens=16)
    browser.show(events)
    assert browser.complaints() == []
    total = events[-1]["total"]
    assert f"{total:,}" in browser.text("#actions h2")
    assert browser.count("#actions tbody tr") == 50
    assert browser.count("#graph .node") == 6
    browser.run(
        "const s = document.querySelector('#actions input'); s.value = 'LIB0123'; s.dispatchEvent(new Event('input'))"
    )
    assert browser.count("#actions tbody tr") == 2
    assert browser.run("return document.querySelector('#timeline canvas').width") > 600
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_a_click_on_an_action_shows_all_of_it(browser: Browser) -> None:
    events = events_of(100)
    browser.show(events)
    browser.run("treadle.select(treadle.data.names.indexOf('library@lib0001'))")
    detail = browser.text("#detail")
    (verdict,) = [e for e in events if e["event"] == "verdict" and e["name"] == "library@lib0001"]
    assert "library@lib0001" in detail
    assert verdict["reasons"][0]["text"] in detail
    assert "compile@src/part0001/module_00.c" in detail
    assert "program" in detail
    assert browser.count("#graph .node.chosen") == 1
    browser.run("dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    assert browser.run("return document.getElementById('detail').hidden")


def test_the_timeline_has_the_bars_of_the_events_at_their_places(browser: Browser) -> None:
    events = events_of(20, tokens=2, skipped=0.0, failures=0)
    browser.show(events)
    (end,) = [event for event in events if event["event"] == "ended" and event["name"] == "configure"]
    colour = browser.run(
        """
        const canvas = document.querySelector('#timeline canvas'), scale = devicePixelRatio || 1;
        const left = 62, width = canvas.clientWidth;
        const x = left + (arguments[0] / treadle.data.duration) * (width - left);
        const y = 24 + 5;
        return [...canvas.getContext('2d').getImageData(x * scale, y * scale, 1, 1).data].slice(0, 3)
    """,
        end["start"] + 0.9 * end["duration"],
    )
    ran = browser.run("return treadle.colours().ran")
    assert "#{:02x}{:02x}{:02x}".format(*colour) == ran


def test_a_drag_zooms_into_a_time_a_click_shows_a_bar_and_a_double_click_shows_the_whole_run(
    browser: Browser,
) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    browser.show(events_of(20, tokens=2, skipped=0.0, failures=0))
    canvas = browser.driver.find_element(By.CSS_SELECTOR, "#timeline canvas")
    browser.run("document.getElementById('timeline').scrollIntoView({behavior: 'instant'})")
    middle = canvas.size["width"] / 2, canvas.size["height"] / 2
    whole = "return document.querySelectorAll('#timeline button')[2].disabled"
    assert browser.run(whole)

    def at(x: float, y: float) -> ActionChains:
        return ActionChains(browser.driver).move_to_element_with_offset(
            canvas, round(x - middle[0]), round(y - middle[1])
        )

    at(middle[0], 30).click_and_hold().move_by_offset(150, 0).release().perform()
    assert not browser.run(whole)
    assert browser.run("return document.getElementById('detail').hidden")
    at(middle[0], 10).double_click().perform()
    assert browser.run(whole)
    at(70, 30).perform()
    assert browser.text("#tip").startswith("configure\nran, ")
    at(70, 30).click().perform()
    assert browser.text("#detail h2") == "configure"


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
@pytest.mark.parametrize("count", [3, 500])
def test_the_page_fits_its_window(browser: Browser, width: int, count: int) -> None:
    from selenium.webdriver import Chrome

    assert isinstance(browser.driver, Chrome)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.show(events_of(count))
    assert browser.run("return innerWidth") == width
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Browser, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.show(events_of(50))
    low = browser.run("""
        const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const light = (text) => rgb(text).map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
        const behind = (e) => { for (; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (colour !== 'rgba(0, 0, 0, 0)') return colour;
        } };
        const found = [];
        for (const e of document.querySelectorAll('h1, h2, h2 small, p, td, th button, dt, dd, nav a, pre, .tag, .count')) {
            const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) found.push([e.tagName, e.className, ratio]);
        }
        return found
    """)
    assert low == []


def test_a_run_with_nothing_to_do_and_a_plan_that_is_not_right_have_a_page_too(browser: Browser) -> None:
    skipped = [event for event in events_of(30, skipped=1.0) if event["event"] in ("run", "plan", "action")]
    names = [event["name"] for event in skipped if event["event"] == "action"]
    ends = [{"event": "ended", "t": 0.2, "name": name, "status": "skipped", "duration": 0.0} for name in names]
    end = {"event": "summary", "t": 0.3, "total": len(names), "duration": 0.3, "saved": 9.0, "exit_code": 0}
    browser.show([*skipped, *ends, end])
    assert browser.text("h1").startswith("Nothing to do")
    assert browser.run("return document.getElementById('timeline').hidden")
    place = {"file": "treadle.yaml", "line": 3, "column": 5}
    problem = {"event": "problem", "t": 0.1, "text": "there is no key rum", "place": place}
    browser.show([skipped[0], problem, {"event": "summary", "t": 0.1, "duration": 0.1, "exit_code": 2}])
    assert "there is no key rum" in browser.text("#problems")
    assert "treadle.yaml:3:5" in browser.text("#problems")
    assert browser.complaints() == []


def test_what_was_interrupted_is_told_once(browser: Browser) -> None:
    events = one_action("plain", "interrupted")
    for event in events:
        if event["event"] == "ended":
            event["failure"] = "interrupted"
    browser.show(events)
    assert browser.text(".failure.interrupted .what") == "interrupted"


def test_an_action_shows_its_last_runs_with_that_of_the_page(browser: Browser) -> None:
    events = one_action("a", "ran")
    events[0]["began"] = "2026-11-20T12:00:30.000Z"
    past = [(f"2026-11-20T12:00:{at:02}.000Z", at / 10, "success" if at % 2 else "timeout") for at in range(25)]
    browser.show(events, history={"a": past, "gone": past})
    assert browser.complaints() == []
    assert browser.count("#actions tbody .bars") == 1
    bars = browser.run(
        "return [...document.querySelectorAll('#actions .bars rect')].map(r => r.getAttribute('class'))"
    )
    assert bars == [f"fill-{'ran' if at % 2 else 'failed'}" for at in range(6, 25)] + ["fill-ran"]
    titles = browser.run("return [...document.querySelectorAll('#actions .bars title')].map(t => t.textContent)")
    assert titles[0].endswith("failed: timed out, 0.6s")
    heights = browser.run(
        "return [...document.querySelectorAll('#actions .bars rect')].map(r => r.getBoundingClientRect().height)"
    )
    # the last but one has taken longest
    assert max(heights) == heights[-2] == 18
    browser.click("#actions tbody button.link")
    browser.click("#detail .past summary")
    assert browser.count("#detail .past tr") == 20
    assert "10 failed, median 1.3s" in browser.text("#detail")
    # without a record there is nothing to show
    browser.show(events)
    assert browser.count(".bars") == 0
    browser.click("#actions tbody button.link")
    assert browser.count("#detail .past") == 0


def test_what_fails_with_the_same_text_is_one_group_but_for_numbers_and_paths(browser: Browser) -> None:
    events = events_of(200, failures=4)
    failed = [event for event in events if event["event"] == "ended" and event["status"] == "failed"]
    texts = {event["name"] for event in failed}
    assert len(failed) > 2
    for event in failed:
        event["failure"] = "exit code 1"
    for event in events:
        if event["event"] == "output" and event["name"] in texts:
            event["text"] = f"File /tmp/{event['name']}:7\nValueError: 3 < {len(event['name'])}\n\n"
    browser.show(events)
    assert browser.complaints() == []
    assert browser.count(".alike") == 1
    assert browser.text(".alike summary .count") == str(len(failed))
    assert "exit code 1: ValueError: 3 <" in browser.text(".alike summary")
    assert browser.count(".alike .failure") == len(failed)
    last = [event for event in events if event["event"] == "output" and event["name"] in texts][-1]
    last["text"] = "KeyError: 3\n"
    browser.show(events)
    assert browser.text(".alike summary .count") == str(len(failed) - 1)
    assert browser.count(".failure") == len(failed)
    # the largest group comes first, closed where there are others
    assert browser.run("return document.querySelector('#failures .alike').open") is False
    assert browser.run("return document.querySelector('#failures .body > div > *').className") == "alike"
