"""`treadle resume`: what a recorded run has done is not done again, and what has changed since is."""

from __future__ import annotations

import json
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE, Fifo, plan, run_treadle, start_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
params: {mode: {default: slow}}
default: [first, second, third]
actions:
  first: {sh: "echo first ${mode} >> done; test ! -e worse"}
  second: {sh: "echo second >> done; test ! -e bad", needs: first, in: [], always: true}
  third: {sh: "echo third >> done", needs: second}
  other: {sh: "echo other >> done"}
"""


def done(folder: Path) -> list[str]:
    path = folder / "done"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder in which a recorded run has failed in its second action."""
    plan(tmp_path, PLAN)
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", "-p", "mode=quick", check=1)
    (tmp_path / "bad").unlink()
    assert done(tmp_path) == ["first quick", "second"]
    (tmp_path / "done").unlink()
    return tmp_path


def test_what_is_done_is_not_done_again_though_it_runs_each_time(folder: Path) -> None:
    result = run_treadle(folder, "resume", check=0)
    assert done(folder) == ["second", "third"]
    assert "2 run, 1 up to date" in result.out
    assert "which has done 1 action" in result.err
    newest, oldest = json.loads(run_treadle(folder, "runs", "--json", check=0).out)["runs"]
    assert (newest["state"], newest["resumes"], newest["params"]) == ("done", oldest["id"], {"mode": "quick"})


def test_a_chain_of_resumed_runs_counts_as_one(folder: Path) -> None:
    (folder / "bad").touch()
    run_treadle(folder, "resume", check=1)
    (folder / "bad").unlink()
    (folder / "done").unlink()
    run_treadle(folder, "resume", check=0)
    assert done(folder) == ["second", "third"]
    run_treadle(folder, "resume", check=0)
    assert done(folder) == ["second", "third"]
    # a plain run knows nothing of all this
    run_treadle(folder, "run", check=0)
    assert done(folder)[2:] == ["first slow", "second", "third"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("echo first", "echo First"), ["First quick", "second", "third"]),
        (("mode: {default: slow}", "mode: {default: slow}, x: {default: y}"), ["second", "third"]),
        (("params:", "defaults: {env: {A: b}}\nparams:"), ["first quick", "second", "third"]),
    ],
)
def test_what_has_changed_since_runs_again(folder: Path, change: tuple[str, str], expected: list[str]) -> None:
    plan(folder, PLAN.replace(*change))
    run_treadle(folder, "resume", check=0)
    assert done(folder) == expected


def test_another_value_of_a_parameter_makes_what_reads_it_run(folder: Path) -> None:
    run_treadle(folder, "resume", "-p", "mode=other", check=0)
    assert done(folder) == ["first other", "second", "third"]


def test_what_follows_an_action_that_runs_is_not_taken_for_done(tmp_path: Path) -> None:
    plan(
        tmp_path,
        """
default: [make, send, check]
actions:
  make: {sh: "cat x > ${out}; echo make >> done", in: x, out: o}
  send: {sh: "echo send >> done", needs: make}
  check: {sh: "echo check >> done; test ! -e bad", needs: send}
""",
    )
    (tmp_path / "x").write_text("1")
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", check=1)
    (tmp_path / "bad").unlink()
    (tmp_path / "x").write_text("2")
    (tmp_path / "done").unlink()
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == ["make", "send", "check"]


STAGED = """
default: [make, send, check]
actions:
  make: {sh: "cat x > ${out}; echo make >> done", in: x, out: o}
  between: {sh: "echo between >> done", in: [], needs: make}
  send: {sh: "echo send >> done", needs: make}
  check: {sh: "echo check >> done; test ! -e bad", needs: send}
"""


