"""Write the titles of all pages, in order: `menu.py OUT OUTLINE.json...`."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Read the outlines and write the menu as JSON."""
    out, *files = sys.argv[1:]
    menu = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            outline = json.load(text)
        menu.append({"page": outline["page"], "title": outline["title"]})
    with open(out, "w", encoding="utf-8") as text:
        json.dump(menu, text, indent=1)


if __name__ == "__main__":
    main()
