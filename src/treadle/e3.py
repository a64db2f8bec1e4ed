"""The names that code written against e3's job, DAG, status and fingerprint modules imports.

E3Error is TreadleError, so that `except E3Error` has all that is raised here; DAGError is one of them.
The one difference to `treadle` itself: here a Walk runs in its constructor, as code written for e3 expects.
"""

from __future__ import annotations

from . import walk as _walk
from .core.dag import DAG, DAGIterator
from .errors import DAGError
from .errors import TreadleError as E3Error
from .fingerprint import FINGERPRINT_VERSION, Fingerprint
from .job import EmptyJob, Job, JobTimingInfo, ProcessJob
from .scheduler import DEFAULT_JOB_MAX_DURATION, Scheduler
from .status import ReturnValue

__all__ = [
    "DAG",
    "DEFAULT_JOB_MAX_DURATION",
    "FINGERPRINT_VERSION",
    "DAGError",
    "DAGIterator",
    "E3Error",
    "EmptyJob",
    "Fingerprint",
    "Job",
    "JobTimingInfo",
    "ProcessJob",
    "ReturnValue",
    "Scheduler",
    "Walk",
]


class Walk(_walk.Walk):
    """A Walk that runs as soon as it is made: a subclass sets its attributes before it calls this constructor."""

    def __init__(self, actions: DAG) -> None:
        super().__init__(actions)
        self.run()
