"""What each discovery has to hold: run against depfiles and against one from outside of the package."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers import run_treadle, start_treadle
from json_discovery import KINDS, JsonList
from treadle import (
    DAG,
    Command,
    CommandWalk,
    Depfile,
    Discovery,
    Report,
    Retries,
    ReturnValue,
    Script,
    TreadleError,
    UsageError,
)
from treadle.command.command import Limits
from treadle.core import wording
from treadle.fastpath.snapshot_file import command_from, texts_of


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of discovery."""
    return str(request.param)


def data_of(kind: str, names: Iterable[str]) -> str:
    """Return what a command writes that has read some files."""
    return f"o: {' '.join(names)}\n" if kind == "depfile" else json.dumps(list(names))


def reader(kind: str, more: str = "", **options: Any) -> Command:
    """Return a Command that reads what the file `names` lists, and tells its discovery so."""
    text = f"echo x >> ran; cat in $(cat names) > o/out 2> /dev/null || true; cp data.{kind} o/data; {more}"
    given = {"inputs": ["in"], "outputs": ["o/out"], "discovery": KINDS[kind]("o/data"), **options}
    return Command(script=Script(text), **given)


@pytest.fixture
def root(tmp_path: Path, kind: str) -> Path:
    """A root with an input, and a reader that has read the file h."""
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "in").write_text("in\n")
    (folder / "h").write_text("one\n")
    tell(folder, kind, "h")
    return folder


def tell(root: Path, kind: str, *names: str) -> None:
    """Have the reader read these files, and say so."""
    (root / "names").write_text("\n".join(names))
    (root / f"data.{kind}").write_text(data_of(kind, names))


def walk_of(root: Path, **commands: Command) -> CommandWalk:
    dag = DAG()
    for uid, command in commands.items():
        dag.add_vertex(uid, command)
    return CommandWalk(dag, str(root))


def run(root: Path, command: Command, **others: Command) -> Report:
    """Walk; once more if the reader was not recorded, as a file that it found is no older than the clock's grain."""
    report = walk_of(root, use=command, **others).run()
    return walk_of(root, use=command, **others).run() if report.actions["use"].unrecorded else report


def ran(root: Path) -> int:
    """Return how often the reader has run."""
    return len((root / "ran").read_text().split())


def why(root: Path, command: Command) -> str:
    """Return why the reader would run, "" if it would be skipped."""
    return wording.reasons(walk_of(root, use=command).look()["use"].reasons)


def test_a_changed_discovered_input_runs_the_action_again_and_the_reason_names_it(root: Path, kind: str) -> None:
    assert run(root, reader(kind)).ok
    before = ran(root)
    assert run(root, reader(kind)).actions["use"].status == ReturnValue.skip
    (root / "h").write_text("two\n")
    assert why(root, reader(kind)) == "discovered input h changed"
    assert run(root, reader(kind)).ok
    assert (root / "o/out").read_text() == "in\ntwo\n"
    assert why(root, reader(kind)) == ""
    assert ran(root) == before + 1


def test_an_absent_path_is_recorded_as_absent(root: Path, kind: str) -> None:
    tell(root, kind, "inc/none")
    run(root, reader(kind))
    assert why(root, reader(kind)) == ""
    (root / "inc").mkdir()
    (root / "inc/none").write_text("here\n")
    assert why(root, reader(kind)) == "discovered input inc/none is there now"


def test_what_is_no_longer_named_counts_no_longer(root: Path, kind: str) -> None:
    run(root, reader(kind))
    tell(root, kind, "in")
    (root / "h").write_text("two\n")
    run(root, reader(kind))
    (root / "h").write_text("three\n")
    assert why(root, reader(kind)) == ""


def test_a_folder_counts_with_all_that_is_in_it(root: Path, kind: str) -> None:
    (root / "folder/deep").mkdir(parents=True)
    tell(root, kind, "folder")
    run(root, reader(kind))
    assert why(root, reader(kind)) == ""
    (root / "folder/deep/new").touch()
    assert why(root, reader(kind)) == "discovered input folder/ changed"


