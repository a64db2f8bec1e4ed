"""PrintJob: a job that prints, to see the order of things."""

from __future__ import annotations

import asyncio

from .job import AbstractJob, JobHolder, Requirements


class PrintJob(AbstractJob):
    """Prints its messages, and sleeps.

    :param messages: printed in one line
    :param sleep: seconds to sleep after that
    :param banner: printed before the messages
    """

    def __init__(
        self,
        *messages: object,
        sleep: float | None = None,
        banner: str | None = None,
        scheduler: JobHolder | None = None,
        label: str | None = None,
        required: Requirements = None,
    ) -> None:
        self.messages = messages
        self.sleep = sleep
        self.banner = banner
        super().__init__(label=label, required=required, scheduler=scheduler)

    async def co_run(self) -> None:
        """Print, then sleep."""
        if self.banner:
            print(self.banner, end=" ")
        print(*self.messages)
        if self.sleep:
            print(f"Sleeping for {self.sleep}s")
            await asyncio.sleep(self.sleep)

    def details(self) -> str:
        """Return the first message, and for how long it sleeps."""
        sleeps = f"[+ sleep {self.sleep}s] " if self.sleep else ""
        first = str(self.messages[0]) if self.messages else ""
        return f"{sleeps}msg= {first}{'...' if len(self.messages) > 1 else ''}"
