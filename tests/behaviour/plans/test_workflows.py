"""Ten workflows as people have them in other tools: what each needs, and that just the right actions run.

The head of each plan in `workflows/` says which key serves what.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers import run_treadle
from plan_runs import Copy

PLANS = Path(__file__).parent / "workflows"


class Workflow(Copy):
    """A plan of `workflows/` in a folder of its own, with what it reads."""

    def __init__(self, folder: Path, name: str, files: dict[str, str]) -> None:
        super().__init__(folder, "treadle.yaml")
        self.write("treadle.yaml", (PLANS / f"{name}.yaml").read_text("utf-8"))
        for path, text in files.items():
            self.write(path, text)

    def write(self, name: str, text: str) -> None:
        """Write a file; what begins with #! is a program."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)


def test_each_workflow_has_a_test_and_says_which_keys_serve_it() -> None:
    plans = [path for path in PLANS.glob("*.yaml") if path.suffixes == [".yaml"]]
    assert len(plans) == 10
    text = Path(__file__).read_text("utf-8")
    for path in plans:
        assert f'tmp_path, "{path.stem}", ' in text
        assert path.read_text("utf-8").startswith("# The idea of ")


def test_a_service_with_made_code_a_version_and_options_for_its_tests(tmp_path: Path) -> None:
    files = {
        "api.txt": "get\nput\n",
        "HEAD": "v1\n",
        "src/main.go": "func main\n",
        "private.env": "DATABASE=here\n",
    }
    service = Workflow(tmp_path, "service", files)
    assert service.run("push") == ["_code", "_version", "build", "lint", "test"]
    assert service.run("push") == ["_version"]
    service.write("HEAD", "v2\n")
    assert service.run("push") == ["_version", "build", "test"]
    assert service.run("test", "--", "-i") == ["_version", "test"]
    service.write("private.env", "DATABASE=there\n")
    assert service.run("push", "--", "-i") == ["_version", "test"]
    service.write("src/main.go", "func main\nfunc more\n")
    assert service.run("push", "--", "-i") == ["_version", "build", "lint", "test"]


def test_services_in_folders_of_their_own(tmp_path: Path) -> None:
    part = (PLANS / "services.part.yaml").read_text("utf-8")
    files = {"lib/common.txt": "common\n", "api/src/a.txt": "a\n", "web/src/w.txt": "w\n"}
    services = Workflow(tmp_path, "services", {**files, "api/plan.yaml": part, "web/plan.yaml": part})
    assert services.run() == ["api:image", "library", "list", "web:image"]
    assert services.read("out/images") == "1.0\na\ncommon\n1.0\nw\ncommon\n"
    services.write("web/src/w.txt", "W\n")
    assert services.run("images") == ["web:image"]
    services.write("lib/common.txt", "other\n")
    assert services.run("images") == ["api:image", "library", "web:image"]
    assert services.run("-p", "version=2.0") == ["api:image", "list", "web:image"]
    assert run_treadle(tmp_path / "api", "run", "-f", "plan.yaml", "-n", "image").code == 1


def test_a_training_runs_what_uses_a_parameter(tmp_path: Path) -> None:
    params = "prepare: {rows: 3}\nfeatures: {most: 2}\nseed: 7\n"
    training = Workflow(tmp_path, "training", {"data.txt": "d\nc\nb\na\ne\n", "params.yaml": params})
    assert training.run() == ["evaluate", "features", "prepare", "train"]
    assert training.read("metrics.json") == '{"lines":5}\n'
    training.write("params.yaml", params.replace("7", "8"))
    assert training.run() == ["evaluate", "train"]
    training.write("params.yaml", params.replace("most: 2", "most: 1").replace("7", "8"))
    assert training.run() == ["evaluate", "features", "train"]
    training.write("params.yaml", "# sorted otherwise\nseed: 8\nfeatures: {most: 1}\nprepare: {rows: 3}\n")
    assert training.run() == []


def test_models_of_countries_and_kinds(tmp_path: Path) -> None:
    countries = Workflow(tmp_path, "countries", {"data/pe.csv": "1\n5\n3\n", "data/cl.csv": "2\n4\n"})
    every = ["model@chile,mean", "model@chile,top", "model@peru,mean", "model@peru,top", "table"]
    assert countries.run() == every
    assert [countries.read(f"models/peru.{kind}").split() for kind in ("mean", "top")] == [["3"], ["5", "3"]]
    countries.edit("treadle.yaml", "rows: 3", "rows: 1")
    assert countries.run() == ["model@chile,top", "table"]
    assert countries.run("model@*,mean", "-p", "kinds=mean") == []
    countries.edit("treadle.yaml", "- {name: chile, table: data/cl.csv, rows: 1}", "")
    assert countries.run() == ["table"]
    run_treadle(tmp_path, "clean", "--stale", check=0)
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"all.txt", "peru.mean", "peru.top"}
    assert countries.run() == []


def test_calls_of_samples(tmp_path: Path) -> None:
    files = {"genome.fa": "ACGT\n", "samples/one.fastq": "CC\n", "samples/two.fastq": "GG\n"}
    variants = Workflow(tmp_path, "variants", files)
    align = ["align@samples/one.fastq", "align@samples/two.fastq"]
    assert variants.run("-j4") == [*align, "call", "index", "report"]
    assert variants.read("calls.vcf") == "CC\nGG\nTGCA\nTGCA\n"
    variants.write("samples/two.fastq", "TT\n")
    assert variants.run() == [align[1], "call"]  # its size is the same
    variants.write("samples/three.fastq", "A\n")
    assert variants.run() == ["align@samples/three.fastq", "call", "report"]
    (tmp_path / "samples/three.fastq").unlink()
    assert variants.run() == ["call", "report"]


