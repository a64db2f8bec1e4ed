"""Join the shelves to one catalogue: `catalogue.py OUT SHELF.json...` adds to each book who imports it."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Read the shelves named on the command line and write the catalogue."""
    out, *files = sys.argv[1:]
    books = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            books += json.load(text)["books"]
    books.sort(key=lambda book: shelf_order(book["name"]))
    readers: dict[str, int] = {}
    for book in books:
        for name in book.pop("imports"):
            readers[name] = readers.get(name, 0) + 1
    for book in books:
        book["readers"] = readers.get(book["name"], 0)
    with open(out, "w", encoding="utf-8") as text:
        json.dump(books, text, indent=1)
        text.write("\n")


def shelf_order(name: str) -> tuple[bool, str]:
    """Return the sort key of a name: private modules stand behind all others, at the end of the room."""
    return (name.startswith("_"), name)


if __name__ == "__main__":
    main()