@pytest.mark.parametrize(
    ("edit", "calls", "then"),
    [
        # it came to an end before what follows had run
        (("", ""), [["resume", "--stop-after", "1"]], "last"),
        # no run of the chain
        (("", ""), [["run", "make"]], "last-1"),
        (("", ""), [["run", "--cache", "local", "make"]], "last-1"),
        (("", ""), [["adopt", "make"]], "last"),
        # through what has no reason to run
        (('send >> done", needs: make', 'send >> done", needs: between'), [["run", "make"]], "last-1"),
        # for order alone
        (('send >> done", needs: make', 'send >> done", after: make'), [["run", "make"]], "last-1"),
    ],
    ids=["in the chain", "beside it", "restored", "adopted", "through others", "after"],
)
def test_what_ran_since_before_an_action_makes_it_run_though_it_was_done(
    tmp_path: Path, edit: tuple[str, str], calls: list[list[str]], then: str
) -> None:
    plan(tmp_path, STAGED.replace(*edit) if edit[0] else STAGED)
    (tmp_path / "x").write_text("2")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    run_treadle(tmp_path, "run", "--cache", "local", "make", env=env, check=0)
    (tmp_path / "x").write_text("1")
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", check=1)
    (tmp_path / "bad").unlink()
    (tmp_path / "x").write_text("2")
    for words in calls:
        run_treadle(tmp_path, *words, env=env)
    (tmp_path / "done").unlink()
    run_treadle(tmp_path, "resume", then, check=0)
    assert done(tmp_path) == ["send", "check"]
    # nothing has run before it since
    run_treadle(tmp_path, "resume", then, check=0)
    assert done(tmp_path) == ["send", "check"]


def test_what_ran_since_in_an_earlier_walk_counts_too(tmp_path: Path) -> None:
    plan(
        tmp_path,
        """
default: [make, send, check]
actions:
  make: {sh: "cat x > more; cat more > ${out}; echo make >> done", in: x, out: o, expand: o}
  send: {sh: "echo send >> done", needs: make}
  check: {sh: "echo check >> done; test ! -e bad", needs: send}
""",
    )
    (tmp_path / "x").write_text("treadle: 1\nactions: {a: {run: [true]}}\n")
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", check=1)
    (tmp_path / "bad").unlink()
    (tmp_path / "x").write_text("treadle: 1\nactions: {b: {run: [true]}}\n")
    (tmp_path / "done").unlink()
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == ["make", "send", "check"]


def test_a_run_whose_call_was_cut_off_is_not_taken_for_one_without_parameters(folder: Path) -> None:
    (run,) = json.loads(run_treadle(folder, "runs", "--json", check=0).out)["runs"]
    (folder / ".treadle/ledger.db").unlink()
    events = folder / ".treadle/runs" / run["id"] / "events"
    lines = events.read_text().splitlines(keepends=True)
    assert json.loads(lines[1])["event"] == "call"
    events.write_text(lines[0] + lines[1][:20])
    assert "called with are not on record" in run_treadle(folder, "resume", check=2).err
    assert done(folder) == []


FOREIGN = "20990101-000000-000abcdef"


def smuggle(folder: Path, *, origin: str = "", resumes: str = "") -> None:
    """Put a run into a folder as a checkout may bring it: it has done all, with a value of its own."""
    began = "2099-01-01T00:00:00.000Z"
    about = {"origin": origin} if origin else {}
    ends = [
        {"event": "ended", "t": 1.0, "name": name, "status": "ran", "outcome": "success", "category": "PASS"}
        for name in ("first", "second")
    ]
    events = [
        {"event": "run", "t": 0.0, "schema": 1, "began": began, "id": FOREIGN, "resumes": resumes, **about},
        {"event": "call", "t": 0.0, "argv": ["treadle", "run"], "params": {"mode": "smuggled"}},
        *ends,
        {"event": "summary", "t": 2.0, "total": 3, "counts": {"ran": 2}, "duration": 2.0, "exit_code": 0},
    ]
    run = folder / ".treadle/runs" / FOREIGN
    run.mkdir(parents=True)
    (run / "events").write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.parametrize("origin", ["", "0123456789abcdef", "../../../../../x"])
@pytest.mark.parametrize("has_file", [True, False])
def test_a_run_that_a_checkout_has_brought_is_not_gone_on_with(tmp_path: Path, origin: str, has_file: bool) -> None:
    plan(tmp_path, PLAN)
    smuggle(tmp_path, origin=origin)
    if has_file:
        (tmp_path / ".treadle/origin").write_text(origin)
    assert "was not recorded here" in run_treadle(tmp_path, "resume", check=2).err
    # nor after this user has run here
    run_treadle(tmp_path, "run", check=0)
    assert "was not recorded here" in run_treadle(tmp_path, "resume", check=2).err
    own = json.loads(run_treadle(tmp_path, "runs", "--json", check=0).out)["runs"][1]["id"]
    run_treadle(tmp_path, "resume", own, check=0)
    assert done(tmp_path) == ["first slow", "second", "third"]


