"""Coroutine jobs with requirements between them, in schedulers that may hold schedulers.

The names, signatures and results are those of asynciojobs: a program written for it works after changing its
import. What is different on purpose is listed in docs/aio.md. It knows nothing of walks and fingerprints.
"""

from __future__ import annotations

from .job import AbstractJob, Job
from .print_job import PrintJob
from .scheduler import PureScheduler, Scheduler
from .sequence import Sequence
from .watch import Watch

__all__ = ["AbstractJob", "Job", "PrintJob", "PureScheduler", "Scheduler", "Sequence", "Watch"]
