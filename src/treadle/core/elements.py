"""Elements of fingerprints: their names, the digest of a set of them, and the difference of two sets.

It knows nothing of where the elements come from, and nothing of files.
"""

from __future__ import annotations

import xxhash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

KEY = b"q"
RESULT = b"a"

INPUT, DISCOVERED, EDITED, OUTPUT = "input ", "found ", "edited ", "output "
"""How the names of elements for files begin; the path follows. Records have these names."""
ENV, TOOL, EXCLUDE = "env ", "tool ", "exclude "
COMMAND, SHELL, FOLDER, STDOUT = "command", "shell", "folder", "stdout"
CODES, EXPECT = "codes", "expect"
"""What exit codes mean, and which end is expected, of an action that says so."""
BASELINE = "baseline "
"""How the names of elements for baselines begin; the output follows. The value is the path of the baseline."""
WORKDIR = "workdir"
"""Which folder it runs in, of an action that has one of its own."""
VALUE = "value "
"""How the names of elements for values of the plan begin that an action uses; the name of the value follows."""
ROOT = "root"
"""The absolute root, of an action whose command or variables name it."""
ROOT_OF_PLAN = "=root"
"""In place of the name of a variable that a plan depends on: the root. No variable can have this name."""
READ = (INPUT, DISCOVERED, EDITED)
FILES = (*READ, OUTPUT)


def path_of(name: str, kinds: Iterable[str] = FILES) -> str | None:
    """Return the path of an element for a file of one of some kinds, None for any other element."""
    for kind in kinds:
        if name.startswith(kind):
            return name[len(kind) :]
    return None


def paths_of(names: Iterable[str], *kinds: str) -> list[str]:
    """Return the paths of the elements for files of some kinds."""
    return [path for name in names if (path := path_of(name, kinds)) is not None]


def value_of(path: str, elements: Mapping[str, str]) -> str | None:
    """Return the value of a file, whatever its kind, None without such an element.

    If it is in the key and in the result, as an input that is edited, the action has left the value of the result.
    """
    values = (elements.get(kind + path) for kind in (EDITED, DISCOVERED, OUTPUT, INPUT))
    return next((value for value in values if value is not None), None)


class Difference:
    """How two sets of elements differ, sorted by name; it is false if they are equal.

    :param changed: name -> (old value, new value)
    :param added: name -> value, of elements that only the new set has
    :param removed: name -> value, of elements that only the old set has
    """

    __slots__ = ("added", "changed", "removed")

    def __init__(self, changed: dict[str, tuple[str, str]], added: dict[str, str], removed: dict[str, str]) -> None:
        self.changed = changed
        self.added = added
        self.removed = removed

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.removed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Difference) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(tuple(tuple(part) for part in self._key()))

    def __repr__(self) -> str:
        return f"Difference(changed={self.changed!r}, added={self.added!r}, removed={self.removed!r})"

    def _key(self) -> tuple[dict[str, tuple[str, str]], dict[str, str], dict[str, str]]:
        return (self.changed, self.added, self.removed)


def digest(elements: Mapping[str, str], results: Collection[str] = ()) -> str:
    """Return 32 hex digits that differ for different elements, whatever order they were added in.

    :param elements: name -> value
    :param results: the names of those that belong to the result; the others belong to the key
    """
    parts: list[bytes] = []
    for name in sorted(elements):
        parts.append(RESULT if name in results else KEY)
        for text in (name, elements[name]):
            raw = text.encode("utf-8", "surrogatepass")
            parts += (len(raw).to_bytes(8, "little"), raw)
    return xxhash.xxh3_128_hexdigest(b"".join(parts))


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> Difference:
    """Return how `new` differs from `old`."""
    return Difference(
        {name: (old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]},
        {name: new[name] for name in sorted(new.keys() - old.keys())},
        {name: old[name] for name in sorted(old.keys() - new.keys())},
    )
