"""What test suites need that no other file of tests is about: by the real command."""

from __future__ import annotations

from pathlib import Path

from helpers import plan, run_treadle


def test_what_was_allocated_goes_into_any_variable(tmp_path: Path) -> None:
    """Amounts come from values of the instance, and what was given goes where a program looks for it."""
    plan(
        tmp_path,
        "pool: {gpus: [x, y, z], cpus: 4}\n"
        "actions:\n"
        "  case:\n"
        "    foreach: {gpus: [1, 2], solver: [a, b]}\n"
        "    sh: |\n"
        "      export ZE_AFFINITY_MASK=$TREADLE_GPU_IDS OMP_NUM_THREADS=$TREADLE_CPUS\n"
        "      echo ${solver} > ${out}; printenv ZE_AFFINITY_MASK OMP_NUM_THREADS >> ${out}\n"
        "    out: out/${gpus}${solver}\n"
        '    resources: {gpus: "${gpus}", cpus: 2}\n'
        "  all: {sh: 'for one in ${in}; do echo $(cat $one); done > ${out}', in: {from: case}, out: all}\n",
    )
    run_treadle(tmp_path, "run", "-j1", "-r", "cpus=2", check=0)
    said = (tmp_path / "all").read_text().splitlines()
    assert [line.split()[0] for line in said] == ["a", "b", "a", "b"]
    assert {len(line.split()[1].split(",")) for line in said[:2]} == {1}
    assert {len(line.split()[1].split(",")) for line in said[2:]} == {2}
    assert {line.split()[2] for line in said} == {"2"}


def test_a_file_of_the_shell_is_read_before_the_command(tmp_path: Path) -> None:
    """Rc files and modules are lines of a script, or a file that bash reads by itself."""
    (tmp_path / "rc").write_text("SOLVER=fast; say() { echo solved by $SOLVER; }\n")
    plan(
        tmp_path,
        "actions:\n"
        "  a: {sh: '. ./rc; say > ${out}', in: rc, out: a}\n"
        "  b: {sh: 'say > ${out}', env: {BASH_ENV: ./rc}, in: rc, out: b}\n",
    )
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "solved by fast\n"
    (tmp_path / "rc").write_text("say() { echo anew; }\n")
    assert "2 run" in run_treadle(tmp_path, "run", check=0).out
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "anew\n"


def test_stderr_may_have_a_file_of_its_own(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n"
        "  both: {sh: 'echo one; echo two >&2', in: x}\n"
        "  apart: {sh: '{ echo one; echo two >&2; } 2> ${out}', in: x, out: errors}\n",
    )
    (tmp_path / "x").touch()
    run_treadle(tmp_path, "run", "*", check=0)
    assert run_treadle(tmp_path, "log", "both").out == "one\ntwo\n"
    assert run_treadle(tmp_path, "log", "apart").out == "one\n"
    assert (tmp_path / "errors").read_text() == "two\n"


def test_tags_may_be_values_of_the_instances(tmp_path: Path) -> None:
    plan(
        tmp_path,
        "actions:\n"
        "  case: {foreach: {size: [small, large], np: [1, 4]}, run: 'true', in: x, tags: ['${size}', 'np${np}']}\n",
    )
    (tmp_path / "x").touch()
    done = run_treadle(tmp_path, "run", "case", "-l", "large and not np1", check=0)
    assert [line.split()[2] for line in done.lines if line.startswith("[")] == ["case@large,4"]
