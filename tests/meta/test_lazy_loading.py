"""What shows a plan is loaded by who asks for it, and never by a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_python

if TYPE_CHECKING:
    from pathlib import Path

FACES = {
    *(
        "cli.commands.graph",
        "cli.commands.why",
        "cli.commands.list",
        "cli.commands.check",
        "cli.commands.schema",
        "cli.commands.init",
        "importers",
        "cli.completion.complete",
    ),
    *("cli.completion.names", "cli.completion.scripts", "session.old_content", "session.lookup"),
    *("ui.graph.model", "ui.graph.formats", "ui.graph.tree", "ui.why", "ui.diff", "plan.schema.json_schema"),
}


def loaded_by(folder: Path, *words: str) -> set[str]:
    """Return the modules of ours that a call of the command loads."""
    program = f"import sys; from treadle.__main__ import main; sys.argv = ['treadle', *{words!r}]; main(); "
    program += "print('LOADED', *sorted(name for name in sys.modules if name.startswith('treadle.')))"
    done = run_python(folder, program)
    assert done.code == 0, done.err
    return {name.removeprefix("treadle.") for name in done.lines[-1].split()[1:]}


@pytest.mark.parametrize("words", [["run"], ["run", "-v"], ["run", "-n"], ["run", "--force"]])
def test_a_run_loads_none_of_the_faces(tmp_path: Path, words: list[str]) -> None:
    plan(tmp_path, "actions: {a: {run: touch o, out: o}}\n")
    assert not loaded_by(tmp_path, *words) & FACES


def test_the_names_of_the_faces_are_not_blind(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {a: {run: touch o, out: o}}\n")
    found = {
        one
        for words in (["graph"], ["why", "a"], ["list"], ["check"], ["schema"])
        for one in loaded_by(tmp_path, *words)
    }
    assert FACES & found >= {
        "cli.commands.graph",
        "ui.graph.model",
        "cli.commands.why",
        "ui.why",
        "cli.commands.list",
        "cli.commands.check",
        "cli.commands.schema",
    }


def test_what_a_shell_asks_at_each_tab_reads_no_plan_as_a_whole(tmp_path: Path) -> None:
    plan(tmp_path, "actions: {fit: {run: 'true'}, merge: {run: 'true'}}\n")
    loaded = loaded_by(tmp_path, "__complete", "--", "run", "f")
    assert "plan.yaml.parser" in loaded
    assert not loaded & {"plan.load", "command_walk", "store", "cli.commands.graph"}
