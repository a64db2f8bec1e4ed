"""What a walk does with caches of outputs: it looks up what is about to run, and stores what has run.

Only a walk with caches loads this module, and only when an action is about to run.

A store is asked in a step before the attempt, in a thread, with a queue of its own: no server delays the walk,
and a look-up takes no token from running actions. When there is room for the action, the answer is checked once
more with the inputs of that time.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from contextlib import suppress
from itertools import count
from threading import Lock
from time import monotonic, time_ns
from typing import TYPE_CHECKING, NamedTuple

from treadle.cache import hints, policy
from treadle.cache.base import ENTRY_LIMIT, NO_ROOM, CacheError, UnusableEntryError
from treadle.cache.entry import Entry, EntryError, SignedEntryError, decode_entry, differing, encode_entry
from treadle.cache.filling import Background, Filling
from treadle.cache.folder import FolderCache
from treadle.cache.hints import parts_of
from treadle.cache.key import (
    decode_path_sets,
    encode_path_sets,
    is_usable_set,
    key_of,
    locale_of,
    paths_key,
    sourced_key,
    strong_key,
    tied_key,
)
from treadle.cache.messages import ActionResult, MessageError, decode_result, encode_result
from treadle.cache.restore import NotPlacedError, Placement, TooSlowError, stage, would_be_restored
from treadle.cache.storing import Copies, Made, NotStoredError, PrivateError, stored_text
from treadle.content.digests import describe
from treadle.content.files import moved
from treadle.core.decision import NO_PREDICTION, UNANSWERED, UNTRACKED
from treadle.core.elements import DISCOVERED, paths_of
from treadle.errors import TreadleError, listed
from treadle.events import bus as events
from treadle.scheduling.hooks import words_of
from treadle.state import own_files

from .outputs import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from treadle.cache.base import Digest, OutputCache
    from treadle.cache.restore import Staged
    from treadle.content.files import Seen
    from treadle.core.decision import Reason

    from .command import Command
    from .fingerprinting import ActionInputs, Fingerprinter

FOLDER = "restore"
"""The folder in the state folder in which outputs are fetched and verified."""
_LARGEST_FOUND = 64 << 20
"""Bytes of a file that is hashed because a path set names it."""
_MOST_FOUND = 1 << 30
"""Bytes of all files of one set: others write path sets, and could have the run hash all that is in `/usr`."""
_WAIT = 60.0
"""Seconds that the end of a walk waits for what is being stored."""
_SLOW = 1.0
"""Seconds that a look-up may take for an action that is shorter."""
_SLOW_ANYWAY = 3.0
"""Seconds that a look-up may take for an action of which no duration is known, if it finds nothing."""
_PATIENCE = 30.0
"""Seconds that the outputs of one action may take to be fetched at least."""
_A_FILE, _BYTES = 0.1, 1e6
"""Seconds in addition for each file, and bytes in one, where it is not known how long the action takes."""
_UPLOADS = 4
"""Actions whose outputs are sent to a shared cache at the same time."""
_UPLOAD_WAIT = 10.0
"""Seconds that the end of a walk waits for what is being sent."""


class Wanted(NamedTuple):
    """What is looked up for an action.

    :ivar keys: one for each namespace, apart from what it was found to read
    :ivar duration: seconds that it took last, None if that is not known
    """

    keys: Sequence[str]
    command: Command
    duration: float | None


class Hit(NamedTuple):
    """Outputs that were found for an action, and are ready to be placed.

    :ivar base: the key apart from what it was found to read
    :ivar store: the name of the cache
    :ivar found: path -> value, of what the action reads in addition to what it declares
    :ivar began: when they were looked for, on the monotonic clock
    """

    key: str
    base: str
    store: str
    staged: Staged
    found: Mapping[str, str]
    began: float

    @property
    def entry(self) -> Entry:
        """What was found."""
        return self.staged.entry


class _Begun(NamedTuple):
    """An action that is looked up or runs.

    :ivar programs: path -> what was seen of it, of those that it starts directly, before it started
    :ivar elements: its key elements then
    :ivar keys: what is looked up, one for each namespace, apart from what it was found to read
    """

    programs: Mapping[str, Seen]
    elements: Mapping[str, str]
    keys: Sequence[str]


def may_store(reasons: Iterable[Reason]) -> bool:
    """Return whether all is known that an action depends on which ran for some reasons."""
    return not any(why.kind in (UNTRACKED, UNANSWERED, NO_PREDICTION) for why in reasons)


class Caching:
    """The caches of a walk.

    :param caches: asked in this order
    :param root: the folder that paths are relative to
    :param state: the state folder
    :param run: the id of the run
    :param fingerprinter: has the files, the programs and the environment
    :param system: further folders for path sets, see `cache.key.is_usable_path`
    :param namespaces: looked up in this order, and stored below the first; none for the one without a name
    """

    def __init__(
        self,
        caches: Sequence[OutputCache],
        root: str,
        state: str,
        run: str,
        fingerprinter: Fingerprinter,
        system: Sequence[str] = (),
        namespaces: Sequence[str] = (),
    ) -> None:
        self._caches = list(caches)
        self._namespaces = tuple(namespaces) or ("",)
        self._lock = Lock()
        """Look-ups and uploads have threads of their own."""
        self._root = root
        self._state = state
        self._run = run
        self._fingerprinter = fingerprinter
        self._system = tuple(system)
        self._folder = ""
        self._numbers = count(1)
        self._begun: dict[str, _Begun] = {}
        """uid -> an action that is looked up or runs."""
        self._host = os.uname().nodename
        self._real_root = os.path.realpath(root)
        self._free: list[str] = []
        """Folders that are empty again."""
        self._told: set[str] = set()
        """The kinds of notes that were published: each is published once a run."""
        self._notes: deque[str] = deque()
        self._stored: deque[events.Stored] = deque()
        self._faults: deque[tuple[str, str]] = deque()
        self._storing = Background(1)
        self._uploads = Background(_UPLOADS)
        self._slowness = policy.Breaker()
        self._faulted = 0
        """How often a store has failed."""

    @property
    def asks_servers(self) -> bool:
        """Whether one of the caches is elsewhere, so that asking it may take a while."""
        return not all(cache.is_own for cache in self._caches)

    def _keys(self, command: Command, inputs: ActionInputs) -> Sequence[str]:
        """Return a key for each namespace; none for what has none."""
        try:
            return [self.key(command, inputs, namespace) for namespace in self._namespaces]
        except (OSError, TreadleError):
            # a program that cannot be read: the action says so, if it has to run
            return ()

    def key(self, command: Command, inputs: ActionInputs, namespace: str = "") -> str:
        """Return the key of what a command would make now, apart from what it was found to read.

        :raises TreadleError: a program that it starts cannot be read
        """
        return self._key_of(command, _key_elements(inputs), self._seen_programs(command, inputs), namespace)

    def _key_of(
        self, command: Command, elements: Mapping[str, str], programs: Mapping[str, Seen], namespace: str
    ) -> str:
        locale = locale_of(self._fingerprinter.environment(command))
        return key_of(elements, command.made, [seen.value for seen in programs.values()], locale, namespace)

    def parts(self, command: Command, inputs: ActionInputs, found: Iterable[str] = ()) -> dict[str, str]:
        """Return name -> value of all that the key of an entry is made of, for people.

        :param found: paths of what it was found to read
        :raises TreadleError: a program that it starts cannot be read
        """
        return self._parts_of(command, inputs, found, self._seen_programs(command, inputs))

    def _parts_of(
        self, command: Command, inputs: ActionInputs, found: Iterable[str], programs: Mapping[str, Seen]
    ) -> dict[str, str]:
        elements = inputs.fingerprint.elements
        return parts_of(
            *(_key_elements(inputs), command.made, {path: seen.value for path, seen in programs.items()}),
            locale_of(self._fingerprinter.environment(command)),
            {path: elements[DISCOVERED + path] for path in found},
            self._namespaces[0],
        )

    def _seen_programs(self, command: Command, inputs: ActionInputs) -> dict[str, Seen]:
        # also one elsewhere may be replaced while the run goes on
        see_again = self._fingerprinter.files.see_again
        paths = self._fingerprinter.programs(command)
        return {path: inputs.seen.get(path) or see_again(path) for path in paths}

    def begins(self, uid: str, command: Command, inputs: ActionInputs) -> None:
        """Note the programs that an action is about to start: what it makes is stored only if they stay."""
        self._begun.pop(uid, None)
        if policy.why_not(command):
            return
        # a program that cannot be read: the action says so, if it has to run
        with suppress(OSError, TreadleError):
            programs, elements = self._seen_programs(command, inputs), _key_elements(inputs)
            keys = [self._key_of(command, elements, programs, namespace) for namespace in self._namespaces]
            self._begun[uid] = _Begun(programs, elements, keys)

    def _ended(self, uid: str, command: Command, inputs: ActionInputs) -> _Begun | None:
        """Return the programs and keys of an action that has run, None if a program is another one now."""
        before = self._begun.pop(uid, None)
        if before is None:
            return None
        try:
            after = self._seen_programs(command, inputs)
        except (OSError, TreadleError):
            return None
        programs = before.programs
        if programs.keys() != after.keys() or any(moved(programs[path], after[path]) for path in programs):
            return None
        elements = _key_elements(inputs)
        if elements == before.elements:
            return before
        keys = [self._key_of(command, elements, after, namespace) for namespace in self._namespaces]
        return _Begun(after, elements, keys)

    def look_up(self, uid: str, command: Command, is_open: Callable[[Sequence[str]], bool]) -> Hit | None:
        """Return the outputs that a command would make, fetched and verified; None if no cache of our own has them.

        `begins` was called for it just before.

        :param is_open: returns whether one of some paths is made by an action that has not ended
        """
        begun = self._begun.get(uid)
        if begun is None:
            return None
        own = [cache for cache in self._caches if cache.is_own]
        return self._found(own, begun.keys, command, self._values, is_open)

    def wanted(self, command: Command, inputs: ActionInputs, duration: float | None) -> Wanted | None:
        """Return what `fetch` looks up, None if that is not worth a thread.

        :param duration: seconds that it took last, None if that is not known
        """
        if policy.why_not(command) or not policy.is_worth_sharing(duration, command.cache):
            return None
        keys = self._keys(command, inputs)
        return Wanted(keys, command, duration) if keys else None

    def fetch(self, wanted: Wanted) -> Hit | None:
        """Do the same with all caches, in any thread; what it returns has to be asked about, see `still_holds`."""
        began, faults = monotonic(), self._faulted
        caches = self._caches
        if self._slowness.is_open(began):
            caches = [cache for cache in caches if cache.is_own]
        known = wanted.duration

        def seconds(files: int, size: int) -> float:
            # what takes longer than to make it is of no use; how large it is, a server may only say
            return max(_PATIENCE, known) if known is not None else _PATIENCE + files * _A_FILE + size / _BYTES

        hit = self._found(caches, wanted.keys, wanted.command, self._values_now, lambda _: False, seconds)
        now = monotonic()
        # a store that fails reports that itself, and stops being asked
        has_failed = self._faulted != faults
        if known is None:
            most = max(hit.entry.duration if hit is not None else 0.0, _SLOW_ANYWAY)
        else:
            most = max(known, _SLOW)
        if now - began > most and not has_failed:
            self._slowness.failed("", now)
            if self._slowness.is_open(now):
                self._note_once(
                    "slow", "the shared cache takes longer than to run does, so it is not asked any more"
                )
        else:
            self._slowness.worked()
        return hit

    def still_holds(
        self, hit: Hit, command: Command, inputs: ActionInputs, is_open: Callable[[Sequence[str]], bool]
    ) -> Hit | None:
        """Return what `fetch` has found, None if the action reads something else by now."""
        paths = list(hit.found)
        is_same = hit.base in self._keys(command, inputs) and (self._values(paths) or {}) == hit.found
        if is_same and not (paths and is_open(paths)):
            return hit
        self.drop(hit)
        return None

    def stop(self) -> None:
        """End what servers are waited for; any thread may call this."""
        for cache in self._caches:
            stop = getattr(cache, "stop", None)
            if stop is not None:
                stop()

    def _found(
        self,
        caches: Sequence[OutputCache],
        keys: Sequence[str],
        command: Command,
        values_of: Callable[[Sequence[str]], dict[str, str] | None],
        is_open: Callable[[Sequence[str]], bool],
        seconds: Callable[[int, int], float] | None = None,
    ) -> Hit | None:
        began = monotonic()
        for number, cache in enumerate(caches):
            nearer = [one for one in caches[:number] if one.writable]
            limit = None if cache.is_own else seconds
            for key, base in [(one, base) for one in keys for base in _bases(cache, one)]:
                for strong, found in self._strong_keys(cache, base, command, values_of, is_open):
                    for one in (strong, tied_key(strong, self._root)) if cache.is_own else (strong,):
                        kept = _Kept(key, one, found if command.discovery is not None else None)
                        staged = self._staged(cache, one, command, nearer, limit, kept.key_in)
                        if staged is None:
                            continue
                        if command.discovery is not None:
                            for other in nearer:
                                self._guarded(
                                    other,
                                    lambda: self._add_path_set(other, _bases(other, key)[-1], list(found)),  # noqa: B023
                                )
                        return Hit(one, key, cache.name, staged, found, began)
        return None

    def foresee(
        self, command: Command, inputs: ActionInputs, is_open: Callable[[Sequence[str]], bool]
    ) -> tuple[str, Entry] | None:
        """Return the cache that outputs would be restored from, and their entry; None if no folder has them.

        Only caches in folders are looked at, and nothing is fetched or written.

        :param is_open: see `look_up`
        """
        if policy.why_not(command) or not (keys := self._keys(command, inputs)):
            return None
        for one in self._caches:
            unnoted = getattr(one, "unnoted", None)
            if unnoted is None:
                continue
            cache = unnoted()
            bases = [base for key in keys for base in _bases(cache, key)]
            for strong in (
                found for key in bases for found, _ in self._strong_keys(cache, key, command, self._values, is_open)
            ):
                for every in (strong, tied_key(strong, self._root)):
                    with suppress(CacheError, EntryError, OSError):
                        body = cache.get_entry(every, ENTRY_LIMIT)
                        if body is None:
                            continue
                        entry = decode_entry(body, every)
                        if would_be_restored(cache, entry, command.outputs, self._root):
                            return cache.name, entry
        return None

    def _strong_keys(
        self,
        cache: OutputCache,
        key: str,
        command: Command,
        values_of: Callable[[Sequence[str]], dict[str, str] | None],
        is_open: Callable[[Sequence[str]], bool],
    ) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield the keys that entries may be found by, each with what the action reads then."""
        if command.discovery is None:
            yield key, {}
            return
        for paths in self._path_sets(cache, key):
            values = values_of(paths)
            if values is not None and not is_open(paths):
                yield strong_key(key, values), values

    def _path_sets(self, cache: OutputCache, key: str) -> list[list[str]]:
        try:
            body = cache.get_entry(paths_key(key), ENTRY_LIMIT)
            return decode_path_sets(decode_result(body).stdout_raw, self._system) if body is not None else []
        except CacheError as error:
            self._fault(cache, error)
        except MessageError:
            # it is written anew after the run
            pass
        except Exception as error:
            self._fault(cache, CacheError("has failed", words_of(error)))
        return []

    def _values(self, paths: Sequence[str]) -> dict[str, str] | None:
        """Return the values of files as they are now, None if one is no plain file, or they are too large."""
        return self._values_by(paths, lambda path: self._fingerprinter.files.see_again(path).value)

    def _values_now(self, paths: Sequence[str]) -> dict[str, str] | None:
        """Do the same in any thread, without what is known of the files."""
        return self._values_by(paths, lambda path: describe(os.path.join(self._root, path))[0])

    def _values_by(self, paths: Sequence[str], value_of: Callable[[str], str]) -> dict[str, str] | None:
        values, size = {}, 0
        for path in paths:
            full = os.path.join(self._root, path)
            try:
                status = os.stat(full)
            except OSError:
                status = None
            if status is not None:
                size += status.st_size
                is_small = status.st_size <= _LARGEST_FOUND and size <= _MOST_FOUND
                if not is_small or not stat.S_ISREG(status.st_mode):
                    return None
            try:
                values[path] = value_of(path)
            except Exception:
                return None
        return values

    def _staged(
        self,
        cache: OutputCache,
        key: str,
        command: Command,
        nearer: Sequence[OutputCache] = (),
        seconds: Callable[[int, int], float] | None = None,
        key_in: Callable[[OutputCache], str] | None = None,
    ) -> Staged | None:
        """Return outputs that are fetched and verified, None if they are not there; nearer caches get them too.

        :param key_in: returns the key by which a nearer cache is to find them
        """
        folder = ""
        try:
            body = cache.get_entry(key, ENTRY_LIMIT)
            if body is None:
                return None
            entry = decode_entry(body, key)
            folder = self._new_folder()
            filling = Filling(entry, nearer, self._fault)
            staged = stage(cache, entry, command.outputs, folder, filling.keep if nearer else None, seconds)
            if staged is not None:
                filling.finish(key_in or (lambda _: key))
        except CacheError as error:
            self._fault(cache, error)
            staged = None
        except EntryError as error:
            self._fault(cache, CacheError("holds what cannot be used", str(error)))
            staged = None
        except TooSlowError:
            self._note_once(
                "too slow", f"the {cache.name} cache takes too long to send outputs, so what makes them runs"
            )
            staged = None
        except OSError as error:
            self._fault(cache, CacheError("cannot be restored from", f"{error.filename}: {error.strerror}"))
            staged = None
        except Exception as error:
            self._fault(cache, CacheError("has failed", words_of(error)))
            staged = None
        if staged is None and folder:
            remove_tree(folder)
        return staged

    def _new_folder(self) -> str:
        with self._lock:
            if not self._folder:
                self._folder = own_files.make_folder(self._state, f"{FOLDER}/{self._run}", 0o700)
            if self._free:
                return self._free.pop()
            folder = f"{self._folder}/{next(self._numbers)}"
        os.mkdir(folder, 0o700)
        return folder

    def place(self, hit: Hit) -> bool:
        """Put outputs into their places; return whether they are there, all or none of them.

        :raises OSError: some are there, and cannot be taken back
        """
        try:
            Placement(self._root).place(hit.staged)
        except NotPlacedError as error:
            self._note_once("", f"outputs of the {hit.store} cache cannot be placed: {error}")
            self.drop(hit)
            return False
        folder = hit.staged.folder
        for output, name in hit.staged.names.items():
            if output.endswith("/"):
                os.rmdir(f"{folder}/{name}")
        # it is empty now: to make and remove one costs more than all the rest
        self._free.append(folder)
        return True

    def drop(self, hit: Hit) -> None:
        """Remove what was fetched and is not placed."""
        remove_tree(hit.staged.folder)

    def finish(self, hit: Hit, inputs: ActionInputs) -> list[str]:
        """Add what an action with restored outputs reads to its result; return what is not as expected."""
        changed = []
        for path, value in hit.found.items():
            seen = self._fingerprinter.files.see_again(path)
            inputs.add_discovered(path, seen)
            if seen.value != value:
                changed.append(path)
        values = hit.entry.values
        return changed + [path for path, value in values.items() if inputs.results[path].value != value]

    def store(
        self,
        uid: str,
        command: Command,
        inputs: ActionInputs,
        duration: float,
        log: str,
        is_whole: Callable[[str], bool],
        host: str = "",
    ) -> None:
        """Store what an action has made, in the background, if that pays.

        :param duration: seconds that it took
        :param log: the path of its log
        :param is_whole: returns whether an output folder holds only what this attempt has made
        :param host: where it ran, "" for here
        """
        if policy.why_not(command) or not any(cache.writable for cache in self._caches):
            return
        if not all(is_whole(path) for path in command.outputs if path.endswith("/")):
            return
        results = inputs.results
        size = sum(_size_of(look.value) for path in command.outputs for look in results[path].looks.values())
        if not policy.pays(duration, size, command.cache) or (begun := self._ended(uid, command, inputs)) is None:
            return
        names: list[str] | None = None
        key = base = begun.keys[0]
        if command.discovery is not None:
            elements = inputs.fingerprint.elements
            names = paths_of(inputs.fingerprint.results, DISCOVERED)
            if names and not is_usable_set(names, self._system):
                return
            key = strong_key(base, {path: elements[DISCOVERED + path] for path in names})
        now = time_ns()
        about = Entry(
            run=self._run,
            action=uid,
            plan=command.label,
            duration=round(duration, 6),
            host=host or self._host,
            began=now - int(duration * 1e9),
            ended=now,
        )
        exclude = {}
        if command.exclude:
            from treadle.core.patterns import exclusion

            exclude = {
                path: exclusion(tuple(command.exclude[path])) for path in command.outputs if path in command.exclude
            }
        values = {path: results[path].value for path in command.outputs}
        made = Made(key, values, exclude, about, log if policy.keeps_log(command) else "")
        is_shared = policy.is_worth_sharing(duration, command.cache)
        stores = [cache for cache in self._caches if cache.writable and (cache.is_own or is_shared)]
        if stores:
            parts = self._parts_of(command, inputs, names or (), begun.programs)
            self._storing.add(lambda: self._store(uid, base, made._replace(parts=parts), names, stores))

    def _store(
        self, uid: str, base: str, made: Made, names: Sequence[str] | None, stores: Sequence[OutputCache]
    ) -> None:
        """Store outputs in the stores of our own, and have them sent to the others."""
        near = next((one for one in stores if one.is_own), None)
        try:
            room = getattr(near, "has_room", None)
            copies = Copies(made, self._root, self._scratch(near), room, self._real_root)
            for cache in stores:
                if cache.is_own:
                    self._guarded(cache, lambda: self._store_in(cache, uid, base, copies, names, made))  # noqa: B023
        except PrivateError as error:
            # of a temporary file that was renamed nothing else says why it is not stored
            self._note_once("private", f"{error}, so others may not read it and the cache does not store it")
            return
        except NotStoredError:
            return
        except CacheError as error:
            self._fault(stores[0], error)
            return
        except OSError as error:
            self._fault(stores[0], CacheError("cannot be written", f"{error.filename}: {error.strerror}"))
            return
        except Exception as error:
            self._fault(stores[0], CacheError("has failed", words_of(error)))
            return
        if copies.stored.tied:
            self._note_once("tied", stored_text(copies.stored))
        others = [one for one in stores if not one.is_own] if not copies.stored.tied else []
        if not others:
            copies.remove()
            return

        def upload() -> None:
            for other in others:
                self._guarded(other, lambda: self._upload(other, near, uid, base, copies, names))  # noqa: B023
            copies.remove()

        self._uploads.add(upload)

    def _scratch(self, near: OutputCache | None) -> str:
        """Return a folder for copies, if it can be one from which a store takes them without copying once more."""
        try:
            folder: str = getattr(near, "scratch", "")
        except CacheError as error:
            assert near is not None
            self._fault(near, error)
            folder = ""
        return folder or self._new_folder()

    def _store_in(
        self, cache: OutputCache, uid: str, base: str, copies: Copies, names: Sequence[str] | None, made: Made
    ) -> None:
        room = getattr(cache, "has_room", None)
        if room is not None and not room(sum(map(_size_of, made.values.values()))):
            raise CacheError(NO_ROOM)
        copies.store(cache)
        if names is not None:
            self._add_path_set(cache, base, names)
        stored = copies.stored
        if isinstance(cache, FolderCache):
            digests = hints.digests_of(made.parts)
            line = hints.encode(hints.Hint(stored.key, self._run, made.about.ended // 10**9, digests))
            cache.add_hint(hints.owner_key(made.about.plan, uid), line, hints.MOST)
        self._stored.append(events.Stored(uid, stored.key, cache.name, stored.size, stored.tied))

    def _upload(
        self,
        cache: OutputCache,
        near: OutputCache | None,
        uid: str,
        base: str,
        copies: Copies,
        names: Sequence[str] | None,
    ) -> None:
        """Send outputs to a store that others use too: what is there with other content stays.

        :param near: the store that has taken the copies, None if none has
        """
        key, entry, blobs = copies.stored.key, *copies.for_others()
        there = _entry_in(cache, key)
        other = differing(entry, there) if there is not None else []
        if there is not None and other and _has_blobs(cache, there):
            self._note_difference(uid, other, there, cache)
            return
        for digest, path in blobs.items():
            if os.path.lexists(path):
                cache.put_blob(digest, path)
            elif near is not None:
                self._pass_on(near, cache, digest)
        if there is None or other:
            cache.put_entry(key, encode_entry(entry, key))
        if names is not None:
            self._add_path_set(cache, base, names)
        self._stored.append(events.Stored(uid, key, cache.name, sum(one.size for one in blobs), ""))

    def _pass_on(self, near: OutputCache, cache: OutputCache, digest: Digest) -> None:
        """Send a blob of another store: what is in the workspace may be another one by now."""
        folder = self._new_folder()
        try:
            path = f"{folder}/blob"
            if not near.get_blob(digest, path):
                raise NotStoredError("it is gone already")
            cache.put_blob(digest, path)
        finally:
            remove_tree(folder)

    def _note_difference(self, uid: str, outputs: Sequence[str], there: Entry, cache: OutputCache) -> None:
        place = f" on {there.host}" if there.host not in ("", "treadle") else ""
        self._note_once(
            "not reproducible",
            f"{uid} is not reproducible: of the same inputs run {there.run[:8]}{place} has made another"
            f" {listed(outputs, 3)}, which stays in the {cache.name} cache",
        )

    def _guarded(self, cache: OutputCache, work: Callable[[], object]) -> None:
        """Do something with a store, whatever that raises."""
        try:
            work()
        except NotStoredError:
            pass
        except CacheError as error:
            self._fault(cache, error)
        except OSError as error:
            self._fault(cache, CacheError("cannot be written", f"{error.filename}: {error.strerror}"))
        except Exception as error:
            self._fault(cache, CacheError("has failed", words_of(error)))

    def _add_path_set(self, cache: OutputCache, key: str, names: Sequence[str]) -> None:
        sets = self._path_sets(cache, key)
        wanted = sorted(names)
        if wanted in [sorted(one) for one in sets]:
            return
        data = encode_path_sets([wanted, *sets])
        result = ActionResult(stdout_raw=data, worker="treadle")
        cache.put_entry(paths_key(key), encode_result(result))

    def _fault(self, cache: OutputCache, error: CacheError) -> None:
        """Note a fault, each kind of a store once."""
        self._faulted += 1
        if self._note_once(f"{cache.name} {error.kind}", f"the {cache.name} cache {error}"):
            self._faults.append((cache.name, error.kind))

    def _note_once(self, kind: str, text: str) -> bool:
        with self._lock:
            is_new = kind not in self._told
            self._told.add(kind)
        if is_new:
            self._notes.append(text)
        return is_new

    def publish(self, bus: events.Bus) -> None:
        """Publish what has happened since the last call."""
        while self._stored:
            bus.publish("outputs_stored", self._stored.popleft())
        while self._faults:
            bus.publish("cache_fault", *self._faults.popleft())
        while self._notes:
            bus.publish("note", self._notes.popleft())

    def close(self, gives_up: Callable[[], bool] = lambda: False) -> None:
        """End the work in the background; what is left of it is done first, for a while.

        :param gives_up: whether to wait no longer, as the run is to end; that may become so meanwhile
        """
        left = self._storing.close(_WAIT, gives_up)
        if left:
            self._notes.append(f"outputs of {_actions(left)} were not stored in the cache")
        left = self._uploads.close(_UPLOAD_WAIT, gives_up)
        if left and not gives_up():
            self._notes.append(
                f"outputs of {_actions(left)} were not sent to the shared cache: that took over {_UPLOAD_WAIT:g} s"
            )
        if left:
            self.stop()
        for cache in self._caches:
            try:
                cache.close(0.0 if gives_up() else _WAIT)
            except Exception as error:
                self._fault(cache, error if isinstance(error, CacheError) else CacheError("has failed", str(error)))
        if self._folder:
            remove_tree(self._folder)
            with suppress(OSError):
                os.rmdir(os.path.dirname(self._folder))


def _actions(number: int) -> str:
    return f"{number} {'action' if number == 1 else 'actions'}"


class _Kept(NamedTuple):
    """By which keys nearer caches are to find what a farther one has returned.

    :ivar base: the key apart from what the action was found to read
    :ivar key: what the farther one has found it by
    :ivar found: path -> value, of what the action reads in addition; None if that is not discovered
    """

    base: str
    key: str
    found: Mapping[str, str] | None

    def key_in(self, cache: OutputCache) -> str:
        """Return the key in a cache."""
        base = _bases(cache, self.base)[-1]
        if base == self.base:
            return self.key
        return base if self.found is None else strong_key(base, self.found)


def _bases(cache: OutputCache, key: str) -> Sequence[str]:
    """Return the keys to look up in a cache: that of what was made here, and that of what its `source` has sent."""
    source = getattr(cache, "source", "")
    return (key, sourced_key(key, source)) if source else (key,)


def _entry_in(cache: OutputCache, key: str) -> Entry | None:
    """Return the entry of a key, None if there is none that counts: what cannot be used is replaced.

    :raises NotStoredError: it is signed, and we have no key: those that have one would replace ours
    """
    try:
        body = cache.get_entry(key, ENTRY_LIMIT)
        return decode_entry(body, key) if body is not None else None
    except SignedEntryError as error:
        raise NotStoredError(str(error)) from error
    except (EntryError, UnusableEntryError):
        return None


def _has_blobs(cache: OutputCache, entry: Entry) -> bool:
    """Return whether what an entry names is there, as far as the store says: without it the entry is of no use."""
    has = getattr(cache, "has_blob", None)
    return has is None or all(map(has, [one.digest for one in entry.files] + [one.digest for one in entry.folders]))


def _key_elements(inputs: ActionInputs) -> dict[str, str]:
    fingerprint = inputs.fingerprint
    return {name: value for name, value in fingerprint.elements.items() if name not in fingerprint.results}


def _size_of(value: str) -> int:
    """Return the bytes of a file, of its value."""
    words = value.split(" ")
    return int(words[1]) if words[0] in ("file", "exec") else 0


def restored(uid: str, hit: Hit) -> events.Restored:
    """Return the event that outputs were restored."""
    entry = hit.entry
    return events.Restored(
        *(uid, hit.key, hit.store),
        run=entry.run,
        host=entry.host,
        size=hit.staged.size,
        seconds=monotonic() - hit.began,
        saved=entry.duration,
    )


def origin(hit: Hit) -> str:
    """Return in words where restored outputs came from."""
    entry = hit.entry
    place = "" if entry.host in ("", "treadle", os.uname().nodename) else f" on {entry.host}"
    return f"the {hit.store} cache: made by run {entry.run[:8]}{place} in {_seconds(entry.duration)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
