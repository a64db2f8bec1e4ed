"""Work in threads during a run, and filling nearer stores with what a farther one has returned."""

from __future__ import annotations

from collections import deque
from threading import Condition, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING

from .base import NO_ROOM, CacheError
from .entry import encode_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .base import Digest, OutputCache
    from .entry import Entry

_LOOKS = 0.1
"""Seconds between two looks at whether a wait is given up."""
_NAP = 0.02
"""Seconds that a thread without work waits for more before work wakes it: each change of threads costs both."""
_STAYS = 1.0
"""Seconds after which a thread without work ends."""


class Background:
    """Does work in threads that keep no process from ending.

    :param most: threads
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: deque[Callable[[], None]] = deque()
        lock = Lock()
        self._wakes, self._has_ended = Condition(lock), Condition(lock)
        """Notified of work and the end; and of work that was done."""
        self._threads = self._busy = self._napping = self._asleep = 0
        self._is_closed = False

    def add(self, work: Callable[[], None]) -> None:
        """Have something done, which raises nothing; here and now if there can be no thread."""
        with self._wakes:
            self._is_closed = False
            self._work.append(work)
            if self._asleep:
                self._wakes.notify()
            if self._threads == self._most or len(self._work) <= self._napping + self._asleep:
                return
            self._threads += 1
        try:
            Thread(target=self._do, name="treadle-cache", daemon=True).start()
        except RuntimeError:
            with self._wakes:
                self._is_closed = True
            self._do()

    def _do(self) -> None:
        try:
            while (work := self._next()) is not None:
                try:
                    work()
                finally:
                    with self._wakes:
                        self._busy -= 1
                        if not self._busy:
                            self._has_ended.notify_all()
        finally:
            with self._wakes:
                self._threads -= 1
                self._has_ended.notify_all()

    def _next(self) -> Callable[[], None] | None:
        """Return what is to be done next, None if nothing comes."""
        with self._wakes:
            if not self._work and not self._is_closed:
                self._napping += 1
                self._wakes.wait(_NAP)
                self._napping -= 1
            if not self._work and not self._is_closed:
                self._asleep += 1
                self._wakes.wait(_STAYS)
                self._asleep -= 1
            if not self._work:
                return None
            self._busy += 1
            return self._work.popleft()

    def close(self, seconds: float, gives_up: Callable[[], bool] = lambda: False) -> int:
        """Wait until all is done, for so long; return how much is not, which is given up if it has not begun.

        :param gives_up: asked several times in a second: whether to wait no longer
        """
        until = monotonic() + seconds
        with self._wakes:
            self._is_closed = True
            self._wakes.notify_all()
            # work is left where a thread has ended by an error
            while self._busy or (self._work and self._threads):
                if (wait := until - monotonic()) <= 0 or gives_up():
                    break
                self._has_ended.wait(min(wait, _LOOKS))
            left = len(self._work) + self._busy
            self._work.clear()
        return left


class Filling:
    """Stores what was fetched of an entry in other stores.

    :param nearer: the stores
    :param fault: called with one that fails, which gets no more of it
    """

    def __init__(
        self, entry: Entry, nearer: Sequence[OutputCache], fault: Callable[[OutputCache, CacheError], object]
    ) -> None:
        self._entry = entry
        self._nearer = list(nearer)
        self._fault = fault

    def keep(self, digest: Digest, path: str) -> None:
        """Store a blob, which was verified."""

        def put(cache: OutputCache) -> None:
            room = getattr(cache, "has_room", None)
            if room is not None and not room(digest.size):
                raise CacheError(NO_ROOM)
            cache.put_blob(digest, path)

        self._each(put)

    def finish(self, key_in: Callable[[OutputCache], str]) -> None:
        """Store the entry, when all of its blobs were kept.

        :param key_in: returns the key by which a store is to find it
        """

        def put(cache: OutputCache) -> None:
            key = key_in(cache)
            cache.put_entry(key, encode_entry(self._entry, key))

        self._each(put)

    def _each(self, work: Callable[[OutputCache], None]) -> None:
        for cache in list(self._nearer):
            try:
                work(cache)
            except CacheError as error:
                self._failed(cache, error)
            except OSError as error:
                self._failed(cache, CacheError("cannot be written", f"{error.filename}: {error.strerror}"))
            except Exception as error:
                self._failed(cache, CacheError("has failed", type(error).__name__))

    def _failed(self, cache: OutputCache, error: CacheError) -> None:
        self._nearer.remove(cache)
        self._fault(cache, error)