def test_clusters_that_are_known_when_they_are_found(tmp_path: Path) -> None:
    clusters = Workflow(tmp_path, "clusters", {"points.txt": "a 2\nb 7\na 1\n"})
    assert clusters.run() == ["find", "find:a", "find:b", "summary"]
    assert clusters.read("summary.txt") == "1\n2\n7\n"
    assert clusters.run() == []
    clusters.write("points.txt", "a 2\na 1\nc 5\n")
    assert clusters.run() == ["find", "find:c", "summary"]
    assert clusters.read("summary.txt") == "1\n2\n5\n"


COMPILE = """\
#!/bin/sh
# compile SOURCE OBJECT DEPFILE CONFIG FLAG: headers are lines `include NAME`
headers=$(sed -n 's/^include //p' "$1")
cat "$1" "$4" $headers > "$2" && echo "$5" >> "$2" && echo "$2: $1 $headers" > "$3"
"""


def test_a_firmware_for_two_boards(tmp_path: Path) -> None:
    sources = {"src/main.c": "include src/pins.h\n", "src/led.c": "led\n", "src/pins.h": "pins\n"}
    boards = {"boards/small.txt": "8 kB\n", "boards/large.txt": "1 MB\n"}
    firmware = Workflow(tmp_path, "firmware", {**sources, **boards, "tools/compile": COMPILE})
    assert len(firmware.run()) == 2 + 4 + 2 + 1
    assert firmware.run() == []
    firmware.write("src/pins.h", "PINS\n")
    main = ["object@large,src/main.c", "object@small,src/main.c"]
    assert firmware.run() == ["image@large", "image@small", *main, "sizes"]
    firmware.write("boards/small.txt", "16 kB\n")
    small = ["object@small,src/led.c", "object@small,src/main.c"]
    assert firmware.run() == ["config@small", "image@small", *small, "sizes"]
    assert firmware.run("image@large", "-p", "mode=debug") == ["image@large", "object@large,src/led.c", main[0]]
    firmware.write("tools/compile", COMPILE + "# a remark\n")
    assert firmware.run("-p", "mode=debug") == ["image@small", "object@large,src/led.c", main[0], *small, "sizes"]


def test_a_program_that_is_built_writes_sources_that_are_built(tmp_path: Path) -> None:
    generator = 'echo "header of $(cat $1)" > $2; echo "source of $(cat $1)" > $3\n'
    files = {"generator.txt": generator, "messages/hello.txt": "hello\n", "messages/bye.txt": "bye\n"}
    codegen = Workflow(tmp_path, "codegen", files)
    made = [f"{kind}@messages/{name}.txt" for kind in ("messages", "object") for name in ("bye", "hello")]
    assert codegen.run("-j4") == ["generator", *made, "program"]
    codegen.write("generator.txt", "# a remark\n" + generator)
    assert codegen.run() == ["generator", *made[:2]]
    codegen.write("messages/bye.txt", "good-bye\n")
    assert codegen.run() == [made[0], *made[2:], "program"]


FETCH = """\
#!/bin/sh
# fetch FROM TO: the first time for each the line is down
if [ ! -e "line.$(basename "$2")" ]; then touch "line.$(basename "$2")"; exit 75; fi
cp "$1" "$2"
"""


def test_files_are_fetched_once_over_a_line_that_fails_at_times(tmp_path: Path) -> None:
    remote = {"far/one": "one\n", "far/two": "two\n"}
    listed = "files:\n  - {name: one, from: far/one}\n  - {name: two, from: far/two}\n"
    mirror = Workflow(tmp_path, "mirror", {**remote, "list.yaml": listed, "fetch": FETCH})
    assert mirror.run() == ["catalogue", "fetch@one", "fetch@two", "unpack@one", "unpack@two"]
    mirror.write("fetch", FETCH + "# a remark\n")
    mirror.write("far/one", "1\n")
    assert mirror.run() == []
    mirror.write("far/three", "three\n")
    mirror.write("list.yaml", listed + "  - {name: three, from: far/three}\n")
    assert mirror.run() == ["catalogue", "fetch@three", "unpack@three"]
    (tmp_path / "mirror/one").unlink()
    assert mirror.run() == ["catalogue", "fetch@one", "unpack@one"]
    assert mirror.read("open/one") == "1\n"


@pytest.mark.system("git")
@pytest.mark.skipif(shutil.which("git") is None, reason="git is needed")
def test_files_are_formatted_and_checked_before_a_commit(tmp_path: Path) -> None:
    tidy = Workflow(tmp_path, "tidy", {"src/a.txt": "see b  \n", "src/b.txt": "fine\n"})
    here = {"CI": ""}
    assert tidy.run("commit", env=here) == ["blanks", "commit", "format", "spelling"]
    assert tidy.read("src/a.txt") == "see b\n"
    assert tidy.run("commit", env=here) == ["commit"]
    tidy.write("src/b.txt", "fine  \n")
    assert tidy.run("-l", "quick", "*", env=here) == ["format"]  # what it left is what they have seen
    assert tidy.run("-l", "not quick", "links", env=here) == ["links"]
    tidy.write("src/b.txt", "fine  \n")
    done = run_treadle(tmp_path, "run", "commit", env={"CI": "true"}, check=1)
    assert "src/b.txt:1:fine" in done.out + done.err