@pytest.mark.parametrize("is_relative", [True, False])
def test_a_path_outside_of_the_root_counts(root: Path, kind: str, is_relative: bool) -> None:
    outside = root.parent / "outside"
    outside.write_text("one\n")
    tell(root, kind, "../outside" if is_relative else str(outside))
    run(root, reader(kind))
    assert why(root, reader(kind)) == ""
    outside.write_text("two\n")
    assert why(root, reader(kind)) == f"discovered input {outside} changed"


def test_names_are_relative_to_the_folder_of_the_command(root: Path, kind: str) -> None:
    (root / "sub").mkdir()
    (root / "sub/h").write_text("one\n")
    text = f"cat h > ../o/out; cp ../data.{kind} ../o/data"
    command = Command(script=Script(text), cwd="sub", outputs=["o/out"], discovery=KINDS[kind]("o/data"))
    assert run(root, command).ok
    (root / "sub/h").write_text("two\n")
    assert why(root, command) == "discovered input sub/h changed"


def test_outputs_the_data_the_state_and_declared_inputs_are_not_discovered(root: Path, kind: str) -> None:
    tell(root, kind, "in", "o/out", "o/data", ".treadle/records", "./h")
    run(root, reader(kind))
    walk = walk_of(root, use=reader(kind))
    walk.look()
    seen = walk.last_inputs("use")
    assert seen is not None
    assert [path for path in seen.results if path != "o/out"] == ["h"]
    assert why(root, reader(kind)) == ""


def test_the_data_in_a_folder_that_is_read_is_no_reason_to_run(root: Path, kind: str) -> None:
    tell(root, kind, ".")
    for name in ("ran", "names"):
        (root / name).touch()
    command = reader(kind, inputs=["in"])
    assert command.script is not None
    command.script.text = f"cat in > o/out; cp data.{kind} o/data"
    run(root, command)
    run(root, command)
    assert why(root, command) == ""


@pytest.mark.parametrize("state", ["missing", "a folder"])
def test_data_that_cannot_be_read_fails_the_action_in_words(root: Path, kind: str, state: str) -> None:
    more = "rm o/data" if state == "missing" else "rm o/data; mkdir o/data"
    report = run(root, reader(kind, more))
    said = f"it ended well but its {KINDS[kind].kind} o/data cannot be read: "
    assert str(report.actions["use"].failure).startswith(said)
    assert not (root / "o/out").exists()
    assert why(root, reader(kind)).startswith("the last run failed")


@pytest.mark.parametrize(
    ("kind", "data"), [("depfile", "nothing"), ("depfile", "\0"), ("json", "nothing"), ("json", ""), ("json", "\0")]
)
def test_data_that_is_not_valid_fails_the_action_in_words(root: Path, kind: str, data: str) -> None:
    (root / f"data.{kind}").write_text(data)
    failure = str(run(root, reader(kind)).actions["use"].failure)
    assert "o/data" in failure
    assert "Traceback" not in failure
    assert not (root / "o/out").exists()


def test_data_in_another_encoding_fails_the_action_in_words(root: Path) -> None:
    (root / "data.json").write_bytes(b'["\xff"]')
    (root / "data.depfile").write_bytes(b"o: h\n")
    report = run(root, reader("json"))
    assert "its list of inputs o/data is not valid: 'utf-8' codec" in str(report.actions["use"].failure)


def test_an_attempt_finds_no_data_of_one_before_and_a_retry_counts_alone(root: Path, kind: str) -> None:
    (root / "wrong").write_text("one\n")
    (root / "data.first").write_text(data_of(kind, ["wrong"]))
    text = (
        "if [ -e o/data ]; then echo left >> left; fi; "
        f"if [ -e second ]; then cat h > o/out; cp data.{kind} o/data; "
        "else touch second; cp data.first o/data; exit 1; fi"
    )
    command = reader(kind, limits=Limits(retries=Retries(max=1)))
    assert command.script is not None
    command.script.text = text
    assert run(root, command).ok
    (root / "h").write_text("two\n")
    assert run(root, command).ok
    assert not (root / "left").exists()
    (root / "wrong").write_text("two\n")
    assert why(root, command) == ""
    (root / "h").write_text("three\n")
    assert why(root, command) == "discovered input h changed"


