"""Coroutine jobs with requirements between them, in schedulers that may hold schedulers.

The names, signatures and results are those of asynciojobs: a program written for it works after changing its
import. Differences on purpose are listed in docs/reference/aio.md. ActionJob and ProcessJob connect them with the
rest of Treadle: a scheduler may be an action of a walk, and a Command a job. It knows nothing of walks and
fingerprints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.errors import Diffed, Failed, NotReady, Skipped

from .action_job import ActionJob
from .job import AbstractJob, Job
from .naming import as_dag
from .print_job import PrintJob
from .process_job import ProcessJob
from .scheduler import PureScheduler, Scheduler
from .sequence import Sequence
from .watch import Watch

if TYPE_CHECKING:
    from .publishing import Publishing
    from .recording import Recording

__all__ = [
    "AbstractJob",
    "ActionJob",
    "Diffed",
    "Failed",
    "Job",
    "NotReady",
    "PrintJob",
    "ProcessJob",
    "Publishing",
    "PureScheduler",
    "Recording",
    "Scheduler",
    "Sequence",
    "Skipped",
    "Watch",
    "as_dag",
]


def __getattr__(name: str) -> object:
    # a run that is not followed pays for neither
    if name == "Publishing":
        from .publishing import Publishing

        return Publishing
    if name == "Recording":
        from .recording import Recording

        return Recording
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
