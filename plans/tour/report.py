"""Tell the catalogue to a terminal: `report.py OUT.txt CATALOGUE.json`, eighty columns, nothing but text."""

from __future__ import annotations

import itertools
import json
import math
import sys

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 80

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypedDict

    class Book(TypedDict):
        """One entry of the catalogue."""

        name: str
        files: int
        lines: int
        code: int
        classes: int
        functions: int
        readers: int
        public: int
        documented: int


def main() -> None:
    """Read the catalogue named on the command line and write the report."""
    out, catalogue = sys.argv[1:]
    with open(catalogue, encoding="utf-8") as text:
        books: list[Book] = json.load(text)
    with open(out, "w", encoding="utf-8") as text:
        text.write("\n".join(line.rstrip() for line in report(books)) + "\n")


def report(books: Sequence[Book]) -> Iterator[str]:
    """Yield the report, line by line."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    yield f"The standard library of Python {version}, shelved"
    yield "A bar is a module or package, each step twice the lines. Named: the longest."
    yield ""
    yield from shelves(books)
    yield ""
    yield from side_by_side(
        table("longest", books, lambda book: book["lines"], "{:,} lines"),
        table("most imported", books, lambda book: book["readers"], "by {:,}"),
    )
    yield ""
    yield from totals(books)


def shelves(books: Sequence[Book]) -> Iterator[str]:
    """Yield one line per letter: a bar for each book, as tall as its lines, counted in doublings."""
    for letter, group in itertools.groupby(books, lambda book: book["name"][0]):
        row = list(group)
        bars = "".join(bar(book["lines"]) for book in row)
        longest = max(row, key=lambda book: book["lines"])
        lines = sum(book["lines"] for book in row)
        books_in = f"{len(row)} book" + ("s" if len(row) > 1 else "")
        yield f"  {letter}  {bars:<30}{books_in:>9}{lines:>8,} lines  {longest['name']}"


def bar(lines: int) -> str:
    """Return one block: each further eighth stands for twice the lines, from 64 up."""
    return BLOCKS[max(0, min(len(BLOCKS) - 1, int(math.log2(lines + 1)) - 6))]


def table(title: str, books: Sequence[Book], value: Callable[[Book], int], unit: str) -> list[str]:
    """Return the ten books with the highest value, each with a bar."""
    top = sorted(books, key=lambda book: (-value(book), book["name"]))[:10]
    most = max(1, value(top[0]))
    rows = [title]
    for book in top:
        length = "█" * max(1, round(10 * value(book) / most))
        rows.append(f"{book['name']:<16.16}{length:<11}{unit.format(value(book))}")
    return rows


def side_by_side(left: Sequence[str], right: Sequence[str]) -> Iterator[str]:
    """Yield the lines of two columns."""
    for one, other in itertools.zip_longest(left, right, fillvalue=""):
        yield f"  {one:<{WIDTH // 2 + 2}}{other}"


def totals(books: Sequence[Book]) -> Iterator[str]:
    """Yield the sums in words."""
    code, lines = sum(book["code"] for book in books), sum(book["lines"] for book in books)
    public, documented = sum(book["public"] for book in books), sum(book["documented"] for book in books)
    classes, functions = sum(book["classes"] for book in books), sum(book["functions"] for book in books)
    files = sum(book["files"] for book in books)
    yield f"  {len(books)} modules and packages in {files:,} files: {lines:,} lines, {code:,} of them code."
    yield f"  {classes:,} classes and {functions:,} functions."
    yield f"  {documented:,} of {public:,} public parts have a docstring."


if __name__ == "__main__":
    main()
