"""What changed in a folder is named: the first files, and what to do if the action writes them itself."""

from __future__ import annotations

import pytest

from project import Project

TREES = {
    "a new file": ("echo 1 > src/new", "src/ (src/new)"),
    "an edited file": ("echo 2 > src/a", "src/ (src/a)"),
    "a file that is gone": ("rm src/a", "src/ (src/a)"),
    "a new folder": ("mkdir src/new", "src/ (src/new/)"),
    "a file in a new folder": ("mkdir src/new; touch src/new/x", "src/ (src/new/x)"),
    "a file that came and went": ("touch src/deep/x; rm src/deep/x", "src/ (src/deep/)"),
    "many": ("touch src/1 src/2 src/3 src/4", "src/ (src/1, src/2, src/3, and 1 more)"),
}


@pytest.mark.parametrize("change", TREES)
def test_what_changed_in_a_folder_while_it_ran_is_named(change: str, project: Project) -> None:
    script, shown = TREES[change]
    for name in ("src/a", "src/deep/b"):
        project.write(name, "1\n")
    project.write("plan", f'treadle: 1\nactions:\n  a: {{sh: "{script}; touch o", in: src/, out: o}}\n')
    assert f"a is not recorded, it will run again: changed while it ran: {shown}\n" in project.treadle("run").err
    said = project.treadle("why", "a").out
    assert f"    changed while it ran: {shown}\n" in said
    assert "    if it writes these itself: `edits` is for a file, `exclude` leaves names out of a folder\n" in said


@pytest.mark.parametrize(("read", "shown"), [("src/", "src/ (src/log)"), ("src/log", "src/log")])
def test_the_second_time_in_a_row_the_run_says_what_to_do(read: str, shown: str, project: Project) -> None:
    project.write("src/log", "1\n")
    project.write("plan", f'treadle: 1\nactions:\n  a: {{sh: "echo 1 >> src/log; touch o", in: {read}, out: o}}\n')
    text = f"a is not recorded, it will run again: changed while it ran: {shown}"
    assert f"{text}\n" in project.treadle("run").err
    assert f"{text}; if it writes these itself: `edits` is for a file" in project.treadle("run").err
    project.write(
        "plan", project.read("treadle.yaml").replace("src/log, out" if read == "src/log" else "src/, out", "x, out")
    )
    project.write("x", "")
    assert project.treadle("run").err == ""


OUTPUTS = {
    "an edited file": ("echo 9 > o/site/x", "o/site/x"),
    "a file that is gone": ("rm o/site/x", "o/site/x"),
    "a new file": ("echo 9 > o/site/new", "o/site/new"),
    "a folder that is gone": ("rm -r o/site/deep", "o/site/deep/, o/site/deep/z"),
    "many": ("touch o/site/1 o/site/2 o/site/3 o/site/4", "o/site/1, o/site/2, o/site/3, and 1 more"),
}


@pytest.mark.parametrize("change", OUTPUTS)
def test_what_was_altered_in_an_output_folder_is_named(change: str, project: Project) -> None:
    script, shown = OUTPUTS[change]
    make = "mkdir -p o/site/deep; echo 1 > o/site/x; echo 2 > o/site/deep/z"
    project.write("in", "1\n")
    project.write("plan", f'treadle: 1\nactions:\n  a: {{sh: "{make}", in: in, out: o/site/}}\n')
    assert project.treadle("run").code == 0
    project.run_shell(script)
    said = project.treadle("why", "a").out
    assert f"output o/site/ was altered: {shown}\n" in said
    assert "`exclude` in its out" in said
    assert f"was altered: {shown}" in project.treadle("run").out
