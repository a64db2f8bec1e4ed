"""Draw the flow and the best model: `picture.py FLOW BEST.json PARAMS.yaml OUT`."""

from __future__ import annotations

import csv
import json
import re
import sys


def size(file: str) -> tuple[int, int]:
    """Return width and height, from the line of the settings that begins with `picture:`."""
    with open(file, encoding="utf-8") as text:
        line = next(line for line in text if line.startswith("picture:"))
    width, height = (int(re.findall(rf"{name}: *([0-9]+)", line)[0]) for name in ("width", "height"))
    return width, height


def main() -> None:
    """Read flow and model and write the SVG."""
    flow_file, best_file, settings, out = sys.argv[1:]
    (width, height), edge = size(settings), 30
    with open(flow_file, encoding="utf-8", newline="") as table:
        rows = [(int(year), float(volume)) for year, volume in csv.reader(table)]
    with open(best_file, encoding="utf-8") as text:
        best = json.load(text)
    top = max(volume for _, volume in rows)
    across = (width - 2 * edge) / max(1, len(rows) - 1)

    def line(values: list[float], style: str) -> str:
        """Return a line through one value a year."""
        points = (
            f"{edge + i * across:.1f},{height - edge - v / top * (height - 2 * edge):.1f}"
            for i, v in enumerate(values)
        )
        return f'<polyline points="{" ".join(points)}" fill="none" {style}/>\n'

    with open(out, "w", encoding="utf-8") as svg:
        svg.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
        )
        svg.write(line([volume for _, volume in rows], 'stroke="#4682b4"'))
        svg.write(line(best["values"], 'stroke="#b22222" stroke-width="3"'))
        svg.write(f'<text x="{edge}" y="20" font-size="15">The Nile at Aswan: {best["says"]}</text>\n')
        for year, _ in rows[:: max(1, len(rows) // 10)]:
            x = edge + (year - rows[0][0]) * across
            svg.write(f'<text x="{x:.1f}" y="{height - 8}" font-size="11">{year}</text>\n')
        svg.write("</svg>\n")


if __name__ == "__main__":
    main()