def test_a_run_of_another_folder_of_ours_is_none_of_this_one(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    plan(other, PLAN)
    run_treadle(other, "run", check=0)
    (own,) = [one.name for one in (folder / ".treadle/runs").iterdir()]
    shutil.copytree(folder / ".treadle/runs" / own, other / ".treadle/runs" / own)
    assert "was not recorded here" in run_treadle(other, "resume", own, check=2).err
    run_treadle(folder, "resume", own, check=0)


def test_a_run_that_a_checkout_has_brought_is_no_part_of_a_chain(folder: Path) -> None:
    own = json.loads(run_treadle(folder, "runs", "--json", check=0).out)["runs"][0]["id"]
    smuggle(folder, resumes=own)
    run_treadle(folder, "resume", own, check=0)
    assert done(folder) == ["second", "third"]


def test_a_run_that_a_cache_of_ci_has_brought_counts_where_that_is_said(folder: Path) -> None:
    shutil.rmtree(folder / "marks", ignore_errors=True)
    env = {"XDG_STATE_HOME": str(folder / "elsewhere")}
    assert "was not recorded here" in run_treadle(folder, "resume", env=env, check=2).err
    run_treadle(folder, "resume", env={**env, "TREADLE_TRUST_STATE": "1"}, check=0)
    assert done(folder) == ["second", "third"]


@pytest.mark.parametrize(("env", "named"), [({"TREADLE_LEDGER": "off"}, "last"), ({}, "last-1")])
def test_what_failed_after_a_success_is_not_done_whether_that_is_on_record_or_not(
    folder: Path, env: dict[str, str], named: str
) -> None:
    (folder / "worse").touch()
    run_treadle(folder, "run", "-p", "mode=quick", "first", env=env, check=1)
    (folder / "worse").unlink()
    (folder / "done").unlink()
    run_treadle(folder, "resume", named, check=0)
    assert done(folder) == ["first quick", "second", "third"]


def test_without_its_records_a_run_cannot_be_resumed_and_nothing_runs(folder: Path) -> None:
    run_treadle(folder, "gc", "--keep", "0", check=0)
    assert "no run is recorded" in run_treadle(folder, "resume", check=2).err
    assert done(folder) == []


def test_without_the_records_of_state_all_of_it_runs(folder: Path) -> None:
    run_treadle(folder, "forget", "-p", "mode=quick", "*", check=0)
    run_treadle(folder, "resume", check=0)
    assert done(folder) == ["first quick", "second", "third"]


def test_a_killed_run_is_resumed_and_one_under_way_is_not(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path / "up")
    text = f"""
default: [a, b]
actions:
  a: {{sh: "echo a >> done"}}
  b: {{sh: "echo b >> done; echo > {fifo}; test -e go || exec sleep 600", needs: a}}
"""
    plan(tmp_path, text)
    child = start_treadle(tmp_path, "run", "--record")
    fifo.wait()
    refused = run_treadle(tmp_path, "resume", check=2).err
    assert "is under way" in refused
    assert f"process {child.pid}" in refused
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=DEADLINE)
    (tmp_path / "go").touch()
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == ["a", "b", "b"]


def test_a_secret_parameter_has_to_be_given_again(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "params: {token: {default: none}}\n"
        "actions:\n  a: {sh: 'echo a >> done; exit 1', env: {TOKEN: '${token}'}, secret: [TOKEN]}\n",
    )
    run_treadle(tmp_path, "run", "--record", "-p", "token=hunter2hunter2", "a", check=1)
    refused = run_treadle(tmp_path, "resume", check=2).err
    assert "values that are not on record: token" in refused
    assert "-p token=VALUE" in refused
    run_treadle(tmp_path, "resume", "-p", "token=hunter2hunter2", check=1)
    assert done(tmp_path) == ["a", "a"]


