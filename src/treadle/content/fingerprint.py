"""The fingerprint of an action: named elements that are text, some of them made from files and folders.

It knows nothing of graphs and walks, nor of where fingerprints are kept.
"""

from __future__ import annotations

import os

from treadle.core import elements as _elements
from treadle.errors import StateError, TreadleError

from .digests import describe_file, describe_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Path = str | os.PathLike[str]

FINGERPRINT_VERSION = "treadle-1"
"""Part of each fingerprint; another version is another fingerprint, and is not loaded."""

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")

BOTH_NAMES = "result= and its old name answer= were both given: use result= alone"

_os_version = ""


class Fingerprint:
    """Elements that are the same as long as nothing that matters has changed.

    Each element belongs to the key (what the action depends on: command, inputs, environment, tools) or to the
    result (what the action makes or discovers: outputs, discovered inputs).
    """

    __slots__ = ("elements", "results")

    def __init__(self) -> None:
        self.elements: dict[str, str] = {
            "fingerprint_version": FINGERPRINT_VERSION,
            "os_version": os_version(),
        }
        """Name -> value."""
        self.results: set[str] = set()
        """The names of the elements that belong to the result."""

    @classmethod
    def from_elements(cls, elements: Mapping[str, str], results: Iterable[str] = ()) -> Fingerprint:
        """Return a fingerprint of exactly these elements, such as one that was kept somewhere.

        :param elements: name -> value; nothing is added, also not the version
        :param results: the names of those that belong to the result
        """
        fingerprint = cls.__new__(cls)
        fingerprint.elements = dict(elements)
        fingerprint.results = set(results)
        return fingerprint

    def add(self, name: str, value: str, *, result: bool | None = None, answer: bool | None = None) -> None:
        """Add an element, or replace it.

        :param result: whether it belongs to the result; by default it belongs to the key
        :param answer: the old name of `result`, deprecated
        :raises TreadleError: if the name or the value is not text
        """
        if answer is not None:
            result = _renamed(result, answer)
        if type(name) is not str or type(value) is not str:
            _require_text(name, value)
        self.elements[name] = value
        if result:
            self.results.add(name)
        elif self.results:
            self.results.discard(name)

    def add_file(
        self, path: Path, name: str | None = None, *, result: bool | None = None, answer: bool | None = None
    ) -> None:
        """Add a file by its content and by whether its owner may execute it; see `describe_file`.

        :param name: the name of the element, by default the path as it is given
        :param result: whether it belongs to the result; by default it belongs to the key
        :param answer: the old name of `result`, deprecated
        :raises TreadleError: if it is there and cannot be read
        """
        if answer is not None:
            result = _renamed(result, answer)
        self.add(os.fspath(path) if name is None else name, describe_file(path), result=result)

    def add_dir(
        self, path: Path, name: str | None = None, *, result: bool | None = None, answer: bool | None = None
    ) -> None:
        """Add a folder by all that is in it; see `describe_tree`.

        :param name: the name of the element, by default the path as it is given
        :param result: whether it belongs to the result; by default it belongs to the key
        :param answer: the old name of `result`, deprecated
        :raises TreadleError: if something in it cannot be read
        """
        if answer is not None:
            result = _renamed(result, answer)
        self.add(os.fspath(path) if name is None else name, describe_tree(path), result=result)

    def checksum(self) -> str:
        """Return 32 hex digits of all elements; equal fingerprints have equal checksums."""
        return _elements.digest(self.elements, self.results)

    def key(self) -> str:
        """Return 32 hex digits of the elements of the key alone."""
        return _elements.digest({name: value for name, value in self.elements.items() if name not in self.results})

    def compare_to(self, other: Fingerprint | None) -> dict[str, set[str]] | None:
        """Return the names by which `other` differs, or None if it is equal.

        :param other: None is a fingerprint without elements
        :return: `updated` names, `new` ones that only `other` has, `obsolete` ones that only this one has
        :raises AssertionError: if `other` is something else
        """
        if other is None:
            other = Fingerprint.from_elements({})
        assert isinstance(other, Fingerprint), f"a fingerprint cannot be compared to {other!r}"
        if self == other:
            return None
        found = _elements.difference(self.elements, other.elements)
        moved = (self.results ^ other.results) & self.elements.keys() & other.elements.keys()
        return {
            "updated": set(found.changed) | moved,
            "new": set(found.added),
            "obsolete": set(found.removed),
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fingerprint):
            return False
        return self.elements == other.elements and self.results == other.results

    def __ne__(self, other: object) -> bool:
        return not self == other

    # It can be added to, so it has no lasting hash.
    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "\n".join(f"{_line(name)}: {_line(value)}" for name, value in sorted(self.elements.items()))

    def __repr__(self) -> str:
        return f"<Fingerprint of {len(self.elements)} elements, {self.checksum()}>"

    def save_to_file(self, path: Path) -> None:
        """Write it as JSON, in one step: a reader finds the old file or the new one.

        :raises StateError: if the file cannot be written
        """
        import json

        content = {
            "fingerprint_version": self.elements.get("fingerprint_version"),
            "elements": self.elements,
            "answers": sorted(self.results),
        }
        try:
            _replace(os.fspath(path), json.dumps(content, indent=2, sort_keys=True).encode("ascii") + b"\n")
        except OSError as error:
            raise StateError(
                f"the fingerprint {os.fspath(path)} cannot be written", facts=(error.strerror or str(error),)
            ) from error

    @classmethod
    def load_from_file(cls, path: Path) -> Fingerprint | None:
        """Return the fingerprint in a file, or None if there is none that this version can read."""
        import json

        try:
            with open(path, "rb") as file:
                content = json.load(file)
            elements, results = content["elements"], content["answers"]
            versions = {content["fingerprint_version"], elements["fingerprint_version"]}
            is_good = versions == {FINGERPRINT_VERSION} and _is_text(elements.values())
        # Whatever a file can hold: no file, no JSON, too deep, or JSON of another shape.
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None
        if not is_good or not isinstance(results, list) or not _is_text(results):
            return None
        return cls.from_elements(elements, results) if elements.keys() >= set(results) else None

    @property
    def answers(self) -> set[str]:
        """The old name of `results`, deprecated."""
        _warn_of_old_name("Fingerprint.answers", "Fingerprint.results", stacklevel=3)
        return self.results


