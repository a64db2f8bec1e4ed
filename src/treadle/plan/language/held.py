"""What a script takes long lists from: words behind it. It knows no quotes."""

from __future__ import annotations


class Held:
    """The long lists of one script, for a shell that has arrays as bash has them."""

    __slots__ = ("_at", "_texts", "behind")

    def __init__(self) -> None:
        self._at: dict[tuple[str, ...], int] = {}
        self._texts: dict[tuple[str, ...], str] = {}
        self.behind: list[str] = []
        """The values."""

    @property
    def head(self) -> str:
        """What stands before the script, in its first line: it takes the words, and leaves none to the script."""
        texts = "".join(f'{name}="{self._part(values, "*")}"; ' for values, name in self._texts.items())
        return f'TREADLE_LISTS=("$@"); set --; {texts}'

    def words(self, values: tuple[str, ...]) -> str:
        """Return the words that stand for values outside quotes."""
        return f'"{self._part(values, "@")}"'

    def joined(self, values: tuple[str, ...]) -> str:
        """Return what stands inside quotes for values joined by blanks."""
        self._part(values, "*")
        return f"${{{self._texts.setdefault(values, f'TREADLE_TEXT_{len(self._texts) + 1}')}}}"

    def _part(self, values: tuple[str, ...], sign: str) -> str:
        """Return what stands for a list: all of it for `@`, joined for `*`."""
        if values not in self._at:
            self._at[values] = len(self.behind)
            self.behind += values
        return f"${{TREADLE_LISTS[{sign}]:{self._at[values]}:{len(values)}}}"
