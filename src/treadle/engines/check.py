"""The check of an engine: `python -m treadle.engines.check [--file PLAN] [--engine NAME]` prints ten lines.

It asks each worker by the way that attempts take, under the lock of the root: what it is, and whether it sees what
a run needs. It exits with 0 if a run can use the engine, with 1 if it cannot.
"""

from __future__ import annotations

if __name__ == "__main__":
    # before anything else is looked for
    from treadle._startup.search_path import leave_current_folder

    leave_current_folder()

import argparse
import os
import sys
from typing import TYPE_CHECKING

from .checking import PATIENCE, ask, findings
from .choice import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.frontends.base import Project
    from treadle.session.call import Call

    from .choice import EngineChoice


def check(call: Call, patience: float = PATIENCE) -> int:
    """Check the engine of a plan, and print what was found; return the exit code.

    :param patience: seconds for which workers are waited for
    :raises TreadleError: the plan is wrong, or the engine is not there
    """
    from treadle.cli.commands.locked import locked
    from treadle.command.engine_runs import RUNS
    from treadle.session.engine import engine_settings
    from treadle.state import own_files

    plan = call.load()
    choice: EngineChoice | None = engine_settings(call.options, plan.pool.partition(" ")[2]).get("engine")
    if choice is None:
        print(f"the engine is {LOCAL}: all actions run on this machine, and there is nothing to check")
        return 0
    programs = programs_of(plan)
    with locked(call, plan) as store:

        def folder() -> str:
            return own_files.make_folder(store.folder, f"{RUNS}/check-{os.urandom(4).hex()}", 0o700)

        answers = ask(choice, folder, lock=store.lock.path, programs=programs, patience=patience)
    found = findings(choice, answers, programs)
    for one in found:
        print(f"{one.what:<10} {'ok' if one.is_good else 'NO':<3} {one.text}")
    return 0 if all(one.is_good for one in found) else 1


def programs_of(plan: Project) -> list[str]:
    """Return the paths of the programs that are started on the engine of a plan."""
    from treadle.command.walk import CommandWalk

    dag = plan.dag(list(plan.actions))
    walk = CommandWalk(dag, plan.root)
    there = [one for one in dag.vertex_data.values() if not (one.console or one.limits.engine)]
    named = {os.path.join(plan.root, path) for one in there for path in walk.fingerprinter.programs(one)}
    return sorted(path for path in named if os.path.isfile(path))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the check as a program; return its exit code."""
    from treadle.cli.failures import print_error
    from treadle.session.call import Call
    from treadle.session.options import Options
    from treadle.ui.console import Console

    parser = argparse.ArgumentParser(prog="python -m treadle.engines.check", description=__doc__)
    parser.add_argument("-f", "--file", default="", metavar="PLAN", help="the plan")
    parser.add_argument("--engine", default="", metavar="NAME", help="the engine, in place of that of the plan")
    parser.add_argument("--dask", default="", metavar="ADDRESS", help="the Dask scheduler whose workers are asked")
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="S", help="seconds to wait for workers")
    given = parser.parse_args(argv)
    call = Call("", Options(file=given.file, engine=given.engine, dask=given.dask), console=Console())
    try:
        call.options.check()
        return check(call, given.patience)
    except (Exception, KeyboardInterrupt) as error:
        return print_error(error, call)


if __name__ == "__main__":
    sys.exit(main())
