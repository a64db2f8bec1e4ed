"""What was asked for. It knows nothing of how it was written down."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Options:
    """What was asked for, with the defaults; what the command line can ask for beside these are attributes.

    :param names: actions, groups, outputs; what the plan runs by default if there are none
    :param file: the plan, "" for the `treadle.yaml` of this folder or of the nearest one above it
    :param params: name -> value of parameters of the plan
    :param tags: an expression of tags, as `-l` takes it
    :param jobs: how many actions may run at once, None for the usable processors
    :param keep_going: failures after which nothing new starts, 0 for any number
    :param force: names of actions that run whatever their records say
    :param wait: whether to wait for another run in the same root
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        file: str = "",
        params: Mapping[str, str] | None = None,
        tags: str = "",
        jobs: int | None = None,
        keep_going: int = 1,
        force: Iterable[str] = (),
        wait: bool = True,
    ) -> None:
        self.command = ""
        self.names = list(names)
        self.file = file
        self.folder = ""
        self.origin = ""
        """The folder that we were called in, before -C."""
        self.params = dict(params or {})
        self.tags = tags
        self.rest: list[str] | None = None
        """The words behind `--`, None if there is no `--`."""
        self.jobs = jobs
        self.keep_going = keep_going
        self.dry = False
        self.watch = False
        self.stale = False
        self.replaced = False
        self.verbose = False
        self.quiet = False
        self.force = list(force)
        self.force_all = False
        self.output = "group"
        self.events = ""
        """The file that the events of a run go to; so with the following."""
        self.junit = ""
        self.trace = ""
        self.html = ""
        self.github = False
        self.wait = wait
        self.color = "auto"
        self.json = False
        self.everything = False
        self.files = False
        self.format = "tree"
        self.fold: int | None = None
        """Instances of a family above which a graph shows them as one."""
        self.depth: int | None = None
        self.state = True
