"""plans/data.yaml: the flow of the Nile, and which values of params.yaml run what again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from helpers import run_treadle
from plan_runs import Copy

PARAMS = "plans/data/params.yaml"
ALL = ["best", "clean", "fit@level", "fit@line", "fit@step", "picture", "report"]


@pytest.fixture(scope="module")
def run_before(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("data"), "plans/data.yaml", "-p", f"python={sys.executable}")
    copy.take("plans/data.yaml", "plans/data")
    assert copy.run() == ALL
    return copy


@pytest.fixture
def data(tmp_path: Path, run_before: Copy) -> Copy:
    copy = run_before.moved(tmp_path / "copy")
    assert copy.run() == []
    return copy


def test_the_table_is_whole(data: Copy) -> None:
    rows = [line.split(",") for line in data.read("out/data/flow.csv").splitlines()]
    assert [int(year) for year, _ in rows] == list(range(1871, 1971))
    assert sum(float(volume) for _, volume in rows) == 91935  # the mean of these years is known: 919.35


def test_the_flow_fell_at_once_and_not_slowly(data: Copy) -> None:
    best = json.loads(data.read("out/data/best.json"))
    assert (best["model"], best["says"]) == ("step", "1098, from 1899 on 850")
    assert [line.split()[0] for line in data.read("out/data/report.txt").splitlines()[2:]] == [
        "step",
        "line",
        "level",
    ]


def test_the_picture_has_a_line_for_the_flow_and_one_for_the_model(data: Copy) -> None:
    lines = ET.fromstring(data.read("out/data/nile.svg")).findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [100, 100]


def test_the_page_of_a_run_shows_the_picture_and_the_models(data: Copy) -> None:
    assert data.run("--html", "page.html") == []
    page = data.read("page.html")
    assert "data:image/svg+xml" in page
    assert "out/data/nile.svg" in page
    assert "1098, from 1899 on 850" in page


def test_a_value_runs_what_uses_it(data: Copy) -> None:
    data.edit(PARAMS, "width: 900", "width: 800")
    assert data.run() == ["picture"]
    assert 'viewBox="0 0 800 320"' in data.read("out/data/nile.svg")
    data.edit(PARAMS, "about: a straight line", "about: a line")
    assert data.run() == ["best", "fit@line", "report"]
    data.edit(PARAMS, "years on each side", "years before and after it")
    assert data.run() == []
    data.edit(PARAMS, "to: 1970", "to: 1969")
    assert data.run() == ALL


def test_why_says_which_word_of_the_command_has_changed(data: Copy) -> None:
    data.edit(PARAMS, "--shortest, 5", "--shortest, 20")
    why = data.why("fit@step")
    assert "command" in why
    assert "20" in why
    assert data.run() == ["fit@step"]


def test_a_row_that_comes_out_the_same_fits_nothing(data: Copy) -> None:
    data.edit("plans/data/nile.csv", "1871,1120", "1871,1120.0")
    assert data.run() == ["clean"]


def test_a_model_less_is_one_action_less(data: Copy) -> None:
    data.edit(PARAMS, "  - {name: line, about: a straight line, options: []}\n", "")
    assert data.run() == ["best", "report"]


def test_a_model_that_cannot_be_fitted_is_named(data: Copy) -> None:
    data.edit(PARAMS, "[--shortest, 5]", "[--shortest, 60]")
    done = run_treadle(data.folder, "run", data.plan, *data.options, "-v")
    assert done.code == 1
    assert "ran lost@step" in done.out
    assert "without the model step there is no best one" in done.out
    assert "ran lost@line" not in done.out
    data.edit(PARAMS, "[--shortest, 60]", "[--shortest, 5]")
    assert data.run() == ["fit@step"]
    assert data.run() == []
