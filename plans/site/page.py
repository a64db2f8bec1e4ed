"""Write a page of Markdown as HTML, with a menu of all: `page.py PAGE OUTLINE.json MENU.json OUT`."""

from __future__ import annotations

import json
import os
import sys
from html import escape
from typing import Any

from markdown_it import MarkdownIt

SHEET = """
body { display: flex; gap: 3rem; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 sans-serif }
nav { flex: 0 0 13rem } nav a { display: block } nav [aria-current] { font-weight: bold }
main { min-width: 0 } pre, table { overflow-x: auto; display: block } img { max-width: 100% }
pre, code { background: #8882; border-radius: 4px } pre { padding: 0.8rem } td, th { padding: 0 1rem 0 0 }
:root { color-scheme: light dark }
"""


def html_name(link: str) -> str:
    """Return where a link to a page leads once all pages are HTML."""
    path, hash_, anchor = link.partition("#")
    if "://" in link or not path.endswith(".md"):
        return link
    return path.removesuffix(".md") + ".html" + hash_ + anchor


def body_of(text: str, anchors: list[str]) -> str:
    """Return the text of a page as HTML, with anchors at its headings."""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(text)
    for token in tokens:
        if token.type == "heading_open":
            token.attrs["id"] = anchors.pop(0)
        for part in token.children or []:
            if part.type == "link_open":
                part.attrs["href"] = html_name(str(part.attrs["href"]))
    return str(parser.renderer.render(tokens, parser.options, {}))


def read_json(file: str) -> Any:
    """Return what a file of JSON holds."""
    with open(file, encoding="utf-8") as text:
        return json.load(text)


def main() -> None:
    """Read the page, its outline and the menu, and write the HTML."""
    page, outline_file, menu, out = sys.argv[1:]
    with open(page, encoding="utf-8") as text:
        source = text.read()
    outline = read_json(outline_file)
    links = []
    for entry in read_json(menu):
        here = ' aria-current="page"' if entry["page"] == page else ""
        target = html_name(os.path.relpath(entry["page"], os.path.dirname(page) or "."))
        links.append(f'<a href="{escape(target)}"{here}>{escape(entry["title"])}</a>\n')
    with open(out, "w", encoding="utf-8") as html:
        html.write('<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n')
        html.write(f"<title>{escape(outline['title'])}</title>\n<style>{SHEET}</style>\n")
        html.write(
            f"<nav>\n{''.join(links)}</nav>\n<main>\n{body_of(source, outline['anchors'])}</main>\n</html>\n"
        )


if __name__ == "__main__":
    main()
