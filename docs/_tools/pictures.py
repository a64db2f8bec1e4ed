"""Draws the pictures of the pages: `python docs/_tools/pictures.py`. A test holds that they are as drawn now."""

from __future__ import annotations

from html import escape
from pathlib import Path

IMAGES = Path(__file__).parents[1] / "images"
STYLE = """
text { font: 14px sans-serif; fill: #1b2733 } .small { font-size: 12px; fill: #51606e }
.box { fill: #f4f7fa; stroke: #8796a5 } .question { fill: #fff6df; stroke: #c79a32 }
.run { fill: #dff1e4; stroke: #4d9a66 } .skip { fill: #e4ecf8; stroke: #5b80bd }
.not { fill: #f8e3e1; stroke: #c0645c }
.arrow { stroke: #51606e; fill: none; marker-end: url(#head) }
"""


def box(x: int, y: int, width: int, kind: str, *lines: str, height: int = 54) -> str:
    """Return a box with centred lines, the first one larger."""
    middle = x + width // 2
    top = y + height // 2 + 5 - 9 * (len(lines) - 1)
    parts = [f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>']
    for number, line in enumerate(lines):
        small = ' class="small"' if number else ""
        parts.append(
            f'<text{small} x="{middle}" y="{top + 18 * number}" text-anchor="middle">{escape(line)}</text>'
        )
    return "\n".join(parts)


def arrow(x1: int, y1: int, x2: int, y2: int, label: str = "") -> str:
    """Return an arrow, with a label next to its middle."""
    text = ""
    if label:
        x, y = ((x1 + x2) // 2, y1 - 6) if y1 == y2 else (x1 + 8, (y1 + y2) // 2 + 4)
        anchor = ' text-anchor="middle"' if y1 == y2 else ""
        text = f'\n<text class="small" x="{x}" y="{y}"{anchor}>{escape(label)}</text>'
    return f'<path class="arrow" d="M{x1} {y1}L{x2} {y2}"/>{text}'


def svg(width: int, height: int, title: str, *parts: str) -> str:
    """Return a picture on a light ground, which is readable on a dark page too."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"',
            'orient="auto">',
            '<path d="M0 0L10 5L0 10z" fill="#51606e"/></marker></defs>',
            f'<rect width="{width}" height="{height}" rx="12" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        )
    )


def up_to_date() -> str:
    """Return how it is decided whether an action runs."""
    return svg(
        760,
        500,
        "How Treadle decides whether an action runs",
        box(40, 24, 300, "question", "Are all predecessors done?", "and is each condition met?"),
        arrow(340, 51, 470, 51, "no"),
        box(470, 24, 250, "not", "blocked or not needed", "nothing is computed"),
        arrow(190, 78, 190, 118, "yes"),
        box(40, 118, 300, "box", "compute the fingerprint", "key: command, inputs, environment, tools", height=60),
        arrow(190, 178, 190, 214),
        box(40, 214, 300, "question", "Equal to the last success?", "key, discovered inputs, outputs", height=60),
        arrow(340, 244, 470, 244, "yes"),
        box(470, 217, 250, "skip", "up to date", "skipped; its readers compare content"),
        arrow(190, 274, 190, 316, "no, or no record"),
        box(40, 316, 300, "question", "Are its outputs in a cache?", "if the plan has one", height=60),
        arrow(340, 346, 470, 346, "yes"),
        box(470, 319, 250, "skip", "restored", "recorded as a success is"),
        arrow(190, 376, 190, 414, "no"),
        box(40, 414, 300, "run", "run", "inputs are compared again at the end", height=60),
        arrow(340, 444, 470, 444, "success"),
        box(470, 417, 250, "run", "recorded", "if no input moved while it ran"),
    )


PICTURES = {"up-to-date.svg": up_to_date}
"""File in docs/images -> what draws it."""


def main() -> None:
    """Write each picture."""
    for name, draw in PICTURES.items():
        (IMAGES / name).write_text(draw(), "utf-8")


if __name__ == "__main__":
    main()
