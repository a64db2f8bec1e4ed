"""The tests of any engine, for packages that bring one; `treadle.testing` has it by this name."""

from __future__ import annotations

import os
import tempfile
import threading
from time import monotonic
from typing import TYPE_CHECKING

from .command.command import Command, Environment, Limits, Script
from .command.walk import CommandWalk, Settings
from .core.graph.dag import DAG
from .core.pool import Demand
from .engines.spec import RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .core.outcomes import Report
    from .engines.spec import AttemptSpec, Engine


class EngineContract:
    """What each Engine has to do, as tests: a subclass whose name begins with `Test` says how one is made.

    Each test runs actions by a `CommandWalk` in an empty folder, which the workers have to see by the same path.
    """

    lease = 6.0
    """Seconds of silence after which a worker counts as gone."""
    folder: str | None = None
    """Where the empty folders are made, None for that of temporary files."""

    def make_engine(self) -> Engine:
        """Return an engine with at least two processors."""
        raise NotImplementedError(f"{type(self).__name__} has no make_engine()")

    def _run(self, root: str, commands: Mapping[str, Command], engine: Engine | None = None) -> Report:
        from .engines.choice import EngineChoice

        dag = DAG()
        for uid, command in commands.items():
            dag.add_vertex(uid, command)
        walk = _OnEngine(dag, root, Settings(jobs=4, keep_going=0))
        made = engine or self.make_engine()

        def folder() -> str:
            path = os.path.join(walk.store.folder, "runs", walk.run_id)
            os.makedirs(path, 0o700, exist_ok=True)
            return path

        walk.engines[_NAME] = EngineChoice(_NAME, seconds=self.lease).runner(folder, made)
        return walk.run()

    def _root(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(dir=self.folder)

    def test_an_action_runs_where_the_engine_says_and_leaves_its_outputs_and_its_log(self) -> None:
        """It has the environment and the folder of its Command, and nothing else."""
        with self._root() as root:
            text = 'printf \'%s %s\' "$X" "${PATH:+path}" > o; echo said'
            command = Command(script=Script(text), env=Environment({"X": "y"}), outputs=["o"])
            report = self._run(root, {"a": command})
            assert report.ok, report.actions["a"].failure
            assert report.actions["a"].host, "the report does not say where it ran"
            assert _read(root, "o") == "y path"
            assert _read(root, ".treadle/logs/a.log") == "said\n"

    def test_an_exit_code_and_a_signal_are_told_as_they_are(self) -> None:
        """That of the last program, and no other word for it."""
        with self._root() as root:
            texts = {"zero": "exit 0", "seven": "exit 7", "signal": "kill -USR1 $$"}
            ends = self._run(root, {uid: Command([["sh", "-c", text]]) for uid, text in texts.items()}).actions
            assert ends["zero"].failure is None
            assert ends["seven"].failure == "exit code 7"
            assert "SIGUSR1" in str(ends["signal"].failure)

    def test_each_of_many_runs_once(self) -> None:
        """Also those of one call of `submit`."""
        with self._root() as root:
            texts = {f"a{n}": f"echo {n} >> n{n}; exit {n % 3}" for n in range(24)}
            ends = self._run(root, {uid: Command(script=Script(text)) for uid, text in texts.items()}).actions
            for n in range(24):
                assert ends[f"a{n}"].failure == (f"exit code {n % 3}" if n % 3 else None)
                assert _read(root, f"n{n}") == f"{n}\n"

    def test_a_time_limit_ends_an_action_with_all_that_it_has_started(self) -> None:
        """By `stop`, or by the lease alone."""
        with self._root() as root:
            text = "sleep 300 & echo $! > pid; wait"
            report = self._run(root, {"a": Command(script=Script(text), limits=Limits(timeout=1.0))})
            assert "time limit" in str(report.actions["a"].failure)
            _wait_for_end(int(_read(root, "pid")))

    def test_an_action_whose_worker_is_killed_runs_again_and_its_neighbours_are_not_harmed(self) -> None:
        """Nothing of the first attempt runs when the next begins: what the engine says of its worker is a hint."""
        with self._root() as root:
            text = _ALONE + "if [ $(wc -l < pids) = 1 ]; then kill -KILL $PPID; exec sleep 300; fi; echo done > o"
            commands = {"a": Command(script=Script(text), outputs=["o"])}
            commands |= {f"n{n}": Command(script=Script(f"sleep 1; echo > n{n}"), outputs=[f"n{n}"]) for n in "xy"}
            report = self._run(root, commands)
            assert report.ok, {uid: end.failure for uid, end in report.actions.items()}
            assert [one.outcome.kind for one in report.actions["a"].attempts] == ["lost", "success"]
            assert not os.path.exists(os.path.join(root, "twice")), "two attempts ran at the same time"

    def test_a_spec_that_is_submitted_twice_runs_once(self) -> None:
        """An engine may start one again, as some do after the loss of a worker; the second begins nothing."""
        with self._root() as root:
            engine = self.make_engine()
            submit = engine.submit

            def twice(attempts: Sequence[AttemptSpec]) -> list[str]:
                submit(attempts)
                return submit(attempts)

            engine.submit = twice  # type: ignore[method-assign]
            command = Command(script=Script("echo >> n; sleep 0.2; wc -l < n > o"), outputs=["o"])
            report = self._run(root, {"a": command}, engine)
            assert report.ok, report.actions["a"].failure
            assert _read(root, "n") == "\n"

    def test_it_says_what_it_has_and_a_demand_is_met_by_one_node_of_it(self) -> None:
        """`capacity` is asked before `open`."""
        pool = self.make_engine().capacity()
        assert pool.most("cpus"), "it has no processors"
        assert pool.refusal(Demand({"cpus": pool.most("cpus") or 0})) is None

    def test_it_can_be_opened_again_after_it_was_closed(self) -> None:
        """One engine may serve several runs, one after the other."""
        engine = self.make_engine()
        for name in ("one", "two"):
            with self._root() as root:
                report = self._run(root, {name: Command(script=Script(f"echo > {name}"), outputs=[name])}, engine)
                assert report.ok, report.actions[name].failure

    def test_wake_ends_a_poll_from_another_thread(self) -> None:
        """The run has something for it; a wake between two polls ends the next one."""
        with self._root() as root:
            engine = self.make_engine()
            os.makedirs(os.path.join(root, "run"), 0o700)
            folder = RunFolder(os.path.join(root, "run"))
            folder.make()
            engine.open(folder)
            try:
                engine.wake()
                began = monotonic()
                assert engine.poll(30.0) == []
                assert monotonic() - began < 20.0
                waking = threading.Timer(0.2, engine.wake)
                waking.start()
                assert engine.poll(30.0) == []
                assert monotonic() - began < 20.0
                waking.join()
            finally:
                engine.close(keep=False)


_NAME = "engine"
_ALONE = """
for p in $(cat pids 2>/dev/null); do
  case "$(ps -o stat= -p $p)" in "" | Z*) ;; *) echo $p >> twice ;; esac
done
echo $$ >> pids
"""
"""The begin of a script which notes that another attempt of it lives."""


class _OnEngine(CommandWalk):
    def engine_of(self, uid: str, command: Command) -> str:
        del uid, command
        return _NAME


def _read(root: str, name: str) -> str:
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def _wait_for_end(pid: int, seconds: float = 30.0) -> None:
    end = monotonic() + seconds
    while monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
    raise AssertionError(f"process {pid} still runs")
