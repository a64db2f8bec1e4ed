"""What a script takes its values from: variables, and words behind it where a list is long. It knows no quotes."""

from __future__ import annotations

from functools import lru_cache

MANY = 500
"""Values above which a list is given as words behind the script: the system bounds a text that names each."""


class Held:
    """Values of one script.

    :param has_arrays: whether its shell has arrays as bash has them; without them every value is a variable
    """

    __slots__ = ("_at", "_has_arrays", "_names", "_texts", "behind")

    def __init__(self, *, has_arrays: bool) -> None:
        self._has_arrays = has_arrays
        self._names: dict[str, str] = {}
        self._at: dict[tuple[str, ...], int] = {}
        self._texts: dict[tuple[str, ...], str] = {}
        self.behind: list[str] = []
        """The values of long lists."""

    @property
    def variables(self) -> dict[str, str]:
        """Name -> value, for the environment."""
        return {name: value for value, name in self._names.items()}

    @property
    def head(self) -> str:
        """What stands before the script, in its first line: it takes the words, and leaves none to the script."""
        if not self.behind:
            return ""
        texts = "".join(f'{name}="{self._part(values, "*")}"; ' for values, name in self._texts.items())
        return f'TREADLE_LISTS=("$@"); set --; {texts}'

    def words(self, values: tuple[str, ...]) -> str:
        """Return the words that stand for values outside quotes."""
        if self._is_long(values):
            return f'"{self._part(values, "@")}"'
        return " ".join([f'"${{{self._variable(one)}}}"' for one in values])

    def joined(self, value: str | tuple[str, ...]) -> str:
        """Return what stands inside quotes for a value, and for a list joined by blanks."""
        if isinstance(value, tuple) and self._is_long(value):
            self._part(value, "*")
            return f"${{{self._texts.setdefault(value, f'TREADLE_TEXT_{len(self._texts) + 1}')}}}"
        return f"${{{self._variable(' '.join(value) if isinstance(value, tuple) else value)}}}"

    def _is_long(self, values: tuple[str, ...]) -> bool:
        return self._has_arrays and len(values) > MANY

    def _part(self, values: tuple[str, ...], sign: str) -> str:
        """Return what stands for a long list: all of it for `@`, joined for `*`."""
        if values not in self._at:
            self._at[values] = len(self.behind)
            self.behind += values
        return f"${{TREADLE_LISTS[{sign}]:{self._at[values]}:{len(values)}}}"

    def _variable(self, value: str) -> str:
        return self._names.setdefault(value, _variable(len(self._names) + 1))


@lru_cache
def _variable(number: int) -> str:
    return f"TREADLE_{number}"
