"""What the processes of attempts have in memory together, looked at once a second: a thread for all attempts.

What is between two looks is not seen, and memory that processes share counts for each of them. Only a run with an
attempt that lasts loads this. It knows no jobs.
"""

from __future__ import annotations

import os
import threading

from . import process_marks

INTERVAL = 1.0
"""Seconds between two looks."""


class Sampler:
    """Looks at the processes that carry some marks; `peak` says the most that those of one have had together.

    :param proc: the folder in which the system shows its processes
    """

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._peaks: dict[str, int] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, mark: str) -> None:
        """Look at what carries a mark from now on, the first time at once."""
        with self._lock:
            self._peaks.setdefault(mark, 0)
            if self._thread is None or not self._thread.is_alive():
                self._over.clear()
                self._thread = threading.Thread(target=self._look_on, name="treadle-memory", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    # the system has no thread for it: nothing is known then
                    self._thread = None

    def forget(self, mark: str) -> int | None:
        """Look no more at what carries a mark; return the bytes it had at most, None if nothing was seen."""
        with self._lock:
            return self._peaks.pop(mark, 0) or None

    def peak(self, mark: str) -> int | None:
        """Return the bytes that what carries a mark has had at most up to now, None if nothing was seen."""
        return self._peaks.get(mark) or None

    def close(self) -> None:
        """Look at nothing any more."""
        self._over.set()
        # it may be about to take itself out
        thread = self._thread
        if thread is not None:
            thread.join()
        self._thread = None
        self._peaks.clear()

    def look(self) -> None:
        """Look once."""
        wanted = {os.fsencode(mark): mark for mark in list(self._peaks)}
        sums = dict.fromkeys(wanted.values(), 0)
        try:
            names = os.listdir(self._proc)
        except OSError:
            return
        for name in filter(str.isdigit, names):
            found = self._marks_of(name, wanted)
            if found:
                size = self._resident(name)
                for mark in found:
                    sums[mark] += size
        with self._lock:
            for mark, size in sums.items():
                if size > self._peaks.get(mark, size):
                    self._peaks[mark] = size

    def _look_on(self) -> None:
        while not self._over.is_set():
            with self._lock:
                if not self._peaks:
                    self._thread = None
                    return
            self.look()
            self._over.wait(INTERVAL)

    def _marks_of(self, pid: str, wanted: dict[bytes, str]) -> list[str]:
        data = self._read(f"{pid}/environ")
        at = data.find(_NAME) if data.startswith(_NAME) else data.find(b"\0" + _NAME) + 1
        if at == 0 and not data.startswith(_NAME):
            return []
        marks = data[at + len(_NAME) :].partition(b"\0")[0].split(b" ")
        return [wanted[mark] for mark in dict.fromkeys(marks) if mark in wanted]

    def _resident(self, pid: str) -> int:
        """Return the bytes of a process that are in memory, 0 if it is gone."""
        words = self._read(f"{pid}/statm").split()
        return int(words[1]) * _PAGE if len(words) > 1 else 0

    def _read(self, name: str) -> bytes:
        try:
            with open(os.path.join(self._proc, name), "rb", buffering=0) as file:
                return file.readall() or b""
        except OSError:
            # gone, not ours to look at, or there is no descriptor for a look
            return b""


_NAME = process_marks.MARK.encode() + b"="
_PAGE = os.sysconf("SC_PAGE_SIZE")