def os_version() -> str:
    """Return distribution, version and machine of this host; it is looked up once per process."""
    global _os_version
    _os_version = _os_version or read_os_version()
    return _os_version


def read_os_version(files: Iterable[str] = OS_RELEASE) -> str:
    """Look up distribution, version and machine, such as `debian 12 x86_64`: never the kernel's release.

    :param files: where os-release is looked for; the first that is there counts
    """
    for file in files:
        try:
            with open(file, encoding="utf-8", errors="surrogateescape") as lines:
                facts = dict(line.strip().split("=", 1) for line in lines if "=" in line)
        except OSError:
            continue
        words = [facts.get(key, "").strip("\"'") for key in ("ID", "VERSION_ID")]
        return " ".join(word for word in (words[0] or "linux", words[1], os.uname().machine) if word)
    import platform

    version = platform.mac_ver()[0] or platform.win32_ver()[1]
    return " ".join(word for word in (platform.system().lower(), version, platform.machine()) if word)


def _renamed(result: bool | None, answer: bool) -> bool:
    """Return what an `add` method was given by the old name of its argument.

    :raises TypeError: both names were given
    """
    if result is not None:
        raise TypeError(BOTH_NAMES)
    _warn_of_old_name("answer=", "result=", stacklevel=4)
    return answer


def _warn_of_old_name(old: str, new: str, stacklevel: int) -> None:
    import warnings

    warnings.warn(
        f"{old} is deprecated and will be removed in the next release: use {new}",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


def _require_text(name: object, value: object) -> None:
    for what, text in ((f"name {name!r} of an element", name), (f"value for {name}", value)):
        if not isinstance(text, str):
            raise TreadleError(
                f"the {what} should be a string, not {type(text).__name__}", facts=(f"value: {value!r}",)
            )


def _is_text(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _line(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _replace(path: str, content: bytes) -> None:
    """Put `content` where `path` is, in one step."""
    temporary = os.path.join(os.path.dirname(path), f".treadle-{os.getpid()}-{os.urandom(6).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
