"""A front end as code outside of the package would write one, for a toy format:

# a comment
out/hello: in.txt = tr a-z A-Z < in.txt > out/hello
"""

from __future__ import annotations

from treadle import Command, FrontEnd, PlanError, Project, Request, Script, TreadleError
from treadle.errors import Place


class ToyPlans(FrontEnd):
    """Reads files of lines `OUTPUT: INPUT... = COMMAND`."""

    suffixes = (".toy",)

    def load(self, request: Request) -> Project:
        actions, problems = {}, []
        with open(request.file, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                head, equals, command = line.partition("=")
                output, colon, inputs = head.partition(":")
                if not line.strip() or line.startswith("#"):
                    continue
                place = Place(request.file, number, 1, line.rstrip("\n"))
                if not equals or not colon:
                    problems.append(TreadleError("expected OUTPUT: INPUT... = COMMAND", place=place))
                    continue
                actions[output.strip().replace("/", "-")] = Command(
                    script=Script(command.strip()), inputs=inputs.split(), outputs=[output.strip()], place=place
                )
        if problems:
            raise PlanError(problems)
        return Project.of(request.file, actions)
