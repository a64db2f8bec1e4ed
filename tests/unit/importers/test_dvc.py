"""First plans from a dvc.yaml: they build the same, and values stay in their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from first_plans import first_plan, lines, write
from helpers import run_treadle

if TYPE_CHECKING:
    from pathlib import Path

DVC = """\
vars:
  - who: {name: world}
stages:
  prepare:
    desc: split the data
    cmd: mkdir -p data/prepared && cp data/data.csv data/prepared/x && echo ${prepare.seed}
    deps: [data/data.csv]
    params: [prepare.seed]
    outs: [data/prepared]
  train:
    foreach: [a, b]
    do:
      cmd: cp data/prepared/x model_${item}.bin
      deps: [data/prepared]
      outs: ["model_${item}.bin"]
  grid:
    matrix: {x: [1, 2], y: [p]}
    cmd: echo ${item.x} ${item.y} > m_${item.x}_${item.y}.txt
    outs: ["m_${item.x}_${item.y}.txt"]
  evaluate:
    cmd:
      - cat model_a.bin model_b.bin > all.json
      - echo ${who.name} "${HOME}"
    deps: [model_a.bin, model_b.bin, gone.txt]
    metrics:
      - all.json: {cache: false}
plots: [x.csv]
"""


def test_a_dvc_pipeline_becomes_a_plan_that_runs(tmp_path: Path) -> None:
    write(tmp_path, dvc_dot_yaml=DVC, params_dot_yaml="prepare: {seed: 3}\n", data__data_dot_csv="1\n")
    plan = first_plan(tmp_path)
    assert list(plan.actions) == ["prepare", "train@a", "train@b", "grid@1,p", "grid@2,p"]
    prepare = plan.actions["prepare"].command
    assert prepare.shown.rstrip().endswith("echo 3")
    assert prepare.inputs == ("data/data.csv",)
    assert prepare.elements == {"value params.prepare.seed": "3"}
    assert prepare.outputs == ("data/prepared/",)
    assert plan.actions["train@a"].predecessors == ("prepare",)
    text = (tmp_path / "treadle.yaml").read_text()
    assert "# - plots: ['x.csv']" in text
    assert "# - evaluate: the value of ${HOME} is not known" in text
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "model_b.bin").read_text() == "1\n"
    assert (tmp_path / "m_2_p.txt").read_text() == "2 p\n"


@pytest.mark.parametrize(
    ("params", "inputs", "uses"),
    [
        ("[train.lr, train]", (), ["value params.train.lr", "value params.train.on"]),
        ("[more.yaml: [x]]", (), ["value more.x"]),
        ("[more.yaml: [x], train.lr]", (), ["value more.x", "value params.train.lr"]),
        ("['more.yaml:x']", (), ["value more.x"]),
        ("[more.yaml: ]", ("more.yaml",), []),
        ("[more.yaml: , 'more.yaml:x']", ("more.yaml",), []),
        ("[gone.lr]", ("params.yaml",), []),
        ("['odd-name']", ("params.yaml",), []),
        ("['list.0']", ("params.yaml",), []),
        ("[made.yaml: [x]]", ("made.yaml",), []),
    ],
)
def test_a_parameter_of_a_stage_counts_alone(
    tmp_path: Path, params: str, inputs: tuple[str, ...], uses: list[str]
) -> None:
    (tmp_path / ".gitignore").write_text("made.yaml\n")
    stages = f"stages:\n  one: {{cmd: cat params.yaml > one, params: {params}, outs: [one]}}\n"
    write(
        tmp_path,
        dvc_dot_yaml=stages + "  two: {cmd: 'echo x: 1 > made.yaml', outs: [made.yaml]}\n",
        params_dot_yaml="train: {lr: 0.1, on: true}\nodd-name: 1\nlist: [1]\n",
        more_dot_yaml="x: 1\n",
        made_dot_yaml="x: 1\n",
    )
    command = first_plan(tmp_path).actions["one"].command
    assert command.inputs == inputs
    assert sorted(command.elements) == uses
    assert ("any value of the file changes" in (tmp_path / "treadle.yaml").read_text()) is (
        bool(inputs) and "[more" not in params
    )


def test_a_file_of_values_whose_name_is_taken_gets_another_one(tmp_path: Path) -> None:
    stage = "stages:\n  a: {cmd: 'echo ${lr} > x', outs: [x], params: [root.yaml: [lr]]}\n"
    write(tmp_path, dvc_dot_yaml=f"vars: [root.yaml]\n{stage}", root_dot_yaml="lr: 7\n")
    command = first_plan(tmp_path).actions["a"].command
    assert (command.shown, command.elements) == ("echo 7 > x", {"value values1.lr": "7"})


def test_the_outputs_of_a_family_may_be_read_one_by_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        dvc_dot_yaml=DVC.replace(' "${HOME}"', "").replace(", gone.txt", ""),
        params_dot_yaml="prepare: {seed: 3}\n",
        data__data_dot_csv="1\n",
    )
    evaluate = first_plan(tmp_path).actions["evaluate"]
    assert evaluate.command.inputs == ("model_a.bin", "model_b.bin")
    assert evaluate.command.shown.strip() == "cat model_a.bin model_b.bin > all.json\necho world"
    (tmp_path / "treadle.yaml").unlink()
    write(tmp_path, dvc_dot_yaml=DVC.replace(' "${HOME}"', ""))
    assert "evaluate" not in first_plan(tmp_path).actions
    assert any("evaluate: it reads gone.txt, which does not exist" in line for line in lines(tmp_path))


def test_values_that_dvc_takes_from_files_stay_values_of_these_files(tmp_path: Path) -> None:
    text = (
        "vars: [more.yaml]\nstages:\n"
        "  one: {cmd: 'echo ${train.lr} ${deep.0} > one', outs: [one]}\n"
        "  each: {foreach: '${names}', do: {cmd: 'echo ${item} > ${item}', outs: ['${item}']}}\n"
        "  both: {cmd: cat a b > both, deps: [a, b], outs: [both]}\n"
        "  map: {foreach: '${sets}', do: {cmd: 'echo ${item.n} > ${key}', outs: ['${key}']}}\n"
        "  maps: {foreach: '${rows}', do: {cmd: 'echo ${item.n} > ${item.name}', outs: ['${item.name}']}}\n"
        """  quoted: {cmd: "echo '${train.lr}' > quoted", outs: [quoted]}\n"""
    )
    write(
        tmp_path,
        dvc_dot_yaml=text,
        params_dot_yaml="train: {lr: 0.1}\nnames: [a, b]\nsets: {s: {n: 1}}\nrows: [{name: r, n: 1}]\n",
        more_dot_yaml="deep: [7]\n",
    )
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "one").read_text() == "0.1 7\n"
    assert "  # the values of ${sets} are written here as they are now" in lines(tmp_path)
    assert "  # the value of train.lr is written here as it is now" in lines(tmp_path)
    write(tmp_path, params_dot_yaml="train: {lr: 0.2}\nnames: [a, b, c]\nrows: [{name: r, n: 2}]\n")
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "one").read_text() == "0.2 7\n"
    assert (tmp_path / "c").read_text() == "c\n"
    assert (tmp_path / "r").read_text() == "2\n"
    assert (tmp_path / "quoted").read_text() == "0.1\n"


def test_a_dvc_family_over_a_map_is_a_family_over_records(tmp_path: Path) -> None:
    text = "stages:\n  rec:\n    foreach: {us: {n: 3}, uk: {n: 5}}\n    do: {cmd: 'echo ${key} ${item.n} > r_${key}', outs: ['r_${key}']}\n"
    write(tmp_path, dvc_dot_yaml=text)
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", check=0)
    assert (tmp_path / "r_uk").read_text() == "uk 5\n"
