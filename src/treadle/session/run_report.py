"""What one run of a plan has done, all its walks together."""

from __future__ import annotations

from treadle.walk import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Self

    from treadle.command.walk import CommandWalk
    from treadle.errors import TreadleError
    from treadle.walk import ActionReport


class RunReport(Report):
    """What a run has done.

    :ivar untouched: how many actions were not walked, since nothing of them has moved
    :ivar saved: seconds that the actions which were skipped took when they last ran
    :ivar problems: what is wrong with plans that actions have generated
    :ivar unmade: the actions that were to generate a plan and did not, by failures of their own or before them
    """

    def __init__(
        self,
        actions: dict[Hashable, ActionReport],
        interrupted: bool = False,
        untouched: int = 0,
        saved: float = 0.0,
    ) -> None:
        super().__init__(actions, interrupted)
        self.untouched = untouched
        self.saved = saved
        self.problems: list[TreadleError] = []
        self.unmade: list[str] = []

    @classmethod
    def of(cls, report: Report, walk: CommandWalk) -> Self:
        """Return what a walk has done."""
        return cls(report.actions, report.interrupted, walk.untouched, walk.saved)

    @property
    def ok(self) -> bool:
        """Whether every action ended well or needed nothing, and every plan could be generated."""
        return super().ok and not self.problems and not self.unmade
