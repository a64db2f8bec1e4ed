"""Write what a page is called, where its headings are and where its links lead: `outline.py PAGE OUT`."""

from __future__ import annotations

import json
import re
import sys
from itertools import pairwise

from markdown_it import MarkdownIt


def anchor_of(heading: str, others: list[str]) -> str:
    """Return the anchor of a heading, as the hosts of code make it: the second of two equal ones has a number."""
    name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    again = sum(re.fullmatch(re.escape(name) + r"(-\d+)?", other) is not None for other in others)
    return f"{name}-{again}" if again else name


def main() -> None:
    """Read the page and write its outline as JSON."""
    page, out = sys.argv[1:]
    with open(page, encoding="utf-8") as text:
        tokens = MarkdownIt("commonmark").enable("table").parse(text.read())
    headings: list[str] = []
    anchors: list[str] = []
    links: list[str] = []
    for before, token in pairwise(tokens):
        inner = token.children or []
        if before.type == "heading_open":
            headings.append("".join(part.content for part in inner))
            anchors.append(anchor_of(headings[-1], anchors))
        links += [str(part.attrs["href"]) for part in inner if part.type == "link_open"]
    outline = {"page": page, "title": headings[0], "anchors": anchors, "links": links}
    with open(out, "w", encoding="utf-8") as file:
        json.dump(outline, file, indent=1)


if __name__ == "__main__":
    main()
