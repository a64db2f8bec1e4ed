"""Treadle walks a graph of actions and runs only what changed.

Names are imported when they are first used, so that `import treadle` itself costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cache.base import CacheError as CacheError
    from .cache.base import Digest as Digest
    from .cache.base import OutputCache as OutputCache
    from .cache.folder import FolderCache as FolderCache
    from .cache.http import HttpCache as HttpCache
    from .cache.signed import SignedCache as SignedCache
    from .command.command import Command as Command
    from .command.command import Environment as Environment
    from .command.command import Limits as Limits
    from .command.command import Retries as Retries
    from .command.command import Script as Script
    from .command.command import Tool as Tool
    from .command.depfile import Depfile as Depfile
    from .command.discovery import Discovery as Discovery
    from .command.graph_checks import connect_by_files as connect_by_files
    from .command.observer import Observer as Observer
    from .command.walk import CommandWalk as CommandWalk
    from .command.walk import Settings as Settings
    from .content.files import Files as Files
    from .content.fingerprint import Fingerprint as Fingerprint
    from .core.callbacks import NotifyEnd as NotifyEnd
    from .core.codes import Codes as Codes
    from .core.conditions import Condition as Condition
    from .core.decision import ADDED as ADDED
    from .core.decision import AFTER_FAILURE as AFTER_FAILURE
    from .core.decision import ALWAYS as ALWAYS
    from .core.decision import ASKED as ASKED
    from .core.decision import AT_END as AT_END
    from .core.decision import BLOCKED as BLOCKED
    from .core.decision import BLOCKED_BY as BLOCKED_BY
    from .core.decision import CHANGED as CHANGED
    from .core.decision import DECLINED as DECLINED
    from .core.decision import DEPENDS_ON as DEPENDS_ON
    from .core.decision import FAILED as FAILED
    from .core.decision import FORCED as FORCED
    from .core.decision import INPUTS_MOVED as INPUTS_MOVED
    from .core.decision import INTERRUPTED as INTERRUPTED
    from .core.decision import MARKED as MARKED
    from .core.decision import MAY_RUN as MAY_RUN
    from .core.decision import MET_BY as MET_BY
    from .core.decision import NEW as NEW
    from .core.decision import NO_PREDICTION as NO_PREDICTION
    from .core.decision import NOT_ASKED as NOT_ASKED
    from .core.decision import NOT_NEEDED as NOT_NEEDED
    from .core.decision import ONLY_IF as ONLY_IF
    from .core.decision import OUTPUT_ALTERED as OUTPUT_ALTERED
    from .core.decision import OUTPUT_MISSING as OUTPUT_MISSING
    from .core.decision import REMOVED as REMOVED
    from .core.decision import RESTORE as RESTORE
    from .core.decision import RUN as RUN
    from .core.decision import SKIP as SKIP
    from .core.decision import SKIPPED_ITSELF as SKIPPED_ITSELF
    from .core.decision import UNANSWERED as UNANSWERED
    from .core.decision import UNTRACKED as UNTRACKED
    from .core.decision import Reason as Reason
    from .core.decision import Verdict as Verdict
    from .core.graph.dag import DAG as DAG
    from .core.graph.dag import DAGIterator as DAGIterator
    from .core.outcomes import ActionReport as ActionReport
    from .core.outcomes import JobTimingInfo as JobTimingInfo
    from .core.outcomes import Outcome as Outcome
    from .core.outcomes import Report as Report
    from .core.outcomes import Usage as Usage
    from .core.pool import Allocation as Allocation
    from .core.pool import Demand as Demand
    from .core.pool import Node as Node
    from .core.pool import Pool as Pool
    from .engines.base import Attempt as Attempt
    from .engines.base import AttemptEnd as AttemptEnd
    from .engines.base import BaseRunner as BaseRunner
    from .engines.local import LocalRunner as LocalRunner
    from .engines.machine import pool_of_machine as pool_of_machine
    from .engines.spec import AttemptSpec as AttemptSpec
    from .engines.spec import Engine as Engine
    from .engines.spec import Hint as Hint
    from .errors import BusyError as BusyError
    from .errors import DAGError as DAGError
    from .errors import Diffed as Diffed
    from .errors import Failed as Failed
    from .errors import InternalError as InternalError
    from .errors import NotReady as NotReady
    from .errors import PlanError as PlanError
    from .errors import Skipped as Skipped
    from .errors import StateError as StateError
    from .errors import TreadleError as TreadleError
    from .errors import UsageError as UsageError
    from .events.bus import Subscriber as Subscriber
    from .frontends.base import FrontEnd as FrontEnd
    from .frontends.base import Project as Project
    from .frontends.base import Request as Request
    from .ledger.run_recording import RunRecording as RunRecording
    from .plan.load import load_plan as load_plan
    from .plan.model import Plan as Plan
    from .scheduling.coroutine_job import CoroutineJob as CoroutineJob
    from .scheduling.job import EmptyJob as EmptyJob
    from .scheduling.job import Job as Job
    from .scheduling.job import ProcessJob as ProcessJob
    from .scheduling.scheduler import DRAINING as DRAINING
    from .scheduling.scheduler import KILLING as KILLING
    from .scheduling.scheduler import STOPPING as STOPPING
    from .scheduling.scheduler import Scheduler as Scheduler
    from .session.call import RunReport as RunReport
    from .session.options import Options as Options
    from .session.remote import RunControl as RunControl
    from .session.session import Session as Session
    from .state.store import Store as Store
    from .status import ReturnValue as ReturnValue
    from .walk import Walk as Walk

__version__ = "0.1.0"

_HOMES = {
    "core.callbacks": ("NotifyEnd",),
    "core.codes": ("Codes",),
    "core.pool": ("Allocation", "Demand", "Node", "Pool"),
    "cache.base": ("CacheError", "Digest", "OutputCache"),
    "cache.folder": ("FolderCache",),
    "cache.http": ("HttpCache",),
    "cache.signed": ("SignedCache",),
    "command.command": ("Command", "Environment", "Limits", "Retries", "Script", "Tool"),
    "command.depfile": ("Depfile",),
    "command.discovery": ("Discovery",),
    "command.observer": ("Observer",),
    "command.walk": ("CommandWalk", "Settings"),
    "scheduling.coroutine_job": ("CoroutineJob",),
    "core.conditions": ("Condition",),
    "core.graph.dag": ("DAG", "DAGIterator"),
    "core.outcomes": ("ActionReport", "JobTimingInfo", "Outcome", "Report", "Usage"),
    "core.decision": (
        *("Reason", "Verdict", "RUN", "SKIP", "BLOCKED", "MAY_RUN"),
        *("NEW", "CHANGED", "ADDED", "REMOVED", "OUTPUT_MISSING", "OUTPUT_ALTERED", "NO_PREDICTION", "UNTRACKED"),
        "MARKED",
        *("ALWAYS", "FORCED", "FAILED", "INTERRUPTED", "INPUTS_MOVED", "UNANSWERED", "BLOCKED_BY", "DEPENDS_ON"),
        *("NOT_ASKED", "MET_BY", "AFTER_FAILURE", "NOT_NEEDED", "ONLY_IF", "SKIPPED_ITSELF", "RESTORE"),
        *("ASKED", "AT_END", "DECLINED"),
    ),
    "errors": (
        *("BusyError", "DAGError", "InternalError", "PlanError"),
        *("StateError", "TreadleError", "UsageError"),
        *("Diffed", "Failed", "NotReady", "Skipped"),
    ),
    "command.graph_checks": ("connect_by_files",),
    "content.files": ("Files",),
    "content.fingerprint": ("Fingerprint",),
    "scheduling.job": ("EmptyJob", "Job", "ProcessJob"),
    "engines.base": ("Attempt", "AttemptEnd", "BaseRunner"),
    "engines.local": ("LocalRunner",),
    "engines.machine": ("pool_of_machine",),
    "engines.spec": ("AttemptSpec", "Engine", "Hint"),
    "scheduling.scheduler": ("DRAINING", "KILLING", "STOPPING", "Scheduler"),
    "status": ("ReturnValue",),
    "events.bus": ("Subscriber",),
    "frontends.base": ("FrontEnd", "Project", "Request"),
    "ledger.run_recording": ("RunRecording",),
    "plan.load": ("load_plan",),
    "plan.model": ("Plan",),
    "session.options": ("Options",),
    "session.call": ("RunReport",),
    "session.remote": ("RunControl",),
    "session.session": ("Session",),
    "state.store": ("Store",),
    "walk": ("Walk",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME_OF, "__version__"])  # noqa: PLE0605 - a list of texts, made where the names are


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'treadle' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
