"""What was asked for. It knows nothing of how it was written down."""

from __future__ import annotations


class Options:
    """What was asked for, with the defaults."""

    def __init__(self) -> None:
        self.command = ""
        self.names: list[str] = []
        self.file = ""
        """The plan as it was named, "" for the one that is found."""
        self.folder = ""
        self.origin = ""
        """The folder that we were called in, before -C."""
        self.params: dict[str, str] = {}
        self.tags = ""
        """What -l says: an expression of tags."""
        self.rest: list[str] | None = None
        """The words behind `--`, None if there is no `--`."""
        self.jobs: int | None = None
        self.keep_going = 1
        self.dry = False
        self.watch = False
        self.stale = False
        self.replaced = False
        self.verbose = False
        self.quiet = False
        self.force: list[str] = []
        self.force_all = False
        self.output = "group"
        self.events = ""
        """The file that the events of a run go to; so with the following."""
        self.junit = ""
        self.trace = ""
        self.html = ""
        self.github = False
        self.wait = True
        self.color = "auto"
        self.json = False
        self.everything = False
        self.files = False
        self.format = "tree"
        self.fold: int | None = None
        """Instances of a family above which a graph shows them as one."""
        self.depth: int | None = None
        self.state = True