def test_what_another_action_makes_is_waited_for_from_the_next_run_on(root: Path, kind: str) -> None:
    (root / "source").write_text("one\n")
    maker = Command(["cp", "source", "h"], inputs=["source"], outputs=["h"])
    (root / "h").unlink()
    for text in ("one\n", "two\n"):
        (root / "source").write_text(text)
        run(root, reader(kind), zmaker=maker)
        run(root, reader(kind), zmaker=maker)
    assert (root / "o/out").read_text() == "in\ntwo\n"
    report = run(root, reader(kind), zmaker=maker)
    assert [one.status for one in report.actions.values()] == [ReturnValue.skip, ReturnValue.skip]


def test_another_file_of_data_is_another_key(root: Path, kind: str) -> None:
    run(root, reader(kind))
    other = reader(kind, "mv o/data o/other", discovery=KINDS[kind]("o/other"))
    assert KINDS[kind]("o/other").element in why(root, other)
    assert run(root, other).ok
    assert why(root, other) == ""


def test_an_action_that_reads_what_one_after_it_makes_is_a_circle_and_says_so(root: Path, kind: str) -> None:
    later = Command(["cp", "o/out", "h"], inputs=["o/out"], outputs=["h"])
    for _ in range(3):
        dag = DAG()
        dag.add_vertex("use", reader(kind))
        dag.add_vertex("later", later, predecessors=["use"])
        report = CommandWalk(dag, str(root)).run()
        assert report.ok
        text = str(report.actions["use"].unrecorded)
        assert "h is made by later, which comes after it: this circle is never recorded" in text


def test_what_moved_under_way_and_is_no_circle_is_not_called_one(root: Path, kind: str) -> None:
    report = walk_of(root, use=reader(kind, "echo more >> h")).run()
    assert "circle" not in str(report.actions["use"].unrecorded)


@pytest.mark.parametrize("path", ["./data", "o/./data", "o//data", "./o/data"])
def test_data_with_another_spelling_of_its_path_is_refused_with_the_right_one(
    root: Path, kind: str, path: str
) -> None:
    from treadle import TreadleError

    with pytest.raises(TreadleError, match="is not a plain path") as error:
        run(root, reader(kind, discovery=KINDS[kind](path)))
    assert error.value.hint == f"write {os.path.normpath(path)}"


@pytest.mark.parametrize("path", ["../data", "/tmp/data", ".treadle/data", "a/../data"])
def test_data_outside_of_the_root_is_refused(root: Path, kind: str, path: str) -> None:
    from treadle import TreadleError

    with pytest.raises(TreadleError, match="not inside the root"):
        run(root, reader(kind, discovery=KINDS[kind](path)))


@pytest.mark.parametrize("path", ["", "data/", None, Path("data")])
def test_what_is_no_path_of_a_file_is_refused(kind: str, path: Any) -> None:
    with pytest.raises(UsageError, match="expected the path of a file"):
        KINDS[kind](path)


# The real command, on plans of a front end from outside.


