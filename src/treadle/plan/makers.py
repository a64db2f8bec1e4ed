"""Which action makes each path of a plan, and that no other one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .declared import Declared, Instance, Output
from .nodes import Source
from .paths import folders_above, parents
from .problems import Problems


class Makers:
    """Finds the maker of a path."""

    __slots__ = ("declared", "problems", "source")

    def __init__(self, source: Source, declared: Declared, problems: Problems) -> None:
        self.source = source
        self.declared = declared
        self.problems = problems

    def place(self, output: Output) -> str:
        """Return where an output is written."""
        return str(self.source.place(output.node.start))

    def check(self, instances: Sequence[Instance]) -> None:
        """Keep an error for each path that two claim, or that lies below another."""
        first: dict[str, tuple[Instance, Output]] = {}
        for instance in instances:
            for output in self._claims(instance):
                bare = output.path.rstrip("/")
                known = first.setdefault(bare, (instance, output))
                if known[0] is not instance:
                    self.problems.add(
                        self.source.error(
                            f"two actions make {output.path}: {known[0].uid} and {instance.uid}",
                            output.node,
                            facts=(f"{known[0].uid} makes it at {self.place(known[1])}",),
                            hint="name it once, or give each its own path",
                        )
                    )
                elif known[1].path != output.path:
                    self.problems.add(
                        self.source.error(
                            f"{instance.uid} makes {bare} as a file and as a folder",
                            output.node,
                            hint=f"name it once: {bare}/ for the folder with all that is in it",
                        )
                    )
        above = folders_above(output.path for _, output in first.values())
        if not any(folder[:-1] in first for folder in above):
            return
        for instance in instances:
            for output in self._claims(instance):
                for folder in parents(output.path):
                    self._check_above(instance, output, folder, first)

    def _claims(self, instance: Instance) -> Sequence[Output]:
        depfile = instance.depfile
        if depfile is None or instance.spec.depfile is None:
            return instance.outputs
        return [*instance.outputs, Output(depfile, instance.spec.depfile.node)]

    def _check_above(
        self, instance: Instance, output: Output, folder: str, first: Mapping[str, tuple[Instance, Output]]
    ) -> None:
        known = first.get(folder[:-1])
        if known is None:
            return
        maker, above = known
        if not above.path.endswith("/"):
            self.problems.add(
                self.source.error(
                    f"{output.path} lies below {above.path}, which {maker.uid} makes as a file",
                    output.node,
                    facts=(f"{above.path} is made at {self.place(above)}",),
                    hint=f"a folder with all that is in it is {above.path}/; else give one of them another path",
                )
            )
        elif maker is not instance:
            self.problems.add(
                self.source.error(
                    f"the output {output.path} of {instance.uid} lies in {above.path}, an output of {maker.uid}",
                    output.node,
                    facts=(f"{above.path} is made at {self.place(above)}",),
                    hint="one action makes a folder with all that is in it",
                )
            )

    def of(self, path: str) -> list[Instance]:
        """Return which action makes a path: the file, a folder that it lies in, or what lies below a tree."""
        declared = self.declared
        found = declared.files.get(path) or declared.folders.get(path)
        if found is not None:
            return [found]
        if declared.folders:
            for folder in parents(path):
                if folder in declared.folders:
                    return [declared.folders[folder]]
        if not path.endswith("/"):
            return []
        prefix = "" if path == "./" else path
        below = (declared.files.get(one) or declared.folders[one] for one in declared.below(prefix))
        return list(dict.fromkeys(below))
