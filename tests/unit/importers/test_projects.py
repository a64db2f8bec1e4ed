"""Projects of the usual shapes: their first plans pass their checks, do what the originals do, and lose no guard.

Each project is a file in `projects`: a line that says what it is, then its files, each below a line `-- PATH --`.
The tools that it calls are fakes that write down how they were called.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from helpers import environment, run_treadle

PROJECTS = Path(__file__).parent / "projects"
FAKE = """\
#!/bin/sh
here=$(pwd -P)
echo "${{here#{root}}}:$(basename "$0") $*" >> {log}
for word; do
    if [ "$before" = -o ]; then echo made > "$word"; out=$word; fi
    if [ "$before" = -MF ]; then echo "x:" > "$word"; fi
    if [ "$word" = -MMD ]; then depfile=yes; fi
    before=$word
done
if [ -n "$depfile" ]; then echo "x:" > "${{out%.o}}.d"; fi
"""


class Case(NamedTuple):
    """What a project is to do.

    :ivar tools: the programs that it calls, as fakes
    :ivar goals: what is run by name, each with the calls that this leads to; None if make or npm tell it
    :ivar refused: what has to be refused, or to fail before it calls anything
    :ivar left_out: what the summary names
    """

    name: str
    tools: str
    goals: dict[str, list[str] | None]
    refused: tuple[str, ...] = ()
    left_out: str = ""
    original: str = ""
    environ: tuple[str, ...] = ()


def _tox(name: str) -> list[str]:
    return [f":tox -e {name}"]


CASES = (
    Case(
        "go-service",
        "go docker ssh aws psql staticcheck",
        dict.fromkeys(("build", "test", "lint", "image", "ci", "rebuild", "seed", "clean")),
        ("push", "deploy", "drop", "wipe"),
        "deploy",
        "make",
    ),
    Case("go-service", "go docker", {"push": None}, environ=("VERSION=3",), original="make"),
    Case("c-program", "cc install", dict.fromkeys(("", "check", "install")), original="make"),
    Case(
        "handbook",
        "pandoc sphinx-build rsync python3",
        dict.fromkeys(("", "html", "linkcheck", "publish", "serve", "clean")),
        environ=("PAGES_HOST=web", "SPHINXOPTS=-W -n"),
        original="make",
    ),
    Case("table-pipeline", "curl", {"": None, "upload": None}, environ=("TOKEN=x",), original="make"),
    Case("table-pipeline", "curl", {"": None}, ("upload", "fresh"), original="make"),
    Case(
        "site-tasks",
        "pandoc sassc rsync curl psql open",
        {
            "": ["/styles:sassc main.scss -o ROOT/public/main.css", PANDOC := ":pandoc --metadata mode=final -o public/index.html pages/home.md"],
            "fetch": [":curl -o vendor/normalize.css https://css.example/normalize.css"],
            "tidy": [],
            "deploy": [":rsync -a public/ web@live.example:/srv"],
            "announce": [":curl -d done https://chat.example/hook"],
        },
        ("open", "drop-database", "reset"),
        "stamp",
        environ=("STAGE=live", "CI=true", "MODE=final"),
    ),
    Case("site-tasks", "pandoc sassc rsync curl", {"s": None}, ("deploy", "announce", "drop-database"), "stamp"),
    Case("site-tasks", "pandoc sassc rsync curl", {"s": None}, ("deploy",), environ=("STAGE=prod",)),
    Case("model-pipeline", "", {"": []}, ("archive", "remote"), "archive, remote"),
    Case("tox-library", "tox", {"": [*_tox("py311"), *_tox("py312"), *_tox("lint")], "release": _tox("release")}),
    Case("nox-library", "nox", {"": [":nox -s tests", ":nox -s lint"], "publish": [":nox -s publish"]}, ("computed",), "computed"),
    Case(
        "plain-library",
        "ruff mypy python3",
        {"": [":ruff check src/ tests/ tools/", ":mypy", ":python3 -m pytest"], "package": [":python3 -m build --outdir dist"]},
    ),
    Case(
        "web-monorepo",
        "rimraf tsc vite size-limit eslint vitest playwright changeset husky",
        dict.fromkeys(("build", "lint", "test", "e2e", "watch", "release", "check")),
        ("prepare", "postinstall", "publish", "about", "prebuild"),
        "about",
        "npm run",
    ),
    Case(
        "just-service",
        "cargo sqlx docker curl journalctl",
        {
            "build": [":cargo build --profile release"],
            "t": [":cargo fmt --check", "/crates:cargo clippy", ":cargo test"],
            "about": [":cargo version --name orders ROOT"],
            "_migrate": [":sqlx migrate run"],
        },
        ("drop", "reset", "image", "push", "stamp", "console" if os.uname().sysname == "Linux" else "logs", "events"),
        "image, push, stamp",
    ),
    Case(
        "cmake-tool",
        "cc cmake",
        {
            "objects-tool": [
                f"/build:cc -MD -MF {part}.d -IROOT/src -O2 -DNAME=\"tool\" -o {part} -c ../src/{name}.c"
                for name in ("main", "add")
                for part in [f"CMakeFiles/tool.dir/src/{name}.c.o"]
            ]
        },
        left_out="made.c",
    ),
)  # fmt: skip


def unpack(project: str, folder: Path) -> None:
    """Write the files of a project."""
    _, *parts = re.split(r"^-- (\S+) --\n", (PROJECTS / f"{project}.txt").read_text(), flags=re.MULTILINE)
    for path, text in zip(parts[::2], parts[1::2], strict=True):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("@ROOT@", str(folder)))
        if text.startswith("#!"):
            file.chmod(0o755)


class Folder:
    """A project with fakes for its tools."""

    def __init__(self, base: Path, name: str, case: Case) -> None:
        self.root = (base / name).resolve()
        self.log = self.root.parent / f"{name}.log"
        unpack(case.name, self.root)
        tools = base / f"{name}-bin"
        tools.mkdir()
        for one in case.tools.split():
            (tools / one).write_text(FAKE.format(root=self.root, log=self.log))
            (tools / one).chmod(0o755)
        given = dict(one.split("=", 1) for one in case.environ)
        self.env = {**given, "PATH": f"{tools}:{os.environ['PATH']}"}

    def calls(self) -> list[str]:
        """Return the calls since the last time, in the order of their names."""
        text = self.log.read_text() if self.log.exists() else ""
        self.log.unlink(missing_ok=True)
        return sorted(line.replace(str(self.root), "ROOT").rstrip() for line in text.splitlines())


@pytest.mark.system("make", "npm")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{len(case.goals)}")
def test_the_plan_of_a_project_does_what_the_project_does(tmp_path: Path, case: Case) -> None:
    if case.original and shutil.which(case.original.split()[0]) is None:
        pytest.skip(f"{case.original} is not there to compare with")
    here = Folder(tmp_path, "here", case)
    said = run_treadle(here.root, "init", env=here.env, check=0).out
    assert case.left_out in said.partition("left out: ")[2]
    assert here.calls() == []
    run_treadle(here.root, "check", env=here.env, check=0)
    there = Folder(tmp_path, "there", case) if case.original else None
    for goal, expected in case.goals.items():
        run_treadle(here.root, "run", *filter(None, [goal]), env=here.env, check=0)
        calls = here.calls()
        if there is not None:
            subprocess.run(
                [*case.original.split(), *filter(None, [goal])],
                cwd=there.root,
                env=environment(there.env),
                check=True,
                capture_output=True,
            )
            assert (goal, calls) == (goal, there.calls())
        elif expected is not None:
            assert (goal, calls) == (goal, sorted(expected))
    for name in case.refused:
        done = run_treadle(here.root, "run", name, env=here.env)
        assert done.code in (1, 2), name
        assert not any(name in one or "psql" in one or "push" in one for one in here.calls()), name


def test_files_of_a_pipeline_are_those_of_the_original(tmp_path: Path) -> None:
    case = next(one for one in CASES if one.name == "model-pipeline")
    folder = Folder(tmp_path, "here", case)
    run_treadle(folder.root, "init", check=0)
    run_treadle(folder.root, "run", check=0)
    assert (folder.root / "scores.json").read_text() == "north1\n2\n7south1\n2\n7"
    (folder.root / "params.yaml").write_text("prepare: {seed: 8}\ntrain: {rate: 0.1}\n")
    run_treadle(folder.root, "run", check=0)
    assert (folder.root / "scores.json").read_text() == "north1\n2\n8south1\n2\n8"


def test_a_workflow_that_init_does_not_translate_is_named(tmp_path: Path) -> None:
    unpack("workflow", tmp_path)
    said = run_treadle(tmp_path, "init", check=2).err
    assert "this project belongs to Snakemake (Snakefile), which init does not translate" in said
    (tmp_path / "workflow").mkdir()
    (tmp_path / "Snakefile").rename(tmp_path / "workflow/Snakefile")
    assert "Snakemake (workflow/Snakefile)" in run_treadle(tmp_path, "init", check=2).err


@pytest.mark.parametrize(("file", "page"), [("Snakefile", "from-snakemake"), ("dodo.py", "from-doit")])
def test_a_workflow_with_a_page_of_its_own_is_sent_there(tmp_path: Path, file: str, page: str) -> None:
    (tmp_path / file).write_text("")
    assert (
        f"hint: for a plan written by hand, see howto/{page}/ in the docs"
        in run_treadle(tmp_path, "init", check=2).err
    )


def test_an_empty_folder_gets_a_plan_of_five_lines(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("# New\n")
    assert run_treadle(tmp_path, "init", check=0).out == "wrote treadle.yaml from an empty folder: 1 action\n"
    text = [one for one in (tmp_path / "treadle.yaml").read_text().splitlines() if one and "#" not in one]
    assert len(text) <= 5
    assert "ran hello" in run_treadle(tmp_path, "run", check=0).out
    assert run_treadle(tmp_path, "run", "hello", check=0).out.startswith("hello")