@pytest.fixture
def project(root: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root with a plan: the reader, and an action that reads what that makes."""
    info = root.parent / "package/json-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: json\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[treadle.frontends]\njson = json_discovery:JsonPlans\n")
    support = Path(__file__).parent.parent / "support"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(info.parent), str(support)]))
    use = reader(kind, "[ ! -p hold ] || cat hold > /dev/null")
    assert use.script is not None
    actions = {
        "use": {"sh": use.script.text, "in": ["in"], "out": ["o/out"], "names": kind, "data": "o/data"},
        "after": {"sh": "cat o/out > o/after", "in": ["o/out"], "out": ["o/after"]},
    }
    (root / "plan.json").write_text(json.dumps(actions))
    return root


def treadle(root: Path, command: str, *words: str, check: int = 0) -> str:
    done = run_treadle(root, command, "-f", "plan.json", *words, check=check)
    return done.out + done.err


def test_each_command_knows_the_discovered_inputs(project: Path, kind: str) -> None:
    assert "2 run" in treadle(project, "run")
    assert treadle(project, "run").startswith("nothing to do: 2 up to date")
    assert "h " in treadle(project, "list", "--files", "use")
    (project / "h").write_text("two\n")
    assert "discovered input h changed" in treadle(project, "status", check=1)
    assert "discovered input h changed" in treadle(project, "why", "use")
    assert "2 run" in treadle(project, "run")
    assert (project / "o/after").read_text() == "in\ntwo\n"
    assert treadle(project, "run").startswith("nothing to do: 2 up to date")
    assert treadle(project, "adopt", "*") == "2 actions taken as current\n"
    assert treadle(project, "run").startswith("nothing to do: 2 up to date")
    (project / "h").write_text("three\n")
    assert "discovered input h changed" in treadle(project, "status", check=1)
    treadle(project, "clean")
    assert not (project / "o").exists()


def test_an_edited_plan_is_compared_with_its_discovery(project: Path, kind: str) -> None:
    treadle(project, "run")
    plan = (project / "plan.json").read_text()
    (project / "plan.json").write_text(plan.replace('"o/data"', '"o/other"'))
    assert "cannot be read" in treadle(project, "run", check=1)
    (project / "plan.json").write_text(plan)
    assert "use" in treadle(project, "run")
    (project / "plan.json").write_text(plan + "\n")
    assert treadle(project, "run").startswith("nothing to do: 2 up to date")


def test_adopt_without_the_data_records_nothing(project: Path, kind: str) -> None:
    treadle(project, "run")
    (project / "o/data").unlink()
    assert f"the {KINDS[kind].kind} o/data is missing" in treadle(project, "adopt", "use", check=2)


def test_the_data_of_a_killed_attempt_counts_for_nothing(project: Path, kind: str) -> None:
    treadle(project, "run")
    (project / "wrong").write_text("one\n")
    (project / "h").write_text("two\n")
    tell(project, kind, "wrong")
    os.mkfifo(project / "hold")
    child = start_treadle(project, "run", "-f", "plan.json")
    # the reader opens it once the data is written
    with open(project / "hold", "wb"):
        child.send_signal(signal.SIGKILL)
        child.communicate()
    (project / "hold").unlink()
    tell(project, kind, "h")
    assert "interrupted" in treadle(project, "status", check=1)
    assert "2 run" in treadle(project, "run")
    (project / "wrong").write_text("two\n")
    assert treadle(project, "run").startswith("nothing to do: 2 up to date")
    (project / "h").write_text("three\n")
    assert "2 run" in treadle(project, "run")


# What a discovery may do beside reading.


class Wrapping(JsonList):
    """Has each step started by a program that says what it read, as a tracer of system calls does."""

    def prepare(self, root: str) -> None:
        with open(os.path.join(root, "prepared"), "a") as file:
            file.write(f"{os.path.exists(os.path.join(root, self.path))}\n")

    def wrap(self, argvs: Sequence[Sequence[str]], root: str) -> Sequence[Sequence[str]]:
        trace = 'echo "$@" >> traced; cp data.json o/data; exec "$@"'
        return [["sh", "-c", trace, "sh", *argv] for argv in argvs]


def steps(discovery: Discovery, last: Sequence[str] = ("cp", "h", "o/out"), **options: Any) -> Command:
    return Command([["true"], last], outputs=["o/out"], discovery=discovery, **options)


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    (tmp_path / "h").write_text("one\n")
    (tmp_path / "data.json").write_text('["h"]')
    return tmp_path


def test_each_step_is_started_as_the_discovery_says(traced: Path) -> None:
    assert run(traced, steps(Wrapping("o/data"))).ok
    shown = [line.split()[0].rpartition("/")[2] for line in (traced / "traced").read_text().splitlines()]
    assert shown[-2:] == ["true", "cp"]
    (traced / "h").write_text("two\n")
    assert why(traced, steps(Wrapping("o/data"))) == "discovered input h changed"


def test_it_is_prepared_for_each_attempt_when_no_data_is_there(traced: Path) -> None:
    command = steps(Wrapping("o/data"), ("false",), limits=Limits(retries=Retries(max=1)))
    assert not run(traced, command).ok
    assert not run(traced, command).ok
    assert (traced / "prepared").read_text().split() == ["False"] * 4


def test_what_wraps_is_no_part_of_the_key_and_key_is(traced: Path) -> None:
    class Keyed(Wrapping):
        key = "version 2"

    run(traced, steps(Wrapping("o/data")))
    assert why(traced, steps(JsonList("o/data"))) == ""
    assert why(traced, steps(Keyed("o/data"))) == "discovery list of inputs changed"


def test_the_exit_code_of_what_is_wrapped_counts(traced: Path) -> None:
    report = run(traced, steps(Wrapping("o/data"), ("sh", "-c", "exit 7")))
    assert report.actions["use"].failure == "exit code 7"


@pytest.mark.parametrize("given", [None, [], [[]], "sh", [["sh", 3]], ["sh"]])
def test_what_wrap_may_not_return_fails_the_action_in_words(traced: Path, given: Any) -> None:
    class Odd(JsonList):
        def wrap(self, argvs: Sequence[Sequence[str]], root: str) -> Any:
            return given

    failure = str(run(traced, steps(Odd("o/data"))).actions["use"].failure)
    assert "Odd.wrap() returned" in failure
    assert "'use'" in failure


def test_what_cannot_be_prepared_fails_the_action(traced: Path) -> None:
    class Full(JsonList):
        def prepare(self, root: str) -> None:
            raise OSError(13, "no tracer here", "strace")

    assert "no tracer here" in str(run(traced, steps(Full("o/data"))).actions["use"].failure)


ODD: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "a text": lambda: "h",
    "numbers": lambda: [3],
    "a number": lambda: 3,
    "an empty path": lambda: [""],
    "a path with a byte 0": lambda: ["a\0b"],
}


@pytest.mark.parametrize("odd", ODD)
def test_what_read_may_not_return_fails_the_action_in_words(traced: Path, odd: str) -> None:
    class Odd(Wrapping):
        def read(self, root: str) -> Any:
            return ODD[odd]()

    failure = str(run(traced, steps(Odd("o/data"))).actions["use"].failure)
    assert "Odd.read() returned" in failure or "which is not the path of a file" in failure


@pytest.mark.parametrize("is_lazy", [False, True])
@pytest.mark.parametrize(
    "error",
    [KeyError("inputs"), RuntimeError("odd"), TypeError(), RecursionError("deep"), NotImplementedError("no")],
    ids=repr,
)
def test_an_exception_in_read_fails_that_action_and_names_the_discovery(
    traced: Path, error: Exception, is_lazy: bool
) -> None:
    class Broken(Wrapping):
        def read(self, root: str) -> Any:
            if not is_lazy:
                raise error
            return self._fail()

        def _fail(self) -> Any:
            yield "h"
            raise error

    other = Command(["touch", "p"], outputs=["p"])
    report = run(traced, steps(Broken("o/data")), other=other)
    text = str(error) or type(error).__name__
    failure = f"its discovery o/data cannot be read: Broken.read() raised {type(error).__name__}: {text}"
    assert failure.removeprefix("its discovery") in str(report.actions["use"].failure)
    assert report.actions["other"].status == ReturnValue.success


def test_read_may_be_a_generator(traced: Path) -> None:
    class Lazy(Wrapping):
        def read(self, root: str) -> Any:
            yield from ("h", "h", "./h")

    assert run(traced, steps(Lazy("o/data"))).ok
    (traced / "h").write_text("two\n")
    assert why(traced, steps(Lazy("o/data"))) == "discovered input h changed"


def test_a_discovery_without_read_is_refused(traced: Path) -> None:
    report = run(traced, steps(type("Nothing", (Discovery,), {})("o/data"), ("sh", "-c", "touch o/out")))
    assert "Nothing has no read()" in str(report.actions["use"].failure)


def test_depfile_is_short_for_a_discovery() -> None:
    command = Command(["cc"], depfile="a.d")
    assert isinstance(command.discovery, Depfile)
    assert command.depfile == command.discovery.path == "a.d"
    assert Command(["cc"]).discovery is None
    assert Command(["cc"], discovery=JsonList("a.d")).depfile is None


def test_a_command_takes_one_discovery() -> None:
    with pytest.raises(UsageError, match="a depfile and a discovery"):
        Command(["cc"], depfile="a.d", discovery=Depfile("a.d"))
    with pytest.raises(UsageError, match=r"expected a treadle\.Discovery"):
        Command(["cc"], discovery="a.d")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({"outputs": ["o"], "data": "d"}, {"outputs": ["p"], "data": "d"}, "d is an output of a and of b"),
        ({"outputs": ["d"]}, {"outputs": ["p"], "data": "d"}, "d is an output of a and of b"),
        ({"outputs": ["o"], "data": "p"}, {"outputs": ["p"]}, "p is an output of a and of b"),
        (
            {"outputs": ["o"], "inputs": ["h"], "data": "h"},
            {"outputs": ["p"]},
            "a reads its .* h, which is removed",
        ),
        ({"outputs": ["o"], "edits": ["h"], "data": "h"}, {"outputs": ["p"]}, "a reads its .* h, which is removed"),
    ],
)
def test_data_that_would_be_of_two_actions_or_an_input_is_refused(
    kind: str, first: dict[str, Any], second: dict[str, Any], told: str, tmp_path: Path
) -> None:
    (tmp_path / "h").write_text("kept\n")
    dag = DAG()
    for name, given in (("a", first), ("b", second)):
        data = given.pop("data", None)
        discovery = KINDS[kind](data) if data else None
        dag.add_vertex(name, Command(["true"], discovery=discovery, **given))
        given |= {"data": data} if data else {}
    with pytest.raises(TreadleError, match=told):
        CommandWalk(dag, str(tmp_path)).run()
    assert (tmp_path / "h").read_text() == "kept\n"


class InContainer(Depfile):
    """A depfile with the paths of another place."""

    def read(self, root: str) -> list[str]:
        return [path.removeprefix("/ctr/") for path in super().read(root)]


def test_a_subclass_of_depfile_is_never_taken_for_a_depfile() -> None:
    command = Command(["a"], discovery=InContainer("d"))
    assert command.depfile is None
    with pytest.raises(ValueError, match="no depfile"):
        command_from(texts_of(command))
    assert texts_of(command) != texts_of(Command(["a"], depfile="d"))


@pytest.mark.parametrize("named", [".treadle", ".treadle/", ".treadle/records", "./.treadle"])
def test_the_state_folder_is_left_out(named: str, tmp_path: Path) -> None:
    script = f"cat x > o; echo 'o: x {named}' > d"
    (tmp_path / "x").write_text("x\n")
    runs = []
    for _ in range(4):
        dag = DAG()
        dag.add_vertex("a", Command(script=Script(script), outputs=["o"], depfile="d"))
        verdict = CommandWalk(dag, str(tmp_path)).run().actions["a"].verdict
        assert verdict is not None
        runs.append(verdict.decision)
    # what was written just before the first run may have been written during it
    assert runs[2:] == ["skip", "skip"]
