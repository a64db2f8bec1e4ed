"""Fakes for tests of what is built on Walk, Scheduler and Job: no processes, no clock, no files.

Put them into a Scheduler as its `clock` and `runner`; a Walk makes its Scheduler in `create_scheduler`.
`OutputCacheContract` has the tests of any OutputCache, `EngineContract` those of any Engine, and a `LyingCache` is
no cache that can be relied on.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from .cache.base import EMPTY, ENTRY_LIMIT, CacheError, Digest
from .engine_contract import EngineContract
from .engines.base import AttemptEnd
from .engines.process import Process
from .scheduling.job import Job
from .status import ReturnValue
from .walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from .cache.base import OutputCache
    from .core.callbacks import NotifyEnd
    from .core.graph.dag import DAG
    from .engines.base import Attempt

__all__ = [
    "LIES",
    "TRUTH",
    "CallJob",
    "EngineContract",
    "FakeClock",
    "FakeProcess",
    "LyingCache",
    "ManualRunner",
    "MemoryWalk",
    "OutputCacheContract",
]


class FakeClock:
    """A clock that does not advance until it is moved; calling it returns its seconds.

    :param now: what it shows at first
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return what it shows."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class FakeProcess(Process):
    """What a ManualRunner gives out for a program: it ends when the test says so, or when it is killed."""

    def __init__(self, runner: ManualRunner, key: object, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self.mark = ""
        self.fd = -1
        self.managed = True
        self._runner = runner
        self._key = key

    def is_running(self) -> bool:
        """Return whether the test has not ended it yet."""
        return self._key in self._runner.running

    def wait(self, timeout: float | None = None) -> int | None:  # noqa: ARG002 - nothing is waited for
        """Return its status."""
        return self.status

    def kill(self, recursive: bool = False) -> None:  # noqa: ARG002 - it has no descendants
        """End it as a KILL would."""
        if self.is_running():
            self._runner.end(self._key, -9)


class ManualRunner:
    """Runs nothing: it keeps what it was given to start, and the test says what ends, when, and how.

    Programs are named by the key that they were started under; where that is a job, its uid will do too.

    :param clock: is advanced where `poll` would have slept
    :param play: called with this runner by each `poll` that has nothing to report: it may `end` programs. Left
        out, the program that was started first ends well.
    """

    def __init__(
        self, clock: FakeClock | None = None, play: Callable[[ManualRunner], object] | None = None
    ) -> None:
        self.grace = 5.0
        self.clock = clock or FakeClock()
        self.play = play or ManualRunner.end_oldest
        # What was started, in this order; what of it runs now, by key; what `stop` and `kill` were called with;
        # program -> why it cannot be started.
        self.starts: list[Attempt] = []
        self.running: dict[object, Attempt] = {}
        self.stopped: list[object] = []
        self.killed: list[object] = []
        self.unstartable: dict[str, str] = {}
        self._processes: dict[object, FakeProcess] = {}
        self._ended: deque[AttemptEnd] = deque()
        self._woken = False

    @property
    def active(self) -> int:
        """How many have been started and not been reported as ended."""
        return len(self.running) + len(self._ended)

    @property
    def has_room(self) -> bool:
        """Whether it starts more: always."""
        return True

    def start(self, key: object, start: Attempt) -> FakeProcess | None:
        """Keep it; return a process that runs until the test ends it."""
        self.starts.append(start)
        program = start.argvs[0][0]
        if program in self.unstartable:
            self._ended.append(AttemptEnd(key, None, self.unstartable[program]))
            return None
        self.running[key] = start
        self._processes[key] = FakeProcess(self, key, 100_000 + len(self.starts))
        return self._processes[key]

    def tells_start(self, key: object) -> bool:  # noqa: ARG002 - it is the same for all
        """Return whether `poll` reports its start: it starts at once."""
        return False

    def knows(self, key: object) -> bool:
        """Return whether it was started under this key and has not been reported as ended."""
        return key in self.running or any(ended.key is key for ended in self._ended)

    def end(self, name: object, code: int = 0, *, cause: str = "") -> None:
        """Let a running program end with this exit code; KeyError if no such program runs.

        :param cause: what an engine knows of it, as `AttemptEnd.cause`, such as `out_of_memory`
        """
        self._end(name, code, cause=cause)

    def lose(self, name: object, host: str = "") -> None:
        """Let a running program be lost, as if its worker had gone away; KeyError if no such program runs.

        :param host: where it ran
        """
        self._end(name, None, cause="lost", host=host)

    def _end(self, name: object, code: int | None, *, cause: str = "", host: str = "") -> None:
        known = [key for key in self.running if name in (key, key.uid if isinstance(key, Job) else key)]
        if not known:
            raise KeyError(name)
        key = known[0]
        del self.running[key]
        process = self._processes.pop(key)
        if process.status is None:
            process.status = code
        self._ended.append(AttemptEnd(key, code, "", process, cause=cause, host=host))

    def end_oldest(self) -> None:
        """Let the program that was started first end well."""
        if self.running:
            self.end(next(iter(self.running)))

    def poll(self, timeout: float | None) -> list[AttemptEnd]:
        """Ask `play` what ends; if that is nothing, let `timeout` seconds pass.

        :raises AssertionError: if nothing ends and nothing would ever wake it
        """
        if not self._ended and not self._woken:
            self.play(self)
        if not self._ended and not self._woken:
            assert timeout is not None, f"nothing ends and there is no time limit; these run: {list(self.running)}"
            self.clock.advance(timeout)
        ended, self._woken = list(self._ended), False
        self._ended.clear()
        return ended

    def stop(self, key: object) -> None:
        """Note that it is to end; it runs on until the test ends it."""
        self.stopped.append(key)

    def kill(self, key: object) -> None:
        """Note that it is killed, and end it."""
        self.killed.append(key)
        if key in self.running:
            self.end(key, -9)

    def recover(self) -> list[AttemptEnd]:
        """Return what has ended and has not been returned yet: it loses nothing."""
        ended = list(self._ended)
        self._ended.clear()
        return ended

    def wake(self) -> None:
        """Make the next `poll` return at once."""
        self._woken = True

    def close(self) -> None:
        """Do nothing."""


class CallJob(Job):
    """A job that calls a function in its thread; a ReturnValue that it returns is the status of the job."""

    def __init__(self, uid: Any, data: Any, notify_end: NotifyEnd, function: Callable[[], object]) -> None:
        super().__init__(uid, data, notify_end)
        self.function = function
        self.returned: object = None

    @property
    def status(self) -> ReturnValue:
        """What the function has returned, success if that was no ReturnValue."""
        return self.returned if isinstance(self.returned, ReturnValue) else super().status

    def run(self) -> None:
        """Call the function."""
        self.returned = self.function()


class MemoryWalk(Walk):
    """A Walk that keeps its fingerprints in a dict, which outlives it when the caller keeps it.

    :param records: uid -> fingerprint; None for an empty one of its own
    """

    def __init__(self, actions: DAG, records: dict[Hashable, Any] | None = None) -> None:
        super().__init__(actions)
        self.records = {} if records is None else records

    def load_previous_fingerprint(self, uid: Any) -> Any:
        """Return what the dict holds."""
        return self.records.get(uid)

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        """Put a fingerprint into the dict; None takes it out."""
        if fingerprint is None:
            self.records.pop(uid, None)
        else:
            self.records[uid] = fingerprint


class OutputCacheContract:
    """What each OutputCache has to do, as tests: a subclass whose name begins with `Test` says how one is made.

    Each test gets a store with nothing in it.
    """

    def make_cache(self, folder: str) -> OutputCache:
        """Return a store that can be written to.

        :param folder: an empty folder that is removed after the test
        """
        raise NotImplementedError(f"{type(self).__name__} has no make_cache()")

    def test_an_entry_is_returned_as_it_was_stored(self) -> None:
        """The last one that was stored counts."""
        with tempfile.TemporaryDirectory() as folder:
            cache = self.make_cache(folder)
            key, other = "ab" * 32, "cd" * 32
            assert cache.get_entry(key, ENTRY_LIMIT) is None
            cache.put_entry(key, b"\x12\x00")
            assert cache.get_entry(key, ENTRY_LIMIT) == b"\x12\x00"
            assert cache.get_entry(other, ENTRY_LIMIT) is None
            cache.put_entry(key, b"\x20\x01")
            assert cache.get_entry(key, ENTRY_LIMIT) == b"\x20\x01"
            assert cache.close(10.0) == 0

    def test_an_entry_above_the_limit_is_a_fault(self) -> None:
        """It is not cut off, and not returned."""
        with tempfile.TemporaryDirectory() as folder:
            cache = self.make_cache(folder)
            cache.put_entry("ab" * 32, bytes(101))
            assert len(cache.get_entry("ab" * 32, 101) or b"") == 101
            try:
                cache.get_entry("ab" * 32, 100)
            except CacheError:
                return
            raise AssertionError("an entry of 101 bytes was taken where 100 may be")

    def test_a_blob_is_returned_as_it_was_stored(self) -> None:
        """In a new file with the mode 0666 less the umask; what it was stored from may be stored again."""
        with tempfile.TemporaryDirectory() as folder:
            cache = self.make_cache(os.path.join(folder, "store"))
            for number, data in enumerate((b"x", bytes(range(256)) * 4097, b"x")):
                source, target = os.path.join(folder, f"s{number}"), os.path.join(folder, f"t{number}")
                with open(source, "wb") as file:
                    file.write(data)
                digest = Digest(sha256(data).hexdigest(), len(data))
                cache.put_blob(digest, source)
                assert cache.get_blob(digest, target)
                with open(target, "rb") as file:
                    assert file.read() == data
                assert os.lstat(target).st_nlink == 1, "a blob was linked and not copied"
                with open(os.path.join(folder, f"m{number}"), "wb"):
                    assert os.stat(target).st_mode == os.stat(os.path.join(folder, f"m{number}")).st_mode

    def test_a_blob_that_is_not_there_is_a_miss(self) -> None:
        """Nothing is made then."""
        with tempfile.TemporaryDirectory() as folder:
            cache = self.make_cache(os.path.join(folder, "store"))
            target = os.path.join(folder, "t")
            assert not cache.get_blob(Digest("ab" * 32, 5), target)
            assert not os.path.lexists(target)

    def test_a_blob_that_was_discarded_can_be_stored_anew(self) -> None:
        """It may be there still, and be a miss or not."""
        with tempfile.TemporaryDirectory() as folder:
            cache = self.make_cache(os.path.join(folder, "store"))
            source, target = os.path.join(folder, "s"), os.path.join(folder, "t")
            with open(source, "wb") as file:
                file.write(b"text")
            digest = Digest(sha256(b"text").hexdigest(), 4)
            cache.put_blob(digest, source)
            cache.discard(digest)
            cache.discard(EMPTY)
            cache.put_blob(digest, source)
            assert cache.get_blob(digest, target)

    def test_a_file_that_is_there_is_not_written_to(self) -> None:
        """A path that exists is an error of the caller, and never followed."""
        with tempfile.TemporaryDirectory() as folder:
            cache = self.make_cache(os.path.join(folder, "store"))
            source, target, other = (os.path.join(folder, name) for name in ("s", "t", "other"))
            for path, data in ((source, b"text"), (other, b"kept")):
                with open(path, "wb") as file:
                    file.write(data)
            os.symlink(other, target)
            digest = Digest(sha256(b"text").hexdigest(), 4)
            cache.put_blob(digest, source)
            with suppress(OSError, CacheError):
                cache.get_blob(digest, target)
            with open(other, "rb") as file:
                assert file.read() == b"kept"


LIES = (
    *("no entry", "an empty entry", "garbage for an entry", "half of an entry", "the entry of another key"),
    *("an entry that is too long", "no blobs", "empty blobs", "half of each blob", "a flipped bit in each blob"),
    *("longer blobs", "other blobs", "blobs without end", "faults", "faults of the system"),
    *("an entry that is no bytes", "blobs that are not written", "bugs"),
)
"""The ways in which a `LyingCache` is wrong."""
TRUTH = "the truth"
"""With this it does not lie."""


class LyingCache:
    """An OutputCache that does not return what was stored: nothing of it may come to harm.

    :param cache: what keeps the truth
    :param lie: how it is wrong, one of `LIES`
    """

    name = "lying"
    writable = True
    is_own = False

    def __init__(self, cache: OutputCache, lie: str) -> None:
        if lie not in (*LIES, TRUTH):
            raise ValueError(f"{lie!r} is none of LIES, nor TRUTH")
        self.cache = cache
        self.lie = lie
        self.asked = 0
        """How often it was asked for something."""
        self.discarded: list[Digest] = []
        self._other: bytes | None = None

    def _fail(self) -> None:
        self.asked += 1
        if self.lie == "faults":
            raise CacheError("is not reachable")
        if self.lie == "faults of the system":
            raise OSError(5, "Input/output error")
        if self.lie == "bugs":
            raise ZeroDivisionError("division by zero")

    def get_entry(self, key: str, limit: int) -> bytes | None:
        """Return something else than the entry of a key."""
        self._fail()
        if self.lie == "no entry":
            return None
        if self.lie == "the entry of another key":
            # that of another action is there too, and every key leads to it
            before, self._other = self._other, self.cache.get_entry(key, limit) or self._other
            return before
        body = self.cache.get_entry(key, limit)
        if body is None:
            return None
        if self.lie == "an entry that is no bytes":
            return "text"  # type: ignore[return-value]
        lies = {
            "an empty entry": b"",
            "garbage for an entry": b"\xff" * 100,
            "half of an entry": body[: len(body) // 2],
            "an entry that is too long": bytes(limit + 1),
        }
        return lies.get(self.lie, body)

    def get_blob(self, digest: Digest, path: str) -> bool:
        """Write something else than the blob."""
        self._fail()
        if self.lie == "blobs that are not written":
            return True
        if self.lie == "no blobs" or not self.cache.get_blob(digest, path):
            return False
        with open(path, "rb") as file:
            data = file.read()
        lies = {
            "empty blobs": b"",
            "half of each blob": data[: len(data) // 2],
            "a flipped bit in each blob": bytes([data[0] ^ 1]) + data[1:] if data else b"x",
            "longer blobs": data + b"x",
            "other blobs": bytes(len(data)),
            "blobs without end": data + bytes(1 << 20),
        }
        if self.lie in lies:
            with open(path, "wb") as file:
                file.write(lies[self.lie])
        return True

    def put_blob(self, digest: Digest, path: str) -> None:
        """Store a blob as it is."""
        self._fail()
        self.cache.put_blob(digest, path)

    def put_entry(self, key: str, body: bytes) -> None:
        """Store an entry as it is."""
        self._fail()
        self.cache.put_entry(key, body)

    def discard(self, digest: Digest) -> None:
        """Note the digest."""
        self.discarded.append(digest)

    def close(self, wait: float) -> int:
        """End the work of the other one."""
        return self.cache.close(wait)
