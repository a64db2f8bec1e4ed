"""Say which links between pages lead nowhere: `links.py OUTLINE.json...`."""

from __future__ import annotations

import json
import posixpath
import sys
from typing import Any


def lost(outline: dict[str, Any], anchors: dict[str, list[str]]) -> list[str]:
    """Return the links of one page to pages or headings that there are not."""
    found = []
    for link in outline["links"]:
        path, _, anchor = link.partition("#")
        if "://" in link or (path and not path.endswith(".md")):
            continue
        page = (
            posixpath.normpath(posixpath.join(posixpath.dirname(outline["page"]), path))
            if path
            else outline["page"]
        )
        if page not in anchors or (anchor and anchor not in anchors[page]):
            found.append(link)
    return found


def main() -> None:
    """Read the outlines of all pages; end with 1 if a link is lost."""
    outlines = []
    for file in sys.argv[1:]:
        with open(file, encoding="utf-8") as text:
            outlines.append(json.load(text))
    anchors = {outline["page"]: outline["anchors"] for outline in outlines}
    problems = [f"{outline['page']}: {link}" for outline in outlines for link in lost(outline, anchors)]
    for problem in problems:
        print(problem, "leads nowhere")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
