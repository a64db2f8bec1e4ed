"""The public names are pinned: adding one is a decision, losing one is a break."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import GenericAlias

import pytest

import treadle

TREADLE = {
    *("ActionReport", "BusyError", "Codes", "Command", "CommandWalk", "CoroutineJob"),
    *("DAG", "DAGError", "DAGIterator", "EmptyJob", "connect_by_files"),
    *("Environment", "Files", "Fingerprint", "InternalError", "Job", "JobTimingInfo", "Limits", "LocalRunner"),
    *("Observer", "Outcome", "PlanError", "ProcessJob", "Reason", "Report", "Retries", "ReturnValue"),
    *("Scheduler", "Script", "Settings", "StateError", "Store", "Tool", "TreadleError", "UsageError"),
    *("Usage", "Verdict", "Walk", "__version__"),
    *(
        "Attempt",
        "AttemptEnd",
        "AttemptSpec",
        "BaseRunner",
        "Depfile",
        "Discovery",
        "Engine",
        "FrontEnd",
        "Hint",
        "Options",
        "Plan",
        "Project",
        "Request",
        "RunControl",
        "RunRecording",
        "RunReport",
        "Session",
        "Subscriber",
        "load_plan",
    ),
    *("CacheError", "Digest", "FolderCache", "HttpCache", "OutputCache", "SignedCache"),
    *("Diffed", "Failed", "NotReady", "Skipped"),
    *("NotifyEnd", "DRAINING", "STOPPING", "KILLING"),
    *("Allocation", "Demand", "Node", "Pool", "pool_of_machine"),
    *("RUN", "SKIP", "BLOCKED", "MAY_RUN"),
    *("NEW", "CHANGED", "ADDED", "REMOVED", "OUTPUT_MISSING", "OUTPUT_ALTERED", "NO_PREDICTION", "UNTRACKED"),
    *("MARKED", "SKIPPED_ITSELF"),
    *("ALWAYS", "FORCED", "FAILED", "INTERRUPTED", "INPUTS_MOVED", "UNANSWERED", "BLOCKED_BY", "DEPENDS_ON"),
    *("AT_END", "NOT_ASKED", "MET_BY", "AFTER_FAILURE", "NOT_NEEDED", "ONLY_IF", "RESTORE"),
    *("ASKED", "DECLINED"),
    "Condition",
}
E3 = {
    *("DAG", "DAGError", "DAGIterator", "DEFAULT_JOB_MAX_DURATION", "E3Error", "EmptyJob"),
    *("FINGERPRINT_VERSION", "Fingerprint", "Job", "JobTimingInfo", "ProcessJob", "ReturnValue"),
    *("Scheduler", "Walk"),
    *("CollectCallback", "JobProviderCallback", "NotifyEnd", "logger", "native"),
}
HOOKS = {
    *("set_scheduling_params", "compute_fingerprint", "save_fingerprint", "load_previous_fingerprint"),
    *("should_execute_action", "create_skipped_job", "create_job", "request_requeue", "get_job", "collect"),
    *("inputs_moved", "demands", "decide", "about_to_start", "create_scheduler", "run", "co_run", "stop", "report"),
    *("describe", "expected_duration", "is_met", "outcome_of", "restore"),
    *("pause", "go_on", "set_limits"),
}
SCHEDULER = {
    *("simple_provider", "safe_collect", "safe_job_provider", "init_state", "is_finished", "log_state"),
    *("run", "push", "enqueue", "launch", "wait", "stop", "active_jobs", "queued_jobs", "start_time", "stop_time"),
    *("pause", "go_on", "call_soon", "wake", "take_over_limits", "bounds", "waiting_jobs", "delayed_jobs"),
}


def public_methods(thing: type) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_public_names_of_treadle_are_these() -> None:
    assert set(treadle.__all__) == TREADLE
    assert set(dir(treadle)) == TREADLE


def test_the_names_for_code_written_for_e3_are_these() -> None:
    assert set(importlib.import_module("treadle.e3").__all__) == E3


@pytest.mark.parametrize("name", sorted(TREADLE))
def test_each_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(treadle, name)
    assert isinstance(value, str | int | GenericAlias) or value.__doc__


def test_what_type_checkers_see_is_what_is_there() -> None:
    tree = ast.parse(Path(treadle.__file__).read_text("utf-8"))
    seen = {
        alias.asname: f"treadle.{node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }
    assert set(seen) == TREADLE - {"__version__"}
    for name, module in seen.items():
        assert getattr(importlib.import_module(module), name) is getattr(treadle, name)


def test_each_outcome_and_kind_of_reason_is_public_and_told_of() -> None:
    from treadle.core import decision

    values = {name for name, value in vars(decision).items() if name.isupper() and isinstance(value, str)}
    words = values - {"OUTPUT", "COMMAND", "ABSENT"}
    assert words <= TREADLE
    page = (Path(__file__).parents[2] / "docs/reference/walk.md").read_text("utf-8")
    assert not [name for name in [*words, "DRAINING", "STOPPING", "KILLING"] if f"`{name}`" not in page]


def test_the_modes_of_a_stop_rise() -> None:
    assert treadle.DRAINING < treadle.STOPPING < treadle.KILLING


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = treadle.Nothing


def test_a_walk_has_these_hooks_and_no_more() -> None:
    assert public_methods(treadle.Walk) == HOOKS


def test_a_walk_has_these_attributes_from_the_start() -> None:
    walk = treadle.Walk(treadle.DAG())
    assert {
        *("actions", "prev_fingerprints", "new_fingerprints", "job_status", "queues", "tokens", "job_timeout"),
        *("failure_source", "scheduler", "verdicts", "reports"),
    } <= vars(walk).keys()


def test_a_scheduler_has_what_code_for_e3_calls() -> None:
    assert set(dir(treadle.Scheduler)) >= SCHEDULER


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert treadle.__version__ == version("treadle")