SELECTED = """
params: {words: {rest: true}}
default: [get, send, post]
actions:
  get: {sh: "echo get ${words} >> done", in: [], tags: quick}
  send: {sh: "echo send >> done; test ! -e bad", needs: get, in: [], tags: quick, always: true}
  post: {sh: "echo post >> done", needs: send, always: true, tags: slow}
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # what was not selected is not run: a first success is of the run, all else follows from it
        (["-l", "quick"], ["send"]),
        (["-l", "quick", "--with-after"], ["send", "post"]),
        (["--force"], ["send", "post"]),
        (["--force=send", "send"], ["send"]),
        (["--force=get", "-l", "quick"], ["send"]),
        (["--repeat-until-pass", "1", "-l", "quick"], ["send"]),
        (["--", "a,b", "c"], ["send", "post"]),
    ],
)
def test_a_resumed_run_is_of_what_the_call_has_selected(
    tmp_path: Path, words: list[str], expected: list[str]
) -> None:
    plan(tmp_path, SELECTED)
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", *words, check=1)
    for _ in range(2):
        # also of a run that has resumed it in turn
        (tmp_path / "done").unlink()
        run_treadle(tmp_path, "resume", check=1)
        assert set(done(tmp_path)) == {"send"}
    (tmp_path / "bad").unlink()
    (tmp_path / "done").unlink()
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == expected
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == expected


def test_what_was_forced_and_is_not_done_is_forced_again(tmp_path: Path) -> None:
    plan(
        tmp_path,
        """
default: [one, two]
actions:
  one: {sh: "echo one >> done; test ! -e bad", in: []}
  two: {sh: "echo two >> done", in: [], needs: one}
""",
    )
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", "--force", check=1)
    (tmp_path / "bad").unlink()
    (tmp_path / "done").unlink()
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == ["one", "two"]
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == ["one", "two"]


@pytest.mark.parametrize(
    ("words", "then", "said"),
    [
        (["--only", "not-run"], [], "what --only selected"),
        (["--where", 'name == "send"'], [], "what --where selected"),
        (["--with-blocked"], [], "what --with-blocked selected"),
        (["-f", "other.yaml"], [], "is of the plan other.yaml, and not of treadle.yaml"),
        (["-C", "sub", "send"], [], "was called in the folder sub"),
        (["send"], ["-C", "sub"], "this one is in the folder sub"),
    ],
)
def test_a_run_of_something_else_is_not_resumed(
    tmp_path: Path, words: list[str], then: list[str], said: str
) -> None:
    plan(tmp_path, SELECTED)
    (tmp_path / "other.yaml").write_text((tmp_path / "treadle.yaml").read_text())
    (tmp_path / "sub").mkdir()
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", *words, check=1)
    (tmp_path / "done").unlink()
    assert said in run_treadle(tmp_path, "resume", *then, check=2).err
    assert done(tmp_path) == []


def test_a_run_without_names_is_resumed_from_any_folder(tmp_path: Path) -> None:
    plan(tmp_path, SELECTED)
    (tmp_path / "sub").mkdir()
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", check=1)
    (tmp_path / "bad").unlink()
    run_treadle(tmp_path, "resume", "-C", "sub", check=0)
    assert done(tmp_path) == ["get", "send", "send", "post"]


def test_a_name_of_another_folder_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    plan(tmp_path, "include: [sub/treadle.yaml]\nactions:\n  send: {sh: echo root >> done, always: true}")
    (tmp_path / "sub").mkdir()
    plan(tmp_path / "sub", "actions:\n  send: {sh: echo member >> done, always: true}")
    run_treadle(tmp_path / "sub", "run", "--record", "send", check=0)
    assert "was called in the folder sub" in run_treadle(tmp_path, "resume", check=2).err
    run_treadle(tmp_path / "sub", "resume", check=0)
    assert (done(tmp_path), done(tmp_path / "sub")) == ([], ["member"])


@pytest.mark.parametrize(("name", "code"), [("send", 0), ("../project/out", 2)])
def test_from_outside_only_a_path_is_of_that_folder(tmp_path: Path, name: str, code: int) -> None:
    root, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    plan(root, 'actions:\n  send: {sh: "echo send >> done; touch ${out}", out: out, always: true}')
    run_treadle(elsewhere, "run", "--record", "-f", "../project/treadle.yaml", name, check=0)
    run_treadle(root, "resume", check=code)
    run_treadle(elsewhere, "resume", "-f", "../project/treadle.yaml", check=0)
    assert done(root) == ["send"]
