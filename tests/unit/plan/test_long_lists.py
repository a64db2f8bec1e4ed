"""A list of any length reaches a script: one that names each value would be too long for the system."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from helpers import plan, run_treadle
from treadle.plan.language.shell import MANY, fill, parse_script
from treadle.plan.language.templates import Scope
from treadle.plan.yaml.nodes import Scalar, Source

if TYPE_CHECKING:
    from pathlib import Path

    from treadle.plan.language.templates import Value

VALUES = ("it's", "two words", "$(touch pwned)", "*", "", "a\nb") * (MANY // 3)


def printed(text: str, values: dict[str, Value], folder: Path, shell: tuple[str, ...] = ("bash", "-euc")) -> bytes:
    """Return what a script prints."""
    node = Scalar(text, "|", 0, len(text))
    source = Source("p", text)
    made = fill(source, node, parse_script(source, node), Scope(values), shell)
    done = subprocess.run(
        [*shell, made.text, *made.words], env={"PATH": "/usr/bin:/bin", **made.variables}, cwd=folder,
        capture_output=True, check=True,
    )  # fmt: skip
    assert not (folder / "pwned").exists()
    return done.stdout


def joined(values: tuple[str, ...]) -> bytes:
    return "".join(f"{value}\0" for value in values).encode()


def test_each_value_of_a_long_list_is_a_word(tmp_path: Path) -> None:
    assert printed("printf '%s\\0' ${v}", {"v": VALUES}, tmp_path) == joined(VALUES)


def test_long_lists_stand_beside_each_other_and_in_functions(tmp_path: Path) -> None:
    other = tuple(f"x{number}" for number in range(MANY + 1))
    text = "f() { printf '%s\\0' ${w} \"$1\" ${v}; }; f one; printf '%s\\0' ${w}"
    expected = joined((*other, "one", *VALUES, *other))
    assert printed(text, {"v": VALUES, "w": other}, tmp_path) == expected


def test_in_quotes_and_in_a_heredoc_a_long_list_is_one_text(tmp_path: Path) -> None:
    text = "IFS=,\nprintf '%s\\0' \"<${v}>\"\ncat <<END\n${v}\nEND\n"
    whole = " ".join(VALUES)
    assert printed(text, {"v": VALUES}, tmp_path) == f"<{whole}>\0{whole}\n".encode()


def test_the_script_has_no_more_arguments_than_before(tmp_path: Path) -> None:
    short = printed("echo $# $0; : ${v}", {"v": ("a",)}, tmp_path)
    assert printed("echo $# $0; : ${v}", {"v": VALUES}, tmp_path) == short == b"0 bash\n"


def test_a_shell_without_arrays_takes_a_list_from_variables(tmp_path: Path) -> None:
    assert printed("printf '%s\\0' ${v}", {"v": VALUES}, tmp_path, ("sh", "-euc")) == joined(VALUES)


def test_an_action_reads_more_files_than_a_script_could_name(tmp_path: Path) -> None:
    plan(
        tmp_path,
        'actions:\n  all: {sh: "cat ${in} > ${out}; echo \\"${in}\\" | wc -w >> ${out}", in: "d/*", out: o}\n',
    )
    (tmp_path / "d").mkdir()
    for number in range(9000):
        (tmp_path / "d" / str(number)).write_text("x")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "o").read_text() == "x" * 9000 + "9000\n"
    assert "nothing to do" in run_treadle(tmp_path, "run", check=0).out
    (tmp_path / "d" / "77").write_text("y")
    assert "input d/77 changed" in run_treadle(tmp_path, "run", check=0).out
    (tmp_path / "o").unlink()
    assert "output o is missing" in run_treadle(tmp_path, "run", check=0).out
