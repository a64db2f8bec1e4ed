"""Put measured books on one shelf: `shelf.py OUT BOOK.json...` writes them by name, with their lines."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Read the books named on the command line and write the shelf."""
    out, *files = sys.argv[1:]
    books = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            books.append(json.load(text))
    books.sort(key=lambda book: book["name"])
    shelf = {"lines": sum(book["lines"] for book in books), "books": books}
    with open(out, "w", encoding="utf-8") as text:
        json.dump(shelf, text, indent=1)
        text.write("\n")


if __name__ == "__main__":
    main()
