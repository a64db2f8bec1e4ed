"""What questions say as long as a plan that an action makes is not known: they never call skipped what a run runs."""

from __future__ import annotations

import random
import re
from pathlib import Path

from helpers import plan, run_treadle

PLAN = """\
default: ['*']
actions:
  prep: {sh: 'cat ${in} > ${out}', in: base, out: prepared}
  gen: {run: cp made.yaml o/p.yaml, in: [made.yaml, prepared], expand: o/p.yaml}
  file: {sh: 'cat ${in} > ${out}', in: o/a, out: file}
  next: {sh: 'cat ${in} > ${out}', in: file, out: next}
  tree: {sh: 'cat ${in}/* > ${out}', in: o/d/, out: tree}
  glob: {sh: 'cat ${in} /dev/null > ${out}', in: {glob: 'o/*.txt', empty: ok}, out: glob}
  prog: {run: './o/prog ${out}', out: prog}
  deps: {sh: 'cat o/a > ${out}; echo "x: o/a" > ${depfile}', after: gen, needs: 'gen:a', out: deps, depfile: deps.d}
  once: {sh: 'cat ${in} > ${out}', in: o/a, out: once, once: true}
  own: {sh: 'cat ${in} > ${out}', in: base, out: own}
"""
MADE = """\
treadle: 1
actions:
  a: {sh: 'echo a > ${out}', out: o/a}
  b: {sh: 'echo b > ${out}', out: o/d/b}
  c: {sh: 'echo c > ${out}', out: o/c.txt}
  prog: {sh: 'printf "#!/bin/sh\\necho p > \\$1\\n" > ${out}; chmod +x ${out}', out: o/prog}
"""
_RAN = re.compile(r"^\[\d+/\d+\] ran (\S+) ", re.MULTILINE)


def start(folder: Path) -> None:
    plan(folder, PLAN)
    (folder / "base").write_text("base\n")
    (folder / "made.yaml").write_text(MADE)
    run_treadle(folder, "run", check=0)
    run_treadle(folder, "run", check=0)
    assert "nothing to do" in run_treadle(folder, "status", check=0).out


def may_run(folder: Path, *args: str) -> list[str]:
    return re.findall(r"^may run (\S+): depends on (?:gen|file)$", run_treadle(folder, *args).out, re.MULTILINE)


def test_who_reads_what_the_plan_left_behind_may_run(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "made.yaml").write_text(MADE.replace("echo a", "echo other"))
    for question in (["status"], ["run", "-n"]):
        assert may_run(tmp_path, *question) == ["file", "next", "tree", "glob", "prog"]
    assert may_run(tmp_path, "status", "next") == ["file", "next"]
    assert "file may run:\n  depends on gen\n" in run_treadle(tmp_path, "why", "file", check=0).out
    assert "glob may run:\n  depends on gen\n" in run_treadle(tmp_path, "why", "glob", check=0).out
    assert "1 to run, 5 may run, 3 up to date" in run_treadle(tmp_path, "status", check=1).out
    ran = _RAN.findall(run_treadle(tmp_path, "run", check=0).out)
    assert sorted(ran) == ["deps", "file", "gen", "gen:a", "next"]
    assert "nothing to do" in run_treadle(tmp_path, "status", check=0).out


def test_what_comes_before_the_maker_is_judged_by_what_lies_there(tmp_path: Path) -> None:
    start(tmp_path)
    plan(tmp_path, PLAN.replace("in: base, out: prepared", "in: o/a, out: prepared"))
    (tmp_path / "made.yaml").write_text(MADE.replace("  a: {sh: 'echo a > ${out}', out: o/a}\n", ""))
    out = run_treadle(tmp_path, "status", "prep", check=1).out
    assert "run prep: " in out
    assert "depends on gen" not in out


def test_what_an_action_of_the_plan_makes_now_is_no_guess(tmp_path: Path) -> None:
    start(tmp_path)
    plan(tmp_path, PLAN + "  a: {sh: 'echo a > ${out}', out: o/a}\n")
    (tmp_path / "made.yaml").write_text(MADE.replace("  a: {sh: 'echo a > ${out}', out: o/a}\n", ""))
    assert may_run(tmp_path, "status", "file", "tree") == ["tree"]


def test_status_never_calls_skipped_what_runs(tmp_path: Path) -> None:
    start(tmp_path)
    chance = random.Random(7)
    for number in range(12):
        made = MADE
        for letter in chance.sample("abc", chance.randint(0, 3)):
            made = made.replace(f"echo {letter} ", f"echo {letter}{number} ")
        if chance.random() < 0.3:
            made = re.sub(r"  c:.*\n", "", made)
        (tmp_path / "made.yaml").write_text(made)
        if chance.random() < 0.5:
            (tmp_path / "base").write_text(f"{number}\n")
        status = run_treadle(tmp_path, "status", "-v").out
        skipped = set(re.findall(r"^up to date: (\S+)$", status, re.MULTILINE))
        ran = set(_RAN.findall(run_treadle(tmp_path, "run", check=0).out))
        assert not ran & skipped, (made, status)
