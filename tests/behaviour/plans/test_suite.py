"""plans/suite: a test suite to take over. What each edit tests again, and how each kind of test ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from helpers import Result, run_treadle
from plan_runs import Copy

UNITS = ["unit@tests/unit/test_bins.py", "unit@tests/unit/test_drawing.py"]
DRAWN = ["draw@tests/cases/edges.txt", "draw@tests/cases/few.txt"]
TOOL = "plans/suite/tool/bins.py"


@pytest.fixture(scope="module")
def run_before(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(
        tmp_path_factory.mktemp("suite"), "plans/suite/treadle.yaml", "-p", f"python={sys.executable}", "-k"
    )
    copy.take("plans/suite")
    ran = copy.run()
    assert [one for one in ran if one != "comma"] == sorted(
        [*UNITS, *DRAWN, "refuses", "known", "speed", "summary"]
    )
    return copy


@pytest.fixture
def suite(tmp_path: Path, run_before: Copy) -> Copy:
    """The suite after a run in which all is well."""
    return run_before.moved(tmp_path / "copy")


def ran(suite: Copy, *names: str) -> list[str]:
    """Run the suite; return what ran, without the test that may not apply."""
    return [one for one in suite.run(*names) if one != "comma"]


def failed(suite: Copy, *words: str) -> Result:
    return run_treadle(suite.folder, "run", "-f", suite.plan, *suite.options, *words, check=1)


def test_what_has_passed_is_not_tested_again(suite: Copy) -> None:
    assert ran(suite) == []
    assert suite.read("plans/suite/out/summary.txt") == "all is well\n"


def test_an_edited_test_is_run_alone(suite: Copy) -> None:
    suite.edit("plans/suite/tests/unit/test_bins.py", "0.6", "0.7")
    assert ran(suite) == UNITS[:1]


def test_a_new_case_is_a_new_test(suite: Copy) -> None:
    (suite.folder / "plans/suite/tests/cases/one.txt").write_text("1\n")
    (suite.folder / "plans/suite/tests/accepted/one.txt").write_text("     0 #\n")
    assert ran(suite) == ["draw@tests/cases/one.txt"]


def test_an_edited_tool_is_tested_whole(suite: Copy) -> None:
    suite.edit(TOOL, "import sys", "import sys  # and no more")
    assert ran(suite) == sorted([*UNITS, *DRAWN, "refuses", "known", "speed"])


def test_a_difference_is_told_from_a_failure_and_can_be_accepted(suite: Copy) -> None:
    suite.edit(TOOL, '= "10"', '= "20"')
    done = failed(suite)
    assert "failed draw@tests/cases/few.txt: differs: out/few.txt differs" in done.out
    assert suite.read("plans/suite/out/summary.txt") == f"diffed: {', '.join(DRAWN)}\n"
    assert run_treadle(suite.folder, "run", "-f", suite.plan, *suite.options, "--exit-code=mask").code == 2
    run_treadle(suite.folder, "accept", "-f", suite.plan, *suite.options[:2], "draw", check=0)
    assert suite.read("plans/suite/tests/accepted/edges.txt") == "     0 ###\n    20 #\n"
    assert ran(suite) == sorted([*DRAWN, "summary"])


def test_a_known_bug_that_is_mended_is_told(suite: Copy) -> None:
    suite.edit(TOOL, "int(number / width)", "(number // width).__int__()")
    assert "failed known: expected failure 3, exit code 0" in failed(suite).out
    assert suite.read("plans/suite/out/summary.txt") == "failed: known\n"


def test_a_mistake_in_the_test_of_a_known_bug_is_not_what_was_expected(suite: Copy) -> None:
    suite.edit("plans/suite/tests/known/negative.py", "from bins import bins", "from bins import bin")
    assert "failed known: expected failure 3, exit code 1" in failed(suite).out


def test_a_flaky_test_is_tried_again_and_says_what_it_measures(suite: Copy) -> None:
    busy = 'if not os.path.exists("busy"):\n    open("busy", "w").close()'
    suite.edit("plans/suite/tests/speed.py", "if wall > 10 * cpu + 1:", busy)
    done = run_treadle(
        suite.folder, "run", "-f", suite.plan, *suite.options, "speed", "--events", "events", check=0
    )
    assert "ran speed" in done.out
    assert "attempt 2" in done.out
    events = [json.loads(line) for line in (suite.folder / "events").read_text().splitlines()]
    (end,) = [one for one in events if one["event"] == "ended" and one["name"] == "speed"]
    assert end["measurements"]["cpu_ms"] >= 0


def test_the_tests_on_gpus_get_as_many_as_they_ask_for(suite: Copy) -> None:
    assert ran(suite, "on_gpus", "-r", "gpus=2") == ["on_gpus@1", "on_gpus@2"]
    log = run_treadle(suite.folder, "log", "-f", suite.plan, "on_gpus@2").out
    assert log == "on GPU 0 1\n"
    assert ran(suite, "*", "-r", "gpus=0", "-l", "not gpu") == []
